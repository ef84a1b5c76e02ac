//! Clients that come back by the id of the connection that they had: what has reached them for sure, and giving them all
//! behind that (contract: dashboard, `reconnect`).
//!
//! What has reached a client it shows by answering pings that carry how far it was given things. A connection that is
//! still open is not taken over, since a tab that was duplicated has its original's id: both go on, and the old one is
//! closed soon if it is dead. Not here: the replay (`replay`), and resume tokens (`resuming`).

use std::sync::Arc;

use protocol::channel::{ALL, USER_PREFIX};
use protocol::channels::GivenPosition;
use protocol::websocket::ping_frame;
use protocol::{ChannelName, ConnectionId, Disconnect, Position, UserId};

use super::lists::{Follow, Key, Lists};
use super::recovery::REPLAYING;
use super::replay::Answer;
use super::resuming::entry;
use super::{Connection, Now, Shard, to_ms, wrap};
use crate::broker::{Claim, ClaimBy};
use crate::cluster::Whom;
use crate::encoded::StreamKey;
use crate::endpoint::Naming;
use crate::history::{History, StreamIndex};
use crate::inbox::{Ask, Asker, Message, Told};
use crate::journal::{ResumeChange, ResumeEntry};
use crate::link::Link;
use crate::registry::Membership;

/// Bytes in a ping that asks what has arrived: up to which number things were given, and which ping it is.
const PROBE: usize = 8 + 4;

/// How long a connection that its client seems to have left may go on without a sign of life, in milliseconds: the answer
/// to a ping, over a slow network.
const PROOF_MS: u64 = 10_000;

/// Who comes back may have so many times the connections that a user may: its old ones may still be counted.
const PLACES_OF_A_RETURN: u32 = 2;

/// Messages that a client may send behind a `reconnect` before that is answered; one more closes it. Its answer takes as
/// long as the shards need to look into their inboxes.
const MOST_HELD: usize = 16;

/// The same for a client of a cluster, which may wait for each stream that the node does not follow yet: as many messages as
/// it may have channels, ten times over, and a frame more than the largest.
const MOST_HELD_IN_CLUSTER: usize = 1_000;

/// Bytes of messages that wait so.
const MOST_HELD_BYTES: usize = 1 << 20;

/// Messages that wait for the answer to the one before them.
pub(super) type Held = Vec<Box<[u8]>>;

/// What has reached a client.
#[derive(Debug, Default)]
pub(super) struct Tracked {
    /// All that it was given up to this number.
    arrived: u64,
    /// How far it was given things at the last ping that told it.
    probed: u64,
    /// How many such pings there were.
    pings: u32,
    /// Where it began in its streams.
    began: Vec<Began>,
    /// Whether something has reached it that the disk does not know of.
    is_news: bool,
}

/// Where a client began in a stream.
#[derive(Debug, Clone)]
struct Began {
    stream: Arc<StreamKey>,
    /// It is given what stands behind this.
    offset: u64,
    /// What stands up to here has reached it, or was not for it. What stands between here and `offset` was not for it as
    /// this stream's, but may be on its way as another one's.
    had_to: u64,
    /// How many pings there were before, until a later one is answered: the stream's state may be on its way.
    pings: Option<u32>,
    /// Whether it was told that something of it is lost. As long as that may not have arrived, it is told again.
    is_lost: bool,
}

/// How a connection that is tracked comes to a stream.
#[derive(Debug, Clone, Copy)]
pub(super) enum Coming {
    /// It follows it unasked, and all that it had of it comes before it is told its id.
    Before,
    /// It followed it before, or begins with it at this offset.
    Now(u64),
    /// It came back, and begins with it at this offset: what it missed can't be told.
    Lost(u64),
    /// It came back, and was known to have this much of it.
    Again(Arrived),
}

/// What is known to have reached a client that comes back, of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    /// It is given what stands behind this.
    pub(super) offset: u64,
    /// What stands up to here has reached it, or was not for it.
    pub(super) had_to: u64,
    /// Whether the stream's state may not have reached it.
    pub(super) is_new: bool,
}

impl Arrived {
    /// Reads what stands of a stream in [`ResumeEntry::arrived`](crate::journal::ResumeEntry).
    pub(super) fn read(offset: u64, again: Option<u64>) -> Self {
        Self { offset, had_to: again.unwrap_or(offset).min(offset), is_new: again.is_some() }
    }
}

