//! The JSON, the headers, and what a peer does not get to see.

use serde_json::{Value, json};

use super::*;

fn body(problem: &Problem) -> Value {
    serde_json::from_slice(&problem.body()).expect("JSON")
}

fn header(response: &HttpResponse, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
}

#[test]
fn a_wrong_shape_names_its_member() {
    let problem =
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_shape", "expected a string").member("type");
    assert_eq!(
        body(&problem),
        json!({"type": "about:blank", "title": "Unprocessable Entity", "status": 422, "code": "invalid_shape",
               "detail": "expected a string", "member": "type",
            "errors": [{"member": "type", "message": "expected a string"}]})
    );
}

#[test]
fn several_wrong_members_are_listed() {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_shape", "two members are wrong")
        .error("type", "is missing")
        .error("channels[2]", "is empty");
    let body = body(&problem);
    assert_eq!(body["member"], "type");
    assert_eq!(
        body["errors"],
        json!([{"member": "type", "message": "is missing"}, {"member": "channels[2]", "message": "is empty"}])
    );
}

#[test]
fn it_stands_inside_a_batch_answer() {
    let problem =
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_channel", "bad name").member("channel");
    let item = json!({"success": false, "status": problem.status().as_u16(), "error": problem});
    assert_eq!(item["status"], 422);
    assert_eq!(item["error"]["code"], "invalid_channel");
    assert_eq!(item["error"]["member"], "channel");
}

#[test]
fn the_detail_of_our_own_faults_stays_here() {
    let problem = Problem::internal("disk /dev/sda1 is on fire");
    let response = problem.error_response();
    assert_eq!(response.status(), 500);
    assert!(!String::from_utf8(problem.body()).expect("text").contains("fire"));
    assert_eq!(
        body(&problem),
        json!({"type": "about:blank", "title": "Internal Server Error", "status": 500, "code": "internal"})
    );
    assert!(problem.to_string().contains("fire"), "our log has it");
}

#[test]
fn retry_after_is_whole_seconds_and_never_zero() {
    for (millis, header_value) in [(0, "1"), (20, "1"), (1_000, "1"), (1_001, "2"), (30_000, "30")] {
        let problem =
            Problem::unavailable("draining", "stopping", Duration::from_millis(millis)).title("Stopping");
        let response = problem.error_response();
        assert_eq!(response.status(), 503);
        assert_eq!(header(&response, "retry-after").as_deref(), Some(header_value), "{millis} ms");
        assert_eq!(header(&response, "content-type").as_deref(), Some(CONTENT_TYPE));
        assert_eq!(body(&problem)["title"], "Stopping");
    }
}

#[test]
fn statuses_that_demand_a_header_have_it() {
    let unauthorised = Problem::new(StatusCode::UNAUTHORIZED, "key_missing", "send a key");
    assert_eq!(header(&unauthorised.error_response(), "www-authenticate").as_deref(), Some("Bearer"));
    let own = unauthorised.header("WWW-Authenticate", "Bearer realm=\"hub\"");
    let values: Vec<String> = own.headers().into_iter().skip(1).map(|(_, value)| value).collect();
    assert_eq!(values, ["Bearer realm=\"hub\""], "no second challenge beside our own");
    let upgrade = Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", "a WebSocket lives here")
        .header("upgrade", "websocket");
    assert_eq!(header(&upgrade.error_response(), "upgrade").as_deref(), Some("websocket"));
    assert_eq!(header(&upgrade.error_response(), "www-authenticate"), None);
}
