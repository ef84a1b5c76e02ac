//! A hub as a node of a cluster: publications get their places at a [broker](crate::broker), and what the node follows
//! comes back in one line, its own as well.
//!
//! **Following.** A node holds in memory what the streams keep that anybody here follows, so all that reads history, and all
//! that tells positions, is as on a single node. Before a connection is told where it stands in a stream, that stream is
//! followed ([`Hub::ready`]); who asks meanwhile waits. A stream that nobody needs for [`IDLE_MS`] is let go.
//!
//! **Without the broker** the node serves whom it has: what it holds is read, publications to streams that keep nothing go to
//! its own clients, all others are refused. When the broker is back, all that was missed is asked for, collected, and
//! delivered in its order, before what is new (`streams`).
//!
//! Bounds: publications that wait for the broker as those that wait for a disk; waits by [`WAIT_MS`]; claims by as many
//! connections as ask. Not here: the broker (the `broker` crate).

mod claims;
mod peers;
mod publish;
mod rooms;
mod sayings;
mod sockets;
mod streams;
mod words;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use compact_str::CompactString;
use protocol::channel::USER_PREFIX;
use protocol::channels::GivenPosition;
use protocol::{ConnectionId, UserId};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::claims::Whom;
pub use self::claims::{NodeAnswer, NodeCalls};
pub use self::peers::Conflict;
pub(crate) use self::publish::{CountTo, Counts, Reports};

use self::claims::Claiming;
use self::peers::Peers;
use self::publish::Waiting;
use self::streams::CatchUp;
use crate::broker::{Broker, Following, Life, NodeId, Ticket, Told, Wish};
use crate::commit::WATCH_PREFIX;
use crate::encoded::Encoded;
use crate::endpoint::EndpointIndex;
use crate::hub::Hub;
use crate::inbox::{self, Given, Message, Ready, TakenOver};
use crate::order::Order;
use crate::shard::Now;

/// How long a stream is followed on after the last who needed it, in milliseconds: who reloads a page finds it there.
const IDLE_MS: u64 = 15_000;

/// How far the clocks of nodes may be apart before they are told to be, in milliseconds: for so much longer than its rule
/// says a node keeps an event.
pub const MOST_SKEW_MS: i64 = 10_000;

/// How long a feed is: longer than the longest wait of its reader (contract: 30 s), who asks again at once.
const IDLE_FEED_MS: u64 = 60_000;

/// How long somebody waits for streams to be followed, in milliseconds, before it is told that they are not to be had.
const WAIT_MS: u64 = 10_000;

/// Streams looked at in one turn that may be needed by nobody, at most: four turns a second.
const SWEEP: usize = 4096;

/// What a node knows of its cluster; guarded by the lock of the hub's order.
#[derive(Debug)]
pub(crate) struct Cluster {
    broker: Arc<dyn Broker>,
    is_up: bool,
    life: Option<Life>,
    nodes: Vec<NodeId>,
    next: Ticket,
    streams: HashMap<CompactString, Followed>,
    /// Those that may be needed by nobody, and when it is to be looked: each once at most.
    idle: BinaryHeap<Reverse<(u64, CompactString)>>,
    /// The number of the last event of all when this node last got its broker.
    before: u64,
    /// What is collected after the broker was away; none where all comes live.
    catch_up: Option<CatchUp>,
    publishing: HashMap<Ticket, Waiting>,
    publishing_bytes: usize,
    /// Those that repeat what another node is still counting.
    repeats: Vec<Waiting>,
    claims: HashMap<Ticket, Claiming>,
    /// Connections that wait until the broker has noted what they are about to have.
    noting: HashMap<Ticket, (usize, ConnectionId)>,
    /// Where the answers of other nodes' servers go.
    calls: HashMap<Ticket, mpsc::Sender<NodeAnswer>>,
    /// How many got the publications of this node.
    counts: Arc<Counts>,
    /// What is to be told to other nodes of how many got their publications, once nothing more waits.
    reports: Arc<Reports>,
    waiters: Vec<(u64, Arc<Waiter>)>,
    /// Those who showed a position that this node has not heard of yet, by the question whose answer stands behind it.
    behind: HashMap<Ticket, Arc<Waiter>>,
    /// The same where the node has first to catch up.
    behind_all: Vec<Arc<Waiter>>,
    /// Events of several streams, by their numbers: each is there once, in whichever of them it is.
    several: HashMap<u64, Weak<Encoded>>,
    /// How many of these there may be before it is looked which are gone.
    most_several: usize,
    /// The streams that are followed whoever is there: those of everyone.
    own: Vec<CompactString>,
    /// What is known of the other nodes.
    peers: Peers,
    now: Now,
}

