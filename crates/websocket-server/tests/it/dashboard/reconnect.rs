//! Coming back by a connection's id: what is there again, what was missed, and who may not.
//!
//! Not here: that it ends after two minutes (the engine's clock is a test's there).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::wait::{PATIENCE, holds_within};
use test_kit::{Client, Directory, Frame, Launch, RawClient, Server, Signer, eventually};

use super::super::{SECRET, launch, server, server_with_users};
use super::{dashboard, expect_error, follows_user, id_of, subscribe};

/// Publishes events with these numbers.
#[track_caller]
fn publish(server: &Server, target: &Value, numbers: std::ops::Range<u64>) {
    let of = |n: u64| {
        let mut event = target.clone();
        event["type"] = json!("x");
        event["data"] = json!({ "n": n });
        event
    };
    let answer = server.post("/broadcast/batch", &numbers.map(of).collect());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn user() -> Value {
    json!({ "user_id": "u" })
}

/// Asks for the connection with this id; the answer.
#[track_caller]
fn reconnect(client: &mut Client, id: &str) -> Value {
    client.send_json(&json!({ "type": "reconnect", "connectionId": id }));
    client.next_json()
}

/// Comes back, which must do.
#[track_caller]
fn back(server: &Server, id: &str) -> (Client, String) {
    let mut client = dashboard(server);
    let answer = reconnect(&mut client, id);
    assert_eq!(answer["type"], "subscribed", "{answer}");
    let new = id_of(&answer);
    (client, new)
}

/// Reads events up to this number; what came, in order.
#[track_caller]
fn numbers_until(client: &mut Client, last: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        let frame = client.expect_type("x");
        numbers.push(frame["n"].as_u64().unwrap_or_else(|| panic!("{frame}")));
    }
    numbers
}

/// Whether numbers go up by one, after a start that may repeat.
#[track_caller]
fn assert_whole(numbers: &[u64], first_new: u64, last: u64) {
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "in order and without a gap: {numbers:?}");
    assert!(numbers.first().is_some_and(|first| *first <= first_new), "from {first_new} on: {numbers:?}");
    assert_eq!(numbers.last(), Some(&last));
}

/// What keeps all that these tests publish, for everyone too.
fn rules(durable: bool) -> String {
    format!(
        "[[channels]]\npattern = \"*\"\nhistory = {{ size = 100000, age = \"1h\", durable = {durable} }}\n"
    )
}

/// A server whose streams are on disk.
fn durable(data: &Directory) -> Launch {
    launch()
        .env("FANFARE_DATA", data.path().join("hub"))
        .env("FANFARE_CONFIG", data.write("rules.toml", &rules(true)))
        .env("WS_RATE_LIMIT", "0")
        .env("RUST_LOG", "warn")
}

#[test]
fn who_comes_back_has_the_subscriptions_again_and_gets_what_was_missed() {
    let server = server();
    let mut client = dashboard(&server);
    let id = subscribe(&mut client, json!({ "userId": "u", "queueId": "q" }));
    publish(&server, &user(), 0..3);
    assert_eq!(numbers_until(&mut client, 2), [0, 1, 2]);
    client.cut();
    server.wait_for_connections(0);
    publish(&server, &user(), 3..6);
    publish(&server, &json!({ "queue_id": "q" }), 6..8);
    let mut client = dashboard(&server);
    let answer = reconnect(&mut client, &id);
    assert_eq!(
        (&answer["type"], &answer["userId"], &answer["queueId"]),
        (&json!("subscribed"), &json!("u"), &json!("q"))
    );
    assert_ne!(id_of(&answer), id, "an id of its own");
    let numbers = numbers_until(&mut client, 7);
    assert_whole(&numbers, 3, 7);
    publish(&server, &json!({ "user_id": "u", "queue_id": "q" }), 8..9);
    assert_eq!(numbers_until(&mut client, 8), [8], "live from here on, once");
    assert_eq!(client.ping_barrier(), Vec::<Value>::new());
}

