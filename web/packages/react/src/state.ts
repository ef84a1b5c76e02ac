// The connection's state as React sees it. What it looks like to a person is in indicator.tsx.

import type { ConnectionState } from "@fanfare/client";
import { useCallback, useSyncExternalStore } from "react";
import { useFanfare } from "./provider.js";

/** What a server renders, and a browser while it takes over the server's page. */
const BEFORE: ConnectionState = { status: "connecting", attempt: 0, since: 0, reason: null };

/** The connection's state; renders the component at each change of it, and at nothing else. */
export function useConnectionState(): ConnectionState {
  return useSyncExternalStore(
    useOnState(),
    useStateOf((state) => state),
    () => BEFORE,
  );
}

/** Whether the connection is open; renders the component only when that changes. */
export function useIsConnected(): boolean {
  return useSyncExternalStore(
    useOnState(),
    useStateOf((state) => state.status === "open"),
    () => false,
  );
}

function useOnState(): (changed: () => void) => () => void {
  const client = useFanfare();
  return useCallback((changed: () => void) => client.onState(changed), [client]);
}

function useStateOf<T>(read: (state: ConnectionState) => T): () => T {
  const client = useFanfare();
  return () => read(client.state);
}
