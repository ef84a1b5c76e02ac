//! Presence over the nodes of a cluster: what other nodes are told of this one's users, and their users here.
//!
//! A channel of which another node wants to know is *shared*: of each of this node's users in it it is put down how the user
//! stands now, until that is taken to be told ([`Presence::news`]). Another node's user has one lease here, which ends when
//! that node says so, or with the node.
//!
//! **Bounds.** News of one channel: [`MOST_NEWS`] users, beyond it the whole list is told instead. Leases of other nodes:
//! [`MOST_ELSEWHERE`], a further user of theirs does not show here. Not here: who wants what (`cluster/rooms`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use foldhash::fast::RandomState;
use protocol::UserId;
use protocol::timestamp::Timestamp;

use super::{Holder, Leaving, Presence, lock};
use crate::broker::NodeId;
use crate::shard::Now;

/// Users of one channel of whom something new is told; of more the whole list is.
const MOST_NEWS: usize = 10_000;

/// Leases of users on other nodes that this one holds: two million, in about 250 MB.
const MOST_ELSEWHERE: usize = 1 << 21;

/// How a user stands on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    /// There since then.
    Here(Timestamp),
    /// Gone a moment ago: its grace runs.
    InGrace,
    /// Gone.
    Gone,
}

/// What other nodes are to be told of a channel.
#[derive(Debug)]
pub(crate) struct Announced {
    /// The channel.
    pub channel: Arc<str>,
    /// How users stand; none where that is too much, and the whole list is to be told.
    pub users: Option<Vec<(UserId, Own)>>,
}

/// What is new of this node's users in one channel.
#[derive(Debug, Default)]
pub(super) struct News {
    users: HashMap<UserId, Own, RandomState>,
    is_too_much: bool,
    /// The bucket has put the channel down.
    is_queued: bool,
}

impl News {
    pub(super) fn note(&mut self, user: &UserId, own: Own) {
        if self.users.len() >= MOST_NEWS && !self.users.contains_key(user) {
            self.is_too_much = true;
            self.users = HashMap::default();
        }
        if !self.is_too_much {
            self.users.insert(user.clone(), own);
        }
    }

    /// Returns whether there is something to tell for which the channel is not yet put down.
    pub(super) fn queue(&mut self) -> bool {
        let is_new = !self.is_queued && (self.is_too_much || !self.users.is_empty());
        self.is_queued |= is_new;
        is_new
    }

    pub(super) fn take(&mut self, channel: &Arc<str>) -> Option<Announced> {
        let Self { users, is_too_much, is_queued } = std::mem::take(self);
        let users = (!is_too_much).then(|| users.into_iter().collect());
        is_queued.then(|| Announced { channel: Arc::clone(channel), users })
    }
}

impl Presence {
    /// Other nodes are told of this one's users in `channel` from now on. Not to be called again before
    /// [`Presence::unshare`].
    pub(crate) fn share(&self, channel: &str) {
        self.shared.fetch_add(1, Ordering::Release);
        let (hash, mut bucket) = self.bucket(channel);
        bucket.share(hash, channel, true);
    }

    /// They are no longer.
    pub(crate) fn unshare(&self, channel: &str) {
        let (hash, mut bucket) = self.bucket(channel);
        bucket.share(hash, channel, false);
        self.shared.fetch_sub(1, Ordering::Release);
    }

    /// Whether it matters who comes and goes in `channel`: somebody here watches it, or another node wants to know.
    #[must_use]
    pub(crate) fn is_wanted(&self, channel: &str) -> bool {
        if self.watchers.load(Ordering::Acquire) == 0 && self.shared.load(Ordering::Acquire) == 0 {
            return false;
        }
        let (hash, mut bucket) = self.bucket(channel);
        bucket.room(hash, channel).is_some_and(|room| room.is_watched() || room.is_shared())
    }

