// The client of the hub over a hub that refuses tokens and a user service that comes and goes.

import type { SocketLike } from "@fanfare/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NoAnswer, SignedOut } from "../../src/api/problem";
import { createHub } from "../../src/live/hub";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A hub that closes 4001 unless the token is `good`. */
function sockets() {
  const asked: string[] = [];
  class Socket implements SocketLike {
    onopen: SocketLike["onopen"] = null;
    onmessage: SocketLike["onmessage"] = null;
    onclose: SocketLike["onclose"] = null;
    onerror: SocketLike["onerror"] = null;
    constructor(_url: string, protocols?: string | string[]) {
      const token = protocols?.[1] ?? "";
      asked.push(token);
      setTimeout(() => {
        if (token !== "good") return this.onclose?.({ code: 4001, reason: "Unauthorized" });
        const data = { connection_id: "5b0c6a3e-8f1d-4a57-9c55-0c2f6b1d7e90" };
        this.onmessage?.({ data: JSON.stringify({ type: "connected", data, timestamp: "" }) });
      }, 1);
    }
    send() {}
    close() {}
  }
  return { asked, WebSocket: Socket };
}

const passed = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test("a refused token is renewed once, and the connection is there", async () => {
  const { asked, WebSocket } = sockets();
  const renew = vi.fn(async () => "good");
  const { client, open } = createHub({ get: async () => "old", renew }, { WebSocket, url: "ws://hub/ws" });
  const close = open();
  await passed(100);
  expect(client.state.status).toBe("open");
  expect(asked).toEqual(["old", "good"]);
  expect(renew).toHaveBeenCalledExactlyOnceWith("old");
  close();
});

test("a refused token and a user service that is away: it comes back by itself once that is back", async () => {
  const { WebSocket } = sockets();
  let away = true;
  const renew = async () => {
    if (away) throw new NoAnswer("unreachable");
    return "good";
  };
  const { client, open } = createHub({ get: async () => "old", renew }, { WebSocket, url: "ws://hub/ws" });
  const close = open();
  await passed(100);
  expect(client.state).toMatchObject({ status: "closed", reason: { code: "unauthorized" } });
  away = false;
  await passed(10_100);
  expect(client.state.status).toBe("open");
  close();
});

test("a sign-in that has ended is not tried again, nor is anything after the end", async () => {
  const ends = sockets();
  const over = async () => {
    throw new SignedOut();
  };
  const ended = createHub(
    { get: async () => "old", renew: over },
    { WebSocket: ends.WebSocket, url: "ws://hub/ws" },
  );
  const close = ended.open();
  await passed(120_000);
  expect(ends.asked).toEqual(["old"]);
  close();

  const gone = sockets();
  const away = async () => {
    throw new NoAnswer("unreachable");
  };
  const left = createHub(
    { get: async () => "old", renew: away },
    { WebSocket: gone.WebSocket, url: "ws://hub/ws" },
  );
  const leave = left.open();
  await passed(100);
  leave();
  await passed(120_000);
  expect(gone.asked).toEqual(["old"]);
});
