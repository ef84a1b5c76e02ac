// One connection for several tabs: who holds it, what each tab is told, and what happens when tabs come, go, freeze and return.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sharedTabs } from "../../src/tabs/index.js";
import { type Page, World } from "./world.js";

let world: World;

beforeEach(() => {
  world = new World();
});

/** Pages with a client each; the first one leads. */
async function tabs(count: number): Promise<Page[]> {
  const pages = Array.from({ length: count }, () => world.page());
  for (const page of pages) {
    page.open();
    await world.settle();
  }
  return pages;
}

async function three(): Promise<[Page, Page, Page]> {
  return (await tabs(3)) as [Page, Page, Page];
}

async function two(): Promise<[Page, Page]> {
  return (await tabs(2)) as [Page, Page];
}

describe("one connection", () => {
  it("is enough for three tabs, and each gets every event once", async () => {
    const pages = await three();
    expect(world.hub.open).toHaveLength(1);
    expect(pages.map((page) => page.status)).toEqual(["open", "open", "open"]);
    expect(pages.map((page) => page.seen())).toEqual(Array(3).fill(["connecting", "open"]));
    world.hub.publish("job_created");
    world.hub.publish("job_accepted");
    await world.settle();
    for (const page of pages) expect(page.got()).toEqual(["job_created", "job_accepted"]);
  });

  it("has the same id in all tabs, and each is welcomed", async () => {
    const [first] = await tabs(1);
    const late = world.page();
    const welcomes: unknown[] = [];
    late.open({ autoConnect: false });
    late.client.on("connected", (data) => welcomes.push(data));
    await world.settle();
    expect(late.client.state).toEqual(first?.client.state);
    expect(welcomes).toEqual([{ connection_id: "c1" }]);
  });

  it("is another one for another name", async () => {
    const [one, other] = [world.page().open({}, "app:7"), world.page().open({}, "app:8")];
    await world.settle();
    expect(world.hub.open).toHaveLength(2);
    world.hub.publish("job_created");
    await world.settle();
    expect([one.got(), other.got()]).toEqual([["job_created"], ["job_created"]]);
  });

  it("shows its states in all tabs, and a tab that comes meanwhile sees where it stands", async () => {
    const [leading, following] = await two();
    world.hub.one.lose();
    await world.settle();
    const late = world.page().open();
    await world.settle();
    expect(following.client.state).toEqual(leading.client.state);
    expect(late.client.state).toMatchObject({ status: "reconnecting", waiting: "timer" });
    world.hub.connections[0]?.welcome();
    await world.settle();
    for (const page of world.pages)
      expect(page.client.state).toMatchObject({ status: "open", connectionId: "c2" });
  });

  it("that was refused is closed in all tabs, and any tab may try again", async () => {
    const [, following] = await two();
    world.hub.one.refuse();
    await world.settle();
    for (const page of world.pages) expect(page.client.state.reason?.code).toBe("unauthorized");
    following.client.connect();
    await world.settle();
    expect(world.pages.map((page) => page.status)).toEqual(["open", "open"]);
  });

  it("that was refused is tried again by a tab that is opened then", async () => {
    await two();
    world.hub.one.refuse();
    await world.settle();
    world.page().open();
    await world.settle();
    expect(world.pages.map((page) => page.status)).toEqual(["open", "open", "open"]);
  });

  it("passes other frames through, and what goes wrong is told to all", async () => {
    const [leading, following] = await two();
    expect(following.client.send("typing", { in: 7 })).toBe(true);
    await world.settle();
    expect(world.hub.log).toEqual([{ type: "typing", data: { in: 7 } }]);
    expect([leading.errors, following.errors]).toEqual([["unknown_type"], ["unknown_type"]]);
    world.hub.one.listener.error({ code: "token", message: "no", cause: () => undefined });
    await world.settle();
    expect(following.errors).toEqual(["unknown_type", "token"]);
  });
});

