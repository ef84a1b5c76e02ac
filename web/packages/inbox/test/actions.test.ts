// What a person does: shown at once, agreed with the service, taken back with words where it refuses.

import { describe, expect, it } from "vitest";
import { scene } from "./scene.js";
import { problem, settled } from "./service.js";

describe("marking", () => {
  it("is shown before the service agreed, while the count waits for what the service says", async () => {
    const { begin, inbox, service, unread, count } = scene();
    await begin(3);
    service.holds = true;
    service.delays = true;
    const marking = inbox.markRead(2);
    await settled();
    expect([unread(), count()]).toEqual([["n3", "n1"], 3]);
    service.deliver();
    expect(count()).toBe(2);
    await service.release();
    expect(await marking).toBe(true);
    expect([unread(), count()]).toEqual([["n3", "n1"], 2]);
  });

  it("is taken back where the service refuses, and a notice says why", async () => {
    const { begin, inbox, service, unread, count } = scene();
    await begin(2);
    service.answer = ({ method }) =>
      method === "PUT" ? problem(429, "too often", {}, { "retry-after": "2" }) : null;
    const marking = inbox.markRead(2);
    expect(unread()).toEqual(["n1"]);
    expect(await marking).toBe(false);
    expect([unread(), count()]).toEqual([["n2", "n1"], 2]);
    expect(inbox.getSnapshot().notice).toMatchObject({
      kind: "failed",
      failure: { action: "read", code: "rate_limited", status: 429, id: 2, detail: "too often" },
    });
    inbox.dismissNotice();
    expect(inbox.getSnapshot().notice).toBe(null);
  });

  it("read and unread, as fast as one can click, end as the last click said, here and there", async () => {
    const { begin, inbox, service, unread } = scene();
    await begin(1);
    service.holds = true;
    for (const kind of ["markRead", "markUnread", "markRead", "markUnread", "markRead"] as const)
      void inbox[kind](1);
    expect(unread()).toEqual([]);
    for (let answers = 0; answers < 5; answers += 1) {
      await service.release();
      expect(unread()).toEqual([]);
    }
    expect(service.rows[0]?.is_read).toBe(true);
    expect(service.asked("PUT", /read/).map(({ path }) => path)).toEqual([
      "/1/read",
      "/1/unread",
      "/1/read",
      "/1/unread",
      "/1/read",
    ]);
  });

  it("one that is gone leaves the list, and the person is told", async () => {
    const { begin, inbox, service, titles } = scene();
    await begin(2);
    service.delays = true;
    service.remove(2);
    expect(await inbox.markRead(2)).toBe(false);
    expect(titles()).toEqual(["n1"]);
    expect(inbox.getSnapshot().notice).toMatchObject({ failure: { code: "not_found" } });
  });

  it("all is all that is there by then; what comes later is unread", async () => {
    const { begin, inbox, service, unread, count } = scene();
    await begin(3);
    service.holds = true;
    const marking = inbox.markAllRead();
    expect(unread()).toEqual([]);
    await settled();
    service.create();
    expect(unread()).toEqual(["n4"]);
    await service.release();
    expect(await marking).toBe(true);
    await settled();
    expect(service.unread).toBe(count());
  });

  it("what would be too much is refused here, and said", async () => {
    const { begin, inbox, service } = scene();
    await begin(1);
    service.holds = true;
    const marked = Array.from({ length: 101 }, (_, at) => (at % 2 ? inbox.markUnread(1) : inbox.markRead(1)));
    expect(await marked[100]).toBe(false);
    expect(inbox.getSnapshot().notice).toMatchObject({ failure: { code: "too_many" } });
    service.holds = false;
    for (let rounds = 0; rounds < 3; rounds += 1) await service.release();
    expect((await Promise.all(marked)).filter(Boolean).length).toBe(100);
  });

  it("where no event follows the count is fetched", async () => {
    const { begin, inbox, service, count, clock } = scene();
    await begin(2);
    service.delays = true;
    await inbox.markRead(2);
    expect(count()).toBe(2);
    await clock.pass(3_000);
    expect(count()).toBe(1);
  });

  it("an answer that was never seen is no answer: what the service did is fetched", async () => {
    const { begin, inbox, service, unread, clock } = scene();
    await begin(1);
    await clock.pass(5_000);
    service.delays = true;
    service.answer = ({ method }) => {
      if (method !== "PUT") return null;
      service.mark(1, true);
      throw new TypeError("the connection broke off");
    };
    expect(await inbox.markRead(1)).toBe(false);
    await clock.pass(2_000);
    expect(unread()).toEqual([]);
  });
});

