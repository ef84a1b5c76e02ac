// A clock, a network and a server that stand still until a test moves them. No real time passes and no socket is opened.

import type { Client, ClientOptions, ConnectionState, Environment, FanfareError } from "../src/index.js";
import { createClient } from "../src/index.js";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Lets promises that are settled call their followers. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** The environment of a client under test. */
export class FakeEnvironment implements Environment {
  time = 1_700_000_000_000;
  /** How wrong the clock is; timers do not mind. */
  shift = 0;
  chance = 0.5;
  connected = true;
  readonly timers = new Set<Timer>();
  readonly watchers = new Set<{ online(): void; offline(): void; wake(): void }>();

  now = (): number => this.time + this.shift;
  random = (): number => this.chance;
  online = (): boolean => this.connected;

  setTimeout = (run: () => void, ms: number): unknown => {
    const timer = { at: this.time + ms, run };
    this.timers.add(timer);
    return timer;
  };

  clearTimeout = (timer: unknown): void => {
    this.timers.delete(timer as Timer);
  };

  watch = (listeners: { online(): void; offline(): void; wake(): void }): (() => void) => {
    this.watchers.add(listeners);
    return () => this.watchers.delete(listeners);
  };

  /** Lets time pass, timer by timer. */
  async pass(ms: number): Promise<void> {
    await settle();
    const until = this.time + ms;
    for (;;) {
      const next = [...this.timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.time = Math.max(this.time, next.at);
      this.timers.delete(next);
      next.run();
      await settle();
    }
    this.time = until;
  }

  /** The machine sleeps: time passes, but no timer runs before it wakes. */
  async sleep(ms: number): Promise<void> {
    this.time += ms;
    await this.pass(0);
  }

  async goOnline(): Promise<void> {
    this.connected = true;
    for (const watcher of [...this.watchers]) watcher.online();
    await settle();
  }

  async goOffline(): Promise<void> {
    this.connected = false;
    for (const watcher of [...this.watchers]) watcher.offline();
    await settle();
  }

  async wake(): Promise<void> {
    for (const watcher of [...this.watchers]) watcher.wake();
    await settle();
  }
}

/** One socket, from the server's side. */
export class FakeSocket {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly sent: string[] = [];
  closedWith: number | undefined;
  closed = false;

  constructor(
    readonly url: string,
    readonly protocols: string[] | undefined,
  ) {}

  send(text: string): void {
    this.sent.push(text);
  }

  close(code?: number): void {
    this.closed = true;
    this.closedWith = code;
  }

  /** The frames that the client sent, read. */
  get frames(): Record<string, unknown>[] {
    return this.sent.map((text) => JSON.parse(text) as Record<string, unknown>);
  }

  /** The handshake succeeded. */
  accept(): void {
    this.onopen?.(undefined as never);
  }

  /** The server says something: text as it is, anything else as JSON with a time. */
  async say(frame: string | { type: string; data?: unknown; timestamp?: string }): Promise<void> {
    const text =
      typeof frame === "string"
        ? frame
        : JSON.stringify({ data: {}, timestamp: "2025-11-01T12:00:00.000Z", ...frame });
    this.onmessage?.({ data: text });
    await settle();
  }

  /** The handshake and the welcome. */
  async welcome(connection_id = "c1"): Promise<void> {
    this.accept();
    await this.say({ type: "connected", data: { connection_id } });
  }

  /** The server's Close, or by default the end without one. */
  async end(code = 1006, reason = ""): Promise<void> {
    this.onclose?.({ code, reason });
    await settle();
  }
}

/** A client with what it did so far. */
export interface Scene {
  readonly client: Client;
  readonly env: FakeEnvironment;
  readonly sockets: FakeSocket[];
  /** The newest socket. */
  readonly socket: FakeSocket;
  readonly states: ConnectionState[];
  readonly errors: FanfareError[];
}

/** A client in a fake world, which has connected already. It recovers nothing unless told to: `test/recovery` is about that. */
export async function scene(options: Partial<ClientOptions> = {}): Promise<Scene> {
  const env = new FakeEnvironment();
  const sockets: FakeSocket[] = [];
  class Socket extends FakeSocket {
    constructor(url: string, protocols?: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const client = createClient({
    url: "ws://hub.test/ws",
    environment: env,
    WebSocket: Socket,
    recovery: false,
    ...options,
  });
  const states: ConnectionState[] = [];
  const errors: FanfareError[] = [];
  client.onState((state) => states.push(state));
  client.onError((error) => errors.push(error));
  await settle();
  return {
    client,
    env,
    sockets,
    get socket() {
      const last = sockets.at(-1);
      if (!last) throw new Error("no socket was opened");
      return last;
    },
    states,
    errors,
  };
}

/** A client that the server has welcomed. */
export async function openScene(options: Partial<ClientOptions> = {}): Promise<Scene> {
  const opened = await scene(options);
  await opened.socket.welcome();
  return opened;
}

/** The state, which must be this one. */
export function inState<Status extends ConnectionState["status"]>(
  { client }: Pick<Scene, "client">,
  status: Status,
): Extract<ConnectionState, { status: Status }> {
  const { state } = client;
  if (state.status !== status) throw new Error(`the state is ${JSON.stringify(state)}, not ${status}`);
  return state as Extract<ConnectionState, { status: Status }>;
}
