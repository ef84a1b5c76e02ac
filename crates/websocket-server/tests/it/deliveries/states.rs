//! Sent, delivered, shown: of which event on which connection, when, and of which not.

use test_kit::{Follower, Frame};

use super::*;

#[test]
fn a_client_that_never_acks_nor_pings_is_soon_known_to_have_an_event() {
    let ledger = Ledger::new();
    let server = hub(&ledger);
    let mut client = Client::welcomed(&as_user(&server, 7));
    let connection = client.connection_id().to_owned();
    let begun = Instant::now();
    let id = notify(&server, 1);
    assert_eq!(client.expect_type("notification")["data"], 1);
    read_until(&mut client, || ledger.states(&id, &connection) == ["sent", "delivered"]);
    assert!(begun.elapsed() < SOON, "{:?}: only the usual ping told it", begun.elapsed());
    let records = ledger.records();
    let members: BTreeSet<&str> =
        records[0].as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(["id", "user_id", "connection_id", "state", "at"]));
    assert_eq!(records[0]["user_id"], 7, "in the form of the token");
    let at = super::super::dashboard::shape(&text(&records[0]["at"]));
    assert_eq!(at, super::super::dashboard::MILLISECONDS);
    let call = &ledger.0.calls()[0];
    assert_eq!(call.path, "/hooks/deliveries");
    assert_eq!(call.header("authorization"), Some(&*format!("Bearer {KEY}")));
    assert_eq!(call.header("content-type"), Some("application/json"));
    assert!(!server.log().contains(KEY) && !server.log().contains(&ledger.0.url("")));
}

