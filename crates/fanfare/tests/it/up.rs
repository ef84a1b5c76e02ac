//! `fanfare up`: what one process with all parts has beside them.

use std::time::Duration;

use serde_json::json;
use test_kit::http;
use test_kit::{Certificate, Client, Launch};

use crate::stack::{Person, Stack, directory, eventually};

fn up() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_fanfare")).arg("up").env("FANFARE_DATA", directory())
}

#[test]
fn every_path_of_the_table_is_there() {
    let server = up().start();
    for (path, status) in [
        ("/", 200),
        ("/playground", 200),
        ("/ws", 426),
        ("/health", 200),
        ("/healthz", 200),
        ("/stats", 200),
        ("/channels", 200),
        ("/users/7/connections", 200),
        ("/metrics", 200),
        ("/.well-known/jwks.json", 200),
        ("/users/me", 401),
        ("/jobs", 401),
        ("/payments", 401),
        ("/wallet", 401),
        ("/api/chat/conversations", 401),
        ("/hooks/chat", 405),
        ("/api/notifications", 401),
        ("/api/notifications/trace", 401),
        ("/api/fcm/device-list", 401),
        ("/hooks/notifications", 405),
        ("/hooks/deliveries", 405),
        ("/feeds/notifications", 200),
        ("/nowhere", 404),
        ("/jobs/1/nowhere", 404),
    ] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
    let head = http::request(server.address(), "HEAD", "/.well-known/jwks.json", &[], None);
    assert_eq!((head.status, head.body.len()), (200, 0));
    for service in ["user-service", "job-service", "payment-service", "chat-service", "notification-service"]
    {
        let at = |path: &str| server.get(&format!("/svc/{service}/{path}"));
        let health = at("health").json();
        assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!(service)), "{health}");
        assert!(at("metrics").text().contains("fanfare_relay_backlog"), "{service}");
        let description = at("openapi.json").json();
        let paths = description["paths"].as_object().expect("paths");
        let operations = paths.values().filter_map(|path| path.as_object()).flatten();
        let answers: Vec<_> =
            operations.filter_map(|(_, operation)| operation["responses"].as_object()).flatten().collect();
        assert!(answers.len() > 10, "{service}");
        for (status, answer) in answers {
            let told = answer["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(told || answer.get("$ref").is_some(), "{service}: {status} has no description: {answer}");
        }
        assert_eq!(at("docs").status, 303);
        assert!(at("docs/").text().contains("swagger"), "{service}");
    }
}

#[test]
fn a_page_may_call_the_services_as_it_may_call_the_hub() {
    let server = up().env("CORS_ALLOWED_ORIGINS", "https://app.example.com").start();
    let origin = ("origin", "https://app.example.com");
    for (method, path) in [("GET", "/jobs"), ("GET", "/health"), ("GET", "/nowhere")] {
        let answer = http::request(server.address(), method, path, &[origin], None);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin.1), "{path}");
    }
    let preflight = [
        origin,
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "authorization"),
    ];
    let answer = http::request(server.address(), "OPTIONS", "/users/me", &preflight, None);
    assert_eq!(answer.status, 204);
    assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("PATCH")));
    let stranger =
        http::request(server.address(), "GET", "/jobs", &[("origin", "https://evil.example")], None);
    assert_eq!(stranger.header("access-control-allow-origin"), None);
}

#[test]
fn what_was_committed_is_there_after_a_restart_and_its_events_too() {
    let data = directory();
    let launch = || Launch::new(env!("CARGO_BIN_EXE_fanfare")).arg("up").env("FANFARE_DATA", &data);
    let server = launch().start();
    let body = json!({"email": "erin@example.com", "password": "correct horse", "name": "Erin", "user_type": "employer"});
    let answer = server.post("/auth/register", &body);
    let erin = Person::of(&answer.json(), "erin@example.com".to_owned());
    drop(server);
    let server = launch().start();
    let bearer = format!("Bearer {}", erin.token);
    let me = http::get(server.address(), "/users/me", &[("authorization", &bearer)]);
    assert_eq!((me.status, &me.json()["user_id"]), (200, &json!(erin.id)));
    // The token of before opens a socket as well: the keys are the same.
    let mut client = Client::dial(&server.ws()).bearer(&erin.token).welcomed();
    client.subscribe(&["payments"]);
}

