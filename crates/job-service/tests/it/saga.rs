//! Job and money stay together, whatever the payment service does to a call, and whenever this service dies.

use test_kit::eventually;

use crate::harness::{Background, Caller, Engine, Limits, SOON, World, draft, token};
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
    assert_eq!(
        (answer.status, answer.problem_code().as_str()),
        (503, "payment_unavailable"),
        "{}",
        answer.text()
    );
    assert!(answer.header("retry-after").is_some());
    // Callers read nothing else of it.
    assert!(answer.json()["detail"].is_null());
    let title = answer.json()["title"].as_str().expect("a title").to_owned();
    let known =
        ["nothing has changed", "will show in the job", "there is no such job", "has changed nothing"];
    assert!(known.iter().any(|words| title.contains(words)), "{title}");
}

/// What the title of a 503 has to say.
#[track_caller]
fn says(answer: &test_kit::http::Answer, words: &str) {
    is_unavailable(answer);
    assert!(answer.json()["title"].as_str().is_some_and(|title| title.contains(words)), "{}", answer.text());
}

fn a_job_whose_hold_was_not_heard_never_was_one(engine: Engine) {
    let (world, service) = World::with_limits(engine, Background::Running, Limits::Short);
    for mode in UNHEARD {
        world.payments.set("hold", mode);
        let answer = service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&draft()));
        says(&answer, "did not answer; there is no such job");
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

#[test]
fn a_job_whose_hold_was_not_heard_never_was_one_on_sqlite() {
    a_job_whose_hold_was_not_heard_never_was_one(Engine::Sqlite);
}

#[test]
fn a_job_whose_hold_was_not_heard_never_was_one_on_postgres() {
    a_job_whose_hold_was_not_heard_never_was_one(Engine::Postgres);
}

