//! What operators see: counts, metrics, logs, TLS, compression, heartbeats, slow clients, and starts that are
//! refused.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use serde_json::{Value, json};
use test_kit::http::{post_json, request, request_tls};
use test_kit::wait::PATIENCE;
use test_kit::{Certificate, Client, Frame, RawClient, Server, eventually};

use super::{SECRET, TextFile, launch, server};

#[test]
fn health_and_stats_are_exactly_those_of_the_contract() {
    let server = server();
    assert_eq!(server.get("/stats").text(), r#"{"total":0,"by_channel":{}}"#);
    let mut clients: Vec<Client> = (0..5).map(|_| Client::welcomed(&server.ws())).collect();
    for client in &mut clients[..3] {
        client.subscribe(&["jobs"]);
    }
    for client in &mut clients[2..4] {
        client.subscribe(&["payments"]);
    }
    clients[4].subscribe(&["left"]);
    clients[4].unsubscribe(&["left"]);
    let counts = r#"{"total":5,"by_channel":{"jobs":3,"payments":2}}"#;
    let (health, stats) = (server.get("/health"), server.get("/stats"));
    assert_eq!((stats.status, stats.text().as_str()), (200, counts));
    let healthy = format!(r#"{{"status":"healthy","service":"websocket-server","connections":{counts}}}"#);
    assert_eq!((health.status, health.text()), (200, healthy));
    for answer in [&health, &stats] {
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(request(server.address(), "HEAD", "/health", &[], None).status, 200);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn metrics_are_there_under_their_names_and_count() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    client.subscribe(&["jobs"]);
    server.broadcast(&json!({ "type": "x" }));
    client.expect_type("x");
    server.post("/broadcast", &json!({}));
    assert!(Client::dial(&server.ws()).origin("https://evil.example").attempt().is_err());
    assert_eq!(Client::welcomed(&server.ws()).close().0, 1000);
    let mut rude = RawClient::upgraded(server.address(), "/ws", &[]);
    rude.send(&Frame::text("x").unmasked());
    assert_eq!(rude.expect_close().0, 1002);
    server.wait_for_connections(1);
    let evictions = || server.metric("fanfare_evictions_total", &[r#"reason="protocol_error""#]);
    eventually(PATIENCE, || evictions() == Some(1.0));
    eventually(PATIENCE, || server.metric("fanfare_closes_total", &[]) == Some(2.0));

    let answer = server.get("/metrics");
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    let text = answer.text();
    for name in [
        "fanfare_connections",
        "fanfare_connections_opened_total",
        "fanfare_subscriptions",
        "fanfare_publications_total",
        "fanfare_deliveries_total",
        "fanfare_sent_bytes_total",
        "fanfare_received_bytes_total",
        "fanfare_client_messages_total",
        "fanfare_writes_total",
        "fanfare_encodings_total",
        "fanfare_deflations_total",
        "fanfare_outbox_bytes",
        "fanfare_outboxes",
        "fanfare_evictions_total",
        "fanfare_closes_total",
        "fanfare_shard_queue_publications",
        "fanfare_fanout_seconds",
        "fanfare_publish_seconds",
        "fanfare_publish_refused_total",
        "fanfare_handshakes_refused_total",
        "fanfare_idempotency_keys",
        "fanfare_idempotency_evictions_total",
        "process_resident_memory_bytes",
    ] {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name} is missing:\n{text}");
    }
    for (name, labels, value) in [
        ("fanfare_connections_opened_total", &[][..], 3.0),
        ("fanfare_publications_total", &[], 1.0),
        ("fanfare_encodings_total", &[], 1.0),
        ("fanfare_publish_refused_total", &[r#"code="invalid""#], 1.0),
        ("fanfare_handshakes_refused_total", &[r#"reason="forbidden_origin""#], 1.0),
        ("fanfare_publish_seconds_count", &[], 1.0),
    ] {
        assert_eq!(server.metric(name, labels), Some(value), "{name}");
    }
    // What the shards count is told at their next look at the clock.
    for (name, labels, value) in [
        ("fanfare_connections", &[][..], 1.0),
        ("fanfare_subscriptions", &[], 1.0),
        ("fanfare_deliveries_total", &[], 1.0),
        ("fanfare_closes_total", &[r#"code="1000""#], 1.0),
        ("fanfare_closes_total", &[r#"code="1002""#], 1.0),
        ("fanfare_client_messages_total", &[], 1.0),
    ] {
        eventually(PATIENCE, || server.metric(name, labels) == Some(value));
    }
    assert!(!text.contains("jobs"), "never a label per channel");
}

#[test]
fn a_get_without_an_upgrade_is_426() {
    let server = server();
    let answer = server.get("/ws");
    assert_eq!((answer.status, answer.problem_code().as_str()), (426, "upgrade_required"));
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
}

#[test]
fn the_log_has_a_line_for_each_event_and_can_be_json() {
    let server = launch().env("LOG_FORMAT", "json").start();
    let client = Client::welcomed(&server.ws());
    let _other = Client::welcomed(&server.ws());
    server.broadcast(&json!({ "type": "job_created" }));
    client.cut();
    for part in ["listening on", "connected", "broadcasted 'job_created' to 2 clients", "disconnected"] {
        server.wait_for_log(part);
    }
    for line in server.log().lines().filter(|line| !line.starts_with("listening on")) {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value["timestamp"].is_string() && value["level"].is_string(), "{line}");
    }
}

#[test]
fn the_line_of_a_publication_has_the_trace_that_it_belongs_to() {
    let server = launch().env("LOG_FORMAT", "json").start();
    let trace = |digit: &str| digit.repeat(32);
    let parent = |digit: &str| format!("00-{}-00f067aa0ba902b7-01", trace(digit));
    let publish = |header: &str, body: &Value| {
        assert_eq!(post_json(server.address(), "/broadcast", &[("traceparent", header)], body).status, 200);
    };
    publish(&parent("a"), &json!({ "type": "by-header" }));
    publish(&parent("a"), &json!({ "type": "by-member", "traceparent": parent("b") }));
    publish(&parent("c"), &json!({ "type": "malformed-member", "traceparent": 7 }));
    publish("00-nonsense", &json!({ "type": "malformed-header" }));
    let items = json!([{ "type": "item", "traceparent": parent("d") }]);
    assert_eq!(server.post("/broadcast/batch", &items).status, 200);
    for (event, traced) in [
        ("by-header", Some("a")),
        ("by-member", Some("b")),
        ("malformed-member", Some("c")),
        ("malformed-header", None),
        ("item", Some("d")),
    ] {
        let line = server.wait_for_log(&format!("broadcasted '{event}'"));
        let line: Value = serde_json::from_str(&line).expect("JSON");
        let span = &line["spans"][0];
        assert_eq!(span["name"], "publication", "{line}");
        assert_eq!(
            span["fields"].get("trace_id").and_then(Value::as_str),
            traced.map(trace).as_deref(),
            "{line}"
        );
    }
}

#[test]
fn one_connection_too_many_is_503_and_the_rest_goes_on() {
    let server = launch().env("MAX_CONNECTIONS", "2").start();
    let mut first = Client::welcomed(&server.ws());
    let second = Client::welcomed(&server.ws());
    let refused = Client::dial(&server.ws()).attempt().expect_err("one too many");
    assert_eq!(refused.status, 503);
    assert!(refused.headers.iter().any(|(name, _)| name == "retry-after"), "{refused:?}");
    assert!(refused.body.contains("connection_limit"), "{refused:?}");
    assert_eq!(
        server.metric("fanfare_handshakes_refused_total", &[r#"reason="connection_limit""#]),
        Some(1.0)
    );
    assert_eq!(server.broadcast(&json!({ "type": "x" }))["recipients"], 2);
    first.expect_type("x");
    second.cut();
    server.wait_for_connections(1);
    eventually(PATIENCE, || Client::dial(&server.ws()).attempt().is_ok());
}

#[test]
fn everything_works_over_tls() {
    let certificate = Certificate::generate();
    let mut server = launch()
        .env("TLS_CERT_FILE", certificate.certificate_file())
        .env("TLS_KEY_FILE", certificate.key_file())
        .start();
    assert!(server.ws().starts_with("wss://"), "{}", server.ws());
    let mut client = Client::dial(&server.ws()).trust(&certificate).welcomed();
    let mut other = Client::dial(&server.ws()).trust(&certificate).welcomed();
    client.subscribe(&["jobs"]);
    let publish = |body: &Value| {
        let headers = [("content-type", "application/json")];
        request_tls(
            server.address(),
            &certificate,
            "POST",
            "/broadcast",
            &headers,
            Some(body.to_string().as_bytes()),
        )
    };
    let large = "é".repeat(450_000);
    let answer = publish(&json!({ "type": "large", "data": large }));
    assert_eq!((answer.status, answer.json()["recipients"].as_u64()), (200, Some(2)), "{}", answer.text());
    assert_eq!(publish(&json!({ "type": "small", "channel": "jobs" })).json()["recipients"], 1);
    assert_eq!(client.expect_type("large")["data"], large.as_str());
    client.expect_type("small");
    assert_eq!(other.expect_type("large")["data"], large.as_str());
    let long = "x".repeat(60_000);
    for _ in 0..5 {
        client.send_json(&json!({ "type": "ping", "data": long }));
    }
    for _ in 0..5 {
        assert_eq!(client.expect_type("pong")["data"], long.as_str());
    }
    assert_eq!(client.close().0, 1000);
    server.terminate();
    assert_eq!(other.expect_close().0, 1001);
    assert_eq!(server.wait(), Some(0));
}

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";

/// A client that takes compressed messages, behind its welcome.
fn compressing(server: &Server) -> RawClient {
    let mut client = RawClient::connect(server.address());
    let head = client.upgrade("/ws", &[OFFER]);
    let agreed = head.header("sec-websocket-extensions").expect("an extension");
    assert!(
        agreed.starts_with("permessage-deflate") && agreed.contains("server_no_context_takeover"),
        "{agreed}"
    );
    assert!(agreed.contains("client_no_context_takeover"), "{agreed}");
    client.next_frame().expect("the welcome");
    client
}

fn inflate(payload: &[u8]) -> Vec<u8> {
    let mut input = payload.to_vec();
    input.extend_from_slice(&[0, 0, 0xff, 0xff]);
    let mut out = Vec::with_capacity(1 << 20);
    Decompress::new(false).decompress_vec(&input, &mut out, FlushDecompress::Sync).expect("a DEFLATE stream");
    out
}

fn deflate(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 100);
    Compress::new(Compression::default(), false)
        .compress_vec(payload, &mut out, FlushCompress::Sync)
        .expect("compressed");
    out.truncate(out.len() - 4);
    out
}

#[test]
fn large_events_are_compressed_once_for_all_who_take_them_so() {
    let server = launch().env("DEFLATE_MIN_SIZE", "500B").env("SHARDS", "2").start();
    let mut plain = RawClient::upgraded(server.address(), "/ws", &[]);
    plain.next_frame().expect("the welcome");
    let mut clients: Vec<RawClient> = (0..6).map(|_| compressing(&server)).collect();
    let mut send = |length: usize| {
        assert_eq!(
            server.broadcast(&json!({ "type": "x", "data": "word ".repeat(length / 5) }))["recipients"],
            7
        );
        let wanted = plain.next_frame().expect("a frame");
        assert_eq!((wanted.reserved, wanted.opcode), (0, 1));
        let frames: Vec<Frame> =
            clients.iter_mut().map(|client| client.next_frame().expect("a frame")).collect();
        (wanted.payload, frames)
    };
    let (text, frames) = send(400);
    assert!(text.len() < 500 && frames.iter().all(|frame| frame.reserved == 0 && frame.payload == text));
    assert_eq!(server.metric("fanfare_deflations_total", &[]), Some(0.0));
    for (round, length) in [(1.0, 500), (2.0, 200_000)] {
        let (text, frames) = send(length);
        for frame in frames {
            assert_eq!((frame.fin, frame.reserved, frame.opcode), (true, 4, 1));
            assert!(frame.payload.len() < text.len() / 2, "{} of {}", frame.payload.len(), text.len());
            assert_eq!(inflate(&frame.payload), text);
        }
        assert_eq!(server.metric("fanfare_deflations_total", &[]), Some(round), "once for all");
    }
    // In the other direction.
    let ping = json!({ "type": "ping", "data": "word ".repeat(100) }).to_string();
    clients[0].send(&Frame::text(deflate(ping.as_bytes())).reserved(4));
    let pong = clients[0].next_frame().expect("a pong");
    let pong = if pong.reserved == 4 { inflate(&pong.payload) } else { pong.payload };
    assert!(String::from_utf8(pong).expect("UTF-8").starts_with(r#"{"type":"pong","data":"word "#));
}

#[test]
fn compression_can_be_switched_off_and_is_never_forced() {
    let server = launch().env("DEFLATE_MIN_SIZE", "off").start();
    let mut client = RawClient::connect(server.address());
    let head = client.upgrade("/ws", &[OFFER]);
    assert_eq!((head.status, head.header("sec-websocket-extensions")), (101, None));
    let server = super::server();
    let mut client = RawClient::upgraded(server.address(), "/ws", &[]);
    client.next_frame().expect("the welcome");
    client.send(&Frame::text(deflate(br#"{"type":"ping"}"#)).reserved(4));
    assert_eq!(client.expect_close().0, 1002, "what was not agreed on breaks the protocol");
}

#[test]
fn the_echo_is_there_only_for_protocol_tests() {
    let server = launch().arg("--protocol-test").start();
    server.wait_for_log("--protocol-test is on");
    let mut client = Client::connect(&server.ws_at("/echo"));
    client.send_text(r#""é""#);
    assert_eq!(client.next_message().into_text().expect("text").as_str(), r#""é""#);
    let large = vec![b'7'; 4 << 20];
    client.send_binary(&large);
    assert!(client.next_message().into_data().as_ref() == large.as_slice());
    assert_eq!(client.close().0, 1000);
    let mut raw = RawClient::upgraded(server.address(), "/echo", &[OFFER]);
    raw.send(&Frame::text(deflate(b"word word word word")).reserved(4));
    let echo = raw.next_frame().expect("an echo");
    assert_eq!((echo.reserved, inflate(&echo.payload).as_slice()), (4, &b"word word word word"[..]));
    // The channels are beside it.
    let _client = Client::welcomed(&server.ws());

    let server = super::server();
    assert_eq!(Client::dial(&server.ws_at("/echo")).attempt().expect_err("no echo").status, 404);
    assert_eq!(server.get("/echo").status, 404);
}

#[test]
fn a_silent_client_is_pinged_and_then_closed() {
    let server = launch().env("PING_INTERVAL", "300ms").env("PING_TIMEOUT", "4s").env("SHARDS", "1").start();
    let begun = Instant::now();
    let mut silent = RawClient::upgraded(server.address(), "/ws", &[]);
    let mut alive = RawClient::upgraded(server.address(), "/ws", &[]);
    let mut talking = RawClient::upgraded(server.address(), "/ws", &[]);
    for client in [&mut silent, &mut alive, &mut talking] {
        client.next_frame().expect("the welcome");
    }
    // More pings than fit the timeout.
    for _ in 0..15 {
        let ping = alive.next_frame().expect("a ping");
        assert_eq!((ping.opcode, ping.fin), (9, true), "{ping:?}");
        alive.send(&Frame::new(10, ping.payload));
        // Any other traffic does as well as a pong.
        talking.send(&Frame::text(r#"{"type":"ping"}"#));
    }
    assert!(begun.elapsed() > Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(silent.next_frame().map(|frame| frame.opcode), Some(9));
    assert_eq!(silent.expect_close(), (4009, "Ping timeout".to_owned()));
    alive.send(&Frame::text(r#"{"type":"ping"}"#));
    while alive.next_frame().expect("the pong").opcode != 1 {}
    talking.send(&Frame::close(1000, ""));
    assert_eq!(talking.expect_close().0, 1000);
    let evictions = || server.metric("fanfare_evictions_total", &[r#"reason="ping_timeout""#]);
    eventually(PATIENCE, || evictions() == Some(1.0));
}

/// A client that does not read, behind its welcome.
pub(crate) fn deaf(server: &Server) -> RawClient {
    let mut client = RawClient::connect_with_buffer(server.address(), 4_096);
    assert_eq!(client.upgrade("/ws", &[]).status, 101);
    client.next_frame().expect("the welcome");
    client
}

/// Within what time a client that is too slow has to read to be told so, with room: the server waits for a second.
pub(crate) const IN_TIME: Duration = Duration::from_millis(500);

/// The Close of a client that does not read what is published, until it is too slow, and then reads at once. Who begins too late
/// for that, as on a machine that is busy, may get none; then it is tried with another.
#[track_caller]
pub(crate) fn close_of_a_slow_one(server: &Server, mut publish: impl FnMut(u32)) -> (u16, String) {
    let evicted =
        || server.metric("fanfare_evictions_total", &[r#"reason="slow_consumer""#]).unwrap_or_default();
    let mut close = (1006, String::new());
    for _ in 0..5 {
        let (mut slow, before) = (deaf(server), evicted());
        let mut sent = 0;
        let mut since = Instant::now();
        while evicted() <= before {
            since = Instant::now();
            assert!(sent < 200, "it is never too slow");
            publish(sent);
            sent += 1;
        }
        let is_late = since.elapsed() > IN_TIME;
        close = slow.expect_close();
        if close.0 != 1006 || !is_late {
            break;
        }
    }
    close
}

#[test]
fn a_slow_consumer_is_closed_and_the_others_get_everything() {
    let server = launch().env("OUTBOX_MAX_BYTES", "256KiB").start();
    let mut clients: Vec<Client> = (0..3).map(|_| Client::welcomed(&server.ws())).collect();
    let data = "x".repeat(200_000);
    let close = close_of_a_slow_one(&server, |n| {
        server.broadcast(&json!({ "type": "x", "data": [n, data] }));
        for client in &mut clients {
            assert_eq!(client.expect_type("x")["data"][0], n);
        }
    });
    assert_eq!(close, (4010, "Slow consumer".to_owned()));
    server.wait_for_connections(3);
    assert_eq!(server.broadcast(&json!({ "type": "after" }))["recipients"], 3);
}

#[test]
fn too_many_frames_are_too_slow_as_well_as_too_many_bytes() {
    let server = launch().env("OUTBOX_MAX_FRAMES", "3").start();
    let event = json!({ "type": "x", "data": "x".repeat(200_000) });
    let close = close_of_a_slow_one(&server, |_| drop(server.broadcast(&event)));
    assert_eq!(close, (4010, "Slow consumer".to_owned()));
}

#[test]
fn one_frame_always_fits_an_empty_queue() {
    let server = launch().env("OUTBOX_MAX_BYTES", "1B").start();
    let mut client = Client::welcomed(&server.ws());
    let data = "x".repeat(1_000_000);
    for n in 0..10 {
        server.broadcast(&json!({ "type": "x", "data": [n, data] }));
        assert_eq!(client.expect_type("x")["data"][0], n);
    }
}

#[test]
fn a_wrong_setting_stops_the_start_with_one_line_that_names_it() {
    let rules = TextFile::new("rules.toml", "[[channels]]\npattern = \"jobs\"\nsubscibe = \"nobody\"\n");
    let keys = TextFile::new("keys.toml", "[[api_keys]]\nname = \"shop\"\nsecret = \"short\"\n");
    let certificate = Certificate::generate();
    for (launch, name) in [
        (launch().env("PORT", "http"), "PORT"),
        (launch().env("WS_AUTH", "maybe"), "WS_AUTH"),
        (launch().env("CORS_ALLOWED_ORIGINS", "app.example.com"), "CORS_ALLOWED_ORIGINS"),
        (launch().env("PING_TIMEOUT", "1s"), "PING_TIMEOUT"),
        (launch().env("FANFARE_API_KEYS", "shop:hunter2"), "FANFARE_API_KEYS"),
        (launch().env("FANFARE_API_KEYS", ","), "FANFARE_API_KEYS"),
        (launch().env("FANFARE_CONFIG", keys.path()), "FANFARE_CONFIG"),
        (launch().env("FANFARE_CONFIG", rules.path()), "FANFARE_CONFIG"),
        (launch().env("FANFARE_CONFIG", "/no/such/file"), "FANFARE_CONFIG"),
        (launch().env("TLS_CERT_FILE", certificate.certificate_file()), "TLS_KEY_FILE"),
        (launch().env("FANFARE_ENV", "production"), "FANFARE_ENV"),
        (launch().env("FANFARE_ENV", "production").env("JWT_SECRET", "hunter2"), "JWT_SECRET"),
        (
            launch().env("FANFARE_ENV", "production").env("JWT_SECRET", SECRET).arg("--protocol-test"),
            "--protocol-test",
        ),
        (launch().arg("--frobnicate"), "--frobnicate"),
    ] {
        let ended = launch.run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stderr.starts_with(&format!("websocket-server: {name}")), "{name}: {ended:?}");
        assert!(!ended.stderr.contains("hunter2") && ended.stdout.is_empty(), "{ended:?}");
    }
}

#[test]
fn what_cannot_be_used_stops_the_start_with_its_name() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let nonsense = TextFile::new("nonsense.pem", "nothing in here");
    let certificate = Certificate::generate();
    let other = Certificate::generate();
    for (launch, name) in [
        (launch().env("PORT", &port), "PORT"),
        (launch().env("JWT_PUBLIC_KEY_FILE", nonsense.path()), "JWT_PUBLIC_KEY_FILE"),
        (
            launch().env("TLS_CERT_FILE", nonsense.path()).env("TLS_KEY_FILE", certificate.key_file()),
            "TLS_CERT_FILE",
        ),
        (
            launch()
                .env("TLS_CERT_FILE", certificate.certificate_file())
                .env("TLS_KEY_FILE", other.key_file()),
            "TLS_KEY_FILE",
        ),
    ] {
        let ended = launch.run();
        assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
        let last = ended.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("websocket-server: ") && last.contains(name), "{name}: {ended:?}");
    }
}

#[test]
fn help_and_check_print_and_exit() {
    let help = launch().arg("--help").run();
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("FANFARE_API_KEYS") && help.stdout.contains("--port"));
    let check = launch()
        .env("JWT_SECRET", SECRET)
        .env("FANFARE_API_KEYS", "shop:secret-of-shop")
        .arg("--check")
        .run();
    assert_eq!((check.code, check.stdout.lines().next()), (Some(0), Some("The configuration is valid.")));
    assert!(!check.stdout.contains("secret-of-shop") && !check.stdout.contains(SECRET));
    assert_eq!(launch().env("PORT", "http").arg("--check").run().code, Some(2));
}
