//! Who is there, over several nodes of which each may lose its broker or die, driven at random from a seed.
//!
//! A checker holds: once all is quiet every node lists exactly the users that have a subscribed connection on any node, and
//! where all have gone nothing is left; the last word about each user with sockets is true; where nothing breaks they
//! were told in turns to have come and gone. `FANFARE_SEED=n` repeats one run.

mod broker;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hub::broker::{NodeId, Told};
use hub::rules::{ChannelRules, Identities};
use hub::{Beginning, Endpoint, Hub, Limits, Metrics, Namespace, Now, Opening, Packing, Shard, Wake, Wire};
use protocol::ConnectionId;
use protocol::timestamp::Timestamp;
use protocol::websocket::Incoming;

use self::broker::Server;
use crate::bench::user;
use crate::link::{FakeLink, Pipe, pipe};
use crate::random::Random;
use crate::world::Awake;

const SEEDS: u64 = 12;
const USERS: usize = 6;

struct Node {
    id: NodeId,
    hub: Arc<Hub>,
    shards: Vec<Shard<FakeLink>>,
    now: Now,
    /// Connections that have ended: their places may be others' by now.
    gone: HashSet<ConnectionId>,
}

impl Node {
    fn has(&mut self, connection: &Connection) -> bool {
        let shard = &mut self.shards[connection.shard];
        self.gone.extend(shard.take_ended().map(|ended| ended.connection));
        !self.gone.contains(&connection.id)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Channels { subscribed: bool },
    Socket,
}

struct Connection {
    id: ConnectionId,
    node: NodeId,
    shard: usize,
    key: u32,
    user: usize,
    kind: Kind,
    _pipe: Rc<RefCell<Pipe>>,
}

struct World {
    random: Random,
    server: Server,
    nodes: Vec<Node>,
    connections: Vec<Connection>,
    opened: u128,
    wall: i64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            random: Random::new(seed),
            server: Server::default(),
            nodes: Vec::new(),
            connections: Vec::new(),
            opened: 0,
            wall: 1_800_000_000_000,
        };
        world.server.pass(Timestamp::from_millis(world.wall));
        for _ in 0..2 + world.random.below(2) {
            world.add_node();
        }
        world
    }

    fn add_node(&mut self) {
        let id = u32::try_from(self.random.next() >> 33).expect("31 bits");
        let limits = Limits { presence_grace: Duration::from_secs(2), ..Limits::default() };
        let chat = Namespace::new("/chat", &["user_online", "user_offline"]);
        let endpoints =
            vec![Endpoint::new(hub::Dialect::CHANNELS, &limits), Endpoint::of_namespace(chat, &limits)];
        let shards = 1 + self.random.below(2);
        let wakes = (0..shards).map(|_| Box::new(Awake) as Box<dyn Wake>).collect();
        let beginning = Beginning {
            endpoints,
            random: [7; 32],
            broker: Some((self.server.join(id), None)),
            ..Beginning::default()
        };
        let metrics = Metrics::new(&prometheus::Registry::new());
        let rules = ChannelRules::new(vec![], Identities::Known);
        let hub = Arc::new(Hub::begin(rules, limits, metrics, wakes, beginning));
        hub.set_node_facts(&id.to_string(), "1");
        let shards = (0..shards).map(|index| Shard::new(Arc::clone(&hub), index)).collect();
        let now =
            Now { ms: 1_000_000 + self.random.next() % 1_000_000, wall: Timestamp::from_millis(self.wall) };
        self.nodes.push(Node { id, hub, shards, now, gone: HashSet::new() });
        self.server.connect(id);
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.id == id).expect("it lives")
    }

    fn any_node(&mut self) -> NodeId {
        let place = self.random.below(self.nodes.len());
        self.nodes[place].id
    }

    fn open(&mut self, id: NodeId, who: usize, is_socket: bool) {
        self.opened += 1;
        let connection = ConnectionId::from_random(self.opened << 64 | self.opened.wrapping_mul(0x9E37_79B9));
        let draw = self.random.next();
        let node = self.node(id);
        let shard = usize::try_from(draw % node.shards.len() as u64).expect("few");
        let (link, pipe) = pipe();
        let admission = node.hub.admit().expect("room");
        let identity = (who < USERS).then(|| user(who));
        let mut opening = Opening::new(connection, Wire::Channels, identity, admission);
        if is_socket {
            let endpoint = node.hub.namespace("/chat").expect("a namespace");
            opening.endpoint = endpoint;
            opening.wire = node.hub.endpoint(endpoint).wire(Packing::Plain);
            opening.first = Some("{}".into());
        }
        let key = node.shards[shard].open(link, opening, node.now);
        let kind = if is_socket { Kind::Socket } else { Kind::Channels { subscribed: false } };
        self.connections.push(Connection {
            id: connection,
            node: id,
            shard,
            key,
            user: who,
            kind,
            _pipe: pipe,
        });
    }

    fn say(&mut self, place: usize, text: &str) {
        let connection = &self.connections[place];
        let (shard, key) = (connection.shard, connection.key);
        let node = self.nodes.iter_mut().find(|node| node.id == connection.node).expect("it lives");
        if node.has(connection) && node.shards[shard].is_open(key) {
            node.shards[shard].heard(key, node.now);
            let _ = node.shards[shard].on_incoming(key, &Incoming::Text(text), node.now);
        }
    }

    fn end(&mut self, place: usize) {
        let connection = self.connections.swap_remove(place);
        let node = self.node(connection.node);
        if node.has(&connection) {
            node.shards[connection.shard].end(connection.key);
        }
    }

    /// All connections show a sign of life; those that the hub has ended are no more.
    fn breathe(&mut self) {
        let nodes = &mut self.nodes;
        self.connections.retain(|connection| {
            let node = nodes.iter_mut().find(|node| node.id == connection.node).expect("it lives");
            let is_there = node.has(connection) && node.shards[connection.shard].is_open(connection.key);
            if is_there {
                node.shards[connection.shard].heard(connection.key, node.now);
            }
            is_there
        });
    }

    fn cut(&mut self, id: NodeId) {
        if self.server.is_up(id) {
            self.server.cut(id);
            let node = self.node(id);
            node.hub.hear(Told::Down, node.now);
        }
    }

    fn pass(&mut self, ms: u64) {
        self.wall += i64::try_from(ms).expect("short");
        self.server.pass(Timestamp::from_millis(self.wall));
        for node in &mut self.nodes {
            node.now.ms += ms;
            node.now.wall = Timestamp::from_millis(self.wall);
            node.hub.keep_house(node.now);
        }
        self.breathe();
        for node in &mut self.nodes {
            node.shards.iter_mut().for_each(|shard| shard.tick(node.now));
        }
    }

    /// A little of what lies before nodes and the broker is carried out, in any order.
    fn churn(&mut self) {
        for _ in 0..self.random.below(12) {
            let id = self.any_node();
            match self.random.below(3) {
                0 => drop(self.server.serve(id)),
                1 => self.tell(id),
                _ => self.work(id),
            }
        }
    }

    fn tell(&mut self, id: NodeId) {
        if let Some(told) = self.server.next_told(id) {
            let node = self.node(id);
            node.hub.hear(told, node.now);
        }
    }

    fn work(&mut self, id: NodeId) {
        let node = self.node(id);
        for shard in &mut node.shards {
            shard.take_inbox(node.now);
            while shard.step(50, node.now) {}
        }
    }

    /// All that lies before anybody is carried out.
    fn rest(&mut self) {
        let ids: Vec<NodeId> = self.nodes.iter().map(|node| node.id).collect();
        for _ in 0..60 {
            for &id in &ids {
                while self.server.serve(id) {}
                for _ in 0..200 {
                    self.tell(id);
                }
                self.work(id);
            }
        }
    }

    fn act(&mut self, has_breaks: bool) {
        let any = |random: &mut Random, len: usize| (len > 0).then(|| random.below(len));
        let place = any(&mut self.random, self.connections.len());
        match self.random.below(100) {
            0..20 => {
                let (id, who) = (self.any_node(), self.random.below(USERS));
                let is_socket = self.random.percent(50);
                self.open(id, who, is_socket);
            }
            20..40 => {
                if let Some(place) = place
                    && let Kind::Channels { subscribed } = &mut self.connections[place].kind
                {
                    *subscribed = true;
                    self.say(place, "{\"type\":\"subscribe\",\"channels\":[\"room\"]}");
                }
            }
            40..46 => {
                if let Some(place) = place
                    && let Kind::Channels { subscribed } = &mut self.connections[place].kind
                {
                    *subscribed = false;
                    self.say(place, "{\"type\":\"unsubscribe\",\"channels\":[\"room\"]}");
                }
            }
            46..60 => {
                if let Some(place) = place {
                    self.end(place);
                }
            }
            60..68 => {
                if let Some(place) = place
                    && self.connections[place].kind != Kind::Socket
                {
                    let watch = self.random.percent(30);
                    self.say(
                        place,
                        &format!("{{\"type\":\"presence\",\"channel\":\"room\",\"watch\":{watch}}}"),
                    );
                }
            }
            68..90 => {
                let ms = [10, 100, 250, 250, 1_000, 4_000][self.random.below(6)];
                self.pass(ms);
            }
            90..93 if has_breaks => {
                let id = self.any_node();
                self.cut(id);
            }
            93..97 if has_breaks => {
                let id = self.any_node();
                self.server.connect(id);
            }
            97 if has_breaks && self.nodes.len() > 1 => {
                let place = self.random.below(self.nodes.len());
                let node = self.nodes.swap_remove(place);
                self.server.bury(node.id);
                self.connections.retain(|connection| connection.node != node.id);
            }
            98 if has_breaks && self.nodes.len() < 4 => self.add_node(),
            99 if has_breaks => {
                if self.random.percent(50) {
                    let ids: Vec<NodeId> = self.nodes.iter().map(|node| node.id).collect();
                    ids.into_iter().for_each(|id| self.cut(id));
                    self.server.is_down = true;
                } else {
                    self.server.is_down = false;
                }
            }
            _ => {}
        }
        self.churn();
    }

    /// All nodes have their broker, and all that has to happen by time has happened.
    fn settle(&mut self) {
        self.server.is_down = false;
        let ids: Vec<NodeId> = self.nodes.iter().map(|node| node.id).collect();
        for &id in &ids {
            self.server.connect(id);
        }
        for _ in 0..8 {
            self.rest();
            self.pass(250);
        }
        // What could not be had while the broker was away is asked for again.
        for place in 0..self.connections.len() {
            if self.connections[place].kind == (Kind::Channels { subscribed: true }) {
                self.say(place, "{\"type\":\"subscribe\",\"channels\":[\"room\"]}");
            }
        }
        for _ in 0..60 {
            self.rest();
            self.pass(250);
        }
        self.rest();
    }

    fn check(&mut self, has_breaks: bool) {
        let ids: Vec<NodeId> = self.nodes.iter().map(|node| node.id).collect();
        let there = |kind: Kind| -> BTreeSet<String> {
            let of = self.connections.iter().filter(|connection| connection.kind == kind);
            of.map(|connection| connection.user.to_string()).collect()
        };
        let (present, online) = (there(Kind::Channels { subscribed: true }), there(Kind::Socket));
        for &id in &ids {
            self.open(id, USERS, false);
            let place = self.connections.len() - 1;
            self.rest();
            self.say(place, "{\"type\":\"presence\",\"channel\":\"room\"}");
            for _ in 0..12 {
                self.rest();
                self.pass(250);
            }
            let listing = self.node(id).hub.presence().list("room", 1_000);
            let users: BTreeSet<String> =
                listing.users.iter().map(|(user, _)| user.as_str().to_owned()).collect();
            assert_eq!((listing.count, &users), (present.len(), &present), "on node {id} of {ids:?}");
            let place = self.connections.iter().position(|one| one.user == USERS).expect("the asker");
            self.end(place);
        }
        let mut told: BTreeMap<String, &str> = BTreeMap::new();
        for event in &self.server.events {
            let publication = &event.event.publication;
            let data: serde_json::Value = serde_json::from_str(&publication.data).expect("JSON");
            let (user, kind) = (data["user_id"].to_string(), &*publication.event_type);
            let before = told.insert(user.clone(), kind).unwrap_or("user_offline");
            assert!(has_breaks || before != kind, "user {user} is told of in turns");
        }
        let last: BTreeSet<String> =
            told.into_iter().filter(|(_, kind)| *kind == "user_online").map(|(user, _)| user).collect();
        assert_eq!(last, online, "who was told to be online");
    }
}

fn run(seed: u64) -> usize {
    let has_breaks = !seed.is_multiple_of(3);
    let mut world = World::new(seed);
    for _ in 0..3 {
        for _ in 0..150 {
            world.act(has_breaks);
        }
        world.settle();
        world.check(has_breaks);
    }
    while !world.connections.is_empty() {
        world.end(0);
    }
    world.settle();
    for _ in 0..300 {
        world.pass(250);
        world.rest();
    }
    world.check(has_breaks);
    for node in &world.nodes {
        assert_eq!((node.hub.presence().count("room"), node.hub.presence().graces()), (0, 0));
    }
    world.server.events.len()
}

#[test]
fn every_node_knows_who_is_there_whatever_breaks() {
    let seed = std::env::var("FANFARE_SEED").ok().map(|text| text.parse().expect("a number"));
    let seeds = seed.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let mut told = 0;
    for seed in seeds {
        told += catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| {
            eprintln!("FANFARE_SEED={seed} repeats this");
            resume_unwind(panic);
        });
    }
    assert!(told > 0, "somebody came");
}
