//! To the hub: what waits, in batches, one batch at a time, so that events keep the order in which Pub/Sub gave them.
//!
//! Each item has an idempotency key of subscription, message id and publish time, so the hub sends it once, however
//! often it is posted. Items that the hub took are settled. Those that it calls invalid (400, 413, 422) can never be
//! published. Everything else is tried again for as long as it takes: a hub that is away or busy, and also one that
//! refuses our key, since then our configuration is wrong and no message is.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use hub_client::{ItemAnswer, PublishError};
use service_kit::telemetry::LogLimiter;
use sha2::{Digest as _, Sha256};

use crate::dead;
use crate::event::{Poison, write_item};
use crate::ledger::ITEM_OVERHEAD;
use crate::message::Message;
use crate::service::{self, Shared};

/// Items of a batch (contract: channels, HTTP).
const MOST_ITEMS: usize = 1000;

/// Bytes of a batch: three quarters of the hub's default `MAX_BODY`, as the event relay has them.
const MOST_BYTES: usize = 768 * 1024;

/// How long the first of a batch waits for others, so that a burst is one call.
const GATHER: Duration = Duration::from_millis(3);

/// The longest wait that a hub's `Retry-After` brings about.
const MOST_PATIENCE: Duration = Duration::from_secs(5);

/// The longest idempotency key that the hub takes.
const MOST_KEY: usize = 255;

/// Lines per second about batches that went through.
static PUBLISHED: LogLimiter = LogLimiter::new(10);

/// Posts what waits. Ends only when it is dropped.
pub(crate) async fn run(shared: &Shared) -> Infallible {
    let keys = Keys::new(&shared.settings.subscription_name());
    let mut delays = service::backoff();
    let mut most_items = MOST_ITEMS;
    loop {
        shared.ledger.arrived().await;
        if shared.ledger.waiting().0 < MOST_ITEMS {
            tokio::time::sleep(GATHER).await;
        }
        let taken = shared.ledger.take(most_items, MOST_BYTES);
        let (messages, body) = compose(shared, &keys, taken);
        if messages.is_empty() {
            continue;
        }
        let count = messages.len();
        let failure = match shared.settings.hub.publish_batch(body, count).await {
            Ok(answers) => {
                most_items = (most_items * 2).min(MOST_ITEMS);
                settle(shared, messages, answers)
            }
            // Something in the batch makes the hub refuse all of it: find out what, in smaller ones.
            Err(error) if is_poison(&error) && count > 1 => {
                most_items = (count / 2).max(1);
                shared.ledger.put_back(messages);
                continue;
            }
            Err(error) if is_poison(&error) => settle(shared, messages, vec![ItemAnswer::Failed(error)]),
            Err(error) => {
                shared.ledger.put_back(messages);
                Some(error)
            }
        };
        let Some(error) = failure else {
            if shared.status().hub.take().is_some() {
                tracing::info!("the hub takes messages again");
            }
            delays = service::backoff();
            continue;
        };
        shared.metrics.hub_failures.inc();
        let cause = error.to_string();
        if shared.status().hub.replace(cause.clone()).is_none() {
            if error.is_temporary() {
                tracing::warn!(cause, "messages wait: trying until the hub takes them");
            } else {
                tracing::error!(
                    cause,
                    "the hub refuses our calls, and messages wait: is WS_SERVICE_URL the hub's address, and \
                     SERVICE_API_KEY one of its keys?"
                );
            }
        }
        let asked = error.retry_after().unwrap_or_default().min(MOST_PATIENCE);
        tokio::time::sleep(service::next(&mut delays).max(asked)).await;
    }
}

/// The batch's text, and the messages in it; those that can never be published are dealt with on the way.
fn compose(shared: &Shared, keys: &Keys, taken: Vec<Arc<Message>>) -> (Vec<Arc<Message>>, String) {
    let bytes = taken.iter().map(|message| message.data.len() + ITEM_OVERHEAD).sum::<usize>();
    let mut body = String::with_capacity(bytes.min(2 * MOST_BYTES) + 2);
    let mut messages = Vec::with_capacity(taken.len());
    body.push('[');
    for message in taken {
        let end = body.len();
        if !messages.is_empty() {
            body.push(',');
        }
        let written = if message.data.len() > shared.settings.max_payload {
            Err(Poison::TooLarge)
        } else {
            write_item(&message.data, message.published, &keys.of(&message), &mut body)
        };
        match written {
            Ok(()) => messages.push(message),
            Err(poison) => {
                body.truncate(end);
                dead::condemn(shared, message, poison);
            }
        }
    }
    body.push(']');
    (messages, body)
}

