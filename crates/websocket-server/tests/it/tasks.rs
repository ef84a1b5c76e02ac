//! Progress of long tasks from outside: who is let in, frames, times, retained progress, limits.
//!
//! Not here: sessions of a web application (`sessions` of this room).

mod web_sessions;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_kit::http;
use test_kit::token::{in_seconds, unsigned};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Dial, Frame, RawClient, Refused, Server, Signer};

use super::dashboard::{own_port, shape, text};
use super::{SECRET, TextFile, launch, server, server_with_users};

/// A time with microseconds and no zone, with any digits.
const MICROSECONDS: &str = "0000-00-00T00:00:00.000000";

pub(crate) fn token(user: impl Into<Value>) -> String {
    Signer::hs256(SECRET).user(user)
}

fn url(server: &Server) -> String {
    server.ws_at("/ws/notifications/")
}

/// A signed-in connection whose first frame was read.
#[track_caller]
pub(crate) fn signed_in(server: &Server, user: impl Into<Value>) -> Client {
    let mut client = Client::connect(&format!("{}?token={}", url(server), token(user)));
    client.expect_type("connection_established");
    client
}

/// A handshake that is refused because nobody is signed in.
#[track_caller]
pub(crate) fn expect_forbidden(dial: Dial<'_>) -> Refused {
    let refused = match dial.attempt() {
        Err(refused) => refused,
        Ok(_) => panic!("it was let in"),
    };
    assert_eq!(refused.status, 403, "{refused:?}");
    let problem: Value = serde_json::from_str(&refused.body).expect("JSON");
    assert_eq!((&problem["code"], &problem["status"]), (&json!("not_signed_in"), &json!(403)), "{problem}");
    let kind = refused.headers.iter().find(|(name, _)| name == "content-type");
    assert_eq!(kind.map(|(_, kind)| kind.as_str()), Some("application/problem+json"));
    refused
}

/// A handshake that makes a connection of this user.
#[track_caller]
pub(crate) fn expect_user(dial: Dial<'_>, user: &Value) -> Client {
    let mut client = dial.connect();
    let first = client.expect_type("connection_established");
    assert_eq!(&first["user_id"], user, "{first}");
    client
}

#[test]
fn the_first_frame_is_exactly_that_of_the_contract_and_a_number_stays_one() {
    let server = server_with_users();
    let signer = Signer::hs256(SECRET);
    let exp = in_seconds(3600);
    let cases = [
        (json!({ "sub": 123, "exp": exp }), "123"),
        (json!({ "sub": "123", "exp": exp }), "\"123\""),
        (json!({ "user_id": 7, "sub": "other", "exp": exp }), "7"),
        (json!({ "user_id": 9_007_199_254_740_993_u64, "exp": exp }), "9007199254740993"),
        (json!({ "user_id": "Zoë \"Z\"", "exp": exp }), "\"Zoë \\\"Z\\\"\""),
    ];
    for (claims, id) in cases {
        let mut client = Client::connect(&format!("{}?token={}", url(&server), signer.token(&claims)));
        let wanted = format!(
            r#"{{"type":"connection_established","message":"WebSocket connected successfully","user_id":{id}}}"#
        );
        assert_eq!(text(&mut client), wanted);
        assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    }
}

