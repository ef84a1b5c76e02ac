//! What has to be there before anything can be pulled: the subscription, and on an emulator the topics.
//!
//! A subscription of its own is made where there is none. On Google Cloud a topic that is missing is an error that says
//! so: who may publish to it, where its data lies and how long it is kept is the project's decision. An emulator begins
//! empty, so there topics are made as well.

use gcloud_googleapis::pubsub::v1::{ExpirationPolicy, Subscription};
use tonic::{Code, Status};

use crate::link::Link;
use crate::service::Settings;

/// Why nothing can be pulled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// The project has no such topic.
    #[error(
        "{variable}: there is no topic {topic}; make it with `gcloud pubsub topics create`, or name another"
    )]
    NoTopic {
        /// The setting that names it.
        variable: &'static str,
        /// Its full name.
        topic: String,
    },
    /// The subscription is another topic's.
    #[error("PUBSUB_SUBSCRIPTION: {subscription} is of {actual}, not of {wanted}")]
    OtherTopic {
        /// Its full name.
        subscription: String,
        /// Whose it is.
        actual: String,
        /// What PUBSUB_TOPIC names.
        wanted: String,
    },
    /// The call failed.
    #[error("{}", told(.0))]
    Call(#[from] Status),
}

/// A status in a line: its code, and what Pub/Sub says, shortened. It holds names of resources, no payload and no token.
pub(crate) fn told(status: &Status) -> String {
    let text: String = status.message().chars().take(200).flat_map(char::escape_debug).collect();
    format!("{:?}: {text}", status.code())
}

/// Whether the subscription was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prepared {
    /// It was, or nobody may look.
    Found,
    /// It was not, and was made.
    Made,
}

/// Sees to it that the subscription is there.
///
/// # Errors
/// It is not and can't be made, or is another topic's.
pub(crate) async fn prepare(link: &Link, settings: &Settings) -> Result<Prepared, SetupError> {
    let name = settings.subscription_name();
    let topic = settings.project.topic(&settings.topic);
    if let (Some(dead), Some(_)) = (&settings.dead_letter_topic, &settings.emulator) {
        create_topic(link, &settings.project.topic(dead)).await?;
    }
    match link.subscription(&name).await {
        Ok(found) if found.topic == topic => return Ok(Prepared::Found),
        Ok(found) => {
            let actual = found.topic;
            return Err(SetupError::OtherTopic { subscription: name, actual, wanted: topic });
        }
        // Who may pull need not be allowed to look.
        Err(status) if status.code() == Code::PermissionDenied => return Ok(Prepared::Found),
        Err(status) if status.code() == Code::NotFound => {}
        Err(status) => return Err(status.into()),
    }
    if settings.emulator.is_some() {
        create_topic(link, &topic).await?;
    }
    let subscription = Subscription {
        name,
        topic: topic.clone(),
        ack_deadline_seconds: settings.ack_deadline_seconds(),
        // Costs nothing where no message has an ordering key.
        enable_message_ordering: true,
        // By default a subscription that nobody pulls for 31 days is deleted with all that waits.
        expiration_policy: Some(ExpirationPolicy { ttl: None }),
        ..Subscription::default()
    };
    match link.create_subscription(subscription).await {
        Ok(()) => Ok(Prepared::Made),
        // Another instance was faster; it is a new one all the same.
        Err(status) if status.code() == Code::AlreadyExists => Ok(Prepared::Made),
        Err(status) if status.code() == Code::NotFound => {
            Err(SetupError::NoTopic { variable: "PUBSUB_TOPIC", topic })
        }
        Err(status) => Err(status.into()),
    }
}

async fn create_topic(link: &Link, name: &str) -> Result<(), SetupError> {
    match link.create_topic(name).await {
        Ok(()) => Ok(()),
        Err(status) if status.code() == Code::AlreadyExists => Ok(()),
        Err(status) => Err(status.into()),
    }
}
