//! Which web pages may talk to the hub: `CORS_ALLOWED_ORIGINS` (contract: README, Origin).
//!
//! A browser sends `Origin` with every WebSocket handshake and every request across origins, and a page cannot forge
//! it. So this protects people with a browser from pages that they did not mean to trust; it is no protection against
//! anything else, and whoever sends no `Origin` passes.
//!
//! | the page's origin is | WebSocket | HTTP (CORS) | credentials |
//! |---|---|---|---|
//! | listed by name | yes | yes | yes |
//! | any, and the list has `*` | yes | yes | no |
//! | `null`, and the list has `null` | yes | no | no |
//! | loopback, no list, not production | yes | yes | no |
//! | `null`, no list, not production | yes | no | no |
//! | anything else | no | no | no |
//!
//! Being of the same origin as the hub does not help by itself: in production only what is listed. Only a handshake
//! that a cookie authenticates has its own rule, [`OriginPolicy::allows_cookie`].
//!
//! Not here: the endpoint for receipts, which is public and asks nobody, and the writing of headers.

use std::fmt;

use super::host::Host;

/// The longest `Origin` that is looked at, in bytes.
const MAX_ORIGIN: usize = 512;

/// What `FANFARE_ENV` says about where this runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Environment {
    /// A developer's machine, or a test: what is on loopback is trusted as far as the contract says.
    #[default]
    Development,
    /// `production`: nothing is trusted that is not configured.
    Production,
}

/// An origin: scheme, host and port (RFC 6454 §4). A default port is the same as none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: Box<str>,
    host: Host,
    port: Option<u16>,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_ORIGIN {
            return None;
        }
        let (scheme, authority) = text.split_once("://")?;
        // RFC 3986 §3.1. Others than http and https are those of apps (capacitor://localhost).
        let is_scheme_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(is_scheme_byte) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = Host::parse_with_port(authority)?;
        Some(Self {
            port: port.filter(|port| Some(*port) != default_port(&scheme)),
            scheme: scheme.into(),
            host,
        })
    }

    fn is_web_loopback(&self) -> bool {
        matches!(&*self.scheme, "http" | "https") && self.host.is_loopback()
    }

    /// Whether a request with this `Host` header went to the page's own server. The scheme is not compared: behind a
    /// proxy that ends TLS the server does not know it.
    fn is_served_by(&self, host_header: &str) -> bool {
        let Some((host, port)) = Host::parse_with_port(host_header) else { return false };
        host == self.host && port.filter(|port| Some(*port) != default_port(&self.scheme)) == self.port
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Which origin a request comes from, as far as it says.
enum Given {
    /// No `Origin`: not a browser, or a browser on its own origin.
    Absent,
    /// A page without an origin of its own: from a file, from a sandbox.
    Null,
    /// A page of this origin.
    Page(Origin),
    /// A text that is no origin. Never the same as none.
    Unreadable,
}

impl Given {
    fn read(header: Option<&str>) -> Self {
        match header {
            None => Self::Absent,
            Some("null") => Self::Null,
            Some(text) => Origin::parse(text).map_or(Self::Unreadable, Self::Page),
        }
    }
}

/// Which origins are trusted, and with what.
#[derive(Debug, Clone)]
pub struct OriginPolicy {
    listed: Vec<Origin>,
    others: Others,
    /// Whether the list has `null`.
    null_listed: bool,
}

/// What holds for origins that are not listed by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    /// The list has `*`.
    All,
    /// There is no list, and this is not production.
    Loopback,
    /// Everything else.
    None,
}

/// Which entry of `CORS_ALLOWED_ORIGINS` is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Not an origin.
    #[error(
        "CORS_ALLOWED_ORIGINS: `{0}` is not an origin; write https://app.example.com or http://localhost:5173, \
         without a path"
    )]
    NotAnOrigin(String),
    /// A wildcard inside an origin.
    #[error("CORS_ALLOWED_ORIGINS: `{0}` has a wildcard inside; name each origin, or write * alone for all")]
    Wildcard(String),
}

