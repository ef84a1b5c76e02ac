// The frame around every page of somebody who is signed in: top bar, navigation, connection, account. On a phone the
// navigation is at the bottom edge, where the thumb is.

import { ConnectionIndicator } from "@fanfare/react";
import { type ReactNode, Suspense, useEffect, useState } from "react";
import { Link, NavLink, useLocation } from "react-router";
import { useUnread } from "../chat/unread";
import { Unread } from "../chat/unread-badge";
import {
  BellIcon,
  FailureBoundary,
  IconButton,
  JobsIcon,
  MessagesIcon,
  PHONE,
  part,
  useMediaQuery,
  WalletIcon,
  whenIdle,
} from "../ui";
import { AccountFace } from "./account-face";
import { Brand } from "./brand";
import styles from "./shell.module.css";

// Menus, dialogs and notifications come behind the first page.
const Bell = part(() => import("../inbox/bell").then((bell) => bell.Bell));
const AccountMenu = part(() => import("./account-menu").then((menu) => menu.AccountMenu));

const PLACES = [
  { to: "/jobs", label: "Jobs", icon: <JobsIcon /> },
  { to: "/messages", label: "Messages", icon: <MessagesIcon /> },
  { to: "/wallet", label: "Wallet", icon: <WalletIcon /> },
];

/** The frame. `preload` is called when the page is there and has nothing else to do. */
export function Shell({ preload, children }: { preload: () => void; children: ReactNode }) {
  const phone = useMediaQuery(PHONE);
  const { pathname } = useLocation();
  const face = (
    <span className={styles.face}>
      <AccountFace compact={phone} />
    </span>
  );
  // Until the bell is there, which the first page does not wait for: a button as large, and as good.
  const [asked, setAsked] = useState(false);
  const [isIdle, setIdle] = useState(false);
  const bell = <IconButton label="Notifications" icon={<BellIcon />} onClick={() => setAsked(true)} />;
  // What the server has now it may not have later: it may be away, or be a newer version.
  useEffect(
    () =>
      whenIdle(() => {
        preload();
        setIdle(true);
      }),
    [preload],
  );
  return (
    <div className={styles.shell}>
      <button type="button" className={styles.skip} onClick={() => document.querySelector("main")?.focus()}>
        Skip to content
      </button>
      <header className={styles.bar}>
        <Link to="/jobs" className={styles.home} aria-label="PayChain">
          <Brand />
        </Link>
        {!phone && <Navigation />}
        <div className={styles.side}>
          <ConnectionIndicator {...(styles.connection ? { className: styles.connection } : {})} />
          <FailureBoundary fallback={bell}>
            <Suspense fallback={bell}>{isIdle || asked ? <Bell isAsked={asked} /> : bell}</Suspense>
          </FailureBoundary>
          <FailureBoundary fallback={face}>
            <Suspense fallback={face}>
              <AccountMenu compact={phone} />
            </Suspense>
          </FailureBoundary>
        </div>
      </header>
      <main tabIndex={-1} className={styles.main}>
        <FailureBoundary page={pathname}>
          <Suspense
            fallback={
              <p role="status" className="visually-hidden">
                Loading
              </p>
            }
          >
            {children}
          </Suspense>
        </FailureBoundary>
      </main>
      {phone && <Navigation />}
    </div>
  );
}

function Navigation() {
  const unread = [...useUnread().values()].reduce((sum, count) => sum + count, 0);
  return (
    <nav className={styles.navigation} aria-label="Main">
      {PLACES.map(({ to, label, icon }) => (
        <NavLink key={to} to={to} className={styles.place ?? ""}>
          {icon}
          {label}
          {to === "/messages" && <Unread count={unread} />}
        </NavLink>
      ))}
    </nav>
  );
}
