//! Before a real hub: all of a user's devices are told, in order, and nothing is lost or doubled however often the service
//! is killed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use test_kit::wait::holds_within;
use test_kit::{Client, Directory, Launch, Server, http};

use crate::harness::{ENGINES, KEY, SECRET, Wishes, World, call_at, token};

/// What it accepts for a user is on disk before it answers, as in `fanfare up`.
const RULES: &str =
    "[[channels]]\npattern = \"user:*\"\nhistory = { size = 1000, age = \"1h\", durable = true }\n";

/// Long enough for what ought to happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A hub that keeps what users get.
struct Hub {
    server: Server,
    _data: Directory,
}

impl Hub {
    fn start() -> Self {
        let data = Directory::new();
        let launch = Launch::of("websocket-server")
            .env("FANFARE_DATA", &data)
            .env("FANFARE_CONFIG", data.write("rules.toml", RULES))
            .env("SERVICE_API_KEY", KEY)
            .env("FANFARE_API_KEYS", format!("services:{KEY}:*|@all|user:*|+admin"))
            .env("JWT_SECRET", SECRET);
        Self { server: launch.start(), _data: data }
    }

    fn connect(&self, user: impl Into<Value>) -> Client {
        Client::dial(&self.server.ws()).bearer(&token(user)).welcomed()
    }

    /// Everything that a connection got up to now: what the hub took before the last event of this is in it.
    #[track_caller]
    fn so_far(&self, client: &mut Client) -> Vec<Value> {
        let last = json!({"type": "the_last", "connection_id": client.connection_id()});
        let bearer = format!("Bearer {KEY}");
        let answer =
            http::post_json(self.server.address(), "/broadcast", &[("authorization", &bearer)], &last);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut frames = client.collect_until("the_last");
        frames.pop();
        frames
    }
}

/// Waits until the relay has sent everything.
#[track_caller]
fn sent(at: SocketAddr) {
    let backlog = || {
        http::try_request(at, None, "GET", "/health", &[], None)
            .ok()
            .map(|it| it.json()["relay"]["backlog"].clone())
    };
    assert!(holds_within(PATIENCE, || backlog() == Some(json!(0))));
}

#[test]
fn each_change_reaches_all_devices_of_its_user_and_nobody_else() {
    for engine in ENGINES {
        let hub = Hub::start();
        let mut world = World::new(engine);
        let instance = world.start(Wishes::with_hub(&hub.server.http()));
        let mut devices = [hub.connect(7), hub.connect("7"), hub.connect(8)];
        let made = instance
            .create(&json!({"user_id": 7, "title": "<b>", "data": {"big": 9_007_199_254_740_993_i64}}));
        let path = format!("/api/notifications/{}", made["id"]);
        for (method, path) in [
            ("PUT", format!("{path}/read")),
            ("PUT", format!("{path}/unread")),
            ("DELETE", path.clone()),
            ("POST", format!("{path}/restore")),
            ("POST", "/api/notifications/read-all".to_owned()),
        ] {
            let status = instance.call(7, method, &path, &[], None).status;
            assert!([200, 204].contains(&status), "{method} {path}: {status}");
        }
        sent(instance.address);
        assert_eq!(hub.so_far(&mut devices[2]), Vec::<Value>::new());
        for device in &mut devices[..2] {
            let frames = hub.so_far(device);
            let told: Vec<(&str, &Value)> = frames
                .iter()
                .map(|frame| (frame["type"].as_str().expect("a type"), &frame["data"]["unread_count"]))
                .collect();
            assert_eq!(
                told,
                [
                    ("notification", &json!(1)),
                    ("notification_read", &json!(0)),
                    ("notification_unread", &json!(1)),
                    ("notification_deleted", &json!(0)),
                    ("notification_restored", &json!(1)),
                    ("notification_read", &json!(0))
                ]
            );
            assert_eq!(frames[0]["data"]["data"], made["data"]);
            // What is told is an event of the catalogue, member by member.
            for frame in &frames {
                let kind = frame["type"].as_str().expect("a type");
                let event = events::Event::parse(kind, &frame["data"].to_string()).expect(kind);
                assert_eq!(event.data(), frame["data"]);
            }
        }
    }
}

#[test]
fn all_events_of_a_bulk_call_get_through() {
    let hub = Hub::start();
    let mut world = World::new(crate::harness::Engine::Sqlite);
    let instance = world.start(Wishes::with_hub(&hub.server.http()));
    let mut device = hub.connect(1_999);
    let users: Vec<i64> = (0..2_000).collect();
    let answer = instance.serve(
        "POST",
        "/api/notifications/bulk",
        &[],
        Some(&json!({"user_ids": users, "title": "t"})),
    );
    let last = answer.text().lines().last().unwrap_or_default().to_owned();
    assert_eq!(last, r#"{"created":2000,"done":true,"filtered":0,"refused":0}"#);
    sent(instance.address);
    let frames = hub.so_far(&mut device);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["data"]["unread_count"], 1);
    world.counts_agree();
}

