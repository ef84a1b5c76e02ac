// The bell of a window, its panel and the notification settings as their user sees them: by roles and accessible names. Not here:
// the window around them (paychain.mjs).

import assert from "node:assert/strict";

import { eventually } from "./paychain.mjs";

/** The bell of a window. */
export class Bell {
  constructor(window) {
    this.window = window;
    this.page = window.page;
    this.button = window.page.getByRole("banner").getByRole("button", { name: /^Notifications/ });
    this.panel = window.page.getByRole("dialog", { name: "Notifications", exact: true });
    this.settings = window.page.getByRole("dialog", { name: "Notification settings" });
  }

  /** Waits until the bell says that so many are unread. */
  async says(count) {
    const name = count === 0 ? "Notifications" : `Notifications, ${count} unread`;
    await this.page.getByRole("banner").getByRole("button", { name, exact: true }).waitFor();
  }

  /** Waits until it hears what comes in: it is loaded behind the first page, with a plain button in its place until then. */
  async ready() {
    await this.page.locator('header button[aria-haspopup="dialog"]').waitFor();
  }

  /** Opens the panel, if it is not open. */
  async open() {
    if ((await this.panel.count()) === 0) await this.button.click();
    await this.panel.waitFor();
  }

  async close() {
    await this.page.keyboard.press("Escape");
    await this.panel.waitFor({ state: "detached" });
  }

  /** Takes the pointer off the list, which holds still under it. */
  async leave() {
    await this.page.mouse.move(2, 2);
  }

  rows() {
    return this.panel.getByRole("listitem");
  }

  row(title) {
    return this.rows().filter({ hasText: title });
  }

  /** The titles in the list, from the top; unread ones begin with a star. */
  async titles() {
    return this.rows().evaluateAll((rows) =>
      rows.map(
        (row) => `${row.dataset.unread === undefined ? "" : "*"}${row.querySelector("bdi")?.textContent}`,
      ),
    );
  }

  /** Waits until exactly these are in the list. */
  async lists(titles) {
    await eventually(async () => assert.deepEqual(await this.titles(), titles));
  }

  /** Does something by the menu of a notification: `Mark as read`, `Delete`. */
  async choose(title, action) {
    await this.row(title)
      .getByRole("button", { name: `Actions for ${title}` })
      .click();
    await this.panel.getByRole("menuitem", { name: action }).click();
  }

  /** Opens the settings from the panel. */
  async openSettings() {
    await this.open();
    await this.panel.getByRole("button", { name: "Notification settings" }).click();
    await this.settings.getByRole("table").waitFor();
  }

  /** Turns a way of a category on or off, and waits until it is saved: `Jobs: In the app`. */
  async choosesWay(name, isOn) {
    const answered = this.page.waitForResponse(
      (response) =>
        response.url().endsWith("/api/notifications/preferences") && response.request().method() === "PUT",
    );
    await this.settings.getByRole("checkbox", { name }).setChecked(isOn);
    assert.equal((await answered).status(), 200);
  }
}

/** Makes a notification of somebody for themselves, over HTTP; gives it. */
export function notify(person, notification) {
  return person.call("POST", "api/notifications", { title: "Something happened", ...notification });
}

/** Makes notifications as a service does, in one call. */
export async function notifyMany(server, key, notifications) {
  const answer = await fetch(`${server.url}api/notifications/bulk`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/x-ndjson" },
    body: notifications.map((notification) => JSON.stringify(notification)).join("\n"),
  });
  const lines = (await answer.text()).trim().split("\n");
  assert.equal(answer.status, 200, lines[0]);
  const { created } = JSON.parse(lines.at(-1));
  assert.equal(created, notifications.length);
}
