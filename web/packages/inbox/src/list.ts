// The list as it is fetched: the first page, older ones, all of it anew after a gap, another filter, and again after a failure. What
// events tell while a page is under way is applied to it again when it is there. Nothing here changes anything at the service.
//
//   start ─▶ loading ─┬─▶ ready ── refresh, gap, poll ──▶ ready
//                     └─▶ failed ── after a pause, network, refresh ──▶ loading

import type { Wish } from "./held.js";
import { Held } from "./held.js";
import { type Change, pageOf } from "./notification.js";
import { pauseAfter } from "./pauses.js";
import { failed, type Rest } from "./rest.js";
import type { Clock, Failure, Filter, Notification, Remove, Snapshot, Status } from "./types.js";

/** The longest page that the service gives. */
const LONGEST_PAGE = 100;

/** So many are fetched anew at most; what was loaded beyond them is loaded again when it is scrolled to. */
const MOST_REFRESHED = 500;

/** Events that are kept for a page that is under way; with more of them it is fetched once more. */
const MOST_MEANWHILE = 1_000;

/** The least time between two fetches that nobody asked for by hand, milliseconds. */
const REFRESH_EVERY = 1_000;

/** How often the count was told, by events and by answers. */
export interface Tellings {
  readonly events: number;
  readonly answers: number;
}

/** What a list is made with. */
export interface ListOptions {
  readonly call: Rest;
  readonly clock: Clock;
  readonly pageSize: number;
  /** Milliseconds; 0: never. */
  readonly pollInterval: number;
  readonly filter: Filter;
  changed(): void;
  /** A page told the count; `since` is what `tellings` gave when it was asked for. */
  counted(count: number, since: Tellings): void;
  tellings(): Tellings;
}

/** What of a snapshot is the list's. */
export type ListState = Omit<Snapshot, "items" | "unreadCount" | "notice" | "categories">;

/** The list of one filter at a time. */
export interface List {
  state(): ListState;
  shown(wishes: Iterable<Wish>): readonly Notification[];
  /** The id of the newest that is held; 0 if none is. */
  newest(): number;
  apply(change: Change): void;
  start(): void;
  stop(): void;
  setFilter(filter: Partial<Filter>): void;
  /** Fetches anew, now. */
  refresh(): Promise<void>;
  /** Fetches anew, soon, and many such wishes at once. */
  refreshSoon(): void;
  loadMore(): Promise<void>;
}

