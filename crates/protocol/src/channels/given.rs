//! `positions` as clients give them: read and bounded, but not yet believed.
//!
//! Not here: whether a position can be recovered, and whether the client may have the stream (the engine decides).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::client::{FrameError, Text, integer};
use crate::json;
use crate::position::Epoch;

/// How many streams `positions` may name: ten times the channels of a connection at their default.
pub const MAX_POSITIONS: usize = 1_000;

/// The largest offset that a client may give: 2^53 − 1, since a number in JavaScript is exact up to there.
pub const MAX_OFFSET: u64 = (1 << 53) - 1;

/// Streams, each once, and where the client says that it stands in them. The names are still unchecked.
pub type Positions<'a> = Vec<(Cow<'a, str>, GivenPosition)>;

/// A position that a client gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenPosition {
    /// The epoch; none where the text is no epoch of ours, so that it is another one than the stream's.
    pub epoch: Option<Epoch>,
    /// The offset, at most [`MAX_OFFSET`].
    pub offset: u64,
}

const WRONG_SHAPE: &str = "positions must be an object of streams, each with an epoch (a string) and an offset (an integer from 0 to 9007199254740991)";

/// A position's members.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    epoch: Text<'a>,
    #[serde(borrow)]
    offset: &'a RawValue,
}

/// The members of an object in their order, and whether there were more than [`MAX_POSITIONS`].
struct Streams<'a> {
    named: Vec<(Cow<'a, str>, &'a RawValue)>,
    too_many: bool,
}

impl<'de> Deserialize<'de> for Streams<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Streams<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of streams")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut named = Vec::new();
                while named.len() < MAX_POSITIONS {
                    let Some((Text(stream), position)) = map.next_entry()? else {
                        return Ok(Streams { named, too_many: false });
                    };
                    named.push((stream, position));
                }
                let too_many = map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some();
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Streams { named, too_many })
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Reads the JSON text of `positions`.
pub(super) fn positions<'a>(raw: &'a RawValue) -> Result<Positions<'a>, FrameError> {
    let wrong_shape = || FrameError::shape(WRONG_SHAPE);
    let streams: Streams<'a> = serde_json::from_str(raw.get()).map_err(|_| wrong_shape())?;
    if streams.too_many {
        return Err(FrameError::shape("positions names at most 1000 streams"));
    }
    let mut positions = Vec::with_capacity(streams.named.len());
    for (stream, position) in streams.named {
        positions.push((stream, given(position).ok_or_else(wrong_shape)?));
    }
    let mut seen = HashSet::with_capacity(positions.len());
    if !positions.iter().all(|(stream, _)| seen.insert(&**stream)) {
        return Err(FrameError::shape("positions names each stream once"));
    }
    Ok(positions)
}

fn given(raw: &RawValue) -> Option<GivenPosition> {
    if !json::is_object(raw.get()) {
        return None;
    }
    let Members { epoch: Text(epoch), offset } = serde_json::from_str(raw.get()).ok()?;
    let offset = integer(offset).filter(|&offset| offset <= MAX_OFFSET)?;
    Some(GivenPosition { epoch: Epoch::parse(&epoch), offset })
}
