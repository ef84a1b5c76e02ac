//! Which streams have followers, and on which shards.
//!
//! A publication asks here which shards to visit, `/stats` reads its counts, and a shard finds its own list of
//! followers without hashing the name again. Streams without followers are not kept. Those that somebody asked for stand
//! in a table of their own besides: a node may have a user's own stream for each connection, and `/health` is asked often.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use protocol::channel::{ALL, split_namespace};
use smallvec::SmallVec;

/// Streams that share one lock; a power of two, many more than threads.
const BUCKETS: usize = 64;

/// The place of a list of followers in its shard.
pub(crate) type ListIndex = u32;

/// No list.
const NO_LIST: ListIndex = ListIndex::MAX;

/// A stream with at least one follower.
#[derive(Debug)]
pub struct StreamEntry {
    /// Kept in place up to 24 bytes.
    name: CompactString,
    slots: SmallVec<[Slot; 2]>,
    /// The shards that tell who is here, a bit each: there are at most 64.
    tracked: AtomicU64,
}

/// What one shard has of a stream. Only that shard writes here.
#[derive(Debug)]
struct Slot {
    followers: AtomicU32,
    subscribers: AtomicU32,
    list: AtomicU32,
}

/// How a connection follows a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// It asked for the channel.
    Subscribed,
    /// The stream is its user's own, or everyone's.
    Implied,
    /// The stream is its user's own, and it asked for it besides.
    Both,
}

impl Membership {
    /// Whether the connection asked for the channel.
    #[must_use]
    pub const fn is_subscribed(self) -> bool {
        matches!(self, Self::Subscribed | Self::Both)
    }

    /// Whether the connection follows the stream without asking.
    #[must_use]
    pub const fn is_implied(self) -> bool {
        matches!(self, Self::Implied | Self::Both)
    }
}

impl StreamEntry {
    fn new(name: &str, shards: usize) -> Self {
        let slot = || Slot {
            followers: AtomicU32::new(0),
            subscribers: AtomicU32::new(0),
            list: AtomicU32::new(NO_LIST),
        };
        let slots = (0..shards).map(|_| slot()).collect();
        Self { name: name.into(), slots, tracked: AtomicU64::new(0) }
    }

    /// The stream's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connections that get what is published here.
    #[must_use]
    pub fn followers(&self) -> u32 {
        self.slots.iter().map(|slot| slot.followers.load(Ordering::Relaxed)).sum()
    }

    /// Connections that asked for this channel.
    #[must_use]
    pub fn subscribers(&self) -> u32 {
        self.slots.iter().map(|slot| slot.subscribers.load(Ordering::Relaxed)).sum()
    }

    /// Whether `shard` has followers.
    #[must_use]
    pub fn is_on(&self, shard: usize) -> bool {
        self.slots[shard].followers.load(Ordering::Relaxed) > 0
    }

    /// Whether all shards tell who is here.
    pub(crate) fn is_tracked(&self) -> bool {
        self.tracked.load(Ordering::Acquire).count_ones() as usize == self.slots.len()
    }

    /// Whether `shard` tells who comes and goes.
    pub(crate) fn is_tracked_on(&self, shard: usize) -> bool {
        self.tracked.load(Ordering::Relaxed) & bit(shard) != 0
    }

    /// It does from now on. Returns whether it did not before.
    pub(crate) fn track_on(&self, shard: usize) -> bool {
        self.tracked.fetch_or(bit(shard), Ordering::AcqRel) & bit(shard) == 0
    }

    pub(crate) fn list_on(&self, shard: usize) -> Option<ListIndex> {
        let list = self.slots[shard].list.load(Ordering::Relaxed);
        (list != NO_LIST).then_some(list)
    }

    pub(crate) fn set_list(&self, shard: usize, list: Option<ListIndex>) {
        self.slots[shard].list.store(list.unwrap_or(NO_LIST), Ordering::Relaxed);
    }
}

fn bit(shard: usize) -> u64 {
    u32::try_from(shard).ok().and_then(|shard| 1_u64.checked_shl(shard)).unwrap_or(0)
}

