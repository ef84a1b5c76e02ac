//! A message of Pub/Sub, as far as the bridge needs it.
//!
//! Not here: what is in its data ([`crate::event`]), and how long it may be held ([`crate::ledger`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gcloud_googleapis::pubsub::v1::PubsubMessage;
use protocol::timestamp::Timestamp;

/// What a message is known by: its id and its publish time. An id alone is not enough, since an emulator that was
/// started anew counts from the beginning.
pub(crate) type Key = Arc<str>;

/// A message that was received.
#[derive(Debug)]
pub(crate) struct Message {
    /// What it is known by.
    pub(crate) key: Key,
    /// Its id, as Pub/Sub gave it.
    pub(crate) id: Box<str>,
    /// What was published.
    pub(crate) data: Bytes,
    /// What was published beside the data.
    pub(crate) attributes: HashMap<String, String>,
    /// Messages with the same key come in order; empty without one.
    pub(crate) ordering_key: String,
    /// When it was published, to the millisecond.
    pub(crate) published: Timestamp,
}

impl Message {
    /// What was received. A message without a publish time is of now.
    pub(crate) fn new(message: PubsubMessage) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanos) = match message.publish_time {
            Some(time) => (time.seconds, time.nanos.clamp(0, 999_999_999)),
            None => (i64::try_from(now.as_secs()).unwrap_or(i64::MAX), 0),
        };
        let millis = seconds.saturating_mul(1000).saturating_add(i64::from(nanos / 1_000_000));
        Self {
            key: format!("{}/{seconds}.{nanos:09}", message.message_id).into(),
            id: message.message_id.into(),
            data: message.data,
            attributes: message.attributes,
            ordering_key: message.ordering_key,
            published: Timestamp::from_millis(millis),
        }
    }

    /// Bytes that it holds, roughly.
    pub(crate) fn size(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.data.len() + attributes + self.key.len() + self.id.len() + self.ordering_key.len()
    }

    /// Its age now, in seconds; zero where the clocks disagree.
    pub(crate) fn age(&self) -> f64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "a duration for a histogram")]
        let age = now.saturating_sub(self.published.as_millis()).max(0) as f64;
        age / 1000.0
    }
}
