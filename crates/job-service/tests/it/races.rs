//! Several at once: workers, employers' calls, instances.

use serde_json::{Value, json};
use test_kit::eventually;

use crate::harness::{Background, Caller, Engine, Instance, Limits, SOON, World, draft, in_millis};
use crate::payment::Mode;

const EMPLOYER: i64 = 1;
const WORKER: i64 = 2;

fn post_expiring(service: &Instance, deadline: &str) -> i64 {
    let mut body = draft();
    body["deadline"] = json!(deadline);
    let answer = service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&body));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["job_id"].as_i64().expect("an id")
}

fn of_sixteen_workers_one_wins(engine: Engine) {
    let (mut world, first) = World::with(engine, Background::Running);
    let second = world.start(Background::Running);
    for _ in 0..3 {
        let job_id = first.job(EMPLOYER);
        let path = format!("/jobs/{job_id}/accept");
        let answers: Vec<_> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..16)
                .map(|n| {
                    let (service, path) = (if n % 2 == 0 { &first } else { &second }, &path);
                    scope.spawn(move || (100 + n, service.post(Caller::Worker(100 + n), path)))
                })
                .collect();
            calls.into_iter().map(|call| call.join().expect("an answer")).collect()
        });
        let won: Vec<i64> =
            answers.iter().filter(|(_, answer)| answer.status == 200).map(|(n, _)| *n).collect();
        assert_eq!(won.len(), 1, "{won:?}");
        for (_, lost) in answers.iter().filter(|(_, answer)| answer.status != 200) {
            assert_eq!((lost.status, lost.problem_code().as_str()), (409, "wrong_state"));
            assert_eq!(lost.json()["state"], "accepted");
        }
        assert_eq!(first.get(Caller::Worker(1), &format!("/jobs/{job_id}")).json()["worker_id"], won[0]);
        assert_eq!(world.event_types(job_id), ["job_created", "job_accepted"]);
    }
    world.settled();
    world.is_consistent();
}

#[test]
fn of_sixteen_workers_one_wins_on_sqlite() {
    of_sixteen_workers_one_wins(Engine::Sqlite);
}

#[test]
fn of_sixteen_workers_one_wins_on_postgres() {
    of_sixteen_workers_one_wins(Engine::Postgres);
}

fn of_complete_and_cancel_one_wins(engine: Engine) {
    let (mut world, first) = World::with(engine, Background::Running);
    let second = world.start(Background::Running);
    for _ in 0..3 {
        let job_id = first.accepted(EMPLOYER, WORKER);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..8)
                .map(|n| {
                    let service = if n % 2 == 0 { &first } else { &second };
                    let path = format!("/jobs/{job_id}/{}", if n % 4 < 2 { "complete" } else { "cancel" });
                    scope.spawn(move || service.post(Caller::Employer(EMPLOYER), &path))
                })
                .collect();
            calls.into_iter().map(|call| call.join().expect("an answer")).collect()
        });
        let end = first.status(job_id).expect("a job");
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        assert_eq!(won[0].json()["status"], end.as_str());
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!((lost.status, lost.json()["state"].as_str()), (409, Some(end.as_str())));
        }
        assert_eq!(world.event_types(job_id).len(), 3);
    }
    world.is_consistent();
}

#[test]
fn of_complete_and_cancel_one_wins_on_sqlite() {
    of_complete_and_cancel_one_wins(Engine::Sqlite);
}

#[test]
fn of_complete_and_cancel_one_wins_on_postgres() {
    of_complete_and_cancel_one_wins(Engine::Postgres);
}

fn two_instances_expire_each_job_once(engine: Engine) {
    let (mut world, first) = World::with(engine, Background::Running);
    let second = world.start(Background::Running);
    let far = in_millis(60_000);
    let jobs: Vec<i64> = (0..12).map(|_| post_expiring(&first, &far)).collect();
    for job_id in jobs.iter().step_by(3) {
        assert_eq!(second.post(Caller::Worker(WORKER), &format!("/jobs/{job_id}/accept")).status, 200);
    }
    let forever = first.job(EMPLOYER);
    // All is posted and accepted before it, however long that takes.
    let deadline = in_millis(1_000);
    world.move_deadlines(&deadline);
    for (n, job_id) in jobs.iter().enumerate() {
        let lag = world.refunded_after(*job_id, &deadline);
        assert!((0..5_000).contains(&lag), "refunded {lag} ms after its deadline");
        assert_eq!(first.status(*job_id).as_deref(), Some("refunded"));
        let events = world.events(*job_id);
        let told: Vec<&Value> = events.iter().filter(|event| event["type"] == "job_refunded").collect();
        assert_eq!((told.len(), events.last()), (1, told.first().copied()), "{events:?}");
        assert_eq!(told[0]["data"]["reason"], "expired");
        let worker = if n % 3 == 0 { json!(WORKER) } else { Value::Null };
        assert_eq!(told[0]["data"]["worker_id"], worker);
    }
    assert_eq!(first.status(forever).as_deref(), Some("open"));
    world.settled();
    world.is_consistent();
}

