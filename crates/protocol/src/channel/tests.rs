use proptest::prelude::*;

use super::*;

#[test]
fn names_follow_the_contract() {
    for good in ["a", "jobs", "orders:42", "A-Z_0.9/x@y=z", &"x".repeat(200)] {
        assert!(ChannelName::new(good).is_ok(), "{good}");
    }
    for (bad, why) in [
        ("", ChannelNameError::Empty),
        (&*"x".repeat(201), ChannelNameError::TooLong),
        ("a b", ChannelNameError::BadCharacter),
        ("ü", ChannelNameError::BadCharacter),
        ("a*", ChannelNameError::BadCharacter),
        ("a\n", ChannelNameError::BadCharacter),
        ("@all", ChannelNameError::Reserved),
    ] {
        assert_eq!(ChannelName::new(bad), Err(why), "{bad}");
    }
}

#[test]
fn a_star_stands_for_any_characters() {
    let matches = |pattern: &str, name: &str| ChannelPattern::new(pattern).expect("pattern").matches(name);
    assert!(matches("*", "") && matches("*", "@all") && matches("*", "user:7"));
    assert!(matches("orders:*", "orders:") && matches("orders:*", "orders:a:b"));
    assert!(!matches("orders:*", "orders") && !matches("orders:*", "xorders:1"));
    assert!(matches("*:private", "a:b:private") && !matches("*:private", "a:privatex"));
    assert!(matches("a*b*c", "aXbYbc") && !matches("a*b*c", "acb"));
    assert!(matches("jobs", "jobs") && !matches("jobs", "jobs2"));
}

#[test]
fn rest_is_what_the_first_star_stands_for() {
    let rest = |pattern: &str, name: &'static str| ChannelPattern::new(pattern).expect("pattern").rest(name);
    assert_eq!(rest("user:*", "user:7"), Some("7"));
    assert_eq!(rest("inbox:*:new", "inbox:a:b:new"), Some("a:b"));
    assert_eq!(rest("user:*", "users"), None);
    assert_eq!(rest("jobs", "jobs"), None);
}

proptest! {
    #[test]
    fn the_matcher_agrees_with_a_plain_recursion(pattern in "[ab*]{1,8}", name in "[ab]{0,10}") {
        fn slow(p: &[u8], n: &[u8]) -> bool {
            match (p.first(), n.first()) {
                (None, None) => true,
                (Some(b'*'), _) => slow(&p[1..], n) || (!n.is_empty() && slow(p, &n[1..])),
                (Some(a), Some(b)) if a == b => slow(&p[1..], &n[1..]),
                _ => false,
            }
        }
        let fast = ChannelPattern::new(&pattern).expect("pattern").matches(&name);
        prop_assert_eq!(fast, slow(pattern.as_bytes(), name.as_bytes()));
    }
}
