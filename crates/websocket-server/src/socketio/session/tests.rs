use super::*;

const CHAT: EndpointIndex = 5;

fn find(name: &str) -> Option<Namespace> {
    match name {
        "/chat" => Some(Namespace::Hub(CHAT)),
        "/orders" => Some(Namespace::Hub(CHAT + 1)),
        "/" | "/custom" => Some(Namespace::Echo),
        _ => None,
    }
}

fn settings() -> Settings {
    Settings::new(Duration::from_secs(25), Duration::from_secs(60), 1_000_000)
}

fn session(arrival: Arrival) -> Session {
    Session::new(Speech::SocketIo, arrival, &settings(), 0)
}

/// What a packet leads to, as text of a WebSocket.
fn said<'t>(session: &mut Session, text: &'t str, now: u64) -> Step<'t> {
    let mut next = session.members.len() as u128;
    session.on_packet(EnginePacket::parse(text), &settings(), now, &find, &mut || {
        next += 1;
        Some(ConnectionId::from_random(next))
    })
}

fn bytes(session: &mut Session, bytes: &[u8]) -> Step<'static> {
    let packet = Ok(EnginePacket::Binary(bytes.to_vec().into()));
    session.on_packet(packet, &settings(), 0, &find, &mut || None)
}

fn written(step: Step<'_>) -> String {
    let Step::Write(frame) = step else { panic!("{step:?}") };
    String::from_utf8(frame[2..].to_vec()).expect("text in a short frame")
}

fn closed(step: Step<'_>) -> String {
    let Step::Close(disconnect) = step else { panic!("{step:?}") };
    disconnect.reason.into_owned()
}

