//! Notifications that rules make from the hub's feed: each once, whatever dies.

use std::collections::BTreeSet;

use notification_service::RulesSettings;
use serde_json::{Value, json};
use test_kit::{eventually, http};

use crate::feed::{FeedHub, metric};
use crate::harness::{ENGINES, Engine, Instance, SOON, Wishes, World};

const HOUR: i64 = 3_600_000_000;

fn following(hub: &FeedHub) -> Wishes {
    Wishes::with_hub(&hub.url())
}

/// The same with rules of the test's own.
fn with_rules(hub: &FeedHub, rules: &str) -> Wishes {
    let rules = RulesSettings::parse(rules).expect("good rules");
    Wishes { tune: Box::new(move |settings| settings.rules = rules), ..following(hub) }
}

fn titles(instance: &Instance, user: i64) -> Vec<String> {
    let list = instance.read(user, "/api/notifications?per_page=100");
    let items = list["notifications"].as_array().expect("a list");
    items.iter().rev().map(|item| item["title"].as_str().expect("a title").to_owned()).collect()
}

fn get(instance: &Instance, path: &str) -> http::Answer {
    http::request(instance.address, "GET", path, &[], None)
}

fn job(n: i64) -> Value {
    json!({"job_id": n, "worker_id": 9, "employer_id": 7, "title": format!("Job {n}")})
}

#[test]
fn an_event_of_the_hub_becomes_a_notification_of_whom_its_rule_names_in_their_language() {
    for engine in ENGINES {
        let hub = FeedHub::start();
        let mut world = World::new(engine);
        let instance = world.start(following(&hub));
        let german =
            instance.call(9, "PUT", "/api/notifications/preferences", &[], Some(&json!({"locale": "de-AT"})));
        assert_eq!(german.status, 200, "{}", german.text());
        let event = hub.publish("job_accepted", &job(12), &["7", "9"]);
        let paid = json!({"payment_id": 3, "job_id": 12, "amount_usd": 1250, "employer_id": 7, "worker_id": 9, "status": "released"});
        hub.publish("payment_confirmed", &paid, &["7", "9"]);
        hub.publish("job_created", &job(13), &[]);
        eventually(SOON, || titles(&instance, 9).len() == 1);
        assert_eq!(titles(&instance, 9), ["Sie haben 1.250,00\u{a0}$ erhalten"]);
        let list = instance.read(7, "/api/notifications");
        let one = &list["notifications"][0];
        assert_eq!((&list["total"], &one["title"]), (&json!(1), &json!("Your job was accepted")));
        assert_eq!(
            (&one["type"], &one["category"], &one["data"]),
            (&json!("job_accepted"), &json!("jobs"), &job(12))
        );
        eventually(SOON, || hub.taken().len() == 2);
        let trace = instance.read(7, &format!("/api/notifications/{}/trace", one["id"]));
        let accepted = &trace["steps"][0];
        assert_eq!((&accepted["step"], &accepted["by"]), (&json!("accepted"), &json!("rule")), "{trace}");
        assert_eq!((&accepted["rule"], &accepted["event_id"]), (&json!("job_accepted"), &json!(event)));
        assert_eq!(trace["source_event_id"], json!(event));
    }
}

#[test]
fn each_event_makes_its_notification_once_though_the_service_dies_again_and_again() {
    for engine in ENGINES {
        let hub = FeedHub::start();
        let mut world = World::new(engine);
        for n in 0..400 {
            hub.publish("job_accepted", &job(n), &["7", "9"]);
        }
        let mut deaths = 0;
        let mut seen = 0;
        while seen < 300 && deaths < 20 {
            let instance = world.start(following(&hub));
            // Dies as soon as it has got somewhere.
            eventually(SOON, || world.number("SELECT COUNT(*) FROM notifications") > seen);
            instance.kill();
            seen = world.number("SELECT COUNT(*) FROM notifications");
            deaths += 1;
        }
        let instance = world.start(following(&hub));
        eventually(SOON, || world.number("SELECT COUNT(*) FROM notifications") >= 400);
        hub.publish("job_accepted", &job(400), &["7", "9"]);
        eventually(SOON, || world.number("SELECT COUNT(*) FROM notifications") >= 401);
        assert_eq!(instance.read(7, "/api/notifications/stats")["total"], 401);
        let jobs = world.texts("SELECT data FROM notifications ORDER BY id");
        let jobs: Vec<i64> = jobs
            .iter()
            .map(|data| serde_json::from_str::<Value>(data).expect("JSON")["job_id"].as_i64().expect("a job"))
            .collect();
        assert_eq!(jobs, (0..=400).collect::<Vec<i64>>(), "{engine:?}: {deaths} deaths");
        eventually(SOON, || hub.taken().len() == 401);
    }
}

