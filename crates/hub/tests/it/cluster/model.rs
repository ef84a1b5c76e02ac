//! The publications of the simulation as their publishers made them, its streams and its rules.

use std::collections::BTreeSet;
use std::time::Duration;

use hub::Limits;
use hub::rules::{ChannelRule, ChannelRules, HistoryRule, Identities};
use protocol::{ChannelPattern, ConnectionId, Publication};

/// A publication's number; it stands in its data.
pub(crate) type Number = usize;

/// Streams with their rules: how many, how old in seconds.
pub(crate) const STREAMS: [(&str, u32, u64); 9] = [
    ("@all", 30, 600),
    ("user:1", 10, 600),
    ("user:2", 60, 600),
    ("few", 4, 600),
    ("young", 40, 20),
    ("many", 200, 600),
    ("more", 200, 600),
    ("none", 0, 600),
    ("odd", 0, 600),
];

/// What clients subscribe to.
pub(crate) const CHANNELS: [&str; 6] = ["few", "young", "many", "more", "none", "odd"];

/// What a stream keeps.
pub(crate) fn rule(name: &str) -> Option<HistoryRule> {
    let (_, size, age) = STREAMS.into_iter().find(|stream| stream.0 == name)?;
    Some(HistoryRule { size, age: Duration::from_secs(age), durable: true })
}

/// Whether it keeps anything.
pub(crate) fn is_kept(name: &str) -> bool {
    rule(name).is_some_and(|rule| rule.size > 0)
}

pub(crate) fn rules() -> ChannelRules {
    let rules = STREAMS.iter().map(|(name, ..)| ChannelRule {
        pattern: ChannelPattern::new(name).expect("a pattern"),
        subscribe: None,
        publish: None,
        history: rule(name),
    });
    ChannelRules::new(rules.collect(), Identities::Known)
}

/// The bounds of the simulation.
pub(crate) fn limits(is_narrow: bool) -> Limits {
    let (outbox_bytes, outbox_frames) = if is_narrow { (8 << 10, 24) } else { (1 << 20, 1024) };
    Limits {
        rate: None,
        outbox_bytes,
        outbox_frames,
        deflate_min: Some(600),
        resumable: 50,
        ping_timeout: Duration::from_secs(100_000),
        ..Limits::default()
    }
}

/// What is known of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It waits, or nobody knows what became of it.
    Perhaps,
    /// The broker gave it its place.
    Placed,
    /// It went to the clients of one node alone.
    Here,
    /// It was refused for certain.
    Refused,
}

/// A publication, as its publisher made it.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) streams: BTreeSet<String>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) except: Option<ConnectionId>,
    pub(crate) has_key: bool,
    pub(crate) retain: Option<(String, u64)>,
    pub(crate) is_transient: bool,
    pub(crate) size: usize,
    pub(crate) sent: Sent,
    /// The life of the broker in which it was first sent.
    pub(crate) life: u64,
}

impl Made {
    /// The JSON text of its data.
    pub(crate) fn data(&self, number: Number) -> String {
        format!("{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(self.size))
    }

    /// Whether something is kept of it anywhere.
    pub(crate) fn is_kept(&self) -> bool {
        !self.is_transient && self.streams.iter().any(|name| is_kept(name))
    }
}

/// The number of a publication.
pub(crate) fn number_of(publication: &Publication) -> Number {
    let data: serde_json::Value = serde_json::from_str(&publication.data).expect("JSON");
    number(&data).expect("a number")
}

/// The number in an event's data.
pub(crate) fn number(data: &serde_json::Value) -> Option<Number> {
    usize::try_from(data["n"].as_u64()?).ok()
}
