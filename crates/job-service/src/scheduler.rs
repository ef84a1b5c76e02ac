//! What happens to jobs by itself: those past their deadline are refunded, steps that were left are brought to their
//! end, and payments are told of workers that they don't know.
//!
//! Every instance of the service may run it: a job is claimed by its row before anything is done to it.

use std::time::Duration;

use rest::trace::{self, Trace};
use service_kit::shutdown::Token;
use store::now_micros;
use tokio::task::JoinSet;

use crate::desk::{Desk, after};
use crate::recovery::Resolved;
use crate::table;

/// How often the table is looked at; a deadline that is known wakes it besides. A tenth of what an expired job's refund
/// may take (contract: 5 s).
const POLL: Duration = Duration::from_millis(500);

/// Jobs that are worked on at once: enough to keep the payment service busy, few enough to be done within a lease.
const BATCH: i64 = 32;

/// When a step that could not be brought to its end is taken up again.
const AGAIN: Duration = Duration::from_millis(500);

/// Why a job is taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Its deadline has passed.
    Due,
    /// Nobody works on its step any more.
    Abandoned,
}

/// What came of a look at the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There may be more.
    More,
    /// What there was is done, or has to wait.
    Done,
}

/// Expires jobs and recovers steps until `stop` begins; what is under way then is brought to its end.
pub(crate) async fn run(desk: Desk, mut stop: Token) {
    let mut quiet = true;
    while !stop.is_begun() {
        let wait = match desk.turn().await {
            Ok(Turn::More) => Duration::ZERO,
            Ok(Turn::Done) => desk.until_next_deadline().await.min(POLL),
            Err(error) => {
                if quiet {
                    tracing::warn!(%error, "expired jobs wait for the database");
                }
                quiet = false;
                tokio::select! {
                    () = stop.begun() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
                continue;
            }
        };
        quiet = true;
        tokio::select! {
            () = stop.begun() => {}
            () = desk.left.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Tells payments of their workers until `stop` begins.
pub(crate) async fn tell(desk: Desk, mut stop: Token) {
    while !stop.is_begun() {
        if let Err(error) = desk.tell_all(&stop).await {
            tracing::debug!(%error, "workers wait for the database");
        }
        tokio::select! {
            () = stop.begun() => {}
            () = desk.untold.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

impl Desk {
    async fn turn(&self) -> sqlx::Result<Turn> {
        let now = now_micros();
        let due = table::due(&self.store, now, BATCH).await?;
        let abandoned = table::abandoned(&self.store, now, BATCH).await?;
        if due.is_empty() && abandoned.is_empty() {
            return Ok(Turn::Done);
        }
        let until = after(now, self.short_lease);
        let mut claimed = Vec::with_capacity(due.len() + abandoned.len());
        let mut transaction = self.store.begin().await?;
        // In the order of their numbers, in which every instance locks them.
        let due = due.into_iter().map(|job_id| (job_id, Found::Due));
        let mut all: Vec<_> =
            due.chain(abandoned.into_iter().map(|job_id| (job_id, Found::Abandoned))).collect();
        all.sort_unstable_by_key(|(job_id, _)| *job_id);
        for (job_id, found) in all {
            claimed.extend(match found {
                Found::Due => table::begin_expiry(&mut transaction, job_id, now, until).await?,
                Found::Abandoned => table::take_over(&mut transaction, job_id, now, until).await?,
            });
        }
        transaction.commit().await?;
        let mut work = JoinSet::new();
        for entry in claimed {
            let desk = self.clone();
            work.spawn(trace::within(Trace::new(), async move { desk.resolve(entry).await }));
        }
        let mut later = Vec::new();
        while let Some(resolved) = work.join_next().await {
            match resolved {
                Ok(Resolved::Ended) => {}
                Ok(Resolved::Later(claim)) => later.push(claim),
                Err(error) => tracing::error!(%error, "a step ended early; its lease runs out"),
            }
        }
        if !later.is_empty() {
            later.sort_unstable_by_key(|claim| claim.job_id);
            let mut transaction = self.store.begin().await?;
            for claim in &later {
                table::leave(&mut transaction, *claim, after(now_micros(), AGAIN)).await?;
            }
            transaction.commit().await?;
            return Ok(Turn::Done);
        }
        Ok(Turn::More)
    }

    async fn until_next_deadline(&self) -> Duration {
        match table::next_deadline(&self.store).await {
            Ok(Some(deadline)) => Duration::from_micros((deadline - now_micros()).max(0).unsigned_abs()),
            Ok(None) | Err(_) => POLL,
        }
    }

    async fn tell_all(&self, stop: &Token) -> sqlx::Result<()> {
        loop {
            let untold = table::untold(&self.store, BATCH).await?;
            for entry in &untold {
                // One that fails says enough about the others.
                if stop.is_begun() || !trace::within(Trace::new(), self.tell(entry)).await? {
                    return Ok(());
                }
            }
            if untold.is_empty() {
                return Ok(());
            }
        }
    }
}
