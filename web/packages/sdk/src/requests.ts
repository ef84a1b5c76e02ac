// Requests about channels among the frames that go to the server. Read where somebody stands between a client and its socket.

import { member } from "./frames.js";
import { isChannelName } from "./limits.js";

/** A request about channels; each name once. */
export interface ChannelRequest {
  readonly type: "subscribe" | "unsubscribe";
  readonly names: readonly string[];
  /** The frame as it was. */
  readonly text: string;
}

/** A request about channels, as the server would read it; undefined for all else, also if a name is none. */
export function requestOf(text: string): ChannelRequest | undefined {
  if (!text.includes("subscribe")) return undefined;
  try {
    const frame: unknown = JSON.parse(text);
    const type = member(frame, "type");
    if (type !== "subscribe" && type !== "unsubscribe") return undefined;
    const data = member(frame, "data");
    const given =
      member(frame, "channels") ??
      member(frame, "channel") ??
      member(data, "channels") ??
      member(data, "channel");
    const names: unknown[] = Array.isArray(given) ? given : [given];
    if (!names.length || !names.every(isChannelName)) return undefined;
    return { type, names: [...new Set(names)], text };
  } catch {
    return undefined;
  }
}
