//! WebSockets: at once, and taking a polling session over; and what RFC 6455 asks of them.

use std::thread;

use serde_json::json;
use test_kit::RawClient;
use test_kit::wait::PATIENCE;

use super::*;
use crate::server_with_users;

const BARE: &str = "/engine.io/";

#[test]
fn a_session_may_be_a_websocket_from_the_beginning() {
    in_time(|server| {
        let (mut ws, open) = Ws::open(server, BARE);
        assert_eq!((&open["upgrades"], &open["maxPayload"]), (&json!([]), &json!(1_000_000)));
        ws.send("4hello");
        assert_eq!(ws.text(), "4hello");
        ws.send_binary(&[1, 2, 3]);
        let frame = ws.0.next_frame().expect("a frame");
        assert_eq!((frame.opcode, &frame.payload[..]), (2, &[1, 2, 3][..]));
        let sid = open["sid"].as_str().expect("an id");
        let poll = server.get(&format!("{BARE}?EIO=4&transport=polling&sid={sid}"));
        assert_refused(&poll, 400, 3, "Bad request");
        ws.send("1");
        ws.0.expect_end(PATIENCE);
        let gone = server.get(&format!("{BARE}?EIO=4&transport=polling&sid={sid}"));
        assert_refused(&gone, 400, 1, "Session ID unknown");
    });
}

#[test]
fn the_server_pings_a_websocket_and_ends_who_does_not_answer() {
    in_time(|server| {
        let (mut ws, _) = Ws::open(server, BARE);
        for _ in 0..2 {
            assert_eq!(ws.0.next_frame().expect("a ping").payload, b"2");
            ws.send("3");
        }
        assert_eq!(ws.0.next_frame().expect("a ping").payload, b"2");
        assert_eq!(ws.close(), (4009, "Ping timeout".to_owned()));
    });
}

#[test]
fn a_polling_session_moves_to_a_websocket() {
    in_time(|server| {
        let polling = Polling::open(server, BARE);
        polling.post_ok("4before");
        let mut ws = Ws::of(&polling);
        ws.send("2probe");
        assert_eq!(ws.text(), "3probe");
        assert_eq!(polling.poll_text(), "4before", "polling goes on until the word");
        assert_eq!(polling.poll_text(), "6", "and each poll is let go");
        polling.post_ok("4between");
        ws.send("5");
        ws.send("4after");
        assert_eq!((ws.text(), ws.text()), ("4between".to_owned(), "4after".to_owned()));
        assert_refused(&polling.poll(), 400, 3, "Bad request");
        assert_refused(&polling.post("4x"), 400, 3, "Bad request");
        ws.send("4still");
        assert_eq!(ws.text(), "4still");
    });
}

#[test]
fn a_poll_that_waits_is_let_go_by_the_probe() {
    let server = launch().start();
    let polling = Polling::open(&server, "/socket.io/");
    let mut ws = Ws::of(&polling);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| polling.poll_text());
        ws.send("2probe");
        assert_eq!(ws.text(), "3probe");
        assert_eq!(waiting.join().expect("an answer"), "6");
    });
}

#[test]
fn one_websocket_takes_a_session_over() {
    in_time(|server| {
        let polling = Polling::open(server, BARE);
        let mut first = Ws::of(&polling);
        let mut second = Ws::of(&polling);
        assert_eq!(second.close().0, 1002);
        first.send("2probe");
        assert_eq!(first.text(), "3probe");
        first.send("5");
        first.send("4hello");
        assert_eq!(first.text(), "4hello");
        assert_eq!(Ws::of(&polling).close().0, 1002, "and not once more");
        first.send("4still");
        assert_eq!(first.text(), "4still");
    });
}

#[test]
fn a_websocket_that_takes_nothing_over_is_ended_and_polling_goes_on() {
    let server = launch().env("JWT_SECRET", SECRET).start();
    let polling = Polling::connected(&server, &["/chat"]);
    for wrong in ["4hello", "3probe", "abc", "2"] {
        let mut ws = Ws::of(&polling);
        ws.send(wrong);
        assert!([1000, 1006].contains(&ws.close().0), "{wrong}");
    }
    // One that is cut.
    drop(Ws::of(&polling));
    let mut bad = Ws::of_when_free(&polling);
    bad.0.send(&Frame::text("2probe").unmasked());
    bad.0.expect_end(PATIENCE);
    polling.post_ok("42/chat,1[\"subscribe\",{\"channels\":[\"x\"]}]");
    assert!(polling.poll_until("43/chat,1[").len() == 1);
    let mut good = Ws::of_when_free(&polling);
    good.send("2probe");
    assert_eq!(good.text(), "3probe");
    good.send("5");
    good.is_well("/chat");
}

impl Ws {
    /// One that is to take a session over, once the last that wanted to is gone.
    fn of_when_free(polling: &Polling<'_>) -> Self {
        loop {
            let mut ws = Self::of(polling);
            ws.0.send(&Frame::new(9, "free?"));
            let frame = ws.0.next_frame().expect("a frame");
            if frame.opcode == 10 {
                return ws;
            }
            assert_eq!(frame.close_reason().0, 1002);
        }
    }
}

