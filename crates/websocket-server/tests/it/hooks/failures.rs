//! Services that are slow, away, broken or lying: the client gets `unavailable` in time, and nobody else notices.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::service::{Act, Gate, Service};
use super::*;

/// What a service does, the outcome in the metrics, and how often it is asked.
#[track_caller]
fn expect_unavailable(act: Act, more: &str, outcome: &str, calls: usize) {
    let service = Service::answering(act);
    let server = hub(&hook("note", &service, more));
    expect_refusal(&ask(&mut client(&server, 1), "note", &json!({})), "unavailable");
    // The service may see a call only after the hub has given it up.
    assert_eq!(service.wait_for(calls).len(), calls);
    let label = format!("outcome=\"{outcome}\"");
    assert_eq!(server.metric("fanfare_hook_calls_total", &["hook=\"note\"", &label]), Some(1.0));
    server.wait_for_log("hook=\"note\"");
    assert!(!server.log().contains(&service.url("")), "addresses may have secrets in them");
}

#[test]
fn a_slow_service_is_answered_for() {
    let (gate, begun) = (Gate::default(), Instant::now());
    expect_unavailable(Act::Wait(gate.clone()), "timeout = \"300ms\"\nidempotent = true", "timeout", 1);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    gate.open();
}

#[test]
fn a_service_that_is_away_is_answered_for() {
    let url = format!("http://{}/", test_kit::free_address());
    let server = hub(&format!("[[hooks]]\nevent = \"note\"\nurl = \"{url}\"\nidempotent = true\n"));
    let mut client = client(&server, 1);
    expect_refusal(&ask(&mut client, "note", &json!({})), "unavailable");
    assert_eq!(server.metric("fanfare_hook_calls_total", &["outcome=\"away\""]), Some(1.0));
}

#[test]
fn errors_of_the_service_are_answered_for() {
    for status in [500, 501, 505] {
        expect_unavailable(Act::problem(status, "secret_detail", "not for clients"), "", "error_status", 1);
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Service::answering(Act::ok(&json!({ "success": true })));
    expect_unavailable(Act::Redirect(elsewhere.url("/")), "idempotent = true", "error_status", 1);
    assert!(elsewhere.calls().is_empty(), "the key goes nowhere else");
}

#[test]
fn what_is_no_json_object_is_answered_for() {
    for body in ["", "[]", "true", "{\"a\":", "<html></html>", "{} {}"] {
        let act = Act::Answer(200, "application/json", body.to_owned());
        expect_unavailable(act, "", "bad_answer", 1);
    }
    expect_unavailable(Act::Answer(204, "text/plain", String::new()), "", "bad_answer", 1);
}

#[test]
fn an_answer_without_end_is_left() {
    expect_unavailable(Act::Endless, "idempotent = true", "bad_answer", 1);
}

#[test]
fn an_answer_may_have_64_kib_and_no_more() {
    let service = Service::playing(|call| {
        let length = usize::try_from(call.body()["data"].as_u64().expect("a length")).expect("a length");
        Act::ok(&json!({ "a": "x".repeat(length - 8) }))
    });
    let server = hub(&hook("note", &service, ""));
    let mut client = client(&server, 1);
    let answer = ask(&mut client, "note", &json!(64 << 10));
    assert_eq!(answer.to_string().len(), 64 << 10);
    expect_refusal(&ask(&mut client, "note", &json!((64 << 10) + 1)), "unavailable");
}

#[test]
fn one_that_dies_is_asked_again_only_where_it_knows_calls_again() {
    for act in [Act::HangUp, Act::HalfAnAnswer] {
        expect_unavailable(act.clone(), "", "away", 1);
        expect_unavailable(act, "idempotent = true", "away", 3);
    }
}

#[test]
fn a_repeated_call_has_the_same_id_and_its_answer_counts() {
    let asked = AtomicUsize::new(0);
    let service = Service::playing(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Act::Answer(503, "text/plain", "later".to_owned()),
        1 => Act::HalfAnAnswer,
        _ => Act::ok(&json!({ "success": true })),
    });
    let server = hub(&hook("note", &service, "idempotent = true"));
    assert_eq!(ask(&mut client(&server, 1), "note", &json!({})), json!({ "success": true }));
    let calls = service.calls();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.text == calls[0].text));
    let key = calls[0].header("idempotency-key");
    assert!(key.is_some() && calls.iter().all(|call| call.header("idempotency-key") == key));
}

#[test]
fn proxies_without_a_service_are_asked_again_only_where_it_knows_calls_again() {
    for status in [502, 503, 504] {
        let act = || Act::Answer(status, "text/html", "<h1>away</h1>".to_owned());
        expect_unavailable(act(), "", "error_status", 1);
        expect_unavailable(act(), "idempotent = true", "error_status", 3);
    }
}

#[test]
fn whoever_waits_longer_than_promised_is_answered_for() {
    let gate = Gate::default();
    let service = Service::answering(Act::Wait(gate.clone()));
    let server =
        start(&hook("note", &service, "timeout = \"2s\""), |launch| launch.env("HOOKS_ANSWER_WITHIN", "2s"));
    let mut client = client(&server, 1);
    let begun = Instant::now();
    for number in 0..5 {
        send(&mut client, "note", number, &json!({}));
    }
    for number in 0..5 {
        let (reference, answer) = acknowledged(&mut client);
        assert_eq!(reference, number);
        expect_refusal(&answer, "unavailable");
    }
    // All at once, not one after the other, which would take ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(service.calls().len() <= 2, "{}", service.calls().len());
    let expired = server.metric("fanfare_hook_calls_total", &["outcome=\"expired\""]);
    assert!(expired >= Some(3.0), "{expired:?}");
    gate.open();
}

#[test]
fn who_has_gone_is_answered_nothing_and_the_hub_goes_on() {
    let gate = Gate::default();
    let service = Service::answering(Act::Wait(gate.clone()));
    let server = hub(&hook("note", &service, ""));
    let mut gone = client(&server, 1);
    send(&mut gone, "note", 1, &json!({}));
    service.wait_for(1);
    drop(gone);
    server.wait_for_connections(0);
    gate.open();
    assert_eq!(ask(&mut client(&server, 2), "note", &json!({})), json!({ "success": true }));
}

#[test]
fn what_was_taken_is_answered_before_the_hub_ends() {
    let gate = Gate::default();
    let service = Service::answering(Act::Wait(gate.clone()));
    let mut server = hub(&hook("note", &service, ""));
    let mut client = client(&server, 1);
    for number in 0..3 {
        send(&mut client, "note", number, &json!({}));
    }
    service.wait_for(1);
    server.terminate();
    server.wait_for_log("events of clients that were taken are answered first");
    let mut late = Client::welcomed(&server.ws());
    expect_refusal(&ask(&mut late, "note", &json!({})), "unavailable");
    gate.open();
    for number in 0..3 {
        assert_eq!(acknowledged(&mut client), (json!(number), json!({ "success": true })));
    }
    assert_eq!(server.wait(), Some(0));
    assert_eq!(service.calls().len(), 3);
}
