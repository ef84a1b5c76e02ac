//! Figures, asked for by name: `cargo test --release -p broker --test it figures -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use hub::broker::{Outcome, Told};
use test_kit::{Redis, RedisOptions};

use crate::node::{Node, publishing};

/// How many publications are under way.
const UNDER_WAY: usize = 64;

fn measured(name: &str, redis: &Redis, streams: &[&str], count: usize) {
    let (node, other) = (Node::on(redis), Node::on(redis));
    for node in [&node, &other] {
        node.follow(streams.iter().map(|stream| crate::node::following(stream)).collect());
    }
    let data = format!("\"{}\"", "x".repeat(200));
    let began = Instant::now();
    let mut tickets = std::collections::VecDeque::new();
    for _ in 0..count {
        if tickets.len() == UNDER_WAY {
            let ticket = tickets.pop_front().expect("a ticket");
            assert!(matches!(node.outcome_soon(ticket), Outcome::Placed { .. }));
        }
        tickets.push_back(node.send(publishing(streams, &data)));
    }
    for ticket in tickets {
        assert!(matches!(node.outcome_soon(ticket), Outcome::Placed { .. }));
    }
    let took = began.elapsed();
    let rate = count as f64 / took.as_secs_f64();
    let mut latencies: Vec<Duration> = (0..2000)
        .map(|_| {
            let mark = other.mark();
            let began = Instant::now();
            let publishing = publishing(streams, &data);
            let id = publishing.event.publication.id;
            node.send(publishing);
            other.wait_from(mark, "the event", |told| match told {
                Told::Event(event) => (event.event.publication.id == id).then_some(()),
                _ => None,
            });
            began.elapsed()
        })
        .collect();
    latencies.sort_unstable();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize];
    println!(
        "{name}: {rate:.0} publications/s with {UNDER_WAY} under way; event on another node p50 {:?}, p99 {:?}",
        at(0.5),
        at(0.99)
    );
}

#[test]
#[ignore = "figures"]
fn figures_of_one_node_that_publishes_and_two_that_hear() {
    let redis = Redis::start();
    measured("in memory, one stream", &redis, &["jobs"], 60_000);
    let redis = Redis::start();
    measured("in memory, three streams", &redis, &["a", "b", "c"], 20_000);
    let redis = RedisOptions::new().durable().start();
    measured("synced to disk, one stream", &redis, &["jobs"], 20_000);
}
