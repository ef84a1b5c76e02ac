// Calls of the back end: tokens, renewal, calls that nobody answers.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Attempt, newKey } from "../../src/api/attempt";
import { type AccessTokens, answer, createApi } from "../../src/api/client";
import { ApiProblem, NoAnswer, SignedOut } from "../../src/api/problem";

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

function tokens(): AccessTokens & { renewed: string[] } {
  const renewed: string[] = [];
  return {
    renewed,
    get: async () => "first",
    renew: async (refused) => {
      renewed.push(refused);
      return "second";
    },
  };
}

describe("calls", () => {
  const base = { baseUrl: "http://paychain.test" };

  it("carry the access token, and give the data", async () => {
    const seen: (string | null)[] = [];
    const api = createApi({
      ...base,
      tokens: tokens(),
      fetch: async (request) => {
        seen.push(request.headers.get("authorization"));
        return json({ items: [], next: null });
      },
    });
    expect(await answer(api.GET("/jobs"))).toEqual({ items: [], next: null });
    expect(seen).toEqual(["Bearer first"]);
  });

  it("are sent again with their body once the token was renewed, and only once", async () => {
    const bodies: string[] = [];
    const source = tokens();
    const api = createApi({
      ...base,
      tokens: source,
      fetch: async (request) => {
        bodies.push(`${request.headers.get("authorization")} ${await request.text()}`);
        return json({ code: "unauthorized" }, 401);
      },
    });
    const call = answer(api.POST("/wallet/deposit", { body: { amount_usd: 5 } }));
    await expect(call).rejects.toMatchObject({ status: 401 });
    expect(bodies).toEqual(['Bearer first {"amount_usd":5}', 'Bearer second {"amount_usd":5}']);
    expect(source.renewed).toEqual(["first"]);
  });

  it("that are refused give what the service said", async () => {
    const api = createApi({
      ...base,
      fetch: async () => json({ code: "email_taken", title: "Conflict", status: 409 }, 409),
    });
    const call = answer(api.POST("/auth/login", { body: { email: "a@b", password: "12345678" } }));
    await expect(call).rejects.toBeInstanceOf(ApiProblem);
    await expect(call).rejects.toMatchObject({ code: "email_taken" });
  });

  it("without an answer say so", async () => {
    const api = createApi({ ...base, fetch: () => Promise.reject(new TypeError("Failed to fetch")) });
    await expect(answer(api.GET("/jobs"))).rejects.toMatchObject({ name: "NoAnswer", cause: "unreachable" });
  });

  it("without a network were not sent; where it goes while they are under way, they may have been", async () => {
    const network = vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
    const api = createApi({
      ...base,
      fetch: () => {
        network.mockReturnValue(false);
        return Promise.reject(new TypeError("Failed to fetch"));
      },
    });
    await expect(answer(api.GET("/jobs"))).rejects.toMatchObject({ cause: "offline" });
    network.mockReturnValue(true);
    await expect(answer(api.GET("/jobs"))).rejects.toMatchObject({ cause: "unreachable" });
    network.mockRestore();
  });

  it("whose answer is cut off are not answered", async () => {
    const api = createApi({ ...base, fetch: async () => new Response('{"items":[', { status: 200 }) });
    await expect(answer(api.GET("/jobs"))).rejects.toBeInstanceOf(NoAnswer);
  });

  it.each([
    [502, "unreachable"],
    [504, "silent"],
  ])("that a proxy answers with %i were not answered", async (status, cause) => {
    const api = createApi({ ...base, fetch: async () => new Response("<h1>nginx</h1>", { status }) });
    await expect(answer(api.GET("/jobs"))).rejects.toMatchObject({ name: "NoAnswer", cause });
  });

  it("of somebody who is signed out say that", async () => {
    const signedOut = {
      get: () => Promise.reject(new SignedOut()),
      renew: () => Promise.reject(new SignedOut()),
    };
    const api = createApi({ ...base, tokens: signedOut, fetch: async () => json({}) });
    await expect(answer(api.GET("/jobs"))).rejects.toBeInstanceOf(SignedOut);
  });

  it("with an empty answer are a success", async () => {
    const api = createApi({
      ...base,
      tokens: tokens(),
      fetch: async () => new Response(null, { status: 204 }),
    });
    await expect(answer(api.POST("/auth/logout-all"))).resolves.toBeUndefined();
  });

  describe("that hang", () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    it("are given up after 15 seconds", async () => {
      const api = createApi({
        ...base,
        fetch: (request) =>
          new Promise((_, reject) => {
            request.signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
          }),
      });
      const call = answer(api.GET("/jobs"));
      const failed = expect(call).rejects.toMatchObject({ cause: "silent" });
      await vi.advanceTimersByTimeAsync(15_000);
      await failed;
    });

    it("in the middle of their answer are given up too", async () => {
      const api = createApi({
        ...base,
        fetch: async ({ signal }) => {
          const body = new ReadableStream({
            start: (stream) => {
              signal.addEventListener("abort", () => stream.error(new DOMException("aborted", "AbortError")));
            },
          });
          return new Response(body, { status: 200 });
        },
      });
      const call = answer(api.GET("/jobs"));
      const failed = expect(call).rejects.toMatchObject({ cause: "silent" });
      await vi.advanceTimersByTimeAsync(15_000);
      await failed;
    });
  });
});

describe("attempts", () => {
  it("keep their key while the same is tried again", () => {
    const attempt = new Attempt();
    const first = attempt.headers({ amount: 5 });
    expect(attempt.headers({ amount: 5 })).toEqual(first);
    expect(attempt.headers({ amount: 6 })).not.toEqual(first);
    expect(attempt.headers({ amount: 5 })).toEqual(first);
  });

  it("take another key once they have succeeded", () => {
    const attempt = new Attempt();
    const first = attempt.headers({ amount: 5 });
    attempt.done();
    expect(attempt.headers({ amount: 5 })).not.toEqual(first);
  });

  it("have keys of 128 bits, each another", () => {
    expect(newKey()).toMatch(/^[0-9a-f]{32}$/);
    expect(newKey()).not.toBe(newKey());
  });
});
