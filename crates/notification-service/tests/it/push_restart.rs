//! Push over the end of its process, and by several instances on one database.

use std::time::Duration;

use serde_json::json;
use test_kit::firebase::{self, Firebase, Reply};
use test_kit::wait::holds_within;
use test_kit::{Directory, Launch, eventually, http};

use crate::harness::{ENGINES, KEY, SECRET, SOON, token};
use crate::phones::{DELAY, Phones, pushing, tag};

/// Longer than a message is claimed for.
const LEASE: Duration = Duration::from_secs(76);

/// Long enough for what ought to happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_was_under_way_in_a_crash_is_sent_again_with_the_same_tag() {
    for engine in ENGINES {
        let mut phones = Phones::with(engine);
        for user in 0..3 {
            let token = format!("phone-{user}");
            phones.phone(user, &token);
            phones.firebase.script(&token, [Reply::Hang]);
            phones.at().notify(user, "Hello");
        }
        phones.pass(DELAY);
        eventually(SOON, || phones.firebase.calls().len() == 3);
        phones.instance.take().expect("an instance").kill();
        phones.firebase.release();
        phones.instance = Some(phones.world.start(pushing(&phones.firebase)));
        phones.pass(LEASE);
        let taken = phones.taken(3);
        assert_eq!(firebase::devices(&taken).len(), 3);
        for body in &taken {
            let first = phones
                .firebase
                .calls()
                .into_iter()
                .find(|call| call.body["message"]["token"] == body["message"]["token"]);
            assert_eq!(first.as_ref().map(|call| tag(&call.body)), Some(tag(body)));
        }
        phones.settle();
        phones.taken(3);
    }
}

#[test]
fn what_was_read_after_a_crash_in_the_middle_is_taken_back() {
    for engine in ENGINES {
        let mut phones = Phones::with(engine);
        phones.phone(7, "anna");
        phones.firebase.script("anna", [Reply::Hang]);
        let id = phones.at().notify(7, "Hello");
        phones.pass(DELAY);
        eventually(SOON, || phones.firebase.calls().len() == 1);
        phones.instance.take().expect("an instance").kill();
        phones.instance = Some(phones.world.start(pushing(&phones.firebase)));
        phones.mark_read(7, id);
        phones.pass(LEASE);
        let taken = phones.taken(1);
        assert_eq!(
            taken[0]["message"]["data"]["type"], "notification_withdrawn",
            "nobody knows whether it came"
        );
        phones.settle();
        phones.taken(1);
    }
}

#[test]
fn several_instances_send_each_push_once() {
    for engine in ENGINES {
        let mut phones = Phones::with(engine);
        let others =
            [phones.world.start(pushing(&phones.firebase)), phones.world.start(pushing(&phones.firebase))];
        for user in 0..40 {
            phones.phone(user, &format!("phone-{user}"));
        }
        for n in 0..120 {
            phones.at().notify(n % 40, "Hello");
        }
        phones.pass(DELAY);
        phones.settle();
        let mut tags: Vec<String> = phones.taken(120).iter().map(|body| tag(body).to_owned()).collect();
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 120);
        drop(others);
    }
}

fn process(firebase: &Firebase, data: &Directory) -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_notification-service"))
        .env("PORT", "0")
        .env("FANFARE_DATA", data)
        .env("WS_SERVICE_URL", "http://127.0.0.1:9")
        .env("SERVICE_API_KEY", KEY)
        .env("JWT_SECRET", SECRET)
        .env("FIREBASE_CREDENTIALS_PATH", firebase.credentials(data.path()))
        .env("FIREBASE_ENDPOINT", firebase.endpoint())
}

#[test]
fn pushes_that_are_due_after_a_kill_are_sent_by_the_next_process() {
    let (firebase, data) = (Firebase::start(), Directory::new());
    let launch = process(&firebase, &data).env("PUSH_DELAY", "2s");
    let service = launch.start();
    let key = format!("Bearer {KEY}");
    for user in 0..10 {
        let bearer = format!("Bearer {}", token(user));
        let body = json!({"token": format!("phone-{user}"), "platform": "web"});
        let answer = http::post_json(
            service.address(),
            "/api/fcm/register-device",
            &[("authorization", &bearer)],
            &body,
        );
        assert_eq!(answer.status, 201, "{}", answer.text());
        let body = json!({"user_id": user, "title": "Hello", "message": ""});
        let answer =
            http::post_json(service.address(), "/api/notifications", &[("authorization", &key)], &body);
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    // Killed without a word.
    drop(service);
    let service = launch.start();
    assert!(holds_within(PATIENCE, || firebase::devices(&firebase.taken()).len() == 10));
    assert!(!service.log().contains("phone-"), "no token in the log");
    assert_eq!(firebase.faults(), Vec::<String>::new());
}

#[test]
fn wrong_credentials_stop_the_start_with_one_line_that_shows_nothing_of_them() {
    let (firebase, data) = (Firebase::start(), Directory::new());
    let wrong = data.path().join("wrong.json");
    let mut account = firebase.account_here();
    account["private_key"] = json!("top-secret");
    std::fs::write(&wrong, account.to_string()).expect("a file");
    for (path, part) in [(data.path().join("missing.json"), "missing.json"), (wrong, "private_key")] {
        let finished = process(&firebase, &data).env("FIREBASE_CREDENTIALS_PATH", &path).run();
        let said = finished.stderr.trim();
        assert_eq!(finished.code, Some(2), "{said}");
        assert!(said.contains("FIREBASE_CREDENTIALS_PATH") && said.contains(part), "{said}");
        assert!(said.lines().count() == 1 && !said.contains("top-secret"), "{said}");
    }
}

#[test]
fn without_credentials_the_start_says_that_push_is_off() {
    let data = Directory::new();
    let launch = Launch::new(env!("CARGO_BIN_EXE_notification-service"))
        .env("PORT", "0")
        .env("FANFARE_DATA", &data)
        .env("JWT_SECRET", SECRET);
    let service = launch.start();
    service.wait_for_log("push is off: FIREBASE_CREDENTIALS_PATH is unset");
}
