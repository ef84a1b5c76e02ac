// A component that hears events. Which channels they come from is useChannel's part; many events need none.

import type { EventTypes, FanfareEvent } from "@fanfare/client";
import { useEffect, useInsertionEffect, useRef } from "react";
import { useSameList } from "./names.js";
import { useFanfare } from "./provider.js";

/** An event of one of several types: a union that its `type` tells apart. */
export type EventOfTypes<Events, T extends keyof Events & string> = T extends T
  ? FanfareEvent<T, Events[T]>
  : never;

/** Gets the data of an event, and the event. */
export type EventHandler<Events, T extends keyof Events & string> = (
  data: Events[T],
  event: EventOfTypes<Events, T>,
) => void;

/**
 * Calls `handler` with each event of a type, or of several, while the component is mounted. Always the handler of the latest
 * render; neither another handler nor another array of the same types adds anything anew. Renders nothing by itself.
 */
export function useEvent<Events = EventTypes, T extends keyof Events & string = keyof Events & string>(
  types: T | readonly T[],
  handler: EventHandler<Events, T>,
): void {
  const client = useFanfare<Events>();
  const latest = useRef(handler);
  useInsertionEffect(() => {
    latest.current = handler;
  });

  const names = useSameList(types);
  useEffect(() => {
    const removals = names.map((type) =>
      client.on(type, (data, event) => latest.current(data, event as EventOfTypes<Events, T>)),
    );
    return () => {
      for (const remove of removals) remove();
    };
  }, [client, names]);
}
