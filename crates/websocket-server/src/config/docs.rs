//! `docs/configuration.md`, made from the descriptions of the settings. A test fails when the file drifts.
//!
//! The part about the configuration file is written by hand in `file.md`; a test reads its examples.

use service_kit::settings::tables;

use super::command;

#[cfg(test)]
mod tests;

/// The command that writes the page anew.
const REGENERATE: &str =
    "cargo run -p websocket-server -- --print-configuration-docs > docs/configuration.md";

/// What stands before the tables.
const HEAD: &str = "\
# Configuration of `websocket-server`

Each setting is a variable of the environment and a flag; a flag wins over its variable, and an empty variable is
the same as unset. A wrong value stops the start with one line that names it, before a port is opened. `--help`
lists all settings; `--check` reads everything, tells what it would warn of, and exits.

Durations: `500ms`, `30s`, `10m`, `2h`; a plain number is seconds. Sizes: `64KiB`, `1MiB`; a plain number is bytes.

A source of `protocol` is a promise to clients, described in [protocol.md](protocol.md); `chosen` numbers may be tuned.
";

/// What the configuration file may hold.
const FILE: &str = include_str!("file.md");

/// The page as it should stand in `docs/configuration.md`.
#[must_use]
pub fn documentation() -> String {
    let mut page =
        format!("<!-- Generated from the settings' descriptions; to write it anew:\n     {REGENERATE} -->\n");
    page.push_str(HEAD);
    page.push_str(&tables(&command(), 2));
    page.push('\n');
    page.push_str(FILE);
    page
}
