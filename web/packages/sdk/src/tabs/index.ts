// One connection for all tabs of a page's origin. What to know of it is here; the tab's part is in tab.ts, the subscriptions of
// all tabs in union.ts, what they say to each other in messages.ts.

import { addressOf } from "../address.js";
import { socketConnection } from "../connection.js";
import { socketTransport } from "../transport.js";
import type { ClientOptions, Reason, TransportFactory } from "../types.js";
import { browserPlatform } from "./platform.js";
import { tab } from "./tab.js";

/** How tabs share. */
export interface SharedTabsOptions {
  /**
   * Tabs of the same origin and name share a connection. Default: the url. All of them are one user for the server, namely the one
   * of the leading tab's token: an app where people sign in adds the user's id, `` `paychain:${userId}` ``.
   */
  name?: string;
}

/**
 * Shares one connection among the tabs of an origin:
 *
 * ```ts
 * const client = createClient({ url: "/ws", getToken, transport: sharedTabs({ name: `shop:${userId}` }) });
 * ```
 *
 * One tab leads: it holds the connection, asks its own `getToken`, and passes on what it gets. When it is closed or left, the next
 * one takes over, connects, subscribes anew and recovers what all have missed; all tabs are `reconnecting` until then. A tab that was frozen and does not answer for
 * 10 s loses the lead to one that is visible. Nothing is delivered twice to a tab. Where the browser has no Web Locks or no
 * `BroadcastChannel` (a page over plain http that is not on localhost, Node), each client has a connection of its own.
 *
 * What differs from a connection of one's own:
 *
 * - A tab also gets events of channels that only another tab follows, and hears of their gaps.
 * - A tab that was left or frozen and comes back to a connection that went on has missed what went over it: it is told a gap.
 * - `connectionId` is that of all tabs, and `except_connection_id` leaves all of them out. The server's limits (100 channels, 100
 *   frames in 10 s) are for all tabs together.
 * - Answers go to the tab that asked for a channel, and that made a request. A `pong`, and an `error` about no channel, go to all tabs.
 * - Browsers slow down the timers of hidden tabs, to one turn a minute at worst. Events are passed on at once all the same; but a leader
 *   that is hidden may notice a dead network only after two minutes, and try a reconnect up to a minute late. `connect()` in any tab
 *   makes it try at once.
 * - `close()` ends the share for this client only. `unsubscribed` is answered at once; the server hears of it when no tab follows.
 */
export function sharedTabs(options: SharedTabsOptions = {}): TransportFactory {
  return (client, listener) => {
    const platform = browserPlatform();
    if (!platform) return socketTransport(client, listener);
    return tab(options.name ?? defaultName(client), platform, socketConnection, client, listener);
  };
}

/** The address without what may be secret. Of one that is none, any name will do: no connection comes of it. */
function defaultName({ url }: ClientOptions): string {
  const address: URL | Reason = addressOf(url);
  if (!(address instanceof URL)) return "";
  address.searchParams.delete("token");
  return address.href;
}
