//! Restarts: what survives, and what a Redis that forgot is held to.

use std::process::Command;

use hub::PublishError;
use hub::broker::{Following, Life, Outcome, Told};
use test_kit::{Proxy, Redis, RedisOptions, eventually};

use crate::node::{Node, PATIENCE, following, offsets, publishing};

fn first_life(node: &Node) -> Life {
    node.wait_up(0)
}

#[test]
fn a_redis_that_syncs_each_write_is_killed_and_nothing_is_lost() {
    let redis = Redis::durable();
    let (node, other) = (Node::on(&redis), Node::on(&redis));
    let before = first_life(&node);
    assert!(before.is_durable && node.broker.status().durable == Some(true));
    let mark = (node.mark(), other.mark());
    let tickets: Vec<_> = (0..400).map(|_| node.send(publishing(&["jobs", "user:7"], "{}"))).collect();
    // Somewhere in the middle.
    node.outcome(tickets[100]);
    redis.kill();
    node.wait_down(mark.0);
    redis.resume();
    let again = node.wait_up(mark.0);
    assert_eq!((again.life, again.secret), (before.life, before.secret));
    let placed = tickets.iter().filter(|ticket| match node.outcome(**ticket) {
        Outcome::Placed { .. } => true,
        Outcome::Refused(PublishError::BrokerDown) => false,
        outcome => panic!("{outcome:?}"),
    });
    let placed = placed.count() as u64;
    other.wait_up(mark.1);
    let states = other.follow(["jobs", "user:7"].map(following).to_vec()).1;
    for state in &states {
        // One that was not answered may be there.
        assert!(placed > 100 && state.end.offset >= placed, "{} of {placed}", state.end.offset);
        assert_eq!(offsets(&state.events, &state.stream), (1..=state.end.offset).collect::<Vec<_>>());
    }
    let told: Vec<_> = other.follow(["jobs", "user:7"].map(following).to_vec()).1;
    assert_eq!(
        told.iter().map(|it| it.end).collect::<Vec<_>>(),
        states.iter().map(|it| it.end).collect::<Vec<_>>()
    );
    assert_eq!(node.broker.status().reconnects, 1);
}

#[test]
fn a_redis_that_comes_back_empty_begins_a_new_life_with_new_epochs_and_the_old_secret() {
    let redis = Redis::durable();
    let (node, other) = (Node::on(&redis), Node::on(&redis));
    let before = first_life(&node);
    node.publish(publishing(&["jobs"], "{}"));
    let old = node.follow_one("jobs").end;
    let mark = (node.mark(), other.mark());
    redis.kill();
    redis.forget();
    redis.resume();
    let (one, two) = (node.wait_up(mark.0), other.wait_up(mark.1));
    assert!(one.life == two.life && one.life != before.life, "{one:?} {two:?} {before:?}");
    assert_eq!((one.secret, two.secret), (before.secret, before.secret));
    let wanted = Following { after: Some(old), ..following("jobs") };
    let state = other.follow(vec![wanted]).1.remove(0);
    assert!(state.end.epoch != old.epoch && state.events.is_empty() && state.end.offset == 0);
    assert_eq!(node.publish(publishing(&["jobs"], "{}")), Outcome::Placed { told: 1 });
    assert_eq!(node.follow_one("jobs").end, protocol::Position { offset: 1, ..state.end });
}

#[test]
fn a_redis_that_went_back_to_an_old_file_begins_a_new_life() {
    let redis = Redis::durable();
    let node = Node::on(&redis);
    let before = first_life(&node);
    let publish = || {
        node.publish(publishing(&["jobs"], "{}"));
    };
    (0..5).for_each(|_| publish());
    let old = node.follow_one("jobs").end;
    let copy = |from: &str, to: &str| {
        let path = |name: &str| redis.directory().join(name);
        let copied = Command::new("cp").arg("-r").arg(path(from)).arg(path(to)).status();
        assert!(copied.expect("cp").success());
    };
    copy("appendonlydir", "backup");
    (0..5).for_each(|_| publish());
    let mark = node.mark();
    redis.kill();
    std::fs::remove_dir_all(redis.directory().join("appendonlydir")).expect("its files");
    copy("backup", "appendonlydir");
    redis.resume();
    let after = node.wait_up(mark);
    assert!(after.life != before.life && after.secret == before.secret);
    let state = node.follow_one("jobs");
    assert!(state.end.epoch != old.epoch && state.end.offset == 0 && state.events.is_empty());
}

