// A bare WebSocket that comes back, as the pages in the field have it: it opens an address, says one thing or nothing, and passes
// on each text as it came. No heartbeat and no recovery: what is sent while it is away does not reach it. No DOM; socket, timers and
// chance are injected for tests.

import { explainClose } from "./close-codes.js";

/** Pauses before it comes back, milliseconds; less up to half by chance. */
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000];

/** A connection that lasted so long begins a new row of pauses. */
const LASTED_MS = 5_000;

/**
 * Connects to `url`. `hello` is a frame to begin with, `onText` gets each text, `onState` gets `{name, ...}`: `connecting`, `live`,
 * `waiting` with `retryAt` and `why`, or `offline` with `since` and `why`. Gives `{tryNow(), stop()}`.
 */
export function listen({ url, hello, onText, onState }, environment = {}) {
  const env = {
    open: (address) => new WebSocket(address),
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    now: () => Date.now(),
    random: () => Math.random(),
    ...environment,
  };
  let socket = null;
  let timer;
  let failures = 0;
  let openedAt = 0;

  function connect() {
    env.clearTimeout(timer);
    onState({ name: "connecting" });
    const mine = env.open(url);
    socket = mine;
    mine.onopen = () => {
      if (mine !== socket) return;
      openedAt = env.now();
      if (hello) mine.send(JSON.stringify(hello));
      onState({ name: "live" });
    };
    mine.onmessage = ({ data }) => {
      if (mine === socket) onText(data);
    };
    mine.onclose = ({ code, reason }) => {
      if (mine === socket) ended(code, reason);
    };
  }

  function ended(code, reason) {
    socket = null;
    const { meaning, comeBack, askedDelayMs } = explainClose(code, reason);
    if (openedAt > 0 && env.now() - openedAt >= LASTED_MS) failures = 0;
    openedAt = 0;
    if (comeBack === "never" || comeBack === "newToken") {
      onState({ name: "offline", since: env.now(), why: meaning });
      return;
    }
    const longest = PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)];
    failures += 1;
    const pause = askedDelayMs ?? Math.round(longest * (1 - env.random() / 2));
    timer = env.setTimeout(connect, pause);
    onState({ name: "waiting", retryAt: env.now() + pause, why: meaning });
  }

  connect();
  return {
    /** Ends a pause, or connects again after an end. */
    tryNow() {
      if (socket === null) connect();
    },
    /** Ends it for good. */
    stop() {
      env.clearTimeout(timer);
      const old = socket;
      socket = null;
      old?.close(1000);
    },
  };
}
