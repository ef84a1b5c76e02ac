// The hook that the contract names: everything of a connection in one object. The hooks beside it do one thing each.

import type { EventTypes, FanfareEvent, Handler, Remove } from "@fanfare/client";
import { useMemo } from "react";
import { useFanfare } from "./provider.js";
import { useIsConnected } from "./state.js";

/** What `useWebSocket` gives. All functions keep their identity as long as the client is the same. */
export interface WebSocketBindings<Events = EventTypes> {
  /** Whether the server has welcomed this client, and the connection stands. */
  readonly isConnected: boolean;
  /** Calls `handler` with the data of each event of a type, and with the event; returns the removal. */
  readonly on: <T extends keyof Events & string>(type: T, handler: Handler<Events, T>) => Remove;
  /** Follows one channel or several until the returned function is called, or `unsubscribe`; counted. */
  readonly subscribe: (channels: string | readonly string[]) => Remove;
  /** Takes back one `subscribe` of each channel. */
  readonly unsubscribe: (channels: string | readonly string[]) => void;
  /** Sends `{type, data}`; false, and nothing sent, if the connection is not open. */
  readonly send: (type: string, data?: unknown) => boolean;
}

/**
 * The connection in one object. Renders the component when `isConnected` changes, not with events. Take `on` and `subscribe`
 * in an effect and return what they return; or use `useEvent` and `useChannel`, which do so.
 */
export function useWebSocket<Events = EventTypes>(): WebSocketBindings<Events> {
  const client = useFanfare<Events>();
  const isConnected = useIsConnected();
  const members = useMemo(
    () => ({
      on: <T extends keyof Events & string>(
        type: T,
        handler: (data: Events[T], event: FanfareEvent<T, Events[T]>) => void,
      ) => client.on(type, handler),
      subscribe: (channels: string | readonly string[]) => client.subscribe(channels),
      unsubscribe: (channels: string | readonly string[]) => client.unsubscribe(channels),
      send: (type: string, data?: unknown) => client.send(type, data),
    }),
    [client],
  );
  return useMemo(() => ({ isConnected, ...members }), [isConnected, members]);
}
