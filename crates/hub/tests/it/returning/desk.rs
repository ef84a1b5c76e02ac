//! A hub with dashboards, for tests that say what happens step by step.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hub::rules::{ChannelRule, ChannelRules, HistoryRule, Identities};
use hub::{
    Accepted, Beginning, Dialect, Endpoint, Hub, Identity, Limits, Metrics, Naming, Now, Opening, Outgoing,
    Packing, Shard, Wake,
};
use protocol::publication::{Audience, ConnectionTarget, Retain};
use protocol::timestamp::Timestamp;
use protocol::websocket::Incoming;
use protocol::{
    ChannelName, ChannelPattern, ConnectionId, Publication, PublicationId, Stream, Target, UserId,
};
use serde_json::{Value, json};

use crate::bench::frames;
use crate::link::{FakeLink, Pipe, pipe};
use crate::wire::{Frame, take};

struct Awake;

impl Wake for Awake {
    fn wake(&self) {}
}

/// A connection of the desk.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) shard: usize,
    pub(super) key: u32,
    pub(super) pipe: Rc<RefCell<Pipe>>,
    pub(super) id: ConnectionId,
}

/// A hub with dashboards.
pub(super) struct Desk {
    pub(super) hub: Arc<Hub>,
    pub(super) shards: Vec<Shard<FakeLink>>,
    pub(super) now: Now,
    opened: u128,
    published: u64,
}

pub(super) const DASHBOARD: u8 = 1;

impl Desk {
    pub(super) fn new(shards: usize) -> Self {
        Self::with(Limits::default(), shards)
    }

    pub(super) fn with(limits: Limits, shards: usize) -> Self {
        let worlds = [Dialect::CHANNELS, Dialect::DASHBOARD];
        let endpoints = worlds.into_iter().map(|world| Endpoint::new(world, &limits)).collect();
        let beginning = Beginning { endpoints, ..Beginning::default() };
        let wakes = (0..shards).map(|_| Box::new(Awake) as Box<dyn Wake>).collect();
        let nothing = ChannelRule {
            pattern: ChannelPattern::new("queue:none").expect("a pattern"),
            subscribe: None,
            publish: None,
            history: Some(HistoryRule { size: 0, age: std::time::Duration::from_secs(60), durable: false }),
        };
        let rules = ChannelRules::new(vec![nothing], Identities::Known);
        let metrics = Metrics::new(&prometheus::Registry::new());
        let hub = Arc::new(Hub::begin(rules, limits, metrics, wakes, beginning));
        let shards = (0..shards).map(|index| Shard::new(Arc::clone(&hub), index)).collect();
        let wall = Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp");
        Self { hub, shards, now: Now { ms: 5_000, wall }, opened: 0, published: 0 }
    }

    pub(super) fn open(&mut self, shard: usize) -> Seat {
        self.open_as(shard, None, Naming::Anyone, 0)
    }

    pub(super) fn open_as(
        &mut self,
        shard: usize,
        identity: Option<Identity>,
        naming: Naming,
        window: u32,
    ) -> Seat {
        self.opened += 1;
        let id = ConnectionId::from_random(self.opened << 64 | self.opened.wrapping_mul(0x9E37_79B9));
        let (link, pipe) = pipe();
        let wire = self.hub.endpoint(DASHBOARD).wire(Packing::Plain);
        let admission = self.hub.admit().expect("room");
        let opening =
            Opening { endpoint: DASHBOARD, naming, window, ..Opening::new(id, wire, identity, admission) };
        let key = self.shards[shard].open(link, opening, self.now);
        Seat { shard, key, pipe, id }
    }

    pub(super) fn say(&mut self, seat: &Seat, frame: &Value) {
        self.shards[seat.shard].heard(seat.key, self.now);
        let text = frame.to_string();
        let _ = self.shards[seat.shard].on_incoming(seat.key, &Incoming::Text(&text), self.now);
    }

    pub(super) fn pong(&mut self, seat: &Seat, payload: &[u8]) {
        self.shards[seat.shard].heard(seat.key, self.now);
        let _ = self.shards[seat.shard].on_incoming(seat.key, &Incoming::Pong(payload), self.now);
    }

    /// The client says `ping`; whether the hub asks with a ping of its own what has arrived, and with which payload.
    pub(super) fn probe(&mut self, seat: &Seat) -> Option<Vec<u8>> {
        let before = seat.pipe.borrow().received.len();
        self.say(seat, &json!({"type": "ping"}));
        pings(&seat.pipe.borrow().received[before..]).pop()
    }

    /// What was given to a client has arrived, and it has shown so.
    pub(super) fn confirm(&mut self, seat: &Seat) {
        let payload = self.probe(seat).expect("the hub wants to know");
        self.pong(seat, &payload);
    }

