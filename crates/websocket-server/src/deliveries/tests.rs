//! Which hook an event belongs to, what a queue drops, and what a service reads. Services that are away: the tests from
//! outside.

use std::num::NonZeroUsize;

use hub::deliveries::DeliveryState;
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, PublicationId, UserId};
use serde_json::{Value, json};
use url::Url;

use super::*;

fn hook(name: &str, types: &[&str]) -> DeliveryHook {
    let url = Url::parse("http://127.0.0.1:9/").expect("an address");
    DeliveryHook { name: name.into(), ..DeliveryHook::new(types, url, None) }
}

fn record(number: u128, hook: u8, user: Option<UserId>) -> DeliveryRecord {
    DeliveryRecord {
        hook,
        id: PublicationId::from_u128(number),
        user,
        connection: ConnectionId::from_random(7),
        state: DeliveryState::Sent,
        at: Timestamp::from_millis(1_762_000_000_123),
    }
}

fn deliveries(configured: Vec<DeliveryHook>, of_program: Vec<DeliveryHook>, queue: usize) -> Deliveries {
    let queue = NonZeroUsize::new(queue).expect("a bound");
    let config = config::Deliveries { hooks: configured, queue };
    Deliveries::new(&config, of_program, &Registry::new()).expect("valid")
}

#[test]
fn an_event_belongs_to_the_first_hook_that_is_for_it() {
    let file = vec![hook("jobs", &["job_*", "payment_held"])];
    let program = vec![hook("all", &["*"]), hook("jobs", &["notification"])];
    let deliveries = deliveries(file, program, 10);
    for (event, number) in
        [("job_created", Some(0)), ("job_", Some(0)), ("payment_held", Some(0)), ("notification", Some(1))]
    {
        assert_eq!(deliveries.hook(event), number, "{event}");
    }
    assert_eq!(deliveries.lines.len(), 2, "a program's hook with the name of the file's is left out");
    assert!(!deliveries.is_empty());
}

#[test]
fn who_is_for_no_event_is_told_of_none() {
    let deliveries = deliveries(vec![hook("jobs", &["job_created"])], Vec::new(), 10);
    assert_eq!((deliveries.hook("job_create"), deliveries.hook("job_created_")), (None, None));
    deliveries.take(vec![record(1, 7, None)]);
    assert_eq!(deliveries.left(), 0, "a number that nobody gave");
}

#[test]
fn the_oldest_go_first_where_too_many_wait_and_each_is_counted() {
    let deliveries = deliveries(vec![hook("a", &["a"]), hook("b", &["b"])], Vec::new(), 3);
    let records = (1..=10).map(|number| record(number, u8::from(number > 8), None)).collect();
    deliveries.take(records);
    let dropped = |name: &str| deliveries.metrics.dropped.with_label_values(&[name]).get();
    assert_eq!((dropped("a"), dropped("b")), (5, 0));
    let ids = |line: &Line| line.queue().batch().iter().map(|record| record.id.as_u128()).collect::<Vec<_>>();
    assert_eq!((ids(&deliveries.lines[0]), ids(&deliveries.lines[1])), (vec![6, 7, 8], vec![9, 10]));
}

#[test]
fn a_batch_on_its_way_is_not_in_the_bound_and_is_never_dropped() {
    let (mut queue, now) = (Queue::new(4), Instant::now());
    for number in 1..=4 {
        assert_eq!(queue.push(record(number, 0, None), now), 0);
    }
    assert_eq!(queue.batch().len(), 4);
    let dropped: u64 = (5..=10).map(|number| queue.push(record(number, 0, None), now)).sum();
    assert_eq!((dropped, queue.len()), (2, 8));
    queue.arrived();
    assert_eq!(queue.len(), 4);
    assert_eq!(queue.batch()[0].id.as_u128(), 7);
    queue.arrived();
    assert!(queue.batch().is_empty());
    assert_eq!((queue.len(), queue.oldest()), (0, None));
}

#[test]
fn a_batch_has_at_most_500_records_and_is_as_old_as_its_oldest() {
    let (mut queue, now) = (Queue::new(10_000), Instant::now());
    for number in 0..1_200 {
        let at = now + Duration::from_millis(u64::try_from(number).expect("small"));
        queue.push(record(number, 0, None), at);
        assert_eq!(queue.has_batch(), number >= 499);
    }
    let sizes: Vec<usize> = (0..3)
        .map(|part| {
            let size = queue.batch().len();
            assert_eq!(queue.oldest(), Some(now + Duration::from_millis(part * 500)));
            queue.arrived();
            size
        })
        .collect();
    assert_eq!(sizes, [500, 500, 200]);
}

#[test]
fn a_record_has_exactly_the_members_of_the_contract() {
    let users = [UserId::from_number("456").ok(), UserId::from_text("456").ok(), None];
    let records: Vec<DeliveryRecord> =
        users.into_iter().map(|user| record(0x019a_3f5e_7b00_7c31_9d0f_2f6f_3a1c_4e55, 0, user)).collect();
    let body: Value = serde_json::from_slice(&batch::body(&records)).expect("JSON");
    let connection = ConnectionId::from_random(7).to_string();
    let expected = |user: Value| {
        json!({
            "id": "019a3f5e-7b00-7c31-9d0f-2f6f3a1c4e55", "user_id": user, "connection_id": connection,
            "state": "sent", "at": "2025-11-01T12:26:40.123Z"
        })
    };
    assert_eq!(body, json!([expected(json!(456)), expected(json!("456")), expected(Value::Null)]));
}
