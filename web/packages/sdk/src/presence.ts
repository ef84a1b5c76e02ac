// Who follows a channel. The public door of `@fanfare/client/presence`.

import { AskError, ask } from "./ask.js";
import type { Client, EventTypes, PresentUser, Remove, ServerFrames } from "./types.js";

export type { PresentUser };
export { AskError };

/** Who follows a channel. */
export interface Presence {
  /** Who is there, each user once; the server may leave some out where there are very many. */
  readonly users: readonly PresentUser[];
  /** How many there are in truth. */
  readonly count: number;
}

/**
 * Who follows a channel now. Users without a sign-in are not counted.
 *
 * @throws AskError if the server refuses, knows no presence, does not answer within 15 s, or there is no connection. What the
 *   server refuses goes to `onError` as well.
 */
export async function presence<Events = EventTypes>(
  client: Client<Events>,
  channel: string,
): Promise<Presence> {
  const { users, count } = await ask<ServerFrames["presence"]>(client as unknown as Client, "presence", {
    channel,
  });
  return { users, count };
}

interface Watch {
  readonly listeners: Set<{ readonly tell: (presence: Presence) => void }>;
  now: Presence | undefined;
  readonly stop: Remove;
}

const watches = new WeakMap<object, Map<string, Watch>>();

/**
 * Calls `listener` with who follows a channel: as soon as it is known, and after each change, until the returned function is called.
 * Changes come in batches. While there is no connection the last answer stands; after a reconnect comes the next one. What the
 * server refuses goes to `onError`.
 */
export function watchPresence<Events = EventTypes>(
  client: Client<Events>,
  channel: string,
  listener: (presence: Presence) => void,
): Remove {
  const all = watches.get(client) ?? new Map<string, Watch>();
  watches.set(client, all);
  let watch = all.get(channel);
  if (!watch) all.set(channel, (watch = begin(client as unknown as Client, channel)));
  const mine = watch;
  const entry = { tell: listener };
  mine.listeners.add(entry);
  if (mine.now) listener(mine.now);
  return () => {
    if (!mine.listeners.delete(entry) || mine.listeners.size) return;
    all.delete(channel);
    mine.stop();
  };
}

function begin(client: Client, channel: string): Watch {
  const users = new Map<string, PresentUser>();
  // The number 7 and the text "7" are one user for the server.
  const keyOf = ({ user_id }: { readonly user_id: string | number }) => String(user_id);
  const request = (on: boolean) => client.send("presence", { channel, watch: on });
  const tell = (count: number) => {
    watch.now = { users: [...users.values()], count };
    for (const { tell } of [...watch.listeners]) tell(watch.now);
  };
  const removals = [
    client.on("presence", (data) => {
      if (data.channel !== channel) return;
      users.clear();
      for (const user of data.users) users.set(keyOf(user), user);
      tell(data.count);
    }),
    client.on("presence_changed", (data) => {
      if (data.channel !== channel) return;
      // More changed than could be told.
      if (data.truncated) return void request(true);
      for (const user of data.left) users.delete(keyOf(user));
      for (const user of data.joined) users.set(keyOf(user), user);
      tell(data.count);
    }),
    client.onState(({ status }) => {
      if (status === "open") request(true);
    }),
  ];
  const watch: Watch = {
    listeners: new Set(),
    now: undefined,
    stop() {
      for (const remove of removals) remove();
      request(false);
    },
  };
  request(true);
  return watch;
}
