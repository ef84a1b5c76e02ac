use std::collections::BTreeSet;

use serde_json::json;

use super::*;

#[test]
fn a_step_is_told_with_its_time_its_members_and_in_words() {
    let step = Step::new(1_762_000_000_000_000, Kind::Sent, "it was sent").with("connection_id", "c-1");
    let told = serde_json::to_value(&step).expect("JSON");
    let expected = json!({"step": "sent", "at": "2025-11-01T12:26:40.000Z", "connection_id": "c-1", "text": "it was sent"});
    assert_eq!(told, expected);
}

#[test]
fn ids_of_a_time_lie_between_the_bounds_of_that_time() {
    let now = store::now_micros();
    let (before, after) = (first_id(now - 1_000), first_id(now + 60_000_000));
    for _ in 0..100 {
        let id = Uuid::now_v7().to_string();
        assert!(before < id && id < after, "{before} {id} {after}");
    }
    let times: BTreeSet<String> = (0..50).map(|n| first_id(now + n * 1_000)).collect();
    assert_eq!(times.len(), 50);
    assert!(first_id(-5) < first_id(now));
}
