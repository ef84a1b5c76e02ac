// One connection to a flat endpoint that comes back by itself: sockets one after the other, when and whether by the SDK's rules,
// a heartbeat, the network's comings and goings. Knows no frame but the ping: what is said after the handshake, and which answer
// makes a connection a good one, is its user's business (dashboard-client.ts, task-notifications.ts).
//
//   idle ── start ──▶ connecting ── handshake, `opened()`, `accept()` ──▶ ready
//                       ▲    │                                             │
//                       │    └──────────── loss: `ended()` ────────────────┤
//                       └── timer, network ── waiting ◀────────────────────┴──▶ idle (`stop`, a code that says never)

import { socketAddress } from "../../sdk/src/address.js";
import { platformEnvironment } from "../../sdk/src/browser.js";
import { type Ending, endingOf } from "../../sdk/src/close-codes.js";
import { type Heartbeat, heartbeat } from "../../sdk/src/heartbeat.js";
import { delayOf } from "../../sdk/src/reconnect.js";
import type {
  Environment,
  FanfareError,
  Reason,
  ReasonCode,
  SocketConstructor,
  SocketLike,
} from "../../sdk/src/types.js";
import { type Arrival, readFlat } from "./flat-frames.js";

/** From the beginning of an attempt to `accept()`, milliseconds; as in the SDK. */
const ACCEPT_LIMIT = 15_000;

/** A connection that was good for so long, milliseconds, wipes out the failures before it; as in the SDK. */
const LASTED = 5_000;

/** The longest wait for the answer to a ping, milliseconds; as in the SDK. */
const PONG_LIMIT = 8_000;

/**
 * After so many frames a ping goes out before its time, though not more often than once in `BUSY_INTERVAL` ms: by a ping the server learns
 * what has arrived, and of what has not it repeats at most 1,000 events (`history` of the channel rules).
 */
const BUSY_FRAMES = 100;
const BUSY_INTERVAL = 1_000;

/** What a link is made with. Times in milliseconds. */
export interface LinkOptions {
  /** Where to connect, asked before each attempt: an address, or a path of the page's own host. */
  address(): string | URL | Promise<string | URL>;
  /** A ping after so long without one, and the connection is dead if nothing comes back. 0: none. */
  heartbeatInterval: number;
  /** The pause before the next attempt after so many failures in a row. */
  delay?(ending: Ending, failures: number): number;
  /** For the default of `delay`: the first and the longest pause, before jitter. */
  minDelay?: number;
  maxDelay?: number;
  WebSocket?: SocketConstructor | undefined;
  environment?: Environment | undefined;
}

/** Why a connection or an attempt at one ended, and what comes now. */
export interface Loss {
  readonly reason: Reason;
  /** Whether the link tries again by itself. */
  readonly willReconnect: boolean;
  /** In how many milliseconds; null where it waits for the network or not at all. */
  readonly retryIn: number | null;
}

/** What a link tells its user. */
export interface LinkEvents {
  /** The handshake succeeded: say what there is to say. */
  opened(): void;
  /** A frame came, of a batch too. */
  arrived(arrival: Arrival): void;
  ended(loss: Loss): void;
  /** A message was no frame. */
  fault(error: FanfareError): void;
}

/** A connection that comes back. */
export interface Link {
  /** Whether attempts are made, or there is a connection. */
  readonly running: boolean;
  /** Failures in a row; a connection that was good for 5 s begins a new row. */
  readonly failures: number;
  /** Starts; ends the pause before the next attempt. While there is a connection or an attempt it does nothing. */
  start(): void;
  /** Ends it for good, until `start()`. `ended` is not called. */
  stop(): void;
  /** Gives up this connection: it counts as lost. */
  giveUp(ending: Ending): void;
  /** The server's answer was good: the heartbeat begins. */
  accept(): void;
  /** Sends a frame; false if there is no open socket. */
  send(frame: object): boolean;
}

