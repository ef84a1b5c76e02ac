// Keys that make sending something again safe: the services do once what comes twice with one `Idempotency-Key`.

/** A new key: 128 random bits. Works on pages without https too, where `crypto.randomUUID` is missing. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Gives the key of what a form sends: the same one while the same is tried again, another once it differs or has succeeded.
 * One for each form.
 */
export class Attempt {
  #key: string | null = null;
  #body = "";

  /** The header for a body, which is compared as JSON. */
  headers(body: unknown): { "Idempotency-Key": string } {
    const text = JSON.stringify(body) ?? "";
    if (this.#key === null || this.#body !== text) {
      this.#key = newKey();
      this.#body = text;
    }
    return { "Idempotency-Key": this.#key };
  }

  /** It has succeeded: what is sent next is something new. */
  done(): void {
    this.#key = null;
  }
}
