//! Who a client is: tokens of every kind and way, policies, expiry and refresh, and which pages may connect.

use std::time::Duration;

use serde_json::{Value, json};
use test_kit::token::{in_seconds, unsigned};
use test_kit::wait::holds_within;
use test_kit::{Client, Dial, Fixture, RawClient, Server, Signer};

use super::{SECRET, TextFile, launch, server, server_with_users, with_token};

/// What a handshake with a bad token ends as, without any frame before it.
#[track_caller]
fn expect_unauthorized(dial: Dial<'_>) {
    assert_eq!(dial.connect().expect_close(), (4001, "Unauthorized".to_owned()));
}

/// Whether a connection with this token is one of the user: their event reaches it.
#[track_caller]
fn expect_user(server: &Server, dial: Dial<'_>, user: &Value) {
    let client = &mut dial.welcomed();
    assert_eq!(server.broadcast(&json!({ "type": "yours", "user_id": user }))["recipients"], 1, "{user}");
    client.expect_type("yours");
    assert_eq!(client.close().0, 1000);
    server.wait_for_connections(0);
}

fn dial(server: &Server, token: &str) -> Dial<'static> {
    Client::dial(&with_token(server, token))
}

#[test]
fn a_token_is_taken_from_the_query_the_header_and_the_subprotocol() {
    let server = server_with_users();
    let token = Signer::hs256(SECRET).user(7);
    expect_user(&server, dial(&server, &token), &json!(7));
    expect_user(&server, Client::dial(&server.ws_at(&format!("/ws?a=b&token={token}&c"))), &json!(7));
    expect_user(&server, Client::dial(&server.ws()).bearer(&token), &json!(7));
    expect_user(
        &server,
        Client::dial(&server.ws()).header("Authorization", &format!("bearer {token}")),
        &json!(7),
    );
    expect_user(&server, Client::dial(&server.ws()).subprotocols(&["fanfare", &token]), &json!(7));
    let client = Client::dial(&server.ws()).subprotocols(&["fanfare", &token]).welcomed();
    assert_eq!(client.subprotocol(), Some("fanfare"), "the token itself is never sent back");
    assert!(!server.log().contains(&token) && !server.get("/metrics").text().contains(&token));
}

