// Requests: what goes out, whose answer an answer is, and how each ends that gets none.

import { expect, test } from "vitest";
import { RequestError } from "../src/index.js";
import { openScene, type Scene, scene, settle } from "./fakes.js";

/** What became of a promise so far. */
function outcome(promise: Promise<unknown>): { of: unknown } {
  const seen: { of: unknown } = { of: "waits" };
  promise.then(
    (answer) => (seen.of = answer),
    (error: unknown) => (seen.of = error instanceof RequestError ? error.code : error),
  );
  return seen;
}

const sent = (s: Scene) => s.socket.frames.filter(({ type }) => type !== "ping");
const ack = (s: Scene, ref: unknown, answer: unknown) =>
  s.socket.say({ type: "ack", data: { event: "send_message", ref, answer } });

test("an answer reaches the request with its number, in whatever order answers come", async () => {
  const s = await openScene();
  const first = outcome(s.client.request("send_message", { to_user_id: 8, message: "hi" }));
  const second = outcome(s.client.request("mark_read", { message_id: 3 }));
  expect(sent(s)).toEqual([
    { type: "send_message", data: { to_user_id: 8, message: "hi" }, ref: "1" },
    { type: "mark_read", data: { message_id: 3 }, ref: "2" },
  ]);
  await ack(s, "2", { success: true });
  expect([first.of, second.of]).toEqual(["waits", { success: true }]);
  await ack(s, "1", { success: true, id: 12 });
  expect(first.of).toEqual({ success: true, id: 12 });
});

test("an answer that says no is an answer", async () => {
  const s = await openScene();
  const asked = outcome(s.client.request("send_message", {}));
  const no = { success: false, code: "unavailable", message: "The service is away." };
  await ack(s, "1", no);
  expect(asked.of).toEqual(no);
});

test("answers are for whoever asks for them by their type, and no events", async () => {
  const s = await openScene();
  const events: string[] = [];
  const acks: unknown[] = [];
  s.client.onAny(({ type }) => events.push(type));
  s.client.on("ack", ({ event, ref }) => acks.push([event, ref]));
  await ack(s, "9", { success: true });
  await ack(s, undefined, { success: true });
  expect(events).toEqual([]);
  expect(acks).toEqual([
    ["send_message", "9"],
    ["send_message", undefined],
  ]);
  expect(s.errors).toEqual([]);
});

test("send needs no answer and has no number", async () => {
  const s = await openScene();
  expect(s.client.send("typing", { to_user_id: 8, is_typing: true })).toBe(true);
  expect(sent(s)).toEqual([{ type: "typing", data: { to_user_id: 8, is_typing: true } }]);
});

test("without a connection nothing is sent, now or later", async () => {
  const s = await scene();
  const asked = outcome(s.client.request("send_message", {}));
  await settle();
  expect(asked.of).toBe("closed");
  await s.socket.welcome();
  expect(sent(s)).toEqual([]);
});

test("a lost connection ends all requests, and the next one sends none of them again", async () => {
  const s = await openScene();
  const asked = [outcome(s.client.request("a")), outcome(s.client.request("b"))];
  await s.socket.end();
  expect(asked.map(({ of }) => of)).toEqual(["lost", "lost"]);
  await s.env.pass(1_000);
  await s.socket.welcome("c2");
  expect(sent(s)).toEqual([]);
  const next = outcome(s.client.request("c"));
  // Late, or of somebody else: it is no answer to this one.
  await ack(s, "1", { success: true });
  await ack(s, 3, { success: true });
  await ack(s, ["3"], { success: true });
  expect(next.of).toBe("waits");
  await ack(s, "3", { success: true });
  expect(next.of).toEqual({ success: true });
});

test("close() ends them too", async () => {
  const s = await openScene();
  const asked = outcome(s.client.request("a"));
  s.client.close();
  await settle();
  expect(asked.of).toBe("lost");
  expect(s.env.timers.size).toBe(0);
});

test("it waits for 10 s, or for as long as it is told", async () => {
  const s = await openScene({ heartbeatInterval: Number.POSITIVE_INFINITY });
  const [short, long] = [s.client.request("a", 1, { timeout: 500 }), s.client.request("b")].map(outcome);
  await s.env.pass(499);
  expect(short?.of).toBe("waits");
  await s.env.pass(1);
  expect(short?.of).toBe("timeout");
  await s.env.pass(9_499);
  expect(long?.of).toBe("waits");
  await s.env.pass(1);
  expect(long?.of).toBe("timeout");
  await ack(s, "1", { success: true });
  expect(short?.of).toBe("timeout");
});

test("a signal ends the wait with its reason, before or after it was sent", async () => {
  const s = await openScene();
  const gone = outcome(s.client.request("a", {}, { signal: AbortSignal.abort("before") }));
  const control = new AbortController();
  const asked = outcome(s.client.request("b", {}, { signal: control.signal }));
  await settle();
  expect([gone.of, asked.of]).toEqual(["before", "waits"]);
  expect(sent(s).map(({ type }) => type)).toEqual(["b"]);
  control.abort("enough");
  await settle();
  expect(asked.of).toBe("enough");
  await ack(s, "1", { success: true });
  expect(asked.of).toBe("enough");
});

test("100 wait at a time, or as many as the option says; one more is not sent", async () => {
  for (const most of [100, 2]) {
    const s = await openScene(most === 100 ? {} : { maxRequests: most });
    const asked = Array.from({ length: most }, () => outcome(s.client.request("a")));
    const over = outcome(s.client.request("a"));
    await settle();
    expect(over.of).toBe("too_many");
    expect(sent(s)).toHaveLength(most);
    await ack(s, "1", { success: true });
    expect(asked[0]?.of).toEqual({ success: true });
    s.client.request("a").catch(() => undefined);
    expect(sent(s)).toHaveLength(most + 1);
    s.client.close();
    await settle();
    expect(s.env.timers.size).toBe(0);
  }
});

test("what cannot be JSON is an error of its own, and leaves nothing behind", async () => {
  const s = await openScene();
  const timers = s.env.timers.size;
  const asked = outcome(s.client.request("a", 1n));
  await settle();
  expect(asked.of).toBeInstanceOf(TypeError);
  expect(s.env.timers.size).toBe(timers);
  expect(sent(s)).toEqual([]);
});

test("a type that the server does not know ends the requests of that type alone", async () => {
  const s = await openScene();
  const asked = [outcome(s.client.request("sen")), outcome(s.client.request("send_message"))];
  await s.socket.say({
    type: "error",
    data: { code: "unknown_type", message: 'unknown type "sen"; known are subscribe' },
  });
  expect(asked.map(({ of }) => of)).toEqual(["unknown_type", "waits"]);
  await s.socket.say({ type: "error", data: { code: "forbidden", message: '"send_message"' } });
  expect(asked[1]?.of).toBe("waits");
});

test("a request that a handler makes while another ends is sent", async () => {
  const s = await openScene();
  const again = s.client.request("a").then(() => s.client.request("b"));
  const seen = outcome(again);
  await ack(s, "1", { success: true });
  await ack(s, "2", { success: true, second: true });
  expect(seen.of).toEqual({ success: true, second: true });
});

test("with recovery answers come through before the server has said where the streams stand", async () => {
  const s = await openScene({ recovery: true });
  const asked = outcome(s.client.request("a"));
  await settle();
  expect(s.socket.frames.map(({ type }) => type)).toEqual(["subscribe", "a"]);
  await ack(s, "1", { success: true });
  expect(asked.of).toEqual({ success: true });
});
