// The playground in Chromium against the real server. Leaves a screenshot of each state in target/screenshots/.
//
//   node --test playground-tests/*.browser.mjs      CHROMIUM names another browser, WEBSOCKET_SERVER another build

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Browser, DESKTOP, PHONE, picture } from "../browser-tests/browser.mjs";
import { startHub, token } from "../browser-tests/server.mjs";

const SECRET = "a secret of more than 32 bytes, for this test only";

describe("playground", { timeout: 300_000 }, () => {
  let browser;
  const hubs = [];

  before(async () => {
    browser = await Browser.launch();
  });
  afterEach(async () => {
    const complaints = await browser.reset();
    for (const hub of hubs.splice(0)) await hub.stop();
    assert.deepEqual(complaints, []);
  });
  after(() => browser?.close());

  async function hub(environment) {
    const started = await startHub(environment);
    hubs.push(started);
    return started;
  }

  const open = (url, options = DESKTOP) => browser.open(url, options);
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
    const server = await hub();
    const [listening, other] = [await open(server.url), await open(server.url)];
    await Promise.all([state(listening, "live"), state(other, "live")]);
    await subscribe(listening, "jobs");
    await followers(server.url, "jobs", 1);

    const answer = await server.publish({ type: "job_created", channel: "jobs", data: { job_id: 42 } });
    assert.equal(answer.recipients, 1);
    const last = await server.publish({ type: "to_everyone", data: {} });
    assert.equal(last.recipients, 2);

    await Promise.all([row(listening, "to_everyone").waitFor(), row(other, "to_everyone").waitFor()]);
    assert.equal(await row(listening, "job_created").count(), 1);
    assert.equal(await row(other, "job_created").count(), 0);
    await picture(listening, "playground-light");
  });

  it("an event published in one window arrives in the other, numbers unharmed", async () => {
    const server = await hub();
    const [from, to] = [await open(server.url, { ...DESKTOP, colorScheme: "dark" }), await open(server.url)];
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
    await picture(to, "playground-inspector");
    await picture(from, "playground-dark");
  });

  it("a newcomer's one button subscribes and publishes", async () => {
    const server = await hub();
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(server.url, { ...PHONE, colorScheme });
      await page.locator("#first-button", { hasText: "publish a test event" }).waitFor();
      await picture(page, `playground-phone-empty-${colorScheme}`);
      await page.tap("#first-button");
      await row(page, "job_created").first().waitFor();
      await picture(page, `playground-phone-${colorScheme}`);
      for (const tab of ["publish", "channels", "connection"]) {
        await page.tap(`.tabs [data-go=${tab}]`);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= 360, `${tab} is ${width} px wide`);
        await picture(page, `playground-phone-${tab}-${colorScheme}`);
      }
    }
  });

  it("a good token makes the window its user's, a bad one is refused with its reason", async () => {
    const server = await hub({ JWT_SECRET: SECRET });
    const page = await open(server.url);
    await state(page, "live");

    await page.fill("#token", token("another secret, also of more than 32 bytes", { user_id: 7 }));
    await page.click("#connect");
    await state(page, "signed-out");
    await page.locator("#close-log", { hasText: "4001" }).waitFor();
    await picture(page, "playground-signed-out");

    await page.fill("#token", token(SECRET, { user_id: 7 }));
    await page.click("#connect");
    await state(page, "live");
    const answer = await server.publish({ type: "for_user_seven", user_id: "7", data: {} });
    assert.equal(answer.recipients, 1);
    await row(page, "for_user_seven").waitFor();
  });

  it("a drain tells the window when to come back, and the server ends with 0", async () => {
    const server = await hub();
    const page = await open(server.url);
    await state(page, "live");
    const began = Date.now();
    assert.equal(await server.drain(), 0);
    // The page keeps an HTTP connection open; an idle one must not hold the process until DRAIN_TIMEOUT (30 s).
    assert.ok(Date.now() - began < 15_000, `the drain took ${Date.now() - began} ms`);
    await page.locator("#close-log", { hasText: "1001" }).waitFor();
    await picture(page, "playground-draining");
  });
});
