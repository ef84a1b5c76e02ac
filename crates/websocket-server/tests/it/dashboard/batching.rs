//! Windows: what falls into one goes out as one `batch_update`; what ends one early; and clients that do not read.

use std::time::{Duration, Instant};

use flate2::{Decompress, FlushDecompress};
use serde_json::{Value, json};
use test_kit::wait::{PATIENCE, holds_within};
use test_kit::{Client, Directory, Frame, RawClient, Server, eventually};

use super::super::{launch, server};
use super::{MILLISECONDS, dashboard, expect_error, follows_user, id_of, shape, subscribe, text};

/// A connection that follows a user's events in windows of so many milliseconds.
#[track_caller]
fn in_windows(server: &Server, user: &str, window: u32) -> Client {
    let mut client = Client::connect(&server.ws_at(&format!("/?batch={window}")));
    subscribe(&mut client, json!({ "userId": user }));
    client
}

/// Publishes events with these numbers in one go.
#[track_caller]
fn publish(server: &Server, user: &str, numbers: std::ops::Range<u64>, padding: usize) {
    let padding = "x".repeat(padding);
    let of = |n: u64| json!({ "type": "x", "user_id": user, "data": { "n": n, "padding": padding } });
    let answer = server.post("/broadcast/batch", &numbers.map(of).collect());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The events of a frame, whichever way they come.
fn messages(frame: Value) -> Vec<Value> {
    match frame["type"].as_str() {
        Some("batch_update") => {
            let messages = frame["messages"].as_array().expect("an array").clone();
            assert!(messages.len() > 1, "a lone one goes out as itself: {frame}");
            messages
        }
        _ => vec![frame],
    }
}

/// Reads up to this number; how many frames that took, and the numbers.
#[track_caller]
fn read_until(client: &mut Client, last: u64) -> (usize, Vec<u64>) {
    let (mut frames, mut numbers) = (0, Vec::new());
    while numbers.last() != Some(&last) {
        frames += 1;
        numbers
            .extend(messages(client.next_json()).iter().map(|event| event["n"].as_u64().expect("a number")));
    }
    (frames, numbers)
}

#[test]
fn what_falls_into_one_window_goes_out_as_one_frame() {
    let server = server();
    let mut client = in_windows(&server, "u", 500);
    let mut plain = follows_user(&server, "u");
    publish(&server, "u", 0..20, 0);
    // The end of a window may fall into the publication.
    let (frames, numbers) = read_until(&mut client, 19);
    assert!(frames <= 2, "{frames} frames");
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    assert_eq!(read_until(&mut plain, 19).0, 20, "who did not ask gets each");
    assert!(server.metric("fanfare_batches_total", &[]).is_some_and(|count| count >= 1.0));
    assert!(server.metric("fanfare_batched_events_total", &[]).is_some_and(|count| count >= 18.0));
}

#[test]
fn a_batch_has_exactly_type_messages_and_timestamp_and_the_events_as_they_are() {
    let server = server();
    let mut client = in_windows(&server, "u", 300);
    let mut plain = follows_user(&server, "u");
    let events: Vec<Value> = (0..3)
        .map(|n| json!({ "type": "pdf_generated", "user_id": "u", "data": { "n": n, "fileSize": 9_007_199_254_740_993_u64, "s": "ä😀\"<b>" } }))
        .collect();
    loop {
        server.post("/broadcast/batch", &json!(events));
        let wanted: Vec<String> = (0..3).map(|_| text(&mut plain)).collect();
        let first = text(&mut client);
        let value: Value = serde_json::from_str(&first).expect("JSON");
        let count = messages(value.clone()).len();
        if count < 3 {
            // The end of a window fell into it.
            let mut rest = count;
            while rest < 3 {
                rest += messages(client.next_json()).len();
            }
            continue;
        }
        let at = value["timestamp"].as_str().expect("a time");
        assert_eq!(shape(at), MILLISECONDS);
        assert_eq!(
            first,
            format!(r#"{{"type":"batch_update","messages":[{}],"timestamp":"{at}"}}"#, wanted.join(","))
        );
        break;
    }
}

#[test]
fn a_lone_message_goes_out_as_itself() {
    let server = server();
    let mut client = in_windows(&server, "u", 100);
    for n in 0..5 {
        publish(&server, "u", n..n + 1, 0);
        let frame = client.expect_type("x");
        assert_eq!(frame["n"], n);
    }
    assert_eq!(server.metric("fanfare_batches_total", &[]), Some(0.0));
}

#[test]
fn a_window_is_also_asked_for_in_subscribe_alone_or_with_names_and_changed_at_any_time() {
    let server = server();
    let mut client = dashboard(&server);
    subscribe(&mut client, json!({ "userId": "u", "batch": 300 }));
    publish(&server, "u", 0..20, 0);
    assert!(read_until(&mut client, 19).0 <= 2);
    let id = subscribe(&mut client, json!({ "batch": 0 }));
    publish(&server, "u", 20..40, 0);
    assert_eq!(read_until(&mut client, 39).0, 20, "0 switches it off");
    assert_eq!(subscribe(&mut client, json!({ "batch": 299.5 })), id);
    publish(&server, "u", 40..60, 0);
    assert!(read_until(&mut client, 59).0 <= 2);
    client.send_json(&json!({ "type": "subscribe", "batch": -5 }));
    expect_error(&mut client);
    publish(&server, "u", 60..80, 0);
    assert!(read_until(&mut client, 79).0 <= 2, "a wrong value changes nothing");
    subscribe(&mut client, json!({ "batch": null, "userId": "u" }));
    publish(&server, "u", 80..100, 0);
    assert!(read_until(&mut client, 99).0 <= 2, "null is no value");
}

#[test]
fn a_window_in_the_address_that_is_none_is_refused_with_what_is_wrong() {
    let server = server();
    for wrong in ["-1", "abc", "10001", "99999999999999999999", "1e3", "0x10", "100ms"] {
        let refused =
            Client::dial(&server.ws_at(&format!("/?batch={wrong}"))).attempt().expect_err("refused");
        assert_eq!(refused.status, 400, "{wrong}");
        assert!(refused.body.contains("batch"), "{}", refused.body);
    }
    for good in ["0", "1", "10000", ""] {
        let mut client = Client::connect(&server.ws_at(&format!("/?batch={good}")));
        subscribe(&mut client, json!({ "userId": "u" }));
        client.close();
    }
}

#[test]
fn a_window_that_is_switched_off_ends() {
    let server = server();
    let mut client = in_windows(&server, "u", 10_000);
    let begun = Instant::now();
    publish(&server, "u", 0..3, 0);
    eventually(PATIENCE, || server.metric("fanfare_deliveries_total", &[]).is_some_and(|count| count >= 3.0));
    client.send_json(&json!({ "type": "subscribe", "batch": 0 }));
    let (_, numbers) = read_until(&mut client, 2);
    assert_eq!(numbers, [0, 1, 2]);
    client.expect_type("subscribed");
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[test]
fn an_answer_comes_behind_the_events_before_it() {
    let server = server();
    let mut client = in_windows(&server, "u", 10_000);
    let begun = Instant::now();
    publish(&server, "u", 0..3, 0);
    eventually(PATIENCE, || server.metric("fanfare_deliveries_total", &[]).is_some_and(|count| count >= 3.0));
    client.send_json(&json!({ "type": "ping" }));
    assert_eq!(messages(client.next_json()).len(), 3);
    client.expect_type("pong");
    publish(&server, "u", 3..5, 0);
    eventually(PATIENCE, || server.metric("fanfare_deliveries_total", &[]).is_some_and(|count| count >= 5.0));
    client.send_text("nonsense");
    assert_eq!(messages(client.next_json()).len(), 2);
    expect_error(&mut client);
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[test]
fn an_end_of_the_server_sends_what_was_collected_before_the_close() {
    let mut server = server();
    let mut client = in_windows(&server, "u", 10_000);
    publish(&server, "u", 0..3, 0);
    server.terminate();
    let (frames, code, _) = client.collect_until_close(PATIENCE);
    assert_eq!(code, 1001);
    let numbers: Vec<Value> = frames.into_iter().flat_map(messages).map(|event| event["n"].clone()).collect();
    assert_eq!(numbers, [0, 1, 2]);
    server.wait();
}

#[test]
fn who_closes_in_the_middle_of_a_window_gets_it_when_it_comes_back() {
    let server = server();
    for way in 0..2 {
        let user = format!("u{way}");
        let mut client = Client::connect(&server.ws_at("/?batch=10000"));
        let id = subscribe(&mut client, json!({ "userId": user }));
        publish(&server, &user, 0..3, 0);
        match way {
            0 => drop(client.close()),
            _ => client.cut(),
        }
        server.wait_for_connections(0);
        publish(&server, &user, 3..5, 0);
        let mut client = Client::connect(&server.ws_at("/?batch=10000"));
        client.send_json(&json!({ "type": "reconnect", "connectionId": id }));
        client.expect_type("subscribed");
        let begun = Instant::now();
        let (frames, numbers) = read_until(&mut client, 4);
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert!(frames <= 2, "what was missed comes collected, too");
        assert!(begun.elapsed() < Duration::from_secs(5), "and at once: {:?}", begun.elapsed());
        client.close();
        server.wait_for_connections(0);
    }
}

#[test]
fn retained_state_and_a_window_go_together() {
    let server = server();
    for n in 0..3 {
        server.broadcast(&json!({ "type": "x", "user_id": "u", "data": { "n": n }, "retain": { "key": format!("k{n}"), "ttl_s": 60 } }));
    }
    let mut client = Client::connect(&server.ws_at("/?batch=10000"));
    client.send_json(&json!({ "type": "subscribe", "userId": "u" }));
    client.expect_type("subscribed");
    let begun = Instant::now();
    let mut numbers: Vec<u64> = Vec::new();
    while numbers.len() < 3 {
        numbers
            .extend(messages(client.next_json()).iter().map(|event| event["n"].as_u64().expect("a number")));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2]);
    assert!(begun.elapsed() < Duration::from_secs(9));
}

#[test]
fn batches_are_compressed_and_whole() {
    let server = server();
    let deflate = ["Sec-WebSocket-Extensions: permessage-deflate"];
    let mut client = RawClient::upgraded(server.address(), "/?batch=400", &deflate);
    client.send(&Frame::text(r#"{"type":"subscribe","userId":"u"}"#));
    assert_eq!(client.next_frame().expect("an answer").reserved, 0, "small ones are not worth it");
    let mut numbers = Vec::new();
    for round in 0..5 {
        publish(&server, "u", round * 40..round * 40 + 40, 500);
        while numbers.last() != Some(&(round * 40 + 39)) {
            let frame = client.next_frame().expect("a frame");
            assert_eq!(frame.opcode, 1);
            let payload = if frame.reserved == 4 { inflate(&frame.payload) } else { frame.payload };
            let value: Value = serde_json::from_slice(&payload).expect("JSON");
            assert!(payload.len() < 1_000 || frame.reserved == 4, "a large one is compressed");
            for event in messages(value) {
                assert_eq!(event["padding"].as_str().map(str::len), Some(500));
                numbers.push(event["n"].as_u64().expect("a number"));
            }
        }
    }
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
}

fn inflate(payload: &[u8]) -> Vec<u8> {
    let mut input = payload.to_vec();
    input.extend_from_slice(&[0, 0, 0xff, 0xff]);
    let mut out = Vec::with_capacity(1 << 20);
    Decompress::new(false).decompress_vec(&input, &mut out, FlushDecompress::Sync).expect("a DEFLATE stream");
    out
}

#[test]
fn a_large_window_is_sent_before_it_is_over_and_memory_is_bounded() {
    const EVENTS: u64 = 20_000;
    let server = launch().env("RUST_LOG", "warn").env("HISTORY_MAX_BYTES", "1MiB").start();
    let mut client = in_windows(&server, "u", 10_000);
    let before = server.memory();
    let (mut numbers, mut most): (Vec<u64>, usize) = (Vec::new(), 0);
    for first in (0..EVENTS).step_by(1_000) {
        publish(&server, "u", first..first + 1_000, 500);
        // What is over the bound comes; what is below it waits for the end of the window.
        while (numbers.len() as u64) < if first + 1_000 == EVENTS { EVENTS } else { first } {
            let events = messages(client.next_json_within(Duration::from_secs(20)));
            most = most.max(events.len());
            numbers.extend(events.iter().map(|event| event["n"].as_u64().expect("a number")));
        }
    }
    assert!(most <= 1_024, "{most} events in one frame");
    assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>());
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 16 << 20, "grown by {grown} bytes");
}

#[test]
fn one_who_never_reads_its_windows_is_closed_and_costs_neither_memory_nor_the_others() {
    const EVENTS: u64 = 100_000;
    // History is bounded apart from that.
    let server = launch().env("RUST_LOG", "warn").env("HISTORY_MAX_BYTES", "1MiB").start();
    let mut slow = RawClient::connect_with_buffer(server.address(), 4096);
    assert_eq!(slow.upgrade("/?batch=10000", &[]).status, 101);
    slow.send(&Frame::text(r#"{"type":"subscribe","userId":"u"}"#));
    slow.next_frame().expect("an answer");
    let mut reader = in_windows(&server, "u", 50);
    let mut plain = follows_user(&server, "u");
    server.wait_for_connections(3);
    let before = server.memory();
    let mut most = 0;
    for first in (0..EVENTS).step_by(1_000) {
        publish(&server, "u", first..first + 1_000, 400);
        let (_, numbers) = read_until(&mut reader, first + 999);
        assert_eq!(numbers, (first..first + 1_000).collect::<Vec<_>>());
        assert_eq!(read_until(&mut plain, first + 999).0, 1_000);
        most = most.max(server.memory());
    }
    let grown = most.saturating_sub(before);
    // All of it is 45 MB.
    assert!(grown < 24 << 20, "the server grew by {grown} bytes");
    assert_eq!(server.metric("fanfare_evictions_total", &[r#"reason="slow_consumer""#]), Some(1.0));
    eventually(PATIENCE, || server.metric("fanfare_closes_total", &[r#"code="4010""#]) == Some(1.0));
    server.wait_for_connections(2);
}

#[test]
fn one_who_comes_back_and_reads_slowly_gets_all_of_it_in_windows() {
    const EVENTS: u64 = 900;
    let server = launch().env("RUST_LOG", "warn").start();
    let mut client = Client::connect(&server.ws_at("/?batch=100"));
    let id = subscribe(&mut client, json!({ "userId": "u" }));
    client.cut();
    server.wait_for_connections(0);
    // More than an outbox holds.
    publish(&server, "u", 0..EVENTS / 2, 1_400);
    publish(&server, "u", EVENTS / 2..EVENTS, 1_400);
    let mut slow = RawClient::connect_with_buffer(server.address(), 4096);
    assert_eq!(slow.upgrade("/?batch=100", &[]).status, 101);
    slow.send(&Frame::text(format!(r#"{{"type":"reconnect","connectionId":"{id}"}}"#)));
    let next = |slow: &mut RawClient| -> Option<Value> {
        loop {
            let frame = slow.next_frame()?;
            match frame.opcode {
                9 => slow.send(&Frame::new(10, frame.payload)),
                8 => panic!("closed: {:?}", frame.close_reason()),
                _ => return serde_json::from_slice(&frame.payload).ok(),
            }
        }
    };
    assert_eq!(next(&mut slow).expect("an answer")["type"], "subscribed");
    // It does not read for a while, in which more is published.
    publish(&server, "u", EVENTS..EVENTS + 100, 10);
    let evicted = || {
        server
            .metric("fanfare_evictions_total", &[r#"reason="slow_consumer""#])
            .is_some_and(|count| count > 0.0)
    };
    assert!(!holds_within(Duration::from_secs(2), evicted), "what it missed does not count against it");
    let mut numbers: Vec<u64> = Vec::new();
    while numbers.last() != Some(&(EVENTS + 99)) {
        let frame = next(&mut slow).expect("a frame");
        numbers.extend(messages(frame).iter().map(|event| event["n"].as_u64().expect("a number")));
    }
    assert_eq!(numbers, (0..EVENTS + 100).collect::<Vec<_>>());
}

#[test]
fn a_slow_one_that_was_closed_comes_back_by_its_id_and_misses_nothing() {
    let data = Directory::new();
    let rules = data.write(
        "rules.toml",
        "[[channels]]\npattern = \"user:*\"\nhistory = { size = 100000, age = \"1h\" }\n",
    );
    let server = launch().env("FANFARE_CONFIG", rules).env("RUST_LOG", "warn").start();
    let mut slow = RawClient::connect_with_buffer(server.address(), 4096);
    assert_eq!(slow.upgrade("/?batch=200", &[]).status, 101);
    slow.send(&Frame::text(r#"{"type":"subscribe","userId":"u"}"#));
    let answer: Value = serde_json::from_slice(&slow.next_frame().expect("an answer").payload).expect("JSON");
    let evicted = || server.metric("fanfare_evictions_total", &[r#"reason="slow_consumer""#]) == Some(1.0);
    let mut n = 0;
    eventually(Duration::from_secs(60), || {
        publish(&server, "u", n..n + 500, 1_000);
        n += 500;
        evicted()
    });
    drop(slow);
    server.wait_for_connections(0);
    let mut client = Client::connect(&server.ws_at("/?batch=200"));
    client.send_json(&json!({ "type": "reconnect", "connectionId": id_of(&answer) }));
    client.expect_type("subscribed");
    let (frames, numbers) = read_until(&mut client, n - 1);
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1) && numbers[0] == 0,
        "from {} on",
        numbers[0]
    );
    assert!((frames as u64) < n / 4, "{frames} frames for {n} events");
}
