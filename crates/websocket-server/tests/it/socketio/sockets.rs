//! Sockets in namespaces: letting them in, events and acknowledgements, several on one session, and how they end.

use std::time::Duration;

use serde_json::json;
use test_kit::eventually;
use test_kit::token::in_seconds;
use test_kit::wait::PATIENCE;

use super::*;
use crate::{TextFile, server_with_users};

#[test]
fn a_socket_is_let_in_by_its_token_and_has_an_id_of_its_own() {
    let server = server_with_users();
    let (mut ws, ids) = Ws::connected(&server, &["/chat", "/orders"]);
    assert_ne!(ids[0], ids[1]);
    // The id is that by which publishers know the connection.
    let event = |n: u32| json!({ "type": "x", "namespace": "/chat", "data": n });
    let mut without = event(1);
    without["except_connection_id"] = json!(ids[0]);
    server.broadcast(&without);
    server.broadcast(&event(2));
    assert_eq!(ws.text(), "42/chat,[\"x\",2]");
    let polling = Polling::open(&server, "/socket.io/");
    polling.post_ok(&format!("40/chat,{}\u{1e}40/orders,{}", auth(7), auth(8)));
    let mut answers = Vec::new();
    while answers.len() < 2 {
        let more = polling.poll_text();
        answers.extend(more.split('\u{1e}').filter(|packet| packet.starts_with("40")).map(str::to_owned));
    }
    answers.sort();
    assert!(answers[0].starts_with("40/chat,{\"sid\":\"") && answers[1].starts_with("40/orders,{\"sid\":\""));
}

