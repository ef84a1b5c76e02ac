//! Going on where another connection was: its token, taking over from one that is still open, and what is kept of those
//! that drop. Also what operators ask of a user's connections.
//!
//! A connection that another shard may still hold is asked for by a message to that shard; whoever has it, or what
//! was kept of it, hands it over once.

use protocol::channel::{USER_PREFIX, split_namespace};
use protocol::channels::{self, ErrorCode};
use protocol::timestamp::Timestamp;
use protocol::{ChannelName, ConnectionId, Disconnect, Stream};

use super::connection::Connection;
use super::lists::{Follow, Key, Lists};
use super::replay::Answer;
use super::returning::arrived;
use super::{Now, Shard, is_subscription};
use crate::broker::{Claim, ClaimBy};
use crate::cluster::{Who, Whom};
use crate::inbox::{Asker, ConnectionInfo, Expulsion, Given, Message, Question, TakeOver, TakenOver};
use crate::journal::{ResumeChange, ResumeEntry};
use crate::link::Link;
use crate::resume::{Claims, Found};

impl<L: Link> Shard<L> {
    /// A client shows the token of a connection that it had.
    pub(super) fn resume(&mut self, key: Key, token: &str, given: Given, now: Now) {
        if !self.hub.has_broker() {
            // Another node may have handed it over meanwhile, and it works once. Positions do as well.
            self.not_resumed(key, now);
            return;
        }
        let Some(connection) = self.get(key) else { return };
        let id = connection.id;
        let user: Option<Box<str>> =
            connection.identity.as_ref().map(|identity| identity.user.as_str().into());
        match self.hub.resumes().find(token, user.as_deref(), now.wall) {
            Found::Dropped(entry) => {
                if let Some(entry) = self.once_followed(id, entry, &given) {
                    self.go_on_from(key, &entry, &given, now);
                }
            }
            Found::Perhaps(claims) => {
                let shard = usize::from(claims.shard);
                let wish = TakeOver { claims, user, asker: Asker::Shard(self.index, id), given };
                self.hub.tell(shard, Message::TakeOver(Box::new(wish)));
            }
            Found::Elsewhere(claims) if self.hub.is_clustered() => {
                self.claim(&claims, user, Whom::Token(self.index, id, given));
            }
            Found::Elsewhere(_) => self.not_resumed(key, now),
            Found::Nothing => self.not_resumed(key, now),
        }
    }

    fn not_resumed(&mut self, key: Key, now: Now) {
        self.hub.metrics().resumes.with_label_values(&["not_found"]).inc();
        let message = "nothing can be resumed with this token; subscribe with your positions";
        self.reply(key, &channels::error(ErrorCode::NotFound, message, None, now.wall), now);
    }

    /// A connection wants to take over from one that this shard may hold.
    pub(super) fn on_take_over(&mut self, wish: TakeOver, now: Now) {
        let TakeOver { claims, user, asker, given } = wish;
        let held = self.find(claims.connection).filter(|&key| self.is_open(key)).and_then(|key| {
            let entry = entry(self.get(key)?, &self.lists, Some(now.wall))?;
            (entry.generation == claims.generation && entry.user == user).then_some((key, entry))
        });
        let entry = match held {
            Some((key, entry)) => {
                if let Some(connection) = self.get_mut(key) {
                    // What is handed over is not kept besides.
                    if connection.recovery.take().is_some_and(|recovery| recovery.replay.is_some()) {
                        self.hub.metrics().replays.dec();
                    }
                }
                self.close(key, &Disconnect::TAKEN_OVER, now);
                if self.hub.is_clustered() {
                    // Only this node can: it is its own.
                    self.hub.note_resume([ResumeChange::Forget(claims.connection)]);
                }
                Some(entry)
            }
            None => {
                let hub = &self.hub;
                hub.resumes().take(claims.connection, claims.generation, user.as_deref(), now.wall)
            }
        };
        match (asker, entry) {
            (Asker::Node(node, ticket), entry) => {
                // It is the other node's from now on, whatever becomes of the answer.
                self.hub.note_resume(entry.iter().map(|entry| ResumeChange::Forget(entry.connection)));
                self.hub.answer_claim(node, ticket, entry.as_ref());
            }
            // Tokens are not asked for so.
            (Asker::Claim(_), _) => {}
            // It dropped, and what it had is with the broker.
            (Asker::Shard(shard, to), None) if self.hub.is_clustered() => {
                self.claim(&claims, user, Whom::Token(shard, to, given));
            }
            (Asker::Shard(shard, to), entry) => {
                self.hub.tell(shard, Message::TakenOver(Box::new(TakenOver { to, given, entry })));
            }
        }
    }

