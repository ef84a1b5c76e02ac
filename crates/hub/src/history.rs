//! What streams keep for those who come back: per stream an epoch, the offset of the last event, and the last events.
//!
//! Bounds: each stream keeps what its rule says (size and age); all together keep [`HistoryLimits::bytes`], beyond
//! which **the oldest publication of all streams goes first** (`fanfare_history_evictions_total` tells); and at most
//! [`HistoryLimits::streams`] streams are known, beyond which those that nobody follows and that keep nothing are
//! forgotten, idle ones first. A forgotten stream begins a new epoch, so nobody is told that nothing was missed
//! when that cannot be known.
//!
//! Not here: the hub's order and the disk (`commit`), and how a client is given what it missed (`shard/replay`).

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use protocol::position::{Epoch, Position};
use protocol::timestamp::Timestamp;
use slab::Slab;

use crate::encoded::{Encoded, Place, StreamKey};
use crate::journal::DurablePlace;
use crate::rules::HistoryRule;

mod read;

pub(crate) use read::{Ahead, Cursor, Located, Read};

/// The bounds of what is kept in memory.
#[derive(Debug, Clone, Copy)]
pub struct HistoryLimits {
    /// Bytes of publications that all streams keep together, by estimate; on disk are twice that at most, and
    /// [`HistoryLimits::spare`].
    pub bytes: usize,
    /// Streams whose offsets are known.
    pub streams: usize,
    /// Bytes on disk that nothing needs any longer and that stay there all the same: to free less is not worth writing
    /// again what stands between them.
    pub spare: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { bytes: 128 << 20, streams: 100_000, spare: 8 << 20 }
    }
}

/// A stream's place in the history.
pub(crate) type StreamIndex = u32;

/// Streams looked at in one turn of [`History::sweep`], at least and at most.
const SWEEP: (usize, usize) = (16, 1024);

/// In so many turns all are looked at, where they are not very many.
const ROUND: usize = 60;

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    key: Arc<StreamKey>,
    rule: Option<HistoryRule>,
    /// Whether its events are on disk before they are delivered.
    is_durable: bool,
    /// The offset of the last event that was released.
    end: u64,
    /// The offset of the last event that has a place; ahead of `end` while a group is being written.
    assigned: u64,
    /// The last events; the last of them has the offset `end`.
    ring: VecDeque<Arc<Encoded>>,
    /// The number in the hub's order of the last event that was dropped from the ring.
    dropped: u64,
    /// Publications that wait for their place in it: they know it by its index.
    awaited: u32,
}

impl Stream {
    /// The offset before the first event that is kept.
    fn floor(&self) -> u64 {
        self.end - self.ring.len() as u64
    }
}

/// What is no longer kept, for the journal.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    /// Events that no stream keeps any longer and that are on disk.
    pub events: Vec<Arc<Encoded>>,
    /// Durable streams that were forgotten.
    pub streams: Vec<Arc<StreamKey>>,
}

/// All streams of a hub.
#[derive(Debug)]
pub(crate) struct History {
    limits: HistoryLimits,
    hasher: foldhash::fast::RandomState,
    names: HashTable<StreamIndex>,
    streams: Slab<Stream>,
    /// Every place of every kept event, oldest first: the order in which they go when there are too many bytes.
    /// Some may be gone already.
    queue: VecDeque<(u64, StreamIndex)>,
    /// Places that are in rings.
    places: usize,
    bytes: usize,
    events: usize,
    /// From what epochs are made: of streams in memory, and of durable ones.
    salts: [u64; 2],
    resets: u64,
    swept: usize,
    /// How many streams there have to be before it is worth looking for idle ones again.
    tried: usize,
    evicted: u64,
    dropped: Dropped,
    /// For so much longer than its age an event is kept, in milliseconds.
    slack: i64,
}

