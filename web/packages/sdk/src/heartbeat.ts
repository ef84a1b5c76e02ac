// Notices that a connection is dead: a ping after a silence, and the end if nothing comes back. One for each connection.
// Says only `ping` and `dead`; what follows is the connection's business.

import type { Environment } from "./types.js";

/** After a wake or a change of the network a ping has this long, milliseconds. */
const SHORT = 5_000;

/** A timer that fires so much too late, milliseconds, was held up by a sleeping machine or a frozen page. */
const LATE = 2_000;

/** A running heartbeat. */
export interface Heartbeat {
  /** A frame came; any one is a sign of life. */
  heard(): void;
  /** Asks for a sign of life now, with a short limit. */
  probe(): void;
  stop(): void;
}

/** Starts one: pings after `interval` ms without a frame, and calls `dead` if none comes within `timeout` ms. */
export function heartbeat(
  env: Environment,
  interval: number,
  timeout: number,
  ping: () => void,
  dead: () => void,
): Heartbeat {
  const short = Math.min(SHORT, timeout);
  let last = env.now();
  let due = 0;
  let pinged = false;
  let forgiven = false;
  let timer: unknown;

  const arm = (ms: number) => {
    env.clearTimeout(timer);
    due = env.now() + ms;
    timer = env.setTimeout(fire, ms);
  };
  const ask = (limit: number) => {
    pinged = true;
    arm(limit);
    ping();
  };
  const fire = () => {
    const now = env.now();
    const late = now - due > LATE;
    if (pinged) {
      // The answer of a machine that slept may still lie in its buffers: once, it gets another chance.
      if (!late || forgiven) return dead();
      forgiven = true;
      return ask(short);
    }
    // A clock that was set back says nothing of the silence: then a ping does.
    if (now >= last && now - last < interval) return arm(interval - (now - last));
    ask(late ? short : timeout);
  };

  arm(interval);
  return {
    heard() {
      // No timer is touched: at 1,000 frames a second that would be the main cost.
      last = env.now();
      pinged = forgiven = false;
    },
    probe() {
      if (!pinged || due - env.now() > short) ask(short);
    },
    stop: () => env.clearTimeout(timer),
  };
}
