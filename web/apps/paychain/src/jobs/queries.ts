// What the jobs' pages load. The keys are those that live/ invalidates when something happens elsewhere.

import {
  type InfiniteData,
  keepPreviousData,
  useInfiniteQuery,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useCallback } from "react";
import { answer, type JobList } from "../api/client";
import { KEYS } from "../api/queries";
import { useSession } from "../session";
import { type JobFilter, queryOfFilter } from "./filter";
import type { Job, Payment } from "./job";

/** Jobs of a page. More than the services' own 20, so that a burst of new jobs rarely needs a second call. */
const PAGE = 50;

/** The pages of a filter, newest jobs first. */
export function useJobPages(filter: JobFilter) {
  const { api } = useSession();
  return useInfiniteQuery({
    queryKey: [...KEYS.jobs, filter],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }): Promise<JobList> => {
      const query = {
        ...queryOfFilter(filter),
        limit: PAGE,
        ...(pageParam === null ? {} : { cursor: pageParam }),
      };
      return answer(api.GET("/jobs", { params: { query }, signal }));
    },
    getNextPageParam: (page) => page.next,
  });
}

/** Forgets all pages of a filter but the first `count`: what is forgotten is not loaded anew with each event. */
export function useKeepPages(filter: JobFilter): (count: number) => void {
  const client = useQueryClient();
  const { view, status, type } = filter;
  return useCallback(
    (count) => {
      client.setQueryData<InfiniteData<JobList>>([...KEYS.jobs, { view, status, type }], (kept) =>
        kept && kept.pages.length > count
          ? { pages: kept.pages.slice(0, count), pageParams: kept.pageParams.slice(0, count) }
          : kept,
      );
    },
    [client, view, status, type],
  );
}

/** One job. `listed` is what the list knows of it already, shown until the answer is there. */
export function useJob(id: number | null, listed: (id: number) => Job | undefined) {
  const { api } = useSession();
  return useQuery<Job>({
    queryKey: KEYS.job(id ?? 0),
    enabled: id !== null,
    queryFn: ({ signal }): Promise<Job> =>
      answer(api.GET("/jobs/{job_id}", { params: { path: { job_id: id ?? 0 } }, signal })),
    placeholderData: () => (id === null ? undefined : listed(id)),
  });
}

/** Finds a job in whatever lists are loaded. */
export function useListedJob(): (id: number) => Job | undefined {
  const client = useQueryClient();
  return useCallback(
    (id) => {
      for (const [, list] of client.getQueriesData<InfiniteData<JobList> | JobList>({
        queryKey: KEYS.jobs,
      })) {
        const pages = list && "pages" in list ? list.pages : list ? [list] : [];
        for (const page of pages) {
          const job = page.items.find((item) => item.job_id === id);
          if (job) return job;
        }
      }
      return undefined;
    },
    [client],
  );
}

/** The payment of a job; null where there is none for this viewer. Asked for by its parties only. */
export function usePaymentOf(job: Job, isParty: boolean) {
  const { api } = useSession();
  return useQuery({
    queryKey: KEYS.paymentsOf(job.job_id),
    enabled: isParty,
    queryFn: async ({ signal }): Promise<Payment | null> => {
      const query = { job_id: job.job_id, limit: 1 };
      const list = await answer(api.GET("/payments", { params: { query }, signal }));
      return list.items[0] ?? null;
    },
  });
}

/** What can be spent, in US dollars. */
export function useBalance(enabled: boolean) {
  const { api } = useSession();
  return useQuery({
    queryKey: [...KEYS.wallet, "balance"],
    enabled,
    queryFn: async ({ signal }): Promise<number> => {
      const wallet = await answer(api.GET("/wallet", { params: { query: { limit: 1 } }, signal }));
      return wallet.balance_usd;
    },
    placeholderData: keepPreviousData,
  });
}

/** The viewer's own jobs that are under way, newest first; at most 20. */
export function useUnderWay() {
  const { api } = useSession();
  return useQuery({
    queryKey: [...KEYS.jobs, "under-way"],
    queryFn: ({ signal }): Promise<JobList> =>
      answer(api.GET("/jobs", { params: { query: { mine: true, status: "accepted", limit: 20 } }, signal })),
  });
}
