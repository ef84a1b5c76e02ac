// Events that make queries fetch again, with a real QueryClient and a clock that the test moves.

import { QueryClient, QueryClientProvider, type QueryKey, useQuery } from "@tanstack/react-query";
import { act, cleanup, renderHook } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type InvalidationMap,
  type QueryInvalidationOptions,
  useQueryInvalidation,
} from "../src/query/index.js";
import { createHub, type Hub, waiting } from "./hub.js";

let queries: QueryClient;
let hub: Hub;
let asked: string[];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  hub = createHub();
  asked = [];
});
afterEach(() => {
  cleanup();
  queries.clear();
  vi.useRealTimers();
});

const advance = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

/** The keys that were invalidated, each written out, in order. */
function spy(): string[] {
  vi.spyOn(queries, "invalidateQueries").mockImplementation(async (filters) => {
    asked.push(JSON.stringify(filters?.queryKey));
  });
  return asked;
}

function start(map: InvalidationMap, options?: QueryInvalidationOptions) {
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={queries}>{hub.wrapper({ children })}</QueryClientProvider>
  );
  return renderHook(({ map }) => useQueryInvalidation(map, options), { wrapper, initialProps: { map } });
}

describe("an event", () => {
  it("makes a query that is shown fetch again", async () => {
    let fetches = 0;
    const wrapper = ({ children }: { children: ReactNode }) => (
      <QueryClientProvider client={queries}>{hub.wrapper({ children })}</QueryClientProvider>
    );
    const { result } = renderHook(
      () => {
        useQueryInvalidation({ job_created: ["jobs"] });
        return useQuery({ queryKey: ["jobs", "open"], queryFn: async () => ++fetches });
      },
      { wrapper },
    );
    await advance(10);
    expect(result.current.data).toBe(1);
    await hub.event("job_created", { job_id: 1 });
    await advance(10);
    expect(result.current.data).toBe(2);
    await hub.event("job_other", {});
    await advance(1_000);
    expect(fetches).toBe(2);
  });

  it("names one key, several keys, or a function of its data", async () => {
    const keys = spy();
    start({
      a: ["jobs", { status: "open" }],
      b: [["jobs"], ["wallet"]],
      c: (data, event) => [["job", data as number], [event.type]],
    });
    await hub.event("a", null);
    await advance(500);
    await hub.event("b", null);
    await advance(500);
    await hub.event("c", 7);
    expect(keys).toEqual(['["jobs",{"status":"open"}]', '["jobs"]', '["wallet"]', '["job",7]', '["c"]']);
  });
});

describe("a burst", () => {
  it("takes effect at once, then at most each interval, each key once", async () => {
    const keys = spy();
    start({ job_created: ["jobs"], payment_held: ["wallet"] });
    await hub.event("job_created", {});
    expect(keys).toEqual(['["jobs"]']);
    for (let n = 0; n < 20; n += 1) await hub.events(["job_created", {}], ["payment_held", {}]);
    expect(keys).toHaveLength(1);
    await advance(499);
    expect(keys).toHaveLength(1);
    await advance(1);
    expect(keys).toEqual(['["jobs"]', '["jobs"]', '["wallet"]']);
    await advance(5_000);
    expect(keys).toHaveLength(3);
    await hub.event("payment_held", {});
    expect(keys).toHaveLength(4);
  });

  it("leaves out a key that another one covers", async () => {
    const keys = spy();
    start({ a: ["other"], b: (data) => [["job", data as number]], c: ["job"] });
    await hub.events(["a", null], ["b", 1], ["c", null], ["b", 2]);
    await advance(500);
    expect(keys).toEqual(['["other"]', '["job"]']);
  });

  it("of very many keys becomes what covers them", async () => {
    const keys = spy();
    start({ first: ["x"], job: (data) => [["job", data as number]] });
    await hub.event("first", null);
    await hub.events(...Array.from({ length: 150 }, (_, n): [string, unknown] => ["job", n]));
    await advance(500);
    expect(keys).toEqual(['["x"]', '["job"]']);
  });

  it("does not cancel a refetch that still runs, unless it takes very long", async () => {
    const runs: QueryKey[] = [];
    let settle = () => {};
    vi.spyOn(queries, "invalidateQueries").mockImplementation((filters) => {
      runs.push(filters?.queryKey ?? []);
      return new Promise((resolve) => {
        settle = resolve;
      });
    });
    start({ a: ["jobs"] });
    await hub.event("a", null);
    await hub.event("a", null);
    await advance(1_900);
    expect(runs).toHaveLength(1);
    await act(async () => settle());
    await advance(500);
    expect(runs).toHaveLength(2);
    await hub.event("a", null);
    await advance(5_000);
    expect(runs).toHaveLength(3);
  });

  it("keeps to the interval given", async () => {
    const keys = spy();
    start({ a: ["jobs"] }, { interval: 2_000 });
    await hub.events(["a", null], ["a", null]);
    await advance(1_999);
    expect(keys).toHaveLength(1);
    await advance(1);
    expect(keys).toHaveLength(2);
  });
});

