// The events of an inbox on their way in: each is told once, with whether it came in order. Which event a notification came with is
// kept, so that the server can be told that it was shown.

import { type Change, changeOf, EVENTS, type EventType } from "./notification.js";
import type { Live, Remove } from "./types.js";

/** The most events that are remembered, to know them again. */
const MOST_KNOWN = 1_000;

/** Follows an inbox's events. */
export interface Events {
  follow(live: Live, told: (change: Change, isInOrder: boolean) => void): Remove;
  /** The events that these notifications came with, each given out once. */
  take(ids: readonly number[]): string[];
}

/** Remembers nothing yet. */
export function events(): Events {
  const known = new Set<string>();
  const eventIds = new Map<number, string>();
  let latest = 0;

  function isNew(key: string): boolean {
    if (known.has(key)) return false;
    known.add(key);
    shorten(known);
    return true;
  }

  return {
    follow(live, told) {
      const offs = (Object.keys(EVENTS) as EventType[]).map((type) =>
        live.on(type, (data, eventId) => {
          const change = changeOf(type, data);
          if (!change || !isNew(change.kind === "arrived" ? `id ${change.notification.id}` : change.key))
            return;
          if (change.kind === "arrived" && eventId) {
            eventIds.set(change.notification.id, eventId);
            shorten(eventIds);
          }
          const isInOrder = change.at === 0 || change.at >= latest;
          latest = Math.max(latest, change.at);
          told(change, isInOrder);
        }),
      );
      return () => {
        for (const off of offs) off();
      };
    },
    take(ids) {
      return ids.flatMap((id) => {
        const eventId = eventIds.get(id);
        eventIds.delete(id);
        return eventId === undefined ? [] : [eventId];
      });
    },
  };
}

/** Takes away the oldest beyond the bound. */
function shorten(kept: Set<string> | Map<number, string>): void {
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KNOWN) return;
    (kept as Set<unknown>).delete(oldest);
  }
}
