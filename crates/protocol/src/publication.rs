//! The body of `POST /broadcast`, parsed once into a typed publication (contract: channels, HTTP).
//!
//! Not here: who may publish, and what becomes of the publication.

mod retain;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::channel::{ChannelName, Stream, is_namespace};
use crate::id::{ConnectionId, PublicationId, UserId, check_session};
use crate::json;
use crate::socketio;
use crate::timestamp::Timestamp;
use crate::trace::TraceContext;

pub use retain::{DEFAULT_RETAIN, FINAL_RETAIN, MAX_RETAIN, MAX_RETAIN_KEY, Retain};

/// The longest event type, in bytes: as long as a channel name.
pub const MAX_TYPE: usize = 200;

/// How many channels and users one publication may name: what still fits a body of 1 MiB comfortably.
pub const MAX_TARGETS: usize = 10_000;

/// How many sessions one publication may close: far more than the users of one event ever have to.
pub const MAX_SESSIONS: usize = 1_000;

/// How many publications one batch may hold (contract: channels, HTTP).
pub const MAX_BATCH: usize = 1_000;

/// The longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;

/// What is sent: an id, a type, any JSON, and a time.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The publication's id.
    pub id: PublicationId,
    /// The event's type, decoded.
    pub event_type: Box<str>,
    /// The JSON text of `data`, exactly as it came.
    pub data: Box<str>,
    /// The publisher's time, or the hub's where there was none.
    pub timestamp: Timestamp,
}

/// Whom a publication goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Everyone on the endpoints that take untargeted events.
    Everyone,
    /// The union of what is named, which may be nobody.
    Named(Audience),
}

/// A union of streams and at most one connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audience {
    /// Channels and users, each once.
    pub streams: Vec<Stream>,
    /// One connection.
    pub connection: Option<ConnectionTarget>,
}

/// A connection named by the publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionTarget {
    /// An id that this hub may have given.
    Id(ConnectionId),
    /// A text that can be no id of ours, so that no connection has it.
    Unknown,
}

/// Sessions whose connections are closed behind the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseSessions {
    /// The streams of the users that the request names; nobody else's connections are closed.
    pub users: Vec<Stream>,
    /// The sessions, sorted, each once.
    pub sessions: Vec<Box<str>>,
}

impl CloseSessions {
    /// Whether a session is among them.
    #[must_use]
    pub fn has(&self, session: &str) -> bool {
        self.sessions.binary_search_by(|one| (**one).cmp(session)).is_ok()
    }
}

/// A checked publish request: the publication without id and time, and where it goes.
#[derive(Debug, Clone)]
pub struct PublishRequest {
    /// The event's type.
    pub event_type: Box<str>,
    /// The JSON text of `data`.
    pub data: Box<str>,
    /// The time that the publisher gave.
    pub timestamp: Option<Timestamp>,
    /// Whom it goes to.
    pub target: Target,
    /// The connection that is left out.
    pub except: Option<ConnectionId>,
    /// The sessions that end with it. Boxed, since hardly a request has any.
    pub close_sessions: Option<Box<CloseSessions>>,
    /// The trace that it belongs to, where the request names a readable one.
    pub trace: Option<TraceContext>,
    /// The key under which it is kept as the state of its streams. Boxed, since few requests have any.
    pub retain: Option<Box<Retain>>,
    /// The key of a batch item.
    pub idempotency_key: Option<Box<str>>,
    /// Whether the strings of `data` are to lose their markup.
    pub sanitize: Sanitize,
    /// Whether it is for those who are there, and kept for nobody.
    pub is_transient: bool,
    /// The namespace that a named connection has to be in. The streams of the target tell theirs.
    pub namespace: Option<Box<str>>,
    /// The id that it is to have, where the publisher made one.
    pub id: Option<PublicationId>,
}

/// Whether a publisher wants the strings of `data` stripped of markup (contract: dashboard).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sanitize {
    /// They go out as they came.
    #[default]
    No,
    /// They are stripped.
    Yes,
}

/// Why a body is no publish request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not JSON, or not UTF-8.
    #[error("the body is not JSON: {0}")]
    Malformed(String),
    /// Nested deeper than [`json::MAX_DEPTH`].
    #[error("JSON nested deeper than 128 levels")]
    TooDeep,
    /// A member is missing or has the wrong shape.
    #[error("{member}: {message}")]
    Invalid {
        /// The member.
        member: &'static str,
        /// What is wrong with it, and what is accepted.
        message: String,
    },
}

