// The hooks with an app's own events in their types. Nothing here does anything when the program runs.

import type { Client } from "@fanfare/client";
import { type EventHandler, useEvent } from "./events.js";
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
  };
}
