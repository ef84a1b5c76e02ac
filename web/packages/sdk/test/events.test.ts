// Handlers: who hears what, and what a faulty frame or a handler that throws does to the others.

import { afterEach, describe, expect, test, vi } from "vitest";
import { createClient } from "../src/index.js";
import { FakeEnvironment, FakeSocket, openScene, scene, settle } from "./fakes.js";

afterEach(() => vi.restoreAllMocks());

describe("on", () => {
  test("gets the data and the event, of its type only", async () => {
    const s = await openScene();
    const heard: unknown[] = [];
    s.client.on("job_created", (data, event) => heard.push([data, event]));
    await s.socket.say({ type: "job_created", data: { job_id: 7 } });
    await s.socket.say({ type: "job_accepted", data: { job_id: 7 } });
    expect(heard).toEqual([
      [{ job_id: 7 }, { type: "job_created", data: { job_id: 7 }, timestamp: "2025-11-01T12:00:00.000Z" }],
    ]);
  });

  test("ends with its removal, which may be called twice", async () => {
    const s = await openScene();
    const heard: string[] = [];
    const handler = () => heard.push("a");
    const first = s.client.on("tick", handler);
    s.client.on("tick", handler);
    first();
    first();
    await s.socket.say({ type: "tick" });
    expect(heard).toEqual(["a"]);
  });

  test("the removal of one does nothing to another that came after it", async () => {
    const s = await openScene();
    const heard: string[] = [];
    const first = s.client.on("tick", () => heard.push("first"));
    first();
    s.client.on("tick", () => heard.push("second"));
    first();
    await s.socket.say({ type: "tick" });
    expect(heard).toEqual(["second"]);
  });

  test("stays over reconnects and close()", async () => {
    const s = await openScene();
    const heard: unknown[] = [];
    s.client.on("tick", (data) => heard.push(data));
    await s.socket.end();
    await s.env.pass(1_000);
    await s.socket.welcome();
    await s.socket.say({ type: "tick", data: 1 });
    s.client.close();
    s.client.connect();
    await settle();
    await s.socket.welcome();
    await s.socket.say({ type: "tick", data: 2 });
    expect(heard).toEqual([1, 2]);
  });

  test("names like those of every object are names like any other", async () => {
    const s = await openScene();
    const heard: string[] = [];
    for (const type of ["__proto__", "constructor", "toString"]) {
      s.client.on(type, (_, event) => heard.push(event.type));
    }
    await s.socket.say('{"type":"__proto__","data":{},"timestamp":""}');
    await s.socket.say({ type: "constructor" });
    await s.socket.say({ type: "hasOwnProperty" });
    expect(heard).toEqual(["__proto__", "constructor"]);
    expect(s.errors).toEqual([]);
  });

  test("hears the server's own frames by their types, which onAny does not", async () => {
    const s = await scene();
    const heard: string[] = [];
    const any: string[] = [];
    const types = [
      "connected",
      "subscribed",
      "unsubscribed",
      "pong",
      "error",
      "token_expiring",
      "refreshed",
    ] as const;
    for (const type of types) s.client.on(type, (_, event) => heard.push(event.type));
    s.client.onAny(({ type }) => any.push(type));
    await s.socket.welcome();
    for (const type of types.slice(1)) await s.socket.say({ type });
    await s.socket.say({ type: "an event" });
    expect(heard).toEqual(types);
    expect(any).toEqual(["an event"]);
  });
});

test("listeners of every kind end with their removal, which may be called twice", async () => {
  const s = await openScene();
  const heard: string[] = [];
  const removals = [
    s.client.onState(() => heard.push("state")),
    s.client.onAny(() => heard.push("any")),
    s.client.onError(() => heard.push("error")),
    s.client.onChannel(() => heard.push("channel")),
  ];
  const everything = async () => {
    await s.socket.say({ type: "tick" });
    await s.socket.say("nonsense");
    s.client.subscribe("jobs")();
    s.client.close();
    s.client.connect();
    await settle();
    await s.socket.welcome();
  };
  await everything();
  expect(new Set(heard)).toEqual(new Set(["state", "any", "error", "channel"]));
  heard.length = 0;
  for (const remove of [...removals, ...removals]) remove();
  await everything();
  expect(heard).toEqual([]);
});

describe("once", () => {
  test("hears one event", async () => {
    const s = await openScene();
    const heard: unknown[] = [];
    s.client.once("tick", (data) => heard.push(data));
    await s.socket.say({ type: "tick", data: 1 });
    await s.socket.say({ type: "tick", data: 2 });
    expect(heard).toEqual([1]);
  });

  test("hears none after its removal", async () => {
    const s = await openScene();
    const heard: unknown[] = [];
    s.client.once("tick", (data) => heard.push(data))();
    await s.socket.say({ type: "tick", data: 1 });
    expect(heard).toEqual([]);
  });
});

