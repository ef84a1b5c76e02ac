// /js/websocket.js: the globals `WebSocketClient` and `ws`, and the page's beginning: connected where the page has a token. The hub is
// where this script came from, or what the script's element says in `data-url`.

import { kept } from "./kept.js";
import { TOKEN_KEY, WebSocketClient } from "./social-client.js";

interface Page {
  WebSocketClient?: unknown;
  ws?: unknown;
}

const page = globalThis as Page;
const script = document.currentScript as HTMLScriptElement | null;

/** Where a hub is on this machine that nobody has configured: `channels.md`. */
const DEFAULT_HUB = "http://localhost:8080/";

/** The hub of this script's element; for a page and a script that are both files the default one. */
function hub(): string {
  const said = script?.dataset.url;
  if (said) return said;
  const from = script?.src ? new URL(script.src) : null;
  if (from && /^https?:$/.test(from.protocol)) return `${from.origin}/`;
  return globalThis.location?.protocol === "file:" ? DEFAULT_HUB : "/";
}

/** Connects whichever client the page has made its own by now. */
function begin(): void {
  if (page.ws instanceof WebSocketClient && kept("local").get(TOKEN_KEY)) page.ws.connect();
}

// A page that takes the script twice has one connection.
if (page.WebSocketClient === undefined) {
  WebSocketClient.hub = hub();
  page.WebSocketClient = WebSocketClient;
  page.ws = new WebSocketClient();
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin, { once: true });
  else begin();
  // Signed in or out in another tab. A token that was only renewed is taken at the next attempt.
  addEventListener("storage", ({ key, newValue }) => {
    if (key !== TOKEN_KEY || !(page.ws instanceof WebSocketClient)) return;
    if (!newValue) page.ws.disconnect();
    else if (!page.ws.isConnected) page.ws.connect();
  });
}
