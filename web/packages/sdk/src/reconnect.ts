// How long to wait before the next attempt. Knows neither sockets nor states.

import type { Ending } from "./close-codes.js";
import type { ClientOptions, Environment } from "./types.js";

/** "At once" is spread over so many milliseconds, so that the clients of a server do not all come in the same one. */
const AT_ONCE = 500;

/** The shortest pause of a backoff, milliseconds: chance alone may give none at all. */
const SHORTEST = 100;

/**
 * The pause before the next attempt, in milliseconds.
 *
 * A time that the server named is kept. "At once" holds for the first failure in a row; after that, and otherwise, the pause is
 * a random part of a limit that doubles with each failure: by default 1, 2, 4, 8, 16, 30 s.
 */
export function delayOf(
  { rule, delay }: Pick<Ending, "rule" | "delay">,
  failures: number,
  { minDelay = 1_000, maxDelay = 30_000 }: Pick<ClientOptions, "minDelay" | "maxDelay">,
  random: Environment["random"],
): number {
  if (delay !== undefined) return delay;
  if (rule === "at_once" && failures < 2) return Math.round(random() * AT_ONCE);
  return Math.max(SHORTEST, Math.round(random() * Math.min(maxDelay, minDelay * 2 ** (failures - 1))));
}
