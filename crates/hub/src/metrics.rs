//! The engine's counters. None has a label per user or channel, so their number is fixed.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// All counters of the engine and of the sockets that it drives.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Connections that are open, by dialect.
    pub connections: IntGaugeVec,
    /// Connections that were ever opened.
    pub connections_opened: IntCounter,
    /// Subscriptions to channels that are in force.
    pub subscriptions: IntGauge,
    /// Publications that were accepted.
    pub publications: IntCounter,
    /// Publications that were refused because a queue was full or the hub drains, by reason.
    pub publications_refused: IntCounterVec,
    /// Events given to a connection: written, or put into its outbox.
    pub deliveries: IntCounter,
    /// Bytes written to connections.
    pub bytes_sent: IntCounter,
    /// Bytes read from connections.
    pub bytes_received: IntCounter,
    /// Messages read from clients.
    pub client_messages: IntCounter,
    /// Writes to sockets; fewer than deliveries where several go out at once.
    pub writes: IntCounter,
    /// Publications encoded, once per dialect.
    pub encodings: IntCounter,
    /// Publications compressed.
    pub deflations: IntCounter,
    /// Bytes that wait in outboxes.
    pub outbox_bytes: IntGauge,
    /// Connections with something in their outbox.
    pub outboxes: IntGauge,
    /// Connections that the hub ended against their will, by reason.
    pub evictions: IntCounterVec,
    /// Ended connections by close code; 1006 is an end without a Close frame.
    pub closes: IntCounterVec,
    /// Publications that wait in a shard's queue.
    pub shard_queue: IntGauge,
    /// Seconds from the acceptance of a publication to the last write of its fan-out, per shard.
    pub fanout_seconds: Histogram,
    /// Idempotency keys that are kept.
    pub idempotency_keys: IntGauge,
    /// Idempotency keys that were forgotten before their time, because there were too many.
    pub idempotency_evictions: IntCounter,
}

/// Fan-outs take from 100 µs (a unicast) to seconds (a full queue).
const FANOUT_BUCKETS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: Result<C, prometheus::Error>,
) -> C {
    let collector = collector.expect("a metric's name and help are constants");
    registry.register(Box::new(collector.clone())).expect("each metric is registered once");
    collector
}

impl Metrics {
    /// Makes the counters and registers them.
    ///
    /// # Panics
    /// When called twice with one registry.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| register(registry, IntCounter::new(name, help));
        let gauge = |name: &str, help: &str| register(registry, IntGauge::new(name, help));
        let counters = |name: &str, help: &str, label: &str| {
            register(registry, IntCounterVec::new(Opts::new(name, help), &[label]))
        };
        Self {
            connections: register(
                registry,
                IntGaugeVec::new(Opts::new("fanfare_connections", "Open connections"), &["dialect"]),
            ),
            connections_opened: counter("fanfare_connections_opened_total", "Connections ever opened"),
            subscriptions: gauge("fanfare_subscriptions", "Subscriptions to channels in force"),
            publications: counter("fanfare_publications_total", "Publications accepted"),
            publications_refused: counters(
                "fanfare_publications_refused_total",
                "Publications refused by an overloaded or draining hub",
                "reason",
            ),
            deliveries: counter("fanfare_deliveries_total", "Events given to connections"),
            bytes_sent: counter("fanfare_sent_bytes_total", "Bytes written to connections"),
            bytes_received: counter("fanfare_received_bytes_total", "Bytes read from connections"),
            client_messages: counter("fanfare_client_messages_total", "Messages read from clients"),
            writes: counter("fanfare_writes_total", "Writes of events to sockets"),
            encodings: counter("fanfare_encodings_total", "Publications encoded, once per dialect"),
            deflations: counter("fanfare_deflations_total", "Publications compressed"),
            outbox_bytes: gauge("fanfare_outbox_bytes", "Bytes waiting for sockets that are not writable"),
            outboxes: gauge("fanfare_outboxes", "Connections whose socket is not writable"),
            evictions: counters("fanfare_evictions_total", "Connections ended by the hub", "reason"),
            closes: counters("fanfare_closes_total", "Ended connections by close code", "code"),
            shard_queue: gauge("fanfare_shard_queue_publications", "Publications waiting for shards"),
            fanout_seconds: register(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "fanfare_fanout_seconds",
                        "From acceptance to the last write, per shard",
                    )
                    .buckets(FANOUT_BUCKETS.to_vec()),
                ),
            ),
            idempotency_keys: gauge("fanfare_idempotency_keys", "Idempotency keys kept"),
            idempotency_evictions: counter(
                "fanfare_idempotency_evictions_total",
                "Idempotency keys forgotten early because there were too many",
            ),
        }
    }
}
