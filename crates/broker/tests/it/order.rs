//! One order, and answers in its line.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hub::PublishError;
use hub::broker::{Broker, Following, Outcome, To, Told, Wish};
use hub::idempotency::ScopedKey;
use protocol::channel::Stream;
use protocol::publication::{CloseSessions, ConnectionTarget};
use protocol::{ConnectionId, PublicationId};
use test_kit::{Redis, RedisOptions, eventually};

use crate::node::{Node, PATIENCE, following, key, offsets, place, publishing};

#[test]
fn an_event_comes_to_every_node_that_follows_its_stream() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    for node in [&one, &other] {
        let state = node.follow_one("jobs");
        assert_eq!((state.end.offset, state.dropped, state.events.len()), (0, 0, 0));
    }
    let outcome = one.publish(publishing(&["jobs", "user:7"], r#"{"a":1}"#));
    assert_eq!(outcome, Outcome::Placed { told: 2 });
    for node in [&one, &other] {
        let event = node.wait("the event", |told| match told {
            Told::Event(event) => Some(event.clone()),
            _ => None,
        });
        let first = one.wait_up(0).seq + 1;
        assert_eq!((event.seq, &*event.event.publication.data), (first, r#"{"a":1}"#));
        assert_eq!(offsets([&event], "jobs"), [1]);
        assert_eq!(event.event.origin, (7, 8));
    }
    let state = other.follow_one("user:7");
    assert_eq!((state.end.offset, state.dropped, offsets(&state.events, "user:7")), (1, 0, vec![1]));
}

/// Two nodes publish to three streams as fast as they can while a third follows them, lets them go and follows them again,
/// with and without a position.
#[test]
fn what_streams_have_is_told_at_its_place_among_their_events_whoever_publishes() {
    const EACH: u64 = 1500;
    let redis = Redis::start();
    let nodes = [Arc::new(Node::on(&redis)), Arc::new(Node::on(&redis))];
    let reader = Node::on(&redis);
    let streams = ["a", "b", "c"];
    let publishers: Vec<_> = nodes
        .iter()
        .map(|node| {
            let node = Arc::clone(node);
            thread::spawn(move || {
                let mut last = 0;
                for n in 0..EACH {
                    let to: &[&str] = [&["a"][..], &["a", "b"], &["c", "b", "a"]][(n % 3) as usize];
                    last = node.send(publishing(to, "{}"));
                    if n % 64 == 63 {
                        node.outcome(last);
                    }
                }
                node.outcome(last);
            })
        })
        .collect();
    let mut after = HashMap::new();
    let mut round = 0;
    while publishers.iter().any(|publisher| !publisher.is_finished()) || round == 0 {
        round += 1;
        let mark = reader.mark();
        let wanted = streams.map(|stream| Following {
            after: after.get(stream).copied().filter(|_| round % 2 == 0),
            ..following(stream)
        });
        let ticket = reader.ticket();
        reader.broker.send(Wish::Follow(ticket, wanted.to_vec()));
        reader.answer(ticket);
        // Some live events behind the answer, as long as there are any.
        let publishing = || publishers.iter().any(|publisher| !publisher.is_finished());
        while reader.events(mark).len() < 60 && publishing() {
            thread::yield_now();
        }
        reader.broker.send(Wish::Unfollow(streams.map(Into::into).to_vec()));
        let mut at = HashMap::new();
        let mut last_seq = HashMap::new();
        for told in &reader.heard()[mark..] {
            match told {
                Told::Streams { streams, seq, .. } => {
                    for state in streams {
                        let name = state.stream.to_string();
                        let told = offsets(&state.events, &name);
                        let first = told.first().copied().unwrap_or(state.end.offset + 1);
                        let is_whole = told == (first..=state.end.offset).collect::<Vec<_>>();
                        assert!(is_whole, "round {round}: {name} has {told:?}, ends at {:?}", state.end);
                        if let Some(position) = after.get(&*name).filter(|_| round % 2 == 0) {
                            let position: &protocol::Position = position;
                            let reached = first == position.offset + 1 || told.len() == 1000;
                            assert!(reached, "{name}: {position:?}, but told from {first}");
                        }
                        last_seq.insert(name.clone(), *seq);
                        at.insert(name, state.end);
                    }
                }
                Told::Event(event) => {
                    for (name, end) in &mut at {
                        if !event.event.streams.iter().any(|stream| **stream == **name) {
                            continue;
                        }
                        let place = place(event, name);
                        assert_eq!(place.epoch, end.epoch);
                        // Once for each stream that is followed.
                        assert!(
                            place.offset <= end.offset + 1,
                            "{name}: {} behind {}",
                            place.offset,
                            end.offset
                        );
                        if place.offset == end.offset + 1 {
                            assert!(
                                event.seq > last_seq[name],
                                "an event of before stands behind the answer"
                            );
                            end.offset += 1;
                        }
                    }
                }
                _ => {}
            }
        }
        after.extend(streams.iter().filter_map(|stream| Some((*stream, *at.get(*stream)?))));
    }
    publishers.into_iter().for_each(|publisher| publisher.join().expect("a publisher"));
    let ends: Vec<_> = nodes.iter().map(|node| node.follow(streams.map(following).to_vec())).collect();
    assert_eq!(ends[0].0, reader.wait_up(0).seq + 2 * EACH);
    let of = |node: usize| ends[node].1.iter().map(|state| state.end).collect::<Vec<_>>();
    assert_eq!(of(0), of(1), "both nodes have the same epochs and ends");
    assert_eq!(
        of(0).iter().map(|end| end.offset).collect::<Vec<_>>(),
        [2 * EACH, 4 * EACH / 3, 2 * EACH / 3]
    );
    assert!(round > 3, "{round} rounds");
}

#[test]
fn events_of_several_publishers_come_once_in_the_order_of_their_numbers() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    one.follow_one("jobs");
    other.follow_one("jobs");
    let mark = (one.mark(), other.mark());
    let tickets: Vec<_> = (0..300)
        .map(|n| {
            let node = if n % 2 == 0 { &one } else { &other };
            (node, node.send(publishing(&["jobs"], &n.to_string())))
        })
        .collect();
    for (node, ticket) in tickets {
        assert_eq!(node.outcome(ticket), Outcome::Placed { told: 2 });
    }
    for (node, mark) in [(&one, mark.0), (&other, mark.1)] {
        let first = one.wait_up(0).seq;
        let mut seen = 0;
        node.wait_from(mark, "all events", |told| {
            seen += u64::from(matches!(told, Told::Event(event) if event.seq == first + seen + 1));
            (seen == 300).then_some(())
        });
        assert_eq!(offsets(&node.events(mark), "jobs"), (1..=300).collect::<Vec<_>>());
    }
}

#[test]
fn a_key_is_known_on_every_node_and_tells_the_first_answer() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let mut first = publishing(&["jobs"], "1");
    first.key = key("order-1");
    let id = first.event.publication.id;
    assert_eq!(one.publish(first.clone()), Outcome::Placed { told: 0 });
    let recall = |key: Option<(ScopedKey, Duration)>| {
        let ticket = other.ticket();
        other.broker.send(Wish::Recall(ticket, key.expect("a key").0));
        other.outcome(ticket)
    };
    assert_eq!(recall(key("order-1")), Outcome::Repeated { id, recipients: None }, "it is being counted");
    assert_eq!(recall(key("order-2")), Outcome::Refused(PublishError::Overloaded));
    one.broker.send(Wish::Answered(first.key.clone().expect("a key").0, id, 12));
    // Behind the answer in the same order.
    one.publish(publishing(&["other"], "2"));
    assert_eq!(recall(key("order-1")), Outcome::Repeated { id, recipients: Some(12) });
    let mut again = publishing(&["jobs"], "another text");
    again.key.clone_from(&first.key);
    for node in [&other, &one] {
        assert_eq!(node.publish(again.clone()), Outcome::Repeated { id, recipients: Some(12) });
    }
    assert_eq!(other.follow_one("jobs").end.offset, 1);
    // Another scope is another key, also where the texts together are the same.
    let mut foreign = publishing(&["jobs"], "3");
    foreign.key = key("order-1").map(|(mut key, keep)| {
        key.scope = "sho".into();
        key.key = "porder-1".into();
        (key, keep)
    });
    assert_eq!(other.publish(foreign), Outcome::Placed { told: 1 });
}

#[test]
fn of_two_nodes_that_use_a_key_at_once_one_publishes() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    for n in 0..50 {
        let make = || {
            let mut publishing = publishing(&["jobs"], "{}");
            publishing.key = key(&format!("order {n}"));
            publishing
        };
        let (first, second) = (make(), make());
        let ids = [first.event.publication.id, second.event.publication.id];
        let tickets = (one.send(first), other.send(second));
        let outcomes = [one.outcome(tickets.0), other.outcome(tickets.1)];
        let placed = outcomes.iter().position(|it| matches!(it, Outcome::Placed { .. })).expect("one");
        assert_eq!(outcomes[1 - placed], Outcome::Repeated { id: ids[placed], recipients: None });
    }
    assert_eq!(one.follow_one("jobs").end.offset, 50);
}

