//! Batches and places of dashboards step by step: nothing is lost in a window, and nothing is left.

use std::sync::Arc;

use hub::{Limits, Naming};
use protocol::websocket::Incoming;
use serde_json::json;

use super::desk::{DASHBOARD, Desk, Seat, queue, subscribe, to, told};
use crate::bench::frames;
use crate::wire::Frame;

#[test]
fn a_users_places_are_counted_and_come_back() {
    let mut desk = Desk::new(2);
    let places = |desk: &Desk| desk.hub.endpoint(DASHBOARD).places();
    let seats: Vec<Seat> = (0..5).map(|n| desk.open(n % 2)).collect();
    for seat in &seats {
        desk.say(seat, &subscribe("1"));
        desk.say(seat, &subscribe("1"));
    }
    assert_eq!(places(&desk), 5, "each counts once");
    let sixth = desk.open(0);
    desk.say(&sixth, &queue("a"));
    desk.say(&sixth, &subscribe("1"));
    assert_eq!(told(&sixth), ["subscribed", "4029"]);
    assert_eq!((places(&desk), desk.hub.open_connections()), (5, 5));
    // Who comes back may find its old connections still counted.
    let copies: Vec<Seat> = seats.iter().map(|seat| desk.come_back(1, seat)).collect();
    assert!(copies.iter().all(|copy| told(copy) == ["subscribed"]));
    let last = desk.come_back(0, &seats[0]);
    assert_eq!(told(&last), ["4029"]);
    assert_eq!(places(&desk), 10);
    desk.say(&seats[0], &json!({"type": "unsubscribe", "userId": "1"}));
    desk.say(&seats[0], &json!({"type": "unsubscribe", "userId": "1"}));
    assert_eq!(places(&desk), 9);
    for seat in seats.iter().chain(&copies) {
        desk.cut(seat);
    }
    desk.deliver();
    assert_eq!((places(&desk), desk.hub.open_connections()), (0, 0));
}

#[test]
fn what_is_collected_comes_before_the_answer_to_an_unsubscribe_and_before_the_close() {
    let mut desk = Desk::new(1);
    let seat = desk.open_as(0, None, Naming::Anyone, 200);
    desk.say(&seat, &json!({"type": "subscribe", "userId": "1", "queueId": "a"}));
    desk.publish(&["user:1"]);
    desk.publish(&["user:1"]);
    desk.deliver();
    assert_eq!(told(&seat), ["subscribed"]);
    desk.say(&seat, &json!({"type": "unsubscribe", "userId": "1"}));
    assert_eq!(told(&seat), ["subscribed", "[1 2]", "unsubscribed"]);
    desk.publish(&["queue:a"]);
    desk.publish(&["queue:a"]);
    desk.deliver();
    desk.wait(200);
    desk.deliver();
    desk.publish(&["queue:a"]);
    desk.deliver();
    let _ = desk.shards[0].on_incoming(seat.key, &Incoming::Close(Some((1000, ""))), desk.now);
    assert_eq!(told(&seat), ["subscribed", "[1 2]", "unsubscribed", "[3 4]", "5", "1000"]);
    assert_eq!((desk.shards[0].collected(), desk.shards[0].next_window()), (0, None));
}

#[test]
fn a_batch_that_does_not_fit_before_the_close_ends_the_connection_once() {
    let limits = Limits { outbox_frames: 2, ..Limits::default() };
    let mut desk = Desk::with(limits, 1);
    let seat = desk.open_as(0, None, Naming::Anyone, 200);
    desk.say(&seat, &subscribe("1"));
    for is_broken in [false, true] {
        let seat = if is_broken { desk.open_as(0, None, Naming::Anyone, 200) } else { seat.clone() };
        desk.say(&seat, &subscribe("1"));
        seat.pipe.borrow_mut().room = Some(0);
        for _ in 0..2 {
            desk.say(&seat, &json!({"type": "ping"}));
        }
        desk.publish(&["user:1"]);
        desk.deliver();
        seat.pipe.borrow_mut().is_broken = is_broken;
        let _ = desk.shards[0].on_incoming(seat.key, &Incoming::Close(Some((1000, ""))), desk.now);
        seat.pipe.borrow_mut().room = None;
        if !is_broken {
            desk.shards[0].on_writable(seat.key);
        }
        let closes = frames(&seat.pipe).iter().filter(|frame| matches!(frame, Frame::Close(..))).count();
        assert_eq!(closes, usize::from(!is_broken));
        desk.deliver();
    }
    desk.wait(1_100);
    desk.tick();
    assert_eq!((desk.hub.open_connections(), desk.hub.connections(), desk.shards[0].len()), (0, 0, 0));
}

