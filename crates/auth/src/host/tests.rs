use super::*;

#[test]
fn hosts_are_compared_as_what_they_mean() {
    assert_eq!(Host::parse("Example.COM"), Host::parse("example.com"));
    assert_eq!(Host::parse("[0:0::1]"), Host::parse("[::1]"));
    assert_ne!(Host::parse("example.com"), Host::parse("www.example.com"));
    for (text, shown) in [("HUB.example", "hub.example"), ("127.0.0.1", "127.0.0.1"), ("[::1]", "[::1]")] {
        assert_eq!(Host::parse(text).expect(text).to_string(), shown);
    }
}

#[test]
fn what_is_no_host_is_refused() {
    for text in [
        "",
        ".",
        "a..b",
        "example.com.",
        "a b",
        "a/b",
        "a@b",
        "[::1",
        "::1",
        "[127.0.0.1]",
        "ex\u{e4}mple",
        "*",
    ] {
        assert_eq!(Host::parse(text), None, "{text}");
    }
    assert_eq!(Host::parse(&"a".repeat(254)), None);
}

#[test]
fn a_port_is_split_off() {
    let parse = |text| Host::parse_with_port(text).map(|(host, port)| (host.to_string(), port));
    assert_eq!(parse("hub:8080"), Some(("hub".into(), Some(8080))));
    assert_eq!(parse("hub:"), Some(("hub".into(), None)));
    assert_eq!(parse("[::1]:8080"), Some(("[::1]".into(), Some(8080))));
    assert_eq!(parse("[::1]"), Some(("[::1]".into(), None)));
    for text in
        ["hub:x", "hub:+1", "hub:65536", "hub:1:2", ":8080", "::1:80", "[::1]x:80", "user@hub:1", "hub:1/"]
    {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn only_three_spellings_are_loopback() {
    for text in
        ["localhost", "LocalHost", "app.localhost", "a.b.localhost", "127.0.0.1", "127.255.0.9", "[::1]"]
    {
        assert!(Host::parse(text).expect(text).is_loopback(), "{text}");
    }
    for text in [
        "localhost.example.com",
        "mylocalhost",
        "127.0.0.1.example.com",
        "127.1",
        "128.0.0.1",
        "0.0.0.0",
        "[::]",
        "[::2]",
        "localtest.me",
    ] {
        assert!(!Host::parse(text).expect(text).is_loopback(), "{text}");
    }
}

#[test]
fn the_list_ignores_ports_and_case_and_refuses_what_is_no_host() {
    let list = HostList::parse(" Hub.example.com, 10.0.0.7:8080 [fd00::1],").expect("list");
    for host in ["hub.example.com", "10.0.0.7", "[fd00::1]"] {
        assert!(list.contains(&Host::parse(host).expect(host)), "{host}");
    }
    assert!(!list.contains(&Host::parse("example.com").expect("host")));
    assert_eq!(HostList::parse(""), Ok(HostList::default()));
    assert_eq!(HostList::parse("a, *.b"), Err(HostListError::Wildcard("*.b".into())));
    assert_eq!(HostList::parse("https://a"), Err(HostListError::NotAHost("https://a".into())));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text: String) {
        let _ = Host::parse_with_port(&text);
    }
}
