// What calls of the back end fail with. The words for people are in words.ts.

/** A wrong member of what was sent, and what is wrong with it: `must have 8 to 200 characters`. */
export interface MemberFault {
  readonly member: string;
  readonly message: string;
}

/** The service answered, and said no (RFC 9457). */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** What to go by: `email_taken`, `insufficient_funds`, …; `unreadable` where the answer is no problem document. */
    readonly code: string,
    /** A few words; of `payment_unavailable` it says what is known of the outcome. */
    readonly title: string,
    /** With 422: every wrong member. */
    readonly faults: readonly MemberFault[],
    /** With `wrong_state`: the state that the job is in. */
    readonly state: string | null,
    /** Seconds until it is worth another try, where the service said so. */
    readonly retryAfter: number | null,
    /** When it came, in milliseconds since 1970. */
    readonly at: number = Date.now(),
  ) {
    super(`${status} ${code}`);
  }
}

/** No answer came: whether the call arrived is not known. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
  constructor(
    /** `offline`: never sent, without network; `unreachable`: no connection, or it broke; `silent`: nothing came in time. */
    override readonly cause: "offline" | "unreachable" | "silent",
  ) {
    super(cause);
  }
}

/** The account that a call was made for is not signed in any more; the page says so by itself. */
export class SignedOut extends Error {
  override readonly name = "SignedOut";
}

/** Reads an answer that is no success. `body` is what came with it: parsed JSON, or text. */
export function readProblem(response: Response, body: unknown): ApiProblem {
  const problem = isRecord(body) ? body : {};
  const { code, title, state, errors } = problem;
  return new ApiProblem(
    response.status,
    typeof code === "string" ? code : "unreadable",
    typeof title === "string" ? title : "",
    Array.isArray(errors) ? errors.filter(isMemberFault) : [],
    typeof state === "string" ? state : null,
    readRetryAfter(response.headers.get("retry-after"), Date.now()),
  );
}

/** Seconds of a `Retry-After`, which is a number of them or a date; null where it is neither. */
export function readRetryAfter(header: string | null, now: number): number | null {
  if (header === null) return null;
  if (/^\d+$/.test(header.trim())) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - now) / 1000));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isMemberFault(value: unknown): value is MemberFault {
  return isRecord(value) && typeof value.member === "string" && typeof value.message === "string";
}
