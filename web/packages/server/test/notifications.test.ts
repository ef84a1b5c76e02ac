// What goes to the notification service and what comes of its answers, against a server that answers as written down.

import { afterEach, describe, expect, test, vi } from "vitest";
import {
  createFanfare,
  type Fanfare,
  FanfareError,
  type FanfareOptions,
  type Id,
  type NotificationFor,
  type NotificationResult,
} from "../src/index.js";
import { type Answer, type Asked, ScriptedHub } from "./scripted-hub.js";

const KEY = "s3rvice-key-0123456789";

const STORED = {
  id: 12,
  user_id: 7,
  type: "orders",
  category: "orders",
  title: "Shipped",
  message: "",
  data: {},
  priority: "normal",
  is_read: false,
  read_at: null,
  created_at: "2026-11-21T12:00:00.000Z",
  expires_at: null,
};

const services: ScriptedHub[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.resetModules();
  for (const service of services.splice(0)) await service.stop();
});

/** A service that answers so, and then stores all, with a caller that does not wait long. */
async function scene(answers: Answer[] = [], options: FanfareOptions = {}) {
  const service = await ScriptedHub.start(...answers);
  services.push(service);
  service.otherwise = (response) => {
    const asked = service.asked.at(-1) as Asked;
    if (asked.path?.endsWith("/bulk"))
      return response.end(
        lines(
          usersOf(asked).map((id) => stored(id)),
          true,
        ),
      );
    response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify(STORED));
  };
  const given = { notificationUrl: service.url, serviceKey: KEY, minDelay: 1, maxDelay: 4, ...options };
  return { service, fanfare: createFanfare(given) };
}

const usersOf = ({ body }: Asked): Id[] =>
  Array.isArray(body) ? body.map(({ user_id }) => user_id) : (body as { user_ids: Id[] }).user_ids;

/** The id of a user's notification, the same however often it is asked for. */
const idOf = (user: Id) => 1_000_000 + Number(user);
const stored = (user: Id) => ({ success: true, user_id: user, id: idOf(user) });
const refused = {
  success: false,
  user_id: 2,
  status: 422,
  error: { code: "invalid", detail: "title: too long" },
};

function lines(answers: object[], done = false): string {
  const last = { done: true, created: answers.length, filtered: 0, refused: 0 };
  return [...answers, ...(done ? [last] : [])].map((one) => `${JSON.stringify(one)}\n`).join("");
}

async function all(results: AsyncIterable<NotificationResult>): Promise<NotificationResult[]> {
  const got = [];
  for await (const result of results) got.push(result);
  return got;
}

const errorOf = (promise: Promise<unknown>): Promise<FanfareError> =>
  promise.then(
    (answer) => Promise.reject(new Error(`it was answered: ${JSON.stringify(answer)}`)),
    (error: FanfareError) => error,
  );

const keysOf = (service: ScriptedHub) => service.asked.map(({ headers }) => headers["idempotency-key"]);

const range = (length: number) => Array.from({ length }, (_, n) => n);

