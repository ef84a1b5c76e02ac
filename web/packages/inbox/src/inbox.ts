// The inbox: what the service says, told by events and fetched pages, and what is asked of it. The service is the truth: the count is
// the last one it told, and what is shown before it agreed is taken back if it does not.
//
//   event ──▶ events.ts ──▶ changed() ──▶ held.ts ──▶ snapshot
//   page  ──▶ rest.ts   ──▶ list.ts   ──▶ held.ts ──▶ snapshot
//   click ──▶ act(): a wish over it, the call, then what it changed in held.ts, or a notice
//
// Which count is the newer, an event's or an answer's that was under way when the event came, nobody knows. The event's is kept: if the
// answer knew more, the events of that are still to come. If events may be missing (a gap, one out of order) all is fetched again.

import { platformEnvironment } from "@fanfare/client";
import { events } from "./events.js";
import type { Wish } from "./held.js";
import { list, type Tellings } from "./list.js";
import { listeners } from "./listeners.js";
import { type Change, categoriesOf, countOf, notificationOf, record } from "./notification.js";
import { preferencesStore } from "./preferences.js";
import { queue } from "./queue.js";
import { type Call, failed, rest } from "./rest.js";
import type { Arrival, Category, Failure, Inbox, InboxOptions, Notice, Remove, Snapshot } from "./types.js";

/** What was changed here should be told by an event within this time, milliseconds; else the count is fetched. */
const TOLD_WITHIN = 1_500;

/** Counts by category are fetched so long after a change, milliseconds: a burst of changes is one call. */
const CATEGORIES_AFTER = 500;

/**
 * Makes a user's inbox.
 *
 * ```ts
 * const inbox = createInbox({ getToken: () => session.token, live: liveFromClient(client) });
 * inbox.subscribe(() => render(inbox.getSnapshot()));
 * inbox.start();
 * ```
 */