#[test]
fn a_publication_for_a_connection_comes_to_all_nodes_and_one_for_sessions_to_their_users_nodes() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let mut to_connection = publishing(&[], "1");
    to_connection.event.connection = Some(ConnectionTarget::Id(ConnectionId::from_random(5)));
    assert_eq!(one.publish(to_connection), Outcome::Placed { told: 2 });
    other.follow_one("user:7");
    let mut closing = publishing(&["jobs"], "2");
    let users = vec![Stream::named("user:7"), Stream::named("user:8")];
    let close = CloseSessions { users, sessions: vec!["s1".into(), "s2".into()] };
    closing.event.close_sessions = Some(close.clone());
    assert_eq!(one.publish(closing), Outcome::Placed { told: 1 });
    let before = one.wait_up(0).seq;
    let events = |node: &Node| node.events(0).iter().map(|event| event.seq - before).collect::<Vec<_>>();
    let heard = other.wait("the sessions", |told| match told {
        Told::Event(event) if event.seq == before + 2 => Some(event.event.close_sessions.clone()),
        _ => None,
    });
    assert_eq!(heard, Some(close));
    assert_eq!(events(&other), [1, 2]);
    one.follow_one("end of the line");
    assert_eq!(events(&one), [1]);
}

#[test]
fn a_transient_publication_has_a_number_but_no_place() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    node.follow_one("typing");
    let mut typing = publishing(&["typing"], "1");
    typing.event.is_transient = true;
    assert_eq!(node.publish(typing), Outcome::Placed { told: 1 });
    let event = node.wait("the event", |told| match told {
        Told::Event(event) => Some(event.clone()),
        _ => None,
    });
    let first = node.wait_up(0).seq + 1;
    assert_eq!((event.seq, event.places.len(), event.event.is_transient), (first, 0, true));
    let (seq, states) = node.follow(vec![following("typing")]);
    assert_eq!((seq, states[0].end.offset, states[0].events.len()), (first, 0, 0));
}

