//! `Idempotency-Key`: the first success comes again, also where its caller did not hear of it.

use serde_json::{Value, json};
use test_kit::eventually;
use test_kit::http::Answer;

use crate::harness::{
    Background, Caller, Engine, Instance, Limits, SOON, World, draft, in_millis, until_before,
};
use crate::payment::Mode;

const EMPLOYER: i64 = 1;
const WORKER: i64 = 2;

fn post(service: &Instance, key: &str, body: &Value) -> Answer {
    service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[("idempotency-key", key)], Some(body))
}

/// Completes or cancels a job with a key.
fn close(service: &Instance, job_id: i64, step: &str, key: &str) -> Answer {
    let path = format!("/jobs/{job_id}/{step}");
    service.post_with(Caller::Employer(EMPLOYER), &path, &[("idempotency-key", key)], None)
}

#[test]
fn a_posted_job_is_told_again_when_its_deadline_has_passed() {
    let (world, service) = World::with(Engine::Sqlite, Background::Running);
    let deadline = in_millis(2_500);
    let mut body = draft();
    body["deadline"] = json!(deadline);
    let first = post(&service, "k", &body);
    assert_eq!(first.status, 201, "{}", first.text());
    until_before(0, &deadline);
    let again = post(&service, "k", &body);
    assert_eq!((again.status, again.text()), (201, first.text()));
    let fresh = post(&service, "another", &body);
    assert_eq!((fresh.status, fresh.problem_code().as_str()), (422, "invalid"));
    assert_eq!(world.payments.all().len(), 1);
}

