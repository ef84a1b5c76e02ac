// A window of the PayChain app as its user sees it: by roles and accessible names, so that whoever uses it holds these too.
// Not here: the browser (browser.mjs), and what happens over HTTP (people.mjs).

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

/** How long something on the screen may take, in milliseconds: a debug server on a busy machine is slow. */
const PATIENCE = 20_000;

/** A window that shows the app. */
export class PayChain {
  constructor(page) {
    this.page = page;
    this.main = page.getByRole("main");
    this.list = page.getByRole("list", { name: "Jobs, newest first" });
    this.detail = page.getByRole("region", { name: "Job", exact: true });
    this.nextStep = page.getByRole("region", { name: "Next step" });
    this.progress = page.getByRole("region", { name: "Progress" });
    this.notifications = page.getByRole("region", { name: /^Notifications/ });
  }

  /** Opens a window of `context` at an address within the app: `wallet`, `jobs/3`. */
  static async open(context, server, path = "") {
    const page = await context.newPage();
    await page.addInitScript(watchToasts);
    await page.goto(path === "" ? server.url : `${server.url}#/${path}`);
    return new PayChain(page);
  }

  /** Opens a window and signs in. */
  static async openAs(context, server, person, path = "") {
    const window = await PayChain.open(context, server, path);
    await window.signIn(person);
    return window;
  }

  // Signing in.

  /** Makes an account on screen, and waits for the jobs. */
  async signUp({ role, name, email, password }) {
    await this.page.getByRole("link", { name: "Create account" }).click();
    await this.page.getByRole("radio", { name: role === "employer" ? "Employer" : "Worker" }).check();
    await this.page.getByLabel("Name").fill(name);
    await this.page.getByLabel("Email").fill(email);
    await this.page.getByLabel("Password", { exact: true }).fill(password);
    await this.page.getByRole("button", { name: "Create account" }).click();
    await this.signedIn(name);
  }

  /** Signs in on screen. */
  async signIn({ name, email, password }) {
    await this.page.getByLabel("Email").fill(email);
    await this.page.getByLabel("Password", { exact: true }).fill(password);
    await this.page.getByRole("button", { name: "Sign in", exact: true }).click();
    await this.signedIn(name);
  }

  /** Waits until somebody is signed in, and the parts of the app that are loaded after the first page are there. */
  async signedIn(name) {
    await this.accountButton(name).waitFor();
    await this.notifications.waitFor({ state: "attached" });
  }

  /** Waits for the sign-in page, and gives why this window is there. */
  async signedOut() {
    await this.page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
    const notice = this.main.getByRole("status").first();
    return (await notice.count()) === 0 ? "" : notice.innerText();
  }

  accountButton(name = "") {
    return this.page.getByRole("button", { name: `Account: ${name}` });
  }

  /** Opens the account menu. */
  async openAccountMenu() {
    await this.accountButton().click();
    const menu = this.page.getByRole("menu");
    await menu.waitFor();
    return menu;
  }

  // Finding the way.

