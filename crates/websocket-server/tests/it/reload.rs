//! Reading the configuration again at SIGHUP: what holds from then on, what stays, and that nobody is disconnected.
//!
//! Not here: how files and variables are read (service-kit's own tests), and what rules say (the engine's).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use serde_json::{Value, json};
use test_kit::http::{post_json, request};
use test_kit::tls::Certificate;
use test_kit::wait::PATIENCE;
use test_kit::{Client, Directory, Follower, Launch, Server, Signer, eventually};

use super::events::open as open_events;
use super::socketio::Ws;
use super::tasks::token;
use super::{SECRET, launch, with_token};

const RELOADS: &str = "fanfare_config_reloads_total";

/// Files of a configuration that a test changes.
struct Files {
    directory: Directory,
    rules: std::path::PathBuf,
    environment: std::path::PathBuf,
}

impl Files {
    fn new(rules: &str, environment: &str) -> Self {
        let directory = Directory::new();
        let (rules, environment) =
            (directory.write("fanfare.toml", rules), directory.write("env", environment));
        Self { directory, rules, environment }
    }

    fn launch(&self) -> Launch {
        launch().env("FANFARE_CONFIG", &self.rules).env("FANFARE_ENV_FILE", &self.environment)
    }
}

fn outcomes(server: &Server, outcome: &str) -> f64 {
    server.metric(RELOADS, &[&format!("outcome=\"{outcome}\"")]).expect("the counter is there from the begin")
}

/// Sends SIGHUP, and waits until the configuration was read again.
#[track_caller]
fn reload(server: &Server, outcome: &str) {
    let before = outcomes(server, outcome);
    server.hang_up();
    eventually(PATIENCE, || outcomes(server, outcome) > before);
}

fn rewrite(path: &Path, text: &str) {
    fs::write(path, text).expect("the file is written");
}

#[test]
fn connections_of_every_world_stay_open_over_twenty_reloads_under_load() {
    let files = Files::new("", &format!("JWT_SECRET={SECRET}\nFANFARE_API_KEYS=\n"));
    let mut server = files.launch().start();
    let (mut follower, mut ws) = (Follower::new(), Client::welcomed(&with_token(&server, &token(7))));
    follower.subscribe(&mut ws, &["jobs"]);
    let mut board = Client::connect(&server.ws_at(&format!("/?token={}", token(7))));
    super::dashboard::subscribe(&mut board, json!({ "userId": 7 }));
    let mut tasks = Client::connect(&server.ws_at(&format!("/ws/notifications/?token={}", token(7))));
    tasks.expect_type("connection_established");
    let mut receipts = Client::connect(&server.ws_at("/ws/receipts"));
    let (mut socketio, _) = Ws::connected(&server, &["/notifications"]);
    let mut events = open_events(&server, "?channels=jobs");
    events.expect("connected");
    events.expect("subscribed");
    server.wait_for_connections(6);

    let (is_over, mut sent) = (AtomicBool::new(false), 0);
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                number += 1;
                server.broadcast(
                    &json!({ "type": "notification", "user_id": 7, "channels": ["jobs", "receipts"],
                                          "data": { "n": number } }),
                );
            }
            number
        });
        for turn in 0..20 {
            let rule = format!("[[channels]]\npattern = \"r{turn}:*\"\nsubscribe = \"nobody\"\n");
            rewrite(&files.rules, &rule);
            let text = format!(
                "JWT_SECRET={SECRET}\nWS_RATE_LIMIT={}\nMAX_CONNECTIONS_PER_USER={}\n",
                100 + turn,
                10 + turn
            );
            rewrite(&files.environment, &text);
            reload(&server, "applied");
        }
        is_over.store(true, Ordering::Relaxed);
        sent = publisher.join().expect("each publication is taken");
    });
    assert_eq!((outcomes(&server, "applied"), outcomes(&server, "refused")), (20.0, 0.0));

    // Each has every event, in order, on the connection that it had.
    for n in 1..=sent {
        assert_eq!(ws.expect_type("notification")["data"]["n"], n);
        assert_eq!(board.expect_type("notification")["n"], n);
        assert_eq!(tasks.expect_type("notification")["n"], n);
        assert_eq!(receipts.expect_type("notification")["n"], n);
        assert_eq!(events.expect("notification")["data"]["n"], n);
        let packet = socketio.text();
        assert!(
            packet.starts_with(&format!("42/notifications,[\"notification\",{{\"n\":{n},")),
            "{n}: {packet}"
        );
    }
    assert_eq!(ws.ping_barrier(), Vec::<Value>::new());
    assert_eq!(server.stats()["total"], 6);
    assert!(server.is_running() && !server.log().contains(SECRET));
    drop(files.directory);
}

