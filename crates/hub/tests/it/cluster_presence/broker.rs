//! A small broker that keeps all: what these tests need of the promises of `hub::broker`, and no batches, states or notes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use hub::broker::{
    Broker, Claimed, Event, Following, Life, NodeId, Outcome, Publishing, StreamState, To, Told, Wish,
};
use protocol::timestamp::Timestamp;
use protocol::{Epoch, Position, PublicationId};

/// A node's side: its wishes in their order.
#[derive(Debug)]
pub(crate) struct Port {
    node: NodeId,
    wishes: Mutex<VecDeque<Wish>>,
}

impl Broker for Port {
    fn send(&self, wish: Wish) {
        self.wishes.lock().expect("no panic before").push_back(wish);
    }

    fn node(&self) -> NodeId {
        self.node
    }
}

#[derive(Debug)]
struct Session {
    port: Arc<Port>,
    is_up: bool,
    /// When its connection was lost.
    lost: i64,
    followed: BTreeSet<Box<str>>,
    line: VecDeque<Told>,
}

/// The broker.
#[derive(Debug, Default)]
pub(crate) struct Server {
    sessions: BTreeMap<NodeId, Session>,
    seq: u64,
    streams: BTreeMap<Box<str>, Vec<Event>>,
    keys: BTreeMap<String, PublicationId>,
    now: i64,
    pub(crate) is_down: bool,
    /// All events, in their order.
    pub(crate) events: Vec<Event>,
}

/// Connections lost for so long are those of dead nodes, in milliseconds.
const LEASE: i64 = 5_000;

const EPOCH: u64 = 77;

impl Server {
    pub(crate) fn join(&mut self, node: NodeId) -> Arc<Port> {
        let port = Arc::new(Port { node, wishes: Mutex::default() });
        let session = Session {
            port: Arc::clone(&port),
            is_up: false,
            lost: i64::MIN / 2,
            followed: BTreeSet::new(),
            line: VecDeque::new(),
        };
        self.sessions.insert(node, session);
        port
    }

    pub(crate) fn is_up(&self, node: NodeId) -> bool {
        self.sessions[&node].is_up
    }

    pub(crate) fn connect(&mut self, node: NodeId) {
        let session = self.sessions.get_mut(&node).expect("known");
        if self.is_down || session.is_up {
            return;
        }
        session.is_up = true;
        session.port.wishes.lock().expect("no panic before").clear();
        let life = Life { life: 1, seq: self.seq, secret: [1; 32], is_durable: true };
        session.line.push_back(Told::Up(life));
        self.tell_nodes();
    }

    /// Its connection is lost; it hears of that from the caller.
    pub(crate) fn cut(&mut self, node: NodeId) {
        let session = self.sessions.get_mut(&node).expect("known");
        session.is_up = false;
        session.lost = self.now;
        session.followed.clear();
        session.line.clear();
        session.port.wishes.lock().expect("no panic before").clear();
    }

    pub(crate) fn bury(&mut self, node: NodeId) {
        // Its lease runs out as that of one that lost its connection.
        self.cut(node);
    }

    fn alive(&self) -> Vec<NodeId> {
        let is_alive = |session: &Session| session.is_up || self.now - session.lost <= LEASE;
        self.sessions.iter().filter(|(_, session)| is_alive(session)).map(|(node, _)| *node).collect()
    }

    fn tell_nodes(&mut self) {
        let alive = self.alive();
        for session in self.sessions.values_mut().filter(|session| session.is_up) {
            session.line.push_back(Told::Nodes(alive.clone()));
        }
    }

    pub(crate) fn pass(&mut self, now: Timestamp) {
        let before = self.alive();
        self.now = now.as_millis();
        if before != self.alive() {
            self.tell_nodes();
        }
    }

    pub(crate) fn next_told(&mut self, node: NodeId) -> Option<Told> {
        self.sessions.get_mut(&node).expect("known").line.pop_front()
    }

