//! One channel: its users with their leases, and what its watchers are to be told.

use std::hash::BuildHasher;
use std::num::NonZeroU64;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use protocol::UserId;
use protocol::timestamp::Timestamp;

use super::batch::{Batch, Told};
use super::bucket::shrink;
use super::shared::{Announced, News, Own};
use super::{Changes, Holder, Listing};
use crate::broker::NodeId;

/// Users from which a channel keeps the beginning of its list: below, sorting costs less than writing the answer.
const LARGE: usize = 256;

/// The longest beginning of a list that a channel keeps: 40 KB. Longer lists are sorted each time.
const LONGEST_BEGINNING: usize = 1_000;

/// A user in a channel.
#[derive(Debug)]
pub(super) struct Member {
    user: UserId,
    since: Timestamp,
    /// Subscriptions of this user's connections on this node.
    leases: u32,
    /// The grace that runs, if one does. A user without lease always has one.
    grace: Option<NonZeroU64>,
    /// The other nodes on which the user has subscriptions; nearly always none or one.
    nodes: Box<[NodeId]>,
}

impl Member {
    fn is_held(&self) -> bool {
        self.leases > 0 || !self.nodes.is_empty()
    }

    /// Returns whether the holder has its first lease by it.
    fn take(&mut self, holder: Holder) -> bool {
        match holder {
            Holder::Own => {
                self.leases = self.leases.saturating_add(1);
                self.leases == 1
            }
            Holder::Node(node) if self.nodes.contains(&node) => false,
            Holder::Node(node) => {
                self.nodes = self.nodes.iter().copied().chain([node]).collect();
                true
            }
        }
    }

    /// Returns whether the holder has a lease less, and whether it was the last.
    fn give_back(&mut self, holder: Holder) -> (bool, bool) {
        match holder {
            Holder::Own if self.leases == 0 => (false, false),
            Holder::Own => {
                self.leases -= 1;
                (true, self.leases == 0)
            }
            Holder::Node(node) => {
                let is_there = self.nodes.contains(&node);
                if is_there {
                    self.nodes = self.nodes.iter().copied().filter(|&other| other != node).collect();
                }
                (is_there, is_there)
            }
        }
    }

    fn order(&self) -> (Timestamp, &str) {
        (self.since, self.user.as_str())
    }
}

/// The order of a list.
pub(super) fn order((user, since): &(UserId, Timestamp)) -> (Timestamp, &str) {
    (*since, user.as_str())
}

/// What came of a new lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Joined {
    /// A grace is over by it.
    pub(super) ended_grace: bool,
    /// The holder had none of this user before.
    pub(super) is_first: bool,
}

/// What came of an ended lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// The user is gone, or goes on by another lease or an earlier grace, or was never there.
    AtOnce,
    /// The user has a grace.
    WithGrace {
        /// It is not in place of an earlier one that still ran.
        begun: bool,
    },
}

/// A channel with users or watchers.
#[derive(Debug)]
pub(super) struct Room {
    name: Arc<str>,
    members: HashTable<Member>,
    /// The beginning of the list as it was asked for last, as long as it is true: whoever comes is behind it. So a
    /// crowd that comes and asks sorts once. Only in large channels.
    beginning: Option<Box<[(UserId, Timestamp)]>>,
    /// Only where somebody watches.
    batch: Option<Box<Batch>>,
    /// Only where another node wants to know of this one's users: what is to be told of them.
    news: Option<Box<News>>,
}

