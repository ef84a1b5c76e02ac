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
 * Otherwise than by a rule it is a random part of a limit that doubles with each failure: by default 1, 2, 4, 8, 16, 30 s. For the
 * first failure in a row a time that the server named is kept, and "at once" holds. After that neither makes it come sooner, so
 * that a server that welcomes and closes is not hammered.
 */
export function delayOf(
  { rule, delay }: Pick<Ending, "rule" | "delay">,
  failures: number,
  { minDelay = 1_000, maxDelay = 30_000 }: Pick<ClientOptions, "minDelay" | "maxDelay">,
  random: Environment["random"],
): number {
  if (failures < 2) {
    if (delay !== undefined) return delay;
    if (rule === "at_once") return Math.round(random() * AT_ONCE);
  }
  const backoff = Math.round(random() * Math.min(maxDelay, minDelay * 2 ** (failures - 1)));
  // An option that is no number must not make a loop without a pause.
  return Math.max(SHORTEST, delay ?? 0, backoff || 0);
}
