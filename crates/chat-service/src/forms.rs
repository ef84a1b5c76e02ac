//! What callers send, read into types: users, texts, ids of messages. Every refusal says what is accepted.
//!
//! Not here: whether a user exists, which nobody asks (contract: the recipient need not exist in the user service).

use events::AnyUserId;
use protocol::UserId;
use rest::form::{self, MAX_ID};

/// The whole numbers that are user ids.
const NUMBERS: &str = "has more than 64 bits";

/// A user in a member: a string or a whole number, as in tokens and publications.
pub(crate) fn user(raw: &str) -> Result<AnyUserId, String> {
    let id = UserId::from_json(raw).map_err(|error| format!("must be a user: {error}"))?;
    of(&id).ok_or_else(|| format!("must be a user: the number {NUMBERS}"))
}

/// A user of a token.
pub(crate) fn of(id: &UserId) -> Option<AnyUserId> {
    if !id.is_number() {
        return Some(AnyUserId::Text(id.as_str().to_owned()));
    }
    // One spelling: `-0` is a number that is written otherwise when it goes out.
    id.as_str().parse::<i64>().ok().filter(|number| number.to_string() == id.as_str()).map(AnyUserId::Number)
}

/// A user in a path, which has no form: what the services' ids look like is taken for a number.
pub(crate) fn user_in_path(text: &str) -> Option<AnyUserId> {
    match form::id(text) {
        Ok(id) => Some(AnyUserId::Number(id)),
        Err(_) => UserId::from_text(text).ok().and_then(|id| of(&id)),
    }
}

/// The text of a message: 1 to `most` bytes of UTF-8, not blank. Control characters are refused (Unicode's category Cc:
/// U+0000–U+001F, U+007F–U+009F), except tab and newline; every other character comes back unchanged.
pub(crate) fn text(most: usize) -> impl FnOnce(&str) -> Result<String, String> {
    move |raw| {
        let text: String =
            serde_json::from_str(raw).map_err(|_| "must be a string of Unicode characters".to_owned())?;
        if text.is_empty() || text.len() > most {
            return Err(format!("must have 1 to {most} bytes of UTF-8, and has {}", text.len()));
        }
        if text.chars().all(char::is_whitespace) {
            return Err("must not be blank".to_owned());
        }
        let refused = |c: &char| c.is_control() && !matches!(c, '\t' | '\n');
        match text.chars().find(refused) {
            Some(c) => Err(format!("must not contain the control character U+{:04X}", u32::from(c))),
            None => Ok(text),
        }
    }
}

/// A message's id.
pub(crate) fn message_id(raw: &str) -> Result<i64, String> {
    form::id(raw).map_err(|_| format!("must be a message's id: a whole number from 1 to {MAX_ID}"))
}

/// `true` or `false`.
pub(crate) fn truth(raw: &str) -> Result<bool, String> {
    serde_json::from_str(raw).map_err(|_| "must be true or false".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_told_what_is_wrong_with_it() {
        let read = |text: &str| super::text(8)(&json!(text).to_string());
        for good in ["a", "a\tb\nc", "\u{2028}x", "日本", "12345678", " x "] {
            assert_eq!(read(good).as_deref(), Ok(good));
        }
        for (bad, part) in [
            ("", "1 to 8 bytes"),
            ("123456789", "has 9"),
            ("日本語", "has 9"),
            (" \n\t\u{2028}", "blank"),
            ("a\u{0}", "U+0000"),
            ("a\r\n", "U+000D"),
            ("a\u{7f}", "U+007F"),
            ("a\u{85}", "U+0085"),
            ("a\u{9f}", "U+009F"),
            ("\u{1b}[1m", "U+001B"),
        ] {
            let error = read(bad).expect_err(bad);
            assert!(error.contains(part), "{bad:?}: {error}");
        }
        for raw in ["7", "null", "[\"a\"]", r#""\ud800""#] {
            assert!(text(8)(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn users_are_strings_and_whole_numbers() {
        for (raw, text, is_number) in
            [("7", "7", true), ("\"7\"", "7", false), ("\"é b\"", "é b", false), ("-3", "-3", true)]
        {
            let user = user(raw).expect(raw);
            assert_eq!((user.text().as_ref(), matches!(user, AnyUserId::Number(_))), (text, is_number));
        }
        for raw in ["null", "1.5", "1e3", "-0", "\"\"", "true", "[7]", "18446744073709551616", r#""a\u0000""#]
        {
            assert!(user(raw).is_err(), "{raw}");
        }
        assert!(user(&json!("x".repeat(195)).to_string()).is_err());
    }

    #[test]
    fn a_user_in_a_path_is_a_number_where_it_looks_like_an_id() {
        for (text, is_number) in
            [("7", true), ("007", false), ("9007199254740992", false), ("anna", false), ("-3", false)]
        {
            let user = user_in_path(text).expect(text);
            assert_eq!((user.text().as_ref(), matches!(user, AnyUserId::Number(_))), (text, is_number));
        }
        assert!(user_in_path("a\u{1}").is_none() && user_in_path(&"x".repeat(195)).is_none());
    }
}
