use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::id::{ConnectionId, PublicationId, UserId};
use crate::position::{Epoch, Position};
use crate::publication::Publication;
use crate::timestamp::Timestamp;

mod given;

fn now() -> Timestamp {
    Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp")
}

fn publication(event_type: &str, data: &str) -> Publication {
    Publication {
        id: PublicationId::from_u128(0x019a_3f5e_7b00_7c31_9d0f_2f6f_3a1c_4e55),
        event_type: event_type.into(),
        data: data.into(),
        timestamp: now(),
    }
}

fn epoch(text: &str) -> Epoch {
    Epoch::parse(text).expect("epoch")
}

fn position(of: &str, offset: u64) -> Position {
    Position { epoch: epoch(of), offset }
}

fn standing<'a>(stream: &'a str, of: &str, offset: u64, recovered: Option<bool>) -> StreamPosition<'a> {
    StreamPosition { stream, position: position(of, offset), recovered }
}

/// A row of `fixtures/channels/server.json`: a name, and the exact frame.
#[derive(Deserialize)]
struct ServerFrame {
    name: String,
    frame: String,
}

#[test]
fn server_frames_are_those_of_the_fixture() {
    let rows: Vec<ServerFrame> =
        serde_json::from_str(include_str!("../../fixtures/channels/server.json")).expect("fixture");
    let id = ConnectionId::parse("5b0c6a3e-8f1d-4a57-9c55-0c2f6b1d7e90").expect("id");
    let event = |event_type: &str, data: &str| {
        let mut out = Vec::new();
        write_event(&publication(event_type, data), &mut out);
        out
    };
    let placed = |event_type: &str, data: &str, channel: &str, position: Position, also: &[(&str, u64)]| {
        let mut out = Vec::new();
        let publication = publication(event_type, data);
        write_placed_event(&publication, channel, position, also.iter().copied(), &mut out);
        out
    };
    let created = publication("job_created", r#"{"job_id": 42}"#);
    let accepted = publication("job_accepted", r#"{"job_id": 42}"#);
    let (user, other) = (UserId::from_json("7").expect("id"), UserId::from_text("a\"b").expect("id"));
    let third = UserId::from_json("8").expect("id");
    let later = Timestamp::from_secs(1_761_998_460);
    for ServerFrame { name, frame } in rows {
        let ours = match name.as_str() {
            "connected" => connected(id, now()),
            "event" => event(
                "job_created",
                r#"{"job_id":9007199254740993,"title":"Paint a \"fence\"","pay_amount_usd":50.00,"job_type":"gig"}"#,
            ),
            "event_escaped_type" => event("a\"\\\n\u{e9}", "null"),
            "subscribed" => subscribed(&["jobs"], now()),
            "subscribed_none" => subscribed(&[], now()),
            "unsubscribed" => unsubscribed(&["jobs", "payments"], now()),
            "pong" => pong(None, now()),
            "pong_data" => pong(Some(r#"{"n": 1}"#), now()),
            "error" => error(ErrorCode::InvalidJson, "the frame is not JSON", None, now()),
            "error_channel" => error(ErrorCode::Forbidden, "not allowed", Some("payments"), now()),
            "token_expiring" => token_expiring(Timestamp::from_secs(1_761_998_460), now()),
            "refreshed" => refreshed(Timestamp::from_secs(1_761_998_460), now()),
            "subscribed_recoverable" => subscribed_recoverable(
                &["jobs"],
                Some("kXw0Zr3.1"),
                [
                    standing("jobs", "3q2-7wAB", 17, Some(true)),
                    standing("user:7", "3q2-7_AC", 9, Some(false)),
                    standing("@all", "AAAAAAAA", 0, None),
                ],
                now(),
            ),
            "subscribed_recoverable_none" => subscribed_recoverable(&[], None, [], now()),
            "resumed" => resumed(
                &["jobs", "payments"],
                Some("kXw0Zr3.2"),
                [standing("jobs", "3q2-7wAB", MAX_OFFSET, Some(true))],
                now(),
            ),
            "event_placed" => {
                placed("job_created", r#"{"job_id": 42}"#, "jobs", position("3q2-7wAB", 17), &[])
            }
            "event_placed_also" => placed(
                "job_accepted",
                r#"{"job_id": 42}"#,
                "jobs",
                position("3q2-7wAB", 18),
                &[("user:7", 9), ("user:a\"b", 1)],
            ),
            "event_placed_own" => placed("hint", "null", "@connection", position("AAAAAAAA", 1), &[]),
            "history" => {
                history("jobs", epoch("3q2-7wAB"), [(&accepted, 18), (&created, 17)], Page::More, now())
            }
            "history_none" => history("jobs", epoch("3q2-7wAB"), [], Page::Last, now()),
            "presence" => presence("jobs", [(&user, now()), (&other, later)], 2, now()),
            "presence_none" => presence("jobs", [], 0, now()),
            "presence_truncated" => presence("jobs", [(&user, now())], 10_000, now()),
            "presence_changed" => event(
                "presence_changed",
                &presence_changed_data("jobs", [(&user, now())], [&other, &third], 3, Listing::Whole),
            ),
            "presence_changed_truncated" => {
                event("presence_changed", &presence_changed_data("jobs", [], [&third], 0, Listing::Truncated))
            }
            other => panic!("the fixture has a row that no encoder is known for: {other}"),
        };
        assert_eq!(String::from_utf8(ours).expect("UTF-8"), frame, "{name}");
    }
}

/// A row of `fixtures/channels/client.json`: a frame, and how it is understood.
#[derive(Deserialize)]
struct ClientRow {
    frame: String,
    means: Value,
}

#[test]
fn client_frames_mean_what_the_fixture_says() {
    let rows: Vec<ClientRow> =
        serde_json::from_str(include_str!("../../fixtures/channels/client.json")).expect("fixture");
    for ClientRow { frame, means } in rows {
        let ours = match ClientFrame::parse(&frame) {
            Ok(ClientFrame::Subscribe(Subscribe { channels, recovery: None })) => {
                json!({"subscribe": channels})
            }
            Ok(ClientFrame::Subscribe(Subscribe { channels, recovery: Some(positions) })) => {
                json!({"subscribe": channels, "recovery": meaning(&positions)})
            }
            Ok(ClientFrame::Unsubscribe(names)) => json!({"unsubscribe": names}),
            Ok(ClientFrame::Ping { data }) => json!({"ping": data}),
            Ok(ClientFrame::Refresh { token }) => json!({"refresh": token}),
            Ok(ClientFrame::Resume { token, positions }) => {
                json!({"resume": token, "positions": meaning(&positions)})
            }
            Ok(ClientFrame::History { channel, limit, before }) => {
                json!({"history": channel, "limit": limit, "before": before})
            }
            Ok(ClientFrame::Presence { channel, watch }) => {
                let watch = match watch {
                    Watch::Once => "once",
                    Watch::Begin => "begin",
                    Watch::End => "end",
                };
                json!({"presence": channel, "watch": watch})
            }
            Ok(ClientFrame::Ack { ids }) => {
                json!({"ack": ids.iter().map(PublicationId::to_string).collect::<Vec<_>>()})
            }
            Err(error) => json!({"error": error.code.as_str()}),
        };
        assert_eq!(ours, means, "{frame}");
    }
}

fn meaning(positions: &Positions<'_>) -> Value {
    let rows = positions.iter().map(|(stream, given)| {
        let epoch = given.epoch.map(|epoch| epoch.to_string());
        (stream.to_string(), json!({"epoch": epoch, "offset": given.offset}))
    });
    Value::Object(rows.collect())
}

#[test]
fn a_frame_nested_too_deeply_is_invalid_json() {
    let deep = format!(r#"{{"type":"ping","data":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(ClientFrame::parse(&deep).expect_err("deep").code, ErrorCode::InvalidJson);
}

#[test]
fn an_unknown_type_is_shown_short_and_without_control_characters() {
    let frame = format!(r#"{{"type":"\u0007{}"}}"#, "x".repeat(500));
    let error = ClientFrame::parse(&frame).expect_err("unknown");
    assert!(error.message.len() < 200 && !error.message.contains('\u{7}'), "{}", error.message);
}

#[test]
fn every_known_type_is_named_to_who_sends_an_unknown_one() {
    let message = ClientFrame::parse(r#"{"type":"dance"}"#).expect_err("unknown").message;
    for known in ["subscribe", "unsubscribe", "ping", "refresh", "resume", "history", "presence", "ack"] {
        assert!(message.contains(known), "{message}");
        let frame = format!(r#"{{"type":"{known}"}}"#);
        let answer = ClientFrame::parse(&frame).map_err(|error| error.code);
        assert!(matches!(answer, Ok(_) | Err(ErrorCode::InvalidFrame)), "{known}: {answer:?}");
    }
}

#[test]
fn an_ack_names_at_most_a_thousand_events() {
    let ack = |count: usize| {
        let ids = vec![r#""019a3f5e-7b00-7c31-9d0f-2f6f3a1c4e55""#; count].join(",");
        let frame = format!(r#"{{"type":"ack","ids":[{ids}]}}"#);
        assert!(frame.len() < 64 * 1024, "the bound fits a message");
        match ClientFrame::parse(&frame) {
            Ok(ClientFrame::Ack { ids }) => Ok(ids.len()),
            other => Err(other.map(|_| ())),
        }
    };
    assert_eq!(ack(MAX_ACK_IDS), Ok(MAX_ACK_IDS));
    assert!(matches!(ack(MAX_ACK_IDS + 1), Err(Err(error)) if error.message.contains("ids")));
}

#[test]
fn a_faulty_member_is_named_and_nothing_of_it_is_echoed() {
    for (member, frame) in [
        ("recoverable", r#"{"type":"subscribe","channels":[],"recoverable":"secret"}"#),
        ("token", r#"{"type":"resume","token":["secret"]}"#),
        ("channel", r#"{"type":"history","channel":["secret"]}"#),
        ("limit", r#"{"type":"history","channel":"secret","limit":"secret"}"#),
        ("before", r#"{"type":"history","channel":"secret","before":"secret"}"#),
        ("watch", r#"{"type":"presence","channel":"secret","watch":"secret"}"#),
        ("ids", r#"{"type":"ack","ids":["secret"]}"#),
    ] {
        let error = ClientFrame::parse(frame).expect_err(frame);
        assert_eq!(error.code, ErrorCode::InvalidFrame);
        assert!(error.message.starts_with(member) && !error.message.contains("secret"), "{}", error.message);
    }
}
