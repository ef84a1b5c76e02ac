//! Who is in a channel: the users with a subscribed connection, and those whose last one ended a moment ago.
//!
//! A subscription of a user's connection is a lease. A user is present from the first lease until the last one is gone
//! and the grace is over, so that a reload does not show. Shards tell of leases; one caller asks [`Presence::due`] a few
//! times a second, which ends graces and gives what the watchers of a channel are to be told, in batches.
//!
//! **What a watcher does with a batch.** It holds a set of users. `joined` puts a user in, with that `since` (in place
//! of an earlier one); `left` takes a user out. After each batch that is not truncated the set is what
//! [`Presence::list`] would have said at that moment, if the list was asked for after [`Presence::watch`].
//!
//! **What a batch says of a user**, who is in it at most once: how the user stands now, if that is different from the
//! last batch. Joined and left in between is nothing, left and back is nothing unless `since` is another (then it is
//! `joined` with the new one). So joins and leaves of a user alternate, with one exception: where a list was taken
//! between a change and its reversal, whoever took it has seen what the others never heard of, and the batch repeats
//! how the user stands for all.
//!
//! **Bounds.** Leases are subscriptions: connections by channels per connection. Users in their grace: at most
//! [`MOST_GRACES`]; beyond it the end of a connection counts at once. The queue of graces: twice as many as users wait in
//! it. A batch: [`MOST_CHANGES`]. A channel's memory goes with its last user and watcher, and tables that emptied shrink.
//! Measured: a user in a large channel takes 80 to 150 bytes, a grace 65 to 105 more, a channel with its first user 400.
//!
//! In a cluster another node's user is one lease more, whatever connections it has there (`shared`).
//!
//! Not here: the time (callers bring it), frames, and who may ask (the session's matter).

mod batch;
mod bucket;
mod room;
mod shared;
#[cfg(test)]
mod tests;

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use protocol::UserId;
use protocol::timestamp::Timestamp;

use self::bucket::Bucket;
use crate::broker::NodeId;
use crate::shard::Now;

pub use self::batch::MOST_CHANGES;
pub(crate) use self::shared::Own;

/// Channels that share one lock; as many as the registry's.
const BUCKETS: usize = 64;

/// Graces that may run at once, on this node. 15,000 clients with 17 channels each that drop together are about as
/// many; the most that they can take, each in a channel of its own, is 135 MB for the time of the grace.
pub const MOST_GRACES: usize = 1 << 18;

/// How a lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The connection unsubscribed: whoever has no other lease, and no grace that still runs, is gone.
    Now,
    /// The connection ended: the user may be back in a moment.
    WithGrace,
}

/// Who has a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// A connection of this node.
    Own,
    /// Another node, for all connections that the user has there.
    Node(NodeId),
}

/// The users of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Who is there since when, by that time and then by id; those with the earliest times where not all are listed.
    pub users: Vec<(UserId, Timestamp)>,
    /// How many there are.
    pub count: usize,
}

/// What the watchers of a channel are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The channel.
    pub channel: Box<str>,
    /// Who is there now, since when; by that time and then by id.
    pub joined: Vec<(UserId, Timestamp)>,
    /// Who is gone, by id.
    pub left: Vec<UserId>,
    /// How many are there.
    pub count: usize,
    /// There were more than [`MOST_CHANGES`], and nobody is named: only `count` is true, and whoever needs names asks
    /// for the list again.
    pub truncated: bool,
}

/// Who is in which channel of this node. Shared by all shards.
#[derive(Debug)]
pub struct Presence {
    hasher: RandomState,
    buckets: Box<[Mutex<Bucket>]>,
    grace_ms: u64,
    /// Graces that run, in all buckets. Counted under a bucket's lock, so that none ends before it is counted.
    graces: AtomicUsize,
    /// Watchers of all channels.
    watchers: AtomicUsize,
    /// Channels of which other nodes want to be told.
    shared: AtomicUsize,
    /// Leases of other nodes.
    elsewhere: AtomicUsize,
    most_graces: usize,
}

