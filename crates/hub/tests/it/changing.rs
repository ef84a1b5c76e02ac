//! Rules and bounds that change while connections are there.

use hub::rules::{ChannelRule, ChannelRules, Identities, SubscribeRule};
use hub::{Bounds, EndpointBounds, Limits, Recipients, Wire};
use protocol::ChannelPattern;

use crate::bench::{Bench, channel, frames, user};
use crate::wire::Frame;

/// More connections than a shard looks at in two turns.
const MANY: usize = 2_500;

fn closed(pattern: &str) -> ChannelRules {
    let rule = ChannelRule {
        pattern: ChannelPattern::new(pattern).expect("a pattern"),
        subscribe: Some(SubscribeRule::Nobody),
        publish: None,
        history: None,
    };
    ChannelRules::new(vec![rule], Identities::Known)
}

fn count(recipients: Recipients) -> u32 {
    match recipients {
        Recipients::Counted(count) => count,
        Recipients::Counting(mut counting) => counting.try_recv().expect("the shards have counted"),
        Recipients::Repeated(_) => panic!("it has no key"),
    }
}

#[test]
fn new_rules_end_what_they_forbid_for_every_connection_in_slices_and_nothing_else() {
    let mut bench = Bench::new(Limits::default(), 1);
    let pipes: Vec<_> = (0..MANY)
        .map(|number| {
            let (key, pipe) = bench.open(0, Wire::Channels, Some(user(number)));
            bench.say(0, key, r#"{"type":"subscribe","channels":["orders:1","jobs"]}"#);
            pipe
        })
        .collect();
    let subscriptions = bench.hub.metrics().subscriptions.get();
    assert!(bench.hub.set_rules(closed("orders:*")));
    bench.shards[0].take_inbox(bench.now);
    let mut turns = 1;
    while bench.shards[0].step(7, bench.now) {
        turns += 1;
    }
    assert!(turns >= 3, "other work has its turn between: {turns}");
    for pipe in &pipes {
        let told: Vec<_> = frames(pipe)
            .into_iter()
            .filter_map(|frame| match frame {
                Frame::Json(frame) if frame["type"] == "error" => Some(frame["data"].clone()),
                _ => None,
            })
            .collect();
        let [told] = &told[..] else { panic!("one error: {told:?}") };
        assert_eq!((told["code"].as_str(), told["channel"].as_str()), (Some("forbidden"), Some("orders:1")));
    }
    let many = i64::try_from(MANY).expect("a count");
    assert_eq!(bench.hub.metrics().subscriptions.get(), subscriptions - many);
    let (orders, jobs) = (bench.publish(channel("orders:1"), 1), bench.publish(channel("jobs"), 1));
    bench.deliver();
    assert_eq!((count(orders), count(jobs)), (0, u32::try_from(MANY).expect("a count")));
    assert!(!bench.hub.set_rules(closed("orders:*")), "the same again changes nothing");
}

#[test]
fn a_connection_that_comes_while_others_are_looked_at_has_the_new_rules() {
    let mut bench = Bench::new(Limits::default(), 1);
    for number in 0..MANY {
        let (key, _) = bench.open(0, Wire::Channels, Some(user(number)));
        bench.say(0, key, r#"{"type":"subscribe","channels":["orders:1"]}"#);
    }
    bench.hub.set_rules(closed("orders:*"));
    bench.shards[0].take_inbox(bench.now);
    assert!(bench.shards[0].step(7, bench.now), "not all are looked at");
    // The rules change again: it begins from the first, and who was spared before is not now.
    bench.hub.set_rules(closed("*"));
    let (key, pipe) = bench.open(0, Wire::Channels, Some(user(MANY)));
    bench.say(0, key, r#"{"type":"subscribe","channels":["jobs"]}"#);
    bench.deliver();
    assert!(
        frames(&pipe).iter().any(|it| matches!(it, Frame::Json(it) if it["data"]["code"] == "forbidden"))
    );
    assert_eq!(bench.hub.metrics().subscriptions.get(), 0);
}

#[test]
fn bounds_hold_for_connections_that_are_there() {
    let mut bench = Bench::new(Limits::default(), 1);
    let (key, pipe) = bench.open(0, Wire::Channels, Some(user(7)));
    bench.hub.set_endpoint_bounds(0, EndpointBounds { rate: Some(2), connections_per_user: Some(1) });
    let limits = Limits::default();
    bench.hub.set_bounds(Bounds {
        channels: 1,
        outbox_bytes: limits.outbox_bytes,
        outbox_frames: limits.outbox_frames,
        connections: 2,
        queue_publications: limits.queue_publications,
        queue_bytes: limits.queue_bytes,
        offline_grace: limits.offline_grace,
    });
    bench.say(0, key, r#"{"type":"subscribe","channels":["a","b"]}"#);
    assert!(
        frames(&pipe)
            .iter()
            .any(|it| matches!(it, Frame::Json(it) if it["data"]["code"] == "too_many_channels"))
    );
    let first = bench.hub.admit();
    assert!(first.is_some() && bench.hub.admit().is_none(), "one of two is taken");
    bench.say(0, key, r#"{"type":"ping"}"#);
    assert!(bench.shards[0].is_open(key));
    bench.say(0, key, r#"{"type":"ping"}"#);
    assert!(matches!(frames(&pipe).last(), Some(Frame::Close(4008, _))), "the third of two frames");
}
