//! Bad input: whatever a client or publisher sends, it gets a reason that a developer can act on, and nobody else
//! notices. Each scene has a friend, a well-behaved client that is connected throughout.
mod floods;
mod frames;
mod handshakes;
mod publishers;

use std::net::SocketAddr;

use serde_json::{Value, json};
use test_kit::raw::Head;
use test_kit::wait::PATIENCE;
use test_kit::{Client, Launch, RawClient, Server};

const SECRET: &str = "a secret of the hostile tests, long enough";

/// The default of `WS_MAX_MESSAGE`.
const MAX_MESSAGE: usize = 64 * 1024;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A server, and a friend who must not notice anything.
struct Scene {
    server: Server,
    friend: Client,
    told: u64,
}

fn launch() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_websocket-server")).env("WS_RATE_LIMIT", "0")
}

impl Scene {
    fn new() -> Self {
        Self::of(&launch())
    }

    fn of(launch: &Launch) -> Self {
        let server = launch.start();
        let friend = Client::welcomed(&server.ws());
        Self { server, friend, told: 0 }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The friend gets an event, once, and nothing else, and is answered.
    #[track_caller]
    fn friend_is_well(&mut self) {
        self.told += 1;
        let event = json!({ "type": "still_here", "data": { "n": self.told } });
        self.server.broadcast(&event);
        let got = self.friend.next_json();
        assert_eq!((&got["type"], &got["data"]["n"]), (&json!("still_here"), &json!(self.told)), "{got}");
        assert_eq!(self.friend.ping_barrier(), Vec::<Value>::new());
    }

    /// A client that has read its welcome and may now send anything.
    #[track_caller]
    fn attacker(&self, headers: &[&str]) -> RawClient {
        let mut client = RawClient::upgraded(self.address(), "/ws", headers);
        let welcome = client.next_frame().expect("a welcome");
        assert!(welcome.payload.starts_with(br#"{"type":"connected""#), "{welcome:?}");
        client
    }

    /// Sends `bytes` as the only thing after the welcome, and expects this Close and then the end.
    #[track_caller]
    fn expect_fault(&self, headers: &[&str], name: &str, bytes: &[u8], code: u16, reason: &str) {
        let mut client = self.attacker(headers);
        client.write(bytes);
        let (got, why) = client.expect_close();
        assert_eq!(got, code, "{name}: {why:?}");
        assert!(why.contains(reason), "{name}: {why:?} does not tell {reason:?}");
        client.finish();
        assert_eq!(client.expect_end(PATIENCE), b"", "{name}: something came behind the Close");
    }

    /// Sends a whole HTTP message, and reads the answer up to the end of the connection.
    #[track_caller]
    fn exchange(&self, request: &[u8]) -> (Head, String) {
        let mut client = RawClient::connect(self.address());
        // The server may answer before it has all of it.
        let _refused_early = client.try_write(request);
        let head = client.read_head();
        let body = client.expect_end(PATIENCE);
        (head, String::from_utf8_lossy(&body).into_owned())
    }
}

/// The next data frame of a raw client, as JSON.
#[track_caller]
fn json_of(client: &mut RawClient) -> Value {
    let frame = client.next_frame().expect("a frame");
    assert!(frame.opcode <= 2, "{frame:?}");
    serde_json::from_slice(&frame.payload).expect("JSON")
}

fn problem(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
}

/// A small generator whose seed is told when a case fails.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}
