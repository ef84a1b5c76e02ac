// One call of the hub: attempts one after the other until there is an answer, a refusal, or no time left. All attempts have the same
// idempotency key, so that what arrived twice is sent once. Knows nothing of lanes and events.

import { FanfareError, type FanfareErrorCode } from "./errors.js";

/** An answer may have so many bytes: a thousand single ones, each with a long refusal. */
const MAX_ANSWER = 4 * 1024 * 1024;

/** Characters of a refusal that are shown. */
const MAX_DETAIL = 300;

/** What all calls of a publisher have in common. Times in milliseconds. */
export interface Sender {
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

/** What one attempt came to. */
type Outcome =
  | { readonly answer: unknown }
  | {
      readonly code: FanfareErrorCode;
      readonly message: string;
      readonly again: boolean;
      readonly status?: number;
      readonly hubCode?: string | undefined;
      /** From the answer's `Retry-After`, milliseconds. */
      readonly after?: number | undefined;
      readonly mayHaveArrived?: boolean;
      readonly cause?: unknown;
    };

/** Posts until it is answered, and gives the answer's JSON. */
export async function send(sender: Sender, call: Call): Promise<unknown> {
  let mayHaveArrived = false;
  for (let attempts = 1; ; attempts++) {
    const outcome = await attempt(sender, call);
    if ("answer" in outcome) return outcome.answer;
    mayHaveArrived ||= outcome.mayHaveArrived ?? false;
    const fail = (told: string) => {
      const { status, hubCode, cause } = outcome;
      const details = { status, hubCode, cause, attempts, mayHaveArrived };
      return new FanfareError(outcome.code, `${outcome.message}${told}`, details);
    };
    if (!outcome.again) throw fail("");
    if (attempts >= sender.maxAttempts) throw fail(` Gave up after ${attempts} attempts.`);
    const pause = Math.max(outcome.after ?? 0, backoff(sender, attempts));
    if (performance.now() + pause >= call.until) throw fail(" There was no time for another attempt.");
    await rest(pause, call.signal);
  }
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
    return judge(response, await bodyOf(response));
  } catch (cause) {
    if (call.signal.aborted) throw call.signal.reason;
    if (given.signal.aborted) {
      return {
        code: "timeout",
        message: "The hub did not answer in time.",
        again: true,
        mayHaveArrived: true,
      };
    }
    if (cause instanceof TooLarge) {
      return { code: "bad_answer", message: "The answer is larger than any of a hub's.", again: false };
    }
    const why = causeOf(cause);
    const message = `The hub could not be reached${why ? ` (${why})` : ""}.`;
    return { code: "unreachable", message, again: true, mayHaveArrived: !NEVER_SENT.has(why), cause };
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", abort);
  }
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

function judge(response: Response, text: string): Outcome {
  const { status } = response;
  const body = parsed(text);
  if (status === 200) {
    if (body !== undefined) return { answer: body };
    return {
      code: "bad_answer",
      message: "What answered is no hub: 200 without JSON.",
      again: false,
      status,
    };
  }
  const { code, detail, title } = (body ?? {}) as Record<string, unknown>;
  const said = [detail, title].find((part) => typeof part === "string" && part !== "") as string | undefined;
  const message = `The hub answered ${status}${said ? `: ${said.slice(0, MAX_DETAIL)}` : ""}`.replace(
    /\.?$/,
    ".",
  );
  const hubCode = typeof code === "string" ? code : undefined;
  const told = { message, status, hubCode };
  if (status === 401 || status === 403) return { ...told, code: "unauthorized", again: false };
  if (status === 429 || status === 503) {
    return {
      ...told,
      code: "overloaded",
      again: true,
      after: retryAfter(response.headers.get("retry-after")),
    };
  }
  if (status >= 500) return { ...told, code: "server_error", again: true, mayHaveArrived: true };
  if (status === 408) return { ...told, code: "timeout", again: true };
  if (status >= 400) return { ...told, code: "invalid", again: false };
  const what = "What answered is no hub, or a proxy before it sends elsewhere";
  return { ...told, code: "bad_answer", message: `${what}: status ${status}.`, again: false };
}

/** Seconds or a date (RFC 9110, 10.2.3), as milliseconds from now; undefined if it is neither. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1_000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

class TooLarge extends Error {}

async function bodyOf(response: Response): Promise<string> {
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

function parsed(text: string): unknown {
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
