//! Going on where a dropped connection was: tokens, who may use them and how often, and what they restore.
//!
//! Not here: that a token ends after two minutes (the engine's clock is a test's there).

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};
use test_kit::{Client, Directory, Follower, Launch, Server, Signer};

use super::recovery::{as_user, follow, numbers, publish, with_rules};
use super::{SECRET, TextFile, launch, server, server_with_users, with_token};

/// A server whose channels are all on disk in `data`.
fn durable(data: &Directory) -> Launch {
    let rules = "[[channels]]\npattern = \"*\"\nhistory = { size = 1000, age = \"1h\", durable = true }\n";
    let rules = data.write("rules.toml", rules);
    launch()
        .env("FANFARE_DATA", data.path().join("hub"))
        .env("FANFARE_CONFIG", rules)
        .env("JWT_SECRET", SECRET)
}

/// What a resume with this frame is refused with.
#[track_caller]
fn expect_not_found(url: &str, frame: &Value) -> Client {
    let mut client = Client::welcomed(url);
    client.send_json(frame);
    client.expect_error("not_found");
    client
}

fn names(list: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = list.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_dropped_connection_is_resumed_with_its_channels_and_gets_what_it_missed() {
    let server = launch().env("SHARDS", "2").env("JWT_SECRET", SECRET).start();
    let (mut client, mut follower) = follow(&as_user(&server, 7), &["jobs", "more", "gone"]);
    client.unsubscribe(&["gone"]);
    for round in 0..10 {
        let first = follower.token().to_owned();
        client.cut();
        publish(&server, &json!({ "channels": ["jobs", "gone"], "user_id": 7 }), round * 10..round * 10 + 5);
        client = Client::welcomed(&as_user(&server, 7));
        let answer = follower.resume(&mut client);
        assert_eq!(names(&answer["data"]["channels"]), ["jobs", "more"], "{answer}");
        assert_ne!(follower.token(), first);
        for stream in ["jobs", "more", "user:7", "@all"] {
            assert_eq!(answer["data"]["positions"][stream]["recovered"], true, "{stream}: {answer}");
        }
        assert_eq!(answer["data"]["positions"].as_object().map(serde_json::Map::len), Some(4));
        publish(&server, &json!({ "channels": ["jobs", "more"] }), round * 10 + 5..round * 10 + 10);
        server.broadcast(&json!({ "type": "end" }));
        let events = follower.take_until(&mut client, "end");
        assert_eq!(numbers(&events), (round * 10..round * 10 + 10).collect::<Vec<_>>());
    }
    assert_eq!(server.metric("fanfare_resumes_total", &["resumed"]), Some(10.0));
}

#[test]
fn a_token_works_once() {
    let server = server();
    let (client, mut follower) = follow(&server.ws(), &["jobs"]);
    client.cut();
    let used = follower.resume_frame();
    let mut client = Client::welcomed(&server.ws());
    follower.resume(&mut client);
    let mut refused = expect_not_found(&server.ws(), &used);
    // The connection itself is none the worse, on both sides.
    follower.clone().subscribe(&mut refused, &["jobs"]);
    server.broadcast(&json!({ "type": "end", "channel": "jobs" }));
    follower.take_until(&mut client, "end");
    refused.expect_type("end");
}

#[test]
fn of_two_who_resume_at_once_exactly_one_wins() {
    let server = launch().env("SHARDS", "2").start();
    for round in 0..30 {
        let (mut client, follower) = follow(&server.ws(), &["jobs"]);
        // Every second time the hub has not noticed that the connection dropped.
        if round % 2 == 0 {
            assert_eq!(client.close().0, 1000);
        }
        let clients: Vec<Client> = (0..4).map(|_| Client::welcomed(&server.ws())).collect();
        let (begin, frame) = (&Barrier::new(4), &follower.resume_frame());
        let answers: Vec<Value> = thread::scope(|scope| {
            let resume = |mut client: Client| {
                scope.spawn(move || {
                    begin.wait();
                    client.send_json(frame);
                    client.next_json()
                })
            };
            let running: Vec<_> = clients.into_iter().map(resume).collect();
            running.into_iter().map(|one| one.join().expect("an answer")).collect()
        });
        let won = answers.iter().filter(|answer| answer["type"] == "resumed").count();
        let lost = answers.iter().filter(|answer| answer["data"]["code"] == "not_found").count();
        assert_eq!((won, lost), (1, 3), "{answers:?}");
        if round % 2 == 1 {
            assert_eq!(client.expect_close().0, 4011);
        }
    }
}

#[test]
fn a_token_takes_over_from_a_connection_that_is_still_open() {
    let server = launch().env("SHARDS", "2").start();
    for n in 0..4 {
        let (mut old, mut follower) = follow(&server.ws(), &["jobs"]);
        publish(&server, &json!({ "channel": "jobs" }), n..n + 1);
        let mut new = Client::welcomed(&server.ws());
        follower.resume(&mut new);
        let (events, code, reason) = old.collect_until_close(test_kit::wait::PATIENCE);
        // What was on its way to the old one may go with it.
        assert!(numbers(&events).len() <= 1 && code == 4011, "{code} {reason} {events:?}");
        server.broadcast(&json!({ "type": "end", "channel": "jobs" }));
        assert_eq!(
            numbers(&follower.take_until(&mut new, "end")),
            [n],
            "what arrived is the client's to say"
        );
    }
}

#[test]
fn a_token_of_somebody_else_is_not_found_and_stays_good() {
    let server = server_with_users();
    let (client, mut follower) = follow(&as_user(&server, 7), &["jobs"]);
    client.cut();
    server.wait_for_connections(0);
    let frame = follower.resume_frame();
    expect_not_found(&as_user(&server, 8), &frame);
    expect_not_found(&server.ws(), &frame);
    // The number and the text are one user.
    let mut client = Client::welcomed(&as_user(&server, "7"));
    follower.resume(&mut client);
    // One of nobody is not for somebody either.
    let (nobody, mut nobodys) = follow(&server.ws(), &["jobs"]);
    nobody.cut();
    expect_not_found(&as_user(&server, 7), &nobodys.resume_frame());
    nobodys.resume(&mut Client::welcomed(&server.ws()));
    // While it is still open a foreign one does not close it.
    expect_not_found(&as_user(&server, 8), &follower.resume_frame());
    server.broadcast(&json!({ "type": "end" }));
    follower.take_until(&mut client, "end");
}

#[test]
fn tokens_that_are_none_are_not_found_or_refused_by_their_shape() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    let (client, follower) = follow(&server.ws(), &["jobs"]);
    client.cut();
    let good = follower.token().to_owned();
    let mut client = Client::welcomed(&server.ws());
    let (half, longer) = (&good[..good.len() / 2], format!("{good}{good}"));
    let mut changed = good.clone().into_bytes();
    changed[0] = if changed[0] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("ASCII");
    let upper = good.to_uppercase();
    for token in
        ["", "x", half, &longer, &changed, &upper, &format!("{good}="), &format!(" {good}"), "ÄÖÜ", "\u{0}"]
    {
        client.send_json(&json!({ "type": "resume", "token": token, "positions": {} }));
        client.expect_error("not_found");
    }
    for token in [json!(7), json!(null), json!([good]), json!({})] {
        client.send_json(&json!({ "type": "resume", "token": token }));
        client.expect_error("invalid_frame");
    }
    client.send_json(&json!({ "type": "resume" }));
    client.expect_error("invalid_frame");
    client.send_json(&json!({ "type": "resume", "token": good, "positions": 7 }));
    client.expect_error("invalid_frame");
    // None of this used it up, nor the connection's right to resume.
    client.send_json(&json!({ "type": "resume", "token": good, "positions": follower.positions() }));
    client.expect_type("resumed");
    client.send_json(&json!({ "type": "resume", "token": good }));
    client.expect_error("invalid_frame");
}