describe("deleting", () => {
  it("is done at once, and undone with the function that it gives, or with the notice's", async () => {
    const { begin, inbox, service, titles, count } = scene();
    await begin(3);
    const undo = inbox.remove(2);
    expect(titles()).toEqual(["n3", "n1"]);
    const { notice } = inbox.getSnapshot();
    expect(notice).toMatchObject({ kind: "removed", notification: { title: "n2" } });
    await settled();
    expect([service.titles, count()]).toEqual([["n3", "n1"], 2]);
    const undoing = undo();
    expect(titles()).toEqual(["n3", "n2", "n1"]);
    expect(inbox.getSnapshot().notice).toBe(null);
    expect(await undoing).toBe(true);
    expect([service.titles, count()]).toEqual([["n3", "n2", "n1"], 3]);
    // Twice is once.
    expect(await undo()).toBe(true);
    expect(service.asked("POST", /restore/).length).toBe(1);
  });

  it("is undone in its turn while it is still under way", async () => {
    const { begin, inbox, service, titles } = scene();
    await begin(2);
    service.holds = true;
    const undoing = inbox.remove(2)();
    await settled();
    expect(titles()).toEqual(["n2", "n1"]);
    await service.release();
    await service.release();
    expect(await undoing).toBe(true);
    expect([titles(), service.titles]).toEqual([
      ["n2", "n1"],
      ["n2", "n1"],
    ]);
  });

  it("that is refused comes back by itself, and undoing it asks for nothing", async () => {
    const { begin, inbox, service, titles } = scene();
    await begin(2);
    service.answer = ({ method }) => (method === "DELETE" ? problem(403, "") : null);
    const undo = inbox.remove(2);
    expect(titles()).toEqual(["n1"]);
    await settled();
    expect(titles()).toEqual(["n2", "n1"]);
    expect(inbox.getSnapshot().notice).toMatchObject({ failure: { action: "remove", code: "forbidden" } });
    expect(await undo()).toBe(true);
    expect(service.asked("POST", /restore/)).toEqual([]);
  });

  it("of which nobody knows whether it was carried out is taken back at the service", async () => {
    const { begin, inbox, service, titles } = scene();
    await begin(2);
    service.answer = ({ method }) => (method === "DELETE" ? problem(500, "") : null);
    const undo = inbox.remove(2);
    await settled();
    expect(inbox.getSnapshot().notice).toMatchObject({ failure: { action: "remove", code: "unavailable" } });
    expect(await undo()).toBe(true);
    expect(service.asked("POST", /restore/)).toHaveLength(1);
    expect(titles()).toEqual(["n2", "n1"]);
  });

  it("what another device deleted already is deleted, without a word", async () => {
    const { begin, inbox, service, titles } = scene();
    await begin(1);
    service.answer = ({ method }) => (method === "DELETE" ? problem(404, "") : null);
    inbox.remove(1);
    await settled();
    expect(titles()).toEqual([]);
    expect(inbox.getSnapshot().notice).toMatchObject({ kind: "removed" });
  });

  it("what is purged by then is not brought back, and that is said", async () => {
    const { begin, inbox, service, titles } = scene();
    await begin(1);
    const undo = inbox.remove(1);
    await settled();
    service.answer = ({ path }) => (path.endsWith("restore") ? problem(404, "") : null);
    expect(await undo()).toBe(false);
    expect(titles()).toEqual([]);
    expect(inbox.getSnapshot().notice).toMatchObject({ failure: { action: "restore", code: "not_found" } });
  });
});

it("what was shown is acknowledged once, by the event that it came with", async () => {
  const { begin, inbox, service } = scene();
  await begin(1);
  service.create();
  service.create();
  inbox.markShown([1, 2]);
  inbox.markShown([1, 2, 3]);
  expect(service.acks).toEqual(["event-2", "event-3"]);
});

it("a listener that throws harms no other", async () => {
  const { begin, inbox } = scene();
  const heard: number[] = [];
  const complain = console.error;
  console.error = () => {};
  inbox.subscribe(() => {
    throw new Error("a view's own fault");
  });
  inbox.subscribe(() => heard.push(1));
  await begin(1);
  console.error = complain;
  expect(heard.length).toBeGreaterThan(0);
  expect(inbox.getSnapshot().status).toBe("ready");
});
