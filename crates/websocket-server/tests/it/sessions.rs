//! Sessions that a publisher ends: the event first, then the close, and nobody else's; and who may end them.

use serde_json::{Value, json};
use test_kit::http::post_json;
use test_kit::token::in_seconds;
use test_kit::wait::PATIENCE;
use test_kit::{Client, Server, Signer, eventually};

use super::broadcast::expect_problem;
use super::{SECRET, launch, server, server_with_users, with_token};

fn token(user: u64, session: Option<&str>) -> String {
    let claims = json!({ "user_id": user, "sid": session, "exp": in_seconds(3_600) });
    Signer::hs256(SECRET).token(&claims)
}

fn client(server: &Server, user: u64, session: Option<&str>) -> Client {
    Client::welcomed(&with_token(server, &token(user, session)))
}

/// What came, in its order, and the close.
fn end_of(client: &mut Client) -> (Vec<Value>, (u16, String)) {
    let (frames, code, reason) = client.collect_until_close(PATIENCE);
    (frames.into_iter().map(|frame| frame["type"].clone()).collect(), (code, reason))
}

fn unauthorized() -> (u16, String) {
    (4001, "Unauthorized".to_owned())
}

#[test]
fn an_ended_session_gets_its_event_and_is_closed_and_the_others_stay() {
    let server = server_with_users();
    let mut ended: Vec<Client> = (0..5).map(|_| client(&server, 7, Some("s-1"))).collect();
    let mut other = client(&server, 7, Some("s-2"));
    let mut without = client(&server, 7, None);
    let mut stranger = client(&server, 8, Some("s-1"));
    let answer = server
        .broadcast(&json!({ "type": "session_revoked", "user_id": 7, "close_sessions": ["s-1", "s-9"] }));
    assert_eq!(answer["recipients"], 7);
    for client in &mut ended {
        assert_eq!(end_of(client), (vec![json!("session_revoked")], unauthorized()));
    }
    server.wait_for_connections(3);
    for client in [&mut other, &mut without] {
        client.expect_type("session_revoked");
        assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    }
    assert_eq!(stranger.ping_barrier(), Vec::<Value>::new());
    // Counted when the places are given free, a moment after the streams have fewer followers.
    eventually(PATIENCE, || server.metric("fanfare_closes_total", &[r#"code="4001""#]) == Some(5.0));
}

#[test]
fn items_of_a_batch_end_sessions_and_a_repeated_key_ends_none() {
    let server = server_with_users();
    let mut first = client(&server, 7, Some("s-1"));
    let ending =
        json!({ "type": "bye", "user_ids": [7], "close_sessions": ["s-1"], "idempotency_key": "end-1" });
    let items = json!([{ "type": "before" }, ending, { "type": "after" }]);
    assert_eq!(server.post("/broadcast/batch", &items).status, 200);
    assert_eq!(end_of(&mut first), (vec![json!("before"), json!("bye")], unauthorized()));
    // Whoever comes back with the same session is not meant by the repeat.
    let mut second = client(&server, 7, Some("s-1"));
    assert_eq!(server.post("/broadcast/batch", &json!([ending])).status, 200);
    assert_eq!(second.ping_barrier(), Vec::<Value>::new());
}

#[test]
fn a_refreshed_connection_belongs_to_its_new_session() {
    let server = server_with_users();
    let mut client = client(&server, 7, Some("old"));
    client.send_json(&json!({ "type": "refresh", "token": token(7, Some("new")) }));
    client.expect_type("refreshed");
    server.broadcast(&json!({ "type": "x", "user_id": 7, "close_sessions": ["old"] }));
    client.expect_type("x");
    server.broadcast(&json!({ "type": "y", "user_id": 7, "close_sessions": ["new"] }));
    assert_eq!(end_of(&mut client), (vec![json!("y")], unauthorized()));
}

#[test]
fn sessions_are_ended_by_administrators_alone() {
    let server = launch()
        .env("JWT_SECRET", SECRET)
        .env("FANFARE_API_KEYS", "shop:secret-of-shop,ops:secret-of-ops:+admin")
        .start();
    let mut client = client(&server, 7, Some("s-1"));
    let body = json!({ "type": "x", "user_id": 7, "close_sessions": ["s-1"] });
    let publish = |key: &str| {
        let authorization = format!("Bearer secret-of-{key}");
        post_json(server.address(), "/broadcast", &[("authorization", &authorization)], &body)
    };
    expect_problem(&publish("shop"), 403, "not_admin");
    assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    assert_eq!(publish("ops").status, 200);
    assert_eq!(end_of(&mut client), (vec![json!("x")], unauthorized()));
}

#[test]
fn sessions_without_their_users_or_of_a_wrong_shape_are_refused_by_name() {
    let server = server();
    let long = "s".repeat(65);
    for body in [
        json!({ "type": "x", "close_sessions": ["s-1"] }),
        json!({ "type": "x", "channel": "user:7", "close_sessions": ["s-1"] }),
        json!({ "type": "x", "user_id": 7, "close_sessions": "s-1" }),
        json!({ "type": "x", "user_id": 7, "close_sessions": [7] }),
        json!({ "type": "x", "user_id": 7, "close_sessions": [long] }),
        json!({ "type": "x", "user_id": 7, "close_sessions": vec!["s"; 1_001] }),
    ] {
        let problem = expect_problem(&server.post("/broadcast", &body), 422, "invalid");
        assert_eq!(problem["member"], "close_sessions", "{body}");
    }
    assert_eq!(
        server.broadcast(&json!({ "type": "x", "user_id": 7, "close_sessions": null }))["recipients"],
        0
    );
}