impl Tracked {
    /// Begins, goes on with further streams, or, where it came back, with those of another connection: nothing of what that
    /// missed has reached it. All up to the number `released` is given, or will be in a replay.
    pub(super) fn begin<'s>(
        earlier: Option<&Self>,
        released: u64,
        is_return: bool,
        streams: impl Iterator<Item = (&'s Arc<StreamKey>, StreamIndex, Coming)>,
        history: &History,
    ) -> Self {
        let pings = earlier.map_or(0, |it| it.pings);
        let began = |(stream, index, coming): (&Arc<StreamKey>, StreamIndex, Coming)| {
            let stream = Arc::clone(stream);
            let known = earlier.and_then(|it| Some((it, it.began_in(&stream)?)));
            let mut is_lost = matches!(coming, Coming::Lost(_));
            let (offset, had_to, pings) = match (coming, known) {
                (Coming::Again(Arrived { offset, had_to, is_new }), _) => {
                    (offset, had_to, is_new.then_some(pings))
                }
                (Coming::Lost(offset), _) => (offset, 0, Some(pings)),
                (_, Some((earlier, began))) if is_return => {
                    let (offset, had_to) = earlier.stands(began, index, history);
                    is_lost |= began.is_lost;
                    (offset, had_to, began.pings)
                }
                (_, Some((_, began))) => return began.clone(),
                (Coming::Before, None) => (history.end(index).1.offset, 0, None),
                (Coming::Now(offset), None) => (offset, 0, Some(pings)),
            };
            Began { stream, offset, had_to, pings, is_lost }
        };
        let began = streams.map(began).collect();
        let (arrived, probed) = match earlier {
            _ if is_return => (0, 0),
            Some(earlier) => (earlier.arrived, earlier.probed),
            // It knows its id only once it has what came before.
            None => (released, released),
        };
        Self { arrived, probed, pings, began, is_news: false }
    }

    fn began_in(&self, stream: &Arc<StreamKey>) -> Option<&Began> {
        self.began.iter().find(|began| Arc::ptr_eq(&began.stream, stream))
    }

    /// What it is to be given of a stream lies behind the first offset; what stands up to the second has reached it.
    fn stands(&self, began: &Began, stream: StreamIndex, history: &History) -> (u64, u64) {
        let arrived = history.reached_at(stream, self.arrived).unwrap_or(0);
        (arrived.max(began.offset), arrived.max(began.had_to))
    }

    /// It no longer follows a stream.
    pub(super) fn leave(&mut self, stream: &str) {
        self.began.retain(|began| began.stream.name != stream);
    }
}

/// Where a client that is tracked stands for sure in each of its streams. A stream to which it came since something last
/// was heard of it stands there twice: where it begins, and up to where all has reached it that other streams have, too.
pub(super) fn arrived<L>(
    connection: &Connection<L>,
    lists: &Lists,
    history: &History,
) -> Option<Vec<(Box<str>, Position)>> {
    let tracked = connection.recovery.as_ref()?.tracked()?;
    let of_follow = |name: &str| {
        let stream = history.find(name)?;
        let (key, _) = history.end(stream);
        let began = tracked.began_in(&key).filter(|began| !began.is_lost || began.pings.is_none())?;
        let (offset, had_to) = tracked.stands(began, stream, history);
        let is_new = began.pings.is_some() || had_to < offset;
        let at = |offset| (name.into(), Position { epoch: key.epoch, offset });
        Some([Some(at(offset)), is_new.then(|| at(had_to))].into_iter().flatten())
    };
    let names = connection.follows.iter().map(|follow| lists.get(follow.list()).entry.name());
    Some(names.filter_map(of_follow).flatten().collect())
}

