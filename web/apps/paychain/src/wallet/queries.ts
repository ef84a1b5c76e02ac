// What the wallet page asks for. The keys' beginnings are those that live/ makes stale.

import { keepPreviousData, useInfiniteQuery, useQueries, useQuery } from "@tanstack/react-query";
import { type Api, answer, type Payment, type Wallet } from "../api/client";
import { ApiProblem } from "../api/problem";
import { KEYS } from "../api/queries";
import { useApi } from "../session";

/** Entries of a page. */
const PAGE = 20;

/** At most so many pages are shown: 1,000 entries. */
export const MOST_PAGES = 50;

/** Pages of 100 payments that are loaded: newest first, so old ones beyond them are missed at most. */
const PAYMENT_PAGES = 5;

/** The wallet with as many pages of its ledger as were asked for. */
export function useWallet() {
  const api = useApi();
  return useInfiniteQuery({
    queryKey: [...KEYS.wallet, "ledger"],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }): Promise<Wallet> => {
      const query = { limit: PAGE, ...(pageParam === null ? {} : { cursor: pageParam }) };
      return answer(api.GET("/wallet", { params: { query }, signal }));
    },
    getNextPageParam: (page, pages) => (pages.length < MOST_PAGES ? page.entries.next : null),
    placeholderData: keepPreviousData,
  });
}

/** The user's payments, newest first: at most 500. */
export function usePayments() {
  const api = useApi();
  return useQuery({
    queryKey: [...KEYS.payments, "all"],
    queryFn: ({ signal }) => loadPayments(api, signal),
  });
}

async function loadPayments(api: Api, signal: AbortSignal): Promise<Payment[]> {
  const payments: Payment[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < PAYMENT_PAGES; page += 1) {
    const query: { limit: number; cursor?: string } = { limit: 100, ...(cursor === null ? {} : { cursor }) };
    const list = await answer(api.GET("/payments", { params: { query }, signal }));
    payments.push(...list.items);
    cursor = list.next;
    if (cursor === null) break;
  }
  return payments;
}

/**
 * The titles of jobs by their ids, for those that are known so far. Titles never change, so each is asked for once: the
 * latest hundred of the user's own jobs together, others one by one.
 */
export function useJobTitles(ids: readonly number[]): ReadonlyMap<number, string> {
  const api = useApi();
  const latest = useQuery({
    queryKey: ["titles"],
    staleTime: Number.POSITIVE_INFINITY,
    enabled: ids.length > 0,
    queryFn: async ({ signal }) => {
      const list = await answer(api.GET("/jobs", { params: { query: { mine: true, limit: 100 } }, signal }));
      return Object.fromEntries(list.items.map((job) => [job.job_id, job.title]));
    },
  });
  const known = latest.data ?? {};
  const missing = latest.isPending ? [] : [...new Set(ids)].filter((id) => !(id in known));
  const single = useQueries({
    queries: missing.map((id) => ({
      queryKey: ["titles", id],
      staleTime: Number.POSITIVE_INFINITY,
      queryFn: async ({ signal }: { signal: AbortSignal }) =>
        (await answer(api.GET("/jobs/{job_id}", { params: { path: { job_id: id } }, signal }))).title,
      retry: (failures: number, error: Error) => failures < 2 && !(error instanceof ApiProblem),
    })),
  });
  const titles = new Map(Object.entries(known).map(([id, title]) => [Number(id), title]));
  single.forEach((query, index) => {
    const id = missing[index];
    if (id !== undefined && query.data !== undefined) titles.set(id, query.data);
  });
  return titles;
}