fn invalid(member: &'static str, message: impl Into<String>) -> RequestError {
    RequestError::Invalid { member, message: message.into() }
}

/// The members, each still as JSON text: so an error can name the member, and `data` stays as it was sent.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default, rename = "type")]
    event_type: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    channel: Option<&'a RawValue>,
    #[serde(borrow, default)]
    channels: Option<&'a RawValue>,
    #[serde(borrow, default)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    user_ids: Option<&'a RawValue>,
    #[serde(borrow, default)]
    connection_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    queue_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow, default)]
    except_connection_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    close_sessions: Option<&'a RawValue>,
    #[serde(borrow, default)]
    traceparent: Option<&'a RawValue>,
    #[serde(borrow, default)]
    retain: Option<&'a RawValue>,
    #[serde(borrow, default)]
    idempotency_key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sanitize: Option<&'a RawValue>,
    #[serde(borrow, default)]
    transient: Option<&'a RawValue>,
    #[serde(borrow, default)]
    publication_id: Option<&'a RawValue>,
}

/// `null` is a value of `data`, and absence of everything else.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl PublishRequest {
    /// Parses the body of `POST /broadcast`.
    ///
    /// # Errors
    /// The body is not JSON, too deep, or a member has the wrong shape.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        Self::from_text(checked_text(body)?)
    }

    /// Parses one item of a batch, or a body whose encoding is known to be right.
    ///
    /// # Errors
    /// As [`PublishRequest::parse`].
    pub fn from_text(text: &str) -> Result<Self, RequestError> {
        if json::is_deeper_than(text.as_bytes(), json::MAX_DEPTH) {
            return Err(RequestError::TooDeep);
        }
        if !json::is_object(text) && serde_json::from_str::<IgnoredAny>(text).is_ok() {
            return Err(invalid("body", NOT_A_PUBLICATION));
        }
        let members: Members<'_> = serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                invalid("body", shape_of(&error))
            } else {
                RequestError::Malformed(error.to_string())
            }
        })?;
        let target = target(&members)?;
        Ok(Self {
            event_type: event_type(&members)?,
            data: members.data.map_or("{}", RawValue::get).into(),
            timestamp: members.timestamp.map(timestamp).transpose()?,
            retain: members.retain.map(|raw| retain::retain(raw, &target)).transpose()?.map(Box::new),
            target,
            except: members
                .except_connection_id
                .map(|raw| connection("except_connection_id", raw))
                .transpose()?
                .and_then(|except| match except {
                    ConnectionTarget::Id(id) => Some(id),
                    ConnectionTarget::Unknown => None,
                }),
            close_sessions: close_sessions(&members)?.map(Box::new),
            trace: members.traceparent.and_then(trace),
            idempotency_key: members
                .idempotency_key
                .map(|raw| {
                    let key = string("idempotency_key", raw)?;
                    check_idempotency_key(&key).map_err(|message| invalid("idempotency_key", message))?;
                    Ok(key.into_boxed_str())
                })
                .transpose()?,
            sanitize: members.sanitize.map_or(Ok(Sanitize::No), sanitize)?,
            is_transient: transient(&members)?,
            namespace: members.namespace.and_then(|raw| serde_json::from_str(raw.get()).ok()),
            id: members.publication_id.map(publication_id).transpose()?,
        })
    }

    /// Splits the body of `POST /broadcast/batch` into the JSON text of its items. Each is then parsed on
    /// its own, so that one that is wrong costs the others nothing.
    ///
    /// # Errors
    /// The body is not JSON, no array, or has more than [`MAX_BATCH`] items.
    pub fn split_batch(body: &[u8]) -> Result<Vec<&str>, RequestError> {
        let text = checked_text(body)?;
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                invalid("body", "a batch is an array of publications")
            } else {
                RequestError::Malformed(error.to_string())
            }
        })?;
        if items.len() > MAX_BATCH {
            return Err(invalid("body", format!("a batch has at most {MAX_BATCH} publications")));
        }
        Ok(items.into_iter().map(RawValue::get).collect())
    }

    /// The publication, with an id, and with `now` where the publisher gave no time. Sessions to close, the trace
    /// and what is retained stay behind.
    #[must_use]
    pub fn into_publication(
        self,
        id: PublicationId,
        now: Timestamp,
    ) -> (Publication, Target, Option<ConnectionId>) {
        let timestamp = self.timestamp.unwrap_or(now);
        (
            Publication { id, event_type: self.event_type, data: self.data, timestamp },
            self.target,
            self.except,
        )
    }
}

