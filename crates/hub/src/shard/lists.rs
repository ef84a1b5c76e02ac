//! Who follows what on this shard: per stream a list of connections, per connection its places in the lists.

use std::sync::Arc;

use slab::Slab;
use smallvec::SmallVec;

use crate::registry::{ListIndex, Membership, Registry, StreamEntry};

/// A connection's place in its shard.
pub(super) type Key = u32;

/// A follower in a stream's list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Follower {
    pub(super) key: Key,
    /// The last publication of a running pass that it was given; equal to the list's `head` otherwise.
    pub(super) seen: u32,
}

/// The followers of one stream on this shard.
#[derive(Debug)]
pub(super) struct List {
    pub(super) entry: Arc<StreamEntry>,
    pub(super) followers: SmallVec<[Follower; 2]>,
    /// Counts the publications that went out in passes, wrapping.
    pub(super) head: u32,
}

/// A stream that a connection follows: the list, its place there, and how it came to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Follow {
    list: u32,
    at: u32,
}

/// The bit of [`Follow::list`] that says that the client asked for the channel itself.
const SUBSCRIBED: u32 = 1 << 31;

impl Follow {
    pub(super) fn list(self) -> ListIndex {
        self.list & !SUBSCRIBED
    }

    pub(super) fn membership(self) -> Membership {
        if self.list & SUBSCRIBED != 0 { Membership::Subscribed } else { Membership::Implied }
    }

    pub(super) fn set_membership(&mut self, how: Membership) {
        match how {
            Membership::Subscribed => self.list |= SUBSCRIBED,
            Membership::Implied => self.list &= !SUBSCRIBED,
        }
    }
}

/// All lists of a shard.
#[derive(Debug, Default)]
pub(super) struct Lists {
    lists: Slab<List>,
}

/// A follower that another's leaving moved to a new place.
pub(super) struct Moved {
    pub(super) key: Key,
    pub(super) list: ListIndex,
    pub(super) at: u32,
}

fn index(list: ListIndex) -> usize {
    list as usize
}

impl Lists {
    pub(super) fn get(&self, list: ListIndex) -> &List {
        &self.lists[index(list)]
    }

    pub(super) fn get_mut(&mut self, list: ListIndex) -> &mut List {
        &mut self.lists[index(list)]
    }

    /// Adds `key` to a stream's followers. Returns its place, and the followers on all shards.
    pub(super) fn join(
        &mut self,
        registry: &Registry,
        shard: usize,
        name: &str,
        key: Key,
        how: Membership,
    ) -> (Follow, u32) {
        let (entry, total) = registry.join(name, shard, how);
        let list = entry.list_on(shard).unwrap_or_else(|| {
            let list = self.lists.insert(List { entry: Arc::clone(&entry), followers: SmallVec::new(), head: 0 });
            let list = ListIndex::try_from(list).unwrap_or(ListIndex::MAX >> 1);
            entry.set_list(shard, Some(list));
            list
        });
        let found = self.get_mut(list);
        let at = u32::try_from(found.followers.len()).unwrap_or(u32::MAX);
        found.followers.push(Follower { key, seen: found.head });
        let mut follow = Follow { list, at };
        follow.set_membership(how);
        (follow, total)
    }

    /// Takes a follower out. Tells whose place changed by that.
    pub(super) fn leave(&mut self, registry: &Registry, shard: usize, follow: Follow) -> Option<Moved> {
        let list = self.get_mut(follow.list());
        list.followers.swap_remove(follow.at as usize);
        let moved = list
            .followers
            .get(follow.at as usize)
            .map(|follower| Moved { key: follower.key, list: follow.list(), at: follow.at });
        let entry = Arc::clone(&list.entry);
        registry.leave(&entry, shard, follow.membership());
        moved
    }

    /// Forgets a list that has no followers.
    pub(super) fn remove_if_empty(&mut self, shard: usize, list: ListIndex) {
        if self.lists.get(index(list)).is_some_and(|found| found.followers.is_empty()) {
            self.lists.remove(index(list)).entry.set_list(shard, None);
        }
    }
}

/// Where a connection's places are mended when another one's leaving moved it.
pub(super) fn mend(follows: &mut [Follow], moved: &Moved) {
    if let Some(follow) = follows.iter_mut().find(|follow| follow.list() == moved.list) {
        follow.at = moved.at;
    }
}
