//! The broker of the simulation: it keeps the promises of `hub::broker` exactly, and says when each thing happens.
//!
//! What nodes wish waits in their ports until the world has it carried out; what they are told waits in their lines until the
//! world hands it over. Not here: streams and states themselves (`store`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hub::PublishError;
use hub::broker::{Broker, Following, Life, NodeId, Outcome, Publishing, Shared, Ticket, To, Told, Wish};
use hub::idempotency::ScopedKey;
use protocol::PublicationId;
use protocol::timestamp::Timestamp;

use super::notes::Notes;
use super::store::Store;
use crate::random::Random;

/// A node's side: its wishes in their order.
#[derive(Debug)]
pub(crate) struct Port {
    node: NodeId,
    is_open: AtomicBool,
    wishes: Mutex<VecDeque<Wish>>,
}

impl Broker for Port {
    fn send(&self, wish: Wish) {
        if self.is_open.load(Ordering::Relaxed) {
            self.wishes.lock().expect("no panic before").push_back(wish);
        }
    }

    fn node(&self) -> NodeId {
        self.node
    }
}

/// A node's connection.
#[derive(Debug)]
struct Session {
    port: Arc<Port>,
    is_up: bool,
    followed: BTreeSet<Box<str>>,
    line: VecDeque<Told>,
    replies: VecDeque<Told>,
    /// A `Follow` that is being answered.
    following: Option<(Ticket, VecDeque<Following>)>,
    /// Batches of which one was refused, which the node has not heard of yet.
    failed: Vec<(Ticket, u64)>,
    /// What was wished of connections and keys, and not carried out before the connection broke.
    lasting: Vec<Wish>,
}

/// What is known of a key.
#[derive(Debug, Clone)]
struct Key {
    id: PublicationId,
    recipients: Option<u32>,
    until: i64,
}

/// A text of a table: the table, the node, the name.
type Leased = (Box<str>, NodeId, Box<str>);

/// The broker.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) notes: Notes,
    keys: BTreeMap<(Arc<str>, Box<str>), Key>,
    tables: BTreeMap<Leased, Box<[u8]>>,
    sessions: BTreeMap<NodeId, Session>,
    pub(crate) life: Life,
    pub(crate) is_up: bool,
    /// Whether it has no room: what has to be kept is refused.
    pub(crate) is_full: bool,
    pub(crate) now: Timestamp,
}

impl Server {
    pub(crate) fn new(now: Timestamp) -> Self {
        let life = Life { life: 1, seq: 1_000, secret: [1; 32], is_durable: true };
        Self {
            store: Store::new(1),
            notes: Notes::default(),
            keys: BTreeMap::new(),
            tables: BTreeMap::new(),
            sessions: BTreeMap::new(),
            life,
            is_up: true,
            is_full: false,
            now,
        }
    }

    /// A node that begins; its connection is made later.
    pub(crate) fn join(&mut self, node: NodeId) -> Arc<Port> {
        let port = Arc::new(Port { node, is_open: AtomicBool::new(false), wishes: Mutex::default() });
        let session = Session {
            port: Arc::clone(&port),
            is_up: false,
            followed: BTreeSet::new(),
            line: VecDeque::new(),
            replies: VecDeque::new(),
            following: None,
            failed: Vec::new(),
            lasting: Vec::new(),
        };
        self.sessions.insert(node, session);
        port
    }

    pub(crate) fn follows(&self, node: NodeId) -> &BTreeSet<Box<str>> {
        &self.sessions[&node].followed
    }

    /// A node has its connection (again), if there is a broker.
    pub(crate) fn connect(&mut self, node: NodeId) -> bool {
        if !self.is_up || self.sessions[&node].is_up {
            return false;
        }
        let life = Life { seq: self.store.seq, ..self.life };
        let session = self.sessions.get_mut(&node).expect("known");
        session.is_up = true;
        session.line.push_back(Told::Up(life));
        let lasting = std::mem::take(&mut session.lasting);
        self.notes.join(node, self.now);
        lasting.into_iter().for_each(|wish| self.last(node, wish));
        self.tell_nodes();
        true
    }

