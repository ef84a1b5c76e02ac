//! What operators see: health with the books, metrics, the description; and a restart.

use serde_json::{Value, json};
use test_kit::wait::PATIENCE;
use test_kit::{Postgres, eventually, http};

use crate::harness::{Database, Who, World, ok, on_both, refused};

#[test]
fn health_tells_the_database_the_relay_and_the_books() {
    on_both(|world| {
        world.hold(1, 7, 5.0);
        world.told(1);
        eventually(PATIENCE, || {
            http::get(world.address, "/health", &[]).json()["relay"]["backlog"] == json!(0)
        });
        let expected = json!({
            "status": "healthy", "service": "payment-service", "database": "up", "hub": "up", "books": "balanced",
            "relay": {"backlog": 0, "oldest_seconds": 0, "parked": 0},
        });
        assert_eq!(ok(&http::get(world.address, "/health", &[])), expected);
    });
}

#[test]
fn books_that_do_not_balance_make_the_service_unhealthy() {
    let tampers = [
        (
            "UPDATE accounts SET balance = balance + 1 WHERE kind = 'wallet'",
            "another balance than its entries",
        ),
        ("UPDATE payments SET amount = amount + 1", "a payment that is not what is held"),
        ("UPDATE entries SET amount = amount - 1 WHERE entry_id = 1", "a transfer that adds up to something"),
    ];
    for (sql, what) in tampers {
        on_both(|world| {
            world.hold(1, 7, 5.0);
            assert_eq!(http::get(world.address, "/health", &[]).status, 200);
            world.tamper(sql);
            eventually(PATIENCE, || http::get(world.address, "/health", &[]).status == 503);
            let health = http::get(world.address, "/health", &[]).json();
            assert_eq!(
                (&health["status"], &health["books"]),
                (&json!("unhealthy"), &json!("unbalanced")),
                "{what}"
            );
            // Told a moment after the health.
            let metrics = || http::get(world.address, "/metrics", &[]).text();
            eventually(PATIENCE, || metrics().contains("fanfare_payment_books_balanced 0"));
        });
    }
}

#[test]
fn metrics_count_operations_requests_and_events() {
    let world = World::start(Database::Sqlite);
    let payment = world.hold(1, 7, 5.0)["payment_id"].clone();
    world.hold(1, 7, 5.0);
    ok(&world.post(Who::Service, &format!("/payments/{payment}/release"), &json!({"worker_id": 8})));
    world.told(2);
    let text = || http::get(world.address, "/metrics", &[]).text();
    eventually(PATIENCE, || text().contains("fanfare_relay_sent_total 2"));
    let text = text();
    for line in [
        "fanfare_payment_operations_total{operation=\"hold\"} 1",
        "fanfare_payment_operations_total{operation=\"release\"} 1",
        "fanfare_payment_books_balanced 1",
        "fanfare_service_requests_total{method=\"POST\",status=\"200\"} 3",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[test]
fn the_description_has_every_path_with_its_answers() {
    let world = World::start(Database::Sqlite);
    let description = ok(&http::get(world.address, "/openapi.json", &[]));
    let mut found = Vec::new();
    for (path, methods) in description["paths"].as_object().expect("paths") {
        for (method, call) in methods.as_object().expect("methods") {
            let answers: Vec<&str> =
                call["responses"].as_object().expect("answers").keys().map(String::as_str).collect();
            assert!(
                answers.contains(&"200") && answers.contains(&"401") && answers.contains(&"403"),
                "{path}"
            );
            assert!(call["security"].is_array(), "{path}");
            found.push(format!("{method} {path}"));
        }
    }
    found.sort();
    let expected = [
        "get /payments",
        "get /payments/{id}",
        "get /wallet",
        "post /payments/hold",
        "post /payments/void",
        "post /payments/{id}/refund",
        "post /payments/{id}/release",
        "post /payments/{id}/worker",
        "post /wallet/deposit",
    ];
    assert_eq!(found, expected);
    let text = description.to_string();
    let unresolved: Vec<&str> = text
        .split("\"#/components/schemas/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| description["components"]["schemas"][name] == Value::Null)
        .collect();
    assert!(unresolved.is_empty(), "{unresolved:?}");
    assert_eq!(http::get(world.address, "/docs/", &[]).status, 200);
}

#[test]
fn all_is_there_after_a_restart() {
    on_both(|world| {
        let payment = world.hold(1, 7, 5.0);
        let after = world.beside();
        drop(world);
        assert_eq!(
            ok(&after.get(Who::Employer(7), &format!("/payments/{}", payment["payment_id"]))),
            payment
        );
        assert_eq!(after.balances(Who::Employer(7)), (9995.0, 5.0));
    });
}

#[test]
fn while_the_database_is_away_calls_are_503_and_afterwards_all_goes_on() {
    let server = Postgres::start();
    let world = World::on(&server);
    world.hold(1, 7, 5.0);
    server.kill();
    let answer = world.get(Who::Employer(7), "/wallet");
    refused(&answer, 503, "store_unavailable");
    assert!(answer.header("retry-after").is_some() && answer.json().get("detail").is_none());
    let hold = json!({"job_id": 2, "employer_id": 7, "amount_usd": 5});
    refused(&world.keyed(Who::Service, "/payments/hold", "job-2-hold", &hold), 503, "store_unavailable");
    let health = http::get(world.address, "/health", &[]);
    assert_eq!(
        (health.status, &health.json()["database"], &health.json()["relay"]),
        (503, &json!("down"), &Value::Null)
    );
    server.resume();
    eventually(PATIENCE, || world.get(Who::Employer(7), "/wallet").status == 200);
    ok(&world.keyed(Who::Service, "/payments/hold", "job-2-hold", &hold));
    assert_eq!(world.balances(Who::Employer(7)), (9990.0, 10.0));
    let told = world.told(2);
    assert_eq!((told.len(), &told[1]["data"]["job_id"]), (2, &json!(2)));
    assert_eq!(http::get(world.address, "/health", &[]).json()["database"], "up");
}
