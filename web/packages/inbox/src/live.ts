// Where events come from: adapters for a client of `@fanfare/client` and for the `window.ws` of `/js/websocket.js`. Both are known by
// their shape alone, so neither is loaded for the other's sake.

import type { Live, Remove } from "./types.js";

/** The part of a client of `@fanfare/client` that is used. */
export interface LiveClient {
  readonly state: { readonly status: string };
  onState(listener: (state: { readonly status: string }) => void): Remove;
  on(type: string, handler: (data: unknown, event: { readonly id?: string }) => void): Remove;
  onGap(listener: () => void): Remove;
  ack(ids: string | readonly string[]): boolean;
}

/** The part of `window.ws` that is used. */
export interface LiveSocketIo {
  on(namespace: string, event: string, callback: (data: unknown) => void): Remove;
}

/**
 * Events of a client of `@fanfare/client`, whatever its map of events. A gap is what it says, and its first connection: what came
 * between the fetched list and that one nobody told.
 */
export function liveFromClient(client: unknown): Live {
  const source = client as LiveClient;
  return {
    on: (type, handler) => source.on(type, (data, event) => handler(data, event.id)),
    onGap(listener) {
      let isNew = source.state.status !== "open";
      const offState = source.onState(({ status }) => {
        if (status !== "open" || !isNew) return;
        isNew = false;
        listener();
      });
      const offGap = source.onGap(listener);
      return () => {
        offState();
        offGap();
      };
    },
    ack(id) {
      source.ack(id);
    },
  };
}

/**
 * Events of the namespace `/notifications` of a `WebSocketClient`. Socket.IO does not tell what was missed, so each connection is a
 * gap. Its events have no ids: the hub counts them as delivered once the browser answers its next ping.
 */
export function liveFromSocketIo(ws: unknown): Live {
  const source = ws as LiveSocketIo;
  return {
    on: (type, handler) => source.on("notifications", type, (data) => handler(data)),
    onGap: (listener) => source.on("notifications", "connect", () => listener()),
  };
}
