//! `docs/configuration.md`, made from the descriptions of the settings. A test fails when the file drifts.
//!
//! The part about the configuration file is written by hand in `file.md`; a test reads its examples.

use std::fmt::Write;

use clap::Arg;

use super::read::{command, paragraph};

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
    let command = command();
    let shown: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    let mut headings: Vec<&str> = Vec::new();
    for heading in shown.iter().filter_map(|arg| arg.get_help_heading()) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        // Writing to a string can't fail.
        let _ = write!(
            page,
            "\n## {heading}\n\n| Variable, flag | Default | Values | Effect | Source |\n|---|---|---|---|---|\n"
        );
        for arg in shown.iter().filter(|arg| arg.get_help_heading() == Some(heading)) {
            page.push_str(&row(arg));
        }
    }
    page.push('\n');
    page.push_str(FILE);
    page
}

fn row(arg: &Arg) -> String {
    let flag = arg.get_long().map(|long| format!("`--{long}`")).unwrap_or_default();
    let name = match arg.get_env() {
        Some(variable) => format!("`{}` {flag}", variable.to_string_lossy()),
        None => flag,
    };
    let unset = paragraph(arg, "Unset:");
    let default = arg.get_default_values().first().filter(|_| arg.get_action().takes_values());
    let default = default.map(|value| format!("`{}`", value.to_string_lossy())).or(unset);
    let cells = [
        name,
        default.unwrap_or_else(|| "off".to_owned()),
        paragraph(arg, "Values:").unwrap_or_default(),
        effect(arg),
        paragraph(arg, "Source:").unwrap_or_default(),
    ];
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('*', "\\*")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The first paragraph of a setting's description.
fn effect(arg: &Arg) -> String {
    let text = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    text.split("\n\n").next().unwrap_or_default().trim().trim_end_matches('.').to_owned()
}
