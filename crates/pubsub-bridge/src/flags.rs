//! The bridge's own settings as flags and variables: the same for the process of its own and for `fanfare up`.

use std::num::NonZeroUsize;
use std::time::Duration;

use service_kit::settings::values;

use crate::names::{Emulator, Name, Project};
use crate::service::Settings;

/// What the bridge subscribes to, and how much of it is under way.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct BridgeFlags {
    /// Project of Google Cloud that the topic is in.
    ///
    /// Values: a project id.
    ///
    /// Unset: receipt-tracking-application; `fanfare up` then runs a bridge only with PUBSUB_EMULATOR_HOST.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "ID", value_parser = Project::parse, help_heading = "Pub/Sub")]
    pub pubsub_project: Option<Project>,

    /// Topic whose messages are published on the channel `receipts`.
    ///
    /// Values: a topic's id, 3 to 255 characters, without the project.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "ID", default_value = "receipt-updates", value_parser = Name::parse, help_heading = "Pub/Sub")]
    pub pubsub_topic: Name,

    /// Subscription that is pulled; made where there is none.
    ///
    /// Values: a subscription's id, 3 to 255 characters, without the project.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "ID", default_value = "receipt-updates-sub", value_parser = Name::parse, help_heading = "Pub/Sub")]
    pub pubsub_subscription: Name,

    /// Topic of the same project that gets the messages that can never be published.
    ///
    /// Values: a topic's id, 3 to 255 characters, without the project.
    ///
    /// Unset: they are acknowledged, counted and logged with their ids.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "ID", value_parser = Name::parse, help_heading = "Pub/Sub")]
    pub pubsub_dead_letter_topic: Option<Name>,

    /// An emulator in place of Google Cloud, without TLS and credentials.
    ///
    /// Values: host:port.
    ///
    /// Unset: Google Cloud, with application-default credentials.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "HOST:PORT", value_parser = Emulator::parse, help_heading = "Pub/Sub")]
    pub pubsub_emulator_host: Option<Emulator>,

    /// Messages that are held at once; the others wait in Pub/Sub.
    ///
    /// Values: a whole number from 1 to 100000.
    ///
    /// Source: chosen; four batches of the hub, so that the next is there when one is answered.
    #[arg(long, env, value_name = "COUNT", default_value = "4000", value_parser = values::count(100_000), help_heading = "Pub/Sub")]
    pub pubsub_max_messages: NonZeroUsize,

    /// Bytes of messages that are held at once; the others wait in Pub/Sub. One answer of Pub/Sub may exceed it.
    ///
    /// Values: a size from 1KiB to 1GiB.
    ///
    /// Source: chosen; three of Pub/Sub's largest messages.
    #[arg(long, env, value_name = "SIZE", default_value = "32MiB", value_parser = values::size(1 << 10, 1 << 30), help_heading = "Pub/Sub")]
    pub pubsub_max_bytes: usize,

    /// The largest message that is published; a larger one is a dead letter. No larger than what the hub takes
    /// (MAX_BODY), less 1 KiB.
    ///
    /// Values: a size from 1KiB to 10MiB.
    ///
    /// Source: chosen; what fits the hub's default of 1 MiB.
    #[arg(long, env, value_name = "SIZE", default_value = "1023KiB", value_parser = values::size(1 << 10, 10 << 20), help_heading = "Pub/Sub")]
    pub pubsub_max_payload: usize,

    /// How long Pub/Sub waits for an acknowledgement before it sends a message again. Held messages are extended in
    /// time, so this is how long the messages of a bridge that died are not seen.
    ///
    /// Values: a duration from 10s to 10m.
    ///
    /// Source: chosen; the range is Pub/Sub's.
    #[arg(long, env, value_name = "DURATION", default_value = "60s", value_parser = values::duration(Duration::from_secs(10), Duration::from_secs(600)), help_heading = "Pub/Sub")]
    pub pubsub_ack_deadline: Duration,

    /// Streams that are pulled at once. One is enough for 10 MB a second; emulators give little on each.
    ///
    /// Values: a whole number from 1 to 64.
    ///
    /// Source: chosen.
    #[arg(long, env, value_name = "COUNT", default_value = "1", value_parser = values::count(64), help_heading = "Pub/Sub")]
    pub pubsub_streams: NonZeroUsize,

    /// How long held messages may take once the bridge is told to stop; what is left then goes back to Pub/Sub.
    ///
    /// Values: a duration from 0s to 8s.
    ///
    /// Source: chosen; within the 10 s that a service has to end.
    #[arg(long, env, value_name = "DURATION", default_value = "5s", value_parser = values::duration(Duration::ZERO, Duration::from_secs(8)), help_heading = "Pub/Sub")]
    pub pubsub_drain_timeout: Duration,
}

impl BridgeFlags {
    /// Whether somebody wants a bridge: `PUBSUB_PROJECT` or `PUBSUB_EMULATOR_HOST` is set (contract: receipts).
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.pubsub_project.is_some() || self.pubsub_emulator_host.is_some()
    }

    /// Puts them into the service's settings.
    pub fn apply(&self, settings: &mut Settings) {
        if let Some(project) = &self.pubsub_project {
            settings.project = project.clone();
        }
        settings.topic = self.pubsub_topic.clone();
        settings.subscription = self.pubsub_subscription.clone();
        settings.dead_letter_topic.clone_from(&self.pubsub_dead_letter_topic);
        settings.emulator.clone_from(&self.pubsub_emulator_host);
        settings.max_messages = self.pubsub_max_messages.get();
        settings.max_bytes = self.pubsub_max_bytes;
        settings.max_payload = self.pubsub_max_payload;
        settings.ack_deadline = self.pubsub_ack_deadline;
        settings.streams = self.pubsub_streams.get();
        settings.drain_timeout = self.pubsub_drain_timeout;
    }
}
