//! The relay at work: lease, batch, answers, again.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use store::now_micros;

use super::{BATCH_BYTES, BATCH_ROWS, Backlog, POLL, Relay, lease};
use crate::client::{ItemAnswer, MOST_PATIENCE};
use crate::error::PublishError;

/// A lease with less left than this is renewed before a batch: a call to the hub (3 s) has to fit.
const LEASE_LEFT: i64 = 3_200_000;

/// How often waiting rows are counted for the metrics.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Batches up to this size are logged event by event; larger ones as a whole.
const LOGGED_ROWS: usize = 10;

/// A row of the table.
struct Row {
    position: i64,
    event_id: String,
    body: String,
    created_at: i64,
}

/// What came of a look at the table.
enum Turn {
    /// There was something, and the hub took it.
    Sent,
    /// There was nothing.
    Empty,
    /// Another instance holds the lease.
    Waiting,
    /// The hub took nothing, or not all.
    Failed(Failure),
}

/// Why a batch has to be tried again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Hub(#[from] PublishError),
    #[error("the database: {0}")]
    Store(#[from] sqlx::Error),
}

impl Relay {
    /// Sends until `stop` ends, then gives the lease back. Errors are logged and tried again, for ever.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let backoff = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(MOST_PATIENCE)
            .without_max_times();
        let mut delays = backoff.build();
        let mut held_until = 0;
        let mut most_rows = BATCH_ROWS;
        let mut counted: Option<Instant> = None;
        loop {
            if counted.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
                self.count().await;
                counted = Some(Instant::now());
            }
            let turn = self.turn(&mut held_until, &mut most_rows).await;
            let wait = match &turn {
                Turn::Sent => Duration::ZERO,
                Turn::Empty | Turn::Waiting => POLL,
                Turn::Failed(failure) => {
                    self.metrics.failures.inc();
                    let asked = match failure {
                        Failure::Hub(error) => error.retry_after().unwrap_or_default().min(MOST_PATIENCE),
                        Failure::Store(_) => Duration::ZERO,
                    };
                    let wait = delays.next().unwrap_or(MOST_PATIENCE).max(asked);
                    if !self.handle.0.failing.swap(true, Ordering::Relaxed) {
                        tracing::warn!(error = %failure, "events wait: the relay tries again until it gets through");
                    }
                    wait
                }
            };
            if matches!(turn, Turn::Failed(_)) {
                tokio::select! {
                    () = &mut stop => break,
                    () = tokio::time::sleep(wait) => {}
                }
                continue;
            }
            // Nothing to send says nothing about the hub.
            if matches!(turn, Turn::Sent) && self.handle.0.failing.swap(false, Ordering::Relaxed) {
                tracing::info!("the relay gets through again");
            }
            delays = backoff.build();
            if wait.is_zero() {
                // Between two batches the process may be told to stop.
                tokio::select! {
                    biased;
                    () = &mut stop => break,
                    () = std::future::ready(()) => continue,
                }
            }
            tokio::select! {
                () = &mut stop => break,
                () = self.handle.0.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        if let Err(error) = lease::give_back(&self.store, &self.owner).await {
            tracing::debug!(%error, "the relay's lease could not be given back; it runs out by itself");
        }
    }

    async fn count(&self) {
        if let Ok(backlog) = Backlog::read(&self.store).await {
            self.metrics.backlog.set(backlog.waiting);
            self.metrics.oldest_seconds.set(i64::try_from(backlog.oldest.as_secs()).unwrap_or(i64::MAX));
        }
    }

    async fn turn(&self, held_until: &mut i64, most_rows: &mut i64) -> Turn {
        match self.try_turn(held_until, most_rows).await {
            Ok(turn) => turn,
            Err(failure) => Turn::Failed(failure),
        }
    }

    async fn try_turn(&self, held_until: &mut i64, most_rows: &mut i64) -> Result<Turn, Failure> {
        let rows = self.rows(*most_rows).await?;
        if rows.is_empty() {
            return Ok(Turn::Empty);
        }
        if *held_until - now_micros() < LEASE_LEFT {
            let mut transaction = self.store.begin().await?;
            let held = lease::take(&mut transaction, &self.owner).await?;
            transaction.commit().await?;
            let Some(until) = held else { return Ok(Turn::Waiting) };
            if std::mem::replace(held_until, until) < now_micros() {
                // The rows were read without the lease: its last holder may have sent them since.
                return Ok(Turn::Sent);
            }
        }
        let answers = match self.client.publish_batch(batch(&rows), rows.len()).await {
            Ok(answers) => answers,
            // Something in the batch makes the hub refuse all of it: find out what, in smaller ones.
            Err(error @ PublishError::Refused { status: 400 | 413 | 422, .. }) => {
                if rows.len() > 1 {
                    *most_rows = (*most_rows / 2).min(i64::try_from(rows.len()).unwrap_or(1)).max(1);
                    return Ok(Turn::Sent);
                }
                vec![ItemAnswer::Failed(error)]
            }
            Err(error) => return Err(error.into()),
        };
        *most_rows = (*most_rows * 2).min(BATCH_ROWS);
        self.settle(&rows, answers, held_until).await
    }

