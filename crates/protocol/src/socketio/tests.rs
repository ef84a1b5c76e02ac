use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// `fixtures/socketio.json`: packets of clients and servers, and payloads.
fn golden(part: &str) -> Vec<Value> {
    let fixture: Value =
        serde_json::from_str(include_str!("../../fixtures/socketio.json")).expect("the golden file");
    fixture[part].as_array().expect("rows").clone()
}

fn kind(name: &str) -> Kind {
    match name {
        "connect" => Kind::Connect,
        "disconnect" => Kind::Disconnect,
        "event" => Kind::Event,
        "ack" => Kind::Ack,
        "connect_error" => Kind::ConnectError,
        "binary_event" => Kind::BinaryEvent,
        "binary_ack" => Kind::BinaryAck,
        other => panic!("{other} is no kind"),
    }
}

#[test]
fn packets_of_clients_are_read_as_the_golden_file_says() {
    for row in golden("client") {
        let text = row["packet"].as_str().expect("a packet");
        let parsed = Packet::parse(text).and_then(|packet| packet.check().map(|()| packet));
        if let Some(fault) = row["fault"].as_str() {
            assert_eq!(parsed.expect_err(text).to_string(), fault, "{text}");
            continue;
        }
        let packet = parsed.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(packet.kind, kind(row["kind"].as_str().expect("a kind")), "{text}");
        assert_eq!(packet.namespace, row["namespace"], "{text}");
        assert_eq!(packet.ack, row["ack"].as_u64(), "{text}");
        assert_eq!(u64::from(packet.attachments), row["attachments"].as_u64().unwrap_or(0), "{text}");
        let data: Option<Value> = packet.data.map(|data| serde_json::from_str(data).expect("JSON"));
        assert_eq!(data.as_ref(), row.get("data"), "{text}");
        if let Some(name) = row["event"].as_str() {
            let event = packet.event().expect("an event");
            assert_eq!(event.name, name, "{text}");
            let all = data.expect("data");
            let first = event.data.map(|data| serde_json::from_str(data).expect("JSON"));
            assert_eq!(first.as_ref(), all.get(1), "{text}");
            let rest: Value = serde_json::from_str(&format!("[{}]", event.rest)).expect("JSON");
            assert_eq!(rest.as_array().expect("an array"), &all.as_array().expect("an array")[1..], "{text}");
        }
    }
}

