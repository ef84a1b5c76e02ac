// The public types of the client: what it is made with, what it tells, what it does. No behaviour here.

/** Events by type: the shape of `data` of each. `EventMap` of `@fanfare/events` is one. */
export type EventTypes = { [type: string]: unknown };

/** An event as it came on the wire. */
export interface FanfareEvent<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
  /** When it was published: UTC, milliseconds, `Z`; empty if the server did not say. */
  readonly timestamp: string;
  /** What it is known by everywhere, a UUID. This and what follows: only where the server offers recovery. */
  readonly id?: string;
  /** A stream that it is in, and that this client follows: a channel, `user:<id>`, `@all`, or `@connection`. */
  readonly channel?: string;
  /** Its number in that stream, and the stream's epoch: an offset in an epoch is one event for ever. */
  readonly offset?: number;
  readonly epoch?: string;
  /** Its offsets in further streams that this client follows. */
  readonly also?: Readonly<Record<string, number>>;
}

/** Events that this client will never get. */
export interface Gap {
  /**
   * The streams that they are missing in: channels, `user:<id>` for those of the user, `@all` for those to everyone. Where the
   * server offers no recovery: `@all`, the user's if the token tells who it is, and the channels that are followed.
   */
  readonly streams: readonly string[];
}

/** Where a stream stands, as the server tells it. */
export interface StreamPosition {
  readonly epoch: string;
  readonly offset: number;
  /** Whether the server goes on from the position that the client gave. */
  readonly recovered?: boolean;
}

/** Any event of a map: a union that its `type` tells apart. */
export type AnyEventOf<Events> = { [T in keyof Events & string]: FanfareEvent<T, Events[T]> }[keyof Events &
  string];

/** The server's own frames: the shape of `data` of each. Handlers get them by type, as they get events. */
export interface ServerFrames {
  connected: { connection_id: string };
  subscribed: { channels: string[]; positions?: Record<string, StreamPosition> };
  resumed: { channels: string[]; positions?: Record<string, StreamPosition> };
  unsubscribed: { channels: string[] };
  pong: unknown;
  error: { code: string; message: string; channel?: string };
  /** Times: UTC, milliseconds, `Z`. */
  token_expiring: { expires_at: string };
  refreshed: { expires_at: string };
  /** Answers to `history()` of `@fanfare/client/history`, and to `presence()` of `@fanfare/client/presence`. */
  history: { channel: string; epoch: string; events: FanfareEvent[]; more: boolean };
  presence: { channel: string; users: PresentUser[]; count: number; truncated?: boolean };
  presence_changed: {
    channel: string;
    joined: PresentUser[];
    left: { user_id: string | number }[];
    count: number;
    truncated?: boolean;
  };
  /** The answer to a frame of a type that a service takes: `request` hands it on; here also those to what `send` sent. */
  ack: { event: string; ref?: string | number; answer: Answer };
}

/** What a service answered. What else it says stands beside `success`. */
export type Answer =
  | { readonly success: true; readonly [member: string]: unknown }
  | { readonly success: false; readonly code: string; readonly message: string };

/** How long an answer is waited for. */
export interface RequestOptions {
  /** Milliseconds. Default: 10,000. */
  readonly timeout?: number | undefined;
  /** Ends the wait, not what was asked for. */
  readonly signal?: AbortSignal | undefined;
}

/** A user who follows a channel. */
export interface PresentUser {
  readonly user_id: string | number;
  /** Since when: UTC, milliseconds, `Z`. */
  readonly since: string;
}

/** The types that a handler may name: those of the map, and the server's own. */
export type FrameTypes<Events> = Events & ServerFrames;

/** Takes away what was added; calling it again does nothing. */
export type Remove = () => void;

/** Gets the data of an event, and the event. */
export type Handler<Events, T extends keyof Events & string> = (
  data: Events[T],
  event: FanfareEvent<T, Events[T]>,
) => void;

/**
 * Why a connection ended or is not there.
 *
 * | code | meaning |
 * |---|---|
 * | `closed` | `close()` was called, or the server ended it for good (1000) |
 * | `unreachable` | no connection could be made: wrong address, no server, a refused handshake; browsers do not tell which |
 * | `lost` | it broke off without a close frame |
 * | `silent` | the server did not answer a ping or send its welcome in time |
 * | `offline` | the browser says that it has no network |
 * | `draining` | the server restarts and said when to come back |
 * | `taken_over` | another connection resumed this one |
 * | `disconnected` | an operator ended it |
 * | `unauthorized` | the token is missing, wrong or expired, and no better one was given |
 * | `token` | `getToken` failed |
 * | `rate_limited`, `too_many_connections`, `slow_consumer`, `ping_timeout`, `server_error`, `protocol_error`, `too_large` | the server's close code |
 * | `attempts` | `maxAttempts` attempts failed |
 * | `invalid_url`, `no_websocket`, `insecure` | no attempt makes sense: the address is none, there is no WebSocket here, or a page over https may not use ws: |
 * | `closed_by_server` | a code that this client does not know |
 */
