//! From a message's data to what is posted to the hub: the shape that the contract asks for, and nothing changed
//! beyond it.
//!
//! The data is a JSON object with the strings `type`, `status` and `receipt_id`. It becomes a publication on the channel
//! `receipts`: `type` is the publication's, the other members are its `data`, in their order and with the text that they
//! came with, so that no number, string or nesting is harmed. A missing `timestamp` is added: the whole second of the
//! publish time.
//!
//! Not here: what becomes of data that has not the shape ([`crate::dead`]).

use std::borrow::Cow;
use std::fmt;

use protocol::json;
use protocol::timestamp::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

#[cfg(test)]
mod tests;

/// The channel that every receipt is published on (contract: receipts).
pub const CHANNEL: &str = "receipts";

/// How deep the data may be nested: in the publication it stands one level deeper than in the message.
const MAX_DEPTH: usize = json::MAX_DEPTH - 1;

/// Why a message can never be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Poison {
    /// The data has more bytes than `PUBSUB_MAX_PAYLOAD`, or more than the hub takes.
    TooLarge,
    /// The data is not UTF-8.
    NotUtf8,
    /// The data is not JSON.
    NotJson,
    /// The data is JSON, but no object.
    NotObject,
    /// The data is nested deeper than the hub takes.
    TooDeep,
    /// A member of the shape is missing, is no string, or is there twice.
    Member(&'static str),
    /// The hub calls it invalid; with the code of its answer.
    Refused(String),
}

impl Poison {
    /// Its label on the metric, and the reason that a dead letter carries.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::NotObject => "not_an_object",
            Self::TooDeep => "too_deep",
            Self::Member(_) => "wrong_member",
            Self::Refused(_) => "refused",
        }
    }
}

/// Nothing of the message is in it.
impl fmt::Display for Poison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("it is too large"),
            Self::NotUtf8 => f.write_str("it is not UTF-8"),
            Self::NotJson => f.write_str("it is not JSON"),
            Self::NotObject => f.write_str("it is no JSON object"),
            Self::TooDeep => f.write_str("it is nested too deep"),
            Self::Member(name) => write!(f, "its member {name} is missing, no string, or there twice"),
            Self::Refused(code) => write!(f, "the hub calls it invalid: {code}"),
        }
    }
}

/// Appends the message's publication to a batch.
///
/// # Errors
/// The data has not the shape; nothing is appended.
pub(crate) fn write_item(
    data: &[u8],
    published: Timestamp,
    idempotency_key: &str,
    out: &mut String,
) -> Result<(), Poison> {
    let text = std::str::from_utf8(data).map_err(|_| Poison::NotUtf8)?;
    let members = members(text)?;
    let shape = Shape::of(&members)?;
    let second = whole_second(published);
    out.push_str("{\"type\":");
    out.push_str(shape.event_type.get());
    out.push_str(",\"channel\":\"");
    out.push_str(CHANNEL);
    out.push_str("\",\"timestamp\":");
    match shape.timestamp {
        Some(raw) if is_time(raw) => out.push_str(raw.get()),
        _ => push_text(out, &second),
    }
    out.push_str(",\"idempotency_key\":");
    push_text(out, idempotency_key);
    out.push_str(",\"data\":{");
    for (name, value) in &members {
        let left_out = match &*decoded(name) {
            "type" => true,
            "timestamp" => shape.timestamp.is_none(),
            _ => false,
        };
        if !left_out {
            out.push_str(name.get());
            out.push(':');
            out.push_str(value.get());
            out.push(',');
        }
    }
    if shape.timestamp.is_none() {
        out.push_str("\"timestamp\":");
        push_text(out, &second);
    } else {
        // The comma behind the last member: `status` is always there.
        out.pop();
    }
    out.push_str("}}");
    Ok(())
}

/// What the contract asks for, found among the members.
struct Shape<'a> {
    event_type: &'a RawValue,
    /// None where it is missing or null.
    timestamp: Option<&'a RawValue>,
}

impl<'a> Shape<'a> {
    fn of(members: &[(&'a RawValue, &'a RawValue)]) -> Result<Self, Poison> {
        let [mut event_type, mut status, mut receipt_id, mut timestamp] = [None; 4];
        for (name, value) in members {
            let (slot, name) = match &*decoded(name) {
                "type" => (&mut event_type, "type"),
                "status" => (&mut status, "status"),
                "receipt_id" => (&mut receipt_id, "receipt_id"),
                "timestamp" => (&mut timestamp, "timestamp"),
                _ => continue,
            };
            if slot.replace(*value).is_some() {
                return Err(Poison::Member(name));
            }
        }
        let string = |name: &'static str, value: Option<&'a RawValue>| {
            value.filter(|value| value.get().starts_with('"')).ok_or(Poison::Member(name))
        };
        let event_type = string("type", event_type)?;
        string("status", status)?;
        string("receipt_id", receipt_id)?;
        Ok(Self { event_type, timestamp: timestamp.filter(|value| value.get() != "null") })
    }
}

fn members(text: &str) -> Result<Vec<(&RawValue, &RawValue)>, Poison> {
    if !json::is_object(text) {
        let any = serde_json::from_str::<&RawValue>(text);
        return Err(if any.is_ok() { Poison::NotObject } else { Poison::NotJson });
    }
    let Members(members) = serde_json::from_str(text).map_err(|_| Poison::NotJson)?;
    if json::is_deeper_than(text.as_bytes(), MAX_DEPTH) {
        return Err(Poison::TooDeep);
    }
    Ok(members)
}

/// A member's name without quotes and escapes; one that is no Unicode is none of ours.
fn decoded(name: &RawValue) -> Cow<'_, str> {
    let bare = name.get().trim_matches('"');
    if !name.get().contains('\\') {
        return Cow::Borrowed(bare);
    }
    serde_json::from_str::<String>(name.get()).map_or(Cow::Borrowed(""), Cow::Owned)
}

/// Whether the hub reads it as a time.
fn is_time(raw: &RawValue) -> bool {
    serde_json::from_str::<Cow<'_, str>>(raw.get()).is_ok_and(|text| Timestamp::parse(&text).is_some())
}

/// `2025-03-26T22:30:00Z` (contract: receipts).
fn whole_second(time: Timestamp) -> String {
    let mut text = time.to_string();
    text.truncate(19);
    text.push('Z');
    text
}

/// A text of printable ASCII as JSON.
fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// An object's members as they stand in the text, in their order.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Raw;
        impl<'de> Visitor<'de> for Raw {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(name) = map.next_key::<&RawValue>()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Raw)
    }
}
