//! Nothing missed, as a client sees it: positions, events with their places, coming back, and pages of history.
//!
//! Not here: resume tokens (`resume`), what survives the process (`durable`).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use test_kit::{Client, Follower, Frame, Launch, RawClient, Server, Signer};

use super::{SECRET, TextFile, launch, server, server_with_users, with_token};

/// A client that is subscribed recoverably, and the follower that knows where it stands.
#[track_caller]
pub(crate) fn follow(url: &str, channels: &[&str]) -> (Client, Follower) {
    let (mut client, mut follower) = (Client::welcomed(url), Follower::new());
    follower.subscribe(&mut client, channels);
    (client, follower)
}

/// The address of `/ws` as this user.
pub(crate) fn as_user(server: &Server, user: impl Into<Value>) -> String {
    with_token(server, &Signer::hs256(SECRET).user(user))
}

/// A server with these channel rules, and the file that holds them.
pub(crate) fn with_rules(launch: &Launch, rules: &str) -> (Server, TextFile) {
    let file = TextFile::new("rules.toml", rules);
    (launch.clone().env("FANFARE_CONFIG", file.path()).start(), file)
}

/// Publishes events with the numbers `range` as data, each for `target`; their ids.
#[track_caller]
pub(crate) fn publish(server: &Server, target: &Value, range: std::ops::Range<u64>) -> Vec<Value> {
    let of = |n: u64| {
        let mut event = json!({ "type": "x", "data": n });
        if let (Some(event), Some(target)) = (event.as_object_mut(), target.as_object()) {
            event.extend(target.clone());
        }
        event
    };
    let events: Vec<Value> = range.map(of).collect();
    let mut ids = Vec::new();
    for part in events.chunks(1000) {
        let answer = server.post("/broadcast/batch", &json!(part));
        assert_eq!(answer.status, 200, "{}", answer.text());
        for item in answer.json().as_array().expect("an array") {
            assert_eq!(item["success"], true, "{item}");
            ids.push(item["id"].clone());
        }
    }
    ids
}

/// The numbers that events have as data.
pub(crate) fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().filter(|event| event["type"] == "x").filter_map(|event| event["data"].as_u64()).collect()
}

/// The names of an object's members.
pub(crate) fn members(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

pub(crate) fn jobs() -> Value {
    json!({ "channel": "jobs" })
}

#[test]
fn the_answer_tells_where_every_followed_stream_stands() {
    let server = server_with_users();
    publish(&server, &jobs(), 0..3);
    let mut client = Client::welcomed(&as_user(&server, 7));
    client.send_json(&json!({ "type": "subscribe", "channels": ["jobs", "new"], "recoverable": true }));
    let answer = client.expect_type("subscribed");
    assert_eq!(members(&answer), BTreeSet::from(["type", "data", "timestamp"]));
    let data = &answer["data"];
    assert_eq!(members(data), BTreeSet::from(["channels", "positions", "resume"]));
    assert_eq!(data["channels"], json!(["jobs", "new"]));
    assert!(data["resume"].as_str().is_some_and(|token| token.len() >= 32), "{answer}");
    assert_eq!(members(&data["positions"]), BTreeSet::from(["jobs", "new", "user:7", "@all"]));
    for (stream, offset) in [("jobs", 3), ("new", 0), ("user:7", 0), ("@all", 0)] {
        let position = &data["positions"][stream];
        assert_eq!(members(position), BTreeSet::from(["epoch", "offset"]), "{position}");
        assert_eq!(position["offset"], offset, "{stream}");
        assert!(position["epoch"].as_str().is_some_and(|epoch| epoch.len() == 8), "{position}");
    }
    let mut anonymous = Client::welcomed(&server.ws());
    anonymous.send_json(&json!({ "type": "subscribe", "channels": [], "recoverable": true }));
    let answer = anonymous.expect_type("subscribed");
    assert_eq!(answer["data"]["channels"], json!([]));
    assert_eq!(members(&answer["data"]["positions"]), BTreeSet::from(["@all"]));
}

#[test]
fn events_are_plain_before_the_answer_and_have_their_place_after_it() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    client.subscribe(&["jobs"]);
    publish(&server, &jobs(), 0..1);
    assert_eq!(members(&client.expect_type("x")), BTreeSet::from(["type", "data", "timestamp"]));
    let mut follower = Follower::new();
    follower.subscribe(&mut client, &["jobs"]);
    assert_eq!(follower.offset("jobs"), 1);
    let ids = publish(&server, &jobs(), 1..2);
    let event = client.expect_type("x");
    let all = ["type", "data", "timestamp", "id", "channel", "offset", "epoch"];
    assert_eq!(members(&event), BTreeSet::from(all), "{event}");
    assert_eq!((&event["id"], &event["channel"], &event["offset"]), (&ids[0], &json!("jobs"), &json!(2)));
    assert_eq!(event["epoch"], follower.epoch("jobs"));
    assert!(follower.take(&event));
    // Everyone's events have their place too, and those of channels that were only subscribed to before.
    server.broadcast(&json!({ "type": "end" }));
    assert_eq!(follower.take_until(&mut client, "end").remove(0)["channel"], "@all");
}

