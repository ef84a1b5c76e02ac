import { createClient, type SocketLike } from "@fanfare/client";
import { act, render, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FanfareProvider, useEventBatch } from "../src/index.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A client that is open, and what it hears. */
async function open() {
  let socket: SocketLike | undefined;
  class Socket implements SocketLike {
    onopen: SocketLike["onopen"] = null;
    onmessage: SocketLike["onmessage"] = null;
    onclose: SocketLike["onclose"] = null;
    onerror: SocketLike["onerror"] = null;
    constructor() {
      socket = this;
    }
    send() {}
    close() {}
  }
  const client = createClient({ url: "ws://hub/ws", WebSocket: Socket, recovery: false });
  await act(() => vi.advanceTimersByTimeAsync(1));
  const hear = (type: string, data: unknown) =>
    socket?.onmessage?.({ data: JSON.stringify({ type, data, timestamp: "" }) });
  hear("connected", { connection_id: "5b0c6a3e-8f1d-4a57-9c55-0c2f6b1d7e90" });
  return { client, hear };
}

test("events of one picture are one call and one render, in their order; none is lost", async () => {
  const { client, hear } = await open();
  const calls: number[] = [];
  const seen: unknown[] = [];
  let renders = 0;
  function Count() {
    renders += 1;
    const [count, setCount] = useState(0);
    useEventBatch("tick", (events) => {
      calls.push(events.length);
      seen.push(...events.map(({ data }) => data));
      setCount((before) => before + events.length);
    });
    return <output>{count}</output>;
  }
  const { unmount } = render(
    <FanfareProvider client={client}>
      <Count />
    </FanfareProvider>,
  );
  const before = renders;
  await act(async () => {
    for (let tick = 0; tick < 50; tick += 1) hear("tick", tick);
    await vi.advanceTimersByTimeAsync(250);
  });
  expect(calls).toEqual([50]);
  expect(seen).toEqual(Array.from({ length: 50 }, (_, tick) => tick));
  expect(screen.getByText("50")).toBeTruthy();
  expect(renders).toBe(before + 1);

  // No more than 1,000 are ever kept.
  await act(async () => {
    for (let tick = 0; tick < 2_500; tick += 1) hear("tick", tick);
    await vi.advanceTimersByTimeAsync(250);
  });
  expect(calls).toEqual([50, 1_000, 1_000, 500]);

  hear("tick", 0);
  unmount();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(calls).toHaveLength(4);
  expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
  client.close();
  expect(vi.getTimerCount()).toBe(0);
});
