// Where the token goes, when another is asked for, and what happens if there is none.

import { describe, expect, test } from "vitest";
import type { TokenRequest } from "../src/index.js";
import { inState, openScene, type Scene, scene, settle } from "./fakes.js";

/** A `getToken` that a test answers. */
function desk() {
  const asked: TokenRequest[] = [];
  const waiting: { resolve(token: string | null): void; reject(error: unknown): void }[] = [];
  return {
    asked,
    getToken: (request: TokenRequest) => {
      asked.push(request);
      return new Promise<string | null>((resolve, reject) => waiting.push({ resolve, reject }));
    },
    async give(token: string | null, which = waiting.length - 1) {
      waiting[which]?.resolve(token);
      await settle();
    },
    async fail(message: string) {
      waiting.at(-1)?.reject(new Error(message));
      await settle();
    },
  };
}

/** The server's warning, with so many ms left. */
async function warn({ socket, env }: Scene, left = 60_000): Promise<void> {
  const timestamp = new Date(env.time).toISOString();
  const expires_at = new Date(env.time + left).toISOString();
  await socket.say({ type: "token_expiring", data: { expires_at }, timestamp });
}

describe("the place of the token", () => {
  test("is the second subprotocol, where no proxy logs it", async () => {
    const s = await scene({ token: "eyJh.eyJz-_.sig" });
    expect(s.socket.url).toBe("ws://hub.test/ws");
    expect(s.socket.protocols).toEqual(["fanfare", "eyJh.eyJz-_.sig"]);
  });

  test("is the query for one that is no subprotocol", async () => {
    const s = await scene({ url: "ws://hub.test/ws?v=2", token: "a b/c=" });
    expect(s.socket.protocols).toBeUndefined();
    expect(new URL(s.socket.url).searchParams.get("token")).toBe("a b/c=");
    expect(new URL(s.socket.url).searchParams.get("v")).toBe("2");
    const odd = await scene({ token: "fanfare" });
    expect(odd.socket.protocols).toBeUndefined();
  });
});

describe("getToken", () => {
  test("is asked before every connection, and told why", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    expect(d.asked).toEqual(["connect"]);
    expect(s.sockets).toHaveLength(0);
    await d.give("one");
    expect(s.socket.protocols).toEqual(["fanfare", "one"]);
    await s.socket.welcome();
    await s.env.pass(10_000);
    await s.socket.end();
    await s.env.pass(500);
    expect(d.asked).toEqual(["connect", "reconnect"]);
    await d.give("two");
    expect(s.socket.protocols).toEqual(["fanfare", "two"]);
  });

  test("may answer at once, and with null for none", async () => {
    const now = await scene({ getToken: () => "now" });
    expect(now.socket.protocols).toEqual(["fanfare", "now"]);
    const none = await scene({ getToken: () => null });
    expect(none.socket.protocols).toBeUndefined();
    const nothing = await scene({ getToken: (() => undefined) as never });
    expect(nothing.socket.protocols).toBeUndefined();
  });

  test("wins over a fixed token", async () => {
    const s = await scene({ getToken: () => "asked", token: "fixed" });
    expect(s.socket.protocols).toEqual(["fanfare", "asked"]);
  });

  test("that fails is a failed attempt, and asked again", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.fail("the sign-in service is away");
    expect(inState(s, "reconnecting")).toMatchObject({
      attempt: 1,
      retryAt: s.env.time + 500,
      reason: { code: "token", message: "Getting a token failed: the sign-in service is away" },
    });
    await s.env.pass(500);
    await d.give("late");
    await s.socket.welcome();
    expect(s.client.state.status).toBe("open");
  });

  test("that throws at once, or gives something else than text, fails the same way", async () => {
    const thrown = await scene({
      getToken: () => {
        throw "no";
      },
    });
    expect(inState(thrown, "reconnecting").reason.message).toBe("Getting a token failed: no");
    const odd = await scene({ getToken: (() => ({ token: "t" })) as never });
    expect(inState(odd, "reconnecting").reason.message).toBe("Getting a token failed: it is not text");
    expect(odd.sockets).toHaveLength(0);
  });

  test("that never answers is given up after 15 s", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await s.env.pass(15_000);
    expect(inState(s, "reconnecting").reason).toEqual({
      code: "token",
      message: "Getting a token failed: no answer within 15 s",
    });
    await s.env.pass(500);
    expect(d.asked).toHaveLength(2);
    // The answer to the first question comes after the second was asked.
    await d.give("late", 0);
    expect(s.sockets).toHaveLength(0);
    await d.give("in-time", 1);
    expect(s.socket.protocols).toEqual(["fanfare", "in-time"]);
  });

  test("whose client was closed meanwhile opens nothing", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    s.client.close();
    await d.give("late");
    expect(s.sockets).toHaveLength(0);
    expect(s.client.state.status).toBe("closed");
  });

  test("is not asked by a client that is closed in the turn in which it was made", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken, autoConnect: false });
    s.client.connect();
    s.client.close();
    await settle();
    expect(d.asked).toEqual([]);
  });
});

