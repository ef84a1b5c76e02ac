// The app by keyboard alone: a job's whole life, where the focus goes, that it is seen, and that nothing moves for those who
// want no motion. What screen readers find on each page is in access.browser.mjs.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Browser, DESKTOP } from "./browser.mjs";
import { Bell } from "./inbox.mjs";
import { eventually, PayChain } from "./paychain.mjs";
import { register } from "./people.mjs";
import { startFanfare } from "./server.mjs";

/** Presses of a key until something must have been reached. */
const MOST_PRESSES = 60;

describe("by keyboard", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let erin;
  let wanda;

  before(async () => {
    browser = await Browser.launch();
    server = await startFanfare();
    erin = await register(server, "employer", "Erin Vale");
    wanda = await register(server, "worker", "Wanda Reyes");
  });
  afterEach(async () => {
    assert.deepEqual(await browser.reset(), []);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const hasFocus = (target) => target.evaluate((element) => element === document.activeElement);

  /** Presses a key until something has the focus. */
  async function reach({ page }, target, key = "Tab") {
    await target.waitFor({ state: "attached" });
    for (let presses = 0; presses < MOST_PRESSES; presses += 1) {
      if (await hasFocus(target)) return;
      await page.keyboard.press(key);
    }
    assert.fail(`${key} does not lead to ${target}`);
  }

  /** Waits until something has the focus. */
  async function focused(target, what) {
    await eventually(async () => {
      assert.ok((await target.count()) > 0, `${what} is not there`);
      assert.ok(await hasFocus(target.first()), `${what} has no focus`);
    });
  }

  it("a job is posted, accepted, completed and paid", async () => {
    const employer = await PayChain.open(await browser.context(), server);
    const worker = await PayChain.open(await browser.context(), server);
    for (const [window, person] of [
      [employer, erin],
      [worker, wanda],
    ]) {
      const { page } = window;
      await reach(window, page.getByLabel("Email"));
      await page.keyboard.type(person.email);
      await page.keyboard.press("Tab");
      await page.keyboard.type(person.password);
      await page.keyboard.press("Enter");
      await window.signedIn(person.name);
      await window.live();
    }

    // Posted. The dialog takes the focus, keeps it, and gives it back.
    const keys = employer.page.keyboard;
    const postJob = employer.page.getByRole("button", { name: "Post job" }).first();
    await reach(employer, postJob);
    await keys.press("Enter");
    const dialog = employer.page.getByRole("dialog", { name: "Post a job" });
    await focused(dialog.getByLabel("Title"), "the first field");
    await keys.press("Escape");
    await focused(postJob, "the button that opened the dialog");
    await keys.press("Enter");
    await focused(dialog.getByLabel("Title"), "the first field");
    await keys.press("Enter");
    await dialog.getByText("Say in a few words what is to be done.").waitFor();
    await focused(dialog.getByLabel("Title"), "the field that is wrong");
    await keys.type("Walk two dogs");
    await reach(employer, dialog.getByLabel("Pay"));
    await keys.type("25.50");
    await reach(employer, dialog.getByLabel("Type"));
    await keys.type("Other");
    await reach(employer, dialog.getByRole("button", { name: "Post job" }));
    await keys.press("Enter");
    await employer.jobHeading("Walk two dogs").waitFor();
    await eventually(async () => {
      const where = await employer.page.evaluate(() => document.activeElement?.tagName);
      assert.notEqual(where, "BODY", "the focus is nowhere");
    });

    // Accepted, in the other window.
    const row = worker.row("Walk two dogs");
    await reach(worker, row);
    await worker.page.keyboard.press("Enter");
    await worker.jobHeading("Walk two dogs").waitFor();
    await worker.page.keyboard.press("Enter");
    await focused(worker.jobHeading("Walk two dogs"), "the job");
    await reach(worker, worker.detail.getByRole("button", { name: "Accept job" }));
    await worker.page.keyboard.press("Enter");
    await focused(worker.nextStep.getByRole("heading"), "what is to be waited for");

    // Completed.
    const complete = employer.detail.getByRole("button", { name: /^Complete and pay/ });
    await complete.waitFor();
    await reach(employer, complete);
    await keys.press("Enter");
    const sure = employer.page.getByRole("dialog", { name: /^Pay \$25\.50/ });
    await sure.waitFor();
    await keys.press("Escape");
    await focused(complete, "the button that asked");
    await keys.press("Enter");
    await reach(employer, sure.getByRole("button", { name: /^Complete and pay/ }));
    await keys.press("Enter");
    await employer.says("Completed and paid");
    await focused(employer.nextStep.getByRole("heading"), "what was done");

    // Paid.
    await worker.says("You have been paid");
    const wallet = worker.page.getByRole("link", { name: "Wallet", exact: true });
    await reach(worker, wallet.first(), "Shift+Tab");
    await worker.page.keyboard.press("Enter");
    await focused(worker.page.getByRole("heading", { name: "Wallet", level: 1 }), "the page's heading");
    await worker.walletShows({ Earned: "$25.50" });
  });

  it("a deadline of which only the date was typed is not left out in silence", async () => {
    const window = await PayChain.openAs(await browser.context(), server, erin);
    const dialog = await window.openPostDialog();
    await window.fillJob(dialog, { title: "Half a deadline", pay: "10" });
    await dialog.getByLabel("Deadline").focus();
    await window.page.keyboard.type("12242030");
    await dialog.getByRole("button", { name: "Post job" }).click();
    await dialog.getByText("Give a date and a time.").waitFor();
    await focused(dialog.getByLabel("Deadline"), "the deadline");
  });

  it("the list is walked with the arrows, and Tab stops in it once", async () => {
    for (const title of ["One", "Two", "Three"]) await erin.post({ title });
    const window = await PayChain.openAs(await browser.context(), server, wanda);
    await reach(window, window.row("Three"));
    await window.page.keyboard.press("ArrowDown");
    await focused(window.row("Two"), "the second row");
    await window.page.keyboard.press("j");
    await focused(window.row("One"), "the third row");
    await window.page.keyboard.press("Home");
    await focused(window.row("Three"), "the first row");
    await window.page.keyboard.press("Tab");
    assert.equal(await window.list.locator(":focus").count(), 0);
  });

  it("the menu opens, is walked and closed, and the focus is where it was", async () => {
    const window = await PayChain.openAs(await browser.context(), server, wanda);
    const { page } = window;
    await reach(window, window.accountButton());
    await page.keyboard.press("Enter");
    await focused(page.getByRole("menuitem", { name: "Change name" }), "the first item");
    await page.keyboard.press("End");
    await focused(page.getByRole("menuitem", { name: "Sign out everywhere" }), "the last item");
    await page.keyboard.press("Escape");
    await focused(window.accountButton(), "the menu's button");
    await page.keyboard.press("Enter");
    await reach(window, page.getByRole("menuitemradio", { name: "Dark" }), "ArrowDown");
    await page.keyboard.press("Enter");
    await eventually(async () =>
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark"),
    );
    // Kept, and there before the first paint.
    await page.reload();
    await window.signedIn(wanda.name);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).colorScheme), "dark");
  });

  it("the first Tab leads past the navigation", async () => {
    const window = await PayChain.openAs(await browser.context(), server, wanda);
    await window.page.reload();
    await window.live();
    await window.page.keyboard.press("Tab");
    await focused(
      window.page.getByRole("button", { name: "Skip to content" }),
      "the way past the navigation",
    );
    await window.page.keyboard.press("Enter");
    await focused(window.page.getByRole("main"), "the content");
  });

  it("whatever has the focus is seen to have it", async () => {
    const job = await erin.post({ title: "To be looked at" });
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.context({ ...DESKTOP, colorScheme, reducedMotion: "reduce" });
      const window = await PayChain.openAs(context, server, erin, `jobs/${job.job_id}`);
      const { page } = window;
      await window.live();
      // From the top of a page that was just loaded.
      await page.reload();
      await window.live();
      await window.says("Waiting for a worker");
      await window.signedIn(erin.name);
      // What stands in the bell's place until it is loaded would take the focus with it.
      await new Bell(window).ready();
      const seen = [];
      for (let presses = 0; presses < MOST_PRESSES; presses += 1) {
        await page.keyboard.press("Tab");
        const name = await page.evaluate(() => {
          const element = document.activeElement;
          if (element === null || element === document.body) return null;
          globalThis.before = element;
          return `${element.tagName} ${element.getAttribute("aria-label") ?? element.textContent?.slice(0, 30)}`;
        });
        if (name === null || seen.includes(name)) break;
        seen.push(name);
        const shown = await page.screenshot();
        await page.evaluate(() => globalThis.before.blur());
        const without = await page.screenshot();
        assert.ok(!shown.equals(without), `${colorScheme}: the focus of ${name} is not seen`);
        await page.evaluate(() => globalThis.before.focus());
      }
      assert.ok(seen.length >= 11, `only ${seen.join(", ")}`);
    }
  });

  it("nothing moves for those who want no motion", async () => {
    const context = await browser.context({ ...DESKTOP, reducedMotion: "reduce" });
    const wyn = await register(server, "worker", "Wyn Castle");
    const window = await PayChain.openAs(context, server, wyn);
    await window.live();
    await window.page.evaluate(() => {
      globalThis.moved = [];
      const look = () => {
        for (const animation of document.getAnimations()) {
          const { duration } = animation.effect.getComputedTiming();
          const { className } = animation.effect.target;
          if (duration > 20)
            globalThis.moved.push(`${animation.animationName ?? animation.transitionProperty} ${className}`);
        }
        requestAnimationFrame(look);
      };
      look();
    });
    const { title } = await erin.post({ title: "Quietly posted" });
    await window.row(title).waitFor();
    await window.toast(`New job: $100.00 · ${title}`);
    await window.openJob(title);
    await window.openAccountMenu();
    await window.page.keyboard.press("Escape");
    await window.go("Wallet");
    await window.walletShows({ Earned: "$0.00" });
    assert.deepEqual([...new Set(await window.page.evaluate(() => globalThis.moved))], []);
  });
});