/// A stream that the node follows.
#[derive(Debug)]
struct Followed {
    phase: Phase,
    /// When somebody last asked for it, or the last follower left.
    touched: u64,
    /// Whether it stands in [`Cluster::idle`]; it does while nobody follows it.
    is_idle: bool,
    waiters: Vec<Arc<Waiter>>,
}

/// How far a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It is asked for: nothing is known of it yet.
    Asked,
    /// What it keeps is here, and what comes is put behind it. Where the broker is away: up to then.
    Live,
}

/// Somebody who waits for streams.
#[derive(Debug)]
pub(crate) struct Waiter {
    left: AtomicUsize,
    who: Mutex<Option<Who>>,
}

/// Who waits.
#[derive(Debug)]
pub(crate) enum Who {
    /// A connection of a shard: its messages are held.
    Connection(usize, ConnectionId),
    /// A shard is told this, whether or not the streams are there in time.
    Message(usize, Box<Message>),
    /// A task; it is told whether they are there.
    Task(oneshot::Sender<bool>),
}

impl Waiter {
    fn is_waiting(&self) -> bool {
        self.who.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn take(&self) -> Option<Who> {
        self.who.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Cluster {
    pub(crate) fn new(broker: Arc<dyn Broker>, life: Option<Life>, own: Vec<CompactString>) -> Self {
        Self {
            is_up: false,
            life,
            nodes: Vec::new(),
            next: 1,
            streams: HashMap::new(),
            idle: BinaryHeap::new(),
            before: 0,
            catch_up: None,
            publishing: HashMap::new(),
            publishing_bytes: 0,
            repeats: Vec::new(),
            claims: HashMap::new(),
            noting: HashMap::new(),
            calls: HashMap::new(),
            counts: Arc::default(),
            reports: Arc::new(Reports::new(Arc::clone(&broker))),
            broker,
            waiters: Vec::new(),
            behind: HashMap::new(),
            behind_all: Vec::new(),
            several: HashMap::new(),
            most_several: 1024,
            own,
            peers: Peers::default(),
            now: Now { ms: 0, wall: protocol::timestamp::Timestamp::from_millis(0) },
        }
    }

    /// Whether a publication of this node is on its way, so that a drain waits.
    pub(crate) fn is_busy(&self) -> bool {
        !self.publishing.is_empty() || !self.repeats.is_empty() || self.is_up && !self.counts.is_empty()
    }

    /// Publications that the broker has not answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.publishing.len() + self.repeats.len()
    }

    fn ticket(&mut self) -> Ticket {
        self.next += 1;
        self.next
    }

    /// Knows of a stream from now on.
    fn begin(&mut self, name: &str, now_ms: u64) {
        let followed = Followed { phase: Phase::Asked, touched: now_ms, is_idle: false, waiters: Vec::new() };
        self.streams.insert(name.into(), followed);
        self.look_later(name);
    }

    /// It is to be looked whether somebody needs a stream, once that would be long enough ago.
    fn look_later(&mut self, name: &str) {
        let Some(followed) = self.streams.get_mut(name).filter(|followed| !followed.is_idle) else { return };
        followed.is_idle = true;
        let due = followed.touched.saturating_add(idle_ms(name));
        self.idle.push(Reverse((due, name.into())));
    }

    pub(crate) fn is_live(&self, stream: &str) -> bool {
        self.streams.get(stream).is_some_and(|followed| followed.phase == Phase::Live)
    }
}

impl Hub {
    /// Whether this is a node of a cluster.
    #[must_use]
    pub fn is_clustered(&self) -> bool {
        self.is_clustered
    }

    /// Takes what the broker tells. To be called by one caller, in the order in which it is told.
    pub fn hear(&self, told: Told, now: Now) {
        let mut guard = self.order();
        let order = &mut *guard;
        let Some(cluster) = &mut order.cluster else { return };
        cluster.now = now;
        let reports = Arc::clone(&cluster.reports);
        match &told {
            Told::Rest => reports.end_turn(),
            Told::Event(_) => reports.begin_turn(),
            _ => {}
        }
        let mut call = None;
        match told {
            Told::Up(life) => self.broker_up(order, life),
            Told::Down => self.broker_down(order),
            Told::Event(event) => self.on_event(order, event),
            Told::Streams { ticket, seq, streams, is_last } => {
                self.on_streams(order, ticket, seq, streams, is_last);
            }
            Told::Published(ticket, outcome) => self.on_published(order, ticket, outcome),
            Told::Claimed(ticket, claimed) => self.on_claimed(order, ticket, claimed),
            Told::Confirmed(ticket) => self.on_confirmed(order, ticket),
            Told::Said(from, text) => call = self.on_said(order, from, text),
            Told::Table(..) => {}
            Told::Nodes(nodes) => self.on_nodes(order, nodes),
            Told::Rest => {}
        }
        self.begin_farewell(order);
        drop(guard);
        // It may ask the hub.
        if let Some((from, ticket, question)) = call {
            match self.node_calls() {
                Some(calls) => calls.call(from, ticket, &question),
                None => self.answer_node(from, ticket, &[]),
            }
        }
    }

    /// Makes sure that streams are followed, so that it can be told where somebody stands in them. Where they are, or the hub
    /// is alone, returns true, and `who` is not asked; else who waits is told once they are, or that they are not to be had.
    pub(crate) fn ready<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        who: impl FnOnce() -> Who,
    ) -> bool {
        if !self.is_clustered {
            return true;
        }
        let mut order = self.order();
        self.ready_in(&mut order, names, &Given::new(), who)
    }

    /// The same for one who has the lock, and for one who shows positions: what another node told may be ahead of what this
    /// one has heard.
    pub(crate) fn ready_in<'n>(
        &self,
        order: &mut Order,
        names: impl IntoIterator<Item = &'n str>,
        given: &Given,
        who: impl FnOnce() -> Who,
    ) -> bool {
        let Order { cluster, history, .. } = order;
        let Some(cluster) = cluster else { return true };
        let mut missing: Vec<&str> = Vec::new();
        let mut wanted = Vec::new();
        let now = cluster.now.ms;
        for name in names.into_iter().filter(|name| !name.starts_with(WATCH_PREFIX)) {
            match cluster.streams.get_mut(name) {
                Some(followed) => {
                    followed.touched = now;
                    if followed.phase == Phase::Asked {
                        missing.push(name);
                    }
                }
                None => {
                    cluster.begin(name, now);
                    wanted.push(Following {
                        stream: name.into(),
                        rule: self.rules().history(name),
                        after: None,
                    });
                    missing.push(name);
                }
            }
        }
        if !wanted.is_empty() && cluster.is_up {
            let ticket = cluster.ticket();
            cluster.broker.send(Wish::Follow(ticket, wanted));
        }
        let is_ahead = |(name, at): &&(Box<str>, GivenPosition)| {
            let end = history.find(name).filter(|_| cluster.is_live(name)).map(|index| history.end(index).1);
            end.is_some_and(|end| at.epoch != Some(end.epoch) || at.offset > end.offset)
        };
        let ahead: Vec<&str> = given.iter().filter(is_ahead).map(|(name, _)| &**name).collect();
        if missing.is_empty() && ahead.is_empty() {
            return true;
        }
        missing.sort_unstable();
        missing.dedup();
        let left = missing.len() + usize::from(!ahead.is_empty());
        let waiter = Waiter { left: AtomicUsize::new(left), who: Mutex::new(Some(who())) };
        let waiter = Arc::new(waiter);
        if !ahead.is_empty() {
            if cluster.is_up && cluster.catch_up.is_none() {
                let following = |name: &str| {
                    let after = history.find(name).map(|index| history.end(index).1);
                    Following { stream: name.into(), rule: self.rules().history(name), after }
                };
                let wishes = ahead.into_iter().map(following).collect();
                let ticket = cluster.ticket();
                cluster.behind.insert(ticket, Arc::clone(&waiter));
                cluster.broker.send(Wish::Follow(ticket, wishes));
            } else {
                cluster.behind_all.push(Arc::clone(&waiter));
            }
        }
        for name in missing {
            if let Some(followed) = cluster.streams.get_mut(name) {
                followed.waiters.push(Arc::clone(&waiter));
            }
        }
        cluster.waiters.push((now.saturating_add(WAIT_MS), waiter));
        false
    }

