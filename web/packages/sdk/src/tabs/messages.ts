// What the tabs of one name say to each other, over a BroadcastChannel of the page's own origin. All of it is code of the same
// package: the version in the name of the channel keeps tabs with other messages apart.

import type { Places } from "../positions.js";
import type { ConnectionState, FanfareError, FanfareEvent } from "../types.js";

/** Grows with every change of the messages or locks. */
export const VERSION = 3;

/** To the tab that leads. */
export type ToLeader =
  /** A tab is there. `start`: its client was just told to connect. */
  | { readonly kind: "hello"; readonly from: string; readonly start: boolean }
  | { readonly kind: "bye"; readonly from: string }
  /** Are you alive? */
  | { readonly kind: "ask"; readonly from: string }
  /** The client was told to connect again, or now. */
  | { readonly kind: "start"; readonly from: string }
  /** A frame of a tab's client. */
  | { readonly kind: "send"; readonly from: string; readonly term: number; readonly text: string };

/** From the tab that leads; `to` is set where it is for one tab only. A higher term is a later leader. */
export type FromLeader = { readonly term: number; readonly to?: string } & (
  | { readonly kind: "lead" }
  | { readonly kind: "gone" }
  | { readonly kind: "alive" }
  /** The connection's state; for a tab that came later with the welcome of the connection that is open, and where it stands. */
  | {
      readonly kind: "state";
      readonly state: ConnectionState;
      readonly welcome?: FanfareEvent;
      readonly places?: Places;
    }
  /** The server told where the connection stands, and in which streams events are missing. */
  | { readonly kind: "told"; readonly places: Places; readonly missing: readonly string[] }
  | { readonly kind: "frame"; readonly frame: FanfareEvent }
  | { readonly kind: "error"; readonly error: FanfareError }
);

export type Message = ToLeader | FromLeader;

/** Any message, or undefined for what something else said on the channel. */
export function readMessage(data: unknown): Message | undefined {
  return typeof data === "object" && data !== null && "kind" in data ? (data as Message) : undefined;
}
