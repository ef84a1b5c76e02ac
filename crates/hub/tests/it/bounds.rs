//! What the engine promises to hold: how often it encodes, and what a connection owns.

use hub::{HistoryLimits, Limits, Recipients, Wire};
use protocol::publication::Audience;
use protocol::websocket::Incoming;
use protocol::{ChannelName, Disconnect, Stream, Target};

use crate::bench::{Bench, channel, frames, user};
use crate::heap::held;
use crate::link::pipe;
use crate::wire::Frame;

#[test]
fn a_publication_is_encoded_once_however_many_get_it() {
    for (connections, shards) in [(3, 1), (500, 3)] {
        let mut bench = Bench::new(Limits::default(), shards);
        for number in 0..connections {
            let wire = if number % 2 == 0 { Wire::Channels } else { Wire::ChannelsDeflate };
            let (key, _) = bench.open(number % shards, wire, None);
            bench.say(number % shards, key, r#"{"type":"subscribe","channels":["a","b"]}"#);
        }
        let both = ["a", "b"].map(|name| Stream::channel(ChannelName::new(name).expect("name")));
        let union = Target::Named(Audience { streams: both.into(), connection: None });
        for (number, target) in [Target::Everyone, channel("a"), union].into_iter().enumerate() {
            bench.publish(target, 5_000);
            bench.deliver();
            let metrics = bench.hub.metrics();
            let so_far = number as u64 + 1;
            assert_eq!((metrics.encodings.get(), metrics.deflations.get()), (so_far, so_far));
            assert_eq!(metrics.deliveries.get(), so_far * connections as u64);
        }
    }
}

#[test]
fn a_publication_without_audience_is_not_encoded() {
    let mut bench = Bench::new(Limits::default(), 1);
    bench.open(0, Wire::Channels, None);
    assert!(matches!(bench.publish(channel("nobody"), 10), Recipients::Counted(0)));
    bench.deliver();
    assert_eq!(bench.hub.metrics().encodings.get(), 0);
}

#[test]
fn several_publications_of_one_wake_up_are_one_write() {
    for connections in [3, 200] {
        let mut bench = Bench::new(Limits::default(), 1);
        let pipes: Vec<_> = (0..connections).map(|_| bench.open(0, Wire::Channels, None).1).collect();
        let before: usize = pipes.iter().map(|pipe| pipe.borrow().writes).sum();
        for _ in 0..10 {
            bench.publish(Target::Everyone, 10);
        }
        bench.deliver();
        let writes: usize = pipes.iter().map(|pipe| pipe.borrow().writes).sum();
        assert_eq!(writes - before, connections);
        assert!(pipes.iter().all(|pipe| frames(pipe).len() == 11));
    }
}

/// Everything that the engine holds for a signed-in connection that follows one channel besides its user's
/// stream and everyone's: its own record, its identity with 128 bits of a session in base64, its user's stream, and its places
/// in the lists. Of it 24 bytes are for what it may ask for: recovery, and who is in a channel.
const MOST_PER_CONNECTION: isize = 408;

#[test]
fn an_idle_connection_owns_no_buffer() {
    // A little less than a power of two, so that what the lists keep spare is not counted as a connection's.
    let count = (1 << 13) - 64;
    let mut bench = Bench::new(Limits { rate: Some(1000), ..Limits::default() }, 2);
    let mut links = Vec::with_capacity(count);
    let mut keys = Vec::with_capacity(count);
    // What the test's own links hold is not the engine's.
    let mut links_hold = 0;
    let before = held();
    for number in 0..count {
        let shard = number % 2;
        let start = held();
        let probe = pipe();
        links_hold += held() - start;
        drop(probe);
        let (key, link) = bench.open(shard, Wire::Channels, Some(user(number)));
        bench.say(shard, key, r#"{"type":"subscribe","channels":["jobs"]}"#);
        link.borrow_mut().received = Vec::new();
        links.push(link);
        keys.push((shard, key));
    }
    bench.tick_after(11_000);
    for &(shard, key) in &keys {
        bench.shards[shard].heard(key, bench.now);
    }
    let idle = held() - before - links_hold;
    let each = idle / isize::try_from(count).expect("few");
    assert!(each <= MOST_PER_CONNECTION, "{each} bytes");

    // Traffic in both directions, sockets that block and open again: afterwards it is as before.
    for round in 0..3 {
        for (link, &(shard, key)) in links.iter().zip(&keys) {
            link.borrow_mut().room = Some(round * 50);
            bench.say(shard, key, r#"{"type":"ping"}"#);
        }
        bench.publish(Target::Everyone, 300);
        bench.publish(channel("jobs"), 300);
        bench.deliver();
        for (link, &(shard, key)) in links.iter().zip(&keys) {
            link.borrow_mut().room = None;
            bench.shards[shard].on_writable(key);
            link.borrow_mut().received = Vec::new();
        }
    }
    bench.tick_after(11_000);
    for link in &links {
        link.borrow_mut().received = Vec::new();
    }
    let after = held() - before - links_hold;
    // Only the shards' own buffers may have grown.
    assert!(after - idle < 3 << 20, "{idle} bytes before, {after} after");
    assert_eq!(bench.hub.metrics().outboxes.get(), 0);
    let grown = after;
    for _ in 0..3 {
        bench.publish(Target::Everyone, 300);
        bench.deliver();
        for link in &links {
            link.borrow_mut().received = Vec::new();
        }
    }
    assert!(held() - before - links_hold - grown < 1 << 16, "nothing grows with use");
}

#[test]
fn a_new_connection_in_a_closed_ones_place_keeps_its_own_time() {
    let mut bench = Bench::new(Limits::default(), 1);
    let (first, _) = bench.open(0, Wire::Channels, None);
    bench.shards[0].close(first, &Disconnect::INTERNAL, bench.now);
    bench.shards[0].on_incoming(first, &Incoming::Close(None), bench.now);
    bench.deliver();
    assert!(bench.shards[0].is_empty());
    let (second, pipe) = bench.open(0, Wire::Channels, None);
    assert_eq!(first, second, "the place is used again");
    bench.now.ms += 900;
    bench.shards[0].close(second, &Disconnect::INTERNAL, bench.now);
    bench.tick_after(200);
    assert!(!pipe.borrow().is_shut, "the first one's second is over, not this one's");
    bench.tick_after(900);
    assert!(pipe.borrow().is_shut && bench.shards[0].is_empty());
}

#[test]
fn a_drain_waits_for_a_client_that_reads_slowly() {
    let mut bench = Bench::new(Limits::default(), 1);
    let (key, pipe) = bench.open(0, Wire::Channels, None);
    pipe.borrow_mut().room = Some(0);
    bench.publish(Target::Everyone, 1000);
    bench.hub.drain(std::time::Duration::from_secs(2));
    bench.deliver();
    for _ in 0..10 {
        bench.tick_after(500);
        assert!(!pipe.borrow().is_shut, "what was accepted is not thrown away");
    }
    pipe.borrow_mut().room = None;
    bench.shards[0].on_writable(key);
    assert!(matches!(&frames(&pipe)[..], [Frame::Json(_), Frame::Json(_), Frame::Close(1001, _)]));
    bench.tick_after(500);
    bench.tick_after(1_000);
    assert!(bench.shards[0].is_empty(), "then it has its second to answer");
}

#[test]
fn a_client_that_goes_away_without_reading_is_cut() {
    let mut bench = Bench::new(Limits::default(), 1);
    let (key, pipe) = bench.open(0, Wire::Channels, None);
    pipe.borrow_mut().room = Some(0);
    bench.publish(Target::Everyone, 1000);
    bench.deliver();
    // 1001 is what browsers send when they leave a page, and what a drain sends.
    bench.shards[0].on_incoming(key, &Incoming::Close(Some((1001, ""))), bench.now);
    bench.tick_after(1_000);
    assert!(pipe.borrow().is_shut && bench.shards[0].is_empty());
    assert_eq!(bench.hub.metrics().outbox_bytes.get(), 0);
}

#[test]
fn a_backlog_of_the_hub_does_not_close_clients_that_read() {
    for connections in [1, 100] {
        let mut bench = Bench::new(Limits::default(), 1);
        let pipes: Vec<_> = (0..connections).map(|_| bench.open(0, Wire::Channels, None).1).collect();
        for _ in 0..3_000 {
            bench.publish(Target::Everyone, 1_000);
        }
        // No socket takes more than this at once, and it is free again when the shard has waited for events.
        bench.shards[0].take_inbox(bench.now);
        loop {
            for (key, pipe) in (0_u32..).zip(&pipes) {
                pipe.borrow_mut().room = Some(400_000);
                bench.shards[0].on_writable(key);
            }
            if !bench.shards[0].step(connections, bench.now) && bench.hub.metrics().outboxes.get() == 0 {
                break;
            }
        }
        for pipe in &pipes {
            assert_eq!(frames(pipe).len(), 3_001);
        }
    }
}

#[test]
fn a_user_has_exactly_as_many_connections_as_it_may_have() {
    let mut bench = Bench::new(Limits { connections_per_user: Some(2), ..Limits::default() }, 2);
    let (first, _) = bench.open(0, Wire::Channels, Some(user(7)));
    bench.say(0, first, r#"{"type":"subscribe","channels":["user:7"]}"#);
    let (second, _) = bench.open(1, Wire::Channels, Some(user(7)));
    let (third, pipe) = bench.open(1, Wire::Channels, Some(user(7)));
    assert!(bench.shards[0].is_open(first) && bench.shards[1].is_open(second));
    assert!(!bench.shards[1].is_open(third));
    assert!(matches!(&frames(&pipe)[..], [Frame::Close(4029, _)]));
    bench.shards[0].end(first);
    let (fourth, _) = bench.open(0, Wire::Channels, Some(user(7)));
    assert!(bench.shards[0].is_open(fourth), "a place is free again");
}

#[test]
fn a_crowd_may_leave_while_a_publication_goes_round_it() {
    // Without history, which holds what it is told to hold.
    let history = HistoryLimits { bytes: 0, ..HistoryLimits::default() };
    let mut bench = Bench::new(Limits { history, ..Limits::default() }, 1);
    let mut held_after = Vec::new();
    for round in 0..20 {
        let mut crowd = Vec::new();
        for _ in 0..100 {
            let (key, pipe) = bench.open(0, Wire::Channels, None);
            bench.say(0, key, r#"{"type":"subscribe","channels":["jobs"]}"#);
            crowd.push((key, pipe));
        }
        bench.publish(channel("jobs"), 10);
        bench.shards[0].take_inbox(bench.now);
        assert!(bench.shards[0].step(10, bench.now), "it is on its way");
        for (key, pipe) in &crowd[..50] {
            bench.say(0, *key, r#"{"type":"unsubscribe","channels":["jobs"]}"#);
            assert_eq!(frames(pipe).len(), 4, "welcome, subscribed, the event, unsubscribed");
        }
        for (key, _) in &crowd[50..] {
            bench.shards[0].end(*key);
        }
        // The channel's place may be given away only when nothing goes round it any more.
        if round % 2 == 1 {
            bench.deliver();
        }
        let (key, pipe) = (crowd[0].0, &crowd[0].1);
        bench.say(0, key, r#"{"type":"subscribe","channels":["other","jobs"]}"#);
        bench.deliver();
        for name in ["other", "jobs"] {
            assert!(matches!(bench.publish(channel(name), 10), Recipients::Counted(1)));
        }
        bench.deliver();
        assert_eq!(frames(pipe).len(), 7, "and once each on the channels that are new");
        for (key, _) in &crowd {
            bench.shards[0].end(*key);
        }
        bench.deliver();
        bench.shards[0].take_ended();
        assert!(bench.shards[0].is_empty() && bench.hub.registry().is_empty());
        drop(crowd);
        held_after.push(held());
    }
    assert!(held_after[19] - held_after[1] < 4_000, "nothing is left behind: {held_after:?}");
}
