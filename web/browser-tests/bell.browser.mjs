// <fanfare-bell> in Chromium against the real `fanfare up`: windows of one user agree after every action and every power cut, and
// nobody else hears of it; keyboard, phone, dark, right to left; a thousand notifications; a server that is away. Leaves pictures.
//
//   node --test browser-tests/bell.browser.mjs      CHROMIUM names another browser, FANFARE another build

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";

import { openPages } from "./bare-pages.mjs";
import { agree, Bell } from "./bell.mjs";
import { axe, Browser, PHONE, picture } from "./browser.mjs";
import { notify, notifyMany } from "./inbox.mjs";
import { eventually } from "./paychain.mjs";
import { register } from "./people.mjs";
import { startFanfare } from "./server.mjs";
import { button, DEVICES, isSound, live, MARKUP, radio, signIn, text } from "./worlds.mjs";

const KEY = "service-key-of-these-tests-and-of-nothing-else";
const { resolve } = createRequire(import.meta.url);
const OLD_CLIENT = join(resolve("socket.io-client-4.5.4/package.json"), "../dist/socket.io.min.js");

describe("<fanfare-bell>", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let pages;
  let number = 0;

  before(async () => {
    browser = await Browser.launch();
    server = await startFanfare({ SERVICE_API_KEY: KEY });
    pages = await openPages(server);
  });
  afterEach(async () => {
    assert.deepEqual(await browser.reset(), []);
  });
  after(async () => {
    await browser?.close();
    await pages?.close();
    await server?.stop();
  });

  const person = (at = server) => {
    number += 1;
    return register(at, "worker", `Ring ${number}`);
  };

  /** A window that follows over Socket.IO, with the client of 4.5.4 in place of the hub's own. */
  async function overSocketIo(one, at = pages) {
    const context = await browser.context();
    let isTaken = false;
    await context.route("**/socket.io/socket.io.min.js", (route) => {
      isTaken = true;
      return route.fulfill({ path: OLD_CLIENT, contentType: "text/javascript" });
    });
    const bell = await Bell.bare(browser, at, one, { context, scripts: ["websocket.js", "fanfare-bell.js"] });
    await eventually(async () =>
      assert.equal(await bell.page.evaluate(() => globalThis.ws.isConnected), true),
    );
    assert.equal(isTaken, true);
    return bell;
  }

  it("two windows agree after every action, over /ws and over Socket.IO 4.5.4, and a stranger's stays empty", async () => {
    const [anna, ben] = [await person(), await person()];
    const first = await Bell.bare(browser, pages, anna);
    const second = await overSocketIo(anna);
    const stranger = await Bell.bare(browser, pages, ben);
    const both = [first, second];
    for (const bell of [...both, stranger]) {
      await bell.open();
      await bell.host.getByText("No notifications yet").waitFor();
    }
    for (const title of ["One", "Two", "Three", "Four"]) await notify(anna, { title, category: "jobs" });
    await agree(anna, both);
    await first.lists(["*Four", "*Three", "*Two", "*One"]);

    await first.row("Four").locator(".open-row").click();
    await first.leave();
    await agree(anna, both);
    await second.choose("Three", "Mark as read");
    await second.leave();
    await agree(anna, both);
    await first.choose("Four", "Mark as unread");
    await first.leave();
    await agree(anna, both);
    await second.row("Two").hover();
    await second.row("Two").getByRole("button", { name: "Delete", exact: true }).click();
    await second.leave();
    await agree(anna, both);
    await first.lists(["*Four", "Three", "*One"]);
    await second.host.getByRole("button", { name: "Undo" }).click();
    await second.leave();
    await agree(anna, both);
    await first.lists(["*Four", "Three", "*Two", "*One"]);
    await first.host.getByRole("button", { name: "Mark all read" }).click();
    await agree(anna, both);
    await first.lists(["Four", "Three", "Two", "One"]);
    await notify(anna, { title: "Five", category: "payments" });
    await agree(anna, both);
    await second.host.getByRole("button", { name: "Payments 1" }).click();
    await second.lists(["*Five"]);

    await stranger.shows("");
    assert.deepEqual(await stranger.titles(), []);
  });

  it("agrees after a power cut with what happened before and behind it, and goes on by itself", async () => {
    const own = await startFanfare({ SERVICE_API_KEY: KEY });
    const before = await openPages(own);
    try {
      const anna = await person(own);
      const bells = [await Bell.bare(browser, before, anna), await overSocketIo(anna, before)];
      for (const bell of bells) await bell.open();
      for (const title of ["One", "Two", "Three"]) await notify(anna, { title });
      await agree(anna, bells);
      // The power goes while two actions are under way: whether they were carried out is the service's to say.
      await Promise.all([
        bells[0].choose("Three", "Mark as read"),
        bells[1].choose("One", "Delete"),
        own.kill(),
      ]);
      for (const bell of bells) await bell.leave();
      await bells[0].row("Two").locator(".open-row").click();
      await bells[0].host.getByText("It was not marked as read. The server has a problem.").last().waitFor();
      await bells[0].leave();
      await picture(bells[0].page, "bell-away");
      await own.start();
      await notify(anna, { title: "Four" });
      await agree(anna, bells);
      await own.kill();
      await own.start();
      await notify(anna, { title: "Five" });
      await agree(anna, bells);
      await bells[1].choose("Five", "Mark as read");
      await bells[1].leave();
      await agree(anna, bells);
    } finally {
      await before.close();
      await own.stop();
    }
  });

  it("is used by keyboard alone, and the focus is always somewhere", async () => {
    const anna = await person();
    for (const title of ["One", "Two", "Three", "Four"]) await notify(anna, { title });
    const bell = await Bell.bare(browser, pages, anna);
    await bell.shows("4");
    await bell.page.getByRole("link", { name: "Before" }).focus();
    await bell.press("Tab");
    await bell.press("Enter");
    await bell.lists(["*Four", "*Three", "*Two", "*One"]);
    await bell.press("ArrowDown");
    await bell.press("ArrowDown");
    assert.equal(await bell.focused(), "Three");
    await bell.press("u");
    await bell.lists(["*Four", "Three", "*Two", "*One"]);
    await bell.press("u");
    await bell.lists(["*Four", "*Three", "*Two", "*One"]);
    await bell.press("Delete");
    await bell.lists(["*Four", "*Two", "*One"]);
    assert.equal(await bell.focused(), "Two");
    await bell.press("Enter");
    await bell.lists(["*Four", "Two", "*One"]);
    await bell.press("End");
    assert.equal(await bell.focused(), "One");
    await bell.press("Delete");
    await bell.lists(["*Four", "Two"]);
    assert.equal(await bell.focused(), "Two");
    await bell.press("Home");
    assert.equal(await bell.focused(), "Four");
    // The menu of the row is the next stop.
    await bell.press("Tab");
    await bell.press("Enter");
    await bell.host.getByRole("menu", { name: "Actions for Four" }).waitFor();
    await bell.press("Escape");
    await bell.host.getByRole("menu").waitFor({ state: "detached" });
    await bell.press("Enter");
    await bell.press("ArrowDown");
    await bell.press("Enter");
    await bell.lists(["Two"]);
    // What was deleted elsewhere leaves the focus here.
    await notify(anna, { title: "Five" });
    await bell.lists(["*Five", "Two"]);
    await bell.press("Home");
    const [{ id }] = (await anna.call("GET", "api/notifications")).notifications;
    await anna.call("DELETE", `api/notifications/${id}`);
    await bell.lists(["Two"]);
    assert.equal(await bell.focused(), "Two");
    await bell.press("Escape");
    assert.equal(await bell.panel.isVisible(), false);
    const focused = () =>
      bell.page.evaluate(() => document.querySelector("fanfare-bell").shadowRoot.activeElement?.className);
    assert.equal(await focused(), "bell");
    // Tab out of the open panel closes it, and goes on in the page.
    await bell.press("Enter");
    await bell.panel.waitFor();
    for (let tabs = 0; tabs < 12 && (await bell.panel.isVisible()); tabs += 1) await bell.press("Tab");
    assert.equal(await bell.panel.isVisible(), false);
  });

  for (const [device, options] of DEVICES) {
    it(`looks as it should, and axe finds nothing (${device})`, async () => {
      const anna = await person();
      const bell = await Bell.bare(browser, pages, anna, { options });
      await bell.open();
      await bell.host.getByText("No notifications yet").waitFor();
      await picture(bell.page, `bell-empty-${device}`);
      await isSound(bell.page);
      const given = [
        {
          title: "Payment released",
          message: "$5,000.00 was released to your wallet.",
          category: "payments",
        },
        { title: `${MARKUP} is text`, message: MARKUP, category: "announcements" },
        {
          title:
            "What changes on Monday: a title that is longer than fits into one line, and longer than two lines of a phone",
          message: "A message that is long as well. ".repeat(10),
          category: "announcements",
          priority: "high",
        },
        { title: "שלום עולם: עבודה חדשה", message: "הודעה בעברית", category: "jobs" },
        {
          title: "Sign-in from a new device",
          message: "Firefox on Linux, Lyon.",
          category: "security",
          priority: "urgent",
        },
      ];
      for (const one of given) await notify(anna, one);
      await eventually(async () => assert.equal(await bell.rows.count(), 5));
      await anna.call("POST", "api/notifications/read-all");
      await notify(anna, {
        title: "Job accepted",
        message: "Mara accepted “Translate the handbook”.",
        category: "jobs",
      });
      await bell.shows("1");
      await bell.host.getByRole("button", { name: "Security", exact: true }).waitFor();
      await picture(bell.page, `bell-${device}`);
      await isSound(bell.page);
      await bell.row("Payment released").hover();
      await bell.row("Payment released").locator('[data-act="menu"]').click();
      await bell.host.getByRole("menu").waitFor();
      await picture(bell.page, `bell-menu-${device}`);
      await isSound(bell.page);
      await bell.host.getByRole("menuitem", { name: "Delete" }).click();
      await bell.host.getByRole("button", { name: "Undo" }).waitFor();
      await picture(bell.page, `bell-undo-${device}`);
      await isSound(bell.page);
      await bell.host.getByRole("button", { name: "Notification settings" }).click();
      await bell.host.getByRole("switch", { name: "Security: Push" }).waitFor();
      await bell.host.getByRole("switch", { name: "Quiet hours" }).check();
      await picture(bell.page, `bell-settings-${device}`);
      await bell.host.getByRole("button", { name: "Save quiet hours" }).scrollIntoViewIfNeeded();
      await picture(bell.page, `bell-quiet-${device}`);
      await isSound(bell.page);
    });
  }

  it("speaks German, reads from right to left, and is dark by choice on a light page", async () => {
    const anna = await person();
    await notify(anna, { title: "Auftrag angenommen", category: "jobs" });
    const german = await Bell.bare(browser, pages, anna, { lang: "de-AT", attributes: 'theme="dark"' });
    await german.page.getByRole("button", { name: "Mitteilungen, 1 ungelesen" }).click();
    await german.host.getByText("Heute", { exact: true }).waitFor();
    await german.choose("Auftrag angenommen", "Löschen");
    await german.host.getByText("Mitteilung gelöscht.").first().waitFor();
    await picture(german.page, "bell-german-dark");
    assert.deepEqual(await axe(german.page), []);
    await german.host.getByRole("button", { name: "Rückgängig" }).click();
    await german.lists(["*Auftrag angenommen"]);

    const right = await Bell.bare(browser, pages, anna, { dir: "rtl" });
    await right.open();
    await right.lists(["*Auftrag angenommen"]);
    await picture(right.page, "bell-rtl");
    assert.deepEqual(await axe(right.page), []);
    const [dot, title] = await right.rows.first().evaluate((row) => {
      const style = getComputedStyle(row, "::before");
      return [style.right, row.querySelector(".title").getBoundingClientRect().width];
    });
    assert.ok(Number.parseFloat(dot) < 30 && title > 0);
  });

  it("a thousand notifications are scrolled through, each once, and the list does not move under a reader", async () => {
    const anna = await person();
    const titles = Array.from({ length: 1_000 }, (_, at) => `Number ${at + 1}`);
    await notifyMany(
      server,
      KEY,
      titles.map((title) => ({ user_id: anna.id, title })),
    );
    const bell = await Bell.bare(browser, pages, anna);
    await bell.shows("99+");
    await bell.page.getByRole("button", { name: "Notifications, 1,000 unread" }).click();
    await bell.rows.first().waitFor();
    const scroll = bell.host.locator(".scroll");
    await eventually(async () => {
      await scroll.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      assert.equal(await bell.rows.count(), 1_000);
    }, 60_000);
    await bell.host.getByText("That is all.").waitFor();
    assert.deepEqual(
      (await bell.titles()).map((title) => title.slice(1)),
      titles.toReversed(),
    );

    await scroll.evaluate((element) => element.scrollTo(0, 5_000));
    const before = await scroll.evaluate(({ scrollTop }) => scrollTop);
    await notify(anna, { title: "While it is read" });
    await bell.host.getByRole("button", { name: "1 new" }).waitFor();
    assert.equal(await bell.rows.count(), 1_000);
    assert.equal(await scroll.evaluate(({ scrollTop }) => scrollTop), before);
    await bell.host.getByRole("button", { name: "1 new" }).click();
    await bell.row("While it is read").waitFor();
    assert.equal(await scroll.evaluate(({ scrollTop }) => scrollTop), 0);
    await bell.host.getByRole("button", { name: "Mark all read" }).click();
    await bell.shows("");
  });

  it("a server that is away is said in words, tried again, and tried at once by who asks", async () => {
    const anna = await person();
    await notify(anna, { title: "One" });
    const context = await browser.context();
    let isAway = true;
    let tries = 0;
    await context.route("**/api/notifications**", (route) => {
      tries += 1;
      return isAway ? route.abort("connectionrefused") : route.continue();
    });
    const bell = await Bell.bare(browser, pages, anna, { context });
    await bell.open();
    await bell.host.getByText("Notifications could not be loaded. The server can't be reached.").waitFor();
    await picture(bell.page, "bell-failed");
    assert.deepEqual(await axe(bell.page), []);
    // The button is gone with the first try that succeeds, whoever made it.
    const before = tries;
    await bell.host.getByRole("button", { name: "Try again" }).click();
    await eventually(() => assert.ok(tries > before, "it is tried"));
    isAway = false;
    await bell.lists(["*One"]);
    await bell.shows("1");
  });

  it("nobody who is signed out sees anything, and signing in in another window is enough", async () => {
    const anna = await person();
    await notify(anna, { title: "One" });
    const context = await browser.context();
    const bell = await Bell.bare(browser, pages, anna, { context, attributes: 'live="none"' });
    await bell.shows("1");
    const other = await context.newPage();
    await other.goto(`${pages.url}js/fanfare-bell.js`);
    await other.evaluate(() => localStorage.removeItem("auth_token"));
    await bell.shows("");
    await bell.open();
    await bell.host.getByText("You are signed out.").waitFor();
    await other.evaluate((token) => localStorage.setItem("auth_token", token), anna.token);
    await bell.shows("1");
  });

  it("rings once for all windows of a browser, where the user wants it", async () => {
    const anna = await person();
    const context = await browser.context();
    await context.addInitScript(() => {
      HTMLMediaElement.prototype.play = function () {
        const played = JSON.parse(localStorage.getItem("played") ?? "[]");
        localStorage.setItem("played", JSON.stringify([...played, new URL(this.src).pathname]));
        return Promise.resolve();
      };
    });
    const first = await Bell.bare(browser, pages, anna, { context });
    const second = await Bell.bare(browser, pages, anna, { context });
    const played = () => first.page.evaluate(() => JSON.parse(localStorage.getItem("played") ?? "[]"));
    for (const bell of [first, second]) await bell.page.locator("h1").click();
    // What was there before somebody follows is shown, and does not ring.
    await eventually(async () => {
      const { recipients } = await server.publish({ type: "of_no_meaning", user_id: anna.id, data: {} });
      assert.ok(recipients > 0, "no window is followed");
    });
    await notify(anna, { title: "One ring" });
    for (const bell of [first, second]) await bell.shows("1");
    await eventually(async () => assert.deepEqual(await played(), ["/sounds/notification.mp3"]));
    await anna.call("PUT", "api/notifications/preferences", { default: { sound: false } });
    await first.page.evaluate(async () => {
      // Until the lock of the last sound is free again.
      await navigator.locks.request("fanfare-inbox-sound", () => {});
    });
    await notify(anna, { title: "Silent" });
    for (const bell of [first, second]) await bell.shows("2");
    assert.equal((await played()).length, 1);
    const sound = await fetch(`${server.url}sounds/notification.mp3`);
    assert.equal(sound.headers.get("content-type"), "audio/mpeg");
  });

  it("preferences are saved with words, wrong ones stand at their field, and a reload has them", async () => {
    const anna = await person();
    await notify(anna, { title: "One", category: "jobs" });
    const page = await browser.open(`${server.url}playground/inbox`);
    await signIn(page, anna);
    const own = page.locator("fanfare-notification-preferences");
    await own.getByRole("switch", { name: "Jobs: Sound" }).uncheck();
    await own.getByText("Saved.").first().waitFor();
    await own.getByRole("switch", { name: "Quiet hours" }).check();
    await own.getByLabel("From", { exact: true }).fill("22:30");
    await own.getByLabel("To", { exact: true }).fill("22:30");
    await own.getByLabel("Time zone").fill("Europe/Nowhere");
    await button(own, "Save quiet hours").click();
    await own.getByText("Choose an end that differs from the start.").waitFor();
    await own.getByText("Enter a time zone such as Europe/Berlin.").waitFor();
    assert.equal(await own.getByLabel("To", { exact: true }).getAttribute("aria-invalid"), "true");
    await isSound(page);
    await own.getByLabel("To", { exact: true }).fill("06:00");
    await own.getByLabel("Time zone").fill("Europe/Berlin");
    await own.getByRole("checkbox", { name: "Sun" }).uncheck();
    await button(own, "Save quiet hours").click();
    await eventually(async () => {
      const { quiet_hours, categories } = await anna.call("GET", "api/notifications/preferences");
      assert.deepEqual(quiet_hours, {
        enabled: true,
        start: "22:30",
        end: "06:00",
        time_zone: "Europe/Berlin",
        days: ["mon", "tue", "wed", "thu", "fri", "sat"],
      });
      assert.equal(categories.jobs.sound, false);
    });
    await page.reload();
    await live(page);
    await eventually(async () => {
      assert.equal(await own.getByLabel("From", { exact: true }).inputValue(), "22:30");
      assert.equal(await own.getByRole("switch", { name: "Jobs: Sound" }).isChecked(), false);
    });
    await own.getByRole("switch", { name: "Quiet hours" }).uncheck();
    await eventually(async () => {
      const { quiet_hours } = await anna.call("GET", "api/notifications/preferences");
      assert.equal(quiet_hours.enabled, false);
    });
  });

  for (const [device, options] of DEVICES) {
    it(`the inbox page sends what the bell shows (${device})`, async () => {
      const page = await browser.open(`${server.url}playground/inbox`, options);
      await page.getByRole("heading", { name: "Sign in to see your inbox" }).waitFor();
      await isSound(page);
      await button(page, "Make a throw-away account").click();
      await live(page);
      const bell = new Bell(page);
      await button(page, "Send").click();
      await page
        .locator("#result")
        .getByText(/^Stored as \d+/)
        .waitFor();
      await bell.shows("1");
      await radio(page, "Markup").focus();
      await page.keyboard.press("Space");
      await button(page, "Send 25").click();
      await text(page, "25 stored").waitFor();
      await bell.shows("26");
      await page.evaluate(() => scrollTo(0, 0));
      await picture(page, `worlds-inbox-${device}`);
      if (options === PHONE) await picture(page, "worlds-inbox-phone-whole", { fullPage: true });
      await button(page, "Open the bell").click();
      await bell.row("<b>Bold</b> is text here").first().waitFor();
      await picture(page, `worlds-inbox-open-${device}`);
      await isSound(page);
    });
  }

  it("on the inbox page what expires goes by itself from every window", async () => {
    const anna = await person();
    const bells = [await Bell.bare(browser, pages, anna), await overSocketIo(anna)];
    for (const bell of bells) await bell.open();
    await notify(anna, { title: "Stays" });
    // Long enough that a busy machine has shown it in both windows before.
    await notify(anna, { title: "Goes", expires_at: new Date(Date.now() + 10_000).toISOString() });
    for (const bell of bells) await bell.row("Goes").waitFor();
    for (const bell of bells) await bell.lists(["*Stays"]);
    await agree(anna, bells);
  });
});
