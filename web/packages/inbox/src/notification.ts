// Notifications, pages and events as they come over the wire, made into what the inbox works with. What is none is null, or left out.

import type { Category, Notification, Priority } from "./types.js";

const PRIORITIES: readonly unknown[] = ["low", "normal", "high", "urgent"];

/** A page of the list. */
export interface Page {
  readonly notifications: readonly Notification[];
  readonly total: number;
  readonly unreadCount: number;
  /** The `before` of the next page; null on the last. */
  readonly next: number | null;
}

/** A change of the inbox, as an event tells it. */
export type Change = { readonly unreadCount: number; readonly at: number; readonly key: string } & (
  | { readonly kind: "arrived" | "restored"; readonly notification: Notification; readonly sound: boolean }
  | { readonly kind: "read" | "unread" | "deleted"; readonly id: number }
  | { readonly kind: "all_read"; readonly upTo: number }
);

/** The types of events that an inbox follows, and what each says. */
export const EVENTS = {
  notification: "arrived",
  notification_restored: "restored",
  notification_read: "read",
  notification_unread: "unread",
  notification_deleted: "deleted",
} as const;

/** The name of one of them. */
export type EventType = keyof typeof EVENTS;

/** A notification; null if it is none. */
export function notificationOf(value: unknown): Notification | null {
  const given = record(value);
  const id = idOf(given.id);
  if (id === null || typeof given.title !== "string") return null;
  const type = text(given.type) || "general";
  return {
    id,
    user_id: typeof given.user_id === "number" ? given.user_id : text(given.user_id),
    type,
    category: text(given.category) || type,
    title: given.title,
    message: text(given.message),
    data: record(given.data),
    priority: PRIORITIES.includes(given.priority) ? (given.priority as Priority) : "normal",
    is_read: given.is_read === true,
    read_at: textOrNull(given.read_at),
    created_at: text(given.created_at) || text(given.timestamp),
    expires_at: textOrNull(given.expires_at),
  };
}

/** A page; null if it is none. Newest first, each id once. */
export function pageOf(value: unknown): Page | null {
  const { notifications, total, unread_count, next } = record(value);
  const unreadCount = countOf(unread_count);
  if (!Array.isArray(notifications) || unreadCount === null) return null;
  const byId = new Map<number, Notification>();
  for (const one of notifications) {
    const notification = notificationOf(one);
    if (notification) byId.set(notification.id, notification);
  }
  return {
    notifications: [...byId.values()].sort((a, b) => b.id - a.id),
    total: countOf(total) ?? byId.size,
    unreadCount,
    next: idOf(next),
  };
}

/** The categories of a `stats` answer, by name; null if it is none. */
export function categoriesOf(value: unknown): Category[] | null {
  const { by_category } = record(value);
  if (typeof by_category !== "object" || by_category === null) return null;
  return Object.entries(by_category)
    .map(([name, counts]) => {
      const { total, unread_count } = record(counts);
      return { name, total: countOf(total) ?? 0, unreadCount: countOf(unread_count) ?? 0 };
    })
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** A change; null if the event tells none. */
export function changeOf(type: EventType, data: unknown): Change | null {
  const given = record(data);
  const unreadCount = countOf(given.unread_count);
  if (unreadCount === null) return null;
  const at = Date.parse(text(given.timestamp));
  const id = idOf(given.notification_id) ?? idOf(given.id);
  const kind = EVENTS[type];
  const known = { unreadCount, at: Number.isNaN(at) ? 0 : at, key: `${type} ${id} ${text(given.timestamp)}` };
  if (kind === "arrived" || kind === "restored") {
    const notification = notificationOf(data);
    return notification && { ...known, kind, notification, sound: given.sound === true };
  }
  if (kind === "read" && given.all === true) {
    const upTo = idOf(given.up_to) ?? Number.MAX_SAFE_INTEGER;
    return { ...known, kind: "all_read", upTo, key: `${known.key} ${upTo}` };
  }
  return id === null ? null : { ...known, kind, id };
}

/** Members of an object; none of what is no object. */
export function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function idOf(value: unknown): number | null {
  return Number.isSafeInteger(value) ? (value as number) : null;
}

/** A count; null if it is none. */
export function countOf(value: unknown): number | null {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