#[test]
fn a_redis_that_came_back_from_an_older_copy_is_noticed_also_by_who_joins_when_others_have_gone_on() {
    let redis = Redis::durable();
    let proxy = Proxy::to(redis.address());
    let (behind, ahead) = (Node::on(&redis), Node::at(&format!("redis://{}", proxy.address())));
    let before = first_life(&behind);
    behind.publish(publishing(&["jobs"], "1"));
    let copy = redis.ask(&["HGET", "{fanfare}:life", "s"]);
    ahead.follow_one("jobs");
    let mark = (behind.mark(), ahead.mark());
    for _ in 0..3 {
        assert!(matches!(ahead.publish(publishing(&["jobs"], "2")), Outcome::Placed { .. }));
    }
    // What the copy would have had.
    redis.ask(&["HSET", "{fanfare}:life", "s", &copy]);
    proxy.cut();
    redis.kill();
    redis.resume();
    assert_eq!(behind.wait_up(mark.0).life, before.life, "it saw no more than there is");
    for _ in 0..5 {
        assert!(matches!(behind.publish(publishing(&["jobs"], "3")), Outcome::Placed { .. }));
    }
    proxy.restore();
    assert_ne!(ahead.wait_up(mark.1).life, before.life);
}

#[test]
fn a_redis_that_does_not_sync_begins_a_new_life_when_it_restarts_even_with_all_of_its_data() {
    let redis = RedisOptions::new().option("appendonly", "yes").option("appendfsync", "everysec").start();
    let node = Node::on(&redis);
    let before = first_life(&node);
    assert!(!before.is_durable && node.broker.status().durable == Some(false));
    node.publish(publishing(&["jobs"], "{}"));
    let mark = node.mark();
    redis.kill();
    redis.resume();
    let after = node.wait_up(mark);
    assert_ne!(after.life, before.life);
    // A node that comes later finds the new one, and no reason for another.
    assert_eq!(Node::on(&redis).life.map(|life| life.life), Some(after.life));
}

#[test]
fn a_redis_that_is_emptied_while_it_runs_begins_a_new_life_and_takes_nothing_in_the_old_one() {
    let redis = Redis::start();
    let (node, other) = (Node::on(&redis), Node::on(&redis));
    let before = first_life(&node);
    node.publish(publishing(&["jobs"], "{}"));
    let mark = (node.mark(), other.mark());
    redis.ask(&["FLUSHALL"]);
    assert_eq!(
        node.publish(publishing(&["jobs"], "{}")),
        Outcome::Refused(PublishError::BrokerDown),
        "a publication of the old life"
    );
    let lives = [node.wait_up(mark.0), other.wait_up(mark.1)];
    assert!(lives[0].life == lives[1].life && lives[0].life != before.life);
    let order: Vec<bool> = node.heard()[mark.0..]
        .iter()
        .filter_map(|told| match told {
            Told::Published(..) => Some(false),
            Told::Up(_) => Some(true),
            _ => None,
        })
        .collect();
    assert_eq!(order, [false, true]);
    assert_eq!(node.publish(publishing(&["jobs"], "{}")), Outcome::Placed { told: 0 });
}

#[test]
fn a_node_that_starts_without_redis_is_told_when_it_is_there() {
    let redis = Redis::start();
    redis.kill();
    let node = Node::started(&redis.url());
    assert!(node.life.is_none() && !node.broker.status().up);
    assert_eq!(node.publish(publishing(&["jobs"], "{}")), Outcome::Refused(PublishError::BrokerDown));
    redis.resume();
    node.wait_up(0);
    assert_eq!(node.publish(publishing(&["jobs"], "{}")), Outcome::Placed { told: 0 });
    eventually(PATIENCE, || {
        let status = node.broker.status();
        status.up && status.nodes == 1 && status.reason.is_none() && status.skew_ms.abs() < 5000
    });
}

#[test]
fn numbers_go_on_above_all_that_was_seen_also_where_the_clock_of_the_new_server_is_behind() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    // As of a server whose clock is two hundred years ahead.
    redis.ask(&["HSET", "{fanfare}:life", "s", "8000000000000000"]);
    node.follow_one("jobs");
    assert_eq!(node.publish(publishing(&["jobs"], "1")), Outcome::Placed { told: 1 });
    let event = |from: usize| {
        node.wait_from(from, "the event", |told| match told {
            Told::Event(event) => Some(event.seq),
            _ => None,
        })
    };
    let seen = event(0);
    let mark = node.mark();
    redis.ask(&["FLUSHALL"]);
    let life = node.wait_up(mark);
    assert!(life.seq > seen, "{} is not above {seen}", life.seq);
    node.follow_one("jobs");
    assert_eq!(node.publish(publishing(&["jobs"], "2")), Outcome::Placed { told: 1 });
    assert!(event(mark) > life.seq);
}
