// What goes to the hub and what comes of its answers, against a server that answers as written down.

import { afterEach, describe, expect, test, vi } from "vitest";
import { createFanfare, type FanfareError, type FanfareOptions, WS_MESSAGE_TYPES } from "../src/index.js";
import { type Answer, PUBLISHED, ScriptedHub } from "./scripted-hub.js";

const hubs: ScriptedHub[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.resetModules();
  for (const hub of hubs.splice(0)) await hub.stop();
});

async function scripted(...answers: Answer[]): Promise<ScriptedHub> {
  const hub = await ScriptedHub.start(...answers);
  hubs.push(hub);
  return hub;
}

/** A publisher that does not wait long. */
async function scene(answers: Answer[] = [], options: FanfareOptions = {}) {
  const hub = await scripted(...answers);
  return { hub, fanfare: createFanfare({ url: hub.url, minDelay: 1, maxDelay: 4, ...options }) };
}

const errorOf = (promise: Promise<unknown>): Promise<FanfareError> =>
  promise.then(
    (answer) => Promise.reject(new Error(`it was answered: ${JSON.stringify(answer)}`)),
    (error: FanfareError) => error,
  );

const problem = (status: number, code: string, detail: string, headers = {}): Answer => ({
  status,
  json: { type: "about:blank", title: "Refused", status, code, detail },
  headers,
});

