// The panel that says that something did not work: what happened, what it means, what to do next.

import type { ReactNode } from "react";
import { type Asked, describeProblem } from "../api/words";
import { Button } from "./button";
import { AlertIcon, RetryIcon } from "./icons";
import styles from "./problem.module.css";

/** Props of {@link Problem}. */
export interface ProblemProps {
  /** What was thrown. */
  error: unknown;
  /** What was tried: it decides the heading, and whether anything may have changed. */
  asked: Asked;
  /** Tries again; there is a button where that makes sense. */
  onRetry?: (() => void) | undefined;
  /** It is being tried again. */
  retrying?: boolean | undefined;
  /** It stands over data that is older than the error: a thin note. */
  note?: boolean | undefined;
  /** Further ways out, such as a link. */
  children?: ReactNode;
}

/** An error in words. Is read out by screen readers when it appears. */
export function Problem({ error, asked, onRetry, retrying, note, children }: ProblemProps) {
  const words = describeProblem(error, asked);
  return (
    <div
      role="alert"
      className={note ? `${styles.problem} ${styles.note}` : styles.problem}
      data-code={words.code}
    >
      <span className={styles.icon}>
        <AlertIcon />
      </span>
      <div className={styles.words}>
        <p className={styles.title}>{words.title}</p>
        <p className={styles.detail}>{words.detail}</p>
      </div>
      {(children || (onRetry && words.again)) && (
        <div className={styles.actions}>
          {onRetry && words.again && (
            <Button icon={<RetryIcon />} onClick={onRetry} pending={retrying}>
              Retry
            </Button>
          )}
          {children}
        </div>
      )}
    </div>
  );
}
