//! What a client missed: found by its positions, told in the hub's order, at the pace at which it reads.
//!
//! The connection is given what is on its way to it first; then, under the lock of the hub's order, its positions are
//! looked up and the line is drawn behind which events are live. A replay holds no events: it reads the next ones from
//! history whenever the socket has taken the last. What history drops meanwhile is a gap that the client must know
//! of, so it is closed as a slow consumer and comes back with its positions.
//!
//! Not here: resume tokens (`resume`), and which streams keep what (the history).

use std::sync::Arc;

use bytes::Bytes;
use protocol::channels::{self, StreamPosition};
use protocol::{ConnectionId, Disconnect, Position};
use smallvec::SmallVec;

use super::deliveries::told_of;
use super::lists::Key;
use super::recovery::{Details, REPLAYING, Recovery, Trail, placed_frames, send_frames};
use super::resuming::entry;
use super::returning::{Arrived, Coming, Tracked, arrived};
use super::sockets::lives;
use super::standing::{Reached, Standing, begin_where_others_stand, reached, state};
use super::{Now, Shard};
use crate::commit::WATCH_PREFIX;
use crate::encoded::{Encoded, StreamKey};
use crate::history::{Cursor, Located, Read};
use crate::inbox::{Delivery, Given};
use crate::journal::ResumeChange;
use crate::limits::Limits;
use crate::link::Link;
use crate::wire::Wire;

/// What is read from history at once for one connection, in bytes: what a socket takes in about one write.
const CHUNK: usize = 64 << 10;

/// What a client still has to be told of the past.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) cursors: Vec<Cursor>,
    /// The connection from which it took over, and the number in the hub's order at which it did: what was not for that until
    /// then is not for this. One that is asked for by its id may go on, as another tab.
    former: Option<(ConnectionId, u64)>,
    /// Whether it is in the shard's list of those to be served.
    is_due: bool,
}

/// What a client is answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// `subscribed`, to a subscribe.
    Subscribed {
        /// Channels that it did not follow before.
        fresh: Vec<String>,
    },
    /// `resumed`.
    Resumed {
        /// The connection from which it took over.
        former: ConnectionId,
    },
    /// This, to a subscribe of a client that comes back by its connection's id.
    Told {
        /// The answer.
        text: Vec<u8>,
        /// Streams that it did not follow before.
        fresh: Vec<String>,
    },
    /// This, to a socket that asked for recovery when it came.
    Entered {
        /// The answer.
        text: Vec<u8>,
        /// The socket that its client had before, of which nothing is lost.
        former: Option<ConnectionId>,
    },
    /// What its world says, to one that came back by the id of a connection.
    Restored {
        /// That connection.
        former: ConnectionId,
        /// The streams that it has again.
        streams: Vec<String>,
        /// Those that it may not have any more.
        refused: Vec<String>,
    },
}

impl Replay {
    /// The client has left a stream: nothing more is read of it. Returns whether something may be lost by that: what waits
    /// for the replay because it is in that stream, and is in another one too that keeps nothing.
    pub(super) fn leave(&mut self, stream: &str) -> bool {
        let mut was_read = false;
        for cursor in self.cursors.iter_mut().filter(|cursor| cursor.key.name == stream) {
            was_read |= std::mem::take(&mut cursor.is_read);
        }
        let keeps_nothing = |cursor: &Cursor| cursor.until != u64::MAX && cursor.key.name != stream;
        was_read && self.cursors.iter().any(keeps_nothing)
    }
}

/// Where a connection begins or goes on.
struct Start {
    standings: Vec<Standing>,
    /// What was on its way to it of streams that keep nothing.
    late: Vec<Arc<Encoded>>,
    state: Vec<Arc<Encoded>>,
    token: String,
    /// Something was dropped that it has not had yet, and of which it will not be told.
    is_lost: bool,
}

