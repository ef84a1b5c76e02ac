// What the tab that leads does: it holds the connection, serves the other tabs, and passes on what it gets. When a tab leads, and when
// no more, is decided in tab.ts; which tab follows which channel is kept in union.ts.
//
// A leader may have been frozen. Before it passes on what has gathered in its socket meanwhile, it makes sure that it still leads:
// another tab may have delivered that already.

import type { Places, Positions } from "../positions.js";
import type { Sharing } from "../recovery.js";
import type { ConnectionState, Environment, FanfareEvent, Transport, TransportListener } from "../types.js";
import type { Message, ToLeader } from "./messages.js";
import type { TabsPlatform } from "./platform.js";
import { union } from "./union.js";

/** After a pause of so long, milliseconds, a leader makes sure that it still leads. Shorter than what it takes to lose the lead. */
const PAUSE = 5_000;

/** What may gather while it makes sure. More means that it gives the lead up. */
const MOST_HELD = 10_000;

/** What a leader needs of its tab. */
export interface LeadHost {
  readonly env: Environment;
  readonly platform: TabsPlatform;
  readonly id: string;
  readonly term: number;
  /** The lock of the lead, and that of each tab. */
  readonly share: string;
  lockOf(tab: string): string;
  /** Makes the connection. */
  connect(listener: TransportListener, sharing: Sharing): Transport;
  /** What the tabs have had: behind what the connection has read while this one makes sure that it leads. */
  positions(): Positions;
  /** Whether the tabs had a connection before. */
  readonly again: boolean;
  /** The server told this. */
  told(places: Places, missing: readonly string[]): void;
  /** Tells the other tabs. */
  post(message: Message): void;
  /** The tab's own client. */
  readonly listener: TransportListener;
  /** The state that the tab shows, and the next one of the connection for it. */
  state(): ConnectionState;
  show(next: ConnectionState): void;
  /** It does not lead any more. */
  deposed(): void;
}

/** A leader. */
export interface Lead {
  /** Connects, or tries again now. */
  start(): void;
  /** Sends a frame of the tab's own client. */
  send(text: string): boolean;
  /** Does what another tab asks for. */
  serve(message: ToLeader): void;
  /** Ends it and its connection; nothing comes of either after that. */
  stop(): void;
}

/** Makes a leader. It connects with `start()`. */
export function leader(host: LeadHost): Lead {
  const { env, platform, id, term, post, listener } = host;
  const tabs = new Set<string>();
  /** Ends the watch over the tabs. */
  const watch = new AbortController();
  /** The first frame of the connection that is open. */
  let welcome: FanfareEvent | undefined;
  /** When it last did something. */
  let active = env.now();
  /** What waits until it is sure. */
  let held: (() => void)[] | undefined;
  let ended = false;

  const inner = host.connect(
    {
      state: (next) => act(() => became(next)),
      frame: (frame) =>
        act(() => {
          if (frame.type === "connected") welcome = frame;
          channels.received(frame);
        }),
      error: (error) =>
        act(() => {
          // What was thrown may be something that cannot be copied.
          const { cause: _, ...told } = error;
          post({ kind: "error", term, error: told });
          listener.error(error);
        }),
      gap: listener.gap,
    },
    {
      places: host.positions().all(),
      again: host.again,
      told: (places, missing) =>
        act(() => {
          post({ kind: "told", term, places, missing });
          host.told(places, missing);
        }),
    },
  );

  const channels = union({
    env,
    send: (text) => inner.send(text),
    deliver(frame, to) {
      if (ended) return;
      if (to !== id) post({ kind: "frame", term, frame, ...(to === undefined ? {} : { to }) });
      host.positions().had(frame);
      if (to === undefined || to === id) listener.frame(frame);
    },
  });

  function became(next: ConnectionState) {
    if (next.status !== "open") {
      welcome = undefined;
      channels.lost();
    }
    post({ kind: "state", term, state: next });
    host.show(next);
  }

  /** Does something that a leader does, at once or when it is sure that it still is one. */
  function act(run: () => void) {
    if (ended) return;
    if (held) {
      if (held.length >= MOST_HELD) host.deposed();
      else held.push(run);
      return;
    }
    const now = env.now();
    const paused = now - active > PAUSE;
    active = now;
    if (!paused) return run();
    held = [run];
    stillLeads().then((still) => {
      if (ended) return;
      const waiting = held ?? [];
      held = undefined;
      active = env.now();
      if (!still) return host.deposed();
      for (const each of waiting) if (!ended) each();
    });
  }

  async function stillLeads(): Promise<boolean> {
    try {
      const locks = (await platform.locks.query()).held ?? [];
      const holder = (lock: string) => locks.find(({ name }) => name === lock)?.clientId;
      return holder(host.share) !== undefined && holder(host.share) === holder(host.lockOf(id));
    } catch {
      return true;
    }
  }

  /** The connection's state, from which each tab makes its own; or that there is none, and none is being made. */
  function told(): ConnectionState {
    const shown = host.state();
    return shown.status === "closed" ? shown : inner.state;
  }

  function gone(tab: string) {
    if (tabs.delete(tab)) channels.forget(tab);
  }

  function serve(message: ToLeader) {
    const { kind, from } = message;
    if (kind === "bye") return gone(from);
    if (kind === "ask") return post({ kind: "alive", term });
    if (!tabs.has(from)) {
      tabs.add(from);
      // A tab holds its lock for as long as it is there: whoever else gets it knows that it is gone.
      const free = () => Promise.resolve(gone(from));
      platform.locks.request(host.lockOf(from), { signal: watch.signal }, free).catch(() => undefined);
    }
    switch (kind) {
      case "hello":
        if (message.start && host.state().status === "closed") inner.start();
        post({
          kind: "state",
          term,
          to: from,
          state: told(),
          ...(welcome ? { welcome } : {}),
          places: host.positions().all(),
        });
        return;
      case "start":
        inner.start();
        return;
      case "send":
        if (message.term === term) channels.send(from, message.text);
        return;
    }
  }

  return {
    start: () => inner.start(),
    send: (text) => channels.send(id, text),
    serve: (message) => act(() => serve(message)),
    stop() {
      ended = true;
      watch.abort();
      channels.lost();
      inner.stop();
    },
  };
}