#[test]
fn a_client_that_gives_no_sign_has_been_sent_it_and_no_more_until_it_does() {
    let ledger = Ledger::new();
    let server = hub(&ledger);
    let (mut silent, connection) = silent(&server, 7);
    let mut lively = Client::welcomed(&as_user(&server, 7));
    let other = lively.connection_id().to_owned();
    let first = notify(&server, 1);
    read_until(&mut lively, || ledger.states(&first, &other) == ["sent", "delivered"]);
    // What comes later is told later, so whatever there was to tell of the first has been told.
    let second = notify(&server, 2);
    read_until(&mut lively, || ledger.states(&second, &other) == ["sent", "delivered"]);
    for id in [&first, &second] {
        assert_eq!(ledger.states(id, &connection), ["sent"]);
    }
    silent.send(&Frame::text(r#"{"type":"ping"}"#));
    for id in [&first, &second] {
        ledger.wait_for(id, &connection, "delivered");
        assert_eq!(ledger.states(id, &connection), ["sent", "delivered"]);
    }
}

#[test]
fn what_waits_for_a_client_that_does_not_read_is_not_delivered_by_what_it_says() {
    let ledger = Ledger::new();
    let server = start(&table("\"notification\"", &ledger.0, ""), |launch| {
        launch.env("OUTBOX_MAX_BYTES", "64MiB").env("SHARDS", "1")
    });
    let (mut full, connection) = silent(&server, 7);
    let mut lively = Client::welcomed(&as_user(&server, 8));
    let other = lively.connection_id().to_owned();
    let large = "x".repeat(900_000);
    let ids: Vec<String> = (0..16)
        .map(|_| {
            text(&server.broadcast(&json!({ "type": "notification", "user_id": 7, "data": large }))["id"])
        })
        .collect();
    eventually(PATIENCE, || server.metric("fanfare_outboxes", &[]) == Some(1.0));
    for _ in 0..3 {
        full.send(&Frame::text(r#"{"type":"ping"}"#));
    }
    let barrier = text(&server.broadcast(&json!({ "type": "notification", "user_id": 8 }))["id"]);
    read_until(&mut lively, || ledger.states(&barrier, &other) == ["sent", "delivered"]);
    let last = ids.last().expect("an event");
    assert_eq!(ledger.states(last, &connection), ["sent"], "its signs came before it was written");
    // Once it has read all, the next sign counts.
    let mut events = 0;
    while events < ids.len() {
        let frame = full.next_frame().expect("a frame");
        events += usize::from(frame.payload.len() > large.len());
    }
    eventually(PATIENCE, || server.metric("fanfare_outboxes", &[]) == Some(0.0));
    full.send(&Frame::text(r#"{"type":"ping"}"#));
    for id in &ids {
        ledger.wait_for(id, &connection, "delivered");
        assert_eq!(ledger.states(id, &connection), ["sent", "delivered"]);
    }
}

#[test]
fn a_connection_that_ends_without_a_sign_never_had_it() {
    let ledger = Ledger::new();
    let mut server = hub(&ledger);
    let (silent, connection) = silent(&server, 7);
    let id = notify(&server, 1);
    ledger.wait_for(&id, &connection, "sent");
    drop(silent);
    server.wait_for_connections(0);
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    assert_eq!(ledger.states(&id, &connection), ["sent"]);
}

#[test]
fn an_ack_tells_that_it_was_shown() {
    let ledger = Ledger::new();
    let server = hub(&ledger);
    let (mut client, mut follower) = (Client::welcomed(&as_user(&server, 7)), Follower::new());
    follower.subscribe(&mut client, &[]);
    let connection = client.connection_id().to_owned();
    let id = notify(&server, 1);
    follower.take_until(&mut client, "notification");
    for _ in 0..2 {
        client.send_json(&json!({ "type": "ack", "ids": [id] }));
    }
    read_until(&mut client, || ledger.states(&id, &connection).contains(&"shown".to_owned()));
    let last = notify(&server, 2);
    read_until(&mut client, || ledger.states(&last, &connection).contains(&"delivered".to_owned()));
    let states = ledger.states(&id, &connection);
    assert_eq!(states[0], "sent");
    // An ack that is repeated may be told again.
    let each: BTreeSet<&str> = states.iter().map(String::as_str).collect();
    assert_eq!(each, BTreeSet::from(["delivered", "sent", "shown"]));
    assert_eq!(states.iter().filter(|state| *state != "shown").count(), 2);
}

#[test]
fn an_ack_of_what_was_not_for_the_client_tells_nothing() {
    let ledger = Ledger::new();
    let server = hub(&ledger);
    let mut owner = Client::welcomed(&as_user(&server, 7));
    let mut stranger = Client::welcomed(&as_user(&server, 8));
    let (own, foreign) = (owner.connection_id().to_owned(), stranger.connection_id().to_owned());
    let id = notify(&server, 1);
    owner.expect_type("notification");
    let unknown = uuid::Uuid::now_v7().to_string();
    stranger.send_json(&json!({ "type": "ack", "ids": [id, unknown, "", "7", id] }));
    owner.send_json(&json!({ "type": "ack", "ids": [unknown] }));
    stranger.send_json(&json!({ "type": "ack", "ids": { "id": id } }));
    stranger.ping_barrier();
    owner.ping_barrier();
    owner.send_json(&json!({ "type": "ack", "ids": [id] }));
    read_until(&mut owner, || ledger.states(&id, &own).contains(&"shown".to_owned()));
    assert!(ledger.of(&id).iter().all(|(connection, _)| *connection != foreign), "{:?}", ledger.of(&id));
    assert!(ledger.of(&unknown).is_empty());
}

#[test]
fn what_is_replayed_is_sent_to_the_connection_that_came_back() {
    let ledger = Ledger::new();
    let server = hub(&ledger);
    let (mut client, mut follower) = (Client::welcomed(&as_user(&server, 7)), Follower::new());
    follower.subscribe(&mut client, &[]);
    let first = client.connection_id().to_owned();
    let seen = notify(&server, 1);
    follower.take_until(&mut client, "notification");
    read_until(&mut client, || ledger.states(&seen, &first) == ["sent", "delivered"]);
    client.cut();
    server.wait_for_connections(0);
    let missed: Vec<String> = (2..5).map(|number| notify(&server, number)).collect();
    let mut client = Client::welcomed(&as_user(&server, 7));
    let second = client.connection_id().to_owned();
    follower.resume(&mut client);
    for number in 2..5 {
        assert_eq!(
            follower.take_until(&mut client, "notification").last().expect("an event")["data"],
            number
        );
    }
    let last = missed.last().expect("three");
    read_until(&mut client, || ledger.states(last, &second) == ["sent", "delivered"]);
    for id in &missed {
        assert_eq!(ledger.states(id, &second), ["sent", "delivered"]);
        assert!(ledger.states(id, &first).is_empty());
    }
    assert!(ledger.states(&seen, &second).is_empty(), "it had that one");
}

#[test]
fn only_the_types_of_a_hook_are_told_and_each_to_its_own() {
    let (jobs, all) = (Ledger::new(), Ledger::new());
    let toml = format!(
        "{}{}",
        table("\"job_*\", \"receipt\"", &jobs.0, "name = \"jobs\""),
        table("\"payment_held\"", &all.0, "")
    );
    let server = start(&toml, |launch| launch);
    let mut client = Client::welcomed(&as_user(&server, 7));
    let connection = client.connection_id().to_owned();
    let publish = |kind: &str| text(&server.broadcast(&json!({ "type": kind, "user_id": 7 }))["id"]);
    let ids: Vec<String> = ["job_created", "job", "receipt", "receipts", "payment_held", "job_"]
        .iter()
        .map(|kind| publish(kind))
        .collect();
    read_until(&mut client, || {
        ledger_has(&jobs, &ids[5], &connection) && ledger_has(&all, &ids[4], &connection)
    });
    let told = |ledger: &Ledger| -> BTreeSet<String> {
        ledger.records().iter().map(|record| text(&record["id"])).collect()
    };
    assert_eq!(told(&jobs), BTreeSet::from([0, 2, 5].map(|place: usize| ids[place].clone())));
    assert_eq!(told(&all), BTreeSet::from([ids[4].clone()]));
}

fn ledger_has(ledger: &Ledger, id: &str, connection: &str) -> bool {
    ledger.states(id, connection) == ["sent", "delivered"]
}

#[test]
fn an_anonymous_connection_has_no_user_and_an_event_for_many_is_told_of_each() {
    let ledger = Ledger::new();
    let server = start(&table("\"notification\"", &ledger.0, ""), |launch| launch.env("SHARDS", "4"));
    let mut clients: Vec<Client> = (0..20)
        .map(|number| match number {
            0 => Client::welcomed(&server.ws()),
            number => Client::welcomed(&as_user(&server, format!("user-{number}"))),
        })
        .collect();
    let id = text(&server.broadcast(&json!({ "type": "notification" }))["id"]);
    for client in &mut clients {
        client.expect_type("notification");
        // A sign of its own.
        client.ping_barrier();
    }
    let is_whole = || ledger.of(&id).iter().filter(|(_, state)| state == "delivered").count() == 20;
    eventually(PATIENCE, is_whole);
    let records = ledger.records();
    assert_eq!(records.len(), 40, "each sent once and delivered once");
    for (number, client) in clients.iter().enumerate() {
        assert_eq!(ledger.states(&id, client.connection_id()), ["sent", "delivered"]);
        let user = records.iter().find(|record| record["connection_id"] == client.connection_id());
        let expected = if number == 0 { Value::Null } else { json!(format!("user-{number}")) };
        assert_eq!(user.expect("a record")["user_id"], expected);
    }
}
