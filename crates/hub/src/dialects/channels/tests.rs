mod recovery;

use protocol::{ChannelPattern, ConnectionId, UserId};

use super::*;
use crate::dialects::Dialect;
use crate::endpoint::{Endpoint, Naming};
use crate::rules::{ChannelRules, Identities};

fn now() -> Timestamp {
    Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp")
}

fn user(id: &str, user_type: &str) -> Identity {
    Identity {
        user: UserId::from_text(id).expect("id"),
        user_type: Some(user_type.into()),
        channels: None,
        session: None,
        expires_at: 1_761_998_460,
    }
}

/// What a connection of `identity` with these subscriptions is to do about `message`.
fn answer(identity: Option<&Identity>, subscribed: &[&str], message: &str) -> Vec<Step> {
    answer_bytes(identity, subscribed, message.as_bytes())
}

fn answer_bytes(identity: Option<&Identity>, subscribed: &[&str], message: &[u8]) -> Vec<Step> {
    let limits = Limits::default();
    let view = View {
        id: ConnectionId::from_random(7),
        naming: Naming::Own,
        users: &[],
        endpoint: &Endpoint::new(Dialect::CHANNELS, &limits),
        identity,
        channels: subscribed.len(),
        is_recoverable: false,
        watches: 0,
        is_subscribed: &|name| subscribed.contains(&name),
        hooks: None,
        rules: &ChannelRules::new(vec![], Identities::Known),
        limits: &limits,
        now: now(),
    };
    // That the state of what was joined is told is tested with the shard.
    on_message(message, &view).into_iter().filter(|step| !matches!(step, Step::State(_))).collect()
}

fn join(name: &str) -> Step {
    Step::Join(ChannelName::new(name).expect("name"))
}

fn subscribed(names: &[&str]) -> Step {
    Step::Reply(channels::subscribed(names, now()))
}

fn unsubscribed(names: &[&str]) -> Step {
    Step::Reply(channels::unsubscribed(names, now()))
}

/// An error's code and channel, for steps whose message is not what is tested.
fn fault(step: &Step) -> Option<(String, Option<String>)> {
    let Step::Reply(text) = step else { return None };
    let frame: serde_json::Value = serde_json::from_slice(text).expect("JSON");
    (frame["type"] == "error").then(|| {
        let text = |member: &str| frame["data"][member].as_str().map(str::to_owned);
        (text("code").expect("code"), text("channel"))
    })
}

fn faults(steps: &[Step]) -> Vec<(String, Option<String>)> {
    steps.iter().filter_map(fault).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("c{n}")).collect()
}

fn frame(kind: &str, names: &[String]) -> String {
    serde_json::json!({"type": kind, "channels": names}).to_string()
}

