use serde_json::{Value, json};

use super::change::Change;
use super::*;

#[track_caller]
fn changed(preferences: &mut Preferences, body: Value) {
    let change = Change::parse(body.to_string().as_bytes()).expect("an object");
    if let Err(failure) = change.apply(preferences) {
        panic!("{body}: {failure}");
    }
}

/// The members that a body is refused for.
#[track_caller]
fn refused(body: Value) -> Vec<String> {
    let mut preferences = Preferences::default();
    let change = Change::parse(body.to_string().as_bytes()).expect("an object");
    let failure = change.apply(&mut preferences).expect_err("wrong members");
    assert_eq!(preferences, Preferences::default(), "nothing is changed");
    failure.0.members().iter().map(|error| error.member.to_string()).collect()
}

fn shown(preferences: &Preferences) -> Value {
    serde_json::to_value(preferences.shown()).expect("JSON")
}

#[test]
fn what_was_never_set_is_on_and_a_category_goes_by_the_default() {
    let mut preferences = Preferences::default();
    assert_eq!(preferences.standing("jobs", 0), Standing::default());
    let on = json!({"in_app": true, "push": true, "sound": true});
    assert_eq!(
        shown(&preferences),
        json!({"categories": {}, "default": on, "quiet_hours": null, "locale": "en"})
    );
    changed(&mut preferences, json!({"default": {"push": false}, "categories": {"jobs": {"sound": false}}}));
    let jobs = preferences.standing("jobs", 0);
    assert_eq!((jobs.in_app, jobs.push, jobs.sound), (true, false, false));
    let others = preferences.standing("payments", 0);
    assert_eq!((others.in_app, others.push, others.sound), (true, false, true));
    assert_eq!(
        shown(&preferences)["categories"],
        json!({"jobs": {"in_app": true, "push": false, "sound": false}})
    );
}

#[test]
fn a_change_leaves_what_it_does_not_name_and_null_takes_back() {
    let mut preferences = Preferences::default();
    let night = json!({"start": "22:00", "end": "07:00", "time_zone": "Europe/Berlin", "days": ["sun", "mon", "sun"]});
    changed(
        &mut preferences,
        json!({"categories": {"a": {"push": false}, "b": {"push": false}}, "quiet_hours": night, "locale": "de-AT"}),
    );
    changed(
        &mut preferences,
        json!({"categories": {"a": {"sound": false}, "b": null}, "quiet_hours": {"end": "06:30"}, "unknown": 7}),
    );
    assert_eq!(
        shown(&preferences),
        json!({
            "categories": {"a": {"in_app": true, "push": false, "sound": false}},
            "default": {"in_app": true, "push": true, "sound": true},
            "quiet_hours": {"enabled": true, "start": "22:00", "end": "06:30", "time_zone": "Europe/Berlin", "days": ["mon", "sun"]},
            "locale": "de-AT"
        })
    );
    changed(
        &mut preferences,
        json!({"quiet_hours": {"days": null, "enabled": false}, "categories": {"a": {"push": null}}}),
    );
    assert_eq!(shown(&preferences)["quiet_hours"]["days"], Value::Null);
    assert!(preferences.standing("a", 0).push);
    changed(&mut preferences, json!({"quiet_hours": null, "locale": null, "categories": null}));
    assert_eq!(preferences, Preferences::default());
}

#[test]
fn nothing_sounds_in_quiet_hours() {
    let mut preferences = Preferences::default();
    changed(&mut preferences, json!({"quiet_hours": {"start": "00:00", "end": "00:30", "time_zone": "UTC"}}));
    let asleep = preferences.standing("jobs", 60_000_000);
    assert_eq!((asleep.sound, asleep.push, asleep.quiet_until), (false, true, Some(1_800_000_000)));
    let awake = preferences.standing("jobs", 1_800_000_000);
    assert_eq!((awake.sound, awake.quiet_until), (true, None));
}

#[test]
fn every_wrong_member_is_named_and_nothing_is_changed() {
    let night = |member: &str, value: Value| {
        let mut night = json!({"start": "22:00", "end": "07:00", "time_zone": "Europe/Berlin"});
        night[member] = value;
        json!({ "quiet_hours": night })
    };
    for (body, members) in [
        (json!({"categories": 7}), vec!["categories"]),
        (json!({"categories": {"a b": {}}}), vec!["categories"]),
        (json!({"categories": {"a": 7}}), vec!["categories.a"]),
        (
            json!({"categories": {"a": {"push": 1, "sound": "yes"}}}),
            vec!["categories.a.push", "categories.a.sound"],
        ),
        (json!({"default": []}), vec!["default"]),
        (json!({"default": {"in_app": "x"}}), vec!["default.in_app"]),
        (json!({"locale": "d"}), vec!["locale"]),
        (json!({"locale": "<b>"}), vec!["locale"]),
        (json!({"quiet_hours": true}), vec!["quiet_hours"]),
        (json!({"quiet_hours": {}}), vec!["quiet_hours.start", "quiet_hours.end", "quiet_hours.time_zone"]),
        (night("time_zone", json!("Europe/Atlantis")), vec!["quiet_hours.time_zone"]),
        (night("start", json!("25:00")), vec!["quiet_hours.start"]),
        (night("end", json!(7)), vec!["quiet_hours.end"]),
        (night("end", json!("22:00")), vec!["quiet_hours.end"]),
        (night("days", json!([])), vec!["quiet_hours.days"]),
        (night("days", json!(["monday"])), vec!["quiet_hours.days"]),
        (night("enabled", json!("no")), vec!["quiet_hours.enabled"]),
    ] {
        assert_eq!(refused(body.clone()), members, "{body}");
    }
    let many: serde_json::Map<String, Value> =
        (0..=MOST_CATEGORIES).map(|n| (format!("c{n}"), json!({"push": false}))).collect();
    assert_eq!(refused(json!({ "categories": many })), ["categories"]);
    let wrong: serde_json::Map<String, Value> = (0..90).map(|n| (format!("c{n}"), json!(7))).collect();
    assert_eq!(refused(json!({ "categories": wrong })).len(), 20);
    assert_eq!(Change::parse(b"[]").expect_err("no object").0.status().as_u16(), 422);
    assert_eq!(Change::parse(b"{").expect_err("no JSON").0.status().as_u16(), 400);
    assert_eq!(Change::parse(b" ").expect("as an object"), Change::parse(b"{}").expect("an object"));
}