/// What an HTTP answer says about its reader.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorsAnswer {
    /// The value of `Access-Control-Allow-Origin`; without one the browser keeps the answer from the page.
    pub allow_origin: Option<String>,
    /// Whether `Access-Control-Allow-Credentials: true` goes with it.
    pub allow_credentials: bool,
    /// Whether the answer depends on the `Origin`, so that `Vary: Origin` has to tell caches. The same for all
    /// answers of one policy, also where the request had no `Origin`.
    pub vary: bool,
}

impl OriginPolicy {
    /// Reads the list, separated by commas or blanks; `None` or an empty text where the variable is unset.
    ///
    /// # Errors
    /// Names the entry that is no origin.
    pub fn new(list: Option<&str>, environment: Environment) -> Result<Self, OriginError> {
        let list = list.unwrap_or_default();
        let mut entries =
            list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()).peekable();
        let others = match (entries.peek(), environment) {
            (None, Environment::Development) => Others::Loopback,
            _ => Others::None,
        };
        let mut policy = Self { listed: Vec::new(), others, null_listed: false };
        for entry in entries {
            match entry {
                "*" => policy.others = Others::All,
                "null" => policy.null_listed = true,
                // A slash at the end is the way browsers show an origin in the address bar.
                _ => match Origin::parse(entry.strip_suffix('/').unwrap_or(entry)) {
                    Some(origin) => policy.listed.push(origin),
                    None if entry.contains('*') => return Err(OriginError::Wildcard(entry.to_owned())),
                    None => return Err(OriginError::NotAnOrigin(entry.to_owned())),
                },
            }
        }
        Ok(policy)
    }

    /// Whether a WebSocket handshake with this `Origin` may go on.
    #[must_use]
    pub fn allows_websocket(&self, origin: Option<&str>) -> bool {
        match Given::read(origin) {
            Given::Absent => true,
            Given::Null => self.null_listed || self.others != Others::None,
            Given::Page(page) => self.allows_page(&page),
            Given::Unreadable => false,
        }
    }

    /// Whether a handshake with this `Origin` may be authenticated by a cookie. A browser attaches cookies to
    /// handshakes from any page, so only the hub's own pages and those listed by name may use them; `*`, `null` and
    /// loopback do not do. `request_host` is the handshake's `Host`.
    #[must_use]
    pub fn allows_cookie(&self, origin: Option<&str>, request_host: Option<&str>) -> bool {
        match Given::read(origin) {
            Given::Absent => true,
            Given::Page(page) => {
                self.listed.contains(&page) || request_host.is_some_and(|host| page.is_served_by(host))
            }
            Given::Null | Given::Unreadable => false,
        }
    }

    /// Whether an HTTP request with this `Origin` comes from a page that may read the answer, or from no page.
    #[must_use]
    pub fn allows_request(&self, origin: Option<&str>) -> bool {
        match Given::read(origin) {
            Given::Absent => true,
            Given::Null => self.others == Others::All,
            Given::Page(page) => self.allows_page(&page),
            Given::Unreadable => false,
        }
    }

    /// What to tell the browser about an HTTP answer to a request with this `Origin`.
    #[must_use]
    pub fn cors(&self, origin: Option<&str>) -> CorsAnswer {
        let named = match Given::read(origin) {
            Given::Page(page) => self.listed.contains(&page),
            _ => false,
        };
        let allow_origin = match origin {
            // The browser compares byte by byte with what it sent.
            Some(text) if named => Some(text.to_owned()),
            _ if self.others == Others::All => Some("*".to_owned()),
            Some(text) if self.allows_request(origin) => Some(text.to_owned()),
            _ => None,
        };
        CorsAnswer {
            allow_origin,
            allow_credentials: named,
            vary: !self.listed.is_empty() || self.others == Others::Loopback,
        }
    }

    fn allows_page(&self, page: &Origin) -> bool {
        self.listed.contains(page)
            || match self.others {
                Others::All => true,
                Others::Loopback => page.is_web_loopback(),
                Others::None => false,
            }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Production => "production",
        })
    }
}

#[cfg(test)]
mod tests;
