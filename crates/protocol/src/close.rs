//! Every way in which the hub ends a connection: code, reason, and whether the client should come back.
//!
//! This is the one table that the server, the SDKs and the documentation read
//! (`fixtures/close-codes.json` is its other form, and a test holds the two together).

use std::borrow::Cow;
use std::time::Duration;

/// The longest reason of a Close frame, in bytes (RFC 6455, 5.5: 125 for the payload, two of them the code).
pub const MAX_REASON: usize = 123;

/// When a client may connect again after a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// At once, and with its positions.
    AtOnce,
    /// After the client's own backoff with jitter.
    Backoff,
    /// After the time that the reason names.
    After(Duration),
    /// Not without a change: another token, other frames.
    Never,
}

/// An end of a connection that the hub decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// The code of the Close frame (RFC 6455, 7.4; 4000–4999 are ours).
    pub code: u16,
    /// The reason of the Close frame, at most [`MAX_REASON`] bytes.
    pub reason: Cow<'static, str>,
    /// What the client should do.
    pub reconnect: Reconnect,
    /// The row of the table that this is, for metrics.
    pub name: &'static str,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The code of the Close frame.
    pub code: u16,
    /// The reason as it goes out; `draining` puts the time behind it.
    pub reason: &'static str,
    /// What the client should do; a time of zero stands for the one that the reason names.
    pub reconnect: Reconnect,
    /// The row's name.
    pub name: &'static str,
}

macro_rules! table {
    ($($(#[$doc:meta])* $konst:ident = $code:literal $name:literal $reason:literal $rule:expr;)*) => {
        impl Disconnect {
            $($(#[$doc])* pub const $konst: Self = Self {
                code: $code, reason: Cow::Borrowed($reason), reconnect: $rule, name: $name,
            };)*
        }
        /// All rows, in the order of their codes.
        pub const TABLE: &[Row] = &[
            $(Row { code: $code, reason: $reason, reconnect: $rule, name: $name },)*
        ];
    };
}

table! {
    /// The answer to a client's own Close frame.
    NORMAL = 1000 "normal" "" Reconnect::Never;
    /// The process ends; [`Disconnect::draining`] makes the reason.
    DRAINING = 1001 "draining" "draining; reconnect in" Reconnect::After(Duration::ZERO);
    /// A frame broke RFC 6455.
    PROTOCOL_ERROR = 1002 "protocol_error" "Protocol error" Reconnect::Never;
    /// A text was not UTF-8, or compressed data was corrupt.
    INVALID_PAYLOAD = 1007 "invalid_payload" "Invalid payload" Reconnect::Never;
    /// A message was larger than `WS_MAX_MESSAGE`.
    TOO_LARGE = 1009 "too_large" "Message too large" Reconnect::Never;
    /// A fault of the hub's own.
    INTERNAL = 1011 "internal" "Internal error" Reconnect::Backoff;
    /// The token is missing, bad or expired.
    UNAUTHORIZED = 4001 "unauthorized" "Unauthorized" Reconnect::Never;
    /// More client frames than `WS_RATE_LIMIT` allows.
    RATE_LIMITED = 4008 "rate_limited" "Rate limit exceeded" Reconnect::Backoff;
    /// No pong and no other traffic for `PING_TIMEOUT`.
    PING_TIMEOUT = 4009 "ping_timeout" "Ping timeout" Reconnect::AtOnce;
    /// The client did not read as fast as it was sent to; it recovers by position.
    SLOW = 4010 "slow_consumer" "Slow consumer" Reconnect::AtOnce;
    /// Another connection was resumed with the token of this one and goes on in its place.
    TAKEN_OVER = 4011 "taken_over" "Resumed by another connection" Reconnect::Never;
    /// An operator ended the connections of its user.
    DISCONNECTED = 4012 "disconnected" "Disconnected by an operator" Reconnect::Never;
    /// The user has as many connections as `MAX_CONNECTIONS_PER_USER` allows.
    TOO_MANY_CONNECTIONS = 4029 "too_many_connections" "Too many connections" Reconnect::Backoff;
    /// What [`Disconnect::RATE_LIMITED`] is on the dashboard (contract: dashboard).
    TOO_MANY_REQUESTS = 4029 "too_many_requests" "Too many requests" Reconnect::Backoff;
}

impl Disconnect {
    /// The close of a drain: the client is to come back after `delay`.
    #[must_use]
    pub fn draining(delay: Duration) -> Self {
        let reason = format!("draining; reconnect in {} ms", delay.as_millis());
        Self { reason: reason.into(), reconnect: Reconnect::After(delay), ..Self::DRAINING }
    }

    /// A close for a fault of the client's frames, with what exactly was wrong.
    #[must_use]
    pub fn fault(code: u16, reason: Cow<'static, str>) -> Self {
        let row = match code {
            1007 => Self::INVALID_PAYLOAD,
            1009 => Self::TOO_LARGE,
            _ => Self::PROTOCOL_ERROR,
        };
        Self { reason, ..row }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_its_fixture() {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../fixtures/close-codes.json")).expect("fixture");
        let ours: Vec<serde_json::Value> = TABLE
            .iter()
            .map(|row| {
                let rule = match row.reconnect {
                    Reconnect::AtOnce => "at_once",
                    Reconnect::Backoff => "backoff",
                    Reconnect::After(_) => "after",
                    Reconnect::Never => "never",
                };
                serde_json::json!({"code": row.code, "name": row.name, "reason": row.reason, "reconnect": rule})
            })
            .collect();
        assert_eq!(fixture, serde_json::Value::Array(ours));
    }

    #[test]
    fn reasons_fit_a_close_frame_and_one_code_has_one_rule() {
        assert!(TABLE.iter().all(|row| row.reason.len() <= MAX_REASON));
        // Two reasons may share a code; then a client need not look at them to know what to do.
        let agree = |pair: &[Row]| pair[0].code < pair[1].code || pair[0].reconnect == pair[1].reconnect;
        assert!(TABLE.windows(2).all(|pair| pair[0].code <= pair[1].code && agree(pair)));
        let draining = Disconnect::draining(Duration::from_millis(2500));
        assert_eq!((draining.code, &*draining.reason), (1001, "draining; reconnect in 2500 ms"));
    }
}
