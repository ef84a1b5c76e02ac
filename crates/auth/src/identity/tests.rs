use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_800_000_000;

fn check(claims: &Value) -> Result<VerifiedToken, TokenError> {
    check_text(&claims.to_string())
}

fn check_text(claims: &str) -> Result<VerifiedToken, TokenError> {
    ClaimRules { clock_skew: Duration::from_secs(5), ..ClaimRules::default() }.check(claims.as_bytes(), NOW)
}

fn with(member: &str, value: Value) -> Value {
    let mut claims = json!({ "user_id": "u", "exp": NOW + 60 });
    claims[member] = value;
    claims
}

#[test]
fn a_number_stays_a_number_and_is_the_same_user_as_its_text() {
    let number = check(&with("user_id", json!(456))).expect("number").user_id;
    let text = check(&with("user_id", json!("456"))).expect("text").user_id;
    assert_eq!(number, text);
    assert!(number.is_number() && !text.is_number());
}

#[test]
fn integers_of_64_bits_arrive_digit_for_digit() {
    for id in ["9007199254740993", "9223372036854775807", "18446744073709551615", "-9223372036854775808"] {
        let token = check_text(&format!(r#"{{"sub":{id},"exp":{}}}"#, NOW + 60)).expect(id);
        assert_eq!(token.user_id.as_str(), id);
        assert!(token.user_id.is_number());
    }
}

#[test]
fn user_id_wins_over_sub_and_null_counts_as_absent() {
    let user = |claims: Value| check(&claims).map(|token| token.user_id.as_str().to_owned());
    assert_eq!(user(json!({ "user_id": 1, "sub": "2", "exp": NOW + 1 })).as_deref(), Ok("1"));
    assert_eq!(user(json!({ "sub": "2", "exp": NOW + 1 })).as_deref(), Ok("2"));
    assert_eq!(user(json!({ "user_id": null, "sub": 2, "exp": NOW + 1 })).as_deref(), Ok("2"));
    assert_eq!(user(json!({ "exp": NOW + 1 })), Err(TokenError::MissingClaim("user_id")));
    // A bad one is refused; nobody slips into the identity of `sub` that way.
    assert_eq!(
        user(json!({ "user_id": {}, "sub": "2", "exp": NOW + 1 })),
        Err(TokenError::InvalidClaim("user_id"))
    );
}

#[test]
fn what_is_no_user_id_is_refused() {
    for bad in
        [json!(""), json!("a\nb"), json!("x".repeat(201)), json!(1.5), json!(true), json!([1]), json!({})]
    {
        assert_eq!(check(&with("user_id", bad.clone())), Err(TokenError::InvalidClaim("user_id")), "{bad}");
    }
    let mut claims = with("sub", json!(1e3));
    claims["user_id"] = Value::Null;
    assert_eq!(check(&claims), Err(TokenError::InvalidClaim("sub")));
}

#[test]
fn a_token_ends_in_the_second_of_its_exp() {
    assert_eq!(check(&with("exp", json!(NOW + 1))).map(|token| token.expires_at), Ok(NOW + 1));
    for past in [json!(NOW), json!(NOW - 1), json!(0), json!(-5), json!(f64::from(1_800_000_000_u32) + 0.5)] {
        assert_eq!(check(&with("exp", past.clone())), Err(TokenError::Expired), "{past}");
    }
    assert_eq!(check(&with("exp", json!(1_800_000_009.75))).map(|token| token.expires_at), Ok(NOW + 9));
}

#[test]
fn exp_has_to_be_there_and_to_be_a_number() {
    assert_eq!(check(&json!({ "user_id": 1 })), Err(TokenError::MissingClaim("exp")));
    assert_eq!(check(&with("exp", Value::Null)), Err(TokenError::MissingClaim("exp")));
    for bad in [json!("1900000000"), json!([]), json!(true)] {
        assert_eq!(check(&with("exp", bad)), Err(TokenError::InvalidClaim("exp")));
    }
}

#[test]
fn an_end_beyond_all_clocks_is_cut_to_one_that_can_be_shown() {
    for far in [json!(u64::MAX), json!(1e300), json!(LATEST_EXPIRY + 1)] {
        assert_eq!(check(&with("exp", far)).map(|token| token.expires_at), Ok(LATEST_EXPIRY));
    }
}

#[test]
fn nbf_may_lie_ahead_by_the_skew_and_no_further() {
    for good in [json!(NOW), json!(NOW + 5), json!(-1), json!(12.5), Value::Null] {
        assert!(check(&with("nbf", good.clone())).is_ok(), "{good}");
    }
    assert_eq!(check(&with("nbf", json!(NOW + 6))), Err(TokenError::NotYetValid));
    assert_eq!(check(&with("nbf", json!(1e300))), Err(TokenError::NotYetValid));
    assert_eq!(check(&with("nbf", json!("soon"))), Err(TokenError::InvalidClaim("nbf")));
}

#[test]
fn issuer_and_audience_are_checked_where_configured() {
    let rules = ClaimRules {
        issuers: vec!["https://old.example.com".into(), "https://id.example.com".into()],
        audiences: vec!["fanfare".into()],
        ..ClaimRules::default()
    };
    let check = |iss: Value, aud: Value| {
        let claims = json!({ "user_id": 1, "exp": NOW + 1, "iss": iss, "aud": aud }).to_string();
        rules.check(claims.as_bytes(), NOW).map(drop)
    };
    let iss = || json!("https://id.example.com");
    assert_eq!(check(iss(), json!("fanfare")), Ok(()));
    assert_eq!(check(iss(), json!(["other", "fanfare"])), Ok(()));
    assert_eq!(check(iss(), json!("other")), Err(TokenError::WrongAudience));
    assert_eq!(check(iss(), json!([])), Err(TokenError::WrongAudience));
    assert_eq!(check(iss(), json!(7)), Err(TokenError::InvalidClaim("aud")));
    assert_eq!(check(iss(), Value::Null), Err(TokenError::MissingClaim("aud")));
    assert_eq!(check(json!("https://id.example.com/"), json!("fanfare")), Err(TokenError::WrongIssuer));
    assert_eq!(
        check(json!(["https://id.example.com"]), json!("fanfare")),
        Err(TokenError::InvalidClaim("iss"))
    );
    assert_eq!(check(Value::Null, json!("fanfare")), Err(TokenError::MissingClaim("iss")));
}

#[test]
fn issuer_and_audience_may_say_anything_where_not_configured() {
    for (member, value) in
        [("iss", json!("x")), ("aud", json!("x")), ("aud", json!(["x"])), ("aud", json!(1))]
    {
        assert!(check(&with(member, value)).is_ok());
    }
}

#[test]
fn user_type_and_channels_come_along_within_their_limits() {
    let mut claims = with("user_type", json!("employer"));
    claims["channels"] = json!(["jobs", "orders:*"]);
    let token = check(&claims).expect("token");
    assert_eq!(token.user_type.as_deref(), Some("employer"));
    let channels = token.channels.expect("channels");
    assert!(channels[1].matches("orders:7") && !channels[1].matches("jobs"));

    let none = check(&with("channels", json!([]))).expect("none");
    assert_eq!((none.user_type, none.channels), (None, Some(Vec::new())));
    assert_eq!(check(&with("channels", Value::Null)).expect("absent").channels, None);

    assert!(check(&with("channels", json!(vec!["a"; 100]))).is_ok());
    for bad in [json!(vec!["a"; 101]), json!("jobs"), json!([1]), json!(["no space"]), json!([""])] {
        assert_eq!(check(&with("channels", bad)), Err(TokenError::InvalidClaim("channels")));
    }
    for bad in [json!(""), json!(3), json!("x".repeat(101)), json!("a\u{0}")] {
        assert_eq!(check(&with("user_type", bad)), Err(TokenError::InvalidClaim("user_type")));
    }
}

#[test]
fn a_session_comes_along_where_the_token_has_a_readable_one() {
    let session = |claims: &Value| check(claims).map(|token| token.session.map(String::from));
    assert_eq!(session(&with("sid", json!("s-1"))), Ok(Some("s-1".to_owned())));
    assert_eq!(session(&with("sid", json!("x".repeat(64)))), Ok(Some("x".repeat(64))));
    assert_eq!(session(&with("sid", Value::Null)), Ok(None));
    assert_eq!(session(&with("user_id", json!(1))), Ok(None));
    for bad in
        [json!(""), json!("x".repeat(65)), json!("a b"), json!("a\nb"), json!("é"), json!(7), json!(["s"])]
    {
        assert_eq!(session(&with("sid", bad.clone())), Err(TokenError::InvalidClaim("sid")), "{bad}");
    }
}

#[test]
fn a_claim_given_twice_or_claims_that_are_no_object_are_malformed() {
    let exp = NOW + 60;
    for text in [
        &format!(r#"{{"user_id":1,"user_id":2,"exp":{exp}}}"#),
        &format!(r#"{{"user_id":1,"exp":{exp},"exp":{exp}}}"#),
        "[]",
        &format!(r#"[456,null,null,null,{exp}]"#),
        "\"x\"",
        "",
        "{",
        "{\"exp\":\u{1}1}",
    ] {
        assert_eq!(check_text(text), Err(TokenError::Malformed), "{text}");
    }
    assert_eq!(ClaimRules::default().check(b"{\"user_id\":\"\xff\"}", NOW), Err(TokenError::Malformed));
}
