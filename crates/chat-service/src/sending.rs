//! Sending a message: one transaction that stores it, counts it and writes its event; then it is on its way.

use std::time::Instant;

use actix_web::http::StatusCode;
use events::AnyUserId;
use rest::Failure;
use rest::idempotency::Fresh;
use service_kit::problem::Problem;
use store::now_micros;

use crate::announce::{self, Origin};
use crate::blocking;
use crate::desk::Desk;
use crate::message::Message;
use crate::metrics::Sent;
use crate::table::{self, Draft};

/// The code of a message to somebody who does not want it.
pub(crate) const BLOCKED: &str = "blocked";

impl Desk {
    /// Stores a message and puts it on its way. `answer` makes what is kept for a repeat of the call.
    ///
    /// # Errors
    /// 403 `blocked`, 429 `rate_limited`, and what the database says; nothing is stored then.
    pub(crate) async fn send(
        &self,
        draft: Draft,
        origin: Origin,
        fresh: &Fresh,
        answer: fn(&Message) -> (StatusCode, String),
    ) -> Result<(StatusCode, String), Failure> {
        if let Err(failure) = self.rate.count(&draft.from.text(), Instant::now()) {
            self.metrics.message(Sent::RateLimited);
            return Err(failure);
        }
        let now = now_micros();
        let mut transaction = self.store.begin().await?;
        if blocking::is_blocked(&mut *transaction, &draft.to, &draft.from).await? {
            self.metrics.message(Sent::Blocked);
            return Err(blocked(&draft.to));
        }
        let stored = table::insert(&mut transaction, &draft, now).await?;
        let message = Message {
            id: stored.message_id,
            // To oneself.
            read: draft.from == draft.to,
            from_user_id: draft.from.clone(),
            to_user_id: draft.to.clone(),
            message: draft.message.clone(),
            timestamp: now,
        };
        let (status, text) = answer(&message);
        fresh.keep(&mut transaction, status, &text).await?;
        announce::received(&mut transaction, &draft, stored, &origin, now).await?;
        transaction.commit().await?;
        self.relay.wake();
        self.metrics.message(Sent::Stored);
        Ok((status, text))
    }
}

fn blocked(by: &AnyUserId) -> Failure {
    Failure(Problem::new(
        StatusCode::FORBIDDEN,
        BLOCKED,
        format!("user {by} does not take messages of yours"),
    ))
}
