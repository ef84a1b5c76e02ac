// How the answers of calls are kept, and what they are kept under. Which events make them stale is live/live.tsx.

import { QueryClient } from "@tanstack/react-query";
import { ApiProblem, NoAnswer } from "./problem";

/** The names of what is kept. A shorter one stands for all that begin with it. */
export const KEYS = {
  jobs: ["jobs"] as const,
  job: (id: number) => ["job", id] as const,
  wallet: ["wallet"] as const,
  payments: ["payments"] as const,
  paymentsOf: (jobId: number) => ["payments", jobId] as const,
  chat: ["chat"] as const,
  conversations: ["chat", "conversations"] as const,
  messagesWith: (peer: number | string) => ["chat", "messages", String(peer)] as const,
  blockOf: (peer: number | string) => ["chat", "block", String(peer)] as const,
};

/** How often a call that only reads is tried again by itself before the page says that it failed. */
const RETRIES = 2;

/** Makes what keeps answers, for one account. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // Whether there is a network is found out by asking, so that the page can say what is wrong.
        networkMode: "always",
        // Events tell what has changed; this only joins what several components ask at once.
        staleTime: 10_000,
        gcTime: 5 * 60_000,
        retry: (failures, error) => failures < RETRIES && isPassing(error),
        retryDelay: (attempt) => 400 * 2 ** attempt,
      },
      mutations: { networkMode: "always", retry: false },
    },
  });
}

/** Whether an error may be gone at the next try. */
function isPassing(error: unknown): boolean {
  if (error instanceof NoAnswer) return error.cause !== "offline";
  return error instanceof ApiProblem && error.status === 503;
}
