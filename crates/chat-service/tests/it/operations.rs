//! What operators see, and CORS.

use serde_json::json;
use test_kit::http;

use crate::harness::{Engine, World};

#[test]
fn operators_see_health_metrics_and_the_description() {
    let (_world, chat) = World::with(Engine::Sqlite);
    chat.send(7, 9, "hi");
    let get = |path: &str| http::get(chat.address, path, &[]);
    let health = get("/health").json();
    assert_eq!((&health["service"], &health["database"]), (&json!("chat-service"), &json!("up")), "{health}");
    assert_eq!(health["relay"]["backlog"], 1);
    let metrics = get("/metrics").text();
    for line in [
        "fanfare_chat_messages_total{outcome=\"stored\"} 1",
        "fanfare_chat_reads_total 0",
        "fanfare_chat_typing 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(!metrics.contains("hi\""), "no text of a message");
    assert_eq!(get("/openapi.json").json()["info"]["title"], "chat-service");
    assert_eq!(get("/docs").status, 303);
}

#[test]
fn a_page_may_call_on_errors_too() {
    let (_world, chat) = World::with(Engine::Sqlite);
    let origin = ("origin", "http://localhost:5173");
    let refused = http::get(chat.address, "/api/chat/unread", &[origin]);
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some(origin.1)));
    let preflight = [
        origin,
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "authorization, idempotency-key"),
    ];
    let answer = http::request(chat.address, "OPTIONS", "/api/chat/blocks/9", &preflight, None);
    assert_eq!(answer.status, 204);
    assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("PUT")));
    let stranger = http::get(chat.address, "/api/chat/unread", &[("origin", "https://evil.example")]);
    assert_eq!(stranger.header("access-control-allow-origin"), None);
}
