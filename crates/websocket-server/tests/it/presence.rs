//! Who is in a channel: lists, changes as they are told, reloads that do not show, and many users at once.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Frame, Launch, RawClient, Server, Signer, eventually};

use super::recovery::{as_user, follow};
use super::{SECRET, launch, server_with_users};

/// A server on which users are present for so long after their last connection.
fn with_grace(grace: &str) -> Launch {
    launch().env("JWT_SECRET", SECRET).env("PRESENCE_GRACE", grace).env("WS_RATE_LIMIT", "0")
}

/// A client of a user, subscribed to `room`.
#[track_caller]
fn enter(server: &Server, user: impl Into<Value>) -> Client {
    let mut client = Client::welcomed(&as_user(server, user));
    client.subscribe(&["room"]);
    client
}

/// What `presence` of `room` is answered.
#[track_caller]
fn ask(client: &mut Client, more: Value) -> Value {
    let mut request = json!({ "type": "presence", "channel": "room" });
    request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    client.send_json(&request);
    let mut answer = client.next_json();
    while answer["type"] == "presence_changed" {
        answer = client.next_json();
    }
    assert_eq!(answer["type"], "presence", "{answer}");
    answer["data"].clone()
}

/// The users of an answer.
fn users(data: &Value) -> Vec<Value> {
    data["users"].as_array().expect("users").iter().map(|user| user["user_id"].clone()).collect()
}

/// What a watcher has been told so far, which must agree with every change.
struct Room {
    users: BTreeMap<String, Value>,
    count: u64,
}

impl Room {
    fn of(data: &Value) -> Self {
        let list = data["users"].as_array().expect("users");
        let users = list.iter().map(|user| (user["user_id"].to_string(), user["since"].clone())).collect();
        Self { users, count: data["count"].as_u64().expect("a count") }
    }

    /// Takes a change in. Where several watch, one may be told of somebody again whom a list has shown already.
    #[track_caller]
    fn change(&mut self, frame: &Value) {
        assert_eq!(frame["type"], "presence_changed", "{frame}");
        let data = &frame["data"];
        for user in data["left"].as_array().expect("left") {
            self.users.remove(&user["user_id"].to_string());
        }
        for user in data["joined"].as_array().expect("joined") {
            self.users.insert(user["user_id"].to_string(), user["since"].clone());
        }
        self.count = data["count"].as_u64().expect("a count");
    }
}

#[test]
fn each_user_is_there_once_however_many_connections_they_have() {
    let server = with_grace("0s").start();
    let mut first = enter(&server, 7);
    let second = enter(&server, 7);
    let _text = enter(&server, "a-19");
    let mut anonymous = Client::welcomed(&server.ws());
    anonymous.subscribe(&["room"]);
    let data = ask(&mut anonymous, json!({}));
    assert_eq!(
        (users(&data), &data["count"], &data["channel"]),
        (vec![json!(7), json!("a-19")], &json!(2), &json!("room"))
    );
    let since = data["users"][0]["since"].clone();
    assert!(since.as_str().is_some_and(|since| since.ends_with('Z')), "{data}");
    // One of two connections gone is nobody gone.
    second.cut();
    server.wait_for_connections(3);
    let data = ask(&mut first, json!({}));
    assert_eq!((users(&data).len(), &data["users"][0]["since"]), (2, &since));
    first.unsubscribe(&["room"]);
    eventually(PATIENCE, || users(&ask(&mut first, json!({}))) == [json!("a-19")]);
}

