use super::*;

fn load(variable: &str) -> Result<ApiKeys, ApiKeyError> {
    ApiKeys::load(Some(variable), &[], Path::new("."))
}

fn loaded(variable: &str) -> ApiKeys {
    load(variable).expect(variable)
}

fn from_toml(text: &str) -> Result<ApiKeys, ApiKeyError> {
    from_toml_in(text, Path::new("."))
}

fn from_toml_in(text: &str, directory: &Path) -> Result<ApiKeys, ApiKeyError> {
    #[derive(Deserialize)]
    struct File {
        api_keys: Vec<ApiKeyEntry>,
    }
    let file: File = toml::from_str(text).expect("TOML");
    ApiKeys::load(None, &file.api_keys, directory)
}

fn key<'a>(keys: &'a ApiKeys, secret: &str) -> Result<&'a ApiKey, KeyError> {
    keys.authenticate(Some(&format!("Bearer {secret}")))
}

#[test]
fn entries_have_names_channels_and_rights() {
    let keys = loaded(
        "first-secret, shop:shop-secret;channels=orders:*|@all\n ops:operators:secret;admin;channels=*",
    );
    assert_eq!(keys.iter().map(ApiKey::name).collect::<Vec<_>>(), ["key-1", "shop", "ops"]);

    let first = key(&keys, "first-secret").expect("first");
    assert!(first.may_publish("anything") && !first.is_admin());
    assert_eq!(first.scope(), &ChannelScope::All);

    let shop = key(&keys, "shop-secret").expect("shop");
    assert!(shop.may_publish("orders:7") && shop.may_publish("@all"));
    assert!(!shop.may_publish("orders") && !shop.may_publish("user:7") && !shop.is_admin());

    // The first colon ends the name; the secret may have more.
    let ops = key(&keys, "operators:secret").expect("ops");
    assert!(ops.is_admin() && ops.may_publish("user:7"));
}

