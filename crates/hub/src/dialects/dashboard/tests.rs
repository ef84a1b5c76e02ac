//! What a frame of the dashboard means, and that none breaks anything. From outside: the server's tests.

use proptest::prelude::*;
use protocol::timestamp::Timestamp;

use super::*;
use crate::dialects::Dialect;
use crate::endpoint::Endpoint;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::rules::{ChannelRules, Identities};

const ID: u128 = 7;

/// A connection as the frames find it.
#[derive(Default)]
struct At<'a> {
    token: Option<&'a str>,
    naming: Naming,
    users: &'a [&'a str],
    channels: &'a [&'a str],
    is_recoverable: bool,
}

fn now() -> Timestamp {
    Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp")
}

impl At<'_> {
    fn view<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        let limits = Limits::default();
        let identity = self.token.map(|user| Identity {
            user: UserId::from_json(user).expect("id"),
            user_type: None,
            channels: None,
            session: None,
            expires_at: 1_761_998_460,
        });
        look(&View {
            id: ConnectionId::from_random(ID),
            identity: identity.as_ref(),
            naming: self.naming,
            channels: self.channels.len(),
            is_subscribed: &|name| self.channels.contains(&name),
            users: self.users,
            is_recoverable: self.is_recoverable,
            watches: 0,
            endpoint: &Endpoint::new(Dialect::DASHBOARD, &limits),
            hooks: None,
            rules: &ChannelRules::new(vec![], Identities::Known),
            limits: &limits,
            now: now(),
        })
    }

    fn steps(&self, message: &[u8]) -> Vec<Step> {
        self.view(|view| Dashboard.on_message(message, view))
    }

    /// The names of the steps, errors with their texts.
    fn does(&self, message: &str) -> Vec<String> {
        self.steps(message.as_bytes()).iter().map(told).collect()
    }
}

fn told(step: &Step) -> String {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let id = ConnectionId::from_random(ID).to_string();
        text.replace(&id, "ID").replace(r#","timestamp":"2025-11-01T12:00:00.000Z""#, "")
    };
    match step {
        Step::Reply(bytes) => text(bytes),
        Step::Join(channel) => format!("join {}", channel.as_str()),
        Step::Leave(channel) => format!("leave {channel}"),
        Step::Own(user) => format!("own {}", user.as_str()),
        Step::Disown(user) => format!("disown {}", user.as_str()),
        Step::Track { answer, fresh } => format!("{} {}", text(answer), fresh.join(" ")),
        Step::Return(_) => "return".to_owned(),
        Step::Batch(window) => format!("batch {window}"),
        Step::Probe => "probe".to_owned(),
        other => panic!("{other:?} is no step of this world"),
    }
}

/// The message of the only step, which is an error.
#[track_caller]
fn error_of(at: &At<'_>, message: &str) -> String {
    let told = at.does(message);
    let [only] = &told[..] else { panic!("{told:?}") };
    let text = only.strip_prefix(r#"{"type":"error","message":""#).and_then(|rest| rest.strip_suffix("\"}"));
    text.unwrap_or_else(|| panic!("{only}")).to_owned()
}

fn anyone() -> At<'static> {
    At { naming: Naming::Anyone, ..At::default() }
}

#[test]
fn subscribing_joins_what_is_new_and_repeats_what_was_named() {
    let frame = r#"{"type":"subscribe","userId":"u","queueId":7}"#;
    let answer = r#"{"type":"subscribed","userId":"u","queueId":7,"connectionId":"ID"}"#;
    assert_eq!(anyone().does(frame), ["own u", "join queue:7", &format!("{answer} user:u queue:7")]);
    let known = At { users: &["u"], channels: &["queue:7"], ..anyone() };
    assert_eq!(known.does(frame), [format!("{answer} ")], "twice is one subscription, confirmed again");
    let half = At { users: &["u"], ..anyone() };
    assert_eq!(half.does(frame), ["join queue:7", &format!("{answer} queue:7")]);
}