impl History {
    /// An empty history. `memory` are random bits of this process, `durable` of the store.
    pub(crate) fn new(limits: HistoryLimits, memory: u64, durable: u64, resets: u64) -> Self {
        Self {
            limits,
            hasher: foldhash::fast::RandomState::default(),
            names: HashTable::new(),
            streams: Slab::new(),
            queue: VecDeque::new(),
            places: 0,
            bytes: 0,
            events: 0,
            salts: [memory, durable],
            resets,
            swept: 0,
            tried: 0,
            evicted: 0,
            dropped: Dropped::default(),
            slack: 0,
        }
    }

    /// Bytes that are kept, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes on disk that are left alone though nothing needs them.
    pub(crate) fn spare(&self) -> usize {
        self.limits.spare
    }

    /// Events that are kept.
    pub(crate) fn events(&self) -> usize {
        self.events
    }

    /// Streams that are known.
    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// How often streams were forgotten.
    pub(crate) fn resets(&self) -> u64 {
        self.resets
    }

    /// Events dropped before their time since the last call.
    pub(crate) fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// What was dropped since the last call.
    pub(crate) fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
    }

    /// Whether something was dropped since it was last taken.
    pub(crate) fn has_dropped(&self) -> bool {
        !self.dropped.events.is_empty() || !self.dropped.streams.is_empty()
    }

    fn stream(&self, index: StreamIndex) -> &Stream {
        &self.streams[index as usize]
    }

    fn stream_mut(&mut self, index: StreamIndex) -> &mut Stream {
        &mut self.streams[index as usize]
    }

    /// The stream of that name, if it is known.
    pub(crate) fn find(&self, name: &str) -> Option<StreamIndex> {
        let hash = self.hasher.hash_one(name);
        self.names.find(hash, |&index| self.stream(index).key.name == name).copied()
    }

    /// The stream of that name, known from now on. `rule` says what it keeps, and whether on disk; it is asked once.
    pub(crate) fn open(
        &mut self,
        name: &str,
        rule: impl FnOnce() -> (Option<HistoryRule>, bool),
    ) -> StreamIndex {
        if let Some(index) = self.find(name) {
            return index;
        }
        let (rule, is_durable) = rule();
        let rule = rule.filter(keeps_something);
        let is_durable = is_durable && rule.is_some();
        let epoch = self.new_epoch(name, is_durable);
        self.insert(name, epoch, 0, rule, is_durable)
    }

    /// All that was on disk is here, and had numbers up to `last`: of streams of which nothing is left that is all that is
    /// known of what they had.
    pub(crate) fn end_restoring(&mut self, last: u64) {
        let gone = |stream: &Stream| stream.end > 0 && stream.ring.is_empty() && stream.dropped == 0;
        for (_, stream) in self.streams.iter_mut().filter(|(_, stream)| gone(stream)) {
            stream.dropped = last;
        }
    }

    /// A stream as it was on disk.
    pub(crate) fn restore(
        &mut self,
        name: &str,
        epoch: Epoch,
        end: u64,
        rule: impl FnOnce() -> Option<HistoryRule>,
    ) -> StreamIndex {
        match self.find(name) {
            Some(index) => {
                // A later entry of another epoch is the stream's present life.
                if self.stream(index).is_durable && self.stream(index).key.epoch != epoch {
                    while self.pop(index) {}
                    let stream = self.stream_mut(index);
                    stream.key = Arc::new(StreamKey { name: name.into(), epoch });
                    stream.end = 0;
                }
                let stream = self.stream_mut(index);
                if stream.is_durable {
                    stream.end = stream.end.max(end);
                    stream.assigned = stream.end;
                }
                index
            }
            None => {
                let rule = rule().filter(keeps_something);
                let is_durable = rule.is_some_and(|rule| rule.durable);
                let epoch = if is_durable { epoch } else { self.new_epoch(name, false) };
                self.insert(name, epoch, if is_durable { end } else { 0 }, rule, is_durable)
            }
        }
    }

    fn insert(
        &mut self,
        name: &str,
        epoch: Epoch,
        end: u64,
        rule: Option<HistoryRule>,
        is_durable: bool,
    ) -> StreamIndex {
        let key = Arc::new(StreamKey { name: name.into(), epoch });
        let index = self.streams.insert(Stream {
            key,
            rule,
            is_durable,
            end,
            assigned: end,
            ring: VecDeque::new(),
            dropped: 0,
            awaited: 0,
        });
        let index = StreamIndex::try_from(index).unwrap_or(StreamIndex::MAX);
        let hash = self.hasher.hash_one(name);
        let (streams, hasher) = (&self.streams, &self.hasher);
        self.names
            .insert_unique(hash, index, |&other| hasher.hash_one(streams[other as usize].key.name.as_str()));
        index
    }

    /// A stream begins, or begins anew, behind a position; `dropped` is the number of the last event up to there, where
    /// it had any.
    pub(crate) fn begin_at(
        &mut self,
        name: &str,
        at: Position,
        dropped: u64,
        rule: Option<HistoryRule>,
    ) -> StreamIndex {
        let index = match self.find(name) {
            Some(index) => index,
            None => return self.begin_new(name, at, dropped, rule),
        };
        while self.pop(index) {}
        let stream = self.stream_mut(index);
        if stream.key.epoch != at.epoch {
            stream.key = Arc::new(StreamKey { name: name.into(), epoch: at.epoch });
        }
        (stream.end, stream.assigned, stream.dropped) = (at.offset, at.offset, dropped);
        stream.rule = rule.filter(keeps_something);
        index
    }

    fn begin_new(
        &mut self,
        name: &str,
        at: Position,
        dropped: u64,
        rule: Option<HistoryRule>,
    ) -> StreamIndex {
        let index = self.insert(name, at.epoch, at.offset, rule.filter(keeps_something), false);
        self.stream_mut(index).dropped = dropped;
        index
    }

    /// Forgets a stream that nobody follows and that a broker knows.
    pub(crate) fn forget(&mut self, name: &str) {
        let Some(index) = self.find(name) else { return };
        while self.pop(index) {}
        let hash = self.hasher.hash_one(name);
        if let Ok(entry) = self.names.find_entry(hash, |&other| other == index) {
            entry.remove();
        }
        self.streams.remove(index as usize);
    }

    /// A stream that nothing is known of has had nothing since the last reset: so its epoch can be told from its name,
    /// and need not be kept for it to be the same again.
    fn new_epoch(&self, name: &str, is_durable: bool) -> Epoch {
        let salt = self.salts[usize::from(is_durable)] ^ self.resets.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // FNV-1a over the name, then a finishing mix (the constants are those of MurmurHash3's).
        let mut bits = name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ salt, |bits, byte| {
            (bits ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        bits ^= bits >> 33;
        bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
        bits ^= bits >> 33;
        bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        Epoch::from_bits(bits ^ bits >> 33)
    }

    /// Whether a stream's events go to disk.
    pub(crate) fn is_durable(&self, index: StreamIndex) -> bool {
        self.stream(index).is_durable
    }

    /// Whether a stream keeps its events.
    pub(crate) fn keeps(&self, index: StreamIndex) -> bool {
        self.stream(index).rule.is_some()
    }

    /// Gives the next event a place in a stream.
    pub(crate) fn assign(&mut self, index: StreamIndex) -> Place {
        let stream = self.stream_mut(index);
        stream.assigned += 1;
        let offset = stream.assigned;
        self.place(index, offset)
    }

    /// A publication waits for its places in these streams: until then they are not forgotten.
    pub(crate) fn await_in(&mut self, streams: &[StreamIndex]) {
        streams.iter().for_each(|&index| self.stream_mut(index).awaited += 1);
    }

    /// It no longer waits.
    pub(crate) fn end_await(&mut self, streams: &[StreamIndex]) {
        streams.iter().for_each(|&index| {
            let stream = self.stream_mut(index);
            stream.awaited = stream.awaited.saturating_sub(1);
        });
    }

    /// Takes back all places that were given in a stream and not released; they were never told to anybody.
    pub(crate) fn unassign(&mut self, index: StreamIndex) {
        let stream = self.stream_mut(index);
        stream.assigned = stream.end;
    }

    /// The place at an offset of a stream.
    pub(crate) fn place(&self, index: StreamIndex, offset: u64) -> Place {
        let stream = self.stream(index);
        Place {
            stream: Arc::clone(&stream.key),
            offset,
            is_kept: stream.rule.is_some(),
            is_durable: stream.is_durable,
        }
    }

    /// Whether a stream keeps nothing at the moment.
    pub(crate) fn is_empty(&self, index: StreamIndex) -> bool {
        self.stream(index).ring.is_empty()
    }

    /// Takes an event into streams that it is in: it is released.
    pub(crate) fn append_to(&mut self, encoded: &Arc<Encoded>, streams: &[StreamIndex]) {
        let now = encoded.accepted();
        for &index in streams {
            if let Some(offset) = encoded.offset_in(&self.stream(index).key) {
                self.push(index, offset, encoded, now);
            }
        }
        self.keep_bounds();
    }

    /// Where an event that was on disk stands in a stream, if that is durable and in the same life.
    pub(crate) fn restored_place(&self, place: &DurablePlace) -> Option<Place> {
        let index = self.find(&place.stream).filter(|&index| self.is_durable(index))?;
        (self.stream(index).key.epoch == place.epoch).then(|| self.place(index, place.offset))
    }

    fn push(&mut self, index: StreamIndex, offset: u64, encoded: &Arc<Encoded>, now: Timestamp) {
        let stream = &mut self.streams[index as usize];
        if offset != stream.end + 1 {
            // Only in what was read from disk: what stands before a hole can't be told without a gap.
            while self.pop(index) {}
        }
        let stream = &mut self.streams[index as usize];
        if offset > 1 && stream.ring.is_empty() && (offset != stream.end + 1 || stream.dropped == 0) {
            // Which numbers those before it had is not known: up to its own.
            stream.dropped = encoded.seq() - 1;
        }
        stream.end = offset;
        stream.assigned = stream.assigned.max(offset);
        let Some(rule) = stream.rule else {
            stream.dropped = encoded.seq();
            return;
        };
        let is_first = encoded.keep();
        stream.ring.push_back(Arc::clone(encoded));
        if is_first {
            self.bytes += encoded.kept_weight();
            self.events += 1;
        }
        self.places += 1;
        self.queue.push_back((encoded.seq(), index));
        while self.stream(index).ring.len() > rule.size as usize {
            self.pop(index);
        }
        self.trim(index, now);
    }

    /// Keeps everything for so many milliseconds longer from now on: events are those of other nodes, whose clocks may be
    /// behind, and the broker has them as long as its clock says.
    pub(crate) fn allow_for_skew(&mut self, ms: i64) {
        self.slack = ms;
    }

    /// Drops what is older than the stream's rule says.
    fn trim(&mut self, index: StreamIndex, now: Timestamp) {
        let stream = self.stream(index);
        let Some(rule) = stream.rule else { return };
        let age = i64::try_from(rule.age.as_millis()).unwrap_or(i64::MAX);
        let oldest = now.as_millis().saturating_sub(age).saturating_sub(self.slack);
        while self.stream(index).ring.front().is_some_and(|event| event.accepted().as_millis() < oldest) {
            self.pop(index);
        }
    }

    /// Drops a stream's oldest event.
    fn pop(&mut self, index: StreamIndex) -> bool {
        let stream = &mut self.streams[index as usize];
        let Some(event) = stream.ring.pop_front() else { return false };
        stream.dropped = event.seq();
        if stream.ring.capacity() > 64 && stream.ring.len() < stream.ring.capacity() / 4 {
            stream.ring.shrink_to_fit();
        }
        self.places -= 1;
        if !event.let_go() {
            return true;
        }
        self.bytes = self.bytes.saturating_sub(event.kept_weight());
        self.events = self.events.saturating_sub(1);
        if event.group() > 0 {
            self.dropped.events.push(event);
        }
        true
    }

    fn keep_bounds(&mut self) {
        while self.bytes > self.limits.bytes {
            let Some((seq, index)) = self.queue.pop_front() else { break };
            let is_there = self
                .streams
                .get(index as usize)
                .is_some_and(|stream| stream.ring.front().is_some_and(|event| event.seq() <= seq));
            if is_there {
                self.pop(index);
                self.evicted += 1;
            }
        }
        if self.queue.len() > 2 * self.places + 1024 {
            let streams = &self.streams;
            self.queue.retain(|&(seq, index)| {
                streams
                    .get(index as usize)
                    .is_some_and(|stream| stream.ring.front().is_some_and(|event| event.seq() <= seq))
            });
        }
    }

    /// Drops what is too old in some of the streams; called about twice a second.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        let capacity = self.streams.capacity().max(1);
        for _ in 0..(capacity / ROUND).clamp(SWEEP.0, SWEEP.1).min(capacity) {
            self.swept = (self.swept + 1) % capacity;
            let index = StreamIndex::try_from(self.swept).unwrap_or(StreamIndex::MAX);
            let Some(stream) = self.streams.get(self.swept) else { continue };
            if stream.ring.front().is_some() {
                self.trim(index, now);
            }
        }
        if self.streams.len() <= self.limits.streams {
            self.tried = 0;
        }
    }

    /// Whether there are too many streams, and more than when some were last forgotten: that looks at all of them.
    pub(crate) fn is_crowded(&self) -> bool {
        self.streams.len() > self.limits.streams.max(self.tried)
    }

    /// Calls `visit` with each event that is kept, once for each stream that keeps it.
    pub(crate) fn for_each_event(&self, visit: &mut impl FnMut(&Arc<Encoded>)) {
        self.streams.iter().flat_map(|(_, stream)| &stream.ring).for_each(visit);
    }

    /// Forgets idle streams until a sixteenth of the bound is free again: those that never had an event first, which
    /// costs nobody anything, then those whose last event is longest ago. What `is_named` stays: somebody follows it, or
    /// an event that is still somewhere names it, and would be told with the offset of another life.
    pub(crate) fn forget_idle(&mut self, is_named: impl Fn(&str) -> bool) {
        let aim = self.limits.streams - self.limits.streams / 16;
        let mut idle: Vec<(u64, StreamIndex)> = self
            .streams
            .iter()
            .filter(|(_, stream)| {
                stream.ring.is_empty() && stream.assigned == stream.end && stream.awaited == 0
            })
            .filter(|(_, stream)| !is_named(&stream.key.name))
            .filter_map(|(index, stream)| {
                Some((if stream.end == 0 { 0 } else { stream.dropped.max(1) }, index.try_into().ok()?))
            })
            .collect();
        idle.sort_unstable();
        let mut is_reset = false;
        for (last, index) in idle {
            if self.streams.len() <= aim {
                break;
            }
            let hash = self.hasher.hash_one(self.stream(index).key.name.as_str());
            if let Ok(entry) = self.names.find_entry(hash, |&other| other == index) {
                entry.remove();
            }
            let stream = self.streams.remove(index as usize);
            // One that had nothing yet, in a life that its name does not tell, is known on disk too.
            let is_told = stream.key.epoch != self.new_epoch(&stream.key.name, stream.is_durable);
            is_reset |= last > 0 || is_told;
            if stream.is_durable && (last > 0 || is_told) {
                self.dropped.streams.push(stream.key);
            }
        }
        self.resets += u64::from(is_reset);
        self.tried = self.streams.len() + self.limits.streams / 16;
    }
}

/// The life of a stream that comes after another one (a round of MurmurHash3's mix).
pub(crate) fn next_life(before: Epoch) -> Epoch {
    let bits = (before.bits() ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xff51_afd7_ed55_8ccd);
    Epoch::from_bits(bits ^ bits >> 33)
}

/// Whether a rule keeps anything at all.
pub(crate) fn keeps_something(rule: &HistoryRule) -> bool {
    rule.size > 0 && !rule.age.is_zero()
}

#[cfg(test)]
mod tests;
