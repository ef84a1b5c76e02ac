use serde_json::json;

use crate::harness::{PASSWORD, SignedIn, World, on_both, refused};

#[test]
fn registering_signs_in_and_tells_only_that() {
    on_both(|world| {
        let body = json!({"email": "Anna@Example.com", "password": PASSWORD, "name": "Anna", "user_type": "employer"});
        let anna = SignedIn::of(&world.post(None, "/auth/register", &body), 201);
        assert_eq!(anna.user["email"], "Anna@Example.com", "kept as given");
        assert_eq!((&anna.user["name"], &anna.user["user_type"]), (&json!("Anna"), &json!("employer")));
        let created = anna.user["created_at"].as_str().expect("a time");
        assert!(created.len() == 24 && created.ends_with('Z'), "{created}");
        let me = world.get(Some(&anna.access), "/users/me");
        assert_eq!((me.status, me.json()), (200, anna.user.clone()));
        let events = world.events();
        assert_eq!(events.len(), 1, "{events:?}");
        let event = &events[0];
        assert_eq!(event["type"], "user_registered");
        assert_eq!(event["data"], json!({"user_id": anna.id(), "user_type": "employer"}));
        assert_eq!(event["user_ids"], json!([anna.id()]));
        assert_eq!(event["aggregate"], format!("user:{}", anna.id()));
        assert_eq!(event["timestamp"], anna.user["created_at"]);
        assert!(event["traceparent"].as_str().is_some_and(|trace| trace.starts_with("00-")), "{event}");
        assert_eq!((event.get("channels"), event.get("close_sessions")), (None, None));
    });
}

#[test]
fn an_access_token_says_who_it_is_for() {
    let world = World::with(crate::harness::Database::Sqlite, |settings| {
        settings.jwt.issuers = vec!["fanfare".to_owned(), "another".to_owned()];
        settings.jwt.audiences = vec!["paychain".to_owned()];
        settings.jwt.secret = Some("a secret of tests, 32 bytes or more".to_owned());
    });
    let anna = world.register("anna@example.com");
    let claims = anna.claims();
    assert_eq!(claims["sub"], anna.id().to_string());
    assert_eq!(claims["user_id"], anna.id());
    assert_eq!(claims["user_type"], "worker");
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("fanfare"), &json!("paychain")));
    assert_eq!(claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat"), 900);
    assert_eq!(anna.session().len(), 36);
    let header = anna.access.split('.').next().expect("a header");
    assert!(header.starts_with("eyJ"));
    assert_eq!(world.get(Some(&anna.access), "/users/me").status, 200, "signed by a key, also with a secret");
    let theirs = test_kit::Signer::hs256("a secret of tests, 32 bytes or more");
    let claims =
        json!({"user_id": anna.id(), "exp": 4_000_000_000_u64, "iss": "another", "aud": ["x", "paychain"]});
    assert_eq!(world.get(Some(&theirs.token(&claims)), "/users/me").status, 200);
    let other = json!({"user_id": 999, "exp": 4_000_000_000_u64, "iss": "another", "aud": "paychain"});
    refused(&world.get(Some(&theirs.token(&other)), "/users/me"), 404, "not_found");
    assert_eq!(world.post(Some(&theirs.token(&other)), "/auth/logout-all", &json!({})).status, 204);
}

#[test]
fn signing_in_compares_the_address_without_case_and_tells_it() {
    on_both(|world| {
        let anna = world.register("Anna@Example.com");
        let again = world.login("aNNA@example.COM");
        assert_eq!(again.user, anna.user);
        assert_ne!(again.session(), anna.session());
        assert_eq!(world.event_types(), ["user_registered", "user_logged_in"]);
        let wrong = world.try_login("anna@example.com", "another password");
        refused(&wrong, 401, "invalid_credentials");
        let unknown = world.try_login("nobody@example.com", PASSWORD);
        refused(&unknown, 401, "invalid_credentials");
        assert_eq!(wrong.body, unknown.body);
        refused(&world.try_login("anna@example.com", "short"), 401, "invalid_credentials");
        assert_eq!(world.event_types().len(), 2);
    });
}

#[test]
fn an_address_is_taken_once_whatever_its_case() {
    on_both(|world| {
        world.register("anna@example.com");
        let again = world.post(None, "/auth/register", &crate::harness::registration("ANNA@example.com"));
        refused(&again, 409, "email_taken");
        assert_eq!(world.metric("fanfare_password_hashes_total"), 1, "no hash for nothing");
        assert_eq!(world.event_types(), ["user_registered"]);
        let ben = world.register("ben@example.com");
        assert_eq!(ben.id(), 2, "a refused registration takes no number");
    });
}

#[test]
fn a_user_takes_another_name() {
    on_both(|world| {
        let anna = world.register("anna@example.com");
        let ben = world.register("ben@example.com");
        let name = "Robert'); DROP TABLE users;-- <script>alert(1)</script> \u{1}\u{7f}\u{202e} ";
        let body = json!({"name": name}).to_string();
        let renamed =
            world.send("PATCH", Some(&anna.access), "/users/me", "application/json", body.as_bytes());
        assert_eq!(renamed.status, 200, "{}", renamed.text());
        assert_eq!(renamed.json()["name"], name);
        assert_eq!(world.get(Some(&anna.access), "/users/me").json(), renamed.json());
        assert_eq!(world.get(Some(&ben.access), "/users/me").json()["name"], "Anna");
        assert_eq!(world.event_types(), ["user_registered", "user_registered"]);
    });
}

#[test]
fn nothing_that_signs_in_is_kept_as_it_is() {
    let world = World::start(crate::harness::Database::Sqlite);
    let anna = world.register("anna@example.com");
    let hashes = world.query("SELECT password_hash FROM users");
    assert!(hashes[0].starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashes:?}");
    let digests = world.query("SELECT digest FROM refresh_tokens");
    assert!(digests.len() == 1 && digests[0].len() == 64 && !digests[0].contains(&anna.refresh));
    world.try_login("anna@example.com", "wrong password");
    assert!(!world.query("SELECT address FROM sign_in_failures")[0].contains("anna"));
}
