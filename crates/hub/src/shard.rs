//! ③ A shard: its connections, who follows what, and what is on its way to them.
//!
//! One thread owns a shard and calls it; nothing here blocks, waits or knows a socket. The loop that does is the
//! server's reactor; the simulation drives the same code with fake links and a clock of its own.

mod batching;
mod closing;
mod connection;
mod deliveries;
mod delivery;
mod fanout;
mod lists;
mod presence;
mod rechecking;
mod recovery;
mod replay;
mod resuming;
mod returning;
mod sockets;
mod standing;
mod subscriptions;
mod sweep;
mod waiting;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashTable;
use protocol::channel::{split_namespace, user_of};
use protocol::channels;
use protocol::timestamp::Timestamp;
use protocol::websocket::{Incoming, ping_frame, pong_frame};
use protocol::{ConnectionId, Disconnect};
use slab::Slab;
use smallvec::SmallVec;

use self::batching::Batches;
use self::closing::Farewell;
use self::connection::{Connection, Counts, Sent, State};
use self::deliveries::Following;
use self::delivery::{Gather, Run};
pub use self::fanout::Patience;
use self::lists::{Follow, Key, Lists};
use self::replay::Answer;
use self::returning::Held;
use self::sockets::Entering;
use self::sweep::Calm;
use crate::commit::WATCH_PREFIX;
use crate::dialects::{Step, View};
use crate::endpoint::{EndpointIndex, Naming};
use crate::hub::{Admission, Hub};
use crate::identity::{Identity, UserTypes};
use crate::inbox::{Delivery, Message, Ready};
use crate::link::Link;
use crate::rate::RateWindow;
use crate::wire::Wire;

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
    /// Where it came in.
    pub endpoint: EndpointIndex,
    /// Whose it may say that it is.
    pub naming: Naming,
    /// Over how many milliseconds its events are collected; 0 sends each at once.
    pub window: u32,
    /// Whose it is.
    pub identity: Option<Identity>,
    /// Its place among the node's connections; none where it shares one, as sockets of one session do.
    pub admission: Option<Admission>,
    /// Close it at once, before any welcome.
    pub refusal: Option<Disconnect>,
    /// What it says first: a client of server-sent events, which cannot send, says it all with its request; of a socket it
    /// is what it wants to be let in with.
    pub first: Option<Box<str>>,
}

