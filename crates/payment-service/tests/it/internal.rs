//! What services ask for: hold, release, refund, the worker, the fence.

use serde_json::{Value, json};

use crate::harness::{Who, World, ok, on_both, refused};

fn id(payment: &Value) -> i64 {
    payment["payment_id"].as_i64().expect("an id")
}

fn release(world: &World, payment: i64, worker: i64) -> test_kit::http::Answer {
    world.post(Who::Service, &format!("/payments/{payment}/release"), &json!({"worker_id": worker}))
}

fn refund(world: &World, payment: i64, body: &Value) -> test_kit::http::Answer {
    world.post(Who::Service, &format!("/payments/{payment}/refund"), body)
}

fn wrong_state(answer: &test_kit::http::Answer, state: &str) {
    refused(answer, 409, "wrong_state");
    assert_eq!(answer.json()["state"], state);
}

#[test]
fn a_hold_takes_money_from_the_wallet_and_a_release_gives_it_to_the_worker() {
    on_both(|world| {
        let payment = world.hold(1, 7, 1234.56);
        assert_eq!(world.balances(Who::Employer(7)), (8765.44, 1234.56));
        let released = ok(&release(&world, id(&payment), 8));
        assert_eq!((&released["status"], &released["worker_id"]), (&json!("released"), &json!(8)));
        assert!(released["updated_at"].as_str() >= released["created_at"].as_str());
        assert_eq!(world.balances(Who::Employer(7)), (8765.44, 0.0));
        assert_eq!(world.balances(Who::Worker(8)), (1234.56, 0.0));
        let entries = &ok(&world.get(Who::Worker(8), "/wallet"))["entries"]["items"];
        let entry = &entries[0];
        assert_eq!((&entry["kind"], &entry["amount_usd"]), (&json!("release"), &json!(1234.56)));
        assert_eq!((&entry["job_id"], &entry["payment_id"]), (&json!(1), &payment["payment_id"]));
        assert_eq!(ok(&release(&world, id(&payment), 8)), released, "again");
        assert_eq!(world.balances(Who::Worker(8)), (1234.56, 0.0));
        wrong_state(&release(&world, id(&payment), 9), "released");
        wrong_state(&refund(&world, id(&payment), &json!({})), "released");
    });
}

#[test]
fn a_refund_gives_the_money_back_with_or_without_a_worker() {
    on_both(|world| {
        let payment = id(&world.hold(1, 7, 100.0));
        let refunded = ok(&refund(&world, payment, &json!({"worker_id": null, "reason": "expired"})));
        assert_eq!((&refunded["status"], &refunded["worker_id"]), (&json!("refunded"), &Value::Null));
        assert_eq!(world.balances(Who::Employer(7)), (10000.0, 0.0));
        assert_eq!(ok(&refund(&world, payment, &json!({}))), refunded, "again");
        wrong_state(&refund(&world, payment, &json!({"worker_id": 8})), "refunded");
        wrong_state(&release(&world, payment, 8), "refunded");
        let payment = id(&world.hold(2, 7, 100.0));
        let refunded = ok(&refund(&world, payment, &json!({"worker_id": 8, "reason": "cancelled"})));
        assert_eq!(refunded["worker_id"], 8);
        assert_eq!(ok(&refund(&world, payment, &json!({"worker_id": 8}))), refunded, "again");
        assert_eq!(ok(&world.get(Who::Worker(8), &format!("/payments/{payment}"))), refunded);
        let entries = &ok(&world.get(Who::Employer(7), "/wallet"))["entries"]["items"];
        assert_eq!((&entries[0]["kind"], &entries[0]["amount_usd"]), (&json!("refund"), &json!(100)));
    });
}

#[test]
fn a_hold_needs_the_money() {
    on_both(|world| {
        let body = |amount: f64| json!({"job_id": 1, "employer_id": 7, "amount_usd": amount});
        refused(&world.post(Who::Service, "/payments/hold", &body(10000.01)), 409, "insufficient_funds");
        assert_eq!(world.balances(Who::Employer(7)), (10000.0, 0.0));
        ok(&world.post(Who::Service, "/payments/hold", &body(10000.0)));
        let other = json!({"job_id": 2, "employer_id": 7, "amount_usd": 0.01});
        refused(&world.post(Who::Service, "/payments/hold", &other), 409, "insufficient_funds");
    });
}

