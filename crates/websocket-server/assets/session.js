// Who is signed in on the demo pages: a token and whose it is, kept in sessionStorage, so in this tab and no longer than it. Tokens
// of the user service are renewed in time, pasted ones are good until they end. No DOM. The forms are in sign-in.js.

import { rawMembers } from "./json-text.js";

/** Where it is kept. */
export const SESSION_KEY = "fanfare.demo.session";

/** A token is renewed so long before it ends, milliseconds. */
const RENEW_BEFORE_MS = 60_000;

/** Bytes of a password that nobody has to know. */
const PASSWORD_BYTES = 18;

/** Whose a token is and until when, as its claims say: `{userId, expiresAt}` in milliseconds. Throws a `TypeError` in words. */
export function readToken(token) {
  const parts = token.split(".");
  if (parts.length !== 3) throw new TypeError("A token has three parts with dots between; this one has not.");
  let members;
  try {
    const base64 = parts[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    members = rawMembers(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new TypeError("The middle part of this token can't be read. Copy it again, as a whole.");
  }
  const claim = members.get("user_id") ?? members.get("sub");
  // As text, digit for digit: a number may be larger than this language counts.
  const userId = claim?.startsWith('"') ? JSON.parse(claim) : claim;
  if (typeof userId !== "string" || !/^("|-?\d)/.test(claim)) throw new TypeError("This token names no user: it needs user_id or sub.");
  const seconds = Number(members.get("exp"));
  if (!Number.isFinite(seconds)) throw new TypeError("This token has no exp, and the hub takes only tokens that end.");
  return { userId, expiresAt: seconds * 1_000 };
}

export class Session {
  #kept;
  #now;
  #fetch;
  #current;
  #renewing = null;

  /** `kept` has `get(key)` and `set(key, value)`. */
  constructor({ kept, now = () => Date.now(), fetch = (...parts) => globalThis.fetch(...parts) }) {
    this.#kept = kept;
    this.#now = now;
    this.#fetch = fetch;
    const found = kept.get(SESSION_KEY);
    this.#current = typeof found?.token === "string" && typeof found.userId === "string" ? found : null;
  }

  /** `{token, userId, name, expiresAt}`, or null. */
  get current() {
    return this.#current;
  }

  /** Whether the token is past its end and can't be renewed. */
  get isOver() {
    return this.#current !== null && !this.#current.refresh && this.#current.expiresAt <= this.#now();
  }

  /** Signs in by a token. Throws a `TypeError` in words. */
  useToken(token) {
    const read = readToken(token);
    if (read.expiresAt <= this.#now()) throw new TypeError("This token has ended. Make a new one.");
    this.#set({ token, name: `User ${read.userId}`, refresh: null, ...read });
  }

  /** Signs in with an account. Throws a `TypeError` in words. */
  async signIn(email, password) {
    this.#take(await this.#call("auth/login", { email, password }));
  }

  /** Makes an account that nobody needs later, and signs in. Throws a `TypeError` in words. */
  async makeAccount(random = crypto) {
    const [number] = random.getRandomValues(new Uint32Array(1));
    const password = [...random.getRandomValues(new Uint8Array(PASSWORD_BYTES))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const name = `Demo ${String(number % 10_000).padStart(4, "0")}`;
    const email = `demo-${number.toString(36)}-${password.slice(0, 6)}@example.com`;
    this.#take(await this.#call("auth/register", { email, password, name, user_type: "worker" }));
  }

  /** Forgets who is signed in. */
  signOut() {
    this.#set(null);
  }

  /** A token that is good for a while, renewed where that is needed and possible; null if there is none. */
  async freshToken() {
    if (this.#current === null) return null;
    const isDue = this.#current.expiresAt - this.#now() < RENEW_BEFORE_MS;
    if (isDue && this.#current.refresh) {
      // Each refresh token is good once, so all who ask wait for the same answer.
      this.#renewing ??= this.#renew().finally(() => { this.#renewing = null; });
      await this.#renewing;
    }
    return this.#current?.token ?? null;
  }

  async #renew() {
    const { refresh, name } = this.#current;
    try {
      this.#take({ user: { name }, ...(await this.#call("auth/refresh", { refresh_token: refresh })) });
    } catch (fault) {
      // While the service is away the old token may still do.
      if (fault.isRefusal) this.#set(null);
    }
  }

  #take({ user, access_token: token, refresh_token: refresh }) {
    this.#set({ token, refresh, name: user?.name ?? "", ...readToken(token) });
  }

  #set(current) {
    this.#current = current;
    this.#kept.set(SESSION_KEY, current);
  }

  async #call(path, body) {
    let response;
    let answer = null;
    try {
      response = await this.#fetch(`/${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      answer = JSON.parse(await response.text());
    } catch {
      if (response === undefined) throw new TypeError("The server did not answer. Nothing was changed; try again.");
    }
    if (response.ok && typeof answer?.access_token === "string") return answer;
    throw Object.assign(new TypeError(refusal(response, answer)), { isRefusal: response.status === 401 });
  }
}

function refusal({ status, headers }, problem) {
  const wait = Number(headers.get("Retry-After"));
  if (problem?.code === "invalid_credentials") return "The address or the password is wrong.";
  if (status === 429) return wait > 0 ? `Too many attempts. Try again in ${wait} s.` : "Too many attempts. Try again later.";
  const detail = typeof problem?.detail === "string" ? problem.detail : `the server answered ${status}`;
  return `Not signed in: ${detail}.`.replace(/\.\.$/, ".");
}