#[test]
fn an_event_names_exactly_those_of_its_streams_that_the_connection_follows() {
    let server = server_with_users();
    let (mut client, mut follower) = follow(&as_user(&server, 7), &["jobs", "more"]);
    let (mut other, mut others) = follow(&as_user(&server, 8), &["jobs"]);
    server.broadcast(&json!({
        "type": "x", "channels": ["jobs", "jobs", "more", "unfollowed"], "channel": "jobs", "user_ids": [7, 9, "7"],
    }));
    let event = client.expect_type("x");
    let mut named: BTreeSet<&str> = members(&event["also"]);
    named.insert(event["channel"].as_str().expect("a name"));
    assert_eq!(named, BTreeSet::from(["jobs", "more", "user:7"]));
    assert!(follower.take(&event));
    assert_eq!(follower.offset("jobs"), 1, "named twice is one");
    let event = other.expect_type("x");
    assert_eq!((event.get("also"), &event["channel"]), (None, &json!("jobs")));
    assert!(others.take(&event));
    // What is for one connection alone has a place of its own, and moves no stream on.
    server.broadcast(&json!({ "type": "own", "connection_id": client.connection_id() }));
    let own = client.expect_type("own");
    assert_eq!((&own["channel"], &own["offset"]), (&json!("@connection"), &json!(1)));
    assert!(!follower.take(&own));
}

#[test]
fn who_comes_back_gets_what_was_missed_in_order_and_then_what_is_new() {
    let server = server_with_users();
    let (client, mut follower) = follow(&as_user(&server, 7), &["jobs", "more"]);
    client.cut();
    // Three streams and everyone's, mixed.
    let targets = [
        jobs(),
        json!({ "channel": "more", "user_id": 7 }),
        json!({}),
        json!({ "user_id": 7, "channels": ["jobs"] }),
    ];
    for n in 0..200 {
        publish(&server, &targets[n as usize % 4], n..n + 1);
    }
    let mut client = Client::welcomed(&as_user(&server, 7));
    let answer = follower.subscribe(&mut client, &["jobs", "more"]);
    for (stream, end) in [("jobs", 100), ("more", 50), ("user:7", 100), ("@all", 50)] {
        let told = &answer["data"]["positions"][stream];
        assert_eq!((&told["offset"], &told["recovered"]), (&json!(end), &json!(true)), "{stream}: {answer}");
    }
    server.broadcast(&json!({ "type": "end" }));
    let events = follower.take_until(&mut client, "end");
    assert_eq!(numbers(&events), (0..200).collect::<Vec<_>>());
    assert!(follower.lost().is_empty());
}