#[test]
fn a_job_has_one_payment_and_the_same_hold_tells_it() {
    on_both(|world| {
        let payment = world.hold(1, 7, 10.0);
        assert_eq!(world.hold(1, 7, 10.0), payment);
        let body =
            |employer: i64, amount: f64| json!({"job_id": 1, "employer_id": employer, "amount_usd": amount});
        for other in [body(7, 10.01), body(8, 10.0)] {
            refused(&world.keyed(Who::Service, "/payments/hold", "another", &other), 409, "payment_exists");
        }
        let released = ok(&release(&world, id(&payment), 9));
        assert_eq!(ok(&world.keyed(Who::Service, "/payments/hold", "third", &body(7, 10.0))), released);
        assert_eq!(world.balances(Who::Employer(7)), (9990.0, 0.0));
    });
}

#[test]
fn the_worker_becomes_a_party_once() {
    on_both(|world| {
        let payment = id(&world.hold(1, 7, 10.0));
        let path = format!("/payments/{payment}/worker");
        let with = ok(&world.post(Who::Service, &path, &json!({"worker_id": 8})));
        assert_eq!((&with["worker_id"], &with["status"]), (&json!(8), &json!("held")));
        assert_eq!(ok(&world.post(Who::Service, &path, &json!({"worker_id": 8}))), with);
        refused(&world.post(Who::Service, &path, &json!({"worker_id": 9})), 409, "other_worker");
        refused(&release(&world, payment, 9), 409, "other_worker");
        refused(&refund(&world, payment, &json!({"worker_id": 9})), 409, "other_worker");
        assert_eq!(ok(&refund(&world, payment, &json!({})))["worker_id"], 8);
        assert_eq!(ok(&world.post(Who::Service, &path, &json!({"worker_id": 8})))["status"], "refunded");
    });
}

#[test]
fn a_voided_operation_is_refused_for_ever_and_one_that_was_carried_out_stands() {
    on_both(|world| {
        let hold = json!({"job_id": 1, "employer_id": 7, "amount_usd": 10});
        let void = |operation: &str, key: &str| {
            let body = json!({"job_id": 1, "operation": operation, "key": key});
            ok(&world.post(Who::Service, "/payments/void", &body))
        };
        let never = json!({"executed": false, "payment": null});
        assert_eq!(void("hold", "job-1-hold"), never);
        assert_eq!(void("hold", "job-1-hold"), never, "again");
        for _ in 0..2 {
            refused(&world.keyed(Who::Service, "/payments/hold", "job-1-hold", &hold), 409, "voided");
        }
        // The same key for another job or another operation is another call.
        let other = json!({"job_id": 2, "employer_id": 7, "amount_usd": 10});
        ok(&world.keyed(Who::Service, "/payments/hold", "job-1-hold", &other));
        let payment = ok(&world.keyed(Who::Service, "/payments/hold", "job-1-hold-again", &hold));
        assert_eq!(void("hold", "job-1-hold-again"), json!({"executed": true, "payment": payment}));
        assert_eq!(void("release", "job-1-release-1"), json!({"executed": false, "payment": payment}));
        let path = format!("/payments/{}/release", payment["payment_id"]);
        let worker = json!({"worker_id": 8});
        refused(&world.keyed(Who::Service, &path, "job-1-release-1", &worker), 409, "voided");
        let released = ok(&world.keyed(Who::Service, &path, "job-1-release-2", &worker));
        assert_eq!(void("release", "job-1-release-2"), json!({"executed": true, "payment": released}));
        assert_eq!(ok(&world.keyed(Who::Service, &path, "job-1-release-2", &worker)), released);
        assert_eq!(void("refund", "job-1-refund-1"), json!({"executed": false, "payment": released}));
        let path = format!("/payments/{}/refund", payment["payment_id"]);
        refused(&world.keyed(Who::Service, &path, "job-1-refund-1", &json!({})), 409, "voided");
        wrong_state(&world.keyed(Who::Service, &path, "job-1-refund-2", &json!({})), "released");
    });
}
