//! The end of the process: who is told what, what is still delivered, and when it is over.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Launch, RawClient, Server, eventually};

use super::operations::deaf;
use super::{launch, server};

/// A server with a client that has far more waiting than the kernel takes, so that a drain lasts until it reads.
fn held_up(launch: &Launch) -> (Server, RawClient, usize) {
    let server = launch.clone().env("OUTBOX_MAX_BYTES", "256MiB").env("OUTBOX_MAX_FRAMES", "100000").start();
    let slow = deaf(&server);
    let events = 40;
    for n in 0..events {
        server.broadcast(&json!({ "type": "x", "data": [n, "x".repeat(500_000)] }));
    }
    eventually(PATIENCE, || server.metric("fanfare_outboxes", &[]) == Some(1.0));
    (server, slow, events)
}

#[test]
fn a_drain_tells_each_client_when_to_return_and_loses_nothing() {
    let (mut server, mut slow, events) = held_up(&launch());
    let mut clients: Vec<Client> = (0..20).map(|_| Client::welcomed(&server.ws())).collect();
    let last: Vec<Value> = (0..100).map(|n| json!({ "type": "last", "data": n })).collect();
    assert_eq!(server.post("/broadcast/batch", &json!(last)).status, 200);
    let begun = Instant::now();
    server.terminate();
    let mut delays = Vec::new();
    for client in &mut clients {
        let (frames, code, reason) = client.collect_until_close(PATIENCE);
        // It may have come so early that it got the large events, too.
        let numbers = frames.iter().filter(|frame| frame["type"] == "last").map(|frame| &frame["data"]);
        assert!(numbers.eq(last.iter().map(|event| &event["data"])), "accepted events come before the Close");
        let delay = reason.strip_prefix("draining; reconnect in ").and_then(|rest| rest.strip_suffix(" ms"));
        delays.push(
            delay.and_then(|text| text.parse::<u64>().ok()).unwrap_or_else(|| panic!("{code} {reason}")),
        );
        assert_eq!(code, 1001);
    }
    // None waits for the one that is slow, which may take half a minute.
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    delays.sort_unstable();
    assert!(delays.windows(2).all(|pair| pair[0] < pair[1]), "each another: {delays:?}");
    assert!(delays[delays.len() - 1] - delays[0] >= 1_800, "spread with the one that is slow: {delays:?}");

    // The listener stays, and says what is going on.
    let health = server.get("/health");
    assert_eq!((health.status, health.json()["status"].as_str()), (503, Some("draining")));
    assert_eq!(server.metric("fanfare_draining", &[]), Some(1.0));
    let refused = server.post("/broadcast", &json!({ "type": "x" }));
    assert_eq!((refused.status, refused.problem_code().as_str()), (503, "draining"));
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    let items = server.post("/broadcast/batch", &json!([{ "type": "x" }, { "type": "x" }])).json();
    assert!((0..2).all(|n| items[n]["status"] == 503), "{items}");
    let handshake = Client::dial(&server.ws()).attempt().expect_err("no new connections");
    assert_eq!(handshake.status, 503);
    assert!(handshake.headers.iter().any(|(name, _)| name == "retry-after"), "{handshake:?}");
    assert!(server.is_running());

    // What was accepted for the slow one is delivered before its Close.
    let mut numbers = Vec::new();
    let (code, reason) = loop {
        let frame = slow.next_frame().expect("a frame before the end");
        if frame.opcode == 8 {
            break frame.close_reason();
        }
        let event: Value = serde_json::from_slice(&frame.payload).expect("JSON");
        match event["type"].as_str() {
            Some("x") => numbers.push(event["data"][0].as_u64().expect("a number")),
            Some("last") => numbers.push(events as u64 + event["data"].as_u64().expect("a number")),
            _ => panic!("{event}"),
        }
    };
    assert!(numbers.iter().copied().eq(0..(events + last.len()) as u64), "{numbers:?}");
    assert_eq!(code, 1001);
    assert!(reason.starts_with("draining; reconnect in "), "{reason}");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_drain_spreads_the_returns_over_two_seconds() {
    let mut server = server();
    let mut clients: Vec<Client> = (0..5).map(|_| Client::welcomed(&server.ws())).collect();
    server.interrupt();
    let mut delays: Vec<u64> = clients
        .iter_mut()
        .map(|client| {
            let (code, reason) = client.expect_close();
            assert_eq!(code, 1001);
            reason.split(' ').nth(3).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{reason}"))
        })
        .collect();
    delays.sort_unstable();
    assert!(delays[4] - delays[0] >= 2_000 && delays.windows(2).all(|pair| pair[0] < pair[1]), "{delays:?}");
    assert_eq!(server.wait_within(Duration::from_secs(10)), Some(0));
}

#[test]
fn a_server_without_clients_stops_at_once() {
    let mut server = server();
    server.terminate();
    assert_eq!(server.wait_within(PATIENCE), Some(0));
}

#[test]
fn a_drain_does_not_wait_for_idle_connections_of_publishers() {
    let mut server = server();
    let mut idle = RawClient::connect(server.address());
    idle.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(idle.read_head().status, 200);
    let _silent = RawClient::connect(server.address());
    server.terminate();
    assert_eq!(server.wait_within(PATIENCE), Some(0));
}

#[test]
fn a_drain_ends_at_its_timeout() {
    let (mut server, _slow, _) = held_up(&launch().env("DRAIN_TIMEOUT", "1s"));
    server.terminate();
    assert_eq!(server.wait_within(Duration::from_secs(10)), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let (mut server, _slow, _) = held_up(&launch());
    server.terminate();
    eventually(PATIENCE, || server.get("/health").status == 503);
    assert!(server.is_running());
    server.terminate();
    assert_eq!(server.wait_within(PATIENCE), Some(143));
}
