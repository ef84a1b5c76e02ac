// /js/dashboard-websocket-init.js: connects the page's user, shows toasts, keeps the line about the connection. It takes what the
// other two scripts offer, in whatever order the page loads them, and does without what is not there.
//
// The user is `<body data-user-id>`, else `user_id` in sessionStorage. `<body data-queue-id>` names a queue to
// follow besides, `<body data-ws-url>` another address than the page's own host. Loaded twice, it does nothing the second time.

import type {
  ConnectedEvent,
  DashboardOptions,
  DashboardWebSocketClient,
  DisconnectedEvent,
  ErrorEvent,
} from "./dashboard-client.js";
import type { FlatFrame } from "./flat-frames.js";
import { kept } from "./kept.js";
import { showStatus } from "./status-indicator.js";
import type { ShowToast } from "./toast-notifications.js";
import { TOAST_TYPES, toastText } from "./toast-texts.js";

/** The globals that this script uses and offers. */
interface Globals {
  DashboardWebSocketClient?: new (options?: DashboardOptions) => DashboardWebSocketClient;
  showToast?: ShowToast;
  getDashboardWebSocket?: () => DashboardWebSocketClient | null;
}

const page = globalThis as unknown as Globals;

let client: DashboardWebSocketClient | null = null;

function userId(): string | null {
  return document.body.dataset.userId?.trim() || kept("session").get("user_id")?.trim() || null;
}

/** Begins as soon as there is what it needs; false if a script is still to come. */
function begin(): boolean {
  if (client) return true;
  const Client = page.DashboardWebSocketClient;
  if (!Client) return false;
  const url = document.body.dataset.wsUrl?.trim();
  const made = new Client(url ? { url } : {});
  client = made;
  follow(made);
  const user = userId();
  if (user === null) {
    // Of no harm: the page may sign in later and call `getDashboardWebSocket().connect(id)`.
    showStatus("offline", "No user is signed in.");
    return true;
  }
  made.connect(user, document.body.dataset.queueId);
  return true;
}

function follow(made: DashboardWebSocketClient): void {
  let before = false;
  made.on("connected", ({ restored }: ConnectedEvent) => {
    const doubt = before && !restored ? " Some may be missing from before: reload the page to be sure." : "";
    before = true;
    showStatus("live", `Events arrive as they happen.${doubt}`);
  });
  made.on("disconnected", (event: DisconnectedEvent) => showStatus("offline", words(event)));
  made.on("error", (error: ErrorEvent) => {
    // One bad frame, or one handler, is no state of the connection.
    if (error.code === "disconnected" || !made.getState().isConnected) showStatus("error", error.message);
  });
  for (const type of TOAST_TYPES) made.on(type, toast);
}

function words({ message, willReconnect, retryIn }: DisconnectedEvent): string {
  if (!willReconnect) return message;
  if (retryIn === null) return `${message} Reconnecting when there is a network.`;
  return `${message} Reconnecting in ${Math.max(1, Math.round(retryIn / 1_000))} s.`;
}

function toast(frame: FlatFrame): void {
  const text = toastText(frame);
  if (text) page.showToast?.(text.title, text.message, text.kind);
}

function start(): void {
  showStatus("offline", "Connecting.");
  if (begin()) return;
  // A script that is loaded asynchronously may come after this one.
  const late = () => {
    if (begin()) return;
    const message = "/js/websocket-client.js is not loaded, so there are no live updates.";
    showStatus("error", message);
    console.error(message);
  };
  if (document.readyState === "complete") late();
  else addEventListener("load", late, { once: true });
}

if (!page.getDashboardWebSocket) {
  page.getDashboardWebSocket = () => client;
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start, { once: true });
  else start();
}
