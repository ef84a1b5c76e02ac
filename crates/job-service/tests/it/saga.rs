//! Job and money stay together, whatever the payment service does to a call, and whenever this service dies.

use test_kit::eventually;

use crate::harness::{Background, Caller, Engine, SOON, World, draft};
use crate::payment::Mode;

const EMPLOYER: i64 = 1;
const WORKER: i64 = 2;

/// What can happen to every try of a call; none of them lets the caller know whether it was carried out.
const UNHEARD: [Mode; 4] = [Mode::AnswerLost, Mode::AnswerBroken, Mode::Busy, Mode::Hang];

fn was_carried_out(mode: Mode) -> bool {
    matches!(mode, Mode::AnswerLost | Mode::AnswerBroken)
}

#[track_caller]
fn is_unavailable(answer: &test_kit::http::Answer) {
    assert_eq!((answer.status, answer.problem_code().as_str()), (503, "payment_unavailable"), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn a_job_whose_hold_was_not_heard_never_was_one() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let (world, service) = World::with(engine, Background::Running);
        for mode in UNHEARD {
            world.payments.set("hold", mode);
            is_unavailable(&service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&draft())));
            assert_eq!(service.get(Caller::Worker(WORKER), "/jobs").json()["items"], serde_json::json!([]));
            world.payments.set("hold", Mode::Answer);
            world.settled();
            // What hung all the time finds the fence.
            assert!(world.payments.deliver_late().iter().all(|status| *status == 409), "{mode:?}");
            world.is_consistent();
        }
        let held = world.payments.all();
        assert_eq!(held.len(), 2, "two of the four holds were carried out: {held:?}");
        assert_eq!(service.status(1), None);
        let job_id = service.job(EMPLOYER);
        assert_eq!(service.status(job_id).as_deref(), Some("open"));
    }
}

#[test]
fn with_the_payment_service_away_nothing_changes() {
    let (world, service) = World::with(Engine::Sqlite, Background::Running);
    let job_id = service.accepted(EMPLOYER, WORKER);
    world.settled();
    world.payments.down();
    is_unavailable(&service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&draft())));
    for step in ["complete", "cancel", "complete"] {
        is_unavailable(&service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/{step}")));
        assert_eq!(service.status(job_id).as_deref(), Some("accepted"));
    }
    let health = service.get(Caller::Nobody, "/health");
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("degraded")));
    assert_eq!(health.json()["payment"], "down");
    world.payments.up();
    world.settled();
    world.is_consistent();
    assert_eq!(service.get(Caller::Worker(WORKER), "/jobs").json()["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/complete")).status, 200);
    world.is_consistent();
}

#[test]
fn a_step_whose_answer_was_not_heard_ends_where_the_money_is() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let (world, service) = World::with(engine, Background::Running);
        for (operation, step, end) in [("release", "complete", "completed"), ("refund", "cancel", "refunded")] {
            for mode in UNHEARD {
                let job_id = service.accepted(EMPLOYER, WORKER);
                world.payments.set(operation, mode);
                is_unavailable(&service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/{step}")));
                world.settled();
                world.payments.set(operation, Mode::Answer);
                let expected = if was_carried_out(mode) { end } else { "accepted" };
                assert_eq!(service.status(job_id).as_deref(), Some(expected), "{step} {mode:?}");
                world.payments.deliver_late();
                world.is_consistent();
                if !was_carried_out(mode) {
                    let again = service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/{step}"));
                    assert_eq!(again.status, 200, "{step} {mode:?}: {}", again.text());
                    world.is_consistent();
                }
            }
        }
    }
}

#[test]
fn an_answer_that_is_lost_once_is_asked_for_again_with_the_same_key() {
    let (world, service) = World::with(Engine::Sqlite, Background::Off);
    for (operation, step) in [("release", "complete"), ("refund", "cancel")] {
        let job_id = service.accepted(EMPLOYER, WORKER);
        world.payments.set(operation, Mode::AnswerLost);
        std::thread::scope(|scope| {
            let call = scope.spawn(|| service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/{step}")));
            eventually(SOON, || !world.payments.keys(operation).is_empty());
            world.payments.set(operation, Mode::Answer);
            let answer = call.join().expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
        });
        let keys = world.payments.keys(operation);
        assert!(keys.len() > 1 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert_eq!(keys[0], format!("job-{job_id}-{operation}-1"));
    }
    world.is_consistent();
}

#[test]
fn an_instance_that_dies_in_a_step_leaves_it_to_another() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut world = World::new(engine);
        for (operation, step, mode) in [
            ("hold", None, Mode::Hang),
            ("hold", None, Mode::AnswerLost),
            ("release", Some("complete"), Mode::Hang),
            ("release", Some("complete"), Mode::AnswerLost),
            ("refund", Some("cancel"), Mode::Hang),
            ("refund", Some("cancel"), Mode::AnswerLost),
        ] {
            let first = world.start(Background::Off);
            let job_id = step.map(|_| first.accepted(EMPLOYER, WORKER));
            let heard = world.payments.keys(operation).len();
            world.payments.set(operation, mode);
            let address = first.address;
            let token = test_kit::Signer::hs256("a secret of the tests, 32 bytes or more").user_of_type(EMPLOYER, "employer");
            let path = job_id.map_or("/jobs".to_owned(), |id| format!("/jobs/{id}/{}", step.unwrap_or_default()));
            let call = std::thread::spawn(move || {
                let token = format!("Bearer {token}");
                let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
                let body = draft().to_string();
                test_kit::http::try_request(address, None, "POST", &path, &headers, Some(body.as_bytes()))
            });
            eventually(SOON, || world.payments.keys(operation).len() > heard);
            first.kill();
            let answer = call.join().expect("a caller");
            assert!(answer.is_err(), "{operation} {mode:?}: the caller heard nothing, {answer:?}");
            world.payments.set(operation, Mode::Answer);
            let second = world.start(Background::Running);
            world.settled();
            world.payments.deliver_late();
            world.is_consistent();
            if let Some(job_id) = job_id {
                let expected = match (mode, operation) {
                    (Mode::Hang, _) => "accepted",
                    (_, "release") => "completed",
                    _ => "refunded",
                };
                assert_eq!(second.status(job_id).as_deref(), Some(expected), "{operation} {mode:?}");
            }
            second.kill();
        }
    }
}

#[test]
fn an_accepted_job_is_told_to_the_payment_once_it_is_there() {
    let (world, service) = World::with(Engine::Sqlite, Background::Running);
    let job_id = service.job(EMPLOYER);
    world.payments.down();
    let answer = service.post(Caller::Worker(WORKER), &format!("/jobs/{job_id}/accept"));
    assert_eq!((answer.status, answer.json()["worker_id"].as_i64()), (200, Some(WORKER)));
    world.payments.up();
    eventually(SOON, || world.payments.of(job_id).is_some_and(|payment| payment.worker_id == Some(WORKER)));
    world.settled();
    world.is_consistent();
}

#[test]
fn too_little_money_is_told_and_leaves_no_job() {
    let (world, service) = World::with(Engine::Sqlite, Background::Running);
    world.payments.make_poor(EMPLOYER);
    let answer = service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&draft()));
    assert_eq!((answer.status, answer.problem_code().as_str()), (409, "insufficient_funds"));
    assert_eq!(service.get(Caller::Worker(WORKER), "/jobs").json()["items"], serde_json::json!([]));
    world.settled();
    assert!(world.payments.all().is_empty());
}