impl<L: Link> Shard<L> {
    /// Makes a connection one that recovers, tells it where it stands in all its streams, and begins to give it
    /// what it missed.
    pub(super) fn recover(
        &mut self,
        key: Key,
        channels: &[String],
        given: &Given,
        answer: &Answer,
        now: Now,
    ) {
        self.catch_up(key, now);
        // What is told may end the connection, and its end takes the lock: so it is told behind it.
        let Some(start) = self.start(key, given, answer, now) else { return };
        if start.is_lost {
            self.close(key, &Disconnect::SLOW, now);
            return;
        }
        self.send_late(key, &start.late, now);
        let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
        let positions = start.standings.iter().map(|standing| StreamPosition {
            stream: &standing.name,
            position: standing.position,
            recovered: standing.recovered,
        });
        let Some(connection) = self.get(key) else { return };
        // Nobody resumes server-sent events: their ids are positions.
        let token = (connection.wire != Wire::Events).then_some(&*start.token);
        match answer {
            Answer::Subscribed { .. } => {
                let text = channels::subscribed_recoverable(&channels, token, positions, now.wall);
                self.reply(key, &text, now);
            }
            Answer::Resumed { .. } => {
                let text = channels::resumed(&channels, token, positions, now.wall);
                self.reply(key, &text, now);
            }
            Answer::Told { text, .. } if text.is_empty() => {}
            Answer::Told { text, .. } => self.reply(key, text, now),
            Answer::Entered { text, former } => {
                let is_lost = |standing: &Standing| standing.recovered == Some(false);
                if former.is_some() && start.standings.iter().any(is_lost) {
                    // It went in between; the client comes again, and is told: nothing of it is known any more.
                    self.forget_recovery(key);
                    self.close(key, &Disconnect::SLOW, now);
                    return;
                }
                self.reply(key, text, now);
            }
            Answer::Restored { streams, refused, .. } => {
                let lost = start.standings.iter().filter(|standing| standing.recovered == Some(false));
                let lost = lost.map(|standing| &*standing.name).chain(refused.iter().map(String::as_str));
                let lost: Vec<&str> = lost.collect();
                self.tell_restored(key, streams, &lost, now);
            }
        }
        self.send_state(key, &start.state, now);
        self.replay_one(key, now);
    }

