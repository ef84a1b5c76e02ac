//! Server-sent events, as a client by the rules of HTML has them: what comes, coming back, who is let in, and every way
//! in which it ends.
//!
//! Not here: what positions are worth (`recovery`), and what is on disk (`durable`).

mod reader;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::http::{Answer, request};
use test_kit::token::in_seconds;
use test_kit::wait::PATIENCE;
use test_kit::{Client, Directory, Server, Signer, eventually};

use self::reader::Events;
use super::durable::durable;
use super::recovery::publish;
use super::{SECRET, launch, server, server_with_users};

fn jobs() -> Value {
    json!({ "channel": "jobs" })
}

pub(crate) fn open(server: &Server, query: &str) -> Events {
    Events::open(server.address(), query, &[])
}

fn numbers(frames: &[Value]) -> Vec<u64> {
    frames.iter().map(|frame| frame["data"].as_u64().expect("a number")).collect()
}

fn token(user: u64, session: Option<&str>, seconds: i64) -> String {
    Signer::hs256(SECRET).token(&json!({ "user_id": user, "sid": session, "exp": in_seconds(seconds) }))
}

fn ticket(server: &Server, token: Option<&str>) -> Answer {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> =
        authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    request(server.address(), "POST", "/events/ticket", &headers, None)
}

/// The status and the code of a refusal.
#[track_caller]
fn refused(server: &Server, query: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let answer = request(server.address(), "GET", &format!("/events{query}"), headers, None);
    (answer.status, answer.problem_code())
}

