//! Sockets of namespaces, step by step: what reaches them, who comes and goes, and who comes back. Whatever breaks: the
//! simulation.

pub(crate) mod client;
pub(crate) mod model;
mod simulation;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hub::rules::{ChannelRules, Identities};
use hub::{
    Accepted, Beginning, Endpoint, Hub, Identity, Limits, Metrics, Namespace, Now, Opening, Outgoing,
    Packing, Shard, Wire,
};
use protocol::publication::PublishRequest;
use protocol::timestamp::Timestamp;
use protocol::websocket::Incoming;
use protocol::{ConnectionId, PublicationId};
use serde_json::{Value, json};

use crate::bench::user;
use crate::link::{FakeLink, Pipe, pipe};
use crate::world::Awake;

struct Desk {
    hub: Arc<Hub>,
    shards: Vec<Shard<FakeLink>>,
    now: Now,
    opened: u128,
}

struct Socket {
    shard: usize,
    key: u32,
    pipe: Rc<RefCell<Pipe>>,
    /// How many of its frames were looked at.
    read: usize,
}

impl Desk {
    fn new(shards: usize) -> Self {
        let limits = Limits::default();
        let namespace = |name, types: &[&str]| Endpoint::of_namespace(Namespace::new(name, types), &limits);
        let endpoints = vec![
            Endpoint::new(hub::Dialect::CHANNELS, &limits),
            namespace("/", &[]),
            namespace("/chat", &["message_received", "user_online", "user_offline"]),
            namespace("/notifications", &["notification"]),
        ];
        let metrics = Metrics::new(&prometheus::Registry::new());
        let wakes = (0..shards).map(|_| Box::new(Awake) as Box<dyn hub::Wake>).collect();
        let rules = ChannelRules::new(vec![], Identities::Known);
        let beginning = Beginning { endpoints, random: [9; 32], ..Beginning::default() };
        let hub = Arc::new(Hub::begin(rules, limits, metrics, wakes, beginning));
        let shards = (0..shards).map(|index| Shard::new(Arc::clone(&hub), index)).collect();
        let wall = Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp");
        Self { hub, shards, now: Now { ms: 1_000_000, wall }, opened: 0 }
    }

    fn open_on(&mut self, shard: usize, namespace: &str, who: usize, auth: &Value) -> Socket {
        self.opened += 1;
        let id = ConnectionId::from_random(self.opened << 64 | self.opened.wrapping_mul(0x9E37_79B9));
        let endpoint = self.hub.namespace(namespace).expect("a namespace");
        let (link, pipe) = pipe();
        let opening = Opening {
            endpoint,
            wire: self.hub.endpoint(endpoint).wire(Packing::Plain),
            first: Some(auth.to_string().into()),
            ..self.opening(id, Some(user(who)))
        };
        let key = self.shards[shard].open(link, opening, self.now);
        let mut socket = Socket { shard, key, pipe, read: 0 };
        self.deliver();
        let _ = &mut socket;
        socket
    }

    fn opening(&self, id: ConnectionId, identity: Option<Identity>) -> Opening {
        Opening::new(id, Wire::Channels, identity, self.hub.admit().expect("room"))
    }

    fn open(&mut self, namespace: &str, who: usize) -> Socket {
        self.open_on(0, namespace, who, &json!({}))
    }

    fn ws(&mut self, who: usize) -> Socket {
        self.opened += 1;
        let id = ConnectionId::from_random(self.opened << 64 | self.opened.wrapping_mul(0x9E37_79B9));
        let (link, pipe) = pipe();
        let opening = self.opening(id, Some(user(who)));
        let key = self.shards[0].open(link, opening, self.now);
        Socket { shard: 0, key, pipe, read: 1 }
    }

    fn say(&mut self, socket: &Socket, packet: &str) {
        let _ = self.shards[socket.shard].on_incoming(socket.key, &Incoming::Text(packet), self.now);
        self.deliver();
    }

    fn drop(&mut self, socket: Socket) {
        self.shards[socket.shard].end(socket.key);
        self.deliver();
    }

