// Whether a media query holds, as React sees it. For what CSS alone can't lay out.

import { useCallback, useSyncExternalStore } from "react";

/** Whether `query` holds now; renders again when that changes. */
export function useMediaQuery(query: string): boolean {
  const listen = useCallback(
    (changed: () => void) => {
      const list = window.matchMedia(query);
      list.addEventListener("change", changed);
      return () => list.removeEventListener("change", changed);
    },
    [query],
  );
  return useSyncExternalStore(
    listen,
    () => window.matchMedia(query).matches,
    () => false,
  );
}

/** Narrow enough for one column and the bar at the bottom. The style sheets use the same number. */
export const PHONE = "(max-width: 720px)";
