use std::sync::Arc;

use hub::broker::Shared;
use protocol::timestamp::Timestamp;
use protocol::{Publication, PublicationId};

use super::*;

fn publishing(bytes: usize) -> Box<Publishing> {
    let time = Timestamp::from_millis(0);
    let event = Shared {
        publication: Arc::new(Publication {
            id: PublicationId::from_u128(1),
            event_type: "test".into(),
            data: "x".repeat(bytes).into(),
            timestamp: time,
        }),
        accepted: time,
        streams: vec![],
        connection: None,
        namespace: None,
        except: None,
        close_sessions: None,
        retain: None,
        is_transient: false,
        origin: (1, 1),
    };
    Box::new(Publishing { event, rules: vec![], key: None, batch: Some(1) })
}

#[test]
fn a_batch_goes_in_steps_of_bounded_size_and_another_one_does_not_wait() {
    let mut batches = Batches::default();
    assert!(matches!(batches.add(1, 0, publishing(1)), Added::First(_)));
    assert!((1..=300).all(|ticket| matches!(batches.add(1, ticket, publishing(1)), Added::Waits)));
    assert!(matches!(batches.add(2, 900, publishing(1)), Added::First(_)));
    let steps: Vec<_> =
        std::iter::from_fn(|| Some(batches.next(1).0).filter(|step| !step.is_empty())).collect();
    assert_eq!(steps.iter().map(Vec::len).collect::<Vec<_>>(), [128, 128, 44]);
    assert_eq!(steps.concat(), (1..=300).collect::<Vec<_>>());
    assert!(matches!(batches.add(1, 301, publishing(1)), Added::First(_)), "it had ended");
    let big = STEP_BYTES / 2;
    assert!((302..306).all(|ticket| matches!(batches.add(1, ticket, publishing(big)), Added::Waits)));
    assert_eq!(batches.next(1).0, [302, 303]);
}

#[test]
fn behind_a_refusal_everything_of_the_batch_is_refused() {
    let mut batches = Batches::default();
    for ticket in 0..3 {
        batches.add(1, ticket, publishing(1));
        batches.add(2, 10 + ticket, publishing(1));
    }
    let refused: Vec<_> = batches.refuse(1, PublishError::StorageFull).collect();
    assert_eq!(refused, [1, 2]);
    let late = batches.add(1, 3, publishing(1));
    assert!(matches!(late, Added::Refused(PublishError::StorageFull)));
    assert_eq!(batches.all().collect::<Vec<_>>(), [11, 12]);
}
