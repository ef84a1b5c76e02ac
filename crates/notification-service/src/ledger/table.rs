//! The rows of the ledger: a row for each event and connection, with the first time of each state; and what is read of the
//! other tables to tell a notification's story.
//!
//! Events' ids are UUIDs of version 7, so the order of their texts is that of their times, and old rows are the first ones.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;
use store::{Migration, Store, Transaction};
use uuid::Uuid;

use super::step::{Kind, Step};
use crate::notification::Stored;

/// Rows of one statement: four hundred values are far from what either database takes.
const ROWS: usize = 64;

/// Connections that a trace tells of: those that got furthest first.
pub(crate) const MOST_CONNECTIONS: i64 = 50;

/// Events whose rows are deleted by one statement when they are too old.
const PRUNED: i64 = 500;

/// The ledger's own steps.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 340,
    name: "ledger",
    sql: "CREATE TABLE deliveries (
              event_id TEXT NOT NULL,
              connection_id TEXT NOT NULL,
              user_key TEXT NOT NULL,
              sent_at BIGINT,
              delivered_at BIGINT,
              shown_at BIGINT,
              PRIMARY KEY (event_id, connection_id)
          );",
}];

/// How far an event has come on a connection; times in microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Delivery {
    pub(crate) event_id: Uuid,
    pub(crate) user_key: String,
    pub(crate) connection_id: String,
    pub(crate) sent_at: Option<i64>,
    pub(crate) delivered_at: Option<i64>,
    pub(crate) shown_at: Option<i64>,
}

/// `$1, $2, …` in groups of so many.
fn places(groups: usize, of: usize) -> String {
    let group = |index: usize| {
        let names: Vec<String> = (1..=of).map(|n| format!("${}", index * of + n)).collect();
        format!("({})", names.join(", "))
    };
    (0..groups).map(group).collect::<Vec<_>>().join(", ")
}

/// Whether a statement for so many rows is worth a place among the prepared ones.
fn is_common(rows: usize) -> bool {
    matches!(rows, 1 | 2 | ROWS)
}

