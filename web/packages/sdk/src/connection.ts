// One connection to a hub that comes back by itself. It makes sockets one after the other, decides
// when, keeps their token fresh and notices when they die. It knows nothing of channels and handlers (`client.ts`), nor of what was
// missed (`recovery.ts`).
//
// The states, and what moves them:
//
//   connecting ─┬─ welcome ──────────────▶ open ──┐
//        ▲      └─ failure ─▶ reconnecting ◀── loss┘      `close()`, a code that says never, 4001 without a better
//        │                    │   ▲  timer, network       token, too many attempts ─▶ closed ─ `connect()` ─▶ connecting
//        └── (one attempt) ◀──┘   └──── failure
//
// An attempt is: ask for a token, open a socket, wait for the frame `connected`. Everything that an attempt started is given up
// together (`drop`), so that nothing late can reach a later one.

import { socketAddress, socketArguments } from "./address.js";
import { platformEnvironment } from "./browser.js";
import { type Ending, endingOf } from "./close-codes.js";
import { member, readFrame } from "./frames.js";
import { type Heartbeat, heartbeat } from "./heartbeat.js";
import { delayOf } from "./reconnect.js";
import { askToken, type Renewal, renewal, textOf } from "./tokens.js";
import type {
  ClientOptions,
  ConnectionState,
  Reason,
  ReasonCode,
  Remove,
  SocketConstructor,
  SocketLike,
  TokenRequest,
  Transport,
  TransportFactory,
  TransportListener,
} from "./types.js";

/** From opening a socket to its welcome, milliseconds. */
const WELCOME_LIMIT = 15_000;

/** A connection that was open for so long counts as one that lasted; before, a loss counts as one more failure. */
const LASTED = 5_000;

const ignore = () => {};

