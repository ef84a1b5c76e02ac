// A tab's part in a shared connection: it waits for the lead, follows whoever has it, and leads when it is its turn.
//
//   out ── start ──▶ following ── lock granted, or stolen from a leader that is silent ──▶ leading
//    ▲                  ▲                                                                    │
//    └── stop, page left┘◀──────────── lock stolen from this tab, a later leader ────────────┘
//
// Two kinds of Web Locks. Who holds the lock of the name leads; the others queue for it, and the browser hands it on when a tab dies.
// Each tab also holds a lock of its own for as long as it is there: the leader asks for it too, and so hears when that tab is gone.
//
// A leader may be frozen: it holds the lock and does not answer. A visible follower asks when it hears nothing, and takes the lock
// after 10 s of silence. Terms number the leaders; a message of an earlier one is not heard. What a leader does is in lead.ts.

import { platformEnvironment } from "../browser.js";
import { createPositions, type Places } from "../positions.js";
import { recovering } from "../recovery.js";
import type {
  ClientOptions,
  ConnectionState,
  Reason,
  Remove,
  Transport,
  TransportFactory,
  TransportListener,
} from "../types.js";
import { type Lead, leader } from "./lead.js";
import { type FromLeader, type Message, readMessage, VERSION } from "./messages.js";
import { joined } from "./places.js";
import type { Channel, TabsPlatform } from "./platform.js";

/** A visible follower looks so often whether it heard of its leader, milliseconds, and asks if not. */
const LOOK = 2_500;

/** After so many looks without a word it takes the lead. */
const SILENT_LOOKS = 4;

/** So that two visible followers do not do it at the same time. */
const LOOK_SPREAD = 500;

const CHANGING: Reason = {
  code: "lost",
  message: "The tab that held the connection is gone; another one is taking over.",
};