#[test]
fn the_demo_makes_users_and_jobs_once_and_tells_their_passwords() {
    let data = directory();
    let launch =
        || Launch::new(env!("CARGO_BIN_EXE_fanfare")).arg("up").arg("--demo").env("FANFARE_DATA", &data);
    let server = launch().start();
    eventually("the demo is told", || server.log().contains("walt@demo.example"));
    let log = server.log();
    let line = log.lines().find(|line| line.contains("erin@demo.example")).expect("a line");
    let password = line.split_whitespace().last().expect("a password").to_owned();
    let login = server.post("/auth/login", &json!({"email": "erin@demo.example", "password": password}));
    assert_eq!(login.status, 200, "{}", login.text());
    let bearer = format!("Bearer {}", login.json()["access_token"].as_str().expect("a token"));
    let jobs = || http::get(server.address(), "/jobs", &[("authorization", &bearer)]).json()["items"].clone();
    eventually("the jobs are there", || jobs().as_array().is_some_and(|jobs| jobs.len() == 4));
    drop(server);
    let again = launch().start();
    eventually("it says that they are there", || again.log().contains("there already"));
    assert!(!again.log().contains(&password));
}

#[test]
fn a_demo_is_refused_where_others_could_reach_it() {
    let refused = up().arg("--demo").env("HOST", "0.0.0.0").run();
    assert!(refused.code == Some(2) && refused.stderr.contains("--demo"), "{refused:?}");
}

#[test]
fn the_keyless_rule_holds_beside_the_services_key() {
    let server = up().start();
    assert_eq!(server.broadcast(&json!({"type": "x"}))["recipients"], 0, "this machine may publish");
    let forwarded = [("x-forwarded-for", "203.0.113.9"), ("content-type", "application/json")];
    let answer = http::request(server.address(), "POST", "/broadcast", &forwarded, Some(b"{\"type\":\"x\"}"));
    assert_eq!(answer.status, 403);
}

#[test]
fn with_tls_on_the_main_port_the_parts_still_find_each_other() {
    let certificate = Certificate::generate();
    let launch = up().env("TLS_CERT_FILE", certificate.certificate_file());
    let server = launch.env("TLS_KEY_FILE", certificate.key_file()).start();
    let body = json!({"email": "erin@example.com", "password": "correct horse", "name": "Erin", "user_type": "employer"});
    let json = ("content-type", "application/json");
    let text = body.to_string();
    let call = |method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>| {
        http::request_tls(server.address(), &certificate, method, path, headers, body)
    };
    let answer = call("POST", "/auth/register", &[json], Some(text.as_bytes()));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let erin = Person::of(&answer.json(), String::new());
    let bearer = format!("Bearer {}", erin.token);
    let job = json!({"title": "x", "pay_amount_usd": 1, "job_type": "other"}).to_string();
    // Again where the payment service was not heard in time.
    eventually("a job is posted", || {
        let answer = call("POST", "/jobs", &[json, ("authorization", &bearer)], Some(job.as_bytes()));
        let is_unheard = answer.status == 503 && answer.problem_code() == "payment_unavailable";
        assert!(answer.status == 201 || is_unheard, "{}", answer.text());
        !is_unheard
    });
    eventually("its event has been relayed", || {
        call("GET", "/svc/job-service/health", &[], None).json()["relay"]["backlog"] == 0
    });
}

#[test]
fn it_stops_in_order_and_soon() {
    let stack = Stack::up(|launch| launch);
    let erin = stack.register("erin", "employer");
    let mut client = stack.connect(&erin);
    stack.hub.terminate();
    let (_, code, reason) = client.collect_until_close(Duration::from_secs(20));
    assert_eq!(code, 1001, "{reason}");
    assert_eq!(stack.hub.exit_code(), Some(0));
    assert!(stack.try_call("GET", "/users/me", &[], None).is_none());
}

