// Requests of the app that the server answers with an `ack` frame: who waits for which answer, and for how long. It sends nothing twice
// and keeps nothing for a later connection; whose answer it is where tabs share a connection is in `tabs/union.ts`.

import { member } from "./frames.js";
import type { Answer, Environment, FanfareError, RequestOptions } from "./types.js";

/** How long an answer is waited for by default, milliseconds: the server tells of a service that is away within 5 s. */
const TIMEOUT = 10_000;

/**
 * Why there is no answer.
 *
 * - `closed`, `too_many`: nothing was sent, as there is no connection, or too many requests wait already;
 * - `lost`, `timeout`: it was sent, and the connection ended or the time was over; nobody knows whether it was carried out;
 * - `unknown_type`: the server takes no such requests.
 */
export type RequestFailure = "closed" | "too_many" | "lost" | "timeout" | "unknown_type";

/** A request without an answer. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  constructor(
    readonly code: RequestFailure,
    message: string,
  ) {
    super(message);
  }
}

/** The requests of a client. */
export interface Answers {
  ask(type: string, data?: unknown, options?: RequestOptions): Promise<Answer>;
  /** The data of an `ack`. */
  received(data: unknown): void;
  /** The server refused a frame; of what type it was, only its words tell. */
  refused(error: FanfareError): void;
  /** Another connection, or none: answers of the last one will not come. */
  lost(): void;
}

interface Waiting {
  readonly type: string;
  /** Ends the wait with an answer, or with a failure. */
  end(answer: unknown, failure?: RequestFailure, message?: string): void;
}

/** Makes an empty book of requests; at most `most` wait at a time. */
export function answers(env: Environment, send: (text: string) => boolean, most = 100): Answers {
  const waiting = new Map<unknown, Waiting>();
  let last = 0;

  return {
    ask: (type, data, { timeout = TIMEOUT, signal } = {}) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const ref = `${++last}`;
        // Tabs that share a connection look for the number at this place.
        const text = JSON.stringify({ ref, type, data });
        const end: Waiting["end"] = (answer, failure, message = "") => {
          waiting.delete(ref);
          env.clearTimeout(timer);
          signal?.removeEventListener("abort", aborted);
          if (failure) reject(new RequestError(failure, message));
          else resolve(answer as Answer);
        };
        const aborted = () => {
          reject(signal?.reason);
          end(null);
        };
        const timer = env.setTimeout(
          () => end(null, "timeout", "The server did not answer in time."),
          timeout,
        );
        if (waiting.size >= most) return end(null, "too_many", "Too many requests wait for their answers.");
        signal?.addEventListener("abort", aborted);
        waiting.set(ref, { type, end });
        if (!send(text)) end(null, "closed", "There is no connection.");
      }),
    received(data) {
      waiting.get(member(data, "ref"))?.end(member(data, "answer"));
    },
    refused({ code, message }) {
      if (code !== "unknown_type") return;
      for (const { type, end } of [...waiting.values()]) {
        if (message.includes(`"${type}"`)) end(null, code, message);
      }
    },
    lost() {
      for (const { end } of [...waiting.values()]) end(null, "lost", "The connection broke off.");
    },
  };
}
