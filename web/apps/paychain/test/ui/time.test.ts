// Times in words, and the one clock behind them.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { formatRelative, formatWait, onTick, TICK, tickedNow } from "../../src/ui/time";

const NOW = new Date(2026, 10, 21, 12, 0, 0).getTime();
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe("relative times", () => {
  it.each([
    [0, "just now"],
    [-44_000, "just now"],
    [5_000, "just now"],
    [30_000, "in a moment"],
    [-MINUTE, "1 minute ago"],
    [-59 * MINUTE, "59 minutes ago"],
    [-60 * MINUTE, "1 hour ago"],
    [-23 * HOUR, "23 hours ago"],
    [-DAY, "yesterday"],
    [DAY, "tomorrow"],
    [2 * DAY, "in 2 days"],
    [-7 * DAY, "7 days ago"],
    [-9 * DAY, "Nov 12"],
    [-400 * DAY, "Oct 17, 2025"],
  ])("%d ms from now is %s", (distance, words) => {
    expect(formatRelative(NOW + distance, NOW)).toBe(words);
  });
});

describe("waits", () => {
  it.each([
    [0, "1 second"],
    [0.2, "1 second"],
    [40, "40 seconds"],
    [89.5, "2 minutes"],
    [900, "15 minutes"],
    [901, "16 minutes"],
  ])("%d s are %s", (seconds, words) => {
    expect(formatWait(seconds)).toBe(words);
  });
});

describe("the clock", () => {
  beforeEach(() => void vi.useFakeTimers({ now: NOW }));
  afterEach(() => void vi.useRealTimers());

  it("ticks for all together, and stops when nobody listens", () => {
    const one = vi.fn();
    const other = vi.fn();
    const stopOne = onTick(one);
    const stopOther = onTick(other);
    expect(vi.getTimerCount()).toBe(1);
    expect(tickedNow()).toBe(NOW);
    vi.advanceTimersByTime(TICK);
    expect(one).toHaveBeenCalledTimes(1);
    expect(other).toHaveBeenCalledTimes(1);
    expect(tickedNow()).toBe(NOW + TICK);
    stopOne();
    stopOther();
    expect(vi.getTimerCount()).toBe(0);
  });
});
