//! Preferences from outside.

use serde_json::{Value, json};

use crate::harness::{ENGINES, Engine, Instance, World};

const PATH: &str = "/api/notifications/preferences";

#[track_caller]
fn put(at: &Instance, user: i64, body: &Value) -> Value {
    let answer = at.call(user, "PUT", PATH, &[], Some(body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn preferences_are_kept_merged_and_each_users_own() {
    for engine in ENGINES {
        let (_world, at) = World::with(engine);
        let on = json!({"in_app": true, "push": true, "sound": true});
        let nothing = json!({"categories": {}, "default": on, "quiet_hours": null, "locale": "en"});
        assert_eq!(at.read(7, PATH), nothing);
        let night = json!({"enabled": true, "start": "22:00", "end": "07:00", "time_zone": "Europe/Berlin"});
        let after = put(&at, 7, &json!({"categories": {"jobs": {"push": false}}, "quiet_hours": night}));
        assert_eq!(after["categories"]["jobs"], json!({"in_app": true, "push": false, "sound": true}));
        put(&at, 7, &json!({"locale": "de"}));
        let read = at.read("7", PATH);
        assert_eq!(
            (&read["locale"], &read["quiet_hours"], &read["categories"]),
            (&json!("de"), &night, &after["categories"])
        );
        assert_eq!(at.read(8, PATH), nothing);
    }
}

#[test]
fn wrong_preferences_name_their_members_and_change_nothing() {
    let (_world, at) = World::with(Engine::Sqlite);
    put(&at, 7, &json!({"locale": "de"}));
    let answer = at.call(
        7,
        "PUT",
        PATH,
        &[],
        Some(&json!({
            "locale": "en", "default": {"push": "no"},
            "quiet_hours": {"start": "22:00", "end": "22:00", "time_zone": "Mars/Olympus"}
        })),
    );
    assert_eq!((answer.status, answer.problem_code().as_str()), (422, "invalid"));
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    let members: Vec<_> = errors.iter().map(|error| error["member"].as_str().expect("a name")).collect();
    assert_eq!(members, ["default.push", "quiet_hours.time_zone", "quiet_hours.end"]);
    assert_eq!(at.read(7, PATH)["locale"], "de");
    assert_eq!(at.serve("GET", PATH, &[], None).status, 403);
    let large = json!({"locale": "x".repeat(1 << 20)});
    assert_eq!(at.call(7, "PUT", PATH, &[], Some(&large)).status, 413);
}

#[test]
fn what_is_switched_off_in_the_app_is_in_no_list() {
    let (world, at) = World::with(Engine::Sqlite);
    put(&at, 7, &json!({"categories": {"ads": {"in_app": false}, "jobs": {"sound": false}}}));
    let create = |category: &str| {
        at.create(&json!({"user_id": 7, "title": category, "message": "", "category": category}))
    };
    create("ads");
    create("jobs");
    create("other");
    let list = at.read(7, "/api/notifications");
    assert_eq!((&list["total"], &list["unread_count"]), (&json!(2), &json!(2)));
    let told = world.events_of("notification");
    let sounds: Vec<_> =
        told.iter().map(|event| (&event["data"]["title"], &event["data"]["sound"])).collect();
    assert_eq!(sounds, [(&json!("jobs"), &json!(false)), (&json!("other"), &json!(true))]);
}
