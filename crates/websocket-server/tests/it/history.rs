//! Pages of a channel's past, who may read them, and acknowledgements.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use test_kit::Client;

use super::recovery::{as_user, jobs, members, numbers, publish};
use super::{launch, server, server_with_users};

#[test]
fn history_comes_in_pages_newest_first() {
    let server = server();
    publish(&server, &jobs(), 0..120);
    let mut client = Client::welcomed(&server.ws());
    let mut page = |request: Value| {
        client.send_json(&request);
        let frame = client.expect_type("history");
        assert_eq!(members(&frame["data"]), BTreeSet::from(["channel", "epoch", "events", "more"]));
        let data = &frame["data"];
        for event in data["events"].as_array().expect("events") {
            assert_eq!((&event["channel"], &event["epoch"]), (&data["channel"], &data["epoch"]));
            assert_eq!(event["offset"], event["data"].as_u64().expect("a number") + 1);
            assert!(event["id"].is_string() && event.get("also").is_none());
        }
        (numbers(data["events"].as_array().expect("events")), data["more"] == true)
    };
    let down = |range: std::ops::Range<u64>| range.rev().collect::<Vec<_>>();
    assert_eq!(page(json!({ "type": "history", "channel": "jobs" })), (down(70..120), true));
    assert_eq!(page(json!({ "type": "history", "channel": "jobs", "before": 71 })), (down(20..70), true));
    assert_eq!(page(json!({ "type": "history", "channel": "jobs", "before": 21 })), (down(0..20), false));
    assert_eq!(
        page(json!({ "type": "history", "channel": "jobs", "limit": 20, "before": 21 })),
        (down(0..20), false)
    );
    assert_eq!(
        page(json!({ "type": "history", "channel": "jobs", "limit": 19, "before": 21 })),
        (down(1..20), true)
    );
    assert_eq!(
        page(json!({ "type": "history", "data": { "channel": "jobs", "limit": 1 } })),
        (down(119..120), true)
    );
    assert_eq!(page(json!({ "type": "history", "channel": "jobs", "limit": 5_000 })), (down(0..120), false));
    assert_eq!(page(json!({ "type": "history", "channel": "jobs", "before": 5_000 })), (down(70..120), true));
    for before in [0, 1] {
        assert_eq!(page(json!({ "type": "history", "channel": "jobs", "before": before })), (vec![], false));
    }
    assert_eq!(page(json!({ "type": "history", "channel": "unknown" })), (vec![], false));
    assert_eq!(page(json!({ "type": "history", "channel": "@all" })), (vec![], false));
    for limit in [json!(0), json!(-1), json!("5"), json!(1.5), json!([])] {
        client.send_json(&json!({ "type": "history", "channel": "jobs", "limit": limit }));
        client.expect_error("invalid_frame");
    }
    for before in [json!(-1), json!("5"), json!(1_u64 << 53)] {
        client.send_json(&json!({ "type": "history", "channel": "jobs", "before": before }));
        client.expect_error("invalid_frame");
    }
}

#[test]
fn history_and_presence_need_the_right_to_subscribe() {
    let server = server_with_users();
    publish(&server, &json!({ "channel": "payments" }), 0..1);
    publish(&server, &json!({ "user_id": 7 }), 1..2);
    publish(&server, &json!({}), 2..3);
    let mut client = Client::welcomed(&as_user(&server, 7));
    for kind in ["history", "presence"] {
        for channel in ["payments", "user:8"] {
            client.send_json(&json!({ "type": kind, "channel": channel }));
            assert_eq!(client.expect_error("forbidden")["data"]["channel"], channel);
        }
        for channel in ["@connection", "@", "@presence:jobs", "", "a b", "ä", &"x".repeat(201)] {
            client.send_json(&json!({ "type": kind, "channel": channel }));
            client.expect_error("invalid_channel");
        }
        for channel in [json!(7), json!(["jobs"]), json!(null)] {
            client.send_json(&json!({ "type": kind, "channel": channel }));
            client.expect_error("invalid_frame");
        }
    }
    for (channel, number) in [("user:7", 1), ("@all", 2)] {
        client.send_json(&json!({ "type": "history", "channel": channel }));
        assert_eq!(
            numbers(client.expect_type("history")["data"]["events"].as_array().expect("events")),
            [number]
        );
    }
}

#[test]
fn a_page_of_large_events_has_as_many_as_fit() {
    let server = launch().env("MAX_BODY", "2MiB").start();
    for n in 0..40 {
        server.broadcast(&json!({ "type": "x", "channel": "jobs", "data": [n, "x".repeat(900_000)] }));
    }
    let mut client = Client::welcomed(&server.ws());
    let (mut before, mut told) = (None, Vec::new());
    loop {
        client.send_json(&json!({ "type": "history", "channel": "jobs", "limit": 1000, "before": before }));
        let frame = client.expect_type("history");
        let events = frame["data"]["events"].as_array().expect("events").clone();
        assert!(!events.is_empty() && events.len() < 8, "{} events of a megabyte in a page", events.len());
        told.extend(events.iter().map(|event| event["data"][0].as_u64().expect("a number")));
        before = events.last().map(|event| event["offset"].clone());
        if frame["data"]["more"] == false {
            break;
        }
    }
    assert_eq!(told, (0..40).rev().collect::<Vec<_>>());
}

#[test]
fn an_ack_has_no_answer_and_a_wrong_one_is_refused() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    let id = server.broadcast(&json!({ "type": "x" }))["id"].clone();
    client.expect_type("x");
    client.send_json(&json!({ "type": "ack", "ids": [id, "0190c8a2-5b7e-7c31-9d0f-2f6f3a1c4e55"] }));
    assert!(client.ping_barrier().is_empty());
    let many = json!(vec![id.clone(); 1000]);
    client.send_json(&json!({ "type": "ack", "ids": many }));
    assert!(client.ping_barrier().is_empty());
    for ids in [json!([]), json!("x"), json!([7]), json!(["x"]), json!(vec![id; 1001]), json!(null)] {
        client.send_json(&json!({ "type": "ack", "ids": ids }));
        client.expect_error("invalid_frame");
    }
    assert!(server.metric("fanfare_acks_total", &[]).is_none_or(|acks| acks >= 1002.0));
}