#[test]
fn once_one_of_a_batch_is_refused_all_later_ones_are() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    let send = |stream: &str, batch| {
        let mut publishing = publishing(&[stream], "{}");
        publishing.batch = Some(batch);
        node.send(publishing)
    };
    let whole: Vec<_> = (0..500).map(|_| send("jobs", 1)).collect();
    let placed = |ticket: &u64| matches!(node.outcome(*ticket), Outcome::Placed { .. });
    assert!(whole.iter().all(placed));
    // What stands under the name of a stream's log is something else: that one can't be stored.
    redis.ask(&["SET", "{fanfare}:h:broken", "1"]);
    redis.ask(&["SET", "{fanfare}:m:broken", &format!("{}:1:1:1:0", node.wait_up(0).life)]);
    let tickets: Vec<_> = (0..300).map(|n| send(if n == 100 { "broken" } else { "jobs" }, 2)).collect();
    let outcomes: Vec<_> = tickets.iter().map(|ticket| node.outcome(*ticket)).collect();
    let refused = outcomes.iter().position(|it| matches!(it, Outcome::Refused(_)));
    assert_eq!(refused, Some(100));
    assert!(outcomes[100..].iter().all(|it| *it == Outcome::Refused(PublishError::StorageFailed)));
    assert_eq!(node.outcome(send("jobs", 2)), Outcome::Refused(PublishError::StorageFailed));
    assert_eq!(node.outcome(send("jobs", 3)), Outcome::Placed { told: 0 });
    assert_eq!(node.follow_one("jobs").end.offset, 601);
}

