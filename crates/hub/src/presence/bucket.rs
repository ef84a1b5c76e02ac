//! The channels under one lock, the graces that run in them, and which of them have something to tell.
//!
//! All graces have the same length, so they end in the order in which they began, and a queue holds them. An entry
//! whose user came back stays in it until its time or until such entries are the most: its number is no longer the
//! user's, so it ends nothing.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::num::NonZeroU64;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;
use protocol::UserId;
use protocol::timestamp::Timestamp;

use super::room::{Joined, Left, Room};
use super::shared::Announced;
use super::{Changes, Holder};
use crate::broker::NodeId;

/// Entries below which a queue is not looked through and a table does not shrink.
const SMALL: usize = 64;

/// A grace that runs, or ran until its user came back.
#[derive(Debug)]
pub(super) struct Grace {
    /// When it ends, in ms.
    until: u64,
    number: NonZeroU64,
    channel: Arc<str>,
    user: UserId,
}

/// The channels under one lock.
#[derive(Debug)]
pub(super) struct Bucket {
    hasher: RandomState,
    rooms: HashTable<Room>,
    /// In the order of their ends.
    graces: VecDeque<Grace>,
    /// How many of the graces are still their users' own.
    running: usize,
    /// The number of the next grace: for each user of each channel they only go up.
    next: NonZeroU64,
    /// Watched channels in which something changed since their last batch, each once.
    changed: Vec<Arc<str>>,
    /// Channels of which other nodes are to be told something, each once.
    told: Vec<Arc<str>>,
}

