// A job as the job service answers it, who looks at it, and the words for its kinds and states.
// What a viewer can do next is in `next-step.ts`; how it is shown is in the components.

import type { JobStatus, JobType, UserType } from "@fanfare/events";

export type { Payment } from "../api/client";
export type { JobStatus, JobType, UserType };

/** A job. Money is in US dollars, times are UTC in ISO 8601. */
export interface Job {
  job_id: number;
  title: string;
  /** Plain text with line breaks; empty where there is none. */
  description: string;
  pay_amount_usd: number;
  job_type: JobType;
  status: JobStatus;
  employer_id: number;
  /** Who accepted it; null while nobody has. */
  worker_id: number | null;
  deadline: string | null;
  /** When it became visible. */
  created_at: string;
  /** When its status last changed. */
  updated_at: string;
}

/** Who looks: the account of this window. */
export interface Viewer {
  user_id: number;
  user_type: UserType;
}

/** All kinds of work, in the order in which they are offered. */
export const JOB_TYPES: readonly JobType[] = [
  "development",
  "design",
  "writing",
  "marketing",
  "data_entry",
  "other",
];

/** All states, in the order in which a job goes through them. */
export const JOB_STATUSES: readonly JobStatus[] = ["open", "accepted", "completed", "refunded"];

const TYPE_WORDS: Record<JobType, string> = {
  development: "Development",
  design: "Design",
  writing: "Writing",
  marketing: "Marketing",
  data_entry: "Data entry",
  other: "Other",
};

const STATUS_WORDS: Record<JobStatus, string> = {
  open: "Open",
  accepted: "Accepted",
  completed: "Completed",
  refunded: "Refunded",
};

/** The word for a kind of work; one that this page does not know yet is shown as it came. */
export function typeWord(type: JobType): string {
  return TYPE_WORDS[type] ?? String(type);
}

/** The word for a state. */
export function statusWord(status: JobStatus): string {
  return STATUS_WORDS[status] ?? String(status);
}

/** Whether the viewer posted the job or is the one who does it. */
export function isParty(job: Job, viewer: Viewer): boolean {
  return isEmployerOf(job, viewer) || isWorkerOf(job, viewer);
}

/** Whether the viewer posted the job. */
export function isEmployerOf(job: Job, viewer: Viewer): boolean {
  return job.employer_id === viewer.user_id;
}

/** Whether the viewer accepted the job. */
export function isWorkerOf(job: Job, viewer: Viewer): boolean {
  return job.worker_id !== null && job.worker_id === viewer.user_id;
}

/** Who posted the job: "You" or "Employer #7". The service tells only ids of others. */
export function employerName(job: Job, viewer: Viewer): string {
  return isEmployerOf(job, viewer) ? "You" : `Employer #${job.employer_id}`;
}

/** Who accepted the job: "You", "Worker #9", or null while nobody has. */
export function workerName(job: Job, viewer: Viewer): string | null {
  if (job.worker_id === null) return null;
  return isWorkerOf(job, viewer) ? "You" : `Worker #${job.worker_id}`;
}

/** Who is at the other side of the job for one of its two parties; null for all others, and while nobody has accepted it. */
export function otherParty(job: Job, viewer: Viewer): number | null {
  if (isEmployerOf(job, viewer)) return job.worker_id;
  return isWorkerOf(job, viewer) ? job.employer_id : null;
}

/** Whether the deadline is over. From then on the job can only be refunded. */
export function isPastDeadline(job: Job, now: number): boolean {
  return job.deadline !== null && Date.parse(job.deadline) <= now;
}
