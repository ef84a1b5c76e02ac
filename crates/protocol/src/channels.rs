//! The dialect of `/ws`: envelopes `{"type":T,"data":D,"timestamp":S}` (contract: channels).
//!
//! Everything here is JSON text; how it is put into WebSocket frames is [`crate::websocket`]'s matter.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::id::ConnectionId;
use crate::json;
use crate::publication::Publication;
use crate::timestamp::Timestamp;

/// The code of an error frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The frame was not JSON, or nested too deeply.
    InvalidJson,
    /// The frame was JSON of the wrong shape.
    InvalidFrame,
    /// The frame's `type` is none that the hub knows.
    UnknownType,
    /// A channel name breaks the rules for names.
    InvalidChannel,
    /// The channel rules do not allow it.
    Forbidden,
    /// The connection has as many channels as it may have.
    TooManyChannels,
    /// What the frame names is not there.
    NotFound,
    /// The hub cannot do it now.
    Unavailable,
    /// A fault of the hub's own.
    Internal,
}

impl ErrorCode {
    /// The code as it goes over the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::InvalidFrame => "invalid_frame",
            Self::UnknownType => "unknown_type",
            Self::InvalidChannel => "invalid_channel",
            Self::Forbidden => "forbidden",
            Self::TooManyChannels => "too_many_channels",
            Self::NotFound => "not_found",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame<'a> {
    /// Follow channels; the names are still unchecked.
    Subscribe(Vec<Cow<'a, str>>),
    /// No longer follow channels.
    Unsubscribe(Vec<Cow<'a, str>>),
    /// Answer with a pong that has the same data.
    Ping {
        /// The JSON text of `data`.
        data: Option<&'a str>,
    },
    /// Go on with another token.
    Refresh {
        /// The new token.
        token: Cow<'a, str>,
    },
}

/// Why a frame could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameError {
    /// The code of the answer.
    pub code: ErrorCode,
    /// What was wrong; never holds what the client sent beyond a type's name.
    pub message: Cow<'static, str>,
}

impl FrameError {
    const fn new(code: ErrorCode, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message) }
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    channels: Option<&'a RawValue>,
    #[serde(borrow, default)]
    channel: Option<&'a RawValue>,
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Inner<'a> {
    #[serde(borrow, default)]
    channels: Option<&'a RawValue>,
    #[serde(borrow, default)]
    channel: Option<&'a RawValue>,
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
}

/// Text that borrows from the frame where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> ClientFrame<'a> {
    /// Reads a frame's text. Every member may stand at the top level or inside `data`; the top level wins.
    ///
    /// # Errors
    /// The code and message of the error frame that answers it.
    pub fn parse(text: &'a str) -> Result<Self, FrameError> {
        if json::is_deeper_than(text.as_bytes(), json::MAX_DEPTH) {
            return Err(FrameError::new(ErrorCode::InvalidJson, "JSON nested deeper than 128 levels"));
        }
        let wrong_shape = FrameError::new(
            ErrorCode::InvalidFrame,
            "a frame is a JSON object with the member type, each member once",
        );
        if !json::is_object(text) && serde_json::from_str::<IgnoredAny>(text).is_ok() {
            return Err(wrong_shape);
        }
        let head: Head<'a> = serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                wrong_shape
            } else {
                FrameError::new(ErrorCode::InvalidJson, "the frame is not JSON")
            }
        })?;
        let kind = head.kind.ok_or(FrameError::new(ErrorCode::InvalidFrame, "type is required"))?;
        let Text(kind) = serde_json::from_str(kind.get())
            .map_err(|_| FrameError::new(ErrorCode::InvalidFrame, "type must be a string"))?;
        match &*kind {
            "subscribe" => Ok(Self::Subscribe(head.channel_names()?)),
            "unsubscribe" => Ok(Self::Unsubscribe(head.channel_names()?)),
            "ping" => Ok(Self::Ping { data: head.data.map(RawValue::get) }),
            "refresh" => {
                let token = head.token.or(head.inner().token);
                let token = token.ok_or(FrameError::new(ErrorCode::InvalidFrame, "token is required"))?;
                let Text(token) = serde_json::from_str(token.get())
                    .map_err(|_| FrameError::new(ErrorCode::InvalidFrame, "token must be a string"))?;
                Ok(Self::Refresh { token })
            }
            other => {
                let shown: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
                Err(FrameError {
                    code: ErrorCode::UnknownType,
                    message: format!(
                        "unknown type \"{shown}\"; known are subscribe, unsubscribe, ping, refresh"
                    )
                    .into(),
                })
            }
        }
    }
}

impl<'a> Head<'a> {
    /// The members inside `data`, none where it is no object.
    fn inner(&self) -> Inner<'a> {
        let data = self.data.map(RawValue::get).filter(|data| json::is_object(data));
        data.and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default()
    }

    fn channel_names(&self) -> Result<Vec<Cow<'a, str>>, FrameError> {
        let named = self.channels.or(self.channel).or_else(|| {
            let inner = self.inner();
            inner.channels.or(inner.channel)
        });
        let raw = named.ok_or(FrameError::new(ErrorCode::InvalidFrame, "channels is required"))?.get();
        if raw.starts_with('"') {
            return match serde_json::from_str(raw) {
                Ok(Text(name)) => Ok(vec![name]),
                Err(_) => Err(FrameError::new(
                    ErrorCode::InvalidFrame,
                    "channels must be a string or an array of strings",
                )),
            };
        }
        let names: Vec<Text<'a>> = serde_json::from_str(raw).map_err(|_| {
            FrameError::new(ErrorCode::InvalidFrame, "channels must be a string or an array of strings")
        })?;
        Ok(names.into_iter().map(|Text(name)| name).collect())
    }
}

/// Writes `text` as a JSON string.
fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

fn envelope(kind: &str, now: Timestamp, write_data: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"data\":");
    write_data(&mut out);
    finish(&mut out, now);
    out
}

fn finish(out: &mut Vec<u8>, now: Timestamp) {
    out.extend_from_slice(b",\"timestamp\":\"");
    out.extend_from_slice(&now.encode());
    out.extend_from_slice(b"\"}");
}

/// The length of an event's envelope without its type and data.
const ENVELOPE: usize = r#"{"type":"","data":,"timestamp":"2025-11-01T12:00:00.000Z"}"#.len();

/// An event, appended to `out`.
pub fn write_event(publication: &Publication, out: &mut Vec<u8>) {
    out.reserve(ENVELOPE + publication.event_type.len() + publication.data.len() + 8);
    out.extend_from_slice(b"{\"type\":");
    push_string(out, &publication.event_type);
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(publication.data.as_bytes());
    finish(out, publication.timestamp);
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
        let _ = serde_json::to_writer(&mut *out, channels);
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

#[cfg(test)]
mod tests;
