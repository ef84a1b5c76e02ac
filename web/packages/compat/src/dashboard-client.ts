// The dashboard's client, as the pages in the field use it: one user, a connection that is restored by its id, events by their
// type. When and whether to come back is link.ts's business; nothing here touches the page but its storage.
//
// After each handshake it says one of two things. `reconnect` with the id of its last connection, if that was the same user's:
// the server then restores what was subscribed and sends what was missed. Otherwise, or if the server does not know the id any
// more, `subscribe`. With the answer it is connected.

import type { Environment, SocketConstructor } from "../../sdk/src/types.js";
import type { Arrival, FlatFrame } from "./flat-frames.js";
import { type Handler, HandlersByName } from "./handlers-by-name.js";
import { type Kept, kept } from "./kept.js";
import { type Link, type Loss, makeLink } from "./link.js";
import { Tail } from "./tail.js";

/** Where the id of the connection is kept, so that a reloaded page goes on with it. */
const ID_KEY = "ws_connection_id";

/** Whose connection that is: another user must not go on with it. */
const USER_KEY = "ws_connection_user_id";

/** After so many connections in a row that broke off over the question, the old id is not asked for any more. */
const MAX_UNANSWERED = 3;

/** What a publication may be called, and is told only under `message`: pages take these for news of the connection itself. */
const OWN_EVENTS: readonly string[] = ["connected", "disconnected", "message"];

/** What the client is made with. Times in milliseconds. */
export interface DashboardOptions {
  /** Writes to the console what it does; tokens and connection ids are left out. Default: false. */
  debug?: boolean;
  /** The first pause before coming back, before jitter; it doubles with each failure. Default: 1,000. */
  reconnectDelay?: number;
  /** The longest pause. Default: 30,000. */
  maxReconnectDelay?: number;
  /** A ping after so long; 0 for none. Default: 30,000. */
  heartbeatInterval?: number;
  /** Where to connect: `ws:`, `wss:`, `http:`, `https:` or a path. Default: `/` of the page's own host. */
  url?: string | URL;
  /** For tests. Default: the browser's. */
  WebSocket?: SocketConstructor;
  environment?: Environment;
}

/** The state, as `getState()` gives it. */
export interface DashboardState {
  /** Whether events come: the server has confirmed what was subscribed. */
  readonly isConnected: boolean;
  readonly userId: string | number | null;
  /** Failures in a row since it was last connected. */
  readonly reconnectAttempts: number;
  readonly connectionId: string | null;
}

/** What handlers of `connected` get. */
export interface ConnectedEvent {
  readonly type: "connected";
  readonly userId: string | number;
  readonly connectionId: string | null;
  /** Whether an earlier connection was restored, so that nothing was missed. */
  readonly restored: boolean;
}

/** What handlers of `disconnected` get, after a loss and after each attempt that failed. */
export interface DisconnectedEvent {
  readonly type: "disconnected";
  /** The close code; undefined where there was none. */
  readonly code: number | undefined;
  /** Why, as a word: `lost`, `unreachable`, `unauthorized`, `draining`, … */
  readonly reason: string;
  /** Why, as a sentence. */
  readonly message: string;
  readonly willReconnect: boolean;
  /** In how many milliseconds; null if not at all, or as soon as there is a network. */
  readonly retryIn: number | null;
}

/** What handlers of `error` get: the server's frame, or the same for what went wrong here. */
export interface ErrorEvent {
  readonly type: "error";
  readonly message: string;
  /** `bad_frame`, `handler_failed`, `no_user`, `disconnected`; undefined in the server's frames. */
  readonly code?: string;
  readonly cause?: unknown;
}

/**
 * Events of one user.
 *
 * `on` takes the type of an event, or `connected`, `disconnected`, `error`, and `message` for all frames that come.
 */
export class DashboardWebSocketClient {
  /** The user who was last given to `connect`. */
  userId: string | number | null = null;
  /** The queue that is followed besides, if any: transcriptions are told to who follows theirs. */
  queueId: string | number | null = null;

