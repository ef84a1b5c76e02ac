//! Push before a Firebase: what is sent, to whom, when, and what is taken back.

use std::time::Duration;

use serde_json::json;
use test_kit::firebase::{self, Reply};

use crate::harness::{ENGINES, Engine, Instance, Wishes, World};
use crate::phones::{DELAY, Phones, tag};

#[test]
fn what_nobody_saw_in_time_is_pushed_to_every_device_exactly_so() {
    for engine in ENGINES {
        let phones = Phones::with(engine);
        phones.phone(7, "phone-of-anna");
        assert_eq!(phones.register(7, "browser-of-anna", "web").status, 201);
        phones.phone(8, "phone-of-ben");
        let made = phones.at().create(&json!({
            "user_id": 7, "title": "Job accepted", "message": "<b>Walk</b> the dog", "type": "job_accepted",
            "category": "jobs", "data": {"job_id": 42}, "priority": "high"
        }));
        let id = made["id"].as_i64().expect("an id");
        phones.settle();
        assert_eq!(phones.firebase.taken().len(), 0, "a screen has its time first");
        phones.pass(DELAY);
        let taken = phones.taken(2);
        let of = |token: &str| {
            let found = taken.iter().find(|body| body["message"]["token"] == token).expect(token);
            found["message"].clone()
        };
        let event = phones.world.texts("SELECT event_id FROM notifications").remove(0);
        let data = json!({
            "notification_id": id.to_string(), "event_id": event, "type": "job_accepted", "category": "jobs",
            "tag": format!("n{id}"), "data": "{\"job_id\":42}"
        });
        let shown = json!({"title": "Job accepted", "body": "<b>Walk</b> the dog"});
        assert_eq!(
            of("phone-of-anna"),
            json!({
                "token": "phone-of-anna", "notification": shown, "data": data,
                "android": {
                    "priority": "HIGH", "ttl": "2419200s",
                    "notification": {"tag": format!("n{id}"), "default_sound": true}
                }
            })
        );
        assert_eq!(
            of("browser-of-anna"),
            json!({
                "token": "browser-of-anna", "notification": shown, "data": data,
                "webpush": {
                    "headers": {"Topic": format!("n{id}"), "TTL": "2419200", "Urgency": "high"},
                    "notification": {"tag": format!("n{id}"), "silent": false}
                }
            })
        );
        phones.settle();
        assert_eq!(phones.firebase.tokens_given(), 1, "a token is used until its end");
        phones.taken(2);
    }
}