    /// Carries out the next wish of a node. Returns whether there was one.
    pub(crate) fn serve(&mut self, node: NodeId) -> bool {
        let session = &self.sessions[&node];
        if !session.is_up || matches!(session.line.front(), Some(Told::Up(_))) {
            return false;
        }
        let Some(wish) = session.port.wishes.lock().expect("no panic before").pop_front() else {
            return false;
        };
        match wish {
            Wish::Publish(ticket, publishing) => {
                let outcome = self.publish(*publishing);
                self.tell(node, Told::Published(ticket, outcome));
            }
            Wish::Follow(ticket, streams) => {
                let states = streams.iter().map(|following| self.state(following)).collect();
                let session = self.sessions.get_mut(&node).expect("known");
                session.followed.extend(streams.iter().map(|following| following.stream.clone()));
                let told = Told::Streams { ticket, seq: self.seq, streams: states, is_last: true };
                self.tell(node, told);
            }
            Wish::Unfollow(streams) => {
                let session = self.sessions.get_mut(&node).expect("known");
                session.followed.retain(|stream| !streams.contains(stream));
            }
            Wish::Claim(ticket, _) => self.tell(node, Told::Claimed(ticket, Claimed::Nothing)),
            Wish::Confirm(ticket) => self.tell(node, Told::Confirmed(ticket)),
            Wish::Say(To::Node(to), text) => {
                assert!(text.len() <= 1 << 20);
                if self.sessions.get(&to).is_some_and(|session| session.is_up) {
                    self.tell(to, Told::Said(node, text));
                }
            }
            Wish::Say(To::Others, text) => {
                assert!(text.len() <= 1 << 20);
                for (_, other) in self.sessions.iter_mut().filter(|(to, other)| **to != node && other.is_up) {
                    other.line.push_back(Told::Said(node, text.clone()));
                }
            }
            Wish::Answered(..)
            | Wish::Unsent(..)
            | Wish::Recall(..)
            | Wish::Note(_)
            | Wish::Put(..)
            | Wish::Table(..) => {}
        }
        true
    }

    fn tell(&mut self, node: NodeId, told: Told) {
        self.sessions.get_mut(&node).expect("known").line.push_back(told);
    }

    fn state(&self, following: &Following) -> StreamState {
        let kept = self.streams.get(&following.stream).map_or(&[][..], Vec::as_slice);
        let after = following.after.map_or(0, |after| after.offset);
        let end = Position { epoch: Epoch::from_bits(EPOCH), offset: kept.len() as u64 };
        let events = kept.iter().skip(usize::try_from(after).expect("small")).cloned().collect();
        StreamState { stream: following.stream.clone(), end, dropped: 0, events, retained: Vec::new() }
    }

    fn publish(&mut self, publishing: Publishing) -> Outcome {
        let Publishing { event, key, .. } = publishing;
        let key = key.map(|(key, _)| format!("{}/{}", key.scope, key.key));
        if let Some(id) = key.as_ref().and_then(|key| self.keys.get(key)) {
            return Outcome::Repeated { id: *id, recipients: Some(0) };
        }
        if let Some(key) = key {
            self.keys.insert(key, event.publication.id);
        }
        self.seq += 1;
        let epoch = Epoch::from_bits(EPOCH);
        let place = |name: &str| {
            let offset = self.streams.get(name).map_or(0, Vec::len) as u64 + 1;
            Position { epoch, offset }
        };
        let places = event.streams.iter().map(|name| place(name)).collect();
        let event = Event { seq: self.seq, event: Arc::new(event), places };
        for name in &event.event.streams {
            self.streams.entry(name.clone()).or_default().push(event.clone());
        }
        self.events.push(event.clone());
        let mut told = 0;
        for session in self.sessions.values_mut().filter(|session| session.is_up) {
            for _ in event.event.streams.iter().filter(|name| session.followed.contains(*name)) {
                session.line.push_back(Told::Event(event.clone()));
                told += 1;
            }
        }
        Outcome::Placed { told }
    }
}