#[test]
fn frames_come_at_once_as_messages_with_all_positions_as_their_id() {
    let server = server();
    let mut events = open(&server, "?channels=jobs,payments");
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    assert_eq!(events.header("cache-control"), Some("no-store"));
    assert_eq!(events.header("x-accel-buffering"), Some("no"));
    assert_eq!((events.header("content-encoding"), events.header("content-length")), (None, None));
    let welcome = events.expect("connected");
    assert_eq!((events.last_id.as_str(), welcome["data"]["connection_id"].is_string()), ("", true));
    assert!(events.retry.is_some_and(|ms| (1_000..3_000).contains(&ms)), "{:?}", events.retry);
    let answer = events.expect("subscribed");
    assert_eq!(answer["data"]["channels"], json!(["jobs", "payments"]));
    assert_eq!(answer["data"]["resume"], Value::Null, "positions do what a token would");
    let epoch =
        |stream: &str| answer["data"]["positions"][stream]["epoch"].as_str().expect("an epoch").to_owned();
    let id = |jobs: u64, all: u64| {
        format!("@all~{}~{all},jobs~{}~{jobs},payments~{}~0", epoch("@all"), epoch("jobs"), epoch("payments"))
    };
    assert_eq!(events.last_id, id(0, 0));
    server.broadcast(&json!({ "type": "job_accepted", "channel": "jobs", "data": { "job_id": 42 } }));
    let event = events.expect("job_accepted");
    assert_eq!(
        (&event["channel"], &event["offset"], &event["data"]),
        (&json!("jobs"), &json!(1), &json!({"job_id":42}))
    );
    assert_eq!((&event["epoch"], events.last_id.clone()), (&json!(epoch("jobs")), id(1, 0)));
    server.broadcast(&json!({ "type": "all", "data": "a\nb" }));
    assert_eq!((events.expect("all")["data"].clone(), events.last_id.clone()), (json!("a\nb"), id(1, 1)));
    assert_eq!(server.metric("fanfare_connections", &[r#"dialect="events""#]), Some(1.0));
    assert!(server.wait_for_log("connected").contains("dialect=\"events\""), "{}", server.log());
    assert_eq!(server.stats()["by_channel"], json!({ "jobs": 1, "payments": 1 }));
}

#[test]
fn data_that_a_publisher_spread_over_lines_arrives_whole() {
    let server = server();
    let mut events = open(&server, "");
    events.subscribed();
    let body = "{\"type\":\"x\",\"data\":{\r\n\"a\":\n[1,\r2]}}";
    let headers = [("content-type", "application/json")];
    assert_eq!(request(server.address(), "POST", "/broadcast", &headers, Some(body.as_bytes())).status, 200);
    assert_eq!(events.expect("x")["data"], json!({ "a": [1, 2] }));
}

#[test]
fn who_comes_back_gets_what_it_missed_in_order_and_nothing_twice() {
    let server = server();
    let mut events = open(&server, "?channels=jobs,more");
    events.subscribed();
    publish(&server, &jobs(), 0..3);
    publish(&server, &json!({ "channels": ["jobs", "more"] }), 3..4);
    assert_eq!(numbers(&[events.frame(), events.frame(), events.frame(), events.frame()]), [0, 1, 2, 3]);
    let id = events.last_id.clone();
    drop(events);
    publish(&server, &json!({ "channels": ["jobs", "more"] }), 4..300);
    publish(&server, &json!({ "channel": "more" }), 300..310);
    // As a browser does it, and as others may; the header is the younger one.
    let old = id.replace("~4", "~1");
    for (query, header) in [
        ("?channels=jobs,more".to_owned(), Some(id.as_str())),
        (format!("?channels=jobs&channels=more&last_event_id={id}"), None),
        (format!("?channels=jobs,more&last_event_id={old}"), Some(id.as_str())),
    ] {
        let headers: Vec<(&str, &str)> = header.iter().map(|id| ("Last-Event-ID", *id)).collect();
        let mut events = Events::open(server.address(), &query, &headers);
        let positions = events.subscribed();
        for stream in ["jobs", "more", "@all"] {
            assert_eq!(positions[stream]["recovered"], true, "{positions}");
        }
        server.broadcast(&json!({ "type": "end" }));
        assert_eq!(numbers(&events.until("end")), (4..310).collect::<Vec<_>>(), "{query}");
    }
}

#[test]
fn a_client_gets_what_a_killed_server_had_acknowledged() {
    let data = Directory::new();
    let first = durable(&data).env("SHARDS", "2").start();
    let mut events = open(&first, "?channels=disk");
    events.subscribed();
    publish(&first, &json!({ "channel": "disk" }), 0..10);
    let seen: Vec<Value> = (0..10).map(|_| events.frame()).collect();
    let id = events.last_id.clone();
    publish(&first, &json!({ "channel": "disk" }), 10..40);
    // SIGKILL.
    drop(first);
    let second = durable(&data).env("SHARDS", "2").start();
    publish(&second, &json!({ "channel": "disk" }), 40..50);
    let mut events = Events::open(second.address(), "?channels=disk", &[("Last-Event-ID", &id)]);
    let positions = events.subscribed();
    assert_eq!(positions["disk"]["recovered"], true, "{positions}");
    assert_eq!(positions["disk"]["epoch"], seen[0]["epoch"]);
    // A stream in memory has a new life.
    assert_eq!(positions["@all"]["recovered"], false, "{positions}");
    second.broadcast(&json!({ "type": "end" }));
    let missed = events.until("end");
    assert_eq!(numbers(&missed), (10..50).collect::<Vec<_>>());
    let offsets: Vec<u64> = missed.iter().map(|event| event["offset"].as_u64().expect("an offset")).collect();
    assert_eq!(offsets, (11..51).collect::<Vec<_>>());
}

#[test]
fn an_id_that_is_none_of_ours_is_told_as_a_gap_of_every_stream() {
    let server = server_with_users();
    publish(&server, &jobs(), 0..3);
    let query = format!("?channels=jobs&token={}", token(7, None, 3_600));
    for id in ["42", "jobs~AAAAAAAA", "jobs~AAAAAAAA~x", "{}", "jobs~AAAAAAAA~1,,"] {
        let mut events = Events::open(server.address(), &query, &[("Last-Event-ID", id)]);
        let positions = events.subscribed();
        for stream in ["jobs", "@all", "user:7"] {
            assert_eq!(positions[stream]["recovered"], false, "{id} {positions}");
        }
        server.broadcast(&json!({ "type": "live" }));
        assert_eq!(events.expect("live")["channel"], "@all", "{id}");
    }
    // Of another life, of the future, and of channels that are not asked for.
    for id in ["jobs~AAAAAAAA~1", "jobs~AAAAAAAA~18446744073709551615", "other~AAAAAAAA~1,jobs~AAAAAAAA~3"] {
        let mut events = Events::open(server.address(), &query, &[("Last-Event-ID", id)]);
        let positions = events.subscribed();
        assert_eq!(positions["jobs"]["recovered"], false, "{id} {positions}");
        assert_eq!(positions["@all"].get("recovered"), None, "{id} {positions}");
    }
    // None at all is no gap.
    let mut events = Events::open(server.address(), &query, &[("Last-Event-ID", "")]);
    assert_eq!(events.subscribed()["jobs"].get("recovered"), None);
}

#[test]
fn a_slow_reader_on_each_of_two_shards_gets_a_burst_whole_and_in_order() {
    let server = launch()
        .env("SHARDS", "2")
        .env("OUTBOX_MAX_BYTES", "64MiB")
        .env("OUTBOX_MAX_FRAMES", "10000")
        .env("HISTORY_MAX_BYTES", "64MiB")
        .start();
    let mut readers: Vec<Events> = (0..4).map(|_| open(&server, "?channels=jobs")).collect();
    readers.iter_mut().for_each(|reader| drop(reader.subscribed()));
    let filler = "x".repeat(20_000);
    let events: Vec<Value> =
        (0..500).map(|n| json!({ "type": "x", "channel": "jobs", "data": [n, filler] })).collect();
    for part in events.chunks(20) {
        assert_eq!(server.post("/broadcast/batch", &json!(part)).status, 200);
    }
    eventually(PATIENCE, || server.metric("fanfare_outboxes", &[]) == Some(4.0));
    server.broadcast(&json!({ "type": "end" }));
    for reader in &mut readers {
        let got = reader.until("end");
        let offsets: Vec<u64> =
            got.iter().map(|event| event["offset"].as_u64().expect("an offset")).collect();
        assert_eq!(offsets, (1..=500).collect::<Vec<_>>());
        assert!(got.iter().enumerate().all(|(n, event)| event["data"][0] == n && event["data"][1] == filler));
    }
    eventually(PATIENCE, || server.metric("fanfare_outbox_bytes", &[]) == Some(0.0));
}

#[test]
fn one_that_does_not_read_is_closed_and_delays_nobody() {
    let server = launch().env("OUTBOX_MAX_BYTES", "256KiB").env("REQUEST_TIMEOUT", "3s").start();
    let mut deaf = open(&server, "");
    deaf.subscribed();
    let mut friend = Client::welcomed(&server.ws());
    let evicted = || server.metric("fanfare_evictions_total", &[r#"reason="slow_consumer""#]) == Some(1.0);
    let mut sent = 0;
    while !evicted() {
        sent += 1;
        assert!(sent < 500, "never too slow");
        server.broadcast(&json!({ "type": "x", "data": [sent, "x".repeat(200_000)] }));
        assert_eq!(friend.expect_type("x")["data"][0], sent);
    }
    server.wait_for_connections(1);
    eventually(PATIENCE, || server.metric("fanfare_closes_total", &[r#"code="4010""#]) == Some(1.0));
}

#[test]
fn a_slow_reader_that_is_closed_is_told_why_behind_what_it_can_still_have() {
    let server = launch().env("OUTBOX_MAX_FRAMES", "5").start();
    let evicted =
        || server.metric("fanfare_evictions_total", &[r#"reason="slow_consumer""#]).unwrap_or_default();
    // It reads within the second that a closed client is given; where the machine is too busy for that, another one does.
    let told = (0..5).find_map(|_| {
        let (mut slow, before) = (open(&server, "?channels=jobs"), evicted());
        let began = slow.subscribed()["jobs"]["offset"].as_u64().expect("an offset");
        let (mut sent, mut since) = (0, Instant::now());
        while evicted() <= before {
            since = Instant::now();
            sent += 1;
            assert!(sent < 500, "never too slow");
            server.broadcast(&json!({ "type": "x", "channel": "jobs", "data": [sent, "x".repeat(200_000)] }));
        }
        let is_late = since.elapsed() > super::operations::IN_TIME;
        let mut offsets = Vec::new();
        loop {
            let Some(message) = slow.next() else {
                assert!(is_late, "ended without a word after {offsets:?}");
                return None;
            };
            if message.event == "close" {
                return Some((slow, began, offsets, message.json()));
            }
            offsets.push(message.json()["offset"].as_u64().expect("an offset"));
        }
    });
    let (mut slow, began, offsets, last) = told.expect("a word at the end");
    assert_eq!(last, json!({ "code": 4010, "reason": "Slow consumer" }));
    assert!(slow.next().is_none());
    assert!(offsets.iter().copied().eq(began + 1..=began + offsets.len() as u64), "{offsets:?}");
    // It comes back with what it has had, and goes on from there.
    let mut again = Events::open(server.address(), "?channels=jobs", &[("Last-Event-ID", &slow.last_id)]);
    assert_eq!(again.subscribed()["jobs"]["recovered"], true);
    assert_eq!(again.frame()["offset"].as_u64(), offsets.last().map(|offset| offset + 1));
}

#[test]
fn who_goes_away_is_gone_at_once() {
    let server = launch().env("SHARDS", "2").start();
    let mut gone: Vec<Events> = (0..20).map(|_| open(&server, "?channels=jobs")).collect();
    gone.iter_mut().for_each(|events| drop(events.subscribed()));
    server.wait_for_connections(20);
    // Some close their end, others only say that they send nothing more.
    let mut halves = gone.split_off(10);
    halves.iter().for_each(Events::finish);
    server.wait_for_connections(10);
    assert!(halves.iter_mut().all(|events| events.next().is_none()));
    drop(gone);
    server.wait_for_connections(0);
    assert_eq!(server.stats(), json!({ "total": 0, "by_channel": {} }));
}

#[test]
fn comments_keep_a_silent_connection_open() {
    let server = launch().env("PING_INTERVAL", "100ms").env("PING_TIMEOUT", "2s").start();
    let mut events = open(&server, "");
    events.subscribed();
    // Longer than a client of `/ws` could be silent.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        events.comment();
    }
    server.broadcast(&json!({ "type": "x" }));
    events.expect("x");
}

#[test]
fn a_ticket_stands_for_a_token_once() {
    let server = server_with_users();
    let good = token(7, None, 3_600);
    let answer = ticket(&server, Some(&good));
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.text());
    let body = answer.json();
    let text = body["ticket"].as_str().expect("a ticket");
    assert_eq!((text.len(), &body["expires_in_s"]), (43, &json!(30)));
    // Asking what would come does not use it up.
    let head = request(server.address(), "HEAD", &format!("/events?ticket={text}"), &[], None);
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let mut events = open(&server, &format!("?channels=jobs&ticket={text}"));
    assert!(events.subscribed()["user:7"].is_object());
    server.broadcast(&json!({ "type": "x", "user_id": 7 }));
    assert_eq!(events.expect("x")["channel"], "user:7");
    for (query, why) in [(format!("?ticket={text}"), "used"), ("?ticket=x".to_owned(), "none of ours")] {
        assert_eq!(refused(&server, &query, &[]), (401, "unauthorized".to_owned()), "{why}");
    }
    // A ticket that is no good is not made good by a token.
    assert_eq!(refused(&server, &format!("?ticket={text}&token={good}"), &[]).0, 401);
    for bad in [None, Some("x"), Some(token(7, None, -1).as_str())] {
        let answer = ticket(&server, bad);
        assert_eq!((answer.status, answer.problem_code().as_str()), (401, "unauthorized"));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let wrong = server.get("/events/ticket");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
}

#[test]
fn a_ticket_carries_the_end_of_its_token_and_its_session() {
    let server = server_with_users();
    let of =
        |token: &str| ticket(&server, Some(token)).json()["ticket"].as_str().expect("a ticket").to_owned();
    let mut short = open(&server, &format!("?ticket={}", of(&token(7, None, 6))));
    let mut session = open(&server, &format!("?ticket={}", of(&token(7, Some("s-1"), 3_600))));
    session.subscribed();
    server.broadcast(&json!({ "type": "bye", "user_id": 7, "close_sessions": ["s-1"] }));
    session.expect("bye");
    assert_eq!(session.close(), Some((4001, "Unauthorized".to_owned())));
    short.subscribed();
    // It is told of its end at the shard's next look at the clock, before the event or behind it.
    let mut told = [short.frame()["type"].to_string(), short.frame()["type"].to_string()];
    told.sort();
    assert_eq!(told, [r#""bye""#, r#""token_expiring""#]);
    assert_eq!(short.close(), Some((4001, "Unauthorized".to_owned())));
}

#[test]
fn tokens_are_judged_as_on_ws_but_with_a_status() {
    let required = launch().env("JWT_SECRET", SECRET).env("WS_AUTH", "required").start();
    let unauthorized = (401, "unauthorized".to_owned());
    assert_eq!(refused(&required, "?channels=jobs", &[]), unauthorized);
    assert_eq!(refused(&required, "?token=x", &[]), unauthorized);
    assert_eq!(refused(&required, &format!("?token={}", token(7, None, -1)), &[]), unauthorized);
    assert_eq!(refused(&required, "", &[("authorization", "Bearer x")]), unauthorized);
    let good = token(7, None, 3_600);
    assert!(open(&required, &format!("?token={good}")).subscribed()["user:7"].is_object());
    let header = format!("Bearer {good}");
    let mut events = Events::open(required.address(), "", &[("Authorization", &header)]);
    assert!(events.subscribed()["user:7"].is_object());
    let counted = |reason: &str| {
        required.metric("fanfare_handshakes_refused_total", &[&format!("reason=\"{reason}\"")])
    };
    assert_eq!((counted("unauthorized"), counted("malformed")), (Some(4.0), Some(2.0)));

    let optional = server_with_users();
    assert_eq!(refused(&optional, "?token=x", &[]), unauthorized);
    let mut anonymous = open(&optional, "?channels=jobs,payments,user:7");
    anonymous.expect("connected");
    for channel in ["payments", "user:7"] {
        let error = anonymous.expect("error");
        assert_eq!(
            (&error["data"]["code"], &error["data"]["channel"]),
            (&json!("forbidden"), &json!(channel))
        );
    }
    assert_eq!(anonymous.expect("subscribed")["data"]["channels"], json!(["jobs"]));

    // Who knows no users lets everybody in.
    let off = server();
    open(&off, "?token=x&ticket=y").subscribed();
    assert_eq!(ticket(&off, Some(&good)).status, 401);
}

#[test]
fn pages_of_other_origins_are_refused_and_listed_ones_may_read() {
    let server = launch().env("CORS_ALLOWED_ORIGINS", "https://app.example.com").start();
    let page = [("Origin", "https://app.example.com")];
    let events = Events::open(server.address(), "", &page);
    assert_eq!(events.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(events.header("access-control-allow-credentials"), Some("true"));
    for origin in ["https://evil.example", "null", "x"] {
        let code = refused(&server, "", &[("Origin", origin)]);
        assert_eq!(code, (403, "forbidden_origin".to_owned()), "{origin}");
    }
    let two = [("Origin", "https://app.example.com"), ("Origin", "https://evil.example")];
    assert_eq!(refused(&server, "", &two).0, 403);
}

#[test]
fn who_may_never_come_back_is_told_to_stop_when_it_does() {
    let server = server_with_users();
    let query = format!("?channels=jobs&token={}", token(7, None, 3_600));
    let mut events = open(&server, &query);
    events.subscribed();
    let id = events.last_id.clone();
    let answer = request(server.address(), "POST", "/users/7/disconnect", &[], None);
    assert_eq!((answer.status, answer.json()), (200, json!({ "disconnected": 1 })));
    assert_eq!(events.close(), Some((4012, "Disconnected by an operator".to_owned())));
    // A browser comes back by itself, with the id of the last message.
    let headers = [("Last-Event-ID", events.last_id.as_str())];
    let answer = request(server.address(), "GET", &format!("/events{query}"), &headers, None);
    assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{headers:?}");
    // A page that decides to come back has the id of the message before.
    let mut events = Events::open(server.address(), &query, &[("Last-Event-ID", &id)]);
    assert_eq!(events.subscribed()["jobs"]["recovered"], true);
}

#[test]
fn connections_of_a_user_and_of_the_node_have_their_bounds() {
    let server = launch()
        .env("JWT_SECRET", SECRET)
        .env("MAX_CONNECTIONS_PER_USER", "1")
        .env("MAX_CONNECTIONS", "3")
        .start();
    let query = format!("?token={}", token(7, None, 3_600));
    let mut first = open(&server, &query);
    first.subscribed();
    let mut second = open(&server, &query);
    assert_eq!(second.close(), Some((4029, "Too many connections".to_owned())));
    server.wait_for_connections(1);
    eventually(PATIENCE, || server.metric("fanfare_closes_total", &[r#"code="4029""#]) == Some(1.0));
    let _others: Vec<Events> = (0..2).map(|_| open(&server, "")).collect();
    server.wait_for_connections(3);
    let answer = server.get("/events");
    assert_eq!((answer.status, answer.problem_code().as_str()), (503, "connection_limit"));
    assert!(answer.header("retry-after").is_some());
    assert!(Client::dial(&server.ws()).attempt().is_err(), "one bound for all");
    drop(first);
    server.wait_for_connections(2);
    // Its place among the node's is given free a moment later.
    eventually(PATIENCE, || server.metric("fanfare_connections", &[]) == Some(2.0));
    open(&server, &query).subscribed();
}

#[test]
fn a_drain_tells_each_client_when_to_return_and_lets_nobody_in() {
    let mut server = launch().env("OUTBOX_MAX_BYTES", "256MiB").env("OUTBOX_MAX_FRAMES", "100000").start();
    let mut slow = open(&server, "");
    slow.subscribed();
    for n in 0..60 {
        server.broadcast(&json!({ "type": "x", "data": [n, "x".repeat(200_000)] }));
    }
    eventually(PATIENCE, || server.metric("fanfare_outboxes", &[]) == Some(1.0));
    let mut clients: Vec<Events> = (0..5).map(|_| open(&server, "")).collect();
    clients.iter_mut().for_each(|events| drop(events.subscribed()));
    server.terminate();
    let mut delays: Vec<u64> = clients
        .iter_mut()
        .map(|events| {
            let (code, reason) = events.close().expect("a word at the end");
            let delay = events.retry.expect("a time");
            assert_eq!((code, reason), (1001, format!("draining; reconnect in {delay} ms")));
            assert_ne!(events.last_id, "!");
            delay
        })
        .collect();
    delays.sort_unstable();
    assert!(delays.windows(2).all(|pair| pair[0] < pair[1]), "each another: {delays:?}");
    let answer = server.get("/events");
    assert_eq!((answer.status, answer.problem_code().as_str()), (503, "draining"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(ticket(&server, None).status, 503);
    // What was accepted for the slow one comes before its end.
    for n in 0..60 {
        assert_eq!(slow.expect("x")["data"][0], n);
    }
    assert_eq!(slow.close().map(|(code, _)| code), Some(1001));
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn older_and_odd_http_is_served_too() {
    let server = server();
    let mut old = Events::send(
        server.address(),
        "GET /events?channels=jobs HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    );
    assert_eq!(
        (old.status, old.header("transfer-encoding"), old.header("content-length")),
        (200, None, None)
    );
    old.subscribed();
    server.broadcast(&json!({ "type": "x", "channel": "jobs" }));
    old.expect("x");

    let host = server.address();
    let pipelined =
        format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\nGET /events HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut events = Events::send(host, &pipelined);
    assert_eq!(events.status, 200);
    events.skip_body();
    events.read_head();
    events.subscribed();

    let head = request(host, "HEAD", "/events?channels=jobs", &[], None);
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = request(host, method, "/events", &[], None);
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
        assert_eq!(answer.problem_code(), "method_not_allowed");
    }
    server.wait_for_connections(2);
    // The other end of the first connection is the end of the answer.
    server.terminate();
    assert_eq!(old.close().map(|(code, _)| code), Some(1001));
}

#[test]
fn a_refused_request_leaves_its_connection_usable() {
    let server = server_with_users();
    let host = server.address();
    let mut events = Events::send(
        host,
        &format!(
            "GET /events?token=x HTTP/1.1\r\nHost: {host}\r\n\r\nGET /events HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ),
    );
    assert_eq!(events.status, 401);
    events.skip_body();
    events.read_head();
    assert_eq!(events.status, 200);
    events.subscribed();
}

#[test]
fn bad_input_is_answered_and_disturbs_nobody() {
    let server = server();
    let mut friend = open(&server, "?channels=jobs");
    friend.subscribed();
    let many: Vec<String> = (0..150).map(|n| format!("c{n}")).collect();
    let mut events = open(&server, &format!("?channels=bad%20name,{}", many.join(",")));
    events.expect("connected");
    let errors: Vec<Value> = (0..2).map(|_| events.expect("error")["data"]["code"].clone()).collect();
    assert_eq!(errors, ["invalid_channel", "too_many_channels"]);
    assert_eq!(events.expect("subscribed")["data"]["channels"].as_array().map(Vec::len), Some(100));
    let long: Vec<String> = (0..10_000).map(|n| format!("channel-{n}")).collect();
    let answer = server.get(&format!("/events?channels={}", &long.join(",")[..60_000]));
    assert_eq!((answer.status, answer.problem_code().as_str()), (414, "too_large"));
    for query in ["?channels=%FF%FE", "?%", "?channels=%00", "?&&==&"] {
        open(&server, query).expect("connected");
    }
    let id = (0..1_200).map(|n| format!("c{n}~AAAAAAAA~1")).collect::<Vec<_>>().join(",");
    let mut lost = Events::open(server.address(), "?channels=jobs", &[("Last-Event-ID", &id)]);
    assert_eq!(lost.subscribed()["jobs"]["recovered"], false);
    server.broadcast(&json!({ "type": "still_here", "channel": "jobs" }));
    friend.expect("still_here");
}
