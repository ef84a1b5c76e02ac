// How the dashboard's client comes back: with the connection that it had, when and whether, and how it notices that one is dead.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { comeBack, confirm, connected, FakeEnvironment, image, NOW, say, scene, settle } from "./scene.js";

beforeEach(() => sessionStorage.clear());
afterEach(() => vi.restoreAllMocks());

describe("coming back", () => {
  test("after a loss it goes on with its connection, and does not tell twice what it was told", async () => {
    const s = await connected();
    await say(s.socket, image("a"));
    await say(s.socket, image("b"));
    await s.socket.end();
    expect(s.client.getState()).toEqual({
      isConnected: false,
      userId: "7",
      reconnectAttempts: 1,
      connectionId: "id-1",
    });
    expect(s.of("disconnected")).toEqual([
      {
        type: "disconnected",
        code: 1006,
        reason: "lost",
        message: "The connection broke off.",
        willReconnect: true,
        retryIn: 500,
      },
    ]);
    await comeBack(s);
    expect(s.socket.frames).toEqual([{ type: "reconnect", connectionId: "id-1" }]);
    await confirm(s.socket, "id-2");
    for (const id of ["a", "b", "c"]) await say(s.socket, image(id));
    expect(s.of("connected").at(-1)).toEqual({
      type: "connected",
      userId: "7",
      connectionId: "id-2",
      restored: true,
    });
    const ids = s.of("message").flatMap(({ documentId }) => (documentId ? [documentId] : []));
    expect(ids).toEqual(["a", "b", "c"]);
    expect(sessionStorage.getItem("ws_connection_id")).toBe("id-2");
    expect(s.client.getState().reconnectAttempts).toBe(0);
  });

  test("the tail in a batch is known again too", async () => {
    const s = await connected();
    await say(s.socket, image("a"));
    await say(s.socket, image("b"));
    await s.socket.end();
    await comeBack(s);
    await confirm(s.socket, "id-2");
    const messages = [image("b"), image("c")];
    await say(s.socket, { type: "batch_update", messages, timestamp: NOW });
    const ids = s.of("message").flatMap(({ documentId }) => (documentId ? [documentId] : []));
    expect(ids).toEqual(["a", "b", "c"]);
  });

  test("an answer that is called reconnected, with the old id or none, is one", async () => {
    const s = await connected();
    await s.socket.end();
    await comeBack(s);
    await say(s.socket, { type: "reconnected", timestamp: NOW });
    expect(s.client.getState()).toMatchObject({ isConnected: true, connectionId: "id-1" });
  });

  test("an id that the server does not know any more is followed by a new subscription, without a word", async () => {
    const s = await connected();
    await s.socket.end();
    await comeBack(s);
    await say(s.socket, { type: "error", message: "unknown connection", timestamp: NOW });
    expect(s.socket.frames).toEqual([
      { type: "reconnect", connectionId: "id-1" },
      { type: "subscribe", userId: "7" },
    ]);
    expect(s.of("error")).toEqual([]);
    await confirm(s.socket, "id-9");
    expect(s.of("connected").at(-1)).toMatchObject({ connectionId: "id-9", restored: false });
  });

  test("a reloaded page goes on with the connection before", async () => {
    const gone = await connected();
    gone.client.disconnect();
    const again = scene();
    again.client.connect("7");
    await settle();
    again.socket.accept();
    expect(again.socket.frames).toEqual([{ type: "reconnect", connectionId: "id-1" }]);
  });

  test("a reloaded page of another user does not", async () => {
    await connected();
    const again = scene();
    again.client.connect("8");
    await settle();
    again.socket.accept();
    expect(again.socket.frames).toEqual([{ type: "subscribe", userId: "8" }]);
    expect(sessionStorage.getItem("ws_connection_id")).toBeNull();
  });

  test("where there is no storage it works, and goes on while the page is there", async () => {
    const denied = () => {
      throw new DOMException("denied", "SecurityError");
    };
    vi.stubGlobal("sessionStorage", { getItem: denied, setItem: denied, removeItem: denied });
    const s = await connected();
    await s.socket.end();
    await comeBack(s);
    expect(s.socket.frames).toEqual([{ type: "reconnect", connectionId: "id-1" }]);
    vi.unstubAllGlobals();
  });

  test("a server that breaks off over the old id is asked for a new one after three times", async () => {
    const s = await connected();
    const asked: unknown[] = [];
    for (let loss = 0; loss < 4; loss++) {
      await s.socket.end(1011);
      await comeBack(s);
      asked.push(s.socket.frames[0]?.type);
    }
    expect(asked).toEqual(["reconnect", "reconnect", "reconnect", "subscribe"]);
  });

  test("pauses grow from the first to the longest, by chance between them", async () => {
    const env = new FakeEnvironment();
    env.chance = 0.999;
    const s = scene({ reconnectDelay: 1_000, maxReconnectDelay: 8_000 }, env);
    s.client.connect("7");
    await settle();
    const pauses: unknown[] = [];
    for (let failure = 0; failure < 6; failure++) {
      await s.socket.end();
      pauses.push(s.of("disconnected").at(-1)?.retryIn);
      await s.env.pass(8_000);
    }
    expect(pauses).toEqual([999, 1_998, 3_996, 7_992, 7_992, 7_992]);
    expect(s.client.getState().reconnectAttempts).toBe(6);
    env.chance = 0;
    await s.socket.end();
    expect(s.of("disconnected").at(-1)?.retryIn).toBe(100);
  });

  test("a time that the server names is kept, even if the network comes and goes", async () => {
    const s = await connected();
    await s.env.pass(6_000);
    await s.socket.end(1001, "draining; reconnect in 4200 ms");
    expect(s.of("disconnected").at(-1)).toMatchObject({ reason: "draining", retryIn: 4_200 });
    await s.env.goOnline();
    await s.env.wake();
    await s.env.pass(4_190);
    expect(s.sockets).toHaveLength(1);
    await s.env.pass(10);
    expect(s.sockets).toHaveLength(2);
  });

  test("4001 ends it, once and for all, until the page connects again", async () => {
    const s = await connected();
    await s.socket.end(4001, "Unauthorized");
    expect(s.of("disconnected")).toMatchObject([
      { code: 4001, reason: "unauthorized", willReconnect: false, retryIn: null },
    ]);
    expect(s.of("error")).toMatchObject([{ code: "disconnected" }]);
    await s.env.pass(3_600_000);
    expect(s.sockets).toHaveLength(1);
    s.client.connect();
    await settle();
    expect(s.sockets).toHaveLength(2);
  });

  test("4029 right after each welcome is met with growing pauses", async () => {
    const env = new FakeEnvironment();
    env.chance = 0.999;
    const s = scene({}, env);
    s.client.connect("7");
    await settle();
    s.socket.accept();
    await confirm(s.socket);
    const pauses: unknown[] = [];
    for (let refusal = 0; refusal < 7; refusal++) {
      await s.socket.end(4029, "Too many connections");
      pauses.push(s.of("disconnected").at(-1)?.retryIn);
      await comeBack(s);
      await confirm(s.socket);
    }
    expect(pauses).toEqual([999, 1_998, 3_996, 7_992, 15_984, 29_970, 29_970]);
  });

  test("an event that is the same, much later, is no repetition", async () => {
    const s = await connected();
    await say(s.socket, image("a"));
    await s.socket.end();
    await comeBack(s);
    await confirm(s.socket, "id-2");
    await say(s.socket, { type: "pong", timestamp: NOW });
    await say(s.socket, image("a"));
    const ids = s.of("message").flatMap(({ documentId }) => (documentId ? [documentId] : []));
    expect(ids).toEqual(["a", "a"]);
  });

  test("what else the server says before it repeats something does not hide the repetition", async () => {
    const s = await connected();
    await say(s.socket, image("a"));
    await s.socket.end();
    await comeBack(s);
    await confirm(s.socket, "id-2");
    await say(s.socket, { type: "subscribed", queueId: "q", connectionId: "id-2", timestamp: NOW });
    await say(s.socket, { type: "error", message: "fetch anew", timestamp: NOW });
    await say(s.socket, image("a"));
    await say(s.socket, image("b"));
    const ids = s.of("message").flatMap(({ documentId }) => (documentId ? [documentId] : []));
    expect(ids).toEqual(["a", "b"]);
    expect(s.of("error")).toMatchObject([{ message: "fetch anew" }]);
  });

  test("an old id over which the server falls silent is not asked for again", async () => {
    const s = await connected();
    await s.socket.end();
    await comeBack(s);
    await s.env.pass(15_000);
    await comeBack(s);
    expect(s.socket.frames).toEqual([{ type: "subscribe", userId: "7" }]);
  });

  test("4029 for too many requests says so", async () => {
    const s = await connected();
    await s.socket.end(4029, "Too many requests");
    expect(s.of("disconnected")).toMatchObject([{ reason: "rate_limited", willReconnect: true }]);
  });

  test("disconnect() stays closed", async () => {
    const s = await connected();
    s.client.disconnect();
    s.client.disconnect();
    expect(s.of("disconnected")).toMatchObject([{ code: 1000, reason: "closed", willReconnect: false }]);
    expect(s.socket.closed).toBe(true);
    expect(s.client.getState()).toMatchObject({ isConnected: false, reconnectAttempts: 0 });
    await s.env.goOnline();
    await s.env.wake();
    await s.env.pass(3_600_000);
    expect(s.sockets).toHaveLength(1);
    expect(s.env.timers.size).toBe(0);
    expect(s.env.watchers.size).toBe(0);
  });

  test("disconnect() during a pause, and by a handler in the middle of a batch, holds too", async () => {
    const s = await connected();
    s.client.on("image_processed", () => s.client.disconnect());
    await say(s.socket, { type: "batch_update", messages: [image("a"), image("b")], timestamp: NOW });
    expect(s.of("message").map(({ documentId }) => documentId)).toEqual([undefined, "a"]);
    s.client.connect();
    await settle();
    await s.socket.end();
    s.client.disconnect();
    await s.env.pass(3_600_000);
    expect(s.sockets).toHaveLength(2);
  });

  test("without a network it waits for one, and comes back with it", async () => {
    const s = await connected();
    s.env.connected = false;
    await s.socket.end();
    expect(s.of("disconnected").at(-1)).toMatchObject({
      reason: "offline",
      willReconnect: true,
      retryIn: null,
    });
    await s.env.pass(600_000);
    expect(s.sockets).toHaveLength(1);
    await s.env.goOnline();
    expect(s.sockets).toHaveLength(2);
  });
});

