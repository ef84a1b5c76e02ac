// A time as its distance from now, with the exact one on hover. All of a page tick together (time.ts).

import { useSyncExternalStore } from "react";
import { formatExact, formatRelative, onTick, tickedNow } from "./time";

/** The time that relative times are counted from, in milliseconds since 1970; renders again at each tick. */
export function useNow(): number {
  return useSyncExternalStore(onTick, tickedNow, tickedNow);
}

/** A time. `at` is ISO 8601; what is none is shown as it came. */
export function TimeAgo({ at }: { at: string }) {
  const now = useNow();
  const time = Date.parse(at);
  if (Number.isNaN(time)) return <span>{at}</span>;
  // A time right behind the last tick is not in the future.
  const from = time > now && time <= Date.now() ? time : now;
  return (
    <time dateTime={at} title={formatExact(time)}>
      {formatRelative(time, from)}
    </time>
  );
}
