// A word for a state, with its colour. The word alone says it; the colour helps to find it.

import type { ReactNode } from "react";
import styles from "./badge.module.css";

/** Which colour: nothing special, good, wants attention, bad, or merely told. */
export type Tone = "neutral" | "ok" | "warn" | "bad" | "info";

/** A state in a word. Without an icon it has a dot. */
export function Badge({
  tone = "neutral",
  icon,
  children,
}: {
  tone?: Tone;
  icon?: ReactNode;
  children: ReactNode;
}) {
  return (
    <span className={`${styles.badge} ${styles[tone]}`}>
      <span className={icon ? styles.icon : styles.dot} aria-hidden="true">
        {icon}
      </span>
      {children}
    </span>
  );
}
