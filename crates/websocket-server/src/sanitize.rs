//! Publications without markup: what a publisher asks for whose clients may take text for HTML (contract: dashboard,
//! `sanitize`).
//!
//! Every string of the data is left with its text alone. It reads the same as text and as HTML, so that clients that
//! render text show no entities: a character is written as an entity only where it could begin a tag. Not here: finding
//! the strings (`protocol::json`).

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::Builder;
use protocol::json;

/// Takes all tags away, and with scripts and styles what is in them.
static STRIP: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder
        .tags(HashSet::new())
        .clean_content_tags(HashSet::from(["script", "style"]))
        .generic_attributes(HashSet::new())
        .tag_attributes(HashMap::new())
        .strip_comments(true);
    builder
});

/// The JSON text of a publication's data without markup in its strings.
pub(crate) fn data(data: &str) -> String {
    json::map_strings(data, strip)
}

/// A text without markup; none where it has none.
fn strip(text: &str) -> Option<String> {
    // Nothing but this begins a tag.
    if !text.contains('<') {
        return None;
    }
    Some(plain(&STRIP.clean(text).to_string()))
}

/// The text of what has no tags: entities that the cleaning made are characters again, but for a `<` that could begin a
/// tag (HTML, Tag open state: a letter, `/`, `!` or `?` behind it).
fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = [("&amp;", "&"), ("&gt;", ">"), ("&nbsp;", "\u{a0}"), ("&lt;", "<")];
        let Some((entity, character)) = known.into_iter().find(|(entity, _)| rest.starts_with(entity)) else {
            text.push('&');
            rest = &rest[1..];
            continue;
        };
        rest = &rest[entity.len()..];
        let begins = rest.starts_with(|next: char| next.is_ascii_alphabetic() || "/!?".contains(next));
        text.push_str(if character == "<" && begins { entity } else { character });
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(text: &str) -> String {
        strip(text).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn tags_go_and_their_text_stays() {
        assert_eq!(stripped("<b>Hello</b> <i class=x>world</i>"), "Hello world");
        assert_eq!(stripped("a<script>alert(1)</script>b<style>p{}</style>c"), "abc");
        assert_eq!(stripped("<img src=x onerror=alert(1)>"), "");
        assert_eq!(stripped("x<!-- note -->y"), "xy");
        assert_eq!(stripped("<a href=\"javascript:alert(1)\">link</a>"), "link");
    }

    #[test]
    fn text_without_markup_stays_as_it_is() {
        for text in ["R&D & Söhne", "3 > 2", "&lt;b&gt;", "", "😀", "1 < 2 & 3 > 2", "a <3 b"] {
            assert_eq!(stripped(text), text);
        }
    }

    #[test]
    fn nothing_that_is_left_is_markup() {
        let nasty = [
            "<<b>script>alert(1)<</b>/script>",
            "&lt;script&gt;<b></b>alert(1)",
            "<b>&lt;</b>img src=x onerror=alert(1)>",
            "<b>&amp;lt;img&amp;gt;</b>",
            "<svg><script>alert(1)</script>",
            "<math><mi><style><img src=x onerror=alert(1)>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<",
            "<b",
            "</",
        ];
        for text in nasty {
            let once = stripped(text);
            assert!(!has_tag(&once), "{text} became {once}");
            assert_eq!(stripped(&once), once, "{text}: a second time changes nothing");
        }
    }

    /// Whether a browser would see a tag or a comment.
    fn has_tag(text: &str) -> bool {
        let behind = text.match_indices('<').filter_map(|(at, _)| text[at + 1..].chars().next());
        behind.into_iter().any(|next| next.is_ascii_alphabetic() || "/!?".contains(next))
    }

    #[test]
    fn only_strings_that_are_values_change() {
        let before = r#"{"<b>":"<b>x</b>","n":12345678901234567890,"l":["<i>y</i>",{"z":"a & b"}]}"#;
        let after = r#"{"<b>":"x","n":12345678901234567890,"l":["y",{"z":"a & b"}]}"#;
        assert_eq!(data(before), after);
    }

    #[test]
    fn much_markup_does_not_take_long() {
        let deep = "<b>".repeat(200_000);
        assert_eq!(stripped(&deep), "");
    }
}
