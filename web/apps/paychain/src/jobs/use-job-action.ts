// Accepting, completing and cancelling a job. Each waits for the service's answer and is sent once however often it is
// pressed; a retry of the same thing carries the same key.

import { type InfiniteData, type QueryClient, useMutation, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useRef } from "react";
import { type Api, answer, type JobList } from "../api/client";
import { ApiProblem } from "../api/problem";
import { KEYS } from "../api/queries";
import { useOwnActions } from "../live";
import { useSession } from "../session";
import { announce } from "../ui";
import type { IntentKeys } from "./intent-keys";
import type { Job, Viewer } from "./job";
import type { JobAction } from "./next-step";

/** The keys of what was tried on the jobs' page: they outlive the detail of one job. The page provides them. */
export const IntentKeysContext = createContext<IntentKeys | null>(null);

const DONE: Record<JobAction, string> = {
  accept: "You accepted the job.",
  complete: "The job is completed and the worker is paid.",
  cancel: "The job is cancelled and the money is back in your wallet.",
};

/** An action on a job: `start` sends it, unless it is under way; two quick presses are one. `error` is what was thrown; words for it are in problem-words.ts. */
export function useJobAction(job: Job, action: JobAction, viewer: Viewer) {
  const { api } = useSession();
  const client = useQueryClient();
  const own = useOwnActions();
  const keys = useContext(IntentKeysContext);
  if (keys === null) throw new Error("an action needs the keys that the jobs' page provides");
  const intent = `${viewer.user_id} ${action} ${job.job_id}`;
  const underWay = useRef(false);
  const mutation = useMutation({
    mutationKey: ["job", job.job_id, action],
    mutationFn: () =>
      own.during(
        action,
        () => attempt(api, client, job.job_id, action, viewer, keys.keyOf(intent)),
        job.job_id,
      ),
    onSuccess: (now) => {
      keys.done(intent);
      putJob(client, now);
      announce(DONE[action]);
    },
    onSettled: () => {
      underWay.current = false;
      refreshAround(client, job.job_id);
    },
  });
  const start = (onSuccess: () => void) => {
    // The button is not drawn anew between the two presses of a double click.
    if (underWay.current) return;
    underWay.current = true;
    mutation.mutate(undefined, { onSuccess });
  };
  return { error: mutation.error, isPending: mutation.isPending, reset: mutation.reset, start };
}

/** Sends it. That the job is not in the right state may come of this viewer's own first try, whose answer was lost. */
async function attempt(
  api: Api,
  client: QueryClient,
  jobId: number,
  action: JobAction,
  viewer: Viewer,
  key: string,
): Promise<Job> {
  try {
    return await send(api, jobId, action, key);
  } catch (error) {
    if (!(error instanceof ApiProblem && error.code === "wrong_state")) throw error;
    const now = await answer(api.GET("/jobs/{job_id}", { params: { path: { job_id: jobId } } }));
    putJob(client, now);
    if (isDoneBy(viewer, action, now)) return now;
    throw error;
  }
}

async function send(api: Api, job_id: number, action: JobAction, key: string): Promise<Job> {
  const params = { path: { job_id }, header: { "Idempotency-Key": key } };
  switch (action) {
    case "accept":
      return answer(api.POST("/jobs/{job_id}/accept", { params }));
    case "complete":
      return answer(api.POST("/jobs/{job_id}/complete", { params }));
    case "cancel":
      return answer(api.POST("/jobs/{job_id}/cancel", { params }));
  }
}

/** Whether the job is what the viewer wanted to make of it. */
export function isDoneBy(viewer: Viewer, action: JobAction, job: Job): boolean {
  switch (action) {
    case "accept":
      return job.worker_id === viewer.user_id && job.status === "accepted";
    case "complete":
      return job.employer_id === viewer.user_id && job.status === "completed";
    case "cancel":
      return job.employer_id === viewer.user_id && job.status === "refunded";
  }
}

/** Puts a job that a service has just told into every list and detail that shows it. */
export function putJob(client: QueryClient, job: Job): void {
  client.setQueryData(KEYS.job(job.job_id), job);
  client.setQueriesData<InfiniteData<JobList> | JobList>({ queryKey: KEYS.jobs }, (shown) => {
    if (!shown || !("pages" in shown)) return shown;
    const pages = shown.pages.map((page) => ({
      ...page,
      items: page.items.map((item) => (item.job_id === job.job_id ? job : item)),
    }));
    return { ...shown, pages };
  });
}

/** What a change of a job may have changed besides. */
export function refreshAround(client: QueryClient, jobId: number): void {
  void client.invalidateQueries({ queryKey: KEYS.jobs });
  void client.invalidateQueries({ queryKey: KEYS.job(jobId) });
  void client.invalidateQueries({ queryKey: KEYS.paymentsOf(jobId) });
  void client.invalidateQueries({ queryKey: KEYS.wallet });
}
