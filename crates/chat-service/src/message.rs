//! What is answered: messages, conversations, blocks; and how a user's id stands in a row.

use events::AnyUserId;
use serde::Serialize;
use utoipa::ToSchema;

/// A message as it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Message {
    /// Its id; later messages have higher ones.
    pub(crate) id: i64,
    /// Who wrote it.
    #[schema(value_type = crate::openapi::UserIdWord)]
    pub(crate) from_user_id: AnyUserId,
    /// To whom.
    #[schema(value_type = crate::openapi::UserIdWord)]
    pub(crate) to_user_id: AnyUserId,
    /// What was written.
    pub(crate) message: String,
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "rest::instant::serialize")]
    pub(crate) timestamp: i64,
    /// Whether its recipient has read it.
    pub(crate) read: bool,
}

/// A conversation as one of its two sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Conversation {
    /// The other.
    #[schema(value_type = crate::openapi::UserIdWord)]
    pub(crate) user_id: AnyUserId,
    /// The latest message, of either.
    pub(crate) last_message: Message,
    /// How many messages of the other the caller has not read.
    pub(crate) unread_count: i64,
    /// The last message of the other that the caller has read; `null` where there is none.
    #[schema(required = true)]
    pub(crate) last_read_id: Option<i64>,
    /// The last message of the caller that the other has read; `null` where there is none.
    #[schema(required = true)]
    pub(crate) peer_last_read_id: Option<i64>,
}

/// Somebody whose messages a user does not want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Block {
    /// Who is blocked.
    #[schema(value_type = crate::openapi::UserIdWord)]
    pub(crate) user_id: AnyUserId,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "rest::instant::serialize")]
    pub(crate) created_at: i64,
    #[serde(skip)]
    #[schema(ignore)]
    pub(crate) block_id: i64,
}

/// Where a reader stands after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Position {
    /// The last message of the other that was read: what the call named, or one that was read before and is later.
    pub(crate) message_id: i64,
    /// How many messages of the other are unread now.
    pub(crate) unread_count: i64,
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
