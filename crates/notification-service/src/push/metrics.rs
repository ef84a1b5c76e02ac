//! What push counts. Nothing is counted by user or device.

use std::time::Duration;

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    /// Firebase has it.
    Sent,
    /// Firebase has a withdrawal.
    Withdrawn,
    /// It is tried again.
    Retried,
    /// It was given up, or Firebase does not take it.
    Failed,
    /// The device is gone.
    Unregistered,
    /// Somebody had it already, or nobody wants it.
    Cancelled,
    /// Quiet hours hold it.
    Held,
    /// It is in a digest.
    Digested,
}

impl Became {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Withdrawn => "withdrawn",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Unregistered => "unregistered",
            Self::Cancelled => "cancelled",
            Self::Held => "held",
            Self::Digested => "digested",
        }
    }
}

/// Push's figures. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    pushes: IntCounterVec,
    queue: IntGauge,
    oldest: IntGauge,
    open: IntGauge,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let pushes = IntCounterVec::new(
            Opts::new("fanfare_push_total", "Pushes, by what became of them"),
            &["outcome"],
        )?;
        let queue = IntGauge::new("fanfare_push_queue", "Messages to devices that wait for Firebase")?;
        let oldest =
            IntGauge::new("fanfare_push_oldest_seconds", "For how long the oldest push has been due")?;
        let open = IntGauge::new("fanfare_push_paused", "1 while Firebase is away and is left alone")?;
        registry.register(Box::new(pushes.clone()))?;
        registry.register(Box::new(queue.clone()))?;
        registry.register(Box::new(oldest.clone()))?;
        registry.register(Box::new(open.clone()))?;
        Ok(Self { pushes, queue, oldest, open })
    }

    pub(super) fn add(&self, became: Became, count: usize) {
        if count > 0 {
            self.pushes.with_label_values(&[became.as_str()]).inc_by(count as u64);
        }
    }

    pub(super) fn queue(&self, waiting: i64, oldest: Duration) {
        self.queue.set(waiting);
        self.oldest.set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
    }

    pub(super) fn paused(&self, is_paused: bool) {
        self.open.set(i64::from(is_paused));
    }
}
