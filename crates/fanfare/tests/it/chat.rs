//! Chat in one process: from one user's socket to the other's, and what nobody from outside can do.

use serde_json::{Value, json};
use test_kit::{Client, Launch, http};

use crate::stack::{Person, SERVICE_KEY, Stack, directory};

/// What a client sends, and the answer that it gets; other frames may come in between.
#[track_caller]
fn emit(client: &mut Client, event: &str, data: &Value) -> Value {
    client.send_json(&json!({"type": event, "data": data, "ref": 1}));
    let frames = client.collect_until("ack");
    let ack = &frames.last().expect("an answer")["data"];
    assert_eq!((&ack["event"], &ack["ref"]), (&json!(event), &json!(1)));
    ack["answer"].clone()
}

/// The next event of a type.
#[track_caller]
fn event(client: &mut Client, event_type: &str) -> Value {
    client.collect_until(event_type).last().expect("a frame")["data"].clone()
}

#[test]
fn an_employer_and_a_worker_talk_and_who_comes_back_has_missed_nothing() {
    let data = directory();
    let launch = Launch::new(env!("CARGO_BIN_EXE_fanfare")).arg("up").env("FANFARE_DATA", &data);
    let (erin, wanda, position) = {
        let stack = Stack::up(|launch| launch.env("FANFARE_DATA", &data));
        let (erin, wanda) = (stack.register("erin", "employer"), stack.register("wanda", "worker"));
        let (mut employer, mut worker) = (stack.connect(&erin), stack.connect(&wanda));
        worker.send_json(&json!({"type": "subscribe", "channels": [], "recoverable": true}));
        let positions = event(&mut worker, "subscribed")["positions"].clone();
        let answer =
            emit(&mut employer, "send_message", &json!({"to_user_id": wanda.id, "message": "Tuesday?"}));
        assert_eq!(answer["success"], true, "{answer}");
        let got = event(&mut worker, "message_received");
        assert_eq!((&got["id"], &got["message"]), (&answer["id"], &json!("Tuesday?")));
        assert_eq!(
            emit(&mut worker, "typing", &json!({"to_user_id": erin.id, "is_typing": true}))["success"],
            true
        );
        assert_eq!(event(&mut employer, "user_typing"), json!({"user_id": wanda.id, "is_typing": true}));
        let read = emit(&mut worker, "mark_read", &json!({"message_id": got["id"]}));
        assert_eq!(read["unread_count"], 0, "{read}");
        assert_eq!(event(&mut employer, "message_read")["message_id"], got["id"]);
        worker.cut();
        let answer =
            emit(&mut employer, "send_message", &json!({"to_user_id": wanda.id, "message": "Or Friday?"}));
        assert_eq!(answer["success"], true, "{answer}");
        let list = stack.call(&wanda, "GET", "/api/chat/conversations", None, 200);
        assert_eq!(list["items"][0]["unread_count"], 1, "{list}");
        let position = json!({"epoch": positions[format!("user:{}", wanda.id)]["epoch"], "offset": 0});
        stack.hub.kill();
        (erin, wanda, position)
    };
    // Killed and started again: what she missed comes, in order.
    let server = launch.start();
    let mut worker = Client::dial(&server.ws()).bearer(&wanda.token).welcomed();
    let positions = json!({format!("user:{}", wanda.id): position});
    worker.send_json(
        &json!({"type": "subscribe", "channels": [], "recoverable": true, "positions": positions}),
    );
    let mut missed = Vec::new();
    while missed.last() != Some(&json!("Or Friday?")) {
        missed.push(event(&mut worker, "message_received")["message"].clone());
    }
    assert_eq!(missed, ["Tuesday?", "Or Friday?"]);
    let bearer = format!("Bearer {}", erin.token);
    let path = format!("/api/chat/{}/messages", wanda.id);
    let history = http::get(server.address(), &path, &[("authorization", &bearer)]).json();
    let read: Vec<&Value> =
        history["items"].as_array().expect("items").iter().map(|item| &item["read"]).collect();
    assert_eq!(read, [&json!(false), &json!(true)]);
}

#[test]
fn nobody_from_outside_can_speak_as_the_hub() {
    let server = Launch::new(env!("CARGO_BIN_EXE_fanfare"))
        .arg("up")
        .env("FANFARE_DATA", directory())
        .env("SERVICE_API_KEY", SERVICE_KEY)
        .start();
    let body = json!({"email": "erin@example.com", "password": "correct horse", "name": "Erin", "user_type": "employer"});
    let erin = Person::of(&server.post("/auth/register", &body).json(), String::new());
    let forged =
        json!({"event": "send_message", "data": {"to_user_id": erin.id, "message": "hi"}, "user_id": 99});
    let user = format!("Bearer {}", erin.token);
    for (headers, status) in [(vec![], 401), (vec![("authorization", user.as_str())], 403)] {
        let answer = http::post_json(server.address(), "/hooks/chat", &headers, &forged);
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let conversations = http::get(server.address(), "/api/chat/conversations", &[("authorization", &user)]);
    assert_eq!(conversations.json()["items"], json!([]));
    // A back end writes with the key, and the user is told.
    let mut client = Client::dial(&server.ws()).bearer(&erin.token).welcomed();
    let key = format!("Bearer {SERVICE_KEY}");
    let written = http::post_json(
        server.address(),
        &format!("/api/chat/{}/messages", erin.id),
        &[("authorization", &key)],
        &json!({"from_user_id": "support", "message": "Welcome"}),
    );
    assert_eq!(written.status, 201, "{}", written.text());
    assert_eq!(event(&mut client, "message_received")["from_user_id"], "support");
}
