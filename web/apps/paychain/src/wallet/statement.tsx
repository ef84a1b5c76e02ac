// The ledger of a wallet, by day: what happened, how much, and the balance behind it.

import { useRef } from "react";
import { Link } from "react-router";
import { HeldIcon, InIcon, Money, OutIcon, ReturnIcon, useNow, VisuallyHidden } from "../ui";
import { formatClock, formatExact } from "../ui/time";
import { type Day, dayWords, type EntrySign, type Line } from "./ledger";
import styles from "./statement.module.css";

const SIGNS: Record<EntrySign, React.ReactNode> = {
  in: <InIcon />,
  held: <HeldIcon />,
  paid: <OutIcon />,
  returned: <ReturnIcon />,
};

/** The days, newest first. `titles` are those of the jobs, as far as they are known. */
export function Statement({ days, titles }: { days: readonly Day[]; titles: ReadonlyMap<number, string> }) {
  const now = useNow();
  const newest = days[0]?.lines[0]?.id ?? 0;
  // What came after the page was opened slides in; what was there, and what "Show earlier" brings, does not.
  const opened = useRef(newest);
  return (
    <div className={styles.statement}>
      {days.map((day, index) => (
        <section key={day.key} aria-label={dayWords(day.time, now)}>
          <div className={styles.head}>
            <h3>{dayWords(day.time, now)}</h3>
            {index === 0 && (
              <>
                <span className={styles.column} aria-hidden="true">
                  Change
                </span>
                <span className={styles.column} aria-hidden="true">
                  Balance
                </span>
              </>
            )}
          </div>
          <ul>
            {day.lines.map((line) => (
              <LineRow key={line.id} line={line} titles={titles} fresh={line.id > opened.current} />
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

function LineRow({
  line,
  titles,
  fresh,
}: {
  line: Line;
  titles: ReadonlyMap<number, string>;
  fresh: boolean;
}) {
  const time = Date.parse(line.at);
  return (
    <li className={fresh ? `${styles.line} ${styles.fresh}` : styles.line}>
      <span className={styles.icon} data-sign={line.sign}>
        {SIGNS[line.sign]}
      </span>
      <span className={styles.words}>
        {line.words}
        {line.jobId !== null && (
          <>
            {" "}
            <Link className={styles.job} to={`/jobs/${line.jobId}`}>
              {titles.get(line.jobId) ?? `job ${line.jobId}`}
            </Link>
          </>
        )}
      </span>
      <time className={styles.time} dateTime={line.at} title={formatExact(time)}>
        {formatClock(time)}
      </time>
      <span className={styles.amount} data-sign={line.amount < 0 ? "out" : "in"}>
        <Money amount={line.amount} signed />
      </span>
      <span className={styles.balance}>
        <VisuallyHidden>Balance </VisuallyHidden>
        <Money amount={line.balance} />
      </span>
    </li>
  );
}
