//! The generated files against the catalogue.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use events::generate::{COMMAND, SCHEMAS, files};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn no_generated_file_has_drifted() {
    for file in files() {
        let present = fs::read_to_string(root().join(&file.path)).unwrap_or_default();
        assert!(present == file.text, "{} has drifted; write it anew:\n    {COMMAND}", file.path);
    }
}

#[test]
fn there_are_no_schemas_of_events_that_are_gone() {
    let wanted: BTreeSet<PathBuf> = files().iter().map(|file| root().join(&file.path)).collect();
    for present in fs::read_dir(root().join(SCHEMAS)).expect("schemas") {
        let path = present.expect("a file").path();
        assert!(wanted.contains(&path), "{} is of no event; run\n    {COMMAND}", path.display());
    }
}

#[test]
fn every_generated_file_tells_how_to_write_it_anew() {
    for file in files() {
        assert!(file.text.lines().take(2).any(|line| line.contains(COMMAND)), "{}", file.path);
    }
}

#[test]
fn every_reference_of_the_asyncapi_document_leads_somewhere() {
    fn references<'a>(value: &'a serde_json::Value, into: &mut Vec<&'a str>) {
        match value {
            serde_json::Value::Object(members) => {
                into.extend(members.get("$ref").and_then(|it| it.as_str()));
                members.values().for_each(|it| references(it, into));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|it| references(it, into)),
            _ => {}
        }
    }
    let file = files().into_iter().find(|it| it.path == "docs/asyncapi.json").expect("the document");
    let document: serde_json::Value = serde_json::from_str(&file.text).expect("JSON");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert_eq!(found.len(), 2 * events::CATALOGUE.len() + 1);
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}
