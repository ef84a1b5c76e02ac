// Where a tab stands, beside where the connection stands that it shares: what the connection has had beyond the tab is missing there.

import type { Places } from "../positions.js";

/** The tab's places from now on, and the streams in which it has missed something. */
export function joined(own: Places, shared: Places): { places: Places; missing: string[] } {
  const missing: string[] = [];
  // A channel may be called `constructor`.
  const before = new Map(Object.entries(own));
  const places = Object.entries(shared).map(([stream, theirs]) => {
    const mine = before.get(stream);
    // The tab may have had more: what the leader gets again then is not new to it.
    const ahead = mine?.epoch === theirs.epoch && mine.offset >= theirs.offset;
    if (mine && !ahead) missing.push(stream);
    return [stream, ahead ? { ...theirs, base: mine.base, offset: mine.offset } : theirs] as const;
  });
  return { places: Object.fromEntries(places), missing };
}