#[test]
fn a_stream_without_a_position_is_not_recovered() {
    let server = server_with_users();
    let (client, mut follower) = follow(&as_user(&server, 7), &["jobs"]);
    client.cut();
    publish(&server, &json!({ "channel": "jobs", "user_id": 7 }), 0..3);
    let mut client = Client::welcomed(&as_user(&server, 7));
    client.send_json(&json!({ "type": "resume", "token": follower.token() }));
    let answer = client.expect_type("resumed");
    for (stream, offset) in [("jobs", 3), ("user:7", 3), ("@all", 0)] {
        let told = &answer["data"]["positions"][stream];
        assert_eq!((&told["recovered"], &told["offset"]), (&json!(false), &json!(offset)), "{answer}");
    }
    follower.answered(&answer);
    server.broadcast(&json!({ "type": "end", "channel": "jobs" }));
    assert_eq!(follower.take_until(&mut client, "end").len(), 1);
    // Some with and some without.
    client.cut();
    publish(&server, &json!({ "channel": "jobs", "user_id": 7 }), 3..5);
    let mut client = Client::welcomed(&as_user(&server, 7));
    let positions = json!({ "user:7": follower.positions()["user:7"] });
    client.send_json(&json!({ "type": "resume", "token": follower.token(), "positions": positions }));
    let answer = client.expect_type("resumed");
    let told = &answer["data"]["positions"];
    assert_eq!((&told["user:7"]["recovered"], &told["jobs"]["recovered"]), (&json!(true), &json!(false)));
    server.broadcast(&json!({ "type": "end" }));
    assert_eq!(numbers(&client.collect_until("end")), [3, 4], "by the stream that it has told of");
}

