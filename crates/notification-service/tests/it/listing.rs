//! The list of the inbox: pages, filters, numbers.

use serde_json::{Value, json};

use crate::harness::{ENGINES, Engine, Instance, World};

fn ids(list: &Value) -> Vec<i64> {
    let items = list["notifications"].as_array().expect("a list");
    items.iter().map(|item| item["id"].as_i64().expect("an id")).collect()
}

/// Seven notifications: those with an even number in the title are of `jobs`, the others of `chat`; 2 and 3 are read.
fn seven(instance: &Instance) -> Vec<i64> {
    let made: Vec<i64> = (0..7)
        .map(|n| {
            let category = if n % 2 == 0 { "jobs" } else { "chat" };
            let body = json!({"user_id": 7, "title": n.to_string(), "category": category});
            instance.create(&body)["id"].as_i64().expect("an id")
        })
        .collect();
    for n in [2, 3] {
        let path = format!("/api/notifications/{}/read", made[n]);
        assert_eq!(instance.call(7, "PUT", &path, &[], None).status, 200);
    }
    made
}

#[test]
fn pages_are_newest_first_and_lead_to_the_last() {
    for engine in ENGINES {
        let (_world, instance) = World::with(engine);
        let made = seven(&instance);
        instance.notify(8, "another's");
        let newest: Vec<i64> = made.iter().rev().copied().collect();
        let first = instance.read(7, "/api/notifications?per_page=3");
        assert_eq!((ids(&first), &first["next"]), (newest[..3].to_vec(), &json!(newest[2])));
        assert_eq!((&first["total"], &first["unread_count"]), (&json!(7), &json!(5)));
        let second = instance.read(7, "/api/notifications?per_page=3&page=2");
        assert_eq!((ids(&second), &second["next"]), (newest[3..6].to_vec(), &json!(newest[5])));
        let by_cursor = instance.read(7, &format!("/api/notifications?per_page=3&before={}", newest[2]));
        assert_eq!(by_cursor, second);
        let last = instance.read(7, "/api/notifications?per_page=3&page=3");
        assert_eq!((ids(&last), &last["next"]), (newest[6..].to_vec(), &Value::Null));
        let behind = instance.read(7, "/api/notifications?per_page=3&page=4");
        assert_eq!((ids(&behind), &behind["next"], &behind["total"]), (vec![], &Value::Null, &json!(7)));
        let whole = instance.read(7, "/api/notifications?per_page=7");
        assert_eq!((ids(&whole), &whole["next"]), (newest, &Value::Null));
        let nobody = instance.read("nobody", "/api/notifications");
        assert_eq!(nobody, json!({"notifications": [], "total": 0, "unread_count": 0, "next": null}));
    }
}

#[test]
fn filters_name_what_is_listed_and_counted() {
    for engine in ENGINES {
        let (_world, instance) = World::with(engine);
        let made = seven(&instance);
        for (query, numbers) in [
            ("unread=true", &[6, 5, 4, 1, 0][..]),
            ("unread=false", &[3, 2]),
            ("category=jobs", &[6, 4, 2, 0]),
            ("category=chat", &[5, 3, 1]),
            ("category=jobs&unread=true", &[6, 4, 0]),
            ("category=chat&unread=false", &[3]),
            ("category=none", &[]),
            ("unread=&category=", &[6, 5, 4, 3, 2, 1, 0]),
        ] {
            let list = instance.read(7, &format!("/api/notifications?{query}"));
            let expected: Vec<i64> = numbers.iter().map(|n| made[*n]).collect();
            assert_eq!(ids(&list), expected, "{query}");
            assert_eq!(
                (&list["total"], &list["unread_count"]),
                (&json!(numbers.len()), &json!(5)),
                "{query}"
            );
            // One at a time gives the same.
            let (mut walked, mut before) = (Vec::new(), String::new());
            loop {
                let page = instance.read(7, &format!("/api/notifications?{query}&per_page=1{before}"));
                walked.extend(ids(&page));
                let Some(next) = page["next"].as_i64() else { break };
                before = format!("&before={next}");
            }
            assert_eq!(walked, expected, "{query}");
        }
        assert_eq!(
            instance.read(7, "/api/notifications/stats"),
            json!({
                "total": 7, "unread_count": 5,
                "by_category": {"chat": {"total": 3, "unread_count": 2}, "jobs": {"total": 4, "unread_count": 3}}
            })
        );
        assert_eq!(
            instance.read(8, "/api/notifications/stats"),
            json!({"total": 0, "unread_count": 0, "by_category": {}})
        );
    }
}

#[test]
fn a_wrong_parameter_is_named() {
    let (_world, instance) = World::with(Engine::Sqlite);
    for (query, member) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=+1", "page"),
        ("page=1.5", "page"),
        ("page=9007199254740992", "page"),
        ("per_page=0", "per_page"),
        ("per_page=101", "per_page"),
        ("per_page=many", "per_page"),
        ("unread=1", "unread"),
        ("unread=TRUE", "unread"),
        ("before=0", "before"),
        ("before=x", "before"),
        ("category=a%20b", "category"),
    ] {
        let refused = instance.get(7, &format!("/api/notifications?{query}"));
        assert_eq!((refused.status, &refused.json()["member"]), (422, &json!(member)), "{query}");
    }
    let both = instance.get(7, "/api/notifications?page=0&unread=x").json();
    assert_eq!(both["errors"].as_array().map(Vec::len), Some(2));
    // The largest page there can be is behind the end, and costs nothing.
    let far = instance.read(7, "/api/notifications?page=9007199254740991&per_page=100");
    assert_eq!(far["notifications"], json!([]));
    assert_eq!(instance.read(7, "/api/notifications?per_page=100&unknown=1")["total"], 0);
}

#[test]
fn what_is_no_path_or_method_is_told_so() {
    let (_world, instance) = World::with(Engine::Sqlite);
    for (method, path, status) in [
        ("GET", "/api/notifications/0", 404),
        ("GET", "/api/notifications/-1", 404),
        ("GET", "/api/notifications/007", 404),
        ("GET", "/api/notifications/x", 404),
        ("GET", "/api/notifications/9007199254740992", 404),
        ("GET", "/api/notifications/99999999999999999999", 404),
        ("PUT", "/api/notifications/x/read", 404),
        ("DELETE", "/api/notifications/1e3", 404),
        ("POST", "/api/notifications/1/read", 405),
        ("PATCH", "/api/notifications/1", 405),
        ("DELETE", "/api/notifications", 405),
        ("GET", "/api/notifications/1/nothing", 404),
    ] {
        assert_eq!(instance.call(7, method, path, &[], None).status, status, "{method} {path}");
    }
}