#[test]
fn an_event_that_was_had_in_one_stream_is_not_sent_again_and_the_other_offset_moves_on() {
    let server = server_with_users();
    let (client, follower) = follow(&as_user(&server, 7), &["jobs"]);
    client.cut();
    // Offsets: jobs 1, 2, 3; user:7 1, 2 with the second and third of jobs.
    publish(&server, &jobs(), 0..1);
    publish(&server, &json!({ "channel": "jobs", "user_id": 7 }), 1..3);
    let mut positions = follower.positions();
    positions["user:7"]["offset"] = json!(1);
    let mut client = Client::welcomed(&as_user(&server, 7));
    client.send_json(
        &json!({ "type": "subscribe", "channels": ["jobs"], "recoverable": true, "positions": positions }),
    );
    client.expect_type("subscribed");
    server.broadcast(&json!({ "type": "end" }));
    let events = client.collect_until("end");
    assert_eq!(numbers(&events), [0, 2], "the second event was had as that of user:7");
    // The third of jobs goes on from the second, which is not sent.
    let third = &events[1];
    let place = |stream: &str| {
        if third["channel"] == stream { &third["offset"] } else { &third["also"][stream] }
    };
    assert_eq!((place("jobs"), place("user:7")), (&json!(3), &json!(2)), "{third}");
}

#[test]
fn another_epoch_the_future_and_history_that_is_gone_are_not_recovered() {
    let (server, _file) =
        with_rules(&launch(), "[[channels]]\npattern = \"short\"\nhistory = { size = 5, age = \"10m\" }\n");
    let (client, follower) = follow(&server.ws(), &["short", "jobs"]);
    client.cut();
    publish(&server, &json!({ "channels": ["short", "jobs"] }), 0..6);
    let answer_to = |stream: &str, change: &dyn Fn(&mut Value)| {
        let mut position = follower.positions()[stream].clone();
        change(&mut position);
        let mut client = Client::welcomed(&server.ws());
        client.send_json(&json!({
            "type": "subscribe", "channels": [stream], "recoverable": true, "positions": { stream: position },
        }));
        let answer = client.expect_type("subscribed");
        server.broadcast(&json!({ "type": "end", "connection_id": client.connection_id() }));
        let events = numbers(&client.collect_until("end"));
        (answer["data"]["positions"][stream].clone(), events)
    };
    let is_lost = |(told, events): (Value, Vec<u64>), why: &str| {
        assert_eq!((&told["recovered"], &told["offset"]), (&json!(false), &json!(6)), "{why}");
        assert!(events.is_empty(), "{why}: {events:?}");
    };
    let is_recovered = |(told, events): (Value, Vec<u64>), from: u64| {
        assert_eq!((&told["recovered"], &told["offset"]), (&json!(true), &json!(6)));
        assert_eq!(events, (from..6).collect::<Vec<_>>());
    };
    let other_epoch = follower.epoch("short").to_owned();
    is_lost(answer_to("short", &|_| ()), "six were missed and five are kept");
    is_recovered(answer_to("short", &|position| position["offset"] = json!(1)), 1);
    is_recovered(answer_to("jobs", &|_| ()), 0);
    is_recovered(answer_to("jobs", &|position| position["offset"] = json!(6)), 6);
    is_lost(answer_to("jobs", &|position| position["offset"] = json!(7)), "the future");
    is_lost(answer_to("jobs", &|position| position["offset"] = json!((1_u64 << 53) - 1)), "the far future");
    is_lost(answer_to("jobs", &|position| position["epoch"] = json!(other_epoch)), "another stream's epoch");
    for epoch in ["", "x", "AAAAAAAA", "not an epoch of ours at all", "ÄÖÜ"] {
        is_lost(answer_to("jobs", &|position| position["epoch"] = json!(epoch)), epoch);
    }
}

