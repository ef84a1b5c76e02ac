//! Reading history: where a client stands, what it missed in the hub's order, and pages of the past.

use std::sync::Arc;

use protocol::Position;
use protocol::channels::GivenPosition;
use protocol::timestamp::Timestamp;

use super::{History, StreamIndex};
use crate::encoded::{Encoded, StreamKey};
use crate::operator::HistoryInfo;

/// What a look at one cursor counts for in a read, in bytes: so a read is bounded in time too, where a client has a hundred
/// streams and has had what is in them, and the hub's order is not held for longer.
const LOOK: usize = 8;

/// Where a replay stands in one stream.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    pub(crate) stream: StreamIndex,
    pub(crate) key: Arc<StreamKey>,
    /// Events up to here are done with. The client has had only some of them: it still gets the others if it missed
    /// them in another stream.
    pub(crate) offset: u64,
    /// It has had those up to this offset.
    pub(crate) had_to: u64,
    /// It has had those behind this number in the hub's order.
    pub(crate) since: u64,
    /// And up to this one: where the stream is not read, others may still be on their way.
    pub(crate) until: u64,
    /// What is in it behind this number did not come live, but waits for its turn in the replay: also where it is in a
    /// stream, too, that is not read.
    pub(crate) held_from: u64,
    /// Whether the stream is read. Not where it keeps nothing, and not once the client has left it.
    pub(crate) is_read: bool,
}

impl Cursor {
    /// Whether the client has had an event with that number, which stands at this offset.
    pub(crate) fn has_had(&self, offset: u64, seq: u64) -> bool {
        offset <= self.offset && (offset <= self.had_to || seq > self.since && seq <= self.until)
    }

    /// Whether an event is still to be read here, and did not come live for that.
    fn holds(&self, event: &Encoded) -> bool {
        let is_ahead = || event.offset_in(&self.key).is_some_and(|offset| offset > self.offset);
        self.is_read && event.seq() > self.held_from && is_ahead()
    }
}

/// Whether a client's position can be gone on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Located {
    /// All that came after it is there.
    Here,
    /// Another epoch, an offset of the future, or history that no longer reaches back.
    Lost,
}

/// What one read of a replay came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// There is more.
    More,
    /// Nothing more is there for now.
    End,
    /// What comes next in a stream is no longer kept.
    Lost,
}

/// A page of a stream's past.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) key: Arc<StreamKey>,
    /// Events with their offsets, newest first.
    pub(crate) events: Vec<(Arc<Encoded>, u64)>,
    /// Whether older ones are kept.
    pub(crate) has_more: bool,
}

/// A piece of a stream behind a position.
#[derive(Debug)]
pub(crate) struct Ahead {
    pub(crate) key: Arc<StreamKey>,
    /// The offset of the stream's last event.
    pub(crate) end: u64,
    /// Whether it goes on right behind the position, where one was given.
    pub(crate) recovered: bool,
    /// Events with their offsets, oldest first.
    pub(crate) events: Vec<(u64, Arc<Encoded>)>,
}

impl History {
    /// A stream's key and end.
    pub(crate) fn end(&self, index: StreamIndex) -> (Arc<StreamKey>, Position) {
        let stream = self.stream(index);
        (Arc::clone(&stream.key), Position { epoch: stream.key.epoch, offset: stream.end })
    }

    /// Whether a client can go on from a position.
    pub(crate) fn locate(&mut self, index: StreamIndex, given: GivenPosition, now: Timestamp) -> Located {
        self.trim(index, now);
        let stream = self.stream(index);
        let is_here = given.epoch == Some(stream.key.epoch)
            && given.offset <= stream.end
            && given.offset >= stream.floor();
        if is_here { Located::Here } else { Located::Lost }
    }

    /// The offset before the first event that a stream keeps.
    pub(crate) fn floor(&self, index: StreamIndex) -> u64 {
        self.stream(index).floor()
    }

    /// The number of the event behind an offset of a stream; none where there is none.
    pub(crate) fn seq_behind(&self, index: StreamIndex, offset: u64) -> Option<u64> {
        let stream = self.stream(index);
        let behind = usize::try_from(offset.checked_sub(stream.floor())?).ok()?;
        stream.ring.get(behind).map(|event| event.seq())
    }

    /// The offset of the last event of a stream with a number up to `seq`; none where it can no longer be told.
    pub(crate) fn offset_at(&self, index: StreamIndex, seq: u64) -> Option<u64> {
        let stream = self.stream(index);
        if stream.rule.is_none() {
            return Some(stream.end);
        }
        let after = stream.ring.len() - stream.ring.partition_point(|event| event.seq() <= seq);
        let is_known = after < stream.ring.len() || stream.dropped <= seq;
        is_known.then_some(stream.end - after as u64)
    }

    /// The offset up to which somebody has had a stream who has had all that has a number up to `seq`; none where that can
    /// no longer be told.
    pub(crate) fn reached_at(&self, index: StreamIndex, seq: u64) -> Option<u64> {
        let stream = self.stream(index);
        if stream.rule.is_none() {
            return (stream.dropped <= seq).then_some(stream.end);
        }
        self.offset_at(index, seq)
    }

