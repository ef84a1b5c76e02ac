//! Socket.IO sockets: how they come in, how one comes back by its `pid`, and what services answer to clients.
//!
//! **Coming back** (Socket.IO's connection state recovery, for a socket that asks with `auth.recover`): the pid names the
//! socket and stays the same over its lives, the offset names the last event that the client had by its number in the hub's
//! order. So the positions in all of its streams can be told, and the rest is as with every other replay. A socket that
//! the hub still thinks open is ended, and its successor has its id. Not here: how packets are read and written (the
//! dialect), and sessions (the server).

use std::sync::Arc;

use protocol::channels::GivenPosition;
use protocol::{ChannelName, ConnectionId, Disconnect, Position, Stream, socketio};
use serde::Deserialize;

use super::connection::{Behind, Connection};
use super::lists::{Key, Lists};
use super::recovery::Recovery;
use super::replay::Answer;
use super::returning::Held;
use super::{Now, Shard, hash};
use crate::cluster::Who;
use crate::encoded::SocketOffset;
use crate::history::History;
use crate::hooks::{Answered, ClientEvent, Origin, Reply};
use crate::inbox::{Ask, Asker, Given, Message, Told};
use crate::journal::{ResumeChange, ResumeEntry};
use crate::link::Link;

/// What a client wants to be let in with, as far as the engine looks at it.
#[derive(Deserialize, Default)]
struct Wish {
    #[serde(default)]
    recover: serde_json::Value,
    #[serde(default)]
    pid: serde_json::Value,
    #[serde(default)]
    offset: serde_json::Value,
}

/// The lives of a socket's streams, and where it began in each.
pub(super) fn lives<L>(
    connection: &Connection<L>,
    lists: &Lists,
    history: &History,
) -> Vec<(Box<str>, Position)> {
    let Some(recovery) = &connection.recovery else { return Vec::new() };
    let names = connection.follows.iter().map(|follow| lists.get(follow.list()).entry.name());
    let life = |name: &str| {
        let stream = history.find(name)?;
        let (key, _) = history.end(stream);
        // Where that can't be told any more it is a position that is no longer kept.
        let began = history.reached_at(stream, recovery.since(&key)).unwrap_or(0);
        Some((name.into(), Position { epoch: key.epoch, offset: began }))
    };
    names.filter_map(life).collect()
}

/// A socket that is to be let in where it was before, once that is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entering {
    /// The last that it had.
    offset: Option<SocketOffset>,
    /// Whether this node knows all that other nodes knew when it came.
    is_synced: bool,
}

impl<L: Link> Shard<L> {
    /// The lives of a socket's streams, and where it began in each. None where something of them is lost, of which this shard
    /// is yet to hear: what they have now is not what the socket follows, and nobody can go on from it.
    pub(super) fn lives(
        &self,
        connection: &Connection<L>,
        history: &History,
    ) -> Option<Vec<(Box<str>, Position)>> {
        let follows = |stream: &str| {
            connection.follows.iter().any(|follow| self.lists.get(follow.list()).entry.name() == stream)
        };
        let has_lost = self.hub.is_clustered() && self.hub.inbox(self.index).has_lost(follows);
        (!has_lost).then(|| lives(connection, &self.lists, history))
    }

    /// Tells a socket that it may not come in.
    pub(super) fn turn_away(&mut self, key: Key, why: &Disconnect, now: Now) {
        let Some(connection) = self.get(key) else { return };
        let namespace = self.hub.endpoint(connection.endpoint).namespace_name();
        let text = socketio::connect_error(namespace, &why.reason);
        self.reply(key, &text, now);
        self.send_close(key, None, Behind::Everything, now);
    }

