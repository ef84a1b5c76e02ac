//! Many in one call.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};
use test_kit::http::{self, Answer};

use crate::harness::{ENGINES, Engine, Instance, KEY, Wishes, World};

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    answer.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn bulk(instance: &Instance, headers: &[(&str, &str)], body: &Value) -> Answer {
    instance.serve("POST", "/api/notifications/bulk", headers, Some(body))
}

fn bulk_lines(instance: &Instance, headers: &[(&str, &str)], body: &str) -> Answer {
    let bearer = format!("Bearer {KEY}");
    let mut all = vec![("authorization", bearer.as_str()), ("content-type", "application/x-ndjson")];
    all.extend_from_slice(headers);
    http::request(instance.address, "POST", "/api/notifications/bulk", &all, Some(body.as_bytes()))
}

#[test]
fn each_of_many_users_gets_one_and_a_line_of_the_answer_in_order() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let users: Vec<Value> =
            (1..=1_234).map(|n| if n % 10 == 0 { json!(format!("u{n}")) } else { json!(n) }).collect();
        let body = json!({"user_ids": users, "title": "News", "message": "<b>", "category": "news", "data": {"n": 1}});
        let answer = lines(&bulk(&instance, &[], &body));
        assert_eq!(answer.len(), 1_235);
        for (line, user) in answer.iter().zip(&users) {
            assert_eq!((&line["success"], &line["user_id"]), (&json!(true), user));
        }
        let ids: Vec<i64> = answer[..1_234].iter().map(|line| line["id"].as_i64().expect("an id")).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(answer[1_234], json!({"done": true, "created": 1_234, "filtered": 0, "refused": 0}));
        for n in [0, 9, 499, 500, 1_233] {
            let list = instance.read(users[n].clone(), "/api/notifications");
            let one = &list["notifications"][0];
            assert_eq!(
                (&list["unread_count"], &one["id"], &one["title"]),
                (&json!(1), &json!(ids[n]), &json!("News"))
            );
        }
        let events = world.events();
        assert_eq!(events.len(), 1_234, "and each is told");
        let told: Vec<i64> =
            events.iter().map(|event| event["data"]["id"].as_i64().expect("an id")).collect();
        assert_eq!(told, ids);
        world.counts_agree();
    }
}

#[test]
fn one_user_several_times_is_counted_step_by_step() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        instance.notify(7, "before");
        world.forget_events();
        let answer = lines(&bulk(&instance, &[], &json!({"user_ids": [7, 8, "7", 7], "title": "t"})));
        assert_eq!(answer.last().expect("the end")["created"], 4);
        let told: Vec<(Value, Value)> = world
            .events()
            .iter()
            .map(|event| (event["user_ids"][0].clone(), event["data"]["unread_count"].clone()))
            .collect();
        assert_eq!(
            told,
            [(json!(7), json!(2)), (json!(8), json!(1)), (json!("7"), json!(3)), (json!(7), json!(4))]
        );
        assert_eq!(instance.read(7, "/api/notifications")["unread_count"], 4);
        world.counts_agree();
    }
}

