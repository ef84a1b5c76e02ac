//! Sockets that come back while things break, driven at random from a seed, judged by a model.
//!
//! What a recovered socket saw over all its lives is what was for it, once, in order; where that can't be told it has
//! another pid. `FANFARE_SEED=n` repeats one run, `FANFARE_SIMULATION_SEEDS=n` runs so many.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use hub::journal::{Journal, JournalError};
use hub::rules::{ChannelRule, ChannelRules, HistoryRule, Identities};
use hub::{
    Accepted, Beginning, Commit, Hub, Limits, Metrics, Now, Opening, Outgoing, Packing, PublishError,
    Recipients, Shard,
};
use protocol::publication::PublishRequest;
use protocol::timestamp::Timestamp;
use protocol::websocket::Incoming;
use protocol::{ChannelPattern, ConnectionId, PublicationId};
use serde_json::json;
use tokio::sync::oneshot::Receiver;

use super::client::{Client, Connected, Event, Truth};
use super::model::{NAMESPACES, TYPES, endpoints, streams_of};
use crate::bench::user;
use crate::link::{FakeLink, pipe};
use crate::random::Random;
use crate::recovery::store::{FakeStore, Luck};
use crate::world::Awake;

/// How many seeds run by default.
const SEEDS: u64 = 250;

/// Channels: how many events they keep, and whether on disk. The first two keep all that a run has.
const CHANNELS: [(&str, u32, bool); 5] = [
    ("d:many", 1000, true),
    ("m:many", 1000, false),
    ("d:few", 4, true),
    ("m:few", 3, false),
    ("u:none", 0, false),
];

/// Publications by their numbers, which are their places, and whether they were released.
#[derive(Debug, Default)]
struct Events(Vec<(Event, bool)>);

impl Truth for Events {
    fn next(&self) -> usize {
        self.0.len()
    }

    fn event(&self, number: usize) -> &Event {
        &self.0[number].0
    }

    fn place(&self, number: usize) -> Option<usize> {
        self.0[number].1.then_some(number)
    }

    fn between(&self, from: usize, until: usize) -> Vec<usize> {
        (from..until.min(self.0.len())).filter(|&number| self.0[number].1).collect()
    }
}

/// What a world is like.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// Nothing is forgotten, and the disk does not fail: who comes back in time is recovered.
    is_calm: bool,
    has_disk: bool,
    /// Whether what has no channel is on disk.
    is_durable: bool,
    is_narrow: bool,
}

