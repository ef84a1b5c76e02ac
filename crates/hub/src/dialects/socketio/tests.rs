//! What a packet of a socket means. From outside: the server's tests.

use proptest::prelude::*;
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, PublicationId, UserId};

use super::*;
use crate::endpoint::{Endpoint, Namespace, Naming};
use crate::hooks::{ClientEvent, Hooks};
use crate::identity::Identity;
use crate::limits::Limits;
use crate::rules::{ChannelRules, Identities};

#[derive(Debug)]
struct Mapped;

impl Hooks for Mapped {
    fn is_mapped(&self, origin: &Origin, event: &str) -> bool {
        *origin == Origin::Namespace("/chat".into()) && event == "send_message"
    }

    fn take(&self, _event: ClientEvent) {}
}

fn steps(packet: &str) -> Vec<Step> {
    let limits = Limits { channels: 2, ..Limits::default() };
    let identity = Identity {
        user: UserId::from_json("7").expect("id"),
        user_type: Some("worker".into()),
        channels: None,
        session: None,
        expires_at: 1_761_998_460,
    };
    SocketIo.on_message(
        packet.as_bytes(),
        &View {
            id: ConnectionId::from_random(7),
            identity: Some(&identity),
            naming: Naming::Own,
            channels: 1,
            is_subscribed: &|name| name == "had",
            users: &["7"],
            is_recoverable: false,
            watches: 0,
            endpoint: &Endpoint::of_namespace(Namespace::new("/chat", &[]), &limits),
            hooks: Some(&Mapped),
            rules: &ChannelRules::new(vec![], Identities::Known),
            limits: &limits,
            now: Timestamp::parse("2025-11-01T12:00:00.123Z").expect("timestamp"),
        },
    )
}

fn text(step: &Step) -> &str {
    match step {
        Step::Reply(text) => std::str::from_utf8(text).expect("UTF-8"),
        other => panic!("{other:?}"),
    }
}

