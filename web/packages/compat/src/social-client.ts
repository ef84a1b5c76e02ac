// The four namespaces of a social application as pages in the field use them: callbacks by namespace and event, and chat. One
// Socket.IO connection carries all four; it comes back by itself, and so does a namespace that the server ended.
//
//   connect() ── client loaded ── sockets ── connected ⇄ away (Socket.IO's own attempts)
//                                     └─ refused or ended by the server: again after a pause; not with a token that was refused
//
// Not here: the global and the beginning (websocket.ts), loading Socket.IO (socket-io.ts). Bounds: MOST_WAITING.

import { kept } from "./kept.js";
import { client, type Io, type IoSocket } from "./socket-io.js";

/** The namespaces of `socketio.md`, without the slash. */
export const NAMESPACES = ["sns", "orders", "chat", "notifications"] as const;

/** One of them. */
export type Namespace = (typeof NAMESPACES)[number];

/** Where the page keeps its token: `socketio.md`. */
export const TOKEN_KEY = "auth_token";

/** Events per namespace that wait while there is no connection; what comes beyond is refused at once. */
const MOST_WAITING = 100;

/** An answer may take so long, milliseconds: the hub gives one within 5 s, and the way back takes time too. */
const ANSWER_WITHIN = 10_000;

/** The first and the longest pause after a refusal, milliseconds; it doubles with each: as in `channels.md`. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

/** What the server says when no attempt with the same token can succeed, and when none at all can. */
const UNAUTHORIZED = "Unauthorized";
const NO_NAMESPACE = "Invalid namespace";

/** What an emit was answered. `success: false` has `code` and `message`. */
export interface Answer {
  readonly success: boolean;
  readonly [member: string]: unknown;
}

/** A callback of an event. */
export type Callback = (...args: never[]) => void;

/** What a client is made with. */
export interface WebSocketClientOptions {
  /** Where the hub is. Default: where this script came from. */
  url?: string | URL;
  /** A JWT, or a function that gives one, asked before each attempt. Default: `auth_token` in `localStorage`. */
  token?: string | (() => string | null | Promise<string | null>);
}

/** What is sent, or waits for a connection. */
interface Emitted {
  readonly event: string;
  readonly data: unknown;
  readonly ack: ((answer: Answer) => void) | undefined;
}

/** One namespace: its callbacks, its socket once there is one, and what waits for a connection. */
interface Room {
  readonly callbacks: Map<string, Callback[]>;
  readonly attached: Set<string>;
  readonly waiting: Emitted[];
  socket: IoSocket | null;
  failures: number;
  connectedAt: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** The token that was sent last. */
  used: string | null;
}

/** The page's connections to `/sns`, `/orders`, `/chat` and `/notifications`. */
export class WebSocketClient {
  /** The sockets by namespace: `sockets.chat`. Empty until the Socket.IO client is there. */
  readonly sockets: { [name in Namespace]?: IoSocket } = {};

  private readonly rooms = new Map<Namespace, Room>(NAMESPACES.map((name) => [name, room()]));
  private readonly hub: string;
  private readonly path: string;
  private readonly token: () => string | null | Promise<string | null>;
  private readonly storage = kept("local");
  private running = false;
  private loading = false;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `hub`, the default for `url`, is set by the script that this class comes in. */
  constructor(options: WebSocketClientOptions = {}) {
    const { url, token } = options ?? {};
    const base = new URL(String(url ?? WebSocketClient.hub), document.baseURI);
    base.search = "";
    base.hash = "";
    if (!base.pathname.endsWith("/")) base.pathname += "/";
    this.hub = base.href.replace(/^ws/, "http");
    this.path = `${base.pathname}socket.io/`;
    this.token =
      typeof token === "function" ? token : () => (token === undefined ? this.storage.get(TOKEN_KEY) : token);
  }

  /** Where the hub is when nobody says it. */
  static hub = "/";

  /** Whether at least one namespace is connected. */
  get isConnected(): boolean {
    return NAMESPACES.some((name) => this.sockets[name]?.connected === true);
  }

