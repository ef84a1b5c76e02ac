// The app: who is signed in, and which page is shown. Addresses are behind a `#`, since `/jobs` and its like are the back
// end's. The frame around pages is shell/, live events are live/.

import { QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, Suspense, useState } from "react";
import { HashRouter, Navigate, Outlet, Route, Routes, useLocation } from "react-router";
import { createQueryClient } from "./api/queries";
import { JobsPage, preloadJobParts } from "./jobs/index";
import { Live } from "./live/live";
import type { Accounts } from "./session/accounts";
import { AccountsProvider, SessionProvider, useEntrance } from "./session/session";
import type { Turns } from "./session/turns";
import { NotFoundPage } from "./shell/not-found";
import { Shell } from "./shell/shell";
import { FailureBoundary, part, preloadDialog } from "./ui";
import { Announcer } from "./ui/announce";

// Loaded when they are shown; jobs are what most visits begin with.
const SignInPage = part(() => import("./session/sign-in").then((page) => page.SignInPage));
const SignUpPage = part(() => import("./session/sign-up").then((page) => page.SignUpPage));
const MessagesPage = part(() => import("./chat/messages-page").then((page) => page.MessagesPage));
const WalletPage = part(() => import("./wallet/wallet-page").then((wallet) => wallet.WalletPage));

/** What somebody who is signed in may need next. */
function preload() {
  preloadDialog();
  preloadJobParts();
  WalletPage.preload();
  MessagesPage.preload();
  SignInPage.preload();
}

/** The whole app. */
export function App({ accounts, turns }: { accounts: Accounts; turns: Turns }) {
  return (
    <AccountsProvider accounts={accounts} turns={turns}>
      <HashRouter>
        <Routes>
          <Route path="/sign-in" element={<SignedOutOnly page={<SignInPage />} />} />
          <Route path="/sign-up" element={<SignedOutOnly page={<SignUpPage />} landing="/jobs" />} />
          <Route element={<SignedInOnly />}>
            <Route index element={<Navigate to="/jobs" replace />} />
            <Route path="/jobs/:jobId?" element={<JobsPage />} />
            <Route path="/jobs/:jobId/messages" element={<JobsPage />} />
            <Route path="/messages/:userId?" element={<MessagesPage />} />
            <Route path="/wallet" element={<WalletPage />} />
            <Route path="*" element={<NotFoundPage />} />
          </Route>
        </Routes>
      </HashRouter>
      <Announcer />
    </AccountsProvider>
  );
}

/** Where to go behind signing in; kept in the history entry of the sign-in page. */
interface Origin {
  readonly from?: string;
}

function SignedInOnly() {
  const { current } = useEntrance();
  const { pathname } = useLocation();
  if (!current) {
    const origin: Origin = { from: pathname };
    return <Navigate to="/sign-in" replace state={origin} />;
  }
  return (
    // All that is kept of an account goes with it.
    <SessionProvider key={current.user.user_id} user={current.user}>
      <SignedInParts />
    </SessionProvider>
  );
}

function SignedInParts() {
  const [queries] = useState(createQueryClient);
  return (
    <QueryClientProvider client={queries}>
      <Live>
        <Shell preload={preload}>
          <Outlet />
        </Shell>
      </Live>
    </QueryClientProvider>
  );
}

/** `landing`: where to go behind it, whatever was asked for before; a new account begins with jobs. */
function SignedOutOnly({ page, landing }: { page: ReactNode; landing?: string }) {
  const { current } = useEntrance();
  const { pathname, state } = useLocation();
  if (!current) {
    return (
      <FailureBoundary page={pathname}>
        <Suspense>{page}</Suspense>
      </FailureBoundary>
    );
  }
  const from = (state as Origin | null)?.from;
  return <Navigate to={landing ?? from ?? "/jobs"} replace />;
}
