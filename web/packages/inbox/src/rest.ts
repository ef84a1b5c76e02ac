// The calls of an inbox: one request with the user's token, its answer as JSON, or a `Failure`. A token that was refused is asked
// for once more. Nothing is repeated besides: whether a call may be, its caller knows.

import { platformEnvironment } from "@fanfare/client";
import type { Action, Failure, FailureCode, MemberError, ServiceOptions } from "./types.js";

/** An answer may take so long, milliseconds: the services give one within 10 s, and the way takes time too. */
const ANSWER_WITHIN = 15_000;

/** The longest text of a server that is passed on, characters. */
const LONGEST_DETAIL = 500;

/** The most members of an answer that are told as wrong. */
const MOST_ERRORS = 100;

/** A call. */
export interface Call {
  readonly action: Action;
  readonly method?: "GET" | "PUT" | "POST" | "DELETE";
  /** What follows `/api/notifications`. */
  readonly path?: string;
  readonly query?: Readonly<Record<string, string | number | boolean | null>>;
  readonly body?: unknown;
  /** The notification that it is about. */
  readonly id?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

/** An answer (null where there is no body), or why there is none. */
export type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly failure: Failure };

/** Makes calls. Never rejects. */
export type Rest = (call: Call) => Promise<Outcome>;

/** The calls to a service. */
export function rest(options: ServiceOptions): Rest {
  const { baseUrl = "/", getToken, clock = platformEnvironment } = options;
  const send = options.fetch ?? ((...args: Parameters<typeof fetch>) => fetch(...args));
  const base = `${String(baseUrl).replace(/\/+$/, "")}/api/notifications`;

  async function attempt(call: Call, token: string): Promise<Response> {
    const { method = "GET", path = "", query = {}, body, signal } = call;
    const named = Object.entries(query).filter(([, value]) => value !== null);
    const search = new URLSearchParams(named.map(([name, value]) => [name, String(value)])).toString();
    return send(`${base}${path}${search && `?${search}`}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  }

  return async (call) => {
    const ending = new AbortController();
    const end = () => ending.abort();
    call.signal?.addEventListener("abort", end, { once: true });
    if (call.signal?.aborted) end();
    let isLate = false;
    let late = () => {};
    // The token's giver and a stream that does not end are bound by it too, not the request alone.
    const limit = new Promise<never>((_, reject) => {
      late = () => reject(new Error("late"));
    });
    limit.catch(() => {});
    const timer = clock.setTimeout(() => {
      isLate = true;
      end();
      late();
    }, ANSWER_WITHIN);
    const within = { ...call, signal: ending.signal };
    try {
      return await Promise.race([answered(within), limit]);
    } catch {
      return failed(call, isLate ? "timeout" : "unreachable");
    } finally {
      clock.clearTimeout(timer);
      call.signal?.removeEventListener("abort", end);
    }
  };

  async function answered(call: Call): Promise<Outcome> {
    let token = await getToken("connect");
    if (!token) return failed(call, "unauthorized");
    let response = await attempt(call, token);
    if (response.status === 401) {
      const refused = token;
      token = await getToken("unauthorized");
      if (!token || token === refused) return refusal(call, response);
      response = await attempt(call, token);
    }
    if (!response.ok) return refusal(call, response);
    if (response.status === 204) return { ok: true, value: null };
    const text = await response.text();
    try {
      return { ok: true, value: JSON.parse(text) };
    } catch {
      return failed(call, "bad_answer", response.status);
    }
  }
}

/** A failure of a call. */
export function failed(
  call: Call,
  code: FailureCode,
  status: number | null = null,
): { ok: false; failure: Failure } {
  const { action, id = null } = call;
  return { ok: false, failure: { action, code, status, detail: "", id, errors: [], retryAfter: null } };
}

async function refusal(call: Call, response: Response): Promise<Outcome> {
  const { status } = response;
  let problem: Record<string, unknown> = {};
  try {
    const value: unknown = await response.json();
    if (typeof value === "object" && value !== null) problem = value as Record<string, unknown>;
  } catch {
    // A proxy's page: the status says enough.
  }
  const { failure } = failed(call, codeOf(status), status);
  const detail = text(problem.detail) || text(problem.title);
  return {
    ok: false,
    failure: { ...failure, detail, errors: errorsOf(problem.errors), retryAfter: secondsOf(response) },
  };
}

function codeOf(status: number): FailureCode {
  if (status === 401) return "unauthorized";
  if (status === 403) return "forbidden";
  if (status === 404 || status === 410) return "not_found";
  if (status === 429) return "rate_limited";
  if (status >= 500) return "unavailable";
  return status >= 400 ? "invalid" : "bad_answer";
}

function errorsOf(value: unknown): MemberError[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, MOST_ERRORS).flatMap((one: unknown) => {
    const { member, message } = (one ?? {}) as Record<string, unknown>;
    return typeof member === "string" ? [{ member, message: text(message) }] : [];
  });
}

function secondsOf(response: Response): number | null {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, LONGEST_DETAIL) : "";
}
