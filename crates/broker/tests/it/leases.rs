//! Nodes, what they lease, and connections that come back on another one.

use std::time::{SystemTime, UNIX_EPOCH};

use broker::Settings;
use hub::broker::{Broker, Claim, ClaimBy, Claimed, Outcome, Told, Wish};
use hub::journal::{ResumeChange, ResumeEntry};
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, Epoch, Position};
use test_kit::{Proxy, Redis, eventually};

use crate::node::{Node, PATIENCE, publishing};

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
    Timestamp::from_millis(i64::try_from(now.as_millis()).expect("a time"))
}

fn entry(n: u128, user: Option<&str>) -> ResumeEntry {
    ResumeEntry {
        connection: ConnectionId::from_random(n),
        generation: 3,
        user: user.map(Into::into),
        channels: vec!["jobs".into(), "a b\n".into()],
        dropped: None,
        arrived: None,
    }
}

fn dropped(entry: &ResumeEntry) -> ResumeEntry {
    ResumeEntry { dropped: Some(now()), ..entry.clone() }
}

fn token(entry: &ResumeEntry, node: &Node) -> Claim {
    let by = ClaimBy::Token { generation: entry.generation, node: node.broker.node() };
    Claim { connection: entry.connection, user: entry.user.clone(), by }
}

fn note(node: &Node, change: ResumeChange) {
    node.broker.send(Wish::Note(vec![change]));
    confirm(node);
}

/// Waits until all is carried out that the node wished before.
fn confirm(node: &Node) {
    let ticket = node.ticket();
    node.broker.send(Wish::Confirm(ticket));
    node.wait("it is noted", |told| matches!(told, Told::Confirmed(of) if *of == ticket).then_some(()));
}

#[test]
fn a_dropped_connection_is_handed_over_once_to_its_user_by_its_token() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let first = dropped(&entry(1, Some("7\"8 ä")));
    note(&one, ResumeChange::Set(first.clone()));
    let claim = token(&first, &one);
    let wrong = [
        Claim { user: Some("8".into()), ..claim.clone() },
        Claim { user: None, ..claim.clone() },
        Claim { by: ClaimBy::Token { generation: 2, node: one.broker.node() }, ..claim.clone() },
        Claim { by: ClaimBy::Token { generation: 3, node: other.broker.node() }, ..claim.clone() },
        Claim { connection: ConnectionId::from_random(2), ..claim.clone() },
    ];
    for wrong in wrong {
        assert_eq!(other.claim(wrong), Claimed::Nothing);
    }
    assert_eq!(other.claim(claim.clone()), Claimed::Entry(first.clone()));
    assert_eq!(one.claim(claim), Claimed::Nothing);
    // What is forgotten is not handed over.
    note(&one, ResumeChange::Set(first.clone()));
    note(&one, ResumeChange::Forget(first.connection));
    assert_eq!(other.claim(token(&first, &one)), Claimed::Nothing);
}

#[test]
fn of_many_who_claim_a_connection_at_once_one_gets_it() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    for n in 1..40 {
        let first = dropped(&entry(n, None));
        note(&one, ResumeChange::Set(first.clone()));
        let claim = token(&first, &one);
        let mut tickets = Vec::new();
        for _ in 0..4 {
            for node in [&one, &other] {
                let ticket = node.ticket();
                node.broker.send(Wish::Claim(ticket, claim.clone()));
                tickets.push((node, ticket));
            }
        }
        let got = tickets.iter().filter(|(node, ticket)| {
            node.wait("an answer", |told| match told {
                Told::Claimed(of, claimed) if of == ticket => Some(*claimed != Claimed::Nothing),
                _ => None,
            })
        });
        assert_eq!(got.count(), 1);
    }
}

