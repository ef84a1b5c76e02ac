// Why a message was not sent, in words. What is common to all calls is api/words.ts.

import { ApiProblem } from "../api/problem";
import { describeProblem } from "../api/words";

/** One or two sentences beside a message that failed, and whether trying it again makes sense. */
export function unsentWords(error: unknown, name: string): { detail: string; again: boolean } {
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