    /// Looks up where a connection stands, and draws the line behind which events are live for it.
    fn start(&mut self, key: Key, given: &Given, answer: &Answer, now: Now) -> Option<Start> {
        let hub = Arc::clone(&self.hub);
        let connection = self.connections.get_mut(key as usize).filter(|c| c.is_open())?;
        let id = connection.id;
        let (former, fresh) = match answer {
            Answer::Subscribed { fresh } => (None, &fresh[..]),
            Answer::Entered { former, .. } => (*former, &[][..]),
            Answer::Told { fresh, .. } => (None, &fresh[..]),
            Answer::Resumed { former } | Answer::Restored { former, .. } => (Some(*former), &[][..]),
        };
        let is_tracked = connection.wire.timestamps().is_some();
        // Who waited to be let in had nothing.
        let before = connection.recovery.take().filter(|_| !matches!(answer, Answer::Entered { .. }));
        let is_entry = matches!(answer, Answer::Entered { .. });
        // What it follows unasked it was given since it came, in the same form as from now on.
        let is_first = is_tracked && before.is_none();
        let is_return = matches!(answer, Answer::Restored { .. });
        // What it has had so far: all that the shard has begun to deliver, and what replay told beyond.
        let had = before.as_ref().map(|recovery| match recovery.floor {
            REPLAYING => self.begun,
            floor => self.begun.max(floor),
        });
        // And of streams that keep nothing: what was on its way when it was last told where it stands came late, with that.
        let had_unkept = had.map_or(0, |had| had.max(before.as_ref().map_or(0, |before| before.began)));
        let mut order = hub.order();
        let order = &mut *order;
        let released = order.released;
        let mut cursors: Vec<Cursor> = Vec::with_capacity(connection.follows.len());
        let mut standings: Vec<Standing> = Vec::with_capacity(connection.follows.len());
        let mut is_lost = false;
        for follow in &connection.follows {
            let name = self.lists.get(follow.list()).entry.name();
            if name.starts_with(WATCH_PREFIX) {
                continue;
            }
            let stream = order.history.open(name, || hub.keeps(name));
            let (stream_key, end) = order.history.end(stream);
            let mut named = given.iter().filter(|(given, _)| **given == *name).map(|(_, position)| *position);
            let position = named.next();
            let arrived = position
                .filter(|_| is_return)
                .map(|position| Arrived::read(position.offset, named.next().map(|again| again.offset)));
            let reached = had.filter(|_| !fresh.iter().any(|fresh| fresh == name)).map(|had| {
                let before = before.as_deref();
                reached(before, &order.history, (stream, &stream_key), had)
            });
            let is_joined = is_first && !is_return && !fresh.iter().any(|fresh| fresh == name);
            let was_live = reached.is_some() || is_joined;
            let held_from = reached.as_ref().map_or(had_unkept, |reached| reached.held_from);
            let (cursor, recovered) = match (position, reached) {
                (Some(position), reached) => {
                    let is_here = order.history.locate(stream, position, now.wall) == Located::Here;
                    let outcome = if is_here { "recovered" } else { "lost" };
                    hub.metrics().recoveries.with_label_values(&[outcome]).inc();
                    let is_of_this_life = position.epoch == Some(end.epoch) && position.offset <= end.offset;
                    let had_to = arrived.map_or(position.offset, |arrived| arrived.had_to);
                    // Of a socket it says where it begins. What is found behind that in any stream, it has not had in another.
                    let had_to = if is_of_this_life && !is_entry { had_to } else { 0 };
                    let next = order.history.seq_behind(stream, position.offset);
                    // What this connection was given since it said so is not given again.
                    let goes_on = reached.filter(|reached| next.is_none_or(|next| next > reached.since));
                    let cursor = match (is_here, goes_on) {
                        (true, Some(Reached { offset, had_to: earlier, since, .. })) => {
                            let offset = offset.map_or(position.offset, |offset| offset.max(position.offset));
                            (offset, had_to.max(earlier), since)
                        }
                        (true, None) if is_entry || arrived.is_some_and(|arrived| arrived.is_new) => {
                            (position.offset, had_to, next.map_or(released, |next| next - 1))
                        }
                        (true, None) => (position.offset, had_to, 0),
                        (false, _) => (end.offset, had_to, released),
                    };
                    (cursor, Some(is_here))
                }
                (None, Some(Reached { offset, had_to, since, .. })) => {
                    is_lost |= offset.is_none();
                    ((offset.unwrap_or(end.offset), had_to, since), None)
                }
                (None, None) => ((end.offset, 0, released), former.map(|_| false)),
            };
            let (offset, had_to, since) = cursor;
            let told = if recovered == Some(true) { end.offset } else { offset };
            let position = Position { epoch: end.epoch, offset: told };
            standings.push(Standing {
                name: name.to_owned(),
                position,
                recovered,
                is_live: was_live && recovered != Some(false),
                is_behind_gap: was_live && recovered == Some(false),
                arrived: arrived.filter(|_| recovered == Some(true)),
            });
            let is_read = order.history.keeps(stream);
            let until = if is_read { u64::MAX } else { had_unkept };
            cursors.push(Cursor {
                stream,
                key: stream_key,
                offset,
                had_to,
                since,
                until,
                held_from,
                is_read,
            });
        }
        if before.is_some() && hub.is_clustered() {
            let lists = &self.lists;
            let follows = |stream: &str| {
                connection.follows.iter().any(|follow| lists.get(follow.list()).entry.name() == stream)
            };
            is_lost |= hub.inbox(self.index).has_lost(follows);
        }
        begin_where_others_stand(&order.history, released, &mut standings, &mut cursors);
        let gaps: Vec<&Arc<StreamKey>> = standings
            .iter()
            .zip(&cursors)
            .filter(|(standing, _)| standing.is_behind_gap)
            .map(|(_, cursor)| &cursor.key)
            .collect();
        let mut late = Vec::new();
        let is_socket = connection.wire.is_socket();
        if is_tracked || before.is_some() && (is_socket || cursors.iter().any(|cursor| !cursor.is_read)) {
            let began = before.as_ref().map_or(0, |before| before.began);
            let joined = match answer {
                Answer::Restored { streams, .. } if is_first => streams,
                _ => fresh,
            };
            let lives = |name: &&str| !joined.iter().any(|joined| joined == name);
            let follows =
                || connection.follows.iter().map(|follow| self.lists.get(follow.list()).entry.name());
            let mut look = |delivery: &Delivery| {
                let encoded = &delivery.encoded;
                let seen = encoded.seen_by(follows().filter(lives));
                let is_new = encoded.seq() > began;
                let is_told = cursors.iter().filter(|cursor| cursor.is_read).any(|cursor| {
                    let offset = encoded.offset_in(&cursor.key);
                    offset.is_some_and(|at| at > cursor.offset || cursor.has_had(at, encoded.seq()))
                });
                // As its own alone it would have come also without the streams with which it begins.
                let is_named = (is_tracked || is_socket)
                    && seen.is_empty()
                    && delivery.names(id, connection.wire)
                    && !encoded.seen_by(follows()).is_empty();
                let is_late = is_new && (encoded.is_unkept_in(&seen) || is_first && !seen.is_empty());
                if (is_late || is_named) && !is_told && delivery.except != Some(id) {
                    // Told with its place behind a gap that the client is yet to be told of.
                    is_lost |= gaps.iter().any(|stream| encoded.offset_in(stream).is_some());
                    late.push(Arc::clone(encoded));
                }
            };
            self.queue.iter().for_each(&mut look);
            hub.inbox(self.index).for_each(&mut look);
        }
        let wants =
            |event: &Encoded| event.except().is_none_or(|except| except != id && Some(except) != former);
        let state = state(order, &standings, &cursors, wants, now);
        let generation = before.as_ref().map_or(0, |recovery| recovery.generation) + 1;
        let since = before.as_ref().map_or_else(
            || {
                let is_back = standings.iter().any(|standing| standing.recovered == Some(true));
                if is_back && !is_entry { 0 } else { released }
            },
            |recovery| recovery.since,
        );
        let details = Details {
            trail: (connection.wire == Wire::Events).then(|| {
                let mut trail = Trail::default();
                for cursor in &cursors {
                    trail.put(&cursor.key.name, Position { epoch: cursor.key.epoch, offset: cursor.offset });
                }
                trail
            }),
            since: cursors
                .iter()
                .filter(|cursor| cursor.since != since)
                .map(|cursor| (Arc::clone(&cursor.key), cursor.since))
                .collect(),
            tracked: is_tracked.then(|| {
                let earlier = before.as_ref().and_then(|recovery| recovery.tracked());
                let streams = standings.iter().zip(&cursors).map(|(standing, cursor)| {
                    let coming = match standing.arrived {
                        Some(arrived) => Coming::Again(arrived),
                        None if is_return && standing.recovered == Some(false) => Coming::Lost(cursor.offset),
                        None if is_first && standing.is_live => Coming::Before,
                        None => Coming::Now(cursor.offset),
                    };
                    (&cursor.key, cursor.stream, coming)
                });
                Tracked::begin(earlier, released, is_return, streams, &order.history)
            }),
        };
        let has_details = details.trail.is_some() || details.tracked.is_some() || !details.since.is_empty();
        let has_missed =
            |cursor: &Cursor| cursor.is_read && cursor.offset < order.history.end(cursor.stream).1.offset;
        let replay = cursors.iter().any(has_missed).then(|| {
            let former = former.map(|id| (id, released)).or(before_former(before.as_deref()));
            Box::new(Replay { cursors, former, is_due: false })
        });
        let was_replaying = before.as_ref().is_some_and(|recovery| recovery.replay.is_some());
        hub.metrics().replays.add(i64::from(replay.is_some()) - i64::from(was_replaying));
        connection.recovery = Some(Box::new(Recovery {
            floor: if replay.is_some() { REPLAYING } else { released },
            began: released,
            since,
            generation,
            own: before.as_ref().map_or(0, |recovery| recovery.own),
            replay,
            details: has_details.then(|| Box::new(details)),
        }));
        connection.wire = connection.wire.placed();
        let token = hub.resumes().token(id, generation, self.index);
        if (hub.has_journal || hub.is_clustered) && connection.wire != Wire::Events {
            let entry = entry(connection, &self.lists, None);
            if let Some(mut entry) = entry {
                entry.arrived = if connection.wire.is_socket() {
                    Some(lives(connection, &self.lists, &order.history))
                } else {
                    arrived(connection, &self.lists, &order.history)
                };
                hub.note_in(order, ResumeChange::Set(entry));
            }
        }
        Some(Start { standings, late, state, token, is_lost })
    }