#[test]
fn subscriptions_that_new_rules_forbid_end_with_an_error_and_all_others_go_on() {
    let files = Files::new("", &format!("JWT_SECRET={SECRET}\n"));
    let server = files.launch().start();
    let worker = Signer::hs256(SECRET).user_of_type(7, "worker");
    let employer = Signer::hs256(SECRET).user_of_type(8, "employer");
    let mut loser = Client::welcomed(&with_token(&server, &worker));
    loser.subscribe(&["orders:1", "jobs", "queue:9"]);
    let mut keeper = Client::welcomed(&with_token(&server, &employer));
    keeper.subscribe(&["orders:1", "jobs"]);
    let mut board = Client::connect(&server.ws_at(&format!("/?token={worker}")));
    super::dashboard::subscribe(&mut board, json!({ "userId": 7, "queueId": "9" }));
    let mut receipts = Client::connect(&server.ws_at("/ws/receipts"));
    let (mut socketio, _) = Ws::connected(&server, &["/orders"]);
    socketio.send("42/orders,1[\"subscribe\",{\"channels\":[\"orders:1\"]}]");
    assert!(socketio.text().starts_with("43/orders,1"), "the acknowledgement");
    let mut events = open_events(&server, "?channels=orders:1,jobs");
    events.expect("connected");
    events.expect("subscribed");

    rewrite(
        &files.rules,
        "[[channels]]\npattern = \"orders:*\"\nsubscribe = { user_type = [\"employer\"] }\n\
         [[channels]]\npattern = \"queue:*\"\nsubscribe = \"nobody\"\n\
         [[channels]]\npattern = \"receipts\"\nsubscribe = \"nobody\"\n",
    );
    reload(&server, "applied");
    server.wait_for_log("changed=\"channel rules\"");

    let lost: Vec<Value> =
        (0..2).map(|_| loser.expect_error("forbidden")["data"]["channel"].clone()).collect();
    assert!(lost.contains(&json!("orders:1")) && lost.contains(&json!("queue:9")), "{lost:?}");
    let told = board.expect_type("error").to_string();
    assert!(told.contains("queueId 9") && told.contains("no longer"), "{told}");
    let told = socketio.text();
    assert!(
        told.starts_with("42/orders,[\"error\",{") && told.contains("\"channel\":\"orders:1\""),
        "{told}"
    );
    assert_eq!(events.expect("error")["data"]["channel"], "orders:1");
    assert_eq!(receipts.expect_close().0, 4001, "an endpoint that is for this channel alone");

    let recipients =
        |event: &Value| server.broadcast(event)["recipients"].as_u64().expect("a number of connections");
    assert_eq!(recipients(&json!({ "type": "order", "channel": "orders:1" })), 1, "only the employer's");
    assert_eq!(recipients(&json!({ "type": "x", "queue_id": "9" })), 0);
    assert_eq!(recipients(&json!({ "type": "job", "channel": "jobs" })), 3);
    keeper.expect_type("order");
    for client in [&mut loser, &mut keeper] {
        client.expect_type("job");
    }
    // What is asked for now is answered by the new rules, and rules that come back let it in again.
    loser.send_json(&json!({ "type": "subscribe", "channels": ["orders:1"] }));
    loser.expect_error("forbidden");
    rewrite(&files.rules, "");
    reload(&server, "applied");
    loser.subscribe(&["orders:1"]);
    assert_eq!(recipients(&json!({ "type": "order", "channel": "orders:1" })), 2);
}