export type ReasonCode =
  | "closed"
  | "unreachable"
  | "lost"
  | "silent"
  | "offline"
  | "draining"
  | "taken_over"
  | "disconnected"
  | "unauthorized"
  | "token"
  | "rate_limited"
  | "too_many_connections"
  | "slow_consumer"
  | "ping_timeout"
  | "server_error"
  | "protocol_error"
  | "too_large"
  | "attempts"
  | "invalid_url"
  | "no_websocket"
  | "insecure"
  | "closed_by_server";

/** A reason with a sentence that a person understands. */
export interface Reason {
  readonly code: ReasonCode;
  /** One English sentence without markup or secrets. */
  readonly message: string;
  /** The close code of the WebSocket, where there was one. */
  readonly closeCode?: number;
}

/**
 * Where the connection stands. A state is a value: it changes only by being replaced, so it may be compared by identity.
 * Times are milliseconds since 1970 by this machine's clock.
 */
export type ConnectionState =
  /** The first connection is being made, or `connect()` has not been called yet (`attempt` 0). */
  | { readonly status: "connecting"; readonly attempt: number; readonly since: number; readonly reason: null }
  /** The server has welcomed this client. */
  | { readonly status: "open"; readonly connectionId: string; readonly since: number; readonly reason: null }
  /**
   * There was a connection or an attempt at one, and there will be another: at `retryAt`, or right now (`retryAt` null and
   * `waiting` `"answer"`), or when the network is back (`retryAt` null and `waiting` `"network"`).
   */
  | {
      readonly status: "reconnecting";
      /**
       * Which failure in a row this is, from 1: the loss of the connection, then each attempt. A connection that was open for 5 s
       * begins a new row.
       */
      readonly attempt: number;
      readonly waiting: "timer" | "network" | "answer";
      readonly retryAt: number | null;
      /** Since when there is no connection. */
      readonly since: number;
      readonly reason: Reason;
    }
  /** No connection, and none will be made until `connect()`. */
  | { readonly status: "closed"; readonly since: number; readonly reason: Reason };

/** Why `getToken` is asked: before a first connection, before another, as the old one ends soon, or was refused (4001). */
export type TokenRequest = "connect" | "reconnect" | "expiring" | "unauthorized";

/** The server's answer to a subscription: not yet known, in force, or refused with a reason. */
export type ChannelState =
  | { readonly status: "pending" }
  | { readonly status: "subscribed" }
  | { readonly status: "refused"; readonly error: FanfareError };

/** What went wrong beside the connection itself: a frame that was refused, a frame that was no JSON, a handler that threw. */
export interface FanfareError {
  /** The server's code (`forbidden`, `invalid_channel`, `too_many_channels`, …), or `bad_frame`, `handler_failed`, `token`. */
  readonly code: string;
  readonly message: string;
  /** The channel that it is about. */
  readonly channel?: string;
  /** What was thrown. */
  readonly cause?: unknown;
}

/** A function that takes an event with at least these members; platforms give it more. */
type Listener<Event> = { call(event: Event): void }["call"];

/** The part of a WebSocket that the client uses; the browser's, that of `ws`, and React Native's have it. */
export interface SocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: Listener<{ data: unknown }> | null;
  onclose: Listener<{ code: number; reason: string }> | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** Makes a socket. */
export type SocketConstructor = new (url: string, protocols?: string[]) => SocketLike;

/** Clock, timers, chance and network state; replaced in tests, and where a platform has its own. Times in milliseconds. */
export interface Environment {
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  /** From 0 up to, not including, 1. */
  random(): number;
  /** Whether there is a network, as far as is known. */
  online(): boolean;
  /**
   * Calls `online` and `offline` as the network comes and goes, and `wake` when the page is shown again or the machine woke up.
   * Returns the removal.
   */
  watch(listeners: { online(): void; offline(): void; wake(): void }): Remove;
}

/** What a client is made with. */
export interface ClientOptions {
  /** The hub's `/ws`: `ws:`, `wss:`, `http:` or `https:`; in a page also a path, `/ws`. */
  url: string | URL;
  /** A token that does not change. Not looked at where there is a `getToken`. */
  token?: string;
  /**
   * Gives a token, or null for none. Asked before every connection, 60 s before the present one ends, and once after it was
   * refused; null or an error then is the end (`unauthorized`). An error at another time, or no answer within 15 s, is a failed
   * attempt, and it is asked again after a pause.
   */
  getToken?: (request: TokenRequest) => string | null | Promise<string | null>;
  /** Whether the client connects by itself right after it was made (default), or waits for `connect()`. */
  autoConnect?: boolean;
  /**
   * Whether to ask for what was missed after a reconnect (default), where the server offers it. What can't be had is told to
   * `onGap`; without recovery that is everything, after each reconnect.
   */
  recovery?: boolean;
  /** Failed attempts in a row until it gives up; 0 makes no second one. Default: never. */
  maxAttempts?: number;
  /** The first and the longest pause before a reconnect, before jitter. Defaults: 1,000 and 30,000 ms. */
  minDelay?: number;
  maxDelay?: number;
  /** A ping after so long without a frame (`Infinity`: never), and the longest wait for its answer. Defaults: 20,000 and 8,000 ms. */
  heartbeatInterval?: number;
  heartbeatTimeout?: number;
  /** The most requests that wait for their answers at a time. Default: 100. */
  maxRequests?: number;
  /** For Node and tests. Default: the platform's. */
  WebSocket?: SocketConstructor;
  environment?: Environment;
  /** Makes the connection in another way than with a socket of this client's own: `sharedTabs()` of `@fanfare/client/tabs`. */
  transport?: TransportFactory;
}

