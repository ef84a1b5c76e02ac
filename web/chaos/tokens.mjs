// The access tokens of one user of the run: kept while they are good, and fetched by signing in.

import { call } from "./http.mjs";

/** A token that ends sooner than this is not used any more, milliseconds. */
const MARGIN = 90_000;

/** Tokens of one user, for all of the user's clients. */
export class Tokens {
  #base;
  #user;
  #token;
  #asking = null;
  counts;

  /** `user`: `{email, password, token}`. */
  constructor(base, user, counts) {
    this.#base = base;
    this.#user = user;
    this.#token = user.token;
    this.counts = counts;
  }

  /** A token; `why` as in the SDK's `getToken`. */
  async get(why) {
    const fresh = why === "unauthorized" || why === "expiring" || endOf(this.#token) - Date.now() < MARGIN;
    if (!fresh) return this.#token;
    this.#asking ??= this.#signIn().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #signIn() {
    const { email, password } = this.#user;
    this.counts.signIns += 1;
    const answer = await call(this.#base, "POST", "/auth/login", {
      body: { email, password },
      patience: 8_000,
    });
    if (answer.status !== 200) throw new Error(`signing in: ${answer.status}`);
    this.counts.logins += 1;
    this.#token = answer.json.access_token;
    return this.#token;
  }
}

function endOf(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString()).exp * 1_000;
}
