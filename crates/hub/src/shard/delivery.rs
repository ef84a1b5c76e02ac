//! How publications reach the followers of a shard, in slices so that reads come in between.
//!
//! Two ways, both of which write to a connection once for several publications:
//!
//! - A **pass** serves publications for one large audience. It goes round the followers; a publication that
//!   arrives meanwhile joins it, and is delivered from there on once around, together with what the followers
//!   ahead have not had yet. So a connection gets all that waits for it in one write, however the publications
//!   fell in time.
//! - A **gather** serves everything else: it collects who gets what of all publications that wait, sorts it by
//!   connection, and writes to each one once.
//!
//! Every connection sees publications in the hub's order: a pass only takes in what no other audience's
//! publication stands before.

use std::collections::{VecDeque, vec_deque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::lists::{Key, Lists};
use crate::encoded::Encoded;
use crate::inbox::{Delivery, Named, To};
use crate::metrics::Metrics;
use crate::registry::{ListIndex, StreamEntry};
use crate::wire::Wire;

/// The audience from which a pass pays: below, collecting costs less than the bookkeeping.
pub(super) const PASS_MIN: usize = 64;

/// Bytes of publications after which a run takes in no more, by [`Encoded::weight`]: a quarter of an outbox, so
/// that a backlog of the hub's own making does not fill the outbox of a client that reads.
const RUN_BYTES: usize = 256 << 10;

/// Publications that one gather takes at most.
const GATHER_ITEMS: usize = 1024;

/// Deliveries after which a gather takes no further publication.
const GATHER_ENTRIES: usize = 1 << 16;

/// Deliveries whose memory a gather keeps for the next; the rest is given back.
const SPARE_ENTRIES: usize = 1 << 12;

/// What is being delivered.
#[derive(Debug)]
pub(super) enum Run {
    Pass(Pass),
    Gather(Gather),
}

/// Publications that go round the followers of one stream.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) list: ListIndex,
    /// The follower that comes next.
    pub(super) cursor: usize,
    /// Followers visited since the pass began, less those who have to be visited once more.
    visits: i64,
    /// The number of the first publication in `on_way`, in the count of the list's `head`.
    first: u32,
    on_way: VecDeque<OnWay>,
    /// How many of them were on their way at once.
    most: usize,
    /// Whether the stream keeps its events; none where they are in no stream.
    kept: Option<bool>,
    /// What the publications on the way weigh.
    weight: usize,
    /// The bytes on each wire that a follower has: few, so that they are found by looking.
    logs: SmallVec<[(Wire, Log); 2]>,
}

#[derive(Debug)]
struct OnWay {
    encoded: Arc<Encoded>,
    /// The number of visits at which every follower has had it.
    due: i64,
}

/// The bytes of all publications on the way, on one wire, one after the other.
#[derive(Debug, Default)]
struct Log {
    bytes: Vec<u8>,
    /// Where the first frame begins; what stands before it is dropped now and then.
    start: usize,
    frames: VecDeque<Bytes>,
}

impl Log {
    fn push(&mut self, frame: &Bytes) {
        self.bytes.extend_from_slice(frame);
        self.frames.push_back(frame.clone());
    }

    fn pop(&mut self) {
        if let Some(frame) = self.frames.pop_front() {
            self.start += frame.len();
            if self.start >= self.bytes.len() / 2 {
                self.bytes.drain(..self.start);
                self.start = 0;
            }
        }
    }
}

impl Pass {
    pub(super) fn new(list: ListIndex, head: u32, cursor: usize) -> Self {
        Self {
            list,
            cursor,
            visits: 0,
            first: head.wrapping_add(1),
            on_way: VecDeque::new(),
            most: 0,
            kept: None,
            weight: 0,
            logs: SmallVec::new(),
        }
    }

