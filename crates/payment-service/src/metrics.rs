//! What the service counts beside its requests and its relay.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

/// What is counted as an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Deposit,
    Hold,
    Release,
    Refund,
    Worker,
    Void,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Refund => "refund",
            Self::Worker => "worker",
            Self::Void => "void",
        }
    }
}

/// The counters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    operations: IntCounterVec,
    /// 1 while the books balance, 0 when they don't.
    pub(crate) balanced: IntGauge,
}

impl Metrics {
    /// Registers `fanfare_payment_operations_total{operation}` and `fanfare_payment_books_balanced`.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let operations = IntCounterVec::new(
            Opts::new("fanfare_payment_operations_total", "Operations committed, repeats left out"),
            &["operation"],
        )?;
        let balanced = IntGauge::new("fanfare_payment_books_balanced", "1 while the books balance, else 0")?;
        registry.register(Box::new(operations.clone()))?;
        registry.register(Box::new(balanced.clone()))?;
        Ok(Self { operations, balanced })
    }

    pub(crate) fn count(&self, operation: Operation) {
        self.operations.with_label_values(&[operation.as_str()]).inc();
    }
}
