// Jobs and viewers for the tests of `jobs/`.

import type { Job, Payment, Viewer } from "../../src/jobs/job";

export const EMPLOYER: Viewer = { user_id: 7, user_type: "employer" };
export const OTHER_EMPLOYER: Viewer = { user_id: 8, user_type: "employer" };
export const WORKER: Viewer = { user_id: 9, user_type: "worker" };
export const OTHER_WORKER: Viewer = { user_id: 10, user_type: "worker" };

export const NOON = Date.parse("2026-03-01T12:00:00.000Z");

/** An open job of employer 7 that pays $450. */
export function sampleJob(change: Partial<Job> = {}): Job {
  return {
    job_id: 41,
    title: "Landing page for a bakery",
    description: "",
    pay_amount_usd: 450,
    job_type: "development",
    status: "open",
    employer_id: 7,
    worker_id: null,
    deadline: null,
    created_at: "2026-03-01T10:00:00.000Z",
    updated_at: "2026-03-01T10:00:00.000Z",
    ...change,
  };
}

export function samplePayment(change: Partial<Payment> = {}): Payment {
  return {
    payment_id: 13,
    job_id: 41,
    employer_id: 7,
    worker_id: null,
    amount_usd: 450,
    status: "held",
    created_at: "2026-03-01T09:59:59.900Z",
    updated_at: "2026-03-01T09:59:59.900Z",
    ...change,
  };
}

/** Jobs with the ids from `newest` down to `oldest`. */
export function jobsDown(newest: number, oldest: number): Job[] {
  const jobs: Job[] = [];
  for (let id = newest; id >= oldest; id -= 1) jobs.push(sampleJob({ job_id: id, title: `Job ${id}` }));
  return jobs;
}
