//! The story that the platform is for, as its users' programs would tell it: both see exactly the contract's events, in
//! order.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use test_kit::wait::holds_within;
use test_kit::{Client, Postgres};

use crate::stack::{PATIENCE, Person, Stack};

/// Notifications that rules make from the events come besides them, where there is their service.
const NOTIFICATION: &str = "notification";

/// When a job expires that is posted to expire.
const EXPIRY: Duration = Duration::from_secs(5);

/// The events that come until the one of this type and job, without what the connection itself says.
fn events_until(client: &mut Client, wanted: &[(&str, i64)]) -> Vec<Value> {
    let mut left = wanted.to_vec();
    let mut events = Vec::new();
    while !left.is_empty() {
        let event = client.next_json_within(Duration::from_secs(20));
        if event["type"] == NOTIFICATION {
            continue;
        }
        left.retain(|(name, job)| !(event["type"] == *name && event["data"]["job_id"] == *job));
        events.push(event);
    }
    events.extend(others(client.ping_barrier()));
    events
}

/// Without notifications.
fn others(events: Vec<Value>) -> Vec<Value> {
    events.into_iter().filter(|event| event["type"] != NOTIFICATION).collect()
}

/// The events of one service, in the order in which they came: type and data.
fn of_service(events: &[Value], prefix: &str) -> Vec<(String, Value)> {
    let own =
        events.iter().filter(|event| event["type"].as_str().is_some_and(|name| name.starts_with(prefix)));
    own.map(|event| (event["type"].as_str().unwrap_or_default().to_owned(), event["data"].clone())).collect()
}

/// A call that is made again, with the same key, where the payment service was not heard in time: what came of it is told
/// then. The JSON of its answer, and how often it was made.
#[track_caller]
fn insist(stack: &Stack, who: &Person, path: &str, body: Option<&Value>, status: u16) -> (Value, u32) {
    let bearer = format!("Bearer {}", who.token);
    let key = body.map_or(path, |body| body["title"].as_str().unwrap_or_default()).replace([' ', '/'], "-");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", key.as_str())];
    let (mut told, mut calls) = (None, 0);
    let _in_time = holds_within(PATIENCE, || {
        calls += 1;
        told = stack.try_call("POST", path, &headers, body);
        told.as_ref().is_none_or(|it| it.status != 503 || it.problem_code() != "payment_unavailable")
    });
    let answer = told.unwrap_or_else(|| panic!("POST {path}: no answer"));
    assert_eq!(answer.status, status, "POST {path}: {}", answer.text());
    (answer.json(), calls)
}

/// The job's id, and how often it was posted until it was there.
fn post_job(stack: &Stack, employer: &Person, title: &str, deadline: Option<SystemTime>) -> (i64, u32) {
    let mut job =
        json!({"title": title, "pay_amount_usd": 25.5, "job_type": "other", "description": "<b>'; --"});
    if let Some(deadline) = deadline {
        let since = deadline.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        job["deadline"] = json!(timestamp(since));
    }
    let (posted, calls) = insist(stack, employer, "/jobs", Some(&job), 201);
    (posted["job_id"].as_i64().expect("a job's id"), calls)
}

