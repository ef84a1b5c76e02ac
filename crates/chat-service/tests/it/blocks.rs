//! The block list.

use serde_json::{Value, json};

use crate::harness::{Engine, World};

fn who_is_blocked_cannot_write(engine: Engine) {
    let (world, chat) = World::with(engine);
    chat.send(9, 7, "before");
    let blocked = chat.call(7, "PUT", "/api/chat/blocks/9", &[], None);
    assert_eq!((blocked.status, &blocked.json()["user_id"]), (200, &json!(9)), "{}", blocked.text());
    let answer = chat.emit("9", "send_message", &json!({"to_user_id": "7", "message": "x"}));
    assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!("blocked")), "{answer}");
    let refused = chat.call(9, "POST", "/api/chat/7/messages", &[], Some(&json!({"message": "x"})));
    assert_eq!((refused.status, refused.problem_code().as_str()), (403, "blocked"));
    assert_eq!(world.events().len(), 1);
    assert_eq!(chat.read(7, "/api/chat/9/messages")["items"].as_array().expect("items").len(), 1);
    // The other way round nothing is blocked, and neither are others.
    chat.send(7, 9, "still");
    chat.send(8, 7, "hello");
    let again = chat.call(7, "PUT", "/api/chat/blocks/9", &[], None);
    assert_eq!(again.json(), blocked.json(), "it stays as it was");
    assert_eq!(chat.read(7, "/api/chat/blocks")["items"], json!([blocked.json()]));
    assert_eq!(chat.read(7, "/api/chat/blocks/9"), blocked.json());
    assert_eq!(chat.get(9, "/api/chat/blocks/7").status, 404, "whom one blocked is one's own affair");
    for _ in 0..2 {
        assert_eq!(chat.call(7, "DELETE", "/api/chat/blocks/9", &[], None).status, 204);
    }
    assert_eq!(chat.get(7, "/api/chat/blocks/9").status, 404);
    chat.send(9, 7, "after");
}

#[test]
fn who_is_blocked_cannot_write_on_sqlite() {
    who_is_blocked_cannot_write(Engine::Sqlite);
}

#[test]
fn who_is_blocked_cannot_write_on_postgres() {
    who_is_blocked_cannot_write(Engine::Postgres);
}

#[test]
fn the_block_list_is_paged_and_bounded_and_nobody_blocks_themselves() {
    let (world, chat) = World::with(Engine::Sqlite);
    for user in ["9", "anna", "12"] {
        assert_eq!(chat.call(7, "PUT", &format!("/api/chat/blocks/{user}"), &[], None).status, 200);
    }
    let first = chat.read(7, "/api/chat/blocks?limit=2");
    let users = |list: &Value| -> Vec<Value> {
        list["items"].as_array().expect("items").iter().map(|item| item["user_id"].clone()).collect()
    };
    assert_eq!(users(&first), [json!(12), json!("anna")]);
    let cursor = first["next"].as_str().expect("a cursor");
    let second = chat.read(7, &format!("/api/chat/blocks?limit=2&cursor={cursor}"));
    assert_eq!((users(&second), &second["next"]), (vec![json!(9)], &Value::Null));
    let own = chat.call(7, "PUT", "/api/chat/blocks/7", &[], None);
    assert_eq!((own.status, own.problem_code().as_str()), (422, "invalid"));
    for n in 3..1_000 {
        world.change(
            "INSERT INTO blocks (owner, blocked, blocked_user, block_id, created_at) VALUES ('7', 'b' || $1, '1', $1 + 100, 0)",
            &[n],
        );
    }
    let full = chat.call(7, "PUT", "/api/chat/blocks/one-too-many", &[], None);
    assert_eq!((full.status, full.problem_code().as_str()), (409, "too_many_blocks"));
    assert_eq!(chat.call(7, "PUT", "/api/chat/blocks/9", &[], None).status, 200, "who is in it stays");
    assert_eq!(
        chat.call(8, "PUT", "/api/chat/blocks/9", &[], None).status,
        200,
        "others have lists of their own"
    );
}
