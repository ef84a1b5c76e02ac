use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::http::Uri;
use actix_web::http::header::{HeaderName, HeaderValue};

use protocol::ChannelPattern;

use super::*;
use crate::api_key::{ChannelScope, Rights};
use crate::origin::Environment;

fn policy(keys: &[ApiKey], hosts: &str, origins: &str) -> PublisherPolicy {
    PublisherPolicy {
        keys: ApiKeys::new(keys.to_vec()).expect("keys"),
        internal: ApiKeys::default(),
        allowed_hosts: HostList::parse(hosts).expect("hosts"),
        origins: OriginPolicy::new(Some(origins), Environment::Development).expect("origins"),
    }
}

fn key(name: &str, scope: ChannelScope, rights: Rights) -> ApiKey {
    ApiKey::from_secret(name, &format!("secret-of-{name}"), scope, rights).expect("a key")
}

fn publishing(name: &str) -> ApiKey {
    key(name, ChannelScope::All, Rights::Publish)
}

/// A request of a local program to a local hub.
const LOCAL: RequestFacts<'_> = RequestFacts {
    peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
    route: Route::Direct,
    host: Some("localhost:8080"),
    origin: None,
    authorization: None,
};

fn refused(policy: &PublisherPolicy, facts: RequestFacts<'_>) -> Option<Refusal> {
    policy.authorize(&facts).err()
}

#[test]
fn without_keys_a_local_program_may_publish_and_operate() {
    let policy = policy(&[], "", "");
    let publisher = policy.authorize(&LOCAL).expect("local");
    assert!(matches!(publisher, Publisher::Local));
    assert_eq!(publisher.key_name(), None);
    assert_eq!(publisher.may_publish("@all"), Ok(()));
    assert_eq!(publisher.may_operate(), Ok(()));
    // A key that nobody asked for does no harm.
    assert_eq!(refused(&policy, RequestFacts { authorization: Some("Bearer whatever"), ..LOCAL }), None);
}

#[test]
fn without_keys_only_loopback_peers_may_publish() {
    let policy = policy(&[], "", "");
    for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        let peer = peer.parse().expect("address");
        assert_eq!(refused(&policy, RequestFacts { peer, ..LOCAL }), None, "{peer}");
    }
    for peer in ["192.168.1.5", "10.0.0.1", "203.0.113.9", "0.0.0.0", "::", "fe80::1", "::ffff:10.0.0.1"] {
        let peer = peer.parse().expect("address");
        assert_eq!(refused(&policy, RequestFacts { peer, ..LOCAL }), Some(Refusal::NotLocal), "{peer}");
    }
}

#[test]
fn without_keys_a_request_that_was_passed_on_may_not_publish() {
    let policy = policy(&[], "", "");
    let forwarded = RequestFacts { route: Route::Forwarded, ..LOCAL };
    assert_eq!(refused(&policy, forwarded), Some(Refusal::Forwarded));
}

#[test]
fn without_keys_the_host_has_to_be_loopback_or_allowed() {
    let policy = policy(&[], "hub.internal, 10.0.0.7", "");
    for host in [
        "localhost",
        "LOCALHOST:1",
        "x.localhost",
        "127.0.0.2:80",
        "[::1]:8080",
        "hub.internal:9",
        "10.0.0.7",
    ] {
        assert_eq!(refused(&policy, RequestFacts { host: Some(host), ..LOCAL }), None, "{host}");
    }
    let bad = [
        "evil.example",
        "localhost.evil.example",
        "hub.internal.evil.example",
        "10.0.0.8",
        "",
        "a b",
        "[::1",
    ];
    for host in bad.map(Some).into_iter().chain([None]) {
        assert_eq!(
            refused(&policy, RequestFacts { host, ..LOCAL }),
            Some(Refusal::ForbiddenHost),
            "{host:?}"
        );
    }
}

#[test]
fn without_keys_a_page_has_to_be_one_that_may_use_the_hub() {
    let unset = policy(&[], "", "");
    for origin in ["http://localhost:5173", "http://127.0.0.1:8080"] {
        assert_eq!(refused(&unset, RequestFacts { origin: Some(origin), ..LOCAL }), None, "{origin}");
    }
    for origin in ["https://evil.example", "null", "", "nonsense"] {
        let facts = RequestFacts { origin: Some(origin), ..LOCAL };
        assert_eq!(refused(&unset, facts), Some(Refusal::ForbiddenOrigin), "{origin}");
    }
    let listed = policy(&[], "", "https://app.example.com");
    let from = |origin| RequestFacts { origin: Some(origin), ..LOCAL };
    assert_eq!(refused(&listed, from("https://app.example.com")), None);
    assert_eq!(refused(&listed, from("http://localhost:5173")), Some(Refusal::ForbiddenOrigin));
}

