// Why a message was not sent, in words. What is common to all calls is api/words.ts.

import { ApiProblem, NoAnswer } from "../api/problem";
import { describeProblem } from "../api/words";

/** What stands beside a message that failed: one to three sentences, and whether trying it again makes sense. */
export function unsentWords(error: unknown, name: string): { detail: string; again: boolean } {
  if (error instanceof NoAnswer) {
    if (error.cause === "offline") {
      const detail = "Not sent: this device has no network. It goes out when the connection is back.";
      return { detail, again: true };
    }
    const what = error.cause === "silent" ? "No answer came" : "The connection broke off";
    return {
      detail: `${what}: it is not known whether this arrived. It is tried again with the next connection, and can't arrive twice.`,
      again: true,
    };
  }
  const { detail, again } = refusalWords(error, name);
  return { detail: `Not sent. ${detail}`, again };
}

function refusalWords(error: unknown, name: string): { detail: string; again: boolean } {
  if (error instanceof ApiProblem) {
    if (error.code === "blocked") return { detail: `${name} does not take messages of yours.`, again: false };
    if (error.code === "rate_limited") {
      return { detail: "You wrote very many messages in a few seconds. Try again in a moment.", again: true };
    }
    if (error.status === 422 || error.code === "invalid") {
      const fault = error.faults[0]?.message;
      return { detail: `The service did not take it${fault ? `: it ${fault}` : ""}.`, again: false };
    }
  }
  const { detail, again } = describeProblem(error, { title: "Not sent", kind: "write" });
  return { detail, again };
}