/// Whose these events are, as far as they are of notifications.
pub(crate) async fn owners(store: &Store, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, String>> {
    let mut owners = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(ROWS) {
        let sql = format!(
            "SELECT event_id, user_key FROM notifications WHERE event_id IN {}",
            places(1, ids.len())
        );
        let mut query = sqlx::query_as(AssertSqlSafe(sql)).persistent(is_common(ids.len()));
        for id in ids {
            query = query.bind(id.to_string());
        }
        let found: Vec<(String, String)> = query.fetch_all(store.reader()).await?;
        owners.extend(found.into_iter().filter_map(|(id, user)| Some((id.parse().ok()?, user))));
    }
    Ok(owners)
}

/// Adds to what is known. Each event and connection once.
pub(crate) async fn keep(transaction: &mut Transaction, deliveries: &[Delivery]) -> sqlx::Result<()> {
    for rows in deliveries.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO deliveries (event_id, connection_id, user_key, sent_at, delivered_at, shown_at) VALUES {}
             ON CONFLICT (event_id, connection_id) DO UPDATE SET
                 sent_at = COALESCE(deliveries.sent_at, excluded.sent_at),
                 delivered_at = COALESCE(deliveries.delivered_at, excluded.delivered_at),
                 shown_at = COALESCE(deliveries.shown_at, excluded.shown_at)",
            places(rows.len(), 6)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(is_common(rows.len()));
        for row in rows {
            query = query
                .bind(row.event_id.to_string())
                .bind(&row.connection_id)
                .bind(&row.user_key)
                .bind(row.sent_at)
                .bind(row.delivered_at)
                .bind(row.shown_at);
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

/// Whether one of the user's connections has had the event.
pub(crate) async fn delivered(
    transaction: &mut Transaction,
    event_id: Uuid,
    user_key: &str,
) -> sqlx::Result<bool> {
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT COALESCE(shown_at, delivered_at) FROM deliveries
         WHERE event_id = $1 AND user_key = $2 AND (delivered_at IS NOT NULL OR shown_at IS NOT NULL) LIMIT 1",
    )
    .bind(event_id.to_string())
    .bind(user_key)
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(found.is_some())
}

/// What is known of an event on its user's connections: at most [`MOST_CONNECTIONS`], and how many there are.
pub(crate) async fn connections(
    store: &Store,
    event_id: Uuid,
    user_key: &str,
) -> sqlx::Result<(Vec<Delivery>, i64)> {
    type Row = (String, Option<i64>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT connection_id, sent_at, delivered_at, shown_at FROM deliveries WHERE event_id = $1 AND user_key = $2
         ORDER BY CASE WHEN shown_at IS NOT NULL THEN 0 WHEN delivered_at IS NOT NULL THEN 1 ELSE 2 END,
                  COALESCE(shown_at, delivered_at, sent_at), connection_id
         LIMIT $3",
    )
    .bind(event_id.to_string())
    .bind(user_key)
    .bind(MOST_CONNECTIONS)
    .fetch_all(store.reader())
    .await?;
    let few = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let total = match few < MOST_CONNECTIONS {
        true => few,
        false => {
            sqlx::query_scalar("SELECT COUNT(*) FROM deliveries WHERE event_id = $1 AND user_key = $2")
                .bind(event_id.to_string())
                .bind(user_key)
                .fetch_one(store.reader())
                .await?
        }
    };
    let deliveries = rows.into_iter().map(|(connection_id, sent_at, delivered_at, shown_at)| Delivery {
        event_id,
        user_key: user_key.to_owned(),
        connection_id,
        sent_at,
        delivered_at,
        shown_at,
    });
    Ok((deliveries.collect(), total))
}

/// An event that the hub has not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unheard {
    created_at: i64,
    /// When the hub called it invalid, and why.
    parked: Option<(i64, String)>,
}

impl Unheard {
    /// As a step.
    pub(crate) fn step(self) -> Step {
        match self.parked {
            Some((at, reason)) => Step::new(at, Kind::Refused, format!("the hub did not take it: {reason}"))
                .with("reason", reason),
            None => Step::new(self.created_at, Kind::Waiting, "the hub has not been told of it yet"),
        }
    }
}

/// Whether a notification's event still waits for the hub.
pub(crate) async fn unheard(store: &Store, event_id: Uuid) -> sqlx::Result<Option<Unheard>> {
    let row: Option<(i64, Option<i64>, Option<String>)> =
        sqlx::query_as("SELECT created_at, parked_at, reason FROM event_relay WHERE event_id = $1")
            .bind(event_id.to_string())
            .fetch_optional(store.reader())
            .await?;
    Ok(row.map(|(created_at, parked_at, reason)| Unheard {
        created_at,
        parked: parked_at.map(|at| (at, reason.unwrap_or_default())),
    }))
}

/// The notification that an event of the hub is of.
pub(crate) async fn by_event(store: &Store, event_id: Uuid) -> sqlx::Result<Option<Stored>> {
    let id: Option<i64> = sqlx::query_scalar("SELECT id FROM notifications WHERE event_id = $1")
        .bind(event_id.to_string())
        .fetch_optional(store.reader())
        .await?;
    match id {
        Some(id) => crate::table::by_id(store.reader(), id).await,
        None => Ok(None),
    }
}

/// Whether the hub tells of deliveries at all, as far as is known.
pub(crate) async fn has_any(store: &Store) -> sqlx::Result<bool> {
    let found: Option<String> =
        sqlx::query_scalar("SELECT event_id FROM deliveries LIMIT 1").fetch_optional(store.reader()).await?;
    Ok(found.is_some())
}

/// Deletes rows of events that happened before a time, in microseconds since 1970: some of them. Whether there are more.
pub(crate) async fn prune(store: &Store, before: i64) -> sqlx::Result<bool> {
    let bound = first_id(before);
    let mut transaction = store.begin().await?;
    let last: Option<String> = sqlx::query_scalar(
        "SELECT MAX(event_id) FROM (SELECT event_id FROM deliveries WHERE event_id < $1 ORDER BY event_id LIMIT $2) AS oldest",
    )
    .bind(&bound)
    .bind(PRUNED)
    .fetch_one(&mut *transaction)
    .await?;
    let Some(last) = last else { return Ok(false) };
    sqlx::query("DELETE FROM deliveries WHERE event_id <= $1").bind(last).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}

/// The first id of version 7 that can be of this time.
pub(crate) fn first_id(micros: i64) -> String {
    let millis = u64::try_from(micros.div_euclid(1_000)).unwrap_or(0);
    let (seconds, rest) = (millis / 1_000, u32::try_from(millis % 1_000).unwrap_or(0) * 1_000_000);
    let time = uuid::Timestamp::from_unix_time(seconds, rest, 0, 0);
    let (high, _) = Uuid::new_v7(time).as_u64_pair();
    // The 48 bits of the time, the version, and nothing random.
    Uuid::from_u64_pair((high & !0xFFFF) | 0x7000, 0x8000_0000_0000_0000).to_string()
}