#[test]
fn of_lines_each_is_taken_or_refused_for_itself() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let long = format!(r#"{{"user_id":7,"title":"t","message":"{}"}}"#, "x".repeat(70_000));
        let body = [
            r#"{"user_id":7,"title":"a","category":"jobs"}"#,
            "",
            r#"{"user_id":8,"title":""}"#,
            "nonsense",
            r#"{"title":"nobody's"}"#,
            &long,
            "  ",
            r#"{"user_id":"anna","title":"🎉","expires_at":"2020-01-01T00:00:00Z"}"#,
            "{\"user_id\":9,\"title\":\"z\"}\r",
            r#"{"user_id":10,"title":"the last has no end"}"#,
        ]
        .join("\n");
        let answer = lines(&bulk_lines(&instance, &[], &body));
        let short: Vec<(Value, Value, Value)> = answer
            .iter()
            .map(|line| (line["success"].clone(), line["user_id"].clone(), line["status"].clone()))
            .collect();
        let no = |user: Value, status: u16| (json!(false), user, json!(status));
        let yes = |user: Value| (json!(true), user, Value::Null);
        assert_eq!(
            short,
            [
                yes(json!(7)),
                no(json!(8), 422),
                no(Value::Null, 400),
                no(Value::Null, 422),
                no(Value::Null, 413),
                no(json!("anna"), 422),
                yes(json!(9)),
                yes(json!(10)),
                (Value::Null, Value::Null, Value::Null)
            ]
        );
        assert_eq!(answer[1]["error"]["errors"][0]["member"], "title");
        assert_eq!(answer[3]["error"]["member"], "user_id");
        assert_eq!(answer[5]["error"]["member"], "expires_at");
        assert_eq!(answer[8], json!({"done": true, "created": 3, "filtered": 0, "refused": 5}));
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 3);
        world.counts_agree();
    }
}

#[test]
fn a_preference_filters_and_the_end_says_how_many() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let wish = json!({"categories": {"news": {"in_app": false}}});
        let set = instance.call(8, "PUT", "/api/notifications/preferences", &[], Some(&wish));
        assert_eq!(set.status, 200, "{}", set.text());
        let answer =
            lines(&bulk(&instance, &[], &json!({"user_ids": [7, 8, 9], "title": "t", "category": "news"})));
        assert!(answer[..3].iter().all(|line| line["success"] == true));
        assert_eq!(answer[3], json!({"done": true, "created": 2, "filtered": 1, "refused": 0}));
        let path = format!("/api/notifications/{}", answer[1]["id"]);
        assert_eq!(instance.get(8, &path).status, 404, "it is in no inbox");
        assert_eq!(instance.call(8, "DELETE", &path, &[], None).status, 404);
        assert_eq!(instance.call(8, "POST", &format!("{path}/restore"), &[], None).status, 404);
        assert_eq!(instance.read(8, "/api/notifications")["total"], 0);
        assert_eq!(world.events().len(), 2);
        let filtered = world.texts("SELECT filtered FROM notifications WHERE filtered IS NOT NULL");
        assert_eq!(filtered, ["preference:in_app:news"]);
        world.counts_agree();
    }
}

#[test]
fn a_repeat_completes_what_a_crash_left_and_gives_the_same_ids() {
    for engine in ENGINES {
        let (world, instance) = World::with(engine);
        let users: Vec<i64> = (1..=1_100).collect();
        let body = json!({"user_ids": users, "title": "t"});
        let key = [("idempotency-key", "k")];
        let first = lines(&bulk(&instance, &key, &body));
        // As if it had died behind the second chunk.
        world.change("DELETE FROM bulk_chunks WHERE first = 1000", &[]);
        world.change("DELETE FROM notifications WHERE id > 1000", &[]);
        world.change("DELETE FROM inboxes WHERE user_key IN (SELECT user_key FROM inboxes WHERE CAST(user_key AS BIGINT) > 1000)", &[]);
        world.change("DELETE FROM categories WHERE CAST(user_key AS BIGINT) > 1000", &[]);
        let again = lines(&bulk(&instance, &key, &body));
        assert_eq!(again[..1_000], first[..1_000]);
        assert_eq!(again.last(), first.last());
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 1_100);
        let third = lines(&bulk(&instance, &key, &body));
        assert_eq!(third, again);
        world.counts_agree();
        let other = lines(&bulk(&instance, &key, &json!({"user_ids": [1, 2], "title": "another"})));
        assert!(other[..2].iter().all(|line| line["error"]["code"] == "idempotency_key_reused"), "{other:?}");
        assert_eq!(other[2]["refused"], 2);
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 1_100);
    }
}

