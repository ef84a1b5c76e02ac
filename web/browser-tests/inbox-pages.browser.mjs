// The bell's panel and the notification settings: by keyboard alone, for screen readers, in light, dark and phone width. Leaves
// pictures in target/screenshots/.
//
//   node --test browser-tests/inbox-pages.browser.mjs      CHROMIUM names another browser, FANFARE another build

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { axe, Browser, DESKTOP, PHONE, picture } from "./browser.mjs";
import { Bell, notify } from "./inbox.mjs";
import { eventually, PayChain } from "./paychain.mjs";
import { register } from "./people.mjs";
import { startFanfare } from "./server.mjs";

/** What is in the lists that are looked at, the oldest first. */
const LIST = [
  { title: "Your upload is complete", message: "prices-2026.csv", category: "uploads" },
  {
    title: "Your upload failed: a_very_long_file_name_without_any_break_in_it_that_goes_on_and_on_and_on.pdf",
    message:
      "The file could not be read.\nIt is 14 MB, and its head says PDF 1.9.\nTry to save it anew.\nOr ask.",
    category: "uploads",
    priority: "urgent",
  },
  { title: "<b>Not bold</b> & مرحبا", message: "<img src=x onerror=alert(1)>", category: "general" },
  {
    title: "You were paid $450.00",
    message: "The payment for job 7 is on your wallet.",
    category: "payments",
    priority: "high",
  },
  {
    title: "Your job was accepted",
    message: "Somebody works on “Landing page for the bakery” now.",
    category: "jobs",
    data: { job_id: 7 },
  },
];

const LOOKS = [
  ["light", DESKTOP],
  ["dark", { ...DESKTOP, colorScheme: "dark" }],
  ["phone", PHONE],
];

