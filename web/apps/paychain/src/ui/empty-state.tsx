// What stands where there is nothing yet: what will appear here, and what makes it appear.

import type { ReactNode } from "react";
import styles from "./states.module.css";

/** Props of {@link EmptyState}. */
export interface EmptyStateProps {
  /** What is not there, as a heading. */
  title: string;
  /** What will appear here, and when. */
  children?: ReactNode;
  /** The one button or link that makes it appear. */
  action?: ReactNode;
}

/** An empty list or pane. */
export function EmptyState({ title, children, action }: EmptyStateProps) {
  return (
    <div className={styles.empty}>
      <h2 className={styles.emptyTitle}>{title}</h2>
      {children && <p className={styles.emptyText}>{children}</p>}
      {action && <div className={styles.emptyAction}>{action}</div>}
    </div>
  );
}