#[test]
fn who_watches_is_told_who_came_and_who_went() {
    let server = with_grace("0s").start();
    let _seven = enter(&server, 7);
    // Neither subscribed nor known, and with the right to subscribe.
    let mut watcher = Client::welcomed(&server.ws());
    let mut room = Room::of(&ask(&mut watcher, json!({ "watch": true })));
    assert_eq!(room.count, 1);
    let mut eight = enter(&server, 8);
    while !room.users.contains_key("8") {
        room.change(&watcher.next_json());
    }
    let nine = enter(&server, "nine");
    eight.unsubscribe(&["room"]);
    while room.users.contains_key("8") || !room.users.contains_key("\"nine\"") {
        room.change(&watcher.next_json());
    }
    nine.cut();
    while room.count != 1 {
        room.change(&watcher.next_json());
    }
    // Asking again leaves the watch; ending it ends it.
    let _ten = enter(&server, 10);
    while room.count != 2 {
        room.change(&watcher.next_json());
    }
    assert_eq!(users(&ask(&mut watcher, json!({ "watch": false }))).len(), 2);
    let mut other = Client::welcomed(&server.ws());
    let mut told = Room::of(&ask(&mut other, json!({ "watch": true })));
    let _eleven = enter(&server, 11);
    while told.count != 3 {
        told.change(&other.next_json());
    }
    assert!(watcher.ping_barrier().is_empty(), "told of nothing any longer");
}

#[test]
fn a_reload_does_not_show() {
    let server = with_grace("10m").start();
    let (mut watcher, mut leaver) = (enter(&server, 1), enter(&server, 8));
    let mut room = Room::of(&ask(&mut watcher, json!({ "watch": true })));
    let mut seven = enter(&server, 7);
    while room.count != 3 {
        room.change(&watcher.next_json());
    }
    let since = room.users["7"].clone();
    for round in 0..5 {
        if round % 2 == 0 {
            seven.cut();
        } else {
            assert_eq!(seven.close().0, 1000);
        }
        server.wait_for_connections(2);
        assert_eq!(users(&ask(&mut watcher, json!({}))).len(), 3, "present in the grace");
        seven = enter(&server, 7);
    }
    // What comes next shows that nothing was told of the user in between; leaving on purpose has no grace.
    leaver.unsubscribe(&["room"]);
    room.change(&watcher.next_json());
    assert_eq!((room.count, &room.users["7"]), (2, &since));
    assert_eq!(
        ask(&mut watcher, json!({}))["users"]
            .as_array()
            .expect("users")
            .iter()
            .find(|user| user["user_id"] == 7)
            .map(|user| user["since"].clone()),
        Some(since)
    );
}

#[test]
fn who_does_not_come_back_within_the_grace_has_left() {
    let server = with_grace("1s").start();
    let mut watcher = Client::welcomed(&server.ws());
    let mut room = Room::of(&ask(&mut watcher, json!({ "watch": true })));
    let seven = enter(&server, 7);
    room.change(&watcher.next_json());
    let gone = Instant::now();
    seven.cut();
    room.change(&watcher.next_json());
    assert_eq!(room.count, 0);
    let after = gone.elapsed();
    assert!(after >= Duration::from_secs(1) && after < PATIENCE, "{after:?}");
}

#[test]
fn a_resumed_connection_is_present_again() {
    let server = with_grace("0s").start();
    let (client, mut follower) = follow(&as_user(&server, 7), &["room"]);
    let mut watcher = Client::welcomed(&server.ws());
    client.cut();
    eventually(PATIENCE, || users(&ask(&mut watcher, json!({}))).is_empty());
    let mut client = Client::welcomed(&as_user(&server, 7));
    follower.resume(&mut client);
    assert_eq!(users(&ask(&mut watcher, json!({}))), [json!(7)]);
    // Taking over from an open connection leaves nobody behind and nobody out.
    let mut next = Client::welcomed(&as_user(&server, 7));
    follower.resume(&mut next);
    assert_eq!(client.expect_close().0, 4011);
    assert_eq!(users(&ask(&mut watcher, json!({}))), [json!(7)]);
    next.cut();
    eventually(PATIENCE, || users(&ask(&mut watcher, json!({}))).is_empty());
}

#[test]
fn what_is_wrong_with_a_question_is_told() {
    let server = server_with_users();
    let mut client = Client::welcomed(&server.ws());
    client.send_json(&json!({ "type": "presence" }));
    client.expect_error("invalid_frame");
    for watch in [json!(1), json!("true"), json!([])] {
        client.send_json(&json!({ "type": "presence", "channel": "room", "watch": watch }));
        client.expect_error("invalid_frame");
    }
    client.send_json(&json!({ "type": "presence", "channel": "payments", "watch": true }));
    client.expect_error("forbidden");
    let data = ask(&mut client, json!({ "watch": null }));
    assert_eq!(data, json!({ "channel": "room", "users": [], "count": 0 }));
}

