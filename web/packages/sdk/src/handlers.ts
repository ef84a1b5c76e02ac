// A list of functions that are called in turn. One that throws stops no other; one that was removed is not called again, and
// one that was added during a call waits for the next.

import type { Remove } from "./types.js";

type Entry<Args extends unknown[]> = { readonly run: (...args: Args) => void; live: boolean };

/** A list of handlers, each an entry of its own: the same function added twice is called twice. */
export interface Handlers<Args extends unknown[]> {
  readonly size: number;
  add(run: (...args: Args) => void): Remove;
  /** Calls all; `going`, asked before each, may end the round. */
  call(args: Args, going?: () => boolean): void;
}

/** Makes an empty list; `failed` gets what a handler throws. */
export function handlers<Args extends unknown[]>(failed: (cause: unknown) => void): Handlers<Args> {
  // Replaced, never changed, so that a round goes on over the list as it was.
  let entries: readonly Entry<Args>[] = [];
  return {
    get size() {
      return entries.length;
    },
    add(run) {
      const entry: Entry<Args> = { run, live: true };
      entries = [...entries, entry];
      return () => {
        entry.live = false;
        entries = entries.filter((other) => other !== entry);
      };
    },
    call(args, going) {
      for (const entry of entries) {
        if (!entry.live) continue;
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
