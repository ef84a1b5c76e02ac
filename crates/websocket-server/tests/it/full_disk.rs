//! A disk that takes nothing for a while, really: publishers are told, nobody else notices, and nothing refused is seen.
//!
//! The disk is that of the store's own tests, put in front of the server with `LD_PRELOAD`. Not here: kills (`durable`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::json;
use test_kit::wait::PATIENCE;
use test_kit::{Directory, Launch, eventually};

use super::durable::{durable, history, ids, try_publish};
use super::recovery::{follow, numbers, publish};

/// The library that lets writes fail, from the store's own tests.
fn faulty_disk() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../journal/tests/faults/disk.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("disk-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]);
        assert!(compiler.status().expect("a C compiler, which Rust needs as well").success());
        library
    })
}

/// A server whose disk is full while there is a file `full` in `faults`, and whose syncs fail while `broken` is there.
fn with_faults(data: &Directory) -> (Launch, PathBuf) {
    let root = data.path().canonicalize().expect("a directory");
    let (hub, faults) = (root.join("hub"), root.join("faults"));
    for directory in [&hub, &faults] {
        fs::create_dir_all(directory).expect("a directory");
    }
    let launch = durable(data)
        .env("FANFARE_DATA", &hub)
        .env("LD_PRELOAD", faulty_disk())
        .env("DISK_UNDER", &hub)
        .env("DISK_FAULTS", &faults);
    (launch, faults)
}

#[test]
fn a_disk_that_takes_nothing_is_told_to_publishers_alone() {
    for (flag, code) in [("full", "storage_full"), ("broken", "storage_failed")] {
        let data = Directory::new();
        let (launch, faults) = with_faults(&data);
        let server = launch.start();
        let (mut client, mut follower) = follow(&server.ws(), &["disk", "memory"]);
        let mut accepted = publish(&server, &json!({ "channel": "disk" }), 0..5);
        for spell in 0..3_u64 {
            let from = 100 + spell * 100;
            fs::write(faults.join(flag), "0").expect("a flag");
            let refused =
                server.post("/broadcast", &json!({ "type": "refused", "channels": ["disk", "memory"] }));
            assert_eq!((refused.status, refused.problem_code().as_str()), (503, code));
            let after = refused.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
            assert!(after.is_some_and(|seconds| seconds > 0), "{refused:?}");
            let keyed = json!({ "type": "refused", "channel": "disk" });
            let keyed = try_publish(server.address(), &keyed, Some("refused")).expect("an answer");
            assert_eq!(keyed.status, 503);
            // Once one item fails all later ones do, those for memory alone too.
            let items = server.post(
                "/broadcast/batch",
                &json!([
                    { "type": "kept", "channel": "memory" },
                    { "type": "refused", "channel": "disk" },
                    { "type": "refused", "channel": "memory" },
                    { "type": "refused", "channel": "disk" },
                ]),
            );
            let items = items.json();
            assert_eq!(items[1]["error"]["code"], code, "{items}");
            assert!((1..4).all(|n| items[n]["status"] == 503), "{items}");
            // Everything else goes on.
            publish(&server, &json!({ "channel": "memory" }), from..from + 5);
            client.send_json(&json!({ "type": "ping", "data": spell }));
            loop {
                let frame = client.next_json();
                if frame["type"] == "pong" {
                    break;
                }
                follower.take(&frame);
                assert_ne!(frame["type"], "refused");
            }
            assert!(matches!(server.get("/health").status, 200 | 503));
            fs::remove_file(faults.join(flag)).expect("the flag");
            eventually(PATIENCE, || {
                let answer =
                    server.post("/broadcast", &json!({ "type": "x", "data": from + 50, "channel": "disk" }));
                if answer.status == 200 {
                    accepted.push(answer.json()["id"].clone());
                }
                answer.status == 200
            });
            accepted.extend(publish(&server, &json!({ "channel": "disk" }), from + 51..from + 55));
        }
        server.broadcast(&json!({ "type": "end", "channels": ["disk", "memory"] }));
        let events = follower.take_until(&mut client, "end");
        assert!(events.iter().all(|event| event["type"] != "refused"));
        let (epoch, before) = history(&server, "disk");
        assert_eq!(ids(&before)[..accepted.len()], accepted[..]);
        drop(server);
        let server = durable(&data).start();
        let (after_epoch, after) = history(&server, "disk");
        assert_eq!((ids(&after), after_epoch), (ids(&before), epoch), "{flag}");
        let keyed = json!({ "type": "now", "channel": "disk" });
        let answer = try_publish(server.address(), &keyed, Some("refused")).expect("an answer");
        assert_eq!(answer.status, 200, "a refused call has not used up its key");
        assert_eq!(history(&server, "disk").1.last().expect("an event")["type"], "now");
    }
}

#[test]
fn publishers_that_repeat_through_spells_of_a_full_disk_lose_and_double_nothing() {
    let data = Directory::new();
    let (launch, faults) = with_faults(&data);
    let server = launch.start();
    let (mut client, mut follower) = follow(&server.ws(), &["disk", "more"]);
    let (stop, refusals) = (AtomicBool::new(false), AtomicU64::new(0));
    let published: Vec<u64> = thread::scope(|scope| {
        let publisher = |lane: u64| {
            let (server, stop, refusals) = (&server, &stop, &refusals);
            scope.spawn(move || {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    let number = lane * 1_000_000 + n;
                    let event = json!({ "type": "x", "data": number, "channels": ["disk", "more"] });
                    let key = format!("k-{number}");
                    let mut is_taken = false;
                    while !is_taken {
                        let answer = try_publish(server.address(), &event, Some(&key)).expect("an answer");
                        assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
                        is_taken = answer.status == 200;
                        refusals.fetch_add(u64::from(!is_taken), Ordering::Relaxed);
                    }
                    n += 1;
                }
                n
            })
        };
        let running: Vec<_> = (0..4).map(publisher).collect();
        for (spell, flag) in ["full", "broken", "full", "broken", "full", "full"].into_iter().enumerate() {
            let before = refusals.load(Ordering::Relaxed);
            fs::write(faults.join(flag), spell.to_string()).expect("a flag");
            eventually(PATIENCE, || refusals.load(Ordering::Relaxed) > before + 20);
            fs::remove_file(faults.join(flag)).expect("the flag");
            let good = server.metric("fanfare_publications_total", &[]).unwrap_or_default();
            eventually(PATIENCE, || {
                server.metric("fanfare_publications_total", &[]).unwrap_or_default() > good + 20.0
            });
        }
        stop.store(true, Ordering::Relaxed);
        running.into_iter().map(|one| one.join().expect("a publisher")).collect()
    });
    server.broadcast(&json!({ "type": "end", "channels": ["disk", "more"] }));
    let seen = numbers(&follower.take_until(&mut client, "end"));
    for (lane, count) in published.iter().enumerate() {
        let lane = lane as u64;
        let of_lane: Vec<u64> = seen.iter().copied().filter(|number| number / 1_000_000 == lane).collect();
        assert_eq!(of_lane, (0..*count).map(|n| lane * 1_000_000 + n).collect::<Vec<_>>(), "lane {lane}");
    }
    drop(server);
    let server = durable(&data).start();
    assert_eq!(numbers(&history(&server, "disk").1), seen);
}
