use super::*;

const GOOD: &str = r#"
[[rules]]
event = "order_*"
to = ["buyer.id", "watchers"]
category = "orders"
type = "order"
priority = "urgent"
expires_after = "7d"
when = "total > 10"
data = ["order_id"]
[rules.text.en]
title = "Order {{ order_id }}"
message = "It is {{ state }}."
[rules.text.de-AT]
title = "Bestellung {{ order_id }}"
"#;

#[test]
fn a_rule_says_whom_it_tells_what_and_for_how_long() {
    let rules = RuleSet::parse(GOOD).expect("good");
    let rule = &rules.all()[0];
    assert_eq!(
        (rule.name.as_str(), rule.event.as_str(), rule.category.as_str()),
        ("order_", "order_*", "orders")
    );
    assert_eq!(rule.to, To::Members(vec![vec!["buyer".into(), "id".into()], vec!["watchers".into()]]));
    assert_eq!((rule.priority, rule.kind.as_deref()), (Priority::Urgent, Some("order")));
    assert_eq!(rule.expires_after, Some(Duration::from_secs(7 * 86_400)));
    assert_eq!(rule.data, Data::Members(vec!["order_id".into()]));
    assert!(
        rule.takes("order_sent")
            && rule.takes("order_")
            && !rule.takes("orders")
            && !rule.takes("job_created")
    );
}

#[test]
fn the_built_in_rules_are_good_and_know_two_languages() {
    let rules = RuleSet::parse(BUILT_IN).expect("good");
    let types = rules.event_types();
    assert_eq!(
        types,
        [
            "job_accepted",
            "job_completed",
            "job_refunded",
            "oracle_upload_completed",
            "oracle_upload_failed",
            "payment_confirmed"
        ]
    );
    for rule in rules.all() {
        assert_eq!(format!("{:?}", rule.texts), r#"{"de", "en"}"#, "{}", rule.name);
    }
}

#[test]
fn the_types_that_rules_need_are_told_once_and_none_within_another() {
    let rule = |event: &str, name: &str| {
        format!(
            "[[rules]]\nname = \"{name}\"\nevent = \"{event}\"\nto = \"addressed\"\n[rules.text.en]\ntitle = \"T\"\n"
        )
    };
    let types = |events: &[&str]| {
        let text: String =
            events.iter().enumerate().map(|(n, event)| rule(event, &format!("r{n}"))).collect();
        RuleSet::parse(&text).expect("good").event_types()
    };
    assert_eq!(types(&["b", "a", "b"]), ["a", "b"]);
    assert_eq!(types(&["job_x", "job_*", "job_x*", "jobs", "job_*"]), ["job_*", "jobs"]);
    assert_eq!(types(&["*", "job_*", "x"]), ["*"]);
}

#[test]
fn notifications_never_make_notifications() {
    let text = "[[rules]]\nevent = \"*\"\nto = [\"user_id\"]\n[rules.text.en]\ntitle = \"T\"\n";
    let rules = RuleSet::parse(text).expect("good");
    assert!(rules.all()[0].takes("anything") && rules.all()[0].takes("notification_sent"));
    for own in OWN_EVENTS {
        assert!(!rules.all()[0].takes(own), "{own}");
    }
}

#[test]
fn a_file_without_rules_is_one_that_makes_nothing() {
    assert!(RuleSet::parse("# nothing\n").expect("good").all().is_empty());
}

#[test]
fn a_wrong_file_is_told_in_one_line_that_names_the_rule() {
    let rule = |more: &str| {
        format!("[[rules]]\nevent = \"a\"\nto = \"addressed\"\n{more}\n[rules.text.en]\ntitle = \"T\"\n")
    };
    let long = "x".repeat(65);
    for (text, parts) in [
        ("[[rules]\n".to_owned(), &["line 1"][..]),
        ("[[rule]]\nevent = \"a\"\n".to_owned(), &["rule"]),
        ("[[rules]]\nto = \"addressed\"\n".to_owned(), &["rule 1:", "event"]),
        (rule("name = \"nap\"\nexpiry = \"1d\""), &["rule 1 (nap)", "expiry"]),
        (rule("").replace("\"a\"", "\"notification_read\""), &["`event`", "makes none"]),
        (rule("priority = \"huge\""), &["rule 1 (a)", "low, normal, high or urgent"]),
        (rule("category = \"a b\""), &["`category`"]),
        (rule(&format!("type = \"{long}\"")), &["`type`", "1 to 64"]),
        (rule("expires_after = \"soon\""), &["`expires_after`", "soon"]),
        (rule("expires_after = \"0s\""), &["`expires_after`"]),
        (rule("when = \"a ==\""), &["`when`"]),
        (rule("when = \"a) %}{% include 'x' %}{% if (b\""), &["`when`"]),
        (rule("data = 7"), &["rule 1 (a)"]),
        (rule("").replace("\"addressed\"", "\"everyone\""), &["`to`", "addressed"]),
        (rule("").replace("\"addressed\"", "[]"), &["`to`", "nobody"]),
        (rule("").replace("\"addressed\"", "[\"a..b\"]"), &["`to`", "a..b"]),
        (rule("").replace("\"T\"", "\"{{ a\""), &["`text.en.title`"]),
        (rule("").replace("\"T\"", "\"{% include 'x' %}\""), &["`text.en.title`"]),
        (rule("").replace("\"T\"", "\"{{ a | nonsense }}\""), &["`text.en`", "title", "nonsense"]),
        (rule("").replace("\"T\"", "'{{ \"%99999999d\" | format(1) }}'"), &["`text.en`", "format"]),
        (rule("").replace("\"T\"", "\" \""), &["`text.en.title`", "empty"]),
        (rule("").replace("title", "titel"), &["titel"]),
        (rule("").replace("text.en", "text.e"), &["text.e", "locale"]),
        (rule("").replace("[rules.text.en]\ntitle = \"T\"", ""), &["text"]),
        (rule("") + &rule(""), &["rule 2 (a)", "rule 1 has this name"]),
        (rule("") + &rule("name = \"b\"\nwhen = \"(\""), &["rule 2 (b)"]),
    ] {
        let error = RuleSet::parse(&text).expect_err(&text).to_string();
        assert!(!error.contains('\n') && parts.iter().all(|part| error.contains(part)), "{text}\n{error}");
    }
    let many: String = (0..201).map(|n| rule(&format!("name = \"r{n}\""))).collect();
    assert!(RuleSet::parse(&many).expect_err("too many").to_string().contains("201"));
}