struct World {
    random: Random,
    manner: Manner,
    hub: Arc<Hub>,
    shards: Vec<Shard<FakeLink>>,
    store: FakeStore,
    commit: Option<Commit>,
    clients: Vec<Client>,
    /// Connections that their clients have left, and that the hub still has.
    ghosts: Vec<Connected>,
    events: Events,
    pending: BTreeMap<usize, Receiver<Result<Recipients, PublishError>>>,
    now: Now,
    opened: u128,
    lives: u8,
    /// Publications up to the last rest.
    settled: usize,
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn a_recovered_socket_has_had_everything_once_and_in_order_whatever_breaks() {
    let seeds = match number("FANFARE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FANFARE_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let is_long = seeds.end - seeds.start >= 10;
    let mut recovered = 0;
    for seed in seeds {
        recovered += catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| {
            eprintln!("FANFARE_SEED={seed} repeats this");
            resume_unwind(panic);
        });
    }
    assert!(recovered > 0 || !is_long, "sockets come back");
}

fn run(seed: u64) -> usize {
    let mut world = World::new(seed);
    for _ in 0..4 {
        for _ in 0..160 {
            world.act();
        }
        world.settle();
    }
    world.clients.iter().map(|client| client.recovered).sum()
}

fn limits(manner: Manner) -> Limits {
    let (outbox_bytes, outbox_frames) = if manner.is_narrow { (6_000, 12) } else { (1 << 20, 1024) };
    Limits { outbox_bytes, outbox_frames, ..Limits::default() }
}

fn begin(manner: Manner, store: &FakeStore, now: Now, life: u8, shards: usize) -> Arc<Hub> {
    let rule = |pattern: &str, size, durable| ChannelRule {
        pattern: ChannelPattern::new(pattern).expect("a pattern"),
        subscribe: None,
        publish: None,
        history: Some(HistoryRule { size, age: Duration::from_secs(600), durable }),
    };
    let (all, own) = if manner.is_calm { (1000, 1000) } else { (20, 6) };
    let others = [rule("@all", all, manner.is_durable), rule("user:*", own, manner.is_durable)];
    let channels = CHANNELS.iter().map(|&(name, size, durable)| rule(name, size, durable));
    let rules = ChannelRules::new(channels.chain(others).collect(), Identities::Known);
    let limits = limits(manner);
    let endpoints = endpoints(&NAMESPACES, &limits);
    let wakes = (0..shards).map(|_| Box::new(Awake) as Box<dyn hub::Wake>).collect();
    let stored = manner.has_disk.then(|| store.stored());
    let beginning =
        Beginning { stored, now: Some(now.wall), random: [life; 32], endpoints, ..Beginning::default() };
    Arc::new(Hub::begin(rules, limits, Metrics::new(&prometheus::Registry::new()), wakes, beginning))
}

fn publication_id(number: usize) -> PublicationId {
    PublicationId::from_u128(number as u128 + 1)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x50C7);
        let manner = Manner {
            is_calm: random.percent(40),
            has_disk: random.percent(60),
            is_durable: random.percent(60),
            is_narrow: random.percent(50),
        };
        let store = FakeStore::new([7; 32]);
        let wall = Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp");
        let now = Now { ms: 1_000_000, wall };
        let count = 1 + random.below(3);
        let hub = begin(manner, &store, now, 1, count);
        let shards = (0..count).map(|index| Shard::new(Arc::clone(&hub), index)).collect();
        let clients = (0..3 + random.below(5)).map(|number| {
            let namespace = random.pick(&NAMESPACES).0;
            let user = 7 + random.below(2);
            Client::new(number, namespace, user, random.percent(80))
        });
        let clients = clients.collect();
        Self {
            random,
            manner,
            hub,
            shards,
            store,
            commit: None,
            clients,
            ghosts: Vec::new(),
            events: Events::default(),
            pending: BTreeMap::new(),
            now,
            opened: 0,
            lives: 1,
            settled: 0,
        }
    }

    fn act(&mut self) {
        let what = self.random.below(1000);
        let shard = self.random.below(self.shards.len());
        let index = self.random.below(self.clients.len());
        match what {
            0..180 => {
                let budget = 1 + self.random.below(4);
                self.shards[shard].step(budget, self.now);
            }
            180..300 => self.shards[shard].take_inbox(self.now),
            300..500 => self.publish(),
            500..570 => self.begin_commit(),
            570..640 => {
                let luck = if !self.manner.is_calm && self.random.percent(15) {
                    Luck::Failed
                } else {
                    Luck::Written
                };
                self.end_commit(luck);
            }
            640..740 if self.clients[index].link.is_none() => self.connect(index),
            640..780 => self.read(index),
            780..800 => self.cut(index),
            800..815 => self.desert(index),
            815..830 => self.end_ghost(),
            830..880 => self.ask(index),
            880..910 if self.manner.is_narrow => self.narrow(index),
            880..940 => self.widen(index),
            940..970 => self.pass_time(400),
            970..976 => self.pass_time(3_500),
            976..980 => self.pass_time(90_000),
            980..990 if self.manner.has_disk && !self.manner.is_calm => self.crash(),
            _ => {}
        }
    }

    /// The number before which everything was released, or never will be.
    fn released(&self) -> usize {
        self.pending.keys().next().copied().unwrap_or(self.events.next())
    }

    fn publish(&mut self) {
        let number = self.events.next();
        let kind = *self.random.pick(&TYPES);
        let pad = "x".repeat(if self.random.percent(20) { self.random.below(1500) } else { 5 });
        let mut body = json!({ "type": kind, "data": { "n": number, "pad": pad } });
        let (mut users, mut channels) = (Vec::new(), BTreeSet::new());
        if self.random.percent(45) {
            let who = 7 + self.random.below(2);
            users.push(format!("user:{who}"));
            body["user_id"] = who.into();
        }
        if self.random.percent(50) {
            channels.extend((0..1 + self.random.below(2)).map(|_| self.random.pick(&CHANNELS).0));
            body["channels"] = json!(channels);
        }
        let mut event = Event::default();
        let known = self.random.below(self.clients.len());
        let sid = self.clients[known].session.sid;
        let has_namespace = self.random.percent(30);
        if let Some(sid) = sid.filter(|_| !has_namespace && self.random.percent(8)) {
            event.connection = Some(sid);
            body["connection_id"] = sid.to_string().into();
            let client = &mut self.clients[known];
            let is_wide = |link: &Connected| link.is_in && link.pipe.borrow().room.is_none();
            let is_open = client.link.as_ref().is_some_and(|link| {
                is_wide(link) && !link.pipe.borrow().is_shut && self.shards[link.shard].is_open(link.key)
            });
            // Until it was all read it may be over, for all that is known.
            if is_open && !self.manner.is_narrow && !self.manner.has_disk {
                client.session.direct.insert(number);
            }
        } else if let Some(sid) = sid.filter(|_| self.random.percent(15)) {
            event.except = Some(sid);
            body["except_connection_id"] = sid.to_string().into();
        }
        let namespace = has_namespace.then(|| self.random.pick(&NAMESPACES).0);
        if let Some(name) = namespace {
            body["namespace"] = name.into();
        }
        let streams = streams_of(kind, &users, &channels, namespace, event.connection.is_some());
        event.is_unkept = streams.iter().any(|stream| stream.ends_with("u:none"));
        event.streams = streams;
        let request = PublishRequest::parse(body.to_string().as_bytes()).expect("a publication");
        let (publication, target, except) = request.into_publication(publication_id(number), self.now.wall);
        event.is_transient = self.random.percent(6);
        let is_transient = event.is_transient;
        let outgoing = Outgoing { except, is_transient, ..Outgoing::new(publication, target, self.now.wall) };
        let is_released = match self.hub.publish(outgoing).expect("room") {
            Accepted::Now(_) => true,
            Accepted::Waiting(waiting) => {
                self.pending.insert(number, waiting);
                false
            }
        };
        self.events.0.push((event, is_released));
    }

    fn begin_commit(&mut self) {
        if self.commit.is_none() {
            self.commit = self.hub.begin_commit(self.now.wall);
        }
    }

    fn end_commit(&mut self, luck: Luck) {
        let Some(commit) = self.commit.take() else { return };
        self.store.luck = luck;
        let written: Result<(), JournalError> = self.store.commit(commit.group());
        self.hub.end_commit(commit, written.as_ref().map(|&()| ()));
        let events = &mut self.events;
        self.pending.retain(|&number, waiting| match waiting.try_recv() {
            Ok(outcome) => {
                events.0[number].1 = outcome.is_ok();
                false
            }
            Err(_) => true,
        });
    }

    fn connect(&mut self, index: usize) {
        self.opened += 1;
        let id = ConnectionId::from_random(self.opened << 64 | self.opened.wrapping_mul(0x9E37_79B9));
        let shard = self.random.below(self.shards.len());
        // What is on its way to others also reaches who comes now, where it is given nothing to come back with.
        let from = if self.clients[index].recovers { self.released() } else { self.settled };
        let client = &mut self.clients[index];
        let endpoint = self.hub.namespace(client.namespace).expect("a namespace");
        let (link, pipe) = pipe();
        let shown = client.session.pid.clone();
        let must_recover = self.manner.is_calm
            && shown.is_some()
            && !client.is_uncertain
            && self.now.ms - client.dropped < 119_000
            && !client.session.follows.keys().any(|name| name.ends_with("few") || name.ends_with("none"));
        let opening = Opening {
            endpoint,
            wire: self.hub.endpoint(endpoint).wire(Packing::Plain),
            first: Some(client.auth().to_string().into()),
            ..Opening::new(id, hub::Wire::Channels, Some(user(client.user)), self.hub.admit().expect("room"))
        };
        let key = self.shards[shard].open(link, opening, self.now);
        client.is_uncertain = true;
        client.link = Some(Connected {
            node: 0,
            shard,
            key,
            pipe,
            read: 0,
            is_in: false,
            from,
            must_recover,
            is_certain: true,
            shown,
        });
    }

    fn read(&mut self, index: usize) {
        let unread = self.clients[index].unread();
        let most = self.random.below(unread + 1).max(unread / 2);
        self.read_up_to(index, most);
    }

    fn read_up_to(&mut self, index: usize, most: usize) {
        let was_there = self.clients[index].link.is_some();
        self.clients[index].read(most, &self.events, self.manner.is_calm);
        if was_there && self.clients[index].link.is_none() {
            // When the hub closed it is not known here.
            self.clients[index].is_uncertain = true;
        }
    }

    /// The connection breaks; what was written last may never arrive.
    fn cut(&mut self, index: usize) {
        self.read(index);
        let client = &mut self.clients[index];
        let Some(link) = client.link.take() else { return };
        client.left(self.now.ms, !link.pipe.borrow().is_shut && self.shards[link.shard].is_open(link.key));
        if !link.pipe.borrow().is_shut {
            if self.random.percent(30) {
                let goodbye = Incoming::Close(None);
                let _ = self.shards[link.shard].on_incoming(link.key, &goodbye, self.now);
            } else {
                self.shards[link.shard].end(link.key);
            }
        }
    }

    /// The client goes, and the hub does not know.
    fn desert(&mut self, index: usize) {
        self.read(index);
        let client = &mut self.clients[index];
        let Some(link) = client.link.take() else { return };
        let is_open = !link.pipe.borrow().is_shut && self.shards[link.shard].is_open(link.key);
        client.left(self.now.ms, is_open);
        if self.manner.is_narrow {
            link.pipe.borrow_mut().room = Some(0);
        }
        self.ghosts.push(link);
    }

    fn end_ghost(&mut self) {
        if self.ghosts.is_empty() {
            return;
        }
        let place = self.random.below(self.ghosts.len());
        let ghost = self.ghosts.swap_remove(place);
        if !ghost.pipe.borrow().is_shut {
            self.shards[ghost.shard].end(ghost.key);
        }
    }

    fn ask(&mut self, index: usize) {
        let channels: &[(&str, u32, bool)] =
            if self.manner.is_calm && self.random.percent(90) { &CHANNELS[..2] } else { &CHANNELS };
        let channel = self.random.pick(channels).0;
        let is_join = self.random.percent(65);
        // Streams that are joined while others are read begin where those stand.
        let from = if self.clients[index].recovers { 0 } else { self.settled };
        let client = &mut self.clients[index];
        let Some(link) = client.link.as_ref().filter(|link| link.is_in && !link.pipe.borrow().is_shut) else {
            return;
        };
        let (shard, key) = (link.shard, link.key);
        let packet = client.ask(is_join, channel, from);
        let _ = self.shards[shard].on_incoming(key, &Incoming::Text(&packet), self.now);
    }

    fn narrow(&mut self, index: usize) {
        let room = self.random.below(600);
        if let Some(link) = &self.clients[index].link {
            link.pipe.borrow_mut().room = Some(room);
        }
    }

    fn widen(&mut self, index: usize) {
        let Some(link) = &self.clients[index].link else { return };
        link.pipe.borrow_mut().room = None;
        if !link.pipe.borrow().is_shut {
            self.shards[link.shard].on_writable(link.key);
        }
    }

    fn pass_time(&mut self, ms: u64) {
        self.now.ms += ms;
        self.now.wall = Timestamp::from_millis(self.now.wall.as_millis() + i64::try_from(ms).expect("short"));
        for shard in &mut self.shards {
            shard.tick(self.now);
        }
        self.hub.keep_house(self.now);
    }

    /// The process dies, and another one goes on with what is on disk.
    fn crash(&mut self) {
        let is_noted = self.random.percent(60);
        if is_noted {
            self.begin_commit();
            self.end_commit(Luck::Written);
            self.begin_commit();
            self.end_commit(Luck::Written);
        }
        if let Some(commit) = self.commit.take().filter(|_| self.random.percent(50)) {
            self.store.luck = Luck::Written;
            self.store.commit(commit.group()).expect("luck is with it");
            let ids: Vec<PublicationId> = commit.group().entries.iter().map(|entry| entry.id).collect();
            for &number in self.pending.keys() {
                let (event, is_released) = &mut self.events.0[number];
                if ids.contains(&publication_id(number)) {
                    *is_released = true;
                    let manner = self.manner;
                    event.streams.retain(|name| is_on_disk(manner, name));
                    event.is_unkept = false;
                }
            }
        }
        self.pending.clear();
        for index in 0..self.clients.len() {
            self.read(index);
            let client = &mut self.clients[index];
            client.leave();
            client.is_uncertain = true;
            client.forget_users();
            if !is_noted {
                client.doubt();
            }
        }
        self.ghosts.clear();
        self.lives += 1;
        let count = 1 + self.random.below(3);
        self.hub = begin(self.manner, &self.store, self.now, self.lives, count);
        self.shards = (0..count).map(|index| Shard::new(Arc::clone(&self.hub), index)).collect();
    }

    /// Lets everything happen that can, and looks whether all has come.
    fn settle(&mut self) {
        let mut quiet = 0;
        for round in 0.. {
            assert!(round < 500, "it comes to rest");
            let before: usize = self.clients.iter().map(Client::heard).sum();
            self.begin_commit();
            let is_busy = self.commit.is_some();
            self.end_commit(Luck::Written);
            for shard in 0..self.shards.len() {
                self.shards[shard].take_inbox(self.now);
                while self.shards[shard].step(50, self.now) {}
            }
            for index in 0..self.clients.len() {
                self.widen(index);
                let unread = self.clients[index].unread();
                self.read_up_to(index, unread);
            }
            let heard: usize = self.clients.iter().map(Client::heard).sum();
            // A question goes round the shards before it is answered.
            quiet = if !is_busy && before == heard && self.hub.unwritten() == 0 { quiet + 1 } else { 0 };
            if quiet > self.shards.len() {
                break;
            }
        }
        assert_eq!(self.hub.queued(), 0, "nothing waits");
        self.settled = self.events.next();
        for client in &mut self.clients {
            if client.link.as_ref().is_some_and(|link| link.pipe.borrow().is_shut) {
                client.is_uncertain = true;
                client.leave();
            }
            client.settled(&self.events);
        }
    }
}

fn is_on_disk(manner: Manner, name: &str) -> bool {
    let outside =
        name.strip_prefix("@/").map_or(name, |named| named.split_once(':').map_or("@all", |(_, rest)| rest));
    CHANNELS
        .iter()
        .find(|(channel, ..)| *channel == outside)
        .map_or(manner.is_durable, |(_, _, durable)| *durable)
}
