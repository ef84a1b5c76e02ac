//! The demo pages below the playground, and what the hub tells them of itself.

use serde_json::json;
use test_kit::http::request;

use super::{SECRET, launch, server, server_with_users};

#[test]
fn each_demo_page_and_all_that_it_loads_come_with_the_strict_policy_of_the_playground() {
    let server = server();
    let policy = |path: &str| {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        answer.header("content-security-policy").map(str::to_owned)
    };
    let of_the_playground = policy("/playground");
    assert!(of_the_playground.as_deref().is_some_and(|policy| policy.starts_with("default-src 'self';")));
    let worlds = ["dashboard", "uploads", "receipts", "social", "inbox"];
    for page in worlds.map(|name| format!("/playground/{name}")) {
        let page = page.as_str();
        assert_eq!(policy(page), of_the_playground, "{page}");
        assert_eq!(request(server.address(), "HEAD", page, &[], None).status, 200, "{page}");
        let text = server.get(page).text();
        assert!(text.starts_with("<!doctype html>"), "{page}");
        assert!(
            !text.contains(" style=") && !text.contains("<style") && !text.contains("javascript:"),
            "{page}"
        );
        let loaded: Vec<&str> = text.split(['"', '\'']).filter(|part| part.starts_with("/assets/")).collect();
        assert!(loaded.len() >= 5, "{page}: {loaded:?}");
        for file in loaded {
            assert_eq!(policy(file), of_the_playground, "{file}");
        }
        for script in text.split("<script").skip(1) {
            let (head, body) = script.split_once('>').expect("a tag");
            assert!(head.contains("src=\"/") && body.starts_with("</script>"), "{page}: {script}");
        }
    }
}

#[test]
fn the_pages_are_told_whether_tokens_can_be_checked_and_whether_the_dashboard_wants_one() {
    let facts = |server: &test_kit::Server| server.get("/playground/server").json();
    assert_eq!(facts(&server()), json!({ "tokens": false, "dashboard": "open" }));
    assert_eq!(facts(&server_with_users()), json!({ "tokens": true, "dashboard": "token" }));
    let open = launch().env("JWT_SECRET", SECRET).env("DASHBOARD_AUTH", "off").start();
    assert_eq!(facts(&open), json!({ "tokens": true, "dashboard": "open" }));
    assert!(!server_with_users().get("/playground/server").text().contains(SECRET));
}
