// A list of functions that are called in turn. One that throws stops no other; one that was removed is not called again, and
// one that was added during a call waits for the next.

import type { Remove } from "./types.js";

/** A list of handlers, each an entry of its own: the same function added twice is called twice. */
export interface Handlers<Args extends unknown[]> {
  readonly size: number;
  add(run: (...args: Args) => void): Remove;
  /** Calls all; `going`, asked before each, may end the round. */
  call(args: Args, going?: () => boolean): void;
}

/** Makes an empty list; `failed` gets what a handler throws. */
export function handlers<Args extends unknown[]>(failed: (cause: unknown) => void): Handlers<Args> {
  // Each an object of its own, so that the same function may be there twice.
  const entries = new Set<{ readonly run: (...args: Args) => void }>();
  return {
    get size() {
      return entries.size;
    },
    add(run) {
      const entry = { run };
      entries.add(entry);
      return () => {
        entries.delete(entry);
      };
    },
    call(args, going) {
      // A round goes over those that were there when it began.
      for (const entry of [...entries]) {
        if (!entries.has(entry)) continue;
        if (going && !going()) return;
        try {
          entry.run(...args);
        } catch (cause) {
          failed(cause);
        }
      }
    },
  };
}
