// What the server takes of a client that follows channels: names, channels in a frame, frames in a time. Read by the
// subscriptions of one client and by those of all tabs together.

import type { Environment } from "./types.js";

/** The most channels in one frame: 100 names of 200 bytes are well below the server's 64 KiB. */
export const PER_FRAME = 100;

/** At most so many frames in each 10 s, twice that across the border of two; the server closes at 100. */
const FRAMES = 40;
const WINDOW = 10_000;

const NAME = /^[A-Za-z0-9_\-:./@=]{1,200}$/;

/** Whether the server takes it as a channel's name. One that is none would make a whole frame invalid, or too large. */
export function isChannelName(name: unknown): name is string {
  return typeof name === "string" && NAME.test(name);
}

/** The frames that may still be sent on one connection. */
export interface FrameBudget {
  /** Whether it is used up, and `again` will be called. */
  readonly spent: boolean;
  /** Takes one frame. False if there is none left now. */
  take(): boolean;
  /** Another connection: the server counts anew, and `again` is not called any more for the last one. */
  reset(): void;
}

/** Makes one; `again` is called as soon as there are frames again after `take` said no. */
export function frameBudget(env: Environment, again: () => void): FrameBudget {
  let timer: unknown;
  let end = 0;
  let sent = 0;
  return {
    get spent() {
      return timer !== undefined;
    },
    take() {
      const now = env.now();
      // A clock that was set back must not lengthen it.
      if (now >= end || end > now + WINDOW) {
        end = now + WINDOW;
        sent = 0;
      }
      if (sent < FRAMES) {
        sent++;
        return true;
      }
      timer ??= env.setTimeout(() => {
        timer = undefined;
        again();
      }, end - now);
      return false;
    },
    reset() {
      env.clearTimeout(timer);
      timer = undefined;
      end = 0;
    },
  };
}