/// A part of the streams.
#[derive(Debug, Default)]
struct Bucket {
    streams: HashTable<Arc<StreamEntry>>,
    /// Those of them that somebody asked for.
    asked: HashTable<Arc<StreamEntry>>,
}

impl Bucket {
    /// Moves the count of those who asked for a stream on `shard`, and what stands in the table of such.
    fn count(&mut self, hasher: &RandomState, hash: u64, entry: &Arc<StreamEntry>, shard: usize, more: bool) {
        let before = entry.subscribers();
        let subscribers = &entry.slots[shard].subscribers;
        if more {
            subscribers.fetch_add(1, Ordering::Relaxed);
            if before == 0 {
                let rehash = |entry: &Arc<StreamEntry>| hasher.hash_one(entry.name());
                self.asked.insert_unique(hash, Arc::clone(entry), rehash);
            }
            return;
        }
        subscribers.fetch_sub(1, Ordering::Relaxed);
        if before == 1
            && let Ok(found) = self.asked.find_entry(hash, |other| Arc::ptr_eq(other, entry))
        {
            found.remove();
        }
    }
}

/// All streams that have followers on this node.
#[derive(Debug)]
pub struct Registry {
    shards: usize,
    hasher: RandomState,
    buckets: Box<[Mutex<Bucket>]>,
    everyone: Arc<StreamEntry>,
    /// Streams whose last follower has gone since they were taken, where somebody asks for them: as many as clients leave
    /// between two turns.
    left: Option<Mutex<Vec<CompactString>>>,
}

