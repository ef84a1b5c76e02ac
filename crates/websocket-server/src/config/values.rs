//! What a setting's text becomes: bounded numbers, durations and sizes, origins, hosts, policies.
//!
//! Each reader answers with the reason alone (`it is below 2s`); who asked, and what is accepted instead, is
//! added where the error is made. Which setting takes what is in `flags`.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use service_kit::arguments::{Secret, parse_bytes, parse_duration, show_bytes, show_duration};

#[cfg(test)]
mod tests;

/// Why a text is not accepted, as the end of a sentence that begins with the text.
pub(super) type Reason = String;

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
    /// On a developer's machine: pages from any loopback origin may connect, no key is needed.
    Development,
    /// Reachable by others: starts only with a JWT key and lets in only listed origins.
    Production,
}

impl FromStr for Environment {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        match text {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            _ => Err(NO_CHOICE.to_owned()),
        }
    }
}

/// What an endpoint wants to know about who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthPolicy {
    /// Tokens are ignored; every connection is anonymous.
    Off,
    /// No token is an anonymous connection; a bad one is closed.
    Optional,
    /// Without a good token the connection is closed.
    Required,
}

impl FromStr for AuthPolicy {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        match text {
            "off" => Ok(Self::Off),
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err(NO_CHOICE.to_owned()),
        }
    }
}

pub(super) const NO_CHOICE: &str = "it is none of the choices";

/// A web origin in its normal form: lower case, without the scheme's own port, as browsers send it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// The origin as a browser writes it in the `Origin` header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        if text == "null" {
            return Err("null is what every page opened from a file sends, and can't be listed".to_owned());
        }
        if text.contains('*') {
            return Err(format!("{text} has a wildcard, and only a lone * is one"));
        }
        let url = reqwest::Url::parse(text).map_err(|_| format!("{text} is no origin"))?;
        let origin = url.origin();
        if !matches!(url.scheme(), "http" | "https") || !origin.is_tuple() {
            return Err(format!("{text} is neither http nor https"));
        }
        let rest = [url.query(), url.fragment(), url.password()];
        if url.path() != "/" || !url.username().is_empty() || rest.iter().any(Option::is_some) {
            return Err(format!("{text} has more than a scheme, a host and a port"));
        }
        Ok(Self(origin.ascii_serialization()))
    }
}

/// `CORS_ALLOWED_ORIGINS` as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OriginList {
    Any,
    Listed(Vec<Origin>),
}

impl FromStr for OriginList {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let entries: Vec<&str> = items(text).collect();
        if entries.contains(&"*") {
            return if entries.len() == 1 {
                Ok(Self::Any)
            } else {
                Err("* stands beside other origins".to_owned())
            };
        }
        let listed: Vec<Origin> = entries.into_iter().map(str::parse).collect::<Result<_, _>>()?;
        if listed.is_empty() { Err("it lists nothing".to_owned()) } else { Ok(Self::Listed(listed)) }
    }
}

/// A host of a `Host` header, without its port, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// The host alone: a name, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let host = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                port.parse::<u16>().map_err(|_| format!("{text} has no valid port"))?;
                host
            }
            _ => text,
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_name = |host: &str| {
            !host.is_empty()
                && host.len() <= 253
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        let valid =
            bracketed.map_or_else(|| is_name(host), |host| host.parse::<std::net::Ipv6Addr>().is_ok());
        if valid { Ok(Self(host.to_ascii_lowercase())) } else { Err(format!("{text} is no host")) }
    }
}

/// Several values in one text, separated by commas; blanks around them and empty ones are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T: FromStr<Err = Reason>> FromStr for List<T> {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let list: Vec<T> = items(text).map(str::parse).collect::<Result<_, _>>()?;
        if list.is_empty() { Err("it lists nothing".to_owned()) } else { Ok(Self(list)) }
    }
}

/// A text that is taken as it is, such as an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word(pub(super) String);

impl FromStr for Word {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        Ok(Self(text.to_owned()))
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// An address to listen on; `localhost` is 127.0.0.1, since no name is looked up.
pub(super) fn host(text: &str) -> Result<IpAddr, Reason> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::from([127, 0, 0, 1]));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| "it is no IP address".to_owned())
}

/// A whole number between two bounds.
pub(super) fn number(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, Reason> + Clone + Send + Sync {
    move |text| {
        let digits: String = text.trim().chars().filter(|c| *c != '_').collect();
        let number: u64 = digits.parse().map_err(|_| "it is no whole number".to_owned())?;
        between(number, least, most, |bound| bound.to_string())
    }
}

/// A whole number of things of which there is at least one.
pub(super) fn count(most: u64) -> impl Fn(&str) -> Result<NonZeroUsize, Reason> + Clone + Send + Sync {
    move |text| {
        let number = number(1, most)(text)?;
        let number = usize::try_from(number).ok().and_then(NonZeroUsize::new);
        number.ok_or_else(|| "it is too large".to_owned())
    }
}

/// [`count`], or `0` or `off` for no limit.
pub(super) fn count_or_off(
    most: u64,
) -> impl Fn(&str) -> Result<OrOff<NonZeroUsize>, Reason> + Clone + Send + Sync {
    move |text| match text.trim() {
        "0" | "off" => Ok(OrOff::Off),
        text => count(most)(text).map(OrOff::On),
    }
}

/// A duration between two bounds.
pub(super) fn duration(
    least: Duration,
    most: Duration,
) -> impl Fn(&str) -> Result<Duration, Reason> + Clone + Send + Sync {
    move |text| {
        let duration = parse_duration(text).map_err(|reason| reason.to_string())?;
        between(duration, least, most, show_duration)
    }
}

/// A size in bytes between two bounds.
pub(super) fn size(least: u64, most: u64) -> impl Fn(&str) -> Result<usize, Reason> + Clone + Send + Sync {
    move |text| {
        let bytes = parse_bytes(text).map_err(|reason| reason.to_string())?;
        let bytes = between(bytes, least, most, show_bytes)?;
        usize::try_from(bytes).map_err(|_| "it is too large".to_owned())
    }
}

/// [`size`], or `off`. Zero is refused: it could mean "always" as well as "never".
pub(super) fn size_or_off(
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
pub(super) fn secret(text: &str) -> Result<Secret, Reason> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Secret::new(text)) }
}

/// A file that exists and can be opened. What is in it is checked by its reader.
pub(super) fn readable_file(text: &str) -> Result<PathBuf, Reason> {
    let path = PathBuf::from(text);
    let opened = std::fs::File::open(&path).and_then(|file| file.metadata());
    match opened {
        Ok(metadata) if metadata.is_dir() => Err("it is a directory".to_owned()),
        Ok(_) => Ok(path),
        Err(error) => Err(format!("it can't be read ({})", cause(&error))),
    }
}

/// The cause in plain words, without the number of the operating system's error.
pub(super) fn cause(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

/// An absolute http or https address without a user or password in it.
pub(super) fn web_address(text: &str) -> Result<reqwest::Url, Reason> {
    let url = reqwest::Url::parse(text.trim()).map_err(|_| "it is no absolute URL".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("it is neither http nor https".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user or a password in it".to_owned());
    }
    Ok(url)
}
