// The demo pages of the playground for tests of them: a browser, `fanfare up`, hubs of a test's own, and how their parts are found.
// Not here: what any of the pages has to do.

import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";

import { axe, Browser, DESKTOP, PHONE } from "./browser.mjs";
import { startFanfare, startHub } from "./server.mjs";

/** Runs where it is taken for HTML. */
export const RUN = "globalThis.ran=1";
export const MARKUP = `<img src=x onerror=${RUN}><script>${RUN}</script>`;

/** What every page is looked at on. */
export const DEVICES = [
  ["light", DESKTOP],
  ["dark", { ...DESKTOP, colorScheme: "dark" }],
  ["phone", PHONE],
];

/** Browser and server of a test file, started before its tests and ended behind them; a page's complaint fails its test. */
export function worlds() {
  const hubs = [];
  const made = {
    browser: undefined,
    server: undefined,
    /** A hub of the test's own, ended with it. */
    async startOwn(environment) {
      const hub = await startHub(environment);
      hubs.push(hub);
      return hub;
    },
    /** The page of a world, in a context of its own. */
    open: (world, { options = DESKTOP, at = made.server, query = "" } = {}) =>
      made.browser.open(`${at.url}playground/${world}${query}`, options),
  };
  before(async () => {
    made.browser = await Browser.launch();
    made.server = await startFanfare();
  });
  afterEach(async () => {
    const complaints = await made.browser.reset();
    for (const hub of hubs.splice(0)) await hub.stop();
    assert.deepEqual(complaints, []);
  });
  after(async () => {
    await made.browser?.close();
    await made.server?.stop();
  });
  return made;
}

export const text = (page, words) => page.getByText(words, { exact: true });
export const radio = (page, name) => page.getByRole("radio", { name, exact: true });
export const button = (page, name) => page.getByRole("button", { name, exact: true });

/** Waits until the page's head says so. */
export const live = (page) =>
  page
    .locator(".top")
    .getByText(/^(● )?Live$/)
    .waitFor();

/** So that a list which is not in view does not wait for somebody to look at it. */
export const lookUp = (page) => page.evaluate(() => scrollTo(0, 0));

/** Signs in somebody with an account, on the page of uploads. */
export async function signIn(page, { email, password }) {
  await page.getByText("Sign in with an account that there is").click();
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await button(page, "Sign in").click();
  await live(page);
}

/** Nothing that axe finds, nothing wider than the window, nothing run that came as text. */
export async function isSound(page) {
  // A toast that just comes or goes is half as visible as it is meant to be.
  await page.emulateMedia({ reducedMotion: "reduce" });
  assert.deepEqual(await axe(page), []);
  await page.emulateMedia({ reducedMotion: null });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `the page is ${wide} px wider than the window`);
  assert.equal(await page.evaluate(() => globalThis.ran), undefined);
}
