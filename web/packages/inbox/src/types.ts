// The public types of the inbox: what it is made with, what it shows, what it does. No behaviour here.

import type { Environment } from "@fanfare/client";

/** How much a notification matters. */
export type Priority = "low" | "normal" | "high" | "urgent";

/** A notification, as the service tells it. Texts are text, whatever they look like. */
export interface Notification {
  /** Rising: a newer one has a higher id. */
  readonly id: number;
  readonly user_id: string | number;
  readonly type: string;
  readonly category: string;
  readonly title: string;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly priority: Priority;
  readonly is_read: boolean;
  /** Times: RFC 3339. */
  readonly read_at: string | null;
  readonly created_at: string;
  readonly expires_at: string | null;
}

/** Which notifications are listed. */
export interface Filter {
  /** A category; null: all of them. */
  readonly category: string | null;
  /** Only what is unread. */
  readonly unread: boolean;
}

/** A category of the user's notifications, with the service's counts. */
export interface Category {
  readonly name: string;
  readonly total: number;
  readonly unreadCount: number;
}

/** What was asked of the service. */
export type Action =
  | "load"
  | "load_more"
  | "read"
  | "unread"
  | "read_all"
  | "remove"
  | "restore"
  | "categories"
  | "load_preferences"
  | "save_preferences";

/**
 * Why something did not succeed.
 *
 * | code | meaning |
 * |---|---|
 * | `unreachable` | no answer: no network, no server, or one that may not be asked from this page |
 * | `timeout` | no answer in time; it may have been carried out |
 * | `unauthorized` | no token, or one that is not accepted |
 * | `forbidden`, `not_found`, `invalid`, `rate_limited`, `unavailable` | 403; 404; 400, 413, 415, 422; 429; 5xx |
 * | `bad_answer` | an answer that is none of an inbox: another server, or a proxy's page |
 * | `too_many` | too much waits to be sent already; this was not sent |
 */
export type FailureCode =
  | "unreachable"
  | "timeout"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "invalid"
  | "rate_limited"
  | "unavailable"
  | "bad_answer"
  | "too_many";

/** What did not succeed, and why. `failureText` of a text set has words for it. */
export interface Failure {
  readonly action: Action;
  readonly code: FailureCode;
  /** HTTP's status; null where there was no answer. */
  readonly status: number | null;
  /** The service's own words (English); "" where there are none. */
  readonly detail: string;
  /** The notification that it is about; null: none, or all. */
  readonly id: number | null;
  /** What the service said of single members (422). */
  readonly errors: readonly MemberError[];
  /** In how many milliseconds the server wants to be asked again (`Retry-After`); null where it did not say. */
  readonly retryAfter: number | null;
}

/** What is wrong with a member. */
export interface MemberError {
  readonly member: string;
  readonly message: string;
}

/** Something that the person who acted should be told. Goes after `dismissNotice()`, and with the next one. */
export type Notice =
  | { readonly key: number; readonly kind: "failed"; readonly failure: Failure }
  | {
      readonly key: number;
      readonly kind: "removed";
      /** What was deleted. */
      readonly notification: Notification;
      /** Brings it back; see `Inbox.remove`. */
      readonly undo: () => Promise<boolean>;
    };

/** How the list stands: `idle` before `start()`, `loading` as long as there is nothing to show, `failed` if that did not succeed. */
export type Status = "idle" | "loading" | "ready" | "failed";

/** What the inbox shows. A new object after each change, the same as long as nothing changed. */
export interface Snapshot {
  readonly status: Status;
  /** The newest first; what is asked of the service is shown as if it had agreed already. */
  readonly items: readonly Notification[];
  /** The whole inbox's, as the service told it last; null before it did. Never counted here. */
  readonly unreadCount: number | null;
  /** What the filter names, as the service told it when it was loaded; null before. */
  readonly total: number | null;
  /** Whether older ones can be loaded. */
  readonly hasMore: boolean;
  readonly isLoadingMore: boolean;
  /** Whether what is shown is being fetched anew. */
  readonly isRefreshing: boolean;
  readonly filter: Filter;
  /** Why the last attempt to load failed. What is shown may be old then. */
  readonly failure: Failure | null;
  /** When the next attempt is made, by the clock, milliseconds; null: none by itself. */
  readonly retryAt: number | null;
  readonly notice: Notice | null;
  /** The user's categories by name; null before they were loaded (`watchCategories`). */
  readonly categories: readonly Category[] | null;
}

/** A notification that came while the inbox was open. */
export interface Arrival {
  readonly notification: Notification;
  /** Whether the user wants a sound for it now: by preference and quiet hours, as the service says. */
  readonly sound: boolean;
}

/** Takes away what was added; calling it again does nothing. */
export type Remove = () => void;

/**
 * Where events come from. `liveFromClient` makes one of a client of `@fanfare/client`, `liveFromSocketIo` one of `window.ws`.
 */
export interface Live {
  /** Calls `handler` with the data of each event of a type, and with the event's id where there is one. */
  on(type: string, handler: (data: unknown, eventId?: string) => void): Remove;
  /** Calls `listener` when events may have been missed: after a reconnect, and when the first connection is there. */
  onGap?(listener: () => void): Remove;
  /** Tells the server that an event was shown. */
  ack?(eventId: string): void;
}