    /// Takes what other nodes are to be told.
    #[must_use]
    pub(crate) fn news(&self) -> Vec<Announced> {
        let mut news = Vec::new();
        if self.shared.load(Ordering::Acquire) > 0 {
            self.buckets.iter().for_each(|bucket| lock(bucket).take_news(&mut news));
        }
        news
    }

    /// This node's users of `channel`, and those whose grace runs.
    #[must_use]
    pub(crate) fn own(&self, channel: &str) -> Vec<(UserId, Timestamp, Own)> {
        let (hash, mut bucket) = self.bucket(channel);
        bucket.room(hash, channel).map(|room| room.own()).unwrap_or_default()
    }

    /// Another node says how a user stands there. Of one in its grace there that is not known here the grace runs here.
    pub(crate) fn hear(&self, channel: &str, node: NodeId, user: &UserId, own: Own, now: Now) {
        match own {
            Own::Here(since) => self.join_elsewhere(channel, node, user, since),
            Own::InGrace => self.leave_elsewhere(channel, node, user, Leaving::WithGrace, now),
            Own::Gone => self.leave_elsewhere(channel, node, user, Leaving::Now, now),
        }
    }

    /// Another node says who is in `channel` there: those of whom it says nothing are so no longer.
    pub(crate) fn hear_all(&self, channel: &str, node: NodeId, users: &[(UserId, Timestamp, Own)], now: Now) {
        let (hash, mut bucket) = self.bucket(channel);
        let before = bucket.room(hash, channel).map(|room| room.of_node(node)).unwrap_or_default();
        drop(bucket);
        let held: HashSet<&UserId> =
            users.iter().filter(|(.., own)| *own != Own::Gone).map(|(user, ..)| user).collect();
        for (user, since, own) in users {
            if *own == Own::InGrace {
                // So that there is somebody whose grace it is.
                self.join_elsewhere(channel, node, user, *since);
            }
            self.hear(channel, node, user, *own, now);
        }
        for user in before.iter().filter(|user| !held.contains(user)) {
            self.leave_elsewhere(channel, node, user, Leaving::WithGrace, now);
        }
    }

    /// A node is gone, and its users with it; they may be back on another one in a moment.
    pub(crate) fn end_node(&self, node: NodeId, now: Now) {
        for bucket in &self.buckets {
            let of_node = lock(bucket).of_node(node);
            for (channel, user) in of_node {
                self.leave_elsewhere(&channel, node, &user, Leaving::WithGrace, now);
            }
        }
    }

    /// Nobody here wants to know any longer who is in `channel` on other nodes.
    pub(crate) fn forget_elsewhere(&self, channel: &str, now: Now) {
        let (hash, mut bucket) = self.bucket(channel);
        let elsewhere = bucket.room(hash, channel).map(|room| room.elsewhere()).unwrap_or_default();
        drop(bucket);
        for (user, nodes) in elsewhere {
            nodes.iter().for_each(|&node| self.leave_elsewhere(channel, node, &user, Leaving::Now, now));
        }
    }

    fn join_elsewhere(&self, channel: &str, node: NodeId, user: &UserId, since: Timestamp) {
        if self.elsewhere.load(Ordering::Relaxed) >= MOST_ELSEWHERE {
            return;
        }
        let (hash, mut bucket) = self.bucket(channel);
        let joined = bucket.join(hash, channel, user, since, Holder::Node(node));
        self.graces.fetch_sub(usize::from(joined.ended_grace), Ordering::Relaxed);
        self.elsewhere.fetch_add(usize::from(joined.is_first), Ordering::Relaxed);
    }

    fn leave_elsewhere(&self, channel: &str, node: NodeId, user: &UserId, how: Leaving, now: Now) {
        let until = self.grace_until(how, now);
        let (hash, mut bucket) = self.bucket(channel);
        let (begun, is_last) = bucket.leave(hash, channel, user, Holder::Node(node), until);
        self.graces.fetch_add(begun, Ordering::Relaxed);
        self.elsewhere.fetch_sub(usize::from(is_last), Ordering::Relaxed);
    }
}
