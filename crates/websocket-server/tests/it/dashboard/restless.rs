//! Clients of the dashboard that do everything at once and out of turn, on several shards: each that follows a user without
//! a break sees that user's events whole and in order, whatever else it does.
//!
//! Not here: one thing at a time (`reconnect`, `batching`).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};
use test_kit::wait::{PATIENCE, holds_within};
use test_kit::{Client, Directory, Frame, Launch, RawClient, Server, eventually};

use super::super::durable::try_publish;
use super::super::launch;
use super::{dashboard, id_of, subscribe};

/// Keeps all that these tests publish.
const RULES: &str = "[[channels]]\npattern = \"*\"\nhistory = { size = 1000000, age = \"1h\" }\n";

fn sharded(data: &Directory) -> Launch {
    launch()
        .env("WS_RATE_LIMIT", "0")
        .env("SHARDS", "4")
        .env("RUST_LOG", "warn")
        .env("FANFARE_CONFIG", data.write("rules.toml", RULES))
}

#[track_caller]
fn publish(server: &Server, user: &str, numbers: std::ops::Range<u64>) {
    let of = |n: u64| json!({ "type": "x", "user_id": user, "data": { "n": n } });
    assert_eq!(server.post("/broadcast/batch", &numbers.map(of).collect()).status, 200);
}

