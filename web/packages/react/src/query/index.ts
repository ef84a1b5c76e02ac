// Live queries: events make TanStack Query fetch again. What is fetched, and how, stays the app's.
// The public door of `@fanfare/react/query`.

import type { EventTypes, FanfareEvent } from "@fanfare/client";
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
  /** Further keys to invalidate after a reconnect, for the functions of the map, which only an event can ask. */
  readonly onReconnect?: readonly QueryKey[];
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
 * What was published while there was no connection is not sent again. So when the connection is back, all keys of the map are
 * invalidated, and `onReconnect`; and when it is open for the first time, those of their queries that were fetched before it.
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

    let before = client.state.status;
    removals.push(
      client.onState((state) => {
        const first = before === "connecting";
        before = state.status;
        if (state.status !== "open") return;
        const keys = everyKey(latest.current.map, latest.current.options.onReconnect);
        if (!first) return batch.add(keys);
        for (const queryKey of keys) {
          void queries.invalidateQueries({
            queryKey,
            predicate: ({ state: query }) => query.dataUpdatedAt > 0 && query.dataUpdatedAt < state.since,
          });
        }
      }),
    );

    return () => {
      batch.stop();
      for (const remove of removals) remove();
    };
  }, [client, queries, types]);
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
