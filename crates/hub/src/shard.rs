//! ③ A shard: its connections, who follows what, and what is on its way to them.
//!
//! One thread owns a shard and calls it; nothing here blocks, waits or knows a socket. The loop that does is the
//! server's reactor; the simulation drives the same code with fake links and a clock of its own.

mod connection;
mod delivery;
mod lists;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashTable;
use protocol::channel::{ALL, USER_PREFIX};
use protocol::channels::{self, ErrorCode};
use protocol::timestamp::Timestamp;
use protocol::websocket::{Incoming, close_frame, ping_frame, pong_frame, text_frame};
use protocol::{ConnectionId, Disconnect};
use slab::Slab;
use smallvec::SmallVec;

use self::connection::{Behind, Connection, Counts, Sent, State};
use self::delivery::{Gather, PASS_MIN, Pass, Run};
use self::lists::{Follow, Key, Lists, mend};
use crate::encoded::Wire;
use crate::hub::{Admission, Hub};
use crate::identity::Identity;
use crate::inbox::{Delivery, DrainPlan, Message, To};
use crate::link::Link;
use crate::rate::RateWindow;
use crate::registry::Membership;
use crate::session::{self, Step, View};

/// The time, as the shard's caller knows it.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Milliseconds of a clock that only goes forward.
    pub ms: u64,
    /// The time of day.
    pub wall: Timestamp,
}

/// What a new connection brings.
#[derive(Debug)]
pub struct Opening {
    /// Its id.
    pub id: ConnectionId,
    /// What its bytes look like.
    pub wire: Wire,
    /// Whose it is.
    pub identity: Option<Identity>,
    /// Its place among the node's connections.
    pub admission: Admission,
    /// Close it at once, before any welcome.
    pub refusal: Option<Disconnect>,
}

/// A token that a client wants to go on with; the caller has it verified and answers through
/// [`Hub::verified`].
#[derive(Debug, PartialEq, Eq)]
pub struct Verify {
    /// The connection that asks.
    pub connection: ConnectionId,
    /// The token.
    pub token: String,
}

/// An ended connection, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its id.
    pub connection: ConnectionId,
    /// Its close code; 1006 where there was no Close frame.
    pub code: u16,
}

/// How long before its token ends a client is told (contract: channels, Server → client).
const EXPIRY_WARNING_MS: i64 = 60_000;

/// Visits of followers that count as one write when a slice is measured: they only compare two numbers.
const VISITS_PER_WRITE: usize = 32;

/// A close waits so many milliseconds for the client's answer: two ticks.
const LINGER_MS: u64 = 1_000;

/// The connections of one thread.
#[derive(Debug)]
pub struct Shard<L> {
    hub: Arc<Hub>,
    index: usize,
    connections: Slab<Connection<L>>,
    by_id: HashTable<Key>,
    lists: Lists,
    /// Publications in the hub's order, not yet begun.
    queue: VecDeque<Delivery>,
    run: Option<Run>,
    /// A gather's memory, kept for the next.
    spare: Gather,
    /// Connections whose Close frame is out, and when they are cut.
    closing: VecDeque<(Key, u64)>,
    /// Ended connections whose places may still be named by the run.
    graveyard: Vec<Key>,
    ended: Vec<Ended>,
    inbox: Vec<Message>,
    drain: Option<DrainPlan>,
    ping: Bytes,
    counts: Counts,
    scratch: Vec<u8>,
}

impl<L: Link> Shard<L> {
    /// The shard with that index of `hub`.
    #[must_use]
    pub fn new(hub: Arc<Hub>, index: usize) -> Self {
        Self {
            hub,
            index,
            connections: Slab::new(),
            by_id: HashTable::new(),
            lists: Lists::default(),
            queue: VecDeque::new(),
            run: None,
            spare: Gather::default(),
            closing: VecDeque::new(),
            graveyard: Vec::new(),
            ended: Vec::new(),
            inbox: Vec::new(),
            drain: None,
            ping: ping_frame(b""),
            counts: Counts::default(),
            scratch: Vec::new(),
        }
    }

