// The dashboard's client as pages use it: what it says after the handshake, and what it tells.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { comeBack, confirm, connected, image, NOW, say, scene, settle } from "./scene.js";

beforeEach(() => sessionStorage.clear());
afterEach(() => vi.restoreAllMocks());

describe("connecting", () => {
  test("subscribes to the user, is connected with the answer, and keeps the connection's id", async () => {
    const s = scene();
    expect(s.client.getState()).toEqual({
      isConnected: false,
      userId: null,
      reconnectAttempts: 0,
      connectionId: null,
    });
    s.client.connect("7");
    expect(s.client.userId).toBe("7");
    await settle();
    expect(s.socket.url).toBe("ws://hub.test/");
    expect(s.socket.protocols).toBeUndefined();
    s.socket.accept();
    expect(s.socket.frames).toEqual([{ type: "subscribe", userId: "7" }]);
    expect(s.client.getState().isConnected).toBe(false);
    await confirm(s.socket);
    expect(s.client.getState()).toEqual({
      isConnected: true,
      userId: "7",
      reconnectAttempts: 0,
      connectionId: "id-1",
    });
    expect(sessionStorage.getItem("ws_connection_id")).toBe("id-1");
    expect(s.of("connected")).toEqual([
      { type: "connected", userId: "7", connectionId: "id-1", restored: false },
    ]);
  });

  test("without an address it goes to the root of the page's own host", async () => {
    for (const [page, socket] of [
      ["http://cases.test:5000/case/9?tab=2#x", "ws://cases.test:5000/"],
      ["https://cases.test/case/9", "wss://cases.test/"],
    ] as const) {
      const { href, protocol } = new URL(page);
      vi.stubGlobal("location", { href, protocol });
      const s = scene({ url: undefined as never });
      s.client.connect("7");
      await settle();
      expect(s.socket.url).toBe(socket);
      vi.unstubAllGlobals();
    }
  });

  test("a number as user is named as text, and stays a number for the page", async () => {
    const s = scene();
    s.client.connect(7);
    await settle();
    s.socket.accept();
    expect(s.socket.frames).toEqual([{ type: "subscribe", userId: "7" }]);
    expect(s.client.userId).toBe(7);
  });

  test("without a user it says so and opens nothing", async () => {
    const s = scene();
    for (const nobody of [undefined, null, "", "  "]) s.client.connect(nobody);
    await settle();
    expect(s.sockets).toHaveLength(0);
    expect(s.of("error").map(({ code }) => code)).toEqual(["no_user", "no_user", "no_user", "no_user"]);
  });

  test("connecting twice is one connection", async () => {
    const s = await connected();
    s.client.connect("7");
    s.client.connect();
    await settle();
    expect(s.sockets).toHaveLength(1);
  });

  test("another user gets another connection, and never goes on with the first one's", async () => {
    const s = await connected();
    s.client.connect("8");
    expect(s.client.getState().isConnected).toBe(false);
    expect(s.sockets[0]?.closed).toBe(true);
    await settle();
    s.socket.accept();
    expect(s.socket.frames).toEqual([{ type: "subscribe", userId: "8" }]);
  });

  test("a queue is followed besides, and stays with its user until it is taken back", async () => {
    const s = scene();
    s.client.connect("7", 3);
    await settle();
    s.socket.accept();
    expect(s.socket.frames).toEqual([{ type: "subscribe", userId: "7", queueId: "3" }]);
    await confirm(s.socket);
    s.client.connect("7");
    expect(s.sockets).toHaveLength(1);
    const reloaded = scene();
    reloaded.client.connect("7");
    await settle();
    reloaded.socket.accept();
    expect(reloaded.socket.frames[0]).toEqual({ type: "subscribe", userId: "7" });
    s.client.connect("7", null);
    await settle();
    s.socket.accept();
    expect(s.socket.frames).toEqual([{ type: "subscribe", userId: "7" }]);
    s.client.connect("8");
    expect(s.client.queueId).toBeNull();
  });

  test("of user and queue one may be refused and the other be in force", async () => {
    const s = scene();
    s.client.connect("7", "not mine");
    await settle();
    s.socket.accept();
    await say(s.socket, { type: "error", message: "queueId: the rules do not let you", timestamp: NOW });
    await confirm(s.socket);
    expect(s.of("error")).toHaveLength(1);
    expect(s.client.getState().isConnected).toBe(true);
  });

  test("a queue without its user is no connection of the user", async () => {
    const s = scene();
    s.client.connect("8", "q");
    await settle();
    s.socket.accept();
    await say(s.socket, { type: "error", message: "userId: it is not the token's", timestamp: NOW });
    await say(s.socket, { type: "subscribed", queueId: "q", connectionId: "id-1", timestamp: NOW });
    expect(s.client.getState().isConnected).toBe(false);
    await say(s.socket, { type: "transcription_queued", timestamp: NOW });
    expect(s.of("message").at(-1)).toMatchObject({ type: "transcription_queued" });
  });

  test("what the server refuses is told, the connection stays, and connect() asks again", async () => {
    const s = scene();
    s.client.connect("8");
    await settle();
    s.socket.accept();
    await say(s.socket, { type: "error", message: "userId must be that of the token", timestamp: NOW });
    expect(s.of("error")).toEqual([
      { type: "error", message: "userId must be that of the token", timestamp: NOW },
    ]);
    expect(s.client.getState().isConnected).toBe(false);
    await s.env.pass(20_000);
    expect(s.sockets).toHaveLength(1);
    s.client.connect("8");
    expect(s.socket.frames.at(-1)).toEqual({ type: "subscribe", userId: "8" });
    await confirm(s.socket, "id-2", "8");
    expect(s.client.getState().isConnected).toBe(true);
  });
});

