//! The documents against what they tell of.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::files;

fn document(path: &str) -> String {
    fs::read_to_string(files::root().join(path)).expect(path)
}

/// The parts of a text between backticks on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The section of a document under a heading.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let from = text.find(heading).unwrap_or_else(|| panic!("no {heading:?}"));
    let rest = &text[from + heading.len()..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

#[test]
fn the_architecture_fits_200_lines_and_names_tests_that_exist() {
    let text = document("ARCHITECTURE.md");
    assert!(text.lines().count() <= 200, "{} lines", text.lines().count());

    let sources = files::texts(&["crates/"], &["rs"]);
    let exists = |name: &str| sources.iter().any(|(_, source)| source.contains(&format!("fn {name}(")));
    let invariants = section(&text, "\n## Invariants");
    let names: BTreeSet<&str> = quoted(invariants)
        .filter(|word| {
            word.matches('_').count() >= 2
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .collect();
    assert!(names.len() >= 7, "the invariants name few tests: {names:?}");
    let missing: Vec<&&str> = names.iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names tests that are not there: {missing:#?}");
}

#[test]
fn tests_that_the_other_documents_name_are_there_too() {
    let sources = files::texts(&["crates/"], &["rs"]);
    for path in ["README.md", "docs/services.md", "docs/operations.md"] {
        let text = document(path);
        // Four words or more in snake case are a test's name; metrics begin with what they measure.
        let names = quoted(&text).filter(|word| {
            word.matches('_').count() >= 4
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                && !word.starts_with("fanfare_")
        });
        for name in names {
            let there = sources.iter().any(|(_, source)| source.contains(&format!("fn {name}(")));
            assert!(there, "{path} names the test {name}, which is not there");
        }
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    for (path, text) in files::texts(&[], &["md"]) {
        let folder = files::root().join(&path).parent().map(ToOwned::to_owned).unwrap_or_default();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains(':') {
                continue;
            }
            assert!(folder.join(file).exists(), "{path} links to {target}, which is not there");
        }
    }
}

#[test]
fn the_operations_document_tells_of_every_metric() {
    let name_of = |word: &str| -> Option<String> {
        let end = word
            .find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
            .unwrap_or(word.len());
        word.starts_with("fanfare_").then(|| word[..end].to_owned())
    };
    // Every text of a library or program that is such a name; the kit and the load generator make no metrics.
    let sources = files::texts(&["crates/"], &["rs"]).into_iter().filter(|(path, _)| {
        let others = ["crates/test-kit/", "crates/loadgen/"];
        path.contains("/src/")
            && !others.iter().any(|other| path.starts_with(other))
            && !path.ends_with("tests.rs")
    });
    let quoted_lines = sources.flat_map(|(_, text)| {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        code.flat_map(|line| line.split('"').skip(1).step_by(2)).filter_map(name_of).collect::<Vec<_>>()
    });
    let made: BTreeSet<String> = quoted_lines.collect();
    for kind in ["connections", "publish", "service", "relay", "job", "payment", "sign", "pubsub"] {
        let begin = format!("fanfare_{kind}_");
        assert!(made.iter().any(|name| format!("{name}_").starts_with(&begin)), "none of {begin}: {made:?}");
    }
    let told = document("docs/operations.md");
    let told: BTreeSet<String> = quoted(&told).filter_map(name_of).collect();
    let untold: Vec<_> = made.difference(&told).collect();
    let gone: Vec<_> = told.difference(&made).collect();
    assert!(untold.is_empty() && gone.is_empty(), "not told: {untold:?}; told, but not there: {gone:?}");
}

#[test]
fn the_protocol_document_has_the_table_of_close_codes() {
    let text = document("docs/protocol.md");
    let table: Value =
        serde_json::from_str(&document("crates/protocol/fixtures/close-codes.json")).expect("JSON");
    let rows = section(&text, "\n## Close codes");
    for entry in table.as_array().expect("an array") {
        let (code, reason) = (entry["code"].to_string(), entry["reason"].as_str().unwrap_or_default());
        let told = rows.lines().any(|line| line.starts_with(&format!("| {code} |")) && line.contains(reason));
        assert!(told, "docs/protocol.md: no row for {code} {reason:?}");
    }
}
