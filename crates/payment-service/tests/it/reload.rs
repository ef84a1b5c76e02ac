//! A service's process that reads its settings again at SIGHUP: keys and what is logged change, all else is named.

use std::fs;

use serde_json::json;
use test_kit::http::post_json;
use test_kit::wait::PATIENCE;
use test_kit::{Directory, Launch, Server, eventually};

fn outcomes(server: &Server, outcome: &str) -> f64 {
    let label = format!("outcome=\"{outcome}\"");
    server.metric("fanfare_config_reloads_total", &[&label]).expect("the counter is there from the begin")
}

#[track_caller]
fn reload(server: &Server, outcome: &str) {
    let before = outcomes(server, outcome);
    server.hang_up();
    eventually(PATIENCE, || outcomes(server, outcome) > before);
}

#[test]
fn the_service_key_and_the_log_change_without_a_restart_and_a_wrong_file_changes_nothing() {
    let directory = Directory::new();
    let key = directory.write("key", "the-first-service-key\n");
    let environment = directory.write("env", "RUST_LOG=warn\n");
    let server = Launch::new(env!("CARGO_BIN_EXE_payment-service"))
        .env("FANFARE_DATA", directory.path())
        .env("FANFARE_ENV_FILE", &environment)
        .env("SERVICE_API_KEY_FILE", &key)
        .env("WS_SERVICE_URL", "http://127.0.0.1:9")
        .env("USER_SERVICE_URL", "http://127.0.0.1:9")
        .start();
    // What it is asked to hold is wrong, so a key that is taken is told so.
    let status = |key: &str| {
        let bearer = format!("Bearer {key}");
        post_json(server.address(), "/payments/hold", &[("authorization", &bearer)], &json!({})).status
    };
    assert_eq!((status("the-first-service-key"), status("the-second-service-key")), (422, 401));

    fs::write(&key, "\n").expect("written");
    fs::write(&environment, "RUST_LOG=info\nPORT=1\n").expect("written");
    reload(&server, "refused");
    let line = server.wait_for_log("refused, nothing changed");
    assert!(line.contains(&format!("SERVICE_API_KEY_FILE: {}: it is empty", key.display())), "{line}");
    assert_eq!(status("the-first-service-key"), 422);

    fs::write(&key, "the-second-service-key\n").expect("written");
    reload(&server, "applied");
    let line = server.wait_for_log("the configuration was read again changed=");
    assert!(line.contains("SERVICE_API_KEY, RUST_LOG"), "{line}");
    assert!(server.wait_for_log("each needs a restart").contains("HOST, PORT"));
    // The services learn of it one after the other, so the one before is taken for a while.
    assert_eq!((status("the-second-service-key"), status("the-first-service-key")), (422, 422));
    assert_eq!(status("another-service-key"), 401);
    assert!(
        !server.log().contains("service-key\n") && !server.log().contains("the-second"),
        "keys are in no log"
    );
}
