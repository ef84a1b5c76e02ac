//! The files that are made from the catalogue. `cargo run -p events --example generate` writes them, a test fails when
//! one has drifted.

mod asyncapi;
mod ordered;
mod page;
mod schema;
mod typescript;

use crate::CATALOGUE;

/// The command that writes the files anew.
pub const COMMAND: &str = "cargo run -p events --example generate";

/// Where the JSON Schemas are, from the repository's root. Nothing else is in there.
pub const SCHEMAS: &str = "crates/events/schemas";

/// A generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path from the repository's root.
    pub path: String,
    /// All of its text.
    pub text: String,
}

/// All generated files as they should be: a JSON Schema for each event, the AsyncAPI document, the TypeScript types
/// and the page about events.
#[must_use]
pub fn files() -> Vec<File> {
    let schemas = CATALOGUE.iter().map(|entry| File {
        path: format!("{SCHEMAS}/{}.v{}.json", entry.event_type, entry.version),
        text: schema::document(entry),
    });
    let others = [
        ("docs/asyncapi.json", asyncapi::document()),
        ("docs/events.md", page::document()),
        ("web/packages/events/events.ts", typescript::document()),
    ];
    schemas.chain(others.map(|(path, text)| File { path: path.to_owned(), text })).collect()
}

/// The note at the top of each file.
fn note() -> String {
    format!("Generated from crates/events; to write it anew: {COMMAND}")
}

/// An event's type as a title: `job_created` is `Job created`.
fn title(event_type: &str) -> String {
    let words = event_type.replace('_', " ");
    words[..1].to_uppercase() + &words[1..]
}