describe("a token that ends soon", () => {
  test("is renewed on the open connection", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("one");
    await s.socket.welcome();
    await warn(s);
    expect(d.asked).toEqual(["connect", "expiring"]);
    await d.give("two");
    expect(s.socket.frames).toEqual([{ type: "refresh", token: "two" }]);
    expect(s.client.state.status).toBe("open");
  });

  test("is renewed if the warning comes right with the welcome", async () => {
    const s = await openScene({ getToken: (request) => request });
    await settle();
    await s.socket.welcome();
    await warn(s, 3_000);
    expect(s.socket.frames).toEqual([{ type: "refresh", token: "expiring" }]);
  });

  test("that is always short is renewed at half its life, not in a loop", async () => {
    let asked = 0;
    const s = await scene({ getToken: () => `t${asked++}` });
    await s.socket.welcome();
    await warn(s, 4_000);
    await warn(s, 4_000);
    expect(s.socket.frames).toHaveLength(1);
    await s.env.pass(1_999);
    expect(s.socket.frames).toHaveLength(1);
    await s.env.pass(1);
    expect(s.socket.frames).toHaveLength(2);
    for (let i = 0; i < 100; i++) await warn(s, 10);
    await s.env.pass(499);
    expect(s.socket.frames).toHaveLength(2);
  });

  test("two warnings are one question", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("one");
    await s.socket.welcome();
    await warn(s);
    await warn(s);
    expect(d.asked).toEqual(["connect", "expiring"]);
  });

  test("is asked for again, with growing pauses, while getToken fails", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("one");
    await s.socket.welcome();
    await warn(s);
    await d.fail("away");
    expect(s.errors).toEqual([
      { code: "token", message: "Renewing the token failed: away", cause: new Error("away") },
    ]);
    expect(s.client.state.status).toBe("open");
    await s.env.pass(500);
    expect(d.asked).toHaveLength(3);
    await d.fail("away");
    await s.env.pass(999);
    expect(d.asked).toHaveLength(3);
    await s.env.pass(1);
    await d.give("two");
    expect(s.socket.frames).toEqual([{ type: "refresh", token: "two" }]);
  });

  test("is asked for with the first pause again after one came", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("one");
    await s.socket.welcome();
    await warn(s);
    await d.fail("away");
    await s.env.pass(500);
    await d.give("two");
    await s.env.pass(10_000);
    await s.socket.say({ type: "tick" });
    await warn(s, 1_000);
    expect(d.asked).toHaveLength(4);
    await d.fail("away");
    await s.env.pass(500);
    expect(d.asked).toHaveLength(5);
  });

  test("is asked for in time where this machine's clock is set back", async () => {
    let asked = 0;
    const s = await scene({ getToken: () => `t${asked++}` });
    await s.socket.welcome();
    await warn(s, 4_000);
    s.env.shift = -3_600_000;
    await warn(s, 4_000);
    await s.env.pass(2_000);
    expect(s.socket.frames).toHaveLength(2);
  });

  test("is not asked for any more after close()", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("one");
    await s.socket.welcome();
    await warn(s);
    await d.fail("away");
    s.client.close();
    expect(s.env.timers.size).toBe(0);
    await s.env.pass(60_000);
    expect(d.asked).toHaveLength(2);
  });

  test("is left to end where there is no other", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("one");
    await s.socket.welcome();
    await warn(s);
    await d.give(null);
    await s.env.pass(10_000);
    expect(s.socket.frames).toEqual([]);
    expect(d.asked).toHaveLength(2);
    const fixed = await openScene({ token: "fixed" });
    await warn(fixed);
    expect(fixed.socket.frames).toEqual([]);
  });

  test("an answer that comes after the connection went is thrown away", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("one");
    await s.socket.welcome();
    await warn(s);
    await s.socket.end();
    await s.env.pass(500);
    await d.give("three", 2);
    await s.socket.welcome();
    await d.give("two", 1);
    expect(s.sockets.flatMap(({ frames }) => frames)).toEqual([]);
    expect(s.socket.protocols).toEqual(["fanfare", "three"]);
  });
});

