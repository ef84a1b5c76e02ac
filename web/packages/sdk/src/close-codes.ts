// What each close code means: why, whether to come back, and a sentence. The server's table in TypeScript; a test compares
// it row by row with `crates/protocol/fixtures/close-codes.json`. Computes no delays (`reconnect.ts`).

import type { Reason, ReasonCode } from "./types.js";

/** When to come back: right now, after the time that the server names, after a growing pause, or not before something changed. */
export type ReconnectRule = "at_once" | "after" | "backoff" | "never";

/** The end of a connection: why, and when to come back. */
export interface Ending {
  readonly reason: Reason;
  readonly rule: ReconnectRule;
  /** With the rule `after`: in how many milliseconds. */
  readonly delay?: number;
}

/** By close code: reason, rule, sentence. */
export const CLOSE_CODES: Readonly<Record<number, readonly [ReasonCode, ReconnectRule, string]>> = {
  1000: ["closed", "never", "The server ended the connection."],
  1001: ["draining", "after", "The server is restarting."],
  1002: ["protocol_error", "never", "The server could not read what this client sent."],
  1007: ["protocol_error", "never", "The server got text that is not valid UTF-8."],
  1009: ["too_large", "never", "A message was larger than the server accepts."],
  1011: ["server_error", "backoff", "The server had an internal error."],
  4001: ["unauthorized", "never", "The server did not accept the token."],
  4008: ["rate_limited", "backoff", "This client sent more than the server allows."],
  4009: ["ping_timeout", "at_once", "The server heard nothing from this client for too long."],
  4010: ["slow_consumer", "at_once", "This client did not read as fast as events came."],
  4011: ["taken_over", "never", "Another connection went on from this one."],
  4012: ["disconnected", "never", "An operator ended the connection."],
  4029: ["too_many_connections", "backoff", "This user has too many open connections."],
};

/** The longest pause that a server may ask for, milliseconds. */
const LONGEST = 120_000;

/** What a Close frame of the server means. Without a code that is known: come back after a pause. */
export function endingOf(closeCode: number, text: string): Ending {
  const [code, rule, message] = CLOSE_CODES[closeCode] ?? [
    "closed_by_server",
    "backoff",
    `The server closed the connection with the code ${closeCode}.`,
  ];
  const reason: Reason = { code, message, closeCode };
  if (rule !== "after") return { reason, rule };
  const named = /reconnect in (\d+) ms/.exec(text);
  return named ? { reason, rule, delay: Math.min(Number(named[1]), LONGEST) } : { reason, rule: "backoff" };
}