    /// Lets a socket in: as a new one, or where it was before.
    pub(super) fn enter(&mut self, key: Key, auth: Option<&str>, now: Now) {
        let wish: Wish = auth.and_then(|auth| serde_json::from_str(auth).ok()).unwrap_or_default();
        if wish.recover != serde_json::Value::Bool(true) {
            self.welcome(key, now);
            self.tell_own_state(key, now);
            return;
        }
        let former = wish.pid.as_str().and_then(|pid| self.hub.resumes().socket_of(pid));
        let offset = match &wish.offset {
            serde_json::Value::Null => Some(None),
            offset => offset.as_str().and_then(SocketOffset::parse).map(Some),
        };
        let (Some(former), Some(offset)) = (former, offset) else {
            self.enter_anew(key, now);
            return;
        };
        let Some(connection) = self.get(key) else { return };
        let to = connection.id;
        let namespace = self.hub.endpoint(connection.endpoint).namespace_name();
        let namespace = Some(Stream::namespace(namespace).into_boxed_str());
        let user: Option<Box<str>> =
            connection.identity.as_ref().map(|identity| identity.user.as_str().into());
        match self.hub.resumes().take_socket(former, user.as_deref(), now.wall) {
            // It went on elsewhere since, and what is here is older.
            Some(_) if self.is_ahead(offset) => self.enter_anew(key, now),
            Some(entry) => self.enter_again(key, entry, offset, now),
            None => {
                let left = self.hub.shards() - 1;
                let asker = Asker::Shard(self.index, to);
                let ask = Ask { former, user, asker, left, is_socket: true, namespace };
                self.held.insert(key, Held::new());
                self.entering.insert(key, Entering { offset, is_synced: false });
                if let Some(connection) = self.get_mut(key) {
                    connection.recovery = Some(Box::new(Recovery::entering()));
                }
                self.on_ask(Box::new(ask), now);
            }
        }
    }

    /// Whether a client has had more than this node of a cluster has heard of: from another one.
    fn is_ahead(&self, offset: Option<SocketOffset>) -> bool {
        let is_it = |offset: SocketOffset| {
            offset.life == self.hub.event_form().life && offset.seq > self.hub.order().released
        };
        self.hub.is_clustered() && offset.is_some_and(is_it)
    }

    /// Lets a socket in that may come back, and has not been here.
    fn enter_anew(&mut self, key: Key, now: Now) {
        let Some(connection) = self.get(key) else { return };
        let (id, namespace) = (connection.id, self.hub.endpoint(connection.endpoint).namespace_name());
        let pid = self.hub.resumes().pid(id);
        let text = socketio::connect(namespace, &id.to_string(), Some(&pid));
        self.recover(key, &[], &Vec::new(), &Answer::Entered { text, former: None }, now);
    }

    /// What came of the question for the socket that a client had before.
    pub(super) fn on_told_of_socket(&mut self, key: Key, entry: Option<ResumeEntry>, now: Now) {
        let entering = self.entering.remove(&key);
        match entry.zip(entering) {
            Some((entry, entering)) => {
                if let Some(entry) = self.after_all_it_saw(key, entry, entering) {
                    self.enter_again(key, entry, entering.offset, now);
                }
            }
            None => {
                self.hub.metrics().resumes.with_label_values(&["not_found"]).inc();
                self.enter_anew(key, now);
            }
        }
    }

    /// A client that was on another node can have seen more than this one has heard of. Then this one first asks what its
    /// streams have, the answer comes behind what the client saw, and this is told again; else returns what it had.
    fn after_all_it_saw(&mut self, key: Key, entry: ResumeEntry, entering: Entering) -> Option<ResumeEntry> {
        let hub = Arc::clone(&self.hub);
        if entering.is_synced || !self.is_ahead(entering.offset) {
            return Some(entry);
        }
        let to = self.get(key)?.id;
        let names: Vec<Box<str>> = entry.arrived.iter().flatten().map(|(name, _)| name.clone()).collect();
        // Beyond whatever they have.
        let beyond = GivenPosition { epoch: None, offset: u64::MAX };
        let given: Given = names.iter().map(|name| (name.clone(), beyond)).collect();
        self.entering.insert(key, Entering { is_synced: true, ..entering });
        let mut kept = Some(entry);
        let shard = self.index;
        hub.ready_for(names.iter().map(|name| &**name), &given, || {
            Who::Message(shard, Box::new(Message::Told(Box::new(Told { to, entry: kept.take() }))))
        });
        kept
    }

    /// Lets a socket in where it was before, if all that it missed is there.
    fn enter_again(&mut self, key: Key, entry: ResumeEntry, offset: Option<SocketOffset>, now: Now) {
        let hub = Arc::clone(&self.hub);
        let Some(connection) = self.get(key) else { return };
        let namespace = hub.endpoint(connection.endpoint).namespace_name();
        let own = Stream::namespace(namespace);
        if !entry.arrived.iter().flatten().any(|(name, _)| **name == *own.as_str()) {
            // It is another namespace's, whose client may still come.
            self.park(entry, now);
            self.enter_anew(key, now);
            return;
        }
        let Some(given) = self.stood(key, &entry, offset, now) else {
            hub.metrics().resumes.with_label_values(&["not_found"]).inc();
            hub.note_resume([ResumeChange::Forget(entry.connection)]);
            self.enter_anew(key, now);
            return;
        };
        hub.metrics().resumes.with_label_values(&["resumed"]).inc();
        for name in &entry.channels {
            let identity = self.get(key).and_then(|connection| connection.identity.as_deref());
            if hub.rules().may_subscribe(identity, name) && ChannelName::check(name).is_ok() {
                self.subscribe(key, name, now);
            }
        }
        self.rename(key, entry.connection);
        let pid = hub.resumes().pid(entry.connection);
        let text = socketio::connect(namespace, &entry.connection.to_string(), Some(&pid));
        let answer = Answer::Entered { text, former: Some(entry.connection) };
        self.recover(key, &[], &given, &answer, now);
    }

