//! Who may publish (contract: channels, Who may publish), decided from a few facts about a request.
//!
//! With API keys configured a request needs one, wherever it comes from; a key of this process' other parts does as
//! well. Without configured keys, only this machine may publish, and a request has to show that it is neither passed on
//! by a proxy on this machine nor made by a web page that has no business here:
//!
//! 1. The peer's address is loopback. A socket's address cannot be forged, but a proxy next door has it as well:
//! 2. No header says that the request was passed on (`Forwarded`, `X-Forwarded-*`; `X-Real-IP` and `Via` likewise).
//! 3. `Host` is loopback or in `ALLOWED_HOSTS`. A page whose name was re-bound to 127.0.0.1 shows its own name here.
//! 4. `Origin`, where there is one, may use the hub by the policy of [`super::origin`]. A page can send some requests
//!    without asking first; this holds whatever their content type.
//!
//! A proxy that adds no header and rewrites `Host` cannot be told from a local program: who runs one sets a key.
//!
//! Ahead of step ① of the walk. Not here: the body, and the channel rules of the engine.

use std::net::IpAddr;

use actix_http::RequestHead;
use actix_web::http::header::{AUTHORIZATION, HOST, ORIGIN};

use super::api_key::{ApiKey, ApiKeys, KeyError};
use super::host::{Host, HostList};
use super::origin::OriginPolicy;

/// What the decision rests on. A header that is there but cannot be read is an empty text, never `None`.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    /// The socket's peer; never what a header says about it.
    pub peer: IpAddr,
    /// Whether a header says that the request was passed on; see [`is_forwarding_header`].
    pub route: Route,
    /// The host that was asked for: of the request target where it has one (HTTP/2 always), else of `Host`.
    pub host: Option<&'a str>,
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
}

/// How a request came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// As far as its headers say, from the peer itself.
    Direct,
    /// Through a proxy that says so.
    Forwarded,
}

impl<'a> RequestFacts<'a> {
    /// The facts of a request from `peer`.
    #[must_use]
    pub fn of(peer: IpAddr, head: &'a RequestHead) -> Self {
        let header = |name| head.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let forwarded = head.headers.keys().any(|name| is_forwarding_header(name.as_str()));
        Self {
            peer,
            route: if forwarded { Route::Forwarded } else { Route::Direct },
            host: head.uri.authority().map(|authority| authority.as_str()).or_else(|| header(HOST)),
            origin: header(ORIGIN),
            authorization: header(AUTHORIZATION),
        }
    }
}

/// Whether a header of this name is one that proxies add.
#[must_use]
pub fn is_forwarding_header(name: &str) -> bool {
    let starts_with =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    starts_with("x-forwarded-")
        || ["forwarded", "x-forwarded", "x-real-ip", "via"].iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Who publishes.
#[derive(Debug, Clone, Copy)]
pub enum Publisher<'a> {
    /// The holder of an API key.
    Key(&'a ApiKey),
    /// A program on this machine, while no keys are configured.
    Local,
}

impl Publisher<'_> {
    /// The name of its key. `None` for a local program.
    #[must_use]
    pub fn key_name(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key.name()),
            Self::Local => None,
        }
    }

    /// Whether it may publish to a stream: a channel, `user:<id>`, or `@all`.
    ///
    /// # Errors
    /// [`Refusal::KeyNotAllowed`] where the key is for other streams.
    pub fn may_publish(&self, stream: &str) -> Result<(), Refusal> {
        match self {
            Self::Key(key) if !key.may_publish(stream) => Err(Refusal::KeyNotAllowed),
            _ => Ok(()),
        }
    }

    /// Whether it may use the operator API. A local program may: without keys this machine's user is the operator.
    ///
    /// # Errors
    /// [`Refusal::NotAdmin`] where the key is a publisher's.
    pub fn may_operate(&self) -> Result<(), Refusal> {
        match self {
            Self::Key(key) if !key.is_admin() => Err(Refusal::NotAdmin),
            _ => Ok(()),
        }
    }
}

