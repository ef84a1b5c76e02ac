//! Publications without markup: what a publisher asks for whose clients may take text for HTML (contract: dashboard,
//! `sanitize`).
//!
//! Every string of the data is left with its text alone. It reads the same as text and as HTML, so that clients that
//! render text show no entities: a character is written as an entity only where it could begin a tag. Not here: finding
//! the strings (`protocol::json`).

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use html5ever::buffer_queue::BufferQueue;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use protocol::json;

/// Attributes of a tag that the tokenizer gets to see: it compares each with all before it, so that a megabyte of them in one
/// tag took it two minutes. No page has so many.
const MOST_ATTRIBUTES: usize = 256;

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
    let tokenizer = Tokenizer::new(Text::default(), TokenizerOpts::default());
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(&*without_long_tags(text)));
    // The sink asks for no script to be run, so one call reads all of it.
    let _ = tokenizer.feed(&queue);
    tokenizer.end();
    let text = tokenizer.sink.text.take();
    Some(without_tags(&text))
}

/// The text with tags that have more than [`MOST_ATTRIBUTES`] left without any. What is a tag the tokenizer alone decides: all
/// that this changes it reads anew.
fn without_long_tags(html: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let (mut rest, mut done) = (html, 0);
    while let Some(at) = rest.find('<') {
        let tag = &rest[at + 1..];
        let name = tag.strip_prefix('/').unwrap_or(tag);
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            rest = tag;
            continue;
        }
        let name_end = name.find(|c: char| c.is_ascii_whitespace() || "/>".contains(c)).unwrap_or(name.len());
        let attributes = &name[name_end..];
        let (count, length) = attributes_in(attributes);
        if count > MOST_ATTRIBUTES {
            let start = html.len() - attributes.len();
            kept.push_str(&html[done..start]);
            done = start + length;
        }
        rest = &attributes[length..];
    }
    if done == 0 {
        return Cow::Borrowed(html);
    }
    kept.push_str(&html[done..]);
    Cow::Owned(kept)
}

/// How many attributes a tag has behind its name, and their bytes up to its `>` or the end (HTML, from Before attribute name
/// state on).
fn attributes_in(text: &str) -> (usize, usize) {
    enum At {
        Before,
        Name,
        AfterName,
        BeforeValue,
        Value,
        Quoted(u8),
    }
    let (mut state, mut count) = (At::Before, 0);
    for (place, byte) in text.bytes().enumerate() {
        let is_space = byte.is_ascii_whitespace();
        state = match (state, byte) {
            (At::Quoted(quote), _) if byte == quote => At::Before,
            (At::Quoted(quote), _) => At::Quoted(quote),
            (_, b'>') => return (count, place),
            (At::BeforeValue, b'"' | b'\'') => At::Quoted(byte),
            (At::BeforeValue, _) if is_space => At::BeforeValue,
            (At::Value, _) if is_space => At::Before,
            (At::BeforeValue | At::Value, _) => At::Value,
            (At::Name | At::AfterName, b'=') => At::BeforeValue,
            (_, b'/') => At::Before,
            (At::Before, _) if is_space => At::Before,
            (At::Name | At::AfterName, _) if is_space => At::AfterName,
            (At::Name, _) => At::Name,
            (At::Before | At::AfterName, _) => {
                count += 1;
                At::Name
            }
        };
    }
    (count, text.len())
}

/// Keeps the characters between tags, but for those of scripts and styles.
#[derive(Default)]
struct Text {
    text: RefCell<String>,
    /// Whether a script or style is open.
    is_hidden: Cell<bool>,
}

impl TokenSink for Text {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            Token::CharacterTokens(text) if !self.is_hidden.get() => self.text.borrow_mut().push_str(&text),
            Token::TagToken(tag) => {
                let is_start = tag.kind == TagKind::StartTag;
                match &*tag.name {
                    "script" | "style" => self.is_hidden.set(is_start),
                    _ => return TokenSinkResult::Continue,
                }
                if is_start {
                    // What is in them is no markup, up to their own end.
                    return TokenSinkResult::RawData(RawKind::Rawtext);
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// The text with every `<` that would begin a tag or comment written as an entity (HTML, Tag open state: a letter, `/`, `!`
/// or `?` behind it).
fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let begins = |next: &char| next.is_ascii_alphabetic() || "/!?".contains(*next);
        if character == '<' && characters.peek().is_some_and(begins) {
            out.push_str("&lt;");
        } else {
            out.push(character);
        }
    }
    out
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
    fn a_tag_with_very_many_attributes_goes_as_quickly_as_any() {
        let attributes = |form: fn(usize) -> String| (0..60_000).map(form).collect::<String>();
        let tags = [
            attributes(|n| format!("x{n} ")),
            attributes(|n| format!("x{n}=\">\"")),
            attributes(|n| format!("x{n} = '/>'\n")),
            attributes(|n| format!("x{n}=y/")),
            attributes(|n| format!("/x{n}")),
        ];
        for many in tags {
            assert_eq!(stripped(&format!("a<b {many}>c</b {many}>d<i>e")), "acde", "{many:.40}");
            assert_eq!(stripped(&format!("a<b {many}")), "a", "{many:.40}");
        }
    }

    #[test]
    fn attributes_are_counted_as_html_reads_them() {
        for (text, count) in [
            (">", 0),
            (" a>x", 1),
            (" a b  c>", 3),
            (" a=1 b = '2>' c=\"'>\"d>e", 4),
            (" a=>b", 1),
            (" =a>", 1),
            (" =a=b c>", 2),
            ("/a/b/>", 2),
            (" a=b/c d>", 2),
        ] {
            assert_eq!(attributes_in(text), (count, text.rfind('>').expect("an end")), "{text}");
        }
        for (text, count) in [("", 0), (" a='never closed >", 1), (" a b=\"", 2)] {
            assert_eq!(attributes_in(text), (count, text.len()), "{text}");
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
