//! The counters of the HTTP front: handshakes that were refused, how long publish calls take, and whether it drains.

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

/// A publish call takes from tens of microseconds to the seconds of an overloaded machine.
const PUBLISH_BUCKETS: &[f64] =
    &[0.000_025, 0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];

/// The counters of the front.
#[derive(Debug, Clone)]
pub(crate) struct FrontMetrics {
    /// Refused handshakes by reason.
    pub handshakes_refused: IntCounterVec,
    /// Refused publish calls by problem code.
    pub publish_refused: IntCounterVec,
    /// Seconds from a publish call's arrival to its answer.
    pub publish_seconds: Histogram,
    /// Readers of feeds that wait.
    pub feed_readers: IntGauge,
    /// 1 from the beginning of the drain on.
    pub draining: IntGauge,
}

impl FrontMetrics {
    /// Makes the counters and registers them.
    ///
    /// # Errors
    /// They are registered already.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            handshakes_refused: IntCounterVec::new(
                Opts::new("fanfare_handshakes_refused_total", "Handshakes refused"),
                &["reason"],
            )?,
            publish_refused: IntCounterVec::new(
                Opts::new("fanfare_publish_refused_total", "Publish calls refused, by problem code"),
                &["code"],
            )?,
            publish_seconds: Histogram::with_opts(
                HistogramOpts::new("fanfare_publish_seconds", "From a publish call's arrival to its answer")
                    .buckets(PUBLISH_BUCKETS.to_vec()),
            )?,
            feed_readers: IntGauge::new(
                "fanfare_feed_readers_waiting",
                "Readers of feeds that wait for an event",
            )?,
            draining: IntGauge::new("fanfare_draining", "1 while the hub drains, else 0")?,
        };
        registry.register(Box::new(metrics.handshakes_refused.clone()))?;
        registry.register(Box::new(metrics.publish_refused.clone()))?;
        registry.register(Box::new(metrics.publish_seconds.clone()))?;
        registry.register(Box::new(metrics.feed_readers.clone()))?;
        registry.register(Box::new(metrics.draining.clone()))?;
        Ok(metrics)
    }
}
