// Many notifications on their way: which go into the next request, what became of each, and what is asked for again. A request has up
// to 10,000 users who get the same, or up to 500 notifications that differ: the service answers after every 500, so it never waits
// for a reader that still writes. All attempts of a request have one key, of which the service makes one for each item.

import { type Caller, givenUp, textOf } from "./caller.js";
import { FanfareError } from "./errors.js";
import { broken, type Failure, refusal, restAfter, strange } from "./request.js";
import { Failed, stream } from "./stream.js";
import type { Id, NotificationResult } from "./types.js";

/** Users of one request (the service's bound). */
const MAX_USERS = 10_000;

/** Notifications of one request that differ: as many as the service stores at once. */
const MAX_LINES = 500;

/** Characters of a request for many users, which are at most so many bytes: below the 1 MiB that the service takes. */
const MAX_BYTES = 900 * 1024;

/** One request. */
interface Request {
  readonly first: number;
  readonly users: readonly Id[];
  readonly contentType: string;
  readonly body: string;
  readonly key: string;
}

/** The requests for users who get the same; `members` is the JSON of an object with at least one member. */
export async function* sameFor(
  users: AsyncIterable<Id> | Iterable<Id>,
  members: string,
  key: string,
  checked: (id: Id, place: number) => Id,
): AsyncGenerator<Request, void> {
  const room = MAX_BYTES - Buffer.byteLength(members);
  let [first, number, size] = [0, 0, 0];
  let ids: Id[] = [];
  let texts: string[] = [];
  const request = (): Request => ({
    first,
    users: ids,
    contentType: "application/json",
    body: `${members.slice(0, -1)},"user_ids":[${texts.join()}]}`,
    key: partOf(key, number),
  });
  let place = 0;
  for await (const user of users) {
    const text = textOf(checked(user, place));
    const length = Buffer.byteLength(text) + 1;
    if (ids.length > 0 && (ids.length === MAX_USERS || size + length > room)) {
      yield request();
      [first, number, size, ids, texts] = [place, number + 1, 0, [], []];
    }
    size += length;
    ids.push(user);
    texts.push(text);
    place++;
  }
  if (ids.length > 0) yield request();
}

/** The requests for notifications that differ. */
export async function* eachOf<Item extends { readonly user_id: Id }>(
  items: AsyncIterable<Item> | Iterable<Item>,
  key: string,
  textOfItem: (item: Item, place: number) => string,
): AsyncGenerator<Request, void> {
  let number = 0;
  let place = 0;
  let ids: Id[] = [];
  let lines: string[] = [];
  const request = (): Request => ({
    first: place - ids.length,
    users: ids,
    contentType: "application/x-ndjson",
    body: `${lines.join("\n")}\n`,
    key: partOf(key, number),
  });
  for await (const item of items) {
    lines.push(textOfItem(item, place++));
    ids.push(item.user_id);
    if (ids.length === MAX_LINES) {
      yield request();
      [number, ids, lines] = [number + 1, [], []];
    }
  }
  if (ids.length > 0) yield request();
}

/** The key of a request: the first one's is the caller's own. */
function partOf(key: string, number: number): string {
  return number === 0 ? key : `${key}/${number}/`;
}

/** Makes the requests, one after the other, and tells of each item. `deadline`: milliseconds without one more result. */
export async function* resultsOf(
  service: Caller,
  requests: AsyncIterable<Request>,
  deadline: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<NotificationResult, void> {
  const { sender } = service;
  const given = new AbortController();
  let mayHaveArrived = false;
  const abort = () => given.abort(givenUp(signal, mayHaveArrived));
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    for await (const request of requests) {
      const headers = { "content-type": request.contentType, "idempotency-key": request.key };
      const url = service.at("api/notifications/bulk");
      const answers = new Answers(service, request);
      let attempts = 0;
      let until = performance.now() + deadline;
      while (!answers.done) {
        attempts++;
        answers.again();
        try {
          const call = { url, body: request.body, headers, signal: given.signal, until };
          for await (const line of stream(sender, call)) {
            mayHaveArrived = true;
            const result = answers.take(line);
            if (!result) continue;
            yield result;
            [attempts, until] = [1, performance.now() + deadline];
          }
          answers.end();
        } catch (error) {
          if (!(error instanceof Failed)) throw error;
          mayHaveArrived ||= error.failure.mayHaveArrived ?? false;
          const progress = { sender, attempts, mayHaveArrived, until, signal: given.signal };
          await restAfter(error.failure, progress);
        }
      }
      mayHaveArrived = false;
    }
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** The answers to one request, a line for each item in their order; what an earlier attempt told is passed over. */
class Answers {
  done = false;
  private seen = 0;
  private told = 0;

  constructor(
    private readonly service: Caller,
    private readonly request: Request,
  ) {}

  /** Another attempt begins. */
  again(): void {
    this.seen = 0;
  }

  /** What a line says that is new. */
  take(line: object): NotificationResult | undefined {
    const { who } = this.service.sender;
    const { users, first } = this.request;
    if (this.done) return undefined;
    const answer = line as {
      done?: unknown;
      success?: unknown;
      id?: unknown;
      status?: unknown;
      error?: unknown;
    };
    if (answer.done === true) {
      if (this.seen !== users.length)
        throw new Failed(strange(who, `${this.seen} answers to ${users.length}`, 200));
      this.done = true;
      return undefined;
    }
    const userId = users[this.seen];
    if (userId === undefined) throw new Failed(strange(who, `more than ${users.length} answers`, 200));
    if (this.seen++ < this.told) return undefined;
    const place = first + this.seen - 1;
    if (answer.success === true) {
      if (!Number.isSafeInteger(answer.id)) throw new Failed(strange(who, "no id", 200));
      this.told = this.seen;
      return { place, userId, id: answer.id as number };
    }
    const status = typeof answer.status === "number" ? answer.status : 500;
    const failure: Failure = refusal(this.service.sender, status, answer.error);
    // What may succeed later is asked for again, from here on.
    if (failure.again) throw new Failed(failure);
    this.told = this.seen;
    const { code, message, hubCode } = failure;
    return { place, userId, error: new FanfareError(code, message, { status, hubCode, attempts: 1 }) };
  }

  /** The answer has ended. */
  end(): void {
    if (!this.done) throw new Failed(broken(this.service.sender, false, { code: "the answer broke off" }));
  }
}
