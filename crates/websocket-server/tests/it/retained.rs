//! Retained state: who joins late gets the last event under each key, once.

use serde_json::{Value, json};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Directory, Follower, Frame, RawClient, Server, eventually};

use super::recovery::{as_user, follow};
use super::{SECRET, launch, server, server_with_users};

/// Publishes `number` as the state under `key`.
#[track_caller]
fn retain(server: &Server, target: &Value, key: &str, number: u64, more: &Value) -> Value {
    let mut event = json!({ "type": "state", "data": number, "retain": { "key": key } });
    for (into, from) in [(event.as_object_mut(), target)] {
        if let (Some(into), Some(from)) = (into, from.as_object()) {
            into.extend(from.clone());
        }
    }
    if let (Some(into), Some(from)) = (event["retain"].as_object_mut(), more.as_object()) {
        into.extend(from.clone());
    }
    server.broadcast(&event)["id"].clone()
}

fn jobs() -> Value {
    json!({ "channel": "jobs" })
}

fn none() -> Value {
    json!({})
}

/// What a client that subscribes to these channels now is told of their state.
#[track_caller]
fn told(server: &Server, url: &str, channels: &[&str]) -> Vec<u64> {
    tell(server, url, &json!({ "type": "subscribe", "channels": channels }))
}

/// As [`told`], recoverably: what comes before the answer counts as well.
#[track_caller]
fn told_recoverably(server: &Server, url: &str, channels: &[&str]) -> Vec<u64> {
    tell(server, url, &json!({ "type": "subscribe", "channels": channels, "recoverable": true }))
}

#[track_caller]
fn tell(server: &Server, url: &str, wish: &Value) -> Vec<u64> {
    let mut client = Client::welcomed(url);
    client.send_json(wish);
    let mut frames = client.collect_until("subscribed");
    server.broadcast(&json!({ "type": "end", "connection_id": client.connection_id() }));
    frames.extend(client.collect_until("end"));
    states(&frames)
}

fn states(frames: &[Value]) -> Vec<u64> {
    let states = frames.iter().filter(|frame| frame["type"] == "state");
    states.map(|frame| frame["data"].as_u64().expect("a number")).collect()
}

#[test]
fn who_joins_late_gets_the_last_event_under_each_key() {
    let server = server();
    for (key, number) in [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("b", 5)] {
        retain(&server, &jobs(), key, number, &none());
    }
    assert_eq!(told(&server, &server.ws(), &["jobs"]), [3, 4, 5], "in the order of publication");
    assert_eq!(told_recoverably(&server, &server.ws(), &["jobs"]), [3, 4, 5]);
    assert!(told(&server, &server.ws(), &["other"]).is_empty());
    // Not again with a confirmation, and again after leaving.
    let mut client = Client::welcomed(&server.ws());
    client.subscribe(&["jobs"]);
    assert_eq!(states(&[client.next_json(), client.next_json(), client.next_json()]), [3, 4, 5]);
    client.subscribe(&["jobs"]);
    assert!(client.ping_barrier().is_empty());
    client.unsubscribe(&["jobs"]);
    client.subscribe(&["jobs"]);
    assert_eq!(states(&client.ping_barrier()), [3, 4, 5]);
}

#[test]
fn the_state_comes_after_the_answer_and_looks_like_the_connections_other_events() {
    let server = server();
    let id = retain(&server, &jobs(), "a", 1, &none());
    let mut plain = Client::welcomed(&server.ws());
    plain.subscribe(&["jobs"]);
    let event = plain.expect_type("state");
    assert_eq!(event.as_object().map(serde_json::Map::len), Some(3), "{event}");
    let mut client = Client::welcomed(&server.ws());
    let answer = Follower::new().subscribe(&mut client, &["jobs"]);
    let event = client.expect_type("state");
    assert_eq!((&event["id"], &event["channel"], &event["offset"]), (&id, &json!("jobs"), &json!(1)));
    assert_eq!(event["epoch"], answer["data"]["positions"]["jobs"]["epoch"]);
}

