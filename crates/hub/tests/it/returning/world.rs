//! The simulation's world: hubs that follow each other over one store, dashboards, and a clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use hub::rules::{ChannelRule, ChannelRules, HistoryRule, Identities};
use hub::{
    Accepted, Beginning, Commit, Dialect, Endpoint, Hub, Limits, Metrics, Now, Outgoing, PublishError,
    Recipients, Shard, Wake,
};
use protocol::publication::{Audience, ConnectionTarget, Retain};
use protocol::timestamp::Timestamp;
use protocol::{
    ChannelName, ChannelPattern, ConnectionId, Publication, PublicationId, Stream, Target, UserId,
};
use tokio::sync::oneshot;

use super::client::Client;
use crate::link::FakeLink;
use crate::random::Random;
use crate::recovery::store::FakeStore;

/// A publication's number; it stands in its data.
pub(crate) type Number = usize;

/// A publication, as its publisher made it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Made {
    pub(crate) streams: BTreeSet<String>,
    pub(crate) except: Option<ConnectionId>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) retain: Option<&'static str>,
    pub(crate) size: usize,
    /// When it was released, as a count of releases.
    pub(crate) released: Option<u64>,
}

/// What the hub has of a connection, as the model knows it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) shard: usize,
    pub(crate) key: u32,
    /// What it may follow.
    pub(crate) follows: BTreeSet<String>,
    /// When it last changed, in turns of the store.
    pub(crate) changed: u64,
    /// The hub's life.
    pub(crate) life: u8,
    /// When it was last served, in milliseconds of the time of day.
    pub(crate) served_at: i64,
    /// What its client had read when it last answered a ping: who comes back with its id need not be told that.
    pub(crate) had: BTreeSet<Number>,
}

struct Waiting {
    number: Number,
    receiver: oneshot::Receiver<Result<Recipients, PublishError>>,
}

/// Streams with their rules: how many, whether on disk.
const STREAMS: [(&str, u32, bool); 9] = [
    ("@all", 400, true),
    ("user:1", 400, true),
    ("user:2", 400, false),
    ("user:3", 400, true),
    ("queue:d", 400, true),
    ("queue:m", 400, false),
    ("queue:f", 4, true),
    ("queue:n", 0, false),
    ("queue:e", 400, true),
];

pub(crate) const USERS: [&str; 3] = ["1", "2", "3"];
pub(crate) const DASHBOARD: u8 = 1;

/// Connections that a user may have in the simulation.
const PLACES: u32 = 12;

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) hub: Arc<Hub>,
    pub(crate) shards: Vec<Shard<FakeLink>>,
    pub(crate) clients: Vec<Client>,
    pub(crate) made: Vec<Made>,
    pub(crate) state: BTreeMap<(String, &'static str), Number>,
    pub(crate) known: HashMap<ConnectionId, Known>,
    pub(crate) gone: HashSet<ConnectionId>,
    /// Connections that are perhaps not gone.
    pub(crate) live: Vec<ConnectionId>,
    pub(crate) now: Now,
    pub(crate) life: u8,
    /// Turns of the store, and the one up to which it knows of connections.
    pub(crate) turn: u64,
    synced: u64,
    begun: u64,
    limits: Limits,
    store: Option<FakeStore>,
    commit: Option<Commit>,
    waiting: Vec<Waiting>,
    releases: u64,
}

struct Awake;

impl Wake for Awake {
    fn wake(&self) {}
}

fn rules() -> ChannelRules {
    let rule = |&(name, size, durable): &(&str, u32, bool)| ChannelRule {
        pattern: ChannelPattern::new(name).expect("a pattern"),
        subscribe: None,
        publish: None,
        history: Some(HistoryRule { size, age: Duration::from_secs(3600), durable }),
    };
    ChannelRules::new(STREAMS.iter().map(rule).collect(), Identities::Known)
}

