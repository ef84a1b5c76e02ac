//! What calls must look like, what they are answered, and what events tell of them.

use serde_json::{Value, json};

use crate::harness::{Background, Caller, Engine, World, draft, in_millis};

const EMPLOYER: i64 = 1;
const WORKER: i64 = 2;

fn members(problem: &Value) -> Vec<&str> {
    problem["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| error["member"].as_str().expect("a name"))
        .collect()
}

fn ids(list: &Value) -> Vec<i64> {
    list["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|job| job["job_id"].as_i64().expect("an id"))
        .collect()
}

#[test]
fn every_wrong_member_is_named_and_no_other() {
    let (world, service) = World::with(Engine::Sqlite, Background::Off);
    let post = |body: &Value| service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(body));
    let all = post(&json!({
        "title": "", "description": 7, "pay_amount_usd": 0.001, "job_type": "Development", "deadline": "tomorrow"
    }));
    assert_eq!((all.status, all.problem_code().as_str()), (422, "invalid"));
    assert_eq!(members(&all.json()), ["title", "description", "pay_amount_usd", "job_type", "deadline"]);
    let wrong: &[(&str, Value)] = &[
        ("title", Value::Null),
        ("title", json!("x".repeat(201))),
        ("title", json!("a\u{0}b")),
        ("title", json!(["a"])),
        ("description", json!("x".repeat(20_001))),
        ("pay_amount_usd", json!(0)),
        ("pay_amount_usd", json!(-5)),
        ("pay_amount_usd", json!("5")),
        ("pay_amount_usd", json!(1.999)),
        ("pay_amount_usd", json!(1_000_000_000.01)),
        ("pay_amount_usd", json!(1e300)),
        ("pay_amount_usd", Value::Null),
        ("job_type", json!("cooking")),
        ("job_type", json!(1)),
        ("deadline", json!("2001-01-01T00:00:00Z")),
        ("deadline", json!(in_millis(0))),
        ("deadline", json!("2100-01-01T00:00:00")),
        ("deadline", json!(4_102_444_800_i64)),
        ("deadline", json!("")),
    ];
    for (member, value) in wrong {
        let mut body = draft();
        body[*member] = value.clone();
        let answer = post(&body);
        assert_eq!(answer.status, 422, "{member}: {value}: {}", answer.text());
        assert_eq!(members(&answer.json()), [*member], "{value}");
    }
    for body in [json!([]), json!("job"), Value::Null] {
        assert_eq!(post(&body).status, 422, "{body}");
    }
    assert!(world.payments.all().is_empty());
}

#[test]
fn what_is_written_comes_back_unchanged() {
    let (_world, service) = World::with(Engine::Sqlite, Background::Off);
    let title = " '; DROP TABLE jobs; -- <b>\u{202e}\u{1}\t🦀 ";
    let body = json!({
        "title": title, "description": "x".repeat(20_000), "pay_amount_usd": 1_000_000_000, "job_type": "data_entry",
        "deadline": "2099-12-31T23:00:00.1239+02:00", "job_id": 77, "status": "completed"
    });
    let answer = service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&body));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let job = answer.json();
    let found = service.get(Caller::Worker(WORKER), &format!("/jobs/{}", job["job_id"])).json();
    assert_eq!(found, job);
    assert_eq!((job["title"].as_str(), job["status"].as_str()), (Some(title), Some("open")));
    assert_eq!((job["description"].as_str().map(str::len), &job["worker_id"]), (Some(20_000), &Value::Null));
    assert_eq!(job["deadline"], "2099-12-31T21:00:00.123Z");
    assert!(answer.text().contains("\"pay_amount_usd\":1000000000,"), "{}", answer.text());
    let mut names: Vec<&str> = job.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "created_at",
        "deadline",
        "description",
        "employer_id",
        "job_id",
        "job_type",
        "pay_amount_usd",
        "status",
        "title",
        "updated_at",
        "worker_id",
    ];
    assert_eq!(names, expected);
    let plain = service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&draft())).json();
    assert_eq!((&plain["description"], &plain["deadline"]), (&json!(""), &Value::Null));
    assert_eq!(plain["pay_amount_usd"], 12.5);
}