describe("subscriptions", () => {
  it("are those of all tabs, and each tab is answered though the server has the channel already", async () => {
    const [leading, following] = await two();
    leading.client.subscribe(["jobs", "a"]);
    await world.settle();
    const answers: unknown[] = [];
    following.client.on("subscribed", (data) => answers.push(data));
    following.client.subscribe(["jobs", "b"]);
    await world.settle();
    expect(world.hub.asked()).toEqual(["subscribe jobs a", "subscribe b"]);
    expect(answers).toEqual([{ channels: ["jobs"] }, { channels: ["b"] }]);
    expect(following.client.channel("jobs")).toEqual({ status: "subscribed" });
    expect(following.client.channel("b")).toEqual({ status: "subscribed" });
  });

  it("answer only whoever asked", async () => {
    const [leading, following] = await two();
    const heard: unknown[] = [];
    leading.client.on("subscribed", (data) => heard.push(data));
    following.client.subscribe("jobs");
    await world.settle();
    expect(heard).toEqual([]);
  });

  it("wait together for one answer", async () => {
    const [leading, following] = await two();
    world.hub.answers = false;
    leading.client.subscribe("jobs");
    await world.settle();
    following.client.subscribe("jobs");
    await world.settle();
    expect(world.hub.asked()).toEqual(["subscribe jobs"]);
    expect(following.client.channel("jobs")).toEqual({ status: "pending" });
    world.hub.one.answer("subscribe", ["jobs"]);
    await world.settle();
    for (const page of world.pages) expect(page.client.channel("jobs")).toEqual({ status: "subscribed" });
  });

  it("end at the server only when no tab follows any more", async () => {
    const [leading, following] = await two();
    const gone = [leading.client.subscribe("jobs"), following.client.subscribe("jobs")];
    await world.settle();
    world.hub.asked();
    gone[0]?.();
    await world.settle();
    expect(world.hub.asked()).toEqual([]);
    gone[1]?.();
    await world.settle();
    expect(world.hub.asked()).toEqual(["unsubscribe jobs"]);
  });

  it("that are given back and taken again before the answer are in force", async () => {
    const [, following] = await two();
    world.hub.answers = false;
    const gone = following.client.subscribe("jobs");
    await world.settle();
    gone();
    await world.settle();
    following.client.subscribe("jobs");
    await world.settle();
    expect(world.hub.asked()).toEqual(["subscribe jobs", "unsubscribe jobs", "subscribe jobs"]);
    world.hub.one.answer("subscribe", ["jobs"]);
    await world.settle();
    expect(following.client.channel("jobs")).toEqual({ status: "pending" });
    world.hub.one.answer("unsubscribe", ["jobs"]);
    world.hub.one.answer("subscribe", ["jobs"]);
    await world.settle();
    expect(following.client.channel("jobs")).toEqual({ status: "subscribed" });
  });

  it("that are refused are refused for every tab that asked, and may be asked for again", async () => {
    const [leading, following, other] = await three();
    world.hub.refused.set("payments", "forbidden");
    leading.client.subscribe("payments");
    following.client.subscribe("payments");
    await world.settle();
    for (const page of [leading, following]) {
      expect(page.client.channel("payments")).toMatchObject({
        status: "refused",
        error: { code: "forbidden" },
      });
      expect(page.errors).toEqual(["forbidden payments"]);
    }
    expect(other.errors).toEqual([]);
    world.hub.refused.clear();
    other.client.subscribe("payments");
    await world.settle();
    expect(other.client.channel("payments")).toEqual({ status: "subscribed" });
  });

  it("that are too many are refused one and all, though the server names only the first", async () => {
    const [leading, following] = await two();
    world.hub.refused.set("c", "too_many_channels");
    leading.client.subscribe(["a", "c", "d"]);
    following.client.subscribe(["d", "e"]);
    await world.settle();
    expect(leading.client.channel("a")).toEqual({ status: "subscribed" });
    expect(leading.client.channel("c")).toMatchObject({ status: "refused" });
    expect(leading.client.channel("d")).toMatchObject({ status: "refused" });
    expect(following.client.channel("d")?.status).not.toBe("pending");
    expect(following.client.channel("e")?.status).not.toBe("pending");
  });

  it("of a tab that dies are given back, unless another has them", async () => {
    const [leading, following] = await two();
    leading.client.subscribe("jobs");
    following.client.subscribe(["jobs", "payments"]);
    await world.settle();
    world.hub.asked();
    following.die();
    await world.settle();
    expect(world.hub.asked()).toEqual(["unsubscribe payments"]);
  });

  it("begin anew with every connection, in one frame where they can", async () => {
    const pages = await three();
    for (const [at, page] of pages.entries()) page.client.subscribe(["jobs", `own:${at}`]);
    await world.settle();
    world.hub.one.lose();
    await world.settle();
    world.hub.asked();
    world.hub.connections[0]?.welcome();
    await world.settle();
    const asked = world.hub.asked().flatMap((frame) => frame.split(" ").slice(1));
    expect(asked.sort()).toEqual(["jobs", "own:0", "own:1", "own:2"]);
    for (const page of pages) expect(page.client.channel("jobs")).toEqual({ status: "subscribed" });
  });

  it("of many tabs together stay below the server's limit of frames", async () => {
    const pages = await three();
    for (let round = 0; round < 40; round += 1) {
      for (const [at, page] of pages.entries()) page.client.subscribe(`${at}:${round}`);
      await world.settle();
    }
    expect(world.hub.log.length).toBeLessThanOrEqual(50);
    await world.advance(10_000);
    await world.advance(10_000);
    for (const [at, page] of pages.entries())
      expect(page.client.channel(`${at}:39`)).toEqual({ status: "subscribed" });
  });

  it("with a name that is none go to the server as they are", async () => {
    const [, following] = await two();
    world.hub.refused.set("a b", "invalid_channel");
    following.client.send("subscribe", { channels: ["a b"] });
    await world.settle();
    expect(world.hub.log).toEqual([{ type: "subscribe", data: { channels: ["a b"] } }]);
    expect(following.errors).toEqual(["invalid_channel a b"]);
  });
});

