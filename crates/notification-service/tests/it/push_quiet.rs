//! Quiet hours with a clock that is moved: what they hold, the digest afterwards, and nights in which clocks change.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{ENGINES, Engine};
use crate::phones::{DELAY, Phones, pushing};

fn berlin() -> Value {
    json!({"quiet_hours": {"start": "22:00", "end": "07:00", "time_zone": "Europe/Berlin"}, "locale": "de"})
}

/// A user with a phone, who sleeps in Berlin.
fn asleep(engine: Engine, now: &str) -> Phones {
    let phones = Phones::with(engine);
    phones.travel(now);
    phones.phone(7, "anna");
    phones.prefer(7, &berlin());
    phones
}

/// Waits until all is decided, and nothing more was sent.
#[track_caller]
fn silent(phones: &Phones, taken: usize) {
    phones.settle();
    phones.taken(taken);
}

#[test]
fn thirty_in_a_night_are_one_digest_in_the_morning() {
    for engine in ENGINES {
        let phones = asleep(engine, "2027-01-10T21:30:00Z");
        let mut ids = Vec::new();
        for n in 0..30 {
            let category = if n % 3 == 0 { "payments" } else { "jobs" };
            let body =
                json!({"user_id": 7, "title": format!("Number {n}"), "message": "", "category": category});
            ids.push(phones.at().create(&body)["id"].as_i64().expect("an id"));
            phones.pass(Duration::from_secs(60));
        }
        phones.travel("2027-01-11T05:59:50Z");
        silent(&phones, 0);
        let held: Vec<String> = phones.steps(7, ids[0]).into_iter().map(|(step, _)| step).collect();
        assert_eq!(held, ["push_held"]);
        phones.travel("2027-01-11T06:00:01Z");
        let digest = phones.taken(1)[0]["message"].clone();
        assert_eq!(
            digest["notification"],
            json!({"title": "30 neue Benachrichtigungen", "body": "Number 0\nNumber 1\nNumber 2\nund 27 weitere"})
        );
        let tag = digest["data"]["tag"].as_str().expect("a tag").to_owned();
        assert_eq!(
            digest["data"],
            json!({
                "type": "notification_digest", "tag": tag, "count": "30",
                "by_category": "{\"jobs\":20,\"payments\":10}"
            })
        );
        silent(&phones, 1);
        let steps: Vec<String> = phones.steps(7, ids[0]).into_iter().map(|(step, _)| step).collect();
        assert_eq!(steps, ["push_held", "push_digest", "pushed"]);
        // As long as one of them is unread the digest stays.
        for id in &ids[1..] {
            phones.mark_read(7, *id);
        }
        silent(&phones, 1);
        phones.mark_read(7, ids[0]);
        let withdrawn = phones.taken(2)[1]["message"].clone();
        assert_eq!(withdrawn["data"]["tags"], json!([tag]).to_string());
        silent(&phones, 2);
    }
}

#[test]
fn one_that_was_held_alone_is_sent_as_itself() {
    let phones = asleep(Engine::Sqlite, "2027-01-10T23:00:00Z");
    let id = phones.at().notify(7, "Hello");
    phones.travel("2027-01-11T06:00:01Z");
    let taken = phones.taken(1);
    assert_eq!(taken[0]["message"]["notification"]["title"], "Hello");
    assert_eq!(taken[0]["message"]["data"]["tag"], format!("n{id}"));
    assert_eq!(taken[0]["message"]["android"]["notification"]["default_sound"], true);
}

#[test]
fn what_was_read_deleted_or_delivered_meanwhile_is_not_in_the_digest() {
    for engine in ENGINES {
        let phones = asleep(engine, "2027-01-10T23:00:00Z");
        let ids: Vec<i64> = (0..6).map(|n| phones.at().notify(7, &format!("Number {n}"))).collect();
        phones.mark_read(7, ids[0]);
        let path = format!("/api/notifications/{}", ids[1]);
        assert_eq!(phones.at().call(7, "DELETE", &path, &[], None).status, 204);
        let events = phones.world.texts("SELECT event_id FROM notifications ORDER BY id");
        let record = json!([{
            "id": events[2], "user_id": 7, "connection_id": "8b8f5d9e-58a3-4c2c-9f4c-6a6a0ad0a001",
            "state": "delivered", "at": "2027-01-10T23:00:01.000Z"
        }]);
        assert_eq!(phones.at().serve("POST", "/hooks/deliveries", &[], Some(&record)).status, 200);
        phones.travel("2027-01-11T06:00:01Z");
        let digest = phones.taken(1)[0]["message"].clone();
        assert_eq!(
            digest["notification"],
            json!({"title": "3 neue Benachrichtigungen", "body": "Number 3\nNumber 4\nNumber 5"})
        );
        silent(&phones, 1);
    }
}