#[test]
fn two_instances_on_one_database_make_each_notification_once() {
    for engine in ENGINES {
        let hub = FeedHub::start();
        let mut world = World::new(engine);
        let (one, other) = (world.start(following(&hub)), world.start(following(&hub)));
        for n in 0..200 {
            hub.publish("job_accepted", &job(n), &["7"]);
        }
        eventually(SOON, || world.number("SELECT COUNT(*) FROM notifications") >= 200);
        hub.publish("job_accepted", &job(200), &["7"]);
        eventually(SOON, || world.number("SELECT COUNT(*) FROM notifications") >= 201);
        assert_eq!(one.read(7, "/api/notifications/stats"), other.read(7, "/api/notifications/stats"));
        assert_eq!(one.read(7, "/api/notifications/stats")["total"], 201);
    }
}

#[test]
fn a_feed_that_was_lost_is_counted_and_what_comes_again_is_made_once() {
    for engine in ENGINES {
        let hub = FeedHub::start();
        let mut world = World::new(engine);
        let instance = world.start(following(&hub));
        for n in 0..5 {
            hub.publish("job_accepted", &job(n), &["7"]);
        }
        eventually(SOON, || titles(&instance, 7).len() == 5);
        // Another life of the feed, in which two of them are still there, and a new one.
        hub.lose(|event| event["data"]["job_id"].as_i64() > Some(2));
        hub.publish("job_accepted", &job(9), &["7"]);
        eventually(SOON, || titles(&instance, 7).len() == 6);
        hub.publish("job_accepted", &job(10), &["7"]);
        eventually(SOON, || titles(&instance, 7).len() == 7);
        let metrics = get(&instance, "/metrics");
        assert_eq!(metric(&metrics, "fanfare_notification_feed_lost_total"), Some(1.0));
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 7);
        assert_eq!(get(&instance, "/health").json()["feed"]["state"], "following");
    }
}

#[test]
fn at_the_very_first_start_only_news_is_told_and_later_all_that_was_missed() {
    let hub = FeedHub::start();
    let mut world = World::new(Engine::Sqlite);
    let now = store::now_micros();
    hub.publish_at("job_accepted", &job(1), &["7"], now - 2 * HOUR);
    hub.publish_at("job_accepted", &job(2), &["7"], now - HOUR / 2);
    let instance = world.start(following(&hub));
    eventually(SOON, || titles(&instance, 7).len() == 1);
    assert_eq!(instance.read(7, "/api/notifications")["notifications"][0]["data"]["job_id"], 2);
    instance.kill();
    hub.publish_at("job_accepted", &job(3), &["7"], now - 2 * HOUR);
    let instance = world.start(following(&hub));
    eventually(SOON, || titles(&instance, 7).len() == 2);
}

#[test]
fn a_rule_that_fails_on_an_event_is_counted_and_stops_neither_another_rule_nor_another_event() {
    let rules = r#"
[[rules]]
name = "one"
event = "order_sent"
to = ["buyer_id"]
[rules.text.en]
title = "Order {{ order.number }}"

[[rules]]
name = "two"
event = "order_*"
to = "addressed"
when = "recipient != 9"
[rules.text.en]
title = "{{ event.type }}"
"#;
    for engine in ENGINES {
        let hub = FeedHub::start();
        let mut world = World::new(engine);
        let instance = world.start(with_rules(&hub, rules));
        let no_text = hub.publish("order_sent", &json!({"buyer_id": 7, "secret": "hunter2"}), &["7"]);
        let no_buyer = hub.publish("order_sent", &json!({"order": {"number": 1}}), &["9"]);
        hub.publish("order_sent", &json!({"buyer_id": 7, "order": {"number": 2}}), &[]);
        let because = |title: &str| titles(&instance, 7).contains(&title.to_owned());
        eventually(SOON, || because("Order 2"));
        assert_eq!(titles(&instance, 7), ["order_sent", "Order 2"]);
        let count = |rule: &str, outcome: &str| {
            let name = format!("fanfare_notification_rules_total{{outcome=\"{outcome}\",rule=\"{rule}\"}}");
            metric(&get(&instance, "/metrics"), &name)
        };
        // What was made is counted once it is there.
        eventually(SOON, || count("one", "made") == Some(1.0));
        assert_eq!(count("one", "failed"), Some(2.0));
        assert_eq!((count("two", "made"), count("two", "nothing")), (Some(1.0), Some(2.0)));
        // Why there is nothing can be asked for.
        let why = |user: &str, event: &str| {
            let path = format!("/api/notifications/trace?user_id={user}&event={event}");
            instance.serve("GET", &path, &[], None).json()
        };
        let told = why("8", &no_text);
        let verdict = told["verdict"].as_str().expect("a verdict");
        assert!(verdict.contains("No notification was made of it for user 8"), "{told}");
        assert!(verdict.contains(
            "The rule one made nothing of it: a member that the text or the condition names is missing"
        ));
        assert!(
            verdict
                .contains("The rule two made a notification of it for 1 user, and user 8 is not among them")
        );
        assert!(!told.to_string().contains("hunter2"));
        let told = why("9", &no_buyer);
        let texts: BTreeSet<&str> = told["rules"]
            .as_array()
            .expect("rules")
            .iter()
            .filter_map(|rule| rule["text"].as_str())
            .collect();
        assert_eq!(
            texts,
            BTreeSet::from([
                "the rule one made nothing of it: a member of `to` is missing",
                "the rule two made nothing of it: its condition does not hold",
            ])
        );
        let nothing = instance.serve(
            "GET",
            "/api/notifications/trace?user_id=7&event=0192f0c1-2345-7000-8000-000000000001",
            &[],
            None,
        );
        assert_eq!((nothing.status, nothing.problem_code().as_str()), (404, "not_found"));
        assert!(nothing.text().contains("nothing is known of 0192f0c1"), "{}", nothing.text());
    }
}