/** Makes a connection with a socket of its own. Nothing happens before `start()`. */
export const socketConnection: TransportFactory = (
  options: ClientOptions,
  listener: TransportListener,
): Transport => {
  const env = options.environment ?? platformEnvironment;
  const { getToken, maxAttempts = Number.POSITIVE_INFINITY } = options;
  let state: ConnectionState = { status: "connecting", attempt: 0, since: env.now(), reason: null };
  /** Losses and failed attempts since a connection lasted. */
  let failures = 0;
  /** Of these, the loss of the connection that had lasted: no failed attempt. */
  let losses = 0;
  let downSince = 0;
  let lastReason: Reason | null = null;
  /** Whether `getToken` was asked because of a 4001 and no welcome came since. */
  let askedAgain = false;
  /** The server named the time of the return. */
  let toldWhen = false;
  /** Why the next attempt asks for a token. */
  let request: TokenRequest = "connect";

  // What an attempt or a connection holds; `drop` gives it all up.
  let socket: SocketLike | undefined;
  let timer: unknown;
  let cancelToken: Remove | undefined;
  let beat: Heartbeat | undefined;
  let renew: Renewal | undefined;
  /** Counts what was given up: whoever waits compares. */
  let round = 0;

  let unwatch: Remove | undefined;

  function become(next: ConnectionState) {
    state = next;
    listener.state(next);
  }

  function drop() {
    round++;
    env.clearTimeout(timer);
    cancelToken?.();
    beat?.stop();
    renew?.stop();
    beat = renew = undefined;
    if (!socket) return;
    const old = socket;
    socket = undefined;
    old.onmessage = old.onclose = null;
    // React Native on Android still opens what was closed during its handshake.
    old.onopen = state.status === "open" ? null : () => old.close(1000);
    // An error without a listener would end a Node process.
    old.onerror = ignore;
    try {
      old.close(1000);
    } catch {
      // It was not open yet, or is closed already.
    }
  }

  function end(reason: Reason) {
    drop();
    unwatch?.();
    unwatch = undefined;
    become({ status: "closed", since: env.now(), reason });
  }

  function answerAwaited(): ConnectionState {
    return lastReason
      ? reconnecting("answer", null, lastReason)
      : { status: "connecting", attempt: 1, since: downSince, reason: null };
  }

  function reconnecting(waiting: "timer" | "network" | "answer", retryAt: number | null, reason: Reason) {
    const attempt = Math.max(1, failures);
    return { status: "reconnecting", attempt, waiting, retryAt, since: downSince, reason } as const;
  }

  function waitForNetwork() {
    drop();
    toldWhen = false;
    lastReason = { code: "offline", message: "This device has no network." };
    become(reconnecting("network", null, lastReason));
  }

  /** Gives up what there was; a connection that lasted wipes out the failures before it. */
  function leave() {
    if (state.status === "open") {
      downSince = env.now();
      if (downSince - state.since >= LASTED) failures = losses = 0;
    }
    drop();
  }

  /** The attempt failed or the connection is lost: what now? */
  function failed(ending: Ending, again: TokenRequest = "reconnect") {
    const { reason, rule } = ending;
    leave();
    if (!failures && state.status === "open") losses = 1;
    failures++;
    if (rule === "never") return end(reason);
    const count = failures - losses;
    if (count >= maxAttempts) {
      const message = count
        ? `Gave up after ${count} failed attempt${count > 1 ? "s" : ""}. The last: ${reason.message}`
        : `${reason.message} No further attempt is made.`;
      return end({ ...reason, code: "attempts", message });
    }
    request = again;
    if (!env.online()) return waitForNetwork();
    lastReason = reason;
    wait(ending);
  }

  function wait(ending: Ending) {
    const ms = delayOf(ending, failures, options, env.random);
    toldWhen = ending.delay !== undefined;
    timer = env.setTimeout(() => (env.online() ? attempt() : waitForNetwork()), ms);
    become(reconnecting("timer", env.now() + ms, ending.reason));
  }

  /** Begins an attempt. In the next microtask, so that connect, close and connect in one turn open one socket. */
  function attempt() {
    drop();
    const mine = round;
    become(answerAwaited());
    Promise.resolve().then(() => {
      if (mine === round) prepare();
    });
  }

  function prepare() {
    const url = socketAddress(options.url);
    if (typeof url !== "string") return end(url);
    const Socket = options.WebSocket ?? (globalThis as { WebSocket?: SocketConstructor }).WebSocket;
    if (!Socket) {
      const message =
        "There is no WebSocket here. In Node before 22 pass the one of the package ws: { WebSocket }.";
      return end({ code: "no_websocket", message });
    }
    if (!getToken) return open(Socket, url, options.token ?? null);
    const why = request;
    cancelToken = askToken(getToken, why, env, (answer) => {
      if (!("error" in answer)) {
        if (answer.token || why !== "unauthorized") return open(Socket, url, answer.token);
        return end(unauthorized("The server did not accept the token, and there is no other."));
      }
      const cause = textOf(answer.error);
      if (why === "unauthorized") {
        return end(unauthorized(`The server did not accept the token, and getting another failed: ${cause}`));
      }
      failed(problem("token", `Getting a token failed: ${cause}`));
    });
  }

  function open(Socket: SocketConstructor, url: string, token: string | null) {
    let reached = false;
    timer = env.setTimeout(() => {
      failed(
        reached
          ? problem("silent", "The server did not welcome this client in time.")
          : problem("unreachable", "The server did not answer in time."),
      );
    }, WELCOME_LIMIT);
    try {
      const made = (socket = new Socket(...socketArguments(url, token)));
      made.onopen = () => {
        reached = true;
      };
      made.onerror = ignore;
      made.onmessage = ({ data }) => {
        if (made === socket) message(data);
      };
      made.onclose = ({ code, reason }) => {
        if (made === socket) closed(code, reason, reached, token);
      };
    } catch {
      failed(problem("unreachable", "The connection could not be made."));
    }
  }

  function message(data: unknown) {
    beat?.heard();
    const read = readFrame(data);
    if ("fault" in read) return listener.error(read.fault);
    const { frame } = read;
    if (state.status !== "open") {
      const connectionId = member(frame.data, "connection_id");
      // The server says nothing before its welcome.
      if (frame.type !== "connected" || typeof connectionId !== "string") return;
      const mine = round;
      welcome(connectionId);
      if (mine !== round) return;
    } else if (frame.type === "token_expiring") renew?.expiring(frame);
    listener.frame(frame);
  }

  function welcome(connectionId: string) {
    env.clearTimeout(timer);
    askedAgain = false;
    const { heartbeatInterval = 20_000, heartbeatTimeout = 8_000 } = options;
    beat = heartbeat(
      env,
      heartbeatInterval,
      heartbeatTimeout,
      () => send('{"type":"ping"}'),
      () => failed({ ...problem("silent", "The server stopped answering."), rule: "at_once" }),
    );
    if (getToken) {
      renew = renewal(
        getToken,
        env,
        (token) => send(JSON.stringify({ type: "refresh", token })),
        (cause) =>
          listener.error({ code: "token", message: `Renewing the token failed: ${textOf(cause)}`, cause }),
        (count) => delayOf({ rule: "backoff" }, count, options, env.random),
      );
    }
    become({ status: "open", connectionId, since: env.now(), reason: null });
  }

  function closed(code: number, text: string, reached: boolean, token: string | null) {
    // React Native has failures without a code.
    if (!code || code === 1006) {
      return failed(
        reached
          ? problem("lost", "The connection broke off.", code)
          : problem("unreachable", "The server could not be reached, or refused the connection.", code),
      );
    }
    const ending = endingOf(code, text);
    if (ending.reason.code !== "unauthorized") return failed(ending);
    if (!getToken) {
      const what = token
        ? "The server did not accept the token: it is wrong, has expired, or its session was ended."
        : "The server wants a token, and this client has none.";
      return end(unauthorized(what));
    }
    if (askedAgain) return end(unauthorized("The server did not accept the new token either."));
    askedAgain = true;
    // A server that welcomes and refuses in turn is not asked without a pause.
    if (state.status === "open" && env.now() - state.since < LASTED) {
      return failed({ reason: ending.reason, rule: "backoff" }, "unauthorized");
    }
    leave();
    lastReason = ending.reason;
    request = "unauthorized";
    attempt();
  }

  function send(text: string): boolean {
    if (state.status !== "open" || !socket) return false;
    try {
      socket.send(text);
      return true;
    } catch {
      return false;
    }
  }

  /** The network or the machine is back: no reason to wait, except that the server said until when. */
  function stir(online: boolean) {
    if (state.status === "open") return beat?.probe();
    if (state.status !== "reconnecting" || state.waiting === "answer" || !online) return;
    // Timers stand still while a machine sleeps.
    if (!toldWhen || env.now() >= (state.retryAt ?? 0)) attempt();
  }

  return {
    get state() {
      return state;
    },
    start() {
      if (state.status === "reconnecting" && state.waiting !== "answer") return attempt();
      if (state.status !== "closed" && !(state.status === "connecting" && !state.attempt)) return;
      failures = losses = 0;
      lastReason = null;
      askedAgain = false;
      request = "connect";
      downSince = env.now();
      unwatch = env.watch({
        online: () => stir(true),
        wake: () => stir(env.online()),
        offline() {
          if (state.status === "open") beat?.probe();
          // An attempt without a network would hang, and the network's return would have to wait for its end.
          else if (state.status !== "reconnecting" || state.waiting !== "network") waitForNetwork();
        },
      });
      if (env.online()) attempt();
      else waitForNetwork();
    },
    stop() {
      if (state.status !== "closed") end({ code: "closed", message: "The connection was closed here." });
    },
    send,
  };
};

function problem(code: ReasonCode, message: string, closeCode?: number): Ending {
  return { reason: { code, message, ...(closeCode === undefined ? {} : { closeCode }) }, rule: "backoff" };
}

function unauthorized(message: string): Reason {
  return { code: "unauthorized", message, closeCode: 4001 };
}
