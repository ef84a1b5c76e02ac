//! What operators see.

use serde_json::json;

use crate::world::World;

#[test]
fn health_metrics_and_log_tell_how_the_bridge_is() {
    let world = World::start();
    let publisher = world.publisher();
    publisher.receipt("r1");
    publisher.publish("nothing");
    world.wait_for_acked(2.0);
    let health = world.bridge().get("/health");
    assert_eq!(health.status, 200);
    let health = health.json();
    assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("pubsub-bridge")));
    assert_eq!((&health["pubsub"], &health["hub"]), (&json!("up"), &json!("up")));
    assert_eq!(health["waiting"], json!({"messages": 0, "oldest_seconds": 0.0}));
    for (name, value) in [
        ("received_total", 2.0),
        ("published_total", 1.0),
        ("acked_total", 2.0),
        ("poison_total", 1.0),
        ("streaming", 1.0),
        ("lag_seconds_count", 1.0),
        ("outstanding_messages", 0.0),
        ("outstanding_bytes", 0.0),
        ("nacked_total", 0.0),
        ("redelivered_total", 0.0),
    ] {
        assert_eq!(world.metric(name, &[]), value, "{name}");
    }
    let log = world.bridge().log();
    assert!(log.contains("Listening to Pub/Sub..."), "{log}");
    assert!(!log.contains(crate::world::KEY), "a key is in the log");
}

#[test]
fn the_bridge_makes_a_subscription_that_loses_nothing_and_never_ends() {
    let world = World::start();
    let made = world.publisher().look_at("receipt-updates-sub");
    assert_eq!(made.topic, crate::world::TOPIC);
    assert!(made.enable_message_ordering && made.ack_deadline_seconds == 10);
    assert_eq!(made.expiration_policy.expect("a policy").ttl, None);
}

#[test]
fn a_subscription_of_another_topic_is_not_pulled() {
    let mut world = World::without_bridge(|bridge| bridge);
    let publisher = world.publisher();
    publisher.subscribe("another", "receipt-updates-sub");
    world.start_bridge_unheard();
    let line = world.bridge().wait_for_log("nothing comes from Pub/Sub");
    assert!(line.contains("PUBSUB_SUBSCRIPTION") && line.contains("topics/another"), "{line}");
    assert_eq!(world.bridge().get("/health").json()["pubsub"]["status"], "down");
}
