// One job in the list: a link to its detail. It is drawn again only when its own job changes.

import { memo } from "react";
import { Link } from "react-router";
import { Unread } from "../chat/unread-badge";
import { Badge, Money, TimeAgo, type Tone, VisuallyHidden } from "../ui";
import { type JobStatus, statusWord, typeWord } from "./job";
import styles from "./job-row.module.css";
import type { Row } from "./list-model";

const TONES: Record<JobStatus, Tone> = {
  open: "info",
  accepted: "warn",
  completed: "ok",
  refunded: "neutral",
};

/** The state of a job in its colour. */
export function StatusBadge({ status }: { status: JobStatus }) {
  return <Badge tone={TONES[status] ?? "neutral"}>{statusWord(status)}</Badge>;
}

interface JobRowProps {
  row: Row;
  selected: boolean;
  /** Messages of the other party that were not read. */
  unread: number;
  /** Whether the Tab key stops here: one row of a list does. */
  tabStop: boolean;
  /** The address's filter, kept when a row is opened. */
  search: string;
  onFocus: (id: number) => void;
  onPoint: (id: number) => void;
}

/** A row of the list. */
export const JobRow = memo(function JobRow({
  row,
  selected,
  unread,
  tabStop,
  search,
  onFocus,
  onPoint,
}: JobRowProps) {
  const { job, live, changes, left } = row;
  return (
    <li className={live ? styles.live : styles.item}>
      <div className={styles.inner}>
        <Link
          to={{ pathname: `/jobs/${job.job_id}`, search }}
          className={styles.row}
          aria-current={selected ? "true" : undefined}
          tabIndex={tabStop ? 0 : -1}
          data-job={job.job_id}
          data-left={left || undefined}
          onFocus={() => onFocus(job.job_id)}
          onPointerEnter={(event) => {
            if (event.pointerType !== "touch") onPoint(job.job_id);
          }}
        >
          <span className={styles.title}>{job.title}</span>
          <span className={styles.pay}>
            <Money amount={job.pay_amount_usd} />
          </span>
          <span className={styles.meta}>
            {left && job.status === "open" ? (
              // It left a list of open jobs; what it is now was not told yet.
              <Badge tone="neutral">No longer open</Badge>
            ) : (
              <StatusBadge status={job.status} />
            )}
            <span className={styles.type}>{typeWord(job.job_type)}</span>
            <Unread count={unread} />
          </span>
          <span className={styles.time}>
            <TimeAgo at={job.created_at} />
          </span>
          {changes > 0 && <span key={changes} className={styles.flash} aria-hidden="true" />}
          {left && <VisuallyHidden>, no longer in this list</VisuallyHidden>}
        </Link>
      </div>
    </li>
  );
});