impl<L: Link> Shard<L> {
    /// Makes a connection one of a user's. Returns why not where the user has too many.
    pub(super) fn own(&mut self, key: Key, user: &str, times: u32) -> Result<(), Disconnect> {
        let Some(connection) = self.get(key) else { return Ok(()) };
        let id = connection.id;
        let hub = Arc::clone(&self.hub);
        let endpoint = hub.endpoint(connection.endpoint);
        if !endpoint.take_place(user, times) {
            return Err(Disconnect::TOO_MANY_CONNECTIONS);
        }
        let Some(namespace) = &endpoint.namespace else {
            self.join(key, &format!("{USER_PREFIX}{user}"), Membership::Implied);
            return Ok(());
        };
        let whose = connection.identity.as_ref().map(|identity| identity.user.clone());
        let stream = format!("@{}:{USER_PREFIX}{user}", namespace.name);
        self.join(key, &stream, Membership::Implied);
        if let Some(whose) = whose {
            hub.user_came(&stream, &whose, id, self.clock);
        }
        Ok(())
    }

    /// Makes it one of a user's no longer. What is on its way to it comes first.
    pub(super) fn disown(&mut self, key: Key, user: &UserId) {
        self.catch_up(key, self.clock);
        let name = format!("{USER_PREFIX}{}", user.as_str());
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let lists = &self.lists;
        let is_it = |follow: &Follow| {
            follow.membership().is_implied() && lists.get(follow.list()).entry.name() == name
        };
        let Some(place) = connection.follows.iter().position(is_it) else { return };
        let endpoint = connection.endpoint;
        let follow = connection.follows.swap_remove(place);
        let may_lose = connection.recovery.as_mut().is_some_and(|recovery| recovery.leave(&name));
        self.leave(endpoint, follow);
        self.note_tracked(key);
        if may_lose {
            self.close(key, &Disconnect::SLOW, self.clock);
        }
    }

    /// Notes for the disk what a client that comes back by its connection's id has now.
    pub(super) fn note_tracked(&self, key: Key) {
        if !self.hub.has_journal && !self.hub.is_clustered {
            return;
        }
        let is_meant = |connection: &&Connection<L>| connection.is_tracked() || connection.wire.is_socket();
        let Some(connection) = self.get(key).filter(is_meant) else { return };
        let Some(mut entry) = entry(connection, &self.lists, None) else { return };
        let mut order = self.hub.order();
        entry.arrived = if connection.wire.is_socket() {
            let Some(lives) = self.lives(connection, &order.history) else { return };
            Some(lives)
        } else {
            arrived(connection, &self.lists, &order.history)
        };
        self.hub.note_in(&mut order, ResumeChange::Set(entry));
    }

    /// Sends a ping whose answer shows what has reached the client, where that is of use.
    pub(super) fn probe(&mut self, key: Key, now: Now) {
        self.catch_up(key, now);
        let begun = self.begun;
        let Some(connection) = self.connections.get_mut(key as usize).filter(|it| it.is_open()) else {
            return;
        };
        let unconfirmed = std::mem::take(&mut connection.is_unconfirmed);
        let Some(recovery) = &mut connection.recovery else { return };
        let floor = recovery.floor;
        let Some(tracked) = recovery.tracked_mut() else { return };
        tracked.is_news |= unconfirmed;
        let frame = if floor == REPLAYING {
            self.ping.clone()
        } else {
            tracked.probed = begun.max(floor);
            tracked.pings = tracked.pings.wrapping_add(1);
            let mut payload = [0; PROBE];
            payload[..8].copy_from_slice(&tracked.probed.to_be_bytes());
            payload[8..].copy_from_slice(&tracked.pings.to_be_bytes());
            ping_frame(&payload)
        };
        self.send(key, &frame, now);
    }

    /// Whether something was given to a client of which it is not known whether it has arrived.
    pub(super) fn is_to_be_probed(&self, key: Key) -> bool {
        self.get(key).is_some_and(|connection| {
            connection.is_unconfirmed
                || connection
                    .recovery
                    .as_ref()
                    .and_then(|recovery| recovery.tracked())
                    .is_some_and(|tracked| tracked.is_news)
        })
    }

    /// The answer to a ping.
    pub(super) fn on_pong(&mut self, key: Key, payload: &[u8]) {
        let Ok(payload) = <&[u8; PROBE]>::try_from(payload) else { return };
        let (number, ping) = payload.split_at(8);
        let (Ok(number), Ok(ping)) = (number.try_into(), ping.try_into()) else { return };
        let (number, ping) = (u64::from_be_bytes(number), u32::from_be_bytes(ping));
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let Some(tracked) = connection.recovery.as_mut().and_then(|recovery| recovery.tracked_mut()) else {
            return;
        };
        // What a client says of things that it was not given means nothing.
        if number < tracked.arrived || number > tracked.probed || ping > tracked.pings {
            return;
        }
        tracked.arrived = number;
        let mut is_news = std::mem::take(&mut tracked.is_news);
        for began in tracked.began.iter_mut().filter(|began| began.pings.is_some_and(|before| before < ping))
        {
            began.pings = None;
            is_news = true;
        }
        if is_news {
            self.note_tracked(key);
        }
    }

