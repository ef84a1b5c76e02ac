// The connection to the hub, for one account: which channels it follows, which answers its events make stale, which toasts
// they make, and what happens when the sign-in ends elsewhere. The indicator is in the top bar.

import type { EventMap } from "@fanfare/events";
import { FanfareProvider, useChannel, useEvent } from "@fanfare/react";
import { type InvalidationMap, useQueryInvalidation } from "@fanfare/react/query";
import { type ReactNode, Suspense, useEffect, useState } from "react";
import { KEYS } from "../api/queries";
import { useSession } from "../session";
import { FailureBoundary, PHONE, part, useMediaQuery } from "../ui";
import { createHub } from "./hub";
import { createOwn, OwnContext } from "./own";

// Toasts and chat come behind the first page.
const ChatLive = part(() => import("../chat/live").then((chat) => chat.ChatLive));
const Toasts = part(() => import("./toasts").then((toasts) => toasts.Toasts));

/** What each event makes stale for a user. A key covers all that begin with it. */
function staleFor(userId: number): InvalidationMap<EventMap> {
  const job = (data: Parties) => [KEYS.jobs, KEYS.job(data.job_id), ...money(data)];
  const money = (data: Parties) =>
    data.employer_id === userId || data.worker_id === userId ? [KEYS.payments, KEYS.wallet] : [];
  return {
    job_created: KEYS.jobs,
    job_accepted: job,
    job_completed: job,
    job_refunded: job,
    payment_held: money,
    payment_confirmed: money,
    payment_refunded: money,
  };
}

/** That a sign-in of the user's has ended. */
const ENDED = ["user_logged_out", "session_revoked"] as const;

/** What the events of jobs and payments have in common. */
interface Parties {
  readonly job_id: number;
  readonly employer_id: number;
  readonly worker_id: number | null;
}

/** What may have changed without an event. */
const MISSED = [KEYS.jobs, ["job"], KEYS.wallet, KEYS.payments];

/** Connects, for as long as the account of this window stays. */
export function Live({ children }: { children: ReactNode }) {
  const session = useSession();
  const [{ client, open }] = useState(() => createHub(session.tokens));
  const [own] = useState(createOwn);
  const phone = useMediaQuery(PHONE);
  // StrictMode takes the tree away and puts it back in one turn; that opens one socket.
  useEffect(open, [open]);
  return (
    <FanfareProvider client={client}>
      <OwnContext value={own}>
        <Followed />
        {children}
        <FailureBoundary fallback={null}>
          <Suspense>
            <ChatLive />
          </Suspense>
        </FailureBoundary>
        <FailureBoundary fallback={null}>
          <Suspense>
            <Toasts
              viewer={session.user}
              own={own}
              // On a phone the main actions are at the bottom.
              position={phone ? "top-center" : "bottom-right"}
              mobileOffset={{ top: 56, left: 12, right: 12 }}
              offset={phone ? 56 : 20}
            />
          </Suspense>
        </FailureBoundary>
      </OwnContext>
    </FanfareProvider>
  );
}

/** Follows without being rendered: no event renders the tree. */
function Followed() {
  const { user, tokens } = useSession();
  useChannel("jobs");
  useQueryInvalidation<EventMap>(staleFor(user.user_id), { onGap: MISSED });
  useEvent<EventMap, "user_logged_out" | "session_revoked">(ENDED, ({ user_id }) => {
    if (user_id !== user.user_id) return;
    // They do not say which of the user's sign-ins ended. If it was this one, its refresh token is refused, and that signs
    // out and says why.
    void tokens
      .get()
      .then((token) => tokens.renew(token))
      .catch(() => undefined);
  });
  return null;
}
