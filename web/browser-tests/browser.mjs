// Chromium for tests: one browser per test file, a context per person, complaints of pages, screenshots, axe. Not here:
// servers (server.mjs), and how an app's pages are used.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

/** Where screenshots go; FANFARE_PICTURES names another directory. */
export const SCREENSHOTS =
  process.env.FANFARE_PICTURES || fileURLToPath(new URL("../../target/screenshots", import.meta.url));

export const DESKTOP = { viewport: { width: 1440, height: 900 } };
export const PHONE = {
  viewport: { width: 360, height: 740 },
  hasTouch: true,
  isMobile: true,
  deviceScaleFactor: 2,
};

/** What pages say when a server or the network is away: the browser's own lines, which no page can prevent. */
const EXPECTED =
  /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INTERNET_DISCONNECTED|ERR_EMPTY_RESPONSE|ERR_NETWORK|WebSocket connection to|the server responded with a status of (4\d\d|50[23])/;

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export class Browser {
  #browser;
  #contexts = [];
  /** What the pages complained of; a test ends with none. */
  complaints = [];

  static async launch(args = []) {
    mkdirSync(SCREENSHOTS, { recursive: true });
    const browser = new Browser();
    browser.#browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // CI runs as root, where Chromium has no sandbox.
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", ...args],
    });
    return browser;
  }

  /** A browser of somebody else: nothing is shared with other contexts. */
  async context(options = DESKTOP) {
    const context = await this.#browser.newContext({ colorScheme: "light", ...options });
    this.#contexts.push(context);
    context.setDefaultTimeout(20_000);
    context.on("page", (page) => this.#watch(page));
    return context;
  }

  /** A page of its own context at `url`. */
  async open(url, options = DESKTOP) {
    const page = await (await this.context(options)).newPage();
    await page.goto(url);
    return page;
  }

  #watch(page) {
    page.on("pageerror", (error) => this.complaints.push(String(error.stack)));
    page.on("console", (message) => {
      if (message.type() === "error" && !EXPECTED.test(message.text())) this.complaints.push(message.text());
    });
  }

  /** Closes all contexts; gives what the pages complained of. */
  async reset() {
    for (const context of this.#contexts.splice(0)) await context.close();
    return this.complaints.splice(0);
  }

  async close() {
    await this.#browser.close();
  }
}

/** A picture of what is on the screen, once nothing moves any more. */
export async function picture(page, name, options = {}) {
  await page.evaluate(() => {
    // What pulses without end is no movement to wait for.
    const ends = (animation) => animation.effect?.getComputedTiming().endTime < Number.POSITIVE_INFINITY;
    const finished = (animation) => animation.finished.catch(() => undefined);
    return Promise.all(
      document
        .getAnimations()
        .filter((animation) => animation.playState === "running" && ends(animation))
        .map(finished),
    );
  });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), ...options });
}

/** What axe finds wrong on the page, one line each. */
export async function axe(page) {
  // Evaluated by the debugger, which a page's content security policy does not hold back.
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ["violations"] }),
  );
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map((node) => `${id}: ${help}: ${node.target.join(" ")}: ${node.failureSummary}`),
  );
}
