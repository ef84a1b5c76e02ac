// One call of the hub or a service: attempts one after the other until there is an answer, a refusal, or no time left. All attempts
// have the same idempotency key, so that what arrived twice is taken once. Knows nothing of lanes and events; answers that are read
// as they come are in stream.ts.

import { FanfareError, type FanfareErrorCode } from "./errors.js";

/** An answer may have so many bytes: a thousand single ones, each with a long refusal. */
const MAX_ANSWER = 4 * 1024 * 1024;

/** Characters of a refusal that are shown. */
const MAX_DETAIL = 300;

/** What all calls to one server have in common. Times in milliseconds. */
export interface Sender {
  /** Who is called, as messages begin: `The hub`. */
  readonly who: string;
  readonly fetch: typeof globalThis.fetch;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number;
  readonly maxAttempts: number;
  readonly minDelay: number;
  readonly maxDelay: number;
}

/** One call. `until` is a time of `performance.now()`. */
export interface Call {
  readonly url: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly until: number;
}

/** Why one attempt failed. */
export interface Failure {
  readonly code: FanfareErrorCode;
  readonly message: string;
  readonly again: boolean;
  readonly status?: number;
  readonly hubCode?: string | undefined;
  /** From the answer's `Retry-After`, milliseconds. */
  readonly after?: number | undefined;
  readonly mayHaveArrived?: boolean;
  readonly cause?: unknown;
}

/** What one attempt came to. */
type Outcome = { readonly answer: unknown } | Failure;

/** Posts until it is answered, and gives the answer's JSON. */
export async function send(sender: Sender, call: Call): Promise<unknown> {
  let mayHaveArrived = false;
  for (let attempts = 1; ; attempts++) {
    const outcome = await attempt(sender, call);
    if ("answer" in outcome) return outcome.answer;
    mayHaveArrived ||= outcome.mayHaveArrived ?? false;
    await restAfter(outcome, { sender, attempts, mayHaveArrived, until: call.until, signal: call.signal });
  }
}

/** What is known of a call when one of its attempts has failed. `until` is a time of `performance.now()`. */
export interface Progress {
  readonly sender: Sender;
  readonly attempts: number;
  readonly mayHaveArrived: boolean;
  readonly until: number;
  readonly signal: AbortSignal;
}

/** Waits until the next attempt may be made, or throws what the call has failed with. */
export async function restAfter(failure: Failure, progress: Progress): Promise<void> {
  const { sender, attempts, mayHaveArrived, until, signal } = progress;
  const fail = (told: string) => {
    const { status, hubCode, cause } = failure;
    const details = { status, hubCode, cause, attempts, mayHaveArrived };
    return new FanfareError(failure.code, `${failure.message}${told}`, details);
  };
  if (!failure.again) throw fail("");
  if (attempts >= sender.maxAttempts) throw fail(` Gave up after ${attempts} attempts.`);
  const pause = Math.max(failure.after ?? 0, backoff(sender, attempts));
  if (performance.now() + pause >= until) throw fail(" There was no time for another attempt.");
  await rest(pause, signal);
}

/** A random part of a limit that doubles with each failure, and at least half of it: a hub in trouble is not asked at once. */
function backoff({ minDelay, maxDelay }: Sender, failures: number): number {
  const limit = Math.min(maxDelay, minDelay * 2 ** (failures - 1));
  return limit / 2 + (Math.random() * limit) / 2;
}

async function attempt(sender: Sender, call: Call): Promise<Outcome> {
  if (call.signal.aborted) throw call.signal.reason;
  const left = call.until - performance.now();
  if (left <= 0) return { code: "timeout", message: "The deadline has passed.", again: false };
  const given = new AbortController();
  const abort = () => given.abort();
  call.signal.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(abort, Math.min(sender.timeout, left));
  try {
    const response = await sender.fetch(call.url, {
      method: "POST",
      headers: { ...sender.headers, ...call.headers },
      body: call.body,
      redirect: "manual",
      signal: given.signal,
    });
    return judge(sender, response, await bodyOf(response));
  } catch (cause) {
    if (call.signal.aborted) throw call.signal.reason;
    return broken(sender, given.signal.aborted, cause);
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", abort);
  }
}

/** What it was that broke an attempt off: its time, or the cause. */
export function broken({ who }: Sender, inTime: boolean, cause: unknown): Failure {
  if (inTime) {
    return { code: "timeout", message: `${who} did not answer in time.`, again: true, mayHaveArrived: true };
  }
  if (cause instanceof TooLarge) return strange(who, "its answer is too large");
  const why = causeOf(cause);
  const message = `${who} could not be reached${why ? ` (${why})` : ""}.`;
  return { code: "unreachable", message, again: true, mayHaveArrived: !NEVER_SENT.has(why), cause };
}

/** What answered is somebody else. */
export function strange(who: string, why: string, status?: number): Failure {
  const message = `What answered is not ${who.replace(/^The/, "the")}: ${why}.`;
  return { code: "bad_answer", message, again: false, ...(status === undefined ? {} : { status }) };
}

/** With these nothing was sent. */
const NEVER_SENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** The system's word for why: `ECONNREFUSED`. Its sentence is not taken: it may hold what was sent. */
function causeOf(error: unknown): string {
  const { code } = ((error as { cause?: unknown } | null)?.cause ?? error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : "";
}

function judge(sender: Sender, response: Response, text: string): Outcome {
  const { status } = response;
  const body = parsed(text);
  if (status !== 200 && status !== 201) {
    return refusal(sender, status, body, response.headers.get("retry-after"));
  }
  if (body !== undefined) return { answer: body };
  return strange(sender.who, `${status} without JSON`, status);
}

/** What an answer says that is none of the good ones; `body` is its JSON, if it has any. */
export function refusal(
  { who }: Sender,
  status: number,
  body: unknown,
  header: string | null = null,
): Failure {
  const { code, detail, title } = (typeof body === "object" && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  const said = [detail, title].find((part) => typeof part === "string" && part !== "") as string | undefined;
  const message = `${who} answered ${status}${said ? `: ${said.slice(0, MAX_DETAIL)}` : ""}`.replace(
    /\.?$/,
    ".",
  );
  const hubCode = typeof code === "string" ? code : undefined;
  const told = { message, status, hubCode };
  if (status === 401 || status === 403) return { ...told, code: "unauthorized", again: false };
  // A service says 409 with a time to come back while the first call under the same key is under way.
  if (status === 429 || status === 503 || (status === 409 && header !== null)) {
    return { ...told, code: "overloaded", again: true, after: retryAfter(header) };
  }
  if (status >= 500) return { ...told, code: "server_error", again: true, mayHaveArrived: true };
  if (status === 408) return { ...told, code: "timeout", again: true };
  if (status >= 400) return { ...told, code: "invalid", again: false };
  return strange(who, `status ${status}`, status);
}

/** Seconds or a date (RFC 9110, 10.2.3), as milliseconds from now; undefined if it is neither. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1_000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

class TooLarge extends Error {}

/** The text of an answer as a whole. */
export async function bodyOf(response: Response): Promise<string> {
  if (!response.body) return "";
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    size += part.value.byteLength;
    if (size > MAX_ANSWER) {
      await reader.cancel();
      throw new TooLarge();
    }
    chunks.push(part.value);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The JSON of a text; undefined if it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}
