//! Every statement about messages, conversations and unread counts.
//!
//! A conversation has a row for each of its two users, `owner` and `peer` by the texts of their ids, so that `456` and
//! `"456"` are one. `received` counts what the owner got in it, and each message has the number that it was (`nth`); what
//! is unread is `received - read_nth`.
//!
//! Locks, in this order and in no other: the counter of messages, the recipient's row, the sender's row, the recipient's
//! unread total, the relay's counter. A reader takes the own row, the own total and the relay's counter. So no two wait for
//! each other, and sends are one after the other.
//!
//! Not here: the block list ([`crate::blocking`]).

use events::AnyUserId;
use store::{Store, Transaction, counter};

use crate::message::{Conversation, Message, read, written};

/// A message that is to be stored.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) from: AnyUserId,
    pub(crate) to: AnyUserId,
    pub(crate) message: String,
}

/// What storing a message gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) message_id: i64,
    pub(crate) conversation_id: i64,
}

/// Stores a message with all that goes with it but its event.
pub(crate) async fn insert(transaction: &mut Transaction, draft: &Draft, now: i64) -> sqlx::Result<Stored> {
    let message_id = counter(transaction, "messages").await?;
    let (from, to) = (draft.from.text(), draft.to.text());
    // A message to oneself is read already.
    let is_own = from == to;
    let (conversation_id, nth) =
        enter(transaction, &to, &draft.from, message_id, if is_own { Part::Own } else { Part::Recipient })
            .await?;
    if !is_own {
        enter(transaction, &from, &draft.to, message_id, Part::Sender).await?;
        sqlx::query(
            "INSERT INTO unread (owner, total) VALUES ($1, 1)
             ON CONFLICT (owner) DO UPDATE SET total = unread.total + 1",
        )
        .bind(to.as_ref())
        .execute(&mut **transaction)
        .await?;
    }
    sqlx::query(
        "INSERT INTO messages (message_id, conversation_id, from_user, to_user, message, nth, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(message_id)
    .bind(conversation_id)
    .bind(written(&draft.from))
    .bind(written(&draft.to))
    .bind(&draft.message)
    .bind(nth)
    .bind(now)
    .execute(&mut **transaction)
    .await?;
    Ok(Stored { message_id, conversation_id })
}

/// As what somebody has part in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Sender,
    Recipient,
    /// Both.
    Own,
}

/// Brings a user's row of a conversation up to a message: the conversation's id, which is that of its first message, and
/// how many messages the user has got in it.
async fn enter(
    transaction: &mut Transaction,
    owner: &str,
    peer: &AnyUserId,
    message_id: i64,
    part: Part,
) -> sqlx::Result<(i64, i64)> {
    // The form in which a token tells an id is worth more than that of somebody who writes to it.
    let sql = match part {
        Part::Recipient => {
            "INSERT INTO conversations (owner, peer, peer_user, conversation_id, last_message_id, received, read_id, read_nth)
             VALUES ($1, $2, $3, $4, $4, 1, 0, 0)
             ON CONFLICT (owner, peer) DO UPDATE SET peer_user = $3, last_message_id = $4, received = conversations.received + 1
             RETURNING conversation_id, received"
        }
        Part::Sender => {
            "INSERT INTO conversations (owner, peer, peer_user, conversation_id, last_message_id, received, read_id, read_nth)
             VALUES ($1, $2, $3, $4, $4, 0, 0, 0)
             ON CONFLICT (owner, peer) DO UPDATE SET last_message_id = $4
             RETURNING conversation_id, received"
        }
        Part::Own => {
            "INSERT INTO conversations (owner, peer, peer_user, conversation_id, last_message_id, received, read_id, read_nth)
             VALUES ($1, $2, $3, $4, $4, 0, $4, 0)
             ON CONFLICT (owner, peer) DO UPDATE SET peer_user = $3, last_message_id = $4, read_id = $4
             RETURNING conversation_id, received"
        }
    };
    sqlx::query_as(sql)
        .bind(owner)
        .bind(peer.text().as_ref())
        .bind(written(peer))
        .bind(message_id)
        .fetch_one(&mut **transaction)
        .await
}

/// A message as far as a reader needs it.
#[derive(Debug, Clone)]
pub(crate) struct Addressed {
    pub(crate) conversation_id: i64,
    pub(crate) from: AnyUserId,
    pub(crate) to: AnyUserId,
    pub(crate) nth: i64,
}

/// Whose a message is.
pub(crate) async fn addressed(store: &Store, message_id: i64) -> sqlx::Result<Option<Addressed>> {
    let found: Option<(i64, String, String, i64)> =
        sqlx::query_as("SELECT conversation_id, from_user, to_user, nth FROM messages WHERE message_id = $1")
            .bind(message_id)
            .fetch_optional(store.reader())
            .await?;
    let Some((conversation_id, from, to, nth)) = found else { return Ok(None) };
    Ok(Some(Addressed { conversation_id, from: read(&from)?, to: read(&to)?, nth }))
}

/// How far a user has read what another wrote, and what is unread of it.
pub(crate) async fn position(store: &Store, owner: &str, peer: &str) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as("SELECT read_id, received - read_nth FROM conversations WHERE owner = $1 AND peer = $2")
        .bind(owner)
        .bind(peer)
        .fetch_one(store.reader())
        .await
}