/** Makes a tab of the share `name`. Nothing happens before `start()`. */
export function tab(
  name: string,
  platform: TabsPlatform,
  connect: TransportFactory,
  options: ClientOptions,
  listener: TransportListener,
): Transport {
  const env = options.environment ?? platformEnvironment;
  const id = platform.id();
  const share = `fanfare-${VERSION}:${name}`;
  const lockOf = (of: string) => `${share}:tab:${of}`;

  let state: ConnectionState = { status: "connecting", attempt: 0, since: env.now(), reason: null };
  /** Whether there was a connection or an attempt at one that failed: a new one is a reconnect then. */
  let wasUp = false;
  /** What this tab has had; what its leader tells and passes on moves it, and a lead of its own goes on from it. */
  let positions = createPositions();
  /** A connection of this tab's own, where sharing turned out to be impossible. */
  let alone: Transport | undefined;

  let channel: Channel | undefined;
  /** Ends the tab's own lock and its place in the queue. */
  let present: AbortController | undefined;
  let queue: AbortController | undefined;
  let lead: Lead | undefined;
  /** Gives the lock of the lead back. */
  let release: Remove | undefined;
  let unwatch: Remove | undefined;
  /** The page was left or frozen, and the tab comes back with it. */
  let away = false;

  /** The latest leader that was heard of. */
  let term = 0;
  /** Whether the state is that of this leader. */
  let synced = false;
  let heard = false;
  let silent = 0;
  let looking: unknown;

  function become(next: ConnectionState) {
    wasUp = next.status === "open" || next.status === "reconnecting" || (wasUp && next.status !== "closed");
    state = next;
    listener.state(next);
  }

  /** The leader's state as this tab's. */
  function show(next: ConnectionState): boolean {
    if (next.status === "connecting" && wasUp) {
      interrupted();
      return false;
    }
    const same =
      next.status === "connecting"
        ? state.status === "connecting"
        : JSON.stringify(next) === JSON.stringify(state);
    if (same) return false;
    // Two connections, and the end of the first was not seen: whoever subscribes must see it.
    if (next.status === "open" && state.status === "open") interrupted();
    become(next);
    return true;
  }

  function interrupted() {
    const now = env.now();
    if (state.status === "reconnecting" && state.waiting === "answer") return;
    if (!wasUp) return;
    const since = state.status === "reconnecting" ? state.since : now;
    become({ status: "reconnecting", attempt: 1, waiting: "answer", retryAt: null, since, reason: CHANGING });
  }

  function post(message: Message) {
    try {
      channel?.postMessage(message);
    } catch {
      // Closed in this moment, or something that cannot be copied: the tabs will miss it, this one goes on.
    }
  }

  // ---- coming and going

  function join(begun: boolean) {
    const mine = new AbortController();
    try {
      const made = platform.channel(share);
      channel = made;
      made.onmessage = ({ data }) => {
        const message = readMessage(data);
        if (message && present === mine) receive(message);
      };
      unwatch ??= platform.watch({ shown: look, leave: suspend, back: resume });
      present = mine;
      // First its own lock, then word of it: a leader that asks for the lock too early would think that the tab is gone.
      const { signal } = mine;
      const held = () => {
        if (signal.aborted) return Promise.resolve();
        post({ kind: "hello", from: id, start: begun });
        enqueue();
        return new Promise<void>((release) => {
          signal.addEventListener("abort", () => release(), { once: true });
        });
      };
      platform.locks.request(lockOf(id), { signal }, held).catch(() => unable(mine));
      look();
    } catch {
      present = mine;
      unable(mine);
    }
  }

  /** The browser has locks but does not give them: a sandboxed page, or one that may not store anything. */
  function unable(mine: AbortController) {
    if (present !== mine || mine.signal.aborted) return;
    part();
    unwatch?.();
    unwatch = undefined;
    alone = recovering(connect)(options, listener);
    alone.start();
  }

  /** Takes the tab out of the share; its state stays. */
  function part() {
    if (lead) {
      post({ kind: "gone", term });
      stepDown();
    } else if (channel) {
      post({ kind: "bye", from: id });
    }
    env.clearTimeout(looking);
    queue?.abort();
    present?.abort();
    queue = present = undefined;
    synced = false;
    if (!channel) return;
    channel.onmessage = null;
    channel.close();
    channel = undefined;
  }

  function suspend() {
    if (!present) return;
    away = true;
    part();
  }

  function resume() {
    if (!away) return;
    away = false;
    interrupted();
    join(false);
  }

  // ---- following

  /** Waits for the lead, or takes it. */
  function enqueue(steal = false) {
    queue?.abort();
    const mine = new AbortController();
    queue = mine;
    const { signal } = mine;
    let granted: Lead | undefined;
    const led = () => {
      if (signal.aborted) return Promise.resolve();
      return new Promise<void>((done) => {
        release = done;
        granted = begin();
      });
    };
    // The API takes no signal with `steal`.
    platform.locks.request(share, steal ? { steal } : { signal }, led).catch(() => {
      if (signal.aborted) return;
      if (!granted) {
        if (present) unable(present);
        return;
      }
      // Stolen. A later leader may have told already.
      if (lead === granted) deposed();
    });
  }

  function receive(message: Message) {
    if (!("term" in message) || message.kind === "send") {
      lead?.serve(message);
      return;
    }
    if (message.term < term || (message.to !== undefined && message.to !== id)) return;
    if (message.term > term) {
      term = message.term;
      synced = false;
      if (lead) return deposed();
    }
    heard = true;
    follow(message);
  }

  function follow(message: FromLeader) {
    switch (message.kind) {
      case "lead":
        interrupted();
        post({ kind: "hello", from: id, start: false });
        return;
      case "gone":
        synced = false;
        interrupted();
        return;
      case "state":
        synced = true;
        if (show(message.state) && message.welcome) listener.frame(message.welcome);
        if (message.places) told(message.places, []);
        return;
      case "told":
        if (synced) told(message.places, message.missing);
        return;
      case "frame":
        // A new leader asks for what it has not had itself; this tab may have.
        if (synced && !positions.had(message.frame)) listener.frame(message.frame);
        return;
      case "error":
        if (synced) listener.error(message.error);
        return;
    }
  }

  /** What the connection has had beyond this tab, this tab will not get any more. */
  function told(places: Places, missing: readonly string[]) {
    const now = joined(positions.all(), places);
    positions = createPositions(now.places);
    const streams = new Set([...missing, ...now.missing]);
    if (streams.size) listener.gap([...streams]);
  }

  /** Begins to look after the leader, if somebody looks at this tab. */
  function look() {
    env.clearTimeout(looking);
    silent = 0;
    if (!present || lead || !platform.visible()) return;
    heard = false;
    post({ kind: "ask", from: id });
    lookAgain();
  }

  function lookAgain() {
    looking = env.setTimeout(
      () => {
        if (!present || lead) return;
        // Looks are counted, not time: after a machine slept, the leader needs its chance too.
        silent = heard ? 0 : silent + 1;
        heard = false;
        if (silent >= SILENT_LOOKS) {
          enqueue(true);
          silent = 0;
        } else post({ kind: "ask", from: id });
        lookAgain();
      },
      LOOK + env.random() * LOOK_SPREAD,
    );
  }

  // ---- leading

  function begin(): Lead {
    env.clearTimeout(looking);
    term = Math.max(term + 1, env.now());
    synced = false;
    const begun = leader({
      env,
      platform,
      id,
      term,
      share,
      lockOf,
      connect: (heard, sharing) => recovering(connect, sharing)(options, heard),
      positions: () => positions,
      again: wasUp,
      told,
      post,
      listener,
      state: () => state,
      show,
      deposed,
    });
    lead = begun;
    post({ kind: "lead", term });
    interrupted();
    // What was closed for good stays so until somebody connects.
    if (state.status !== "closed") begun.start();
    return begun;
  }

  /** Another one leads: this tab follows, and waits for its next turn. */
  function deposed() {
    stepDown();
    interrupted();
    post({ kind: "hello", from: id, start: false });
    enqueue();
    look();
  }

  function stepDown() {
    const ended = lead;
    lead = undefined;
    ended?.stop();
    release?.();
    release = undefined;
  }

  // ---- what the client calls

  return {
    get state() {
      return alone ? alone.state : state;
    },
    start() {
      if (alone) return alone.start();
      if (lead) return lead.start();
      if (present) return post({ kind: "start", from: id });
      if (away) return;
      wasUp = false;
      become({ status: "connecting", attempt: 1, since: env.now(), reason: null });
      join(true);
    },
    stop() {
      if (alone) return alone.stop();
      away = false;
      unwatch?.();
      unwatch = undefined;
      part();
      if (state.status === "closed") return;
      const reason: Reason = { code: "closed", message: "The connection was closed here." };
      become({ status: "closed", since: env.now(), reason });
    },
    send(text) {
      if (alone) return alone.send(text);
      if (state.status !== "open") return false;
      if (lead) return lead.send(text);
      post({ kind: "send", from: id, term, text });
      return true;
    },
  };
}
