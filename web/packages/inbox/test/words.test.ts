// Days, times, counts and words: by locale and time zone, with a clock of the test's own.

import { describe, expect, it } from "vitest";
import { badge, formatExact, formatWhen, groupByDay, textsFor } from "../src/index.js";
import type { Action, FailureCode, Notification } from "../src/types.js";

const NOW = Date.parse("2026-11-21T22:30:00.000Z");
const made = (...times: string[]) =>
  times.map((created_at, at) => ({ id: at, created_at }) as unknown as Notification);
const titles = (locale: string, timeZone: string, ...times: string[]) =>
  groupByDay(made(...times), { now: NOW, locale, timeZone }).map(({ title, items }) => [title, items.length]);

describe("days", () => {
  const times = [
    "2026-11-21T22:00:00.000Z",
    "2026-11-21T00:30:00.000Z",
    "2026-11-20T22:59:00.000Z",
    "2026-11-10T12:00:00.000Z",
    "2025-11-10T12:00:00.000Z",
  ];

  it("are those of the viewer's time zone, in the words of the viewer's locale", () => {
    expect(titles("en", "UTC", ...times)).toEqual([
      ["Today", 2],
      ["Yesterday", 1],
      ["Tuesday, November 10", 1],
      ["Monday, November 10, 2025", 1],
    ]);
    expect(titles("de", "Europe/Berlin", ...times)).toEqual([
      ["Heute", 2],
      ["Gestern", 1],
      ["Dienstag, 10. November", 1],
      ["Montag, 10. November 2025", 1],
    ]);
    // In Tokyo it is the 22nd already.
    expect(titles("en", "Asia/Tokyo", ...times)[0]).toEqual(["Today", 1]);
  });

  it("know no tomorrow, where the server's clock is ahead, and have a place for what has no time", () => {
    expect(titles("en", "UTC", "2026-11-22T03:00:00.000Z", "no time", "")).toEqual([
      ["Today", 1],
      ["Earlier", 2],
    ]);
  });

  it("hold a month's end, a year's and a leap day", () => {
    const yesterday = (now: string, at: string) =>
      groupByDay(made(at), { now: Date.parse(now), locale: "en", timeZone: "UTC" })[0]?.title;
    expect(yesterday("2027-01-01T00:10:00Z", "2026-12-31T23:50:00Z")).toBe("Yesterday");
    expect(yesterday("2028-03-01T00:10:00Z", "2028-02-29T00:10:00Z")).toBe("Yesterday");
    expect(yesterday("2028-03-01T00:10:00Z", "2028-02-28T23:50:00Z")).toBe("Monday, February 28");
  });
});

it("a time says how long ago it was, then the time of day; the exact one is at hand", () => {
  const ago = (ms: number) => formatWhen(new Date(NOW - ms).toISOString(), NOW, "en");
  expect([ago(-5_000), ago(59_000), ago(60_000), ago(3_599_000), ago(7_200_000)]).toEqual([
    "now",
    "now",
    "1 min. ago",
    "59 min. ago",
    "2 hr. ago",
  ]);
  expect(ago(30 * 3_600_000)).toMatch(/^\d+:\d\d.[AP]M$/);
  expect(formatWhen("no time", NOW, "en")).toBe("");
  expect(formatExact("2026-11-21T12:00:00.000Z", "en")).toContain("November 21, 2026");
  expect(formatExact("", "en")).toBe("");
});

it("a badge goes up to 99+, and shows nothing for nothing", () => {
  expect([null, 0, 1, 99, 100, 2_000].map(badge)).toEqual(["", "", "1", "99", "99+", "99+"]);
});

describe("words", () => {
  const actions: Action[] = [
    "load",
    "load_more",
    "read",
    "unread",
    "read_all",
    "remove",
    "restore",
    "categories",
    "load_preferences",
    "save_preferences",
  ];
  const codes: FailureCode[] = [
    "unreachable",
    "timeout",
    "unauthorized",
    "forbidden",
    "not_found",
    "invalid",
    "rate_limited",
    "unavailable",
    "bad_answer",
    "too_many",
  ];
  const failure = { status: null, detail: "", id: null, errors: [], retryAfter: null };

  it("are there for every action and every cause, in both languages, as sentences without exclamation marks", () => {
    for (const locale of ["en", "de"]) {
      const texts = textsFor(locale);
      for (const action of actions) {
        for (const code of codes)
          expect(texts.failure({ ...failure, action, code })).toMatch(/^[A-ZÄÖÜ][^!]+\. [A-ZÄÖÜ][^!]+\.$/);
      }
      for (const value of Object.values(texts))
        if (typeof value === "string") expect(value).toMatch(/^[^!]+$/);
    }
  });

  it("follow the locale, and are English for a language that has none and for what is no locale", () => {
    expect(textsFor("de-AT").title).toBe("Mitteilungen");
    expect(textsFor("de-AT").locale).toBe("de-AT");
    expect(textsFor("en-GB").locale).toBe("en-GB");
    expect([textsFor("fr"), textsFor("not a locale!"), textsFor("")].map(({ title }) => title)).toEqual([
      "Notifications",
      "Notifications",
      "Notifications",
    ]);
    expect(textsFor("en").unread(1_000)).toBe("Notifications, 1,000 unread");
    expect(textsFor("de").unread(1_000)).toBe("Mitteilungen, 1.000 ungelesen");
    expect(textsFor("en").unread(null)).toBe("Notifications");
    expect(textsFor("en").day("mon")).toBe("Mon");
    expect(textsFor("de").day("sun")).toBe("So");
  });
});
