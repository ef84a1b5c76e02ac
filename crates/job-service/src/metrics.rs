//! What the service counts beside its requests and its relay.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounterVec, Opts, Registry};

use crate::announce::Happened;

/// Buckets of the expiry lag: milliseconds when all is well, 5 s is the promise, beyond it the payment service is away.
const LAG_SECONDS: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 60.0, 3600.0];

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The money moved, and the job with it.
    Settled,
    /// The money did not move and never will.
    Cleared,
    /// Nobody knows yet: it is asked for in the background.
    Unknown,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Cleared => "cleared",
            Self::Unknown => "unknown",
        }
    }
}

/// Who ended a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The call that began it.
    Call,
    /// The background, for expired jobs and for calls that did not get to the end.
    Background,
}

impl By {
    fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Background => "background",
        }
    }
}

/// The service's counters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    jobs: IntCounterVec,
    steps: IntCounterVec,
    lag: Histogram,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let jobs =
            IntCounterVec::new(Opts::new("fanfare_jobs_total", "Changes of jobs, by event"), &["event"])?;
        let steps = IntCounterVec::new(
            Opts::new(
                "fanfare_job_steps_total",
                "Ends of steps that move money, by step, outcome and who ended it",
            ),
            &["step", "outcome", "by"],
        )?;
        let lag = Histogram::with_opts(
            HistogramOpts::new("fanfare_job_expiry_lag_seconds", "From a job's deadline to its refund")
                .buckets(LAG_SECONDS.to_vec()),
        )?;
        registry.register(Box::new(jobs.clone()))?;
        registry.register(Box::new(steps.clone()))?;
        registry.register(Box::new(lag.clone()))?;
        Ok(Self { jobs, steps, lag })
    }

    pub(crate) fn happened(&self, what: Happened) {
        self.jobs.with_label_values(&[what.as_str()]).inc();
    }

    pub(crate) fn step(&self, step: &'static str, outcome: Outcome, by: By) {
        self.steps.with_label_values(&[step, outcome.as_str(), by.as_str()]).inc();
    }

    pub(crate) fn expired(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }
}
