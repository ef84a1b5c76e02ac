//! What streams keep.

use std::time::Duration;

use hub::broker::{Broker, Following, Outcome, Wish};
use hub::rules::HistoryRule;
use protocol::publication::Retain;
use protocol::{Epoch, Position};
use test_kit::{Redis, eventually};

use crate::node::{Node, PATIENCE, RULE, following, offsets, publishing};

fn sized(size: u32, age: Duration) -> HistoryRule {
    HistoryRule { size, age, durable: true }
}

#[test]
fn a_stream_tells_its_newest_events_up_to_its_size_and_says_what_it_dropped() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    let rule = sized(10, Duration::from_secs(600));
    for n in 0..25 {
        let mut publishing = publishing(&["jobs"], &n.to_string());
        publishing.rules = vec![Some(rule)];
        node.publish(publishing);
    }
    let wanted = |after| Following { rule: Some(rule), after, ..following("jobs") };
    let state = node.follow(vec![wanted(None)]).1.remove(0);
    assert_eq!(offsets(&state.events, "jobs"), (16..=25).collect::<Vec<_>>());
    let before = node.wait_up(0).seq;
    assert_eq!((state.end.offset, state.dropped), (25, before + 15));
    let after = |offset| node.follow(vec![wanted(Some(Position { offset, ..state.end }))]).1.remove(0);
    let some = after(20);
    assert_eq!((offsets(&some.events, "jobs"), some.dropped), ((21..=25).collect(), before + 15));
    assert_eq!(offsets(&after(25).events, "jobs"), Vec::<u64>::new());
    // Not reached any more, of the future, of another epoch: all of them.
    let foreign = Position { epoch: Epoch::from_bits(1), offset: 20 };
    let foreign = node.follow(vec![wanted(Some(foreign))]).1.remove(0);
    for all in [after(3), after(26), foreign] {
        assert_eq!(offsets(&all.events, "jobs"), (16..=25).collect::<Vec<_>>());
    }
}

#[test]
fn a_stream_without_history_keeps_its_offsets_alone_and_an_old_history_goes() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    let publish = |rule| {
        let mut publishing = publishing(&["jobs"], "{}");
        publishing.rules = vec![rule];
        node.publish(publishing);
    };
    (0..3).for_each(|_| publish(Some(RULE)));
    publish(None);
    let state = node.follow_one("jobs");
    let before = node.wait_up(0).seq;
    assert_eq!((state.end.offset, state.events.len(), state.dropped), (4, 0, before + 4));
    publish(Some(RULE));
    // What stands before the hole can't be told.
    let state = node.follow_one("jobs");
    assert_eq!((state.end.offset, offsets(&state.events, "jobs"), state.dropped), (5, vec![5], before + 4));
    let none = node.follow(vec![Following { rule: None, ..following("jobs") }]).1.remove(0);
    assert_eq!((none.end, none.events.len(), none.dropped), (state.end, 0, before + 5));
}

#[test]
fn events_go_with_their_age() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    let rule = sized(1000, Duration::from_millis(300));
    let mut publishing = publishing(&["jobs"], "{}");
    publishing.rules = vec![Some(rule)];
    node.publish(publishing.clone());
    let state = || node.follow(vec![Following { rule: Some(rule), ..following("jobs") }]).1.remove(0);
    eventually(PATIENCE, || state().events.is_empty());
    assert_eq!((state().end.offset, state().dropped), (1, node.wait_up(0).seq + 1));
    node.publish(publishing);
    // The epoch stays: only its events are gone.
    let last = state();
    assert_eq!((last.end.epoch, last.end.offset), (state().end.epoch, 2));
}

/// 40 MiB: more than Redis would let wait for a subscriber.
#[test]
fn a_history_that_is_larger_than_an_answer_may_be_is_told_whole_and_in_its_place() {
    let redis = Redis::start();
    let (node, other) = (Node::on(&redis), Node::on(&redis));
    let text = format!("\"{}\"", "y".repeat(400_000));
    let tickets: Vec<_> = (0..100).map(|_| node.send(publishing(&["big", "small"], &text))).collect();
    tickets.into_iter().for_each(|ticket| assert_eq!(node.outcome(ticket), Outcome::Placed { told: 0 }));
    let ticket = other.ticket();
    other.broker.send(Wish::Follow(ticket, vec![following("big"), following("none"), following("small")]));
    let late: Vec<_> = (0..20).map(|_| node.send(publishing(&["big"], "{}"))).collect();
    let (_, states) = other.answer(ticket);
    late.into_iter().for_each(|ticket| assert!(matches!(node.outcome(ticket), Outcome::Placed { .. })));
    let big = states.iter().find(|state| &*state.stream == "big").expect("the large one");
    assert_eq!(offsets(&big.events, "big"), (1..=big.end.offset).collect::<Vec<_>>());
    assert_eq!((big.dropped, states.len()), (0, 3));
    let small = states.iter().find(|state| &*state.stream == "small").expect("the other one");
    assert_eq!(offsets(&small.events, "small"), (1..=100).collect::<Vec<_>>());
    assert!(!other.heard().iter().any(|told| matches!(told, hub::broker::Told::Down)));
}

