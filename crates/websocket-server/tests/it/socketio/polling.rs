//! HTTP long-polling: how sessions begin, what polls and payloads do, and how they end.

use std::collections::BTreeSet;
use std::thread;

use serde_json::json;
use test_kit::http::request;
use test_kit::wait::PATIENCE;
use test_kit::{RawClient, eventually};

use super::*;
use crate::server_with_users;

const BARE: &str = "/engine.io/";

#[test]
fn a_session_begins_with_its_first_packet() {
    let server = launch().start();
    for path in ["/socket.io/", "/socket.io"] {
        let answer = server.get(&format!("{path}?EIO=4&transport=polling&t=abc"));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let open = open_packet(&answer.text());
        let sid = open["sid"].as_str().expect("an id").to_owned();
        assert!(sid.len() >= 20 && sid.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
        let expected = json!({ "sid": sid, "upgrades": ["websocket"], "pingInterval": 25_000,
            "pingTimeout": 60_000, "maxPayload": 1_000_000 });
        assert_eq!(open, expected);
    }
    let ids: BTreeSet<String> = (0..20).map(|_| Polling::open(&server, "/socket.io/").sid).collect();
    assert_eq!(ids.len(), 20);
}

#[test]
fn the_heartbeat_is_configurable_and_the_switch_has_its_own() {
    let server = launch().env("SOCKETIO_PING_INTERVAL", "7s").env("SOCKETIO_PING_TIMEOUT", "4s").start();
    let open = open_packet(&server.get("/socket.io/?EIO=4&transport=polling").text());
    assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&json!(7_000), &json!(4_000)));
    let bare = server.get("/engine.io/?EIO=4&transport=polling");
    assert_eq!((bare.status, &*bare.problem_code()), (404, "not_found"), "without the switch there is none");
    let server = in_test();
    let open = open_packet(&server.get("/engine.io/?EIO=4&transport=polling").text());
    assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&json!(300), &json!(200)));
}

#[test]
fn what_is_sent_comes_back_packet_by_packet() {
    in_time(|server| {
        let polling = Polling::open(server, BARE);
        let sent = "4hello\u{1e}bAQIDBA==\u{1e}4Grüße 🎉\u{1e}4\u{1e}b";
        let answer = polling.post(sent);
        assert_eq!((answer.status, &*answer.text()), (200, "ok"));
        assert_eq!(answer.header("content-type"), Some("text/html"));
        assert_eq!(polling.poll_text(), sent);
        polling.post_ok("4again");
        assert_eq!(polling.poll_text(), "4again");
    });
}

#[test]
fn a_payload_of_very_many_packets_is_handled_in_its_order() {
    in_time(|server| {
        let polling = Polling::open(server, BARE);
        let packets: Vec<String> = (0..30_000).map(|n| format!("4{n}")).collect();
        polling.post_ok(&packets.join("\u{1e}"));
        let got = polling.poll_until("429999");
        let numbers: Vec<&String> = got.iter().filter(|packet| *packet != "2").collect();
        assert!(numbers.into_iter().eq(packets.iter()));
    });
}

#[test]
fn a_waiting_poll_gets_what_comes() {
    in_time(|server| {
        let polling = Polling::open(server, BARE);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| polling.poll_until("4news"));
            polling.post_ok("4news");
            assert!(waiting.join().expect("an answer").ends_with(&["4news".to_owned()]));
        });
    });
}

#[test]
fn the_server_pings_and_ends_who_does_not_answer() {
    in_time(|server| {
        let polling = Polling::open(server, BARE);
        for _ in 0..3 {
            assert_eq!(polling.poll_text(), "2");
            polling.post_ok("3");
        }
        // A poll that waits is let go; the next request is that of an unknown session, which a client begins anew.
        assert_eq!(polling.poll_text(), "2");
        let last = polling.poll();
        assert!(last.status == 400 || last.text() == "6", "{}", last.text());
        assert_over(&polling);
        let silent = Polling::open(server, "/socket.io/");
        eventually(PATIENCE, || silent.poll().status == 400);
    });
}

#[test]
fn a_client_that_closes_lets_its_poll_go() {
    let server = launch().start();
    let polling = Polling::open(&server, "/socket.io/");
    let mut waiting = RawClient::connect(server.address());
    let head = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", polling.target());
    waiting.write(head.as_bytes());
    // The poll may come behind the payload; then its session is over.
    polling.post_ok("1");
    let status = waiting.read_head().status;
    assert!([200, 400].contains(&status), "{status}");
    assert_over(&polling);
    assert_refused(&polling.post("3"), 400, 1, "Session ID unknown");
}

