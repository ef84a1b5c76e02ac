// useWebSocket, useEvent and useChannel: what they hear, what they leave behind, and how often they render.

import { cleanup, render, renderHook, screen } from "@testing-library/react";
import { StrictMode, useEffect, useState } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { useChannel, useConnectionState, useEvent, useGap, useWebSocket } from "../src/index.js";
import { createHub } from "./hub.js";

afterEach(cleanup);

function Listener({ handler }: { handler: () => void }) {
  useEvent("tick", handler);
  return null;
}

function Channel({ name }: { name: string | null }) {
  return <p>{useChannel(name)?.status ?? "none"}</p>;
}

/** Components that say when they render. */
type Watched = { rendered: (name: string) => void };

function ByEvent({ rendered }: Watched) {
  rendered("useEvent");
  useEvent("tick", () => {});
  return null;
}

function BySocket({ rendered }: Watched) {
  rendered("useWebSocket");
  const { on } = useWebSocket();
  useEffect(() => on("tick", () => {}), [on]);
  return null;
}

function ByState({ rendered }: Watched) {
  rendered("useConnectionState");
  useConnectionState();
  return null;
}

function ByChannel({ rendered }: Watched) {
  rendered("useChannel");
  useChannel("jobs");
  return null;
}

/** Keeps the last tick: an event renders this one. */
function Ticks({ rendered }: Watched) {
  rendered("ticks");
  const [last, setLast] = useState(0);
  useEvent("tick", (data) => setLast(Number(data)));
  return <p>{last}</p>;
}

describe("useWebSocket", () => {
  it("has exactly the members of the contract, and its functions keep their identity", async () => {
    const hub = createHub();
    const { result } = renderHook(() => useWebSocket(), { wrapper: hub.wrapper });
    const first = result.current;
    expect(Object.keys(first).sort()).toEqual(["isConnected", "on", "send", "subscribe", "unsubscribe"]);
    expect(first.isConnected).toBe(false);
    await hub.open();
    const { isConnected, ...functions } = result.current;
    expect(isConnected).toBe(true);
    expect(first).toMatchObject(functions);
  });

  it("on gives data and event, and returns its own removal", async () => {
    const hub = createHub();
    const { result } = renderHook(() => useWebSocket(), { wrapper: hub.wrapper });
    const handler = vi.fn();
    const other = vi.fn();
    const remove = result.current.on("job_created", handler);
    result.current.on("job_created", other);
    await hub.event("job_created", { job_id: 1 });
    expect(handler).toHaveBeenCalledExactlyOnceWith(
      { job_id: 1 },
      { type: "job_created", data: { job_id: 1 }, timestamp: "2025-11-01T12:00:00.000Z" },
    );
    remove();
    await hub.event("job_created", { job_id: 2 });
    expect(handler).toHaveBeenCalledTimes(1);
    expect(other).toHaveBeenCalledTimes(2);
  });

  it("subscribes to a text or an array, and sends", async () => {
    const hub = createHub();
    const { result } = renderHook(() => useWebSocket(), { wrapper: hub.wrapper });
    expect(result.current.send("ping")).toBe(false);
    await hub.open();
    result.current.subscribe("jobs");
    result.current.subscribe(["payments", "jobs"]);
    await hub.event("x", null);
    result.current.unsubscribe("payments");
    await hub.event("x", null);
    expect(result.current.send("note", { text: "hello" })).toBe(true);
    expect(hub.sent).toEqual([
      { type: "subscribe", channels: ["jobs", "payments"] },
      { type: "unsubscribe", channels: ["payments"] },
      { type: "note", data: { text: "hello" } },
    ]);
  });
});

describe("useEvent", () => {
  it("calls the handler of the latest render", async () => {
    const hub = createHub();
    const heard: string[] = [];
    const { rerender } = renderHook(({ name }) => useEvent("tick", () => heard.push(name)), {
      wrapper: hub.wrapper,
      initialProps: { name: "first" },
    });
    await hub.event("tick", 1);
    rerender({ name: "second" });
    await hub.event("tick", 2);
    expect(heard).toEqual(["first", "second"]);
  });

  it("adds its handler once, whatever array of the same types it is given", async () => {
    const hub = createHub();
    const on = vi.spyOn(hub.client, "on");
    const handler = vi.fn();
    const { rerender } = renderHook(() => useEvent(["a", "b", "a"], handler), { wrapper: hub.wrapper });
    rerender();
    rerender();
    expect(on).toHaveBeenCalledTimes(2);
    await hub.events(["a", 1], ["b", 2], ["c", 3]);
    expect(handler.mock.calls.map(([data]) => data)).toEqual([1, 2]);
  });

  it("hears nothing after its component is gone, and each event once under StrictMode", async () => {
    const hub = createHub();
    const handler = vi.fn();
    const { unmount } = render(
      <StrictMode>
        <Listener handler={handler} />
      </StrictMode>,
      { wrapper: hub.wrapper },
    );
    await hub.event("tick", 1);
    expect(handler).toHaveBeenCalledTimes(1);
    unmount();
    await hub.event("tick", 2);
    expect(handler).toHaveBeenCalledTimes(1);
  });

  it("hears other types as soon as they are asked for", async () => {
    const hub = createHub();
    const handler = vi.fn();
    const { rerender } = renderHook(({ type }) => useEvent(type, handler), {
      wrapper: hub.wrapper,
      initialProps: { type: "a" },
    });
    rerender({ type: "b" });
    await hub.events(["a", 1], ["b", 2]);
    expect(handler.mock.calls.map(([data]) => data)).toEqual([2]);
  });
});