    /// Takes the next events that `cursors` have not passed into `out`, in the hub's order, until they weigh about `most`
    /// bytes; `wants` leaves single events out.
    pub(crate) fn read(
        &self,
        cursors: &mut [Cursor],
        most: usize,
        wants: impl Fn(&Encoded) -> bool,
        out: &mut Vec<Arc<Encoded>>,
    ) -> Read {
        let mut weight = 0;
        while weight < most {
            let mut next: Option<(u64, usize)> = None;
            for (place, cursor) in cursors.iter().enumerate().filter(|(_, cursor)| cursor.is_read) {
                let stream = self.stream(cursor.stream);
                if !Arc::ptr_eq(&stream.key, &cursor.key) && stream.key.epoch != cursor.key.epoch {
                    return Read::Lost;
                }
                if cursor.offset >= stream.end {
                    continue;
                }
                let Some(behind) = cursor.offset.checked_sub(stream.floor()) else { return Read::Lost };
                let event = usize::try_from(behind).ok().and_then(|behind| stream.ring.get(behind));
                let Some(event) = event else { return Read::Lost };
                if next.is_none_or(|(seq, _)| event.seq() < seq) {
                    next = Some((event.seq(), place));
                }
            }
            let Some((_, place)) = next else { return Read::End };
            let stream = self.stream(cursors[place].stream);
            let Some(event) = usize::try_from(cursors[place].offset - stream.floor())
                .ok()
                .and_then(|behind| stream.ring.get(behind))
            else {
                return Read::Lost;
            };
            // Also what is left out is work that others wait for.
            weight += cursors.len() * LOOK;
            let is_held = cursors.iter().any(|cursor| cursor.holds(event));
            let mut is_had = false;
            for (n, cursor) in cursors.iter_mut().enumerate() {
                match event.offset_in(&cursor.key) {
                    Some(offset) => {
                        let is_live = cursor.is_read || !is_held || offset <= cursor.had_to;
                        is_had |= is_live && cursor.has_had(offset, event.seq());
                        cursor.offset = cursor.offset.max(offset);
                    }
                    // It stands in this ring, so it is this stream's whatever its places say: never read it for ever.
                    None if n == place => cursor.offset += 1,
                    None => {}
                }
            }
            if !is_had && wants(event) {
                weight += event.weight();
                out.push(Arc::clone(event));
            }
        }
        Read::More
    }

    /// The last `most` events of a stream before the offset `before`, of `bytes` at most but for the first of them.
    pub(crate) fn page(
        &mut self,
        name: &str,
        before: Option<u64>,
        most: usize,
        bytes: usize,
        now: Timestamp,
    ) -> Option<Page> {
        let index = self.find(name)?;
        self.trim(index, now);
        let stream = self.stream(index);
        let last = before.map_or(stream.end, |before| before.saturating_sub(1).min(stream.end));
        let kept =
            usize::try_from(last.saturating_sub(stream.floor())).unwrap_or(usize::MAX).min(stream.ring.len());
        let mut weight = 0;
        let mut events = Vec::new();
        let mut has_more = false;
        for (event, offset) in stream.ring.range(..kept).rev().zip((stream.floor() + 1..=last).rev()) {
            weight += event.weight();
            if events.len() >= most || !events.is_empty() && weight > bytes {
                has_more = true;
                break;
            }
            events.push((Arc::clone(event), offset));
        }
        Some(Page { key: Arc::clone(&stream.key), events, has_more })
    }

    /// The first `most` events of a stream behind a position, of `bytes` at most but for the first of them. Where it can't go
    /// on there, and where there is no position, it begins with the oldest that is kept.
    pub(crate) fn after(
        &mut self,
        index: StreamIndex,
        after: Option<Position>,
        most: usize,
        bytes: usize,
        now: Timestamp,
    ) -> Ahead {
        self.trim(index, now);
        let stream = self.stream(index);
        let is_here = |at: &Position| {
            at.epoch == stream.key.epoch && (stream.floor()..=stream.end).contains(&at.offset)
        };
        let from = after.filter(is_here).map_or(stream.floor(), |at| at.offset);
        let skipped = usize::try_from(from - stream.floor()).unwrap_or(usize::MAX);
        let mut weight = 0;
        let is_in = |&(n, event): &(usize, &Arc<Encoded>)| {
            weight += event.weight();
            n == 0 || weight <= bytes
        };
        let events = stream.ring.range(skipped..).take(most).enumerate().take_while(is_in);
        let events = events.map(|(n, event)| (from + 1 + n as u64, Arc::clone(event))).collect();
        let recovered = after.is_none_or(|at| is_here(&at));
        Ahead { key: Arc::clone(&stream.key), end: stream.end, recovered, events }
    }

    /// Calls `visit` with the name of each stream that had an event.
    pub(crate) fn for_each_name(&self, visit: &mut impl FnMut(&str)) {
        for (_, stream) in self.streams.iter().filter(|(_, stream)| stream.end > 0) {
            visit(&stream.key.name);
        }
    }

    /// What operators see of a stream.
    pub(crate) fn info(&mut self, name: &str, now: Timestamp) -> Option<HistoryInfo> {
        let index = self.find(name)?;
        self.trim(index, now);
        let stream = self.stream(index);
        Some(HistoryInfo {
            epoch: stream.key.epoch.to_string(),
            offset: stream.end,
            kept: stream.ring.len(),
            is_durable: stream.is_durable,
            between: stream
                .ring
                .front()
                .zip(stream.ring.back())
                .map(|(oldest, youngest)| (oldest.accepted(), youngest.accepted())),
        })
    }
}
