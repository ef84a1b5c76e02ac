//! What the ledger answers to deliveries, acknowledgements and lost ones.

use gcloud_googleapis::pubsub::v1::PubsubMessage;
use prometheus::Registry;
use prost_types::Timestamp;

use super::*;

const LEASE: Duration = Duration::from_secs(60);

fn ledger(max_messages: usize) -> Ledger {
    Ledger::new(max_messages, 1000, Metrics::new(&Registry::new()).expect("metrics"))
}

fn delivery(id: &str, ack_id: &str, second: i64, bytes: usize) -> ReceivedMessage {
    let message = PubsubMessage {
        data: vec![b'x'; bytes].into(),
        message_id: id.to_owned(),
        publish_time: Some(Timestamp { seconds: second, nanos: 5 }),
        ..PubsubMessage::default()
    };
    ReceivedMessage { ack_id: ack_id.to_owned(), message: Some(message), delivery_attempt: 0 }
}

fn receive(ledger: &Ledger, id: &str, ack_id: &str) {
    ledger.receive(delivery(id, ack_id, 1, 1), LEASE);
}

fn ack_ids(acks: &[Ack]) -> Vec<&str> {
    acks.iter().map(|ack| ack.ack_id.as_str()).collect()
}

#[test]
fn a_message_is_posted_once_and_acknowledged_by_its_last_delivery() {
    let ledger = ledger(10);
    receive(&ledger, "7", "a");
    receive(&ledger, "7", "b");
    let taken = ledger.take(10, 1000);
    assert_eq!(taken.len(), 1);
    ledger.settle(&taken[0].key);
    let acks = ledger.take_acks(10);
    assert_eq!(ack_ids(&acks), ["b"]);
    // Again, while the acknowledgement is under way: the new delivery is acknowledged as well.
    receive(&ledger, "7", "c");
    ledger.acknowledged(&acks);
    let again = ledger.take_acks(10);
    assert_eq!(ack_ids(&again), ["c"]);
    ledger.acknowledged(&again);
    assert!(*ledger.empty().borrow());
    // And long after.
    receive(&ledger, "7", "d");
    assert!(ledger.take(10, 1000).is_empty());
    assert_eq!(ack_ids(&ledger.take_acks(10)), ["d"]);
    assert_eq!(ledger.metrics.redelivered.get(), 3);
}

#[test]
fn the_same_id_at_another_time_is_another_message() {
    let ledger = ledger(10);
    ledger.receive(delivery("m0", "m0", 1, 1), LEASE);
    ledger.receive(delivery("m0", "m0", 2, 1), LEASE);
    assert_eq!(ledger.take(10, 1000).len(), 2);
}

#[test]
fn there_is_room_until_messages_or_bytes_are_too_many_and_again_when_they_are_acknowledged() {
    let ledger = ledger(3);
    let room = ledger.room();
    for id in ["1", "2", "3"] {
        assert!(*room.borrow());
        receive(&ledger, id, id);
    }
    assert!(!*room.borrow());
    let taken = ledger.take(1, 1000);
    ledger.settle(&taken[0].key);
    assert!(!*room.borrow(), "it counts until Pub/Sub has confirmed");
    ledger.acknowledged(&ledger.take_acks(1));
    assert!(*room.borrow());
    ledger.receive(delivery("4", "4", 1, 2000), LEASE);
    assert!(!*room.borrow());
}

#[test]
fn a_batch_has_its_bounds_and_what_comes_back_keeps_its_place() {
    let ledger = ledger(100);
    for n in 0..9 {
        ledger.receive(delivery(&n.to_string(), &n.to_string(), 1, 100), LEASE);
    }
    let ids = |taken: &[Arc<Message>]| taken.iter().map(|it| it.id.to_string()).collect::<Vec<_>>().concat();
    let first = ledger.take(4, 1_000_000);
    assert_eq!(ids(&first), "0123");
    ledger.put_back(first);
    assert_eq!(ids(&ledger.take(100, 3 * (ITEM_OVERHEAD + 120))), "012");
    // One alone goes however large it is.
    assert_eq!(ids(&ledger.take(100, 1)), "3");
    assert_eq!(ids(&ledger.take(100, 1_000_000)), "45678");
}

#[test]
fn what_pub_sub_takes_back_soon_is_extended_once() {
    let ledger = ledger(10);
    ledger.receive(delivery("old", "old", 1, 1), LEASE / 3);
    ledger.receive(delivery("new", "new", 1, 1), LEASE);
    assert_eq!(ledger.extend(LEASE), ["old"]);
    assert!(ledger.extend(LEASE).is_empty());
}

#[test]
fn a_subscription_of_another_life_is_neither_extended_nor_acknowledged() {
    let ledger = ledger(10);
    ledger.receive(delivery("m0", "m0", 1, 1), Duration::ZERO);
    let taken = ledger.take(1, 1000);
    ledger.begin_life();
    assert!(ledger.extend(LEASE).is_empty() && ledger.unsettled().is_empty());
    // A new message with the old one's id.
    ledger.receive(delivery("m0", "m0", 2, 1), LEASE);
    ledger.settle(&taken[0].key);
    assert!(ledger.take_acks(10).is_empty());
    let new = ledger.take(1, 1000);
    ledger.settle(&new[0].key);
    assert_eq!(ack_ids(&ledger.take_acks(10)), ["m0"]);
}

#[test]
fn acknowledgements_that_failed_are_sent_again_and_what_is_not_settled_can_be_given_back() {
    let ledger = ledger(10);
    for id in ["1", "2", "3"] {
        receive(&ledger, id, id);
    }
    for message in ledger.take(2, 100_000) {
        ledger.settle(&message.key);
    }
    let acks = ledger.take_acks(10);
    ledger.unacknowledged(acks);
    assert_eq!(ack_ids(&ledger.take_acks(10)), ["1", "2"]);
    assert_eq!(ledger.unsettled(), ["3"]);
}

#[test]
fn only_the_last_messages_are_remembered() {
    let mut recent = Recent::default();
    for n in 0..=RECENT {
        recent.add(n.to_string().into());
        recent.add(n.to_string().into());
    }
    assert_eq!((recent.keys.len(), recent.order.len()), (RECENT, RECENT));
    assert!(!recent.keys.contains("0") && recent.keys.contains("1"));
}