    pub(super) fn cut(&mut self, seat: &Seat) {
        self.shards[seat.shard].end(seat.key);
    }

    pub(super) fn come_back(&mut self, shard: usize, former: &Seat) -> Seat {
        let seat = self.open(shard);
        self.ask_for(&seat, former.id);
        seat
    }

    pub(super) fn ask_for(&mut self, seat: &Seat, former: ConnectionId) {
        self.say(seat, &json!({"type": "reconnect", "connectionId": former.to_string()}));
        self.deliver();
    }

    pub(super) fn outgoing(&mut self, target: Target) -> Outgoing {
        self.published += 1;
        let publication = Publication {
            id: PublicationId::from_u128(self.published.into()),
            event_type: "e".into(),
            data: json!({"n": self.published}).to_string().into(),
            timestamp: self.now.wall,
        };
        Outgoing::new(publication, target, self.now.wall)
    }

    pub(super) fn publish(&mut self, names: &[&str]) -> u64 {
        let outgoing = self.outgoing(to(names, None));
        self.send(outgoing)
    }

    pub(super) fn send(&mut self, outgoing: Outgoing) -> u64 {
        assert!(matches!(self.hub.publish(outgoing), Ok(Accepted::Now(_))));
        self.published
    }

    pub(super) fn deliver(&mut self) {
        for _ in 0..4 {
            for shard in &mut self.shards {
                shard.take_inbox(self.now);
                while shard.step(7, self.now) {}
            }
        }
    }

    pub(super) fn wait(&mut self, ms: u64) {
        self.now.ms += ms;
        self.now.wall = Timestamp::from_millis(self.now.wall.as_millis() + i64::try_from(ms).expect("short"));
    }

    pub(super) fn tick(&mut self) {
        self.shards.iter_mut().for_each(|shard| shard.tick(self.now));
    }

    pub(super) fn is_open(&self, seat: &Seat) -> bool {
        self.shards[seat.shard].is_open(seat.key)
    }
}

pub(super) fn to(names: &[&str], connection: Option<ConnectionId>) -> Target {
    if names == ["@all"] {
        return Target::Everyone;
    }
    let stream = |name: &&str| match name.strip_prefix("user:") {
        Some(user) => Stream::user(&UserId::from_text(user).expect("id")),
        None => Stream::channel(ChannelName::new(name).expect("name")),
    };
    let streams = names.iter().map(stream).collect();
    Target::Named(Audience { streams, connection: connection.map(ConnectionTarget::Id) })
}

pub(super) fn subscribe(user: &str) -> Value {
    json!({"type": "subscribe", "userId": user})
}

pub(super) fn queue(id: &str) -> Value {
    json!({"type": "subscribe", "queueId": id})
}

pub(super) fn pings(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pings = Vec::new();
    while let Some((frame, length)) = take(bytes) {
        if frame == Frame::Ping {
            pings.push(bytes[2..length].to_vec());
        }
        bytes = &bytes[length..];
    }
    pings
}

/// What a client was told: events by their numbers, those of a batch in brackets, other frames by their type.
pub(super) fn told(seat: &Seat) -> Vec<String> {
    let event = |event: &Value| event["n"].to_string();
    frames(&seat.pipe)
        .iter()
        .filter_map(|frame| match frame {
            Frame::Json(frame) if frame["type"] == "e" => Some(event(frame)),
            Frame::Json(frame) if frame["type"] == "batch_update" => {
                let messages = frame["messages"].as_array().expect("messages");
                Some(format!("[{}]", messages.iter().map(event).collect::<Vec<_>>().join(" ")))
            }
            Frame::Json(frame) => Some(frame["type"].as_str().expect("a type").to_owned()),
            Frame::Close(code, _) => Some(code.to_string()),
            Frame::Ping | Frame::Pong => None,
        })
        .collect()
}

impl Desk {
    /// It is shown that what a client was told last has arrived, and its connection breaks.
    pub(super) fn confirm_loss(&mut self, seat: &Seat) {
        self.wait(31_000);
        let before = seat.pipe.borrow().received.len();
        self.tick();
        let payload = pings(&seat.pipe.borrow().received[before..]).pop().expect("a ping");
        self.pong(seat, &payload);
        self.cut(seat);
    }

    pub(super) fn retain(&mut self, names: &[&str]) {
        let mut outgoing = self.outgoing(to(names, None));
        let keep = std::time::Duration::from_secs(3_600);
        outgoing.retain = Some(Box::new(Retain { key: "bar".into(), keep, is_final: false }));
        self.send(outgoing);
    }
}
