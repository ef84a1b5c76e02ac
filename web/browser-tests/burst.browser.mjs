// Fifty jobs at once: what it does to the list, to the toasts and to the server.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Browser, picture } from "./browser.mjs";
import { eventually, PayChain } from "./paychain.mjs";
import { register } from "./people.mjs";
import { startFanfare } from "./server.mjs";

const MANY = 50;

describe("a burst of jobs", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let employer;
  let worker;

  before(async () => {
    browser = await Browser.launch();
    server = await startFanfare();
    employer = await register(server, "employer", "Erin Vale");
    worker = await register(server, "worker", "Wanda Reyes");
    for (const title of ["The first", "The second", "The third"]) await employer.post({ title });
  });
  afterEach(async () => {
    assert.deepEqual(await browser.reset(), []);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** Posts them, several at a time. */
  async function burst(name) {
    let posted = 0;
    const post = async () => {
      while (posted < MANY) {
        posted += 1;
        await employer.post({ title: `${name} ${posted}`, pay_amount_usd: posted });
      }
    };
    await Promise.all([post(), post(), post(), post()]);
  }

  /** The titles of all open jobs, newest first. */
  async function openTitles() {
    const titles = [];
    for (let next = ""; next !== null; ) {
      const page = await employer.call("GET", `jobs?status=open&limit=100${next && `&cursor=${next}`}`);
      titles.push(...page.items.map((job) => job.title));
      next = page.next;
    }
    return titles;
  }

  it("is in the list as it should be, with three toasts at most and a handful of calls", async () => {
    const window = await PayChain.openAs(await browser.context(), server, worker);
    await window.live();
    await window.row("The third").waitFor();
    const lists = [];
    window.page.on("request", (request) => {
      if (/\/jobs\?.*status=open/.test(request.url())) lists.push(request.url());
    });

    const began = Date.now();
    await burst("Quick job");
    const open = await openTitles();
    await eventually(async () => {
      const shown = await window.titles();
      assert.ok(shown.length >= MANY, `${shown.length} are shown`);
      assert.deepEqual(shown, open.slice(0, shown.length));
    });
    // The window may be behind those who post: it asks as long as it is.
    const took = Date.now() - began;
    await picture(window.page, "paychain-burst-light");

    // The last toast counts; all that came are told of.
    assert.ok((await window.mostToasts()) <= 3, `${await window.mostToasts()} toasts at once`);
    await eventually(async () => {
      // Of each toast that there was the last text: some may be gone when a slow machine looks.
      const all = await window.allToasts();
      const told = all.map((text) => Number(/^(\d+) more jobs/.exec(text)?.[1] ?? 1));
      const sum = told.reduce((one, other) => one + other, 0);
      assert.equal(sum, MANY, JSON.stringify(all));
    });
    await picture(window.page, "paychain-burst-toasts-light");
    // Two rounds a second, and two pages at the end.
    const most = Math.ceil(took / 500) * 2 + 4;
    assert.ok(lists.length <= most, `${lists.length} lists were asked for in ${took} ms, at most ${most}`);
    assert.ok(lists.length < MANY, "each event had its own call");
  });

  it("waits behind a pill while the list is being read", async () => {
    const window = await PayChain.openAs(await browser.context(), server, worker);
    await window.live();
    const top = (await openTitles())[0];
    await window.row(top).first().waitFor();
    await window.row(top).first().hover();
    const before = await window.row(top).first().boundingBox();
    const read = await window.titles();

    await burst("Waiting job");
    const pill = window.page.getByRole("button", { name: `${MANY} new jobs` });
    await pill.waitFor();
    // What is older may be added below, where it moves nothing.
    assert.deepEqual((await window.titles()).slice(0, read.length), read);
    assert.deepEqual(await window.row(top).first().boundingBox(), before, "it moved under the pointer");
    await picture(window.page, "paychain-pill-light");
    await pill.click();
    await window.row(`Waiting job ${MANY}`).waitFor();
    const shown = await window.titles();
    assert.deepEqual(shown, (await openTitles()).slice(0, shown.length));
    assert.equal(new Set(shown).size, shown.length);
  });
});
