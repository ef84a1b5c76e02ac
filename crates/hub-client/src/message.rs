//! What is published: the body of `POST /broadcast`, typed.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// A message to the hub (contract: channels, HTTP). Without any target it goes to everyone.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Message {
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Any JSON.
    pub data: Value,
    /// Channels whose subscribers get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// Users whose connections get it, each id a number or a string. `Some` of nobody addresses nobody, not everyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_ids: Option<Vec<Value>>,
    /// A connection that does not get it though it is addressed: the one that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub except_connection_id: Option<String>,
    /// Whether it is for those who are there, and kept for nobody.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub transient: bool,
    /// When it happened, `2025-11-01T12:00:00.000Z`; the hub's time without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// The trace that it is part of (W3C Trace Context).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The event's id, a UUID of version 7 that nothing else has; the hub makes one without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publication_id: Option<Uuid>,
    /// Sessions of the addressed users whose connections the hub closes behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_sessions: Option<Vec<String>>,
}

impl Message {
    /// A message to everyone.
    pub fn new(event_type: impl Into<String>, data: Value) -> Self {
        Self { event_type: event_type.into(), data, ..Self::default() }
    }
}