describe("4001", () => {
  test("with a fixed token is the end", async () => {
    const s = await scene({ token: "fixed" });
    await s.socket.end(4001, "Unauthorized");
    expect(inState(s, "closed").reason).toEqual({
      code: "unauthorized",
      message: "The server did not accept the token: it is wrong, has expired, or its session was ended.",
      closeCode: 4001,
    });
    await s.env.pass(600_000);
    expect(s.sockets).toHaveLength(1);
  });

  test("without any token is the end", async () => {
    const s = await scene();
    await s.socket.end(4001, "Unauthorized");
    expect(inState(s, "closed").reason.message).toBe("The server wants a token, and this client has none.");
  });

  test("asks getToken once, and connects at once with its answer", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("old");
    s.socket.accept();
    await s.socket.end(4001, "Unauthorized");
    expect(d.asked).toEqual(["connect", "unauthorized"]);
    expect(inState(s, "reconnecting")).toMatchObject({
      attempt: 1,
      waiting: "answer",
      reason: { code: "unauthorized" },
    });
    await d.give("new");
    expect(s.sockets).toHaveLength(2);
    expect(s.socket.protocols).toEqual(["fanfare", "new"]);
    await s.socket.welcome();
    expect(s.client.state.status).toBe("open");
  });

  test("again with the new token is the end", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("old");
    await s.socket.end(4001, "Unauthorized");
    await d.give("new");
    await s.socket.end(4001, "Unauthorized");
    expect(inState(s, "closed").reason).toEqual({
      code: "unauthorized",
      message: "The server did not accept the new token either.",
      closeCode: 4001,
    });
    expect(d.asked).toHaveLength(2);
  });

  test("and no other token, or an error instead, is the end", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("old");
    await s.socket.end(4001, "Unauthorized");
    await d.give(null);
    expect(inState(s, "closed").reason.message).toBe(
      "The server did not accept the token, and there is no other.",
    );
    const e = desk();
    const other = await scene({ getToken: e.getToken });
    await e.give("old");
    await other.socket.end(4001, "Unauthorized");
    await e.fail("signed out");
    expect(inState(other, "closed").reason).toEqual({
      code: "unauthorized",
      message: "The server did not accept the token, and getting another failed: signed out",
      closeCode: 4001,
    });
  });

  test("once more does not mean twice, if the network failed in between", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("old");
    await s.socket.end(4001, "Unauthorized");
    await d.give("new");
    await s.socket.end();
    await s.env.pass(1_000);
    expect(d.asked).toEqual(["connect", "unauthorized", "reconnect"]);
    await d.give("newer");
    await s.socket.end(4001, "Unauthorized");
    expect(inState(s, "closed").reason.code).toBe("unauthorized");
  });

  test("has its one question again after a welcome", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("one");
    await s.socket.end(4001, "Unauthorized");
    await d.give("two");
    await s.socket.welcome();
    await s.env.pass(6_000);
    const lost = s.env.time;
    await s.socket.end(4001, "Unauthorized");
    expect(inState(s, "reconnecting")).toMatchObject({ attempt: 1, since: lost, waiting: "answer" });
    expect(d.asked).toEqual(["connect", "unauthorized", "unauthorized"]);
    await d.give("three");
    await s.socket.welcome();
    expect(s.client.state.status).toBe("open");
  });

  test("right after each welcome does not become a storm", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("one");
    const waited: number[] = [];
    for (let i = 0; i < 4; i++) {
      await s.socket.welcome();
      await s.socket.end(4001, "Unauthorized");
      waited.push((inState(s, "reconnecting").retryAt ?? 0) - s.env.time);
      await s.env.pass(waited.at(-1) ?? 0);
      expect(d.asked.at(-1)).toBe("unauthorized");
      await d.give("again");
    }
    expect(waited).toEqual([500, 1_000, 2_000, 4_000]);
  });

  test("connect() after the end begins anew", async () => {
    const d = desk();
    const s = await scene({ getToken: d.getToken });
    await d.give("old");
    await s.socket.end(4001, "Unauthorized");
    await d.give(null);
    s.client.connect();
    await settle();
    expect(d.asked.at(-1)).toBe("connect");
    await d.give("old again");
    await s.socket.end(4001, "Unauthorized");
    expect(d.asked.at(-1)).toBe("unauthorized");
    await d.give("signed in");
    await s.socket.welcome();
    expect(s.client.state.status).toBe("open");
  });
});
