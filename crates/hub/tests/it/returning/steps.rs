//! Coming back step by step: what a dashboard is told, and what the hub keeps of it.

use std::sync::Arc;

use hub::{Naming, Opening, Outgoing};
use protocol::ConnectionId;
use protocol::websocket::Incoming;
use serde_json::json;

use super::desk::{Desk, pings, queue, subscribe, to, told};
use crate::bench::user;
use crate::link::pipe;

#[test]
fn what_came_between_a_ping_and_its_answer_is_told_again() {
    let mut desk = Desk::new(2);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    desk.publish(&["user:1"]);
    desk.deliver();
    let asked = desk.probe(&old).expect("something is to be known");
    desk.publish(&["user:1"]);
    desk.deliver();
    desk.pong(&old, &asked);
    desk.cut(&old);
    desk.publish(&["user:1"]);
    let new = desk.come_back(1, &old);
    assert_eq!(told(&new), ["subscribed", "2", "3"]);
}

#[test]
fn a_ping_that_would_tell_nothing_new_is_not_sent_behind_every_ping_of_a_client() {
    let mut desk = Desk::new(1);
    let seat = desk.open(0);
    assert_eq!(desk.probe(&seat), None, "nobody comes back to this");
    desk.say(&seat, &subscribe("1"));
    assert_eq!(desk.probe(&seat), None);
    desk.publish(&["user:1"]);
    desk.deliver();
    desk.confirm(&seat);
    assert_eq!(desk.probe(&seat), None);
}

#[test]
fn a_pong_that_answers_nothing_means_nothing() {
    let mut desk = Desk::new(1);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    desk.publish(&["user:1"]);
    desk.deliver();
    let payload = desk.probe(&old).expect("a ping");
    let mut later = payload.clone();
    later[7] += 1;
    let mut of_another = payload.clone();
    of_another[11] += 1;
    for forged in [&[][..], &[0; 8], &[255; 12], &[1; 125], &later, &of_another, &payload[..8]] {
        desk.pong(&old, forged);
    }
    desk.cut(&old);
    let new = desk.come_back(0, &old);
    assert_eq!(told(&new), ["subscribed", "1"]);
    // Said by who was never asked anything.
    let stranger = desk.open(0);
    desk.pong(&stranger, &payload);
    assert!(desk.is_open(&stranger));
}

#[test]
fn an_older_answer_takes_nothing_back() {
    let mut desk = Desk::new(1);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    desk.publish(&["user:1"]);
    desk.deliver();
    let first = desk.probe(&old).expect("a ping");
    desk.publish(&["user:1"]);
    desk.deliver();
    let second = desk.probe(&old).expect("a ping");
    desk.pong(&old, &second);
    desk.pong(&old, &first);
    desk.cut(&old);
    let new = desk.come_back(0, &old);
    assert_eq!(told(&new), ["subscribed"]);
}

#[test]
fn an_events_way_through_a_stream_that_was_joined_later_does_not_hide_that_it_was_lost() {
    let mut desk = Desk::new(1);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    desk.publish(&["queue:a", "user:1"]);
    desk.deliver();
    desk.say(&old, &queue("a"));
    desk.cut(&old);
    let new = desk.come_back(0, &old);
    assert_eq!(told(&new), ["subscribed", "1"], "the first may not have arrived");
    // Nothing has been heard of that connection either.
    desk.cut(&new);
    let newest = desk.come_back(0, &new);
    assert_eq!(told(&newest), ["subscribed", "1"]);
    assert_eq!(desk.probe(&newest).map(|payload| desk.pong(&newest, &payload)), Some(()));
    desk.cut(&newest);
    let last = desk.come_back(0, &newest);
    assert_eq!(told(&last), ["subscribed"]);
}

#[test]
fn what_a_stream_had_before_it_was_joined_is_not_told_to_who_comes_back() {
    let mut desk = Desk::new(1);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    desk.publish(&["queue:a"]);
    desk.deliver();
    desk.say(&old, &queue("a"));
    desk.publish(&["queue:a"]);
    desk.deliver();
    desk.say(&old, &json!({"type": "unsubscribe", "queueId": "a"}));
    desk.publish(&["queue:a"]);
    desk.deliver();
    desk.say(&old, &queue("a"));
    desk.cut(&old);
    let new = desk.come_back(0, &old);
    assert_eq!(told(&new), ["subscribed"], "it came to it again behind all of them");
}