  private readonly debug: boolean;
  private readonly handlers: HandlersByName<never>;
  private readonly storage: Kept = kept("session");
  private readonly link: Link;
  private readonly tail = new Tail();
  private connectionId: string | null = null;
  /** What the server has to answer next; null when it has. */
  private awaiting: "subscribe" | "reconnect" | null = null;
  private unanswered = 0;
  private isConnected = false;
  /** Losses and failed attempts since it was last connected. */
  private attempts = 0;
  /** The server did not give what was asked for, on the connection that there is. */
  private denied = false;

  constructor(options: DashboardOptions = {}) {
    const {
      debug = false,
      reconnectDelay = 1_000,
      maxReconnectDelay = 30_000,
      heartbeatInterval = 30_000,
      url = "/",
      WebSocket,
      environment,
    } = options ?? {};
    this.debug = debug;
    this.handlers = new HandlersByName<never>((name, cause) => {
      console.error(`A handler of "${name}" failed.`, cause);
    });
    this.link = makeLink(
      {
        address: () => url || "/",
        heartbeatInterval,
        minDelay: reconnectDelay,
        maxDelay: maxReconnectDelay,
        WebSocket,
        environment,
      },
      {
        opened: () => this.greet(),
        arrived: (arrival) => this.arrived(arrival),
        ended: (loss) => this.ended(loss),
        fault: ({ code, message, cause }) => this.fail({ type: "error", code, message, cause }),
      },
    );
  }

  /**
   * Connects as a user, and stays connected. Again with the same: ends a pause before the next attempt; with another: leaves the first
   * one's connection. Without one: the user of the last time. A queue may be followed besides; without one that is said, the same
   * user's stays, and null ends it.
   */
  connect(userId: string | number | null | undefined = this.userId, queueId?: string | number | null): void {
    if (isNobody(userId)) {
      const message = "connect() needs the id of a user.";
      this.fail({ type: "error", code: "no_user", message });
      return;
    }
    const known = this.userId === null ? null : this.subject();
    if (String(this.userId) !== String(userId)) this.queueId = null;
    this.userId = userId;
    if (queueId !== undefined) this.queueId = isNobody(queueId) ? null : queueId;
    if (known !== null && known !== this.subject()) {
      this.rest();
      this.forget();
    }
    if (this.denied) this.subscribe();
    else this.link.start();
  }

  /** Ends the connection, and stays so until `connect()`. */
  disconnect(): void {
    if (!this.link.running) return;
    this.rest();
    this.log("disconnected by the page");
    const message = "The connection was closed here.";
    const event = { code: 1000, reason: "closed", message, willReconnect: false, retryIn: null };
    this.tell("disconnected", { type: "disconnected", ...event } satisfies DisconnectedEvent);
  }

  /** Calls `handler` with each event of a type. Returns the removal. */
  on(type: "connected", handler: Handler<ConnectedEvent>): () => void;
  on(type: "disconnected", handler: Handler<DisconnectedEvent>): () => void;
  on(type: "error", handler: Handler<ErrorEvent>): () => void;
  on(type: string, handler: Handler<FlatFrame>): () => void;
  on(type: string, handler: Handler<never>): () => void {
    return this.handlers.on(type, handler);
  }

  /** Takes a handler away; without one all of that type. */
  off(type: string, handler?: Handler<never>): void {
    this.handlers.off(type, handler);
  }

  /** The state now. */
  getState(): DashboardState {
    return {
      isConnected: this.isConnected,
      userId: this.userId,
      reconnectAttempts: this.attempts,
      connectionId: this.connectionId,
    };
  }

  private rest(): void {
    this.link.stop();
    this.isConnected = this.denied = false;
    this.awaiting = null;
    this.attempts = 0;
  }

  private greet(): void {
    const id = this.restorable();
    if (id === null) {
      this.subscribe();
      return;
    }
    this.awaiting = "reconnect";
    this.tail.expectRepeats();
    this.log("reconnect");
    this.link.send({ type: "reconnect", connectionId: id });
  }

  private subscribe(): void {
    this.forget();
    this.denied = false;
    this.awaiting = "subscribe";
    this.log("subscribe");
    const queue = this.queueId === null ? {} : { queueId: String(this.queueId) };
    this.link.send({ type: "subscribe", userId: String(this.userId), ...queue });
  }

