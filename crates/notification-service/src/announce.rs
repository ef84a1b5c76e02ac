//! The events of the inbox as the hub is told them. Each is written in the transaction of its change and sent by the
//! relay; each goes to its user alone, with what is unread from then on.

use events::AnyUserId;
use hub_client::relay::Entry;
use rest::{Failure, instant};
use serde::Serialize;
use service_kit::problem::Problem;
use uuid::Uuid;

use crate::notification::{Shown, Stored};

/// What `POST /broadcast` takes, as far as the inbox needs it.
#[derive(Serialize)]
struct Publication<'a, D> {
    #[serde(rename = "type")]
    event_type: &'static str,
    data: D,
    user_ids: [&'a AnyUserId; 1],
    publication_id: Uuid,
    timestamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    notification: Shown<'a>,
    unread_count: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sound: Option<bool>,
    timestamp: &'a str,
}

#[derive(Serialize)]
struct Marked<'a> {
    id: i64,
    notification_id: i64,
    unread_count: i64,
    timestamp: &'a str,
}

#[derive(Serialize)]
struct AllRead<'a> {
    id: Option<i64>,
    notification_id: Option<i64>,
    all: bool,
    up_to: i64,
    unread_count: i64,
    timestamp: &'a str,
}

/// What happened to one notification that its user's devices know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It was read.
    Read,
    /// It is unread again.
    Unread,
    /// It was deleted, or is over its time.
    Deleted,
}

/// `notification`: it was stored. Its publication has the id that stands in its row.
pub(crate) fn created(stored: &Stored, unread_count: i64, sound: bool, now: i64) -> Result<Entry, Failure> {
    let timestamp = &instant::show(now);
    let whole = Whole { notification: stored.shown(), unread_count, sound: Some(sound), timestamp };
    entry("notification", stored.event_id, &stored.user, whole, timestamp)
}

/// `notification_restored`: its user brought it back.
pub(crate) fn restored(stored: &Stored, unread_count: i64, now: i64) -> Result<Entry, Failure> {
    let timestamp = &instant::show(now);
    let whole = Whole { notification: stored.shown(), unread_count, sound: None, timestamp };
    entry("notification_restored", Uuid::now_v7(), &stored.user, whole, timestamp)
}

/// `notification_read`, `notification_unread`, `notification_deleted`.
pub(crate) fn marked(
    mark: Mark,
    user: &AnyUserId,
    id: i64,
    unread_count: i64,
    now: i64,
) -> Result<Entry, Failure> {
    let event_type = match mark {
        Mark::Read => "notification_read",
        Mark::Unread => "notification_unread",
        Mark::Deleted => "notification_deleted",
    };
    let timestamp = &instant::show(now);
    let data = Marked { id, notification_id: id, unread_count, timestamp };
    entry(event_type, Uuid::now_v7(), user, data, timestamp)
}

/// `notification_read` of all up to one.
pub(crate) fn all_read(user: &AnyUserId, up_to: i64, unread_count: i64, now: i64) -> Result<Entry, Failure> {
    let timestamp = &instant::show(now);
    let data = AllRead { id: None, notification_id: None, all: true, up_to, unread_count, timestamp };
    entry("notification_read", Uuid::now_v7(), user, data, timestamp)
}

fn entry(
    event_type: &'static str,
    publication_id: Uuid,
    user: &AnyUserId,
    data: impl Serialize,
    timestamp: &str,
) -> Result<Entry, Failure> {
    let publication = Publication {
        event_type,
        data,
        user_ids: [user],
        publication_id,
        timestamp,
        traceparent: rest::trace::current(),
    };
    let body = serde_json::to_string(&publication)
        .map_err(|error| Failure(Problem::internal(format!("{event_type} as JSON: {error}"))))?;
    Ok(Entry { id: publication_id, aggregate: format!("inbox:{}", user.text()), body })
}
