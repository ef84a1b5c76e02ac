//! Arguments and environment into [`Flags`], and whatever is wrong with one of them into one line.
//!
//! It works in two passes. The first reads the arguments alone, so that its errors name flags. The second reads
//! them again with the variables of those settings that no argument gives, as further arguments; what is wrong
//! then is wrong with a variable.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::flags::Flags;
use super::{ConfigError, values};

/// The longest part of a refused value that an error repeats, in characters.
const SHOWN: usize = 60;

/// Settings whose values are never repeated.
const SECRETS: [&str; 2] = ["jwt_secret", "api_keys"];

/// What the arguments ask for.
pub(super) enum Asked {
    /// To run, or to check, with these settings.
    Run(Box<Flags>),
    /// To print this and exit.
    Print(String),
}

/// Reads arguments (the program's name first) and variables.
pub(super) fn read(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Asked, ConfigError> {
    let args: Vec<OsString> = args.into_iter().collect();
    let from_flags = match pure().try_get_matches_from(&args) {
        Ok(matches) => matches,
        Err(error) => return answer(&error, &args),
    };
    let variables = variables(&from_flags, env)?;
    let program = args.first().cloned().unwrap_or_default();
    let all = std::iter::once(program).chain(variables).chain(args.into_iter().skip(1));
    let matches = pure().try_get_matches_from(all).map_err(|error| wrong(&error, Giver::Variable))?;
    let flags = Flags::from_arg_matches(&matches).map_err(|error| wrong(&error, Giver::Variable))?;
    Ok(Asked::Run(Box::new(flags)))
}

/// The command with everything for the help text. No value of a variable is in it.
pub(super) fn command() -> Command {
    Flags::command().mut_args(|arg| arg.hide_env_values(true))
}

/// The command as it parses: without clap's own look at the environment.
fn pure() -> Command {
    Flags::command().mut_args(|arg| arg.env(clap::builder::Resettable::Reset))
}

/// The variables of settings that no argument gives, as arguments. An empty one is the same as unset.
fn variables(
    given: &ArgMatches,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<OsString>, ConfigError> {
    let env: Vec<(OsString, OsString)> = env.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let mut arguments = Vec::new();
    for arg in command().get_arguments() {
        let (Some(variable), Some(long)) = (arg.get_env(), arg.get_long()) else { continue };
        if given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        // The last one counts, as in a shell.
        let Some((_, value)) = env.iter().rev().find(|(name, _)| name == variable) else { continue };
        let variable = variable.to_string_lossy();
        let value =
            value.to_str().ok_or_else(|| ConfigError::new(format!("{variable}: the value is not UTF-8")))?;
        arguments.push(format!("--{long}={value}").into());
    }
    Ok(arguments)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Giver {
    Flag,
    Variable,
}

/// Help and version are no errors to the person who asked for them.
fn answer(error: &clap::Error, args: &[OsString]) -> Result<Asked, ConfigError> {
    match error.kind() {
        // Rendered anew, since the parsing command knows no variables.
        ErrorKind::DisplayHelp if args.iter().any(|arg| arg == "--help") => {
            Ok(Asked::Print(command().render_long_help().to_string()))
        }
        ErrorKind::DisplayHelp => Ok(Asked::Print(command().render_help().to_string())),
        ErrorKind::DisplayVersion => Ok(Asked::Print(error.to_string())),
        _ => Err(wrong(error, Giver::Flag)),
    }
}

/// One line about what clap did not accept.
fn wrong(error: &clap::Error, giver: Giver) -> ConfigError {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let command = command();
    // clap tells a flag with its value's name: `--port <PORT>`.
    let told = context(ContextKind::InvalidArg).unwrap_or_default();
    let flag = told.split([' ', '=']).next().unwrap_or_default();
    let arg =
        command.get_arguments().find(|arg| arg.get_long().is_some_and(|long| flag == format!("--{long}")));
    let name = match (giver, arg.and_then(Arg::get_env)) {
        (Giver::Variable, Some(variable)) => variable.to_string_lossy().into_owned(),
        _ => quoted(flag),
    };
    let line = match (error.kind(), arg) {
        (ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::NoEquals, Some(arg)) => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            let reason = std::error::Error::source(error).map(ToString::to_string);
            format!("{name}: {}", refusal(arg, value, reason.as_deref()))
        }
        (ErrorKind::UnknownArgument, _) if flag.starts_with('-') => {
            let like = context(ContextKind::SuggestedArg).map(|like| format!("; did you mean {like}?"));
            format!("{name}: there is no such flag{} --help lists all", like.as_deref().unwrap_or(";"))
        }
        (ErrorKind::UnknownArgument, _) => format!("{name}: only flags are taken; --help lists all"),
        (ErrorKind::ArgumentConflict, _) => format!("{name}: it is given twice"),
        (ErrorKind::TooManyValues, _) => format!("{name}: it takes no value"),
        (ErrorKind::InvalidUtf8, _) => "an argument is not UTF-8".to_owned(),
        _ => {
            let text = error.to_string();
            text.lines()
                .next()
                .unwrap_or("the arguments can't be read")
                .trim_start_matches("error: ")
                .to_owned()
        }
    };
    ConfigError::new(line)
}

/// `"x" is not accepted: it is no whole number; use a port from 0 to 65535`, without the value of a secret.
fn refusal(arg: &Arg, value: &str, reason: Option<&str>) -> String {
    // A password can hide in an address.
    let secret = SECRETS.contains(&arg.get_id().as_str()) || value.contains('@');
    let subject = match value {
        "" => return format!("a value is missing; use {}", accepted(arg)),
        _ if secret => "the value".to_owned(),
        value => quoted_value(value),
    };
    format!("{subject} is not accepted: {}; use {}", reason.unwrap_or(values::NO_CHOICE), accepted(arg))
}

fn accepted(arg: &Arg) -> String {
    paragraph(arg, "Values:").unwrap_or_else(|| "another one".to_owned())
}

/// The part of a setting's description that begins with `label`, without the label and the full stop.
pub(super) fn paragraph(arg: &Arg, label: &str) -> Option<String> {
    let text = arg.get_long_help()?.to_string();
    let part = text.split("\n\n").find_map(|part| part.trim().strip_prefix(label))?;
    Some(part.trim().trim_end_matches('.').to_owned())
}

fn quoted_value(value: &str) -> String {
    format!("\"{}\"", quoted(value))
}

/// The text on one line, shortened.
fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().count() > SHOWN {
        shown.push('…');
    }
    shown
}
