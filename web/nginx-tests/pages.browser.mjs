// The PayChain app, the playground and a page of the field in Chromium, through nginx with TLS: under the policies that are sent, with
// every socket and call. A page's complaint about a policy fails its test. Not here: what the pages do (../browser-tests).

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { Browser, DESKTOP, picture } from "../browser-tests/browser.mjs";
import { PayChain } from "../browser-tests/paychain.mjs";
import { newcomer, register } from "../browser-tests/people.mjs";
import { freePort } from "../browser-tests/ports.mjs";
import { startFanfare } from "../browser-tests/server.mjs";
import { SECRET, tokenOf } from "../field-clients/stage.mjs";
import { INSIDE, startNginx, until } from "./rig.mjs";
import { KEY } from "./stage.mjs";

/** The tests' certificate is nobody's whom a browser trusts. */
const TRUSTING = { ...DESKTOP, ignoreHTTPSErrors: true };
/** A browser of an operator, by the address that nginx sees. */
const FROM_INSIDE = { ...TRUSTING, extraHTTPHeaders: { "x-forwarded-for": INSIDE } };

describe("pages behind nginx", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let nginx;

  before(async () => {
    const place = { dashboard: await freePort(), receipts: await freePort() };
    server = await startFanfare({
      JWT_SECRET: SECRET,
      NODE_TAG: "1",
      FANFARE_API_KEYS: `operators:${KEY}:+admin`,
      DASHBOARD_PORT: String(place.dashboard),
      RECEIPTS_PORT: String(place.receipts),
    });
    place.main = Number(new URL(server.url).port);
    nginx = await startNginx({ nodes: [place, place], services: place.main });
    browser = await Browser.launch();
  });
  afterEach(async () => assert.deepEqual(await browser.reset(), []));
  after(async () => {
    await browser?.close();
    await nginx?.stop();
    await server?.stop();
  });

  /** Sockets that a page has opened. */
  const watchSockets = (page) => {
    const sockets = [];
    page.on("websocket", (socket) => sockets.push(socket.url()));
    return sockets;
  };

  it("the app signs people up, posts jobs, and shows another's at once, over wss and without a word of the policy", async () => {
    const ada = await PayChain.open(await browser.context(TRUSTING), nginx);
    const sockets = watchSockets(ada.page);
    await ada.signUp(newcomer("worker", "Ada Worker"));
    // Another's job, made over HTTP, is in the list before anybody reloads.
    const erin = await register(server, "employer", "Erin Employer");
    await until(() => sockets.some((url) => url.startsWith(`${nginx.sockets}/ws`)), "the app's socket");
    await erin.post({ title: "Paint the fence behind nginx" });
    await ada.row("Paint the fence behind nginx").waitFor();
    await ada.openJob("Paint the fence behind nginx");
    await picture(ada.page, "nginx-app");
    assert.ok(nginx.log().some(({ path, status }) => path.startsWith("/app/") && status === 200));
  });

  it("the playground connects over wss, subscribes, and publishes from inside; from outside it is told why not", async () => {
    const page = await browser.open(`${nginx.url}playground`, FROM_INSIDE);
    await page.waitForSelector('#connection [data-state-view][data-state="live"]', { state: "attached" });
    await page.fill("#channel", "jobs");
    await page.press("#channel", "Enter");
    await page.locator(".chip", { hasText: "jobs" }).waitFor();
    await page.fill("#type", "behind_nginx");
    await page.fill("#key", KEY);
    await page.click("#publish-button");
    await page.waitForSelector('#result[data-ok="true"]');
    await page.locator(".frame", { hasText: "behind_nginx" }).waitFor();
    await picture(page, "nginx-playground");

    const outside = await browser.open(`${nginx.url}playground`, TRUSTING);
    await outside.waitForSelector('#connection [data-state-view][data-state="live"]', { state: "attached" });
    await outside.fill("#type", "never");
    await outside.click("#publish-button");
    await outside.waitForSelector('#result[data-ok="false"]');
    assert.match(await outside.locator("#result").innerText(), /not for clients/);
  });

  it("the demo pages load and connect", async () => {
    for (const [name, path] of [
      ["dashboard", "/"],
      ["uploads", "/ws/notifications/"],
      ["social", "/socket.io/"],
    ]) {
      const context = await browser.context(FROM_INSIDE);
      const page = await context.newPage();
      await page.goto(`${nginx.url}playground/${name}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      const answer = await page.evaluate(async (at) => (await fetch(at)).status, "/js/websocket-client.js");
      assert.equal(answer, 200, path);
    }
  });

  it("a page of the field loads the scripts from nginx, and its Socket.IO sockets live", async () => {
    const context = await browser.context(TRUSTING);
    await context.addInitScript((token) => {
      if (location.protocol === "https:") localStorage.setItem("auth_token", token);
    }, tokenOf(77));
    const page = await context.newPage();
    const sockets = watchSockets(page);
    // A page on this very address, with nothing but the field's scripts.
    await page.route(`${nginx.url}field`, (route) =>
      route.fulfill({
        contentType: "text/html",
        body: '<!doctype html><script src="/js/websocket.js"></script>',
      }),
    );
    await page.goto(`${nginx.url}field`);
    await page.waitForFunction(() => globalThis.ws?.isConnected, undefined, { timeout: 30_000 });
    await until(() => sockets.some((url) => url.includes("/socket.io/")), "the upgrade");
    const sid = new URL(sockets.find((url) => url.includes("/socket.io/"))).searchParams.get("sid");
    assert.match(sid, /^1\./);
  });
});
