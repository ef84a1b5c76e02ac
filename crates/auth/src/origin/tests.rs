use super::*;

fn policy(list: &str, environment: Environment) -> OriginPolicy {
    OriginPolicy::new(Some(list), environment).expect(list)
}

fn development() -> OriginPolicy {
    OriginPolicy::new(None, Environment::Development).expect("policy")
}

const LOOPBACK: [&str; 9] = [
    "http://localhost",
    "http://localhost:5173",
    "https://localhost:3000",
    "HTTP://LOCALHOST:80",
    "http://app.localhost:8080",
    "http://127.0.0.1:8080",
    "http://127.8.8.8",
    "http://[::1]:9000",
    "https://[::1]",
];

const FOREIGN: [&str; 10] = [
    "https://evil.example",
    "http://localhost.evil.example",
    "http://evil-localhost",
    "http://127.0.0.1.evil.example",
    "http://192.168.0.5",
    "http://0.0.0.0:8080",
    "chrome-extension://abcdef",
    "ftp://localhost",
    "http://localhost@evil.example",
    "file://",
];

const UNREADABLE: [&str; 8] = [
    "",
    "localhost",
    "http://",
    "http://localhost/",
    "http://localhost:99999",
    "http://localhost http://evil.example",
    "Null",
    "://localhost",
];

/// What a policy says about an origin: WebSocket, HTTP request, and the CORS answer.
fn verdict(policy: &OriginPolicy, origin: Option<&str>) -> (bool, bool, Option<String>, bool) {
    let cors = policy.cors(origin);
    (
        policy.allows_websocket(origin),
        policy.allows_request(origin),
        cors.allow_origin,
        cors.allow_credentials,
    )
}

fn own(origin: &str) -> Option<String> {
    Some(origin.to_owned())
}

#[test]
fn clients_without_an_origin_pass_everywhere() {
    for policy in [
        development(),
        policy("", Environment::Production),
        policy("https://a.example", Environment::Production),
        policy("*", Environment::Development),
    ] {
        assert!(policy.allows_websocket(None) && policy.allows_request(None));
        assert!(policy.allows_cookie(None, None));
        assert!(!policy.cors(None).allow_credentials);
    }
}

#[test]
fn unset_outside_production_any_loopback_origin_is_allowed_without_credentials() {
    for origin in LOOPBACK {
        assert_eq!(verdict(&development(), Some(origin)), (true, true, own(origin), false), "{origin}");
    }
    for origin in FOREIGN.into_iter().chain(UNREADABLE) {
        assert_eq!(verdict(&development(), Some(origin)), (false, false, None, false), "{origin}");
    }
}

#[test]
fn unset_outside_production_null_may_open_a_websocket_and_no_more() {
    assert_eq!(verdict(&development(), Some("null")), (true, false, None, false));
}

#[test]
fn unset_in_production_no_origin_is_allowed() {
    for list in [None, Some(""), Some(" , ")] {
        let policy = OriginPolicy::new(list, Environment::Production).expect("policy");
        for origin in LOOPBACK.into_iter().chain(FOREIGN).chain(UNREADABLE).chain(["null"]) {
            assert_eq!(verdict(&policy, Some(origin)), (false, false, None, false), "{origin}");
        }
    }
}

#[test]
fn a_list_names_exactly_what_is_allowed_in_both_environments() {
    let list = "https://app.example.com, http://localhost:5173/ capacitor://localhost";
    for environment in [Environment::Development, Environment::Production] {
        let policy = policy(list, environment);
        for origin in [
            "https://app.example.com",
            "https://APP.example.com:443",
            "http://localhost:5173",
            "capacitor://localhost",
        ] {
            assert_eq!(verdict(&policy, Some(origin)), (true, true, own(origin), true), "{origin}");
        }
        for origin in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://example.com",
            "https://x.app.example.com",
            "http://localhost:5174",
            "https://localhost:5173",
            "http://localhost",
            "null",
        ] {
            assert_eq!(verdict(&policy, Some(origin)), (false, false, None, false), "{origin}");
        }
    }
}