impl Presence {
    /// Nobody anywhere. Whoever's last connection ends stays present for `grace`.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self::with_most_graces(grace, MOST_GRACES)
    }

    fn with_most_graces(grace: Duration, most_graces: usize) -> Self {
        let hasher = RandomState::default();
        Self {
            buckets: (0..BUCKETS).map(|_| Mutex::new(Bucket::new(hasher.clone()))).collect(),
            hasher,
            grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
            graces: AtomicUsize::new(0),
            watchers: AtomicUsize::new(0),
            shared: AtomicUsize::new(0),
            elsewhere: AtomicUsize::new(0),
            most_graces,
        }
    }

    fn bucket(&self, channel: &str) -> (u64, MutexGuard<'_, Bucket>) {
        let hash = self.hasher.hash_one(channel);
        // As in the registry: the table inside uses other bits.
        let index = usize::try_from((hash >> 32) % BUCKETS as u64).unwrap_or(0);
        (hash, lock(&self.buckets[index]))
    }

    /// A connection of `user` subscribed to `channel`. A grace that runs is over: the user is back.
    pub fn join(&self, channel: &str, user: &UserId, now: Now) {
        let (hash, mut bucket) = self.bucket(channel);
        let joined = bucket.join(hash, channel, user, now.wall, Holder::Own);
        self.graces.fetch_sub(usize::from(joined.ended_grace), Ordering::Relaxed);
    }

    /// A subscription of `user` to `channel` ended. One that was never told of is ignored.
    pub fn leave(&self, channel: &str, user: &UserId, how: Leaving, now: Now) {
        let until = self.grace_until(how, now);
        let (hash, mut bucket) = self.bucket(channel);
        let (begun, _) = bucket.leave(hash, channel, user, Holder::Own, until);
        self.graces.fetch_add(begun, Ordering::Relaxed);
    }

    fn grace_until(&self, how: Leaving, now: Now) -> Option<u64> {
        let has_grace = how == Leaving::WithGrace
            && self.grace_ms > 0
            && self.graces.load(Ordering::Relaxed) < self.most_graces;
        has_grace.then(|| now.ms.saturating_add(self.grace_ms))
    }

    /// The users of `channel`, at most `most` of them, those in their grace included. Holds the channel's lock for it:
    /// 0.5 ms for 1,000 of 10,000 users, and far less if the same was asked before and the first 1,000 are still there.
    #[must_use]
    pub fn list(&self, channel: &str, most: usize) -> Listing {
        let (hash, mut bucket) = self.bucket(channel);
        bucket.room(hash, channel).map(|room| room.list(most)).unwrap_or_default()
    }

    /// How many users `channel` has, those in their grace included.
    #[must_use]
    pub fn count(&self, channel: &str) -> usize {
        let (hash, mut bucket) = self.bucket(channel);
        bucket.room(hash, channel).map_or(0, |room| room.count())
    }

    /// Somebody wants to be told of changes in `channel` from now on; it asks for the list after this. Only what
    /// happens in channels with watchers is collected.
    pub fn watch(&self, channel: &str) {
        self.watchers.fetch_add(1, Ordering::Release);
        let (hash, mut bucket) = self.bucket(channel);
        bucket.watch(hash, channel);
    }

    /// Whether somebody wants to be told of changes in `channel`.
    #[must_use]
    pub(crate) fn is_watched(&self, channel: &str) -> bool {
        if self.watchers.load(Ordering::Acquire) == 0 {
            return false;
        }
        let (hash, mut bucket) = self.bucket(channel);
        bucket.room(hash, channel).is_some_and(|room| room.is_watched())
    }

    /// One watcher of `channel` less.
    pub fn unwatch(&self, channel: &str) {
        let (hash, mut bucket) = self.bucket(channel);
        bucket.unwatch(hash, channel);
        self.watchers.fetch_sub(1, Ordering::Release);
    }

    /// Ends the graces whose time is over, and returns what watchers are to be told now. To be called by one caller
    /// every 250 to 500 ms: that much later than its time a grace may end or a batch come.
    #[must_use]
    pub fn due(&self, now: Now) -> Vec<Changes> {
        let mut changes = Vec::new();
        for bucket in &self.buckets {
            let mut bucket = lock(bucket);
            let ended = bucket.end_graces(now.ms);
            bucket.take_changes(now.ms, &mut changes);
            bucket.give_memory_back();
            self.graces.fetch_sub(ended, Ordering::Relaxed);
        }
        changes
    }

    /// How many graces run, for a gauge: at [`MOST_GRACES`] ends of connections begin to show at once.
    #[must_use]
    pub fn graces(&self) -> usize {
        self.graces.load(Ordering::Relaxed)
    }
}

fn lock(bucket: &Mutex<Bucket>) -> MutexGuard<'_, Bucket> {
    bucket.lock().unwrap_or_else(PoisonError::into_inner)
}
