//! Order of a connection, and independence of all others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use test_kit::eventually;
use test_kit::wait::PATIENCE;

use super::service::{Act, Gate, Service};
use super::*;

#[test]
fn a_thousand_events_of_one_connection_arrive_and_are_answered_in_order() {
    let running = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&running);
    let service = Service::playing(move |call| {
        assert_eq!(seen.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
        let number = call.body()["data"]["number"].clone();
        seen.fetch_sub(1, Ordering::SeqCst);
        Act::ok(&json!({ "success": true, "number": number }))
    });
    let bound = |launch: Launch| launch.env("HOOKS_MAX_WAITING_PER_CONNECTION", "1000");
    let server = start(&hook("note", &service, ""), |launch| bound(launch).env("HOOKS_ANSWER_WITHIN", "60s"));
    let mut client = client(&server, 1);
    for number in 0..1_000 {
        send(&mut client, "note", number, &json!({ "number": number }));
    }
    for number in 0..1_000 {
        let (reference, answer) = acknowledged(&mut client);
        assert_eq!((reference, answer), (json!(number), json!({ "success": true, "number": number })));
    }
    let calls = service.calls();
    assert_eq!(calls.len(), 1_000);
    for (number, call) in calls.iter().enumerate() {
        assert_eq!(call.body()["data"]["number"], number);
    }
}

#[test]
fn one_whose_event_takes_long_holds_up_nobody_else() {
    let gate = Gate::default();
    let closed = gate.clone();
    let service = Service::playing(move |call| match call.body()["user_id"].as_u64() {
        Some(1) => Act::Wait(closed.clone()),
        _ => Act::ok(&json!({ "success": true })),
    });
    let server = hub(&hook("note", &service, ""));
    let (mut slow, mut other) = (client(&server, 1), client(&server, 2));
    send(&mut slow, "note", 1, &json!({}));
    send(&mut slow, "note", 2, &json!({}));
    service.wait_for(1);
    for _ in 0..20 {
        assert_eq!(ask(&mut other, "note", &json!({})), json!({ "success": true }));
    }
    assert_eq!(service.calls().iter().filter(|call| call.body()["user_id"] == 1).count(), 1);
    gate.open();
    assert_eq!(acknowledged(&mut slow).0, 1);
    assert_eq!(acknowledged(&mut slow).0, 2);
}

#[test]
fn events_for_different_services_of_one_connection_keep_their_order() {
    let gate = Gate::default();
    let slow = Service::answering(Act::Wait(gate.clone()));
    let fast = Service::answering(Act::ok(&json!({ "success": true })));
    let server = hub(&format!("{}{}", hook("slow", &slow, ""), hook("fast", &fast, "")));
    let mut client = client(&server, 1);
    send(&mut client, "slow", 1, &json!({}));
    send(&mut client, "fast", 2, &json!({}));
    slow.wait_for(1);
    assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    assert!(fast.calls().is_empty());
    gate.open();
    assert_eq!(acknowledged(&mut client).0, 1);
    assert_eq!(acknowledged(&mut client).0, 2);
}

#[test]
fn a_service_that_hangs_costs_another_service_nothing() {
    let gate = Gate::default();
    let slow = Service::answering(Act::Wait(gate.clone()));
    let fast = Service::answering(Act::ok(&json!({ "success": true })));
    let toml = format!("{}{}", hook("slow", &slow, ""), hook("fast", &fast, ""));
    // A share of 2 calls at once for each.
    let server = start(&toml, |launch| launch.env("HOOKS_MAX_CALLS", "4"));
    let mut stuck: Vec<Client> = (0..8).map(|user| client(&server, user)).collect();
    for client in &mut stuck {
        send(client, "slow", 1, &json!({}));
    }
    slow.wait_for(2);
    eventually(PATIENCE, || server.metric("fanfare_hooks_waiting", &[]) == Some(6.0));
    let mut other = client(&server, 100);
    for _ in 0..5 {
        assert_eq!(ask(&mut other, "fast", &json!({})), json!({ "success": true }));
    }
    assert_eq!(slow.calls().len(), 2);
    gate.open();
    for client in &mut stuck {
        assert_eq!(acknowledged(client), (json!(1), json!({ "success": true })));
    }
}

#[test]
fn what_waits_goes_with_its_connection_unless_it_can_be_repeated() {
    let gate = Gate::default();
    let service = Service::answering(Act::Wait(gate.clone()));
    let toml = format!("{}{}", hook("wave", &service, ""), hook("save", &service, "idempotent = true"));
    let server = hub(&toml);
    let mut client = client(&server, 1);
    for event in ["wave", "wave", "save", "wave", "save"] {
        send(&mut client, event, 1, &json!({}));
    }
    service.wait_for(1);
    eventually(PATIENCE, || server.metric("fanfare_hooks_waiting", &[]) == Some(4.0));
    drop(client);
    let dropped = || server.metric("fanfare_hook_calls_total", &["outcome=\"dropped\""]);
    eventually(PATIENCE, || dropped() == Some(2.0));
    gate.open();
    let events: Vec<Value> = service.wait_for(3).iter().map(|call| call.body()["event"].clone()).collect();
    assert_eq!(events, ["wave", "save", "save"]);
    eventually(PATIENCE, || server.metric("fanfare_hooks_waiting", &[]) == Some(0.0));
    assert_eq!(service.calls().len(), 3);
}
