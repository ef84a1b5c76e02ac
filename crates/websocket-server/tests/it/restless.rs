//! No gap and no double under full load: clients that drop at random and come back by their token or their positions,
//! some of them slow, while publishers do what they can and the server is killed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use test_kit::wait::{PATIENCE, holds_within};
use test_kit::{Client, Directory, Follower, eventually};

use super::durable::{durable, history, ids, try_publish};
use super::recovery::numbers;

/// How long one event may be away: a server that is killed and started again, on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Choices that a seed repeats.
struct Choices(u64);

impl Choices {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Connects as soon as the server is there.
fn connect(url: &str) -> Client {
    let mut client = None;
    let came = holds_within(LONG, || {
        client = Client::dial(url).try_connect();
        client.is_some()
    });
    assert!(came, "{url} is away");
    client.expect("a client")
}

/// A follower that drops and returns at random, by its token or by its positions, until it has seen `end`; the numbers that
/// it saw. It panics where an event is not the next one.
fn restless(url: &str, channels: &[&str], seed: u64) -> (Vec<u64>, Follower) {
    let (mut choices, mut follower, mut seen) = (Choices::of(seed), Follower::new(), Vec::new());
    let mut is_known = false;
    loop {
        let mut client = connect(url);
        let wish = if is_known && choices.below(2) == 0 {
            follower.resume_frame()
        } else {
            follower.subscribe_frame(channels)
        };
        let mut is_there = client.try_send_json(&wish);
        let stay = choices.below(400);
        for _ in 0..stay {
            let Some(frame) = is_there.then(|| client.try_next_json(LONG)).flatten() else { break };
            match frame["type"].as_str() {
                Some("subscribed" | "resumed") => {
                    follower.answered(&frame);
                    is_known = true;
                }
                // The token was not known: the answer to its use was lost, or the server died before it was on disk.
                Some("error") => is_there = client.try_send_json(&follower.subscribe_frame(channels)),
                Some(_) if frame.get("offset").is_none() => {}
                Some(kind) => {
                    follower.take(&frame);
                    if kind == "end" {
                        return (seen, follower);
                    }
                    seen.push(frame["data"].as_u64().expect("a number"));
                }
                None => panic!("{frame}"),
            }
        }
        client.cut();
    }
}

#[test]
fn restless_clients_see_every_offset_once_and_in_order_under_full_load() {
    let data = Directory::new();
    let server = durable(&data).env("SHARDS", "2").start();
    let url = server.ws();
    let total = 12_000_u64;
    let channels = ["disk", "memory", "more"];
    thread::scope(|scope| {
        let (url, channels) = (&url, &channels[..]);
        let clients: Vec<_> =
            (0..20).map(|seed| scope.spawn(move || restless(url, channels, seed + 1))).collect();
        eventually(PATIENCE, || {
            server.metric("fanfare_subscriptions", &[]).is_some_and(|count| count >= 20.0)
        });
        let targets = [
            json!({ "channels": ["disk", "memory"] }),
            json!({ "channel": "memory" }),
            json!({ "channels": ["more", "disk"] }),
            json!({}),
            json!({ "channels": ["disk", "more", "memory"] }),
        ];
        let events: Vec<Value> = (0..total)
            .map(|n| {
                let mut event = json!({ "type": "x", "data": n });
                let target = targets[n as usize % targets.len()].as_object().expect("an object").clone();
                event.as_object_mut().expect("an object").extend(target);
                event
            })
            .collect();
        for part in events.chunks(100) {
            assert_eq!(server.post("/broadcast/batch", &json!(part)).status, 200);
        }
        server.broadcast(&json!({ "type": "end", "channels": channels }));
        for client in clients {
            let (seen, follower) = client.join().expect("a client that saw the end");
            assert!(follower.lost().is_empty(), "{:?}", follower.lost());
            let first = seen.first().copied().expect("some event");
            assert_eq!(seen, (first..total).collect::<Vec<_>>());
        }
    });
}

#[test]
fn restless_clients_and_publishers_that_repeat_come_through_kills_without_a_gap_or_a_double() {
    let data = Directory::new();
    let address = test_kit::free_address();
    let launch = durable(&data).env("SHARDS", "2").env("PORT", address.port().to_string());
    let url = format!("ws://{address}/ws");
    let (lanes, each) = (4, 400);
    let (channels, published) = (["disk", "more"], AtomicU64::new(0));
    let mut server = launch.start();
    thread::scope(|scope| {
        let (url, channels, published) = (&url, &channels[..], &published);
        let clients: Vec<_> =
            (0..10).map(|seed| scope.spawn(move || restless(url, channels, seed + 100))).collect();
        eventually(PATIENCE, || {
            server.metric("fanfare_subscriptions", &[]).is_some_and(|count| count >= 10.0)
        });
        let publisher = |lane: u64| {
            scope.spawn(move || {
                let mut told = Vec::new();
                for n in 0..each {
                    let number = lane * 1_000_000 + n;
                    let target = if n % 3 == 0 { &channels[..1] } else { channels };
                    let event = json!({ "type": "x", "data": number, "channels": target });
                    let mut id = Value::Null;
                    let is_taken = holds_within(LONG, || {
                        let answer = try_publish(address, &event, Some(&format!("key-{number}")));
                        let answer = answer.filter(|answer| answer.status == 200);
                        id = answer.as_ref().map_or(Value::Null, |answer| answer.json()["id"].clone());
                        answer.is_some()
                    });
                    assert!(is_taken, "key-{number} is never taken");
                    told.push(id);
                    published.fetch_add(1, Ordering::Relaxed);
                }
                told
            })
        };
        let publishers: Vec<_> = (0..lanes).map(publisher).collect();
        for kill in 1..=6 {
            let so_many = kill * lanes * each / 8;
            eventually(LONG, || published.load(Ordering::Relaxed) >= so_many);
            drop(server);
            server = launch.start();
        }
        let told: Vec<Vec<Value>> =
            publishers.into_iter().map(|one| one.join().expect("a publisher")).collect();
        server.broadcast(&json!({ "type": "end", "channels": channels }));
        let (_, kept) = history(&server, "disk");
        let numbers = numbers(&kept);
        for (lane, told) in (0..lanes).zip(&told) {
            let of_lane = || {
                kept.iter().filter(move |event| event["data"].as_u64().is_some_and(|n| n / 1_000_000 == lane))
            };
            assert_eq!(of_lane().count() as u64, each, "lane {lane}: each once");
            let of_lane: Vec<Value> = of_lane().cloned().collect();
            assert_eq!(&ids(&of_lane), told, "lane {lane}: in order, with the ids that were answered");
        }
        for client in clients {
            let (seen, follower) = client.join().expect("a client that saw the end");
            // What has no target is in memory here.
            assert!(follower.lost().iter().all(|stream| stream == "@all"), "{:?}", follower.lost());
            let unseen: BTreeSet<u64> =
                numbers.iter().copied().filter(|number| !seen.contains(number)).collect();
            let first = seen.first().copied().expect("some event");
            let before = numbers.iter().position(|number| *number == first).expect("what was published");
            assert_eq!(seen, numbers[before..], "unseen {unseen:?}");
        }
    });
}