  /** Connects all four, and stays connected. Again: tries at once what is not connected. */
  connect(): void {
    this.running = true;
    for (const name of NAMESPACES) this.open(name);
    if (this.loading || this.sockets.chat) return;
    clearTimeout(this.timer);
    this.loading = true;
    parsed()
      .then(() => client(this.hub))
      .then(
        (io) => {
          this.loading = false;
          this.make(io);
        },
        (cause) => {
          this.loading = false;
          if (!this.running) return;
          console.warn("The Socket.IO client is missing.", cause);
          this.failures += 1;
          this.timer = setTimeout(() => this.connect(), pause(this.failures));
        },
      );
  }

  /** Ends all connections, and stays so until `connect()`. What waited is dropped. */
  disconnect(): void {
    this.running = false;
    clearTimeout(this.timer);
    for (const entry of this.rooms.values()) {
      clearTimeout(entry.timer);
      entry.failures = 0;
      for (const { ack } of entry.waiting.splice(0)) ack?.(away());
      entry.socket?.disconnect();
    }
  }

  /** Calls `callback` with each event of a namespace, before and after `connect()`. Returns the removal. */
  on(namespace: string, event: string, callback: Callback): () => void {
    if (typeof callback !== "function")
      throw new TypeError(`on("${namespace}", "${event}") needs a function.`);
    const entry = this.room(namespace);
    entry.callbacks.set(event, [...(entry.callbacks.get(event) ?? []), callback]);
    this.attach(entry, event);
    return () => this.off(namespace, event, callback);
  }

  /** Takes a callback away; without one, or with null, all of that event. */
  off(namespace: string, event: string, callback: Callback | null = null): void {
    const entry = this.room(namespace);
    const left =
      callback === null ? [] : (entry.callbacks.get(event) ?? []).filter((one) => one !== callback);
    if (left.length > 0) entry.callbacks.set(event, left);
    else entry.callbacks.delete(event);
  }

  /**
   * Sends an event. `ack` is called with the answer, at most once. While there is no connection up to 100 events of a namespace wait
   * for it; what is too much, and what waits when `disconnect()` is called, is answered `{success: false, code: "disconnected"}`.
   */
  emit(namespace: string, event: string, data?: unknown, ack?: (answer: Answer) => void): void {
    const entry = this.room(namespace);
    if (entry.socket?.connected) send(entry.socket, { event, data, ack });
    else if (this.running && entry.waiting.length < MOST_WAITING) entry.waiting.push({ event, data, ack });
    else ack?.(away());
  }

  /**
   * Sends a chat message, now or not at all: it never waits for a connection, so that nobody sends it twice. Resolves with the
   * server's answer, `{success: true, id}`, and never rejects. `code: "disconnected"`: it was not sent; `"unanswered"`: nobody knows,
   * and the messages with that user tell.
   */
  sendMessage(toUserId: string | number, text: string): Promise<Answer> {
    return this.ask("send_message", { to_user_id: toUserId, message: text });
  }

  /** Tells a user that this one is typing, or is not any more. It ends by itself after 6 s. */
  setTyping(toUserId: string | number, isTyping: boolean): Promise<Answer> {
    return this.ask("typing", { to_user_id: toUserId, is_typing: isTyping });
  }

  /** Says that this user has read up to a message. */
  markRead(messageId: string | number): Promise<Answer> {
    return this.ask("mark_read", { message_id: messageId });
  }

  private ask(event: string, data: object): Promise<Answer> {
    const { socket } = this.room("chat");
    if (!socket?.connected) return Promise.resolve(away());
    return new Promise((resolve) => {
      const done = (answer: Answer) => {
        clearTimeout(timer);
        socket.off("disconnect", lost);
        resolve(answer);
      };
      const message = "The connection broke off before the answer.";
      const lost = () => done({ success: false, code: "unanswered", message });
      const timer = setTimeout(lost, ANSWER_WITHIN);
      socket.on("disconnect", lost);
      socket.emit(event, data, done);
    });
  }

