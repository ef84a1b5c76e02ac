//! Every refusal: of the hub's calls as an acknowledgement, of REST as a problem.

use std::num::NonZeroUsize;

use serde_json::{Value, json};
use test_kit::http;

use crate::harness::{Engine, KEY, Wishes, World, call_at, token};

#[test]
fn what_a_client_sends_wrong_is_told_by_member() {
    let (world, chat) = World::with(Engine::Sqlite);
    let good = json!({"to_user_id": 9, "message": "hi"});
    let mut cases: Vec<(&str, Value, &str)> = vec![
        ("send_message", Value::Null, "data"),
        ("send_message", json!([1]), "data"),
        ("send_message", json!("text"), "data"),
        ("typing", json!({"to_user_id": 9}), "is_typing"),
        ("typing", json!({"to_user_id": 9, "is_typing": "yes"}), "is_typing"),
        ("typing", json!({"is_typing": true}), "to_user_id"),
        ("mark_read", json!({}), "message_id"),
    ];
    for id in [json!("1"), json!(0), json!(-1), json!(1.5), json!(1_i64 << 53), json!(true), Value::Null] {
        cases.push(("mark_read", json!({"message_id": id}), "message_id"));
    }
    let long = "x".repeat(4097);
    for text in ["", " ", "\n\t", "\u{3000}", &long, "a\u{0}", "a\rb", "\u{1b}", "\u{7f}", "\u{9b}"] {
        cases.push(("send_message", json!({"to_user_id": 9, "message": text}), "message"));
    }
    for message in [json!(7), Value::Null, json!(["a"]), json!({"a": 1})] {
        cases.push(("send_message", json!({"to_user_id": 9, "message": message}), "message"));
    }
    for user in
        [Value::Null, json!(""), json!(1.5), json!(true), json!("a\nb"), json!("x".repeat(195)), json!([9])]
    {
        cases.push(("send_message", json!({"to_user_id": user, "message": "hi"}), "to_user_id"));
    }
    for (event, data, member) in cases {
        let answer = chat.emit(7, event, &data);
        let message = answer["message"].as_str().unwrap_or_default();
        assert_eq!(
            (&answer["success"], &answer["code"]),
            (&json!(false), &json!("invalid")),
            "{event} {data}: {answer}"
        );
        assert!(message.starts_with(member), "{event} {data}: {answer}");
    }
    let unknown = chat.emit(7, "delete_all", &good);
    assert_eq!((&unknown["success"], &unknown["code"]), (&json!(false), &json!("unknown_event")));
    let anonymous = chat.emit(Value::Null, "send_message", &good);
    assert_eq!((&anonymous["success"], &anonymous["code"]), (&json!(false), &json!("unauthorized")));
    assert_eq!((world.events().len(), world.number("SELECT COUNT(*) FROM messages")), (0, 0));
    // The sender is who the token says, whatever else is claimed.
    let mut claimed = good.clone();
    claimed["from_user_id"] = json!(1);
    assert_eq!(chat.emit(7, "send_message", &claimed)["success"], true);
    assert_eq!(world.events()[0]["data"]["from_user_id"], 7);
}

