// Messages of a conversation as plain values: how pages, events and what was just sent become one list, and what is shown of it.
// Pure: no components, no calls. What was typed and is not stored yet is outbox.ts.

import { formatClock } from "../ui/time";
import { isSame, type PersonId } from "./person";
import type { ChatMessage, MessageList } from "./wire";

/** The pages of a conversation as they are kept: newest first, the newest page first. */
export interface Pages {
  pages: MessageList[];
  pageParams: unknown[];
}

/** With a message that came or was sent. One that is there already stays as it is. */
export function withMessage(kept: Pages, message: ChatMessage): Pages {
  const [newest, ...older] = kept.pages;
  if (!newest || kept.pages.some(({ items }) => items.some(({ id }) => id === message.id))) return kept;
  // What is older than all that is loaded belongs to a page that is not.
  const last = kept.pages.at(-1);
  const oldest = last?.items.at(-1);
  if (last?.next !== null && oldest && message.id < oldest.id) return kept;
  const items = [...newest.items, message].sort((one, other) => other.id - one.id);
  return { ...kept, pages: [{ ...newest, items }, ...older] };
}

/** With what `author` wrote read up to a message. */
export function withRead(kept: Pages, author: PersonId, upTo: number): Pages {
  const isNews = (message: ChatMessage) =>
    !message.read && message.id <= upTo && isSame(message.from_user_id, author);
  if (!kept.pages.some(({ items }) => items.some(isNews))) return kept;
  const pages = kept.pages.map((page) => ({
    ...page,
    items: page.items.map((message) => (isNews(message) ? { ...message, read: true } : message)),
  }));
  return { ...kept, pages };
}

/** All messages that are loaded, oldest first, each once. */
export function messagesOf(kept: Pages | undefined): ChatMessage[] {
  const byId = new Map<number, ChatMessage>();
  for (const { items } of kept?.pages ?? []) for (const message of items) byId.set(message.id, message);
  return [...byId.values()].sort((one, other) => one.id - other.id);
}

/** The latest message of the other that this user has not read; null if there is none. */
export function firstToMark(messages: readonly ChatMessage[], peer: PersonId): number | null {
  for (let at = messages.length - 1; at >= 0; at -= 1) {
    const message = messages[at];
    if (message && isSame(message.from_user_id, peer)) return message.read ? null : message.id;
  }
  return null;
}

/** The messages of one day of this machine's zone. */
export interface Day<Item> {
  /** `2026-11-21`. */
  readonly key: string;
  /** `Today`, `Yesterday`, `Monday, November 16`; with the year if that is not this one. */
  readonly name: string;
  readonly items: readonly Item[];
}

const DAY = new Intl.DateTimeFormat("en-US", { weekday: "long", month: "long", day: "numeric" });
const DAY_OF_YEAR = new Intl.DateTimeFormat("en-US", { month: "long", day: "numeric", year: "numeric" });

/** Groups by day what is in the order of time; `timeOf` in milliseconds since 1970. */
export function daysOf<Item>(
  items: readonly Item[],
  timeOf: (item: Item) => number,
  now: number,
): Day<Item>[] {
  const days: { key: string; name: string; items: Item[] }[] = [];
  for (const item of items) {
    const time = timeOf(item);
    const key = keyOfDay(time);
    const last = days.at(-1);
    if (last?.key === key) last.items.push(item);
    else days.push({ key, name: nameOfDay(time, now), items: [item] });
  }
  return days;
}

function keyOfDay(time: number): string {
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function nameOfDay(time: number, now: number): string {
  const key = keyOfDay(time);
  if (key === keyOfDay(now)) return "Today";
  const yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1);
  if (key === keyOfDay(yesterday.getTime())) return "Yesterday";
  const sameYear = new Date(time).getFullYear() === new Date(now).getFullYear();
  return (sameYear ? DAY : DAY_OF_YEAR).format(time);
}

/** The time of day of a message; nothing where it has none. */
export function clockOf(timestamp: string): string {
  const time = Date.parse(timestamp);
  return Number.isNaN(time) ? "" : formatClock(time);
}

/** The most bytes of UTF-8 in a message (contract: socketio, 4 KB). */
export const MOST_BYTES = 4096;

/** From so many bytes on the composer tells how many are left. */
const NEAR = 3584;

/** What a text has too much or little of. */
export interface TextRoom {
  /** Whether it can be sent. */
  readonly fits: boolean;
  /** `120 bytes left`, `12 bytes too long`; null while it is far from the limit. */
  readonly words: string | null;
}

const encoder = new TextEncoder();

/** How much room is left behind a text. */
export function roomOf(text: string): TextRoom {
  const ready = sendable(text);
  const bytes = encoder.encode(ready).byteLength;
  const left = MOST_BYTES - bytes;
  const count = (value: number) => (value === 1 ? "1 byte" : `${value} bytes`);
  return {
    fits: left >= 0 && ready.trim() !== "",
    words: bytes < NEAR ? null : left >= 0 ? `${count(left)} left` : `${count(-left)} too long`,
  };
}

/** Without what the service refuses and nobody sees: control characters but tab and newline, halves of characters. */
export function sendable(text: string): string {
  return text
    .replaceAll(/\r\n?/g, "\n")
    .replaceAll(/[^\P{Cc}\t\n]/gu, "")
    .replaceAll(/\p{Cs}/gu, "\uFFFD");
}