#[test]
fn state_belongs_to_its_audience() {
    let server = server_with_users();
    retain(&server, &json!({ "user_id": 7 }), "task", 1, &none());
    retain(&server, &json!({}), "task", 2, &none());
    retain(&server, &json!({ "channels": ["jobs", "more"], "user_id": 8 }), "task", 3, &none());
    retain(&server, &json!({ "queue_id": 5 }), "task", 4, &none());
    let (seven, eight) = (as_user(&server, 7), as_user(&server, 8));
    assert_eq!(told(&server, &seven, &[]), [1, 2]);
    assert_eq!(told(&server, &eight, &[]), [2, 3]);
    assert_eq!(told(&server, &server.ws(), &[]), [2]);
    assert_eq!(told(&server, &server.ws(), &["jobs", "more"]), [2, 3], "in two streams, and told once");
    assert_eq!(told(&server, &server.ws(), &["queue:5"]), [2, 4]);
    // The same key elsewhere is another state.
    retain(&server, &json!({ "channel": "more" }), "task", 5, &none());
    assert_eq!(told(&server, &server.ws(), &["jobs"]), [2, 3]);
    assert_eq!(told(&server, &server.ws(), &["more"]), [2, 5]);
    // One that is left out live is left out later as well.
    let mut client = Client::welcomed(&server.ws());
    client.expect_type("state");
    retain(
        &server,
        &json!({ "channel": "third", "except_connection_id": client.connection_id() }),
        "k",
        6,
        &none(),
    );
    client.subscribe(&["third"]);
    assert!(client.ping_barrier().is_empty());
    assert_eq!(told(&server, &server.ws(), &["third"]), [2, 6]);
}

#[test]
fn a_connection_that_asks_for_recovery_is_not_told_what_it_has() {
    let server = server_with_users();
    retain(&server, &json!({}), "all", 1, &none());
    retain(&server, &json!({ "user_id": 7 }), "own", 2, &none());
    retain(&server, &jobs(), "jobs", 3, &none());
    // A client that recovers leaves plain events aside, so it is told again in the form that it understands.
    let mut client = Client::welcomed(&as_user(&server, 7));
    let mut follower = Follower::new();
    client.send_json(&follower.subscribe_frame(&["jobs"]));
    let before = client.collect_until("subscribed");
    assert!(before.iter().all(|frame| frame.get("offset").is_none()));
    follower.answered(before.last().expect("the answer"));
    server.broadcast(&json!({ "type": "end", "connection_id": client.connection_id() }));
    let after = client.collect_until("end");
    assert!(after.iter().all(|frame| frame["offset"].is_u64()), "{after:?}");
    let mut numbers = states(&after);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    // Coming back with positions that have it, it is not told again; what changed meanwhile comes as what was missed.
    client.cut();
    retain(&server, &jobs(), "jobs", 4, &none());
    retain(&server, &jobs(), "jobs", 5, &none());
    let mut client = Client::welcomed(&as_user(&server, 7));
    client.send_json(&follower.subscribe_frame(&["jobs"]));
    follower.answered(client.collect_until("subscribed").last().expect("the answer"));
    server.broadcast(&json!({ "type": "end", "channel": "jobs" }));
    let after = follower.take_until(&mut client, "end");
    assert_eq!(states(&after), [4, 5]);
    // The same by a token.
    client.cut();
    retain(&server, &jobs(), "jobs", 6, &none());
    let mut client = Client::welcomed(&as_user(&server, 7));
    client.send_json(&follower.resume_frame());
    follower.answered(client.collect_until("resumed").last().expect("the answer"));
    server.broadcast(&json!({ "type": "end", "channel": "jobs" }));
    assert_eq!(states(&follower.take_until(&mut client, "end")), [6]);
}

#[test]
fn who_lost_the_thread_gets_the_state() {
    let server = server();
    retain(&server, &jobs(), "a", 1, &none());
    let positions =
        json!({ "jobs": { "epoch": "AAAAAAAA", "offset": 5 }, "@all": { "epoch": "AAAAAAAA", "offset": 5 } });
    let mut client = Client::welcomed(&server.ws());
    client.send_json(&json!({
        "type": "subscribe", "channels": ["jobs"], "recoverable": true, "positions": positions,
    }));
    assert_eq!(client.expect_type("subscribed")["data"]["positions"]["jobs"]["recovered"], false);
    assert_eq!(client.expect_type("state")["data"], 1);
    assert!(client.ping_barrier().is_empty());
}

