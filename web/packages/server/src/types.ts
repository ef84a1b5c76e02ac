// What the hub and the notification service take and answer, and what a publisher is made with. Types only; no behaviour here.

import type { FanfareError } from "./errors.js";

/** The id of a user, a job, a queue; `456` and `"456"` address the same. */
export type Id = string | number | bigint;

/** What is published: to whom, and what. Targets add up, and each connection gets it once; without one it goes to everyone. */
export interface Publication {
  /** What it is: `image_processed`. */
  readonly type: string;
  /** Any JSON; an object's members stand beside `type` in the dashboard's and the tasks' world. Default: `{}`. */
  readonly data?: unknown;
  readonly channel?: string | null;
  readonly channels?: readonly string[];
  readonly user_id?: Id | null;
  readonly user_ids?: readonly Id[];
  readonly queue_id?: Id | null;
  readonly connection_id?: string | null;
  readonly except_connection_id?: string | null;
  /** For Socket.IO clients. */
  readonly namespace?: string | null;
  /** Keeps it for who joins later, until the next under that key, `ttl_s` seconds, or, where it is `final`, 60 s. */
  readonly retain?: { readonly key: string; readonly ttl_s?: number; readonly final?: boolean };
  /** When it happened; the hub's own time where it is not given. */
  readonly timestamp?: string;
  /** Asks the hub to strip markup from every string in `data`. */
  readonly sanitize?: boolean;
  readonly [member: string]: unknown;
}

/** A publication in a batch, with a key of its own. */
export interface BatchPublication extends Publication {
  /** Repeated within 10 min it gives the first answer again, and nothing is sent. Default: a new one for each call. */
  readonly idempotency_key?: string;
}

/** The hub's answer. */
export interface PublishAnswer {
  readonly success: true;
  /** What the event is known by everywhere, a UUID. */
  readonly id: string;
  /** Connections of the hub's node that it was queued to. */
  readonly recipients: number;
}

/** The hub's answer for one publication of a batch that it did not take. */
export interface RefusedAnswer {
  readonly success: false;
  /** As of an HTTP answer. */
  readonly status: number;
  readonly error: { readonly code?: string; readonly detail?: string; readonly [member: string]: unknown };
}

/** An answer of a batch. */
export type BatchAnswer = PublishAnswer | RefusedAnswer;

/** How much a notification matters. */
export type Priority = "low" | "normal" | "high" | "urgent";

/** What a user is told, and finds in the inbox until it is deleted or expires. */
export interface NewNotification {
  /** 1 to 200 characters of text, never markup. */
  readonly title: string;
  /** Up to 20,000 characters of text. Default: none. */
  readonly message?: string;
  /** What it is, 1 to 64 of `A-Za-z0-9_-.:`. Default: the category, else `general`. */
  readonly type?: string | undefined;
  /** By what people switch sound and push on and off. Default: the type. */
  readonly category?: string | undefined;
  /** For the page that shows it: an object of up to 16 KiB of JSON. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** Default: `normal`. */
  readonly priority?: Priority | undefined;
  /** When it vanishes by itself, in the future: a `Date`, or a text of RFC 3339. */
  readonly expires_at?: Date | string | null | undefined;
}

/** One of several notifications that differ. */
export interface NotificationFor extends NewNotification {
  readonly user_id: Id;
}

/** A notification as it is stored. */
export interface Notification {
  readonly id: number;
  readonly user_id: string | number;
  readonly type: string;
  readonly category: string;
  readonly title: string;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly priority: Priority;
  readonly is_read: boolean;
  readonly read_at: string | null;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly [member: string]: unknown;
}

/** What became of one notification among many: it has an `id`, or an `error`. */
export type NotificationResult =
  | { readonly place: number; readonly userId: Id; readonly id: number; readonly error?: undefined }
  | { readonly place: number; readonly userId: Id; readonly id?: undefined; readonly error: FanfareError };

/** The answer to a notification for a topic. */
export interface TopicAnswer {
  readonly topic: string;
  /** Users who follow it. */
  readonly recipients: number;
}

/** What a publisher is made with. Times in milliseconds. */
export interface FanfareOptions extends ServerOptions {
  /** The hub's address. Default: `WS_SERVICE_URL`, else `http://127.0.0.1:8080`. */
  url?: string | URL | undefined;
  /** A key of the hub's `FANFARE_API_KEYS`. Default: `FANFARE_API_KEY`; without one the hub takes only local publishers. */
  apiKey?: string | undefined;
  /** The notification service's address. Default: `NOTIFICATION_SERVICE_URL`, else `http://127.0.0.1:8084`. */
  notificationUrl?: string | URL | undefined;
  /** The key by which services know each other, for notifications. Default: `SERVICE_API_KEY`. */
  serviceKey?: string | undefined;
}

/** How calls are made, to the hub and to the notification service each. */
export interface ServerOptions {
  /** From the call to its last attempt's end, the time in line included. Default: 30,000. */
  deadline?: number;
  /** The longest that one attempt may take. Default: 10,000. */
  timeout?: number;
  /** Attempts at most. Default: 10. */
  maxAttempts?: number;
  /** The first and the longest pause between two attempts, before jitter. Defaults: 200 and 5,000. */
  minDelay?: number;
  maxDelay?: number;
  /** Requests at the same time. Default: 16. */
  maxConcurrent?: number;
  /** Calls that are not answered yet; one more is refused with `overloaded`. Default: 1,000. */
  maxPending?: number;
  /** For tests, proxies and instrumentation. Default: the global one. */
  fetch?: typeof globalThis.fetch;
}

/** What one call may say. */
export interface CallOptions {
  /**
   * Repeated within 10 min (24 h for notifications) it gives the first answer again, and nothing is sent: for a job that may run twice. Default: a new one
   * for each call, which its retries share.
   */
  readonly idempotencyKey?: string;
  /** Gives the call up. What was sent already may still arrive. */
  readonly signal?: AbortSignal;
  /** In place of the publisher's own, milliseconds. */
  readonly deadline?: number;
}

/** What a broadcast says: the type, and the event's members beside it. */
export interface EventData<Type extends string = string> {
  readonly type: Type;
  readonly [member: string]: unknown;
}
