// Who is signed in in this window, for components. The stores behind it are accounts.ts and tokens.ts; the pages for signing
// in are sign-in.tsx and sign-up.tsx.

import { createContext, type ReactNode, useContext, useMemo, useSyncExternalStore } from "react";
import {
  type AccessTokens,
  type Api,
  answer,
  createApi,
  type SignedIn,
  type UserAnswer,
} from "../api/client";
import type { Account, Accounts, AccountsState, Role, User } from "./accounts";
import { createTokens, endSignIn } from "./tokens";
import type { Turns } from "./turns";

/** The account of this window and what can be done with it. */
export interface Session {
  readonly user: User;
  /** Calls in the name of the user. */
  readonly api: Api;
  /** Access tokens, renewed as needed. */
  readonly tokens: AccessTokens;
  /** A good access token. Throws `SignedOut`, or `NoAnswer`. */
  readonly getToken: () => Promise<string>;
  /** Ends this sign-in in all windows of this browser. Never fails: where the server can't be told, the notice says so. */
  readonly signOut: () => Promise<void>;
  /** Ends all sign-ins of this user, on all devices. Throws as `answer` does, and is still signed in then. */
  readonly signOutEverywhere: () => Promise<void>;
  /** Changes the user's name. Throws as `answer` does. */
  readonly rename: (name: string) => Promise<void>;
}

/** What the sign-in pages and the account menu need. */
export interface Entrance extends AccountsState {
  /** Calls in nobody's name. */
  readonly api: Api;
  /** Keeps a sign-in and uses it in this window. */
  readonly signIn: (signedIn: SignedIn) => void;
  /** Uses another account of this browser in this window. */
  readonly use: (userId: number) => void;
  /** Shows the sign-in page in this window; nobody is signed out. */
  readonly leave: () => void;
}

interface Doors {
  readonly accounts: Accounts;
  readonly turns: Turns;
  readonly api: Api;
}

const DoorsContext = createContext<Doors | null>(null);
const SessionContext = createContext<Session | null>(null);

/** Makes the accounts known to all below. */
export function AccountsProvider({
  accounts,
  turns,
  children,
}: {
  accounts: Accounts;
  turns: Turns;
  children: ReactNode;
}) {
  const doors = useMemo(() => ({ accounts, turns, api: createApi() }), [accounts, turns]);
  return <DoorsContext value={doors}>{children}</DoorsContext>;
}

/** The accounts, whether or not anybody is signed in. */
export function useEntrance(): Entrance {
  const { accounts, api } = useDoors();
  const state = useSyncExternalStore(accounts.subscribe, () => accounts.state);
  return useMemo(
    () => ({
      ...state,
      api,
      signIn: ({ user, access_token, refresh_token, expires_in }) =>
        accounts.signIn({
          user: readUser(user),
          access_token,
          refresh_token,
          expires_at: Date.now() + expires_in * 1000,
        }),
      use: (userId) => accounts.use(userId),
      leave: () => accounts.leave(),
    }),
    [state, accounts, api],
  );
}

/**
 * Makes a session for the account of this window, and gives it to all below. Mount it with the user's id as `key`, so that
 * nothing of one account is shown to another.
 */
export function SessionProvider({ user, children }: { user: User; children: ReactNode }) {
  const { accounts, turns, api: nobody } = useDoors();
  const userId = user.user_id;
  const fixed = useMemo(() => {
    const tokens = createTokens({
      accounts,
      userId,
      turns,
      now: () => Date.now(),
      refresh: (refresh_token) => answer(nobody.POST("/auth/refresh", { body: { refresh_token } })),
    });
    const api = createApi({ tokens });
    return {
      api,
      tokens,
      getToken: () => tokens.get(),
      signOut: async () => {
        // The call needs an access token, and getting one may change the refresh token: so that first.
        await tokens.get().catch(() => undefined);
        await endSignIn({ accounts, userId, turns }, async (account) => {
          const { refresh_token } = account;
          const call = nobody.POST("/auth/logout", { body: { refresh_token }, headers: bearer(account) });
          return answer(call).then(
            () => "signed_out" as const,
            () => "untold" as const,
          );
        });
      },
      signOutEverywhere: async () => {
        await tokens.get();
        await endSignIn({ accounts, userId, turns }, async (account) => {
          await answer(nobody.POST("/auth/logout-all", { headers: bearer(account) }));
          return "everywhere";
        });
      },
      rename: async (name: string) => {
        accounts.update(readUser(await answer(api.PATCH("/users/me", { body: { name } }))));
      },
    };
  }, [accounts, turns, nobody, userId]);
  const session = useMemo(() => ({ user, ...fixed }), [user, fixed]);
  return <SessionContext value={session}>{children}</SessionContext>;
}

/** The session of this window. Only for what is shown to somebody who is signed in; throws elsewhere. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("useSession is for pages of somebody who is signed in");
  return session;
}

/** Calls in the name of the user of this window. */
export function useApi(): Api {
  return useSession().api;
}

/** For calls within the turn of an account's tokens, where its own calls would wait for that turn. */
function bearer({ access_token }: Account): { authorization: string } {
  return { authorization: `Bearer ${access_token}` };
}

function useDoors(): Doors {
  const doors = useContext(DoorsContext);
  if (!doors) throw new Error("an AccountsProvider is missing");
  return doors;
}

/** A user as the service answers, with a role that this page knows. */
function readUser(user: UserAnswer): User {
  const role: Role = user.user_type === "employer" ? "employer" : "worker";
  const { user_id, name, email, created_at } = user;
  return { user_id, name, email, created_at, user_type: role };
}