#[test]
fn a_connection_watches_so_many_channels_and_no_more() {
    let server = with_grace("0s").start();
    let mut client = Client::welcomed(&server.ws());
    for n in 0..100 {
        client.send_json(&json!({ "type": "presence", "channel": format!("room-{n}"), "watch": true }));
        client.expect_type("presence");
    }
    client.send_json(&json!({ "type": "presence", "channel": "one-more", "watch": true }));
    client.expect_error("too_many_channels");
    client.send_json(&json!({ "type": "presence", "channel": "one-more" }));
    client.expect_type("presence");
    client.send_json(&json!({ "type": "presence", "channel": "room-0", "watch": false }));
    client.expect_type("presence");
    client.send_json(&json!({ "type": "presence", "channel": "one-more", "watch": true }));
    client.expect_type("presence");
    assert_eq!(server.stats()["by_channel"], json!({}), "to watch is not to subscribe");
}

#[test]
fn of_all_who_come_and_go_at_once_a_watcher_sees_a_true_picture() {
    let server = with_grace("0s").env("SHARDS", "2").start();
    let mut watcher = Client::welcomed(&server.ws());
    let mut room = Room::of(&ask(&mut watcher, json!({ "watch": true })));
    let stay: Vec<Client> = thread::scope(|scope| {
        let come_and_go = |thread: u64| {
            let server = &server;
            scope.spawn(move || {
                for n in 0..15 {
                    let mut client = enter(server, thread * 10 + n % 3);
                    if n % 2 == 0 {
                        client.unsubscribe(&["room"]);
                    } else {
                        client.cut();
                    }
                }
                enter(server, 1000 + thread)
            })
        };
        let running: Vec<_> = (0..6).map(come_and_go).collect();
        running.into_iter().map(|one| one.join().expect("a client")).collect()
    });
    let wanted: BTreeSet<String> = (0..6).map(|thread| (1000 + thread).to_string()).collect();
    while room.users.keys().cloned().collect::<BTreeSet<_>>() != wanted {
        room.change(&watcher.next_json());
    }
    assert_eq!(users(&ask(&mut watcher, json!({}))).len(), stay.len());
}

#[test]
fn two_thousand_users_in_one_channel_are_told_in_few_frames() {
    test_kit::limits::raise_open_files();
    let server = with_grace("0s").start();
    let signer = Signer::hs256(SECRET);
    let mut watcher = Client::welcomed(&server.ws());
    ask(&mut watcher, json!({ "watch": true }));
    let users = 2_000;
    let crowd: Vec<RawClient> = (0..users)
        .map(|user| {
            let path = format!("/ws?token={}", signer.user(user));
            let mut client = RawClient::upgraded(server.address(), &path, &[]);
            client.send(&Frame::text(r#"{"type":"subscribe","channels":["room"]}"#));
            client
        })
        .collect();
    let (mut frames, mut bytes, mut count) = (0, 0, 0);
    while count != users {
        let frame = watcher.next_json_within(Duration::from_secs(30));
        assert_eq!(frame["type"], "presence_changed");
        frames += 1;
        bytes += frame.to_string().len();
        assert!(frame["data"]["joined"].as_array().map_or(0, Vec::len) <= 500);
        count = frame["data"]["count"].as_u64().expect("a count");
    }
    assert!(frames <= 200 && bytes < 400_000, "{frames} frames of {bytes} bytes");
    let data = ask(&mut watcher, json!({}));
    assert_eq!(data["count"], users);
    let listed = data["users"].as_array().map_or(0, Vec::len) as u64;
    assert_eq!(listed < users, data["truncated"] == true, "{listed} of {users} listed");
    drop(crowd);
    eventually(Duration::from_secs(30), || ask(&mut watcher, json!({}))["count"] == 0);
}
