use std::sync::Arc;

use actix_web::test::TestRequest;
use auth::{JwtSettings, Verifier};
use rest::{Caller, Callers};
use serde_json::{Value, json};
use service_kit::arguments::Secret;
use test_kit::Signer;

const SECRET: &str = "a shared secret of more than 32 bytes";
const KEY: &str = "the-service-key";

fn callers() -> Callers {
    let settings = JwtSettings { secret: Some(SECRET.to_owned()), ..JwtSettings::default() };
    Callers::new(Arc::new(Verifier::new(settings).expect("a verifier")), Some(&Secret::new(KEY)))
}

fn token(claims: &Value) -> String {
    Signer::hs256(SECRET).token(claims)
}

fn good(user: &Value) -> String {
    token(&json!({"user_id": user, "user_type": "employer", "exp": 4_000_000_000_u64}))
}

async fn user(authorization: &str) -> Result<(i64, bool), u16> {
    let request = TestRequest::get().insert_header(("authorization", authorization)).to_http_request();
    let user = callers().user(&request).await.map_err(|failure| failure.0.status().as_u16())?;
    Ok((user.id, user.is("employer")))
}

async fn service(authorization: &str) -> Result<(), u16> {
    let request = TestRequest::get().insert_header(("authorization", authorization)).to_http_request();
    callers().service(&request).await.map_err(|failure| failure.0.status().as_u16())
}

#[actix_web::test]
async fn a_user_is_known_by_a_good_token_and_by_nothing_else() {
    assert_eq!(user(&format!("Bearer {}", good(&json!(456)))).await, Ok((456, true)));
    assert_eq!(user(&format!("bearer {}", good(&json!("456")))).await, Ok((456, true)));
    let expired = token(&json!({"user_id": 1, "exp": 1_000}));
    let foreign = Signer::hs256("another secret of more than 32 bytes")
        .token(&json!({"user_id": 1, "exp": 4_000_000_000_u64}));
    for wrong in [
        "",
        "Bearer",
        "Bearer ",
        "Basic eA==",
        "Bearer x.y.z",
        &format!("Bearer {expired}"),
        &format!("Bearer {foreign}"),
    ] {
        assert_eq!(user(wrong).await, Err(401), "{wrong}");
    }
    for stranger in [json!("anna"), json!(0), json!(-1), json!("9007199254740992"), json!("07"), json!("+7")]
    {
        assert_eq!(user(&format!("Bearer {}", good(&stranger))).await, Err(401), "{stranger}");
    }
    assert_eq!(user(&format!("Bearer {KEY}")).await, Err(403), "a service is no user");
}

#[actix_web::test]
async fn a_service_is_known_by_its_key_and_a_user_is_told_apart_from_a_stranger() {
    assert_eq!(service(&format!("Bearer {KEY}")).await, Ok(()));
    assert_eq!(service(&format!("Bearer {}", good(&json!(1)))).await, Err(403));
    for wrong in ["", "Bearer other-key", "Bearer ", "Basic x"] {
        assert_eq!(service(wrong).await, Err(401), "{wrong}");
    }
}

#[actix_web::test]
async fn where_both_may_call_a_service_and_a_user_of_any_id_are_told_apart() {
    let caller = async |authorization: String| {
        let request = TestRequest::get().insert_header(("authorization", authorization)).to_http_request();
        callers().caller(&request).await.map_err(|failure| failure.0.status().as_u16())
    };
    assert_eq!(caller(format!("Bearer {KEY}")).await, Ok(Caller::Service));
    for (user, text, is_number) in
        [(json!(456), "456", true), (json!("456"), "456", false), (json!("anna"), "anna", false)]
    {
        let Ok(Caller::User(token)) = caller(format!("Bearer {}", good(&user))).await else {
            panic!("{user}")
        };
        assert_eq!((token.user_id.as_str(), token.user_id.is_number()), (text, is_number));
    }
    for wrong in ["", "Bearer other-key", "Basic x"] {
        assert_eq!(caller(wrong.to_owned()).await, Err(401), "{wrong}");
    }
}

#[actix_web::test]
async fn callers_that_are_renewed_take_the_key_before_and_its_clones_know_too() {
    let (callers, other) = (callers(), callers());
    let shared = callers.clone();
    let is_known = async |callers: &Callers, key: &str| {
        let bearer = format!("Bearer {key}");
        let request = TestRequest::get().insert_header(("authorization", bearer)).to_http_request();
        callers.service(&request).await.is_ok()
    };
    let settings = || JwtSettings {
        secret: Some("another shared secret of 32 bytes".to_owned()),
        ..JwtSettings::default()
    };
    let apply = callers.renew(settings(), Some(&Secret::new("the-second-key"))).expect("settings");
    assert!(!is_known(&callers, "the-second-key").await, "it is prepared, and not yet in force");
    apply();
    for known in [KEY, "the-second-key"] {
        assert!(is_known(&callers, known).await && is_known(&shared, known).await, "{known}");
    }
    assert!(!is_known(&other, "the-second-key").await, "others are others");
    let old = format!("Bearer {}", good(&json!(456)));
    let request = TestRequest::get().insert_header(("authorization", old)).to_http_request();
    assert!(callers.user(&request).await.is_err(), "a token by the secret before");
    // One more, and the first is no longer known.
    callers.renew(settings(), Some(&Secret::new("the-third-key"))).expect("settings")();
    assert!(is_known(&callers, "the-second-key").await && is_known(&callers, "the-third-key").await);
    assert!(!is_known(&callers, KEY).await);
}
