//! Whether the books balance: what must be true of the tables at every moment, asked of the tables themselves.
//!
//! The question reads every entry, so it is not asked for each `/health`: a task asks it now and then, and never for
//! more than a twentieth of the time; `/health` and the metric tell the last answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use service_kit::shutdown::Token;
use sqlx::{Any, Executor};
use store::Store;

use crate::metrics::Metrics;

/// How often the question is asked, while the answer comes quickly.
pub const CHECK_EVERY: Duration = Duration::from_secs(5);

/// The question rests so many times as long as it took.
const REST: u32 = 20;

/// What is wrong with the books, each in cents or as a number of rows; all 0 when nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Deviations {
    /// The sum of all balances.
    pub(crate) total: i64,
    /// What payments say is held, without what is on the accounts for it.
    pub(crate) held: i64,
    /// Accounts of users below 0.
    pub(crate) negative_accounts: i64,
    /// Accounts whose balance is not the sum of their entries.
    pub(crate) wrong_accounts: i64,
    /// Transfers whose entries don't add up to 0, or that have none.
    pub(crate) wrong_transfers: i64,
}

impl Deviations {
    /// Looks for them. One statement, so that all of it is of one moment on either database.
    pub(crate) async fn find<'e>(database: impl Executor<'e, Database = Any>) -> sqlx::Result<Self> {
        let (total, held, negative_accounts, wrong_accounts, wrong_transfers) = sqlx::query_as(
            "SELECT
                 (SELECT CAST(COALESCE(SUM(balance), 0) AS BIGINT) FROM accounts),
                 (SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM payments WHERE status = 'held')
                     - (SELECT CAST(COALESCE(SUM(balance), 0) AS BIGINT) FROM accounts WHERE kind = 'held'),
                 (SELECT COUNT(*) FROM accounts WHERE kind <> 'provider' AND balance < 0),
                 (SELECT COUNT(*) FROM accounts LEFT JOIN
                      (SELECT account_id, SUM(amount) AS amount FROM entries GROUP BY account_id) AS booked
                      ON booked.account_id = accounts.account_id
                  WHERE accounts.balance <> COALESCE(booked.amount, 0)),
                 (SELECT COUNT(*) FROM transfers LEFT JOIN
                      (SELECT transfer_id, SUM(amount) AS amount FROM entries GROUP BY transfer_id) AS booked
                      ON booked.transfer_id = transfers.transfer_id
                  WHERE COALESCE(booked.amount, 1) <> 0)",
        )
        .fetch_one(database)
        .await?;
        Ok(Self { total, held, negative_accounts, wrong_accounts, wrong_transfers })
    }

    /// Whether there are none.
    pub(crate) fn are_none(self) -> bool {
        self == Self::default()
    }
}

/// The last answer. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    store: Store,
    metrics: Metrics,
    balanced: Arc<AtomicBool>,
}

impl Books {
    /// Asks for the first time.
    pub(crate) async fn open(store: Store, metrics: Metrics) -> sqlx::Result<Self> {
        let books = Self { store, metrics, balanced: Arc::new(AtomicBool::new(true)) };
        books.check().await?;
        Ok(books)
    }

    /// Whether they balanced when last asked.
    pub(crate) fn balance(&self) -> bool {
        self.balanced.load(Ordering::Relaxed)
    }

    async fn check(&self) -> sqlx::Result<()> {
        let deviations = Deviations::find(self.store.reader()).await?;
        let balanced = deviations.are_none();
        if self.balanced.swap(balanced, Ordering::Relaxed) != balanced {
            if balanced {
                tracing::info!("the books balance again");
            } else {
                tracing::error!(?deviations, "the books do not balance");
            }
        }
        self.metrics.balanced.set(i64::from(balanced));
        Ok(())
    }

    /// Asks again and again, `every` so often, until `shutdown` begins. While the database is away the last answer
    /// stands; that it is away is told beside it.
    pub(crate) async fn run(&self, every: Duration, mut shutdown: Token) {
        let mut wait = every;
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(wait) => {}
            }
            let asked = Instant::now();
            if let Err(error) = self.check().await {
                tracing::warn!(%error, "the books could not be looked at");
            }
            wait = every.max(asked.elapsed() * REST);
        }
    }
}
