//! What the chat service tells of messages between two users (contract: socketio, Client → server).
//!
//! Whom an event goes to is not always in it: `user_typing` does not say to whom one types, and `message_read` not whose
//! message it was. The service names them beside the event.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{AnyUserId, AudienceRule, EventData, MessageId, Service, UserId};

/// A user wrote to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MessageReceived {
    /// The message; later messages have higher ids.
    pub id: MessageId,
    /// Who wrote it.
    pub from_user_id: AnyUserId,
    /// To whom.
    pub to_user_id: AnyUserId,
    /// What was written: plain text, never HTML.
    pub message: String,
    /// When it was stored: UTC, milliseconds, `Z`.
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: String,
}

/// A user types a message to the one who is told, or types no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct UserTyping {
    /// Who types.
    pub user_id: AnyUserId,
    /// Whether they do.
    pub is_typing: bool,
}

/// A user has read the messages of the one who is told, up to this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct MessageRead {
    /// The last message that was read.
    pub message_id: MessageId,
    /// Who read it.
    pub user_id: AnyUserId,
    /// When: UTC, milliseconds, `Z`.
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: String,
}

macro_rules! chat_event {
    ($name:ident = $word:literal, $audience:literal) => {
        impl EventData for $name {
            const TYPE: &'static str = $word;
            const SENDER: Service = Service::Chat;
            const AUDIENCE: AudienceRule = AudienceRule::Told($audience);

            fn users(&self) -> Vec<UserId> {
                Vec::new()
            }
        }
    };
}

chat_event!(MessageReceived = "message_received", "the recipient and the sender's other connections");
chat_event!(UserTyping = "user_typing", "the user to whom they type");
chat_event!(MessageRead = "message_read", "its author");
