//! The host part of a `Host` header or an `Origin`, read once and compared as what it means.
//!
//! Names compare without case, addresses as addresses. Only what is loopback by itself counts as loopback: the three
//! spellings of the contract (`localhost` and names below it, 127.0.0.0/8, `[::1]`), never a name that merely resolves
//! to such an address, since that is what DNS rebinding lives on.
//!
//! Not here: the addresses of peers (a socket knows those, [`super::publisher`] judges them).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest name, in bytes (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// A host by name or by address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, in lower case.
    Name(Box<str>),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads a host without a port: `example.com`, `127.0.0.1`, `[::1]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return inner.strip_suffix(']')?.parse().ok().map(Self::V6);
        }
        if let Ok(address) = text.parse() {
            return Some(Self::V4(address));
        }
        let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let valid = !text.is_empty()
            && text.len() <= MAX_NAME
            && text.bytes().all(is_name_byte)
            && text.split('.').all(|label| !label.is_empty());
        valid.then(|| Self::Name(text.to_ascii_lowercase().into()))
    }

    /// Reads a host with or without a port, as it stands in a `Host` header (RFC 9110 §7.2).
    #[must_use]
    pub fn parse_with_port(text: &str) -> Option<(Self, Option<u16>)> {
        let split = match text.rfind(']') {
            // A colon inside the brackets is the address's.
            Some(end) => text[end..].find(':').map(|colon| end + colon),
            None => text.find(':'),
        };
        let Some(colon) = split else { return Some((Self::parse(text)?, None)) };
        let (host, port) = (Self::parse(&text[..colon])?, &text[colon + 1..]);
        if port.is_empty() {
            return Some((host, None));
        }
        // `parse` alone would take a sign.
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some((host, Some(port.parse().ok()?)))
    }

    /// Whether this is the machine itself, by its spelling alone.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => **name == *"localhost" || name.ends_with(".localhost"),
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => address.is_loopback(),
        }
    }

    /// Whether this can only be a machine of a private network: such an address, or a name of one label.
    pub(super) fn is_private(&self) -> bool {
        match self {
            Self::Name(name) => !name.contains('.'),
            Self::V4(address) => address.is_private() || address.is_link_local(),
            Self::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// The hosts under which this hub is reached: `ALLOWED_HOSTS`, a list of hosts separated by commas or blanks. A port
/// may stand there and is ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostList(Vec<Host>);

/// Which entry of `ALLOWED_HOSTS` is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostListError {
    /// Not a host.
    #[error("ALLOWED_HOSTS: `{0}` is not a host; write hub.example.com, without a scheme or a path")]
    NotAHost(String),
    /// A wildcard, which would allow what the list is there to prevent.
    #[error("ALLOWED_HOSTS: `{0}` has a wildcard; name each host")]
    Wildcard(String),
}

impl HostList {
    /// Reads the list.
    ///
    /// # Errors
    /// Names the entry that is no host.
    pub fn parse(list: &str) -> Result<Self, HostListError> {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        let host = |entry: &str| match Host::parse_with_port(entry) {
            Some((host, _)) => Ok(host),
            None if entry.contains('*') => Err(HostListError::Wildcard(entry.to_owned())),
            None => Err(HostListError::NotAHost(entry.to_owned())),
        };
        entries.map(host).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the list names this host.
    #[must_use]
    pub fn contains(&self, host: &Host) -> bool {
        self.0.contains(host)
    }
}

#[cfg(test)]
mod tests;