    /// The same as [`Hub::ready`] for one who shows positions.
    pub(crate) fn ready_for<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        given: &Given,
        who: impl FnOnce() -> Who,
    ) -> bool {
        if !self.is_clustered {
            return true;
        }
        let mut order = self.order();
        self.ready_in(&mut order, names, given, who)
    }

    /// Waits until streams are followed. Returns whether they are; it gives up after ten seconds.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn prepare(&self, names: &[&str]) -> bool {
        self.prepare_for(names, &Given::new()).await
    }

    /// The same for one who shows positions.
    pub(crate) async fn prepare_for(&self, names: &[&str], given: &Given) -> bool {
        let mut waiting = None;
        let is_ready = self.ready_for(names.iter().copied(), given, || {
            let (sender, receiver) = oneshot::channel();
            waiting = Some(receiver);
            Who::Task(sender)
        });
        match waiting {
            Some(waiting) if !is_ready => waiting.await.unwrap_or(false),
            _ => is_ready,
        }
    }

    /// Waits until the streams are followed that connections of a user have unasked: of an endpoint, or of all namespaces
    /// where none is named. Returns whether they are; it gives up after ten seconds.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn prepare_own(&self, endpoint: Option<EndpointIndex>, user: Option<&UserId>) -> bool {
        if !self.is_clustered {
            return true;
        }
        let mut names: Vec<String> = Vec::new();
        let user = user.map(|user| format!("{USER_PREFIX}{}", user.as_str()));
        match endpoint.map(|index| self.endpoint(index)) {
            Some(endpoint) => {
                names.extend(endpoint.channels.iter().map(|channel| channel.as_str().to_owned()));
                names.extend(user.filter(|_| endpoint.own_user));
            }
            None => {
                let spaces = self.namespaces().names();
                let inside = |user: &String| -> Vec<String> {
                    spaces.iter().map(|space| format!("@{space}:{user}")).collect()
                };
                names.extend(user.iter().flat_map(inside));
            }
        }
        self.prepare(&names.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// Somebody need wait no longer.
    fn tell_waiter(&self, waiter: &Waiter, is_ready: bool) {
        match waiter.take() {
            Some(Who::Connection(shard, id)) => {
                let ready = if is_ready { Ready::Streams } else { Ready::InVain };
                self.tell(shard, Message::Ready(id, ready));
            }
            Some(Who::Message(shard, message)) if is_ready => self.tell(shard, *message),
            Some(Who::Message(shard, message)) => self.tell(shard, without_entry(*message)),
            // It may have gone.
            Some(Who::Task(sender)) => drop(sender.send(is_ready)),
            None => {}
        }
    }

    /// A stream is there.
    fn tell_waiters(&self, waiters: Vec<Arc<Waiter>>) {
        for waiter in waiters {
            if waiter.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.tell_waiter(&waiter, true);
            }
        }
    }

    /// Lets go what nobody needs, and tells those who have waited too long.
    pub(crate) fn keep_cluster(&self, order: &mut Order, now: Now) {
        let Some(cluster) = &mut order.cluster else { return };
        cluster.now = now;
        let is_over = |(until, waiter): &(u64, Arc<Waiter>)| {
            let is_late = *until <= now.ms;
            if is_late {
                self.tell_waiter(waiter, false);
            }
            is_late || waiter.left.load(Ordering::Acquire) == 0
        };
        cluster.waiters.retain(|waiter| !is_over(waiter));
        cluster.behind_all.retain(|waiter| waiter.is_waiting());
        cluster.behind.retain(|_, waiter| waiter.is_waiting());
        cluster.counts.sweep(now.ms);
        cluster.reports.end_turn();
        self.ask_of_repeats(order);
        self.expire_claims(order, now);
        self.let_go(order, now);
        self.keep_peers(order, now);
    }

    /// Unfollows streams that nobody has needed for a while.
    fn let_go(&self, order: &mut Order, now: Now) {
        let Order { cluster, history, retained, .. } = order;
        let Some(cluster) = cluster else { return };
        for name in self.registry().take_left() {
            if let Some(followed) = cluster.streams.get_mut(&name) {
                followed.touched = now.ms;
                cluster.look_later(&name);
            }
        }
        let mut gone: Vec<Box<str>> = Vec::new();
        for _ in 0..SWEEP {
            if cluster.idle.peek().is_none_or(|Reverse((due, _))| *due > now.ms) || cluster.catch_up.is_some()
            {
                break;
            }
            let Some(Reverse((_, name))) = cluster.idle.pop() else { break };
            let Some(followed) = cluster.streams.get_mut(&name) else { continue };
            followed.is_idle = false;
            if cluster.own.contains(&name)
                || self.registry().get(&name).is_some_and(|entry| entry.followers() > 0)
            {
                // When the last follower leaves it comes here again.
                continue;
            }
            if !followed.waiters.is_empty() {
                followed.touched = now.ms;
            }
            if now.ms < followed.touched.saturating_add(idle_ms(&name)) {
                cluster.look_later(&name);
                continue;
            }
            cluster.streams.remove(&name);
            history.forget(&name);
            retained.forget_stream(&name);
            gone.push(name.as_str().into());
        }
        if !gone.is_empty() && cluster.is_up {
            cluster.broker.send(Wish::Unfollow(gone));
        }
    }
}

/// How long a stream is followed on.
fn idle_ms(name: &str) -> u64 {
    if crate::feeds::is_feed(name) { IDLE_FEED_MS } else { IDLE_MS }
}

/// The answer to a claim whose streams are not to be had: as if nothing was found, so that the client comes with its
/// positions, and waits.
fn without_entry(message: Message) -> Message {
    match message {
        Message::TakenOver(answer) => Message::TakenOver(Box::new(TakenOver { entry: None, ..*answer })),
        Message::Told(told) => Message::Told(Box::new(inbox::Told { entry: None, ..*told })),
        other => other,
    }
}
