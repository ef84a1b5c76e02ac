//! What delivery hooks are told: to whom an event was sent, who has it, and who has shown it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use hub::deliveries::{DeliveryHooks, DeliveryRecord, DeliveryState};
use hub::rules::{ChannelRules, Identities};
use hub::{Hub, Identity, Limits, Metrics, Naming, Now, Opening, Outgoing, Packing, Shard, Wire};
use protocol::publication::PublishRequest;
use protocol::timestamp::Timestamp;
use protocol::websocket::Incoming;
use protocol::{ConnectionId, PublicationId};
use serde_json::{Value, json};

use crate::bench::user;
use crate::link::{FakeLink, Pipe, pipe};
use crate::world::Awake;
use DeliveryState::{Delivered, Sent, Shown};

/// Takes what it is told of `notification` to hook 0 and of `receipt` to hook 1.
#[derive(Debug, Default)]
struct Ledger(Mutex<Vec<DeliveryRecord>>);

impl DeliveryHooks for Ledger {
    fn hook(&self, event_type: &str) -> Option<u8> {
        ["notification", "receipt"]
            .iter()
            .position(|kind| *kind == event_type)
            .and_then(|n| u8::try_from(n).ok())
    }

    fn take(&self, records: Vec<DeliveryRecord>) {
        assert!(!records.is_empty(), "a shard tells only something");
        self.0.lock().expect("no panic").extend(records);
    }
}

struct Desk {
    hub: Arc<Hub>,
    shard: Shard<FakeLink>,
    ledger: Arc<Ledger>,
    now: Now,
    ids: u128,
}

struct Client {
    key: u32,
    id: ConnectionId,
    pipe: Rc<RefCell<Pipe>>,
}

impl Client {
    /// The pings that it got.
    fn pings(&self) -> usize {
        self.pipe.borrow().received.windows(2).filter(|bytes| *bytes == [0x89, 0]).count()
    }

    fn room(&self, room: Option<usize>) {
        self.pipe.borrow_mut().room = room;
    }
}

impl Desk {
    fn new() -> Self {
        let metrics = Metrics::new(&prometheus::Registry::new());
        let rules = ChannelRules::new(vec![], Identities::Known);
        let hub = Arc::new(Hub::new(rules, Limits::default(), metrics, vec![Box::new(Awake)]));
        let ledger = Arc::new(Ledger::default());
        hub.set_delivery_hooks(Arc::clone(&ledger) as Arc<dyn DeliveryHooks>);
        let shard = Shard::new(Arc::clone(&hub), 0);
        let wall = Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp");
        Self { hub, shard, ledger, now: Now { ms: 1_000_000, wall }, ids: 0 }
    }

    fn open(&mut self, wire: Wire, identity: Option<Identity>) -> Client {
        // Who has no token may say who he is, as on a dashboard whose policy is `off`.
        let naming = if identity.is_none() { Naming::Anyone } else { Naming::Own };
        self.ids += 1;
        let id = ConnectionId::from_random(self.ids << 64 | self.ids.wrapping_mul(0x9E37_79B9));
        let (link, pipe) = pipe();
        let opening = Opening { naming, ..Opening::new(id, wire, identity, self.hub.admit().expect("room")) };
        Client { key: self.shard.open(link, opening, self.now), id, pipe }
    }

    fn ws(&mut self, who: usize) -> Client {
        self.open(Wire::Channels, Some(user(who)))
    }

    fn publish(&mut self, body: &Value) -> PublicationId {
        self.ids += 1;
        let id = PublicationId::from_u128(self.ids);
        let request = PublishRequest::parse(body.to_string().as_bytes()).expect("a publication");
        let (publication, target, except) = request.into_publication(id, self.now.wall);
        let outgoing = Outgoing { except, ..Outgoing::new(publication, target, self.now.wall) };
        drop(self.hub.publish(outgoing).expect("room"));
        self.turn();
        id
    }

    fn notify(&mut self, who: usize) -> PublicationId {
        self.publish(&json!({ "type": "notification", "data": {}, "user_id": who }))
    }

    fn turn(&mut self) {
        self.shard.take_inbox(self.now);
        while self.shard.step(7, self.now) {}
    }

    /// Bytes come from a client: a whole message, or what is none.
    fn says(&mut self, client: &Client, incoming: &Incoming<'_>) {
        self.shard.heard(client.key, self.now);
        let _ = self.shard.on_incoming(client.key, incoming, self.now);
        self.turn();
    }

