// What the inbox shows: pages, events, filters, and what happens when the service is away.

import { describe, expect, it } from "vitest";
import { createInbox } from "../src/index.js";
import { scene } from "./scene.js";
import { FakeClock, FakeService, NOW, problem, settled } from "./service.js";

describe("before it begins", () => {
  it("asks for nothing, and says so", async () => {
    const { inbox, service, clock } = scene();
    await clock.pass(600_000);
    expect(service.requests).toEqual([]);
    expect(service.followers).toBe(0);
    expect(inbox.getSnapshot()).toMatchObject({
      status: "idle",
      items: [],
      unreadCount: null,
      hasMore: false,
    });
  });

  it("may be started and stopped as often as a framework likes, and follows the events once", async () => {
    const { inbox, service, titles, clock } = scene();
    inbox.start();
    inbox.stop();
    inbox.start();
    inbox.start();
    inbox.stop();
    await settled();
    service.create();
    expect(titles()).toEqual(["n1"]);
    inbox.stop();
    inbox.stop();
    expect(service.followers).toBe(0);
    service.create();
    await clock.pass(600_000);
    expect(titles()).toEqual(["n1"]);
  });
});

describe("the list", () => {
  it("is the service's, newest first, and the older pages follow until there are none", async () => {
    const { begin, inbox, service, titles } = scene({ pageSize: 2 });
    await begin(5);
    expect(titles()).toEqual(["n5", "n4"]);
    expect(inbox.getSnapshot()).toMatchObject({ status: "ready", hasMore: true, total: 5, unreadCount: 5 });
    const loading = inbox.loadMore();
    expect(inbox.getSnapshot().isLoadingMore).toBe(true);
    await Promise.all([loading, inbox.loadMore()]);
    expect(titles()).toEqual(["n5", "n4", "n3", "n2"]);
    await inbox.loadMore();
    await inbox.loadMore();
    expect(titles()).toEqual(service.titles);
    expect(inbox.getSnapshot()).toMatchObject({ hasMore: false, isLoadingMore: false });
    expect(service.asked("GET", /^$/).length).toBe(3);
  });

  it("what arrives is on top at once, with the count that the event says", async () => {
    const { begin, service, titles, count } = scene();
    await begin(1);
    service.create();
    expect([titles(), count()]).toEqual([["n2", "n1"], 2]);
    service.mark(1, true);
    expect(count()).toBe(1);
    service.tell("notification_unread", {
      id: 1,
      notification_id: 1,
      unread_count: 41,
      timestamp: "2027-01-01T00:00:00.000Z",
    });
    expect(count()).toBe(41);
  });

  it("an event that comes twice, and one that the list had already, is one notification", async () => {
    const { begin, service, titles, inbox } = scene();
    const arrivals: number[] = [];
    inbox.onArrival(({ notification }) => arrivals.push(notification.id));
    await begin(1);
    service.delays = true;
    service.create();
    service.deliver((events) => [...events, ...events, ...events]);
    expect(titles()).toEqual(["n2", "n1"]);
    expect(arrivals).toEqual([2]);
  });

  it("an event out of order is not believed, and all is fetched anew", async () => {
    const { begin, service, titles, unread, count, clock } = scene();
    await begin(2);
    await clock.pass(5_000);
    service.delays = true;
    service.mark(1, true);
    service.mark(1, false);
    service.create();
    service.deliver((events) => events.reverse());
    await clock.pass(2_000);
    expect([titles(), unread(), count()]).toEqual([["n3", "n2", "n1"], ["n3", "n2", "n1"], 3]);
    expect(service.asked("GET", /^$/).length).toBeLessThanOrEqual(3);
  });

  it("what was missed is fetched after a gap, and what was loaded stays loaded", async () => {
    const { begin, inbox, service, titles, count, clock } = scene({ pageSize: 10 });
    await begin(45);
    await inbox.loadMore();
    await inbox.loadMore();
    await clock.pass(5_000);
    service.delays = true;
    service.create();
    service.remove(44);
    service.markAll();
    service.create();
    service.deliver(() => []);
    service.delays = false;
    service.gap();
    await clock.pass(2_000);
    expect(titles().slice(0, 3)).toEqual(["n47", "n46", "n45"]);
    expect(titles()).toEqual(service.titles.slice(0, titles().length));
    expect(titles().length).toBeGreaterThanOrEqual(30);
    expect(count()).toBe(1);
  });

  it("a hundred gaps at once are two fetches", async () => {
    const { begin, service, clock } = scene();
    await begin(3);
    await clock.pass(5_000);
    for (let gaps = 0; gaps < 100; gaps += 1) service.gap();
    await clock.pass(10_000);
    expect(service.asked("GET", /^$/).length).toBeLessThanOrEqual(3);
  });

  it("events that come while a page is under way are in it afterwards, and their count is the newer", async () => {
    const { begin, inbox, service, titles, unread, count } = scene();
    service.holds = true;
    await begin(2);
    service.create();
    service.mark(1, true);
    service.remove(2);
    await service.release();
    expect([titles(), unread(), count()]).toEqual([["n3", "n1"], ["n3"], 1]);
    expect(inbox.getSnapshot().status).toBe("ready");
  });

  it("an older page that comes after a read of one of its own shows it as read", async () => {
    const { begin, inbox, service, unread } = scene({ pageSize: 2 });
    await begin(4);
    service.holds = true;
    const more = inbox.loadMore();
    await settled();
    service.mark(1, true);
    await service.release();
    await more;
    expect(unread()).toEqual(["n4", "n3", "n2"]);
  });

  it("holds what it says at most, and the rest can be loaded again", async () => {
    const { begin, inbox, service, titles } = scene({ pageSize: 100 });
    await begin(1);
    for (let made = 0; made < 5_010; made += 1) service.create();
    expect(titles().length).toBe(5_000);
    expect(titles()[0]).toBe("n5011");
    expect(inbox.getSnapshot().hasMore).toBe(false);
  });

  it("what did not change is the same object as before", async () => {
    const { begin, inbox, service } = scene();
    await begin(3);
    const before = inbox.getSnapshot();
    expect(inbox.getSnapshot()).toBe(before);
    service.mark(2, true);
    const after = inbox.getSnapshot();
    expect(after).not.toBe(before);
    expect(after.items[0]).toBe(before.items[0]);
    expect(after.items[1]).not.toBe(before.items[1]);
    await inbox.refresh();
    const fetched = inbox.getSnapshot();
    expect(fetched.items[0]).toBe(before.items[0]);
    await inbox.refresh();
    expect(inbox.getSnapshot().items).toBe(fetched.items);
    expect(inbox.getSnapshot().filter).toBe(before.filter);
  });

  it("events that are no events, and notifications that are none, change nothing", async () => {
    const { begin, inbox, service } = scene();
    await begin(1);
    const before = inbox.getSnapshot();
    for (const data of [
      null,
      7,
      "x",
      [],
      {},
      { id: 1 },
      { id: 9, title: "no count" },
      { id: "9", title: "x", unread_count: 3 },
    ]) {
      service.tell("notification", data);
      service.tell("notification_read", data);
    }
    service.tell("notification_read", { id: 1, notification_id: 1, unread_count: -1 });
    service.tell("notification_deleted", { id: 1, notification_id: 1, unread_count: 1.5 });
    expect(inbox.getSnapshot()).toBe(before);
  });
});

