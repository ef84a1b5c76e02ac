//! What goes by itself: what is over its time, what is too old, and the oldest of too many.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde_json::{Value, json};
use test_kit::eventually;

use crate::harness::{ENGINES, Engine, Instance, SOON, Wishes, World};

const HOUR: Duration = Duration::from_secs(3_600);

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A notification that is over in so many hours by the world's clock.
fn expiring(world: &World, instance: &Instance, user: i64, hours: u32) -> i64 {
    let at = world.clock.now() + i64::try_from((HOUR * hours).as_micros()).expect("small");
    let body = json!({
        "user_id": user, "title": "t", "category": format!("c{}", hours % 2), "expires_at": rest::instant::show(at)
    });
    instance.create(&body)["id"].as_i64().expect("an id")
}

fn numbers(instance: &Instance, user: i64) -> (Value, Value, usize) {
    let list = instance.read(user, "/api/notifications");
    let shown = list["notifications"].as_array().expect("a list").len();
    (list["total"].clone(), list["unread_count"].clone(), shown)
}

#[test]
fn what_is_over_its_time_is_neither_listed_nor_counted_though_nobody_swept_it() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let [short, read, long] = [
            expiring(&world, &instance, 7, 1),
            expiring(&world, &instance, 7, 2),
            expiring(&world, &instance, 7, 5),
        ];
        let stays = instance.notify(7, "stays");
        let path = format!("/api/notifications/{read}");
        assert_eq!(instance.call(7, "PUT", &format!("{path}/read"), &[], None).status, 200);
        assert_eq!(numbers(&instance, 7), (json!(4), json!(3), 4));
        world.clock.advance(HOUR * 3);
        assert_eq!(numbers(&instance, 7), (json!(2), json!(2), 2));
        assert_eq!(
            instance.read(7, "/api/notifications/stats"),
            json!({"total": 2, "unread_count": 2, "by_category": {
                "c1": {"total": 1, "unread_count": 1}, "general": {"total": 1, "unread_count": 1}
            }})
        );
        let of_category = instance.read(7, "/api/notifications?category=c1");
        assert_eq!((&of_category["total"], &of_category["unread_count"]), (&json!(1), &json!(2)));
        assert_eq!(instance.read(7, "/api/notifications?unread=false")["total"], 0);
        for (method, path) in [
            ("GET", path.clone()),
            ("PUT", format!("/api/notifications/{short}/read")),
            ("PUT", format!("{path}/unread")),
            ("POST", format!("{path}/restore")),
            ("DELETE", path),
        ] {
            assert_eq!(instance.call(7, method, &path, &[], None).status, 404, "{method} {path}");
        }
        // What is told of other changes does not count it either.
        world.forget_events();
        assert_eq!(
            instance.call(7, "PUT", &format!("/api/notifications/{stays}/read"), &[], None).status,
            200
        );
        assert_eq!(world.events()[0]["data"]["unread_count"], 1);
        instance.notify(7, "new");
        assert_eq!(world.events()[1]["data"]["unread_count"], 2);
        let all = instance.call(7, "POST", "/api/notifications/read-all", &[], None);
        assert_eq!(all.json(), json!({"updated": 2, "unread_count": 0}));
        assert_eq!(world.events()[2]["data"]["up_to"].as_i64().map(|id| id > long), Some(true));
        world.counts_agree();
    }
}

#[test]
fn the_sweep_tells_devices_once_and_brings_the_counts_up_to_date() {
    for engine in ENGINES {
        let mut world = World::new(engine);
        let instances = [world.start(Wishes::background()), world.start(Wishes::background())];
        let instance = &instances[0];
        let gone = [expiring(&world, instance, 7, 1), expiring(&world, instance, 7, 2)];
        let other = expiring(&world, instance, 8, 2);
        let stays = expiring(&world, instance, 7, 9);
        world.clock.advance(HOUR * 3);
        eventually(SOON, || world.events_of("notification_deleted").len() >= 3);
        world.counts_agree();
        let mut told: Vec<(i64, i64)> = world
            .events_of("notification_deleted")
            .iter()
            .map(|event| {
                let data = &event["data"];
                assert_eq!(data["id"], data["notification_id"]);
                (data["id"].as_i64().expect("an id"), data["unread_count"].as_i64().expect("a number"))
            })
            .collect();
        told.sort_unstable();
        assert_eq!(told, [(gone[0], 1), (gone[1], 1), (other, 0)]);
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications WHERE removed = 'expired'"), 3);
        assert_eq!(instance.read(7, "/api/notifications")["notifications"][0]["id"], stays);
        // What expired is not brought back, and what was deleted does not expire.
        let path = format!("/api/notifications/{}/restore", gone[0]);
        assert_eq!(instance.call(7, "POST", &path, &[], None).status, 404);
        let path = format!("/api/notifications/{stays}");
        assert_eq!(instance.call(7, "DELETE", &path, &[], None).status, 204);
        let next = "SELECT COUNT(*) FROM inboxes WHERE next_expires IS NOT NULL";
        world.clock.advance(HOUR * 9);
        eventually(SOON, || world.number(next) == 0);
        assert_eq!(world.events_of("notification_deleted").len(), 4);
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications WHERE removed = 'expired'"), 3);
        world.counts_agree();
    }
}