#[test]
fn a_hub_that_is_away_degrades_the_health_until_it_is_back() {
    let hub = FeedHub::start();
    let mut world = World::new(Engine::Sqlite);
    hub.refuse(Some(503));
    let instance = world.start(following(&hub));
    let feed = || get(&instance, "/health").json()["feed"].clone();
    eventually(SOON, || feed()["state"] == "away");
    let health = get(&instance, "/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("degraded")));
    hub.publish("job_accepted", &job(1), &["7"]);
    hub.refuse(None);
    eventually(SOON, || titles(&instance, 7).len() == 1);
    eventually(SOON, || feed() == json!({"state": "following"}));
    assert!(metric(&get(&instance, "/metrics"), "fanfare_notification_feed_failures_total") >= Some(1.0));
}

#[test]
fn a_rule_for_a_type_that_the_feed_does_not_carry_shows_in_the_health() {
    let hub = FeedHub::start();
    hub.has_types(&["job_*", "payment_confirmed"]);
    let mut world = World::new(Engine::Sqlite);
    let instance = world.start(following(&hub));
    let feed = || get(&instance, "/health").json()["feed"].clone();
    let missing =
        json!({"state": "incomplete", "missing_types": ["oracle_upload_completed", "oracle_upload_failed"]});
    eventually(SOON, || feed() == missing);
    hub.publish("job_accepted", &job(1), &["7"]);
    eventually(SOON, || titles(&instance, 7).len() == 1);
    hub.has_types(&["job_*", "payment_*", "oracle_*"]);
    eventually(SOON, || feed() == json!({"state": "following"}));
}

#[test]
fn without_rules_the_feed_is_not_read() {
    let hub = FeedHub::start();
    let mut world = World::new(Engine::Sqlite);
    let instance = world.start(with_rules(&hub, "# none\n"));
    instance.notify(7, "the relay works beside");
    eventually(SOON, || hub.taken().len() == 1);
    assert_eq!(hub.reads(), 0);
    assert_eq!(get(&instance, "/health").json()["feed"], Value::Null);
}

#[test]
fn an_event_for_many_tells_each_of_them_once_and_respects_what_they_want() {
    let rules = "[[rules]]\nevent = \"sale\"\nto = \"addressed\"\ncategory = \"shop\"\nexpires_after = \"1d\"\n[rules.text.en]\ntitle = \"Sale\"\n";
    for engine in ENGINES {
        let hub = FeedHub::start();
        let mut world = World::new(engine);
        let instance = world.start(with_rules(&hub, rules));
        let off = json!({"categories": {"shop": {"in_app": false}}});
        assert_eq!(instance.call(5, "PUT", "/api/notifications/preferences", &[], Some(&off)).status, 200);
        let users: Vec<String> = (1..=250).map(|user: i64| user.to_string()).collect();
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let event = hub.publish("sale", &json!({}), &users);
        eventually(SOON, || world.number("SELECT COUNT(*) FROM notifications") >= 250);
        hub.publish("sale", &json!({}), &["1"]);
        eventually(SOON, || titles(&instance, 1).len() == 2);
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 251);
        assert_eq!(titles(&instance, 250).len(), 1);
        assert!(instance.read(250, "/api/notifications")["notifications"][0]["expires_at"].is_string());
        assert!(titles(&instance, 5).is_empty());
        let path = format!("/api/notifications/trace?user_id=5&event={event}");
        let told = instance.serve("GET", &path, &[], None).json();
        let verdict = told["verdict"].as_str().expect("a verdict");
        let off = "User 5 has turned off in-app notifications of the category shop";
        assert!(verdict.starts_with(off), "{verdict}");
        assert_eq!(told["notifications"][0]["status"], "filtered");
    }
}