/// Why a request may not publish. The messages are for the developer who sees them in the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Keys are configured, and the request has none.
    #[error("publishing needs an API key: send it as `Authorization: Bearer <key>`, one of FANFARE_API_KEYS")]
    KeyMissing,
    /// Keys are configured, and the request has another.
    #[error("the API key is not known here; it is compared with FANFARE_API_KEYS of this hub")]
    KeyUnknown,
    /// The key is for other channels.
    #[error("the API key may not publish there; its `channels` in the hub's configuration say where it may")]
    KeyNotAllowed,
    /// The key is no operator's.
    #[error("the API key may not operate the hub; give it `admin` in the hub's configuration")]
    NotAdmin,
    /// No keys are configured, and the peer is another machine.
    #[error(
        "this hub has no API keys, so only programs on its own machine may publish; set FANFARE_API_KEYS"
    )]
    NotLocal,
    /// No keys are configured, and the request came through a proxy.
    #[error(
        "this hub has no API keys, and the request came through a proxy (it has a Forwarded, X-Forwarded-*, \
         X-Real-IP or Via header), so its sender is unknown; set FANFARE_API_KEYS"
    )]
    Forwarded,
    /// No keys are configured, and the request is for a host that is not this machine's.
    #[error(
        "this hub has no API keys, and the request's Host is neither localhost nor in ALLOWED_HOSTS; \
         use http://localhost, add the host to ALLOWED_HOSTS, or set FANFARE_API_KEYS"
    )]
    ForbiddenHost,
    /// No keys are configured, and the request comes from a page that may not use the hub.
    #[error(
        "this hub has no API keys, and the request comes from a web page whose origin is not in \
         CORS_ALLOWED_ORIGINS; add the origin, or set FANFARE_API_KEYS and publish from a server"
    )]
    ForbiddenOrigin,
}

impl Refusal {
    /// The stable `code` of the answer.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::KeyMissing => "key_missing",
            Self::KeyUnknown => "key_unknown",
            Self::KeyNotAllowed => "key_not_allowed",
            Self::NotAdmin => "not_admin",
            Self::NotLocal => "not_local",
            Self::Forwarded => "forwarded_request",
            Self::ForbiddenHost => "forbidden_host",
            Self::ForbiddenOrigin => "forbidden_origin",
        }
    }

    /// The status of the answer: 401 where a key would help, 403 where it is not allowed. A 401 has to carry
    /// `WWW-Authenticate: Bearer` (RFC 9110 §15.5.2).
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::KeyMissing | Self::KeyUnknown => 401,
            _ => 403,
        }
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Missing => Self::KeyMissing,
            KeyError::Unknown => Self::KeyUnknown,
        }
    }
}

/// Decides who may publish.
#[derive(Debug, Clone)]
pub struct PublisherPolicy {
    /// The configured keys.
    pub keys: ApiKeys,
    /// Keys of other parts of this process. They are accepted besides, and change nothing for requests without them.
    pub internal: ApiKeys,
    /// `ALLOWED_HOSTS`; matters only without keys.
    pub allowed_hosts: HostList,
    /// `CORS_ALLOWED_ORIGINS`; matters only without keys.
    pub origins: OriginPolicy,
}

impl PublisherPolicy {
    /// Who a request comes from, if it may publish at all. To which streams is asked of the [`Publisher`].
    ///
    /// # Errors
    /// The first reason against it, in the order of this module's list.
    pub fn authorize(&self, facts: &RequestFacts<'_>) -> Result<Publisher<'_>, Refusal> {
        if !self.internal.is_empty()
            && let Ok(key) = self.internal.authenticate(facts.authorization)
        {
            return Ok(Publisher::Key(key));
        }
        if !self.keys.is_empty() {
            return Ok(Publisher::Key(self.keys.authenticate(facts.authorization)?));
        }
        // An IPv6 socket shows IPv4 peers as ::ffff:127.0.0.1.
        if !facts.peer.to_canonical().is_loopback() {
            return Err(Refusal::NotLocal);
        }
        if facts.route == Route::Forwarded {
            return Err(Refusal::Forwarded);
        }
        let host = facts.host.and_then(Host::parse_with_port).map(|(host, _port)| host);
        if !host.is_some_and(|host| host.is_loopback() || self.allowed_hosts.contains(&host)) {
            return Err(Refusal::ForbiddenHost);
        }
        if !self.origins.allows_request(facts.origin) {
            return Err(Refusal::ForbiddenOrigin);
        }
        Ok(Publisher::Local)
    }

    /// The line for the start log that says who may publish.
    #[must_use]
    pub fn notice(&self) -> String {
        match self.keys.len() {
            0 => "no API keys (FANFARE_API_KEYS): only programs on this machine may publish".to_owned(),
            1 => "publishing needs the API key".to_owned(),
            keys => format!("publishing needs one of {keys} API keys"),
        }
    }
}

#[cfg(test)]
mod tests;
