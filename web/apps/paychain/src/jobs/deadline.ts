// A deadline in words, counting down. Pure: the clock is the caller's.

/** How near a deadline is: `soon` is less than a day, `now` less than an hour. */
export type Urgency = "far" | "soon" | "now" | "passed";

/** A deadline in words. */
export interface Countdown {
  /** "3 days left", "4 h 12 min left", "52 s left", "Passed". */
  text: string;
  urgency: Urgency;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What is left until `deadline` (ISO 8601) at `now` (milliseconds). Rounded down: nobody is promised too much. */
export function countdown(deadline: string, now: number): Countdown {
  const left = Date.parse(deadline) - now;
  if (left <= 0) return { text: "Passed", urgency: "passed" };
  if (left < MINUTE) return { text: `${Math.floor(left / SECOND)} s left`, urgency: "now" };
  if (left < HOUR) {
    const minutes = Math.floor(left / MINUTE);
    const seconds = Math.floor((left % MINUTE) / SECOND);
    return { text: `${minutes} min ${String(seconds).padStart(2, "0")} s left`, urgency: "now" };
  }
  if (left < DAY) {
    const minutes = Math.floor((left % HOUR) / MINUTE);
    return { text: `${Math.floor(left / HOUR)} h ${minutes} min left`, urgency: "soon" };
  }
  const days = Math.floor(left / DAY);
  return { text: days === 1 ? "1 day left" : `${days} days left`, urgency: "far" };
}

/** How long the words of `countdown` stay right, in milliseconds: when to look again. Null once it has passed. */
export function nextTick(deadline: string, now: number): number | null {
  const left = Date.parse(deadline) - now;
  if (left <= 0) return null;
  const step = left < HOUR ? SECOND : left < DAY ? MINUTE : HOUR;
  return Math.max(50, Math.min(step, left % step || step));
}
