//! A Redis that refuses, is full, slow, read-only or away.

use std::sync::Arc;
use std::thread;

use broker::{ConnectError, Settings};
use hub::PublishError;
use hub::broker::{Broker, Outcome, Told, Wish};
use test_kit::{Proxy, Redis, RedisOptions, eventually};

use crate::node::{Node, PATIENCE, following, key, publishing};

fn refused(url: &str) -> ConnectError {
    let settings = Settings::new(url, "fanfare", "test").expect("settings");
    broker::connect(settings, &prometheus::Registry::new()).map(|_| ()).expect_err("a refusal")
}

#[test]
fn a_wrong_password_is_an_error_at_the_start_that_does_not_show_it() {
    let redis = RedisOptions::new().password("right-Horse").start();
    let host = format!("127.0.0.1:{}", redis.port());
    for who in ["wrong-Horse@", ":wrong-Horse@", "hub:wrong-Horse@", ""] {
        let error = refused(&format!("redis://{who}{host}"));
        let text = format!("{error} {error:?}");
        assert!(matches!(error, ConnectError::Refused { .. }), "{text}");
        assert!(text.contains(&host) && !text.contains("Horse"), "{text}");
    }
    let node = Node::at(&format!("redis://:right-Horse@{host}"));
    assert!(!format!("{:?}", node.broker).contains("Horse"));
    let error = refused(&format!("redis://:right-Horse@{host}/77"));
    assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
}

#[test]
fn a_user_without_the_rights_is_refused_and_one_who_may_not_see_the_configuration_is_not() {
    let redis = Redis::start();
    redis.ask(&["ACL", "SETUSER", "narrow", "on", ">pw", "~{other}*", "&*", "+@all", "-eval", "-evalsha"]);
    redis.ask(&["ACL", "SETUSER", "hub", "on", ">p%w", "~{fanfare}*", "&{fanfare}*", "+@all", "-config"]);
    let host = format!("127.0.0.1:{}", redis.port());
    assert!(matches!(refused(&format!("redis://narrow:pw@{host}")), ConnectError::Refused { .. }));
    let node = Node::at(&format!("redis://hub:p%25w@{host}"));
    node.follow_one("jobs");
    assert_eq!(node.publish(publishing(&["jobs"], "{}")), Outcome::Placed { told: 1 });
    assert_eq!(node.broker.status().durable, Some(false));
    redis.ask(&["CONFIG", "SET", "appendonly", "yes"]);
    let later = Node::at(&format!("redis://hub:p%25w@{host}"));
    assert_eq!(later.broker.status().durable, None);
}

#[test]
fn a_server_that_is_too_old_is_an_error_at_the_start() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 1024];
            while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
                let _gone = stream
                    .write_all(b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n6.2.7\r\n");
            }
        }
    });
    let error = refused(&format!("redis://{address}"));
    assert!(matches!(&error, ConnectError::TooOld { version, .. } if version == "6.2.7"), "{error}");
}

#[test]
fn a_password_that_changes_takes_the_node_down_until_it_is_right_again() {
    let redis = Redis::start();
    redis.ask(&["ACL", "SETUSER", "hub", "on", ">one", "~*", "&*", "+@all"]);
    let node = Node::at(&format!("redis://hub:one@127.0.0.1:{}", redis.port()));
    let mark = node.mark();
    redis.ask(&["ACL", "SETUSER", "hub", "resetpass", ">two"]);
    redis.ask(&["CLIENT", "KILL", "USER", "hub"]);
    node.wait_down(mark);
    eventually(PATIENCE, || {
        let reason = node.broker.status().reason.unwrap_or_default();
        reason.contains("WRONGPASS") && !reason.contains("one\"")
    });
    redis.ask(&["ACL", "SETUSER", "hub", "resetpass", ">one"]);
    node.wait_up(mark);
}

#[test]
fn a_full_redis_refuses_publications_and_tells_all_that_it_has() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    node.follow_one("jobs");
    let mut known = publishing(&["jobs"], "{}");
    known.key = key("known");
    let id = known.event.publication.id;
    node.publish(known.clone());
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let full = Outcome::Refused(PublishError::StorageFull);
    assert_eq!(node.publish(publishing(&["jobs"], "{}")), full);
    let mut unknown = publishing(&["jobs"], "{}");
    unknown.key = key("unknown");
    assert_eq!(node.publish(unknown.clone()), full);
    let mut batched = publishing(&["jobs"], "{}");
    batched.batch = Some(1);
    let tickets: Vec<_> = (0..3).map(|_| node.send(batched.clone())).collect();
    tickets.into_iter().for_each(|ticket| assert_eq!(node.outcome(ticket), full));
    // Those who come read, also what nobody has heard of yet.
    assert_eq!(node.follow_one("jobs").events.len(), 1);
    assert_eq!(node.follow_one("another").end.offset, 0);
    let late = Node::on(&redis);
    assert_eq!(late.follow_one("jobs").events.len(), 1);
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(node.publish(known), Outcome::Repeated { id, recipients: None });
    assert!(matches!(node.publish(unknown), Outcome::Placed { .. }));
    assert!(!node.heard().iter().any(|told| matches!(told, Told::Down)));
}

