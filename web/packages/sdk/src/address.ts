// Where to connect, and with what: the address of `/ws` from what a developer wrote, and the place of the token in it.
// Addresses are taken apart as text: React Native's `URL` changes what it is given, and can't be changed itself.

import type { Reason } from "./types.js";

/** What a subprotocol may consist of: a token of HTTP (RFC 9110, 5.6.2). */
const SUBPROTOCOL = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** An address with its scheme: whether it is secure, the host with its port, the rest without the fragment. */
const ADDRESS = /^(?:ws|http)(s?):\/\/([^/?#]+)([^#]*)/i;

/** Hosts that are this machine: a page over https may use `ws:` for them. */
const LOOPBACK = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

/** The address of a hub, or why there is none. A path is taken from the page's own origin. */
export function socketAddress(given: string | URL): string | Reason {
  const page = (globalThis as { location?: { href: string; protocol: string } }).location;
  let text = String(given ?? "").trim();
  try {
    // Nothing at all, as from a variable that is not set, would be the page itself.
    const resolved = new URL(text, text ? page?.href : undefined);
    if (!/^[a-z][a-z0-9+.-]*:/i.test(text)) text = resolved.href;
  } catch {
    text = "";
  }
  const parts = ADDRESS.exec(text);
  if (!parts) {
    // Without the query, which may hold a token.
    const shown = String(given).split("?")[0];
    const message = `"${shown}" is not the address of a hub. It must look like wss://example.com/ws, or /ws in a page.`;
    return { code: "invalid_url", message };
  }
  const [, secure, host = "", rest] = parts;
  if (!secure && page?.protocol === "https:" && !LOOPBACK.test(host)) {
    const message =
      "A page over https may not use an address that begins with ws: or http:. Use wss: or https:.";
    return { code: "insecure", message };
  }
  return `ws${secure && "s"}://${host}${rest}`;
}

/** The same as a `URL`, for pages. */
export function addressOf(given: string | URL): URL | Reason {
  const address = socketAddress(given);
  return typeof address === "string" ? new URL(address) : address;
}

/** The arguments of the socket. A token goes as a second subprotocol, where no proxy logs it, or else into the query. */
export function socketArguments(url: string, token: string | null): [url: string, protocols?: string[]] {
  if (!token) return [url];
  if (SUBPROTOCOL.test(token) && token !== "fanfare") return [url, ["fanfare", token]];
  return [`${url}${url.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`];
}
