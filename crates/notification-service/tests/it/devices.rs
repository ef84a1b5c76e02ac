//! Devices: who has which, and what is wrong with a registration.

use serde_json::{Value, json};

use crate::harness::{ENGINES, Engine, World};

fn register(at: &crate::harness::Instance, user: i64, token: &str, platform: &str) -> test_kit::http::Answer {
    let body = json!({"token": token, "platform": platform});
    at.call(user, "POST", "/api/fcm/register-device", &[], Some(&body))
}

/// The ends of a user's tokens.
fn devices(at: &crate::harness::Instance, user: i64) -> Vec<String> {
    let list = at.read(user, "/api/fcm/device-list");
    let devices = list["devices"].as_array().expect("devices");
    devices.iter().map(|device| device["token"].as_str().expect("a hint").to_owned()).collect()
}

#[test]
fn a_device_is_its_users_until_another_registers_it() {
    for engine in ENGINES {
        let (_world, at) = World::with(engine);
        let token = format!("{}-last", "t".repeat(4_091));
        let body = json!({"token": token, "platform": "ios", "device_name": "Anna's phone"});
        let first = at.call(7, "POST", "/api/fcm/register-device", &[], Some(&body));
        assert_eq!(first.status, 201, "{}", first.text());
        let device = first.json();
        assert_eq!(
            (&device["platform"], &device["device_name"], &device["token"]),
            (&json!("ios"), &json!("Anna's phone"), &json!("…last"))
        );
        let again = at.call(7, "POST", "/api/fcm/register-device", &[], Some(&body));
        assert_eq!((again.status, &again.json()["id"]), (200, &device["id"]), "{}", again.text());
        assert_eq!(devices(&at, 7), ["…last"]);
        // Another user can't take it away without registering it.
        let stranger = json!({ "token": token });
        assert_eq!(at.call(8, "POST", "/api/fcm/unregister-device", &[], Some(&stranger)).status, 204);
        assert_eq!(devices(&at, 7), ["…last"]);
        let moved = at.call(8, "POST", "/api/fcm/register-device", &[], Some(&body));
        assert_eq!(moved.status, 201, "{}", moved.text());
        assert_ne!(moved.json()["id"], device["id"]);
        assert_eq!((devices(&at, 7).len(), devices(&at, 8).len()), (0, 1));
        for _ in 0..2 {
            assert_eq!(at.call(8, "POST", "/api/fcm/unregister-device", &[], Some(&stranger)).status, 204);
        }
        assert_eq!(devices(&at, 8).len(), 0);
    }
}

#[test]
fn the_list_never_shows_a_whole_token() {
    let (_world, at) = World::with(Engine::Sqlite);
    for token in ["s", "secret", "a-long-secret-token"] {
        assert_eq!(register(&at, 7, token, "web").status, 201);
    }
    let text = at.get(7, "/api/fcm/device-list").text();
    assert!(!text.contains("secret") && text.contains("…oken"), "{text}");
}

#[test]
fn of_more_than_twenty_devices_the_one_unused_for_the_longest_goes() {
    for engine in ENGINES {
        let (world, at) = World::with(engine);
        for n in 0..20 {
            assert_eq!(register(&at, 7, &format!("the-token-number-{n:04}"), "android").status, 201);
            world.clock.advance(std::time::Duration::from_secs(60));
        }
        // The first is used again.
        assert_eq!(register(&at, 7, "the-token-number-0000", "android").status, 200);
        world.clock.advance(std::time::Duration::from_secs(60));
        assert_eq!(register(&at, 7, "the-token-number-0020", "android").status, 201);
        let left = devices(&at, 7);
        assert_eq!(left.len(), 20);
        assert!(left.contains(&"…0000".to_owned()) && !left.contains(&"…0001".to_owned()), "{left:?}");
        let all = at.call(7, "POST", "/api/fcm/unregister-all", &[], None);
        assert_eq!((all.status, all.json()), (200, json!({"removed": 20})));
        assert_eq!(devices(&at, 7).len(), 0);
    }
}

