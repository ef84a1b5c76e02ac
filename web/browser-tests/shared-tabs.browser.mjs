// Several pages of one browser with one connection to the real hub: who holds it, and what becomes of the others when its page is
// closed, left, frozen or stopped. The rules themselves are tested in packages/sdk/test/tabs.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

import { Browser } from "./browser.mjs";
import { startHub } from "./server.mjs";

const WEB = fileURLToPath(new URL("..", import.meta.url));

/** The page's own script: a client that shares, and lists of what it was told. */
const SCRIPT = `
import { createClient } from "@fanfare/client";
import { sharedTabs } from "@fanfare/client/tabs";
const url = new URLSearchParams(location.search).get("hub");
const client = createClient({ url, transport: sharedTabs({ name: "test" }) });
const states = [];
const events = [];
client.onState((state) => states.push(state.status));
client.onAny((event) => events.push(event.data.n));
client.subscribe(["jobs", location.hash.slice(1)]);
globalThis.tab = { client, states, events };
`;
const PAGE = `<!doctype html><html lang="en"><title>Tab</title><script type="module" src="/tab.js"></script>`;

describe("tabs that share a connection", { timeout: 300_000 }, () => {
  let browser;
  let site;
  let address;
  const hubs = [];

  before(async () => {
    const { outputFiles } = await build({
      stdin: { contents: SCRIPT, resolveDir: WEB },
      bundle: true,
      format: "esm",
      write: false,
      conditions: ["fanfare-source"],
    });
    site = createServer(({ url }, response) => {
      const script = url === "/tab.js";
      response.setHeader("content-type", script ? "text/javascript" : "text/html");
      response.end(
        script ? outputFiles[0].contents : url === "/elsewhere" ? "<title>Elsewhere</title>" : PAGE,
      );
    });
    await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${site.address().port}`;
    browser = await Browser.launch();
  });
  afterEach(async () => {
    const complaints = await browser.reset();
    for (const hub of hubs.splice(0)) await hub.stop();
    assert.deepEqual(complaints, []);
  });
  after(async () => {
    await browser?.close();
    site?.closeAllConnections();
    site?.close();
  });

  /** A hub and pages of one context, the first of which leads. */
  async function open(count) {
    const hub = await startHub();
    hubs.push(hub);
    const context = await browser.context();
    const pages = [];
    for (let n = 0; n < count; n += 1) {
      const page = await context.newPage();
      await page.goto(`${address}/?hub=${encodeURIComponent(`${hub.url}ws`)}#own:${n}`);
      await isOpen(page);
      pages.push(page);
    }
    return { hub, pages };
  }

  const isOpen = (page) => page.waitForFunction(() => globalThis.tab?.client.state.status === "open");
  const events = (page) => page.evaluate(() => globalThis.tab.events.splice(0));
  const states = (page) => page.evaluate(() => globalThis.tab.states.splice(0));

  /** Waits until the hub has exactly these followers, by channel, of one connection. */
  async function oneConnection(hub, channels) {
    const wanted = { total: 1, by_channel: Object.fromEntries(channels.sort().map((name) => [name, 1])) };
    for (;;) {
      const stats = await hub.stats();
      const by_channel = Object.fromEntries(Object.entries(stats.by_channel).sort());
      if (JSON.stringify({ ...stats, by_channel }) === JSON.stringify(wanted)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Publishes numbers to everyone and to the channel, and waits until each page has the last. */
  let last = 0;
  async function publish(hub, pages) {
    const first = last + 1;
    last += 20;
    const numbers = Array.from({ length: 20 }, (_, at) => first + at);
    await hub.publishAll(
      numbers.map((n) => ({ type: "job_created", data: { n }, ...(n % 2 ? { channel: "jobs" } : {}) })),
    );
    for (const page of pages) {
      await page.waitForFunction((n) => globalThis.tab.events.includes(n), last);
      assert.deepEqual(await events(page), numbers);
    }
  }

  it("three pages have one connection, and each gets every event once", async () => {
    const { hub, pages } = await open(3);
    await oneConnection(hub, ["jobs", "own:0", "own:1", "own:2"]);
    await publish(hub, pages);
  });

  it("the page that holds it is closed: another takes over, and the events go on", async () => {
    const { hub, pages } = await open(3);
    const [leading, ...others] = pages;
    await leading.close();
    for (const page of others)
      await page.waitForFunction(() => globalThis.tab.states.includes("reconnecting"));
    for (const page of others) await isOpen(page);
    await oneConnection(hub, ["jobs", "own:1", "own:2"]);
    await publish(hub, others);
    for (const page of others) assert.deepEqual(await states(page), ["open", "reconnecting", "open"]);
  });

  it("pages that are left are forgotten with their channels, and take part again when they are back", async () => {
    const { hub, pages } = await open(3);
    const [leading, second, third] = pages;
    await third.goto(`${address}/elsewhere`);
    await oneConnection(hub, ["jobs", "own:0", "own:1"]);
    assert.deepEqual(await states(second), ["open"]);
    await leading.goto(`${address}/elsewhere`);
    await oneConnection(hub, ["jobs", "own:1"]);
    await publish(hub, [second]);
    await third.goBack();
    await isOpen(third);
    await oneConnection(hub, ["jobs", "own:1", "own:2"]);
    await publish(hub, [second, third]);
  });

  it("the hub is killed and comes back: all pages are open again, with one connection", async () => {
    const { hub, pages } = await open(2);
    const { port } = new URL(hub.url);
    await hub.kill();
    for (const page of pages) await page.waitForFunction(() => globalThis.tab.client.state.status !== "open");
    const again = await startHub({ PORT: port });
    hubs.push(again);
    for (const page of pages) await isOpen(page);
    await oneConnection(again, ["jobs", "own:0", "own:1"]);
    await publish(again, pages);
  });

  it("a page that the browser freezes hands over at once, and follows when it is back", async () => {
    const { hub, pages } = await open(2);
    const [leading, second] = pages;
    // A page on a screen that nobody looks away from can't be frozen: this is what the browser says before it does.
    await leading.evaluate(() => document.dispatchEvent(new Event("freeze")));
    await oneConnection(hub, ["jobs", "own:1"]);
    await isOpen(second);
    await publish(hub, [second]);
    await leading.evaluate(() => document.dispatchEvent(new Event("resume")));
    await oneConnection(hub, ["jobs", "own:0", "own:1"]);
    await publish(hub, pages);
  });

  it("a page that does not answer for ten seconds loses the lead, and delivers nothing twice when it is back", async () => {
    const { hub, pages } = await open(3);
    const [leading, ...others] = pages;
    const session = await leading.context().newCDPSession(leading);
    await session.send("Debugger.enable");
    const paused = new Promise((resolve) => session.once("Debugger.paused", resolve));
    await session.send("Debugger.pause");
    // The page stops at the next thing that it has to do.
    await hub.publish({ type: "job_created", data: { n: 0 } });
    await paused;
    for (const page of others) {
      await page.waitForFunction(() => globalThis.tab.states.includes("reconnecting"), null, {
        timeout: 30_000,
      });
      await isOpen(page);
      // The page that stopped had not passed it on: the one that leads now fetches what was missed, which may follow after it is open.
      await page.waitForFunction(() => globalThis.tab.events.includes(0));
      assert.deepEqual(await events(page), [0]);
    }
    await publish(hub, others);
    await session.send("Debugger.disable");
    await oneConnection(hub, ["jobs", "own:0", "own:1", "own:2"]);
    await publish(hub, others);
    await leading.waitForFunction((n) => globalThis.tab.events.includes(n), last);
    // What it has had since it stopped, and what came late, is its own; what is published now comes to it too.
    const late = await events(leading);
    assert.equal(new Set(late).size, late.length, `twice: ${late}`);
    assert.deepEqual(
      late.slice(-20),
      Array.from({ length: 20 }, (_, at) => last - 19 + at),
    );
  });
});