#[test]
fn many_streams_are_told_in_parts_of_which_one_is_the_last() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    let names: Vec<String> = (0..1000).map(|n| format!("channel-{n}")).collect();
    let (_, states) = node.follow(names.iter().map(|name| following(name)).collect());
    assert_eq!(states.iter().map(|state| state.stream.to_string()).collect::<Vec<_>>(), names);
    let mut epochs: Vec<_> = states.iter().map(|state| state.end.epoch).collect();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 1000, "each has an epoch of its own");
    assert_eq!(node.follow(vec![]).1.len(), 0);
}

#[test]
fn wishes_that_come_together_are_few_questions_and_each_has_an_answer_of_its_own() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    node.publish(publishing(&["stream-3"], "{}"));
    let subscriptions = || {
        let told = redis.ask(&["INFO", "commandstats"]);
        let calls = told.lines().find_map(|line| line.strip_prefix("cmdstat_ssubscribe:calls="));
        calls.and_then(|calls| calls.split(',').next()?.parse::<u64>().ok()).expect("it has subscribed")
    };
    let before = subscriptions();
    let follow = |n: usize| {
        let ticket = node.ticket();
        let streams = [format!("stream-{n}"), format!("more-{n}")];
        // One in fifty asks for nothing: it hears where it stands.
        let streams = streams.iter().filter(|_| n % 50 != 7).map(|name| following(name)).collect();
        node.broker.send(Wish::Follow(ticket, streams));
        ticket
    };
    let tickets: Vec<_> = (0..300).map(follow).collect();
    for (n, ticket) in tickets.into_iter().enumerate() {
        let (seq, states) = node.answer(ticket);
        let told: Vec<_> = states.iter().map(|state| (state.stream.to_string(), state.end.offset)).collect();
        let whole = [(format!("stream-{n}"), u64::from(n == 3)), (format!("more-{n}"), 0)];
        assert_eq!(told, if n % 50 == 7 { &whole[..0] } else { &whole[..] });
        assert_eq!(seq, node.wait_up(0).seq + 1);
    }
    let asked = subscriptions() - before;
    assert!(asked < 150, "300 wishes were {asked} questions");
}

fn retaining(key: &str, data: &str, keep: Duration) -> hub::broker::Publishing {
    let mut publishing = publishing(&["tasks"], data);
    publishing.event.retain = Some(Retain { key: key.into(), keep, is_final: false });
    publishing
}

#[test]
fn states_are_told_in_their_order_and_end_in_their_time() {
    let redis = Redis::start();
    let (node, other) = (Node::on(&redis), Node::on(&redis));
    let hour = Duration::from_secs(3600);
    for (key, data, keep) in
        [("a", "1", hour), ("b", "2", hour), ("a", "3", hour), ("short", "4", Duration::from_millis(200))]
    {
        node.publish(retaining(key, data, keep));
    }
    let before = node.wait_up(0).seq;
    let states = || {
        let state = other.follow_one("tasks");
        let retained = state.retained.iter().map(|(key, _, event)| (key.to_string(), event.seq - before));
        retained.collect::<Vec<_>>()
    };
    eventually(PATIENCE, || states() == [("b".into(), 2), ("a".into(), 3)]);
    // At most a hundred: the one that changed longest ago goes.
    (0..99).for_each(|n| {
        node.publish(retaining(&format!("k{n}"), "{}", hour));
    });
    let last = states();
    assert_eq!((last.len(), &last[0]), (100, &("a".into(), 3)));
    // Once its state is there the stream's own history may be off.
    let none = other.follow(vec![Following { rule: None, ..following("tasks") }]).1.remove(0);
    assert_eq!((none.retained.len(), none.events.len()), (100, 0));
}