/// Checks an idempotency key, from a header or a batch item: 1–255 visible characters.
///
/// # Errors
/// A message that says what is accepted.
pub fn check_idempotency_key(key: &str) -> Result<(), &'static str> {
    let visible = |byte: u8| (0x21..=0x7e).contains(&byte) || byte == b' ';
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY || !key.bytes().all(visible) {
        return Err("an idempotency key has 1 to 255 printable ASCII characters");
    }
    Ok(())
}

fn checked_text(body: &[u8]) -> Result<&str, RequestError> {
    simdutf8::basic::from_utf8(body).map_err(|_| RequestError::Malformed("it is not UTF-8".into()))
}

const NOT_A_PUBLICATION: &str = "a publication is a JSON object with at least the member type";

/// serde's message for a wrong shape without its position.
fn shape_of(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.split_once(" at line ") {
        Some((what, _)) if what.contains("duplicate field") => what.to_owned(),
        _ => NOT_A_PUBLICATION.into(),
    }
}

fn sanitize(raw: &RawValue) -> Result<Sanitize, RequestError> {
    match serde_json::from_str(raw.get()) {
        Ok(true) => Ok(Sanitize::Yes),
        Ok(false) => Ok(Sanitize::No),
        Err(_) => Err(invalid("sanitize", "must be true or false")),
    }
}

fn transient(members: &Members<'_>) -> Result<bool, RequestError> {
    let Some(raw) = members.transient else { return Ok(false) };
    let is_transient =
        serde_json::from_str(raw.get()).map_err(|_| invalid("transient", "must be true or false"))?;
    if is_transient && members.retain.is_some() {
        return Err(invalid("transient", "is kept for nobody, so it can't be retained"));
    }
    Ok(is_transient)
}

fn event_type(members: &Members<'_>) -> Result<Box<str>, RequestError> {
    let raw = members.event_type.ok_or_else(|| invalid("type", "is required"))?;
    let text = string("type", raw)?;
    if text.is_empty() || text.len() > MAX_TYPE {
        return Err(invalid("type", format!("has 1 to {MAX_TYPE} bytes")));
    }
    if members.namespace.is_some() && socketio::is_reserved(&text) {
        return Err(invalid("type", "is a name that Socket.IO keeps for itself"));
    }
    Ok(text.into_boxed_str())
}

fn publication_id(raw: &RawValue) -> Result<PublicationId, RequestError> {
    const MEMBER: &str = "publication_id";
    PublicationId::parse(&string(MEMBER, raw)?).filter(|id| id.is_of_version_7()).ok_or_else(|| {
        invalid(MEMBER, "is a UUID of version 7, such as 019a3f5e-7b00-7c31-9d0f-2f6f3a1c4e55")
    })
}

fn timestamp(raw: &RawValue) -> Result<Timestamp, RequestError> {
    Timestamp::parse(&string("timestamp", raw)?)
        .ok_or_else(|| invalid("timestamp", "is an ISO 8601 date and time, such as 2025-11-01T12:00:00.000Z"))
}

fn string(member: &'static str, raw: &RawValue) -> Result<String, RequestError> {
    serde_json::from_str(raw.get()).map_err(|_| invalid(member, "must be a string"))
}

fn connection(member: &'static str, raw: &RawValue) -> Result<ConnectionTarget, RequestError> {
    let text = string(member, raw)?;
    Ok(ConnectionId::parse(&text).map_or(ConnectionTarget::Unknown, ConnectionTarget::Id))
}

fn channel(member: &'static str, name: &str) -> Result<Stream, RequestError> {
    ChannelName::new(name).map(Stream::channel).map_err(|error| invalid(member, error.to_string()))
}

