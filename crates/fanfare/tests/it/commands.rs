//! The operator's commands, against a hub.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use test_kit::{Client, Launch};

use crate::stack::eventually;

const FANFARE: &str = env!("CARGO_BIN_EXE_fanfare");

fn fanfare(args: &[&str]) -> Launch {
    args.iter().fold(Launch::new(FANFARE), |launch, arg| launch.arg(arg))
}

/// A command that goes on, with its lines.
struct Going(Child);

impl Going {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(FANFARE);
        command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self(command.spawn().expect("fanfare starts"))
    }

    fn lines(&mut self, count: usize) -> Vec<Value> {
        let out = self.0.stdout.take().expect("its output");
        let lines = BufReader::new(out).lines().map_while(Result::ok).take(count);
        lines.map(|line| serde_json::from_str(&line).expect("JSON")).collect()
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn publish_reaches_whom_it_names_and_says_how_many() {
    let hub = Launch::of("websocket-server").start();
    let url = hub.http();
    let mut client = Client::welcomed(&hub.ws());
    client.subscribe(&["jobs"]);
    let done =
        fanfare(&["publish", "job_created", r#"{"job_id":7}"#, "--channel", "jobs", "--url", &url]).run();
    assert_eq!(done.code, Some(0), "{done:?}");
    let printed: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(printed["recipients"], 1);
    assert_eq!(client.expect_type("job_created")["data"], json!({"job_id": 7}));
    let twice = ["publish", "once", "--url", &url, "--idempotency-key", "k"];
    let (first, again) = (fanfare(&twice).run(), fanfare(&twice).run());
    assert_eq!(first.stdout, again.stdout);
}

#[test]
fn publish_says_what_is_wrong() {
    let hub = Launch::of("websocket-server").env("FANFARE_API_KEYS", "shop:the-shops-key").start();
    let url = hub.http();
    let refused = fanfare(&["publish", "x", "--url", &url]).run();
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("key_missing"), "{}", refused.stderr);
    let done = fanfare(&["publish", "x", "--url", &url]).env("SERVICE_API_KEY", "the-shops-key").run();
    assert_eq!(done.code, Some(0), "{done:?}");
    let wrong = fanfare(&["publish", "x", "{", "--url", &url]).run();
    assert!(wrong.code == Some(1) && wrong.stderr.contains("DATA is not JSON"), "{wrong:?}");
    let missing = fanfare(&["publish"]).run();
    assert_eq!(missing.code, Some(2), "{missing:?}");
}

#[test]
fn tail_prints_events_one_a_line_and_ends_after_as_many_as_wanted() {
    let hub = Launch::of("websocket-server").start();
    let mut tail = Going::start(&["tail", "jobs", "-n", "2", "--url", &hub.http()]);
    eventually("tail has subscribed", || hub.stats()["by_channel"]["jobs"] == 1);
    hub.broadcast(&json!({"type": "one", "channel": "jobs"}));
    hub.broadcast(&json!({"type": "elsewhere", "channel": "payments"}));
    hub.broadcast(&json!({"type": "two", "data": [1]}));
    let lines = tail.lines(9);
    assert_eq!(
        lines.iter().map(|line| line["type"].as_str().expect("a type")).collect::<Vec<_>>(),
        ["one", "two"]
    );
    assert_eq!(tail.0.wait().expect("its end").code(), Some(0));
}

#[test]
fn tail_comes_back_to_a_hub_that_restarts() {
    let port = test_kit::free_port().to_string();
    let hub = Launch::of("websocket-server").env("PORT", &port).start();
    let url = hub.http();
    let mut tail = Going::start(&["tail", "jobs", "-n", "1", "--url", &url]);
    eventually("tail has subscribed", || hub.stats()["by_channel"]["jobs"] == 1);
    drop(hub);
    let hub = Launch::of("websocket-server").env("PORT", port).start();
    eventually("tail is back", || hub.stats()["by_channel"]["jobs"] == 1);
    hub.broadcast(&json!({"type": "after", "channel": "jobs"}));
    assert_eq!(tail.lines(1)[0]["type"], "after");
}

#[test]
fn stats_shows_who_is_there() {
    let hub = Launch::of("websocket-server").start();
    let mut client = Client::welcomed(&hub.ws());
    client.subscribe(&["jobs"]);
    let done = fanfare(&["stats", "--url", &hub.http()]).run();
    assert_eq!(done.stdout, "healthy  1 connections\n  1  jobs\n", "{done:?}");
    let json = fanfare(&["stats", "--json", "--url", &hub.http()]).run();
    assert_eq!(serde_json::from_str::<Value>(&json.stdout).expect("JSON")["connections"]["total"], 1);
    let url = hub.http();
    drop(hub);
    let away = fanfare(&["stats", "--url", &url]).run();
    assert!(away.code == Some(1) && away.stderr.contains("no answer"), "{away:?}");
}

#[test]
fn a_token_that_is_signed_opens_what_is_its_users() {
    let secret = "a shared secret of more than 32 bytes";
    let hub = Launch::of("websocket-server").env("JWT_SECRET", secret).start();
    let made = fanfare(&["token", "--user", "456", "--type", "employer", "--ttl", "5m"])
        .env("JWT_SECRET", secret)
        .run();
    assert_eq!(made.code, Some(0), "{made:?}");
    let mut client = Client::dial(&hub.ws()).bearer(made.stdout.trim()).welcomed();
    client.subscribe(&["payments", "user:456"]);
    let unset = fanfare(&["token", "--user", "456"]).run();
    assert!(unset.code == Some(1) && unset.stderr.contains("JWT_SECRET"), "{unset:?}");
}

#[test]
fn help_tells_all_commands_and_a_slip_is_one_line() {
    let help = fanfare(&["--help"]).run();
    for command in ["up", "publish", "tail", "stats", "why", "token"] {
        assert!(help.stdout.contains(&format!("  {command}")), "{}", help.stdout);
        let own = fanfare(&[command, "--help"]).run();
        assert!(own.code == Some(0) && own.stdout.contains("Usage"), "{command}: {own:?}");
    }
    assert_eq!(fanfare(&[]).run().code, Some(0));
    let slip = fanfare(&["upp"]).run();
    assert!(slip.code == Some(2) && slip.stderr.lines().count() == 1, "{slip:?}");
}
