// A call whose answer is lines of JSON that are read as they come, in one attempt. Another attempt is for the caller to make (many.ts),
// who knows what came of this one.

import { bodyOf, broken, type Failure, parsed, refusal, type Sender, strange } from "./request.js";

/** The longest line, bytes: a problem with all its members needs far less. */
const MAX_LINE = 64 * 1024;

/** One attempt. `until` is a time of `performance.now()`: no piece of the answer comes later, nor after the sender's `timeout`. */
export interface StreamCall {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly until: number;
}

/** Why an attempt failed. */
export class Failed extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

/** Posts it, and gives the lines of its good answer. @throws Failed, and the signal's reason. */
export async function* stream(sender: Sender, call: StreamCall): AsyncGenerator<object, void> {
  if (call.signal.aborted) throw call.signal.reason;
  const given = new AbortController();
  const abort = () => given.abort();
  call.signal.addEventListener("abort", abort, { once: true });
  let timer: NodeJS.Timeout | undefined;
  // What is done with a line in between is not the server's time.
  const inTime = async <Value>(piece: Promise<Value>): Promise<Value> => {
    timer = setTimeout(abort, Math.min(sender.timeout, Math.max(call.until - performance.now(), 1)));
    try {
      return await piece;
    } catch (cause) {
      if (call.signal.aborted) throw call.signal.reason;
      throw new Failed(broken(sender, given.signal.aborted, cause));
    } finally {
      clearTimeout(timer);
    }
  };
  try {
    const request = { method: "POST", body: call.body, redirect: "manual", signal: given.signal } as const;
    const headers = { ...sender.headers, ...call.headers };
    const response = await inTime(sender.fetch(call.url, { ...request, headers }));
    if (response.status !== 200) {
      const { status } = response;
      const body = parsed(await inTime(bodyOf(response)));
      throw new Failed(refusal(sender, status, body, response.headers.get("retry-after")));
    }
    if (!response.body) return;
    const reader = response.body.getReader();
    const text = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await inTime(reader.read());
      if (done) return;
      const lines = `${rest}${text.decode(value, { stream: true })}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.trim() !== "") yield objectOf(sender, line);
      }
      if (rest.length > MAX_LINE) throw new Failed(strange(sender.who, "a line is too long", 200));
    }
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", abort);
    // Whoever has enough of it ends the connection.
    given.abort();
  }
}

function objectOf(sender: Sender, line: string): object {
  const value = parsed(line);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new Failed(strange(sender.who, "a line is no object", 200));
}