#[test]
fn a_bulk_call_that_is_wrong_as_a_whole_creates_nothing() {
    let (world, instance) = World::with(Engine::Sqlite);
    let many: Vec<i64> = (0..10_001).collect();
    for (body, member) in [
        (json!({"title": "t"}), "user_ids"),
        (json!({"user_ids": [], "title": "t"}), "user_ids"),
        (json!({"user_ids": 7, "title": "t"}), "user_ids"),
        (json!({"user_ids": [7, null], "title": "t"}), "user_ids"),
        (json!({"user_ids": many, "title": "t"}), "user_ids"),
        (json!({"user_ids": [7]}), "title"),
        (json!({"user_ids": [7], "title": "t", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
    ] {
        let refused = bulk(&instance, &[], &body);
        assert_eq!((refused.status, &refused.json()["member"]), (422, &json!(member)));
    }
    let media = [("content-type", "text/csv")];
    assert_eq!(bulk(&instance, &media, &json!({})).status, 415);
    assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 0);
    let nothing = lines(&bulk_lines(&instance, &[], "\n\n"));
    assert_eq!(nothing, [json!({"done": true, "created": 0, "filtered": 0, "refused": 0})]);
}

#[test]
fn more_lines_than_a_call_takes_are_not_read() {
    let (world, instance) = World::with(Engine::Sqlite);
    let body: String = (0..10_001).map(|n| format!("{{\"user_id\":{},\"title\":\"\"}}\n", n % 7)).collect();
    let answer = lines(&bulk_lines(&instance, &[], &body));
    assert_eq!(answer.len(), 10_002);
    assert_eq!(answer[10_000]["error"]["code"], "too_many_items");
    assert_eq!(answer[10_001]["refused"], 10_001);
    assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 0);
}

/// A caller who sends lines and reads the answer while it still sends.
#[test]
fn lines_are_taken_as_they_come() {
    let (world, instance) = World::with(Engine::Sqlite);
    let mut stream = TcpStream::connect(instance.address).expect("a connection");
    let head = format!(
        "POST /api/notifications/bulk HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let part: String = (0..500).map(|n| format!("{{\"user_id\":{n},\"title\":\"t\"}}\n")).collect();
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    stream.write_all(chunk(&part).as_bytes()).expect("sent");
    // The first 500 are answered though the call is not at its end.
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains("\"user_id\":499") {
        let read = stream.read(&mut buffer).expect("an answer");
        assert!(read > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 500);
    let last = r#"{"user_id":1,"title":"last"}"#;
    stream.write_all(format!("{}0\r\n\r\n", chunk(last)).as_bytes()).expect("sent");
    while !seen.contains("\"done\":true") {
        let read = stream.read(&mut buffer).expect("an answer");
        assert!(read > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(seen.contains("\"created\":501"), "{seen}");
}

/// A chunk that did not come whole is not created, so that a repeat with the key finds it as it was.
#[test]
fn a_caller_who_goes_away_in_the_middle_repeats_the_call() {
    let (world, instance) = World::with(Engine::Sqlite);
    let all: Vec<String> = (0..700).map(|n| format!("{{\"user_id\":{n},\"title\":\"t\"}}\n")).collect();
    {
        let mut stream = TcpStream::connect(instance.address).expect("a connection");
        let head = format!(
            "POST /api/notifications/bulk HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nidempotency-key: k\r\n\
             content-type: application/x-ndjson\r\ncontent-length: 1000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(all[..600].concat().as_bytes()).expect("sent");
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).expect("the first chunk's answer") > 0);
    }
    let mut answer = Vec::new();
    test_kit::eventually(crate::harness::SOON, || {
        let again = bulk_lines(&instance, &[("idempotency-key", "k")], &all.concat());
        // The first call may not have noticed yet that its caller is gone.
        let is_over = again.status == 200;
        if is_over {
            answer = lines(&again);
        }
        is_over
    });
    assert_eq!(answer.last().expect("the end")["created"], 700, "{:?}", answer.last());
    assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 700);
    world.counts_agree();
}

#[test]
fn a_topics_followers_get_one_each_whatever_restarts_meanwhile() {
    for engine in ENGINES {
        let mut world = World::new(engine);
        let instance = world.start(Wishes::default());
        let follow = |user: Value| {
            let answer =
                instance.call(user, "POST", "/api/fcm/subscribe-topic", &[], Some(&json!({"topic": "news"})));
            assert_eq!(answer.status, 200, "{}", answer.text());
        };
        follow(json!(7));
        follow(json!("anna"));
        // As many as make several chunks, without a thousand calls.
        world.change(
            "INSERT INTO topic_followers (topic, user_key, user_id, created_at)
             WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 2199)
             SELECT 'news', CAST(i AS TEXT), CAST(i AS TEXT), 0 FROM n",
            &[],
        );
        let body = json!({"topic": "news", "title": "To all", "data": {"n": 1}, "priority": "high"});
        let key = [("idempotency-key", "k")];
        let answer = instance.serve("POST", "/api/notifications", &key, Some(&body));
        assert_eq!((answer.status, answer.json()), (201, json!({"topic": "news", "recipients": 1_202})));
        assert_eq!(instance.serve("POST", "/api/notifications", &key, Some(&body)).text(), answer.text());
        drop(instance);
        // Two instances at once, and none of them took the call.
        let instances = [world.start(Wishes::background()), world.start(Wishes::background())];
        test_kit::eventually(crate::harness::SOON, || world.number("SELECT COUNT(*) FROM topic_jobs") == 0);
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), 1_202);
        assert_eq!(world.number("SELECT COUNT(DISTINCT user_key) FROM notifications"), 1_202);
        let list = instances[0].read("anna", "/api/notifications");
        let one = &list["notifications"][0];
        assert_eq!(
            (&one["title"], &one["priority"], &one["data"]),
            (&json!("To all"), &json!("high"), &json!({"n": 1}))
        );
        world.counts_agree();
        let nobody = json!({"topic": "nobody-follows", "title": "t"});
        let answer = instances[0].serve("POST", "/api/notifications", &[], Some(&nobody));
        assert_eq!(answer.json(), json!({"topic": "nobody-follows", "recipients": 0}));
        test_kit::eventually(crate::harness::SOON, || world.number("SELECT COUNT(*) FROM topic_jobs") == 0);
    }
}