  /** Goes to `Jobs` or `Wallet` by the navigation. */
  async go(place) {
    await this.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: place }).click();
    await this.page.getByRole("heading", { name: place, level: 1 }).waitFor();
  }

  // Jobs.

  /** A row of the list. */
  row(title) {
    return this.list.getByRole("link", { name: title });
  }

  /** The titles in the list, from the top. */
  async titles() {
    const rows = await this.list.getByRole("link").all();
    return Promise.all(rows.map((row) => row.locator("span").first().innerText()));
  }

  /** Opens a job from the list. */
  async openJob(title) {
    await this.row(title).click();
    await this.jobHeading(title).waitFor();
  }

  jobHeading(title) {
    return this.detail.getByRole("heading", { name: title, exact: true });
  }

  /** Opens the dialog that posts a job. */
  async openPostDialog() {
    await this.page.getByRole("button", { name: "Post job" }).first().click();
    const dialog = this.page.getByRole("dialog", { name: "Post a job" });
    await dialog.waitFor();
    return dialog;
  }

  /** Fills what is given into the dialog that posts a job. `deadline` as a `datetime-local` value. */
  async fillJob(dialog, { title, pay, type, description, deadline }) {
    if (title !== undefined) await dialog.getByLabel("Title").fill(title);
    if (pay !== undefined) await dialog.getByLabel("Pay").fill(pay);
    if (type !== undefined) await dialog.getByLabel("Type").selectOption({ label: type });
    if (description !== undefined) await dialog.getByLabel("Description").fill(description);
    if (deadline !== undefined) await dialog.getByLabel("Deadline").fill(deadline);
  }

  /** Posts a job on screen, and waits until it is open beside the list. */
  async post(job) {
    const dialog = await this.openPostDialog();
    await this.fillJob(dialog, job);
    await dialog.getByRole("button", { name: "Post job" }).click();
    await dialog.waitFor({ state: "detached" });
    await this.jobHeading(job.title).waitFor();
  }

  /** Accepts the job that is open. */
  async accept() {
    await this.detail.getByRole("button", { name: "Accept job" }).click();
    await this.says(/^Waiting for Employer #\d+ to confirm the work$/);
  }

  /** Completes the job that is open, and says yes. */
  async complete() {
    await this.detail.getByRole("button", { name: /^Complete and pay/ }).click();
    const dialog = this.page.getByRole("dialog", { name: /^Pay \$/ });
    await dialog.getByRole("button", { name: /^Complete and pay/ }).click();
    await dialog.waitFor({ state: "detached" });
    await this.says("Completed and paid");
  }

  /** Cancels the job that is open, and says yes. */
  async cancel() {
    await this.detail.getByRole("button", { name: "Cancel job" }).click();
    const dialog = this.page.getByRole("dialog", { name: "Cancel this job?" });
    await dialog.getByRole("button", { name: "Cancel job" }).click();
    await dialog.waitFor({ state: "detached" });
    await this.says("This job was cancelled");
  }

  /** Waits until the next step of the job that is open is this. */
  async says(line) {
    await this.nextStep.getByRole("heading", { name: line, exact: typeof line === "string" }).waitFor();
  }

  // Money.

  /** Waits until the wallet's figures are these: `{"Free to spend": "$9,550.00"}`. */
  async walletShows(figures) {
    for (const [name, amount] of Object.entries(figures)) {
      const term = this.main.getByRole("term").filter({ hasText: name });
      const value = term.locator("xpath=following-sibling::dd[1]");
      await eventually(async () => {
        const text = await value.textContent();
        // What is seen, which counts up, and what is read out.
        assert.ok(text?.startsWith(`${amount}${amount}`), `${name} is ${text}, not ${amount}`);
      });
    }
  }

  /** The ledger's lines, newest first, each as one text. */
  async ledger() {
    const lines = await this.page.getByRole("region", { name: "Ledger" }).getByRole("listitem").all();
    return Promise.all(lines.map(async (line) => (await line.innerText()).replaceAll(/\s+/g, " ")));
  }

  // The connection.

  /** What the indicator says now: `Live`, `Reconnecting in 4 s`, `Offline since 14:03`. */
  async connection() {
    const said = this.#indicator();
    return (await said.locator("..").innerText()).replaceAll(/\s+/g, " ").trim();
  }

  /** Waits until the indicator says this. */
  async connectionIs(words) {
    await this.#indicator().filter({ hasText: words }).waitFor();
  }

  async live() {
    await this.connectionIs(/^Live$/);
  }

  tryNow(options = {}) {
    return this.page.getByRole("banner").getByRole("button", { name: "Try now", ...options });
  }

  #indicator() {
    return this.page.getByRole("banner").getByRole("status");
  }

  // Toasts.

  /** The toasts on the screen, each as one text: `New job: $450.00 · Landing page`. */
  async toasts() {
    return this.page.evaluate(() => globalThis.toastsNow());
  }

  /** All toasts that this page has shown, in order, each with its last text: what belongs together is joined into one. */
  async allToasts() {
    return this.page.evaluate(() => globalThis.toastsEver.map((texts) => texts.at(-1)));
  }

  /** How many toasts stood on the screen at most. */
  async mostToasts() {
    return this.page.evaluate(() => globalThis.toastsMost);
  }

  /** Waits until there was a toast with this text, or one that this pattern fits. */
  async toast(text) {
    const fits = (one) => (text instanceof RegExp ? text.test(one) : one === text);
    await eventually(async () => {
      const all = await this.page.evaluate(() => globalThis.toastsEver.flat());
      assert.ok(all.some(fits), `no toast was "${text}": ${JSON.stringify(all)}`);
    });
  }

  /** Waits until no toast is on the screen. */
  async toastsGone() {
    await this.notifications.getByRole("listitem").first().waitFor({ state: "detached" });
  }

  // What has to hold everywhere.

  /** Sets a mark in the page that a reload wipes out. */
  async mark() {
    await this.page.evaluate(() => {
      globalThis.notReloaded = true;
    });
  }

  async isMarked() {
    return this.page.evaluate(() => globalThis.notReloaded === true);
  }

  /** Pixels that the page is wider than the window. */
  async overflow() {
    return this.page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
  }
}

/** Waits until `check` throws nothing any more; fails with what it threw last. */
export async function eventually(check, patience = PATIENCE) {
  const until = Date.now() + patience;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > until) throw error;
    }
    await pause(25);
  }
}

/** Runs in the page before all else: remembers each toast with all its texts. */
function watchToasts() {
  const items = () => [...document.querySelectorAll("[data-sonner-toast]")];
  const textOf = (item) =>
    ["[data-title]", "[data-description]"]
      .map((part) => item.querySelector(part)?.textContent?.trim())
      .filter(Boolean)
      .join(": ");
  const texts = new WeakMap();
  globalThis.toastsEver = [];
  globalThis.toastsMost = 0;
  globalThis.toastsNow = () =>
    items()
      .filter((item) => item.dataset.removed !== "true")
      .map(textOf);
  new MutationObserver(() => {
    const shown = items();
    globalThis.toastsMost = Math.max(globalThis.toastsMost, shown.length);
    for (const item of shown) {
      const text = textOf(item);
      if (text === "") continue;
      const known = texts.get(item);
      if (known === undefined) {
        const first = [text];
        texts.set(item, first);
        globalThis.toastsEver.push(first);
      } else if (known.at(-1) !== text) known.push(text);
    }
  }).observe(document, { childList: true, subtree: true, characterData: true, attributes: true });
}
