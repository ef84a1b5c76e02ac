//! What a node tells of its broker: for `/health`, and as metrics.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus::{Gauge, IntCounter, IntGauge, Registry};

/// The broker as this node sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Whether there is a connection.
    pub up: bool,
    /// Since when that is so.
    pub since: SystemTime,
    /// Whether what Redis took survives its restart (`appendonly yes`, `appendfsync always`, nothing evicted); none where
    /// Redis does not tell, or there was no connection yet.
    pub durable: Option<bool>,
    /// How far this node's clock is ahead of Redis', in ms; negative where it is behind.
    pub skew_ms: i64,
    /// How long the last question and its answer took.
    pub round_trip: Duration,
    /// How many nodes live, this one among them; 0 without a connection.
    pub nodes: usize,
    /// How often a connection was made again.
    pub reconnects: u64,
    /// Why there is no connection, in a line without a password.
    pub reason: Option<String>,
}

/// The counters of a broker.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    up: IntGauge,
    reconnects: IntCounter,
    round_trip: Gauge,
    clock_skew: Gauge,
    durable: IntGauge,
    nodes: IntGauge,
    /// Lives that ended while this node saw it.
    pub(crate) lives: IntCounter,
    /// Messages that could not be read.
    pub(crate) unreadable: IntCounter,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Panics
    /// When they are registered there already.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the names are fixed, and registered once")]
    pub(crate) fn new(registry: &Registry) -> Self {
        fn registered<C: prometheus::core::Collector + Clone + 'static>(
            registry: &Registry,
            made: prometheus::Result<C>,
        ) -> C {
            let made = made.expect("a valid metric");
            registry.register(Box::new(made.clone())).expect("a metric that is registered once");
            made
        }
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help));
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help));
        Self {
            up: gauge("fanfare_broker_up", "1 while this node is connected to the broker"),
            reconnects: counter(
                "fanfare_broker_reconnects_total",
                "How often the connection to the broker was made again",
            ),
            round_trip: registered(
                registry,
                Gauge::new("fanfare_broker_round_trip_seconds", "How long the broker's last answer took"),
            ),
            clock_skew: registered(
                registry,
                Gauge::new(
                    "fanfare_broker_clock_skew_seconds",
                    "How far this node's clock is ahead of the broker's; negative where it is behind",
                ),
            ),
            durable: gauge(
                "fanfare_broker_durable",
                "1 while the broker is known to keep what it took over its own restart",
            ),
            nodes: gauge("fanfare_cluster_nodes", "Nodes that live, this one among them"),
            lives: counter(
                "fanfare_broker_lives_total",
                "How often the broker had forgotten or gone back, so that all streams began anew",
            ),
            unreadable: counter(
                "fanfare_broker_unreadable_total",
                "Messages of other nodes that this one does not understand",
            ),
        }
    }
}

/// The status, shared by the broker's thread and those who ask.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    status: Arc<Mutex<Status>>,
    pub(crate) metrics: Metrics,
}

impl Shown {
    pub(crate) fn new(metrics: Metrics) -> Self {
        let status = Status {
            up: false,
            since: SystemTime::now(),
            durable: None,
            skew_ms: 0,
            round_trip: Duration::ZERO,
            nodes: 0,
            reconnects: 0,
            reason: Some("not connected yet".into()),
        };
        Self { status: Arc::new(Mutex::new(status)), metrics }
    }

    pub(crate) fn get(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn up(&self, durable: Option<bool>, nodes: usize, is_again: bool) {
        self.change(|status| {
            status.up = true;
            status.since = SystemTime::now();
            status.durable = durable;
            status.nodes = nodes;
            status.reason = None;
            status.reconnects += u64::from(is_again);
        });
        self.metrics.up.set(1);
        self.metrics.durable.set(i64::from(durable == Some(true)));
        self.metrics.nodes.set(nodes.cast_signed() as i64);
        if is_again {
            self.metrics.reconnects.inc();
        }
    }

    pub(crate) fn down(&self, reason: &str) {
        self.change(|status| {
            if status.up {
                status.since = SystemTime::now();
            }
            status.up = false;
            status.nodes = 0;
            status.reason = Some(reason.to_owned());
        });
        self.metrics.up.set(0);
        self.metrics.nodes.set(0);
    }

    pub(crate) fn beat(&self, round_trip: Duration, skew_ms: i64, nodes: usize) {
        self.change(|status| {
            status.round_trip = round_trip;
            status.skew_ms = skew_ms;
            status.nodes = nodes;
        });
        self.metrics.round_trip.set(round_trip.as_secs_f64());
        self.metrics.clock_skew.set(skew_ms as f64 / 1000.0);
        self.metrics.nodes.set(nodes.cast_signed() as i64);
    }
}
