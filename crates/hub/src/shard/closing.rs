//! How connections end: closed by the hub, by the client, cut, broken, or all together in a drain.
//!
//! Every end passes through `end` and `bury`: the first takes a connection out of everything, the second gives
//! its place free, between two gathers at the earliest, because a gather names connections by their places.

use std::time::Duration;

use bytes::Bytes;
use protocol::channel::user_of;
use protocol::websocket::{close_frame, text_frame};
use protocol::{Disconnect, events, socketio};

use super::connection::{Behind, Connection, Sent, State};
use super::delivery::Run;
use super::lists::Key;
use super::{Ended, Now, Shard, hash};
use crate::identity::Identity;
use crate::inbox::{Closing, DrainPlan};
use crate::link::Link;
use crate::rate::RateWindow;
use crate::wire::Wire;

/// A close waits so many milliseconds for the client's answer: two ticks.
const LINGER_MS: u64 = 1_000;

/// A drain on its way through a shard.
#[derive(Debug)]
pub(super) struct Farewell {
    plan: DrainPlan,
    /// How many connections were told when to come back.
    told: u32,
    /// The place of the next connection to be told; none when all were.
    cursor: Option<usize>,
}

impl Farewell {
    pub(super) fn new(plan: DrainPlan) -> Self {
        Self { plan, told: 0, cursor: Some(0) }
    }

    /// The close of the next connection: each is told another time.
    pub(super) fn next(&mut self) -> Disconnect {
        let delay = self.plan.first.saturating_add(self.plan.step.saturating_mul(self.told));
        self.told += 1;
        Disconnect::draining(delay)
    }

    /// Whether connections are still to be told.
    pub(super) fn is_due(&self) -> bool {
        self.cursor.is_some()
    }
}

impl<L: Link> Shard<L> {
    /// The dialect of a connection, for metrics and operators.
    pub(super) fn label(&self, connection: &Connection<L>) -> &str {
        self.hub.dialect(connection.endpoint, connection.wire)
    }

    /// Closes a connection: no more events, a Close frame, and the end when the client has answered or two
    /// ticks later.
    pub fn close(&mut self, key: Key, disconnect: &Disconnect, now: Now) {
        let behind =
            if disconnect.code == Disconnect::SLOW.code { Behind::HalfWritten } else { Behind::Everything };
        if self.send_close(key, Some((disconnect.code, &disconnect.reason)), behind, now) {
            let reason = disconnect.name;
            if disconnect.code != Disconnect::NORMAL.code && disconnect.code != Disconnect::DRAINING.code {
                self.hub.metrics().evictions.with_label_values(&[reason]).inc();
            }
        }
    }

    pub(super) fn send_close(
        &mut self,
        key: Key,
        close: Option<(u16, &str)>,
        behind: Behind,
        now: Now,
    ) -> bool {
        if !self.is_open(key) {
            return false;
        }
        if behind == Behind::Everything {
            self.flush_batch(key, now);
            // What it had collected may have been too much, or the link may be broken.
            if !self.is_open(key) {
                return false;
            }
        }
        self.leave_all(key);
        let Some(connection) = self.connections.get_mut(key as usize) else { return false };
        // A close without a code is an empty Close frame (RFC 6455, 5.5.1).
        let is_events = connection.wire == Wire::Events;
        let is_silent = is_events || connection.wire.is_socket();
        let frame = match close {
            Some((code, reason)) if is_events => {
                events::close(code, reason, events_retry(code, reason)).into()
            }
            // A socket that its client ends is answered nothing; what ends one alone leaves its session to the others.
            None if is_silent => Bytes::new(),
            Some((code, _)) if is_silent && ends_alone(code) => {
                let namespace = self.hub.endpoint(connection.endpoint).namespace_name();
                text_frame(&socketio::disconnect(namespace))
            }
            Some((code, reason)) => close_frame(code, reason),
            None => Bytes::from_static(&[0x88, 0]),
        };
        // Nobody answers on the wire of server-sent events, nor the end of a socket.
        connection.state = State::Closing { agreed: is_silent };
        connection.close_code = close.map_or(1005, |(code, _)| code);
        connection.rate = RateWindow::default();
        let sent = if frame.is_empty() {
            Sent::Written
        } else {
            connection.send_close(&frame, behind, &mut self.counts)
        };
        let id = connection.id;
        let is_done = is_silent && connection.is_flushed();
        self.closing.push_back((key, id, now.ms + LINGER_MS));
        if sent == Sent::Broken || is_done {
            self.end(key);
        }
        true
    }

    /// Closes the connections of sessions that have ended. Returns how many.
    pub(super) fn close_sessions(&mut self, closing: &Closing, now: Now) -> usize {
        let mut closed = 0;
        for user in &closing.users {
            let Some(list) = user.list_on(self.index) else { continue };
            // Others may follow a user's stream where the channel rules let them; they stay.
            let is_meant = |identity: &Identity| {
                user_of(user.name()) == Some(identity.user.as_str())
                    && identity.session.as_deref().is_some_and(|session| closing.sessions.has(session))
            };
            let followers = self.lists.get(list).followers.iter().map(|follower| follower.key);
            let meant: Vec<Key> = followers
                .filter(|&key| self.get(key).and_then(|it| it.identity.as_deref()).is_some_and(is_meant))
                .collect();
            closed += meant.len();
            for key in meant {
                self.close(key, &Disconnect::UNAUTHORIZED, now);
            }
        }
        closed
    }

