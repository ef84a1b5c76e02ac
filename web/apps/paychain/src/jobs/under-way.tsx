// The right pane while no job is open: the viewer's jobs that are under way, since those are what somebody waits for. Who
// has none is told how a job goes.

import { Link } from "react-router";
import { useUnread } from "../chat/unread";
import { Unread } from "../chat/unread-badge";
import { formatMoney, Money, TimeAgo } from "../ui";
import { employerName, type Job, otherParty, type Viewer, workerName } from "./job";
import { useUnderWay } from "./queries";
import styles from "./under-way.module.css";

interface UnderWayProps {
  viewer: Viewer;
  /** The address's filter, kept when a job is opened. */
  search: string;
}

/** What the viewer has under way. */
export function UnderWay({ viewer, search }: UnderWayProps) {
  const { data, isError } = useUnderWay();
  const unread = useUnread();
  // No bones and no second alert: the list beside it says that it is loading, or why it could not.
  if (data === undefined) {
    return (
      <section className={styles.pane} aria-label="Under way">
        {isError && <p className={styles.text}>Choose a job in the list.</p>}
      </section>
    );
  }
  const employer = viewer.user_type === "employer";
  const jobs = data.items;
  return (
    <section className={styles.pane} aria-labelledby="under-way-heading">
      <h2 id="under-way-heading" className={styles.heading}>
        {headline(employer, jobs.length, data.next !== null)}
      </h2>
      <p className={styles.text}>{explanation(employer, jobs)}</p>
      {jobs.length > 0 ? (
        <ul className={styles.list}>
          {jobs.map((job) => (
            <li key={job.job_id}>
              <Link to={{ pathname: `/jobs/${job.job_id}`, search }} className={styles.row}>
                <span className={styles.title}>{job.title}</span>
                <span className={styles.pay}>
                  <Money amount={job.pay_amount_usd} />
                </span>
                <span className={styles.who}>
                  {employer
                    ? `${workerName(job, viewer)} accepted it`
                    : `For ${employerName(job, viewer)}, accepted`}{" "}
                  <TimeAgo at={job.updated_at} />{" "}
                  <Unread count={unread.get(String(otherParty(job, viewer))) ?? 0} />
                </span>
              </Link>
            </li>
          ))}
        </ul>
      ) : (
        <ol className={styles.course}>
          {(employer ? EMPLOYER_COURSE : WORKER_COURSE).map(({ step, money }) => (
            <li key={step}>
              <p className={styles.title}>{step}</p>
              <p className={styles.who}>{money}</p>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

const EMPLOYER_COURSE = [
  { step: "You post a job", money: "Its pay is set aside from your wallet at once." },
  {
    step: "A worker accepts it",
    money: "The money stays held. Until it is paid, you can cancel and get it back.",
  },
  { step: "You confirm the work", money: "The money goes to the worker." },
];

const WORKER_COURSE = [
  {
    step: "You accept an open job",
    money: "Its pay is held already. The first worker to accept gets the job.",
  },
  { step: "You do the work", money: "The money stays held for you, until the deadline if the job has one." },
  { step: "The employer confirms it", money: "The money comes to your wallet." },
];

function headline(employer: boolean, count: number, more: boolean): string {
  if (count === 0) return "Nothing under way";
  const number = more ? `${count}+` : String(count);
  if (employer)
    return count === 1 ? "1 job waits for your confirmation" : `${number} jobs wait for your confirmation`;
  return count === 1 ? "You have 1 job under way" : `You have ${number} jobs under way`;
}

function explanation(employer: boolean, jobs: readonly Job[]): string {
  if (jobs.length === 0) return "Jobs that are being worked on are shown here. A job goes like this:";
  const cents = jobs.reduce((sum, job) => sum + Math.round(job.pay_amount_usd * 100), 0);
  const held = formatMoney(cents / 100);
  return employer
    ? `${held} is held for them. Completing a job pays its worker.`
    : `${held} is held for you. It comes when the employer confirms the work.`;
}
