//! Notifications in one process: from a job's change to the bell, what the trace tells of the way, and a kill in the middle.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use test_kit::{Client, Finished, Launch, Server, http};

use crate::stack::{Person, SERVICE_KEY, directory, eventually};

fn up(data: &Path) -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_fanfare"))
        .arg("up")
        .env("FANFARE_DATA", data)
        .env("SERVICE_API_KEY", SERVICE_KEY)
}

fn register(server: &Server, name: &str, user_type: &str) -> Person {
    let email = format!("{name}@example.com");
    let body = json!({"email": email, "password": "correct horse", "name": name, "user_type": user_type});
    let answer = server.post("/auth/register", &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    Person::of(&answer.json(), email)
}

/// A call with a token or the service key; its JSON.
#[track_caller]
fn call(server: &Server, token: &str, method: &str, path: &str, body: Option<&Value>) -> Value {
    let bearer = format!("Bearer {token}");
    let text = body.map(Value::to_string);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let ask = || http::request(server.address(), method, path, &headers, text.as_deref().map(str::as_bytes));
    let mut answer = ask();
    // Posting a job is asked for again where the payment service was not heard in time.
    eventually("the payment service is heard", || {
        let is_unheard = |it: &http::Answer| it.status == 503 && it.problem_code() == "payment_unavailable";
        if is_unheard(&answer) {
            answer = ask();
        }
        !is_unheard(&answer)
    });
    assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Runs `fanfare why`.
fn why(server: &Server, user: &str, event: &str, more: &[&str]) -> Finished {
    let args = [&["why", "--user", user, "--event", event], more].concat();
    let launch = args.iter().fold(Launch::new(env!("CARGO_BIN_EXE_fanfare")), |launch, arg| launch.arg(arg));
    launch.env("NOTIFICATION_SERVICE_URL", server.http()).env("SERVICE_API_KEY", SERVICE_KEY).run()
}

/// Follows the own stream with positions, so that events come with their ids.
fn recoverable(server: &Server, who: &Person) -> Client {
    let mut client = Client::dial(&server.ws()).bearer(&who.token).welcomed();
    client.send_json(&json!({"type": "subscribe", "channels": [], "recoverable": true}));
    client.expect_type("subscribed");
    client
}

/// The steps of a trace by their name: of which connections.
fn by_step(trace: &Value) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for step in trace["steps"].as_array().into_iter().flatten() {
        let connection = step["connection_id"].as_str().unwrap_or_default().to_owned();
        found.entry(step["step"].as_str().unwrap_or_default().to_owned()).or_default().push(connection);
    }
    found.values_mut().for_each(|connections| connections.sort());
    found
}

#[test]
fn an_accepted_job_rings_at_its_employers_and_the_trace_tells_how_far_it_came() {
    let server = up(&directory()).start();
    let (erin, wanda) = (register(&server, "erin", "employer"), register(&server, "wanda", "worker"));
    // One that never acknowledges, and one that does.
    let mut plain = Client::dial(&server.ws()).bearer(&erin.token).welcomed();
    let mut shows = recoverable(&server, &erin);
    let job = json!({"title": "Logo", "pay_amount_usd": 500, "job_type": "design"});
    let job = call(&server, &erin.token, "POST", "/jobs", Some(&job))["job_id"].as_i64().expect("an id");
    call(&server, &wanda.token, "POST", &format!("/jobs/{job}/accept"), None);
    let heard = plain.collect_until("notification").last().expect("a frame")["data"].clone();
    assert_eq!((&heard["title"], &heard["unread_count"]), (&json!("Your job was accepted"), &json!(1)));
    assert_eq!((&heard["category"], &heard["data"]["job_id"]), (&json!("jobs"), &json!(job)));
    let event = shows.collect_until("notification").last().expect("a frame").clone();
    assert_eq!(event["data"], heard);
    shows.send_json(&json!({"type": "ack", "ids": [event["id"]]}));
    let path = format!("/api/notifications/{}/trace", heard["id"]);
    let trace = || call(&server, &erin.token, "GET", &path, None);
    let mut both = vec![plain.connection_id().to_owned(), shows.connection_id().to_owned()];
    both.sort();
    eventually("the trace tells of both connections", || {
        // Who reads answers the hub's ping.
        plain.read_for(std::time::Duration::from_millis(50));
        shows.read_for(std::time::Duration::from_millis(50));
        let steps = by_step(&trace());
        let seen = steps.get("seen").is_some_and(|seen| *seen == [shows.connection_id()]);
        seen && steps.get("delivered") == Some(&both) && steps.get("sent") == Some(&both)
    });
    let told = trace();
    assert_eq!(
        (&told["steps"][0]["step"], &told["steps"][0]["rule"]),
        (&json!("accepted"), &json!("job_accepted"))
    );
    assert_eq!((&told["event_id"], &told["connections"]), (&event["id"], &json!(2)));
    let source = told["source_event_id"].as_str().expect("the event that it was made from").to_owned();
    let verdict = told["verdict"].as_str().expect("a verdict");
    assert!(verdict.starts_with(&format!("It was shown to user {} at ", erin.id)), "{verdict}");
    // The same from the shell, by the event that it was made from, and for somebody whom it does not concern.
    let done = why(&server, &erin.id.to_string(), &source, &[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.starts_with(verdict) && done.stdout.contains(&both[0]), "{}", done.stdout);
    let json = why(&server, &erin.id.to_string(), event["id"].as_str().expect("an id"), &["--json"]);
    let answer: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(answer["notifications"][0]["notification_id"], heard["id"]);
    let other = why(&server, &wanda.id.to_string(), &source, &[]);
    assert!(other.code == Some(0) && other.stdout.contains("is not among them"), "{other:?}");
    // She reads it: both hear of it, and the verdict changes.
    call(&server, &erin.token, "PUT", &format!("/api/notifications/{}/read", heard["id"]), None);
    let read = plain.collect_until("notification_read").last().expect("a frame")["data"].clone();
    assert_eq!((&read["notification_id"], &read["unread_count"]), (&heard["id"], &json!(0)));
    let verdict = trace()["verdict"].as_str().expect("a verdict").to_owned();
    assert!(verdict.starts_with(&format!("User {} read it at ", erin.id)), "{verdict}");
}

#[test]
fn an_upload_that_somebody_publishes_becomes_a_notification_of_its_user() {
    let server = up(&directory()).start();
    let anna = register(&server, "anna", "worker");
    let mut client = Client::dial(&server.ws()).bearer(&anna.token).welcomed();
    let event = json!({
        "type": "oracle_upload_failed", "user_id": anna.id,
        "data": {"transaction_id": 602, "message": "Step 3 failed", "error": "no <b>route</b>"}
    });
    let published = call(&server, SERVICE_KEY, "POST", "/broadcast", Some(&event));
    let heard = client.collect_until("notification").last().expect("a frame")["data"].clone();
    assert_eq!(heard["message"], "Step 3 failed (no <b>route</b>)");
    assert_eq!((&heard["category"], &heard["priority"]), (&json!("uploads"), &json!("high")));
    let event = published["id"].as_str().expect("an id");
    eventually("its trace is there", || why(&server, &anna.id.to_string(), event, &[]).code == Some(0));
}

#[test]
fn why_says_what_is_wrong_and_ends_with_a_code_of_its_own() {
    let server = up(&directory()).start();
    let unknown = "0192f0c1-2345-7000-8000-000000000001";
    let nothing = why(&server, "7", unknown, &[]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(1), ""), "{nothing:?}");
    assert!(nothing.stderr.contains("nothing is known of 0192f0c1"), "{}", nothing.stderr);
    let wrong = why(&server, "7", "x", &[]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("event"), "{wrong:?}");
    let keyless = why(&server, "7", unknown, &["--key", "another-key"]);
    assert!(keyless.code == Some(1) && keyless.stderr.contains("SERVICE_API_KEY"), "{keyless:?}");
    assert!(!keyless.stderr.contains("another-key"));
    let missing = Launch::new(env!("CARGO_BIN_EXE_fanfare")).arg("why").arg("--user").arg("7").run();
    assert_eq!(missing.code, Some(2), "{missing:?}");
    let away = why(&server, "7", unknown, &["--url", "http://127.0.0.1:9"]);
    assert!(away.code == Some(1) && away.stderr.contains("no answer"), "{away:?}");
}

#[test]
fn rules_of_ones_own_are_followed_and_a_wrong_file_stops_the_start_with_one_line() {
    let data = directory();
    std::fs::create_dir_all(&data).expect("a directory");
    let file = data.join("rules.toml");
    let printed = Launch::new(env!("CARGO_BIN_EXE_fanfare")).arg("up").arg("--print-rules").run();
    assert!(printed.code == Some(0) && printed.stdout.contains("[rules.text.de]"), "{printed:?}");
    let own = "[[rules]]\nevent = \"order_*\"\nto = [\"buyer.id\"]\n[rules.text.en]\ntitle = \"Order {{ number }}\"\n";
    std::fs::write(&file, printed.stdout + own).expect("a file");
    let server = up(&data).env("NOTIFICATION_RULES", &file).start();
    let anna = register(&server, "anna", "worker");
    let mut client = Client::dial(&server.ws()).bearer(&anna.token).welcomed();
    let order =
        json!({"type": "order_sent", "channel": "orders", "data": {"number": 4, "buyer": {"id": anna.id}}});
    call(&server, SERVICE_KEY, "POST", "/broadcast", Some(&order));
    assert_eq!(client.collect_until("notification").last().expect("a frame")["data"]["title"], "Order 4");
    let health = server.get("/svc/notification-service/health").json();
    assert_eq!(health["feed"]["state"], "following", "{health}");
    drop(server);
    std::fs::write(&file, own.replace("number }}", "number")).expect("a file");
    let refused = up(&data).env("NOTIFICATION_RULES", &file).run();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let line = refused.stderr.trim_end();
    assert!(
        line.lines().count() == 1 && line.contains("NOTIFICATION_RULES") && line.contains("rule 1"),
        "{line}"
    );
}

#[test]
fn a_kill_in_the_middle_makes_each_notification_once() {
    const EVENTS: i64 = 120;
    let data = directory();
    let mut server = up(&data).start();
    let anna = register(&server, "anna", "worker");
    let stats = |server: &Server| {
        call(server, &anna.token, "GET", "/api/notifications/stats", None)["total"].as_i64()
    };
    for n in 0..EVENTS {
        let event = json!({
            "type": "oracle_upload_completed", "user_id": anna.id, "data": {"transaction_id": n, "message": "Done"}
        });
        call(&server, SERVICE_KEY, "POST", "/broadcast", Some(&event));
        if n % 30 == 29 {
            // Killed, as a drop does, while some of them are on their way.
            drop(server);
            server = up(&data).start();
        }
    }
    eventually("all are there", || stats(&server) >= Some(EVENTS));
    // One more behind them: what could come twice has come by then.
    let last = json!({"type": "oracle_upload_failed", "user_id": anna.id, "data": {"transaction_id": EVENTS, "message": "x"}});
    call(&server, SERVICE_KEY, "POST", "/broadcast", Some(&last));
    eventually("the last one is there", || stats(&server) > Some(EVENTS));
    let mut found = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("/api/notifications?per_page=100{before}");
        let page = call(&server, &anna.token, "GET", &path, None);
        let items = page["notifications"].as_array().expect("a list");
        found.extend(items.iter().map(|item| item["data"]["transaction_id"].as_i64().expect("a number")));
        match page["next"].as_i64() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    found.reverse();
    assert_eq!(found, (0..=EVENTS).collect::<Vec<i64>>());
    eventually("nothing waits", || {
        server.get("/svc/notification-service/health").json()["relay"]["backlog"] == 0
    });
}
