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

#[test]
fn an_address_to_listen_on_is_never_looked_up() {
    assert_eq!(host("localhost"), Ok([127, 0, 0, 1].into()));
    assert_eq!(host("[::]"), Ok(IpAddr::from([0_u16; 8])));
    assert_eq!(host(" 0.0.0.0 "), Ok([0, 0, 0, 0].into()));
    assert!(host("hub.example").is_err() && host("127.0.0.1:80").is_err());
}

#[test]
fn bounds_are_told_in_the_unit_of_the_setting() {
    assert_eq!(number(0, 9)("10"), Err("it is above 9".to_owned()));
    assert_eq!(size(1_024, 65_536)("1000"), Err("it is below 1KiB".to_owned()));
    let second = Duration::from_secs(1);
    assert_eq!(duration(second, second * 60)("2m"), Err("it is above 1m".to_owned()));
    assert_eq!(number(0, 9)("1_0"), Err("it is above 9".to_owned()));
    assert_eq!(number(0, 9)("nine"), Err("it is no whole number".to_owned()));
}

#[test]
fn off_is_a_word_or_zero_where_zero_has_one_meaning() {
    assert_eq!(count_or_off(9)("0"), Ok(OrOff::Off));
    assert_eq!(count_or_off(9)("off"), Ok(OrOff::Off));
    assert_eq!(count_or_off(9)("3").map(|value| value.on().map(NonZeroUsize::get)), Ok(Some(3)));
    assert_eq!(size_or_off(1, 9)("off"), Ok(OrOff::Off));
    assert!(size_or_off(1, 9)("0").is_err(), "always, or never?");
}
