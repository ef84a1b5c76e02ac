//! Keeping the disk small: what is still needed of the oldest groups is written again with the next one, and they go.
//!
//! A group is one row, and stays while a single one of its events is kept; so a quiet stream beside a busy one would hold
//! all of the busy one's past. Once the groups on disk hold more than twice what is kept, and a spare
//! ([`HistoryLimits::spare`](crate::HistoryLimits::spare)), the oldest are moved: for each byte that is written again, at
//! least one is given back. Not here: when a group is no longer needed at all (`commit`).

use std::sync::{Arc, Weak};

use crate::encoded::{Encoded, StreamKey};
use crate::journal::{DurablePlace, Entry, Group, StreamEnd};
use crate::order::Order;

/// Bytes that one group takes over from older ones, at most but for one of these: some milliseconds of writing.
const MOVE: usize = 1 << 20;

/// A group on disk that has entries which streams keep.
#[derive(Debug, Default)]
pub(crate) struct LiveGroup {
    /// Entries that are still kept.
    pub(crate) live: usize,
    /// Bytes of all its entries, about.
    pub(crate) bytes: usize,
    /// Its durable streams.
    pub(crate) streams: Vec<Arc<StreamKey>>,
    /// Its entries.
    pub(crate) entries: Vec<Weak<Encoded>>,
}

/// What a group takes over from older ones.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// The groups that go once it is written.
    groups: Vec<u64>,
    events: Vec<Arc<Encoded>>,
}

impl Moved {
    /// What is written again.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Arc<Entry>> {
        self.events.iter().map(|event| Arc::new(entry(event)))
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether a group goes only if this one is written.
    pub(crate) fn takes(&self, number: u64) -> bool {
        self.groups.contains(&number)
    }
}

/// What an event has on disk, in bytes, about.
pub(crate) fn stored_weight(event: &Encoded) -> usize {
    let publication = event.publication();
    publication.data.len() + publication.event_type.len() + 64
}

/// An event as it is written, with its places in durable streams.
pub(crate) fn entry(event: &Encoded) -> Entry {
    let publication = event.publication();
    let durable = event.places().iter().filter(|place| place.is_durable);
    Entry {
        seq: event.seq(),
        id: publication.id,
        event_type: publication.event_type.clone(),
        data: publication.data.clone(),
        timestamp: publication.timestamp,
        accepted: event.accepted(),
        except: event.except(),
        places: durable
            .map(|place| DurablePlace {
                stream: place.stream.name.as_str().into(),
                epoch: place.stream.epoch,
                offset: place.offset,
            })
            .collect(),
        addressed: event.addressed().into_iter().map(Into::into).collect(),
    }
}

impl Order {
    /// Takes what is kept of the oldest groups, to be written with `group`, if too much of what is on disk is not needed.
    pub(crate) fn compact(&mut self, group: &mut Group) -> Moved {
        let mut moved = Moved::default();
        let mut disk = self.disk_bytes;
        let mut written = 0;
        for (&number, old) in &self.groups {
            if disk <= 2 * self.live_bytes + self.history.spare() || written >= MOVE {
                break;
            }
            disk = disk.saturating_sub(old.bytes);
            for event in old.entries.iter().filter_map(Weak::upgrade).filter(|event| event.is_held()) {
                let weight = stored_weight(&event);
                (written, disk) = (written + weight, disk + weight);
                moved.events.push(event);
            }
            moved.groups.push(number);
        }
        if moved.groups.is_empty() {
            return moved;
        }
        // A group that took over from others before has theirs behind what came later.
        moved.events.sort_unstable_by_key(|event| event.seq());
        for number in &moved.groups {
            group.remove.push(*number);
            let streams = self.groups.get(number).map(|old| old.streams.clone()).unwrap_or_default();
            self.tell_ends(&streams, group);
        }
        moved
    }

    /// A group that took over from older ones is written.
    pub(crate) fn note_moved(&mut self, number: u64, moved: Moved) {
        let mut streams = Vec::new();
        for old in moved.groups {
            if let Some(gone) = self.groups.remove(&old) {
                self.disk_bytes = self.disk_bytes.saturating_sub(gone.bytes);
                streams.extend(gone.streams);
            }
        }
        if streams.is_empty() && moved.events.is_empty() {
            return;
        }
        let into = self.groups.entry(number).or_default();
        into.streams.append(&mut streams);
        into.streams.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        into.streams.dedup();
        for event in moved.events {
            let weight = stored_weight(&event);
            into.bytes += weight;
            self.disk_bytes += weight;
            // What was dropped while the group was written counts for the group that has gone.
            if event.is_held() {
                event.set_group(number);
                into.live += 1;
                into.entries.push(Arc::downgrade(&event));
            } else {
                self.live_bytes = self.live_bytes.saturating_sub(weight);
            }
        }
        if into.live == 0 {
            let mut unwritten = std::mem::take(&mut self.unwritten);
            self.retire(number, &mut unwritten);
            self.unwritten = unwritten;
        }
    }

    /// Has the ends of those of the streams written that keep nothing, so that their offsets stay known.
    pub(crate) fn tell_ends(&self, streams: &[Arc<StreamKey>], into: &mut Group) {
        for key in streams {
            let Some(stream) = self.history.find(&key.name) else { continue };
            // What is in a ring is in a group that stays.
            if self.history.is_empty(stream) && self.history.is_durable(stream) {
                let (key, end) = self.history.end(stream);
                let stream = key.name.as_str().into();
                into.ends.push(StreamEnd { stream, epoch: end.epoch, offset: end.offset });
            }
        }
    }
}
