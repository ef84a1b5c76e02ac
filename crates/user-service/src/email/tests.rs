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
