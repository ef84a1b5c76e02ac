//! What the bridge counts.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Buckets of the lag: milliseconds when all is well, minutes and hours when somebody is away.
const LAG_SECONDS: [f64; 13] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0, 86_400.0];

/// The bridge's counters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) received: IntCounter,
    pub(crate) redelivered: IntCounter,
    pub(crate) published: IntCounter,
    pub(crate) poison: IntCounterVec,
    pub(crate) dead_letters: IntCounter,
    pub(crate) acked: IntCounter,
    pub(crate) nacked: IntCounter,
    pub(crate) extended: IntCounter,
    pub(crate) ack_failures: IntCounter,
    pub(crate) hub_failures: IntCounter,
    pub(crate) dead_letter_failures: IntCounter,
    pub(crate) streams: IntCounter,
    pub(crate) streaming: IntGauge,
    pub(crate) outstanding_messages: IntGauge,
    pub(crate) outstanding_bytes: IntGauge,
    pub(crate) oldest_seconds: IntGauge,
    pub(crate) lag_seconds: Histogram,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let poison = IntCounterVec::new(
            Opts::new("fanfare_pubsub_poison_total", "Messages that can never be published, by reason"),
            &["reason"],
        )?;
        registry.register(Box::new(poison.clone()))?;
        let lag_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "fanfare_pubsub_lag_seconds",
                "From a message's publish time to the hub's answer",
            )
            .buckets(LAG_SECONDS.to_vec()),
        )?;
        registry.register(Box::new(lag_seconds.clone()))?;
        Ok(Self {
            received: counter("fanfare_pubsub_received_total", "Messages received, repeated ones included")?,
            redelivered: counter(
                "fanfare_pubsub_redelivered_total",
                "Messages received again and recognised by the bridge",
            )?,
            published: counter("fanfare_pubsub_published_total", "Messages that the hub took")?,
            poison,
            dead_letters: counter(
                "fanfare_pubsub_dead_letters_total",
                "Messages sent to the dead-letter topic",
            )?,
            acked: counter("fanfare_pubsub_acked_total", "Messages acknowledged, as Pub/Sub confirmed")?,
            nacked: counter("fanfare_pubsub_nacked_total", "Messages given back at a stop")?,
            extended: counter("fanfare_pubsub_extended_total", "Extensions of held messages")?,
            ack_failures: counter(
                "fanfare_pubsub_ack_failures_total",
                "Acknowledgements to be tried again, or lost",
            )?,
            hub_failures: counter("fanfare_pubsub_hub_failures_total", "Batches to be tried again")?,
            dead_letter_failures: counter(
                "fanfare_pubsub_dead_letter_failures_total",
                "Dead letters to be tried again",
            )?,
            streams: counter("fanfare_pubsub_sessions_total", "Sessions with Pub/Sub begun")?,
            streaming: gauge("fanfare_pubsub_streaming", "Whether the bridge is listening: 1 or 0")?,
            outstanding_messages: gauge("fanfare_pubsub_outstanding_messages", "Messages held")?,
            outstanding_bytes: gauge("fanfare_pubsub_outstanding_bytes", "Bytes of messages held")?,
            oldest_seconds: gauge(
                "fanfare_pubsub_oldest_seconds",
                "Age of the oldest message that waits for the hub",
            )?,
            lag_seconds,
        })
    }
}
