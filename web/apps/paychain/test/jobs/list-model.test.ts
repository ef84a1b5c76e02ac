import { describe, expect, test } from "vitest";
import type { Job } from "../../src/jobs/job";
import {
  EMPTY_LIST,
  type ListEvent,
  type ListState,
  needsOlder,
  reduceList,
} from "../../src/jobs/list-model";
import { jobsDown, sampleJob } from "./sample";

type Loaded = Extract<ListEvent, { type: "loaded" }>;

function loaded(jobs: readonly Job[], change: Partial<Loaded> = {}): Loaded {
  return {
    type: "loaded",
    key: "open",
    jobs,
    hasOlder: false,
    reading: false,
    asked: true,
    held: [],
    ...change,
  };
}

function after(...events: ListEvent[]): ListState {
  return events.reduce(reduceList, EMPTY_LIST);
}

const ids = (state: ListState) => state.rows.map((row) => row.job.job_id);
const waitingIds = (state: ListState) => state.waiting.map((job) => job.job_id);

describe("the list", () => {
  test("shows what was loaded first, without any of it moving in", () => {
    const state = after(loaded(jobsDown(3, 1)));
    expect(ids(state)).toEqual([3, 2, 1]);
    expect(state.rows.some((row) => row.live)).toBe(false);
  });

  test.each([
    { reading: false, shown: [4, 3, 2, 1], waiting: [] },
    { reading: true, shown: [3, 2, 1], waiting: [4] },
  ])(
    "a new job comes in at the top unless the list is read: reading $reading",
    ({ reading, shown, waiting }) => {
      const state = after(loaded(jobsDown(3, 1)), loaded(jobsDown(4, 1), { reading }));
      expect(ids(state)).toEqual(shown);
      expect(waitingIds(state)).toEqual(waiting);
    },
  );

  test("rows that come in live are marked so, the others are not", () => {
    const state = after(loaded(jobsDown(2, 1)), loaded(jobsDown(3, 1)));
    expect(state.rows.map((row) => row.live)).toEqual([true, false, false]);
  });

  test("the first job of an empty list is shown even while it is pointed at", () => {
    const state = after(loaded([]), loaded(jobsDown(1, 1), { reading: true }));
    expect(ids(state)).toEqual([1]);
    expect(state.waiting).toEqual([]);
  });

  test("a new job that is selected is shown while the others wait", () => {
    const state = after(loaded(jobsDown(3, 1)), loaded(jobsDown(5, 1), { reading: true, held: [4] }));
    expect(ids(state)).toEqual([4, 3, 2, 1]);
    expect(waitingIds(state)).toEqual([5]);
  });

  test("fifty quick jobs are fifty rows, each once and in order, however they are collected", () => {
    let state = after(loaded(jobsDown(20, 1)));
    for (const newest of [21, 24, 24, 40, 70]) state = reduceList(state, loaded(jobsDown(newest, 1)));
    expect(ids(state)).toEqual(jobsDown(70, 1).map((job) => job.job_id));
  });

  test("fifty quick jobs are one pill of fifty while somebody reads, and no row moves", () => {
    const first = after(loaded(jobsDown(20, 1)));
    let state = first;
    for (const newest of [21, 24, 24, 40, 70]) {
      state = reduceList(state, loaded(jobsDown(newest, 1), { reading: true }));
      expect(state.rows).toBe(first.rows);
    }
    expect(state.waiting).toHaveLength(50);
    const shown = reduceList(state, { type: "show_waiting" });
    expect(ids(shown)).toEqual(jobsDown(70, 1).map((job) => job.job_id));
    expect(shown.waiting).toEqual([]);
  });

  test("fifty new jobs push the shown ones out of the loaded page, and they stay while somebody reads", () => {
    const before = after(loaded(jobsDown(50, 1)));
    const page = jobsDown(100, 51);
    const state = reduceList(before, loaded(page, { reading: true, hasOlder: true }));
    expect(ids(state)).toEqual(ids(before));
    expect(state.waiting).toHaveLength(50);
    expect(state.rows.some((row) => row.left)).toBe(false);
    expect(needsOlder(state, page, true)).toBe(true);
    expect(needsOlder(state, jobsDown(100, 1), false)).toBe(false);
  });

  test("without a reader the list is what was loaded", () => {
    const state = after(loaded(jobsDown(50, 1)), loaded(jobsDown(100, 51), { hasOlder: true }));
    expect(ids(state)).toEqual(jobsDown(100, 51).map((job) => job.job_id));
  });

  test("an older page goes to the end, also while somebody reads", () => {
    const state = after(
      loaded(jobsDown(20, 11), { hasOlder: true }),
      loaded(jobsDown(20, 1), { reading: true }),
    );
    expect(ids(state)).toEqual(jobsDown(20, 1).map((job) => job.job_id));
    expect(state.rows.some((row) => row.live)).toBe(false);
    expect(state.waiting).toEqual([]);
  });

  test("a page that was loaded only to keep the shown rows up to date makes the list no longer", () => {
    const before = after(loaded(jobsDown(50, 41), { hasOlder: true }));
    const page = loaded(jobsDown(55, 36), { reading: true, asked: false, hasOlder: true });
    const state = reduceList(before, page);
    expect(ids(state)).toEqual(ids(before));
    expect(waitingIds(state)).toEqual([55, 54, 53, 52, 51]);
    expect(ids(reduceList(state, { ...page, asked: true }))).toEqual(
      jobsDown(50, 36).map((job) => job.job_id),
    );
  });

  test("a change of state updates the row in place and counts, other changes do not count", () => {
    const accepted = sampleJob({ job_id: 2, status: "accepted", worker_id: 9 });
    const state = after(
      loaded(jobsDown(3, 1)),
      loaded([sampleJob({ job_id: 3 }), accepted, sampleJob({ job_id: 1 })]),
    );
    expect(ids(state)).toEqual([3, 2, 1]);
    expect(state.rows.map((row) => row.changes)).toEqual([0, 1, 0]);
    expect(state.rows[1]?.job.status).toBe("accepted");
  });

  test("the same answer again changes nothing at all", () => {
    const jobs = jobsDown(3, 1);
    const state = after(loaded(jobs));
    expect(reduceList(state, loaded([...jobs]))).toBe(state);
    expect(reduceList(state, { type: "show_waiting" })).toBe(state);
    expect(reduceList(state, { type: "settle", reading: false, held: [] })).toBe(state);
  });

  test("another filter starts anew", () => {
    const state = after(
      loaded(jobsDown(3, 1)),
      loaded(jobsDown(5, 1), { reading: true }),
      loaded(jobsDown(2, 1), { key: "mine", reading: true }),
    );
    expect(state.key).toBe("mine");
    expect(ids(state)).toEqual([2, 1]);
    expect(state.waiting).toEqual([]);
  });
});

