// Notifications into users' inboxes: one, many, those of a topic. How many are divided into requests is in many.ts, how a call is made in
// caller.ts. What a user does with an inbox takes the user's own token and is not here.

import { Caller, fromEnvironment, keyOf, positive, textOf } from "./caller.js";
import { FanfareError } from "./errors.js";
import { eachOf, resultsOf, sameFor } from "./many.js";
import type {
  CallOptions,
  FanfareOptions,
  Id,
  NewNotification,
  Notification,
  NotificationFor,
  NotificationResult,
  TopicAnswer,
} from "./types.js";

/** The notification service, where it is on one's own machine. */
const SERVICE = { who: "The notification service", key: "service key", local: "http://127.0.0.1:8084" };

/** The longest key of a call for many, bytes: it has to leave room for the number of the request. */
const MAX_KEY = 240;

/** The members of a notification; others are a mistake that the service would pass over. */
const MEMBERS = ["title", "message", "type", "category", "data", "priority", "expires_at"] as const;

/** Items of a call for many. */
export type Items<Item> = Iterable<Item> | AsyncIterable<Item>;

/** Creates notifications at one notification service. */
export class Notifier {
  readonly #service: Caller;

  /** @throws FanfareError `invalid` where an option is wrong, or there is no service key. */
  constructor(options: FanfareOptions) {
    const url = options.notificationUrl ?? fromEnvironment("NOTIFICATION_SERVICE_URL");
    const key = options.serviceKey ?? fromEnvironment("SERVICE_API_KEY");
    if (key === undefined) {
      const message =
        "The notification service knows a back end by the service key (SERVICE_API_KEY), which is missing.";
      throw new FanfareError("invalid", message);
    }
    this.#service = new Caller(SERVICE, url, key, options);
  }

  /** Creates one for a user. */
  async create(userId: Id, notification: NewNotification, options: CallOptions = {}): Promise<Notification> {
    const user = userOf(userId, "userId");
    const answer = await this.#post(String(user), { user_id: user, ...membersOf(notification) }, options);
    if (Number.isSafeInteger(answer.id)) return answer as unknown as Notification;
    throw strange();
  }

  /** Creates one for everyone who follows a topic. */
  async topic(topic: string, notification: NewNotification, options: CallOptions = {}): Promise<TopicAnswer> {
    if (typeof topic !== "string" || topic === "") {
      throw new FanfareError("invalid", "topic must be a text that is not empty.");
    }
    const answer = await this.#post(`topic ${topic}`, { topic, ...membersOf(notification) }, options);
    if (typeof answer.topic === "string" && Number.isSafeInteger(answer.recipients)) {
      return answer as unknown as TopicAnswer;
    }
    throw strange();
  }

  /** Creates the same for each of these users, or all of these notifications. */
  many(
    items: Items<Id> | Items<NotificationFor>,
    notification: NewNotification | undefined,
    options: CallOptions,
  ): AsyncGenerator<NotificationResult, void> {
    const list =
      typeof items === "object" &&
      items !== null &&
      (Symbol.iterator in items || Symbol.asyncIterator in items);
    if (!list) {
      throw new FanfareError("invalid", "createNotifications needs users or notifications.");
    }
    const key = keyOf(options.idempotencyKey, MAX_KEY);
    const deadline = positive("deadline", options.deadline ?? this.#service.deadline);
    const requests = notification
      ? sameFor(items as Items<Id>, textOf(membersOf(notification)), key, (id, at) =>
          userOf(id, `user ${at}`),
        )
      : eachOf(items as Items<NotificationFor>, key, lineOf);
    return resultsOf(this.#service, requests, deadline, options.signal);
  }

  async #post(lane: string, body: object, options: CallOptions): Promise<Record<string, unknown>> {
    const headers = { "idempotency-key": keyOf(options.idempotencyKey) };
    const answer = await this.#service.post("api/notifications", lane, textOf(body), options, headers);
    if (typeof answer === "object" && answer !== null) return answer as Record<string, unknown>;
    throw strange();
  }
}

function lineOf(item: NotificationFor, place: number): string {
  const user_id = userOf(item?.user_id, `the user_id of notification ${place}`);
  return textOf({ user_id, ...membersOf(item) });
}

/** The members that are given. */
function membersOf(notification: NewNotification): Record<string, unknown> {
  if (typeof notification !== "object" || notification === null || typeof notification.title !== "string") {
    throw new FanfareError("invalid", "A notification is an object with a title, a text.");
  }
  const { expires_at } = notification;
  if (expires_at instanceof Date && Number.isNaN(expires_at.getTime())) {
    throw new FanfareError("invalid", "expires_at is no date.");
  }
  const given = MEMBERS.map((name) => [name, notification[name]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** The id, which must be there. */
function userOf(id: Id, what: string): string | number {
  if (typeof id === "bigint") return String(id);
  if (Number.isSafeInteger(id) || (typeof id === "string" && id.trim() !== "")) return id;
  throw new FanfareError("invalid", `${what} must be a text or a whole number.`);
}

function strange(): FanfareError {
  const message = "What answered is not the notification service: its JSON is no answer to a notification.";
  return new FanfareError("bad_answer", message);
}
