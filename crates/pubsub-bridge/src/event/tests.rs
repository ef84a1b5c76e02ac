//! The shape by examples, and that nothing else is changed by chance.

use proptest::prelude::*;
use protocol::publication::{PublishRequest, Target};
use serde_json::{Map, Value, json};

use super::*;

const TIME: i64 = 1_742_950_800_123;

fn item(data: &str) -> Result<String, Poison> {
    let mut out = String::from("before");
    let written =
        write_item(data.as_bytes(), Timestamp::from_millis(TIME), "p/subscriptions/s/7/1.5", &mut out);
    assert!(out.starts_with("before") && (written.is_ok() || out == "before"), "{out}");
    written.map(|()| out["before".len()..].to_owned())
}

#[test]
fn the_contracts_message_becomes_the_contracts_publication() {
    let data = r#"{ "type" : "receipt_update", "status":"processed","receipt_id":"abc123","timestamp":"2025-03-26T22:30:00Z" }"#;
    let written = item(data).expect("the shape");
    let wanted = concat!(
        r#"{"type":"receipt_update","channel":"receipts","timestamp":"2025-03-26T22:30:00Z","#,
        r#""idempotency_key":"p/subscriptions/s/7/1.5","#,
        r#""data":{"status":"processed","receipt_id":"abc123","timestamp":"2025-03-26T22:30:00Z"}}"#
    );
    assert_eq!(written, wanted);
}

#[test]
fn a_missing_timestamp_is_added_behind_the_other_members() {
    for given in ["", r#","timestamp":null"#] {
        let data = format!(r#"{{"receipt_id":"r","type":"t"{given},"status":"s"}}"#);
        let written = item(&data).expect("the shape");
        let wanted = r#""data":{"receipt_id":"r","status":"s","timestamp":"2025-03-26T01:00:00Z"}}"#;
        assert!(written.ends_with(wanted), "{written}");
        assert!(written.contains(r#""channel":"receipts","timestamp":"2025-03-26T01:00:00Z""#), "{written}");
    }
}

#[test]
fn a_timestamp_that_the_hub_cannot_read_stays_in_the_data_alone() {
    for odd in ["\"yesterday\"", "17", "{}", "\"\""] {
        let data = format!(r#"{{"type":"t","status":"s","receipt_id":"r","timestamp":{odd}}}"#);
        let written = item(&data).expect("the shape");
        assert!(written.ends_with(&format!("\"timestamp\":{odd}}}}}")), "{written}");
        assert!(PublishRequest::from_text(&written).is_ok(), "{written}");
    }
}

#[test]
fn members_are_known_by_their_names_however_these_are_written() {
    let data = r#"{"\u0074ype":"t","stat\u0075s":"s","receipt_id":"r","\"":1,"\ud800":2}"#;
    let written = item(data).expect("the shape");
    assert!(written.starts_with(r#"{"type":"t","#) && !written.contains("u0074ype"), "{written}");
    assert!(written.contains(r#""\"":1,"\ud800":2"#), "{written}");
    let twice = r#"{"type":"t","status":"s","receipt_id":"r","\u0074ype":"u"}"#;
    assert_eq!(item(twice), Err(Poison::Member("type")));
}

#[test]
fn depth_is_that_of_the_publication() {
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"type":"t","status":"s","receipt_id":"r","x":{open}{close}}}"#)
    };
    let deepest = item(&deep(126)).expect("as deep as there may be");
    assert!(PublishRequest::from_text(&deepest).is_ok());
    assert_eq!(item(&deep(127)), Err(Poison::TooDeep));
}

#[test]
fn what_is_wrong_is_told_by_its_kind_and_never_by_its_text() {
    for (data, wanted) in [
        ("", Poison::NotJson),
        ("secret", Poison::NotJson),
        ("{} {}", Poison::NotJson),
        ("\u{feff}{}", Poison::NotJson),
        ("[]", Poison::NotObject),
        ("12", Poison::NotObject),
        ("{}", Poison::Member("type")),
        (r#"{"type":"t","receipt_id":"r"}"#, Poison::Member("status")),
        (r#"{"type":"t","status":"secret"}"#, Poison::Member("receipt_id")),
        (r#"{"type":["secret"],"status":"s","receipt_id":"r"}"#, Poison::Member("type")),
    ] {
        assert_eq!(item(data), Err(wanted.clone()), "{data}");
        assert!(!wanted.to_string().contains("secret"));
    }
    let mut out = String::new();
    assert_eq!(write_item(b"{\xff}", Timestamp::from_millis(0), "k", &mut out), Err(Poison::NotUtf8));
}

/// Any JSON, not too deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_has_the_shape_is_a_publication_with_the_same_members(
        members in prop::collection::btree_map(".*", any_json(), 0..8),
        (kind, status, id) in ("[^\u{0}]{1,20}", ".*", ".*"),
    ) {
        let mut object: Map<String, Value> = members.into_iter().collect();
        object.insert("type".into(), kind.clone().into());
        object.insert("status".into(), status.into());
        object.insert("receipt_id".into(), id.into());
        object.insert("timestamp".into(), "2025-03-26T22:30:00Z".into());
        let written = item(&Value::Object(object.clone()).to_string()).expect("the shape");
        let request = PublishRequest::from_text(&written).expect("a publication");
        object.remove("type");
        prop_assert_eq!(&*request.event_type, kind.as_str());
        prop_assert_eq!(serde_json::from_str::<Value>(&request.data).expect("JSON"), Value::Object(object));
        let Target::Named(audience) = request.target else { panic!("no channel") };
        prop_assert_eq!(audience.streams.len(), 1);
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut out = String::new();
        let written = write_item(&bytes, Timestamp::from_millis(TIME), "k", &mut out);
        prop_assert_eq!(written.is_err(), out.is_empty());
    }

    #[test]
    fn damaged_messages_get_an_answer(at in 0_usize..100, byte in any::<u8>()) {
        let mut data = json!({"type": "t", "status": "s", "receipt_id": "r", "x": [1, {"y": "\u{1f600}"}]})
            .to_string().into_bytes();
        let place = at % data.len();
        data[place] = byte;
        let mut out = String::new();
        if write_item(&data, Timestamp::from_millis(TIME), "k", &mut out).is_ok() {
            // A type may have become empty, which the hub tells.
            let read = PublishRequest::from_text(&out);
            prop_assert!(read.is_ok() || !out.contains("\"type\":\"t\""), "{}", out);
        }
    }
}
