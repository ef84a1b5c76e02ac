// What a page has to say of itself: its heading, which takes the focus when the page is opened, and its title.

import { type ReactNode, useEffect, useRef } from "react";
import styles from "./page.module.css";

/** Sets the window's title while it is shown: `Wallet · PayChain`. */
export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · PayChain`;
  }, [title]);
}

/** Becomes true with the first page: that one leaves the focus where the browser put it. */
let opened = false;

/** The page's `h1`. On navigation it gets the focus, so that screen readers read on from it. */
export function PageHeading({ children, hidden }: { children: ReactNode; hidden?: boolean }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const active = document.activeElement;
    // A field that asked for the focus keeps it.
    const taken = active instanceof HTMLInputElement || active instanceof HTMLTextAreaElement;
    if (opened && !taken) heading.current?.focus({ preventScroll: true });
    opened = true;
  }, []);
  return (
    <h1 ref={heading} tabIndex={-1} className={hidden ? "visually-hidden" : styles.heading}>
      {children}
    </h1>
  );
}
