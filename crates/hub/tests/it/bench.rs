//! A hub, its shards and their connections for tests that say what happens step by step.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hub::{Accepted, Hub, Identity, Limits, Now, Opening, Outgoing, Recipients, Shard, Wire};
use protocol::publication::{Audience, CloseSessions};
use protocol::timestamp::Timestamp;
use protocol::websocket::Incoming;
use protocol::{ChannelName, ConnectionId, Publication, PublicationId, Stream, Target, UserId};

use crate::link::{FakeLink, Pipe, pipe};
use crate::wire::{Frame, take};
use crate::world::hub;

/// One hub, its shards, and what is needed to talk to them.
pub(crate) struct Bench {
    pub(crate) hub: Arc<Hub>,
    pub(crate) shards: Vec<Shard<FakeLink>>,
    pub(crate) now: Now,
    pub(crate) opened: u128,
}

impl Bench {
    pub(crate) fn new(limits: Limits, shards: usize) -> Self {
        let hub = hub(limits, shards);
        let shards = (0..shards).map(|index| Shard::new(Arc::clone(&hub), index)).collect();
        let wall = Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp");
        Self { hub, shards, now: Now { ms: 1_000_000, wall }, opened: 0 }
    }

    pub(crate) fn open(
        &mut self,
        shard: usize,
        wire: Wire,
        identity: Option<Identity>,
    ) -> (u32, Rc<RefCell<Pipe>>) {
        self.opened += 1;
        let id = ConnectionId::from_random(self.opened << 64 | self.opened.wrapping_mul(0x9E37_79B9));
        let admission = self.hub.admit().expect("room");
        let (link, pipe) = pipe();
        let opening = Opening::new(id, wire, identity, admission);
        (self.shards[shard].open(link, opening, self.now), pipe)
    }

    pub(crate) fn say(&mut self, shard: usize, key: u32, text: &str) {
        self.shards[shard].heard(key, self.now);
        let _ = self.shards[shard].on_incoming(key, &Incoming::Text(text), self.now);
    }

    pub(crate) fn publish(&mut self, target: Target, size: usize) -> Recipients {
        self.publish_closing(target, size, None)
    }

    pub(crate) fn publish_closing(
        &mut self,
        target: Target,
        size: usize,
        close_sessions: Option<Box<CloseSessions>>,
    ) -> Recipients {
        let outgoing = self.outgoing(target, size, close_sessions);
        match self.hub.publish(outgoing).expect("room") {
            Accepted::Now(recipients) => recipients,
            Accepted::Waiting(_) => panic!("there is no disk to wait for"),
        }
    }

    pub(crate) fn outgoing(
        &self,
        target: Target,
        size: usize,
        close_sessions: Option<Box<CloseSessions>>,
    ) -> Outgoing {
        let publication = Publication {
            id: PublicationId::from_u128(1),
            event_type: "e".into(),
            data: format!("\"{}\"", "x".repeat(size)).into(),
            timestamp: self.now.wall,
        };
        Outgoing { close_sessions, ..Outgoing::new(publication, target, self.now.wall) }
    }

    pub(crate) fn deliver(&mut self) {
        for shard in &mut self.shards {
            shard.take_inbox(self.now);
            while shard.step(7, self.now) {}
        }
    }

    pub(crate) fn tick_after(&mut self, ms: u64) {
        self.now.ms += ms;
        for shard in &mut self.shards {
            shard.tick(self.now);
        }
    }
}

pub(crate) fn user(number: usize) -> Identity {
    Identity {
        user: UserId::from_number(&number.to_string()).expect("id"),
        user_type: Some("worker".into()),
        channels: None,
        session: Some(format!("{number:022}").into()),
        expires_at: 4_000_000_000,
    }
}

pub(crate) fn channel(name: &str) -> Target {
    let streams = vec![Stream::channel(ChannelName::new(name).expect("name"))];
    Target::Named(Audience { streams, connection: None })
}

pub(crate) fn frames(pipe: &RefCell<Pipe>) -> Vec<Frame> {
    let pipe = pipe.borrow();
    let (mut at, mut frames) = (0, Vec::new());
    while let Some((frame, length)) = take(&pipe.received[at..]) {
        at += length;
        frames.push(frame);
    }
    frames
}
