//! Who may follow whom: tokens, the three policies, pages' origins, and tokens that end.

use std::time::Duration;

use serde_json::{Value, json};
use test_kit::token::in_seconds;
use test_kit::{Certificate, Client, Launch, Server, Signer};

use super::super::{SECRET, launch};
use super::{dashboard, expect_error, own_port, subscribe};

fn with_policy(policy: &str) -> Launch {
    launch().env("JWT_SECRET", SECRET).env("DASHBOARD_AUTH", policy).env("DASHBOARD_PORT", "0")
}

fn token(user: impl Into<Value>) -> String {
    Signer::hs256(SECRET).user(user)
}

#[track_caller]
fn as_user(server: &Server, user: impl Into<Value>) -> Client {
    Client::connect(&server.ws_at(&format!("/?token={}", token(user))))
}

#[track_caller]
fn expect_unauthorized(server: &Server, path: &str) {
    for base in [format!("ws://{}", server.address()), format!("ws://{}", own_port(server, "dashboard"))] {
        let mut client = Client::connect(&format!("{base}{path}"));
        assert_eq!(client.expect_close(), (4001, "Unauthorized".to_owned()));
    }
}

fn bad_tokens() -> Vec<String> {
    let signer = Signer::hs256(SECRET);
    vec![
        "garbage".to_owned(),
        Signer::hs256("another-secret-with-more-than-32-bytes").user(7),
        signer.token(&json!({ "user_id": 7, "exp": in_seconds(-3600) })),
        signer.token(&json!({ "user_id": 7 })),
        signer.token(&json!({ "exp": in_seconds(3600) })),
        test_kit::token::unsigned(&json!({ "user_id": 7, "exp": in_seconds(3600) })),
    ]
}

#[test]
fn required_closes_4001_without_a_good_token() {
    let server = with_policy("required").start();
    expect_unauthorized(&server, "/");
    expect_unauthorized(&server, "/?token=");
    for token in bad_tokens() {
        expect_unauthorized(&server, &format!("/?token={token}"));
        assert!(!server.log().contains(&token) || token == "garbage", "no token in the log");
    }
    let mut client = as_user(&server, 7);
    subscribe(&mut client, json!({ "userId": 7 }));
}

#[test]
fn optional_closes_4001_with_a_bad_token_and_names_no_user_without_one() {
    let server = with_policy("optional").start();
    for token in bad_tokens() {
        expect_unauthorized(&server, &format!("/?token={token}"));
    }
    let mut client = dashboard(&server);
    client.send_json(&json!({ "type": "subscribe", "userId": 7 }));
    assert!(expect_error(&mut client).contains("userId"));
    client.send_json(&json!({ "type": "subscribe", "userId": 7, "queueId": "q" }));
    assert!(expect_error(&mut client).contains("userId"));
    let answer = client.expect_type("subscribed");
    assert_eq!((answer.get("userId"), &answer["queueId"]), (None, &json!("q")), "{answer}");
    server.broadcast(&json!({ "type": "secret", "user_id": 7 }));
    server.broadcast(&json!({ "type": "end", "queue_id": "q" }));
    client.expect_type("end");
}

#[test]
fn with_a_token_the_user_is_its_user_as_number_or_text() {
    for policy in ["optional", "required"] {
        let server = with_policy(policy).start();
        let mut client = as_user(&server, 456);
        for other in [json!(457), json!("4567"), json!("45"), json!("0456"), json!(-456)] {
            client.send_json(&json!({ "type": "subscribe", "userId": other }));
            assert!(expect_error(&mut client).contains("userId"), "{other}");
        }
        assert_eq!(server.broadcast(&json!({ "type": "x", "user_id": 457 }))["recipients"], 0);
        for own in [json!(456), json!("456")] {
            client.send_json(&json!({ "type": "subscribe", "userId": own }));
            assert_eq!(client.expect_type("subscribed")["userId"], own, "as it was named");
        }
        server.broadcast(&json!({ "type": "x", "user_id": "456" }));
        client.expect_type("x");
        assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    }
}

