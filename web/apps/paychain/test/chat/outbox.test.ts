// Sending under all that may go wrong: what matters is that a message is stored once, and that its writer knows whether it is.

import { RequestError } from "@fanfare/client";
import { expect, test, vi } from "vitest";
import { createApi } from "../../src/api/client";
import { Outbox } from "../../src/chat/outbox";
import type { ChatMessage, MessageList } from "../../src/chat/wire";
import { message } from "./sample";

/** An outbox over a connection and a service that the test plays. */
function scene() {
  const stored: ChatMessage[] = [];
  const loaded: MessageList[] = [];
  const posts: { key: string | null; body: unknown }[] = [];
  const asked: unknown[] = [];
  const listeners = new Set<(state: { status: string }) => void>();
  const at = {
    status: "open",
    /** What the connection does with a request. */
    request: (): Promise<unknown> => Promise.resolve({ success: true, id: 20 }),
    /** What the service does with a call. */
    post: (): Response | Promise<Response> => json(201, message(30, 7, 9)),
    history: [] as ChatMessage[],
    latest: 10 as number | null,
    paused: [] as number[],
  };
  const api = createApi({
    baseUrl: "http://chat.test",
    fetch: async (request) => {
      if (request.method === "GET") return json(200, { items: at.history, next: null });
      posts.push({ key: request.headers.get("idempotency-key"), body: await request.json() });
      return at.post();
    },
  });
  const client = {
    get state() {
      return { status: at.status };
    },
    request: (type: string, data: unknown) => {
      asked.push([type, data]);
      return at.request();
    },
    onState: (listener: (state: { status: string }) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const outbox = new Outbox({
    client: client as never,
    api,
    me: 7,
    stored: (one) => stored.push(one),
    loaded: (list) => loaded.push(list),
    latest: () => at.latest,
    now: () => 1_000,
    pause: async (ms) => void at.paused.push(ms),
  });
  const become = (status: string) => {
    at.status = status;
    for (const listener of [...listeners]) listener({ status });
  };
  return { outbox, at, stored, loaded, posts, asked, become };
}

const json = (status: number, body: unknown) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
const states = ({ outbox }: { outbox: Outbox }) => outbox.unsent().map(({ text, state }) => [text, state]);
const settled = (s: { outbox: Outbox }) =>
  vi.waitFor(() => expect(s.outbox.unsent().every(({ state }) => state === "failed")).toBe(true));
const keyOf = ({ outbox }: { outbox: Outbox }) => outbox.unsent()[0]?.key ?? "";

test("it goes over the connection, and is stored under the id of the answer", async () => {
  const s = scene();
  s.outbox.send(9, "hi");
  expect(states(s)).toEqual([["hi", "sending"]]);
  await settled(s);
  expect(s.outbox.unsent()).toEqual([]);
  expect(s.asked).toEqual([["send_message", { to_user_id: 9, message: "hi" }]]);
  expect(s.stored).toMatchObject([{ id: 20, from_user_id: 7, to_user_id: 9, message: "hi", read: false }]);
  expect(s.posts).toEqual([]);
});

test("messages of a conversation are sent one after the other, in their order", async () => {
  const s = scene();
  const open: ((answer: unknown) => void)[] = [];
  s.at.request = () => new Promise((resolve) => open.push(resolve));
  for (const text of ["one", "two", "three"]) s.outbox.send(9, text);
  s.outbox.send(11, "elsewhere");
  await vi.waitFor(() => expect(open).toHaveLength(2));
  expect(s.asked).toHaveLength(2);
  open[0]?.({ success: true, id: 21 });
  await vi.waitFor(() => expect(s.asked).toHaveLength(3));
  expect(s.asked.at(-1)).toEqual(["send_message", { to_user_id: 9, message: "two" }]);
});

test("without a connection it goes by HTTP, with a key", async () => {
  const s = scene();
  s.at.status = "reconnecting";
  s.outbox.send(9, "hi");
  const key = keyOf(s);
  await settled(s);
  expect(s.asked).toEqual([]);
  expect(s.posts).toEqual([{ key, body: { message: "hi" } }]);
  expect(key).toMatch(/^[0-9a-f]{32}$/);
  expect(s.stored).toMatchObject([{ id: 30 }]);
});

test("a connection that closes in that moment has sent nothing: it goes by HTTP at once", async () => {
  const s = scene();
  s.at.request = () => Promise.reject(new RequestError("closed", ""));
  s.outbox.send(9, "hi");
  await settled(s);
  expect(s.posts).toHaveLength(1);
  expect(s.outbox.unsent()).toEqual([]);
});

for (const code of ["lost", "timeout"] as const) {
  test(`one that was on its way when the answer was ${code} is looked for before it is sent again`, async () => {
    const s = scene();
    s.at.request = () => Promise.reject(new RequestError(code, ""));
    s.outbox.send(9, "hi");
    await settled(s);
    expect(states(s)).toEqual([["hi", "failed"]]);
    expect(s.posts).toEqual([]);
    // It was stored: beside it an older one with the same words, and the other's.
    s.at.history = [message(22, 9, 7, "hi"), message(21, 7, 9, "hi"), message(8, 7, 9, "hi")];
    s.outbox.retry(keyOf(s));
    await settled(s);
    expect(s.outbox.unsent()).toEqual([]);
    expect(s.posts).toEqual([]);
    expect(s.loaded).toHaveLength(1);
    // What the hub still carried out was waited for.
    expect(s.at.paused[0]).toBeGreaterThanOrEqual(0);
  });
}

test("one that was not stored is sent by HTTP with one key, however often that is tried", async () => {
  const s = scene();
  s.at.request = () => Promise.reject(new RequestError("lost", ""));
  s.outbox.send(9, "hi");
  await settled(s);
  s.at.history = [message(8, 7, 9, "hi"), message(9, 9, 7, "hi"), message(12, 7, 9, "hi there")];
  s.at.post = () => {
    throw new TypeError("nobody there");
  };
  s.outbox.retry(keyOf(s));
  await settled(s);
  expect(states(s)).toEqual([["hi", "failed"]]);
  s.at.post = () => json(201, message(31, 7, 9, "hi"));
  s.outbox.retry(keyOf(s));
  await settled(s);
  expect(s.outbox.unsent()).toEqual([]);
  expect(new Set(s.posts.map(({ key }) => key)).size).toBe(1);
  expect(s.posts).toHaveLength(2);
});

test("its own event tells that one is stored whose answer was lost, and no other", async () => {
  const s = scene();
  s.at.request = () => Promise.reject(new RequestError("lost", ""));
  s.outbox.send(9, "hi");
  await settled(s);
  for (const other of [
    message(21, 9, 7, "hi"),
    message(21, 7, 9, "ho"),
    message(10, 7, 9, "hi"),
    message(21, 7, 8, "hi"),
  ]) {
    s.outbox.arrived(other);
  }
  expect(states(s)).toEqual([["hi", "failed"]]);
  s.outbox.arrived(message(21, 7, 9, "hi"));
  expect(s.outbox.unsent()).toEqual([]);
});

test("the same words from another device are no answer to what waits for one", async () => {
  const s = scene();
  let answer: (answer: unknown) => void = () => undefined;
  s.at.request = () => new Promise((resolve) => (answer = resolve));
  s.outbox.send(9, "ok");
  await vi.waitFor(() => expect(s.asked).toHaveLength(1));
  s.outbox.arrived(message(21, 7, 9, "ok"));
  expect(states(s)).toEqual([["ok", "sending"]]);
  answer({ success: true, id: 22 });
  await settled(s);
  expect(s.stored).toMatchObject([{ id: 22 }]);
});

test("what fails for want of a connection is tried again with the next one; a refusal is not", async () => {
  const s = scene();
  const end = s.outbox.watch();
  s.at.request = () => Promise.reject(new RequestError("lost", ""));
  s.outbox.send(9, "lost");
  await settled(s);
  s.at.request = () => Promise.resolve({ success: false, code: "blocked", message: "" });
  s.outbox.send(9, "refused");
  await settled(s);
  s.become("open");
  await vi.waitFor(() => expect(states(s)).toEqual([["refused", "failed"]]));
  expect(s.posts.map(({ body }) => body)).toEqual([{ message: "lost" }]);
  end();
});

test("a service that is away may have stored it: that is looked for too", async () => {
  const s = scene();
  s.at.request = () => Promise.resolve({ success: false, code: "unavailable", message: "" });
  s.outbox.send(9, "hi");
  await settled(s);
  s.at.history = [message(21, 7, 9, "hi")];
  s.outbox.retry(keyOf(s));
  await settled(s);
  expect(s.outbox.unsent()).toEqual([]);
  expect(s.posts).toEqual([]);
});

test("of two with the same words neither is taken for the other", async () => {
  const s = scene();
  const ends: { resolve(answer: unknown): void; reject(error: unknown): void }[] = [];
  s.at.request = () => new Promise((resolve, reject) => ends.push({ resolve, reject }));
  for (const text of ["ok", "ok"]) s.outbox.send(9, text);
  await vi.waitFor(() => expect(ends).toHaveLength(1));
  ends[0]?.reject(new RequestError("lost", ""));
  await vi.waitFor(() => expect(ends).toHaveLength(2));
  ends[1]?.resolve({ success: true, id: 21 });
  await settled(s);
  expect(states(s)).toEqual([["ok", "failed"]]);
  // That of the second comes again with the next connection.
  s.outbox.arrived(message(21, 7, 9, "ok"));
  s.at.history = [message(21, 7, 9, "ok")];
  s.outbox.retry(keyOf(s));
  await settled(s);
  expect(s.outbox.unsent()).toEqual([]);
  expect(s.posts).toHaveLength(1);
});

test("while the conversation is not loaded it goes with a key, since nobody could tell later", async () => {
  const s = scene();
  s.at.latest = null;
  s.outbox.send(9, "hi");
  await settled(s);
  expect(s.asked).toEqual([]);
  expect(s.posts).toHaveLength(1);
});

test("one that failed can be given up, one under way can't; at most 100 wait", async () => {
  const s = scene();
  s.at.request = () => new Promise(() => undefined);
  for (let at = 0; at < 100; at += 1) expect(s.outbox.send(at, "hi")).toBe(true);
  expect(s.outbox.send(1, "hi")).toBe(false);
  s.outbox.remove(keyOf(s));
  expect(s.outbox.unsent()).toHaveLength(100);

  const other = scene();
  other.at.request = () => Promise.resolve({ success: false, code: "invalid", message: "" });
  other.outbox.send(9, "hi");
  await settled(other);
  other.outbox.remove(keyOf(other));
  expect(other.outbox.unsent()).toEqual([]);
});