#[test]
fn with_the_payment_service_away_nothing_changes() {
    let (world, service) = World::with(Engine::Sqlite, Background::Running);
    let job_id = service.accepted(EMPLOYER, WORKER);
    world.settled();
    world.payments.down();
    let posted = service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&draft()));
    says(&posted, "away; nothing has changed");
    for step in ["complete", "cancel", "complete"] {
        let answer = service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/{step}"));
        says(&answer, "away; nothing has changed");
        assert_eq!(service.status(job_id).as_deref(), Some("accepted"));
    }
    let health = service.get(Caller::Nobody, "/health");
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("degraded")));
    assert_eq!(health.json()["payment"], "down");
    world.payments.up();
    world.settled();
    world.is_consistent();
    assert_eq!(
        service.get(Caller::Worker(WORKER), "/jobs").json()["items"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/complete")).status, 200);
    world.is_consistent();
}

fn a_step_whose_answer_was_not_heard_ends_where_the_money_is(engine: Engine) {
    let (world, service) = World::with_limits(engine, Background::Running, Limits::Short);
    for (operation, step, end) in [("release", "complete", "completed"), ("refund", "cancel", "refunded")] {
        for mode in UNHEARD {
            let job_id = service.accepted(EMPLOYER, WORKER);
            world.payments.set(operation, mode);
            let answer = service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/{step}"));
            says(&answer, "did not answer; the outcome will show in the job");
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

#[test]
fn a_step_whose_answer_was_not_heard_ends_where_the_money_is_on_sqlite() {
    a_step_whose_answer_was_not_heard_ends_where_the_money_is(Engine::Sqlite);
}

#[test]
fn a_step_whose_answer_was_not_heard_ends_where_the_money_is_on_postgres() {
    a_step_whose_answer_was_not_heard_ends_where_the_money_is(Engine::Postgres);
}

#[test]
fn an_answer_that_is_lost_once_is_asked_for_again_with_the_same_key() {
    let (world, service) = World::with_limits(Engine::Sqlite, Background::Off, Limits::Patient);
    for (operation, step) in [("release", "complete"), ("refund", "cancel")] {
        let job_id = service.accepted(EMPLOYER, WORKER);
        world.payments.set(operation, Mode::AnswerLost);
        std::thread::scope(|scope| {
            let call =
                scope.spawn(|| service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/{step}")));
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

fn an_instance_that_dies_in_a_step_leaves_it_to_another(engine: Engine) {
    let mut world = World::new(engine);
    for (operation, step, mode) in [
        ("hold", None, Mode::Hang),
        ("hold", None, Mode::AnswerLost),
        ("release", Some("complete"), Mode::Hang),
        ("release", Some("complete"), Mode::AnswerLost),
        ("refund", Some("cancel"), Mode::Hang),
        ("refund", Some("cancel"), Mode::AnswerLost),
    ] {
        let first = world.start_with(Background::Off, Limits::Default);
        let job_id = step.map(|_| first.accepted(EMPLOYER, WORKER));
        let heard = world.payments.keys(operation).len();
        world.payments.set(operation, mode);
        let address = first.address;
        let token = token(Caller::Employer(EMPLOYER));
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
        let second = world.start_with(Background::Running, Limits::Default);
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

#[test]
fn an_instance_that_dies_in_a_step_leaves_it_to_another_on_sqlite() {
    an_instance_that_dies_in_a_step_leaves_it_to_another(Engine::Sqlite);
}

#[test]
fn an_instance_that_dies_in_a_step_leaves_it_to_another_on_postgres() {
    an_instance_that_dies_in_a_step_leaves_it_to_another(Engine::Postgres);
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

/// A try hangs, and the next one is refused: the first may still arrive, before the fence or behind it.
#[test]
fn a_refusal_after_an_unheard_try_proves_nothing() {
    for arrives_first in [false, true] {
        let (world, service) = World::with_limits(Engine::Sqlite, Background::Running, Limits::Short);
        let job_id = service.accepted(EMPLOYER, WORKER);
        world.settled();
        for (operation, path, body) in [
            ("hold", "/jobs".to_owned(), Some(draft())),
            ("release", format!("/jobs/{job_id}/complete"), None),
        ] {
            world.payments.set(operation, Mode::Hang);
            let answer = std::thread::scope(|scope| {
                let call =
                    scope.spawn(|| service.post_with(Caller::Employer(EMPLOYER), &path, &[], body.as_ref()));
                eventually(SOON, || world.payments.hanging() > 0);
                world.payments.down();
                call.join().expect("an answer")
            });
            is_unavailable(&answer);
            if arrives_first {
                // A second try may have come before nobody took calls any more.
                let late = world.payments.deliver_late();
                assert!(
                    !late.is_empty() && late.iter().all(|status| *status == 200),
                    "{operation}: {late:?}"
                );
            }
            world.payments.set(operation, Mode::Answer);
            world.payments.up();
            world.settled();
            assert!(world.payments.deliver_late().iter().all(|status| *status == 409), "{operation}");
            world.is_consistent();
        }
        let expected = if arrives_first { "completed" } else { "accepted" };
        assert_eq!(service.status(job_id).as_deref(), Some(expected));
    }
}

#[test]
fn too_little_money_after_an_unheard_try_is_fenced_off() {
    let (world, service) = World::with_limits(Engine::Sqlite, Background::Running, Limits::Patient);
    world.payments.set("hold", Mode::Hang);
    let answer = std::thread::scope(|scope| {
        let call =
            scope.spawn(|| service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&draft())));
        eventually(SOON, || world.payments.hanging() > 0);
        world.payments.make_poor(EMPLOYER);
        world.payments.set("hold", Mode::Answer);
        call.join().expect("an answer")
    });
    assert_eq!((answer.status, answer.problem_code().as_str()), (409, "insufficient_funds"));
    world.settled();
    world.payments.make_rich(EMPLOYER);
    // More than one try where the machine is slow.
    let late = world.payments.deliver_late();
    assert!(!late.is_empty() && late.iter().all(|status| *status == 409), "{late:?}");
    world.is_consistent();
}

#[test]
fn the_fence_is_asked_until_it_answers() {
    let (world, service) = World::with_limits(Engine::Sqlite, Background::Running, Limits::Short);
    let job_id = service.accepted(EMPLOYER, WORKER);
    world.settled();
    for mode in [Mode::Busy, Mode::AnswerLost, Mode::AnswerBroken, Mode::Hang] {
        world.payments.set("void", mode);
        world.payments.set("release", Mode::Hang);
        is_unavailable(&service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/complete")));
        let asked = world.payments.keys("void").len();
        eventually(SOON, || world.payments.keys("void").len() > asked + 1);
        let health = service.get(Caller::Nobody, "/health").json();
        assert_eq!(health["steps"]["pending"], 1, "{health}");
        world.payments.set("void", Mode::Answer);
        world.payments.set("release", Mode::Answer);
        world.settled();
        world.payments.deliver_late();
        assert_eq!(service.status(job_id).as_deref(), Some("accepted"), "{mode:?}");
        world.is_consistent();
    }
    assert_eq!(service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/complete")).status, 200);
    world.is_consistent();
}

/// Rows as a process leaves them that dies right behind its first commit.
#[test]
fn a_step_that_was_begun_and_never_asked_for_is_taken_back() {
    let mut world = World::new(Engine::Sqlite);
    let first = world.start(Background::Off);
    let (open, accepted) = (first.job(EMPLOYER), first.accepted(EMPLOYER, WORKER));
    let expired = first.job(EMPLOYER);
    world.change("UPDATE jobs SET step = 'refunding', step_reason = 'cancelled', attempt = 1, step_since = 1, step_until = 1 WHERE job_id = $1", &[open]);
    world.change(
        "UPDATE jobs SET step = 'releasing', attempt = 1, step_since = 1, step_until = 1 WHERE job_id = $1",
        &[accepted],
    );
    world.change("UPDATE jobs SET step = 'refunding', step_reason = 'expired', attempt = 1, deadline = 1, step_since = 1, step_until = 1 WHERE job_id = $1", &[expired]);
    world.change("INSERT INTO jobs SELECT 99, title, description, pay_cents, job_type, status, employer_id, worker_id, deadline, created_at, updated_at, NULL, NULL, 'holding', NULL, 1, 1, 0, 1, NULL, NULL FROM jobs WHERE job_id = $1", &[open]);
    first.kill();
    let second = world.start(Background::Running);
    world.settled();
    world.is_consistent();
    assert_eq!(second.status(open).as_deref(), Some("open"));
    assert_eq!(second.status(accepted).as_deref(), Some("accepted"));
    assert_eq!(second.status(expired).as_deref(), Some("refunded"));
    assert_eq!(second.status(99), None);
}

#[test]
fn a_hold_that_is_being_undone_becomes_no_job_any_more() {
    let (mut world, service) = World::with_limits(Engine::Sqlite, Background::Running, Limits::Short);
    world.payments.set("hold", Mode::AnswerLost);
    world.payments.set("void", Mode::Busy);
    is_unavailable(&service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&draft())));
    eventually(SOON, || world.number("SELECT COUNT(*) FROM jobs WHERE step = 'voiding'") == 1);
    world.payments.set("void", Mode::Answer);
    world.settled();
    // The answer is heard once the hold is being undone.
    world.payments.set("hold", Mode::Hang);
    let patient = world.start_with(Background::Off, Limits::Patient);
    std::thread::scope(|scope| {
        let call =
            scope.spawn(|| patient.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&draft())));
        eventually(SOON, || world.payments.hanging() > 0);
        // As one does that finds the lease run out.
        let sql = "UPDATE jobs SET step = 'voiding', step_until = 9000000000000000 WHERE step = 'holding'";
        world.change(sql, &[]);
        world.payments.set("hold", Mode::Answer);
        is_unavailable(&call.join().expect("an answer"));
    });
    world.change("UPDATE jobs SET step_until = 1", &[]);
    world.settled();
    world.is_consistent();
    assert_eq!(world.number("SELECT COUNT(*) FROM jobs"), 0);
}