#[test]
fn two_instances_expire_each_job_once_on_sqlite() {
    two_instances_expire_each_job_once(Engine::Sqlite);
}

#[test]
fn two_instances_expire_each_job_once_on_postgres() {
    two_instances_expire_each_job_once(Engine::Postgres);
}

#[test]
fn an_expired_job_waits_for_its_money_and_is_open_to_nobody() {
    let (world, service) = World::with_limits(Engine::Sqlite, Background::Running, Limits::Short);
    for mode in [Mode::Busy, Mode::AnswerLost, Mode::Hang] {
        world.payments.set("refund", mode);
        let job_id = post_expiring(&service, &in_millis(2_000));
        let path = format!("/jobs/{job_id}");
        eventually(SOON, || world.payments.keys("refund").contains(&format!("job-{job_id}-refund-1")));
        assert_eq!(service.status(job_id).as_deref(), Some("open"), "the money has not moved");
        assert_eq!(world.event_types(job_id), ["job_created"], "the money has not moved");
        for (caller, step) in [
            (Caller::Worker(WORKER), "accept"),
            (Caller::Employer(EMPLOYER), "complete"),
            (Caller::Employer(EMPLOYER), "cancel"),
        ] {
            let answer = service.post(caller, &format!("{path}/{step}"));
            assert_eq!((answer.status, answer.json()["state"].as_str()), (409, Some("refunded")), "{step}");
        }
        world.payments.set("refund", Mode::Answer);
        world.settled();
        world.payments.deliver_late();
        assert_eq!(world.event_types(job_id), ["job_created", "job_refunded"]);
    }
    world.payments.down();
    world.payments.up();
    world.settled();
    world.is_consistent();
}

#[test]
fn an_accept_waits_for_the_end_of_a_cancel() {
    let (world, service) = World::with_limits(Engine::Sqlite, Background::Running, Limits::Short);
    let job_id = service.job(EMPLOYER);
    world.payments.set("refund", Mode::Hang);
    let (cancelled, accepted) = std::thread::scope(|scope| {
        let cancel =
            scope.spawn(|| service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/cancel")));
        eventually(SOON, || world.payments.hanging() > 0);
        let accept = service.post(Caller::Worker(WORKER), &format!("/jobs/{job_id}/accept"));
        (cancel.join().expect("an answer"), accept)
    });
    assert_eq!((cancelled.status, accepted.status), (503, 200), "{}", accepted.text());
    assert!(world.payments.deliver_late().iter().all(|status| *status == 409), "the fence holds");
    world.settled();
    world.is_consistent();
}

#[test]
fn calls_with_one_key_are_one_call() {
    let (world, service) = World::with(Engine::Sqlite, Background::Running);
    let body = draft();
    let post = || {
        let headers = [("idempotency-key", "once")];
        service.post_with(Caller::Employer(EMPLOYER), "/jobs", &headers, Some(&body))
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(post)).collect();
        calls.into_iter().map(|call| call.join().expect("an answer")).collect()
    });
    let first = post();
    assert_eq!(first.status, 201);
    for answer in answers {
        match answer.status {
            201 => assert_eq!(answer.json(), first.json()),
            409 => assert_eq!(answer.problem_code(), "idempotency_key_in_flight"),
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert_eq!(world.payments.all().len(), 1);
    let job_id = first.json()["job_id"].as_i64().expect("an id");
    for (caller, step) in [(Caller::Worker(WORKER), "accept"), (Caller::Employer(EMPLOYER), "complete")] {
        let call = || {
            service.post_with(caller, &format!("/jobs/{job_id}/{step}"), &[("idempotency-key", "k")], None)
        };
        let first = call();
        assert_eq!(first.status, 200, "{}", first.text());
        assert_eq!(call().text(), first.text());
    }
    assert_eq!(world.event_types(job_id), ["job_created", "job_accepted", "job_completed"]);
    let other = json!({"title": "Other", "pay_amount_usd": 1, "job_type": "other"});
    let reused =
        service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[("idempotency-key", "once")], Some(&other));
    assert_eq!((reused.status, reused.problem_code().as_str()), (422, "idempotency_key_reused"));
}

#[test]
fn employers_post_at_once_without_waiting_for_each_others_money() {
    // The slow ones are as long on their way as a call may take.
    let (world, service) = World::with_limits(Engine::Sqlite, Background::Running, Limits::Long);
    world.payments.set("hold", Mode::Hang);
    std::thread::scope(|scope| {
        let slow: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&draft())))
            })
            .collect();
        eventually(SOON, || world.payments.hanging() >= 4);
        world.payments.set("hold", Mode::Answer);
        service.job(EMPLOYER);
        assert!(slow.iter().any(|call| !call.is_finished()), "the fifth had to wait for the others");
        for call in slow {
            let status = call.join().expect("an answer").status;
            assert!([201, 503].contains(&status), "{status}");
        }
    });
    world.settled();
    world.payments.deliver_late();
    world.is_consistent();
}