/// What the hub tells of an event's way to a user's connection.
fn deliver(at: &Instance, event: &str, user: i64, state: &str) {
    let record = json!([{
        "id": event, "user_id": user, "connection_id": "8b8f5d9e-58a3-4c2c-9f4c-6a6a0ad0a001", "state": state,
        "at": "2026-11-21T12:00:00.000Z"
    }]);
    let answer = at.serve("POST", "/hooks/deliveries", &[], Some(&record));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn what_a_device_has_had_within_the_delay_is_not_pushed() {
    for engine in ENGINES {
        let phones = Phones::with(engine);
        phones.phone(7, "anna");
        for title in ["sent", "delivered", "shown"] {
            phones.at().notify(7, title);
        }
        let events = phones.world.texts("SELECT event_id FROM notifications ORDER BY id");
        for (event, state) in events.iter().zip(["sent", "delivered", "shown"]) {
            deliver(phones.at(), event, 7, state);
        }
        phones.pass(DELAY);
        let taken = phones.taken(1);
        assert_eq!(taken[0]["message"]["notification"]["title"], "sent", "written to a socket is not had");
        phones.settle();
        phones.taken(1);
    }
}

#[test]
fn what_was_read_deleted_or_expired_within_the_delay_is_not_pushed() {
    for engine in ENGINES {
        let phones = Phones::with(engine);
        phones.phone(7, "anna");
        let (read, deleted) = (phones.at().notify(7, "read"), phones.at().notify(7, "deleted"));
        let expires_at = rest::instant::show(phones.world.clock.now() + 5_000_000);
        phones.at().create(&json!({"user_id": 7, "title": "short", "message": "", "expires_at": expires_at}));
        phones.mark_read(7, read);
        let path = format!("/api/notifications/{deleted}");
        assert_eq!(phones.at().call(7, "DELETE", &path, &[], None).status, 204);
        phones.at().notify(7, "stays");
        phones.pass(DELAY);
        let taken = phones.taken(1);
        assert_eq!(taken[0]["message"]["notification"]["title"], "stays");
        phones.settle();
        phones.taken(1);
    }
}

#[test]
fn reading_on_one_device_takes_it_back_from_all_that_got_it() {
    for engine in ENGINES {
        let phones = Phones::with(engine);
        for token in ["anna-1", "anna-2"] {
            phones.phone(7, token);
        }
        phones.firebase.always("anna-2", Reply::InvalidArgument);
        assert_eq!(phones.register(7, "anna-3", "ios").status, 201);
        let id = phones.at().notify(7, "Hello");
        phones.pass(DELAY);
        phones.taken(2);
        phones.settle();
        phones.mark_read(7, id);
        let taken = phones.taken(4);
        let withdrawn = &taken[2..];
        assert_eq!(firebase::devices(withdrawn), ["anna-1", "anna-3"].map(str::to_owned).into());
        for body in withdrawn {
            assert_eq!(body["message"].get("notification"), None, "nothing is shown");
            assert_eq!(
                body["message"]["data"],
                json!({
                    "type": "notification_withdrawn", "notification_ids": format!("[{id}]"),
                    "tags": format!("[\"n{id}\"]")
                })
            );
        }
        // Read again, deleted: it is taken back once.
        phones.mark_read(7, id);
        let path = format!("/api/notifications/{id}");
        assert_eq!(phones.at().call(7, "DELETE", &path, &[], None).status, 204);
        phones.settle();
        phones.taken(4);
    }
}

#[test]
fn reading_all_takes_many_back_with_few_messages() {
    let phones = Phones::with(Engine::Sqlite);
    phones.phone(7, "anna");
    for n in 0..60 {
        phones.at().notify(7, &format!("number {n}"));
    }
    phones.pass(DELAY);
    phones.taken(60);
    phones.settle();
    let all = phones.at().call(7, "POST", "/api/notifications/read-all", &[], None);
    assert_eq!(all.status, 200, "{}", all.text());
    let taken = phones.taken(62);
    let ids: usize = taken[60..]
        .iter()
        .map(|body| {
            let ids = body["message"]["data"]["notification_ids"].as_str().expect("ids");
            serde_json::from_str::<Vec<i64>>(ids).expect("a list").len()
        })
        .sum();
    assert_eq!(ids, 60);
}

#[test]
fn what_expires_on_a_phone_is_taken_back() {
    let phones = Phones::with(Engine::Sqlite);
    phones.phone(7, "anna");
    let expires_at = rest::instant::show(phones.world.clock.now() + 3_600_000_000);
    phones
        .at()
        .create(&json!({"user_id": 7, "title": "For an hour", "message": "", "expires_at": expires_at}));
    phones.pass(DELAY);
    let taken = phones.taken(1);
    let ttl = taken[0]["message"]["android"]["ttl"].as_str().expect("a lifetime").trim_end_matches('s');
    assert!((3_500..3_600).contains(&ttl.parse::<u32>().expect("seconds")), "{ttl}");
    phones.settle();
    phones.pass(Duration::from_secs(3_600));
    assert_eq!(phones.taken(2)[1]["message"]["data"]["type"], "notification_withdrawn");
}

#[test]
fn preferences_decide_whether_and_how_a_category_is_pushed() {
    let phones = Phones::with(Engine::Sqlite);
    phones.phone(7, "anna");
    phones.prefer(
        7,
        &json!({"categories": {"ads": {"push": false}, "news": {"in_app": false}, "low": {"sound": false}}}),
    );
    let create = |category: &str| {
        phones.at().create(&json!({"user_id": 7, "title": category, "message": "", "category": category}))
    };
    create("news");
    // Nobody can see it in the app, so nothing is waited for.
    assert_eq!(phones.taken(1)[0]["message"]["notification"]["title"], "news");
    create("ads");
    create("low");
    phones.pass(DELAY);
    let taken = phones.taken(2);
    assert_eq!(taken[1]["message"]["notification"]["title"], "low");
    assert_eq!(taken[1]["message"]["android"]["notification"]["default_sound"], false);
    phones.settle();
    phones.taken(2);
    // What counts is what the user wants when it is due.
    create("jobs");
    phones.prefer(7, &json!({"default": {"push": false}}));
    phones.pass(DELAY);
    phones.settle();
    phones.taken(2);
}

#[test]
fn a_phone_with_a_new_sign_in_gets_nothing_of_its_last_user() {
    let phones = Phones::with(Engine::Sqlite);
    phones.phone(7, "shared");
    phones.firebase.script("shared", [Reply::Unavailable(None)]);
    phones.at().notify(7, "for Anna");
    phones.pass(DELAY);
    phones.rest();
    assert_eq!(phones.waiting(), 1, "it is to be tried again");
    phones.phone(8, "shared");
    assert_eq!(phones.waiting(), 0);
    phones.at().notify(8, "for Ben");
    phones.at().notify(7, "for Anna, again");
    phones.pass(Duration::from_secs(3_600));
    let taken = phones.taken(1);
    assert_eq!(taken[0]["message"]["notification"]["title"], "for Ben");
    phones.settle();
    phones.taken(1);
}

#[test]
fn without_credentials_devices_are_registered_and_nothing_is_pushed() {
    let mut world = World::new(Engine::Sqlite);
    let at = world.start(Wishes::background());
    let body = json!({"token": "t", "platform": "web"});
    assert_eq!(at.call(7, "POST", "/api/fcm/register-device", &[], Some(&body)).status, 201);
    at.notify(7, "Hello");
    assert_eq!(world.texts("SELECT state FROM pushes"), ["skipped"]);
}

#[test]
fn hundreds_that_are_due_at_once_are_all_sent_and_each_once() {
    for engine in ENGINES {
        let phones = Phones::with(engine);
        for user in 0..15 {
            for n in 0..2 {
                phones.phone(user, &format!("{user}-{n}"));
            }
        }
        for n in 0..150 {
            phones.at().notify(n % 15, &format!("number {n}"));
        }
        phones.pass(DELAY);
        phones.settle();
        let taken = phones.taken(300);
        let mut seen: Vec<(String, String)> = taken
            .iter()
            .map(|body| {
                (body["message"]["token"].as_str().expect("a token").to_owned(), tag(body).to_owned())
            })
            .collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 300);
    }
}

