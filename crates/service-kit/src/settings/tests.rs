//! Reading the settings of a small program: what wins, what is told, and what never is.

use super::values::{self, List, Word};
use super::*;

/// A program for these tests.
#[derive(Debug, Parser)]
#[command(name = "program", version = "1.2.3")]
struct Flags {
    #[command(flatten)]
    own: Own,
    #[command(flatten)]
    logging: LoggingFlags,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Own")]
struct Own {
    /// Where it listens for requests.
    ///
    /// Values: a port from 0 to 65535.
    ///
    /// Source: chosen.
    #[arg(long, env, default_value = "8081", value_parser = values::port)]
    port: u16,

    /// A key that opens something.
    ///
    /// Values: keys separated by commas.
    ///
    /// Secret: THE_KEY_FILE names a file with it.
    ///
    /// Unset: nothing is opened | ever.
    #[arg(long, env = "THE_KEY", value_parser = key)]
    key: Option<String>,

    /// Words without a meaning.
    ///
    /// Values: words separated by commas.
    ///
    /// Unset: none.
    #[arg(long, env)]
    words: Option<List<Word>>,
}

fn key(text: &str) -> Result<String, values::Reason> {
    if text == "right" { Ok(text.to_owned()) } else { Err("it does not fit".to_owned()) }
}

fn asked(args: &[&str], env: &[(&str, &str)]) -> Result<Asked<Flags>, SettingsError> {
    let args = std::iter::once(&"program").chain(args).map(OsString::from);
    read(args, env.iter().map(|(name, value)| (name.into(), value.into())))
}

fn flags(args: &[&str], env: &[(&str, &str)]) -> Flags {
    match asked(args, env) {
        Ok(Asked::Run { flags, .. }) => flags,
        other => panic!("{other:?}"),
    }
}

fn line(args: &[&str], env: &[(&str, &str)]) -> String {
    asked(args, env).expect_err("it is refused").to_string()
}

#[test]
fn a_flag_wins_over_its_variable_and_an_empty_variable_is_unset() {
    assert_eq!(flags(&[], &[]).own.port, 8081);
    assert_eq!(flags(&[], &[("PORT", "1"), ("PORT", "2")]).own.port, 2, "the last one counts");
    assert_eq!(flags(&["--port=3"], &[("PORT", "http")]).own.port, 3);
    assert_eq!(flags(&[], &[("PORT", ""), ("THE_KEY", "right")]).own.key.as_deref(), Some("right"));
    assert_eq!(flags(&[], &[("LOG_FORMAT", "json")]).logging.log_format, LogFormat::Json);
    assert_eq!(flags(&["--words", "a,b"], &[]).own.words.map(|words| words.0.len()), Some(2));
}

#[test]
fn a_refusal_is_one_line_that_names_who_gave_the_value() {
    let told = "\"80x\" is not accepted: it is no whole number; use a port from 0 to 65535";
    assert_eq!(line(&[], &[("PORT", "80x")]), format!("PORT: {told}"));
    assert_eq!(line(&["--port", "80x"], &[]), format!("--port: {told}"));
    assert_eq!(
        line(&["--porter"], &[]),
        "--porter: there is no such flag; did you mean --port? --help lists all"
    );
    assert_eq!(line(&["run"], &[]), "run: only flags are taken; --help lists all");
    assert!(line(&[], &[("RUST_LOG", "info,x=loud")]).starts_with("RUST_LOG: "), "flattened as well");
}

#[test]
fn a_secret_is_never_repeated() {
    for line in [line(&[], &[("THE_KEY", "hunter2")]), line(&["--key=hunter2"], &[])] {
        assert!(
            line.contains("the value is not accepted: it does not fit") && !line.contains("hunter2"),
            "{line}"
        );
    }
}

#[test]
fn help_shows_every_setting_and_no_value_of_a_variable() {
    let Ok(Asked::Print(help)) = asked(&["--help"], &[("THE_KEY", "right")]) else { panic!("no help") };
    for part in ["[env: PORT]", "[env: THE_KEY]", "[env: RUST_LOG]", "[default: 8081]", "Values:"] {
        assert!(help.contains(part), "{part} in {help}");
    }
    let Ok(Asked::Print(version)) = asked(&["--version"], &[]) else { panic!("no version") };
    assert_eq!(version.trim(), "program 1.2.3");
}

#[test]
fn the_documentation_has_a_table_for_each_heading() {
    let page = tables(&command::<Flags>(), 3);
    assert!(page.starts_with("\n### Own\n\n| Variable, flag |"), "{page}");
    assert!(
        page.contains("\n### Process\n") && page.contains("| `LOG_FORMAT` `--log-format` | `text` |"),
        "{page}"
    );
    let key = "| `THE_KEY` `THE_KEY_FILE` `--key` | nothing is opened \\| ever | keys separated by commas | A key that opens something |  |";
    assert!(page.lines().any(|line| line == key), "{page}");
}

#[test]
fn what_a_description_leaves_unsaid_is_found() {
    #[derive(Debug, Parser)]
    struct Silent {
        /// Too short.
        #[arg(long, env, default_value = "5")]
        number: u64,
    }
    assert_eq!(gaps(&command::<Flags>()), Vec::<String>::new());
    assert_eq!(
        gaps(&command::<Silent>()),
        [
            "number: it does not say what it does",
            "number: it does not say its values",
            "number: its number comes from nowhere"
        ]
    );
}
