// Which rows the list shows now and which new jobs wait: a pure reducer over what was loaded. It knows nothing of
// React, of the network or of time; `use-job-list.ts` feeds it.
//
// Its rule: rows that somebody reads do not move. "Reading" is true while the list is pointed at, has the keyboard's
// focus or is scrolled down. What a reader *holds* (the selected, pointed or focused job) is never taken away.

import type { Job } from "./job";

/** A row of the list. */
export interface Row {
  job: Job;
  /** True for a row that came while the list was looked at, so it may slide in. */
  live: boolean;
  /** How often its state has changed while it was shown; a new number is a new highlight. */
  changes: number;
  /** True when the job no longer fits the filter and is shown only until the next interaction. */
  left: boolean;
}

/** What the list shows. */
export interface ListState {
  /** The filter that the rows belong to; null before anything was loaded. */
  key: string | null;
  /** Newest first. */
  rows: readonly Row[];
  /** New jobs that wait behind the pill, newest first. */
  waiting: readonly Job[];
}

/** What happens to the list. */
export type ListEvent =
  | {
      type: "loaded";
      key: string;
      /** All pages that are loaded, newest first. */
      jobs: readonly Job[];
      /** Whether the service has older jobs than these. */
      hasOlder: boolean;
      reading: boolean;
      /** Whether the reader asked for all of these pages; else some were loaded to keep shown rows up to date. */
      asked: boolean;
      held: readonly number[];
      /** Newer versions of jobs that are known from elsewhere: the open detail. */
      known?: readonly Job[];
    }
  | { type: "show_waiting" }
  /** The reader went on: faded rows go, except those still held; and what waits comes in unless `reading`. */
  | { type: "settle"; reading: boolean; held: readonly number[] };

/** Before anything was loaded. */
export const EMPTY_LIST: ListState = { key: null, rows: [], waiting: [] };

/** The next state. Returns the same object where nothing changes. */
export function reduceList(state: ListState, event: ListEvent): ListState {
  switch (event.type) {
    case "loaded":
      return state.key === event.key ? merge(state, event) : begin(event);
    case "show_waiting":
      return state.waiting.length === 0 ? state : { ...state, rows: admit(state), waiting: [] };
    case "settle":
      return settle(state, event);
  }
}

/** Whether the shown rows reach below what is loaded, so an older page is needed to keep them current. */
export function needsOlder(state: ListState, jobs: readonly Job[], hasOlder: boolean): boolean {
  const lastShown = state.rows.at(-1)?.job.job_id;
  const lastLoaded = jobs.at(-1)?.job_id;
  return hasOlder && lastShown !== undefined && lastLoaded !== undefined && lastShown < lastLoaded;
}

type Loaded = Extract<ListEvent, { type: "loaded" }>;

function begin(event: Loaded): ListState {
  return { key: event.key, rows: event.jobs.map((job) => row(job, false)), waiting: [] };
}

function row(job: Job, live: boolean): Row {
  return { job, live, changes: 0, left: false };
}

function merge(state: ListState, event: Loaded): ListState {
  const loaded = new Map(event.jobs.map((job) => [job.job_id, job]));
  const known = new Map((event.known ?? []).map((job) => [job.job_id, job]));
  const held = new Set(event.held);
  const oldestLoaded = event.jobs.at(-1)?.job_id ?? 0;

  const rows: Row[] = [];
  for (const shown of state.rows) {
    const id = shown.job.job_id;
    const job = loaded.get(id);
    if (job) rows.push(update(shown, job, false));
    else if (event.hasOlder && id < oldestLoaded) {
      // Beyond the pages that are loaded: nothing is known of it, and taking it from the end moves nothing above it.
      if (event.reading || held.has(id)) rows.push(shown);
    } else if (event.reading || held.has(id)) rows.push(update(shown, known.get(id) ?? shown.job, true));
  }

  const shownIds = new Set(rows.map((shown) => shown.job.job_id));
  const oldestShown = state.rows.at(-1)?.job.job_id ?? Number.POSITIVE_INFINITY;
  const waiting: Job[] = [];
  for (const job of event.jobs) {
    if (shownIds.has(job.job_id)) continue;
    // An older page goes to the end, where it moves nothing.
    const older = job.job_id < oldestShown && state.rows.length > 0;
    if (older && (event.asked || !event.reading)) rows.push(row(job, false));
    else if (older) continue;
    else if (event.reading && !held.has(job.job_id) && state.rows.length > 0) waiting.push(job);
    else rows.push(row(job, true));
  }
  return same(state, { key: state.key, rows: newestFirst(rows), waiting });
}

function update(shown: Row, job: Job, left: boolean): Row {
  if (left === shown.left && sameVersion(shown.job, job)) return shown;
  const changed = job.status !== shown.job.status;
  return { job, live: shown.live, changes: shown.changes + (changed ? 1 : 0), left };
}

/** Whether two answers show the same job: all else of a job never changes. */
function sameVersion(a: Job, b: Job): boolean {
  return a.status === b.status && a.worker_id === b.worker_id && a.updated_at === b.updated_at;
}

function admit(state: ListState): readonly Row[] {
  return newestFirst([...state.rows, ...state.waiting.map((job) => row(job, true))]);
}

function settle(state: ListState, event: Extract<ListEvent, { type: "settle" }>): ListState {
  const held = new Set(event.held);
  const all = event.reading ? state.rows : admit(state);
  const rows = all.filter((shown) => !shown.left || held.has(shown.job.job_id));
  return same(state, { ...state, rows, waiting: event.reading ? state.waiting : [] });
}

function newestFirst(rows: readonly Row[]): readonly Row[] {
  return [...rows].sort((a, b) => b.job.job_id - a.job.job_id);
}

/** Keeps the old object where the new one shows the same, so nothing is drawn again. */
function same(before: ListState, after: ListState): ListState {
  const rows = equal(before.rows, after.rows) ? before.rows : after.rows;
  const waiting = equal(before.waiting, after.waiting, sameJob) ? before.waiting : after.waiting;
  if (before.key === after.key && rows === before.rows && waiting === before.waiting) return before;
  return { key: after.key, rows, waiting };
}

function sameJob(a: Job, b: Job): boolean {
  return a.job_id === b.job_id && sameVersion(a, b);
}

function equal<T>(
  before: readonly T[],
  after: readonly T[],
  is: (a: T, b: T) => boolean = Object.is,
): boolean {
  return (
    before.length === after.length &&
    before.every((item, index) => {
      const other = after[index];
      return other !== undefined && is(item, other);
    })
  );
}
