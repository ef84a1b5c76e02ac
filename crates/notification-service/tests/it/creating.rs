//! Creating a notification.

use std::num::NonZeroUsize;

use serde_json::{Value, json};
use test_kit::http;

use crate::harness::{ENGINES, Engine, KEY, Wishes, World};

#[test]
fn a_notification_is_answered_listed_and_told_with_exactly_its_members() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let body = json!({
            "user_id": 7, "type": "job_accepted", "category": "jobs", "title": "Anna took it",
            "message": "<b>Walk the dog</b>", "data": {"job_id": 9_007_199_254_740_993_i64, "deep": [[{"a": null}]]},
            "priority": "high", "expires_at": "2099-01-01T01:00:00+01:00", "unknown": 1
        });
        let made = instance.create(&body);
        let mut expected = json!({
            "id": made["id"], "user_id": 7, "type": "job_accepted", "category": "jobs", "title": "Anna took it",
            "message": "<b>Walk the dog</b>", "data": {"job_id": 9_007_199_254_740_993_i64, "deep": [[{"a": null}]]},
            "priority": "high", "is_read": false, "read_at": null, "created_at": made["created_at"],
            "expires_at": "2099-01-01T00:00:00.000Z"
        });
        assert_eq!(made, expected);
        assert!(made["id"].as_i64().is_some_and(|id| id > 0));
        let list = instance.read(7, "/api/notifications");
        assert_eq!(list, json!({"notifications": [made], "total": 1, "unread_count": 1, "next": null}));
        assert_eq!(instance.read(7, &format!("/api/notifications/{}", made["id"])), made);
        let events = world.events();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["type"], "notification");
        assert_eq!(events[0]["user_ids"], json!([7]));
        assert!(events[0]["publication_id"].as_str().is_some_and(|id| id.as_bytes()[14] == b'7'));
        expected["unread_count"] = json!(1);
        expected["sound"] = json!(true);
        expected["timestamp"] = events[0]["data"]["timestamp"].clone();
        assert_eq!(events[0]["data"], expected);
        assert_eq!(events[0]["timestamp"], events[0]["data"]["timestamp"]);
        let ids = world.texts("SELECT event_id FROM notifications");
        assert_eq!(Value::from(ids), json!([events[0]["publication_id"]]));
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    for engine in ENGINES {
        let (_world, instance) = World::with(engine);
        let made = instance.create(&json!({"user_id": "anna", "title": "t", "message": null, "data": null}));
        assert_eq!(
            (&made["type"], &made["category"], &made["message"], &made["data"], &made["priority"]),
            (&json!("general"), &json!("general"), &json!(""), &json!({}), &json!("normal"))
        );
        assert_eq!((&made["expires_at"], &made["user_id"]), (&Value::Null, &json!("anna")));
        for (given, kind, category) in [
            (json!({"type": "job_accepted"}), "job_accepted", "job_accepted"),
            (json!({"category": "jobs"}), "jobs", "jobs"),
            (json!({"category": "jobs", "type": "x"}), "x", "jobs"),
        ] {
            let mut body = json!({"user_id": 7, "title": "t"});
            body.as_object_mut().expect("members").extend(given.as_object().expect("members").clone());
            let made = instance.create(&body);
            assert_eq!((&made["type"], &made["category"]), (&json!(kind), &json!(category)));
        }
    }
}

#[test]
fn the_id_of_a_user_keeps_its_form_and_both_forms_are_one_user() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        assert_eq!(instance.create(&json!({"user_id": 456, "title": "a"}))["user_id"], json!(456));
        assert_eq!(instance.create(&json!({"user_id": "456", "title": "b"}))["user_id"], json!("456"));
        for user in [json!(456), json!("456")] {
            let list = instance.read(user, "/api/notifications");
            assert_eq!((&list["total"], &list["unread_count"]), (&json!(2), &json!(2)));
            let users: Vec<&Value> =
                list["notifications"].as_array().expect("a list").iter().map(|one| &one["user_id"]).collect();
            assert_eq!(users, [&json!("456"), &json!(456)]);
        }
        let told: Vec<Value> = world.events().iter().map(|event| event["user_ids"].clone()).collect();
        assert_eq!(told, [json!([456]), json!(["456"])]);
        world.counts_agree();
    }
}

