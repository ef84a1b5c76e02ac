// The network comes and goes, the machine sleeps, the server falls silent.

import { describe, expect, test } from "vitest";
import { inState, openScene, scene, settle } from "./fakes.js";

const PING = { type: "ping" };

describe("heartbeat", () => {
  test("a ping after 20 s without a frame, and no more while answers come", async () => {
    const s = await openScene();
    await s.env.pass(19_999);
    expect(s.socket.frames).toEqual([]);
    await s.env.pass(1);
    expect(s.socket.frames).toEqual([PING]);
    await s.socket.say({ type: "pong" });
    await s.env.pass(19_999);
    expect(s.socket.frames).toEqual([PING]);
    await s.env.pass(1);
    expect(s.socket.frames).toEqual([PING, PING]);
  });

  test("every frame is a sign of life: no pings while events come", async () => {
    const s = await openScene();
    for (let i = 0; i < 20; i++) {
      await s.env.pass(10_000);
      await s.socket.say({ type: "tick" });
    }
    expect(s.socket.frames).toEqual([]);
    expect(s.client.state.status).toBe("open");
  });

  test("an event answers a ping as well as a pong does", async () => {
    const s = await openScene();
    await s.env.pass(27_000);
    await s.socket.say({ type: "tick" });
    await s.env.pass(10_000);
    expect(s.client.state.status).toBe("open");
  });

  test("a dead network is noticed within 30 s, and the return is tried at once", async () => {
    const s = await openScene();
    await s.env.pass(27_999);
    expect(s.client.state.status).toBe("open");
    await s.env.pass(1);
    expect(inState(s, "reconnecting")).toMatchObject({
      attempt: 1,
      retryAt: s.env.time + 250,
      reason: { code: "silent", message: "The server stopped answering." },
    });
    expect(s.socket.closed).toBe(true);
  });

  test("both times can be set, and Infinity switches it off", async () => {
    const s = await openScene({ heartbeatInterval: 1_000, heartbeatTimeout: 300 });
    await s.env.pass(1_000);
    expect(s.socket.frames).toEqual([PING]);
    await s.env.pass(300);
    expect(inState(s, "reconnecting").reason.code).toBe("silent");
    const never = await openScene({ heartbeatInterval: Number.POSITIVE_INFINITY });
    await never.env.pass(3_600_000);
    expect(never.socket.frames).toEqual([]);
  });

  test("a clock that is set back does not delay it", async () => {
    const s = await openScene();
    await s.env.pass(10_000);
    await s.socket.say({ type: "tick" });
    s.env.shift = -3_600_000;
    await s.env.pass(28_000);
    expect(inState(s, "reconnecting").reason.code).toBe("silent");
  });

  test("a machine that slept through its timers asks first, with 5 s, before it gives up", async () => {
    const s = await openScene();
    await s.env.sleep(3_600_000);
    expect(s.client.state.status).toBe("open");
    expect(s.socket.frames).toEqual([PING]);
    await s.env.pass(4_999);
    expect(s.client.state.status).toBe("open");
    await s.env.pass(1);
    expect(inState(s, "reconnecting").reason.code).toBe("silent");
  });

  test("a machine that slept while it waited for an answer gives one more chance, not two", async () => {
    const s = await openScene();
    await s.env.pass(20_000);
    await s.env.sleep(60_000);
    expect(s.client.state.status).toBe("open");
    expect(s.socket.frames).toEqual([PING, PING]);
    await s.env.sleep(60_000);
    expect(inState(s, "reconnecting").reason.code).toBe("silent");
  });

  test("the chance is there again after an answer", async () => {
    const s = await openScene();
    for (let i = 0; i < 3; i++) {
      await s.env.pass(20_000);
      await s.env.sleep(60_000);
      await s.socket.say({ type: "pong" });
    }
    expect(s.client.state.status).toBe("open");
  });
});

describe("signs from the platform while open", () => {
  for (const sign of ["wake", "goOnline", "goOffline"] as const) {
    test(`${sign}: a ping at once, which has 5 s`, async () => {
      const s = await openScene();
      await s.env.pass(1_000);
      await s.env[sign]();
      expect(s.socket.frames).toEqual([PING]);
      await s.env.pass(4_999);
      expect(s.client.state.status).toBe("open");
      await s.env.pass(1);
      expect(inState(s, "reconnecting").waiting).toBe(sign === "goOffline" ? "network" : "timer");
    });
  }

  test("a ping that waits already gets the shorter limit", async () => {
    const s = await openScene();
    await s.env.pass(20_000);
    await s.env.wake();
    await s.env.pass(5_000);
    expect(inState(s, "reconnecting").reason.code).toBe("silent");
  });

  test("a sign shortly before a ping was due leaves the whole 5 s", async () => {
    const s = await openScene();
    await s.env.pass(19_000);
    await s.env.wake();
    await s.env.pass(4_999);
    expect(s.client.state.status).toBe("open");
    expect(s.socket.frames).toEqual([PING]);
    await s.env.pass(1);
    expect(inState(s, "reconnecting").reason.code).toBe("silent");
  });

  test("many signs are few pings", async () => {
    const s = await openScene();
    for (let i = 0; i < 50; i++) await s.env.wake();
    expect(s.socket.frames).toEqual([PING]);
  });

  test("an answer leaves everything as it was", async () => {
    const s = await openScene();
    await s.env.goOffline();
    await s.socket.say({ type: "pong" });
    await s.env.pass(10_000);
    expect(s.client.state.status).toBe("open");
  });
});

