use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::id::PublicationId;

fn event(kind: &str, data: &str) -> Publication {
    Publication {
        id: PublicationId::from_u128(7),
        event_type: kind.into(),
        data: data.into(),
        timestamp: Timestamp::parse("2025-11-18T12:30:45.123Z").expect("a time"),
    }
}

fn written(kind: &str, data: &str, format: TimestampFormat) -> String {
    let mut out = Vec::new();
    write_event(&event(kind, data), format, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

/// A golden frame: what was published, and what a client of one of the flat dialects gets.
#[derive(serde::Deserialize)]
struct Golden {
    dialect: String,
    publication: Published,
    frame: String,
}

#[derive(serde::Deserialize)]
struct Published {
    #[serde(rename = "type")]
    kind: String,
    data: Box<RawValue>,
    timestamp: String,
}

#[test]
fn events_are_those_of_the_golden_file() {
    let goldens: Vec<Golden> =
        serde_json::from_str(include_str!("../../fixtures/flat.json")).expect("the golden file");
    assert!(goldens.len() >= 10);
    for Golden { dialect, publication, frame } in goldens {
        let format = match &*dialect {
            "dashboard" => TimestampFormat::Milliseconds,
            "tasks" => TimestampFormat::Microseconds,
            "receipts" => TimestampFormat::Seconds,
            other => panic!("there is no dialect {other}"),
        };
        let mut published = event(&publication.kind, publication.data.get());
        published.timestamp = Timestamp::parse(&publication.timestamp).expect("a time");
        let mut out = Vec::new();
        write_event(&published, format, &mut out);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), frame);
    }
}

#[test]
fn frames_of_the_hub_have_their_members_in_order() {
    let at = Timestamp::parse("2025-11-18T12:30:45.123Z").expect("a time");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    assert_eq!(
        text(error("no \"x\"", at, TimestampFormat::Milliseconds)),
        r#"{"type":"error","message":"no \"x\"","timestamp":"2025-11-18T12:30:45.123Z"}"#
    );
    assert_eq!(text(frame("pong", &[("timestamp", "17")], None)), r#"{"type":"pong","timestamp":17}"#);
    let messages: [&[u8]; 2] = [b"{\"type\":\"a\"}", b"{\"type\":\"b\"}"];
    assert_eq!(
        text(batch(messages.into_iter(), at, TimestampFormat::Milliseconds)),
        r#"{"type":"batch_update","messages":[{"type":"a"},{"type":"b"}],"timestamp":"2025-11-18T12:30:45.123Z"}"#
    );
}

#[test]
fn the_time_of_the_data_wins_and_the_type_of_the_publication() {
    let data = r#"{"type":"other","timestamp":"2020","x":1}"#;
    for format in [TimestampFormat::Milliseconds, TimestampFormat::Microseconds, TimestampFormat::Seconds] {
        assert_eq!(written("t", data, format), r#"{"type":"t","timestamp":"2020","x":1}"#);
    }
    assert_eq!(
        written("t", r#"{"\u0074ype":1,"a":2}"#, TimestampFormat::Seconds),
        r#"{"type":"t","a":2,"timestamp":"2025-11-18T12:30:45Z"}"#,
        "however it is spelled"
    );
}

#[test]
fn data_that_is_no_object_is_a_member() {
    for data in ["null", "7", "[1,2]", r#""text""#, "true"] {
        let frame: Value = serde_json::from_str(&written("t", data, TimestampFormat::Seconds)).expect("JSON");
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(frame, json!({"type": "t", "data": data, "timestamp": "2025-11-18T12:30:45Z"}));
    }
}

#[test]
fn numbers_and_nesting_are_not_touched() {
    let data = r#"{ "n" : 18446744073709551615 , "f":1.10,"e":1E400, "o":{"type":"inner","timestamp":1},"ä":"\ud83d\ude00" }"#;
    assert_eq!(
        written("t", data, TimestampFormat::Seconds),
        r#"{"type":"t","n":18446744073709551615,"f":1.10,"e":1E400,"o":{"type":"inner","timestamp":1},"ä":"\ud83d\ude00","timestamp":"2025-11-18T12:30:45Z"}"#
    );
}

proptest! {
    #[test]
    fn every_object_arrives_with_all_its_members(members in proptest::collection::btree_map(".{0,8}", any::<i64>(), 0..8), kind in ".{1,8}") {
        let data = serde_json::to_string(&members).expect("JSON");
        let frame: Value = serde_json::from_str(&written(&kind, &data, TimestampFormat::Milliseconds)).expect("JSON");
        prop_assert_eq!(frame.get("type").and_then(Value::as_str), Some(&*kind));
        for (name, value) in &members {
            if name != "type" {
                prop_assert_eq!(frame.get(name).and_then(Value::as_i64), Some(*value));
            }
        }
        prop_assert!(frame.get("timestamp").is_some());
    }
}
