//! Secrets and environments in files: what is taken, what is refused in which words, and what is never told.

use std::fs::Permissions;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use clap::Parser;

use super::*;
use crate::settings::{Asked, read, with_environment_file};

/// A program for these tests.
#[derive(Debug, Parser)]
#[command(name = "program")]
struct Flags {
    #[command(flatten)]
    logging: crate::settings::LoggingFlags,

    /// A key that opens something.
    ///
    /// Values: a key that begins with k.
    ///
    /// Secret: THE_KEY_FILE names a file with it.
    #[arg(long, env = "THE_KEY", value_parser = key)]
    key: Option<String>,

    /// No secret.
    ///
    /// Values: a number.
    #[arg(long, env, default_value = "1")]
    number: u32,
}

fn key(text: &str) -> Result<String, Reason> {
    if text.starts_with('k') { Ok(text.to_owned()) } else { Err("it does not fit".to_owned()) }
}

/// A file that goes when this is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new(bytes: impl AsRef<[u8]>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fanfare-given-{}-{number}", std::process::id()));
        std::fs::write(&path, bytes).expect("a file");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_file(&self.0);
    }
}

fn asked(args: &[&str], env: &[(&str, &str)]) -> Result<(Flags, Vec<String>), String> {
    let args = std::iter::once(&"program").chain(args).map(OsString::from);
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    match read::<Flags>(args, env) {
        Ok(Asked::Run { flags, warnings }) => Ok((flags, warnings)),
        Ok(Asked::Print(text)) => Err(text),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_secret_in_a_file_is_its_text_without_one_line_break() {
    for (text, expected) in [("k", "k"), ("k\n", "k"), ("k\r\n", "k"), ("k\n\n", "k\n"), ("k \n", "k ")] {
        let file = Temporary::new(text);
        let (flags, warnings) = asked(&[], &[("THE_KEY_FILE", file.path())]).expect("a key");
        assert_eq!((flags.key.as_deref(), warnings.len()), (Some(expected), 0), "{text:?}");
    }
    let file = Temporary::new("from-file");
    let (flags, _) = asked(&["--key=kept"], &[("THE_KEY_FILE", file.path())]).expect("a flag wins, unread");
    assert_eq!(flags.key.as_deref(), Some("kept"));
    let (flags, _) = asked(&[], &[("THE_KEY_FILE", ""), ("THE_KEY", "k")]).expect("an empty one is unset");
    assert_eq!(flags.key.as_deref(), Some("k"));
}

#[test]
fn a_file_that_can_not_be_used_is_one_line_with_its_variable_and_path() {
    let (empty, line_break, strange) =
        (Temporary::new(""), Temporary::new("\n"), Temporary::new([0xff, 0xfe]));
    let large = Temporary::new(vec![b'k'; usize::try_from(MOST_BYTES).expect("a size") + 1]);
    let folder = std::env::temp_dir();
    let missing = folder.join("no-such-file");
    for (path, reason) in [
        (empty.path(), "it is empty"),
        (line_break.path(), "it is empty"),
        (strange.path(), "it is not UTF-8"),
        (large.path(), "it has more than 64 KiB"),
        (folder.to_str().expect("a path"), "it is a directory"),
        ("/dev/null", "it is no regular file"),
        (missing.to_str().expect("a path"), "it can't be read (there is no such file)"),
    ] {
        let line = asked(&[], &[("THE_KEY_FILE", path)]).expect_err("it can't be used");
        assert_eq!(line, format!("THE_KEY_FILE: {path}: {reason}"));
    }
    let wrong = Temporary::new("hunter2");
    let line = asked(&[], &[("THE_KEY_FILE", wrong.path())]).expect_err("it is refused");
    assert_eq!(
        line,
        format!(
            "THE_KEY_FILE: {}: the value is not accepted: it does not fit; use a key that begins with k",
            wrong.path()
        )
    );
}

#[test]
fn a_secret_given_twice_is_refused_with_both_names() {
    let file = Temporary::new("k1");
    let line = asked(&[], &[("THE_KEY", "k2"), ("THE_KEY_FILE", file.path())]).expect_err("which one?");
    assert_eq!(line, "THE_KEY: it is set, and so is THE_KEY_FILE; leave one of them unset");
}

#[test]
fn only_secrets_are_read_from_files() {
    let file = Temporary::new("5");
    let (flags, _) = asked(&[], &[("NUMBER_FILE", file.path())]).expect("another program's variable");
    assert_eq!(flags.number, 1);
}

#[test]
fn a_file_that_everyone_can_read_is_warned_of() {
    let file = Temporary::new("k-hidden");
    std::fs::set_permissions(&file.0, Permissions::from_mode(0o644)).expect("a mode");
    let (_, warnings) = asked(&[], &[("THE_KEY_FILE", file.path())]).expect("it works");
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(
        warning.starts_with(&format!("THE_KEY_FILE: {} can be read by every user", file.path())),
        "{warning}"
    );
    std::fs::set_permissions(&file.0, Permissions::from_mode(0o640)).expect("a mode");
    assert_eq!(asked(&[], &[("THE_KEY_FILE", file.path())]).expect("its group").1, Vec::<String>::new());
}

#[test]
fn an_environment_file_wins_over_the_environment_and_a_flag_over_both() {
    let key = Temporary::new("k-from-file");
    let text = format!(
        "# a comment\n\n; another\nexport NUMBER=7\r\nRUST_LOG = \"info,hub=debug\"\nOTHER='a # b'\nTHE_KEY_FILE={}\n",
        key.path()
    );
    let file = Temporary::new(text);
    let env = [("FANFARE_ENV_FILE", file.path()), ("NUMBER", "3")];
    let (flags, _) = asked(&[], &env).expect("both");
    assert_eq!((flags.number, flags.key.as_deref()), (7, Some("k-from-file")));
    assert_eq!(flags.logging.rust_log.to_string(), "info,hub=debug");
    assert_eq!(asked(&["--number=9"], &env).expect("a flag").0.number, 9);
    let by_flag = format!("--env-file={}", file.path());
    assert_eq!(asked(&[&by_flag], &[]).expect("a flag names it").0.number, 7);
    for args in [vec!["program", &by_flag], vec!["program", "--env-file", file.path()]] {
        let args: Vec<OsString> = args.into_iter().map(OsString::from).collect();
        let env = with_environment_file(&args, vec![("NUMBER".into(), "3".into())]).expect("both");
        assert_eq!(last(&env, "NUMBER").and_then(OsStr::to_str), Some("7"));
        assert_eq!(last(&env, "OTHER").and_then(OsStr::to_str), Some("a # b"));
    }
    let unset = Temporary::new("NUMBER=\n");
    let env = [("FANFARE_ENV_FILE", unset.path()), ("NUMBER", "3")];
    assert_eq!(asked(&[], &env).expect("an empty one is unset").0.number, 1);
}

#[test]
fn what_is_wrong_in_an_environment_file_is_told_with_its_line_and_never_shown() {
    for (text, line, reason) in [
        ("NUMBER=1\nhunter2\n", 2, "it is no NAME=value"),
        ("\n\nhunter2-x=1\n", 3, "the name in front of = is not made of letters, digits and _"),
        ("=hunter2\n", 1, "the name in front of = is not made of letters, digits and _"),
        ("KEY=\"hunter2\n", 1, "the quote at the value's begin has no end"),
        ("KEY='\n", 1, "the quote at the value's begin has no end"),
        ("KEY=hunter2\0\n", 1, "the value has a NUL in it"),
    ] {
        let file = Temporary::new(text);
        let told = asked(&[], &[("FANFARE_ENV_FILE", file.path())]).expect_err("it is wrong");
        assert_eq!(told, format!("FANFARE_ENV_FILE: {}:{line}: {reason}", file.path()));
    }
    let file = Temporary::new("\nNUMBER=many\nTHE_KEY=hunter2\n");
    let told = asked(&[], &[("FANFARE_ENV_FILE", file.path())]).expect_err("a value is wrong");
    assert!(
        told == format!(
            "FANFARE_ENV_FILE: {}:2: NUMBER: \"many\" is not accepted: invalid digit found in string; use a number",
            file.path()
        ) || told
            .starts_with(&format!("FANFARE_ENV_FILE: {}:3: THE_KEY: the value is not accepted", file.path())),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
    let missing = asked(&[], &[("FANFARE_ENV_FILE", "/no/such/file")]).expect_err("it is missing");
    assert_eq!(missing, "FANFARE_ENV_FILE: /no/such/file: it can't be read (there is no such file)");
}
