// Generated from crates/events; to write it anew: cargo run -p events --example generate

/** What kind of work a job is. */
export type JobType = "development" | "design" | "writing" | "marketing" | "data_entry" | "other";

/** The state of a job. */
export type JobStatus = "open" | "accepted" | "completed" | "refunded";

/** Why a job's money went back. */
export type RefundReason = "expired" | "cancelled";

/** The state of a payment. */
export type PaymentStatus = "held" | "released" | "refunded";

/** What a user is on the platform. */
export type UserType = "employer" | "worker";

/** How much a notification matters. */
export type NotificationPriority = "low" | "normal" | "high" | "urgent";

/** An employer posted a job, and its money is held. */
export interface JobCreated {
  /** The job. */
  job_id: number;
  /** Its title, 1 to 200 characters. */
  title: string;
  /** What the worker will get, in US dollars. */
  pay_amount_usd: number;
  /** The kind of work. */
  job_type: JobType;
}

/** A worker accepted a job. */
export interface JobAccepted {
  /** The job. */
  job_id: number;
  /** Who accepted it. */
  worker_id: number;
  /** Who posted it. */
  employer_id: number;
  /** Its title, 1 to 200 characters. */
  title: string;
}

/** The employer took the work as done. */
export interface JobCompleted {
  /** The job. */
  job_id: number;
  /** Whether the worker has the money. */
  payment_released: boolean;
  /** Who posted it. */
  employer_id: number;
  /** Who did it. */
  worker_id: number;
  /** Its title, 1 to 200 characters. */
  title: string;
}

/** A job expired or was cancelled, and its money went back to the employer. */
export interface JobRefunded {
  /** The job. */
  job_id: number;
  /** Why. */
  reason: RefundReason;
  /** Who posted it. */
  employer_id: number;
  /** Who had accepted it, null if nobody had. */
  worker_id: number | null;
  /** Its title, 1 to 200 characters. */
  title: string;
}

/** The money of a job was set aside on the employer's wallet. */
export interface PaymentHeld {
  /** The payment. */
  payment_id: number;
  /** The job that it is for. */
  job_id: number;
  /** How much, in US dollars. */
  amount_usd: number;
  /** Who pays. */
  employer_id: number;
  /** Who is paid, null if no worker ever accepted the job. */
  worker_id: number | null;
  /** The state that the payment is in now. */
  status: PaymentStatus;
}

/** The money of a job was released to its worker. */
export interface PaymentConfirmed {
  /** The payment. */
  payment_id: number;
  /** The job that it is for. */
  job_id: number;
  /** How much, in US dollars. */
  amount_usd: number;
  /** Who pays. */
  employer_id: number;
  /** Who is paid, null if no worker ever accepted the job. */
  worker_id: number | null;
  /** The state that the payment is in now. */
  status: PaymentStatus;
}

/** The money of a job went back to its employer. */
export interface PaymentRefunded {
  /** The payment. */
  payment_id: number;
  /** The job that it is for. */
  job_id: number;
  /** How much, in US dollars. */
  amount_usd: number;
  /** Who pays. */
  employer_id: number;
  /** Who is paid, null if no worker ever accepted the job. */
  worker_id: number | null;
  /** The state that the payment is in now. */
  status: PaymentStatus;
}

/** A user registered, which also signs in. */
export interface UserRegistered {
  /** The user. */
  user_id: number;
  /** What the user is on the platform. */
  user_type: UserType;
}

/** A user signed in. */
export interface UserLoggedIn {
  /** The user. */
  user_id: number;
  /** What the user is on the platform. */
  user_type: UserType;
}

/** A user signed out of one session. */
export interface UserLoggedOut {
  /** The user. */
  user_id: number;
  /** What the user is on the platform. */
  user_type: UserType;
}

/** Sessions of a user were ended: all by the user's wish, one whose refresh token was used twice, or the oldest of more than 1,000. */
export interface SessionRevoked {
  /** The user. */
  user_id: number;
  /** What the user is on the platform. */
  user_type: UserType;
}

/** A user wrote to another. */
export interface MessageReceived {
  /** The message; later messages have higher ids. */
  id: number;
  /** Who wrote it. */
  from_user_id: number | string;
  /** To whom. */
  to_user_id: number | string;
  /** What was written: plain text, never HTML. */
  message: string;
  /** When it was stored: UTC, milliseconds, `Z`. */
  timestamp: string;
}

/** A user types a message to the one who is told, or types no more. */
export interface UserTyping {
  /** Who types. */
  user_id: number | string;
  /** Whether they do. */
  is_typing: boolean;
}

