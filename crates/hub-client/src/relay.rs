//! The event relay: from a service's own table to the hub, at least once, in order per aggregate, for as long as it takes.
//!
//! A service writes each event with [`enqueue`] in the transaction that makes the change: both happen or neither.
//! [`Relay::run`] reads the rows in the order of their commits and posts them in batches, each with its event id as
//! idempotency key. A row is deleted after the hub's 200. While the hub is away nothing is lost and nothing is sent twice
//! by us; the hub recognises what it took without our hearing of it.
//!
//! - **Order.** Positions are given in the order of commits ([`store::counter`]), and one batch is under way at a time.
//! - **A row that the hub calls invalid** (4xx) is parked with the reason, counted, and stops no other. Refusals of the
//!   whole call (a wrong key, a wrong address) park nothing: the relay waits for whoever mends the settings.
//! - **Two instances.** A lease of [`LEASE`] in the same database; who does not hold it waits. It is renewed with
//!   every batch, given back at a stop, and runs out where its holder died. If both should ever send, the hub
//!   recognises the keys.
//! - **Bounds.** At most [`BATCH_ROWS`] rows and [`BATCH_BYTES`] bytes are in memory, however many wait in the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};
use sqlx::AssertSqlSafe;
use store::{Migration, Store, Transaction, counter, counters, now_micros};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::client::HubClient;
use crate::message::Message;

mod lease;
mod run;

/// Rows of a batch: half of what the hub takes at once, so that a batch is some ten milliseconds of the hub's time.
pub const BATCH_ROWS: i64 = 500;

/// Bytes of a batch: three quarters of the hub's `MAX_BODY`.
pub const BATCH_BYTES: usize = 768 * 1024;

/// How long an instance that says nothing keeps the others waiting. Longer than a call to the hub may take.
pub const LEASE: Duration = Duration::from_secs(4);

/// How often the table is looked at where nobody says that there is something: for rows of another instance.
pub const POLL: Duration = Duration::from_millis(200);

/// The tables of the relay.
pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 20,
    name: "event relay",
    sql: "CREATE TABLE event_relay (
              position BIGINT PRIMARY KEY,
              event_id TEXT NOT NULL UNIQUE,
              aggregate TEXT NOT NULL,
              body TEXT NOT NULL,
              created_at BIGINT NOT NULL,
              parked_at BIGINT,
              reason TEXT
          );
          CREATE INDEX event_relay_waiting ON event_relay (position) WHERE parked_at IS NULL;
          CREATE INDEX event_relay_parked ON event_relay (parked_at) WHERE parked_at IS NOT NULL;
          CREATE TABLE relay_lease (
              name TEXT PRIMARY KEY,
              owner TEXT NOT NULL,
              until BIGINT NOT NULL
          );",
}];

/// Writes an event's row in the transaction that makes the change; returns the event's id, a UUID of version 7.
///
/// `aggregate` names what the event is about (`job:7`); events of one aggregate are sent in the order of their rows.
/// From here to its end the transaction holds the relay's counter, so it comes last in a transaction. After the commit,
/// [`RelayHandle::wake`] spares the event the wait for the next look.
///
/// # Errors
/// What the database says.
pub async fn enqueue(
    transaction: &mut Transaction,
    aggregate: &str,
    message: &Message,
) -> sqlx::Result<Uuid> {
    let id = Uuid::now_v7();
    let body = serde_json::to_string(message).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let position = counter(transaction, "event_relay").await?;
    sqlx::query(
        "INSERT INTO event_relay (position, event_id, aggregate, body, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(position)
    .bind(id.to_string())
    .bind(aggregate)
    .bind(body)
    .bind(now_micros())
    .execute(&mut **transaction)
    .await?;
    Ok(id)
}

/// An event as [`enqueue_many`] takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id, new and of version 7: the idempotency key by which the hub knows it.
    pub id: Uuid,
    /// What it is about, as of [`enqueue`].
    pub aggregate: String,
    /// The body of `POST /broadcast`: the text of a JSON object with at least one member and nothing in front.
    pub body: String,
}

/// Rows that one statement writes: far below the parameters that SQLite (32,766) and Postgres (65,535) take.
const ENTRIES_AT_ONCE: usize = 500;

