use std::collections::BTreeMap;
use std::time::Duration;

use hub_client::{Backlog, Message};
use serde_json::{Value, json};
use store::Location;
use test_kit::{Client, Server};

use crate::world::{Running, client, hub, hub_at, open, postgres, put, run, sqlite, until, write};

fn subscriber(hub: &Server) -> Client {
    let mut client = Client::welcomed(&hub.ws());
    client.subscribe(&["steps"]);
    client
}

/// The numbers that each aggregate's events came with, in order.
fn received(client: &mut Client, count: usize) -> BTreeMap<String, Vec<u64>> {
    let mut by_aggregate = BTreeMap::<String, Vec<u64>>::new();
    for _ in 0..count {
        let event = client.expect_type("step");
        let aggregate = event["data"]["of"].as_str().expect("an aggregate").to_owned();
        by_aggregate.entry(aggregate).or_default().push(event["data"]["n"].as_u64().expect("a number"));
    }
    by_aggregate
}

fn one_to(n: u64) -> Vec<u64> {
    (1..=n).collect()
}

async fn arrive_in_order(location: Location) {
    let hub = hub().start();
    let mut client_of_hub = subscriber(&hub);
    let store = open(&location).await;
    let relay = Running::start(&location, client(hub.address(), None));
    let writers: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|aggregate| {
            let (store, handle) = (store.clone(), relay.handle.clone());
            tokio::spawn(async move {
                for n in 1..=100 {
                    write(&store, aggregate, n, n).await;
                    handle.wake();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer");
    }
    let got = received(&mut client_of_hub, 300);
    for aggregate in ["a", "b", "c"] {
        assert_eq!(got[aggregate], one_to(100), "{aggregate}");
    }
    until(|| async { Backlog::read(&store).await.expect("backlog").waiting == 0 }).await;
    until(|| async { relay.metrics.sent.get() == 300 }).await;
    assert!(client_of_hub.ping_barrier().is_empty(), "nothing comes twice");
    relay.stop();
}

#[test]
fn events_arrive_once_and_in_order_per_aggregate() {
    run(arrive_in_order(sqlite()));
}

#[test]
fn events_arrive_once_and_in_order_per_aggregate_on_postgres() {
    run(arrive_in_order(postgres()));
}

#[test]
fn events_wait_while_the_hub_is_away_and_while_it_restarts() {
    run(async {
        let address = test_kit::free_address();
        let location = sqlite();
        let store = open(&location).await;
        let relay = Running::start(&location, client(address, None));
        write(&store, "a", 1, 1_200).await;
        let backlog = Backlog::read(&store).await.expect("backlog");
        assert_eq!((backlog.waiting, backlog.parked), (1_200, 0));
        until(|| async { relay.metrics.failures.get() > 1 }).await;
        let hub = hub_at(address);
        // Those that nobody listened to are sent all the same.
        until(|| async { Backlog::read(&store).await.expect("backlog").waiting == 0 }).await;
        drop(hub);
        write(&store, "a", 1_201, 1_210).await;
        let hub = hub_at(address);
        let _keeps_it = subscriber(&hub);
        until(|| async { Backlog::read(&store).await.expect("backlog").waiting == 0 }).await;
        // Counted once they are gone.
        until(|| async { relay.metrics.sent.get() == 1_210 }).await;
        relay.stop();
    });
}

#[test]
fn an_event_that_the_hub_calls_invalid_is_parked_with_the_reason_and_stops_no_other() {
    run(async {
        let hub = hub().start();
        let mut client_of_hub = subscriber(&hub);
        let location = sqlite();
        let store = open(&location).await;
        write(&store, "a", 1, 1).await;
        let mut invalid = Message::new("step", json!({"of": "a", "n": 0}));
        invalid.channels = Some(vec!["no channel!".to_owned()]);
        put(&store, "a", &invalid).await;
        write(&store, "a", 2, 3).await;
        let relay = Running::start(&location, client(hub.address(), None));
        assert_eq!(received(&mut client_of_hub, 3)["a"], [1, 2, 3]);
        until(|| async { Backlog::read(&store).await.expect("backlog").waiting == 0 }).await;
        assert_eq!(Backlog::read(&store).await.expect("backlog").parked, 1);
        assert_eq!(relay.metrics.parked.get(), 1);
        let reason: String = sqlx::query_scalar("SELECT reason FROM event_relay WHERE parked_at IS NOT NULL")
            .fetch_one(store.reader())
            .await
            .expect("a reason");
        assert!(reason.contains("422"), "{reason}");
        relay.stop();
    });
}

#[test]
fn a_refusal_of_the_whole_call_parks_nothing() {
    run(async {
        let hub = hub().env("FANFARE_API_KEYS", "services:the-right-key").start();
        let location = sqlite();
        let store = open(&location).await;
        write(&store, "a", 1, 5).await;
        let wrong = Running::start(&location, client(hub.address(), Some("the-wrong-key")));
        until(|| async { wrong.metrics.failures.get() > 1 }).await;
        let backlog = Backlog::read(&store).await.expect("backlog");
        assert_eq!((backlog.waiting, backlog.parked), (5, 0));
        wrong.stop();
        let right = Running::start(&location, client(hub.address(), Some("the-right-key")));
        until(|| async { right.metrics.sent.get() == 5 }).await;
        right.stop();
    });
}

#[test]
fn a_body_too_large_for_the_hub_is_parked_alone() {
    run(async {
        let hub = hub().env("MAX_BODY", "4KiB").start();
        let location = sqlite();
        let store = open(&location).await;
        write(&store, "a", 1, 50).await;
        put(&store, "a", &Message::new("huge", Value::String("x".repeat(8_000)))).await;
        write(&store, "a", 51, 100).await;
        let mut client_of_hub = subscriber(&hub);
        let relay = Running::start(&location, client(hub.address(), None));
        assert_eq!(received(&mut client_of_hub, 100)["a"], one_to(100));
        until(|| async { Backlog::read(&store).await.expect("backlog").waiting == 0 }).await;
        assert_eq!(Backlog::read(&store).await.expect("backlog").parked, 1);
        relay.stop();
    });
}

async fn only_one_sends(location: Location) {
    let hub = hub().start();
    let mut client_of_hub = subscriber(&hub);
    let store = open(&location).await;
    let first = Running::start(&location, client(hub.address(), None));
    write(&store, "a", 1, 1).await;
    first.handle.wake();
    until(|| async { first.metrics.sent.get() == 1 }).await;
    let second = Running::start(&location, client(hub.address(), None));
    write(&store, "a", 2, 50).await;
    second.handle.wake();
    until(|| async { Backlog::read(&store).await.expect("backlog").waiting == 0 }).await;
    until(|| async { first.metrics.sent.get() == 50 }).await;
    assert_eq!(second.metrics.sent.get(), 0, "only the lease's holder sends");
    first.stop();
    let given_back = std::time::Instant::now();
    write(&store, "a", 51, 60).await;
    until(|| async { second.metrics.sent.get() == 10 }).await;
    assert!(given_back.elapsed() < hub_client::relay::LEASE, "a lease that is given back is not waited for");
    second.kill();
    let third = Running::start(&location, client(hub.address(), None));
    write(&store, "a", 61, 70).await;
    until(|| async { third.metrics.sent.get() == 10 }).await;
    assert_eq!(received(&mut client_of_hub, 70)["a"], one_to(70));
    assert!(client_of_hub.ping_barrier().is_empty(), "nothing comes twice");
    third.stop();
}

#[test]
fn of_two_instances_one_sends_and_the_other_takes_over() {
    run(only_one_sends(sqlite()));
}

#[test]
fn of_two_instances_one_sends_and_the_other_takes_over_on_postgres() {
    run(only_one_sends(postgres()));
}

#[test]
fn an_event_of_a_change_that_is_rolled_back_is_never_sent() {
    run(async {
        let hub = hub().start();
        let location = sqlite();
        let store = open(&location).await;
        let mut transaction = store.begin().await.expect("a transaction");
        let message = Message::new("step", json!({"of": "a", "n": 0}));
        hub_client::relay::enqueue(&mut transaction, "a", &message).await.expect("a row");
        transaction.rollback().await.expect("a rollback");
        write(&store, "a", 1, 1).await;
        let mut client_of_hub = Client::welcomed(&hub.ws());
        client_of_hub.subscribe(&["steps"]);
        let relay = Running::start(&location, client(hub.address(), None));
        assert_eq!(received(&mut client_of_hub, 1)["a"], [1]);
        relay.stop();
    });
}

#[test]
fn the_delay_from_commit_to_hub_is_measured() {
    run(async {
        let hub = hub().start();
        let location = sqlite();
        let store = open(&location).await;
        let relay = Running::start(&location, client(hub.address(), None));
        write(&store, "a", 1, 20).await;
        until(|| async { relay.metrics.delay_seconds.get_sample_count() == 20 }).await;
        assert!(relay.metrics.delay_seconds.get_sample_sum() > 0.0);
        assert!(relay.metrics.delay_seconds.get_sample_sum() < Duration::from_secs(600).as_secs_f64());
        relay.stop();
    });
}

async fn backlog_is_told(location: Location) {
    let store = open(&location).await;
    let read = || async {
        let backlog = Backlog::read(&store).await.expect("backlog");
        (backlog.waiting, backlog.parked)
    };
    assert_eq!(read().await, (0, 0));
    write(&store, "a", 1, 7).await;
    assert_eq!(read().await, (7, 0));
    assert!(Backlog::read(&store).await.expect("backlog").oldest > Duration::ZERO);
    let hub = hub().start();
    let mut invalid = Message::new("step", json!({}));
    invalid.channels = Some(vec!["no channel!".to_owned()]);
    put(&store, "a", &invalid).await;
    let relay = Running::start(&location, client(hub.address(), None));
    until(|| async { read().await == (0, 1) }).await;
    relay.stop();
    write(&store, "a", 8, 10).await;
    assert_eq!(read().await, (3, 1), "what is parked in front is not counted");
    assert!(Backlog::read(&store).await.expect("backlog").oldest < Duration::from_secs(600));
}

#[test]
fn the_backlog_is_told_without_what_is_parked() {
    run(backlog_is_told(sqlite()));
}

#[test]
fn the_backlog_is_told_without_what_is_parked_on_postgres() {
    run(backlog_is_told(postgres()));
}
