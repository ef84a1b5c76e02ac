//! The streams of the simulation, and what they keep under each version of the rules.

use std::time::Duration;

use hub::rules::{ChannelRule, ChannelRules, HistoryRule, Identities};
use protocol::ChannelPattern;

use super::model::FEED;

/// Streams with their rules: how many, how old, whether on disk.
pub(crate) const STREAMS: [(&str, u32, u64, bool); 11] = [
    ("@all", 30, 600, true),
    ("user:1", 10, 600, true),
    ("user:2", 40, 600, false),
    ("d:few", 5, 600, true),
    ("d:young", 40, 20, true),
    ("d:many", 60, 600, true),
    ("m:few", 5, 600, false),
    ("m:many", 60, 600, false),
    ("u:none", 0, 600, false),
    ("u:odd", 0, 600, true),
    (FEED, 80, 600, true),
];

/// What clients subscribe to.
pub(crate) const CHANNELS: [&str; 7] = ["d:few", "d:young", "d:many", "m:few", "m:many", "u:none", "u:odd"];

/// Rules from this version on keep little, so that most of what is on disk is soon of no use.
pub(crate) const BRIEF: usize = 1000;

pub(crate) fn rule(version: usize, name: &str) -> Option<HistoryRule> {
    let (_, size, age, durable) = STREAMS.into_iter().find(|stream| stream.0 == name)?;
    let size = if version >= BRIEF { size.div_ceil(6) } else { size };
    // Some restarts come with other rules.
    let (size, durable) = match (version % 4, name) {
        (1, "d:many") => (3, durable),
        (2, "d:few") => (size, false),
        (2, "m:few") => (size, true),
        (3, "d:young") => (0, durable),
        _ => (size, durable),
    };
    Some(HistoryRule { size, age: Duration::from_secs(age), durable })
}

pub(crate) fn rules(version: usize) -> ChannelRules {
    let rules = STREAMS.iter().map(|(name, ..)| ChannelRule {
        pattern: ChannelPattern::new(name).expect("a pattern"),
        subscribe: None,
        publish: None,
        history: rule(version, name),
    });
    ChannelRules::new(rules.collect(), Identities::Known)
}
