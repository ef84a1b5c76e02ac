// Questions about a channel: history, presence, and presence that is watched.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type HistoryPage, history } from "../../src/history.js";
import { type Presence, presence, watchPresence } from "../../src/presence.js";
import { openScene, type Scene, scene, settle } from "../fakes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => "it did not fail",
    ({ code }: { code: string }) => code,
  );

const page = (channel: string, ...offsets: number[]) => ({
  type: "history",
  data: {
    channel,
    epoch: "AAAAAAAA",
    events: offsets.map((offset) => ({
      type: "tick",
      data: {},
      timestamp: "",
      id: `e${offset}`,
      channel,
      offset,
    })),
    more: false,
  },
});

const user = (user_id: number | string) => ({ user_id, since: "2025-11-01T12:00:00.000Z" });

describe("history", () => {
  test("asks for a part of a channel's events and gives the answer", async () => {
    const s = await openScene();
    const asked = history(s.client, "jobs", { limit: 2, before: 19 });
    await settle();
    expect(s.socket.frames).toEqual([{ type: "history", data: { channel: "jobs", limit: 2, before: 19 } }]);
    await s.socket.say(page("other", 1));
    await s.socket.say(page("jobs", 18, 17));
    const { events, epoch, more } = await asked;
    expect([events.map(({ offset }) => offset), epoch, more]).toEqual([[18, 17], "AAAAAAAA", false]);
  });

  test("asks about one channel one after the other, since answers carry no number", async () => {
    const s = await openScene();
    const got: HistoryPage[] = [];
    for (const before of [9, 5])
      void history(s.client, "jobs", { before }).then((answer) => got.push(answer));
    void history(s.client, "others").then((answer) => got.push(answer));
    await settle();
    expect(s.socket.frames.map(({ data }) => data)).toEqual([
      { channel: "jobs", before: 9 },
      { channel: "others" },
    ]);
    await s.socket.say(page("jobs", 8));
    expect(s.socket.frames.at(-1)?.data).toEqual({ channel: "jobs", before: 5 });
    await s.socket.say(page("others", 1));
    await s.socket.say(page("jobs", 4));
    expect(got.map(({ events }) => events[0]?.offset)).toEqual([8, 1, 4]);
  });

  test("fails with the server's code, without a connection, at its end, and without an answer", async () => {
    const waiting = await scene();
    expect(await failure(history(waiting.client, "jobs"))).toBe("closed");

    const s = await openScene();
    const forbidden = failure(history(s.client, "jobs"));
    await settle();
    await s.socket.say({ type: "error", data: { code: "forbidden", message: "no", channel: "other" } });
    await s.socket.say({ type: "error", data: { code: "forbidden", message: "no", channel: "jobs" } });
    expect(await forbidden).toBe("forbidden");

    const old = failure(history(s.client, "jobs"));
    await settle();
    await s.socket.say({ type: "error", data: { code: "unknown_type", message: "history" } });
    expect(await old).toBe("unknown_type");

    const silent = failure(history(s.client, "jobs"));
    await vi.advanceTimersByTimeAsync(15_000);
    expect(await silent).toBe("timeout");

    const lost = failure(history(s.client, "jobs"));
    await settle();
    await s.socket.end();
    expect(await lost).toBe("closed");
  });
});

describe("presence", () => {
  const say = (s: Scene, users: (number | string)[], count = users.length) =>
    s.socket.say({ type: "presence", data: { channel: "jobs", users: users.map(user), count } });
  const change = (s: Scene, joined: number[], left: (number | string)[], count: number, truncated = false) =>
    s.socket.say({
      type: "presence_changed",
      data: {
        channel: "jobs",
        joined: joined.map(user),
        left: left.map((user_id) => ({ user_id })),
        count,
        ...(truncated ? { truncated } : {}),
      },
    });
  const names = ({ users, count }: Presence) => [users.map(({ user_id }) => user_id).join(" "), count];

  test("says who is there", async () => {
    const s = await openScene();
    const asked = presence(s.client, "jobs");
    await settle();
    expect(s.socket.frames).toEqual([{ type: "presence", data: { channel: "jobs" } }]);
    await say(s, [7, "a"], 9);
    expect(names(await asked)).toEqual(["7 a", 9]);
  });

  test("that is watched says so at each change, and begins anew with each connection", async () => {
    const s = await openScene();
    const told: unknown[] = [];
    const end = watchPresence(s.client, "jobs", (now) => told.push(names(now)));
    expect(s.socket.frames).toEqual([{ type: "presence", data: { channel: "jobs", watch: true } }]);
    await say(s, [7, 8]);
    await change(s, [9], ["7"], 2);
    await s.socket.end();
    await s.env.pass(1_000);
    await s.socket.welcome();
    expect(s.socket.frames).toEqual([{ type: "presence", data: { channel: "jobs", watch: true } }]);
    await say(s, [5]);
    expect(told).toEqual([
      ["7 8", 2],
      ["8 9", 2],
      ["5", 1],
    ]);
    end();
    end();
    expect(s.socket.frames.slice(1)).toEqual([{ type: "presence", data: { channel: "jobs", watch: false } }]);
    await change(s, [6], [], 2);
    expect(told).toHaveLength(3);
  });

  test("that is watched asks again where more changed than could be told", async () => {
    const s = await openScene();
    const told: unknown[] = [];
    const end = watchPresence(s.client, "jobs", (now) => told.push(names(now)));
    await say(s, [7]);
    await change(s, [8], [], 900, true);
    expect(s.socket.frames).toHaveLength(2);
    await say(s, [7, 8, 9], 900);
    expect(told).toEqual([
      ["7", 1],
      ["7 8 9", 900],
    ]);
    end();
  });

  test("that is watched twice is asked for once, and ends with the second", async () => {
    const s = await openScene();
    const told: string[] = [];
    const first = watchPresence(s.client, "jobs", () => told.push("first"));
    await say(s, [7]);
    const second = watchPresence(s.client, "jobs", () => told.push("second"));
    first();
    await change(s, [8], [], 2);
    expect(told).toEqual(["first", "second", "second"]);
    expect(s.socket.frames).toHaveLength(1);
    second();
    expect(s.socket.frames).toHaveLength(2);
  });
});
