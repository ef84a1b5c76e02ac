//! Where Redis is, and who this node is: read once, checked, and never shown with a password.
//!
//! Not here: how an address is found from it (`resolve`).

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hub::broker::NodeId;

use crate::error::ConnectError;

/// The prefix of all keys where none is given.
pub const DEFAULT_PREFIX: &str = "fanfare";

/// The longest prefix, in bytes: it stands in each key.
pub const MAX_PREFIX: usize = 64;

/// The longest name of a node, in bytes: as long as the name of a host.
pub const MAX_NODE_NAME: usize = 253;

/// How long a start waits for Redis; then the node starts without it.
pub const START: Duration = Duration::from_secs(5);

/// What is needed to be a node.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) url: RedisUrl,
    pub(crate) prefix: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) node: NodeId,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) patience: Duration,
}

/// What is wrong with a setting. None shows a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The URL.
    #[error(
        "{0}; accepted are redis://, rediss:// and redis+unix://, redis+sentinel://HOST:PORT,…/MASTER and redis+cluster://HOST:PORT,…"
    )]
    Url(&'static str),
    /// The prefix.
    #[error("a prefix has 1 to 64 letters, digits, _ - . : /")]
    Prefix,
    /// The node's name.
    #[error("a node's name has 1 to 253 visible ASCII characters")]
    Name,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    pub(crate) name: Box<str>,
    pub(crate) port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// Where Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// There.
    Host(Host),
    /// A socket of this machine.
    Unix(PathBuf),
    /// Where these sentinels say that the master of that name is.
    Sentinel(Vec<Host>, Box<str>),
    /// At the node of a cluster that has the slot; these know which.
    Cluster(Vec<Host>),
}

/// Who asks. Its `Debug` form hides the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: Option<Box<str>>,
    pub(crate) password: Box<str>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).field("password", &"***").finish()
    }
}

/// A checked URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl {
    pub(crate) place: Place,
    pub(crate) is_tls: bool,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) database: u32,
}

impl Settings {
    /// Checks them. `url` is one of `redis://[user:password@]host[:port][/db]`, `rediss://…`,
    /// `redis+unix:///path[?db=1]`, `redis+sentinel://[user:password@]host[:port],…/master[/db]` and
    /// `redis+cluster://[user:password@]host[:port],…`; the last two with `rediss` for TLS. Whoever has special
    /// characters in a password writes them as `%40`. The node's id is random.
    ///
    /// # Errors
    /// Says which setting is wrong, and what is accepted.
    pub fn new(url: &str, prefix: &str, name: &str) -> Result<Self, ConnectError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
        if prefix.is_empty() || prefix.len() > MAX_PREFIX || !prefix.bytes().all(fits) {
            return Err(SettingsError::Prefix.into());
        }
        let is_name = (1..=MAX_NODE_NAME).contains(&name.len());
        if !is_name || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SettingsError::Name.into());
        }
        let url = RedisUrl::parse(url)?;
        // Channels are those of the whole server, whatever the database.
        let prefix = match url.database {
            0 => prefix.into(),
            database => format!("{prefix}@{database}").into(),
        };
        Ok(Self {
            url,
            prefix,
            name: name.into(),
            node: getrandom::u32().unwrap_or_else(|_| std::process::id()),
            authority: None,
            patience: START,
        })
    }

    /// With an id that the caller made.
    #[must_use]
    pub fn with_node(mut self, node: NodeId) -> Self {
        self.node = node;
        self
    }

    /// With a PEM file of the authorities that may have signed Redis' certificate, in place of the system's.
    #[must_use]
    pub fn with_authority(mut self, file: PathBuf) -> Self {
        self.authority = Some(file);
        self
    }

    /// With another time than [`START`] for which a start waits for Redis.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Where Redis is, without credentials.
    #[must_use]
    pub fn place(&self) -> String {
        let list = |hosts: &[Host]| hosts.iter().map(Host::to_string).collect::<Vec<_>>().join(",");
        match &self.url.place {
            Place::Host(host) => host.to_string(),
            Place::Unix(path) => path.display().to_string(),
            Place::Sentinel(hosts, master) => format!("{master} of sentinels {}", list(hosts)),
            Place::Cluster(hosts) => format!("cluster {}", list(hosts)),
        }
    }
}

