// A component that follows channels. What comes on them is heard with useEvent.

import type { ChannelState } from "@fanfare/client";
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { useSameList } from "./names.js";
import { useFanfare } from "./provider.js";

const PENDING: ChannelState = { status: "pending" };
const NONE: readonly ChannelState[] = [];

/**
 * Follows a channel while the component is mounted, and tells what the server said of it: `pending`, `subscribed`, or `refused`
 * with the error. With null it follows none. Several components that follow one channel are one subscription of the server.
 * Renders the component when the answer changes, not with events.
 */
export function useChannel(channel: string): ChannelState;
/** The same, where there may be no channel (yet): null gives null. */
export function useChannel(channel: string | null): ChannelState | null;
/**
 * Follows several channels; their states come in the order of the names, each name once. Another array with the same names
 * changes nothing.
 */
export function useChannel(channels: readonly string[]): readonly ChannelState[];
/** Any of these. */
export function useChannel(
  channels: string | readonly string[] | null,
): ChannelState | readonly ChannelState[] | null;
export function useChannel(
  channels: string | readonly string[] | null,
): ChannelState | readonly ChannelState[] | null {
  const client = useFanfare();
  const names = useSameList(channels);

  useEffect(() => {
    if (names.length === 0) return;
    // The client sends what is left of all changes of one turn: a channel that goes from one component to another stays.
    return client.subscribe(names);
  }, [client, names]);

  const last = useRef(NONE);
  const read = () => {
    const states = names.map((name) => client.channel(name) ?? PENDING);
    const same =
      states.length === last.current.length && states.every((state, at) => equal(state, last.current[at]));
    if (!same) last.current = states;
    return last.current;
  };
  const watch = useCallback((changed: () => void) => client.onChannel(changed), [client]);
  const before = useMemo(() => names.map(() => PENDING), [names]);
  const states = useSyncExternalStore(watch, read, () => before);

  if (channels === null) return null;
  if (typeof channels === "string") return states[0] ?? PENDING;
  return states;
}

function equal(a: ChannelState, b: ChannelState | undefined): boolean {
  if (a === b) return true;
  if (a.status === "refused") return b?.status === "refused" && a.error === b.error;
  return a.status === b?.status;
}
