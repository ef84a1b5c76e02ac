//! What the texts of the hub's own settings become: origins, hosts, policies.
//!
//! Each reader answers with the reason alone; who asked, and what is accepted instead, is added where the error is
//! made. Numbers, durations, sizes and lists are every program's (`service_kit::settings::values`).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use service_kit::settings::values::{Reason, choice, items};

#[cfg(test)]
mod tests;

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
        choice(text, &[("off", Self::Off), ("optional", Self::Optional), ("required", Self::Required)])
    }
}

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
        let url = url::Url::parse(text).map_err(|_| format!("{text} is no origin"))?;
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

/// A directory, or a path where one can be made.
pub(super) fn directory(text: &str) -> Result<PathBuf, Reason> {
    match std::fs::metadata(text) {
        Ok(found) if !found.is_dir() => Err(Reason::from("it is a file, not a directory")),
        _ => Ok(PathBuf::from(text)),
    }
}
