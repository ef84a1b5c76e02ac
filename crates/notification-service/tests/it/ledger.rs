//! What the hub tells of connections, and the traces that are made of it.

use serde_json::{Value, json};
use test_kit::{eventually, http};

use crate::feed::metric;
use crate::harness::{ENGINES, Engine, Instance, SOON, Wishes, World};

const ONE: &str = "8b8f5d9e-58a3-4c2c-9f4c-6a6a0ad0a001";
const OTHER: &str = "8b8f5d9e-58a3-4c2c-9f4c-6a6a0ad0a002";

/// A record as the hub writes it, at a second of a minute long ago.
fn record(id: &str, user: impl Into<Value>, connection: &str, state: &str, second: u32) -> Value {
    let at = format!("2026-11-21T12:00:{second:02}.000Z");
    json!({"id": id, "user_id": user.into(), "connection_id": connection, "state": state, "at": at})
}

#[track_caller]
fn tell(instance: &Instance, records: &[Value]) -> Value {
    let answer = instance.serve("POST", "/hooks/deliveries", &[], Some(&json!(records)));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[track_caller]
fn trace(instance: &Instance, id: i64) -> Value {
    let answer = instance.serve("GET", &format!("/api/notifications/{id}/trace"), &[], None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A notification for the user 7: its id, and that of its event.
fn notified(world: &World, instance: &Instance) -> (i64, String) {
    let id = instance.notify(7, "Hello");
    let event = world.texts("SELECT event_id FROM notifications ORDER BY id DESC LIMIT 1").remove(0);
    // The hub has taken it.
    world.forget_events();
    (id, event)
}

/// The steps without those of push: name and time.
fn steps(trace: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let all = trace["steps"].as_array().expect("steps").iter();
    all.map(|step| (text(&step["step"]), text(&step["at"])))
        .filter(|(step, _)| !step.starts_with("push"))
        .collect()
}

#[test]
fn records_are_kept_once_whatever_their_order_and_however_often_they_come() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let (id, event) = notified(&world, &instance);
        let batches = [
            vec![record(&event, 7, ONE, "shown", 5), record(&event, "7", OTHER, "sent", 2)],
            vec![record(&event, 7, ONE, "sent", 1), record(&event, 7, ONE, "delivered", 3)],
            vec![record(&event, 7, ONE, "sent", 9), record(&event, 7, ONE, "sent", 8)],
        ];
        for _ in 0..2 {
            for batch in &batches {
                assert_eq!(tell(&instance, batch), json!({"stored": 2, "ignored": 0}));
            }
        }
        assert_eq!(world.number("SELECT COUNT(*) FROM deliveries"), 2);
        let told = trace(&instance, id);
        let at = |second: u32| format!("2026-11-21T12:00:0{second}.000Z");
        let mut seen = steps(&told);
        seen.retain(|(step, _)| !["accepted", "stored"].contains(&step.as_str()));
        let expected = [("sent", 1), ("sent", 2), ("delivered", 3), ("seen", 5)];
        assert_eq!(seen, expected.map(|(step, second)| (step.to_owned(), at(second))));
        assert_eq!((&told["status"], &told["connections"]), (&json!("seen"), &json!(2)));
        assert_eq!(told["verdict"], format!("It was shown to user 7 at {} and is not read yet.", at(5)));
    }
}

#[test]
fn what_is_of_nobody_here_or_can_not_be_read_is_counted_and_left_out() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let (id, event) = notified(&world, &instance);
        let unknown = "0192f0c1-2345-7000-8000-000000000001";
        let records = [
            record(&event, 8, OTHER, "shown", 1),
            record(&event, Value::Null, OTHER, "shown", 1),
            record(unknown, 7, ONE, "shown", 1),
            record("no uuid", 7, ONE, "shown", 1),
            record(&event, 7, ONE, "guessed", 1),
            record(&event, 7, "", "shown", 1),
            record(&event, 7, &"x".repeat(65), "shown", 1),
            json!({"id": event, "user_id": 7, "connection_id": ONE, "state": "shown", "at": "yesterday"}),
            json!({"id": event, "user_id": [7], "connection_id": ONE, "state": "shown", "at": "2026-11-21T12:00:00Z"}),
            json!(7),
            json!(null),
        ];
        assert_eq!(tell(&instance, &records), json!({"stored": 0, "ignored": 11}));
        assert_eq!(world.number("SELECT COUNT(*) FROM deliveries"), 0);
        world.clock.advance(std::time::Duration::from_secs(60));
        let verdict = trace(&instance, id)["verdict"].as_str().expect("a verdict").to_owned();
        assert!(
            verdict.contains("no connection of user") && verdict.contains("the user had no device"),
            "{verdict}"
        );
        let metrics = http::request(instance.address, "GET", "/metrics", &[], None);
        let count = |outcome: &str| {
            metric(&metrics, &format!("fanfare_notification_deliveries_total{{outcome=\"{outcome}\"}}"))
        };
        assert_eq!((count("foreign"), count("invalid"), count("stored")), (Some(3.0), Some(8.0), None));
        assert_eq!(tell(&instance, &[]), json!({"stored": 0, "ignored": 0}));
    }
}