#[test]
fn a_state_ends_with_its_time_and_a_final_one_after_a_minute_at_most() {
    let server = server();
    retain(&server, &jobs(), "short", 1, &json!({ "ttl_s": 4 }));
    retain(&server, &jobs(), "long", 2, &json!({ "ttl_s": 604_800 }));
    // `final` decides over `ttl_s`: it is there after the seconds for which it would else be kept.
    retain(&server, &jobs(), "final", 3, &json!({ "final": true, "ttl_s": 4 }));
    assert_eq!(told(&server, &server.ws(), &["jobs"]), [1, 2, 3]);
    eventually(PATIENCE, || told(&server, &server.ws(), &["jobs"]) == [2, 3]);
    // An event without `retain` leaves the state alone; a final one takes its place.
    server.broadcast(&json!({ "type": "state", "data": 9, "channel": "jobs" }));
    retain(&server, &jobs(), "long", 4, &json!({ "final": true }));
    assert_eq!(told(&server, &server.ws(), &["jobs"]), [3, 4]);
}

#[test]
fn what_is_wrong_with_retain_is_422_and_keeps_nothing() {
    let server = server();
    retain(&server, &jobs(), "good", 1, &none());
    let large = "k".repeat(1_000_000);
    let wrong = [
        json!({ "key": large }),
        json!({ "key": "k".repeat(201) }),
        json!({ "key": "" }),
        json!({ "key": "a\u{0}b" }),
        json!({ "key": "a\nb" }),
        json!({ "key": 7 }),
        json!({ "key": null }),
        json!({}),
        json!("key"),
        json!([]),
        json!({ "key": "k", "ttl_s": 0 }),
        json!({ "key": "k", "ttl_s": -1 }),
        json!({ "key": "k", "ttl_s": 604_801 }),
        json!({ "key": "k", "ttl_s": 1.5 }),
        json!({ "key": "k", "ttl_s": "5" }),
        json!({ "key": "k", "final": "yes" }),
        json!({ "key": "k", "final": 1 }),
    ];
    for retain in &wrong {
        let answer = server.post("/broadcast", &json!({ "type": "x", "channel": "jobs", "retain": retain }));
        let short: String = retain.to_string().chars().take(60).collect();
        assert_eq!((answer.status, answer.problem_code().as_str()), (422, "invalid"), "{short}");
        assert!(answer.body.len() < 1_000, "the key is not repeated");
        let items = json!([{ "type": "x", "channel": "jobs", "retain": retain }]);
        let items = server.post("/broadcast/batch", &items).json();
        assert_eq!(items[0]["status"], 422, "{short}");
    }
    let to_one = "5b0c6a3e-8f1d-4a57-9c55-0c2f6b1d7e90";
    let event = json!({ "type": "x", "connection_id": to_one, "retain": { "key": "k" } });
    assert_eq!(server.post("/broadcast", &event).status, 422);
    let answer =
        server.post("/broadcast", &json!({ "type": "state", "data": 2, "channel": "jobs", "retain": null }));
    assert_eq!(answer.status, 200);
    let longest = "ä".repeat(100);
    retain(&server, &jobs(), &longest, 3, &none());
    assert_eq!(told(&server, &server.ws(), &["jobs"]), [1, 3]);
}

#[test]
fn a_state_is_told_once_to_who_subscribes_while_it_changes() {
    let server = launch().env("SHARDS", "2").env("WS_RATE_LIMIT", "0").start();
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for number in 0..300 {
                retain(&server, &jobs(), "a", number, &none());
            }
        });
        for recoverable in [false, true] {
            let server = &server;
            scope.spawn(move || {
                for _ in 0..30 {
                    let mut client = Client::welcomed(&server.ws());
                    client.send_json(
                        &json!({ "type": "subscribe", "channels": ["jobs"], "recoverable": recoverable }),
                    );
                    client.expect_type("subscribed");
                    server.broadcast(&json!({ "type": "end", "channel": "jobs" }));
                    let numbers = states(&client.collect_until("end"));
                    let are_next = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
                    assert!(are_next, "recoverable {recoverable}: {numbers:?}");
                }
            });
        }
        publisher.join().expect("the publisher");
    });
}