/// Where a reader was, and is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Advance {
    /// The position now.
    pub(crate) read_id: i64,
    /// What is unread in the conversation now.
    pub(crate) unread: i64,
    /// Whether this call brought it there.
    pub(crate) is_new: bool,
}

/// Moves a reader's position forward to a message; never back.
pub(crate) async fn advance(
    transaction: &mut Transaction,
    owner: &str,
    peer: &str,
    message_id: i64,
    nth: i64,
) -> sqlx::Result<Advance> {
    // An update that changes nothing locks the row on Postgres; SQLite's writer is alone anyway.
    let (read_id, read_nth, received): (i64, i64, i64) = sqlx::query_as(
        "UPDATE conversations SET read_id = read_id WHERE owner = $1 AND peer = $2
         RETURNING read_id, read_nth, received",
    )
    .bind(owner)
    .bind(peer)
    .fetch_one(&mut **transaction)
    .await?;
    if message_id <= read_id {
        return Ok(Advance { read_id, unread: received - read_nth, is_new: false });
    }
    sqlx::query("UPDATE conversations SET read_id = $1, read_nth = $2 WHERE owner = $3 AND peer = $4")
        .bind(message_id)
        .bind(nth)
        .bind(owner)
        .bind(peer)
        .execute(&mut **transaction)
        .await?;
    sqlx::query("UPDATE unread SET total = total - $1 WHERE owner = $2")
        .bind(nth - read_nth)
        .bind(owner)
        .execute(&mut **transaction)
        .await?;
    Ok(Advance { read_id: message_id, unread: received - nth, is_new: true })
}

/// How many messages a user has not read, of all conversations.
pub(crate) async fn unread(store: &Store, owner: &str) -> sqlx::Result<i64> {
    let total: Option<i64> = sqlx::query_scalar("SELECT total FROM unread WHERE owner = $1")
        .bind(owner)
        .fetch_optional(store.reader())
        .await?;
    Ok(total.unwrap_or(0))
}

/// A message's row: its id, whose, to whom, the text, when.
type Row = (i64, String, String, String, i64);

/// The message of a row; `own` is how far `owner` has read, `others` how far the other.
fn message(
    (id, from, to, message, timestamp): Row,
    owner: &str,
    own: i64,
    others: i64,
) -> sqlx::Result<Message> {
    let (from_user_id, to_user_id) = (read(&from)?, read(&to)?);
    let position = if to_user_id.text() == owner { own } else { others };
    Ok(Message { id, from_user_id, to_user_id, message, timestamp, read: id <= position })
}

/// The messages between two users with ids below `before`, newest first.
pub(crate) async fn history(
    store: &Store,
    owner: &str,
    peer: &str,
    before: i64,
    most: i64,
) -> sqlx::Result<Vec<Message>> {
    let found: Option<(i64, i64, i64)> = sqlx::query_as(
        "SELECT c.conversation_id, c.read_id, COALESCE(p.read_id, 0)
         FROM conversations c LEFT JOIN conversations p ON p.owner = c.peer AND p.peer = c.owner
         WHERE c.owner = $1 AND c.peer = $2",
    )
    .bind(owner)
    .bind(peer)
    .fetch_optional(store.reader())
    .await?;
    let Some((conversation_id, own, others)) = found else { return Ok(Vec::new()) };
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT message_id, from_user, to_user, message, created_at FROM messages
         WHERE conversation_id = $1 AND message_id < $2 ORDER BY message_id DESC LIMIT $3",
    )
    .bind(conversation_id)
    .bind(before)
    .bind(most)
    .fetch_all(store.reader())
    .await?;
    rows.into_iter().map(|row| message(row, owner, own, others)).collect()
}

/// A conversation's row: the other, what is unread, how far each has read; then the last message's.
type Listed = (String, i64, i64, i64, i64, String, String, String, i64);

/// The conversations of a user whose last message has an id below `before`, latest first.
pub(crate) async fn conversations(
    store: &Store,
    owner: &str,
    before: i64,
    most: i64,
) -> sqlx::Result<Vec<Conversation>> {
    let rows: Vec<Listed> = sqlx::query_as(
        "SELECT c.peer_user, c.received - c.read_nth, c.read_id, COALESCE(p.read_id, 0),
                m.message_id, m.from_user, m.to_user, m.message, m.created_at
         FROM conversations c JOIN messages m ON m.message_id = c.last_message_id
              LEFT JOIN conversations p ON p.owner = c.peer AND p.peer = c.owner
         WHERE c.owner = $1 AND c.last_message_id < $2 ORDER BY c.last_message_id DESC LIMIT $3",
    )
    .bind(owner)
    .bind(before)
    .bind(most)
    .fetch_all(store.reader())
    .await?;
    let position = |id: i64| Some(id).filter(|id| *id > 0);
    rows.into_iter()
        .map(|(peer, unread_count, own, others, id, from, to, text, created_at)| {
            Ok(Conversation {
                user_id: read(&peer)?,
                last_message: message((id, from, to, text, created_at), owner, own, others)?,
                unread_count,
                last_read_id: position(own),
                peer_last_read_id: position(others),
            })
        })
        .collect()
}
