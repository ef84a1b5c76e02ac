// Flat frames, `{"type":T, …members, "timestamp":S}`: a message of the socket as a list of them, a batch taken apart. Knows no types
// but the batch's. Frames with their members under `data` are the SDK's business.

import type { FanfareError } from "../../sdk/src/types.js";

/** A frame: the members stand beside its type. */
export interface FlatFrame {
  readonly type: string;
  readonly timestamp?: unknown;
  readonly [member: string]: unknown;
}

/** A frame, and the text by which a repetition of it is known. */
export interface Arrival {
  readonly frame: FlatFrame;
  readonly text: string;
}

/** What a message held: frames in order, and the faults of those that were none. */
export interface Read {
  readonly arrivals: readonly Arrival[];
  readonly faults: readonly FanfareError[];
}

/** Reads a message: the text of a JSON object with a `type` of text. The messages of a `batch_update` come one by one. */
export function readFlat(message: unknown): Read {
  if (typeof message !== "string") return bad("The server sent a binary message; it was ignored.");
  let value: unknown;
  try {
    value = JSON.parse(message);
  } catch (cause) {
    return bad("The server sent a message that is not JSON; it was ignored.", cause);
  }
  if (!isFrame(value)) return bad("The server sent a message without a type; it was ignored.");
  if (value.type !== "batch_update" || !Array.isArray(value.messages)) {
    return { arrivals: [{ frame: value, text: message }], faults: [] };
  }
  const arrivals: Arrival[] = [];
  const faults: FanfareError[] = [];
  for (const inner of value.messages as unknown[]) {
    if (isFrame(inner)) arrivals.push({ frame: inner, text: JSON.stringify(inner) });
    else faults.push(fault("The server sent a batch with a message without a type; that one was ignored."));
  }
  return { arrivals, faults };
}

function isFrame(value: unknown): value is FlatFrame {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function bad(message: string, cause?: unknown): Read {
  return { arrivals: [], faults: [fault(message, cause)] };
}

function fault(message: string, cause?: unknown): FanfareError {
  return { code: "bad_frame", message, ...(cause === undefined ? {} : { cause }) };
}
