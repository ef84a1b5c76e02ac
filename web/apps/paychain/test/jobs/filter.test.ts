import { describe, expect, test } from "vitest";
import { countdown, nextTick } from "../../src/jobs/deadline";
import { filterFromSearch, queryOfFilter, searchOfFilter } from "../../src/jobs/filter";
import { NOON } from "./sample";

const read = (text: string, role: "worker" | "employer") => filterFromSearch(new URLSearchParams(text), role);

describe("the filter", () => {
  test("begins with what the viewer needs: a worker open jobs, an employer the own ones", () => {
    expect(queryOfFilter(read("", "worker"))).toEqual({ status: "open" });
    expect(queryOfFilter(read("", "employer"))).toEqual({ mine: true });
  });

  test.each([
    ["worker", "?show=mine"],
    ["worker", "?show=mine&state=completed&type=design"],
    ["worker", "?type=data_entry"],
    ["employer", "?show=open&type=other"],
    ["employer", "?state=open"],
    ["employer", ""],
  ] as const)("of a %s comes back from the address as it went in: %j", (role, text) => {
    expect(searchOfFilter(read(text, role), role)).toBe(text);
  });

  test("takes nothing from the address that it does not know", () => {
    expect(read("?show=all&state=lost&type=magic", "worker")).toEqual({
      view: "open",
      status: null,
      type: null,
    });
    expect(read("?show=mine&state=open", "worker").status).toBeNull();
    expect(read("?state=completed", "worker").status).toBeNull();
  });

  test("asks for one state of the own jobs", () => {
    expect(queryOfFilter(read("?state=accepted&type=writing", "employer"))).toEqual({
      mine: true,
      status: "accepted",
      job_type: "writing",
    });
  });
});

const S = 1_000;
const M = 60 * S;
const H = 60 * M;

test.each([
  [-1, "Passed", "passed", null],
  [0, "Passed", "passed", null],
  [52 * S, "52 s left", "now", S],
  [4 * M + 5 * S + 400, "4 min 05 s left", "now", 400],
  [4 * H + 12 * M, "4 h 12 min left", "soon", M],
  [24 * H, "1 day left", "far", H],
  [75 * H, "3 days left", "far", H],
] as const)("%d ms before a deadline", (left, text, urgency, tick) => {
  const deadline = new Date(NOON + left).toISOString();
  expect(countdown(deadline, NOON)).toEqual({ text, urgency });
  expect(nextTick(deadline, NOON)).toBe(tick);
});
