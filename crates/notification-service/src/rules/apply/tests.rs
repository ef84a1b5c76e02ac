use serde_json::json;

use super::*;
use crate::rules::file::{BUILT_IN, RuleSet};

const NOW: i64 = 1_795_000_000_000_000;

fn occasion(event_type: &str, data: Value, users: &[&str]) -> Occasion {
    let event = FeedEvent {
        offset: 1,
        id: "0192f0c1-2345-7000-8000-000000000001".to_owned(),
        event_type: event_type.to_owned(),
        data,
        timestamp: instant::show(NOW),
        user_ids: users.iter().map(|&user| user.to_owned()).collect(),
        channels: Vec::new(),
    };
    Occasion::of(event, NOW)
}

/// One rule with these members.
fn rules(members: &str) -> RuleSet {
    let text = format!(
        "[[rules]]\nevent = \"e\"\n{members}\n[rules.text.en]\ntitle = \"{{{{ event.type }}}} for {{{{ recipient }}}}\"\n"
    );
    RuleSet::parse(&text).expect("a rule")
}

fn told(rules: &RuleSet, occasion: &Occasion) -> Result<Vec<String>, Why> {
    let users = occasion.recipients(&rules.all()[0], NOW)?;
    Ok(users.iter().map(|user| user.to_string()).collect())
}

#[test]
fn the_members_of_to_are_users_each_of_them_once() {
    let rules = rules("to = [\"a\", \"deep.b\", \"list\"]");
    let data = json!({"a": 7, "deep": {"b": "7"}, "list": [8, "anna", 7, -3]});
    assert_eq!(
        told(&rules, &occasion("e", data, &[])),
        Ok(vec!["7".into(), "8".into(), "anna".into(), "-3".into()])
    );
    let nobody = json!({"a": null, "deep": {"b": null}, "list": []});
    assert_eq!(told(&rules, &occasion("e", nobody, &[])), Err(Why::Nobody));
    for (data, why) in [
        (json!({"a": 7, "deep": {}}), Why::MissingRecipient),
        (json!({"a": 7, "deep": 3, "list": []}), Why::MissingRecipient),
        (json!([7]), Why::MissingRecipient),
        (json!({"a": 1.5, "deep": {"b": 1}, "list": []}), Why::WrongRecipient),
        (json!({"a": {"id": 7}, "deep": {"b": 1}, "list": []}), Why::WrongRecipient),
        (json!({"a": 7, "deep": {"b": 1}, "list": [null]}), Why::WrongRecipient),
        (json!({"a": "", "deep": {"b": 1}, "list": []}), Why::WrongRecipient),
        (json!({"a": 7, "deep": {"b": 1}, "list": (0..10_001).collect::<Vec<i64>>()}), Why::TooMany),
    ] {
        let failed = told(&rules, &occasion("e", data.clone(), &[])).expect_err("nobody");
        assert!(failed == why && why.is_failure(), "{failed:?} {why:?}");
    }
}

#[test]
fn those_whom_the_event_was_addressed_to_are_numbers_where_they_look_like_ids() {
    let rules = rules("to = \"addressed\"");
    let occasion = occasion("e", json!(7), &["7", "anna", "007", "7"]);
    let users = occasion.recipients(&rules.all()[0], NOW).expect("users");
    let forms: Vec<String> = users.iter().map(|user| serde_json::to_string(user).expect("JSON")).collect();
    assert_eq!(forms, ["7", "\"anna\"", "\"007\""]);
    assert_eq!(occasion.text(&rules.all()[0], &users[1], "en").expect("a text").title, "e for anna");
}

#[test]
fn a_condition_is_asked_for_each_user() {
    let rules = rules("to = [\"list\"]\nwhen = \"recipient != actor\"");
    assert_eq!(told(&rules, &occasion("e", json!({"list": [1, 2], "actor": 2}), &[])), Ok(vec!["1".into()]));
    assert_eq!(told(&rules, &occasion("e", json!({"list": [2], "actor": 2}), &[])), Err(Why::Condition));
}

#[test]
fn a_member_of_the_event_goes_before_what_is_told_of_it() {
    let rules = rules("to = [\"recipient\"]");
    let occasion = occasion("e", json!({"recipient": 5, "event": {"type": "theirs"}}), &[]);
    let users = occasion.recipients(&rules.all()[0], NOW).expect("users");
    assert_eq!(occasion.text(&rules.all()[0], &users[0], "en").expect("a text").title, "theirs for 5");
}