describe("a job that no longer fits the filter", () => {
  const gone = [sampleJob({ job_id: 3, title: "Job 3" }), sampleJob({ job_id: 1, title: "Job 1" })];

  test.each([
    { why: "nobody looks at it", reading: false, held: [], shown: [3, 1] },
    { why: "it is selected", reading: false, held: [2], shown: [3, 2, 1] },
    { why: "another one is selected", reading: false, held: [3], shown: [3, 1] },
    { why: "the list is being read", reading: true, held: [], shown: [3, 2, 1] },
  ])("$why", ({ reading, held, shown }) => {
    const state = after(loaded(jobsDown(3, 1)), loaded(gone, { reading, held }));
    expect(ids(state)).toEqual(shown);
    expect(state.rows.filter((row) => row.left).map((row) => row.job.job_id)).toEqual(
      shown.length === 3 ? [2] : [],
    );
  });

  test("is shown with its new state where that is known, and highlighted once", () => {
    const taken = sampleJob({ job_id: 2, status: "accepted", worker_id: 9 });
    const event = loaded(gone, { held: [2], known: [taken] });
    const state = after(loaded(jobsDown(3, 1)), event);
    expect(state.rows[1]).toMatchObject({ left: true, changes: 1, job: { status: "accepted" } });
    expect(reduceList(state, event).rows[1]?.changes).toBe(1);
  });

  test("goes with the next interaction, unless it is still held", () => {
    const faded = after(loaded(jobsDown(3, 1)), loaded(gone, { held: [2] }));
    expect(ids(reduceList(faded, { type: "settle", reading: true, held: [2] }))).toEqual([3, 2, 1]);
    expect(ids(reduceList(faded, { type: "settle", reading: true, held: [3] }))).toEqual([3, 1]);
  });

  test("comes back as a plain row when it fits again", () => {
    const state = after(loaded(jobsDown(3, 1)), loaded(gone, { held: [2] }), loaded(jobsDown(3, 1)));
    expect(state.rows.map((row) => row.left)).toEqual([false, false, false]);
  });

  test("leaves the pill when it was waiting there", () => {
    const state = after(
      loaded(jobsDown(3, 1)),
      loaded(jobsDown(5, 1), { reading: true }),
      loaded([sampleJob({ job_id: 5 }), ...jobsDown(3, 1)], { reading: true }),
    );
    expect(waitingIds(state)).toEqual([5]);
  });
});

describe("when the reader goes on", () => {
  test("what waited comes in once nobody reads any more", () => {
    const state = after(loaded(jobsDown(3, 1)), loaded(jobsDown(5, 1), { reading: true }));
    const still = reduceList(state, { type: "settle", reading: true, held: [] });
    expect(waitingIds(still)).toEqual([5, 4]);
    const done = reduceList(state, { type: "settle", reading: false, held: [] });
    expect(ids(done)).toEqual([5, 4, 3, 2, 1]);
    expect(done.waiting).toEqual([]);
  });

  test("a job that entered the filter from long ago stands in its place", () => {
    const some = [sampleJob({ job_id: 9 }), sampleJob({ job_id: 2 })];
    const state = after(
      loaded(some),
      loaded([sampleJob({ job_id: 9 }), sampleJob({ job_id: 5 }), sampleJob({ job_id: 2 })]),
    );
    expect(ids(state)).toEqual([9, 5, 2]);
  });
});
