//! What a frame of the world of tasks means. From outside: the server's tests.

use proptest::prelude::*;
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, UserId};

use super::*;
use crate::dialects::Dialect;
use crate::endpoint::{Endpoint, Naming};
use crate::identity::Identity;
use crate::limits::Limits;
use crate::rules::{ChannelRules, Identities};

fn view<T>(user: Option<&str>, look: impl FnOnce(&View<'_>) -> T) -> T {
    let limits = Limits::default();
    let identity = user.map(|user| Identity {
        user: UserId::from_json(user).expect("id"),
        user_type: None,
        channels: None,
        session: None,
        expires_at: 1_761_998_460,
    });
    look(&View {
        id: ConnectionId::from_random(7),
        identity: identity.as_ref(),
        naming: Naming::Own,
        channels: 0,
        is_subscribed: &|_| false,
        users: &[],
        is_recoverable: false,
        watches: 0,
        endpoint: &Endpoint::new(Dialect::TASKS, &limits),
        hooks: None,
        rules: &ChannelRules::new(vec![], Identities::Known),
        limits: &limits,
        now: Timestamp::parse("2025-11-01T12:00:00.123Z").expect("timestamp"),
    })
}

/// The one answer to a frame.
fn answer(message: &[u8]) -> String {
    let steps = view(Some("7"), |view| Tasks.on_message(message, view));
    match &steps[..] {
        [Step::Reply(text)] => String::from_utf8(text.clone()).expect("UTF-8"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_frame_has_the_users_id_as_the_token_has_it() {
    for user in ["123", r#""123""#, "18446744073709551615", r#""Zo\" ë""#] {
        let welcome = view(Some(user), |view| Tasks.welcome(view)).expect("a first frame");
        let wanted = format!(
            r#"{{"type":"connection_established","message":"WebSocket connected successfully","user_id":{user}}}"#
        );
        assert_eq!(String::from_utf8(welcome).expect("UTF-8"), wanted);
    }
}

#[test]
fn a_pong_has_the_clients_own_timestamp_null_included_and_else_the_time() {
    for value in
        ["1", "18446744073709551615", "1.50", "null", "\"\\u00e4\"", "[1, 2]", r#"{"a":{"b":[]}}"#, "false"]
    {
        let frame = format!(r#"{{"type":"ping","timestamp":{value}}}"#);
        assert_eq!(answer(frame.as_bytes()), format!(r#"{{"type":"pong","timestamp":{value}}}"#));
    }
    let timed = r#"{"type":"pong","timestamp":"2025-11-01T12:00:00.123000"}"#;
    assert_eq!(answer(br#"{"type":"ping"}"#), timed);
}

#[test]
fn all_else_is_an_error_with_the_time_in_this_worlds_form() {
    let cases: [&[u8]; 9] = [
        b"",
        b"x",
        b"[]",
        b"{}",
        br#"{"type":7}"#,
        br#"{"type":"subscribe"}"#,
        br#"["ping"]"#,
        b"\xff",
        br#"{"type":"ping","type":"ping"}"#,
    ];
    for frame in cases {
        let told = answer(frame);
        assert!(told.starts_with(r#"{"type":"error","message":""#), "{told}");
        assert!(told.ends_with(r#","timestamp":"2025-11-01T12:00:00.123000"}"#), "{told}");
    }
}

proptest! {
    #[test]
    fn any_bytes_get_one_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(answer(&bytes).len() < 300);
    }
}
