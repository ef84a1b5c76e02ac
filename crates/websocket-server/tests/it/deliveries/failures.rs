//! Services that are away, slow, broken or lying: within the bound nothing is lost, beyond it each record is counted.

use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::hooks::service::Gate;
use super::*;

/// For a service that is asked later and later.
const LONG: Duration = Duration::from_secs(60);

/// What a service that keeps what it takes has; what it refused it does not have.
#[derive(Clone, Default)]
struct Book(std::sync::Arc<Mutex<Vec<Value>>>);

impl Book {
    fn take(&self, body: &Value) -> Act {
        self.0.lock().expect("a book").extend(body.as_array().expect("an array").iter().cloned());
        Act::ok(&json!({}))
    }

    fn len(&self) -> usize {
        self.0.lock().expect("a book").len()
    }

    /// The ids of the events that were sent, in the order in which it was told.
    fn sent(&self) -> Vec<String> {
        let records = self.0.lock().expect("a book");
        records.iter().filter(|record| record["state"] == "sent").map(|record| text(&record["id"])).collect()
    }
}

/// Publishes so many notifications for user 7; their ids.
#[track_caller]
fn notify_many(server: &Server, count: u64) -> Vec<String> {
    let one = |number| json!({ "type": "notification", "user_id": 7, "data": number });
    let mut ids = Vec::new();
    for part in (0..count).map(one).collect::<Vec<Value>>().chunks(500) {
        let answer = server.post("/broadcast/batch", &json!(part));
        ids.extend(answer.json().as_array().expect("an array").iter().map(|item| text(&item["id"])));
    }
    ids
}

/// Waits until the hub has queued so many records, and none of them was taken.
#[track_caller]
fn wait_for_waiting(server: &Server, count: f64) {
    eventually(PATIENCE, || server.metric("fanfare_delivery_records_waiting", &[]) == Some(count));
}

#[test]
fn what_a_service_refuses_comes_again_until_it_answers_200() {
    let acts = [
        Act::Answer(500, "text/plain", "out of order".to_owned()),
        Act::Answer(204, "text/plain", String::new()),
        Act::problem(422, "invalid", "never"),
        Act::problem(401, "key_unknown", "who are you?"),
        Act::Redirect("http://127.0.0.1:1/elsewhere".to_owned()),
        Act::HangUp,
    ];
    let (book, asked, refusals) = (Book::default(), AtomicUsize::new(0), acts.len());
    let kept = book.clone();
    let service = Service::playing(move |call| {
        acts.get(asked.fetch_add(1, Ordering::SeqCst)).cloned().unwrap_or_else(|| kept.take(&call.body()))
    });
    let server = start(&table("\"notification\"", &service, ""), |launch| launch);
    let (_silent, _) = silent(&server, 7);
    let ids = notify_many(&server, 50);
    eventually(LONG, || book.len() >= 50);
    assert_eq!(book.sent(), ids, "all, in their order, none twice");
    let calls = service.calls();
    assert!(calls[..refusals].iter().all(|call| call.text == calls[0].text), "the same batch each time");
    let outcome = |outcome: &str| {
        server
            .metric("fanfare_delivery_batches_total", &[&format!("outcome=\"{outcome}\"")])
            .unwrap_or_default()
    };
    // Counted once the hub has the answer, a moment after the service has the records.
    let total = |name: &str| server.metric(name, &["hook=\"notification\""]);
    eventually(PATIENCE, || total("fanfare_delivery_records_told_total") == Some(50.0));
    assert_eq!((outcome("error_status"), outcome("key_refused"), outcome("away")), (4.0, 1.0, 1.0));
    assert!(outcome("taken") >= 1.0);
    assert_eq!(total("fanfare_delivery_records_dropped_total"), Some(0.0));
    assert_eq!(total("fanfare_delivery_records_waiting"), Some(0.0));
    assert_eq!(total("fanfare_delivery_oldest_seconds"), Some(0.0));
    server.wait_for_log("the service takes delivery records again");
    assert!(!server.log().contains(&service.url("")), "addresses may have secrets in them");
}