#[test]
fn a_token_may_come_as_everywhere_and_from_sub() {
    let server = with_policy("required").start();
    let url = server.ws_at("/");
    let dials =
        [Client::dial(&url).bearer(&token("a")), Client::dial(&url).subprotocols(&["fanfare", &token("a")])];
    for dial in dials {
        subscribe(&mut dial.connect(), json!({ "userId": "a" }));
    }
    let sub = Signer::hs256(SECRET).token(&json!({ "sub": "a", "exp": in_seconds(3600) }));
    let mut client = Client::connect(&server.ws_at(&format!("/?token={sub}&batch=0&userId=b")));
    subscribe(&mut client, json!({ "userId": "a" }));
    let by_cookie =
        Client::dial(&url).header("Cookie", &format!("access_token={}", token("a"))).connect().expect_close();
    assert_eq!(by_cookie.0, 4001, "cookies are for tasks");
}

#[test]
fn off_takes_any_user_as_in_the_field_and_ignores_tokens() {
    let server = with_policy("off").start();
    for path in ["/".to_owned(), format!("/?token={}", token(7)), "/?token=garbage".to_owned()] {
        let mut client = Client::connect(&server.ws_at(&path));
        subscribe(&mut client, json!({ "userId": "anybody" }));
        server.broadcast(&json!({ "type": "x", "user_id": "anybody" }));
        client.expect_type("x");
    }
    server.wait_for_log("the endpoint dashboard has the policy off");
    // That of /ws is another.
    let bad = Client::connect(&server.ws_at("/ws?token=garbage")).expect_close();
    assert_eq!(bad.0, 4001);
}

#[test]
fn without_a_policy_of_its_own_that_of_ws_holds() {
    let base = launch().env("JWT_SECRET", SECRET).env("DASHBOARD_PORT", "0");
    expect_unauthorized(&base.clone().env("WS_AUTH", "required").start(), "/");
    let server = base.clone().env("WS_AUTH", "off").start();
    subscribe(&mut dashboard(&server), json!({ "userId": "anybody" }));
    let server = base.start();
    let mut client = dashboard(&server);
    client.send_json(&json!({ "type": "subscribe", "userId": 7 }));
    expect_error(&mut client);
}

#[test]
fn without_a_key_for_tokens_the_policy_is_off_whatever_is_set() {
    let server = launch().env("DASHBOARD_AUTH", "required").start();
    subscribe(&mut dashboard(&server), json!({ "userId": "anybody" }));
}

#[test]
fn a_connection_whose_token_ends_is_closed_4001() {
    let server = with_policy("required").start();
    let short = Signer::hs256(SECRET).token(&json!({ "user_id": 7, "exp": in_seconds(6) }));
    let mut client = Client::connect(&server.ws_at(&format!("/?token={short}")));
    let id = subscribe(&mut client, json!({ "userId": 7 }));
    server.broadcast(&json!({ "type": "x", "user_id": 7 }));
    let (frames, code, reason) = client.collect_until_close(Duration::from_secs(40));
    assert_eq!((code, reason.as_str()), (4001, "Unauthorized"));
    let kinds: Vec<&Value> = frames.iter().map(|frame| &frame["type"]).collect();
    assert_eq!(kinds, [&json!("x")], "no frame of another world");
    // With a new token it goes on where it was.
    let mut client = as_user(&server, 7);
    client.send_json(&json!({ "type": "reconnect", "connectionId": id }));
    client.expect_type("subscribed");
}

#[test]
fn pages_of_other_origins_may_not_connect() {
    let server =
        launch().env("DASHBOARD_PORT", "0").env("CORS_ALLOWED_ORIGINS", "https://cases.example").start();
    for base in [server.ws_at("/"), format!("ws://{}/", own_port(&server, "dashboard"))] {
        for origin in
            ["https://evil.example", "http://localhost:3000", "null", "https://cases.example.evil.example"]
        {
            let refused = Client::dial(&base).origin(origin).attempt().expect_err("refused");
            assert_eq!(refused.status, 403, "{origin}");
            assert!(refused.body.contains("CORS_ALLOWED_ORIGINS"), "{}", refused.body);
        }
        let mut client = Client::dial(&base).origin("https://cases.example").connect();
        subscribe(&mut client, json!({ "userId": "u" }));
    }
    let server = launch().start();
    for origin in ["http://localhost:3000", "http://127.0.0.1", "null"] {
        let _client = Client::dial(&server.ws_at("/")).origin(origin).connect();
    }
}

