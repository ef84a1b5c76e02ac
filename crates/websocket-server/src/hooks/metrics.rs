//! The counters of client-event hooks. Labels are the names of configured hooks, never what clients send.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// A service on this machine answers in a few milliseconds; the contract's end is 5 s.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// The counters of hooks.
#[derive(Debug, Clone)]
pub(super) struct HookMetrics {
    /// Events by what came of them.
    pub calls: IntCounterVec,
    /// Seconds from an event to its answer.
    pub seconds: HistogramVec,
    /// Events that wait for their turn.
    pub waiting: IntGauge,
    /// 1 while a hook's service is not asked.
    pub circuit_open: IntGaugeVec,
}

impl HookMetrics {
    /// Makes the counters and registers them.
    ///
    /// # Errors
    /// They are registered already.
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            calls: IntCounterVec::new(
                Opts::new("fanfare_hook_calls_total", "Events of clients, by hook and by what came of them"),
                &["hook", "outcome"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new(
                    "fanfare_hook_seconds",
                    "From an event of a client to its acknowledgement",
                )
                .buckets(BUCKETS.to_vec()),
                &["hook"],
            )?,
            waiting: IntGauge::new("fanfare_hooks_waiting", "Events of clients that wait for their turn")?,
            circuit_open: IntGaugeVec::new(
                Opts::new("fanfare_hook_circuit_open", "1 while a hook's service is not asked"),
                &["hook"],
            )?,
        };
        registry.register(Box::new(metrics.calls.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.circuit_open.clone()))?;
        Ok(metrics)
    }
}
