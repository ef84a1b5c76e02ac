//! The case dashboard from outside: subscribing to users and queues, events as flat frames, its own port, and retained
//! state.
//!
//! Not here, but in files of this room: bad frames and floods (`strange`), coming back (`reconnect`, `restless`), windows (`batching`),
//! tokens and policies (`policies`), places and rates (`limits`).

mod batching;
mod limits;
mod policies;
mod reconnect;
mod restless;
mod strange;

use std::net::SocketAddr;

use serde_json::{Value, json};
use test_kit::http::{self, request};
use test_kit::{Client, Launch, Server};

use super::{launch, server};

/// `2025-11-01T12:00:00.000Z` with any digits.
pub(crate) const MILLISECONDS: &str = "0000-00-00T00:00:00.000Z";

/// A text with `0` for every digit: the shape of a time.
pub(crate) fn shape(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// Where an endpoint's own port is, as the server tells when it starts.
#[track_caller]
pub(crate) fn own_port(server: &Server, endpoint: &str) -> SocketAddr {
    let line = server.wait_for_log(&format!("{endpoint} on http://"));
    let address = line.rsplit("http://").next().and_then(|text| text.parse().ok());
    address.unwrap_or_else(|| panic!("no address: {line}"))
}

/// The next frame's text, as it is.
#[track_caller]
pub(crate) fn text(client: &mut Client) -> String {
    client.next_message().into_text().expect("a text frame").to_string()
}

/// Publishes a body whose members keep their order and their spelling.
#[track_caller]
pub(crate) fn broadcast_text(server: &Server, body: &str) -> Value {
    let kind = [("content-type", "application/json")];
    let answer = request(server.address(), "POST", "/broadcast", &kind, Some(body.as_bytes()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A connection to the dashboard on the main port.
#[track_caller]
pub(crate) fn dashboard(server: &Server) -> Client {
    Client::connect(&server.ws_at("/"))
}

/// Sends this subscribe, and returns the connection's id that the answer tells.
#[track_caller]
pub(crate) fn subscribe(client: &mut Client, mut frame: Value) -> String {
    frame["type"] = json!("subscribe");
    client.send_json(&frame);
    id_of(&client.expect_type("subscribed"))
}

#[track_caller]
pub(crate) fn id_of(answer: &Value) -> String {
    answer["connectionId"].as_str().unwrap_or_else(|| panic!("no connectionId: {answer}")).to_owned()
}

/// A connection that follows a user's events.
#[track_caller]
pub(crate) fn follows_user(server: &Server, user: impl Into<Value>) -> Client {
    let mut client = dashboard(server);
    subscribe(&mut client, json!({ "userId": user.into() }));
    client
}

/// The next frame, which must be an error of this world; its message.
#[track_caller]
pub(crate) fn expect_error(client: &mut Client) -> String {
    let frame = client.next_json();
    let members: Vec<&String> = frame.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["message", "timestamp", "type"], "{frame}");
    assert_eq!(frame["type"], "error", "{frame}");
    assert_eq!(shape(frame["timestamp"].as_str().expect("a time")), MILLISECONDS, "{frame}");
    frame["message"].as_str().expect("a text").to_owned()
}

/// A server with the dashboard and receipts on ports of their own.
fn with_ports() -> Launch {
    launch().env("DASHBOARD_PORT", "0").env("RECEIPTS_PORT", "0")
}

#[test]
fn nothing_comes_before_the_first_subscribe_but_what_is_for_everyone() {
    let server = server();
    let mut client = dashboard(&server);
    assert_eq!(client.ping_barrier(), Vec::<Value>::new(), "no welcome");
    server.broadcast(&json!({ "type": "not_mine", "user_id": "u", "data": {} }));
    server.broadcast(&json!({ "type": "realtime_update", "data": { "n": 1 } }));
    assert_eq!(client.expect_type("realtime_update")["n"], 1);
}

#[test]
fn the_answer_to_a_subscribe_repeats_what_was_named_and_tells_the_connections_id() {
    let server = server();
    let cases = [
        (json!({ "userId": "u-1" }), r#""userId":"u-1""#),
        (json!({ "queueId": "q-1" }), r#""queueId":"q-1""#),
        (json!({ "userId": "u-1", "queueId": "q-1" }), r#""userId":"u-1","queueId":"q-1""#),
        (json!({ "userId": 456 }), r#""userId":456"#),
        (
            json!({ "userId": 18_446_744_073_709_551_615_u64, "queueId": 7 }),
            r#""userId":18446744073709551615,"queueId":7"#,
        ),
        (json!({ "userId": "Zoë 😀 \"x\"" }), "\"userId\":\"Zoë 😀 \\\"x\\\"\""),
    ];
    let mut ids = Vec::new();
    for (mut frame, named) in cases {
        let mut client = dashboard(&server);
        frame["type"] = json!("subscribe");
        client.send_json(&frame);
        let answer = text(&mut client);
        let value: Value = serde_json::from_str(&answer).expect("JSON");
        let id = id_of(&value);
        let at = value["timestamp"].as_str().expect("a time");
        assert_eq!(shape(at), MILLISECONDS);
        let wanted = format!(r#"{{"type":"subscribed",{named},"connectionId":"{id}","timestamp":"{at}"}}"#);
        assert_eq!(answer, wanted);
        let uuid = uuid::Uuid::parse_str(&id).expect("a UUID");
        assert_eq!(uuid.get_version_num(), 4, "{id}");
        ids.push(id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6, "each its own");
}

#[test]
fn one_connection_has_one_id_however_often_it_subscribes() {
    let server = server();
    let mut client = dashboard(&server);
    let first = subscribe(&mut client, json!({ "userId": "u" }));
    assert_eq!(
        subscribe(&mut client, json!({ "userId": "u" })),
        first,
        "twice is one subscription, confirmed again"
    );
    assert_eq!(subscribe(&mut client, json!({ "queueId": "q" })), first);
    let answer = server.broadcast(&json!({ "type": "x", "user_id": "u", "queue_id": "q" }));
    assert_eq!(answer["recipients"], 1, "{answer}");
    client.expect_type("x");
    assert_eq!(client.ping_barrier(), Vec::<Value>::new(), "once");
}

#[test]
fn a_user_id_is_the_address_that_publishers_use_as_number_and_as_text() {
    let server = server();
    let (mut number, mut words) = (follows_user(&server, 456), follows_user(&server, "456"));
    let mut other = follows_user(&server, "457");
    for user in [json!(456), json!("456")] {
        assert_eq!(server.broadcast(&json!({ "type": "x", "user_id": user }))["recipients"], 2);
        number.expect_type("x");
        words.expect_type("x");
    }
    assert_eq!(other.ping_barrier(), Vec::<Value>::new());
}

#[test]
fn a_queue_id_is_the_channel_of_that_queue() {
    let server = server();
    let mut client = dashboard(&server);
    subscribe(&mut client, json!({ "queueId": "tr-9" }));
    let mut of_number = dashboard(&server);
    subscribe(&mut of_number, json!({ "queueId": 9 }));
    for target in [json!({ "queue_id": "tr-9" }), json!({ "channel": "queue:tr-9" })] {
        let mut event = target;
        event["type"] = json!("transcription_queued");
        assert_eq!(server.broadcast(&event)["recipients"], 1);
        client.expect_type("transcription_queued");
    }
    server.broadcast(&json!({ "type": "n", "channel": "queue:9" }));
    of_number.expect_type("n");
    let stats = server.stats();
    assert_eq!(stats["by_channel"], json!({ "queue:tr-9": 1, "queue:9": 1 }), "{stats}");
}

#[test]
fn unsubscribing_repeats_what_was_named_and_nothing_more_comes() {
    let server = server();
    let mut client = dashboard(&server);
    let id = subscribe(&mut client, json!({ "userId": 7, "queueId": "q" }));
    client.send_json(&json!({ "type": "unsubscribe", "userId": 7 }));
    let answer = client.expect_type("unsubscribed");
    assert_eq!(
        (&answer["userId"], answer.get("queueId"), &answer["connectionId"]),
        (&json!(7), None, &json!(id))
    );
    assert_eq!(server.broadcast(&json!({ "type": "x", "user_id": 7 }))["recipients"], 0);
    assert_eq!(server.broadcast(&json!({ "type": "y", "queue_id": "q" }))["recipients"], 1);
    client.expect_type("y");
    client.send_json(&json!({ "type": "unsubscribe", "queueId": "q", "userId": "never" }));
    let answer = client.expect_type("unsubscribed");
    assert_eq!((&answer["queueId"], &answer["userId"]), (&json!("q"), &json!("never")));
    assert_eq!(server.broadcast(&json!({ "type": "z", "queue_id": "q" }))["recipients"], 0);
    subscribe(&mut client, json!({ "userId": 7 }));
    server.broadcast(&json!({ "type": "again", "user_id": 7 }));
    client.expect_type("again");
}

#[test]
fn a_ping_gets_a_pong_with_the_time() {
    let server = server();
    let mut client = dashboard(&server);
    client.send_text(r#"{"type":"ping"}"#);
    let pong = text(&mut client);
    assert_eq!(shape(&pong), format!(r#"{{"type":"pong","timestamp":"{MILLISECONDS}"}}"#));
    client.send_binary(br#"{"type":"ping","timestamp":"mine","more":[1]}"#);
    let pong = text(&mut client);
    assert_eq!(
        shape(&pong),
        format!(r#"{{"type":"pong","timestamp":"{MILLISECONDS}"}}"#),
        "also binary, also more"
    );
}

#[test]
fn every_type_in_use_and_any_other_passes_flat() {
    let server = server();
    let mut client = follows_user(&server, "u");
    let kinds = [
        "image_processing_started",
        "image_processing_progress",
        "image_processed",
        "image_processing_failed",
        "pdf_generation_started",
        "pdf_generation_progress",
        "pdf_generated",
        "pdf_generation_failed",
        "transcription_queued",
        "transcription_processing",
        "transcription_progress",
        "transcription_complete",
        "transcription_failed",
        "realtime_update",
        "status_update",
        "anything at all ✓",
        "subscribed",
        "batch_update",
    ];
    for kind in kinds {
        let data = json!({ "documentId": "d", "data": { "deep": [1, null] } });
        server.broadcast(&json!({ "type": kind, "user_id": "u", "data": data }));
        let frame = client.next_json();
        assert_eq!(shape(frame["timestamp"].as_str().expect("a time")), MILLISECONDS);
        let wanted = json!({ "type": kind, "documentId": "d", "data": { "deep": [1, null] }, "timestamp": frame["timestamp"] });
        assert_eq!(frame, wanted);
    }
}

#[test]
fn json_passes_unharmed() {
    let server = server();
    let mut client = follows_user(&server, "u");
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    let data = format!(
        r#"{{"max":18446744073709551615,"min":-9223372036854775808,"big":123456789012345678901234567890,"f":1.10,"e":1E+2,"deep":{deep},"s":"\u0000\u2028ä😀\ud83d\ude00\/","":"empty name","ü \"q\"":true,"nil":null}}"#
    );
    let body =
        format!(r#"{{"type":"x","user_id":"u","timestamp":"2025-11-18T12:30:45.123Z","data":{data}}}"#);
    let answer = request(
        server.address(),
        "POST",
        "/broadcast",
        &[("content-type", "application/json")],
        Some(body.as_bytes()),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let wanted =
        format!(r#"{{"type":"x",{},"timestamp":"2025-11-18T12:30:45.123Z"}}"#, &data[1..data.len() - 1]);
    assert_eq!(text(&mut client), wanted);
}

#[test]
fn a_time_in_the_data_wins_and_a_type_in_it_loses_and_what_is_no_object_is_the_member_data() {
    let server = server();
    let mut client = follows_user(&server, "u");
    let frame = |client: &mut Client, data: Value| {
        server.broadcast(
            &json!({ "type": "t", "user_id": "u", "data": data, "timestamp": "2025-11-18T12:30:45.123Z" }),
        );
        text(client)
    };
    let own = |data: &str| format!(r#"{{"type":"t",{data}"timestamp":"2025-11-18T12:30:45.123Z"}}"#);
    assert_eq!(frame(&mut client, json!({ "type": "theirs", "a": 1 })), own(r#""a":1,"#));
    assert_eq!(frame(&mut client, json!({ "timestamp": "theirs" })), r#"{"type":"t","timestamp":"theirs"}"#);
    assert_eq!(frame(&mut client, json!({ "timestamp": 17 })), r#"{"type":"t","timestamp":17}"#);
    assert_eq!(frame(&mut client, json!({})), own(""));
    for data in ["[1,{\"type\":2}]", "\"text\"", "7", "null", "false"] {
        let value: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(frame(&mut client, value), own(&format!(r#""data":{data},"#)));
    }
}

#[test]
fn strings_arrive_as_data_and_without_markup_where_the_publisher_asks_for_that() {
    let server = server();
    let mut client = follows_user(&server, "u");
    let markup = json!({ "error": "<b>empty</b>", "list": ["<script>alert(1)</script>x", { "deep": "<img src=x onerror=alert(1)>y" }], "n": 1 });
    let mut event = json!({ "type": "status_update", "user_id": "u", "data": markup });
    server.broadcast(&event);
    let frame = client.next_json();
    assert_eq!((&frame["error"], &frame["list"]), (&markup["error"], &markup["list"]), "as they were sent");
    event["sanitize"] = json!(true);
    server.broadcast(&event);
    let frame = client.next_json();
    assert_eq!((&frame["error"], &frame["list"]), (&json!("empty"), &json!(["x", { "deep": "y" }])));
    assert_eq!(frame["n"], 1);
    event["data"] = json!("<i>all of it</i> & more");
    server.broadcast(&event);
    assert_eq!(client.next_json()["data"], "all of it & more");
    for wrong in [json!("yes"), json!(1), json!({})] {
        event["sanitize"] = wrong;
        assert_eq!(server.post("/broadcast", &event).status, 422);
    }
}

/// Text that is no text: half of a surrogate pair hides nothing.
#[test]
fn no_spelling_of_a_string_keeps_its_markup() {
    let server = server();
    let mut client = follows_user(&server, "u");
    for spelling in
        [r"\u003cscript>alert(1)</script>x", r"\ud800<img src=x onerror=alert(1)>x", r"<b\u0000>x"]
    {
        let body = format!(r#"{{"type":"x","user_id":"u","sanitize":true,"data":{{"s":"{spelling}"}}}}"#);
        let answer = request(
            server.address(),
            "POST",
            "/broadcast",
            &[("content-type", "application/json")],
            Some(body.as_bytes()),
        );
        if answer.status == 200 {
            let frame = text(&mut client);
            assert!(!frame.contains('<') && !frame.contains("\\u003c"), "{spelling} arrived as {frame}");
        } else {
            assert_eq!(answer.status, 422, "{}", answer.text());
        }
    }
}

#[test]
fn what_has_no_target_reaches_ws_and_the_dashboard_and_neither_tasks_nor_receipts() {
    let server = launch().env("JWT_SECRET", super::SECRET).start();
    let token = test_kit::Signer::hs256(super::SECRET).user(7);
    let mut channels = Client::welcomed(&server.ws());
    let mut board = dashboard(&server);
    let mut tasks = Client::connect(&server.ws_at(&format!("/ws/notifications/?token={token}")));
    tasks.expect_type("connection_established");
    let mut receipts = Client::connect(&server.ws_at("/ws/receipts"));
    server.wait_for_connections(4);
    assert_eq!(server.broadcast(&json!({ "type": "all", "data": { "n": 1 } }))["recipients"], 2);
    assert_eq!(channels.expect_type("all")["data"], json!({ "n": 1 }));
    assert_eq!(board.expect_type("all")["n"], 1);
    server.broadcast(&json!({ "type": "end", "user_id": 7, "channel": "receipts" }));
    tasks.expect_type("end");
    receipts.expect_type("end");
}

#[test]
fn a_user_in_three_worlds_gets_an_event_in_each_once_and_in_its_shape() {
    let server = launch().env("JWT_SECRET", super::SECRET).start();
    let token = test_kit::Signer::hs256(super::SECRET).user(7);
    let mut channels = Client::welcomed(&super::with_token(&server, &token));
    let mut board = Client::connect(&server.ws_at(&format!("/?token={token}")));
    subscribe(&mut board, json!({ "userId": 7, "queueId": "q" }));
    let mut tasks = Client::connect(&server.ws_at(&format!("/ws/notifications?token={token}")));
    tasks.expect_type("connection_established");
    let event = json!({ "type": "t", "user_id": "7", "queue_id": "q", "data": { "a": 1 }, "timestamp": "2025-11-18T12:30:45.123Z" });
    assert_eq!(server.broadcast(&event)["recipients"], 3);
    assert_eq!(text(&mut channels), r#"{"type":"t","data":{"a":1},"timestamp":"2025-11-18T12:30:45.123Z"}"#);
    assert_eq!(text(&mut board), r#"{"type":"t","a":1,"timestamp":"2025-11-18T12:30:45.123Z"}"#);
    assert_eq!(text(&mut tasks), r#"{"type":"t","a":1,"timestamp":"2025-11-18T12:30:45.123000"}"#);
    for client in [&mut channels, &mut board, &mut tasks] {
        assert_eq!(client.ping_barrier(), Vec::<Value>::new(), "once");
    }
}

#[test]
fn the_main_port_gives_the_page_to_a_get_and_this_world_to_an_upgrade() {
    let server = server();
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")),
        "{:?}",
        page.headers
    );
    let mut client = dashboard(&server);
    subscribe(&mut client, json!({ "userId": "u" }));
}

#[test]
fn its_own_port_serves_only_this_world_healthz_and_broadcast() {
    let server = with_ports().start();
    let own = own_port(&server, "dashboard");
    for address in [server.address(), own, own_port(&server, "receipts")] {
        assert_eq!(http::get(address, "/healthz", &[]).status, 200, "{address}");
    }
    for path in [
        "/stats",
        "/health",
        "/metrics",
        "/playground",
        "/events",
        "/broadcast/batch",
        "/js/websocket-client.js",
        "/ws",
    ] {
        let status = http::get(own, path, &[]).status;
        assert!(status == 404 || status == 405 && path == "/broadcast", "{path}: {status}");
    }
    assert_eq!(http::get(own, "/", &[]).status, 426, "no page here");
    assert_eq!(http::get(own, "/broadcast", &[]).status, 405);
    for path in ["/ws", "/ws/notifications", "/ws/receipts", "/dashboard", "//"] {
        let refused = Client::dial(&format!("ws://{own}{path}")).attempt().expect_err("another world");
        assert_eq!(refused.status, 404, "{path}");
    }
    let mut client = Client::connect(&format!("ws://{own}/?userId=ignored"));
    subscribe(&mut client, json!({ "userId": "u" }));
    let mut on_main = follows_user(&server, "u");
    let event = json!({ "type": "x", "user_id": "u", "data": { "n": 1 } });
    assert_eq!(http::post_json(own, "/broadcast", &[], &event).json()["recipients"], 2, "one hub");
    assert_eq!(client.expect_type("x")["n"], 1);
    assert_eq!(on_main.expect_type("x")["n"], 1);
    server.wait_for_log(&format!("WebSocket server started on ws://localhost:{}", own.port()));
}

#[test]
fn publishing_on_its_own_port_is_held_to_the_same_keys_and_bounds() {
    let server =
        with_ports().env("FANFARE_API_KEYS", "shop:secret-of-shop:queue:*").env("MAX_BODY", "2KiB").start();
    let event = json!({ "type": "x", "queue_id": "q" });
    let key = ("authorization", "Bearer secret-of-shop");
    for own in [own_port(&server, "dashboard"), own_port(&server, "receipts")] {
        assert_eq!(http::post_json(own, "/broadcast", &[], &event).status, 401);
        assert_eq!(
            http::post_json(own, "/broadcast", &[("authorization", "Bearer wrong-one")], &event).status,
            401
        );
        assert_eq!(http::post_json(own, "/broadcast", &[key], &event).status, 200);
        assert_eq!(
            http::post_json(own, "/broadcast", &[key], &json!({ "type": "x", "channel": "receipts" })).status,
            403
        );
        let large = json!({ "type": "x", "queue_id": "q", "data": "x".repeat(3_000) });
        assert_eq!(http::post_json(own, "/broadcast", &[key], &large).status, 413);
    }
    let server = with_ports().start();
    let own = own_port(&server, "dashboard");
    let through_a_proxy = [("x-forwarded-for", "203.0.113.7")];
    assert!([401, 403].contains(&http::post_json(own, "/broadcast", &through_a_proxy, &event).status));
}

#[test]
fn who_joins_late_gets_the_last_state_of_each_key() {
    let server = server();
    for n in 1..=3 {
        let event = json!({ "type": "image_processing_progress", "user_id": "u", "data": { "progress": n },
            "retain": { "key": "image:1", "ttl_s": 600 }, "timestamp": "2025-11-18T12:30:45.123Z" });
        server.broadcast(&event);
    }
    server.broadcast(&json!({ "type": "q", "queue_id": "q", "retain": { "key": "q:1", "ttl_s": 600 } }));
    let mut client = dashboard(&server);
    assert_eq!(client.ping_barrier(), Vec::<Value>::new(), "not before it says whose it is");
    subscribe(&mut client, json!({ "userId": "u" }));
    let wanted =
        r#"{"type":"image_processing_progress","progress":3,"timestamp":"2025-11-18T12:30:45.123Z"}"#;
    assert_eq!(text(&mut client), wanted);
    assert_eq!(client.ping_barrier(), Vec::<Value>::new(), "the last one alone");
    subscribe(&mut client, json!({ "queueId": "q" }));
    client.expect_type("q");
    assert_eq!(client.ping_barrier(), Vec::<Value>::new(), "and the first one not again");
}

#[test]
fn events_on_their_way_come_before_unsubscribed_or_not_at_all() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    let mut client = dashboard(&server);
    for round in 0..50 {
        subscribe(&mut client, json!({ "userId": "u", "queueId": "q" }));
        let events: Vec<Value> =
            (0..20).map(|n| json!({ "type": "x", "user_id": "u", "data": { "n": [round, n] } })).collect();
        let answer = server.post("/broadcast/batch", &json!(events));
        assert_eq!(answer.status, 200);
        client.send_json(&json!({ "type": "unsubscribe", "userId": "u" }));
        let frames = client.collect_until("unsubscribed");
        let numbers: Vec<&Value> =
            frames.iter().filter(|frame| frame["type"] == "x").map(|frame| &frame["n"]).collect();
        let wanted: Vec<Value> = (0..20).map(|n| json!([round, n])).collect();
        assert!(
            wanted.iter().collect::<Vec<_>>().starts_with(&numbers),
            "whole, in order, up to where it ended"
        );
        assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    }
}
