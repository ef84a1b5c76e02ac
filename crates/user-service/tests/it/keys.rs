use std::sync::Arc;
use std::time::Duration;

use auth::{Jwks, JwtSettings, TokenError, VerifiedToken, Verifier};
use serde_json::Value;
use test_kit::eventually;
use test_kit::wait::PATIENCE;

use crate::harness::{Database, World, members, on_both};

fn set(world: &World) -> Value {
    let answer = world.get(None, "/.well-known/jwks.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

fn verify(set: &Value, token: &str) -> Result<VerifiedToken, TokenError> {
    let local = Arc::new(Jwks::local());
    local.feed(&set.to_string()).expect("keys");
    let verifier =
        Verifier::new(JwtSettings { local: Some(local), ..JwtSettings::default() }).expect("a verifier");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(verifier.verify(token))
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).expect("a header").kid.expect("an id")
}

#[test]
fn the_published_keys_verify_the_tokens() {
    on_both(|world| {
        let anna = world.register("anna@example.com");
        let answer = world.get(None, "/.well-known/jwks.json");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        let set = set(&world);
        assert_eq!(members(&set["keys"][0]), ["alg", "crv", "kid", "kty", "use", "x"], "no private half");
        assert_eq!(
            (&set["keys"][0]["alg"], set["keys"][0]["kid"].as_str()),
            (&"EdDSA".into(), Some(&*kid(&anna.access)))
        );
        let verified = verify(&set, &anna.access).expect("verified");
        assert_eq!(verified.user_id.as_str(), anna.id().to_string());
        assert_eq!(verified.user_type.as_deref(), Some("worker"));
        assert_eq!(verified.session.as_deref(), Some(&*anna.session()));
    });
}

#[test]
fn a_restart_and_another_instance_have_the_same_keys() {
    on_both(|world| {
        let anna = world.register("anna@example.com");
        let before = set(&world);
        let other = world.beside();
        assert_eq!(set(&other), before);
        assert_eq!(other.get(Some(&anna.access), "/users/me").status, 200);
        drop(other);
        let world = world.restarted();
        assert_eq!(set(&world), before);
        assert_eq!(world.get(Some(&anna.access), "/users/me").status, 200);
        assert_eq!(world.login("anna@example.com").user, anna.user);
    });
}

#[test]
fn keys_rotate_while_the_service_runs_and_old_ones_go_when_their_tokens_have_ended() {
    let world = World::with(Database::Sqlite, |settings| {
        settings.key_rotation = Duration::from_secs(2);
        settings.access_lifetime = Duration::from_secs(3);
    });
    let anna = world.register("anna@example.com");
    let first = kid(&anna.access);
    let mut refresh = anna.refresh;
    // Each token that is made on the way is good at once.
    eventually(PATIENCE, || {
        let pair = world.try_refresh(&refresh).json();
        refresh = crate::harness::text(&pair["refresh_token"]);
        let access = crate::harness::text(&pair["access_token"]);
        assert_eq!(world.get(Some(&access), "/users/me").status, 200);
        kid(&access) != first
    });
    eventually(PATIENCE, || !set(&world).to_string().contains(&first));
    let me = world.get(Some(&anna.access), "/users/me");
    crate::harness::refused(&me, 401, "unauthorized");
}

#[test]
fn a_token_of_a_stranger_is_refused() {
    let world = World::start(Database::Sqlite);
    let anna = world.register("anna@example.com");
    let stranger = test_kit::Signer::eddsa();
    let claims = anna.claims();
    for token in [
        stranger.token(&claims),
        stranger.token_with_kid(Some(&kid(&anna.access)), &claims),
        stranger.token_with_kid(Some("another"), &claims),
        test_kit::token::unsigned(&claims),
        test_kit::Signer::hs256("a guess of at least thirty-two bytes").token(&claims),
    ] {
        crate::harness::refused(&world.get(Some(&token), "/users/me"), 401, "unauthorized");
    }
}

/// The hub's way: the keys are fetched.
#[test]
fn a_verifier_that_fetches_the_keys_knows_the_users() {
    let world = World::start(Database::Sqlite);
    let anna = world.register("anna@example.com");
    let url = format!("http://{}/.well-known/jwks.json", world.address);
    let settings = JwtSettings { jwks: Some(auth::JwksSettings::new(url)), ..JwtSettings::default() };
    let verifier = Verifier::new(settings).expect("a verifier");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let verified = runtime.block_on(async {
        let jwks = Arc::clone(verifier.jwks().expect("JWKS"));
        let task = tokio::spawn(async move { jwks.run().await });
        let verified = verifier.verify(&anna.access).await;
        task.abort();
        verified
    });
    assert_eq!(verified.expect("verified").user_id.as_str(), anna.id().to_string());
}