describe("the heartbeat", () => {
  test("a ping every interval, and a connection whose pong does not come is replaced at once", async () => {
    const s = await connected({ heartbeatInterval: 30_000 });
    const pings = () => s.socket.frames.filter(({ type }) => type === "ping").length;
    await s.env.pass(29_999);
    expect(pings()).toBe(0);
    await s.env.pass(1);
    expect(pings()).toBe(1);
    await say(s.socket, { type: "pong", timestamp: NOW });
    await s.env.pass(30_000);
    expect(pings()).toBe(2);
    await s.env.pass(8_000);
    expect(s.of("disconnected").at(-1)).toMatchObject({ reason: "silent", willReconnect: true });
    await s.env.pass(500);
    expect(s.sockets).toHaveLength(2);
  });

  test("pings go out among events without end, so that the server knows what has arrived", async () => {
    const s = await connected({ heartbeatInterval: 10_000 });
    for (let second = 0; second < 60; second++) {
      await s.env.pass(1_000);
      await say(s.socket, image(String(second)));
    }
    expect(s.socket.frames.filter(({ type }) => type === "ping")).toHaveLength(6);
  });

  test("a burst is confirmed by pings of its own, one a second at most", async () => {
    const s = await connected();
    for (let n = 0; n < 1_000; n++) {
      await s.env.pass(10);
      await say(s.socket, image(String(n)));
    }
    const pings = s.socket.frames.filter(({ type }) => type === "ping").length;
    expect(pings).toBeGreaterThanOrEqual(9);
    expect(pings).toBeLessThanOrEqual(10);
  });

  test("0 switches it off", async () => {
    const s = await connected({ heartbeatInterval: 0 });
    await s.env.pass(3_600_000);
    expect(s.socket.frames).toHaveLength(1);
    expect(s.client.getState().isConnected).toBe(true);
  });

  test("a server that answers nothing after the handshake is given up after 15 s", async () => {
    const s = scene();
    s.client.connect("7");
    await settle();
    s.socket.accept();
    await s.env.pass(15_000);
    expect(s.of("disconnected")).toMatchObject([{ reason: "silent", willReconnect: true }]);
  });
});