#[test]
fn what_a_node_told_of_its_connections_when_redis_went_is_told_again() {
    let redis = Redis::durable();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let early = entry(1, None);
    note(&one, ResumeChange::Set(early.clone()));
    let mark = (one.mark(), other.mark());
    redis.kill();
    // Whether the node has noticed or not.
    let late = dropped(&entry(2, Some("7")));
    one.broker.send(Wish::Note(vec![ResumeChange::Set(late.clone())]));
    one.broker
        .send(Wish::Note(vec![ResumeChange::Set(dropped(&early)), ResumeChange::Forget(early.connection)]));
    redis.resume();
    one.wait_up(mark.0);
    other.wait_up(mark.1);
    // It is on its way, before all that the node wishes from now on.
    confirm(&one);
    assert_eq!(other.claim(token(&late, &one)), Claimed::Entry(late));
    assert_eq!(other.claim(token(&early, &one)), Claimed::Nothing, "what came later counts");
}

#[test]
fn an_open_connection_is_told_with_its_node_and_stays_there() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let open = entry(1, Some("7"));
    note(&one, ResumeChange::Set(open.clone()));
    for _ in 0..2 {
        assert_eq!(other.claim(token(&open, &one)), Claimed::Open(one.broker.node(), open.clone()));
    }
    note(&one, ResumeChange::Set(dropped(&open)));
    assert!(matches!(other.claim(token(&open, &one)), Claimed::Entry(_)));
}

#[test]
fn a_connection_is_found_by_its_id_again_and_again_and_a_socket_once() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let position = Position { epoch: Epoch::from_bits(9), offset: 4 };
    let of_page = ResumeEntry { arrived: Some(vec![("jobs".into(), position)]), ..dropped(&entry(1, None)) };
    let of_socket =
        ResumeEntry { arrived: Some(vec![("@/chat".into(), position)]), ..dropped(&entry(2, None)) };
    note(&one, ResumeChange::Set(of_page.clone()));
    note(&one, ResumeChange::Set(of_socket.clone()));
    let by = |entry: &ResumeEntry, by| Claim { connection: entry.connection, user: None, by };
    assert_eq!(other.claim(by(&of_page, ClaimBy::Socket)), Claimed::Nothing);
    assert_eq!(other.claim(by(&of_socket, ClaimBy::Id)), Claimed::Nothing);
    for _ in 0..2 {
        assert_eq!(other.claim(by(&of_page, ClaimBy::Id)), Claimed::Entry(of_page.clone()));
    }
    assert_eq!(other.claim(by(&of_socket, ClaimBy::Socket)), Claimed::Entry(of_socket.clone()));
    assert_eq!(other.claim(by(&of_socket, ClaimBy::Socket)), Claimed::Nothing);
}

#[test]
fn what_a_node_had_open_is_handed_over_when_it_dies_and_its_texts_go() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.address());
    let other = Node::on(&redis);
    let one = Node::at(&format!("redis://{}", proxy.address()));
    let (open, id) = (entry(1, Some("7")), one.broker.node());
    one.broker.send(Wish::Put("presence".into(), "jobs".into(), Some((*b"7").into())));
    note(&one, ResumeChange::Set(open.clone()));
    other.wait("both nodes", |told| matches!(told, Told::Nodes(nodes) if nodes.len() == 2).then_some(()));
    assert_eq!(other.table("presence").len(), 1);
    let mark = (one.mark(), other.mark());
    // It hangs, as a machine that is cut off: nobody says that it is gone.
    proxy.hold();
    other.wait_from(mark.1, "its end", |told| {
        matches!(told, Told::Nodes(nodes) if *nodes == [other.broker.node()]).then_some(())
    });
    one.wait_down(mark.0);
    assert!(other.table("presence").is_empty());
    eventually(PATIENCE, || redis.ask(&["EXISTS", &format!("{{fanfare}}:t:{id}:presence")]) == "0");
    assert_eq!(other.claim(token(&open, &one)), Claimed::Entry(open.clone()));
    assert_eq!(other.claim(token(&open, &one)), Claimed::Nothing);
    proxy.restore();
    one.wait_up(mark.0 + 1);
    one.wait_from(mark.0, "both nodes", |told| {
        matches!(told, Told::Nodes(nodes) if nodes.len() == 2).then_some(())
    });
    // It was handed over: that the node had it all the while gives it to nobody else.
    for again in [open.clone(), dropped(&open)] {
        note(&one, ResumeChange::Set(again));
        assert_eq!(other.claim(token(&open, &one)), Claimed::Nothing);
    }
    // Once its client has come back to that node it is that node's again.
    let there = ResumeEntry { generation: 4, ..open.clone() };
    note(&other, ResumeChange::Set(dropped(&there)));
    assert!(matches!(one.claim(token(&there, &other)), Claimed::Entry(_)));
    let back = ResumeEntry { generation: 5, ..open };
    note(&one, ResumeChange::Set(back.clone()));
    assert_eq!(other.claim(token(&back, &one)), Claimed::Open(id, back));
}

