//! Settings that stand in files: secrets one by one, and whole environments.
//!
//! Every setting whose description has a paragraph that begins with `Secret:` may be given as the path of a file, in the
//! variable of its name with [`SUFFIX`] behind it; so no secret has to stand in an environment, which a process hands on to
//! its children and shows in `/proc`. An environment file holds further variables, which can change while the process
//! runs; those of the process can't.
//!
//! Files are read anew at each call. What is in them is never in an error. Not here: what a value means.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::SettingsError;
use super::values::{Reason, cause};

#[cfg(test)]
mod tests;

/// What stands behind the name of a secret's variable where the value is in a file.
pub const SUFFIX: &str = "_FILE";

/// The most bytes of a secret's file and of an environment file (chosen: hundreds of keys, and far from any memory).
pub const MOST_BYTES: u64 = 64 * 1024;

/// The bit of a file's mode that lets every user read it.
const READABLE_BY_OTHERS: u32 = 0o004;

/// What a file held, and what there is to say about the file.
pub(super) struct FileText {
    /// The whole text.
    pub text: String,
    /// Whether every user of the machine may read it.
    pub is_open: bool,
}

/// Where an environment file is, and who says so.
#[derive(Debug)]
pub(super) struct EnvironmentFile {
    /// The file.
    pub path: PathBuf,
    /// The flag or the variable that names it.
    pub named_by: &'static str,
}

/// A variable of an environment file.
#[derive(Debug)]
pub(super) struct Line {
    /// Counted from 1.
    pub number: usize,
    /// The name.
    pub name: String,
    /// The value; it may be empty, which is the same as unset.
    pub value: String,
}

/// The text of a secret in a file, without one line break at its end.
///
/// # Errors
/// The file is missing, unreadable, empty, larger than [`MOST_BYTES`], no regular file, or not UTF-8. The reason does not
/// repeat what is in it.
pub fn secret_in(path: &Path) -> Result<String, Reason> {
    secret_text(path).map(|file| file.text)
}

pub(super) fn secret_text(path: &Path) -> Result<FileText, Reason> {
    let mut file = text_of(path)?;
    for end in ["\n", "\r"] {
        if let Some(rest) = file.text.strip_suffix(end) {
            file.text.truncate(rest.len());
        }
    }
    if file.text.is_empty() { Err("it is empty".to_owned()) } else { Ok(file) }
}

/// The line for the log where a file with secrets can be read by everyone.
pub(super) fn warning(variable: &str, path: &Path) -> String {
    format!(
        "{variable}: {} can be read by every user of this machine; chmod o-r keeps it from them",
        path.display()
    )
}

fn text_of(path: &Path) -> Result<FileText, Reason> {
    let unreadable = |error: std::io::Error| format!("it can't be read ({})", cause(&error));
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err("it is a directory".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it has more than {} KiB", MOST_BYTES / 1024));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(FileText { text, is_open: metadata.permissions().mode() & READABLE_BY_OTHERS != 0 })
}

/// Reads an environment file: `NAME=value` a line, as `EnvironmentFile=` of systemd and `env_file` of compose take them.
/// Empty lines and those that begin with `#` or `;` are left out, `export ` in front of a name is, too; a value may stand
/// in single or double quotes, which are taken off. Nothing is expanded, and no value goes over several lines.
///
/// # Errors
/// One line with the path, the number of the line, and what is wrong; never what stands there.
pub(super) fn environment(at: &EnvironmentFile) -> Result<(Vec<Line>, FileText), SettingsError> {
    let EnvironmentFile { path, named_by } = at;
    let at = |place: String, reason: &str| SettingsError::new(format!("{named_by}: {place}: {reason}"));
    let shown = path.display();
    let file = text_of(path).map_err(|reason| at(shown.to_string(), &reason))?;
    let mut lines = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let wrong = |reason: &str| at(format!("{shown}:{}", index + 1), reason);
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("it is no NAME=value"))?;
        let name = name.trim_end();
        if !is_name(name) {
            return Err(wrong("the name in front of = is not made of letters, digits and _"));
        }
        let value = unquoted(value.trim()).map_err(wrong)?;
        if value.contains('\0') {
            return Err(wrong("the value has a NUL in it"));
        }
        lines.push(Line { number: index + 1, name: name.to_owned(), value: value.to_owned() });
    }
    Ok((lines, file))
}

/// Which environment file holds, if any: the flag's, else the variable's.
pub(super) fn environment_file(
    flag: Option<&PathBuf>,
    env: &[(OsString, OsString)],
) -> Option<EnvironmentFile> {
    if let Some(path) = flag {
        return Some(EnvironmentFile { path: path.clone(), named_by: "--env-file" });
    }
    let path = PathBuf::from(last(env, "FANFARE_ENV_FILE")?);
    Some(EnvironmentFile { path, named_by: "FANFARE_ENV_FILE" })
}

/// The value of a variable that is set: the last one counts, as in a shell, and an empty one is unset.
pub(super) fn last<'e>(env: &'e [(OsString, OsString)], name: &str) -> Option<&'e OsStr> {
    let found = env.iter().rev().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_os_str()).filter(|value| !value.is_empty())
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn unquoted(value: &str) -> Result<&str, &'static str> {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            let inner = rest.strip_suffix(quote).ok_or("the quote at the value's begin has no end")?;
            return Ok(inner);
        }
    }
    Ok(value)
}
