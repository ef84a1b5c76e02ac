// What was published in a channel before. The public door of `@fanfare/client/history`.

import { AskError, ask } from "./ask.js";
import type { Client, EventTypes, FanfareEvent, ServerFrames } from "./types.js";

export { AskError };

/** Which part of a channel's history. */
export interface HistoryOptions {
  /** At most so many events, 1 to 1,000. Default: 50. */
  readonly limit?: number;
  /** Only events with a lower offset than this. Default: the newest. */
  readonly before?: number;
}

/** A part of a channel's history. */
export interface HistoryPage {
  readonly channel: string;
  /** The epoch of the channel: offsets of another one are of other events. */
  readonly epoch: string;
  /** The newest first, each with its `id`, `offset` and `epoch`. */
  readonly events: readonly FanfareEvent[];
  /** Whether there are older ones: ask again with the last one's offset as `before`. */
  readonly more: boolean;
}

/**
 * The events of a channel that the server still has, the newest first. It need not be followed, but one must be allowed to.
 * Questions about one channel are asked one after the other.
 *
 * ```ts
 * const page = await history(client, "jobs", { limit: 20 });
 * const older = page.more ? await history(client, "jobs", { before: page.events.at(-1)?.offset }) : null;
 * ```
 *
 * @throws AskError if the server refuses, knows no history, does not answer within 15 s, or there is no connection. What the
 *   server refuses goes to `onError` as well.
 */
export function history<Events = EventTypes>(
  client: Client<Events>,
  channel: string,
  { limit, before }: { readonly [Name in keyof HistoryOptions]: HistoryOptions[Name] | undefined } = {},
): Promise<HistoryPage> {
  const data = {
    channel,
    ...(limit === undefined ? {} : { limit }),
    ...(before === undefined ? {} : { before }),
  };
  return ask<ServerFrames["history"]>(client as unknown as Client, "history", data);
}