describe("handlers among each other", () => {
  test("one that throws is reported and stops no other", async () => {
    const s = await openScene();
    const heard: string[] = [];
    const cause = new Error("mine");
    s.client.on("tick", () => {
      throw cause;
    });
    s.client.on("tick", () => heard.push("on"));
    s.client.onAny(() => {
      throw cause;
    });
    s.client.onAny(() => heard.push("any"));
    await s.socket.say({ type: "tick" });
    await s.socket.say({ type: "tick" });
    expect(heard).toEqual(["on", "any", "on", "any"]);
    expect(s.errors).toHaveLength(4);
    expect(s.errors[0]).toEqual({ code: "handler_failed", message: "A handler threw an error.", cause });
  });

  test("one that is removed during a call is not called any more, one that is added waits for the next", async () => {
    const s = await openScene();
    const heard: string[] = [];
    s.client.on("tick", () => {
      heard.push("first");
      remove();
      s.client.on("tick", () => heard.push("added"));
    });
    const remove = s.client.on("tick", () => heard.push("removed"));
    s.client.on("tick", () => heard.push("last"));
    await s.socket.say({ type: "tick" });
    expect(heard).toEqual(["first", "last"]);
    await s.socket.say({ type: "tick" });
    expect(heard).toEqual(["first", "last", "first", "last", "added"]);
  });

  test("the last one of a type may take itself away and come back", async () => {
    const s = await openScene();
    const heard: number[] = [];
    let turn = 0;
    const add = (): (() => void) =>
      s.client.on("tick", () => {
        heard.push(++turn);
        remove();
        remove = add();
      });
    let remove = add();
    await s.socket.say({ type: "tick" });
    await s.socket.say({ type: "tick" });
    expect(heard).toEqual([1, 2]);
  });
});

describe("errors", () => {
  test("without a listener go to console.warn", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const sockets: FakeSocket[] = [];
    class Socket extends FakeSocket {
      constructor(url: string, protocols?: string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    }
    const client = createClient({
      url: "ws://hub.test/ws",
      environment: new FakeEnvironment(),
      WebSocket: Socket,
    });
    await settle();
    await sockets[0]?.welcome();
    await sockets[0]?.say("nonsense");
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]?.[0]).toBe(
      "fanfare: The server sent a message that is not JSON; it was ignored.",
    );
    client.onError(() => {})();
    await sockets[0]?.say("nonsense");
    expect(warn).toHaveBeenCalledTimes(2);
  });

  test("a listener of them that throws does not start a circle", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const s = await openScene();
    s.client.onError(() => {
      throw new Error("mine");
    });
    await s.socket.say("nonsense");
    expect(s.errors).toHaveLength(1);
    expect(error).toHaveBeenCalledTimes(1);
  });

  test("of the server without a channel reach onError with code and message", async () => {
    const s = await openScene();
    await s.socket.say({ type: "error", data: { code: "unknown_type", message: "no such type" } });
    expect(s.errors).toEqual([{ code: "unknown_type", message: "no such type" }]);
  });
});

describe("frames that are none", () => {
  test("are reported as bad_frame, and the connection goes on", async () => {
    const s = await openScene();
    const heard: unknown[] = [];
    s.client.onAny((event) => heard.push(event));
    for (const text of [
      "",
      "nonsense",
      "{",
      "[]",
      "7",
      "null",
      '"text"',
      "{}",
      '{"type":7}',
      '[{"type":"a"}]',
    ]) {
      await s.socket.say(text);
    }
    s.socket.onmessage?.({ data: new ArrayBuffer(3) });
    s.socket.onmessage?.({ data: new Blob(["{}"]) });
    expect(s.errors).toHaveLength(12);
    expect(new Set(s.errors.map(({ code }) => code))).toEqual(new Set(["bad_frame"]));
    expect(s.errors[1]?.cause).toBeInstanceOf(SyntaxError);
    expect(s.errors.at(-1)?.message).toBe("The server sent a binary message; it was ignored.");
    expect(s.client.state.status).toBe("open");
    await s.socket.say({ type: "tick" });
    expect(heard).toHaveLength(1);
  });

  test("data may be missing, a time too, and more members stay", async () => {
    const s = await openScene();
    const heard: unknown[] = [];
    s.client.onAny((event) => heard.push(event));
    await s.socket.say('{"type":"bare"}');
    await s.socket.say('{"type":"more","data":[],"timestamp":7,"offset":3}');
    expect(heard).toEqual([
      { type: "bare", timestamp: "" },
      { type: "more", data: [], timestamp: "", offset: 3 },
    ]);
  });
});

describe("send", () => {
  test("sends type and data, and says whether it did", async () => {
    const s = await scene();
    expect(s.client.send("ping")).toBe(false);
    await s.socket.welcome();
    expect(s.client.send("ping")).toBe(true);
    expect(s.client.send("subscribe", { channels: ["jobs"] })).toBe(true);
    expect(s.socket.sent).toEqual(['{"type":"ping"}', '{"type":"subscribe","data":{"channels":["jobs"]}}']);
    s.client.close();
    expect(s.client.send("ping")).toBe(false);
  });

  test("is false if the socket is closing already", async () => {
    const s = await openScene();
    s.socket.send = () => {
      throw new Error("closing");
    };
    expect(s.client.send("ping")).toBe(false);
  });
});

test("10,000 events in a turn reach every handler, in order, without a timer", async () => {
  const s = await openScene();
  const timers = s.env.timers.size;
  const heard: number[] = [];
  s.client.on("tick", (data) => heard.push(data as number));
  for (let i = 0; i < 10_000; i++) {
    s.socket.onmessage?.({ data: `{"type":"tick","data":${i},"timestamp":"2025-11-01T12:00:00.000Z"}` });
  }
  expect(heard).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  expect(s.env.timers.size).toBe(timers);
});

test("50,000 handlers of one type, as rows of a long list have them, come and go in no time", async () => {
  const s = await openScene();
  let heard = 0;
  const removals = Array.from({ length: 50_000 }, () => s.client.on("tick", () => heard++));
  await s.socket.say({ type: "tick" });
  for (const remove of removals) remove();
  await s.socket.say({ type: "tick" });
  expect(heard).toBe(50_000);
});