impl RedisUrl {
    fn parse(url: &str) -> Result<Self, SettingsError> {
        let wrong = |what| Err(SettingsError::Url(what));
        let Some((scheme, rest)) = url.split_once("://") else { return wrong("the URL has no scheme") };
        let scheme = if scheme == "unix" { "redis+unix" } else { scheme };
        let (kind, is_tls) = match scheme.strip_prefix("rediss") {
            Some(kind) => (kind, true),
            None => (scheme.strip_prefix("redis").unwrap_or("?"), false),
        };
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (who, hosts) = match authority.rsplit_once('@') {
            Some((who, hosts)) => (Some(who), hosts),
            None => (None, authority),
        };
        let credentials = who.map(credentials).transpose()?.flatten();
        let mut database = path;
        let place = match kind {
            "" => match hosts_of(hosts, 6379)?.as_slice() {
                [host] => Place::Host(host.clone()),
                _ => return wrong("redis:// has one host"),
            },
            "+unix" if !is_tls => {
                if !hosts.is_empty() || path.is_empty() {
                    return wrong("a socket's URL is redis+unix:///PATH");
                }
                database = query.and_then(|query| query.strip_prefix("db=")).unwrap_or_default();
                let place = Place::Unix(format!("/{}", decoded(path)?).into());
                return Ok(Self { place, is_tls, credentials, database: database_of(database)? });
            }
            "+sentinel" => {
                let (master, rest) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return wrong("the URL of sentinels ends with the master's name");
                }
                database = rest;
                Place::Sentinel(hosts_of(hosts, 26379)?, decoded(master)?.into())
            }
            "+cluster" => {
                if !matches!(path, "" | "0") {
                    return wrong("a Redis cluster has no databases");
                }
                Place::Cluster(hosts_of(hosts, 6379)?)
            }
            _ => return wrong("the URL's scheme is not known"),
        };
        if query.is_some() {
            return wrong("the URL has no query");
        }
        Ok(Self { place, is_tls, credentials, database: database_of(database)? })
    }
}

fn database_of(text: &str) -> Result<u32, SettingsError> {
    match text {
        "" => Ok(0),
        _ => text.parse().map_err(|_| SettingsError::Url("the database is a number")),
    }
}

fn hosts_of(text: &str, port: u16) -> Result<Vec<Host>, SettingsError> {
    let wrong = |what| SettingsError::Url(what);
    let one = |text: &str| {
        let (name, given) = match text.strip_prefix('[') {
            Some(rest) => {
                let (name, rest) = rest.split_once(']').ok_or_else(|| wrong("an address has no ]"))?;
                (name, rest.strip_prefix(':'))
            }
            None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
        };
        if name.is_empty() {
            return Err(wrong("the URL has no host"));
        }
        let port = match given {
            None => port,
            Some(given) => given.parse().map_err(|_| wrong("a port is a number up to 65535"))?,
        };
        Ok(Host { name: name.into(), port })
    };
    text.split(',').map(one).collect()
}

fn credentials(text: &str) -> Result<Option<Credentials>, SettingsError> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, password),
        // `redis://secret@host`, as some write it.
        None => ("", text),
    };
    if password.is_empty() {
        return Ok(None);
    }
    let user = if user.is_empty() { None } else { Some(decoded(user)?.into()) };
    Ok(Some(Credentials { user, password: decoded(password)?.into() }))
}

/// Percent-decoding (RFC 3986 §2.1).
fn decoded(text: &str) -> Result<String, SettingsError> {
    let wrong = SettingsError::Url("a % stands for itself only as %25");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(wrong) };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| SettingsError::Url("the URL is not UTF-8"))
}