describe("a change of the leader", () => {
  it("happens at once when its tab dies: all are reconnecting, then open, and have their channels", async () => {
    const [leading, second, third] = await three();
    second.client.subscribe("jobs");
    third.client.subscribe(["jobs", "payments"]);
    await world.settle();
    for (const page of world.pages) page.seen();
    world.hub.asked();
    leading.die();
    await world.settle();
    expect(world.hub.one.page).toBe(second);
    expect([second.seen(), third.seen()]).toEqual([
      ["reconnecting", "open"],
      ["reconnecting", "open"],
    ]);
    const asked = world.hub.asked().flatMap((frame) => frame.split(" ").slice(1));
    expect(asked.sort()).toEqual(["jobs", "payments"]);
    world.hub.publish("job_created");
    await world.settle();
    expect([second.got(), third.got()]).toEqual([["job_created"], ["job_created"]]);
  });

  it("says meanwhile what is going on", async () => {
    const [leading, second, third] = await three();
    world.hub.down = true;
    leading.client.close();
    await world.settle();
    for (const page of [second, third]) {
      expect(page.seen()).toEqual(["connecting", "open", "reconnecting"]);
      expect(page.client.state).toMatchObject({
        status: "reconnecting",
        attempt: 1,
        waiting: "answer",
        retryAt: null,
      });
      expect(page.client.state.reason?.message).toContain("another one is taking over");
      expect(page.client.send("typing")).toBe(false);
    }
  });

  it("happens when its client is closed, which closes no other", async () => {
    const [leading, second, third] = await three();
    leading.client.close();
    await world.settle();
    expect(leading.client.state.reason?.code).toBe("closed");
    expect(world.hub.one.page).toBe(second);
    world.hub.publish("job_created");
    await world.settle();
    expect([leading.got(), third.got()]).toEqual([[], ["job_created"]]);
    leading.client.connect();
    await world.settle();
    expect(leading.seen().at(-1)).toBe("open");
    expect(world.hub.open).toHaveLength(1);
  });

  it("happens when its page is left, and the page takes part again when it is back", async () => {
    const [leading, second] = await two();
    leading.client.subscribe("jobs");
    await world.settle();
    leading.leave();
    await world.settle();
    expect(world.hub.one.page).toBe(second);
    world.hub.publish("missed");
    await world.settle();
    leading.seen();
    leading.back();
    await world.settle();
    expect(leading.seen()).toEqual(["reconnecting", "open"]);
    world.hub.publish("job_created");
    await world.settle();
    expect(leading.got()).toEqual(["job_created"]);
    expect(leading.client.channel("jobs")).toEqual({ status: "subscribed" });
  });

  it("leaves closed what was closed for good", async () => {
    const [leading, second] = await two();
    world.hub.one.refuse();
    await world.settle();
    leading.die();
    await world.settle();
    expect(world.hub.connections.filter(({ page }) => page === second).map(({ started }) => started)).toEqual(
      [0],
    );
    expect(second.client.state.reason?.code).toBe("unauthorized");
    second.client.connect();
    await world.settle();
    expect(second.status).toBe("open");
  });

  it("goes on until the last tab, and the first one after that leads again", async () => {
    const pages = await tabs(5);
    for (const page of pages) {
      expect(world.hub.one.page).toBe(page);
      page.die();
      await world.settle();
    }
    expect(world.hub.open).toEqual([]);
    const late = world.page().open();
    await world.settle();
    expect(late.status).toBe("open");
  });
});