impl Opening {
    /// A connection of the first endpoint with nothing special.
    #[must_use]
    pub fn new(id: ConnectionId, wire: Wire, identity: Option<Identity>, admission: Admission) -> Self {
        let (naming, admission) = (Naming::default(), Some(admission));
        Self { id, wire, endpoint: 0, naming, window: 0, identity, admission, refusal: None, first: None }
    }
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

/// Messages of the inbox for which memory is kept; what a backlog needed beyond is given back.
const SPARE_MESSAGES: usize = 1 << 12;

/// The part of a turn's writes that replay has: one in so many. A piece of a replay is many events.
const REPLAY_SHARE: usize = 8;

/// Bytes of events in one page of history, by estimate: further ones are on the next.
const PAGE_BYTES: usize = 256 << 10;

/// Users that one answer about presence lists; the count is of all.
const PRESENT: usize = 10_000;

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
    /// How many publications went round together in the last pass, and whose followers.
    company: Option<(crate::registry::ListIndex, usize)>,
    /// What is collected for connections that want it so.
    batches: Batches,
    /// When it is next worth looking whether time does something to connections.
    calm: Calm,
    /// What clients said behind a wish to come back that is not answered yet.
    held: HashMap<Key, Held>,
    /// Sockets that wait to be told of the one that their client had, and up to where that has had what it missed.
    entering: HashMap<Key, Entering>,
    /// Connections whose Close frame is out, and when they are cut. By place and id: places are used again, and a socket's
    /// successor has its id.
    closing: VecDeque<(Key, ConnectionId, u64)>,
    /// Ended connections whose places a gather may still name.
    graveyard: Vec<Key>,
    ended: Vec<Ended>,
    inbox: Vec<Message>,
    farewell: Option<Farewell>,
    ping: Bytes,
    counts: Counts,
    user_types: UserTypes,
    /// The frames of a joint write, one after the other.
    scratch: Vec<u8>,
    /// The number of the last publication whose delivery has begun.
    begun: u64,
    /// Connections whose replay goes on; each is here once.
    replays: VecDeque<Key>,
    /// Where the look at all connections goes on that new rules ask for.
    recheck: Option<usize>,
    /// How far events come that are told to hooks.
    following: Following,
    /// Tokens that clients sent behind something that had to wait.
    verify: Vec<Verify>,
    /// What the message that is looked at waited for: behind its streams the node has heard all that there was.
    waited: Option<Ready>,
    /// The time of the last call that told it.
    clock: Now,
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
            company: None,
            batches: Batches::default(),
            calm: Calm::default(),
            held: HashMap::new(),
            entering: HashMap::new(),
            closing: VecDeque::new(),
            graveyard: Vec::new(),
            ended: Vec::new(),
            inbox: Vec::new(),
            farewell: None,
            ping: ping_frame(b""),
            counts: Counts::default(),
            user_types: UserTypes::default(),
            scratch: Vec::new(),
            begun: 0,
            replays: VecDeque::new(),
            recheck: None,
            following: Following::default(),
            verify: Vec::new(),
            waited: None,
            clock: Now { ms: 0, wall: Timestamp::from_millis(0) },
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
        self.get_mut(key)
            .filter(|connection| connection.state != State::Dead)
            .map(|connection| &mut connection.link)
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
        let Opening { id, wire, endpoint, naming, window, mut identity, admission, refusal, first } = opening;
        self.clock = now;
        identity.iter_mut().for_each(|identity| self.user_types.share(identity));
        let key = self.next_key();
        let interval = to_ms(self.hub.endpoint(endpoint).ping_interval);
        // The first pings of connections that came together are spread over half an interval.
        let phase = interval / 2 * u64::from(key % 64) / 64;
        self.connections.insert(Connection {
            link,
            id,
            outbox: None,
            identity: identity.map(Box::new),
            rate: RateWindow::default(),
            follows: SmallVec::new(),
            _admission: admission,
            heard_at: wrap(now.ms),
            opened: u32::try_from(now.wall.as_millis() / 1000).unwrap_or(0),
            ping_due: wrap(now.ms + interval - phase),
            close_code: 1006,
            wire,
            endpoint,
            naming,
            is_batching: false,
            is_unconfirmed: false,
            is_welcomed: false,
            state: State::Open,
            warned: false,
            recovery: None,
        });
        self.calm.stir(key, now);
        let connections = &self.connections;
        self.by_id.insert_unique(hash(id), key, |&key| hash(connections[key as usize].id));
        let label = self.get(key).map_or_else(Default::default, |connection| self.label(connection));
        self.hub.opened(label);
        if let Some(refusal) = refusal.or_else(|| self.join_own_streams(key)) {
            if wire.is_socket() {
                self.turn_away(key, &refusal, now);
            } else {
                self.close(key, &refusal, now);
            }
        } else {
            self.connections[key as usize].is_welcomed = true;
            self.hub.welcomed();
            if wire.is_socket() {
                self.enter(key, first.as_deref(), now);
            } else {
                self.welcome(key, now);
                if window > 0 {
                    self.batch(key, window, now);
                }
                match first {
                    // What it asks for brings the state of its own streams as well.
                    Some(first) => drop(self.on_message(key, first.as_bytes(), now)),
                    None => self.tell_own_state(key, now),
                }
            }
        }
        if let Some(farewell) = &mut self.farewell {
            let disconnect = farewell.next();
            self.close(key, &disconnect, now);
        }
        key
    }

    /// Something came from the client.
    pub fn heard(&mut self, key: Key, now: Now) {
        self.clock = now;
        if let Some(connection) = self.get_mut(key) {
            connection.heard_at = wrap(now.ms);
        }
        self.note_sign(key, now);
    }

    /// A whole message or control frame came from the client.
    pub fn on_incoming(&mut self, key: Key, incoming: &Incoming<'_>, now: Now) -> Option<Verify> {
        match *incoming {
            Incoming::Close(payload) => self.on_close(key, payload.map(|(code, _)| code), now),
            _ if !self.is_open(key) => {}
            Incoming::Pong(payload) => self.on_pong(key, payload),
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
        let hub = Arc::clone(&self.hub);
        let Some(connection) = self.get_mut(key) else { return false };
        let endpoint = hub.endpoint(connection.endpoint);
        let Some(most) = endpoint.rate.get() else { return true };
        let window = wrap(to_ms(hub.limits().rate_window));
        let allowed = connection.rate.allow(wrap(now.ms), most, window);
        if !allowed {
            self.close(key, &endpoint.dialect.world().rate_limited(), now);
        }
        allowed
    }

    fn on_message(&mut self, key: Key, message: &[u8], now: Now) -> Option<Verify> {
        self.clock = now;
        self.hub.metrics().client_messages.inc();
        if !self.allow(key, now) || self.hold(key, message, now) {
            return None;
        }
        self.answer(key, message, now)
    }

    fn answer(&mut self, key: Key, message: &[u8], now: Now) -> Option<Verify> {
        let id = self.get(key)?.id;
        let steps = self.view(key, now, |view| view.endpoint.dialect.world().on_message(message, view))?;
        if !self.has_streams_for(key, &steps, message) {
            return None;
        }
        let mut verify = None;
        for step in steps {
            // A reply that does not fit closes the connection, and a closed one follows nothing.
            if !self.is_open(key) {
                break;
            }
            match step {
                Step::Reply(text) => self.reply(key, &text, now),
                Step::Join(channel) => self.subscribe(key, channel.as_str(), now),
                Step::Leave(channel) => self.unsubscribe(key, &channel, now),
                Step::Own(user) => {
                    if let Err(disconnect) = self.own(key, user.as_str(), 1) {
                        self.close(key, &disconnect, now);
                    }
                }
                Step::Disown(user) => self.disown(key, &user),
                Step::Track { answer, fresh } => {
                    self.recover(key, &[], &Vec::new(), &Answer::Told { text: answer, fresh }, now);
                }
                Step::Return(former) => self.come_back(key, former, now),
                Step::Batch(window) => self.batch(key, window, now),
                Step::Probe if self.is_to_be_probed(key) => self.probe(key, now),
                Step::Probe => {}
                Step::Verify(token) => verify = Some(Verify { connection: id, token }),
                Step::State(channels) => self.tell_state(key, &channels, now),
                Step::Recover { channels, fresh, given } => {
                    self.recover(key, &channels, &given, &Answer::Subscribed { fresh }, now);
                }
                Step::Resume { token, given } => self.resume(key, &token, given, now),
                Step::History { channel, limit, before } => {
                    self.tell_history(key, &channel, limit, before, now);
                }
                Step::Presence { channel, watch } => self.tell_presence(key, channel.as_str(), watch, now),
                Step::Hook { event, origin, data, reply } => {
                    self.ask_service(key, event, origin, data, reply)
                }
                Step::Acked(ids) => {
                    self.hub.metrics().acks.inc_by(ids.len() as u64);
                    self.note_shown(key, &ids, now);
                }
            }
        }
        verify
    }

    /// Lets a world look at a connection.
    fn view<T>(&self, key: Key, now: Now, look: impl FnOnce(&View<'_>) -> T) -> Option<T> {
        let connection = self.get(key)?;
        let name = |follow: &Follow| self.lists.get(follow.list()).entry.name();
        let is_named = |follow: &&Follow| is_subscription(follow, name(follow));
        let subscribed = || connection.follows.iter().filter(is_named);
        let users: SmallVec<[&str; 2]> = connection
            .follows
            .iter()
            .filter(|follow| follow.membership().is_implied())
            .filter_map(|follow| user_of(name(follow)))
            .collect();
        Some(look(&View {
            id: connection.id,
            identity: connection.identity.as_deref(),
            naming: connection.naming,
            channels: subscribed().count(),
            is_subscribed: &|channel| subscribed().any(|follow| name(follow) == channel),
            users: &users,
            is_recoverable: connection.recovery.is_some(),
            watches: connection.follows.iter().filter(|follow| is_watch(&self.lists, **follow)).count(),
            endpoint: self.hub.endpoint(connection.endpoint),
            hooks: self.hub.hooks().map(|hooks| &**hooks),
            rules: &self.hub.rules(),
            limits: &self.hub.limits(),
            now: now.wall,
        }))
    }

    fn reply(&mut self, key: Key, text: &[u8], now: Now) {
        let Some(connection) = self.get(key) else { return };
        let frame = recovery::text(connection, text);
        self.send(key, &frame, now);
    }

    /// Tells a page of a stream's past.
    fn tell_history(&mut self, key: Key, name: &str, limit: u32, before: Option<u64>, now: Now) {
        let page = self.hub.order().history.page(name, before, limit as usize, PAGE_BYTES, now.wall);
        let text = match &page {
            Some(page) => {
                let more = if page.has_more { channels::Page::More } else { channels::Page::Last };
                let events = page.events.iter().map(|(event, offset)| (event.publication(), *offset));
                channels::history(name, page.key.epoch, events, more, now.wall)
            }
            // Nothing was ever published there, as far as anybody knows.
            None => {
                let (key, _) = self.hub.standing(name);
                channels::history(name, key.epoch, [], channels::Page::Last, now.wall)
            }
        };
        self.reply(key, &text, now);
    }

    /// Sends a frame that is no event.
    fn send(&mut self, key: Key, frame: &Bytes, now: Now) {
        if self.get(key).is_some_and(|connection| connection.is_batching) {
            self.flush_batch(key, now);
        }
        let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { return };
        let sent = connection.send_one(frame, &self.hub.limits(), &mut self.counts);
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

    /// Takes what the hub has put into the inbox.
    pub fn take_inbox(&mut self, now: Now) {
        self.clock = now;
        let mut messages = std::mem::take(&mut self.inbox);
        self.hub.inbox(self.index).take(&mut messages);
        // All that is on its way is in the queue before anybody is told where it stands: whoever begins somewhere looks there
        // for what is still to come.
        let mut others = Vec::new();
        for message in messages.drain(..) {
            match message {
                Message::Deliver(delivery) => self.queue.push_back(delivery),
                // Who has lost something gets nothing of what is behind that.
                Message::Lost(streams) => self.on_lost(&streams, now),
                other => others.push(other),
            }
        }
        for message in others {
            match message {
                // Taken above.
                Message::Deliver(delivery) => self.queue.push_back(delivery),
                Message::Verified(id, identity) => self.on_verified(id, identity, now),
                Message::Drain(plan) => self.farewell = Some(Farewell::new(plan)),
                Message::TakeOver(wish) => self.on_take_over(*wish, now),
                Message::TakenOver(answer) => self.on_taken_over(*answer, now),
                Message::Roll(roll) => self.on_roll(roll, now),
                Message::Rolled(roll) => self.on_rolled(&roll, now),
                Message::Connections(question) => self.on_question(&question),
                Message::Disconnect(expulsion) => self.on_expulsion(&expulsion, now),
                Message::Ask(ask) => self.on_ask(ask, now),
                Message::Told(told) => self.on_told(*told, now),
                Message::Answered(answered) => self.on_answered(&answered, now),
                Message::Ready(id, ready) => self.on_ready(id, ready, now),
                Message::Lost(streams) => self.on_lost(&streams, now),
                Message::Recall => self.recall(),
                Message::RulesChanged => self.begin_recheck(),
            }
        }
        messages.shrink_to(SPARE_MESSAGES);
        self.inbox = messages;
    }

    /// Writes to about `budget` connections. Returns whether more is to be done.
    pub fn step(&mut self, budget: usize, now: Now) -> bool {
        self.clock = now;
        let is_rechecking = self.recheck_some(now);
        let budget = self.flush_batches(budget, now);
        self.replay(budget.div_ceil(REPLAY_SHARE), now);
        let left = self.fan_out(budget, now);
        if left > 0 {
            self.say_farewell(left, now);
        }
        self.ask_for_signs(now);
        self.bury();
        self.tell_deliveries();
        self.tell_metrics();
        is_rechecking
            || self.run.is_some()
            || !self.queue.is_empty()
            || !self.replays.is_empty()
            || self.has_due_batches(now)
            || self.farewell.as_ref().is_some_and(Farewell::is_due)
    }
}

/// Whether a client asked for the channel of that name. A socket that does follows its namespace's part of it as well.
fn is_subscription(follow: &Follow, name: &str) -> bool {
    follow.membership().is_subscribed() && split_namespace(name).is_none()
}

/// Whether a connection follows a stream to watch who is in a channel.
fn is_watch(lists: &Lists, follow: Follow) -> bool {
    lists.get(follow.list()).entry.name().starts_with(WATCH_PREFIX)
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
