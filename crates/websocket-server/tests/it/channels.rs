//! `/ws` as its clients see it: frames in and out, who gets what, limits.

use serde_json::{Value, json};
use test_kit::http::request;
use test_kit::wait::PATIENCE;
use test_kit::{Client, Server, Signer, eventually};

use super::{SECRET, TextFile, launch, server, server_with_users, until_the_end, with_token};

/// `2025-11-01T12:00:00.000Z` with any digits.
fn is_timestamp(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

/// The text of a frame, taken apart at its timestamp: everything before it.
#[track_caller]
fn before_timestamp(text: &str) -> String {
    let (head, stamp) = text.rsplit_once(r#","timestamp":""#).expect("a timestamp at the end");
    assert!(is_timestamp(stamp.strip_suffix(r#""}"#).expect("nothing behind it")), "{text}");
    head.to_owned()
}

#[track_caller]
fn next_text(client: &mut Client) -> String {
    client.next_message().into_text().expect("a text frame").as_str().to_owned()
}

#[test]
fn the_welcome_is_the_first_frame_and_has_exactly_its_members() {
    let server = server();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(&server.ws());
        let head = before_timestamp(&next_text(&mut client));
        let id = head.strip_prefix(r#"{"type":"connected","data":{"connection_id":""#);
        let id = id.and_then(|rest| rest.strip_suffix(r#""}"#)).expect("exactly the welcome's shape");
        let uuid = uuid::Uuid::parse_str(id).expect("a UUID");
        assert_eq!((uuid.get_version_num(), uuid.to_string()), (4, id.to_owned()));
        ids.push(uuid);
    }
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn an_event_has_exactly_its_three_members() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    server.broadcast(&json!({ "type": "job_created", "data": { "job_id": 7 } }));
    assert_eq!(before_timestamp(&next_text(&mut client)), r#"{"type":"job_created","data":{"job_id":7}"#);
    server.broadcast(&json!({ "type": "bare", "timestamp": "2025-11-01T13:00:00+01:00" }));
    assert_eq!(next_text(&mut client), r#"{"type":"bare","data":{},"timestamp":"2025-11-01T12:00:00.000Z"}"#);
}

#[test]
fn subscribing_is_confirmed_and_repeated_in_the_shapes_of_all_clients() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    client.send_json(&json!({ "type": "subscribe", "channels": ["jobs"] }));
    assert_eq!(
        before_timestamp(&next_text(&mut client)),
        r#"{"type":"subscribed","data":{"channels":["jobs"]}"#
    );
    for (frame, channels) in [
        (
            json!({ "type": "subscribe", "channels": ["jobs", "payments", "jobs"] }),
            json!(["jobs", "payments"]),
        ),
        (json!({ "type": "subscribe", "channels": "one" }), json!(["one"])),
        (json!({ "type": "subscribe", "channel": "two" }), json!(["two"])),
        (json!({ "type": "subscribe", "data": { "channels": ["three"] } }), json!(["three"])),
        (json!({ "type": "subscribe", "data": { "channels": "four" } }), json!(["four"])),
        (json!({ "type": "subscribe", "data": { "channel": "five" } }), json!(["five"])),
        (
            json!({ "type": "subscribe", "channels": ["A-z_0:9.@/=x"], "unknown": { "is": "ignored" } }),
            json!(["A-z_0:9.@/=x"]),
        ),
        (
            json!({ "type": "subscribe", "channels": ["top"], "data": { "channels": ["nested"] } }),
            json!(["top"]),
        ),
    ] {
        client.send_json(&frame);
        assert_eq!(client.expect_type("subscribed")["data"], json!({ "channels": channels }), "{frame}");
    }
    let by_channel = &server.stats()["by_channel"];
    assert_eq!(by_channel["jobs"], 1, "twice subscribed is one subscription: {by_channel}");
    assert_eq!(by_channel.as_object().map(serde_json::Map::len), Some(9), "{by_channel}");
    server.broadcast(&json!({ "type": "once", "channel": "jobs" }));
    let frames = until_the_end(&server, &mut [&mut client]).remove(0);
    assert_eq!(frames.len(), 1, "{frames:?}");
}

#[test]
fn unsubscribing_ends_the_events_and_is_confirmed_for_what_was_never_subscribed() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    client.subscribe(&["jobs", "news"]);
    assert_eq!(client.unsubscribe(&["jobs", "never"])["data"], json!({ "channels": ["jobs", "never"] }));
    client.send_json(&json!({ "type": "unsubscribe", "data": { "channel": "jobs" } }));
    assert_eq!(client.expect_type("unsubscribed")["data"], json!({ "channels": ["jobs"] }));
    assert_eq!(server.stats(), json!({ "total": 1, "by_channel": { "news": 1 } }));
    server.broadcast(&json!({ "type": "gone", "channel": "jobs" }));
    server.broadcast(&json!({ "type": "kept", "channel": "news" }));
    let frames = until_the_end(&server, &mut [&mut client]).remove(0);
    assert_eq!(frames.iter().map(|frame| &frame["type"]).collect::<Vec<_>>(), ["kept"]);
}

#[test]
fn a_ping_is_answered_with_its_own_data() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    client.send_text(r#"{"type":"ping"}"#);
    assert_eq!(before_timestamp(&next_text(&mut client)), r#"{"type":"pong","data":{}"#);
    client.send_text(r#"{"type":"ping","data":{"n":18446744073709551616,"s":"é \u00e9"}}"#);
    let pong = next_text(&mut client);
    assert_eq!(before_timestamp(&pong), r#"{"type":"pong","data":{"n":18446744073709551616,"s":"é \u00e9"}"#);
}

#[test]
fn binary_frames_of_json_are_read_like_text() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    client.send_binary(br#"{"type":"subscribe","channels":["jobs"]}"#);
    assert_eq!(client.expect_type("subscribed")["data"], json!({ "channels": ["jobs"] }));
    client.send_binary(b"{\"type\":\"ping\xff\"}");
    client.expect_error("invalid_json");
    client.send_binary(br#"{"type":"ping"}"#);
    client.expect_type("pong");
}

#[test]
fn a_wrong_frame_gets_an_error_and_costs_nothing_else() {
    let server = server();
    let mut other = Client::welcomed(&server.ws());
    let mut client = Client::welcomed(&server.ws());
    let deep = format!(r#"{{"type":"ping","data":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for (text, code) in [
        ("", "invalid_json"),
        ("not json", "invalid_json"),
        (r#"{"type":"ping""#, "invalid_json"),
        (r#"{"type":"ping"} x"#, "invalid_json"),
        (&deep, "invalid_json"),
        ("[]", "invalid_frame"),
        ("7", "invalid_frame"),
        ("{}", "invalid_frame"),
        (r#"{"type":7}"#, "invalid_frame"),
        (r#"{"type":"subscribe"}"#, "invalid_frame"),
        (r#"{"type":"subscribe","channels":7}"#, "invalid_frame"),
        (r#"{"type":"subscribe","channels":["a",7]}"#, "invalid_frame"),
        (r#"{"type":"subscribe","data":[]}"#, "invalid_frame"),
        (r#"{"type":"publish","channel":"jobs"}"#, "unknown_type"),
        (r#"{"type":"refresh"}"#, "invalid_frame"),
        (r#"{"type":"refresh","token":"x"}"#, "forbidden"),
    ] {
        client.send_text(text);
        let error = client.expect_error(code);
        let data = error["data"].as_object().expect("an object");
        assert!(
            data.len() == 2 && data["message"].as_str().is_some_and(|it| !it.is_empty()),
            "{text}: {error}"
        );
        assert!(is_timestamp(error["timestamp"].as_str().unwrap_or_default()), "{error}");
    }
    let longest = "x".repeat(200);
    let too_long = "x".repeat(201);
    for name in ["", "with blank", "ümlaut", "a*", &too_long] {
        client.send_json(&json!({ "type": "subscribe", "channels": [name, "good"] }));
        assert_eq!(client.expect_error("invalid_channel")["data"]["channel"], name);
        assert_eq!(client.expect_type("subscribed")["data"], json!({ "channels": ["good"] }));
    }
    client.subscribe(&[&longest]);
    client.send_text(r#"{"type":"ping"}"#);
    client.expect_type("pong");
    assert!(other.ping_barrier().is_empty(), "another client noticed");
}

#[test]
fn a_connection_has_a_hundred_channels_and_no_more() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    let names: Vec<String> = (0..101).map(|n| format!("channel-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    client.send_json(&json!({ "type": "subscribe", "channels": names }));
    let error = client.expect_error("too_many_channels");
    assert_eq!(error["data"]["channel"], "channel-100");
    assert_eq!(client.expect_type("subscribed")["data"], json!({ "channels": names[..100] }));
    client.send_json(&json!({ "type": "subscribe", "channels": ["one-more"] }));
    assert_eq!(client.expect_error("too_many_channels")["data"]["channel"], "one-more");
    client.subscribe(&["channel-0"]);
    client.unsubscribe(&["channel-0"]);
    client.subscribe(&["one-more"]);
    assert_eq!(server.stats()["by_channel"].as_object().map(serde_json::Map::len), Some(100));
}

#[test]
fn the_rules_of_the_configuration_file_decide_who_subscribes() {
    let rules = TextFile::new(
        "rules.toml",
        r#"
        [[channels]]
        pattern = "orders:open"
        subscribe = "anyone"
        [[channels]]
        pattern = "orders:*"
        subscribe = { user_type = ["employer", "clerk"] }
        [[channels]]
        pattern = "closed"
        subscribe = "nobody"
        [[channels]]
        pattern = "staff"
        subscribe = "signed-in"
        [[channels]]
        pattern = "inbox:*"
        subscribe = { user = "{rest}" }
        "#,
    );
    let server = launch().env("JWT_SECRET", SECRET).env("FANFARE_CONFIG", rules.path()).start();
    let signer = Signer::hs256(SECRET);
    let employer = signer.user_of_type(7, "employer");
    let worker = signer.user_of_type(8, "worker");
    let all = ["orders:open", "orders:9", "closed", "staff", "inbox:7", "payments", "user:7", "anything"];
    for (token, allowed) in [
        (None, vec!["orders:open", "anything"]),
        (Some(&worker), vec!["orders:open", "staff", "anything"]),
        (
            Some(&employer),
            vec!["orders:open", "orders:9", "staff", "inbox:7", "payments", "user:7", "anything"],
        ),
    ] {
        let url = token.map_or(server.ws(), |token| with_token(&server, token));
        let mut client = Client::welcomed(&url);
        client.send_json(&json!({ "type": "subscribe", "channels": all }));
        for refused in all.iter().filter(|name| !allowed.contains(name)) {
            assert_eq!(client.expect_error("forbidden")["data"]["channel"], *refused);
        }
        assert_eq!(client.expect_type("subscribed")["data"], json!({ "channels": allowed }));
    }
}

#[test]
fn the_rules_of_the_configuration_file_decide_who_publishes() {
    let rules = TextFile::new(
        "rules.toml",
        "[[channels]]\npattern = \"orders:*\"\npublish = { keys = [\"shop\"] }\n\
         [[channels]]\npattern = \"frozen\"\npublish = \"nobody\"\n\
         [[api_keys]]\nname = \"shop\"\nsecret = \"secret-of-shop\"\n\
         [[api_keys]]\nname = \"blog\"\nsecret = \"secret-of-blog\"\n",
    );
    let server = launch().env("FANFARE_CONFIG", rules.path()).start();
    let publish = |key: &str, channel: &str| {
        let authorization = format!("Bearer secret-of-{key}");
        let body = json!({ "type": "x", "channel": channel });
        test_kit::http::post_json(server.address(), "/broadcast", &[("authorization", &authorization)], &body)
            .status
    };
    assert_eq!((publish("shop", "orders:1"), publish("blog", "orders:1")), (200, 403));
    assert_eq!((publish("shop", "frozen"), publish("blog", "frozen")), (403, 403));
    assert_eq!((publish("shop", "jobs"), publish("blog", "jobs")), (200, 200));
}

/// Five connections of which each has a name.
struct Audience {
    server: Server,
    clients: Vec<(&'static str, Client)>,
}

impl Audience {
    fn gather() -> Self {
        let server = server_with_users();
        let signer = Signer::hs256(SECRET);
        let (seven, eight) = (signer.user(7), signer.user("eight"));
        let mut clients = vec![
            ("nobody", Client::welcomed(&server.ws())),
            ("jobs", Client::welcomed(&server.ws())),
            ("queue", Client::welcomed(&server.ws())),
            ("7 on jobs", Client::welcomed(&with_token(&server, &seven))),
            ("7 again", Client::welcomed(&with_token(&server, &seven))),
            ("eight", Client::welcomed(&with_token(&server, &eight))),
        ];
        clients[1].1.subscribe(&["jobs"]);
        clients[2].1.subscribe(&["queue:q-1", "queue:5"]);
        clients[3].1.subscribe(&["jobs", "news"]);
        clients[5].1.subscribe(&["news"]);
        Self { server, clients }
    }

    fn id(&self, name: &str) -> String {
        let found = self.clients.iter().find(|(known, _)| *known == name);
        found.expect("a known name").1.connection_id().to_owned()
    }

    /// Publishes with these members; who got it, each by as many names as events came.
    #[track_caller]
    fn reached(&mut self, mut members: Value) -> Vec<&'static str> {
        members["type"] = json!("probe");
        let told = self.server.broadcast(&members)["recipients"].clone();
        self.server.broadcast(&json!({ "type": "end" }));
        let mut names = Vec::new();
        for (name, client) in &mut self.clients {
            let count = client.collect_until("end").len() - 1;
            names.extend(std::iter::repeat_n(*name, count));
        }
        assert_eq!(told, json!(names.len()), "{members} reached {names:?}");
        names
    }
}

#[test]
fn each_target_reaches_exactly_its_audience() {
    let mut all = Audience::gather();
    let everyone = ["nobody", "jobs", "queue", "7 on jobs", "7 again", "eight"];
    assert_eq!(all.reached(json!({})), everyone);
    assert_eq!(all.reached(json!({ "channel": null, "user_id": null, "channels": null })), everyone);
    assert_eq!(all.reached(json!({ "channel": "jobs" })), ["jobs", "7 on jobs"]);
    assert_eq!(all.reached(json!({ "channels": ["jobs", "news"] })), ["jobs", "7 on jobs", "eight"]);
    assert_eq!(all.reached(json!({ "user_id": 7 })), ["7 on jobs", "7 again"]);
    assert_eq!(all.reached(json!({ "user_id": "7" })), ["7 on jobs", "7 again"]);
    assert_eq!(
        all.reached(json!({ "user_ids": ["eight", 7, 7, "nobody"] })),
        ["7 on jobs", "7 again", "eight"]
    );
    assert_eq!(all.reached(json!({ "queue_id": "q-1" })), ["queue"]);
    assert_eq!(all.reached(json!({ "queue_id": 5 })), ["queue"]);
    let id = all.id("7 again");
    assert_eq!(all.reached(json!({ "connection_id": id })), ["7 again"]);
    assert_eq!(all.reached(json!({ "channel": "nowhere" })), [""; 0]);
    assert_eq!(all.reached(json!({ "user_ids": [null] })), [""; 0], "a party that is null addresses nobody");
    assert_eq!(all.reached(json!({ "channels": [] })), [""; 0]);
}

#[test]
fn targets_add_up_and_each_connection_gets_the_event_once() {
    let mut all = Audience::gather();
    let id = all.id("7 on jobs");
    let union = json!({ "channel": "jobs", "channels": ["news", "jobs"], "user_id": 7, "queue_id": "q-1", "connection_id": id });
    assert_eq!(all.reached(union), ["jobs", "queue", "7 on jobs", "7 again", "eight"]);
    let nobody = all.id("nobody");
    assert_eq!(
        all.reached(json!({ "channel": "news", "connection_id": nobody })),
        ["nobody", "7 on jobs", "eight"]
    );
}

#[test]
fn one_connection_can_be_left_out() {
    let mut all = Audience::gather();
    let (jobs, seven) = (all.id("jobs"), all.id("7 on jobs"));
    assert_eq!(
        all.reached(json!({ "except_connection_id": jobs })),
        ["nobody", "queue", "7 on jobs", "7 again", "eight"]
    );
    assert_eq!(all.reached(json!({ "channel": "jobs", "except_connection_id": seven })), ["jobs"]);
    assert_eq!(
        all.reached(json!({ "channel": "jobs", "user_id": 7, "except_connection_id": seven })),
        ["jobs", "7 again"]
    );
    assert_eq!(
        all.reached(json!({ "connection_id": jobs, "channel": "news", "except_connection_id": jobs })),
        ["7 on jobs", "eight"]
    );
    assert_eq!(
        all.reached(json!({ "channel": "jobs", "except_connection_id": "nobody's" })),
        ["jobs", "7 on jobs"]
    );
}

#[test]
fn events_keep_the_order_in_which_they_were_published() {
    let server = server();
    let mut clients: Vec<Client> = (0..4).map(|_| Client::welcomed(&server.ws())).collect();
    for client in &mut clients {
        client.subscribe(&["a", "b"]);
    }
    for batch in 0..5 {
        let items: Vec<Value> = (0..100)
            .map(|n| {
                let target = match n % 3 {
                    0 => "a",
                    1 => "b",
                    _ => return json!({ "type": "n", "data": batch * 100 + n }),
                };
                json!({ "type": "n", "data": batch * 100 + n, "channel": target })
            })
            .collect();
        assert_eq!(server.post("/broadcast/batch", &json!(items)).status, 200);
    }
    let mut clients: Vec<&mut Client> = clients.iter_mut().collect();
    for frames in until_the_end(&server, &mut clients) {
        let numbers: Vec<u64> = frames.iter().filter_map(|frame| frame["data"].as_u64()).collect();
        assert!(numbers.iter().copied().eq(0..500), "{numbers:?}");
    }
}

#[test]
fn json_passes_unharmed() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    for data in [
        "9223372036854775807",
        "-9223372036854775808",
        "123456789012345678901234567890",
        "1.0e400",
        "-0.0",
        "null",
        "true",
        r#""plain""#,
        r#""\u00e9 é 😀 \ud83d\ude00 \u0000 \u2028 \/ \" \\ \n""#,
        r#"{"b":1,"a":2,"b":3,"":[[],{}]}"#,
        r#"{"__proto__":{"x":"</script>"}}"#,
        r#"[1, 2 ,3]"#,
    ] {
        let body = format!(r#"{{"type":"any \"type\" é","data":{data}}}"#);
        let answer = request(
            server.address(),
            "POST",
            "/broadcast",
            &[("content-type", "application/json")],
            Some(body.as_bytes()),
        );
        assert_eq!(answer.status, 200, "{data}: {}", answer.text());
        assert_eq!(
            before_timestamp(&next_text(&mut client)),
            format!(r#"{{"type":"any \"type\" é","data":{data}"#)
        );
    }
    let deep = format!(r#"{{"type":"deep","data":{}{}}}"#, "[".repeat(127), "]".repeat(127));
    let answer = request(
        server.address(),
        "POST",
        "/broadcast",
        &[("content-type", "application/json")],
        Some(deep.as_bytes()),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(next_text(&mut client).contains(&"[".repeat(127)));
}

#[test]
fn the_101st_frame_in_10_seconds_is_not_answered_and_ends_the_connection() {
    let server = server();
    let mut other = Client::welcomed(&server.ws());
    let mut client = Client::welcomed(&server.ws());
    for n in 0..101 {
        client.send_json(&json!({ "type": "ping", "data": n }));
    }
    let (frames, code, reason) = client.collect_until_close(PATIENCE);
    assert_eq!((code, reason.as_str()), (4008, "Rate limit exceeded"));
    assert!(
        frames.iter().map(|frame| &frame["data"]).eq((0..100).map(|n| json!(n)).collect::<Vec<_>>().iter())
    );
    assert!(other.ping_barrier().is_empty());
    let evictions = || server.metric("fanfare_evictions_total", &[r#"reason="rate_limited""#]);
    eventually(PATIENCE, || evictions() == Some(1.0));
}

#[test]
fn without_a_rate_limit_frames_are_not_counted() {
    let server = launch().env("WS_RATE_LIMIT", "0").start();
    let mut client = Client::welcomed(&server.ws());
    for n in 0..500 {
        client.send_json(&json!({ "type": "ping", "data": n }));
    }
    for n in 0..500 {
        assert_eq!(client.expect_type("pong")["data"], n);
    }
}

#[test]
fn a_message_may_have_64_kib_and_no_more() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    let frame = |length: usize| {
        let empty = r#"{"type":"ping","data":""}"#.len();
        format!(r#"{{"type":"ping","data":"{}"}}"#, "x".repeat(length - empty))
    };
    client.send_text(&frame(65_536));
    client.expect_type("pong");
    client.send_text(&frame(65_537));
    assert_eq!(client.expect_close().0, 1009);
}

#[test]
fn a_close_of_the_client_is_answered_and_forgotten() {
    let server = server();
    let mut client = Client::welcomed(&server.ws());
    client.subscribe(&["jobs"]);
    assert_eq!(client.close().0, 1000);
    server.wait_for_connections(0);
    let gone = Client::welcomed(&server.ws());
    gone.cut();
    server.wait_for_connections(0);
    assert_eq!(server.stats(), json!({ "total": 0, "by_channel": {} }));
}
