// The bell of the PayChain app over the real servers: a job that is accepted rings it in every window of its employer, what one window
// does all show, and nothing is lost or doubled by a power cut.
//
//   node --test browser-tests/inbox.browser.mjs      CHROMIUM names another browser, FANFARE another build

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Browser } from "./browser.mjs";
import { Bell, notify, notifyMany } from "./inbox.mjs";
import { eventually, PayChain } from "./paychain.mjs";
import { register } from "./people.mjs";
import { startFanfare } from "./server.mjs";

/** The key of services, for what only they may do. */
const KEY = "service-key-of-these-tests-and-of-nothing-else";

describe("the bell", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let number = 0;
  const servers = [];

  before(async () => {
    browser = await Browser.launch();
    server = await startFanfare({ SERVICE_API_KEY: KEY });
    servers.push(server);
  });
  afterEach(async () => {
    assert.deepEqual(await browser.reset(), []);
  });
  after(async () => {
    await browser?.close();
    for (const started of servers) await started.stop();
  });

  /** An employer and a worker of a test. */
  async function pair(at = server) {
    number += 1;
    return {
      erin: await register(at, "employer", `Erin Vale ${number}`),
      wanda: await register(at, "worker", `Wanda Reyes ${number}`),
    };
  }

  /** Two windows of somebody in one browser, live. */
  async function twoWindows(person, at = server) {
    const context = await browser.context();
    const first = await PayChain.openAs(context, at, person);
    const second = await PayChain.open(context, at);
    await second.signedIn(person.name);
    await first.live();
    await second.live();
    return [new Bell(first), new Bell(second)];
  }

  it("rings in every window when a worker accepts, agrees after each step, and outlives a power cut", async () => {
    const own = await startFanfare();
    servers.push(own);
    const { erin, wanda } = await pair(own);
    const titles = ["Landing page", "Price list", "Opening hours"];
    const jobs = [];
    for (const title of titles) jobs.push(await erin.post({ title }));
    const [first, second] = await twoWindows(erin, own);
    await first.says(0);

    await wanda.accept(jobs[0].job_id);
    for (const bell of [first, second]) {
      await bell.says(1);
      await bell.open();
      await bell.lists(["*Your job was accepted"]);
      assert.match(await bell.row("Your job was accepted").innerText(), /Landing page/);
    }
    // Read in one window, it is read in the other.
    await first.choose("Your job was accepted", "Mark as read");
    await first.leave();
    for (const bell of [first, second]) {
      await bell.says(0);
      await bell.lists(["Your job was accepted"]);
    }

    await own.kill();
    await own.start();
    await wanda.accept(jobs[1].job_id);
    for (const bell of [first, second]) {
      await bell.says(1);
      await bell.lists(["*Your job was accepted", "Your job was accepted"]);
    }
    // While nobody listens: killed between the change and the news of it.
    await wanda.accept(jobs[2].job_id);
    await own.kill();
    await own.start();
    for (const bell of [first, second]) {
      await bell.says(2);
      await bell.lists(["*Your job was accepted", "*Your job was accepted", "Your job was accepted"]);
      await bell.window.live();
    }
    await second.panel.getByRole("button", { name: "Mark all read" }).click();
    for (const bell of [first, second]) {
      await bell.says(0);
      await bell.lists(["Your job was accepted", "Your job was accepted", "Your job was accepted"]);
    }
    const { total, unread_count } = await erin.call("GET", "api/notifications/stats");
    assert.deepEqual({ total, unread_count }, { total: 3, unread_count: 0 });
    for (const bell of [first, second]) {
      // The event's own toast says it, and no second one.
      const said = await bell.window.allToasts();
      assert.equal(
        said.filter((one) => one.includes("Landing page")).length,
        1,
        `not said once: ${JSON.stringify(said)}`,
      );
      assert.deepEqual(
        said.filter((one) => one.includes("now.")),
        [],
      );
    }
  });

  it("deletes and brings back, in both windows", async () => {
    const { erin } = await pair();
    const [first, second] = await twoWindows(erin);
    for (const title of ["One", "Two", "Three"]) await notify(erin, { title });
    for (const bell of [first, second]) {
      await bell.says(3);
      await bell.open();
      await bell.lists(["*Three", "*Two", "*One"]);
    }
    await first.choose("Two", "Delete");
    for (const bell of [first, second]) {
      await bell.lists(["*Three", "*One"]);
      await bell.says(2);
    }
    await first.panel.getByRole("button", { name: "Undo" }).click();
    for (const bell of [first, second]) {
      await bell.lists(["*Three", "*Two", "*One"]);
      await bell.says(3);
    }
    // Pressed the moment it was deleted: the service gets both in their order.
    await second.choose("One", "Delete");
    await second.panel.getByRole("button", { name: "Undo" }).click();
    for (const bell of [first, second]) {
      await bell.lists(["*Three", "*Two", "*One"]);
      await bell.says(3);
    }
    await first.choose("Three", "Mark as read");
    await first.choose("Three", "Mark as unread");
    await second.says(3);
  });

  it("is the account's of its window, with two accounts in one browser", async () => {
    const { erin, wanda } = await pair();
    const context = await browser.context();
    const hers = new Bell(await PayChain.openAs(context, server, erin));
    const window = await PayChain.open(context, server);
    await window.signedIn(erin.name);
    await (await window.openAccountMenu()).getByRole("menuitem", { name: "Use another account" }).click();
    await window.signIn(wanda);
    const theirs = new Bell(window);
    await hers.window.live();
    await window.live();
    await notify(erin, { title: "For the employer" });
    await notify(wanda, { title: "For the worker" });
    await notify(wanda, { title: "Another one" });
    await hers.says(1);
    await theirs.says(2);
    await theirs.open();
    await theirs.lists(["*Another one", "*For the worker"]);
    // The window changes its account, and the bell with it.
    await theirs.close();
    const menu = await window.openAccountMenu();
    await menu.getByRole("menuitem", { name: new RegExp(`^${erin.name}`) }).click();
    await window.signedIn(erin.name);
    await theirs.says(1);
    await theirs.open();
    await theirs.lists(["*For the employer"]);
  });

  it("leads to the job, and has read it by then", async () => {
    const { erin, wanda } = await pair();
    const { job_id, title } = await erin.post({ title: "Walk two dogs" });
    const window = await PayChain.openAs(await browser.context(), server, erin, "wallet");
    const bell = new Bell(window);
    await window.live();
    await wanda.accept(job_id);
    await bell.says(1);
    await bell.open();
    await bell.panel.getByRole("link", { name: /Your job was accepted/ }).click();
    await window.jobHeading(title).waitFor();
    await bell.panel.waitFor({ state: "detached" });
    await bell.says(0);
  });

  it("keeps to what its user chose, from the panel and from the account menu", async () => {
    const { erin, wanda } = await pair();
    const jobs = [];
    for (const title of ["Quiet one", "Loud one"]) jobs.push(await erin.post({ title }));
    const window = await PayChain.openAs(await browser.context(), server, erin);
    const bell = new Bell(window);
    await window.live();
    await bell.openSettings();
    await bell.choosesWay("Jobs: In the app", false);
    await window.page.keyboard.press("Escape");
    await bell.settings.waitFor({ state: "detached" });
    await wanda.accept(jobs[0].job_id);
    await window.row("Quiet one").filter({ hasText: "Accepted" }).waitFor();
    await wanda.accept(jobs[1].job_id);
    await window.row("Loud one").filter({ hasText: "Accepted" }).waitFor();
    await notify(erin, { title: "Of another kind", category: "other" });
    await bell.says(1);
    await bell.open();
    await bell.lists(["*Of another kind"]);
    await window.toast("Of another kind");
    assert.deepEqual(await window.allToasts(), ["Of another kind"]);
    await bell.close();

    const menu = await window.openAccountMenu();
    await menu.getByRole("menuitem", { name: "Notification settings" }).click();
    await bell.settings.getByRole("table").waitFor();
    assert.equal(await bell.settings.getByRole("checkbox", { name: "Jobs: In the app" }).isChecked(), false);
    await bell.choosesWay("Jobs: In the app", true);
    await window.page.keyboard.press("Escape");
    await eventually(async () =>
      assert.equal(
        await window
          .accountButton(erin.name)
          .evaluate((button) => button === document.activeElement || button.contains(document.activeElement)),
        true,
      ),
    );
    const { job_id } = await erin.post({ title: "Heard again" });
    await wanda.accept(job_id);
    await bell.says(2);
    await bell.open();
    await bell.lists(["*Your job was accepted", "*Of another kind"]);
    await window.toast(/^Your job was accepted: .*Heard again$/);
  });

  it("tells by a toast what no other toast tells, once, and not while the panel shows it", async () => {
    const { erin } = await pair();
    const window = await PayChain.openAs(await browser.context(), server, erin);
    const bell = new Bell(window);
    await window.live();
    await bell.ready();
    await notify(erin, { title: "Your upload is complete", message: "prices.csv", category: "uploads" });
    await window.toast("Your upload is complete: prices.csv");
    await bell.open();
    await notify(erin, { title: "Your upload failed", message: "prices.csv", category: "uploads" });
    await bell.lists(["*Your upload failed", "*Your upload is complete"]);
    assert.deepEqual(await window.allToasts(), ["Your upload is complete: prices.csv"]);
    // What was on the screen the service knows to have been seen.
    const { notifications } = await erin.call("GET", "api/notifications");
    for (const { id } of notifications) {
      await eventually(async () => {
        const { status } = await erin.call("GET", `api/notifications/${id}/trace`);
        assert.equal(status, "seen");
      });
    }
  });

  it("loads what is older as it is scrolled, and says how many there are up to 99+", async () => {
    const { erin } = await pair();
    const lines = Array.from({ length: 101 }, (_, made) => ({ user_id: erin.id, title: `Number ${made}` }));
    await notifyMany(server, KEY, lines);
    const window = await PayChain.openAs(await browser.context(), server, erin);
    const bell = new Bell(window);
    await bell.says(101);
    assert.match(await bell.button.innerText(), /99\+$/);
    await bell.open();
    await bell.row("Number 100").waitFor();
    const list = bell.panel.locator("[data-scroll]");
    await eventually(async () => {
      await list.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      assert.ok((await bell.row(/Number 0(?!\d)/).count()) > 0);
    });
    assert.equal(await bell.rows().count(), 101);
    // What comes in while it is read does not move it.
    const before = await bell.row(/Number 0(?!\d)/).boundingBox();
    await notify(erin, { title: "The newest" });
    const pill = bell.panel.getByRole("button", { name: "1 new" });
    await pill.waitFor();
    assert.deepEqual(await bell.row(/Number 0(?!\d)/).boundingBox(), before);
    await pill.click();
    await eventually(async () => assert.equal((await bell.titles())[0], "*The newest"));
    await bell.row("The newest").waitFor();
    assert.equal(await list.evaluate((element) => element.scrollTop), 0);
  });

  it("moves nothing when it comes, and opens if it was pressed before", async () => {
    const { erin } = await pair();
    const context = await browser.context();
    let release;
    const held = new Promise((resolve) => {
      release = resolve;
    });
    await context.route("**/app/bell-*.js", async (route) => {
      await held;
      await route.continue();
    });
    const window = await PayChain.openAs(context, server, erin);
    const bell = new Bell(window);
    await bell.button.waitFor();
    const places = () =>
      window.page
        .getByRole("banner")
        .getByRole("button")
        .evaluateAll((buttons) => buttons.map((button) => JSON.stringify(button.getBoundingClientRect())));
    const before = await places();
    await bell.button.click();
    release();
    await bell.panel.waitFor();
    await bell.panel.getByText("No notifications yet").waitFor();
    await window.page.keyboard.press("Escape");
    await bell.panel.waitFor({ state: "detached" });
    assert.deepEqual(await places(), before);
  });

  it("sounds once, in whatever number of windows, and not at all where its user wants none", async () => {
    const { erin } = await pair();
    await erin.call("PUT", "api/notifications/preferences", {
      categories: {
        loud: { in_app: true, push: false, sound: true },
        silent: { in_app: true, push: false, sound: false },
      },
    });
    const context = await browser.context();
    await context.addInitScript(() => {
      globalThis.played = [];
      HTMLMediaElement.prototype.play = function play() {
        globalThis.played.push(new URL(this.src).pathname);
        return Promise.resolve();
      };
    });
    const first = new Bell(await PayChain.openAs(context, server, erin));
    const second = new Bell(await PayChain.open(context, server));
    for (const bell of [first, second]) {
      await bell.window.signedIn(erin.name);
      await bell.window.live();
      await bell.ready();
      // Browsers let a page sound once somebody did something there.
      await bell.page.getByRole("main").click({ position: { x: 5, y: 5 } });
    }
    await notify(erin, { title: "Hush", category: "silent" });
    await notify(erin, { title: "Listen", category: "loud" });
    for (const bell of [first, second]) await bell.says(2);
    await eventually(async () => {
      const played = [];
      for (const bell of [first, second]) played.push(...(await bell.page.evaluate(() => globalThis.played)));
      assert.deepEqual(played, ["/sounds/notification.mp3"]);
    });
  });

  it("shows on the desktop what no window shows, if it may, and a click leads to the job", async () => {
    const { erin, wanda } = await pair();
    const { job_id, title } = await erin.post({ title: "Water the plants" });
    const context = await browser.context();
    await context.addInitScript(() => {
      globalThis.onDesktop = [];
      globalThis.Notification = class {
        static permission = "default";
        static async requestPermission() {
          globalThis.Notification.permission = "granted";
        }
        constructor(text, { tag }) {
          Object.assign(this, { text, tag, isClosed: false });
          globalThis.onDesktop.push(this);
        }
        close() {
          this.isClosed = true;
        }
      };
      let state = "visible";
      globalThis.look = (now) => {
        state = now;
        document.dispatchEvent(new Event("visibilitychange"));
      };
      Object.defineProperty(document, "visibilityState", { get: () => state });
    });
    const window = await PayChain.openAs(context, server, erin, "wallet");
    const bell = new Bell(window);
    await window.live();
    await bell.openSettings();
    await bell.settings.getByRole("checkbox", { name: "Desktop notifications in this browser" }).check();
    await window.page.keyboard.press("Escape");
    await notify(erin, { title: "Looked at" });
    await bell.says(1);
    await window.page.evaluate(() => globalThis.look("hidden"));
    await notify(erin, { title: "Read elsewhere" });
    await wanda.accept(job_id);
    const desktop = () =>
      window.page.evaluate(() => globalThis.onDesktop.map(({ text, isClosed }) => ({ text, isClosed })));
    await eventually(async () =>
      assert.deepEqual(await desktop(), [
        { text: "Read elsewhere", isClosed: false },
        { text: "Your job was accepted", isClosed: false },
      ]),
    );
    const { notifications } = await erin.call("GET", "api/notifications");
    await erin.call("PUT", `api/notifications/${notifications[1].id}/read`);
    await eventually(async () => assert.equal((await desktop())[0].isClosed, true));
    await window.page.evaluate(() => {
      globalThis.look("visible");
      globalThis.onDesktop[1].onclick();
    });
    await window.jobHeading(title).waitFor();
    await bell.says(1);
  });
});
