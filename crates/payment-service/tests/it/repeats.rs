//! `Idempotency-Key`: the first success again, and nothing twice.

use std::thread;

use serde_json::json;

use crate::harness::{Database, Who, World, invalid, ok, on_both, refused};

#[test]
fn a_repeated_deposit_gives_the_first_answer_and_moves_nothing() {
    on_both(|world| {
        let body = json!({"amount_usd": 5});
        let first = world.keyed(Who::Employer(1), "/wallet/deposit", "k1", &body);
        ok(&first);
        ok(&world.keyed(Who::Employer(1), "/wallet/deposit", "k2", &body));
        let again = world.keyed(Who::Employer(1), "/wallet/deposit", "k1", &body);
        assert_eq!((again.status, again.text()), (200, first.text()));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_eq!(world.balances(Who::Employer(1)), (10010.0, 0.0));
        // Also where the other body is wrong by itself.
        for other in [json!({"amount_usd": 6}), json!({"amount_usd": -6})] {
            refused(
                &world.keyed(Who::Employer(1), "/wallet/deposit", "k1", &other),
                422,
                "idempotency_key_reused",
            );
        }
        // Another's key is another key.
        ok(&world.keyed(Who::Employer(2), "/wallet/deposit", "k1", &json!({"amount_usd": 6})));
        assert_eq!(world.balances(Who::Employer(2)), (10006.0, 0.0));
        // Another instance knows the answer as well.
        let beside = world.beside();
        assert_eq!(beside.keyed(Who::Employer(1), "/wallet/deposit", "k1", &body).text(), first.text());
    });
}

#[test]
fn a_repeated_operation_gives_the_first_answer_whatever_happened_since() {
    on_both(|world| {
        let hold = json!({"job_id": 1, "employer_id": 7, "amount_usd": 10});
        let held = ok(&world.keyed(Who::Service, "/payments/hold", "job-1-hold", &hold));
        let path = format!("/payments/{}/release", held["payment_id"]);
        let released = ok(&world.keyed(Who::Service, &path, "job-1-release-1", &json!({"worker_id": 8})));
        assert_eq!(released["status"], "released");
        assert_eq!(ok(&world.keyed(Who::Service, "/payments/hold", "job-1-hold", &hold)), held);
        assert_eq!(
            ok(&world.keyed(Who::Service, &path, "job-1-release-1", &json!({"worker_id": 8}))),
            released
        );
        let other = json!({"worker_id": 9});
        refused(&world.keyed(Who::Service, &path, "job-1-release-1", &other), 422, "idempotency_key_reused");
        let other = json!({"job_id": 1, "employer_id": 7, "amount_usd": 11});
        refused(
            &world.keyed(Who::Service, "/payments/hold", "job-1-hold", &other),
            422,
            "idempotency_key_reused",
        );
        assert_eq!(world.balances(Who::Worker(8)), (10.0, 0.0));
    });
}

#[test]
fn a_failure_is_not_kept() {
    let world = World::start(Database::Sqlite);
    let hold = json!({"job_id": 1, "employer_id": 7, "amount_usd": 10001});
    refused(&world.keyed(Who::Service, "/payments/hold", "k", &hold), 409, "insufficient_funds");
    ok(&world.post(Who::Employer(7), "/wallet/deposit", &json!({"amount_usd": 1})));
    ok(&world.keyed(Who::Service, "/payments/hold", "k", &hold));
    invalid(&world.keyed(Who::Service, "/payments/hold", "", &hold), &["Idempotency-Key"]);
}

#[test]
fn of_many_calls_with_one_key_at_once_one_counts() {
    on_both(|world| {
        let beside = world.beside();
        let body = json!({"amount_usd": 1});
        let answers = thread::scope(|scope| {
            let calls: Vec<_> = (0..8)
                .map(|n| {
                    let (to, body) = (if n % 2 == 0 { &world } else { &beside }, &body);
                    scope.spawn(move || to.keyed(Who::Employer(1), "/wallet/deposit", "one", body))
                })
                .collect();
            calls.into_iter().map(|call| call.join().expect("an answer")).collect::<Vec<_>>()
        });
        for answer in &answers {
            if answer.status != 200 {
                refused(answer, 409, "idempotency_key_in_flight");
                assert!(answer.header("retry-after").is_some());
            }
        }
        assert!(answers.iter().any(|answer| answer.status == 200));
        assert_eq!(world.balances(Who::Employer(1)), (10001.0, 0.0));
        ok(&world.keyed(Who::Employer(1), "/wallet/deposit", "one", &body));
        assert_eq!(world.balances(Who::Employer(1)), (10001.0, 0.0));
    });
}