#[test]
fn without_a_good_token_in_its_place_nobody_is_let_in() {
    let server = server_with_users();
    let good = Signer::hs256(SECRET).user(7);
    let expired = Signer::hs256(SECRET).token(&json!({ "user_id": 7, "exp": in_seconds(-3600) }));
    let foreign = Signer::hs256("another-secret-with-more-than-32-bytes!").user(7);
    let elsewhere = format!("EIO=4&transport=websocket&token={good}&auth={good}");
    let header = format!("Authorization: Bearer {good}");
    let cookie = format!("Cookie: token={good}; access_token={good}");
    let mut ws =
        Ws(RawClient::upgraded(server.address(), &format!("/socket.io/?{elsewhere}"), &[&header, &cookie]));
    open_packet(&ws.text());
    for auth in [
        String::new(),
        "{}".to_owned(),
        json!({ "token": null }).to_string(),
        json!({ "token": "" }).to_string(),
        json!({ "token": [good] }).to_string(),
        json!({ "token": { "token": good } }).to_string(),
        json!({ "Authorization": good }).to_string(),
        json!({ "auth": { "token": good } }).to_string(),
        json!({ "token": format!("Bearer {good}") }).to_string(),
        json!({ "token": expired }).to_string(),
        json!({ "token": foreign }).to_string(),
        json!({ "token": "x".repeat(20_000) }).to_string(),
    ] {
        ws.send(&format!("40/chat,{auth}"));
        assert_eq!(ws.text(), r#"44/chat,{"message":"Unauthorized"}"#, "{auth}");
    }
    for unknown in ["/nope", "/chat/", "/Chat", "/chat?x=1", "/socketio"] {
        ws.send(&format!("40{unknown},{}", auth(7)));
        assert_eq!(ws.text(), format!(r#"44{unknown},{{"message":"Invalid namespace"}}"#));
    }
    ws.connect("/chat", &auth(7));
    ws.is_well("/chat");
    assert!(!server.log().contains(&good) && !server.log().contains(&expired), "tokens are in no log");
}

#[test]
fn the_main_namespace_wants_a_token_too() {
    let server = server_with_users();
    let (mut ws, _) = Ws::open(&server, "/socket.io/");
    ws.send("40");
    assert_eq!(ws.text(), r#"44{"message":"Unauthorized"}"#);
    ws.send(&format!("40{}", auth(7)));
    assert!(ws.text().starts_with(r#"40{"sid":""#));
    server.broadcast(&json!({ "type": "x", "namespace": "/", "data": null }));
    assert_eq!(ws.text(), "42[\"x\",null]");
}

#[test]
fn namespaces_are_configurable() {
    let file = TextFile::new(
        "fanfare.toml",
        "[[namespaces]]\nname = \"/desk\"\ntypes = [\"ring\"]\n\
         [[namespaces]]\nname = \"/orders\"\ntypes = [\"parcel\"]\n",
    );
    let server = launch().env("JWT_SECRET", SECRET).env("FANFARE_CONFIG", file.path()).start();
    let (mut ws, _) = Ws::connected(&server, &["/desk", "/orders"]);
    for kind in ["order_updated", "parcel", "ring"] {
        server.broadcast(&json!({ "type": kind, "data": {} }));
    }
    // Each socket has its events in order; between two nothing is promised.
    let mut got = [ws.text(), ws.text()];
    got.sort();
    assert_eq!(got, ["42/desk,[\"ring\",{}]", "42/orders,[\"parcel\",{}]"]);
}

#[test]
fn sockets_of_one_session_come_and_go_alone() {
    let server = server_with_users();
    let (mut ws, _) = Ws::connected(&server, &["/chat", "/orders"]);
    server.wait_for_connections(2);
    ws.send("41/chat,");
    server.wait_for_connections(1);
    ws.is_well("/orders");
    for namespace in ["/chat", "/orders"] {
        server.broadcast(&json!({ "type": "x", "namespace": namespace, "data": 1 }));
    }
    assert_eq!(ws.text(), "42/orders,[\"x\",1]");
    // In one breath: out of both, and in again as somebody else.
    ws.send("41/orders,");
    ws.connect("/orders", &auth(8));
    ws.connect("/chat", &auth(9));
    server.broadcast(&json!({ "type": "x", "namespace": "/orders", "data": 2, "user_id": 7 }));
    server.broadcast(&json!({ "type": "x", "namespace": "/orders", "data": 3, "user_id": 8 }));
    assert_eq!(ws.text(), "42/orders,[\"x\",3]");
    ws.send("1");
    server.wait_for_connections(0);
}

#[test]
fn each_event_with_a_number_is_acknowledged() {
    let server = server_with_users();
    let (mut ws, _) = Ws::connected(&server, &["/chat"]);
    let mut asked = |packet: &str| {
        ws.send(packet);
        let answer = ws.text();
        let (head, data) = answer.split_once('[').expect("an array");
        let mut data: Value = serde_json::from_str(&format!("[{data}")).expect("JSON");
        (head.to_owned(), data[0].take())
    };
    let (head, answer) = asked(r#"42/chat,0["subscribe",{"channels":["jobs","news"]}]"#);
    assert_eq!((&*head, &answer["success"]), ("43/chat,0", &json!(true)));
    let (head, answer) = asked(r#"42/chat,18446744073709551615["unsubscribe",{"channels":["jobs"]}]"#);
    assert_eq!((&*head, &answer["success"]), ("43/chat,18446744073709551615", &json!(true)));
    let deep = format!("42/chat,7[\"subscribe\",{}{}]", "[".repeat(500), "]".repeat(500));
    for (packet, id) in [
        (r#"42/chat,1["nobody_knows_this",{"a":1}]"#, 1),
        (r#"42/chat,2["subscribe"]"#, 2),
        (r#"42/chat,3["subscribe",null]"#, 3),
        (r#"42/chat,4["subscribe",{"channels":7}]"#, 4),
        (r#"42/chat,5[5]"#, 5),
        (r#"42/chat,6["subscribe",{"channels":["*bad*"]}]"#, 6),
        (&*deep, 7),
    ] {
        let (head, answer) = asked(packet);
        assert_eq!(head, format!("43/chat,{id}"));
        assert_eq!(answer["success"], false, "{packet} {answer}");
        assert!(answer["code"].is_string() && answer["message"].is_string(), "{packet} {answer}");
    }
    ws.send(r#"452-/chat,8["subscribe",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
    ws.send_binary(&[1]);
    ws.send_binary(&[2]);
    let answer = ws.text();
    assert!(answer.starts_with(r#"43/chat,8[{"#) && answer.contains(r#""code":"binary""#), "{answer}");
    ws.is_well("/chat");
}

#[test]
fn a_token_that_ends_takes_its_socket_out_and_leaves_the_others() {
    let server = server_with_users();
    let (mut ws, _) = Ws::connected(&server, &["/orders"]);
    let short = Signer::hs256(SECRET).token(&json!({ "user_id": 7, "exp": in_seconds(5) }));
    ws.connect("/chat", &json!({ "token": short }).to_string());
    assert_eq!(ws.text(), "41/chat,");
    ws.is_well("/orders");
    ws.connect("/chat", &auth(7));
    ws.is_well("/chat");
}

#[test]
fn an_operator_ends_all_sockets_of_a_user() {
    let server = launch().env("JWT_SECRET", SECRET).env("ADMIN_API_KEY", "an-admins-key").start();
    let (mut ws, _) = Ws::connected(&server, &["/chat"]);
    let polling = Polling::connected(&server, &["/orders"]);
    ws.connect("/orders", &auth(8));
    let key = [("authorization", "Bearer an-admins-key")];
    let answer = request(server.address(), "POST", "/users/7/disconnect", &key, None);
    assert!(answer.status < 300, "{} {}", answer.status, answer.text());
    assert_eq!(ws.text(), "41/chat,");
    assert_eq!(polling.poll_until("41").last().map(String::as_str), Some("41/orders,"));
    ws.is_well("/orders");
}

#[test]
fn a_client_that_polls_too_slowly_is_ended_and_nobody_else_waits() {
    let server = launch().env("JWT_SECRET", SECRET).env("OUTBOX_MAX_BYTES", "100KiB").start();
    let slow = Polling::connected(&server, &["/chat"]);
    let (mut friend, _) = Ws::connected(&server, &["/chat"]);
    for n in 0..30 {
        server.broadcast(&json!({ "type": "x", "namespace": "/chat", "data": [n, "x".repeat(10_000)] }));
        assert!(friend.text().starts_with(&format!("42/chat,[\"x\",[{n},")));
    }
    server.wait_for_connections(1);
    let answer = slow.poll();
    assert!(answer.status == 400 || answer.text().ends_with('6'), "{} {}", answer.status, answer.text());
    assert_over(&slow);
    friend.is_well("/chat");
}

#[test]
fn sockets_whose_session_is_cut_are_gone_at_once() {
    let server = server_with_users();
    let (ws, _) = Ws::connected(&server, &["/chat", "/orders", "/sns"]);
    server.wait_for_connections(3);
    drop(ws);
    server.wait_for_connections(0);
    let fast = launch().env("JWT_SECRET", SECRET).env("SOCKETIO_PING_INTERVAL", "1s");
    let server = fast.env("SOCKETIO_PING_TIMEOUT", "1s").start();
    let _silent = Polling::connected(&server, &["/chat"]);
    server.wait_for_connections(0);
}

#[test]
fn a_session_that_never_connects_a_namespace_ends() {
    in_time(|server| {
        let (mut ws, _) = Ws::open(server, "/socket.io/");
        ws.send("40/nope,");
        assert_eq!(ws.text(), r#"44/nope,{"message":"Invalid namespace"}"#);
        assert_eq!(ws.ended(), (1002, "no namespace was connected in time".to_owned()));
        let (mut other, _) = Ws::open(server, "/socket.io/");
        other.send("40");
        assert!(other.text().starts_with(r#"40{"sid":""#));
        assert_eq!(other.text(), r#"42["auth",{}]"#);
        other.send("41");
        // Pings go on, for longer than a namespace may take to be connected.
        for _ in 0..5 {
            assert_eq!(other.0.next_frame().expect("a ping").payload, b"2");
            other.send("3");
        }
    });
}

#[test]
fn the_namespaces_of_the_test_say_what_they_were_told() {
    in_time(|server| {
        let (mut ws, _) = Ws::open(server, "/socket.io/");
        ws.send(r#"40/custom,{"token":"abc"}"#);
        assert!(ws.text().starts_with(r#"40/custom,{"sid":""#));
        assert_eq!(ws.text(), r#"42/custom,["auth",{"token":"abc"}]"#);
        ws.send(r#"42/custom,["message",1,"2",{"3":[true]}]"#);
        assert_eq!(ws.text(), r#"42/custom,["message-back",1,"2",{"3":[true]}]"#);
        ws.send(r#"42/custom,456["message-with-ack",1,"2",{"3":[false]}]"#);
        assert_eq!(ws.text(), r#"43/custom,456[1,"2",{"3":[false]}]"#);
        ws.send(r#"451-/custom,789["message-with-ack",{"_placeholder":true,"num":0}]"#);
        ws.send_binary(&[9, 8]);
        assert_eq!(ws.text(), r#"461-/custom,789[{"_placeholder":true,"num":0}]"#);
        let attachment = ws.0.next_frame().expect("a frame");
        assert_eq!((attachment.opcode, &attachment.payload[..]), (2, &[9, 8][..]));
    });
}

#[test]
fn counts_of_connections_are_right_after_many_have_come_and_gone() {
    let server = server_with_users();
    for _ in 0..3 {
        let sessions: Vec<Ws> = (0..10).map(|_| Ws::connected(&server, &["/chat", "/sns"]).0).collect();
        server.wait_for_connections(20);
        drop(sessions);
        server.wait_for_connections(0);
    }
    eventually(PATIENCE + Duration::from_secs(5), || {
        server.metric("fanfare_connections", &["socketio"]).is_none_or(|count| count == 0.0)
    });
}

#[test]
fn a_type_that_socket_io_keeps_for_itself_reaches_no_socket_and_ends_none() {
    let server = server_with_users();
    let (mut ws, _) = Ws::connected(&server, &["/chat"]);
    ws.send(r#"42/chat,1["subscribe",{"channels":["jobs"]}]"#);
    assert!(ws.text().starts_with("43/chat,1["));
    server.broadcast(&json!({ "type": "disconnect", "channel": "jobs", "data": {} }));
    server.broadcast(&json!({ "type": "after", "channel": "jobs", "data": 1 }));
    // A packet in which clients see nothing.
    assert_eq!((ws.text(), ws.text()), ("6".into(), "42/chat,[\"after\",1]".into()));
}
