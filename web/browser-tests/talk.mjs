// A conversation on the screen, as its user sees it: by roles and accessible names. Not here: the window around it (paychain.mjs).

import assert from "node:assert/strict";

import { eventually } from "./paychain.mjs";

/** The conversation that is open in a window, or can be opened there. */
export class Talk {
  constructor(window) {
    this.window = window;
    this.page = window.page;
    this.panel = window.page.getByRole("region", { name: /^Conversation with / });
    this.log = this.panel.getByRole("log", { name: "Messages" });
    this.field = this.panel.getByRole("textbox", { name: /^Message to / });
  }

  /** Opens it from the job that is shown, if it is not open yet. */
  async open() {
    const button = this.page.getByRole("button", { name: /^Message / });
    await this.panel.or(button).first().waitFor();
    if ((await this.panel.count()) === 0) await button.click();
    await this.field.waitFor();
    await this.window.live();
  }

  /** Sends a text, and waits until it is stored. */
  async send(text) {
    await this.field.fill(text);
    await this.field.press("Enter");
    await this.has(`You: ${text}`);
    await eventually(async () =>
      assert.equal(await this.log.getByText("Sending", { exact: true }).count(), 0),
    );
    assert.equal(await this.panel.getByRole("alert").count(), 0);
  }

  /** The messages, each with who wrote it: `You: hi`. */
  async texts() {
    return this.log
      .getByRole("listitem")
      .evaluateAll((items) => items.map((item) => item.querySelector("p")?.textContent));
  }

  /** Waits until there is exactly one such message. */
  async has(text) {
    await eventually(async () => {
      const texts = await this.texts();
      assert.equal(
        texts.filter((each) => each === text).length,
        1,
        `not once "${text}": ${JSON.stringify(texts)}`,
      );
    });
  }

  /** Waits until the tick of the user's own message at this place is `Sent` or `Read`. */
  async tick(place, word) {
    const own = this.log.getByRole("listitem").filter({ has: this.page.getByText("You: ", { exact: true }) });
    await own.nth(place).getByText(word, { exact: true }).waitFor({ state: "attached" });
  }

  async presence(word) {
    await this.panel.getByText(word, { exact: true }).waitFor();
  }

  async types(name) {
    await this.panel.getByText(`${name} is typing`).waitFor();
  }

  async typesNoMore() {
    await this.panel.getByText(/ is typing$/).waitFor({ state: "detached" });
  }

  /** Chooses from the menu of the conversation. */
  async choose(item) {
    await this.panel.getByRole("button", { name: "Conversation menu" }).click();
    await this.page.getByRole("menuitem", { name: item }).click();
  }
}
