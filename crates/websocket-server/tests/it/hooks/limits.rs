//! Bounds: of a connection, of a service, of a user.

use serde_json::json;
use test_kit::eventually;
use test_kit::wait::PATIENCE;

use super::service::{Act, Gate, Service};
use super::*;

#[test]
fn a_connection_with_too_much_waiting_is_told_and_others_are_not() {
    let gate = Gate::default();
    let service = Service::answering(Act::Wait(gate.clone()));
    let server =
        start(&hook("note", &service, ""), |launch| launch.env("HOOKS_MAX_WAITING_PER_CONNECTION", "100"));
    let (mut flood, mut other) = (client(&server, 1), client(&server, 2));
    send(&mut flood, "note", 0, &json!({}));
    service.wait_for(1);
    for number in 1..=150 {
        send(&mut flood, "note", number, &json!({}));
    }
    for number in 101..=150 {
        let (reference, answer) = acknowledged(&mut flood);
        assert_eq!(reference, number);
        expect_refusal(&answer, "too_many_requests");
    }
    send(&mut other, "note", 1, &json!({}));
    gate.open();
    assert_eq!(acknowledged(&mut other).1, json!({ "success": true }));
    for number in 0..=100 {
        assert_eq!(acknowledged(&mut flood), (json!(number), json!({ "success": true })));
    }
}

#[test]
fn a_service_has_only_so_many_waiting() {
    let gate = Gate::default();
    let service = Service::answering(Act::Wait(gate.clone()));
    let server = start(&hook("note", &service, ""), |launch| {
        launch.env("HOOKS_MAX_WAITING", "10").env("HOOKS_MAX_CALLS", "2")
    });
    let mut clients: Vec<Client> = (0..13).map(|user| client(&server, user)).collect();
    for (place, client) in clients.iter_mut().enumerate() {
        send(client, "note", 1, &json!({}));
        service.wait_for((place + 1).min(2));
    }
    // Two are on their way, ten wait, one is too many.
    eventually(PATIENCE, || server.metric("fanfare_hooks_waiting", &[]) == Some(10.0));
    eventually(PATIENCE, || server.metric("fanfare_hook_calls_total", &["outcome=\"full\""]) == Some(1.0));
    gate.open();
    let answers: Vec<Value> = clients.iter_mut().map(|client| acknowledged(client).1).collect();
    let (taken, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer["success"] == true);
    assert_eq!(taken.len(), 12);
    refused.iter().for_each(|answer| expect_refusal(answer, "unavailable"));
}

#[test]
fn bytes_are_bounded_and_one_event_always_fits() {
    let gate = Gate::default();
    let service = Service::answering(Act::Wait(gate.clone()));
    let server = start(&hook("note", &service, ""), |launch| launch.env("HOOKS_MAX_BYTES", "16KiB"));
    let (mut first, mut second) = (client(&server, 1), client(&server, 2));
    let large = json!("x".repeat(60_000));
    send(&mut first, "note", 1, &large);
    service.wait_for(1);
    send(&mut first, "note", 2, &large);
    let (reference, answer) = acknowledged(&mut first);
    assert_eq!(reference, 2);
    expect_refusal(&answer, "too_many_requests");
    expect_refusal(&ask(&mut second, "note", &large), "unavailable");
    gate.open();
    assert_eq!(acknowledged(&mut first), (json!(1), json!({ "success": true })));
    assert_eq!(ask(&mut second, "note", &large), json!({ "success": true }));
}

#[test]
fn a_rate_is_a_users_and_not_a_connections() {
    let service = Service::answering(Act::ok(&json!({ "success": true })));
    let server = hub(&hook("note", &service, "rate = \"10/1h\""));
    let (mut first, mut second) = (client(&server, 7), client(&server, "7"));
    for _ in 0..5 {
        assert_eq!(ask(&mut first, "note", &json!({})), json!({ "success": true }));
        assert_eq!(ask(&mut second, "note", &json!({})), json!({ "success": true }));
    }
    for client in [&mut first, &mut second] {
        expect_refusal(&ask(client, "note", &json!({})), "too_many_requests");
    }
    assert_eq!(ask(&mut client(&server, 8), "note", &json!({})), json!({ "success": true }));
    assert_eq!(service.calls().len(), 11);
}
