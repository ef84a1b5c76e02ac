//! Facts about a JSON text that the parser does not tell.

use std::fmt;

use serde::Deserializer as _;
use serde::de::Visitor;

/// How deep JSON may be nested (contract: channels, Limits).
pub const MAX_DEPTH: usize = 128;

/// Whether `json` is nested deeper than `max` arrays and objects. Takes one pass over the bytes, whatever
/// they are; on a text that is not JSON the answer means nothing.
#[must_use]
pub fn is_deeper_than(json: &[u8], max: usize) -> bool {
    let mut depth = 0_usize;
    let mut rest = json.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'"' => loop {
                match rest.next() {
                    Some(b'\\') => {
                        rest.next();
                    }
                    Some(b'"') | None => break,
                    Some(_) => {}
                }
            },
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// The JSON text with every string in it that is a value, and no member's name, replaced by what `map` makes of it; numbers
/// and all else stay as they were written. On a text that is not JSON the answer means nothing.
#[must_use]
pub fn map_strings(json: &str, mut map: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        out.push_str(&rest[..start]);
        let length = string_length(&rest[start..]);
        let (token, behind) = rest[start..].split_at(length);
        let is_name = behind.trim_start_matches([' ', '\t', '\r', '\n']).starts_with(':');
        let mapped = if is_name { None } else { decoded(token) };
        match mapped.and_then(|text| map(&text)).and_then(|text| serde_json::to_string(&text).ok()) {
            Some(text) => out.push_str(&text),
            None => out.push_str(token),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// The text of a JSON string. Half of a surrogate pair, which JSON may spell though it is no character, becomes U+FFFD.
fn decoded(token: &str) -> Option<String> {
    struct Reader;
    impl Visitor<'_> for Reader {
        type Value = String;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a string")
        }
        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }
    // Read as bytes, such a half is no error.
    serde_json::Deserializer::from_str(token).deserialize_bytes(Reader).ok()
}

/// The bytes of the string that `json` begins with, both quotes included.
fn string_length(json: &str) -> usize {
    let mut bytes = json.bytes().enumerate().skip(1);
    while let Some((place, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return place + 1,
            _ => {}
        }
    }
    json.len()
}

/// Whether a JSON text is an object. serde also reads an array as a struct, member by member, which no
/// contract of ours means.
#[must_use]
pub fn is_object(json: &str) -> bool {
    json.bytes().find(|byte| !byte.is_ascii_whitespace()) == Some(b'{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(!is_deeper_than(nested(128).as_bytes(), MAX_DEPTH));
        assert!(is_deeper_than(nested(129).as_bytes(), MAX_DEPTH));
        assert!(!is_deeper_than(format!("\"{}\"", nested(500)).as_bytes(), MAX_DEPTH));
        assert!(!is_deeper_than(br#"{"a":"\"[[[","b":[[]]}"#, 3));
        assert!(!is_deeper_than("[]".repeat(1000).as_bytes(), 1));
        assert!(!is_deeper_than(b"\"never closed \\", 1));
    }

    #[test]
    fn strings_are_mapped_where_they_are_values_and_all_else_stays() {
        let shout = |text: &str| Some(text.to_uppercase());
        let json =
            r#"{"a" : "b", "n":12345678901234567890.10, "l":["c","d\"e",{"f":"g"}],"u":"\u00e4","e":""}"#;
        let mapped = r#"{"a" : "B", "n":12345678901234567890.10, "l":["C","D\"E",{"f":"G"}],"u":"Ä","e":""}"#;
        assert_eq!(map_strings(json, shout), mapped);
        assert_eq!(map_strings(json, |_| None), json, "what is not mapped keeps its spelling");
        assert_eq!(map_strings("\"a\"", shout), "\"A\"");
        assert_eq!(map_strings("7", shout), "7");
        // Half of a pair hides nothing of the rest.
        assert!(map_strings(r#""\ud800<b\u003e""#, shout).ends_with("<B>\""));
        assert_eq!(map_strings(r#""\ud83d\ude00a""#, shout), "\"😀A\"");
        for broken in ["\"", "\"\\", "\"\\\"", "ä\"", "{\"a\":\"b"] {
            let _ = map_strings(broken, shout);
        }
    }

    #[test]
    fn an_object_is_told_by_its_first_character() {
        assert!(is_object("{}") && is_object(" \r\n\t{\"a\":1}"));
        assert!(!is_object("[]") && !is_object("") && !is_object("\"{\""));
    }
}
