use serde::Deserialize;

use super::*;
use crate::id::PublicationId;

fn now() -> Timestamp {
    Timestamp::parse("2025-11-01T12:00:00.000Z").expect("timestamp")
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
        let publication = Publication {
            id: PublicationId::from_u128(1),
            event_type: event_type.into(),
            data: data.into(),
            timestamp: now(),
        };
        let mut out = Vec::new();
        write_event(&publication, &mut out);
        out
    };
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
            other => panic!("the fixture has a row that no encoder is known for: {other}"),
        };
        assert_eq!(String::from_utf8(ours).expect("UTF-8"), frame, "{name}");
    }
}

/// A row of `fixtures/channels/client.json`: a frame, and how it is understood.
#[derive(Deserialize)]
struct ClientRow {
    frame: String,
    means: serde_json::Value,
}

#[test]
fn client_frames_mean_what_the_fixture_says() {
    let rows: Vec<ClientRow> =
        serde_json::from_str(include_str!("../../fixtures/channels/client.json")).expect("fixture");
    for ClientRow { frame, means } in rows {
        let ours = match ClientFrame::parse(&frame) {
            Ok(ClientFrame::Subscribe(names)) => serde_json::json!({"subscribe": names}),
            Ok(ClientFrame::Unsubscribe(names)) => serde_json::json!({"unsubscribe": names}),
            Ok(ClientFrame::Ping { data }) => serde_json::json!({"ping": data}),
            Ok(ClientFrame::Refresh { token }) => serde_json::json!({"refresh": token}),
            Err(error) => serde_json::json!({"error": error.code.as_str()}),
        };
        assert_eq!(ours, means, "{frame}");
    }
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