#[test]
fn html_and_every_unicode_text_come_back_unchanged() {
    let texts = [
        "<script>alert(1)</script>&amp;",
        "\u{1}\u{7}\u{1b}[31m\r\n\t",
        "\u{85}\u{2028}\u{2029}\u{feff}\u{fffd}\u{ffff}\u{10ffff}",
        "👩‍👩‍👧‍👦 e\u{301} ﷽ \u{202e}abc",
        " \\ \" / \u{7f} ",
        "日本語 Übung עברית",
    ];
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        for text in texts {
            let body = json!({"user_id": 7, "title": text, "message": text, "data": {text: [text]}});
            let made = instance.create(&body);
            let listed = &instance.read(7, "/api/notifications?per_page=1")["notifications"][0];
            let event = &world.events().pop().expect("an event")["data"];
            for seen in [&made, listed, event] {
                assert_eq!((&seen["title"], &seen["message"]), (&json!(text), &json!(text)));
                assert_eq!(seen["data"], json!({text: [text]}));
            }
        }
    }
}

#[test]
fn numbers_in_data_pass_as_they_were_written() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let data = r#"{"a":18446744073709551616123,"b":1.10,"c":-0.0,"d":1E400,"e":9007199254740993,"a":1}"#;
        // JSON that a number type cannot hold is still JSON; only what no reader takes is refused.
        let data = data.replace(r#""d":1E400,"#, "");
        let body = format!(r#"{{"user_id":7,"title":"t","data":{data}}}"#);
        let headers =
            [("authorization", format!("Bearer {KEY}")), ("content-type", "application/json".to_owned())];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer =
            http::request(instance.address, "POST", "/api/notifications", &headers, Some(body.as_bytes()));
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert!(answer.text().contains(&data), "{}", answer.text());
        assert!(instance.get(7, "/api/notifications").text().contains(&data));
        assert!(world.texts("SELECT body FROM event_relay")[0].contains(&data));
    }
}

#[test]
fn the_largest_of_all_is_taken_and_one_more_is_not() {
    for engine in ENGINES {
        let (_world, instance) = World::with(engine);
        let data = json!({"a": "x".repeat(16 * 1024 - 8)});
        assert_eq!(data.to_string().len(), 16 * 1024);
        let deep = |levels: usize| -> Value {
            let text = format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
            serde_json::from_str(&text).expect("JSON")
        };
        let word = "w".repeat(64);
        let large = json!({
            "user_id": "u".repeat(194), "title": "🎉".repeat(200), "message": "語".repeat(20_000), "data": data,
            "type": word, "category": word
        });
        let made = instance.create(&large);
        assert_eq!(made["message"].as_str().map(|text| text.chars().count()), Some(20_000));
        instance.create(&json!({"user_id": 7, "title": "t", "data": deep(64)}));
        for (member, value) in [
            ("title", json!("x".repeat(201))),
            ("message", json!("x".repeat(20_001))),
            ("data", json!({"a": "x".repeat(16 * 1024 - 7)})),
            ("data", deep(65)),
            ("type", json!("w".repeat(65))),
            ("category", json!("w".repeat(65))),
            ("user_id", json!("u".repeat(195))),
        ] {
            let mut body = json!({"user_id": 7, "title": "t"});
            body[member] = value;
            let refused = instance.serve("POST", "/api/notifications", &[], Some(&body));
            assert_eq!((refused.status, &refused.json()["member"]), (422, &json!(member)), "{member}");
        }
        let huge = json!({"user_id": 7, "title": "t", "message": "x".repeat(1 << 20)});
        let refused = instance.serve("POST", "/api/notifications", &[], Some(&huge));
        assert_eq!((refused.status, refused.problem_code().as_str()), (413, "too_large"));
    }
}

