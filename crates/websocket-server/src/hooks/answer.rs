//! What clients are answered: a service's own words, or why there are none.

use protocol::json;
use serde::{Deserialize, Serialize};

/// The longest code and the longest message that are taken over from a problem, in characters.
const LONGEST_CODE: usize = 64;
const LONGEST_MESSAGE: usize = 1_000;

/// What an event that the hub answered itself is acknowledged with.
pub(super) const DONE: &str = r#"{"success":true}"#;

/// An answer that says why there is none of the service's.
#[derive(Serialize)]
struct Refusal<'a> {
    success: bool,
    code: &'a str,
    message: &'a str,
}

/// The acknowledgement of an event that was refused.
pub(super) fn refusal(code: &str, message: &str) -> Box<str> {
    let refusal = Refusal { success: false, code, message };
    serde_json::to_string(&refusal).unwrap_or_else(|_| r#"{"success":false}"#.to_owned()).into()
}

/// The acknowledgement of an event that no service answered.
pub(super) fn unavailable() -> Box<str> {
    refusal("unavailable", "the service does not answer at the moment; try again")
}

/// A service's answer as it is; none where it is no JSON object, or nested so deeply that clients could fail to read it.
pub(super) fn object(body: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(body).ok()?.trim_ascii();
    let is_whole = || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let fits = json::is_object(text) && !json::is_deeper_than(text.as_bytes(), json::MAX_DEPTH);
    (fits && is_whole()).then(|| text.into())
}

/// The acknowledgement that a problem (RFC 9457) becomes; none where the body is none with a code.
pub(super) fn of_problem(body: &[u8]) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
        #[serde(default)]
        detail: Option<String>,
        #[serde(default)]
        title: Option<String>,
    }
    let text = object(body)?;
    let problem: Problem = serde_json::from_str(&text).ok()?;
    if !(1..=LONGEST_CODE).contains(&problem.code.chars().count()) {
        return None;
    }
    let message = problem.detail.or(problem.title).unwrap_or_default();
    let message: String = message.chars().take(LONGEST_MESSAGE).collect();
    Some(refusal(&problem.code, &message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_passes_as_it_is_and_nothing_else_does() {
        let same = |text: &str| object(text.as_bytes());
        let text = r#"{"success":true,"id":12345678901234567890, "a":1.50,"a":"\u00e9"}"#;
        assert_eq!(same(text).as_deref(), Some(text));
        assert_eq!(same(" {}\r\n").as_deref(), Some("{}"));
        for wrong in ["", "[]", "7", "null", "\"{}\"", "{", "{}{}", "{'a':1}", "<html>", "{\"a\":}"] {
            assert_eq!(same(wrong), None, "{wrong}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), None);
        let deep = |levels: usize| {
            let inner = levels - 1;
            format!("{{\"a\":{}{}}}", "[".repeat(inner), "]".repeat(inner))
        };
        assert!(same(&deep(128)).is_some());
        assert!(same(&deep(129)).is_none());
    }

    #[test]
    fn a_problem_tells_its_code_and_its_detail() {
        let told = |text: &str| of_problem(text.as_bytes());
        let problem = r#"{"type":"about:blank","title":"T","status":422,"code":"invalid","detail":"\"message\" is empty"}"#;
        assert_eq!(
            told(problem).as_deref(),
            Some(r#"{"success":false,"code":"invalid","message":"\"message\" is empty"}"#)
        );
        assert_eq!(
            told(r#"{"title":"T","code":"x"}"#).as_deref(),
            Some(r#"{"success":false,"code":"x","message":"T"}"#)
        );
        let long = format!(r#"{{"code":"x","detail":"{}"}}"#, "ä".repeat(5_000));
        assert!(told(&long).is_some_and(|text| text.chars().count() < 1_100));
        for none in [r#"{"detail":"Not Found"}"#, r#"{"code":7}"#, r#"{"code":""}"#, "[]", "<html>"] {
            assert_eq!(told(none), None, "{none}");
        }
    }
}
