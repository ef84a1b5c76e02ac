// The panel that says why a job's action did not work. As ui/Problem, with the words of problem-words.ts.

import { type ReactNode, useEffect, useRef } from "react";
import type { ProblemWords } from "../api/words";
import { AlertIcon } from "../ui";
import type { NextStep } from "./next-step";
import { jobProblemWords } from "./problem-words";
import styles from "./refusal.module.css";

interface RefusalProps {
  action: NonNullable<NextStep["main"]> | "cancel" | "post";
  /** What was thrown. */
  error: unknown;
  /** Said in place of the general words. */
  words?: Pick<ProblemWords, "title" | "detail"> | undefined;
  /** Further ways out, such as a link. */
  children?: ReactNode;
}

/** Why it did not work, read out when it appears. The button that was pressed is the one to retry with. */
export function Refusal({ action, error, words: own, children }: RefusalProps) {
  const words = { ...jobProblemWords(action, error), ...own };
  const panel = useRef<HTMLDivElement>(null);
  // In a long form on a phone it may stand above what is seen. Each error is a new one, also with the same words.
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is brought to sight for each error.
  useEffect(() => {
    // In braces: newer browsers answer with a promise, which is no clean-up.
    panel.current?.scrollIntoView({ block: "nearest" });
  }, [error]);
  return (
    <div ref={panel} role="alert" className={styles.refusal} data-code={words.code}>
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