  private room(namespace: string): Room {
    const entry = this.rooms.get(String(namespace).replace(/^\//, "") as Namespace);
    if (!entry)
      throw new TypeError(`There is no namespace "${namespace}"; there are ${NAMESPACES.join(", ")}.`);
    return entry;
  }

  /** Makes the sockets, with all that waited for them. */
  private make(io: Io): void {
    if (this.sockets.chat) return;
    // Without an origin of its own a page may open a WebSocket, and read no answer to HTTP (the contracts' README).
    const transports = globalThis.location?.protocol === "file:" ? { transports: ["websocket"] } : {};
    const manager = new io.Manager(new URL(this.hub).origin, {
      path: this.path,
      autoConnect: false,
      ...transports,
    });
    for (const [name, entry] of this.rooms) {
      const auth = (give: (auth: object) => void) => {
        Promise.resolve()
          .then(this.token)
          .catch(() => null)
          .then((token) => {
            entry.used = token;
            give(token ? { token } : {});
          });
      };
      const socket = manager.socket(`/${name}`, { auth });
      this.sockets[name] = socket;
      entry.socket = socket;
      socket.on("connect", () => {
        entry.connectedAt = Date.now();
        for (const one of entry.waiting.splice(0)) send(socket, one);
      });
      socket.on("connect_error", (error: Error) => {
        if (!socket.active) this.refused(name, entry, error.message);
      });
      socket.on("disconnect", (reason: string) => {
        if (Date.now() - entry.connectedAt >= LONGEST_PAUSE) entry.failures = 0;
        if (reason === "io server disconnect") this.again(name, entry);
      });
      for (const event of entry.callbacks.keys()) this.attach(entry, event);
      this.open(name);
    }
  }

  /** Has a socket call an event's callbacks, whichever there are by then. One that throws harms no other. */
  private attach({ socket, attached, callbacks }: Room, event: string): void {
    if (!socket || attached.has(event)) return;
    attached.add(event);
    socket.on(event, (...args: never[]) => {
      for (const callback of callbacks.get(event) ?? []) {
        try {
          callback(...args);
        } catch (cause) {
          console.error(`A callback of "${event}" failed.`, cause);
        }
      }
    });
  }

  private open(name: Namespace): void {
    const entry = this.room(name);
    clearTimeout(entry.timer);
    if (this.running && entry.socket && !entry.socket.active) entry.socket.connect();
  }

  private async refused(name: Namespace, entry: Room, message: string): Promise<void> {
    const token = await Promise.resolve()
      .then(this.token)
      .catch(() => null);
    if (!this.running || entry.socket?.active) return;
    const isFinal = message === NO_NAMESPACE || (message === UNAUTHORIZED && token === entry.used);
    if (isFinal) console.warn(`The server refused /${name}: ${message}.`);
    else this.again(name, entry);
  }

  /** Opens a namespace again after a pause. */
  private again(name: Namespace, entry: Room): void {
    if (!this.running) return;
    entry.failures += 1;
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => this.open(name), pause(entry.failures));
  }
}

function send(socket: IoSocket, { event, data, ack }: Emitted): void {
  if (ack) socket.emit(event, data, ack);
  else socket.emit(event, data);
}

function room(): Room {
  return {
    callbacks: new Map(),
    attached: new Set(),
    waiting: [],
    socket: null,
    failures: 0,
    connectedAt: 0,
    timer: undefined,
    used: null,
  };
}

/** Half of it is chance, so that not all pages come in the same moment. */
function pause(failures: number): number {
  return Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
}

function away(): Answer {
  return { success: false, code: "disconnected", message: "There is no connection now." };
}

/** Waits until the page's own scripts have run: one of them may bring the Socket.IO client along. */
function parsed(): Promise<void> {
  if (document.readyState !== "loading") return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener("DOMContentLoaded", () => resolve(), { once: true });
  });
}