describe("a leader that is frozen", () => {
  it("loses the lead after ten seconds to a visible tab", async () => {
    const [leading, following] = await two();
    following.client.subscribe("jobs");
    await world.settle();
    leading.frozen = true;
    await world.advance(9_000);
    expect(following.status).toBe("open");
    await world.advance(4_000);
    expect(following.status).toBe("open");
    expect(following.seen()).toEqual(["connecting", "open", "reconnecting", "open"]);
    expect(world.hub.open.map(({ page }) => page)).toContain(following);
    expect(following.client.channel("jobs")).toEqual({ status: "subscribed" });
  });

  for (const first of [false, true]) {
    it(`gives nothing to anybody twice when it comes back, and follows (socket first: ${first})`, async () => {
      const pages = await three();
      const [leading] = pages;
      leading.frozen = true;
      await world.advance(13_000);
      world.hub.first = first;
      // The frozen tab's socket still gets it, too.
      world.hub.publish("job_created");
      await world.settle();
      leading.frozen = false;
      await world.settle();
      expect(pages.map((page) => page.got())).toEqual([["job_created"], ["job_created"], ["job_created"]]);
      expect(world.hub.open).toHaveLength(1);
      expect(leading.status).toBe("open");
      world.hub.publish("job_accepted");
      await world.settle();
      for (const page of pages) expect(page.got()).toEqual(["job_accepted"]);
    });
  }

  it("loses nothing that was in its socket if nobody took the lead", async () => {
    const [leading] = await tabs(1);
    if (leading) leading.frozen = true;
    await world.advance(60_000);
    for (let n = 0; n < 100; n += 1) world.hub.publish(`n${n}`);
    if (leading) leading.frozen = false;
    await world.settle();
    expect(leading?.got()).toEqual(Array.from({ length: 100 }, (_, n) => `n${n}`));
    expect(leading?.seen()).toEqual(["connecting", "open"]);
  });

  it("keeps the lead as long as all others are hidden, and loses it when one is shown", async () => {
    const [leading, following] = await two();
    following.show(false);
    leading.frozen = true;
    await world.advance(60_000);
    expect(world.hub.one.page).toBe(leading);
    following.show(true);
    await world.advance(13_000);
    expect(following.seen()).toEqual(["connecting", "open", "reconnecting", "open"]);
  });

  it("stops a new tab for ten seconds at most", async () => {
    const [leading] = await tabs(1);
    if (leading) leading.frozen = true;
    const late = world.page().open();
    await world.settle();
    expect(late.status).toBe("connecting");
    await world.advance(13_000);
    expect(late.status).toBe("open");
  });

  it("is followed by one of several visible tabs, not by all in turn", async () => {
    const pages = await tabs(4);
    if (pages[0]) pages[0].frozen = true;
    await world.advance(30_000);
    const since = world.hub.connections.filter(({ started }) => started > 0);
    expect(since).toHaveLength(2);
    expect(pages.slice(1).map((page) => page.status)).toEqual(["open", "open", "open"]);
  });

  it("is not taken for frozen when the whole machine slept", async () => {
    const [leading, following] = await two();
    leading.frozen = following.frozen = true;
    await world.advance(3_600_000);
    leading.frozen = following.frozen = false;
    await world.advance(30_000);
    expect(world.hub.one.page).toBe(leading);
    expect(following.seen()).toEqual(["connecting", "open"]);
  });

  it("a leader that is hidden and has nothing to tell keeps the lead: it answers", async () => {
    const [leading, following] = await two();
    leading.show(false);
    await world.advance(120_000);
    expect(world.hub.one.page).toBe(leading);
    expect(following.seen()).toEqual(["connecting", "open"]);
  });
});