#[test]
fn a_wrong_configuration_is_one_line_with_its_place_and_changes_nothing() {
    let rules = "[[channels]]\npattern = \"closed\"\nsubscribe = \"nobody\"\n";
    let files = Files::new(rules, "MAX_BODY=2000\nFANFARE_API_KEYS=shop:the-first-key\n");
    let server = files.launch().start();
    let started = server.metric("fanfare_config_last_reload_timestamp_seconds", &[]).expect("the gauge");
    let mut client = Client::welcomed(&server.ws());
    let publish = |key: &str, length: usize| {
        let bearer = format!("Bearer {key}");
        let body = json!({ "type": "x", "channel": "elsewhere", "data": "y".repeat(length) });
        post_json(server.address(), "/broadcast", &[("authorization", &bearer)], &body).status
    };
    let is_as_before = |client: &mut Client| {
        client.send_json(&json!({ "type": "subscribe", "channels": ["closed"] }));
        client.expect_error("forbidden");
        assert_eq!((publish("the-first-key", 1_000), publish("the-first-key", 3_000)), (200, 413));
        assert_eq!(publish("the-second-key", 1), 401);
    };
    is_as_before(&mut client);
    // All the rest of each is right and new, and none of it holds.
    let new_environment = "MAX_BODY=10000\nFANFARE_API_KEYS=shop:the-second-key\n";
    let (toml, env) = (files.rules.display(), files.environment.display());
    for (rules, environment, line) in [
        (
            "\n[[channels]]\npattern = \"x\"\nsubscribe = \"everybody\"\n",
            new_environment,
            format!("FANFARE_CONFIG: {toml}:4: "),
        ),
        ("[[channels]\n", new_environment, format!("FANFARE_CONFIG: {toml}:1: ")),
        (
            "",
            "FANFARE_API_KEYS=shop:the-second-key\nMAX_BODY=hunter2\n",
            format!("FANFARE_ENV_FILE: {env}:2: MAX_BODY: "),
        ),
        (
            "",
            "MAX_BODY=10000\nFANFARE_API_KEYS=shop:hunter2,shop:hunter2-again\n",
            format!("FANFARE_ENV_FILE: {env}:2: FANFARE_API_KEYS: "),
        ),
        ("", "FANFARE_API_KEYS_FILE=/no/such/file\n", "FANFARE_API_KEYS_FILE: /no/such/file: ".to_owned()),
        (
            "",
            "FANFARE_API_KEYS=shop:the-second-key\nFANFARE_API_KEYS_FILE=/no/such/file\n",
            "FANFARE_API_KEYS_FILE".to_owned(),
        ),
        ("", "FANFARE_ENV=production\n", "FANFARE_ENV: production needs a JWT key".to_owned()),
    ] {
        rewrite(&files.rules, rules);
        rewrite(&files.environment, environment);
        let told = || -> Vec<String> {
            let log = server.log();
            log.lines().filter(|line| line.contains("refused, nothing changed")).map(str::to_owned).collect()
        };
        let before = told().len();
        reload(&server, "refused");
        // The line and the counter come by different ways.
        eventually(PATIENCE, || told().len() > before);
        let told = told();
        assert_eq!(told.len(), before + 1, "one line: {told:#?}");
        assert!(told[before].contains(&line), "{line} in {}", told[before]);
        is_as_before(&mut client);
    }
    assert_eq!(outcomes(&server, "applied"), 0.0);
    let last = server.metric("fanfare_config_last_reload_timestamp_seconds", &[]).expect("the gauge");
    assert!((last - started).abs() < f64::EPSILON, "that in force is the first");
    assert!(!server.log().contains("hunter2-again") && !server.log().contains("the-second-key"));

    rewrite(&files.rules, "");
    rewrite(&files.environment, new_environment);
    reload(&server, "applied");
    client.subscribe(&["closed"]);
    assert_eq!((publish("the-second-key", 3_000), publish("the-first-key", 1)), (200, 401));
    let last = server.metric("fanfare_config_last_reload_timestamp_seconds", &[]).expect("the gauge");
    assert!(last > started);
    server.wait_for_log("changed=\"channel rules, API keys, MAX_BODY\"");
}

