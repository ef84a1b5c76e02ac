// The frame of the pages for somebody who is not signed in: the name, one line of what this is, the way between the pages,
// and why one is here.

import type { ReactNode } from "react";
import { NavLink, useLocation } from "react-router";
import { Brand } from "../shell/brand";
import { PageHeading } from "../ui";
import type { Notice } from "./accounts";
import styles from "./entry.module.css";
import { useEntrance } from "./session";

/** The frame. */
export function Entry({ heading, children }: { heading: string; children: ReactNode }) {
  const { notice } = useEntrance();
  // Where to go behind signing in goes along.
  const { state } = useLocation();
  return (
    <main className={styles.page} tabIndex={-1}>
      <div className={styles.column}>
        <header className={styles.head}>
          <Brand />
          <p className={styles.line}>Jobs whose pay is set aside before the work begins.</p>
        </header>
        {notice && (
          <p role="status" className={styles.notice}>
            {noticeWords(notice)}
          </p>
        )}
        <PageHeading hidden>{heading}</PageHeading>
        <nav className={styles.ways} aria-label="Sign in or create an account">
          <NavLink to="/sign-in" state={state} className={styles.way ?? ""}>
            Sign in
          </NavLink>
          <NavLink to="/sign-up" state={state} className={styles.way ?? ""}>
            Create account
          </NavLink>
        </nav>
        {children}
      </div>
    </main>
  );
}

/** Why this window is not signed in any more. */
export function noticeWords({ reason, name, here }: Notice): string {
  const who = name || "This account";
  switch (reason) {
    case "signed_out":
      return here ? `${who} is signed out.` : `${who} was signed out in another window.`;
    case "everywhere":
      return here ? `${who} is signed out on all devices.` : `${who} was signed out on all devices.`;
    case "ended":
      return `${who} was signed out: the sign-in ended, or it was ended on another device. Sign in to go on; jobs and money are as they were.`;
    case "untold":
      return `${who} is signed out in this browser. The server could not be told, so on its side the sign-in lasts until it expires.`;
  }
}