/// The numbers in a frame; none in one that is no event.
fn numbers(frame: &Value) -> Vec<u64> {
    match frame["type"].as_str() {
        Some("x") => frame["n"].as_u64().into_iter().collect(),
        Some("batch_update") => {
            frame["messages"].as_array().into_iter().flatten().flat_map(numbers).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn many_reconnects_in_one_breath_are_one() {
    let data = Directory::new();
    let server = sharded(&data).start();
    for round in 0..12 {
        let user = format!("u{round}");
        let mut client = dashboard(&server);
        let id = subscribe(&mut client, json!({ "userId": user }));
        publish(&server, &user, 0..10);
        if round % 2 == 0 {
            client.cut();
        }
        let frame = Frame::text(json!({ "type": "reconnect", "connectionId": id }).to_string()).bytes();
        let mut again = RawClient::upgraded(server.address(), "/", &[]);
        again.write(&frame.repeat(15));
        let mut seen = Vec::new();
        while seen.last() != Some(&12) {
            let frame = again.next_frame().expect("a frame");
            if frame.opcode == 9 {
                again.send(&Frame::new(10, frame.payload));
                continue;
            }
            assert_eq!(frame.opcode, 1, "round {round}: {frame:?}");
            let frame: Value = serde_json::from_slice(&frame.payload).expect("JSON");
            let events = numbers(&frame);
            if events.contains(&9) {
                publish(&server, &user, 10..13);
            }
            seen.extend(events);
        }
        assert!(seen.is_sorted(), "round {round}: in order: {seen:?}");
        seen.dedup();
        assert_eq!(seen, (0..13).collect::<Vec<_>>(), "round {round}");
    }
}

#[test]
fn a_subscribe_right_behind_a_reconnect_loses_nothing() {
    let data = Directory::new();
    let server = sharded(&data).start();
    for round in 0..12 {
        let user = format!("u{round}");
        let mut client = dashboard(&server);
        let id = subscribe(&mut client, json!({ "userId": user }));
        if round % 2 == 0 {
            client.cut();
        }
        publish(&server, &user, 0..10);
        let mut again = Client::connect(&server.ws_at(if round % 3 == 0 { "/?batch=30" } else { "/" }));
        again.send_json(&json!({ "type": "reconnect", "connectionId": id }));
        again.send_json(&json!({ "type": "subscribe", "userId": user }));
        again.send_json(&json!({ "type": "subscribe", "queueId": "q", "batch": 20 }));
        again.send_json(&json!({ "type": "ping" }));
        again.collect_until("pong");
        // Where the subscribe was first it is as if it had come alone; either way nothing from now on is missed or doubled.
        publish(&server, &user, 10..20);
        let mut seen: Vec<u64> = Vec::new();
        while seen.last() != Some(&19) {
            seen.extend(numbers(&again.next_json()).iter().filter(|n| **n >= 10));
        }
        assert_eq!(seen, (10..20).collect::<Vec<_>>(), "round {round}");
        assert_eq!(again.ping_barrier().iter().flat_map(numbers).count(), 0);
    }
}

/// A small generator whose seed is told when a case fails.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// What one client does: follows a user, and all kinds of other things at random, until it has had the last number.
fn wander(server: &Server, user: &str, seed: u64, last: &AtomicU64, is_over: &AtomicBool) {
    let mut random = Random(seed);
    let url =
        |random: &mut Random| server.ws_at(["/", "/?batch=10", "/?batch=100"][random.below(3) as usize]);
    let mut client = Client::connect(&url(&mut random));
    let mut id = subscribe(&mut client, json!({ "userId": user }));
    let mut had: Option<u64> = None;
    let take = |frame: &Value, had: &mut Option<u64>| {
        assert!(frame["type"] != "error", "seed {seed}: {frame}");
        for n in numbers(frame) {
            assert!(had.is_none_or(|had| n <= had + 1), "seed {seed}: {n} behind {had:?}");
            *had = Some(had.map_or(n, |had| had.max(n)));
        }
    };
    while !is_over.load(Ordering::Acquire) {
        match random.below(12) {
            0 => client.send_json(&json!({ "type": "ping" })),
            1 => client.send_json(&json!({ "type": "subscribe", "batch": random.below(80) })),
            2 => client.send_json(&json!({ "type": "subscribe", "queueId": random.below(5) })),
            3 => client.send_json(&json!({ "type": "unsubscribe", "queueId": random.below(5) })),
            4 => {
                client.send_json(&json!({ "type": "subscribe", "userId": user, "queueId": random.below(5) }))
            }
            5 => client.ping_barrier().iter().for_each(|frame| take(frame, &mut had)),
            6 => {
                match random.below(3) {
                    0 => client.cut(),
                    1 => drop(client),
                    _ => {
                        let (frames, ..) = {
                            client.send_json(&json!({ "type": "ping" }));
                            (client.collect_until("pong"), ())
                        };
                        frames.iter().for_each(|frame| take(frame, &mut had));
                        drop(client);
                    }
                }
                client = Client::connect(&url(&mut random));
                client.send_json(&json!({ "type": "reconnect", "connectionId": id }));
                let answer = client.next_json();
                assert_eq!(answer["type"], "subscribed", "seed {seed}: {answer}");
                id = id_of(&answer);
            }
            _ => take(&client.next_json(), &mut had),
        }
    }
    let end = last.load(Ordering::Acquire);
    while had != Some(end) {
        take(&client.next_json(), &mut had);
    }
    // Behind the last drop the tail may come again, up to its end, and then nothing more.
    let mut rest = vec![0];
    while !rest.is_empty() {
        client.send_json(&json!({ "type": "ping" }));
        rest = client.collect_until("pong").iter().flat_map(numbers).collect();
        assert!(rest.windows(2).all(|pair| pair[1] == pair[0] + 1), "seed {seed}: {rest:?}");
        assert!(rest.last().is_none_or(|last| *last <= end), "seed {seed}: {rest:?}");
    }
}

#[test]
fn whatever_a_client_does_meanwhile_its_users_events_are_whole_and_in_order() {
    let seed = std::env::var("FANFARE_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    let data = Directory::new();
    let server = sharded(&data).start();
    let (last, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|n| {
                let (server, last, is_over) = (&server, &last, &is_over);
                let user = if n < 4 { "u" } else { "v" };
                scope.spawn(move || wander(server, user, seed * 100 + n, last, is_over))
            })
            .collect();
        eventually(PATIENCE, || server.stats()["total"].as_u64().is_some_and(|total| total >= 6));
        let mut n = 0;
        let failed = || clients.iter().any(thread::ScopedJoinHandle::is_finished);
        let enough = holds_within(std::time::Duration::from_secs(8), || {
            for user in ["u", "v"] {
                publish(&server, user, n..n + 4);
            }
            n += 4;
            failed() || n >= 6_000
        });
        let _ran_its_time = enough;
        last.store(n, Ordering::Release);
        is_over.store(true, Ordering::Release);
        // Those who have all and wait for more are told as well.
        for user in ["u", "v"] {
            publish(&server, user, n..n + 1);
        }
        for client in clients {
            client.join().expect("a client that got everything");
        }
    });
    eventually(PATIENCE, || server.stats()["total"] == 0);
}

#[test]
fn what_was_acknowledged_arrives_though_the_server_is_killed_again_and_again() {
    let data = Directory::new();
    let rules = data.write("rules.toml", &RULES.replace("age = \"1h\"", "age = \"1h\", durable = true"));
    let launch = launch()
        .env("WS_RATE_LIMIT", "0")
        .env("SHARDS", "2")
        .env("RUST_LOG", "warn")
        .env("FANFARE_CONFIG", rules)
        .env("FANFARE_DATA", data.path().join("hub"))
        .env("PORT", test_kit::free_port().to_string());
    let mut server = launch.start();
    // It keeps its port while it is away, so that nobody else is given what is meant for it.
    let address = server.address();
    let (is_over, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut n = 0;
            while !is_over.load(Ordering::Acquire) {
                let event = json!({ "type": "x", "user_id": "u", "data": { "n": n } });
                // Said again with its key until it is taken.
                if try_publish(address, &event, Some(&format!("event-{n}")))
                    .is_some_and(|answer| answer.status == 200)
                {
                    n += 1;
                    acknowledged.store(n, Ordering::Release);
                }
            }
            n
        });
        let mut client = dashboard(&server);
        let mut id = subscribe(&mut client, json!({ "userId": "u" }));
        let mut had: Option<u64> = None;
        let take = |frame: &Value, had: &mut Option<u64>, round: u64| {
            assert_ne!(frame["type"], "error", "round {round}: {frame}");
            for n in numbers(frame) {
                assert!(had.is_none_or(|had| n <= had + 1), "round {round}: {n} behind {had:?}");
                *had = Some(had.map_or(n, |had| had.max(n)));
            }
        };
        for round in 0..6_u64 {
            for _ in 0..round * 7 {
                take(&client.next_json(), &mut had, round);
            }
            if round % 2 == 0 {
                client.send_json(&json!({ "type": "ping" }));
                client.collect_until("pong").iter().for_each(|frame| take(frame, &mut had, round));
            }
            let before = acknowledged.load(Ordering::Acquire);
            eventually(PATIENCE, || acknowledged.load(Ordering::Acquire) > before + 20);
            if round % 3 == 2 {
                server.terminate();
                server.wait();
            }
            drop(server);
            server = launch.start();
            client = Client::connect(&server.ws_at(if round % 2 == 0 { "/" } else { "/?batch=50" }));
            client.send_json(&json!({ "type": "reconnect", "connectionId": id }));
            let answer = client.next_json();
            assert_eq!(answer["type"], "subscribed", "round {round}: {answer}");
            id = id_of(&answer);
        }
        is_over.store(true, Ordering::Release);
        let published = publisher.join().expect("the publisher");
        while had != Some(published - 1) {
            take(&client.next_json(), &mut had, 99);
        }
    });
}
