//! What the service counts beside its requests and its relay.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is stored and on its way.
    Stored,
    /// Its recipient has blocked the sender.
    Blocked,
    /// The sender was over the limit.
    RateLimited,
}

impl Sent {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Blocked => "blocked",
            Self::RateLimited => "rate_limited",
        }
    }
}

/// What became of the news that somebody types or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    /// The hub took it.
    Told,
    /// The recipient has blocked the one who types.
    Hidden,
    /// The table was full.
    Full,
    /// The hub was away for too long, or did not take it.
    Lost,
}

impl Typed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Hidden => "hidden",
            Self::Full => "full",
            Self::Lost => "lost",
        }
    }
}

/// The service's counters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    messages: IntCounterVec,
    reads: IntCounter,
    typing: IntCounterVec,
    pairs: IntGauge,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let messages = IntCounterVec::new(
            Opts::new("fanfare_chat_messages_total", "Chat messages, by what became of them"),
            &["outcome"],
        )?;
        let reads = IntCounter::new("fanfare_chat_reads_total", "Read positions that moved forward")?;
        let typing = IntCounterVec::new(
            Opts::new("fanfare_chat_typing_total", "News of who types, by what became of it"),
            &["outcome"],
        )?;
        let pairs = IntGauge::new("fanfare_chat_typing", "Users who type to somebody")?;
        registry.register(Box::new(messages.clone()))?;
        registry.register(Box::new(reads.clone()))?;
        registry.register(Box::new(typing.clone()))?;
        registry.register(Box::new(pairs.clone()))?;
        Ok(Self { messages, reads, typing, pairs })
    }

    pub(crate) fn message(&self, sent: Sent) {
        self.messages.with_label_values(&[sent.as_str()]).inc();
    }

    pub(crate) fn read(&self) {
        self.reads.inc();
    }

    pub(crate) fn typed(&self, typed: Typed) {
        self.typing.with_label_values(&[typed.as_str()]).inc();
    }

    pub(crate) fn typing_pairs(&self, count: usize) {
        self.pairs.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