    async fn rows(&self, most: i64) -> sqlx::Result<Vec<Row>> {
        let found: Vec<(i64, String, String, i64)> = sqlx::query_as(
            "SELECT position, event_id, body, created_at FROM event_relay
             WHERE parked_at IS NULL ORDER BY position LIMIT $1",
        )
        .bind(most)
        .fetch_all(self.store.reader())
        .await?;
        let mut bytes = 0;
        let rows = found.into_iter().enumerate().take_while(|(n, (_, _, body, _))| {
            bytes += body.len() + 64;
            *n == 0 || bytes <= BATCH_BYTES
        });
        let rows = rows.map(|(_, (position, event_id, body, created_at))| Row {
            position,
            event_id,
            body,
            created_at,
        });
        Ok(rows.collect())
    }

    /// Deletes what the hub took, parks what it calls invalid, and stops at the first that is to be tried again.
    async fn settle(
        &self,
        rows: &[Row],
        answers: Vec<ItemAnswer>,
        held_until: &mut i64,
    ) -> Result<Turn, Failure> {
        let (mut done, mut sent) = (0, Vec::new());
        let mut again = None;
        let mut transaction = self.store.begin().await?;
        for (row, answer) in rows.iter().zip(answers) {
            match answer {
                ItemAnswer::Accepted(published) => sent.push((row, published)),
                ItemAnswer::Failed(error) if error.is_temporary() => {
                    again = Some(error);
                    break;
                }
                ItemAnswer::Failed(error) => {
                    let reason = error.to_string();
                    tracing::error!(
                        event_id = row.event_id,
                        reason,
                        "the hub calls an event invalid: it is parked"
                    );
                    sqlx::query("UPDATE event_relay SET parked_at = $1, reason = $2 WHERE position = $3")
                        .bind(now_micros())
                        .bind(reason)
                        .bind(row.position)
                        .execute(&mut *transaction)
                        .await?;
                    self.metrics.parked.inc();
                }
            }
            done += 1;
        }
        if let (Some(first), Some(last)) = (rows.first(), rows[..done].last()) {
            sqlx::query(
                "DELETE FROM event_relay WHERE position >= $1 AND position <= $2 AND parked_at IS NULL",
            )
            .bind(first.position)
            .bind(last.position)
            .execute(&mut *transaction)
            .await?;
        }
        let held = lease::take(&mut transaction, &self.owner).await?;
        transaction.commit().await?;
        *held_until = held.unwrap_or(0);
        let now = now_micros();
        self.metrics.sent.inc_by(sent.len() as u64);
        for (row, published) in &sent {
            #[expect(clippy::cast_precision_loss, reason = "a duration for a histogram")]
            self.metrics.delay_seconds.observe((now - row.created_at).max(0) as f64 / 1e6);
            if sent.len() <= LOGGED_ROWS {
                let (event_id, publication) = (&row.event_id, &published.id);
                let trace_id = trace_id(&row.body).unwrap_or_default();
                tracing::info!(event_id, trace_id, publication, "relayed");
            }
        }
        if sent.len() > LOGGED_ROWS {
            tracing::info!(events = sent.len(), "relayed");
        }
        match again {
            None => Ok(Turn::Sent),
            Some(error) => Err(error.into()),
        }
    }
}

/// The rows as the hub's batch: each body with its event id as idempotency key.
fn batch(rows: &[Row]) -> String {
    let bytes = rows.iter().map(|row| row.body.len() + 64).sum::<usize>();
    let mut text = String::with_capacity(bytes + 2);
    text.push('[');
    for (n, row) in rows.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        // A body is the text of an object with members, written by `enqueue`.
        text.push_str("{\"idempotency_key\":\"");
        text.push_str(&row.event_id);
        text.push_str("\",");
        text.push_str(row.body.trim_start_matches('{'));
    }
    text.push(']');
    text
}

/// The trace id in a body, without parsing all of it.
fn trace_id(body: &str) -> Option<&str> {
    let (_, rest) = body.rsplit_once("\"traceparent\":\"00-")?;
    rest.get(..32)
}
