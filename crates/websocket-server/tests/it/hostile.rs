//! Bad input: whatever a client or publisher sends, it gets a reason that a developer can act on, and nobody else
//! notices. Each scene has a friend, a well-behaved client that is connected throughout.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::raw::Head;
use test_kit::token::{in_seconds, unsigned};
use test_kit::wait::PATIENCE;
use test_kit::{Certificate, Client, Frame, Launch, RawClient, Server, Signer, eventually, http};

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

// ---------------------------------------------------------------------------------------------------- publishers

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn bodies_that_are_no_publication_are_refused_by_name() {
    let mut scene = Scene::new();
    let deep = format!(r#"{{"type":"a","data":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let unclosed = "[".repeat(20_000);
    let cases: &[(&str, &[u8], u16, Option<&str>)] = &[
        ("nothing", b"", 400, None),
        ("not JSON", b"hello", 400, None),
        ("half of it", br#"{"type":"a","data":"#, 400, None),
        ("two of them", br#"{"type":"a"}{"type":"b"}"#, 400, None),
        ("not UTF-8", b"{\"type\":\"a\",\"data\":\"\xff\xfe\"}", 400, None),
        ("half of a surrogate pair in the type", br#"{"type":"\ud800"}"#, 422, Some("type")),
        ("an array", b"[1,2]", 422, Some("body")),
        ("a string", br#""type""#, 422, Some("body")),
        ("no type", br#"{"data":{}}"#, 422, Some("type")),
        ("a number for a type", br#"{"type":7}"#, 422, Some("type")),
        ("an object for a channel", br#"{"type":"a","channel":{}}"#, 422, Some("channel")),
        ("a channel outside the set", br#"{"type":"a","channel":"a b"}"#, 422, Some("channel")),
        ("a number among channels", br#"{"type":"a","channels":["a",1]}"#, 422, Some("channels")),
        ("a user that is an object", br#"{"type":"a","user_id":{}}"#, 422, Some("user_id")),
        ("a time that is none", br#"{"type":"a","timestamp":"soon"}"#, 422, Some("timestamp")),
        ("20,000 deep", deep.as_bytes(), 422, None),
        ("20,000 deep and never closed", unclosed.as_bytes(), 422, None),
    ];
    for (name, body, status, member) in cases {
        let answer = http::request(scene.address(), "POST", "/broadcast", &[JSON], Some(body));
        assert_eq!(answer.status, *status, "{name}: {}", answer.text());
        assert!(!answer.problem_code().is_empty());
        let answer = answer.json();
        assert!(answer["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{name}: {answer}");
        if let Some(member) = member {
            assert_eq!(answer["member"], *member, "{name}: {answer}");
        }
    }
    let batches: &[(&str, &str, u16)] = &[
        ("not an array", r#"{"type":"a"}"#, 422),
        ("not JSON", "[", 400),
        ("more than 1,000", &format!("[{}{{}}]", "{},".repeat(1000)), 422),
    ];
    for (name, body, status) in batches {
        let answer =
            http::request(scene.address(), "POST", "/broadcast/batch", &[JSON], Some(body.as_bytes()));
        assert_eq!(answer.status, *status, "{name}: {}", answer.text());
    }
    scene.friend_is_well();
}

#[test]
fn one_bad_item_of_a_batch_costs_the_others_nothing() {
    let mut scene = Scene::new();
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let body =
        format!(r#"[{{"type":"first"}},{{"type":7}},7,{{"type":"a","data":{deep}}},{{"type":"last"}}]"#);
    let answer = http::request(scene.address(), "POST", "/broadcast/batch", &[JSON], Some(body.as_bytes()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let items = answer.json();
    let statuses: Vec<_> =
        items.as_array().expect("an array").iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, [Value::Null, json!(422), json!(422), json!(422), Value::Null], "{items}");
    assert_eq!(scene.friend.expect_type("first")["data"], json!({}));
    scene.friend.expect_type("last");
    scene.friend_is_well();
}

#[test]
fn a_body_that_is_not_declared_as_json_is_refused() {
    let mut scene = Scene::new();
    let body = br#"{"type":"a"}"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "", "+json", "json"]
    {
        let answer =
            http::request(scene.address(), "POST", "/broadcast", &[("content-type", kind)], Some(body));
        assert_eq!(answer.status, 415, "{kind:?}: {}", answer.text());
        assert_eq!(answer.problem_code(), "not_json");
    }
    let none = http::request(scene.address(), "POST", "/broadcast", &[], Some(body));
    assert_eq!(none.status, 415, "{}", none.text());
    scene.friend_is_well();
}

#[test]
fn a_huge_body_is_refused_when_declared_and_when_it_grows_chunk_by_chunk() {
    let mut scene = Scene::new();
    for length in ["1048577", "1000000000000"] {
        let headers = [JSON, ("content-length", length)];
        // Nothing of the body is ever sent: the declaration is enough.
        let answer = http::request(scene.address(), "POST", "/broadcast", &headers, None);
        assert_eq!(answer.status, 413, "{}", answer.text());
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains("MAX_BODY")));
    }
    let overflow = [JSON, ("content-length", "99999999999999999999999")];
    assert_eq!(http::request(scene.address(), "POST", "/broadcast", &overflow, None).status, 400);

    let mut client = RawClient::connect(scene.address());
    client.write(b"POST /broadcast HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend_from_slice(&[b' '; 0x10000]);
    chunk.extend_from_slice(b"\r\n");
    for _ in 0..17 {
        client.write(&chunk);
    }
    assert_eq!(client.read_head().status, 413);

    // Just within the limit it is read to its end.
    let fits = format!(r#"{{"type":"large","data":"{}"}}"#, "x".repeat((1 << 20) - 28));
    assert_eq!(fits.len(), (1 << 20) - 2);
    let answer = http::request(scene.address(), "POST", "/broadcast", &[JSON], Some(fits.as_bytes()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    scene.friend.expect_type("large");
    scene.friend_is_well();
}

#[test]
fn without_a_key_nothing_is_published_through_a_proxy_or_a_foreign_name() {
    let mut scene = Scene::new();
    let refused: &[(&str, &str)] = &[
        ("Forwarded", "for=203.0.113.7"),
        ("Forwarded", ""),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-Proto", "https"),
        ("x-forwarded-anything", "1"),
        ("Host", "rebound.example.com"),
        ("Host", "127.0.0.1.example.com"),
        ("Host", "localhost@example.com"),
        ("Origin", "https://evil.example"),
    ];
    for header in refused {
        for path in ["/broadcast", "/broadcast/batch"] {
            let answer = http::post_json(scene.address(), path, &[*header], &json!({ "type": "stolen" }));
            assert_eq!(answer.status, 403, "{header:?}: {}", answer.text());
            assert!(!answer.problem_code().is_empty());
        }
    }
    let doubled = b"POST /broadcast HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nContent-Type: application/json\r\n\
                    Connection: close\r\nContent-Length: 17\r\n\r\n{\"type\":\"stolen\"}";
    let (head, body) = scene.exchange(doubled);
    assert!(matches!(head.status, 400 | 403), "{head:?} {body}");
    scene.friend_is_well();
}

#[test]
fn with_keys_a_wrong_one_publishes_nothing() {
    let scene = Scene::of(&launch().env("FANFARE_API_KEYS", "shop:a-key-of-the-shop:orders"));
    let authorizations =
        ["Bearer wrong", "Bearer ", "Bearer", "Basic YTpi", "a-key-of-the-shop", "Bearer a-key-of-the-sho"];
    let event = json!({ "type": "stolen" });
    for authorization in authorizations {
        let headers = [("authorization", authorization)];
        let answer = http::post_json(scene.address(), "/broadcast", &headers, &event);
        assert_eq!(answer.status, 401, "{authorization}: {}", answer.text());
        assert!(answer.header("www-authenticate").is_some());
        assert!(!answer.text().contains("a-key-of"), "{}", answer.text());
    }
    assert_eq!(http::post_json(scene.address(), "/broadcast", &[], &event).status, 401);
    let headers = [("authorization", "Bearer a-key-of-the-shop")];
    // To everyone, or to a channel that is not the key's.
    assert_eq!(http::post_json(scene.address(), "/broadcast", &headers, &event).status, 403);
    let elsewhere = json!({ "type": "stolen", "channels": ["orders", "jobs"] });
    assert_eq!(http::post_json(scene.address(), "/broadcast", &headers, &elsewhere).status, 403);
    let allowed = json!({ "type": "a", "channel": "orders" });
    assert_eq!(http::post_json(scene.address(), "/broadcast", &headers, &allowed).status, 200);
    let Scene { server, mut friend, .. } = scene;
    assert_eq!(friend.ping_barrier(), Vec::<Value>::new());
    assert!(!server.log().contains("a-key-of-the-shop"), "{}", server.log());
}

#[test]
fn messages_that_two_servers_could_read_differently_are_refused() {
    let mut scene = Scene::new();
    let head = "POST /broadcast HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let smuggled = [
        "Content-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 12\r\nContent-Length: 13\r\n\r\n{\"type\":\"a\"}",
        "Content-Length: +12\r\n\r\n{\"type\":\"a\"}",
        "Content-Length: -1\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "X-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "X-Null: a\0b\r\nContent-Length: 0\r\n\r\n",
    ];
    for rest in smuggled {
        let (answer, body) = scene.exchange(format!("{head}{rest}").as_bytes());
        assert_eq!(answer.status, 400, "{rest:?}: {answer:?} {body}");
    }
    scene.friend_is_well();
}

/// A server that waits only briefly for requests.
fn impatient() -> Launch {
    launch().env("HANDSHAKE_TIMEOUT", "1s").env("REQUEST_TIMEOUT", "1s")
}

#[test]
fn a_body_that_never_comes_is_given_up() {
    let mut scene = Scene::of(&impatient());
    let files = scene.server.open_files();
    let head = "POST /broadcast HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
    for rest in
        ["Content-Length: 100\r\n\r\n{\"type\":", "Transfer-Encoding: chunked\r\n\r\n8\r\n{\"type\":\r\n"]
    {
        let mut client = RawClient::connect(scene.address());
        client.write(format!("{head}{rest}").as_bytes());
        assert_eq!(client.read_head().status, 408);
        let _ended = client.try_write(b"1");
        let body = problem(&String::from_utf8_lossy(&client.expect_end(PATIENCE)));
        assert_eq!(body["code"], "request_timeout");
        assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("REQUEST_TIMEOUT")), "{body}");
    }
    // Refused before its body is looked at, and then kept waiting for it.
    let refused = format!("{head}X-Forwarded-For: 1.2.3.4\r\n");
    for rest in
        ["Content-Length: 100\r\n\r\n{\"type\":", "Transfer-Encoding: chunked\r\n\r\n8\r\n{\"type\":\r\n"]
    {
        let mut client = RawClient::connect(scene.address());
        client.write(format!("{refused}{rest}").as_bytes());
        assert_eq!(client.read_head().status, 403);
        // The server may have ended it already.
        let _ended = client.try_write(b"1");
        client.expect_end(PATIENCE);
    }
    eventually(PATIENCE, || scene.server.open_files() <= files);
    scene.friend_is_well();
}

#[test]
fn a_refused_body_that_never_ends_is_cut() {
    let mut scene = Scene::of(&impatient());
    for headers in ["X-Forwarded-For: 1.2.3.4\r\n", ""] {
        let mut client = RawClient::connect(scene.address());
        client.write(
            format!(
                "POST /broadcast HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{headers}\
                 Transfer-Encoding: chunked\r\n\r\n"
            )
            .as_bytes(),
        );
        let mut chunk = b"4000\r\n".to_vec();
        chunk.extend_from_slice(&[b' '; 0x4000]);
        chunk.extend_from_slice(b"\r\n");
        let cut = test_kit::wait::holds_within(PATIENCE, || client.try_write(&chunk).is_err());
        assert!(cut, "the server still reads ({headers:?})");
    }
    scene.friend_is_well();
}

#[test]
fn a_second_request_that_never_ends_is_dropped_as_well() {
    let mut scene = Scene::of(&impatient());
    let mut client = RawClient::connect(scene.address());
    client.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    client.write(&HANDSHAKE.as_bytes()[..40]);
    client.expect_end(PATIENCE);
    scene.friend_is_well();
}

#[test]
fn one_who_asks_a_thousand_times_and_never_reads_is_cut() {
    let mut scene = Scene::of(&impatient());
    let memory = scene.server.memory();
    let files = scene.server.open_files();
    let requests = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(1_000);
    let mut clients: Vec<RawClient> =
        (0..8).map(|_| RawClient::connect_with_buffer(scene.address(), 4096)).collect();
    thread::scope(|scope| {
        for client in &mut clients {
            // Until the server takes no more, and then until it gives up.
            scope.spawn(|| while client.try_write(requests.as_bytes()).is_ok() {});
        }
        scene.friend_is_well();
    });
    eventually(PATIENCE, || scene.server.open_files() <= files);
    let grown = scene.server.memory().saturating_sub(memory);
    assert!(grown < 16 << 20, "grown by {grown} bytes");
    scene.friend_is_well();
}

#[test]
fn what_publishers_send_makes_no_lines_of_its_own_in_the_log() {
    let mut scene = Scene::new();
    let forged = "a\nb\r\n2025-01-01T00:00:00Z ERROR forged\u{1b}[31m\u{0}";
    scene.server.broadcast(&json!({ "type": forged }));
    assert_eq!(scene.friend.next_json()["type"], forged);
    scene.friend_is_well();
    scene.server.wait_for_log("still_here");
    let log = scene.server.log();
    assert!(log.contains("forged") && !log.contains('\u{1b}') && !log.contains('\0'), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("b") || line.starts_with("2025-01-01")), "{log}");
}

#[test]
fn long_lists_of_targets_are_read_or_refused_quickly() {
    let mut scene = Scene::new();
    let many = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>();
    for (member, names) in [("channels", many(100_000)), ("channels", vec!["a".to_owned(); 200_000])] {
        let started = Instant::now();
        let answer = scene.server.post("/broadcast", &json!({ "type": "a", member: names }));
        assert!(matches!(answer.status, 200 | 413 | 422), "{}", answer.text());
        assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    }
    // Names that nobody follows are not kept.
    let memory = scene.server.memory();
    for first in 0..50 {
        let items: Vec<Value> =
            (0..1000).map(|n| json!({ "type": "a", "channel": format!("{first}-{n}") })).collect();
        assert_eq!(scene.server.post("/broadcast/batch", &Value::Array(items)).status, 200);
    }
    let grown = scene.server.memory().saturating_sub(memory);
    assert!(grown < 4 << 20, "grown by {grown} bytes");
    scene.friend_is_well();
}

// ---------------------------------------------------------------------------------------------------- handshakes

#[test]
fn handshakes_that_are_none_are_refused_with_what_is_missing() {
    let mut scene = Scene::new();
    let with = |from: &str, to: &str| HANDSHAKE.replace(from, to);
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let version = "Sec-WebSocket-Version: 13\r\n";
    let cases: Vec<(&str, String, u16, &str)> = vec![
        ("no key", with(&format!("{key}\r\n"), ""), 400, "bad_handshake"),
        ("an empty key", with(key, "Sec-WebSocket-Key:"), 400, "bad_handshake"),
        ("a short key", with(key, "Sec-WebSocket-Key: dGhlIA=="), 400, "bad_handshake"),
        (
            "a key that is not base64",
            with(key, "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="),
            400,
            "bad_handshake",
        ),
        (
            "two keys",
            with(key, &format!("{key}\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")),
            400,
            "bad_handshake",
        ),
        ("no version", with(version, ""), 426, "bad_version"),
        ("version 8", with(version, "Sec-WebSocket-Version: 8\r\n"), 426, "bad_version"),
        ("two versions", with(version, "Sec-WebSocket-Version: 13, 8\r\n"), 426, "bad_version"),
        (
            "a version that is not text",
            with(version, "Sec-WebSocket-Version: \u{e9}\r\n"),
            426,
            "bad_version",
        ),
        ("another path", with("GET /ws ", "GET /nowhere "), 404, "not_found"),
        ("an encoded path", with("GET /ws ", "GET /%77s "), 404, "not_found"),
        ("a path behind it", with("GET /ws ", "GET /ws/../ws "), 404, "not_found"),
        ("echo, which is off", with("GET /ws ", "GET /echo "), 404, "not_found"),
        ("a POST", with("GET /ws ", "POST /ws "), 400, "bad_handshake"),
        ("another upgrade", with("Upgrade: websocket", "Upgrade: h2c"), 426, "upgrade_required"),
        ("HTTP/1.0", with("HTTP/1.1", "HTTP/1.0"), 400, "bad_handshake"),
        ("no Connection", with("Connection: Upgrade\r\n", ""), 400, "bad_handshake"),
        ("another Connection", with("Connection: Upgrade", "Connection: close"), 400, "bad_handshake"),
        ("a body", with("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello"), 400, "bad_handshake"),
        (
            "a tunnel",
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n".to_owned(),
            404,
            "not_found",
        ),
        (
            "a query of 20 KB",
            with("GET /ws ", &format!("GET /ws?token={} ", "a".repeat(20_000))),
            414,
            "too_large",
        ),
    ];
    for (name, request, status, code) in &cases {
        let mut client = RawClient::connect(scene.address());
        client.write(request.as_bytes());
        let head = client.read_head();
        assert_eq!(head.status, *status, "{name}: {head:?}");
        let kind = head.header("content-type").unwrap_or_default().to_owned();
        assert_eq!(kind, "application/problem+json", "{name}");
        let mut names: Vec<_> = head.headers.iter().map(|(field, _)| field.clone()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), head.headers.len(), "{name}: a field stands there twice: {head:?}");
        if *code == "bad_version" {
            assert_eq!(head.header("sec-websocket-version"), Some("13"), "{name}");
        }
        client.finish();
        let body = problem(&String::from_utf8_lossy(&client.expect_end(PATIENCE)));
        assert_eq!(body["code"], *code, "{name}: {body}");
        assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{name}: {body}");
    }
    let refused = scene.server.metric("fanfare_handshakes_refused_total", &[]).unwrap_or_default();
    // The other upgrade never was a handshake.
    assert!(refused >= (cases.len() - 1) as f64, "{refused}");
    scene.friend_is_well();
}

#[test]
fn a_refusal_arrives_also_where_the_client_did_not_wait_for_it() {
    let mut scene = Scene::new();
    for _ in 0..20 {
        let mut client = RawClient::connect(scene.address());
        let mut bytes = HANDSHAKE.replace("Version: 13", "Version: 7").into_bytes();
        bytes.extend(Frame::new(2, vec![7; 300_000]).bytes());
        let _refused_early = client.try_write(&bytes);
        assert_eq!(client.read_head().status, 426);
        client.finish();
        let body = problem(&String::from_utf8_lossy(&client.expect_end(PATIENCE)));
        assert_eq!(body["code"], "bad_version");
    }
    scene.friend_is_well();
}

#[test]
fn requests_that_no_handler_sees_are_refused_all_the_same() {
    let mut scene = Scene::new();
    let many: String = (0..500).fold(String::new(), |mut text, n| {
        let _ = write!(text, "X-Header-{n}: {n}\r\n");
        text
    });
    let huge = format!("X-Huge: {}\r\n", "h".repeat(200_000));
    let cases = [
        ("no HTTP", "\r\n\r\nhello\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}\r\n\r\n".to_owned()),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("no such version", HANDSHAKE.replace("HTTP/1.1", "HTTP/9.9")),
        ("500 headers", HANDSHAKE.replace("Host: ", &format!("{many}Host: "))),
        ("a header of 200 KB", HANDSHAKE.replace("Host: ", &format!("{huge}Host: "))),
        ("a query of 200 KB", HANDSHAKE.replace("/ws ", &format!("/ws?token={} ", "a".repeat(200_000)))),
        ("a query of 70 KB", HANDSHAKE.replace("/ws ", &format!("/ws?token={} ", "a".repeat(70_000)))),
        ("a bare line feed inside a header", HANDSHAKE.replace("127.0.0.1", "127.0.0.1\nX: y\0")),
        ("a control character", HANDSHAKE.replace("127.0.0.1", "127.\u{1}0.0.1")),
        ("a bad method", HANDSHAKE.replace("GET ", "G(T ")),
    ];
    for (name, request) in &cases {
        let mut client = RawClient::connect(scene.address());
        let _refused_early = client.try_write(request.as_bytes());
        let head = client.read_head();
        assert!((400..=431).contains(&head.status), "{name}: {head:?}");
        client.expect_end(PATIENCE);
        scene.friend_is_well();
    }
}

#[test]
fn a_page_from_a_foreign_origin_gets_no_connection() {
    let mut scene = Scene::new();
    let foreign = [
        "https://evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "file://localhost",
        "javascript:alert(1)",
        "http://localhost:3000/path",
        "",
        "\u{e9}",
    ];
    for origin in foreign {
        let mut client = RawClient::connect(scene.address());
        let head = client.upgrade("/ws", &[&format!("Origin: {origin}")]);
        assert_eq!(head.status, 403, "{origin:?}");
        let body = problem(&String::from_utf8_lossy(&client.expect_end(PATIENCE)));
        assert_eq!(body["code"], "forbidden_origin");
        assert!(
            body["detail"].as_str().is_some_and(|detail| detail.contains("CORS_ALLOWED_ORIGINS")),
            "{body}"
        );
    }
    // Which of two is the page's nobody can tell.
    let mut client = RawClient::connect(scene.address());
    let two = ["Origin: http://localhost:3000", "Origin: https://evil.example"];
    assert_eq!(client.upgrade("/ws", &two).status, 403);
    let refused = scene.server.metric("fanfare_handshakes_refused_total", &[r#"reason="forbidden_origin""#]);
    assert_eq!(refused, Some(foreign.len() as f64 + 1.0));
    scene.friend_is_well();
}

#[test]
fn frames_in_the_same_segment_as_the_handshake_are_answered() {
    let mut scene = Scene::new();
    let mut bytes = HANDSHAKE.as_bytes().to_vec();
    for n in 0..50 {
        bytes.extend_from_slice(&Frame::text(format!(r#"{{"type":"ping","data":{n}}}"#)).bytes());
    }
    // Its other half comes later.
    let last = Frame::text(r#"{"type":"subscribe","channels":"jobs"}"#).bytes();
    bytes.extend_from_slice(&last[..9]);
    let mut client = RawClient::connect(scene.address());
    client.write(&bytes);
    let head = client.read_head();
    assert_eq!(head.status, 101, "{head:?}");
    assert_eq!(head.header("sec-websocket-accept"), Some(test_kit::raw::ACCEPT));
    assert_eq!(json_of(&mut client)["type"], "connected");
    for n in 0..50 {
        let pong = json_of(&mut client);
        assert_eq!((&pong["type"], &pong["data"]), (&json!("pong"), &json!(n)));
    }
    client.write(&last[9..]);
    assert_eq!(json_of(&mut client)["type"], "subscribed");
    // And a fault there is told as everywhere else.
    let mut client = RawClient::connect(scene.address());
    let mut bytes = HANDSHAKE.as_bytes().to_vec();
    bytes.extend_from_slice(&Frame::text("{}").unmasked().bytes());
    client.write(&bytes);
    assert_eq!(client.read_head().status, 101);
    assert_eq!(client.expect_close().0, 1002);
    scene.friend_is_well();
}

#[test]
fn a_handshake_and_frames_that_come_byte_by_byte_work() {
    let mut scene = Scene::new();
    let mut client = RawClient::connect(scene.address());
    for byte in HANDSHAKE.as_bytes() {
        client.write(&[*byte]);
    }
    assert_eq!(client.read_head().status, 101);
    assert_eq!(json_of(&mut client)["type"], "connected");
    for byte in Frame::text(r#"{"type":"ping","data":"ä🎺"}"#).bytes() {
        client.write(&[byte]);
    }
    assert_eq!(json_of(&mut client)["data"], "ä🎺");
    scene.friend_is_well();
}

#[test]
fn nothing_that_a_client_sends_gets_into_the_heads_of_answers() {
    let mut scene = Scene::new();
    let plain = ["upgrade", "connection", "sec-websocket-accept"];
    let names = |head: &Head| head.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    for path in ["/ws?token=a%0d%0aSet-Cookie:%20a=b", "/ws?a=%0d%0a%0d%0a", "/ws?%00%ff=%zz&&&==&"] {
        let mut client = RawClient::connect(scene.address());
        let head = client.upgrade(path, &[]);
        assert_eq!((head.status, names(&head)), (101, plain.map(str::to_owned).to_vec()), "{path}");
    }
    for protocols in ["evil, fanfare", "FANFARE", "fanfare2", "\tfan fare", ",,,"] {
        let mut client = RawClient::connect(scene.address());
        let head = client.upgrade("/ws", &[&format!("Sec-WebSocket-Protocol: {protocols}")]);
        assert_eq!((head.status, names(&head)), (101, plain.map(str::to_owned).to_vec()), "{protocols}");
    }
    let mut client = RawClient::connect(scene.address());
    let head = client.upgrade(
        "/ws",
        &["Sec-WebSocket-Protocol: fanfare, a%0d%0ab", "Sec-WebSocket-Extensions: x; y=\"\\\"\""],
    );
    assert_eq!((head.status, head.header("sec-websocket-protocol")), (101, Some("fanfare")));
    assert_eq!(head.headers.len(), 4, "{head:?}");
    scene.friend_is_well();
}

// ------------------------------------------------------------------------------------------------------- tokens

#[test]
fn bad_tokens_are_closed_4001_before_any_welcome_and_never_shown() {
    let signer = Signer::hs256(SECRET);
    let rsa = Signer::rs256();
    let pem = std::env::temp_dir().join(format!("fanfare-hostile-{}.pem", std::process::id()));
    fs::write(&pem, rsa.public_pem()).expect("a file");
    let mut scene = Scene::of(&launch().env("JWT_SECRET", SECRET).env("JWT_PUBLIC_KEY_FILE", &pem));
    let _ = fs::remove_file(&pem);
    let later = in_seconds(3600);
    let good = json!({ "user_id": 7, "exp": later });
    let mut tampered = signer.token(&good).into_bytes();
    let middle = tampered.iter().position(|&byte| byte == b'.').expect("a dot") + 5;
    tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
    let unsigned_good = unsigned(&good);
    let signature_of_another = {
        let (head, _) = unsigned_good.rsplit_once('.').expect("a dot");
        let signed = signer.token(&good);
        format!("{head}.{}", signed.rsplit_once('.').expect("a dot").1)
    };
    let cases: Vec<(&str, String)> = vec![
        ("no token at all", "x".to_owned()),
        ("dots", "..".to_owned()),
        ("empty parts", "e30.e30.e30".to_owned()),
        ("expired", signer.token(&json!({ "user_id": 7, "exp": in_seconds(-3600) }))),
        ("not yet valid", signer.token(&json!({ "user_id": 7, "exp": later, "nbf": later }))),
        ("never ends", signer.token(&json!({ "user_id": 7 }))),
        ("ends in words", signer.token(&json!({ "user_id": 7, "exp": "tomorrow" }))),
        ("nobody's", signer.token(&json!({ "exp": later }))),
        ("an object's", signer.token(&json!({ "user_id": { "a": 1 }, "exp": later }))),
        ("alg none", unsigned_good),
        ("alg none with a signature", signature_of_another),
        ("another secret", Signer::hs256("another secret, just as long as it").token(&good)),
        ("the public key as a secret", Signer::hs256(rsa.public_pem()).token(&good)),
        ("another kind of key", Signer::es256().token(&good)),
        ("tampered with", String::from_utf8(tampered).expect("ASCII")),
        ("long", format!("{}.a", "a".repeat(9_000))),
    ];
    for (name, token) in &cases {
        for way in 0..3 {
            let mut client = RawClient::connect(scene.address());
            let head = match way {
                0 => client.upgrade(&format!("/ws?token={token}"), &[]),
                1 => client.upgrade("/ws", &[&format!("Authorization: Bearer {token}")]),
                _ => client.upgrade("/ws", &[&format!("Sec-WebSocket-Protocol: fanfare, {token}")]),
            };
            // A browser can't read the status of a handshake, so it is accepted first.
            assert_eq!(head.status, 101, "{name}: {head:?}");
            let first = client.next_frame().expect("a Close");
            assert_eq!(first.close_reason(), (4001, "Unauthorized".to_owned()), "{name}");
        }
    }
    assert_eq!(scene.server.stats()["total"], 1);
    let log = scene.server.log();
    for (name, token) in cases.iter().filter(|(_, token)| token.len() > 20) {
        assert!(!log.contains(token.as_str()), "the token is in the log ({name})");
    }
    // The same claims, signed as they should be.
    let dial = Client::dial(&scene.server.ws()).bearer(&signer.token(&good));
    let _welcomed = dial.welcomed();
    let _welcomed = Client::dial(&scene.server.ws()).bearer(&rsa.token(&good)).welcomed();
    scene.friend_is_well();
}

#[test]
fn a_channel_that_is_not_ones_own_is_forbidden() {
    let signer = Signer::hs256(SECRET);
    let mut scene = Scene::of(&launch().env("JWT_SECRET", SECRET));
    let mut worker = Client::dial(&scene.server.ws()).bearer(&signer.user_of_type(7, "worker")).welcomed();
    for channel in ["payments", "user:8"] {
        worker.send_json(&json!({ "type": "subscribe", "channels": [channel] }));
        assert_eq!(worker.expect_error("forbidden")["data"]["channel"], channel);
    }
    // The allowed ones of the same request are in force.
    worker.send_json(&json!({ "type": "subscribe", "channels": ["payments", "jobs", "user:7"] }));
    worker.expect_error("forbidden");
    assert_eq!(worker.expect_type("subscribed")["data"]["channels"], json!(["jobs", "user:7"]));
    scene.server.broadcast(&json!({ "type": "secret", "channels": ["payments", "user:8"] }));
    scene.friend_is_well();
    worker.expect_type("still_here");
    // A refresh with somebody else's token, or none, changes nothing.
    for token in [signer.user(8), unsigned(&json!({ "user_id": 7, "exp": in_seconds(60) })), "x".to_owned()] {
        worker.send_json(&json!({ "type": "refresh", "token": token }));
        let error = worker.expect_error("forbidden");
        assert!(!error.to_string().contains(&token) || token.len() < 5, "{error}");
    }
    scene.friend_is_well();
}

// ------------------------------------------------------------------------------------------------------- frames

#[test]
fn frames_that_break_the_protocol_close_with_what_was_wrong() {
    let mut scene = Scene::new();
    let ping = r#"{"type":"ping"}"#;
    let text = || Frame::text(ping);
    let head = |first: u8, second: u8, more: &[u8]| {
        let mut bytes = vec![first, second];
        bytes.extend_from_slice(more);
        bytes
    };
    let both = |a: &Frame, b: &Frame| [a.bytes(), b.bytes()].concat();
    let mut cases: Vec<(String, Vec<u8>, u16, &str)> = vec![
        ("unmasked".into(), text().unmasked().bytes(), 1002, "mask"),
        ("unmasked ping".into(), Frame::new(9, "").unmasked().bytes(), 1002, "mask"),
        ("RSV1".into(), text().reserved(4).bytes(), 1002, "RSV1"),
        ("RSV2".into(), text().reserved(2).bytes(), 1002, "RSV2"),
        ("RSV3".into(), text().reserved(1).bytes(), 1002, "RSV3"),
        ("RSV1 on a ping".into(), Frame::new(9, "").reserved(4).bytes(), 1002, "RSV1"),
        ("long ping".into(), Frame::new(9, vec![0; 126]).bytes(), 1002, "125"),
        ("long pong".into(), Frame::new(10, vec![0; 126]).bytes(), 1002, "125"),
        ("long close".into(), Frame::close(1000, &"x".repeat(124)).bytes(), 1002, "125"),
        ("ping declared huge".into(), head(0x89, 0xff, &[0, 0, 0, 1, 0, 0, 0, 0]), 1002, "125"),
        ("fragmented ping".into(), Frame::new(9, "").unfinished().bytes(), 1002, "fragment"),
        ("fragmented pong".into(), Frame::new(10, "").unfinished().bytes(), 1002, "fragment"),
        ("fragmented close".into(), Frame::close(1000, "").unfinished().bytes(), 1002, "fragment"),
        ("continuation of nothing".into(), Frame::new(0, ping).bytes(), 1002, "continu"),
        ("continuation of a finished one".into(), both(&text(), &Frame::new(0, "")), 1002, "continu"),
        ("text in a text".into(), both(&text().unfinished(), &text()), 1002, "new message"),
        ("binary in a text".into(), both(&text().unfinished(), &Frame::new(2, "")), 1002, "new message"),
        ("length in too many bytes".into(), head(0x81, 0xfe, &[0, 5, 1, 2, 3, 4]), 1002, "minimal"),
        ("length in far too many".into(), head(0x81, 0xff, &[0, 0, 0, 0, 0, 0, 0, 5]), 1002, "minimal"),
        ("negative length".into(), head(0x82, 0xff, &[0xff; 8]), 1002, "most significant bit"),
        ("close with half a code".into(), Frame::new(8, [3]).bytes(), 1002, "two-byte code"),
        (
            "close with a reason in Latin-1".into(),
            Frame::new(8, b"\x03\xe8\xe9".to_vec()).bytes(),
            1007,
            "UTF-8",
        ),
        ("not UTF-8".into(), Frame::text(b"\xff\xfe".to_vec()).bytes(), 1007, "UTF-8"),
        ("an overlong slash".into(), Frame::text(b"\xc0\xaf".to_vec()).bytes(), 1007, "UTF-8"),
        ("a surrogate".into(), Frame::text(b"\xed\xa0\x80".to_vec()).bytes(), 1007, "UTF-8"),
        (
            "text that ends inside a character".into(),
            Frame::text(b"\"\xf0\x9f\x8e".to_vec()).bytes(),
            1007,
            "UTF-8",
        ),
        ("huge".into(), Frame::text(vec![b' '; MAX_MESSAGE + 1]).bytes(), 1009, "65536"),
        ("declared huge".into(), head(0x82, 0xff, &[0, 0, 0, 0, 0, 1, 0, 1]), 1009, "65536"),
        (
            "declared beyond all memory".into(),
            head(0x82, 0xff, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            1009,
            "65536",
        ),
        (
            "huge in fragments".into(),
            both(&Frame::text(vec![b' '; MAX_MESSAGE]).unfinished(), &Frame::new(0, " ")),
            1009,
            "65536",
        ),
    ];
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push((format!("opcode {opcode}"), Frame::new(opcode, "").bytes(), 1002, "reserved opcode"));
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        cases.push((format!("close {code}"), Frame::close(code, "").bytes(), 1002, "close code"));
    }
    for (name, bytes, code, reason) in &cases {
        scene.expect_fault(&[], name, bytes, *code, reason);
    }
    // What stood before the fault was answered.
    let mut client = scene.attacker(&[]);
    client.write(&[text().bytes(), text().unmasked().bytes()].concat());
    assert_eq!(json_of(&mut client)["type"], "pong");
    assert_eq!(client.expect_close().0, 1002);
    scene.friend_is_well();
    drop(client);
    eventually(PATIENCE, || scene.server.stats()["total"] == 1);
    let closes = scene.server.metric("fanfare_closes_total", &[r#"code="1002""#]).unwrap_or_default();
    let expected = cases.iter().filter(|case| case.2 == 1002).count() + 1;
    assert_eq!(closes, expected as f64);
}

#[test]
fn every_code_that_may_be_sent_is_answered() {
    let mut scene = Scene::new();
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        let mut client = scene.attacker(&[]);
        client.send(&Frame::close(code, "bye"));
        assert_eq!(client.expect_close().0, code);
        assert_eq!(client.expect_end(PATIENCE), b"");
    }
    let mut client = scene.attacker(&[]);
    client.send(&Frame::new(8, ""));
    assert_eq!(client.expect_close().0, 1005);
    scene.friend_is_well();
}

#[test]
fn text_cut_inside_a_character_is_whole_again_or_refused() {
    let mut scene = Scene::new();
    let text = r#"{"type":"ping","data":"ä€🎺"}"#.as_bytes();
    let mut client = scene.attacker(&[]);
    for cut in 1..text.len() {
        client.send(&Frame::text(&text[..cut]).unfinished());
        // Control frames may come in between.
        client.send(&Frame::new(9, "between"));
        client.send(&Frame::new(0, &text[cut..]));
        let pong = client.next_frame().expect("a pong");
        assert_eq!((pong.opcode, pong.payload), (10, b"between".to_vec()));
        assert_eq!(json_of(&mut client)["data"], "ä€🎺", "cut at {cut}");
    }
    // Told as soon as it can't become a character any more, and at the latest with the last frame.
    let early =
        [Frame::text(b"\"\xf0\x9f".to_vec()).unfinished().bytes(), Frame::new(0, "abc").unfinished().bytes()];
    scene.expect_fault(&[], "no continuation", &early.concat(), 1007, "UTF-8");
    let late = [Frame::text(b"\"\xf0\x9f".to_vec()).unfinished().bytes(), Frame::new(0, "").bytes()];
    scene.expect_fault(&[], "never completed", &late.concat(), 1007, "UTF-8");
    scene.friend_is_well();
}

#[test]
fn messages_that_mean_nothing_get_an_error_and_the_connection_stays() {
    let mut scene = Scene::new();
    let mut client = Client::welcomed(&scene.server.ws());
    let deep = format!(r#"{{"type":"ping","data":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let unclosed = "[".repeat(20_000);
    let long_name = format!(r#"{{"type":"subscribe","channels":["{}"]}}"#, "x".repeat(201));
    let long_type = format!(r#"{{"type":"{}"}}"#, "x".repeat(50_000));
    let cases: &[(&str, &str)] = &[
        ("", "invalid_json"),
        ("hello", "invalid_json"),
        ("{", "invalid_json"),
        (r#"{"type":"ping"} {}"#, "invalid_json"),
        (&deep, "invalid_json"),
        (&unclosed, "invalid_json"),
        ("null", "invalid_frame"),
        ("7", "invalid_frame"),
        ("[]", "invalid_frame"),
        ("{}", "invalid_frame"),
        (r#"{"type":7}"#, "invalid_frame"),
        (r#"{"type":null}"#, "invalid_frame"),
        (r#"{"type":"subscribe"}"#, "invalid_frame"),
        (r#"{"type":"subscribe","channels":7}"#, "invalid_frame"),
        (r#"{"type":"subscribe","channels":[7]}"#, "invalid_frame"),
        (r#"{"type":"subscribe","channels":{"a":"b"}}"#, "invalid_frame"),
        (r#"{"type":"refresh","token":7}"#, "invalid_frame"),
        (r#"{"type":"publish","channel":"jobs"}"#, "unknown_type"),
        (r#"{"type":"connected"}"#, "unknown_type"),
        (&long_type, "unknown_type"),
        (r#"{"type":"subscribe","channels":""}"#, "invalid_channel"),
        (r#"{"type":"subscribe","channels":"a b"}"#, "invalid_channel"),
        (r#"{"type":"subscribe","channels":"\u0000"}"#, "invalid_channel"),
        (r#"{"type":"subscribe","channels":"ä"}"#, "invalid_channel"),
        (&long_name, "invalid_channel"),
    ];
    for (text, code) in cases {
        client.send_text(text);
        let error = client.expect_error(code);
        let message = error["data"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.len() > 10 && message.len() < 300, "{}: {message:?}", &text[..text.len().min(60)]);
    }
    client.send_binary(b"\xff\xfe");
    client.expect_error("invalid_json");
    client.send_binary(br#"{"type":"ping"}"#);
    client.expect_type("pong");
    let names: Vec<String> = (0..101).map(|n| format!("channel-{n}")).collect();
    client.send_json(&json!({ "type": "subscribe", "channels": names }));
    client.expect_error("too_many_channels");
    assert_eq!(client.expect_type("subscribed")["data"]["channels"].as_array().map(Vec::len), Some(100));
    // 60 KB of channel names, all bad: the answer does not grow beyond what the limit allows.
    client.send_text(&format!(r#"{{"type":"subscribe","channels":[{}" "]}}"#, r#"" ","#.repeat(12_000)));
    client.expect_error("invalid_channel");
    assert_eq!(client.ping_barrier().len(), 0);
    scene.friend_is_well();
}

// -------------------------------------------------------------------------------------------------- compression

const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate";

/// Puts bits into bytes as RFC 1951 wants them.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn bit(&mut self, bit: bool) {
        if self.used.is_multiple_of(8) {
            self.bytes.push(0);
        }
        let last = self.bytes.len() - 1;
        self.bytes[last] |= u8::from(bit) << (self.used % 8);
        self.used += 1;
    }

    /// A Huffman code, its first bit first.
    fn code(&mut self, code: u32, length: u32) {
        for at in (0..length).rev() {
            self.bit(code >> at & 1 == 1);
        }
    }
}

/// A deflated message of `1 + 258 * matches` blanks, 13 bits for each match.
fn bomb(matches: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    // Not the last block, with the fixed codes.
    [false, true, false].into_iter().for_each(|bit| bits.bit(bit));
    bits.code(0x30 + u32::from(b' '), 8);
    for _ in 0..matches {
        // 258 bytes from one byte back.
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    bits.code(0, 7);
    // An empty stored block, whose last four bytes are left out (RFC 7692, 7.2.1).
    [false; 3].into_iter().for_each(|bit| bits.bit(bit));
    bits.bytes
}

/// A message in one stored block.
fn stored(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    let mut bytes = vec![0];
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&(!length).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes
}

#[test]
fn compressed_bombs_are_defused() {
    let mut scene = Scene::new();
    let mut client = RawClient::upgraded(scene.address(), "/ws", &[DEFLATE]);
    assert_eq!(json_of(&mut client)["type"], "connected");
    client.send(&Frame::text(stored(r#"{"type":"ping","data":1}"#)).reserved(4));
    assert_eq!(json_of(&mut client)["data"], 1);
    // Within the limit it is a message like any other: 64,500 blanks are no JSON.
    client.send(&Frame::text(bomb(250)).reserved(4));
    assert_eq!(json_of(&mut client)["data"]["code"], "invalid_json");

    let memory = scene.server.memory();
    let large = bomb(40_000);
    assert!(large.len() < MAX_MESSAGE, "{}", large.len());
    scene.expect_fault(
        &[DEFLATE],
        "a bit too large",
        &Frame::text(bomb(255)).reserved(4).bytes(),
        1009,
        "65536",
    );
    for _ in 0..20 {
        scene.expect_fault(
            &[DEFLATE],
            "10 MB",
            &Frame::text(large.as_slice()).reserved(4).bytes(),
            1009,
            "65536",
        );
    }
    let (first, second) = large.split_at(large.len() / 2);
    let parts = [Frame::text(first).reserved(4).unfinished().bytes(), Frame::new(0, second).bytes()].concat();
    scene.expect_fault(&[DEFLATE], "10 MB in two fragments", &parts, 1009, "65536");
    let grown = scene.server.memory().saturating_sub(memory);
    assert!(grown < 8 << 20, "grown by {grown} bytes");

    let cases = [
        ("garbage", Frame::text(vec![0xff; 40]).reserved(4).bytes(), 1007, "deflate"),
        (
            "text that is not UTF-8",
            Frame::text([0, 1, 0, 0xfe, 0xff, 0xff, 0]).reserved(4).bytes(),
            1007,
            "UTF-8",
        ),
        ("a wrong length", Frame::text([0, 9, 0, 0, 0, b'a']).reserved(4).bytes(), 1007, "deflate"),
        (
            "RSV1 on a continuation",
            [Frame::text("a").unfinished().bytes(), Frame::new(0, "b").reserved(4).bytes()].concat(),
            1002,
            "RSV1",
        ),
        ("RSV1 on a ping", Frame::new(9, "").reserved(4).bytes(), 1002, "RSV1"),
        ("RSV2 as well", Frame::text("a").reserved(6).bytes(), 1002, "RSV2"),
    ];
    for (name, bytes, code, reason) in &cases {
        scene.expect_fault(&[DEFLATE], name, bytes, *code, reason);
    }
    scene.friend_is_well();
}

// ------------------------------------------------------------------------------------------------------- floods

#[test]
fn the_101st_frame_in_ten_seconds_closes_4008() {
    let mut scene = Scene::of(&launch().env("WS_RATE_LIMIT", "100"));
    let kinds: [(&str, Frame); 4] = [
        ("messages", Frame::text(r#"{"type":"ping"}"#)),
        ("nonsense", Frame::text("x")),
        ("empty messages", Frame::new(2, "")),
        ("pings", Frame::new(9, "")),
    ];
    for (name, frame) in kinds {
        let mut client = scene.attacker(&[]);
        client.write(&frame.bytes().repeat(150));
        for n in 0..100 {
            let answer = client.next_frame().expect("an answer");
            assert_ne!(answer.opcode, 8, "{name}: closed after {n}: {answer:?}");
        }
        let close = client.next_frame().expect("a Close");
        assert_eq!(close.close_reason(), (4008, "Rate limit exceeded".to_owned()), "{name}");
        client.finish();
        client.expect_end(PATIENCE);
    }
    scene.friend_is_well();
}

#[test]
fn floods_that_need_no_answer_cost_the_others_nothing() {
    let mut scene = Scene::new();
    let memory = scene.server.memory();
    let pongs = Frame::new(10, "").bytes().repeat(10_000);
    let fragments = Frame::new(0, "").unfinished().bytes().repeat(10_000);
    let mut with_pongs = scene.attacker(&[]);
    let mut with_fragments = scene.attacker(&[]);
    with_fragments.send(&Frame::text(r#"{"type":"ping","#).unfinished());
    for _ in 0..20 {
        with_pongs.write(&pongs);
        with_fragments.write(&fragments);
        scene.friend_is_well();
        assert_eq!(json_of(&mut with_pongs)["type"], "still_here");
        assert_eq!(json_of(&mut with_fragments)["type"], "still_here");
    }
    // Both kept the rules, and are served.
    with_fragments.send(&Frame::new(0, r#""data":5}"#));
    assert_eq!(json_of(&mut with_fragments)["data"], 5);
    with_pongs.send(&Frame::new(9, "me"));
    assert_eq!(with_pongs.next_frame().expect("a pong").payload, b"me");
    let grown = scene.server.memory().saturating_sub(memory);
    assert!(grown < 8 << 20, "grown by {grown} bytes");
}

#[test]
fn one_who_asks_without_end_and_never_reads_is_closed() {
    let mut scene = Scene::new();
    let memory = scene.server.memory();
    let mut client = RawClient::connect_with_buffer(scene.address(), 4096);
    assert_eq!(client.upgrade("/ws", &[]).status, 101);
    let data = "x".repeat(60_000);
    let ask = Frame::text(format!(r#"{{"type":"ping","data":"{data}"}}"#)).bytes();
    eventually(Duration::from_secs(20), || {
        client.try_write(&ask).is_err()
            || scene.server.metric("fanfare_evictions_total", &[r#"reason="slow_consumer""#]) == Some(1.0)
    });
    eventually(PATIENCE, || scene.server.stats()["total"] == 1);
    let grown = scene.server.memory().saturating_sub(memory);
    assert!(grown < 16 << 20, "grown by {grown} bytes");
    scene.friend_is_well();
}

#[test]
fn names_of_channels_that_nobody_follows_any_more_are_forgotten() {
    let mut scene = Scene::new();
    let mut client = Client::welcomed(&scene.server.ws());
    let mut memory = Vec::new();
    for round in 0..2 {
        for turn in 0..150 {
            let names: Vec<String> =
                (0..100).map(|n| format!("a-rather-long-name-of-a-channel-{round}-{turn}-{n}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            client.subscribe(&names);
            client.unsubscribe(&names);
        }
        memory.push(scene.server.memory());
    }
    assert_eq!(scene.server.stats(), json!({ "total": 2, "by_channel": {} }));
    assert!(memory[1].saturating_sub(memory[0]) < 2 << 20, "{memory:?}");
    drop(client);
    scene.server.wait_for_connections(1);
    scene.friend_is_well();
}

#[test]
fn thousands_that_only_declare_a_large_message_cost_little() {
    let mut scene = Scene::new();
    test_kit::limits::raise_open_files();
    let mut clients: Vec<RawClient> = (0..500).map(|_| scene.attacker(&[])).collect();
    let memory = scene.server.memory();
    for client in &mut clients {
        // 65,535 bytes to come, of which one does.
        client.write(&[0x82, 0xfe, 0xff, 0xff, 1, 2, 3, 4, 5]);
    }
    for client in &mut clients {
        // The server has read what came before the half of a second header.
        client.write(&[6]);
    }
    scene.friend_is_well();
    let grown = scene.server.memory().saturating_sub(memory) / clients.len() as u64;
    assert!(grown < 8 * 1024, "{grown} bytes for each");
}

// ------------------------------------------------------------------------------------------------------- random

#[test]
fn random_bytes_behind_the_handshake_harm_nobody() {
    let mut scene = Scene::new();
    for seed in 0..1_000 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut bytes = Vec::new();
        for _ in 0..=random.below(4) {
            if random.below(3) == 0 {
                let count = random.below(300);
                bytes.extend(random.bytes(count));
            } else {
                // A frame that nearly keeps the rules.
                let count = random.below(200);
                let mut frame = Frame::new([0, 1, 2, 8, 9, 10][random.below(6)], random.bytes(count));
                frame.fin = random.below(4) > 0;
                frame.reserved = if random.below(8) == 0 { random.next() as u8 & 7 } else { 0 };
                if random.below(2) == 0 {
                    frame.payload = br#"{"type":"subscribe","channels":["a","b"]}"#.to_vec();
                }
                let mut wire = frame.bytes();
                for _ in 0..random.below(3) {
                    let at = random.below(wire.len());
                    wire[at] ^= 1 << random.below(8);
                }
                bytes.extend(wire);
            }
        }
        let headers: &[&str] = if seed % 2 == 0 { &[DEFLATE] } else { &[] };
        let mut client = scene.attacker(headers);
        let _closed_early = client.try_write(&bytes);
        client.finish();
        let mut close = None;
        while let Some(frame) = client.next_frame() {
            assert!(close.is_none(), "seed {seed}: {frame:?} behind the Close");
            assert!(frame.mask.is_none() && frame.fin, "seed {seed}: {frame:?}");
            if frame.opcode == 8 {
                close = Some(frame.close_reason());
            }
        }
        if let Some((code @ (1002 | 1007 | 1009), reason)) = &close {
            // An echoed Close of the client has no reason; a fault always has.
            assert!(reason.len() > 10 || bytes.len() > 2, "seed {seed}: {code} without a reason");
        }
        if seed % 100 == 0 {
            scene.friend_is_well();
        }
    }
    eventually(PATIENCE, || scene.server.stats()["total"] == 1);
    assert!(scene.server.is_running());
    scene.friend_is_well();
}

#[test]
fn random_bytes_in_place_of_a_handshake_harm_nobody() {
    let mut scene = Scene::new();
    let files = scene.server.open_files();
    for seed in 0..1_000 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let bytes = if random.below(3) == 0 {
            let count = random.below(2000);
            random.bytes(count)
        } else {
            let mut bytes = HANDSHAKE.as_bytes().to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                match random.below(3) {
                    0 => bytes[at] = random.next() as u8,
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, random.next() as u8),
                }
            }
            bytes
        };
        let mut client = RawClient::connect(scene.address());
        let _refused_early = client.try_write(&bytes);
        client.finish();
        let answer = client.expect_end(PATIENCE);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "seed {seed}: {answer:?}");
        if seed % 100 == 0 {
            scene.friend_is_well();
        }
    }
    eventually(PATIENCE, || scene.server.open_files() <= files && scene.server.stats()["total"] == 1);
    assert!(scene.server.is_running());
    scene.friend_is_well();
}

#[test]
fn what_is_no_tls_on_a_port_with_tls_harms_nobody() {
    let certificate = Certificate::generate();
    let launch = impatient()
        .env("TLS_CERT_FILE", certificate.certificate_file())
        .env("TLS_KEY_FILE", certificate.key_file());
    let server = launch.start();
    let mut friend = Client::dial(&server.ws()).trust(&certificate).welcomed();
    let files = server.open_files();
    let mut silent = RawClient::connect(server.address());
    // The head of a record of 512 bytes, of which none comes.
    let mut half = RawClient::connect(server.address());
    half.write(b"\x16\x03\x01\x02\x00");
    for seed in 0..100 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut client = RawClient::connect(server.address());
        let count = random.below(2000);
        let mut bytes = random.bytes(count);
        match random.below(3) {
            0 => bytes.splice(0..0, *b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc").for_each(drop),
            1 => bytes.splice(0..0, HANDSHAKE.bytes()).for_each(drop),
            _ => {}
        }
        let _refused_early = client.try_write(&bytes);
        client.finish();
        client.expect_end(PATIENCE);
    }
    silent.expect_end(PATIENCE);
    half.expect_end(PATIENCE);
    eventually(PATIENCE, || server.open_files() <= files);
    assert_eq!(friend.ping_barrier(), Vec::<Value>::new());
    let mut client = Client::dial(&server.ws()).trust(&certificate).welcomed();
    client.subscribe(&["jobs"]);
    client.cut();
    let mut again = Client::dial(&server.ws()).trust(&certificate).welcomed();
    assert_eq!(again.ping_barrier(), Vec::<Value>::new());
    assert_eq!(again.close().0, 1000);
    drop(again);
    eventually(PATIENCE, || server.open_files() <= files);
}

#[test]
fn an_end_right_behind_the_last_bytes_is_seen() {
    let mut scene = Scene::new();
    let mut clients: Vec<RawClient> = (0..200).map(|_| scene.attacker(&[])).collect();
    for client in &mut clients {
        // Both are there before the server looks.
        client.write(&Frame::text(r#"{"type":"ping"}"#).bytes()[..9]);
        client.finish();
    }
    eventually(PATIENCE, || scene.server.stats()["total"] == 1);
    for client in &mut clients {
        assert_eq!(client.expect_end(PATIENCE), b"");
    }
    scene.friend_is_well();
}

#[test]
fn connections_that_break_at_any_point_leave_nothing_behind() {
    let mut scene = Scene::new();
    let files = scene.server.open_files();
    let ping = Frame::text(r#"{"type":"ping"}"#).bytes();
    let whole = [HANDSHAKE.as_bytes(), &ping].concat();
    for cut in (0..whole.len()).step_by(7) {
        let mut client = RawClient::connect(scene.address());
        // The reset may come while it writes.
        let _gone: io::Result<()> = client.try_write(&whole[..cut]);
        drop(client);
    }
    eventually(PATIENCE, || scene.server.open_files() <= files && scene.server.stats()["total"] == 1);
    scene.friend_is_well();
}
