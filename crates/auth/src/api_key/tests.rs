use super::*;

fn keys(names: &[&str]) -> ApiKeys {
    let one = |name: &&str| {
        ApiKey::from_secret(name, &format!("secret-of-{name}"), ChannelScope::All, Rights::Publish)
            .expect("a key")
    };
    ApiKeys::new(names.iter().map(one).collect()).expect("keys")
}

fn key<'a>(keys: &'a ApiKeys, secret: &str) -> Result<&'a ApiKey, KeyError> {
    keys.authenticate(Some(&format!("Bearer {secret}")))
}

#[test]
fn a_key_publishes_where_its_scope_says() {
    let patterns = ["orders:*", "@all"].map(|text| ChannelPattern::new(text).expect("a pattern"));
    let scope = ChannelScope::Matching(patterns.to_vec());
    let shop = ApiKey::from_secret("shop", "secret-of-shop", scope, Rights::Publish).expect("a key");
    assert!(shop.may_publish("orders:7") && shop.may_publish("@all") && !shop.is_admin());
    assert!(!shop.may_publish("orders") && !shop.may_publish("user:7"));
    let nowhere =
        ApiKey::from_secret("ops", "secret-of-ops", ChannelScope::Matching(Vec::new()), Rights::Admin);
    assert!(nowhere.is_ok_and(|key| key.is_admin() && !key.may_publish("jobs")));
}

#[test]
fn a_header_is_a_bearer_with_a_known_key_or_refused() {
    let keys = keys(&["a", "b"]);
    let name = |header| keys.authenticate(header).map(ApiKey::name);
    for header in ["Bearer secret-of-b", "bearer secret-of-b", "BEARER   secret-of-b ", " Bearer secret-of-b"]
    {
        assert_eq!(name(Some(header)), Ok("b"), "{header}");
    }
    for header in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic YTpi"), Some("secret-of-b")] {
        assert_eq!(name(header), Err(KeyError::Missing), "{header:?}");
    }
    let long = format!("Bearer {}", "x".repeat(100_000));
    for header in
        ["Bearer secret-of-c", "Bearer secret-of-", "Bearer secret-of-bb", "Bearer a:secret-of-a", &long]
    {
        assert_eq!(name(Some(header)), Err(KeyError::Unknown));
    }
    assert_eq!(ApiKeys::default().authenticate(Some("Bearer x")).map(drop), Err(KeyError::Unknown));
}

#[test]
fn a_secret_has_8_to_200_visible_characters() {
    for (secret, verdict) in [
        ("hunter2", Err(SecretError::TooShort)),
        ("hunter2!", Ok(())),
        (&"x".repeat(200), Ok(())),
        (&"x".repeat(201), Err(SecretError::TooLong)),
        ("hunter2 hunter2", Err(SecretError::NotVisible)),
        ("hunter2h\u{fc}nter2", Err(SecretError::NotVisible)),
    ] {
        assert_eq!(check_secret(secret), verdict, "{secret}");
    }
    let short =
        ApiKey::from_secret("shop", "hunter2", ChannelScope::All, Rights::Publish).expect_err("short");
    assert_eq!(short.to_string(), "API key `shop`: its secret has fewer than 8 characters");
}

#[test]
fn keys_differ_in_name_and_secret_and_are_not_too_many() {
    let one = ApiKey::from_secret("one", "secret-of-one", ChannelScope::All, Rights::Publish).expect("one");
    let digest: [u8; 32] = Sha256::digest("secret-of-one").into();
    let same = ApiKey::from_sha256("two", digest, ChannelScope::All, Rights::Publish).expect("two");
    assert_eq!(
        key(&ApiKeys::new(vec![same.clone()]).expect("keys"), "secret-of-one").map(ApiKey::name),
        Ok("two")
    );
    assert!(matches!(ApiKeys::new(vec![one.clone(), one.clone()]), Err(ApiKeyError::DuplicateName(_))));
    assert!(matches!(ApiKeys::new(vec![one, same]), Err(ApiKeyError::DuplicateSecret(..))));
    let nameless = ApiKey::from_secret("", "secret-of-one", ChannelScope::All, Rights::Publish);
    assert!(matches!(nameless, Err(ApiKeyError::BadName)));
    let names: Vec<_> = (0..=MAX_KEYS).map(|n| n.to_string()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(keys(&names[1..]).len(), MAX_KEYS);
    let one_more =
        |name: &&str| ApiKey::from_sha256(name, [0; 32], ChannelScope::All, Rights::Publish).expect("a key");
    assert!(matches!(ApiKeys::new(names.iter().map(one_more).collect()), Err(ApiKeyError::TooMany)));
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", keys(&["hunter2"]));
    assert!(shown.contains("***") && !shown.contains("secret-of") && !shown.contains("digest"), "{shown}");
}