#[test]
fn a_200_counts_whatever_is_said_with_it() {
    for act in [
        Act::Answer(200, "text/plain", String::new()),
        Act::Answer(200, "application/json", "{\"error\":".to_owned()),
        Act::HalfAnAnswer,
        Act::Endless,
    ] {
        let service = Service::answering(act);
        let server = start(&table("\"notification\"", &service, "timeout = \"5s\""), |launch| launch);
        let (_silent, _) = silent(&server, 7);
        notify_many(&server, 3);
        let total = || server.metric("fanfare_delivery_records_told_total", &["hook=\"notification\""]);
        eventually(PATIENCE, || total() == Some(3.0));
        assert!(
            server.log().lines().all(|line| !line.contains("delivery records is tried")),
            "{}",
            server.log()
        );
    }
}

#[test]
fn a_service_that_is_away_is_told_everything_when_it_comes() {
    let address = test_kit::free_address();
    let toml = format!("[[delivery_hooks]]\ntypes = [\"notification\"]\nurl = \"http://{address}/\"\n");
    let server = start(&toml, |launch| launch);
    let (_silent, _) = silent(&server, 7);
    let ids = notify_many(&server, 1_200);
    server.wait_for_log("it can't be reached");
    wait_for_waiting(&server, 1_200.0);
    assert!(server.metric("fanfare_delivery_oldest_seconds", &[]) > Some(0.0));
    let (book, batches) = (Book::default(), std::sync::Arc::new(Mutex::new(Vec::new())));
    let (kept, sizes) = (book.clone(), std::sync::Arc::clone(&batches));
    let listener = TcpListener::bind(address).expect("the port is still free");
    let _service = Service::at(listener, move |call| {
        sizes.lock().expect("sizes").push(call.body().as_array().expect("an array").len());
        kept.take(&call.body())
    });
    eventually(LONG, || book.len() >= 1_200);
    assert_eq!(book.sent(), ids);
    let batches = batches.lock().expect("sizes").clone();
    assert!(batches.iter().all(|&size| size <= 500) && batches.len() <= 4, "{batches:?}");
}

#[test]
fn a_service_that_is_slow_is_asked_again_and_holds_up_no_other() {
    let gate = Gate::default();
    let slow = Service::answering(Act::Wait(gate.clone()));
    let ledger = Ledger::new();
    let toml = format!(
        "{}{}",
        table("\"receipt\"", &slow, "timeout = \"200ms\""),
        table("\"notification\"", &ledger.0, "")
    );
    let server = start(&toml, |launch| launch);
    let (_silent, connection) = silent(&server, 7);
    server.broadcast(&json!({ "type": "receipt", "user_id": 7 }));
    slow.wait_for(2);
    let id = notify(&server, 1);
    ledger.wait_for(&id, &connection, "sent");
    assert!(server.metric("fanfare_delivery_batches_total", &["outcome=\"timeout\""]) >= Some(1.0));
    gate.open();
    let told = || server.metric("fanfare_delivery_records_told_total", &["hook=\"receipt\""]);
    // It may be too slow a few times more.
    eventually(LONG, || told() == Some(1.0));
    let calls = slow.calls();
    assert!(calls.iter().all(|call| call.text == calls[0].text), "it may know it twice, and never another");
}