#[test]
fn a_user_is_named_by_number_or_text_and_repeated_as_it_was_written() {
    for (written, user) in [
        ("456", "456"),
        (r#""456""#, "456"),
        ("18446744073709551615", "18446744073709551615"),
        (r#""\u0041""#, "A"),
    ] {
        let steps = anyone().does(&format!(r#"{{"type":"subscribe","userId": {written} }}"#));
        let answer = format!(r#"{{"type":"subscribed","userId":{written},"connectionId":"ID"}} user:{user}"#);
        assert_eq!(steps, [format!("own {user}"), answer]);
    }
}

#[test]
fn whose_it_may_say_that_it_is() {
    let frame = r#"{"type":"subscribe","userId":"7"}"#;
    assert!(error_of(&At::default(), frame).contains("without a token"));
    assert!(error_of(&At { token: Some("8"), ..At::default() }, frame).contains("not the user"));
    for own in ["7", r#""7""#] {
        assert_eq!(At { token: Some(own), ..At::default() }.does(frame)[0], "own 7");
    }
    assert_eq!(At { token: Some("8"), ..anyone() }.does(frame)[0], "own 7", "policy off");
}

#[test]
fn unsubscribing_leaves_what_is_there_and_confirms_the_rest_as_well() {
    let at = At { users: &["u"], channels: &["queue:q"], ..anyone() };
    let both = r#"{"type":"unsubscribed","userId":"u","queueId":"q","connectionId":"ID"}"#;
    assert_eq!(
        at.does(r#"{"type":"unsubscribe","userId":"u","queueId":"q"}"#),
        ["disown u", "leave queue:q", both]
    );
    assert_eq!(anyone().does(r#"{"type":"unsubscribe","userId":"u","queueId":"q"}"#), [both]);
}

#[test]
fn a_frame_that_is_half_right_does_its_right_half_and_answers_last() {
    let told = anyone().does(r#"{"type":"subscribe","userId":"u","queueId":"a b","batch":-1}"#);
    assert_eq!(told[0], "own u");
    assert!(told[1].contains("batch") && told[2].contains("queueId"), "{told:?}");
    assert_eq!(told[3], r#"{"type":"subscribed","userId":"u","connectionId":"ID"} user:u"#);
    assert_eq!(told.len(), 4);
}

#[test]
fn a_window_is_a_number_of_milliseconds_up_to_ten_seconds() {
    for (written, window) in
        [("0", 0), ("100", 100), ("10000", 10_000), ("99.5", 100), ("1e2", 100), ("-0", 0)]
    {
        let told = anyone().does(&format!(r#"{{"type":"subscribe","batch":{written}}}"#));
        assert_eq!(
            told,
            [format!("batch {window}"), r#"{"type":"subscribed","connectionId":"ID"} "#.to_owned()]
        );
    }
    for wrong in ["-1", "10000.1", "1e9", "\"100\"", "true", "[]", "{}", "1e999"] {
        let text = error_of(&anyone(), &format!(r#"{{"type":"subscribe","batch":{wrong}}}"#));
        assert!(text.contains("0 to 10000"), "{wrong}: {text}");
    }
}

#[test]
fn a_connection_has_at_most_a_hundred_subscriptions_users_included() {
    let names: Vec<String> = (0..99).map(|n| format!("queue:{n}")).collect();
    let channels: Vec<&str> = names.iter().map(String::as_str).collect();
    let at = At { users: &["a"], channels: &channels, ..anyone() };
    assert!(error_of(&at, r#"{"type":"subscribe","userId":"b"}"#).contains("100"));
    assert!(error_of(&at, r#"{"type":"subscribe","queueId":"b"}"#).contains("100"));
    assert_eq!(
        at.does(r#"{"type":"subscribe","userId":"a","queueId":1}"#).len(),
        1,
        "what it has is confirmed"
    );
    let room_for_one = At { users: &[], channels: &channels, ..anyone() };
    let told = room_for_one.does(r#"{"type":"subscribe","userId":"a","queueId":"b"}"#);
    assert!(told[0] == "own a" && told[1].contains("100") && told.len() == 3, "{told:?}");
}

#[test]
fn a_reconnect_comes_first_and_names_an_id() {
    let frame = r#"{"type":"reconnect","connectionId":"00000000-0000-4000-8000-000000000001"}"#;
    assert_eq!(anyone().does(frame), ["return"]);
    assert!(error_of(&At { is_recoverable: true, ..anyone() }, frame).contains("first"));
    for wrong in ["null", "7", "\"\"", "\"x\"", "[]", "{}"] {
        let text = error_of(&anyone(), &format!(r#"{{"type":"reconnect","connectionId":{wrong}}}"#));
        assert!(text.contains("connectionId"), "{wrong}: {text}");
    }
}

#[test]
fn who_came_back_is_told_each_user_and_queue_and_what_is_lost() {
    let at = At { token: Some("7"), ..At::default() };
    let frames = |streams: &[&str], lost: &[&str]| -> Vec<String> {
        let answers = at.view(|view| Dashboard.restored(streams, lost, view));
        answers.into_iter().map(|answer| told(&Step::Reply(answer))).collect()
    };
    let one = r#"{"type":"subscribed","userId":7,"queueId":"q","connectionId":"ID"}"#;
    assert_eq!(frames(&["queue:q", "user:7"], &[]), [one], "a number as the token has it");
    let two = r#"{"type":"subscribed","queueId":"r","connectionId":"ID"}"#;
    assert_eq!(frames(&["queue:q", "user:7", "queue:r"], &[]), [one, two]);
    assert_eq!(
        frames(&[], &[]),
        [r#"{"type":"subscribed","connectionId":"ID"}"#],
        "none is left without an answer"
    );
    let told = frames(&["queue:r"], &["queue:r"]);
    assert!(told[0] == two && told[1].starts_with(r#"{"type":"error""#) && told.len() == 2, "{told:?}");
}

proptest! {
    /// An error is short, whatever the frame was: it does not repeat it.
    #[test]
    fn no_bytes_break_anything_and_errors_are_short(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for step in anyone().steps(&bytes) {
            if let Step::Reply(text) = step {
                prop_assert!(text.len() < 300);
            }
        }
    }

    #[test]
    fn whatever_the_members_are_each_frame_is_answered(
        kind in prop::sample::select(vec!["subscribe", "unsubscribe", "reconnect", "ping", "x"]),
        members in prop::collection::vec(
            (prop::sample::select(vec!["userId", "queueId", "batch", "connectionId", "timestamp"]),
             prop::sample::select(vec!["1", "\"a\"", "null", "[]", "{\"a\":1}", "-5", "1.5", "\"\"", "true", "1e400", "\"a b\""])),
            0..5),
    ) {
        let members: String = members.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
        let frame = format!("{{\"type\":\"{kind}\"{members}}}");
        let steps = anyone().steps(frame.as_bytes());
        let answers = steps.iter().any(|step| matches!(step, Step::Reply(_) | Step::Track { .. } | Step::Return(_)));
        prop_assert!(answers, "{frame}: {steps:?}");
    }
}