#[test]
fn every_wrong_member_is_named_and_nothing_is_stored() {
    let (world, instance) = World::with(Engine::Sqlite);
    let rows: [(Value, &[&str]); 25] = [
        (json!({}), &["title"]),
        (json!({"title": ""}), &["title"]),
        (json!({"title": null}), &["title"]),
        (json!({"title": 7}), &["title"]),
        (json!({"title": ["t"]}), &["title"]),
        (json!({"title": "a\u{0}b"}), &["title"]),
        (json!({"title": "t", "message": "a\u{0}b"}), &["message"]),
        (json!({"title": "t", "message": {}}), &["message"]),
        (json!({"title": "t", "data": []}), &["data"]),
        (json!({"title": "t", "data": "{}"}), &["data"]),
        (json!({"title": "t", "data": 1}), &["data"]),
        (json!({"title": "t", "type": ""}), &["type"]),
        (json!({"title": "t", "type": "a b"}), &["type"]),
        (json!({"title": "t", "category": "é"}), &["category"]),
        (json!({"title": "t", "category": 1}), &["category"]),
        (json!({"title": "t", "priority": "HIGH"}), &["priority"]),
        (json!({"title": "t", "priority": 1}), &["priority"]),
        (json!({"title": "t", "expires_at": "2020-01-01T00:00:00Z"}), &["expires_at"]),
        (json!({"title": "t", "expires_at": "tomorrow"}), &["expires_at"]),
        (json!({"title": "t", "expires_at": "9999-12-31T23:59:59Z"}), &["expires_at"]),
        (json!({"title": "t", "expires_at": "2099-01-01T00:00:00"}), &["expires_at"]),
        (json!({"title": "t", "expires_at": 4_102_444_800_i64}), &["expires_at"]),
        (json!({"title": "t", "user_id": 1.5}), &["user_id"]),
        (json!({"title": "t", "user_id": {"id": 7}}), &["user_id"]),
        (json!({"title": 1, "message": 1, "data": 1, "type": 1}), &["type", "title", "message", "data"]),
    ];
    for (body, members) in rows {
        let mut body = body;
        if body.get("user_id").is_none() {
            body["user_id"] = json!(7);
        }
        let refused = instance.serve("POST", "/api/notifications", &[], Some(&body));
        assert_eq!((refused.status, refused.problem_code().as_str()), (422, "invalid"), "{body}");
        let errors = refused.json()["errors"].as_array().expect("errors").clone();
        let named: Vec<&str> = errors.iter().filter_map(|error| error["member"].as_str()).collect();
        assert_eq!(named, members, "{body}");
    }
    // A service has no user of its own.
    let nobody = instance.serve("POST", "/api/notifications", &[], Some(&json!({"title": "t"})));
    assert_eq!((nobody.status, &nobody.json()["errors"][0]["member"]), (422, &json!("user_id")));
    let both = json!({"title": "t", "user_id": 7, "topic": "news"});
    let both = instance.serve("POST", "/api/notifications", &[], Some(&both));
    assert_eq!((both.status, &both.json()["errors"][0]["member"]), (422, &json!("topic")));
    assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 0);
    assert!(world.events().is_empty());
}

