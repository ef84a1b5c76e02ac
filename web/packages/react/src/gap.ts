// A component that hears what was missed for good. What queries make of it is query/.

import type { Gap } from "@fanfare/client";
import { useEffect, useInsertionEffect, useRef } from "react";
import { useFanfare } from "./provider.js";

/**
 * Calls `handler` when events were missed that the server does not have any more, while the component is mounted: what was fetched
 * must be fetched again. Always the handler of the latest render. Renders nothing by itself.
 */
export function useGap(handler: (gap: Gap) => void): void {
  const client = useFanfare();
  const latest = useRef(handler);
  useInsertionEffect(() => {
    latest.current = handler;
  });
  useEffect(() => client.onGap((gap) => latest.current(gap)), [client]);
}
