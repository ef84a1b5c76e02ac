// The scripts of /js/ in a bare page, against the real hub: what people see of events, of outages and reloads, of refusals. The pages
// have a strict content security policy. The scripts without a hub are tested in packages/compat.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { openPages } from "./bare-pages.mjs";
import { axe, Browser, DESKTOP, PHONE, picture } from "./browser.mjs";
import { freePort } from "./ports.mjs";
import { startFanfare, startHub, token } from "./server.mjs";

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'";
const SECRET = "a secret of at least thirty-two bytes";
const RUN = "globalThis.ran=1";

const DASHBOARD = ["websocket-client", "toast-notifications", "dashboard-websocket-init"];

/** What a page of the field writes down of all that it is told, in a script of its own. */
const DIARY = `
  globalThis.diary = [];
  const note = (name) => (event) => diary.push({ name, ...event });
  addEventListener("DOMContentLoaded", () => {
    const client = globalThis.getDashboardWebSocket?.();
    for (const name of ["connected", "disconnected", "error", "image_processed", "status_update"]) {
      client?.on(name, note(name));
    }
  });`;

/** A bare page as the field has them. */
function html({ body = "", scripts = DASHBOARD, content = "", head = "" }) {
  const tags = scripts.map((name) => `<script src="/js/${name}.js"></script>`).join("\n");
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Case 9</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">${head}</head>
    <body ${body}><main><h1>Case 9</h1><p id="ws-connection-status"></p>${content}</main>${tags}
    <script src="/case.js"></script></body></html>`;
}

/** The server of a page and of its script. Each test has its own, so that one's pages are nobody else's. */
async function serve(server, page, script = DIARY) {
  const pages = await openPages(server);
  opened.push(pages);
  pages.give("/case", "text/html", POLICY, page);
  pages.give("/case.js", "text/javascript", POLICY, script);
  return pages;
}

const opened = [];
afterEach(async () => {
  for (const pages of opened.splice(0)) await pages.close();
});

const says = (page, text) => page.locator("#ws-connection-status").getByText(text, { exact: true }).waitFor();
const toast = (page, title) => page.locator("#toast-container").getByText(title, { exact: true }).waitFor();
const diary = (page, name) =>
  page.evaluate((wanted) => globalThis.diary.filter((entry) => entry.name === wanted), name);

/** Waits for so many entries of a name. */
async function entries(page, name, count) {
  await page.waitForFunction(
    ([wanted, least]) => globalThis.diary.filter((entry) => entry.name === wanted).length >= least,
    [name, count],
  );
  return diary(page, name);
}

describe("the dashboard's scripts", { timeout: 300_000 }, () => {
  let browser;
  let server;

  before(async () => {
    browser = await Browser.launch();
    server = await startFanfare();
  });
  afterEach(async () => {
    assert.deepEqual(await browser.reset(), []);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const image = (user, documentId, more = {}) => ({
    type: "image_processed",
    user_id: user,
    data: { documentId, documentType: "passport", status: "completed", processingDuration: 2500, ...more },
  });

  async function open(user, options = DESKTOP, more = {}) {
    const pages = await serve(server, html({ body: `data-user-id="${user}"`, ...more }));
    const page = await browser.open(`${pages.url}case`, options);
    await says(page, "● Live");
    return page;
  }

  for (const [device, options] of [
    ["light", DESKTOP],
    ["dark", { ...DESKTOP, colorScheme: "dark" }],
    ["phone", PHONE],
  ]) {
    it(`show what happened to what, as text and nothing else (${device})`, async () => {
      const user = `looks-${device}`;
      const page = await open(user, options);
      const markup = `<img src=x onerror=${RUN}><script>${RUN}</script>`;
      await server.publishAll([
        image(user, "17"),
        { type: "pdf_generation_failed", user_id: user, data: { reportId: markup, error: markup } },
        { type: "image_processing_progress", user_id: user, data: { documentId: "18", progress: 40 } },
        {
          type: "transcription_failed",
          user_id: user,
          data: { transcriptionId: "t", error: "No speech found" },
        },
      ]);
      await toast(page, "Image processed successfully");
      await page
        .locator("#toast-container")
        .getByText("Transcription failed: No speech found")
        .first()
        .waitFor();
      const box = await page.evaluate(() => {
        const container = document.getElementById("toast-container");
        const { zIndex, position } = getComputedStyle(container);
        const { right, top } = container.getBoundingClientRect();
        return {
          zIndex,
          position,
          right: innerWidth - right,
          top,
          toasts: container.querySelectorAll("li").length,
        };
      });
      assert.deepEqual([box.zIndex, box.position, box.toasts], ["10000", "fixed", 3]);
      assert.ok(box.right <= 16 && box.top <= 16, JSON.stringify(box));
      assert.equal(await page.evaluate(() => globalThis.ran), undefined);
      assert.equal(await page.locator("#toast-container :is(img, script)").count(), 0);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `the page is ${wide} px wider than the window`);
      await picture(page, `compat-dashboard-${device}`);
      assert.deepEqual(await axe(page), []);
    });
  }

  it("come back after the server was killed, and tell nothing twice and miss nothing", async () => {
    const user = "stays";
    const page = await open(user);
    await server.publishAll([image(user, "1"), image(user, "2")]);
    await entries(page, "image_processed", 2);
    await server.kill();
    await says(page, "○ Offline");
    await picture(page, "compat-dashboard-offline");
    await server.start();
    await server.publish(image(user, "3"));
    await says(page, "● Live");
    await server.publish(image(user, "4"));
    await page.waitForFunction(() => globalThis.diary.some(({ documentId }) => documentId === "4"));
    const heard = await diary(page, "image_processed");
    assert.deepEqual(
      heard.map(({ documentId }) => documentId),
      ["1", "2", "3", "4"],
    );
    const [, again] = await entries(page, "connected", 2);
    assert.equal(again.restored, true);
    assert.equal((await page.evaluate(() => getDashboardWebSocket().getState())).reconnectAttempts, 0);
  });

  it("tell each event once and in order, however often the connection breaks off among them", async () => {
    const script = `
      globalThis.diary = [];
      globalThis.client = new DashboardWebSocketClient({ reconnectDelay: 100, maxReconnectDelay: 200 });
      client.on("image_processed", ({ documentId }) => diary.push({ name: "image", documentId }));
      client.on("connected", (event) => diary.push({ name: "connected", ...event }));
      client.connect("cut");`;
    const pages = await serve(server, html({ scripts: ["websocket-client"] }), script);
    const page = await browser.open(`${pages.url}case`);
    await entries(page, "connected", 1);
    const count = 600;
    for (let n = 0; n < count; n++) {
      await server.publish(image("cut", String(n)));
      if (n % 50 === 25) pages.cut();
    }
    await entries(page, "image", count);
    const heard = await diary(page, "image");
    assert.deepEqual(
      heard.map(({ documentId }) => Number(documentId)),
      Array.from({ length: count }, (_, n) => n),
    );
    const connections = await diary(page, "connected");
    assert.ok(connections.length > 3, `${connections.length} connections`);
    assert.ok(connections.slice(1).every(({ restored }) => restored));
  });

  it("go on with their connection after a reload, with what came in between", async () => {
    const user = "reloads";
    const page = await open(user);
    const id = await page.evaluate(() => sessionStorage.getItem("ws_connection_id"));
    assert.match(id, /^[0-9a-f-]{36}$/);
    const address = page.url();
    await page.goto("about:blank");
    await server.publish(image(user, "between"));
    await page.goto(address);
    const [first] = await entries(page, "connected", 1);
    assert.equal(first.restored, true);
    await toast(page, "Image processed successfully");
    const heard = await entries(page, "image_processed", 1);
    assert.deepEqual(
      heard.map(({ documentId }) => documentId),
      ["between"],
    );
    assert.equal(
      await page.evaluate(() => getDashboardWebSocket().getState().connectionId),
      first.connectionId,
    );
  });

  it("another user in the same tab never gets the first one's events", async () => {
    const page = await open("first");
    const address = page.url();
    await page.goto("about:blank");
    await server.publish(image("first", "not for you"));
    opened.at(-1).give("/case", "text/html", POLICY, html({ body: 'data-user-id="second"' }));
    await page.goto(address);
    const [connected] = await entries(page, "connected", 1);
    assert.equal(connected.restored, false);
    await server.publishAll([image("first", "nor this"), image("second", "yours")]);
    const heard = await entries(page, "image_processed", 1);
    assert.deepEqual(
      heard.map(({ documentId }) => documentId),
      ["yours"],
    );
  });

  it("an id that nobody knows is followed by a new subscription", async () => {
    const page = await open("forgotten");
    await page.evaluate(() => {
      getDashboardWebSocket().disconnect();
      sessionStorage.setItem("ws_connection_id", "5b0c6a3e-8f1d-4a57-9c55-0c2f6b1d7e90");
    });
    await page.reload();
    await says(page, "● Live");
    const [connected] = await entries(page, "connected", 1);
    assert.equal(connected.restored, false);
    await server.publish(image("forgotten", "1"));
    await entries(page, "image_processed", 1);
  });

  it("a queue that the page names is followed too, over a reload", async () => {
    const body = 'data-user-id="listens" data-queue-id="q-1"';
    const page = await open("listens", DESKTOP, { body });
    const complete = (transcriptionId) => ({
      type: "transcription_complete",
      queue_id: "q-1",
      data: { transcriptionId, duration: 125, wordCount: 1314 },
    });
    await server.publish(complete("t-1"));
    await toast(page, "Transcription complete");
    await toast(page, "Transcription t-1, 2 min 5 s, 1,314 words");
    await page.reload();
    const [connected] = await entries(page, "connected", 1);
    assert.equal(connected.restored, true);
    await server.publish(complete("t-2"));
    await toast(page, "Transcription t-2, 2 min 5 s, 1,314 words");
  });

  it("take a batch apart where the page asks for one", async () => {
    const user = "batches";
    const page = await open(user, DESKTOP, { body: `data-user-id="${user}" data-ws-url="/?batch=100"` });
    const sent = Array.from({ length: 40 }, (_, n) => ({
      type: "status_update",
      user_id: user,
      data: { resource: `case-${n}`, status: "open", n },
    }));
    await server.publishAll(sent);
    const heard = await entries(page, "status_update", 40);
    assert.deepEqual(
      heard.map(({ n }) => n),
      sent.map((_, n) => n),
    );
    assert.ok((await page.locator("#toast-container li").count()) <= 3);
  });

  it("disconnect() stays closed, whatever the server does", async () => {
    const page = await open("leaves");
    await page.evaluate(() => getDashboardWebSocket().disconnect());
    await says(page, "○ Offline");
    await server.kill();
    await server.start();
    const other = await open("somebody-else");
    await server.publish(image("leaves", "1"));
    await server.publish(image("somebody-else", "1"));
    await entries(other, "image_processed", 1);
    assert.deepEqual(await diary(page, "image_processed"), []);
    assert.equal((await diary(page, "connected")).length, 1);
  });

  it("a tab too many is refused, says when it tries again, and harms none of the five", async () => {
    const tabs = [];
    for (let count = 0; count < 5; count++) tabs.push(await open("many"));
    const pages = await serve(server, html({ body: 'data-user-id="many"' }));
    const sixth = await browser.open(`${pages.url}case`);
    const [lost] = await entries(sixth, "disconnected", 1);
    assert.deepEqual([lost.code, lost.reason, lost.willReconnect], [4029, "too_many_connections", true]);
    await server.publish(image("many", "1"));
    for (const tab of tabs) await entries(tab, "image_processed", 1);
    await tabs[0].close();
    await says(sixth, "● Live");
  });
});

describe("the scripts where tokens are wanted", { timeout: 300_000 }, () => {
  let browser;
  let server;

  before(async () => {
    browser = await Browser.launch();
    const PORT = String(await freePort());
    server = await startHub({ PORT, JWT_SECRET: SECRET, DASHBOARD_AUTH: "required" });
  });
  afterEach(async () => {
    assert.deepEqual(await browser.reset(), []);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function open(page, script = DIARY) {
    const tab = await browser.open(`${(await serve(server, page, script)).url}case`);
    return tab;
  }

  it("without a token the dashboard says that there is an error, and asks no more", async () => {
    const page = await open(html({ body: 'data-user-id="7"' }));
    await says(page, "⚠ Error");
    const [lost] = await entries(page, "disconnected", 1);
    assert.deepEqual([lost.code, lost.willReconnect], [4001, false]);
    await picture(page, "compat-dashboard-error");
  });

  it("with another user's token it is refused in words, and with its own it is live", async () => {
    const url = `/?token=${token(SECRET, { sub: "7" })}`;
    const refused = await open(html({ body: `data-user-id="8" data-ws-url="${url}"` }));
    await says(refused, "⚠ Error");
    const [error] = await entries(refused, "error", 1);
    assert.match(error.message, /token/);
    const live = await open(html({ body: `data-user-id="7" data-ws-url="${url}"` }));
    await says(live, "● Live");
  });

  const UPLOAD = (jwt) => `
    globalThis.diary = [];
    const service = new NotificationService({ token: ${JSON.stringify(jwt)} });
    const bar = document.querySelector("progress");
    for (const name of ["connected", "disconnected", "uploadStarted", "uploadProgress", "uploadCompleted", "uploadFailed"]) {
      service.on(name, (event) => diary.push({ name, ...event }));
    }
    service.on("uploadProgress", ({ step_number, total_steps }) => { bar.value = step_number / total_steps; });
    service.on("uploadCompleted", () => { bar.value = 1; });
    service.connect();`;

  it("an upload's bar is where it was after a reload, after a restart it goes on, and at the end it is full", async () => {
    const content = '<label>Upload <progress value="0"></progress></label>';
    const page = await open(
      html({ scripts: ["notification-service"], content }),
      UPLOAD(token(SECRET, { sub: 123 })),
    );
    const [greeting] = await entries(page, "connected", 1);
    assert.equal(greeting.user_id, 123);
    const step = (step_number) => ({
      type: "oracle_upload_progress",
      user_id: 123,
      data: { transaction_id: 602, step: "Upload to UCM", step_number, total_steps: 5, status: "processing" },
      retain: { key: "oracle_upload:602", ttl_s: 3600 },
    });
    const at = (value) =>
      page.waitForFunction((wanted) => document.querySelector("progress").value === wanted, value);
    await server.publish(step(2));
    await at(0.4);
    await page.reload();
    await at(0.4);
    await server.publish(step(3));
    await at(0.6);
    await server.kill();
    await entries(page, "disconnected", 1);
    await server.start();
    await entries(page, "connected", 2);
    await server.publish(step(4));
    await at(0.8);
    await server.publish({
      type: "oracle_upload_completed",
      user_id: 123,
      data: { transaction_id: 602, message: "Upload completed", success: true, result_path: "/uploads/602" },
      retain: { key: "oracle_upload:602", final: true },
    });
    await at(1);
    await page.reload();
    await at(1);
    assert.equal((await diary(page, "uploadCompleted")).length, 1);
  });

  it("who chose so, from a click, is told of the end beside the page, once and also after a reload", async () => {
    const script = `
      globalThis.diary = [];
      globalThis.service = new NotificationService({ token: ${JSON.stringify(token(SECRET, { sub: 124 }))} });
      service.on("uploadCompleted", (event) => diary.push({ name: "completed", ...event }));
      service.on("connected", (event) => diary.push({ name: "connected", ...event }));
      service.connect();
      globalThis.shown = [];
      const Real = Notification;
      globalThis.Notification = class extends Real {
        constructor(title, options) {
          super(title, options);
          shown.push([title, options.body]);
        }
      };
      document.hasFocus = () => false;
      document.querySelector("button").onclick = async () => {
        diary.push({ name: "chosen", ...(await service.setPreferences({ desktop: true, sound: true, vibration: true })) });
      };`;
    const pages = await serve(
      server,
      html({ scripts: ["notification-service"], content: "<button>Tell me</button>" }),
      script,
    );
    const context = await browser.context();
    await context.grantPermissions(["notifications"], { origin: pages.url });
    const page = await context.newPage();
    await page.goto(`${pages.url}case`);
    await page.getByRole("button", { name: "Tell me" }).click();
    const [chosen] = await entries(page, "chosen", 1);
    assert.deepEqual([chosen.desktop, chosen.sound, chosen.vibration], [true, true, true]);
    await entries(page, "connected", 1);
    await server.publish({
      type: "oracle_upload_completed",
      user_id: 124,
      data: { transaction_id: 603, message: "Upload completed", success: true },
      retain: { key: "oracle_upload:603", final: true },
    });
    await entries(page, "completed", 1);
    assert.deepEqual(await page.evaluate(() => shown), [["Oracle upload completed", "Upload completed"]]);
    await page.reload();
    await entries(page, "completed", 1);
    assert.deepEqual(await page.evaluate(() => shown), []);
    assert.deepEqual(await page.evaluate(() => service.getPreferences()), {
      desktop: true,
      sound: true,
      vibration: true,
    });
  });

  it("who is nobody gets no progress, and the page is told so", async () => {
    const content = "<progress></progress>";
    const page = await open(html({ scripts: ["notification-service"], content }), UPLOAD("no.such.token"));
    const [lost] = await entries(page, "disconnected", 1);
    assert.deepEqual([lost.reason, lost.willReconnect], ["unreachable", true]);
    assert.ok(lost.retryIn >= 5_000 && lost.retryIn <= 6_000, String(lost.retryIn));
  });
});
