//! A connection's streams: those that it follows unasked, those that it asks for, and what a new token takes
//! from it.
//!
//! Whoever leaves a stream first gets what is on its way to it, so that an event comes before `unsubscribed` or
//! not at all. Not here: whether it may subscribe (the session's matter).

use std::sync::Arc;

use protocol::channel::{ALL, user_of};
use protocol::channels::{self, ErrorCode};
use protocol::{ConnectionId, Disconnect, Stream};
use tokio::sync::oneshot;

use super::connection::Connection;
use super::delivery::{Pass, Run};
use super::lists::{Follow, Key, mend};
use super::{Now, Shard, is_subscription};
use crate::cluster::Who;
use crate::commit::WATCH_PREFIX;
use crate::dialects;
use crate::endpoint::EndpointIndex;
use crate::identity::Identity;
use crate::link::Link;
use crate::presence::Leaving;
use crate::registry::{ListIndex, Membership};

impl<L: Link> Shard<L> {
    /// Joins everyone's stream and the user's own; tells why not where the user has too many connections.
    pub(super) fn join_own_streams(&mut self, key: Key) -> Option<Disconnect> {
        let hub = Arc::clone(&self.hub);
        let connection = self.get(key)?;
        let endpoint = hub.endpoint(connection.endpoint);
        let identity = connection.identity.as_deref();
        if endpoint.channels.iter().any(|channel| !hub.rules().may_subscribe(identity, channel.as_str())) {
            return Some(Disconnect::UNAUTHORIZED);
        }
        if let Some(user) = identity.filter(|_| endpoint.own_user).map(|identity| identity.user.clone())
            && let Err(disconnect) = self.own(key, user.as_str(), 1)
        {
            return Some(disconnect);
        }
        if endpoint.everyone {
            self.join(key, ALL, Membership::Implied);
        }
        if let Some(namespace) = &endpoint.namespace {
            self.join(key, Stream::namespace(&namespace.name).as_str(), Membership::Implied);
        }
        let now = self.clock;
        for channel in &endpoint.channels {
            self.subscribe(key, channel.as_str(), now);
        }
        self.follow_still(key);
        None
    }

    /// In a cluster the streams of a new connection were followed when it was let in. Where it came much later they were let go,
    /// and are followed again from now on.
    fn follow_still(&self, key: Key) {
        let Some(connection) = self.get(key).filter(|_| self.hub.is_clustered()) else { return };
        let names = connection.follows.iter().map(|follow| self.lists.get(follow.list()).entry.name());
        // Nobody waits for it: what is asked of them waits by itself.
        self.hub.ready(names, || Who::Task(oneshot::channel().0));
    }

    /// Makes the connection a follower of a stream that it does not follow. What is on its way to it comes first: to whom
    /// it was sent as such, it looks otherwise once it is also in one of its streams.
    pub(super) fn join(&mut self, key: Key, name: &str, how: Membership) {
        if self.get(key).is_some_and(|connection| connection.recovery.is_some()) {
            self.catch_up(key, self.clock);
        }
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let follow = self.lists.join(self.hub.registry(), self.index, name, key, how);
        connection.follows.push(follow);
        let list = self.lists.get(follow.list());
        if list.followers.len() == 1 && self.hub.presence().is_wanted(name) {
            list.entry.track_on(self.index);
        }
        if let Some(pass) = pass_of(&mut self.run, follow.list()) {
            pass.lengthen();
        }
    }

    /// Gives a new connection the state of the streams that it follows unasked.
    pub(super) fn tell_own_state(&mut self, key: Key, now: Now) {
        let Some(connection) = self.get(key) else { return };
        let name = |follow: &Follow| self.lists.get(follow.list()).entry.name().to_owned();
        let streams: Vec<String> = connection.follows.iter().map(name).collect();
        self.tell_state(key, &streams, now);
    }