/// A session with an open socket in `/chat`, which is connection 3 of its shard.
fn in_chat() -> Session {
    let mut session = session(Arrival::WebSocket);
    let Step::Verify { id, auth } = said(&mut session, r#"40/chat,{"token":"x"}"#, 0) else { panic!() };
    assert_eq!(auth, Some(r#"{"token":"x"}"#));
    assert_eq!(session.verifying(id), Some(("/chat", CHAT)));
    assert_eq!(session.take_auth(id).as_deref(), Some(r#"{"token":"x"}"#));
    session.opened(id, 3);
    assert_eq!(session.verifying(id), None);
    session
}

#[test]
fn a_ping_is_due_each_interval_and_its_answer_within_the_timeout() {
    let mut session = in_chat();
    assert_eq!(session.on_time(&settings(), 24_999), Due::None);
    assert_eq!(session.on_time(&settings(), 25_000), Due::Write(text_frame(b"2")));
    assert_eq!(session.on_time(&settings(), 25_000), Due::None, "once");
    assert_eq!(said(&mut session, "3", 30_000), Step::None);
    assert_eq!(session.on_time(&settings(), 54_999), Due::None, "an interval from the answer on");
    assert_eq!(session.on_time(&settings(), 55_000), Due::Write(text_frame(b"2")));
    assert_eq!(session.on_time(&settings(), 114_999), Due::None);
    assert_eq!(session.on_time(&settings(), 115_000), Due::Close(Disconnect::PING_TIMEOUT));
}

#[test]
fn any_packet_is_a_sign_of_life_and_a_pong_nobody_asked_for_is_none_of_harm() {
    let mut session = in_chat();
    assert_eq!(said(&mut session, "3", 1), Step::None);
    assert!(matches!(session.on_time(&settings(), 25_100), Due::Write(_)));
    assert!(matches!(said(&mut session, r#"42/chat,["x"]"#, 40_000), Step::Deliver(3, _)));
    assert_eq!(session.on_time(&settings(), 64_999), Due::None);
    assert!(matches!(session.on_time(&settings(), 65_000), Due::Write(_)));
}

#[test]
fn who_is_asked_for_a_sign_is_pinged_at_once_and_once() {
    let mut session = in_chat();
    session.ask(3_000);
    assert_eq!(session.on_time(&settings(), 3_000), Due::Write(text_frame(b"2")));
    session.ask(3_100);
    assert_eq!(session.on_time(&settings(), 3_100), Due::None, "an answer is awaited already");
    assert_eq!(session.on_time(&settings(), 62_999), Due::None);
    assert_eq!(said(&mut session, "3", 62_999), Step::None);
    session.ask(63_000);
    assert_eq!(session.on_time(&settings(), 63_000), Due::Write(text_frame(b"2")), "and again");
    assert_eq!(session.on_time(&settings(), 123_000), Due::Close(Disconnect::PING_TIMEOUT));
}

#[test]
fn a_reactor_that_stood_still_ends_nobody() {
    let mut session = in_chat();
    assert!(matches!(session.on_time(&settings(), 500_000), Due::Write(_)));
    assert_eq!(session.on_time(&settings(), 559_999), Due::None);
    let mut exact = in_chat();
    assert!(matches!(exact.on_time(&settings(), 25_400), Due::Write(_)));
    assert!(matches!(exact.on_time(&settings(), 85_000), Due::Close(_)), "a late look takes nothing off");
}

#[test]
fn a_session_without_a_socket_ends_and_one_that_had_one_stays() {
    let mut lonely = session(Arrival::Polling);
    assert!(matches!(said(&mut lonely, "40/nope,", 1), Step::Write(_)));
    assert!(matches!(lonely.on_time(&settings(), 44_000), Due::Write(_)));
    let Due::Close(disconnect) = lonely.on_time(&settings(), 45_000) else { panic!() };
    assert_eq!((disconnect.code, &*disconnect.reason), (1002, "no namespace was connected in time"));
    let mut left = in_chat();
    assert_eq!(said(&mut left, "41/chat,", 10), Step::Leave(3));
    assert!(left.members().is_empty());
    assert!(matches!(left.on_time(&settings(), 46_000), Due::Write(_)), "only pings");
}

#[test]
fn an_unknown_namespace_is_refused_and_the_session_goes_on() {
    let mut session = in_chat();
    assert_eq!(written(said(&mut session, "40/nope", 0)), r#"44/nope,{"message":"Invalid namespace"}"#);
    assert_eq!(written(said(&mut session, "40/nope,{}", 0)), r#"44/nope,{"message":"Invalid namespace"}"#);
    assert_eq!(session.members().len(), 1);
}

#[test]
fn what_does_not_fit_the_state_of_its_namespace_closes_the_session() {
    let reason = "the packet does not fit what its namespace is at";
    for packet in [
        "40/chat,",
        "41/orders,",
        r#"42/orders,["x"]"#,
        r#"43/orders,1[]"#,
        r#"44/chat,{"message":"x"}"#,
        r#"451-/orders,["x",{"_placeholder":true,"num":0}]"#,
    ] {
        assert_eq!(closed(said(&mut in_chat(), packet, 0)), reason, "{packet}");
    }
    let mut waiting = session(Arrival::WebSocket);
    assert!(matches!(said(&mut waiting, "40/chat,{}", 0), Step::Verify { .. }));
    assert_eq!(
        closed(said(&mut waiting, r#"42/chat,["x"]"#, 0)),
        "an event came before its namespace was connected"
    );
}

#[test]
fn a_client_may_leave_before_its_token_is_verified() {
    let mut session = session(Arrival::WebSocket);
    let Step::Verify { id, .. } = said(&mut session, "40/chat,{}", 0) else { panic!() };
    assert_eq!(said(&mut session, "41/chat,", 0), Step::None);
    assert_eq!(session.verifying(id), None);
    assert!(matches!(said(&mut session, "40/chat,{}", 0), Step::Verify { .. }), "and come back");
}

#[test]
fn a_second_connect_in_place_of_the_first_is_answered_and_there_are_so_many_at_once() {
    let mut session = session(Arrival::WebSocket);
    let Step::Verify { id: first, .. } = said(&mut session, "40/chat,{}", 0) else { panic!() };
    let mut id = || Some(ConnectionId::from_random(99));
    let packet = EnginePacket::parse(r#"40/chat,{"token":"y"}"#);
    let step = session.on_packet(packet, &settings(), 0, &find, &mut id);
    let Step::Verify { id: second, auth } = step else { panic!("{step:?}") };
    assert_eq!((session.verifying(first), auth), (None, Some(r#"{"token":"y"}"#)));
    assert_eq!(session.verifying(second), Some(("/chat", CHAT)));
    for _ in 2..MOST_VERIFICATIONS {
        assert!(matches!(said(&mut session, "40/chat,{}", 0), Step::Verify { .. }));
    }
    let busy = r#"44/chat,{"message":"Service unavailable"}"#;
    assert_eq!(written(said(&mut session, "40/chat,{}", 0)), busy);
    assert_eq!(said(&mut session, "41/chat,", 0), Step::None, "it had not heard yet");
    session.verified();
    assert!(matches!(said(&mut session, "40/chat,{}", 0), Step::Verify { .. }));
}

#[test]
fn what_was_sent_before_the_client_heard_of_its_sockets_end_is_no_fault() {
    let mut session = in_chat();
    let id = session.members()[0].id;
    session.end(id);
    for packet in [r#"42/chat,["x"]"#, r#"43/chat,1[]"#, "41/chat,"] {
        assert_eq!(said(&mut session, packet, 0), Step::None, "{packet}");
    }
    assert_eq!(said(&mut session, r#"451-/chat,["x",{"_placeholder":true,"num":0}]"#, 0), Step::None);
    assert_eq!(bytes(&mut session, &[1]), Step::None);
    assert!(matches!(said(&mut session, "40/chat,{}", 0), Step::Verify { .. }));
    assert_eq!(said(&mut session, "41/chat,", 0), Step::None);
    assert!(matches!(said(&mut session, r#"42/chat,["x"]"#, 0), Step::Close(_)), "from here on it is one");
}

#[test]
fn what_nobody_can_read_closes_the_session() {
    for (packet, reason) in [
        ("", "a packet is empty"),
        ("abc", "a packet is of no known type"),
        ("7", "a packet is of no known type"),
        ("2", "a ping comes from the server"),
        ("2probe", "a ping comes from the server"),
        ("4", "a packet is empty"),
        ("4abc", "a packet is of no known type"),
        ("42{}", "the payload of a packet is not what its type has"),
        ("42null", "the payload of a packet is not what its type has"),
        (r#"42abc["x"]"#, "the payload of a packet is not what its type has"),
        ("40null", "the payload of a packet is not what its type has"),
        (r#"42["disconnect"]"#, "the name of an event is a reserved one"),
    ] {
        assert_eq!(closed(said(&mut in_chat(), packet, 0)), reason, "{packet}");
    }
    for nothing in ["0", "3probe", "5", "6", "6x"] {
        assert_eq!(said(&mut in_chat(), nothing, 0), Step::None, "{nothing}");
    }
    assert_eq!(said(&mut in_chat(), "1", 0), Step::End);
}

#[test]
fn an_event_nested_too_deep_is_for_the_engine_to_answer() {
    let deep = format!("42/chat,7[\"x\",{}{}]", "[".repeat(200), "]".repeat(200));
    assert!(matches!(said(&mut in_chat(), &deep, 0), Step::Deliver(3, _)));
    let deep = format!("40/chat,{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert!(closed(said(&mut session(Arrival::WebSocket), &deep, 0)).contains("deeper than 128"));
}

#[test]
fn an_event_goes_on_when_all_its_attachments_have_come() {
    let mut session = in_chat();
    let packet = r#"52-/chat,4["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    assert_eq!(said(&mut session, &format!("4{packet}"), 0), Step::None);
    assert_eq!(bytes(&mut session, &[1]), Step::None);
    assert_eq!(said(&mut session, "3", 0), Step::None, "Engine.IO goes on beside it");
    assert_eq!(bytes(&mut session, &[2]), Step::Deliver(3, packet.into()));
    assert!(matches!(said(&mut session, "450-/chat,[\"x\"]", 0), Step::Deliver(3, _)), "none announced");
}

#[test]
fn attachments_that_are_wrong_close_the_session() {
    let begun = || {
        let mut session = in_chat();
        assert_eq!(said(&mut session, r#"452-/chat,["x",{"_placeholder":true,"num":0}]"#, 5), Step::None);
        session
    };
    assert_eq!(closed(bytes(&mut in_chat(), &[1])), "bytes came that no packet announced");
    let text = said(&mut begun(), r#"42/chat,["x"]"#, 6);
    assert_eq!(closed(text), "a text stands where an attachment was announced");
    let mut large = begun();
    assert_eq!(bytes(&mut large, &vec![0; 600_000]), Step::None);
    assert_eq!(closed(bytes(&mut large, &vec![0; 600_000])), "the attachments are too large");
    let mut late = begun();
    assert_eq!(late.on_time(&settings(), 10_004), Due::None);
    let Due::Close(disconnect) = late.on_time(&settings(), 10_005) else { panic!() };
    assert_eq!(&*disconnect.reason, "attachments did not come in time");
}

#[test]
fn attachments_of_a_socket_that_the_hub_ended_meanwhile_are_for_nobody() {
    let mut session = in_chat();
    assert_eq!(said(&mut session, r#"451-/chat,["x",{"_placeholder":true,"num":0}]"#, 0), Step::None);
    let id = session.members()[0].id;
    session.end(id);
    assert_eq!(bytes(&mut session, &[1]), Step::None);
}

#[test]
fn one_websocket_takes_over_by_a_probe_and_the_word() {
    let mut session = session(Arrival::Polling);
    let probe = |session: &mut Session, text: &str| session.on_probe(&EnginePacket::parse(text));
    assert_eq!(probe(&mut session, "2probe"), Probe::Drop, "nothing was reserved");
    assert!(session.reserve(0) && session.is_reserved() && !session.is_probed());
    assert!(!session.reserve(0), "there is one at a time");
    assert_eq!(probe(&mut session, "2probe"), Probe::Answer);
    assert!(session.is_probed() && !session.is_websocket());
    assert_eq!(probe(&mut session, "5"), Probe::Upgrade);
    assert!(session.is_websocket() && !session.is_probed());
    assert!(!session.reserve(0), "and only once");
}

#[test]
fn a_websocket_that_says_something_else_or_nothing_is_dropped_and_polling_goes_on() {
    for wrong in ["2", "2x", "3probe", "4hello", "abc", ""] {
        let mut session = session(Arrival::Polling);
        assert!(session.reserve(0));
        assert_eq!(session.on_probe(&EnginePacket::parse(wrong)), Probe::Drop, "{wrong}");
        assert!(session.reserve(0), "another may try");
    }
    let mut session = session(Arrival::Polling);
    assert!(session.reserve(0));
    assert_eq!(session.on_time(&settings(), 9_999), Due::None);
    assert_eq!(session.on_time(&settings(), 10_000), Due::DropProbe);
    assert!(!session.is_reserved());
}

#[test]
fn the_namespaces_of_the_test_answer_by_themselves() {
    let mut session = session(Arrival::WebSocket);
    assert!(written(said(&mut session, r#"40/custom,{"a":1}"#, 0)).starts_with(r#"40/custom,{"sid":""#));
    assert_eq!(session.on_time(&settings(), 1), Due::None);
    let Due::Write(frame) = session.on_time(&settings(), GREETING_MS) else { panic!() };
    assert_eq!(&frame[2..], br#"42/custom,["auth",{"a":1}]"#);
    let mut echo = |text: &str| written(said(&mut session, text, 2));
    assert_eq!(echo(r#"42/custom,["message",1,"2"]"#), r#"42/custom,["message-back",1,"2"]"#);
    assert_eq!(echo(r#"42/custom,["message"]"#), r#"42/custom,["message-back"]"#);
    assert_eq!(echo(r#"42/custom,9["message-with-ack",{"a":[]}]"#), r#"43/custom,9[{"a":[]}]"#);
    assert_eq!(said(&mut session, r#"42/custom,["other"]"#, 2), Step::None);
    let packet = r#"451-/custom,["message",{"_placeholder":true,"num":0}]"#;
    assert_eq!(said(&mut session, packet, 2), Step::None);
    let Step::Write(frames) = bytes(&mut session, &[7]) else { panic!() };
    assert!(frames.ends_with(&[0x82, 1, 7]));
}

#[test]
fn bare_engine_io_sends_back_what_it_gets() {
    let mut session = Session::new(Speech::Echo, Arrival::WebSocket, &settings(), 0);
    assert_eq!(written(said(&mut session, "4hello", 0)), "4hello");
    assert_eq!(bytes(&mut session, &[1, 2]), Step::Write(binary_frame(&[1, 2])));
    assert!(matches!(session.on_time(&settings(), 46_000), Due::Write(_)), "it waits for no namespace");
}