#[test]
fn what_has_expired_before_it_was_made_is_not_made() {
    let rules = rules("to = \"addressed\"\nexpires_after = \"1h\"");
    let occasion = occasion("e", json!({}), &["7"]);
    let rule = &rules.all()[0];
    assert_eq!(occasion.expires_at(rule), Some(NOW + 3_600_000_000));
    assert!(occasion.recipients(rule, NOW + 3_599_000_000).is_ok());
    let why = occasion.recipients(rule, NOW + 3_600_000_000).expect_err("expired");
    assert!(why == Why::Expired && !why.is_failure());
}

#[test]
fn the_notification_has_the_events_data_where_it_fits() {
    let data = |members: &str, data: Value| {
        let rules = rules(&format!("to = \"addressed\"\n{members}"));
        occasion("e", data, &["7"]).data(&rules.all()[0]).get().to_owned()
    };
    assert_eq!(data("", json!({"a": 1, "b": [2]})), r#"{"a":1,"b":[2]}"#);
    assert_eq!(data("data = [\"b\", \"c\"]", json!({"a": 1, "b": [2]})), r#"{"b":[2]}"#);
    assert_eq!(data("data = []", json!({"a": 1})), "{}");
    assert_eq!(data("", json!([1])), "{}");
    assert_eq!(data("", json!({"a": "x".repeat(17_000)})), "{}");
    let nested = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({"a\"{[\\": inner}));
    assert_eq!(data("", nested(64)), nested(64).to_string());
    assert_eq!(data("", nested(65)), "{}");
}

#[test]
fn the_built_in_rules_say_what_an_employer_and_a_worker_want_to_know() {
    let rules = RuleSet::parse(BUILT_IN).expect("good");
    let job =
        json!({"job_id": 12, "worker_id": 9, "employer_id": 7, "title": "Logo", "payment_released": true});
    let refunded = |reason: &str, worker: Value| json!({"job_id": 12, "reason": reason, "employer_id": 7, "worker_id": worker, "title": "Logo"});
    let payment = json!({"payment_id": 3, "job_id": 12, "amount_usd": 1250.0, "employer_id": 7, "worker_id": 9, "status": "released"});
    let upload = json!({"transaction_id": 602, "message": "Done", "success": true, "result_path": "/r/602"});
    let failed = json!({"transaction_id": 602, "message": "Step 3", "error": "no route"});
    for (event_type, data, addressed, expected) in [
        (
            "job_accepted",
            job.clone(),
            &["7", "9"][..],
            vec!["7: Your job was accepted | Somebody works on “Logo” now."],
        ),
        ("job_completed", job, &["7", "9"], vec!["9: Your work was accepted | “Logo” is completed."]),
        ("job_refunded", refunded("cancelled", Value::Null), &["7"], vec![]),
        (
            "job_refunded",
            refunded("cancelled", json!(9)),
            &["7", "9"],
            vec!["9: A job of yours has ended | “Logo” was cancelled and will not be paid."],
        ),
        (
            "job_refunded",
            refunded("expired", json!(9)),
            &["7", "9"],
            vec![
                "7: Your job has expired | The deadline of “Logo” has passed. Its money is back on your wallet.",
                "9: A job of yours has ended | “Logo” was not completed before its deadline and will not be paid.",
            ],
        ),
        (
            "payment_confirmed",
            payment,
            &["7", "9"],
            vec!["9: You were paid $1,250.00 | The payment for job 12 is on your wallet."],
        ),
        ("oracle_upload_completed", upload, &["5"], vec!["5: Your upload is complete | Done"]),
        ("oracle_upload_failed", failed, &["5"], vec!["5: Your upload failed | Step 3 (no route)"]),
    ] {
        let occasion = occasion(event_type, data, addressed);
        let mut lines = Vec::new();
        for rule in rules.all().iter().filter(|rule| rule.takes(event_type)) {
            for user in occasion.recipients(rule, NOW).unwrap_or_else(|why| {
                assert!(!why.is_failure(), "{event_type}: {why}");
                Vec::new()
            }) {
                let text = occasion.text(rule, &user, "en").expect("a text");
                let german = occasion.text(rule, &user, "de").expect("a text");
                assert_ne!(text.title, german.title);
                lines.push(format!("{user}: {} | {}", text.title, text.message));
            }
        }
        assert_eq!(lines, expected, "{event_type}");
    }
}
