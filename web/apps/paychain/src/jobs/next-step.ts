// What a viewer can do next with a job: one table over state, role and whose job it is. Pure; the buttons are in
// `next-step-panel.tsx`, the calls in `use-job-action.ts`.

import {
  employerName,
  isEmployerOf,
  isPastDeadline,
  isWorkerOf,
  type Job,
  type Viewer,
  workerName,
} from "./job";

/** A call that changes a job. */
export type JobAction = "accept" | "complete" | "cancel";

/** What the viewer is told and offered. */
export interface NextStep {
  /** What is to be done or waited for, in one line. */
  line: string;
  /** What that means for the work or the money; empty where the line says it all. */
  meaning: string;
  /** The one main action. */
  main: "accept" | "complete" | null;
  /** Whether the viewer may take the job back. */
  canCancel: boolean;
  /** Whether somebody waits for the viewer, the viewer waits for somebody, or it is over. */
  turn: "yours" | "theirs" | "over";
  /** Where the money can be looked at, for those whose money moved. */
  wallet: boolean;
}

const OVER: Pick<NextStep, "main" | "canCancel" | "turn"> = { main: null, canCancel: false, turn: "over" };
const WAITING: Pick<NextStep, "main" | "canCancel" | "turn" | "wallet"> = {
  main: null,
  canCancel: false,
  turn: "theirs",
  wallet: false,
};

/** The next step of a viewer. `amount` is the pay as text ("$450.00"); `now` in milliseconds decides on the deadline. */
export function nextStep(job: Job, viewer: Viewer, amount: string, now: number): NextStep {
  const running = job.status === "open" || job.status === "accepted";
  if (running && isPastDeadline(job, now)) return overdue(job, viewer, amount);
  switch (job.status) {
    case "open":
      return open(job, viewer, amount);
    case "accepted":
      return accepted(job, viewer, amount);
    case "completed":
      return completed(job, viewer, amount);
    case "refunded":
      return refunded(job, viewer, amount);
  }
}

function overdue(job: Job, viewer: Viewer, amount: string): NextStep {
  const own = isEmployerOf(job, viewer);
  return {
    ...WAITING,
    line: "The deadline has passed",
    meaning: own
      ? `${amount} is on its way back to your wallet.`
      : isWorkerOf(job, viewer)
        ? "The money goes back to the employer, and nothing is paid."
        : "The money goes back to the employer.",
    wallet: own,
  };
}

function open(job: Job, viewer: Viewer, amount: string): NextStep {
  if (isEmployerOf(job, viewer)) {
    return {
      line: "Waiting for a worker",
      meaning: `${amount} is held from your wallet until the job is done or cancelled.`,
      main: null,
      canCancel: true,
      turn: "theirs",
      wallet: false,
    };
  }
  if (viewer.user_type === "worker") {
    return {
      line: "Ready for you to take",
      meaning: `${amount} is held already. You get it when the employer confirms your work.`,
      main: "accept",
      canCancel: false,
      turn: "yours",
      wallet: false,
    };
  }
  return { ...WAITING, line: "Waiting for a worker", meaning: "Another employer posted this job." };
}

function accepted(job: Job, viewer: Viewer, amount: string): NextStep {
  if (isEmployerOf(job, viewer)) {
    const worker = workerName(job, viewer) ?? "The worker";
    return {
      line: `${worker} is on it`,
      meaning: `When the work is done, complete the job: ${amount} goes to ${worker}.${untilDeadline(job, "to you")}`,
      main: "complete",
      canCancel: true,
      turn: "yours",
      wallet: false,
    };
  }
  if (isWorkerOf(job, viewer)) {
    return {
      ...WAITING,
      line: `Waiting for ${employerName(job, viewer)} to confirm the work`,
      meaning: `You accepted this job. ${amount} is held for you and comes when it is confirmed.${untilDeadline(job, "to the employer")}`,
    };
  }
  return { ...WAITING, line: "Another worker is on it", meaning: "It cannot be taken any more." };
}

/** What the deadline of an accepted job does to its money. */
function untilDeadline(job: Job, back: string): string {
  return job.deadline === null ? "" : ` If that is not done by the deadline, the money goes back ${back}.`;
}

function completed(job: Job, viewer: Viewer, amount: string): NextStep {
  if (isEmployerOf(job, viewer)) {
    const worker = workerName(job, viewer) ?? "the worker";
    return { ...OVER, line: "Completed and paid", meaning: `${amount} went to ${worker}.`, wallet: true };
  }
  if (isWorkerOf(job, viewer)) {
    return { ...OVER, line: "You have been paid", meaning: `${amount} is in your wallet.`, wallet: true };
  }
  return { ...OVER, line: "Completed and paid", meaning: "Another worker did this job.", wallet: false };
}

function refunded(job: Job, viewer: Viewer, amount: string): NextStep {
  const line = wasExpired(job) ? "The deadline passed" : "This job was cancelled";
  if (isEmployerOf(job, viewer)) {
    return { ...OVER, line, meaning: `${amount} is back in your wallet.`, wallet: true };
  }
  if (isWorkerOf(job, viewer)) {
    return {
      ...OVER,
      line,
      meaning: "The money went back to the employer. Nothing was paid.",
      wallet: false,
    };
  }
  return { ...OVER, line, meaning: "The money went back to the employer.", wallet: false };
}

/**
 * Whether a refunded job ran out of time rather than being cancelled. The answer of the service has no reason, but
 * from its deadline on a job can only expire, so the time of the change tells.
 */
export function wasExpired(job: Job): boolean {
  return (
    job.status === "refunded" &&
    job.deadline !== null &&
    Date.parse(job.updated_at) >= Date.parse(job.deadline)
  );
}
