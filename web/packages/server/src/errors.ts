// Why an event was not published or a notification not created, by whose fault. The words here never hold a key, and of an address only what is public.

/**
 * The kinds of failure.
 *
 * | code | meaning | whose turn it is |
 * |---|---|---|
 * | `invalid` | the call or the options are wrong, or the hub says so (400, 404, 413, 415, 422) | the caller's |
 * | `unauthorized` | the key is missing, wrong, or may not publish this (401, 403) | the operator's |
 * | `overloaded` | the hub takes no more (429, 503), or too many calls wait here | later |
 * | `unreachable` | no connection, or it broke off | later |
 * | `timeout` | no answer in time | later |
 * | `server_error` | the hub failed (other 5xx) | later |
 * | `bad_answer` | what answers is no hub: a redirect, a page, a proxy | the operator's |
 * | `aborted` | the caller's signal | nobody's |
 */
export type FanfareErrorCode =
  | "invalid"
  | "unauthorized"
  | "overloaded"
  | "unreachable"
  | "timeout"
  | "server_error"
  | "bad_answer"
  | "aborted";

/** What an error is made with. */
export interface FanfareErrorDetails {
  readonly status?: number | undefined;
  readonly hubCode?: string | undefined;
  readonly attempts?: number | undefined;
  readonly mayHaveArrived?: boolean | undefined;
  readonly cause?: unknown;
}

/** An event was not published, or a notification not created, as far as is known. */
export class FanfareError extends Error {
  override readonly name = "FanfareError";
  /** What kind of failure: see {@link FanfareErrorCode}. */
  readonly code: FanfareErrorCode;
  /** The HTTP status of the last answer, where there was one. */
  readonly status: number | undefined;
  /** The code of the hub or the service: `forbidden`, `invalid_channel`, … */
  readonly hubCode: string | undefined;
  /** How many requests were made. */
  readonly attempts: number;
  /** Whether the hub may have taken it all the same: its answer did not come. Repeat it with the same idempotency key only. */
  readonly mayHaveArrived: boolean;

  constructor(code: FanfareErrorCode, message: string, details: FanfareErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.hubCode = details.hubCode;
    this.attempts = details.attempts ?? 0;
    this.mayHaveArrived = details.mayHaveArrived ?? false;
  }
}