#[test]
fn a_queue_that_the_rules_forbid_is_an_error() {
    let rules = "[[channels]]\npattern = \"queue:secret*\"\nsubscribe = { user_type = [\"staff\"] }\n";
    let (server, _file) = super::super::recovery::with_rules(&with_policy("optional"), rules);
    let mut client = dashboard(&server);
    client.send_json(&json!({ "type": "subscribe", "queueId": "secret-1" }));
    assert!(expect_error(&mut client).contains("queueId"));
    subscribe(&mut client, json!({ "queueId": "open" }));
    let staff = Signer::hs256(SECRET).user_of_type(1, "staff");
    let mut client = Client::connect(&server.ws_at(&format!("/?token={staff}")));
    subscribe(&mut client, json!({ "queueId": "secret-1" }));
    server.broadcast(&json!({ "type": "x", "queue_id": "secret-1" }));
    client.expect_type("x");
}

#[test]
fn user_streams_are_no_queues() {
    let server = with_policy("optional").start();
    let mut client = dashboard(&server);
    for name in ["../user:7", "user:7", ":user:7", "@all"] {
        client.send_json(&json!({ "type": "subscribe", "queueId": name }));
        client.next_json();
    }
    server.broadcast(&json!({ "type": "secret", "user_id": 7 }));
    assert_eq!(client.ping_barrier(), Vec::<Value>::new());
}

#[test]
fn a_connection_id_is_an_address_for_publishers_and_in_no_log() {
    let server = launch().env("RUST_LOG", "trace").env("SHARDS", "2").start();
    let mut client = dashboard(&server);
    let id = subscribe(&mut client, json!({ "userId": "u" }));
    let mut other = dashboard(&server);
    let other_id = subscribe(&mut other, json!({ "userId": "u" }));
    assert_eq!(
        server.broadcast(&json!({ "type": "x", "connection_id": id, "data": { "n": 1 } }))["recipients"],
        1
    );
    assert_eq!(client.expect_type("x")["n"], 1);
    server.broadcast(&json!({ "type": "y", "user_id": "u", "except_connection_id": id }));
    assert_eq!(other.expect_type("y").get("connectionId"), None);
    assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    client.cut();
    server.wait_for_connections(1);
    assert_eq!(server.post("/broadcast", &json!({ "type": "x", "connection_id": id })).status, 404);
    let mut again = dashboard(&server);
    again.send_json(&json!({ "type": "reconnect", "connectionId": id }));
    again.expect_type("subscribed");
    let mut unknown = dashboard(&server);
    unknown
        .send_json(&json!({ "type": "reconnect", "connectionId": "5b0c6a3e-8f1d-4a57-9c55-0c2f6b1d7e90" }));
    expect_error(&mut unknown);
    let log = server.log();
    let metrics = server.get("/metrics").text();
    for secret in [&id, &other_id, "5b0c6a3e-8f1d-4a57-9c55-0c2f6b1d7e90"] {
        assert!(
            !log.contains(secret),
            "{}",
            log.lines().find(|line| line.contains(secret)).unwrap_or_default()
        );
        assert!(!metrics.contains(secret) && !server.get("/stats").text().contains(secret));
    }
}

#[test]
fn its_own_port_speaks_tls_where_the_main_one_does_and_says_so() {
    let certificate = Certificate::generate();
    let server = launch()
        .env("TLS_CERT_FILE", certificate.certificate_file())
        .env("TLS_KEY_FILE", certificate.key_file())
        .env("DASHBOARD_PORT", "0")
        .start();
    let line = server.wait_for_log("dashboard on http");
    let address = line.strip_prefix("dashboard on https://").unwrap_or_else(|| panic!("{line}"));
    let mut client = Client::dial(&format!("wss://{address}/")).trust(&certificate).connect();
    subscribe(&mut client, json!({ "userId": "u" }));
    server.wait_for_log("WebSocket server started on wss://localhost:");
}
