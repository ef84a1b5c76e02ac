//! Topics: following, leaving, and what is sent to one.

use serde_json::{Value, json};

use crate::harness::{ENGINES, Engine, Instance, World};

fn follow(at: &Instance, user: impl Into<Value>, topic: &str) -> test_kit::http::Answer {
    at.call(user, "POST", "/api/fcm/subscribe-topic", &[], Some(&json!({ "topic": topic })))
}

#[test]
fn following_twice_is_following_once() {
    for engine in ENGINES {
        let (world, at) = World::with(engine);
        for user in [json!(7), json!("7"), json!("anna")] {
            let answer = follow(&at, user, "news");
            assert_eq!((answer.status, answer.json()), (200, json!({"topic": "news", "subscribed": true})));
        }
        assert_eq!(world.number("SELECT COUNT(*) FROM topic_followers"), 2);
        for _ in 0..2 {
            let left = at.call(7, "POST", "/api/fcm/unsubscribe-topic", &[], Some(&json!({"topic": "news"})));
            assert_eq!((left.status, left.json()), (200, json!({"topic": "news", "subscribed": false})));
        }
        assert_eq!(world.number("SELECT COUNT(*) FROM topic_followers"), 1);
    }
}

#[test]
fn topics_have_names_of_one_form_and_a_user_follows_a_hundred() {
    let (_world, at) = World::with(Engine::Sqlite);
    for bad in [json!({}), json!({"topic": "a b"}), json!({"topic": ""}), json!({"topic": 7})] {
        let answer = at.call(7, "POST", "/api/fcm/subscribe-topic", &[], Some(&bad));
        assert_eq!((answer.status, answer.problem_code().as_str()), (422, "invalid"), "{bad}");
    }
    for n in 0..100 {
        assert_eq!(follow(&at, 7, &format!("t{n}")).status, 200);
    }
    let full = follow(&at, 7, "one-too-many");
    assert_eq!((full.status, full.problem_code().as_str()), (409, "too_many_topics"));
    assert_eq!(follow(&at, 7, "t0").status, 200, "what one follows one follows");
    assert_eq!(follow(&at, 8, "t0").status, 200, "others have topics of their own");
}
