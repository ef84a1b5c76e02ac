//! `fanfare up`: the worlds of dashboard, tasks and receipts, as their clients find them there.
//!
//! Not here: how they speak (the hub's tests).

use serde_json::json;
use test_kit::{Client, Launch, Signer};

use crate::stack::directory;

const SECRET: &str = "a-secret-of-the-tests-with-more-than-32-bytes";

fn up() -> Launch {
    let up = Launch::new(env!("CARGO_BIN_EXE_fanfare")).arg("up").env("FANFARE_DATA", directory());
    up.env("JWT_SECRET", SECRET).env("DASHBOARD_PORT", "0").env("RECEIPTS_PORT", "0")
}

/// What a subscribe to user 7 is answered.
#[track_caller]
fn subscribe(client: &mut Client) -> String {
    client.send_json(&json!({ "type": "subscribe", "userId": 7 }));
    client.next_json()["type"].as_str().expect("a type").to_owned()
}

#[test]
fn on_loopback_any_user_may_be_named_but_not_through_a_proxy() {
    let server = up().start();
    server.wait_for_log("the dashboard takes any userId without a token");
    assert_eq!(subscribe(&mut Client::connect(&server.ws_at("/"))), "subscribed");
    for (name, value) in
        [("X-Forwarded-For", "203.0.113.7"), ("Forwarded", "for=203.0.113.7"), ("X-Forwarded-Proto", "https")]
    {
        let through_a_proxy = |path: &str| Client::dial(&server.ws_at(path)).header(name, value);
        assert_eq!(subscribe(&mut through_a_proxy("/").connect()), "error", "{name}");
        let bad = through_a_proxy("/?token=garbage").connect().expect_close();
        assert_eq!(bad, (4001, "Unauthorized".to_owned()), "{name}");
        let own = format!("/?token={}", Signer::hs256(SECRET).user(7));
        assert_eq!(subscribe(&mut through_a_proxy(&own).connect()), "subscribed", "{name}");
        let other = format!("/?token={}", Signer::hs256(SECRET).user(8));
        assert_eq!(subscribe(&mut through_a_proxy(&other).connect()), "error", "{name}");
    }
}

#[test]
fn where_others_may_reach_it_or_a_policy_is_set_no_user_can_be_named_without_a_token() {
    for (name, value) in [("HOST", "0.0.0.0"), ("DASHBOARD_AUTH", "optional"), ("FANFARE_ENV", "production")]
    {
        let server = up().env(name, value).start();
        let url = format!("ws://127.0.0.1:{}/", server.address().port());
        assert_eq!(subscribe(&mut Client::connect(&url)), "error", "{name}={value}");
        assert!(!server.log().contains("takes any userId"), "{name}={value}");
    }
    let server = up().env("DASHBOARD_AUTH", "required").start();
    assert_eq!(Client::connect(&server.ws_at("/")).expect_close().0, 4001);
}

#[test]
fn all_worlds_are_there_at_once() {
    let server = up().start();
    let token = Signer::hs256(SECRET).user(7);
    let mut board = Client::connect(&server.ws_at("/"));
    assert_eq!(subscribe(&mut board), "subscribed");
    let mut tasks = Client::connect(&server.ws_at(&format!("/ws/notifications/?token={token}")));
    tasks.expect_type("connection_established");
    let mut channels = Client::welcomed(&server.ws_at(&format!("/ws?token={token}")));
    let line = server.wait_for_log("receipts on http://");
    let port = line.rsplit(':').next().expect("a port");
    let mut receipts = Client::connect(&format!("ws://127.0.0.1:{port}/"));
    let event = json!({ "type": "x", "user_id": 7, "channel": "receipts", "data": { "n": 1 } });
    assert_eq!(server.broadcast(&event)["recipients"], 4);
    for client in [&mut board, &mut tasks, &mut receipts] {
        assert_eq!(client.expect_type("x")["n"], 1);
    }
    assert_eq!(channels.expect_type("x")["data"]["n"], 1);
}

#[test]
fn after_a_kill_dashboards_come_back_by_their_ids_and_miss_nothing() {
    let data = directory();
    let up = up().env("FANFARE_DATA", &data);
    let server = up.start();
    let mut client = Client::connect(&server.ws_at("/"));
    client.send_json(&json!({ "type": "subscribe", "userId": 7 }));
    let id = client.expect_type("subscribed")["connectionId"].clone();
    for n in 0..3 {
        server.broadcast(&json!({ "type": "x", "user_id": 7, "data": { "n": n } }));
    }
    drop(server);
    let server = up.start();
    server.broadcast(&json!({ "type": "x", "user_id": 7, "data": { "n": 3 } }));
    let mut client = Client::connect(&server.ws_at("/"));
    client.send_json(&json!({ "type": "reconnect", "connectionId": id }));
    client.expect_type("subscribed");
    for n in 0..4 {
        assert_eq!(client.expect_type("x")["n"], n);
    }
}
