//! Endpoints as the configuration file has them: the built-in ones changed, further ones, ones that are off; what they
//! are told in metrics; and the golden frames of the flat worlds on real sockets.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use test_kit::wait::PATIENCE;
use test_kit::{Client, Fixture, Frame, Launch, RawClient, Server, Signer, eventually};

use super::dashboard::{broadcast_text, id_of, own_port, shape, subscribe, text};
use super::{SECRET, TextFile, launch};

fn with_file(launch: &Launch, tables: &str) -> (Server, TextFile) {
    let file = TextFile::new("fanfare.toml", tables);
    (launch.clone().env("FANFARE_CONFIG", file.path()).start(), file)
}

fn with_users() -> Launch {
    launch().env("JWT_SECRET", SECRET)
}

fn token(user: impl Into<Value>) -> String {
    Signer::hs256(SECRET).user(user)
}

/// A case of the golden file; texts, so that the members keep their order.
#[derive(Deserialize)]
struct Golden<'g> {
    dialect: &'g str,
    #[serde(borrow)]
    publication: &'g RawValue,
    frame: String,
}

#[test]
fn the_golden_frames_of_the_flat_worlds_are_what_clients_get() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/fixtures/flat.json");
    let golden = std::fs::read_to_string(golden).expect("the fixture");
    let cases: Vec<Golden<'_>> = serde_json::from_str(&golden).expect("JSON");
    let server = with_users().env("DASHBOARD_PORT", "0").env("RECEIPTS_PORT", "0").start();
    let (seven, eight) = (token(7), token(8));
    let mut boards = [
        Client::connect(&server.ws_at(&format!("/?token={seven}"))),
        Client::connect(&format!("ws://{}/?token={seven}", own_port(&server, "dashboard"))),
    ];
    for board in &mut boards {
        subscribe(board, json!({ "userId": 7 }));
    }
    let mut tasks = [Client::connect(&server.ws_at(&format!("/ws/notifications/?token={eight}")))];
    tasks[0].expect_type("connection_established");
    let mut receipts = [
        Client::connect(&server.ws_at("/ws/receipts")),
        Client::connect(&format!("ws://{}/", own_port(&server, "receipts"))),
    ];
    server.wait_for_connections(5);
    for case in &cases {
        let (target, clients): (_, &mut [Client]) = match case.dialect {
            "receipts" => (r#""channel":"receipts""#, &mut receipts),
            "tasks" => (r#""user_id":8"#, &mut tasks),
            "dashboard" => (r#""user_id":"7""#, &mut boards),
            other => panic!("{other}"),
        };
        let body = format!("{{{target},{}", &case.publication.get()[1..]);
        broadcast_text(&server, &body);
        for client in clients {
            assert_eq!(text(client), case.frame);
        }
    }
    for world in ["dashboard", "tasks", "receipts"] {
        assert!(cases.iter().any(|case| case.dialect == world), "{world}");
    }
}

#[test]
fn a_built_in_endpoint_is_changed_by_a_table_with_its_name() {
    let tables = "
[[endpoints]]
name = \"dashboard\"
path = \"/board\"
auth = \"required\"
timestamps = \"seconds\"
connections_per_user = 2
rate = 5
everyone = false
channels = [\"news\"]
";
    let (server, _file) = with_file(&with_users(), tables);
    assert_eq!(Client::dial(&server.ws_at("/")).attempt().expect_err("moved").status, 404);
    assert_eq!(server.get("/").status, 200, "the page stays");
    assert_eq!(server.get("/board").status, 426);
    assert_eq!(Client::connect(&server.ws_at("/board")).expect_close().0, 4001);
    let url = server.ws_at(&format!("/board/?token={}", token(7)));
    let mut client = Client::connect(&url);
    client.send_json(&json!({ "type": "subscribe", "userId": 7 }));
    let answer = client.expect_type("subscribed");
    assert_eq!(shape(answer["timestamp"].as_str().expect("a time")), "0000-00-00T00:00:00Z");
    assert_eq!(server.broadcast(&json!({ "type": "all" }))["recipients"], 0, "not everyone's any more");
    server.broadcast(&json!({ "type": "news", "channel": "news", "timestamp": "2025-11-18T12:30:45.999Z" }));
    assert_eq!(text(&mut client), r#"{"type":"news","timestamp":"2025-11-18T12:30:45Z"}"#);
    let mut second = Client::connect(&url);
    subscribe(&mut second, json!({ "userId": 7 }));
    let mut third = Client::connect(&url);
    third.send_json(&json!({ "type": "subscribe", "userId": 7 }));
    assert_eq!(third.expect_close(), (4029, "Too many connections".to_owned()));
    for _ in 0..4 {
        client.send_json(&json!({ "type": "ping" }));
        client.expect_type("pong");
    }
    client.send_json(&json!({ "type": "ping" }));
    assert_eq!(client.expect_close(), (4029, "Too many requests".to_owned()));
}

#[test]
fn a_further_endpoint_is_a_few_lines() {
    let tables = "
[[endpoints]]
name = \"ops-feed\"
dialect = \"dashboard\"
path = \"/ops/feed\"
port = 0
auth = \"off\"
timestamps = \"microseconds\"
connections_per_user = 0
rate = 0
channels = [\"ops\", \"alerts:high\"]

[[endpoints]]
name = \"exports\"
dialect = \"tasks\"
path = \"/ws/exports\"
cookie = \"export_token\"
connections_per_user = 1

[[endpoints]]
name = \"prices\"
dialect = \"receipts\"
port = 0
channels = [\"prices\"]
everyone = true

[[endpoints]]
name = \"second-ws\"
dialect = \"channels\"
path = \"/ws2\"
auth = \"required\"
rate = 3
";
    let (server, _file) = with_file(&with_users(), tables);
    // Nothing of the built-in ones has changed.
    let mut board = Client::connect(&server.ws_at(&format!("/?token={}", token(7))));
    let answer = {
        board.send_json(&json!({ "type": "subscribe", "userId": 7 }));
        board.expect_type("subscribed")
    };
    assert_eq!(shape(answer["timestamp"].as_str().expect("a time")), super::dashboard::MILLISECONDS);

    let own = own_port(&server, "ops-feed");
    let mut feeds: Vec<Client> = (0..8)
        .map(|n| {
            Client::connect(&if n % 2 == 0 { server.ws_at("/ops/feed") } else { format!("ws://{own}/") })
        })
        .collect();
    for feed in &mut feeds {
        let mut frame = json!({ "userId": 7 });
        frame["type"] = json!("subscribe");
        feed.send_json(&frame);
        let answer = feed.expect_type("subscribed");
        assert_eq!(shape(answer["timestamp"].as_str().expect("a time")), "0000-00-00T00:00:00.000000");
    }
    assert_eq!(
        server.broadcast(&json!({ "type": "x", "channels": ["ops", "alerts:high"], "user_id": 7 }))["recipients"],
        9
    );
    for feed in feeds.iter_mut().chain([&mut board]) {
        feed.expect_type("x");
    }
    for _ in 0..150 {
        feeds[0].send_json(&json!({ "type": "ping" }));
        feeds[0].expect_type("pong");
    }

    let cookie = format!("export_token={}", token(7));
    let dial = || Client::dial(&server.ws_at("/ws/exports/")).header("Cookie", &cookie);
    let mut export = dial().connect();
    assert_eq!(export.expect_type("connection_established")["user_id"], 7);
    assert_eq!(dial().connect().expect_close().0, 4029);
    let wrong = Client::dial(&server.ws_at("/ws/exports"))
        .header("Cookie", &cookie.replace("export", "access"))
        .attempt();
    assert_eq!(wrong.expect_err("another cookie").status, 403);

    let mut prices = Client::connect(&format!("ws://{}/", own_port(&server, "prices")));
    assert_eq!(prices.ping_barrier(), Vec::<Value>::new());
    server
        .broadcast(&json!({ "type": "price", "channel": "prices", "timestamp": "2025-11-18T12:30:45.999Z" }));
    assert_eq!(text(&mut prices), r#"{"type":"price","timestamp":"2025-11-18T12:30:45Z"}"#);
    server.broadcast(&json!({ "type": "receipt", "channel": "receipts" }));
    server.broadcast(&json!({ "type": "for_all" }));
    prices.expect_type("for_all");

    assert_eq!(Client::connect(&server.ws_at("/ws2")).expect_close().0, 4001);
    let mut second = Client::welcomed(&server.ws_at(&format!("/ws2?token={}", token(7))));
    for _ in 0..3 {
        second.send_json(&json!({ "type": "ping" }));
        second.expect_type("pong");
    }
    second.send_json(&json!({ "type": "ping" }));
    assert_eq!(second.expect_close().0, 4008);
    Client::welcomed(&server.ws()).close();

    let labelled = |name: &str| server.metric("fanfare_connections", &[&format!("dialect=\"{name}\"")]);
    // One that was refused is counted until it has gone.
    for (name, count) in [("ops-feed", 8.0), ("dashboard", 1.0), ("exports", 1.0), ("prices", 1.0)] {
        eventually(PATIENCE, || labelled(name) == Some(count));
    }
}

#[test]
fn an_endpoint_may_ping_at_its_own_pace_and_give_up_sooner() {
    let tables = "
[[endpoints]]
name = \"receipts\"
ping_interval = \"1s\"
ping_timeout = \"3s\"
";
    let (server, _file) = with_file(&launch(), tables);
    let begun = Instant::now();
    let mut receipts = RawClient::upgraded(server.address(), "/ws/receipts", &[]);
    let mut board = RawClient::upgraded(server.address(), "/", &[]);
    let mut pings = 0;
    let reason = loop {
        let frame = receipts.next_frame().expect("a Close, not a cut");
        match frame.opcode {
            9 => pings += 1,
            _ => break frame.close_reason(),
        }
    };
    assert_eq!(reason, (4009, "Ping timeout".to_owned()));
    assert!(
        pings >= 1 && begun.elapsed() > Duration::from_secs(2) && begun.elapsed() < Duration::from_secs(30),
        "{pings}, {:?}",
        begun.elapsed()
    );
    board.send(&Frame::new(9, "there?"));
    assert_eq!(board.next_frame().expect("a pong").payload, b"there?");
}

#[test]
fn an_endpoint_may_close_4001_in_place_of_403_and_take_sessions_from_any_page() {
    let sessions = Fixture::answering(&json!({ "user_id": 7 }));
    let tables = format!(
        "[[endpoints]]\nname = \"tasks\"\nauth = \"required\"\n\
         [[endpoints]]\nname = \"dashboard\"\nauth = \"required\"\nsession_check = \"{}\"\n\
         [[endpoints]]\nname = \"open\"\ndialect = \"dashboard\"\npath = \"/open\"\norigins = \"any\"\nauth = \"optional\"\nsession_check = \"{}\"\n",
        sessions.url(),
        sessions.url()
    );
    let (server, _file) = with_file(&with_users(), &tables);
    assert_eq!(
        Client::connect(&server.ws_at("/ws/notifications")).expect_close(),
        (4001, "Unauthorized".to_owned())
    );
    let mut tasks = Client::connect(&server.ws_at(&format!("/ws/notifications?token={}", token(7))));
    tasks.expect_type("connection_established");
    let mut board = Client::dial(&server.ws_at("/")).header("Cookie", "sessionid=x").connect();
    subscribe(&mut board, json!({ "userId": 7 }));
    assert_eq!(Client::connect(&server.ws_at("/")).expect_close().0, 4001);
    // Any page may connect there, but a cookie is still taken from trusted ones alone.
    let foreign = Client::dial(&server.ws_at("/open")).origin("https://evil.example");
    let mut foreign = foreign.header("Cookie", "sessionid=x").connect();
    foreign.send_json(&json!({ "type": "subscribe", "userId": 7 }));
    foreign.expect_type("error");
    assert_eq!(sessions.asked(), 1);
}

#[test]
fn an_endpoint_that_is_off_is_not_there() {
    let tables = ["dashboard", "tasks", "receipts"]
        .map(|name| format!("[[endpoints]]\nname = \"{name}\"\nenabled = false\n"))
        .concat();
    let (server, _file) = with_file(&with_users(), &tables);
    for path in ["/", "/ws/notifications/", "/ws/receipts"] {
        let refused =
            Client::dial(&server.ws_at(&format!("{path}?token={}", token(7)))).attempt().expect_err("off");
        assert_eq!(refused.status, 404, "{path}");
    }
    assert_eq!(server.get("/").status, 200, "the page stays");
    assert_eq!(server.get("/ws/notifications").status, 404);
    Client::welcomed(&server.ws()).close();
    // A port in the environment is off with it.
    let file = TextFile::new("fanfare.toml", &tables);
    let server = with_users().env("FANFARE_CONFIG", file.path()).env("DASHBOARD_PORT", "0").start();
    assert!(!server.log().contains("dashboard on "), "{}", server.log());
}

#[test]
fn a_reconnect_knows_only_connections_of_its_kind_but_any_endpoint_of_it() {
    let tables = "[[endpoints]]\nname = \"other\"\ndialect = \"dashboard\"\npath = \"/other\"\n";
    let (server, _file) = with_file(&launch(), tables);
    let mut client = Client::connect(&server.ws_at("/"));
    let id = subscribe(&mut client, json!({ "userId": "u" }));
    client.cut();
    server.wait_for_connections(0);
    server.broadcast(&json!({ "type": "x", "user_id": "u" }));
    let mut client = Client::connect(&server.ws_at("/other"));
    client.send_json(&json!({ "type": "reconnect", "connectionId": id }));
    assert_ne!(id_of(&client.expect_type("subscribed")), id);
    client.expect_type("x");
}

#[test]
fn a_wrong_table_stops_the_start_with_its_line_and_what_is_wrong() {
    let good = "[[channels]]\npattern = \"x\"\nsubscribe = \"anyone\"\n";
    let cases = [
        ("name = \"\"\ndialect = \"tasks\"\npath = \"/x\"", "name"),
        ("name = \"Über\"\ndialect = \"tasks\"\npath = \"/x\"", "name"),
        ("dialect = \"tasks\"\npath = \"/x\"", "name"),
        ("name = \"x\"\npath = \"/x\"", "dialect"),
        ("name = \"x\"\ndialect = \"smoke\"\npath = \"/x\"", "dialect"),
        ("name = \"x\"\ndialect = \"tasks\"", "neither a path nor a port"),
        ("name = \"x\"\ndialect = \"tasks\"\npath = \"x\"", "path"),
        ("name = \"x\"\ndialect = \"tasks\"\npath = \"/x//y\"", "path"),
        ("name = \"x\"\ndialect = \"tasks\"\npath = \"/x?y\"", "path"),
        ("name = \"x\"\ndialect = \"tasks\"\npath = \"/{x}\"", "path"),
        ("name = \"x\"\ndialect = \"tasks\"\npath = \"/\"", "same path"),
        ("name = \"x\"\ndialect = \"tasks\"\npath = \"/ws\"", "same path"),
        ("name = \"x\"\ndialect = \"tasks\"\npath = \"/ws/notifications/\"", "same path"),
        ("name = \"x\"\ndialect = \"tasks\"\nport = 70000", "port"),
        ("name = \"x\"\ndialect = \"tasks\"\nport = -1", "port"),
        ("name = \"dashboard\"\ndialect = \"tasks\"", "dialect"),
        ("name = \"channels\"\nenabled = false", "channels"),
        ("name = \"channels\"\npath = \"/other\"", "/ws"),
        ("name = \"channels\"\ntimestamps = \"seconds\"", "timestamps"),
        ("name = \"nobody\"\nenabled = false", "nobody"),
        ("name = \"tasks\"\nauth = \"maybe\"", "maybe"),
        ("name = \"tasks\"\norigins = \"some\"", "some"),
        ("name = \"tasks\"\ntimestamps = \"nanoseconds\"", "nanoseconds"),
        ("name = \"tasks\"\ncookie = \"a b\"", "cookie"),
        ("name = \"tasks\"\nsession_check = \"ftp://x/\"", "session_check"),
        ("name = \"tasks\"\nsession_check = \"/me\"", "session_check"),
        ("name = \"tasks\"\nchannels = [\"a b\"]", "channels"),
        ("name = \"tasks\"\nchannels = \"jobs\"", "channels"),
        ("name = \"tasks\"\nrate = -1", "rate"),
        ("name = \"tasks\"\nrate = \"5\"", "rate"),
        ("name = \"tasks\"\nping_interval = \"0s\"", "ping_interval"),
        ("name = \"tasks\"\nping_interval = \"often\"", "ping_interval"),
        ("name = \"tasks\"\nconnections_per_user = 1.5", "connections_per_user"),
        ("name = \"tasks\"\ncolour = \"red\"", "colour"),
        ("name = \"tasks\"\nenabled = \"no\"", "enabled"),
        ("name = \"tasks\"\nname = \"tasks\"", "name"),
    ];
    for (members, word) in cases {
        let file = TextFile::new("fanfare.toml", &format!("{good}[[endpoints]]\n{members}\n"));
        let finished =
            launch().env("JWT_SECRET", SECRET).env("FANFARE_CONFIG", file.path()).arg("--check").run();
        assert_ne!(finished.code, Some(0), "{members} was taken");
        let told = finished.stderr.trim();
        assert_eq!(told.lines().count(), 1, "one line: {told}");
        let line = told
            .split("fanfare.toml:")
            .nth(1)
            .and_then(|rest| rest.split(':').next())
            .and_then(|line| line.parse::<usize>().ok());
        assert!(line.is_some_and(|line| (4..=8).contains(&line)), "{members}: its line: {told}");
        assert!(told.contains("FANFARE_CONFIG") && told.contains(word), "{members}: {told}");
    }
}

#[test]
fn two_tables_that_are_in_each_others_way_stop_the_start() {
    let cases = [
        (
            "name = \"a\"\ndialect = \"tasks\"\npath = \"/x\"",
            "name = \"b\"\ndialect = \"tasks\"\npath = \"/x/\"",
            "same path",
        ),
        (
            "name = \"a\"\ndialect = \"tasks\"\nport = 45678",
            "name = \"b\"\ndialect = \"tasks\"\nport = 45678",
            "same port",
        ),
    ];
    for (first, second, word) in cases {
        let file =
            TextFile::new("fanfare.toml", &format!("[[endpoints]]\n{first}\n[[endpoints]]\n{second}\n"));
        let finished = launch().env("FANFARE_CONFIG", file.path()).arg("--check").run();
        assert_ne!(finished.code, Some(0), "{second} was taken");
        assert!(
            finished.stderr.contains("fanfare.toml:5:") && finished.stderr.contains(word),
            "{}",
            finished.stderr
        );
    }
    // The name of one that is there changes it, once more.
    let twice = "[[endpoints]]\nname = \"a\"\ndialect = \"tasks\"\npath = \"/x\"\n[[endpoints]]\nname = \"a\"\npath = \"/y\"\n";
    let (server, _file) = with_file(&launch(), twice);
    assert_eq!(server.get("/x").status, 404);
    assert_eq!(server.get("/y").status, 426);
}

#[test]
fn a_port_that_is_taken_stops_the_start_and_names_the_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    for name in ["DASHBOARD_PORT", "RECEIPTS_PORT"] {
        let finished = launch().env(name, port.to_string()).run();
        assert_ne!(finished.code, Some(0));
        assert!(finished.stderr.contains(name), "{}", finished.stderr);
    }
}
