// What went wrong with a job, where there is more to say than the general words of api/words.ts: what happened, what it
// means for the money, what to do next. Pure.

import { ApiProblem, NoAnswer } from "../api/problem";
import { type Asked, describeProblem, type ProblemWords } from "../api/words";
import type { JobAction } from "./next-step";

const ASKED: Record<JobAction | "post", Asked> = {
  accept: { title: "The job was not accepted", kind: "write" },
  complete: { title: "The job was not completed", kind: "write" },
  cancel: { title: "The job was not cancelled", kind: "write" },
  post: { title: "The job was not posted", kind: "write" },
};

/** Words for an action or a post that failed. Takes whatever was thrown. */
export function jobProblemWords(action: JobAction | "post", error: unknown): ProblemWords {
  const general = describeProblem(error, ASKED[action]);
  if (!(error instanceof ApiProblem)) return general;
  const own = action === "post" ? postWords(error) : actionWords(action, error);
  return own === null ? general : { code: error.code, ...own, again: false };
}

/**
 * Words for a form that was changed after its answer was lost: with the same values it would be the same job, with others it is
 * another one. Null where nothing was sent.
 */
export function changedAfterLostPost(error: unknown, title: string, amount: string): OwnWords | null {
  if (!(error instanceof NoAnswer) || error.cause === "offline") return null;
  return {
    title: "The first try may have posted a job",
    detail: `No answer came for “${title}” with ${amount}. Look for it in your list first: with other values this posts another job and holds more money.`,
  };
}

type OwnWords = Pick<ProblemWords, "title" | "detail">;

function actionWords(action: JobAction, error: ApiProblem): OwnWords | null {
  switch (error.code) {
    case "wrong_state":
      return action === "accept" ? lostRace(error.state) : tooLate(error.state);
    case "forbidden":
      return {
        title: action === "accept" ? "Only workers can accept jobs" : "This is not your job",
        detail: "Nothing was changed.",
      };
    case "not_found":
      return { title: "There is no such job any more", detail: "Nothing was changed. Go back to the list." };
    default:
      return null;
  }
}

function lostRace(state: string | null): OwnWords {
  if (state === "accepted" || state === "completed") {
    return { title: "Another worker was faster", detail: "This job is accepted. Pick another one." };
  }
  return {
    title: "This job is no longer open",
    detail:
      "It was cancelled or its deadline passed, and the money goes back to the employer. Pick another one.",
  };
}

function tooLate(state: string | null): OwnWords {
  switch (state) {
    case "completed":
      return { title: "This job is completed already", detail: "The worker has the money." };
    case "refunded":
      return {
        title: "This job is over",
        detail: "It was cancelled or its deadline passed. The money is back in your wallet, or on its way.",
      };
    case "open":
      return {
        title: "No worker has accepted this job yet",
        detail: "Nothing was changed, and the money stays held.",
      };
    default:
      return {
        title: "This job has changed meanwhile",
        detail: "You did not change anything. Look at it again.",
      };
  }
}

function postWords(error: ApiProblem): OwnWords | null {
  switch (error.code) {
    case "insufficient_funds":
      return {
        title: "There is too little in your wallet",
        detail: "The job was not posted, and no money was held. Deposit money, or choose a lower pay.",
      };
    case "forbidden":
      return { title: "Only employers can post jobs", detail: "Nothing was posted, and no money was held." };
    default:
      return null;
  }
}