describe("a filter", () => {
  it("shows one category, or what is unread, and lets in only what belongs there", async () => {
    const { begin, inbox, service, titles, count } = scene();
    service.create({ category: "jobs" });
    service.create({ category: "payments" });
    await begin();
    inbox.setFilter({ category: "jobs" });
    expect(inbox.getSnapshot()).toMatchObject({ status: "loading", items: [] });
    await settled();
    service.create({ category: "payments" });
    service.create({ category: "jobs" });
    expect(titles()).toEqual(["n4", "n1"]);
    expect(count()).toBe(4);
    service.mark(1, true);
    inbox.setFilter({ unread: true });
    await settled();
    expect(titles()).toEqual(["n4"]);
    inbox.setFilter({ category: null, unread: false });
    await settled();
    expect(titles()).toEqual(["n4", "n3", "n2", "n1"]);
  });

  it("the answer to the filter before does not come into the list", async () => {
    const { begin, inbox, service, titles } = scene();
    service.create({ category: "jobs" });
    service.create({ category: "payments" });
    await begin();
    service.holds = true;
    inbox.setFilter({ category: "jobs" });
    inbox.setFilter({ category: "payments" });
    await settled();
    await service.release();
    expect(titles()).toEqual(["n2"]);
    expect(inbox.getSnapshot().filter.category).toBe("payments");
  });

  it("of unread ones keeps what was just read where it is, until it is chosen again", async () => {
    const { begin, inbox, titles } = scene({ filter: { unread: true } });
    await begin(2);
    await inbox.markRead(2);
    expect(titles()).toEqual(["n2", "n1"]);
    await inbox.refresh();
    expect(titles()).toEqual(["n1"]);
  });

  it("the categories have the service's counts, and follow what happens, a burst with one call", async () => {
    const { begin, inbox, service, clock } = scene();
    service.create({ category: "jobs" });
    await begin();
    expect(inbox.getSnapshot().categories).toBe(null);
    const off = inbox.watchCategories();
    await clock.pass(0);
    expect(inbox.getSnapshot().categories).toEqual([{ name: "jobs", total: 1, unreadCount: 1 }]);
    for (let made = 0; made < 50; made += 1) service.create({ category: "payments" });
    await clock.pass(2_000);
    expect(inbox.getSnapshot().categories?.[1]).toEqual({ name: "payments", total: 50, unreadCount: 50 });
    expect(service.asked("GET", /stats/).length).toBe(2);
    off();
    off();
    service.create();
    await clock.pass(5_000);
    expect(service.asked("GET", /stats/).length).toBe(2);
  });
});