    /// A node loses its connection. Of what it wished some may have been carried out.
    pub(crate) fn cut(&mut self, node: NodeId, random: &mut Random) -> bool {
        if !self.sessions[&node].is_up {
            return false;
        }
        let most = self.wishes(node) + 1;
        for _ in 0..random.below(most) {
            self.serve(node, random);
        }
        let session = self.sessions.get_mut(&node).expect("known");
        session.is_up = false;
        session.port.is_open.store(false, Ordering::Relaxed);
        let wishes = std::mem::take(&mut *session.port.wishes.lock().expect("no panic before"));
        let lasts = |wish: &Wish| matches!(wish, Wish::Note(_) | Wish::Answered(..) | Wish::Unsent(..));
        session.lasting.extend(wishes.into_iter().filter(lasts));
        session.followed.clear();
        session.line.clear();
        session.replies.clear();
        session.following = None;
        session.failed.clear();
        self.tables.retain(|(_, of, _), _| *of != node);
        true
    }

    /// What a node wished goes down with its connection.
    pub(crate) fn lose_wishes(&mut self, node: NodeId) {
        self.sessions[&node].port.wishes.lock().expect("no panic before").clear();
    }

    /// It is forgotten.
    pub(crate) fn bury(&mut self, node: NodeId) {
        self.sessions.remove(&node);
    }

    /// Restarted with nothing, or with what it had some time ago: another life.
    pub(crate) fn lose(&mut self, is_empty: bool, random: &mut Random) {
        let jump = 1_000_000 + random.next() % 1_000;
        let nodes: Vec<NodeId> = self.sessions.keys().copied().collect();
        assert!(nodes.iter().all(|node| !self.sessions[node].is_up), "nobody is connected meanwhile");
        self.life.life += 1 + random.next() % 1_000;
        self.store.lose(self.life.life, jump);
        self.notes = Notes::default();
        self.keys.clear();
        self.sessions.values_mut().for_each(|session| session.lasting.clear());
        if is_empty {
            self.life.secret = [u8::try_from(random.below(256)).expect("a byte"); 32];
        }
    }

    fn tell_nodes(&mut self) {
        let alive = self.notes.living();
        for session in self.sessions.values_mut().filter(|session| session.is_up) {
            session.line.push_back(Told::Nodes(alive.clone()));
        }
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, now: Timestamp) {
        let before = self.notes.living();
        self.now = now;
        let up = self.sessions.iter().filter(|(_, session)| session.is_up).map(|(node, _)| *node);
        self.notes.beat(&up.collect(), now);
        if before != self.notes.living() {
            self.tell_nodes();
        }
        self.notes.expire(now);
        self.keys.retain(|_, key| key.until > now.as_millis());
    }

    /// How much a node wished that was not carried out.
    pub(crate) fn wishes(&self, node: NodeId) -> usize {
        let session = &self.sessions[&node];
        session.port.wishes.lock().expect("no panic before").len() + usize::from(session.following.is_some())
    }

    /// How much is on its way to a node.
    pub(crate) fn on_its_way(&self, node: NodeId) -> usize {
        self.sessions[&node].line.len() + self.sessions[&node].replies.len()
    }

    /// What comes next in a node's line.
    pub(crate) fn next_told(&mut self, node: NodeId) -> Option<Told> {
        let session = self.sessions.get_mut(&node).expect("known");
        let told = session.line.pop_front()?;
        if matches!(told, Told::Up(_)) {
            session.port.is_open.store(true, Ordering::Relaxed);
        }
        Some(told)
    }

    /// What comes next of what has to do with no event.
    pub(crate) fn next_reply(&mut self, node: NodeId) -> Option<Told> {
        let session = self.sessions.get_mut(&node).expect("known");
        let told = session.replies.pop_front()?;
        if let Told::Published(ticket, _) = &told {
            // What the node sent before it heard of it is refused as well.
            let wishes = session.port.wishes.lock().expect("no panic before");
            let waits = |batch: u64| {
                wishes.iter().any(|wish| matches!(wish, Wish::Publish(_, it) if it.batch == Some(batch)))
            };
            session.failed.retain(|(of, batch)| of != ticket || waits(*batch));
        }
        Some(told)
    }

