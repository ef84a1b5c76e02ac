//! Who follows what on this shard: per stream a list of connections, per connection its places in the lists.

use std::sync::Arc;

use slab::Slab;
use smallvec::SmallVec;

use super::delivery::Pass;
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

/// The bit of [`Follow::list`] that says that the client asked for the channel.
const SUBSCRIBED: u32 = 1 << 31;

/// The bit of [`Follow::list`] that says that the stream is the connection's own.
const IMPLIED: u32 = 1 << 30;

impl Follow {
    pub(super) fn new(list: ListIndex, at: u32, how: Membership) -> Self {
        let mut follow = Self { list, at };
        follow.set_membership(how);
        follow
    }

    pub(super) fn list(self) -> ListIndex {
        self.list & !(SUBSCRIBED | IMPLIED)
    }

    /// The place in the list.
    pub(super) fn at(self) -> usize {
        self.at as usize
    }

    pub(super) fn membership(self) -> Membership {
        match (self.list & SUBSCRIBED != 0, self.list & IMPLIED != 0) {
            (true, true) => Membership::Both,
            (false, true) => Membership::Implied,
            (_, false) => Membership::Subscribed,
        }
    }

    pub(super) fn set_membership(&mut self, how: Membership) {
        let subscribed = if how.is_subscribed() { SUBSCRIBED } else { 0 };
        let implied = if how.is_implied() { IMPLIED } else { 0 };
        self.list = self.list() | subscribed | implied;
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

/// Places that a list keeps even when most of them are free.
const SPARE_PLACES: usize = 64;

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

    /// Adds `key` at the end of a stream's followers. Returns its place.
    pub(super) fn join(
        &mut self,
        registry: &Registry,
        shard: usize,
        name: &str,
        key: Key,
        how: Membership,
    ) -> Follow {
        let entry = registry.join(name, shard, how);
        let list = entry.list_on(shard).unwrap_or_else(|| {
            let list =
                self.lists.insert(List { entry: Arc::clone(&entry), followers: SmallVec::new(), head: 0 });
            let list = ListIndex::try_from(list).unwrap_or(ListIndex::MAX >> 2);
            entry.set_list(shard, Some(list));
            list
        });
        let found = self.get_mut(list);
        let at = u32::try_from(found.followers.len()).unwrap_or(u32::MAX);
        found.followers.push(Follower { key, seen: found.head });
        Follow::new(list, at, how)
    }

    /// Takes a follower out; `pass` is the one that goes round this list. Tells whose places changed by that.
    ///
    /// The gap is filled with the list's last follower. Where the gap lies behind the pass, that follower would
    /// be passed over: so the gap moves to right before the cursor first, and the pass steps back to it.
    pub(super) fn leave(
        &mut self,
        registry: &Registry,
        shard: usize,
        follow: Follow,
        pass: Option<&mut Pass>,
    ) -> SmallVec<[Moved; 2]> {
        let list = self.get_mut(follow.list());
        let mut moved = SmallVec::new();
        let mut gap = follow.at();
        if let Some(visited) = pass.and_then(|pass| pass.step_back(gap))
            && visited != gap
        {
            list.followers[gap] = list.followers[visited];
            moved.push(Moved { key: list.followers[gap].key, list: follow.list(), at: follow.at });
            gap = visited;
        }
        list.followers.swap_remove(gap);
        if let (Some(follower), Ok(at)) = (list.followers.get(gap), u32::try_from(gap)) {
            moved.push(Moved { key: follower.key, list: follow.list(), at });
        }
        // What a crowd needed is given back when it has gone.
        if list.followers.capacity() > SPARE_PLACES && list.followers.len() < list.followers.capacity() / 4 {
            list.followers.shrink_to_fit();
        }
        registry.leave(&Arc::clone(&list.entry), shard, follow.membership());
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
