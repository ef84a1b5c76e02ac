// Sign-ins over time: tokens that end while a window is open, sessions that are ended elsewhere, several windows and several
// accounts in one browser.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Browser, picture } from "./browser.mjs";
import { eventually, PayChain } from "./paychain.mjs";
import { claimsOf, register, signIn } from "./people.mjs";
import { startFanfare } from "./server.mjs";

// Most of the time is waited for tokens to end: the tests wait together.
describe("sign-ins", { timeout: 300_000, concurrency: 3 }, () => {
  let browser;
  let server;
  /** Its access tokens live for seconds only. */
  let hasty;

  before(async () => {
    browser = await Browser.launch();
    [server, hasty] = await Promise.all([startFanfare(), startFanfare({ ACCESS_TOKEN_TTL: "6s" })]);
  });
  after(async () => {
    const complaints = await browser?.reset();
    await browser?.close();
    await server?.stop();
    await hasty?.stop();
    assert.deepEqual(complaints, []);
  });

  it("a connection outlives its tokens without being made anew, and calls go on", async () => {
    const erin = await register(hasty, "employer", "Edith Vale");
    const context = await browser.context();
    const window = await PayChain.open(context, hasty);
    const sockets = socketsOf(window.page);
    const refused = refusals(context);
    await window.signIn(erin);
    await window.live();
    await eventually(() => assert.ok(sockets[0].renewals >= 3, `${sockets[0].renewals} renewals`), 120_000);
    assert.match(await window.connection(), /^Live$/);
    await window.post({ title: "Posted with a later token", pay: "10" });
    await window.row("Posted with a later token").waitFor();
    assert.equal(sockets.length, 1, "there was another connection");
    assert.deepEqual(sockets[0].ends, []);
    assert.deepEqual(refused, []);
  });

  it("two windows of one account stay signed in: no refresh token is sent twice", async () => {
    const wanda = await register(hasty, "worker", "Wes Tallow");
    const context = await browser.context();
    const sent = refreshesOf(context);
    const refused = refusals(context);
    const first = await PayChain.openAs(context, hasty, wanda);
    const second = await PayChain.open(context, hasty);
    await second.signedIn(wanda.name);
    const both = [first, second];
    const before = sent.length;
    await eventually(() => assert.ok(sent.length >= before + 6, `${sent.length} renewals`), 120_000);
    for (const window of both) await window.live();
    for (const window of both) await window.go("Wallet");
    for (const window of both) await window.walletShows({ Earned: "$0.00" });
    assert.equal(new Set(sent).size, sent.length, "a refresh token was sent twice");
    assert.deepEqual(refused, []);
  });

  it("a sign-in that is ended on another device ends here, with a reason, after one question", async () => {
    const wanda = await register(server, "worker", "Wanda Reyes");
    const context = await browser.context();
    const window = await PayChain.open(context, server);
    const sockets = socketsOf(window.page);
    const sent = refreshesOf(context);
    await window.signIn(wanda);
    await window.live();
    const other = await signIn(server, wanda);
    await other.logOutEverywhere();
    const reason = await window.signedOut();
    assert.match(reason, /^Wanda Reyes was signed out: .* on another device/);
    await picture(window.page, "paychain-signed-out-light");
    await eventually(() => assert.equal(sockets[0].isClosed, true));
    assert.equal(sockets.length, 1);
    assert.equal(sent.length, 1);
    // Reloading does not bring it back, and signing in does.
    await window.page.reload();
    await window.signIn(wanda);
    await window.live();
  });

  it("a connection that is closed with 4001 comes back with a new token", async () => {
    const wanda = await register(server, "worker", "Wren Adler");
    const context = await browser.context();
    const window = await PayChain.open(context, server);
    const sockets = socketsOf(window.page);
    const sent = refreshesOf(context);
    const call = window.page.waitForRequest((request) => "authorization" in request.headers());
    await window.signIn(wanda);
    await window.live();
    const { sid } = claimsOf((await call).headers().authorization);
    await server.publish({ type: "of_no_meaning", user_id: wanda.id, data: {}, close_sessions: [sid] });
    await eventually(() => assert.equal(sockets.length, 2));
    await window.live();
    assert.equal(sockets[0].isClosed, true);
    assert.equal(sent.length, 1);
    assert.equal(await window.accountButton(wanda.name).count(), 1);
  });

  it("a reload, and a window opened later, keep the sign-in", async () => {
    const wanda = await register(server, "worker", "Wyn Castle");
    const context = await browser.context();
    const window = await PayChain.openAs(context, server, wanda, "wallet");
    await window.walletShows({ Earned: "$0.00" });
    await window.page.reload();
    await window.walletShows({ Earned: "$0.00" });
    await window.live();
    await window.page.close();
    const later = await PayChain.open(context, server);
    await later.signedIn(wanda.name);
    await later.live();
  });

  it("two windows of one browser play two roles", async () => {
    const erin = await register(server, "employer", "Elin Moss");
    const wanda = await register(server, "worker", "Will Osei");
    const context = await browser.context();
    const left = await PayChain.openAs(context, server, erin);
    const right = await PayChain.open(context, server);
    await right.signedIn(erin.name);
    const menu = await right.openAccountMenu();
    await menu.getByRole("menuitem", { name: "Use another account" }).click();
    await right.signedOut();
    await right.page.getByRole("button", { name: `Continue as ${erin.name}` }).waitFor();
    await picture(right.page, "paychain-another-account-light");
    await right.signIn(wanda);
    await Promise.all([left.live(), right.live()]);

    await left.post({ title: "Two roles in one browser", pay: "60" });
    await right.openJob("Two roles in one browser");
    await right.accept();
    await left.toast(/^Your job was accepted: .*Two roles in one browser$/);
    for (const [window, { name }] of [
      [left, erin],
      [right, wanda],
    ]) {
      await window.page.reload();
      await window.signedIn(name);
      await window.jobHeading("Two roles in one browser").waitFor();
    }

    // Each can be used in the other's window too, and signing one out leaves the other alone.
    await (await right.openAccountMenu()).getByRole("menuitem", { name: erin.name }).click();
    await right.signedIn(erin.name);
    await (await left.openAccountMenu()).getByRole("menuitem", { name: "Sign out", exact: true }).click();
    assert.equal(await left.signedOut(), "Elin Moss is signed out.");
    assert.equal(await right.signedOut(), "Elin Moss was signed out in another window.");
    await right.page.getByRole("button", { name: `Continue as ${wanda.name}` }).click();
    await right.signedIn(wanda.name);
    await right.live();
    await (await right.openAccountMenu()).getByRole("menuitem", { name: "Sign out everywhere" }).click();
    await right.page.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
    assert.equal(await right.signedOut(), "Will Osei is signed out on all devices.");
  });
});

/** The WebSockets that a page opens from now on, each with how often it renewed its token and how it ended. */
function socketsOf(page) {
  const sockets = [];
  page.on("websocket", (socket) => {
    const seen = { renewals: 0, isClosed: false, ends: [] };
    sockets.push(seen);
    socket.on("framesent", ({ payload }) => {
      if (JSON.parse(String(payload)).type === "refresh") seen.renewals += 1;
    });
    socket.on("socketerror", (error) => seen.ends.push(error));
    socket.on("close", () => {
      seen.isClosed = true;
    });
  });
  return sockets;
}

/** The refresh tokens that a browser sends from now on. */
function refreshesOf(context) {
  const sent = [];
  context.on("request", (request) => {
    if (request.url().endsWith("/auth/refresh")) sent.push(request.postDataJSON().refresh_token);
  });
  return sent;
}

/** The calls from now on that were answered with 401. */
function refusals(context) {
  const refused = [];
  context.on("response", (response) => {
    if (response.status() === 401) refused.push(response.url());
  });
  return refused;
}
