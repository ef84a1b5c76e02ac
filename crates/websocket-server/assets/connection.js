// One connection to /ws that comes back by itself: a state machine without DOM. Socket, clock, timers and chance are
// injected, so that a test can drive every path. It knows nothing of channels (subscriptions.js) or events (frames.js).
//
//   idle ─connect─► connecting ─welcome─► live ─close─► waiting ─timer, tryNow─► connecting
//   any ─disconnect─► offline            4001 ─► signed-out, a code that says never ─► offline, until connect()

import { explainClose } from "./close-codes.js";

const BACKOFF_MS = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000];
/** "At once" is spread a little, so that many clients do not come back in the same instant. */
const AT_ONCE_MS = 500;
const WELCOME_TIMEOUT_MS = 15_000;
/** The first ping waits until the page has drawn, or it would measure the drawing. */
const FIRST_PING_MS = 1_000;
const PING_EVERY_MS = 20_000;
const PONG_LATE_MS = 5_000;
const PONG_LOST_MS = 15_000;
/** Shortest pause, so that "full jitter" near zero cannot become a busy loop. */
const MIN_DELAY_MS = 100;

const SUBPROTOCOL_TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export class Connection {
  #environment;
  #listeners = { state: new Set(), frame: new Set(), close: new Set() };
  #socket = null;
  #address = "";
  #token = "";
  #failures = 0;
  #timers = {};
  #pingSentAt = null;
  #state;

  constructor(environment = {}) {
    this.#environment = {
      open: (url, protocols) => new WebSocket(url, protocols),
      now: () => Date.now(),
      monotonic: () => performance.now(),
      random: () => Math.random(),
      setTimeout: (run, ms) => setTimeout(run, ms),
      clearTimeout: (id) => clearTimeout(id),
      ...environment,
    };
    this.#state = { name: "idle", since: this.#environment.now(), offlineSince: null, roundTripMs: null };
  }

  /** The state as last told: `name`, `since`, `offlineSince`, and what belongs to the state. */
  get state() {
    return this.#state;
  }

  get address() {
    return this.#address;
  }

  get token() {
    return this.#token;
  }

  /** Listens to `state` (state), `frame` (text, arrivedAt) or `close` (entry). Returns the removal. */
  on(event, listener) {
    this.#listeners[event].add(listener);
    return () => this.#listeners[event].delete(listener);
  }

  /** Opens a connection to `address`, in place of the present one. Throws a `TypeError` on an address no socket takes. */
  connect(address, token) {
    this.#drop(1000, "replaced by the page");
    this.#address = address;
    this.#token = token;
    this.#failures = 0;
    this.#open();
  }

  /** Ends the connection, or the attempts to get one. */
  disconnect() {
    const wasOpen = this.#drop(1000, "disconnected by the page");
    if (wasOpen) {
      this.#emit("close", {
        at: this.#environment.now(), code: 1000, reason: "", name: "Normal closure", byPage: true,
        meaning: "You disconnected.", next: "Stays offline until you connect.",
      });
    }
    this.#become({ name: "offline", offlineSince: this.#state.offlineSince ?? this.#environment.now() });
  }

  /** Ends the pause before the next attempt. */
  tryNow() {
    if (this.#state.name === "waiting") this.#open();
  }

  /** Sends a frame if the connection is live; tells whether it did. */
  send(frame) {
    if (this.#state.name !== "live") return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Offers a new token to the open connection, which keeps its subscriptions. */
  refresh(token) {
    this.#token = token;
    return this.send({ type: "refresh", token });
  }

  /** Asks for a sign of life now instead of at the next interval. */
  ping() {
    if (this.#state.name !== "live" || this.#pingSentAt !== null) return;
    this.#cancel("ping");
    this.#pingSentAt = this.#environment.monotonic();
    this.send({ type: "ping" });
    this.#after("late", PONG_LATE_MS, () => this.#become({ ...this.#state, unansweredSince: this.#environment.now() }));
    this.#after("lost", PONG_LOST_MS, () => this.#lost("no answer to a ping for 15 s"));
  }

  #open() {
    this.#cancelAll();
    const { url, protocols } = this.#target();
    let socket;
    try {
      socket = this.#environment.open(url, protocols);
    } catch (error) {
      this.#become({ name: "offline", offlineSince: this.#environment.now(), cause: "The browser did not open this address" });
      throw new TypeError(error.message, { cause: error });
    }
    this.#socket = socket;
    let opened = false;
    const current = () => this.#socket === socket;
    socket.addEventListener("open", () => { opened = true; });
    socket.addEventListener("message", (event) => { if (current()) this.#received(event.data); });
    socket.addEventListener("close", (event) => {
      if (current()) this.#closed(event.code, event.reason, { opened });
    });
    this.#become({ name: "connecting", offlineSince: this.#state.offlineSince });
    this.#after("welcome", WELCOME_TIMEOUT_MS, () => this.#lost(opened ? "no welcome for 15 s" : "no answer for 15 s"));
  }

  /** A token travels as a second subprotocol, where no log records it; one that cannot goes into the query. */
  #target() {
    if (this.#token === "") return { url: this.#address, protocols: [] };
    if (SUBPROTOCOL_TOKEN.test(this.#token)) return { url: this.#address, protocols: ["fanfare", this.#token] };
    const url = new URL(this.#address);
    url.searchParams.set("token", this.#token);
    return { url: url.href, protocols: [] };
  }

  #received(text) {
    const arrivedAt = this.#environment.monotonic();
    if (typeof text !== "string") return;
    let frame = null;
    try {
      frame = JSON.parse(text);
    } catch {
      // The frame stream shows it as it came.
    }
    if (this.#state.name === "connecting") this.#welcomed(frame);
    if (frame?.type === "pong") this.#ponged(arrivedAt);
    this.#emit("frame", { text, frame, arrivedAt });
  }

  #welcomed(frame) {
    this.#cancel("welcome");
    this.#failures = 0;
    this.#become({ name: "live", offlineSince: null, connectionId: frame?.data?.connection_id ?? null });
    this.#after("ping", FIRST_PING_MS, () => this.ping());
  }

  #ponged(arrivedAt) {
    if (this.#pingSentAt === null) return;
    const roundTripMs = arrivedAt - this.#pingSentAt;
    this.#pingSentAt = null;
    this.#cancel("late");
    this.#cancel("lost");
    this.#after("ping", PING_EVERY_MS, () => this.ping());
    this.#become({ ...this.#state, roundTripMs, unansweredSince: undefined });
  }

  /** The peer is gone though the socket does not know it yet. */
  #lost(reason) {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#closed(1006, "", { opened: true, silent: reason });
  }

  #closed(code, reason, { opened, silent }) {
    this.#socket = null;
    this.#cancelAll();
    const now = this.#environment.now();
    const known = explainClose(code, reason);
    const offlineSince = this.#state.offlineSince ?? now;
    const entry = { at: now, code, reason, name: known.name, meaning: known.meaning, byPage: false };
    if (silent) entry.meaning = `The page gave up: ${silent}.`;
    else if (!opened) {
      entry.name = "Could not connect";
      entry.meaning = "No server there, or it refused the handshake (this page's origin, its connection limit, a drain). Browsers do not tell which.";
    }
    if (known.comeBack === "newToken") {
      entry.next = "Waits for another token.";
      this.#become({ name: "signed-out", offlineSince, hadToken: this.#token !== "" });
    } else if (known.comeBack === "never" && known.askedDelayMs === null) {
      entry.next = "Stays offline until you connect.";
      this.#become({ name: "offline", offlineSince, code, cause: entry.name });
    } else {
      const delay = this.#delay(known);
      this.#failures += 1;
      entry.next = `${known.askedDelayMs === null ? "Tries again" : "Comes back as asked"} in ${seconds(delay)}.`;
      this.#become({
        name: "waiting", offlineSince, retryAt: now + delay, code, cause: entry.name,
      });
      this.#after("retry", delay, () => this.#open());
    }
    this.#emit("close", entry);
  }

  /** The pause that the server asked for, else full jitter below a doubling limit. */
  #delay({ comeBack, askedDelayMs }) {
    if (askedDelayMs !== null) return Math.max(askedDelayMs, MIN_DELAY_MS);
    const limit = comeBack === "atOnce" && this.#failures === 0 ? AT_ONCE_MS
      : BACKOFF_MS[Math.min(this.#failures, BACKOFF_MS.length - 1)];
    return Math.max(MIN_DELAY_MS, this.#environment.random() * limit);
  }

  #drop(code, reason) {
    this.#cancelAll();
    const socket = this.#socket;
    this.#socket = null;
    this.#pingSentAt = null;
    socket?.close(code, reason);
    return socket !== null;
  }

  #become(state) {
    const since = state.name === this.#state.name ? this.#state.since : this.#environment.now();
    this.#state = { roundTripMs: null, ...state, since };
    this.#emit("state", this.#state);
  }

  #emit(event, value) {
    for (const listener of this.#listeners[event]) listener(value);
  }

  #after(name, ms, run) {
    this.#cancel(name);
    this.#timers[name] = this.#environment.setTimeout(run, ms);
  }

  #cancel(name) {
    this.#environment.clearTimeout(this.#timers[name]);
    delete this.#timers[name];
  }

  #cancelAll() {
    for (const name of Object.keys(this.#timers)) this.#cancel(name);
    this.#pingSentAt = null;
  }
}

/** "0.4 s", "2.5 s", "12 s". */
function seconds(ms) {
  return `${ms < 10_000 ? Math.round(ms / 100) / 10 : Math.round(ms / 1000)} s`;
}