fn user(member: &'static str, raw: &RawValue) -> Result<Stream, RequestError> {
    UserId::from_json(raw.get())
        .map(|id| Stream::user(&id))
        .map_err(|error| invalid(member, error.to_string()))
}

/// The elements of a list that are not `null`: a party that is null addresses nobody.
fn list<'a>(member: &'static str, raw: &'a RawValue) -> Result<Vec<&'a RawValue>, RequestError> {
    let items: Vec<Option<&'a RawValue>> =
        serde_json::from_str(raw.get()).map_err(|_| invalid(member, "must be an array"))?;
    if items.len() > MAX_TARGETS {
        return Err(invalid(member, format!("has at most {MAX_TARGETS} elements")));
    }
    Ok(items.into_iter().flatten().collect())
}

/// A trace that cannot be read is none.
fn trace(raw: &RawValue) -> Option<TraceContext> {
    TraceContext::parse(&serde_json::from_str::<String>(raw.get()).ok()?)
}

fn close_sessions(members: &Members<'_>) -> Result<Option<CloseSessions>, RequestError> {
    const MEMBER: &str = "close_sessions";
    let Some(raw) = members.close_sessions else { return Ok(None) };
    let mut sessions: Vec<Box<str>> =
        serde_json::from_str(raw.get()).map_err(|_| invalid(MEMBER, "must be an array of strings"))?;
    if sessions.len() > MAX_SESSIONS {
        return Err(invalid(MEMBER, format!("has at most {MAX_SESSIONS} elements")));
    }
    for session in &sessions {
        check_session(session).map_err(|error| invalid(MEMBER, error.to_string()))?;
    }
    sessions.sort_unstable();
    sessions.dedup();
    if members.user_id.is_none() && members.user_ids.is_none() {
        return Err(invalid(MEMBER, "needs user_id or user_ids: the users whose sessions they are"));
    }
    let mut users =
        members.user_id.map(|raw| user("user_id", raw)).transpose()?.into_iter().collect::<Vec<_>>();
    for item in members.user_ids.map(|raw| list("user_ids", raw)).transpose()?.unwrap_or_default() {
        users.push(user("user_ids", item)?);
    }
    users.sort_unstable();
    users.dedup();
    Ok(Some(CloseSessions { users, sessions }))
}

/// The namespace alone, or the part of what is named that is in it.
fn in_namespace(raw: &RawValue, streams: &mut Vec<Stream>, is_narrowed: bool) -> Result<(), RequestError> {
    let namespace = string("namespace", raw)?;
    if !is_namespace(&namespace) {
        return Err(invalid("namespace", "begins with / and has at most 200 bytes of A-Z a-z 0-9 _ - . /"));
    }
    if is_narrowed {
        streams.iter_mut().for_each(|stream| *stream = stream.in_namespace(&namespace));
    } else {
        streams.push(Stream::namespace(&namespace));
    }
    Ok(())
}

fn target(members: &Members<'_>) -> Result<Target, RequestError> {
    let mut streams = Vec::new();
    let mut named = false;
    if let Some(raw) = members.channel {
        named = true;
        streams.push(channel("channel", &string("channel", raw)?)?);
    }
    if let Some(raw) = members.channels {
        named = true;
        for item in list("channels", raw)? {
            streams.push(channel("channels", &string("channels", item)?)?);
        }
    }
    if let Some(raw) = members.user_id {
        named = true;
        streams.push(user("user_id", raw)?);
    }
    if let Some(raw) = members.user_ids {
        named = true;
        for item in list("user_ids", raw)? {
            streams.push(user("user_ids", item)?);
        }
    }
    if let Some(raw) = members.queue_id {
        named = true;
        let queue = UserId::from_json(raw.get())
            .map_err(|_| invalid("queue_id", "must be a string or an integer"))?;
        streams.push(channel("queue_id", &format!("queue:{queue}"))?);
    }
    let connection = members.connection_id.map(|raw| connection("connection_id", raw)).transpose()?;
    if let Some(raw) = members.namespace {
        in_namespace(raw, &mut streams, named || connection.is_some())?;
        named = true;
    }
    if connection.is_none() && !named {
        return Ok(Target::Everyone);
    }
    if streams.len() > 1 {
        streams.sort_unstable();
        streams.dedup();
    }
    Ok(Target::Named(Audience { streams, connection }))
}

#[cfg(test)]
mod tests;
