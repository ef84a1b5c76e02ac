//! The same hooks for events of Socket.IO: the answer is the acknowledgement.

use serde_json::json;

use super::service::{Act, Gate, Service};
use super::*;

/// A session of Socket.IO over WebSocket, as its packets; pings of the server are answered while it reads.
struct Session(Client);

impl Session {
    fn open(server: &Server) -> Self {
        let mut client = Client::connect(&server.ws_at("/socket.io/?EIO=4&transport=websocket"));
        let open = client.next_message().to_string();
        assert!(open.starts_with("0{"), "{open}");
        Self(client)
    }

    /// One with a socket in a namespace; the socket's id.
    fn connected(server: &Server, namespace: &str, user: impl Into<Value>) -> (Self, String) {
        let mut session = Self::open(server);
        let sid = session.join(namespace, user);
        (session, sid)
    }

    #[track_caller]
    fn join(&mut self, namespace: &str, user: impl Into<Value>) -> String {
        self.0.send_text(&format!("40{namespace},{}", json!({ "token": token(user) })));
        let answer = self.next();
        let data = answer.strip_prefix(&format!("40{namespace},")).unwrap_or_else(|| panic!("{answer}"));
        let data: Value = serde_json::from_str(data).expect("JSON");
        data["sid"].as_str().expect("an id").to_owned()
    }

    #[track_caller]
    fn next(&mut self) -> String {
        loop {
            let packet = self.0.next_message().to_string();
            if packet != "2" {
                return packet;
            }
            self.0.send_text("3");
        }
    }

    fn emit(&mut self, namespace: &str, id: u64, event: &str, data: &Value) {
        self.0.send_text(&format!("42{namespace},{id}{}", json!([event, data])));
    }

    /// The next packet, which must be an acknowledgement in this namespace: its number and the answer.
    #[track_caller]
    fn acknowledged(&mut self, namespace: &str) -> (u64, Value) {
        let packet = self.next();
        let rest = packet.strip_prefix(&format!("43{namespace},")).unwrap_or_else(|| panic!("{packet}"));
        let (id, data) = rest.split_at(rest.find('[').expect("an array"));
        let mut data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(data.as_array().map(Vec::len), Some(1), "{packet}");
        (id.parse().expect("a number"), data[0].take())
    }

    #[track_caller]
    fn ask(&mut self, namespace: &str, event: &str, data: &Value) -> Value {
        self.emit(namespace, 5, event, data);
        let (id, answer) = self.acknowledged(namespace);
        assert_eq!(id, 5);
        answer
    }

    /// All events but those of presence up to `end`.
    #[track_caller]
    fn until_the_end(&mut self) -> Vec<String> {
        let mut packets = Vec::new();
        loop {
            let packet = self.next();
            if packet.contains("[\"end\"") {
                return packets;
            }
            if !packet.contains("[\"user_online\"") {
                packets.push(packet);
            }
        }
    }
}

/// A table for an event in a namespace.
fn in_namespace(event: &str, namespace: &str, service: &Service, path: &str) -> String {
    let url = service.url(path);
    format!("[[hooks]]\nevent = \"{event}\"\nnamespaces = [\"{namespace}\"]\nurl = \"{url}\"\n")
}

#[test]
fn a_service_gets_the_event_and_the_client_its_answer() {
    let service = Service::answering(Act::ok(&json!({ "success": true, "id": 12 })));
    let server = hub(&in_namespace("send_message", "/chat", &service, "/hooks"));
    let (mut session, sid) = Session::connected(&server, "/chat", 456);
    let data = json!({ "to_user_id": 8, "message": "hi \u{1f600}" });
    assert_eq!(session.ask("/chat", "send_message", &data), json!({ "success": true, "id": 12 }));
    let mut body = service.calls()[0].body();
    assert!(body["id"].take().is_string());
    assert_eq!(
        body,
        json!({
            "event": "send_message", "data": data, "user_id": 456, "user_type": null,
            "connection_id": sid, "id": null,
        })
    );
}

#[test]
fn an_event_without_acknowledgement_is_handed_over_and_one_without_data_has_an_empty_object() {
    let service = Service::answering(Act::ok(&json!({ "success": true })));
    let server = hub(&in_namespace("typing", "/chat", &service, "/hooks"));
    let (mut session, _) = Session::connected(&server, "/chat", "anna");
    for (count, sent, handed) in [
        ("42/chat,[\"typing\",{\"a\":1}]", json!({ "a": 1 })),
        ("42/chat,[\"typing\"]", json!({})),
        ("42/chat,[\"typing\",null,7]", json!(null)),
        ("42/chat,[\"typing\",[1,2],{}]", json!([1, 2])),
    ]
    .into_iter()
    .enumerate()
    .map(|(place, (sent, handed))| (place + 1, sent, handed))
    {
        session.0.send_text(sent);
        let call = service.wait_for(count).pop().expect("a call").body();
        assert_eq!((&call["user_id"], &call["data"]), (&json!("anna"), &handed));
    }
    server.broadcast(&json!({ "type": "end", "namespace": "/chat" }));
    assert!(session.until_the_end().is_empty());
}

