// The panel that says why a job's action did not work. As ui/Problem, with the words of problem-words.ts.

import type { ReactNode } from "react";
import { AlertIcon } from "../ui";
import type { NextStep } from "./next-step";
import { jobProblemWords } from "./problem-words";
import styles from "./refusal.module.css";

interface RefusalProps {
  action: NonNullable<NextStep["main"]> | "cancel" | "post";
  /** What was thrown. */
  error: unknown;
  /** Further ways out, such as a link. */
  children?: ReactNode;
}

/** Why it did not work, read out when it appears. The button that was pressed is the one to retry with. */
export function Refusal({ action, error, children }: RefusalProps) {
  const words = jobProblemWords(action, error);
  return (
    <div role="alert" className={styles.refusal} data-code={words.code}>
      <AlertIcon />
      <div>
        <p className={styles.title}>{words.title}</p>
        <p className={styles.detail}>
          {words.detail} {children}
        </p>
      </div>
    </div>
  );
}