#[test]
fn a_wrong_handshake_is_refused() {
    let server = test_launch().env("CORS_ALLOWED_ORIGINS", "https://a.example,https://b.example").start();
    let status =
        |path: &str, headers: &[&str]| RawClient::connect(server.address()).upgrade(path, headers).status;
    let polling = Polling::open(&server, BARE);
    let sid = &polling.sid;
    for query in [
        "transport=websocket",
        "EIO=3&transport=websocket",
        "EIO=abc&transport=websocket",
        "EIO=4",
        "EIO=4&transport=abc",
        "EIO=4&transport=polling",
        "EIO=4&transport=websocket&sid=abc",
        "EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA",
    ] {
        assert_eq!(status(&format!("/socket.io/?{query}"), &[]), 400, "{query}");
    }
    let own = format!("EIO=4&transport=websocket&sid={sid}");
    assert_eq!(status(&format!("/socket.io/?{own}"), &[]), 400, "a session of another path");
    polling.post_bytes(b"3", &[("origin", "https://a.example")]);
    assert_eq!(status(&format!("{BARE}?{own}"), &["Origin: https://b.example"]), 400);
    assert_eq!(status(&format!("{BARE}?{own}"), &["Origin: https://c.example"]), 403);
    assert_eq!(status(&format!("{BARE}?EIO=4&transport=websocket"), &["Origin: https://c.example"]), 403);
    assert_eq!(status(&format!("{BARE}?{own}"), &["Origin: https://a.example"]), 101);
    let plain = launch().start();
    let bare = RawClient::connect(plain.address()).upgrade(&format!("{BARE}?EIO=4&transport=websocket"), &[]);
    assert_eq!(bare.status, 404, "without the switch there is none");
}

#[test]
fn frames_keep_to_rfc_6455() {
    in_time(|server| {
        let closed = |frames: &[Frame]| {
            let (mut ws, _) = Ws::open(server, BARE);
            for frame in frames {
                // The server may have closed before the last.
                let _ = ws.0.try_write(&frame.bytes());
            }
            ws.close().0
        };
        assert_eq!(closed(&[Frame::text("4x").unmasked()]), 1002);
        assert_eq!(closed(&[Frame::text("4x").reserved(4)]), 1002, "compression was not agreed to");
        assert_eq!(closed(&[Frame::new(3, "4x")]), 1002);
        assert_eq!(closed(&[Frame::new(0, "4x")]), 1002);
        assert_eq!(closed(&[Frame::text(b"4\xff".to_vec())]), 1007);
        assert_eq!(closed(&[Frame::text(format!("4{}", "x".repeat(1_000_000)))]), 1009);
        assert_eq!(closed(&[Frame::close(4321, "bye")]), 4321, "a close is answered by its code");
        let (mut ws, _) = Ws::open(server, BARE);
        ws.0.send(&Frame::text("4he").unfinished());
        ws.0.send(&Frame::new(9, "are you there?"));
        ws.0.send(&Frame::new(0, "llo"));
        let pong = ws.0.next_frame().expect("a pong");
        assert_eq!((pong.opcode, &pong.payload[..]), (10, &b"are you there?"[..]));
        assert_eq!(ws.text(), "4hello");
        let largest = format!("4{}", "x".repeat(999_999));
        ws.send(&largest);
        assert!(ws.text() == largest);
    });
}

#[test]
fn events_come_once_and_in_order_while_a_session_moves() {
    let server = server_with_users();
    let polling = Polling::connected(&server, &["/orders"]);
    let publish = |range: std::ops::Range<u32>| {
        for n in range {
            server.broadcast(&json!({ "type": "x", "namespace": "/orders", "data": n }));
        }
    };
    let packets = thread::scope(|scope| {
        let publisher = scope.spawn(|| publish(0..300));
        let mut packets = polling.poll_through("42/orders,[\"x\",20]");
        let mut ws = Ws::of(&polling);
        ws.send("2probe");
        assert_eq!(ws.text(), "3probe");
        loop {
            let payload = polling.poll_text();
            packets.extend(payload.split('\u{1e}').map(str::to_owned));
            if payload.ends_with('6') {
                break;
            }
        }
        ws.send("5");
        loop {
            let packet = ws.text();
            packets.push(packet);
            if packets.last().is_some_and(|packet| packet == "42/orders,[\"x\",299]") {
                break;
            }
        }
        publisher.join().expect("published");
        packets
    });
    let events: Vec<String> = packets.into_iter().filter(|packet| packet.starts_with("42")).collect();
    assert!(
        events.iter().map(String::as_str).eq((0..300)
            .map(|n| format!("42/orders,[\"x\",{n}]"))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)),
        "{events:?}"
    );
}

#[test]
fn a_drain_closes_websockets_each_with_its_own_time() {
    let mut server = server_with_users();
    let (mut one, _) = Ws::connected(&server, &["/chat", "/orders"]);
    let (mut other, _) = Ws::connected(&server, &["/chat"]);
    let (mut lonely, _) = Ws::open(&server, "/socket.io/");
    server.terminate();
    let reasons = [one.close(), other.close(), lonely.close()];
    for (code, reason) in &reasons {
        assert!(*code == 1001 && reason.starts_with("draining; reconnect in "), "{code} {reason}");
    }
    assert_ne!(reasons[0].1, reasons[1].1);
    for ws in [one, other, lonely] {
        drop(ws);
    }
    assert_eq!(server.wait_within(PATIENCE), Some(0));
}