    /// Takes a publication for the stream of that name in; it is due after one round of `followers`.
    pub(super) fn take(&mut self, encoded: Arc<Encoded>, stream: &str, followers: usize, metrics: &Metrics) {
        self.kept = encoded.is_kept_by(stream);
        for (wire, log) in &mut self.logs {
            log.push(encoded.frame(*wire, metrics));
        }
        self.weight += encoded.weight();
        let round = i64::try_from(followers).unwrap_or(i64::MAX);
        self.on_way.push_back(OnWay { encoded, due: self.visits.saturating_add(round) });
        self.most = self.most.max(self.on_way.len());
    }

    /// How many publications went round together, at most.
    pub(super) fn most_together(&self) -> usize {
        self.most
    }

    /// Whether a further publication may come in; one always may while nothing is on its way.
    pub(super) fn has_room(&self) -> bool {
        self.weight < RUN_BYTES
    }

    /// A follower came, at the list's end: the round is one visit longer.
    pub(super) fn lengthen(&mut self) {
        self.visits -= 1;
    }

    /// A follower at `place` leaves. Where the pass has it behind it, it steps back, and the place before the
    /// cursor, whose follower was visited last, is visited next.
    pub(super) fn step_back(&mut self, place: usize) -> Option<usize> {
        if place >= self.cursor {
            return None;
        }
        self.cursor -= 1;
        self.visits -= 1;
        Some(self.cursor)
    }

    /// Whether something is still on its way.
    pub(super) fn is_on(&self) -> bool {
        !self.on_way.is_empty()
    }

    /// Goes one follower further.
    pub(super) fn advance(&mut self) {
        self.cursor += 1;
        self.visits += 1;
    }

    /// Takes out a publication that everyone has had.
    pub(super) fn pop_due(&mut self) -> Option<Arc<Encoded>> {
        if self.on_way.front()?.due > self.visits {
            return None;
        }
        self.pop()
    }

    /// Takes out the first publication, had by everyone or not.
    pub(super) fn pop(&mut self) -> Option<Arc<Encoded>> {
        let on_way = self.on_way.pop_front()?;
        self.first = self.first.wrapping_add(1);
        self.weight -= on_way.encoded.weight();
        for (_, log) in &mut self.logs {
            log.pop();
        }
        Some(on_way.encoded)
    }

    /// How many of the publications on the way a follower is not given: those that it has had, and those numbered up
    /// to `after`.
    pub(super) fn skip(&self, seen: u32, after: u64) -> usize {
        let had = (seen.wrapping_add(1).wrapping_sub(self.first) as usize).min(self.on_way.len());
        if self.on_way.get(had).is_none_or(|on_way| on_way.encoded.seq() > after) {
            return had;
        }
        had.max(self.on_way.partition_point(|on_way| on_way.encoded.seq() <= after))
    }

    /// Whether the stream of the pass keeps its events; none where they are in no stream.
    pub(super) fn is_kept(&self) -> Option<bool> {
        self.kept
    }

    /// The publications behind the first `skip`.
    pub(super) fn behind(&self, skip: usize) -> impl Iterator<Item = &Arc<Encoded>> {
        self.on_way.range(skip.min(self.on_way.len())..).map(|on_way| &on_way.encoded)
    }

    /// What a follower gets of the publications behind the first `skip`: the bytes, and the frames that they consist of.
    pub(super) fn rest(
        &mut self,
        skip: usize,
        wire: Wire,
        metrics: &Metrics,
    ) -> (&[u8], vec_deque::Iter<'_, Bytes>) {
        let place = self.logs.iter().position(|(known, _)| *known == wire).unwrap_or_else(|| {
            let mut log = Log::default();
            for on_way in &self.on_way {
                log.push(on_way.encoded.frame(wire, metrics));
            }
            self.logs.push((wire, log));
            self.logs.len() - 1
        });
        let log = &self.logs[place].1;
        let start = log.start + log.frames.iter().take(skip).map(Bytes::len).sum::<usize>();
        (&log.bytes[start..], log.frames.range(skip.min(log.frames.len())..))
    }
}

