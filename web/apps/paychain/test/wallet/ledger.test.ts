// The ledger as a statement.

import { describe, expect, it } from "vitest";
import type { Entry, Wallet } from "../../src/api/client";
import { daysOf, dayWords, linesOf } from "../../src/wallet/ledger";
import { samplePayment } from "../jobs/sample";

let id = 100;
const entry = (kind: string, amount_usd: number, job_id: number | null = null): Entry => {
  id -= 1;
  return {
    entry_id: id,
    kind,
    amount_usd,
    job_id,
    payment_id: job_id,
    created_at: "2026-11-21T12:00:00.000Z",
  };
};
const page = (balance_usd: number, items: Entry[], next: string | null = null): Wallet => ({
  balance_usd,
  held_usd: 0,
  entries: { items, next },
});

describe("the statement", () => {
  it("says what happened to an employer's money", () => {
    const lines = linesOf(
      [
        page(9930, [
          entry("refund", 30, 9),
          entry("release", -70, 8),
          entry("hold", -100, 7),
          entry("deposit", 70),
          entry("deposit", 10_000),
        ]),
      ],
      "employer",
    );
    expect(lines.map(({ words, sign }) => `${words} (${sign})`)).toEqual([
      "Refunded for (returned)",
      "Paid for (paid)",
      "Set aside for (held)",
      "Deposit (in)",
      "Starting balance (in)",
    ]);
  });

  it("says of an employer's held money what has become of it", () => {
    const payment = (id: number, status: string) =>
      samplePayment({ payment_id: id, job_id: id, amount_usd: 10, status });
    const lines = linesOf(
      [
        page(70, [
          entry("refund", 10, 9),
          ...[9, 8, 7, 6].map((id) => entry("hold", -10, id)),
          entry("deposit", 100),
        ]),
      ],
      "employer",
      [payment(9, "refunded"), payment(8, "released"), payment(7, "held")],
    );
    expect(lines.map(({ words, jobId }) => `${words} ${jobId}`)).toEqual([
      "Refunded for 9",
      "Set aside for 9",
      "Paid for 8",
      "Set aside for 7",
      "Set aside for 6",
      "Starting balance null",
    ]);
    expect(lines[2]).toMatchObject({ sign: "paid", amount: -10 });
  });

  it("says what a worker earned", () => {
    const [line] = linesOf([page(25.5, [entry("release", 25.5, 3)])], "worker");
    expect(line).toMatchObject({ words: "Earned with", sign: "in", jobId: 3, amount: 25.5, balance: 25.5 });
  });

  it("counts balances back in whole cents, over several pages", () => {
    const lines = linesOf(
      [
        page(0.3, [entry("refund", 0.1, 1), entry("hold", -0.2, 2)], "more"),
        page(0.3, [entry("deposit", 0.4)]),
      ],
      "employer",
    );
    expect(lines.map((line) => line.balance)).toEqual([0.3, 0.2, 0.4]);
  });

  it("calls the oldest entry the starting balance only when it is known to be the oldest", () => {
    expect(linesOf([page(50, [entry("deposit", 50)], "more")], "employer")[0]?.words).toBe("Deposit");
  });

  it("shows a kind that it does not know by its name", () => {
    expect(linesOf([page(1, [entry("bonus", 1)])], "worker")[0]).toMatchObject({
      words: "bonus",
      sign: "in",
    });
  });

  it("puts lines of one day together", () => {
    const days = daysOf(
      ["2026-11-21T15:00:00", "2026-11-21T09:00:00", "2026-11-20T23:59:59"].map((at, index) => ({
        id: 9 - index,
        sign: "in" as const,
        words: "Deposit",
        jobId: null,
        amount: 1,
        balance: 1,
        at,
      })),
    );
    expect(days.map((day) => [day.key, day.lines.length])).toEqual([
      ["2026-11-21", 2],
      ["2026-11-20", 1],
    ]);
  });

  it("names days as people do", () => {
    const now = new Date(2026, 10, 21, 0, 30).getTime();
    expect(dayWords(new Date(2026, 10, 21, 0, 1).getTime(), now)).toBe("Today");
    expect(dayWords(new Date(2026, 10, 20, 23, 59).getTime(), now)).toBe("Yesterday");
    expect(dayWords(new Date(2026, 10, 12, 12).getTime(), now)).toBe("Thursday, November 12");
    expect(dayWords(new Date(2025, 0, 2, 12).getTime(), now)).toBe("January 2, 2025");
  });
});
