//! The settings of a program: arguments and environment into typed flags, and whatever is wrong with one of them into
//! one line.
//!
//! A program describes each setting once, as a field of a struct that derives `clap::Parser`: `long` names its flag,
//! `env` its variable. The doc comment of a setting is read by program. Its first paragraph is the effect; then come
//! paragraphs that begin with `Values:` (also told when a value is refused), `Unset:` (where there is no default),
//! `Source:` (where a number comes from) and `Secret:`. Help text, errors and the [`tables`] of the documentation are made
//! from them.
//!
//! `Secret:` makes a setting a secret: no error repeats its value, and it may be given as the path of a file, in the variable
//! of its name with `_FILE` behind it ([`given`]). The paragraph names that variable.
//!
//! clap's own reading of variables is not used: it reads the environment of the process while the command is built, so
//! that a test can't give one. [`read`] takes the values from whatever environment it is given, in two passes. The first
//! reads the arguments alone, so that its errors name flags. The second reads them again with the variables of those
//! settings that no argument gives, as further arguments; what is wrong then is wrong with a variable.
//!
//! Not here: checks that concern several settings, and the settings themselves.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches, Parser};

use crate::telemetry::{LogFilter, LogFormat};

pub mod given;
mod tables;
#[cfg(test)]
mod tests;
pub mod values;

pub use tables::{gaps, tables};

/// The longest part of a refused value that an error repeats, in characters.
const SHOWN: usize = 60;

/// Why a program does not start. `Display` is one line that names the flag, the variable or the line of a file, and says
/// what is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(String);

impl SettingsError {
    /// The exit code of a process whose settings are wrong, as usual for wrong arguments.
    pub const EXIT_CODE: u8 = 2;

    /// The error with this line, which begins with the name of the setting and a colon: for checks that concern several
    /// settings.
    pub fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

/// What the arguments ask for.
#[derive(Debug)]
pub enum Asked<F> {
    /// To run, or to check, with these settings.
    Run {
        /// The settings.
        flags: F,
        /// What the start log has to say about where they came from, a line each; never a value.
        warnings: Vec<String>,
    },
    /// To print this to standard output and exit with 0: `--help`, `--version`.
    Print(String),
}

/// What is logged and how, and where further variables are: the same settings in every program.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Process")]
#[group(skip)]
pub struct LoggingFlags {
    /// A file with further variables, one NAME=value a line. It wins over the environment of the process, a flag wins over
    /// it, and it is read again at SIGHUP.
    ///
    /// Values: the path of a readable file of at most 64KiB.
    ///
    /// Unset: the environment of the process alone, which can't change while it runs.
    #[arg(long, env = "FANFARE_ENV_FILE", value_name = "FILE", value_parser = values::readable_file)]
    pub env_file: Option<PathBuf>,

    /// What is logged.
    ///
    /// Values: a level (error, warn, info, debug, trace, off), or levels by module such as info,hub=debug.
    ///
    /// Source: chosen; info is one line per start, connect, disconnect and publication, limited in rate.
    #[arg(long, env, value_name = "FILTER", default_value = "info")]
    pub rust_log: LogFilter,

