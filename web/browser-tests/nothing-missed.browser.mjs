// Nothing missed and nothing twice: everything is killed without a warning, again and again, while two people work; what they
// are told of is exactly what happened.
//
//   node --test browser-tests/nothing-missed.browser.mjs

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Browser } from "./browser.mjs";
import { openPassage } from "./passage.mjs";
import { PayChain } from "./paychain.mjs";
import { register } from "./people.mjs";
import { startFanfare } from "./server.mjs";

describe("nothing missed", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let passage;

  before(async () => {
    browser = await Browser.launch();
    server = await startFanfare();
  });
  afterEach(async () => {
    passage?.close();
    const complaints = await browser.reset();
    // A page that asks a server which is not there says so on the console.
    const others = complaints.filter((line) => !/ERR_|WebSocket|502|503/.test(line));
    assert.deepEqual(others, []);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** The toasts of a window that name one of these titles, sorted. */
  async function toastsAbout(window, titles) {
    const all = await window.allToasts();
    return all.filter((text) => titles.some((title) => text.includes(title))).sort();
  }

  it("everything is killed three times; each toast comes once, of before, between and after", async () => {
    const erin = await register(server, "employer", "Erin Vale");
    const walt = await register(server, "worker", "Walt Imber");
    const wanda = await register(server, "worker", "Wanda Reyes");
    passage = await openPassage(server);
    const window = await PayChain.openAs(await browser.context(), passage, wanda);
    await window.live();

    const titles = [];
    const post = async (title) => {
      titles.push(title);
      return erin.post({ title, pay_amount_usd: 40 });
    };
    const told = (title) => window.toast(`New job: $40.00 · ${title}`);
    await post("Seen before anything broke");
    await told("Seen before anything broke");

    for (let round = 1; round <= 3; round += 1) {
      // More than three at once would be counted in one.
      await window.toastsGone();
      // Whether this was on its way to the window or in it when the process died is left to chance.
      const last = await post(`Posted right before kill ${round}`);
      await server.kill();
      passage.sockets = false;
      passage.cut();
      await server.start();
      // The window is not back yet: this it can have only from history.
      await post(`Missed in round ${round}`);
      await walt.accept(last.job_id);
      passage.sockets = true;
      await told(`Posted right before kill ${round}`);
      await told(`Missed in round ${round}`);
      await window.live();
    }

    const about = await toastsAbout(window, titles);
    assert.deepEqual(about, titles.map((title) => `New job: $40.00 · ${title}`).sort());
  });
});
