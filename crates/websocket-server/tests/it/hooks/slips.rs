//! Slips in the configuration stop the start with their line, and show no secret.

use super::*;

#[track_caller]
fn expect_slip(toml: &str, line: usize, part: &str) {
    let file = TextFile::new("fanfare.toml", toml);
    let ended = launch().env("FANFARE_CONFIG", file.path()).run();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let place = format!("fanfare.toml:{line}:");
    assert!(ended.stderr.contains(&place) && ended.stderr.contains(part), "{part}: {}", ended.stderr);
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn a_slip_is_told_with_its_line() {
    let first = "[[hooks]]\nevent = \"a\"\nurl = \"http://127.0.0.1:1/\"\n";
    expect_slip(&format!("{first}{first}"), 4, "has a hook already");
    expect_slip("[[hooks]]\nevent = \"a\"\n", 1, "exactly one of url and emit");
    expect_slip("[[hooks]]\nevent = \"a\"\nurls = \"b\"\n", 3, "urls");
    expect_slip("[[hooks]]\nevent = \"ping\"\nemit = \"b\"\nto = \"sender\"\n", 1, "the hub's own");
    expect_slip(
        "\n[[hooks]]\nevent = \"a\"\nurl = \"http://h/\"\ntimeout = \"9s\"\n",
        2,
        "HOOKS_ANSWER_WITHIN",
    );
}

#[test]
fn a_key_that_can_be_none_is_refused_unseen_and_one_in_the_clear_is_warned_of() {
    let ended = launch().env("SERVICE_API_KEY", "short").run();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("SERVICE_API_KEY") && !ended.stderr.contains("short"), "{}", ended.stderr);
    let file =
        TextFile::new("fanfare.toml", "[[hooks]]\nevent = \"a\"\nurl = \"http://services.example.com/\"\n");
    let checked =
        launch().env("FANFARE_CONFIG", file.path()).env("SERVICE_API_KEY", KEY).arg("--check").run();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains("on the way to services.example.com reads"), "{}", checked.stdout);
    assert!(!checked.stdout.contains(KEY));
}
