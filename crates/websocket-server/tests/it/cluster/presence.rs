//! Who is where, over all nodes: lists, changes, reloads that go to another node, nodes that die and Redis that is away; and
//! Socket.IO's users, who are told of once.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use test_kit::raw::Frame;
use test_kit::wait::PATIENCE;
use test_kit::{Client, RawClient, Server, Signer, eventually};

use super::super::SECRET;
use super::{Nodes, is_up, of};

impl Nodes {
    /// Two nodes on which users are present for so long after their last connection.
    fn pair_with_grace(&self, grace: &str) -> (Server, Server) {
        let start = || self.launch().env("PRESENCE_GRACE", grace).start();
        let (a, b) = (start(), start());
        eventually(PATIENCE, || [&a, &b].iter().all(|node| super::nodes(node) == 2));
        (a, b)
    }
}

/// A client of a user in `room`.
#[track_caller]
fn enter(server: &Server, user: u64) -> Client {
    let mut client = Client::welcomed(&of(server, user));
    client.subscribe(&["room"]);
    client
}

/// The users in `room`, as a client is told.
#[track_caller]
fn ask(client: &mut Client) -> Vec<u64> {
    let data = answer(client, &json!({"type": "presence", "channel": "room"}));
    let users: Vec<u64> = data["users"]
        .as_array()
        .expect("users")
        .iter()
        .map(|user| user["user_id"].as_u64().expect("a number"))
        .collect();
    assert_eq!(data["count"], users.len(), "{data}");
    users.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[track_caller]
fn answer(client: &mut Client, question: &Value) -> Value {
    client.send_json(question);
    loop {
        let frame = client.next_json();
        if frame["type"] == "presence" {
            return frame["data"].clone();
        }
        assert_eq!(frame["type"], "presence_changed", "{frame}");
    }
}

/// Reads changes until so many are there.
#[track_caller]
fn changes_until(client: &mut Client, count: u64) -> Vec<Value> {
    let mut changes = Vec::new();
    loop {
        let change = client.expect_type("presence_changed")["data"].clone();
        changes.push(change.clone());
        if change["count"] == count {
            return changes;
        }
    }
}

fn ids(changes: &[Value], which: &str) -> Vec<u64> {
    let all = changes.iter().flat_map(|change| change[which].as_array().expect("a list"));
    all.map(|user| user["user_id"].as_u64().expect("a number")).collect()
}

#[test]
fn a_list_has_the_users_of_all_nodes_from_the_first_question_on_each_once() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair();
    let mut on_a: Vec<Client> = (1..=3).map(|user| enter(&a, user)).collect();
    let _on_b: Vec<Client> = (3..=5).map(|user| enter(&b, user)).collect();
    assert_eq!(ask(&mut on_a[0]), [1, 2, 3, 4, 5]);
    // Neither subscribed nor asked for before on this node.
    let mut stranger = Client::welcomed(&b.ws());
    assert_eq!(ask(&mut stranger), [1, 2, 3, 4, 5]);
    // A node that comes later knows as much.
    let c = cluster.start();
    eventually(PATIENCE, || super::nodes(&c) == 3);
    let mut late = enter(&c, 6);
    assert_eq!(ask(&mut late), [1, 2, 3, 4, 5, 6]);
    let earliest = answer(&mut stranger, &json!({"type": "presence", "channel": "room"}));
    let same = answer(&mut late, &json!({"type": "presence", "channel": "room"}));
    let since =
        |data: &Value| data["users"].as_array().expect("users").first().expect("a user")["since"].clone();
    assert_eq!(since(&earliest), since(&same), "the same time on all nodes");
}

#[test]
fn who_watches_on_one_node_is_told_who_comes_and_goes_on_another() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair_with_grace("0s");
    let mut watcher = Client::welcomed(&a.ws());
    let none = answer(&mut watcher, &json!({"type": "presence", "channel": "room", "watch": true}));
    assert_eq!(none["count"], 0);
    let mut others: Vec<Client> = (1..=20).map(|user| enter(&b, user)).collect();
    let joined: BTreeSet<u64> = ids(&changes_until(&mut watcher, 20), "joined").into_iter().collect();
    assert_eq!(joined, (1..=20).collect());
    // One of two connections on two nodes gone is nobody gone.
    let seven = enter(&a, 7);
    others.remove(6).cut();
    others.remove(0).unsubscribe(&["room"]);
    assert_eq!(ids(&changes_until(&mut watcher, 19), "left"), [1]);
    seven.cut();
    assert_eq!(ids(&changes_until(&mut watcher, 18), "left"), [7]);
}

#[test]
fn who_goes_on_on_another_node_in_time_was_never_away() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair_with_grace("10m");
    let (mut watcher, seven) = (enter(&a, 1), enter(&a, 7));
    let data = answer(&mut watcher, &json!({"type": "presence", "channel": "room", "watch": true}));
    let mut elsewhere = Client::welcomed(&b.ws());
    assert_eq!(ask(&mut elsewhere), [1, 7]);
    seven.cut();
    a.wait_for_connections(1);
    let _seven = enter(&b, 7);
    let mut eight = enter(&b, 8);
    let changes = changes_until(&mut watcher, 3);
    assert!(ids(&changes, "joined").contains(&8) && ids(&changes, "left").is_empty(), "{changes:?}");
    assert_eq!(ask(&mut eight), [1, 7, 8]);
    let now = answer(&mut watcher, &json!({"type": "presence", "channel": "room"}));
    assert_eq!(now["users"][1], data["users"][1], "there since then");
}

