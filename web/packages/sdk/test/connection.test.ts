// From the first attempt to the last: the states, what moves them, and when the next attempt is made.

import { describe, expect, test } from "vitest";
import { FakeSocket, inState, openScene, scene, settle } from "./fakes.js";

describe("connecting", () => {
  test("starts by itself in the turn after it was made, and is open with the server's welcome", async () => {
    const s = await scene();
    expect(s.sockets).toHaveLength(1);
    expect(s.socket.url).toBe("ws://hub.test/ws");
    expect(s.socket.protocols).toBeUndefined();
    expect(s.client.state).toEqual({ status: "connecting", attempt: 1, since: s.env.time, reason: null });
    await s.env.pass(40);
    s.socket.accept();
    expect(s.client.state.status).toBe("connecting");
    await s.socket.say({ type: "connected", data: { connection_id: "abc" } });
    expect(s.client.state).toEqual({ status: "open", connectionId: "abc", since: s.env.time, reason: null });
  });

  test("waits for connect() where autoConnect is off", async () => {
    const s = await scene({ autoConnect: false });
    await s.env.pass(60_000);
    expect(s.sockets).toHaveLength(0);
    expect(s.env.watchers.size).toBe(0);
    expect(inState(s, "connecting").attempt).toBe(0);
    s.client.connect();
    await settle();
    expect(s.sockets).toHaveLength(1);
    expect(inState(s, "connecting").attempt).toBe(1);
  });

  test("connect, close, connect in one turn open one socket", async () => {
    const s = await scene({ autoConnect: false });
    s.client.connect();
    s.client.close();
    s.client.connect();
    await settle();
    expect(s.sockets).toHaveLength(1);
    await s.socket.welcome();
    expect(s.client.state.status).toBe("open");
  });

  test("connect() while it is connecting or open does nothing", async () => {
    const s = await scene();
    s.client.connect();
    await settle();
    await s.socket.welcome();
    const open = s.client.state;
    s.client.connect();
    await settle();
    expect(s.sockets).toHaveLength(1);
    expect(s.client.state).toBe(open);
  });

  test("a server that cannot be reached is tried again", async () => {
    const s = await scene();
    const since = s.env.time;
    await s.socket.end();
    expect(s.client.state).toEqual({
      status: "reconnecting",
      attempt: 1,
      waiting: "timer",
      retryAt: s.env.time + 500,
      since,
      reason: {
        code: "unreachable",
        message: "The server could not be reached, or refused the connection.",
        closeCode: 1006,
      },
    });
    await s.env.pass(500);
    expect(s.sockets).toHaveLength(2);
    expect(inState(s, "reconnecting")).toMatchObject({ attempt: 1, waiting: "answer", retryAt: null, since });
  });

  test("a handshake without an end is given up after 15 s", async () => {
    const s = await scene();
    await s.env.pass(14_999);
    expect(s.client.state.status).toBe("connecting");
    await s.env.pass(1);
    expect(inState(s, "reconnecting").reason.code).toBe("unreachable");
    expect(s.socket.closed).toBe(true);
  });

  test("a server that accepts and says nothing is given up after 15 s", async () => {
    const s = await scene();
    s.socket.accept();
    await s.env.pass(15_000);
    expect(inState(s, "reconnecting").reason).toEqual({
      code: "silent",
      message: "The server did not welcome this client in time.",
    });
  });

  test("a loss between handshake and welcome is a loss, not an unreachable server", async () => {
    const s = await scene();
    s.socket.accept();
    await s.socket.end();
    expect(inState(s, "reconnecting").reason.code).toBe("lost");
  });

  test("a failure without a code, as React Native has it, counts as no connection", async () => {
    const s = await scene();
    s.socket.onclose?.({} as never);
    expect(inState(s, "reconnecting").reason).toEqual({
      code: "unreachable",
      message: "The server could not be reached, or refused the connection.",
    });
  });

  test("what a server says before its welcome is not passed on", async () => {
    const s = await scene();
    const heard: unknown[] = [];
    s.client.onAny((event) => heard.push(event));
    s.socket.accept();
    await s.socket.say({ type: "job_created" });
    await s.socket.say({ type: "connected", data: {} });
    expect(s.client.state.status).toBe("connecting");
    expect(heard).toEqual([]);
  });

  test("a socket that cannot even be made is a failed attempt", async () => {
    class Broken extends FakeSocket {
      constructor(url: string) {
        super(url, undefined);
        throw new Error("not here");
      }
    }
    const s = await scene({ WebSocket: Broken });
    expect(inState(s, "reconnecting").reason.code).toBe("unreachable");
  });
});