    /// A client says that it had the connection with this id.
    pub(super) fn come_back(&mut self, key: Key, former: ConnectionId, now: Now) {
        let Some(connection) = self.get(key) else { return };
        let to = connection.id;
        let user: Option<Box<str>> =
            connection.identity.as_ref().map(|identity| identity.user.as_str().into());
        match self.hub.resumes().look_up(former, user.as_deref(), now.wall) {
            Some(entry) => self.restore(key, &entry, now),
            None => {
                let left = self.hub.shards() - 1;
                let asker = Asker::Shard(self.index, to);
                let ask = Ask { former, user, asker, left, is_socket: false, namespace: None };
                self.held.insert(key, Held::new());
                self.on_ask(Box::new(ask), now);
            }
        }
    }

    /// Keeps a message for later where the client said before that it comes back: it may be answered only behind that, as
    /// if nobody had to be asked. Returns whether it was kept.
    pub(super) fn hold(&mut self, key: Key, message: &[u8], now: Now) -> bool {
        let Some(held) = self.held.get_mut(&key) else { return false };
        let most = if self.hub.is_clustered { MOST_HELD_IN_CLUSTER } else { MOST_HELD };
        let bytes: usize = held.iter().map(|held| held.len()).sum();
        if held.len() < most && bytes < MOST_HELD_BYTES {
            held.push(message.into());
        } else {
            let disconnect = self.view(key, now, |view| view.endpoint.dialect.world().rate_limited());
            self.close(key, &disconnect.unwrap_or(Disconnect::TOO_MANY_REQUESTS), now);
        }
        true
    }

    /// A connection asks for the one that its client had before.
    pub(super) fn on_ask(&mut self, mut ask: Box<Ask>, now: Now) {
        let held = self.find(ask.former).filter(|&key| self.is_open(key)).and_then(|key| {
            let connection = self.get(key)?;
            let mut entry = entry(connection, &self.lists, Some(now.wall))?;
            let history = &self.hub.order().history;
            entry.arrived = match ask.is_socket {
                true if !connection.wire.is_socket() => None,
                true => self.lives(connection, history),
                false => arrived(connection, &self.lists, history),
            };
            let follows = |stream: &str| entry.arrived.iter().flatten().any(|(name, _)| **name == *stream);
            let is_there = ask.namespace.as_deref().is_none_or(follows);
            (entry.arrived.is_some() && entry.user == ask.user && is_there).then_some((key, entry))
        });
        let entry = match held {
            Some((key, entry)) if ask.is_socket => {
                self.hand_over(key, now);
                Some(entry)
            }
            Some((key, entry)) => {
                self.demand_proof(key, now);
                Some(entry)
            }
            None if ask.left > 0 => {
                ask.left -= 1;
                let next = (self.index + 1) % self.hub.shards();
                self.hub.tell(next, Message::Ask(ask));
                return;
            }
            // It may have dropped while it was looked for.
            None if ask.is_socket => {
                self.hub.resumes().take_socket(ask.former, ask.user.as_deref(), now.wall)
            }
            None => self.hub.resumes().look_up(ask.former, ask.user.as_deref(), now.wall),
        };
        match (ask.asker, entry) {
            (Asker::Node(node, ticket), entry) => {
                let handed_over = entry.iter().filter(|_| ask.is_socket);
                self.hub.note_resume(handed_over.map(|entry| ResumeChange::Forget(entry.connection)));
                self.hub.answer_claim(node, ticket, entry.as_ref());
            }
            (Asker::Claim(ticket), entry) => self.hub.end_own_claim(ticket, entry),
            (Asker::Shard(shard, to), None) if self.hub.is_clustered() => {
                let by = if ask.is_socket { ClaimBy::Socket } else { ClaimBy::Id };
                let claim = Claim { connection: ask.former, user: ask.user, by };
                self.hub.claim(claim, None, Whom::Id(shard, to));
            }
            (Asker::Shard(shard, to), entry) => {
                self.hub.tell(shard, Message::Told(Box::new(Told { to, entry })));
            }
        }
    }

