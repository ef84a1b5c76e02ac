// Keys that make sending something again safe: the services do once what comes twice with one `Idempotency-Key`.

/** A new key: 128 random bits. Works on pages without https too, where `crypto.randomUUID` is missing. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** At most so many bodies are remembered; the one that was new first is forgotten. */
const MOST_BODIES = 20;

/**
 * Gives the key of what a form sends: the same one while the same is tried again, also after something else was tried between;
 * others for all that differs, and once something has succeeded. One for each form.
 */
export class Attempt {
  readonly #keys = new Map<string, string>();

  /** The header for a body, which is compared as JSON. */
  headers(body: unknown): { "Idempotency-Key": string } {
    const text = JSON.stringify(body) ?? "";
    const key = this.#keys.get(text) ?? newKey();
    this.#keys.set(text, key);
    if (this.#keys.size > MOST_BODIES) this.#keys.delete([...this.#keys.keys()][0] ?? "");
    return { "Idempotency-Key": key };
  }

  /** It has succeeded: what is sent next is something new. */
  done(): void {
    this.#keys.clear();
  }
}
