// The pages of jobs and wallet over a back end that a test plays: what it was asked, and what it answers.

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, configure, render } from "@testing-library/react";
import { MemoryRouter, Route, Routes } from "react-router";
import { beforeAll, onTestFinished, vi } from "vitest";
import type { Entry, Payment } from "../../src/api/client";
import { JobsPage, preloadJobParts } from "../../src/jobs";
import type { Job, Viewer } from "../../src/jobs/job";
import { createOwn, OwnContext } from "../../src/live/own";
import { Accounts, type Store } from "../../src/session/accounts";
import { AccountsProvider, SessionProvider } from "../../src/session/session";
import { windowTurns } from "../../src/session/turns";
import { preloadDialog } from "../../src/ui";
import { WalletPage } from "../../src/wallet/wallet-page";

// A machine under load is slow.
configure({ asyncUtilTimeout: 10_000 });
vi.setConfig({ testTimeout: 30_000 });

// What is loaded behind the first page is there: how long that takes is not what these tests are about.
beforeAll(async () => {
  preloadJobParts();
  preloadDialog();
  await import("../../src/jobs/job-detail");
  await import("../../src/jobs/post-job-dialog");
  await import("../../src/ui/dialog-panel");
});

/** A call that changes something, as it arrived. */
export interface Asked {
  path: string;
  key: string | null;
  body: unknown;
}

/** An answer: a status with a body, or nobody at the other end. */
export type Answer = { status: number; body: unknown } | "unreachable";

/** What a test plays with. */
export interface Backend {
  jobs: Job[];
  payments: Payment[];
  /** The ledger of the wallet. */
  entries: Entry[];
  /** The calls that change something, in their order. */
  readonly asked: Asked[];
  /** Answers them. */
  post: (asked: Asked) => Answer | Promise<Answer>;
  /** Has the page load anew, as an event does. */
  readonly refresh: () => Promise<void>;
}

/** A refusal as the services write it. */
export function problem(status: number, code: string, more: object = {}): Answer {
  return { status, body: { type: "about:blank", title: "", status, code, ...more } };
}

/** Opens the page for `viewer` at `address`. */
export function openPage(viewer: Viewer, address: string, jobs: Job[]): Backend {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false, networkMode: "always" } } });
  const backend: Backend = {
    jobs,
    payments: [],
    entries: [],
    asked: [],
    post: () => problem(503, "payment_unavailable"),
    refresh: () => act(() => queries.invalidateQueries()),
  };
  vi.stubGlobal("fetch", (request: Request) => respond(backend, viewer, request));
  onTestFinished(() => {
    cleanup();
    vi.unstubAllGlobals();
  });

  const user = { ...viewer, name: "Ada", email: "ada@example.test", created_at: "2026-01-01T00:00:00.000Z" };
  const accounts = new Accounts({
    shared: memory(),
    own: memory(),
    now: Date.now,
    watch: () => () => undefined,
  });
  accounts.signIn({
    user,
    access_token: "access",
    refresh_token: "refresh",
    expires_at: Date.now() + 900_000,
  });
  render(
    <AccountsProvider accounts={accounts} turns={windowTurns()}>
      <SessionProvider user={user}>
        <QueryClientProvider client={queries}>
          <OwnContext value={createOwn()}>
            <MemoryRouter initialEntries={[address]}>
              <Routes>
                <Route path="/jobs/:jobId?" element={<JobsPage />} />
                <Route path="/wallet" element={<WalletPage />} />
              </Routes>
            </MemoryRouter>
          </OwnContext>
        </QueryClientProvider>
      </SessionProvider>
    </AccountsProvider>,
  );
  return backend;
}

async function respond(backend: Backend, viewer: Viewer, request: Request): Promise<Response> {
  const { pathname: path, searchParams: query } = new URL(request.url);
  if (request.method === "POST") {
    const text = await request.text();
    const asked = {
      path,
      key: request.headers.get("idempotency-key"),
      body: text === "" ? null : JSON.parse(text),
    };
    backend.asked.push(asked);
    const answer = await backend.post(asked);
    if (answer === "unreachable") throw new TypeError("nobody there");
    return json(answer.status, answer.body);
  }
  if (path === "/jobs") return json(200, { items: listed(backend.jobs, viewer, query), next: null });
  if (path === "/payments") return json(200, { items: backend.payments, next: null });
  if (path === "/wallet") {
    return json(200, { balance_usd: 1000, held_usd: 0, entries: { items: backend.entries, next: null } });
  }
  const job = backend.jobs.find(({ job_id }) => path === `/jobs/${job_id}`);
  return job ? json(200, job) : json(404, { type: "about:blank", title: "", status: 404, code: "not_found" });
}

function listed(jobs: Job[], viewer: Viewer, query: URLSearchParams): Job[] {
  const { user_id } = viewer;
  return jobs.filter(
    (job) =>
      (query.get("mine") !== "true" || job.employer_id === user_id || job.worker_id === user_id) &&
      (query.get("status") ?? job.status) === job.status,
  );
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

function memory(): Store {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}