    /// Looks for a connection beyond this node.
    fn claim(&self, claims: &Claims, user: Option<Box<str>>, whom: Whom) {
        let &Claims { connection, generation, shard, process } = claims;
        let by = ClaimBy::Token { generation, node: process };
        self.hub.claim(Claim { connection, user, by }, Some(usize::from(shard)), whom);
    }

    /// What came of the wish to take over.
    pub(super) fn on_taken_over(&mut self, answer: TakenOver, now: Now) {
        let TakenOver { to, given, entry } = answer;
        match (self.find(to).filter(|&key| self.is_open(key)), entry) {
            (Some(key), Some(entry)) => {
                if let Some(entry) = self.once_followed(to, entry, &given) {
                    self.go_on_from(key, &entry, &given, now);
                }
            }
            (Some(key), None) => self.not_resumed(key, now),
            // Who wanted it has gone in between: it is kept for the next try.
            (None, Some(entry)) => self.park(entry, now),
            (None, None) => {}
        }
    }

    /// What a connection had, where the node follows its streams. They were let go where this shard took its time behind the
    /// word that they are there: then they are asked for again, and it is told again once they are.
    fn once_followed(&self, to: ConnectionId, entry: ResumeEntry, given: &Given) -> Option<ResumeEntry> {
        let shard = self.index;
        let names = entry.channels.clone();
        let mut kept = Some(entry);
        let is_ready = self.hub.ready(names.iter().map(|name| &**name), || {
            let again = TakenOver { to, given: given.clone(), entry: kept.take() };
            Who::Message(shard, Box::new(Message::TakenOver(Box::new(again))))
        });
        kept.filter(|_| is_ready)
    }

    fn go_on_from(&mut self, key: Key, entry: &ResumeEntry, given: &Given, now: Now) {
        self.hub.metrics().resumes.with_label_values(&["resumed"]).inc();
        self.hub.note_resume([ResumeChange::Forget(entry.connection)]);
        let mut channels = Vec::with_capacity(entry.channels.len());
        let has = self.get(key).map_or(0, |connection| {
            connection.follows.iter().filter(|follow| follow.membership().is_subscribed()).count()
        });
        for name in &entry.channels {
            let identity = self.get(key).and_then(|connection| connection.identity.as_deref());
            let may = self.hub.rules().may_subscribe(identity, name);
            if may && ChannelName::check(name).is_ok() && has + channels.len() < self.hub.limits().channels {
                self.subscribe(key, name, now);
                channels.push(String::from(&**name));
            }
        }
        self.recover(key, &channels, given, &Answer::Resumed { former: entry.connection }, now);
    }

    /// Keeps what a connection had that ends, if it asked for recovery.
    pub(super) fn park_connection(&mut self, key: Key, now: Now) {
        let is_entering = self.entering.contains_key(&key);
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if is_entering {
            // It had nothing yet.
            connection.recovery = None;
        }
        let is_of_socket = connection.wire.is_socket();
        let Some(connection) = self.get(key) else { return };
        let mut kept = entry(connection, &self.lists, Some(now.wall));
        if let Some(kept) = kept.as_mut() {
            if is_of_socket {
                kept.arrived = self.lives(connection, &self.hub.order().history);
            } else if connection.wire.timestamps().is_some() {
                kept.arrived = arrived(connection, &self.lists, &self.hub.order().history);
            }
        }
        if kept.as_ref().is_some_and(|kept| is_of_socket && kept.arrived.is_none()) {
            self.forget_recovery(key);
            return;
        }
        let is_resumable = connection.wire.index().is_some();
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.recovery.take().is_some_and(|recovery| recovery.replay.is_some()) {
            self.hub.metrics().replays.dec();
        }
        if let Some(entry) = kept.filter(|_| is_resumable) {
            self.park(entry, now);
        }
    }