#[test]
fn with_keys_everybody_needs_one_and_nothing_else_matters() {
    let policy = policy(
        &[
            key(
                "shop",
                ChannelScope::Matching(vec![ChannelPattern::new("orders:*").expect("pattern")]),
                Rights::Publish,
            ),
            key("ops", ChannelScope::All, Rights::Admin),
        ],
        "",
        "",
    );
    assert_eq!(refused(&policy, LOCAL), Some(Refusal::KeyMissing));
    let with = |authorization| RequestFacts { authorization: Some(authorization), ..LOCAL };
    assert_eq!(refused(&policy, with("Basic c2hvcDp4")), Some(Refusal::KeyMissing));
    assert_eq!(refused(&policy, with("Bearer secret-of-nobody")), Some(Refusal::KeyUnknown));

    let remote = RequestFacts {
        peer: "203.0.113.9".parse().expect("address"),
        route: Route::Forwarded,
        host: Some("hub.example.com"),
        origin: Some("https://anywhere.example"),
        authorization: Some("Bearer secret-of-shop"),
    };
    let shop = policy.authorize(&remote).expect("shop");
    assert_eq!(shop.key_name(), Some("shop"));
    assert_eq!(shop.may_publish("orders:1"), Ok(()));
    assert_eq!(shop.may_publish("@all"), Err(Refusal::KeyNotAllowed));
    assert_eq!(shop.may_operate(), Err(Refusal::NotAdmin));
    let ops = with("Bearer secret-of-ops");
    assert_eq!(policy.authorize(&ops).expect("ops").may_operate(), Ok(()));
}

#[test]
fn every_refusal_has_a_status_a_code_and_something_to_do() {
    for (refusal, status, code, advice) in [
        (Refusal::KeyMissing, 401, "key_missing", "Authorization: Bearer"),
        (Refusal::KeyUnknown, 401, "key_unknown", "FANFARE_API_KEYS"),
        (Refusal::KeyNotAllowed, 403, "key_not_allowed", "channels"),
        (Refusal::NotAdmin, 403, "not_admin", "admin"),
        (Refusal::NotLocal, 403, "not_local", "FANFARE_API_KEYS"),
        (Refusal::Forwarded, 403, "forwarded_request", "FANFARE_API_KEYS"),
        (Refusal::ForbiddenHost, 403, "forbidden_host", "ALLOWED_HOSTS"),
        (Refusal::ForbiddenOrigin, 403, "forbidden_origin", "CORS_ALLOWED_ORIGINS"),
    ] {
        assert_eq!((refusal.status(), refusal.code()), (status, code));
        assert!(refusal.to_string().contains(advice), "{refusal}");
    }
}

#[test]
fn proxies_are_told_by_their_headers() {
    for name in [
        "forwarded",
        "Forwarded",
        "x-forwarded-for",
        "X-Forwarded-Proto",
        "x-forwarded-anything",
        "x-forwarded",
        "x-real-ip",
        "via",
    ] {
        assert!(is_forwarding_header(name), "{name}");
    }
    for name in ["host", "x-forward", "forwarded-by-hand", "x-request-id", "viable", ""] {
        assert!(!is_forwarding_header(name), "{name}");
    }
}

#[test]
fn facts_are_read_from_the_head_of_a_request() {
    let mut head = RequestHead::default();
    head.headers.insert(HOST, HeaderValue::from_static("localhost:8080"));
    let peer = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let facts = RequestFacts::of(peer, &head);
    assert_eq!((facts.peer, facts.route, facts.host), (peer, Route::Direct, Some("localhost:8080")));
    assert_eq!((facts.origin, facts.authorization), (None, None));

    head.headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("https"));
    head.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    // Not readable as text, and so an origin that nobody allows, and not none.
    head.headers.insert(ORIGIN, HeaderValue::from_bytes(b"http://localhost\xff").expect("value"));
    // The target's own host counts, not what stands beside it (RFC 9112 §3.2.2).
    head.uri = Uri::from_static("http://evil.example/broadcast");
    let facts = RequestFacts::of(peer, &head);
    assert_eq!((facts.route, facts.host), (Route::Forwarded, Some("evil.example")));
    assert_eq!((facts.origin, facts.authorization), (Some(""), Some("Bearer x")));
}

#[test]
fn the_start_log_says_who_may_publish() {
    assert!(policy(&[], "", "").notice().contains("only programs on this machine"));
    assert!(policy(&[publishing("a")], "", "").notice().contains("the API key"));
    assert!(policy(&[publishing("a"), publishing("b")], "", "").notice().contains("2 API keys"));
}

#[test]
fn a_key_of_this_process_is_taken_besides_and_changes_nothing_for_others() {
    let internal = ApiKeys::new(vec![key("internal", ChannelScope::All, Rights::Admin)]).expect("a key");
    for configured in [vec![], vec![publishing("shop")]] {
        let without = policy(&configured, "", "");
        let with = PublisherPolicy { internal: internal.clone(), ..without.clone() };
        assert_eq!(with.notice(), without.notice());
        let remote = RequestFacts {
            peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            authorization: Some("Bearer secret-of-internal"),
            ..LOCAL
        };
        let publisher = with.authorize(&remote).expect("the key is known");
        assert_eq!((publisher.key_name(), publisher.may_operate()), (Some("internal"), Ok(())));
        for facts in [
            LOCAL,
            RequestFacts { authorization: Some("Bearer another-secret"), ..LOCAL },
            RequestFacts { authorization: Some("Bearer another-secret"), ..remote },
            RequestFacts { authorization: None, ..remote },
        ] {
            let (told, else_told) = (with.authorize(&facts), without.authorize(&facts));
            assert_eq!(told.map(|it| it.key_name().is_some()), else_told.map(|it| it.key_name().is_some()));
        }
    }
}