#[test]
fn records_are_taken_from_the_hub_alone_and_in_batches() {
    let (world, instance) = World::with(Engine::Sqlite);
    let (_, event) = notified(&world, &instance);
    let one = json!([record(&event, 7, ONE, "shown", 1)]);
    let refused = |status: u16, answer: http::Answer| assert_eq!(answer.status, status, "{}", answer.text());
    refused(403, instance.call(7, "POST", "/hooks/deliveries", &[], Some(&one)));
    refused(401, http::post_json(instance.address, "/hooks/deliveries", &[], &one));
    refused(405, instance.serve("GET", "/hooks/deliveries", &[], None));
    refused(422, instance.serve("POST", "/hooks/deliveries", &[], Some(&json!({"id": event}))));
    refused(422, instance.serve("POST", "/hooks/deliveries", &[], Some(&json!(vec![Value::Null; 1001]))));
    refused(413, instance.serve("POST", "/hooks/deliveries", &[], Some(&json!(["x".repeat(1 << 20)]))));
    let key = format!("Bearer {}", crate::harness::KEY);
    let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
    for (body, status) in
        [(&b"["[..], 400), (b"", 400), (b"[\xff]", 400), (b"[1,]", 400), (b"{", 400), (b"{}", 422)]
    {
        refused(status, http::request(instance.address, "POST", "/hooks/deliveries", &headers, Some(body)));
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM deliveries"), 0);
    // A batch larger than the hub's, of 500 connections.
    let many: Vec<Value> = (0..500)
        .flat_map(|n| {
            ["sent", "delivered"].map(|state| record(&event, 7, &format!("connection {n}"), state, 1))
        })
        .collect();
    assert_eq!(tell(&instance, &many), json!({"stored": 1000, "ignored": 0}));
    assert_eq!(world.number("SELECT COUNT(*) FROM deliveries"), 500);
}

#[test]
fn a_trace_is_for_its_user_and_for_services() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let (id, event) = notified(&world, &instance);
        let path = format!("/api/notifications/{id}/trace");
        assert_eq!(instance.get(7, &path).status, 200);
        assert_eq!(instance.get("7", &path).status, 200);
        assert_eq!(instance.get(8, &path).status, 404);
        assert_eq!(http::request(instance.address, "GET", &path, &[], None).status, 401);
        for wrong in ["999999", "0", "x", "-1", "9007199254740993", "1.5"] {
            assert_eq!(instance.get(7, &format!("/api/notifications/{wrong}/trace")).status, 404, "{wrong}");
        }
        let of = |user: &str, event: &str| {
            instance.serve(
                "GET",
                &format!("/api/notifications/trace?user_id={user}&event={event}"),
                &[],
                None,
            )
        };
        let answer = of("7", &event).json();
        assert_eq!((&answer["event"], &answer["user_id"]), (&json!(event), &json!(7)));
        assert_eq!(answer["notifications"][0]["notification_id"], id);
        assert_eq!(answer["verdict"], answer["notifications"][0]["verdict"]);
        assert_eq!(of("7", &id.to_string()).json()["notifications"][0]["event_id"], json!(event));
        let others = of("8", &event).json();
        assert_eq!((&others["notifications"], others["status"].as_u64()), (&json!([]), None));
        assert_eq!(others["verdict"], "It is a notification of another user, not of user 8.");
        assert_eq!(of("7", "999").status, 404);
        for (query, members) in [
            ("", &["user_id", "event"][..]),
            ("?user_id=7", &["event"]),
            ("?event=1", &["user_id"]),
            ("?user_id=7&event=x", &["event"]),
            ("?user_id=7&event=0", &["event"]),
        ] {
            let answer = instance.serve("GET", &format!("/api/notifications/trace{query}"), &[], None);
            let named: Vec<Value> = answer.json()["errors"]
                .as_array()
                .expect("errors")
                .iter()
                .map(|error| error["member"].clone())
                .collect();
            assert_eq!((answer.status, Value::from(named)), (422, json!(members)), "{query}");
        }
        assert_eq!(instance.get(7, &format!("/api/notifications/trace?user_id=7&event={event}")).status, 403);
    }
}

