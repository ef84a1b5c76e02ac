// The publisher: publications as requests, each with its key, in the order of their target. How a call is made is in
// caller.ts, the dashboard's words in broadcasts.ts.

import { Caller, fromEnvironment, keyOf, textOf } from "./caller.js";
import { FanfareError } from "./errors.js";
import type {
  BatchAnswer,
  BatchPublication,
  CallOptions,
  FanfareOptions,
  Publication,
  PublishAnswer,
} from "./types.js";

/** The hub, where it is on one's own machine. */
const HUB = { who: "The hub", key: "API key", local: "http://127.0.0.1:8080" };

/** The hub takes as many in one batch. */
const MAX_BATCH = 1_000;

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
  readonly #hub: Caller;

  /** @throws FanfareError `invalid` where an option is wrong. */
  constructor(options: FanfareOptions = {}) {
    const url = options.url ?? fromEnvironment("WS_SERVICE_URL");
    this.#hub = new Caller(HUB, url, options.apiKey ?? fromEnvironment("FANFARE_API_KEY"), options);
  }

  /** Publishes, and resolves with the hub's answer. */
  async publish(publication: Publication, options: CallOptions = {}): Promise<PublishAnswer> {
    const given = checked(publication);
    const body = textOf(given);
    const key = keyOf(options.idempotencyKey);
    const answer = await this.#hub.post("broadcast", laneOf(given), body, options, {
      "idempotency-key": key,
    });
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
    const answer = await this.#hub.post("broadcast/batch", "batch", body, options, {});
    if (Array.isArray(answer) && answer.length === publications.length) return answer as BatchAnswer[];
    throw strange();
  }
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

function isAnswer(value: unknown): value is PublishAnswer {
  if (typeof value !== "object" || value === null) return false;
  return "success" in value && value.success === true && "id" in value && typeof value.id === "string";
}

function strange(): FanfareError {
  const message = "What answered is not the hub: its JSON is not an answer to a publication.";
  return new FanfareError("bad_answer", message);
}