#[test]
fn a_stream_in_which_nothing_was_is_forgotten_soon_after_the_last_who_followed_it() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let left =
        |stream: &str| redis.ask(&["PTTL", &format!("{{fanfare}}:m:{stream}")]).parse::<u64>().unwrap_or(0);
    let soon = 1_800_000;
    for stream in ["empty", "used"] {
        one.follow_one(stream);
        other.follow_one(stream);
        assert!(left(stream) > soon, "{stream}");
    }
    one.publish(publishing(&["used"], "1"));
    let unfollow = |node: &Node| {
        node.broker.send(Wish::Unfollow(["empty", "used"].map(Into::into).to_vec()));
        // Behind it.
        node.follow_one("another");
    };
    unfollow(&one);
    assert!(left("empty") > soon, "somebody follows it");
    let (before, _) = (other.follow_one("empty").end, unfollow(&other));
    eventually(PATIENCE, || (1..=soon).contains(&left("empty")));
    assert!(left("used") > soon, "there is something in it");
    assert_eq!(one.follow_one("empty").end, before, "it is the same one");
    assert!(left("empty") > soon);
}

#[test]
fn a_stream_is_known_for_longer_than_what_it_keeps_and_what_was_in_it_with_others() {
    let redis = Redis::start();
    let (node, other) = (Node::on(&redis), Node::on(&redis));
    let left =
        |stream: &str| redis.ask(&["PTTL", &format!("{{fanfare}}:m:{stream}")]).parse::<u64>().unwrap_or(0);
    let day = Duration::from_secs(86_400);
    let days = |count: u32| u64::try_from((day * count).as_millis()).expect("a time");
    // In the order of their names, so that the longest is neither the first nor the last.
    let mut long = publishing(&["a", "b", "c"], "{}");
    long.rules = [1, 30, 1].map(|count| Some(sized(10, day * count))).to_vec();
    node.publish(long);
    for stream in ["a", "b", "c"] {
        assert!(left(stream) > days(30), "{stream} has a place in an event that is kept for so long");
    }
    let mut state = retaining("k", "{}", day * 60);
    state.rules = vec![Some(sized(10, day))];
    node.publish(state);
    // What is kept for less changes nothing, nor does who reads without a rule.
    node.publish(retaining("l", "{}", day));
    assert!(left("tasks") > days(60), "its state is kept for so long");
    other.follow(["b", "tasks"].map(|name| Following { rule: None, ..following(name) }).to_vec());
    assert!(left("tasks") > days(60) && left("b") > days(30));
}

#[test]
fn what_is_too_old_leaves_the_memory_and_what_is_not_stays() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    let publish = |count: usize| {
        (0..count).for_each(|_| {
            node.publish(publishing(&["jobs"], "{}"));
        });
    };
    publish(7);
    // The first two were stored long ago.
    let age = "local log = redis.call('XRANGE', KEYS[1], '-', '+') redis.call('DEL', KEYS[1]) \
         for at, entry in ipairs(log) do \
         redis.call('XADD', KEYS[1], entry[1], at < 3 and '1' or entry[2][1], entry[2][2]) end";
    redis.ask(&["EVAL", age, "1", "{fanfare}:h:jobs"]);
    publish(1);
    assert_eq!(redis.ask(&["XLEN", "{fanfare}:h:jobs"]), "6");
    assert_eq!(offsets(&node.follow_one("jobs").events, "jobs"), (3..=8).collect::<Vec<_>>());
}

#[test]
fn states_that_have_ended_push_out_no_others_and_all_of_them_leave_the_memory() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    node.publish(retaining("long", "{}", Duration::from_secs(3600)));
    for n in 0..200 {
        node.publish(retaining(&format!("k{n}"), "{}", Duration::from_millis(1)));
    }
    assert!(node.follow_one("tasks").retained.iter().any(|(key, ..)| &**key == "long"));
    for key in ["r", "o", "z"] {
        let left: i64 = redis.ask(&["PTTL", &format!("{{fanfare}}:{key}:tasks")]).parse().expect("ms");
        assert!((1..=3_600_000).contains(&left), "{key}: {left}");
    }
}

#[test]
fn a_wish_is_answered_also_where_a_stream_of_it_is_let_go_while_it_is_read() {
    let redis = Redis::start();
    let (node, other) = (Node::on(&redis), Node::on(&redis));
    let text = format!("\"{}\"", "y".repeat(400_000));
    let tickets: Vec<_> = (0..20).map(|_| node.send(publishing(&["big"], &text))).collect();
    tickets.into_iter().for_each(|ticket| assert_eq!(node.outcome(ticket), Outcome::Placed { told: 0 }));
    let ticket = other.ticket();
    other.broker.send(Wish::Follow(ticket, vec![following("big"), following("small")]));
    other.broker.send(Wish::Unfollow(vec!["big".into()]));
    let (_, states) = other.answer(ticket);
    assert!(states.iter().any(|state| &*state.stream == "small"));
    other.follow_one("end of the line");
    assert_eq!(node.publish(publishing(&["big", "small"], "{}")), Outcome::Placed { told: 1 });
}
