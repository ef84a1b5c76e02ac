// The publisher: publications as requests, each with its key, in the order of their target. The attempts of a request are in
// request.ts, the order in lanes.ts, the dashboard's words in broadcasts.ts.

import { randomUUID } from "node:crypto";

import { FanfareError } from "./errors.js";
import { Lanes } from "./lanes.js";
import { type Sender, send } from "./request.js";
import type {
  BatchAnswer,
  BatchPublication,
  CallOptions,
  FanfareOptions,
  Publication,
  PublishAnswer,
} from "./types.js";

/** Where a hub is on one's own machine: the default of `PORT`. */
const LOCAL = "http://127.0.0.1:8080";

/** The hub takes as many in one batch. */
const MAX_BATCH = 1_000;

/** What a header may hold: visible ASCII. */
const VISIBLE = /^[\x21-\x7e]+$/;

/** What an idempotency key may be: the hub takes printable ASCII, and headers lose blanks at their ends. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** The longest that the hub takes, bytes. */
const MAX_KEY = 255;

/** What has a target: calls that agree in all of these keep their order. */
const TARGETS = [
  "channel",
  "channels",
  "user_id",
  "user_ids",
  "queue_id",
  "connection_id",
  "namespace",
] as const;

/** Publishes to one hub. */
export class Publisher {
  readonly #base: string;
  readonly #sender: Sender;
  readonly #deadline: number;
  readonly #lanes: Lanes;

  /** @throws FanfareError `invalid` where an option is wrong. */
  constructor(options: FanfareOptions = {}) {
    this.#base = baseOf(options.url ?? fromEnvironment("WS_SERVICE_URL") ?? LOCAL);
    const key = options.apiKey ?? fromEnvironment("FANFARE_API_KEY");
    // Node's own error would show it.
    if (key !== undefined && !VISIBLE.test(key)) {
      throw new FanfareError("invalid", "The API key has characters that no key has, or is empty.");
    }
    this.#sender = {
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
    this.#deadline = positive("deadline", options.deadline ?? 30_000);
    const concurrent = positive("maxConcurrent", options.maxConcurrent ?? 16);
    this.#lanes = new Lanes(concurrent, positive("maxPending", options.maxPending ?? 1_000));
  }

  /** Publishes, and resolves with the hub's answer. */
  async publish(publication: Publication, options: CallOptions = {}): Promise<PublishAnswer> {
    const given = checked(publication);
    const body = textOf(given);
    const key = keyOf(options.idempotencyKey);
    const answer = await this.#post("broadcast", laneOf(given), body, options, { "idempotency-key": key });
    if (isAnswer(answer)) return answer;
    throw strange();
  }

  /** Publishes up to 1,000 in order. */
  async publishBatch(
    publications: readonly BatchPublication[],
    options: Omit<CallOptions, "idempotencyKey"> = {},
  ): Promise<BatchAnswer[]> {
    if (!Array.isArray(publications)) throw new FanfareError("invalid", "publishBatch needs an array.");
    if (publications.length === 0) return [];
    if (publications.length > MAX_BATCH) {
      const message = `A batch has at most ${MAX_BATCH} publications; this one has ${publications.length}.`;
      throw new FanfareError("invalid", message);
    }
    const body = textOf(
      publications.map((publication) => ({
        ...checked(publication),
        idempotency_key: keyOf(publication.idempotency_key),
      })),
    );
    const answer = await this.#post("broadcast/batch", "batch", body, options, {});
    if (Array.isArray(answer) && answer.length === publications.length) return answer as BatchAnswer[];
    throw strange();
  }

  async #post(
    path: string,
    lane: string,
    body: string,
    options: CallOptions,
    headers: Readonly<Record<string, string>>,
  ): Promise<unknown> {
    const deadline = positive("deadline", options.deadline ?? this.#deadline);
    const given = new AbortController();
    const late = () => {
      const message = "The hub did not answer before the deadline.";
      given.abort(new FanfareError("timeout", message, { mayHaveArrived: sent }));
    };
    const aborted = () => {
      const message = "The call was given up by its caller.";
      given.abort(
        new FanfareError("aborted", message, { mayHaveArrived: sent, cause: options.signal?.reason }),
      );
    };
    let sent = false;
    const until = performance.now() + deadline;
    const timer = setTimeout(late, deadline);
    if (options.signal?.aborted) aborted();
    options.signal?.addEventListener("abort", aborted, { once: true });
    try {
      return await this.#lanes.run(lane, given.signal, () => {
        sent = true;
        return send(this.#sender, {
          url: `${this.#base}${path}`,
          body,
          headers,
          signal: given.signal,
          until,
        });
      });
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", aborted);
    }
  }
}

function fromEnvironment(name: string): string | undefined {
  // An empty variable is the same as none.
  return process.env[name]?.trim() || undefined;
}

/** The address with a slash at its end. What is wrong with it is said without it: it may hold a password. */
function baseOf(given: string | URL): string {
  let url: URL;
  try {
    url = new URL(String(given));
  } catch {
    throw new FanfareError("invalid", "The hub's address is no URL. It looks like http://hub.example:8080.");
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new FanfareError("invalid", "The hub's address must begin with http:// or https://.");
  }
  if (url.username || url.password) {
    throw new FanfareError("invalid", "The hub's address must not hold a name or a password; pass apiKey.");
  }
  url.search = url.hash = "";
  return url.href.endsWith("/") ? url.href : `${url.href}/`;
}

function positive(name: string, value: number): number {
  if (typeof value === "number" && value > 0 && value < 2 ** 31) return value;
  throw new FanfareError("invalid", `${name} must be a number above 0 and below 2^31.`);
}

function checked(publication: Publication): Publication {
  if (typeof publication !== "object" || publication === null || Array.isArray(publication)) {
    throw new FanfareError("invalid", "A publication is an object with a type.");
  }
  if (typeof publication.type !== "string" || publication.type === "") {
    throw new FanfareError("invalid", "A publication needs a type, a text that is not empty.");
  }
  const ids: Record<string, unknown> = {};
  for (const name of ["user_id", "queue_id"] as const) {
    if (typeof publication[name] === "bigint") ids[name] = String(publication[name]);
  }
  if (publication.user_ids)
    ids.user_ids = publication.user_ids.map((id) => (typeof id === "bigint" ? String(id) : id));
  return { ...publication, ...ids };
}

/** What has the same targets has the same lane; `456` and `"456"` are one user. */
function laneOf(publication: Publication): string {
  const texts = (value: unknown) => (Array.isArray(value) ? value.map(String) : String(value ?? ""));
  return JSON.stringify(TARGETS.map((target) => texts(publication[target])));
}

function keyOf(given: string | undefined): string {
  if (given === undefined) return randomUUID();
  if (typeof given === "string" && IDEMPOTENCY_KEY.test(given) && given.length <= MAX_KEY) return given;
  throw new FanfareError("invalid", `An idempotency key has 1 to ${MAX_KEY} characters of printable ASCII.`);
}

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    const message = "The data cannot be JSON: a circle, or a BigInt, which has to be given as text.";
    throw new FanfareError("invalid", message, { cause });
  }
}

function isAnswer(value: unknown): value is PublishAnswer {
  if (typeof value !== "object" || value === null) return false;
  return "success" in value && value.success === true && "id" in value && typeof value.id === "string";
}

function strange(): FanfareError {
  return new FanfareError(
    "bad_answer",
    "What answered is no hub: its JSON is not an answer to a publication.",
  );
}