  private arrived({ frame, text }: Arrival): void {
    if (this.awaiting !== null && frame.type === "error") this.refused(frame);
    // Of user and queue the latter may be refused: the former is what counts.
    else if ((this.awaiting !== null || this.denied) && this.isConfirmation(frame)) this.confirmed(frame);
    else if (isEvent(frame) && this.tail.repeats(text)) this.log("repeated, not told");
    else {
      if (frame.type === "pong") this.tail.expectNone();
      this.tellFrame(frame);
    }
  }

  private isConfirmation({ type, userId, queueId }: FlatFrame): boolean {
    if (type !== "subscribed" && type !== "reconnected") return false;
    return this.awaiting === "reconnect" || userId !== undefined || queueId === undefined;
  }

  /** The server does not know the old connection, or does not give what was asked for. */
  private refused(frame: FlatFrame): void {
    if (this.awaiting === "reconnect") {
      this.unanswered = 0;
      this.log("the old connection is gone");
      this.subscribe();
      return;
    }
    this.awaiting = null;
    this.denied = true;
    // The connection is good for nothing yet, but another one would be no better.
    this.link.accept();
    this.tellFrame(frame);
  }

  private confirmed(frame: FlatFrame): void {
    const restored = this.awaiting === "reconnect";
    this.awaiting = null;
    this.denied = false;
    this.unanswered = 0;
    if (typeof frame.connectionId === "string") this.connectionId = frame.connectionId;
    this.remember();
    this.isConnected = true;
    this.attempts = 0;
    this.link.accept();
    this.log(restored ? "connected, restored" : "connected");
    const { userId, connectionId } = this;
    if (userId === null) return;
    this.tell("connected", {
      type: "connected",
      userId,
      connectionId,
      restored,
    } satisfies ConnectedEvent);
    // A handler may have left.
    if (this.isConnected && this.connectionId === connectionId) this.tellFrame(frame);
  }

  private ended({ reason, willReconnect, retryIn }: Loss): void {
    if (this.awaiting === "reconnect") {
      this.unanswered++;
      if (reason.code === "silent" || this.unanswered >= MAX_UNANSWERED) this.forget();
    }
    this.isConnected = this.denied = false;
    this.awaiting = null;
    this.attempts++;
    this.log(`disconnected: ${reason.code}`);
    this.tell("disconnected", {
      type: "disconnected",
      code: reason.closeCode,
      reason: reason.code,
      message: reason.message,
      willReconnect,
      retryIn,
    } satisfies DisconnectedEvent);
    if (!willReconnect) {
      this.fail({ type: "error", code: "disconnected", message: reason.message });
    }
  }

  /** The id of a connection of this user that the server may still know. */
  private restorable(): string | null {
    if (this.connectionId !== null) return this.connectionId;
    if (this.storage.get(USER_KEY) !== this.subject()) return null;
    return this.storage.get(ID_KEY);
  }

  /** Who and what the connection is for. */
  private subject(): string {
    return this.queueId === null ? String(this.userId) : `${this.userId} queue:${this.queueId}`;
  }

  private remember(): void {
    this.storage.set(ID_KEY, this.connectionId);
    this.storage.set(USER_KEY, this.connectionId === null ? null : this.subject());
  }

  private forget(): void {
    this.connectionId = null;
    this.unanswered = 0;
    this.tail.clear();
    this.storage.set(ID_KEY, null);
    this.storage.set(USER_KEY, null);
  }

  private tellFrame(frame: FlatFrame): void {
    if (!OWN_EVENTS.includes(frame.type)) this.tell(frame.type, frame);
    this.tell("message", frame);
  }

  private tell(name: string, event: object): void {
    this.handlers.tell(name, event as never);
  }

  private fail(error: ErrorEvent): void {
    this.log(error.message);
    this.tell("error", error);
  }

  private log(what: string): void {
    if (this.debug) console.debug(`[dashboard] ${what}`);
  }
}

function isNobody(id: string | number | null | undefined): id is null | undefined {
  return id === null || id === undefined || String(id).trim() === "";
}

/** The server's own frames: those are not repeated, what was published is. */
const ANSWERS: readonly string[] = ["subscribed", "unsubscribed", "reconnected", "pong", "error"];

function isEvent({ type }: FlatFrame): boolean {
  return !ANSWERS.includes(type);
}
