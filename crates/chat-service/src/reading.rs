//! Read positions: a user has read a conversation up to a message of the other's.

use actix_web::http::StatusCode;
use events::AnyUserId;
use rest::Failure;
use rest::idempotency::Fresh;
use service_kit::problem::Problem;
use store::now_micros;

use crate::announce;
use crate::desk::Desk;
use crate::message::Position;
use crate::table::{self, Addressed};

impl Desk {
    /// Moves the reader's position forward to a message, and tells its author where that is news. `with`: only in the
    /// conversation with that user.
    ///
    /// # Errors
    /// 404 for a message that is not there or between others, 403 for one of the reader's own to somebody else.
    pub(crate) async fn mark_read(
        &self,
        reader: &AnyUserId,
        message_id: i64,
        with: Option<&AnyUserId>,
        fresh: &Fresh,
    ) -> Result<Position, Failure> {
        let addressed = table::addressed(&self.store, message_id).await?;
        let addressed = addressed.filter(|it| it.is_between(reader, with)).ok_or_else(no_such_message)?;
        if addressed.to != *reader {
            return Err(Failure::forbidden("only its recipient can mark a message as read"));
        }
        let now = now_micros();
        let (owner, peer) = (reader.text(), addressed.from.text());
        let (read_id, unread_count) = table::position(&self.store, &owner, &peer).await?;
        if message_id <= read_id && fresh.stored().is_none() {
            // Clients mark the same message again and again; that need not wait for those who write.
            return Ok(Position { message_id: read_id, unread_count });
        }
        let mut transaction = self.store.begin().await?;
        let advance = table::advance(&mut transaction, &owner, &peer, message_id, addressed.nth).await?;
        let position = Position { message_id: advance.read_id, unread_count: advance.unread };
        fresh.keep(&mut transaction, StatusCode::OK, &text(position)?).await?;
        if advance.is_new {
            announce::was_read(&mut transaction, message_id, &addressed, reader, now).await?;
        }
        transaction.commit().await?;
        if advance.is_new {
            self.relay.wake();
            self.metrics.read();
        }
        Ok(position)
    }
}

impl Addressed {
    /// Whether a user has part in it, and the other is `with` where that is asked for.
    fn is_between(&self, user: &AnyUserId, with: Option<&AnyUserId>) -> bool {
        let pairs = [(&self.from, &self.to), (&self.to, &self.from)];
        pairs.iter().any(|(one, other)| *one == user && with.is_none_or(|with| *other == with))
    }
}

/// A position as it is answered.
pub(crate) fn text(position: Position) -> Result<String, Failure> {
    serde_json::to_string(&position)
        .map_err(|error| Failure(Problem::internal(format!("a position as JSON: {error}"))))
}

fn no_such_message() -> Failure {
    Failure::not_found("there is no such message")
}
