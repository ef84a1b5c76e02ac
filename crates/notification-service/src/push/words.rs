//! The texts of a digest, by language. Pure. English where a language is none of these.

use std::collections::BTreeMap;

/// Titles that a digest names.
pub(super) const MOST_TITLES: usize = 3;

/// The title of a digest of so many notifications.
pub(super) fn title(locale: &str, count: usize) -> String {
    match language(locale) {
        Language::English => format!("{count} new notifications"),
        Language::German => format!("{count} neue Benachrichtigungen"),
    }
}

/// Its text: the first titles, a line each, and how many others there are.
pub(super) fn body<'a>(locale: &str, titles: impl Iterator<Item = &'a str>, count: usize) -> String {
    let mut lines: Vec<String> = titles.take(MOST_TITLES).map(line).collect();
    let others = count.saturating_sub(lines.len());
    if others > 0 {
        lines.push(match language(locale) {
            Language::English => format!("and {others} more"),
            Language::German if others == 1 => "und eine weitere".to_owned(),
            Language::German => format!("und {others} weitere"),
        });
    }
    lines.join("\n")
}

/// How many of each category, as JSON; only the ten largest, since a message has its bounds.
pub(super) fn by_category<'a>(categories: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for category in categories {
        *counts.entry(category).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(name, count), (other, others)| others.cmp(count).then(name.cmp(other)));
    let told: serde_json::Map<String, serde_json::Value> =
        counts.into_iter().take(10).map(|(name, count)| (name.to_owned(), count.into())).collect();
    serde_json::Value::Object(told).to_string()
}

/// A title as one line of a digest.
fn line(title: &str) -> String {
    let mut words = title.split_whitespace();
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
    match line.char_indices().nth(80) {
        None => line,
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
    }
}

enum Language {
    English,
    German,
}

fn language(locale: &str) -> Language {
    match locale.split('-').next() {
        Some(primary) if primary.eq_ignore_ascii_case("de") => Language::German,
        _ => Language::English,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_how_many_and_the_first_titles_in_the_users_language() {
        assert_eq!(title("en-GB", 30), "30 new notifications");
        assert_eq!(title("fr", 30), "30 new notifications");
        assert_eq!(title("DE-at", 30), "30 neue Benachrichtigungen");
        let titles = ["Job\naccepted", "Paid", "<b>Bold</b>", "Fourth", "Fifth"];
        assert_eq!(body("en", titles.into_iter(), 30), "Job accepted\nPaid\n<b>Bold</b>\nand 27 more");
        assert_eq!(body("de", titles.into_iter(), 30), "Job accepted\nPaid\n<b>Bold</b>\nund 27 weitere");
        assert_eq!(body("de", titles.into_iter(), 4), "Job accepted\nPaid\n<b>Bold</b>\nund eine weitere");
        assert_eq!(body("en", ["a", "b"].into_iter(), 2), "a\nb");
        let long = "ü".repeat(200);
        assert_eq!(body("en", [long.as_str()].into_iter(), 1), format!("{}…", "ü".repeat(80)));
    }

    #[test]
    fn categories_are_counted_and_only_the_largest_are_told() {
        assert_eq!(by_category(["b", "a", "b"].into_iter()), r#"{"a":1,"b":2}"#);
        let names: Vec<String> = (0..50).map(|n| format!("c{n}")).collect();
        let all = names.iter().map(String::as_str).chain(["c49", "c49"]);
        let told: serde_json::Value = serde_json::from_str(&by_category(all)).expect("JSON");
        assert_eq!((told.as_object().map(serde_json::Map::len), &told["c49"]), (Some(10), &3.into()));
    }
}
