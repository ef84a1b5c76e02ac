//! The simulation's world: nodes on one broker, their clients, and clocks.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hub::broker::{NodeId, Told};
use hub::{Limits, Wire};
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, UserId};

use super::broker::Server;
use super::client::{Client, Kind, Truth};
use super::model::{CHANNELS, Made, limits, rules};
use super::node::{Node, Setting};
use super::publishers::Publishers;
use crate::random::Random;

/// A client on its way in: its node makes its streams ready.
struct Arriving {
    client: usize,
    node: NodeId,
    ready: Pin<Box<dyn Future<Output = bool>>>,
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) server: Server,
    pub(crate) nodes: Vec<Node>,
    pub(crate) clients: Vec<Client>,
    pub(crate) publishers: Publishers,
    pub(crate) made: Vec<Made>,
    arriving: Vec<Arriving>,
    pub(crate) now: Timestamp,
    pub(crate) limits: Limits,
    next_node: NodeId,
    /// Tokens that were shown with success.
    used: HashSet<String>,
    pub(crate) is_narrow: bool,
    /// Whether a client that has a token shows it, and nobody else does.
    pub(crate) is_steady: bool,
    /// Nodes that died and that the broker takes for living.
    dead: Vec<(NodeId, i64)>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let is_narrow = random.percent(60);
        let now = Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp");
        let mut world = Self {
            limits: limits(is_narrow),
            random,
            server: Server::new(now),
            nodes: Vec::new(),
            clients: Vec::new(),
            publishers: Publishers::default(),
            made: Vec::new(),
            arriving: Vec::new(),
            now,
            next_node: 1,
            used: HashSet::new(),
            is_narrow,
            is_steady: false,
            dead: Vec::new(),
        };
        for _ in 0..2 + world.random.below(3) {
            world.add_node();
        }
        world
    }

    pub(crate) fn add_node(&mut self) {
        let port = self.server.join(self.next_node);
        self.next_node += 1;
        let life = (self.server.is_up && self.random.percent(50)).then_some(self.server.life);
        let shards = 1 + self.random.below(2);
        let skew = self.random.below(4_000) as i64 - 2_000;
        let setting = Setting { rules: rules(), limits: self.limits.clone(), endpoints: Vec::new() };
        self.nodes.push(Node::new(port, life, setting, shards, (self.now, skew)));
        let node = self.nodes.len() - 1;
        if self.random.percent(80) {
            self.connect_node(node);
        }
    }

    pub(crate) fn connect_node(&mut self, node: usize) {
        if self.server.connect(self.nodes[node].id) {
            self.nodes[node].cuts += 1;
        }
    }

    /// A node loses its broker.
    pub(crate) fn cut_node(&mut self, node: usize) {
        if self.server.cut(self.nodes[node].id, &mut self.random) {
            let node = &mut self.nodes[node];
            node.cuts += 1;
            node.hub.hear(Told::Down, node.now);
        }
    }

    /// The broker is gone for all.
    pub(crate) fn stop_server(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.cut_node(node));
        self.server.is_up = false;
    }

    /// It is there again: with all, or in another life.
    pub(crate) fn start_server(&mut self) {
        if self.server.is_up {
            return;
        }
        match self.random.below(4) {
            0 => self.server.lose(true, &mut self.random),
            1 => self.server.lose(false, &mut self.random),
            _ => {}
        }
        self.server.is_up = true;
    }

    /// A node dies.
    pub(crate) fn kill_node(&mut self, place: usize) {
        let id = self.nodes[place].id;
        self.server.cut(id, &mut self.random);
        self.arriving.retain(|arriving| arriving.node != id);
        for index in 0..self.clients.len() {
            if self.clients[index].link.as_ref().is_some_and(|link| link.at.0 == id) {
                let link = self.clients[index].link.as_ref().expect("there");
                let most = self.random.below(link.unread() + 1);
                self.read_some(index, most);
                self.clients[index].link = None;
            }
        }
        self.publishers.died(id, &self.made);
        self.nodes.remove(place);
        self.dead.push((id, self.now.as_millis() + self.random.below(8_000) as i64));
    }

    /// Adds a client that is not connected yet.
    pub(crate) fn invite(&mut self) {
        let kind = [Kind::Recovering, Kind::Recovering, Kind::Plain][self.random.below(3)];
        let user = [None, Some("1"), Some("2")][self.random.below(3)];
        let mut client = Client::new(self.clients.len(), kind, user);
        for _ in 0..1 + self.random.below(4) {
            client.wanted.insert(*self.random.pick(&CHANNELS));
        }
        self.clients.push(client);
    }

    pub(crate) fn node_of(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.id == id)
    }

    /// A client comes, or comes back, to any node: that makes ready what it follows unasked.
    pub(crate) fn connect(&mut self, index: usize) {
        let node = self.random.below(self.nodes.len());
        self.connect_to(index, node);
    }

    /// The same to this node.
    pub(crate) fn connect_to(&mut self, index: usize, node: usize) {
        if self.clients[index].link.is_some() || self.arriving.iter().any(|it| it.client == index) {
            return;
        }
        let node = &self.nodes[node];
        let hub = Arc::clone(&node.hub);
        let user = self.clients[index].user.map(|user| UserId::from_text(user).expect("id"));
        let ready = Box::pin(async move { hub.prepare_own(Some(0), user.as_ref()).await });
        self.arriving.push(Arriving { client: index, node: node.id, ready });
    }

    pub(crate) fn arrive(&mut self) {
        let mut place = 0;
        while place < self.arriving.len() {
            let arriving = &mut self.arriving[place];
            // The server waits for a while only.
            let is_ready = arriving.ready.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if is_ready == Poll::Pending && !self.random.percent(3) {
                place += 1;
                continue;
            }
            let Arriving { client, node, .. } = self.arriving.remove(place);
            self.open(client, node);
        }
    }

    fn open(&mut self, index: usize, node: NodeId) {
        let bits = (u128::from(self.random.next()) << 64) | u128::from(self.random.next());
        let id = ConnectionId::from_random(bits);
        let room = (self.is_narrow && self.random.percent(20)).then(|| self.random.below(4000));
        let wire = if self.random.percent(30) { Wire::ChannelsDeflate } else { Wire::Channels };
        let (pick, is_early, keeps) = (self.random.next(), self.random.percent(30), self.random.percent(80));
        let is_doubled = self.random.percent(10) && !self.is_steady;
        let keeps = keeps || self.is_steady;
        let Some(node) = self.nodes.iter_mut().find(|it| it.id == node) else { return };
        let client = &mut self.clients[index];
        let shard = usize::try_from(pick % node.shards.len() as u64).expect("few");
        let mut connected = node.open(id, shard, client.user, room, wire);
        let channels: Vec<&str> = client.wanted.iter().copied().collect();
        if client.kind == Kind::Plain {
            let text = serde_json::json!({"type": "subscribe", "channels": channels}).to_string();
            node.say(connected.at, &text);
            client.link = Some(connected);
            return;
        }
        if is_early {
            node.shards.iter_mut().for_each(|shard| {
                shard.take_inbox(node.now);
                shard.step(3, node.now);
            });
        }
        let (token, former) = client.token.take().filter(|_| keeps).unzip();
        let is_with_token = token.is_some();
        let (text, asked) = client.ask(&channels, &client.known(), token);
        connected.former = former;
        connected.asked.push_back(asked);
        node.say(connected.at, &text);
        client.link = Some(connected);
        if is_doubled && is_with_token {
            self.steal(&text, index);
        }
    }

    /// The same token is shown on another node as well, by the same user.
    fn steal(&mut self, text: &str, of: usize) {
        let mut thief = Client::new(self.clients.len(), Kind::Recovering, self.clients[of].user);
        thief.wanted = self.clients[of].wanted.clone();
        thief.places = self.clients[of].places.clone();
        thief.seen = self.clients[of].seen.clone();
        let token = self.clients[of].link.as_ref().and_then(|link| link.asked.front()?.token.clone());
        let given = self.clients[of].known();
        let (_, asked) = thief.ask(&[], &given, token);
        let bits = (u128::from(self.random.next()) << 64) | u128::from(self.random.next());
        let place = self.random.below(self.nodes.len());
        let node = &mut self.nodes[place];
        let mut connected = node.open(ConnectionId::from_random(bits), 0, thief.user, None, Wire::Channels);
        connected.former = self.clients[of].link.as_ref().and_then(|link| link.former);
        connected.asked.push_back(asked);
        node.say(connected.at, text);
        thief.link = Some(connected);
        self.clients.push(thief);
    }

    pub(crate) fn is_open(&mut self, index: usize) -> bool {
        let Some(at) = self.clients[index].link.as_ref().map(|link| link.at) else { return false };
        self.node_of(at.0).is_some_and(|node| node.is_open(at))
    }

    pub(crate) fn say(&mut self, index: usize, text: &str) {
        let Some(at) = self.clients[index].link.as_ref().map(|link| link.at) else { return };
        if let Some(node) = self.node_of(at.0) {
            node.say(at, text);
        }
    }

    /// A client asks for more while it is connected.
    pub(crate) fn subscribe(&mut self, index: usize) {
        if self.clients[index].kind != Kind::Recovering || !self.is_open(index) {
            return;
        }
        let name = *self.random.pick(&CHANNELS);
        let client = &mut self.clients[index];
        let Some(link) = client.link.as_ref().filter(|link| link.is_live && link.asked.is_empty()) else {
            return;
        };
        if link.is_refused || link.is_unavailable {
            return;
        }
        let is_leaving = !client.wanted.contains(name) && link.follows.contains(name);
        client.wanted.insert(name);
        let mut with = client.known();
        match self.random.below(3) {
            0 => with.clear(),
            1 => with.retain(|one| one == name),
            _ => {}
        }
        if is_leaving {
            with.remove(name);
        }
        let (text, asked) = client.ask(&[name], &with, None);
        client.link.as_mut().expect("open").asked.push_back(asked);
        self.say(index, &text);
    }

    pub(crate) fn unsubscribe(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.kind != Kind::Recovering || client.wanted.is_empty() {
            return;
        }
        if client.link.as_ref().is_none_or(|link| !link.is_live || !link.asked.is_empty()) {
            return;
        }
        let names: Vec<&str> = client.wanted.iter().copied().collect();
        let name = *self.random.pick(&names);
        client.wanted.remove(name);
        self.say(index, &serde_json::json!({"type": "unsubscribe", "channels": [name]}).to_string());
    }

    pub(crate) fn page(&mut self, index: usize) {
        let before = self.random.percent(50).then(|| self.random.below(30));
        let name = *self.random.pick(&CHANNELS);
        let text = serde_json::json!({"type": "history", "channel": name, "limit": 7, "before": before});
        if self.clients[index].link.as_ref().is_some_and(|link| link.asked.is_empty()) {
            self.say(index, &text.to_string());
        }
    }

    /// A connection breaks: of what arrived some bytes are lost. The hub hears of it, or not.
    pub(crate) fn cut(&mut self, index: usize) {
        let Some(link) = &self.clients[index].link else { return };
        let (at, most) = (link.at, self.random.below(link.unread() + 1));
        let is_heard = self.random.percent(70);
        if !is_heard {
            link.pipe.borrow_mut().room = Some(0);
        }
        self.read_some(index, most);
        self.clients[index].link = None;
        if let Some(node) = self.node_of(at.0).filter(|_| is_heard) {
            node.end(at);
        }
    }

    /// A connection breaks when all was read.
    pub(crate) fn drop_link(&mut self, index: usize) {
        let at = self.clients[index].link.take().expect("connected").at;
        if let Some(node) = self.node_of(at.0) {
            node.end(at);
        }
    }

    fn read_some(&mut self, index: usize, most: usize) {
        let mut truth = Truth { store: &mut self.server.store, made: &self.made, now: self.now };
        let client = &mut self.clients[index];
        client.read(most, &mut truth);
        for token in std::mem::take(&mut client.resumed) {
            assert!(self.used.insert(token.clone()), "a token worked twice: {token}, client {index}");
        }
    }

    /// A client reads what has come; if it was closed or refused it acts on that.
    pub(crate) fn read(&mut self, index: usize) {
        self.read_some(index, usize::MAX >> 1);
        let client = &mut self.clients[index];
        let Some(link) = &mut client.link else { return };
        if link.close.is_some() || link.is_unavailable || link.pipe.borrow().is_shut {
            let at = link.at;
            client.link = None;
            if let Some(node) = self.node_of(at.0) {
                node.end(at);
            }
            return;
        }
        if std::mem::take(&mut link.is_refused) {
            link.former = None;
            let channels: Vec<&str> = client.wanted.iter().copied().collect();
            let (text, asked) = client.ask(&channels, &client.known(), None);
            client.link.as_mut().expect("connected").asked.push_back(asked);
            self.say(index, &text);
        }
    }

    pub(crate) fn widen(&mut self, index: usize, room: Option<usize>) {
        let Some(link) = self.clients[index].link.as_mut() else { return };
        link.pipe.borrow_mut().room = room;
        link.was_narrow |= room.is_some();
        let at = link.at;
        if let Some(node) = self.node_of(at.0).filter(|_| room != Some(0)) {
            node.widen(at);
        }
    }

    /// Clocks go on.
    pub(crate) fn pass_time(&mut self, ms: u64) {
        self.now = Timestamp::from_millis(self.now.as_millis() + i64::try_from(ms).expect("short"));
        self.server.pass(self.now);
        let now = self.now.as_millis();
        for (id, _) in self.dead.extract_if(.., |(_, until)| *until <= now) {
            self.server.bury(id);
        }
        for node in &mut self.nodes {
            node.pass(ms, self.now);
        }
    }

    /// The broker carries out something for a node.
    pub(crate) fn serve(&mut self, node: usize) {
        self.server.serve(self.nodes[node].id, &mut self.random);
    }

    /// A node hears the next of its line.
    pub(crate) fn tell(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if let Some(told) = self.server.next_told(node.id) {
            node.hub.hear(told, node.now);
        }
    }

    /// A node hears the next of what has to do with no event.
    pub(crate) fn reply(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if let Some(told) = self.server.next_reply(node.id) {
            node.hub.hear(told, node.now);
        }
    }

    pub(crate) fn answer_publishers(&mut self) {
        let (store, life) = (&self.server.store, self.server.life.life);
        self.publishers.settle(&mut self.made, |number| store.is_placed(number), life);
    }

    /// The broker forgets a stream that keeps nothing and that no node follows.
    pub(crate) fn forget(&mut self, name: &str) {
        if !self.nodes.iter().any(|node| self.server.follows(node.id).contains(name)) {
            self.server.store.forget(name, self.now);
        }
    }

    /// How often tokens worked.
    pub(crate) fn resumed(&self) -> usize {
        self.used.len()
    }

    pub(crate) fn has_arriving(&self) -> bool {
        !self.arriving.is_empty()
    }
}