#[test]
fn a_connection_that_came_back_and_drops_at_once_is_no_loss() {
    let mut desk = Desk::new(2);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    desk.cut(&old);
    desk.publish(&["user:1"]);
    let mut last = old;
    for shard in [1, 0, 1] {
        let new = desk.come_back(shard, &last);
        assert_eq!(told(&new), ["subscribed", "1"]);
        desk.cut(&new);
        last = new;
    }
}

#[test]
fn who_drops_in_the_middle_of_what_it_missed_is_told_all_of_it_again() {
    let mut desk = Desk::new(1);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    desk.cut(&old);
    let mut outgoing = desk.outgoing(to(&["user:1"], None));
    Arc::get_mut(&mut outgoing.publication).expect("its only owner").data =
        json!({"n": 1, "pad": "x".repeat(100_000)}).to_string().into();
    desk.send(outgoing);
    desk.publish(&["user:1"]);
    let new = desk.open(0);
    new.pipe.borrow_mut().room = Some(20_000);
    desk.ask_for(&new, old.id);
    assert_eq!(desk.hub.metrics().replays.get(), 1, "it waits for the socket");
    assert_eq!(desk.probe(&new), None, "what the answer would mean is not known now");
    desk.cut(&new);
    let newest = desk.come_back(0, &new);
    assert_eq!(told(&newest), ["subscribed", "1", "2"]);
    assert_eq!(desk.hub.metrics().replays.get(), 0);
}

#[test]
fn what_came_late_comes_not_again_in_a_stream_that_is_joined_behind_it() {
    let mut desk = Desk::new(1);
    let old = desk.open(0);
    desk.say(&old, &json!({"type": "subscribe", "userId": "1", "queueId": "none"}));
    desk.cut(&old);
    let mut outgoing = desk.outgoing(to(&["user:1"], None));
    Arc::get_mut(&mut outgoing.publication).expect("its only owner").data =
        json!({"n": 1, "pad": "x".repeat(100_000)}).to_string().into();
    desk.send(outgoing);
    desk.publish(&["user:1"]);
    let new = desk.open(0);
    new.pipe.borrow_mut().room = Some(20_000);
    desk.ask_for(&new, old.id);
    assert_eq!(desk.hub.metrics().replays.get(), 1, "it waits for the socket");
    desk.publish(&["queue:none", "queue:a"]);
    desk.say(&new, &subscribe("1"));
    desk.say(&new, &queue("a"));
    new.pipe.borrow_mut().room = None;
    desk.shards[0].on_writable(new.key);
    desk.deliver();
    assert_eq!(told(&new), ["subscribed", "1", "3", "subscribed", "subscribed", "2"]);
}

#[test]
fn a_tab_and_its_duplicate_go_on_and_the_dead_one_is_closed_soon() {
    let mut desk = Desk::new(3);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    desk.publish(&["user:1"]);
    desk.deliver();
    let copy = desk.come_back(2, &old);
    assert_eq!(told(&copy), ["subscribed", "1"]);
    let asked = pings(&old.pipe.borrow().received).pop().expect("it is asked whether it is there");
    desk.wait(9_000);
    desk.pong(&old, &asked);
    desk.wait(9_000);
    desk.tick();
    assert!(desk.is_open(&old) && desk.is_open(&copy), "both are alive");
    desk.publish(&["user:1"]);
    desk.deliver();
    assert_eq!((told(&old).last(), told(&copy).last()), (Some(&"2".to_owned()), Some(&"2".to_owned())));
    let again = desk.come_back(1, &old);
    assert_eq!(told(&again), ["subscribed", "2"]);
    desk.wait(9_900);
    desk.tick();
    assert!(desk.is_open(&old));
    desk.wait(200);
    desk.tick();
    assert_eq!(told(&old).last(), Some(&"4009".to_owned()), "nobody answered for it");
    assert!(desk.is_open(&again));
}

