use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn parse(body: &str) -> Result<PublishRequest, RequestError> {
    PublishRequest::parse(body.as_bytes())
}

fn streams(body: &str) -> Vec<String> {
    match parse(body).expect(body).target {
        Target::Named(audience) => audience.streams.iter().map(|s| s.as_str().to_owned()).collect(),
        Target::Everyone => vec!["@all".into()],
    }
}

#[test]
fn data_stays_as_it_was_sent() {
    let body = r#"{"type":"t","data":{"n":18446744073709551615,"f":1.10,"s":"\u00e9\ud83d\ude00"}}"#;
    assert_eq!(
        &*parse(body).expect("valid").data,
        r#"{"n":18446744073709551615,"f":1.10,"s":"\u00e9\ud83d\ude00"}"#
    );
    assert_eq!(&*parse(r#"{"type":"t"}"#).expect("valid").data, "{}");
    assert_eq!(&*parse(r#"{"type":"t","data":null}"#).expect("valid").data, "null");
    assert_eq!(&*parse(r#"{"type":"t","data":[1]}"#).expect("valid").data, "[1]");
}

#[test]
fn targets_add_up_and_each_is_taken_once() {
    assert_eq!(streams(r#"{"type":"t"}"#), ["@all"]);
    assert_eq!(streams(r#"{"type":"t","channel":null,"user_ids":null}"#), ["@all"]);
    assert_eq!(
        streams(
            r#"{"type":"t","channel":"b","channels":["a","b"],"user_id":7,"user_ids":["7",8],"queue_id":"q"}"#
        ),
        ["a", "b", "queue:q", "user:7", "user:8"]
    );
    assert_eq!(streams(r#"{"type":"t","user_ids":[5,null]}"#), ["user:5"]);
    assert_eq!(streams(r#"{"type":"t","user_ids":[null]}"#), Vec::<String>::new());
    assert_eq!(streams(r#"{"type":"t","channels":[]}"#), Vec::<String>::new());
    assert_eq!(streams(r#"{"type":"t","namespace":"/chat","user_id":1}"#), ["@/chat:user:1"]);
    assert_eq!(streams(r#"{"type":"t","namespace":"/chat"}"#), ["@/chat"]);
    assert_eq!(streams(r#"{"type":"t","namespace":"/","channels":["a","b"]}"#), ["@/:a", "@/:b"]);
}

#[test]
fn a_connection_that_cannot_exist_is_a_target_all_the_same() {
    let connection = |body: &str| match parse(body).expect(body).target {
        Target::Named(audience) => audience.connection,
        _ => None,
    };
    assert_eq!(connection(r#"{"type":"t","connection_id":"nope"}"#), Some(ConnectionTarget::Unknown));
    let id = "6f1c1d3e-0000-4000-8000-000000000001";
    assert_eq!(
        connection(&format!(r#"{{"type":"t","connection_id":"{id}"}}"#)),
        ConnectionId::parse(id).map(ConnectionTarget::Id)
    );
}

#[test]
fn a_wrong_shape_names_the_member() {
    for (body, member) in [
        ("[]", "body"),
        ("7", "body"),
        (r#"["t",{}]"#, "body"),
        (r#"{"type":"a","type":"b"}"#, "body"),
        ("{}", "type"),
        (r#"{"type":""}"#, "type"),
        (r#"{"type":7}"#, "type"),
        (r#"{"type":"t","channel":7}"#, "channel"),
        (r#"{"type":"t","channel":"a b"}"#, "channel"),
        (r#"{"type":"t","channel":"@all"}"#, "channel"),
        (r#"{"type":"t","channels":"jobs"}"#, "channels"),
        (r#"{"type":"t","channels":[1]}"#, "channels"),
        (r#"{"type":"t","user_id":{}}"#, "user_id"),
        (r#"{"type":"t","user_id":1.5}"#, "user_id"),
        (r#"{"type":"t","user_ids":[true]}"#, "user_ids"),
        (r#"{"type":"t","queue_id":[]}"#, "queue_id"),
        (r#"{"type":"t","connection_id":1}"#, "connection_id"),
        (r#"{"type":"t","except_connection_id":1}"#, "except_connection_id"),
        (r#"{"type":"t","namespace":"chat"}"#, "namespace"),
        (r#"{"type":"disconnect","namespace":"/chat"}"#, "type"),
        (r#"{"type":"t","timestamp":"soon"}"#, "timestamp"),
        (r#"{"type":"t","idempotency_key":""}"#, "idempotency_key"),
    ] {
        match parse(body) {
            Err(RequestError::Invalid { member: named, .. }) => assert_eq!(named, member, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn what_is_not_json_is_malformed_and_what_is_too_deep_says_so() {
    for body in [&b"{"[..], b"", b"{\"type\":\"t\"} x", b"\xff{}", b"{\"type\":\"\x01\"}"] {
        let error = PublishRequest::parse(body).expect_err("malformed");
        assert!(matches!(error, RequestError::Malformed(_)) || body.contains(&1), "{error:?}");
    }
    let nested = |n: usize| format!(r#"{{"type":"t","data":{}{}}}"#, "[".repeat(n), "]".repeat(n));
    assert!(parse(&nested(127)).is_ok());
    assert_eq!(parse(&nested(128)).expect_err("deep"), RequestError::TooDeep);
    assert_eq!(parse(&nested(20_000)).expect_err("deep"), RequestError::TooDeep);
}

#[test]
fn a_batch_is_split_without_judging_its_items() {
    let body = br#"[{"type":"a"}, 7, {"type":"b","data":[1, 2]}]"#;
    assert_eq!(
        PublishRequest::split_batch(body).expect("array"),
        [r#"{"type":"a"}"#, "7", r#"{"type":"b","data":[1, 2]}"#]
    );
    assert!(matches!(PublishRequest::split_batch(b"{}"), Err(RequestError::Invalid { member: "body", .. })));
    assert!(matches!(PublishRequest::split_batch(b"[1,"), Err(RequestError::Malformed(_))));
    let many = format!("[{}1]", "1,".repeat(1000));
    assert!(matches!(PublishRequest::split_batch(many.as_bytes()), Err(RequestError::Invalid { .. })));
}

#[test]
fn sessions_to_close_are_those_of_the_users_that_are_named() {
    let closing = |body: &str| parse(body).expect(body).close_sessions;
    let named = closing(
        r#"{"type":"t","user_id":7,"user_ids":["8",null,7],"channel":"user:9","close_sessions":["b","a","b"]}"#,
    )
    .expect("sessions");
    let users: Vec<&str> = named.users.iter().map(Stream::as_str).collect();
    assert_eq!((users, named.sessions.len()), (vec!["user:7", "user:8"], 2));
    assert!(named.has("a") && named.has("b") && !named.has("c"));
    assert_eq!(closing(r#"{"type":"t","close_sessions":null}"#), None);
    assert_eq!(closing(r#"{"type":"t"}"#), None);
    let long = "s".repeat(64);
    assert!(closing(&format!(r#"{{"type":"t","user_id":7,"close_sessions":["{long}"]}}"#)).is_some());
}

#[test]
fn sessions_of_a_wrong_shape_or_of_nobody_are_named() {
    let many = format!("[{}]", vec![r#""s""#; 1_001].join(","));
    for sessions in [
        r#""s""#,
        "[1]",
        "[null]",
        r#"[""]"#,
        r#"["a b"]"#,
        r#"["é"]"#,
        &format!("[\"{}\"]", "s".repeat(65)),
        &many,
    ] {
        let body = format!(r#"{{"type":"t","user_id":7,"close_sessions":{sessions}}}"#);
        let Err(RequestError::Invalid { member, .. }) = parse(&body) else {
            panic!("{sessions} is accepted")
        };
        assert_eq!(member, "close_sessions");
    }
    for target in [r#""channel":"user:7""#, r#""connection_id":"x""#, r#""user_id":null"#] {
        let body = format!(r#"{{"type":"t",{target},"close_sessions":["s"]}}"#);
        let Err(RequestError::Invalid { member, .. }) = parse(&body) else { panic!("{target} is accepted") };
        assert_eq!(member, "close_sessions");
    }
}

#[test]
fn a_trace_that_cannot_be_read_is_none_and_no_error() {
    let trace = |value: &str| parse(&format!(r#"{{"type":"t","traceparent":{value}}}"#)).expect(value).trace;
    let good = r#""00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01""#;
    assert_eq!(
        trace(good).map(|trace| trace.trace_id().to_string()).as_deref(),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
    for wrong in ["null", "1", "{}", r#""""#, r#""00-x""#] {
        assert_eq!(trace(wrong), None, "{wrong}");
    }
}

#[test]
fn what_is_retained_has_a_key_and_a_time() {
    let retained = |value: &str, target: &str| {
        let body = format!(r#"{{"type":"t"{target},"retain":{value}}}"#);
        parse(&body).expect(&body).retain.map(|retain| *retain)
    };
    let hour = Retain { key: "oracle_upload:602".into(), keep: Duration::from_secs(3_600), is_final: false };
    assert_eq!(retained(r#"{"key":"oracle_upload:602"}"#, ""), Some(hour.clone()));
    assert_eq!(
        retained(r#"{"key":"oracle_upload:602","ttl_s":null,"final":false,"more":1}"#, ""),
        Some(hour.clone())
    );
    assert_eq!(retained("null", ""), None);
    assert_eq!(parse(r#"{"type":"t"}"#).expect("valid").retain, None);
    let keep = |value: &str| retained(value, r#","user_id":7"#).map(|retain| (retain.keep, retain.is_final));
    assert_eq!(keep(r#"{"key":"k","ttl_s":1}"#), Some((Duration::from_secs(1), false)));
    assert_eq!(keep(r#"{"key":"k","ttl_s":604800}"#), Some((MAX_RETAIN, false)));
    assert_eq!(keep(r#"{"key":"k","final":true}"#), Some((FINAL_RETAIN, true)));
    assert_eq!(keep(r#"{"key":"k","ttl_s":7200,"final":true}"#), Some((FINAL_RETAIN, true)));
    let long = "é".repeat(MAX_RETAIN_KEY / 2);
    assert_eq!(retained(&format!(r#"{{"key":"{long}"}}"#), "").map(|retain| retain.key), Some(long.into()));
    for target in [
        r#","channel":"jobs","connection_id":"x""#,
        r#","queue_id":1"#,
        r#","user_ids":[null]"#,
        r#","channels":[]"#,
    ] {
        assert!(retained(r#"{"key":"k"}"#, target).is_some(), "{target}");
    }
}

#[test]
fn a_wish_to_retain_that_is_wrong_names_the_member_and_echoes_nothing() {
    let huge = format!(r#"{{"key":"{}"}}"#, "k".repeat(1024 * 1024));
    let long = format!(r#"{{"key":"{}"}}"#, "k".repeat(MAX_RETAIN_KEY + 1));
    for (retain, target) in [
        ("7", ""),
        (r#""k""#, ""),
        (r#"["k",60]"#, ""),
        ("{}", ""),
        (r#"{"key":null}"#, ""),
        (r#"{"key":7}"#, ""),
        (r#"{"key":""}"#, ""),
        (r#"{"key":"a\nb"}"#, ""),
        (r#"{"key":"a\u0085b"}"#, ""),
        (&*long, ""),
        (&*huge, ""),
        (r#"{"key":"k","key":"k"}"#, ""),
        (r#"{"key":"k","ttl_s":0}"#, ""),
        (r#"{"key":"k","ttl_s":-1}"#, ""),
        (r#"{"key":"k","ttl_s":1.5}"#, ""),
        (r#"{"key":"k","ttl_s":"60"}"#, ""),
        (r#"{"key":"k","ttl_s":604801}"#, ""),
        (r#"{"key":"k","ttl_s":99999999999999999999}"#, ""),
        (r#"{"key":"k","ttl_s":604801,"final":true}"#, ""),
        (r#"{"key":"k","final":"yes"}"#, ""),
        (r#"{"key":"k"}"#, r#","connection_id":"6f1c1d3e-0000-4000-8000-000000000001""#),
        (r#"{"key":"k"}"#, r#","connection_id":"nope","user_ids":[null]"#),
    ] {
        let body = format!(r#"{{"type":"t"{target},"retain":{retain}}}"#);
        let shown = &retain[..retain.len().min(60)];
        let Err(RequestError::Invalid { member, message }) = parse(&body) else {
            panic!("{shown} {target} is accepted")
        };
        assert_eq!(member, "retain", "{shown}");
        assert!(message.len() < 100, "{message}");
    }
}

#[test]
fn a_publisher_may_give_an_id_of_version_7() {
    let id =
        |raw: &str| parse(&format!(r#"{{"type":"t","publication_id":{raw}}}"#)).map(|request| request.id);
    let text = "019a3f5e-7b00-7c31-9d0f-2f6f3a1c4e55";
    assert_eq!(id(&format!("\"{text}\"")), Ok(PublicationId::parse(text)));
    assert_eq!(
        id(&format!("\"{}\"", text.to_uppercase())),
        Ok(PublicationId::parse(text)),
        "one id, one spelling"
    );
    assert_eq!(id("null"), Ok(None));
    for raw in [
        r#""6f1c1d3e-0000-4000-8000-000000000001""#,
        r#""019a3f5e-7b00-7c31-1d0f-2f6f3a1c4e55""#,
        r#""00000000-0000-0000-0000-000000000000""#,
        r#""ffffffff-ffff-ffff-ffff-ffffffffffff""#,
        r#""019a3f5e-7b00-7c31-9d0f-2f6f3a1c4e5""#,
        "\"\"",
        "7",
        "true",
        "{}",
    ] {
        let Err(RequestError::Invalid { member, message }) = id(raw) else { panic!("{raw} is accepted") };
        assert_eq!(member, "publication_id");
        assert!(message.contains("string") || message.contains("version 7"), "{message}");
    }
}

#[test]
fn what_is_transient_is_kept_for_nobody() {
    assert!(!parse(r#"{"type":"t","transient":null}"#).expect("valid").is_transient);
    assert!(parse(r#"{"type":"t","transient":true,"user_id":7}"#).expect("valid").is_transient);
    for body in [
        r#"{"type":"t","transient":1}"#,
        r#"{"type":"t","channel":"c","transient":true,"retain":{"key":"k"}}"#,
    ] {
        assert!(matches!(parse(body), Err(RequestError::Invalid { member: "transient", .. })), "{body}");
    }
}

proptest! {
    #[test]
    fn any_body_is_read_without_a_panic(body in any::<String>(), retain in any::<String>()) {
        let _ = parse(&body);
        let _ = parse(&format!(r#"{{"type":"t","retain":{retain}}}"#));
        let _ = parse(&format!(r#"{{"type":"t","retain":{{"key":{}}}}}"#, serde_json::json!(retain)));
    }
}