#[test]
fn keys_in_files_are_rotated_without_a_gap() {
    let directory = Directory::new();
    let keys = directory.write("keys", "shop:the-first-key\n");
    let secret = directory.write("secret", SECRET);
    let server = launch()
        .env("FANFARE_API_KEYS_FILE", &keys)
        .env("JWT_SECRET_FILE", &secret)
        .env("WS_AUTH", "required")
        .start();
    let publish = |key: &str| {
        let bearer = format!("Bearer {key}");
        post_json(server.address(), "/broadcast", &[("authorization", &bearer)], &json!({ "type": "x" }))
            .status
    };
    let mut client = Client::welcomed(&with_token(&server, &token(7)));
    assert_eq!((publish("the-first-key"), publish("the-second-key")), (200, 401));
    rewrite(&keys, "shop:the-first-key,shop-2:the-second-key\n");
    reload(&server, "applied");
    assert_eq!(
        (publish("the-first-key"), publish("the-second-key")),
        (200, 200),
        "both, while publishers change"
    );
    let other = "another-secret-of-the-tests-with-more-than-32-bytes";
    rewrite(&keys, "shop-2:the-second-key\n");
    rewrite(&secret, other);
    reload(&server, "applied");
    assert_eq!((publish("the-first-key"), publish("the-second-key")), (401, 200));
    // A connection stays until its token ends; new ones need a token by the new secret.
    for _ in 0..4 {
        client.expect_type("x");
    }
    assert_eq!(Client::connect(&with_token(&server, &token(7))).expect_close().0, 4001);
    let _welcomed = Client::welcomed(&with_token(&server, &Signer::hs256(other).user(7)));
    // A file that is gone is no reason to have no keys.
    fs::remove_file(&keys).expect("the file was there");
    reload(&server, "refused");
    assert_eq!(publish("the-second-key"), 200);
    let log = server.log();
    for hidden in ["the-first-key", "the-second-key", SECRET, other] {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
}

#[test]
fn limits_origins_and_the_log_follow_the_environment_file_and_what_can_not_is_named() {
    let files = Files::new("", "RUST_LOG=warn\nMAX_CONNECTIONS=3\n");
    let server = files.launch().start();
    let mut client = Client::welcomed(&server.ws());
    let origin = "https://app.example.com";
    assert!(Client::dial(&server.ws()).origin(origin).attempt().is_err());
    server.broadcast(&json!({ "type": "before", "channel": "elsewhere" }));
    rewrite(
        &files.environment,
        &format!(
            "RUST_LOG=info\nMAX_CONNECTIONS=2\nWS_RATE_LIMIT=5\nMAX_CHANNELS=1\nCORS_ALLOWED_ORIGINS={origin}\nPORT=1\nPING_INTERVAL=20s\n"
        ),
    );
    reload(&server, "applied");
    let changed = server.wait_for_log("the configuration was read again");
    for name in ["RUST_LOG", "MAX_CONNECTIONS", "WS_RATE_LIMIT", "MAX_CHANNELS", "CORS_ALLOWED_ORIGINS"] {
        assert!(changed.contains(name), "{name} in {changed}");
    }
    let restart = server.wait_for_log("each needs a restart");
    assert!(restart.contains("settings=\"HOST, PORT, PING_INTERVAL\""), "{restart}");
    server.broadcast(&json!({ "type": "after", "channel": "elsewhere" }));
    server.wait_for_log("broadcasted 'after'");
    assert!(!server.log().contains("broadcasted 'before'"), "that was below the level of then");

    let page = Client::dial(&server.ws()).origin(origin).attempt().expect("a listed origin");
    let one_more = Client::dial(&server.ws()).attempt().expect_err("the third of two");
    assert_eq!(one_more.status, 503);
    drop(page);
    let answer = request(
        server.address(),
        "OPTIONS",
        "/broadcast",
        &[("origin", origin), ("access-control-request-method", "POST")],
        None,
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "CORS too");
    client.send_json(&json!({ "type": "subscribe", "channels": ["a", "b"] }));
    client.expect_error("too_many_channels");
    for _ in 0..5 {
        client.send_json(&json!({ "type": "ping" }));
    }
    let (_, code, _) = client.collect_until_close(PATIENCE);
    assert_eq!(code, 4008, "the sixth frame of a connection that was there");
}

#[test]
fn a_renewed_certificate_is_used_at_once_and_connections_stay() {
    let (first, second) = (Certificate::generate(), Certificate::generate());
    let directory = Directory::new();
    let (certificate, key) = (directory.write("cert.pem", ""), directory.write("key.pem", ""));
    let install = |certificate_of: &Certificate, key_of: &Certificate| {
        fs::copy(certificate_of.certificate_file(), &certificate).expect("copied");
        fs::copy(key_of.key_file(), &key).expect("copied");
    };
    install(&first, &first);
    let server = launch().env("TLS_CERT_FILE", &certificate).env("TLS_KEY_FILE", &key).start();
    let metric = |trusted: &Certificate, outcome: &str| {
        let answer = test_kit::http::request_tls(server.address(), trusted, "GET", "/metrics", &[], None);
        let series = format!("{RELOADS}{{outcome=\"{outcome}\"}} ");
        answer.text().lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned)
    };
    let mut client = Client::dial(&server.ws()).trust(&first).welcomed();
    install(&second, &first);
    server.hang_up();
    eventually(PATIENCE, || metric(&first, "refused").as_deref() == Some("1"));
    server.wait_for_log("TLS_CERT_FILE and TLS_KEY_FILE do not belong together");
    install(&second, &second);
    server.hang_up();
    eventually(PATIENCE, || {
        Client::dial(&server.ws()).trust(&second).try_connect().is_some()
            && metric(&second, "applied").as_deref() == Some("1")
    });
    assert_eq!(client.ping_barrier(), Vec::<Value>::new());
}

