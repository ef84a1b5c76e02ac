// Idempotency keys of a page's actions, one for each thing a person means to do: a retry of the same thing carries the
// same key, so that it happens once however often it is sent. The key of a form is api/attempt.ts.

import { newKey } from "../api/attempt";

/** Keys kept at most; the oldest go first. A key that was forgotten only means that a retry counts as a new try. */
export const MAX_KEYS = 100;

/** The keys of what was meant and has not succeeded yet. */
export class IntentKeys {
  readonly #keys = new Map<string, string>();
  readonly #make: () => string;

  /** `make` gives a new key; random by default. */
  constructor(make: () => string = newKey) {
    this.#make = make;
  }

  /** The key of an intent: a new one at first, then the same one until it is `done`. */
  keyOf(intent: string): string {
    const kept = this.#keys.get(intent);
    if (kept !== undefined) return kept;
    const key = this.#make();
    this.#keys.set(intent, key);
    const oldest = this.#keys.keys().next();
    if (this.#keys.size > MAX_KEYS && !oldest.done) this.#keys.delete(oldest.value);
    return key;
  }

  /** It has happened: meaning it again is a new intent. */
  done(intent: string): void {
    this.#keys.delete(intent);
  }
}
