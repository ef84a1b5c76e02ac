// The demo page of the social world in Chromium, against the real `fanfare up`, with the Socket.IO client that the hub serves and with
// the untouched one of 4.5.4 in its place: bell, posts and orders, chat between two people, and what happens when one is away. Leaves
// pictures. The client's script by itself is in packages/compat, the page's logic in playground-tests.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, it } from "node:test";

import { axe, DESKTOP, PHONE, picture } from "./browser.mjs";
import { register } from "./people.mjs";
import { freePort } from "./ports.mjs";
import { token } from "./server.mjs";
import { button, DEVICES, isSound, live, MARKUP, radio, signIn, text, worlds } from "./worlds.mjs";

const SECRET = "a secret of more than 32 bytes, for this test only";
const { resolve } = createRequire(import.meta.url);

/** The Socket.IO client by its age: what takes the place of the hub's own, if anything does. */
const CLIENTS = new Map([
  ["4.5.4", join(resolve("socket.io-client-4.5.4/package.json"), "../dist/socket.io.min.js")],
  ["the hub's own", null],
]);

const demos = worlds();

/** The page, in a context of its own, with the client of that age. */
async function openPage(age, { options = DESKTOP, at = demos.server } = {}) {
  const context = await demos.browser.context(options);
  let isTaken = false;
  await context.route("**/socket.io/socket.io.min.js", (route) => {
    isTaken = true;
    const path = CLIENTS.get(age);
    return path === null ? route.continue() : route.fulfill({ path, contentType: "text/javascript" });
  });
  const page = await context.newPage();
  page.isTaken = () => isTaken;
  await page.goto(`${at.url}playground/social`);
  return page;
}

/** The page of somebody with an account. */
async function openAs(person, age, options) {
  const page = await openPage(age, { options });
  await signIn(page, person);
  assert.equal(page.isTaken(), true);
  return page;
}

const chatWith = async (page, user) => {
  await page.getByLabel("User", { exact: true }).fill(String(user));
  await button(page, "Open").click();
  await page.getByRole("heading", { name: `User ${user}` }).waitFor();
};
const message = (page, words) => page.locator(".message-text").filter({ hasText: words });
const toast = (page, words) =>
  page.locator(".fanfare-toast-title").getByText(words, { exact: true }).waitFor();
const write = async (page, words) => {
  await page.getByLabel("Message", { exact: true }).fill(words);
  await button(page, "Send").click();
};
const offline = (page) =>
  page
    .locator(".top")
    .getByText(/^Offline since/)
    .waitFor();

/** What stands in the conversation, without who said it. */
const conversation = (page) =>
  page.locator(".message-text").evaluateAll((all) => all.map((one) => one.lastChild.textContent));

/** Waits until exactly this stands in the conversation. */
async function hasAll(page, wanted) {
  await page.waitForFunction(
    (count) => document.querySelectorAll(".message-text").length >= count,
    wanted.length,
  );
  assert.deepEqual(await conversation(page), wanted);
}