describe("a service that is away", () => {
  it("is tried again after growing pauses, and the first answer ends that", async () => {
    const { begin, inbox, service, clock, titles } = scene();
    service.answer = () => {
      throw new TypeError("no network");
    };
    await begin(1);
    expect(inbox.getSnapshot()).toMatchObject({
      status: "failed",
      failure: { code: "unreachable", action: "load" },
      retryAt: NOW + 750,
    });
    await clock.pass(60_000);
    const attempts = service.requests.length;
    expect(attempts).toBeGreaterThan(4);
    expect(attempts).toBeLessThan(9);
    service.answer = () => null;
    await clock.pass(30_000);
    expect(titles()).toEqual(["n1"]);
    expect(inbox.getSnapshot()).toMatchObject({ status: "ready", failure: null, retryAt: null });
  });

  it("what is shown stays, with why it may be old; a person who asks is served at once", async () => {
    const { begin, inbox, service, clock, titles } = scene();
    await begin(1);
    await clock.pass(5_000);
    service.answer = () => problem(503, "draining", {}, { "retry-after": "120" });
    service.gap();
    await settled();
    expect(titles()).toEqual(["n1"]);
    expect(inbox.getSnapshot()).toMatchObject({
      status: "ready",
      failure: { code: "unavailable", status: 503, detail: "draining", retryAfter: 120_000 },
      retryAt: NOW + 5_000 + 120_000,
    });
    service.answer = () => null;
    await inbox.refresh();
    expect(inbox.getSnapshot().failure).toBe(null);
  });

  it("one that does not answer is given up after 15 s", async () => {
    const { inbox, service, clock } = scene();
    service.answer = () => new Promise<Response>(() => {});
    inbox.start();
    await clock.pass(14_999);
    expect(inbox.getSnapshot().status).toBe("loading");
    await clock.pass(1);
    expect(inbox.getSnapshot()).toMatchObject({ status: "failed", failure: { code: "timeout" } });
  });

  it("nonsense is an error and no empty inbox", async () => {
    for (const answer of [
      () => new Response("<html>a proxy</html>"),
      () => Response.json({ items: [] }),
      () => Response.json(null),
      () => Response.json({ notifications: "none", unread_count: 0 }),
      () => Response.json({ notifications: [], unread_count: "3" }),
    ]) {
      const { inbox, service } = scene();
      service.answer = answer;
      inbox.start();
      await settled();
      expect(inbox.getSnapshot()).toMatchObject({
        status: "failed",
        failure: { code: "bad_answer" },
        unreadCount: null,
      });
      inbox.stop();
    }
  });

  it("pages that lead nowhere, or back, end the list", async () => {
    for (const next of [9, 3, 2, -1]) {
      const { begin, inbox, service, clock } = scene({ pageSize: 2 });
      await begin(4);
      service.answer = () => Response.json({ notifications: [], total: 4, unread_count: 4, next });
      await inbox.loadMore();
      await inbox.loadMore();
      expect(inbox.getSnapshot().hasMore).toBe(false);
      service.gap();
      await clock.pass(10_000);
      expect(service.requests.length).toBeLessThan(6);
      expect(inbox.getSnapshot()).toMatchObject({ status: "ready", items: [] });
    }
  });

  it("an older page that fails is no reason to lose the newer ones, and can be asked for again", async () => {
    const { begin, inbox, service, titles } = scene({ pageSize: 2 });
    await begin(4);
    service.answer = () => problem(500, "");
    await inbox.loadMore();
    expect(titles()).toEqual(["n4", "n3"]);
    expect(inbox.getSnapshot()).toMatchObject({
      failure: { action: "load_more", code: "unavailable" },
      hasMore: true,
    });
    service.answer = () => null;
    await inbox.loadMore();
    expect(titles().length).toBe(4);
    expect(inbox.getSnapshot().failure).toBe(null);
  });
});

