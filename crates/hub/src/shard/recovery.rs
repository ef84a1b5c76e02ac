//! What a connection has that asked for recovery, and how events look to it: each with its places.
//!
//! An event is for it live only if it is behind what replay has told or will tell. So while a replay lasts
//! [`Recovery::floor`] is out of reach, and live events of streams that keep theirs are read from history later.
//! Not here: the replay itself (`replay`).

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use protocol::websocket::text_frame;
use protocol::{Epoch, Position, events};
use smallvec::SmallVec;

use super::connection::{Connection, Counts, Sent};
use super::lists::Lists;
use super::replay::Replay;
use super::returning::Tracked;
use crate::encoded::{Encoded, Seen, StreamKey, payload};
use crate::limits::Limits;
use crate::link::Link;
use crate::metrics::Metrics;
use crate::wire::Wire;

/// The state of recovery of one connection; 48 bytes, so 64 with what the allocator adds.
#[derive(Debug)]
pub(super) struct Recovery {
    /// Live events up to this number are not for it, where a stream keeps them: replay has told them. All are, while
    /// a replay lasts.
    pub(super) floor: u64,
    /// Events of streams that keep none are not for it up to this number: it had them, or they were before it asked.
    pub(super) began: u64,
    /// It has had what came behind this number in its streams, but for those that [`Details::since`] names: 0 where it
    /// came with positions, else when it first asked.
    pub(super) since: u64,
    /// Which of its tokens is the valid one.
    pub(super) generation: u32,
    /// Events that it got as itself alone.
    pub(super) own: u32,
    /// What it still has to be told of the past.
    pub(super) replay: Option<Box<Replay>>,
    /// What hardly a connection has.
    pub(super) details: Option<Box<Details>>,
}

/// What only some of those have that asked for recovery.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// Where a client of server-sent events stands, which each message tells it.
    pub(super) trail: Option<Trail>,
    /// Streams of which it has had what came behind another number than [`Recovery::since`].
    pub(super) since: Vec<(Arc<StreamKey>, u64)>,
    /// What has reached a client that comes back by its connection's id.
    pub(super) tracked: Option<Tracked>,
}

impl Recovery {
    /// Of a socket that waits to be let in: nothing is for it before that.
    pub(super) const fn entering() -> Self {
        let (floor, began) = (REPLAYING, u64::MAX);
        Self { floor, began, since: 0, generation: 0, own: 0, replay: None, details: None }
    }

    /// Whether it is a socket that waits to be let in.
    pub(super) const fn is_entering(&self) -> bool {
        self.began == u64::MAX
    }

    /// The number in the hub's order behind which it has had a stream's events.
    pub(super) fn since(&self, stream: &Arc<StreamKey>) -> u64 {
        let named = self.details.iter().flat_map(|details| &details.since);
        named.into_iter().find(|(key, _)| Arc::ptr_eq(key, stream)).map_or(self.since, |(_, since)| *since)
    }

    /// It no longer follows a stream, of which nothing more is read for it. Returns whether something may be lost by that.
    pub(super) fn leave(&mut self, stream: &str) -> bool {
        if let Some(details) = &mut self.details {
            details.since.retain(|(key, _)| key.name != stream);
            if let Some(tracked) = &mut details.tracked {
                tracked.leave(stream);
            }
        }
        self.replay.as_mut().is_some_and(|replay| replay.leave(stream))
    }

    /// What has reached a client that comes back by its connection's id.
    pub(super) fn tracked(&self) -> Option<&Tracked> {
        self.details.as_ref()?.tracked.as_ref()
    }

    /// The same, to be changed.
    pub(super) fn tracked_mut(&mut self) -> Option<&mut Tracked> {
        self.details.as_mut()?.tracked.as_mut()
    }

    /// Where a client of server-sent events stands.
    pub(super) fn trail(&self) -> Option<&Trail> {
        self.details.as_ref()?.trail.as_ref()
    }
}

/// The floor while a replay lasts.
pub(super) const REPLAYING: u64 = u64::MAX;

/// The positions that a client of server-sent events holds.
#[derive(Debug, Default)]
pub(super) struct Trail(Vec<(CompactString, Epoch, u64)>);

