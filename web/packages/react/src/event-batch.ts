// Events for components that show many of them: collected, and handed over once for each picture that the browser draws.
// One event at a time is useEvent's part.

import type { EventTypes } from "@fanfare/client";
import { useEffect, useInsertionEffect, useRef } from "react";
import { type EventOfTypes, useEvent } from "./events.js";

/** The longest wait, milliseconds: a page that is not shown draws nothing. */
const LONGEST = 250;

/** So many events are handed over without waiting, so that no more are ever kept. */
const MOST = 1_000;

/**
 * Calls `handler` with the events of a type, or of several, that came since the last call, in their order: once for each picture
 * that the browser draws, at the latest after 250 ms or 1,000 events. For components that show a stream: at 1,000 events a second a
 * state that is set for each event is rendered hundreds of times a second, and one that is set here as often as it is seen.
 * Always the handler of the latest render. What was collected when the component goes is dropped with it.
 */
export function useEventBatch<Events = EventTypes, T extends keyof Events & string = keyof Events & string>(
  types: T | readonly T[],
  handler: (events: readonly EventOfTypes<Events, T>[]) => void,
): void {
  const latest = useRef(handler);
  useInsertionEffect(() => {
    latest.current = handler;
  });
  const collected = useRef<EventOfTypes<Events, T>[]>([]);
  const waiting = useRef<(() => void) | undefined>(undefined);

  const flush = () => {
    waiting.current?.();
    waiting.current = undefined;
    const events = collected.current;
    collected.current = [];
    if (events.length > 0) latest.current(events);
  };
  useEvent<Events, T>(types, (_data, event) => {
    collected.current.push(event);
    if (collected.current.length >= MOST) return flush();
    waiting.current ??= onNextFrame(flush);
  });
  useEffect(
    () => () => {
      waiting.current?.();
      waiting.current = undefined;
      collected.current = [];
    },
    [],
  );
}

/** Calls `run` with the next picture, at the latest after {@link LONGEST}. Returns what stops it. */
function onNextFrame(run: () => void): () => void {
  const timer = setTimeout(run, LONGEST);
  const frame = typeof requestAnimationFrame === "function" ? requestAnimationFrame(run) : undefined;
  return () => {
    clearTimeout(timer);
    if (frame !== undefined) cancelAnimationFrame(frame);
  };
}