#[test]
fn the_trace_tells_reading_deleting_expiring_and_what_waits_for_the_hub() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let waiting = instance.notify(7, "Hello");
        let told = trace(&instance, waiting);
        assert_eq!(
            (
                &told["status"],
                told["verdict"].as_str().map(|text| text.starts_with("The hub has not been told of it yet"))
            ),
            (&json!("waiting"), Some(true)),
            "{told}"
        );
        world.change("UPDATE event_relay SET parked_at = created_at + $1, reason = 'the hub refused it: 422 invalid: x'", &[1_000_000]);
        let told = trace(&instance, waiting);
        assert_eq!(
            (
                &told["status"],
                told["verdict"]
                    .as_str()
                    .map(|text| text.starts_with("The hub did not take it: the hub refused it: 422"))
            ),
            (&json!("refused"), Some(true)),
            "{told}"
        );
        world.forget_events();
        assert_eq!(
            instance.call(7, "PUT", &format!("/api/notifications/{waiting}/read"), &[], None).status,
            200
        );
        let told = trace(&instance, waiting);
        assert!(
            told["status"] == "read"
                && told["verdict"].as_str().is_some_and(|text| text.starts_with("User 7 read it at ")),
            "{told}"
        );
        assert_eq!(
            instance.call(7, "DELETE", &format!("/api/notifications/{waiting}"), &[], None).status,
            204
        );
        let told = instance.read(7, &format!("/api/notifications/{waiting}/trace"));
        assert!(
            told["status"] == "deleted"
                && told["verdict"].as_str().is_some_and(|text| text.contains(" and deleted it at ")),
            "{told}"
        );
        // Times rise, and whoever asked to make it stands first.
        let times: Vec<String> = steps(&told).into_iter().map(|(_, at)| at).collect();
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!(steps(&told)[0].0, "accepted");
        let soon = rest::instant::show(world.clock.now() + 60_000_000);
        let expiring =
            instance.create(&json!({"user_id": 7, "title": "soon over", "message": "", "expires_at": soon}));
        world.forget_events();
        world.clock.advance(std::time::Duration::from_secs(61));
        let told = trace(&instance, expiring["id"].as_i64().expect("an id"));
        assert!(
            told["status"] == "expired"
                && told["verdict"].as_str().is_some_and(|text| text.contains("it expired at ")),
            "{told}"
        );
    }
}

#[test]
fn who_made_it_is_told() {
    for engine in ENGINES {
        let (_world, instance) = World::with(engine);
        let by = |id: &Value| trace(&instance, id.as_i64().expect("an id"))["steps"][0]["by"].clone();
        let service = instance.create(&json!({"user_id": 7, "title": "t", "message": ""}));
        assert_eq!(by(&service["id"]), "service");
        let own =
            instance.call(7, "POST", "/api/notifications", &[], Some(&json!({"title": "t", "message": ""})));
        assert_eq!(by(&own.json()["id"]), "user");
    }
}

#[test]
fn what_is_older_than_notifications_are_kept_goes_by_itself() {
    for engine in ENGINES {
        let mut world = World::new(engine);
        let instance = world.start(Wishes::background());
        let (_, event) = notified(&world, &instance);
        tell(&instance, &[record(&event, 7, ONE, "shown", 1)]);
        let old = "0192f0c1-2345-7000-8000-000000000001";
        let store = |table: &'static str| world.number(table);
        assert_eq!(store("SELECT COUNT(*) FROM deliveries"), 1);
        world.change(
            "INSERT INTO rule_looks (event_id, rule, event_type, outcome, looked_at) VALUES ('0192f0c1-2345-7000-8000-000000000001', 'r', 't', 'o', $1)",
            &[1],
        );
        world.clock.advance(std::time::Duration::from_secs(8 * 86_400));
        eventually(SOON, || store("SELECT COUNT(*) FROM rule_looks") == 0);
        assert_eq!(store("SELECT COUNT(*) FROM deliveries"), 1, "{old}");
        world.clock.advance(std::time::Duration::from_secs(83 * 86_400));
        eventually(SOON, || store("SELECT COUNT(*) FROM deliveries") == 0);
    }
}
