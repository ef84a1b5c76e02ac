// The time for words such as "5 minutes ago": looked at again every half minute while the page can be seen.

import { useEffect, useState } from "react";

/** How often, milliseconds. */
const TICK = 30_000;

/** Now, milliseconds since 1970. */
export function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const look = () => {
      if (document.visibilityState !== "hidden") setNow(Date.now());
    };
    const timer = setInterval(look, TICK);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  return now;
}
