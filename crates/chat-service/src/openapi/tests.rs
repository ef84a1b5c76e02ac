use serde_json::Value;

use super::*;

#[test]
fn every_error_is_a_problem_and_every_call_is_told() {
    let document = serde_json::to_value(Description::openapi()).expect("JSON");
    let mut calls = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            calls.push(format!("{method} {path}"));
            for (status, response) in operation["responses"].as_object().expect("responses") {
                if status == "204" {
                    continue;
                }
                let expected = if status.starts_with('2') { "application/json" } else { CONTENT_TYPE };
                let content: Vec<&String> =
                    response["content"].as_object().expect("content").keys().collect();
                assert_eq!(content, [expected], "{method} {path}: {status}");
                let told = response["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(told, "{method} {path}: {status}");
            }
        }
    }
    calls.sort();
    assert_eq!(
        calls,
        [
            "delete /api/chat/blocks/{user_id}",
            "get /api/chat/blocks",
            "get /api/chat/blocks/{user_id}",
            "get /api/chat/conversations",
            "get /api/chat/unread",
            "get /api/chat/{user_id}/messages",
            "post /api/chat/{user_id}/messages",
            "post /api/chat/{user_id}/read",
            "post /hooks/chat",
            "put /api/chat/blocks/{user_id}",
        ]
    );
}

#[test]
fn a_message_is_described_as_it_is_answered() {
    let document = serde_json::to_value(Description::openapi()).expect("JSON");
    let members = |name: &str| -> Vec<String> {
        let schema = &document["components"]["schemas"][name];
        let required = schema["required"].as_array().expect("a list").len();
        let properties: Vec<String> =
            schema["properties"].as_object().expect("members").keys().cloned().collect();
        assert_eq!(required, properties.len(), "{name}: {schema}");
        properties
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(
        sorted(members("Message")),
        ["from_user_id", "id", "message", "read", "timestamp", "to_user_id"]
    );
    assert_eq!(
        sorted(members("Conversation")),
        ["last_message", "last_read_id", "peer_last_read_id", "unread_count", "user_id"]
    );
    assert_eq!(sorted(members("Block")), ["created_at", "user_id"]);
    let user = document["components"]["schemas"]["UserId"].to_string();
    assert!(user.contains("integer") && user.contains("string"), "{user}");
    let named = |schema: &Value| schema.to_string().contains("#/components/schemas/UserId\"");
    assert!(named(&document["components"]["schemas"]["Message"]["properties"]["from_user_id"]));
}
