//! The service is killed again and again while users write: what was acknowledged is delivered, once and in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use test_kit::wait::holds_within;
use test_kit::{Directory, Launch, http};

use crate::delivery::Hub;
use crate::harness::{KEY, SECRET};

/// How often it is killed.
const KILLS: usize = 4;

/// Messages that have to be acknowledged between two kills.
const BETWEEN: usize = 12;

/// Long enough for what ought to happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_was_acknowledged_is_delivered_once_and_in_order_however_often_the_service_is_killed() {
    let at = test_kit::free_address();
    let (hub, data) = (Hub::start(None), Directory::new());
    let launch = Launch::new(env!("CARGO_BIN_EXE_chat-service"))
        .env("PORT", at.port().to_string())
        .env("FANFARE_DATA", &data)
        .env("WS_SERVICE_URL", hub.server.http())
        .env("SERVICE_API_KEY", KEY)
        .env("JWT_SECRET", SECRET);
    let mut service = Some(launch.start());
    let mut client = hub.connect(9);
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..3)
        .map(|sender| {
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            thread::spawn(move || {
                let mut sent: Vec<(i64, String)> = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let text = format!("{sender}-{}", sent.len());
                    let body = json!({
                        "event": "send_message", "data": {"to_user_id": 9, "message": text}, "user_id": sender,
                        "id": format!("call-{text}")
                    })
                    .to_string();
                    let bearer = format!("Bearer {KEY}");
                    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
                    // As the hub does: the same call again until there is an answer.
                    let call = || {
                        let answer =
                            http::try_request(at, None, "POST", "/hooks/chat", &headers, Some(body.as_bytes()));
                        answer.ok().filter(|answer| answer.status == 200)?.json()["id"].as_i64()
                    };
                    let mut id = None;
                    assert!(holds_within(PATIENCE, || {
                        id = call();
                        id.is_some()
                    }));
                    sent.push((id.expect("an id"), text));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                sent
            })
        })
        .collect();
    let mut frames = Vec::new();
    for kill in 1..=KILLS {
        assert!(holds_within(PATIENCE, || acknowledged.load(Ordering::Relaxed) >= kill * BETWEEN));
        drop(service.take());
        service = Some(launch.start());
        // Who says nothing for a minute is gone.
        frames.extend(client.ping_barrier());
    }
    stop.store(true, Ordering::Relaxed);
    let mut sent: Vec<(i64, String)> =
        senders.into_iter().flat_map(|sender| sender.join().expect("a sender")).collect();
    sent.sort_unstable();
    let backlog = || http::get(at, "/health", &[]).json()["relay"]["backlog"].clone();
    assert!(holds_within(PATIENCE, || backlog() == 0));
    frames.extend(hub.so_far(&mut client));
    let got: Vec<(i64, String)> = frames
        .iter()
        .filter(|frame| frame["type"] == "message_received")
        .map(|frame| {
            let data: &Value = &frame["data"];
            (data["id"].as_i64().expect("an id"), data["message"].as_str().expect("a text").to_owned())
        })
        .collect();
    assert_eq!(got, sent);
}