/** A connection to a hub that stays up by itself. */
export interface Client<Events = EventTypes> {
  /** The state now. */
  readonly state: ConnectionState;
  /** Calls `listener` after each change of the state. */
  onState(listener: (state: ConnectionState) => void): Remove;
  /**
   * Calls `handler` with each event of a type, and with the server's own frames by theirs (`connected`, `subscribed`, `error`, …).
   * A handler that throws is reported to `onError` and stops no other.
   */
  on<T extends keyof FrameTypes<Events> & string>(type: T, handler: Handler<FrameTypes<Events>, T>): Remove;
  /** Calls `handler` with the next event of a type only. */
  once<T extends keyof FrameTypes<Events> & string>(type: T, handler: Handler<FrameTypes<Events>, T>): Remove;
  /** Calls `handler` with each event, of types that are not in the map too; not with the server's own frames. */
  onAny(handler: (event: AnyEventOf<Events>) => void): Remove;
  /** Calls `listener` with what went wrong beside the connection. Without a listener it goes to `console.warn`. */
  onError(listener: (error: FanfareError) => void): Remove;
  /**
   * Calls `listener` when events were missed that the server does not have any more: what was fetched must be fetched again. At
   * most once for each connection and each answer to a subscription, and before any later event.
   */
  onGap(listener: (gap: Gap) => void): Remove;
  /**
   * Follows channels, now and after every reconnect, until the returned function is called (or `unsubscribe`). Counted: what is
   * subscribed twice is one subscription of the server, and ends when both are gone. What is subscribed and taken back in one turn
   * is one frame or none. At most 10,000 names are kept; one more, and what is no name, is refused and goes to `onError`.
   */
  subscribe(channels: string | readonly string[]): Remove;
  /** Takes back one `subscribe` of each channel. */
  unsubscribe(channels: string | readonly string[]): void;
  /** What the server said of a channel; undefined if nobody here follows it. */
  channel(name: string): ChannelState | undefined;
  /** Calls `listener` after the state of any channel changed. */
  onChannel(listener: (name: string) => void): Remove;
  /**
   * Sends `{type, data}`. False, and nothing sent or kept for later, if the connection is not open.
   *
   * @throws TypeError if `data` cannot be JSON: a BigInt, a circle.
   */
  send(type: string, data?: unknown): boolean;
  /**
   * Sends `{type, data, ref}`, for types that the server hands to a service, and gives the service's answer: also one that says no
   * (`success` is false then). It is never sent a second time, and nothing is kept for a later connection: an answer that a lost
   * connection owes does not come any more. Requests of one client are carried out in their order.
   *
   * Rejects with a `RequestError`: `closed`, `too_many` (nothing was sent), `lost`, `timeout` (it may have been carried out),
   * `unknown_type`. With the signal's reason, if that ends the wait. With a TypeError if `data` cannot be JSON.
   */
  request(type: string, data?: unknown, options?: RequestOptions): Promise<Answer>;
  /**
   * Tells the server that the events with these ids were shown. False, and nothing kept for later, if the connection is not open.
   */
  ack(ids: string | readonly string[]): boolean;
  /**
   * Connects, if `autoConnect` is false or the state is `closed`; ends the pause before the next attempt, also one for the network:
   * a person who says so is believed more than the platform. Otherwise does nothing.
   */
  connect(): void;
  /** Ends the connection and stays closed. Handlers and subscriptions stay for a later `connect()`. */
  close(): void;
}

/** Where a client's frames come from and go to: one socket that comes back by itself, or another tab's. */
export interface Transport {
  readonly state: ConnectionState;
  start(): void;
  stop(): void;
  /** Sends a frame's text; false if not open. */
  send(text: string): boolean;
}

/** What a transport tells its client. `frame` gets every frame that the server sent, `connected` and `pong` too. */
export interface TransportListener {
  state(state: ConnectionState): void;
  frame(frame: FanfareEvent): void;
  error(error: FanfareError): void;
  /** Events were missed for good, in these streams. */
  gap(streams: readonly string[]): void;
}

/** Makes a transport for a client with these options. */
export type TransportFactory = (options: ClientOptions, listener: TransportListener) => Transport;