impl Trail {
    /// It stands here.
    pub(super) fn put(&mut self, stream: &str, position: Position) {
        match self.0.iter_mut().find(|(name, ..)| name == stream) {
            Some(place) => (place.1, place.2) = (position.epoch, position.offset),
            None => self.0.push((stream.into(), position.epoch, position.offset)),
        }
    }

    fn advance(&mut self, stream: &str, offset: u64) {
        if let Some(place) = self.0.iter_mut().find(|(name, ..)| name == stream) {
            place.2 = place.2.max(offset);
        }
    }

    fn positions(&self) -> impl Iterator<Item = (&str, Position)> {
        self.0
            .iter()
            .map(|(name, epoch, offset)| (name.as_str(), Position { epoch: *epoch, offset: *offset }))
    }
}

/// Which of an event's places a connection sees.
pub(super) fn seen<L>(connection: &Connection<L>, lists: &Lists, encoded: &Encoded) -> Seen {
    if encoded.places().is_empty() {
        return Seen::new();
    }
    encoded.seen_by(connection.follows.iter().map(|follow| lists.get(follow.list()).entry.name()))
}

/// An event as this connection gets it.
pub(super) fn placed_frame<L>(
    connection: &mut Connection<L>,
    encoded: &Encoded,
    seen: &Seen,
    metrics: &Metrics,
) -> Bytes {
    let wire = match connection.wire {
        Wire::Events => Wire::Placed,
        // A batch is packed as a whole.
        wire if connection.is_batching => wire.plain(),
        wire => wire,
    };
    let Some(recovery) = &mut connection.recovery else { return encoded.frame(wire, metrics).clone() };
    let frame = encoded.placed(wire, seen, metrics).unwrap_or_else(|| {
        recovery.own = recovery.own.wrapping_add(1);
        // The low bits of a connection's id are random, so no two connections have one epoch by more than chance.
        #[expect(clippy::cast_possible_truncation, reason = "an epoch has 48 bits")]
        let epoch = Epoch::from_bits(connection.id.as_u128() as u64);
        encoded.own(Position { epoch, offset: u64::from(recovery.own) }, wire, metrics)
    });
    if connection.wire != Wire::Events {
        return frame;
    }
    let trail = recovery.details.get_or_insert_default().trail.get_or_insert_default();
    for &place in seen {
        let place = &encoded.places()[place];
        trail.advance(&place.stream.name, place.offset);
    }
    events::message(payload(&frame), trail.positions()).into()
}

/// Events as a connection gets them.
pub(super) fn placed_frames<L>(
    connection: &mut Connection<L>,
    lists: &Lists,
    events: &[Arc<Encoded>],
    metrics: &Metrics,
) -> SmallVec<[Bytes; 8]> {
    events
        .iter()
        .map(|event| {
            let seen = seen(connection, lists, event);
            placed_frame(connection, event, &seen, metrics)
        })
        .collect()
}

/// A text that is no event, as this connection gets it.
pub(super) fn text<L>(connection: &Connection<L>, text: &[u8]) -> Bytes {
    if connection.wire != Wire::Events {
        return text_frame(text);
    }
    let trail = connection.recovery.as_ref().and_then(|recovery| recovery.trail());
    events::message(text, trail.into_iter().flat_map(Trail::positions)).into()
}

/// Writes frames in one go.
pub(super) fn send_frames<L: Link>(
    connection: &mut Connection<L>,
    frames: &SmallVec<[Bytes; 8]>,
    scratch: &mut Vec<u8>,
    limits: &Limits,
    counts: &mut Counts,
) -> Sent {
    match &frames[..] {
        [] => Sent::Written,
        [frame] => connection.send_one(frame, limits, counts),
        frames => {
            scratch.clear();
            frames.iter().for_each(|frame| scratch.extend_from_slice(frame));
            connection.send(scratch, frames.iter(), limits, counts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_costs_a_connection_at_most_64_bytes() {
        // With the eight bytes of the pointer to it, and those of the allocator.
        assert!(size_of::<Recovery>() + 16 <= 64);
    }
}