    /// How many connections the shard has, those that are closing included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether the shard has no connection.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Connections that ended since the last call.
    pub fn take_ended(&mut self) -> std::vec::Drain<'_, Ended> {
        self.ended.drain(..)
    }

    fn get(&self, key: Key) -> Option<&Connection<L>> {
        self.connections.get(key as usize)
    }

    fn get_mut(&mut self, key: Key) -> Option<&mut Connection<L>> {
        self.connections.get_mut(key as usize)
    }

    fn find(&self, id: ConnectionId) -> Option<Key> {
        find(&self.by_id, &self.connections, id)
    }

    /// A connection's link, for reading; none where it is gone.
    pub fn link_mut(&mut self, key: Key) -> Option<&mut L> {
        self.get_mut(key).filter(|connection| connection.state != State::Dead).map(|connection| &mut connection.link)
    }

    /// Whether what the connection sends is still looked at.
    #[must_use]
    pub fn is_open(&self, key: Key) -> bool {
        self.get(key).is_some_and(Connection::is_open)
    }

    /// The key that the next opened connection gets, for registering its socket before.
    #[must_use]
    pub fn next_key(&self) -> Key {
        Key::try_from(self.connections.vacant_key()).unwrap_or(Key::MAX)
    }

    /// Takes a connection in: welcomes it, or closes it where it is refused.
    pub fn open(&mut self, link: L, opening: Opening, now: Now) -> Key {
        let Opening { id, wire, identity, admission, refusal } = opening;
        let key = self.next_key();
        let interval = to_ms(self.hub.limits().ping_interval);
        // The first pings of connections that came together are spread over half an interval.
        let phase = interval / 2 * u64::from(key % 64) / 64;
        self.connections.insert(Connection {
            link,
            id,
            outbox: None,
            identity: identity.map(Box::new),
            rate: None,
            follows: SmallVec::new(),
            _admission: admission,
            heard_at: wrap(now.ms),
            ping_due: wrap(now.ms + interval - phase),
            close_code: 1006,
            wire,
            state: State::Open,
            warned: false,
        });
        let connections = &self.connections;
        self.by_id.insert_unique(hash(id), key, |&key| hash(connections[key as usize].id));
        self.hub.opened(wire);
        if let Some(refusal) = refusal.or_else(|| self.join_own_streams(key)) {
            self.close(key, &refusal, now);
        } else {
            self.reply(key, &channels::connected(id, now.wall), now);
        }
        if let Some(plan) = self.drain {
            self.close(key, &Disconnect::draining(plan.first), now);
        }
        key
    }

    /// Joins everyone's stream and the user's own; tells why not where the user has too many connections.
    fn join_own_streams(&mut self, key: Key) -> Option<Disconnect> {
        let user = self.get(key)?.identity.as_ref().map(|identity| format!("{USER_PREFIX}{}", identity.user.as_str()));
        if let Some(user) = user {
            let connections = self.join(key, &user, Membership::Implied);
            if self.hub.limits().connections_per_user.is_some_and(|most| connections > most) {
                return Some(Disconnect::TOO_MANY_CONNECTIONS);
            }
        }
        self.join(key, ALL, Membership::Implied);
        None
    }

    /// Something came from the client.
    pub fn heard(&mut self, key: Key, now: Now) {
        if let Some(connection) = self.get_mut(key) {
            connection.heard_at = wrap(now.ms);
        }
    }

    /// A whole message or control frame came from the client.
    pub fn on_incoming(&mut self, key: Key, incoming: &Incoming<'_>, now: Now) -> Option<Verify> {
        match *incoming {
            Incoming::Close(payload) => self.on_close(key, payload.map(|(code, _)| code), now),
            _ if !self.is_open(key) => {}
            Incoming::Pong(_) => {}
            Incoming::Ping(payload) => {
                if self.allow(key, now) {
                    self.send(key, &pong_frame(payload), now);
                }
            }
            Incoming::Text(text) => return self.on_message(key, text.as_bytes(), now),
            Incoming::Binary(bytes) => return self.on_message(key, bytes, now),
        }
        None
    }

    /// Counts a client's frame; one too many closes.
    fn allow(&mut self, key: Key, now: Now) -> bool {
        let limits = self.hub.limits();
        let Some(most) = limits.rate else { return true };
        let window = to_ms(limits.rate_window);
        let Some(connection) = self.get_mut(key) else { return false };
        let allowed = connection.rate.get_or_insert_with(Box::<RateWindow>::default).allow(now.ms, most, window);
        if !allowed {
            self.close(key, &Disconnect::RATE_LIMITED, now);
        }
        allowed
    }

    fn on_message(&mut self, key: Key, message: &[u8], now: Now) -> Option<Verify> {
        self.hub.metrics().client_messages.inc();
        if !self.allow(key, now) {
            return None;
        }
        let connection = self.get(key)?;
        let (id, lists) = (connection.id, &self.lists);
        let subscribed =
            || connection.follows.iter().filter(|follow| follow.membership() == Membership::Subscribed);
        let steps = session::on_message(
            message,
            &View {
                identity: connection.identity.as_deref(),
                channels: subscribed().count(),
                is_subscribed: &|name| subscribed().any(|follow| lists.get(follow.list()).entry.name() == name),
                rules: self.hub.rules(),
                limits: self.hub.limits(),
                now: now.wall,
            },
        );
        let mut verify = None;
        for step in steps {
            match step {
                Step::Reply(text) => self.reply(key, &text, now),
                Step::Join(channel) => {
                    self.join(key, channel.as_str(), Membership::Subscribed);
                    self.hub.metrics().subscriptions.inc();
                }
                Step::Leave(channel) => self.unsubscribe(key, &channel),
                Step::Verify(token) => verify = Some(Verify { connection: id, token }),
            }
        }
        verify
    }

    /// Makes the connection a follower, or an existing follower a subscriber. Returns the stream's followers
    /// on all shards.
    fn join(&mut self, key: Key, name: &str, how: Membership) -> u32 {
        let lists = &mut self.lists;
        let Some(connection) = self.connections.get_mut(key as usize) else { return 0 };
        let implied = connection.follows.iter_mut().find(|follow| lists.get(follow.list()).entry.name() == name);
        if let Some(follow) = implied {
            let entry = &lists.get(follow.list()).entry;
            if follow.membership() != how {
                follow.set_membership(how);
                self.hub.registry().mark(entry, self.index, how);
            }
            return entry.followers();
        }
        let (follow, total) = lists.join(self.hub.registry(), self.index, name, key, how);
        connection.follows.push(follow);
        self.lists_changed(follow);
        total
    }

    fn unsubscribe(&mut self, key: Key, name: &str) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let lists = &self.lists;
        let Some(place) = connection.follows.iter().position(|follow| {
            follow.membership() == Membership::Subscribed && lists.get(follow.list()).entry.name() == name
        }) else {
            return;
        };
        self.hub.metrics().subscriptions.dec();
        let own = connection
            .identity
            .as_ref()
            .is_some_and(|identity| name.strip_prefix(USER_PREFIX) == Some(identity.user.as_str()));
        if own {
            let follow = &mut connection.follows[place];
            follow.set_membership(Membership::Implied);
            self.hub.registry().mark(&lists.get(follow.list()).entry, self.index, Membership::Implied);
        } else {
            let follow = connection.follows.swap_remove(place);
            self.leave(follow);
        }
    }

    fn leave(&mut self, follow: Follow) {
        if let Some(moved) = self.lists.leave(self.hub.registry(), self.index, follow)
            && let Some(connection) = self.connections.get_mut(moved.key as usize)
        {
            mend(&mut connection.follows, &moved);
        }
        self.lists_changed(follow);
        if !self.is_passing(follow) {
            self.lists.remove_if_empty(self.index, follow.list());
        }
    }

    fn is_passing(&self, follow: Follow) -> bool {
        matches!(&self.run, Some(Run::Pass(pass)) if pass.list == follow.list())
    }

    fn lists_changed(&mut self, follow: Follow) {
        if let Some(Run::Pass(pass)) = &mut self.run
            && pass.list == follow.list()
        {
            pass.restart(self.lists.get(follow.list()).followers.len());
        }
    }

    fn leave_all(&mut self, key: Key) {
        let Some(connection) = self.get_mut(key) else { return };
        let follows = std::mem::take(&mut connection.follows);
        for follow in follows {
            if follow.membership() == Membership::Subscribed {
                self.hub.metrics().subscriptions.dec();
            }
            self.leave(follow);
        }
    }

    fn reply(&mut self, key: Key, text: &[u8], now: Now) {
        self.send(key, &text_frame(text), now);
    }

    /// Sends a frame that is no event.
    fn send(&mut self, key: Key, frame: &Bytes, now: Now) {
        let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { return };
        let sent = connection.send_one(frame, self.hub.limits(), &mut self.counts);
        self.settle(key, sent, now);
    }

    /// Carries out what a write ended with.
    fn settle(&mut self, key: Key, sent: Sent, now: Now) {
        match sent {
            Sent::Written | Sent::Queued => {}
            Sent::Full => self.close(key, &Disconnect::SLOW, now),
            Sent::Broken => self.end(key),
        }
    }

    /// Closes a connection: no more events, a Close frame, and the end when the client has answered or two
    /// ticks later.
    pub fn close(&mut self, key: Key, disconnect: &Disconnect, now: Now) {
        let behind = if disconnect.code == Disconnect::SLOW.code { Behind::HalfWritten } else { Behind::Everything };
        if self.send_close(key, Some((disconnect.code, &disconnect.reason)), behind, now) {
            let reason = disconnect.name;
            if disconnect.code != Disconnect::NORMAL.code && disconnect.code != Disconnect::DRAINING.code {
                self.hub.metrics().evictions.with_label_values(&[reason]).inc();
            }
        }
    }

    fn send_close(&mut self, key: Key, close: Option<(u16, &str)>, behind: Behind, now: Now) -> bool {
        if !self.is_open(key) {
            return false;
        }
        self.leave_all(key);
        let Some(connection) = self.connections.get_mut(key as usize) else { return false };
        // A close without a code is an empty Close frame (RFC 6455, 5.5.1).
        let frame = close.map_or(Bytes::from_static(&[0x88, 0]), |(code, reason)| close_frame(code, reason));
        connection.state = State::Closing { agreed: false };
        connection.close_code = close.map_or(1005, |(code, _)| code);
        connection.rate = None;
        let sent = connection.send_close(&frame, behind, &mut self.counts);
        self.closing.push_back((key, now.ms + LINGER_MS));
        if sent == Sent::Broken {
            self.end(key);
        }
        true
    }

    /// The client's Close frame: it is answered, or is the answer.
    fn on_close(&mut self, key: Key, code: Option<u16>, now: Now) {
        self.send_close(key, code.map(|code| (code, "")), Behind::Everything, now);
        let Some(connection) = self.get_mut(key) else { return };
        if connection.state == State::Dead {
            return;
        }
        connection.state = State::Closing { agreed: true };
        if connection.outbox.is_none() {
            self.end(key);
        }
    }

    /// The socket takes bytes again.
    pub fn on_writable(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.outbox.is_none() || connection.state == State::Dead {
            return;
        }
        let sent = connection.flush(&mut self.counts);
        if sent == Sent::Broken || (sent == Sent::Written && connection.state == State::Closing { agreed: true }) {
            self.end(key);
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

    /// Takes what the hub has put into the inbox.
    pub fn take_inbox(&mut self, now: Now) {
        let mut messages = std::mem::take(&mut self.inbox);
        self.hub.inbox(self.index).take(&mut messages);
        for message in messages.drain(..) {
            match message {
                Message::Deliver(delivery) => self.queue.push_back(delivery),
                Message::Verified(id, identity) => self.on_verified(id, identity, now),
                Message::Drain(plan) => self.drain = Some(plan),
            }
        }
        self.inbox = messages;
    }

    fn on_verified(&mut self, id: ConnectionId, verified: Option<Box<Identity>>, now: Now) {
        let Some(key) = self.find(id).filter(|&key| self.is_open(key)) else { return };
        let Some(connection) = self.get_mut(key) else { return };
        let Some(current) = connection.identity.as_deref() else { return };
        match (session::on_verified(current, verified.as_deref(), now.wall), verified) {
            (Ok(text), Some(identity)) => {
                connection.identity = Some(identity);
                connection.warned = false;
                self.reply(key, &text, now);
                self.recheck(key, now);
            }
            (Ok(text) | Err(text), _) => self.reply(key, &text, now),
        }
    }

    /// Ends the subscriptions that a new token no longer allows.
    fn recheck(&mut self, key: Key, now: Now) {
        let Some(connection) = self.get(key) else { return };
        let identity = connection.identity.as_deref();
        let lost: Vec<String> = connection
            .follows
            .iter()
            .filter(|follow| follow.membership() == Membership::Subscribed)
            .map(|follow| self.lists.get(follow.list()).entry.name())
            .filter(|name| !self.hub.rules().may_subscribe(identity, name))
            .map(str::to_owned)
            .collect();
        for channel in lost {
            self.unsubscribe(key, &channel);
            let text = "the new token no longer lets you follow this channel; it is unsubscribed";
            self.reply(key, &channels::error(ErrorCode::Forbidden, text, Some(&channel), now.wall), now);
        }
    }

    /// Writes to about `budget` connections. Returns whether more is to be done.
    pub fn step(&mut self, budget: usize, now: Now) -> bool {
        let mut left = budget;
        while left > 0 {
            left = match self.run.take() {
                Some(Run::Pass(pass)) => self.pass(pass, left, now),
                Some(Run::Gather(gather)) => self.gather(gather, left, now),
                None if self.begin() => left,
                None => break,
            };
        }
        if self.run.is_none() && self.queue.is_empty() && self.drain.is_some() {
            self.close_for_drain(now);
        }
        if self.run.is_none() {
            self.bury();
        }
        self.tell_metrics();
        self.run.is_some() || !self.queue.is_empty()
    }

    /// Begins to deliver what stands first in the queue.
    fn begin(&mut self) -> bool {
        let Some(first) = self.queue.front() else { return false };
        let large = match &first.to {
            To::Stream(entry) if first.except.is_none() => entry.list_on(self.index).filter(|&list| {
                self.lists.get(list).followers.len() >= PASS_MIN
                    && self.queue.iter().all(|delivery| is_for(delivery, entry))
            }),
            _ => None,
        };
        if let Some(list) = large {
            self.run = Some(Run::Pass(Pass::new(list, self.lists.get(list).head, 0)));
        } else {
            let mut gather = std::mem::take(&mut self.spare);
            let (by_id, connections) = (&self.by_id, &self.connections);
            gather.fill(&mut self.queue, &self.lists, self.index, |id| find(by_id, connections, id));
            self.run = Some(Run::Gather(gather));
        }
        true
    }

    /// One slice of a pass. Returns what is left of the budget.
    fn pass(&mut self, mut pass: Pass, budget: usize, now: Now) -> usize {
        let (metrics, limits) = (self.hub.metrics(), self.hub.limits());
        let list = self.lists.get_mut(pass.list);
        let entry = Arc::clone(&list.entry);
        while pass.has_room() && self.queue.front().is_some_and(|delivery| is_for(delivery, &entry)) {
            if let Some(delivery) = self.queue.pop_front() {
                list.head = list.head.wrapping_add(1);
                pass.take(delivery.encoded, list.followers.len(), metrics);
            }
        }
        let mut unsettled: SmallVec<[(Key, Sent); 8]> = SmallVec::new();
        let mut left = budget;
        let mut visits = 0;
        while left > 0 && pass.is_on() {
            while let Some(done) = pass.pop_due() {
                finish(&self.hub, self.index, &done);
            }
            if !pass.is_on() {
                break;
            }
            if pass.cursor >= list.followers.len() {
                pass.cursor = 0;
            }
            let Some(follower) = list.followers.get_mut(pass.cursor) else {
                while let Some(done) = pass.pop() {
                    finish(&self.hub, self.index, &done);
                }
                break;
            };
            pass.advance();
            visits += 1;
            if visits % VISITS_PER_WRITE == 0 {
                left -= 1;
            }
            if follower.seen == list.head {
                continue;
            }
            let seen = std::mem::replace(&mut follower.seen, list.head);
            let Some(connection) = self.connections.get_mut(follower.key as usize).filter(|c| c.is_open()) else {
                continue;
            };
            let (bytes, frames) = pass.rest(seen, connection.wire, metrics);
            self.counts.deliveries += frames.len() as u64;
            left = left.saturating_sub(1);
            match connection.send(bytes, frames, limits, &mut self.counts) {
                Sent::Written | Sent::Queued => {}
                sent => unsettled.push((follower.key, sent)),
            }
        }
        let is_on = pass.is_on();
        let list = pass.list;
        if is_on {
            self.run = Some(Run::Pass(pass));
        }
        for (key, sent) in unsettled {
            self.settle(key, sent, now);
        }
        if !is_on {
            self.lists.remove_if_empty(self.index, list);
        }
        left
    }

    /// One slice of a gather. Returns what is left of the budget.
    fn gather(&mut self, mut gather: Gather, budget: usize, now: Now) -> usize {
        let mut left = budget;
        while left > 0 {
            let Some((key, range)) = gather.next_group() else { break };
            left -= 1;
            let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { continue };
            let metrics = self.hub.metrics();
            let wire = connection.wire;
            let frame = |&(_, item): &(Key, u32)| gather.items[item as usize].encoded.frame(wire, metrics);
            let entries = &gather.entries[range];
            self.counts.deliveries += entries.len() as u64;
            let sent = if let [entry] = entries {
                connection.send_one(frame(entry), self.hub.limits(), &mut self.counts)
            } else {
                self.scratch.clear();
                for entry in entries {
                    self.scratch.extend_from_slice(frame(entry));
                }
                connection.send(&self.scratch, entries.iter().map(frame), self.hub.limits(), &mut self.counts)
            };
            self.settle(key, sent, now);
        }
        if gather.cursor < gather.entries.len() {
            self.run = Some(Run::Gather(gather));
            return left;
        }
        for delivery in gather.items.drain(..) {
            finish(&self.hub, self.index, &delivery.encoded);
        }
        gather.entries.clear();
        gather.cursor = 0;
        self.spare = gather;
        left
    }

    fn close_for_drain(&mut self, now: Now) {
        let Some(plan) = self.drain else { return };
        let open: Vec<Key> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.is_open())
            .filter_map(|(key, _)| Key::try_from(key).ok())
            .collect();
        for (n, key) in (0..).zip(open) {
            self.close(key, &Disconnect::draining(plan.first + plan.step * n), now);
        }
    }

    /// Takes ended connections out, now that no run names their places.
    fn bury(&mut self) {
        for key in std::mem::take(&mut self.graveyard) {
            let Some(connection) = self.connections.try_remove(key as usize) else { continue };
            if let Ok(entry) = self.by_id.find_entry(hash(connection.id), |&other| other == key) {
                entry.remove();
            }
            let metrics = self.hub.metrics();
            metrics.connections.with_label_values(&[connection.wire.dialect()]).dec();
            metrics.closes.with_label_values(&[close_label(connection.close_code)]).inc();
            self.ended.push(Ended { connection: connection.id, code: connection.close_code });
        }
    }

    /// Cuts what was closed long enough ago, pings, and ends the silent and the expired. To be called about
    /// every half second.
    pub fn tick(&mut self, now: Now) {
        while self.closing.front().is_some_and(|&(_, at)| at <= now.ms) {
            if let Some((key, _)) = self.closing.pop_front()
                && self.get(key).is_some_and(|connection| matches!(connection.state, State::Closing { .. }))
            {
                self.end(key);
            }
        }
        self.sweep(now);
        if self.run.is_none() {
            self.bury();
        }
        self.tell_metrics();
    }

    fn sweep(&mut self, now: Now) {
        let limits = self.hub.limits();
        let (interval, timeout) = (wrap(to_ms(limits.ping_interval)), wrap(to_ms(limits.ping_timeout)));
        let window = to_ms(limits.rate_window);
        let present = wrap(now.ms);
        let mut due: Vec<(Key, Due)> = Vec::new();
        for (key, connection) in &mut self.connections {
            if !connection.is_open() {
                continue;
            }
            if connection.rate.as_mut().is_some_and(|rate| rate.forget(now.ms, window)) {
                connection.rate = None;
            }
            let what = if present.wrapping_sub(connection.heard_at) >= timeout {
                Due::Silent
            } else if let Some(what) = token_due(connection, now) {
                what
            } else if present.wrapping_sub(connection.ping_due) < u32::MAX / 2 {
                connection.ping_due = present.wrapping_add(interval);
                Due::Ping
            } else {
                continue;
            };
            due.push((Key::try_from(key).unwrap_or(Key::MAX), what));
        }
        for (key, what) in due {
            match what {
                Due::Silent => self.close(key, &Disconnect::PING_TIMEOUT, now),
                Due::Expired => self.close(key, &Disconnect::UNAUTHORIZED, now),
                Due::ExpiresSoon(at) => self.reply(key, &channels::token_expiring(at, now.wall), now),
                // A socket that takes nothing would get the ping too late to mean anything.
                Due::Ping if self.get(key).is_some_and(|connection| connection.outbox.is_some()) => {}
                Due::Ping => {
                    let ping = self.ping.clone();
                    self.send(key, &ping, now);
                }
            }
        }
    }

    fn tell_metrics(&mut self) {
        let counts = std::mem::take(&mut self.counts);
        let metrics = self.hub.metrics();
        if counts.deliveries > 0 {
            metrics.deliveries.inc_by(counts.deliveries);
        }
        if counts.writes > 0 || counts.bytes > 0 {
            metrics.writes.inc_by(counts.writes);
            metrics.bytes_sent.inc_by(counts.bytes);
        }
        if counts.outbox_bytes != 0 || counts.outboxes != 0 {
            metrics.outbox_bytes.add(counts.outbox_bytes);
            metrics.outboxes.add(counts.outboxes);
        }
    }
}

