//! Where clients come in: the built-in endpoints, and what the configuration file says of them and of further ones.
//!
//! A table `[[endpoints]]` with the name of a built-in one changes that; any other name makes a further endpoint, which
//! needs a `dialect` and a place. Not here: what an endpoint does with a handshake (`upgrade`, `identify`).

use std::time::Duration;

use hub::{Dial, Dialect};
use protocol::ChannelName;
use protocol::timestamp::TimestampFormat;
use serde::Deserialize;
use url::Url;

use super::file::Age;
use super::values::AuthPolicy;

/// The most endpoints: a hub has a handful.
pub const MOST_ENDPOINTS: usize = 64;

/// Bounds of what tables say about pings and silence: those of `PING_INTERVAL` and `PING_TIMEOUT`. Shards count in
/// milliseconds that wrap after 49 days.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(200);
const LONGEST_SILENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// The cookie in which the world of tasks has its token (contract: tasks).
const TASKS_COOKIE: &str = "access_token";

/// What an endpoint wants to know about who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointAuth {
    /// Tokens are ignored, and those who connect may say whose connection it is.
    Off,
    /// [`EndpointAuth::Off`], but [`EndpointAuth::Optional`] for what comes through a proxy.
    OffUnlessForwarded,
    /// No token is an anonymous connection; a bad one is closed 4001.
    Optional,
    /// Without a good token the connection is closed 4001.
    Required,
    /// Who is not signed in is refused with HTTP 403.
    SignedIn,
}

impl From<AuthPolicy> for EndpointAuth {
    fn from(policy: AuthPolicy) -> Self {
        match policy {
            AuthPolicy::Off => Self::Off,
            AuthPolicy::Optional => Self::Optional,
            AuthPolicy::Required => Self::Required,
        }
    }
}

/// From which pages an endpoint takes handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointOrigins {
    /// From those that `CORS_ALLOWED_ORIGINS` lists.
    Listed,
    /// From any: what it gives is public.
    Any,
}

/// A port that serves one endpoint alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnPort {
    /// The port; 0 is any free one.
    pub port: u16,
    /// What happens where somebody else has it.
    pub if_taken: IfTaken,
}

/// What happens where a port is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfTaken {
    /// The server does not start.
    Fail,
    /// The endpoint has no port of its own.
    GoOn,
}

/// Where clients of one world come in.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its name, for the configuration, metrics and logs.
    pub name: String,
    /// The world.
    pub dialect: Dialect,
    /// Its path on the main port, without a slash at the end, which a handshake may have.
    pub path: Option<String>,
    /// Its own port.
    pub port: Option<OwnPort>,
    /// Who may connect.
    pub auth: EndpointAuth,
    /// Whether the policy was chosen, and is not the default.
    pub is_auth_chosen: bool,
    /// From which pages.
    pub origins: EndpointOrigins,
    /// A cookie that may have the token.
    pub cookie: Option<String>,
    /// Who knows whose session a request's cookies are.
    pub session_check: Option<Url>,
    /// What has no target: whether its connections get it.
    pub everyone: bool,
    /// Whether a connection is its user's from the beginning.
    pub own_user: bool,
    /// Channels that its connections follow unasked.
    pub channels: Vec<ChannelName>,
    /// The form of its times, where events are flat.
    pub flat: Option<TimestampFormat>,
    /// Client frames in any 10 s; none is what `WS_RATE_LIMIT` says, 0 no limit.
    pub rate: Option<u32>,
    /// How often the server pings; none is what the world or `PING_INTERVAL` says.
    pub ping_interval: Option<Duration>,
    /// How long a connection may be silent; none is what `PING_TIMEOUT` says.
    pub ping_timeout: Option<Duration>,
    /// Connections of one user; none is what the world or `MAX_CONNECTIONS_PER_USER` says, 0 no limit.
    pub connections_per_user: Option<u32>,
}

