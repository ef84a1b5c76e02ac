//! The simulation's world: nodes on one broker, the clients of their sockets, and clocks.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hub::Limits;
use hub::broker::{NodeId, Told};
use hub::rules::{ChannelRule, ChannelRules, HistoryRule, Identities};
use protocol::timestamp::Timestamp;
use protocol::{ChannelPattern, ConnectionId};

use crate::bench::user;
use crate::cluster::broker::Server;
use crate::cluster::node::{Node, Setting};
use crate::cluster::store::Store;
use crate::random::Random;
use crate::sockets::client::{Client, Connected, Ended, Event, Truth};
use crate::sockets::model::endpoints;

/// The namespaces, and the types that reach them; who comes and goes is told in none.
pub(crate) const SPACES: [(&str, &[&str]); 3] =
    [("/", &[]), ("/chat", &["msg"]), ("/notes", &["msg", "note"])];

/// For how many seconds most streams keep their events: in a world that is whole, longer than a run lasts.
const AGES: [u64; 2] = [600, 86_400];

/// Channels: how many events they keep, and for how many seconds where that is not [`AGES`]. The first two keep all that a run has.
pub(crate) const CHANNELS: [(&str, u32, Option<u64>); 5] = [
    ("many", 1000, None),
    ("more", 1000, None),
    ("few", 4, None),
    ("young", 40, Some(20)),
    ("none", 0, None),
];

/// Close codes after which a client comes back, of those that can be seen here.
const COME_BACK: [u16; 1] = [4010];

/// What a world is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// The broker forgets nothing, and streams keep much.
    pub(crate) is_whole: bool,
    pub(crate) is_narrow: bool,
    /// Nodes have little room for history.
    pub(crate) is_tight: bool,
}

/// A client on its way in: its node makes its streams ready.
struct Arriving {
    client: usize,
    node: NodeId,
    ready: Pin<Box<dyn Future<Output = bool>>>,
}

/// A connection that its client has left, and that its node still has.
pub(crate) struct Ghost {
    pub(crate) client: usize,
    pub(crate) link: Connected,
    /// How often its node was cut off by then.
    pub(crate) cuts: usize,
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) manner: Manner,
    pub(crate) server: Server,
    pub(crate) nodes: Vec<Node>,
    pub(crate) clients: Vec<Client>,
    pub(crate) ghosts: Vec<Ghost>,
    pub(crate) events: Vec<Event>,
    arriving: Vec<Arriving>,
    pub(crate) now: Timestamp,
    next_node: NodeId,
    opened: u128,
    /// What has a place before this one reached everybody.
    pub(crate) settled: usize,
    /// Nodes that died and that the broker takes for living.
    dead: Vec<(NodeId, i64)>,
    /// Clients that left a connection before they were let in: that may go on from a later one.
    rivals: HashSet<usize>,
    pub(crate) closed: usize,
    pub(crate) taken_over: usize,
}

/// What is true: the broker's order of all that was published.
pub(crate) struct Known<'w> {
    pub(crate) store: &'w Store,
    pub(crate) events: &'w [Event],
}

fn place(seq: u64) -> usize {
    usize::try_from(seq).expect("64 bits")
}

impl Truth for Known<'_> {
    fn next(&self) -> usize {
        place(self.store.seq + 1)
    }

    fn event(&self, number: usize) -> &Event {
        &self.events[number]
    }

    fn place(&self, number: usize) -> Option<usize> {
        self.store.seq_of(number).map(place)
    }

    fn between(&self, from: usize, until: usize) -> Vec<usize> {
        self.store.between(from as u64, until as u64).collect()
    }
}