impl Bucket {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            hasher,
            rooms: HashTable::new(),
            graces: VecDeque::new(),
            running: 0,
            next: NonZeroU64::MIN,
            changed: Vec::new(),
            told: Vec::new(),
        }
    }

    pub(super) fn room(&mut self, hash: u64, channel: &str) -> Option<&mut Room> {
        self.rooms.find_mut(hash, |room| room.is(channel))
    }

    fn room_or_new(&mut self, hash: u64, channel: &str) -> OccupiedEntry<'_, Room> {
        let hasher = self.hasher.clone();
        self.rooms
            .entry(hash, |room| room.is(channel), |room| hasher.hash_one(room.name()))
            .or_insert_with(|| Room::new(channel))
    }

    /// Also counts the graces that are over by it.
    pub(super) fn join(
        &mut self,
        hash: u64,
        channel: &str,
        user: &UserId,
        wall: Timestamp,
        holder: Holder,
    ) -> Joined {
        let hasher = self.hasher.clone();
        let mut room = self.room_or_new(hash, channel);
        let joined = room.get_mut().join(user, wall, holder, &hasher);
        let (changed, told) = (room.get_mut().newly_changed(), room.get_mut().newly_told());
        self.changed.extend(changed);
        self.told.extend(told);
        self.running -= usize::from(joined.ended_grace);
        self.drop_stale_graces();
        joined
    }

    /// Returns how many graces began by it, and whether it was the holder's last lease.
    pub(super) fn leave(
        &mut self,
        hash: u64,
        channel: &str,
        user: &UserId,
        holder: Holder,
        until: Option<u64>,
    ) -> (usize, bool) {
        let Ok(mut room) = self.rooms.find_entry(hash, |room| room.is(channel)) else { return (0, false) };
        let number = self.next;
        let (left, is_last) = room.get_mut().leave(user, holder, until.map(|_| number), &self.hasher);
        let channel = Arc::clone(room.get().name_shared());
        self.told.extend(room.get_mut().newly_told());
        settle(room, &mut self.changed);
        let (Left::WithGrace { begun }, Some(until)) = (left, until) else { return (0, is_last) };
        self.next = number.saturating_add(1);
        // Shards read the clock a little apart; the queue stays in order.
        let until = self.graces.back().map_or(until, |last| last.until.max(until));
        self.graces.push_back(Grace { until, number, channel, user: user.clone() });
        let begun = usize::from(begun);
        self.running += begun;
        self.drop_stale_graces();
        (begun, is_last)
    }

    /// Other nodes are told of this one's users in a channel from now on, or no longer.
    pub(super) fn share(&mut self, hash: u64, channel: &str, is_shared: bool) {
        if is_shared {
            self.room_or_new(hash, channel).get_mut().share();
        } else if let Ok(mut room) = self.rooms.find_entry(hash, |room| room.is(channel)) {
            room.get_mut().unshare();
            self.told.retain(|name| **name != *channel);
            settle(room, &mut self.changed);
        }
    }

    /// Adds what other nodes are to be told.
    pub(super) fn take_news(&mut self, into: &mut Vec<Announced>) {
        for channel in std::mem::take(&mut self.told) {
            let hash = self.hasher.hash_one(&*channel);
            into.extend(self.room(hash, &channel).and_then(Room::take_news));
        }
    }

    /// Users that a node has, with their channels.
    pub(super) fn of_node(&self, node: NodeId) -> Vec<(Arc<str>, UserId)> {
        let of = |room: &Room| {
            let name = Arc::clone(room.name_shared());
            room.of_node(node).into_iter().map(move |user| (Arc::clone(&name), user))
        };
        self.rooms.iter().flat_map(of).collect()
    }

    pub(super) fn watch(&mut self, hash: u64, channel: &str) {
        self.room_or_new(hash, channel).get_mut().watch();
    }

    pub(super) fn unwatch(&mut self, hash: u64, channel: &str) {
        let Ok(mut room) = self.rooms.find_entry(hash, |room| room.is(channel)) else { return };
        if room.get_mut().unwatch() {
            // Few channels have something to tell at any time, and this is rare.
            let name = room.get().name_shared();
            if let Some(place) = self.changed.iter().position(|other| Arc::ptr_eq(other, name)) {
                self.changed.swap_remove(place);
            }
        }
        settle(room, &mut self.changed);
    }

    /// Ends the graces whose time is over. Returns how many.
    pub(super) fn end_graces(&mut self, now_ms: u64) -> usize {
        let mut ended = 0;
        while let Some(grace) = self.graces.pop_front_if(|grace| grace.until <= now_ms) {
            let hash = self.hasher.hash_one(&*grace.channel);
            if let Ok(mut room) = self.rooms.find_entry(hash, |room| room.is(&grace.channel)) {
                ended += usize::from(room.get_mut().end_grace(&grace.user, grace.number, &self.hasher));
                settle(room, &mut self.changed);
            }
        }
        self.running -= ended;
        ended
    }

    /// Adds what watchers are to be told now.
    pub(super) fn take_changes(&mut self, now_ms: u64, changes: &mut Vec<Changes>) {
        let Self { hasher, rooms, changed, .. } = self;
        changed.retain(|channel| {
            let hash = hasher.hash_one(&**channel);
            let Some(room) = rooms.find_mut(hash, |room| room.is(channel)) else { return false };
            room.take_changes(now_ms, changes);
            room.is_queued()
        });
    }

    pub(super) fn give_memory_back(&mut self) {
        let Self { hasher, rooms, graces, changed, .. } = self;
        shrink(rooms, |room| hasher.hash_one(room.name()));
        if let Some(capacity) = spare(graces.len(), graces.capacity()) {
            graces.shrink_to(capacity);
        }
        if let Some(capacity) = spare(changed.len(), changed.capacity()) {
            changed.shrink_to(capacity);
        }
    }

    /// Takes the entries of those who came back out of the queue, where they are more than the others.
    fn drop_stale_graces(&mut self) {
        if self.graces.len() <= SMALL + 2 * self.running {
            return;
        }
        let Self { hasher, rooms, graces, .. } = self;
        graces.retain(|grace| {
            let hash = hasher.hash_one(&*grace.channel);
            rooms
                .find(hash, |room| room.is(&grace.channel))
                .is_some_and(|room| room.has_grace(&grace.user, grace.number, hasher))
        });
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
            && self.graces.is_empty()
            && self.running == 0
            && self.changed.is_empty()
            && self.told.is_empty()
    }

    #[cfg(test)]
    pub(super) fn queued_graces(&self) -> usize {
        self.graces.len()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.rooms.capacity() + self.graces.capacity() + self.changed.capacity()
    }
}

/// Puts a channel down as changed, and away where nobody is in it or watches it.
fn settle(mut room: OccupiedEntry<'_, Room>, changed: &mut Vec<Arc<str>>) {
    changed.extend(room.get_mut().newly_changed());
    if room.get().is_deserted() {
        room.remove();
    }
}

/// The capacity to shrink to, where most of it is not used. Shrinking halves it at least, so it is paid for by what
/// was taken out before.
fn spare(len: usize, capacity: usize) -> Option<usize> {
    (capacity > SMALL && len < capacity / 4).then_some(2 * len)
}

/// Gives a table's memory back where most of it is not used.
pub(super) fn shrink<T>(table: &mut HashTable<T>, hash: impl Fn(&T) -> u64) {
    if let Some(capacity) = spare(table.len(), table.capacity()) {
        table.shrink_to(capacity, hash);
    }
}
