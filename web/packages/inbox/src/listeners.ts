// A set of functions that are called in turn. One that throws stops no other.

import type { Remove } from "./types.js";

/** Functions that get the same argument. */
export interface Listeners<Value> {
  add(listener: (value: Value) => void): Remove;
  call(value: Value): void;
}

/** None yet. */
export function listeners<Value = void>(): Listeners<Value> {
  const entries = new Set<{ readonly run: (value: Value) => void }>();
  return {
    add(run) {
      const entry = { run };
      entries.add(entry);
      return () => {
        entries.delete(entry);
      };
    },
    call(value) {
      for (const entry of [...entries]) {
        if (!entries.has(entry)) continue;
        try {
          entry.run(value);
        } catch (cause) {
          console.error("fanfare: a listener of the inbox failed.", cause);
        }
      }
    },
  };
}
