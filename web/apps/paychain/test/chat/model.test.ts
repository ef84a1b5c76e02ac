import { describe, expect, test } from "vitest";
import {
  daysOf,
  firstToMark,
  MOST_BYTES,
  messagesOf,
  type Pages,
  roomOf,
  sendable,
  withMessage,
  withRead,
} from "../../src/chat/model";
import { unreadOf } from "../../src/chat/unread";
import { message } from "./sample";

const pages = (...lists: number[][]): Pages => ({
  pages: lists.map((ids, at) => ({
    items: ids.map((id) => message(id)),
    next: at < lists.length - 1 ? (ids.at(-1) ?? null) : null,
  })),
  pageParams: lists.map(() => null),
});
const ids = (kept: Pages) => messagesOf(kept).map(({ id }) => id);

describe("a conversation", () => {
  test("has each message once and in the order of ids, however they come", () => {
    let kept = pages([9, 7], [5, 3]);
    for (const id of [12, 11, 9, 12, 8]) kept = withMessage(kept, message(id));
    expect(ids(kept)).toEqual([3, 5, 7, 8, 9, 11, 12]);
    expect(kept.pages[0]?.items.map(({ id }) => id)).toEqual([12, 11, 9, 8, 7]);
  });

  test("that is not loaded to its start leaves older messages to their page", () => {
    const kept = pages([9, 7]);
    const open = { ...kept, pages: kept.pages.map((page) => ({ ...page, next: 7 })) };
    expect(withMessage(open, message(2))).toBe(open);
    expect(ids(withMessage(kept, message(2)))).toEqual([2, 7, 9]);
  });

  test("is read up to a message, by its recipient's word about its author's messages alone", () => {
    const kept = withMessage(pages([9, 7, 5]), message(8, 7, 9));
    const read = withRead(kept, 9, 8);
    expect(messagesOf(read).map(({ id, read }) => [id, read])).toEqual([
      [5, true],
      [7, true],
      [8, false],
      [9, false],
    ]);
    expect(withRead(read, "9", 8)).toBe(read);
  });

  test("is to be marked up to the other's latest message, once", () => {
    const list = [message(1), message(2, 7, 9), message(3), message(4, 7, 9)];
    expect(firstToMark(list, 9)).toBe(3);
    expect(firstToMark(messagesOf(withRead(pages([3, 1]), 9, 3)), 9)).toBeNull();
    expect(firstToMark([message(4, 7, 9)], 9)).toBeNull();
  });
});

describe("days", () => {
  const now = new Date(2026, 10, 21, 15).getTime();
  const at = (...parts: [number, number, number, number]) => new Date(...parts).getTime();

  test("are named as people name them", () => {
    const times = [
      at(2025, 11, 24, 9),
      at(2026, 10, 16, 23),
      at(2026, 10, 20, 0),
      at(2026, 10, 20, 23),
      at(2026, 10, 21, 0),
    ];
    expect(daysOf(times, (time) => time, now).map(({ name, items }) => [name, items.length])).toEqual([
      ["December 24, 2025", 1],
      ["Monday, November 16", 1],
      ["Yesterday", 2],
      ["Today", 1],
    ]);
  });
});

describe("what may be sent", () => {
  test("is told near its limit, which is in bytes", () => {
    expect(roomOf("hello")).toEqual({ fits: true, words: null });
    expect(roomOf("é".repeat(MOST_BYTES / 2))).toEqual({ fits: true, words: "0 bytes left" });
    expect(roomOf(`${"a".repeat(MOST_BYTES - 1)}`)).toEqual({ fits: true, words: "1 byte left" });
    expect(roomOf("é".repeat(MOST_BYTES / 2 + 1))).toEqual({ fits: false, words: "2 bytes too long" });
  });

  test("is not blank, also when only what nobody sees is in it", () => {
    for (const text of ["", "  \n\t", "\u0000", "\u001b\u0007"])
      expect(roomOf(text).fits, JSON.stringify(text)).toBe(false);
  });

  test("keeps all that the service takes, and loses what it refuses", () => {
    expect(sendable("a\tb\r\nc\rd\u0000\u007f\u0085\u001b[1m")).toBe("a\tb\nc\nd[1m");
    expect(sendable("👩‍👩‍👧 \u202e <b>")).toBe("👩‍👩‍👧 \u202e <b>");
    expect(sendable("half \ud83d")).toBe("half \ufffd");
  });
});

test("unread messages are those of conversations that nobody looks at", () => {
  const of = (user_id: number | string, unread_count: number) => ({
    user_id,
    unread_count,
    last_message: message(1),
    last_read_id: null,
    peer_last_read_id: null,
  });
  const list = [of(9, 2), of("11", 1), of(12, 0)];
  expect([...unreadOf(list, null)]).toEqual([
    ["9", 2],
    ["11", 1],
  ]);
  expect([...unreadOf(list, "9")]).toEqual([["11", 1]]);
});