describe("useGap", () => {
  it("tells the latest handler what is missing while the component is mounted, and renders nothing", async () => {
    const hub = createHub();
    const told: string[] = [];
    let renders = 0;
    const { rerender, unmount } = renderHook(
      ({ name }) => {
        renders += 1;
        useGap(({ streams }) => told.push(`${name}: ${streams.join(" ")}`));
      },
      { wrapper: hub.wrapper, initialProps: { name: "first" } },
    );
    await hub.gap("@all", "jobs");
    rerender({ name: "second" });
    await hub.gap("user:7");
    unmount();
    await hub.gap("jobs");
    expect(told).toEqual(["first: @all jobs", "second: user:7"]);
    expect(renders).toBe(2);
  });
});

describe("useChannel", () => {
  it("follows a channel while its component is there", async () => {
    const hub = createHub();
    const { unmount } = render(<Channel name="jobs" />, { wrapper: hub.wrapper });
    await hub.open();
    expect(screen.getByText("pending")).toBeTruthy();
    await hub.event("subscribed", { channels: ["jobs"] });
    expect(screen.getByText("subscribed")).toBeTruthy();
    unmount();
    await hub.event("x", null);
    expect(hub.sent).toEqual([
      { type: "subscribe", channels: ["jobs"] },
      { type: "unsubscribe", channels: ["jobs"] },
    ]);
  });

  it("tells of a refusal", async () => {
    const hub = createHub();
    const { result } = renderHook(() => useChannel("payments"), { wrapper: hub.wrapper });
    await hub.open();
    await hub.event("error", { code: "forbidden", message: "Not yours.", channel: "payments" });
    expect(result.current).toMatchObject({ status: "refused", error: { code: "forbidden" } });
  });

  it("makes one subscription of the server for two components, under StrictMode too", async () => {
    const hub = createHub();
    const tree = (second: boolean) => (
      <StrictMode>
        <Channel name="jobs" />
        {second && <Channel name="jobs" />}
      </StrictMode>
    );
    const { rerender, unmount } = render(tree(true), { wrapper: hub.wrapper });
    await hub.open();
    expect(hub.sent).toEqual([{ type: "subscribe", channels: ["jobs"] }]);
    rerender(tree(false));
    await hub.event("x", null);
    expect(hub.sent).toHaveLength(1);
    unmount();
    await hub.event("x", null);
    expect(hub.sent[1]).toEqual({ type: "unsubscribe", channels: ["jobs"] });
  });

  it("keeps the server's subscription when one component takes a channel over from another", async () => {
    const hub = createHub();
    const { rerender } = render(<Channel key="a" name="jobs" />, { wrapper: hub.wrapper });
    await hub.open();
    await hub.event("subscribed", { channels: ["jobs"] });
    rerender(<Channel key="b" name="jobs" />);
    await hub.event("x", null);
    expect(hub.sent).toHaveLength(1);
    expect(screen.getByText("subscribed")).toBeTruthy();
  });

  it("takes several channels; another array with the same names changes nothing", async () => {
    const hub = createHub();
    const { result, rerender } = renderHook(({ names }) => useChannel(names), {
      wrapper: hub.wrapper,
      initialProps: { names: ["jobs", "payments"] },
    });
    await hub.open();
    await hub.event("subscribed", { channels: ["jobs"] });
    const before = result.current;
    expect(before.map((state) => state.status)).toEqual(["subscribed", "pending"]);
    rerender({ names: ["jobs", "payments"] });
    expect(result.current).toBe(before);
    rerender({ names: ["payments", "chat"] });
    await hub.event("x", null);
    expect(hub.sent).toEqual([
      { type: "subscribe", channels: ["jobs", "payments"] },
      { type: "unsubscribe", channels: ["jobs"] },
      { type: "subscribe", channels: ["chat"] },
    ]);
  });

  it("follows none with null, and begins when there is one", async () => {
    const hub = createHub();
    const { rerender } = render(<Channel name={null} />, { wrapper: hub.wrapper });
    await hub.open();
    expect(hub.sent).toEqual([]);
    expect(screen.getByText("none")).toBeTruthy();
    rerender(<Channel name="jobs" />);
    await hub.event("x", null);
    expect(hub.sent).toEqual([{ type: "subscribe", channels: ["jobs"] }]);
  });
});

describe("rendering", () => {
  it("an event renders only what uses it; a change of state only what shows it", async () => {
    const hub = createHub();
    const renders: Record<string, number> = {};
    const rendered = (name: string) => {
      renders[name] = (renders[name] ?? 0) + 1;
    };
    render(
      <>
        <ByEvent rendered={rendered} />
        <BySocket rendered={rendered} />
        <ByState rendered={rendered} />
        <ByChannel rendered={rendered} />
        <Ticks rendered={rendered} />
      </>,
      { wrapper: hub.wrapper },
    );
    await hub.open();
    await hub.event("subscribed", { channels: ["jobs"] });
    const before = { ...renders };
    expect(before).toMatchObject({ useEvent: 1, useWebSocket: 2, useConnectionState: 2, ticks: 1 });
    for (let tick = 1; tick <= 20; tick += 1) await hub.event("tick", tick);
    expect(renders).toEqual({ ...before, ticks: 21 });
    expect(screen.getByText("20")).toBeTruthy();
    await hub.event("subscribed", { channels: ["jobs"] });
    expect(renders).toEqual({ ...before, ticks: 21 });
  });
});
