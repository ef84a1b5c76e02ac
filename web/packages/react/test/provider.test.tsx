// Who makes, starts and ends the connection. Over sockets that only remember.

import { createClient, type SocketLike, type TokenRequest } from "@fanfare/client";
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConnectionIndicator, FanfareProvider, useConnectionState, useFanfare } from "../src/index.js";
import { createHub } from "./hub.js";

class Socket implements SocketLike {
  static readonly made: Socket[] = [];
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  onerror: SocketLike["onerror"] = null;
  closed = false;
  constructor(
    readonly url: string,
    readonly protocols?: string[],
  ) {
    Socket.made.push(this);
  }
  send(): void {}
  close(): void {
    this.closed = true;
  }
}

const options = { url: "ws://hub.test/ws", WebSocket: Socket };

function State() {
  return <p>{useConnectionState().status}</p>;
}

function Connect() {
  const client = useFanfare();
  return (
    <button type="button" onClick={() => client.connect()}>
      Connect
    </button>
  );
}

/** Lets what waits for the end of the turn happen. */
const settle = () => act(async () => {});

beforeEach(() => {
  Socket.made.length = 0;
});
afterEach(cleanup);

describe("a provider with options", () => {
  it("opens one socket when it is there, and closes it when it goes", async () => {
    const { unmount } = render(<FanfareProvider options={options} />);
    await settle();
    expect(Socket.made.map((socket) => socket.closed)).toEqual([false]);
    unmount();
    await settle();
    expect(Socket.made.map((socket) => socket.closed)).toEqual([true]);
  });

  it("opens exactly one socket under StrictMode", async () => {
    const { unmount } = render(
      <StrictMode>
        <FanfareProvider options={options}>
          <State />
        </FanfareProvider>
      </StrictMode>,
    );
    await settle();
    expect(Socket.made.map((socket) => socket.closed)).toEqual([false]);
    unmount();
    await settle();
    expect(Socket.made.map((socket) => socket.closed)).toEqual([true]);
  });

  it("makes another connection for another url, and ends the old one", async () => {
    const { rerender } = render(<FanfareProvider options={options} />);
    await settle();
    rerender(<FanfareProvider options={{ ...options, url: "ws://other.test/ws" }} />);
    await settle();
    expect(Socket.made.map(({ url, closed }) => [url, closed])).toEqual([
      ["ws://hub.test/ws", true],
      ["ws://other.test/ws", false],
    ]);
  });

  it("takes a URL object that says the same for the same", async () => {
    const { rerender } = render(<FanfareProvider options={{ ...options, url: new URL(options.url) }} />);
    await settle();
    rerender(<FanfareProvider options={{ ...options, url: new URL(options.url) }} />);
    await settle();
    expect(Socket.made).toHaveLength(1);
  });

  it("keeps its connection when the token function is another one, and asks the latest", async () => {
    const first = vi.fn((_: TokenRequest) => "first");
    const second = vi.fn((_: TokenRequest) => "second");
    const { rerender } = render(<FanfareProvider options={{ ...options, getToken: first }} />);
    await settle();
    rerender(<FanfareProvider options={{ ...options, getToken: second }} />);
    await settle();
    expect(Socket.made).toHaveLength(1);
    expect(Socket.made[0]?.protocols).toContain("first");

    await act(async () => Socket.made[0]?.onclose?.({ code: 4001, reason: "Unauthorized" }));
    expect(first).toHaveBeenCalledTimes(1);
    expect(second).toHaveBeenCalledExactlyOnceWith("unauthorized");
    expect(Socket.made[1]?.protocols).toContain("second");
  });

  it("waits for connect() if autoConnect is false", async () => {
    render(
      <FanfareProvider options={{ ...options, autoConnect: false }}>
        <Connect />
      </FanfareProvider>,
    );
    await settle();
    expect(Socket.made).toHaveLength(0);
    fireEvent.click(screen.getByRole("button"));
    await settle();
    expect(Socket.made).toHaveLength(1);
  });
});

describe("a provider with a client", () => {
  it("connects a client that never was, and does not close it", async () => {
    const hub = createHub();
    const { unmount } = render(<FanfareProvider client={hub.client} />);
    await settle();
    unmount();
    await settle();
    expect(hub.calls).toEqual({ start: 1, stop: 0 });
  });

  it("leaves a client alone that connects already, or was closed", async () => {
    const client = createClient(options);
    render(<FanfareProvider client={client} />);
    await settle();
    expect(Socket.made).toHaveLength(1);
    cleanup();
    client.close();
    render(<FanfareProvider client={client} />);
    await settle();
    expect(client.state.status).toBe("closed");
    expect(Socket.made).toHaveLength(1);
  });
});

it("says what is missing where there is no provider", () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  expect(() => render(<State />)).toThrow("There is no <FanfareProvider> above this component.");
  vi.restoreAllMocks();
});

it("takes over a server's page without a mismatch, though the connection is open already", async () => {
  const complain = vi.spyOn(console, "error");
  const hub = createHub();
  const page = (
    <FanfareProvider client={hub.client}>
      <State />
      <ConnectionIndicator />
    </FanfareProvider>
  );
  const container = document.createElement("div");
  container.innerHTML = renderToString(page);
  expect(container.textContent).toBe("connectingConnecting");
  await hub.open();
  render(page, { container: document.body.appendChild(container), hydrate: true });
  await settle();
  expect(container.textContent).toBe("openLive");
  expect(complain).not.toHaveBeenCalled();
  vi.restoreAllMocks();
});

it("shows the state as it changes", async () => {
  const hub = createHub();
  render(<State />, { wrapper: hub.wrapper });
  expect(screen.getByText("connecting")).toBeTruthy();
  await hub.open();
  expect(screen.getByText("open")).toBeTruthy();
});
