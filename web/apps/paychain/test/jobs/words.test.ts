import { describe, expect, test } from "vitest";
import { ApiProblem, NoAnswer } from "../../src/api/problem";
import { emptyWords } from "../../src/jobs/empty-words";
import { IntentKeys, MAX_KEYS } from "../../src/jobs/intent-keys";
import { jobProblemWords } from "../../src/jobs/problem-words";

function refused(status: number, code: string, more: { title?: string; state?: string } = {}) {
  return new ApiProblem(status, code, more.title ?? "", [], more.state ?? null, null);
}

describe("what went wrong with a job", () => {
  test.each([
    ["accept", "accepted", "Another worker was faster"],
    ["accept", "completed", "Another worker was faster"],
    ["accept", "refunded", "This job is no longer open"],
    ["complete", "completed", "This job is completed already"],
    ["complete", "refunded", "This job is over"],
    ["complete", "open", "No worker has accepted this job yet"],
    ["complete", "paused", "This job has changed meanwhile"],
    ["cancel", "completed", "This job is completed already"],
    ["cancel", "refunded", "This job is over"],
  ] as const)("%s on a job that is %s", (action, state, title) => {
    expect(jobProblemWords(action, refused(409, "wrong_state", { state }))).toMatchObject({
      title,
      again: false,
    });
  });

  test.each([
    ["The payment service is away; nothing has changed", "Nothing was changed. Try again in a moment."],
    ["The payment service did not answer; the outcome will show in the job", "it can't happen twice"],
    ["An earlier call is not decided yet; this one has changed nothing", "This one changed nothing."],
  ])("a payment service that is away: %s", (title, detail) => {
    const words = jobProblemWords("complete", refused(503, "payment_unavailable", { title }));
    expect(words.again).toBe(true);
    expect(words.detail).toContain(detail);
  });

  test("no answer is not called a failure, since nobody knows", () => {
    for (const action of ["accept", "complete", "cancel", "post"] as const) {
      const words = jobProblemWords(action, new NoAnswer("silent"));
      expect(words).toMatchObject({ title: "No answer came", again: true });
      expect(words.detail).toContain("can't happen twice");
    }
    expect(jobProblemWords("accept", new NoAnswer("offline")).title).toBe("The job was not accepted");
  });

  test("what has nothing to do with jobs is worded as everywhere", () => {
    expect(jobProblemWords("accept", refused(503, "store_unavailable"))).toMatchObject({ again: true });
    expect(jobProblemWords("post", new Error("bug")).code).toBe("unexpected");
  });

  test("too little money says that nothing was held", () => {
    expect(jobProblemWords("post", refused(409, "insufficient_funds")).detail).toContain("no money was held");
  });
});

describe("an empty list", () => {
  test.each([
    ["worker", "open", null, null],
    ["worker", "mine", null, "show_open"],
    ["employer", "mine", null, "post"],
    ["employer", "open", null, "post"],
    ["worker", "open", "design", "clear"],
    ["employer", "mine", "design", "clear"],
  ] as const)("says what will be there: of a %s, %s, type %s", (role, view, type, action) => {
    const words = emptyWords({ view, status: null, type }, role);
    expect(words.action).toBe(action);
    expect(words.button === null).toBe(action === null);
    expect(words.text).toMatch(/\.$/);
  });
});

describe("the key of an intent", () => {
  test("is kept for its retries and new once it has happened", () => {
    let made = 0;
    const keys = new IntentKeys(() => `key-${++made}`);
    expect(keys.keyOf("accept 1")).toBe("key-1");
    expect(keys.keyOf("accept 1")).toBe("key-1");
    expect(keys.keyOf("accept 2")).toBe("key-2");
    keys.done("accept 1");
    expect(keys.keyOf("accept 1")).toBe("key-3");
  });

  test("is forgotten after a hundred others", () => {
    let made = 0;
    const keys = new IntentKeys(() => `key-${++made}`);
    for (let n = 0; n <= MAX_KEYS; n += 1) keys.keyOf(`accept ${n}`);
    expect(keys.keyOf(`accept ${MAX_KEYS}`)).toBe(`key-${MAX_KEYS + 1}`);
    expect(keys.keyOf("accept 0")).toBe(`key-${MAX_KEYS + 2}`);
  });
});