/// How often it is killed.
const KILLS: usize = 3;

/// Notifications that have to be acknowledged between two kills.
const BETWEEN: usize = 15;

#[test]
fn what_was_acknowledged_is_there_once_and_told_once_however_often_the_service_is_killed() {
    let at = test_kit::free_address();
    let (hub, data) = (Hub::start(), Directory::new());
    let launch = Launch::new(env!("CARGO_BIN_EXE_notification-service"))
        .env("PORT", at.port().to_string())
        .env("FANFARE_DATA", &data)
        .env("WS_SERVICE_URL", hub.server.http())
        .env("SERVICE_API_KEY", KEY)
        .env("JWT_SECRET", SECRET);
    let mut service = Some(launch.start());
    let mut client = hub.connect(9);
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let creators: Vec<_> = (0..3)
        .map(|creator| {
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            thread::spawn(move || {
                let mut made: Vec<(i64, String)> = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let title = format!("{creator}-{}", made.len());
                    // One creates three at a time.
                    let (path, body) = match creator {
                        0 => ("/api/notifications/bulk", json!({"user_ids": [9, 10, 9], "title": title})),
                        _ => ("/api/notifications", json!({"user_id": 9, "title": title})),
                    };
                    let (bearer, body) = (format!("Bearer {KEY}"), body.to_string());
                    let headers = [
                        ("authorization", bearer.as_str()),
                        ("content-type", "application/json"),
                        ("idempotency-key", title.as_str()),
                    ];
                    // The same call again until there is an answer.
                    let mut ids = Vec::new();
                    assert!(holds_within(PATIENCE, || {
                        let answer =
                            http::try_request(at, None, "POST", path, &headers, Some(body.as_bytes()));
                        let Some(answer) = answer.ok().filter(|answer| [200, 201].contains(&answer.status))
                        else {
                            return false;
                        };
                        let lines: Vec<Value> = answer
                            .text()
                            .lines()
                            .filter_map(|line| serde_json::from_str(line).ok())
                            .collect();
                        let mine = lines.iter().filter(|line| line["user_id"] == 9 && line["id"].is_i64());
                        ids = mine.filter_map(|line| line["id"].as_i64()).collect();
                        creator != 0 || lines.last().is_some_and(|end| end["created"] == 3)
                    }));
                    made.extend(ids.into_iter().map(|id| (id, title.clone())));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                made
            })
        })
        .collect();
    // One reads and deletes meanwhile.
    let reader = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let try_call = |method: &str, path: &str| {
                let bearer = format!("Bearer {}", token(9));
                http::try_request(at, None, method, path, &[("authorization", &bearer)], None).ok()
            };
            while !stop.load(Ordering::Relaxed) {
                let list = try_call("GET", "/api/notifications?unread=true&per_page=2");
                let Some(list) = list.filter(|answer| answer.status == 200) else {
                    thread::yield_now();
                    continue;
                };
                for (n, one) in list.json()["notifications"].as_array().into_iter().flatten().enumerate() {
                    let path = format!("/api/notifications/{}", one["id"]);
                    match n {
                        0 => drop(try_call("PUT", &format!("{path}/read"))),
                        _ => drop(try_call("DELETE", &path)),
                    }
                }
            }
        })
    };
    let mut frames = Vec::new();
    for kill in 1..=KILLS {
        assert!(holds_within(PATIENCE, || acknowledged.load(Ordering::Relaxed) >= kill * BETWEEN));
        drop(service.take());
        service = Some(launch.start());
        // Who says nothing for a minute is gone.
        frames.extend(client.ping_barrier());
    }
    stop.store(true, Ordering::Relaxed);
    let mut made: Vec<(i64, String)> =
        creators.into_iter().flat_map(|creator| creator.join().expect("a creator")).collect();
    reader.join().expect("the reader");
    made.sort_unstable();
    sent(at);
    frames.extend(hub.so_far(&mut client));
    let told: Vec<(i64, String)> = frames
        .iter()
        .filter(|frame| frame["type"] == "notification")
        .map(|frame| {
            let data = &frame["data"];
            (data["id"].as_i64().expect("an id"), data["title"].as_str().expect("a title").to_owned())
        })
        .collect();
    assert_eq!(told, made, "each once, in the order of ids");
    let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
    frames.iter().for_each(|frame| {
        last.insert("count", &frame["data"]["unread_count"]);
    });
    let stats = call_at(at, &token(9), "GET", "/api/notifications/stats", &[], None).json();
    assert_eq!(Some(&&stats["unread_count"]), last.get("count"), "devices know what is unread");
    drop(service.take());
    let mut world = World::of(data.path().join("notification-service.db"));
    world.open();
    world.counts_agree();
}
