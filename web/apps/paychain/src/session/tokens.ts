// Access tokens of one account, renewed before they end. A refresh token is good once, and the service ends the session of
// one that comes twice; so windows take turns by a lock, and look inside it whether another has renewed meanwhile.

import type { AccessTokens, TokenPair } from "../api/client";
import { ApiProblem, SignedOut } from "../api/problem";
import type { Accounts } from "./accounts";

/** Runs `work` while nobody else holds the lock of that name. */
export type Lock = <Result>(name: string, work: () => Promise<Result>) => Promise<Result>;

/** A token that ends within this many milliseconds is renewed: more than the minute's notice that the hub gives. */
export const MARGIN = 90_000;

/** What {@link createTokens} takes. */
export interface TokenOptions {
  readonly accounts: Accounts;
  readonly userId: number;
  /** `POST /auth/refresh`. Throws as `answer` does. */
  readonly refresh: (refreshToken: string) => Promise<TokenPair>;
  readonly lock: Lock;
  readonly now: () => number;
}

/**
 * The access tokens of an account. Where the service refuses the refresh token the account is ended in all windows and
 * `SignedOut` is thrown; where it can't be asked the account stays, and what was thrown is thrown on.
 */
export function createTokens({ accounts, userId, refresh, lock, now }: TokenOptions): AccessTokens {
  const good = (refused: string | null): string | null => {
    const account = accounts.stored(userId);
    if (!account) throw new SignedOut();
    const { access_token, expires_at } = account;
    return access_token !== refused && expires_at - now() > MARGIN ? access_token : null;
  };

  const renewed = (refused: string | null): Promise<string> =>
    lock(`paychain.refresh.${userId}`, async () => {
      const ready = good(refused);
      if (ready !== null) return ready;
      const account = accounts.stored(userId);
      if (!account) throw new SignedOut();
      try {
        const { access_token, refresh_token, expires_in } = await refresh(account.refresh_token);
        accounts.renewed(userId, { access_token, refresh_token, expires_at: now() + expires_in * 1000 });
        return access_token;
      } catch (error) {
        // 422: what is stored can't be a refresh token.
        if (!(error instanceof ApiProblem && (error.status === 401 || error.status === 422))) throw error;
        const present = accounts.stored(userId);
        // Where browsers have no locks, another window may have been faster, or the user may have signed in anew.
        if (present && present.refresh_token !== account.refresh_token) return present.access_token;
        accounts.end(userId, "ended");
        throw new SignedOut();
      }
    });

  return {
    get: async () => good(null) ?? (await renewed(null)),
    renew: (refused) => renewed(refused),
  };
}

/** The browser's locks, which all windows share. Where it has none, as on pages without https, those of this window. */
export function browserLock(): Lock {
  const locks = navigator.locks as LockManager | undefined;
  if (!locks) return windowLock();
  return async (name, work) => locks.request(name, work);
}

/** A lock that only this window knows. */
export function windowLock(): Lock {
  const ends = new Map<string, Promise<unknown>>();
  return async (name, work) => {
    const before = ends.get(name) ?? Promise.resolve();
    const mine = before.then(work, work);
    ends.set(
      name,
      mine.catch(() => undefined),
    );
    return mine;
  };
}
