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
    assert_eq!(service_kit::settings::gaps(&command()), Vec::<String>::new());
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
    assert_eq!((file.rules.len(), file.api_keys.len(), file.hooks.len()), (2, 2, 1));
    assert_eq!((file.delivery_hooks.len(), file.feeds.len()), (1, 1));
}
