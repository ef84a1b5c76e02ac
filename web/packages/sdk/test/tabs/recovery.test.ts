// A shared connection that recovers: the leader for all, a new leader from where it stands itself, and a gap for whoever missed something.

import { beforeEach, describe, expect, it } from "vitest";
import { history } from "../../src/history.js";
import { watchPresence } from "../../src/presence.js";
import { type Page, World } from "./world.js";

const EPOCH = "AAAAAAAA";

let world: World;
let gaps: Map<Page, string[][]>;

beforeEach(() => {
  world = new World();
  world.hub.recovers = true;
  gaps = new Map();
});

async function tabs(count: number): Promise<Page[]> {
  const pages: Page[] = [];
  for (let n = 0; n < count; n += 1) {
    pages.push(await open());
  }
  return pages;
}

async function open(): Promise<Page> {
  const page = world.page().open({ recovery: true });
  const told: string[][] = [];
  gaps.set(page, told);
  page.client.onGap(({ streams }) => told.push([...streams]));
  page.client.subscribe("jobs");
  await world.settle();
  return page;
}

const gapsOf = (page: Page) => gaps.get(page)?.splice(0);

/** The frames about channels since the last look. */
const sent = () =>
  world.hub.log
    .splice(0)
    .filter(({ type }) => type !== "ping")
    .map(({ type, channels, positions = {} }) =>
      [
        type,
        channels?.join(" ") ?? "",
        ...Object.entries(positions).map(([name, at]) => `${name}=${at.offset}`),
      ]
        .join(" ")
        .replace("  ", " "),
    );

describe("one connection that recovers", () => {
  it("asks for all tabs' channels, and each is answered", async () => {
    const pages = await tabs(2);
    for (const page of pages) expect(page.client.channel("jobs")).toEqual({ status: "subscribed" });
    expect(sent()).toEqual(["subscribe jobs"]);
    pages[1]?.client.subscribe("payments");
    await world.settle();
    expect(sent()).toEqual(["subscribe payments"]);
    expect(pages[1]?.client.channel("payments")).toEqual({ status: "subscribed" });
  });

  it("resumes after a loss, gives all tabs what was missed, and asks for nothing twice", async () => {
    const pages = await tabs(3);
    pages[1]?.client.subscribe("payments");
    await world.settle();
    world.hub.place("one", { jobs: 1 });
    await world.settle();
    sent();
    world.hub.one.lose();
    await world.settle();
    world.hub.connections[0]?.welcome();
    await world.settle();
    expect(sent()).toEqual(["resume @all=0 jobs=1 payments=0"]);
    world.hub.place("one", { jobs: 1 });
    world.hub.place("two", { jobs: 2 });
    await world.settle();
    for (const page of pages) {
      expect(page.got()).toEqual(["one", "two"]);
      expect(page.client.channel("jobs")).toEqual({ status: "subscribed" });
    }
    expect(pages[1]?.client.channel("payments")).toEqual({ status: "subscribed" });
    await world.advance(20_000);
    expect(sent()).toEqual([]);
    for (const page of pages) expect(gapsOf(page)).toEqual([]);
  });

  it("gives back after five seconds what no tab asked for again", async () => {
    const [leading, following] = (await tabs(2)) as [Page, Page];
    following.client.subscribe("payments");
    await world.settle();
    world.hub.one.lose();
    await world.settle();
    following.die();
    await world.settle();
    sent();
    world.hub.connections[0]?.welcome();
    await world.settle();
    expect(sent()).toEqual(["resume @all=0 jobs=0 payments=0"]);
    // Each connection has its own five seconds.
    await world.advance(3_000);
    world.hub.one.lose();
    await world.settle();
    world.hub.connections[0]?.welcome();
    await world.settle();
    expect(sent()).toEqual(["resume @all=0 jobs=0 payments=0"]);
    await world.advance(4_900);
    expect(sent()).toEqual([]);
    await world.advance(200);
    expect(sent()).toEqual(["unsubscribe payments"]);
    leading.client.subscribe("payments");
    await world.settle();
    expect(sent()).toEqual(["subscribe payments"]);
  });

  it("tells a gap to all tabs", async () => {
    const pages = await tabs(3);
    world.hub.one.lose();
    await world.settle();
    world.hub.lost.add("jobs");
    world.hub.connections[0]?.welcome();
    await world.settle();
    for (const page of pages) expect(gapsOf(page)).toEqual([["jobs"]]);
  });

  it("to a server without recovery tells a gap to all tabs after each reconnect", async () => {
    world.hub.recovers = false;
    const pages = await tabs(2);
    for (const page of pages) expect(gapsOf(page)).toEqual([]);
    world.hub.publish("plain");
    await world.settle();
    for (const page of pages) expect(page.got()).toEqual(["plain"]);
    world.hub.one.lose();
    await world.settle();
    world.hub.connections[0]?.welcome();
    await world.settle();
    for (const page of pages) expect(gapsOf(page)?.flat()).toContain("@all");
    for (const page of pages) expect(page.client.channel("jobs")).toEqual({ status: "subscribed" });
  });
});

