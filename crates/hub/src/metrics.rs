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
    /// Bytes that streams keep, about.
    pub history_bytes: IntGauge,
    /// Events that streams keep.
    pub history_events: IntGauge,
    /// Streams whose offsets are known.
    pub history_streams: IntGauge,
    /// Events that streams dropped before their time, because there were too many bytes.
    pub history_evictions: IntCounter,
    /// Streams that clients came back to, by whether all that they missed was there.
    pub recoveries: IntCounterVec,
    /// Messages in which several events went out together.
    pub batches: IntCounter,
    /// Events in them.
    pub batched: IntCounter,
    /// Events given to clients from history.
    pub replayed: IntCounter,
    /// Connections that are being given what they missed.
    pub replays: IntGauge,
    /// Wishes to go on where another connection was, by outcome.
    pub resumes: IntCounterVec,
    /// Events that clients said they have shown.
    pub acks: IntCounter,
    /// Seconds from the beginning of a write to disk to its end.
    pub commit_seconds: Histogram,
    /// Publications per write to disk.
    pub commit_publications: Histogram,
    /// Writes to disk that failed.
    pub commit_failures: IntCounter,
    /// 1 while the last write to disk was one that succeeded, or none was needed; 0 after a failure.
    pub storage_up: IntGauge,
    /// Events that were delivered late, after the broker was away.
    pub broker_catch_up_events: IntCounter,
    /// Streams of which something was missing then.
    pub broker_streams_lost: IntCounter,
    /// Other nodes of the cluster that go by other rules.
    pub cluster_conflicts: IntGauge,
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
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            register(registry, Histogram::with_opts(options))
        };
        let storage_up = gauge("fanfare_storage_up", "0 while the store cannot be written");
        storage_up.set(1);
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
            fanout_seconds: histogram(
                "fanfare_fanout_seconds",
                "From acceptance to the last write, per shard",
                FANOUT_BUCKETS,
            ),
            idempotency_keys: gauge("fanfare_idempotency_keys", "Idempotency keys kept"),
            idempotency_evictions: counter(
                "fanfare_idempotency_evictions_total",
                "Idempotency keys forgotten early because there were too many",
            ),
            history_bytes: gauge("fanfare_history_bytes", "Bytes that streams keep, about"),
            history_events: gauge("fanfare_history_events", "Events that streams keep"),
            history_streams: gauge("fanfare_history_streams", "Streams whose offsets are known"),
            history_evictions: counter(
                "fanfare_history_evictions_total",
                "Events dropped from history early because there were too many bytes",
            ),
            recoveries: counters(
                "fanfare_recoveries_total",
                "Streams that clients came back to, by outcome",
                "outcome",
            ),
            batches: counter("fanfare_batches_total", "Messages in which several events went out together"),
            batched: counter("fanfare_batched_events_total", "Events that went out in such messages"),
            replayed: counter("fanfare_replayed_total", "Events given to clients from history"),
            replays: gauge("fanfare_replays", "Connections being given what they missed"),
            resumes: counters(
                "fanfare_resumes_total",
                "Connections that were to be resumed, by outcome",
                "outcome",
            ),
            acks: counter("fanfare_acks_total", "Events that clients said they have shown"),
            commit_seconds: histogram(
                "fanfare_commit_seconds",
                "Seconds that a write to disk took, with its sync",
                FANOUT_BUCKETS,
            ),
            commit_publications: histogram(
                "fanfare_commit_publications",
                "Publications written to disk together",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0],
            ),
            commit_failures: counter("fanfare_commit_failures_total", "Writes to disk that failed"),
            storage_up,
            broker_catch_up_events: counter(
                "fanfare_broker_catch_up_events_total",
                "Events delivered late, after the nodes' broker was away",
            ),
            broker_streams_lost: counter(
                "fanfare_broker_streams_lost_total",
                "Streams that missed events for good while the nodes' broker was away",
            ),
            cluster_conflicts: gauge(
                "fanfare_cluster_conflicts",
                "Other nodes of the cluster that go by other rules",
            ),
        }
    }
}
