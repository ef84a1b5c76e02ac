// The calls to one server, the hub or a service: its address and key, who may call when, and until when. What is sent is in publisher.ts
// and notifications.ts, the attempts of one request in request.ts, the order in lanes.ts.

import { randomUUID } from "node:crypto";

import { FanfareError } from "./errors.js";
import { Lanes } from "./lanes.js";
import { type Sender, send } from "./request.js";
import type { CallOptions, ServerOptions } from "./types.js";

/** A server that calls go to. */
export interface Place {
  /** As messages begin: `The hub`. */
  readonly who: string;
  /** What its key is called in them. */
  readonly key: string;
  /** Its address on one's own machine: the default of its `PORT`. */
  readonly local: string;
}

/** What a header may hold: visible ASCII. */
const VISIBLE = /^[\x21-\x7e]+$/;

/** What an idempotency key may be: the hub takes printable ASCII, and headers lose blanks at their ends. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** The longest that the hub takes, bytes. */
const MAX_KEY = 255;

/** Calls one server. */
export class Caller {
  readonly sender: Sender;
  readonly deadline: number;
  readonly #who: string;
  readonly #base: string;
  readonly #lanes: Lanes;

  /** @throws FanfareError `invalid` where an option is wrong. */
  constructor(place: Place, url: string | URL | undefined, key: string | undefined, options: ServerOptions) {
    this.#who = place.who;
    this.#base = baseOf(place, url ?? place.local);
    // Node's own error would show it.
    if (key !== undefined && !VISIBLE.test(key)) {
      throw new FanfareError("invalid", `The ${place.key} has characters that no key has, or is empty.`);
    }
    this.sender = {
      who: place.who,
      fetch: options.fetch ?? ((...request) => globalThis.fetch(...request)),
      headers: {
        "content-type": "application/json",
        accept: "application/json, application/problem+json",
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      timeout: positive("timeout", options.timeout ?? 10_000),
      maxAttempts: positive("maxAttempts", options.maxAttempts ?? 10),
      minDelay: positive("minDelay", options.minDelay ?? 200),
      maxDelay: positive("maxDelay", options.maxDelay ?? 5_000),
    };
    this.deadline = positive("deadline", options.deadline ?? 30_000);
    const concurrent = positive("maxConcurrent", options.maxConcurrent ?? 16);
    this.#lanes = new Lanes(place.who, concurrent, positive("maxPending", options.maxPending ?? 1_000));
  }

  /** The address of a path. */
  at(path: string): string {
    return `${this.#base}${path}`;
  }

  /** Posts it when those before it in its lane are done, and gives the answer's JSON. */
  async post(
    path: string,
    lane: string,
    body: string,
    options: CallOptions,
    headers: Readonly<Record<string, string>>,
  ): Promise<unknown> {
    const deadline = positive("deadline", options.deadline ?? this.deadline);
    const given = new AbortController();
    const late = () => {
      const message = `${this.#who} did not answer before the deadline.`;
      given.abort(new FanfareError("timeout", message, { mayHaveArrived: sent }));
    };
    const aborted = () => given.abort(givenUp(options.signal, sent));
    let sent = false;
    const until = performance.now() + deadline;
    const timer = setTimeout(late, deadline);
    if (options.signal?.aborted) aborted();
    options.signal?.addEventListener("abort", aborted, { once: true });
    try {
      return await this.#lanes.run(lane, given.signal, () => {
        sent = true;
        return send(this.sender, { url: this.at(path), body, headers, signal: given.signal, until });
      });
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", aborted);
    }
  }
}

/** The error of a call whose caller has given it up. */
export function givenUp(signal: AbortSignal | undefined, mayHaveArrived: boolean): FanfareError {
  const message = "The call was given up by its caller.";
  return new FanfareError("aborted", message, { mayHaveArrived, cause: signal?.reason });
}

/** A variable of the environment. */
export function fromEnvironment(name: string): string | undefined {
  // An empty variable is the same as none.
  return process.env[name]?.trim() || undefined;
}

/** A number above 0. @throws FanfareError `invalid`, which names it. */
export function positive(name: string, value: number): number {
  if (typeof value === "number" && value > 0 && value < 2 ** 31) return value;
  throw new FanfareError("invalid", `${name} must be a number above 0 and below 2^31.`);
}

/** An idempotency key: the one that is given, or a new one. @throws FanfareError `invalid` for what can be none. */
export function keyOf(given: string | undefined, longest: number = MAX_KEY): string {
  if (given === undefined) return randomUUID();
  if (typeof given === "string" && IDEMPOTENCY_KEY.test(given) && given.length <= longest) return given;
  throw new FanfareError("invalid", `An idempotency key has 1 to ${longest} characters of printable ASCII.`);
}

/** Its JSON. @throws FanfareError `invalid` for what has none. */
export function textOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    const message = "The data cannot be JSON: a circle, or a BigInt, which has to be given as text.";
    throw new FanfareError("invalid", message, { cause });
  }
}

/** The address with a slash at its end. What is wrong with it is said without it: it may hold a password. */
function baseOf({ who, key, local }: Place, given: string | URL): string {
  let url: URL;
  try {
    url = new URL(String(given));
  } catch {
    throw new FanfareError("invalid", `${who}'s address is no URL. It looks like ${local}.`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new FanfareError("invalid", `${who}'s address must begin with http:// or https://.`);
  }
  if (url.username || url.password) {
    throw new FanfareError(
      "invalid",
      `${who}'s address must not hold a name or a password; pass the ${key}.`,
    );
  }
  url.search = url.hash = "";
  return url.href.endsWith("/") ? url.href : `${url.href}/`;
}
