// The subscriptions of all tabs as one: which tab follows what, what the server is asked for, and whose answer an answer is.
// Held by the tab that leads, for one connection after the other. It knows neither locks nor other tabs' messages.
//
// A channel is asked for when the first tab follows it, and given back when no tab does any more. A tab that comes later is
// answered from here. What one turn changes goes out in one frame, and never so many frames that the server's limit is near.

import { member } from "../frames.js";
import { frameBudget, PER_FRAME } from "../limits.js";
import { requestOf } from "../requests.js";
import type { Environment, FanfareEvent } from "../types.js";
import { asks } from "./asks.js";

/** How the frames of requests begin, in `answers.ts`: the number of one is a tab's own. */
const REQUEST = '{"ref":"';

interface Channel {
  /** Who follows it. */
  readonly tabs: Set<string>;
  /** Who of them has no answer yet. */
  readonly waiting: Set<string>;
  /** The frames that asked for it and have no answer yet, by their names. */
  readonly asked: (readonly string[])[];
  /** Whether the last frame about it was a subscription. */
  wanted: boolean;
  inForce: boolean;
}

/** What the union needs of the tab that leads. */
export interface UnionHost {
  readonly env: Environment;
  /** Sends to the server; false if there is no connection. */
  send(text: string): boolean;
  /** Gives a frame to one tab, or to all. */
  deliver(frame: FanfareEvent, to?: string): void;
}

/** The subscriptions of all tabs. */
export interface Union {
  /** A frame that a tab sends. False if there is no connection. */
  send(tab: string, text: string): boolean;
  /** A frame of the server's: answers go to those who asked, all others to all. */
  received(frame: FanfareEvent): void;
  /** The tab is gone. */
  forget(tab: string): void;
  /** The connection is gone, and with it all subscriptions; the tabs ask again on the next one. */
  lost(): void;
}

