//! The hub's one order: what is guarded by its lock. Streams with their offsets, retained state, publications that wait
//! for the disk, and what the next group on disk has to say beside them.
//!
//! Not here: how a publication goes through (`hub`), and how groups are formed and released (`commit`).

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use compact_str::CompactString;
use protocol::ConnectionId;
use protocol::publication::Retain;
use protocol::timestamp::Timestamp;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::cluster::Cluster;
use crate::commit::expiry;
use crate::compact::{LiveGroup, stored_weight};
use crate::encoded::{Encoded, Ordered, StreamKey};
use crate::feeds::is_feed;
use crate::history::{History, StreamIndex};
use crate::inbox::DrainPlan;
use crate::journal::{Group, ResumeChange, RetainedChange};
use crate::outgoing::{Outgoing, PublishError, Recipients};
use crate::retained::{Forgotten, Retained};

/// Connections of which something new is not on disk yet, at most: as many as a node has.
const MOST_RESUMES: usize = 32_768;

/// The streams of a publication: mostly one.
pub(crate) type Streams = SmallVec<[StreamIndex; 1]>;

/// A publication that waits for the disk, or behind one that does.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) outgoing: Outgoing,
    pub(crate) streams: Streams,
    pub(crate) disk: Disk,
    pub(crate) reply: oneshot::Sender<Result<Recipients, PublishError>>,
}

/// Whether a publication is written to disk before it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// It is.
    Needed,
    /// It only keeps its place in the order.
    Behind,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct Order {
    /// The number of the last publication that has one.
    pub(crate) seq: u64,
    /// The number of the last publication that was released to the shards.
    pub(crate) released: u64,
    /// The number of the last one of these that is on disk.
    pub(crate) durable: u64,
    pub(crate) history: History,
    pub(crate) retained: Retained<Encoded>,
    pub(crate) pending: VecDeque<Pending>,
    pub(crate) pending_bytes: usize,
    /// Whether a group is being written.
    pub(crate) is_writing: bool,
    /// Publications of the group that is being written.
    pub(crate) writing: usize,
    /// As many as the next group may have, if all who wait or were just answered publish again.
    pub(crate) awaited: usize,
    /// Told to the shards once nothing waits for the disk any longer.
    pub(crate) drain: Option<Vec<DrainPlan>>,
    /// The groups on disk with entries that are kept, oldest first.
    pub(crate) groups: BTreeMap<u64, LiveGroup>,
    /// Bytes of all entries in these groups, and of those that are kept.
    pub(crate) disk_bytes: usize,
    pub(crate) live_bytes: usize,
    /// What an earlier group that failed had to say.
    pub(crate) unwritten: Group,
    /// What is new of connections that can be resumed: of each the last.
    pub(crate) resumes: HashMap<ConnectionId, ResumeChange>,
    pub(crate) forgotten_state: Vec<RetainedChange>,
    pub(crate) resets: u64,
    /// When keys were last forgotten on disk.
    pub(crate) keys_swept: Option<Timestamp>,
    pub(crate) is_stopped: bool,
    /// Where this is a node of a cluster: what it knows of that.
    pub(crate) cluster: Option<Box<Cluster>>,
}

