//! Feeds: services read the events of some types by position, each once and in order, over restarts of either side.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::http::{Answer, request};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Directory, Launch, RawClient, Server, eventually};

use super::broadcast::expect_problem;
use super::recovery::as_user;
use super::{SECRET, TextFile, launch};

/// Two feeds that share a type.
const FEEDS: &str = "
[[feeds]]
name  = \"notifications\"
types = [\"job_*\", \"payment_held\"]

[[feeds]]
name  = \"jobs\"
types = [\"job_created\"]
";

/// A hub with them.
fn hub() -> Server {
    start(|launch| launch)
}

/// [`hub`] with more settings.
fn start(more: impl FnOnce(Launch) -> Launch) -> Server {
    let file = TextFile::new("fanfare.toml", FEEDS);
    more(launch().env("JWT_SECRET", SECRET).env("FANFARE_CONFIG", file.path())).start()
}

/// A hub that keeps its feeds in `data`.
fn durable(data: &Directory) -> Launch {
    let file = data.write("fanfare.toml", FEEDS);
    launch().env("FANFARE_CONFIG", file).env("FANFARE_DATA", data.path().join("hub")).env("RUST_LOG", "warn")
}

#[track_caller]
fn page(server: &Server, query: &str) -> Value {
    let answer = server.get(&format!("/feeds/notifications{query}"));
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.text());
    answer.json()
}

/// The query that goes on behind a page.
fn behind(page: &Value) -> String {
    let next = &page["next"];
    format!("?epoch={}&offset={}", next["epoch"].as_str().expect("an epoch"), next["offset"])
}

fn offsets(page: &Value) -> Vec<u64> {
    events(page).iter().map(|event| event["offset"].as_u64().expect("an offset")).collect()
}

fn events(page: &Value) -> &Vec<Value> {
    page["events"].as_array().expect("events")
}

fn numbers(page: &Value) -> Vec<u64> {
    events(page).iter().map(|event| event["data"].as_u64().expect("a number")).collect()
}

/// Publishes events with the numbers `range`.
#[track_caller]
fn publish(server: &Server, kind: &str, range: std::ops::Range<u64>) {
    let all: Vec<Value> =
        range.map(|number| json!({ "type": kind, "channel": "jobs", "data": number })).collect();
    for part in all.chunks(1_000) {
        let answer = server.post("/broadcast/batch", &json!(part));
        let answers = answer.json();
        assert!(
            answers.as_array().expect("an array").iter().all(|item| item["success"] == true),
            "{answers}"
        );
    }
}

#[test]
fn a_feed_has_exactly_its_types_in_their_order_and_says_for_whom_they_were() {
    let server = hub();
    let mut client = Client::welcomed(&as_user(&server, 7));
    let post = |body: &Value| server.broadcast(body);
    let created = post(
        &json!({ "type": "job_created", "channels": ["jobs", "news"], "user_ids": [7, "anna"], "data": { "n": 1.50 } }),
    );
    assert_eq!(created["recipients"], 1, "a feed is no recipient");
    post(&json!({ "type": "payment_released", "user_id": 7 }));
    post(&json!({ "type": "jobs", "user_id": 7 }));
    let everyone = post(&json!({ "type": "job_", "timestamp": "2025-11-01T12:00:00.000Z", "data": null }));
    post(&json!({ "type": "payment_held", "channel": "payments", "data": [1, "é\u{1F600}"] }));
    post(&json!({ "type": "job_typed", "user_id": 7, "transient": true }));
    let page = page(&server, "");
    assert_eq!((&page["name"], &page["types"]), (&json!("notifications"), &json!(["job_*", "payment_held"])));
    assert_eq!(
        (&page["recovered"], &page["end"], &page["next"]["offset"]),
        (&json!(true), &json!(3), &json!(3))
    );
    assert_eq!(page["next"]["epoch"], page["epoch"]);
    assert_eq!(offsets(&page), [1, 2, 3]);
    let of = |place: usize| events(&page)[place].clone();
    let mut first = of(0);
    assert!(first["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    first["timestamp"] = Value::Null;
    let mut users: Vec<String> =
        first["user_ids"].as_array().expect("users").iter().map(|user| user.to_string()).collect();
    users.sort();
    assert_eq!(users, ["\"7\"", "\"anna\""]);
    first["user_ids"] = Value::Null;
    assert_eq!(
        first,
        json!({ "offset": 1, "id": created["id"], "type": "job_created", "data": { "n": 1.50 }, "timestamp": null,
            "user_ids": null, "channels": ["jobs", "news"] })
    );
    assert_eq!(
        of(1),
        json!({ "offset": 2, "id": everyone["id"], "type": "job_", "data": null,
            "timestamp": "2025-11-01T12:00:00.000Z", "user_ids": [], "channels": [] })
    );
    assert_eq!((&of(2)["data"], &of(2)["channels"]), (&json!([1, "é\u{1F600}"]), &json!(["payments"])));
    // Whoever follows the streams sees them as if there were no feed.
    assert_eq!(client.expect_type("job_created")["data"], json!({ "n": 1.50 }));
    let other = server.get("/feeds/jobs").json();
    assert_eq!((events(&other).len(), &events(&other)[0]["id"]), (1, &created["id"]));
}

#[test]
fn two_thousand_events_are_read_by_pages_each_once() {
    let server = hub();
    publish(&server, "job_created", 0..1_000);
    let mut part = page(&server, "?limit=300");
    assert_eq!(part["end"], 1_000);
    publish(&server, "job_accepted", 1_000..2_000);
    let (mut all, mut pages) = (numbers(&part), 1);
    while !events(&part).is_empty() {
        assert_eq!((&part["recovered"], events(&part).len() <= 300), (&json!(true), true));
        part = page(&server, &format!("{}&limit=300", behind(&part)));
        all.extend(numbers(&part));
        pages += 1;
    }
    assert!(all.iter().copied().eq(0..2_000), "{} events", all.len());
    assert!(pages <= 2_000 / 300 + 20, "{pages}");
    assert_eq!(page(&server, "?limit=1")["next"]["offset"], 1);
}

#[test]
fn large_events_are_spread_over_pages() {
    let server = hub();
    let large = "x".repeat(700_000);
    for _ in 0..6 {
        server.broadcast(&json!({ "type": "job_created", "channel": "jobs", "data": large }));
    }
    let mut part = page(&server, "");
    let mut seen = offsets(&part);
    assert!((1..6).contains(&seen.len()), "{}", seen.len());
    while *seen.last().expect("one") < 6 {
        part = page(&server, &behind(&part));
        assert!(!events(&part).is_empty(), "each page goes on");
        seen.extend(offsets(&part));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn who_waits_is_answered_when_something_comes() {
    let server = hub();
    publish(&server, "job_created", 0..1);
    let now = behind(&page(&server, ""));
    thread::scope(|scope| {
        let begun = Instant::now();
        let waiting: Vec<_> =
            (0..3).map(|_| scope.spawn(|| page(&server, &format!("{now}&wait=30")))).collect();
        eventually(PATIENCE, || server.metric("fanfare_feed_readers_waiting", &[]) == Some(3.0));
        // What is in another feed or in none ends no wait.
        server.broadcast(&json!({ "type": "payment_released", "channel": "jobs" }));
        assert_eq!(server.metric("fanfare_feed_readers_waiting", &[]), Some(3.0));
        publish(&server, "job_accepted", 1..2);
        for waiting in waiting {
            assert_eq!(numbers(&waiting.join().expect("a page")), [1]);
        }
        assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    });
    assert_eq!(server.metric("fanfare_feed_readers_waiting", &[]), Some(0.0));
    // What is there is not waited for.
    assert_eq!(numbers(&page(&server, "?wait=30")), [0, 1]);
}

#[test]
fn a_wait_without_an_event_ends_and_stays_where_it_was() {
    let server = hub();
    publish(&server, "job_created", 0..2);
    let now = behind(&page(&server, ""));
    let begun = Instant::now();
    let empty = page(&server, &format!("{now}&wait=1"));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!((behind(&empty), events(&empty).len(), &empty["end"]), (now.clone(), 0, &json!(2)));
    assert_eq!(empty["recovered"], true);
    let short = start(|launch| launch.env("REQUEST_TIMEOUT", "1s"));
    let begun = Instant::now();
    assert!(events(&page(&short, "?wait=30")).is_empty(), "a request is answered within its time");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_drain_ends_every_wait() {
    let mut server = hub();
    let mut client = Client::welcomed(&as_user(&server, 7));
    let address = server.address();
    let waiting = thread::spawn(move || request(address, "GET", "/feeds/notifications?wait=30", &[], None));
    eventually(PATIENCE, || server.metric("fanfare_feed_readers_waiting", &[]) == Some(1.0));
    let begun = Instant::now();
    server.terminate();
    let problem = expect_problem(&waiting.join().expect("an answer"), 503, "draining");
    assert!(problem["title"].as_str().is_some_and(|title| title.contains("shutting down")));
    assert_eq!(client.expect_close().0, 1001);
    assert_eq!(server.wait(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn only_so_many_wait_at_once() {
    let server = start(|launch| launch.env("FEEDS_MAX_WAITING", "1"));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| page(&server, "?wait=30"));
        eventually(PATIENCE, || server.metric("fanfare_feed_readers_waiting", &[]) == Some(1.0));
        let refused = server.get("/feeds/jobs?wait=1");
        expect_problem(&refused, 503, "too_many_readers");
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(server.get("/feeds/jobs").status, 200, "who does not wait takes no place");
        publish(&server, "job_created", 0..1);
        assert_eq!(numbers(&waiting.join().expect("a page")), [0]);
    });
    assert_eq!(server.get("/feeds/jobs?wait=1").status, 200);
}

#[test]
fn who_hangs_up_leaves_the_place_to_others() {
    let server = start(|launch| launch.env("FEEDS_MAX_WAITING", "1"));
    let waiting = || server.metric("fanfare_feed_readers_waiting", &[]);
    let mut gone = RawClient::connect(server.address());
    gone.write(b"GET /feeds/jobs?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    eventually(PATIENCE, || waiting() == Some(1.0));
    let begun = Instant::now();
    drop(gone);
    eventually(PATIENCE, || waiting() == Some(0.0));
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!(server.get("/feeds/jobs?wait=1").status, 200);
}

#[test]
fn offsets_and_epoch_outlive_a_kill_and_no_event_is_missed_or_doubled() {
    let data = Directory::new();
    let (mut position, mut read) = (String::new(), Vec::new());
    for round in 0..4 {
        let server = durable(&data).start();
        // What was acknowledged before the kill is there, behind what the reader had.
        let before =
            page(&server, &format!("{position}{}limit=1000", if position.is_empty() { "?" } else { "&" }));
        assert_eq!(before["recovered"], true, "round {round}");
        read.extend(numbers(&before));
        publish(&server, "job_created", round * 100..round * 100 + 60);
        // The reader has the half of it only.
        let half = page(&server, &format!("{}&limit=30", behind(&before)));
        read.extend(numbers(&half));
        position = behind(&half);
        publish(&server, "payment_held", round * 100 + 60..round * 100 + 100);
        // Killed right after the 200.
        drop(server);
    }
    let server = durable(&data).start();
    let rest = page(&server, &format!("{position}&limit=1000"));
    read.extend(numbers(&rest));
    assert!(read.iter().copied().eq(0..400), "{read:?}");
    let whole = page(&server, "?limit=1000");
    assert!(offsets(&whole).into_iter().eq(1..=400), "without a gap");
    assert_eq!(whole["epoch"], rest["epoch"]);
}

#[test]
fn an_event_says_after_a_kill_what_it_said_before() {
    let data = Directory::new();
    let first = durable(&data).start();
    first.broadcast(&json!({ "type": "job_created", "channels": ["jobs", "news"], "user_ids": [7, "anna"],
        "data": { "n": 18_446_744_073_709_551_615_u64 }, "publication_id": uuid::Uuid::now_v7().to_string() }));
    first.broadcast(&json!({ "type": "job_created", "timestamp": "2025-11-01T12:00:00.000Z" }));
    first.broadcast(&json!({ "type": "payment_held", "namespace": "/orders", "user_id": 7 }));
    let before = page(&first, "");
    assert_eq!(events(&before).len(), 3);
    assert_eq!(before["events"][2]["user_ids"], json!(["7"]), "also within a namespace alone");
    drop(first);
    assert_eq!(page(&durable(&data).start(), ""), before);
}

#[test]
fn a_position_of_another_life_begins_at_the_oldest_and_says_so() {
    let first = hub();
    publish(&first, "job_created", 0..5);
    let lost = behind(&page(&first, ""));
    drop(first);
    let second = hub();
    publish(&second, "job_created", 100..103);
    let again = page(&second, &lost);
    assert_eq!((&again["recovered"], numbers(&again)), (&json!(false), vec![100, 101, 102]));
    assert_eq!(page(&second, &behind(&again))["recovered"], true);
    // An offset of the future is no position either.
    let epoch = again["epoch"].as_str().expect("an epoch");
    let future = page(&second, &format!("?epoch={epoch}&offset=4"));
    assert_eq!((&future["recovered"], offsets(&future)), (&json!(false), vec![1, 2, 3]));
    // And there is nothing to wait for.
    let third = hub();
    let begun = Instant::now();
    let empty = page(&third, &format!("{lost}&wait=30"));
    assert_eq!(
        (&empty["recovered"], events(&empty).len(), &empty["next"]["offset"]),
        (&json!(false), 0, &json!(0))
    );
    assert!(begun.elapsed() < Duration::from_secs(25));
}

#[test]
fn what_is_no_longer_kept_is_told() {
    let rule = |pattern: &str, size: u32| {
        format!("\n[[channels]]\npattern = \"{pattern}\"\nhistory = {{ size = {size}, age = \"1h\" }}\n")
    };
    let toml = format!("{FEEDS}{}{}", rule("*", 2), rule("@feed:notifications", 10));
    let file = TextFile::new("fanfare.toml", &toml);
    let server = launch().env("FANFARE_CONFIG", file.path()).start();
    publish(&server, "job_created", 0..5);
    let early = behind(&page(&server, "?limit=1"));
    assert_eq!(page(&server, &early)["recovered"], true);
    publish(&server, "job_created", 5..30);
    let late = page(&server, &early);
    assert_eq!((&late["recovered"], &late["end"]), (&json!(false), &json!(30)));
    assert!(numbers(&late).into_iter().eq(20..30), "{:?}", numbers(&late));
    let other = server.get("/feeds/jobs").json();
    assert_eq!(numbers(&other).len(), 30, "rules for channels are none for feeds");
}

fn with_key(server: &Server, path: &str, key: &str, more: &[(&str, &str)]) -> Answer {
    let authorization = format!("Bearer {key}");
    let mut headers = vec![("authorization", &*authorization)];
    headers.extend(more);
    request(server.address(), "GET", path, &headers, None)
}

#[test]
fn administrators_and_the_services_read_and_nobody_else() {
    const PATH: &str = "/feeds/notifications";
    let server = start(|launch| {
        launch
            .env("FANFARE_API_KEYS", "shop:secret-of-shop,ops:secret-of-ops:+admin")
            .env("SERVICE_API_KEY", "secret-of-the-services")
    });
    expect_problem(&server.get(PATH), 401, "key_missing");
    expect_problem(&with_key(&server, PATH, "secret-of-nobody", &[]), 401, "key_unknown");
    expect_problem(&with_key(&server, PATH, "secret-of-shop", &[]), 403, "not_admin");
    expect_problem(&with_key(&server, "/feeds/none", "secret-of-shop", &[]), 403, "not_admin");
    for key in ["secret-of-ops", "secret-of-the-services"] {
        assert_eq!(with_key(&server, PATH, key, &[]).status, 200, "{key}");
    }
    // The services' key opens nothing else.
    expect_problem(&with_key(&server, "/channels", "secret-of-the-services", &[]), 401, "key_unknown");
    assert!(!server.log().contains("secret-of"));
}

#[test]
fn without_keys_only_this_machine_and_the_services_read() {
    const PATH: &str = "/feeds/notifications";
    let server = start(|launch| launch.env("SERVICE_API_KEY", "secret-of-the-services"));
    assert_eq!(server.get(PATH).status, 200);
    let forwarded = [("x-forwarded-for", "192.0.2.1")];
    expect_problem(&request(server.address(), "GET", PATH, &forwarded, None), 403, "forwarded_request");
    assert_eq!(with_key(&server, PATH, "secret-of-the-services", &forwarded).status, 200);
}

#[test]
fn what_is_no_question_is_answered_with_a_problem() {
    let server = hub();
    expect_problem(&server.get("/feeds/other"), 404, "feed_not_found");
    expect_problem(&server.get("/feeds/"), 404, "feed_not_found");
    expect_problem(&server.get("/feeds/%zz"), 404, "feed_not_found");
    expect_problem(&request(server.address(), "POST", "/feeds/jobs", &[], None), 405, "method_not_allowed");
    for (query, member) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("wait=31", "wait"),
        ("wait=-1", "wait"),
        ("epoch=short&offset=1", "epoch"),
        ("epoch=AAAAAAAA", "offset"),
        ("offset=1", "epoch"),
        ("epoch=AAAAAAAA&offset=-1", "offset"),
    ] {
        let problem = expect_problem(&server.get(&format!("/feeds/jobs?{query}")), 422, "invalid");
        assert_eq!(problem["member"], member, "{query}");
    }
    let mut client = Client::welcomed(&as_user(&server, 7));
    client.send_json(&json!({ "type": "subscribe", "channels": ["@feed:jobs"] }));
    client.expect_type("error");
}

#[test]
fn a_slip_in_a_table_stops_the_start_with_its_line() {
    for (toml, line, part) in [
        ("[[feeds]]\nname = \"a\"\n", 1, "types"),
        ("[[feeds]]\nname = \"a b\"\ntypes = [\"x\"]\n", 1, "1 to 64 of"),
        ("\n[[feeds]]\nname = \"a\"\ntypes = [\"*x\"]\n", 2, "not its end"),
        ("[[feeds]]\nname = \"a\"\ntypes = [\"x\"]\n[[feeds]]\nname = \"a\"\ntypes = [\"y\"]\n", 4, "twice"),
    ] {
        let file = TextFile::new("fanfare.toml", toml);
        let ended = launch().env("FANFARE_CONFIG", file.path()).arg("--check").run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let place = format!("fanfare.toml:{line}:");
        assert!(ended.stderr.contains(&place) && ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}