#[test]
fn after_an_orderly_stop_the_files_are_whole_and_can_be_copied() {
    let data = directory();
    let launch = || Launch::new(env!("CARGO_BIN_EXE_fanfare")).arg("up").env("FANFARE_DATA", &data);
    let mut server = launch().start();
    let body = json!({"email": "erin@example.com", "password": "correct horse", "name": "Erin", "user_type": "employer"});
    assert_eq!(server.post("/auth/register", &body).status, 201);
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    let files = std::fs::read_dir(&data).expect("the directory").flatten();
    let mut names: Vec<String> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "chat-service.db",
            "hub.db",
            "hub.lock",
            "job-service.db",
            "notification-service.db",
            "payment-service.db",
            "user-service.db"
        ]
    );
}

#[test]
fn a_wrong_setting_stops_the_start_with_one_line() {
    for (name, value) in [
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "sqlite:/tmp/one-for-all.db"),
        ("DEMO_BALANCE_USD", "lots"),
        ("PAYMENTS_CHANNEL", "maybe"),
        ("KEY_ROTATION", "1s"),
        ("SERVICE_API_KEY", "short"),
        ("SERVICE_API_KEY", "        "),
        ("JWKS_URL", "http://127.0.0.1:9/keys"),
        ("NOTIFICATION_RULES", "/nowhere/rules.toml"),
        ("NOTIFICATION_RETENTION", "1s"),
        ("PUSH_DELAY", "soon"),
    ] {
        let refused = up().env(name, value).run();
        assert_eq!(refused.code, Some(2), "{name}: {refused:?}");
        assert!(refused.stderr.lines().count() == 1 && refused.stderr.contains(name), "{refused:?}");
    }
}

#[test]
fn a_trace_follows_an_event_from_the_request_through_the_relay_into_the_publication() {
    let server = up().env("LOG_FORMAT", "json").start();
    let body = json!({"email": "erin@example.com", "password": "correct horse", "name": "Erin", "user_type": "employer"});
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let answer = http::post_json(server.address(), "/auth/register", &[("traceparent", &parent)], &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let line_of = |message: &str| {
        let found = server.log();
        found.lines().any(|line| line.contains(trace) && line.contains(message) && line.starts_with('{'))
    };
    for message in ["answered", "relayed", "broadcasted 'user_registered'"] {
        eventually(&format!("the trace is in the line {message:?}"), || line_of(message));
    }
}

#[test]
fn a_service_of_its_own_does_not_start_with_a_wrong_setting_either() {
    for (service, name, value) in [
        ("payment-service", "SERVICE_API_KEY", "short"),
        ("payment-service", "SERVICE_API_KEY", ""),
        ("user-service", "DATABASE_URL", "mysql://x"),
        ("job-service", "PAYMENT_SERVICE_URL", "payments"),
        ("job-service", "CORS_ALLOWED_ORIGINS", "no origin"),
        ("chat-service", "CHAT_RATE_LIMIT", "many"),
        ("notification-service", "NOTIFICATION_RULES", "/nowhere/rules.toml"),
    ] {
        let refused = Launch::of(service).env("FANFARE_DATA", directory()).env(name, value).run();
        assert_eq!(refused.code, Some(2), "{service} {name}: {refused:?}");
        assert!(refused.stderr.lines().count() == 1 && refused.stderr.contains(name), "{refused:?}");
    }
    let production =
        Launch::of("job-service").env("FANFARE_ENV", "production").env("JWT_SECRET", "short").run();
    assert!(production.code == Some(2) && production.stderr.contains("JWT_SECRET"), "{production:?}");
    let checked = Launch::of("job-service").arg("--check").run();
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn how_long_tokens_last_can_be_set() {
    let server = up().env("ACCESS_TOKEN_TTL", "7s").start();
    let body =
        json!({"email": "short@example.com", "password": "long enough", "name": "S", "user_type": "worker"});
    let answer = http::post_json(server.address(), "/auth/register", &[], &body).json();
    assert_eq!(answer["expires_in"], 7, "{answer}");
    for (name, value) in [("ACCESS_TOKEN_TTL", "4s"), ("REFRESH_TOKEN_TTL", "366d")] {
        let refused = up().env(name, value).run();
        assert!(refused.code == Some(2) && refused.stderr.contains(name), "{refused:?}");
    }
}
