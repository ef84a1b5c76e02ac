// The demo page of long uploads in Chromium, against the real `fanfare up` and the real hub: signing in, a bar that survives a
// reload, its ends. Leaves pictures. An upload by a real Celery task is in celery.browser.mjs.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { axe, PHONE, picture } from "./browser.mjs";
import { register } from "./people.mjs";
import { token } from "./server.mjs";
import { button, DEVICES, isSound, live, MARKUP, signIn, text, worlds } from "./worlds.mjs";

const SECRET = "a secret of more than 32 bytes, for this test only";

const demos = worlds();

describe("the page of uploads", { timeout: 300_000 }, () => {
  const card = (page, id) => page.getByRole("article", { name: `Oracle upload ${id}` });
  const bar = (page, id) => page.getByRole("progressbar", { name: `Oracle upload ${id}` });
  const byHand = (page) => page.getByLabel("Next step").selectOption({ label: "by hand" });
  const TOKEN_KEY = "fanfare.demo.session";

  /** A page that somebody is signed in to, as after signing in there before. */
  async function openAs(person) {
    const page = await demos.open("uploads");
    await signIn(page, person);
    return page;
  }

  for (const [device, options] of DEVICES) {
    it(`a throw-away account sees its upload's bar where it was after a reload (${device})`, async () => {
      const page = await demos.open("uploads", { options });
      await button(page, "Make a throw-away account").waitFor();
      await picture(page, `worlds-uploads-sign-in-${device}`);
      await isSound(page);
      await button(page, "Make a throw-away account").click();
      await live(page);
      await page.getByText(/^Signed in as/).waitFor();
      await picture(page, `worlds-uploads-empty-${device}`);
      await isSound(page);
      await byHand(page);
      await button(page, "Start upload").click();
      await card(page, 602).getByText("Started", { exact: true }).waitFor();
      for (const [n, step] of ["Preparing Data", "Upload to UCM", "Interface Loader"].entries()) {
        await button(page, `Next: ${step}`).click();
        await card(page, 602)
          .getByText(`Step ${n + 1} of 5`, { exact: true })
          .waitFor();
      }
      // The event is there before its publication's answer; with that the page knows which comes next.
      await button(page, "Next: Journal Import").waitFor();
      await page.reload();
      await card(page, 602).getByText("Step 3 of 5", { exact: true }).waitFor();
      assert.equal(await bar(page, 602).getAttribute("aria-valuetext"), "Step 3 of 5: Interface Loader");
      assert.equal(await bar(page, 602).getAttribute("aria-valuenow"), "3");
      await card(page, 602)
        .getByText(/^From the hub's retained state/)
        .waitFor();
      await picture(page, `worlds-uploads-${device}`);
      if (options === PHONE) await picture(page, "worlds-uploads-phone-whole", { fullPage: true });
      await isSound(page);
      for (const label of ["Next: Journal Import", "Next: AutoPost", "Complete"])
        await button(page, label).click();
      await card(page, 602).getByText("Completed", { exact: true }).waitFor();
      await text(page, "/exports/602.zip").waitFor();
      await button(page, "Start upload").click();
      await card(page, 603).waitFor();
      await button(page, "Next: Preparing Data").click();
      await card(page, 603).getByText("Step 1 of 5", { exact: true }).waitFor();
      await button(page, "Fail").click();
      await card(page, 603)
        .getByText(/ORA-20001/)
        .waitFor();
      await picture(page, `worlds-uploads-ended-${device}`);
      await isSound(page);
      // The end of both is still told to who joins now.
      await page.reload();
      await card(page, 602).getByText("Completed", { exact: true }).waitFor();
      await card(page, 603).getByText("Failed", { exact: true }).waitFor();
    });
  }

  it("plays by itself, goes on after a reload, and can be cancelled", async () => {
    const page = await openAs(await register(demos.server, "worker", "Plays Alone"));
    await page.getByLabel("Next step").selectOption({ label: "every second" });
    await page.getByLabel("Transaction").fill("7");
    await page.keyboard.press("Enter");
    // In the middle; a busy machine may sleep through one step.
    await card(page, 7)
      .getByText(/^Step [2-4] of 5$/)
      .waitFor();
    await page.reload();
    await card(page, 7).getByText("Completed", { exact: true }).waitFor();
    await button(page, "Start upload").click();
    await card(page, 8).waitFor();
    await button(page, "Cancel").click();
    await card(page, 8).getByText("Upload cancelled: Cancelled by the user").waitFor();
    await button(page, "Start upload").waitFor();
  });

  it("all tabs of a user show it, those of others do not, and text stays text", async () => {
    const anna = await register(demos.server, "worker", "Anna Uploads");
    const [first, second] = [await openAs(anna), await openAs(anna)];
    const other = await openAs(await register(demos.server, "worker", "Bert Uploads"));
    const step = (transaction_id, more) => ({
      type: "oracle_upload_progress",
      user_id: anna.id,
      data: { transaction_id, step_number: 2, total_steps: 5, step: "Upload to UCM", ...more },
    });
    await demos.server.publish(step(1, { message: MARKUP }));
    for (const page of [first, second]) await card(page, 1).getByText(MARKUP).waitFor();
    const marker = {
      ...step(99),
      user_id: Number(
        await other
          .locator("#who")
          .innerText()
          .then((who) => /user (\d+)/.exec(who)[1]),
      ),
    };
    await demos.server.publish(marker);
    await card(other, 99).waitFor();
    assert.equal(await other.getByRole("article").count(), 1);
    await isSound(first);
  });

  it("keeps the token in this tab alone, and forgets it when somebody signs out", async () => {
    const page = await openAs(await register(demos.server, "worker", "Careful"));
    const kept = await page.evaluate(
      (key) => [sessionStorage.getItem(key), JSON.stringify(localStorage), document.cookie],
      TOKEN_KEY,
    );
    assert.match(kept[0], /"token":"eyJ/);
    assert.ok(!kept[1].includes("eyJ") && !kept[2].includes("eyJ"));
    assert.ok(!(await page.content()).includes("eyJhbGciOi"));
    await button(page, "Sign out").click();
    await button(page, "Make a throw-away account").waitFor();
    await page.locator(".top").getByText("Signed out").waitFor();
    assert.equal(await page.evaluate((key) => sessionStorage.getItem(key), TOKEN_KEY), null);
    await page.reload();
    await button(page, "Make a throw-away account").waitFor();
  });

  it("a wrong password is told at its field, and what was typed stays", async () => {
    const page = await demos.open("uploads");
    await page.getByText("Sign in with an account that there is").click();
    await page.getByLabel("Email").fill("nobody@example.com");
    await page.getByLabel("Password").fill("not the password");
    await button(page, "Sign in").click();
    await page.getByText("The address or the password is wrong.").waitFor();
    await picture(page, "worlds-uploads-wrong-password");
    assert.equal(await page.getByLabel("Email").inputValue(), "nobody@example.com");
    assert.deepEqual(await axe(page), []);
  });

  it("a hub with keys but without accounts takes a token, and one that is refused is told apart from an outage", async () => {
    const own = await demos.startOwn({ JWT_SECRET: SECRET });
    const page = await demos.open("uploads", { at: own });
    await page.getByLabel("Token").fill("no token");
    await button(page, "Use this token").click();
    await page.getByText("A token has three parts").waitFor();
    await picture(page, "worlds-uploads-token");
    await isSound(page);
    await page.getByLabel("Token").fill(token("another secret, also of more than 32 bytes", { user_id: 7 }));
    await button(page, "Use this token").click();
    await page.getByText("The hub is there but refused this token").waitFor();
    await page.getByLabel("Token").fill(token(SECRET, { user_id: 7 }));
    await button(page, "Use this token").click();
    await live(page);
    await byHand(page);
    await button(page, "Start upload").click();
    await card(page, 602).waitFor();
    await own.kill();
    await page
      .locator(".top")
      .getByText(/^Reconnecting in \d+ s$/)
      .waitFor();
    await picture(page, "worlds-uploads-reconnecting");
    await isSound(page);
  });

  it("a hub without keys says what to configure", async () => {
    const page = await demos.open("uploads", { at: await demos.startOwn() });
    await page.getByRole("heading", { name: "This hub can't know who is signed in" }).waitFor();
    await page.getByText(/JWT_SECRET=/).waitFor();
    assert.equal(await button(page, "Start upload").isDisabled(), true);
    await picture(page, "worlds-uploads-no-keys");
    await isSound(page);
  });

  it("what happens beside the page is off until somebody chooses it", async () => {
    const page = await openAs(await register(demos.server, "worker", "Chooses"));
    const box = (name) => page.getByRole("checkbox", { name });
    for (const name of ["a desktop notification", "a sound", "a vibration"])
      assert.equal(await box(name).isChecked(), false);
    await box("a sound").check();
    await page.reload();
    await live(page);
    await page.waitForFunction(() => document.querySelector("[name=sound]").checked);
    // This browser grants nothing, and the page says so.
    await box("a desktop notification").click();
    await page.getByText(/does not allow notifications/).waitFor();
    assert.equal(await box("a desktop notification").isChecked(), false);
  });
});
