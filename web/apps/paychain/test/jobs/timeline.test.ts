import { describe, expect, test } from "vitest";
import type { Job, Payment, Viewer } from "../../src/jobs/job";
import { timeline } from "../../src/jobs/timeline";
import { EMPLOYER, OTHER_WORKER, sampleJob, samplePayment, WORKER } from "./sample";

const UNSEEN = { acceptedAt: null };

function told(job: Job, payment: Payment | null, viewer: Viewer, seen = UNSEEN) {
  return timeline(job, payment, viewer, seen).map((step) => [
    step.title,
    step.note,
    step.state,
    step.at,
    step.money,
  ]);
}

const POSTED_AT = "2026-03-01T10:00:00.000Z";
const LATER = "2026-03-01T11:00:00.000Z";

describe("the timeline", () => {
  test("of an open job: posted, and what will come", () => {
    expect(told(sampleJob(), samplePayment(), EMPLOYER)).toEqual([
      ["Posted and money held", "by you", "done", POSTED_AT, "held"],
      ["Accepted by a worker", "", "next", null, null],
      ["Completed and paid", "", "later", null, null],
    ]);
  });

  test("of an accepted job: by whom and when", () => {
    const job = sampleJob({ status: "accepted", worker_id: 9, updated_at: LATER });
    expect(told(job, samplePayment(), WORKER)).toEqual([
      ["Posted and money held", "by Employer #7", "done", POSTED_AT, "held"],
      ["Accepted by you", "", "done", LATER, null],
      ["Completed and paid", "", "next", null, null],
    ]);
  });

  test("of a completed job: the time of the payment, and no guess of when it was accepted", () => {
    const job = sampleJob({ status: "completed", worker_id: 9, updated_at: LATER });
    const payment = samplePayment({ status: "released", updated_at: "2026-03-01T10:59:59.990Z" });
    expect(told(job, payment, EMPLOYER)).toEqual([
      ["Posted and money held", "by you", "done", POSTED_AT, "held"],
      ["Accepted by Worker #9", "", "done", null, null],
      ["Completed and paid", "to Worker #9", "done", "2026-03-01T10:59:59.990Z", "released"],
    ]);
  });

  test("keeps the time of the acceptance that this window saw", () => {
    const job = sampleJob({ status: "completed", worker_id: 9, updated_at: LATER });
    const steps = timeline(job, null, EMPLOYER, { acceptedAt: "2026-03-01T10:30:00.000Z" });
    expect(steps[1]?.at).toBe("2026-03-01T10:30:00.000Z");
  });

  test("of a job that was cancelled before anybody took it has no step for that", () => {
    const job = sampleJob({ status: "refunded", updated_at: LATER });
    expect(told(job, null, OTHER_WORKER)).toEqual([
      ["Posted and money held", "by Employer #7", "done", POSTED_AT, "held"],
      ["Cancelled, money returned", "to Employer #7", "done", LATER, "refunded"],
    ]);
  });

  test("of a job that expired with a worker says so", () => {
    const job = sampleJob({ status: "refunded", worker_id: 9, updated_at: LATER, deadline: LATER });
    expect(timeline(job, null, WORKER, UNSEEN).map((step) => step.title)).toEqual([
      "Posted and money held",
      "Accepted by you",
      "Expired, money returned",
    ]);
  });

  test("goes by the job while the payment is not heard of yet, or stands behind", () => {
    const job = sampleJob({ status: "completed", worker_id: 9, updated_at: LATER });
    for (const payment of [null, samplePayment({ status: "held" })]) {
      expect(timeline(job, payment, WORKER, UNSEEN).at(-1)).toMatchObject({ at: LATER, money: "released" });
    }
  });
});
