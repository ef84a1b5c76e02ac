// A deadline that counts down, with its exact time. How it is worded is in deadline.ts.

import { useEffect, useState } from "react";
import styles from "./countdown.module.css";
import { countdown, nextTick } from "./deadline";

/** In the viewer's zone, to the minute: nobody gives a deadline more exactly. */
const EXACT = new Intl.DateTimeFormat("en-US", { dateStyle: "medium", timeStyle: "short" });

/** The time, looked at again when the words for `deadline` change: each second in its last hour, seldom before. */
export function useDeadlineClock(deadline: string | null): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (deadline === null) return;
    const wait = nextTick(deadline, now);
    if (wait === null) return;
    const timer = setTimeout(() => setNow(Date.now()), wait);
    return () => clearTimeout(timer);
  }, [deadline, now]);
  return now;
}

/** What is left until a deadline, and when that is. For a job that is over only when it was. */
export function Deadline({ deadline, running }: { deadline: string; running: boolean }) {
  const now = useDeadlineClock(running ? deadline : null);
  const exact = EXACT.format(Date.parse(deadline));
  if (!running) return <time dateTime={deadline}>{exact}</time>;
  const { text, urgency } = countdown(deadline, now);
  return (
    <span className={styles.deadline}>
      <time dateTime={deadline} className={styles[urgency]}>
        {text}
      </time>
      <span className={styles.exact}>{exact}</span>
    </span>
  );
}