#[test]
fn a_memory_hub_that_restarts_knows_no_tokens_and_positions_decide() {
    let first = server();
    let (client, follower) = follow(&first.ws(), &["jobs"]);
    drop((client, first));
    let second = server();
    let mut client = expect_not_found(&second.ws(), &follower.resume_frame());
    let answer = follower.clone().subscribe(&mut client, &["jobs"]);
    assert_eq!(answer["data"]["positions"]["jobs"]["recovered"], false);
}

#[test]
fn a_token_outlives_a_kill_and_works_once_over_all_restarts() {
    let data = Directory::new();
    let first = durable(&data).start();
    let (_client, mut follower) = follow(&as_user(&first, 7), &["jobs", "more"]);
    publish(&first, &json!({ "channel": "jobs" }), 0..3);
    // The write of the token waits for a publication at the latest; this one is behind it.
    publish(&first, &json!({ "channel": "jobs" }), 3..4);
    drop(first);
    let second = durable(&data).start();
    publish(&second, &json!({ "channel": "jobs", "user_id": 7 }), 4..6);
    let frame = follower.resume_frame();
    expect_not_found(&as_user(&second, 8), &frame);
    let mut client = Client::welcomed(&as_user(&second, 7));
    let answer = follower.resume(&mut client);
    assert_eq!(names(&answer["data"]["channels"]), ["jobs", "more"]);
    assert!(follower.lost().is_empty(), "{answer}");
    publish(&second, &json!({ "channel": "jobs" }), 6..7);
    second.broadcast(&json!({ "type": "end" }));
    assert_eq!(numbers(&follower.take_until(&mut client, "end")), (0..7).collect::<Vec<_>>());
    expect_not_found(&as_user(&second, 7), &frame);
    publish(&second, &json!({ "channel": "jobs" }), 7..8);
    drop(second);
    let third = durable(&data).start();
    expect_not_found(&as_user(&third, 7), &frame);
    let mut client = Client::welcomed(&as_user(&third, 7));
    follower.resume(&mut client);
    third.broadcast(&json!({ "type": "end" }));
    assert_eq!(numbers(&follower.take_until(&mut client, "end")), [7]);
}

#[test]
fn a_token_outlives_a_drain() {
    let data = Directory::new();
    let mut first = durable(&data).start();
    let (mut client, mut follower) = follow(&first.ws(), &["jobs"]);
    first.terminate();
    let (code, reason) = client.expect_close();
    assert_eq!(code, 1001, "{reason}");
    assert_eq!(first.wait(), Some(0));
    let second = durable(&data).start();
    publish(&second, &json!({ "channel": "jobs" }), 0..1);
    let mut client = Client::welcomed(&second.ws());
    let answer = follower.resume(&mut client);
    assert_eq!(names(&answer["data"]["channels"]), ["jobs"]);
    second.broadcast(&json!({ "type": "end" }));
    assert_eq!(numbers(&follower.take_until(&mut client, "end")), [0]);
}

