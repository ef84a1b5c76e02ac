//! The circuit breaker: a service that is away is not asked for a while, and is found again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use test_kit::eventually;
use test_kit::wait::PATIENCE;

use super::service::{Act, Gate, Service};
use super::*;

fn is_open(server: &Server, hook: &str) -> Option<f64> {
    server.metric("fanfare_hook_circuit_open", &[&format!("hook=\"{hook}\"")])
}

#[test]
fn a_service_that_is_away_is_not_asked_for_a_while_and_others_are() {
    let away = Service::answering(Act::Answer(503, "text/plain", String::new()));
    let there = Service::answering(Act::ok(&json!({ "success": true })));
    let toml = [hook("away", &away, ""), hook("same", &away, "idempotent = true"), hook("there", &there, "")];
    let server = start(&toml.concat(), |launch| {
        launch.env("HOOKS_CIRCUIT_PAUSE", "1h").env("HOOKS_CIRCUIT_MAX_PAUSE", "1h")
    });
    let mut client = client(&server, 1);
    assert_eq!(is_open(&server, "away"), Some(0.0));
    for _ in 0..12 {
        expect_refusal(&ask(&mut client, "away", &json!({})), "unavailable");
    }
    expect_refusal(&ask(&mut client, "same", &json!({})), "unavailable");
    assert_eq!(away.calls().len(), 5, "not asked after the fifth failure");
    assert_eq!(ask(&mut client, "there", &json!({})), json!({ "success": true }));
    for (hook, open) in [("away", 1.0), ("same", 1.0), ("there", 0.0)] {
        assert_eq!(is_open(&server, hook), Some(open), "{hook}");
    }
    assert_eq!(server.metric("fanfare_hook_calls_total", &["outcome=\"circuit_open\""]), Some(8.0));
}

#[test]
fn a_service_that_comes_back_is_found() {
    let is_away = Arc::new(AtomicBool::new(true));
    let known = Arc::clone(&is_away);
    let service = Service::playing(move |_| match known.load(Ordering::SeqCst) {
        true => Act::HangUp,
        false => Act::ok(&json!({ "success": true })),
    });
    let server = start(&hook("note", &service, ""), |launch| {
        launch.env("HOOKS_CIRCUIT_PAUSE", "50ms").env("HOOKS_CIRCUIT_MAX_PAUSE", "100ms")
    });
    let mut client = client(&server, 1);
    eventually(PATIENCE, || {
        expect_refusal(&ask(&mut client, "note", &json!({})), "unavailable");
        is_open(&server, "note") == Some(1.0)
    });
    let before = service.calls().len();
    // Each pause is ended by one call.
    eventually(PATIENCE, || {
        expect_refusal(&ask(&mut client, "note", &json!({})), "unavailable");
        service.calls().len() > before + 1
    });
    is_away.store(false, Ordering::SeqCst);
    eventually(PATIENCE, || ask(&mut client, "note", &json!({})) == json!({ "success": true }));
    assert_eq!(is_open(&server, "note"), Some(0.0));
    for _ in 0..10 {
        assert_eq!(ask(&mut client, "note", &json!({})), json!({ "success": true }));
    }
    server.wait_for_log("the service answers again");
}

#[test]
fn an_event_that_a_service_cannot_bear_closes_it_for_nobody_else() {
    let service = Service::playing(|call| match call.body()["data"].as_bool() {
        Some(true) => Act::problem(500, "broken", "broken"),
        _ => Act::ok(&json!({ "success": true })),
    });
    let server = hub(&hook("note", &service, "idempotent = true"));
    let (mut evil, mut other) = (client(&server, 1), client(&server, 2));
    for _ in 0..50 {
        expect_refusal(&ask(&mut evil, "note", &json!(true)), "unavailable");
    }
    assert_eq!(ask(&mut other, "note", &json!(false)), json!({ "success": true }));
}

#[test]
fn slow_answers_open_it_too() {
    let gate = Gate::default();
    let service = Service::answering(Act::Wait(gate.clone()));
    let server = start(&hook("note", &service, "timeout = \"100ms\""), |launch| {
        launch.env("HOOKS_CIRCUIT_FAILURES", "2").env("HOOKS_CIRCUIT_PAUSE", "1h")
    });
    let mut client = client(&server, 1);
    for _ in 0..4 {
        expect_refusal(&ask(&mut client, "note", &json!({})), "unavailable");
    }
    eventually(Duration::from_secs(5), || is_open(&server, "note") == Some(1.0));
    // The service may see a call only after the hub has given it up.
    assert_eq!(service.wait_for(2).len(), 2);
    gate.open();
}