#[test]
fn one_name_in_two_namespaces_is_two_events() {
    let (chat, inbox) = (
        Service::answering(Act::ok(&json!({ "success": true, "of": "chat" }))),
        Service::answering(Act::ok(&json!({ "success": true, "of": "inbox" }))),
    );
    let toml = [
        in_namespace("mark_read", "/chat", &chat, "/a"),
        in_namespace("mark_read", "/notifications", &inbox, "/b"),
    ];
    let server = hub(&toml.concat());
    let (mut session, _) = Session::connected(&server, "/chat", 7);
    session.join("/notifications", 8);
    assert_eq!(session.ask("/chat", "mark_read", &json!({}))["of"], "chat");
    assert_eq!(session.ask("/notifications", "mark_read", &json!({}))["of"], "inbox");
    assert_eq!(
        (&chat.calls()[0].body()["user_id"], &inbox.calls()[0].body()["user_id"]),
        (&json!(7), &json!(8))
    );
    session.join("/sns", 7);
    assert_eq!(session.ask("/sns", "mark_read", &json!({}))["success"], false);
}

#[test]
fn sockets_of_one_session_do_not_wait_for_each_other_and_each_keeps_its_order() {
    let gate = Gate::default();
    let slow = Service::answering(Act::Wait(gate.clone()));
    let fast = Service::answering(Act::ok(&json!({ "success": true })));
    let toml =
        [in_namespace("slow", "/chat", &slow, "/"), in_namespace("fast", "/orders", &fast, "/")].concat();
    let server = hub(&toml);
    let (mut session, _) = Session::connected(&server, "/chat", 7);
    session.join("/orders", 7);
    for id in 0..50 {
        session.emit("/chat", id, "slow", &json!({ "number": id }));
    }
    slow.wait_for(1);
    assert_eq!(session.ask("/orders", "fast", &json!({})), json!({ "success": true }));
    gate.open();
    for id in 0..50 {
        assert_eq!(session.acknowledged("/chat"), (id, json!({ "success": true })));
    }
    for (number, call) in slow.calls().iter().enumerate() {
        assert_eq!(call.body()["data"]["number"], number);
    }
}

#[test]
fn a_service_that_is_away_is_an_acknowledgement_and_no_end() {
    let service = Service::answering(Act::HangUp);
    let server = hub(&in_namespace("send_message", "/chat", &service, "/"));
    let (mut session, _) = Session::connected(&server, "/chat", 7);
    for _ in 0..8 {
        expect_refusal(&session.ask("/chat", "send_message", &json!({})), "unavailable");
    }
    assert_eq!(service.calls().len(), 5, "the circuit is open");
    assert_eq!(session.ask("/chat", "subscribe", &json!({ "channels": ["x"] }))["success"], true);
}

#[test]
fn publish_start_is_answered_where_no_service_is_and_by_it_where_one_is() {
    let data = json!({ "post_id": 9, "platforms": ["mastodon"] });
    let server = hub("");
    let (mut first, _) = Session::connected(&server, "/sns", 7);
    first.join("/orders", 7);
    let (mut second, _) = Session::connected(&server, "/sns", "7");
    let (mut other, _) = Session::connected(&server, "/sns", 8);
    let mut on_ws = client(&server, 7);
    first.emit("/sns", 3, "publish_start", &data);
    let event = format!("42/sns,{}", json!(["publish_started", data]));
    let answer = "43/sns,3[{\"success\":true}]".to_owned();
    let mut of_first = Vec::new();
    while !of_first.contains(&answer) {
        of_first.push(first.next());
    }
    server.broadcast(&json!({ "type": "end", "namespace": "/sns" }));
    server.broadcast(&json!({ "type": "end" }));
    assert_eq!(second.until_the_end(), [&*event]);
    of_first.append(&mut first.until_the_end());
    of_first.retain(|packet| !packet.contains("[\"user_online\""));
    of_first.sort();
    assert_eq!(of_first, [event, answer]);
    assert!(other.until_the_end().is_empty());
    assert_eq!(on_ws.collect_until("end").len(), 1);
    let service = Service::answering(Act::ok(&json!({ "success": true, "job": 1 })));
    let server = hub(&in_namespace("publish_start", "/sns", &service, "/"));
    let (mut session, _) = Session::connected(&server, "/sns", 7);
    assert_eq!(session.ask("/sns", "publish_start", &data), json!({ "success": true, "job": 1 }));
    assert_eq!(service.calls()[0].body()["data"], data);
}
