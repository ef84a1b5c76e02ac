//! What a 200 means: what was acknowledged survives a kill with its offset, is there once, and a disk that takes nothing
//! is told to publishers alone.
//!
//! Not here: how the store writes and reads (the `journal` crate's tests), tokens (`resume`), state (`retained`).

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use test_kit::http::{Answer, post_json, try_request};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Directory, Finished, Launch, Server, eventually};

use super::launch;
use super::recovery::{follow, numbers, publish};

/// `disk` and `more` are on disk, everything else is in memory.
const RULES: &str = "
[[channels]]
pattern = \"disk\"
history = { size = 100000, age = \"1h\", durable = true }

[[channels]]
pattern = \"more\"
history = { size = 100000, age = \"1h\", durable = true }

[[channels]]
pattern = \"memory\"
history = { size = 100000, age = \"1h\" }
";

/// A server with its store in `data`.
pub(crate) fn durable(data: &Directory) -> Launch {
    let rules = data.write("rules.toml", RULES);
    launch()
        .env("FANFARE_DATA", data.path().join("hub"))
        .env("FANFARE_CONFIG", rules)
        .env("WS_RATE_LIMIT", "0")
        .env("RUST_LOG", "warn")
}

/// Publishes with a key where one is given; `None` where there was no answer.
pub(crate) fn try_publish(
    server_at: std::net::SocketAddr,
    body: &Value,
    key: Option<&str>,
) -> Option<Answer> {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    let path = if body.is_array() { "/broadcast/batch" } else { "/broadcast" };
    try_request(server_at, None, "POST", path, &headers, Some(body.to_string().as_bytes())).ok()
}

/// All that a channel's history has, oldest first, and its epoch.
#[track_caller]
pub(crate) fn history(server: &Server, channel: &str) -> (String, Vec<Value>) {
    let mut client = Client::welcomed(&server.ws());
    let (mut before, mut events) = (None, Vec::new());
    loop {
        client.send_json(&json!({ "type": "history", "channel": channel, "limit": 1000, "before": before }));
        let data = client.expect_type("history")["data"].clone();
        events.extend(data["events"].as_array().expect("events").iter().cloned());
        before = events.last().map(|event: &Value| event["offset"].clone());
        if data["more"] == false {
            events.reverse();
            let offsets = events.iter().map(|event| event["offset"].as_u64().expect("an offset"));
            assert!(offsets.eq(1..=events.len() as u64), "from the first, without a gap");
            return (data["epoch"].as_str().expect("an epoch").to_owned(), events);
        }
    }
}

pub(crate) fn ids(events: &[Value]) -> Vec<Value> {
    events.iter().map(|event| event["id"].clone()).collect()
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_with_its_offset_and_epoch() {
    let data = Directory::new();
    let (mut acknowledged, mut epochs) = (Vec::new(), Vec::new());
    for round in 0..5 {
        let server = durable(&data).start();
        let (epoch, before) = history(&server, "disk");
        assert_eq!(ids(&before), acknowledged, "round {round}");
        epochs.push(epoch);
        let target = json!({ "channels": ["disk", "memory"] });
        acknowledged.extend(publish(&server, &target, round * 10..round * 10 + 9));
        acknowledged.push(server.broadcast(&json!({ "type": "last", "channel": "disk" }))["id"].clone());
        // Killed right after the 200.
        drop(server);
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 1, "{epochs:?}");
}

#[test]
fn who_was_connected_comes_back_over_a_kill_and_misses_nothing() {
    let data = Directory::new();
    let first = durable(&data).start();
    let (mut client, mut follower) = follow(&first.ws(), &["disk", "more"]);
    publish(&first, &json!({ "channels": ["disk", "more"] }), 0..10);
    while follower.offset("disk") < 4 {
        follower.take(&client.next_json());
    }
    drop(first);
    let second = durable(&data).start();
    publish(&second, &json!({ "channel": "more" }), 10..12);
    let mut client = Client::welcomed(&second.ws());
    let answer = follower.subscribe(&mut client, &["disk", "more"]);
    for stream in ["disk", "more"] {
        assert_eq!(answer["data"]["positions"][stream]["recovered"], true, "{answer}");
    }
    second.broadcast(&json!({ "type": "end", "channels": ["disk", "more"] }));
    assert_eq!(numbers(&follower.take_until(&mut client, "end")), (4..12).collect::<Vec<_>>());
}

#[test]
fn streams_in_memory_begin_a_new_epoch_and_those_on_disk_do_not() {
    let data = Directory::new();
    let first = durable(&data).start();
    let (_client, follower) = follow(&first.ws(), &["disk", "more", "memory"]);
    publish(&first, &json!({ "channels": ["disk", "memory"] }), 0..1);
    drop(first);
    let second = durable(&data).start();
    let mut client = Client::welcomed(&second.ws());
    let answer = follower.clone().subscribe(&mut client, &["disk", "more", "memory"]);
    let told = &answer["data"]["positions"];
    // Also that of a stream that never had an event.
    for (stream, recovered) in [("disk", true), ("more", true), ("memory", false), ("@all", false)] {
        assert_eq!(told[stream]["recovered"], recovered, "{stream}: {answer}");
        assert_eq!(told[stream]["epoch"] == follower.epoch(stream), recovered, "{stream}");
    }
}

#[test]
fn repeats_after_a_kill_get_the_first_id_and_send_nothing() {
    let data = Directory::new();
    let published = AtomicU64::new(0);
    let first = durable(&data).start();
    let address = first.address();
    let body = |n: u64| json!({ "type": "x", "data": n, "channels": ["disk", "memory"] });
    // Eight publishers at full speed, killed in the middle of it.
    let answered: Vec<BTreeMap<u64, Value>> = thread::scope(|scope| {
        let publisher = |lane: u64| {
            let (published, body) = (&published, &body);
            scope.spawn(move || {
                let mut answered = BTreeMap::new();
                for n in (lane..).step_by(8) {
                    let Some(answer) = try_publish(address, &body(n), Some(&format!("key-{n}"))) else {
                        break;
                    };
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    answered.insert(n, answer.json()["id"].clone());
                    published.fetch_add(1, Ordering::Relaxed);
                }
                answered
            })
        };
        let running: Vec<_> = (0..8).map(publisher).collect();
        eventually(PATIENCE, || published.load(Ordering::Relaxed) > 200);
        drop(first);
        running.into_iter().map(|one| one.join().expect("a publisher")).collect()
    });
    let second = durable(&data).start();
    let answered: BTreeMap<u64, Value> = answered.into_iter().flatten().collect();
    let (_, kept) = history(&second, "disk");
    let kept_ids = ids(&kept);
    for id in answered.values() {
        assert_eq!(kept_ids.iter().filter(|kept| *kept == id).count(), 1, "acknowledged: {id}");
    }
    // All are repeated, those that were not answered among them.
    let last = *answered.keys().last().expect("some") + 16;
    let mut final_ids = BTreeMap::new();
    for n in 0..last {
        let answer = try_publish(second.address(), &body(n), Some(&format!("key-{n}"))).expect("an answer");
        let id = answer.json()["id"].clone();
        if let Some(first) = answered.get(&n) {
            assert_eq!(&id, first, "key-{n}");
        }
        final_ids.insert(n, id);
    }
    let (_, kept) = history(&second, "disk");
    assert_eq!(kept.len() as u64, last, "each once");
    for event in &kept {
        let n = event["data"].as_u64().expect("a number");
        assert_eq!(
            final_ids[&n], event["id"],
            "what is stored under key-{n} is what its repeat was answered"
        );
    }
}

#[test]
fn a_batch_that_was_cut_by_a_kill_is_completed_by_its_repeat() {
    let data = Directory::new();
    let batch = |round: u64| -> Value {
        let item = |n: u64| {
            json!({
                "type": "x", "data": round * 1000 + n, "channel": "disk",
                "idempotency_key": format!("batch-{round}-{n}"),
            })
        };
        (0..1000).map(item).collect()
    };
    let mut server = durable(&data).start();
    for round in 0..4 {
        let address = server.address();
        let call = thread::spawn(move || try_publish(address, &batch(round), None));
        // Somewhere in the middle: the first of it is released, the last perhaps not.
        let mut watcher = TcpStream::connect(address).expect("a connection");
        let _ = watcher.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        thread::yield_now();
        drop(server);
        let _perhaps_none = call.join().expect("the caller");
        server = durable(&data).start();
        let (_, prefix) = history(&server, "disk");
        let known = numbers(&prefix);
        assert_eq!(known, (0..known.len() as u64).collect::<Vec<_>>(), "a prefix in order");
        assert!(known.len() as u64 >= round * 1000);
        let answer = try_publish(server.address(), &batch(round), None).expect("an answer");
        let items = answer.json();
        let answered: Vec<Value> =
            items.as_array().expect("items").iter().map(|item| item["id"].clone()).collect();
        let (_, kept) = history(&server, "disk");
        assert_eq!(numbers(&kept), (0..(round + 1) * 1000).collect::<Vec<_>>(), "each once, in order");
        assert_eq!(ids(&kept)[(round * 1000) as usize..], answered[..]);
    }
}

#[test]
fn header_and_item_have_one_space_of_keys_also_after_a_kill() {
    let data = Directory::new();
    let first = durable(&data).start();
    let single = |server: &Server, key: &str| {
        let body = json!({ "type": "x", "data": 1, "channel": "disk" });
        post_json(server.address(), "/broadcast", &[("idempotency-key", key)], &body).json()["id"].clone()
    };
    let item = |server: &Server, key: &str| {
        let items = json!([{ "type": "x", "data": 2, "channel": "disk", "idempotency_key": key }]);
        server.post("/broadcast/batch", &items).json()[0]["id"].clone()
    };
    let (a, b) = (single(&first, "a"), item(&first, "b"));
    assert_eq!((item(&first, "a"), single(&first, "b")), (a.clone(), b.clone()));
    // A key for memory alone is on disk as well.
    let memory = json!({ "type": "x", "channel": "memory" });
    let c =
        post_json(first.address(), "/broadcast", &[("idempotency-key", "c")], &memory).json()["id"].clone();
    drop(first);
    let second = durable(&data).start();
    assert_eq!((item(&second, "a"), single(&second, "b")), (a, b));
    let again = post_json(second.address(), "/broadcast", &[("idempotency-key", "c")], &memory);
    assert_eq!(again.json()["id"], c);
    assert_eq!(history(&second, "disk").1.len(), 2);
}

#[test]
fn a_caller_who_goes_away_and_repeats_publishes_once() {
    let data = Directory::new();
    let server = durable(&data).start();
    let body = |n: u64| json!({ "type": "x", "data": n, "channel": "disk" }).to_string();
    for n in 0..40 {
        let body = body(n);
        let mut gone = TcpStream::connect(server.address()).expect("a connection");
        let head = format!(
            "POST /broadcast HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nidempotency-key: k-{n}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        gone.write_all(head.as_bytes()).expect("a request");
        drop(gone);
        let repeat = || {
            try_publish(
                server.address(),
                &serde_json::from_str(&body).expect("JSON"),
                Some(&format!("k-{n}")),
            )
        };
        let first = repeat().expect("an answer").json()["id"].clone();
        assert_eq!(repeat().expect("an answer").json()["id"], first);
    }
    assert_eq!(numbers(&history(&server, "disk").1), (0..40).collect::<Vec<_>>());
}

#[test]
fn repeats_at_once_of_what_waits_for_the_disk_are_one() {
    let data = Directory::new();
    let server = durable(&data).start();
    for round in 0..20 {
        let key = format!("round-{round}");
        let answers: Vec<Value> = thread::scope(|scope| {
            let call = |n: u64| {
                let (server, key) = (&server, &key);
                scope.spawn(move || {
                    let event =
                        json!({ "type": "x", "data": round, "channel": "disk", "idempotency_key": key });
                    if n.is_multiple_of(2) {
                        try_publish(server.address(), &event, Some(key)).expect("an answer").json()
                    } else {
                        let items = try_publish(server.address(), &json!([event]), None);
                        items.expect("an answer").json()[0].clone()
                    }
                })
            };
            let calls: Vec<_> = (0..8).map(call).collect();
            calls.into_iter().map(|call| call.join().expect("an answer")).collect()
        });
        assert!(
            answers.iter().all(|answer| answer["id"].is_string() && answer["id"] == answers[0]["id"]),
            "{answers:?}"
        );
    }
    assert_eq!(numbers(&history(&server, "disk").1), (0..20).collect::<Vec<_>>());
}

/// What a program that ended told, without its warnings.
fn lines(finished: &Finished) -> Vec<&str> {
    let lines = finished.stderr.lines().chain(finished.stdout.lines());
    lines.filter(|line| !line.is_empty() && !line.contains(" WARN ")).collect()
}

#[test]
fn a_second_process_on_one_directory_is_refused_with_one_line() {
    let data = Directory::new();
    let first = durable(&data).start();
    let second = durable(&data).run();
    assert_ne!(second.code, Some(0));
    let told = lines(&second);
    assert_eq!(told.len(), 1, "{second:?}");
    let hub = data.path().join("hub");
    assert!(told[0].contains(hub.to_str().expect("a path")) && told[0].contains("FANFARE_DATA"), "{told:?}");
    publish(&first, &json!({ "channel": "disk" }), 0..1);
}

#[test]
fn a_directory_that_cannot_be_written_stops_the_start_with_one_line() {
    let data = Directory::new();
    // A file where the directory should be; and one where the database should be.
    let file = data.write("file", "");
    fs::create_dir_all(data.path().join("other/hub.db")).expect("a directory");
    for place in [file.clone(), file.join("below"), data.path().join("other"), PathBuf::from("/proc/nothing")]
    {
        let finished = durable(&data).env("FANFARE_DATA", &place).run();
        assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
        let told = lines(&finished);
        assert_eq!(told.len(), 1, "{place:?}: {finished:?}");
        assert!(told[0].contains("FANFARE_DATA"), "{told:?}");
    }
    // Something that is no database is left as it is.
    let other = data.path().join("third");
    fs::create_dir_all(&other).expect("a directory");
    fs::write(other.join("hub.db"), "this is a text and no database at all, of some length".repeat(100))
        .expect("a file");
    let finished = durable(&data).env("FANFARE_DATA", &other).run();
    assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
    assert!(fs::read_to_string(other.join("hub.db")).is_ok_and(|text| text.starts_with("this is a text")));
}

#[test]
fn a_drain_answers_who_waits_for_the_disk_and_loses_nothing() {
    for round in 0..3 {
        let data = Directory::new();
        let mut server = durable(&data).start();
        let address = server.address();
        let published = AtomicU64::new(0);
        let acknowledged: Vec<Vec<Value>> = thread::scope(|scope| {
            let publisher = |lane: u64| {
                let published = &published;
                scope.spawn(move || {
                    let mut acknowledged = Vec::new();
                    for n in 0.. {
                        let event = json!({ "type": "x", "data": lane * 100_000 + n, "channel": "disk" });
                        // Answered as long as it listens, and by nothing but a 200 or a 503.
                        let Some(answer) = try_publish(address, &event, None) else { break };
                        match answer.status {
                            200 => acknowledged.push(answer.json()["id"].clone()),
                            503 => {
                                assert!(answer.header("retry-after").is_some());
                                break;
                            }
                            _ => panic!("{}", answer.text()),
                        }
                        published.fetch_add(1, Ordering::Relaxed);
                    }
                    acknowledged
                })
            };
            let running: Vec<_> = (0..8).map(publisher).collect();
            eventually(PATIENCE, || published.load(Ordering::Relaxed) > 100 + round * 20);
            server.terminate();
            assert_eq!(server.wait_within(Duration::from_secs(20)), Some(0));
            running.into_iter().map(|one| one.join().expect("a publisher")).collect()
        });
        let server = durable(&data).start();
        let kept = ids(&history(&server, "disk").1);
        for id in acknowledged.into_iter().flatten() {
            assert_eq!(kept.iter().filter(|kept| **kept == id).count(), 1, "{id}");
        }
    }
}

#[test]
fn a_drain_in_the_middle_of_a_replay_loses_nothing() {
    let data = Directory::new();
    let mut first = durable(&data).start();
    let (client, mut follower) = follow(&first.ws(), &["disk"]);
    client.cut();
    for part in 0..10 {
        let items: Value = (0..40)
            .map(|n| json!({ "type": "x", "channel": "disk", "data": part * 40 + n, "padding": 1, "retain": null }))
            .collect();
        assert_eq!(first.post("/broadcast/batch", &items).status, 200);
        first.broadcast(&json!({ "type": "large", "channel": "disk", "data": "x".repeat(900_000) }));
    }
    let mut client = Client::welcomed(&first.ws());
    follower.subscribe(&mut client, &["disk"]);
    let mut seen = Vec::new();
    while follower.offset("disk") < 50 {
        let event = client.next_json();
        follower.take(&event);
        seen.extend(event["data"].as_u64());
    }
    first.terminate();
    let (events, code, reason) = client.collect_until_close(Duration::from_secs(20));
    assert_eq!(code, 1001, "{reason}");
    for event in &events {
        follower.take(event);
        seen.extend(event["data"].as_u64());
    }
    assert_eq!(first.wait_within(Duration::from_secs(20)), Some(0));
    let second = durable(&data).start();
    let mut client = Client::welcomed(&second.ws());
    follower.resume(&mut client);
    second.broadcast(&json!({ "type": "end", "channel": "disk" }));
    seen.extend(numbers(&follower.take_until(&mut client, "end")));
    assert_eq!(seen, (0..400).collect::<Vec<_>>());
    assert_eq!(follower.lost(), ["@all"], "which is in memory here");
}

#[test]
fn history_on_disk_keeps_to_its_rules_and_the_files_stay_small() {
    let data = Directory::new();
    let rules = data.write(
        "small.toml",
        "[[channels]]\npattern = \"disk\"\nhistory = { size = 100, age = \"1h\", durable = true }\n",
    );
    let start = || durable(&data).env("FANFARE_CONFIG", &rules).start();
    let first = start();
    let (client, mut follower) = follow(&first.ws(), &["disk"]);
    client.cut();
    let text = "x".repeat(2_000);
    for part in 0..20 {
        let items: Value = (0..500)
            .map(|n| json!({ "type": "x", "channel": "disk", "data": [part * 500 + n, text] }))
            .collect();
        assert_eq!(first.post("/broadcast/batch", &items).status, 200);
    }
    // 20 MB were written, of which 200 kB are kept.
    let size = || -> u64 {
        let files = fs::read_dir(data.path().join("hub")).expect("the directory");
        files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum()
    };
    assert!(size() < 24 << 20, "{} bytes", size());
    drop(first);
    let second = start();
    let mut client = Client::welcomed(&second.ws());
    let answer = follower.subscribe(&mut client, &["disk"]);
    let told = &answer["data"]["positions"]["disk"];
    assert_eq!((&told["recovered"], &told["offset"]), (&json!(false), &json!(10_000)));
    client.send_json(&json!({ "type": "history", "channel": "disk", "limit": 1000 }));
    let data = client.expect_type("history")["data"].clone();
    let offsets: Vec<u64> = data["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|event| event["offset"].as_u64())
        .collect();
    assert_eq!(offsets, (9_901..=10_000).rev().collect::<Vec<_>>());
}

#[test]
fn quiet_streams_beside_a_busy_one_do_not_keep_its_past_on_disk() {
    let data = Directory::new();
    let rules = data.write(
        "small.toml",
        "[[channels]]\npattern = \"*\"\nhistory = { size = 100, age = \"1h\", durable = true }\n",
    );
    let start = || durable(&data).env("FANFARE_CONFIG", &rules).start();
    let server = start();
    let text = "x".repeat(2_000);
    for n in 0..150 {
        let busy = json!({ "type": "x", "channel": "busy", "data": text });
        let mut items = vec![busy; 300];
        items.push(json!({ "type": "x", "channel": format!("quiet-{n}"), "data": n }));
        assert_eq!(server.post("/broadcast/batch", &json!(items)).status, 200);
    }
    // 90 MB went through, and 240 kB are kept.
    let size = || -> u64 {
        let files = fs::read_dir(data.path().join("hub")).expect("the directory");
        files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum()
    };
    assert!(size() < 40 << 20, "{} bytes", size());
    drop(server);
    let server = start();
    let mut client = Client::welcomed(&server.ws());
    for n in 0..150 {
        client.send_json(&json!({ "type": "history", "channel": format!("quiet-{n}") }));
        let data = client.expect_type("history")["data"].clone();
        assert_eq!(
            (&data["events"][0]["data"], &data["events"][0]["offset"]),
            (&json!(n), &json!(1)),
            "{data}"
        );
    }
    client.send_json(&json!({ "type": "history", "channel": "busy", "limit": 1000 }));
    let events = client.expect_type("history")["data"]["events"].clone();
    let offsets = events.as_array().expect("events").iter().filter_map(|event| event["offset"].as_u64());
    assert!(offsets.eq((44_901..=45_000).rev()));
}
