// What people type is shown as they typed it, and as nothing but text: no markup runs, nothing turns the page round, and
// nothing makes it wider than a phone.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";

import { Browser, DESKTOP, PHONE, picture } from "./browser.mjs";
import { PayChain } from "./paychain.mjs";
import { register } from "./people.mjs";
import { startFanfare } from "./server.mjs";

const RUN = "globalThis.ran=1";

const TITLES = [
  `<img src=x onerror=${RUN}>`,
  `<script>${RUN}</script>`,
  `"><svg onload=${RUN}>`,
  `javascript:${RUN}`,
  "{{7*7}} $\u007b7*7} &lt;b&gt; %3Cb%3E",
  "\u202eback to front\u202c and on",
  "\u2067of another direction",
  "שלום עולם, دفعة جديدة",
  "a".repeat(200),
  "👩‍👩‍👧‍👦🎉".repeat(20),
  "Z̷̛̪͉̈́ä̸̛̪͉́l̷̛̪͉̈́g̸̛̪͉̈́ơ̷̪͉̈́ with marks above and below",
  "line\nbreak\ttab",
];

const DESCRIPTION = `${TITLES.join("\n")}\n${"w".repeat(2_000)}\nhttps://example.com/${"path/".repeat(60)}`;

describe("text from others", { timeout: 300_000 }, () => {
  let browser;
  let server;
  let employer;
  let worker;

  before(async () => {
    browser = await Browser.launch();
    server = await startFanfare({ DEMO_BALANCE_USD: "4000000000" });
    employer = await register(
      server,
      "employer",
      `<img src=x onerror=${RUN}> ${"n".repeat(150)}`,
      "employer@example.com",
    );
    worker = await register(server, "worker", `\u202e<b>Wanda</b> ${"👷".repeat(40)}`, "worker@example.com");
    for (const title of TITLES) {
      await employer.post({ title, description: DESCRIPTION, pay_amount_usd: 100.1 });
    }
  });
  afterEach(async () => {
    assert.deepEqual(await browser.reset(), []);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** Nothing of it ran, became an element, or made the page wider. */
  async function holds(window, where) {
    assert.equal(await window.page.evaluate(() => globalThis.ran), undefined, `${where}: something ran`);
    const made = window.page.locator("[onerror], [onload], main img, main script, main b");
    assert.equal(await made.count(), 0, `${where}: text became markup`);
    assert.equal(await window.overflow(), 0, `${where} is wider than the window`);
    const { width } = window.page.viewportSize();
    for (const button of await window.page.getByRole("button").all()) {
      const box = await button.boundingBox();
      if (box === null || box.width < 2) continue;
      assert.ok(box.x >= 4 && box.x + box.width <= width - 4, `${where}: ${await button.textContent()}`);
    }
  }

  for (const [device, options] of [
    ["desktop", DESKTOP],
    ["phone", PHONE],
  ]) {
    it(`is text in the list, the job, the toasts, the menu and the wallet (${device})`, async () => {
      const window = await PayChain.openAs(await browser.context(options), server, worker);
      await window.live();
      await window.list
        .getByRole("link")
        .nth(TITLES.length - 1)
        .waitFor();
      const shown = await window.titles();
      for (const title of TITLES) {
        // White space is drawn as one blank; all else as it is.
        const text = title.replaceAll(/\s+/g, " ");
        assert.ok(
          shown.some((one) => one.replaceAll(/\s+/g, " ").includes(text)),
          `not in the list: ${title}`,
        );
      }
      await holds(window, "the list");
      await picture(window.page, `paychain-text-list-${device}`);

      for (const title of TITLES) {
        const row = window.list.getByRole("link").filter({ hasText: title.split("\n")[0] });
        await row.first().click();
        const heading = window.detail.getByRole("heading").filter({ hasText: title.split("\n")[0] });
        await heading.first().waitFor();
        await holds(window, `the job ${title.slice(0, 30)}`);
        if (title.startsWith("aaa")) await picture(window.page, `paychain-text-job-${device}`);
        if (device === "phone") {
          await window.page.getByRole("link", { name: "Jobs", exact: true }).first().click();
          await row.first().waitFor();
        }
      }

      for (const title of TITLES.slice(0, 3)) await employer.post({ title });
      await window.toast(`New job: $100.00 · ${TITLES[0]}`);
      await window.toast(`New job: $100.00 · ${TITLES[1]}`);
      await holds(window, "the toasts");
      await picture(window.page, `paychain-text-toasts-${device}`);

      await window.openAccountMenu();
      await holds(window, "the menu");
      await picture(window.page, `paychain-text-menu-${device}`);
      await window.page.keyboard.press("Escape");
      await window.page.getByRole("menu").waitFor({ state: "detached" });
    });
  }

  it("is text in the employer's dialogs and wallet, on a phone too, next to the largest amount", async () => {
    const most = 1_000_000_000;
    const job = await employer.post({ title: TITLES[8], description: DESCRIPTION, pay_amount_usd: most });
    await worker.accept(job.job_id);
    const window = await PayChain.openAs(
      await browser.context(PHONE),
      server,
      employer,
      `jobs/${job.job_id}`,
    );
    await window.says(/is on it$/);
    await holds(window, "the employer's job");
    for (const button of [/^Complete and pay/, "Cancel job"]) {
      await window.detail.getByRole("button", { name: button }).click();
      const dialog = window.page.getByRole("dialog");
      await dialog.getByText(TITLES[8]).waitFor();
      await holds(window, "the dialog");
      await picture(window.page, `paychain-text-${button === "Cancel job" ? "cancel" : "complete"}-phone`);
      await window.page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
    }
    await window.go("Wallet");
    await window.page.getByRole("link", { name: TITLES[8] }).first().waitFor();
    await holds(window, "the wallet");
    await picture(window.page, "paychain-text-wallet-phone");
  });
});
