// Where a client stands in each stream: what it counts, what it drops, and when it tells a gap.

import { describe, expect, test } from "vitest";
import type { FanfareEvent } from "../../src/index.js";
import { settle } from "../fakes.js";
import { at, EPOCH, event, following, frames, OTHER, reconnect, start, tell } from "./playing.js";

describe("positions", () => {
  test("go on with events in each of their streams, and never back", async () => {
    const s = await following();
    await event(s, "one", { jobs: 12, "user:7": 11 });
    await event(s, "old", { "user:7": 5 });
    await reconnect(s);
    expect(frames(s)[0]).toMatchObject({
      positions: { "@all": { offset: 10 }, "user:7": { offset: 11 }, jobs: { offset: 12 } },
    });
  });

  test("recovered: the client counts on from its own, whatever the stream's end is", async () => {
    const s = await following();
    await reconnect(s);
    await tell(
      s,
      { "@all": at(10, true), "user:7": at(10, true), jobs: at(500, true) },
      { type: "resumed", channels: ["jobs"] },
    );
    for (const offset of [11, 12]) await event(s, `missed-${offset}`, { jobs: offset });
    expect(s.seen).toEqual(["missed-11", "missed-12"]);
    await reconnect(s, 2_000);
    expect(frames(s)[0]).toMatchObject({ positions: { jobs: { epoch: EPOCH, offset: 12 } } });
    expect(s.gaps).toEqual([]);
  });

  test("not recovered: the stream goes on from what is told, and is a gap", async () => {
    const s = await following();
    await reconnect(s);
    await tell(
      s,
      { "@all": at(10, true), "user:7": at(2, false, OTHER), jobs: at(40, false) },
      { type: "resumed", channels: ["jobs"] },
    );
    expect(s.gaps).toEqual([["user:7", "jobs"]]);
    await reconnect(s, 2_000);
    expect(frames(s)[0]).toMatchObject({
      positions: { "user:7": { epoch: OTHER, offset: 2 }, jobs: { epoch: EPOCH, offset: 40 } },
    });
  });

  test("a stream that comes back without a word on recovery is a gap", async () => {
    const s = await following();
    await reconnect(s);
    await tell(s, { "@all": at(10, true), jobs: at(12) }, { type: "resumed", channels: ["jobs"] });
    expect(s.gaps).toEqual([["jobs"]]);
  });

  test("a stream that is said to be recovered in another epoch is a gap: nothing of it can be told apart", async () => {
    const s = await following();
    await reconnect(s);
    await tell(s, { jobs: at(12, true, OTHER) }, { type: "resumed", channels: ["jobs"] });
    expect(s.gaps).toEqual([["jobs"]]);
  });

  test("a stream that did not move meanwhile has no gap, whatever is said of it", async () => {
    const s = await following();
    await reconnect(s);
    await tell(s, { "@all": at(10, false), "user:7": at(10), jobs: at(10, false) }, { type: "resumed" });
    expect(s.gaps).toEqual([]);
  });

  test("of the user's own stream stay when it is left as a channel", async () => {
    const s = await following();
    s.client.subscribe("user:7")();
    const leave = s.client.subscribe("user:7");
    await settle();
    leave();
    await settle();
    await reconnect(s);
    expect(frames(s).at(-1)).toMatchObject({ positions: { "user:7": { epoch: EPOCH, offset: 10 } } });
  });

  test("of a channel that was left before its answer are none", async () => {
    const s = await following();
    s.client.subscribe("payments");
    await settle();
    s.client.unsubscribe("payments");
    await settle();
    await tell(s, { payments: at(3) }, { channels: ["payments"] });
    s.client.subscribe("payments");
    await settle();
    expect(frames(s).at(-1)).toEqual({ type: "subscribe", channels: ["payments"], recoverable: true });
  });

  test("end where the channel is refused, but not where something else about it is", async () => {
    const s = await following();
    await s.socket.say({ type: "error", data: { code: "forbidden", message: "history", channel: "jobs" } });
    await reconnect(s);
    expect(frames(s)[0]).toMatchObject({ positions: { jobs: { offset: 10 } } });
    await s.socket.say({ type: "error", data: { code: "not_found", message: "no such token" } });
    await s.socket.say({ type: "error", data: { code: "forbidden", message: "no", channel: "jobs" } });
    await tell(s, { "@all": at(10, true), "user:7": at(10, true) });
    await reconnect(s, 2_000);
    expect(frames(s)[0]).toMatchObject({ type: "resume", positions: { "@all": {}, "user:7": {} } });
    expect(frames(s)[0]).not.toHaveProperty("positions.jobs");
  });

  test("end with a stream that the server does not name any more: whose it was is not known", async () => {
    const s = await following();
    await reconnect(s);
    await tell(s, { "@all": at(10, true), jobs: at(10, true) }, { type: "resumed", channels: ["jobs"] });
    await reconnect(s, 2_000);
    expect(Object.keys(frames(s)[0]?.positions ?? {})).toEqual(["@all", "jobs"]);
    expect(s.gaps).toEqual([]);
  });

  test("too many for one frame: it subscribes, a hundred channels a frame", async () => {
    const s = await start();
    const names = Array.from({ length: 300 }, (_, n) => `${n}`.padStart(200, "c"));
    s.client.subscribe(names);
    await settle();
    await tell(s, { "@all": at(1) });
    await tell(s, Object.fromEntries(names.map((name) => [name, at(1)])), { channels: names });
    await reconnect(s);
    expect(frames(s).map(({ type }) => type)).toEqual(["subscribe", "subscribe", "subscribe"]);
    for (const text of s.socket.sent) expect(text.length).toBeLessThan(64 * 1_024);
  });

  test("a gap is told before any event that comes after it", async () => {
    const s = await following();
    const order: string[] = [];
    s.client.onGap(({ streams }) => order.push(`gap ${streams.join()}`));
    s.client.onAny(({ type }) => order.push(type));
    await reconnect(s);
    await tell(s, { jobs: at(12, false) }, { type: "resumed", channels: ["jobs"] });
    await event(s, "next", { jobs: 13 });
    expect(order).toEqual(["gap jobs", "next"]);
  });

  test("what goes to one connection alone is let through, and is no position", async () => {
    const s = await following();
    await event(s, "only-you", { "@connection": 1 }, OTHER);
    await event(s, "only-you", { "@connection": 1 }, OTHER);
    await tell(s, { "@connection": at(2, undefined, OTHER) });
    await reconnect(s);
    expect(s.seen).toEqual(["only-you", "only-you"]);
    expect(JSON.stringify(frames(s)[0])).not.toContain("@connection");
  });

  test("an epoch that changes while the connection lasts is the stream's new one", async () => {
    const s = await following();
    await event(s, "reset", { jobs: 1 }, OTHER);
    await event(s, "reset", { jobs: 1 }, OTHER);
    // `also` speaks of the epochs that were told: nothing of the new one.
    await event(s, "both", { "user:7": 11, jobs: 1 });
    expect(s.seen).toEqual(["reset", "both"]);
    await reconnect(s);
    expect(frames(s)[0]).toMatchObject({ positions: { jobs: { epoch: OTHER, offset: 1 } } });
  });

  test("of channels with any name are given", async () => {
    const s = await start();
    const names = ["__proto__", "constructor"];
    s.client.subscribe(names);
    await settle();
    await tell(s, { "@all": at(1) });
    const positions = `{"__proto__":${JSON.stringify(at(3))},"constructor":${JSON.stringify(at(4))}}`;
    const data = `{"channels":${JSON.stringify(names)},"positions":${positions},"resume":"t"}`;
    await s.socket.say(`{"type":"subscribed","data":${data},"timestamp":""}`);
    await reconnect(s);
    expect(s.socket.sent[0]).toContain(`"__proto__":{"epoch":"${EPOCH}","offset":3}`);
    expect(s.socket.sent[0]).toContain(`"constructor":{"epoch":"${EPOCH}","offset":4}`);
  });

  test("that are no positions are not believed", async () => {
    const s = await following();
    for (const offset of [-1, 1.5, "11", null, 2 ** 60]) {
      await s.socket.say(
        JSON.stringify({ type: "odd", data: {}, timestamp: "", channel: "jobs", offset, epoch: EPOCH }),
      );
    }
    await s.socket.say({ type: "subscribed", data: { channels: 7, positions: { "@all": 7, jobs: null } } });
    await s.socket.say({ type: "subscribed", data: null });
    expect(s.seen).toHaveLength(5);
    await reconnect(s);
    expect(frames(s)[0]).toMatchObject({ positions: { "@all": { offset: 10 }, jobs: { offset: 10 } } });
  });
});