    /// Carries out a wish about connections or keys.
    fn last(&mut self, node: NodeId, wish: Wish) {
        match wish {
            Wish::Note(changes) => self.notes.note(node, changes, self.now),
            Wish::Answered(key, id, recipients) => {
                if let Some(known) = self.keys.get_mut(&name_of(&key)).filter(|known| known.id == id) {
                    known.recipients = Some(recipients);
                }
            }
            Wish::Unsent(key, id) => {
                let name = name_of(&key);
                if self.keys.get(&name).is_some_and(|known| known.id == id) {
                    self.keys.remove(&name);
                }
            }
            _ => {}
        }
    }

    /// Carries out the next wish of a node, or the next part of one.
    pub(crate) fn serve(&mut self, node: NodeId, random: &mut Random) {
        let session = self.sessions.get_mut(&node).expect("known");
        if !session.is_up {
            return;
        }
        let place = next_place(&session.port.wishes.lock().expect("no panic before"), random);
        if session.following.is_some() && (place.command.is_none() || random.percent(50)) {
            return self.tell_part(node, random);
        }
        let lined = place.lined.filter(|_| session.following.is_none());
        let place = match (place.command, lined) {
            (Some(command), Some(lined)) => Some(if random.percent(50) { command } else { lined }),
            (command, lined) => command.or(lined),
        };
        let Some(place) = place else { return };
        let wish = session.port.wishes.lock().expect("no panic before").remove(place).expect("it is there");
        match wish {
            Wish::Publish(ticket, publishing) => {
                let batch = publishing.batch;
                let outcome = self.publish(node, *publishing);
                let session = self.sessions.get_mut(&node).expect("known");
                if let (Outcome::Refused(_), Some(batch)) = (&outcome, batch) {
                    session.failed.push((ticket, batch));
                }
                session.replies.push_back(Told::Published(ticket, outcome));
            }
            wish @ (Wish::Note(_) | Wish::Answered(..) | Wish::Unsent(..)) => self.last(node, wish),
            Wish::Confirm(ticket) => session.replies.push_back(Told::Confirmed(ticket)),
            Wish::Recall(ticket, key) => {
                let known = self.keys.get(&name_of(&key));
                let outcome = known.map_or(Outcome::Refused(PublishError::Overloaded), |known| {
                    Outcome::Repeated { id: known.id, recipients: known.recipients }
                });
                session.replies.push_back(Told::Published(ticket, outcome));
            }
            Wish::Follow(ticket, mut streams) => {
                // In an order that a seed repeats.
                streams.sort_by(|a, b| a.stream.cmp(&b.stream));
                session.followed.extend(streams.iter().map(|following| following.stream.clone()));
                session.following = Some((ticket, streams.into()));
            }
            Wish::Unfollow(streams) => {
                for stream in streams {
                    assert!(session.followed.remove(&stream), "{node} does not follow {stream}");
                }
            }
            Wish::Claim(ticket, claim) => {
                let claimed = self.notes.claim(node, &claim, self.now);
                session.replies.push_back(Told::Claimed(ticket, claimed));
            }
            Wish::Say(To::Others, text) => {
                for (_, other) in self.sessions.iter_mut().filter(|(to, other)| **to != node && other.is_up) {
                    other.line.push_back(Told::Said(node, text.clone()));
                }
            }
            Wish::Say(To::Node(to), text) => {
                if let Some(other) = self.sessions.get_mut(&to).filter(|other| other.is_up) {
                    other.line.push_back(Told::Said(node, text));
                }
            }
            Wish::Put(table, name, text) => {
                match text {
                    Some(text) => self.tables.insert((table, node, name), text),
                    None => self.tables.remove(&(table, node, name)),
                };
            }
            Wish::Table(ticket, table) => {
                let of_it = self.tables.iter().filter(|((of, ..), _)| *of == table);
                let texts =
                    of_it.map(|((_, node, name), text)| (*node, name.clone(), text.clone())).collect();
                session.line.push_back(Told::Table(ticket, texts));
            }
        }
        if random.percent(20) {
            self.sessions.get_mut(&node).expect("known").line.push_back(Told::Rest);
        }
    }