#[test]
fn what_comes_shortly_before_the_night_and_is_due_in_it_is_held() {
    let phones = asleep(Engine::Sqlite, "2027-01-10T20:59:55Z");
    phones.at().notify(7, "Late");
    phones.pass(DELAY);
    silent(&phones, 0);
    phones.travel("2027-01-11T05:59:58Z");
    silent(&phones, 0);
    phones.travel("2027-01-11T06:00:01Z");
    phones.taken(1);
}

#[test]
fn in_nights_in_which_clocks_change_it_is_the_wall_that_counts() {
    // Forward on 28 March 2027: seven o'clock is 05:00Z; back on 31 October: it is 06:00Z.
    for (evening, before, after) in [
        ("2027-03-27T21:30:00Z", "2027-03-28T04:59:55Z", "2027-03-28T05:00:01Z"),
        ("2027-10-30T20:30:00Z", "2027-10-31T05:59:55Z", "2027-10-31T06:00:01Z"),
    ] {
        let phones = asleep(Engine::Sqlite, evening);
        phones.at().notify(7, "Hello");
        phones.travel(before);
        silent(&phones, 0);
        phones.travel(after);
        phones.taken(1);
    }
}

#[test]
fn who_changes_quiet_hours_in_the_night_gets_what_they_held_by_the_new_ones() {
    let phones = asleep(Engine::Sqlite, "2027-01-10T23:00:00Z");
    phones.at().notify(7, "one");
    phones.prefer(7, &json!({"quiet_hours": {"end": "09:00"}}));
    phones.travel("2027-01-11T06:30:00Z");
    silent(&phones, 0);
    phones.at().notify(7, "two");
    phones.prefer(7, &json!({"quiet_hours": {"enabled": false}, "locale": "en"}));
    let taken = phones.taken(1);
    assert_eq!(taken[0]["message"]["notification"]["title"], "2 new notifications");
    silent(&phones, 1);
}

#[test]
fn others_are_not_held_and_a_night_survives_a_restart() {
    for engine in ENGINES {
        let mut phones = asleep(engine, "2027-01-10T23:00:00Z");
        phones.phone(8, "ben");
        phones.at().notify(7, "for Anna");
        phones.at().notify(8, "for Ben");
        phones.pass(DELAY);
        assert_eq!(phones.taken(1)[0]["message"]["token"], "ben");
        phones.settle();
        phones.instance.take().expect("an instance").kill();
        phones.travel("2027-01-11T06:00:01Z");
        phones.instance = Some(phones.world.start(pushing(&phones.firebase)));
        assert_eq!(phones.taken(2)[1]["message"]["token"], "anna");
        silent(&phones, 2);
    }
}

#[test]
fn a_user_without_a_device_in_the_morning_gets_no_digest() {
    let phones = asleep(Engine::Sqlite, "2027-01-10T23:00:00Z");
    let id = phones.at().notify(7, "one");
    phones.at().notify(7, "two");
    let all = phones.at().call(7, "POST", "/api/fcm/unregister-all", &[], None);
    assert_eq!(all.json(), json!({"removed": 1}));
    phones.travel("2027-01-11T06:00:01Z");
    silent(&phones, 0);
    let steps = phones.steps(7, id);
    assert_eq!(steps.last().map(|(step, _)| step.as_str()), Some("push_skipped"), "{steps:?}");
}

#[test]
fn a_digest_sounds_only_where_one_of_its_notifications_may() {
    for (category, sounds) in [("loud", true), ("soft", false)] {
        let phones = asleep(Engine::Sqlite, "2027-01-10T23:00:00Z");
        phones.prefer(7, &json!({"default": {"sound": false}, "categories": {"loud": {"sound": true}}}));
        for category in ["soft", category] {
            let body = json!({"user_id": 7, "title": category, "message": "", "category": category});
            phones.at().create(&body);
        }
        phones.travel("2027-01-11T06:00:01Z");
        let digest = phones.taken(1)[0]["message"].clone();
        assert_eq!(digest["data"]["type"], "notification_digest");
        assert_eq!(digest["android"]["notification"]["default_sound"], sounds, "{category}");
    }
}

#[test]
fn reading_all_leaves_what_is_in_no_inbox_to_the_phone() {
    for engine in ENGINES {
        let phones = asleep(engine, "2027-01-10T23:00:00Z");
        phones.prefer(7, &json!({"categories": {"po": {"in_app": false}}}));
        let create = |title: &str, category: &str| {
            phones.at().create(&json!({"user_id": 7, "title": title, "message": "", "category": category}))
        };
        create("held", "po");
        create("seen", "x");
        let read_all = || {
            let all = phones.at().call(7, "POST", "/api/notifications/read-all", &[], None);
            assert_eq!(all.status, 200, "{}", all.text());
        };
        read_all();
        phones.travel("2027-01-11T06:00:01Z");
        assert_eq!(phones.taken(1)[0]["message"]["notification"]["title"], "held");
        phones.settle();
        create("later", "x");
        read_all();
        silent(&phones, 1);
    }
}