#[test]
fn a_ping_gets_a_pong_with_its_data() {
    assert_eq!(answer(None, &[], r#"{"type":"ping"}"#), [Step::Reply(channels::pong(None, now()))]);
    let with_data = answer(None, &[], r#"{"type":"ping","data":{"n": 1}}"#);
    assert_eq!(with_data, [Step::Reply(channels::pong(Some(r#"{"n": 1}"#), now()))]);
}

#[test]
fn subscribing_joins_before_it_confirms() {
    let steps = answer(None, &[], r#"{"type":"subscribe","channels":["jobs","a"]}"#);
    assert_eq!(steps, [join("jobs"), join("a"), subscribed(&["jobs", "a"])]);
}

#[test]
fn subscribing_twice_is_one_subscription_and_confirmed_again() {
    let steps = answer(None, &["jobs"], r#"{"type":"subscribe","channels":["jobs","a","a","jobs"]}"#);
    assert_eq!(steps, [join("a"), subscribed(&["jobs", "a"])]);
}

#[test]
fn an_empty_list_is_confirmed_as_such() {
    assert_eq!(answer(None, &["a"], r#"{"type":"subscribe","channels":[]}"#), [subscribed(&[])]);
    assert_eq!(answer(None, &["a"], r#"{"type":"unsubscribe","channels":[]}"#), [unsubscribed(&[])]);
}

#[test]
fn of_a_mixed_list_each_name_gets_its_own_answer() {
    let worker = user("2", "worker");
    let steps = answer(
        Some(&worker),
        &[],
        r#"{"type":"subscribe","channels":["payments","jobs","a b","user:1","user:2","@all",""]}"#,
    );
    let expected = [
        ("forbidden", Some("payments")),
        ("invalid_channel", Some("a b")),
        ("forbidden", Some("user:1")),
        ("invalid_channel", Some("@all")),
        ("invalid_channel", Some("")),
    ];
    assert_eq!(faults(&steps), expected.map(|(code, name)| (code.to_owned(), name.map(str::to_owned))));
    let others: Vec<&Step> = steps.iter().filter(|step| fault(step).is_none()).collect();
    assert_eq!(others, [&join("jobs"), &join("user:2"), &subscribed(&["jobs", "user:2"])]);
}

#[test]
fn where_nothing_is_in_force_nothing_is_confirmed() {
    let steps = answer(None, &[], r#"{"type":"subscribe","channels":["payments","user:7"]}"#);
    assert_eq!(steps.len(), 2);
    assert_eq!(faults(&steps).len(), 2);
}

#[test]
fn a_token_with_channels_is_held_to_them() {
    let patterns = vec![ChannelPattern::new("orders:*").expect("pattern")];
    let narrow = Identity { channels: Some(patterns.into()), ..user("1", "employer") };
    let steps =
        answer(Some(&narrow), &[], r#"{"type":"subscribe","channels":["orders:1","jobs","payments"]}"#);
    assert_eq!(faults(&steps).len(), 2);
    assert!(steps.contains(&join("orders:1")) && steps.contains(&subscribed(&["orders:1"])));
}

#[test]
fn the_hundred_and_first_channel_is_refused_and_the_hundred_are_in_force() {
    let names = numbered(101);
    let steps = answer(None, &[], &frame("subscribe", &names));
    assert_eq!(faults(&steps), [("too_many_channels".to_owned(), Some("c100".to_owned()))]);
    assert_eq!(steps.iter().filter(|step| matches!(step, Step::Join(_))).count(), 100);
    let all: Vec<&str> = names[..100].iter().map(String::as_str).collect();
    assert_eq!(steps.last(), Some(&subscribed(&all)));
    // What it has already is confirmed at any time.
    assert_eq!(answer(None, &all, &frame("subscribe", &names[..1])), [subscribed(&["c0"])]);
    let one_more = answer(None, &all, r#"{"type":"subscribe","channels":["c3","x","c4"]}"#);
    assert_eq!(faults(&one_more), [("too_many_channels".to_owned(), Some("x".to_owned()))]);
    assert_eq!(one_more.last(), Some(&subscribed(&["c3"])));
}

#[test]
fn ten_thousand_names_get_a_bounded_answer() {
    let good = numbered(10_000);
    let bad: Vec<String> = (0..10_000).map(|n| format!("! {n}")).collect();
    for kind in ["subscribe", "unsubscribe"] {
        let steps = answer(None, &[], &frame(kind, &good));
        assert!(steps.len() <= 103, "{kind}: {}", steps.len());
        assert_eq!(faults(&steps).len(), 1, "{kind}");
        let steps = answer(None, &[], &frame(kind, &bad));
        assert_eq!(faults(&steps).len(), 102, "{kind}");
        assert_eq!(
            faults(&steps).last(),
            Some(&("too_many_channels".to_owned(), Some("! 101".to_owned()))),
            "{kind}: what was not looked at is told"
        );
    }
    let repeated = vec!["jobs".to_owned(); 10_000];
    assert_eq!(answer(None, &[], &frame("subscribe", &repeated)), [join("jobs"), subscribed(&["jobs"])]);
}

#[test]
fn a_very_long_name_is_not_sent_back() {
    let long = "x".repeat(60_000);
    for kind in ["subscribe", "unsubscribe"] {
        let steps = answer(None, &[], &frame(kind, std::slice::from_ref(&long)));
        assert_eq!(faults(&steps), [("invalid_channel".to_owned(), None)]);
        let Step::Reply(text) = &steps[0] else { panic!("a reply") };
        assert!(text.len() < 300);
    }
}

#[test]
fn unsubscribing_confirms_also_what_was_not_subscribed() {
    let steps = answer(None, &["jobs"], r#"{"type":"unsubscribe","channels":["jobs","other","jobs"]}"#);
    assert_eq!(steps, [Step::Leave("jobs".into()), unsubscribed(&["jobs", "other"])]);
    let steps = answer(None, &["jobs"], r#"{"type":"unsubscribe","channel":"no good"}"#);
    assert_eq!(faults(&steps), [("invalid_channel".to_owned(), Some("no good".to_owned()))]);
    assert_eq!(steps.len(), 1);
}

#[test]
fn a_refresh_needs_a_user_and_is_verified_elsewhere() {
    let text = r#"{"type":"refresh","token":"abc"}"#;
    assert_eq!(answer(Some(&user("7", "worker")), &[], text), [Step::Verify("abc".into())]);
    assert_eq!(faults(&answer(None, &[], text)), [("forbidden".to_owned(), None)]);
}

#[test]
fn a_verified_token_must_be_the_same_users() {
    let current = user("7", "worker");
    let newer = Identity { expires_at: 1_762_000_000, ..user("7", "employer") };
    let expires_at = Timestamp::from_secs(1_762_000_000);
    assert_eq!(on_verified(&current, Some(&newer), now()), Ok(channels::refreshed(expires_at, now())));
    for refused in [Some(&user("8", "worker")), None] {
        let text = on_verified(&current, refused, now()).expect_err("refused");
        assert_eq!(fault(&Step::Reply(text)), Some(("forbidden".to_owned(), None)));
    }
}

#[test]
fn what_cannot_be_understood_gets_one_error() {
    for (message, code) in [
        (&b"\xff\xfe"[..], "invalid_json"),
        (b"", "invalid_json"),
        (b"hello", "invalid_json"),
        (b"[]", "invalid_frame"),
        (b"{}", "invalid_frame"),
        (br#"{"type":"subscribe"}"#, "invalid_frame"),
        (br#"{"type":"subscribe","channels":[1]}"#, "invalid_frame"),
        (br#"{"type":"publish","channel":"jobs"}"#, "unknown_type"),
    ] {
        let steps = answer_bytes(None, &[], message);
        assert_eq!(faults(&steps), [(code.to_owned(), None)], "{message:?}");
        assert_eq!(steps.len(), 1);
    }
    let deep = format!(r#"{{"type":"ping","data":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(faults(&answer(None, &[], &deep)), [("invalid_json".to_owned(), None)]);
}
