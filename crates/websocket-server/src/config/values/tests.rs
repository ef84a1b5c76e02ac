//! Readers of single values: what they take, and the reasons with which they refuse.

use super::*;

#[test]
fn an_origin_is_kept_as_browsers_send_it() {
    for (text, kept) in [
        ("https://app.example", "https://app.example"),
        ("HTTPS://APP.example/", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ] {
        assert_eq!(text.parse::<Origin>().expect("an origin").as_str(), kept);
    }
}

#[test]
fn what_is_no_origin_is_refused() {
    for text in [
        "app.example",
        "null",
        "https://",
        "ftp://a",
        "file:///x",
        "https://a/b",
        "https://a?b",
        "https://u@a",
    ] {
        assert!(text.parse::<Origin>().is_err(), "{text}");
    }
    assert!("https://*.example".parse::<Origin>().expect_err("a wildcard").contains("wildcard"));
    assert!("*,https://a".parse::<OriginList>().is_err());
    assert!(" , ".parse::<OriginList>().is_err());
}

#[test]
fn a_host_loses_its_port_and_its_capitals() {
    for (text, kept) in [
        ("Hub.Example", "hub.example"),
        ("hub:8080", "hub"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("[::1]", "[::1]"),
        ("[2001:DB8::1]:80", "[2001:db8::1]"),
    ] {
        assert_eq!(text.parse::<HostName>().expect("a host").as_str(), kept);
    }
    for text in ["", "a b", "hub:port", "::1", "[nonsense]", "http://hub", ":80"] {
        assert!(text.parse::<HostName>().is_err(), "{text}");
    }
}