#[test]
fn text_that_is_no_unicode_is_refused_and_nothing_breaks() {
    let (world, chat) = World::with(Engine::Sqlite);
    let bearer = format!("Bearer {KEY}");
    let raw = |data: &str| {
        let body = format!(r#"{{"event":"send_message","data":{data},"user_id":7}}"#);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        http::request(chat.address, "POST", "/hooks/chat", &headers, Some(body.as_bytes()))
    };
    let deep = format!(r#"{{"to_user_id":9,"message":"hi","deep":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    for (data, code) in [
        (r#"{"to_user_id":9,"message":"\ud800"}"#, Some("invalid")),
        (r#"{"to_user_id":"\udc00","message":"hi"}"#, Some("invalid")),
        (r#"{"\ud800":1,"to_user_id":9,"message":"hi"}"#, Some("invalid")),
        (r#"{"to_user_id":9,"message":"no","message":"hi"}"#, None),
        (deep.as_str(), None),
    ] {
        let answer = raw(data);
        assert_eq!(answer.status, 200, "{data}: {}", answer.text());
        let answer = answer.json();
        assert_eq!(answer["success"], code.is_none(), "{data}: {answer}");
        assert_eq!(answer["code"].as_str(), code, "{data}: {answer}");
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM messages"), 2);
}

#[test]
fn only_the_hub_may_hand_on_what_clients_send() {
    let (world, chat) = World::with(Engine::Sqlite);
    let body = json!({"event": "send_message", "data": {"to_user_id": 9, "message": "hi"}, "user_id": 7});
    let wrong = format!("Bearer {KEY}x");
    let user = format!("Bearer {}", token(7));
    for (authorization, status, code) in [
        (None, 401, "unauthorized"),
        (Some(wrong.as_str()), 401, "unauthorized"),
        (Some(user.as_str()), 403, "forbidden"),
    ] {
        let headers: Vec<(&str, &str)> = authorization.iter().map(|it| ("authorization", *it)).collect();
        let answer = http::post_json(chat.address, "/hooks/chat", &headers, &body);
        assert_eq!((answer.status, answer.problem_code().as_str()), (status, code), "{authorization:?}");
        assert!(!answer.text().contains(KEY));
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM messages"), 0);
    // What the hub itself gets wrong is its fault.
    for (body, status, code) in [
        (json!([]), 422, "invalid"),
        (json!({"data": {}, "user_id": 7}), 422, "invalid"),
        (json!({"event": "typing", "data": {}, "user_id": {}}), 422, "invalid"),
        (json!({"event": "typing", "data": {}, "user_id": 7, "id": 5}), 422, "invalid"),
    ] {
        let answer = chat.hook(&body);
        assert_eq!((answer.status, answer.problem_code().as_str()), (status, code), "{body}");
    }
    assert_eq!(http::get(chat.address, "/hooks/chat", &[]).status, 405);
}

#[test]
fn rest_refuses_by_caller_body_and_path() {
    let (world, chat) = World::with(Engine::Sqlite);
    let good = json!({"message": "hi"});
    let post =
        |token: &str, path: &str, body: &Value| call_at(chat.address, token, "POST", path, &[], Some(body));
    let paths = [
        ("GET", "/api/chat/conversations"),
        ("GET", "/api/chat/unread"),
        ("GET", "/api/chat/blocks"),
        ("GET", "/api/chat/blocks/9"),
        ("PUT", "/api/chat/blocks/9"),
        ("DELETE", "/api/chat/blocks/9"),
        ("GET", "/api/chat/9/messages"),
        ("POST", "/api/chat/9/messages"),
        ("POST", "/api/chat/9/read"),
    ];
    for (method, path) in paths {
        let answer = http::request(chat.address, method, path, &[], None);
        assert_eq!((answer.status, answer.problem_code().as_str()), (401, "unauthorized"), "{method} {path}");
        let forged = call_at(chat.address, "a.b.c", method, path, &[], None);
        assert_eq!(forged.status, 401, "{method} {path}");
        if (method, path) != ("POST", "/api/chat/9/messages") {
            let service = call_at(chat.address, KEY, method, path, &[], None);
            assert_eq!(
                (service.status, service.problem_code().as_str()),
                (403, "forbidden"),
                "{method} {path}"
            );
        }
    }
    for (body, member) in
        [(json!({}), "message"), (json!({"message": ""}), "message"), (json!({"message": 7}), "message")]
    {
        let answer = post(&token(7), "/api/chat/9/messages", &body);
        assert_eq!((answer.status, answer.problem_code().as_str()), (422, "invalid"), "{body}");
        assert_eq!(answer.json()["errors"][0]["member"], member);
    }
    let both = post(KEY, "/api/chat/9/messages", &json!({"message": " "}));
    let members: Vec<String> = both.json()["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| error["member"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(members, ["from_user_id", "message"], "every wrong member");
    let long = format!("/api/chat/{}/messages", "x".repeat(195));
    for path in [long.as_str(), "/api/chat/a%00b/messages", "/api/chat/9/nowhere", "/api/chat"] {
        let answer = post(&token(7), path, &good);
        assert_eq!((answer.status, answer.problem_code().as_str()), (404, "not_found"), "{path}");
    }
    let bearer = format!("Bearer {}", token(7));
    let raw = |content_type: &str, body: &[u8]| {
        let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
        http::request(chat.address, "POST", "/api/chat/9/messages", &headers, Some(body)).status
    };
    assert_eq!(raw("text/plain", b"{}"), 415);
    assert_eq!(raw("application/json", b"{"), 400);
    assert_eq!(raw("application/json", b""), 400);
    assert_eq!(raw("application/json", b"[]"), 422);
    assert_eq!(raw("application/json", &vec![b' '; (1 << 20) + 1]), 413);
    assert_eq!(chat.call(7, "PATCH", "/api/chat/9/messages", &[], None).status, 405);
    assert_eq!(world.number("SELECT COUNT(*) FROM messages"), 0);
}

#[test]
fn a_service_writes_for_a_user() {
    let (world, chat) = World::with(Engine::Sqlite);
    let body = json!({"from_user_id": "7", "message": "from a job"});
    let answer = call_at(chat.address, KEY, "POST", "/api/chat/9/messages", &[], Some(&body));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let message = answer.json();
    assert_eq!((&message["from_user_id"], &message["to_user_id"]), (&json!("7"), &json!(9)));
    let event = &world.events()[0];
    assert_eq!(event["user_ids"], json!([9, "7"]));
    assert!(event.get("except_connection_id").is_none(), "by REST all of the sender's connections get it");
}

#[test]
fn who_floods_is_refused_and_nobody_else_pays_for_it() {
    let mut world = World::new(Engine::Sqlite);
    let chat = world.start(Wishes { rate_limit: NonZeroUsize::new(20), ..Wishes::default() });
    let answers: Vec<Value> = (0..25)
        .map(|n| chat.emit(7, "send_message", &json!({"to_user_id": 9, "message": n.to_string()})))
        .collect();
    let refused = answers.iter().filter(|answer| answer["code"] == "rate_limited").count();
    // On a machine that takes over 10 s for it some of the last pass again.
    assert!(answers[..20].iter().all(|answer| answer["success"] == true), "{answers:?}");
    assert!(refused >= 1, "{answers:?}");
    let answer = chat.call("7", "POST", "/api/chat/9/messages", &[], Some(&json!({"message": "x"})));
    if answer.status == 429 {
        assert_eq!(answer.problem_code(), "rate_limited");
        let after: u64 = answer.header("retry-after").expect("Retry-After").parse().expect("seconds");
        assert!((1..=10).contains(&after), "{after}");
    }
    chat.send(8, 9, "others go on");
    let stored = world.number("SELECT COUNT(*) FROM messages");
    assert_eq!(world.events().len(), usize::try_from(stored).expect("a number"));
}
