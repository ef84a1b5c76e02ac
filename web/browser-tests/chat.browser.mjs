// The employer and the worker of a job talk: two people in two browsers, over the real hub and the real service. Leaves pictures
// in target/screenshots/.
//
//   node --test browser-tests/chat.browser.mjs      CHROMIUM names another browser, FANFARE another build

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { axe, Browser, DESKTOP, PHONE, picture } from "./browser.mjs";
import { openPassage } from "./passage.mjs";
import { eventually, PayChain } from "./paychain.mjs";
import { register } from "./people.mjs";
import { startFanfare } from "./server.mjs";
import { Talk } from "./talk.mjs";

describe("chat", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let passage;
  let number = 0;
  const servers = [];

  before(async () => {
    browser = await Browser.launch();
    server = await startFanfare();
    servers.push(server);
  });
  afterEach(async () => {
    const complaints = await browser.reset();
    passage?.close();
    passage = undefined;
    assert.deepEqual(complaints, []);
  });
  after(async () => {
    await browser?.close();
    for (const started of servers) await started.stop();
  });

  /** An employer, a worker, and a job of theirs that is under way. */
  async function pair(at = server) {
    number += 1;
    const erin = await register(at, "employer", `Erin Vale ${number}`);
    const wanda = await register(at, "worker", `Wanda Reyes ${number}`);
    const title = `Landing page ${number}`;
    const { job_id } = await erin.post({ title, pay_amount_usd: 450 });
    await wanda.accept(job_id);
    return { erin, wanda, title, job: job_id };
  }

  /** A window with the conversation of a job open. */
  async function talk(person, job, { at = server, options = DESKTOP, context } = {}) {
    const its = context ?? (await browser.context(options));
    const window = await PayChain.openAs(its, at, person, `jobs/${job}`);
    const talking = new Talk(window);
    await talking.open();
    return talking;
  }

  it("goes from the first word to the read ticks, with typing and presence, in two windows", async () => {
    const { erin, wanda, title, job } = await pair();
    const hers = await talk(erin, job);
    await hers.panel.getByText("No messages yet").waitFor();
    await hers.presence("Away");
    await picture(hers.page, "paychain-chat-empty-light");
    const theirs = await talk(wanda, job);
    await hers.presence("Online");
    await theirs.presence("Online");

    await hers.field.pressSequentially("When can you");
    await theirs.types(`Employer #${erin.id}`);
    await picture(theirs.page, "paychain-chat-typing-light");
    await hers.field.fill("When can you start?\nThe photos are ready.");
    await hers.field.press("Enter");
    await theirs.has(`Employer #${erin.id}: When can you start?\nThe photos are ready.`);
    await theirs.typesNoMore();
    assert.equal(await hers.field.inputValue(), "");

    // The worker's window was opened last and has the focus; the employer's tick turns.
    await theirs.page.bringToFront();
    await hers.tick(0, "Read");
    await theirs.send("Tomorrow at nine.");
    await hers.has(`Worker #${wanda.id}: Tomorrow at nine.`);
    await hers.page.bringToFront();
    await theirs.tick(0, "Read");
    assert.deepEqual(await axe(hers.page), []);
    await hers.send("See you then.");
    await theirs.has(`Employer #${erin.id}: See you then.`);
    await picture(hers.page, "paychain-chat-light");
    await hers.page.emulateMedia({ colorScheme: "dark" });
    await picture(hers.page, "paychain-chat-dark");
    assert.deepEqual(await axe(hers.page), []);
    assert.equal(await hers.window.overflow(), 0);
    await theirs.page.close();
    await hers.presence("Away");
    assert.ok(await hers.window.jobHeading(title).isVisible());
  });

  it("counts what was not read where it can be seen, and no more once it was", async () => {
    const { erin, wanda, title, job } = await pair();
    const window = await PayChain.openAs(await browser.context(), server, wanda);
    await window.live();
    for (const text of ["One", "Two"]) {
      await erin.call("POST", `api/chat/${wanda.id}/messages`, { message: text });
    }
    const place = window.page
      .getByRole("navigation", { name: "Main" })
      .getByRole("link", { name: "Messages 2 unread" });
    await place.waitFor();
    await window.go("Jobs");
    await picture(window.page, "paychain-chat-unread-light");
    await place.click();
    const row = window.page.getByRole("list", { name: "Conversations, latest first" }).getByRole("link");
    assert.match(await row.innerText(), /Two/);
    await picture(window.page, "paychain-chat-conversations-light");
    await row.click();
    const talking = new Talk(window);
    await talking.has(`Employer #${erin.id}: Two`);
    await window.page
      .getByRole("navigation", { name: "Main" })
      .getByRole("link", { name: "Messages", exact: true })
      .waitFor();
    await eventually(async () => {
      const now = await erin.call("GET", `api/chat/${wanda.id}/messages`);
      assert.deepEqual(
        now.items.map(({ read }) => read),
        [true, true],
      );
    });

    // The button of the job counts too.
    await window.page.goto(`${server.url}#/jobs/${job}`);
    await window.jobHeading(title).waitFor();
    await erin.call("POST", `api/chat/${wanda.id}/messages`, { message: "Three" });
    await window.page.getByRole("button", { name: `Message Employer #${erin.id} 1 unread` }).waitFor();
    await window.page.getByRole("button", { name: `Message Employer #${erin.id} 1 unread` }).click();
    await talking.has(`Employer #${erin.id}: Three`);
    await window.page.getByRole("button", { name: `Message Employer #${erin.id}`, exact: true }).waitFor();
  });

  it("another tab and another device of one user stay in step", async () => {
    const { erin, wanda, job } = await pair();
    const context = await browser.context();
    const tab = await talk(erin, job, { context });
    const other = new Talk(await PayChain.open(context, server, `jobs/${job}`));
    await other.open();
    const device = await talk(erin, job);
    const theirs = await talk(wanda, job);
    await tab.send("From the first tab");
    await other.has("You: From the first tab");
    await device.has("You: From the first tab");
    await theirs.send("Seen");
    for (const talking of [tab, other, device]) await talking.has(`Worker #${wanda.id}: Seen`);
    await theirs.page.bringToFront();
    for (const talking of [tab, other, device]) await talking.tick(0, "Read");
  });

  it("whoever was offline and comes back misses nothing, and what was written meanwhile is sent once", async () => {
    const { erin, wanda, job } = await pair();
    passage = await openPassage(server);
    const context = await browser.context();
    const hers = await talk(erin, job, { at: passage, context });
    const theirs = await talk(wanda, job);
    await theirs.send("Before");
    await hers.has(`Worker #${wanda.id}: Before`);

    await context.setOffline(true);
    passage.cut();
    await hers.window.connectionIs(/^Offline since/);
    await theirs.send("While you were away: one");
    await theirs.send("While you were away: two");
    await hers.field.fill("Written without a network");
    await hers.field.press("Enter");
    await hers.panel.getByRole("alert").getByText("this device has no network").waitFor();
    await picture(hers.page, "paychain-chat-offline-light");
    await context.setOffline(false);
    await hers.window.live();
    await hers.has("You: Written without a network");
    await theirs.has(`Employer #${erin.id}: Written without a network`);
    await eventually(async () => {
      const texts = await hers.texts();
      for (const text of ["one", "two"]) {
        assert.equal(
          texts.filter((each) => each.endsWith(`While you were away: ${text}`)).length,
          1,
          String(texts),
        );
      }
      assert.equal(texts.filter((each) => each === "You: Written without a network").length, 1);
      assert.equal(await hers.panel.getByRole("alert").count(), 0);
    });
    assert.equal(
      (await theirs.texts()).filter((each) => each.endsWith("Written without a network")).length,
      1,
    );
  });

  it("a message whose answer is lost on the way is stored once, and its writer sees that it is", async () => {
    const { erin, wanda, job } = await pair();
    const context = await browser.context();
    let lost = 0;
    await context.routeWebSocket("**/ws**", (socket) => {
      const far = socket.connectToServer();
      far.onMessage((frame) => {
        const answers = String(frame).includes('"type":"ack"') && String(frame).includes("send_message");
        if (!answers || lost >= 2) return socket.send(frame);
        lost += 1;
        far.close();
        socket.close({ code: 1011, reason: "Internal error" });
      });
    });
    const hers = await talk(erin, job, { context });
    for (const place of [1, 2]) {
      await hers.window.live();
      await hers.field.fill("The same words");
      await hers.field.press("Enter");
      await eventually(() => assert.equal(lost, place));
    }
    await hers.window.live();
    await eventually(async () => {
      assert.deepEqual(await hers.texts(), ["You: The same words", "You: The same words"]);
      assert.equal(await hers.panel.getByText("Sent", { exact: true }).count(), 2);
      assert.equal(await hers.panel.getByRole("alert").count(), 0);
    });
    const { items } = await wanda.call("GET", `api/chat/${erin.id}/messages`);
    assert.deepEqual(
      items.map(({ message }) => message),
      ["The same words", "The same words"],
    );
  });

  it("a server that is killed and comes back costs nobody a word", async () => {
    const own = await startFanfare();
    servers.push(own);
    const { erin, wanda, job } = await pair(own);
    const hers = await talk(erin, job, { at: own });
    const theirs = await talk(wanda, job, { at: own });
    await hers.send("Before");
    await theirs.has(`Employer #${erin.id}: Before`);
    await own.kill();
    await hers.window.connectionIs("Reconnecting");
    await hers.field.fill("While it was down");
    await hers.field.press("Enter");
    await hers.panel.getByRole("alert").waitFor();
    await own.start();
    for (const talking of [hers, theirs]) await talking.window.live();
    await theirs.has(`Employer #${erin.id}: While it was down`);
    await theirs.send("After");
    await hers.has(`Worker #${wanda.id}: After`);
    assert.deepEqual(
      (await theirs.texts()).map((text) => text.split(": ")[1]),
      ["Before", "While it was down", "After"],
    );
  });

  it("earlier messages come when one scrolls up, and the place stays", async () => {
    const { erin, wanda, job } = await pair();
    for (let at = 1; at <= 130; at += 1) {
      await erin.call("POST", `api/chat/${wanda.id}/messages`, { message: `Number ${at}` });
    }
    const theirs = await talk(wanda, job);
    await theirs.has(`Employer #${erin.id}: Number 130`);
    assert.equal((await theirs.texts()).length, 50);
    await theirs.log.evaluate((log) => log.scrollTo({ top: 0 }));
    await theirs.has(`Employer #${erin.id}: Number 31`);
    // What was read stays where it was: the log is not at its start.
    assert.ok(await theirs.log.evaluate((log) => log.scrollTop > 400));
    await eventually(async () => {
      await theirs.log.evaluate((log) => log.scrollTo({ top: 0 }));
      assert.equal((await theirs.texts()).length, 130);
    });
    // New ones do not move it; a pill leads to them.
    await theirs.log.evaluate((log) => log.scrollTo({ top: 0 }));
    await erin.call("POST", `api/chat/${wanda.id}/messages`, { message: "The newest" });
    const pill = theirs.panel.getByRole("button", { name: "1 new message" });
    await pill.waitFor();
    assert.ok(await theirs.log.evaluate((log) => log.scrollTop < 200));
    await pill.click();
    await theirs.panel.getByText("The newest").waitFor();
    await pill.waitFor({ state: "detached" });
  });

  it("text is text, whatever it holds", async () => {
    const { erin, wanda, job } = await pair();
    const hers = await talk(erin, job);
    const theirs = await talk(wanda, job);
    const texts = [
      '<img src=x onerror="globalThis.hacked=1"><script>globalThis.hacked=1</script>',
      "javascript:alert(1) {{7*7}} &lt;b&gt;",
      "שלום \u202eevil\u202c 👩‍👩‍👧 𝒳",
      `long ${"w".repeat(3000)}`,
    ];
    for (const text of texts) await hers.send(text);
    for (const text of texts) await theirs.has(`Employer #${erin.id}: ${text}`);
    assert.equal(await theirs.page.evaluate(() => globalThis.hacked), undefined);
    assert.equal(await theirs.log.locator("img, script").count(), 0);
    assert.equal(await theirs.window.overflow(), 0);
    await picture(theirs.page, "paychain-chat-texts-light");
  });

  it("somebody who is blocked is told so, and can write again after that", async () => {
    const { erin, wanda, job } = await pair();
    const hers = await talk(erin, job);
    const theirs = await talk(wanda, job);
    await hers.choose(`Block Worker #${wanda.id}`);
    await hers.panel.getByText(`You blocked Worker #${wanda.id}. They can't write to you.`).waitFor();
    await picture(hers.page, "paychain-chat-blocked-light");
    await theirs.field.fill("Are you there?");
    await theirs.field.press("Enter");
    await theirs.panel
      .getByRole("alert")
      .getByText(`Employer #${erin.id} does not take messages of yours.`)
      .waitFor();
    await picture(theirs.page, "paychain-chat-refused-light");
    await theirs.panel.getByRole("button", { name: "Discard" }).click();
    await hers.panel.getByRole("button", { name: "Undo" }).click();
    await hers.field.waitFor();
    await theirs.send("Are you there?");
    await hers.has(`Worker #${wanda.id}: Are you there?`);
  });

  it("works with the keyboard alone, and keeps a draft", async () => {
    const { erin, wanda, job, title } = await pair();
    const window = await PayChain.openAs(await browser.context(), server, erin, `jobs/${job}`);
    await window.jobHeading(title).waitFor();
    const button = window.page.getByRole("button", { name: `Message Worker #${wanda.id}` });
    await button.focus();
    await window.page.keyboard.press("Enter");
    const talking = new Talk(window);
    await talking.field.waitFor();
    await eventually(async () =>
      assert.ok(await talking.field.evaluate((field) => field === document.activeElement)),
    );
    await window.page.keyboard.type("First line");
    await window.page.keyboard.press("Shift+Enter");
    await window.page.keyboard.type("second");
    await window.page.keyboard.press("Escape");
    await talking.panel.waitFor({ state: "detached" });
    await eventually(async () => assert.ok(await button.evaluate((own) => own === document.activeElement)));
    await window.page.reload();
    await talking.open();
    assert.equal(await talking.field.inputValue(), "First line\nsecond");
    await talking.field.press("Enter");
    await talking.has("You: First line\nsecond");
  });

  it("on a phone the conversation is a screen of its own, with a way back", async () => {
    const { erin, wanda, job, title } = await pair();
    const theirs = await talk(wanda, job, { options: { ...PHONE, colorScheme: "dark" } });
    await erin.call("POST", `api/chat/${wanda.id}/messages`, {
      message: "Can you send a first sketch today?",
    });
    await theirs.has(`Employer #${erin.id}: Can you send a first sketch today?`);
    await theirs.send("Yes, by six. I will bring two versions, so that you can choose.");
    assert.equal(await theirs.window.overflow(), 0);
    assert.deepEqual(await axe(theirs.page), []);
    await picture(theirs.page, "paychain-chat-phone-dark");
    await theirs.page.emulateMedia({ colorScheme: "light" });
    await picture(theirs.page, "paychain-chat-phone-light");
    await theirs.panel.getByRole("button", { name: "Back" }).click();
    await theirs.window.jobHeading(title).waitFor();
    await picture(theirs.page, "paychain-chat-phone-job-light");
    await theirs.page
      .getByRole("navigation", { name: "Main" })
      .getByRole("link", { name: "Messages" })
      .click();
    await theirs.page.getByRole("list", { name: "Conversations, latest first" }).waitFor();
    await picture(theirs.page, "paychain-chat-phone-conversations-light");
  });
});
