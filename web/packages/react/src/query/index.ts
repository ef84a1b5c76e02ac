// Live queries: events make TanStack Query fetch again. What is fetched, and how, stays the app's.
// The public door of `@fanfare/react/query`.

import type { EventTypes, FanfareEvent, ServerFrames } from "@fanfare/client";
import { type QueryClient, type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useEffect, useInsertionEffect, useRef } from "react";
import { useSameList } from "../names.js";
import { useFanfare } from "../provider.js";
import { createBatch } from "./batch.js";

/** The queries that an event makes stale: a key (it covers all that begin with it), several keys, or a function that names them. */
export type Invalidates<Data, Event> =
  | QueryKey
  | readonly QueryKey[]
  | ((data: Data, event: Event) => readonly QueryKey[]);

/** For types of events, the queries that they make stale. */
export type InvalidationMap<Events = EventTypes> = {
  readonly [T in keyof Events & string]?: Invalidates<Events[T], FanfareEvent<T, Events[T]>>;
};

/** How queries are made stale. */
export interface QueryInvalidationOptions {
  /** The shortest time between two rounds, in milliseconds; the first event of a burst does not wait. Default: 500. */
  readonly interval?: number;
  /** Further keys to invalidate after a gap, for the functions of the map, which only an event can ask. */
  readonly onGap?: readonly QueryKey[];
  /** The streams that the map's events are published in: a gap in others is none. Default: a gap in any. */
  readonly streams?: readonly string[];
  /** Another client than that of the nearest `QueryClientProvider`. */
  readonly queryClient?: QueryClient;
}

const INTERVAL = 500;

/**
 * Invalidates queries when events come:
 *
 * ```ts
 * useQueryInvalidation({
 *   job_created: ["jobs"],
 *   job_accepted: [["jobs"], ["wallet"]],
 *   job_completed: (data) => [["jobs"], ["job", data.job_id]],
 * });
 * ```
 *
 * A burst is collected: its first event takes effect at once, the rest at most every `interval`, each key once. A key covers
 * those that begin with it.
 *
 * Events that were missed while there was no connection come after it, and take effect like any others. Where they can't be had
 * (a gap), all keys of the map are invalidated, and `onGap`. When the server follows for the first time, those of their queries are
 * fetched again that were fetched before, or are being fetched: what happened between the two was told to nobody.
 * Another map at each render is fine; the latest counts.
 */
export function useQueryInvalidation<Events = EventTypes>(
  map: InvalidationMap<Events>,
  options: QueryInvalidationOptions = {},
): void {
  const client = useFanfare();
  const queries = useQueryClient(options.queryClient);
  const latest = useRef({ map: map as InvalidationMap, options });
  useInsertionEffect(() => {
    latest.current = { map: map as InvalidationMap, options };
  });

  const types = useSameList(Object.keys(map));
  useEffect(() => {
    const batch = createBatch(
      () => latest.current.options.interval ?? INTERVAL,
      (keys) => Promise.all(keys.map((queryKey) => queries.invalidateQueries({ queryKey }))),
    );
    const removals = types.map((type) =>
      client.on(type, (data, event) => {
        const entry = latest.current.map[type];
        if (entry !== undefined) batch.add(typeof entry === "function" ? entry(data, event) : keysOf(entry));
      }),
    );

    const keys = () => everyKey(latest.current.map, latest.current.options.onGap);
    removals.push(
      client.onGap(({ streams }) => {
        const { streams: ours } = latest.current.options;
        if (!ours || streams.some((stream) => ours.includes(stream))) batch.add(keys());
      }),
    );

    // The answer for what goes to everyone, and the first one for channels: where tabs share a connection these are two.
    let begun = client.state.status === "open";
    let named = begun;
    removals.push(
      client.on("subscribed", (data) => {
        const names = Boolean((data as Partial<ServerFrames["subscribed"]> | null)?.channels?.length);
        if (begun && (named || !names)) return;
        begun = true;
        named ||= names;
        fetchAgain(queries, keys());
      }),
    );

    return () => {
      batch.stop();
      for (const remove of removals) remove();
    };
  }, [client, queries, types]);
}

/** Fetches again what was fetched before now, or whose answer may be from before. */
function fetchAgain(queries: QueryClient, keys: readonly QueryKey[]) {
  const now = Date.now();
  for (const queryKey of keys) {
    // A first fetch is not begun anew while it runs: it is followed by another.
    for (const query of queries.getQueryCache().findAll({ queryKey, fetchStatus: "fetching" })) {
      if (query.state.data !== undefined) continue;
      const again = () => queries.invalidateQueries({ queryKey: query.queryKey, exact: true });
      query.promise?.then(again, () => undefined);
    }
    void queries.invalidateQueries({
      queryKey,
      predicate: ({ state: { data, dataUpdatedAt } }) => data !== undefined && dataUpdatedAt <= now,
    });
  }
}

/** All keys of a map that can be named without an event. */
function everyKey(map: InvalidationMap, more: readonly QueryKey[] = []): QueryKey[] {
  const fixed = Object.values(map).flatMap((entry) =>
    entry === undefined || typeof entry === "function" ? [] : keysOf(entry),
  );
  return [...fixed, ...more];
}

/** `["jobs"]` is one key, `[["jobs"], ["wallet"]]` are two: an element of a key may be a text, a number or an object, not a list. */
function keysOf(entry: QueryKey | readonly QueryKey[]): readonly QueryKey[] {
  return entry.length > 0 && entry.every((part) => Array.isArray(part))
    ? (entry as readonly QueryKey[])
    : [entry];
}
