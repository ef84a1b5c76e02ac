//! Google's own Python library publishes, as the receipt pipeline does.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::world::{LONG, TOPIC, World};

/// What the pipeline's publisher comes down to.
const PUBLISH: &str = r#"
import json, sys
from google.cloud import pubsub_v1
publisher = pubsub_v1.PublisherClient()
topic = publisher.topic_path("receipt-tracking-application", "receipt-updates")
assert topic == sys.argv[1], topic
for n in range(3):
    message = {"type": "receipt_upload", "status": "received", "receipt_id": f"python-{n}", "name": "Bäckerei 🥐",
               "timestamp": "2025-03-26T22:30:00Z", "cents": 9007199254740993}
    print(publisher.publish(topic, json.dumps(message).encode()).result(timeout=30))
"#;

/// A Python that has `google-cloud-pubsub`: the one that `scripts/python env` makes, else `PYTHON`.
fn python() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    // target/debug/deps/it-0123 → target
    let target = test.ancestors().nth(3).expect("the target directory");
    let made = target.join("python-venv/bin/python");
    if made.exists() {
        return made;
    }
    let named = env::var_os("PYTHON").map(PathBuf::from);
    named.unwrap_or_else(|| {
        panic!(
            "{} is missing: run scripts/python env, or name a Python with google-cloud-pubsub in PYTHON",
            made.display()
        )
    })
}

#[test]
fn what_googles_python_library_publishes_is_shown() {
    let world = World::start();
    let mut client = world.client();
    let python = python();
    let mut command = Command::new(&python);
    command.args(["-c", PUBLISH, TOPIC]).env("PUBSUB_EMULATOR_HOST", world.fake.address().to_string());
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.lines().count() == 3, "{out}\n{err}");
    let mut ids: Vec<String> = Vec::new();
    for _ in 0..3 {
        let event = client.next_json_within(LONG);
        assert_eq!(
            (&event["type"], &event["data"]["status"]),
            (&json!("receipt_upload"), &json!("received"))
        );
        assert_eq!(event["data"]["name"], "Bäckerei 🥐");
        assert_eq!(event["data"]["cents"].to_string(), "9007199254740993");
        ids.push(event["data"]["receipt_id"].as_str().expect("an id").to_owned());
    }
    ids.sort();
    assert_eq!(ids, ["python-0", "python-1", "python-2"]);
    world.wait_for_acked(3.0);
}