#[test]
fn a_flood_within_one_window_goes_out_in_pieces_to_a_client_that_reads() {
    let mut desk = Desk::new(1);
    let seat = desk.open_as(0, None, Naming::Anyone, 10_000);
    desk.say(&seat, &subscribe("1"));
    for _ in 0..3_000 {
        desk.publish(&["user:1"]);
    }
    let mut large = desk.outgoing(to(&["user:1"], None));
    Arc::get_mut(&mut large.publication).expect("its only owner").data =
        json!({"n": 3_001, "pad": "x".repeat(300_000)}).to_string().into();
    desk.send(large);
    desk.shards[0].take_inbox(desk.now);
    desk.shards[0].step(1_000_000, desk.now);
    assert!(desk.shards[0].collected() <= 1, "what is large goes on alone: the rest is out");
    let told = told(&seat);
    let sizes: Vec<usize> = told[1..].iter().map(|frame| frame.split(' ').count()).collect();
    assert_eq!(sizes, [1_024, 1_024, 952], "pieces of at most 1,024");
    desk.wait(10_000);
    desk.deliver();
    assert!(desk.is_open(&seat) && desk.shards[0].collected() == 0);
    assert_eq!(desk.hub.metrics().deliveries.get(), 3_001);
}

#[test]
fn a_crowd_with_one_window_gets_one_batch_that_was_made_once() {
    let mut desk = Desk::new(1);
    let seats: Vec<Seat> = (0..100).map(|_| desk.open_as(0, None, Naming::Anyone, 100)).collect();
    for seat in &seats {
        desk.say(seat, &queue("a"));
    }
    for _ in 0..3 {
        desk.publish(&["queue:a"]);
    }
    desk.deliver();
    assert_eq!(desk.hub.metrics().deliveries.get(), 300, "what is collected counts as given");
    desk.wait(100);
    let before = desk.hub.metrics().writes.get();
    assert!(desk.shards[0].step(30, desk.now), "not all at once: others are served between");
    desk.deliver();
    assert!(seats.iter().all(|seat| told(seat) == ["subscribed", "[1 2 3]"]));
    let metrics = desk.hub.metrics();
    let writes = metrics.batches.get() + before;
    assert_eq!((metrics.batches.get(), metrics.batched.get(), writes), (100, 300, 100 + before));
    assert_eq!(metrics.encodings.get(), 3);
}

#[test]
fn a_ping_asks_for_what_was_given_before_it_and_for_nothing_else() {
    // A few are served one by one, a crowd by a pass that goes round.
    for count in [2, 100] {
        for window in [0, 200] {
            let mut desk = Desk::new(1);
            let seats: Vec<Seat> =
                (0..count).map(|_| desk.open_as(0, None, Naming::Anyone, window)).collect();
            seats.iter().for_each(|seat| desk.say(seat, &queue("a")));
            desk.publish(&["queue:a"]);
            desk.deliver();
            desk.publish(&["queue:a"]);
            desk.shards[0].take_inbox(desk.now);
            desk.shards[0].step(1, desk.now);
            let last = seats.last().expect("some");
            desk.confirm(last);
            desk.cut(last);
            let new = desk.come_back(0, last);
            let told: Vec<String> = [told(last), told(&new)].concat();
            assert!(told.iter().any(|told| told == "2" || told == "[1 2]"), "{count} {window}: {told:?}");
        }
    }
}
