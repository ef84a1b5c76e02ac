//! Clients that come back on another node: by positions, by token, after a kill of theirs.

use std::time::{Duration, Instant};

use serde_json::json;
use test_kit::{Client, Follower};

use super::super::recovery::{follow, numbers, publish};
use super::{Nodes, of};

#[test]
fn who_comes_back_on_another_node_gets_what_was_missed_in_order_and_then_what_is_new() {
    let cluster = Nodes::new();
    let nodes = cluster.pair();
    let nodes = [&nodes.0, &nodes.1];
    let (mut client, mut follower) = follow(&of(nodes[0], 7), &["jobs", "more"]);
    let target = json!({"channels": ["jobs", "more"], "user_id": 7});
    for round in 0..8_u64 {
        client.cut();
        publish(nodes[usize::try_from(round % 2).expect("small")], &target, round * 10..round * 10 + 5);
        let node = nodes[usize::try_from((round + 1) % 2).expect("small")];
        client = Client::welcomed(&of(node, 7));
        let answer = if round % 4 < 2 {
            follower.resume(&mut client)
        } else {
            follower.subscribe(&mut client, &["jobs", "more"])
        };
        for stream in ["jobs", "more", "user:7", "@all"] {
            assert_eq!(answer["data"]["positions"][stream]["recovered"], true, "{stream}, {round}: {answer}");
        }
        publish(nodes[0], &target, round * 10 + 5..round * 10 + 10);
        nodes[1].broadcast(&json!({"type": "end"}));
        let events = follower.take_until(&mut client, "end");
        assert_eq!(numbers(&events), (round * 10..round * 10 + 10).collect::<Vec<_>>(), "round {round}");
    }
}

#[test]
fn a_token_works_once_over_all_nodes_and_takes_over_from_a_connection_that_is_open_elsewhere() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    let (mut open, mut follower) = follow(&of(&a, 7), &["jobs"]);
    let mut first = Client::welcomed(&of(&b, 7));
    let frame = follower.resume_frame();
    follower.resume(&mut first);
    assert_eq!(open.expect_close().0, 4011, "another one goes on in its place");
    for node in [&a, &b] {
        let mut second = Client::welcomed(&of(node, 7));
        second.send_json(&frame);
        second.expect_error("not_found");
    }
    publish(&a, &json!({"channel": "jobs"}), 0..3);
    a.broadcast(&json!({"type": "end", "channel": "jobs"}));
    assert_eq!(numbers(&follower.take_until(&mut first, "end")), [0, 1, 2]);
    // Another user's token is nothing here either.
    first.cut();
    let mut thief = Client::welcomed(&of(&a, 8));
    thief.send_json(&follower.resume_frame());
    thief.expect_error("not_found");
}

#[test]
fn the_clients_of_a_node_that_is_killed_are_on_another_within_seconds_and_miss_nothing() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    let mut clients: Vec<(Client, Follower)> = (0..20).map(|user| follow(&of(&a, user), &["jobs"])).collect();
    publish(&b, &json!({"channel": "jobs"}), 0..10);
    drop(a);
    let killed = Instant::now();
    publish(&b, &json!({"channel": "jobs"}), 10..20);
    for (user, (_, follower)) in clients.iter_mut().enumerate() {
        let mut client = Client::welcomed(&of(&b, user as u64));
        let answer = follower.resume(&mut client);
        assert_eq!(answer["data"]["channels"], json!(["jobs"]), "{answer}");
        assert_eq!(answer["data"]["positions"]["jobs"]["recovered"], true, "{answer}");
        b.broadcast(&json!({"type": "end", "user_id": user}));
        assert_eq!(numbers(&follower.take_until(&mut client, "end")), (0..20).collect::<Vec<_>>());
    }
    // They come one after the other here; what each needs is the promise.
    assert!(killed.elapsed() < Duration::from_secs(60));
}