/// Settles what the hub answered; the others go back, in their order. Returns why, where it is so.
fn settle(shared: &Shared, messages: Vec<Arc<Message>>, answers: Vec<ItemAnswer>) -> Option<PublishError> {
    let mut again = Vec::new();
    let mut failure = None;
    let mut published = 0_u64;
    for (message, answer) in messages.into_iter().zip(answers) {
        match answer {
            ItemAnswer::Accepted(_) => {
                published += 1;
                shared.metrics.lag_seconds.observe(message.age());
                shared.ledger.settle(&message.key);
            }
            ItemAnswer::Failed(error) if is_poison(&error) => {
                let poison = match error {
                    PublishError::Refused { status: 413, .. } => Poison::TooLarge,
                    PublishError::Refused { code, .. } => Poison::Refused(code),
                    // `is_poison` names no other.
                    _ => Poison::Refused(String::new()),
                };
                dead::condemn(shared, message, poison);
            }
            ItemAnswer::Failed(error) => {
                again.push(message);
                failure.get_or_insert(error);
            }
        }
    }
    shared.metrics.published.inc_by(published);
    if published > 0
        && let Some(suppressed) = PUBLISHED.allow()
    {
        tracing::info!(messages = published, suppressed, "published");
    }
    shared.ledger.put_back(again);
    failure
}

/// Whether an answer says that the message itself is wrong. Of a call as a whole only the hub's own words count: another
/// server that answers 400 to everything must not cost a message.
fn is_poison(error: &PublishError) -> bool {
    match error {
        PublishError::Refused { status: 413, .. } => true,
        PublishError::Refused { status: 400 | 422, code, .. } => {
            ["invalid", "malformed_json", "too_deep"].contains(&code.as_str())
        }
        _ => false,
    }
}

/// Makes idempotency keys.
struct Keys {
    subscription: String,
}

impl Keys {
    fn new(subscription: &str) -> Self {
        Self { subscription: subscription.strip_prefix("projects/").unwrap_or(subscription).to_owned() }
    }

    /// Subscription, message id, publish time; a digest of them where that is no key: too long, or with characters that
    /// none has.
    fn of(&self, message: &Message) -> String {
        let key = format!("{}/{}", self.subscription, message.key);
        if key.len() <= MOST_KEY && key.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            return key;
        }
        Sha256::digest(key).iter().fold(String::from("sha256:"), |mut text, byte| {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use gcloud_googleapis::pubsub::v1::PubsubMessage;
    use prost_types::Timestamp;
    use protocol::publication::check_idempotency_key;

    use super::*;

    fn key(subscription: &str, id: &str, nanos: i32) -> String {
        let publish_time = Some(Timestamp { seconds: 1_742_950_800, nanos });
        let message = PubsubMessage { message_id: id.to_owned(), publish_time, ..PubsubMessage::default() };
        Keys::new(subscription).of(&Message::new(message))
    }

    #[test]
    fn a_key_has_subscription_id_and_publish_time_and_the_hub_takes_it() {
        let readable = key("projects/p/subscriptions/s", "1234567890", 5_000_000);
        assert_eq!(readable, "p/subscriptions/s/1234567890/1742950800.005000000");
        let long = format!("projects/p/subscriptions/{}", "s".repeat(255));
        let all = [
            readable,
            key("projects/p/subscriptions/s", "1234567890", 6_000_000),
            key("projects/p/subscriptions/s", "12345678900", 5_000_000),
            key("projects/p/subscriptions/t", "1234567890", 5_000_000),
            key(&long, "1", 0),
            key(&long, "2", 0),
            key("projects/p/subscriptions/s", "übel\n", 0),
        ];
        for (n, one) in all.iter().enumerate() {
            assert_eq!(check_idempotency_key(one), Ok(()), "{one}");
            assert!(!all[..n].contains(one), "{one}");
        }
    }

    #[test]
    fn only_what_the_hub_says_of_a_message_makes_it_a_dead_letter() {
        let refused = |status, code: &str| {
            is_poison(&PublishError::Refused { status, code: code.to_owned(), detail: String::new() })
        };
        assert!(refused(422, "invalid") && refused(422, "too_deep") && refused(400, "malformed_json"));
        assert!(refused(413, "too_large") && refused(413, ""));
        for (status, code) in [
            (401, "key_unknown"),
            (403, "key_not_allowed"),
            (404, "not_found"),
            (415, "not_json"),
            (422, ""),
            (400, "else"),
        ] {
            assert!(!refused(status, code), "{status} {code}");
        }
        assert!(!is_poison(&PublishError::Unexpected(String::new())));
        assert!(!is_poison(&PublishError::Busy {
            status: 503,
            code: "overloaded".to_owned(),
            retry_after: None
        }));
    }
}