impl Room {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), members: HashTable::new(), beginning: None, batch: None, news: None }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        *self.name == *name
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn name_shared(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_deserted(&self) -> bool {
        self.members.is_empty() && self.batch.is_none() && self.news.is_none()
    }

    /// A lease begins. Of several times since which a user is there the first counts.
    pub(super) fn join(
        &mut self,
        user: &UserId,
        wall: Timestamp,
        holder: Holder,
        hasher: &RandomState,
    ) -> Joined {
        let hash = hasher.hash_one(user);
        let Some(member) = self.members.find_mut(hash, |member| member.user == *user) else {
            let mut member =
                Member { user: user.clone(), since: wall, leases: 0, grace: None, nodes: Box::default() };
            member.take(holder);
            self.members.insert_unique(hash, member, |member| hasher.hash_one(&member.user));
            self.check_beginning(user, wall);
            self.note(user, None, Some(wall));
            self.announce(user, holder, Own::Here(wall));
            return Joined { ended_grace: false, is_first: true };
        };
        let is_first = member.take(holder);
        let ended_grace = member.grace.take().is_some();
        let was = member.since;
        // The clock of one node may go back; of several nodes the earliest word counts on all.
        let since = if member.nodes.is_empty() { was } else { was.min(wall) };
        member.since = since;
        if since < was {
            self.check_beginning(user, since);
            self.note(user, Some(was), Some(since));
        }
        if is_first {
            self.announce(user, holder, Own::Here(since));
        }
        Joined { ended_grace, is_first }
    }

    /// A lease ended; the user has that grace, if one is given. Also returns whether it was the holder's last.
    pub(super) fn leave(
        &mut self,
        user: &UserId,
        holder: Holder,
        grace: Option<NonZeroU64>,
        hasher: &RandomState,
    ) -> (Left, bool) {
        let hash = hasher.hash_one(user);
        let Some(member) = self.members.find_mut(hash, |member| member.user == *user) else {
            return (Left::AtOnce, false);
        };
        let (is_less, is_last) = member.give_back(holder);
        if !is_less {
            return (Left::AtOnce, false);
        }
        let mut left = Left::AtOnce;
        if grace.is_some() {
            left = Left::WithGrace { begun: std::mem::replace(&mut member.grace, grace).is_none() };
        }
        let has_grace = member.grace.is_some();
        if !member.is_held() && !has_grace {
            self.remove(user, hash, hasher);
        }
        if is_last {
            self.announce(user, holder, if has_grace { Own::InGrace } else { Own::Gone });
        }
        (left, is_last)
    }

    /// The time of a grace is over. Returns whether it still ran.
    pub(super) fn end_grace(&mut self, user: &UserId, number: NonZeroU64, hasher: &RandomState) -> bool {
        let hash = hasher.hash_one(user);
        let Some(member) = self
            .members
            .find_mut(hash, |member| member.user == *user)
            .filter(|member| member.grace == Some(number))
        else {
            return false;
        };
        member.grace = None;
        if !member.is_held() {
            self.remove(user, hash, hasher);
        }
        true
    }

    pub(super) fn has_grace(&self, user: &UserId, number: NonZeroU64, hasher: &RandomState) -> bool {
        self.members
            .find(hasher.hash_one(user), |member| member.user == *user)
            .is_some_and(|member| member.grace == Some(number))
    }

    fn remove(&mut self, user: &UserId, hash: u64, hasher: &RandomState) {
        let Ok(found) = self.members.find_entry(hash, |member| member.user == *user) else { return };
        let (member, _) = found.remove();
        shrink(&mut self.members, |member| hasher.hash_one(&member.user));
        self.check_beginning(user, member.since);
        self.note(user, Some(member.since), None);
    }

    fn note(&mut self, user: &UserId, was: Option<Timestamp>, is: Option<Timestamp>) {
        if let Some(batch) = &mut self.batch {
            batch.note(user, was, is);
        }
    }

    /// Puts down for other nodes how a user of this one stands.
    fn announce(&mut self, user: &UserId, holder: Holder, own: Own) {
        if let Some(news) = self.news.as_mut().filter(|_| holder == Holder::Own) {
            news.note(user, own);
        }
    }

    /// Drops the beginning of the list, if the place of a user who came or went is in it.
    fn check_beginning(&mut self, user: &UserId, since: Timestamp) {
        let last = self.beginning.as_deref().and_then(<[_]>::last).map(order);
        if last.is_some_and(|last| (since, user.as_str()) <= last) {
            self.beginning = None;
        }
    }

    pub(super) fn list(&mut self, most: usize) -> Listing {
        if let Some(batch) = &mut self.batch {
            batch.listed();
        }
        let count = self.count();
        let most = most.min(count);
        if let Some(known) = self.beginning.as_deref().and_then(|beginning| beginning.get(..most)) {
            return Listing { users: known.to_vec(), count };
        }
        let mut members: Vec<&Member> = self.members.iter().collect();
        if most < count {
            members.select_nth_unstable_by(most, |a, b| a.order().cmp(&b.order()));
            members.truncate(most);
        }
        members.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        let users: Vec<_> = members.into_iter().map(|member| (member.user.clone(), member.since)).collect();
        if count >= LARGE && most > 0 {
            self.beginning = Some(users[..most.min(LONGEST_BEGINNING)].into());
        }
        Listing { users, count }
    }

    pub(super) fn is_watched(&self) -> bool {
        self.batch.is_some()
    }

    /// Whether another node wants to know of this one's users.
    pub(super) fn is_shared(&self) -> bool {
        self.news.is_some()
    }

    pub(super) fn share(&mut self) {
        self.news.get_or_insert_default();
    }

    pub(super) fn unshare(&mut self) {
        self.news = None;
    }

    /// The channel's name, where it is to be put down as one with news for other nodes.
    pub(super) fn newly_told(&mut self) -> Option<Arc<str>> {
        let is_new = self.news.as_mut().is_some_and(|news| news.queue());
        is_new.then(|| Arc::clone(&self.name))
    }

    /// What is new of this node's users; none where the channel is not shared.
    pub(super) fn take_news(&mut self) -> Option<Announced> {
        self.news.as_mut().and_then(|news| news.take(&self.name))
    }

    /// This node's users, and those in a grace, of whom it is not known where they were; these have no time.
    pub(super) fn own(&self) -> Vec<(UserId, Timestamp, Own)> {
        let of = |member: &Member| match (member.leases, member.grace) {
            (0, Some(_)) if member.nodes.is_empty() => {
                Some((member.user.clone(), member.since, Own::InGrace))
            }
            (0, _) => None,
            _ => Some((member.user.clone(), member.since, Own::Here(member.since))),
        };
        self.members.iter().filter_map(of).collect()
    }

    /// Users that another node has.
    pub(super) fn of_node(&self, node: NodeId) -> Vec<UserId> {
        let members = self.members.iter().filter(|member| member.nodes.contains(&node));
        members.map(|member| member.user.clone()).collect()
    }

    /// Users that other nodes have, with these.
    pub(super) fn elsewhere(&self) -> Vec<(UserId, Box<[NodeId]>)> {
        let members = self.members.iter().filter(|member| !member.nodes.is_empty());
        members.map(|member| (member.user.clone(), member.nodes.clone())).collect()
    }

    pub(super) fn watch(&mut self) {
        self.batch.get_or_insert_default().watch();
    }

    /// Returns whether the channel was put down as changed and no longer has anybody to tell.
    pub(super) fn unwatch(&mut self) -> bool {
        let Some(batch) = &mut self.batch else { return false };
        if batch.unwatch() > 0 {
            return false;
        }
        let was_queued = batch.is_queued();
        self.batch = None;
        was_queued
    }

    /// The channel's name, where it is to be put down as changed.
    pub(super) fn newly_changed(&mut self) -> Option<Arc<str>> {
        let is_new = self.batch.as_mut().is_some_and(|batch| batch.queue());
        is_new.then(|| Arc::clone(&self.name))
    }

    /// Whether the channel is put down as changed.
    pub(super) fn is_queued(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.is_queued())
    }

    /// Adds what watchers are to be told, if the time has come.
    pub(super) fn take_changes(&mut self, now_ms: u64, changes: &mut Vec<Changes>) {
        let count = self.count();
        if let Some(Told { joined, left, truncated }) =
            self.batch.as_mut().and_then(|batch| batch.take(now_ms))
        {
            changes.push(Changes { channel: (*self.name).into(), joined, left, count, truncated });
        }
    }
}
