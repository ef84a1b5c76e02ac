//! Who types: told at once, ended by itself, hidden from those who blocked them, and never stored.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::http;

use crate::delivery::Hub;
use crate::harness::{Engine, Wishes, World};

fn typing(to: impl Into<Value>, is_typing: bool) -> Value {
    json!({"to_user_id": to.into(), "is_typing": is_typing})
}

#[test]
fn typing_is_told_to_the_other_alone_and_ends_when_it_ends() {
    let hub = Hub::start(None);
    let mut world = World::new(Engine::Sqlite);
    let chat = world.start(Wishes { hub: hub.server.http(), background: true, ..Wishes::default() });
    let (mut own, mut other) = (hub.connect(7), hub.connect(9));
    for is_typing in [true, false, true, false] {
        assert_eq!(chat.emit(7, "typing", &typing("9", is_typing)), json!({"success": true}));
        let told = other.expect_type("user_typing");
        assert_eq!(told["data"], json!({"user_id": 7, "is_typing": is_typing}));
    }
    assert_eq!(own.ping_barrier(), Vec::<Value>::new());
    assert_eq!(
        (world.events().len(), world.number("SELECT COUNT(*) FROM conversations")),
        (0, 0),
        "nothing is stored"
    );
}

#[test]
fn typing_ends_by_itself() {
    let hub = Hub::start(None);
    let mut world = World::new(Engine::Sqlite);
    let timeout = Duration::from_secs(3);
    let chat = world.start(Wishes {
        hub: hub.server.http(),
        background: true,
        typing_timeout: timeout,
        ..Wishes::default()
    });
    let mut other = hub.connect(9);
    chat.emit("anna", "typing", &typing(9, true));
    assert_eq!(other.expect_type("user_typing")["data"], json!({"user_id": "anna", "is_typing": true}));
    let began = Instant::now();
    assert_eq!(other.expect_type("user_typing")["data"], json!({"user_id": "anna", "is_typing": false}));
    // A part of the timeout may have passed before it was told.
    assert!(began.elapsed() > timeout / 10, "{:?}", began.elapsed());
    assert_eq!(other.ping_barrier(), Vec::<Value>::new(), "once");
}

#[test]
fn who_is_blocked_is_not_shown_and_does_not_notice() {
    let hub = Hub::start(None);
    let mut world = World::new(Engine::Postgres);
    let chat = world.start(Wishes { hub: hub.server.http(), background: true, ..Wishes::default() });
    let mut other = hub.connect(9);
    assert_eq!(chat.call(9, "PUT", "/api/chat/blocks/7", &[], None).status, 200);
    assert_eq!(chat.emit(7, "typing", &typing(9, true)), json!({"success": true}));
    chat.emit(8, "typing", &typing(9, true));
    assert_eq!(other.expect_type("user_typing")["data"]["user_id"], 8);
    let metrics = http::get(chat.address, "/metrics", &[]).text();
    assert!(metrics.contains("fanfare_chat_typing_total{outcome=\"hidden\"} 1"), "{metrics}");
}

#[test]
fn a_hub_that_is_away_costs_who_types_nothing() {
    let (_world, chat) = World::with(Engine::Sqlite);
    for n in 0..50 {
        assert_eq!(chat.emit(7, "typing", &typing(n + 100, true)), json!({"success": true}));
    }
}
