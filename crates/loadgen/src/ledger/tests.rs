//! The account: lost and doubled are told apart, and one does not hide the other.

use super::*;

#[test]
fn a_clean_run_has_no_faults_and_reports_each_message_once_when_all_have_it() {
    let mut ledger = Ledger::new(3).unwrap();
    let (first, second) = (ledger.publish_to_all(), ledger.publish_to_one(1));
    for connection in 0..3 {
        ledger.deliver(connection, first, 1_000, 3_000);
    }
    ledger.deliver(1, second, 0, 5_000);
    let mut finished = Vec::new();
    ledger.take_finished(&mut finished);
    assert_eq!(finished, [first, second]);
    assert_eq!(ledger.faults(), Faults::default());
    assert_eq!((ledger.deliveries(), ledger.expected(), ledger.published()), (4, 4, 2));
    assert_eq!(ledger.latency_us().max(), 5);
    ledger.forget_latency();
    assert_eq!(ledger.latency_us().len(), 0);
}

#[test]
fn what_is_missing_is_lost() {
    let mut ledger = Ledger::new(2).unwrap();
    let seq = ledger.publish_to_all();
    ledger.deliver(0, seq, 0, 0);
    assert_eq!(ledger.faults(), Faults { lost: 1, doubled: 0, wrong_connections: 1 });
}

#[test]
fn one_lost_and_one_doubled_on_the_same_connection_do_not_cancel_out() {
    let mut ledger = Ledger::new(1).unwrap();
    let (first, _) = (ledger.publish_to_all(), ledger.publish_to_all());
    ledger.deliver(0, first, 0, 0);
    ledger.deliver(0, first, 0, 0);
    assert_eq!(ledger.faults(), Faults { lost: 1, doubled: 1, wrong_connections: 1 });
}

#[test]
fn a_message_that_went_to_the_wrong_connection_shows_in_the_sums_of_both() {
    let mut ledger = Ledger::new(2).unwrap();
    let seq = ledger.publish_to_one(0);
    ledger.deliver(1, seq, 0, 0);
    assert_eq!(ledger.faults(), Faults { lost: 0, doubled: 0, wrong_connections: 2 });
}

#[test]
fn a_message_nobody_published_counts_as_doubled() {
    let mut ledger = Ledger::new(1).unwrap();
    ledger.deliver(0, 5, 0, 0);
    assert_eq!(ledger.faults(), Faults { lost: 0, doubled: 1, wrong_connections: 1 });
}

#[test]
fn a_process_that_hears_of_messages_late_is_judged_the_same() {
    let mut ledger = Ledger::new(2).unwrap();
    ledger.deliver(0, 0, 0, 0);
    ledger.deliver(1, 0, 0, 0);
    ledger.publish_to_all();
    assert_eq!(ledger.faults(), Faults::default());
    ledger.publish_to_all();
    assert_eq!(ledger.faults().lost, 2);
}

#[test]
fn a_message_to_some_is_due_at_those_alone() {
    let mut ledger = Ledger::new(4).unwrap();
    let seq = ledger.publish_to_some(1..3);
    ledger.deliver(1, seq, 0, 0);
    ledger.deliver(2, seq, 0, 0);
    assert_eq!((ledger.faults(), ledger.expected()), (Faults::default(), 2));
    ledger.deliver(3, seq, 0, 0);
    assert_eq!(ledger.faults(), Faults { lost: 0, doubled: 1, wrong_connections: 1 });
}
