// Frames and events by window of time: how many messages of the socket, and how many events in them, came in each of the last
// windows. Answers of the protocol are not counted. No DOM, no clock of its own.

/** Windows that are kept. */
export const WINDOWS = 40;

const ANSWERS = new Set(["subscribed", "unsubscribed", "pong", "error", "reconnected"]);

/** How many events a message of the socket holds. 0: it is an answer, or no frame. */
export function eventsIn(text) {
  if (typeof text !== "string") return 0;
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    return 0;
  }
  if (frame?.type === "batch_update" && Array.isArray(frame.messages)) return frame.messages.length;
  return typeof frame?.type !== "string" || ANSWERS.has(frame.type) ? 0 : 1;
}

export class Windows {
  #length;
  #counts = new Map();
  #frames = 0;
  #events = 0;
  #last = null;

  /** `length` of a window in milliseconds. */
  constructor(length) {
    this.#length = length;
  }

  get length() {
    return this.#length;
  }

  /** All since the page was loaded, and the last window in which something came. */
  get totals() {
    return { frames: this.#frames, events: this.#events, last: this.#last === null ? null : this.#counts.get(this.#last) ?? null };
  }

  /** Counts a message with so many events. */
  add(events, now) {
    const window = Math.floor(now / this.#length);
    const count = this.#counts.get(window) ?? { frames: 0, events: 0 };
    count.frames += 1;
    count.events += events;
    this.#counts.set(window, count);
    this.#last = window;
    this.#frames += 1;
    this.#events += events;
    for (const old of this.#counts.keys()) {
      if (old > window - WINDOWS) break;
      this.#counts.delete(old);
    }
  }

  /** The last windows, the oldest first, each `{frames, events}`. */
  columns(now) {
    const newest = Math.floor(now / this.#length);
    return Array.from({ length: WINDOWS }, (_, n) => this.#counts.get(newest - WINDOWS + 1 + n) ?? { frames: 0, events: 0 });
  }
}
