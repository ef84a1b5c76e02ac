// The story of two jobs, by two people in two browsers, with the server killed in the middle. Leaves a picture of each step
// in target/screenshots/, and the README's picture.
//
//   node --test browser-tests/story.browser.mjs      CHROMIUM names another browser, FANFARE another build

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Browser, DESKTOP, picture } from "./browser.mjs";
import { eventually, PayChain } from "./paychain.mjs";
import { newcomer, register } from "./people.mjs";
import { startFanfare } from "./server.mjs";

describe("the story of a job", { timeout: 300_000 }, () => {
  let browser;
  const servers = [];

  before(async () => {
    browser = await Browser.launch();
  });
  afterEach(async () => {
    const complaints = await browser.reset();
    for (const server of servers.splice(0)) await server.stop();
    assert.deepEqual(complaints, []);
  });
  after(() => browser?.close());

  async function start() {
    const server = await startFanfare();
    servers.push(server);
    return server;
  }

  /** What the employer hears of an acceptance: with the sum, where the payment's event is there at the same moment. */
  const accepted = (title) => new RegExp(`^Your job was accepted: (\\$[\\d,.]+ · )?${title}$`);

  /** What is said of a payment where its event comes long before or after the job's; else the two have one toast. */
  const ALONE = ["Payment held", "Payment held for you", "Payment returned to the employer"];

  /** Of what kinds toasts were, each once. */
  async function kinds(window) {
    const all = new Set((await window.allToasts()).map((text) => text.split(": ")[0]));
    return [...all].filter((kind) => !ALONE.includes(kind)).sort();
  }

  it("goes from post to pay in two windows, over a server that is killed and started again", async () => {
    const server = await start();
    const erin = await PayChain.open(await browser.context(), server);
    await erin.page.getByRole("link", { name: "Create account" }).click();
    await picture(erin.page, "paychain-sign-up-light");
    await erin.signUp(newcomer("employer", "Erin Vale"));
    await erin.live();
    await erin.page.getByRole("heading", { name: "You have not posted a job yet" }).waitFor();
    await picture(erin.page, "paychain-nothing-posted-light");

    const wanda = await PayChain.open(await browser.context(), server);
    await wanda.signUp(newcomer("worker", "Wanda Reyes"));
    await wanda.live();
    await wanda.page.getByRole("heading", { name: "No job is open right now" }).waitFor();
    for (const window of [erin, wanda]) await window.mark();

    // Posted: the worker sees it come.
    const title = "Landing page for a bakery";
    await erin.post({
      title,
      pay: "450",
      type: "Design",
      description: "One page, four sections, our photos.\nDone when it is live on our domain.",
    });
    await erin.says("Waiting for a worker");
    await picture(erin.page, "paychain-posted-light");
    await wanda.row(title).waitFor();
    await wanda.toast(`New job: $450.00 · ${title}`);
    await picture(wanda.page, "paychain-appeared-light");

    // Accepted: the employer sees it.
    await wanda.openJob(title);
    await wanda.accept();
    await picture(wanda.page, "paychain-accepted-light");
    await erin.says(/^Worker #\d+ is on it$/);
    await erin.toast(accepted(title));
    await picture(erin.page, "paychain-was-accepted-light");

    // The power goes.
    await server.kill();
    for (const window of [erin, wanda]) {
      await window.connectionIs("Reconnecting");
      await window.tryNow().waitFor();
      await window.jobHeading(title).waitFor();
    }
    await picture(erin.page, "paychain-reconnecting-light");
    await server.start();
    for (const window of [erin, wanda]) await window.live();

    // Completed: the worker sees the money.
    await wanda.go("Wallet");
    await wanda.walletShows({ Earned: "$0.00", "Set aside for you": "$450.00" });
    await picture(wanda.page, "paychain-set-aside-light");
    await erin.complete();
    await picture(erin.page, "paychain-completed-light");
    await wanda.walletShows({ Earned: "$450.00", "Set aside for you": "$0.00" });
    await wanda.toast(`You were paid: $450.00 · ${title}`);
    await picture(wanda.page, "paychain-paid-light");
    await erin.go("Wallet");
    await erin.walletShows({ "Free to spend": "$9,550.00", "Held for jobs": "$0.00" });

    // A second job is accepted and cancelled: the money comes back.
    await erin.go("Jobs");
    const second = "Product photos of twelve loaves";
    await erin.post({ title: second, pay: "180.50" });
    await wanda.go("Jobs");
    await wanda.openJob(second);
    await wanda.accept();
    await erin.says(/^Worker #\d+ is on it$/);
    await erin.cancel();
    await picture(erin.page, "paychain-cancelled-light");
    await wanda.says("This job was cancelled");
    await wanda.toast(`A job you accepted was cancelled: Nothing was paid · ${second}`);
    await picture(wanda.page, "paychain-was-cancelled-light");
    await erin.go("Wallet");
    await erin.walletShows({ "Free to spend": "$9,550.00", "Held for jobs": "$0.00" });
    await eventually(async () => {
      // Without the time of day.
      const lines = (await erin.ledger()).map((line) => line.replace(/ \d+:\d\d [AP]M /, " "));
      assert.deepEqual(lines, [
        `Refunded for ${second} +$180.50 Balance $9,550.00`,
        `Set aside for ${second} −$180.50 Balance $9,369.50`,
        `Paid for ${title} −$450.00 Balance $9,550.00`,
        "Starting balance +$10,000.00 Balance $10,000.00",
      ]);
    });
    await picture(erin.page, "paychain-money-back-light");
    await wanda.go("Wallet");
    await wanda.walletShows({ Earned: "$450.00", "Set aside for you": "$0.00" });

    // Nothing was reloaded, and nobody was told what they did themselves.
    for (const window of [erin, wanda]) assert.equal(await window.isMarked(), true);
    assert.deepEqual(await kinds(erin), ["Your job was accepted"]);
    assert.deepEqual(await kinds(wanda), ["A job you accepted was cancelled", "New job", "You were paid"]);
  });

  it("looks like this in the README", async () => {
    const server = await start();
    const erin = await register(server, "employer", "Erin Vale");
    const [wanda, marek] = [
      await register(server, "worker", "Wanda Reyes"),
      await register(server, "worker", "Marek Novak"),
    ];
    const done = await erin.post({
      title: "Translate the menu into French",
      pay_amount_usd: 240,
      job_type: "writing",
    });
    await marek.accept(done.job_id);
    await erin.complete(done.job_id);
    const cancelled = await erin.post({
      title: "Flyers for the spring market",
      pay_amount_usd: 120,
      job_type: "design",
    });
    await erin.cancel(cancelled.job_id);
    const other = await erin.post({
      title: "Type 300 recipes into the shop system",
      pay_amount_usd: 360,
      job_type: "data_entry",
    });
    await marek.accept(other.job_id);
    const open = await erin.post({
      title: "Landing page for a bakery",
      pay_amount_usd: 1450,
      job_type: "development",
      description:
        "One page with our opening hours, the week's bread and a form for orders. Texts and photos are ready.\n\n" +
        "Done when it is live on our domain and loads in under two seconds on a phone.",
      deadline: new Date(Date.now() + 6 * 86_400_000 + 3_600_000).toISOString(),
    });
    await erin.post({ title: "Newsletter for June", pay_amount_usd: 90, job_type: "marketing" });
    await erin.post({ title: "Label design for three jams", pay_amount_usd: 275.5, job_type: "design" });

    const windows = [];
    for (const [colorScheme, name] of [
      ["light", "paychain"],
      ["dark", "paychain-dark"],
    ]) {
      const context = await browser.context({ ...DESKTOP, colorScheme });
      const window = await PayChain.openAs(context, server, erin, `jobs/${open.job_id}`);
      await window.says("Waiting for a worker");
      await window.row("Label design for three jams").waitFor();
      await window.live();
      await window.page.mouse.move(1000, 700);
      await window.page.evaluate(() => document.activeElement?.blur());
      windows.push({ window, name });
    }
    await wanda.accept(open.job_id);
    for (const { window, name } of windows) {
      await window.says(/is on it$/);
      await window.toast(accepted(open.title));
      await picture(window.page, name);
    }
  });
});