/// Publications of several audiences, sorted by connection.
#[derive(Debug, Default)]
pub(super) struct Gather {
    pub(super) items: Vec<Delivery>,
    /// Who gets which item; sorted, so one connection's stand together and in the hub's order.
    pub(super) entries: Vec<(Key, u32)>,
    pub(super) cursor: usize,
}

impl Gather {
    /// Collects from the front of `queue`; `find` tells an open connection's place by its id. A publication behind which
    /// connections are closed is the last that is taken, so that those get nothing more.
    pub(super) fn fill(
        &mut self,
        queue: &mut VecDeque<Delivery>,
        lists: &Lists,
        shard: usize,
        find: impl Fn(Named) -> Option<Key>,
    ) {
        let (mut sorted, mut unions) = (true, false);
        let mut weight = 0;
        while self.items.len() < GATHER_ITEMS && self.entries.len() < GATHER_ENTRIES && weight < RUN_BYTES {
            let Some(delivery) = queue.pop_front() else { break };
            weight += delivery.encoded.weight();
            let item = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
            sorted &= item == 0;
            let start = self.entries.len();
            let mut add_stream = |entry: &StreamEntry| {
                if let Some(list) = entry.list_on(shard) {
                    self.entries
                        .extend(lists.get(list).followers.iter().map(|follower| (follower.key, item)));
                }
            };
            match &delivery.to {
                To::Stream(entry) => add_stream(entry),
                To::Union(union) => {
                    (unions, sorted) = (true, false);
                    union.streams.iter().for_each(|entry| add_stream(entry));
                    self.entries.extend(union.connection.and_then(&find).map(|key| (key, item)));
                }
            }
            let is_last = delivery.closing().is_some();
            if let Some(except) = delivery.except.map(|id| Named { id, within: None }).and_then(&find) {
                let kept = self
                    .entries
                    .iter()
                    .skip(start)
                    .filter(|entry| entry.0 != except)
                    .copied()
                    .collect::<Vec<_>>();
                self.entries.truncate(start);
                self.entries.extend(kept);
            }
            self.items.push(delivery);
            if is_last {
                break;
            }
        }
        if !sorted {
            self.entries.sort_unstable();
        }
        if unions {
            self.entries.dedup();
            self.report_unions();
        }
    }

    fn report_unions(&self) {
        let mut counts = vec![0_u32; self.items.len()];
        for &(_, item) in &self.entries {
            counts[item as usize] += 1;
        }
        for (delivery, count) in self.items.iter().zip(counts) {
            if let To::Union(union) = &delivery.to {
                union.tally.report(count);
            }
        }
    }

    /// The publication behind which connections are closed: the last, if any.
    pub(super) fn closing(&self) -> Option<To> {
        self.items.last().filter(|delivery| delivery.closing().is_some()).map(|delivery| delivery.to.clone())
    }

    /// The next connection, and what it gets.
    pub(super) fn next_group(&mut self) -> Option<(Key, Range<usize>)> {
        let &(key, _) = self.entries.get(self.cursor)?;
        let start = self.cursor;
        while self.entries.get(self.cursor).is_some_and(|entry| entry.0 == key) {
            self.cursor += 1;
        }
        Some((key, start..self.cursor))
    }

    /// Takes out what is still ahead for one connection.
    pub(super) fn take_group(&mut self, key: Key) -> Vec<(Key, u32)> {
        let ahead = &self.entries[self.cursor..];
        let Some(place) = ahead.iter().position(|entry| entry.0 == key) else { return Vec::new() };
        let count = ahead[place..].iter().take_while(|entry| entry.0 == key).count();
        let start = self.cursor + place;
        self.entries.drain(start..start + count).collect()
    }

    /// Whether everyone was served.
    pub(super) fn is_done(&self) -> bool {
        self.cursor >= self.entries.len()
    }

    /// Makes it ready for the next use, without the memory of an unusually large one.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.items.shrink_to(SPARE_ENTRIES);
        self.entries.clear();
        self.entries.shrink_to(SPARE_ENTRIES);
        self.cursor = 0;
    }
}
