//! What a hub writes down and finds again, step by step.

use std::sync::Arc;
use std::time::Duration;

use hub::journal::{Entry, RetainedChange, Stored, StreamEnd};
use hub::rules::{ChannelRule, ChannelRules, HistoryRule, Identities};
use hub::{Accepted, Beginning, HistoryLimits, Hub, Limits, Metrics, Outgoing};
use protocol::timestamp::Timestamp;
use protocol::{ChannelPattern, Epoch, Publication, PublicationId, Target};

use crate::bench::channel;

fn start() -> Timestamp {
    Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp")
}

fn outgoing(target: Target) -> Outgoing {
    let publication = Publication {
        id: PublicationId::from_u128(9),
        event_type: "e".into(),
        data: "1".into(),
        timestamp: start(),
    };
    Outgoing::new(publication, target, start())
}

/// A hub on a store, where only `jobs` keeps something, and that on disk.
fn hub(limits: HistoryLimits, stored: Stored) -> Hub {
    let rule = |pattern: &str, size| ChannelRule {
        pattern: ChannelPattern::new(pattern).expect("a pattern"),
        subscribe: None,
        publish: None,
        history: Some(HistoryRule { size, age: Duration::from_secs(600), durable: true }),
    };
    let rules = ChannelRules::new(vec![rule("jobs", 10), rule("*", 0)], Identities::Known);
    let limits = Limits { history: limits, ..Limits::default() };
    let beginning =
        Beginning { stored: Some(stored), now: Some(start()), random: [1; 32], ..Beginning::default() };
    Hub::begin(rules, limits, Metrics::new(&prometheus::Registry::new()), vec![], beginning)
}

#[test]
fn a_stream_with_state_of_an_earlier_life_is_not_forgotten() {
    let entry = Entry {
        seq: 1,
        id: PublicationId::from_u128(1),
        event_type: "e".into(),
        data: "1".into(),
        timestamp: start(),
        accepted: start(),
        except: None,
        places: vec![],
        addressed: vec![],
    };
    let state = RetainedChange::Set {
        stream: "jobs".into(),
        key: "bar".into(),
        expires: Timestamp::from_millis(start().as_millis() + 3_600_000),
        entry: Arc::new(entry),
    };
    let end = StreamEnd { stream: "jobs".into(), epoch: Epoch::from_bits(7), offset: 3 };
    let stored = Stored { last_seq: 2, ends: vec![end], retained: vec![state], ..Stored::default() };
    let hub = hub(HistoryLimits { streams: 2, ..HistoryLimits::default() }, stored);
    for name in ["a", "b", "c", "d", "e"] {
        let accepted = hub.publish(outgoing(channel(name))).expect("room");
        assert!(matches!(accepted, Accepted::Now(_)), "{name} is not on disk");
    }
    let commit = hub.begin_commit(start()).expect("that streams were forgotten");
    assert!(commit.group().resets.is_some());
    assert_eq!(commit.group().forget_streams, []);
    let history = hub.stream_info("jobs", start()).and_then(|info| info.history).expect("known");
    assert_eq!((history.epoch, history.offset), (Epoch::from_bits(7).to_string(), 3));
}

#[test]
fn what_nobody_needs_is_not_left_on_disk_beyond_the_spare() {
    let hub = hub(HistoryLimits { spare: 0, ..HistoryLimits::default() }, Stored::default());
    let mut kept = Vec::new();
    for _ in 0..60 {
        // Three in a group, so that each group holds something of use for longer.
        for _ in 0..3 {
            assert!(matches!(hub.publish(outgoing(channel("jobs"))), Ok(Accepted::Waiting(_))));
        }
        let commit = hub.begin_commit(start()).expect("publications");
        let group = commit.group();
        kept.retain(|&(number, _)| !group.remove.contains(&number));
        kept.push((group.seq, group.entries.len()));
        hub.end_commit(commit, Ok(()));
    }
    let entries: usize = kept.iter().map(|(_, entries)| entries).sum();
    assert!(entries <= 2 * 10 + 3, "{entries} entries are on disk, of which ten are kept");
}
