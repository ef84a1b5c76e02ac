//! The story again and again while hub, services and database are killed at random moments: what was committed is
//! announced, in order and once, and the money is where the jobs say.
//!
//! `FANFARE_CHAOS_SECONDS` says for how long (20 by default, 120 for the whole proof), `FANFARE_SEED` repeats a run's
//! choices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use test_kit::http::Answer;
use test_kit::wait::holds_within;
use test_kit::{Client, Postgres};

use crate::recorder::{Accepted, Recorder};
use crate::stack::{Person, Stack, eventually, free_addresses};

/// Employers and workers who are busy at once.
const PAIRS: usize = 3;

/// How long a call is repeated until it has a definite answer.
const DEFINITE: Duration = Duration::from_secs(120);

/// What a pair does with a job in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    Cancel,
    Expire,
}

/// A small generator of choices, so that a seed repeats them.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Repeats a call until it has a definite answer: anything but silence, 5xx, and 409 for a key in flight.
fn insist(stack: &Stack, who: &Person, method: &str, path: &str, key: &str, body: Option<&Value>) -> Answer {
    let bearer = format!("Bearer {}", who.token);
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
    let mut definite = None;
    let _in_time = holds_within(DEFINITE, || {
        definite = stack.try_call(method, path, &headers, body).filter(|answer| {
            let in_flight = answer.status == 409 && answer.problem_code() == "idempotency_key_in_flight";
            answer.status < 500 && !in_flight
        });
        definite.is_some()
    });
    definite.unwrap_or_else(|| panic!("{method} {path}: no definite answer"))
}

/// One pair's work until it is told to stop; the jobs that it was told of, with the last state that it was told.
fn work(stack: &Stack, pair: usize, stop: &AtomicBool, mut choices: Choices) -> BTreeMap<i64, String> {
    let employer = register(stack, &format!("employer{pair}"), "employer");
    let worker = register(stack, &format!("worker{pair}"), "worker");
    let mut told = BTreeMap::new();
    for n in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let end = [End::Complete, End::Complete, End::Cancel, End::Expire]
            [usize::try_from(choices.below(4)).expect("small")];
        let mut job =
            json!({"title": format!("job {pair}/{n}"), "pay_amount_usd": 1.25, "job_type": "other"});
        if end == End::Expire {
            job["deadline"] = json!(soon());
        }
        let key = |step: &str| format!("{pair}-{n}-{step}");
        let answer = insist(stack, &employer, "POST", "/jobs", &key("post"), Some(&job));
        if answer.status == 422 {
            // The deadline passed while the parts were away.
            continue;
        }
        assert_eq!(answer.status, 201, "{}", answer.text());
        let id = answer.json()["job_id"].as_i64().expect("an id");
        told.insert(id, "open".to_owned());
        let accept = insist(stack, &worker, "POST", &format!("/jobs/{id}/accept"), &key("accept"), None);
        if accept.status == 200 {
            told.insert(id, "accepted".to_owned());
        } else {
            assert_eq!((accept.status, end), (409, End::Expire), "{}", accept.text());
        }
        let (step, state) = match end {
            End::Complete => ("complete", "completed"),
            End::Cancel => ("cancel", "refunded"),
            End::Expire => continue,
        };
        let answer = insist(stack, &employer, "POST", &format!("/jobs/{id}/{step}"), &key(step), None);
        // Also where the first try was done although its answer was a 503: its key gets the success.
        assert_eq!(answer.status, 200, "{step}: {}", answer.text());
        assert_eq!(answer.json()["status"], state);
        told.insert(id, state.to_owned());
    }
    told
}

fn register(stack: &Stack, name: &str, user_type: &str) -> Person {
    let email = format!("{name}@example.com");
    let body = json!({"email": email, "password": "correct horse", "name": name, "user_type": user_type});
    let login = json!({"email": email, "password": "correct horse"});
    let mut person = None;
    let _in_time = holds_within(DEFINITE, || {
        // A registration whose answer was lost is found by signing in.
        for (path, body) in [("/auth/register", &body), ("/auth/login", &login)] {
            let answer = stack.try_call("POST", path, &[], Some(body));
            if let Some(answer) = answer.filter(|answer| matches!(answer.status, 200 | 201)) {
                person = Some(Person::of(&answer.json(), email.clone()));
                return true;
            }
        }
        false
    });
    person.expect("a registration that gets through")
}

