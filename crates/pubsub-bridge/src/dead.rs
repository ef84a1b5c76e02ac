//! Messages that can never be published: to the dead-letter topic where one is named, else counted and logged with
//! their ids. Only then are they acknowledged.
//!
//! A dead letter is the message as it came, with its attributes and these besides: `dead_letter_reason`, `dead_letter_detail`,
//! `dead_letter_message_id`, `dead_letter_publish_time`, `dead_letter_subscription`. A bridge that dies between the dead letter and
//! the acknowledgement sends it a second time.

use std::convert::Infallible;
use std::sync::Arc;

use gcloud_googleapis::pubsub::v1::PubsubMessage;
use tonic::{Code, Status};

use crate::event::Poison;
use crate::message::Message;
use crate::service::{self, Shared};
use crate::setup::told;

/// Decides what becomes of a message that can never be published.
pub(crate) fn condemn(shared: &Shared, message: Arc<Message>, poison: Poison) {
    shared.metrics.poison.with_label_values(&[poison.as_str()]).inc();
    let (message_id, reason, bytes) = (&*message.id, poison.as_str(), message.data.len());
    if shared.settings.dead_letter_topic.is_some() {
        tracing::warn!(
            message_id,
            reason,
            bytes,
            "a message can't be published: {poison}; it is a dead letter"
        );
        shared.ledger.condemn(message, poison);
    } else {
        // Each one: it is all that is left of the message.
        tracing::error!(message_id, reason, bytes, "a message can't be published: {poison}; it is dropped");
        shared.ledger.settle(&message.key);
    }
}

/// Publishes dead letters. Ends only when it is dropped.
pub(crate) async fn run(shared: &Shared) -> Infallible {
    let settings = &shared.settings;
    let Some(topic) = &settings.dead_letter_topic else { return std::future::pending().await };
    let topic = settings.project.topic(topic);
    let mut delays = service::backoff();
    loop {
        let (message, poison) = shared.ledger.condemned().await;
        while let Err(status) = publish(shared, &topic, &message, &poison).await {
            shared.metrics.dead_letter_failures.inc();
            let cause = match status.code() {
                Code::NotFound => format!("PUBSUB_DEAD_LETTER_TOPIC: there is no topic {topic}"),
                _ => told(&status),
            };
            if shared.status().dead_letters.replace(cause.clone()).is_none() {
                tracing::error!(cause, "dead letters wait: trying until the topic takes them");
            }
            tokio::time::sleep(service::next(&mut delays)).await;
        }
        delays = service::backoff();
        shared.status().dead_letters = None;
        shared.metrics.dead_letters.inc();
        shared.ledger.settle(&message.key);
    }
}

async fn publish(shared: &Shared, topic: &str, message: &Message, poison: &Poison) -> Result<(), Status> {
    let link = shared.link().await;
    let original = PubsubMessage {
        data: message.data.clone(),
        attributes: message.attributes.clone(),
        ordering_key: message.ordering_key.clone(),
        ..PubsubMessage::default()
    };
    let mut letter = original.clone();
    let told = [
        ("dead_letter_reason", poison.as_str().to_owned()),
        ("dead_letter_detail", poison.to_string()),
        ("dead_letter_message_id", message.id.to_string()),
        ("dead_letter_publish_time", message.published.to_string()),
        ("dead_letter_subscription", shared.settings.subscription_name()),
    ];
    letter.attributes.extend(told.map(|(name, value)| (name.to_owned(), value)));
    match link.publish(topic, letter).await {
        // A message that was as large, or had as many attributes, as there may be takes no more of them.
        Err(status) if status.code() == Code::InvalidArgument => {
            link.publish(topic, original).await.map(drop)
        }
        answer => answer.map(drop),
    }
}
