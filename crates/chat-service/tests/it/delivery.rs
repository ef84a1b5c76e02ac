//! Before a real hub: who gets what, who was away gets it later, and nothing is lost or doubled when the service dies
//! between its commit and the hub.

use std::net::SocketAddr;

use serde_json::{Value, json};
use test_kit::{Client, Directory, Launch, Server, eventually, http};

use crate::harness::{Engine, KEY, NO_HUB, SECRET, SOON, Wishes, World, hook_at, token};

/// What it accepts for a user is on disk before it answers, as in `fanfare up`.
const RULES: &str =
    "[[channels]]\npattern = \"user:*\"\nhistory = { size = 1000, age = \"1h\", durable = true }\n";

/// A hub that keeps what users get, perhaps at an address of the test's choice.
pub(crate) struct Hub {
    pub(crate) server: Server,
    _data: Directory,
}

impl Hub {
    pub(crate) fn start(at: Option<SocketAddr>) -> Self {
        Self::configured(at, RULES)
    }

    /// One with a configuration of the test's.
    fn configured(at: Option<SocketAddr>, configuration: &str) -> Self {
        let data = Directory::new();
        let launch = Launch::of("websocket-server")
            .env("FANFARE_DATA", &data)
            .env("FANFARE_CONFIG", data.write("rules.toml", configuration))
            .env("SERVICE_API_KEY", KEY)
            .env("FANFARE_API_KEYS", format!("services:{KEY}:*|@all|user:*|+admin"))
            .env("JWT_SECRET", SECRET);
        let launch = match at {
            Some(at) => launch.env("PORT", at.port().to_string()),
            None => launch,
        };
        Self { server: launch.start(), _data: data }
    }

    /// A socket of a user.
    pub(crate) fn connect(&self, user: impl Into<Value>) -> Client {
        Client::dial(&self.server.ws()).bearer(&token(user)).welcomed()
    }

    /// Everything that a connection got up to now: what the hub took before the last event of this is in it.
    #[track_caller]
    pub(crate) fn so_far(&self, client: &mut Client) -> Vec<Value> {
        let last = json!({"type": "the_last", "connection_id": client.connection_id()});
        let bearer = format!("Bearer {KEY}");
        let answer =
            http::post_json(self.server.address(), "/broadcast", &[("authorization", &bearer)], &last);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut frames = client.collect_until("the_last");
        frames.pop();
        frames
    }
}

/// A send, as the hub hands it on.
fn call(from: i64, to: i64, text: &str, connection: Option<&str>) -> Value {
    json!({
        "event": "send_message", "data": {"to_user_id": to, "message": text}, "user_id": from, "user_type": "worker",
        "connection_id": connection
    })
}

fn texts(frames: &[Value]) -> Vec<&str> {
    let received = frames.iter().filter(|frame| frame["type"] == "message_received");
    received.map(|frame| frame["data"]["message"].as_str().expect("a text")).collect()
}

#[test]
fn two_users_talk_and_each_connection_gets_what_is_its_own() {
    let hub = Hub::start(None);
    let mut world = World::new(Engine::Sqlite);
    let chat = world.start(Wishes { hub: hub.server.http(), background: true, ..Wishes::default() });
    let (mut phone, mut laptop, mut other, mut stranger) =
        (hub.connect(7), hub.connect("7"), hub.connect(9), hub.connect(8));
    let answer = chat.hook(&call(7, 9, "hi", Some(phone.connection_id()))).json();
    let got = other.expect_type("message_received");
    assert_eq!((&got["data"]["id"], &got["data"]["message"]), (&answer["id"], &json!("hi")));
    assert_eq!(got["timestamp"], got["data"]["timestamp"]);
    assert_eq!(laptop.expect_type("message_received")["data"], got["data"], "the sender's other device");
    let read = chat.emit(9, "mark_read", &json!({"message_id": answer["id"]}));
    assert_eq!(read["success"], true);
    let told = phone.expect_type("message_read");
    assert_eq!((&told["data"]["message_id"], &told["data"]["user_id"]), (&answer["id"], &json!(9)));
    assert_eq!(laptop.expect_type("message_read")["data"], told["data"]);
    // To oneself: all devices, also the one that it came from. By REST likewise.
    chat.hook(&call(7, 7, "note", Some(phone.connection_id())));
    assert_eq!(texts(&[phone.next_json(), laptop.next_json()]), ["note", "note"]);
    chat.write(7, "9", "by REST");
    assert_eq!(texts(&[phone.next_json(), laptop.next_json(), other.next_json()]), ["by REST"; 3]);
    for client in [&mut phone, &mut laptop, &mut other, &mut stranger] {
        assert_eq!(hub.so_far(client), Vec::<Value>::new(), "nothing else came");
    }
}