describe("the social page", { timeout: 300_000 }, () => {
  for (const [device, options] of DEVICES) {
    const age = device === "light" ? "4.5.4" : "the hub's own";
    it(`shows a newcomer who is alone all that it does (${device}, ${age})`, async () => {
      const page = await openPage(age, { options });
      await page.getByRole("heading", { name: "Sign in to see what is yours" }).waitFor();
      await picture(page, `worlds-social-sign-in-${device}`);
      await isSound(page);
      await button(page, "Make a throw-away account").click();
      await live(page);
      await picture(page, `worlds-social-empty-${device}`);
      await isSound(page);
      await button(page, "Let a partner join").click();
      await page.getByLabel("Message", { exact: true }).fill(`Hello ${MARKUP}`);
      // It types for a moment only, which a busy machine may sleep through.
      await page.evaluate(() => {
        const typing = document.getElementById("typing");
        const look = () => {
          globalThis.typed ||= typing.textContent.endsWith(" is typing");
        };
        new MutationObserver(look).observe(typing, { childList: true });
      });
      await button(page, "Send").click();
      await page.waitForFunction(() => globalThis.typed === true);
      await picture(page, `worlds-social-typing-${device}`);
      await message(page, "I am another account").waitFor();
      await page.locator(".tick").getByText("Read").waitFor();
      await page.locator("#presence").getByText("Online").waitFor();
      await button(page, "Send one of each").click();
      await page.getByRole("button", { name: "Notifications, 1 unread" }).waitFor();
      await page.locator("#happened li").nth(5).waitFor();
      await button(page, "Publish a post").click();
      await page.locator("#happened").getByText("Publishing").waitFor();
      await page.evaluate(() => scrollTo(0, 0));
      await picture(page, `worlds-social-${device}`);
      if (options === PHONE) await picture(page, "worlds-social-phone-whole", { fullPage: true });
      await page.getByRole("button", { name: "Notifications, 1 unread" }).click();
      await picture(page, `worlds-social-bell-${device}`);
      await isSound(page);
    });
  }

  it("the bell is that of the inbox, on every device, with what the back end sends", async () => {
    const person = await register(demos.server, "worker", "Rings");
    const other = await register(demos.server, "worker", "Rings not");
    const page = await openAs(person, "4.5.4");
    const device = await openAs(person, "the hub's own", PHONE);
    const stranger = await openAs(other, "the hub's own");
    await button(page, "Send event").click();
    await page
      .locator("#result")
      .getByText(/^Stored as \d+/)
      .waitFor();
    await person.call("POST", "api/notifications", { title: `Note ${MARKUP}` });
    for (const one of [page, device]) {
      await one.getByRole("button", { name: "Notifications, 2 unread" }).waitFor();
    }
    await page.getByRole("button", { name: "Notifications, 2 unread" }).press("Enter");
    const rows = page.locator("fanfare-bell .row");
    await rows.nth(1).waitFor();
    await rows.first().getByText("Note").waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    for (const one of [page, device])
      await one.getByRole("button", { name: "Notifications, 1 unread" }).waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await page.evaluate(() => document.activeElement.id), "inbox-bell");
    await stranger.getByRole("button", { name: "Notifications", exact: true }).waitFor();
    await isSound(page);
  });

  it("the back end's request is shown as curl, and a post of the user's own is told to all of their devices", async () => {
    const person = await register(demos.server, "worker", "Posts");
    const page = await openAs(person, "the hub's own");
    const device = await openAs(person, "4.5.4");
    await radio(page, "Shipment").check();
    assert.match(
      await page.locator("#curl").innerText(),
      new RegExp(`"type":"shipment_update","user_id":${person.id},`),
    );
    await button(page, "Send event").click();
    await text(page, "Queued to 2 connections").waitFor();
    for (const one of [page, device]) {
      await one.locator("#happened").getByText("Order o-204 is moving").waitFor();
      await toast(one, "Order o-204 is moving");
    }
    await button(device, "Publish a post").click();
    for (const one of [page, device]) await one.locator("#happened").getByText("Publishing").waitFor();
  });

  for (const age of CLIENTS.keys()) {
    it(`two people chat, one goes away and comes back, everything is killed, and nothing is missing or twice (${age})`, async () => {
      const anna = await register(demos.server, "employer", `Anna ${age}`);
      const ben = await register(demos.server, "worker", `Ben ${age}`);
      const [near, far] = [await openAs(anna, age), await openAs(ben, age, PHONE)];
      await chatWith(near, ben.id);
      await chatWith(far, anna.id);

      // Both see what the other does.
      await near.getByLabel("Message", { exact: true }).fill("Hel");
      await far.getByText(`User ${anna.id} is typing`).waitFor();
      await far.locator("#presence").getByText("Online").waitFor();
      const said = [`Hello ${MARKUP}`];
      await write(near, said[0]);
      await message(far, "Hello").waitFor();
      await near.locator(".tick").getByText("Read").waitFor();
      await far.waitForFunction(() => document.getElementById("typing").textContent === "");
      said.push("I am here");
      await write(far, said[1]);
      await message(near, "I am here").waitFor();

      // One is away. What the other writes waits; what this one writes stays in the field.
      await far.context().setOffline(true);
      await offline(far);
      await far.getByText(/^Offline\. What you write stays here/).waitFor();
      for (const words of ["first of two", "second of two"]) {
        await write(near, words);
        await message(near, words).waitFor();
        said.push(words);
      }
      // Stored, and so before what comes by another way.
      await near.locator(".tick").last().getByText("Sent").waitFor();
      await anna.call("POST", `api/chat/${ben.id}/messages`, { message: "three, by HTTP" });
      said.push("three, by HTTP");
      await write(far, "written while away");
      await far.getByText("Not sent: there is no connection now. It stays here.").waitFor();
      await picture(far, "worlds-social-away");
      assert.deepEqual(await axe(far), []);
      await far.context().setOffline(false);
      await live(far);
      await hasAll(far, said);
      await hasAll(near, said);
      await button(far, "Send").click();
      said.push("written while away");
      await message(near, "written while away").waitFor();
      await near.locator(".tick").getByText("Read").waitFor();

      // Everything is away, without a warning.
      await demos.server.kill();
      await Promise.all([offline(near), offline(far)]);
      await write(near, "to nobody");
      await demos.server.start();
      await Promise.all([live(near), live(far)]);
      await button(near, "Send").click();
      said.push("to nobody");
      await message(far, "to nobody").waitFor();
      await hasAll(far, said);
      await hasAll(near, said);

      // A reload is no absence, and shows the same.
      await near.reload();
      await live(near);
      await button(near, `User ${ben.id}`).click();
      await hasAll(near, said);
      await isSound(near);
      await isSound(far);
    });
  }

  it("another conversation counts what is unread, and tells of it by a toast; what is long has earlier pages", async () => {
    const [reader, writer] = [
      await register(demos.server, "worker", "Reads"),
      await register(demos.server, "worker", "Writes"),
    ];
    const page = await openAs(reader, "the hub's own");
    await writer.call("POST", `api/chat/${reader.id}/messages`, { message: "first" });
    await toast(page, `User ${writer.id} wrote`);
    await page.getByRole("button", { name: new RegExp(`^User ${writer.id}.*1 unread`) }).waitFor();
    for (let n = 0; n < 55; n += 1) {
      await writer.call("POST", `api/chat/${reader.id}/messages`, { message: `message ${n}` });
    }
    await page.reload();
    await live(page);
    await page.getByRole("button", { name: new RegExp(`^User ${writer.id}.*56 unread`) }).click();
    await message(page, "message 54").waitFor();
    await button(page, "Show earlier messages").click();
    await message(page, "first").waitFor();
    assert.equal((await conversation(page)).length, 56);
    const { items } = await writer.call("GET", "api/chat/conversations");
    assert.equal(items[0].peer_last_read_id, items[0].last_message.id);
  });

  it("a hub without a chat service says so, a refused token is told apart, and the rest works", async () => {
    const own = await demos.startOwn({ JWT_SECRET: SECRET, PORT: String(await freePort()) });
    const page = await openPage("the hub's own", { at: own });
    await page.getByLabel("Token").waitFor();
    const use = async (words) => {
      await page.getByLabel("Token").fill(words);
      await button(page, "Use this token").click();
    };
    await use(token("another secret, also of more than 32 bytes", { user_id: 7 }));
    await page.getByText("The hub is there but refused this token").waitFor();
    await use(token(SECRET, { user_id: 7 }));
    await live(page);
    await page.getByText("There is no chat service behind this hub").waitFor();
    await button(page, "Send event").click();
    await page.getByRole("button", { name: "Notifications, 1 unread" }).waitFor();
    await picture(page, "worlds-social-no-chat");
    await isSound(page);
    await own.kill();
    await offline(page);
    await own.start();
    await live(page);
    await button(page, "Sign out").click();
    await page.getByRole("heading", { name: "Sign in to see what is yours" }).waitFor();
    await page.locator(".top").getByText("Signed out").waitFor();
    // The hub ends what its token allowed no longer.
    await use(token(SECRET, { user_id: 7, exp: Math.ceil(Date.now() / 1000) + 8 }));
    await page.getByText("Your sign-in has ended.").waitFor();
  });
});