#[test]
fn an_anonymous_handshake_is_refused_with_403() {
    let server = server_with_users();
    for path in [
        "/ws/notifications/",
        "/ws/notifications",
        "/ws/notifications/?token=",
        "/ws/notifications/?user_id=7",
    ] {
        expect_forbidden(Client::dial(&server.ws_at(path)));
    }
    let signer = Signer::hs256(SECRET);
    let bad = [
        "garbage".to_owned(),
        Signer::hs256("another-secret-with-more-than-32-bytes").user(7),
        signer.token(&json!({ "user_id": 7, "exp": in_seconds(-3600) })),
        signer.token(&json!({ "user_id": 7 })),
        unsigned(&json!({ "user_id": 7, "exp": in_seconds(3600) })),
    ];
    for token in bad {
        let refused = expect_forbidden(Client::dial(&format!("{}?token={token}", url(&server))));
        assert!(!refused.body.contains(&token) || token == "garbage");
        expect_forbidden(Client::dial(&url(&server)).bearer(&token));
        expect_forbidden(Client::dial(&url(&server)).header("Cookie", &format!("access_token={token}")));
        assert!(!server.log().contains(&token) || token == "garbage", "no token in the log");
    }
    server.wait_for_connections(0);
    assert!(
        server
            .metric("fanfare_handshakes_refused_total", &[r#"reason="not_signed_in""#])
            .is_some_and(|count| count >= 19.0)
    );
}

#[test]
fn without_a_key_for_tokens_everyone_is_refused() {
    let server = server();
    expect_forbidden(Client::dial(&url(&server)));
    expect_forbidden(Client::dial(&format!("{}?token={}", url(&server), token(7))));
}

#[test]
fn a_token_comes_in_the_query_a_header_or_the_cookie_with_and_without_the_slash() {
    let server = server_with_users();
    let token = token(7);
    for path in ["/ws/notifications", "/ws/notifications/"] {
        let url = server.ws_at(path);
        expect_user(Client::dial(&format!("{url}?token={token}")), &json!(7));
        expect_user(Client::dial(&url).bearer(&token), &json!(7));
        expect_user(Client::dial(&url).header("Cookie", &format!("access_token={token}")), &json!(7));
        let cookies = format!("theme=dark; xaccess_token=no; access_token=\"{token}\"; csrftoken=a=b");
        expect_user(Client::dial(&url).header("Cookie", &cookies), &json!(7));
        expect_forbidden(
            Client::dial(&url).header("Cookie", &format!("token={token}; Access_Token={token}")),
        );
    }
    assert!(!server.log().contains(&token) && !server.get("/metrics").text().contains(&token));
    for path in ["/ws/notification", "/ws/notifications//", "/ws/notifications/x", "/notifications"] {
        let refused = Client::dial(&server.ws_at(&format!("{path}?token={token}")))
            .attempt()
            .expect_err("another path");
        assert_eq!(refused.status, 404, "{path}");
    }
    assert_eq!(server.get("/ws/notifications").status, 426);
    assert_eq!(server.get("/ws/notifications/").status, 426);
}

#[test]
fn a_cookie_is_taken_only_from_the_same_or_a_listed_origin() {
    let server =
        launch().env("JWT_SECRET", SECRET).env("CORS_ALLOWED_ORIGINS", "https://erp.example").start();
    let cookie = format!("access_token={}", token(7));
    let same = format!("http://{}", server.address());
    let dial = |origin: &str| Client::dial(&url(&server)).header("Cookie", &cookie).origin(origin);
    expect_user(dial("https://erp.example"), &json!(7));
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost:9",
        "https://erp.example:8443",
        "http://erp.example",
    ] {
        let refused = dial(origin).attempt().expect_err("refused");
        assert_eq!(refused.status, 403, "{origin}");
    }
    let _same = same;
    // In development any loopback page may connect, but not by its cookies.
    let server = server_with_users();
    let same = format!("http://{}", server.address());
    let dial = |origin: &str| Client::dial(&url(&server)).header("Cookie", &cookie).origin(origin);
    expect_user(dial(&same), &json!(7));
    for origin in ["http://localhost:3000", "http://127.0.0.1:1", "null"] {
        expect_forbidden(dial(origin));
    }
    expect_user(
        Client::dial(&format!("{}?token={}", url(&server), token(7))).origin("http://localhost:3000"),
        &json!(7),
    );
}

#[test]
fn a_ping_gets_a_pong_with_the_clients_own_timestamp_as_it_was_written() {
    let server = launch().env("JWT_SECRET", SECRET).env("WS_RATE_LIMIT", "0").start();
    let mut client = signed_in(&server, 7);
    let long = format!("\"{}\"", "x".repeat(60_000));
    let values = [
        "18446744073709551615",
        "-9223372036854775808",
        "1731933045123",
        "1731933045123.250",
        "1E+2",
        "0.1",
        "123456789012345678901234567890",
        r#""2025-11-18T12:30:45.123456""#,
        "\"\"",
        r#""ä😀\u00e4\/\"""#,
        "true",
        "false",
        "[]",
        r#"{"a":[1,{"b":null}]}"#,
        "{}",
        &long,
    ];
    for value in values {
        client.send_text(&format!(r#"{{"type":"ping","timestamp":{value}}}"#));
        assert_eq!(text(&mut client), format!(r#"{{"type":"pong","timestamp":{value}}}"#));
        client.send_binary(format!(r#"{{ "timestamp" : {value} , "type" : "ping" , "x":1}}"#).as_bytes());
        assert_eq!(text(&mut client), format!(r#"{{"type":"pong","timestamp":{value}}}"#));
    }
    client.send_text(r#"{"type":"ping","timestamp":null}"#);
    assert_eq!(text(&mut client), r#"{"type":"pong","timestamp":null}"#);
    client.send_text(r#"{"type":"ping"}"#);
    assert_eq!(shape(&text(&mut client)), format!(r#"{{"type":"pong","timestamp":"{MICROSECONDS}"}}"#));
}

#[test]
fn events_are_flat_with_microseconds_and_no_zone_and_only_for_that_user() {
    let server = server_with_users();
    let (mut client, mut other) = (signed_in(&server, 7), signed_in(&server, 8));
    let data = json!({ "transaction_id": 602, "step": "Upload to UCM", "step_number": 2, "total_steps": 5, "message": "m", "status": "processing" });
    let answer = server.broadcast(&json!({ "type": "oracle_upload_progress", "user_id": "7", "data": data }));
    assert_eq!(answer["recipients"], 1);
    let mut frame = client.next_json();
    assert_eq!(shape(frame["timestamp"].as_str().expect("a time")), MICROSECONDS);
    frame.as_object_mut().expect("an object").remove("timestamp");
    let mut wanted = data;
    wanted["type"] = json!("oracle_upload_progress");
    assert_eq!(frame, wanted);
    let given = json!({ "type": "t", "user_id": 7, "timestamp": "2025-11-18T12:30:45.123456Z" });
    server.broadcast(&given);
    let precise = text(&mut client);
    assert!(
        precise.starts_with(r#"{"type":"t","timestamp":"2025-11-18T12:30:45.123"#) && !precise.contains('Z'),
        "{precise}"
    );
    for elsewhere in [
        json!({ "channel": "jobs" }),
        json!({ "queue_id": "7" }),
        json!({}),
        json!({ "channel": "receipts" }),
        json!({ "user_id": 70 }),
    ] {
        let mut event = elsewhere;
        event["type"] = json!("not_mine");
        server.broadcast(&event);
    }
    server.broadcast(&json!({ "type": "end", "user_ids": [7, 8] }));
    for client in [&mut client, &mut other] {
        client.expect_type("end");
        assert_eq!(client.ping_barrier(), Vec::<Value>::new());
    }
}

#[test]
fn bad_frames_get_an_error_and_the_connection_stays() {
    let server = launch().env("JWT_SECRET", SECRET).env("WS_RATE_LIMIT", "0").start();
    let mut client = signed_in(&server, 7);
    let deep = format!(r#"{{"type":"ping","timestamp":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let cases = [
        "",
        "x",
        "[]",
        "null",
        "{}",
        r#"{"type":1}"#,
        r#"{"type":"subscribe","userId":8}"#,
        r#"{"type":"ping","type":"ping"}"#,
        r#"{"type":"ping","timestamp":1,"timestamp":2}"#,
        r#"{"type":"ping","timestamp":}"#,
        &deep,
    ];
    for frame in cases {
        client.send_text(frame);
        let error = client.expect_type("error");
        let members: Vec<&String> = error.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["message", "timestamp", "type"]);
        assert_eq!(shape(error["timestamp"].as_str().expect("a time")), MICROSECONDS);
    }
    client.send_binary(&[0xff, 0xfe, 0]);
    client.expect_type("error");
    server.broadcast(&json!({ "type": "x", "user_id": 8 }));
    server.broadcast(&json!({ "type": "y", "user_id": 7 }));
    client.expect_type("y");
    for (bytes, code) in [
        (Frame::text(vec![0xff]).bytes(), 1007),
        (Frame::text("{}").unmasked().bytes(), 1002),
        (Frame::text(vec![b' '; 65_537]).bytes(), 1009),
    ] {
        let mut raw =
            RawClient::upgraded(server.address(), &format!("/ws/notifications/?token={}", token(7)), &[]);
        raw.next_frame().expect("the first frame");
        raw.write(&bytes);
        assert_eq!(raw.expect_close().0, code);
    }
}

#[test]
fn who_comes_late_sees_where_each_task_is() {
    let server = server_with_users();
    let tell = |user: u64, kind: &str, n: u64, retain: Value| {
        server.broadcast(&json!({ "type": kind, "user_id": user, "data": { "transaction_id": 602, "step_number": n }, "retain": retain }))
    };
    let mut watching = signed_in(&server, 7);
    for n in 1..=3 {
        tell(7, "oracle_upload_progress", n, json!({ "key": "oracle_upload:602", "ttl_s": 3600 }));
        assert_eq!(watching.expect_type("oracle_upload_progress")["step_number"], n);
    }
    tell(7, "oracle_upload_progress", 9, json!({ "key": "oracle_upload:603", "ttl_s": 3600 }));
    watching.expect_type("oracle_upload_progress");
    tell(8, "oracle_upload_progress", 1, json!({ "key": "oracle_upload:602", "ttl_s": 3600 }));
    let mut reloaded = signed_in(&server, 7);
    let mut numbers: Vec<Value> =
        (0..2).map(|_| reloaded.expect_type("oracle_upload_progress")["step_number"].clone()).collect();
    numbers.sort_by_key(Value::as_u64);
    assert_eq!(numbers, [json!(3), json!(9)]);
    assert_eq!(reloaded.ping_barrier(), Vec::<Value>::new(), "each key once, and nobody else's");
    // The end of a task is there for those who reload at that moment.
    tell(7, "oracle_upload_completed", 5, json!({ "key": "oracle_upload:602", "final": true }));
    tell(7, "oracle_upload_progress", 9, json!({ "key": "oracle_upload:603", "ttl_s": 1 }));
    let mut reloaded = signed_in(&server, 7);
    let mut kinds: Vec<String> = reloaded
        .ping_barrier()
        .iter()
        .filter_map(|frame| frame["type"].as_str().map(str::to_owned))
        .collect();
    kinds.retain(|kind| kind != "oracle_upload_progress");
    assert_eq!(kinds, ["oracle_upload_completed"]);
    // What has had its time is not told.
    let begun = Instant::now();
    loop {
        let mut late = signed_in(&server, 7);
        let told = late.ping_barrier();
        late.close();
        if told.len() == 1 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{told:?}");
        server.wait_for_connections(3);
    }
}

#[test]
fn a_user_has_ten_connections_here_and_the_eleventh_is_closed_4029() {
    let server = server_with_users();
    let mut ten: Vec<Client> = (0..10).map(|_| signed_in(&server, 7)).collect();
    let mut one_more = Client::connect(&format!("{}?token={}", url(&server), token("7")));
    assert_eq!(one_more.expect_close(), (4029, "Too many connections".to_owned()), "before any frame");
    let _other = signed_in(&server, 8);
    assert_eq!(server.broadcast(&json!({ "type": "x", "user_id": 7 }))["recipients"], 10);
    for client in &mut ten {
        client.expect_type("x");
    }
    ten.pop().expect("one").close();
    ten.pop().expect("one").cut();
    server.wait_for_connections(9);
    ten.extend((0..2).map(|_| signed_in(&server, 7)));
    let mut one_more = Client::connect(&format!("{}?token={}", url(&server), token(7)));
    assert_eq!(one_more.expect_close().0, 4029);
}

#[test]
fn the_101st_frame_closes_4008_and_an_idle_one_is_dropped() {
    let server =
        launch().env("JWT_SECRET", SECRET).env("PING_INTERVAL", "300ms").env("PING_TIMEOUT", "2s").start();
    let path = format!("/ws/notifications/?token={}", token(7));
    let mut raw = RawClient::upgraded(server.address(), &path, &[]);
    raw.write(&Frame::text(r#"{"type":"ping","timestamp":1}"#).bytes().repeat(150));
    let reason = loop {
        let frame = raw.next_frame().expect("a frame");
        if frame.opcode == 8 {
            break frame.close_reason();
        }
    };
    assert_eq!(reason, (4008, "Rate limit exceeded".to_owned()));
    let begun = Instant::now();
    let mut idle = RawClient::upgraded(server.address(), &path, &[]);
    let reason = loop {
        let frame = idle.next_frame().expect("a Close, not a cut");
        if frame.opcode == 8 {
            break frame.close_reason();
        }
    };
    assert_eq!(reason, (4009, "Ping timeout".to_owned()));
    assert!(begun.elapsed() > Duration::from_secs(1) && begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[test]
fn a_token_that_ends_closes_4001_with_no_frame_of_another_world() {
    let server = server_with_users();
    let short = Signer::hs256(SECRET).token(&json!({ "user_id": 7, "exp": in_seconds(6) }));
    let mut client = Client::connect(&format!("{}?token={short}", url(&server)));
    client.expect_type("connection_established");
    let (frames, code, reason) = client.collect_until_close(Duration::from_secs(40));
    assert_eq!((frames.len(), code, reason.as_str()), (0, 4001, "Unauthorized"));
}

#[test]
fn tasks_may_have_a_port_of_their_own() {
    let file = TextFile::new("fanfare.toml", "[[endpoints]]\nname = \"tasks\"\nport = 0\n");
    let server = launch().env("JWT_SECRET", SECRET).env("FANFARE_CONFIG", file.path()).start();
    let own = own_port(&server, "tasks");
    expect_forbidden(Client::dial(&format!("ws://{own}/")));
    let mut client = expect_user(Client::dial(&format!("ws://{own}/?token={}", token(7))), &json!(7));
    let on_main = signed_in(&server, 7);
    assert_eq!(
        http::post_json(own, "/broadcast", &[], &json!({ "type": "x", "user_id": 7 })).json()["recipients"],
        2
    );
    client.expect_type("x");
    drop(on_main);
}
