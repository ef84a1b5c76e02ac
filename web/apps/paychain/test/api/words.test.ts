// What errors say to people.

import { describe, expect, it } from "vitest";
import { ApiProblem, NoAnswer, readProblem, readRetryAfter, SignedOut } from "../../src/api/problem";
import { type Asked, describeProblem, fieldFaults } from "../../src/api/words";

const READ: Asked = { title: "The wallet could not be loaded", kind: "read" };
const WRITE: Asked = { title: "The job was not posted", kind: "write" };

const problem = (
  status: number,
  code: string,
  more: { title?: string; retryAfter?: number; state?: string } = {},
) =>
  new ApiProblem(
    status,
    code,
    more.title ?? "",
    [],
    more.state ?? null,
    more.retryAfter ?? null,
    Date.UTC(2026, 10, 21, 12),
  );

describe("words", () => {
  it("a server that is away changed nothing of what was only read", () => {
    expect(describeProblem(new NoAnswer("unreachable"), READ)).toEqual({
      code: "no_answer",
      title: "The wallet could not be loaded",
      detail: "The server can't be reached. Nothing was changed.",
      again: true,
    });
  });

  it("a write without an answer is not called unchanged, and may be tried again", () => {
    const { detail, again } = describeProblem(new NoAnswer("silent"), WRITE);
    expect(detail).toBe(
      "The server did not answer in time. It is not known whether this arrived. Trying again is safe: it can't happen twice.",
    );
    expect(again).toBe(true);
    expect(describeProblem(new NoAnswer("silent"), { ...WRITE, kind: "write-once" }).detail).not.toContain(
      "safe",
    );
  });

  it("a write without an answer is not said to have failed, unless nothing was sent", () => {
    expect(describeProblem(new NoAnswer("unreachable"), WRITE).title).toBe("No answer came");
    expect(describeProblem(new NoAnswer("offline"), WRITE).title).toBe("The job was not posted");
    expect(describeProblem(new NoAnswer("silent"), { ...WRITE, unknown: "It may be there." }).detail).toBe(
      "The server did not answer in time. It may be there.",
    );
  });

  it("without a network nothing was sent", () => {
    expect(describeProblem(new NoAnswer("offline"), WRITE).detail).toBe(
      "This device has no network. Nothing was sent, and nothing was changed.",
    );
  });

  it("the time of the next try is told, with the time of day where it is long", () => {
    expect(describeProblem(problem(429, "rate_limited", { retryAfter: 7 }), READ).detail).toContain(
      "in 7 seconds.",
    );
    expect(describeProblem(problem(429, "too_many_attempts", { retryAfter: 900 }), READ).detail).toMatch(
      /^There were too many wrong passwords for this email\. Try again in 15 minutes, at \d+:15\s[AP]M\.$/u,
    );
    expect(describeProblem(problem(503, "busy"), READ).detail).toContain("in a moment");
  });

  it.each([
    ["The payment service is away; nothing has changed", "Nothing was changed"],
    [
      "The payment service did not answer; the outcome will show in the job",
      "not known yet whether the money moved",
    ],
    [
      "The payment service did not answer; there is no such job, and no money is kept for it",
      "No job was posted",
    ],
    ["An earlier call is not decided yet; this one has changed nothing", "still being settled"],
  ])("a payment service that is away: %s", (title, words) => {
    const said = describeProblem(problem(503, "payment_unavailable", { title, retryAfter: 1 }), WRITE);
    expect(said.detail).toContain(words);
    expect(said.again).toBe(true);
  });

  it("too little money says what to do", () => {
    expect(describeProblem(problem(409, "insufficient_funds"), WRITE)).toMatchObject({
      detail:
        "There is not enough free money in your wallet. Nothing was changed. Deposit money, or choose a lower amount.",
      again: false,
    });
  });

  it("a state that changed is named", () => {
    expect(describeProblem(problem(409, "wrong_state", { state: "accepted" }), WRITE).detail).toContain(
      "is accepted now",
    );
  });

  it("somebody who is signed out is told to sign in", () => {
    expect(describeProblem(new SignedOut(), READ)).toMatchObject({ code: "signed_out", again: false });
  });

  it.each([
    [418, "teapot"],
    [500, "internal"],
    [502, "unreadable"],
    [429, "new_code"],
  ])("an unknown %i %s still makes sentences", (status, code) => {
    const { detail } = describeProblem(problem(status, code), WRITE);
    expect(detail).toMatch(/^[A-Z].*\.$/);
    expect(detail).not.toContain("undefined");
  });

  it("a fault of the page itself is told without its stack", () => {
    const { code, detail } = describeProblem(new TypeError("x is undefined"), READ);
    expect(code).toBe("unexpected");
    expect(detail).not.toContain("undefined");
  });

  it("wrong members become sentences", () => {
    const error = new ApiProblem(
      422,
      "invalid",
      "",
      [{ member: "title", message: "is required" }],
      null,
      null,
    );
    expect(fieldFaults(error)).toEqual({ title: "Is required." });
    expect(fieldFaults(new Error("no"))).toEqual({});
  });
});

describe("reading problems", () => {
  it("takes what is there, and nothing of another shape", () => {
    const response = new Response(null, { status: 422, headers: { "retry-after": "3" } });
    const read = readProblem(response, {
      code: "invalid",
      title: "Unprocessable Entity",
      errors: [{ member: "a", message: "b" }, { member: 7 }, null],
    });
    expect(read).toMatchObject({ status: 422, code: "invalid", retryAfter: 3, state: null });
    expect(read.faults).toEqual([{ member: "a", message: "b" }]);
    expect(readProblem(new Response(null, { status: 502 }), "<h1>Bad gateway</h1>").code).toBe("unreadable");
  });

  it("Retry-After is seconds or a date", () => {
    const now = Date.parse("2026-11-21T12:00:00Z");
    expect(readRetryAfter("12", now)).toBe(12);
    expect(readRetryAfter("Sat, 21 Nov 2026 12:01:00 GMT", now)).toBe(60);
    expect(readRetryAfter("Sat, 21 Nov 2026 11:00:00 GMT", now)).toBe(0);
    expect(readRetryAfter("soon", now)).toBeNull();
    expect(readRetryAfter(null, now)).toBeNull();
  });
});
