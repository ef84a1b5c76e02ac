//! This crate's helpers, against things simpler than the server.

use std::time::Duration;

use serde_json::json;
use test_kit::{Fixture, Launch, Signer, eventually, http, token};

#[test]
fn a_fixture_answers_what_it_was_last_told() {
    let fixture = Fixture::answering(&json!({ "keys": [] }));
    let address =
        fixture.url().trim_start_matches("http://").split('/').next().and_then(|it| it.parse().ok());
    let address = address.expect("an address");
    assert_eq!(http::get(address, "/keys.json", &[]).json(), json!({ "keys": [] }));
    fixture.answer(503, &json!("later"));
    assert_eq!(http::get(address, "/keys.json", &[]).status, 503);
    eventually(Duration::from_secs(5), || fixture.asked() == 2);
}

#[test]
fn every_kind_of_key_signs_and_shows_its_public_half() {
    let claims = json!({ "sub": "a", "exp": token::in_seconds(60) });
    for (signer, kind) in [(Signer::rs256(), "RSA"), (Signer::es256(), "EC"), (Signer::eddsa(), "OKP")] {
        assert_eq!(signer.token(&claims).split('.').count(), 3);
        assert!(signer.public_pem().starts_with("-----BEGIN PUBLIC KEY-----"));
        let jwk = signer.jwk(Some("one"));
        assert_eq!((jwk["kty"].as_str(), jwk["kid"].as_str()), (Some(kind), Some("one")));
    }
    assert!(token::unsigned(&claims).ends_with('.'));
}

#[test]
fn a_program_that_ends_by_itself_leaves_its_code_and_its_words() {
    let finished =
        Launch::new("/bin/sh").arg("-c").arg("echo out; echo $GIVEN >&2; exit 3").env("GIVEN", "err").run();
    assert_eq!(finished.code, Some(3));
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn a_server_is_ready_once_it_tells_its_address_and_takes_signals() {
    let script =
        "trap 'echo asked; exit 0' TERM; echo listening on http://127.0.0.1:1; while :; do sleep 0.02; done";
    let mut server = Launch::new("/bin/sh").arg("-c").arg(script).start();
    assert_eq!(server.ws(), "ws://127.0.0.1:1/ws");
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    assert!(server.log().contains("asked"), "{}", server.log());
}

#[test]
fn a_postgres_survives_its_own_death() {
    let postgres = test_kit::Postgres::start();
    let url = postgres.database();
    assert_eq!(
        postgres.query(&url, "CREATE TABLE kept (n INT); INSERT INTO kept VALUES (7)"),
        Ok(String::new())
    );
    postgres.kill();
    assert!(postgres.query(&url, "SELECT n FROM kept").is_err());
    postgres.resume();
    assert_eq!(postgres.query(&url, "SELECT n FROM kept"), Ok("7".to_owned()));
}
