// <fanfare-bell> as its user sees it, on a page with nothing else and under the strictest policy, and on the demo pages. Not here: what
// it has to do (bell.browser.mjs), and the bell of the PayChain app (inbox.mjs).

import assert from "node:assert/strict";

import { DESKTOP } from "./browser.mjs";
import { eventually } from "./paychain.mjs";

/** The policy of the bare page: nothing inline, nothing from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws:; media-src 'self'";

let made = 0;

/** A page that has nothing but the two elements. */
const bare = ({ attributes, lang, dir, scripts }) => `<!doctype html><html lang="${lang}" dir="${dir}">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>A page</title>
${scripts.map((name) => `<script src="/js/${name}"></script>`).join("")}
<main><h1>A page</h1><a href="#before">Before</a>
<fanfare-bell ${attributes}></fanfare-bell> <a href="#after">After</a></main></html>`;

/** A bell in a window. */
export class Bell {
  constructor(page) {
    this.page = page;
    this.host = page.locator("fanfare-bell:visible");
    this.button = this.host.locator(".bell");
    this.panel = this.host.getByRole("dialog");
    this.rows = this.host.locator(".row");
  }

  /** The bare page (bare-pages.mjs) with a bell for a person, in a context of its own or in a given one. */
  static async bare(browser, pages, person, given = {}) {
    const {
      options = DESKTOP,
      attributes = "",
      lang = "en",
      dir = "ltr",
      scripts = ["fanfare-bell.js"],
    } = given;
    const context = given.context ?? (await browser.context(options));
    await context.addInitScript((token) => {
      // As the pages in the field keep it; a window that has no page yet has nowhere to.
      if (location.protocol === "http:") localStorage.setItem("auth_token", token);
    }, person.token);
    const page = await context.newPage();
    const path = `/a-page-${(made += 1)}`;
    pages.give(path, "text/html", POLICY, bare({ attributes, lang, dir, scripts }));
    await page.goto(new URL(path, pages.url).href);
    const bell = new Bell(page);
    await bell.button.waitFor();
    return bell;
  }

  /** Waits until the badge shows this; "" for none. */
  async shows(badge) {
    await eventually(async () => assert.equal(await this.host.locator(".badge").innerText(), badge));
  }

  async open() {
    if (!(await this.panel.isVisible())) await this.button.click();
    await this.panel.waitFor();
  }

  /** The titles from the top; unread ones begin with a star. */
  titles() {
    return this.rows.evaluateAll((rows) =>
      rows.map(
        (row) => `${row.classList.contains("unread") ? "*" : ""}${row.querySelector(".title").textContent}`,
      ),
    );
  }

  /** Waits until exactly these are in the list. */
  async lists(titles) {
    await eventually(async () => assert.deepEqual(await this.titles(), titles));
  }

  row(title) {
    return this.rows.filter({ hasText: title });
  }

  /** Does something by the menu of a row. */
  async choose(title, action) {
    await this.row(title).hover();
    await this.row(title).locator('[data-act="menu"]').click();
    await this.host.getByRole("menuitem", { name: action }).click();
  }

  /** Takes the pointer off the list, which holds still under it. */
  async leave() {
    await this.page.mouse.move(2, 2);
  }

  press(key) {
    return this.page.keyboard.press(key);
  }

  /** The title of the row that has the focus; null if none has. */
  focused() {
    return this.page.evaluate(() => {
      const { shadowRoot } = document.querySelector("fanfare-bell:not([hidden])");
      return shadowRoot.activeElement?.closest(".row")?.querySelector(".title").textContent ?? null;
    });
  }
}

/** Waits until bells show what the service says, all of it: count and titles. */
export async function agree(person, bells) {
  await eventually(async () => {
    const { notifications, unread_count } = await person.call("GET", "api/notifications?per_page=100");
    const wanted = notifications.map(({ title, is_read }) => `${is_read ? "" : "*"}${title}`);
    for (const bell of bells) {
      assert.equal(
        await bell.host.locator(".badge").innerText(),
        unread_count === 0 ? "" : String(unread_count),
      );
      assert.deepEqual(await bell.titles(), wanted);
    }
  });
}
