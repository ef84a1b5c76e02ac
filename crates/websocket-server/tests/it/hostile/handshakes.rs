//! Hostile handshakes and tokens.

use std::fmt::Write as _;
use std::fs;

use serde_json::json;
use test_kit::raw::Head;
use test_kit::token::{in_seconds, unsigned};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Frame, RawClient, Signer};

use super::*;

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
