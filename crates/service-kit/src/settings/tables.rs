//! The tables of settings in a program's documentation, made from their descriptions.

use std::fmt::Write;

use clap::{Arg, Command};

use super::{given, is_secret, paragraph};
use crate::arguments::Secret;

/// A table for each heading of the command's help, in their order, each under a Markdown heading of that level. Hidden
/// settings are left out.
#[must_use]
pub fn tables(command: &Command, heading_level: usize) -> String {
    let mut page = String::new();
    let level = "#".repeat(heading_level);
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
            "\n{level} {heading}\n\n| Variable, flag | Default | Values | Effect | Source |\n|---|---|---|---|---|\n"
        );
        for arg in shown.iter().filter(|arg| arg.get_help_heading() == Some(heading)) {
            page.push_str(&row(arg));
        }
    }
    page
}

/// What descriptions leave unsaid, a line each: a setting without an effect, a variable without its values, one with
/// neither a default nor what holds without it, a number from nowhere. A test of each program holds it to be empty.
#[must_use]
pub fn gaps(command: &Command) -> Vec<String> {
    let mut gaps = Vec::new();
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let mut gap = |what: &str| gaps.push(format!("{}: {what}", arg.get_id()));
        if effect(arg).len() <= 10 {
            gap("it does not say what it does");
        }
        let default = arg.get_default_values().first();
        if arg.get_env().is_some() {
            if paragraph(arg, "Values:").is_none() {
                gap("it does not say its values");
            }
            if default.is_some() == paragraph(arg, "Unset:").is_some() {
                gap("it needs either a default or what holds without it");
            }
        }
        // A secret by its type has to be one by its description too.
        let is_typed = arg.get_value_parser().type_id() == std::any::TypeId::of::<Secret>();
        let file = arg.get_env().map(|variable| format!("{}{}", variable.to_string_lossy(), given::SUFFIX));
        match (paragraph(arg, "Secret:"), file) {
            (None, _) if is_typed => gap("it is a secret, and does not say so"),
            (Some(text), Some(file)) if !text.contains(&file) => {
                gap("it does not name the variable of its file")
            }
            _ => {}
        }
        let numeric =
            default.is_some_and(|value| value.to_string_lossy().starts_with(|c: char| c.is_ascii_digit()));
        if numeric && paragraph(arg, "Source:").is_none() {
            gap("its number comes from nowhere");
        }
    }
    gaps
}

fn row(arg: &Arg) -> String {
    let flag = arg.get_long().map(|long| format!("`--{long}`")).unwrap_or_default();
    let name = match arg.get_env() {
        Some(variable) if is_secret(arg) => {
            let variable = variable.to_string_lossy();
            format!("`{variable}` `{variable}{}` {flag}", given::SUFFIX)
        }
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