impl Registry {
    /// An empty registry for so many shards.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self {
            shards,
            hasher: RandomState::default(),
            buckets: (0..BUCKETS).map(|_| Mutex::default()).collect(),
            everyone: Arc::new(StreamEntry::new(ALL, shards)),
            left: None,
        }
    }

    /// Remembers from now on which streams lose their last follower; [`take_left`](Self::take_left) has to be called then.
    pub(crate) fn remember_left(&mut self) {
        self.left = Some(Mutex::default());
    }

    /// The streams that have lost their last follower since the last call; some of them may have new ones.
    pub(crate) fn take_left(&self) -> Vec<CompactString> {
        let take =
            |left: &Mutex<Vec<_>>| std::mem::take(&mut *left.lock().unwrap_or_else(PoisonError::into_inner));
        self.left.as_ref().map_or_else(Vec::new, take)
    }

    /// The stream of everyone, which is always there.
    #[must_use]
    pub fn everyone(&self) -> &Arc<StreamEntry> {
        &self.everyone
    }

    fn bucket(&self, hash: u64) -> MutexGuard<'_, Bucket> {
        // The table inside uses the low bits and the top seven; the lock is chosen by others.
        let index = usize::try_from((hash >> 32) % BUCKETS as u64).unwrap_or(0);
        self.buckets[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream of that name, if anybody follows it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<StreamEntry>> {
        if name == ALL {
            return Some(Arc::clone(&self.everyone));
        }
        let hash = self.hasher.hash_one(name);
        self.bucket(hash).streams.find(hash, |entry| entry.name() == name).cloned()
    }

    /// Adds a follower on `shard`. Returns the stream.
    pub(crate) fn join(&self, name: &str, shard: usize, how: Membership) -> Arc<StreamEntry> {
        if name == ALL {
            let slot = &self.everyone.slots[shard];
            slot.followers.fetch_add(1, Ordering::Relaxed);
            slot.subscribers.fetch_add(how.is_subscribed().into(), Ordering::Relaxed);
            return Arc::clone(&self.everyone);
        }
        let hash = self.hasher.hash_one(name);
        let mut bucket = self.bucket(hash);
        let entry = bucket
            .streams
            .entry(hash, |entry| entry.name() == name, |entry| self.hasher.hash_one(entry.name()))
            .or_insert_with(|| Arc::new(StreamEntry::new(name, self.shards)));
        let entry = Arc::clone(entry.get());
        entry.slots[shard].followers.fetch_add(1, Ordering::Relaxed);
        if how.is_subscribed() {
            bucket.count(&self.hasher, hash, &entry, shard, true);
        }
        entry
    }

    /// Notes that an owner of the stream on `shard` now asked for it besides, or no longer does.
    pub(crate) fn mark(&self, entry: &Arc<StreamEntry>, shard: usize, how: Membership) {
        let hash = self.hasher.hash_one(entry.name());
        self.bucket(hash).count(&self.hasher, hash, entry, shard, how.is_subscribed());
    }

    /// Takes a follower on `shard` away, and the stream with the last one.
    pub(crate) fn leave(&self, entry: &Arc<StreamEntry>, shard: usize, how: Membership) {
        let hash = self.hasher.hash_one(entry.name());
        let mut bucket = self.bucket(hash);
        entry.slots[shard].followers.fetch_sub(1, Ordering::Relaxed);
        if how.is_subscribed() {
            bucket.count(&self.hasher, hash, entry, shard, false);
        }
        if entry.followers() == 0
            && let Ok(found) = bucket.streams.find_entry(hash, |other| Arc::ptr_eq(other, entry))
        {
            found.remove();
            if let Some(left) = &self.left {
                left.lock().unwrap_or_else(PoisonError::into_inner).push(entry.name.clone());
            }
        }
    }

    /// Calls `visit` with each stream that has followers.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&StreamEntry)) {
        for bucket in &self.buckets {
            let bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.streams.iter().for_each(|entry| visit(entry));
        }
    }

    /// Calls `visit` with each channel that somebody asked for, and by how many.
    pub fn for_each_channel(&self, mut visit: impl FnMut(&str, u32)) {
        for bucket in &self.buckets {
            let bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in bucket.asked.iter().filter(|entry| split_namespace(entry.name()).is_none()) {
                visit(&entry.name, entry.subscribers());
            }
        }
    }

    /// How many streams have followers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets
            .iter()
            .map(|bucket| bucket.lock().unwrap_or_else(PoisonError::into_inner).streams.len())
            .sum()
    }

    /// Whether no stream has followers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_there_exactly_while_it_has_followers() {
        let registry = Registry::new(2);
        assert!(registry.get("jobs").is_none());
        let first = registry.join("jobs", 0, Membership::Subscribed);
        let second = registry.join("jobs", 1, Membership::Subscribed);
        assert!(Arc::ptr_eq(&first, &second) && first.followers() == 2);
        assert!(first.is_on(0) && first.is_on(1) && first.subscribers() == 2);
        registry.leave(&first, 0, Membership::Subscribed);
        assert!(!first.is_on(0) && registry.get("jobs").is_some());
        registry.leave(&first, 1, Membership::Subscribed);
        assert!(registry.get("jobs").is_none() && registry.is_empty());
    }

    #[test]
    fn who_follows_a_stream_as_its_own_is_a_subscriber_only_if_it_asked_for_it() {
        let registry = Registry::new(2);
        let entry = registry.join("user:7", 0, Membership::Implied);
        assert_eq!((entry.followers(), entry.subscribers()), (1, 0));
        registry.join("user:7", 1, Membership::Subscribed);
        registry.mark(&entry, 0, Membership::Both);
        assert_eq!((entry.followers(), entry.subscribers()), (2, 2));
        registry.leave(&entry, 0, Membership::Both);
        assert_eq!((entry.followers(), entry.subscribers()), (1, 1));
    }

    #[test]
    fn only_channels_that_were_asked_for_are_listed() {
        let registry = Registry::new(1);
        registry.join("user:7", 0, Membership::Implied);
        let entry = registry.join("user:8", 0, Membership::Implied);
        registry.mark(&entry, 0, Membership::Both);
        registry.join("jobs", 0, Membership::Subscribed);
        let mut seen = Vec::new();
        registry.for_each_channel(|name, count| seen.push((name.to_owned(), count)));
        seen.sort();
        assert_eq!(seen, [("jobs".to_owned(), 1), ("user:8".to_owned(), 1)]);
        registry.mark(&entry, 0, Membership::Implied);
        let mut seen = Vec::new();
        registry.for_each_channel(|name, _| seen.push(name.to_owned()));
        assert_eq!(seen, ["jobs"]);
    }
}
