// What the elements work with when the page gives them no inbox: where the service is, whose token, and where events come from.

import { createClient } from "@fanfare/client";
import { liveFromClient, liveFromSocketIo } from "../live.js";
import type { Live, ServiceOptions } from "../types.js";

/** Where pages of `/js/websocket.js` keep their token. */
const TOKEN_KEY = "auth_token";

/** Gives a user's token. */
export type GetToken = ServiceOptions["getToken"];

/** A source of events, and its end. */
export interface Source {
  readonly live: Live | null;
  end(): void;
}

/** `auto`: the page's `window.ws` where there is one, else as `ws`: a connection of its own. */
export type LiveKind = "auto" | "ws" | "socketio" | "none";

/** The script that this comes in, when it is a classic one. */
const script = (globalThis.document?.currentScript ?? null) as HTMLScriptElement | null;

/** Where the hub is when nobody says it: where this script came from, else the page's own host. */
export function defaultBase(): string {
  const from = script?.src ? new URL(script.src) : null;
  return from && /^https?:$/.test(from.protocol) ? `${from.origin}/` : "/";
}

/** The token that the page's other scripts use. */
export function storedToken(): string | null {
  try {
    return globalThis.localStorage?.getItem(TOKEN_KEY) ?? null;
  } catch {
    return null;
  }
}

/** Whether a change of the storage is one of the token. */
export function isToken({ key }: StorageEvent): boolean {
  return key === TOKEN_KEY || key === null;
}

/** Events of that kind. */
export function sourceOf(kind: LiveKind, base: string, getToken: GetToken): Source {
  const none = { live: null, end() {} };
  if (kind === "none") return none;
  const { ws } = globalThis as { ws?: unknown };
  const isThere = typeof ws === "object" && ws !== null && "sockets" in ws;
  if (isThere && kind !== "ws") return { live: liveFromSocketIo(ws), end() {} };
  if (kind === "socketio") return none;
  const client = createClient({
    url: `${base.replace(/\/+$/, "")}/ws`,
    getToken: (request) => getToken(request === "unauthorized" ? request : "connect"),
  });
  // What goes wrong with it shows in the list, which is fetched by other means.
  client.onError(() => {});
  return { live: liveFromClient(client), end: () => client.close() };
}