describe("the token", () => {
  it("that was refused is asked for once more, and the call is made again", async () => {
    const reasons: string[] = [];
    const tokens = ["old", "good"];
    const { begin, titles, service } = scene({
      getToken: (reason) => {
        reasons.push(reason);
        return tokens.shift() ?? "good";
      },
    });
    await begin(1);
    expect(titles()).toEqual(["n1"]);
    expect(reasons).toEqual(["connect", "unauthorized"]);
    expect(service.requests.map(({ token }) => token)).toEqual(["old", "good"]);
  });

  it("without one nothing is asked, and nothing is tried again by itself", async () => {
    const { begin, inbox, service, clock } = scene({ getToken: () => null });
    await begin(1);
    await clock.pass(600_000);
    expect(service.requests).toEqual([]);
    expect(inbox.getSnapshot()).toMatchObject({
      status: "failed",
      failure: { code: "unauthorized" },
      retryAt: null,
    });
  });

  it("the same one again is not sent a second time", async () => {
    const { begin, service, inbox } = scene({ getToken: () => "bad" });
    await begin();
    expect(service.requests.length).toBe(1);
    expect(inbox.getSnapshot().failure?.code).toBe("unauthorized");
  });

  it("a giver that fails is a failed attempt, which is made again", async () => {
    let fails = true;
    const { begin, titles, clock } = scene({
      getToken: async () => {
        if (fails) throw new Error("the user service is away");
        return "good";
      },
    });
    await begin(1);
    fails = false;
    await clock.pass(2_000);
    expect(titles()).toEqual(["n1"]);
  });

  it("never stands in an address", async () => {
    const { begin, service } = scene();
    await begin(1);
    expect(service.requests.every(({ path, query }) => !`${path}${query}`.includes("good"))).toBe(true);
  });
});

it("without events the list is fetched every minute, and after each change made here", async () => {
  const service = new FakeService();
  const clock = new FakeClock();
  const inbox = createInbox({
    baseUrl: "http://service.test",
    getToken: () => "good",
    fetch: service.fetch,
    clock,
  });
  service.create();
  inbox.start();
  await settled();
  service.create();
  await clock.pass(60_000);
  expect(inbox.getSnapshot().unreadCount).toBe(2);
  void inbox.markRead(1);
  await clock.pass(2_000);
  expect(inbox.getSnapshot().unreadCount).toBe(1);
  inbox.stop();
  await clock.pass(600_000);
  expect(clock.waiting).toBe(0);
});
