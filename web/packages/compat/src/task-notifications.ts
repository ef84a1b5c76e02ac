// Progress of long tasks, as the pages in the field use it: callbacks by name, and a connection that comes back after 5 s. What
// people are told beside the page is notices.ts's business, when and whether to come back link.ts's.

import type { Ending } from "../../sdk/src/close-codes.js";
import type { Environment, SocketConstructor } from "../../sdk/src/types.js";
import type { Arrival, FlatFrame } from "./flat-frames.js";
import { type Handler, HandlersByName } from "./handlers-by-name.js";
import { type Link, type Loss, makeLink } from "./link.js";
import { type NoticePreferences, Notices } from "./notices.js";

/** The pause before coming back, milliseconds: `tasks.md`. */
const RECONNECT_DELAY = 5_000;

/** Chance adds up to so much, so that not all pages come in the same moment. */
const SPREAD = 1_000;

/** A ping after so much silence, milliseconds: the server drops who is silent for 60 s. */
const HEARTBEAT_INTERVAL = 25_000;

/** The callback of each type. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ["oracle_upload_started", "uploadStarted"],
  ["oracle_upload_progress", "uploadProgress"],
  ["oracle_upload_completed", "uploadCompleted"],
  ["oracle_upload_failed", "uploadFailed"],
]);

/** What the service is made with. */
export interface NotificationServiceOptions {
  /** Where to connect: `ws:`, `wss:`, `http:`, `https:` or a path. Default: `/ws/notifications/` of the page's own host. */
  url?: string | URL;
  /** A JWT, or a function that gives one, asked before each attempt. Without one the browser's cookies say who it is. */
  token?: string | null | (() => string | null | Promise<string | null>);
  /** For tests. Default: the browser's. */
  WebSocket?: SocketConstructor;
  environment?: Environment;
}

/** What callbacks of `disconnected` get, after a loss and after each attempt that failed. */
export interface TaskDisconnected {
  readonly type: "disconnected";
  /** The close code; undefined where there was none. */
  readonly code: number | undefined;
  /** Why, as a word: `lost`, `unreachable`, `draining`, … */
  readonly reason: string;
  /** Why, as a sentence. */
  readonly message: string;
  readonly willReconnect: boolean;
  /** In how many milliseconds; null if not at all, or as soon as there is a network. */
  readonly retryIn: number | null;
}

/**
 * Progress of the signed-in user's tasks.
 *
 * `on` takes `connected`, `disconnected`, `uploadStarted`, `uploadProgress`, `uploadCompleted`, `uploadFailed`, and `message` for
 * all events, those of other tasks too.
 */
export class NotificationService {
  private readonly handlers = new HandlersByName<never>((name, cause) => {
    console.error(`A callback of "${name}" failed.`, cause);
  });
  private readonly notices = new Notices();
  private readonly link: Link;
  private ready = false;

  constructor(options: NotificationServiceOptions = {}) {
    const { url, token, WebSocket, environment } = options ?? {};
    this.link = makeLink(
      {
        address: async () =>
          withToken(url || "/ws/notifications/", typeof token === "function" ? await token() : token),
        heartbeatInterval: HEARTBEAT_INTERVAL,
        delay: (ending, failures) => pause(ending, failures, environment?.random ?? Math.random),
        WebSocket,
        environment,
      },
      {
        opened: () => {},
        arrived: (arrival) => this.arrived(arrival),
        ended: (loss) => this.ended(loss),
        fault: ({ message }) => console.warn(message),
      },
    );
  }

  /** Whether the server has greeted this connection. */
  get isConnected(): boolean {
    return this.ready;
  }

  /** Connects, and stays connected. Again: ends a pause before the next attempt. */
  connect(): void {
    this.link.start();
  }

  /** Ends the connection, and stays so until `connect()`. */
  disconnect(): void {
    if (!this.link.running) return;
    this.link.stop();
    this.ready = false;
    const message = "The connection was closed here.";
    const event = { code: 1000, reason: "closed", message, willReconnect: false, retryIn: null };
    this.tell("disconnected", { type: "disconnected", ...event } satisfies TaskDisconnected);
  }

  /** Calls `callback` with each event of a name. Returns the removal. */
  on(name: "disconnected", callback: Handler<TaskDisconnected>): () => void;
  on(name: string, callback: Handler<FlatFrame>): () => void;
  on(name: string, callback: Handler<never>): () => void {
    return this.handlers.on(name, callback);
  }

  /** Takes a callback away; without one all of that name. */
  off(name: string, callback?: Handler<never>): void {
    this.handlers.off(name, callback);
  }

  /** How the user is told of the end of a task beside the page. All are off until somebody turns them on. */
  getPreferences(): NoticePreferences {
    return this.notices.preferences;
  }

  /**
   * Changes what is named, keeps it in the browser, and gives what is now in force. To be called from a click: only then the
   * browser may be asked for the permission to show notifications and to make a sound. `desktop` stays off if it is refused.
   */
  setPreferences(change: Partial<NoticePreferences>): Promise<NoticePreferences> {
    return this.notices.change(change);
  }

  private arrived({ frame }: Arrival): void {
    if (frame.type === "connection_established") {
      if (this.ready) return;
      this.ready = true;
      this.link.accept();
      this.tell("connected", frame);
      return;
    }
    if (frame.type === "pong" || frame.type === "error") return;
    const name = NAMES.get(frame.type);
    if (name) this.tell(name, frame);
    this.tell("message", frame);
    this.notices.tell(frame);
  }

  private ended({ reason, willReconnect, retryIn }: Loss): void {
    this.ready = false;
    this.tell("disconnected", {
      type: "disconnected",
      code: reason.closeCode,
      reason: reason.code,
      message: reason.message,
      willReconnect,
      retryIn,
    } satisfies TaskDisconnected);
  }

  private tell(name: string, event: object): void {
    this.handlers.tell(name, event as never);
  }
}

/** 5 s, or what the server named for the first return. */
function pause({ delay }: Ending, failures: number, random: () => number): number {
  const own = RECONNECT_DELAY + Math.round(random() * SPREAD);
  if (delay === undefined) return own;
  return failures < 2 ? delay : Math.max(own, delay);
}

function withToken(url: string | URL, token: string | null | undefined): string {
  const [address = "", fragment] = String(url).split("#");
  if (!token) return address + (fragment === undefined ? "" : `#${fragment}`);
  return `${address}${address.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`;
}
