// How many messages wait, as a number in a dot.

import { VisuallyHidden } from "../ui";
import { countWord } from "./unread";
import styles from "./unread-badge.module.css";

/** The number; nothing for none. */
export function Unread({ count }: { count: number }) {
  if (count === 0) return null;
  return (
    <span className={styles.badge}>
      {countWord(count)}
      <VisuallyHidden> unread</VisuallyHidden>
    </span>
  );
}