#[test]
fn a_stream_in_memory_begins_a_new_epoch_at_each_start() {
    let first = server();
    let (client, mut follower) = follow(&first.ws(), &["jobs"]);
    client.cut();
    drop(first);
    let second = server();
    publish(&second, &jobs(), 0..2);
    let mut client = Client::welcomed(&second.ws());
    let before = (follower.epoch("jobs").to_owned(), follower.epoch("@all").to_owned());
    let answer = follower.subscribe(&mut client, &["jobs"]);
    for stream in ["jobs", "@all"] {
        assert_eq!(answer["data"]["positions"][stream]["recovered"], false, "{answer}");
    }
    assert!(follower.epoch("jobs") != before.0 && follower.epoch("@all") != before.1);
    assert_eq!((follower.offset("jobs"), follower.offset("@all")), (2, 0));
}

#[test]
fn positions_of_the_wrong_shape_are_refused_and_disturb_nothing() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    let (mut client, mut follower) = follow(&server.ws(), &["jobs"]);
    let good = |offset: Value| json!({ "epoch": follower.epoch("jobs"), "offset": offset });
    let wrong = [
        json!([]),
        json!("jobs"),
        json!(7),
        json!(true),
        json!({ "jobs": null }),
        json!({ "jobs": 17 }),
        json!({ "jobs": [] }),
        json!({ "jobs": {} }),
        json!({ "jobs": { "epoch": "x" } }),
        json!({ "jobs": { "offset": 1 } }),
        json!({ "jobs": { "epoch": 5, "offset": 1 } }),
        json!({ "jobs": { "epoch": null, "offset": 1 } }),
        json!({ "jobs": good(json!(-1)) }),
        json!({ "jobs": good(json!(1.5)) }),
        json!({ "jobs": good(json!("1")) }),
        json!({ "jobs": good(json!(null)) }),
        json!({ "jobs": good(json!(1_u64 << 53)) }),
        json!({ "jobs": good(json!(u64::MAX)) }),
        json!({ "jobs": good(json!(1e3)) }),
        json!({ "other": {}, "jobs": good(json!(0)) }),
    ];
    let ask = |client: &mut Client, positions: &str| {
        client.send_text(&format!(
            r#"{{"type":"subscribe","channels":["more"],"recoverable":true,"positions":{positions}}}"#
        ));
        let error = client.expect_error("invalid_frame");
        assert!(error["data"]["message"].as_str().is_some_and(|told| told.contains("positions")), "{error}");
    };
    for positions in &wrong {
        ask(&mut client, &positions.to_string());
    }
    ask(&mut client, r#"{"jobs":{"epoch":"x","offset":1},"jobs":{"epoch":"x","offset":2}}"#);
    for recoverable in ["1", "\"true\"", "[]", "{}"] {
        client
            .send_text(&format!(r#"{{"type":"subscribe","channels":["more"],"recoverable":{recoverable}}}"#));
        client.expect_error("invalid_frame");
    }
    server.broadcast(&json!({ "type": "end", "channels": ["jobs", "more"] }));
    let end = follower.take_until(&mut client, "end").remove(0);
    assert_eq!(end.get("also"), None, "nothing of it was subscribed: {end}");
}

#[test]
fn unknown_members_are_ignored_and_members_may_stand_in_data() {
    let server = server();
    let (client, follower) = follow(&server.ws(), &["jobs"]);
    client.cut();
    publish(&server, &jobs(), 0..2);
    let mut positions = follower.positions();
    positions["jobs"]["more"] = json!([{ "unknown": 1 }]);
    positions["unfollowed"] = json!({ "epoch": "whatever", "offset": 5 });
    positions["not a name at all"] = json!({ "epoch": "", "offset": 0 });
    let mut client = Client::welcomed(&server.ws());
    client.send_json(&json!({
        "type": "subscribe", "unknown": { "a": [1] }, "recoverable": null,
        "data": { "channel": "jobs", "recoverable": true, "positions": positions, "x": 1 },
    }));
    let answer = client.expect_type("subscribed");
    assert_eq!(members(&answer["data"]["positions"]), BTreeSet::from(["jobs", "@all"]));
    assert_eq!(answer["data"]["positions"]["jobs"]["recovered"], true);
    assert_eq!(numbers(&[client.next_json(), client.next_json()]), [0, 1]);
    // Without the wish positions are not looked at, whatever they are.
    let mut plain = Client::welcomed(&server.ws());
    plain.send_json(&json!({ "type": "subscribe", "channels": ["jobs"], "positions": "nonsense" }));
    assert_eq!(members(&plain.expect_type("subscribed")["data"]), BTreeSet::from(["channels"]));
}

#[test]
fn a_thousand_positions_are_read_and_more_are_refused() {
    let server = launch().env("WS_MAX_MESSAGE", "2MiB").start();
    let (mut client, follower) = follow(&server.ws(), &["jobs"]);
    let with = |count: usize| {
        let mut positions = follower.positions();
        for n in positions.as_object().map_or(0, serde_json::Map::len)..count {
            positions[format!("stream-{n}")] = json!({ "epoch": "AAAAAAAA", "offset": n });
        }
        json!({ "type": "subscribe", "channels": ["jobs"], "recoverable": true, "positions": positions })
    };
    for count in [1_001, 10_000] {
        client.send_json(&with(count));
        client.expect_error("invalid_frame");
    }
    publish(&server, &jobs(), 0..1);
    client.expect_type("x");
    let mut client = Client::welcomed(&server.ws());
    client.send_json(&with(1_000));
    let answer = client.expect_type("subscribed");
    assert_eq!(answer["data"]["positions"]["jobs"]["recovered"], true);
    assert_eq!(client.expect_type("x")["offset"], 1);
    // With the default bound the message itself is too large, which ends only this connection.
    let server = self::server();
    let (mut other, mut others) = follow(&server.ws(), &["jobs"]);
    let mut client = Client::welcomed(&server.ws());
    client.send_json(&with(10_000));
    assert_eq!(client.expect_close().0, 1009);
    server.broadcast(&json!({ "type": "end" }));
    others.take_until(&mut other, "end");
}

#[test]
fn ten_thousand_streams_in_one_subscribe_get_a_hundred_and_one_answer() {
    let server = launch().env("WS_MAX_MESSAGE", "2MiB").start();
    let (mut other, mut others) = follow(&server.ws(), &["jobs"]);
    let names: Vec<String> = (0..10_000).map(|n| format!("stream-{n}")).collect();
    let mut client = Client::welcomed(&server.ws());
    client.send_json(&json!({ "type": "subscribe", "channels": names, "recoverable": true }));
    client.expect_error("too_many_channels");
    let answer = client.expect_type("subscribed");
    assert_eq!(answer["data"]["channels"], json!(names[..100]));
    assert_eq!(answer["data"]["positions"].as_object().map(serde_json::Map::len), Some(101));
    server.broadcast(&json!({ "type": "end" }));
    others.take_until(&mut other, "end");
}

#[test]
fn a_later_subscribe_adds_channels_and_the_others_go_on() {
    let server = server();
    publish(&server, &json!({ "channel": "more" }), 0..3);
    let (mut client, mut follower) = follow(&server.ws(), &["jobs"]);
    let first = follower.token().to_owned();
    for n in 0..20 {
        publish(&server, &jobs(), n..n + 1);
        if n == 10 {
            client.send_json(&json!({ "type": "subscribe", "channels": ["more"], "recoverable": true }));
        }
    }
    let mut events = Vec::new();
    let answer = loop {
        let frame = client.next_json();
        if frame["type"] == "subscribed" {
            break frame;
        }
        follower.take(&frame);
        events.push(frame);
    };
    follower.answered(&answer);
    assert_eq!(members(&answer["data"]["positions"]), BTreeSet::from(["jobs", "more", "@all"]));
    assert_eq!((follower.offset("more"), follower.token() == first), (3, false));
    server.broadcast(&json!({ "type": "end", "channels": ["jobs", "more"] }));
    events.extend(follower.take_until(&mut client, "end"));
    assert_eq!(numbers(&events), (0..20).collect::<Vec<_>>());
    assert_eq!((follower.offset("jobs"), follower.offset("more")), (21, 4));
    // One that does not ask again for recovery is answered in the same way, since the connection recovers.
    client.send_json(&json!({ "type": "subscribe", "channels": ["third"] }));
    follower.answered(&client.expect_type("subscribed"));
    client.unsubscribe(&["more"]);
    server.broadcast(&json!({ "type": "end", "channels": ["jobs", "more", "third"] }));
    let end = client.expect_type("end");
    assert!(follower.take(&end));
    assert!(end["channel"] != "more" && end["also"].get("more").is_none(), "{end}");
}

#[test]
fn what_is_not_for_a_connection_is_not_told_to_it_later_either() {
    let server = server();
    let (client, mut follower) = follow(&server.ws(), &["jobs"]);
    let id = client.connection_id().to_owned();
    publish(&server, &json!({ "channel": "jobs", "except_connection_id": id }), 0..1);
    publish(&server, &json!({ "channel": "jobs" }), 1..2);
    client.cut();
    publish(&server, &json!({ "channel": "jobs", "except_connection_id": id }), 2..3);
    let mut client = Client::welcomed(&server.ws());
    client.send_json(&follower.resume_frame());
    let answer = client.expect_type("resumed");
    assert_eq!(answer["data"]["positions"]["jobs"]["recovered"], true);
    follower.answered(&answer);
    server.broadcast(&json!({ "type": "end", "channel": "jobs" }));
    let events = client.collect_until("end");
    assert_eq!(numbers(&events), [1], "the token says that it is the connection that was left out");
    assert_eq!(events.last().expect("the end")["offset"], 4);
}

#[test]
fn a_stream_that_keeps_nothing_counts_on_and_recovers_only_who_missed_nothing() {
    let (server, _file) =
        with_rules(&launch(), "[[channels]]\npattern = \"jobs\"\nhistory = { size = 0, age = \"10m\" }\n");
    let (mut client, mut follower) = follow(&server.ws(), &["jobs"]);
    publish(&server, &jobs(), 0..2);
    assert!(follower.take(&client.next_json()) && follower.take(&client.next_json()));
    client.cut();
    let mut client = Client::welcomed(&server.ws());
    let answer = follower.subscribe(&mut client, &["jobs"]);
    assert_eq!(answer["data"]["positions"]["jobs"]["recovered"], true, "{answer}");
    client.cut();
    publish(&server, &jobs(), 2..3);
    let mut client = Client::welcomed(&server.ws());
    let answer = follower.subscribe(&mut client, &["jobs"]);
    assert_eq!(answer["data"]["positions"]["jobs"]["recovered"], false, "{answer}");
    publish(&server, &jobs(), 3..4);
    assert!(follower.take(&client.next_json()));
    client.send_json(&json!({ "type": "history", "channel": "jobs" }));
    assert_eq!(client.expect_type("history")["data"]["events"], json!([]));
}

#[test]
fn a_replay_waits_for_who_reads_slowly_and_live_events_wait_behind_it() {
    let server = launch().env("SHARDS", "1").start();
    let (client, mut follower) = follow(&server.ws(), &["jobs"]);
    client.cut();
    let event = |n: u64| json!({ "type": "x", "channel": "jobs", "data": [n, "x".repeat(40_000)] });
    for n in 0..400 {
        server.broadcast(&event(n));
    }
    // 16 MB for a client that takes nothing yet: far beyond the outbox.
    let mut slow = RawClient::connect_with_buffer(server.address(), 64 << 10);
    assert_eq!(slow.upgrade("/ws", &[]).status, 101);
    slow.send(&Frame::text(follower.subscribe_frame(&["jobs"]).to_string()));
    let (mut other, mut others) = follow(&server.ws(), &["jobs"]);
    for n in 400..440 {
        server.broadcast(&event(n));
    }
    server.broadcast(&json!({ "type": "end", "channel": "jobs" }));
    assert_eq!(others.take_until(&mut other, "end").len(), 41, "nobody else waits");
    let mut told = Vec::new();
    loop {
        let frame = slow.next_frame().expect("a frame");
        if frame.opcode == 9 {
            continue;
        }
        let frame: Value = serde_json::from_slice(&frame.payload).expect("JSON");
        match frame["type"].as_str() {
            Some("subscribed") => follower.answered(&frame),
            Some("x") => {
                follower.take(&frame);
                told.push(frame["data"][0].as_u64().expect("a number"));
            }
            Some("end") => break,
            _ => {}
        }
    }
    assert_eq!(told, (0..440).collect::<Vec<_>>());
}

#[test]
fn many_who_come_back_at_once_are_all_served_and_a_publisher_goes_on() {
    let server = launch().env("SHARDS", "2").start();
    let (client, first) = follow(&server.ws(), &["jobs"]);
    client.cut();
    publish(&server, &jobs(), 0..500);
    let mut returning: Vec<(Client, Follower)> = (0..50)
        .map(|_| {
            let mut client = Client::welcomed(&server.ws());
            client.send_json(&first.subscribe_frame(&["jobs"]));
            (client, first.clone())
        })
        .collect();
    publish(&server, &jobs(), 500..600);
    server.broadcast(&json!({ "type": "end", "channel": "jobs" }));
    for (client, follower) in &mut returning {
        follower.answered(&client.next_json_within(Duration::from_secs(30)));
        assert_eq!(numbers(&follower.take_until(client, "end")), (0..600).collect::<Vec<_>>());
    }
}

#[test]
fn names_and_depth_at_their_limits_are_taken_and_beyond_refused() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    let longest = format!("{}@=:./_-Z9", "n".repeat(191));
    let (client, mut follower) = follow(&server.ws(), &[&longest]);
    client.cut();
    publish(&server, &json!({ "channel": longest }), 0..3);
    let mut client = Client::welcomed(&server.ws());
    follower.subscribe(&mut client, &[&longest]);
    server.broadcast(&json!({ "type": "end", "channel": longest }));
    assert_eq!(numbers(&follower.take_until(&mut client, "end")), [0, 1, 2]);
    for name in [format!("{longest}x"), "\u{0}".into(), "a,b".into(), "@mine".into()] {
        client.send_json(&json!({ "type": "subscribe", "channels": [name], "recoverable": true }));
        client.expect_error("invalid_channel");
        assert_eq!(client.expect_type("subscribed")["data"]["channels"], json!([]));
        let answer = server.post("/broadcast", &json!({ "type": "x", "channel": name }));
        assert_eq!((answer.status, answer.problem_code().as_str()), (422, "invalid"));
    }
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [126, 2_000] {
        client.send_text(&format!(
            r#"{{"type":"subscribe","channels":["jobs"],"recoverable":true,"positions":{}}}"#,
            nested(depth)
        ));
        client.expect_error(if depth < 128 { "invalid_frame" } else { "invalid_json" });
    }
    client.send_text(&format!(r#"{{"type":"resume","token":{}}}"#, nested(30_000)));
    client.expect_error("invalid_json");
    // An unknown member may hold what it likes, within the depth.
    client.send_text(&format!(r#"{{"type":"history","channel":"{longest}","x":{}}}"#, nested(126)));
    assert_eq!(client.expect_type("history")["data"]["events"].as_array().map(Vec::len), Some(4));
}
