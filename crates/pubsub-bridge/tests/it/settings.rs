//! Settings: what is wrong stops the start with a line that names it.

use test_kit::Launch;

fn bridge() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_pubsub-bridge"))
}

#[test]
fn a_wrong_setting_stops_the_start_with_one_line_that_names_it() {
    for (name, value) in [
        ("PUBSUB_PROJECT", "a/b"),
        ("PUBSUB_TOPIC", "projects/p/topics/t"),
        ("PUBSUB_SUBSCRIPTION", "ab"),
        ("PUBSUB_DEAD_LETTER_TOPIC", "googlish"),
        ("PUBSUB_EMULATOR_HOST", "localhost"),
        ("PUBSUB_MAX_MESSAGES", "0"),
        ("PUBSUB_MAX_BYTES", "1B"),
        ("PUBSUB_MAX_PAYLOAD", "11MiB"),
        ("PUBSUB_ACK_DEADLINE", "5s"),
        ("PUBSUB_STREAMS", "65"),
        ("PUBSUB_DRAIN_TIMEOUT", "9s"),
        ("WS_SERVICE_URL", "ftp://hub"),
        ("PORT", "70000"),
    ] {
        let finished = bridge().env(name, value).run();
        assert_eq!(finished.code, Some(2), "{name}={value}: {finished:?}");
        let line = format!("pubsub-bridge: {name}: ");
        assert!(finished.stderr.starts_with(&line), "{name}={value}: {finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    }
    let finished = bridge().env("SERVICE_API_KEY", "short").run();
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("SERVICE_API_KEY") && !finished.stderr.contains("short"),
        "{finished:?}"
    );
}

#[test]
fn settings_can_be_checked_and_listed() {
    let finished = bridge().arg("--check").run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "The settings are valid.\n"));
    let help = bridge().arg("--help").run();
    assert_eq!(help.code, Some(0));
    for name in [
        "PUBSUB_PROJECT",
        "PUBSUB_TOPIC",
        "PUBSUB_SUBSCRIPTION",
        "PUBSUB_DEAD_LETTER_TOPIC",
        "WS_SERVICE_URL",
    ] {
        assert!(help.stdout.contains(name), "{name}:\n{}", help.stdout);
    }
}

#[test]
fn without_credentials_the_bridge_says_what_to_do_and_keeps_trying() {
    let home = test_kit::Directory::new();
    // A file that is none of Google's: nothing is looked for on the network.
    let nothing = home.write("credentials.json", "{}");
    let bridge = bridge().env("HOME", home.path()).env("GOOGLE_APPLICATION_CREDENTIALS", nothing).start();
    let line = bridge.wait_for_log("nothing comes from Pub/Sub");
    assert!(line.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{line}");
    assert_eq!(bridge.get("/health").json()["pubsub"]["status"], "down");
}
