// Times as people say them, and one clock that all of a page's relative times follow. No components here.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const SHORT_DATE = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric" });
const LONG_DATE = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric", year: "numeric" });
const EXACT = new Intl.DateTimeFormat("en-US", { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en-US", { timeStyle: "short" });

/**
 * How far a time is from now: `just now`, `5 minutes ago`, `in 2 days`, `yesterday`. Beyond 7 days the date, with its year
 * if that is not this one. Both in milliseconds since 1970.
 */
export function formatRelative(time: number, now: number): string {
  const distance = time - now;
  const far = Math.abs(distance);
  if (far < 45 * SECOND) return distance > 10 * SECOND ? "in a moment" : "just now";
  if (far < 59.5 * MINUTE) return RELATIVE.format(Math.round(distance / MINUTE), "minute");
  if (far < 23.5 * HOUR) return RELATIVE.format(Math.round(distance / HOUR), "hour");
  if (far <= 7 * DAY) return RELATIVE.format(Math.round(distance / DAY), "day");
  const sameYear = new Date(time).getFullYear() === new Date(now).getFullYear();
  return (sameYear ? SHORT_DATE : LONG_DATE).format(time);
}

/** The exact time in this machine's zone, to the second. */
export function formatExact(time: number): string {
  return EXACT.format(time);
}

/** The time of day, to the minute. */
export function formatClock(time: number): string {
  return CLOCK.format(time);
}

/** A wait in words: `1 second`, `40 seconds`, `3 minutes`; rounded up, so that it is never too short. */
export function formatWait(seconds: number): string {
  const whole = Math.max(1, Math.ceil(seconds));
  if (whole < 90) return whole === 1 ? "1 second" : `${whole} seconds`;
  const minutes = Math.ceil(whole / 60);
  return `${minutes} minutes`;
}

/** How often relative times are looked at again, in milliseconds. */
export const TICK = 15 * SECOND;

const listeners = new Set<() => void>();
let ticking: ReturnType<typeof setInterval> | undefined;
let now = Date.now();

/** Calls `listener` at each tick; the timer runs only while anybody listens. Returns the removal. */
export function onTick(listener: () => void): () => void {
  if (listeners.size === 0) {
    now = Date.now();
    ticking = setInterval(tick, TICK);
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) clearInterval(ticking);
  };
}

/** The time of the last tick, in milliseconds since 1970; the real time while nobody listens. */
export function tickedNow(): number {
  if (listeners.size === 0) now = Math.max(now, Math.floor(Date.now() / SECOND) * SECOND);
  return now;
}

function tick(): void {
  now = Date.now();
  for (const listener of [...listeners]) listener();
}