/// RFC 3339 by hand: the tests know nothing of the workspace's own crates.
pub(crate) fn timestamp(since: Duration) -> String {
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days since 1970 to a civil date (Howard Hinnant's algorithm).
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

fn tell(stack: &Stack) {
    let (employer, worker) = (stack.register("erin", "employer"), stack.register("wanda", "worker"));
    // What registering told is no part of the story, and must not come between a question and its answer.
    stack.wait_until_relayed();
    let mut at_employer = stack.connect(&employer);
    at_employer.subscribe(&["jobs", "payments"]);
    let mut at_worker = stack.connect(&worker);
    at_worker.subscribe(&["jobs"]);
    at_employer.ping_barrier();
    at_worker.ping_barrier();

    let (job, first_posts) = post_job(stack, &employer, "Walk two dogs", None);
    let accepted = stack.call(&worker, "POST", &format!("/jobs/{job}/accept"), None, 200);
    assert_eq!((&accepted["status"], &accepted["worker_id"]), (&json!("accepted"), &json!(worker.id)));
    let (completed, _) = insist(stack, &employer, &format!("/jobs/{job}/complete"), None, 200);
    assert_eq!(completed["status"], "completed");
    let wallet = stack.call(&worker, "GET", "/wallet", None, 200);
    assert_eq!((&wallet["balance_usd"], &wallet["held_usd"]), (&json!(25.5), &json!(0)));

    let before = SystemTime::now();
    let (expiring, second_posts) = post_job(stack, &employer, "Too late", Some(before + EXPIRY));
    let wanted = [("job_completed", job), ("payment_confirmed", job), ("job_refunded", expiring)];
    let mut events =
        events_until(&mut at_employer, &[wanted.as_slice(), &[("payment_refunded", expiring)]].concat());
    if first_posts + second_posts > 2 {
        // A hold that was not heard in time became no job, and its money came back.
        events.retain(|event| [job, expiring].iter().any(|id| event["data"]["job_id"] == *id));
    }
    assert!(before.elapsed().expect("time goes on") >= EXPIRY, "never before the deadline");

    let payment =
        stack.call(&employer, "GET", &format!("/payments?job_id={job}"), None, 200)["items"][0]["payment_id"]
            .clone();
    let second = stack.call(&employer, "GET", &format!("/payments?job_id={expiring}"), None, 200)["items"][0]
        ["payment_id"]
        .clone();
    let (e, w) = (employer.id, worker.id);
    let created = |job: i64, title: &str| json!({"job_id": job, "title": title, "pay_amount_usd": 25.5, "job_type": "other"});
    let parties = json!({"job_id": job, "worker_id": w, "employer_id": e, "title": "Walk two dogs"});
    let done = json!({"job_id": job, "payment_released": true, "employer_id": e, "worker_id": w, "title": "Walk two dogs"});
    let refunded = json!({"job_id": expiring, "reason": "expired", "employer_id": e, "worker_id": null, "title": "Too late"});
    let told = |name: &str, data: &Value| (name.to_owned(), data.clone());
    assert_eq!(
        of_service(&events, "job_"),
        [
            told("job_created", &created(job, "Walk two dogs")),
            told("job_accepted", &parties),
            told("job_completed", &done),
            told("job_created", &created(expiring, "Too late")),
            told("job_refunded", &refunded),
        ]
    );
    let money = |payment: &Value, job: i64, worker: Value, status: &str| json!({"payment_id": payment, "job_id": job, "amount_usd": 25.5, "employer_id": e, "worker_id": worker, "status": status});
    assert_eq!(
        of_service(&events, "payment_"),
        [
            told("payment_held", &money(&payment, job, Value::Null, "held")),
            told("payment_confirmed", &money(&payment, job, json!(w), "released")),
            told("payment_held", &money(&second, expiring, Value::Null, "held")),
            told("payment_refunded", &money(&second, expiring, Value::Null, "refunded")),
        ]
    );
    assert_eq!(events.len(), 9, "nothing else comes: {events:?}");
    for event in &events {
        let members: Vec<&String> = event.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["data", "timestamp", "type"]);
    }

    // The worker sees the same jobs, and of the money what is theirs.
    let events = events_until(&mut at_worker, &[("job_refunded", expiring), ("payment_confirmed", job)]);
    let names: Vec<String> = of_service(&events, "job_").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["job_created", "job_accepted", "job_completed", "job_created", "job_refunded"]);
    assert_eq!(
        of_service(&events, "payment_"),
        [told("payment_confirmed", &money(&payment, job, json!(w), "released"))]
    );

    sign_out(stack, &employer, at_employer, &mut at_worker);
}

/// A session that is ended takes its sockets along, after its last event, and nobody else's.
fn sign_out(stack: &Stack, employer: &Person, mut at_employer: Client, at_worker: &mut Client) {
    let login = json!({"email": employer.email, "password": "correct horse"});
    let answer = stack.try_call("POST", "/auth/login", &[], Some(&login)).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let elsewhere = Person::of(&answer.json(), employer.email.clone());
    assert_eq!(
        at_employer.collect_until("user_logged_in").last().expect("a frame")["data"],
        json!({"user_id": employer.id, "user_type": "employer"})
    );
    let mut second = stack.connect(&elsewhere);
    let body = json!({"refresh_token": employer.refresh_token});
    stack.call(employer, "POST", "/auth/logout", Some(&body), 204);
    let (events, code, reason) = at_employer.collect_until_close(Duration::from_secs(20));
    let events = others(events);
    let names: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!((names, code, reason.as_str()), (vec!["user_logged_out"], 4001, "Unauthorized"));
    assert_eq!(second.expect_type("user_logged_out")["data"]["user_id"], employer.id);
    assert!(others(second.ping_barrier()).is_empty(), "the other session stays");
    stack.call(&elsewhere, "POST", "/auth/logout-all", None, 204);
    let (events, code, _) = second.collect_until_close(Duration::from_secs(20));
    assert_eq!(
        (events.last().map(|event| event["type"].clone()), code),
        (Some(json!("session_revoked")), 4001)
    );
    assert!(others(at_worker.ping_barrier()).is_empty(), "none of it is the worker's");
}

#[test]
fn both_see_exactly_the_contracts_events_with_separate_processes() {
    tell(&Stack::separate(None));
}

#[test]
fn both_see_exactly_the_contracts_events_with_separate_processes_on_postgres() {
    tell(&Stack::separate(Some(&Postgres::shared().database())));
}

#[test]
fn both_see_exactly_the_contracts_events_with_fanfare_up() {
    tell(&Stack::up(|launch| launch));
}
