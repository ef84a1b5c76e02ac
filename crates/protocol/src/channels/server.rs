//! What every client of `/ws` may get: the welcome, events in the plain form, answers, errors.
//!
//! Not here: what only those get who asked for recovery, history or presence ([`super::recovery`]).

use super::ErrorCode;
use crate::id::ConnectionId;
use crate::publication::Publication;
use crate::timestamp::Timestamp;

/// Writes `text` as a JSON string.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Writes a list of texts as a JSON array.
pub(super) fn push_strings(out: &mut Vec<u8>, texts: &[&str]) {
    let _ = serde_json::to_writer(out, texts);
}

/// A frame of the hub's own, with the `data` that `write_data` writes.
pub(super) fn envelope(kind: &str, now: Timestamp, write_data: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"data\":");
    write_data(&mut out);
    push_timestamp(&mut out, now);
    out.push(b'}');
    out
}

fn push_timestamp(out: &mut Vec<u8>, timestamp: Timestamp) {
    out.extend_from_slice(b",\"timestamp\":\"");
    out.extend_from_slice(&timestamp.encode());
    out.push(b'"');
}

/// The length of an event's envelope without its type and data.
const ENVELOPE: usize = r#"{"type":"","data":,"timestamp":"2025-11-01T12:00:00.000Z"}"#.len();

/// An event, appended to `out`.
pub fn write_event(publication: &Publication, out: &mut Vec<u8>) {
    push_event(publication, 0, out);
    out.push(b'}');
}

/// An event without the closing brace; room is made for `more` bytes behind it.
pub(super) fn push_event(publication: &Publication, more: usize, out: &mut Vec<u8>) {
    out.reserve(ENVELOPE + publication.event_type.len() + publication.data.len() + 8 + more);
    out.extend_from_slice(b"{\"type\":");
    push_string(out, &publication.event_type);
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(publication.data.as_bytes());
    push_timestamp(out, publication.timestamp);
}

/// The first frame of every connection.
#[must_use]
pub fn connected(id: ConnectionId, now: Timestamp) -> Vec<u8> {
    envelope("connected", now, |out| {
        out.extend_from_slice(format!("{{\"connection_id\":\"{id}\"}}").as_bytes());
    })
}

/// The answer to `subscribe`.
#[must_use]
pub fn subscribed(channels: &[&str], now: Timestamp) -> Vec<u8> {
    channel_list("subscribed", channels, now)
}

/// The answer to `unsubscribe`.
#[must_use]
pub fn unsubscribed(channels: &[&str], now: Timestamp) -> Vec<u8> {
    channel_list("unsubscribed", channels, now)
}

fn channel_list(kind: &str, channels: &[&str], now: Timestamp) -> Vec<u8> {
    envelope(kind, now, |out| {
        out.extend_from_slice(b"{\"channels\":");
        push_strings(out, channels);
        out.push(b'}');
    })
}

/// The answer to `ping`, with the JSON text of the ping's data.
#[must_use]
pub fn pong(data: Option<&str>, now: Timestamp) -> Vec<u8> {
    envelope("pong", now, |out| out.extend_from_slice(data.unwrap_or("{}").as_bytes()))
}

/// An error, about a channel where it is about one.
#[must_use]
pub fn error(code: ErrorCode, message: &str, channel: Option<&str>, now: Timestamp) -> Vec<u8> {
    envelope("error", now, |out| {
        out.extend_from_slice(b"{\"code\":\"");
        out.extend_from_slice(code.as_str().as_bytes());
        out.extend_from_slice(b"\",\"message\":");
        push_string(out, message);
        if let Some(channel) = channel {
            out.extend_from_slice(b",\"channel\":");
            push_string(out, channel);
        }
        out.push(b'}');
    })
}

/// Told 60 s before a token ends.
#[must_use]
pub fn token_expiring(expires_at: Timestamp, now: Timestamp) -> Vec<u8> {
    expiry("token_expiring", expires_at, now)
}

/// The answer to `refresh`.
#[must_use]
pub fn refreshed(expires_at: Timestamp, now: Timestamp) -> Vec<u8> {
    expiry("refreshed", expires_at, now)
}

fn expiry(kind: &str, expires_at: Timestamp, now: Timestamp) -> Vec<u8> {
    envelope(kind, now, |out| {
        out.extend_from_slice(format!("{{\"expires_at\":\"{expires_at}\"}}").as_bytes());
    })
}