/** Makes an empty union. */
export function union({ env, send, deliver }: UnionHost): Union {
  const channels = new Map<string, Channel>();
  const questions = asks();
  /** What the next flush looks at. */
  const touched = new Set<string>();
  let planned = false;
  const budget = frameBudget(env, flush);
  /** Counts connections: an answer of an old one is none. */
  let round = 0;

  function plan() {
    if (planned || budget.spent) return;
    planned = true;
    Promise.resolve().then(flush);
  }

  function flush() {
    planned = false;
    const leave: string[] = [];
    const join: string[] = [];
    for (const name of touched) {
      const channel = channels.get(name);
      if (!channel) continue;
      if (channel.tabs.size && !channel.wanted) join.push(name);
      if (!channel.tabs.size && channel.wanted) leave.push(name);
    }
    touched.clear();
    // What goes comes first, since the server counts.
    hand("unsubscribe", leave);
    hand("subscribe", join);
  }

  function hand(type: "subscribe" | "unsubscribe", names: string[]) {
    for (let at = 0; at < names.length; at += PER_FRAME) {
      const frame = names.slice(at, at + PER_FRAME);
      if (!budget.take()) {
        for (const name of names.slice(at)) touched.add(name);
        return;
      }
      // Without a connection `lost` comes, and everything begins anew.
      if (!send(JSON.stringify({ type, channels: frame }))) return;
      for (const name of frame) {
        const channel = channels.get(name);
        if (!channel) continue;
        channel.wanted = type === "subscribe";
        channel.inForce = false;
        if (channel.wanted) channel.asked.push(frame);
        tidy(name, channel);
      }
    }
  }

  function tidy(name: string, channel: Channel) {
    if (!channel.tabs.size && !channel.wanted && !channel.asked.length) channels.delete(name);
  }

  /** In a turn of its own: who asks does not expect the answer while it still asks. */
  function answer(type: "subscribed" | "unsubscribed", names: readonly string[], tab: string) {
    const mine = round;
    Promise.resolve().then(() => {
      if (mine === round) deliver({ type, data: { channels: names }, timestamp: stamp() }, tab);
    });
  }

  function stamp(): string {
    return new Date(env.now()).toISOString();
  }

  function follow(tab: string, names: readonly string[]) {
    const known: string[] = [];
    for (const name of names) {
      let channel = channels.get(name);
      if (!channel) {
        channel = { tabs: new Set(), waiting: new Set(), asked: [], wanted: false, inForce: false };
        channels.set(name, channel);
      }
      channel.tabs.add(tab);
      if (channel.inForce) known.push(name);
      else channel.waiting.add(tab);
      touched.add(name);
    }
    if (known.length) answer("subscribed", known, tab);
    plan();
  }

  function drop(tab: string, names: Iterable<string>) {
    for (const name of names) {
      const channel = channels.get(name);
      channel?.waiting.delete(tab);
      if (channel?.tabs.delete(tab)) touched.add(name);
    }
    plan();
  }

  function confirmed(frame: FanfareEvent, names: readonly unknown[]) {
    const answers = new Map<string, unknown[]>();
    const others = names.filter((name) => {
      const channel = channels.get(name as string);
      if (!channel?.asked.length) return true;
      channel.asked.shift();
      if (!channel.asked.length && channel.wanted) {
        channel.inForce = true;
        for (const tab of channel.waiting) answers.set(tab, [...(answers.get(tab) ?? []), name]);
        channel.waiting.clear();
      }
      tidy(name as string, channel);
      return false;
    });
    for (const [tab, list] of answers) deliver({ ...frame, data: { channels: list } }, tab);
    // Asked for past this bookkeeping, by a frame that went to the server as it was.
    if (others.length || !names.length) deliver({ ...frame, data: { channels: others } });
  }

  /** False if nobody asked for the channel. */
  function refused(frame: FanfareEvent, name: string): boolean {
    const asked = channels.get(name)?.asked[0];
    if (!asked) return false;
    refuse(frame, name, asked);
    // Of those that are too many the server names only the first.
    if (member(frame.data, "code") === "too_many_channels") {
      for (const next of asked.slice(asked.indexOf(name) + 1)) refuse(frame, next, asked);
    }
    return true;
  }

  function refuse(frame: FanfareEvent, name: string, asked: readonly string[]) {
    const channel = channels.get(name);
    if (channel?.asked[0] !== asked) return;
    channel.asked.shift();
    if (channel.asked.length || !channel.wanted) {
      tidy(name, channel);
      return;
    }
    channels.delete(name);
    const data = { ...(frame.data as object), channel: name };
    for (const tab of channel.waiting) deliver({ ...frame, data }, tab);
  }

  /** The answer to a request goes to its tab, under the number that the tab knows; that to another frame to all. */
  function answered(frame: FanfareEvent, data: unknown) {
    const ref = member(data, "ref");
    const [, tab, own] = (typeof ref === "string" && /^(.+):(\d+)$/.exec(ref)) || [];
    if (tab) deliver({ ...frame, data: { ...(data as object), ref: own } }, tab);
    else deliver(frame);
  }

  return {
    send(tab, text) {
      // The server's 64 bytes are enough for a UUID and a number.
      if (text.startsWith(REQUEST)) return send(`${REQUEST}${tab}:${text.slice(REQUEST.length)}`);
      const request = requestOf(text);
      if (!request) return questions.sent(tab, text) || send(text);
      if (request.type === "subscribe") follow(tab, request.names);
      else {
        drop(tab, request.names);
        answer("unsubscribed", request.names, tab);
      }
      return true;
    },
    received(frame) {
      const { type, data } = frame;
      const names = member(data, "channels");
      const channel = member(data, "channel");
      if (type === "subscribed" && Array.isArray(names)) return confirmed(frame, names);
      if (type === "ack") return answered(frame, data);
      // The tabs had theirs when they asked.
      if (type === "unsubscribed") return;
      if (type === "error" && typeof channel === "string" && refused(frame, channel)) return;
      deliver(frame, questions.answered(frame));
    },
    forget(tab) {
      drop(tab, channels.keys());
      for (const text of questions.forget(tab)) send(text);
    },
    lost() {
      round++;
      budget.reset();
      channels.clear();
      questions.lost();
      touched.clear();
    },
  };
}