describe("a new leader", () => {
  it("goes on from what it was passed, with the channels of all tabs, and without the old one's token", async () => {
    const [first, second, third] = (await tabs(3)) as [Page, Page, Page];
    third.client.subscribe("payments");
    await world.settle();
    world.hub.place("one", { jobs: 1, "@all": 1 });
    await world.settle();
    sent();
    first.die();
    await world.settle();
    expect(sent()).toEqual(["subscribe jobs payments @all=1 jobs=1 payments=0"]);
    world.hub.place("one", { jobs: 1, "@all": 1 });
    world.hub.place("two", { jobs: 2 });
    await world.settle();
    for (const page of [second, third]) {
      expect(page.got()).toEqual(["one", "two"]);
      expect(gapsOf(page)).toEqual([]);
      expect(page.client.channel("jobs")).toEqual({ status: "subscribed" });
    }
    await world.advance(20_000);
    expect(sent()).toEqual([]);
  });

  it("that came late stands where the old one stood", async () => {
    const [first] = (await tabs(1)) as [Page];
    world.hub.place("one", { jobs: 1 });
    await world.settle();
    const late = await open();
    sent();
    first.die();
    await world.settle();
    expect(sent()).toEqual(["subscribe jobs @all=0 jobs=1"]);
    expect(late.got()).toEqual([]);
    expect(gapsOf(late)).toEqual([]);
  });

  it("beside a server without recovery tells a gap", async () => {
    world.hub.recovers = false;
    const [first, second] = (await tabs(2)) as [Page, Page];
    first.die();
    await world.settle();
    expect(gapsOf(second)?.flat()).toContain("@all");
  });

  it("gives a tab nothing twice that had more than it", async () => {
    const [first, second, third] = (await tabs(3)) as [Page, Page, Page];
    world.hub.place("one", { jobs: 1 });
    await world.settle();
    // The word of the second event reaches only one of the two that are left.
    second.frozen = true;
    world.hub.place("two", { jobs: 2 });
    await world.settle();
    world.forget(second);
    second.frozen = false;
    first.die();
    await world.settle();
    world.hub.place("two", { jobs: 2 });
    world.hub.place("three", { jobs: 3 });
    await world.settle();
    expect(third.got()).toEqual(["one", "two", "three"]);
    expect(second.got()).toEqual(["one", "two", "three"]);
    expect([gapsOf(second), gapsOf(third)]).toEqual([[], []]);
  });
});

describe("a tab that was away", () => {
  it("and comes back to a connection that went on is told what it missed", async () => {
    const [first, second] = (await tabs(2)) as [Page, Page];
    second.leave();
    await world.settle();
    world.hub.place("one", { jobs: 1 });
    await world.settle();
    second.back();
    await world.settle();
    expect([first.got(), second.got()]).toEqual([["one"], []]);
    expect([gapsOf(first), gapsOf(second)]).toEqual([[], [["jobs"]]]);
    world.hub.place("two", { jobs: 2 });
    await world.settle();
    expect([first.got(), second.got()]).toEqual([["two"], ["two"]]);
  });

  it("and missed nothing is told nothing", async () => {
    const [, second] = (await tabs(2)) as [Page, Page];
    second.leave();
    await world.settle();
    second.back();
    await world.settle();
    expect(gapsOf(second)).toEqual([]);
  });

  it("alone, and comes back, recovers what it missed", async () => {
    const [only] = (await tabs(1)) as [Page];
    world.hub.place("one", { jobs: 1 });
    await world.settle();
    only.leave();
    await world.settle();
    sent();
    only.back();
    await world.settle();
    expect(sent()).toEqual(["subscribe jobs @all=0 jobs=1"]);
    world.hub.place("two", { jobs: 2 });
    await world.settle();
    expect(only.got()).toEqual(["one", "two"]);
    expect(gapsOf(only)).toEqual([]);
  });

  it("as the leader, frozen until another one led: nothing twice, nothing lost, and no two that fight", async () => {
    const [first, second] = (await tabs(2)) as [Page, Page];
    world.hub.place("one", { jobs: 1 });
    await world.settle();
    first.frozen = true;
    await world.advance(15_000);
    expect(second.status).toBe("open");
    world.hub.place("two", { jobs: 2 });
    await world.settle();
    first.frozen = false;
    await world.advance(1_000);
    expect(world.hub.open).toHaveLength(1);
    expect(second.got()).toEqual(["one", "two"]);
    const heard = first.got();
    expect(heard.slice(0, 1)).toEqual(["one"]);
    if (!heard.includes("two")) expect(gapsOf(first)).toEqual([["jobs"]]);
    expect(world.hub.connections.map(({ started }) => started)).toEqual([1, 1]);
  });
});

