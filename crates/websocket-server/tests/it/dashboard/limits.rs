//! How much one client and one user may: frames, connections, subscriptions; and how dead and unfinished ones end.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Frame, RawClient, Signer, eventually};

use super::super::{SECRET, launch, server, server_with_users};
use super::{dashboard, expect_error, follows_user, own_port, subscribe, with_ports};

const TOO_MANY: (u16, &str) = (4029, "Too many connections");

#[track_caller]
fn expect_too_many(client: &mut Client) {
    let (code, reason) = client.expect_close();
    assert_eq!((code, &*reason), TOO_MANY);
}

#[test]
fn the_101st_frame_in_ten_seconds_closes_4029() {
    let server = with_ports().start();
    for address in [server.address(), own_port(&server, "dashboard")] {
        for frame in
            [Frame::text(r#"{"type":"ping"}"#), Frame::text("x"), Frame::new(9, "ping"), Frame::new(2, "")]
        {
            let mut client = RawClient::upgraded(address, "/", &[]);
            client.write(&frame.bytes().repeat(150));
            for n in 0..100 {
                let answer = client.next_frame().expect("an answer");
                assert_ne!(answer.opcode, 8, "closed after {n}: {answer:?}");
            }
            let close = client.next_frame().expect("a Close");
            assert_eq!(close.close_reason(), (4029, "Too many requests".to_owned()));
        }
    }
    server.wait_for_connections(0);
}

#[test]
fn pongs_are_no_requests_and_zero_switches_the_limit_off() {
    let server = server();
    let mut client = RawClient::upgraded(server.address(), "/", &[]);
    client.write(&Frame::new(10, "").bytes().repeat(500));
    client.send(&Frame::text(r#"{"type":"ping"}"#));
    assert_eq!(client.next_frame().expect("a pong").opcode, 1);
    let server = launch().env("WS_RATE_LIMIT", "off").start();
    let mut client = dashboard(&server);
    for _ in 0..500 {
        client.send_json(&json!({ "type": "ping" }));
    }
    for _ in 0..500 {
        client.expect_type("pong");
    }
}

#[test]
fn the_sixth_connection_of_a_user_is_refused_and_the_five_go_on() {
    let server = server();
    let mut five: Vec<Client> = (0..5).map(|_| follows_user(&server, "u")).collect();
    let mut sixth = dashboard(&server);
    sixth.send_json(&json!({ "type": "subscribe", "userId": "u" }));
    expect_too_many(&mut sixth);
    let mut other = follows_user(&server, "other");
    server.wait_for_connections(6);
    assert_eq!(server.broadcast(&json!({ "type": "x", "user_id": "u" }))["recipients"], 5);
    for client in &mut five {
        client.expect_type("x");
        subscribe(client, json!({ "userId": "u" }));
    }
    assert_eq!(other.ping_barrier(), Vec::<Value>::new());
}

#[test]
fn places_of_a_user_are_given_back_by_a_close_a_cut_and_an_unsubscribe() {
    let server = server();
    let mut five: Vec<Client> = (0..5).map(|_| follows_user(&server, 7)).collect();
    five.pop().expect("one").close();
    five.pop().expect("one").cut();
    let mut third = five.pop().expect("one");
    third.send_json(&json!({ "type": "unsubscribe", "userId": 7 }));
    third.expect_type("unsubscribed");
    server.wait_for_connections(3);
    five.extend((0..3).map(|_| follows_user(&server, "7")));
    let mut sixth = dashboard(&server);
    sixth.send_json(&json!({ "type": "subscribe", "userId": 7, "queueId": "q" }));
    expect_too_many(&mut sixth);
    server.wait_for_connections(6);
    for client in &mut five {
        assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    }
    // A hundred come and go, and none is counted twice or never.
    five.pop().expect("one").close();
    for _ in 0..100 {
        let mut client = dashboard(&server);
        subscribe(&mut client, json!({ "userId": 7 }));
        subscribe(&mut client, json!({ "userId": 7 }));
        client.close();
    }
    five.push(follows_user(&server, 7));
}

#[test]
fn places_count_per_endpoint_and_not_what_the_user_has_on_ws() {
    let server = server_with_users();
    let token = Signer::hs256(SECRET).user(7);
    let mut on_ws: Vec<Client> =
        (0..7).map(|_| Client::welcomed(&super::super::with_token(&server, &token))).collect();
    let url = server.ws_at(&format!("/?token={token}"));
    let mut five: Vec<Client> = (0..5).map(|_| Client::connect(&url)).collect();
    for client in &mut five {
        subscribe(client, json!({ "userId": 7 }));
    }
    let mut sixth = Client::connect(&url);
    sixth.send_json(&json!({ "type": "subscribe", "userId": "7" }));
    expect_too_many(&mut sixth);
    assert_eq!(server.broadcast(&json!({ "type": "x", "user_id": 7 }))["recipients"], 12);
    for client in on_ws.iter_mut().chain(&mut five) {
        client.expect_type("x");
    }
}

#[test]
fn the_101st_subscription_is_an_error() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    let mut client = dashboard(&server);
    for n in 0..50 {
        subscribe(&mut client, json!({ "userId": format!("u{n}"), "queueId": format!("q{n}") }));
    }
    for frame in [
        json!({ "type": "subscribe", "userId": "one more" }),
        json!({ "type": "subscribe", "queueId": "one-more" }),
    ] {
        client.send_json(&frame);
        assert!(expect_error(&mut client).contains("100"));
    }
    client.send_json(&json!({ "type": "unsubscribe", "queueId": "q0" }));
    client.expect_type("unsubscribed");
    client.send_json(&json!({ "type": "subscribe", "userId": "a", "queueId": "b" }));
    assert!(expect_error(&mut client).contains("100"), "room for one of the two");
    assert_eq!(client.expect_type("subscribed")["userId"], "a");
    assert_eq!(
        server.broadcast(&json!({ "type": "x", "user_id": "u49", "queue_id": "q49" }))["recipients"],
        1
    );
    client.expect_type("x");
}

#[test]
fn one_that_does_not_answer_pings_is_gone_within_the_timeout_and_one_that_does_stays() {
    let server = launch().env("PING_INTERVAL", "300ms").env("PING_TIMEOUT", "5s").start();
    let mut dead = RawClient::upgraded(server.address(), "/", &[]);
    let mut alive = follows_user(&server, "u");
    server.wait_for_connections(2);
    let mut pings = 0;
    let started = Instant::now();
    // The one that is alive reads, so it answers; the other reads too, and says nothing.
    while started.elapsed() < Duration::from_secs(20) {
        let _answers_pings = alive.ping_barrier();
        match dead.next_frame() {
            Some(frame) if frame.opcode == 9 => pings += 1,
            Some(frame) => {
                assert_eq!(frame.close_reason(), (4009, "Ping timeout".to_owned()));
                break;
            }
            None => panic!("cut without a Close"),
        }
    }
    assert!(
        pings > 0 && started.elapsed() < Duration::from_secs(15),
        "{pings} pings in {:?}",
        started.elapsed()
    );
    server.wait_for_connections(1);
    server.broadcast(&json!({ "type": "x", "user_id": "u" }));
    alive.expect_type("x");
}

#[test]
fn a_drain_closes_with_a_time_to_come_back() {
    let mut server = with_ports().start();
    let mut clients =
        [follows_user(&server, "u"), Client::connect(&format!("ws://{}/", own_port(&server, "dashboard")))];
    server.wait_for_connections(2);
    server.broadcast(&json!({ "type": "last" }));
    server.terminate();
    for client in &mut clients {
        let (frames, code, reason) = client.collect_until_close(PATIENCE);
        assert_eq!((frames.len(), code), (1, 1001));
        assert!(reason.starts_with("draining; reconnect in "), "{reason}");
    }
    server.wait();
}

#[test]
fn ten_thousand_half_open_handshakes_on_the_own_ports_keep_nobody_out() {
    const HALF_OPEN: usize = 10_000;
    let room = test_kit::limits::raise_open_files();
    assert!(room >= HALF_OPEN as u64 + 1000, "this test needs {HALF_OPEN} open files and some, not {room}");
    let timeout = Duration::from_secs(20);
    let server =
        with_ports().env("HANDSHAKE_TIMEOUT", "20s").env("RUST_LOG", "warn,websocket_server=info").start();
    let (board, receipts) = (own_port(&server, "dashboard"), own_port(&server, "receipts"));
    let mut friend = Client::connect(&format!("ws://{board}/"));
    subscribe(&mut friend, json!({ "userId": "u" }));
    let files = server.open_files();
    let beginnings: [&[u8]; 3] = [b"", b"G", b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"];
    let mut half_open: Vec<TcpStream> = Vec::with_capacity(HALF_OPEN);
    for n in 0..HALF_OPEN {
        let address = if n % 2 == 0 { board } else { receipts };
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(beginnings[n % beginnings.len()]).expect("a beginning");
        half_open.push(stream);
    }
    eventually(timeout, || server.open_files() >= files + HALF_OPEN);
    let mut newcomers: Vec<Client> = (0..10).map(|_| Client::connect(&format!("ws://{board}/"))).collect();
    let mut listeners: Vec<Client> = (0..10).map(|_| Client::connect(&format!("ws://{receipts}/"))).collect();
    for client in newcomers.iter_mut().take(4) {
        subscribe(client, json!({ "userId": "u" }));
    }
    server.wait_for_connections(21);
    server.broadcast(&json!({ "type": "x", "user_id": "u", "channel": "receipts" }));
    for client in newcomers.iter_mut().take(4).chain(&mut listeners).chain([&mut friend]) {
        client.expect_type("x");
    }
    eventually(timeout + Duration::from_secs(60), || server.open_files() <= files + 21);
    server.broadcast(&json!({ "type": "afterwards" }));
    friend.expect_type("afterwards");
}