    pub(super) fn park(&self, mut entry: ResumeEntry, now: Now) {
        entry.dropped.get_or_insert(now.wall);
        if self.hub.is_clustered() && self.hub.has_broker() {
            // There alone, so that it is handed over once.
            self.hub.note_resume([ResumeChange::Set(entry)]);
            return;
        }
        let change = self.hub.has_journal.then(|| ResumeChange::Set(entry.clone()));
        let forgotten = self.hub.resumes().park(entry, now.wall);
        self.hub.note_resume(change.into_iter().chain(forgotten.into_iter().map(ResumeChange::Forget)));
    }

    /// The connections of a user on this shard.
    fn of_user(&self, user: &str) -> Vec<Key> {
        let streams = self.hub.namespaces().of_user(&Stream::named(format!("{USER_PREFIX}{user}")));
        let of_stream = |stream: &Stream| {
            let list = self.hub.registry().get(stream.as_str())?.list_on(self.index)?;
            // Others may follow a user's stream where the channel rules let them.
            let is_own = move |follow: &Follow| follow.list() == list && follow.membership().is_implied();
            let is_the_users = move |key: &Key| {
                self.get(*key).filter(|it| it.is_open()).is_some_and(|it| it.follows.iter().any(is_own))
            };
            Some(self.lists.get(list).followers.iter().map(|follower| follower.key).filter(is_the_users))
        };
        streams.iter().filter_map(of_stream).flatten().collect()
    }

    /// Tells an operator what connections a user has here.
    pub(super) fn on_question(&self, question: &Question) {
        let infos = self
            .of_user(&question.user)
            .into_iter()
            .filter_map(|key| self.get(key))
            .map(|connection| ConnectionInfo {
                connection_id: shown(connection),
                dialect: self.label(connection).to_owned(),
                channels: connection
                    .follows
                    .iter()
                    .map(|follow| (follow, self.lists.get(follow.list()).entry.name()))
                    .filter(|(follow, name)| is_subscription(follow, name))
                    .map(|(_, name)| name.to_owned())
                    .collect(),
                recoverable: connection.recovery.is_some(),
                user_type: connection
                    .identity
                    .as_ref()
                    .and_then(|identity| identity.user_type.as_deref().map(str::to_owned)),
                expires_at: connection.identity.as_ref().map_or(0, |identity| identity.expires_at),
                waiting_bytes: connection.outbox.as_ref().map_or(0, |outbox| outbox.bytes()),
            })
            .collect();
        // Nobody may be waiting any longer.
        let _ = question.answers.try_send(infos);
    }

    /// Nobody can go on from a connection any more.
    pub(super) fn forget_recovery(&mut self, key: Key) {
        let Some(connection) = self.get_mut(key) else { return };
        let Some(recovery) = connection.recovery.take() else { return };
        let id = connection.id;
        self.hub.metrics().replays.sub(i64::from(recovery.replay.is_some()));
        self.hub.note_resume([ResumeChange::Forget(id)]);
    }

    /// Closes the connections of a user, as an operator wants.
    pub(super) fn on_expulsion(&mut self, expulsion: &Expulsion, now: Now) {
        let keys = self.of_user(&expulsion.user);
        for &key in &keys {
            self.forget_recovery(key);
            self.close(key, &Disconnect::DISCONNECTED, now);
        }
        let _ = expulsion.counts.try_send(u32::try_from(keys.len()).unwrap_or(u32::MAX));
    }
}

/// What a connection can be resumed to; none where it did not ask for recovery.
pub(super) fn entry<L>(
    connection: &Connection<L>,
    lists: &Lists,
    dropped: Option<Timestamp>,
) -> Option<ResumeEntry> {
    let recovery = connection.recovery.as_ref()?;
    let is_own = |name: &str| recovery.tracked().is_some() && name.starts_with(USER_PREFIX);
    let channels = connection
        .follows
        .iter()
        .map(|follow| (follow.membership(), lists.get(follow.list()).entry.name()))
        .filter(|(how, name)| how.is_subscribed() && split_namespace(name).is_none() || is_own(name))
        .map(|(_, name)| name.into())
        .collect();
    Some(ResumeEntry {
        connection: connection.id,
        generation: recovery.generation,
        user: connection.identity.as_ref().map(|identity| identity.user.as_str().into()),
        channels,
        dropped,
        arrived: None,
    })
}

/// A connection's id as operators see it. Where a client comes back by it, it is a secret of that client (contract:
/// dashboard), and only its beginning is shown, as in the log.
fn shown<L: Link>(connection: &Connection<L>) -> String {
    let id = connection.id.to_string();
    if connection.is_tracked() { format!("{}…", &id[..8]) } else { id }
}