describe("what a tab hears", () => {
  it("of an earlier leader is nothing to it", async () => {
    const [leading, following] = await two();
    leading.say({ kind: "frame", term: 1, frame: { type: "old", data: {}, timestamp: "" } });
    leading.say({ kind: "gone", term: 1 });
    await world.settle();
    expect(following.got()).toEqual([]);
    expect(following.seen()).toEqual(["connecting", "open"]);
  });

  it("of another connection is a reconnect, even if it never heard of the end of the first", async () => {
    const [leading, following] = await two();
    const state = { status: "open", connectionId: "c9", since: 9, reason: null };
    leading.say({ kind: "state", term: 1e15, state });
    await world.settle();
    expect(following.seen()).toEqual(["connecting", "open", "reconnecting", "open"]);
    expect(following.client.state).toEqual(state);
  });

  it("before it is open is no event", async () => {
    await tabs(1);
    const late = world.page();
    const heard: string[] = [];
    late.open({ autoConnect: false });
    late.client.onAny(() => heard.push(late.status));
    for (let n = 0; n < 5; n += 1) world.hub.publish(`n${n}`);
    await world.settle();
    world.hub.publish("after");
    await world.settle();
    expect(heard).not.toContain("connecting");
    expect(late.got().at(-1)).toBe("after");
  });

  it("that something else says on the channel does no harm", async () => {
    const [leading, following] = await two();
    for (const message of [null, 7, "hello", {}, { kind: "unheard of", term: 1e15, from: "x" }])
      leading.say(message);
    await world.settle();
    expect(following.status).toBe("open");
  });
});

describe("where sharing is not possible", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  for (const missing of ["locksThrow", "locksReject", "channelThrows"] as const) {
    it(`each tab has a connection of its own (${missing})`, async () => {
      const pages = [world.page(), world.page()];
      for (const page of pages) {
        page[missing] = true;
        page.open();
        page.client.subscribe("jobs");
      }
      await world.settle();
      expect(world.hub.open).toHaveLength(2);
      expect(pages.map((page) => page.client.channel("jobs"))).toEqual([
        { status: "subscribed" },
        { status: "subscribed" },
      ]);
      pages[0]?.client.close();
      expect(pages[0]?.client.state.reason?.code).toBe("closed");
    });
  }

  it("sharedTabs() gives the ordinary connection, as in Node", () => {
    const listener = { state: vi.fn(), frame: vi.fn(), error: vi.fn(), gap: vi.fn() };
    const transport = sharedTabs({ name: "app" })({ url: "not an address" }, listener);
    transport.start();
    return Promise.resolve().then(() => {
      expect(transport.state).toMatchObject({ status: "closed", reason: { code: "invalid_url" } });
    });
  });
});

describe("a tab that is closed", () => {
  it("leaves nothing behind: no lock, no channel, no timer", async () => {
    const pages = await three();
    for (const page of pages) {
      page.client.close();
      await world.settle();
      expect(world.timers(page)).toBe(0);
      expect(page.channels.size).toBe(0);
    }
    expect(world.held()).toEqual([]);
    expect(world.hub.open).toEqual([]);
  });

  it("closed and connected in one turn takes part once", async () => {
    const [leading, following] = await two();
    for (const page of [leading, following]) {
      page.client.close();
      page.client.connect();
      await world.settle();
      await world.settle();
    }
    expect(world.hub.open).toHaveLength(1);
    world.hub.publish("job_created");
    await world.settle();
    for (const page of world.pages) expect(page.got()).toEqual(["job_created"]);
  });
});