#[test]
fn half_a_character_is_refused_wherever_it_stands() {
    let (world, instance) = World::with(Engine::Sqlite);
    for (member, body) in [
        ("title", r#"{"user_id":7,"title":"\ud800"}"#),
        ("message", r#"{"user_id":7,"title":"t","message":"\udc00x"}"#),
        ("data", r#"{"user_id":7,"title":"t","data":{"a":["\ud83c"]}}"#),
        ("data", r#"{"user_id":7,"title":"t","data":{"\ud83c":1}}"#),
    ] {
        let headers = [("authorization", &*format!("Bearer {KEY}")), ("content-type", "application/json")];
        let refused =
            http::request(instance.address, "POST", "/api/notifications", &headers, Some(body.as_bytes()));
        assert_eq!((refused.status, &refused.json()["member"]), (422, &json!(member)), "{body}");
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 0);
}

#[test]
fn bodies_that_are_no_object_of_json_are_told_so() {
    let (_world, instance) = World::with(Engine::Sqlite);
    let send = |body: &[u8], media: Option<&str>| {
        let bearer = format!("Bearer {KEY}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(media.map(|media| ("content-type", media)));
        let answer = http::request(instance.address, "POST", "/api/notifications", &headers, Some(body));
        (answer.status, answer.problem_code())
    };
    let json_type = Some("application/json");
    for (body, media, status, code) in [
        (&b"{"[..], json_type, 400, "malformed_json"),
        (b"{\"title\":\"\xff\"}", json_type, 400, "malformed_json"),
        (b"[]", json_type, 422, "invalid"),
        (b"\"x\"", json_type, 422, "invalid"),
        (b"{}", Some("text/plain"), 415, "not_json"),
        (b"{}", None, 415, "not_json"),
        // An empty body is {}, which lacks a title.
        (b"", json_type, 422, "invalid"),
        (b"", None, 422, "invalid"),
        (b" \n", json_type, 422, "invalid"),
    ] {
        assert_eq!(send(body, media), (status, code.to_owned()), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_user_creates_for_themselves_alone() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let post =
            |user: Value, body: Value| instance.call(user, "POST", "/api/notifications", &[], Some(&body));
        let own = post(json!(7), json!({"title": "mine"}));
        assert_eq!((own.status, &own.json()["user_id"]), (201, &json!(7)));
        assert_eq!(post(json!(7), json!({"title": "mine", "user_id": "7"})).status, 201);
        let other = post(json!(7), json!({"title": "yours", "user_id": 8}));
        assert_eq!((other.status, other.problem_code().as_str()), (403, "forbidden"));
        let topic = post(json!(7), json!({"title": "ours", "topic": "news"}));
        assert_eq!((topic.status, topic.problem_code().as_str()), (403, "forbidden"));
        assert_eq!(instance.read(8, "/api/notifications")["total"], 0);
        assert_eq!(world.events().len(), 2);
        let bulk = instance.call(7, "POST", "/api/notifications/bulk", &[], Some(&json!({})));
        assert_eq!((bulk.status, bulk.problem_code().as_str()), (403, "forbidden"));
    }
}

#[test]
fn a_user_creates_only_so_many_and_a_service_any_number() {
    let mut world = World::new(Engine::Sqlite);
    let instance = world.start(Wishes::tuned(|settings| settings.rate_limit = NonZeroUsize::new(3)));
    let post =
        |user: i64| instance.call(user, "POST", "/api/notifications", &[], Some(&json!({"title": "t"})));
    (0..3).for_each(|_| assert_eq!(post(7).status, 201));
    let refused = post(7);
    assert_eq!((refused.status, refused.problem_code().as_str()), (429, "rate_limited"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(post(8).status, 201);
    (0..5).for_each(|_| {
        instance.notify(7, "from a service");
    });
}

#[test]
fn without_a_good_token_or_key_nothing_is_told() {
    let (_world, instance) = World::with(Engine::Sqlite);
    for (method, path) in [
        ("GET", "/api/notifications"),
        ("POST", "/api/notifications"),
        ("GET", "/api/notifications/stats"),
        ("GET", "/api/notifications/1"),
        ("PUT", "/api/notifications/1/read"),
        ("PUT", "/api/notifications/1/unread"),
        ("POST", "/api/notifications/1/restore"),
        ("POST", "/api/notifications/read-all"),
        ("POST", "/api/notifications/bulk"),
        ("DELETE", "/api/notifications/1"),
        ("POST", "/hooks/notifications"),
    ] {
        for bearer in [None, Some("Bearer nonsense"), Some("Basic x")] {
            let headers: Vec<(&str, &str)> =
                bearer.map(|bearer| ("authorization", bearer)).into_iter().collect();
            let answer = http::request(instance.address, method, path, &headers, None);
            assert_eq!(
                (answer.status, answer.problem_code().as_str()),
                (401, "unauthorized"),
                "{method} {path}"
            );
        }
    }
    // Reading an inbox is its user's.
    for path in ["/api/notifications", "/api/notifications/stats", "/api/notifications/1"] {
        assert_eq!(instance.serve("GET", path, &[], None).status, 403, "{path}");
    }
}

#[test]
fn a_repeat_with_its_key_gets_the_first_answer_and_creates_nothing() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let body = json!({"user_id": 7, "title": "t"});
        let key = [("idempotency-key", "k1")];
        let first = instance.serve("POST", "/api/notifications", &key, Some(&body));
        let again = instance.serve("POST", "/api/notifications", &key, Some(&body));
        assert_eq!((first.status, again.status), (201, 201));
        assert_eq!(first.text(), again.text());
        let other =
            instance.serve("POST", "/api/notifications", &key, Some(&json!({"user_id": 7, "title": "u"})));
        assert_eq!((other.status, other.problem_code().as_str()), (422, "idempotency_key_reused"));
        // A user's key is the user's own.
        let own = instance.call(7, "POST", "/api/notifications", &key, Some(&json!({"title": "t"})));
        assert_eq!(own.status, 201);
        assert_ne!(own.json()["id"], first.json()["id"]);
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 2);
        assert_eq!(world.events().len(), 2);
        // A failure is not kept.
        let key = [("idempotency-key", "k2")];
        assert_eq!(
            instance.serve("POST", "/api/notifications", &key, Some(&json!({"user_id": 7}))).status,
            422
        );
        assert_eq!(instance.serve("POST", "/api/notifications", &key, Some(&body)).status, 201);
    }
}