impl Order {
    /// Whether something waits for the disk, so that what comes now waits behind it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_writing
            || !self.pending.is_empty()
            || self.cluster.as_ref().is_some_and(|cluster| cluster.is_busy())
    }

    /// Gives a publication its number and its places.
    pub(crate) fn place(&mut self, streams: &[StreamIndex], group: u64) -> Ordered {
        self.seq += 1;
        let places = streams.iter().map(|&stream| self.history.assign(stream)).collect();
        let is_kept = streams.iter().any(|&stream| self.history.keeps(stream));
        Ordered { seq: self.seq, places, is_kept, group }
    }

    /// Whether the disk has something to be told beside publications.
    pub(crate) fn has_changes(&self) -> bool {
        !self.resumes.is_empty()
            || !self.forgotten_state.is_empty()
            || self.history.has_dropped()
            || !self.unwritten.is_empty()
            || self.resets != self.history.resets()
    }

    /// Notes what is new of a connection. While the disk takes nothing, so many at most; a connection more has a token
    /// that is good until the process ends.
    pub(crate) fn note_resume(&mut self, change: ResumeChange) {
        let connection = match &change {
            ResumeChange::Set(entry) => entry.connection,
            ResumeChange::Forget(connection) => *connection,
        };
        if self.resumes.len() < MOST_RESUMES || self.resumes.contains_key(&connection) {
            self.resumes.insert(connection, change);
        }
    }

    /// Counts an entry of a group.
    pub(crate) fn note_entry(&mut self, number: u64, event: &Arc<Encoded>, streams: Vec<Arc<StreamKey>>) {
        let weight = stored_weight(event);
        let group = self.groups.entry(number).or_default();
        group.bytes += weight;
        self.disk_bytes += weight;
        group.streams.extend(streams);
        if event.is_kept() {
            group.live += 1;
            self.live_bytes += weight;
            group.entries.push(Arc::downgrade(event));
        }
    }

    /// Keeps an event as the state under a key of each of its streams but feeds, which nobody joins.
    pub(crate) fn retain(&mut self, retain: &Retain, encoded: &Arc<Encoded>) {
        let expires = expiry(encoded.accepted(), retain.keep);
        let is_here = |name: &str| self.cluster.as_ref().is_none_or(|cluster| cluster.is_live(name));
        let places = encoded.places().iter().filter(|place| !is_feed(&place.stream.name));
        let places: SmallVec<[_; 1]> = places.filter(|place| is_here(&place.stream.name)).collect();
        for place in places {
            // What was missed while a broker was away may be older than the state that it told.
            let known = self.retained.under(&place.stream.name, &retain.key);
            if self.cluster.is_some() && known.is_some_and(|known| known.seq() > encoded.seq()) {
                continue;
            }
            self.set_state(&place.stream.name.as_str().into(), &retain.key, encoded, expires);
        }
    }

    pub(crate) fn set_state(
        &mut self,
        stream: &Arc<str>,
        key: &str,
        encoded: &Arc<Encoded>,
        expires: Timestamp,
    ) {
        // A change that was not written yet speaks of the state before this one.
        self.forgotten_state.retain(|change| {
            !matches!(change, RetainedChange::Forget { stream: of, key: under } if of == stream && **under == *key)
        });
        let weight = encoded.kept_weight();
        let gone = self.retained.set(stream, key, Arc::clone(encoded), weight, unsigned(expires));
        self.forget_state(gone);
    }

    /// Forgets streams, where there are too many: none that is followed, and none that an event names which is kept, is the
    /// state of something, or is on disk together with what is kept.
    pub(crate) fn forget_some(&mut self, is_followed: impl Fn(&str) -> bool) {
        if !self.history.is_crowded() {
            return;
        }
        // State that is older than the present life of its stream has no place there.
        let mut named: HashSet<CompactString> = self.retained.streams().map(CompactString::from).collect();
        let mut note = |event: &Arc<Encoded>| {
            named.extend(event.places().iter().map(|place| place.stream.name.clone()));
        };
        self.retained.for_each(&mut note);
        self.history.for_each_event(&mut |event| {
            // The only stream of an event that is kept is not idle.
            if event.places().len() > 1 {
                note(event);
            }
        });
        named.extend(self.groups.values().flat_map(|group| &group.streams).map(|key| key.name.clone()));
        self.history.forget_idle(|name| named.contains(name) || is_followed(name));
    }

    /// Forgets state whose time is over.
    pub(crate) fn expire_state(&mut self, now: Timestamp) {
        let gone = self.retained.expire(unsigned(now));
        self.forget_state(gone);
    }

    fn forget_state(&mut self, gone: Vec<Forgotten>) {
        self.forgotten_state
            .extend(gone.into_iter().map(|Forgotten { stream, key }| RetainedChange::Forget { stream, key }));
    }
}

pub(crate) fn unsigned(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(0)
}
