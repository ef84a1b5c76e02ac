//! Positions as clients give them, and frames of any text.

use proptest::collection::btree_map;
use proptest::prelude::*;

use super::*;

fn with_positions(positions: &str) -> String {
    format!(r#"{{"type":"subscribe","channels":["jobs"],"recoverable":true,"positions":{positions}}}"#)
}

/// What a frame gives; the stream's names are copied.
fn given(frame: &str) -> Result<Vec<(String, GivenPosition)>, FrameError> {
    let positions = match ClientFrame::parse(frame)? {
        ClientFrame::Subscribe(Subscribe { recovery, .. }) => recovery.unwrap_or_default(),
        ClientFrame::Resume { positions, .. } => positions,
        other => panic!("{frame}: {other:?}"),
    };
    Ok(positions.into_iter().map(|(stream, given)| (stream.into_owned(), given)).collect())
}

#[test]
fn a_thousand_streams_are_taken_and_one_more_is_refused() {
    let many = |count: usize| {
        let rows: Vec<String> =
            (0..count).map(|n| format!(r#""c{n}":{{"epoch":"3q2-7wAB","offset":{n}}}"#)).collect();
        given(&with_positions(&format!("{{{}}}", rows.join(",")))).map(|positions| positions.len())
    };
    assert_eq!(many(MAX_POSITIONS), Ok(MAX_POSITIONS));
    for count in [MAX_POSITIONS + 1, MAX_POSITIONS + 2, 10_000] {
        let error = many(count).expect_err("too many");
        assert_eq!(error.code, ErrorCode::InvalidFrame);
        assert!(error.message.contains("positions") && error.message.contains("1000"), "{}", error.message);
    }
}

#[test]
fn a_faulty_position_is_told_by_the_members_name_alone() {
    for positions in [
        "[]",
        r#""secret""#,
        r#"{"secret":[]}"#,
        r#"{"secret":{"epoch":"secret","offset":-1}}"#,
        r#"{"secret":{"epoch":"a","offset":1},"secret":{"epoch":"a","offset":1}}"#,
    ] {
        let error = given(&with_positions(positions)).expect_err(positions);
        assert_eq!(error.code, ErrorCode::InvalidFrame);
        assert!(
            error.message.contains("positions") && !error.message.contains("secret"),
            "{}",
            error.message
        );
    }
}

#[test]
fn a_position_may_be_deep_only_where_frames_may() {
    let nested = |n: usize| {
        let more = format!("{}{}", "[".repeat(n), "]".repeat(n));
        given(&with_positions(&format!(r#"{{"jobs":{{"epoch":"a","offset":1,"more":{more}}}}}"#)))
    };
    assert!(nested(100).is_ok());
    assert_eq!(nested(20_000).expect_err("deep").code, ErrorCode::InvalidJson);
}

/// Frames that are nearly right: the members that there are, with values of all kinds.
fn nearly_a_frame() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("{}".to_owned()),
        Just("[]".to_owned()),
        "0|[1-9][0-9]{0,24}",
        "-?[1-9][0-9]{0,2}\\.[0-9]{1,3}(e[0-9]{1,3})?",
        any::<String>().prop_map(|text| json!(text).to_string()),
        Just(r#"["jobs"]"#.to_owned()),
        Just(r#"{"jobs":{"epoch":"3q2-7wAB","offset":17}}"#.to_owned()),
        Just(r#"{"channels":"jobs","positions":{"a":{"epoch":7}}}"#.to_owned()),
        Just(r#"["019a3f5e-7b00-7c31-9d0f-2f6f3a1c4e55"]"#.to_owned()),
    ];
    let kind = "(subscribe|unsubscribe|ping|refresh|resume|history|presence|ack|dance)";
    let member = "(data|channels?|token|recoverable|positions|limit|before|watch|ids)";
    (kind, btree_map(member, value, 0..6)).prop_map(|(kind, members)| {
        let members: String = members.iter().map(|(name, value)| format!(r#","{name}":{value}"#)).collect();
        format!(r#"{{"type":"{kind}"{members}}}"#)
    })
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        let _ = ClientFrame::parse(&text);
    }

    #[test]
    fn what_looks_like_a_frame_is_a_frame_or_has_a_short_error(frame in nearly_a_frame()) {
        match ClientFrame::parse(&frame) {
            Ok(ClientFrame::History { limit, before, .. }) => {
                prop_assert!((1..=MAX_HISTORY_LIMIT).contains(&limit));
                prop_assert!(before.is_none_or(|before| before <= MAX_OFFSET));
            }
            Ok(_) => {}
            Err(error) => {
                prop_assert!(matches!(error.code, ErrorCode::InvalidFrame | ErrorCode::UnknownType), "{error:?}");
                prop_assert!(error.message.len() < 200);
            }
        }
    }

    #[test]
    fn a_position_that_was_told_is_read_back_when_it_is_given(
        told in btree_map(".{0,12}", (any::<u64>(), 0..=MAX_OFFSET, any::<Option<bool>>()), 0..20),
    ) {
        let told: Vec<(String, Position, Option<bool>)> = told
            .into_iter()
            .map(|(stream, (bits, offset, recovered))| {
                (stream, Position { epoch: Epoch::from_bits(bits), offset }, recovered)
            })
            .collect();
        let rows = told.iter().map(|(stream, position, recovered)| StreamPosition {
            stream,
            position: *position,
            recovered: *recovered,
        });
        let frame = resumed(&[], Some("t"), rows, now());
        let frame: Value = serde_json::from_slice(&frame).expect("JSON");
        let again = json!({"type": "resume", "token": "t", "positions": frame["data"]["positions"]}).to_string();
        let mut read = given(&again).expect("positions");
        read.sort_by(|a, b| a.0.cmp(&b.0));
        let expected: Vec<(String, GivenPosition)> = told
            .into_iter()
            .map(|(stream, Position { epoch, offset }, _)| {
                (stream, GivenPosition { epoch: Some(epoch), offset })
            })
            .collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn a_placed_event_is_json_whatever_it_holds(
        event_type in ".{1,20}",
        channel in any::<String>(),
        bits in any::<u64>(),
        offset in any::<u64>(),
        also in btree_map(any::<String>(), any::<u64>(), 0..4),
    ) {
        let mut out = b"before".to_vec();
        let position = Position { epoch: Epoch::from_bits(bits), offset };
        let also_rows = also.iter().map(|(stream, offset)| (stream.as_str(), *offset));
        write_placed_event(&publication(&event_type, "[1]"), &channel, position, also_rows, &mut out);
        let read: Value = serde_json::from_slice(&out[6..]).expect("JSON");
        let mut expected = json!({
            "type": event_type,
            "data": [1],
            "timestamp": now().to_string(),
            "id": "019a3f5e-7b00-7c31-9d0f-2f6f3a1c4e55",
            "channel": channel,
            "offset": offset,
            "epoch": position.epoch.to_string(),
        });
        if !also.is_empty() {
            expected["also"] = json!(also);
        }
        prop_assert_eq!(read, expected);
    }
}