    /// Gives a connection events with their places, before those of a replay.
    fn send_late(&mut self, key: Key, events: &[Arc<Encoded>], now: Now) {
        let hub = Arc::clone(&self.hub);
        let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { return };
        if events.is_empty() || !connection.wire.is_socket() {
            self.send_placed(key, events, &hub.limits(), now);
            return;
        }
        let wire = connection.wire.out_of_turn();
        let frames = events.iter().map(|event| event.frame(wire, hub.metrics()).clone()).collect();
        self.counts.deliveries += events.len() as u64;
        let sent = send_frames(connection, &frames, &mut self.scratch, &hub.limits(), &mut self.counts);
        self.note_sent(key, told_of(&hub, events.iter().map(|event| &**event)), sent, now);
        self.settle(key, sent, now);
    }

    fn send_placed(&mut self, key: Key, events: &[Arc<Encoded>], limits: &Limits, now: Now) {
        if events.is_empty() {
            return;
        }
        let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { return };
        let frames = placed_frames(connection, &self.lists, events, self.hub.metrics());
        self.counts.deliveries += frames.len() as u64;
        connection.is_unconfirmed = true;
        let frames = if connection.is_batching { self.as_batch(key, frames, now) } else { frames };
        let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { return };
        let sent = send_frames(connection, &frames, &mut self.scratch, limits, &mut self.counts);
        self.note_sent(key, told_of(&self.hub, events.iter().map(|event| &**event)), sent, now);
        self.settle(key, sent, now);
    }