/** A user has read the messages of the one who is told, up to this one. */
export interface MessageRead {
  /** The last message that was read. */
  message_id: number;
  /** Who read it. */
  user_id: number | string;
  /** When: UTC, milliseconds, `Z`. */
  timestamp: string;
}

/** A notification was stored for a user. */
export interface NotificationCreated {
  /** The notification; later ones have higher ids. */
  id: number;
  /** Whose it is. */
  user_id: number | string;
  /** What it tells of, such as `job_accepted`. */
  type: string;
  /** What it belongs to, such as `jobs`: preferences go by it. */
  category: string;
  /** Its title: plain text, never HTML. */
  title: string;
  /** The rest: plain text, never HTML. */
  message: string;
  /** What the page needs to open what it is about. */
  data: { [member: string]: unknown };
  /** How much it matters. */
  priority: NotificationPriority;
  /** Whether its user has read it. */
  is_read: boolean;
  /** When they did: UTC, milliseconds, `Z`. */
  read_at: string | null;
  /** When it was stored: UTC, milliseconds, `Z`. */
  created_at: string;
  /** When it vanishes by itself: UTC, milliseconds, `Z`. */
  expires_at: string | null;
  /** What the user has not read, this one included. */
  unread_count: number;
  /** Whether it is to sound: by the user's preferences, and never in their quiet hours. */
  sound: boolean;
  /** When it was told: UTC, milliseconds, `Z`. */
  timestamp: string;
}

/** A user has read a notification, or all that they had. */
export interface NotificationRead {
  /** The notification; null where it was all of them. */
  id: number | null;
  /** The same. */
  notification_id: number | null;
  /** What the user has not read now. */
  unread_count: number;
  /** When: UTC, milliseconds, `Z`. */
  timestamp: string;
  /** Whether it was all of them; absent where it was one. */
  all?: boolean;
  /** The last of all of them; absent where it was one. */
  up_to?: number;
}

/** A notification has left a user's inbox: they deleted it, or its time is over. */
export interface NotificationDeleted {
  /** The notification. */
  id: number;
  /** The same. */
  notification_id: number;
  /** What the user has not read now. */
  unread_count: number;
  /** When: UTC, milliseconds, `Z`. */
  timestamp: string;
}

/** A user has marked a notification as unread again. */
export interface NotificationUnread {
  /** The notification. */
  id: number;
  /** The same. */
  notification_id: number;
  /** What the user has not read now. */
  unread_count: number;
  /** When: UTC, milliseconds, `Z`. */
  timestamp: string;
}

/** A user has brought back a notification that they had deleted. */
export interface NotificationRestored {
  /** The notification. */
  id: number;
  /** Whose it is. */
  user_id: number | string;
  /** What it tells of, such as `job_accepted`. */
  type: string;
  /** What it belongs to, such as `jobs`: preferences go by it. */
  category: string;
  /** Its title: plain text, never HTML. */
  title: string;
  /** The rest: plain text, never HTML. */
  message: string;
  /** What the page needs to open what it is about. */
  data: { [member: string]: unknown };
  /** How much it matters. */
  priority: NotificationPriority;
  /** Whether its user has read it. */
  is_read: boolean;
  /** When they did: UTC, milliseconds, `Z`. */
  read_at: string | null;
  /** When it was stored: UTC, milliseconds, `Z`. */
  created_at: string;
  /** When it vanishes by itself: UTC, milliseconds, `Z`. */
  expires_at: string | null;
  /** What the user has not read now. */
  unread_count: number;
  /** When it was brought back: UTC, milliseconds, `Z`. */
  timestamp: string;
}

/** The data of each event by its type. */
export interface EventMap {
  job_created: JobCreated;
  job_accepted: JobAccepted;
  job_completed: JobCompleted;
  job_refunded: JobRefunded;
  payment_held: PaymentHeld;
  payment_confirmed: PaymentConfirmed;
  payment_refunded: PaymentRefunded;
  user_registered: UserRegistered;
  user_logged_in: UserLoggedIn;
  user_logged_out: UserLoggedOut;
  session_revoked: SessionRevoked;
  message_received: MessageReceived;
  user_typing: UserTyping;
  message_read: MessageRead;
  notification: NotificationCreated;
  notification_read: NotificationRead;
  notification_deleted: NotificationDeleted;
  notification_unread: NotificationUnread;
  notification_restored: NotificationRestored;
}

/** The type of an event. */
export type EventType = keyof EventMap;

/** An event as it comes on `/ws`. */
export interface EventOf<T extends EventType> {
  type: T;
  data: EventMap[T];
  /** When it was published: UTC, milliseconds, `Z`. */
  timestamp: string;
}

/** Any event; its `type` tells which. */
export type AnyEvent = { [T in EventType]: EventOf<T> }[EventType];