    /// Publishes as over HTTP. Returns how many got it.
    fn publish(&mut self, body: &Value) -> u32 {
        let request = PublishRequest::parse(body.to_string().as_bytes()).expect("a publication");
        let (is_transient, namespace) = (request.is_transient, request.namespace.clone());
        let (publication, target, except) =
            request.into_publication(PublicationId::from_u128(1), self.now.wall);
        let outgoing =
            Outgoing { except, is_transient, namespace, ..Outgoing::new(publication, target, self.now.wall) };
        let Accepted::Now(recipients) = self.hub.publish(outgoing).expect("room") else {
            panic!("there is no disk to wait for")
        };
        self.deliver();
        let mut count = std::pin::pin!(recipients.count());
        let waker = std::task::Waker::noop();
        match count.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
            std::task::Poll::Ready(count) => count,
            std::task::Poll::Pending => panic!("all shards have counted"),
        }
    }

    fn deliver(&mut self) {
        for _ in 0..4 {
            for shard in &mut self.shards {
                shard.take_inbox(self.now);
                while shard.step(7, self.now) {}
            }
        }
    }

    fn after(&mut self, ms: u64) {
        self.now.ms += ms;
        self.hub.keep_house(self.now);
        self.deliver();
    }
}

impl Socket {
    /// What came since the last look.
    fn took(&mut self) -> Vec<String> {
        let pipe = self.pipe.borrow();
        let (mut at, mut packets) = (0, Vec::new());
        while let Some(&[first, short]) = pipe.received.get(at..at + 2) {
            let (length, head) = match short {
                126 => (usize::from(pipe.received[at + 2]) << 8 | usize::from(pipe.received[at + 3]), 4),
                short => (usize::from(short), 2),
            };
            let payload = &pipe.received[at + head..at + head + length];
            packets.push(match first {
                0x81 => String::from_utf8(payload.to_vec()).expect("UTF-8"),
                other => format!("{other:x}"),
            });
            at += head + length;
        }
        let new = packets.split_off(self.read);
        self.read += new.len();
        new
    }

    fn welcomed(&mut self) -> Value {
        let new = self.took();
        let packet = new.first().expect("a CONNECT");
        serde_json::from_str(&packet[packet.find('{').expect("data")..]).expect("JSON")
    }

    fn nothing(&mut self) -> bool {
        self.took().is_empty()
    }
}

