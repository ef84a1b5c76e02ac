// How long to wait before the next attempt.

import type { Clock, Failure, FailureCode } from "./types.js";

/** The first and the longest pause, milliseconds; it doubles with each failure: as the client's before a reconnect. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

/** What another attempt with the same token and the same call would not change. */
const FINAL: readonly FailureCode[] = ["unauthorized", "forbidden", "not_found", "invalid"];

/** The pause after so many failures in a row, half of it chance; null if there is to be no next attempt by itself. */
export function pauseAfter(failure: Failure, failures: number, clock: Clock): number | null {
  if (FINAL.includes(failure.code)) return null;
  const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1)) * (0.5 + clock.random() / 2);
  return Math.round(Math.max(pause, failure.retryAfter ?? 0));
}