#[test]
fn a_stream_under_whose_names_somebody_else_wrote_begins_anew_and_costs_nobody_else_anything() {
    let redis = Redis::start();
    let (node, other) = (Node::on(&redis), Node::on(&redis));
    node.publish(publishing(&["broken"], "1"));
    let before = node.follow_one("jobs");
    redis.ask(&["SET", "{fanfare}:h:broken", "1"]);
    let mut keyed = publishing(&["broken"], "2");
    keyed.key = key("order-1");
    assert_eq!(node.publish(keyed.clone()), Outcome::Refused(PublishError::StorageFailed));
    let (_, states) = other.follow(vec![following("jobs"), following("broken")]);
    assert_eq!((states[0].end, states[1].end.offset), (before.end, 0));
    // Its key was not used up.
    assert_eq!(other.publish(keyed), Outcome::Placed { told: 1 });
    assert_eq!(other.follow_one("broken").end.offset, 1);
    for node in [&node, &other] {
        assert!(!node.heard().iter().any(|told| matches!(told, Told::Down)));
    }
}

#[test]
fn names_and_texts_of_all_kinds_and_a_megabyte_arrive_as_they_are() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    let names =
        ["user:{}{fanfare}", "user:a b\"'\\", "user:日本\u{10ffff}", "@/chat:user:7", "@all", "*?[a]"];
    let states = node.follow(names.map(following).to_vec()).1;
    assert_eq!(states.iter().map(|state| &*state.stream).collect::<Vec<_>>(), names);
    let big = format!("\"{}\"", "x".repeat(1024 * 1024 - 2));
    let text = format!("{{\"t\":\"\u{1}\\u0000 ä \r\n{big:.10}\"}}");
    for data in [big.as_str(), text.as_str()] {
        let mark = node.mark();
        assert_eq!(node.publish(publishing(&names, data)), Outcome::Placed { told: 6 });
        let mut left = names.len();
        node.wait_from(mark, "all of them", |told| match told {
            Told::Event(event) => {
                assert!(*event.event.publication.data == *data);
                left -= 1;
                (left == 0).then_some(())
            }
            _ => None,
        });
    }
    let again = node.follow(names.map(following).to_vec()).1;
    for state in &again {
        assert_eq!((state.end.offset, state.events.len(), state.dropped), (2, 2, 0), "{}", state.stream);
    }
}

#[test]
fn nodes_say_things_to_one_and_to_all_others() {
    let redis = Redis::start();
    let nodes = [Node::on(&redis), Node::on(&redis), Node::on(&redis)];
    nodes[0].broker.send(Wish::Say(To::Others, (*b"\x00all\n").into()));
    nodes[0].broker.send(Wish::Say(To::Node(nodes[1].broker.node()), (*b"one").into()));
    nodes[0].broker.send(Wish::Say(To::Others, vec![7; 1024 * 1024].into()));
    let from = nodes[0].broker.node();
    let said = |node: &Node| {
        let mut said = Vec::new();
        node.wait("the last word", |told| match told {
            Told::Said(node, words) => {
                assert_eq!(*node, from);
                said.push(words.len());
                (words.len() > 5).then_some(())
            }
            _ => None,
        });
        said
    };
    assert_eq!(said(&nodes[1]), [5, 3, 1024 * 1024]);
    assert_eq!(said(&nodes[2]), [5, 1024 * 1024]);
    nodes[0].follow_one("end of the line");
    assert!(!nodes[0].heard().iter().any(|told| matches!(told, Told::Said(..))));
}

