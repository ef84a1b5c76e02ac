//! Messages that can never be published: what becomes of them, and that nothing else suffers.

use serde_json::json;
use test_kit::{Launch, eventually};

use crate::world::{LONG, World, receipt};

/// Every kind of them, with the reason that is told.
fn kinds() -> Vec<(Vec<u8>, &'static str)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let nested = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let shape = r#""type":"t","status":"s","receipt_id":"r""#;
    vec![
        (Vec::new(), "not_json"),
        (text("secret-payload"), "not_json"),
        (text(r#"{"type":"t","status":"s","receipt_id":"r"} trailing"#), "not_json"),
        (text(r#"{"type":"t","status":"s","receipt_id":"r""#), "not_json"),
        (vec![b'{', 0xff, 0xfe, b'}'], "not_utf8"),
        (text(r#"[{"type":"t","status":"s","receipt_id":"r"}]"#), "not_an_object"),
        (text("\"a string\""), "not_an_object"),
        (text("null"), "not_an_object"),
        (text("{}"), "wrong_member"),
        (text(r#"{"type":"t","status":"s"}"#), "wrong_member"),
        (text(r#"{"type":"t","receipt_id":"r"}"#), "wrong_member"),
        (text(r#"{"status":"s","receipt_id":"r"}"#), "wrong_member"),
        (text(r#"{"type":1,"status":"s","receipt_id":"r"}"#), "wrong_member"),
        (text(r#"{"type":"t","status":null,"receipt_id":"r"}"#), "wrong_member"),
        (text(r#"{"type":"t","status":"s","receipt_id":{"id":"r"}}"#), "wrong_member"),
        (text(r#"{"type":"t","type":"u","status":"s","receipt_id":"r"}"#), "wrong_member"),
        (text(r#"{"type":"t","status":"s","receipt_id":"r","receipt\u005fid":"q"}"#), "wrong_member"),
        (format!("{{{shape},\"deep\":{nested}}}").into_bytes(), "too_deep"),
        (format!("{{{shape},\"deep\":{}}}", "[".repeat(200_000)).into_bytes(), "not_json"),
        (format!("{{{shape},\"x\":\"{}\"}}", "a".repeat(9_900_000)).into_bytes(), "too_large"),
        // The hub's own judgement: a type has 1 to 200 bytes.
        (text(r#"{"type":"","status":"s","receipt_id":"r"}"#), "refused"),
        (
            format!(r#"{{"type":"{}","status":"s","receipt_id":"r"}}"#, "t".repeat(201)).into_bytes(),
            "refused",
        ),
        (text(r#"{"type":"\ud800","status":"s","receipt_id":"r"}"#), "refused"),
    ]
}

#[test]
fn a_message_that_can_never_be_published_is_counted_logged_by_its_id_and_stops_nothing() {
    let world = World::start();
    let (mut client, publisher) = (world.client(), world.publisher());
    let kinds = kinds();
    let ids: Vec<String> = kinds.iter().map(|(data, _)| publisher.publish(data.clone())).collect();
    publisher.receipt("good");
    assert_eq!(client.next_json_within(LONG)["data"]["receipt_id"], "good");
    let all = kinds.len() as f64;
    eventually(LONG, || world.metric("poison_total", &[]) == all);
    world.wait_for_acked(all + 1.0);
    let log = world.bridge().log();
    for (id, (_, reason)) in ids.iter().zip(&kinds) {
        let line = log.lines().find(|line| line.contains(&format!("message_id=\"{id}\"")));
        let line = line.unwrap_or_else(|| panic!("{id} ({reason}) is not logged:\n{log}"));
        assert!(line.contains(reason), "{reason}: {line}");
    }
    assert!(!log.contains("secret-payload"), "a payload is in the log");
    for reason in
        ["not_json", "not_utf8", "not_an_object", "wrong_member", "too_deep", "too_large", "refused"]
    {
        let wanted = kinds.iter().filter(|(_, known)| *known == reason).count() as f64;
        assert_eq!(world.metric("poison_total", &[&format!("reason=\"{reason}\"")]), wanted, "{reason}");
    }
    assert!(client.ping_barrier().is_empty(), "nothing of them is shown");
    assert_eq!(world.metric("published_total", &[]), 1.0);
}

#[test]
fn where_a_dead_letter_topic_is_named_it_gets_them_as_they_came() {
    let dead = |bridge: Launch| bridge.env("PUBSUB_DEAD_LETTER_TOPIC", "receipt-dead");
    let mut world = World::without_bridge(dead);
    let publisher = world.publisher();
    let letters = publisher.subscribe("receipt-dead", "receipt-dead-sub");
    world.start_bridge();
    let mut client = world.client();
    let kinds = kinds();
    for (data, _) in &kinds {
        publisher.publish(data.clone());
    }
    let told = publisher.publish_with(
        "not a receipt",
        "key-7",
        &[("origin", "scanner"), ("dead_letter_reason", "x")],
    );
    publisher.receipt("good");
    assert_eq!(client.next_json_within(LONG)["data"]["receipt_id"], "good");
    let came = publisher.pull(&letters, kinds.len() + 1);
    let find = |data: &[u8]| came.iter().find(|letter| letter.data == data);
    for (data, reason) in &kinds {
        let letter = find(data).unwrap_or_else(|| panic!("no dead letter for {reason}"));
        assert_eq!(letter.attributes["dead_letter_reason"], *reason);
    }
    let letter = find(b"not a receipt").expect("a dead letter");
    let attribute = |name: &str| letter.attributes[name].as_str();
    assert_eq!((attribute("origin"), attribute("dead_letter_reason")), ("scanner", "not_json"));
    assert_eq!(attribute("dead_letter_message_id"), told);
    assert_eq!(
        attribute("dead_letter_subscription"),
        "projects/receipt-tracking-application/subscriptions/receipt-updates-sub"
    );
    assert!(attribute("dead_letter_publish_time").ends_with('Z') && letter.ordering_key == "key-7");
    world.wait_for_acked(kinds.len() as f64 + 2.0);
    assert_eq!(world.metric("dead_letters_total", &[]), kinds.len() as f64 + 1.0);
    assert_eq!(came.len(), kinds.len() + 1, "each once");
}

#[test]
fn a_dead_letter_waits_for_its_topic_and_holds_up_no_other_message() {
    let mut world = World::without_bridge(|bridge| bridge.env("PUBSUB_DEAD_LETTER_TOPIC", "receipt-dead"));
    world.start_bridge();
    let (mut client, publisher) = (world.client(), world.publisher());
    publisher.delete_topic("receipt-dead");
    publisher.publish("not a receipt");
    let line = world.bridge().wait_for_log("dead letters wait");
    assert!(line.contains("PUBSUB_DEAD_LETTER_TOPIC"), "{line}");
    publisher.receipt("good");
    assert_eq!(client.next_json_within(LONG)["data"]["receipt_id"], "good");
    let health = world.bridge().get("/health").json();
    assert_eq!((&health["status"], &health["dead_letters"]["status"]), (&json!("degraded"), &json!("down")));
    eventually(LONG, || world.metric("outstanding_messages", &[]) == 1.0);
    let letters = publisher.subscribe("receipt-dead", "receipt-dead-sub");
    assert_eq!(publisher.pull(&letters, 1)[0].data, b"not a receipt".as_slice());
    world.wait_for_acked(2.0);
    assert_eq!(world.bridge().get("/health").json()["status"], "healthy");
}

#[test]
fn a_message_that_this_hub_finds_too_large_is_found_out_in_its_batch() {
    let mut world = World::without_bridge(|bridge| bridge);
    world.restart_hub_with(|hub| hub.env("MAX_BODY", "64KiB"));
    world.start_bridge();
    let (mut client, publisher) = (world.client(), world.publisher());
    let mut large = receipt("large");
    large["x"] = json!("a".repeat(1_000_000));
    for n in 0..30 {
        publisher.receipt(&format!("r{n}"));
        if n == 15 {
            publisher.publish(large.to_string());
        }
    }
    for _ in 0..30 {
        assert_ne!(client.next_json_within(LONG)["data"]["receipt_id"], "large");
    }
    world.wait_for_acked(31.0);
    assert_eq!(world.metric("poison_total", &["reason=\"too_large\""]), 1.0);
}
