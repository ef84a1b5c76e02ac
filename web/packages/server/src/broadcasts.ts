// What a back end may say: publications, notifications, and the dashboard's words for what happened to whose image, PDF or
// transcription, each of which is a publication with one target.

import { FanfareError } from "./errors.js";
import type { WsMessageType } from "./message-types.js";
import { type Items, Notifier } from "./notifications.js";
import { Publisher } from "./publisher.js";
import type {
  BatchAnswer,
  BatchPublication,
  CallOptions,
  EventData,
  FanfareOptions,
  Id,
  NewNotification,
  Notification,
  NotificationFor,
  NotificationResult,
  Publication,
  PublishAnswer,
  TopicAnswer,
} from "./types.js";

/** The types of a family: those that begin with these letters. */
type Family<Prefix extends string> = Extract<WsMessageType, `${Prefix}${string}`>;

/** Any type, with those of a family offered first. */
type Known<Types extends string> = Types | (string & Record<never, never>);

/** What `createNotifications` takes behind its users or notifications. */
type Second = NewNotification | CallOptions;

/** Calls of one hub and one notification service. All of them resolve with the answer, and reject with a {@link FanfareError}. */
export interface Fanfare {
  /** Publishes anything to anybody. */
  publish(publication: Publication, options?: CallOptions): Promise<PublishAnswer>;
  /** Publishes up to 1,000 in order, in one request; the answers are in the same order, each good or refused by itself. */
  publishBatch(
    publications: readonly BatchPublication[],
    options?: Omit<CallOptions, "idempotencyKey">,
  ): Promise<BatchAnswer[]>;
  /** Tells a user, wherever connected, of anything. `data` holds `type` and the event's members. */
  broadcastToUser(userId: Id, data: EventData, options?: CallOptions): Promise<PublishAnswer>;
  /** Tells a user what became of an image. */
  broadcastImageProcessingUpdate(
    userId: Id,
    data: EventData<Known<Family<"image_">>>,
    options?: CallOptions,
  ): Promise<PublishAnswer>;
  /** Tells a user what became of a PDF. */
  broadcastPDFGenerationUpdate(
    userId: Id,
    data: EventData<Known<Family<"pdf_">>>,
    options?: CallOptions,
  ): Promise<PublishAnswer>;
  /** Tells who follows a queue what became of a transcription. */
  broadcastTranscriptionUpdate(
    queueId: Id,
    data: EventData<Known<Family<"transcription_">>>,
    options?: CallOptions,
  ): Promise<PublishAnswer>;
  /** Tells a user of the state of something. */
  broadcastStatusUpdate(
    userId: Id,
    data: EventData<Known<"status_update">>,
    options?: CallOptions,
  ): Promise<PublishAnswer>;
  /** Puts a notification into a user's inbox, and resolves with it when it is stored; delivery follows by itself. */
  createNotification(userId: Id, notification: NewNotification, options?: CallOptions): Promise<Notification>;
  /**
   * Puts the same notification into the inboxes of these users, and tells of each what became of it. It is sent as it is iterated, and
   * not before. `deadline`: without one more result.
   */
  createNotifications(
    users: Iterable<Id> | AsyncIterable<Id>,
    notification: NewNotification,
    options?: CallOptions,
  ): AsyncGenerator<NotificationResult, void>;
  /** The same for notifications that differ. */
  createNotifications(
    notifications: Iterable<NotificationFor> | AsyncIterable<NotificationFor>,
    options?: CallOptions,
  ): AsyncGenerator<NotificationResult, void>;
  /** Puts a notification into the inbox of everyone who follows a topic. */
  notifyTopic(topic: string, notification: NewNotification, options?: CallOptions): Promise<TopicAnswer>;
}

/** Makes a publisher. @throws FanfareError `invalid` where an option is wrong. */
export function createFanfare(options: FanfareOptions = {}): Fanfare {
  const publisher = new Publisher(options);
  let made: Notifier | undefined;
  // Who only publishes needs no service key.
  const notifier = (): Notifier => {
    made ??= new Notifier(options);
    return made;
  };
  if (options.notificationUrl !== undefined || options.serviceKey !== undefined) notifier();
  const toUser = async (userId: Id, data: EventData, call?: CallOptions) => {
    return publisher.publish({ ...split(data), user_id: target("userId", userId) }, call);
  };
  return {
    publish: (publication, call) => publisher.publish(publication, call),
    publishBatch: (publications, call) => publisher.publishBatch(publications, call),
    broadcastToUser: toUser,
    broadcastImageProcessingUpdate: toUser,
    broadcastPDFGenerationUpdate: toUser,
    broadcastStatusUpdate: toUser,
    broadcastTranscriptionUpdate: async (queueId, data, call) => {
      return publisher.publish({ ...split(data), queue_id: target("queueId", queueId) }, call);
    },
    createNotification: async (userId, notification, call) => notifier().create(userId, notification, call),
    createNotifications: (
      items: Items<Id> | Items<NotificationFor>,
      second?: Second,
      third?: CallOptions,
    ) => {
      // What has a title is a notification, and what has none are options.
      const same = typeof second === "object" && second && "title" in second ? second : undefined;
      return notifier().many(items, same, (same ? third : (second as CallOptions | undefined)) ?? {});
    },
    notifyTopic: async (topic, notification, call) => notifier().topic(topic, notification, call),
  };
}

/** The type, and the members beside it. */
function split(data: EventData): { type: string; data: Record<string, unknown> } {
  if (typeof data !== "object" || data === null) {
    throw new FanfareError("invalid", "data must be an object with a type.");
  }
  const { type, ...rest } = data;
  return { type, data: rest };
}

/** The id, which must be there: without a target the event would go to everyone. */
function target(name: string, id: Id): Id {
  const good =
    typeof id === "bigint" || Number.isSafeInteger(id) || (typeof id === "string" && id.trim() !== "");
  if (good) return id;
  throw new FanfareError("invalid", `${name} must be a text or a whole number.`);
}