#[test]
fn what_breaks_the_protocol_is_400_and_ends_the_session() {
    in_time(|server| {
        let text = [("content-type", "text/plain;charset=UTF-8")];
        let bodies: [&[u8]; 9] = [
            b"abc",
            b"",
            b"4a\x1e",
            b"\x1e4a",
            b"7",
            b"bAQ=ID",
            b"4\xff\xfe",
            b"4a\x1e2probe\x1e4b",
            b"4a\x1e9",
        ];
        for body in bodies {
            let polling = Polling::open(server, BARE);
            let answer = polling.post_bytes(body, &text);
            // A ping is a packet, though a client's is none to send; its payload was read.
            let expected = if body.contains(&b'2') { 200 } else { 400 };
            assert_eq!(answer.status, expected, "{}", String::from_utf8_lossy(body));
            assert_over(&polling);
        }
        let polling = Polling::open(server, BARE);
        let bytes = polling.post_bytes(b"4a", &[("content-type", "application/octet-stream")]);
        assert_refused(&bytes, 400, 3, "Bad request");
        assert_over(&polling);
    });
}

#[test]
fn two_polls_at_once_end_the_session() {
    let server = launch().start();
    let polling = Polling::open(&server, "/socket.io/");
    let mut answers = thread::scope(|scope| {
        let both = [scope.spawn(|| polling.poll()), scope.spawn(|| polling.poll())];
        both.map(|poll| poll.join().expect("an answer")).to_vec()
    });
    answers.sort_by_key(|answer| answer.status);
    assert_eq!((answers[0].status, &*answers[0].text()), (200, "1"), "the one that waited is told");
    assert_refused(&answers[1], 400, 3, "Bad request");
    assert_over(&polling);
}

#[test]
fn two_payloads_at_once_end_the_session() {
    let server = launch().start();
    let polling = Polling::open(&server, "/socket.io/");
    let mut slow = RawClient::connect(server.address());
    let head = format!("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n3", polling.target());
    slow.write(head.as_bytes());
    eventually(PATIENCE, || polling.post("3").status == 400);
    assert_over(&polling);
    slow.write(b"\x1e3\x1e3\x1e3\x1e3\x1e");
    assert_eq!(slow.read_head().status, 400);
}

#[test]
fn a_payload_over_the_limit_is_413_and_one_of_the_limit_is_taken() {
    in_time(|server| {
        let polling = Polling::open(server, BARE);
        let payload = format!("4{}", "x".repeat(999_999));
        polling.post_ok(&payload);
        assert_eq!(polling.poll_until("4x").last(), Some(&payload));
        let other = Polling::open(server, BARE);
        let answer = other.post(&format!("{payload}x"));
        assert_eq!((answer.status, &answer.json()["message"]), (413, &json!("Payload too large")));
        other.post_ok("4still here");
        assert!(other.poll_text().contains("4still here"));
    });
}

#[test]
fn a_wrong_request_is_refused_as_engine_io_does() {
    let server = launch().start();
    let cases = [
        ("GET", "", 0, "Transport unknown"),
        ("GET", "EIO=4", 0, "Transport unknown"),
        ("GET", "EIO=4&transport=abc", 0, "Transport unknown"),
        ("GET", "EIO=4&transport=webtransport", 0, "Transport unknown"),
        ("GET", "transport=polling", 5, "Unsupported protocol version"),
        ("GET", "EIO=3&transport=polling", 5, "Unsupported protocol version"),
        ("GET", "EIO=abc&transport=polling", 5, "Unsupported protocol version"),
        ("POST", "EIO=4&transport=polling", 2, "Bad handshake method"),
        ("PUT", "EIO=4&transport=polling", 2, "Bad handshake method"),
        ("DELETE", "EIO=4&transport=polling", 2, "Bad handshake method"),
        ("GET", "EIO=4&transport=websocket", 3, "Bad request"),
        ("GET", "EIO=4&transport=polling&sid=abc", 1, "Session ID unknown"),
        ("GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA", 1, "Session ID unknown"),
        ("POST", "EIO=4&transport=polling&sid=____________________", 1, "Session ID unknown"),
        ("POST", "EIO=4&transport=polling&sid=%F0%9F%8E%89", 1, "Session ID unknown"),
    ];
    for (method, query, code, message) in cases {
        let body: Option<&[u8]> = (method != "GET").then_some(b"4x");
        let answer = request(server.address(), method, &format!("/socket.io/?{query}"), &[], body);
        assert_refused(&answer, 400, code, message);
    }
    let long = format!("/socket.io/?EIO=4&transport=polling&t={}", "x".repeat(5_000));
    assert_refused(&server.get(&long), 400, 0, "Transport unknown");
    let polling = Polling::open(&server, "/socket.io/");
    let put = request(server.address(), "PUT", &polling.target(), &[], Some(b"4x"));
    assert_refused(&put, 400, 3, "Bad request");
    polling.post_ok("3");
}