#[test]
fn a_header_is_a_bearer_with_a_known_key_or_refused() {
    let keys = loaded("a:secret-of-a,b:secret-of-b");
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
fn unset_and_empty_mean_no_keys_and_nothing_but_separators_is_a_mistake() {
    for variable in [None, Some("")] {
        assert!(ApiKeys::load(variable, &[], Path::new(".")).expect("keys").is_empty());
    }
    for variable in [" ", ",", " , \n"] {
        assert!(matches!(load(variable), Err(ApiKeyError::NoKey)));
    }
}

#[test]
fn a_wrong_entry_is_named_by_its_name_and_never_by_its_secret() {
    let long = format!("shop:{}", "hunter2".repeat(30));
    for (variable, message) in [
        ("hunter2", "API key `key-1`: its secret has fewer than 8 characters"),
        ("long-enough,shop:hunter2", "API key `shop`: its secret has fewer than 8 characters"),
        (":hunter2hunter2", "API key 1: its name is not 1 to 64 characters"),
        ("ok-ok-ok-ok,sh!op:hunter2hunter2", "API key 2: its name is not 1 to 64 characters"),
        ("shop:hunter2hunter2;hunter2", "API key `shop`: behind its secret only"),
        ("shop:hunter2hunter2;admin=hunter2", "API key `shop`: behind its secret only"),
        ("shop:hunter2hunter2;channels=a;channels=b", "API key `shop`: behind its secret only"),
        ("shop:hunter2hunter2;", "API key `shop`: behind its secret only"),
        ("shop:hunter2hunter2;channels=", "API key `shop`: channels= names no channel"),
        ("shop:hunter2hunter2;channels=a||b", "API key `shop`: a channel pattern may not be empty"),
        ("shop:hunter2hunter2;channels=a?", "API key `shop`: a channel pattern consists of"),
        ("shop:hunter2h\u{fc}nter2", "API key `shop`: its secret has a character that is not visible ASCII"),
        (&long, "API key `shop`: its secret has more than 200 characters"),
        ("a:hunter2hunter2,a:another-one", "API key `a`: there are two of that name"),
        ("a:hunter2hunter2,b:hunter2hunter2", "API keys `a` and `b` have the same secret"),
    ] {
        let error = load(variable).expect_err(variable).to_string();
        assert!(error.starts_with(message), "{variable}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let many: Vec<_> = (0..=MAX_KEYS).map(|n| format!("secret-number-{n}")).collect();
    assert!(matches!(load(&many.join(",")), Err(ApiKeyError::TooMany)));
    assert_eq!(loaded(&many[1..].join(",")).len(), MAX_KEYS);
}

#[test]
fn the_file_gives_a_secret_in_one_of_three_ways() {
    let directory = std::env::temp_dir().join(format!("fanfare-keys-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&directory).expect("directory");
    std::fs::write(directory.join("shop.key"), "secret-of-shop\r\n").expect("file");
    let text = r#"
        [[api_keys]]
        name = "plain"
        secret = "secret-of-plain"
        channels = ["jobs", "user:*"]
        [[api_keys]]
        name = "shop"
        secret_file = "shop.key"
        admin = true
        [[api_keys]]
        name = "hashed"
        sha256 = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
        channels = []
    "#;
    let keys = from_toml_in(text, &directory);
    std::fs::remove_dir_all(&directory).expect("removed");
    let keys = keys.expect("keys");
    let plain = key(&keys, "secret-of-plain").expect("plain");
    assert!(plain.may_publish("user:7") && !plain.may_publish("@all") && !plain.is_admin());
    let shop = key(&keys, "secret-of-shop").expect("shop");
    assert!(shop.may_publish("@all") && shop.is_admin());
    let hashed = key(&keys, "test").expect("hashed");
    assert!(!hashed.may_publish("jobs"));
}

#[test]
fn a_wrong_entry_of_the_file_is_named() {
    for (rest, message) in [
        ("", "give exactly one of secret, secret_file and sha256"),
        (
            "secret = \"hunter2hunter2\"\nsha256 = \"00\"",
            "give exactly one of secret, secret_file and sha256",
        ),
        ("sha256 = \"hunter2\"", "its sha256 is not 64 hexadecimal digits"),
        ("secret = \"hunter2\"", "its secret has fewer than 8 characters"),
        ("secret = \"hunter2 hunter2\"", "its secret has a character that is not visible ASCII"),
        ("secret_file = \"/does/not/exist\"", "cannot read /does/not/exist"),
        ("secret = \"hunter2hunter2\"\nchannels = [\"\"]", "a channel pattern may not be empty"),
    ] {
        let error = from_toml(&format!("[[api_keys]]\nname = \"shop\"\n{rest}")).expect_err(rest).to_string();
        assert!(error.starts_with(&format!("API key `shop`: {message}")), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(toml::from_str::<ApiKeyEntry>("name = \"a\"\nsecret = \"long-enough\"\nchanels = []").is_err());
}

#[test]
fn names_are_unique_across_the_variable_and_the_file() {
    let entry: ApiKeyEntry = toml::from_str("name = \"key-1\"\nsecret = \"long-enough\"").expect("entry");
    let both = ApiKeys::load(Some("another-secret"), &[entry], Path::new("."));
    assert!(matches!(both, Err(ApiKeyError::DuplicateName(name)) if &*name == "key-1"));
}

#[test]
fn keys_can_be_made_from_parts_by_the_same_rules() {
    let scope = || ChannelScope::Matching(vec![ChannelPattern::new("jobs").expect("pattern")]);
    let one = ApiKey::from_secret("one", "secret-of-one", scope(), Rights::Admin).expect("one");
    let two = ApiKey::from_sha256(
        "two",
        Sha256::digest("secret-of-two").into(),
        ChannelScope::All,
        Rights::Publish,
    );
    let keys = ApiKeys::new(vec![one.clone(), two.expect("two")]).expect("keys");
    let found = key(&keys, "secret-of-one").expect("one");
    assert!(found.is_admin() && found.may_publish("jobs") && !found.may_publish("@all"));
    assert_eq!(key(&keys, "secret-of-two").map(ApiKey::name), Ok("two"));

    assert!(matches!(ApiKeys::new(vec![one.clone(), one]), Err(ApiKeyError::DuplicateName(_))));
    let short = ApiKey::from_secret("one", "hunter2", scope(), Rights::Publish);
    assert!(matches!(short, Err(ApiKeyError::TooShort(_))));
    let nameless = ApiKey::from_secret("", "secret-of-one", scope(), Rights::Publish);
    assert!(matches!(nameless, Err(ApiKeyError::BadName { .. })));
}

#[test]
fn secrets_are_not_shown() {
    let entry: ApiKeyEntry = toml::from_str("name = \"a\"\nsecret = \"hunter2hunter2\"").expect("entry");
    let keys = ApiKeys::load(None, std::slice::from_ref(&entry), Path::new(".")).expect("keys");
    let shown = format!("{entry:?} {keys:?}");
    assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains("digest"), "{shown}");
}

/// `cargo test --release -p websocket-server -- --ignored --nocapture authentication_costs`
#[test]
#[ignore = "a measurement, for a quiet machine and --release"]
fn authentication_costs() {
    for count in [1, 10, MAX_KEYS] {
        let all: Vec<_> = (0..count).map(|n| format!("a-secret-of-32-characters-no-{n:04}")).collect();
        let keys = loaded(&all.join(","));
        let header = format!("Bearer {}", all[count - 1]);
        let rounds = 200_000;
        let begun = std::time::Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(keys.authenticate(std::hint::black_box(Some(&header)))).expect("known");
        }
        println!("{count} keys: {:?}", begun.elapsed() / rounds);
    }
}