    /// Subscribes the connection to a channel.
    pub(super) fn subscribe(&mut self, key: Key, name: &str, now: Now) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let lists = &self.lists;
        let known =
            connection.follows.iter_mut().find(|follow| lists.get(follow.list()).entry.name() == name);
        match known {
            Some(follow) if follow.membership().is_subscribed() => return,
            Some(follow) => {
                follow.set_membership(Membership::Both);
                self.hub.registry().mark(&lists.get(follow.list()).entry, self.index, Membership::Both);
            }
            None => {
                self.join(key, name, Membership::Subscribed);
            }
        }
        self.hub.metrics().subscriptions.inc();
        self.join_in_namespace(key, name);
        let Some(connection) = self.get(key) else { return };
        let lists = &self.lists;
        let entry = |follow: &Follow| &lists.get(follow.list()).entry;
        let is_tracked = connection
            .follows
            .iter()
            .map(entry)
            .any(|entry| entry.name() == name && entry.is_tracked_on(self.index));
        if let Some(identity) = connection.identity.as_ref().filter(|_| is_tracked) {
            self.hub.presence().join(name, &identity.user, now);
        }
    }

    /// Of a socket: makes it also a follower of what is published for the channel in its namespace alone.
    fn join_in_namespace(&mut self, key: Key, channel: &str) {
        let Some(name) = self.get(key).and_then(|connection| self.namespaced(connection, channel)) else {
            return;
        };
        let is_it = |follow: &Follow| self.lists.get(follow.list()).entry.name() == name;
        if !self.get(key).is_some_and(|connection| connection.follows.iter().any(is_it)) {
            self.join(key, &name, Membership::Subscribed);
        }
    }

    /// The stream of a channel in a socket's namespace.
    fn namespaced(&self, connection: &Connection<L>, channel: &str) -> Option<String> {
        let namespace = self.hub.endpoint(connection.endpoint).namespace.as_ref()?;
        Some(format!("@{}:{channel}", namespace.name))
    }

    /// Ends a subscription; a stream that is the connection's own goes on.
    pub(super) fn unsubscribe(&mut self, key: Key, name: &str, now: Now) {
        self.catch_up(key, now);
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let lists = &self.lists;
        let Some(place) = connection.follows.iter().position(|follow| {
            follow.membership().is_subscribed() && lists.get(follow.list()).entry.name() == name
        }) else {
            return;
        };
        self.hub.metrics().subscriptions.dec();
        let follow = &mut connection.follows[place];
        let is_tracked = lists.get(follow.list()).entry.is_tracked_on(self.index);
        if let Some(identity) = connection.identity.as_ref().filter(|_| is_tracked) {
            self.hub.presence().leave(name, &identity.user, Leaving::Now, now);
        }
        if follow.membership().is_implied() {
            follow.set_membership(Membership::Implied);
            self.hub.registry().mark(&lists.get(follow.list()).entry, self.index, Membership::Implied);
        } else {
            let endpoint = connection.endpoint;
            let follow = connection.follows.swap_remove(place);
            let mut may_lose = connection.recovery.as_mut().is_some_and(|recovery| recovery.leave(name));
            self.leave(endpoint, follow);
            if let Some(name) = self.get(key).and_then(|connection| self.namespaced(connection, name)) {
                may_lose |= self.leave_in_namespace(key, &name);
            }
            self.note_tracked(key);
            if may_lose {
                // It comes back with its positions, and hears of what is gone.
                self.close(key, &Disconnect::SLOW, now);
            }
        }
    }

    /// Returns whether something may be lost by that.
    fn leave_in_namespace(&mut self, key: Key, name: &str) -> bool {
        let Some(connection) = self.connections.get_mut(key as usize) else { return false };
        let lists = &self.lists;
        let is_it = |follow: &Follow| {
            !follow.membership().is_implied() && lists.get(follow.list()).entry.name() == name
        };
        let Some(place) = connection.follows.iter().position(is_it) else { return false };
        let endpoint = connection.endpoint;
        let follow = connection.follows.swap_remove(place);
        let may_lose = connection.recovery.as_mut().is_some_and(|recovery| recovery.leave(name));
        self.leave(endpoint, follow);
        may_lose
    }

    pub(super) fn leave(&mut self, endpoint: EndpointIndex, follow: Follow) {
        let name = self.lists.get(follow.list()).entry.name();
        if let Some(channel) = name.strip_prefix(WATCH_PREFIX) {
            self.hub.presence().unwatch(channel);
        }
        if let Some(user) = user_of(name).filter(|_| follow.membership().is_implied()) {
            self.hub.endpoint(endpoint).give_place_back(user);
            self.hub.user_went(name, user, self.clock);
        }
        let pass = pass_of(&mut self.run, follow.list());
        let is_passing = pass.is_some();
        for moved in self.lists.leave(self.hub.registry(), self.index, follow, pass) {
            if let Some(connection) = self.connections.get_mut(moved.key as usize) {
                mend(&mut connection.follows, &moved);
            }
        }
        // A pass takes its list away itself, when it is through.
        if !is_passing {
            self.lists.remove_if_empty(self.index, follow.list());
        }
    }

    /// Takes the connection out of all its streams.
    pub(super) fn leave_all(&mut self, key: Key) {
        let now = self.clock;
        self.park_connection(key, now);
        let Some(connection) = self.get_mut(key) else { return };
        let was_welcomed = std::mem::take(&mut connection.is_welcomed);
        let user = connection.identity.as_ref().map(|identity| identity.user.clone());
        let endpoint = connection.endpoint;
        for follow in std::mem::take(&mut connection.follows) {
            if is_subscription(&follow, self.lists.get(follow.list()).entry.name()) {
                self.hub.metrics().subscriptions.dec();
                let entry = &self.lists.get(follow.list()).entry;
                if let Some(user) = user.as_ref().filter(|_| entry.is_tracked_on(self.index)) {
                    self.hub.presence().leave(entry.name(), user, Leaving::WithGrace, now);
                }
            }
            self.leave(endpoint, follow);
        }
        if was_welcomed {
            self.hub.departed();
        }
    }

    /// Tells a client that it is here.
    pub(super) fn welcome(&mut self, key: Key, now: Now) {
        let welcome = self.view(key, now, |view| view.endpoint.dialect.world().welcome(view));
        if let Some(welcome) = welcome.flatten() {
            self.reply(key, &welcome, now);
        }
    }

    /// A token was verified, or not: the connection goes on with it, or is told why not.
    pub(super) fn on_verified(&mut self, id: ConnectionId, verified: Option<Box<Identity>>, now: Now) {
        let Some(key) = self.find(id).filter(|&key| self.is_open(key)) else { return };
        let Some(connection) = self.get(key) else { return };
        let Some(current) = connection.identity.as_deref() else { return };
        match (dialects::on_verified(current, verified.as_deref(), now.wall), verified) {
            (Ok(text), Some(mut identity)) => {
                self.user_types.share(&mut identity);
                let Some(connection) = self.get_mut(key) else { return };
                connection.identity = Some(identity);
                connection.warned = false;
                self.calm.stir(key, now);
                self.reply(key, &text, now);
                self.recheck(key, Cause::Token, now);
            }
            (Ok(text) | Err(text), _) => self.reply(key, &text, now),
        }
    }

    /// Ends the subscriptions that the connection's token and the rules no longer allow, and says so.
    pub(super) fn recheck(&mut self, key: Key, cause: Cause, now: Now) {
        let Some(connection) = self.get(key) else { return };
        let (identity, rules) = (connection.identity.as_deref(), self.hub.rules());
        let lost: Vec<String> = connection
            .follows
            .iter()
            .map(|follow| (follow, self.lists.get(follow.list()).entry.name()))
            .filter(|(follow, name)| is_subscription(follow, name))
            .map(|(_, name)| name)
            .filter(|name| !rules.may_subscribe(identity, name))
            .map(str::to_owned)
            .collect();
        let unseen: Vec<String> = connection
            .follows
            .iter()
            .filter_map(|follow| self.lists.get(follow.list()).entry.name().strip_prefix(WATCH_PREFIX))
            .filter(|channel| !rules.may_subscribe(identity, channel))
            .map(str::to_owned)
            .collect();
        let endpoint = self.hub.endpoint(connection.endpoint);
        let is_given = |name: &String| endpoint.channels.iter().any(|channel| channel.as_str() == name);
        if cause == Cause::Rules && lost.iter().any(is_given) {
            // Of an endpoint that is for this channel it would not have been let in.
            self.close(key, &Disconnect::UNAUTHORIZED, now);
            return;
        }
        for channel in unseen {
            self.unwatch(key, &channel);
        }
        for channel in lost {
            self.unsubscribe(key, &channel, now);
            let text = match cause {
                Cause::Token => {
                    let text = "the new token no longer lets you follow this channel; it is unsubscribed";
                    Some(channels::error(ErrorCode::Forbidden, text, Some(&channel), now.wall))
                }
                Cause::Rules => self
                    .view(key, now, |view| view.endpoint.dialect.world().revoked(&channel, view))
                    .flatten(),
            };
            if let Some(text) = text {
                self.reply(key, &text, now);
            }
        }
    }
}

/// Why a connection is looked at anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It goes on with another token.
    Token,
    /// The channel rules changed.
    Rules,
}

/// The pass that goes round `list`, if one does.
fn pass_of(run: &mut Option<Run>, list: ListIndex) -> Option<&mut Pass> {
    match run {
        Some(Run::Pass(pass)) if pass.list == list => Some(pass),
        _ => None,
    }
}