#[test]
fn secrets_in_files_are_read_at_the_start_and_what_is_wrong_is_one_line() {
    let directory = Directory::new();
    let key = directory.write("key", "shop:hunter2-hunter2\n");
    let text = |finished: &test_kit::Finished| finished.stderr.trim().to_owned();
    let both =
        launch().env("FANFARE_API_KEYS", "shop:hunter2-hunter2").env("FANFARE_API_KEYS_FILE", &key).run();
    assert_eq!(both.code, Some(2));
    assert_eq!(
        text(&both),
        "websocket-server: FANFARE_API_KEYS: it is set, and so is FANFARE_API_KEYS_FILE; leave one of them unset"
    );
    let missing = launch().env("JWT_SECRET_FILE", "/no/such/file").run();
    assert_eq!(
        (missing.code, text(&missing)),
        (
            Some(2),
            "websocket-server: JWT_SECRET_FILE: /no/such/file: it can't be read (there is no such file)"
                .to_owned()
        )
    );
    let checked = launch().env("FANFARE_API_KEYS_FILE", &key).arg("--check").run();
    assert!(checked.code == Some(0) && !checked.stdout.contains("hunter2"), "{checked:?}");
    // Written for everyone, as most files are.
    assert!(checked.stdout.contains("can be read by every user of this machine"), "{checked:?}");
}
