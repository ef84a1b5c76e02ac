// Bare pages as the field has them, unchanged, in Chromium against `fanfare up`: opened from a file, from another port of this
// machine, and each showing what its world is told. Not here: pages with the scripts of /js/ (../browser-tests).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, afterEach, before, describe, it } from "node:test";
import { Browser } from "../browser-tests/browser.mjs";
import { startUp } from "./stage.mjs";

const pageFile = (name) => new URL(name, import.meta.url);

describe("bare pages of the field, unchanged, against fanfare up", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let elsewhere;
  let places;

  before(async () => {
    // A stranger's site, which this machine plays.
    browser = await Browser.launch(["--host-resolver-rules=MAP stranger.example 127.0.0.1"]);
    server = await startUp();
    // Any web server: it gives the pages, and knows nothing of the hub.
    elsewhere = createServer((asked, answer) => {
      const name = new URL(asked.url, "http://any").pathname.slice(1);
      if (!/^\w+\.html$/.test(name)) return answer.writeHead(204).end();
      answer.writeHead(200, { "content-type": "text/html" }).end(readFileSync(pageFile(name)));
    });
    await new Promise((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    const { port } = elsewhere.address();
    places = {
      "a file": (name) => pageFile(name).href,
      "another port": (name) => `http://127.0.0.1:${port}/${name}`,
      "another port of localhost": (name) => `http://localhost:${port}/${name}`,
      "a stranger's site": (name) => `http://stranger.example:${port}/${name}`,
    };
  });
  afterEach(async () => {
    assert.deepEqual(await browser.reset(), []);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    elsewhere?.closeAllConnections();
    elsewhere?.close();
  });

  const lines = (page) => page.locator("li").allTextContents();

  for (const place of ["a file", "another port", "another port of localhost"]) {
    it(`the receipts page shows every receipt and nothing else: from ${place}`, async () => {
      const page = await browser.open(`${places[place]("receipts.html")}?${server.worlds.receipts}`);
      await page.waitForFunction(() => document.title === "Connected");
      // A socket may be open a moment before the hub counts it among those who are told.
      while (((await server.stats()).by_channel.receipts ?? 0) === 0);
      // Were this shown, there would be a line "undefined → undefined".
      await server.publish({ type: "realtime_update", data: {} });
      for (const [type, status] of [
        ["receipt_upload", "received"],
        ["receipt_update", "processing_started"],
        ["receipt_update", "processed"],
        ["receipt_update", "failed"],
      ]) {
        await server.publish({ type, channel: "receipts", data: { status, receipt_id: "abc<b>1</b>" } });
      }
      await page.getByText("→ failed").waitFor();
      const wanted = ["received", "processing_started", "processed", "failed"];
      assert.deepEqual(
        await lines(page),
        wanted.map((status) => `Receipt abc<b>1</b> → ${status}`),
      );
    });

    it(`the dashboard page shows its user's documents: from ${place}`, async () => {
      const open = (user) =>
        browser.open(`${places[place]("dashboard.html")}?${server.worlds.dashboard}#${user}`);
      const page = await open("anna");
      const another = await open("ben");
      await followed("anna");
      await followed("ben");
      await server.publish({
        type: "image_processed",
        user_id: "anna",
        data: {
          documentId: "doc-1",
          documentType: "passport",
          status: "completed",
          processingDuration: 2500,
        },
      });
      await server.publish({
        type: "pdf_generation_failed",
        user_id: "anna",
        data: { error: "out of memory" },
      });
      await page.getByText("out of memory").waitFor();
      assert.deepEqual(await lines(page), [
        "image_processed doc-1 completed",
        "pdf_generation_failed out of memory ",
      ]);
      assert.deepEqual(await lines(another), []);
    });
  }

  /** Waits until somebody follows the user: what is told before is for nobody. */
  async function followed(user) {
    for (;;) {
      const { recipients } = await server.publish({ type: "subscribed", user_id: user });
      if (recipients > 0) return;
    }
  }

  it("the dashboard page also on the main port, and it says why it was closed", async () => {
    const page = await browser.open(
      `${places["a file"]("dashboard.html")}?${server.worlds.dashboardOnMain}?token=bad#7`,
    );
    // Without a policy tokens are not looked at; the same page, with one that is bad, where they are.
    await page.getByText("Live").waitFor();
    const strict = await startUp({ DASHBOARD_AUTH: "required" });
    try {
      await page.goto(`${places["a file"]("dashboard.html")}?${strict.worlds.dashboardOnMain}?token=bad#7`);
      await page.getByText("Closed 4001 Unauthorized", { exact: true }).waitFor();
    } finally {
      await strict.stop();
    }
  });

  it("a page of a stranger's site is refused, but for receipts, which are public", async () => {
    const stranger = places["a stranger's site"];
    const page = await browser.open(`${stranger("dashboard.html")}?${server.worlds.dashboard}#7`);
    await page.getByText("Closed 1006").waitFor();
    await page.goto(`${stranger("receipts.html")}?${server.worlds.receipts}`);
    await page.waitForFunction(() => document.title === "Connected");
  });
});
