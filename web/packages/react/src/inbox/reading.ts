// Whether a list is being read: then it must not move under whoever reads it, and what comes in waits behind a button. Read is what
// has the pointer over it, is scrolled, or has the keyboard's focus.

import type { Notification } from "@fanfare/inbox";
import { type PointerEvent, type RefObject, useRef, useState } from "react";

/** Scrolled by less than this is not scrolled, pixels. */
const TOP = 4;

/** What a list that is read shows, and what its element tells this. */
export interface Reading {
  /** What is shown. */
  readonly shown: readonly Notification[];
  /** How many newer ones wait. */
  readonly waiting: number;
  /** Shows them. */
  readonly release: () => void;
  readonly handlers: {
    readonly onPointerEnter: (event: PointerEvent) => void;
    readonly onPointerLeave: () => void;
    readonly onScroll: () => void;
    readonly onFocus: () => void;
    readonly onBlur: () => void;
  };
}

/** Keeps newer ones than those that are shown back while the element is read. Another `of` is another list. */
export function useReading(
  element: RefObject<HTMLElement | null>,
  items: readonly Notification[],
  of: unknown,
): Reading {
  /** The newest that is shown, and of which list; null: all of them. */
  const [held, setHeld] = useState<{ readonly newest: number; readonly of: unknown } | null>(null);
  const pointer = useRef(false);
  const newest = held !== null && held.of === of ? held.newest : Number.POSITIVE_INFINITY;
  const older = items.filter(({ id }) => id <= newest);
  // Where all that was shown is gone nothing is left to move.
  const shown = older.length > 0 ? older : items;

  const judge = () => {
    const list = element.current;
    if (list === null) return;
    const focus = list.querySelector(":focus-visible") !== null;
    const isRead = pointer.current || focus || list.scrollTop > TOP;
    const first = shown[0];
    if (!isRead) setHeld(null);
    // An empty list has nothing that could move.
    else if ((held === null || held.of !== of) && first !== undefined) setHeld({ newest: first.id, of });
  };
  return {
    shown: shown.length === items.length ? items : shown,
    waiting: items.length - shown.length,
    release: () => {
      const first = items[0];
      setHeld(first === undefined ? null : { newest: first.id, of });
    },
    handlers: {
      // A finger is over nothing once it is lifted.
      onPointerEnter: (event) => {
        pointer.current = event.pointerType === "mouse";
        judge();
      },
      onPointerLeave: () => {
        pointer.current = false;
        judge();
      },
      onScroll: judge,
      onFocus: judge,
      // The focus is nowhere while it moves.
      onBlur: () => queueMicrotask(judge),
    },
  };
}