#[test]
fn what_is_said_behind_a_reconnect_is_answered_behind_it() {
    let mut desk = Desk::new(2);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    desk.publish(&["user:1"]);
    desk.deliver();
    let new = desk.open(1);
    desk.say(&new, &json!({"type": "reconnect", "connectionId": old.id.to_string()}));
    desk.say(&new, &queue("a"));
    desk.say(&new, &json!({"type": "ping"}));
    assert!(told(&new).is_empty(), "the other shard is asked first");
    desk.deliver();
    assert_eq!(told(&new), ["subscribed", "1", "subscribed", "pong"]);
    desk.cut(&new);
    let newest = desk.come_back(0, &new);
    assert_eq!(told(&newest), ["subscribed", "1"], "the first return was never proven to have arrived");
}

#[test]
fn what_is_said_while_a_second_reconnect_is_looked_up_is_in_force_behind_its_answer() {
    let mut desk = Desk::new(2);
    let stranger = desk.open(0).id;
    let new = desk.open(1);
    for _ in 0..2 {
        desk.say(&new, &json!({"type": "reconnect", "connectionId": stranger.to_string()}));
    }
    desk.say(&new, &subscribe("1"));
    // Round the other shard and back, for the first.
    for shard in [0, 1] {
        desk.shards[shard].take_inbox(desk.now);
    }
    assert_eq!(told(&new), ["error"], "the second goes round");
    desk.say(&new, &queue("a"));
    desk.publish(&["queue:a", "user:1"]);
    desk.deliver();
    assert_eq!(told(&new), ["error", "error", "subscribed", "subscribed"], "nothing was promised before");
    desk.publish(&["queue:a", "user:1"]);
    desk.deliver();
    assert_eq!(told(&new)[4..], ["2"]);
}

#[test]
fn who_says_too_much_behind_a_reconnect_is_closed() {
    let mut desk = Desk::new(2);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    let new = desk.open(1);
    desk.say(&new, &json!({"type": "reconnect", "connectionId": old.id.to_string()}));
    for _ in 0..17 {
        desk.say(&new, &json!({"type": "ping"}));
    }
    assert_eq!(told(&new), ["4029"]);
    desk.deliver();
    assert_eq!(told(&new), ["4029"]);
}

#[test]
fn an_id_is_its_users_for_two_minutes() {
    let mut desk = Desk::new(2);
    let seven = || Some(user(7));
    let old = desk.open_as(0, seven(), Naming::Own, 0);
    desk.say(&old, &json!({"type": "subscribe", "userId": 7}));
    for is_open in [true, false] {
        if !is_open {
            desk.cut(&old);
        }
        for identity in [Some(user(8)), None] {
            let thief = desk.open_as(1, identity, Naming::Own, 0);
            desk.ask_for(&thief, old.id);
            assert_eq!(told(&thief), ["error"]);
            let anyone = desk.open_as(1, None, Naming::Anyone, 0);
            desk.ask_for(&anyone, old.id);
            assert_eq!(told(&anyone), ["error"]);
        }
    }
    desk.wait(120_000);
    let new = desk.open_as(1, seven(), Naming::Own, 0);
    desk.ask_for(&new, old.id);
    assert_eq!(told(&new), ["subscribed"]);
    desk.wait(1);
    let late = desk.open_as(1, seven(), Naming::Own, 0);
    desk.ask_for(&late, old.id);
    assert_eq!(told(&late), ["error"]);
}

#[test]
fn who_may_no_longer_name_a_user_is_told_that_something_is_missing() {
    let mut desk = Desk::new(1);
    let old = desk.open(0);
    desk.say(&old, &json!({"type": "subscribe", "userId": "1", "queueId": "a"}));
    desk.cut(&old);
    let new = desk.open_as(0, None, Naming::Own, 0);
    desk.ask_for(&new, old.id);
    desk.publish(&["user:1"]);
    desk.publish(&["queue:a"]);
    desk.deliver();
    assert_eq!(told(&new), ["subscribed", "error", "2"]);
}

#[test]
fn who_comes_back_to_nothing_learns_its_new_id() {
    let mut desk = Desk::new(1);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    desk.say(&old, &json!({"type": "unsubscribe", "userId": "1"}));
    desk.cut(&old);
    desk.publish(&["@all"]);
    let new = desk.come_back(0, &old);
    assert_eq!(told(&new), ["subscribed", "1"]);
}