#[test]
fn callers_paths_and_bodies_are_checked_in_this_order() {
    let (_world, service) = World::with(Engine::Sqlite, Background::Off);
    let job_id = service.job(EMPLOYER);
    for path in ["/jobs", "/jobs/1", "/jobs/x"] {
        let answer = service.get(Caller::Nobody, path);
        assert_eq!((answer.status, answer.problem_code().as_str()), (401, "unauthorized"), "{path}");
    }
    assert_eq!(service.post_with(Caller::Nobody, "/jobs", &[], Some(&json!({}))).status, 401);
    assert_eq!(service.post_with(Caller::Worker(WORKER), "/jobs", &[], Some(&json!({}))).status, 403);
    for id in ["999", "0", "-1", "x", "1.0", "9007199254740992", "%00"] {
        assert_eq!(service.get(Caller::Worker(WORKER), &format!("/jobs/{id}")).status, 404, "{id}");
        assert_eq!(service.post(Caller::Worker(WORKER), &format!("/jobs/{id}/accept")).status, 404, "{id}");
        assert_eq!(
            service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{id}/complete")).status,
            404,
            "{id}"
        );
        assert_eq!(
            service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{id}/cancel")).status,
            404,
            "{id}"
        );
    }
    let not_allowed = service.get(Caller::Worker(WORKER), &format!("/jobs/{job_id}/accept"));
    assert_eq!((not_allowed.status, not_allowed.header("allow")), (405, Some("POST")));
    assert_eq!(service.get(Caller::Worker(WORKER), "/jobs/1/paint").status, 404);
    let send = |kind: &str, body: &[u8]| {
        let token = format!("Bearer {}", crate::harness::token(Caller::Employer(EMPLOYER)));
        let headers = [("authorization", token.as_str()), ("content-type", kind)];
        test_kit::http::request(service.address, "POST", "/jobs", &headers, Some(body)).status
    };
    assert_eq!(send("text/plain", b"{}"), 415);
    assert_eq!(send("application/json", b""), 400);
    assert_eq!(send("application/json", b"{"), 400);
    assert_eq!(send("application/json", b"{\"title\":\"\xff\"}"), 400);
    assert_eq!(send("application/json", &vec![b' '; (1 << 20) + 1]), 413);
    let health = service.get(Caller::Nobody, "/health");
    assert_eq!((health.status, health.json()["service"].as_str()), (200, Some("job-service")));
    assert_eq!(health.json()["steps"]["pending"], 0);
    let openapi = service.get(Caller::Nobody, "/openapi.json").json();
    assert!(openapi["paths"]["/jobs/{job_id}/complete"]["post"]["responses"]["503"].is_object(), "{openapi}");
    let metrics = service.get(Caller::Nobody, "/metrics").text();
    assert!(metrics.contains("fanfare_jobs_total{event=\"created\"} 1"), "{metrics}");
}

fn lists_are_filtered_and_paged(engine: Engine) {
    let (_world, service) = World::with(engine, Background::Off);
    let mut posted: Vec<i64> = (0..7).map(|n| service.job(if n % 2 == 0 { EMPLOYER } else { 11 })).collect();
    for job_id in [posted[0], posted[1], posted[4]] {
        assert_eq!(service.post(Caller::Worker(WORKER), &format!("/jobs/{job_id}/accept")).status, 200);
    }
    assert_eq!(
        service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{}/complete", posted[0])).status,
        200
    );
    assert_eq!(service.post(Caller::Employer(11), &format!("/jobs/{}/cancel", posted[3])).status, 200);
    let mut other = draft();
    other["job_type"] = json!("design");
    let answer = service.post_with(Caller::Employer(EMPLOYER), "/jobs", &[], Some(&other));
    posted.push(answer.json()["job_id"].as_i64().expect("an id"));
    let get = |caller, path: &str| service.get(caller, path);
    let list = |caller, query: &str| ids(&get(caller, &format!("/jobs?{query}")).json());
    let (employer, worker) = (Caller::Employer(EMPLOYER), Caller::Worker(WORKER));
    let pick = |numbers: &[usize]| numbers.iter().map(|n| posted[*n]).collect::<Vec<i64>>();
    assert_eq!(list(worker, ""), pick(&[7, 6, 5, 4, 3, 2, 1, 0]));
    assert_eq!(list(worker, "status=open"), pick(&[7, 6, 5, 2]));
    assert_eq!(list(worker, "status=accepted"), pick(&[4, 1]));
    assert_eq!(list(worker, "status=completed"), pick(&[0]));
    assert_eq!(list(worker, "status=refunded"), pick(&[3]));
    assert_eq!(list(worker, "job_type=design"), pick(&[7]));
    assert_eq!(list(worker, "job_type=design&status=accepted"), pick(&[]));
    assert_eq!(list(worker, "mine=true"), pick(&[4, 1, 0]));
    assert_eq!(list(worker, "mine=true&status=accepted&job_type=other"), pick(&[4, 1]));
    assert_eq!(list(Caller::Worker(77), "mine=true"), pick(&[]));
    assert_eq!(list(employer, "mine=true"), pick(&[7, 6, 4, 2, 0]));
    assert_eq!(list(employer, "mine=false").len(), 8);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(employer, &format!("/jobs?mine=true&limit=2&cursor={cursor}")).json();
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(seen, pick(&[7, 6, 4, 2, 0]));
    // A cursor belongs to its filters, and with `mine` to its caller.
    assert_eq!(get(employer, &format!("/jobs?mine=true&cursor={cursor}")).status, 200);
    for (caller, query) in [
        (Caller::Employer(11), format!("mine=true&cursor={cursor}")),
        (employer, format!("cursor={cursor}")),
        (employer, format!("mine=true&status=open&cursor={cursor}")),
        (employer, "cursor=x".to_owned()),
    ] {
        let answer = get(caller, &format!("/jobs?{query}"));
        assert_eq!((answer.status, members(&answer.json())), (422, vec!["cursor"]), "{query}");
    }
    let wrong = get(employer, "/jobs?status=closed&job_type=x&mine=yes&limit=0&cursor=x");
    assert_eq!(wrong.status, 422);
    let mut named = members(&wrong.json()).iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    named.sort_unstable();
    assert_eq!(named, ["cursor", "job_type", "limit", "mine", "status"]);
}

