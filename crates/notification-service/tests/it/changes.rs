//! Reading, marking as unread, deleting, bringing back: by REST and over the hub.

use serde_json::{Value, json};

use crate::harness::{ENGINES, Engine, Instance, World};

fn put(instance: &Instance, user: impl Into<Value>, id: i64, what: &str) -> test_kit::http::Answer {
    instance.call(user, "PUT", &format!("/api/notifications/{id}/{what}"), &[], None)
}

fn delete(instance: &Instance, user: impl Into<Value>, id: i64) -> u16 {
    instance.call(user, "DELETE", &format!("/api/notifications/{id}"), &[], None).status
}

fn restore(instance: &Instance, user: impl Into<Value>, id: i64) -> test_kit::http::Answer {
    instance.call(user, "POST", &format!("/api/notifications/{id}/restore"), &[], None)
}

/// What is told of one notification, but the time.
fn told(event: &Value) -> Value {
    let mut data = event["data"].clone();
    assert_eq!(data["timestamp"], event["timestamp"]);
    data.as_object_mut().expect("members").remove("timestamp");
    json!({"type": event["type"], "user_ids": event["user_ids"], "data": data})
}

#[test]
fn each_change_is_told_once_with_what_is_unread_then() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let [a, b] = [instance.notify(7, "a"), instance.notify(7, "b")];
        assert_eq!(world.events()[1]["data"]["unread_count"], 2);
        world.forget_events();
        let of = |event_type: &str, id: i64, unread: i64| {
            let data = json!({"id": id, "notification_id": id, "unread_count": unread});
            json!({"type": event_type, "user_ids": [7], "data": data})
        };
        let read = put(&instance, 7, a, "read");
        assert_eq!((read.status, &read.json()["is_read"]), (200, &json!(true)));
        assert!(read.json()["read_at"].is_string());
        // Again: the same answer, and nobody is told.
        assert_eq!(put(&instance, 7, a, "read").json(), read.json());
        let unread = put(&instance, 7, a, "unread");
        assert_eq!((unread.status, &unread.json()["read_at"]), (200, &Value::Null));
        assert_eq!(put(&instance, 7, a, "unread").json(), unread.json());
        assert_eq!(put(&instance, 7, a, "read").status, 200);
        assert_eq!(delete(&instance, 7, b), 204);
        assert_eq!(delete(&instance, 7, b), 204, "it is deleted");
        let events: Vec<Value> = world.events().iter().map(told).collect();
        assert_eq!(
            events,
            [
                of("notification_read", a, 1),
                of("notification_unread", a, 2),
                of("notification_read", a, 1),
                of("notification_deleted", b, 0)
            ]
        );
        world.forget_events();
        for path in ["", "/read", "/unread"] {
            let method = if path.is_empty() { "GET" } else { "PUT" };
            let gone = instance.call(7, method, &format!("/api/notifications/{b}{path}"), &[], None);
            assert_eq!((gone.status, gone.problem_code().as_str()), (404, "not_found"), "{path}");
        }
        assert_eq!(instance.read(7, "/api/notifications")["total"], 1);
        let back = restore(&instance, 7, b);
        assert_eq!(
            (back.status, &back.json()["id"], &back.json()["is_read"]),
            (200, &json!(b), &json!(false))
        );
        assert_eq!(restore(&instance, 7, b).json(), back.json());
        let events = world.events();
        assert_eq!(events.len(), 1);
        let mut expected = back.json();
        expected["unread_count"] = json!(1);
        let restored = told(&events[0]);
        assert_eq!((&restored["type"], &restored["data"]), (&json!("notification_restored"), &expected));
        // One that was read comes back read.
        assert_eq!(delete(&instance, 7, a), 204);
        assert_eq!(restore(&instance, 7, a).json()["is_read"], true);
        assert_eq!(instance.read(7, "/api/notifications")["unread_count"], 1);
        world.counts_agree();
    }
}

#[test]
fn all_are_read_at_once_and_told_once() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let made: Vec<i64> = (0..5)
            .map(|n| {
                let body = json!({"user_id": 7, "title": "t", "category": format!("c{}", n % 2)});
                instance.create(&body)["id"].as_i64().expect("an id")
            })
            .collect();
        instance.notify(8, "another's");
        assert_eq!(put(&instance, 7, made[0], "read").status, 200);
        assert_eq!(delete(&instance, 7, made[1]), 204);
        world.forget_events();
        let done = instance.call(7, "POST", "/api/notifications/read-all", &[], None);
        assert_eq!((done.status, done.json()), (200, json!({"updated": 3, "unread_count": 0})));
        let events = world.events();
        assert_eq!(events.len(), 1);
        assert_eq!(
            told(&events[0]),
            json!({"type": "notification_read", "user_ids": [7], "data": {
                "id": null, "notification_id": null, "all": true, "up_to": made[4], "unread_count": 0
            }})
        );
        let again = instance.call(7, "POST", "/api/notifications/read-all", &[], Some(&json!({})));
        assert_eq!((again.status, again.json()), (200, json!({"updated": 0, "unread_count": 0})));
        assert_eq!(world.events().len(), 1);
        let list = instance.read(7, "/api/notifications?unread=false");
        assert_eq!((&list["total"], &list["unread_count"]), (&json!(4), &json!(0)));
        assert_eq!(instance.read(8, "/api/notifications")["unread_count"], 1);
        // What was deleted before is as it was.
        assert_eq!(restore(&instance, 7, made[1]).json()["is_read"], false);
        assert_eq!(instance.read(7, "/api/notifications")["unread_count"], 1);
        let nobody = instance.call("nobody", "POST", "/api/notifications/read-all", &[], None);
        assert_eq!(nobody.json(), json!({"updated": 0, "unread_count": 0}));
        world.counts_agree();
    }
}

