//! What no client of the dashboard should send: each bad frame gets an error and costs nobody anything; faults of the
//! protocol close; floods are told apart from use.

use serde_json::{Value, json};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Frame, RawClient, Server, eventually};

use super::super::{launch, server};
use super::{dashboard, expect_error, follows_user, own_port, subscribe, with_ports};

/// Whether a client is served as ever.
#[track_caller]
fn is_well(server: &Server, client: &mut Client, user: &str) {
    server.broadcast(&json!({ "type": "still_here", "user_id": user }));
    client.expect_type("still_here");
    client.send_json(&json!({ "type": "ping" }));
    client.expect_type("pong");
    assert_eq!(client.ping_barrier(), Vec::<Value>::new());
}

#[test]
fn a_bad_frame_gets_an_error_that_says_what_is_wrong_and_the_connection_stays() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    let mut client = follows_user(&server, "u");
    let (deep, long) = ("[".repeat(5_000), "i".repeat(60_000));
    let cases = [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("{", "not JSON"),
        (r#"{"type":"ping"}x"#, "not JSON"),
        (r#"{"type":"ping",}"#, "not JSON"),
        ("{'type':'ping'}", "not JSON"),
        ("\u{feff}{\"type\":\"ping\"}", "not JSON"),
        ("[]", "object"),
        (r#"["subscribe","u"]"#, "object"),
        ("7", "object"),
        ("null", "object"),
        (r#""ping""#, "object"),
        (&deep, "deep"),
        ("{}", "type"),
        (r#"{"type":null}"#, "type"),
        (r#"{"type":1}"#, "type"),
        (r#"{"type":["ping"]}"#, "type"),
        (r#"{"type":"PING"}"#, "not known"),
        (r#"{"type":"message","text":"hi"}"#, "not known"),
        (r#"{"type":"ping","type":"ping"}"#, "twice"),
        (r#"{"type":"subscribe","userId":"a","userId":"b"}"#, "twice"),
        (r#"{"type":"subscribe"}"#, "userId"),
        (r#"{"type":"subscribe","userId":null}"#, "userId"),
        (r#"{"type":"subscribe","user_id":"a","queue_id":"b"}"#, "userId"),
        (r#"{"type":"subscribe","userId":""}"#, "userId"),
        (r#"{"type":"subscribe","userId":true}"#, "userId"),
        (r#"{"type":"subscribe","userId":1.5}"#, "userId"),
        (r#"{"type":"subscribe","userId":1e3}"#, "userId"),
        (r#"{"type":"subscribe","userId":["u"]}"#, "userId"),
        (r#"{"type":"subscribe","userId":{"id":"u"}}"#, "userId"),
        (r#"{"type":"subscribe","queueId":""}"#, "queueId"),
        (r#"{"type":"subscribe","queueId":"a b"}"#, "queueId"),
        (r#"{"type":"subscribe","queueId":"*"}"#, "queueId"),
        (r#"{"type":"subscribe","queueId":[]}"#, "queueId"),
        (r#"{"type":"subscribe","queueId":false}"#, "queueId"),
        (r#"{"type":"unsubscribe"}"#, "userId"),
        (r#"{"type":"unsubscribe","userId":{}}"#, "userId"),
        (r#"{"type":"unsubscribe","queueId":"a b"}"#, "queueId"),
        (r#"{"type":"subscribe","batch":-1}"#, "batch"),
        (r#"{"type":"subscribe","batch":10001}"#, "batch"),
        (r#"{"type":"subscribe","batch":1e300}"#, "batch"),
        (r#"{"type":"subscribe","batch":"100"}"#, "batch"),
        (r#"{"type":"subscribe","batch":true}"#, "batch"),
        (r#"{"type":"subscribe","batch":[100]}"#, "batch"),
        (r#"{"type":"reconnect","connectionId":"00000000-0000-4000-8000-000000000000"}"#, "reconnect"),
    ];
    for (frame, word) in cases {
        client.send_text(frame);
        let told = expect_error(&mut client);
        assert!(told.contains(word), "{frame:.80}: {told}");
        assert!(told.len() < 200, "an error is short and does not repeat the frame: {told}");
        client.send_binary(frame.as_bytes());
        assert!(expect_error(&mut client).contains(word), "{frame:.80} in a binary frame");
    }
    for name in ["userId", "queueId"] {
        client.send_json(&json!({ "type": "subscribe", name: long }));
        assert!(expect_error(&mut client).contains(name));
    }
    client.send_binary(b"{\"type\":\"p\xffing\"}");
    assert!(expect_error(&mut client).contains("UTF-8"));
    is_well(&server, &mut client, "u");
    assert_eq!(server.stats(), json!({ "total": 1, "by_channel": {} }));
}

#[test]
fn a_frame_that_is_half_right_does_its_right_half() {
    let server = server();
    let mut client = dashboard(&server);
    client.send_json(&json!({ "type": "subscribe", "userId": "u", "queueId": "a b", "batch": "x" }));
    assert!(expect_error(&mut client).contains("batch"));
    assert!(expect_error(&mut client).contains("queueId"));
    let answer = client.expect_type("subscribed");
    assert_eq!((&answer["userId"], answer.get("queueId")), (&json!("u"), None), "only what is in force");
    is_well(&server, &mut client, "u");
}

#[test]
fn members_that_are_not_known_are_ignored() {
    let server = server();
    let mut client = dashboard(&server);
    let frame = r#"{"x":1,"x":2,"type":"subscribe","timestamp":"t","userId":"u","token":"s","queueId":null,"data":{"userId":[]}}"#;
    client.send_text(frame);
    assert_eq!(client.expect_type("subscribed")["userId"], "u");
    is_well(&server, &mut client, "u");
}

#[test]
fn faults_of_the_protocol_close_with_their_codes_and_nobody_else_notices() {
    let server = with_ports().start();
    let mut friend = follows_user(&server, "friend");
    for address in [server.address(), own_port(&server, "dashboard")] {
        let cases: [(&str, Vec<u8>, u16); 6] = [
            ("text that is not UTF-8", Frame::text(b"{\"type\":\"p\xff\"}".to_vec()).bytes(), 1007),
            ("too large", Frame::text(vec![b' '; 64 * 1024 + 1]).bytes(), 1009),
            ("not masked", Frame::text("{}").unmasked().bytes(), 1002),
            ("a reserved bit", Frame::text("{}").reserved(1).bytes(), 1002),
            ("an opcode that is none", Frame::new(5, "x").bytes(), 1002),
            ("a continuation of nothing", Frame::new(0, "x").bytes(), 1002),
        ];
        for (name, bytes, code) in cases {
            let mut client = RawClient::upgraded(address, "/", &[]);
            client.write(&bytes);
            let (told, why) = client.expect_close();
            assert_eq!(told, code, "{name}: {why}");
            assert!(!why.is_empty(), "{name}");
        }
        is_well(&server, &mut friend, "friend");
    }
    server.wait_for_connections(1);
}

#[test]
fn floods_of_garbage_on_both_ports_harm_nobody() {
    let server = with_ports().env("WS_RATE_LIMIT", "0").start();
    let mut friend = follows_user(&server, "friend");
    let before = server.memory();
    let mut seed = 7_u64;
    let mut garbage = |count: usize| -> Vec<u8> {
        (0..count)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect()
    };
    for round in 0..40 {
        let address = if round % 2 == 0 { server.address() } else { own_port(&server, "dashboard") };
        // Behind a handshake, and in place of one.
        let mut client = RawClient::upgraded(address, "/", &[]);
        let _closed_early = client.try_write(&garbage(20_000));
        let mut bare = RawClient::connect(address);
        let _refused_early = bare.try_write(&garbage(20_000));
        // In good frames.
        let mut framed = RawClient::upgraded(address, "/", &[]);
        let frames: Vec<u8> =
            (0..200).flat_map(|n| Frame::new(1 + n % 2, format!("{n}{{[")).bytes()).collect();
        framed.write(&frames);
        for _ in 0..200 {
            let answer = framed.next_frame().expect("an answer");
            assert!(answer.payload.starts_with(br#"{"type":"error""#), "{answer:?}");
        }
        if round % 10 == 0 {
            is_well(&server, &mut friend, "friend");
        }
    }
    server.wait_for_connections(1);
    is_well(&server, &mut friend, "friend");
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 16 << 20, "grown by {grown} bytes");
}

#[test]
fn thousands_of_subscriptions_that_come_and_go_leave_nothing_behind() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    let mut client = dashboard(&server);
    let before = server.memory();
    for round in 0..5_000 {
        let named = json!({ "userId": format!("u{round}"), "queueId": format!("q{round}") });
        for kind in ["subscribe", "unsubscribe"] {
            let mut frame = named.clone();
            frame["type"] = json!(kind);
            client.send_json(&frame);
        }
        if round % 50 == 49 {
            for n in 0..100 {
                let wanted = if n % 2 == 0 { "subscribed" } else { "unsubscribed" };
                assert_eq!(client.expect_type(wanted)["userId"], format!("u{}", round - 49 + n / 2));
            }
        }
    }
    assert_eq!(server.stats(), json!({ "total": 1, "by_channel": {} }));
    assert_eq!(
        server.broadcast(&json!({ "type": "x", "user_id": "u4999", "queue_id": "q4999" }))["recipients"],
        0
    );
    subscribe(&mut client, json!({ "userId": "last" }));
    is_well(&server, &mut client, "last");
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 24 << 20, "grown by {grown} bytes");
}

#[test]
fn guesses_of_connection_ids_find_nothing_and_are_counted_as_frames() {
    let server = server();
    let mut victim = follows_user(&server, "u");
    let mut guesser = dashboard(&server);
    for n in 0..100_u128 {
        let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes();
        let id = uuid::Builder::from_random_bytes(id).into_uuid();
        guesser.send_json(&json!({ "type": "reconnect", "connectionId": id.to_string() }));
        assert!(expect_error(&mut guesser).contains("subscribe anew"));
    }
    guesser.send_json(&json!({ "type": "reconnect", "connectionId": "x" }));
    assert_eq!(guesser.expect_close(), (4029, "Too many requests".to_owned()));
    eventually(PATIENCE, || server.stats()["total"] == 1);
    is_well(&server, &mut victim, "u");
}

#[test]
fn a_reconnect_without_a_proper_id_is_an_error() {
    let server = server();
    let mut client = dashboard(&server);
    let long = "0".repeat(10_000);
    for id in [
        json!(null),
        json!(7),
        json!(""),
        json!("x"),
        json!(long),
        json!(["a"]),
        json!({}),
        json!("zzzzzzzz-0000-4000-8000-000000000000"),
        json!("00000000-0000-4000-8000-00000000000"),
        json!("00000000-0000-4000-8000-0000000000000"),
        json!("%00000000-0000-4000-8000-000000000000"),
    ] {
        client.send_json(&json!({ "type": "reconnect", "connectionId": id }));
        assert!(expect_error(&mut client).contains("connectionId"), "{id}");
    }
    client.send_json(&json!({ "type": "reconnect" }));
    expect_error(&mut client);
    subscribe(&mut client, json!({ "userId": "u" }));
    is_well(&server, &mut client, "u");
}