    /// Gives a connection the state of its streams, with its places.
    fn send_state(&mut self, key: Key, events: &[Arc<Encoded>], now: Now) {
        let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { return };
        let metrics = self.hub.metrics();
        // State is of any age, so it says nothing about what a socket has had.
        let frames = if connection.wire.is_socket() {
            let wire = connection.wire.out_of_turn();
            events.iter().map(|event| event.frame(wire, metrics).clone()).collect()
        } else {
            placed_frames(connection, &self.lists, events, metrics)
        };
        self.counts.deliveries += frames.len() as u64;
        connection.is_unconfirmed |= !frames.is_empty();
        let frames = if connection.is_batching { self.as_batch(key, frames, now) } else { frames };
        let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { return };
        let sent = connection.send_state(&frames, &self.hub.limits(), &mut self.counts);
        self.note_sent(key, told_of(&self.hub, events.iter().map(|event| &**event)), sent, now);
        self.settle(key, sent, now);
    }

    /// Gives plain connections the state of streams that they follow from now on.
    pub(super) fn tell_state(&mut self, key: Key, streams: &[String], now: Now) {
        let hub = Arc::clone(&self.hub);
        let order = hub.order();
        if order.retained.is_empty() {
            return;
        }
        let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { return };
        let mut told: SmallVec<[&Arc<Encoded>; 4]> = SmallVec::new();
        for stream in streams {
            for event in order.retained.get(stream, u64::try_from(now.wall.as_millis()).unwrap_or(0)) {
                let is_new = !told.iter().any(|other| Arc::ptr_eq(other, event));
                // What is still on its way to this shard comes to it live.
                let is_coming = self.queue.iter().any(|delivery| Arc::ptr_eq(&delivery.encoded, event))
                    || hub.inbox(self.index).has(event);
                if is_new && !is_coming && event.except() != Some(connection.id) {
                    told.push(event);
                }
            }
        }
        told.sort_unstable_by_key(|event| event.seq());
        let frames: SmallVec<[Bytes; 8]> =
            told.iter().map(|event| event.frame(connection.wire, hub.metrics()).clone()).collect();
        let told_to_hooks = told_of(&hub, told.iter().map(|event| &***event));
        drop(told);
        drop(order);
        self.counts.deliveries += frames.len() as u64;
        let sent = connection.send_state(&frames, &hub.limits(), &mut self.counts);
        self.note_sent(key, told_to_hooks, sent, now);
        self.settle(key, sent, now);
    }

