// Toasts are for what happened elsewhere: this knows what the user is doing in this window, and keeps its toasts back.
// The user's other windows have another one of these and know nothing of it, so they show them.
// Also a door of the package, `@fanfare/react/own-actions`: an app that loads its toasts late needs this before them.

/** How long an action may hold back toasts, and how long its events are expected after it. Milliseconds. */
const LONGEST = 10_000;
/** So many toasts are held back, and so many actions' events are expected; beyond, the oldest is let go. */
const MOST = 100;

/** What PayChain's users do by themselves, and the types of the events that come of it. */
export const PAYCHAIN_ACTIONS = {
  post: ["job_created", "payment_held"],
  accept: ["job_accepted", "payment_held"],
  complete: ["job_completed", "payment_confirmed"],
  cancel: ["job_refunded", "payment_refunded"],
} as const;

/** What the user does in this window. One for a window; `EventToasts` gets it as `own`. */
export interface OwnActions<Action extends string = string> {
  /**
   * Runs an action and gives its answer. While it runs, toasts for its events wait, as an event may be here before the answer.
   * When it succeeds, those about its key (once each, for 10 s) are not shown; all others are. When it fails, all are.
   *
   * `key` is the key of the toasts: for PayChain the job's id, or how to find it in the answer.
   */
  during<T>(
    action: Action,
    run: () => Promise<T>,
    key: number | string | ((answer: T) => number | string),
  ): Promise<T>;
  /** For `EventToasts`: calls `show` now, later, or not at all. */
  consider(type: string, key: string | undefined, show: () => void): void;
}

interface Running {
  readonly types: readonly string[];
  /** The key, where it is known before the answer. */
  readonly key: string | undefined;
}

interface Expected {
  readonly types: Set<string>;
  readonly key: string;
  readonly until: number;
}

interface Held {
  readonly type: string;
  readonly key: string | undefined;
  readonly show: () => void;
}

/**
 * Makes the book of what the user does in this window.
 *
 * ```ts
 * const own = createOwnActions();
 * const job = await own.during("post", () => api.post(form), (job) => job.job_id);
 * await own.during("accept", () => api.accept(7), 7);
 * ```
 *
 * @param consequences The types of events that come of each action; PayChain's by default.
 */
export function createOwnActions(): OwnActions<keyof typeof PAYCHAIN_ACTIONS>;
export function createOwnActions<Action extends string>(
  consequences: Readonly<Record<Action, readonly string[]>>,
): OwnActions<Action>;
export function createOwnActions(
  consequences: Readonly<Record<string, readonly string[]>> = PAYCHAIN_ACTIONS,
): OwnActions {
  const running = new Set<Running>();
  let expected: Expected[] = [];
  let held: Held[] = [];

  const expects = (type: string, key: string | undefined): boolean => {
    const now = Date.now();
    expected = expected.filter((one) => one.until > now && one.types.size > 0);
    return expected.some((one) => one.key === key && one.types.delete(type));
  };

  const waits = (type: string, key: string | undefined): boolean =>
    [...running].some((one) => one.types.includes(type) && (one.key === undefined || one.key === key));

  const consider = (type: string, key: string | undefined, show: () => void) => {
    if (expects(type, key)) return;
    if (!waits(type, key)) return show();
    held.push({ type, key, show });
    if (held.length > MOST) held.shift()?.show();
  };

  const reconsider = () => {
    const before = held;
    held = [];
    for (const one of before) consider(one.type, one.key, one.show);
  };

  return {
    consider,
    async during(action, run, key) {
      const types = consequences[action] ?? [];
      const entry: Running = { types, key: typeof key === "function" ? undefined : String(key) };
      running.add(entry);
      const release = () => {
        if (running.delete(entry)) reconsider();
      };
      const timer = setTimeout(release, LONGEST);
      try {
        const answer = await run();
        const about = String(typeof key === "function" ? key(answer) : key);
        expected.push({ types: new Set(types), key: about, until: Date.now() + LONGEST });
        if (expected.length > MOST) expected.shift();
        return answer;
      } finally {
        clearTimeout(timer);
        release();
      }
    },
  };
}
