// The accounts of this browser, and which of them this window uses. Kept in localStorage, so that windows share sign-ins;
// the window's choice is in sessionStorage, so that two windows may play two roles. How tokens are renewed is in tokens.ts.

/** What a user is on the platform. */
export type Role = "employer" | "worker";

/** A user as the user service tells it. */
export interface User {
  readonly user_id: number;
  readonly name: string;
  readonly email: string;
  readonly user_type: Role;
  readonly created_at: string;
}

/** A sign-in of this browser. Times in milliseconds since 1970 by this machine's clock. */
export interface Account {
  readonly user: User;
  /** Good once. */
  readonly refresh_token: string;
  readonly access_token: string;
  /** When the access token ends. */
  readonly expires_at: number;
  /** When a window last chose this account. */
  readonly used_at: number;
}

/** The tokens of a sign-in. */
export type Tokens = Pick<Account, "refresh_token" | "access_token" | "expires_at">;

/**
 * Why an account is not signed in any more:
 * - `signed_out`: somebody signed out in a window of this browser;
 * - `everywhere`: the same, on all devices;
 * - `ended`: the service does not take its refresh token: 30 days are over, it was signed out on another device, or revoked;
 * - `untold`: signed out here, and the server could not be told.
 */
export type EndReason = "signed_out" | "everywhere" | "ended" | "untold";

/** Why this window is not signed in, for the sign-in page. */
export interface Notice {
  readonly reason: EndReason;
  readonly name: string;
  /** Whether it happened in this window. */
  readonly here: boolean;
}

/** All that pages need to know. A value: replaced when anything changes. */
export interface AccountsState {
  /** By when they were last used, the latest first. */
  readonly accounts: readonly Account[];
  /** The one that this window uses; null on the sign-in page. */
  readonly current: Account | null;
  readonly notice: Notice | null;
}

/** The part of `Storage` that is used. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** What the accounts live in; replaced in tests. */
export interface Surroundings {
  /** Shared by all windows. */
  readonly shared: Store;
  /** Of this window alone. */
  readonly own: Store;
  readonly now: () => number;
  /** Calls `changed` after another window wrote to the shared store. Returns the removal. */
  readonly watch: (changed: () => void) => () => void;
}

/**
 * Who is signed in, by user id. The tokens of each are under a name of their own, `paychain.accounts.7`: windows of two accounts
 * may renew theirs at the same time, and a window that is not shown the other's yet must not write the spent ones back.
 */
const ACCOUNTS = "paychain.accounts";
const ENDS = "paychain.ended";
const CHOICE = "paychain.account";
/** The window shows the sign-in page although there are accounts. */
const NOBODY = "none";

/** At most so many accounts are kept, and so many ends; the account that was not used for longest goes. */
const MOST_ACCOUNTS = 20;

/** What is known of an account besides its tokens. */
type Person = Pick<Account, "user" | "used_at">;
type AccountMap = Readonly<Record<string, Account>>;
type Ends = Readonly<Record<string, { readonly reason: EndReason; readonly name: string }>>;

/** The accounts of this browser as one window sees them. */
export class Accounts {
  readonly #at: Surroundings;
  readonly #listeners = new Set<() => void>();
  #state: AccountsState;
  #notice: Notice | null = null;

