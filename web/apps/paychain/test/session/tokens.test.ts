// Access tokens: windows take turns, and no refresh token is sent twice.

import { describe, expect, it, vi } from "vitest";
import type { TokenPair } from "../../src/api/client";
import { ApiProblem, NoAnswer, SignedOut } from "../../src/api/problem";
import { createTokens, endSignIn, MARGIN } from "../../src/session/tokens";
import { type Turns, windowTurns } from "../../src/session/turns";
import { Browser, ERIN, signInOf } from "./windows";

/** A user service with one session: a refresh token is good once, and one that comes twice ends all. */
function service() {
  let live = "refresh-1-1";
  let turn = 1;
  const sent: string[] = [];
  let hold: Promise<void> = Promise.resolve();
  return {
    sent,
    holdUntil: (until: Promise<void>) => {
      hold = until;
    },
    refresh: async (token: string): Promise<TokenPair> => {
      sent.push(token);
      if (token !== live) {
        live = "";
        throw new ApiProblem(401, "invalid_refresh_token", "Unauthorized", [], null, null);
      }
      turn += 1;
      live = `refresh-1-${turn}`;
      const pair = { access_token: `access-1-${turn}`, refresh_token: live, expires_in: 900 };
      await hold;
      return pair;
    },
  };
}

function signedIn() {
  const browser = new Browser();
  const first = browser.open().accounts;
  first.signIn(signInOf(ERIN, browser.now));
  const second = browser.open().accounts;
  const server = service();
  const tokensOf = (accounts: typeof first, turns: Turns = browser.turns) =>
    createTokens({ accounts, userId: 1, turns, now: () => browser.now, refresh: server.refresh });
  return { browser, first, second, server, tokensOf };
}

describe("access tokens", () => {
  it("a good one is given without asking anybody", async () => {
    const { first, server, tokensOf } = signedIn();
    expect(await tokensOf(first).get()).toBe("access-1-1");
    expect(server.sent).toEqual([]);
  });

  it("one that ends soon is renewed before", async () => {
    const { browser, first, server, tokensOf } = signedIn();
    browser.now += 900_000 - MARGIN;
    expect(await tokensOf(first).get()).toBe("access-1-2");
    expect(server.sent).toEqual(["refresh-1-1"]);
    expect(first.stored(1)).toMatchObject({
      refresh_token: "refresh-1-2",
      expires_at: browser.now + 900_000,
    });
  });

  it("two windows that need one at once send one refresh token, once", async () => {
    const { browser, first, second, server, tokensOf } = signedIn();
    let go = () => {};
    server.holdUntil(
      new Promise((resolve) => {
        go = resolve;
      }),
    );
    browser.now += 900_000;
    const both = Promise.all([tokensOf(first).get(), tokensOf(second).get()]);
    await vi.waitFor(() => expect(server.sent).toHaveLength(1));
    go();
    expect(await both).toEqual(["access-1-2", "access-1-2"]);
    expect(server.sent).toEqual(["refresh-1-1"]);
  });

  it("calls of one window that were refused together renew once", async () => {
    const { first, server, tokensOf } = signedIn();
    const tokens = tokensOf(first);
    expect(await Promise.all([tokens.renew("access-1-1"), tokens.renew("access-1-1")])).toEqual([
      "access-1-2",
      "access-1-2",
    ]);
    expect(server.sent).toEqual(["refresh-1-1"]);
  });

  it("a refresh token that the service refuses signs out in all windows and says so", async () => {
    const { first, second, server, tokensOf } = signedIn();
    await server.refresh("stolen").catch(() => undefined);
    await expect(tokensOf(first).renew("access-1-1")).rejects.toBeInstanceOf(SignedOut);
    expect(first.state).toMatchObject({ current: null, notice: { reason: "ended", here: true } });
    expect(second.state).toMatchObject({ current: null, notice: { reason: "ended", here: false } });
    await expect(tokensOf(second).get()).rejects.toBeInstanceOf(SignedOut);
  });

  it.each([
    ["no answer", new NoAnswer("unreachable")],
    ["a server without its database", new ApiProblem(503, "store_unavailable", "", [], null, 2)],
    ["too many calls", new ApiProblem(429, "rate_limited", "", [], null, 1)],
  ])("%s signs nobody out", async (_, failure) => {
    const { browser, first } = signedIn();
    browser.now += 900_000;
    const tokens = createTokens({
      accounts: first,
      userId: 1,
      turns: browser.turns,
      now: () => browser.now,
      refresh: () => Promise.reject(failure),
    });
    await expect(tokens.get()).rejects.toBe(failure);
    expect(first.state.current?.refresh_token).toBe("refresh-1-1");
  });

  it("where windows share no lock, the slower one takes what the faster one was given", async () => {
    const { browser, first, second, tokensOf, server } = signedIn();
    browser.now += 900_000;
    const slow = createTokens({
      accounts: second,
      userId: 1,
      turns: windowTurns(),
      now: () => browser.now,
      refresh: async (token) => {
        await tokensOf(first, windowTurns()).get();
        return server.refresh(token);
      },
    });
    expect(await slow.get()).toBe("access-1-2");
    expect(second.state.current).not.toBeNull();
  });

  it("a window whose view of the store is behind waits for it, and does not send a spent token", async () => {
    const { browser, first, second, server, tokensOf } = signedIn();
    const notes = new Set<string>();
    const turns: Turns = {
      take: browser.turns.take,
      note: async (name) => void notes.add(name),
      noted: async (name) => notes.has(name),
    };
    browser.now += 900_000;
    const before = second.stored(1);
    const tell: (() => void)[] = [];
    let behind = true;
    const late = Object.create(second, {
      stored: { value: () => (behind ? before : second.stored(1)) },
      subscribe: {
        value: (listener: () => void) => {
          tell.push(listener);
          return () => {};
        },
      },
    });
    expect(await tokensOf(first, turns).get()).toBe("access-1-2");
    const slow = tokensOf(late, turns).get();
    await vi.waitFor(() => expect(tell).toHaveLength(1));
    behind = false;
    for (const listener of tell) listener();
    expect(await slow).toBe("access-1-2");
    expect(server.sent).toEqual(["refresh-1-1"]);
  });

  it("a failure does not block the lock", async () => {
    const { take } = windowTurns();
    await expect(take("a", () => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
    expect(await take("a", async () => 7)).toBe(7);
  });

  it("a sign-in that is ended here is not renewed meanwhile, and all windows know why", async () => {
    const { browser, first, second, server, tokensOf } = signedIn();
    let told = () => {};
    const telling = new Promise<void>((resolve) => {
      told = resolve;
    });
    const ended = endSignIn({ accounts: first, userId: 1, turns: browser.turns }, async () => {
      await telling;
      return "signed_out";
    });
    const asked = [first, second].map((accounts) => tokensOf(accounts).renew("access-1-1"));
    told();
    await ended;
    for (const answer of asked) await expect(answer).rejects.toThrow(SignedOut);
    expect(server.sent).toEqual([]);
    expect(first.state.notice).toMatchObject({ reason: "signed_out", here: true });
  });

  it("a sign-in stays where ending it failed", async () => {
    const { browser, first, tokensOf } = signedIn();
    const ending = endSignIn({ accounts: first, userId: 1, turns: browser.turns }, async () => {
      throw new NoAnswer("unreachable");
    });
    await expect(ending).rejects.toThrow(NoAnswer);
    expect(await tokensOf(first).get()).toBe("access-1-1");
  });
});
