// Seconds until a moment, for people: rounded up, never below 1, and only counted while somebody can see them.

import { useEffect, useState } from "react";

/**
 * The seconds until `at` (milliseconds since 1970), at least 1; null if `at` is null. Renders the component when the number
 * changes; not while the page is hidden.
 */
export function useSecondsUntil(at: number | null): number | null {
  const [, render] = useState(0);
  useEffect(() => {
    if (at === null) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tick = () => {
      clearTimeout(timer);
      render((times) => times + 1);
      const left = at - Date.now();
      // The next moment at which the number is another one.
      if (left > 1_000 && document.visibilityState !== "hidden") {
        timer = setTimeout(tick, left % 1_000 || 1_000);
      }
    };
    tick();
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  }, [at]);
  return at === null ? null : Math.max(1, Math.ceil((at - Date.now()) / 1_000));
}