    /// What was told since the last look.
    fn told(&mut self) -> Vec<(DeliveryState, PublicationId, ConnectionId)> {
        let records = std::mem::take(&mut *self.ledger.0.lock().expect("no panic"));
        records.into_iter().map(|record| (record.state, record.id, record.connection)).collect()
    }
}

#[test]
fn an_event_is_sent_then_delivered_by_a_sign_of_the_client_that_is_asked_for() {
    let mut desk = Desk::new();
    let (seven, eight) = (desk.ws(7), desk.ws(8));
    let id = desk.notify(7);
    assert_eq!(desk.told(), [(Sent, id, seven.id)]);
    assert_eq!((seven.pings(), eight.pings()), (1, 0), "who was given it is asked at once");
    desk.turn();
    assert!(desk.told().is_empty() && seven.pings() == 1, "and once");
    desk.says(&eight, &Incoming::Text(r#"{"type":"ping"}"#));
    assert!(desk.told().is_empty());
    desk.says(&seven, &Incoming::Pong(b""));
    assert_eq!(desk.told(), [(Delivered, id, seven.id)]);
    desk.says(&seven, &Incoming::Pong(b""));
    assert!(desk.told().is_empty(), "told once");
    let again = desk.notify(7);
    assert_eq!((desk.told(), seven.pings()), (vec![(Sent, again, seven.id)], 2));
}

#[test]
fn records_name_the_user_and_the_hook_and_other_types_are_told_nobody() {
    let mut desk = Desk::new();
    let (_seven, _anyone) = (desk.ws(7), desk.open(Wire::Channels, None));
    desk.publish(&json!({ "type": "job_created", "data": {} }));
    assert!(desk.told().is_empty());
    desk.publish(&json!({ "type": "receipt", "data": {} }));
    let records = desk.ledger.0.lock().expect("no panic").clone();
    let told: Vec<_> = records
        .iter()
        .map(|record| (record.hook, record.user.as_ref().map(|user| user.as_str().to_owned())))
        .collect();
    assert_eq!(told, [(1, Some("7".to_owned())), (1, None)]);
    assert!(records.iter().all(|record| record.at == desk.now.wall));
}

#[test]
fn what_is_not_written_yet_is_not_delivered_by_an_earlier_sign() {
    let mut desk = Desk::new();
    let client = desk.ws(7);
    client.room(Some(5));
    let id = desk.notify(7);
    assert_eq!(desk.told(), [(Sent, id, client.id)]);
    desk.says(&client, &Incoming::Text(r#"{"type":"ping"}"#));
    assert!(desk.told().is_empty(), "half of it waits in the outbox");
    let more: Vec<PublicationId> = (0..5).map(|_| desk.notify(7)).collect();
    assert_eq!(desk.told().len(), 5);
    client.room(None);
    desk.shard.on_writable(client.key);
    desk.turn();
    desk.turn();
    assert_eq!(client.pings(), 1, "asked once, when it takes bytes again");
    desk.says(&client, &Incoming::Pong(b""));
    let all: Vec<_> = [id].into_iter().chain(more).map(|id| (Delivered, id, client.id)).collect();
    assert_eq!(desk.told(), all);
}

#[test]
fn an_ack_tells_that_an_event_was_shown_and_one_of_what_was_not_for_it_tells_nothing() {
    let mut desk = Desk::new();
    let (seven, eight) = (desk.ws(7), desk.ws(8));
    let id = desk.notify(7);
    desk.told();
    let ack = json!({ "type": "ack", "ids": [id.to_string(), PublicationId::from_u128(99).to_string()] })
        .to_string();
    desk.says(&eight, &Incoming::Text(&ack));
    assert!(desk.told().is_empty(), "it is not eight's");
    desk.says(&seven, &Incoming::Text(&ack));
    assert_eq!(desk.told(), [(Delivered, id, seven.id), (Shown, id, seven.id)]);
    // Another connection of the same user, which may have it from the first one.
    let second = desk.ws(7);
    desk.says(&second, &Incoming::Text(&ack));
    assert_eq!(desk.told(), [(Shown, id, second.id)]);
}

#[test]
fn a_large_audience_is_told_of_follower_by_follower() {
    let mut desk = Desk::new();
    let clients: Vec<Client> = (0..200).map(|who| desk.ws(who)).collect();
    for client in &clients {
        desk.says(client, &Incoming::Text(r#"{"type":"subscribe","channels":["jobs"]}"#));
    }
    desk.publish(&json!({ "type": "other", "data": {}, "channel": "jobs" }));
    assert!(desk.told().is_empty());
    let id = desk.publish(&json!({ "type": "notification", "data": {}, "channel": "jobs" }));
    let mut told = desk.told();
    told.sort_unstable_by_key(|(_, _, connection)| connection.as_u128());
    let mut expected: Vec<_> = clients.iter().map(|client| (Sent, id, client.id)).collect();
    expected.sort_unstable_by_key(|(_, _, connection)| connection.as_u128());
    assert_eq!(told, expected);
    assert!(clients.iter().all(|client| client.pings() == 1));
}

#[test]
fn a_replay_sends_again_to_the_connection_that_came_back() {
    let mut desk = Desk::new();
    let first = desk.ws(7);
    let subscribe = json!({ "type": "subscribe", "channels": ["jobs"], "recoverable": true });
    desk.says(&first, &Incoming::Text(&subscribe.to_string()));
    let info = desk.hub.stream_info("user:7", desk.now.wall).expect("a stream");
    let before = info.history.expect("it keeps its events");
    desk.shard.end(first.key);
    desk.turn();
    let id = desk.notify(7);
    assert!(desk.told().is_empty(), "nobody was there");
    let second = desk.ws(7);
    let positions = json!({ "user:7": { "epoch": before.epoch, "offset": before.offset } });
    let subscribe = json!({
        "type": "subscribe", "channels": ["jobs"], "recoverable": true, "positions": positions
    });
    desk.says(&second, &Incoming::Text(&subscribe.to_string()));
    assert_eq!(desk.told(), [(Sent, id, second.id)]);
    desk.says(&second, &Incoming::Pong(b""));
    assert_eq!(desk.told(), [(Delivered, id, second.id)]);
}

#[test]
fn server_sent_events_are_sent_and_never_delivered() {
    let mut desk = Desk::new();
    let client = desk.open(Wire::Events, Some(user(7)));
    let id = desk.notify(7);
    assert_eq!(desk.told(), [(Sent, id, client.id)]);
    desk.shard.heard(client.key, desk.now);
    desk.turn();
    assert!(desk.told().is_empty() && client.pings() == 0);
}

#[test]
fn a_place_that_another_connection_took_confirms_nothing_of_the_first() {
    let mut desk = Desk::new();
    let first = desk.ws(7);
    let id = desk.notify(7);
    assert_eq!(desk.told(), [(Sent, id, first.id)]);
    desk.shard.end(first.key);
    desk.turn();
    let second = desk.ws(7);
    assert_eq!(second.key, first.key, "the place is used again");
    desk.says(&second, &Incoming::Pong(b""));
    assert!(desk.told().is_empty());
    assert!(!desk.shard.awaits_signs());
}

#[test]
fn one_that_collects_has_nothing_before_its_window_is_over() {
    let mut desk = Desk::new();
    let endpoints = hub::Endpoint::new(hub::Dialect::DASHBOARD, &Limits::default());
    let metrics = Metrics::new(&prometheus::Registry::new());
    let beginning = hub::Beginning { endpoints: vec![endpoints], ..hub::Beginning::default() };
    let rules = ChannelRules::new(vec![], Identities::Known);
    let hub = Hub::begin(rules, Limits::default(), metrics, vec![Box::new(Awake)], beginning);
    desk.hub = Arc::new(hub);
    desk.hub.set_delivery_hooks(Arc::clone(&desk.ledger) as Arc<dyn DeliveryHooks>);
    desk.shard = Shard::new(Arc::clone(&desk.hub), 0);
    let client = desk.open(desk.hub.endpoint(0).wire(Packing::Plain), None);
    desk.says(&client, &Incoming::Text(r#"{"type":"subscribe","userId":"7","batch":200}"#));
    let id = desk.notify(7);
    assert_eq!(desk.told(), [(Sent, id, client.id)]);
    desk.says(&client, &Incoming::Pong(b"early"));
    assert!(desk.told().is_empty() && client.pings() == 0);
    desk.now.ms += 1_000;
    desk.turn();
    desk.says(&client, &Incoming::Pong(b""));
    assert_eq!(desk.told(), [(Delivered, id, client.id)]);
}