#[test]
fn a_star_allows_all_without_credentials_and_names_beside_it_keep_theirs() {
    let star = policy("*", Environment::Production);
    for origin in ["https://any.example", "null"] {
        assert_eq!(verdict(&star, Some(origin)), (true, true, own("*"), false), "{origin}");
    }
    assert!(!star.allows_websocket(Some("not an origin")));
    let both = policy("*,https://app.example.com", Environment::Production);
    let named = "https://app.example.com";
    assert_eq!(verdict(&both, Some(named)), (true, true, own(named), true));
    assert_eq!(verdict(&both, Some("https://any.example")), (true, true, own("*"), false));
}

#[test]
fn null_in_the_list_is_for_websockets() {
    let policy = policy("null,https://app.example.com", Environment::Production);
    assert_eq!(verdict(&policy, Some("null")), (true, false, None, false));
}

#[test]
fn caches_are_told_where_the_answer_depends_on_the_origin() {
    let named = "https://app.example.com";
    for (policy, vary) in [
        (development(), true),
        (policy(named, Environment::Production), true),
        (policy("*,https://app.example.com", Environment::Production), true),
        (policy("*", Environment::Production), false),
        (policy("", Environment::Production), false),
    ] {
        for origin in [None, Some(named), Some("https://evil.example")] {
            assert_eq!(policy.cors(origin).vary, vary, "{policy:?} {origin:?}");
        }
    }
}

#[test]
fn a_cookie_needs_the_same_or_a_listed_origin() {
    let listed = policy("https://app.example.com", Environment::Production);
    let star = policy("*", Environment::Production);
    for (policy, origin, host, allowed) in [
        (&listed, "https://app.example.com", Some("hub.example.com"), true),
        (&listed, "https://hub.example.com", Some("hub.example.com"), true),
        (&listed, "https://hub.example.com", Some("HUB.example.com:443"), true),
        (&listed, "http://hub.example.com:8080", Some("hub.example.com:8080"), true),
        (&listed, "https://hub.example.com", Some("hub.example.com:8443"), false),
        (&listed, "https://hub.example.com:8443", Some("hub.example.com"), false),
        (&listed, "https://evil.example", Some("hub.example.com"), false),
        (&listed, "https://hub.example.com", None, false),
        (&listed, "https://hub.example.com", Some("not a host"), false),
        (&listed, "null", Some("hub.example.com"), false),
        (&star, "https://evil.example", Some("hub.example.com"), false),
        (&star, "https://hub.example.com", Some("hub.example.com"), true),
        (&development(), "http://localhost:3000", Some("localhost:8080"), false),
        (&development(), "http://localhost:8080", Some("localhost:8080"), true),
        (&development(), "null", Some("localhost:8080"), false),
    ] {
        assert_eq!(policy.allows_cookie(Some(origin), host), allowed, "{origin} {host:?}");
    }
}

#[test]
fn a_wrong_entry_is_named() {
    let error = |list: &str| OriginPolicy::new(Some(list), Environment::Development).expect_err(list);
    for entry in
        ["app.example.com", "https://app.example.com/path", "https://", "https://a:x", "https://\u{e4}.de"]
    {
        assert_eq!(error(&format!("https://ok.example,{entry}")), OriginError::NotAnOrigin(entry.into()));
    }
    for entry in ["https://*.example.com", "http://localhost:*", "**"] {
        assert_eq!(error(entry), OriginError::Wildcard(entry.into()));
    }
}

proptest::proptest! {
    #[test]
    fn any_origin_is_judged_without_a_panic(text: String) {
        let _ = verdict(&development(), Some(&text));
        let _ = development().allows_cookie(Some(&text), Some(&text));
    }
}