describe("events", () => {
  test("handlers get the events of their type, and those of message all of them", async () => {
    const s = await connected();
    const images: unknown[] = [];
    s.client.on("image_processed", (frame) => images.push(frame));
    await say(s.socket, image("a"));
    await say(s.socket, { type: "pdf_generated", reportId: "r", timestamp: NOW });
    expect(images).toEqual([image("a")]);
    expect(s.of("message").map(({ type }) => type)).toEqual([
      "subscribed",
      "image_processed",
      "pdf_generated",
    ]);
  });

  test("a batch is taken apart, in order", async () => {
    const s = await connected();
    const heard: unknown[] = [];
    s.client.on("image_processed", ({ documentId }) => heard.push(documentId));
    s.client.on("batch_update", () => heard.push("the batch itself"));
    await say(s.socket, {
      type: "batch_update",
      messages: [image("a"), image("b"), { none: 1 }, image("c")],
      timestamp: NOW,
    });
    expect(heard).toEqual(["a", "b", "c"]);
    expect(s.of("message").map(({ documentId }) => documentId)).toEqual([undefined, "a", "b", "c"]);
    expect(s.of("error").map(({ code }) => code)).toEqual(["bad_frame"]);
  });

  test("a handler that throws harms neither the others nor the connection", async () => {
    const told = vi.spyOn(console, "error").mockImplementation(() => {});
    const s = await connected();
    const heard: string[] = [];
    s.client.on("image_processed", () => {
      throw new Error("broken page");
    });
    s.client.on("image_processed", () => heard.push("second"));
    await say(s.socket, image("a"));
    expect(heard).toEqual(["second"]);
    expect(s.of("message")).toHaveLength(2);
    expect(told).toHaveBeenCalledOnce();
    expect(s.client.getState().isConnected).toBe(true);
  });

  test("off takes a handler away, however often it was added; without one all of its type", async () => {
    const s = await connected();
    const heard: string[] = [];
    const first = () => heard.push("first");
    s.client.on("image_processed", first);
    s.client.on("image_processed", first);
    s.client.on("image_processed", () => heard.push("second"));
    const remove = s.client.on("image_processed", () => heard.push("third"));
    await say(s.socket, image("a"));
    s.client.off("image_processed", first);
    remove();
    remove();
    await say(s.socket, image("b"));
    s.client.off("image_processed");
    s.client.off("image_processed");
    s.client.off("never_there", first);
    await say(s.socket, image("c"));
    expect(heard).toEqual(["first", "first", "second", "third", "second"]);
  });

  test("messages that are no frames are told as errors and harm nothing", async () => {
    const s = await connected();
    for (const text of ["", "{", "null", "[]", "7", '"text"', "{}", '{"type":7}']) await s.socket.say(text);
    s.socket.onmessage?.({ data: new ArrayBuffer(2) });
    expect(s.of("error")).toHaveLength(9);
    expect(new Set(s.of("error").map(({ code }) => code))).toEqual(new Set(["bad_frame"]));
    expect(s.client.getState().isConnected).toBe(true);
  });

  test("a publication that is named like news of the connection is told under message alone", async () => {
    const s = await connected();
    for (const type of ["connected", "disconnected", "message"])
      await say(s.socket, { type, timestamp: NOW });
    expect(s.of("connected")).toHaveLength(1);
    expect(s.of("disconnected")).toHaveLength(0);
    expect(s.of("message").map(({ type }) => type)).toEqual([
      "subscribed",
      "connected",
      "disconnected",
      "message",
    ]);
  });

  test("names of the language itself are names like others", async () => {
    const s = await connected();
    const heard: string[] = [];
    for (const type of ["constructor", "__proto__", "toString"]) s.client.on(type, () => heard.push(type));
    await s.socket.say('{"type":"__proto__","__proto__":{"isConnected":false}}');
    await say(s.socket, { type: "toString" });
    expect(heard).toEqual(["__proto__", "toString"]);
    expect(s.client.getState().isConnected).toBe(true);
  });
});

test("debug writes what happens, without ids", async () => {
  const debug = vi.spyOn(console, "debug").mockImplementation(() => {});
  const s = await connected({ debug: true });
  await s.socket.end();
  await comeBack(s);
  const lines = debug.mock.calls.flat().join("\n");
  expect(lines).toContain("connected");
  expect(lines).not.toContain("id-1");
});
