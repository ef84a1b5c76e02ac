//! What a request for server-sent events asks for: the channels, what its client has had, and whose it is; and the
//! frame that says the first two to the engine.
//!
//! Not here: whether channel names are valid and allowed, and what positions are worth (the engine decides).

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use hub::Identity;
use protocol::channel::{ALL, USER_PREFIX};
use protocol::channels::{MAX_OFFSET, MAX_POSITIONS};
use protocol::events::{MAX_EVENT_ID, STOP, read_id};
use serde_json::{Map, Value, json};
use service_kit::problem::Problem;

use super::Credentials;

/// The header by which a browser says which message was its last (HTML, Server-sent events).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The longest query: what a handshake may have, and the longest id besides.
const MAX_QUERY: usize = 16 * 1024 + MAX_EVENT_ID;

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    /// The channels in their order; names are still unchecked.
    pub channels: Vec<String>,
    /// What its client has had.
    pub back: Return,
    /// Whose it is, as far as the query says.
    pub credentials: Credentials,
}

/// Whether a client comes back, and with what.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// It was told not to, and a browser did all the same.
    Unwanted,
    /// With this.
    With(Given),
}

/// What a client says that it has had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// Nothing: it is here for the first time.
    Nothing,
    /// Positions, by stream.
    Positions(BTreeMap<String, Value>),
    /// Something that cannot be read. It has had events, and nobody can tell which.
    Unreadable,
}

impl Asked {
    /// Reads a request.
    ///
    /// # Errors
    /// 414 where the query is too long.
    pub(super) fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let query = request.query_string();
        if query.len() > MAX_QUERY {
            let detail = format!("the query is longer than {} KiB", MAX_QUERY / 1024);
            return Err(Problem::new(StatusCode::URI_TOO_LONG, "too_large", detail));
        }
        // A browser adds the header to the same address again, so it is the younger one.
        let header = request.headers().get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or("?"));
        if header == Some(STOP) {
            return Ok(Self {
                channels: Vec::new(),
                back: Return::Unwanted,
                credentials: Credentials::default(),
            });
        }
        let mut asked = Self {
            channels: Vec::new(),
            back: Return::With(Given::Nothing),
            credentials: Credentials::default(),
        };
        let mut id = header.filter(|id| !id.is_empty()).map(str::to_owned);
        // Reading pairs fails for no text.
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            match &*name {
                "channels" | "channel" => {
                    asked
                        .channels
                        .extend(value.split(',').filter(|channel| !channel.is_empty()).map(str::to_owned));
                }
                "token" => asked.credentials.token = asked.credentials.token.or(Some(value)),
                "ticket" => asked.credentials.ticket = asked.credentials.ticket.or(Some(value)),
                "last_event_id" => id = id.or(Some(value)),
                _ => {}
            }
        }
        asked.back = Return::With(id.as_deref().map_or(Given::Nothing, given));
        Ok(asked)
    }
}

/// What an id says.
fn given(id: &str) -> Given {
    match read_id(id) {
        Some(positions) if positions.len() <= MAX_POSITIONS => Given::Positions(
            positions
                .into_iter()
                .map(|(stream, position)| {
                    let offset = position.offset.min(MAX_OFFSET);
                    (stream, json!({ "epoch": position.epoch.to_string(), "offset": offset }))
                })
                .collect(),
        ),
        _ => Given::Unreadable,
    }
}

/// The frame by which a client of `/ws` would ask for the same. Positions of no epoch stand for those that cannot be
/// read, so that the client hears `recovered:false` of each stream that it knows of.
pub(super) fn subscribe(channels: &[String], given: &Given, identity: Option<&Identity>) -> String {
    let positions: Map<String, Value> = match given {
        Given::Nothing => Map::new(),
        Given::Positions(positions) => positions.clone().into_iter().collect(),
        Given::Unreadable => {
            let own = identity.map(|identity| format!("{USER_PREFIX}{}", identity.user));
            let streams = channels.iter().cloned().chain([ALL.to_owned()]).chain(own);
            let none = || json!({ "epoch": "", "offset": 0 });
            streams.take(MAX_POSITIONS).map(|stream| (stream, none())).collect()
        }
    };
    json!({ "type": "subscribe", "channels": channels, "recoverable": true, "positions": positions })
        .to_string()
}

#[cfg(test)]
mod tests;
