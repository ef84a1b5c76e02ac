// A message of the socket as a frame, or what is wrong with it. Knows no types of frames.

import type { FanfareError, FanfareEvent } from "./types.js";

/** A frame that was read, or the fault of one that was not. */
export type Read = { readonly frame: FanfareEvent } | { readonly fault: FanfareError };

/**
 * Reads a message: text of a JSON object with a `type` of text. `data` may be absent (then undefined), a `timestamp` that is
 * no text becomes `""`, and other members stay. Binary messages are faults: the hub sends none.
 */
export function readFrame(message: unknown): Read {
  if (typeof message !== "string") return bad("The server sent a binary message; it was ignored.");
  let frame: unknown;
  try {
    frame = JSON.parse(message);
  } catch (cause) {
    return bad("The server sent a message that is not JSON; it was ignored.", cause);
  }
  if (typeof frame !== "object" || frame === null || !("type" in frame) || typeof frame.type !== "string") {
    return bad("The server sent a message without a type; it was ignored.");
  }
  const event = frame as { -readonly [K in keyof FanfareEvent]: FanfareEvent[K] };
  if (typeof event.timestamp !== "string") event.timestamp = "";
  return { frame: event };
}

function bad(message: string, cause?: unknown): Read {
  return { fault: { code: "bad_frame", message, ...(cause === undefined ? {} : { cause }) } };
}

/** A member of a value that came from the server; undefined if it is no object. */
export function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
