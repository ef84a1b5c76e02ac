import { describe, expect, test } from "vitest";
import type { JobStatus, Viewer } from "../../src/jobs/job";
import { nextStep, wasExpired } from "../../src/jobs/next-step";
import { EMPLOYER, NOON, OTHER_EMPLOYER, OTHER_WORKER, sampleJob, WORKER } from "./sample";

function stepOf(status: JobStatus, viewer: Viewer, deadline: string | null = null) {
  const job = sampleJob({ status, worker_id: status === "open" ? null : 9, deadline });
  return nextStep(job, viewer, "$450.00", NOON);
}

describe("the next step", () => {
  test.each([
    ["open", "a worker", WORKER, "accept", false, "yours", "Ready for you to take"],
    ["open", "its employer", EMPLOYER, null, true, "theirs", "Waiting for a worker"],
    ["open", "another employer", OTHER_EMPLOYER, null, false, "theirs", "Waiting for a worker"],
    ["accepted", "its worker", WORKER, null, false, "theirs", "Waiting for Employer #7 to confirm the work"],
    ["accepted", "another worker", OTHER_WORKER, null, false, "theirs", "Another worker is on it"],
    ["accepted", "its employer", EMPLOYER, "complete", true, "yours", "Worker #9 is on it"],
    ["accepted", "another employer", OTHER_EMPLOYER, null, false, "theirs", "Another worker is on it"],
    ["completed", "its worker", WORKER, null, false, "over", "You have been paid"],
    ["completed", "another worker", OTHER_WORKER, null, false, "over", "Completed and paid"],
    ["completed", "its employer", EMPLOYER, null, false, "over", "Completed and paid"],
    ["completed", "another employer", OTHER_EMPLOYER, null, false, "over", "Completed and paid"],
    ["refunded", "its worker", WORKER, null, false, "over", "This job was cancelled"],
    ["refunded", "another worker", OTHER_WORKER, null, false, "over", "This job was cancelled"],
    ["refunded", "its employer", EMPLOYER, null, false, "over", "This job was cancelled"],
    ["refunded", "another employer", OTHER_EMPLOYER, null, false, "over", "This job was cancelled"],
  ] as const)("of a job that is %s, for %s", (status, _who, viewer, main, canCancel, turn, line) => {
    expect(stepOf(status, viewer)).toMatchObject({ main, canCancel, turn, line });
  });

  test.each([
    ["open", EMPLOYER],
    ["open", WORKER],
    ["accepted", EMPLOYER],
    ["accepted", WORKER],
  ] as const)("offers nothing once the deadline has passed: %s", (status, viewer) => {
    const step = stepOf(status, viewer, "2026-03-01T12:00:00.000Z");
    expect(step).toMatchObject({ main: null, canCancel: false, line: "The deadline has passed" });
  });

  test("offers everything a moment before the deadline", () => {
    expect(stepOf("open", WORKER, "2026-03-01T12:00:00.001Z").main).toBe("accept");
  });

  test("says whose wallet moved, to the party whose it is", () => {
    expect(stepOf("completed", WORKER).wallet).toBe(true);
    expect(stepOf("completed", OTHER_WORKER).wallet).toBe(false);
    expect(stepOf("refunded", EMPLOYER)).toMatchObject({
      wallet: true,
      meaning: "$450.00 is back in your wallet.",
    });
    expect(stepOf("refunded", WORKER).wallet).toBe(false);
  });
});

test.each([
  ["no deadline", null, "2026-03-01T12:00:00.000Z", false],
  ["ended before it", "2026-03-02T00:00:00.000Z", "2026-03-01T12:00:00.000Z", false],
  ["ended behind it", "2026-03-01T11:59:59.500Z", "2026-03-01T12:00:00.000Z", true],
] as const)("a refunded job expired or was cancelled: %s", (_why, deadline, updated_at, expired) => {
  expect(wasExpired(sampleJob({ status: "refunded", deadline, updated_at }))).toBe(expired);
});
