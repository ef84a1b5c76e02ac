//! What publishers and clients of the simulation do.

use std::collections::BTreeSet;

use hub::{Accepted, Outgoing};
use protocol::PublicationId;
use protocol::publication::PublishRequest;
use protocol::websocket::Incoming;
use serde_json::{Value, json};

use super::world::{CHANNELS, SPACES, World};
use crate::sockets::client::Event;
use crate::sockets::model::{TYPES, streams_of};

/// What a publication is for.
#[derive(Debug, Default)]
pub(super) struct Aim {
    pub(super) user: Option<usize>,
    pub(super) channels: BTreeSet<&'static str>,
    pub(super) namespace: Option<&'static str>,
}

impl World {
    /// A publication of any kind at any node.
    pub(crate) fn publish(&mut self) {
        let node = self.random.below(self.nodes.len());
        let mut aim = Aim::default();
        if self.random.percent(45) {
            aim.user = Some(7 + self.random.below(2));
        }
        if self.random.percent(50) {
            aim.channels.extend((0..1 + self.random.below(2)).map(|_| self.random.pick(&CHANNELS).0));
        }
        if self.random.percent(30) {
            aim.namespace = Some(self.random.pick(&SPACES).0);
        }
        let kind = *self.random.pick(&TYPES);
        let mut event = Event { is_transient: self.random.percent(6), ..Event::default() };
        let known = self.random.below(self.clients.len());
        if let Some(sid) = self.clients[known].session.sid {
            if aim.namespace.is_none() && self.random.percent(8) {
                event.connection = Some(sid);
            } else if self.random.percent(15) {
                event.except = Some(sid);
            }
        }
        let size = if self.random.percent(20) { self.random.below(1500) } else { 5 };
        self.publish_at(node, kind, &aim, event, size);
    }

    /// A publication at this node. Returns its number.
    pub(super) fn publish_at(
        &mut self,
        node: usize,
        kind: &str,
        aim: &Aim,
        mut event: Event,
        size: usize,
    ) -> usize {
        let number = self.events.len();
        let mut body = json!({ "type": kind, "data": { "n": number, "pad": "x".repeat(size) } });
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body[name] = value;
            }
        };
        put("user_id", aim.user.map(Value::from));
        put("channels", (!aim.channels.is_empty()).then(|| json!(aim.channels)));
        put("namespace", aim.namespace.map(Value::from));
        put("connection_id", event.connection.map(|id| id.to_string().into()));
        put("except_connection_id", event.except.map(|id| id.to_string().into()));
        let users: Vec<String> = aim.user.iter().map(|user| format!("user:{user}")).collect();
        event.streams = streams_of(kind, &users, &aim.channels, aim.namespace, event.connection.is_some());
        event.is_unkept = event.streams.iter().any(|stream| stream.ends_with("none"));
        let request = PublishRequest::parse(body.to_string().as_bytes()).expect("a publication");
        let wall = self.nodes[node].now.wall;
        let id = PublicationId::from_u128(number as u128 + 1);
        let namespace = request.namespace.clone();
        let (publication, target, except) = request.into_publication(id, wall);
        let is_transient = event.is_transient;
        let outgoing =
            Outgoing { except, is_transient, namespace, ..Outgoing::new(publication, target, wall) };
        // What is refused has no place; what waits for the broker may get one.
        if let Ok(Accepted::Now(_)) = self.nodes[node].hub.publish(outgoing) {
            assert!(!self.nodes[node].hub.has_broker(), "{number} has to go to all nodes");
            event.is_local = true;
        }
        self.events.push(event);
        number
    }

    /// A client joins a channel, or leaves one.
    pub(crate) fn ask(&mut self, index: usize) {
        let few = if self.manner.is_whole && self.random.percent(90) { 2 } else { CHANNELS.len() };
        let channel = CHANNELS[self.random.below(few)].0;
        let is_join = self.random.percent(65);
        self.ask_for(index, is_join, channel);
    }

    /// The same with this one.
    pub(crate) fn ask_for(&mut self, index: usize, is_join: bool, channel: &'static str) {
        // Streams that are joined while others are read begin where those stand.
        let from = if self.clients[index].recovers { 0 } else { self.settled };
        let Some(link) = self.clients[index].link.as_ref().filter(|link| link.is_in) else { return };
        let (node, shard, key) = (link.node, link.shard, link.key);
        if !self.is_open(link) {
            return;
        }
        let packet = self.clients[index].ask(is_join, channel, from);
        let place = self.place_of(node).expect("it is open");
        let node = &mut self.nodes[place];
        let _ = node.shards[shard].on_incoming(key, &Incoming::Text(&packet), node.now);
    }

    pub(crate) fn narrow(&mut self, index: usize) {
        let room = self.random.below(600);
        if let Some(link) = self.clients[index].link.as_ref().filter(|_| self.manner.is_narrow) {
            link.pipe.borrow_mut().room = Some(room);
        }
    }

    pub(crate) fn widen(&mut self, index: usize) {
        let Some(link) = &self.clients[index].link else { return };
        let (node, shard, key) = (link.node, link.shard, link.key);
        let is_narrow = link.pipe.borrow_mut().room.take().is_some();
        let is_shut = link.pipe.borrow().is_shut;
        if let Some(place) = self.place_of(node).filter(|_| is_narrow && !is_shut) {
            self.nodes[place].shards[shard].on_writable(key);
        }
    }
}
