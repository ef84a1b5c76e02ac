// @vitest-environment node
// Rendering on a server: no window, no document, no socket.

import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { createClient } from "@fanfare/client";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Suspense } from "react";
import { renderToPipeableStream, renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Inbox, InboxProvider, NotificationPreferences, useInbox } from "../src/inbox/index.js";
import {
  ConnectionIndicator,
  FanfareProvider,
  useChannel,
  useConnectionState,
  useEvent,
  useFanfare,
  useWebSocket,
} from "../src/index.js";
import { useQueryInvalidation } from "../src/query/index.js";
import { EventToasts } from "../src/toasts/index.js";

let sockets = 0;
class Socket {
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  constructor() {
    sockets += 1;
  }
  send(): void {}
  close(): void {}
}

function Everything() {
  useFanfare();
  useEvent("tick", () => {});
  useQueryInvalidation({ tick: ["jobs"] });
  const { isConnected } = useWebSocket();
  const jobs = useChannel("jobs");
  const states = useChannel(["jobs", "payments"]);
  const none = useChannel(null);
  return (
    <p>
      {useConnectionState().status} {String(isConnected)} {jobs.status} {states.length} {String(none)}
    </p>
  );
}

function page() {
  return (
    <QueryClientProvider client={new QueryClient()}>
      <Everything />
      <ConnectionIndicator />
      <EventToasts viewer={{ user_id: 7, user_type: "worker" }} />
    </QueryClientProvider>
  );
}

function Unread() {
  return <b>{String(useInbox(({ unreadCount }) => unreadCount))}</b>;
}

beforeEach(() => {
  sockets = 0;
  vi.spyOn(console, "error");
});
afterEach(() => vi.restoreAllMocks());

it("there is neither window nor document here", () => {
  expect([typeof window, typeof document]).toEqual(["undefined", "undefined"]);
});

it("a provider with options renders everything and opens nothing", async () => {
  const html = renderToString(
    <FanfareProvider options={{ url: "ws://hub.test/ws", WebSocket: Socket }}>{page()}</FanfareProvider>,
  );
  await Promise.resolve();
  expect(html).toContain("Connecting");
  expect(html.replaceAll("<!-- -->", "")).toContain("<p>connecting false pending 2 null</p>");
  expect(html).toContain('aria-live="polite"');
  expect(sockets).toBe(0);
  expect(console.error).not.toHaveBeenCalled();
});

it("a provider with a client leaves it alone", async () => {
  const client = createClient({ url: "/ws", autoConnect: false, WebSocket: Socket });
  const html = renderToString(<FanfareProvider client={client}>{page()}</FanfareProvider>);
  await Promise.resolve();
  expect(html).toContain("Connecting");
  expect(client.state).toMatchObject({ status: "connecting", attempt: 0 });
  expect(sockets).toBe(0);
});

it("it streams as well", async () => {
  const written = new PassThrough();
  const stream = renderToPipeableStream(
    <FanfareProvider options={{ url: "ws://hub.test/ws", WebSocket: Socket }}>
      <Suspense fallback="Wait">{page()}</Suspense>
    </FanfareProvider>,
    { onAllReady: () => stream.pipe(written) },
  );
  const html = await text(written);
  expect(html).toContain("Connecting");
  expect(html).not.toContain("Wait");
  expect(sockets).toBe(0);
  expect(console.error).not.toHaveBeenCalled();
});

it("an inbox renders its bell and its preferences, and asks nobody", async () => {
  const fetch = vi.fn();
  const options = { baseUrl: "http://service.test/", getToken: () => "token", fetch };
  const html = renderToString(
    <FanfareProvider options={{ url: "ws://hub.test/ws", WebSocket: Socket }}>
      <InboxProvider options={options}>
        <Inbox />
        <Inbox defaultOpen />
        <NotificationPreferences />
        <Unread />
      </InboxProvider>
    </FanfareProvider>,
  );
  await Promise.resolve();
  expect(html).toContain("Notifications");
  expect(html).toContain('role="dialog"');
  expect(html).toContain("<b>null</b>");
  expect(fetch).not.toHaveBeenCalled();
  expect(sockets).toBe(0);
  expect(console.error).not.toHaveBeenCalled();
});