#[test]
fn a_channel_that_the_rules_no_longer_allow_is_not_restored() {
    let data = Directory::new();
    let first = durable(&data).start();
    let (_client, mut follower) = follow(&as_user(&first, 7), &["jobs", "closed"]);
    publish(&first, &json!({ "channels": ["jobs", "closed"] }), 0..1);
    publish(&first, &json!({ "channels": ["jobs", "closed"] }), 1..2);
    drop(first);
    let rules = "[[channels]]\npattern = \"closed\"\nsubscribe = \"nobody\"\n\n\
        [[channels]]\npattern = \"*\"\nhistory = { size = 1000, age = \"1h\", durable = true }\n";
    let stricter = TextFile::new("rules.toml", rules);
    let second = durable(&data).env("FANFARE_CONFIG", stricter.path()).start();
    let mut client = Client::welcomed(&as_user(&second, 7));
    client.send_json(&follower.resume_frame());
    let mut answer = client.next_json();
    while answer["type"] == "error" {
        assert_eq!(
            (&answer["data"]["code"], &answer["data"]["channel"]),
            (&json!("forbidden"), &json!("closed"))
        );
        answer = client.next_json();
    }
    assert_eq!((&answer["type"], names(&answer["data"]["channels"])), (&json!("resumed"), vec!["jobs"]));
    assert_eq!(answer["data"]["positions"].get("closed"), None, "{answer}");
    follower.answered(&answer);
    publish(&second, &json!({ "channel": "closed" }), 2..3);
    second.broadcast(&json!({ "type": "end" }));
    let events = client.collect_until("end");
    assert_eq!(numbers(&events), [0, 1], "those that were in jobs too");
    assert!(
        events.iter().all(|event| event["channel"] != "closed" && event.get("also").is_none()),
        "{events:?}"
    );
}

#[test]
fn a_connection_that_is_not_resumed_has_no_rights_of_the_token() {
    // An employer's token, whose connection followed `payments`, does nothing for the same user as a worker.
    let server = server_with_users();
    let signer = Signer::hs256(SECRET);
    let employer = with_token(&server, &signer.user_of_type(7, "employer"));
    let worker = with_token(&server, &signer.user_of_type(7, "worker"));
    let (client, follower) = follow(&employer, &["payments", "jobs"]);
    client.cut();
    publish(&server, &json!({ "channel": "payments" }), 0..1);
    let mut client = Client::welcomed(&worker);
    client.send_json(&follower.resume_frame());
    let answer = client.expect_type("resumed");
    assert_eq!(names(&answer["data"]["channels"]), ["jobs"]);
    assert_eq!(answer["data"]["positions"].get("payments"), None, "{answer}");
    publish(&server, &json!({ "channel": "payments" }), 1..2);
    server.broadcast(&json!({ "type": "end" }));
    assert!(numbers(&client.collect_until("end")).is_empty());
}

#[test]
fn a_resumed_subscription_counts_where_it_did_before() {
    let (server, _file) = with_rules(&launch(), "[[channels]]\npattern = \"x\"\nsubscribe = \"anyone\"\n");
    let (client, mut follower) = follow(&server.ws(), &["jobs"]);
    client.cut();
    server.wait_for_connections(0);
    let mut client = Client::welcomed(&server.ws());
    follower.resume(&mut client);
    assert_eq!(server.stats(), json!({ "total": 1, "by_channel": { "jobs": 1 } }));
    assert_eq!(client.subscribe(&["jobs"])["data"]["channels"], json!(["jobs"]));
    assert_eq!(server.stats()["by_channel"], json!({ "jobs": 1 }));
    client.unsubscribe(&["jobs"]);
    assert_eq!(server.stats()["by_channel"], json!({}));
}

#[test]
fn a_thousand_resumes_with_bad_tokens_cost_the_others_nothing() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    let (mut other, mut others) = follow(&server.ws(), &["jobs"]);
    let mut client = Client::welcomed(&server.ws());
    let token = Follower::clone(&others).token().to_owned();
    for n in 0..1_000 {
        // Well-formed, and never signed.
        let end = format!("{n:04}");
        let token = format!("{}{end}", &token[..token.len() - 4]);
        if token != others.token() {
            client.send_json(&json!({ "type": "resume", "token": token, "positions": others.positions() }));
        }
    }
    publish(&server, &json!({ "channel": "jobs" }), 0..10);
    server.broadcast(&json!({ "type": "end" }));
    assert_eq!(others.take_until(&mut other, "end").len(), 11);
    let answers = client.collect_until("end");
    assert!(answers.iter().all(|frame| frame["type"] == "end" || frame["data"]["code"] == "not_found"));
    wait_for_one(&server);
}

/// The connection that was asked for with bad tokens is still there.
#[track_caller]
fn wait_for_one(server: &Server) {
    assert_eq!(server.stats()["by_channel"], json!({ "jobs": 1 }));
}
