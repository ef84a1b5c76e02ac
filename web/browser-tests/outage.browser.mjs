// What the app does when something is away: the network, the hub, the services, a part of the page; and when a server sends
// what it should not. Each time it says so, stays usable, loses nothing, and comes back by itself.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Browser, picture } from "./browser.mjs";
import { openPassage } from "./passage.mjs";
import { eventually, PayChain } from "./paychain.mjs";
import { register } from "./people.mjs";
import { startFanfare } from "./server.mjs";

const MINUTE = 60_000;

/** What a list says of itself that could not be loaded again. */
const STALE = "May be out of date.";

describe("outages", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let passage;
  let employer;
  let worker;
  const servers = [];

  before(async () => {
    browser = await Browser.launch();
    server = await startFanfare();
    servers.push(server);
    employer = await register(server, "employer", "Erin Vale");
    worker = await register(server, "worker", "Wanda Reyes");
  });
  afterEach(async () => {
    const complaints = await browser.reset();
    passage?.close();
    passage = undefined;
    // That a part is missing is told to developers too.
    assert.deepEqual(
      complaints.filter((complaint) => !complaint.startsWith("PartMissing")),
      [],
    );
  });
  after(async () => {
    await browser?.close();
    for (const started of servers) await started.stop();
  });

  /** Calls of the services from a page, by path. */
  const API = /\/(auth|users|jobs|payments|wallet)(\/|\?|$)/;

  it("without a network it says since when, tries nothing, and is back at once with the network", async () => {
    passage = await openPassage(server);
    const context = await browser.context();
    const window = await PayChain.open(context, passage);
    await window.page.clock.install();
    await window.page.reload();
    let attempts = 0;
    window.page.on("websocket", () => {
      attempts += 1;
    });
    await window.signIn(worker);
    await window.live();
    assert.equal(attempts, 1);

    await context.setOffline(true);
    passage.cut();
    await window.connectionIs(/^Offline since \d\d:\d\d$/);
    assert.equal(await window.tryNow().count(), 0);
    await picture(window.page, "paychain-offline-light");
    await window.page.clock.runFor(5 * MINUTE);
    assert.match(await window.connection(), /^Offline since/);
    assert.equal(attempts, 1, "it tried although there is no network");

    // No timer runs any more: whatever brings it back is the network's return.
    await window.page.clock.pauseAt(Date.now() + 6 * MINUTE);
    await context.setOffline(false);
    await window.live();
    assert.equal(attempts, 2);
  });

  it("what happened while it was away is there when it is back", async () => {
    passage = await openPassage(server);
    const window = await PayChain.open(await browser.context(), passage);
    await window.page.clock.install();
    await window.page.reload();
    await window.signIn(worker);
    await window.live();
    passage.sockets = false;
    passage.cut();
    await window.connectionIs("Reconnecting");
    const { title } = await employer.post({ title: "Posted while the line was cut" });
    await eventually(() => assert.ok(passage.asked > 1));
    // Once the attempt that is under way has failed no timer runs any more: only the button brings it back.
    await window.page.clock.pauseAt(Date.now() + MINUTE);
    await window.tryNow({ disabled: false }).waitFor();
    passage.sockets = true;
    await window.tryNow().click();
    await window.live();
    await window.page.clock.resume();
    await window.row(title).waitFor();
  });

  it("a drain tells when the server will be back, and the window is back then", async () => {
    const own = await startFanfare();
    servers.push(own);
    const someone = await register(own, "worker", "Drew Park");
    const window = await PayChain.openAs(await browser.context(), own, someone);
    await window.live();
    const socket = window.page.waitForEvent("websocket", { timeout: 2 * MINUTE });
    const drained = own.drain();
    await eventually(async () => assert.match(await window.connection(), /^Reconnecting in \d+ s$/));
    await picture(window.page, "paychain-draining-light");
    assert.equal(await drained, 0);
    await own.start();
    await socket;
    await window.live();
  });

  it("a hub that can't be reached costs only the live updates", async () => {
    passage = await openPassage(server);
    passage.sockets = false;
    const window = await PayChain.openAs(await browser.context(), passage, employer);
    await window.connectionIs("Reconnecting");
    await window.post({ title: "Posted without a hub", pay: "25" });
    await window.row("Posted without a hub").waitFor();
    await eventually(() => assert.ok(passage.asked >= 3, "it does not go on trying"));
    await picture(window.page, "paychain-no-hub-light");
    passage.sockets = true;
    await window.live();
  });

  it("a server that closes at once is tried again and again, with pauses", async () => {
    const context = await browser.context();
    let opened = 0;
    await context.routeWebSocket("**/ws**", (socket) => {
      opened += 1;
      socket.close({ code: 1011, reason: "Internal error" });
    });
    const window = await PayChain.openAs(context, server, employer);
    await eventually(() => assert.ok(opened >= 3));
    assert.match(await window.connection(), /^Reconnecting/);
    await window.openPostDialog();
  });

  it("a server that can't be talked to is said to be so, with a button that tries again", async () => {
    const context = await browser.context();
    let broken = true;
    await context.routeWebSocket("**/ws**", (socket) => {
      if (broken) socket.close({ code: 1002, reason: "Protocol error" });
      else socket.connectToServer();
    });
    const window = await PayChain.openAs(context, server, employer);
    await window.connectionIs("The server could not read what this client sent.");
    await picture(window.page, "paychain-closed-light");
    broken = false;
    await window.page.getByRole("banner").getByRole("button", { name: "Connect" }).click();
    await window.live();
  });

  it("frames that make no sense are left alone", async () => {
    const context = await browser.context();
    const sockets = [];
    await context.routeWebSocket("**/ws**", (socket) => {
      socket.connectToServer();
      sockets.push(socket);
    });
    const window = await PayChain.openAs(context, server, worker);
    await window.live();
    const timestamp = new Date().toISOString();
    const frames = [
      "not JSON",
      "",
      "[]",
      "null",
      "{}",
      '{"type":7}',
      "\u0000",
      Buffer.from([0, 1, 2, 255]),
      JSON.stringify({ type: "of_the_future", data: { deep: [{}] }, timestamp }),
      JSON.stringify({ type: "__proto__", data: {}, timestamp }),
      ...[null, 7, "text", [], {}, { job_id: {}, title: 9, pay_amount_usd: "much", worker_id: [] }].flatMap(
        (data) =>
          ["job_created", "job_accepted", "payment_confirmed", "session_revoked", "error", "connected"].map(
            (type) => JSON.stringify({ type, data, timestamp }),
          ),
      ),
    ];
    for (const frame of frames) sockets[0].send(frame);
    const { title } = await employer.post({ title: "After the nonsense" });
    await window.row(title).waitFor();
    await window.toast(`New job: $100.00 · ${title}`);
    assert.match(await window.connection(), /^Live$/);
    assert.equal(sockets.length, 1, "the connection was given up");
    assert.deepEqual(await window.allToasts(), [`New job: $100.00 · ${title}`]);
  });

  it("with the services away what was loaded stays, and it says that it may be old", async () => {
    const context = await browser.context();
    const window = await PayChain.openAs(context, server, worker);
    const { title } = await employer.post({ title: "Seen before the outage" });
    await window.row(title).waitFor();
    await window.live();

    await context.route(API, (route) => route.abort("connectionrefused"));
    await employer.post({ title: "Posted during the outage" });
    const problem = window.page.getByRole("alert");
    await problem.filter({ hasText: STALE }).waitFor();
    await problem.getByText("The server can't be reached.").waitFor();
    await window.row(title).waitFor();
    await picture(window.page, "paychain-no-services-light");

    await window.go("Wallet");
    await problem.getByText("The wallet could not be loaded").waitFor();
    await window.go("Jobs");
    await problem.filter({ hasText: STALE }).waitFor();
    await context.unroute(API);
    // While it tries by itself the button waits; a press that comes too late finds it gone.
    await problem
      .getByRole("button", { name: "Retry" })
      .click({ force: true })
      .catch(() => undefined);
    // Under the pointer nothing would move.
    await window.page.mouse.move(1000, 500, { steps: 20 });
    await window.row("Posted during the outage").waitFor();
    await problem.waitFor({ state: "detached" });
  });

  it("a form keeps what was typed, and sending it again after a lost answer does not post twice", async () => {
    const context = await browser.context();
    const window = await PayChain.openAs(context, server, employer);
    const dialog = await window.openPostDialog();
    const job = { title: "Sent twice", pay: "33.30", type: "Writing", description: "Twelve pages." };
    await window.fillJob(dialog, job);

    // It does not arrive.
    await context.route("**/jobs", (route) => route.abort("connectionrefused"));
    await dialog.getByRole("button", { name: "Post job" }).click();
    await dialog.getByRole("alert").getByText("No answer came").waitFor();
    await dialog.getByRole("alert").getByText("Trying again is safe: it can't happen twice.").waitFor();
    await picture(window.page, "paychain-no-answer-light");
    await context.unroute("**/jobs");

    // It arrives, and the answer is lost.
    let arrived = 0;
    await context.route("**/jobs", async (route) => {
      await route.fetch();
      arrived += 1;
      await route.abort("connectionreset");
    });
    await dialog.getByRole("button", { name: "Post job" }).click();
    await eventually(() => assert.equal(arrived, 1));
    await dialog.getByRole("button", { name: "Post job" }).waitFor();
    await context.unroute("**/jobs");
    for (const [label, value] of [
      ["Title", job.title],
      ["Pay", "33.30"],
      ["Type", "writing"],
      ["Description", job.description],
    ]) {
      assert.equal(await dialog.getByLabel(label).inputValue(), value);
    }

    // It gets its answer.
    await dialog.getByRole("button", { name: "Post job" }).click();
    await window.jobHeading(job.title).waitFor();
    const { items } = await employer.call("GET", "jobs?mine=true&limit=100");
    assert.equal(items.filter(({ title }) => title === job.title).length, 1);
  });

  it("a form that is closed and opened again still has what was typed", async () => {
    const window = await PayChain.openAs(await browser.context(), server, employer);
    const dialog = await window.openPostDialog();
    await window.fillJob(dialog, { title: "Not finished yet", pay: "12.00" });
    await window.page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await window.openPostDialog();
    assert.equal(await dialog.getByLabel("Title").inputValue(), "Not finished yet");
    assert.equal(await dialog.getByLabel("Pay").inputValue(), "12.00");
  });

  it("parts of the app that can't be loaded take nothing else with them, and come when they can", async () => {
    const context = await browser.context();
    const window = await PayChain.openAs(context, server, worker);
    await window.live();
    // All files but those that the page itself names, as if a proxy failed in that moment.
    const first = await (await fetch(server.url)).text();
    const parts = (url) => url.pathname.startsWith("/app/") && !first.includes(url.pathname);
    await context.route(parts, (route) => route.abort("connectionrefused"));
    const second = await PayChain.open(context, server);
    await second.page.getByRole("heading", { name: "Jobs", level: 1 }).waitFor();
    await second.live();
    await second.page.getByRole("link", { name: "Wallet" }).click();
    await second.page.getByRole("alert").getByText("This page could not be loaded").waitFor();
    assert.equal(await second.notifications.count(), 0);
    await picture(second.page, "paychain-part-missing-light");
    await second.page.getByRole("link", { name: "Jobs" }).first().click();
    await second.page.getByRole("heading", { name: "Jobs", level: 1 }).waitFor();
    await second.page.getByRole("link", { name: "Wallet" }).click();
    // It comes by itself.
    await context.unroute(parts);
    await second.walletShows({ Earned: "$0.00" });
    await second.signedIn(worker.name);
  });
});
