//! What calls to services have in common: the client, the hub's key, and a user's id as JSON.
//!
//! Not here: what is called when, and what an answer means (`hooks`, `deliveries`).

use std::time::Duration;

use protocol::UserId;
use reqwest::header::{HeaderValue, InvalidHeaderValue};
use serde::Serialize;
use serde_json::value::RawValue;
use service_kit::arguments::Secret;

/// Bytes of an answer that are read.
pub(crate) const LONGEST_ANSWER: usize = 64 << 10;

/// The time for a connection to a service, a part of the whole.
const CONNECT: Duration = Duration::from_secs(2);

/// How long a connection to a service is kept without use: less than the 5 s after which Node and uvicorn close theirs,
/// so that no event meets a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(4);

/// A client whose connections are kept and shared. Redirects are not followed, since they would take the key elsewhere.
///
/// # Errors
/// The client can't be made.
pub(crate) fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .no_proxy()
        .build()?)
}

/// The hub's key as the value of `Authorization`, which no log shows.
///
/// # Errors
/// The key can't stand in a header.
pub(crate) fn bearer(key: &Secret) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A user's id in the form in which it came.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Id<'a> {
    /// The digits of a number, however many.
    Number(&'a RawValue),
    /// A text.
    Text(&'a str),
}

impl<'a> Id<'a> {
    /// The id of a user.
    pub(crate) fn of(user: &'a UserId) -> Self {
        let number = user.is_number().then(|| serde_json::from_str(user.as_str()).ok()).flatten();
        number.map_or(Self::Text(user.as_str()), Self::Number)
    }
}
