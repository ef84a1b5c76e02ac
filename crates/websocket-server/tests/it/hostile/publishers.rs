//! Hostile publishers: bodies, declarations, proxies, and those who keep the hub waiting.

use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use test_kit::wait::PATIENCE;
use test_kit::{Launch, RawClient, eventually, http};

use super::*;

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
pub(super) fn impatient() -> Launch {
    launch().env("HANDSHAKE_TIMEOUT", "2s").env("REQUEST_TIMEOUT", "2s")
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
    let launch = launch().env("HISTORY_MAX_BYTES", "1MiB").env("HISTORY_MAX_STREAMS", "1000");
    let mut scene = Scene::of(&launch);
    let many = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>();
    for (member, names) in [("channels", many(100_000)), ("channels", vec!["a".to_owned(); 200_000])] {
        let started = Instant::now();
        let answer = scene.server.post("/broadcast", &json!({ "type": "a", member: names }));
        assert!(matches!(answer.status, 200 | 413 | 422), "{}", answer.text());
        assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    }
    // Of names that nobody follows only so much is kept as the bounds of history say: after as many again it is no more than before.
    let flood = |series: usize| {
        for first in 0..50 {
            let items: Vec<Value> = (0..1000)
                .map(|n| json!({ "type": "a", "channel": format!("{series}-{first}-{n}") }))
                .collect();
            assert_eq!(scene.server.post("/broadcast/batch", &Value::Array(items)).status, 200);
        }
        scene.server.memory()
    };
    let before = scene.server.memory();
    let (once, twice) = (flood(1), flood(2));
    // 50,000 names that were kept would be more than 16 MiB.
    let sizes = format!("{} KiB, {} KiB, {} KiB", before >> 10, once >> 10, twice >> 10);
    assert!(once.saturating_sub(before) < 16 << 20, "grown from the start: {sizes}");
    assert!(twice.saturating_sub(once) < 4 << 20, "goes on growing: {sizes}");
    scene.friend_is_well();
}
