// The demo pages of the dashboard and of receipts in Chromium, against the real `fanfare up` and the real hub, each with the back end
// that moves it. Leaves pictures. Uploads are in uploads.browser.mjs, the social page in social.browser.mjs, the clients' scripts by
// themselves in compat.browser.mjs, the pages' logic in playground-tests.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { axe, DESKTOP, PHONE, picture } from "./browser.mjs";
import { freePort } from "./ports.mjs";
import { token } from "./server.mjs";
import { button, DEVICES, isSound, live, lookUp, MARKUP, radio, text, worlds } from "./worlds.mjs";

const SECRET = "a secret of more than 32 bytes, for this test only";

/** What the hub sends with each page. */
const POLICY =
  "default-src 'self'; connect-src * ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const demos = worlds();

describe("the demo pages", { timeout: 300_000 }, () => {
  it("are linked from the playground and from each other, and keep its strict policy", async () => {
    for (const [name, options] of [
      ["desktop", DESKTOP],
      ["phone", PHONE],
    ]) {
      const page = await demos.browser.open(`${demos.server.url}playground`, options);
      if (options === PHONE) await page.tap(".tabs [data-go=connection]");
      if (options === PHONE)
        await page.getByRole("link", { name: "Social", exact: true }).scrollIntoViewIfNeeded();
      await picture(page, `worlds-playground-${name}`);
      for (const world of ["Dashboard", "Uploads", "Receipts", "Social"]) {
        const [answer] = await Promise.all([
          page.waitForEvent("response", (one) => one.request().isNavigationRequest()),
          page.getByRole("link", { name: world, exact: true }).click(),
        ]);
        assert.equal(answer.headers()["content-security-policy"], POLICY);
        await page.getByRole("heading", { level: 1 }).waitFor();
        const current = page.getByRole("navigation").getByRole("link", { name: world, exact: true });
        assert.equal(await current.getAttribute("aria-current"), "page");
      }
      await page.getByRole("link", { name: "Playground", exact: true }).click();
      await page.waitForURL(`${demos.server.url}playground`);
    }
  });

  it("say which script of a client is missing, what that means, and what to do", async () => {
    for (const [world, script] of [
      ["dashboard", "websocket-client.js"],
      ["dashboard", "dashboard-websocket-init.js"],
      ["uploads", "notification-service.js"],
      ["social", "websocket.js"],
    ]) {
      const context = await demos.browser.context();
      await context.route(`**/js/${script}`, (route) => route.fulfill({ status: 404, body: "" }));
      const page = await context.newPage();
      await page.goto(`${demos.server.url}playground/${world}`);
      const notice = page.getByRole("alert").filter({ hasText: `/js/${script}` });
      await notice.getByText("npm run build -w @fanfare/compat").waitFor();
      await picture(page, `worlds-missing-${world}`);
      assert.deepEqual(await axe(page), []);
      // Chromium's own word for what the page has put into words.
      const rest = demos.browser.complaints.splice(0).filter((line) => !line.includes("is not loaded"));
      assert.deepEqual(rest, []);
    }
  });

  it("choose their colours by hand as the playground does", async () => {
    const page = await demos.open("receipts");
    await radio(page, "Dark").check();
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.goto(`${demos.server.url}playground/dashboard`);
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), dark);
    assert.equal(await radio(page, "Dark").isChecked(), true);
  });
});

