//! What clients of `/ws` send, read once into a frame with a type of its own.
//!
//! Not here: whether channel names are valid and allowed, and what positions and tokens are worth (the engine decides).

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::ErrorCode;
use super::given::{self, MAX_OFFSET, Positions};
use crate::id::PublicationId;
use crate::json;

/// How many events a page of history has when the client does not say (contract: recovery, Frames).
pub const DEFAULT_HISTORY_LIMIT: u32 = 50;

/// How many events a page of history has at most, whatever the client says: as many as a channel keeps by default.
pub const MAX_HISTORY_LIMIT: u32 = 1_000;

/// How many events one `ack` may name: their ids take 39 of the 64 KiB that a message may have.
pub const MAX_ACK_IDS: usize = 1_000;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame<'a> {
    /// Follow channels.
    Subscribe(Subscribe<'a>),
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
    /// Go on where a connection that dropped was.
    Resume {
        /// The token that the connection was last given.
        token: Cow<'a, str>,
        /// What the client has had; empty where it does not say.
        positions: Positions<'a>,
    },
    /// Tell a channel's last events.
    History {
        /// The channel; its name is still unchecked.
        channel: Cow<'a, str>,
        /// How many events at most, 1 to [`MAX_HISTORY_LIMIT`].
        limit: u32,
        /// Only events with a smaller offset than this.
        before: Option<u64>,
    },
    /// Tell who is in a channel.
    Presence {
        /// The channel; its name is still unchecked.
        channel: Cow<'a, str>,
        /// Whether changes are to be told too.
        watch: Watch,
    },
    /// These events were shown.
    Ack {
        /// Their ids, 1 to [`MAX_ACK_IDS`], in the client's order.
        ids: Vec<PublicationId>,
    },
}

/// A wish to follow channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// The channels; their names are still unchecked.
    pub channels: Vec<Cow<'a, str>>,
    /// Where the client asks for recovery: what it has had, which is nothing on its first time.
    pub recovery: Option<Positions<'a>>,
}

/// Whether a client wants to be told of changes of presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// The answer alone; a watch that it has stays.
    Once,
    /// From now on.
    Begin,
    /// No longer.
    End,
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
    const fn json(message: &'static str) -> Self {
        Self { code: ErrorCode::InvalidJson, message: Cow::Borrowed(message) }
    }

    pub(super) const fn shape(message: &'static str) -> Self {
        Self { code: ErrorCode::InvalidFrame, message: Cow::Borrowed(message) }
    }

    fn unknown_type(kind: &str) -> Self {
        let shown: String = kind.chars().filter(|c| !c.is_control()).take(40).collect();
        let message = format!(
            "unknown type \"{shown}\"; known are subscribe, unsubscribe, ping, refresh, resume, history, presence, ack"
        );
        Self { code: ErrorCode::UnknownType, message: message.into() }
    }
}

/// The members that mean something in one frame or another, each still as JSON text; `null` is absent.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Members<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    channels: Option<&'a RawValue>,
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    recoverable: Option<&'a RawValue>,
    #[serde(borrow)]
    positions: Option<&'a RawValue>,
    #[serde(borrow)]
    limit: Option<&'a RawValue>,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    watch: Option<&'a RawValue>,
    #[serde(borrow)]
    ids: Option<&'a RawValue>,
}

/// Text that borrows from the frame where it has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The value of a JSON integer that is not negative; one that is too large for its type is the largest.
pub(super) fn integer(raw: &RawValue) -> Option<u64> {
    let digits = raw.get();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().unwrap_or(u64::MAX))
}

impl<'a> ClientFrame<'a> {
    /// Reads a frame's text. Every member may stand at the top level or inside `data`; the top level wins.
    ///
    /// # Errors
    /// The code and message of the error frame that answers it.
    pub fn parse(text: &'a str) -> Result<Self, FrameError> {
        if json::is_deeper_than(text.as_bytes(), json::MAX_DEPTH) {
            return Err(FrameError::json("JSON nested deeper than 128 levels"));
        }
        let wrong_shape =
            FrameError::shape("a frame is a JSON object with the member type, each member once");
        if !json::is_object(text) && serde_json::from_str::<IgnoredAny>(text).is_ok() {
            return Err(wrong_shape);
        }
        let head: Members<'a> = serde_json::from_str(text).map_err(|error| {
            if error.is_data() { wrong_shape } else { FrameError::json("the frame is not JSON") }
        })?;
        let kind = head.kind.ok_or(FrameError::shape("type is required"))?;
        let Text(kind) =
            serde_json::from_str(kind.get()).map_err(|_| FrameError::shape("type must be a string"))?;
        if kind == "ping" {
            return Ok(Self::Ping { data: head.data.map(RawValue::get) });
        }
        let body = Body::new(head);
        match &*kind {
            "subscribe" => Ok(Self::Subscribe(Subscribe {
                channels: body.channels()?,
                recovery: if body.recoverable()? { Some(body.positions()?) } else { None },
            })),
            "unsubscribe" => Ok(Self::Unsubscribe(body.channels()?)),
            "refresh" => Ok(Self::Refresh { token: body.token()? }),
            "resume" => Ok(Self::Resume { token: body.token()?, positions: body.positions()? }),
            "history" => {
                Ok(Self::History { channel: body.channel()?, limit: body.limit()?, before: body.before()? })
            }
            "presence" => Ok(Self::Presence { channel: body.channel()?, watch: body.watch()? }),
            "ack" => Ok(Self::Ack { ids: body.ids()? }),
            other => Err(FrameError::unknown_type(other)),
        }
    }
}

