//! `retain`: under which key, and for how long, an event is kept as the state that late joiners get (contract: tasks).
//!
//! Not here: the state itself, and who gets it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{RequestError, Target, invalid};
use crate::json;

/// The longest key, in bytes: as long as a channel name.
pub const MAX_RETAIN_KEY: usize = 200;

/// How long state is kept when the publisher does not say: the hour of the contract's example.
pub const DEFAULT_RETAIN: Duration = Duration::from_secs(3_600);

/// How long state may be kept: a week. What has to last longer belongs into a database.
pub const MAX_RETAIN: Duration = Duration::from_secs(604_800);

/// How long a final event is kept (contract: tasks, Task state).
pub const FINAL_RETAIN: Duration = Duration::from_secs(60);

/// The wish to keep an event as the state under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retain {
    /// The key, within each stream that the event is for: 1 to [`MAX_RETAIN_KEY`] bytes without control characters.
    pub key: Box<str>,
    /// How long it is kept unless another one replaces it: at most [`MAX_RETAIN`], [`FINAL_RETAIN`] where it is final.
    pub keep: Duration,
    /// Whether it is the last event under this key.
    pub is_final: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Members<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    ttl_s: Option<&'a RawValue>,
    #[serde(borrow, rename = "final")]
    is_final: Option<&'a RawValue>,
}

/// Reads the JSON text of `retain`. An event for nobody (`"user_ids":[]`) may have one, which then keeps nothing.
pub(super) fn retain(raw: &RawValue, target: &Target) -> Result<Retain, RequestError> {
    let wrong = |message: &str| invalid("retain", message);
    if !json::is_object(raw.get()) {
        return Err(wrong("must be an object with at least the member key"));
    }
    let members: Members<'_> = serde_json::from_str(raw.get()).map_err(|_| wrong("has each member once"))?;
    let key = members.key.ok_or_else(|| wrong("key is required"))?;
    let key: String = serde_json::from_str(key.get()).map_err(|_| wrong("key must be a string"))?;
    if key.is_empty() || key.len() > MAX_RETAIN_KEY || key.chars().any(char::is_control) {
        return Err(wrong("key has 1 to 200 bytes and no control characters"));
    }
    let ttl = members.ttl_s.map_or(Ok(DEFAULT_RETAIN), |ttl| {
        serde_json::from_str(ttl.get())
            .ok()
            .map(Duration::from_secs)
            .filter(|ttl| !ttl.is_zero() && *ttl <= MAX_RETAIN)
            .ok_or_else(|| wrong("ttl_s must be an integer from 1 to 604800"))
    })?;
    let is_final = members.is_final.map_or(Ok(false), |is_final| {
        serde_json::from_str(is_final.get()).map_err(|_| wrong("final must be true or false"))
    })?;
    match target {
        Target::Named(audience) if audience.streams.is_empty() && audience.connection.is_some() => {
            return Err(wrong("needs a channel, a user, or everyone: a connection keeps no state"));
        }
        Target::Named(_) | Target::Everyone => {}
    }
    Ok(Retain { key: key.into(), keep: if is_final { FINAL_RETAIN } else { ttl }, is_final })
}
