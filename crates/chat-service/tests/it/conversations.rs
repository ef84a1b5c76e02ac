//! Conversations, unread counts and read positions.

use serde_json::{Value, json};

use crate::harness::{Engine, Instance, World};

fn unread(chat: &Instance, user: i64) -> i64 {
    chat.read(user, "/api/chat/unread")["unread_count"].as_i64().expect("a number")
}

/// The conversations of a user: the other, what is unread, how far each has read.
fn list(chat: &Instance, user: i64) -> Vec<(Value, i64, Value, Value)> {
    let list = chat.read(user, "/api/chat/conversations");
    let items = list["items"].as_array().expect("items");
    items
        .iter()
        .map(|item| {
            let unread = item["unread_count"].as_i64().expect("a number");
            (item["user_id"].clone(), unread, item["last_read_id"].clone(), item["peer_last_read_id"].clone())
        })
        .collect()
}

fn reading_moves_the_position_forward_and_is_told_once(engine: Engine) {
    let (world, chat) = World::with(engine);
    let [one, two, three] = ["1", "2", "3"].map(|text| chat.send(7, 9, text));
    let other = chat.send(8, 9, "x");
    let own = chat.send(9, 7, "y");
    assert_eq!((unread(&chat, 9), unread(&chat, 7), unread(&chat, 8)), (4, 1, 0));
    assert_eq!(
        list(&chat, 9),
        [(json!(7), 3, Value::Null, Value::Null), (json!(8), 1, Value::Null, Value::Null)]
    );
    let answer = chat.emit(9, "mark_read", &json!({"message_id": two}));
    assert_eq!(answer, json!({"success": true, "message_id": two, "unread_count": 1}));
    let told = world.events_of("message_read");
    assert_eq!(told.len(), 1);
    let timestamp = told[0]["timestamp"].clone();
    assert_eq!(told[0]["data"], json!({"message_id": two, "user_id": 9, "timestamp": timestamp}));
    assert_eq!(told[0]["user_ids"], json!([7]), "to its author alone");
    assert!(told[0].get("except_connection_id").is_none());
    assert_eq!((unread(&chat, 9), unread(&chat, 7)), (2, 1));
    // Again, and back: nothing changes and nobody is told.
    for id in [two, one] {
        let answer = chat.emit(9, "mark_read", &json!({"message_id": id}));
        assert_eq!(answer, json!({"success": true, "message_id": two, "unread_count": 1}));
    }
    assert_eq!((unread(&chat, 9), world.events_of("message_read").len()), (2, 1));
    let flags: Vec<(i64, bool)> = chat.read(7, "/api/chat/9/messages")["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| (item["id"].as_i64().expect("an id"), item["read"].as_bool().expect("a truth")))
        .collect();
    assert_eq!(flags, [(own, false), (three, false), (two, true), (one, true)]);
    // By REST, to the end.
    let read = |user: i64, other: &str, id: i64| {
        chat.call(user, "POST", &format!("/api/chat/{other}/read"), &[], Some(&json!({"message_id": id})))
    };
    assert_eq!(read(9, "7", three).json(), json!({"message_id": three, "unread_count": 0}));
    assert_eq!(read(9, "8", other).json(), json!({"message_id": other, "unread_count": 0}));
    assert_eq!(unread(&chat, 9), 0);
    assert_eq!(list(&chat, 7)[0], (json!(9), 1, Value::Null, json!(three)));
    assert_eq!(list(&chat, 9)[0], (json!(7), 0, json!(three), Value::Null));
    assert_eq!(world.events_of("message_read").len(), 3);
    // A new message is unread again.
    chat.send(7, 9, "4");
    assert_eq!((unread(&chat, 9), list(&chat, 9)[0].1), (1, 1));
}

#[test]
fn reading_moves_the_position_forward_and_is_told_once_on_sqlite() {
    reading_moves_the_position_forward_and_is_told_once(Engine::Sqlite);
}

#[test]
fn reading_moves_the_position_forward_and_is_told_once_on_postgres() {
    reading_moves_the_position_forward_and_is_told_once(Engine::Postgres);
}

#[test]
fn only_the_recipient_can_mark_a_message_as_read() {
    let (world, chat) = World::with(Engine::Sqlite);
    let id = chat.send(7, 9, "hi");
    let mark = |user: Value, id: Value| chat.emit(user, "mark_read", &json!({"message_id": id}));
    let code = |answer: Value| {
        (answer["success"] == false).then(|| answer["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(code(mark(json!(8), json!(id))).as_deref(), Some("not_found"), "of others");
    assert_eq!(code(mark(json!(9), json!(id + 1))).as_deref(), Some("not_found"), "of nobody");
    assert_eq!(code(mark(json!(7), json!(id))).as_deref(), Some("forbidden"), "one's own");
    let read = |user: i64, other: &str, id: i64| {
        let body = json!({"message_id": id});
        let answer = chat.call(user, "POST", &format!("/api/chat/{other}/read"), &[], Some(&body));
        (answer.status, answer.problem_code())
    };
    assert_eq!(read(8, "7", id), (404, "not_found".to_owned()));
    assert_eq!(read(9, "8", id), (404, "not_found".to_owned()), "in another conversation");
    assert_eq!(read(7, "9", id), (403, "forbidden".to_owned()));
    assert_eq!(world.events_of("message_read").len(), 0);
    assert_eq!(unread(&chat, 9), 1);
    assert_eq!(code(mark(json!("9"), json!(id))), None, "9 and \"9\" are one user");
}

fn conversations_come_the_latest_first_page_by_page(engine: Engine) {
    let (_world, chat) = World::with(engine);
    for other in 10..15 {
        chat.send(other, 7, "hello");
    }
    chat.send(7, 11, "answer");
    let first = chat.read(7, "/api/chat/conversations?limit=3");
    let users = |list: &Value| -> Vec<i64> {
        let items = list["items"].as_array().expect("items");
        items.iter().map(|item| item["user_id"].as_i64().expect("an id")).collect()
    };
    assert_eq!(users(&first), [11, 14, 13]);
    let last = &first["items"][0]["last_message"];
    assert_eq!((&last["message"], &last["from_user_id"]), (&json!("answer"), &json!(7)));
    let cursor = first["next"].as_str().expect("a cursor");
    let second = chat.read(7, &format!("/api/chat/conversations?limit=3&cursor={cursor}"));
    assert_eq!((users(&second), &second["next"]), (vec![12, 10], &Value::Null));
    let foreign = chat.get(8, &format!("/api/chat/conversations?cursor={cursor}"));
    assert_eq!((foreign.status, foreign.problem_code().as_str()), (422, "invalid"));
    let nobody = chat.read(99, "/api/chat/conversations");
    assert_eq!(nobody, json!({"items": [], "next": null}));
}

#[test]
fn conversations_come_the_latest_first_page_by_page_on_sqlite() {
    conversations_come_the_latest_first_page_by_page(Engine::Sqlite);
}

#[test]
fn conversations_come_the_latest_first_page_by_page_on_postgres() {
    conversations_come_the_latest_first_page_by_page(Engine::Postgres);
}