fn soon() -> String {
    let since = (SystemTime::now() + Duration::from_secs(2))
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    crate::story::timestamp(since)
}

#[test]
fn nothing_committed_is_lost_while_everything_dies_at_random() {
    let seconds =
        std::env::var("FANFARE_CHAOS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seed: u64 = std::env::var("FANFARE_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::from(clock.subsec_nanos()) | 1);
    println!("FANFARE_SEED={seed} FANFARE_CHAOS_SECONDS={seconds}");
    let postgres = Postgres::start();
    let database = postgres.database();
    let [hub] = free_addresses();
    let recorder = Recorder::start(hub);
    let stack = Arc::new(Stack::separate_with_hub_at(hub, Some(&database), Some(recorder.address)));
    let stop = Arc::new(AtomicBool::new(false));
    let pairs: Vec<_> = (0..PAIRS)
        .map(|pair| {
            let (stack, stop) = (Arc::clone(&stack), Arc::clone(&stop));
            thread::spawn(move || work(&stack, pair, &stop, Choices(seed ^ (pair as u64 + 1) << 32)))
        })
        .collect();
    let hub_kills = kill_at_random(&stack, &postgres, Duration::from_secs(seconds), Choices(seed));
    stop.store(true, Ordering::Relaxed);
    let mut told = BTreeMap::new();
    for pair in pairs {
        told.extend(pair.join().expect("a pair whose calls all had definite answers"));
    }
    println!("{} jobs were told of, the hub was killed {} times", told.len(), hub_kills);
    assert!(!told.is_empty());
    settle(&postgres, &database);
    stack.wait_until_relayed();
    jobs_and_money_agree(&postgres, &database, &told);
    let accepted = recorder.accepted();
    announced_in_order(&postgres, &database, &accepted);
    kept_once(hub, &accepted);
    let health = stack.health_of("payment-service");
    assert_eq!(health["books"], "balanced", "{health}");
}

/// Lets time pass, as a random moment is what this test is about.
fn pass(time: Duration) {
    let then = Instant::now() + time;
    assert!(holds_within(time + Duration::from_secs(60), || Instant::now() >= then));
}

/// Kills and restarts parts until the time is up; tells how often the hub was hit.
fn kill_at_random(stack: &Stack, postgres: &Postgres, time: Duration, mut choices: Choices) -> u32 {
    let end = Instant::now() + time;
    let mut hub_kills = 0;
    while Instant::now() < end {
        // Moments of nobody dying, so that some work gets through.
        pass(Duration::from_millis(300 + choices.below(1_200)));
        let away = Duration::from_millis(choices.below(1_000));
        match choices.below(9) {
            0 | 1 => {
                stack.hub.kill();
                pass(away);
                stack.hub.start();
                hub_kills += 1;
            }
            2 => {
                postgres.kill();
                pass(away);
                postgres.resume();
            }
            n => {
                let slot = &stack.services[usize::try_from(n % 3).expect("small")];
                slot.kill();
                pass(away);
                slot.start();
            }
        }
    }
    hub_kills
}

/// Waits until no job is between two states and every deadline that passed was acted on.
fn settle(postgres: &Postgres, database: &str) {
    let between = "SELECT COUNT(*) FROM job_service.jobs WHERE step IS NOT NULL
                   OR (status IN ('open', 'accepted') AND deadline IS NOT NULL)";
    eventually("no job is between two states", || postgres.query(database, between) == Ok("0".to_owned()));
}

/// The ids of all events that a stream of the hub's has.
fn kept(hub: SocketAddr, stream: &str) -> Vec<String> {
    let mut client = Client::welcomed(&format!("ws://{hub}/ws"));
    let (mut before, mut ids) = (Value::Null, Vec::new());
    loop {
        client.send_json(&json!({ "type": "history", "channel": stream, "limit": 1000, "before": before }));
        let mut page = client.next_json();
        while page["type"] != "history" {
            page = client.next_json();
        }
        let events = page["data"]["events"].as_array().cloned().unwrap_or_default();
        ids.extend(events.iter().map(|event| event["id"].as_str().unwrap_or_default().to_owned()));
        before = events.last().map_or(Value::Null, |event| event["offset"].clone());
        if page["data"]["more"] == false {
            return ids;
        }
    }
}

