//! Facts about a JSON text that the parser does not tell.

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
    fn an_object_is_told_by_its_first_character() {
        assert!(is_object("{}") && is_object(" \r\n\t{\"a\":1}"));
        assert!(!is_object("[]") && !is_object("") && !is_object("\"{\""));
    }
}