#[test]
fn a_connection_of_a_node_that_does_not_answer_is_forgotten_for_all() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.address());
    let other = Node::on(&redis);
    let one = Node::at(&format!("redis://{}", proxy.address()));
    let open = entry(1, Some("7"));
    note(&one, ResumeChange::Set(open.clone()));
    proxy.hold();
    eventually(PATIENCE, || {
        note(&other, ResumeChange::Forget(open.connection));
        other.claim(token(&open, &one)) == Claimed::Nothing
    });
}

#[test]
fn a_node_that_stops_says_so_and_lets_out_what_it_had_accepted() {
    let redis = Redis::start();
    let other = Node::on(&redis);
    let mut one = Node::on(&redis);
    let id = one.broker.node();
    other.wait("both nodes", |told| matches!(told, Told::Nodes(nodes) if nodes.len() == 2).then_some(()));
    one.broker.send(Wish::Put("presence".into(), "jobs".into(), Some((*b"7").into())));
    note(&one, ResumeChange::Set(entry(1, None)));
    let mark = other.mark();
    let tickets: Vec<_> = (0..500).map(|_| one.send(publishing(&["jobs"], "{}"))).collect();
    one.stop();
    for ticket in tickets {
        assert_eq!(one.outcome(ticket), Outcome::Placed { told: 0 });
    }
    assert_eq!(other.follow_one("jobs").end.offset, 500);
    other.wait_from(mark, "its end", |told| {
        matches!(told, Told::Nodes(nodes) if !nodes.contains(&id)).then_some(())
    });
    assert!(other.table("presence").is_empty());
    assert!(matches!(other.claim(token(&entry(1, None), &one)), Claimed::Entry(_)));
}

#[test]
fn a_table_has_what_all_living_nodes_put_into_it_and_no_other_table() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    for (node, name, text) in [(&one, "a", "1"), (&one, "b", "2"), (&other, "a", "3")] {
        node.broker.send(Wish::Put("t".into(), name.into(), Some(text.as_bytes().into())));
    }
    one.broker.send(Wish::Put("u".into(), "a".into(), Some((*b"4").into())));
    one.broker.send(Wish::Put("t".into(), "b".into(), None));
    // A table is asked for once what this node put before is there.
    assert!(other.table("t").contains(&(other.broker.node(), "a".into(), (*b"3").into())));
    let mut table = one.table("t");
    table.sort();
    let mut all: Vec<(u32, Box<str>, Box<[u8]>)> = vec![
        (one.broker.node(), "a".into(), (*b"1").into()),
        (other.broker.node(), "a".into(), (*b"3").into()),
    ];
    all.sort();
    assert_eq!(table, all);
}

#[test]
fn hubs_with_other_prefixes_know_nothing_of_each_other() {
    let redis = Redis::start();
    let one = Node::on(&redis);
    let foreign = Node::with(Settings::new(&redis.url(), "stage", "test").expect("settings"));
    foreign.wait("up", |told| matches!(told, Told::Up(_)).then_some(()));
    foreign.follow_one("jobs");
    one.publish(publishing(&["jobs"], "{}"));
    assert_eq!(foreign.follow_one("jobs").end.offset, 0);
    let nodes = foreign.wait("nodes", |told| match told {
        Told::Nodes(nodes) => Some(nodes.clone()),
        _ => None,
    });
    assert_eq!(nodes, [foreign.broker.node()]);
}

