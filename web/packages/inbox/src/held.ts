// What the inbox holds of the service's list, newest first: a window from the newest down to where the pages that were fetched end.
// What is asked of the service and not yet answered lies over it when it is shown, so that taking that back is to leave it away. No
// calls, no clock.

import type { Change } from "./notification.js";
import type { Filter, Notification } from "./types.js";

/** The most notifications that are held; beyond it the oldest go, and can be loaded again. */
export const MOST_HELD = 5_000;

/** The most deleted ones that are remembered, so that a late event does not bring one back. */
const MOST_GONE = 1_000;

/** What is asked of the service for one notification, or for all up to one. */
export type Wish =
  | { readonly kind: "read" | "unread" | "remove"; readonly id: number }
  | { readonly kind: "restore"; readonly notification: Notification }
  | { readonly kind: "read_all"; readonly upTo: number };

/** The notifications of a filter. */
export class Held {
  /** The `before` of the next page; null: there is none. */
  next: number | null = null;
  private readonly byId = new Map<number, Notification>();
  private readonly gone = new Set<number>();
  /** What was shown last, and each notification as it looks read or unread: what did not change stays the same object. */
  private last: readonly Notification[] = [];
  private readonly marked = new WeakMap<Notification, Notification>();

  constructor(readonly filter: Filter) {}

  /** The newest one's id; 0 if there is none. */
  get newest(): number {
    let newest = 0;
    for (const id of this.byId.keys()) newest = Math.max(newest, id);
    return newest;
  }

  get size(): number {
    return this.byId.size;
  }

  /** Whether there are older ones, and room for them. */
  get hasMore(): boolean {
    return this.next !== null && this.byId.size < MOST_HELD;
  }

  /** In place of all that is held: a list from the newest down. */
  replace(notifications: readonly Notification[], next: number | null): void {
    const before = new Map(this.byId);
    this.byId.clear();
    this.gone.clear();
    this.append(
      notifications.map((one) => {
        const known = before.get(one.id);
        return known && JSON.stringify(known) === JSON.stringify(one) ? known : one;
      }),
      next,
    );
  }

  /** Older ones beside what is held. */
  append(notifications: readonly Notification[], next: number | null): void {
    for (const one of notifications) if (!this.gone.has(one.id)) this.byId.set(one.id, one);
    this.next = next;
  }

  /** What an event tells. */
  apply(change: Change, now: string): void {
    switch (change.kind) {
      case "arrived":
        if (!this.byId.has(change.notification.id) && !this.gone.has(change.notification.id)) {
          this.insert(change.notification);
        }
        break;
      case "restored":
        this.gone.delete(change.notification.id);
        this.insert(change.notification);
        break;
      case "deleted":
        this.drop(change.id);
        break;
      case "read":
      case "unread":
        this.mark(change.id, change.kind === "read", now);
        break;
      case "all_read":
        for (const id of this.byId.keys()) if (id <= change.upTo) this.mark(id, true, now);
    }
  }

  /** What is shown, newest first: as if all wishes had been fulfilled, in their order. */
  shown(wishes: Iterable<Wish>): readonly Notification[] {
    const items = new Map(this.byId);
    for (const wish of wishes) {
      if (wish.kind === "remove") items.delete(wish.id);
      else if (wish.kind === "restore") {
        if (this.admits(wish.notification)) items.set(wish.notification.id, wish.notification);
      } else if (wish.kind === "read_all") {
        for (const [id, one] of items) if (id <= wish.upTo) items.set(id, this.asRead(one, true));
      } else {
        const one = items.get(wish.id);
        if (one) items.set(wish.id, this.asRead(one, wish.kind === "read"));
      }
    }
    const shown = [...items.values()].sort((a, b) => b.id - a.id);
    const isSame = shown.length === this.last.length && shown.every((one, at) => one === this.last[at]);
    if (!isSame) this.last = shown;
    return this.last;
  }

  /** Drops the oldest beyond what is held at most. */
  trim(): void {
    if (this.byId.size <= MOST_HELD) return;
    const ids = [...this.byId.keys()].sort((a, b) => b - a);
    for (const id of ids.slice(MOST_HELD)) this.byId.delete(id);
    this.next = ids[MOST_HELD - 1] ?? null;
  }

  private insert(notification: Notification): void {
    if (!this.admits(notification)) return;
    this.byId.set(notification.id, notification);
    this.trim();
  }

  /** Whether it is one of the filter's, in the window that was fetched. */
  private admits({ id, category, is_read }: Notification): boolean {
    if (this.next !== null && id < this.next) return false;
    if (this.filter.category !== null && category !== this.filter.category) return false;
    return !this.filter.unread || !is_read;
  }

  /** A notification as it will look. */
  private asRead(one: Notification, isRead: boolean): Notification {
    if (one.is_read === isRead) return one;
    const known = this.marked.get(one) ?? { ...one, is_read: isRead };
    this.marked.set(one, known);
    return known;
  }

  private drop(id: number): void {
    this.byId.delete(id);
    this.gone.add(id);
    for (const oldest of this.gone) {
      if (this.gone.size <= MOST_GONE) break;
      this.gone.delete(oldest);
    }
  }

  /** One that was read stays where it is, under the filter of unread ones too: it does not go from under the pointer. */
  private mark(id: number, isRead: boolean, now: string): void {
    const one = this.byId.get(id);
    if (one && one.is_read !== isRead) {
      this.byId.set(id, { ...one, is_read: isRead, read_at: isRead ? now : null });
    }
  }
}