/** Makes a link. Nothing happens before `start()`. */
export function makeLink(options: LinkOptions, events: LinkEvents): Link {
  const env = options.environment ?? platformEnvironment;
  const interval = options.heartbeatInterval > 0 ? options.heartbeatInterval : Number.POSITIVE_INFINITY;
  let state: "idle" | "connecting" | "ready" | "waiting" = "idle";
  let failures = 0;
  let readySince = 0;
  let retryAt: number | null = null;
  /** The server named the time of the return. */
  let toldWhen = false;
  let lastPing = 0;
  /** Frames since the last ping. */
  let unconfirmed = 0;

  // What an attempt or a connection holds; `drop` gives it all up.
  let socket: SocketLike | undefined;
  let open = false;
  let timer: unknown;
  let beat: Heartbeat | undefined;
  /** Counts what was given up: whoever waits compares. */
  let round = 0;
  let unwatch: (() => void) | undefined;

  function drop() {
    round++;
    env.clearTimeout(timer);
    beat?.stop();
    beat = undefined;
    open = false;
    const old = socket;
    socket = undefined;
    if (!old) return;
    old.onopen = old.onmessage = old.onclose = null;
    // An error without a listener would end a Node process.
    old.onerror = () => {};
    try {
      old.close(1000);
    } catch {
      // It was not open yet, or is closed already.
    }
  }

  function rest() {
    drop();
    state = "idle";
    unwatch?.();
    unwatch = undefined;
  }

  function lost(ending: Ending) {
    if (state === "idle") return;
    if (state === "ready" && env.now() - readySince >= LASTED) failures = 0;
    failures++;
    if (ending.rule === "never") {
      rest();
      return events.ended({ reason: ending.reason, willReconnect: false, retryIn: null });
    }
    if (!env.online()) return waitForNetwork();
    drop();
    const delay = options.delay ?? ((why, count) => delayOf(why, count, options, env.random));
    const ms = delay(ending, failures);
    pause(ms, ending.delay !== undefined);
    events.ended({ reason: ending.reason, willReconnect: true, retryIn: ms });
  }

  function pause(ms: number, told: boolean) {
    state = "waiting";
    toldWhen = told;
    retryAt = env.now() + ms;
    timer = env.setTimeout(() => (env.online() ? attempt() : waitForNetwork()), ms);
  }

  function waitForNetwork() {
    drop();
    const already = state === "waiting" && retryAt === null;
    state = "waiting";
    toldWhen = false;
    retryAt = null;
    const reason: Reason = { code: "offline", message: "This device has no network." };
    if (!already) events.ended({ reason, willReconnect: true, retryIn: null });
  }

  /** Begins an attempt. In a later microtask, so that connect, disconnect and connect in one turn open one socket. */
  function attempt() {
    drop();
    state = "connecting";
    const mine = round;
    timer = env.setTimeout(
      () => lost(problem(open ? "silent" : "unreachable", "The server did not answer in time.")),
      ACCEPT_LIMIT,
    );
    Promise.resolve()
      .then(() => (mine === round ? options.address() : ""))
      .then(
        (given) => {
          if (mine === round) connect(given);
        },
        () => {
          // What was thrown is not shown: it may hold a token.
          if (mine === round) lost(problem("token", "Getting the address or the token failed."));
        },
      );
  }

  function connect(given: string | URL) {
    const url = socketAddress(given);
    if (typeof url !== "string") return lost({ reason: url, rule: "never" });
    const Socket = options.WebSocket ?? (globalThis as { WebSocket?: SocketConstructor }).WebSocket;
    if (!Socket) return lost({ ...problem("no_websocket", "This browser has no WebSocket."), rule: "never" });
    try {
      const made = new Socket(url);
      socket = made;
      made.onopen = () => {
        if (made !== socket) return;
        open = true;
        events.opened();
      };
      made.onerror = () => {};
      made.onmessage = ({ data }) => {
        if (made === socket) heard(data);
      };
      made.onclose = ({ code, reason }) => {
        if (made === socket) lost(endOf(code, reason, open));
      };
    } catch {
      lost(problem("unreachable", "The connection could not be made."));
    }
  }

  function heard(data: unknown) {
    beat?.heard();
    const mine = round;
    const { arrivals, faults } = readFlat(data);
    for (const arrival of arrivals) {
      events.arrived(arrival);
      // Its handler may have ended the connection.
      if (mine !== round) return;
    }
    for (const fault of faults) events.fault(fault);
    unconfirmed += arrivals.length;
    if (mine !== round || state !== "ready" || interval === Number.POSITIVE_INFINITY) return;
    // Where events come without end there is no silence to ask after.
    const busy = unconfirmed >= BUSY_FRAMES ? Math.min(BUSY_INTERVAL, interval) : interval;
    if (env.now() - lastPing >= busy) ping();
  }

  function ping() {
    lastPing = env.now();
    unconfirmed = 0;
    send({ type: "ping", timestamp: lastPing });
  }

  function send(frame: object): boolean {
    if (!open || !socket) return false;
    try {
      socket.send(JSON.stringify(frame));
      return true;
    } catch {
      return false;
    }
  }

  /** The network or the machine is back: no reason to wait, except that the server said until when. */
  function stir() {
    if (state === "ready") return beat?.probe();
    if (state !== "waiting" || !env.online()) return;
    // Timers stand still while a machine sleeps.
    if (!toldWhen || env.now() >= (retryAt ?? 0)) attempt();
  }

  return {
    get running() {
      return state !== "idle";
    },
    get failures() {
      return failures;
    },
    start() {
      if (state === "waiting") return attempt();
      if (state !== "idle") return;
      failures = 0;
      unwatch = env.watch({
        online: stir,
        wake: stir,
        offline() {
          if (state === "ready") beat?.probe();
          else waitForNetwork();
        },
      });
      if (env.online()) attempt();
      else waitForNetwork();
    },
    stop() {
      if (state !== "idle") rest();
    },
    giveUp: lost,
    accept() {
      if (state !== "connecting" || !open) return;
      env.clearTimeout(timer);
      state = "ready";
      readySince = lastPing = env.now();
      unconfirmed = 0;
      if (interval === Number.POSITIVE_INFINITY) return;
      const dead = () => lost({ ...problem("silent", "The server stopped answering."), rule: "at_once" });
      beat = heartbeat(env, interval, Math.min(PONG_LIMIT, interval), ping, dead);
    },
    send,
  };
}

function endOf(code: number, text: string, reached: boolean): Ending {
  // One code, two reasons, one rule: the table has the sentence of the other.
  if (code === 4029 && /requests/i.test(text)) {
    return problem("rate_limited", "This client sent more than the server allows.", code);
  }
  if (code && code !== 1006) return endingOf(code, text);
  return reached
    ? problem("lost", "The connection broke off.", code)
    : problem("unreachable", "The server could not be reached, or refused the connection.", code);
}

function problem(code: ReasonCode, message: string, closeCode?: number): Ending {
  return { reason: { code, message, ...(closeCode === undefined ? {} : { closeCode }) }, rule: "backoff" };
}
