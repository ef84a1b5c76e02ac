//! Calls that come again: the hub's by their id, users' by their idempotency key.

use std::thread;

use serde_json::{Value, json};

use crate::harness::{Engine, KEY, Wishes, World, call_at, hook_at, token};

fn call(id: &str, text: &str) -> Value {
    json!({
        "event": "send_message", "data": {"to_user_id": 9, "message": text}, "user_id": 7, "user_type": "worker",
        "connection_id": null, "id": id
    })
}

fn a_repeat_gets_the_first_answer_and_stores_nothing(engine: Engine) {
    let (world, chat) = World::with(engine);
    let id = "0199b0c0-0000-7000-8000-000000000001";
    let first = chat.hook(&call(id, "hi")).json();
    assert_eq!(first["success"], true);
    for _ in 0..3 {
        assert_eq!(chat.hook(&call(id, "hi")).json(), first);
    }
    let other = chat.hook(&call(id, "something else")).json();
    assert_eq!((&other["success"], &other["code"]), (&json!(false), &json!("idempotency_key_reused")));
    // Of another user it is another call.
    let mut of_another = call(id, "hi");
    of_another["user_id"] = json!(8);
    assert_ne!(chat.hook(&of_another).json()["id"], first["id"]);
    assert_eq!((world.number("SELECT COUNT(*) FROM messages"), world.events().len()), (2, 2));
    assert_eq!(chat.read(9, "/api/chat/unread")["unread_count"], 2);
}

#[test]
fn a_repeat_gets_the_first_answer_and_stores_nothing_on_sqlite() {
    a_repeat_gets_the_first_answer_and_stores_nothing(Engine::Sqlite);
}

#[test]
fn a_repeat_gets_the_first_answer_and_stores_nothing_on_postgres() {
    a_repeat_gets_the_first_answer_and_stores_nothing(Engine::Postgres);
}

fn repeats_that_come_at_once_make_one_message(engine: Engine) {
    let mut world = World::new(engine);
    let one = world.start(Wishes::default());
    let other = world.start(Wishes::default());
    let id = "0199b0c0-0000-7000-8000-000000000002";
    let calls: Vec<_> = (0..8)
        .map(|n| {
            let address = if n % 2 == 0 { one.address } else { other.address };
            thread::spawn(move || hook_at(address, &call(id, "hi")).json())
        })
        .collect();
    let answers: Vec<Value> = calls.into_iter().map(|call| call.join().expect("an answer")).collect();
    assert!(answers.iter().all(|answer| answer["success"] == true && *answer == answers[0]), "{answers:?}");
    assert_eq!((world.number("SELECT COUNT(*) FROM messages"), world.events().len()), (1, 1));
}

#[test]
fn repeats_that_come_at_once_make_one_message_on_sqlite() {
    repeats_that_come_at_once_make_one_message(Engine::Sqlite);
}

#[test]
fn repeats_that_come_at_once_make_one_message_on_postgres() {
    repeats_that_come_at_once_make_one_message(Engine::Postgres);
}

#[test]
fn a_refused_call_is_judged_anew() {
    let (_world, chat) = World::with(Engine::Sqlite);
    let id = "0199b0c0-0000-7000-8000-000000000003";
    chat.call(9, "PUT", "/api/chat/blocks/7", &[], None);
    assert_eq!(chat.hook(&call(id, "hi")).json()["code"], "blocked");
    chat.call(9, "DELETE", "/api/chat/blocks/7", &[], None);
    assert_eq!(chat.hook(&call(id, "hi")).json()["success"], true);
}

#[test]
fn the_header_of_a_users_call_does_the_same() {
    let (world, chat) = World::with(Engine::Sqlite);
    let post = |token: &str, path: &str, body: &Value| {
        call_at(chat.address, token, "POST", path, &[("idempotency-key", "k1")], Some(body))
    };
    let (seven, body) = (token(7), json!({"message": "hi"}));
    let first = post(&seven, "/api/chat/9/messages", &body);
    assert_eq!(first.status, 201);
    let again = post(&seven, "/api/chat/9/messages", &body);
    assert_eq!((again.status, again.json()), (201, first.json()));
    let reused = post(&seven, "/api/chat/9/messages", &json!({"message": "other"}));
    assert_eq!((reused.status, reused.problem_code().as_str()), (422, "idempotency_key_reused"));
    // The key belongs to the caller and the path.
    assert_eq!(post(&seven, "/api/chat/8/messages", &body).status, 201);
    assert_eq!(post(&token(8), "/api/chat/9/messages", &body).status, 201);
    let service = json!({"from_user_id": 7, "message": "hi"});
    assert_eq!(post(KEY, "/api/chat/9/messages", &service).status, 201);
    assert_eq!(world.number("SELECT COUNT(*) FROM messages"), 4);
    let read = json!({"message_id": first.json()["id"]});
    for _ in 0..2 {
        assert_eq!(post(&token(9), "/api/chat/7/read", &read).status, 200);
    }
    // The hub's header stands for the member.
    let mut hooked = call("", "by header");
    hooked.as_object_mut().expect("an object").remove("id");
    let bearer = format!("Bearer {KEY}");
    let headers =
        [("authorization", bearer.as_str()), ("idempotency-key", "0199b0c0-0000-7000-8000-000000000004")];
    let ids: Vec<Value> = (0..2)
        .map(|_| {
            test_kit::http::post_json(chat.address, "/hooks/chat", &headers, &hooked).json()["id"].clone()
        })
        .collect();
    assert_eq!(ids[0], ids[1]);
}