/// What the hub accepted is in its history, once, and nothing else is: also what it took before it died, and
/// answered only when it was asked again.
fn kept_once(hub: SocketAddr, accepted: &[Accepted]) {
    for (stream, of_stream) in
        [("@all", &["job_created"][..]), ("jobs", &["job_accepted", "job_completed", "job_refunded"])]
    {
        let mut kept = kept(hub, stream);
        kept.sort_unstable();
        let told: BTreeSet<&str> = accepted
            .iter()
            .filter(|event| of_stream.contains(&event.event_type.as_str()))
            .map(|event| event.publication.as_str())
            .collect();
        assert!(
            kept.iter().map(String::as_str).eq(told.iter().copied()),
            "{stream}: {kept:?}; told {told:?}"
        );
    }
}

fn rows(postgres: &Postgres, database: &str, sql: &str) -> Vec<Vec<String>> {
    let text = postgres.query(database, sql).expect("an answer");
    text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

fn jobs_and_money_agree(postgres: &Postgres, database: &str, told: &BTreeMap<i64, String>) {
    let jobs = rows(postgres, database, "SELECT job_id, status FROM job_service.jobs");
    let jobs: BTreeMap<i64, String> =
        jobs.into_iter().map(|row| (row[0].parse().expect("an id"), row[1].clone())).collect();
    let payments = rows(postgres, database, "SELECT job_id, status FROM payment_service.payments");
    let payments: BTreeMap<i64, String> =
        payments.into_iter().map(|row| (row[0].parse().expect("an id"), row[1].clone())).collect();
    for (id, state) in told {
        let now = jobs.get(id).unwrap_or_else(|| panic!("job {id} is gone, which was told as {state}"));
        let later = state == now || (matches!(state.as_str(), "open" | "accepted"));
        assert!(later, "job {id} was told as {state} and is {now}");
    }
    for (id, state) in &jobs {
        let wanted = match state.as_str() {
            "completed" => "released",
            "refunded" => "refunded",
            _ => "held",
        };
        assert_eq!(payments.get(id).map(String::as_str), Some(wanted), "job {id} is {state}");
    }
    for (id, state) in &payments {
        let held_for_nobody = !jobs.contains_key(id) && state != "refunded";
        assert!(!held_for_nobody, "payment of job {id} is {state}, and there is no such job");
    }
}

/// Every change of a job and of its payment was accepted by the hub, in order and once: what a relay repeats, also behind
/// the death of the hub, gets the id of the first time.
fn announced_in_order(postgres: &Postgres, database: &str, accepted: &[Accepted]) {
    let mut seen: BTreeMap<&str, &Accepted> = BTreeMap::new();
    let mut repeats = 0;
    let mut by_job: BTreeMap<(bool, i64), Vec<&str>> = BTreeMap::new();
    for event in accepted {
        if let Some(first) = seen.insert(event.event_id.as_str(), event) {
            assert_eq!(first.publication, event.publication, "{} was accepted twice", event.event_id);
            repeats += 1;
            continue;
        }
        if let Some(job) = event.data["job_id"].as_i64() {
            let money = event.event_type.starts_with("payment_");
            by_job.entry((money, job)).or_default().push(event.event_type.as_str());
        }
    }
    println!("the hub accepted {} events, and recognised {repeats} repeats", seen.len());
    let jobs = rows(postgres, database, "SELECT job_id, status, worker_id FROM job_service.jobs");
    assert!(!jobs.is_empty());
    for row in jobs {
        let id: i64 = row[0].parse().expect("an id");
        let mut wanted = vec!["job_created"];
        if !row[2].is_empty() {
            wanted.push("job_accepted");
        }
        match row[1].as_str() {
            "completed" => wanted.push("job_completed"),
            "refunded" => wanted.push("job_refunded"),
            _ => {}
        }
        assert_eq!(by_job.get(&(false, id)), Some(&wanted), "job {id}");
    }
    for row in rows(postgres, database, "SELECT job_id, status FROM payment_service.payments") {
        let id: i64 = row[0].parse().expect("an id");
        let mut wanted = vec!["payment_held"];
        match row[1].as_str() {
            "released" => wanted.push("payment_confirmed"),
            "refunded" => wanted.push("payment_refunded"),
            _ => {}
        }
        assert_eq!(by_job.get(&(true, id)), Some(&wanted), "the payment of job {id}");
    }
    let users = rows(postgres, database, "SELECT user_id FROM user_service.users").len();
    let registered: BTreeSet<&str> = accepted
        .iter()
        .filter(|event| event.event_type == "user_registered")
        .map(|event| event.event_id.as_str())
        .collect();
    assert_eq!(registered.len(), users, "every registration was announced");
}
