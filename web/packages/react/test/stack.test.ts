// Which toasts are there: three at most, two about one thing joined, the rest counted. With a clock that the test moves.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { EventToast } from "../src/toasts/index.js";
import { createStack, type Stack } from "../src/toasts/stack.js";

let shown: Map<string, string>;
let most: number;
let draws: number;
let stack: Stack;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  shown = new Map();
  most = draws = 0;
  stack = createStack(
    {
      show(id, { icon, title, amount, subject }) {
        shown.set(id, [`${icon} ${title}`, amount, subject].filter(Boolean).join(" | "));
        most = Math.max(most, shown.size);
        draws += 1;
      },
      hide: (id) => void shown.delete(id),
    },
    {
      duration: () => 5_000,
      more: (count, plural) => `${count} more ${plural ?? "updates"}`,
      latest: (subject) => `Latest: ${subject}`,
    },
  );
});
afterEach(() => vi.useRealTimers());

const texts = () => [...shown.values()];
const ids = () => [...shown.keys()];
const advance = (ms: number) => vi.advanceTimersByTime(ms);

function job(number: number, more: Partial<EventToast> = {}): EventToast {
  return {
    icon: "💼",
    title: "New job",
    subject: `Job ${number}`,
    key: `${number}`,
    plural: "jobs",
    ...more,
  };
}
function paid(number: number): EventToast {
  return {
    icon: "💰",
    title: "You were paid",
    amount: "$5.00",
    key: `${number}`,
    rank: 1,
    plural: "payments",
  };
}

describe("a toast", () => {
  it("stands for its time", () => {
    stack.add(job(1));
    expect(texts()).toEqual(["💼 New job | Job 1"]);
    advance(4_999);
    expect(shown.size).toBe(1);
    advance(1);
    expect(shown.size).toBe(0);
  });

  it("stands still in a pause, and has a second at least after it", () => {
    stack.add(job(1));
    advance(2_000);
    stack.pause();
    advance(60_000);
    stack.add(job(2));
    stack.resume();
    advance(2_999);
    expect(texts()).toEqual(["💼 New job | Job 1", "💼 New job | Job 2"]);
    advance(1);
    expect(texts()).toEqual(["💼 New job | Job 2"]);
    advance(1_900);
    stack.pause();
    stack.resume();
    advance(999);
    expect(shown.size).toBe(1);
    advance(1);
    expect(shown.size).toBe(0);
  });

  it("goes when it is closed by its id, on the screen, or with all", () => {
    for (const n of [1, 2, 3]) stack.add(job(n));
    const [first, second] = ids();
    stack.close(first ?? "");
    expect(shown.size).toBe(2);
    stack.gone(second ?? "");
    shown.delete(second ?? "");
    stack.close(null);
    expect(shown.size).toBe(0);
    advance(10_000);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("two about one thing", () => {
  it("are one toast that knows what both know, whichever came first", () => {
    stack.add({ ...job(1, { title: "You were paid", icon: "🎊", rank: 2 }) });
    stack.add(paid(1));
    stack.add(paid(2));
    stack.add({ ...job(2, { title: "You were paid", icon: "🎊", rank: 2 }) });
    expect(texts()).toEqual(["🎊 You were paid | $5.00 | Job 1", "🎊 You were paid | $5.00 | Job 2"]);
  });

  it("of equal rank are what the later one says", () => {
    stack.add(job(1));
    stack.add(job(1, { title: "Your job was accepted", icon: "🎉" }));
    expect(texts()).toEqual(["🎉 Your job was accepted | Job 1"]);
  });

  it("are two when the second comes much later", () => {
    stack.add(job(1));
    advance(2_001);
    stack.add(paid(1));
    expect(shown.size).toBe(2);
  });

  it("of which one is not for itself are one in either order, and none alone", () => {
    const posted = (n: number) => job(n, { title: "Job posted", rank: 2, onlyJoined: true });
    stack.add(posted(1));
    expect(shown.size).toBe(0);
    stack.add(paid(1));
    stack.add(paid(2));
    stack.add(posted(2));
    expect(texts()).toEqual(["💼 Job posted | $5.00 | Job 1", "💼 Job posted | $5.00 | Job 2"]);
    advance(10_000);
    stack.add(posted(3));
    advance(2_001);
    stack.add(paid(3));
    expect(texts()).toEqual(["💰 You were paid | $5.00"]);
  });
});

describe("a burst", () => {
  it("of 50 is never more than three toasts, and the last one counts the rest", () => {
    for (let n = 1; n <= 50; n += 1) {
      stack.add(job(n));
      advance(20);
    }
    advance(500);
    expect(texts()).toEqual(["💼 New job | Job 1", "💼 New job | Job 2", "💼 48 more jobs | Latest: Job 50"]);
    expect(most).toBe(3);
    expect(draws).toBeLessThan(8);
  });

  it("of four turns the third into the count", () => {
    for (const n of [1, 2, 3]) stack.add(job(n));
    expect(texts()[2]).toBe("💼 New job | Job 3");
    stack.add(job(4));
    expect(texts()[2]).toBe("💼 2 more jobs | Latest: Job 4");
  });

  it("of several kinds says so", () => {
    for (const n of [1, 2, 3]) stack.add(job(n));
    stack.add(paid(4));
    expect(texts()[2]).toBe("💰 2 more updates");
  });

  it("counts two about one thing once", () => {
    for (const n of [1, 2, 3, 4, 5]) stack.add(job(n));
    stack.add(paid(5));
    stack.add(paid(1));
    advance(500);
    expect(texts()).toEqual([
      "💰 You were paid | $5.00 | Job 1",
      "💼 New job | Job 2",
      "💼 3 more jobs | Latest: Job 5",
    ]);
  });

  it("goes on in the count as long as it lasts, then begins anew", () => {
    for (let n = 1; n <= 30; n += 1) {
      stack.add(job(n));
      advance(1_000);
    }
    expect(texts()).toEqual([expect.stringMatching(/^💼 \d+ more jobs \| Latest: Job 30$/)]);
    advance(10_000);
    expect(shown.size).toBe(0);
    stack.add(job(31));
    expect(texts()).toEqual(["💼 New job | Job 31"]);
  });

  it("waits while three toasts are just going", () => {
    for (const n of [1, 2, 3]) stack.add(job(n));
    advance(5_000);
    expect(shown.size).toBe(0);
    stack.add(job(4));
    stack.add(job(5));
    expect(shown.size).toBe(0);
    advance(300);
    expect(texts()).toEqual(["💼 2 more jobs | Latest: Job 5"]);
  });

  it("of a hundred thousand keeps its memory small", () => {
    for (let n = 0; n < 100_000; n += 1) stack.add(job(n, { onlyJoined: n % 2 === 0 }));
    advance(500);
    expect(texts()[2]).toBe("💼 49998 more jobs | Latest: Job 99999");
  });
});

it("after its end nothing comes and nothing stays", () => {
  for (const n of [1, 2, 3, 4]) stack.add(job(n));
  stack.end();
  stack.add(job(5));
  expect(shown.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});
