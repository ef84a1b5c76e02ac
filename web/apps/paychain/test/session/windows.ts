// A browser with several windows, for tests: one shared store, a store for each window, locks that all windows share.

import { Accounts, type Store, type Surroundings, type User } from "../../src/session/accounts";
import { type Turns, windowTurns } from "../../src/session/turns";

/** A browser. */
export class Browser {
  readonly shared = new Map<string, string>();
  readonly turns: Turns = windowTurns();
  /** Milliseconds since 1970; moved by hand. */
  now = Date.parse("2026-11-21T12:00:00.000Z");
  readonly #watchers = new Map<object, () => void>();

  /**
   * Opens a window. `own` is what its sessionStorage has, as after loading the page again. `seen` is what it sees of the shared
   * store besides what it writes: a copy is a window that is not shown yet what others write from now on.
   */
  open(
    own = new Map<string, string>(),
    seen = this.shared,
  ): { accounts: Accounts; own: Map<string, string> } {
    const key = {};
    const surroundings: Surroundings = {
      shared: {
        ...storeOf(seen),
        // As in browsers, the others are told, and not the one that wrote.
        setItem: (name, value) => {
          seen.set(name, value);
          this.shared.set(name, value);
          for (const [other, changed] of this.#watchers) if (other !== key) changed();
        },
      },
      own: storeOf(own),
      now: () => this.now,
      watch: (changed) => {
        this.#watchers.set(key, changed);
        return () => this.#watchers.delete(key);
      },
    };
    return { accounts: new Accounts(surroundings), own };
  }
}

/** A sign-in that is good for 15 minutes from `now`. */
export function signInOf(user: User, now: number, tokens = `${user.user_id}-1`) {
  return {
    user,
    refresh_token: `refresh-${tokens}`,
    access_token: `access-${tokens}`,
    expires_at: now + 900_000,
  };
}

export const ERIN: User = {
  user_id: 1,
  name: "Erin",
  email: "erin@example.com",
  user_type: "employer",
  created_at: "2026-11-21T11:00:00.000Z",
};

export const WANDA: User = {
  ...ERIN,
  user_id: 2,
  name: "Wanda",
  email: "wanda@example.com",
  user_type: "worker",
};

function storeOf(map: Map<string, string>): Store {
  return {
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => void map.set(key, value),
    removeItem: (key) => void map.delete(key),
  };
}