/// The one answer to a packet.
fn answer(packet: &str) -> String {
    match &steps(packet)[..] {
        [step] => text(step).to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mapped_event_goes_to_its_service_with_its_data_as_it_was_written() {
    let hook = |data: &str, reply| Step::Hook {
        event: "send_message".into(),
        origin: Origin::Namespace("/chat".into()),
        data: data.into(),
        reply,
    };
    let packet = r#"2/chat,12["send_message",{"to_user_id": 18446744073709551615, "n":1.10}]"#;
    let data = r#"{"to_user_id": 18446744073709551615, "n":1.10}"#;
    assert_eq!(steps(packet), [hook(data, Reply::Ack(12))]);
    assert_eq!(steps(r#"2/chat,["send_message",null,"more"]"#), [hook("null", Reply::None)]);
    assert_eq!(steps(r#"2/chat,["send_message"]"#), [hook("{}", Reply::None)]);
}

#[test]
fn an_event_that_nothing_answers_is_refused_where_its_client_waits() {
    assert_eq!(
        answer(r#"2/chat,0["no_such"]"#),
        r#"43/chat,0[{"code":"unknown_event","message":"nothing here answers this event","success":false}]"#
    );
    assert_eq!(steps(r#"2/chat,["no_such"]"#), []);
    assert!(answer(r#"51-/chat,3["send_message",{"_placeholder":true,"num":0}]"#).contains("\"binary\""));
    assert!(answer(r#"2/chat,3["disconnect"]"#).contains("\"invalid\""));
    assert!(answer("2/chat,3{}").contains("\"invalid\""));
    let deep = format!("2/chat,3[\"send_message\",{}1{}]", "[".repeat(200), "]".repeat(200));
    assert!(answer(&deep).contains("\"invalid\""));
}

#[test]
fn subscriptions_are_acknowledged_with_what_is_in_force() {
    let steps = steps(r#"2/chat,1["subscribe",{"channels":["had","jobs","jobs"]}]"#);
    let [Step::Join(channel), told, Step::State(fresh)] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((channel.as_str(), &fresh[..]), ("jobs", &["jobs".to_owned()][..]));
    assert_eq!(text(told), r#"43/chat,1[{"channels":["had","jobs"],"success":true}]"#);
}

#[test]
fn a_refused_channel_is_named_with_its_reason_and_the_others_are_joined() {
    let packet = r#"2/chat,1["subscribe",{"channels":["payments","a b","jobs","other"]}]"#;
    let steps = steps(packet);
    let [Step::Join(channel), told, Step::State(_)] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(channel.as_str(), "jobs");
    let told: serde_json::Value =
        serde_json::from_str(text(told).trim_start_matches("43/chat,1")).expect("JSON");
    assert_eq!((&told[0]["success"], &told[0]["code"]), (&false.into(), &"forbidden".into()));
    assert_eq!(told[0]["channels"], serde_json::json!(["jobs"]));
    let codes: Vec<_> =
        told[0]["errors"].as_array().expect("errors").iter().map(|error| error["code"].clone()).collect();
    assert_eq!(codes, ["forbidden", "invalid_channel", "too_many_channels"]);
}

#[test]
fn what_names_no_channels_is_refused() {
    for data in ["null", "7", "{}", r#"{"channels":null}"#, r#"{"channels":[7]}"#, r#"{"channels":{}}"#] {
        for event in ["subscribe", "unsubscribe"] {
            let answer = answer(&format!("2/chat,1[\"{event}\",{data}]"));
            assert!(answer.contains("\"code\":\"invalid\""), "{data}: {answer}");
        }
    }
    assert!(answer(r#"2/chat,1["unsubscribe",{"channel":"jobs"}]"#).contains("\"success\":true"));
}

#[test]
fn acknowledgements_and_what_cannot_be_read_are_passed_over() {
    for packet in ["3/chat,1[]", "3/chat,99999[1]", "", "9", "2/chat,[", "\u{0}"] {
        assert!(steps(packet).len() <= 1, "{packet}");
    }
}

fn publication(event_type: &str, data: &str) -> Publication {
    Publication {
        id: PublicationId::from_u128(1),
        event_type: event_type.into(),
        data: data.into(),
        timestamp: Timestamp::parse("2025-11-01T12:00:00.123Z").expect("timestamp"),
    }
}

#[test]
fn data_is_the_argument_unchanged_and_only_a_notification_gets_a_time() {
    let written = |kind: &str, data: &str, offset| {
        String::from_utf8(event(&publication(kind, data), "/notifications", offset)).expect("UTF-8")
    };
    assert_eq!(
        written("order_updated", "{ \"n\": 18446744073709551615 }", None),
        "42/notifications,[\"order_updated\",{ \"n\": 18446744073709551615 }]"
    );
    let timed = |members: &str| {
        format!("42/notifications,[\"notification\",{{{members}\"timestamp\":\"2025-11-01T12:00:00.123Z\"}}]")
    };
    assert_eq!(written("notification", "{}", None), timed(""));
    assert_eq!(written("notification", " { } ", None), timed(" "));
    assert_eq!(written("notification", "{\"a\":[1]}", None), timed("\"a\":[1],"));
    for data in ["{\"timestamp\":\"mine\"}", "{\"timestamp\":null}", "[]", "7", "null", "\"text\""] {
        assert_eq!(
            written("notification", data, None),
            format!("42/notifications,[\"notification\",{data}]")
        );
    }
    assert_eq!(written("x", "1", Some("a.b")), "42/notifications,[\"x\",1,\"a.b\"]");
}

#[test]
fn a_type_that_would_end_the_connections_of_clients_is_nothing_to_them() {
    for kind in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        assert_eq!(event(&publication(kind, "{}"), "/orders", Some("a.b")), b"6", "{kind}");
    }
    assert!(event(&publication("disconnected", "{}"), "/orders", None).starts_with(b"42/orders"));
}

proptest! {
    #[test]
    fn any_packet_is_answered_without_a_panic(packet in any::<String>(), arguments in any::<String>()) {
        let _ = steps(&packet);
        let _ = steps(&format!("2/chat,1[{arguments}]"));
        let _ = steps(&format!("2/chat,1[\"subscribe\",{arguments}]"));
        let _ = steps(&format!("2/chat,1[\"subscribe\",{{\"channels\":{arguments}}}]"));
    }
}
