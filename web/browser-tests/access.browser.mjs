// Every page and every dialog: axe finds nothing, nothing is wider than the window, and there is a picture of it in light,
// dark and phone width. What the keyboard does is in keyboard.browser.mjs.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { axe, Browser, DESKTOP, PHONE, picture } from "./browser.mjs";
import { eventually, PayChain } from "./paychain.mjs";
import { newcomer, register } from "./people.mjs";
import { startFanfare } from "./server.mjs";

const LOOKS = {
  light: DESKTOP,
  dark: { ...DESKTOP, colorScheme: "dark" },
  phone: PHONE,
};

const DAY = 86_400_000;

describe("access", { timeout: 300_000, concurrency: 2 }, () => {
  let server;
  let erin;
  let wanda;
  const jobs = {};

  before(async () => {
    server = await startFanfare();
    erin = await register(server, "employer", "Erin Vale");
    wanda = await register(server, "worker", "Wanda Reyes");
    const marek = await register(server, "worker", "Marek Novak");
    const post = (title, pay_amount_usd, job_type, more = {}) =>
      erin.post({ title, pay_amount_usd, job_type, ...more });
    jobs.completed = await post("Translate the menu into French", 240, "writing");
    jobs.cancelled = await post("Flyers for the spring market", 120, "design");
    jobs.others = await post("Type 300 recipes into the shop system", 360, "data_entry");
    jobs.accepted = await post("Landing page for a bakery", 1450, "development", {
      description: "One page with our opening hours and a form for orders.\n\nDone when it is live.",
      deadline: new Date(Date.now() + 6 * DAY + DAY / 24).toISOString(),
    });
    jobs.open = await post("Label design for three jams", 275.5, "design");
    await wanda.accept(jobs.completed.job_id);
    await erin.complete(jobs.completed.job_id);
    await wanda.accept(jobs.cancelled.job_id);
    await erin.cancel(jobs.cancelled.job_id);
    await marek.accept(jobs.others.job_id);
    await wanda.accept(jobs.accepted.job_id);
    await register(server, "employer", "Nia Newcomer");
    await register(server, "worker", "Noah Newcomer");
  });
  after(() => server?.stop());

  for (const [look, options] of Object.entries(LOOKS)) {
    describe(look, { concurrency: 1 }, () => {
      let browser;
      /** What is wrong with what was looked at. */
      const wrong = [];

      before(async () => {
        browser = await Browser.launch();
      });
      after(() => browser?.close());

      async function lookAt({ page }, name) {
        await picture(page, `paychain-${name}-${look}`);
        wrong.push(...(await axe(page)).map((violation) => `${name}: ${violation}`));
        const wider = await overflow(page);
        if (wider !== null) wrong.push(`${name}: ${wider}`);
      }

      async function nothingWrong() {
        const complaints = await browser.reset();
        assert.deepEqual([...wrong.splice(0), ...complaints], []);
      }

      async function openAs(person, path) {
        const window = await PayChain.openAs(await browser.context(options), server, person, path);
        await window.live();
        return window;
      }

      const show = async (window, job) => {
        await window.page.goto(`${server.url}#/jobs/${job.job_id}`);
        await window.jobHeading(job.title).waitFor();
        await window.nextStep.getByRole("heading").waitFor();
      };

      async function dialog(window, open, name) {
        await open();
        const shown = window.page.getByRole("dialog");
        await shown.waitFor();
        await lookAt(window, name);
        await window.page.keyboard.press("Escape");
        await shown.waitFor({ state: "detached" });
      }

      it("signing in and up", async () => {
        const window = await PayChain.open(await browser.context(options), server);
        await window.page.getByRole("button", { name: "Sign in" }).waitFor();
        await lookAt(window, "sign-in");
        await window.page.getByLabel("Email").fill(erin.email);
        await window.page.getByLabel("Password", { exact: true }).fill("not the password");
        await window.page.getByRole("button", { name: "Sign in" }).click();
        await window.page.getByText("The email or the password is wrong.").waitFor();
        await lookAt(window, "sign-in-wrong");
        await window.page.getByRole("link", { name: "Create account" }).click();
        await window.page.getByRole("button", { name: "Create account" }).waitFor();
        await lookAt(window, "sign-up");
        await window.page.getByRole("button", { name: "Create account" }).click();
        await window.page.getByText("Choose one of the two.").waitFor();
        await lookAt(window, "sign-up-errors");
        await nothingWrong();
      });

      it("an employer's pages", async () => {
        const window = await openAs(erin);
        await window.row(jobs.open.title).waitFor();
        await lookAt(window, "jobs");
        for (const kind of ["open", "accepted", "completed", "cancelled"]) {
          await show(window, jobs[kind]);
          await lookAt(window, `employer-${kind}`);
          if (kind !== "accepted") continue;
          const { detail } = window;
          await dialog(
            window,
            () => detail.getByRole("button", { name: /^Complete and pay/ }).click(),
            "complete",
          );
          await dialog(window, () => detail.getByRole("button", { name: "Cancel job" }).click(), "cancel");
        }
        await window.page.goto(`${server.url}#/jobs/999999`);
        await window.page.getByRole("heading", { name: "There is no such job" }).waitFor();
        await lookAt(window, "no-such-job");
        await window.go("Wallet");
        await window.page.getByRole("region", { name: "Ledger" }).getByRole("listitem").first().waitFor();
        await lookAt(window, "wallet");
        const deposit = () => window.page.getByRole("button", { name: "Deposit" }).click();
        await dialog(window, deposit, "deposit");
        await window.openAccountMenu();
        await lookAt(window, "menu");
        await window.page.getByRole("menuitem", { name: "Change name" }).click();
        await dialog(window, async () => {}, "rename");
        await window.openAccountMenu();
        await window.page.getByRole("menuitem", { name: "Sign out everywhere" }).click();
        await dialog(window, async () => {}, "sign-out-everywhere");
        await window.page.goto(`${server.url}#/nowhere`);
        await window.page.getByRole("heading", { name: "Page not found" }).waitFor();
        await lookAt(window, "not-found");
        await nothingWrong();
      });

      it("a worker's pages", async () => {
        const window = await openAs(wanda);
        await window.row(jobs.open.title).waitFor();
        await lookAt(window, "worker-jobs");
        for (const kind of ["open", "accepted", "others", "completed", "cancelled"]) {
          await show(window, jobs[kind]);
          await lookAt(window, `worker-${kind}`);
        }
        await window.page.goto(`${server.url}#/jobs?show=mine`);
        await window.row(jobs.accepted.title).waitFor();
        await lookAt(window, "worker-mine");
        await window.go("Wallet");
        await window.walletShows({ Earned: "$240.00", "Set aside for you": "$1,450.00" });
        await lookAt(window, "worker-wallet");
        await nothingWrong();
      });

      it("pages with nothing on them, and the form that posts a job", async () => {
        const window = await openAs({ ...newcomer("employer", "Nia Newcomer") });
        await window.page.getByRole("heading", { name: "You have not posted a job yet" }).waitFor();
        await lookAt(window, "jobs-empty");
        const form = await window.openPostDialog();
        await lookAt(window, "post");
        await window.fillJob(form, { pay: "much", deadline: "2020-01-01T10:00" });
        await form.getByRole("button", { name: "Post job" }).click();
        await form.getByText("Say in a few words what is to be done.").waitFor();
        await lookAt(window, "post-errors");
        await window.fillJob(form, { title: "Too dear", pay: "20000", deadline: "" });
        await form.getByRole("button", { name: "Post job" }).click();
        const refusal = form.getByText("There is too little in your wallet");
        await refusal.waitFor();
        await eventually(async () =>
          assert.ok(await isSeen(refusal), "the refusal is scrolled out of sight"),
        );
        await lookAt(window, "post-refused");
        await window.page.close();
        const other = await openAs({ ...newcomer("worker", "Noah Newcomer") }, "wallet");
        await other.page.getByRole("heading", { name: "No earnings yet" }).waitFor();
        await lookAt(other, "wallet-empty");
        await nothingWrong();
      });
    });
  }

  it("toasts", async () => {
    // On a server of their own: they would be in the other pictures too.
    const noisy = await startFanfare();
    const browser = await Browser.launch();
    try {
      const poster = await register(noisy, "employer", "Erin Vale");
      const worker = await register(noisy, "worker", "Wanda Reyes");
      for (const [look, options] of Object.entries(LOOKS)) {
        const window = await PayChain.openAs(await browser.context(options), noisy, worker);
        await window.live();
        // Not over the list: the new job would wait for it to go.
        await window.page.mouse.move(5, 5);
        const { title } = await poster.post({ title: `Newsletter, ${look}`, pay_amount_usd: 90 });
        await window.toast(`New job: $90.00 · ${title}`);
        await picture(window.page, `paychain-toasts-${look}`);
        assert.deepEqual(await axe(window.page), []);
        assert.equal(await overflow(window.page), null);
        await window.page.close();
      }
      assert.deepEqual(await browser.reset(), []);
    } finally {
      await browser.close();
      await noisy.stop();
    }
  });

  it("fits a small laptop, and a phone at night", async () => {
    const browser = await Browser.launch();
    try {
      for (const [name, options] of [
        ["jobs-1024", { viewport: { width: 1024, height: 768 } }],
        ["jobs-phone-dark", { ...PHONE, colorScheme: "dark" }],
      ]) {
        const context = await browser.context(options);
        const window = await PayChain.openAs(context, server, erin, `jobs/${jobs.accepted.job_id}`);
        await window.says(/is on it$/);
        await picture(window.page, `paychain-${name}`);
        assert.deepEqual(await axe(window.page), []);
        assert.equal(await overflow(window.page), null);
      }
      assert.deepEqual(await browser.reset(), []);
    } finally {
      await browser.close();
    }
  });
});

/** What stands over the edge of the window; null for nothing. */
async function overflow(page) {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) return `${scrollWidth - clientWidth} px wider than the window`;
    for (const button of document.querySelectorAll("button, select, input")) {
      const { left, right, width } = button.getBoundingClientRect();
      // What is for screen readers alone is a pixel wide.
      if (width > 2 && (left < 4 || right > clientWidth - 4)) {
        return `${button.textContent || button.name} reaches from ${left} to ${right} px`;
      }
    }
    return null;
  });
}

/** Whether something is on the screen, and nothing over it. */
async function isSeen(target) {
  return target.evaluate((element) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return element.contains(document.elementFromPoint(left + width / 2, top + height / 2));
  });
}