    /// Puts a connection whose replay has more, and whose socket takes more, in line.
    pub(super) fn go_on(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { return };
        let has_room = connection.outbox.is_none();
        let Some(replay) = connection.recovery.as_mut().and_then(|recovery| recovery.replay.as_mut()) else {
            return;
        };
        if has_room && !replay.is_due {
            replay.is_due = true;
            self.replays.push_back(key);
        }
    }

    /// Goes on with about `budget` replays by a piece each.
    pub(super) fn replay(&mut self, budget: usize, now: Now) {
        for _ in 0..budget {
            let Some(key) = self.replays.pop_front() else { return };
            self.replay_one(key, now);
        }
    }

    fn replay_one(&mut self, key: Key, now: Now) {
        let hub = Arc::clone(&self.hub);
        let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { return };
        let (id, has_room) = (connection.id, connection.outbox.is_none());
        let user = connection.identity.as_ref().map(|identity| identity.user.as_str());
        let user = user.filter(|_| connection.wire.is_socket());
        let Some(recovery) = &mut connection.recovery else { return };
        let Some(replay) = &mut recovery.replay else { return };
        replay.is_due = false;
        if !has_room {
            return;
        }
        let former = replay.former;
        let wants = |event: &Encoded| {
            let is_formers = |except| former.is_some_and(|(id, to)| id == except && event.seq() <= to);
            event.except().is_none_or(|except| except != id && !is_formers(except))
                && !(user.is_some() && event.about() == user)
        };
        let mut events = Vec::new();
        let chunk = CHUNK.min(hub.limits().outbox_bytes / 4);
        let order = hub.order();
        let read = order.history.read(&mut replay.cursors, chunk, wants, &mut events);
        let released = order.released;
        drop(order);
        if read != Read::More {
            recovery.replay = None;
            recovery.floor = released;
            hub.metrics().replays.dec();
        }
        hub.metrics().replayed.inc_by(events.len() as u64);
        // Nothing waits for the socket, so this piece is all that ever does: it does not count.
        let unbounded =
            Limits { outbox_bytes: usize::MAX, outbox_frames: usize::MAX, ..(**hub.limits()).clone() };
        self.send_placed(key, &events, &unbounded, now);
        if read == Read::Lost {
            self.close(key, &Disconnect::SLOW, now);
            return;
        }
        self.go_on(key);
    }
}

fn before_former(before: Option<&Recovery>) -> Option<(ConnectionId, u64)> {
    before?.replay.as_ref()?.former
}