  constructor(surroundings: Surroundings) {
    this.#at = surroundings;
    if (surroundings.own.getItem(CHOICE) === null) {
      const latest = sorted(this.#read())[0];
      if (latest) surroundings.own.setItem(CHOICE, String(latest.user.user_id));
    }
    this.#state = this.#look();
    surroundings.watch(() => this.#changed());
  }

  /** What is so now; the same object until it changes. */
  get state(): AccountsState {
    return this.#state;
  }

  /** Calls `listener` after each change. Returns the removal. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** An account as it is stored now: another window may have renewed it a moment ago. */
  stored(userId: number): Account | null {
    return this.#read()[userId] ?? null;
  }

  /** Keeps a sign-in, and uses it in this window. */
  signIn(account: Omit<Account, "used_at">): void {
    const ends = { ...this.#ends() };
    delete ends[account.user.user_id];
    this.#at.shared.setItem(ENDS, JSON.stringify(ends));
    this.#writeTokens(account.user.user_id, account);
    this.#write({ user: account.user, used_at: this.#at.now() });
    this.#choose(String(account.user.user_id));
  }

  /** Keeps a new pair of tokens. Does nothing for an account that was signed out meanwhile. */
  renewed(userId: number, pair: Tokens): void {
    if (this.stored(userId)) this.#writeTokens(userId, pair);
    this.#changed();
  }

  /** Keeps what the service says of a user. */
  update(user: User): void {
    const account = this.stored(user.user_id);
    if (account) this.#write({ user, used_at: account.used_at });
    this.#changed();
  }

  /** Uses another account of this browser in this window. */
  use(userId: number): void {
    const account = this.stored(userId);
    if (!account) return;
    this.#write({ user: account.user, used_at: this.#at.now() });
    this.#choose(String(userId));
  }

  /** Shows the sign-in page in this window, and keeps all accounts. */
  leave(): void {
    this.#choose(NOBODY);
  }

  /** Takes an account out of all windows, which then say why. */
  end(userId: number, reason: EndReason): void {
    const { [userId]: account, ...others } = this.#read();
    if (!account) return;
    const ends = Object.fromEntries(Object.entries(this.#ends()).slice(1 - MOST_ACCOUNTS));
    this.#at.shared.setItem(ENDS, JSON.stringify({ ...ends, [userId]: { reason, name: account.user.name } }));
    this.#at.shared.removeItem(tokensOf(userId));
    this.#writeAll(Object.values(others));
    if (this.#at.own.getItem(CHOICE) === String(userId)) {
      this.#at.own.setItem(CHOICE, NOBODY);
      this.#notice = { reason, name: account.user.name, here: true };
    }
    this.#tell();
  }

  #choose(choice: string): void {
    this.#notice = null;
    this.#at.own.setItem(CHOICE, choice);
    this.#tell();
  }

  /** Looks whether the account of this window has gone. */
  #changed(): void {
    const choice = this.#at.own.getItem(CHOICE);
    if (choice !== null && choice !== NOBODY && !this.#read()[choice]) {
      const end = this.#ends()[choice];
      const name = end?.name ?? this.#state.current?.user.name ?? "";
      this.#notice = { reason: end?.reason ?? "signed_out", name, here: false };
      this.#at.own.setItem(CHOICE, NOBODY);
    }
    this.#tell();
  }

  #tell(): void {
    this.#state = this.#look();
    for (const listener of [...this.#listeners]) listener();
  }

  #look(): AccountsState {
    const accounts = this.#read();
    const choice = this.#at.own.getItem(CHOICE);
    return {
      accounts: sorted(accounts),
      current: (choice !== null && accounts[choice]) || null,
      notice: this.#notice,
    };
  }

  #write(person: Person): void {
    const people = sorted({ ...this.#read(), [person.user.user_id]: person });
    for (const { user } of people.splice(MOST_ACCOUNTS)) this.#at.shared.removeItem(tokensOf(user.user_id));
    this.#writeAll(people);
  }

  #writeAll(people: readonly Person[]): void {
    const all = people.map(({ user, used_at }) => [user.user_id, { user, used_at }]);
    this.#at.shared.setItem(ACCOUNTS, JSON.stringify(Object.fromEntries(all)));
  }

  #writeTokens(userId: number, { refresh_token, access_token, expires_at }: Tokens): void {
    this.#at.shared.setItem(tokensOf(userId), JSON.stringify({ refresh_token, access_token, expires_at }));
  }

  #read(): AccountMap {
    const accounts: Record<string, Account> = {};
    for (const [id, person] of Object.entries(parsed(this.#at.shared.getItem(ACCOUNTS)))) {
      const tokens = parsed(this.#at.shared.getItem(tokensOf(id)));
      const account: unknown = { ...(person as object | null), ...tokens };
      if (isAccount(account)) accounts[id] = account;
    }
    return accounts;
  }

  #ends(): Ends {
    return parsed(this.#at.shared.getItem(ENDS)) as Ends;
  }
}

/** The browser's stores; where a browser keeps none for this page, they last as long as the page. */
export function browserSurroundings(): Surroundings {
  return {
    shared: usable(() => window.localStorage),
    own: usable(() => window.sessionStorage),
    now: () => Date.now(),
    watch: (changed) => {
      const listener = (event: StorageEvent) => {
        // A null key: all was cleared.
        if (event.key === null || event.key.startsWith(ACCOUNTS)) changed();
      };
      window.addEventListener("storage", listener);
      return () => window.removeEventListener("storage", listener);
    },
  };
}

function usable(storage: () => Storage): Store {
  try {
    const store = storage();
    store.setItem("paychain.probe", "1");
    store.removeItem("paychain.probe");
    return store;
  } catch {
    const memory = new Map<string, string>();
    return {
      getItem: (key) => memory.get(key) ?? null,
      setItem: (key, value) => void memory.set(key, value),
      removeItem: (key) => void memory.delete(key),
    };
  }
}

/** What the tokens of an account are kept under. */
function tokensOf(userId: number | string): string {
  return `${ACCOUNTS}.${userId}`;
}

function sorted<One extends Person>(accounts: Readonly<Record<string, One>>): One[] {
  return Object.values(accounts).sort((one, other) => other.used_at - one.used_at);
}

function parsed(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

/** Whether something from the store is an account: another version of this page may have written it. */
function isAccount(value: unknown): value is Account {
  if (typeof value !== "object" || value === null) return false;
  const { user, refresh_token, access_token, expires_at, used_at } = value as Record<string, unknown>;
  if (typeof user !== "object" || user === null) return false;
  const { user_id, name, email, user_type } = user as Record<string, unknown>;
  return (
    typeof user_id === "number" &&
    typeof name === "string" &&
    typeof email === "string" &&
    (user_type === "employer" || user_type === "worker") &&
    typeof refresh_token === "string" &&
    typeof access_token === "string" &&
    typeof expires_at === "number" &&
    typeof used_at === "number"
  );
}