#[test]
fn a_used_key_with_another_body_is_told_whatever_that_body_is() {
    let (world, service) = World::with(Engine::Sqlite, Background::Off);
    assert_eq!(post(&service, "k", &draft()).status, 201);
    for body in [json!({"title": ""}), json!([]), json!({})] {
        let answer = post(&service, "k", &body);
        assert_eq!(
            (answer.status, answer.problem_code().as_str()),
            (422, "idempotency_key_reused"),
            "{body}"
        );
    }
    let token = format!("Bearer {}", crate::harness::token(Caller::Employer(EMPLOYER)));
    let send = |key: &str, body: &[u8]| {
        let headers = [
            ("authorization", token.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        test_kit::http::request(service.address, "POST", "/jobs", &headers, Some(body))
    };
    for body in [b"{".as_slice(), b"", b"{\"title\":\"\xff\"}"] {
        let answer = send("k", body);
        assert_eq!((answer.status, answer.problem_code().as_str()), (422, "idempotency_key_reused"));
        assert_eq!(send("new", body).status, 400);
    }
    // A key whose call was refused is as good as new.
    assert_eq!(post(&service, "new", &draft()).status, 201);
    assert_eq!(world.payments.all().len(), 2);
}

fn a_success_that_was_not_heard_is_told_to_the_same_key(engine: Engine) {
    let (world, service) = World::with_limits(engine, Background::Running, Limits::Short);
    for (operation, step, end) in [("release", "complete", "completed"), ("refund", "cancel", "refunded")] {
        for mode in [Mode::AnswerLost, Mode::AnswerBroken] {
            let job_id = service.accepted(EMPLOYER, WORKER);
            world.payments.set(operation, mode);
            let unheard = close(&service, job_id, step, "k");
            assert_eq!(unheard.status, 503, "{}", unheard.text());
            let title = unheard.json()["title"].as_str().expect("a title").to_owned();
            assert_eq!(title, "The payment service did not answer; the outcome will show in the job");
            // It waits for the end of the step if that is not there yet.
            let again = close(&service, job_id, step, "k");
            assert_eq!((again.status, again.json()["status"].as_str()), (200, Some(end)), "{}", again.text());
            assert_eq!(close(&service, job_id, step, "k").text(), again.text());
            let other = close(&service, job_id, step, "another");
            assert_eq!((other.status, other.json()["state"].as_str()), (409, Some(end)));
            let path = format!("/jobs/{job_id}/{step}");
            let headers = [("idempotency-key", "k")];
            let reused =
                service.post_with(Caller::Employer(EMPLOYER), &path, &headers, Some(&json!({"n": 1})));
            assert_eq!((reused.status, reused.problem_code().as_str()), (422, "idempotency_key_reused"));
            let mut keys = world.payments.keys(operation);
            keys.retain(|key| key.starts_with(&format!("job-{job_id}-")));
            keys.dedup();
            assert_eq!(keys, [format!("job-{job_id}-{operation}-1")], "the money moved once");
            world.payments.set(operation, Mode::Answer);
            world.settled();
            world.is_consistent();
        }
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM jobs WHERE call_scope IS NOT NULL"), 0);
}

#[test]
fn a_success_that_was_not_heard_is_told_to_the_same_key_on_sqlite() {
    a_success_that_was_not_heard_is_told_to_the_same_key(Engine::Sqlite);
}

#[test]
fn a_success_that_was_not_heard_is_told_to_the_same_key_on_postgres() {
    a_success_that_was_not_heard_is_told_to_the_same_key(Engine::Postgres);
}

#[test]
fn a_repeat_waits_while_nobody_knows_and_does_what_was_not_done() {
    for mode in [Mode::Hang, Mode::AnswerLost] {
        let (world, service) = World::with_limits(Engine::Sqlite, Background::Running, Limits::Short);
        let job_id = service.accepted(EMPLOYER, WORKER);
        world.settled();
        world.payments.set("release", mode);
        world.payments.set("void", Mode::Busy);
        assert_eq!(close(&service, job_id, "complete", "k").status, 503);
        let asked = world.payments.keys("void").len();
        let again = std::thread::scope(|scope| {
            let again = scope.spawn(|| close(&service, job_id, "complete", "k"));
            eventually(SOON, || world.payments.keys("void").len() > asked + 1);
            assert!(!again.is_finished(), "{mode:?}: answered although nobody knows");
            world.payments.set("release", Mode::Answer);
            world.payments.set("void", Mode::Answer);
            again.join().expect("an answer")
        });
        assert_eq!(again.status, 200, "{mode:?}: {}", again.text());
        assert_eq!(close(&service, job_id, "complete", "k").text(), again.text());
        world.payments.deliver_late();
        world.settled();
        world.is_consistent();
    }
}

#[test]
fn while_nobody_knows_for_long_a_repeat_says_so() {
    let (world, service) = World::with_limits(Engine::Sqlite, Background::Running, Limits::Short);
    let job_id = service.accepted(EMPLOYER, WORKER);
    world.payments.set("release", Mode::AnswerLost);
    world.payments.set("void", Mode::Busy);
    for title in [
        "The payment service did not answer; the outcome will show in the job",
        "An earlier call is not decided yet; this one has changed nothing",
    ] {
        let answer = close(&service, job_id, "complete", "k");
        assert_eq!((answer.status, answer.json()["title"].as_str()), (503, Some(title)));
    }
    world.payments.set("void", Mode::Answer);
    world.settled();
    assert_eq!(close(&service, job_id, "complete", "k").json()["status"], "completed");
    world.is_consistent();
}

#[test]
fn a_cancel_that_its_deadline_overtakes_is_told_as_what_it_was() {
    let (world, service) = World::with_limits(Engine::Sqlite, Background::Running, Limits::Short);
    let job_id = service.accepted(EMPLOYER, WORKER);
    world.settled();
    world.payments.set("refund", Mode::AnswerLost);
    world.payments.set("void", Mode::Busy);
    assert_eq!(close(&service, job_id, "cancel", "k").status, 503);
    world.change("UPDATE jobs SET deadline = 1 WHERE job_id = $1", &[job_id]);
    let other = close(&service, job_id, "cancel", "another");
    assert_eq!((other.status, other.json()["state"].as_str()), (409, Some("refunded")));
    let again = std::thread::scope(|scope| {
        let asked = world.payments.keys("void").len();
        let again = scope.spawn(|| close(&service, job_id, "cancel", "k"));
        eventually(SOON, || world.payments.keys("void").len() > asked + 1);
        assert!(!again.is_finished(), "answered although nobody knows");
        world.payments.set("void", Mode::Answer);
        again.join().expect("an answer")
    });
    assert_eq!((again.status, again.json()["status"].as_str()), (200, Some("refunded")), "{}", again.text());
    let events = world.events(job_id);
    assert_eq!(events.last().map(|event| event["data"]["reason"].clone()), Some(json!("cancelled")));
}

#[test]
fn an_answer_that_the_background_was_faster_with_is_kept() {
    let mut world = World::new(Engine::Sqlite);
    let service = world.start_with(Background::Running, Limits::Long);
    for (operation, step, name) in [("release", "complete", "releasing"), ("refund", "cancel", "refunding")] {
        let job_id = service.accepted(EMPLOYER, WORKER);
        world.payments.set(operation, Mode::Held);
        let first = std::thread::scope(|scope| {
            let call = scope.spawn(|| close(&service, job_id, step, "k"));
            eventually(SOON, || world.payments.of(job_id).is_some_and(|payment| payment.status != "held"));
            // As if the call took longer than its lease.
            world.change("UPDATE jobs SET step_until = 1 WHERE job_id = $1 AND step IS NOT NULL", &[job_id]);
            eventually(SOON, || world.number("SELECT COUNT(*) FROM jobs WHERE step IS NOT NULL") == 0);
            world.payments.set(operation, Mode::Answer);
            call.join().expect("an answer")
        });
        assert_eq!(first.status, 200, "{}", first.text());
        let again = close(&service, job_id, step, "k");
        assert_eq!((again.status, again.text()), (200, first.text()), "{step}");
        let counted =
            format!("fanfare_job_steps_total{{by=\"background\",outcome=\"settled\",step=\"{name}\"}} 1");
        eventually(SOON, || service.get(Caller::Nobody, "/metrics").text().contains(&counted));
    }
    world.is_consistent();
}

#[test]
fn a_success_of_an_instance_that_died_is_told_by_another() {
    let mut world = World::new(Engine::Sqlite);
    let first = world.start_with(Background::Off, Limits::Short);
    let job_id = first.accepted(EMPLOYER, WORKER);
    world.payments.set("release", Mode::AnswerLost);
    assert_eq!(close(&first, job_id, "complete", "k").status, 503);
    first.kill();
    let second = world.start_with(Background::Running, Limits::Short);
    let again = close(&second, job_id, "complete", "k");
    assert_eq!((again.status, again.json()["status"].as_str()), (200, Some("completed")), "{}", again.text());
    world.settled();
    world.is_consistent();
}