impl Endpoint {
    fn new(name: &str, dialect: Dialect, auth: EndpointAuth) -> Self {
        let defaults = dialect.defaults();
        Self {
            name: name.to_owned(),
            dialect,
            path: None,
            port: None,
            auth,
            is_auth_chosen: false,
            origins: EndpointOrigins::Listed,
            cookie: None,
            session_check: None,
            everyone: defaults.everyone,
            own_user: defaults.own_user,
            channels: defaults.channels.iter().filter_map(|name| ChannelName::new(name).ok()).collect(),
            flat: defaults.flat,
            rate: None,
            ping_interval: None,
            ping_timeout: None,
            connections_per_user: None,
        }
    }

    /// An endpoint of a world as the built-in one of that world is, but for its place.
    fn of(name: &str, dialect: Dialect, policies: &Policies) -> Self {
        let auth = if dialect == Dialect::DASHBOARD {
            policies.dashboard.unwrap_or(policies.channels).into()
        } else if dialect == Dialect::TASKS {
            EndpointAuth::SignedIn
        } else if dialect == Dialect::RECEIPTS {
            EndpointAuth::Off
        } else {
            policies.channels.into()
        };
        let mut endpoint = Self::new(name, dialect, auth);
        endpoint.is_auth_chosen = dialect == Dialect::DASHBOARD && policies.dashboard.is_some();
        if dialect == Dialect::TASKS {
            endpoint.cookie = Some(TASKS_COOKIE.to_owned());
            endpoint.session_check = policies.session_check.clone();
        }
        if dialect == Dialect::RECEIPTS {
            endpoint.origins = EndpointOrigins::Any;
        }
        endpoint
    }

    /// The engine's part of it.
    #[must_use]
    pub fn engine(&self, limits: &hub::Limits) -> hub::Endpoint {
        let mut endpoint = hub::Endpoint::new(self.dialect, limits);
        let above_zero = |number: u32| (number > 0).then_some(number);
        endpoint.name = self.name.as_str().into();
        endpoint.flat = self.flat;
        endpoint.everyone = self.everyone;
        endpoint.own_user = self.own_user;
        endpoint.channels = self.channels.clone();
        endpoint.rate = Dial::new(self.rate.map_or(endpoint.rate.get(), above_zero));
        endpoint.ping_timeout = self.ping_timeout.unwrap_or(endpoint.ping_timeout);
        endpoint.ping_interval = self.ping_interval.unwrap_or(endpoint.ping_interval);
        // Where an operator wants the dead to be gone sooner, pings come sooner.
        endpoint.ping_interval = endpoint.ping_interval.min(endpoint.ping_timeout / 2);
        let per_user = self.connections_per_user.map_or(endpoint.connections_per_user.get(), above_zero);
        endpoint.connections_per_user = Dial::new(per_user);
        endpoint
    }

    /// Whether a handshake for this path on the main port is for it.
    #[must_use]
    pub fn is_at(&self, path: &str) -> bool {
        self.path.as_deref().is_some_and(|own| {
            path == own || own != "/" && path.strip_suffix('/').is_some_and(|path| path == own)
        })
    }
}

/// What flags and variables say about endpoints.
#[derive(Debug)]
pub(super) struct Policies {
    /// `WS_AUTH`, as it is in force.
    pub(super) channels: AuthPolicy,
    /// `DASHBOARD_AUTH`, where it is set, as it is in force.
    pub(super) dashboard: Option<AuthPolicy>,
    /// `SESSION_CHECK_URL`.
    pub(super) session_check: Option<Url>,
    /// `DASHBOARD_PORT`.
    pub(super) dashboard_port: Option<u16>,
    /// `RECEIPTS_PORT`.
    pub(super) receipts_port: Option<u16>,
}