fn begin(limits: &Limits, store: Option<&FakeStore>, shards: usize, now: Now, life: u8) -> Arc<Hub> {
    let wakes = (0..shards).map(|_| Box::new(Awake) as Box<dyn Wake>).collect();
    let worlds = [Dialect::CHANNELS, Dialect::DASHBOARD, Dialect::TASKS, Dialect::RECEIPTS];
    let mut endpoints: Vec<Endpoint> = worlds.into_iter().map(|world| Endpoint::new(world, limits)).collect();
    endpoints[usize::from(DASHBOARD)].connections_per_user = hub::Dial::new(Some(PLACES));
    let beginning = Beginning {
        stored: store.map(FakeStore::stored),
        now: Some(now.wall),
        random: [life; 32],
        endpoints,
        ..Beginning::default()
    };
    let metrics = Metrics::new(&prometheus::Registry::new());
    Arc::new(Hub::begin(rules(), limits.clone(), metrics, wakes, beginning))
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let limits = Limits {
            rate: None,
            outbox_bytes: [8 << 10, 1 << 20][random.below(2)],
            outbox_frames: [24, 1024][random.below(2)],
            deflate_min: Some(600),
            ..Limits::default()
        };
        let store = random.percent(75).then(|| FakeStore::new([9; 32]));
        let wall = Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp");
        let now = Now { ms: 1_000_000, wall };
        let shards = 1 + random.below(3);
        let hub = begin(&limits, store.as_ref(), shards, now, 1);
        Self {
            shards: (0..shards).map(|index| Shard::new(Arc::clone(&hub), index)).collect(),
            random,
            hub,
            clients: Vec::new(),
            made: Vec::new(),
            state: BTreeMap::new(),
            known: HashMap::new(),
            gone: HashSet::new(),
            live: Vec::new(),
            now,
            life: 1,
            turn: 1,
            synced: 0,
            begun: 0,
            limits,
            store,
            commit: None,
            waiting: Vec::new(),
            releases: 0,
        }
    }

    /// Whether the hub serves a connection.
    pub(crate) fn serves(&mut self, id: ConnectionId) -> bool {
        let Some(known) = self.known.get(&id).filter(|known| known.life == self.life) else { return false };
        let (shard, key) = (known.shard, known.key);
        self.gone.extend(self.shards[shard].take_ended().map(|ended| ended.connection));
        !self.gone.contains(&id) && self.shards[shard].is_open(key)
    }

    /// The connections that the hub serves.
    pub(crate) fn served(&mut self) -> Vec<ConnectionId> {
        let mut live = std::mem::take(&mut self.live);
        live.retain(|&id| self.has(id));
        self.live.clone_from(&live);
        live.retain(|&id| self.serves(id));
        live
    }

    /// Whether the hub still has a connection, closing or not.
    pub(crate) fn has(&mut self, id: ConnectionId) -> bool {
        let Some(known) = self.known.get(&id).filter(|known| known.life == self.life) else { return false };
        let shard = known.shard;
        self.gone.extend(self.shards[shard].take_ended().map(|ended| ended.connection));
        !self.gone.contains(&id)
    }

    fn make(&mut self) -> Made {
        let mut streams = BTreeSet::new();
        match self.random.below(12) {
            0 | 1 => drop(streams.insert("@all".to_owned())),
            2..6 => drop(streams.insert(STREAMS[1 + self.random.below(8)].0.to_owned())),
            6 => {}
            _ => {
                for _ in 0..1 + self.random.below(3) {
                    streams.insert(STREAMS[1 + self.random.below(8)].0.to_owned());
                }
            }
        }
        let open: Vec<ConnectionId> =
            self.clients.iter().filter_map(|client| client.link.as_ref()).map(|link| link.id).collect();
        let is_all = streams.contains("@all");
        let except = (!open.is_empty() && self.random.percent(10)).then(|| *self.random.pick(&open));
        let connection = (!open.is_empty() && !is_all && (streams.is_empty() || self.random.percent(8)))
            .then(|| *self.random.pick(&open));
        let retain =
            (self.random.percent(12) && !streams.is_empty()).then(|| ["bar", "light"][self.random.below(2)]);
        let size = if self.random.percent(8) { self.random.below(3000) } else { self.random.below(60) };
        Made { streams, except, connection, retain, size, released: None }
    }

    pub(crate) fn publish(&mut self) {
        let made = self.make();
        if made.streams.is_empty() && made.connection.is_none() {
            return;
        }
        let number = self.made.len();
        let streams: Vec<Stream> = made
            .streams
            .iter()
            .filter(|name| *name != "@all")
            .map(|name| match name.strip_prefix("user:") {
                Some(user) => Stream::user(&UserId::from_text(user).expect("id")),
                None => Stream::channel(ChannelName::new(name).expect("name")),
            })
            .collect();
        let target = if made.streams.contains("@all") {
            Target::Everyone
        } else {
            Target::Named(Audience { streams, connection: made.connection.map(ConnectionTarget::Id) })
        };
        let data = format!("{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(made.size));
        let publication = Publication {
            id: PublicationId::from_u128(number as u128 + 1),
            event_type: "e".into(),
            data: data.into(),
            timestamp: self.now.wall,
        };
        let retain = made.retain.map(|key| {
            Box::new(Retain { key: key.into(), keep: Duration::from_secs(360_000), is_final: false })
        });
        let outgoing =
            Outgoing { except: made.except, retain, ..Outgoing::new(publication, target, self.now.wall) };
        self.made.push(made);
        match self.hub.publish(outgoing).expect("there is room") {
            Accepted::Now(_) => self.release(number),
            Accepted::Waiting(receiver) => self.waiting.push(Waiting { number, receiver }),
        }
    }

    /// A publication goes out: it is owed to all whom it is for, connected or not.
    fn release(&mut self, number: Number) {
        self.releases += 1;
        self.made[number].released = Some(self.releases);
        let made = self.made[number].clone();
        if let Some(key) = made.retain {
            for name in &made.streams {
                self.state.insert((name.clone(), key), number);
            }
        }
        let served: Vec<bool> = (0..self.clients.len())
            .map(|index| {
                let id = self.clients[index].link.as_ref().map(|link| link.id);
                id.is_some_and(|id| self.serves(id))
            })
            .collect();
        for (client, is_served) in self.clients.iter_mut().zip(served) {
            let id = client.link.as_ref().map(|link| link.id);
            if made.except.is_some() && (made.except == id || made.except == client.id) {
                continue;
            }
            if !made.streams.is_disjoint(&client.follows) {
                client.owed.insert(number);
            }
            let Some(link) = client.link.as_mut().filter(|_| is_served) else { continue };
            let pending = link.pending.iter_mut();
            let pending = pending.filter(|(name, wish)| !wish.is_held && made.streams.contains(*name));
            pending.for_each(|(_, wish)| {
                wish.events.insert(number);
            });
            let is_all = made.streams.contains("@all");
            if made.connection == Some(link.id) || is_all && !client.follows.contains("@all") {
                link.direct.insert(number);
            }
        }
    }

    fn settle_waiting(&mut self) {
        while let Some(first) = self.waiting.first_mut() {
            match first.receiver.try_recv() {
                Ok(result) => {
                    let number = self.waiting.remove(0).number;
                    if result.is_ok() {
                        self.release(number);
                    }
                }
                Err(oneshot::error::TryRecvError::Empty) => break,
                Err(oneshot::error::TryRecvError::Closed) => panic!("a publication is forgotten"),
            }
        }
    }

    pub(crate) fn begin_commit(&mut self) {
        if self.commit.is_none() && self.store.is_some() {
            self.turn += 1;
            self.begun = self.turn;
            self.commit = self.hub.begin_commit(self.now.wall);
        }
    }

    pub(crate) fn end_commit(&mut self, luck: crate::recovery::store::Luck) {
        use crate::recovery::store::Luck;
        use hub::journal::Journal;
        let Some(store) = &mut self.store else { return };
        let Some(commit) = self.commit.take() else {
            // There was nothing to write.
            return;
        };
        store.luck = luck;
        let written = store.commit(commit.group());
        store.luck = Luck::Written;
        if written.is_ok() {
            self.synced = self.begun;
        }
        self.hub.end_commit(commit, written.as_ref().map(|&()| ()));
        self.settle_waiting();
    }

    /// Writes until there is nothing to be written.
    pub(crate) fn flush_store(&mut self) -> bool {
        self.begin_commit();
        let is_busy = self.commit.is_some();
        if !is_busy && self.store.is_some() {
            self.synced = self.turn;
        }
        self.end_commit(crate::recovery::store::Luck::Written);
        is_busy
    }

    /// The process dies, and another one begins with what is on disk.
    pub(crate) fn crash(&mut self) {
        use hub::journal::Journal;
        if let (Some(commit), Some(store), true) = (&self.commit, &mut self.store, self.random.percent(50)) {
            store.commit(commit.group()).expect("luck is with it");
            self.synced = self.begun;
            let stored: Vec<PublicationId> = commit.group().entries.iter().map(|entry| entry.id).collect();
            let states = commit.group().retained.iter().filter_map(|change| match change {
                hub::journal::RetainedChange::Set { entry, .. } => Some(entry.id),
                hub::journal::RetainedChange::Forget { .. } => None,
            });
            let stored: Vec<PublicationId> = stored.into_iter().chain(states).collect();
            for waiting in std::mem::take(&mut self.waiting) {
                if stored.contains(&PublicationId::from_u128(waiting.number as u128 + 1)) {
                    self.release(waiting.number);
                }
            }
        }
        self.commit = None;
        self.waiting.clear();
        let has_store = self.store.is_some();
        for index in 0..self.clients.len() {
            self.drop_link(index);
            let client = &mut self.clients[index];
            client.may_lose = true;
            let synced = self.synced;
            let known = client.id.and_then(|id| self.known.get(&id));
            client.is_stale |= !has_store || known.is_none_or(|known| known.changed >= synced);
        }
        if !has_store {
            self.state.clear();
        }
        self.life += 1;
        let shards = 1 + self.random.below(3);
        self.hub = begin(&self.limits, self.store.as_ref(), shards, self.now, self.life);
        self.shards = (0..shards).map(|index| Shard::new(Arc::clone(&self.hub), index)).collect();
    }

    /// What always holds.
    pub(crate) fn compare(&mut self) {
        let open = self.served().len();
        assert_eq!(self.hub.open_connections(), open, "connections that are open");
    }
}

/// Streams that keep little: what is in them may be lost.
pub(crate) fn keeps_little(name: &str) -> bool {
    matches!(name, "queue:f" | "queue:n")
}
