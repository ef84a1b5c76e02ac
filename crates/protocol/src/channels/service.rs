//! Frames of clients that a service answers, and the frame with the answer (contract: channels, HTTP; socketio, Client →
//! server). Not here: which types are mapped.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::Text;
use super::server::{envelope, push_string};
use crate::json;
use crate::timestamp::Timestamp;

/// The longest `ref`, as JSON text, in bytes.
pub const MAX_REFERENCE: usize = 66;

/// A frame `{"type":T,"data":D,"ref":R}` for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFrame<'a> {
    /// Its type.
    pub event: Cow<'a, str>,
    /// The JSON text of its data, if it has any.
    pub data: Option<&'a str>,
    /// The JSON text of the client's own name for it, a string or a number; or what is wrong with it.
    pub reference: Result<Option<&'a str>, &'static str>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Members<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
}

impl<'a> ServiceFrame<'a> {
    /// Reads a frame that [`super::ClientFrame`] does not know by its type. None where it has no type.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let members: Members<'a> = serde_json::from_str(text).ok()?;
        let Text(event) = serde_json::from_str(members.kind?.get()).ok()?;
        let data = members.data.map(RawValue::get);
        let inner =
            || data.filter(|data| json::is_object(data)).and_then(|data| serde_json::from_str(data).ok());
        let reference = members
            .reference
            .or_else(|| inner().and_then(|inner: Members<'a>| inner.reference))
            .map(RawValue::get)
            .map(|text| {
                let is_fit = text.starts_with(['"', '-']) || text.as_bytes()[0].is_ascii_digit();
                if is_fit && text.len() <= MAX_REFERENCE {
                    Ok(text)
                } else {
                    Err("ref is a string of at most 64 bytes, or a number")
                }
            })
            .transpose();
        Some(Self { event, data, reference })
    }
}

/// `{"type":"ack","data":{"event":T,"ref":R,"answer":{…}},"timestamp":S}`: a service's answer. `reference` and `answer` are
/// JSON texts.
#[must_use]
pub fn ack(event: &str, reference: Option<&str>, answer: &str, now: Timestamp) -> Vec<u8> {
    envelope("ack", now, |out| {
        out.extend_from_slice(b"{\"event\":");
        push_string(out, event);
        if let Some(reference) = reference {
            out.extend_from_slice(b",\"ref\":");
            out.extend_from_slice(reference.as_bytes());
        }
        out.extend_from_slice(b",\"answer\":");
        out.extend_from_slice(answer.as_bytes());
        out.push(b'}');
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_for_a_service_is_read_with_its_data_and_its_reference() {
        let frame = |text| ServiceFrame::parse(text).expect("a frame");
        let whole = frame(r#"{"type":"send_message","data":{"to_user_id":8},"ref":"c1"}"#);
        assert_eq!((&*whole.event, whole.data), ("send_message", Some(r#"{"to_user_id":8}"#)));
        assert_eq!(whole.reference, Ok(Some("\"c1\"")));
        assert_eq!(frame(r#"{"type":"typing","data":{"ref":7}}"#).reference, Ok(Some("7")));
        assert_eq!(frame(r#"{"type":"typing"}"#).reference, Ok(None));
        assert_eq!(frame(r#"{"type":"typing","ref":null}"#).reference, Ok(None));
        for wrong in ["{}", "[]", "true", &format!("\"{}\"", "x".repeat(65))] {
            let text = format!(r#"{{"type":"typing","ref":{wrong}}}"#);
            let frame = ServiceFrame::parse(&text).expect("a frame");
            assert!(frame.reference.is_err(), "{wrong}");
        }
        assert_eq!(ServiceFrame::parse(r#"{"data":{}}"#), None);
    }

    #[test]
    fn the_answer_is_an_envelope() {
        let now = Timestamp::from_millis(0);
        let text = ack("typing", Some("7"), r#"{"success":true}"#, now);
        assert_eq!(
            String::from_utf8(text).expect("UTF-8"),
            r#"{"type":"ack","data":{"event":"typing","ref":7,"answer":{"success":true}},"timestamp":"1970-01-01T00:00:00.000Z"}"#
        );
    }
}
