// The life of a job as steps: posted, accepted, and how it ended, each with the state of the money. Pure; drawn by
// `timeline-view.tsx`.
//
// The service keeps two times of a job: when it was posted and when its status last changed. A time that nobody keeps
// is left out rather than guessed.

import { employerName, type Job, type Payment, type Viewer, workerName } from "./job";
import { wasExpired } from "./next-step";

/** Where a step stands: it has happened, it comes next, or after that. */
export type StepState = "done" | "next" | "later";

/** Where the money is at a step. */
export type MoneyState = "held" | "released" | "refunded";

/** A step of a job's life. */
export interface Step {
  key: "posted" | "accepted" | "completed" | "refunded";
  state: StepState;
  title: string;
  /** Who or why, in a few words; empty where there is nothing to add. */
  note: string;
  /** When it happened, UTC in ISO 8601; null where it has not, or where nobody keeps the time. */
  at: string | null;
  /** What the step did to the money; null where it did nothing, or has not happened. */
  money: MoneyState | null;
}

/** Times that this window saw while it was open: the service forgets when a job was accepted once it goes on. */
export interface SeenTimes {
  acceptedAt: string | null;
}

/**
 * The steps of a job, the first one first. `payment` is null for those who are no party of it; for them the money's
 * state follows from the job's.
 */
export function timeline(
  job: Job,
  payment: Payment | null,
  viewer: Viewer,
  seen: SeenTimes,
): readonly Step[] {
  const steps: Step[] = [posted(job, payment, viewer), acceptedStep(job, viewer, seen)];
  const ended = ending(job, payment, viewer);
  // A job that ended before anybody took it has no step for that.
  if (job.status === "refunded" && job.worker_id === null)
    return [steps[0], ended].filter((step) => step !== undefined);
  return [...steps, ended];
}

function posted(job: Job, payment: Payment | null, viewer: Viewer): Step {
  return {
    key: "posted",
    state: "done",
    title: "Posted and money held",
    note: `by ${object(employerName(job, viewer))}`,
    at: job.created_at ?? payment?.created_at ?? null,
    money: "held",
  };
}

function acceptedStep(job: Job, viewer: Viewer, seen: SeenTimes): Step {
  const worker = workerName(job, viewer);
  if (worker === null) {
    return {
      key: "accepted",
      state: "next",
      title: "Accepted by a worker",
      note: "",
      at: null,
      money: null,
    };
  }
  return {
    key: "accepted",
    state: "done",
    title: `Accepted by ${object(worker)}`,
    note: "",
    at: job.status === "accepted" ? job.updated_at : seen.acceptedAt,
    money: null,
  };
}

function ending(job: Job, payment: Payment | null, viewer: Viewer): Step {
  if (job.status === "refunded") {
    return {
      key: "refunded",
      state: "done",
      title: wasExpired(job) ? "Expired, money returned" : "Cancelled, money returned",
      note: `to ${object(employerName(job, viewer))}`,
      at: payment?.status === "refunded" ? payment.updated_at : job.updated_at,
      money: "refunded",
    };
  }
  const worker = workerName(job, viewer);
  if (job.status === "completed") {
    return {
      key: "completed",
      state: "done",
      title: "Completed and paid",
      note: worker === null ? "" : `to ${object(worker)}`,
      at: payment?.status === "released" ? payment.updated_at : job.updated_at,
      money: "released",
    };
  }
  return {
    key: "completed",
    state: job.status === "accepted" ? "next" : "later",
    title: "Completed and paid",
    note: "",
    at: null,
    money: null,
  };
}

/** A name within a sentence. */
function object(name: string): string {
  return name === "You" ? "you" : name;
}