#[test]
fn every_wrong_member_of_a_registration_is_named() {
    let (_world, at) = World::with(Engine::Sqlite);
    let members = |body: &Value| -> Vec<String> {
        let answer = at.call(7, "POST", "/api/fcm/register-device", &[], Some(body));
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["member"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(members(&json!({})), ["token", "platform"]);
    assert_eq!(
        members(&json!({"token": "", "platform": "windows", "device_name": 7})),
        ["token", "platform", "device_name"]
    );
    assert_eq!(members(&json!({"token": "x".repeat(4_097), "platform": "web"})), ["token"]);
    assert_eq!(
        members(&json!({"token": "a\u{0}", "platform": "web", "device_name": "x".repeat(101)})),
        ["token", "device_name"]
    );
    let empty = crate::harness::call_at(
        at.address,
        &crate::harness::token(7),
        "POST",
        "/api/fcm/register-device",
        &[("content-type", "application/json")],
        None,
    );
    assert_eq!(empty.status, 422, "an empty body is {{}}: {}", empty.text());
    assert_eq!(at.get(7, "/api/fcm/register-device").status, 405);
}

#[test]
fn devices_are_a_users_alone() {
    let (_world, at) = World::with(Engine::Sqlite);
    let body = json!({"token": "t", "platform": "web", "topic": "t"});
    for path in
        ["register-device", "unregister-device", "unregister-all", "subscribe-topic", "unsubscribe-topic"]
    {
        let path = format!("/api/fcm/{path}");
        assert_eq!(at.serve("POST", &path, &[], Some(&body)).status, 403, "{path}");
        let nobody = crate::harness::call_at(at.address, "x", "POST", &path, &[], Some(&body));
        assert_eq!(nobody.status, 401, "{path}");
    }
    assert_eq!(at.serve("GET", "/api/fcm/device-list", &[], None).status, 403);
}

#[test]
fn a_repeated_call_gets_its_first_answer_and_changes_nothing() {
    let (_world, at) = World::with(Engine::Sqlite);
    let call = |path: &str, key: &str, body: &Value| {
        at.call(7, "POST", &format!("/api/fcm/{path}"), &[("idempotency-key", key)], Some(body))
    };
    let body = json!({"token": "t", "platform": "web"});
    let (first, again) = (call("register-device", "k", &body), call("register-device", "k", &body));
    assert_eq!((first.status, again.status, first.json()), (201, 201, again.json()));
    let other = call("register-device", "k", &json!({"token": "u", "platform": "web"}));
    assert_eq!((other.status, other.problem_code().as_str()), (422, "idempotency_key_reused"));
    let token = json!({"token": "t"});
    assert_eq!(call("unregister-device", "k", &token).status, 204);
    call("register-device", "k2", &body);
    assert_eq!(call("unregister-device", "k", &token).status, 204);
    assert_eq!(devices(&at, 7).len(), 1, "it was done before");
    let (all, again) = (call("unregister-all", "k", &json!({})), call("unregister-all", "k", &json!({})));
    assert_eq!((all.json(), again.json()), (json!({"removed": 1}), json!({"removed": 1})));
    let topic = json!({"topic": "news"});
    assert_eq!(call("subscribe-topic", "k", &topic).text(), call("subscribe-topic", "k", &topic).text());
}

#[test]
fn registering_many_at_once_keeps_to_the_bound() {
    for engine in ENGINES {
        let (world, at) = World::with(engine);
        let address = at.address;
        let calls: Vec<_> = (0..40)
            .map(|n| {
                std::thread::spawn(move || {
                    let body = json!({"token": format!("token {n}"), "platform": "web"});
                    let token = crate::harness::token(7);
                    crate::harness::call_at(
                        address,
                        &token,
                        "POST",
                        "/api/fcm/register-device",
                        &[],
                        Some(&body),
                    )
                    .status
                })
            })
            .collect();
        for call in calls {
            assert_eq!(call.join().expect("a call"), 201);
        }
        assert_eq!(world.number("SELECT COUNT(*) FROM devices"), 20);
    }
}