describe("a question of a tab", () => {
  const log = () => world.hub.log.splice(0).filter(({ type }) => type === "history" || type === "presence");
  const answer = (type: string, channel: string, more: object) =>
    world.hub.one.say(type, { channel, ...more });

  it("is answered to that tab alone, also if two ask the same", async () => {
    const [first, second, third] = (await tabs(3)) as [Page, Page, Page];
    const got: string[] = [];
    world.hub.answers = false;
    void history(third.client, "jobs").then(({ epoch }) => got.push(`third ${epoch}`));
    await world.settle();
    void history(second.client, "jobs").then(({ epoch }) => got.push(`second ${epoch}`));
    await world.settle();
    void history(first.client, "wallets").catch(({ code }) => got.push(`first ${code}`));
    await world.settle();
    expect(log()).toHaveLength(3);
    world.hub.one.say("error", { code: "forbidden", message: "no", channel: "wallets" });
    answer("history", "jobs", { epoch: "A", events: [], more: false });
    await world.settle();
    expect(got).toEqual(["first forbidden", "third A"]);
    expect([first.errors, second.errors]).toEqual([["forbidden wallets"], []]);
    answer("history", "jobs", { epoch: "B", events: [], more: false });
    await world.settle();
    expect(got).toEqual(["first forbidden", "third A", "second B"]);
  });

  it("that was lost with its connection takes no answer from another tab", async () => {
    const [, second, third] = (await tabs(3)) as [Page, Page, Page];
    const got: string[] = [];
    world.hub.answers = false;
    void history(second.client, "jobs").catch(({ code }) => got.push(`second ${code}`));
    await world.settle();
    world.hub.one.lose();
    await world.settle();
    world.hub.connections[0]?.welcome();
    await world.settle();
    void history(third.client, "jobs").then(({ epoch }) => got.push(`third ${epoch}`));
    await world.settle();
    answer("history", "jobs", { epoch: "A", events: [], more: false });
    await world.settle();
    expect(got).toEqual(["second closed", "third A"]);
  });

  it("to watch presence lasts until the last tab has ended it, or is gone", async () => {
    const [first, second, third] = (await tabs(3)) as [Page, Page, Page];
    world.hub.answers = false;
    const watch = (page: Page) => watchPresence(page.client, "jobs", () => undefined);
    const ends = [watch(first), watch(second)];
    watch(third);
    await world.settle();
    expect(log().map(({ data }) => data)).toEqual(Array(3).fill({ channel: "jobs", watch: true }));
    for (const end of ends) end();
    await world.settle();
    expect(log()).toEqual([]);
    third.die();
    await world.settle();
    expect(log().map(({ data }) => data)).toEqual([{ channel: "jobs", watch: false }]);
  });
});

it("a place in another epoch is not taken for the same", async () => {
  const [first, second] = (await tabs(2)) as [Page, Page];
  second.leave();
  await world.settle();
  world.hub.epoch = "BBBBBBBB";
  world.hub.one.lose();
  await world.settle();
  world.hub.connections[0]?.welcome();
  await world.settle();
  expect(EPOCH).not.toBe(world.hub.epoch);
  expect(gapsOf(first)?.flat()).toContain("jobs");
  second.back();
  await world.settle();
  expect(gapsOf(second)?.flat()).toContain("jobs");
});
