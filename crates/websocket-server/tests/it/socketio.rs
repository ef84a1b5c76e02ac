//! `/socket.io/` from outside, byte by byte: Engine.IO over polling and WebSocket, and Socket.IO in it. Every rule of both
//! protocols that a server can keep or break has a case here; real clients have theirs elsewhere.
//!
//! Not here: which events reach a namespace, its presence and recovery (the engine's tests).

mod polling;
mod sockets;
mod upgrade;
mod wrong;

use std::time::Duration;

use serde_json::{Value, json};
use test_kit::http::{Answer, request};
use test_kit::raw::Frame;
use test_kit::{Launch, RawClient, Server, Signer};

use super::{SECRET, launch};

/// What the contract says that the protocol-test switch has.
fn in_test() -> Server {
    test_launch().start()
}

fn test_launch() -> Launch {
    launch().arg("--protocol-test")
}

/// How late the machine may be in all before a scene is played again: a ping of the protocol test has 200 ms to be answered.
const TOLERATED: Duration = Duration::from_millis(100);

/// Plays a scene with what the protocol-test switch has.
fn in_time(scene: impl Fn(&Server)) {
    let server = in_test();
    test_kit::on_time(TOLERATED, || scene(&server));
}

/// A client that polls.
pub(crate) struct Polling<'s> {
    server: &'s Server,
    path: &'static str,
    sid: String,
}

impl<'s> Polling<'s> {
    #[track_caller]
    fn open(server: &'s Server, path: &'static str) -> Self {
        let answer = server.get(&format!("{path}?EIO=4&transport=polling"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let open = open_packet(&answer.text());
        Self { server, path, sid: open["sid"].as_str().expect("an id").to_owned() }
    }

    /// A session with a socket of user 7 in each of these namespaces.
    #[track_caller]
    pub(crate) fn connected(server: &'s Server, namespaces: &[&str]) -> Self {
        let polling = Self::open(server, "/socket.io/");
        for namespace in namespaces {
            polling.post_ok(&format!("40{namespace},{}", auth(7)));
            let packet = polling.poll_text();
            assert!(packet.starts_with(&format!("40{namespace},{{\"sid\":\"")), "{packet}");
        }
        polling
    }

    fn target(&self) -> String {
        format!("{}?EIO=4&transport=polling&sid={}", self.path, self.sid)
    }

    fn poll(&self) -> Answer {
        self.server.get(&self.target())
    }

    #[track_caller]
    pub(crate) fn poll_text(&self) -> String {
        let answer = self.poll();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    fn post(&self, body: &str) -> Answer {
        self.post_bytes(body.as_bytes(), &[("content-type", "text/plain;charset=UTF-8")])
    }

    fn post_bytes(&self, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        request(self.server.address(), "POST", &self.target(), headers, Some(body))
    }

    #[track_caller]
    fn post_ok(&self, body: &str) {
        let answer = self.post(body);
        assert_eq!((answer.status, &*answer.text()), (200, "ok"));
    }

    /// Polls until a packet begins so; all packets of the payloads up to it.
    #[track_caller]
    fn poll_through(&self, beginning: &str) -> Vec<String> {
        let mut packets: Vec<String> = Vec::new();
        while !packets.iter().any(|packet| packet.starts_with(beginning)) {
            packets.extend(self.poll_text().split('\u{1e}').map(str::to_owned));
        }
        packets
    }

    /// Polls until a packet begins so; the packets up to it. What stands behind it is dropped.
    #[track_caller]
    fn poll_until(&self, beginning: &str) -> Vec<String> {
        let mut packets = Vec::new();
        loop {
            for packet in self.poll_text().split('\u{1e}') {
                packets.push(packet.to_owned());
                if packet.starts_with(beginning) {
                    return packets;
                }
            }
        }
    }
}

/// A client over a WebSocket.
pub(crate) struct Ws(RawClient);

impl Ws {
    #[track_caller]
    fn open(server: &Server, path: &str) -> (Self, Value) {
        let mut ws = Self::upgraded(server, &format!("{path}?EIO=4&transport=websocket"));
        let open = open_packet(&ws.text());
        (ws, open)
    }

    /// One that is to take a session over.
    #[track_caller]
    fn of(polling: &Polling<'_>) -> Self {
        let Polling { server, path, sid } = polling;
        Self::upgraded(server, &format!("{path}?EIO=4&transport=websocket&sid={sid}"))
    }

    #[track_caller]
    fn upgraded(server: &Server, path: &str) -> Self {
        Self(RawClient::upgraded(server.address(), path, &[]))
    }

    /// A session with a socket of user 7 in each of these namespaces; their ids.
    #[track_caller]
    pub(crate) fn connected(server: &Server, namespaces: &[&str]) -> (Self, Vec<String>) {
        let (mut ws, _) = Self::open(server, "/socket.io/");
        let ids = namespaces.iter().map(|namespace| ws.connect(namespace, &auth(7))).collect();
        (ws, ids)
    }

    /// Connects to a namespace; the socket's id.
    #[track_caller]
    fn connect(&mut self, namespace: &str, auth: &str) -> String {
        self.send(&format!("40{namespace},{auth}"));
        let packet = self.text();
        let data = packet.strip_prefix(&format!("40{namespace},")).unwrap_or_else(|| panic!("{packet}"));
        let data: Value = serde_json::from_str(data).expect("JSON");
        data["sid"].as_str().expect("an id").to_owned()
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.0.send(&Frame::text(text));
    }

    fn send_binary(&mut self, bytes: &[u8]) {
        self.0.send(&Frame::new(2, bytes));
    }

    /// The next text that is no ping of Engine.IO; those are answered.
    #[track_caller]
    pub(crate) fn text(&mut self) -> String {
        loop {
            let frame = self.0.next_frame().expect("a frame");
            assert_eq!(frame.opcode, 1, "{frame:?} {}", String::from_utf8_lossy(&frame.payload));
            let text = String::from_utf8(frame.payload).expect("text");
            if text != "2" {
                return text;
            }
            self.send("3");
        }
    }

    #[track_caller]
    fn close(&mut self) -> (u16, String) {
        self.0.expect_close()
    }

    /// Answers pings until the server closes.
    #[track_caller]
    fn ended(&mut self) -> (u16, String) {
        loop {
            match self.0.next_frame() {
                Some(frame) if frame.opcode == 8 => return frame.close_reason(),
                Some(frame) if frame.payload == b"2" => self.send("3"),
                Some(frame) => panic!("{frame:?}"),
                None => return (1006, String::new()),
            }
        }
    }

    /// The session is there: a subscription is acknowledged, and nothing comes before.
    #[track_caller]
    fn is_well(&mut self, namespace: &str) {
        self.send(&format!("42{namespace},99[\"subscribe\",{{\"channels\":[\"x\"]}}]"));
        let answer = self.text();
        assert!(answer.starts_with(&format!("43{namespace},99[{{")), "{answer}");
    }
}

fn open_packet(text: &str) -> Value {
    serde_json::from_str(text.strip_prefix('0').unwrap_or_else(|| panic!("{text}"))).expect("JSON")
}

/// What a client of that user gives to be let in.
fn auth(user: u32) -> String {
    json!({ "token": Signer::hs256(SECRET).user(user) }).to_string()
}

/// Engine.IO's error.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: u8, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json(), json!({ "code": code, "message": message }));
}

/// The session is no more.
#[track_caller]
fn assert_over(polling: &Polling<'_>) {
    assert_refused(&polling.poll(), 400, 1, "Session ID unknown");
}
