// What the user does in this window is not told here, and everything else is.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createOwnActions } from "../src/toasts/index.js";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => vi.useRealTimers());

function record() {
  const own = createOwnActions();
  const shown: string[] = [];
  const hear = (type: string, key: string) => own.consider(type, key, () => shown.push(`${type} ${key}`));
  return { own, shown, hear };
}

/** An answer that comes when the test says so. */
function answer<T>() {
  let give: (value: T) => void = () => {};
  let fail: (error: Error) => void = () => {};
  const promise = new Promise<T>((resolve, reject) => {
    give = resolve;
    fail = reject;
  });
  return { promise, give, fail };
}

describe("an action", () => {
  it("is quiet whether its events come before the answer or after it", async () => {
    const { own, shown, hear } = record();
    const posted = answer<{ job_id: number }>();
    const done = own.during(
      "post",
      () => posted.promise,
      (job) => job.job_id,
    );
    hear("payment_held", "5");
    hear("job_created", "4");
    expect(shown).toEqual([]);
    posted.give({ job_id: 5 });
    expect(await done).toEqual({ job_id: 5 });
    hear("job_created", "5");
    expect(shown).toEqual(["job_created 4"]);
  });

  it("holds back nothing that is not of its kind, or about something else", async () => {
    const { own, shown, hear } = record();
    const accepted = answer<void>();
    const done = own.during("accept", () => accepted.promise, 5);
    hear("job_created", "5");
    hear("job_accepted", "6");
    expect(shown).toEqual(["job_created 5", "job_accepted 6"]);
    accepted.give();
    await done;
    hear("job_accepted", "5");
    hear("job_completed", "5");
    expect(shown.slice(2)).toEqual(["job_completed 5"]);
  });

  it("that fails lets everything be shown, and fails for its caller too", async () => {
    const { own, shown, hear } = record();
    const completed = answer<void>();
    const done = own.during("complete", () => completed.promise, 5);
    hear("job_completed", "5");
    completed.fail(new Error("wrong_state"));
    await expect(done).rejects.toThrow("wrong_state");
    hear("payment_confirmed", "5");
    expect(shown).toEqual(["job_completed 5", "payment_confirmed 5"]);
  });

  it("swallows an event once only, and only for 10 seconds", async () => {
    const { own, shown, hear } = record();
    await own.during("cancel", async () => {}, 5);
    hear("job_refunded", "5");
    hear("job_refunded", "5");
    vi.advanceTimersByTime(10_000);
    hear("payment_refunded", "5");
    expect(shown).toEqual(["job_refunded 5", "payment_refunded 5"]);
  });

  it("that never ends holds nothing back longer than 10 seconds", async () => {
    const { own, shown, hear } = record();
    void own.during("accept", () => new Promise<void>(() => {}), 5);
    hear("job_accepted", "5");
    vi.advanceTimersByTime(9_999);
    expect(shown).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(shown).toEqual(["job_accepted 5"]);
  });

  it("holds back 100 toasts at most", () => {
    const { own, shown, hear } = record();
    void own.during(
      "post",
      () => new Promise<void>(() => {}),
      () => 1,
    );
    for (let n = 0; n < 103; n += 1) hear("job_created", `${n}`);
    expect(shown).toEqual(["job_created 0", "job_created 1", "job_created 2"]);
  });
});

it("an app names its own actions", async () => {
  const own = createOwnActions({ rename: ["project_renamed"] });
  const show = vi.fn();
  await own.during("rename", async () => {}, "p-1");
  own.consider("project_renamed", "p-1", show);
  own.consider("project_renamed", "p-2", show);
  expect(show).toHaveBeenCalledTimes(1);
});
