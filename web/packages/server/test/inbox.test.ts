// With the real notification service: what is created is in the inbox, once. Needs target/debug/notification-service, or
// NOTIFICATION_SERVICE. No hub runs here: what becomes of the events is the service's own tests' to see.

import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFanfare, type Fanfare, type FanfareError, type NotificationResult } from "../src/index.js";

const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../../../target", import.meta.url));
const PROGRAM = process.env.NOTIFICATION_SERVICE ?? `${TARGET}/debug/notification-service`;
const SECRET = "a secret of at least thirty-two bytes";
const KEY = "the-service-key-of-the-tests-0123456789";

const data = mkdtempSync(join(tmpdir(), "fanfare-server-"));
let service: ChildProcess;
let url: string;
let fanfare: Fanfare;

beforeAll(async () => {
  if (!existsSync(PROGRAM)) {
    throw new Error("There is no notification service to test with: cargo build -p notification-service");
  }
  service = spawn(PROGRAM, [], {
    env: {
      PATH: process.env.PATH,
      HOST: "127.0.0.1",
      PORT: "0",
      JWT_SECRET: SECRET,
      SERVICE_API_KEY: KEY,
      FANFARE_DATA: data,
      // Nobody is there: its events wait.
      WS_SERVICE_URL: "http://127.0.0.1:9",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  url = await new Promise<string>((resolve, reject) => {
    const read = (bytes: Buffer) => {
      log += bytes;
      const ready = /listening on (http:\/\/\S+)/.exec(log);
      if (ready?.[1]) resolve(ready[1].replace(/\/$/, ""));
    };
    service.stdout?.on("data", read);
    service.stderr?.on("data", read);
    service.on("exit", () => reject(new Error(`the notification service ended:\n${log}`)));
  });
  fanfare = createFanfare({ notificationUrl: url, serviceKey: KEY });
}, 30_000);

afterAll(async () => {
  if (service && service.exitCode === null) {
    const ended = once(service, "exit");
    service.kill("SIGKILL");
    await ended;
  }
  rmSync(data, { recursive: true, force: true });
});

/** A user's own call. */
async function call(user: string | number, method: string, path: string, body?: object): Promise<unknown> {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { user_id: user, exp: Math.floor(Date.now() / 1000) + 3600 };
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  const token = `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
  const response = await fetch(`${url}/api/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body ? { "content-type": "application/json" } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  expect(response.ok).toBe(true);
  return response.json();
}

async function inboxOf(user: string | number): Promise<Record<string, unknown>[]> {
  const page = (await call(user, "GET", "notifications?per_page=100")) as {
    notifications: Record<string, unknown>[];
  };
  return page.notifications;
}

async function all(results: AsyncIterable<NotificationResult>): Promise<NotificationResult[]> {
  const got = [];
  for await (const result of results) got.push(result);
  return got;
}

test("what is created is in the user's inbox as it was given, and once under one key", async () => {
  const given = {
    title: "Größe <b>",
    message: "m",
    type: "order_shipped",
    category: "orders",
    data: { order_id: 981, text: "\u2028 😀" },
    priority: "high",
    expires_at: new Date("2100-01-01T00:00:00Z"),
  } as const;
  const create = () => fanfare.createNotification(7, given, { idempotencyKey: "order-981" });
  const created = await create();
  expect(await create()).toEqual(created);
  expect(created).toMatchObject({
    ...given,
    user_id: 7,
    is_read: false,
    expires_at: "2100-01-01T00:00:00.000Z",
  });
  expect(await inboxOf(7)).toEqual([created]);
  const other = fanfare.createNotification(7, { title: "another" }, { idempotencyKey: "order-981" });
  await expect(other).rejects.toMatchObject({ code: "invalid", hubCode: "idempotency_key_reused" });
});

test("many are each created or refused, and a repeat gives the same ids", async () => {
  const users = Array.from({ length: 1_100 }, (_, n) => `many-${n}`);
  const same = () =>
    all(fanfare.createNotifications(users, { title: "We are back" }, { idempotencyKey: "k" }));
  const first = await same();
  expect(first.map(({ userId }) => userId)).toEqual(users);
  expect(new Set(first.map(({ id }) => id)).size).toBe(1_100);
  expect(await same()).toEqual(first);
  const each = users.map((user_id, n) => ({ user_id, title: n === 7 ? "x".repeat(201) : `t ${n}` }));
  const results = await all(fanfare.createNotifications(each));
  expect(results.filter(({ error }) => error)).toMatchObject([
    { place: 7, error: { code: "invalid", status: 422 } },
  ]);
  expect((await inboxOf("many-1099")).map(({ title }) => title)).toEqual(["t 1099", "We are back"]);
}, 60_000);

test("a topic reaches who follows it", async () => {
  await call(8, "POST", "fcm/subscribe-topic", { topic: "releases" });
  expect(await fanfare.notifyTopic("releases", { title: "Version 2" })).toEqual({
    topic: "releases",
    recipients: 1,
  });
  await expect.poll(() => inboxOf(8), { timeout: 20_000 }).toMatchObject([{ title: "Version 2" }]);
});

test("a wrong key is refused, and never shown", async () => {
  const stranger = createFanfare({ notificationUrl: url, serviceKey: "a-wrong-key-0123456789" });
  for (const call of [
    () => stranger.createNotification(7, { title: "t" }),
    () => stranger.notifyTopic("t", { title: "t" }),
    () => all(stranger.createNotifications([7], { title: "t" })),
  ]) {
    const error = await call().then(
      () => undefined,
      (cause: FanfareError) => cause,
    );
    expect(error).toMatchObject({ code: "unauthorized", status: 401 });
    expect(String(error?.stack)).not.toContain("a-wrong-key");
  }
});
