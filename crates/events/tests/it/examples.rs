//! The hand-written examples against the types, both ways.

use std::collections::BTreeSet;

use events::{CATALOGUE, Event};
use serde::Deserialize;
use serde_json::value::RawValue;

const EXAMPLES: &str = include_str!("../../fixtures/events.json");

#[derive(Deserialize)]
struct Example<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

fn examples() -> Vec<Example<'static>> {
    serde_json::from_str(EXAMPLES).expect("examples")
}

/// Without the blanks between members; the examples' texts have neither of these pairs.
fn compact(text: &str) -> String {
    text.replace("\": ", "\":").replace(", \"", ",\"")
}

#[test]
fn every_example_is_read_and_written_again_member_by_member() {
    for Example { r#type, data } in examples() {
        let event = Event::parse(r#type, data.get()).expect("an event");
        assert_eq!(event.event_type(), r#type);
        assert_eq!(event.data_json(), compact(data.get()));
    }
}

#[test]
fn every_event_has_an_example_and_every_example_an_event() {
    let told: BTreeSet<&str> = examples().iter().map(|it| it.r#type).collect();
    let known: BTreeSet<&str> = CATALOGUE.iter().map(|it| it.event_type).collect();
    assert_eq!(told, known);
    assert_eq!(known.len(), CATALOGUE.len(), "a type stands once");
}

#[test]
fn every_member_is_wanted_and_typed_as_the_schema_says() {
    for Example { r#type, data } in examples() {
        let entry = CATALOGUE.iter().find(|it| it.event_type == r#type).expect(r#type);
        let schema = entry.schema();
        assert!(
            schema.get("additionalProperties").is_none() && schema.get("$defs").is_none(),
            "{}",
            entry.event_type
        );
        let whole: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(data.get()).expect("an object");
        let required: BTreeSet<&str> = schema
            .get("required")
            .and_then(|it| it.as_array())
            .into_iter()
            .flatten()
            .filter_map(|it| it.as_str())
            .collect();
        let told: BTreeSet<&str> = whole.keys().map(String::as_str).collect();
        let known: BTreeSet<&str> = schema
            .get("properties")
            .and_then(|it| it.as_object())
            .into_iter()
            .flat_map(|it| it.keys().map(String::as_str))
            .collect();
        assert!(required.is_subset(&told) && told.is_subset(&known), "{}", entry.event_type);
        for name in required {
            let mut without = whole.clone();
            without.remove(name);
            let text = serde_json::to_string(&without).expect("JSON");
            assert!(Event::parse(r#type, &text).is_err(), "{} without {name}", entry.event_type);
        }
    }
}