describe("the dashboard's page", { timeout: 300_000 }, () => {
  const documents = (page) => page.getByRole("list", { name: "Documents, newest first" });
  const entry = (page, title) => documents(page).getByRole("listitem").filter({ hasText: title });
  const toast = (page, title) =>
    page.locator("#toast-container li").filter({ hasText: title }).first().waitFor();

  for (const [device, options] of DEVICES) {
    it(`plays an image to its end, with a toast and a state in words (${device})`, async () => {
      const page = await demos.open("dashboard", { options, query: `?user=plays-${device}` });
      await live(page);
      await isSound(page);
      await picture(page, `worlds-dashboard-empty-${device}`);
      // Each state stands for less than a second, which a busy machine may sleep through.
      await page.evaluate(() => {
        const list = document.getElementById("documents");
        globalThis.played = [];
        const look = () => globalThis.played.push(list.textContent);
        new MutationObserver(look).observe(list, { childList: true, subtree: true, characterData: true });
      });
      await button(page, "Process an image").click();
      await entry(page, "Passport doc-17").getByText("Processed").waitFor();
      const played = await page.evaluate(() => globalThis.played);
      const half = played.findIndex((words) => words.includes("50 %"));
      assert.ok(half > 0, `${played}`);
      assert.ok(
        played.slice(0, half).some((words) => words.includes("Processing")),
        `${played}`,
      );
      await toast(page, "Image processed successfully");
      // The next one is not the same.
      await page.waitForFunction(() => document.getElementById("id").value === "doc-18");
      await radio(page, "Transcription").check();
      await radio(page, "Progress").check();
      await button(page, "Send event").click();
      await lookUp(page);
      await entry(page, "Transcription call-1").getByText("50 %").waitFor();
      await radio(page, "PDF").check();
      await radio(page, "Failed").check();
      await page.getByLabel("Error").fill(MARKUP);
      await button(page, "Send event").click();
      await lookUp(page);
      await entry(page, "Report report-4").getByText(MARKUP).waitFor();
      await toast(page, "PDF generation failed");
      await radio(page, "Status").check();
      await radio(page, "Approved").check();
      await button(page, "Send event").click();
      await lookUp(page);
      await entry(page, "case-9").getByText("Approved").waitFor();
      await text(page, "1 in work · 2 done · 1 failed").waitFor();
      await picture(page, `worlds-dashboard-${device}`);
      if (options === PHONE) await picture(page, "worlds-dashboard-phone-whole", { fullPage: true });
      await isSound(page);
    });
  }

  it("shows the request as curl before it is sent, and what is wrong at the field", async () => {
    const page = await demos.open("dashboard", { query: "?user=writes" });
    await live(page);
    await radio(page, "Progress").check();
    await page.getByLabel("Id", { exact: true }).fill("it's one");
    const curl = page.locator("#curl");
    assert.match(await curl.innerText(), /"type":"image_processing_progress","user_id":"writes"/);
    assert.match(await curl.innerText(), /it'\\''s one/);
    await page.getByLabel("Progress in %").fill("101");
    await button(page, "Send event").click();
    await text(page, "A number from 0 to 100.").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "progress");
    await page.getByLabel("Progress in %").fill("40");
    await page.keyboard.press("Enter");
    await text(page, "Queued to 1 connection").waitFor();
    assert.equal(await page.getByLabel("Id", { exact: true }).inputValue(), "it's one");
  });

  it("batching puts what falls into one window into one frame, and the switch keeps the list", async () => {
    const page = await demos.open("dashboard", { query: "?user=batches" });
    await live(page);
    await button(page, "Send 50 events at once").click();
    await text(page, "50 events queued to 1 connection").waitFor();
    await page.waitForFunction(() => document.getElementById("frames-total").textContent === "50");
    assert.equal(await page.locator("#events-total").innerText(), "50");
    await page.getByLabel("Collect events").selectOption("500");
    await page.waitForFunction(() => globalThis.fanfareDemo?.batch === 500);
    await live(page);
    assert.equal(await page.getByLabel("User").inputValue(), "batches");
    assert.equal(await documents(page).getByRole("listitem").count(), 4);
    // What the hub was not sure of has come again after the reload, and stands before this.
    await demos.server.publish({ type: "pdf_generated", user_id: "batches", data: { reportId: "behind" } });
    await entry(page, "Report behind").waitFor();
    const totals = () =>
      page.evaluate(() =>
        ["events", "frames"].map((what) => document.getElementById(`${what}-total`).textContent),
      );
    const drawn = () =>
      page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    await drawn();
    const before = (await totals()).map(Number);
    await button(page, "Send 50 events at once").click();
    await page.waitForFunction(
      (wanted) => document.getElementById("events-total").textContent === String(wanted),
      before[0] + 50,
    );
    // 50 events are published in a moment; where a window ends within that there are two frames.
    const frames = Number((await totals())[1]) - before[1];
    assert.ok(frames >= 1 && frames <= 3, `${frames} frames`);
    assert.equal(await documents(page).getByRole("listitem").count(), 5);
    await picture(page, "worlds-dashboard-batching");
    await isSound(page);
  });

  it("does not move what is read: new documents wait behind a pill, known ones change where they are", async () => {
    const page = await demos.open("dashboard", { query: "?user=reads" });
    await live(page);
    const image = (type, documentId, more) => ({ type, user_id: "reads", data: { documentId, ...more } });
    await demos.server.publish(image("image_processing_started", "1"));
    const first = entry(page, "Document 1");
    await first.hover();
    const place = await first.boundingBox();
    await demos.server.publishAll([
      image("image_processing_started", "2"),
      image("image_processing_started", "3"),
      image("image_processed", "1", { status: "completed" }),
    ]);
    await first.getByText("Processed").waitFor();
    await button(page, "2 new").waitFor();
    await picture(page, "worlds-dashboard-reading");
    assert.deepEqual(await first.boundingBox(), place);
    assert.equal(await documents(page).getByRole("listitem").count(), 1);
    await button(page, "2 new").click();
    assert.deepEqual(await documents(page).locator(".document-title").allInnerTexts(), [
      "Document 3",
      "Document 2",
      "Document 1",
    ]);
    await demos.server.publish(image("image_processing_started", "4"));
    await button(page, "1 new").waitFor();
    await page.mouse.move(5, 5);
    await entry(page, "Document 4").waitFor();
    await button(page, "1 new").waitFor({ state: "hidden" });
  });

  it("another user has another list, and gets nothing of the first one's", async () => {
    const page = await demos.open("dashboard", { query: "?user=anna" });
    await live(page);
    const started = (user, documentId) => ({
      type: "image_processing_started",
      user_id: user,
      data: { documentId },
    });
    await demos.server.publish(started("anna", "a-1"));
    await entry(page, "a-1").waitFor();
    await page.getByLabel("User").fill("bert");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => getDashboardWebSocket().getState().userId === "bert");
    await page.waitForFunction(() => getDashboardWebSocket().getState().isConnected);
    await demos.server.publishAll([started("anna", "a-2"), started("bert", "b-1")]);
    await entry(page, "b-1").waitFor();
    assert.equal(await documents(page).getByRole("listitem").count(), 1);
    await page.reload();
    await live(page);
    assert.equal(await page.getByLabel("User").inputValue(), "bert");
    await entry(page, "b-1").waitFor();
  });

  it("says when it comes back, and after a reload has what was missed", async () => {
    const own = await demos.startOwn({ PORT: String(await freePort()) });
    const page = await demos.open("dashboard", { at: own, query: "?user=stays" });
    await live(page);
    await page.goto("about:blank");
    await own.publish({
      type: "pdf_generated",
      user_id: "stays",
      data: { reportId: 1, status: "completed" },
    });
    await page.goto(`${own.url}playground/dashboard`);
    await entry(page, "Report 1").getByText("Ready").waitFor();
    await own.kill();
    await text(page, "○ Offline").waitFor();
    await page.getByText(/^Reconnecting in \d+ s$/).waitFor();
    await picture(page, "worlds-dashboard-offline");
    await isSound(page);
    await own.start();
    await live(page);
    await button(page, "Try now").waitFor({ state: "hidden" });
    await button(page, "Send event").click();
    await entry(page, "Passport doc-17").waitFor();
  });

  it("where tokens are wanted it asks for one, and shows that user's documents", async () => {
    const own = await demos.startOwn({ JWT_SECRET: SECRET, DASHBOARD_AUTH: "required" });
    const page = await demos.open("dashboard", { at: own });
    await page.getByRole("heading", { name: "Sign in to see your documents" }).waitFor();
    await picture(page, "worlds-dashboard-sign-in");
    await isSound(page);
    await page.getByLabel("Token").fill(token(SECRET, { user_id: 7 }));
    await button(page, "Use this token").click();
    await live(page);
    assert.equal(await page.getByLabel("User").inputValue(), "7");
    await button(page, "Send event").click();
    await entry(page, "Passport doc-17").waitFor();
    await button(page, "Sign out").click();
    await page.getByRole("heading", { name: "Sign in to see your documents" }).waitFor();
  });
});

