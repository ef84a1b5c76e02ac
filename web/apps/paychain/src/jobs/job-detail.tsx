// The right pane: one job. Its next step is next-step-panel.tsx, its life timeline-view.tsx.

import { type Ref, useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { ApiProblem } from "../api/problem";
import { personName } from "../chat/person";
import { useUnread } from "../chat/unread";
import { Unread } from "../chat/unread-badge";
import {
  BackIcon,
  Button,
  ButtonLink,
  EmptyState,
  Loading,
  MessagesIcon,
  Money,
  Problem,
  Skeleton,
} from "../ui";
import { Deadline } from "./countdown";
import { isParty, type Job, otherParty, typeWord, type Viewer } from "./job";
import styles from "./job-detail.module.css";
import { StatusBadge } from "./job-row";
import { NextStepPanel } from "./next-step-panel";
import { usePaymentOf } from "./queries";
import { Timeline } from "./timeline-view";

interface JobDetailProps {
  /** Null where the address names no job. */
  id: number | null;
  job: Job | undefined;
  error: unknown;
  retrying: boolean;
  onRetry: () => void;
  viewer: Viewer;
  /** Where the list is: the way back on a phone. */
  back: { pathname: string; search: string };
  /** The detail is a screen of its own: its heading takes the focus. */
  alone: boolean;
  headingRef: Ref<HTMLHeadingElement>;
  /** Opens the conversation with the other party. */
  onTalk: () => void;
}

/** One job, or why it can't be shown. */
export function JobDetail(props: JobDetailProps) {
  const { id, job, error, retrying, onRetry, viewer, back, alone, headingRef, onTalk } = props;
  const [thumb, setThumb] = useState<HTMLElement | null>(null);
  const missing = id === null || (error instanceof ApiProblem && error.code === "not_found");
  return (
    <section className={styles.pane} aria-label="Job">
      {alone && (
        <div className={styles.bar}>
          {/* The list's heading, which is not on this screen. */}
          <h1 className="visually-hidden">Jobs</h1>
          <Link to={back} className={styles.back}>
            <BackIcon />
            Jobs
          </Link>
        </div>
      )}
      <div className={styles.scroller}>
        {missing ? (
          <div className={styles.page}>
            <EmptyState
              title="There is no such job"
              action={<ButtonLink to={back}>Show all jobs</ButtonLink>}
            >
              The address may be cut off or mistyped. Jobs are never deleted, so an old link keeps working.
            </EmptyState>
          </div>
        ) : job ? (
          <Found
            key={job.job_id}
            job={job}
            viewer={viewer}
            alone={alone}
            thumb={thumb}
            headingRef={headingRef}
            onTalk={onTalk}
          />
        ) : error !== null ? (
          <div className={styles.page}>
            <Problem
              error={error}
              asked={{ title: "The job could not be loaded", kind: "read" }}
              onRetry={onRetry}
              retrying={retrying}
            />
          </div>
        ) : (
          <DetailSkeleton />
        )}
      </div>
      {alone && <div ref={setThumb} className={styles.thumb} />}
    </section>
  );
}

interface FoundProps {
  job: Job;
  viewer: Viewer;
  alone: boolean;
  /** Where the buttons go on a phone. */
  thumb: HTMLElement | null;
  headingRef: Ref<HTMLHeadingElement>;
  onTalk: () => void;
}

function Found({ job, viewer, alone, thumb, headingRef, onTalk }: FoundProps) {
  const payment = usePaymentOf(job, isParty(job, viewer)).data ?? null;
  const running = job.status === "open" || job.status === "accepted";
  const own = useRef<HTMLHeadingElement>(null);
  const unread = useUnread();
  const peer = otherParty(job, viewer);
  useEffect(() => {
    if (alone) own.current?.focus({ preventScroll: true });
  }, [alone]);

  return (
    <article className={styles.page}>
      <header className={styles.head}>
        <p className={styles.over}>
          <StatusBadge status={job.status} />
          <span>{typeWord(job.job_type)}</span>
          <span className={styles.number}>#{job.job_id}</span>
        </p>
        <h2
          ref={(heading) => {
            own.current = heading;
            if (typeof headingRef === "function") headingRef(heading);
            else if (headingRef) headingRef.current = heading;
          }}
          tabIndex={-1}
          className={styles.title}
        >
          {job.title}
        </h2>
        <p className={styles.pay}>
          <Money amount={job.pay_amount_usd} />
        </p>
        <dl className={styles.facts}>
          <Fact name="Employer">{partyWord(job.employer_id, viewer)}</Fact>
          <Fact name="Worker">
            {job.worker_id === null ? (
              <span className={styles.none}>Nobody</span>
            ) : (
              partyWord(job.worker_id, viewer)
            )}
          </Fact>
          <Fact name="Deadline">
            {job.deadline === null ? (
              <span className={styles.none}>None</span>
            ) : (
              <Deadline deadline={job.deadline} running={running} />
            )}
          </Fact>
        </dl>
        {peer !== null && (
          <Button className={styles.talk} data-talk icon={<MessagesIcon />} onClick={onTalk}>
            Message {personName(peer, viewer)} <Unread count={unread.get(String(peer)) ?? 0} />
          </Button>
        )}
      </header>

      <div className={styles.main}>
        <NextStepPanel job={job} viewer={viewer} thumb={thumb} />
        <section aria-labelledby="description-heading">
          <h2 id="description-heading" className={styles.subheading}>
            Description
          </h2>
          {job.description.trim() === "" ? (
            <p className={styles.none}>No description was given.</p>
          ) : (
            <p className={styles.description}>{job.description}</p>
          )}
        </section>
      </div>

      <div className={styles.side}>
        <Timeline job={job} payment={payment} viewer={viewer} />
      </div>
    </article>
  );
}

/** A party beside the word for what it is. */
function partyWord(id: number, viewer: Viewer): string {
  return id === viewer.user_id ? "You" : `#${id}`;
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div className={styles.fact}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function DetailSkeleton() {
  return (
    <div className={styles.page}>
      <Loading label="Loading the job">
        <div className={styles.bones}>
          <Skeleton width={140} height={12} />
          <Skeleton width="60%" height={22} />
          <Skeleton width={150} height={30} />
          <Skeleton height={104} />
          <Skeleton width="90%" />
          <Skeleton width="75%" />
        </div>
      </Loading>
    </div>
  );
}