fn setting(manner: Manner) -> Setting {
    let rule = |pattern: &str, size, seconds: u64| ChannelRule {
        pattern: ChannelPattern::new(pattern).expect("a pattern"),
        subscribe: None,
        publish: None,
        history: Some(HistoryRule { size, age: Duration::from_secs(seconds), durable: true }),
    };
    let (all, own) = if manner.is_whole { (1000, 1000) } else { (20, 6) };
    let usual = AGES[usize::from(manner.is_whole)];
    let others = [rule("@all", all, usual), rule("user:*", own, usual)];
    let channels = CHANNELS.iter().map(|&(name, size, age)| rule(name, size, age.unwrap_or(usual)));
    let (outbox_bytes, outbox_frames) = if manner.is_narrow { (6_000, 12) } else { (1 << 20, 1024) };
    let mut limits = Limits { rate: None, outbox_bytes, outbox_frames, resumable: 50, ..Limits::default() };
    if manner.is_tight {
        limits.history.bytes = 30_000;
    }
    Setting {
        rules: ChannelRules::new(channels.chain(others).collect(), Identities::Known),
        endpoints: endpoints(&SPACES, &limits),
        limits,
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x0C10_50C7);
        let is_whole = random.percent(50);
        let is_tight = !is_whole && random.percent(40);
        let manner = Manner { is_whole, is_narrow: random.percent(40), is_tight };
        let mut world = Self::of(random, manner);
        for _ in 0..2 + world.random.below(3) {
            world.add_node();
        }
        for number in 0..3 + world.random.below(5) {
            let namespace = world.random.pick(&SPACES).0;
            let client = Client::new(number, namespace, 7 + world.random.below(2), world.random.percent(85));
            world.clients.push(client);
        }
        world
    }

    /// One with nobody in it.
    pub(crate) fn of(random: Random, manner: Manner) -> Self {
        let now = Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp");
        Self {
            random,
            manner,
            server: Server::new(now),
            nodes: Vec::new(),
            clients: Vec::new(),
            ghosts: Vec::new(),
            events: Vec::new(),
            arriving: Vec::new(),
            now,
            next_node: 1,
            opened: 0,
            settled: 0,
            dead: Vec::new(),
            rivals: HashSet::new(),
            closed: 0,
            taken_over: 0,
        }
    }

    pub(crate) fn add_node(&mut self) {
        let port = self.server.join(self.next_node);
        self.next_node += 1;
        let life = (self.server.is_up && self.random.percent(50)).then_some(self.server.life);
        let shards = 1 + self.random.below(2);
        let skew = self.random.below(4_000) as i64 - 2_000;
        self.nodes.push(Node::new(port, life, setting(self.manner), shards, (self.now, skew)));
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
        let id = self.nodes[node].id;
        if self.server.cut(id, &mut self.random) {
            let node = &mut self.nodes[node];
            node.cuts += 1;
            node.hub.hear(Told::Down, node.now);
            self.doubt_plain(id);
        }
    }

    /// Those who did not ask for recovery are not told of what they miss.
    fn doubt_plain(&mut self, node: NodeId) {
        let is_whole = self.manner.is_whole;
        let is_it = |link: &Connected| link.node == node;
        for client in self.clients.iter_mut().filter(|client| client.link.as_ref().is_some_and(is_it)) {
            if !client.recovers {
                client.doubt_streams(|name| !is_whole || !keeps_all(name));
            }
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
            0 if !self.manner.is_whole => self.server.lose(true, &mut self.random),
            1 if !self.manner.is_whole => self.server.lose(false, &mut self.random),
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
            if self.clients[index].link.as_ref().is_some_and(|link| link.node == id) {
                self.read_some(index);
                self.clients[index].left(self.nodes[place].now.ms, false);
            }
        }
        self.ghosts.retain(|ghost| ghost.link.node != id);
        self.nodes.remove(place);
        self.dead.push((id, self.now.as_millis() + self.random.below(8_000) as i64));
    }

    pub(crate) fn place_of(&self, id: NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
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
        let hub = Arc::clone(&self.nodes[node].hub);
        let user = user(self.clients[index].user).user;
        let ready = Box::pin(async move { hub.prepare_own(None, Some(&user)).await });
        self.arriving.push(Arriving { client: index, node: self.nodes[node].id, ready });
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
            self.open(client, node, is_ready == Poll::Ready(true));
        }
    }

    pub(crate) fn has_arriving(&self) -> bool {
        !self.arriving.is_empty()
    }

    fn open(&mut self, index: usize, node: NodeId, is_ready: bool) {
        self.opened += 1;
        let id = ConnectionId::from_random(self.opened << 64 | self.opened.wrapping_mul(0x9E37_79B9));
        let pick = self.random.below(64);
        let Some(place) = self.place_of(node) else { return };
        let node = &mut self.nodes[place];
        let client = &mut self.clients[index];
        let shard = pick % node.shards.len();
        let shown = client.session.pid.clone();
        let must_recover = std::mem::take(&mut client.must_recover);
        let is_certain = client.recovers || self.manner.is_whole && is_ready && node.hub.has_broker();
        let (key, pipe) = node.open_socket(id, shard, client.namespace, user(client.user), &client.auth());
        client.is_uncertain = true;
        client.link = Some(Connected {
            node: node.id,
            shard,
            key,
            pipe,
            read: 0,
            is_in: false,
            from: self.settled,
            must_recover,
            is_certain,
            shown,
        });
    }

    /// Whether a node still has a connection.
    pub(crate) fn is_open(&self, link: &Connected) -> bool {
        let Some(node) = self.place_of(link.node) else { return false };
        !link.pipe.borrow().is_shut && self.nodes[node].shards[link.shard].is_open(link.key)
    }

    /// A connection is at its end, as its node sees it.
    pub(crate) fn end(&mut self, link: &Connected) {
        let Some(node) = self.place_of(link.node) else { return };
        if !link.pipe.borrow().is_shut {
            self.nodes[node].shards[link.shard].end(link.key);
        }
    }

    fn read_some(&mut self, index: usize) {
        let unread = self.clients[index].unread();
        let most = self.random.below(unread + 1).max(unread / 2);
        self.read_up_to(index, most);
    }

    /// A client reads some of what has come; if it was closed it has no connection any more.
    pub(crate) fn read(&mut self, index: usize) {
        self.read_some(index);
        let is_shut = |link: &Connected| link.pipe.borrow().is_shut;
        if self.clients[index].unread() == 0 && self.clients[index].link.as_ref().is_some_and(is_shut) {
            self.clients[index].left(0, false);
        }
    }

    pub(crate) fn read_up_to(&mut self, index: usize, most: usize) {
        let truth = Known { store: &self.server.store, events: &self.events };
        let link = self.clients[index].link.as_ref().map(|link| (link.node, link.shard, link.key));
        let pipe = self.clients[index].link.as_ref().map(|link| std::rc::Rc::clone(&link.pipe));
        self.clients[index].read(most, &truth, false);
        match self.clients[index].ended.take() {
            Some(Ended::Closed(code)) => {
                assert!(COME_BACK.contains(&code), "client {index} is closed with {code}");
                self.closed += 1;
            }
            Some(Ended::TakenOver) => {
                assert!(self.rivals.contains(&index), "nobody else has shown what client {index} has");
                self.taken_over += 1;
            }
            None => return,
        }
        // The other end of its connection is gone as well.
        if let (Some((node, shard, key)), Some(pipe)) = (link, pipe)
            && let Some(place) = self.place_of(node)
            && !pipe.borrow().is_shut
        {
            self.nodes[place].shards[shard].end(key);
        }
    }

    /// A connection breaks: of what arrived some is lost.
    pub(crate) fn cut(&mut self, index: usize) {
        self.read_some(index);
        let Some(link) = self.clients[index].link.take() else { return };
        let is_open = self.is_open(&link);
        self.clients[index].left(0, is_open);
        self.note_rival(index, &link);
        self.end(&link);
    }

    /// What a connection asked for that was left before it was let in may still be handed over to it.
    fn note_rival(&mut self, index: usize, link: &Connected) {
        if !link.is_in && link.shown.is_some() {
            self.rivals.insert(index);
        }
    }

    /// The client goes, and its node does not know.
    pub(crate) fn desert(&mut self, index: usize) {
        self.read_some(index);
        let Some(link) = self.clients[index].link.take() else { return };
        let is_open = self.is_open(&link);
        self.clients[index].left(0, is_open);
        if self.manner.is_narrow {
            link.pipe.borrow_mut().room = Some(0);
        }
        self.note_rival(index, &link);
        let Some(place) = self.place_of(link.node) else { return };
        self.ghosts.push(Ghost { client: index, link, cuts: self.nodes[place].cuts });
    }

    /// A node hears that a client has gone.
    pub(crate) fn end_ghost(&mut self) {
        if !self.ghosts.is_empty() {
            let place = self.random.below(self.ghosts.len());
            let ghost = self.ghosts.swap_remove(place);
            self.end(&ghost.link);
        }
    }

    /// Clocks go on.
    pub(crate) fn pass_time(&mut self, ms: u64) {
        // Who may come in does so at once, and nobody waits for long before that.
        self.arrive();
        while ms > 2_000 && !self.arriving.is_empty() {
            self.arrive();
        }
        self.now = Timestamp::from_millis(self.now.as_millis() + i64::try_from(ms).expect("short"));
        self.server.pass(self.now);
        let now = self.now.as_millis();
        for (id, _) in self.dead.extract_if(.., |(_, until)| *until <= now) {
            self.server.bury(id);
        }
        for node in &mut self.nodes {
            node.pass(ms, self.now);
        }
        self.arrive();
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

    /// The broker forgets a stream that keeps nothing and that no node follows.
    pub(crate) fn forget(&mut self) {
        let names = self.server.store.names();
        if self.manner.is_whole || names.is_empty() {
            return;
        }
        let name = self.random.pick(&names);
        let followed: BTreeSet<&Box<str>> =
            self.nodes.iter().flat_map(|node| self.server.follows(node.id)).collect();
        if !followed.contains(name) {
            self.server.store.forget(name, self.now);
        }
    }
}

/// Whether a stream keeps all that a run has, where the world is whole.
pub(crate) fn keeps_all(stream: &str) -> bool {
    !["few", "young", "none"].iter().any(|name| stream.ends_with(name))
}