describe("reconnecting", () => {
  /** The pauses of so many failures in a row. */
  async function pauses(s: Awaited<ReturnType<typeof scene>>, count: number): Promise<number[]> {
    const found: number[] = [];
    for (let i = 0; i < count; i++) {
      await s.socket.end();
      const { retryAt } = inState(s, "reconnecting");
      found.push((retryAt ?? 0) - s.env.time);
      await s.env.pass(found.at(-1) ?? 0);
    }
    return found;
  }

  test("pauses up to 1, 2, 4, 8, 16, then always 30 s", async () => {
    const s = await scene();
    s.env.chance = 0.999999;
    const seconds = (await pauses(s, 8)).map((ms) => Math.round(ms / 1_000));
    expect(seconds).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
  });

  test("takes any part of the pause, but at least 100 ms", async () => {
    const s = await scene();
    s.env.chance = 0;
    expect(await pauses(s, 4)).toEqual([100, 100, 100, 100]);
    const half = await scene();
    half.env.chance = 0.5;
    expect(await pauses(half, 3)).toEqual([500, 1_000, 2_000]);
  });

  test("the first and the longest pause can be set", async () => {
    const s = await scene({ minDelay: 200, maxDelay: 700 });
    expect(await pauses(s, 4)).toEqual([100, 200, 350, 350]);
  });

  test("a loss after a while open begins with the first pause again", async () => {
    const s = await scene();
    await pauses(s, 4);
    await s.socket.welcome();
    const since = s.env.time;
    expect(inState(s, "open").since).toBe(since);
    await s.env.pass(5_000);
    await s.socket.end();
    expect(inState(s, "reconnecting")).toMatchObject({
      attempt: 1,
      retryAt: s.env.time + 500,
      since: s.env.time,
      reason: { code: "lost", closeCode: 1006 },
    });
  });

  test("a server that welcomes and closes at once is not hammered", async () => {
    const s = await scene();
    const waited: number[] = [];
    for (let i = 0; i < 6; i++) {
      await s.socket.welcome();
      await s.env.pass(4_000);
      await s.socket.end(4010, "Slow consumer");
      const pause = (inState(s, "reconnecting").retryAt ?? 0) - s.env.time;
      waited.push(pause);
      await s.env.pass(pause);
    }
    expect(waited).toEqual([250, 1_000, 2_000, 4_000, 8_000, 15_000]);
  });

  test("a server that welcomes and says each time to come back soon is not hammered either", async () => {
    for (const [text, expected] of [
      ["draining; reconnect in 0 ms", [0, 1_000, 2_000, 4_000, 8_000, 15_000]],
      ["draining; reconnect in 2500 ms", [2_500, 2_500, 2_500, 4_000, 8_000, 15_000]],
    ] as const) {
      const s = await scene();
      const waited: number[] = [];
      for (let i = 0; i < 6; i++) {
        await s.socket.welcome();
        await s.socket.end(1001, text);
        const pause = (inState(s, "reconnecting").retryAt ?? 0) - s.env.time;
        waited.push(pause);
        await s.env.pass(pause);
      }
      expect(waited).toEqual(expected);
    }
  });

  test("a pause that is no number is still a pause", async () => {
    const s = await scene({ minDelay: Number.NaN, maxDelay: Number.NaN });
    expect(await pauses(s, 3)).toEqual([100, 100, 100]);
  });

  test("gives up after one failure with maxAttempts 1, and without another attempt with 0", async () => {
    const one = await scene({ maxAttempts: 1 });
    await one.socket.end();
    expect(inState(one, "closed").reason.message).toBe(
      "Gave up after 1 failed attempt. The last: The server could not be reached, or refused the connection.",
    );
    const none = await openScene({ maxAttempts: 0 });
    await none.env.pass(6_000);
    await none.socket.end();
    expect(inState(none, "closed").reason).toMatchObject({
      code: "attempts",
      message: "The connection broke off. No further attempt is made.",
    });
    expect(none.sockets).toHaveLength(1);
  });

  test("gives up after maxAttempts failures, with the last one's words", async () => {
    const s = await scene({ maxAttempts: 3 });
    await pauses(s, 2);
    await s.socket.end();
    const { reason } = inState(s, "closed");
    expect(reason.code).toBe("attempts");
    expect(reason.message).toBe(
      "Gave up after 3 failed attempts. The last: The server could not be reached, or refused the connection.",
    );
    await s.env.pass(120_000);
    expect(s.sockets).toHaveLength(3);
    s.client.connect();
    await settle();
    expect(inState(s, "connecting").attempt).toBe(1);
    await s.socket.end();
    expect(inState(s, "reconnecting")).toMatchObject({ attempt: 1, retryAt: s.env.time + 500 });
  });

  test("the loss of a connection that lasted is none of the failed attempts", async () => {
    const s = await openScene({ maxAttempts: 1 });
    await s.env.pass(6_000);
    await s.socket.end();
    expect(s.client.state.status).toBe("reconnecting");
    await s.env.pass(500);
    await s.socket.end();
    expect(inState(s, "closed").reason.code).toBe("attempts");
  });

  test("connect() ends the pause", async () => {
    const s = await scene();
    await s.socket.end();
    s.client.connect();
    await settle();
    expect(s.sockets).toHaveLength(2);
    expect(inState(s, "reconnecting").waiting).toBe("answer");
    await s.env.pass(1_000);
    expect(s.sockets).toHaveLength(2);
  });

  test("counts the attempts that failed", async () => {
    const s = await scene();
    await pauses(s, 3);
    expect(inState(s, "reconnecting").attempt).toBe(3);
    await s.socket.end();
    expect(inState(s, "reconnecting")).toMatchObject({ attempt: 4, since: s.env.time - 3_500 });
  });
});