describe("while there is no connection", () => {
  test("the network's return ends the pause", async () => {
    const s = await scene();
    await s.socket.end();
    await s.env.goOnline();
    expect(s.sockets).toHaveLength(2);
  });

  test("so does a wake", async () => {
    const s = await scene();
    await s.socket.end();
    await s.env.wake();
    expect(s.sockets).toHaveLength(2);
  });

  test("signs during an attempt do not begin another", async () => {
    const s = await scene();
    await s.env.wake();
    await s.env.goOnline();
    expect(s.sockets).toHaveLength(1);
  });

  test("no attempts while offline, whatever the time, and at once when it is over", async () => {
    const s = await openScene();
    await s.env.goOffline();
    await s.socket.end();
    expect(inState(s, "reconnecting")).toMatchObject({
      attempt: 1,
      waiting: "network",
      retryAt: null,
      reason: { code: "offline", message: "This device has no network." },
    });
    await s.env.pass(3_600_000);
    expect(s.sockets).toHaveLength(1);
    await s.env.goOnline();
    expect(s.sockets).toHaveLength(2);
    expect(inState(s, "reconnecting").waiting).toBe("answer");
    await s.socket.welcome();
    expect(s.client.state.status).toBe("open");
  });

  test("a pause becomes waiting for the network when that goes", async () => {
    const s = await scene();
    await s.socket.end();
    await s.env.goOffline();
    expect(inState(s, "reconnecting")).toMatchObject({ waiting: "network", retryAt: null });
    const waiting = s.client.state;
    await s.env.goOffline();
    expect(s.client.state).toBe(waiting);
    await s.env.pass(60_000);
    expect(s.sockets).toHaveLength(1);
  });

  test("an attempt that fails while offline waits for the network", async () => {
    const s = await scene();
    s.env.connected = false;
    await s.socket.end();
    expect(inState(s, "reconnecting")).toMatchObject({ waiting: "network", reason: { code: "offline" } });
  });

  test("an attempt under way is given up when the network goes, and made at once when it is back", async () => {
    const first = await scene();
    await first.env.goOffline();
    expect(first.socket.closed).toBe(true);
    expect(inState(first, "reconnecting")).toMatchObject({ attempt: 1, waiting: "network" });
    await first.env.goOnline();
    expect(first.sockets).toHaveLength(2);
    await first.socket.welcome();
    expect(first.client.state.status).toBe("open");

    const again = await scene();
    await again.socket.end();
    await again.env.pass(500);
    expect(inState(again, "reconnecting").waiting).toBe("answer");
    await again.env.goOffline();
    expect(inState(again, "reconnecting")).toMatchObject({ attempt: 1, waiting: "network" });
    await again.env.pass(60_000);
    expect(again.sockets).toHaveLength(2);
    await again.env.goOnline();
    expect(again.sockets).toHaveLength(3);
  });

  test("a token that comes when the network is gone opens nothing", async () => {
    let give = (_: string) => {};
    const s = await scene({ getToken: () => new Promise<string>((resolve) => (give = resolve)) });
    await s.env.goOffline();
    give("late");
    await settle();
    expect(s.sockets).toHaveLength(0);
    expect(inState(s, "reconnecting").waiting).toBe("network");
  });

  test("a pause that ends while offline, which nobody told, waits for the network too", async () => {
    const s = await scene();
    await s.socket.end();
    s.env.connected = false;
    await s.env.pass(1_000);
    expect(s.sockets).toHaveLength(1);
    expect(inState(s, "reconnecting").waiting).toBe("network");
  });

  test("a wake finds out that the network is back, where nobody said so", async () => {
    const s = await scene();
    await s.env.goOffline();
    await s.socket.end();
    await s.env.wake();
    expect(s.sockets).toHaveLength(1);
    s.env.connected = true;
    await s.env.wake();
    expect(s.sockets).toHaveLength(2);
  });

  test("a client that starts offline waits for the network", async () => {
    const s = await scene({ autoConnect: false });
    s.env.connected = false;
    s.client.connect();
    await settle();
    expect(s.sockets).toHaveLength(0);
    expect(inState(s, "reconnecting")).toMatchObject({ attempt: 1, waiting: "network" });
    await s.env.goOnline();
    expect(s.sockets).toHaveLength(1);
  });

  test("a person who says connect() is believed more than the platform", async () => {
    const s = await scene();
    await s.env.goOffline();
    await s.socket.end();
    s.client.connect();
    await settle();
    expect(s.sockets).toHaveLength(2);
    await s.socket.end();
    expect(inState(s, "reconnecting").waiting).toBe("network");
  });
});