describe("one notification", () => {
  test("goes to the service with what it was given and nothing else", async () => {
    const { service, fanfare } = await scene();
    expect(await fanfare.createNotification(7, { title: "Shipped" })).toEqual(STORED);
    const data = { order_id: 981, text: "ü \u2028 <b>" };
    const expires_at = new Date("2027-01-01T12:00:00+01:00");
    await fanfare.createNotification(
      7n,
      {
        title: "Shipped",
        message: "m",
        type: "order_shipped",
        category: "orders",
        data,
        priority: "high",
        expires_at,
      },
      { idempotencyKey: "order-981" },
    );
    const [first, second] = service.asked;
    expect(first).toMatchObject({ path: "/api/notifications", method: "POST" });
    expect(first?.body).toEqual({ user_id: 7, title: "Shipped" });
    expect(first?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(first?.headers["idempotency-key"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(second?.body).toEqual({
      user_id: "7",
      title: "Shipped",
      message: "m",
      type: "order_shipped",
      category: "orders",
      data,
      priority: "high",
      expires_at: "2027-01-01T11:00:00.000Z",
    });
    expect(second?.headers["idempotency-key"]).toBe("order-981");
  });

  test("for a topic is answered with its subscribers", async () => {
    const { service, fanfare } = await scene([{ status: 201, json: { topic: "releases", recipients: 3 } }]);
    const answer = await fanfare.notifyTopic("releases", { title: "Version 2" }, { idempotencyKey: "v2" });
    expect(answer).toEqual({ topic: "releases", recipients: 3 });
    expect(service.asked[0]).toMatchObject({ path: "/api/notifications" });
    expect(service.asked[0]?.body).toEqual({ topic: "releases", title: "Version 2" });
    expect(keysOf(service)).toEqual(["v2"]);
  });

  test("is tried again under its key while the service can't take it", async () => {
    const { service, fanfare } = await scene([
      { status: 503 },
      { status: 409, headers: { "retry-after": "0" } },
      (response) => response.destroy(),
    ]);
    expect(await fanfare.createNotification(7, { title: "t" })).toEqual(STORED);
    expect(service.asked).toHaveLength(4);
    expect(new Set(keysOf(service)).size).toBe(1);
  });

  test("that the service refuses is an error with its code, and never with the key", async () => {
    const problem = { status: 422, code: "invalid", detail: "title: too long", title: "Refused" };
    const { service, fanfare } = await scene([
      { status: 422, json: problem },
      { status: 409, json: { code: "idempotency_key_reused", detail: "Another body" } },
      { status: 401, json: { code: "unauthorized", detail: "No" } },
      { status: 201, json: { id: true } },
      { status: 201, json: [] },
      { status: 200, json: { success: true } },
    ]);
    const one = () => errorOf(fanfare.createNotification(7, { title: "private" }));
    const told = [await one(), await one(), await one(), await one(), await one()];
    told.push(await errorOf(fanfare.notifyTopic("t", { title: "private" })));
    expect(told.map(({ code, status }) => [code, status])).toEqual([
      ["invalid", 422],
      ["invalid", 409],
      ["unauthorized", 401],
      ["bad_answer", undefined],
      ["bad_answer", undefined],
      ["bad_answer", undefined],
    ]);
    expect(told[0]?.message).toBe("The notification service answered 422: title: too long.");
    expect(told[0]?.hubCode).toBe("invalid");
    expect(service.asked).toHaveLength(6);
    for (const error of told) {
      expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain(KEY);
      expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain("private");
    }
  });

  test("that can be none is refused before anything is sent", async () => {
    const { service, fanfare } = await scene();
    const wrong = [
      ...[undefined, null, "", " ", Number.NaN, 1.5, {}, true].map((id) =>
        fanfare.createNotification(id as never, { title: "t" }),
      ),
      fanfare.createNotification(7, undefined as never),
      fanfare.createNotification(7, { title: 7 } as never),
      fanfare.createNotification(7, { title: "t", data: { big: 1n } }),
      fanfare.createNotification(7, { title: "t", expires_at: new Date("never") }),
      fanfare.createNotification(7, { title: "t" }, { idempotencyKey: "ü" }),
      fanfare.notifyTopic("", { title: "t" }),
      fanfare.notifyTopic("t", {} as never),
    ];
    for (const promise of wrong)
      expect(await errorOf(promise)).toMatchObject({ code: "invalid", attempts: 0 });
    expect(service.asked).toHaveLength(0);
  });

  test("needs a service key, which who only publishes does not", async () => {
    const { service } = await scene();
    vi.stubEnv("SERVICE_API_KEY", "");
    const fanfare = createFanfare({ url: service.url });
    const error = await errorOf(fanfare.createNotification(7, { title: "t" }));
    expect(error).toMatchObject({ code: "invalid" });
    expect(error.message).toContain("SERVICE_API_KEY");
    for (const options of [
      { serviceKey: `${KEY}\n` },
      { notificationUrl: "inbox", serviceKey: KEY },
      { notificationUrl: `http://user:${KEY}@inbox`, serviceKey: KEY },
    ]) {
      const make = () => createFanfare(options);
      expect(make).toThrow(expect.objectContaining({ name: "FanfareError", code: "invalid" }));
      expect(make).not.toThrow(KEY);
    }
    expect(service.asked).toHaveLength(0);
  });

  test("goes where the environment says by the functions of the package", async () => {
    const { service } = await scene();
    vi.stubEnv("NOTIFICATION_SERVICE_URL", service.url);
    vi.stubEnv("SERVICE_API_KEY", "from-the-environment");
    const fanfare = await import("../src/index.js");
    expect(await fanfare.createNotification(7, { title: "t" })).toEqual(STORED);
    expect(await all(fanfare.createNotifications([7], { title: "t" }))).toHaveLength(1);
    expect(await all(fanfare.createNotifications([{ user_id: 7, title: "t" }]))).toHaveLength(1);
    expect(await errorOf(fanfare.notifyTopic("t", { title: "t" }))).toMatchObject({ code: "bad_answer" });
    expect(service.asked.map(({ path }) => path)).toEqual([
      "/api/notifications",
      "/api/notifications/bulk",
      "/api/notifications/bulk",
      "/api/notifications",
    ]);
    expect(service.asked[0]?.headers.authorization).toBe("Bearer from-the-environment");
  });

  test("of one user are created in the order of the calls", async () => {
    const { service, fanfare } = await scene([{ status: 503 }, { status: 503 }]);
    await Promise.all(range(5).map((n) => fanfare.createNotification(n % 2 ? 7 : "7", { title: `${n}` })));
    const titles = service.asked.map(({ body }) => (body as { title: string }).title);
    expect(titles).toEqual(["0", "0", "0", "1", "2", "3", "4"]);
  });
});

describe("many notifications", () => {
  test("that are the same are one request for 10,000 users, and each has its result", async () => {
    const { service, fanfare } = await scene();
    const same = { title: "We are back", category: "news" };
    const results = await all(fanfare.createNotifications(range(10_000), same, { idempotencyKey: "k" }));
    expect(results).toEqual(range(10_000).map((n) => ({ place: n, userId: n, id: idOf(n) })));
    expect(service.asked).toHaveLength(1);
    expect(service.asked[0]).toMatchObject({ path: "/api/notifications/bulk", method: "POST" });
    expect(service.asked[0]?.body).toEqual({ ...same, user_ids: range(10_000) });
    expect(service.asked[0]?.headers).toMatchObject({
      "content-type": "application/json",
      "idempotency-key": "k",
      authorization: `Bearer ${KEY}`,
    });
  });

  test("that differ go line by line, 500 at once, read as they are needed", async () => {
    const { service, fanfare } = await scene();
    let read = 0;
    async function* notifications(): AsyncGenerator<NotificationFor> {
      for (; read < 1_200; read++) yield { user_id: read, title: `t ${read}`, data: { n: read } };
    }
    const results = fanfare.createNotifications(notifications(), { idempotencyKey: "k" });
    expect(read).toBe(0);
    expect((await results.next()).value).toEqual({ place: 0, userId: 0, id: idOf(0) });
    expect(read).toBeLessThan(501);
    expect(await all(results)).toHaveLength(1_199);
    expect(service.asked.map(usersOf).map(({ length }) => length)).toEqual([500, 500, 200]);
    expect(keysOf(service)).toEqual(["k", "k/1/", "k/2/"]);
    expect(service.asked[0]?.headers["content-type"]).toBe("application/x-ndjson");
    const [, , last] = service.asked.map(({ body }) => body as unknown[]);
    expect(last?.[199]).toEqual({
      user_id: 1_199,
      title: "t 1199",
      data: { n: 1_199 },
    });
  });

  test("never make a request of more than a megabyte", async () => {
    const { service, fanfare } = await scene();
    const users = range(10_000).map((n) => `${n}`.padStart(190, "0"));
    const many = fanfare.createNotifications(users, { title: "t", message: "€".repeat(20_000) });
    expect(await all(many)).toHaveLength(10_000);
    expect(service.asked).toHaveLength(3);
    for (const { headers } of service.asked)
      expect(Number(headers["content-length"])).toBeLessThan(1024 * 1024);
    expect(service.asked.flatMap(usersOf)).toEqual(users);
  });

  test("do not suffer from one that is refused", async () => {
    const { fanfare } = await scene([
      (response) => response.end(lines([stored(1), refused, stored(3)], true)),
    ]);
    const [first, second, third] = await all(fanfare.createNotifications([1, 2n, 3], { title: "t" }));
    expect([first, third]).toEqual([
      { place: 0, userId: 1, id: idOf(1) },
      { place: 2, userId: 3, id: idOf(3) },
    ]);
    expect(second).toMatchObject({ place: 1, userId: 2n });
    expect(second?.error).toBeInstanceOf(FanfareError);
    expect(second?.error).toMatchObject({ code: "invalid", status: 422, hubCode: "invalid" });
  });

  const cut =
    (text: string): Answer =>
    (response) => {
      response.writeHead(200, { "content-length": "100000" });
      response.write(text);
      setTimeout(() => response.destroy(), 5);
    };

  test.each<[string, Answer]>([
    ["a refusal for now", { status: 503 }],
    ["a call that still runs", { status: 409, headers: { "retry-after": "0" } }],
    ["no connection", (response) => response.destroy()],
    ["an answer cut between lines", cut(lines([stored(1), stored(2)]))],
    ["an answer cut within a line", cut(`${lines([stored(1)])}{"success":tr`)],
    ["an answer without its end", (response) => response.end(lines([stored(1), stored(2), stored(3)]))],
    [
      "an item that may succeed later",
      (response) => response.end(lines([stored(1), { ...refused, status: 503 }, stored(3)])),
    ],
  ])("are asked for again under their key after %s, and each is told once", async (_, first) => {
    const { service, fanfare } = await scene([first, first]);
    const results = await all(fanfare.createNotifications([1, 2, 3], { title: "t" }));
    expect(results.map(({ place, userId, id }) => [place, userId, id])).toEqual([
      [0, 1, idOf(1)],
      [1, 2, idOf(2)],
      [2, 3, idOf(3)],
    ]);
    expect(service.asked).toHaveLength(3);
    expect(new Set(keysOf(service)).size).toBe(1);
    expect(service.asked[2]?.body).toEqual(service.asked[0]?.body);
  });

  test("that come to a service which stays away are told, and a repeat does the rest", async () => {
    const { service, fanfare } = await scene([], { maxAttempts: 2 });
    const many = fanfare.createNotifications(range(15_000), { title: "t" }, { idempotencyKey: "k" });
    const some: NotificationResult[] = [];
    const error = await errorOf(
      (async () => {
        for await (const result of many) {
          some.push(result);
          if (some.length === 1) service.otherwise = { status: 503 };
        }
      })(),
    );
    expect(error).toMatchObject({ code: "overloaded", status: 503, attempts: 2 });
    expect(some).toHaveLength(10_000);
    expect(keysOf(service)).toEqual(["k", "k/1/", "k/1/"]);
  });

  test("end with the deadline, with the time of an attempt, and with the caller's signal", async () => {
    const hold: Answer = (response) => {
      response.writeHead(200);
      response.write(lines([stored(1)]));
    };
    const { service, fanfare } = await scene([hold, hold, hold, hold, hold]);
    const next = async (many: AsyncGenerator<NotificationResult>) => {
      expect((await many.next()).value).toMatchObject({ id: idOf(1) });
      return errorOf(many.next());
    };
    const users = [1, 2];
    const late = fanfare.createNotifications(users, { title: "t" }, { deadline: 500 });
    expect(await next(late)).toMatchObject({ code: "timeout", mayHaveArrived: true });
    const given = new AbortController();
    const many = fanfare.createNotifications(users, { title: "t" }, { signal: given.signal });
    expect((await many.next()).value).toMatchObject({ id: idOf(1) });
    const error = errorOf(many.next());
    given.abort();
    expect(await error).toMatchObject({ code: "aborted", mayHaveArrived: true });
    const none = fanfare.createNotifications(users, { title: "t" }, { signal: AbortSignal.abort() });
    expect(await errorOf(none.next())).toMatchObject({ code: "aborted", mayHaveArrived: false });
    const asked = service.asked.length;
    const impatient = createFanfare({
      notificationUrl: service.url,
      serviceKey: KEY,
      timeout: 500,
      maxAttempts: 2,
      minDelay: 1,
      maxDelay: 2,
    });
    expect(await next(impatient.createNotifications(users, { title: "t" }))).toMatchObject({
      code: "timeout",
    });
    expect(service.asked.length).toBeGreaterThan(asked + 1);
  });

  test("end the connection of whoever has enough of them", async () => {
    let closed = false;
    const endless: Answer = (response) => {
      response.on("close", () => {
        closed = true;
      });
      response.writeHead(200);
      response.write(lines([stored(1), stored(2)]));
    };
    const { fanfare } = await scene([endless]);
    for await (const result of fanfare.createNotifications([1, 2, 3], { title: "t" })) {
      expect(result.id).toBe(idOf(1));
      break;
    }
    await vi.waitUntil(() => closed);
  });

  test.each<[string, Answer]>([
    ["a refusal", { status: 401, json: { code: "unauthorized" } }],
    ["a page", (response) => response.end("<html>\n")],
    ["a line that is no object", (response) => response.end("[]\n")],
    ["a line without an id", (response) => response.end(lines([{ success: true, user_id: 1 }]))],
    ["too few lines", (response) => response.end(lines([stored(1)], true))],
    ["too many lines", (response) => response.end(lines(range(5).map(stored), true))],
    ["a line without end", (response) => response.end("x".repeat(200_000))],
  ])("end at once with %s", async (_, answer) => {
    const { service, fanfare } = await scene([answer]);
    const error = await errorOf(all(fanfare.createNotifications([1, 2], { title: "private" })));
    expect(["bad_answer", "unauthorized"]).toContain(error.code);
    expect(error.message).toMatch(/the notification service/i);
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toMatch(/private|s3rvice/);
    expect(service.asked).toHaveLength(1);
  });

  test("that can be none are refused, at once or by their place, before their request is sent", async () => {
    const { service, fanfare } = await scene();
    const call = fanfare.createNotifications as Fanfare["createNotifications"] &
      ((...given: unknown[]) => unknown);
    for (const given of [
      ["7", { title: "t" }],
      [7, { title: "t" }],
      [null, { title: "t" }],
      [{ user_id: 7, title: "t" }],
      [[7], { title: 7 }],
      [[7], { title: "t", data: { big: 1n } }],
      [[7], { title: "t" }, { idempotencyKey: "k".repeat(241) }],
      [[7], { title: "t" }, { deadline: 0 }],
    ]) {
      expect(() => call(...given)).toThrow(expect.objectContaining({ code: "invalid" }));
    }
    const later: [AsyncIterable<NotificationResult>, string][] = [
      [fanfare.createNotifications([1, null as never], { title: "t" }), "user 1 must be"],
      [fanfare.createNotifications([{ title: "t" } as never]), "the user_id of notification 0 must be"],
      [
        fanfare.createNotifications([{ user_id: 1, title: "t" }, 7 as never]),
        "the user_id of notification 1",
      ],
      [fanfare.createNotifications([{ user_id: 1 } as never]), "A notification is an object with a title"],
    ];
    for (const [many, text] of later) {
      const error = await errorOf(all(many));
      expect(error).toMatchObject({ code: "invalid" });
      expect(error.message).toContain(text);
    }
    expect(await all(fanfare.createNotifications([], { title: "t" }))).toEqual([]);
    expect(await all(fanfare.createNotifications([]))).toEqual([]);
    expect(service.asked).toHaveLength(0);
  });
});
