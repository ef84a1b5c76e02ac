//! The same on every kind of connection: each of a user's is told of once, and is known to have the event by a sign of its
//! own kind.

use super::super::dashboard::{dashboard, subscribe};
use super::super::events::open;
use super::super::socketio::{Polling, Ws};
use super::super::tasks::signed_in;
use super::*;

/// Reads until the ledger knows that the event came so far on so many connections.
#[track_caller]
fn wait_for_count(ledger: &Ledger, id: &str, state: &str, count: usize) {
    eventually(PATIENCE, || ledger.of(id).iter().filter(|(_, known)| known == state).count() >= count);
}

#[test]
fn every_connection_of_a_user_is_told_of_once_in_every_world() {
    let ledger = Ledger::new();
    let toml = table("\"notification\"", &ledger.0, "");
    let server = start(&toml, |launch| launch.env("DASHBOARD_AUTH", "off"));
    let mut plain = Client::welcomed(&as_user(&server, 7));
    let mut dashboard = dashboard(&server);
    subscribe(&mut dashboard, json!({ "userId": 7 }));
    let mut tasks = signed_in(&server, 7);
    let (mut socket, _) = Ws::connected(&server, &["/notifications"]);
    let polling = Polling::connected(&server, &["/notifications"]);
    let token = test_kit::Signer::hs256(SECRET).user(7);
    let mut events = open(&server, &format!("?token={token}&channels=x"));
    events.subscribed();
    let published = server.broadcast(&json!({ "type": "notification", "user_id": 7, "data": { "n": 1 } }));
    assert_eq!(published["recipients"], 6, "{published}");
    let id = text(&published["id"]);
    wait_for_count(&ledger, &id, "sent", 6);
    let of = ledger.of(&id);
    let connections: BTreeSet<&String> = of.iter().map(|(connection, _)| connection).collect();
    assert_eq!((of.iter().filter(|(_, state)| state == "sent").count(), connections.len()), (6, 6));
    assert!(ledger.records().iter().all(|record| record["user_id"] == 7 || record["user_id"] == "7"));
    // Each gives its sign, and no more than that: a pong, an answer to Engine.IO's ping, a poll.
    for client in [&mut plain, &mut dashboard, &mut tasks] {
        client.expect_type("notification");
        client.read_for(Duration::from_millis(50));
    }
    assert!(socket.text().starts_with("42/notifications,[\"notification\","));
    assert!(polling.poll_text().contains("[\"notification\","));
    assert_eq!(events.expect("notification")["data"]["n"], 1);
    let delivered = || ledger.of(&id).iter().filter(|(_, state)| state == "delivered").count();
    std::thread::scope(|scope| {
        let (socket, poll) = (scope.spawn(move || socket.text()), scope.spawn(|| polling.poll_text()));
        let end = Instant::now() + PATIENCE;
        while delivered() < 5 {
            assert!(Instant::now() < end, "{:?}", ledger.of(&id));
            for client in [&mut plain, &mut dashboard, &mut tasks] {
                client.read_for(Duration::from_millis(10));
            }
        }
        finish_reading(&server);
        assert!(socket.join().expect("an event").contains("notification_read"));
        let _polled = poll.join();
    });
    assert_eq!(delivered(), 5, "server-sent events have no way back");
}

/// An event of another type, for whoever waits for one.
fn finish_reading(server: &Server) {
    server.broadcast(&json!({ "type": "notification_read", "user_id": 7, "data": { "n": 2 } }));
}

#[test]
fn a_socket_over_a_websocket_is_asked_for_its_sign() {
    let ledger = Ledger::new();
    let server = hub(&ledger);
    let (mut socket, _) = Ws::connected(&server, &["/notifications"]);
    let begun = Instant::now();
    let id = notify(&server, 1);
    assert!(socket.text().contains("\"notification\",1"));
    std::thread::scope(|scope| {
        // It answers Engine.IO's pings while it waits for the event that ends the test.
        let reading = scope.spawn(move || socket.text());
        wait_for_count(&ledger, &id, "delivered", 1);
        assert!(begun.elapsed() < SOON, "{:?}: only the usual ping told it", begun.elapsed());
        finish_reading(&server);
        assert!(reading.join().expect("an event").contains("notification_read"));
    });
}

#[test]
fn a_session_that_polls_has_an_event_with_its_next_poll_and_not_before() {
    let ledger = Ledger::new();
    let server = hub(&ledger);
    let polling = Polling::connected(&server, &["/notifications"]);
    let mut lively = Client::welcomed(&as_user(&server, 7));
    let other = lively.connection_id().to_owned();
    let id = notify(&server, 1);
    read_until(&mut lively, || ledger.states(&id, &other) == ["sent", "delivered"]);
    let before = ledger.of(&id).into_iter().filter(|(connection, _)| *connection != other);
    assert!(before.clone().all(|(_, state)| state == "sent"), "nobody polled: {:?}", ledger.of(&id));
    while !polling.poll_text().contains("\"notification\",1") {}
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| polling.poll_text());
        wait_for_count(&ledger, &id, "delivered", 2);
        finish_reading(&server);
        let _polled = poll.join();
    });
}