#[test]
fn a_stream_holds_a_hundred_keys_and_a_flood_is_bounded() {
    let server = server();
    for n in 0..150 {
        retain(&server, &jobs(), &format!("key-{n}"), n, &none());
    }
    assert_eq!(told(&server, &server.ws(), &["jobs"]), (50..150).collect::<Vec<_>>());
    // 100 MB in 1,000 streams, of which 16 MiB may stay.
    let before = server.memory();
    for n in 0..1_000 {
        server.broadcast(&json!({
            "type": "x", "channel": format!("c-{n}"), "data": "x".repeat(100_000), "retain": { "key": "k" },
        }));
    }
    let grown = server.memory().saturating_sub(before) >> 20;
    // History keeps its own 128 MiB.
    assert!(grown < 200, "grown by {grown} MiB");
    assert_eq!(told(&server, &server.ws(), &["unknown"]), Vec::<u64>::new());
}

#[test]
fn state_outlives_a_kill_with_what_was_forgotten_forgotten() {
    let data = Directory::new();
    let start = || launch().env("FANFARE_DATA", data.path()).env("JWT_SECRET", SECRET).start();
    let first = start();
    retain(&first, &jobs(), "a", 1, &none());
    retain(&first, &jobs(), "b", 2, &none());
    retain(&first, &jobs(), "a", 3, &none());
    retain(&first, &json!({ "user_id": 7 }), "own", 4, &none());
    retain(&first, &json!({}), "short", 5, &json!({ "ttl_s": 1 }));
    drop(first);
    let second = start();
    eventually(PATIENCE, || told(&second, &as_user(&second, 7), &["jobs"]) == [4, 2, 3]);
    assert_eq!(told_recoverably(&second, &second.ws(), &["jobs"]), [2, 3]);
    // A stream in memory has a new epoch, in which the state has no place: it moves no position.
    let (mut client, mut follower) = follow(&second.ws(), &["jobs"]);
    let event = client.expect_type("state");
    assert_eq!(event["channel"], "@connection", "{event}");
    assert!(!follower.take(&event));
    retain(&second, &jobs(), "a", 6, &none());
    drop(second);
    let third = start();
    assert_eq!(told(&third, &third.ws(), &["jobs"]), [2, 6]);
}

#[test]
fn state_of_many_megabytes_reaches_who_reads_it_slowly_too() {
    let server = server();
    let large = |number: u64, key: u64| {
        server.broadcast(&json!({
            "type": "state", "channel": "jobs", "data": [number, "x".repeat(150_000)], "retain": { "key": format!("key-{key}") },
        }));
    };
    for n in 0..30 {
        large(n, n);
    }
    for recoverable in [false, true] {
        let mut slow = RawClient::connect_with_buffer(server.address(), 16 << 10);
        assert_eq!(slow.upgrade("/ws", &[]).status, 101);
        let wish = json!({ "type": "subscribe", "channels": ["jobs"], "recoverable": recoverable });
        slow.send(&Frame::text(wish.to_string()));
        let subscribed = || server.stats()["by_channel"]["jobs"].as_u64().unwrap_or_default() > 0;
        eventually(PATIENCE, subscribed);
        // One of them changes before it has read anything.
        large(100, 29);
        server.broadcast(&json!({ "type": "end", "channel": "jobs" }));
        let mut last = std::collections::BTreeMap::new();
        loop {
            let frame = slow.next_frame().expect("a frame");
            let frame: Value = match frame.opcode {
                1 => serde_json::from_slice(&frame.payload).expect("JSON"),
                8 => panic!("recoverable {recoverable}: closed {:?}", frame.close_reason()),
                _ => continue,
            };
            match frame["type"].as_str() {
                Some("state") => {
                    let number = frame["data"][0].as_u64().expect("a number");
                    last.insert(if number == 100 { 29 } else { number }, number);
                }
                Some("end") => break,
                _ => {}
            }
        }
        assert!(last.keys().copied().eq(0..30) && last[&29] == 100, "recoverable {recoverable}: {last:?}");
        drop(slow);
        server.wait_for_connections(0);
        large(29, 29);
    }
}