#[test]
fn what_was_brought_back_still_expires() {
    let mut world = World::new(Engine::Sqlite);
    let instance = world.start(Wishes::background());
    let id = expiring(&world, &instance, 7, 5);
    let path = format!("/api/notifications/{id}");
    assert_eq!(instance.call(7, "DELETE", &path, &[], None).status, 204);
    // Swept meanwhile: there is nothing to expire.
    world.change("UPDATE inboxes SET next_expires = NULL", &[]);
    assert_eq!(instance.call(7, "POST", &format!("{path}/restore"), &[], None).status, 200);
    world.clock.advance(HOUR * 6);
    eventually(SOON, || world.number("SELECT COUNT(*) FROM notifications WHERE removed = 'expired'") == 1);
    world.counts_agree();
}

#[test]
fn hundreds_that_are_over_at_once_all_go() {
    for engine in ENGINES {
        let mut world = World::new(engine);
        let instance = world.start(Wishes::default());
        let at = rest::instant::show(world.clock.now() + 3_600_000_000);
        let lines: String = (0..1_200)
            .map(|n| format!("{{\"user_id\":{},\"title\":\"t\",\"expires_at\":\"{at}\"}}\n", n % 70))
            .collect();
        let bearer = format!("Bearer {}", crate::harness::KEY);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/x-ndjson")];
        let made = test_kit::http::request(
            instance.address,
            "POST",
            "/api/notifications/bulk",
            &headers,
            Some(lines.as_bytes()),
        );
        assert!(
            made.text().contains("\"created\":1200"),
            "{}",
            made.text().lines().last().unwrap_or_default()
        );
        world.counts_agree();
        world.clock.advance(HOUR * 2);
        drop(instance);
        let instance = world.start(Wishes::background());
        eventually(SOON, || world.number("SELECT COUNT(*) FROM notifications WHERE removed IS NULL") == 0);
        world.counts_agree();
        assert_eq!(world.events_of("notification_deleted").len(), 1_200);
        assert_eq!(numbers(&instance, 7), (json!(0), json!(0), 0));
    }
}

#[test]
fn what_is_too_old_goes_for_good() {
    for engine in ENGINES {
        let mut world = World::new(engine);
        let tuned = |background: bool| Wishes {
            background,
            tune: Box::new(|settings| settings.retention = DAY * 90),
            ..Wishes::default()
        };
        let instance = world.start(tuned(false));
        let [old, deleted] = [instance.notify(7, "old"), instance.notify(7, "deleted")];
        let path = format!("/api/notifications/{deleted}");
        assert_eq!(instance.call(7, "DELETE", &path, &[], None).status, 204);
        world.clock.advance(DAY * 91);
        let young = instance.notify(7, "young");
        world.forget_events();
        drop(instance);
        let instance = world.start(tuned(true));
        eventually(SOON, || world.number("SELECT COUNT(*) FROM notifications") == 1);
        let list = instance.read(7, "/api/notifications");
        assert_eq!(
            (&list["total"], &list["unread_count"], &list["notifications"][0]["id"]),
            (&json!(1), &json!(1), &json!(young))
        );
        let told: Vec<Value> = world.events().iter().map(|event| event["data"]["id"].clone()).collect();
        assert_eq!(told, [json!(old)], "what nobody saw any more is told to nobody");
        assert_eq!(instance.call(7, "POST", &format!("{path}/restore"), &[], None).status, 404);
        world.counts_agree();
    }
}

#[test]
fn of_too_many_the_oldest_goes_and_the_count_stays_right() {
    for engine in ENGINES {
        let mut world = World::new(engine);
        let instance =
            world.start(Wishes::tuned(|settings| settings.per_user = NonZeroUsize::new(5).expect("five")));
        let made: Vec<i64> = (0..5).map(|n| instance.notify(7, &n.to_string())).collect();
        let path = format!("/api/notifications/{}", made[0]);
        assert_eq!(instance.call(7, "DELETE", &path, &[], None).status, 204);
        world.forget_events();
        // The deleted one is the oldest: it goes first, and nobody is told.
        instance.notify(7, "5");
        assert_eq!(instance.call(7, "POST", &format!("{path}/restore"), &[], None).status, 404);
        assert_eq!(numbers(&instance, 7), (json!(5), json!(5), 5));
        instance.notify(7, "6");
        assert_eq!(numbers(&instance, 7), (json!(5), json!(5), 5));
        let told: Vec<(Value, Value, Value)> = world
            .events()
            .iter()
            .map(|event| {
                (event["type"].clone(), event["data"]["title"].clone(), event["data"]["unread_count"].clone())
            })
            .collect();
        assert_eq!(
            told,
            [
                (json!("notification"), json!("5"), json!(5)),
                (json!("notification_deleted"), Value::Null, json!(5)),
                (json!("notification"), json!("6"), json!(5))
            ]
        );
        assert_eq!(world.events()[1]["data"]["id"], json!(made[1]));
        instance.notify(8, "another's");
        world.counts_agree();
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications WHERE user_key = '7'"), 5);
    }
}

#[test]
fn what_is_deleted_goes_before_what_is_in_sight() {
    let mut world = World::new(Engine::Sqlite);
    let instance =
        world.start(Wishes::tuned(|settings| settings.per_user = NonZeroUsize::new(5).expect("five")));
    (0..4).for_each(|n| {
        instance.notify(7, &n.to_string());
    });
    for n in 0..6 {
        let id = instance.notify(7, &format!("for a moment {n}"));
        assert_eq!(instance.call(7, "DELETE", &format!("/api/notifications/{id}"), &[], None).status, 204);
    }
    assert_eq!(numbers(&instance, 7), (json!(4), json!(4), 4));
    world.counts_agree();
}
