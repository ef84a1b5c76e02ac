// The playground in Chromium against the real server. Leaves a screenshot of each state in target/screenshots/.
//
//   node --test playground-tests/*.browser.mjs      CHROMIUM names another browser, WEBSOCKET_SERVER another build

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

import { startHub, token } from "./hub.mjs";

const SCREENSHOTS = fileURLToPath(new URL("../../target/screenshots/", import.meta.url));
const SECRET = "a secret of more than 32 bytes, for this test only";
const DESKTOP = { viewport: { width: 1440, height: 900 } };
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

describe("playground", { timeout: 120_000 }, () => {
  let browser;
  const hubs = [];
  const contexts = [];
  /** What the pages complained of; a reload over a lost connection is not a complaint. */
  const complaints = [];

  before(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true });
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // CI runs as root, where Chromium has no sandbox.
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
  });
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
    for (const hub of hubs.splice(0)) await hub.stop();
    assert.deepEqual(complaints.splice(0), []);
  });
  after(() => browser?.close());

  async function hub(environment) {
    const started = await startHub(environment);
    hubs.push(started);
    return started;
  }

  async function open(url, options = DESKTOP) {
    const context = await browser.newContext({ colorScheme: "light", ...options });
    contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on("pageerror", (error) => complaints.push(String(error.stack)));
    page.on("console", (message) => {
      const expected = /ERR_CONNECTION_REFUSED|WebSocket connection to|503/.test(message.text());
      if (message.type() === "error" && !expected) complaints.push(message.text());
    });
    await page.goto(url);
    return page;
  }

  const state = (page, look) => page.waitForSelector(`#connection [data-state-view][data-state="${look}"]`, { state: "attached" });
  const row = (page, text) => page.locator(".frame", { hasText: text });
  async function subscribe(page, channel) {
    await page.fill("#channel", channel);
    await page.press("#channel", "Enter");
    await page.locator(".chip", { hasText: channel }).waitFor();
  }
  async function followers(url, channel, wanted) {
    for (;;) {
      const stats = await (await fetch(`${url}stats`)).json();
      if (stats.by_channel[channel] === wanted) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  it("an event to a channel reaches the window that subscribed, and not the other", async () => {
    const { url, publish } = await hub();
    const [listening, other] = [await open(url), await open(url)];
    await Promise.all([state(listening, "live"), state(other, "live")]);
    await subscribe(listening, "jobs");
    await followers(url, "jobs", 1);

    const answer = await publish({ type: "job_created", channel: "jobs", data: { job_id: 42 } });
    assert.equal(answer.recipients, 1);
    const last = await publish({ type: "to_everyone", data: {} });
    assert.equal(last.recipients, 2);

    await Promise.all([row(listening, "to_everyone").waitFor(), row(other, "to_everyone").waitFor()]);
    assert.equal(await row(listening, "job_created").count(), 1);
    assert.equal(await row(other, "job_created").count(), 0);
    await listening.screenshot({ path: `${SCREENSHOTS}playground-light.png` });
  });

  it("an event published in one window arrives in the other, numbers unharmed", async () => {
    const { url } = await hub();
    const [from, to] = [await open(url, { ...DESKTOP, colorScheme: "dark" }), await open(url)];
    await Promise.all([state(from, "live"), state(to, "live")]);
    await from.fill("#type", "ledger_entry");
    await from.fill("#data", '{"amount": 9223372036854775807}');
    assert.match(await from.textContent("#curl"), /curl .*\/broadcast/s);
    await from.click("#publish-button");
    await from.waitForSelector('#result[data-ok="true"]');
    const event = row(to, "ledger_entry");
    await event.waitFor();
    await event.click();
    assert.match(await to.textContent("#inspect-json"), /9223372036854775807/);
    await to.screenshot({ path: `${SCREENSHOTS}playground-inspector.png` });
    await from.screenshot({ path: `${SCREENSHOTS}playground-dark.png` });
  });

  it("a newcomer's one button subscribes and publishes", async () => {
    const { url } = await hub();
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(url, { ...PHONE, colorScheme });
      await page.locator("#first-button", { hasText: "publish a test event" }).waitFor();
      await page.screenshot({ path: `${SCREENSHOTS}playground-phone-empty-${colorScheme}.png` });
      await page.tap("#first-button");
      await row(page, "job_created").first().waitFor();
      await page.screenshot({ path: `${SCREENSHOTS}playground-phone-${colorScheme}.png` });
      for (const tab of ["publish", "channels", "connection"]) {
        await page.tap(`.tabs [data-go=${tab}]`);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= 360, `${tab} is ${width} px wide`);
        await page.screenshot({ path: `${SCREENSHOTS}playground-phone-${tab}-${colorScheme}.png` });
      }
    }
  });

  it("a good token makes the window its user's, a bad one is refused with its reason", async () => {
    const { url, publish } = await hub({ JWT_SECRET: SECRET });
    const page = await open(url);
    await state(page, "live");

    await page.fill("#token", token("another secret, also of more than 32 bytes", { user_id: 7 }));
    await page.click("#connect");
    await state(page, "signed-out");
    await page.locator("#close-log", { hasText: "4001" }).waitFor();
    await page.screenshot({ path: `${SCREENSHOTS}playground-signed-out.png` });

    await page.fill("#token", token(SECRET, { user_id: 7 }));
    await page.click("#connect");
    await state(page, "live");
    const answer = await publish({ type: "for_user_seven", user_id: "7", data: {} });
    assert.equal(answer.recipients, 1);
    await row(page, "for_user_seven").waitFor();
  });

  it("a drain tells the window when to come back, and the server ends with 0", async () => {
    const { url, drain } = await hub();
    const page = await open(url);
    await state(page, "live");
    const began = Date.now();
    assert.equal(await drain(), 0);
    // The page keeps an HTTP connection open; an idle one must not hold the process until DRAIN_TIMEOUT (30 s).
    assert.ok(Date.now() - began < 15_000, `the drain took ${Date.now() - began} ms`);
    await page.locator("#close-log", { hasText: "1001" }).waitFor();
    await page.screenshot({ path: `${SCREENSHOTS}playground-draining.png` });
  });
});
