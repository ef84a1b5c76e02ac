use super::*;

fn names(types: &[&str]) -> Vec<String> {
    types.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_feed_covers_a_rule_whose_type_it_lists_or_whose_beginning_it_has() {
    for (wanted, types, covered) in [
        ("job_accepted", &["job_accepted"][..], true),
        ("job_accepted", &["job_*"], true),
        ("job_accepted", &["*"], true),
        ("job_accepted", &["job_completed", "payment_*"], false),
        ("job_*", &["job_*"], true),
        ("job_x*", &["job_*"], true),
        ("job_*", &["job_x*"], false),
        ("job_*", &["job_accepted"], false),
        ("*", &["*"], true),
    ] {
        assert_eq!(is_covered(wanted, &names(types)), covered, "{wanted} {types:?}");
    }
}

#[test]
fn health_tells_of_a_feed_that_is_away_or_lacks_a_type() {
    let registry = Registry::new();
    let rules = Rules::new(RulesSettings::default(), &registry).expect("the built-in rules");
    let told = || rules.health(Health::new());
    assert_eq!((told().state, &told().details["feed"]["state"]), (State::Healthy, &json!("starting")));
    rules.trouble("nobody there");
    assert_eq!((told().state, &told().details["feed"]["why"]), (State::Degraded, &json!("nobody there")));
    rules.following(&names(&["job_*", "payment_*"]));
    let missing = json!(["oracle_upload_completed", "oracle_upload_failed"]);
    assert_eq!((told().state, &told().details["feed"]["missing_types"]), (State::Degraded, &missing));
    rules.following(&names(&["*"]));
    assert_eq!((told().state, &told().details["feed"]["state"]), (State::Healthy, &json!("following")));
}
