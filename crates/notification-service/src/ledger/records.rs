//! `POST /hooks/deliveries`: what the hub tells of events that it sent, connection by connection (contract: socketio, delivery
//! hooks). For the hub alone, by the service key.
//!
//! The body is an array of `{id, user_id, connection_id, state, at}`. The hub repeats a batch until it hears a 200, so records
//! may come twice and in any order: the first time that a connection reached a state is kept. A record that can't be read, that
//! is of no notification, or of another user than the notification's, is counted and left out, since a refusal would only bring
//! the batch again.

use std::collections::{BTreeMap, HashMap};

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use events::AnyUserId;
use rest::{Failure, body, instant};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::table::{self, Delivery};
use crate::NotificationService;
use crate::desk::Desk;

/// The most records of a batch: twice what the hub sends (contract: batches of at most 500).
const MOST_RECORDS: usize = 1000;

/// The most bytes of a connection's id; the hub's are UUIDs.
const MOST_CONNECTION: usize = 64;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// It is kept, or was before.
    Stored,
    /// It is of no notification, or of another user than the notification's.
    Foreign,
    /// It can't be read.
    Invalid,
}

impl Record {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Foreign => "foreign",
            Self::Invalid => "invalid",
        }
    }
}

/// A record as the hub writes it.
#[derive(Debug, Deserialize)]
struct Written<'r> {
    id: Uuid,
    user_id: Option<AnyUserId>,
    connection_id: String,
    state: String,
    #[serde(borrow)]
    at: &'r RawValue,
}

/// How far an event has come on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sent,
    Delivered,
    Shown,
}

/// Takes delivery records. For the hub.
#[utoipa::path(post, path = "/hooks/deliveries", tag = "hub", security(("service_key" = [])),
    request_body = Vec<super::openapi::DeliveryRecord>,
    responses((status = 200, description = "The batch was taken; what can't be used of it is counted as ignored", body = super::openapi::Taken),
        crate::openapi::BodyRefused, crate::openapi::CallerRefused, crate::openapi::Away))]
pub(crate) async fn take(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    service.callers.service(&request).await?;
    let body = body::json(&request, payload).await?;
    let malformed = |error: serde_json::Error| {
        Failure::new(StatusCode::BAD_REQUEST, "malformed_json", format!("the body is not JSON: {error}"))
    };
    let whole: &RawValue = serde_json::from_slice(&body).map_err(malformed)?;
    let invalid = |detail: String| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail);
    let records: Vec<&RawValue> =
        serde_json::from_str(whole.get()).map_err(|_| invalid("the body is no JSON array".to_owned()))?;
    if records.len() > MOST_RECORDS {
        return Err(invalid(format!("a batch has at most {MOST_RECORDS} records")));
    }
    let (rows, unread) = read(&records);
    let stored = keep(&service.desk, rows).await?;
    let foreign = records.len() - unread - stored;
    let metrics = &service.desk.ledger;
    metrics.count(Record::Stored, stored);
    metrics.count(Record::Foreign, foreign);
    metrics.count(Record::Invalid, unread);
    Ok(HttpResponse::Ok().json(json!({"stored": stored, "ignored": foreign + unread})))
}

/// What is read: one row for each event and connection, beside how many records it is made of; and how many can't be read.
type Rows = BTreeMap<(Uuid, String), (Delivery, usize)>;

fn read(records: &[&RawValue]) -> (Rows, usize) {
    let (mut rows, mut invalid) = (Rows::new(), 0);
    for raw in records {
        let Some((id, user_key, connection, state, at)) = one(raw) else {
            invalid += 1;
            continue;
        };
        let (row, count) = rows.entry((id, connection.clone())).or_insert_with(|| {
            (Delivery { event_id: id, user_key, connection_id: connection, ..Delivery::default() }, 0)
        });
        let place = match state {
            State::Sent => &mut row.sent_at,
            State::Delivered => &mut row.delivered_at,
            State::Shown => &mut row.shown_at,
        };
        *place = Some(place.map_or(at, |before| before.min(at)));
        *count += 1;
    }
    (rows, invalid)
}

/// One record: event, user, connection, state, time. An anonymous connection has no notifications.
fn one(raw: &RawValue) -> Option<(Uuid, String, String, State, i64)> {
    let written: Written<'_> = serde_json::from_str(raw.get()).ok()?;
    let state = match written.state.as_str() {
        "sent" => State::Sent,
        "delivered" => State::Delivered,
        "shown" => State::Shown,
        _ => return None,
    };
    let at = instant::read(written.at.get()).ok()?;
    let is_connection = |text: &str| (1..=MOST_CONNECTION).contains(&text.len()) && !text.contains('\0');
    let connection = Some(written.connection_id).filter(|text| is_connection(text))?;
    let user_key = written.user_id.map(|user| user.text().into_owned()).unwrap_or_default();
    Some((written.id, user_key, connection, state, at))
}

/// Stores what is of notifications and their users; tells how many records that were.
async fn keep(desk: &Desk, rows: Rows) -> Result<usize, Failure> {
    if rows.is_empty() {
        return Ok(0);
    }
    let mut ids: Vec<Uuid> = rows.keys().map(|(id, _)| *id).collect();
    ids.dedup();
    // A notification is committed before the hub hears of it.
    let owners: HashMap<Uuid, String> = table::owners(&desk.store, &ids).await?;
    let mut count = 0;
    let mut deliveries = Vec::with_capacity(rows.len());
    for (delivery, records) in rows.into_values() {
        if owners.get(&delivery.event_id) == Some(&delivery.user_key) {
            count += records;
            deliveries.push(delivery);
        }
    }
    if !deliveries.is_empty() {
        let mut transaction = desk.store.begin().await?;
        table::keep(&mut transaction, &deliveries).await?;
        transaction.commit().await?;
    }
    Ok(count)
}