#[test]
fn the_users_of_a_node_that_dies_are_gone_and_those_who_went_to_another_are_not() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair_with_grace("1s");
    let mut watcher = Client::welcomed(&a.ws());
    answer(&mut watcher, &json!({"type": "presence", "channel": "room", "watch": true}));
    let _on_b: Vec<Client> = (1..=4).map(|user| enter(&b, user)).collect();
    changes_until(&mut watcher, 4);
    drop(b);
    let _back = enter(&a, 2);
    // It is held to be dead after some seconds.
    eventually(Duration::from_secs(60), || super::nodes(&a) == 1);
    let left: BTreeSet<u64> = ids(&changes_until(&mut watcher, 1), "left").into_iter().collect();
    assert_eq!(left, [1, 3, 4].into());
}

#[test]
fn while_redis_is_away_what_was_known_is_told_and_then_what_is_true() {
    let cluster = Nodes::new();
    let (a, b) = cluster.pair_with_grace("0s");
    let mut on_a = enter(&a, 1);
    let two = enter(&b, 2);
    assert_eq!(ask(&mut on_a), [1, 2]);
    cluster.redis.kill();
    eventually(PATIENCE, || !is_up(&a) && !is_up(&b));
    two.cut();
    let _three = enter(&b, 3);
    let _four = enter(&a, 4);
    assert_eq!(ask(&mut on_a), [1, 2, 4]);
    let mut stranger = Client::welcomed(&b.ws());
    assert_eq!(ask(&mut stranger), [3], "nobody asked here before");
    cluster.redis.resume();
    eventually(PATIENCE, || ask(&mut on_a) == [1, 3, 4] && ask(&mut stranger) == [1, 3, 4]);
}

/// A socket of a user in `/chat`.
pub(super) struct Socket(pub(super) RawClient);

impl Socket {
    #[track_caller]
    pub(super) fn of(server: &Server, user: u64) -> Self {
        let client = RawClient::upgraded(server.address(), "/socket.io/?EIO=4&transport=websocket", &[]);
        let mut socket = Self(client);
        assert!(socket.packet().starts_with('0'));
        let token = Signer::hs256(SECRET).user(user);
        socket.0.send(&Frame::text(format!("40/chat,{}", json!({ "token": token }))));
        let packet = socket.packet();
        assert!(packet.starts_with("40/chat,{\"sid\":"), "{packet}");
        socket
    }

    #[track_caller]
    pub(super) fn packet(&mut self) -> String {
        loop {
            let text = String::from_utf8(self.0.next_frame().expect("a frame").payload).expect("text");
            // The first one, who was there before all others, may be told of a moment after they came.
            if text.starts_with(r#"42/chat,["user_online",{"user_id":1,"#) {
                continue;
            }
            if text != "2" {
                return text;
            }
            self.0.send(&Frame::text("3"));
        }
    }

    /// What it is told until this is published.
    #[track_caller]
    fn until(&mut self, end: &str) -> Vec<(String, u64)> {
        let mut told = Vec::new();
        loop {
            let packet = self.packet();
            let json = packet.strip_prefix("42/chat,").unwrap_or_else(|| panic!("{packet}"));
            let event: Value = serde_json::from_str(json).expect("JSON");
            let name = event[0].as_str().expect("a name").to_owned();
            if name == end {
                return told;
            }
            told.push((name, event[1]["user_id"].as_u64().unwrap_or_else(|| panic!("{event}"))));
        }
    }

    /// Waits for this.
    #[track_caller]
    fn expect(&mut self, name: &str, user: u64) {
        let packet = self.packet();
        let wanted = format!("42/chat,[\"{name}\",{{\"user_id\":{user},");
        assert!(packet.starts_with(&wanted), "{packet}");
    }
}

#[test]
fn sockets_are_told_once_of_each_user_who_comes_and_goes_whichever_the_node() {
    let cluster = Nodes::new();
    let start = || cluster.launch().env("SOCKETIO_OFFLINE_GRACE", "1s").start();
    let (a, b) = (start(), start());
    eventually(PATIENCE, || [&a, &b].iter().all(|node| super::nodes(node) == 2));
    let (mut on_a, mut on_b) = (Socket::of(&a, 1), Socket::of(&b, 2));
    on_a.expect("user_online", 2);
    // A second node is no second coming, and one of two gone is nobody gone.
    let (first, second) = (Socket::of(&a, 7), Socket::of(&b, 7));
    on_a.expect("user_online", 7);
    on_b.expect("user_online", 7);
    drop(first);
    let on_both = Socket::of(&b, 8);
    on_a.expect("user_online", 8);
    on_b.expect("user_online", 8);
    drop((second, on_both));
    let told: BTreeSet<(String, u64)> = (0..2)
        .map(|_| {
            let packet = on_b.packet();
            let event: Value = serde_json::from_str(&packet["42/chat,".len()..]).expect("JSON");
            (event[0].as_str().expect("a name").to_owned(), event[1]["user_id"].as_u64().expect("an id"))
        })
        .collect();
    assert_eq!(told, [("user_offline".to_owned(), 7), ("user_offline".to_owned(), 8)].into());
    a.broadcast(&json!({"type": "end", "namespace": "/chat"}));
    assert_eq!(on_a.until("end").iter().filter(|(name, _)| name == "user_offline").count(), 2);
    assert_eq!(on_b.until("end"), []);
    // A node dies: one of those that live tells.
    drop(on_b);
    drop(b);
    eventually(Duration::from_secs(60), || super::nodes(&a) == 1);
    on_a.expect("user_offline", 2);
    a.broadcast(&json!({"type": "end", "namespace": "/chat"}));
    assert_eq!(on_a.until("end"), []);
}
