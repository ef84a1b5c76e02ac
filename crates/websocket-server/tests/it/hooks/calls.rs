//! What a service gets, and what a client gets for it.

use serde_json::{Value, json};
use test_kit::{Client, Signer};

use super::service::{Act, Service};
use super::*;

#[test]
fn a_service_gets_exactly_what_the_contract_says() {
    let service = Service::answering(Act::ok(&json!({ "success": true, "id": 12 })));
    let server = hub(&hook("send_message", &service, ""));
    let token = Signer::hs256(SECRET).user_of_type(456, "employer");
    let mut client = Client::welcomed(&with_token(&server, &token));
    let data = json!({ "to_user_id": 8, "message": "hi \u{1f600} \u{e9}\u{0}", "n": 12_345_678_901_234_567_890_u64 });
    assert_eq!(ask(&mut client, "send_message", &data), json!({ "success": true, "id": 12 }));
    let call = service.calls().remove(0);
    let body = call.body();
    let id = body["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        body,
        json!({
            "event": "send_message",
            "data": data,
            "user_id": 456,
            "user_type": "employer",
            "connection_id": client.connection_id(),
            "id": id,
        })
    );
    assert_eq!(call.path, "/hooks");
    assert_eq!((id.len(), id.as_bytes()[14]), (36, b'7'), "a UUID of version 7: {id}");
    assert_eq!(call.header("idempotency-key"), Some(&*id));
    assert_eq!(call.header("authorization"), Some(&*format!("Bearer {KEY}")));
    assert_eq!(call.header("content-type"), Some("application/json"));
    let trace = call.header("traceparent").expect("a trace");
    assert!(trace.len() == 55 && trace.starts_with("00-") && trace.ends_with("-01"), "{trace}");
}

#[test]
fn users_are_told_as_in_their_tokens_and_those_without_are_null() {
    let service = Service::answering(Act::ok(&json!({})));
    let server = hub(&hook("note", &service, ""));
    for (user, shown) in [(json!(7), json!(7)), (json!("7"), json!("7")), (json!("anna"), json!("anna"))] {
        let mut client = client(&server, user);
        assert_eq!(ask(&mut client, "note", &json!({})), json!({}));
        let call = service.calls().pop().expect("a call").body();
        assert_eq!((&call["user_id"], &call["user_type"]), (&shown, &Value::Null));
    }
    let mut nobody = Client::welcomed(&server.ws());
    assert_eq!(ask(&mut nobody, "note", &json!({ "user_id": 7 })), json!({}));
    let call = service.calls().pop().expect("a call").body();
    assert_eq!((&call["user_id"], &call["data"]), (&Value::Null, &json!({ "user_id": 7 })));
}

#[test]
fn without_a_key_none_is_shown_and_a_key_stands_in_no_log() {
    let service = Service::answering(Act::Answer(401, "text/plain", "no".to_owned()));
    let toml = hook("note", &service, "");
    let with_a_key = hub(&toml);
    expect_refusal(&ask(&mut client(&with_a_key, 1), "note", &json!({})), "unavailable");
    with_a_key.wait_for_log("SERVICE_API_KEY");
    assert!(!with_a_key.log().contains(KEY), "{}", with_a_key.log());
    let file = TextFile::new("fanfare.toml", &toml);
    let without = launch().env("FANFARE_CONFIG", file.path()).start();
    expect_refusal(&ask(&mut Client::welcomed(&without.ws()), "note", &json!({})), "unavailable");
    let calls = service.calls();
    assert!(calls[0].header("authorization").is_some());
    assert_eq!(calls[1].header("authorization"), None);
}

#[test]
fn the_answer_is_passed_on_as_it_is() {
    let answer =
        r#"{"success":false,"code":"blocked","n":12345678901234567890,"deep":[[{"a":null}]],"x":1.50}"#;
    let service = Service::answering(Act::Answer(200, "application/json", format!("{answer}\n")));
    let server = hub(&hook("note", &service, ""));
    let mut client = client(&server, 1);
    client.send_json(&json!({ "type": "note", "data": 5, "ref": 9 }));
    let text = client.next_message().to_string();
    assert!(text.contains(answer), "{text}");
    assert!(text.contains("\"ref\":9"), "{text}");
    assert_eq!(service.calls()[0].body()["data"], 5);
}

#[test]
fn a_problem_becomes_a_refusal_with_its_code() {
    let service = Service::playing(|call| match call.body()["data"].as_u64() {
        Some(status @ 400..500) => {
            Act::problem(u16::try_from(status).expect("a status"), "of_my_own", "not so")
        }
        _ => Act::Answer(404, "text/html", "<h1>Not Found</h1>".to_owned()),
    });
    let server = hub(&hook("note", &service, ""));
    let mut client = client(&server, 1);
    for status in [400, 403, 404, 409, 422, 429] {
        let answer = ask(&mut client, "note", &json!(status));
        assert_eq!(answer, json!({ "success": false, "code": "of_my_own", "message": "not so" }), "{status}");
    }
    expect_refusal(&ask(&mut client, "note", &json!(null)), "unavailable");
    assert_eq!(server.metric("fanfare_hook_calls_total", &["outcome=\"refused\""]), Some(6.0));
}

#[test]
fn a_reference_is_given_back_and_none_is_none() {
    let service = Service::answering(Act::ok(&json!({ "success": true })));
    let server = hub(&hook("note", &service, ""));
    let mut client = client(&server, 1);
    for reference in [json!("c1"), json!(7), json!("\u{e9}")] {
        send(&mut client, "note", reference.clone(), &json!({}));
        let ack = client.expect_type("ack");
        assert_eq!((&ack["data"]["event"], &ack["data"]["ref"]), (&json!("note"), &reference));
        assert!(ack["timestamp"].is_string());
    }
    client.send_json(&json!({ "type": "note", "data": {} }));
    let ack = client.expect_type("ack");
    assert!(ack["data"].get("ref").is_none(), "{ack}");
    // What nothing is mapped to is answered as ever.
    client.send_json(&json!({ "type": "notes", "data": {} }));
    client.expect_error("unknown_type");
}

#[test]
fn connections_to_a_service_are_kept() {
    let service = Service::answering(Act::ok(&json!({ "success": true })));
    let server = hub(&hook("note", &service, ""));
    let mut client = client(&server, 1);
    for _ in 0..50 {
        ask(&mut client, "note", &json!({}));
    }
    assert!(service.connections() < 10, "{}", service.connections());
}
