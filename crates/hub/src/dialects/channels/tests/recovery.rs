//! Recoverable subscribes, resume, history, presence and acks.

use protocol::channels::GivenPosition;
use protocol::position::Epoch;

use super::*;

/// What a connection is to do that has asked for recovery, or not, and watches so many channels.
fn steps(
    identity: Option<&Identity>,
    subscribed: &[&str],
    is_recoverable: bool,
    watches: usize,
    message: &str,
) -> Vec<Step> {
    let limits = Limits::default();
    let view = View {
        id: ConnectionId::from_random(7),
        naming: Naming::Own,
        users: &[],
        endpoint: &Endpoint::new(Dialect::CHANNELS, &limits),
        identity,
        channels: subscribed.len(),
        is_recoverable,
        watches,
        is_subscribed: &|name| subscribed.contains(&name),
        hooks: None,
        rules: &ChannelRules::new(vec![], Identities::Known),
        limits: &limits,
        now: now(),
    };
    on_message(message.as_bytes(), &view)
}

fn recover(channels: &[&str], fresh: &[&str], given: Given) -> Step {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Step::Recover { channels: names(channels), fresh: names(fresh), given }
}

#[test]
fn a_recoverable_subscribe_joins_and_then_tells_where_it_stands() {
    let text = r#"{"type":"subscribe","channels":["jobs","a"],"recoverable":true,
        "positions":{"jobs":{"epoch":"AAAAAAAB","offset":17},"@all":{"epoch":"?","offset":3}}}"#;
    let given = vec![
        ("jobs".into(), GivenPosition { epoch: Some(Epoch::from_bits(1)), offset: 17 }),
        ("@all".into(), GivenPosition { epoch: None, offset: 3 }),
    ];
    assert_eq!(
        steps(None, &["a"], false, 0, text),
        [join("jobs"), recover(&["jobs", "a"], &["jobs"], given)]
    );
}

#[test]
fn who_asked_for_recovery_once_recovers_in_all_its_channels() {
    let text = r#"{"type":"subscribe","channels":["a"]}"#;
    assert_eq!(steps(None, &[], true, 0, text), [join("a"), recover(&["a"], &["a"], vec![])]);
    let plain = steps(None, &[], false, 0, text);
    assert_eq!(plain, [join("a"), subscribed(&["a"]), Step::State(vec!["a".into()])]);
}

#[test]
fn a_recoverable_subscribe_is_answered_even_where_no_channel_is_in_force() {
    let text = r#"{"type":"subscribe","channels":["payments"],"recoverable":true}"#;
    let steps = steps(None, &[], false, 0, text);
    assert_eq!(faults(&steps), [("forbidden".to_owned(), Some("payments".to_owned()))]);
    assert_eq!(steps.last(), Some(&recover(&[], &[], vec![])));
}

#[test]
fn positions_of_the_wrong_type_change_nothing() {
    for positions in [
        r#"[]"#,
        r#"{"jobs":17}"#,
        r#"{"jobs":{"epoch":1,"offset":1}}"#,
        r#"{"jobs":{"epoch":"AAAAAAAB","offset":-1}}"#,
        r#"{"jobs":{"epoch":"AAAAAAAB","offset":1.5}}"#,
        r#"{"jobs":{"epoch":"AAAAAAAB","offset":1},"jobs":{"epoch":"AAAAAAAB","offset":2}}"#,
    ] {
        let text = format!(
            r#"{{"type":"subscribe","channels":["jobs"],"recoverable":true,"positions":{positions}}}"#
        );
        let steps = steps(None, &[], false, 0, &text);
        assert_eq!(faults(&steps), [("invalid_frame".to_owned(), None)], "{positions}");
        assert_eq!(steps.len(), 1, "{positions}");
    }
}

#[test]
fn a_resume_comes_before_any_recoverable_subscribe() {
    let text = r#"{"type":"resume","token":"t","positions":{}}"#;
    assert_eq!(steps(None, &[], false, 0, text), [Step::Resume { token: "t".into(), given: vec![] }]);
    assert_eq!(faults(&steps(None, &["jobs"], true, 0, text)), [("invalid_frame".to_owned(), None)]);
    let without = r#"{"type":"resume","positions":{}}"#;
    assert_eq!(faults(&steps(None, &[], false, 0, without)), [("invalid_frame".to_owned(), None)]);
}

#[test]
fn history_needs_the_right_to_subscribe() {
    let ask = |name: &str| format!(r#"{{"type":"history","channel":"{name}","limit":5,"before":9}}"#);
    let page = |name: &str| Step::History { channel: name.into(), limit: 5, before: Some(9) };
    let worker = user("7", "worker");
    for name in ["jobs", "@all", "user:7"] {
        assert_eq!(steps(Some(&worker), &[], false, 0, &ask(name)), [page(name)], "without following {name}");
    }
    for name in ["payments", "user:8"] {
        let refused = steps(Some(&worker), &[], false, 0, &ask(name));
        assert_eq!(faults(&refused), [("forbidden".to_owned(), Some(name.to_owned()))]);
    }
    for name in ["a b", "@presence:jobs", "@connection", ""] {
        let refused = steps(Some(&worker), &[], false, 0, &ask(name));
        assert_eq!(faults(&refused), [("invalid_channel".to_owned(), Some(name.to_owned()))]);
    }
}

#[test]
fn presence_needs_the_right_to_subscribe_and_watches_are_bounded() {
    let ask =
        |name: &str, watch: bool| format!(r#"{{"type":"presence","channel":"{name}","watch":{watch}}}"#);
    let told = |watch| Step::Presence { channel: ChannelName::new("jobs").expect("name"), watch };
    assert_eq!(steps(None, &[], false, 0, &ask("jobs", true)), [told(Watch::Begin)]);
    assert_eq!(
        faults(&steps(None, &[], false, 0, &ask("payments", true))),
        [("forbidden".to_owned(), Some("payments".to_owned()))]
    );
    assert_eq!(
        faults(&steps(None, &[], false, 0, &ask("@all", false))),
        [("invalid_channel".to_owned(), Some("@all".to_owned()))]
    );
    assert_eq!(
        faults(&steps(None, &[], false, 100, &ask("jobs", true))),
        [("too_many_channels".to_owned(), Some("jobs".to_owned()))]
    );
    assert_eq!(steps(None, &[], false, 100, &ask("jobs", false)), [told(Watch::End)]);
    let once = steps(None, &[], false, 100, r#"{"type":"presence","channel":"jobs"}"#);
    assert_eq!(once, [told(Watch::Once)]);
}

#[test]
fn an_ack_is_taken_and_not_answered() {
    let id = "01939d5c-7c00-7000-8000-000000000000";
    let known = protocol::PublicationId::parse(id).expect("an id");
    let text = format!(r#"{{"type":"ack","ids":["{id}","{id}"]}}"#);
    assert_eq!(steps(None, &[], false, 0, &text), [Step::Acked(vec![known, known])]);
    assert_eq!(
        faults(&steps(None, &[], false, 0, r#"{"type":"ack","ids":[]}"#)),
        [("invalid_frame".to_owned(), None)]
    );
}