#[test]
fn beyond_the_bound_the_oldest_are_dropped_and_each_is_counted() {
    let (gate, book) = (Gate::default(), Book::default());
    let (first, kept, passing) = (AtomicUsize::new(0), book.clone(), gate.clone());
    let service = Service::playing(move |call| match first.fetch_add(1, Ordering::SeqCst) {
        0 => Act::Wait(passing.clone()),
        _ => kept.take(&call.body()),
    });
    let server = start(&table("\"notification\"", &service, "timeout = \"60s\""), |launch| {
        launch.env("DELIVERY_HOOKS_QUEUE", "10")
    });
    let (_silent, _) = silent(&server, 7);
    let held = notify(&server, 0);
    let call = service.wait_for(1).remove(0);
    assert_eq!(call.body()[0]["id"], held);
    let ids = notify_many(&server, 35);
    let dropped = || server.metric("fanfare_delivery_records_dropped_total", &["hook=\"notification\""]);
    eventually(PATIENCE, || dropped() == Some(25.0));
    wait_for_waiting(&server, 11.0);
    server.wait_for_log("the oldest are dropped");
    gate.open();
    eventually(PATIENCE, || book.len() >= 10);
    assert_eq!(book.sent(), ids[25..], "the youngest ten, in their order");
    assert_eq!(dropped(), Some(25.0));
    let told = || server.metric("fanfare_delivery_records_told_total", &["hook=\"notification\""]);
    eventually(PATIENCE, || told() == Some(11.0));
}

#[test]
fn what_was_recorded_is_told_before_the_hub_ends() {
    let ledger = Ledger::new();
    let mut server = hub(&ledger);
    let (mut silent, connection) = silent(&server, 7);
    let ids = notify_many(&server, 700);
    for _ in &ids {
        silent.next_frame().expect("an event");
    }
    server.terminate();
    drop(silent);
    assert_eq!(server.wait(), Some(0));
    let records = ledger.records();
    assert!(records.iter().all(|record| record["connection_id"] == connection));
    let sent: Vec<String> =
        records.iter().filter(|record| record["state"] == "sent").map(|record| text(&record["id"])).collect();
    assert_eq!(sent, ids);
}

#[test]
fn a_service_that_is_away_does_not_hold_up_a_drain_for_long() {
    let service = Service::answering(Act::HangUp);
    let mut server = start(&table("\"notification\"", &service, ""), |launch| launch);
    let (silent, _) = silent(&server, 7);
    notify_many(&server, 3);
    service.wait_for(1);
    server.terminate();
    drop(silent);
    assert_eq!(server.wait_within(Duration::from_secs(20)), Some(0));
    assert!(server.log().contains("did not take the delivery records"), "{}", server.log());
}

#[test]
fn a_slip_in_a_table_stops_the_start_with_its_line() {
    let expect_slip = |toml: &str, line: usize, part: &str| {
        let file = TextFile::new("fanfare.toml", toml);
        let ended = launch().env("FANFARE_CONFIG", file.path()).arg("--check").run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let place = format!("fanfare.toml:{line}:");
        assert!(ended.stderr.contains(&place) && ended.stderr.contains(part), "{part}: {}", ended.stderr);
    };
    let first = "[[delivery_hooks]]\ntypes = [\"a*\"]\nurl = \"http://127.0.0.1:1/\"\n";
    expect_slip(&format!("{first}{}", first.replace("a*", "ab")), 4, "has a delivery hook already");
    expect_slip("[[delivery_hooks]]\ntypes = [\"a\"]\n", 1, "url");
    expect_slip("\n[[delivery_hooks]]\ntypes = []\nurl = \"http://h/\"\n", 2, "1 to 64 types");
    expect_slip(
        "[[delivery_hooks]]\ntypes = [\"a\"]\nurl = \"http://u:secret@h/\"\n",
        1,
        "a user or a password",
    );
    let file =
        TextFile::new("fanfare.toml", "[[delivery_hooks]]\ntypes = [\"a\"]\nurl = \"http://h.example/\"\n");
    let checked =
        launch().env("FANFARE_CONFIG", file.path()).env("SERVICE_API_KEY", KEY).arg("--check").run();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains("on the way to h.example reads"), "{}", checked.stdout);
    assert!(!checked.stdout.contains(KEY));
}