    /// The client's Close frame: it is answered, or is the answer.
    pub(super) fn on_close(&mut self, key: Key, code: Option<u16>, now: Now) {
        self.send_close(key, code.map(|code| (code, "")), Behind::Everything, now);
        let Some(connection) = self.get_mut(key) else { return };
        if connection.state == State::Dead {
            return;
        }
        connection.state = State::Closing { agreed: true };
        if connection.is_flushed() {
            self.end(key);
        }
    }

    /// The socket takes bytes again.
    pub fn on_writable(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.state == State::Dead {
            return;
        }
        let sent = connection.flush(&mut self.counts);
        if sent == Sent::Broken
            || (connection.is_flushed() && connection.state == State::Closing { agreed: true })
        {
            self.end(key);
        } else {
            self.go_on(key);
        }
    }

    /// The socket is at its end, or broken.
    pub fn end(&mut self, key: Key) {
        if self.get(key).is_none_or(|connection| connection.state == State::Dead) {
            return;
        }
        self.leave_all(key);
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        connection.drop_outbox(&mut self.counts);
        connection.link.shutdown();
        connection.state = State::Dead;
        self.graveyard.push(key);
    }

    /// Closes about `budget` connections of a drain, once everything that was accepted is delivered.
    pub(super) fn say_farewell(&mut self, budget: usize, now: Now) {
        if self.run.is_some() || !self.queue.is_empty() {
            return;
        }
        let mut left = budget;
        while left > 0 {
            let Some(farewell) = &mut self.farewell else { return };
            let Some(place) = farewell.cursor else { return };
            // Connections that come meanwhile are told at once, so no place behind the cursor needs a second look.
            farewell.cursor = (place < self.connections.capacity()).then_some(place + 1);
            if self.connections.get(place).is_some_and(Connection::is_open) {
                let disconnect = farewell.next();
                self.close(Key::try_from(place).unwrap_or(Key::MAX), &disconnect, now);
                left -= 1;
            }
        }
    }

    /// Cuts connections that were closed long enough ago. One that is told to come back after a drain first gets
    /// what waits for it, for as long as the process lives.
    pub(super) fn cut_lingering(&mut self, now: Now) {
        while let Some(&(key, id, at)) = self.closing.front().filter(|&&(_, _, at)| at <= now.ms) {
            self.closing.pop_front();
            let Some(connection) = self.get(key).filter(|connection| connection.id == id) else { continue };
            // A client's own Close may have the same code, and waits for nobody.
            let is_told = connection.close_code == Disconnect::DRAINING.code
                && (connection.state == State::Closing { agreed: false }
                    || connection.wire == Wire::Events
                    || connection.wire.is_socket());
            if is_told && !connection.is_flushed() {
                self.closing.push_back((key, id, at.max(now.ms) + LINGER_MS));
            } else if matches!(connection.state, State::Closing { .. }) {
                self.end(key);
            }
        }
    }

    /// Takes ended connections out, unless a gather still names their places.
    pub(super) fn bury(&mut self) {
        if matches!(self.run, Some(Run::Gather(_))) {
            return;
        }
        if !self.graveyard.is_empty() {
            // A drain goes on as soon as nobody is left; by then it is known what they got.
            self.tell_deliveries();
        }
        for key in std::mem::take(&mut self.graveyard) {
            let Some(connection) = self.connections.try_remove(key as usize) else { continue };
            self.batches.end(key);
            self.forget_signs(key);
            self.held.remove(&key);
            self.entering.remove(&key);
            if let Ok(entry) = self.by_id.find_entry(hash(connection.id), |&other| other == key) {
                entry.remove();
                if let Some(hooks) = self.hub.hooks() {
                    hooks.ended(connection.id);
                }
            }
            let metrics = self.hub.metrics();
            metrics.connections.with_label_values(&[self.label(&connection)]).dec();
            metrics.closes.with_label_values(&[close_label(connection.close_code)]).inc();
            self.ended.push(Ended { connection: connection.id, code: connection.close_code });
        }
    }
}

/// Whether a close is that of one socket of a session, whose client shall not come back by itself: the user may no longer be
/// there, or another connection is in its place. All others end the session, which a client renews.
fn ends_alone(code: u16) -> bool {
    [Disconnect::UNAUTHORIZED.code, Disconnect::DISCONNECTED.code, Disconnect::TAKEN_OVER.code]
        .contains(&code)
}

/// When a client of server-sent events may come back, where the close says so: it has no other way to know.
fn events_retry(code: u16, reason: &str) -> Option<Duration> {
    let after =
        reason.strip_prefix(&*Disconnect::DRAINING.reason).filter(|_| code == Disconnect::DRAINING.code)?;
    after.trim().strip_suffix(" ms")?.parse().ok().map(Duration::from_millis)
}

/// The code as a label; what clients invent is one label.
fn close_label(code: u16) -> &'static str {
    match code {
        1000 => "1000",
        1001 => "1001",
        1002 => "1002",
        1005 => "1005",
        1006 => "1006",
        1007 => "1007",
        1009 => "1009",
        1011 => "1011",
        4001 => "4001",
        4008 => "4008",
        4009 => "4009",
        4010 => "4010",
        4011 => "4011",
        4012 => "4012",
        4029 => "4029",
        _ => "other",
    }
}