export function createInbox(options: InboxOptions): Inbox {
  const clock = options.clock ?? platformEnvironment;
  const live = options.live ?? null;
  const call = rest(options);
  const changes = listeners();
  const arrivals = listeners<Arrival>();
  const told = events();
  const actions = queue();
  const wishes = new Set<Wish>();
  /** Deletes of which nobody knows whether they were carried out. */
  const unsure = new Set<number>();
  const pages = list({
    call,
    clock,
    pageSize: options.pageSize ?? 20,
    pollInterval: live ? 0 : (options.pollInterval ?? 60_000),
    filter: { category: null, unread: false, ...options.filter },
    changed: emit,
    counted: answered,
    tellings: () => tellings,
  });

  let snapshot: Snapshot | null = null;
  let unreadCount: number | null = null;
  /** How often the service told the count, each state of it an object of its own. */
  let tellings: Tellings = { events: 0, answers: 0 };
  let notice: Notice | null = null;
  let notices = 0;
  let starts = 0;
  let offs: Remove[] = [];
  let confirming: unknown;
  /** What is being asked for now, and whether an event spoke of it meanwhile. */
  let asked: { readonly id: number | null; isTold: boolean } | null = null;
  let categories: readonly Category[] | null = null;
  let watchers = 0;
  let categoriesTimer: unknown = null;
  let categoriesAsked = 0;

  function emit(): void {
    snapshot = null;
    changes.call();
  }

  /** An answer tells the count; `since`: what had been told when it was asked for. */
  function answered(count: number, since: Tellings): void {
    if (since.events !== tellings.events) return;
    // Of two answers that were under way together nobody knows which is the newer.
    if (since.answers !== tellings.answers && count !== unreadCount) pages.refreshSoon();
    tellings = { ...tellings, answers: tellings.answers + 1 };
    unreadCount = count;
  }

  // What events tell

  function changed(change: Change, isInOrder: boolean): void {
    const isAll = change.kind === "all_read";
    const id = isAll ? null : "notification" in change ? change.notification.id : change.id;
    if (asked && (isAll || asked.id === null || asked.id === id)) asked.isTold = true;
    if (isInOrder) {
      tellings = { ...tellings, events: tellings.events + 1 };
      unreadCount = change.unreadCount;
    } else pages.refreshSoon();
    // One that comes late may be overtaken by now; that one has come is true for ever.
    if (isInOrder || change.kind === "arrived") pages.apply(change);
    renewCategories();
    emit();
    if (change.kind === "arrived") arrivals.call({ notification: change.notification, sound: change.sound });
  }

  function gap(): void {
    pages.refreshSoon();
    renewCategories();
  }

  // What is asked of the service

  async function act(
    given: Call,
    wish: Wish | null,
    agreed: (value: unknown) => Change | null,
  ): Promise<boolean> {
    if (actions.isFull) {
      fail(failed(given, "too_many").failure);
      return false;
    }
    if (wish) wishes.add(wish);
    emit();
    return actions.run(async () => {
      const before = tellings;
      const current = { id: given.id ?? null, isTold: false };
      asked = current;
      const outcome = await call(given);
      asked = null;
      if (wish) wishes.delete(wish);
      if (outcome.ok) {
        const change = agreed(outcome.value);
        const count = countOf(record(outcome.value).unread_count);
        if (count !== null) answered(count, before);
        // An event of it came already, and later ones perhaps as well.
        if (change && !current.isTold) pages.apply(change);
        if (tellings.events === before.events) confirm(before);
        renewCategories();
        emit();
        return true;
      }
      const { code } = outcome.failure;
      const isGone = code === "not_found" && given.id !== undefined && given.action !== "restore";
      if (isGone) pages.apply(quiet({ kind: "deleted", id: given.id }));
      // Whether it was carried out is not known, or the list is not what it was taken for.
      const isUnknown = code === "timeout" || code === "unreachable" || code === "unavailable";
      if (isGone || isUnknown) pages.refreshSoon();
      if (isUnknown && given.action === "remove" && given.id !== undefined) unsure.add(given.id);
      if (isGone && given.action === "remove") {
        emit();
        return true;
      }
      fail(outcome.failure);
      return false;
    });
  }

  function fail(failure: Failure): void {
    notices += 1;
    notice = { key: notices, kind: "failed", failure };
    emit();
  }

  /** Sees to it that the count is told after a change that was made here. */
  function confirm(before: Tellings): void {
    clock.clearTimeout(confirming);
    confirming = clock.setTimeout(
      () => {
        if (tellings.events === before.events && starts > 0) pages.refreshSoon();
      },
      live ? TOLD_WITHIN : 0,
    );
  }

  /** A change of the list alone: the count that goes with it is told by the service. */
  function quiet(
    change: { kind: "read" | "unread" | "deleted"; id: number } | { kind: "all_read"; upTo: number },
  ): Change {
    return { ...change, unreadCount: 0, at: 0, key: "" };
  }

  function mark(id: number, kind: "read" | "unread"): Promise<boolean> {
    return act({ action: kind, method: "PUT", path: `/${id}/${kind}`, id }, { kind, id }, () =>
      quiet({ kind, id }),
    );
  }

  function restore(id: number, wish: (Wish & { kind: "restore" }) | null): Promise<boolean> {
    return act({ action: "restore", method: "POST", path: `/${id}/restore`, id }, wish, (value) => {
      const notification = notificationOf(value) ?? wish?.notification;
      if (!notification) return null;
      return { kind: "restored", notification, sound: false, unreadCount: 0, at: 0, key: "" };
    });
  }

  // Categories

  function renewCategories(): void {
    if (watchers === 0 || categoriesTimer !== null) return;
    categoriesTimer = clock.setTimeout(fetchCategories, CATEGORIES_AFTER);
  }

  async function fetchCategories(): Promise<void> {
    // What changes while this is under way asks once more.
    categoriesTimer = null;
    const mine = ++categoriesAsked;
    const outcome = await call({ action: "categories", path: "/stats" });
    const found = outcome.ok ? categoriesOf(outcome.value) : null;
    // Without them the list is still good: what is known stays, and the next change asks again.
    if (!found || watchers === 0 || mine !== categoriesAsked) return;
    categories = found;
    emit();
  }

  return {
    preferences: preferencesStore(call, clock),
    getSnapshot() {
      snapshot ??= {
        ...pages.state(),
        items: pages.shown(wishes),
        unreadCount,
        notice,
        categories,
      };
      return snapshot;
    },
    subscribe: changes.add,
    onArrival: arrivals.add,
    start() {
      starts += 1;
      if (starts > 1) return;
      if (live) {
        offs.push(told.follow(live, changed));
        if (live.onGap) offs.push(live.onGap(gap));
      }
      pages.start();
    },
    stop() {
      if (starts === 0) return;
      starts -= 1;
      if (starts > 0) return;
      for (const off of offs) off();
      offs = [];
      clock.clearTimeout(confirming);
      pages.stop();
    },
    loadMore: () => pages.loadMore(),
    refresh() {
      renewCategories();
      return pages.refresh();
    },
    markRead: (id) => mark(id, "read"),
    markUnread: (id) => mark(id, "unread"),
    markAllRead() {
      const upTo = pages.newest();
      return act({ action: "read_all", method: "POST", path: "/read-all" }, { kind: "read_all", upTo }, () =>
        quiet({ kind: "all_read", upTo }),
      );
    },
    remove(id) {
      const notification = pages.shown(wishes).find((one) => one.id === id) ?? null;
      unsure.delete(id);
      const isTaken = !actions.isFull;
      const removed = act(
        { action: "remove", method: "DELETE", path: `/${id}`, id },
        { kind: "remove", id },
        () => quiet({ kind: "deleted", id }),
      );
      let undone: Promise<boolean> | null = null;
      const undo = () => {
        undone ??= (async () => {
          if (notice === own) notice = null;
          const wish = notification && ({ kind: "restore", notification } as const);
          if (wish) wishes.add(wish);
          emit();
          // One that was not gone stays as it is.
          if ((await removed) || unsure.delete(id)) return restore(id, wish);
          // It was never gone.
          if (wish) wishes.delete(wish);
          emit();
          return true;
        })();
        return undone;
      };
      const own: Extract<Notice, { kind: "removed" }> | null =
        isTaken && notification
          ? {
              key: notices + 1,
              kind: "removed",
              notification,
              undo,
            }
          : null;
      if (own) {
        notices += 1;
        notice = own;
        emit();
      }
      return undo;
    },
    setFilter(filter) {
      pages.setFilter(filter);
    },
    markShown(ids) {
      for (const eventId of told.take(ids)) live?.ack?.(eventId);
    },
    watchCategories() {
      watchers += 1;
      if (watchers === 1 && categoriesTimer === null) {
        categoriesTimer = clock.setTimeout(fetchCategories, 0);
      }
      let isOver = false;
      return () => {
        if (!isOver) watchers -= 1;
        isOver = true;
      };
    },
    dismissNotice() {
      if (!notice) return;
      notice = null;
      emit();
    },
  };
}
