// What the user is doing in this window, so that no toast tells of it. Whoever posts, accepts, completes or cancels says so.

import { createOwnActions, type OwnActions } from "@fanfare/react/toasts";
import { createContext, useContext } from "react";

/** The actions of PayChain that events come of. */
export type Own = OwnActions<"post" | "accept" | "complete" | "cancel">;

/** Made once for an account, in live.tsx. */
export const OwnContext = createContext<Own | null>(null);

/**
 * What runs an action so that its own events make no toasts here:
 * `await own.during("accept", () => answer(api.POST(…)), jobId)`.
 */
export function useOwnActions(): Own {
  const own = useContext(OwnContext);
  if (!own) throw new Error("useOwnActions is for pages of somebody who is signed in");
  return own;
}

/** Makes the book of a window. */
export function createOwn(): Own {
  return createOwnActions();
}
