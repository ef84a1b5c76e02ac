//! A notification: as somebody wants it made, as it is stored, as it is answered.

use events::AnyUserId;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

/// How much a notification matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    /// Can wait.
    Low,
    /// As most.
    #[default]
    Normal,
    /// Soon.
    High,
    /// At once.
    Urgent,
}

impl Priority {
    pub(crate) const ALL: &[Self] = &[Self::Low, Self::Normal, Self::High, Self::Urgent];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }

    pub(crate) fn of(text: &str) -> Self {
        Self::ALL.iter().copied().find(|priority| priority.as_str() == text).unwrap_or_default()
    }
}

/// By whom a notification was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// A service, by its key.
    Service,
    /// Its user.
    User,
    /// A service, for all who follow a topic.
    Topic,
    /// A rule, from an event of the hub.
    Rule,
}

impl Maker {
    const ALL: [Self; 4] = [Self::Service, Self::User, Self::Topic, Self::Rule];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::User => "user",
            Self::Topic => "topic",
            Self::Rule => "rule",
        }
    }

    pub(crate) fn of(text: &str) -> Self {
        Self::ALL.into_iter().find(|maker| maker.as_str() == text).unwrap_or(Self::Service)
    }
}

/// A notification that is to be made, checked already.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// Whose it is.
    pub(crate) user: AnyUserId,
    /// `type` on the wire.
    pub(crate) kind: String,
    pub(crate) category: String,
    pub(crate) title: String,
    pub(crate) message: String,
    /// A JSON object, as it was sent.
    pub(crate) data: Box<RawValue>,
    pub(crate) priority: Priority,
    /// In microseconds since 1970.
    pub(crate) expires_at: Option<i64>,
    /// The event that it was made from.
    pub(crate) source: Option<Uuid>,
    pub(crate) made_by: Maker,
}

/// Removed by its user, who can still bring it back.
pub(crate) const DELETED: &str = "deleted";

/// Removed since its time was over.
pub(crate) const EXPIRED: &str = "expired";

/// Never in the inbox, by a preference.
pub(crate) const FILTERED: &str = "filtered";

/// A notification as it stands in its row.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) id: i64,
    /// The text of the user's id: `456` and `"456"` are one user.
    pub(crate) user_key: String,
    /// The user's id in the form in which it was given.
    pub(crate) user: AnyUserId,
    /// `type` on the wire.
    pub(crate) kind: String,
    pub(crate) category: String,
    pub(crate) title: String,
    pub(crate) message: String,
    /// A JSON object.
    pub(crate) data: Box<RawValue>,
    pub(crate) priority: Priority,
    pub(crate) read_at: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    /// The id of its event `notification` at the hub: its publication's.
    pub(crate) event_id: Uuid,
    /// The event that it was made from.
    pub(crate) source: Option<Uuid>,
    pub(crate) made_by: Maker,
    /// Why its user does not see it: [`DELETED`], [`EXPIRED`] or [`FILTERED`]; `None` while it is in the inbox.
    pub(crate) removed: Option<String>,
    /// Since when it is deleted or expired.
    pub(crate) deleted_at: Option<i64>,
    /// The preference that kept it from the inbox: `preference:in_app:<category>`.
    pub(crate) filtered: Option<String>,
}

/// A notification as it is answered, and as the hub tells it (contract: socketio, Inbox REST).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
pub(crate) struct Shown<'a> {
    /// Its id; later notifications have higher ones.
    id: i64,
    /// Whose it is.
    #[schema(value_type = crate::openapi::UserIdWord)]
    user_id: &'a AnyUserId,
    /// What it tells of.
    #[serde(rename = "type")]
    kind: &'a str,
    /// What it belongs to; preferences go by it.
    category: &'a str,
    /// Text, never HTML.
    title: &'a str,
    /// Text, never HTML.
    message: &'a str,
    /// What the page needs to open what it is about.
    #[schema(value_type = Object)]
    data: &'a RawValue,
    /// How much it matters.
    priority: Priority,
    /// Whether its user has read it.
    is_read: bool,
    /// When they did; `null` before.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    #[serde(serialize_with = "rest::instant::serialize_option")]
    read_at: Option<i64>,
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "rest::instant::serialize")]
    created_at: i64,
    /// When it vanishes by itself; `null` where it does not.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    #[serde(serialize_with = "rest::instant::serialize_option")]
    expires_at: Option<i64>,
}

impl Stored {
    /// As it is answered.
    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown {
            id: self.id,
            user_id: &self.user,
            kind: &self.kind,
            category: &self.category,
            title: &self.title,
            message: &self.message,
            data: &self.data,
            priority: self.priority,
            is_read: self.read_at.is_some(),
            read_at: self.read_at,
            created_at: self.created_at,
            expires_at: self.expires_at,
        }
    }
}

/// A user's id as it stands in a row beside its text: its JSON, which keeps the form in which it was given.
pub(crate) fn written(user: &AnyUserId) -> String {
    match user {
        AnyUserId::Number(id) => id.to_string(),
        AnyUserId::Text(id) => serde_json::Value::from(id.as_str()).to_string(),
    }
}

/// Reads it back.
pub(crate) fn read(text: &str) -> sqlx::Result<AnyUserId> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}