describe("the server's rule for coming back", () => {
  test("draining: after the time that it names, exactly", async () => {
    const s = await openScene();
    await s.socket.end(1001, "draining; reconnect in 2500 ms");
    expect(inState(s, "reconnecting")).toMatchObject({
      retryAt: s.env.time + 2_500,
      reason: { code: "draining", closeCode: 1001 },
    });
    await s.env.pass(2_499);
    expect(s.sockets).toHaveLength(1);
    await s.env.pass(1);
    expect(s.sockets).toHaveLength(2);
  });

  test("draining: neither a wake nor the network makes it come sooner, but a person may", async () => {
    const s = await openScene();
    await s.socket.end(1001, "draining; reconnect in 2500 ms");
    await s.env.wake();
    await s.env.goOnline();
    expect(s.sockets).toHaveLength(1);
    s.client.connect();
    await settle();
    expect(s.sockets).toHaveLength(2);
  });

  test("draining: a machine that slept past that time comes back as it wakes", async () => {
    const s = await openScene();
    await s.socket.end(1001, "draining; reconnect in 60000 ms");
    s.env.shift = 59_000;
    await s.env.wake();
    expect(s.sockets).toHaveLength(1);
    // Its timer stood still meanwhile.
    s.env.shift = 3_600_000;
    await s.env.wake();
    expect(s.sockets).toHaveLength(2);
  });

  test("draining: a network that went and came back is a new reason to try", async () => {
    const s = await openScene();
    await s.socket.end(1001, "draining; reconnect in 2500 ms");
    await s.env.goOffline();
    expect(inState(s, "reconnecting").waiting).toBe("network");
    await s.env.goOnline();
    expect(s.sockets).toHaveLength(2);
  });

  test("draining: never more than two minutes", async () => {
    const s = await openScene();
    await s.socket.end(1001, "draining; reconnect in 99999999 ms");
    expect(inState(s, "reconnecting").retryAt).toBe(s.env.time + 120_000);
  });

  test("draining: without a time, as a proxy says it, the usual pause", async () => {
    const s = await openScene();
    await s.socket.end(1001, "");
    expect(inState(s, "reconnecting")).toMatchObject({
      retryAt: s.env.time + 500,
      reason: { code: "draining" },
    });
  });

  test("at once: within half a second, but the second time in a row like any other failure", async () => {
    const s = await openScene();
    await s.env.pass(10_000);
    s.env.chance = 0.02;
    await s.socket.end(4009, "Ping timeout");
    expect(inState(s, "reconnecting").retryAt).toBe(s.env.time + 10);
    s.env.chance = 0.999;
    await s.env.pass(10);
    await s.socket.end(4009, "Ping timeout");
    expect(inState(s, "reconnecting").retryAt).toBe(s.env.time + 1_998);
  });

  test("never: it stays closed with a sentence", async () => {
    for (const [code, reason] of [
      [1000, "closed"],
      [1002, "protocol_error"],
      [1007, "protocol_error"],
      [1009, "too_large"],
    ] as const) {
      const s = await openScene();
      await s.socket.end(code);
      const closed = inState(s, "closed");
      expect(closed.reason).toMatchObject({ code: reason, closeCode: code });
      expect(closed.reason.message).toMatch(/^[A-Z].*\.$/);
      await s.env.pass(600_000);
      expect(s.sockets).toHaveLength(1);
    }
  });

  test("an unknown code: the usual pause", async () => {
    const s = await openScene();
    await s.socket.end(4777, "something new");
    expect(inState(s, "reconnecting")).toMatchObject({
      waiting: "timer",
      reason: {
        code: "closed_by_server",
        message: "The server closed the connection with the code 4777.",
        closeCode: 4777,
      },
    });
  });
});

