// What an error says to a person: what happened, what it means for the money, what to do next.
// Pure: no components, and nothing of one page alone.

import { formatClock, formatWait } from "../ui/time";
import { ApiProblem, type MemberFault, NoAnswer, SignedOut } from "./problem";

/** What was tried. */
export interface Asked {
  /** The heading where it did not work: `The wallet could not be loaded`. Not used where nobody knows that. */
  readonly title: string;
  /**
   * - `read`: nothing could have changed;
   * - `write`: it changes something, and carries an `Idempotency-Key`, so it may be sent again;
   * - `write-once`: it changes something and carries none.
   */
  readonly kind: "read" | "write" | "write-once";
  /** Said in place of `Nothing was changed.` where that would be no answer to what the person wonders. */
  readonly meaning?: string;
  /** Said of a write that got no answer, in place of what is said of all: what may have happened, and what to do next. */
  readonly unknown?: string;
}

/** An error in words. */
export interface ProblemWords {
  /** The service's code, or `no_answer`, `signed_out`, `unexpected`. */
  readonly code: string;
  readonly title: string;
  /** One to three sentences. */
  readonly detail: string;
  /** Whether trying the same again makes sense. */
  readonly again: boolean;
}

/** Puts an error into words. Takes whatever was thrown. */
export function describeProblem(error: unknown, asked: Asked): ProblemWords {
  if (error instanceof NoAnswer) {
    const title = mayBeDone(error, asked) ? "No answer came" : asked.title;
    return { code: "no_answer", title, detail: noAnswer(error, asked), again: true };
  }
  if (error instanceof SignedOut) {
    return {
      code: "signed_out",
      title: asked.title,
      detail: "You are signed out. Sign in again to go on.",
      again: false,
    };
  }
  if (error instanceof ApiProblem) {
    const { detail, again } = refusal(error, asked);
    return { code: error.code, title: asked.title, detail, again };
  }
  return {
    code: "unexpected",
    title: asked.title,
    detail:
      "This page did something wrong. Load it again; if that does not help, tell whoever runs this server.",
    again: true,
  };
}

/** Messages by the member that they are about, each a sentence: `{email: "Must be …"}`. Empty unless it was a 422. */
export function fieldFaults(error: unknown): Readonly<Record<string, string>> {
  if (!(error instanceof ApiProblem)) return {};
  return Object.fromEntries(error.faults.map((fault) => [fault.member, sentence(fault)]));
}

/** Whether it may have been done although it failed here: it was sent, and the answer is lost. */
function mayBeDone({ cause }: NoAnswer, asked: Asked): boolean {
  return asked.kind !== "read" && cause !== "offline";
}

function noAnswer(error: NoAnswer, asked: Asked): string {
  const what = {
    offline: "This device has no network.",
    unreachable: "The server can't be reached.",
    silent: "The server did not answer in time.",
  }[error.cause];
  if (asked.kind === "read") return `${what} ${meaningOf(asked)}`;
  if (!mayBeDone(error, asked)) {
    return `${what} Nothing was sent${asked.meaning ? `. ${asked.meaning}` : ", and nothing was changed."}`;
  }
  if (asked.unknown !== undefined) return `${what} ${asked.unknown}`;
  const unknown = "It is not known whether this arrived.";
  return asked.kind === "write"
    ? `${what} ${unknown} Trying again is safe: it can't happen twice.`
    : `${what} ${unknown} Try again in a moment.`;
}

function refusal(problem: ApiProblem, asked: Asked): { detail: string; again: boolean } {
  const nothing = meaningOf(asked);
  const wait = waitOf(problem);
  switch (problem.code) {
    case "invalid":
      return { detail: "Look at the marked fields. Nothing was sent on.", again: false };
    case "invalid_credentials":
      return { detail: "The email or the password is wrong.", again: false };
    case "email_taken":
      return { detail: "This email is registered already.", again: false };
    case "too_many_attempts":
      return {
        detail: `There were too many wrong passwords for this email. Try again ${wait}.`,
        again: false,
      };
    case "rate_limited":
      return {
        detail: `Too much came from this network at once. ${nothing} Try again ${wait}.`,
        again: true,
      };
    case "busy":
      return {
        detail: `The server has too much to do right now. ${nothing} Try again ${wait}.`,
        again: true,
      };
    case "payment_unavailable":
      return { detail: paymentUnavailable(problem.title), again: true };
    case "store_unavailable":
      return {
        detail:
          asked.kind === "read"
            ? `The server can't reach its data. Nothing was changed. Try again ${wait}.`
            : `The server can't reach its data. This was done as a whole or not at all. Try again ${wait}.`,
        again: true,
      };
    case "idempotency_key_in_flight":
      return {
        detail: `The first try is still under way. Try again ${wait} to see its outcome.`,
        again: true,
      };
    case "insufficient_funds":
      return {
        detail:
          "There is not enough free money in your wallet. Nothing was changed. Deposit money, or choose a lower amount.",
        again: false,
      };
    case "deposits_disabled":
      return { detail: "Deposits are switched off on this server. Nothing was changed.", again: false };
    case "forbidden":
      return { detail: `This account may not do that. ${nothing}`, again: false };
    case "not_found":
      return {
        detail: "There is nothing here. It may have been removed, or the address is wrong.",
        again: false,
      };
    case "wrong_state":
      return {
        detail: `It has changed meanwhile${problem.state ? ` and is ${problem.state} now` : ""}. ${nothing}`,
        again: false,
      };
    default:
      break;
  }
  if (problem.status === 429 || problem.status === 503) {
    return { detail: `The server is not available right now. ${nothing} Try again ${wait}.`, again: true };
  }
  if (problem.status >= 500) {
    const outcome =
      asked.kind === "read" ? "Nothing was changed." : "Look whether it was done before you try again.";
    return { detail: `The server failed at this (${problem.status}). ${outcome}`, again: true };
  }
  return { detail: `The server refused this (${problem.status} ${problem.code}). ${nothing}`, again: false };
}

function meaningOf(asked: Asked): string {
  return asked.meaning ?? "Nothing was changed.";
}

/** `in 40 seconds`; for more than some minutes with the time of day, as nobody counts them. */
function waitOf({ retryAfter, at }: ApiProblem): string {
  if (retryAfter === null) return "in a moment";
  if (retryAfter < 120) return `in ${formatWait(retryAfter)}`;
  return `in ${formatWait(retryAfter)}, at ${formatClock(at + retryAfter * 1000)}`;
}

/** The four outcomes of a payment service that is away, by the title that tells them apart. */
function paymentUnavailable(title: string): string {
  if (title.includes("the outcome will show in the job")) {
    return "The payment service did not answer, so it is not known yet whether the money moved. The job will show it. Trying again is safe: it can't happen twice.";
  }
  if (title.includes("there is no such job")) {
    return "The payment service did not answer. No job was posted, and no money is kept for it. Try again in a moment.";
  }
  if (title.includes("earlier call")) {
    return "An earlier step of this job is still being settled. This one changed nothing. Try again in a few seconds.";
  }
  return "The payment service is away. Nothing was changed. Try again in a moment.";
}

/** `must have 8 to 200 characters` as a sentence. */
function sentence({ message }: MemberFault): string {
  const start = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.?]$/.test(start) ? start : `${start}.`;
}
