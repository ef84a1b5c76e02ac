use super::*;

fn read(text: &str) -> Result<Email, String> {
    Email::read(&serde_json::Value::from(text).to_string())
}

#[test]
fn an_address_has_one_at_and_something_on_both_sides() {
    for good in [
        "a@b",
        "Anna.O'Hara+x@example.com",
        "用户@例子.中国",
        "<b>@x",
        "a'--@x",
        &format!("{}@x", "a".repeat(252)),
    ] {
        assert_eq!(read(good).map(|email| email.0), Ok(good.to_owned()));
    }
    let long = format!("{}@x", "a".repeat(253));
    for wrong in
        ["", "@", "a@", "@b", "a@b@c", "ab", "a b@c", "a@b\n", "a\u{0}@b", "a\u{a0}@b", "a\u{85}@b", &long]
    {
        assert!(read(wrong).is_err(), "{wrong:?}");
    }
    assert!(Email::read("7").is_err());
    assert!(Email::read("[\"a@b\"]").is_err());
}

#[test]
fn spellings_that_differ_in_case_are_one_address() {
    let (one, other) = (read("Anna@Example.COM").expect("one"), read("anna@example.com").expect("other"));
    assert_eq!(one.digest(), other.digest());
    assert_ne!(one, other);
    assert_eq!(read("ÄNNA@x").expect("an address").key(), "änna@x");
    assert_eq!(one.digest().len(), 64);
}

#[test]
fn case_is_ignored_in_every_script_and_place() {
    let key = |text: &str| read(text).expect("an address").key();
    for (one, other) in [
        ("ΟΔΟΣ@x.org", "οδος@x.org"),
        ("ΟΔΟΣ@x.org", "οδοσ@x.org"),
        ("straße@x", "STRASSE@x"),
        ("straße@x", "STRAẞE@x"),
        ("İ@x", "i\u{307}@x"),
        ("ǅ@x", "ǆ@x"),
        ("Ω@x", "ω@x"),
        ("ﬁ@x", "FI@x"),
    ] {
        assert_eq!(key(one), key(other), "{one} {other}");
    }
    for (one, other) in [("e@x", "é@x"), ("İ@x", "i@x"), ("о@x", "o@x")] {
        assert_ne!(key(one), key(other), "{one} {other}");
    }
}

#[test]
fn no_character_has_a_key_that_its_other_case_has_not() {
    let key = |text: String| Email(text).key();
    for c in '\0'..=char::MAX {
        let (upper, lower) = (c.to_uppercase().to_string(), c.to_lowercase().to_string());
        let own = c.to_string();
        if upper == own && lower == own {
            continue;
        }
        let kept = key(own);
        assert_eq!((key(upper), key(lower)), (kept.clone(), kept.clone()), "{c:?}");
        assert_eq!(key(kept.clone()), kept, "{c:?}: a key is its own key");
    }
}
