// The entries of a wallet as a statement: what each says, what the balance was behind it, which day it belongs to.
// Pure: no components, no calls.

import type { Entry, Payment, Wallet } from "../api/client";
import type { Role } from "../session";

/** How an entry is marked: money came in, was set aside, was paid out, came back. */
export type EntrySign = "in" | "held" | "paid" | "returned";

/** A line of the statement. */
export interface Line {
  readonly id: number;
  readonly sign: EntrySign;
  /** What comes before the job's title, or all there is. */
  readonly words: string;
  /** The job that it is about. */
  readonly jobId: number | null;
  /** US dollars; below 0 where money left. */
  readonly amount: number;
  /** The balance behind this entry, US dollars. */
  readonly balance: number;
  /** ISO 8601. */
  readonly at: string;
}

/** The lines of one day, newest first. */
export interface Day {
  /** `2026-11-21` in this machine's zone. */
  readonly key: string;
  /** Some time of that day, in milliseconds since 1970. */
  readonly time: number;
  readonly lines: readonly Line[];
}

/**
 * The lines of the pages that were loaded, newest first. Balances are counted back from the present one, in whole cents. An
 * employer's wallet has no entry of its own for money that was paid: what `payments` say makes of "Set aside for" a "Paid for".
 */
export function linesOf(pages: readonly Wallet[], role: Role, payments: readonly Payment[] = []): Line[] {
  const released = new Set(
    payments.filter((payment) => payment.status === "released").map((payment) => payment.payment_id),
  );
  const latest = pages[0];
  if (!latest) return [];
  const complete = pages.at(-1)?.entries.next === null;
  const entries = pages.flatMap((page) => page.entries.items);
  let cents = Math.round(latest.balance_usd * 100);
  return entries.map((entry, index) => {
    const oldest = complete && index === entries.length - 1;
    const line: Line = {
      ...describeEntry(entry, role, oldest, released),
      amount: entry.amount_usd,
      balance: cents / 100,
    };
    cents -= Math.round(entry.amount_usd * 100);
    return line;
  });
}

function describeEntry(
  entry: Entry,
  role: Role,
  oldest: boolean,
  released: ReadonlySet<number>,
): Omit<Line, "amount" | "balance"> {
  const about = { id: entry.entry_id, jobId: entry.job_id, at: entry.created_at };
  switch (entry.kind) {
    case "deposit":
      // Where deposits are possible at all, a wallet begins with one that the server books.
      return { ...about, sign: "in", words: oldest && role === "employer" ? "Starting balance" : "Deposit" };
    case "hold":
      return entry.payment_id !== null && released.has(entry.payment_id)
        ? { ...about, sign: "paid", words: "Paid for" }
        : { ...about, sign: "held", words: "Set aside for" };
    case "release":
      return {
        ...about,
        sign: entry.amount_usd < 0 ? "paid" : "in",
        words: entry.amount_usd < 0 ? "Paid for" : "Earned with",
      };
    case "refund":
      return { ...about, sign: "returned", words: "Refunded for" };
    default:
      return { ...about, sign: entry.amount_usd < 0 ? "paid" : "in", words: entry.kind };
  }
}

/** Lines by day, in the order that they have. */
export function daysOf(lines: readonly Line[]): Day[] {
  const days: { key: string; time: number; lines: Line[] }[] = [];
  for (const line of lines) {
    const time = Date.parse(line.at);
    const key = dayKey(time);
    const last = days.at(-1);
    if (last?.key === key) last.lines.push(line);
    else days.push({ key, time, lines: [line] });
  }
  return days;
}

const WEEKDAY = new Intl.DateTimeFormat("en-US", { weekday: "long", month: "long", day: "numeric" });
const WITH_YEAR = new Intl.DateTimeFormat("en-US", { year: "numeric", month: "long", day: "numeric" });

/** `Today`, `Yesterday`, `Thursday, November 12`; with its year if that is not this one. */
export function dayWords(time: number, now: number): string {
  const day = dayKey(time);
  if (day === dayKey(now)) return "Today";
  const before = new Date(now);
  before.setDate(before.getDate() - 1);
  if (day === dayKey(before.getTime())) return "Yesterday";
  return new Date(time).getFullYear() === new Date(now).getFullYear()
    ? WEEKDAY.format(time)
    : WITH_YEAR.format(time);
}

function dayKey(time: number): string {
  const date = new Date(time);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
