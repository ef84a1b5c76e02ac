use serde_json::json;
use test_kit::wait::PATIENCE;
use test_kit::{eventually, http};

use crate::harness::{Database, World, members, on_both};

#[test]
fn health_tells_the_database_the_relay_and_the_keys() {
    on_both(|world| {
        let answer = world.get(None, "/health");
        assert_eq!(answer.status, 200);
        let health = answer.json();
        assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("user-service")));
        assert_eq!((&health["database"], &health["hub"]), (&json!("up"), &json!("up")));
        // There is no hub in these tests: the first event shows it.
        world.register("anna@example.com");
        eventually(PATIENCE, || world.get(None, "/health").json()["hub"] == "down");
        let health = world.get(None, "/health").json();
        assert_eq!(health["status"], "degraded");
        assert_eq!(health["relay"]["backlog"], 1);
        assert_eq!(health["relay"]["parked"], 0);
        assert_eq!(health["keys"]["published"], 1);
        world.tamper("UPDATE event_relay SET parked_at = 1, reason = 'x'");
        assert_eq!(world.get(None, "/health").json()["status"], "degraded");
    });
}

#[test]
fn the_description_names_every_call_with_its_answers() {
    let world = World::start(Database::Sqlite);
    let description = world.get(None, "/openapi.json").json();
    for (path, method, statuses) in [
        ("/auth/register", "post", &["201", "400", "408", "409", "413", "415", "422", "429", "503"][..]),
        ("/auth/login", "post", &["200", "400", "401", "408", "413", "415", "422", "429", "503"]),
        ("/auth/refresh", "post", &["200", "400", "401", "408", "413", "415", "422", "503"]),
        ("/auth/logout", "post", &["204", "400", "401", "403", "408", "413", "415", "422", "503"]),
        ("/auth/logout-all", "post", &["204", "400", "401", "403", "408", "413", "503"]),
        ("/users/me", "get", &["200", "401", "403", "404", "503"]),
        ("/users/me", "patch", &["200", "400", "401", "403", "404", "408", "413", "415", "422", "503"]),
        ("/.well-known/jwks.json", "get", &["200"]),
    ] {
        let answers = &description["paths"][path][method]["responses"];
        assert_eq!(members(answers), statuses, "{method} {path}");
        for status in statuses.iter().filter(|status| **status >= "400") {
            let answer = &answers[status];
            assert_eq!(members(&answer["content"]), ["application/problem+json"], "{method} {path} {status}");
            assert_ne!(answer["description"], "", "{method} {path} {status}");
        }
    }
    assert_eq!(description["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    assert_eq!(http::get(world.address, "/docs/", &[]).status, 200);
}
