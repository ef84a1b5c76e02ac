//! Flat frames: the members of `data` stand beside `type` (contract: README).
//!
//! What dashboard, tasks and receipts have in common. Their client frames and their answers are in the engine's
//! `dialects`, one file each.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json;
use crate::publication::Publication;
use crate::timestamp::{Timestamp, TimestampFormat};

/// An event, appended to `out`. A `timestamp` in its data wins over its own, its own `type` over one in its data; data
/// that is no object stands as the member `data`.
pub fn write_event(publication: &Publication, format: TimestampFormat, out: &mut Vec<u8>) {
    out.reserve(publication.data.len() + publication.event_type.len() + 64);
    out.extend_from_slice(b"{\"type\":");
    push_string(out, &publication.event_type);
    let mut has_time = false;
    if json::is_object(&publication.data)
        && let Ok(members) = serde_json::from_str::<Members<'_>>(&publication.data)
    {
        for (name, value) in members.0 {
            match &*name {
                "type" => continue,
                "timestamp" => has_time = true,
                _ => {}
            }
            push_member(out, &name, value.get());
        }
    } else {
        push_member(out, "data", &publication.data);
    }
    if !has_time {
        push_time(out, publication.timestamp, format);
    }
    out.push(b'}');
}

/// A frame of the hub's own: its type, then members with their JSON texts, then the time where there is one.
#[must_use]
pub fn frame(kind: &str, members: &[(&str, &str)], at: Option<(Timestamp, TimestampFormat)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
    for (name, value) in members {
        push_member(&mut out, name, value);
    }
    if let Some((now, format)) = at {
        push_time(&mut out, now, format);
    }
    out.push(b'}');
    out
}

/// `{"type":"error","message":…,"timestamp":…}`.
#[must_use]
pub fn error(message: &str, now: Timestamp, format: TimestampFormat) -> Vec<u8> {
    frame("error", &[("message", &string(message))], Some((now, format)))
}

/// `{"type":"batch_update","messages":[…],"timestamp":…}` around the JSON texts of events (contract: dashboard).
#[must_use]
pub fn batch<'m>(
    messages: impl Iterator<Item = &'m [u8]>,
    now: Timestamp,
    format: TimestampFormat,
) -> Vec<u8> {
    let mut out = b"{\"type\":\"batch_update\",\"messages\":[".to_vec();
    for (place, message) in messages.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(message);
    }
    out.push(b']');
    push_time(&mut out, now, format);
    out.push(b'}');
    out
}

/// A text as JSON.
#[must_use]
pub fn string(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

fn push_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b',');
    push_string(out, name);
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

fn push_time(out: &mut Vec<u8>, at: Timestamp, format: TimestampFormat) {
    out.extend_from_slice(b",\"timestamp\":\"");
    at.write(format, out);
    out.push(b'"');
}

/// The members of an object in their order, each value as it was written.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A member's name, borrowed where nothing in it is escaped.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Name<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests;
