//! What the notification service tells of a user's inbox (contract: socketio, Inbox REST). Each goes to all connections of
//! the user whose inbox it is, with what is unread from then on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ts_rs::TS;

use crate::{AnyUserId, AudienceRule, EventData, NotificationId, NotificationPriority, Service, UserId};

/// A notification was stored for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct NotificationCreated {
    /// The notification; later ones have higher ids.
    pub id: NotificationId,
    /// Whose it is.
    pub user_id: AnyUserId,
    /// What it tells of, such as `job_accepted`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it belongs to, such as `jobs`: preferences go by it.
    pub category: String,
    /// Its title: plain text, never HTML.
    pub title: String,
    /// The rest: plain text, never HTML.
    pub message: String,
    /// What the page needs to open what it is about.
    #[ts(type = "{ [member: string]: unknown }")]
    pub data: Map<String, Value>,
    /// How much it matters.
    pub priority: NotificationPriority,
    /// Whether its user has read it.
    pub is_read: bool,
    /// When they did: UTC, milliseconds, `Z`.
    #[serde(deserialize_with = "crate::nullable")]
    #[schemars(extend("format" = "date-time"))]
    pub read_at: Option<String>,
    /// When it was stored: UTC, milliseconds, `Z`.
    #[schemars(extend("format" = "date-time"))]
    pub created_at: String,
    /// When it vanishes by itself: UTC, milliseconds, `Z`.
    #[serde(deserialize_with = "crate::nullable")]
    #[schemars(extend("format" = "date-time"))]
    pub expires_at: Option<String>,
    /// What the user has not read, this one included.
    pub unread_count: u32,
    /// Whether it is to sound: by the user's preferences, and never in their quiet hours.
    pub sound: bool,
    /// When it was told: UTC, milliseconds, `Z`.
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: String,
}

/// A user has read a notification, or all that they had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct NotificationRead {
    /// The notification; null where it was all of them.
    #[serde(deserialize_with = "crate::nullable")]
    pub id: Option<NotificationId>,
    /// The same.
    #[serde(deserialize_with = "crate::nullable")]
    pub notification_id: Option<NotificationId>,
    /// Whether it was all of them; absent where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    #[ts(optional)]
    pub all: Option<bool>,
    /// The last of all of them; absent where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NotificationId")]
    #[ts(optional)]
    pub up_to: Option<NotificationId>,
    /// What the user has not read now.
    pub unread_count: u32,
    /// When: UTC, milliseconds, `Z`.
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: String,
}

/// A notification has left a user's inbox: they deleted it, or its time is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct NotificationDeleted {
    /// The notification.
    pub id: NotificationId,
    /// The same.
    pub notification_id: NotificationId,
    /// What the user has not read now.
    pub unread_count: u32,
    /// When: UTC, milliseconds, `Z`.
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: String,
}

/// A user has marked a notification as unread again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct NotificationUnread {
    /// The notification.
    pub id: NotificationId,
    /// The same.
    pub notification_id: NotificationId,
    /// What the user has not read now.
    pub unread_count: u32,
    /// When: UTC, milliseconds, `Z`.
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: String,
}

/// A user has brought back a notification that they had deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct NotificationRestored {
    /// The notification.
    pub id: NotificationId,
    /// Whose it is.
    pub user_id: AnyUserId,
    /// What it tells of, such as `job_accepted`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it belongs to, such as `jobs`: preferences go by it.
    pub category: String,
    /// Its title: plain text, never HTML.
    pub title: String,
    /// The rest: plain text, never HTML.
    pub message: String,
    /// What the page needs to open what it is about.
    #[ts(type = "{ [member: string]: unknown }")]
    pub data: Map<String, Value>,
    /// How much it matters.
    pub priority: NotificationPriority,
    /// Whether its user has read it.
    pub is_read: bool,
    /// When they did: UTC, milliseconds, `Z`.
    #[serde(deserialize_with = "crate::nullable")]
    #[schemars(extend("format" = "date-time"))]
    pub read_at: Option<String>,
    /// When it was stored: UTC, milliseconds, `Z`.
    #[schemars(extend("format" = "date-time"))]
    pub created_at: String,
    /// When it vanishes by itself: UTC, milliseconds, `Z`.
    #[serde(deserialize_with = "crate::nullable")]
    #[schemars(extend("format" = "date-time"))]
    pub expires_at: Option<String>,
    /// What the user has not read now.
    pub unread_count: u32,
    /// When it was brought back: UTC, milliseconds, `Z`.
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: String,
}

macro_rules! notification_event {
    ($name:ident = $word:literal) => {
        impl EventData for $name {
            const TYPE: &'static str = $word;
            const SENDER: Service = Service::Notification;
            const AUDIENCE: AudienceRule = AudienceRule::Told("the user whose inbox it is");

            fn users(&self) -> Vec<UserId> {
                Vec::new()
            }
        }
    };
}

notification_event!(NotificationCreated = "notification");
notification_event!(NotificationRead = "notification_read");
notification_event!(NotificationDeleted = "notification_deleted");
notification_event!(NotificationUnread = "notification_unread");
notification_event!(NotificationRestored = "notification_restored");
