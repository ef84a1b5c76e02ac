//! What a setting's text becomes: bounded numbers, durations and sizes, addresses, choices, lists.
//!
//! Each reader answers with the reason alone (`it is below 2s`); who asked, and what is accepted instead, is
//! added where the error is made ([`super::read`]).

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::arguments::{Secret, parse_bytes, parse_duration, show_bytes, show_duration};

#[cfg(test)]
mod tests;

/// Why a text is not accepted, as the end of a sentence that begins with the text.
pub type Reason = String;

/// A limit that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrOff<T> {
    /// No limit, or the function is off.
    Off,
    /// The value that holds.
    On(T),
}

impl<T> OrOff<T> {
    /// The value, where it is on.
    #[must_use]
    pub fn on(self) -> Option<T> {
        match self {
            Self::Off => None,
            Self::On(value) => Some(value),
        }
    }
}

/// Where the process runs, which decides how much is taken on trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// On a developer's machine: what comes from this machine is trusted.
    Development,
    /// Reachable by others: nothing is open that was not configured.
    Production,
}

impl FromStr for Environment {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        choice(text, &[("development", Self::Development), ("production", Self::Production)])
    }
}

/// The reason where a word is none of those that a setting takes.
pub const NO_CHOICE: &str = "it is none of the choices";

/// Several values in one text, separated by commas; blanks around them and empty ones are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(
    /// In their order; at least one.
    pub Vec<T>,
);

impl<T: FromStr<Err = Reason>> FromStr for List<T> {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let list: Vec<T> = items(text).map(str::parse).collect::<Result<_, _>>()?;
        if list.is_empty() { Err("it lists nothing".to_owned()) } else { Ok(Self(list)) }
    }
}

/// A text that is taken as it is, such as an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(
    /// The text.
    pub String,
);

impl FromStr for Word {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        Ok(Self(text.to_owned()))
    }
}

/// The parts of a text between commas; blanks around them and empty ones are dropped.
pub fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// An address to listen on; `localhost` is 127.0.0.1, since no name is looked up.
///
/// # Errors
/// It is no address.
pub fn host(text: &str) -> Result<IpAddr, Reason> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::from([127, 0, 0, 1]));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| "it is no IP address".to_owned())
}

/// One of several words, as each of which a value stands.
///
/// # Errors
/// It is none of them.
pub fn choice<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Reason> {
    let chosen = words.iter().find(|(word, _)| *word == text);
    chosen.map(|&(_, value)| value).ok_or_else(|| NO_CHOICE.to_owned())
}

/// A port, 0 for any free one.
///
/// # Errors
/// It is no number up to 65535.
pub fn port(text: &str) -> Result<u16, Reason> {
    u16::try_from(number(0, 65_535)(text)?).map_err(|_| "it is above 65535".to_owned())
}

/// A port, or `off`.
///
/// # Errors
/// It is neither.
pub fn port_or_off(text: &str) -> Result<OrOff<u16>, Reason> {
    if text.trim().eq_ignore_ascii_case("off") { Ok(OrOff::Off) } else { port(text).map(OrOff::On) }
}

/// A whole number between two bounds.
pub fn number(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, Reason> + Clone + Send + Sync {
    move |text| {
        let digits: String = text.trim().chars().filter(|c| *c != '_').collect();
        let number: u64 = digits.parse().map_err(|_| "it is no whole number".to_owned())?;
        between(number, least, most, |bound| bound.to_string())
    }
}

/// A whole number of things of which there is at least one.
pub fn count(most: u64) -> impl Fn(&str) -> Result<NonZeroUsize, Reason> + Clone + Send + Sync {
    move |text| {
        let number = number(1, most)(text)?;
        let number = usize::try_from(number).ok().and_then(NonZeroUsize::new);
        number.ok_or_else(|| "it is too large".to_owned())
    }
}

/// [`count`], or `0` or `off` for no limit.
pub fn count_or_off(most: u64) -> impl Fn(&str) -> Result<OrOff<NonZeroUsize>, Reason> + Clone + Send + Sync {
    move |text| match text.trim() {
        "0" | "off" => Ok(OrOff::Off),
        text => count(most)(text).map(OrOff::On),
    }
}

/// A duration between two bounds.
pub fn duration(
    least: Duration,
    most: Duration,
) -> impl Fn(&str) -> Result<Duration, Reason> + Clone + Send + Sync {
    move |text| {
        let duration = parse_duration(text).map_err(|reason| reason.to_string())?;
        between(duration, least, most, show_duration)
    }
}

/// A size in bytes between two bounds.
pub fn size(least: u64, most: u64) -> impl Fn(&str) -> Result<usize, Reason> + Clone + Send + Sync {
    move |text| {
        let bytes = parse_bytes(text).map_err(|reason| reason.to_string())?;
        let bytes = between(bytes, least, most, show_bytes)?;
        usize::try_from(bytes).map_err(|_| "it is too large".to_owned())
    }
}

/// [`size`], or `off`. Zero is refused: it could mean "always" as well as "never".
pub fn size_or_off(
    least: u64,
    most: u64,
) -> impl Fn(&str) -> Result<OrOff<usize>, Reason> + Clone + Send + Sync {
    move |text| match text.trim() {
        "off" => Ok(OrOff::Off),
        text => size(least, most)(text).map(OrOff::On),
    }
}

fn between<T: PartialOrd + Copy>(
    value: T,
    least: T,
    most: T,
    show: impl Fn(T) -> String,
) -> Result<T, Reason> {
    if value < least {
        Err(format!("it is below {}", show(least)))
    } else if value > most {
        Err(format!("it is above {}", show(most)))
    } else {
        Ok(value)
    }
}

/// A secret of at least one byte.
///
/// # Errors
/// It is empty.
pub fn secret(text: &str) -> Result<Secret, Reason> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Secret::new(text)) }
}

/// A file that exists and can be opened. What is in it is checked by its reader.
///
/// # Errors
/// It is a directory or can't be opened.
pub fn readable_file(text: &str) -> Result<PathBuf, Reason> {
    let path = PathBuf::from(text);
    let opened = std::fs::File::open(&path).and_then(|file| file.metadata());
    match opened {
        Ok(metadata) if metadata.is_dir() => Err("it is a directory".to_owned()),
        Ok(_) => Ok(path),
        Err(error) => Err(format!("it can't be read ({})", cause(&error))),
    }
}

/// The cause in plain words, without the number of the operating system's error.
#[must_use]
pub fn cause(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

/// An absolute http or https address without a user or password in it.
///
/// # Errors
/// It is something else.
pub fn web_address(text: &str) -> Result<url::Url, Reason> {
    let url = url::Url::parse(text.trim()).map_err(|_| "it is no absolute URL".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("it is neither http nor https".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user or a password in it".to_owned());
    }
    Ok(url)
}