/// Writes the rows of many events, in their order, with two statements for every 500 of them. What holds of [`enqueue`]
/// holds of each.
///
/// # Errors
/// What the database says.
pub async fn enqueue_many(transaction: &mut Transaction, entries: &[Entry]) -> sqlx::Result<()> {
    let now = now_micros();
    for entries in entries.chunks(ENTRIES_AT_ONCE) {
        let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        let last = counters(transaction, "event_relay", count).await?;
        let mut sql =
            "INSERT INTO event_relay (position, event_id, aggregate, body, created_at) VALUES".to_owned();
        for n in 0..entries.len() {
            let (comma, first) = (if n > 0 { "," } else { "" }, n * 5 + 1);
            let [second, third, fourth, fifth] = [first + 1, first + 2, first + 3, first + 4];
            sql.push_str(&format!("{comma} (${first}, ${second}, ${third}, ${fourth}, ${fifth})"));
        }
        // Only what comes often in the same length is worth a place among the prepared statements.
        let is_common = matches!(entries.len(), 1 | 2 | ENTRIES_AT_ONCE);
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(is_common);
        for (position, entry) in (last - count + 1..).zip(entries) {
            query = query
                .bind(position)
                .bind(entry.id.to_string())
                .bind(&entry.aggregate)
                .bind(&entry.body)
                .bind(now);
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

/// What waits in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Rows that are to be sent. For a moment too many where a row was parked and is sent again.
    pub waiting: i64,
    /// How long the oldest of them has waited.
    pub oldest: Duration,
    /// Rows that the hub called invalid.
    pub parked: i64,
}

impl Backlog {
    /// Reads it, in a time that does not depend on how many rows wait.
    ///
    /// # Errors
    /// What the database says.
    pub async fn read(store: &Store) -> sqlx::Result<Self> {
        let first: Option<(i64, i64)> = sqlx::query_as(
            "SELECT position, created_at FROM event_relay WHERE parked_at IS NULL ORDER BY position LIMIT 1",
        )
        .fetch_optional(store.reader())
        .await?;
        let (last, parked): (i64, i64) = sqlx::query_as(
            "SELECT COALESCE((SELECT MAX(position) FROM event_relay), 0),
                    (SELECT COUNT(*) FROM event_relay WHERE parked_at IS NOT NULL)",
        )
        .fetch_one(store.reader())
        .await?;
        let Some((first, created_at)) = first else {
            return Ok(Self { waiting: 0, oldest: Duration::ZERO, parked });
        };
        let parked_behind: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM event_relay WHERE parked_at IS NOT NULL AND position > $1",
        )
        .bind(first)
        .fetch_one(store.reader())
        .await?;
        // Positions have no gaps, and rows go from the front: nothing has to be counted but the few that are parked.
        let waiting = (last - first + 1 - parked_behind).max(1);
        let age = now_micros().saturating_sub(created_at).max(0);
        Ok(Self { waiting, oldest: Duration::from_micros(age.unsigned_abs()), parked })
    }
}

/// What a relay counts.
#[derive(Debug, Clone)]
pub struct RelayMetrics {
    /// Events that the hub took.
    pub sent: IntCounter,
    /// Rows parked because the hub called them invalid.
    pub parked: IntCounter,
    /// Batches that did not get through and are tried again.
    pub failures: IntCounter,
    /// Rows that wait, as last looked at.
    pub backlog: IntGauge,
    /// Age of the oldest row that waits, in seconds, as last looked at.
    pub oldest_seconds: IntGauge,
    /// Time from a row's commit to the hub's 200.
    pub delay_seconds: Histogram,
}

/// Buckets of the delay: what a healthy relay takes (milliseconds) up to outages.
const DELAY_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0, 3600.0];

impl RelayMetrics {
    /// Registers `fanfare_relay_sent_total`, `_parked_total`, `_failures_total`, `_backlog`, `_oldest_seconds` and
    /// `_delay_seconds`.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let sent = IntCounter::new("fanfare_relay_sent_total", "Events that the hub took")?;
        let parked = IntCounter::new("fanfare_relay_parked_total", "Events that the hub called invalid")?;
        let failures = IntCounter::new("fanfare_relay_failures_total", "Batches to be tried again")?;
        let backlog = IntGauge::new("fanfare_relay_backlog", "Events that wait for the hub")?;
        let oldest_seconds =
            IntGauge::new("fanfare_relay_oldest_seconds", "Age of the oldest event that waits")?;
        let delay_seconds = Histogram::with_opts(
            HistogramOpts::new("fanfare_relay_delay_seconds", "From an event's commit to the hub's answer")
                .buckets(DELAY_SECONDS.to_vec()),
        )?;
        for collector in [&sent, &parked, &failures] {
            registry.register(Box::new(collector.clone()))?;
        }
        registry.register(Box::new(backlog.clone()))?;
        registry.register(Box::new(oldest_seconds.clone()))?;
        registry.register(Box::new(delay_seconds.clone()))?;
        Ok(Self { sent, parked, failures, backlog, oldest_seconds, delay_seconds })
    }
}

/// Tells a relay that there is something to send, and tells how it fares. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RelayHandle(Arc<Shared>);

/// What a relay and its handles share.
#[derive(Debug, Default)]
struct Shared {
    wake: Notify,
    failing: AtomicBool,
}

impl RelayHandle {
    /// To be called after a commit that wrote an event.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Whether the last batch got through to the hub; true as well where this instance has sent none.
    #[must_use]
    pub fn gets_through(&self) -> bool {
        !self.0.failing.load(Ordering::Relaxed)
    }
}

/// Carries a service's events to the hub. One for each process; [`Relay::run`] is its only task.
#[derive(Debug)]
pub struct Relay {
    store: Store,
    client: HubClient,
    metrics: RelayMetrics,
    handle: RelayHandle,
    /// This instance's name in the lease.
    owner: String,
}

impl Relay {
    /// A relay from this database to that hub.
    #[must_use]
    pub fn new(store: Store, client: HubClient, metrics: RelayMetrics) -> Self {
        let owner = Uuid::new_v4().to_string();
        Self { store, client, metrics, handle: RelayHandle::default(), owner }
    }

    /// For those who write events.
    #[must_use]
    pub fn handle(&self) -> RelayHandle {
        self.handle.clone()
    }
}