#[test]
fn a_node_that_hangs_is_told_nothing_once_it_is_held_dead() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.address());
    let (one, hung) = (Node::on(&redis), Node::at(&format!("redis://{}", proxy.address())));
    one.follow_one("jobs");
    hung.follow_one("jobs");
    let told = || match one.publish(publishing(&["jobs"], "1")) {
        Outcome::Placed { told } => told,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(), 2);
    // Its connections stand, and nobody takes anything from them.
    proxy.hold();
    assert_eq!(told(), 2, "it may only be slow");
    eventually(PATIENCE, || told() == 1);
    let from = hung.mark();
    proxy.restore();
    hung.wait_up(from);
    hung.follow_one("jobs");
    assert_eq!(told(), 2);
}

#[test]
fn an_open_connection_is_known_for_as_long_as_its_node_lives_though_nothing_is_new_of_it() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let (open, id) = (entry(1, Some("7")), one.broker.node());
    note(&one, ResumeChange::Set(open.clone()));
    let key = format!("{{fanfare}}:open:{id}");
    // Almost two minutes pass.
    redis.ask(&["ZADD", "{fanfare}:opens", "1", &id.to_string()]);
    redis.ask(&["PEXPIRE", &key, "60000"]);
    let left = || redis.ask(&["PTTL", &key]).parse::<u64>().unwrap_or(0);
    eventually(PATIENCE, || left() > 120_000);
    assert_eq!(other.claim(token(&open, &one)), Claimed::Open(id, open));
}

#[test]
fn a_node_that_the_others_held_dead_comes_back_as_soon_as_it_hears_of_it() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let mark = one.mark();
    redis.ask(&["ZREM", "{fanfare}:nodes", &one.broker.node().to_string()]);
    one.wait_down(mark);
    one.wait_up(mark);
    one.wait_from(mark, "both nodes", |told| {
        matches!(told, Told::Nodes(nodes) if nodes.len() == 2).then_some(())
    });
    assert!(!other.heard().iter().any(|told| matches!(told, Told::Down)));
}

#[test]
fn what_one_node_forgets_another_one_may_have_dropped_since() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let first = entry(1, Some("7"));
    note(&one, ResumeChange::Set(first.clone()));
    let moved = dropped(&ResumeEntry { generation: 4, ..first.clone() });
    note(&other, ResumeChange::Set(moved.clone()));
    note(&one, ResumeChange::Forget(first.connection));
    assert_eq!(one.claim(token(&moved, &other)), Claimed::Entry(moved));
}

#[test]
fn a_dropped_connection_is_kept_for_two_minutes_from_its_end_however_many_are_told_at_once() {
    let redis = Redis::start();
    let (one, other) = (Node::on(&redis), Node::on(&redis));
    let ago = |n: u128, seconds: i64| {
        let dropped = Timestamp::from_millis(now().as_millis() - seconds * 1000);
        ResumeEntry { dropped: Some(dropped), ..entry(n, None) }
    };
    let left = |entry: &ResumeEntry| {
        let key = format!("{{fanfare}}:parked:{:032x}", entry.connection.as_u128());
        redis.ask(&["PTTL", &key]).parse::<i64>().expect("ms")
    };
    // As a node tells them that was without its broker for a while.
    let mut all: Vec<_> = (0..1200).map(|n| ago(n, 0)).collect();
    all[1] = ago(1, 180);
    all[2] = ago(2, 90);
    one.broker.send(Wish::Note(all.iter().cloned().map(ResumeChange::Set).collect()));
    confirm(&one);
    assert!((30_001..=120_000).contains(&left(&all[0])), "{}", left(&all[0]));
    assert!((1..=30_000).contains(&left(&all[2])), "{}", left(&all[2]));
    assert_eq!(other.claim(token(&all[1], &one)), Claimed::Nothing);
    for entry in [&all[0], &all[3], &all[499], &all[500], &all[1199]] {
        assert_eq!(other.claim(token(entry, &one)), Claimed::Entry(entry.clone()));
    }
}