#[test]
fn a_session_belongs_to_its_path_and_its_pages_origin() {
    let server = test_launch().env("CORS_ALLOWED_ORIGINS", "https://a.example,https://b.example").start();
    let (a, b) = (("origin", "https://a.example"), ("origin", "https://b.example"));
    let get = |target: &str, origin| request(server.address(), "GET", target, &[origin], None);
    let open = |origin| {
        let answer = get("/engine.io/?EIO=4&transport=polling", origin);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin.1));
        let sid = open_packet(&answer.text())["sid"].as_str().expect("an id").to_owned();
        Polling { server: &server, path: BARE, sid }
    };
    let polling = open(a);
    assert_refused(&polling.post_bytes(b"4x", &[b]), 400, 3, "Bad request");
    assert_refused(&get(&polling.target(), b), 400, 3, "Bad request");
    assert_refused(&get(&polling.target(), ("origin", "https://c.example")), 403, 4, "Forbidden");
    assert_eq!(polling.post_bytes(b"4mine", &[a]).status, 200);
    assert!(polling.poll_until("4mine").contains(&"4mine".to_owned()), "a page's own GET names no origin");
    let elsewhere = polling.target().replace("engine.io", "socket.io");
    assert_refused(&server.get(&elsewhere), 400, 1, "Session ID unknown");
    // One that began without an origin is that of the first page that says one.
    let own = Polling::open(&server, BARE);
    assert_eq!(own.post_bytes(b"3", &[b]).status, 200);
    assert_refused(&own.post_bytes(b"3", &[a]), 400, 3, "Bad request");
    let foreign = get("/engine.io/?EIO=4&transport=polling", ("origin", "https://c.example"));
    assert_refused(&foreign, 403, 4, "Forbidden");
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}

#[test]
fn a_session_takes_one_place_and_gives_it_back() {
    let server = launch().env("MAX_CONNECTIONS", "1").env("JWT_SECRET", SECRET).start();
    let polling = Polling::connected(&server, &["/chat", "/orders"]);
    let refused = server.get("/socket.io/?EIO=4&transport=polling");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    polling.post_ok("1");
    eventually(PATIENCE, || server.get("/socket.io/?EIO=4&transport=polling").status == 200);
}

#[test]
fn a_drain_tells_sessions_that_poll_and_lets_no_new_ones_in() {
    let mut server = server_with_users();
    let polling = Polling::connected(&server, &["/chat"]);
    let lonely = Polling::open(&server, "/socket.io/");
    let last = thread::scope(|scope| {
        let waiting = scope.spawn(|| polling.poll().text());
        let other = scope.spawn(|| lonely.poll());
        server.terminate();
        let other = other.join().expect("an answer");
        assert!(other.text() == "6" || [400, 503].contains(&other.status), "{}", other.text());
        waiting.join().expect("an answer")
    });
    assert_eq!(last, "6", "not the server's last word, behind which some clients stay away");
    assert_eq!(server.wait_within(PATIENCE), Some(0));
}

#[test]
fn a_client_that_polls_no_more_does_not_hold_up_a_drain_with_what_waits_for_it() {
    let mut server = launch().env("JWT_SECRET", SECRET).env("DRAIN_TIMEOUT", "10m").start();
    let gone = Polling::connected(&server, &["/chat"]);
    server.broadcast(&json!({ "type": "x", "namespace": "/chat", "data": 1 }));
    drop(gone);
    server.terminate();
    assert_eq!(server.wait_within(PATIENCE), Some(0));
}
