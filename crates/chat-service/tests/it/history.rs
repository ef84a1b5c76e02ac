//! Messages: who gets which event, and what is read back.

use serde_json::{Value, json};

use crate::harness::{Engine, World, ids};

const CONNECTION: &str = "8b8f5d9e-58a3-4c2c-9f4c-6a6a0ad0a001";

fn a_message_is_stored_and_told_with_the_contracts_members(engine: Engine) {
    let (world, chat) = World::with(engine);
    let id = chat.send(7, 9, "Is Tuesday good?");
    let events = world.events();
    assert_eq!(events.len(), 1);
    let event = &events[0];
    let timestamp = event["data"]["timestamp"].clone();
    assert_eq!(
        event["data"],
        json!({"id": id, "from_user_id": 7, "to_user_id": 9, "message": "Is Tuesday good?", "timestamp": timestamp})
    );
    let text = timestamp.as_str().expect("a time");
    assert!(text.len() == 24 && text.ends_with('Z'), "{text}");
    assert_eq!(event["timestamp"], timestamp);
    assert_eq!((&event["type"], &event["user_ids"]), (&json!("message_received"), &json!([9, 7])));
    assert_eq!(event["except_connection_id"], CONNECTION);
    for member in ["channels", "namespace", "connection_id"] {
        assert!(event.get(member).is_none(), "{event}");
    }
    let read = |user: i64, other: &str| chat.read(user, &format!("/api/chat/{other}/messages"));
    let message = json!({
        "id": id, "from_user_id": 7, "to_user_id": 9, "message": "Is Tuesday good?", "timestamp": timestamp, "read": false
    });
    assert_eq!(read(7, "9"), json!({"items": [message], "next": null}));
    assert_eq!(read(9, "7"), read(7, "9"));
    assert_eq!(read(8, "7"), json!({"items": [], "next": null}), "nobody else sees it");
    assert_eq!(read(9, "8"), json!({"items": [], "next": null}));
}

#[test]
fn a_message_is_stored_and_told_with_the_contracts_members_on_sqlite() {
    a_message_is_stored_and_told_with_the_contracts_members(Engine::Sqlite);
}

#[test]
fn a_message_is_stored_and_told_with_the_contracts_members_on_postgres() {
    a_message_is_stored_and_told_with_the_contracts_members(Engine::Postgres);
}

#[test]
fn users_are_one_in_both_forms_and_told_as_they_were_given() {
    let (world, chat) = World::with(Engine::Sqlite);
    chat.send(456, "9", "one");
    chat.send("456", 9, "two");
    chat.send("anna", 456, "three");
    let seen: Vec<(Value, Value)> = world
        .events()
        .iter()
        .map(|event| (event["data"]["from_user_id"].clone(), event["user_ids"].clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (json!(456), json!(["9", 456])),
            (json!("456"), json!([9, "456"])),
            (json!("anna"), json!([456, "anna"]))
        ]
    );
    assert_eq!(chat.read("9", "/api/chat/456/messages")["items"].as_array().expect("items").len(), 2);
    assert_eq!(chat.read("456", "/api/chat/anna/messages")["items"][0]["message"], "three");
    // The form of a token is worth more than what others call somebody.
    let list = chat.read(9, "/api/chat/conversations");
    assert_eq!(list["items"][0]["user_id"], "456");
    let with_blank = "a b/ü";
    chat.send(456, with_blank, "four");
    assert_eq!(chat.read(456, "/api/chat/a%20b%2F%C3%BC/messages")["items"][0]["message"], "four");
}

#[test]
fn every_text_within_the_limit_comes_back_unchanged() {
    let (world, chat) = World::with(Engine::Postgres);
    let texts = [
        " leading and trailing ",
        "<script>alert(1)</script>",
        "tab\tand\nnewline",
        "\u{2028}\u{2029}\u{feff}\u{202e}x",
        "日本語 🎉 e\u{301} 👩‍👩‍👧",
        "'; DROP TABLE messages; --",
        "\\ \" \\u0000 \"traceparent\":\"00-",
    ];
    for text in texts {
        chat.send(7, 9, text);
    }
    let longest = "é".repeat(2048);
    chat.send(7, 9, &longest);
    let mut expected: Vec<&str> = texts.to_vec();
    expected.push(&longest);
    let told: Vec<Value> = world.events().iter().map(|event| event["data"]["message"].clone()).collect();
    assert_eq!(told, expected);
    let mut read: Vec<Value> = chat.read(9, "/api/chat/7/messages")["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["message"].clone())
        .collect();
    read.reverse();
    assert_eq!(read, expected);
}

#[test]
fn a_message_to_oneself_is_there_and_read_already() {
    let (world, chat) = World::with(Engine::Sqlite);
    let id = chat.send(7, "7", "note");
    let event = &world.events()[0];
    assert_eq!(event["user_ids"], json!(["7"]));
    assert!(event.get("except_connection_id").is_none(), "the sending connection gets it too");
    assert_eq!(chat.read(7, "/api/chat/unread"), json!({"unread_count": 0}));
    let list = chat.read(7, "/api/chat/conversations");
    assert_eq!(list["items"].as_array().expect("items").len(), 1);
    assert_eq!(list["items"][0]["last_message"]["read"], true);
    let read = chat.emit(7, "mark_read", &json!({"message_id": id}));
    assert_eq!(read, json!({"success": true, "message_id": id, "unread_count": 0}));
    assert_eq!(world.events().len(), 1);
}

fn history_comes_newest_first_page_by_page(engine: Engine) {
    let (_world, chat) = World::with(engine);
    let mut sent = Vec::new();
    for n in 0..7 {
        let (from, to) = if n % 2 == 0 { (7, 9) } else { (9, 7) };
        sent.push(chat.send(from, to, &n.to_string()));
        chat.send(7, 8, "another conversation");
    }
    sent.reverse();
    assert!(sent.windows(2).all(|pair| pair[0] > pair[1]), "ids rise: {sent:?}");
    let mut seen = Vec::new();
    let mut path = "/api/chat/9/messages?limit=3".to_owned();
    loop {
        let page = chat.read(7, &path);
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_i64() else { break };
        assert_eq!(Some(&next), seen.last());
        path = format!("/api/chat/9/messages?limit=3&before={next}");
    }
    assert_eq!(seen, sent);
    let all = chat.read(7, "/api/chat/9/messages?limit=7");
    assert_eq!(all["next"], Value::Null, "a page that is just full is the last");
    for query in ["limit=0", "limit=101", "limit=x", "before=0", "before=x", "before=-1", "before=1.5"] {
        let answer = chat.get(7, &format!("/api/chat/9/messages?{query}"));
        assert_eq!((answer.status, answer.problem_code().as_str()), (422, "invalid"), "{query}");
    }
    let both = chat.get(7, "/api/chat/9/messages?limit=0&before=x").json();
    assert_eq!(both["errors"].as_array().expect("errors").len(), 2, "{both}");
}

#[test]
fn history_comes_newest_first_page_by_page_on_sqlite() {
    history_comes_newest_first_page_by_page(Engine::Sqlite);
}

#[test]
fn history_comes_newest_first_page_by_page_on_postgres() {
    history_comes_newest_first_page_by_page(Engine::Postgres);
}

#[test]
fn a_page_has_fifty_messages_unless_another_number_is_asked_for() {
    let (_world, chat) = World::with(Engine::Sqlite);
    for n in 0..51 {
        chat.send(7, 9, &n.to_string());
    }
    assert_eq!(ids(&chat.read(7, "/api/chat/9/messages")).len(), 50);
}
