use events::{JobStatus, JobType};
use serde_json::{Value, json};

use super::*;

fn document() -> Value {
    serde_json::to_value(Description::openapi()).expect("JSON")
}

#[test]
fn every_error_is_a_problem() {
    let document = document();
    let mut seen = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            for (status, response) in operation["responses"].as_object().expect("responses") {
                let expected = if status.starts_with('2') { "application/json" } else { CONTENT_TYPE };
                let content: Vec<&String> =
                    response["content"].as_object().expect("content").keys().collect();
                assert_eq!(content, [expected], "{method} {path}: {status}");
                let schema = &response["content"][expected]["schema"];
                assert!(schema["$ref"].is_string() || status.starts_with('2'), "{method} {path}: {schema}");
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn every_status_that_a_path_can_answer_is_told() {
    let document = document();
    let statuses = |path: &str, method: &str| -> Vec<String> {
        let responses = document["paths"][path][method]["responses"].as_object().expect("responses");
        responses.keys().cloned().collect()
    };
    assert_eq!(statuses("/jobs", "get"), ["200", "401", "403", "422", "503"]);
    assert_eq!(statuses("/jobs/{job_id}", "get"), ["200", "401", "403", "404", "503"]);
    assert_eq!(statuses("/jobs", "post"), ["201", "400", "401", "403", "409", "413", "415", "422", "503"]);
    for step in ["accept", "complete", "cancel"] {
        let path = format!("/jobs/{{job_id}}/{step}");
        assert_eq!(
            statuses(&path, "post"),
            ["200", "400", "401", "403", "404", "409", "413", "422", "503"],
            "{step}"
        );
    }
}

#[test]
fn a_job_is_described_as_it_is_answered() {
    let document = document();
    let job = &document["components"]["schemas"]["Job"];
    let required: Vec<&str> =
        job["required"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let all: Vec<&str> = job["properties"].as_object().expect("members").keys().map(String::as_str).collect();
    assert_eq!(required.len(), all.len(), "{required:?}");
    for member in ["deadline", "worker_id"] {
        let kinds = job["properties"][member]["type"].as_array().expect("two types").clone();
        assert!(kinds.contains(&json!("null")), "{member}: {kinds:?}");
    }
    let words = |name: &str| document["components"]["schemas"][name]["enum"].clone();
    let statuses: Vec<&str> = JobStatus::ALL.iter().map(|word| word.as_str()).collect();
    let types: Vec<&str> = JobType::ALL.iter().map(|word| word.as_str()).collect();
    assert_eq!((words("JobStatus"), words("JobType")), (json!(statuses), json!(types)));
    for (member, name) in [("status", "JobStatus"), ("job_type", "JobType")] {
        let text = job["properties"][member].to_string();
        assert!(text.contains(&format!("#/components/schemas/{name}\"")), "{text}");
    }
    let parameters = document["paths"]["/jobs"]["get"]["parameters"].to_string();
    assert!(parameters.contains("\"data_entry\"") && parameters.contains("\"refunded\""), "{parameters}");
}
