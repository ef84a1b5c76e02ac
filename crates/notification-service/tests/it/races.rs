//! What several do at once, on two instances.

use std::sync::{Arc, Barrier};
use std::thread;

use serde_json::{Value, json};
use test_kit::eventually;

use crate::harness::{ENGINES, Engine, Instance, KEY, SOON, Wishes, World, call_at, token};
use crate::phones::Phones;

/// Calls that are made at the same moment, each by a thread of its own; their statuses in order.
fn at_once(calls: Vec<Box<dyn FnOnce() -> u16 + Send>>) -> Vec<u16> {
    let start = Arc::new(Barrier::new(calls.len()));
    let running: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let start = Arc::clone(&start);
            thread::spawn(move || {
                start.wait();
                call()
            })
        })
        .collect();
    running.into_iter().map(|one| one.join().expect("a call")).collect()
}

fn call(
    instance: &Instance,
    user: i64,
    method: &'static str,
    path: String,
) -> Box<dyn FnOnce() -> u16 + Send> {
    let address = instance.address;
    Box::new(move || call_at(address, &token(user), method, &path, &[], None).status)
}

#[test]
fn of_many_who_read_one_at_once_one_is_told_and_the_count_is_right() {
    for engine in ENGINES {
        let mut world = World::new(engine);
        let instances = [world.start(Wishes::default()), world.start(Wishes::default())];
        let other = instances[0].notify(7, "other");
        let id = instances[0].notify(7, "t");
        world.forget_events();
        let calls =
            (0..6).map(|n| call(&instances[n % 2], 7, "PUT", format!("/api/notifications/{id}/read")));
        assert_eq!(at_once(calls.collect()), [200; 6]);
        let events = world.events();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["data"]["unread_count"], 1);
        let calls =
            (0..6).map(|n| call(&instances[n % 2], 7, "DELETE", format!("/api/notifications/{other}")));
        assert_eq!(at_once(calls.collect()), [204; 6]);
        assert_eq!(world.events_of("notification_deleted").len(), 1);
        assert_eq!(instances[1].read(7, "/api/notifications/stats")["unread_count"], 0);
        world.counts_agree();
    }
}

#[test]
fn of_a_delete_and_a_read_at_once_the_counts_and_events_tell_one_story() {
    for engine in ENGINES {
        let mut world = World::new(engine);
        let instances = [world.start(Wishes::default()), world.start(Wishes::default())];
        for _ in 0..6 {
            let id = instances[0].notify(7, "t");
            world.forget_events();
            let path = format!("/api/notifications/{id}");
            let statuses = at_once(vec![
                call(&instances[0], 7, "DELETE", path.clone()),
                call(&instances[1], 7, "PUT", format!("{path}/read")),
                call(&instances[0], 7, "POST", "/api/notifications/read-all".to_owned()),
            ]);
            assert_eq!(statuses[0], 204);
            assert!([200, 404].contains(&statuses[1]), "{statuses:?}");
            // Whatever came first: it ends deleted, with nothing unread, and is told read at most once.
            let events = world.events();
            let types: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
            assert!(types.iter().filter(|one| **one == "notification_read").count() <= 1, "{types:?}");
            assert_eq!(types.last(), Some(&"notification_deleted"), "{types:?}");
            assert_eq!(events.last().expect("an event")["data"]["unread_count"], 0);
            world.counts_agree();
        }
    }
}

