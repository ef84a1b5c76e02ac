// Counts and times as they are shown. The clock is the caller's.

/** The highest count that a badge shows. */
const MOST_SHOWN = 99;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A count on a badge: "" for none or unknown, "1" to "99", "99+". */
export function badge(count: number | null): string {
  if (!count) return "";
  return count > MOST_SHOWN ? `${MOST_SHOWN}+` : String(count);
}

/** How long ago, "5 min. ago"; from a day on the time of day, since the day is said elsewhere. "" for what is no time. */
export function formatWhen(iso: string, now: number, locale?: string): string {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return "";
  const age = Math.max(0, now - at);
  if (age >= DAY) return new Intl.DateTimeFormat(locale, { timeStyle: "short" }).format(at);
  const format = new Intl.RelativeTimeFormat(locale, { style: "short", numeric: "auto" });
  if (age < MINUTE) return format.format(0, "second");
  return age < HOUR
    ? format.format(-Math.floor(age / MINUTE), "minute")
    : format.format(-Math.floor(age / HOUR), "hour");
}

/** Day and time to the minute. "" for what is no time. */
export function formatExact(iso: string, locale?: string): string {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return "";
  return new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short" }).format(at);
}
