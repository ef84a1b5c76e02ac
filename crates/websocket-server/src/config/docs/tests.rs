//! The page in `docs/` is what the program prints, and what it shows works.

use std::path::Path;

use super::super::file;
use super::*;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");

#[test]
fn the_page_in_docs_is_up_to_date() {
    let page = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(page == documentation(), "docs/configuration.md has drifted; write it anew:\n    {REGENERATE}");
}

#[test]
fn every_setting_says_what_it_does_takes_and_is_without() {
    for arg in command().get_arguments().filter(|arg| !arg.is_hide_set()) {
        assert!(effect(arg).len() > 10, "{arg:?}");
        if arg.get_env().is_some() {
            assert!(paragraph(arg, "Values:").is_some(), "{:?} says no values", arg.get_id());
            let has_default = !arg.get_default_values().is_empty();
            assert!(
                has_default != paragraph(arg, "Unset:").is_some(),
                "{:?}: a default, or what holds",
                arg.get_id()
            );
        }
        let numeric = arg
            .get_default_values()
            .first()
            .is_some_and(|value| value.to_string_lossy().starts_with(|c: char| c.is_ascii_digit()));
        assert!(
            !numeric || paragraph(arg, "Source:").is_some(),
            "{:?} has a number from nowhere",
            arg.get_id()
        );
    }
}

#[test]
fn tables_are_whole() {
    let rows: Vec<String> =
        documentation().lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    assert!(rows.len() > 40, "{}", rows.len());
    for row in rows {
        let bars = row.replace("\\|", "").matches('|').count();
        assert!(bars == 6 || bars == 4, "{row}");
    }
}

#[test]
fn the_examples_of_the_file_read_as_one_file() {
    let examples: Vec<&str> =
        FILE.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let file = file::parse(&examples.concat(), Path::new(".")).expect("the examples are valid");
    assert_eq!((file.rules.len(), file.api_keys.len()), (2, 2));
}