describe("a connection that is back", () => {
  const map: InvalidationMap = {
    a: ["jobs"],
    b: [["jobs"], ["wallet"]],
    c: (data) => [["job", data as number]],
  };

  it("and has all events that were missed invalidates nothing but what they say", async () => {
    const keys = spy();
    start(map, { onGap: [["job"]] });
    await hub.open();
    await hub.event("subscribed", { channels: ["jobs"] });
    await hub.become(waiting(Date.now() + 1_000));
    keys.length = 0;
    await hub.open();
    await hub.event("subscribed", { channels: ["jobs"] });
    expect(keys).toEqual([]);
    await hub.event("a", {});
    expect(keys).toEqual(['["jobs"]']);
  });

  it("with a gap, invalidates all keys of the map, and those for it", async () => {
    const keys = spy();
    start(map, { onGap: [["job"]] });
    await hub.open();
    keys.length = 0;
    await hub.gap("@all", "jobs");
    expect(keys).toEqual(['["jobs"]', '["wallet"]', '["job"]']);
  });

  it("with a gap in streams of others only, invalidates nothing", async () => {
    const keys = spy();
    start(map, { streams: ["jobs", "@all"] });
    await hub.open();
    await hub.gap("user:7", "payments");
    expect(keys).toEqual([]);
    await hub.gap("payments", "jobs");
    expect(keys).toEqual(['["jobs"]', '["wallet"]']);
  });
});

describe("the first answer of the server", () => {
  const map: InvalidationMap = { a: [["jobs"], ["wallet"]] };
  const invalidated = (key: string) => queries.getQueryState([key])?.isInvalidated;

  it("invalidates what was fetched before it, and nothing that was fetched after", async () => {
    queries.setQueryData(["jobs"], "old");
    start(map);
    await hub.open();
    expect(invalidated("jobs")).toBe(false);
    await vi.advanceTimersByTimeAsync(100);
    await hub.event("subscribed", { channels: ["jobs"] });
    expect(invalidated("jobs")).toBe(true);
    queries.setQueryData(["jobs"], "new");
    queries.setQueryData(["wallet"], "new");
    await vi.advanceTimersByTimeAsync(100);
    await hub.event("subscribed", { channels: ["other"] });
    expect([invalidated("jobs"), invalidated("wallet")]).toEqual([false, false]);
  });

  it("and the first one that names channels both count", async () => {
    queries.setQueryData(["jobs"], "old");
    start(map);
    await hub.open();
    await hub.event("subscribed", { channels: [] });
    queries.setQueryData(["jobs"], "between");
    await hub.event("subscribed", { channels: [] });
    expect(invalidated("jobs")).toBe(false);
    await hub.event("subscribed", { channels: ["jobs"] });
    expect(invalidated("jobs")).toBe(true);
  });

  it("makes a first fetch that runs then be followed by another: its answer may be from before", async () => {
    const answers: ((value: string) => void)[] = [];
    const wrapper = ({ children }: { children: ReactNode }) => (
      <QueryClientProvider client={queries}>{hub.wrapper({ children })}</QueryClientProvider>
    );
    const { result } = renderHook(
      () => {
        useQueryInvalidation(map);
        const queryFn = () => new Promise<string>((resolve) => answers.push(resolve));
        return useQuery({ queryKey: ["jobs"], queryFn });
      },
      { wrapper },
    );
    await hub.open();
    await hub.event("subscribed", { channels: ["jobs"] });
    expect(answers).toHaveLength(1);
    await act(async () => answers[0]?.("before"));
    await advance(10);
    expect(answers).toHaveLength(2);
    await act(async () => answers[1]?.("after"));
    await advance(10);
    expect(result.current.data).toBe("after");
    expect(answers).toHaveLength(2);
  });

  it("does nothing when the hook comes while the connection is open", async () => {
    const keys = spy();
    await hub.open();
    start(map);
    await hub.event("subscribed", { channels: ["later"] });
    await advance(1_000);
    expect(keys).toEqual([]);
  });
});

describe("the hook", () => {
  it("takes the latest map without hearing anew, and hears new types", async () => {
    const keys = spy();
    const on = vi.spyOn(hub.client, "on");
    const { rerender } = start({ a: ["one"] });
    rerender({ map: { a: ["two"] } });
    expect(on.mock.calls.filter(([type]) => type === "a")).toHaveLength(1);
    await hub.event("a", null);
    rerender({ map: { a: ["two"], b: ["three"] } });
    await hub.event("b", null);
    expect(keys).toEqual(['["two"]', '["three"]']);
  });

  it("leaves neither handlers nor timers behind", async () => {
    const keys = spy();
    const { unmount } = start({ a: ["jobs"] });
    await hub.events(["a", null], ["a", null]);
    unmount();
    await hub.event("a", null);
    await advance(5_000);
    expect(keys).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