#[test]
fn who_was_away_gets_every_message_in_order_when_it_comes_back() {
    let hub = Hub::start(None);
    let mut world = World::new(Engine::Postgres);
    let chat = world.start(Wishes { hub: hub.server.http(), background: true, ..Wishes::default() });
    let subscribe = |client: &mut Client, positions: &Value| {
        let mut frame = json!({"type": "subscribe", "channels": [], "recoverable": true});
        if !positions.is_null() {
            frame["positions"] = positions.clone();
        }
        client.send_json(&frame);
        client.expect_type("subscribed")["data"]["positions"].clone()
    };
    let mut client = hub.connect(9);
    let mut position = subscribe(&mut client, &Value::Null)["user:9"].clone();
    chat.send(7, 9, "while here");
    let got = client.expect_type("message_received");
    position["offset"] = got["offset"].clone();
    client.cut();
    let away: Vec<String> = (0..5).map(|n| format!("while away {n}")).collect();
    for text in &away {
        chat.send(7, 9, text);
    }
    eventually(SOON, || world.events().is_empty());
    let mut client = hub.connect(9);
    let positions = subscribe(&mut client, &json!({"user:9": position}));
    assert_eq!(positions["user:9"]["recovered"], true, "{positions}");
    let missed: Vec<Value> = (0..5).map(|_| client.next_json()).collect();
    assert_eq!(texts(&missed), away);
    chat.send(7, 9, "back again");
    assert_eq!(texts(&hub_frames(&hub, &mut client)), ["back again"], "none twice");
    assert_eq!(chat.read(9, "/api/chat/unread")["unread_count"], 7);
}

/// The next message, and all that came with it.
fn hub_frames(hub: &Hub, client: &mut Client) -> Vec<Value> {
    let mut frames = client.collect_until("message_received");
    frames.extend(hub.so_far(client));
    frames
}

#[test]
fn clients_on_ws_talk_through_the_hubs_hooks_and_hear_when_the_service_is_away() {
    let at = test_kit::free_address();
    let mut world = World::new(Engine::Sqlite);
    let chat = world.start(Wishes { hub: format!("http://{at}"), background: true, ..Wishes::default() });
    let hooks = format!(
        "{RULES}[[hooks]]\nevent = [\"send_message\", \"typing\", \"mark_read\"]\nnamespaces = [\"/chat\"]\nws = true\n\
         url = \"http://{}/hooks/chat\"\nidempotent = true\n",
        chat.address
    );
    let hub = Hub::configured(Some(at), &hooks);
    let (mut phone, mut laptop, mut other) = (hub.connect(7), hub.connect(7), hub.connect("9"));
    let emit = |client: &mut Client, event: &str, data: Value| {
        client.send_json(&json!({"type": event, "data": data, "ref": "r1"}));
        let ack = client.expect_type("ack")["data"].clone();
        assert_eq!((&ack["event"], &ack["ref"]), (&json!(event), &json!("r1")));
        ack["answer"].clone()
    };
    let answer = emit(&mut phone, "send_message", json!({"to_user_id": 9, "message": "hi"}));
    let id = answer["id"].as_i64().expect("an id");
    assert_eq!(answer, json!({"success": true, "id": id}));
    let got = other.expect_type("message_received")["data"].clone();
    assert_eq!((&got["id"], &got["from_user_id"], &got["to_user_id"]), (&json!(id), &json!(7), &json!(9)));
    assert_eq!(laptop.expect_type("message_received")["data"], got);
    assert_eq!(
        emit(&mut other, "typing", json!({"to_user_id": 7, "is_typing": true})),
        json!({"success": true})
    );
    assert_eq!(phone.expect_type("user_typing")["data"], json!({"user_id": "9", "is_typing": true}));
    let answer = emit(&mut other, "mark_read", json!({"message_id": id}));
    assert_eq!(answer, json!({"success": true, "message_id": id, "unread_count": 0}));
    assert_eq!(phone.expect_type("message_read")["data"]["user_id"], "9");
    let refused = emit(&mut phone, "send_message", json!({"to_user_id": 9, "message": " "}));
    assert_eq!((&refused["success"], &refused["code"]), (&json!(false), &json!("invalid")));
    let mut stranger = Client::welcomed(&hub.server.ws());
    let anonymous = emit(&mut stranger, "send_message", json!({"to_user_id": 9, "message": "hi"}));
    assert_eq!((&anonymous["success"], &anonymous["code"]), (&json!(false), &json!("unauthorized")));
    chat.kill();
    let away = emit(&mut phone, "send_message", json!({"to_user_id": 9, "message": "anybody?"}));
    assert_eq!((&away["success"], &away["code"]), (&json!(false), &json!("unavailable")));
}

