// Access tokens of one account, renewed before they end. A refresh token is good once, and the service ends the session of
// one that comes twice; so windows take turns by a lock, and look inside it whether another has renewed meanwhile. A sign-in is
// ended in the same turn, so that nobody renews what is about to go.

import type { AccessTokens, TokenPair } from "../api/client";
import { ApiProblem, NoAnswer, SignedOut } from "../api/problem";
import type { Account, Accounts, EndReason } from "./accounts";
import type { Turns } from "./turns";

/** A token that ends within this many milliseconds is renewed: more than the minute's notice that the hub gives. */
export const MARGIN = 90_000;

/** How long to wait for the store to tell what another window has written there. Milliseconds. */
const CATCH_UP = 2_000;

/** What {@link createTokens} takes. */
export interface TokenOptions {
  readonly accounts: Accounts;
  readonly userId: number;
  /** `POST /auth/refresh`. Throws as `answer` does. */
  readonly refresh: (refreshToken: string) => Promise<TokenPair>;
  readonly turns: Turns;
  readonly now: () => number;
}

/**
 * The access tokens of an account. Where the service refuses the refresh token the account is ended in all windows and
 * `SignedOut` is thrown; where it can't be asked the account stays, and what was thrown is thrown on.
 */
export function createTokens({ accounts, userId, refresh, turns, now }: TokenOptions): AccessTokens {
  const good = (refused: string | null): string | null => {
    const account = accounts.stored(userId);
    if (!account) throw new SignedOut();
    const { access_token, expires_at } = account;
    return access_token !== refused && expires_at - now() > MARGIN ? access_token : null;
  };

  const changeOf = (refreshToken: string): Promise<void> =>
    new Promise((resolve) => {
      const look = () => {
        if (accounts.stored(userId)?.refresh_token === refreshToken) return;
        done();
      };
      const timer = setTimeout(() => done(), CATCH_UP);
      const stop = accounts.subscribe(look);
      const done = () => {
        clearTimeout(timer);
        stop();
        resolve();
      };
      look();
    });

  const renewed = (refused: string | null): Promise<string> =>
    turns.take(turnOf(userId), async () => {
      const ready = good(refused);
      if (ready !== null) return ready;
      const account = accounts.stored(userId);
      if (!account) throw new SignedOut();
      const spent = spentBy(account);
      if (await turns.noted(spent)) {
        // Another window has used it up, and what it got is not in this window's view of the store yet.
        await changeOf(account.refresh_token);
        const present = accounts.stored(userId);
        if (!present) throw new SignedOut();
        if (present.refresh_token === account.refresh_token) throw new NoAnswer("silent");
        return present.access_token;
      }
      try {
        const { access_token, refresh_token, expires_in } = await refresh(account.refresh_token);
        await turns.note(spent);
        accounts.renewed(userId, { access_token, refresh_token, expires_at: now() + expires_in * 1000 });
        return access_token;
      } catch (error) {
        // 422: what is stored can't be a refresh token.
        if (!(error instanceof ApiProblem && (error.status === 401 || error.status === 422))) throw error;
        await turns.note(spent);
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

/**
 * Ends a sign-in on purpose: `tell` tells the service, and gives the reason for the windows. What the hub says of it in that
 * moment waits, and then finds that nobody is signed in. Throws what `tell` throws, and the account stays then.
 */
export function endSignIn(
  { accounts, userId, turns }: Pick<TokenOptions, "accounts" | "userId" | "turns">,
  tell: (account: Account) => Promise<EndReason>,
): Promise<void> {
  return turns.take(turnOf(userId), async () => {
    const account = accounts.stored(userId);
    if (!account) return;
    const reason = await tell(account);
    await turns.note(spentBy(account));
    accounts.end(userId, reason);
  });
}

/** The turn in which an account's tokens change. */
function turnOf(userId: number): string {
  return `paychain.refresh.${userId}`;
}

/** The note that a refresh token is of no use any more. */
function spentBy({ refresh_token }: Account): string {
  return `paychain.spent.${refresh_token.slice(-16)}`;
}
