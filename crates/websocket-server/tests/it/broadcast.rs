//! `POST /broadcast` and `/broadcast/batch` as publishers see them: who may, and what is refused and how.

use serde_json::{Value, json};
use test_kit::http::{self, Answer, post_json, request};
use test_kit::wait::{PATIENCE, holds_within};
use test_kit::{Client, RawClient, Server};

use super::{launch, server, until_the_end};

const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// A server with two keys that may publish everywhere and one for orders.
pub(crate) fn server_with_keys() -> Server {
    launch()
        .env(
            "FANFARE_API_KEYS",
            "shop:secret-of-shop,blog:secret-of-blog,orders:secret-of-orders:orders:*|user:*",
        )
        .start()
}

fn with_key(server: &Server, key: &str, path: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer secret-of-{key}");
    post_json(server.address(), path, &[("authorization", &authorization)], body)
}

fn raw(server: &Server, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    request(server.address(), "POST", path, headers, Some(body))
}

/// Checks an error's status, code and form.
#[track_caller]
pub(crate) fn expect_problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!((answer.status, answer.problem_code().as_str()), (status, code), "{}", answer.text());
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
    problem
}

#[test]
fn a_publication_is_answered_with_its_id_and_the_connections_that_it_was_queued_to() {
    let server = server();
    let answer = server.post("/broadcast", &json!({ "type": "x" }));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let text = answer.text();
    let id = text
        .strip_prefix(r#"{"success":true,"id":""#)
        .and_then(|rest| rest.strip_suffix(r#"","recipients":0}"#));
    let id = uuid::Uuid::parse_str(id.expect("exactly the answer's shape")).expect("a UUID");
    assert_eq!(id.get_version_num(), 7);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::welcomed(&server.ws())).collect();
    clients[0].subscribe(&["jobs"]);
    clients[1].subscribe(&["jobs"]);
    assert_eq!(server.broadcast(&json!({ "type": "x" }))["recipients"], 3);
    assert_eq!(server.broadcast(&json!({ "type": "x", "channel": "jobs" }))["recipients"], 2);
    assert_eq!(server.broadcast(&json!({ "type": "x", "channel": "unknown" }))["recipients"], 0);
}

#[test]
fn what_is_not_json_is_400() {
    let server = server();
    for body in [
        &b""[..],
        b" ",
        b"not json",
        b"{\"type\":\"x\"",
        b"{\"type\":\"x\"} {}",
        b"{\"type\":\"x\",}",
        b"{\"type\":\"\xff\"}",
        b"{\"type\":\"x\",\"data\":NaN}",
        b"{\"type\":\"x\",\"data\":\"\x01\"}",
    ] {
        expect_problem(&raw(&server, "/broadcast", &[JSON], body), 400, "malformed_json");
    }
    expect_problem(&raw(&server, "/broadcast/batch", &[JSON], b"[{\"type\":\"x\"},"), 400, "malformed_json");
}

#[test]
fn a_wrong_shape_is_422_and_names_the_member() {
    let server = server();
    for (body, member) in [
        (json!([]), "body"),
        (json!("x"), "body"),
        (json!({}), "type"),
        (json!({ "type": 7 }), "type"),
        (json!({ "type": "" }), "type"),
        (json!({ "type": "x".repeat(201) }), "type"),
        (json!({ "type": "x", "channel": 7 }), "channel"),
        (json!({ "type": "x", "channel": "" }), "channel"),
        (json!({ "type": "x", "channel": "a b" }), "channel"),
        (json!({ "type": "x", "channel": "x".repeat(201) }), "channel"),
        (json!({ "type": "x", "channels": "jobs" }), "channels"),
        (json!({ "type": "x", "channels": ["jobs", 7] }), "channels"),
        (json!({ "type": "x", "user_id": {} }), "user_id"),
        (json!({ "type": "x", "user_id": 1.5 }), "user_id"),
        (json!({ "type": "x", "user_ids": 7 }), "user_ids"),
        (json!({ "type": "x", "user_ids": [true] }), "user_ids"),
        (json!({ "type": "x", "queue_id": [] }), "queue_id"),
        (json!({ "type": "x", "queue_id": "a b" }), "queue_id"),
        (json!({ "type": "x", "connection_id": 7 }), "connection_id"),
        (json!({ "type": "x", "except_connection_id": 7 }), "except_connection_id"),
        (json!({ "type": "x", "namespace": 7 }), "namespace"),
        (json!({ "type": "x", "timestamp": "yesterday" }), "timestamp"),
        (json!({ "type": "x", "timestamp": 7 }), "timestamp"),
    ] {
        let problem = expect_problem(&server.post("/broadcast", &body), 422, "invalid");
        assert_eq!(problem["member"], member, "{body}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    }
    let deep = format!(r#"{{"type":"x","data":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    expect_problem(&raw(&server, "/broadcast", &[JSON], deep.as_bytes()), 422, "too_deep");
    let items: Vec<Value> = (0..1_001).map(|_| json!({ "type": "x" })).collect();
    for batch in [json!({}), json!("x"), json!(items)] {
        let problem = expect_problem(&server.post("/broadcast/batch", &batch), 422, "invalid");
        assert_eq!(problem["member"], "body");
    }
    for key in ["", "caf\u{e9}", &"x".repeat(256)] {
        let answer = raw(&server, "/broadcast", &[JSON, ("idempotency-key", key)], br#"{"type":"x"}"#);
        assert_eq!(expect_problem(&answer, 422, "invalid")["member"], "Idempotency-Key");
    }
}

#[test]
fn members_that_the_hub_does_not_know_are_ignored() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    server.broadcast(&json!({ "type": "x", "keep": false, "priority": [1], "data": { "a": 1 } }));
    assert_eq!(client.expect_type("x")["data"], json!({ "a": 1 }));
}

#[test]
fn what_is_not_declared_as_json_is_415() {
    let server = server();
    let body = br#"{"type":"x"}"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "", "json"] {
        expect_problem(&raw(&server, "/broadcast", &[("content-type", kind)], body), 415, "not_json");
    }
    expect_problem(&raw(&server, "/broadcast", &[], body), 415, "not_json");
    expect_problem(
        &raw(&server, "/broadcast/batch", &[("content-type", "text/plain")], b"[]"),
        415,
        "not_json",
    );
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/cloudevents+json"] {
        assert_eq!(raw(&server, "/broadcast", &[("content-type", kind)], body).status, 200, "{kind}");
    }
}

#[test]
fn a_body_over_the_limit_is_413_however_it_is_sent() {
    let server = launch().env("MAX_BODY", "1KiB").start();
    let body = |length: usize| {
        format!(r#"{{"type":"x","data":"{}"}}"#, "x".repeat(length - r#"{"type":"x","data":""}"#.len()))
    };
    assert_eq!(raw(&server, "/broadcast", &[JSON], body(1_024).as_bytes()).status, 200);
    expect_problem(&raw(&server, "/broadcast", &[JSON], body(1_025).as_bytes()), 413, "too_large");
    let chunked = |text: &str| format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len()).into_bytes();
    for (length, status) in [(1_024, 200), (1_025, 413)] {
        let mut client = RawClient::connect(server.address());
        client.write(b"POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.write(&chunked(&body(length)));
        assert_eq!(client.read_head().status, status);
    }
    // Without the limit's variable it is 1 MiB.
    let server = super::server();
    assert_eq!(raw(&server, "/broadcast", &[JSON], body(1 << 20).as_bytes()).status, 200);
    expect_problem(&raw(&server, "/broadcast", &[JSON], body((1 << 20) + 1).as_bytes()), 413, "too_large");
}

#[test]
fn one_connection_carries_call_after_call() {
    let server = server();
    let mut subscriber = Client::welcomed(&server.ws());
    let mut client = RawClient::connect(server.address());
    let call = |n: usize, connection: &str| {
        let body = format!(r#"{{"type":"x","data":{n}}}"#);
        format!(
            "POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Connection: {connection}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    // Ten calls before the first answer is read.
    let calls: String = (0..10).map(|n| call(n, if n < 9 { "keep-alive" } else { "close" })).collect();
    client.write(calls.as_bytes());
    let answers = String::from_utf8(client.expect_end(PATIENCE)).expect("UTF-8");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 10, "{answers}");
    assert_eq!(answers.matches(r#""recipients":1"#).count(), 10, "{answers}");
    for n in 0..10 {
        assert_eq!(subscriber.expect_type("x")["data"], n);
    }
}

#[test]
fn a_publisher_that_waits_to_be_asked_for_its_body_is_asked() {
    let server = server();
    let mut client = RawClient::connect(server.address());
    client.write(
        b"POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
          Content-Length: 12\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.read_head().status, 100);
    client.write(br#"{"type":"x"}"#);
    assert_eq!(client.read_head().status, 200);
}

#[test]
fn other_methods_and_paths_are_told_so() {
    let server = server();
    for path in ["/broadcast", "/broadcast/batch"] {
        let answer = server.get(path);
        expect_problem(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    expect_problem(&server.post("/health", &json!({})), 405, "method_not_allowed");
    expect_problem(&server.post("/broadcasts", &json!({})), 404, "not_found");
}

#[test]
fn only_a_sole_unknown_connection_is_404() {
    let server = server();
    let client = Client::welcomed(&server.ws());
    for id in [UNKNOWN, "no id at all", ""] {
        let problem = expect_problem(
            &server.post("/broadcast", &json!({ "type": "x", "connection_id": id })),
            404,
            "connection_not_found",
        );
        assert_eq!(problem["member"], "connection_id");
    }
    for more in [json!({ "channel": "jobs" }), json!({ "user_id": 7 }), json!({ "queue_id": "q" })] {
        let mut body = json!({ "type": "x", "connection_id": UNKNOWN });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        assert_eq!(server.broadcast(&body)["recipients"], 0);
    }
    assert_eq!(server.broadcast(&json!({ "type": "x", "user_id": "nobody" }))["recipients"], 0);
    assert_eq!(
        server.broadcast(&json!({ "type": "x", "connection_id": client.connection_id() }))["recipients"],
        1
    );
}

#[test]
fn a_namespace_takes_an_event_away_from_everyone_here() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    client.subscribe(&["jobs"]);
    for body in [
        json!({ "type": "x", "namespace": "/chat" }),
        json!({ "type": "x", "namespace": "/", "channel": "jobs" }),
    ] {
        assert_eq!(server.broadcast(&body)["recipients"], 0);
    }
    assert_eq!(until_the_end(&server, &mut [&mut client])[0], [] as [Value; 0]);
}

#[test]
fn a_batch_is_answered_item_by_item_in_its_order() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    client.subscribe(&["jobs"]);
    let answer = server.post(
        "/broadcast/batch",
        &json!([
            { "type": "one", "channel": "jobs" },
            { "type": 7 },
            { "type": "two" },
            "not a publication",
            { "type": "lost", "connection_id": UNKNOWN },
            { "type": "three", "channel": "nowhere" },
            { "type": "deep", "data": (0..200).fold(json!(0), |inner, _| json!([inner])) },
            { "type": "keyed", "idempotency_key": "" },
            { "type": "four", "connection_id": client.connection_id() },
        ]),
    );
    assert_eq!(answer.status, 200);
    let items = answer.json();
    let told: Vec<(u64, &str)> = items
        .as_array()
        .expect("an array")
        .iter()
        .map(|item| match item["success"].as_bool() {
            Some(true) => (200 + item["recipients"].as_u64().expect("a count"), ""),
            _ => {
                (item["status"].as_u64().expect("a status"), item["error"]["code"].as_str().expect("a code"))
            }
        })
        .collect();
    assert_eq!(
        told,
        [
            (201, ""),
            (422, "invalid"),
            (201, ""),
            (422, "invalid"),
            (404, "connection_not_found"),
            (200, ""),
            (422, "too_deep"),
            (422, "invalid"),
            (201, ""),
        ]
    );
    assert_eq!(items[1]["error"]["member"], "type", "{items}");
    assert_eq!(items[1].as_object().map(serde_json::Map::len), Some(3), "{items}");
    let frames = until_the_end(&server, &mut [&mut client]).remove(0);
    assert_eq!(frames.iter().map(|frame| frame["type"].clone()).collect::<Vec<_>>(), ["one", "two", "four"]);
    assert_eq!(server.post("/broadcast/batch", &json!([])).text(), "[]");
    let most: Vec<Value> = (0..1_000).map(|_| json!({ "type": "x", "channel": "nowhere" })).collect();
    assert_eq!(server.post("/broadcast/batch", &json!(most)).json().as_array().map(Vec::len), Some(1_000));
}

#[test]
fn what_an_overloaded_hub_cannot_queue_is_503_and_nothing_accepted_is_lost() {
    let server = launch().env("QUEUE_MAX_PUBLICATIONS", "1").env("SHARDS", "1").start();
    let mut clients: Vec<Client> = (0..50).map(|_| Client::welcomed(&server.ws())).collect();
    let items: Vec<Value> = (0..1_000).map(|n| json!({ "type": "x", "data": n })).collect();
    let mut accepted = 0;
    let overloaded = holds_within(PATIENCE, || {
        let answers = server.post("/broadcast/batch", &json!(items)).json();
        let answers = answers.as_array().expect("an array");
        let good = answers.iter().take_while(|item| item["success"] == true).count();
        accepted += good;
        // Once one is refused for the moment, the later ones are as well, so that none overtakes it.
        for item in &answers[good..] {
            assert_eq!(
                (&item["status"], &item["error"]["code"]),
                (&json!(503), &json!("overloaded")),
                "{item}"
            );
        }
        good < answers.len()
    });
    for client in &mut clients {
        let mut got = 0;
        while got < accepted {
            client.expect_type("x");
            got += 1;
        }
    }
    let mut clients: Vec<&mut Client> = clients.iter_mut().collect();
    for frames in until_the_end(&server, &mut clients) {
        assert_eq!(frames, [] as [Value; 0], "none that was refused");
    }
    assert!(overloaded, "1,000 publications went through a queue of one");
}

#[test]
fn with_keys_a_publisher_needs_one_even_on_this_machine() {
    let server = server_with_keys();
    let body = json!({ "type": "x" });
    for path in ["/broadcast", "/broadcast/batch"] {
        let answer = server.post(path, &body);
        expect_problem(&answer, 401, "key_missing");
        assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
        expect_problem(&with_key(&server, "nobody", path, &body), 401, "key_unknown");
    }
    assert_eq!(with_key(&server, "shop", "/broadcast", &body).status, 200);
    // With a key neither the way nor the host matters.
    let headers = [
        ("authorization", "Bearer secret-of-shop"),
        ("x-forwarded-for", "203.0.113.9"),
        ("host", "hub.example.com"),
    ];
    assert_eq!(post_json(server.address(), "/broadcast", &headers, &body).status, 200);
    assert!(!server.log().contains("secret-of"), "{}", server.log());
}

#[test]
fn a_key_publishes_only_to_its_channels() {
    let server = server_with_keys();
    let publish = |body: &Value| with_key(&server, "orders", "/broadcast", body);
    for allowed in [
        json!({ "type": "x", "channel": "orders:7" }),
        json!({ "type": "x", "user_id": 7 }),
        json!({ "type": "x", "channels": ["orders:7", "orders:8"], "user_ids": [7] }),
    ] {
        assert_eq!(publish(&allowed).status, 200, "{allowed}");
    }
    for refused in [
        json!({ "type": "x" }),
        json!({ "type": "x", "channel": "jobs" }),
        json!({ "type": "x", "channels": ["orders:7", "jobs"] }),
        json!({ "type": "x", "channel": "orders:7", "queue_id": "q" }),
    ] {
        expect_problem(&publish(&refused), 403, "key_not_allowed");
    }
    let batch = with_key(
        &server,
        "orders",
        "/broadcast/batch",
        &json!([{ "type": "x", "channel": "jobs" }, { "type": "x", "channel": "orders:7" }]),
    );
    let items = batch.json();
    assert_eq!((&items[0]["status"], &items[1]["success"]), (&json!(403), &json!(true)), "{items}");
}

#[test]
fn without_keys_what_came_through_a_proxy_or_under_another_name_is_403() {
    let server = launch().env("ALLOWED_HOSTS", "hub.internal").start();
    let body = json!({ "type": "x" });
    let publish = |headers: &[(&str, &str)]| post_json(server.address(), "/broadcast", headers, &body);
    for header in [
        ("X-Forwarded-For", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("X-Forwarded-Whatever", ""),
        ("Forwarded", "for=127.0.0.1"),
    ] {
        expect_problem(&publish(&[header]), 403, "forwarded_request");
    }
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.7",
    ] {
        expect_problem(&publish(&[("host", host)]), 403, "forbidden_host");
    }
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        expect_problem(&publish(&[("origin", origin)]), 403, "forbidden_origin");
    }
    for host in ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:8080", "hub.internal", "hub.internal:80"]
    {
        assert_eq!(publish(&[("host", host)]).status, 200, "{host}");
    }
    assert_eq!(publish(&[("origin", "http://localhost:5173")]).status, 200);
    server.wait_for_log("only programs on this machine may publish");
    assert_eq!(server.metric("fanfare_publish_refused_total", &[r#"code="forwarded_request""#]), Some(4.0));
}

/// The CORS headers of an answer: allowed origin, credentials, `Vary`.
fn cors(answer: &Answer) -> (Option<&str>, Option<&str>, Option<&str>) {
    let header = |name| answer.header(name);
    (header("access-control-allow-origin"), header("access-control-allow-credentials"), header("vary"))
}

#[test]
fn listed_origins_may_read_answers_with_credentials() {
    let server =
        launch().env("CORS_ALLOWED_ORIGINS", "https://app.example.com,https://admin.example.com").start();
    let app = [("origin", "https://app.example.com")];
    let preflight = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type, authorization, idempotency-key"),
        ];
        request(server.address(), "OPTIONS", "/broadcast", &headers, None)
    };
    let answer = preflight("https://app.example.com");
    assert_eq!(answer.status, 204);
    assert_eq!(cors(&answer), (Some("https://app.example.com"), Some("true"), Some("Origin")));
    assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));
    let headers = answer.header("access-control-allow-headers").unwrap_or_default().to_lowercase();
    assert!(
        ["authorization", "content-type", "idempotency-key"].iter().all(|name| headers.contains(name)),
        "{headers}"
    );
    assert_eq!(cors(&preflight("https://evil.example")).0, None);
    assert_eq!(cors(&preflight("http://localhost:5173")).0, None, "a list leaves loopback out");
    assert_eq!(cors(&preflight("null")).0, None);

    for path in ["/stats", "/health", "/nothing"] {
        let answer = http::get(server.address(), path, &app);
        assert_eq!(cors(&answer), (Some("https://app.example.com"), Some("true"), Some("Origin")), "{path}");
    }
    let refused = raw(&server, "/broadcast", &[app[0], JSON], b"x");
    assert_eq!((refused.status, cors(&refused).0), (400, Some("https://app.example.com")));
    assert_eq!(cors(&http::get(server.address(), "/stats", &[("origin", "https://evil.example")])).0, None);
    assert_eq!(cors(&server.get("/stats")), (None, None, Some("Origin")), "a cache must know");
}

#[test]
fn without_a_list_loopback_pages_may_read_answers_and_files_may_not() {
    let server = server();
    for origin in ["http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:80"] {
        let answer = http::get(server.address(), "/stats", &[("origin", origin)]);
        assert_eq!(
            cors(&answer),
            (Some(origin), None, Some("Origin")),
            "no credentials for who is not listed"
        );
    }
    for origin in ["null", "https://app.example.com"] {
        assert_eq!(cors(&http::get(server.address(), "/stats", &[("origin", origin)])).0, None, "{origin}");
    }
    let any = launch().env("CORS_ALLOWED_ORIGINS", "*").start();
    let answer = http::get(any.address(), "/stats", &[("origin", "https://app.example.com")]);
    assert_eq!((cors(&answer).0, cors(&answer).1), (Some("*"), None));
}

#[test]
fn a_publisher_may_give_the_events_id() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    client.subscribe(&["jobs"]);
    let (first, second) = (uuid::Uuid::now_v7().to_string(), uuid::Uuid::now_v7().to_string());
    let event = |id: &str| json!({ "type": "x", "channel": "jobs", "publication_id": id });
    assert_eq!(server.broadcast(&event(&first))["id"], first);
    let batch = server.post("/broadcast/batch", &json!([event(&second.to_uppercase()), event("7")])).json();
    assert_eq!((&batch[0]["success"], &batch[0]["id"]), (&json!(true), &json!(second)));
    assert_eq!((&batch[1]["status"], &batch[1]["error"]["member"]), (&json!(422), &json!("publication_id")));
    client.send_json(&json!({ "type": "history", "channel": "jobs", "limit": 10 }));
    let events = loop {
        let frame = client.next_json();
        if frame["type"] == "history" {
            break frame["data"]["events"].clone();
        }
    };
    assert_eq!((&events[0]["id"], &events[1]["id"]), (&json!(second), &json!(first)));
    for wrong in [json!(uuid::Uuid::new_v4().to_string()), json!("019a3f5e"), json!(7), json!([first])] {
        let body = json!({ "type": "x", "publication_id": wrong });
        let problem = expect_problem(&server.post("/broadcast", &body), 422, "invalid");
        assert_eq!(problem["member"], "publication_id", "{body}");
    }
    // A repeated key gets the first answer, whatever id comes with it.
    let keyed = |id: &str| {
        let key = [("idempotency-key", "k")];
        post_json(server.address(), "/broadcast", &key, &event(id)).json()["id"].clone()
    };
    let third = uuid::Uuid::now_v7().to_string();
    assert_eq!((keyed(&third), keyed(&uuid::Uuid::now_v7().to_string())), (json!(third), json!(third)));
}