#[test]
fn read_all_with_a_key_gives_its_first_answer_again() {
    for engine in ENGINES {
        let (_world, instance) = World::with(engine);
        instance.notify(7, "a");
        let call =
            || instance.call(7, "POST", "/api/notifications/read-all", &[("idempotency-key", "k")], None);
        assert_eq!(call().json(), json!({"updated": 1, "unread_count": 0}));
        instance.notify(7, "b");
        assert_eq!(call().json(), json!({"updated": 1, "unread_count": 0}));
        assert_eq!(instance.read(7, "/api/notifications")["unread_count"], 1);
    }
}

#[test]
fn what_is_anothers_is_not_there() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let id = instance.notify(7, "mine");
        world.forget_events();
        let path = format!("/api/notifications/{id}");
        for (method, path) in [
            ("GET", path.clone()),
            ("DELETE", path.clone()),
            ("PUT", format!("{path}/read")),
            ("PUT", format!("{path}/unread")),
            ("POST", format!("{path}/restore")),
        ] {
            let strange = instance.call(8, method, &path, &[], None);
            let absent = instance.call(8, method, &path.replace(&id.to_string(), "987654321"), &[], None);
            assert_eq!(strange.status, 404, "{method} {path}");
            assert_eq!(strange.text(), absent.text(), "nobody can tell which ids there are");
        }
        assert_eq!(delete(&instance, 7, id), 204);
        assert_eq!(restore(&instance, 8, id).status, 404);
        for event in ["mark_read", "delete"] {
            let answer = instance.emit(8, event, &json!({"notification_id": id}));
            assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!("not_found")));
        }
        assert_eq!(world.events().len(), 1, "its user's own delete");
        world.counts_agree();
    }
}

#[test]
fn clients_do_the_same_over_the_hub() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let made: Vec<i64> = (0..4).map(|n| instance.notify(7, &n.to_string())).collect();
        world.forget_events();
        let emit = |event: &str, data: Value| instance.emit(7, event, &data);
        let read = json!({"success": true, "id": made[0], "unread_count": 3});
        assert_eq!(emit("mark_read", json!({"notification_id": made[0], "more": 1})), read);
        assert_eq!(emit("mark_read", json!({"notification_id": made[0]})), read, "again");
        let deleted = json!({"success": true, "id": made[1], "unread_count": 2});
        assert_eq!(emit("delete", json!({"notification_id": made[1]})), deleted);
        assert_eq!(emit("delete", json!({"notification_id": made[1]})), deleted, "again");
        for data in [json!(null), json!({}), json!({"x": 1})] {
            let updated = if data.is_null() { 2 } else { 0 };
            assert_eq!(
                emit("mark_all_read", data),
                json!({"success": true, "id": null, "unread_count": 0, "updated": updated})
            );
        }
        let events = world.events();
        let types: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        assert_eq!(types, ["notification_read", "notification_deleted", "notification_read"]);
        world.counts_agree();
    }
}

#[test]
fn what_a_client_sends_wrongly_is_acknowledged_with_a_reason() {
    let (world, instance) = World::with(Engine::Sqlite);
    let id = instance.notify(7, "t");
    world.forget_events();
    for (event, data, code) in [
        ("mark_read", json!(null), "invalid"),
        ("mark_read", json!([]), "invalid"),
        ("mark_read", json!("7"), "invalid"),
        ("mark_read", json!({}), "invalid"),
        ("mark_read", json!({"notification_id": null}), "invalid"),
        ("mark_read", json!({"notification_id": id.to_string()}), "invalid"),
        ("mark_read", json!({"notification_id": 1.5}), "invalid"),
        ("mark_read", json!({"notification_id": -1}), "invalid"),
        ("delete", json!({"notification_id": [1]}), "invalid"),
        ("delete", json!({"notification_id": 987_654_321}), "not_found"),
        ("explode", json!({"notification_id": id}), "unknown_event"),
    ] {
        let answer = instance.emit(7, event, &data);
        assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!(code)), "{event} {data}");
        assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    let nobody = instance.emit(Value::Null, "mark_read", &json!({"notification_id": id}));
    assert_eq!(nobody["code"], "unauthorized");
    assert!(world.events().is_empty());
    // What is the hub's fault is no acknowledgement.
    assert_eq!(instance.hook(&json!({"data": {}, "user_id": 7})).status, 422);
    let user = instance.call(7, "POST", "/hooks/notifications", &[], Some(&json!({"event": "mark_read"})));
    assert_eq!(user.status, 403);
}

#[test]
fn a_large_inbox_is_read_in_steps_and_each_tells_how_far() {
    let (world, instance) = World::with(Engine::Sqlite);
    let users = vec![7; 2_300];
    let made = instance.serve(
        "POST",
        "/api/notifications/bulk",
        &[],
        Some(&json!({"user_ids": users, "title": "t", "category": "c"})),
    );
    assert_eq!(made.status, 200);
    world.forget_events();
    let done = instance.call(7, "POST", "/api/notifications/read-all", &[], None);
    assert_eq!(done.json(), json!({"updated": 2_300, "unread_count": 0}));
    let told: Vec<(Value, Value)> = world
        .events()
        .iter()
        .map(|event| (event["data"]["up_to"].clone(), event["data"]["unread_count"].clone()))
        .collect();
    assert_eq!(told, [(json!(1_000), json!(1_300)), (json!(2_000), json!(300)), (json!(2_300), json!(0))]);
    world.counts_agree();
}