/// A frame's members at both places.
struct Body<'a> {
    top: Members<'a>,
    inner: Members<'a>,
}

impl<'a> Body<'a> {
    /// With the members inside `data`, none where it is no object.
    fn new(top: Members<'a>) -> Self {
        let data = top.data.map(RawValue::get).filter(|data| json::is_object(data));
        let inner = data.and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
        Self { top, inner }
    }

    /// A member, of the top level where it is there.
    fn member(&self, pick: impl Fn(&Members<'a>) -> Option<&'a RawValue>) -> Option<&'a RawValue> {
        pick(&self.top).or_else(|| pick(&self.inner))
    }

    fn channels(&self) -> Result<Vec<Cow<'a, str>>, FrameError> {
        let raw = self.member(|members| members.channels.or(members.channel));
        let raw = raw.ok_or(FrameError::shape("channels is required"))?.get();
        let wrong_shape = |_| FrameError::shape("channels must be a string or an array of strings");
        if raw.starts_with('"') {
            let Text(name) = serde_json::from_str(raw).map_err(wrong_shape)?;
            return Ok(vec![name]);
        }
        let names: Vec<Text<'a>> = serde_json::from_str(raw).map_err(wrong_shape)?;
        Ok(names.into_iter().map(|Text(name)| name).collect())
    }

    fn channel(&self) -> Result<Cow<'a, str>, FrameError> {
        let raw = self.member(|members| members.channel).ok_or(FrameError::shape("channel is required"))?;
        text(raw, "channel must be a string")
    }

    fn token(&self) -> Result<Cow<'a, str>, FrameError> {
        let raw = self.member(|members| members.token).ok_or(FrameError::shape("token is required"))?;
        text(raw, "token must be a string")
    }

    fn recoverable(&self) -> Result<bool, FrameError> {
        let raw = self.member(|members| members.recoverable);
        raw.map_or(Ok(false), |raw| truth(raw, "recoverable must be true or false"))
    }

    fn positions(&self) -> Result<Positions<'a>, FrameError> {
        self.member(|members| members.positions).map_or_else(|| Ok(Vec::new()), given::positions)
    }

    fn limit(&self) -> Result<u32, FrameError> {
        let Some(raw) = self.member(|members| members.limit) else { return Ok(DEFAULT_HISTORY_LIMIT) };
        match integer(raw) {
            None | Some(0) => Err(FrameError::shape("limit must be an integer from 1 to 1000")),
            Some(limit) => {
                Ok(u32::try_from(limit).map_or(MAX_HISTORY_LIMIT, |limit| limit.min(MAX_HISTORY_LIMIT)))
            }
        }
    }

    fn before(&self) -> Result<Option<u64>, FrameError> {
        let Some(raw) = self.member(|members| members.before) else { return Ok(None) };
        let offset = integer(raw).filter(|&offset| offset <= MAX_OFFSET);
        offset
            .map(Some)
            .ok_or(FrameError::shape("before must be an offset, an integer from 0 to 9007199254740991"))
    }

    fn watch(&self) -> Result<Watch, FrameError> {
        let Some(raw) = self.member(|members| members.watch) else { return Ok(Watch::Once) };
        Ok(if truth(raw, "watch must be true or false")? { Watch::Begin } else { Watch::End })
    }

    fn ids(&self) -> Result<Vec<PublicationId>, FrameError> {
        const WRONG_SHAPE: FrameError = FrameError::shape("ids must be an array of 1 to 1000 ids of events");
        let raw = self.member(|members| members.ids).ok_or(FrameError::shape("ids is required"))?;
        let ids: Vec<Text<'a>> = serde_json::from_str(raw.get()).map_err(|_| WRONG_SHAPE)?;
        if !(1..=MAX_ACK_IDS).contains(&ids.len()) {
            return Err(WRONG_SHAPE);
        }
        ids.iter().map(|Text(id)| PublicationId::parse(id).ok_or(WRONG_SHAPE)).collect()
    }
}

fn text<'a>(raw: &'a RawValue, wrong_shape: &'static str) -> Result<Cow<'a, str>, FrameError> {
    match serde_json::from_str(raw.get()) {
        Ok(Text(text)) => Ok(text),
        Err(_) => Err(FrameError::shape(wrong_shape)),
    }
}

fn truth(raw: &RawValue, wrong_shape: &'static str) -> Result<bool, FrameError> {
    serde_json::from_str(raw.get()).map_err(|_| FrameError::shape(wrong_shape))
}