#[test]
fn no_level_of_the_log_shows_a_token_or_a_key() {
    let server = launch()
        .env("RUST_LOG", "trace")
        .env("JWT_SECRET", SECRET)
        .env("FANFARE_API_KEYS", "shop:secret-of-shop")
        .start();
    let signer = Signer::hs256(SECRET);
    let (good, bad) = (signer.user(7), Signer::hs256("another-secret-with-more-than-32-bytes").user(7));
    let mut client = dial(&server, &good).welcomed();
    client.send_json(&json!({ "type": "refresh", "token": good }));
    client.expect_type("refreshed");
    client.send_json(&json!({ "type": "refresh", "token": bad }));
    client.expect_error("forbidden");
    let _by_header = Client::dial(&server.ws()).bearer(&good).welcomed();
    let _by_subprotocol = Client::dial(&server.ws()).subprotocols(&["fanfare", &good]).welcomed();
    expect_unauthorized(dial(&server, &bad));
    expect_unauthorized(Client::dial(&server.ws()).bearer(&bad));
    let refused =
        Client::dial(&server.ws_at(&format!("/nothing?token={good}"))).attempt().expect_err("no such path");
    for key in ["secret-of-shop", "secret-of-nobody"] {
        let headers = [("authorization", format!("Bearer {key}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        test_kit::http::post_json(server.address(), "/broadcast", &headers, &json!({ "type": "x" }));
    }
    server.wait_for_log("broadcasted 'x'");
    let told = format!("{}{}{refused:?}", server.log(), server.get("/metrics").text());
    for secret in [&good, &bad, SECRET, "secret-of-shop", "secret-of-nobody"] {
        let line = told.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}

#[test]
fn a_user_is_the_same_as_number_and_as_text() {
    let server = server_with_users();
    let signer = Signer::hs256(SECRET);
    let claims = |claims: Value| {
        let mut claims = claims;
        claims["exp"] = json!(in_seconds(3600));
        signer.token(&claims)
    };
    expect_user(&server, dial(&server, &claims(json!({ "user_id": 456 }))), &json!("456"));
    expect_user(&server, dial(&server, &claims(json!({ "user_id": "456" }))), &json!(456));
    expect_user(&server, dial(&server, &claims(json!({ "sub": "456" }))), &json!(456));
    expect_user(&server, dial(&server, &claims(json!({ "sub": 456 }))), &json!(456));
    expect_user(&server, dial(&server, &claims(json!({ "user_id": "a", "sub": "b" }))), &json!("a"));
    expect_user(
        &server,
        dial(&server, &claims(json!({ "user_id": 9_007_199_254_740_993_u64 }))),
        &json!(9_007_199_254_740_993_u64),
    );
}

#[test]
fn a_bad_token_is_closed_4001_before_any_welcome() {
    let server = server_with_users();
    let signer = Signer::hs256(SECRET);
    let hour = in_seconds(3600);
    let good = signer.user(7);
    let (head, signature) = good.rsplit_once('.').expect("a signature");
    let forged = format!("{head}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    for (what, token) in [
        ("no token at all", "x".to_owned()),
        ("three parts of nothing", "a.b.c".to_owned()),
        ("expired", signer.token(&json!({ "user_id": 7, "exp": in_seconds(-1) }))),
        ("not yet valid", signer.token(&json!({ "user_id": 7, "exp": hour, "nbf": in_seconds(600) }))),
        ("without exp", signer.token(&json!({ "user_id": 7 }))),
        ("exp as text", signer.token(&json!({ "user_id": 7, "exp": "tomorrow" }))),
        ("without a user", signer.token(&json!({ "exp": hour }))),
        ("a user of the wrong type", signer.token(&json!({ "user_id": [7], "exp": hour }))),
        ("another key", Signer::hs256("another-secret-with-more-than-32-bytes").user(7)),
        ("another algorithm", Signer::es256().user(7)),
        ("alg none", unsigned(&json!({ "user_id": 7, "exp": hour }))),
        ("another signature", forged),
        ("cut", head.to_owned()),
    ] {
        let mut client = dial(&server, &token).connect();
        assert_eq!(client.expect_close(), (4001, "Unauthorized".to_owned()), "{what}");
    }
    expect_unauthorized(Client::dial(&server.ws()).bearer("x"));
    expect_unauthorized(Client::dial(&server.ws()).subprotocols(&["fanfare", "x"]));
    server.wait_for_connections(0);
    assert!(server.metric("fanfare_handshakes_refused_total", &[]).is_some_and(|refused| refused >= 15.0));
}

#[test]
fn the_policy_decides_about_clients_without_a_token() {
    let token = Signer::hs256(SECRET).user(7);
    let with_policy = |policy: &str| launch().env("JWT_SECRET", SECRET).env("WS_AUTH", policy).start();

    let server = with_policy("required");
    expect_unauthorized(Client::dial(&server.ws()));
    expect_unauthorized(Client::dial(&server.ws_at("/ws?token=")));
    expect_user(&server, dial(&server, &token), &json!(7));

    let server = with_policy("off");
    let _anyone = dial(&server, "no-token-at-all").welcomed();
    let _no_user = dial(&server, &token).welcomed();
    assert_eq!(server.broadcast(&json!({ "type": "x", "user_id": 7 }))["recipients"], 0);

    let server = with_policy("optional");
    let _anonymous = Client::welcomed(&server.ws());
    expect_unauthorized(dial(&server, "x"));
}

#[test]
fn without_a_jwt_key_there_are_no_identities() {
    let server = launch().env("WS_AUTH", "required").start();
    let mut client = dial(&server, "anything").welcomed();
    client.subscribe(&["payments", "user:7"]);
    client.send_json(&json!({ "type": "refresh", "token": "anything" }));
    client.expect_error("forbidden");
    server.wait_for_log("no JWT key is configured");
    assert_eq!(
        server.broadcast(&json!({ "type": "x", "user_id": 7 }))["recipients"],
        1,
        "who subscribed to user:7"
    );
}

#[test]
fn payments_are_for_employers_and_a_users_channel_is_that_users() {
    let server = server_with_users();
    let signer = Signer::hs256(SECRET);
    let mut employer = dial(&server, &signer.user_of_type(7, "employer")).welcomed();
    let mut worker = dial(&server, &signer.user_of_type("8", "worker")).welcomed();
    let mut anonymous = Client::welcomed(&server.ws());
    employer.subscribe(&["payments", "user:7", "jobs"]);
    for (client, allowed, refused) in [
        (&mut employer, vec![], vec!["user:8", "user:77", "user:"]),
        (&mut worker, vec!["user:8", "jobs"], vec!["payments", "user:7"]),
        (&mut anonymous, vec!["jobs", "payment"], vec!["payments", "user:7", "user:8"]),
    ] {
        for channel in refused {
            client.send_json(&json!({ "type": "subscribe", "channels": [channel] }));
            assert_eq!(client.expect_error("forbidden")["data"]["channel"], channel);
        }
        client.subscribe(&allowed);
    }
    assert_eq!(server.broadcast(&json!({ "type": "x", "channel": "payments" }))["recipients"], 1);
    // A subscription to one's own channel does not double what comes anyway.
    assert_eq!(server.broadcast(&json!({ "type": "x", "user_id": 8 }))["recipients"], 1);
    assert_eq!(server.broadcast(&json!({ "type": "x", "channel": "user:8" }))["recipients"], 1);
}

#[test]
fn the_channels_of_a_token_narrow_what_the_rules_allow() {
    let server = server_with_users();
    let claims =
        json!({ "user_id": 7, "user_type": "employer", "channels": ["orders:*"], "exp": in_seconds(3600) });
    let mut client = dial(&server, &Signer::hs256(SECRET).token(&claims)).welcomed();
    client.subscribe(&["orders:1"]);
    client.send_json(&json!({ "type": "subscribe", "channels": ["jobs", "payments"] }));
    client.expect_error("forbidden");
    client.expect_error("forbidden");
}

#[test]
fn a_connection_ends_with_its_token_and_is_told_before() {
    let server = server_with_users();
    let exp = in_seconds(6);
    let token = Signer::hs256(SECRET).token(&json!({ "user_id": 7, "exp": exp }));
    let mut client = dial(&server, &token).welcomed();
    let warning = client.expect_type("token_expiring");
    let data = warning["data"].as_object().expect("an object");
    assert_eq!(data.len(), 1, "{warning}");
    let at = data["expires_at"].as_str().expect("a time");
    assert!(at.len() == 24 && at.ends_with(".000Z"), "{at}");
    assert_eq!(client.expect_close(), (4001, "Unauthorized".to_owned()));
    assert!(in_seconds(0) >= exp, "not before its time");
    expect_unauthorized(dial(&server, &token));
}

#[test]
fn a_refresh_in_time_keeps_the_connection() {
    // One shard, so that one look at the clock decides about all connections.
    let server = launch().env("JWT_SECRET", SECRET).env("SHARDS", "1").start();
    let signer = Signer::hs256(SECRET);
    let short = signer.token(&json!({ "user_id": 7, "exp": in_seconds(8) }));
    let mut refreshed = dial(&server, &short).welcomed();
    let mut nested = dial(&server, &short).welcomed();
    let mut refused = dial(&server, &short).welcomed();
    let mut idle = dial(&server, &short).welcomed();
    for client in [&mut refreshed, &mut nested, &mut refused, &mut idle] {
        client.expect_type("token_expiring");
    }
    let longer = signer.user("7");
    refreshed.send_json(&json!({ "type": "refresh", "token": longer }));
    assert!(refreshed.expect_type("refreshed")["data"]["expires_at"].is_string());
    nested.send_json(&json!({ "type": "refresh", "data": { "token": longer } }));
    nested.expect_type("refreshed");
    for token in [signer.user(8), "x".to_owned(), unsigned(&json!({ "user_id": 7, "exp": in_seconds(3600) }))]
    {
        refused.send_json(&json!({ "type": "refresh", "token": token }));
        let error = refused.expect_error("forbidden");
        assert!(!error.to_string().contains(&token) || token == "x", "{error}");
    }
    for client in [&mut refused, &mut idle] {
        assert_eq!(client.expect_close(), (4001, "Unauthorized".to_owned()));
    }
    for client in [&mut refreshed, &mut nested] {
        assert!(client.ping_barrier().is_empty());
    }
}

#[test]
fn tokens_of_a_public_key_are_taken_by_their_own_algorithm_alone() {
    for signer in [Signer::rs256(), Signer::es256(), Signer::eddsa()] {
        let file = TextFile::new("key.pem", signer.public_pem());
        let server = launch().env("JWT_PUBLIC_KEY_FILE", file.path()).start();
        expect_user(&server, dial(&server, &signer.user(7)), &json!(7));
        for other in
            [Signer::es256(), Signer::eddsa(), Signer::hs256(signer.public_pem()), Signer::hs256(SECRET)]
        {
            expect_unauthorized(dial(&server, &other.user(7)));
        }
    }
}

#[test]
fn several_keys_count_at_once() {
    let signer = Signer::es256();
    let file = TextFile::new("key.pem", signer.public_pem());
    let server = launch().env("JWT_PUBLIC_KEY_FILE", file.path()).env("JWT_SECRET", SECRET).start();
    expect_user(&server, dial(&server, &signer.user(7)), &json!(7));
    expect_user(&server, dial(&server, &Signer::hs256(SECRET).user(8)), &json!(8));
}

#[test]
fn issuer_and_audience_are_checked_where_they_are_configured() {
    let server = launch()
        .env("JWT_SECRET", SECRET)
        .env("JWT_ISSUER", "https://id.example.com")
        .env("JWT_AUDIENCE", "fanfare,hub")
        .start();
    let token = |issuer: &str, audience: Value| {
        let claims = json!({ "user_id": 7, "exp": in_seconds(3600), "iss": issuer, "aud": audience });
        Signer::hs256(SECRET).token(&claims)
    };
    expect_user(&server, dial(&server, &token("https://id.example.com", json!("hub"))), &json!(7));
    expect_user(&server, dial(&server, &token("https://id.example.com", json!(["x", "fanfare"]))), &json!(7));
    expect_unauthorized(dial(&server, &token("https://evil.example", json!("hub"))));
    expect_unauthorized(dial(&server, &token("https://id.example.com", json!("other"))));
    expect_unauthorized(dial(&server, &Signer::hs256(SECRET).user(7)));
}

#[test]
fn published_keys_are_fetched_and_followed_as_they_rotate() {
    let (old, new) = (Signer::es256(), Signer::eddsa());
    let provider = Fixture::answering(&json!({ "keys": [old.jwk(Some("old"))] }));
    let server = launch().env("JWKS_URL", provider.url()).start();
    let claims = json!({ "user_id": 7, "exp": in_seconds(3600) });
    let (by_old, by_new) =
        (old.token_with_kid(Some("old"), &claims), new.token_with_kid(Some("new"), &claims));
    expect_user(&server, dial(&server, &by_old), &json!(7));
    expect_unauthorized(dial(&server, &new.token_with_kid(Some("old"), &claims)));

    provider.answer(200, &json!({ "keys": [new.jwk(Some("new"))] }));
    // An unknown key is asked for at most every 10 s.
    let path = format!("/ws?token={by_new}");
    let is_welcomed = || {
        let first = RawClient::upgraded(server.address(), &path, &[]).next_frame().expect("a frame");
        assert!(first.opcode == 1 || first.close_reason().0 == 4001, "{first:?}");
        first.opcode == 1
    };
    assert!(holds_within(Duration::from_secs(20), is_welcomed), "{}", server.log());
    assert!(provider.asked() <= 3, "{} fetches", provider.asked());
    expect_unauthorized(dial(&server, &by_old));
}

#[test]
fn published_keys_of_every_kind_are_taken_with_and_without_an_id() {
    let signers = [Signer::rs256(), Signer::es256(), Signer::eddsa()];
    let named = |(signer, kid): (&Signer, _)| signer.jwk(Some(kid));
    let keys: Vec<Value> = signers.iter().zip(["r", "e", "d"]).map(named).collect();
    let provider = Fixture::answering(&json!({ "keys": keys }));
    let server = launch().env("JWKS_URL", provider.url()).env("JWT_SECRET", SECRET).start();
    let claims = json!({ "user_id": 7, "exp": in_seconds(3600) });
    for (signer, kid) in signers.iter().zip(["r", "e", "d"]) {
        expect_user(&server, dial(&server, &signer.token_with_kid(Some(kid), &claims)), &json!(7));
        expect_user(&server, dial(&server, &signer.token(&claims)), &json!(7));
    }
    expect_user(&server, dial(&server, &Signer::hs256(SECRET).token(&claims)), &json!(7));
    expect_unauthorized(dial(&server, &signers[1].token_with_kid(Some("d"), &claims)));
    expect_unauthorized(dial(&server, &Signer::es256().token_with_kid(Some("e"), &claims)));
}

#[test]
fn keys_that_cannot_be_fetched_are_our_fault_and_not_the_tokens() {
    let signer = Signer::es256();
    let provider = Fixture::answering(&json!({}));
    provider.answer(500, &json!({}));
    let server = launch().env("JWKS_URL", provider.url()).start();
    let mut client =
        dial(&server, &signer.token_with_kid(Some("k"), &json!({ "user_id": 7, "exp": in_seconds(3600) })))
            .connect();
    assert_eq!(client.expect_close().0, 1011, "the client is to come back");
    let _anonymous = Client::welcomed(&server.ws());
}

#[test]
fn a_user_has_so_many_connections_and_no_more() {
    let server = launch().env("JWT_SECRET", SECRET).env("MAX_CONNECTIONS_PER_USER", "2").start();
    let signer = Signer::hs256(SECRET);
    let seven = signer.user(7);
    let first = dial(&server, &seven).welcomed();
    let _second = dial(&server, &seven).welcomed();
    assert_eq!(
        dial(&server, &signer.user("7")).connect().expect_close(),
        (4029, "Too many connections".to_owned())
    );
    let _other = dial(&server, &signer.user(8)).welcomed();
    let _anonymous: Vec<Client> = (0..4).map(|_| Client::welcomed(&server.ws())).collect();
    first.cut();
    server.wait_for_connections(6);
    let _again = dial(&server, &seven).welcomed();
}

/// Which of these origins may open a WebSocket.
fn allowed<'a>(server: &Server, origins: &[&'a str]) -> Vec<&'a str> {
    let mut allowed = Vec::new();
    for origin in origins {
        match Client::dial(&server.ws()).origin(origin).attempt() {
            Ok(mut client) => {
                client.welcome();
                allowed.push(*origin);
            }
            Err(refused) => {
                assert_eq!(refused.status, 403, "{refused:?}");
                assert!(refused.body.contains("forbidden_origin"), "{refused:?}");
            }
        }
    }
    allowed
}

const ORIGINS: [&str; 6] = [
    "http://localhost:5173",
    "https://127.0.0.1",
    "null",
    "https://app.example.com",
    "https://app.example.com.evil.example",
    "http://app.example.com",
];

#[test]
fn without_a_list_loopback_pages_and_files_may_connect() {
    let server = server();
    assert_eq!(allowed(&server, &ORIGINS), ["http://localhost:5173", "https://127.0.0.1", "null"]);
    let _no_browser = Client::welcomed(&server.ws());
    assert_eq!(
        server.metric("fanfare_handshakes_refused_total", &[r#"reason="forbidden_origin""#]),
        Some(3.0)
    );
}

#[test]
fn with_a_list_only_listed_pages_may_connect() {
    let server = launch().env("CORS_ALLOWED_ORIGINS", "https://app.example.com").start();
    assert_eq!(allowed(&server, &ORIGINS), ["https://app.example.com"]);
    let _no_browser = Client::welcomed(&server.ws());
}

#[test]
fn in_production_nothing_is_allowed_that_is_not_listed() {
    let production = launch().env("FANFARE_ENV", "production").env("JWT_SECRET", SECRET);
    assert_eq!(allowed(&production.start(), &ORIGINS), [""; 0]);
    let server = production.env("CORS_ALLOWED_ORIGINS", "https://app.example.com").start();
    assert_eq!(allowed(&server, &ORIGINS), ["https://app.example.com"]);
}
