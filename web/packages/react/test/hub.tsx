// A client without a network: the real one, over a transport whose state and frames the test gives.

import {
  type Client,
  type ConnectionState,
  createClient,
  type FanfareEvent,
  type Reason,
  type ReasonCode,
  type TransportListener,
} from "@fanfare/client";
import { act } from "@testing-library/react";
import type { ReactNode } from "react";
import { FanfareProvider } from "../src/index.js";

export interface Hub {
  readonly client: Client;
  /** Puts the components of a test below a provider with this client. */
  readonly wrapper: (props: { children: ReactNode }) => ReactNode;
  /** The frames that the client sent, oldest first. */
  readonly sent: { type: string; channels?: string[]; data?: unknown }[];
  /** How often the transport was started and stopped. */
  readonly calls: { start: number; stop: number };
  /** Handlers that threw, refused frames. */
  readonly errors: string[];
  become(state: ConnectionState): Promise<void>;
  open(since?: number): Promise<void>;
  event(type: string, data: unknown): Promise<void>;
  /** Events were missed for good in these streams. */
  gap(...streams: string[]): Promise<void>;
  /** A frame as it is. */
  frame(frame: FanfareEvent): Promise<void>;
  /** Several events in one turn. */
  events(...list: [type: string, data: unknown][]): Promise<void>;
}

export function createHub(): Hub {
  let state: ConnectionState = { status: "connecting", attempt: 0, since: Date.now(), reason: null };
  let listener: TransportListener | undefined;
  const sent: Hub["sent"] = [];
  const calls = { start: 0, stop: 0 };
  const errors: string[] = [];
  const client = createClient({
    url: "ws://hub.test/ws",
    autoConnect: false,
    transport: (_, given) => {
      listener = given;
      return {
        get state() {
          return state;
        },
        start: () => {
          calls.start += 1;
        },
        stop: () => {
          calls.stop += 1;
        },
        send: (text) => {
          if (state.status === "open") sent.push(JSON.parse(text));
          return state.status === "open";
        },
      };
    },
  });
  client.onError((error) => errors.push(error.code));

  const become = async (next: ConnectionState) => {
    await act(async () => {
      state = next;
      listener?.state(next);
    });
  };
  const events: Hub["events"] = (...list) =>
    act(async () => {
      for (const [type, data] of list) {
        listener?.frame({ type, data, timestamp: "2025-11-01T12:00:00.000Z" });
      }
    });
  return {
    client,
    wrapper: ({ children }) => <FanfareProvider client={client}>{children}</FanfareProvider>,
    sent,
    calls,
    errors,
    become,
    open: (since = Date.now()) => become({ status: "open", connectionId: "c-1", since, reason: null }),
    gap: (...streams) => act(async () => listener?.gap(streams)),
    frame: (frame) => act(async () => listener?.frame(frame)),
    event: (type, data) => events([type, data]),
    events,
  };
}

export function reason(code: ReasonCode, message = "The connection broke off."): Reason {
  return { code, message };
}

export function waiting(retryAt: number, attempt = 1): ConnectionState {
  return {
    status: "reconnecting",
    attempt,
    waiting: "timer",
    retryAt,
    since: Date.now(),
    reason: reason("lost"),
  };
}

export function trying(): ConnectionState {
  return {
    status: "reconnecting",
    attempt: 1,
    waiting: "answer",
    retryAt: null,
    since: Date.now(),
    reason: reason("lost"),
  };
}
