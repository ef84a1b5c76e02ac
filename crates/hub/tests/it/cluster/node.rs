//! A node of the simulation: a hub with its shards, a clock of its own, and its place at the broker.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hub::broker::{Broker, Life, NodeId};
use hub::idempotency::IdempotencyKeys;
use hub::rules::ChannelRules;
use hub::{Beginning, Endpoint, Hub, Identity, Limits, Metrics, Now, Opening, Packing, Shard, Wake, Wire};
use protocol::timestamp::Timestamp;
use protocol::websocket::Incoming;
use protocol::{ConnectionId, UserId};

use super::broker::Port;
use super::client::{At, Connected};
use crate::link::{FakeLink, Pipe, pipe};

struct Awake;

impl Wake for Awake {
    fn wake(&self) {}
}

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) hub: Arc<Hub>,
    pub(crate) shards: Vec<Shard<FakeLink>>,
    pub(crate) keys: Arc<IdempotencyKeys>,
    /// Its clock: ahead of the broker's by so much.
    skew: i64,
    pub(crate) now: Now,
    /// How often it lost its connection, or followed something anew.
    pub(crate) cuts: usize,
    gone: HashSet<ConnectionId>,
}

/// How long keys hold.
pub(crate) const KEEP: Duration = Duration::from_secs(600);

/// What all nodes of a simulation have alike.
pub(crate) struct Setting {
    pub(crate) rules: ChannelRules,
    pub(crate) limits: Limits,
    /// None is that of `/ws` alone.
    pub(crate) endpoints: Vec<Endpoint>,
}

impl Node {
    pub(crate) fn new(
        port: Arc<Port>,
        life: Option<Life>,
        setting: Setting,
        shards: usize,
        (now, skew): (Timestamp, i64),
    ) -> Self {
        let id = port.node();
        let wakes = (0..shards).map(|_| Box::new(Awake) as Box<dyn Wake>).collect();
        let metrics = Metrics::new(&prometheus::Registry::new());
        let wall = Timestamp::from_millis(now.as_millis() + skew);
        let byte = u8::try_from(id % 251).expect("a byte");
        let beginning = Beginning {
            now: Some(wall),
            random: [byte; 32],
            broker: Some((port as Arc<dyn Broker>, life)),
            endpoints: setting.endpoints,
            ..Beginning::default()
        };
        let hub = Arc::new(Hub::begin(setting.rules, setting.limits, metrics, wakes, beginning));
        let keys = IdempotencyKeys::new(KEEP, 100_000, Metrics::new(&prometheus::Registry::new()));
        Self {
            id,
            shards: (0..shards).map(|index| Shard::new(Arc::clone(&hub), index)).collect(),
            hub,
            keys: Arc::new(keys),
            skew,
            now: Now { ms: 1_000_000 * u64::from(id), wall },
            cuts: 0,
            gone: HashSet::new(),
        }
    }

    /// The clock goes on.
    pub(crate) fn pass(&mut self, ms: u64, now: Timestamp) {
        self.now.ms += ms;
        self.now.wall = Timestamp::from_millis(now.as_millis() + self.skew);
        self.hub.keep_house(self.now);
        for shard in &mut self.shards {
            shard.tick(self.now);
        }
    }

    /// A connection comes.
    pub(crate) fn open(
        &mut self,
        id: ConnectionId,
        shard: usize,
        user: Option<&str>,
        room: Option<usize>,
        wire: Wire,
    ) -> Connected {
        let (link, pipe) = pipe();
        pipe.borrow_mut().room = room;
        let identity = user.map(|user| Identity {
            user: UserId::from_text(user).expect("id"),
            user_type: None,
            channels: None,
            session: None,
            expires_at: u64::from(u32::MAX),
        });
        let admission = self.hub.admit().expect("the node has room");
        let opening = Opening::new(id, wire, identity, admission);
        let key = self.shards[shard].open(link, opening, self.now);
        let mut connected = Connected::new((self.id, shard, key, id), pipe);
        connected.cuts = self.cuts;
        connected
    }

    /// A socket comes into a namespace with what its client shows. Returns its place and the other side of its link.
    pub(crate) fn open_socket(
        &mut self,
        id: ConnectionId,
        shard: usize,
        namespace: &str,
        identity: Identity,
        auth: &serde_json::Value,
    ) -> (u32, Rc<RefCell<Pipe>>) {
        let (link, pipe) = pipe();
        let endpoint = self.hub.namespace(namespace).expect("a namespace");
        let wire = self.hub.endpoint(endpoint).wire(Packing::Plain);
        let admission = self.hub.admit().expect("the node has room");
        let opening = Opening {
            endpoint,
            first: Some(auth.to_string().into()),
            ..Opening::new(id, wire, Some(identity), admission)
        };
        (self.shards[shard].open(link, opening, self.now), pipe)
    }

    /// Whether the hub still has a connection: its place may be another's by now.
    pub(crate) fn has(&mut self, (_, shard, _, id): At) -> bool {
        self.gone.extend(self.shards[shard].take_ended().map(|ended| ended.connection));
        !self.gone.contains(&id)
    }

    pub(crate) fn is_open(&mut self, at: At) -> bool {
        self.has(at) && self.shards[at.1].is_open(at.2)
    }

    pub(crate) fn say(&mut self, at: At, text: &str) {
        if self.has(at) {
            self.shards[at.1].heard(at.2, self.now);
            let _ = self.shards[at.1].on_incoming(at.2, &Incoming::Text(text), self.now);
        }
    }

    pub(crate) fn end(&mut self, at: At) {
        if self.has(at) {
            self.shards[at.1].end(at.2);
        }
    }

    pub(crate) fn widen(&mut self, at: At) {
        if self.has(at) {
            self.shards[at.1].on_writable(at.2);
        }
    }

    /// Carries out all that lies before its shards.
    pub(crate) fn work(&mut self) {
        for shard in &mut self.shards {
            shard.take_inbox(self.now);
            while shard.step(50, self.now) {}
        }
    }
}
