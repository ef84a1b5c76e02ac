//! Calls that exclude each other, at the same time, through two instances on one database.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};
use test_kit::http::Answer;

use crate::harness::{Who, World, ok, on_both, refused};

/// Makes all calls at once, every other one through the second instance.
fn at_once(world: &World, calls: &[(String, String, Value)]) -> Vec<Answer> {
    let beside = world.beside();
    let start = Barrier::new(calls.len());
    thread::scope(|scope| {
        let running: Vec<_> = (calls.iter().enumerate())
            .map(|(n, (path, key, body))| {
                let (to, start) = (if n % 2 == 0 { world } else { &beside }, &start);
                scope.spawn(move || {
                    start.wait();
                    to.keyed(Who::Service, path, key, body)
                })
            })
            .collect();
        running.into_iter().map(|call| call.join().expect("an answer")).collect()
    })
}

fn balanced(world: &World) {
    assert_eq!(world.get(Who::Nobody, "/health").json()["books"], "balanced");
}

#[test]
fn of_eight_holds_on_a_wallet_that_covers_three_three_succeed() {
    on_both(|world| {
        let calls: Vec<_> = (1..=8)
            .map(|job| {
                let body = json!({"job_id": job, "employer_id": 1, "amount_usd": 3000});
                ("/payments/hold".to_owned(), format!("job-{job}-hold"), body)
            })
            .collect();
        let answers = at_once(&world, &calls);
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3);
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            refused(answer, 409, "insufficient_funds");
        }
        assert_eq!(world.balances(Who::Employer(1)), (1000.0, 9000.0));
        balanced(&world);
    });
}

#[test]
fn of_a_release_and_a_refund_one_wins() {
    on_both(|world| {
        for job in 1..=10 {
            let payment = world.hold(job, 1, 100.0)["payment_id"].clone();
            let answers = at_once(
                &world,
                &[
                    (format!("/payments/{payment}/release"), "release".to_owned(), json!({"worker_id": 2})),
                    (format!("/payments/{payment}/refund"), "refund".to_owned(), json!({"worker_id": 2})),
                ],
            );
            let (won, lost) = match (answers[0].status, answers[1].status) {
                (200, 409) => (&answers[0], &answers[1]),
                (409, 200) => (&answers[1], &answers[0]),
                other => panic!("{other:?}"),
            };
            refused(lost, 409, "wrong_state");
            assert_eq!(lost.json()["state"], ok(won)["status"]);
        }
        let ((free, held), (earned, _)) = (world.balances(Who::Employer(1)), world.balances(Who::Worker(2)));
        assert_eq!((free + earned, held), (10000.0, 0.0));
        balanced(&world);
    });
}

#[test]
fn of_an_operation_and_its_void_one_wins() {
    on_both(|world| {
        for job in 1..=10 {
            let key = format!("job-{job}-hold");
            let answers = at_once(
                &world,
                &[
                    (
                        "/payments/hold".to_owned(),
                        key.clone(),
                        json!({"job_id": job, "employer_id": 1, "amount_usd": 100}),
                    ),
                    (
                        "/payments/void".to_owned(),
                        format!("{key}-void"),
                        json!({"job_id": job, "operation": "hold", "key": key}),
                    ),
                ],
            );
            let voided = ok(&answers[1]);
            if voided["executed"] == json!(true) {
                assert_eq!(voided["payment"], ok(&answers[0]));
            } else {
                refused(&answers[0], 409, "voided");
                assert_eq!(voided["payment"], Value::Null);
            }
        }
        balanced(&world);
    });
}

#[test]
fn a_wallet_that_many_touch_first_begins_once() {
    on_both(|world| {
        let beside = world.beside();
        let wallets = thread::scope(|scope| {
            let calls: Vec<_> = (0..8)
                .map(|n| {
                    let to = if n % 2 == 0 { &world } else { &beside };
                    scope.spawn(move || to.balances(Who::Employer(1)))
                })
                .collect();
            calls.into_iter().map(|call| call.join().expect("a wallet")).collect::<Vec<_>>()
        });
        assert_eq!(wallets, [(10000.0, 0.0); 8]);
        balanced(&world);
    });
}

#[test]
fn money_that_moves_both_ways_between_two_users_at_once_does_not_lock_up() {
    on_both(|world| {
        let mut calls = Vec::new();
        for job in 1..=12 {
            let (employer, worker) = if job % 2 == 0 { (1, 2) } else { (2, 1) };
            let payment = world.hold(job, employer, 10.0)["payment_id"].clone();
            let path = format!("/payments/{payment}/release");
            calls.push((path, format!("job-{job}-release-1"), json!({"worker_id": worker})));
        }
        for answer in at_once(&world, &calls) {
            ok(&answer);
        }
        assert_eq!(world.balances(Who::Employer(1)), (10000.0, 0.0));
        assert_eq!(world.balances(Who::Employer(2)), (10000.0, 0.0));
        balanced(&world);
    });
}
