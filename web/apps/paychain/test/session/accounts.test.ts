// Accounts of a browser, as its windows see them.

import { describe, expect, it } from "vitest";
import { noticeWords } from "../../src/session/entry";
import { Browser, ERIN, signInOf, WANDA } from "./windows";

describe("accounts", () => {
  it("a new window takes the account that was used last", () => {
    const browser = new Browser();
    const first = browser.open().accounts;
    first.signIn(signInOf(ERIN, browser.now));
    browser.now += 1000;
    first.signIn(signInOf(WANDA, browser.now));
    expect(browser.open().accounts.state.current?.user.name).toBe("Wanda");
    expect(browser.open().accounts.state.accounts.map((account) => account.user.name)).toEqual([
      "Wanda",
      "Erin",
    ]);
  });

  it("two windows play two roles, also after they are loaded again", () => {
    const browser = new Browser();
    const one = browser.open();
    one.accounts.signIn(signInOf(ERIN, browser.now));
    const other = browser.open();
    other.accounts.leave();
    other.accounts.signIn(signInOf(WANDA, browser.now));
    expect(one.accounts.state.current?.user.name).toBe("Erin");
    expect(browser.open(one.own).accounts.state.current?.user.name).toBe("Erin");
    expect(browser.open(other.own).accounts.state.current?.user.name).toBe("Wanda");
  });

  it("using another account shows the sign-in page, signs nobody out, and lasts over a load", () => {
    const browser = new Browser();
    const window = browser.open();
    window.accounts.signIn(signInOf(ERIN, browser.now));
    window.accounts.leave();
    expect(window.accounts.state).toMatchObject({ current: null, notice: null });
    expect(window.accounts.state.accounts).toHaveLength(1);
    expect(browser.open(window.own).accounts.state.current).toBeNull();
    window.accounts.use(ERIN.user_id);
    expect(window.accounts.state.current?.user.name).toBe("Erin");
  });

  it("signing out reaches the other windows of the account, which say why, and no other account", () => {
    const browser = new Browser();
    const one = browser.open().accounts;
    one.signIn(signInOf(ERIN, browser.now));
    const same = browser.open().accounts;
    const other = browser.open().accounts;
    other.signIn(signInOf(WANDA, browser.now));
    one.end(ERIN.user_id, "signed_out");
    expect(one.state).toMatchObject({ current: null, notice: { reason: "signed_out", here: true } });
    expect(same.state).toMatchObject({
      current: null,
      notice: { reason: "signed_out", here: false, name: "Erin" },
    });
    expect(same.state.notice && noticeWords(same.state.notice)).toBe(
      "Erin was signed out in another window.",
    );
    expect(other.state.current?.user.name).toBe("Wanda");
  });

  it("signing in again takes the notice away", () => {
    const browser = new Browser();
    const window = browser.open().accounts;
    window.signIn(signInOf(ERIN, browser.now));
    window.end(ERIN.user_id, "ended");
    expect(window.state.notice?.reason).toBe("ended");
    window.signIn(signInOf(ERIN, browser.now));
    expect(window.state).toMatchObject({ notice: null, current: { user: { name: "Erin" } } });
  });

  it("a new name is seen in all windows", () => {
    const browser = new Browser();
    const one = browser.open().accounts;
    one.signIn(signInOf(ERIN, browser.now));
    const other = browser.open().accounts;
    one.update({ ...ERIN, name: "Erin Example" });
    expect(one.state.current?.user.name).toBe("Erin Example");
    expect(other.state.current?.user.name).toBe("Erin Example");
  });

  it("the state is the same object until something changes", () => {
    const browser = new Browser();
    const { accounts } = browser.open();
    expect(accounts.state).toBe(accounts.state);
    const before = accounts.state;
    accounts.signIn(signInOf(ERIN, browser.now));
    expect(accounts.state).not.toBe(before);
  });

  it("two accounts that are renewed at once in two windows both keep their new tokens", () => {
    const browser = new Browser();
    const first = browser.open().accounts;
    first.signIn(signInOf(ERIN, browser.now));
    first.signIn(signInOf(WANDA, browser.now));
    // Browsers show a window what another one writes a little later.
    const second = browser.open(new Map(), new Map(browser.shared)).accounts;
    first.renewed(ERIN.user_id, signInOf(ERIN, browser.now, "new"));
    second.renewed(WANDA.user_id, signInOf(WANDA, browser.now, "new-too"));
    const later = browser.open().accounts;
    expect(later.stored(ERIN.user_id)?.refresh_token).toBe("refresh-new");
    expect(later.stored(WANDA.user_id)?.refresh_token).toBe("refresh-new-too");
  });

  it("an account that has ended leaves no tokens behind", () => {
    const browser = new Browser();
    const { accounts } = browser.open();
    accounts.signIn(signInOf(ERIN, browser.now));
    accounts.end(ERIN.user_id, "signed_out");
    expect([...browser.shared.values()].join()).not.toMatch(/refresh-|access-/);
  });

  it("of accounts that have ended, the reasons of twenty are kept", () => {
    const browser = new Browser();
    const { accounts } = browser.open();
    for (let id = 1; id <= 30; id += 1) {
      accounts.signIn(signInOf({ ...ERIN, user_id: id }, browser.now));
      accounts.end(id, "signed_out");
    }
    const kept: unknown = JSON.parse(browser.shared.get("paychain.ended") ?? "");
    expect(Object.keys(kept as object)).toHaveLength(20);
    expect(kept).toHaveProperty("30");
  });

  it("what is no account in the store is left out", () => {
    const browser = new Browser();
    browser.shared.set("paychain.accounts", JSON.stringify({ 1: { user: { user_id: 1 } }, 2: null }));
    expect(browser.open().accounts.state).toEqual({ accounts: [], current: null, notice: null });
    browser.shared.set("paychain.accounts", "{not json");
    expect(browser.open().accounts.state.accounts).toEqual([]);
  });

  it("keeps twenty accounts, and lets the one go that was not used for longest", () => {
    const browser = new Browser();
    const { accounts } = browser.open();
    for (let id = 1; id <= 21; id += 1) {
      browser.now += 1000;
      accounts.signIn(signInOf({ ...ERIN, user_id: id }, browser.now));
    }
    expect(accounts.state.accounts).toHaveLength(20);
    expect(accounts.stored(1)).toBeNull();
    expect(accounts.stored(2)).not.toBeNull();
    expect([...browser.shared.keys()].filter((key) => key.startsWith("paychain.accounts."))).toHaveLength(20);
  });
});