#[test]
fn what_is_not_kept_anywhere_is_missed_aloud() {
    let mut desk = Desk::new(1);
    let old = desk.open(0);
    desk.say(&old, &queue("none"));
    desk.publish(&["queue:none"]);
    desk.deliver();
    desk.confirm(&old);
    desk.cut(&old);
    let new = desk.come_back(0, &old);
    assert_eq!(told(&new), ["subscribed"], "nothing is missing");
    desk.publish(&["queue:none"]);
    desk.deliver();
    desk.cut(&new);
    let newest = desk.come_back(0, &new);
    assert_eq!(told(&newest), ["subscribed", "error"], "the second may not have arrived");
    desk.cut(&newest);
    let last = desk.come_back(0, &newest);
    assert_eq!(told(&last), ["subscribed", "error"], "nor may that it is missing");
    desk.confirm_loss(&last);
    let last = desk.come_back(0, &last);
    assert_eq!(told(&last), ["subscribed"]);
}

#[test]
fn state_is_told_once_and_again_only_where_it_may_not_have_arrived() {
    let mut desk = Desk::new(1);
    desk.retain(&["@all"]);
    desk.retain(&["user:1"]);
    let old = desk.open(0);
    assert_eq!(told(&old), ["1"], "what everyone has comes unasked");
    desk.say(&old, &subscribe("1"));
    desk.say(&old, &subscribe("1"));
    desk.say(&old, &queue("a"));
    assert_eq!(told(&old), ["1", "subscribed", "2", "subscribed", "subscribed"]);
    desk.cut(&old);
    let new = desk.come_back(0, &old);
    assert_eq!(told(&new), ["1", "subscribed", "2"], "the state may have been lost with the connection");
    desk.confirm_loss(&new);
    let newest = desk.come_back(0, &new);
    assert_eq!(told(&newest), ["1", "subscribed"], "it has had it");
}

#[test]
fn state_that_is_told_with_what_was_missed_is_told_once() {
    let mut desk = Desk::new(1);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    desk.cut(&old);
    desk.retain(&["user:1"]);
    let new = desk.come_back(0, &old);
    assert_eq!(told(&new), ["subscribed", "1"]);
}

#[test]
fn what_was_published_to_everyone_before_a_subscribe_comes_before_its_answer() {
    let mut desk = Desk::new(1);
    let seat = desk.open(0);
    desk.publish(&["@all"]);
    desk.say(&seat, &subscribe("1"));
    desk.deliver();
    assert_eq!(told(&seat), ["1", "subscribed"]);
    let named = desk.outgoing(to(&["queue:a"], Some(seat.id)));
    desk.send(named);
    desk.say(&seat, &queue("a"));
    desk.deliver();
    assert_eq!(told(&seat), ["1", "subscribed", "2", "subscribed"], "it is named itself");
}

#[test]
fn what_is_not_for_a_connection_is_not_told_to_its_successor() {
    let mut desk = Desk::new(1);
    let old = desk.open(0);
    desk.say(&old, &subscribe("1"));
    let except = Some(old.id);
    let outgoing = Outgoing { except, ..desk.outgoing(to(&["user:1"], None)) };
    desk.send(outgoing);
    desk.cut(&old);
    let new = desk.come_back(0, &old);
    assert_eq!(told(&new), ["subscribed"]);
}

#[test]
fn who_is_present_is_present_again_after_a_return() {
    let mut desk = Desk::new(1);
    let watch = |desk: &Desk| desk.hub.presence().list("queue:a", 10).count;
    let (link, _pipe) = pipe();
    let admission = desk.hub.admit().expect("room");
    let id = ConnectionId::from_random(99);
    let key = desk.shards[0].open(link, Opening::new(id, hub::Wire::Channels, None, admission), desk.now);
    let asks = r#"{"type":"presence","channel":"queue:a","watch":true}"#;
    let _ = desk.shards[0].on_incoming(key, &Incoming::Text(asks), desk.now);
    desk.deliver();
    let old = desk.open_as(0, Some(user(7)), Naming::Own, 0);
    desk.say(&old, &queue("a"));
    assert_eq!(watch(&desk), 1);
    desk.cut(&old);
    let new = desk.open_as(0, Some(user(7)), Naming::Own, 0);
    desk.ask_for(&new, old.id);
    desk.wait(6_000);
    desk.hub.keep_house(desk.now);
    assert_eq!(watch(&desk), 1, "a reload does not show");
    desk.cut(&new);
    desk.wait(6_000);
    desk.hub.keep_house(desk.now);
    assert_eq!(watch(&desk), 0);
}
