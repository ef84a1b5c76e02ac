//! What the relay does when the hub takes a part, or when nobody hears what it took.

use hub_client::Backlog;
use serde_json::Value;

use crate::fake::{Does, Fake};
use crate::world::{Running, client, open, run, sqlite, until, write};

/// Each batch as the numbers of its events.
fn numbers(batches: &[Vec<Value>]) -> Vec<Vec<u64>> {
    let number = |item: &Value| item["data"]["n"].as_u64().expect("a number");
    batches.iter().map(|batch| batch.iter().map(number).collect()).collect()
}

fn keys(batch: &[Value]) -> Vec<&str> {
    batch.iter().map(|item| item["idempotency_key"].as_str().expect("a key")).collect()
}

async fn relay_against(script: Vec<Does>, events: u32) -> Vec<Vec<Value>> {
    let fake = Fake::start(script);
    let location = sqlite();
    let store = open(&location).await;
    write(&store, "a", 1, events).await;
    let relay = Running::start(&location, client(fake.address, None));
    until(|| async { Backlog::read(&store).await.expect("backlog").waiting == 0 }).await;
    assert_eq!(Backlog::read(&store).await.expect("backlog").parked, 0);
    until(|| async { relay.metrics.sent.get() == u64::from(events) }).await;
    relay.stop();
    fake.batches()
}

#[test]
fn a_batch_whose_answer_was_not_heard_is_sent_again_with_the_same_keys() {
    run(async {
        let batches = relay_against(vec![Does::Dies, Does::Dies], 3).await;
        assert_eq!(numbers(&batches), [[1, 2, 3], [1, 2, 3], [1, 2, 3]]);
        let first = keys(&batches[0]);
        assert_eq!((keys(&batches[1]), keys(&batches[2])), (first.clone(), first.clone()));
        assert!(first.iter().all(|key| key.len() == 36) && first[0] != first[1]);
    });
}

#[test]
fn of_a_batch_that_was_taken_in_part_only_the_rest_is_sent_again_and_nothing_is_parked() {
    run(async {
        let batches = relay_against(vec![Does::Takes(2), Does::IsBusy, Does::Takes(0)], 4).await;
        assert_eq!(numbers(&batches), [vec![1, 2, 3, 4], vec![3, 4], vec![3, 4], vec![3, 4]]);
    });
}