describe("an event that was had already", () => {
  test("is dropped, in whichever of its streams it is counted", async () => {
    const s = await following();
    await event(s, "one", { jobs: 11, "user:7": 11 });
    await event(s, "again", { jobs: 11, "user:7": 11 });
    await event(s, "again", { "user:7": 11, jobs: 11 });
    await event(s, "two", { jobs: 12 });
    await event(s, "again", { jobs: 11 });
    expect(s.seen).toEqual(["one", "two"]);
  });

  test("in one stream and not in another is dropped, and the other moves on", async () => {
    const s = await following();
    await event(s, "one", { jobs: 11 });
    await event(s, "again", { "user:7": 11, jobs: 11 });
    await event(s, "again", { "user:7": 11 });
    await event(s, "next", { "user:7": 12 });
    expect(s.seen).toEqual(["one", "next"]);
  });

  test("is not what is older than where the client began: retained state, or another stream's past", async () => {
    const s = await following();
    await event(s, "retained", { "user:7": 4 });
    s.client.subscribe("payments");
    await settle();
    await event(s, "elsewhere", { jobs: 11, "@all": 3 });
    expect(s.seen).toEqual(["retained", "elsewhere"]);
  });
});

test("an event tells where it stands", async () => {
  const s = await following();
  const heard: FanfareEvent[] = [];
  s.client.onAny((event) => heard.push(event));
  await event(s, "one", { jobs: 11, "user:7": 12 });
  expect(heard).toEqual([
    expect.objectContaining({
      id: "id-one",
      channel: "jobs",
      offset: 11,
      epoch: EPOCH,
      also: { "user:7": 12 },
    }),
  ]);
});
