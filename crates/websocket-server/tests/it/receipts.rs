//! Receipts from outside: everyone gets every one of them, exactly, and nothing else; what clients send means nothing.

use serde_json::{Value, json};
use test_kit::http;
use test_kit::wait::{PATIENCE, holds_within};
use test_kit::{Client, Frame, Launch, RawClient, Server, Signer, eventually};

use super::dashboard::{broadcast_text, own_port, text};
use super::recovery::with_rules;
use super::{SECRET, launch, server_with_users, with_token};

fn with_port() -> Launch {
    launch().env("RECEIPTS_PORT", "0")
}

#[track_caller]
fn on_own_port(server: &Server) -> Client {
    Client::connect(&format!("ws://{}/", own_port(server, "receipts")))
}

/// Publishes a receipt as the bridge does.
#[track_caller]
fn publish(server: &Server, data: &Value) -> Value {
    server.broadcast(&json!({ "type": "receipt_update", "channel": "receipts", "data": data }))
}

#[test]
fn every_connection_gets_every_receipt_exactly_and_no_welcome() {
    let server = with_port().start();
    let mut clients = [
        on_own_port(&server),
        Client::connect(&server.ws_at("/ws/receipts")),
        Client::connect(&server.ws_at("/ws/receipts/")),
    ];
    for client in &mut clients {
        assert_eq!(
            client.ping_barrier(),
            Vec::<Value>::new(),
            "the page prints whatever arrives as a receipt"
        );
    }
    for status in ["received", "processing_started", "processed", "failed"] {
        for kind in ["receipt_update", "receipt_upload"] {
            let data =
                format!(r#""status":"{status}","receipt_id":"abc123","timestamp":"2025-03-26T22:30:00Z""#);
            let body = format!(r#"{{"type":"{kind}","channel":"receipts","data":{{{data}}}}}"#);
            assert_eq!(broadcast_text(&server, &body)["recipients"], 3);
            let wanted = format!(r#"{{"type":"{kind}",{data}}}"#);
            for client in &mut clients {
                assert_eq!(text(client), wanted);
            }
        }
    }
}

#[test]
fn a_receipt_without_a_time_gets_one_with_seconds_and_more_members_pass() {
    let server = with_port().start();
    let mut client = on_own_port(&server);
    server.wait_for_connections(1);
    let data = r#""status":"processed","receipt_id":"r","total":{"amount":12.5},"n":18446744073709551615"#;
    broadcast_text(
        &server,
        &format!(r#"{{"type":"receipt_update","channel":"receipts","data":{{{data}}}}}"#),
    );
    let frame = text(&mut client);
    let (front, at) = frame.split_once(r#","timestamp":""#).expect("a time");
    assert_eq!(front, format!(r#"{{"type":"receipt_update",{data}"#));
    assert_eq!(super::dashboard::shape(at), "0000-00-00T00:00:00Z\"}");
}

#[test]
fn nothing_that_is_addressed_to_others_arrives() {
    let server = with_port().env("JWT_SECRET", SECRET).start();
    let token = Signer::hs256(SECRET).user(7);
    let mut client = Client::connect(&format!(
        "ws://{}/?token={token}&channel=jobs&userId=7",
        own_port(&server, "receipts")
    ));
    server.wait_for_connections(1);
    let elsewhere = [
        json!({}),
        json!({ "user_id": 7 }),
        json!({ "channel": "jobs" }),
        json!({ "channels": ["payments", "receipt", "receipts2"] }),
        json!({ "queue_id": "receipts" }),
    ];
    for mut event in elsewhere {
        event["type"] = json!("receipt_update");
        assert_eq!(server.broadcast(&event)["recipients"], 0, "{event}");
    }
    publish(&server, &json!({ "n": 1 }));
    assert_eq!(client.next_json()["n"], 1);
}

#[test]
fn anyone_may_listen_from_any_page_with_any_token() {
    let server = with_port()
        .env("JWT_SECRET", SECRET)
        .env("WS_AUTH", "required")
        .env("CORS_ALLOWED_ORIGINS", "https://only.example")
        .start();
    let url = format!("ws://{}/", own_port(&server, "receipts"));
    let mut clients: Vec<Client> = ["https://evil.example", "null", "http://x:1", "nonsense", "file://"]
        .into_iter()
        .map(|origin| Client::dial(&url).origin(origin).connect())
        .collect();
    clients.push(Client::connect(&format!("{url}?token=garbage")));
    clients.push(Client::dial(&server.ws_at("/ws/receipts")).origin("https://evil.example").connect());
    server.wait_for_connections(clients.len() as u64);
    publish(&server, &json!({ "n": 1 }));
    for client in &mut clients {
        assert_eq!(client.next_json()["n"], 1);
    }
    // HTTP on that port is as closed as everywhere.
    let own = own_port(&server, "receipts");
    let answer = http::request(own, "GET", "/healthz", &[("origin", "https://evil.example")], None);
    assert!(answer.header("access-control-allow-origin").is_none(), "{:?}", answer.headers);
}

#[test]
fn frames_from_clients_are_ignored_without_an_answer() {
    let server = with_port().env("WS_RATE_LIMIT", "0").start();
    let mut client = on_own_port(&server);
    let mut raw = RawClient::upgraded(own_port(&server, "receipts"), "/", &[]);
    for frame in [
        "",
        "x",
        "{",
        "[]",
        r#"{"type":"ping"}"#,
        r#"{"type":"subscribe","channels":["jobs"]}"#,
        r#"{"type":"subscribe","userId":"7"}"#,
        r#"{"type":"reconnect","connectionId":"00000000-0000-4000-8000-000000000000"}"#,
        &"[".repeat(10_000),
    ] {
        client.send_text(frame);
        client.send_binary(frame.as_bytes());
    }
    client.send_binary(&[0xff, 0, 0xfe]);
    assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    server.wait_for_connections(2);
    for n in 0..200_u8 {
        raw.send(&Frame::new(2, vec![n; 1_000]));
    }
    assert_eq!(server.broadcast(&json!({ "type": "x", "channel": "jobs", "user_id": "7" }))["recipients"], 0);
    publish(&server, &json!({ "n": 1 }));
    assert_eq!(client.next_json()["n"], 1);
    let frame = raw.next_frame().expect("a receipt");
    assert!(frame.payload.starts_with(br#"{"type":"receipt_update","n":1"#), "{frame:?}");
}

#[test]
fn faults_of_the_protocol_and_floods_still_close() {
    let server = with_port().start();
    let own = own_port(&server, "receipts");
    let mut friend = on_own_port(&server);
    server.wait_for_connections(1);
    for (bytes, code) in [
        (Frame::text(vec![0xff]).bytes(), 1007),
        (Frame::text("x").unmasked().bytes(), 1002),
        (Frame::text("x").reserved(2).bytes(), 1002),
        (Frame::new(3, "x").bytes(), 1002),
        (Frame::text(vec![b'x'; 65_537]).bytes(), 1009),
        (Frame::text("x").bytes().repeat(101), 4008),
    ] {
        let mut raw = RawClient::upgraded(own, "/", &[]);
        raw.write(&bytes);
        let close = raw.expect_close();
        assert_eq!(close.0, code, "{close:?}");
    }
    publish(&server, &json!({ "n": 1 }));
    assert_eq!(friend.next_json()["n"], 1);
    assert_eq!(friend.close().0, 1000);
}

#[test]
fn its_port_serves_only_this_world() {
    let server = with_port().start();
    let own = own_port(&server, "receipts");
    assert_eq!(http::get(own, "/healthz", &[]).status, 200);
    for path in ["/stats", "/metrics", "/playground", "/ws", "/events", "/health"] {
        assert_eq!(http::get(own, path, &[]).status, 404, "{path}");
    }
    for path in ["/ws", "/ws/receipts", "/receipts"] {
        assert_eq!(
            Client::dial(&format!("ws://{own}{path}")).attempt().expect_err("another").status,
            404,
            "{path}"
        );
    }
    server.wait_for_log(&format!("WebSocket server started on ws://localhost:{}", own.port()));
}

#[test]
fn a_rule_that_forbids_the_channel_lets_only_those_in_whom_it_allows() {
    let rules = "[[channels]]\npattern = \"receipts\"\nsubscribe = \"signed-in\"\n";
    let (server, _file) = with_rules(&with_port().env("JWT_SECRET", SECRET), rules);
    let mut refused = on_own_port(&server);
    assert_eq!(refused.expect_close(), (4001, "Unauthorized".to_owned()));
    assert_eq!(publish(&server, &json!({}))["recipients"], 0);
    // Tokens are looked at where the endpoint says so.
    let rules = format!("{rules}[[endpoints]]\nname = \"receipts\"\nauth = \"optional\"\n");
    let (server, _file) = with_rules(&with_port().env("JWT_SECRET", SECRET), &rules);
    assert_eq!(on_own_port(&server).expect_close().0, 4001);
    let token = Signer::hs256(SECRET).user(7);
    let mut client = Client::connect(&format!("ws://{}/?token={token}", own_port(&server, "receipts")));
    server.wait_for_connections(1);
    publish(&server, &json!({ "n": 1 }));
    assert_eq!(client.next_json()["n"], 1);
}

#[test]
fn who_joins_late_gets_what_is_retained_and_nothing_of_the_past() {
    let server = with_port().start();
    publish(&server, &json!({ "n": 1 }));
    server.broadcast(&json!({ "type": "receipt_update", "channel": "receipts", "data": { "n": 2 }, "retain": { "key": "r", "ttl_s": 60 } }));
    let mut client = on_own_port(&server);
    assert_eq!(client.next_json()["n"], 2);
    assert_eq!(client.ping_barrier(), Vec::<Value>::new());
}

#[test]
fn a_client_on_ws_may_follow_the_same_channel() {
    let server = server_with_users();
    let mut channels = Client::welcomed(&with_token(&server, &Signer::hs256(SECRET).user(7)));
    channels.subscribe(&["receipts"]);
    publish(&server, &json!({ "n": 1 }));
    assert_eq!(channels.expect_type("receipt_update")["data"]["n"], 1);
}

#[test]
fn a_window_that_nobody_promised_here_is_ignored() {
    let server = with_port().start();
    let mut client = Client::connect(&format!("ws://{}/?batch=200", own_port(&server, "receipts")));
    let _nonsense = Client::connect(&format!("ws://{}/?batch=nonsense", own_port(&server, "receipts")));
    server.wait_for_connections(2);
    let events: Vec<Value> = (0..5)
        .map(|n| json!({ "type": "receipt_update", "channel": "receipts", "data": { "n": n } }))
        .collect();
    server.post("/broadcast/batch", &json!(events));
    for n in 0..5 {
        assert_eq!(client.expect_type("receipt_update")["n"], n);
    }
}

#[test]
fn one_who_never_reads_is_closed_and_the_others_get_all() {
    let server =
        with_port().env("RUST_LOG", "warn,websocket_server=info").env("HISTORY_MAX_BYTES", "1MiB").start();
    let mut slow = RawClient::connect_with_buffer(own_port(&server, "receipts"), 4096);
    assert_eq!(slow.upgrade("/", &[]).status, 101);
    let mut reader = on_own_port(&server);
    server.wait_for_connections(2);
    let padding = "x".repeat(300);
    let evicted = || server.metric("fanfare_evictions_total", &[r#"reason="slow_consumer""#]) == Some(1.0);
    let mut n = 0;
    eventually(PATIENCE * 6, || {
        let events: Vec<Value> = (n..n + 500)
            .map(|n| json!({ "type": "r", "channel": "receipts", "data": { "n": n, "p": padding } }))
            .collect();
        server.post("/broadcast/batch", &json!(events));
        for wanted in n..n + 500 {
            assert_eq!(reader.expect_type("r")["n"], wanted);
        }
        n += 500;
        evicted()
    });
    assert!(holds_within(PATIENCE, || server.stats()["total"] == 1));
}
