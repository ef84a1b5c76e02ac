//! In a cluster: what a client asks for waits until the streams that it is about are followed, and what became of those who
//! follow streams of which something is lost.
//!
//! A message that has to wait is held, and those behind it, and then carried out as if it came now. So is one that gives channels to a
//! client that comes back by its connection's id, until the broker knows of them. Not here: following (`cluster`).

use std::sync::Arc;

use protocol::channel::split_namespace;
use protocol::{ConnectionId, Disconnect, Position};

use super::lists::Key;
use super::resuming::entry;
use super::returning::arrived;
use super::{Now, Shard, Verify};
use crate::cluster::Who;
use crate::dialects::Step;
use crate::inbox::{Given, Ready};
use crate::journal::ResumeChange;
use crate::link::Link;

impl<L: Link> Shard<L> {
    /// Whether the node follows all streams that these steps are about. Where it does not, the message is held.
    pub(super) fn has_streams_for(&mut self, key: Key, steps: &[Step], message: &[u8]) -> bool {
        if !self.hub.is_clustered() {
            return true;
        }
        let waited = self.waited.take();
        let mut names: Vec<String> = Vec::new();
        let mut shown = Given::new();
        let (mut is_about_all, mut is_tracked) = (false, false);
        for step in steps {
            match step {
                Step::Join(channel) => names.push(channel.as_str().to_owned()),
                Step::Own(user) => names.push(format!("{}{}", protocol::channel::USER_PREFIX, user.as_str())),
                Step::History { channel, .. } => names.push(channel.clone()),
                Step::Recover { given, .. } | Step::Resume { given, .. } => {
                    // Asked once: what is not known then is of no life that there is.
                    shown.extend(given.iter().filter(|_| waited.is_none()).cloned());
                    is_about_all = true;
                }
                Step::Track { .. } => {
                    is_about_all = true;
                    is_tracked = true;
                }
                Step::Return(_) => is_about_all = true,
                _ => {}
            }
        }
        if names.is_empty() && !is_about_all {
            return true;
        }
        let Some(connection) = self.get(key) else { return true };
        let id = connection.id;
        if let Some(namespace) = &self.hub.endpoint(connection.endpoint).namespace {
            let inside: Vec<String> =
                names.iter().map(|name| format!("@{}:{name}", namespace.name)).collect();
            names.extend(inside);
        }
        let fresh = names.len();
        if is_about_all {
            let follows = connection.follows.iter();
            names.extend(follows.map(|follow| self.lists.get(follow.list()).entry.name().to_owned()));
        }
        let shard = self.index;
        let all = names.iter().map(String::as_str);
        let is_ready = self.hub.ready_for(all, &shown, || Who::Connection(shard, id))
            && !(is_tracked && waited != Some(Ready::Noted) && self.notes_ahead(key, &names[..fresh]));
        if !is_ready {
            self.held.entry(key).or_default().insert(0, message.into());
        }
        is_ready
    }

    /// Has the broker note that a client which comes back by its connection's id is about to have these streams as well, before it is told
    /// so: nobody else knows, and this node may end at any moment. Returns whether that is to be waited for.
    fn notes_ahead(&self, key: Key, fresh: &[String]) -> bool {
        let Some(connection) = self.get(key) else { return false };
        let Some(mut entry) = entry(connection, &self.lists, None) else { return false };
        let mut order = self.hub.order();
        let stands = match connection.wire.is_socket() {
            true => self.lives(connection, &order.history),
            false => arrived(connection, &self.lists, &order.history),
        };
        let Some(mut stands) = stands else { return false };
        for name in fresh {
            let stream = order.history.open(name, || self.hub.keeps(name));
            let (life, end) = order.history.end(stream);
            stands.push((name.as_str().into(), Position { epoch: life.epoch, offset: end.offset }));
            if split_namespace(name).is_none() {
                entry.channels.push(name.as_str().into());
            }
        }
        entry.arrived = Some(stands);
        self.hub.note_ahead(&mut order, entry, self.index)
    }

    /// What a connection's message waits for is there, or not to be had.
    pub(super) fn on_ready(&mut self, id: ConnectionId, ready: Ready, now: Now) {
        let Some(key) = self.find(id).filter(|&key| self.is_open(key)) else { return };
        let mut held = self.held.remove(&key).unwrap_or_default().into_iter();
        if ready == Ready::InVain && held.next().is_some() {
            let text = self.view(key, now, |view| view.endpoint.dialect.world().unavailable(view));
            if let Some(text) = text.flatten() {
                self.reply(key, &text, now);
            }
        }
        let mut waited = Some(ready).filter(|ready| *ready != Ready::InVain);
        for message in held {
            if self.is_open(key) && !self.hold(key, &message, now) {
                self.waited = waited.take();
                let verify = self.answer(key, &message, now);
                self.verify.extend(verify);
            }
        }
    }

    /// Tokens that clients sent behind something that had to wait, to be verified.
    pub fn take_verify(&mut self) -> std::vec::Drain<'_, Verify> {
        self.verify.drain(..)
    }

    /// Something is missing for good: those who count on being told come back with their positions, and are.
    pub(super) fn on_lost(&mut self, streams: &[Box<str>], now: Now) {
        for stream in streams {
            let Some(list) = self.hub.registry().get(stream).and_then(|entry| entry.list_on(self.index))
            else {
                continue;
            };
            let keys: Vec<Key> = self
                .lists
                .get(list)
                .followers
                .iter()
                .map(|follower| follower.key)
                .filter(|&key| self.get(key).is_some_and(|it| it.is_open() && it.recovery.is_some()))
                .collect();
            for key in keys {
                if self.get(key).is_some_and(|connection| connection.wire.is_socket()) {
                    // Of where it stood nothing is known any more, but by the numbers of another life.
                    self.forget_recovery(key);
                }
                self.close(key, &Disconnect::SLOW, now);
            }
        }
    }

    /// Tells the broker of all connections that can be resumed: it has forgotten them.
    pub(super) fn recall(&mut self) {
        let hub = Arc::clone(&self.hub);
        let mut order = hub.order();
        for (_, connection) in self.connections.iter().filter(|(_, connection)| connection.is_open()) {
            let Some(mut entry) = entry(connection, &self.lists, None) else { continue };
            entry.arrived = if connection.wire.is_socket() {
                let Some(lives) = self.lives(connection, &order.history) else { continue };
                Some(lives)
            } else if connection.is_tracked() {
                arrived(connection, &self.lists, &order.history)
            } else {
                None
            };
            hub.note_in(&mut order, ResumeChange::Set(entry));
        }
    }
}