#[test]
fn what_the_server_sends_is_in_the_golden_file() {
    let ours = [
        ("connect /", connect("/", "s1", None)),
        ("connect /chat", connect("/chat", "s1", None)),
        ("connect with recovery", connect("/chat", "s1", Some("p1"))),
        ("connect_error", connect_error("/chat", "Unauthorized")),
        ("connect_error /", connect_error("/", "Invalid namespace")),
        ("disconnect", disconnect("/chat")),
        ("event", event("/chat", "user_typing", r#"{"user_id":7,"is_typing":true}"#, None)),
        ("event of 64 bits", event("/", "big", r#"{"id":9223372036854775807}"#, None)),
        ("event with an offset", event("/orders", "order_updated", r#"{"id":1}"#, Some("7-1"))),
        ("event with a quote", event("/", r#"say "hi""#, "null", None)),
        ("ack", ack("/chat", 7, r#"{"success":true,"id":12}"#)),
        ("ack /", ack("/", 0, "")),
        (
            "binary event",
            binary_event(
                "/",
                2,
                "message-back",
                r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#,
            ),
        ),
        ("binary ack", binary_ack("/custom", 1, 789, r#"{"_placeholder":true,"num":0}"#)),
    ];
    let ours: Vec<Value> = ours
        .into_iter()
        .map(|(name, packet)| json!({"name": name, "packet": String::from_utf8(packet).expect("text")}))
        .collect();
    assert_eq!(golden("server"), ours);
}

fn described(packet: &EnginePacket<'_>) -> Value {
    match packet {
        EnginePacket::Open => json!("open"),
        EnginePacket::Close => json!("close"),
        EnginePacket::Ping(data) => json!({"ping": data}),
        EnginePacket::Pong => json!("pong"),
        EnginePacket::Message(text) => json!({"text": text}),
        EnginePacket::Binary(bytes) => json!({"binary": bytes.to_vec()}),
        EnginePacket::Upgrade => json!("upgrade"),
        EnginePacket::Noop => json!("noop"),
    }
}

#[test]
fn payloads_are_read_as_the_golden_file_says() {
    for row in golden("payloads") {
        let text = row["payload"].as_str().expect("a payload");
        let packets: Result<Vec<_>, _> = payload(text).collect();
        match row["fault"].as_str() {
            Some(fault) => assert_eq!(packets.expect_err(text).to_string(), fault, "{text:?}"),
            None => {
                let packets: Vec<Value> = packets.expect(text).iter().map(described).collect();
                assert_eq!(Value::Array(packets), row["packets"], "{text:?}");
            }
        }
    }
}

#[test]
fn bytes_are_base64_in_a_payload_alone() {
    assert_eq!(EnginePacket::parse("bAQID"), Err(PacketError::UnknownKind));
    let mut payload = Vec::new();
    push_text(&mut payload, b"4a");
    push_binary(&mut payload, &[1, 2, 3, 4]);
    push_text(&mut payload, b"2");
    assert_eq!(payload, b"4a\x1ebAQIDBA==\x1e2");
}

#[test]
fn the_first_packet_tells_what_a_client_needs_to_know() {
    let packet = open("abc", &["websocket"], Duration::from_secs(25), Duration::from_secs(60), MAX_PAYLOAD);
    assert_eq!(
        String::from_utf8(packet).expect("text"),
        r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":60000,"maxPayload":1000000}"#
    );
}

#[test]
fn bounds_hold() {
    let name = |length: usize| format!("0/{},", "n".repeat(length - 1));
    assert!(Packet::parse(&name(MAX_NAMESPACE)).is_ok());
    assert_eq!(Packet::parse(&name(MAX_NAMESPACE + 1)), Err(PacketError::Namespace));
    assert_eq!(Packet::parse("2/é,18446744073709551615[\"x\"]").map(|packet| packet.ack), Ok(Some(u64::MAX)));
    let nested = |depth: usize| format!("2[\"x\",{}1{}]", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let check = |text: &str| Packet::parse(text).and_then(|packet| packet.check());
    assert_eq!(check(&nested(127)), Ok(()));
    assert_eq!(check(&nested(129)), Err(PacketError::TooDeep));
    assert_eq!(check(&nested(100_000)), Err(PacketError::TooDeep));
    let deep_ack = format!("21[\"x\",{}", "[".repeat(200));
    assert_eq!(Packet::parse(&deep_ack).map(|packet| packet.ack), Ok(Some(1)), "it can still be answered");
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,40}", kind in "[0-9a]?[0-9]{0,3}-?/?[a-z]{0,3},?[0-9]{0,3}") {
        let text = format!("{kind}{text}");
        if let Ok(packet) = Packet::parse(&text) {
            let checked = packet.check();
            let event = packet.event();
            if matches!(packet.kind, Kind::Event | Kind::BinaryEvent) {
                prop_assert_eq!(checked.is_ok(), event.is_ok());
            }
        }
        payload(&text).for_each(drop);
    }

    #[test]
    fn what_is_written_is_read_again(
        namespace in "/[a-z0-9]{0,10}",
        name in "[^\u{0}-\u{1f}]{1,20}",
        id in proptest::option::of(any::<u64>()),
        data in prop_oneof![Just("null".to_owned()), "[0-9]{1,18}".prop_map(|n| format!("1{n}")),
            any::<String>().prop_map(|text| serde_json::to_string(&text).expect("JSON"))],
    ) {
        let written = event(&namespace, &name, &data, None);
        let text = std::str::from_utf8(&written[1..]).expect("text");
        let packet = Packet::parse(text).expect("a packet");
        prop_assert_eq!((packet.kind, packet.namespace, packet.ack), (Kind::Event, &*namespace, None));
        if let Ok(event) = packet.event() {
            prop_assert_eq!(&*event.name, &*name);
            prop_assert_eq!(event.data, Some(&*data));
            prop_assert_eq!(event.rest, data.clone());
        }
        if let Some(id) = id {
            let written = ack(&namespace, id, &data);
            let text = std::str::from_utf8(&written[1..]).expect("text");
            let packet = Packet::parse(text).expect("a packet");
            prop_assert_eq!(packet.check(), Ok(()));
            prop_assert_eq!((packet.kind, packet.ack), (Kind::Ack, Some(id)));
        }
    }
}