describe("the page of receipts", { timeout: 300_000 }, () => {
  const list = (page) => page.getByRole("list", { name: "Receipts, newest first" });
  const lines = (page) => list(page).locator(".receipt-line").allInnerTexts();
  const publish = (at, id, status = "processed") =>
    at.publish({ type: "receipt_update", channel: "receipts", data: { status, receipt_id: id } });

  for (const [device, options] of DEVICES) {
    it(`prints a line for each receipt, the newest on top (${device})`, async () => {
      const page = await demos.open("receipts", { options });
      await live(page);
      await picture(page, `worlds-receipts-empty-${device}`);
      await button(page, "Publish a receipt").click();
      await text(page, "Receipt abc123 → received").waitFor();
      await radio(page, "processed").check();
      await page.getByLabel("Receipt id").fill(MARKUP.slice(0, 90));
      await button(page, "Publish receipt").click();
      await lookUp(page);
      await text(page, `Receipt ${MARKUP.slice(0, 90)} → processed`).waitFor();
      assert.equal((await lines(page)).at(-1), "Receipt abc123 → received");
      await button(page, "Publish 100").click();
      await lookUp(page);
      await page.waitForFunction(() => document.querySelectorAll(".receipt").length === 102);
      await picture(page, `worlds-receipts-${device}`);
      if (options === PHONE) await picture(page, "worlds-receipts-phone-whole", { fullPage: true });
      await isSound(page);
    });
  }

  it("does not move while it is read, says how many are new, and shows them when asked", async () => {
    const own = await demos.startOwn();
    const page = await demos.open("receipts", { at: own });
    await live(page);
    await button(page, "Publish 100").click();
    await page.waitForFunction(() => document.querySelectorAll(".receipt").length === 100);
    await list(page).hover();
    await page.evaluate(() => {
      const note = () => {
        globalThis.standsStill = true;
      };
      document.getElementById("receipts").addEventListener("scrollend", note);
    });
    await page.mouse.wheel(0, 400);
    // A wheel may move it over several frames.
    await page.waitForFunction(
      () => globalThis.standsStill && document.getElementById("receipts").scrollTop > 100,
    );
    await page.mouse.move(5, 5);
    const before = await page.evaluate(() => document.getElementById("receipts").scrollTop);
    for (const id of ["n1", "n2", "n3"]) await publish(own, id);
    await button(page, "3 new").waitFor();
    await picture(page, "worlds-receipts-reading");
    assert.equal(await page.evaluate(() => document.getElementById("receipts").scrollTop), before);
    assert.equal((await lines(page)).length, 100);
    await button(page, "3 new").click();
    await text(page, "Receipt n3 → processed").waitFor();
    assert.deepEqual(
      (await lines(page)).slice(0, 3),
      ["n3", "n2", "n1"].map((id) => `Receipt ${id} → processed`),
    );
    assert.equal(await page.evaluate(() => document.getElementById("receipts").scrollTop), 0);
  });

  it("gets receipts and nothing that is for others", async () => {
    const own = await demos.startOwn();
    const page = await demos.open("receipts", { at: own });
    await live(page);
    await own.publish({ type: "to_everyone", data: {} });
    await own.publish({ type: "job_created", channel: "jobs", data: {} });
    await publish(own, "last", "failed");
    await text(page, "Receipt last → failed").waitFor();
    assert.equal((await lines(page)).length, 1);
  });

  it("says that it is away and when it tries again, and is back by itself", async () => {
    const own = await demos.startOwn({ PORT: String(await freePort()) });
    const page = await demos.open("receipts", { at: own });
    await live(page);
    await own.kill();
    await page
      .locator(".top")
      .getByText(/^Reconnecting in \d+ s$/)
      .waitFor();
    await picture(page, "worlds-receipts-reconnecting");
    await button(page, "Publish receipt").click();
    await page.getByText(/did not answer/).waitFor();
    await own.start();
    await live(page);
    // A socket may be open a moment before the hub counts it among those who are told.
    while (((await own.stats()).by_channel.receipts ?? 0) === 0);
    await publish(own, "again");
    await text(page, "Receipt again → processed").waitFor();
  });

  it("by keyboard alone: choose a status, publish, look at the list", async () => {
    const page = await demos.open("receipts");
    await live(page);
    await page.getByLabel("Receipt id").focus();
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await text(page, "Receipt abc123 → processed").waitFor();
    await picture(page, "worlds-receipts-keyboard");
  });
});
