use super::*;

#[test]
fn every_error_is_a_problem_and_every_call_is_told() {
    let document = serde_json::to_value(document()).expect("JSON");
    let mut calls = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            calls.push(format!("{method} {path}"));
            for (status, response) in operation["responses"].as_object().expect("responses") {
                let told = response["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(told, "{method} {path}: {status}");
                if status.starts_with(['4', '5']) {
                    let content: Vec<&String> =
                        response["content"].as_object().expect("content").keys().collect();
                    assert_eq!(content, [CONTENT_TYPE], "{method} {path}: {status}");
                }
            }
        }
    }
    for call in [
        "delete /api/notifications/{id}",
        "get /api/notifications",
        "get /api/notifications/stats",
        "get /api/notifications/{id}",
        "post /api/notifications",
        "post /api/notifications/bulk",
        "post /api/notifications/read-all",
        "post /api/notifications/{id}/restore",
        "post /hooks/notifications",
        "put /api/notifications/{id}/read",
        "put /api/notifications/{id}/unread",
    ] {
        assert!(calls.iter().any(|one| one == call), "{call} of {calls:?}");
    }
}

#[test]
fn a_notification_is_described_with_exactly_its_members() {
    let document = serde_json::to_value(document()).expect("JSON");
    let schema = &document["components"]["schemas"]["Notification"];
    let mut properties: Vec<&String> = schema["properties"].as_object().expect("members").keys().collect();
    properties.sort();
    assert_eq!(
        properties,
        [
            "category",
            "created_at",
            "data",
            "expires_at",
            "id",
            "is_read",
            "message",
            "priority",
            "read_at",
            "title",
            "type",
            "user_id"
        ]
    );
    assert_eq!(schema["required"].as_array().map(Vec::len), Some(properties.len()), "{schema}");
}
