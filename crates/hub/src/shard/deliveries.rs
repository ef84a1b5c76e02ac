//! How far events come on each connection, for delivery hooks: sent, delivered, shown (the walk's side of `deliveries`).
//!
//! A connection that was given such an event is asked for a sign right behind it, once until it answers. Whatever comes from
//! the client when everything was written confirms all that it was given. Not here: hooks (`deliveries`), and how a session
//! of Socket.IO is asked (its link).

use std::collections::HashMap;
use std::mem;

use protocol::channel::user_of;
use protocol::{ConnectionId, PublicationId, UserId};
use smallvec::SmallVec;

use super::connection::Sent;
use super::lists::Key;
use super::{Now, Shard};
use crate::deliveries::{DeliveryRecord, DeliveryState, MOST_UNCONFIRMED};
use crate::encoded::Encoded;
use crate::hub::Hub;
use crate::link::{Asked, Link};
use crate::wire::Wire;

/// Events that are told to hooks, with those.
pub(super) type Told = SmallVec<[(u8, PublicationId); 2]>;

/// What is to be told, and what is waited for.
#[derive(Debug, Default)]
pub(super) struct Following {
    records: Vec<DeliveryRecord>,
    /// Connections that were given events and have sent nothing since.
    unconfirmed: HashMap<Key, Unconfirmed>,
    /// Those of them that are still to be asked for a sign.
    unasked: Vec<Key>,
}

#[derive(Debug)]
struct Unconfirmed {
    /// Places are used again.
    connection: ConnectionId,
    events: Told,
    is_asked: bool,
    /// Whether it is among those that are still to be asked: once, however many events it is given meanwhile.
    is_due: bool,
}

/// Those of some events that are told to hooks. Costs next to nothing where there are none.
pub(super) fn told_of<'e>(hub: &Hub, events: impl IntoIterator<Item = &'e Encoded>) -> Told {
    let deliveries = hub.deliveries();
    if deliveries.hooks().is_none() {
        return Told::new();
    }
    let told = |event: &Encoded| {
        let hook = event.hook(|kind| deliveries.hook(kind))?;
        if event.begin_tracking() {
            deliveries.track(event, hook);
        }
        Some((hook, event.publication().id))
    };
    events.into_iter().filter_map(told).collect()
}

impl<L: Link> Shard<L> {
    /// A connection was given these events.
    pub(super) fn note_sent(&mut self, key: Key, told: Told, sent: Sent, now: Now) {
        if told.is_empty() || !matches!(sent, Sent::Written | Sent::Queued) {
            return;
        }
        let user = self.user_for_records(key);
        let Some(connection) = self.connections.get(key as usize) else { return };
        let (id, wire) = (connection.id, connection.wire);
        let following = &mut self.following;
        following.records.extend(told.iter().map(|&(hook, event)| DeliveryRecord {
            hook,
            id: event,
            user: user.clone(),
            connection: id,
            state: DeliveryState::Sent,
            at: now.wall,
        }));
        if wire == Wire::Events {
            // Nothing ever comes back there.
            return;
        }
        let fresh = || Unconfirmed { connection: id, events: Told::new(), is_asked: false, is_due: false };
        let waiting = following.unconfirmed.entry(key).or_insert_with(fresh);
        if waiting.connection != id {
            *waiting = fresh();
        }
        let room = MOST_UNCONFIRMED.saturating_sub(waiting.events.len());
        waiting.events.extend(told.into_iter().take(room));
        // What answers an earlier question comes before these.
        waiting.is_asked = false;
        if !mem::replace(&mut waiting.is_due, true) {
            following.unasked.push(key);
        }
    }

    /// Whether anything is waited for.
    #[must_use]
    pub fn awaits_signs(&self) -> bool {
        !self.following.unconfirmed.is_empty()
    }

    /// Something came from a client: it has what was written before.
    pub(super) fn note_sign(&mut self, key: Key, now: Now) {
        if self.following.unconfirmed.is_empty() {
            return;
        }
        let Some(connection) = self.connections.get(key as usize) else { return };
        if !connection.is_flushed() || connection.is_batching && self.batches.has(key) {
            return;
        }
        let Some(waiting) = self.following.unconfirmed.remove(&key) else { return };
        if waiting.connection != connection.id {
            return;
        }
        let (id, user) = (connection.id, self.user_for_records(key));
        self.following.records.extend(waiting.events.into_iter().map(|(hook, event)| DeliveryRecord {
            hook,
            id: event,
            user: user.clone(),
            connection: id,
            state: DeliveryState::Delivered,
            at: now.wall,
        }));
    }

    /// A client says that it has shown events. Those that it could not have had mean nothing.
    pub(super) fn note_shown(&mut self, key: Key, ids: &[PublicationId], now: Now) {
        let known = self.hub.deliveries().known(ids);
        if known.is_empty() {
            return;
        }
        let user = self.user_for_records(key);
        let Some(connection) = self.connections.get(key as usize) else { return };
        let follows = |name: &str| {
            connection.follows.iter().any(|follow| self.lists.get(follow.list()).entry.name() == name)
        };
        for (event, known) in known {
            if known.streams.iter().any(|stream| follows(&stream.name)) {
                self.following.records.push(DeliveryRecord {
                    hook: known.hook,
                    id: event,
                    user: user.clone(),
                    connection: connection.id,
                    state: DeliveryState::Shown,
                    at: now.wall,
                });
            }
        }
    }

    /// Asks those for a sign that were given something.
    pub(super) fn ask_for_signs(&mut self, now: Now) {
        if self.following.unasked.is_empty() {
            return;
        }
        let mut later = Vec::new();
        for key in mem::take(&mut self.following.unasked) {
            let Some(waiting) = self.following.unconfirmed.get_mut(&key) else { continue };
            waiting.is_due = false;
            if waiting.is_asked {
                continue;
            }
            let Some(connection) = self.connections.get_mut(key as usize) else { continue };
            if waiting.connection != connection.id || !connection.is_open() {
                continue;
            }
            if connection.outbox.is_some() || connection.is_batching && self.batches.has(key) {
                // Behind what it does not take yet a question would come too late to mean anything.
                waiting.is_due = true;
                later.push(key);
                continue;
            }
            waiting.is_asked = true;
            match connection.link.ask() {
                Asked::ByItself => {}
                Asked::WithPing if connection.is_tracked() => self.probe(key, now),
                Asked::WithPing => {
                    let ping = self.ping.clone();
                    self.send(key, &ping, now);
                }
            }
        }
        self.following.unasked = later;
    }

    /// A connection has ended: nothing comes from it any more.
    pub(super) fn forget_signs(&mut self, key: Key) {
        self.following.unconfirmed.remove(&key);
    }

    /// Hands on what is to be told.
    pub(super) fn tell_deliveries(&mut self) {
        if !self.following.records.is_empty()
            && let Some(hooks) = self.hub.deliveries().hooks()
        {
            hooks.take(mem::take(&mut self.following.records));
        }
    }

    /// Whose a connection is: as its token says, else as it says itself where its world lets it.
    fn user_for_records(&self, key: Key) -> Option<UserId> {
        let connection = self.connections.get(key as usize)?;
        if let Some(identity) = &connection.identity {
            return Some(identity.user.clone());
        }
        let claimed = |name: &str| user_of(name).and_then(|user| UserId::from_text(user).ok());
        let mut own = connection.follows.iter().filter(|follow| follow.membership().is_implied());
        own.find_map(|follow| claimed(self.lists.get(follow.list()).entry.name()))
    }
}