/// What the sweep found.
enum Due {
    Silent,
    Expired,
    ExpiresSoon(Timestamp),
    Ping,
}

fn token_due<L>(connection: &mut Connection<L>, now: Now) -> Option<Due> {
    let ends = Timestamp::from_secs(connection.identity.as_ref()?.expires_at);
    let left = ends.as_millis() - now.wall.as_millis();
    if left <= 0 {
        return Some(Due::Expired);
    }
    if left <= EXPIRY_WARNING_MS && !connection.warned {
        connection.warned = true;
        return Some(Due::ExpiresSoon(ends));
    }
    None
}

fn is_for(delivery: &Delivery, entry: &Arc<crate::registry::StreamEntry>) -> bool {
    delivery.except.is_none() && matches!(&delivery.to, To::Stream(to) if Arc::ptr_eq(to, entry))
}

fn finish(hub: &Hub, shard: usize, encoded: &crate::encoded::Encoded) {
    hub.inbox(shard).done(encoded);
    hub.metrics().fanout_seconds.observe(encoded.accepted_at().elapsed().as_secs_f64());
}

fn find<L>(by_id: &HashTable<Key>, connections: &Slab<Connection<L>>, id: ConnectionId) -> Option<Key> {
    by_id.find(hash(id), |&key| connections[key as usize].id == id).copied()
}

/// The ids are random, so their bits are their hash.
fn hash(id: ConnectionId) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "half of the random bits are enough")]
    let low = id.as_u128() as u64;
    low
}

fn to_ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Times per connection are kept in 32 bits: they wrap after 49 days, far beyond any timeout.
#[expect(clippy::cast_possible_truncation, reason = "differences are taken with wrapping")]
fn wrap(ms: u64) -> u32 {
    ms as u32
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
        4029 => "4029",
        _ => "other",
    }
}
