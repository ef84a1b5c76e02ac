//! The counters of delivery hooks. The label is the name of a configured hook.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// The counters of delivery hooks.
#[derive(Debug, Clone)]
pub(super) struct DeliveryMetrics {
    /// Records that the service has not, as far as is known.
    pub waiting: IntGaugeVec,
    /// Seconds for which the oldest of them has waited.
    pub oldest: GaugeVec,
    /// Records that the service has.
    pub told: IntCounterVec,
    /// Records that were dropped since too many waited.
    pub dropped: IntCounterVec,
    /// Calls by what came of them.
    pub batches: IntCounterVec,
}

impl DeliveryMetrics {
    /// Makes the counters and registers them.
    ///
    /// # Errors
    /// They are registered already.
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            waiting: IntGaugeVec::new(
                Opts::new(
                    "fanfare_delivery_records_waiting",
                    "Delivery records that a service does not have yet",
                ),
                &["hook"],
            )?,
            oldest: GaugeVec::new(
                Opts::new("fanfare_delivery_oldest_seconds", "For how long the oldest of them has waited"),
                &["hook"],
            )?,
            told: IntCounterVec::new(
                Opts::new("fanfare_delivery_records_told_total", "Delivery records that a service has taken"),
                &["hook"],
            )?,
            dropped: IntCounterVec::new(
                Opts::new(
                    "fanfare_delivery_records_dropped_total",
                    "Delivery records dropped because too many waited",
                ),
                &["hook"],
            )?,
            batches: IntCounterVec::new(
                Opts::new(
                    "fanfare_delivery_batches_total",
                    "Calls with delivery records, by what came of them",
                ),
                &["hook", "outcome"],
            )?,
        };
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.oldest.clone()))?;
        registry.register(Box::new(metrics.told.clone()))?;
        registry.register(Box::new(metrics.dropped.clone()))?;
        registry.register(Box::new(metrics.batches.clone()))?;
        Ok(metrics)
    }

    /// Has the counters of a hook stand at zero, so that whoever watches them sees the first step.
    pub(super) fn begin(&self, hook: &str) {
        self.waiting.with_label_values(&[hook]).set(0);
        self.oldest.with_label_values(&[hook]).set(0.0);
        self.told.with_label_values(&[hook]).reset();
        self.dropped.with_label_values(&[hook]).reset();
        self.batches.with_label_values(&[hook, "taken"]).reset();
    }
}