    /// Where a client stands in all streams of its socket; none where that can't be told, or something is no longer kept.
    fn stood(&self, key: Key, entry: &ResumeEntry, offset: Option<SocketOffset>, now: Now) -> Option<Given> {
        let hub = &self.hub;
        let identity = self.get(key)?.identity.as_deref();
        let seq = match offset {
            Some(offset) if offset.life == hub.event_form().life => Some(offset.seq),
            Some(offset) => Some(offset.durable),
            // It has had nothing.
            None => None,
        };
        let mut order = hub.order();
        let mut given = Given::new();
        for (name, began) in entry.arrived.iter().flatten() {
            let channel = protocol::channel::outside_namespaces(name);
            let is_subscribed = entry.channels.iter().any(|known| **known == *channel);
            if is_subscribed && !hub.rules().may_subscribe(identity, channel) {
                continue;
            }
            let stream = order.history.open(name, || hub.keeps(name));
            let reached = seq.and_then(|seq| order.history.reached_at(stream, seq));
            let offset = reached.map_or(began.offset, |reached| reached.max(began.offset));
            let position = GivenPosition { epoch: Some(began.epoch), offset };
            if order.history.locate(stream, position, now.wall) != crate::history::Located::Here {
                return None;
            }
            given.push((name.clone(), position));
        }
        Some(given)
    }

    /// A connection has the id of the one that it goes on from.
    fn rename(&mut self, key: Key, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let earlier = std::mem::replace(&mut connection.id, id);
        if let Ok(entry) = self.by_id.find_entry(hash(earlier), |&other| other == key) {
            entry.remove();
        }
        // An earlier one with this id may not have ended yet.
        let connections = &self.connections;
        let has_it = |other: &Key| connections.get(*other as usize).is_some_and(|other| other.id == id);
        while let Ok(entry) = self.by_id.find_entry(hash(id), |&other| other != key && has_it(&other)) {
            entry.remove();
        }
        self.by_id.insert_unique(hash(id), key, |&key| hash(connections[key as usize].id));
    }

    /// Hands what a client sent to whoever takes it to a service.
    pub(super) fn ask_service(
        &mut self,
        key: Key,
        event: Box<str>,
        origin: Origin,
        data: Box<str>,
        reply: Reply,
    ) {
        let (Some(connection), Some(hooks)) = (self.get(key), self.hub.hooks()) else { return };
        let identity = connection.identity.as_deref();
        hooks.take(ClientEvent {
            event,
            origin,
            data,
            user: identity.map(|identity| identity.user.clone()),
            user_type: identity.and_then(|identity| identity.user_type.clone()),
            connection: connection.id,
            shard: self.index,
            reply,
        });
    }

    /// A service answered; a client that has gone meanwhile is not told.
    pub(super) fn on_answered(&mut self, answered: &Answered, now: Now) {
        let Some(key) = self.find(answered.connection).filter(|&key| self.is_open(key)) else { return };
        let text = self.view(key, now, |view| {
            view.endpoint.dialect.world().answer(&answered.reply, &answered.body, view)
        });
        if let Some(text) = text.flatten() {
            self.reply(key, &text, now);
        }
    }

    /// A socket that another one goes on from: what it had is handed over, and it ends.
    pub(super) fn hand_over(&mut self, key: Key, now: Now) {
        if let Some(connection) = self.get_mut(key) {
            // What is handed over is not kept besides.
            if connection.recovery.take().is_some_and(|recovery| recovery.replay.is_some()) {
                self.hub.metrics().replays.dec();
            }
        }
        self.close(key, &Disconnect::TAKEN_OVER, now);
        // Its successor has its id.
        let Some(connection) = self.get(key) else { return };
        if self.hub.is_clustered() {
            // Only this node can: it is its own.
            self.hub.note_resume([ResumeChange::Forget(connection.id)]);
        }
        let hash = hash(connection.id);
        if let Ok(entry) = self.by_id.find_entry(hash, |&other| other == key) {
            entry.remove();
        }
    }
}