#[test]
fn a_repeat_gets_its_answer_though_the_time_of_its_notification_is_over() {
    let (world, instance) = World::with(Engine::Sqlite);
    let at = rest::instant::show(world.clock.now() + 3_600_000_000);
    let body = json!({"user_ids": ["a", "b"], "title": "t", "expires_at": at});
    let key = [("idempotency-key", "k")];
    let first = bulk(&instance, &key, &body).text();
    world.clock.advance(std::time::Duration::from_secs(7_200));
    assert_eq!(bulk(&instance, &key, &body).text(), first);
    let late = bulk(&instance, &[("idempotency-key", "other")], &body);
    assert_eq!((late.status, &late.json()["member"]), (422, &json!("expires_at")));
}

#[test]
fn a_key_with_more_lines_is_another_call_and_creates_nothing() {
    let (world, instance) = World::with(Engine::Sqlite);
    let key = [("idempotency-key", "k")];
    let body = |count: usize| -> String {
        (0..count).map(|n| format!("{{\"user_id\":{n},\"title\":\"t\"}}\n")).collect()
    };
    for (first, longer) in [(500, 620), (300, 1_000)] {
        let key = [(key[0].0, &*format!("k{first}"))];
        let made = lines(&bulk_lines(&instance, &key, &body(first)));
        let before = world.number("SELECT COUNT(*) FROM notifications");
        assert_eq!(
            lines(&bulk_lines(&instance, &key, body(first).trim_end())),
            made,
            "its last end is no matter"
        );
        let other = lines(&bulk_lines(&instance, &key, &body(longer)));
        assert_eq!(other[longer - 1]["error"]["code"], "idempotency_key_reused");
        assert_eq!(world.number("SELECT COUNT(*) FROM notifications"), before);
    }
}