/// Creating, bulk, reading, deleting and reading all, of the same users on two instances: nobody waits for ever, each
/// event tells the count of its moment, and in the end all counts are those of the rows.
fn whatever_is_done_at_once_the_counts_are_those_of_the_rows(engine: Engine) {
    let mut world = World::new(engine);
    let instances = [world.start(Wishes::default()), world.start(Wishes::default())];
    let workers: Vec<_> = (0..6_usize)
        .map(|worker| {
            let address = instances[worker % 2].address;
            thread::spawn(move || {
                let ok = |answer: test_kit::http::Answer| {
                    assert!((200..300).contains(&answer.status) || answer.status == 404, "{}", answer.text());
                };
                for round in 0..8_i64 {
                    let user = (round + i64::try_from(worker).expect("small")) % 3;
                    let as_user = |method: &str, path: &str| call_at(address, &token(user), method, path, &[], None);
                    match worker {
                        0 | 1 => {
                            // Each in another order: locks are taken in one.
                            let users = if worker == 0 { json!([0, 1, 2, 0]) } else { json!([2, 1, 0]) };
                            let body = json!({"user_ids": users, "title": "t", "category": format!("c{}", round % 2)});
                            ok(call_at(address, KEY, "POST", "/api/notifications/bulk", &[], Some(&body)));
                        }
                        2 => {
                            let body = json!({"user_id": user, "title": "t"});
                            ok(call_at(address, KEY, "POST", "/api/notifications", &[], Some(&body)));
                        }
                        3 => ok(as_user("POST", "/api/notifications/read-all")),
                        _ => {
                            let list = as_user("GET", "/api/notifications?per_page=3").json();
                            for one in list["notifications"].as_array().expect("a list") {
                                let path = format!("/api/notifications/{}", one["id"]);
                                match worker {
                                    4 => ok(as_user("PUT", &format!("{path}/read"))),
                                    _ => {
                                        ok(as_user("DELETE", &path));
                                        ok(as_user("POST", &format!("{path}/restore")));
                                    }
                                }
                            }
                        }
                    }
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().expect("a worker"));
    world.counts_agree();
    let events = world.events();
    for user in 0..3_i64 {
        let stats = instances[0].read(user, "/api/notifications/stats");
        let last = events.iter().rev().find(|event| event["user_ids"][0] == user).expect("an event");
        assert_eq!(stats["unread_count"], last["data"]["unread_count"], "the last event tells what is");
        // Each event's count follows from the one before.
        let mut unread = 0_i64;
        for event in events.iter().filter(|event| event["user_ids"][0] == user) {
            let now = event["data"]["unread_count"].as_i64().expect("a number");
            let step = now - unread;
            let fits = match event["type"].as_str().expect("a type") {
                "notification" => step == 1,
                "notification_read" if event["data"]["all"] == true => now == 0,
                "notification_read" => step == -1,
                "notification_deleted" => step == -1 || step == 0,
                "notification_restored" => step == 1 || step == 0,
                _ => false,
            };
            assert!(fits, "from {unread}: {event}");
            unread = now;
        }
    }
    let created = world.number("SELECT COUNT(*) FROM notifications");
    assert_eq!(created, 8 * 4 + 8 * 3 + 8);
    let ids: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "notification")
        .map(|event| &event["data"]["id"])
        .collect();
    assert_eq!(ids, (1..=created).map(Value::from).collect::<Vec<_>>().iter().collect::<Vec<_>>());
}

#[test]
fn whatever_is_done_at_once_the_counts_are_those_of_the_rows_on_sqlite() {
    whatever_is_done_at_once_the_counts_are_those_of_the_rows(Engine::Sqlite);
}

#[test]
fn whatever_is_done_at_once_the_counts_are_those_of_the_rows_on_postgres() {
    whatever_is_done_at_once_the_counts_are_those_of_the_rows(Engine::Postgres);
}

#[test]
fn of_many_calls_with_one_key_at_once_one_creates() {
    for engine in ENGINES {
        let mut world = World::new(engine);
        let instances = [world.start(Wishes::default()), world.start(Wishes::default())];
        let calls = (0..6).map(|n| {
            let address = instances[n % 2].address;
            let call = move || {
                let body = json!({"user_id": 7, "title": "t"});
                let key = [("idempotency-key", "k")];
                call_at(address, KEY, "POST", "/api/notifications", &key, Some(&body)).status
            };
            Box::new(call) as Box<dyn FnOnce() -> u16 + Send>
        });
        let statuses = at_once(calls.collect());
        assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
        assert!(statuses.contains(&201));
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 1);
        let calls = (0..4).map(|n| {
            let address = instances[n % 2].address;
            let call = move || {
                let body = json!({"user_ids": [1, 2, 3], "title": "t"});
                let key = [("idempotency-key", "bulk")];
                call_at(address, KEY, "POST", "/api/notifications/bulk", &key, Some(&body)).status
            };
            Box::new(call) as Box<dyn FnOnce() -> u16 + Send>
        });
        let statuses = at_once(calls.collect());
        assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 4);
        world.counts_agree();
    }
}

#[test]
fn a_sweep_of_many_inboxes_and_their_users_never_wait_for_each_other() {
    // Each has a push that is open, so who takes a notification away takes it back from the phone as well.
    const USERS: i64 = 8;
    let phones = Phones::with(Engine::Postgres);
    (0..USERS).for_each(|user| phones.phone(user, &format!("phone-{user}")));
    for _ in 0..4 {
        let micros = phones.world.clock.now() + 5_000_000;
        let expires_at = jiff::Timestamp::from_microsecond(micros).expect("a time").to_string();
        for user in 0..USERS {
            for _ in 0..3 {
                phones.at().notify(user, "stays");
                let body = json!({"user_id": user, "title": "goes", "expires_at": expires_at});
                let address = phones.at().address;
                let answer = call_at(address, KEY, "POST", "/api/notifications", &[], Some(&body));
                assert_eq!(answer.status, 201, "{}", answer.text());
            }
        }
        phones.world.clock.advance(std::time::Duration::from_secs(6));
        let address = phones.at().address;
        let overdue = "SELECT COUNT(*) FROM notifications WHERE removed IS NULL AND title = 'goes'";
        let is_swept = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            for user in 0..USERS {
                let is_swept = &is_swept;
                scope.spawn(move || {
                    let own = token(user);
                    let mut is_read = false;
                    while !is_swept.load(std::sync::atomic::Ordering::Relaxed) {
                        let list =
                            call_at(address, &own, "GET", "/api/notifications?per_page=3", &[], None).json();
                        for one in list["notifications"].as_array().expect("a list") {
                            is_read = !is_read;
                            let what = if is_read { "read" } else { "unread" };
                            let path = format!("/api/notifications/{}/{what}", one["id"]);
                            let answer = call_at(address, &own, "PUT", &path, &[], None);
                            assert!([200, 404].contains(&answer.status), "{}", answer.text());
                        }
                    }
                });
            }
            eventually(SOON, || phones.world.number(overdue) == 0);
            is_swept.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
    phones.world.counts_agree();
}
