//! The ledger's paths as a document.

use serde_json::Value;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::{records, trace};

/// Its paths as a document.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(records::take, trace::of_notification, trace::of_event),
    components(schemas(DeliveryRecord, Taken, Trace, EventTrace, TraceStep, RuleLook))
)]
pub(crate) struct Description;

/// What became of an event on one connection, as the hub tells it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read")]
pub(crate) struct DeliveryRecord {
    /// The event's id.
    #[schema(pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    id: String,
    /// Whose connection it is; `null` for an anonymous one.
    #[schema(value_type = Option<crate::openapi::UserIdWord>)]
    user_id: Option<Value>,
    /// The connection.
    connection_id: String,
    /// How far the event has come.
    #[schema(pattern = "^(sent|delivered|shown)$")]
    state: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
}

/// What was taken of a batch.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is answered")]
pub(crate) struct Taken {
    /// Records that are kept, or were before.
    stored: u64,
    /// Records that can't be read, or are of no notification and its user.
    ignored: u64,
}

/// What became of a notification.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is answered")]
pub(crate) struct Trace {
    /// The notification.
    notification_id: i64,
    /// Whose it is.
    #[schema(value_type = crate::openapi::UserIdWord)]
    user_id: Value,
    /// What it tells of.
    r#type: String,
    /// What it belongs to.
    category: String,
    /// Its title.
    title: String,
    /// The id of its event at the hub.
    #[schema(pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    event_id: String,
    /// The event that a rule made it from; `null` where none did.
    #[schema(required = true)]
    source_event_id: Option<String>,
    /// The last that is known of it: the name of a step.
    status: String,
    /// The answer in one sentence.
    verdict: String,
    /// On how many connections of its user the hub sent it.
    connections: i64,
    /// What happened, in order of time; of at most 50 connections.
    steps: Vec<TraceStep>,
}

/// A step. Some have further members, such as `connection_id`, `rule`, `preference`, `until`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is answered")]
pub(crate) struct TraceStep {
    /// `accepted`, `stored`, `filtered`, `waiting`, `refused`, `sent`, `delivered`, `seen`, `read`, `deleted`, `expired`,
    /// `push_waiting`, `push_held`, `push_digest`, `pushed`, `push_failed`, `push_cancelled` or `push_skipped`.
    step: String,
    /// When it happened; of what is still to come, when it will.
    #[schema(format = DateTime)]
    at: String,
    /// The same in words.
    text: String,
}

/// What is known of an event and a user.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is answered")]
pub(crate) struct EventTrace {
    /// What was asked for.
    event: String,
    /// What was asked for.
    #[schema(value_type = crate::openapi::UserIdWord)]
    user_id: Value,
    /// The answer in one sentence, or one for each notification.
    verdict: String,
    /// The user's notifications that are of this event or were made from it.
    notifications: Vec<Trace>,
    /// The rules that looked at the event and made nothing of it, or nothing for this user.
    rules: Vec<RuleLook>,
}

/// What a rule made of an event.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is answered")]
pub(crate) struct RuleLook {
    /// The rule's name.
    rule: String,
    /// How many notifications it made.
    made: i64,
    /// When it looked; `null` where it made some.
    #[schema(format = DateTime, required = true)]
    at: Option<String>,
    /// What came of it, in words.
    text: String,
}

/// What a trace is asked for by.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read")]
pub(crate) struct EventParameters {
    /// The user.
    user_id: String,
    /// The id of an event of the hub, or of a notification.
    event: String,
}
