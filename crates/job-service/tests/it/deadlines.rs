//! Deadlines with the service's own time limits: what may take how long.

use std::time::Duration;

use serde_json::json;
use test_kit::on_time;

use crate::harness::{
    Background, Caller, Engine, Limits, SOON, World, draft, in_millis, token, until_before,
};
use crate::payment::Mode;

const EMPLOYER: i64 = 1;
const WORKER: i64 = 2;

/// How late the machine may be in all before a test of them is run again: what is granted is two seconds more than it takes.
const TOLERATED: Duration = Duration::from_secs(1);

/// What the contract grants, in milliseconds.
const MOST: i64 = 5_000;

/// `then` is how the payment service is when an instance is there again.
fn a_step_left_just_before_the_deadline_delays_the_refund_by_less_than_granted(engine: Engine, then: Mode) {
    let mut world = World::new(engine);
    let first = world.start_with(Background::Running, Limits::Default);
    let deadline = in_millis(3_000);
    let mut expiring = draft();
    expiring["deadline"] = json!(deadline);
    let jobs: Vec<i64> = (0..2)
        .map(|_| {
            let answer = first.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&expiring));
            assert_eq!(answer.status, 201, "{}", answer.text());
            let job_id = answer.json()["job_id"].as_i64().expect("an id");
            assert_eq!(first.post(Caller::Worker(WORKER), &format!("/jobs/{job_id}/accept")).status, 200);
            job_id
        })
        .collect();
    for operation in ["release", "refund"] {
        world.payments.set(operation, Mode::Hang);
    }
    until_before(300, &deadline);
    let address = first.address;
    let calls: Vec<_> = jobs
        .iter()
        .zip(["complete", "cancel"])
        .map(|(job_id, step)| {
            let path = format!("/jobs/{job_id}/{step}");
            std::thread::spawn(move || {
                let token = format!("Bearer {}", token(Caller::Employer(EMPLOYER)));
                let headers = [("authorization", token.as_str())];
                test_kit::http::try_request(address, None, "POST", &path, &headers, None)
            })
        })
        .collect();
    test_kit::eventually(SOON, || world.payments.hanging() == 2);
    first.kill();
    for call in calls {
        assert!(call.join().expect("a caller").is_err(), "the caller heard nothing");
    }
    for operation in ["release", "refund", "void"] {
        world.payments.set(operation, then);
    }
    let _second = world.start_with(Background::Running, Limits::Default);
    for job_id in &jobs {
        let lag = world.refunded_after(*job_id, &deadline);
        println!("refunded {lag} ms after the deadline");
        assert!((0..MOST).contains(&lag), "job {job_id} was refunded {lag} ms after its deadline");
    }
    world.settled();
    world.payments.deliver_late();
    world.is_consistent();
}

#[test]
fn a_step_left_just_before_the_deadline_delays_the_refund_by_less_than_granted_on_sqlite() {
    on_time(TOLERATED, || {
        a_step_left_just_before_the_deadline_delays_the_refund_by_less_than_granted(
            Engine::Sqlite,
            Mode::Answer,
        );
    });
}

#[test]
fn a_step_left_just_before_the_deadline_delays_the_refund_by_less_than_granted_on_postgres() {
    on_time(TOLERATED, || {
        a_step_left_just_before_the_deadline_delays_the_refund_by_less_than_granted(
            Engine::Postgres,
            Mode::Answer,
        );
    });
}

#[test]
fn a_step_left_just_before_the_deadline_delays_the_refund_by_less_than_granted_with_a_slow_payment_service() {
    on_time(TOLERATED, || {
        let engine = Engine::Sqlite;
        a_step_left_just_before_the_deadline_delays_the_refund_by_less_than_granted(engine, Mode::Second);
    });
}

#[test]
fn a_payment_service_that_takes_a_second_is_slow_and_nothing_else() {
    on_time(TOLERATED, takes_a_second);
}

fn takes_a_second() {
    let mut world = World::new(Engine::Sqlite);
    let service = world.start_with(Background::Running, Limits::Default);
    for operation in ["hold", "release", "refund", "worker", "void"] {
        world.payments.set(operation, Mode::Second);
    }
    let completed = service.accepted(EMPLOYER, WORKER);
    let done = service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{completed}/complete"));
    assert_eq!(done.status, 200, "{}", done.text());
    let cancelled = service.job(EMPLOYER);
    let done = service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{cancelled}/cancel"));
    assert_eq!(done.status, 200, "{}", done.text());
    let deadline = in_millis(2_500);
    let mut expiring = draft();
    expiring["deadline"] = json!(deadline);
    let posted = service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&expiring));
    assert_eq!(posted.status, 201, "{}", posted.text());
    let expired = posted.json()["job_id"].as_i64().expect("an id");
    let lag = world.refunded_after(expired, &deadline);
    assert!((0..MOST).contains(&lag), "refunded {lag} ms after its deadline");
    for (operation, calls) in [("hold", 3), ("release", 1), ("refund", 2), ("void", 0)] {
        assert_eq!(world.payments.keys(operation).len(), calls, "each {operation} is asked for once");
    }
    world.settled();
    world.is_consistent();
}