/** A list that holds nothing yet. */
export function list(options: ListOptions): List {
  const { call, clock, changed } = options;
  const pageSize = Math.min(LONGEST_PAGE, Math.max(1, Math.round(options.pageSize)));

  let held = new Held(options.filter);
  let status: Status = "idle";
  let total: number | null = null;
  let failure: Failure | null = null;
  let failures = 0;
  let retryAt: number | null = null;
  let running = false;
  /** Ends the calls of a filter that is not shown any more. */
  let ending = new AbortController();
  let refreshing: Promise<void> | null = null;
  let isWanted = false;
  let more: Promise<void> | null = null;
  let timer: unknown;
  let refreshedAt = Number.NEGATIVE_INFINITY;
  let unwatch: Remove = () => {};

  /** What came while pages are under way. */
  let meanwhile: Change[] = [];
  let underWay = 0;

  function apply(change: Change): void {
    held.apply(change, new Date(clock.now()).toISOString());
    if (underWay === 0) return;
    if (meanwhile.length < MOST_MEANWHILE) meanwhile.push(change);
    else isWanted = true;
  }

  /** Fetches a page; `take` puts it into the list, before what came meanwhile. False: it was of no use. */
  async function page(perPage: number, before: number | null) {
    const { signal } = ending;
    const since = meanwhile.length;
    const sinceTelling = options.tellings();
    const { category, unread } = held.filter;
    underWay += 1;
    const query = { per_page: perPage, before, category, unread: unread || null };
    const outcome = await call({ action: before === null ? "load" : "load_more", query, signal });
    underWay -= 1;
    const came = meanwhile.slice(since);
    if (underWay === 0) meanwhile = [];
    if (signal.aborted) return null;
    if (!outcome.ok) return { failure: outcome.failure, came, found: null };
    const found = pageOf(outcome.value);
    if (!found) return { ...failed({ action: "load" }, "bad_answer", 200), came, found: null };
    options.counted(found.unreadCount, sinceTelling);
    // A page that leads nowhere is the last, whatever it says.
    const { next, notifications } = found;
    const leads = next !== null && notifications.length > 0 && (before === null || next < before);
    return { failure: null, came, found: leads ? found : { ...found, next: null } };
  }

  async function fetchAll(): Promise<void> {
    const floor = status === "ready" ? held.next : null;
    const goal = Math.min(MOST_REFRESHED, Math.max(pageSize, held.size));
    const fetched: Notification[] = [];
    const came: Change[] = [];
    let before: number | null = null;
    do {
      const one = await page(goal > pageSize ? LONGEST_PAGE : pageSize, before);
      if (!one) return;
      came.push(...one.came);
      if (!one.found) return failedWith(one.failure);
      if (before === null) total = one.found.total;
      fetched.push(...one.found.notifications);
      before = one.found.next;
      // As far down as before; without anything below it, to the end.
    } while (before !== null && fetched.length < goal && (floor === null || before > floor));
    held.replace(fetched, before);
    for (const change of came) held.apply(change, new Date(clock.now()).toISOString());
    status = "ready";
    failure = null;
    failures = 0;
    changed();
    if (options.pollInterval > 0) later(options.pollInterval, null);
  }

  function failedWith(reason: Failure): void {
    failure = reason;
    failures += 1;
    if (status === "loading") status = "failed";
    const pause = running ? pauseAfter(reason, failures, clock) : null;
    if (pause !== null) later(pause, clock.now() + pause);
    changed();
  }

  function later(pause: number, at: number | null): void {
    clock.clearTimeout(timer);
    retryAt = at;
    timer = running ? clock.setTimeout(refreshNow, pause) : undefined;
  }

  function refreshNow(): Promise<void> {
    clock.clearTimeout(timer);
    timer = undefined;
    retryAt = null;
    if (refreshing) {
      isWanted = true;
      return refreshing;
    }
    if (status !== "ready") status = "loading";
    refreshedAt = clock.now();
    const { signal } = ending;
    const run = fetchAll().finally(() => {
      if (signal.aborted) return;
      refreshing = null;
      const again = isWanted && failure === null;
      isWanted = false;
      if (again && running) refreshSoon();
      changed();
    });
    refreshing = run;
    changed();
    return run;
  }

  function refreshSoon(): void {
    if (!running) return;
    if (refreshing) {
      isWanted = true;
      return;
    }
    const wait = refreshedAt + REFRESH_EVERY - clock.now();
    if (wait <= 0) void refreshNow();
    else later(wait, retryAt === null ? null : clock.now() + wait);
  }

  async function fetchMore(): Promise<void> {
    const before = held.next;
    if (before === null) return;
    const one = await page(pageSize, before);
    // Fetched anew meanwhile: another page is the next one.
    if (!one || held.next !== before) return;
    if (!one.found) {
      failure = one.failure;
      return;
    }
    failure = null;
    held.append(one.found.notifications, one.found.next);
    for (const change of one.came) held.apply(change, new Date(clock.now()).toISOString());
  }

  function abandon(): void {
    ending.abort();
    ending = new AbortController();
    refreshing = null;
    more = null;
    isWanted = false;
    clock.clearTimeout(timer);
    timer = undefined;
    retryAt = null;
  }

  return {
    state: () => ({
      status,
      total,
      hasMore: held.hasMore,
      isLoadingMore: more !== null,
      isRefreshing: refreshing !== null,
      filter: held.filter,
      failure,
      retryAt,
    }),
    shown: (wishes) => held.shown(wishes),
    newest: () => held.newest,
    apply,
    start() {
      running = true;
      const wake = () => {
        if (failure || options.pollInterval > 0) void refreshNow();
      };
      unwatch = clock.watch?.({ online: wake, wake, offline() {} }) ?? (() => {});
      void refreshNow();
    },
    stop() {
      running = false;
      unwatch();
      abandon();
    },
    setFilter(filter) {
      const wanted = { ...held.filter, ...filter };
      if (wanted.category === held.filter.category && wanted.unread === held.filter.unread) return;
      abandon();
      held = new Held(wanted);
      total = null;
      failure = null;
      failures = 0;
      status = running ? "loading" : "idle";
      if (running) void refreshNow();
      changed();
    },
    refresh: refreshNow,
    refreshSoon,
    loadMore() {
      if (more || !held.hasMore || status !== "ready") return more ?? Promise.resolve();
      const { signal } = ending;
      const run = fetchMore().finally(() => {
        if (signal.aborted) return;
        more = null;
        changed();
      });
      more = run;
      changed();
      return run;
    },
  };
}