/** Clock, timers, chance, and news of the network where it has them; replaced in tests. Times in milliseconds. */
export type Clock = Pick<Environment, "now" | "setTimeout" | "clearTimeout" | "random"> &
  Partial<Pick<Environment, "watch">>;

/** Why a token is asked for: for a call, or as the last one was refused. A `getToken` of `@fanfare/client` takes both. */
export type TokenRequest = "connect" | "unauthorized";

/** How the service is reached. */
export interface ServiceOptions {
  /** Where `/api/notifications` is: an address, or a path of the page's own host. Default: `/`. */
  baseUrl?: string | URL;
  /**
   * Gives the user's token, or null for none. Asked before each call, and once more after one was refused. An error counts as a
   * failed call, which may be tried again.
   */
  getToken: (request: TokenRequest) => string | null | Promise<string | null>;
  /** For tests. Default: the platform's. */
  fetch?: typeof fetch;
  clock?: Clock;
}

/** What an inbox is made with. */
export interface InboxOptions extends ServiceOptions {
  /** Where events come from. Null or nothing: none, and the list is fetched again every `pollInterval`. */
  live?: Live | null;
  /** Notifications of a page, 1 to 100. Default: 20. */
  pageSize?: number;
  filter?: Partial<Filter>;
  /** Without `live`: the list is fetched anew so often, milliseconds; 0: never. Default: 60,000. */
  pollInterval?: number;
}

/** A user's inbox. Nothing happens before `start()`. */
export interface Inbox {
  getSnapshot(): Snapshot;
  /** Calls `listener` after each change. */
  subscribe(listener: () => void): Remove;
  /** Calls `listener` with each notification that comes in, once; not with what was fetched. */
  onArrival(listener: (arrival: Arrival) => void): Remove;
  /** Loads, and follows the events. Counted: what was started twice ends with the second `stop()`. */
  start(): void;
  stop(): void;
  /** Fetches the next page of older ones; again while that is under way: nothing. */
  loadMore(): Promise<void>;
  /** Fetches anew what is shown, at once; also ends the pause after a failure. */
  refresh(): Promise<void>;
  /** Shown at once, and taken back with a `notice` if the service refuses. Resolves with whether it agreed; never rejects. */
  markRead(id: number): Promise<boolean>;
  markUnread(id: number): Promise<boolean>;
  markAllRead(): Promise<boolean>;
  /**
   * Deletes at once, and gives the way back: called, it brings the notification back, and resolves with whether that succeeded.
   * The same function is in the `notice`.
   */
  remove(id: number): () => Promise<boolean>;
  /** Lists something else. What is not named stays. */
  setFilter(filter: Partial<Filter>): void;
  /** Tells the server that these were shown to the user: in an open list, or as a toast. */
  markShown(ids: readonly number[]): void;
  /** Loads the categories, and keeps them fresh until the returned function was called. */
  watchCategories(): Remove;
  dismissNotice(): void;
  readonly preferences: PreferencesStore;
}

/** The ways in which a category reaches the user. */
export interface Ways {
  readonly in_app: boolean;
  readonly push: boolean;
  readonly sound: boolean;
}

/** A day of the week. */
export type Day = "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun";

/** When nothing makes a noise or is pushed. Times as `22:00`; may span midnight. */
export interface QuietHours {
  readonly enabled: boolean;
  readonly start: string;
  readonly end: string;
  /** A name of the time zone database, `Europe/Berlin`. */
  readonly time_zone: string;
  /** The days on which it begins; absent: all. */
  readonly days?: readonly Day[];
}

/** What the user chose. */
export interface Preferences {
  readonly categories: Readonly<Record<string, Ways>>;
  /** For categories that are not named. */
  readonly default: Ways;
  readonly quiet_hours: QuietHours | null;
  readonly locale: string | null;
}

/** A change of them: what is not named stays. */
export interface PreferencesChange {
  readonly categories?: Readonly<Record<string, Partial<Ways>>>;
  readonly default?: Partial<Ways>;
  readonly quiet_hours?: QuietHours | null;
  readonly locale?: string;
}

/** How the preferences stand. */
export interface PreferencesSnapshot {
  readonly status: "idle" | "loading" | "ready" | "failed";
  /** What the service has, with what is being saved. */
  readonly value: Preferences | null;
  readonly isSaving: boolean;
  /** Why the last attempt to load or save failed; `errors` in it says which members. */
  readonly failure: Failure | null;
  /** When something was saved last, by the clock, milliseconds; null: not yet. */
  readonly savedAt: number | null;
}

/** The user's preferences. */
export interface PreferencesStore {
  getSnapshot(): PreferencesSnapshot;
  subscribe(listener: () => void): Remove;
  load(): Promise<boolean>;
  /** Saves a change; shown at once, and taken back if the service refuses. Resolves with whether it agreed; never rejects. */
  save(change: PreferencesChange): Promise<boolean>;
}