/// The endpoints of a hub; the first is that of `/ws`.
///
/// # Errors
/// A table is wrong: its line, and what is wrong with it.
pub(super) fn assemble(
    policies: &Policies,
    tables: Vec<(usize, EndpointTable)>,
) -> Result<Vec<Endpoint>, (usize, String)> {
    let own = |port: Option<u16>| port.map(|port| OwnPort { port, if_taken: IfTaken::Fail });
    let built_in = |dialect: Dialect, path: &str, port: Option<u16>| Endpoint {
        path: Some(path.to_owned()),
        port: own(port),
        ..Endpoint::of(dialect.name(), dialect, policies)
    };
    let mut endpoints = vec![
        built_in(Dialect::CHANNELS, "/ws", None),
        built_in(Dialect::DASHBOARD, "/", policies.dashboard_port),
        built_in(Dialect::TASKS, "/ws/notifications", None),
        built_in(Dialect::RECEIPTS, "/ws/receipts", policies.receipts_port),
    ];
    for (line, table) in tables {
        apply(&mut endpoints, table, policies).map_err(|message| (line, message))?;
    }
    Ok(endpoints)
}

fn apply(endpoints: &mut Vec<Endpoint>, table: EndpointTable, policies: &Policies) -> Result<(), String> {
    let name = table.name.clone();
    check_name(&name)?;
    let dialect = match table.dialect.as_deref() {
        None => None,
        Some(text) => Some(Dialect::named(text).ok_or_else(|| {
            let names: Vec<&str> = Dialect::names().collect();
            format!("dialect {text:?} is none of {}", names.join(", "))
        })?),
    };
    let place = endpoints.iter().position(|endpoint| endpoint.name == name);
    if !table.enabled.unwrap_or(true) {
        return match place {
            Some(0) => Err("the endpoint channels can't be switched off".to_owned()),
            Some(place) => {
                endpoints[place].path = None;
                endpoints[place].port = None;
                Ok(())
            }
            None => Err(format!("there is no endpoint {name} to switch off")),
        };
    }
    let mut endpoint = match (place, dialect) {
        (Some(place), Some(dialect)) if endpoints[place].dialect != dialect => {
            return Err(format!("the endpoint {name} has the dialect {}", endpoints[place].dialect.name()));
        }
        (Some(place), _) => endpoints[place].clone(),
        (None, Some(dialect)) => Endpoint::of(&name, dialect, policies),
        (None, None) => return Err(format!("the endpoint {name} needs a dialect")),
    };
    table.change(&mut endpoint)?;
    if endpoint.path.is_none() && endpoint.port.is_none() {
        return Err(format!("the endpoint {name} has neither a path nor a port"));
    }
    let takes_anybody = matches!(endpoint.auth, EndpointAuth::Off | EndpointAuth::Optional);
    if endpoint.dialect == Dialect::TASKS && takes_anybody {
        return Err("the dialect tasks is for signed-in users: auth is signed-in or required".to_owned());
    }
    if place == Some(0) && endpoint.path.as_deref() != Some("/ws") {
        return Err("the endpoint channels stays on /ws; make a further one for another path".to_owned());
    }
    let others =
        || endpoints.iter().enumerate().filter(|(other, _)| Some(*other) != place).map(|(_, one)| one);
    if let Some(path) = &endpoint.path
        && let Some(other) = others().find(|other| other.is_at(path))
    {
        return Err(format!("the endpoints {} and {name} have the same path {path}", other.name));
    }
    let same_port = |other: &&Endpoint| match (other.port, endpoint.port) {
        (Some(theirs), Some(own)) => own.port != 0 && theirs.port == own.port,
        _ => false,
    };
    if let Some(other) = others().find(same_port) {
        return Err(format!("the endpoints {} and {name} have the same port", other.name));
    }
    match place {
        Some(place) => endpoints[place] = endpoint,
        None if endpoints.len() >= MOST_ENDPOINTS => {
            return Err(format!("there are at most {MOST_ENDPOINTS} endpoints"));
        }
        None => endpoints.push(endpoint),
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > 40 || !name.bytes().all(is_plain) {
        return Err("an endpoint's name has 1 to 40 of a-z, 0-9, - and _".to_owned());
    }
    Ok(())
}

/// A table `[[endpoints]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointTable {
    name: String,
    dialect: Option<String>,
    enabled: Option<bool>,
    path: Option<String>,
    port: Option<u16>,
    auth: Option<Auth>,
    origins: Option<EndpointOrigins>,
    cookie: Option<String>,
    session_check: Option<String>,
    everyone: Option<bool>,
    own_user: Option<bool>,
    channels: Option<Vec<String>>,
    timestamps: Option<Timestamps>,
    rate: Option<u32>,
    ping_interval: Option<Age>,
    ping_timeout: Option<Age>,
    connections_per_user: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Auth {
    Off,
    Optional,
    Required,
    SignedIn,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Timestamps {
    Milliseconds,
    Microseconds,
    Seconds,
}

impl EndpointTable {
    fn change(self, endpoint: &mut Endpoint) -> Result<(), String> {
        if let Some(path) = self.path {
            endpoint.path = Some(checked_path(&path)?);
        }
        if let Some(port) = self.port {
            endpoint.port = Some(OwnPort { port, if_taken: IfTaken::Fail });
        }
        if let Some(auth) = self.auth {
            endpoint.is_auth_chosen = true;
            endpoint.auth = match auth {
                Auth::Off => EndpointAuth::Off,
                Auth::Optional => EndpointAuth::Optional,
                Auth::Required => EndpointAuth::Required,
                Auth::SignedIn => EndpointAuth::SignedIn,
            };
        }
        if let Some(channels) = self.channels {
            let checked = |name: &String| {
                ChannelName::new(name).map_err(|fault| format!("channels: {name:?}: {fault}"))
            };
            endpoint.channels = channels.iter().map(checked).collect::<Result<_, _>>()?;
        }
        if let Some(form) = self.timestamps {
            if endpoint.flat.is_none() {
                return Err("timestamps are for flat dialects; envelopes have milliseconds".to_owned());
            }
            endpoint.flat = Some(match form {
                Timestamps::Milliseconds => TimestampFormat::Milliseconds,
                Timestamps::Microseconds => TimestampFormat::Microseconds,
                Timestamps::Seconds => TimestampFormat::Seconds,
            });
        }
        if let Some(cookie) = self.cookie {
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if cookie.is_empty() || !cookie.bytes().all(is_token) {
                return Err("cookie is the name of one".to_owned());
            }
            endpoint.cookie = Some(cookie);
        }
        if let Some(text) = self.session_check {
            let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            endpoint.session_check = Some(url.ok_or("session_check is an http or https address")?);
        }
        endpoint.origins = self.origins.unwrap_or(endpoint.origins);
        endpoint.everyone = self.everyone.unwrap_or(endpoint.everyone);
        endpoint.own_user = self.own_user.unwrap_or(endpoint.own_user);
        endpoint.rate = self.rate.or(endpoint.rate);
        let interval = within("ping_interval", self.ping_interval, SHORTEST_INTERVAL)?;
        let timeout = within("ping_timeout", self.ping_timeout, SHORTEST_TIMEOUT)?;
        endpoint.ping_interval = interval.or(endpoint.ping_interval);
        endpoint.ping_timeout = timeout.or(endpoint.ping_timeout);
        endpoint.connections_per_user = self.connections_per_user.or(endpoint.connections_per_user);
        Ok(())
    }
}

/// A duration that is as long as the setting of the same name may be.
fn within(name: &str, age: Option<Age>, shortest: Duration) -> Result<Option<Duration>, String> {
    match age {
        Some(Age(duration)) if !(shortest..=LONGEST_SILENCE).contains(&duration) => {
            Err(format!("{name} is a duration from {} ms to 1d", shortest.as_millis()))
        }
        age => Ok(age.map(|age| age.0)),
    }
}

/// A path without a slash at its end.
fn checked_path(path: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    if !path.starts_with('/') || path.contains("//") || path.len() > 200 || !path.bytes().all(is_plain) {
        return Err("path begins with / and has letters, digits, /, -, ., _ and ~".to_owned());
    }
    Ok(if path == "/" { path.to_owned() } else { path.trim_end_matches('/').to_owned() })
}

#[cfg(test)]
mod tests;