describe("closing", () => {
  test("close() ends an open connection for good, and connect() makes another", async () => {
    const s = await openScene();
    s.client.close();
    expect(s.client.state).toEqual({
      status: "closed",
      since: s.env.time,
      reason: { code: "closed", message: "The connection was closed here." },
    });
    expect(s.socket.closedWith).toBe(1000);
    await s.env.pass(120_000);
    expect(s.sockets).toHaveLength(1);
    s.client.connect();
    await settle();
    expect(inState(s, "connecting").attempt).toBe(1);
    await s.socket.welcome();
    expect(s.client.state.status).toBe("open");
  });

  test("close() while it is connecting gives the socket up", async () => {
    const s = await scene();
    s.client.close();
    expect(s.socket.closed).toBe(true);
    expect(inState(s, "closed").reason.code).toBe("closed");
  });

  test("a socket that opens after it was given up, as React Native's may, is closed again", async () => {
    const s = await scene();
    s.client.close();
    s.socket.closed = false;
    s.socket.accept();
    expect(s.socket.closed).toBe(true);
    expect(inState(s, "closed").reason.code).toBe("closed");
  });

  test("close() during a pause ends it", async () => {
    const s = await scene();
    await s.socket.end();
    s.client.close();
    await s.env.pass(120_000);
    expect(s.sockets).toHaveLength(1);
  });

  test("close() twice is close() once", async () => {
    const s = await openScene();
    s.client.close();
    const closed = s.client.state;
    await s.env.pass(1_000);
    s.client.close();
    expect(s.client.state).toBe(closed);
  });

  test("what an old socket still says does not matter", async () => {
    const s = await scene();
    const old = s.socket;
    const { onopen, onmessage, onclose } = old;
    s.client.close();
    s.client.connect();
    await settle();
    expect(old.onmessage).toBeNull();
    // An error without a listener would end a Node process.
    expect(old.onerror).toBeTypeOf("function");
    await s.socket.welcome("new");
    const state = s.client.state;
    s.client.on("connected", () => expect.unreachable());
    onopen?.(undefined as never);
    onclose?.({ code: 4001, reason: "Unauthorized" });
    onmessage?.({ data: '{"type":"connected","data":{"connection_id":"old"},"timestamp":""}' });
    await settle();
    expect(s.client.state).toBe(state);
    expect(s.errors).toEqual([]);
  });

  test("nothing is left after close(): no timer, no watcher, no handler on the socket", async () => {
    const s = await openScene({ getToken: () => "t" });
    s.client.subscribe("jobs");
    await settle();
    await s.socket.say({ type: "token_expiring", data: { expires_at: "2025-11-01T12:01:00.000Z" } });
    expect(s.env.timers.size).toBeGreaterThan(0);
    expect(s.env.watchers.size).toBe(1);
    s.client.close();
    expect(s.env.timers.size).toBe(0);
    expect(s.env.watchers.size).toBe(0);
    expect([s.socket.onopen, s.socket.onmessage, s.socket.onclose]).toEqual([null, null, null]);
  });

  test("nothing is left where the server or the attempts ended it either", async () => {
    const s = await openScene();
    await s.socket.end(1002);
    expect(s.env.timers.size).toBe(0);
    expect(s.env.watchers.size).toBe(0);
    const gaveUp = await scene({ maxAttempts: 1 });
    await gaveUp.socket.end();
    expect(gaveUp.env.timers.size).toBe(0);
    expect(gaveUp.env.watchers.size).toBe(0);
  });
});

describe("states", () => {
  test("are told in order, each a value of its own", async () => {
    const s = await scene();
    await s.socket.end();
    await s.env.pass(500);
    await s.socket.welcome();
    s.client.close();
    expect(s.states.map(({ status }) => status)).toEqual(["reconnecting", "reconnecting", "open", "closed"]);
    expect(new Set(s.states).size).toBe(4);
  });

  test("stay the same value while nothing changes", async () => {
    const s = await openScene();
    const open = s.client.state;
    await s.socket.say({ type: "job_created" });
    await s.env.pass(20_000);
    await s.socket.say({ type: "pong" });
    await s.env.wake();
    expect(s.client.state).toBe(open);
  });

  test("a listener that closes the client leaves the others with the present state last", async () => {
    const s = await scene();
    const heard: string[] = [];
    s.client.onState((state) => {
      if (state.status === "open") s.client.close();
    });
    s.client.onState((state) => heard.push(state.status));
    const events: string[] = [];
    s.client.on("connected", () => events.push("connected"));
    await s.socket.welcome();
    expect(heard).toEqual(["closed"]);
    expect(events).toEqual([]);
    expect(s.socket.closed).toBe(true);
  });

  test("a listener that throws is reported and stops nothing", async () => {
    const s = await scene();
    const thrown = new Error("mine");
    s.client.onState(() => {
      throw thrown;
    });
    const heard: string[] = [];
    s.client.onState((state) => heard.push(state.status));
    await s.socket.welcome();
    expect(heard).toEqual(["open"]);
    expect(s.errors).toEqual([
      { code: "handler_failed", message: "A handler threw an error.", cause: thrown },
    ]);
  });
});