#[test]
fn a_service_that_dies_between_its_commit_and_the_hub_delivers_once_in_order_after_its_restart() {
    let at = test_kit::free_address();
    let data = Directory::new();
    let launch = Launch::new(env!("CARGO_BIN_EXE_chat-service"))
        .env("FANFARE_DATA", &data)
        .env("WS_SERVICE_URL", format!("http://{at}"))
        .env("SERVICE_API_KEY", KEY)
        .env("JWT_SECRET", SECRET);
    let service = launch.start();
    let sent: Vec<String> = (0..10).map(|n| format!("message {n}")).collect();
    for text in &sent {
        let answer = hook_at(service.address(), &call(7, 9, text, None)).json();
        assert_eq!(answer["success"], true, "{answer}");
    }
    // Killed: the hub was never there.
    drop(service);
    let hub = Hub::start(Some(at));
    let mut client = hub.connect(9);
    let service = launch.start();
    let backlog = || http::get(service.address(), "/health", &[]).json()["relay"]["backlog"].clone();
    eventually(SOON, || backlog() == 0);
    assert_eq!(texts(&hub.so_far(&mut client)), sent);
    // Killed again, with nothing left to send: nothing comes twice.
    drop(service);
    let service = launch.start();
    let answer = hook_at(service.address(), &call(7, 9, "the next", None)).json();
    assert_eq!(answer["id"], 11);
    assert_eq!(client.expect_type("message_received")["data"]["message"], "the next");
    assert_eq!(hub.so_far(&mut client), Vec::<Value>::new());
}

#[test]
fn what_an_instance_left_another_delivers() {
    let hub = Hub::start(None);
    let mut world = World::new(Engine::Postgres);
    let dead = world.start(Wishes { hub: NO_HUB.to_owned(), background: true, ..Wishes::default() });
    let mut client = hub.connect(9);
    dead.send(7, 9, "left behind");
    dead.kill();
    let chat = world.start(Wishes { hub: hub.server.http(), background: true, ..Wishes::default() });
    assert_eq!(client.expect_type("message_received")["data"]["message"], "left behind");
    chat.send(7, 9, "then");
    assert_eq!(client.expect_type("message_received")["data"]["message"], "then");
}

#[test]
fn messages_are_taken_while_the_hub_is_away_and_come_when_it_is_back() {
    let at = test_kit::free_address();
    let mut world = World::new(Engine::Sqlite);
    let chat = world.start(Wishes { hub: format!("http://{at}"), background: true, ..Wishes::default() });
    chat.send(7, 9, "first");
    eventually(SOON, || http::get(chat.address, "/health", &[]).json()["hub"] == "down");
    chat.send(7, 9, "second");
    let hub = Hub::start(Some(at));
    // They may be there before anybody can be connected.
    eventually(SOON, || world.events().is_empty());
    let mut client = hub.connect(9);
    client.send_json(&json!({"type": "history", "channel": "user:9", "limit": 10}));
    let mut events = client.expect_type("history")["data"]["events"].as_array().expect("events").clone();
    events.reverse();
    assert_eq!(texts(&events), ["first", "second"]);
}