#[test]
fn what_a_pong_or_a_frame_of_the_client_has_confirmed_is_not_repeated() {
    let server = server();
    let mut client = dashboard(&server);
    let id = subscribe(&mut client, json!({ "userId": "u" }));
    publish(&server, &user(), 0..500);
    numbers_until(&mut client, 499);
    // The client's ping makes the hub ask how far it has come; its answer comes with the next reads.
    for _ in 0..3 {
        client.send_json(&json!({ "type": "ping" }));
        client.expect_type("pong");
        client.ping_barrier();
    }
    client.cut();
    server.wait_for_connections(0);
    publish(&server, &user(), 500..502);
    let (mut client, _) = back(&server, &id);
    let numbers = numbers_until(&mut client, 501);
    assert_eq!(numbers, [500, 501]);
}

#[test]
fn what_was_sent_into_a_dead_network_comes_again() {
    let server = server();
    let mut silent = RawClient::upgraded(server.address(), "/", &[]);
    silent.send(&Frame::text(r#"{"type":"subscribe","userId":"u"}"#));
    let answer: Value =
        serde_json::from_slice(&silent.next_frame().expect("an answer").payload).expect("JSON");
    // The kernel takes all of this, and the client never sees it.
    publish(&server, &user(), 0..50);
    drop(silent);
    server.wait_for_connections(0);
    let (mut client, _) = back(&server, &id_of(&answer));
    assert_eq!(numbers_until(&mut client, 49), (0..50).collect::<Vec<_>>());
}

#[test]
fn a_pong_that_nobody_asked_for_confirms_nothing() {
    let server = server();
    let mut liar = RawClient::upgraded(server.address(), "/", &[]);
    liar.send(&Frame::text(r#"{"type":"subscribe","userId":"u"}"#));
    let answer: Value = serde_json::from_slice(&liar.next_frame().expect("an answer").payload).expect("JSON");
    publish(&server, &user(), 0..5);
    for _ in 0..5 {
        liar.next_frame().expect("an event");
    }
    for payload in
        [vec![0xff; 8], vec![0xff; 12], vec![0; 12], vec![], vec![1; 125], 7_u64.to_be_bytes().to_vec()]
    {
        liar.send(&Frame::new(10, payload));
    }
    for number in 0..64_u64 {
        for ping in 0..8_u32 {
            liar.send(&Frame::new(10, [&number.to_be_bytes()[..], &ping.to_be_bytes()].concat()));
        }
    }
    drop(liar);
    server.wait_for_connections(0);
    let (mut client, _) = back(&server, &id_of(&answer));
    assert_eq!(numbers_until(&mut client, 4), [0, 1, 2, 3, 4]);
}

#[test]
fn an_unknown_id_is_an_error_and_the_client_subscribes_anew() {
    let server = server();
    let mut client = dashboard(&server);
    let answer = reconnect(&mut client, "00000000-0000-4000-8000-000000000000");
    assert_eq!(answer["type"], "error", "{answer}");
    subscribe(&mut client, json!({ "userId": "u" }));
    publish(&server, &user(), 0..1);
    assert_eq!(numbers_until(&mut client, 0), [0]);
}

#[test]
fn what_was_unsubscribed_does_not_come_back() {
    let server = server();
    let mut client = dashboard(&server);
    let id = subscribe(&mut client, json!({ "userId": "u", "queueId": "q" }));
    client.send_json(&json!({ "type": "unsubscribe", "userId": "u" }));
    client.expect_type("unsubscribed");
    client.cut();
    server.wait_for_connections(0);
    publish(&server, &user(), 0..3);
    publish(&server, &json!({ "queue_id": "q" }), 3..5);
    let mut client = dashboard(&server);
    let answer = reconnect(&mut client, &id);
    assert_eq!((answer.get("userId"), &answer["queueId"]), (None, &json!("q")), "{answer}");
    assert_eq!(numbers_until(&mut client, 4), [3, 4]);
}

#[test]
fn one_that_followed_nobody_is_answered_too_and_gets_what_is_for_everyone() {
    let server = server();
    for way in 0..2 {
        let mut client = dashboard(&server);
        let id = match way {
            0 => subscribe(&mut client, json!({ "batch": 0 })),
            _ => {
                let id = subscribe(&mut client, json!({ "userId": "u" }));
                client.send_json(&json!({ "type": "unsubscribe", "userId": "u" }));
                client.expect_type("unsubscribed");
                id
            }
        };
        client.cut();
        server.wait_for_connections(0);
        publish(&server, &user(), 0..2);
        publish(&server, &json!({}), 2..3);
        let mut client = dashboard(&server);
        let answer = reconnect(&mut client, &id);
        assert_eq!((&answer["type"], answer.get("userId")), (&json!("subscribed"), None), "{answer}");
        assert_eq!(numbers_until(&mut client, 2), [2]);
        client.close();
        server.wait_for_connections(0);
    }
}

#[test]
fn only_the_same_user_comes_back() {
    let server = server_with_users();
    let signer = Signer::hs256(SECRET);
    let at = |user: u64| server.ws_at(&format!("/?token={}", signer.user(user)));
    let mut client = Client::connect(&at(7));
    let id = subscribe(&mut client, json!({ "userId": 7 }));
    let mut nobody = dashboard(&server);
    let queue = subscribe(&mut nobody, json!({ "queueId": "q" }));
    for open in [true, false] {
        for (url, id) in [(at(8), &id), (server.ws_at("/"), &id), (at(7), &queue)] {
            let mut thief = Client::connect(&url);
            let answer = reconnect(&mut thief, id);
            assert_eq!(answer["type"], "error", "{answer}, open {open}");
            server.broadcast(&json!({ "type": "x", "user_id": 7, "queue_id": "q", "data": { "n": 0 } }));
            assert_eq!(thief.ping_barrier(), Vec::<Value>::new());
            thief.close();
        }
        if open {
            for client in [&mut client, &mut nobody] {
                for _ in 0..3 {
                    client.expect_type("x");
                }
                client.close();
            }
            server.wait_for_connections(0);
        }
    }
    let mut client = Client::connect(&at(7));
    let answer = reconnect(&mut client, &id);
    assert_eq!(
        (&answer["type"], &answer["userId"]),
        (&json!("subscribed"), &json!(7)),
        "a number, as in the token"
    );
    client.expect_type("x");
}

#[test]
fn the_id_of_a_connection_of_ws_or_of_tasks_is_no_way_back() {
    let server = server_with_users();
    let signer = Signer::hs256(SECRET);
    let token = signer.user(7);
    let mut channels = Client::welcomed(&super::super::with_token(&server, &token));
    let id = channels.connection_id().to_owned();
    channels.send_json(&json!({ "type": "subscribe", "channels": ["queue:q"], "recoverable": true }));
    channels.expect_type("subscribed");
    for open in [true, false] {
        let mut client = Client::connect(&server.ws_at(&format!("/?token={token}")));
        assert_eq!(reconnect(&mut client, &id)["type"], "error", "open {open}");
        client.close();
        if open {
            channels.close();
            channels = Client::welcomed(&server.ws());
            server.wait_for_connections(1);
        }
    }
}

#[test]
fn a_tab_and_its_duplicates_all_go_on() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    let mut first = dashboard(&server);
    let id = subscribe(&mut first, json!({ "userId": "u", "queueId": "q" }));
    publish(&server, &user(), 0..2);
    assert_eq!(numbers_until(&mut first, 1), [0, 1]);
    first.ping_barrier();
    let (mut second, second_id) = back(&server, &id);
    let (mut third, third_id) = back(&server, &id);
    assert!(id != second_id && second_id != third_id);
    publish(&server, &user(), 2..5);
    for client in [&mut first, &mut second, &mut third] {
        let numbers = numbers_until(client, 4);
        assert_whole(&numbers, 2, 4);
    }
    // Longer than a connection in doubt may be silent: all answer pings, as browsers do.
    let somebody_went = || {
        for client in [&mut first, &mut second, &mut third] {
            assert_eq!(client.ping_barrier(), Vec::<Value>::new());
        }
        server.stats()["total"] != 3
    };
    assert!(!holds_within(Duration::from_secs(13), somebody_went), "{}", server.stats());
    publish(&server, &user(), 5..6);
    for client in [&mut first, &mut second, &mut third] {
        assert_eq!(numbers_until(client, 5), [5]);
    }
}

#[test]
fn a_dropped_tab_comes_back_twice_when_it_was_duplicated() {
    let server = server();
    let mut client = dashboard(&server);
    let id = subscribe(&mut client, json!({ "userId": "u" }));
    client.cut();
    server.wait_for_connections(0);
    publish(&server, &user(), 0..3);
    for _ in 0..2 {
        let (mut client, _) = back(&server, &id);
        assert_eq!(numbers_until(&mut client, 2), [0, 1, 2]);
    }
}

#[test]
fn an_old_connection_that_is_only_half_there_is_gone_soon() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    let mut old = RawClient::upgraded(server.address(), "/", &[]);
    old.send(&Frame::text(r#"{"type":"subscribe","userId":"u"}"#));
    let answer: Value = serde_json::from_slice(&old.next_frame().expect("an answer").payload).expect("JSON");
    let (mut client, _) = back(&server, &id_of(&answer));
    let begun = Instant::now();
    server.wait_for_connections(2);
    eventually(Duration::from_secs(25), || {
        client.ping_barrier();
        server.stats()["total"] == 1
    });
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    publish(&server, &user(), 0..1);
    assert_eq!(numbers_until(&mut client, 0), [0]);
}

#[test]
fn several_users_and_queues_are_all_there_again() {
    let server = server();
    let mut client = dashboard(&server);
    let mut id = String::new();
    for n in 0..4 {
        id = subscribe(&mut client, json!({ "userId": format!("u{n}"), "queueId": format!("q{n}") }));
    }
    subscribe(&mut client, json!({ "queueId": "q4" }));
    client.cut();
    server.wait_for_connections(0);
    for n in 0..4_u64 {
        publish(&server, &json!({ "user_id": format!("u{n}") }), 2 * n..2 * n + 1);
        publish(&server, &json!({ "queue_id": format!("q{n}") }), 2 * n + 1..2 * n + 2);
    }
    publish(&server, &json!({ "queue_id": "q4" }), 8..9);
    let mut client = dashboard(&server);
    client.send_json(&json!({ "type": "reconnect", "connectionId": id }));
    let (mut users, mut queues) = (BTreeSet::new(), BTreeSet::new());
    let mut numbers = Vec::new();
    while numbers.last() != Some(&8) {
        let frame = client.next_json();
        if frame["type"] == "subscribed" {
            assert!(numbers.is_empty(), "answers come first");
            users.extend(frame["userId"].as_str().map(str::to_owned));
            queues.extend(frame["queueId"].as_str().map(str::to_owned));
        } else {
            numbers.push(frame["n"].as_u64().expect("a number"));
        }
    }
    assert_eq!(numbers, (0..9).collect::<Vec<_>>(), "in the hub's order over all of them");
    assert_eq!((users.len(), queues.len()), (4, 5), "{users:?} {queues:?}");
}

#[test]
fn reconnect_behind_a_subscribe_is_an_error_that_changes_nothing() {
    let server = server();
    let mut one = dashboard(&server);
    let id = subscribe(&mut one, json!({ "userId": "one" }));
    let mut two = follows_user(&server, "u");
    two.send_json(&json!({ "type": "reconnect", "connectionId": id }));
    expect_error(&mut two);
    server.broadcast(&json!({ "type": "x", "user_id": "one" }));
    one.expect_type("x");
    assert_eq!(two.ping_barrier(), Vec::<Value>::new());
}

#[test]
fn what_is_for_everyone_is_not_missed_either() {
    let server = server();
    let mut client = dashboard(&server);
    let id = subscribe(&mut client, json!({ "userId": "u" }));
    client.cut();
    server.wait_for_connections(0);
    publish(&server, &json!({}), 0..3);
    let (mut client, _) = back(&server, &id);
    assert_eq!(numbers_until(&mut client, 2), [0, 1, 2]);
}

#[test]
fn who_comes_back_is_told_when_not_everything_can_be_told() {
    let rules = "[[channels]]\npattern = \"user:*\"\nhistory = { size = 5, age = \"10m\" }\n";
    let (server, _file) = super::super::recovery::with_rules(&launch(), rules);
    let mut client = dashboard(&server);
    let id = subscribe(&mut client, json!({ "userId": "u" }));
    client.cut();
    server.wait_for_connections(0);
    publish(&server, &user(), 0..20);
    let (mut client, _) = back(&server, &id);
    assert!(expect_error(&mut client).contains("whole"));
    publish(&server, &user(), 20..21);
    let numbers = numbers_until(&mut client, 20);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn nothing_is_lost_while_a_publisher_goes_on_and_a_client_drops_again_and_again() {
    let data = Directory::new();
    let file = data.write("rules.toml", &rules(false));
    let server = launch().env("WS_RATE_LIMIT", "0").env("SHARDS", "2").env("FANFARE_CONFIG", file).start();
    let (published, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            while !stop.load(Ordering::Acquire) && published.load(Ordering::Acquire) < 8_000 {
                let n = published.load(Ordering::Acquire);
                publish(&server, &json!({ "user_id": "u", "queue_id": "q" }), n..n + 5);
                published.store(n + 5, Ordering::Release);
            }
        });
        let mut client = dashboard(&server);
        let mut id = subscribe(&mut client, json!({ "userId": "u", "queueId": "q" }));
        let first = client.expect_type("x")["n"].as_u64().expect("a number");
        let mut had = first;
        for round in 0..60_u64 {
            let batch = if round % 3 == 0 { "/?batch=20" } else { "/" };
            for _ in 0..round % 17 {
                let frame = client.next_json();
                let messages = if frame["type"] == "batch_update" {
                    frame["messages"].as_array().expect("an array").clone()
                } else {
                    vec![frame]
                };
                for message in messages {
                    let n = message["n"].as_u64().unwrap_or_else(|| panic!("round {round}: {message}"));
                    assert!(n <= had + 1, "round {round}: {n} behind {had}");
                    had = had.max(n);
                }
            }
            if round % 4 == 0 {
                drop(client);
            } else {
                client.cut();
            }
            client = Client::connect(&server.ws_at(batch));
            client.send_json(&json!({ "type": "reconnect", "connectionId": id }));
            let answer = client.next_json();
            assert_eq!(answer["type"], "subscribed", "round {round}: {answer}");
            id = id_of(&answer);
        }
        stop.store(true, Ordering::Release);
        publisher.join().expect("the publisher");
        let last = published.load(Ordering::Acquire) - 1;
        while had < last {
            let frame = client.next_json();
            let messages = frame["messages"].as_array().cloned().unwrap_or_else(|| vec![frame]);
            for message in messages {
                let n = message["n"].as_u64().unwrap_or_else(|| panic!("{message}"));
                assert!(n <= had + 1, "{n} behind {had}");
                had = had.max(n);
            }
        }
    });
}

#[test]
fn after_a_kill_of_the_server_its_clients_come_back_by_their_ids() {
    let data = Directory::new();
    let server = durable(&data).start();
    let mut client = dashboard(&server);
    let mut id = subscribe(&mut client, json!({ "userId": "u", "queueId": "q" }));
    publish(&server, &user(), 0..5);
    assert_eq!(numbers_until(&mut client, 4), [0, 1, 2, 3, 4]);
    let mut next = 5;
    let mut running = server;
    for round in 0..3 {
        // Not read by the client; acknowledged to the publisher.
        publish(&running, &user(), next..next + 5);
        drop(running);
        drop(client);
        running = durable(&data).start();
        publish(&running, &json!({ "queue_id": "q" }), next + 5..next + 7);
        let (again, new) = back(&running, &id);
        client = again;
        let numbers = numbers_until(&mut client, next + 6);
        assert_whole(&numbers, next, next + 6);
        next += 7;
        publish(&running, &user(), next..next + 1);
        assert_eq!(numbers_until(&mut client, next), [next], "round {round}");
        next += 1;
        id = new;
    }
}

#[test]
fn a_drop_at_once_behind_the_subscribe_is_as_good_as_any() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    for round in 0..20 {
        let user = format!("u{round}");
        let mut client = dashboard(&server);
        let id = subscribe(&mut client, json!({ "userId": user }));
        client.cut();
        // The hub may not have noticed yet.
        let (mut client, _) = back(&server, &id);
        publish(&server, &json!({ "user_id": user }), 0..3);
        assert_eq!(numbers_until(&mut client, 2), [0, 1, 2]);
        client.close();
    }
    eventually(PATIENCE, || server.stats()["total"] == 0);
}

#[test]
fn who_comes_back_finds_room_though_the_old_connections_are_still_counted() {
    let server = server();
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = RawClient::upgraded(server.address(), "/", &[]);
        client.send(&Frame::text(r#"{"type":"subscribe","userId":"u"}"#));
        let answer: Value =
            serde_json::from_slice(&client.next_frame().expect("an answer").payload).expect("JSON");
        clients.push((client, id_of(&answer)));
    }
    // A laptop that was asleep has five tabs, and the hub has not noticed.
    let mut again: Vec<Client> = clients.iter().map(|(_, id)| back(&server, id).0).collect();
    publish(&server, &user(), 0..1);
    for client in &mut again {
        assert_eq!(numbers_until(client, 0), [0]);
    }
}