describe("the bell's panel", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let number = 0;

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

  /** An employer with these notifications, and a window. */
  async function windowWith(notifications, options = DESKTOP) {
    number += 1;
    const erin = await register(server, "employer", `Erin Vale ${number}`);
    for (const one of notifications) await notify(erin, one);
    const window = await PayChain.openAs(await browser.context(options), server, erin);
    await window.live();
    return { erin, bell: new Bell(window), page: window.page, window };
  }

  for (const [look, options] of LOOKS) {
    it(`is well made in ${look}`, async () => {
      const { bell, page, window } = await windowWith(LIST, options);
      await bell.says(LIST.length);
      await picture(page, `paychain-bell-${look}`);
      await bell.open();
      await bell.row("Your upload is complete").waitFor();
      await bell.panel.getByRole("button", { name: /^Uploads/ }).waitFor();
      await bell.choose("You were paid $450.00", "Mark as read");
      await bell.says(LIST.length - 1);
      await bell.leave();
      await picture(page, `paychain-inbox-${look}`);
      assert.deepEqual(await axe(page), []);
      assert.equal(await window.overflow(), 0);
      assert.equal(await bell.panel.locator("b, img").count(), 0);

      await bell
        .row("You were paid")
        .getByRole("button", { name: /^Actions for/ })
        .click();
      await picture(page, `paychain-inbox-menu-${look}`);
      assert.deepEqual(await axe(page), []);
      await bell.panel.getByRole("menuitem", { name: "Delete" }).click();
      await bell.panel.getByRole("button", { name: "Undo" }).waitFor();
      await picture(page, `paychain-inbox-deleted-${look}`);
      assert.deepEqual(await axe(page), []);

      await bell.openSettings();
      await picture(page, `paychain-notification-settings-${look}`);
      assert.deepEqual(await axe(page), []);
      assert.equal(await window.overflow(), 0);
      await bell.settings.getByRole("checkbox", { name: "Quiet hours" }).check();
      await bell.settings.getByLabel("To", { exact: true }).fill("22:00");
      const save = bell.settings.getByRole("button", { name: "Save quiet hours" });
      await save.click();
      await bell.settings.getByText("Choose an end that differs from the start.").waitFor();
      await picture(page, `paychain-notification-settings-quiet-${look}`);
      assert.deepEqual(await axe(page), []);
      await bell.settings.getByLabel("To", { exact: true }).fill("06:30");
      await bell.settings.getByLabel("Time zone").fill("Europe/Berlin");
      await save.click();
      await bell.settings.getByText("Saved.").waitFor();
      await save.waitFor({ state: "detached" });
    });

    it(`says in ${look} that there is nothing, and that nothing could be had`, async () => {
      const { bell, page } = await windowWith([], options);
      await bell.open();
      await bell.panel.getByText("No notifications yet").waitFor();
      await picture(page, `paychain-inbox-empty-${look}`);
      assert.deepEqual(await axe(page), []);
      await bell.close();

      await page.route("**/api/notifications?**", (route) => route.fulfill({ status: 503 }));
      await page.reload();
      await bell.open();
      await bell.panel.getByText(/could not be loaded/).waitFor();
      await picture(page, `paychain-inbox-failed-${look}`);
      assert.deepEqual(await axe(page), []);
      await page.unroute("**/api/notifications?**");
      await bell.panel.getByText("No notifications yet").waitFor();
    });
  }

  it("is used by keyboard alone", async () => {
    const titles = ["One", "Two", "Three"];
    const { bell, page, window } = await windowWith(titles.map((title) => ({ title })));
    const has = (target, what) =>
      eventually(async () => {
        const focused = await target.evaluate((element) => element === document.activeElement);
        assert.ok(focused, `${what} has no focus`);
      });
    /** Presses a key until something has the focus. */
    const reach = async (target, key = "Tab") => {
      for (let presses = 0; presses < 30; presses += 1) {
        if (await target.evaluate((element) => element === document.activeElement)) return;
        await page.keyboard.press(key);
      }
      assert.fail(`${key} does not lead to ${target}`);
    };
    const opener = (title) => bell.row(title).getByRole("button").first();

    await bell.says(3);
    await reach(bell.button);
    await page.keyboard.press("Enter");
    await has(bell.panel, "the panel");
    await opener("Three").waitFor();
    await reach(opener("Three"));
    await page.keyboard.press("ArrowDown");
    await has(opener("Two"), "the second");
    await page.keyboard.press("End");
    await has(opener("One"), "the last");
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Delete");
    await bell.lists(["*Three", "*One"]);
    await has(opener("One"), "what is next");
    await reach(bell.panel.getByRole("button", { name: "Undo" }));
    await page.keyboard.press("Enter");
    await bell.lists(["*Three", "*Two", "*One"]);
    await has(bell.panel, "the panel");

    // The menu of one, which is beside it.
    await reach(opener("One"));
    await page.keyboard.press("Home");
    await page.keyboard.press("Tab");
    await has(bell.panel.getByRole("button", { name: "Actions for Three" }), "its menu's button");
    await page.keyboard.press("Enter");
    await has(bell.panel.getByRole("menuitem", { name: "Mark as read" }), "the first of the menu");
    await page.keyboard.press("ArrowDown");
    await has(bell.panel.getByRole("menuitem", { name: "Delete" }), "the second of the menu");
    await page.keyboard.press("Home");
    await page.keyboard.press("Enter");
    await bell.lists(["Three", "*Two", "*One"]);
    await bell.says(2);

    // Opened in place by Enter; closed by Escape, with the focus where it was.
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await bell.says(1);
    assert.equal(await opener("Two").getAttribute("aria-expanded"), "true");
    await page.keyboard.press("Escape");
    await bell.panel.waitFor({ state: "detached" });
    await has(bell.button, "the bell");

    // Whoever goes on leaves it behind.
    await page.keyboard.press("Enter");
    await opener("One").waitFor();
    await reach(window.accountButton());
    await bell.panel.waitFor({ state: "detached" });
    await page.keyboard.press("Shift+Tab");
    await has(bell.button, "the bell");

    // The settings give the focus back to the bell.
    await page.keyboard.press("Enter");
    await reach(bell.panel.getByRole("button", { name: "Notification settings" }));
    await page.keyboard.press("Enter");
    await bell.settings.getByRole("table").waitFor();
    await reach(bell.settings.getByRole("checkbox", { name: "Jobs: Sound" }));
    await page.keyboard.press("Space");
    await bell.settings.getByText("Saved.").waitFor();
    await page.keyboard.press("Escape");
    await has(bell.button, "the bell");
  });

  it("is seen where the focus is, and nothing moves for those who want no motion", async () => {
    const { erin, bell, page } = await windowWith(LIST, { ...DESKTOP, reducedMotion: "reduce" });
    await bell.open();
    await bell.row("Your upload is complete").waitFor();
    await page.evaluate(() => {
      globalThis.moved = [];
      const look = () => {
        for (const animation of document.getAnimations()) {
          if (animation.effect.getComputedTiming().duration > 20) {
            globalThis.moved.push(animation.animationName ?? animation.transitionProperty);
          }
        }
        requestAnimationFrame(look);
      };
      look();
    });
    await notify(erin, { title: "Quietly", category: "general" });
    await bell.row("Quietly").waitFor();
    await eventually(async () => {
      await page.keyboard.press("Tab");
      assert.ok(await page.evaluate(() => document.activeElement.matches(".fanfare-inbox-open")));
    });
    const target = bell.panel.locator(":focus");
    const shown = await target.evaluate((element) => getComputedStyle(element).outlineStyle);
    assert.equal(shown, "solid");
    assert.deepEqual(await page.evaluate(() => globalThis.moved), []);
  });
});