    /// A connection that is alive answers soon; else it is over.
    fn demand_proof(&mut self, key: Key, now: Now) {
        self.probe(key, now);
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let timeout = to_ms(self.hub.endpoint(connection.endpoint).ping_timeout);
        let spent = wrap(timeout.saturating_sub(PROOF_MS));
        if wrap(now.ms).wrapping_sub(connection.heard_at) < spent {
            connection.heard_at = wrap(now.ms).wrapping_sub(spent);
            self.calm.stir(key, now);
        }
    }

    /// What came of the question.
    pub(super) fn on_told(&mut self, told: Told, now: Now) {
        let Some(key) = self.find(told.to).filter(|&key| self.is_open(key)) else {
            // Who wanted it has gone in between: what was handed over is kept for the next try.
            if let Some(entry) = told.entry.filter(ResumeEntry::is_of_socket) {
                self.park(entry, now);
            }
            return;
        };
        let held = self.held.remove(&key).unwrap_or_default();
        match &told.entry {
            entry if self.entering.contains_key(&key) => {
                self.on_told_of_socket(key, entry.clone(), now);
                if self.entering.contains_key(&key) {
                    // It waits once more.
                    self.held.insert(key, held);
                    return;
                }
            }
            Some(entry) => self.restore(key, entry, now),
            None => {
                self.hub.metrics().resumes.with_label_values(&["not_found"]).inc();
                let text = self.view(key, now, |view| view.endpoint.dialect.world().not_restored(view));
                if let Some(text) = text.flatten() {
                    self.reply(key, &text, now);
                }
            }
        }
        for message in held {
            if self.is_open(key) && !self.hold(key, &message, now) {
                let verify = self.answer(key, &message, now);
                self.verify.extend(verify);
            }
        }
    }

    /// Gives a connection what another one had, as far as it still may have it.
    fn restore(&mut self, key: Key, entry: &ResumeEntry, now: Now) {
        self.hub.metrics().resumes.with_label_values(&["resumed"]).inc();
        let mut streams = Vec::with_capacity(entry.channels.len());
        let mut refused = Vec::new();
        for name in &entry.channels {
            let Some(connection) = self.get(key).filter(|connection| connection.is_open()) else { return };
            let has =
                connection.follows.iter().any(|follow| self.lists.get(follow.list()).entry.name() == &**name);
            let is_full = connection.follows.len() > self.hub.limits().channels;
            let identity = connection.identity.as_deref();
            if let Some(user) = name.strip_prefix(USER_PREFIX) {
                let is_own = identity.is_some_and(|identity| identity.user.as_str() == user);
                if !(is_own || connection.naming == Naming::Anyone) || is_full && !has {
                    refused.push(String::from(&**name));
                    continue;
                }
                if !has && let Err(disconnect) = self.own(key, user, PLACES_OF_A_RETURN) {
                    self.close(key, &disconnect, now);
                    return;
                }
            } else {
                let may = self.hub.rules().may_subscribe(identity, name) && ChannelName::check(name).is_ok();
                if !may || is_full && !has {
                    refused.push(String::from(&**name));
                    continue;
                }
                self.subscribe(key, name, now);
            }
            streams.push(String::from(&**name));
        }
        let given = entry.arrived.iter().flatten().map(|(name, position)| {
            let given = GivenPosition { epoch: Some(position.epoch), offset: position.offset };
            (name.clone(), given)
        });
        let given = given.collect();
        let answer = Answer::Restored { former: entry.connection, streams, refused };
        self.recover(key, &[], &given, &answer, now);
    }

    /// Tells a client that came back what it has again.
    pub(super) fn tell_restored(&mut self, key: Key, streams: &[String], lost: &[&str], now: Now) {
        let names: Vec<&str> = streams.iter().map(String::as_str).filter(|name| *name != ALL).collect();
        let answers = self.view(key, now, |view| view.endpoint.dialect.world().restored(&names, lost, view));
        for answer in answers.unwrap_or_default() {
            self.reply(key, &answer, now);
        }
    }
}
