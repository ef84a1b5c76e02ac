// Questions of the tabs about history and presence: whose answer an answer is, and for whom a channel's presence is watched.

import { member } from "../frames.js";
import type { FanfareEvent } from "../types.js";

/** The questions of all tabs on one connection. */
export interface Asks {
  /** A frame of a tab's. True if it need not go to the server: another tab still watches. */
  sent(tab: string, text: string): boolean;
  /** The tab that a frame of the server's answers; undefined if it answers none. */
  answered(frame: FanfareEvent): string | undefined;
  /** The tab is gone. Returns what is to be sent: channels that nobody watches any more. */
  forget(tab: string): string[];
  /** The connection is gone. */
  lost(): void;
}

/** Makes an empty book of questions. */
export function asks(): Asks {
  /** By type and channel, who asked, in order. */
  const waiting = new Map<string, string[]>();
  const watching = new Map<string, Set<string>>();

  function next(type: string, channel: unknown): string | undefined {
    const name = `${type} ${String(channel)}`;
    const tabs = waiting.get(name);
    const tab = tabs?.shift();
    if (!tabs?.length) waiting.delete(name);
    return tab;
  }

  return {
    sent(tab, text) {
      if (!/^\{"type":"(history|presence)"/.test(text)) return false;
      const frame: unknown = JSON.parse(text);
      const type = String(member(frame, "type"));
      const data = member(frame, "data");
      const channel = String(member(data, "channel"));
      const watch = member(data, "watch");
      const watchers = watching.get(channel) ?? new Set();
      if (watch === true) watching.set(channel, watchers.add(tab));
      if (watch === false && watchers.delete(tab)) {
        if (watchers.size) return true;
        watching.delete(channel);
      }
      const name = `${type} ${channel}`;
      waiting.set(name, [...(waiting.get(name) ?? []), tab]);
      return false;
    },
    answered({ type, data }) {
      const channel = member(data, "channel");
      if (type === "history" || type === "presence") return next(type, channel);
      if (type !== "error" || typeof channel !== "string") return undefined;
      return next("history", channel) ?? next("presence", channel);
    },
    forget(tab) {
      const unwatched = [...watching].filter(([, tabs]) => tabs.delete(tab) && !tabs.size);
      return unwatched.map(([channel]) => {
        watching.delete(channel);
        return JSON.stringify({ type: "presence", data: { channel, watch: false } });
      });
    },
    lost() {
      waiting.clear();
      watching.clear();
    },
  };
}