#[test]
fn a_type_reaches_the_namespaces_that_list_it_and_no_other() {
    let mut desk = Desk::new(1);
    let (mut chat, mut other) = (desk.open("/chat", 7), desk.open("/notifications", 7));
    let mut ws = desk.ws(7);
    chat.took();
    other.took();
    assert_eq!(desk.publish(&json!({ "type": "message_received", "data": { "id": 1 }, "user_id": 7 })), 2);
    assert_eq!(chat.took(), [r#"42/chat,["message_received",{"id":1}]"#]);
    assert!(other.nothing() && ws.took().len() == 1);
    assert_eq!(desk.publish(&json!({ "type": "notification", "data": { "timestamp": 1 } })), 2, "everyone");
    assert_eq!(other.took(), [r#"42/notifications,["notification",{"timestamp":1}]"#]);
    assert!(chat.nothing() && ws.took().len() == 1);
    assert_eq!(desk.publish(&json!({ "type": "unlisted", "user_id": 7 })), 1, "the one on /ws");
    assert!(chat.nothing() && other.nothing());
}

#[test]
fn an_explicit_namespace_is_that_alone_and_is_narrowed() {
    let mut desk = Desk::new(2);
    let (mut seven, mut eight) =
        (desk.open_on(0, "/notifications", 7, &json!({})), desk.open_on(1, "/notifications", 8, &json!({})));
    let (mut chat, mut ws) = (desk.open("/chat", 7), desk.ws(7));
    for socket in [&mut seven, &mut eight, &mut chat] {
        socket.took();
    }
    assert_eq!(desk.publish(&json!({ "type": "x", "namespace": "/notifications", "data": 1 })), 2);
    assert_eq!((seven.took().len(), eight.took().len()), (1, 1));
    assert_eq!(desk.publish(&json!({ "type": "x", "namespace": "/notifications", "user_id": "7" })), 1);
    assert_eq!((seven.took().len(), eight.took().len()), (1, 0));
    desk.say(&eight, r#"2/notifications,1["subscribe",{"channels":["jobs"]}]"#);
    assert_eq!(eight.took(), [r#"43/notifications,1[{"channels":["jobs"],"success":true}]"#]);
    assert_eq!(desk.publish(&json!({ "type": "x", "namespace": "/notifications", "channel": "jobs" })), 1);
    assert_eq!(desk.publish(&json!({ "type": "y", "channel": "jobs" })), 1, "subscribers, whatever the type");
    assert_eq!(eight.took().len(), 2);
    assert_eq!(desk.publish(&json!({ "type": "x", "namespace": "/nowhere" })), 0);
    assert!(seven.nothing() && chat.nothing() && ws.nothing());
    desk.say(&eight, r#"2/notifications,2["unsubscribe",{"channels":["jobs"]}]"#);
    eight.took();
    assert_eq!(desk.publish(&json!({ "type": "x", "namespace": "/notifications", "channel": "jobs" })), 0);
    assert_eq!(desk.publish(&json!({ "type": "y", "channel": "jobs" })), 0);
}

#[test]
fn the_others_are_told_of_a_users_first_socket_and_of_the_end_of_the_last() {
    let mut desk = Desk::new(2);
    let mut watcher = desk.open("/chat", 1);
    watcher.took();
    let first = desk.open_on(1, "/chat", 7, &json!({}));
    let told = watcher.took();
    assert_eq!(told, [r#"42/chat,["user_online",{"user_id":7,"timestamp":"2025-11-01T12:00:00.000Z"}]"#]);
    let mut second = desk.open("/chat", 7);
    assert_eq!(second.took().len(), 1, "the welcome, and nothing of itself");
    desk.drop(first);
    desk.after(4_000);
    assert!(watcher.nothing(), "the user is still there");
    desk.drop(second);
    desk.after(2_000);
    let back = desk.open("/chat", 7);
    desk.after(2_000);
    assert!(watcher.nothing(), "a reload is no absence");
    desk.drop(back);
    desk.after(2_999);
    assert!(watcher.nothing());
    desk.after(1);
    let told = watcher.took();
    assert!(told.len() == 1 && told[0].starts_with(r#"42/chat,["user_offline",{"user_id":7,"#), "{told:?}");
}

#[test]
fn who_asks_for_recovery_gets_what_it_missed_and_has_the_same_ids() {
    for shards in [1, 3] {
        let mut desk = Desk::new(shards);
        let mut socket = desk.open_on(0, "/notifications", 7, &json!({ "recover": true }));
        let welcome = socket.welcomed();
        desk.publish(&json!({ "type": "notification", "data": { "timestamp": 1 }, "user_id": 7 }));
        let first: Vec<Value> =
            serde_json::from_str(&socket.took()[0]["42/notifications,".len()..]).expect("an event");
        let offset = first[2].as_str().expect("an offset").to_owned();
        desk.drop(socket);
        for n in 2..5 {
            desk.publish(&json!({ "type": "notification", "data": { "timestamp": n }, "user_id": 7 }));
        }
        desk.publish(&json!({ "type": "notification", "data": { "timestamp": 9 }, "user_id": 8 }));
        let auth = json!({ "recover": true, "pid": welcome["pid"], "offset": offset });
        let mut other = desk.open_on(0, "/notifications", 8, &auth);
        assert_ne!(other.welcomed()["pid"], welcome["pid"], "it is its user's");
        let mut back = desk.open_on(shards - 1, "/notifications", 7, &auth);
        let new = back.took();
        assert_eq!(new.len(), 4, "{new:?}");
        assert!(new[0].contains(welcome["pid"].as_str().expect("a pid")));
        assert!(new[0].contains(welcome["sid"].as_str().expect("a sid")));
        assert!(new[3].starts_with(r#"42/notifications,["notification",{"timestamp":4},"#), "{new:?}");
        let mut thief = desk.open_on(0, "/notifications", 8, &auth);
        assert_ne!(thief.welcomed()["pid"], welcome["pid"], "also while it is open");
        assert!(back.nothing());
        // The old one is still open, on another shard.
        let mut again = desk.open_on(0, "/notifications", 7, &auth);
        assert_eq!(again.took().len(), 4);
        let gone = back.took();
        assert_eq!(gone, ["41/notifications,"]);
        assert_eq!(desk.publish(&json!({ "type": "notification", "user_id": 7 })), 1);
        assert_eq!(again.took().len(), 1);
    }
}

#[test]
fn who_comes_back_is_not_told_of_its_own_absence() {
    let mut desk = Desk::new(1);
    let mut watcher = desk.open("/chat", 1);
    let mut socket = desk.open_on(0, "/chat", 7, &json!({ "recover": true }));
    let welcome = socket.welcomed();
    desk.drop(socket);
    desk.after(10_000);
    let auth = json!({ "recover": true, "pid": welcome["pid"] });
    let mut back = desk.open_on(0, "/chat", 7, &auth);
    let new = back.took();
    assert!(new.len() == 1 && new[0].contains(welcome["pid"].as_str().expect("a pid")), "{new:?}");
    let told: Vec<bool> = watcher.took()[1..].iter().map(|event| event.contains("user_online")).collect();
    assert_eq!(told, [true, false, true]);
}

#[test]
fn nothing_comes_before_a_socket_is_let_in() {
    let mut desk = Desk::new(2);
    desk.opened = 1;
    let mut first = desk.open_on(1, "/", 7, &json!({ "recover": true }));
    let welcome = first.welcomed();
    let id = ConnectionId::from_random(77);
    let endpoint = desk.hub.namespace("/").expect("a namespace");
    let (link, pipe) = pipe();
    let opening = Opening {
        endpoint,
        wire: desk.hub.endpoint(endpoint).wire(Packing::Plain),
        first: Some(json!({ "recover": true, "pid": welcome["pid"] }).to_string().into()),
        ..desk.opening(id, Some(user(7)))
    };
    let key = desk.shards[0].open(link, opening, desk.now);
    let mut back = Socket { shard: 0, key, pipe, read: 0 };
    for body in [json!({ "type": "e", "namespace": "/" }), json!({ "type": "t", "namespace": "/" })] {
        let request = PublishRequest::parse(body.to_string().as_bytes()).expect("a publication");
        let (publication, target, _) = request.into_publication(PublicationId::from_u128(1), desk.now.wall);
        let is_transient = &*publication.event_type == "t";
        let outgoing = Outgoing { is_transient, ..Outgoing::new(publication, target, desk.now.wall) };
        desk.hub.publish(outgoing).expect("room");
    }
    desk.shards[0].take_inbox(desk.now);
    while desk.shards[0].step(7, desk.now) {}
    assert!(back.nothing(), "the other shard was not asked yet");
    desk.deliver();
    let new = back.took();
    assert!(new.len() == 2 && new[0].starts_with("40{") && new[1].starts_with(r#"42["e","#), "{new:?}");
}

#[test]
fn state_does_not_move_a_socket_back() {
    let mut desk = Desk::new(1);
    let retained = json!({ "type": "state", "channel": "jobs", "retain": { "key": "k" } });
    let request = PublishRequest::parse(retained.to_string().as_bytes()).expect("a publication");
    let retain = request.retain.clone();
    let (publication, target, _) = request.into_publication(PublicationId::from_u128(1), desk.now.wall);
    let outgoing = Outgoing { retain, ..Outgoing::new(publication, target, desk.now.wall) };
    desk.hub.publish(outgoing).expect("room");
    let mut socket = desk.open_on(0, "/", 7, &json!({ "recover": true }));
    socket.took();
    desk.publish(&json!({ "type": "e", "namespace": "/" }));
    assert_eq!(socket.took().len(), 1);
    desk.say(&socket, r#"20["subscribe",{"channels":"jobs"}]"#);
    let new = socket.took();
    assert_eq!(new.last().map(String::as_str), Some(r#"42["state",{}]"#), "without an offset: {new:?}");
}

#[test]
fn all_others_get_no_pid_and_no_further_argument() {
    let mut desk = Desk::new(1);
    let mut socket = desk.open("/notifications", 7);
    assert_eq!(socket.welcomed().as_object().expect("an object").len(), 1);
    desk.publish(&json!({ "type": "notification", "data": [], "user_id": 7 }));
    assert_eq!(socket.took(), [r#"42/notifications,["notification",[]]"#]);
}

#[test]
fn a_recovering_socket_recovers_the_channels_that_it_joined_later() {
    let mut desk = Desk::new(1);
    let mut socket = desk.open_on(0, "/", 7, &json!({ "recover": true }));
    let welcome = socket.welcomed();
    desk.publish(&json!({ "type": "before", "channel": "jobs" }));
    desk.say(&socket, r#"20["subscribe",{"channels":"jobs"}]"#);
    assert_eq!(socket.took(), [r#"430[{"channels":["jobs"],"success":true}]"#]);
    desk.drop(socket);
    desk.publish(&json!({ "type": "missed", "channel": "jobs" }));
    desk.publish(&json!({ "type": "missed", "channel": "jobs", "namespace": "/" }));
    let auth = json!({ "recover": true, "pid": welcome["pid"] });
    let mut back = desk.open_on(0, "/", 7, &auth);
    let new = back.took();
    assert!(new.len() == 3 && new[1..].iter().all(|event| event.starts_with(r#"42["missed","#)), "{new:?}");
    assert_eq!(desk.publish(&json!({ "type": "live", "channel": "jobs" })), 1);
    assert_eq!(back.took().len(), 1);
}

#[test]
fn what_is_transient_reaches_who_is_there_and_is_told_to_nobody_later() {
    let mut desk = Desk::new(1);
    let mut socket = desk.open_on(0, "/notifications", 7, &json!({ "recover": true }));
    let welcome = socket.welcomed();
    let mut ws = desk.ws(7);
    desk.say(&ws, r#"{"type":"subscribe","channels":[],"recoverable":true}"#);
    ws.took();
    let event = json!({ "type": "notification", "data": [], "user_id": 7, "transient": true });
    assert_eq!(desk.publish(&event), 2);
    assert_eq!(socket.took().len(), 1);
    let told = ws.took();
    assert!(told.len() == 1 && told[0].contains(r#""channel":"@connection""#), "{told:?}");
    assert_eq!(desk.publish(&json!({ "type": "all", "transient": true })), 1);
    assert!(ws.took()[0].contains(r#""channel":"@connection""#));
    desk.drop(socket);
    assert_eq!(desk.publish(&event), 1);
    let auth = json!({ "recover": true, "pid": welcome["pid"] });
    let mut back = desk.open_on(0, "/notifications", 7, &auth);
    let new = back.took();
    assert!(new.len() == 1 && new[0].contains(welcome["pid"].as_str().expect("a pid")), "{new:?}");
}

#[test]
fn a_publication_is_encoded_once_for_all_sockets_of_a_namespace() {
    let mut desk = Desk::new(2);
    let recovers = json!({ "recover": true });
    let mut plain: Vec<Socket> =
        (0..100).map(|who| desk.open_on(who % 2, "/notifications", who, &json!({}))).collect();
    let mut recovering: Vec<Socket> =
        (0..10).map(|who| desk.open_on(who % 2, "/notifications", who, &recovers)).collect();
    let before = desk.hub.metrics().encodings.get();
    assert_eq!(desk.publish(&json!({ "type": "x", "namespace": "/notifications" })), 110);
    assert_eq!(desk.hub.metrics().encodings.get() - before, 2, "without and with an offset");
    for socket in plain.iter_mut().chain(&mut recovering) {
        assert!(socket.took().last().is_some_and(|event| event.starts_with(r#"42/notifications,["x",{}"#)));
    }
}

#[test]
fn a_connection_that_is_named_with_a_namespace_has_to_be_in_it() {
    let mut desk = Desk::new(2);
    let mut chat = desk.open_on(1, "/chat", 7, &json!({}));
    let mut ws = desk.ws(7);
    let sid = chat.welcomed()["sid"].clone();
    let event = |namespace: &str| json!({ "type": "x", "namespace": namespace, "connection_id": sid });
    assert_eq!(desk.publish(&event("/chat")), 1);
    assert_eq!(chat.took(), [r#"42/chat,["x",{}]"#]);
    assert_eq!(desk.publish(&event("/notifications")) + desk.publish(&event("/nowhere")), 0);
    assert!(chat.nothing() && ws.nothing());
    assert_eq!(desk.publish(&json!({ "type": "x", "connection_id": sid })), 1, "of any world");
}

#[test]
fn the_pid_of_another_namespace_takes_nothing_over() {
    let mut desk = Desk::new(2);
    let mut chat = desk.open_on(0, "/chat", 7, &json!({ "recover": true }));
    let pid = chat.welcomed()["pid"].clone();
    for shard in [0, 1] {
        let mut other = desk.open_on(shard, "/notifications", 7, &json!({ "recover": true, "pid": pid }));
        assert_ne!(other.welcomed()["pid"], pid);
    }
    assert!(chat.nothing(), "it goes on");
    assert_eq!(desk.publish(&json!({ "type": "message_received", "user_id": 7 })), 1);
}

#[test]
fn a_user_with_too_many_sockets_is_turned_away_with_a_reason() {
    let limits = Limits { connections_per_user: Some(1), ..Limits::default() };
    let mut desk = Desk::new(1);
    let endpoints = vec![Endpoint::of_namespace(Namespace::new("/", &[]), &limits)];
    let metrics = Metrics::new(&prometheus::Registry::new());
    let beginning = Beginning { endpoints, ..Beginning::default() };
    let rules = ChannelRules::new(vec![], Identities::Known);
    desk.hub = Arc::new(Hub::begin(rules, limits, metrics, vec![Box::new(Awake)], beginning));
    desk.shards = vec![Shard::new(Arc::clone(&desk.hub), 0)];
    let mut first = desk.open("/", 7);
    let mut second = desk.open("/", 7);
    assert!(first.welcomed()["sid"].is_string());
    assert_eq!(second.took(), [r#"44{"message":"Too many connections"}"#]);
    desk.after(1);
    for shard in &mut desk.shards {
        shard.tick(desk.now);
    }
    assert_eq!(desk.shards[0].len(), 1);
}