    fn tell_part(&mut self, node: NodeId, random: &mut Random) {
        let session = self.sessions.get_mut(&node).expect("known");
        let Some((ticket, left)) = &mut session.following else { return };
        let ticket = *ticket;
        let most = if random.percent(50) { left.len() } else { 1 + random.below(3) };
        let part: Vec<Following> = left.drain(..most.min(left.len())).collect();
        let is_last = left.is_empty();
        if is_last {
            session.following = None;
        }
        let now = self.now;
        let streams = part.iter().map(|following| self.store.state(node, following, now, random)).collect();
        session.line.push_back(Told::Streams { ticket, seq: self.store.seq, streams, is_last });
    }

    fn publish(&mut self, node: NodeId, publishing: Publishing) -> Outcome {
        let Publishing { event, rules, key, batch } = publishing;
        let session = &self.sessions[&node];
        if session.failed.iter().any(|(_, of)| Some(*of) == batch) {
            return Outcome::Refused(PublishError::StorageFull);
        }
        if let Some(known) = key.as_ref().and_then(|(key, _)| self.keys.get(&name_of(key))) {
            return Outcome::Repeated { id: known.id, recipients: known.recipients };
        }
        let is_kept = !event.is_transient && rules.iter().any(Option::is_some);
        if self.is_full && (is_kept || key.is_some() || event.retain.is_some()) {
            return Outcome::Refused(PublishError::StorageFull);
        }
        let mut streams = event.streams.clone();
        streams.sort_unstable();
        streams.dedup();
        assert_eq!(streams, event.streams, "each stream once, sorted");
        let event = self.store.place(event, &rules, self.now);
        if let Some((key, keep)) = key {
            let until = self.now.as_millis() + i64::try_from(keep.as_millis()).expect("short");
            self.keys.insert(name_of(&key), Key { id: event.event.publication.id, recipients: None, until });
        }
        let mut told = 0;
        for session in self.sessions.values_mut().filter(|session| session.is_up) {
            for _ in 0..times(&event.event, &session.followed) {
                session.line.push_back(Told::Event(event.clone()));
                told += 1;
            }
        }
        Outcome::Placed { told }
    }
}

/// Where the next wishes stand that can be carried out.
struct Next {
    command: Option<usize>,
    lined: Option<usize>,
}

/// What belongs into the line of events goes by a way of its own, and neither way waits for the other; but for a table, which
/// shows what was put into it before. What is of a batch waits for the step before it, and others overtake it.
fn next_place(wishes: &VecDeque<Wish>, random: &mut Random) -> Next {
    let is_lined = |wish: &Wish| matches!(wish, Wish::Follow(..) | Wish::Unfollow(_) | Wish::Table(..));
    let batch = |wish: &Wish| match wish {
        Wish::Publish(_, publishing) => publishing.batch,
        _ => None,
    };
    let first = wishes.iter().position(|wish| !is_lined(wish));
    let waiting = first.and_then(|first| batch(&wishes[first])).filter(|_| random.percent(30));
    let is_next = |wish: &Wish| !is_lined(wish) && (waiting.is_none() || batch(wish) != waiting);
    let command = wishes.iter().position(is_next).or(first);
    let is_early = |lined: &usize| {
        matches!(wishes[*lined], Wish::Table(..)) && first.is_some_and(|first| first < *lined)
    };
    Next { command, lined: wishes.iter().position(is_lined).filter(|lined| !is_early(lined)) }
}

/// How often a node is told of an event.
fn times(event: &Shared, followed: &BTreeSet<Box<str>>) -> usize {
    let users = event.close_sessions.iter().flat_map(|sessions| &sessions.users);
    let mut names: BTreeSet<&str> = event.streams.iter().map(|name| &**name).collect();
    names.extend(users.map(protocol::Stream::as_str));
    names.into_iter().filter(|name| followed.contains(*name)).count()
        + usize::from(event.connection.is_some())
}

fn name_of(key: &ScopedKey) -> (Arc<str>, Box<str>) {
    (Arc::clone(&key.scope), key.key.clone())
}
