// The hooks with an app's own events in their types. Nothing here does anything when the program runs.

import type { Client } from "@fanfare/client";
import { useEventBatch } from "./event-batch.js";
import { type EventHandler, type EventOfTypes, useEvent } from "./events.js";
import { useFanfare } from "./provider.js";
import { useWebSocket, type WebSocketBindings } from "./web-socket.js";

/** The hooks that speak of events, for one map of them. */
export interface Hooks<Events> {
  /** The client of the nearest provider. */
  readonly useFanfare: () => Client<Events>;
  /** The connection in one object. */
  readonly useWebSocket: () => WebSocketBindings<Events>;
  /** Calls a handler with each event of a type, or of several. */
  readonly useEvent: <T extends keyof Events & string>(
    types: T | readonly T[],
    handler: EventHandler<Events, T>,
  ) => void;
  /** Calls a handler with the events since the last picture. */
  readonly useEventBatch: <T extends keyof Events & string>(
    types: T | readonly T[],
    handler: (events: readonly EventOfTypes<Events, T>[]) => void,
  ) => void;
}

/**
 * The hooks for an app's event map, so that it is named once:
 *
 * ```ts
 * export const { useEvent, useFanfare, useWebSocket } = createHooks<EventMap>();
 * ```
 *
 * They are the same functions as those exported directly; only their types differ.
 */
export function createHooks<Events>(): Hooks<Events> {
  return {
    useFanfare: useFanfare<Events>,
    useWebSocket: useWebSocket<Events>,
    useEvent: useEvent as Hooks<Events>["useEvent"],
    useEventBatch: useEventBatch as Hooks<Events>["useEventBatch"],
  };
}
