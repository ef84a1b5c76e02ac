// A dashboard client in a world that stands still until a test moves it: the SDK's fake clock, network and sockets, and a server that
// speaks the flat dialect.

import { FakeEnvironment, FakeSocket, settle } from "../../sdk/test/fakes.js";
import { type DashboardOptions, DashboardWebSocketClient } from "../src/dashboard-client.js";
import type { FlatFrame } from "../src/flat-frames.js";

export { FakeEnvironment, type FakeSocket, settle };

export const NOW = "2025-11-18T12:30:45.123Z";

/** A page's client and what it was told. */
export interface Scene {
  readonly client: DashboardWebSocketClient;
  readonly env: FakeEnvironment;
  readonly sockets: FakeSocket[];
  /** The newest socket. */
  readonly socket: FakeSocket;
  /** What handlers of `connected`, `disconnected`, `error` and `message` got, in order. */
  readonly told: (readonly [name: string, event: FlatFrame])[];
  /** The events of one name. */
  of(name: string): FlatFrame[];
}

/** Sockets that are collected. */
export function fakeSockets(): { sockets: FakeSocket[]; WebSocket: new (url: string) => FakeSocket } {
  const sockets: FakeSocket[] = [];
  class Socket extends FakeSocket {
    constructor(url: string, protocols?: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  return { sockets, WebSocket: Socket };
}

/** A client; it has not connected. */
export function scene(options: DashboardOptions = {}, env = new FakeEnvironment()): Scene {
  const { sockets, WebSocket } = fakeSockets();
  const client = new DashboardWebSocketClient({
    url: "ws://hub.test/",
    environment: env,
    WebSocket,
    ...options,
  });
  const told: (readonly [string, FlatFrame])[] = [];
  for (const name of ["connected", "disconnected", "error", "message"]) {
    client.on(name, (event: FlatFrame) => told.push([name, event]));
  }
  return {
    client,
    env,
    sockets,
    get socket() {
      const last = sockets.at(-1);
      if (!last) throw new Error("no socket was opened");
      return last;
    },
    told,
    of: (name) => told.filter(([of]) => of === name).map(([, event]) => event),
  };
}

/** An event. */
export const image = (documentId: string) => ({ type: "image_processed", documentId, timestamp: NOW });

/** The server says a frame, as it is. */
export function say(socket: FakeSocket, frame: object): Promise<void> {
  return socket.say(JSON.stringify(frame));
}

/** The server's confirmation. */
export async function confirm(socket: FakeSocket, connectionId = "id-1", userId = "7"): Promise<void> {
  await say(socket, { type: "subscribed", userId, connectionId, timestamp: NOW });
}

/** A client of user 7 that is connected. */
export async function connected(options: DashboardOptions = {}): Promise<Scene> {
  const s = scene(options);
  s.client.connect("7");
  await settle();
  s.socket.accept();
  await confirm(s.socket);
  return s;
}

/** Lets the pause before the next attempt pass, and the handshake of that succeed. */
export async function comeBack(s: Scene, ms = 60_000): Promise<void> {
  const before = s.sockets.length;
  for (let passed = 0; s.sockets.length === before && passed < ms; passed += 10) await s.env.pass(10);
  if (s.sockets.length === before) throw new Error("it did not come back");
  s.socket.accept();
  await settle();
}
