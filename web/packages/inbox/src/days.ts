// Notifications by the day on which they were made, in the words of a locale: Today, Yesterday, then dates. By the viewer's time
// zone. The clock is the caller's.

import type { Notification } from "./types.js";

/** The notifications of a day. */
export interface DayGroup {
  /** The day, `2026-11-21`; "" for those without a time. */
  readonly key: string;
  readonly title: string;
  readonly items: readonly Notification[];
}

/** How days are told apart and called. */
export interface DayOptions {
  /** Now, milliseconds. */
  readonly now: number;
  /** BCP 47. Default: the browser's. */
  readonly locale?: string | undefined;
  /** Default: the browser's. */
  readonly timeZone?: string | undefined;
  /** What notifications without a time are under. Default: `Earlier`. */
  readonly earlier?: string;
}

/** Groups by day, each in the order of the notifications. */
export function groupByDay(items: readonly Notification[], options: DayOptions): DayGroup[] {
  const { now, locale, timeZone, earlier = "Earlier" } = options;
  const day = dayFormat(timeZone);
  const today = day(now);
  const yesterday = dayBefore(today);
  const groups = new Map<string, Notification[]>();
  const known = remembered(timeZone ?? "", day);
  for (const item of items) {
    const at = Date.parse(item.created_at);
    // A server's clock that is a little ahead makes no tomorrow.
    const key = Number.isNaN(at) ? "" : at <= now ? known(item.created_at, at) : day(now);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups].map(([key, members]) => ({
    key,
    title: titleOf(key, today, yesterday, locale) || earlier,
    items: members,
  }));
}

function dayFormat(timeZone: string | undefined): (at: number) => string {
  const format = new Intl.DateTimeFormat("en-CA", {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    ...(timeZone ? { timeZone } : {}),
  });
  return (at) => {
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
    return `${parts.get("year")}-${parts.get("month")}-${parts.get("day")}`;
  };
}

/** The most days that are remembered: of all that an inbox holds. */
const MOST_REMEMBERED = 5_000;

const days = new Map<string, string>();

/** A list is grouped anew with each change, and a time does not change its day: what was told once is not asked for again. */
function remembered(timeZone: string, day: (at: number) => string): (text: string, at: number) => string {
  return (text, at) => {
    const name = `${timeZone} ${text}`;
    const found = days.get(name);
    if (found !== undefined) return found;
    if (days.size >= MOST_REMEMBERED) days.clear();
    const made = day(at);
    days.set(name, made);
    return made;
  };
}

function dayBefore(key: string): string {
  const noon = new Date(`${key}T12:00:00Z`);
  noon.setUTCDate(noon.getUTCDate() - 1);
  return noon.toISOString().slice(0, 10);
}

function titleOf(key: string, today: string, yesterday: string, locale: string | undefined): string {
  if (!key) return "";
  if (key === today || key === yesterday) {
    const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(
      key === today ? 0 : -1,
      "day",
    );
    return words.charAt(0).toLocaleUpperCase(locale) + words.slice(1);
  }
  const isThisYear = key.slice(0, 4) === today.slice(0, 4);
  return new Intl.DateTimeFormat(locale, {
    timeZone: "UTC",
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(isThisYear ? {} : { year: "numeric" }),
  }).format(new Date(`${key}T12:00:00Z`));
}