#[test]
fn lists_are_filtered_and_paged_on_sqlite() {
    lists_are_filtered_and_paged(Engine::Sqlite);
}

#[test]
fn lists_are_filtered_and_paged_on_postgres() {
    lists_are_filtered_and_paged(Engine::Postgres);
}

#[test]
fn events_tell_what_happened_to_whom_in_order() {
    let (world, service) = World::with(Engine::Sqlite, Background::Running);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let header = format!("00-{trace}-00f067aa0ba902b7-01");
    let traced = [("traceparent", header.as_str())];
    let job = service.post_with(Caller::Employer(EMPLOYER), "/jobs", &traced, Some(&draft())).json();
    let job_id = job["job_id"].as_i64().expect("an id");
    service.post(Caller::Worker(WORKER), &format!("/jobs/{job_id}/accept"));
    let done = service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{job_id}/complete")).json();
    let events = world.events(job_id);
    assert_eq!(world.event_types(job_id), ["job_created", "job_accepted", "job_completed"]);
    assert_eq!(
        events[0]["data"],
        json!({"job_id": job_id, "title": "Walk the dog", "pay_amount_usd": 12.5, "job_type": "other"})
    );
    assert!(events[0].get("channels").is_none() && events[0].get("user_ids").is_none(), "to everyone");
    assert_eq!(events[0]["timestamp"], job["created_at"]);
    assert!(events[0]["traceparent"].as_str().is_some_and(|value| value.contains(trace)), "{}", events[0]);
    for event in &events[1..] {
        assert_eq!((&event["channels"], &event["user_ids"]), (&json!(["jobs"]), &json!([EMPLOYER, WORKER])));
    }
    let title = "Walk the dog";
    assert_eq!(
        events[1]["data"],
        json!({"job_id": job_id, "worker_id": WORKER, "employer_id": EMPLOYER, "title": title})
    );
    assert_eq!(
        events[2]["data"],
        json!({
            "job_id": job_id, "payment_released": true, "employer_id": EMPLOYER, "worker_id": WORKER, "title": title
        })
    );
    assert_eq!(events[2]["timestamp"], done["updated_at"]);
    let cancelled = service.job(EMPLOYER);
    service.post(Caller::Employer(EMPLOYER), &format!("/jobs/{cancelled}/cancel"));
    let event = world.events(cancelled).pop().expect("an event");
    assert_eq!((&event["channels"], &event["user_ids"]), (&json!(["jobs"]), &json!([EMPLOYER])));
    assert_eq!(
        event["data"],
        json!({
            "job_id": cancelled, "reason": "cancelled", "employer_id": EMPLOYER, "worker_id": null, "title": title
        })
    );
}