#[test]
fn a_topic_and_a_bulk_are_pushed_to_whoever_has_a_device() {
    let phones = Phones::with(Engine::Sqlite);
    for user in 0..5 {
        phones.phone(user, &format!("phone {user}"));
    }
    let users: Vec<i64> = (0..600).collect();
    let bulk = json!({"user_ids": users, "title": "To all", "message": ""});
    let answer = phones.at().serve("POST", "/api/notifications/bulk", &[], Some(&bulk));
    assert_eq!(answer.status, 200, "{}", answer.text());
    phones.pass(DELAY);
    assert_eq!(firebase::devices(&phones.taken(5)).len(), 5);
    assert_eq!(phones.world.number("SELECT COUNT(*) FROM pushes"), 5, "who has no device has no push");
    let follow =
        phones.at().call(3, "POST", "/api/fcm/subscribe-topic", &[], Some(&json!({"topic": "news"})));
    assert_eq!(follow.status, 200);
    let body = json!({"topic": "news", "title": "News", "message": ""});
    let answer = phones.at().serve("POST", "/api/notifications", &[], Some(&body));
    assert_eq!((answer.status, answer.json()), (201, json!({"topic": "news", "recipients": 1})));
    test_kit::eventually(crate::harness::SOON, || phones.world.number("SELECT COUNT(*) FROM pushes") == 6);
    phones.pass(DELAY);
    assert_eq!(phones.taken(6)[5]["message"]["token"], "phone 3");
}

#[test]
fn what_becomes_of_pushes_is_counted_and_the_description_has_their_paths() {
    let phones = Phones::with(Engine::Sqlite);
    phones.phone(7, "anna");
    phones.firebase.script("anna", [Reply::Taken, Reply::InvalidArgument]);
    for title in ["sent", "failed"] {
        phones.at().notify(7, title);
        phones.pass(DELAY);
        phones.settle();
    }
    let all = phones.at().call(7, "POST", "/api/notifications/read-all", &[], None);
    assert_eq!(all.status, 200);
    phones.settle();
    let get = |path: &str| test_kit::http::get(phones.at().address, path, &[]);
    test_kit::eventually(crate::harness::SOON, || {
        let metrics = get("/metrics").text();
        ["sent", "failed", "withdrawn"]
            .iter()
            .all(|outcome| metrics.contains(&format!("fanfare_push_total{{outcome=\"{outcome}\"}} 1")))
            && metrics.contains("fanfare_push_queue 0")
            && metrics.contains("fanfare_push_oldest_seconds 0")
            && metrics.contains("fanfare_push_paused 0")
    });
    let paths = get("/openapi.json").json()["paths"].clone();
    for path in [
        "/api/fcm/register-device",
        "/api/fcm/unregister-device",
        "/api/fcm/unregister-all",
        "/api/fcm/device-list",
        "/api/fcm/subscribe-topic",
        "/api/fcm/unsubscribe-topic",
        "/api/notifications/preferences",
    ] {
        assert!(paths.get(path).is_some(), "{path}");
    }
}
