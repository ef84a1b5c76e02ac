// Asking for tokens: one question with a limit, and the renewal of a connection's token before it ends.

import { member } from "./frames.js";
import type { ClientOptions, Environment, FanfareEvent, Remove, TokenRequest } from "./types.js";

/** The longest time that `getToken` may take, milliseconds. */
const LIMIT = 15_000;

/** The shortest time between two renewals, milliseconds: for tokens that live for a few seconds only. */
const APART = 500;

/** How it ended: with a token or none, or with what was thrown. */
export type TokenAnswer = { readonly token: string | null } | { readonly error: unknown };

/** Asks `getToken` once. The answer comes later, once, at most after 15 s, and not after the returned function was called. */
export function askToken(
  getToken: NonNullable<ClientOptions["getToken"]>,
  request: TokenRequest,
  env: Environment,
  answered: (answer: TokenAnswer) => void,
): Remove {
  let over = false;
  const settle = (answer: TokenAnswer) => {
    if (over) return;
    stop();
    answered(answer);
  };
  const stop = () => {
    over = true;
    env.clearTimeout(timer);
  };
  const timer = env.setTimeout(() => settle({ error: new Error("no answer within 15 s") }), LIMIT);
  Promise.resolve()
    .then(() => (over ? null : getToken(request)))
    .then(
      (token: unknown) =>
        settle(
          token && typeof token !== "string"
            ? { error: new TypeError("it is not text") }
            : { token: (token as string) || null },
        ),
      (error: unknown) => settle({ error }),
    );
  return stop;
}

/** Whose token it is, by its claims; undefined if it does not tell. Nothing is verified: that is the server's part. */
export function userOf(token: string | null): string | undefined {
  try {
    const claims: unknown = JSON.parse(
      atob((token?.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/")),
    );
    const user = member(claims, "user_id") ?? member(claims, "sub");
    return user === undefined ? user : String(user);
  } catch {
    return undefined;
  }
}

/** What was thrown, as text. */
export function textOf(error: unknown): string {
  return String(member(error, "message") || error);
}

/** Renews the token of one connection. */
export interface Renewal {
  /** The server said `token_expiring`. */
  expiring(frame: FanfareEvent): void;
  stop(): void;
}

/**
 * Starts with the connection and ends with it: asks for a token each time the server says that the present one ends, and hands
 * it to `renew`. A failure is reported and tried again after `pause(failures)` ms; null is left to the end of the connection.
 */
export function renewal(
  getToken: NonNullable<ClientOptions["getToken"]>,
  env: Environment,
  renew: (token: string) => void,
  failed: (error: unknown) => void,
  pause: (failures: number) => number,
): Renewal {
  let failures = 0;
  let renewed = Number.NEGATIVE_INFINITY;
  let timer: unknown;
  let cancel: Remove | undefined;
  let busy = false;

  const ask = () => {
    cancel = askToken(getToken, "expiring", env, (answer) => {
      if ("error" in answer) {
        failed(answer.error);
        timer = env.setTimeout(ask, pause(++failures));
        return;
      }
      busy = false;
      failures = 0;
      renewed = env.now();
      if (answer.token) renew(answer.token);
    });
  };
  return {
    expiring({ data, timestamp }) {
      if (busy) return;
      busy = true;
      // A token that lives shorter than the warning is warned of again as soon as it is in force: then half its life is waited.
      // Both times are the server's, so this machine's clock may be wrong.
      const left = Date.parse(String(member(data, "expires_at"))) - Date.parse(timestamp);
      const apart = Math.max(APART, (left || 0) / 2);
      const wait = Math.min(apart, renewed + apart - env.now());
      if (wait > 0) timer = env.setTimeout(ask, wait);
      else ask();
    },
    stop() {
      cancel?.();
      env.clearTimeout(timer);
    },
  };
}