#[test]
fn a_redis_that_hangs_is_given_up_and_found_again_with_nothing_lost() {
    let redis = Redis::durable();
    let (node, other) = (Node::on(&redis), Node::on(&redis));
    let life = node.wait_up(0).life;
    node.publish(publishing(&["jobs"], "{}"));
    let mark = (node.mark(), other.mark());
    redis.hold();
    let waiting = node.send(publishing(&["jobs"], "{}"));
    node.wait_down(mark.0);
    assert_eq!(node.outcome(waiting), Outcome::Refused(PublishError::BrokerDown));
    assert_eq!(node.publish(publishing(&["jobs"], "{}")), Outcome::Refused(PublishError::BrokerDown));
    other.wait_down(mark.1);
    redis.release();
    assert_eq!((node.wait_up(mark.0).life, other.wait_up(mark.1).life), (life, life));
    // Nobody was held to be dead for what Redis did.
    for (node, mark) in [(&node, mark.0), (&other, mark.1)] {
        let nodes = node.wait_from(mark, "nodes", |told| match told {
            Told::Nodes(nodes) => Some(nodes.len()),
            _ => None,
        });
        assert_eq!(nodes, 2);
    }
    let state = other.follow_one("jobs");
    // The one without an answer may have been carried out when Redis went on.
    assert!((1..=2).contains(&state.end.offset), "{:?}", state.end);
    assert_eq!(state.events.len() as u64, state.end.offset);
}

#[test]
fn a_redis_that_pauses_its_writers_is_given_up_and_found_again() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    let mark = node.mark();
    redis.ask(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    node.wait_down(mark);
    redis.ask(&["CLIENT", "UNPAUSE"]);
    node.wait_up(mark);
    assert_eq!(node.publish(publishing(&["jobs"], "{}")), Outcome::Placed { told: 0 });
}

#[test]
fn a_network_that_is_cut_ends_both_connections_and_one_that_heals_makes_both() {
    let redis = Redis::durable();
    let proxy = Proxy::to(redis.address());
    let node = Node::at(&format!("redis://{}", proxy.address()));
    let other = Node::on(&redis);
    let life = node.wait_up(0).life;
    for _ in 0..3 {
        node.follow_one("jobs");
        let mark = node.mark();
        proxy.cut();
        node.wait_down(mark);
        other.publish(publishing(&["jobs"], "{}"));
        proxy.restore();
        assert_eq!(node.wait_up(mark).life, life);
    }
    let state = node.follow_one("jobs");
    assert_eq!((state.end.offset, state.events.len()), (3, 3));
    assert_eq!(node.broker.status().reconnects, 3);
}

#[test]
fn a_replica_is_not_written_to_until_it_is_the_master() {
    let master = Redis::durable();
    let replica = master.replica();
    let node = Node::on(&master);
    node.publish(publishing(&["jobs"], "{}"));
    let life = node.wait_up(0).life;
    let late = Node::started(&replica.url());
    let is_refused = |node: &Node| node.broker.status().reason.is_some_and(|it| it.contains("READONLY"));
    eventually(PATIENCE, || is_refused(&late));
    eventually(PATIENCE, || {
        let number = |redis: &Redis| redis.ask(&["HGET", "{fanfare}:life", "s"]);
        number(&replica) == number(&master)
    });
    replica.ask(&["REPLICAOF", "NO", "ONE"]);
    // What was promoted may lack the last that the master took.
    assert_ne!(late.wait_up(0).life, life);
    // And the master becomes a replica under a node that is connected.
    let mark = node.mark();
    master.ask(&["REPLICAOF", "127.0.0.1", &replica.port().to_string()]);
    node.send(publishing(&["jobs"], "{}"));
    node.wait_down(mark);
    eventually(PATIENCE, || is_refused(&node));
}

#[test]
fn a_queue_that_is_full_refuses_publications_at_once() {
    let redis = Redis::start();
    let node = Arc::new(Node::on(&redis));
    redis.hold();
    let text = format!("\"{}\"", "z".repeat(1024 * 1024));
    let made = publishing(&["jobs"], &text);
    // Under way, unwritten, and in the queue: more than all of that.
    let tickets: Vec<_> = (0..200).map(|_| node.send(made.clone())).collect();
    let last = *tickets.last().expect("a ticket");
    assert_eq!(node.outcome(last), Outcome::Refused(PublishError::Overloaded));
    redis.release();
    let mut placed = 0;
    for ticket in tickets {
        placed += u64::from(matches!(node.outcome(ticket), Outcome::Placed { .. }));
    }
    assert!(placed >= 60, "{placed}");
    node.broker.send(Wish::Unfollow(vec!["never followed".into()]));
    let state = node.follow(vec![following("jobs")]).1.remove(0);
    assert_eq!(state.end.offset, placed);
    // Neither what was carried out nor what was refused takes up room.
    assert_eq!(node.publish(made), Outcome::Placed { told: 1 });
}

#[test]
fn what_is_refused_while_redis_is_away_takes_up_no_room() {
    let redis = Redis::start();
    let node = Node::on(&redis);
    let mark = node.mark();
    redis.kill();
    node.wait_down(mark);
    let made = publishing(&["jobs"], &format!("\"{}\"", "z".repeat(1024 * 1024)));
    for _ in 0..100 {
        assert_eq!(node.publish(made.clone()), Outcome::Refused(PublishError::BrokerDown));
    }
    redis.resume();
    node.wait_up(mark);
    assert_eq!(node.publish(made), Outcome::Placed { told: 0 });
}
