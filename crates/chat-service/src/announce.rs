//! The events of chat as the hub is told them: each is written in the transaction of its change, and sent by the relay;
//! typing alone is sent at once ([`crate::typing`]).

use events::{AnyUserId, Event, MessageId, MessageRead, MessageReceived, UserTyping};
use hub_client::{Message, relay};
use rest::{Failure, instant};
use serde_json::Value;
use service_kit::problem::Problem;
use store::Transaction;

use crate::table::{Addressed, Draft, Stored};

/// The connection that a message came from, which does not get it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin(pub(crate) Option<String>);

/// Writes `message_received`: to the recipient, and to the sender's connections but the one that it came from. Of a
/// message to oneself that one gets it too. Last in a transaction.
pub(crate) async fn received(
    transaction: &mut Transaction,
    draft: &Draft,
    stored: Stored,
    origin: &Origin,
    now: i64,
) -> Result<(), Failure> {
    let event = MessageReceived {
        id: id(stored.message_id)?,
        from_user_id: draft.from.clone(),
        to_user_id: draft.to.clone(),
        message: draft.message.clone(),
        timestamp: instant::show(now),
    };
    let is_own = draft.from == draft.to;
    let users: &[&AnyUserId] = if is_own { &[&draft.to] } else { &[&draft.to, &draft.from] };
    let mut message = message(&event.into(), users);
    message.except_connection_id = origin.0.clone().filter(|_| !is_own);
    write(transaction, stored.conversation_id, message, now).await
}

/// Writes `message_read`: to the author of the message that somebody has read up to. Last in a transaction.
pub(crate) async fn was_read(
    transaction: &mut Transaction,
    message_id: i64,
    addressed: &Addressed,
    reader: &AnyUserId,
    now: i64,
) -> Result<(), Failure> {
    let event =
        MessageRead { message_id: id(message_id)?, user_id: reader.clone(), timestamp: instant::show(now) };
    write(transaction, addressed.conversation_id, message(&event.into(), &[&addressed.from]), now).await
}

/// `user_typing`, to whom one types, if there is anybody: later it means nothing.
pub(crate) fn typing(from: &AnyUserId, to: &AnyUserId, is_typing: bool) -> Message {
    let typing = UserTyping { user_id: from.clone(), is_typing };
    Message { transient: true, ..message(&typing.into(), &[to]) }
}

fn message(event: &Event, users: &[&AnyUserId]) -> Message {
    let user = |user: &&AnyUserId| match user {
        AnyUserId::Number(id) => Value::from(*id),
        AnyUserId::Text(id) => Value::from(id.as_str()),
    };
    Message {
        user_ids: Some(users.iter().map(user).collect()),
        ..Message::new(event.event_type(), event.data())
    }
}

async fn write(
    transaction: &mut Transaction,
    conversation_id: i64,
    mut message: Message,
    now: i64,
) -> Result<(), Failure> {
    message.timestamp = Some(instant::show(now));
    message.traceparent = rest::trace::current();
    relay::enqueue(transaction, &format!("chat:{conversation_id}"), &message).await?;
    Ok(())
}

fn id(id: i64) -> Result<MessageId, Failure> {
    MessageId::new(id).map_err(|error| Failure(Problem::internal(format!("message {id}: {error}"))))
}