    /// How log lines look.
    ///
    /// Values: text, or json for one object a line.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// Reads arguments (the program's name first) and variables; an empty variable is the same as unset. Files that hold
/// secrets or further variables are read at each call.
///
/// # Errors
/// A flag or a variable is wrong: one line that names it.
pub fn read<F: Parser>(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Asked<F>, SettingsError> {
    read_with(F::command(), args, env)
}

/// [`read`] for a command that was changed after it was made from its flags: another name, another description.
///
/// # Errors
/// As [`read`].
pub fn read_with<F: FromArgMatches>(
    command: Command,
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Asked<F>, SettingsError> {
    let reader = Reader { command: shown(command) };
    let args: Vec<OsString> = args.into_iter().collect();
    let from_flags = match reader.pure().try_get_matches_from(&args) {
        Ok(matches) => matches,
        Err(error) => return reader.answer(&error, &args).map(Asked::Print),
    };
    let env: Vec<(OsString, OsString)> = env.into_iter().collect();
    let given = reader.variables(&from_flags, env)?;
    let program = args.first().cloned().unwrap_or_default();
    let all = std::iter::once(program).chain(given.arguments).chain(args.into_iter().skip(1));
    let wrong = |error| reader.wrong(&error, Some(&given.places));
    let matches = reader.pure().try_get_matches_from(all).map_err(wrong)?;
    let flags = F::from_arg_matches(&matches).map_err(wrong)?;
    Ok(Asked::Run { flags, warnings: given.warnings })
}

/// The variables as they hold for a program that is called so: those of its environment file (`FANFARE_ENV_FILE`,
/// `--env-file`) behind those that are given, so that the last one counts. For programs that look at a variable that is no
/// setting of theirs.
///
/// # Errors
/// The file can't be read, or a line of it is wrong.
pub fn with_environment_file(
    args: &[OsString],
    mut env: Vec<(OsString, OsString)>,
) -> Result<Vec<(OsString, OsString)>, SettingsError> {
    let flag =
        args.iter().enumerate().find_map(|(at, arg)| match arg.to_str()?.strip_prefix("--env-file")? {
            "" => args.get(at + 1).map(PathBuf::from),
            rest => rest.strip_prefix('=').map(PathBuf::from),
        });
    if let Some(file) = given::environment_file(flag.as_ref(), &env) {
        let (lines, _) = given::environment(&file)?;
        env.extend(lines.into_iter().map(|line| (line.name.into(), line.value.into())));
    }
    Ok(env)
}

/// The command of a program with everything for help and documentation. No value of a variable is in it.
#[must_use]
pub fn command<F: CommandFactory>() -> Command {
    shown(F::command())
}

/// The command as it shows itself: variables by their names alone.
#[must_use]
pub fn shown(command: Command) -> Command {
    command.mut_args(|arg| arg.hide_env_values(true))
}

/// The part of a setting's description that begins with `label` (`Values:`), without the label and the full stop.
#[must_use]
pub fn paragraph(arg: &Arg, label: &str) -> Option<String> {
    let text = arg.get_long_help()?.to_string();
    let part = text.split("\n\n").find_map(|part| part.trim().strip_prefix(label))?;
    Some(part.trim().trim_end_matches('.').to_owned())
}

/// Whether a setting is a secret, by its description.
#[must_use]
pub fn is_secret(arg: &Arg) -> bool {
    paragraph(arg, "Secret:").is_some()
}

/// What variables and files gave.
#[derive(Default)]
struct Given {
    /// As further arguments.
    arguments: Vec<OsString>,
    /// By the long name of each setting that they gave: where an error about it says that it stands.
    places: BTreeMap<String, String>,
    warnings: Vec<String>,
}

/// The command whose settings are read.
struct Reader {
    command: Command,
}

impl Reader {
    /// The command as it parses: without clap's own look at the environment.
    fn pure(&self) -> Command {
        self.command.clone().mut_args(|arg| arg.env(clap::builder::Resettable::Reset))
    }

    /// The variables of settings that no argument gives, as arguments. An empty one is the same as unset.
    fn variables(&self, given: &ArgMatches, env: Vec<(OsString, OsString)>) -> Result<Given, SettingsError> {
        let mut all = Given::default();
        let mut lines: BTreeMap<String, (usize, bool)> = BTreeMap::new();
        let mut env = env;
        let has_file = self.command.get_arguments().any(|arg| arg.get_id() == "env_file");
        let flag = if has_file { given.get_one::<PathBuf>("env_file") } else { None };
        let file = if has_file { given::environment_file(flag, &env) } else { None };
        if let Some(file) = &file {
            let (read, text) = given::environment(file)?;
            for line in read {
                lines.insert(line.name.clone(), (line.number, text.is_open));
                env.push((line.name.into(), line.value.into()));
            }
        }
        // Where a variable stands, for an error about its value.
        let place = |variable: &str| match (lines.get(variable), &file) {
            (Some((line, _)), Some(file)) => {
                format!("{}: {}:{line}: {variable}", file.named_by, file.path.display())
            }
            _ => variable.to_owned(),
        };
        for arg in self.command.get_arguments() {
            let (Some(variable), Some(long)) = (arg.get_env(), arg.get_long()) else { continue };
            if given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
                continue;
            }
            let variable = variable.to_string_lossy();
            let in_file = format!("{variable}{}", given::SUFFIX);
            let path = given::last(&env, &in_file).filter(|_| is_secret(arg)).map(PathBuf::from);
            let (value, at) = match (given::last(&env, &variable), path) {
                (None, None) => continue,
                (Some(_), Some(_)) => {
                    return Err(SettingsError::new(format!(
                        "{}: it is set, and so is {in_file}; leave one of them unset",
                        place(&variable)
                    )));
                }
                (Some(value), None) => {
                    let is_open = |(_, is_open): &(usize, bool)| *is_open;
                    if let Some(file) = &file
                        && is_secret(arg)
                        && lines.get(&*variable).is_some_and(is_open)
                    {
                        let name = format!("{} with {variable}", file.named_by);
                        all.warnings.push(given::warning(&name, &file.path));
                    }
                    let text = value.to_str();
                    let wrong =
                        || SettingsError::new(format!("{}: the value is not UTF-8", place(&variable)));
                    (text.ok_or_else(wrong)?.to_owned(), place(&variable))
                }
                (None, Some(path)) => {
                    let at = format!("{}: {}", place(&in_file), path.display());
                    let wrong = |reason| SettingsError::new(format!("{at}: {reason}"));
                    let read = given::secret_text(&path).map_err(wrong)?;
                    if read.is_open {
                        all.warnings.push(given::warning(&in_file, &path));
                    }
                    (read.text, at)
                }
            };
            all.places.insert(long.to_owned(), at);
            all.arguments.push(format!("--{long}={value}").into());
        }
        Ok(all)
    }

    /// Help and version are no errors to the person who asked for them.
    fn answer(&self, error: &clap::Error, args: &[OsString]) -> Result<String, SettingsError> {
        match error.kind() {
            // Rendered anew, since the parsing command knows no variables.
            ErrorKind::DisplayHelp if args.iter().any(|arg| arg == "--help") => {
                Ok(self.command.clone().render_long_help().to_string())
            }
            ErrorKind::DisplayHelp => Ok(self.command.clone().render_help().to_string()),
            ErrorKind::DisplayVersion => Ok(error.to_string()),
            _ => Err(self.wrong(error, None)),
        }
    }

    /// One line about what clap did not accept. `places` are where the settings stand that no argument gave.
    fn wrong(&self, error: &clap::Error, places: Option<&BTreeMap<String, String>>) -> SettingsError {
        let context = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.as_str()),
            Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
            _ => None,
        };
        // clap tells a flag with its value's name: `--port <PORT>`.
        let told = context(ContextKind::InvalidArg).unwrap_or_default();
        let flag = told.split([' ', '=']).next().unwrap_or_default();
        let arg = self
            .command
            .get_arguments()
            .find(|arg| arg.get_long().is_some_and(|long| flag == format!("--{long}")));
        let place = arg.and_then(Arg::get_long).and_then(|long| places?.get(long));
        let name = place.cloned().unwrap_or_else(|| quoted(flag));
        let line = match (error.kind(), arg) {
            (ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::NoEquals, Some(arg)) => {
                let value = context(ContextKind::InvalidValue).unwrap_or_default();
                let reason = std::error::Error::source(error).map(ToString::to_string);
                format!("{name}: {}", self.refusal(arg, value, reason.as_deref()))
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
        SettingsError::new(line)
    }

    /// `"x" is not accepted: it is no whole number; use a port from 0 to 65535`, without the value of a secret.
    fn refusal(&self, arg: &Arg, value: &str, reason: Option<&str>) -> String {
        // A password can hide in an address.
        let secret = is_secret(arg) || value.contains('@');
        let subject = match value {
            "" => return format!("a value is missing; use {}", accepted(arg)),
            _ if secret => "the value".to_owned(),
            value => quoted_value(value),
        };
        format!("{subject} is not accepted: {}; use {}", reason.unwrap_or(values::NO_CHOICE), accepted(arg))
    }
}

fn accepted(arg: &Arg) -> String {
    paragraph(arg, "Values:").unwrap_or_else(|| "another one".to_owned())
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
