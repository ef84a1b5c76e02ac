//! What operators see, and CORS.

use serde_json::json;
use test_kit::http;

use crate::harness::{Engine, World};

#[test]
fn operators_see_health_metrics_and_the_description() {
    let (_world, instance) = World::with(Engine::Sqlite);
    let id = instance.notify(7, "a secret title");
    assert_eq!(instance.call(7, "PUT", &format!("/api/notifications/{id}/read"), &[], None).status, 200);
    let get = |path: &str| http::get(instance.address, path, &[]);
    let health = get("/health").json();
    assert_eq!(
        (&health["service"], &health["database"]),
        (&json!("notification-service"), &json!("up")),
        "{health}"
    );
    assert_eq!(health["relay"]["backlog"], 2);
    let metrics = get("/metrics").text();
    for outcome in ["created", "read"] {
        let line = format!("fanfare_notifications_total{{outcome=\"{outcome}\"}} 1");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    assert!(!metrics.contains("secret"), "no text of a notification");
    assert_eq!(get("/openapi.json").json()["info"]["title"], "notification-service");
    assert_eq!(get("/docs").status, 303);
}

#[test]
fn a_page_may_call_on_errors_too() {
    let (_world, instance) = World::with(Engine::Sqlite);
    let origin = ("origin", "http://localhost:5173");
    let refused = http::get(instance.address, "/api/notifications", &[origin]);
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some(origin.1)));
    for method in ["PUT", "DELETE"] {
        let preflight = [
            origin,
            ("access-control-request-method", method),
            ("access-control-request-headers", "authorization, idempotency-key"),
        ];
        let answer = http::request(instance.address, "OPTIONS", "/api/notifications/9", &preflight, None);
        assert_eq!(answer.status, 204);
        let methods = answer.header("access-control-allow-methods");
        assert!(methods.is_some_and(|methods| methods.contains(method)), "{methods:?}");
    }
    let stranger = http::get(instance.address, "/api/notifications", &[("origin", "https://evil.example")]);
    assert_eq!(stranger.header("access-control-allow-origin"), None);
}