describe("what is sent", () => {
  test("each broadcast is one publication, its members in data, with its one target", async () => {
    const { hub, fanfare } = await scene();
    const type = WS_MESSAGE_TYPES.IMAGE_PROCESSED;
    expect(await fanfare.broadcastImageProcessingUpdate(7, { type, documentId: "17" })).toEqual(PUBLISHED);
    await fanfare.broadcastPDFGenerationUpdate("7", { type: "pdf_generated", reportId: 9 });
    await fanfare.broadcastTranscriptionUpdate("q-1", { type: "transcription_complete", duration: 61.5 });
    await fanfare.broadcastStatusUpdate(7, {
      type: "status_update",
      resource: "case-9",
      data: { type: "inner" },
    });
    await fanfare.broadcastToUser(7n, { type: "realtime_update" });
    expect(hub.asked.map(({ body }) => body)).toEqual([
      { type: "image_processed", data: { documentId: "17" }, user_id: 7 },
      { type: "pdf_generated", data: { reportId: 9 }, user_id: "7" },
      { type: "transcription_complete", data: { duration: 61.5 }, queue_id: "q-1" },
      { type: "status_update", data: { resource: "case-9", data: { type: "inner" } }, user_id: 7 },
      { type: "realtime_update", data: {}, user_id: "7" },
    ]);
    for (const { path, method, headers } of hub.asked) {
      expect([method, path]).toEqual(["POST", "/broadcast"]);
      expect(headers["content-type"]).toBe("application/json");
      expect(headers.authorization).toBeUndefined();
      expect(headers["idempotency-key"]).toMatch(/^[0-9a-f-]{36}$/);
    }
    expect(new Set(hub.asked.map(({ headers }) => headers["idempotency-key"])).size).toBe(5);
  });

  test("publish sends what it is given, to whomever", async () => {
    const { hub, fanfare } = await scene([], { apiKey: "s3cr3t-1" });
    const retain = { key: "oracle_upload:602", ttl_s: 3600 };
    const publication = {
      type: "t",
      data: [1, "ü"],
      channels: ["a", "b"],
      user_ids: [1, 2n],
      retain,
      sanitize: true,
    };
    await fanfare.publish(publication, { idempotencyKey: "job 17" });
    expect(hub.asked[0]?.body).toEqual({ ...publication, user_ids: [1, "2"] });
    expect(hub.asked[0]?.headers).toMatchObject({
      authorization: "Bearer s3cr3t-1",
      "idempotency-key": "job 17",
    });
  });

  test("a batch is one request with a key for each, and its answers are given as they are", async () => {
    const answers = [PUBLISHED, { success: false, status: 422, error: { code: "invalid_channel" } }];
    const { hub, fanfare } = await scene([{ status: 200, json: answers }]);
    const given = [
      { type: "a", channel: "jobs" },
      { type: "b", channel: "?", idempotency_key: "mine" },
    ];
    expect(await fanfare.publishBatch(given)).toEqual(answers);
    expect(await fanfare.publishBatch([])).toEqual([]);
    expect(hub.asked).toHaveLength(1);
    expect(hub.asked[0]).toMatchObject({
      path: "/broadcast/batch",
      body: [{ type: "a" }, { type: "b", idempotency_key: "mine" }],
    });
    const [first] = hub.asked.flatMap(({ body }) => body as { idempotency_key: string }[]);
    expect(first?.idempotency_key).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("an address with a path is one before the hub's own", async () => {
    const hub = await scripted();
    await createFanfare({ url: `${hub.url}/hub?x=1` }).broadcastToUser(1, { type: "t" });
    expect(hub.asked[0]?.path).toBe("/hub/broadcast");
  });

  test("the functions of the package take address and key from the environment", async () => {
    const hub = await scripted();
    vi.stubEnv("WS_SERVICE_URL", hub.url);
    vi.stubEnv("FANFARE_API_KEY", "from-the-environment");
    const fanfare = await import("../src/index.js");
    expect(await fanfare.broadcastToUser(7, { type: "t" })).toEqual(PUBLISHED);
    await fanfare.broadcastImageProcessingUpdate(7, { type: "image_processed" });
    await fanfare.broadcastPDFGenerationUpdate(7, { type: "pdf_generated" });
    await fanfare.broadcastTranscriptionUpdate(7, { type: "transcription_queued" });
    await fanfare.broadcastStatusUpdate(7, { type: "status_update" });
    await fanfare.publish({ type: "t" });
    expect(hub.asked).toHaveLength(6);
    expect(hub.asked[0]?.headers.authorization).toBe("Bearer from-the-environment");
  });
});

describe("what is wrong is said before anything is sent", () => {
  test("a user or queue that is none, so that nothing goes to everyone by mistake", async () => {
    const { hub, fanfare } = await scene();
    for (const nobody of [undefined, null, "", " ", Number.NaN, 1.5, {}, [], true]) {
      const id = nobody as never;
      expect(await errorOf(fanfare.broadcastToUser(id, { type: "t" }))).toMatchObject({ code: "invalid" });
      expect(await errorOf(fanfare.broadcastTranscriptionUpdate(id, { type: "t" }))).toMatchObject({
        code: "invalid",
      });
    }
    expect(hub.asked).toHaveLength(0);
  });

  test("no type, data that is no JSON, a batch that is too long, a key that no header can hold", async () => {
    const { hub, fanfare } = await scene();
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    const wrong: Promise<unknown>[] = [
      fanfare.broadcastToUser(1, {} as never),
      fanfare.broadcastToUser(1, null as never),
      fanfare.publish(undefined as never),
      fanfare.publish({ type: "" }),
      fanfare.publish({ type: "t", data: circle }),
      fanfare.publish({ type: "t", data: { big: 1n } }),
      fanfare.publishBatch(new Array(1_001).fill({ type: "t" })),
      fanfare.publishBatch({} as never),
      fanfare.publishBatch([{ type: "t", idempotency_key: "" }]),
      fanfare.publish({ type: "t" }, { idempotencyKey: "a\nb" }),
      fanfare.publish({ type: "t" }, { idempotencyKey: "k".repeat(256) }),
      fanfare.publish({ type: "t" }, { deadline: -1 }),
    ];
    for (const promise of wrong)
      expect(await errorOf(promise)).toMatchObject({ code: "invalid", attempts: 0 });
    expect(hub.asked).toHaveLength(0);
  });

  test("options that make no sense, without showing a secret", () => {
    const secret = "s3cr3t";
    for (const options of [
      { url: "hub" },
      { url: "ftp://hub" },
      { url: `http://user:${secret}@hub` },
      { apiKey: `${secret}\n` },
      { apiKey: "" },
      { deadline: 0 },
      { timeout: Number.NaN },
      { maxConcurrent: -1 },
    ]) {
      const make = () => createFanfare(options);
      expect(make).toThrow(expect.objectContaining({ name: "FanfareError", code: "invalid" }));
      expect(make).not.toThrow(secret);
    }
  });
});

describe("what the hub cannot do now is tried again", () => {
  test("503, 429 and 500 are, with the same key, until it is published", async () => {
    const { hub, fanfare } = await scene([
      problem(503, "overloaded", "Full"),
      { status: 429 },
      { status: 500 },
    ]);
    expect(await fanfare.broadcastToUser(7, { type: "t" })).toEqual(PUBLISHED);
    expect(hub.asked).toHaveLength(4);
    expect(new Set(hub.asked.map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
    expect(new Set(hub.asked.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  });

  test("a connection that breaks off is, before the answer and within it", async () => {
    const { hub, fanfare } = await scene([
      (response) => response.destroy(),
      (response) => {
        response.writeHead(200, { "content-length": "1000" });
        response.write('{"success":');
        setImmediate(() => response.destroy());
      },
    ]);
    expect(await fanfare.broadcastToUser(7, { type: "t" })).toEqual(PUBLISHED);
    expect(hub.asked).toHaveLength(3);
  });

  test("an answer that does not come in time is", async () => {
    const { hub, fanfare } = await scene([() => {}], { timeout: 500 });
    expect(await fanfare.broadcastToUser(7, { type: "t" })).toEqual(PUBLISHED);
    expect(hub.asked).toHaveLength(2);
  });

  test("Retry-After is kept, in seconds or as a date", async () => {
    // A date has whole seconds.
    const date = new Date(Date.now() + 2_000).toUTCString();
    for (const header of [date, "1"]) {
      const { fanfare } = await scene([problem(503, "draining", "Draining", { "retry-after": header })]);
      const until = header === date ? Date.parse(date) : Date.now() + 1_000;
      await fanfare.broadcastToUser(7, { type: "t" });
      expect(Date.now()).toBeGreaterThan(until - 20);
    }
  });

  test("a Retry-After behind the deadline is not waited for", async () => {
    const { hub, fanfare } = await scene([problem(503, "draining", "Draining", { "retry-after": "3600" })]);
    const error = await errorOf(fanfare.broadcastToUser(7, { type: "t" }));
    expect(error).toMatchObject({ code: "overloaded", status: 503, hubCode: "draining", attempts: 1 });
    expect(hub.asked).toHaveLength(1);
  });

  test("it ends after the attempts that are allowed, and says that nothing was sent where nothing was", async () => {
    // The system gives this port to nobody, and no service is known by it.
    const fanfare = createFanfare({ url: "http://127.0.0.1:10", minDelay: 1, maxDelay: 2, maxAttempts: 3 });
    const error = await errorOf(fanfare.broadcastToUser(7, { type: "t" }));
    expect(error).toMatchObject({ code: "unreachable", attempts: 3, mayHaveArrived: false });
    expect(error.message).toBe("The hub could not be reached (ECONNREFUSED). Gave up after 3 attempts.");
  });

  test("it ends with the deadline, and says that it may have arrived", async () => {
    const { fanfare } = await scene([() => {}], { deadline: 500 });
    const error = await errorOf(fanfare.broadcastToUser(7, { type: "t" }));
    expect(error).toMatchObject({ code: "timeout", mayHaveArrived: true });
  });

  test("it ends with the caller's signal, before, during and between attempts", async () => {
    const { hub, fanfare } = await scene([() => {}, { status: 503, headers: { "retry-after": "20" } }]);
    for (const _ of [1, 2]) {
      const given = new AbortController();
      const error = errorOf(fanfare.broadcastToUser(7, { type: "t" }, { signal: given.signal }));
      const before = hub.asked.length;
      await vi.waitUntil(() => hub.asked.length > before);
      given.abort();
      expect(await error).toMatchObject({ code: "aborted" });
    }
    const error = await errorOf(fanfare.broadcastToUser(7, { type: "t" }, { signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ code: "aborted", mayHaveArrived: false });
    expect(hub.asked).toHaveLength(2);
  });
});

describe("what the hub refuses is not tried again", () => {
  test.each([
    [401, "unauthorized"],
    [403, "unauthorized"],
    [400, "invalid"],
    [404, "invalid"],
    [413, "invalid"],
    [415, "invalid"],
    [422, "invalid"],
    [301, "bad_answer"],
    [204, "bad_answer"],
  ])("%i is %s", async (status, code) => {
    const headers = status === 301 ? { location: "http://elsewhere.test/" } : {};
    const answer = status === 204 ? { status } : problem(status, "its_code", "What is wrong", headers);
    const { hub, fanfare } = await scene([answer], { apiKey: "s3cr3t-1" });
    const error = await errorOf(fanfare.broadcastToUser(7, { type: "t" }));
    expect(error).toMatchObject({ name: "FanfareError", code, status, attempts: 1 });
    expect(error).toBeInstanceOf(Error);
    if (status >= 400) {
      expect(error.message).toBe(`The hub answered ${status}: What is wrong.`);
      expect(error.hubCode).toBe("its_code");
    }
    expect(hub.asked).toHaveLength(1);
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain("s3cr3t");
  });

  test("nor is a 200 of somebody else", async () => {
    const pages: Answer[] = [
      { status: 200 },
      { status: 200, json: "a page" },
      { status: 200, json: { success: true } },
      { status: 200, json: [] },
    ];
    for (const page of pages) {
      const { hub, fanfare } = await scene([page]);
      expect(await errorOf(fanfare.broadcastToUser(7, { type: "t" }))).toMatchObject({ code: "bad_answer" });
      expect(hub.asked).toHaveLength(1);
    }
  });

  test("nor is an answer without end, which is not read to it", async () => {
    const { fanfare } = await scene([
      (response) => {
        const more = () => {
          while (response.write("x".repeat(65_536)));
        };
        response.on("drain", more).on("error", () => {});
        response.writeHead(200);
        more();
      },
    ]);
    expect(await errorOf(fanfare.broadcastToUser(7, { type: "t" }))).toMatchObject({ code: "bad_answer" });
  });
});

describe("order and bounds", () => {
  test("calls for one user keep their order whatever happens to the first, and others do not wait for them", async () => {
    const { hub, fanfare } = await scene([{ status: 503 }, { status: 503 }, { status: 503 }], {
      maxConcurrent: 2,
    });
    const order: string[] = [];
    const call = (user: number, type: string) =>
      fanfare.broadcastToUser(user, { type }).then(() => order.push(`${user} ${type}`));
    await Promise.all([call(7, "a"), call(7, "b"), call(7, "c"), call(8, "a"), call(8, "b")]);
    const published = (user: number) => order.filter((one) => one.startsWith(`${user}`));
    expect(published(7)).toEqual(["7 a", "7 b", "7 c"]);
    expect(published(8)).toEqual(["8 a", "8 b"]);
    expect(hub.asked).toHaveLength(8);
  });

  test("only so many requests are made at the same time, and every user has a turn", async () => {
    let now = 0;
    let most = 0;
    const slow: Answer = (response) => {
      now++;
      most = Math.max(most, now);
      setImmediate(() => {
        now--;
        response.writeHead(200).end(JSON.stringify(PUBLISHED));
      });
    };
    const { hub, fanfare } = await scene(new Array<Answer>(60).fill(slow), { maxConcurrent: 4 });
    const calls = [];
    for (let call = 0; call < 60; call++)
      calls.push(fanfare.broadcastToUser(call % 20, { type: String(call) }));
    await Promise.all(calls);
    expect(hub.asked).toHaveLength(60);
    expect(most).toBeLessThanOrEqual(4);
  });

  test("one call too many is refused at once, and those before it are not harmed", async () => {
    const held: (() => void)[] = [];
    const hold: Answer = (response) => {
      held.push(() => response.writeHead(200).end(JSON.stringify(PUBLISHED)));
    };
    const { hub, fanfare } = await scene([hold], { maxPending: 3 });
    const calls = [1, 2, 3].map(() => fanfare.broadcastToUser(7, { type: "t" }));
    expect(await errorOf(fanfare.broadcastToUser(7, { type: "t" }))).toMatchObject({
      code: "overloaded",
      attempts: 0,
    });
    await vi.waitUntil(() => held.length === 1);
    held[0]?.();
    expect(await Promise.all(calls)).toHaveLength(3);
    await fanfare.broadcastToUser(7, { type: "t" });
    expect(hub.asked).toHaveLength(4);
  });

  test("who gives up in the line leaves it, and the others go on", async () => {
    const held: (() => void)[] = [];
    const hold: Answer = (response) => {
      held.push(() => response.writeHead(200).end(JSON.stringify(PUBLISHED)));
    };
    const { hub, fanfare } = await scene([hold], { maxConcurrent: 1 });
    const first = fanfare.broadcastToUser(7, { type: "first" });
    const given = new AbortController();
    const second = errorOf(fanfare.broadcastToUser(7, { type: "second" }, { signal: given.signal }));
    const head = errorOf(fanfare.broadcastToUser(8, { type: "head" }, { signal: given.signal }));
    const third = fanfare.broadcastToUser(7, { type: "third" });
    const fourth = fanfare.broadcastToUser(8, { type: "fourth" });
    await vi.waitUntil(() => held.length === 1);
    given.abort();
    expect([await second, await head]).toMatchObject([{ mayHaveArrived: false }, { mayHaveArrived: false }]);
    held[0]?.();
    await Promise.all([first, third, fourth]);
    const types = hub.asked.map(({ body }) => (body as { type: string }).type);
    expect(types.sort()).toEqual(["first", "fourth", "third"]);
  });
});
