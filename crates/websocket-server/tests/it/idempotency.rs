//! Publications that are repeated under one idempotency key.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::http::post_json;
use test_kit::wait::PATIENCE;
use test_kit::{Client, eventually};

use super::broadcast::{UNKNOWN, expect_problem, server_with_keys};
use super::{launch, server, until_the_end};

#[test]
fn a_repeated_key_gets_the_first_answer_and_sends_nothing() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    let keyed = |key: &str, body: &Value| {
        post_json(server.address(), "/broadcast", &[("idempotency-key", key)], body)
    };
    let first = keyed("order 7", &json!({ "type": "first" }));
    assert_eq!(first.status, 200);
    assert_eq!(keyed("order 7", &json!({ "type": "first" })).text(), first.text());
    // Another body does not change what the key stands for.
    assert_eq!(keyed("order 7", &json!({ "type": "other" })).text(), first.text());
    // The item of a batch has the same keys.
    let batch = server.post(
        "/broadcast/batch",
        &json!([
            { "type": "again", "idempotency_key": "order 7" },
            { "type": "second", "idempotency_key": "order 8" },
            { "type": "second", "idempotency_key": "order 8" },
        ]),
    );
    let items = batch.json();
    assert_eq!(items[0], first.json());
    assert!(items[1] == items[2] && items[1] != items[0], "{items}");
    assert_eq!(keyed("order 8", &json!({ "type": "again" })).json(), items[1]);
    let frames = until_the_end(&server, &mut [&mut client]).remove(0);
    assert_eq!(frames.iter().map(|frame| frame["type"].clone()).collect::<Vec<_>>(), ["first", "second"]);
}

#[test]
fn a_refused_publication_does_not_use_up_its_key() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    let keyed = |body: &Value| post_json(server.address(), "/broadcast", &[("idempotency-key", "k")], body);
    expect_problem(&keyed(&json!({ "type": "x", "connection_id": UNKNOWN })), 404, "connection_not_found");
    expect_problem(&keyed(&json!({ "type": 7 })), 422, "invalid");
    assert_eq!(keyed(&json!({ "type": "x" })).json()["recipients"], 1);
    client.expect_type("x");
}

#[test]
fn a_key_that_is_repeated_while_the_first_call_runs_publishes_once() {
    let server = server();
    let mut clients: Vec<Client> = (0..8).map(|_| Client::welcomed(&server.ws())).collect();
    for round in 0..10 {
        let key = format!("round-{round}");
        let answers: Vec<String> = thread::scope(|scope| {
            let call = || {
                let answer = post_json(
                    server.address(),
                    "/broadcast",
                    &[("idempotency-key", &key)],
                    &json!({ "type": "x" }),
                );
                assert_eq!(answer.status, 200);
                answer.text()
            };
            let calls: Vec<_> = (0..8).map(|_| scope.spawn(call)).collect();
            calls.into_iter().map(|call| call.join().expect("an answer")).collect()
        });
        let different: BTreeSet<&String> = answers.iter().collect();
        assert_eq!(different.len(), 1, "{answers:?}");
    }
    let mut clients: Vec<&mut Client> = clients.iter_mut().collect();
    for frames in until_the_end(&server, &mut clients) {
        assert_eq!(frames.len(), 10);
    }
}

#[test]
fn a_key_is_forgotten_after_its_time() {
    let server = launch().env("IDEMPOTENCY_TTL", "1s").start();
    let publish = || {
        let headers = [("idempotency-key", "k")];
        post_json(server.address(), "/broadcast", &headers, &json!({ "type": "x" })).json()["id"].clone()
    };
    let begun = Instant::now();
    let first = publish();
    eventually(PATIENCE, || publish() != first);
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn beyond_so_many_keys_the_oldest_is_forgotten_which_a_metric_counts() {
    let server = launch().env("IDEMPOTENCY_KEYS", "10").start();
    let publish = |key: usize| {
        let key = format!("key-{key}");
        let headers = [("idempotency-key", key.as_str())];
        post_json(server.address(), "/broadcast", &headers, &json!({ "type": "x" })).json()["id"].clone()
    };
    let ids: Vec<Value> = (0..30).map(publish).collect();
    assert_eq!(publish(29), ids[29], "the newest is kept");
    assert!(
        server.metric("fanfare_idempotency_evictions_total", &[]).is_some_and(|evictions| evictions >= 10.0)
    );
    assert!(server.metric("fanfare_idempotency_keys", &[]).is_some_and(|keys| (1.0..=20.0).contains(&keys)));
    assert_ne!(publish(0), ids[0], "the oldest is not");
}

#[test]
fn the_keys_of_one_publisher_are_not_those_of_another() {
    let server = server_with_keys();
    let publish = |who: &str| {
        let authorization = format!("Bearer secret-of-{who}");
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", "same")];
        post_json(server.address(), "/broadcast", &headers, &json!({ "type": "x" })).json()["id"].clone()
    };
    let (shop, blog) = (publish("shop"), publish("blog"));
    assert!(shop.is_string() && blog.is_string() && shop != blog);
    assert_eq!((publish("shop"), publish("blog")), (shop, blog));
}