#[test]
fn scripts_that_redis_forgot_are_loaded_again_and_the_order_stays() {
    let redis = RedisOptions::new().start();
    let node = Node::on(&redis);
    node.follow_one("jobs");
    let mark = node.mark();
    let mut ids: Vec<PublicationId> = Vec::new();
    let mut last = 0;
    for n in 0..200 {
        if n % 50 == 25 {
            redis.ask(&["SCRIPT", "FLUSH"]);
        }
        let publishing = publishing(&["jobs"], "{}");
        ids.push(publishing.event.publication.id);
        last = node.send(publishing);
    }
    assert_eq!(node.outcome(last), Outcome::Placed { told: 1 });
    redis.ask(&["SCRIPT", "FLUSH"]);
    assert_eq!(node.follow_one("jobs").end.offset, 200);
    let events = node.events(mark);
    assert_eq!(events.iter().map(|event| event.event.publication.id).collect::<Vec<_>>(), ids);
    assert!(!node.heard().iter().any(|told| matches!(told, Told::Down)));
}

#[test]
fn what_a_newer_node_writes_is_left_out_and_everything_else_arrives() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    node.follow_one("jobs");
    for message in ["E7 1:1\n\x09 a publication of another version", "X", "E", "Eseven\n", "S\n", "Sx\nword"]
    {
        assert_eq!(redis.ask(&["SPUBLISH", "{fanfare}:c:jobs", message]), "1");
    }
    assert_eq!(node.publish(publishing(&["jobs"], "{}")), Outcome::Placed { told: 1 });
    node.wait("the event", |told| matches!(told, Told::Event(_)).then_some(()));
    assert!(!node.heard().iter().any(|told| matches!(told, Told::Down | Told::Said(..))));
}

#[test]
fn a_key_holds_for_its_time_also_once_it_is_known_how_many_got_the_first() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    let mut first = publishing(&["jobs"], "1");
    first.key = key("order-1").map(|(key, _)| (key, Duration::from_millis(200)));
    assert_eq!(node.publish(first.clone()), Outcome::Placed { told: 0 });
    let (name, _) = first.key.clone().expect("a key");
    node.broker.send(Wish::Answered(name, first.event.publication.id, 3));
    eventually(PATIENCE, || node.publish(first.clone()) == Outcome::Placed { told: 0 });
}

#[test]
fn a_key_whose_publication_nobody_got_is_free_again_and_late_words_of_an_earlier_one_change_nothing() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let (name, _) = key("order-1").expect("a key");
    let make = |keep| {
        let mut publishing = publishing(&["jobs"], "{}");
        publishing.key = Some((name.clone(), keep));
        publishing
    };
    let first = make(Duration::from_millis(1));
    assert_eq!(one.publish(first.clone()), Outcome::Placed { told: 0 });
    let (second, third) = (make(Duration::from_secs(600)), make(Duration::from_secs(600)));
    eventually(PATIENCE, || other.publish(second.clone()) == Outcome::Placed { told: 0 });
    // The first one's key had ended.
    one.broker.send(Wish::Answered(name.clone(), first.event.publication.id, 5));
    one.broker.send(Wish::Unsent(name.clone(), first.event.publication.id));
    let id = second.event.publication.id;
    assert_eq!(one.publish(third.clone()), Outcome::Repeated { id, recipients: None });
    other.broker.send(Wish::Unsent(name.clone(), id));
    assert_eq!(other.publish(third), Outcome::Placed { told: 0 });
}

#[test]
fn every_publication_of_a_batch_is_answered_when_redis_hangs() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    let mark = node.mark();
    redis.hold();
    let tickets: Vec<_> = (0..300)
        .map(|_| {
            let mut publishing = publishing(&["jobs"], "{}");
            publishing.batch = Some(1);
            node.send(publishing)
        })
        .collect();
    node.wait_down(mark);
    for ticket in tickets {
        assert_eq!(node.outcome(ticket), Outcome::Refused(PublishError::BrokerDown));
    }
}
