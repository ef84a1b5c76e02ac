//! Who is in a channel, as clients ask for it.
//!
//! Nobody is counted in channels that nobody asks about. The first question calls the roll: each shard tells who is there,
//! and from then on who comes and goes, for as long as the channel has followers. Whoever watches a channel follows a
//! stream of its own, by which the changes come. Not here: the counting, graces and batches (the hub's `presence`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::channels::{self, Watch};
use protocol::timestamp::Timestamp;

use super::lists::Key;
use super::{Now, PRESENT, Shard};
use crate::commit::WATCH_PREFIX;
use crate::inbox::{Caller, Message, Roll};
use crate::link::Link;
use crate::registry::Membership;

impl<L: Link> Shard<L> {
    /// Tells who is in a channel, and changes from now on where that is wanted.
    pub(super) fn tell_presence(&mut self, key: Key, channel: &str, watch: Watch, now: Now) {
        match watch {
            Watch::Once => {}
            Watch::Begin => self.watch(key, channel),
            Watch::End => self.unwatch(key, channel),
        }
        let Some(connection) = self.get(key) else { return };
        let (shard, id) = (self.index, connection.id);
        if !self.hub.knows_elsewhere(channel, || Caller::Connection(shard, id)) {
            return;
        }
        let is_known = self.hub.registry().get(channel).is_none_or(|entry| entry.is_tracked());
        if is_known {
            self.list_present(key, channel, now);
        } else {
            self.hub.call_roll(channel, Caller::Connection(shard, id));
        }
    }

    fn list_present(&mut self, key: Key, channel: &str, now: Now) {
        let listing = self.hub.presence().list(channel, PRESENT);
        let users = listing.users.iter().map(|(user, since)| (user, *since));
        let text = channels::presence(channel, users, listing.count, now.wall);
        self.reply(key, &text, now);
    }

    /// Follows who is in a channel.
    pub(super) fn watch(&mut self, key: Key, channel: &str) {
        let name = format!("{WATCH_PREFIX}{channel}");
        let Some(connection) = self.get(key) else { return };
        let lists = &self.lists;
        if connection.follows.iter().any(|follow| lists.get(follow.list()).entry.name() == name) {
            return;
        }
        self.hub.presence().watch(channel);
        self.join(key, &name, Membership::Implied);
    }

    /// No longer follows who is in a channel.
    pub(super) fn unwatch(&mut self, key: Key, channel: &str) {
        let name = format!("{WATCH_PREFIX}{channel}");
        let lists = &self.lists;
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let place =
            connection.follows.iter().position(|follow| lists.get(follow.list()).entry.name() == name);
        if let Some(place) = place {
            let endpoint = connection.endpoint;
            let follow = connection.follows.swap_remove(place);
            self.leave(endpoint, follow);
        }
    }

    /// Tells who is in a channel, unless that was told before.
    pub(super) fn on_roll(&mut self, roll: Arc<Roll>, now: Now) {
        let entry = self.hub.registry().get(&roll.channel);
        if let Some(entry) = entry.as_ref().filter(|entry| entry.track_on(self.index))
            && let Some(list) = entry.list_on(self.index)
        {
            let mut users: Vec<_> = self
                .lists
                .get(list)
                .followers
                .iter()
                .filter_map(|follower| {
                    let connection = self.get(follower.key)?;
                    let is_subscribed = connection
                        .follows
                        .iter()
                        .any(|follow| follow.list() == list && follow.membership().is_subscribed());
                    let user = &connection.identity.as_ref()?.user;
                    is_subscribed.then_some((connection.opened, user))
                })
                .collect();
            users.sort_unstable_by_key(|&(opened, _)| opened);
            for (opened, user) in users {
                let since = Now { wall: Timestamp::from_secs(opened.into()), ..now };
                self.hub.presence().join(&roll.channel, user, since);
            }
        }
        if roll.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            match &roll.caller {
                &Caller::Connection(shard, _) => self.hub.tell(shard, Message::Rolled(roll)),
                // The operator may have gone.
                Caller::Operator(done) => drop(done.try_send(())),
                Caller::Nodes => self.hub.tell_nodes(&roll.channel),
            }
        }
    }

    /// Answers the connection that asked who is in a channel.
    pub(super) fn on_rolled(&mut self, roll: &Roll, now: Now) {
        let Caller::Connection(_, id) = &roll.caller else { return };
        if let Some(key) = self.find(*id).filter(|&key| self.is_open(key)) {
            self.list_present(key, &roll.channel, now);
        }
    }
}
