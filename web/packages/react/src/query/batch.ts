// Collects query keys of a burst of events: the first goes out at once, the rest together, at most once an interval.
// It knows nothing of React, and of TanStack Query only what a key is.

import { hashKey, partialMatchKey, type QueryKey } from "@tanstack/react-query";

/** More different keys than these are not kept: their first elements stand for them, which covers more, never less. */
export const MAX_KEYS = 100;

/** How long a refetch that is still running holds back the next one, in intervals. */
const PATIENCE = 10;

/** A collector of keys. */
export interface Batch {
  /** Adds keys; each goes out once. */
  add(keys: readonly QueryKey[]): void;
  /** Forgets what waits and stops. */
  stop(): void;
}

/**
 * A collector that gives keys to `flush` at most every `interval` milliseconds. While what `flush` returned is unsettled the
 * next one waits, up to ten intervals: a refetch that is cancelled by the next one again and again would never end.
 */
export function createBatch(interval: () => number, flush: (keys: QueryKey[]) => Promise<unknown>): Batch {
  let waiting = new Map<string, QueryKey>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = 0;
  let stopped = false;

  const send = () => {
    const keys = withoutCovered([...waiting.values()]);
    waiting = new Map();
    running += 1;
    const done = () => {
      running -= 1;
    };
    flush(keys).then(done, done);
    pause(0);
  };

  const pause = (pauses: number) => {
    timer = setTimeout(() => {
      timer = undefined;
      if (waiting.size === 0) return;
      if (running > 0 && pauses + 1 < PATIENCE) pause(pauses + 1);
      else send();
    }, interval());
  };

  return {
    add(keys) {
      if (stopped || keys.length === 0) return;
      for (const key of keys) waiting.set(hashKey(key), key);
      if (waiting.size > MAX_KEYS) {
        const short = [...waiting.values()].map((key) => key.slice(0, 1));
        waiting = new Map(short.map((key) => [hashKey(key), key]));
        // Keys of so many kinds that even this is too much: everything.
        if (waiting.size > MAX_KEYS) waiting = new Map([[hashKey([]), []]]);
      }
      if (timer === undefined) send();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      waiting.clear();
    },
  };
}

/** Leaves out each key that another one covers: `["jobs", 7]` beside `["jobs"]`. */
function withoutCovered(keys: QueryKey[]): QueryKey[] {
  return keys.filter(
    (key) =>
      !keys.some((other) => other !== key && other.length <= key.length && partialMatchKey(key, other)),
  );
}
