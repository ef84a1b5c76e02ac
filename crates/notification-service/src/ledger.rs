//! The ledger: what became of each notification, step by step, and why somebody did not get one.
//!
//! | module | what it is |
//! |---|---|
//! | `records` | what the hub tells of the connections that it sent events to |
//! | `trace` | a notification's steps in order of time, from the inbox, the hub and push |
//! | `verdict` | the same in one sentence |
//! | `step` | a step |
//! | `table` | the rows |
//! | `openapi` | the paths as a document |
//!
//! Not here: what push did and did not do, which `push::trace` tells; which rules looked at an event (`rules::table`).

use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use prometheus::{IntCounterVec, Opts, Registry};
use rest::metrics::resource;
use service_kit::shutdown::Token;
use store::Transaction;
use uuid::Uuid;

use crate::desk::Desk;
use crate::rules;

mod openapi;
mod records;
mod step;
mod table;
mod trace;
mod verdict;

pub(crate) use openapi::Description;
pub(crate) use step::{Kind, Step};
pub(crate) use table::{MIGRATIONS, first_id};

/// How often rows that are too old are looked for, by the desk's clock in microseconds.
const PRUNE_EVERY: i64 = 600 * 1_000_000;

/// How often that clock is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What the ledger needs at the desk. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    records: IntCounterVec,
}

impl Ledger {
    /// Makes it ready; nothing runs yet.
    ///
    /// # Errors
    /// The registry has its metrics already.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let records = IntCounterVec::new(
            Opts::new(
                "fanfare_notification_deliveries_total",
                "Delivery records of the hub, by what became of them",
            ),
            &["outcome"],
        )?;
        registry.register(Box::new(records.clone()))?;
        Ok(Self { records })
    }

    fn count(&self, record: records::Record, count: usize) {
        if count > 0 {
            self.records.with_label_values(&[record.as_str()]).inc_by(count as u64);
        }
    }
}

/// Whether one of the user's connections has had the event: delivered or shown.
///
/// # Errors
/// What the database says.
pub(crate) async fn delivered(
    transaction: &mut Transaction,
    event_id: Uuid,
    user_key: &str,
) -> sqlx::Result<bool> {
    table::delivered(transaction, event_id, user_key).await
}

/// Adds the traces to the scope `/api/notifications`: `/trace` and `/{id}/trace`.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/trace", "GET").route(web::get().to(trace::of_event)))
        .service(resource("/{id}/trace", "GET").route(web::get().to(trace::of_notification)));
}

/// Adds its path to the scope `/hooks/deliveries`.
pub(crate) fn configure_hook(config: &mut ServiceConfig) {
    config.service(resource("", "POST").route(web::post().to(records::take)));
}

/// Removes what is older than notifications are kept, until `shutdown` begins. Several instances may.
pub(crate) async fn run(desk: &Desk, mut shutdown: Token) {
    let mut pruned_at = i64::MIN;
    loop {
        let now = desk.clock.now();
        if now.saturating_sub(pruned_at) >= PRUNE_EVERY {
            pruned_at = now;
            if let Err(error) = prune(desk, now, &shutdown).await {
                tracing::warn!(%error, "old rows of the ledger could not be removed; they are tried again");
            }
        }
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// A bit at a time, so that calls get between.
async fn prune(desk: &Desk, now: i64, shutdown: &Token) -> sqlx::Result<()> {
    let before = now.saturating_sub(desk.limits.retention);
    while !shutdown.is_begun() && table::prune(&desk.store, before).await? {
        tokio::task::yield_now().await;
    }
    while !shutdown.is_begun() && rules::prune(&desk.store, now, desk.limits.retention).await? {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
