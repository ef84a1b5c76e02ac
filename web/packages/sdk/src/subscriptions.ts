// Which channels are followed, by how many, and what the server said of each. Turns changes into few frames: those of one turn
// go out together, at most 100 channels in a frame, and never so many frames that the server's rate limit is near.

import { frameBudget, isChannelName, PER_FRAME } from "./limits.js";
import type { ChannelState, Environment, FanfareError } from "./types.js";

/** The most names that are kept; the server's own limit for a connection is 100 by default. */
export const MOST_CHANNELS = 10_000;

const INVALID_NAME = "A channel's name has 1 to 200 characters of A–Z a–z 0–9 _ - : . / @ =.";

const PENDING: ChannelState = { status: "pending" };
const SUBSCRIBED: ChannelState = { status: "subscribed" };

interface Entry {
  count: number;
  state: ChannelState;
  /** Whether it is a name at all; one that is not stays refused and is never sent. */
  readonly valid: boolean;
  /** The names of the frame that asked for it on the present connection; undefined if none did, or it was refused. */
  frame: readonly string[] | undefined;
}

/** What the subscriptions need of their client. */
export interface SubscriptionsHost {
  readonly env: Environment;
  /** Sends a frame, while there is a connection. */
  send(frame: object): void;
  changed(name: string): void;
  error(error: FanfareError): void;
}

/** The channels of a client. */
export interface Subscriptions {
  /** Counts a name up; false if there are too many. */
  add(name: string): boolean;
  /** Counts a name down. */
  remove(name: string): void;
  state(name: string): ChannelState | undefined;
  /** A connection is there: asks for everything, what was refused too, since the token may be another. */
  opened(): void;
  /** The connection is gone. */
  lost(): void;
  /** The server said that these are in force. */
  confirmed(names: unknown): void;
  /** The server refused `error.channel`. */
  refused(error: FanfareError): void;
}

/** Makes an empty set of subscriptions. */
export function subscriptions({ env, send, changed, error }: SubscriptionsHost): Subscriptions {
  const entries = new Map<string, Entry>();
  /** What the next flush looks at. */
  const touched = new Set<string>();
  let open = false;
  let planned = false;
  const budget = frameBudget(env, plan);

  function set(name: string, entry: Entry, state: ChannelState) {
    if (entry.state === state) return;
    entry.state = state;
    if (entry.count) changed(name);
  }

  function refuse(name: string, entry: Entry, why: FanfareError) {
    entry.frame = undefined;
    set(name, entry, { status: "refused", error: why });
  }

  function touch(name: string) {
    touched.add(name);
    plan();
  }

  function plan() {
    if (planned) return;
    planned = true;
    Promise.resolve().then(flush);
  }

  function flush() {
    planned = false;
    const leave: string[] = [];
    const join: string[] = [];
    // What is touched from here on is for the next flush.
    const names = [...touched];
    touched.clear();
    for (const name of names) {
      const entry = entries.get(name);
      if (!entry) continue;
      if (entry.count) {
        if (!entry.frame && entry.valid) join.push(name);
      } else if (entry.frame) leave.push(name);
      else entries.delete(name);
    }
    if (!open) return;
    join.push(...waiting(leave.length - join.length));
    // What goes comes first, since the server counts.
    hand("unsubscribe", leave);
    hand("subscribe", join);
  }

  /** Up to `room` of those that were too many. */
  function waiting(room: number): string[] {
    if (room <= 0) return [];
    const tooMany = ([, { count, state }]: [string, Entry]) =>
      count && state.status === "refused" && state.error.code === "too_many_channels";
    return [...entries]
      .filter(tooMany)
      .slice(0, room)
      .map(([name]) => name);
  }

  function hand(type: "subscribe" | "unsubscribe", names: string[]) {
    for (let at = 0; at < names.length; at += PER_FRAME) {
      if (!budget.take()) {
        for (const name of names.slice(at)) touched.add(name);
        return;
      }
      const channels = names.slice(at, at + PER_FRAME);
      // Noted before it is sent, because another tab may answer at once. If it can't be sent, the connection is ending.
      for (const name of channels) {
        const entry = entries.get(name);
        if (!entry) continue;
        entry.frame = type === "subscribe" ? channels : undefined;
        if (entry.frame) set(name, entry, PENDING);
        else if (!entry.count) entries.delete(name);
      }
      send({ type, channels });
    }
  }

  function lost() {
    if (!open) return;
    open = false;
    budget.reset();
    for (const [name, entry] of entries) {
      entry.frame = undefined;
      if (entry.valid) set(name, entry, PENDING);
    }
  }

  return {
    add(name) {
      let entry = entries.get(name);
      if (!entry) {
        if (entries.size >= MOST_CHANNELS) return false;
        entry = {
          count: 0,
          state: PENDING,
          valid: isChannelName(name),
          frame: undefined,
        };
        entries.set(name, entry);
      }
      if (entry.count++) return true;
      touch(name);
      if (entry.valid) {
        if (!entry.frame) entry.state = PENDING;
        changed(name);
      } else {
        const why = { code: "invalid_channel", message: INVALID_NAME, channel: name };
        refuse(name, entry, why);
        error(why);
      }
      return true;
    },
    remove(name) {
      const entry = entries.get(name);
      if (!entry?.count || --entry.count) return;
      touch(name);
      changed(name);
    },
    state(name) {
      const entry = entries.get(name);
      return entry?.count ? entry.state : undefined;
    },
    opened() {
      // Another connection may follow without a gap, where tabs share one.
      lost();
      open = true;
      for (const name of entries.keys()) touched.add(name);
      plan();
    },
    lost,
    confirmed(names) {
      if (!Array.isArray(names)) return;
      for (const name of names) {
        const entry = entries.get(name);
        if (entry?.frame) set(name, entry, SUBSCRIBED);
      }
    },
    refused(why) {
      const frame = entries.get(why.channel as string)?.frame;
      if (!frame) return;
      // Of those that are too many the server names only the first.
      const last = why.code === "too_many_channels" ? frame.length : frame.indexOf(why.channel as string) + 1;
      for (const channel of frame.slice(frame.indexOf(why.channel as string), last)) {
        const entry = entries.get(channel);
        if (entry?.frame === frame && entry.state === PENDING) refuse(channel, entry, { ...why, channel });
      }
    },
  };
}
