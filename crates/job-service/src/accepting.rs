//! Accepting a job: one worker wins, whether or not the payment service is there. It is told who the worker is behind
//! the commit: at once where that is quick, by the background until it works otherwise.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use events::JobStatus;
use rest::Failure;
use rest::idempotency::Fresh;
use store::now_micros;

use crate::announce::{self, Happened};
use crate::desk::{Desk, LOOK, WAIT, no_such_job, text, undecided, wrong_state};
use crate::job::{Entry, Job, Present};
use crate::payment::Told;
use crate::table;

/// How long the winner waits for the payment service to hear of it.
const TELL: Duration = Duration::from_millis(500);

impl Desk {
    /// Accepts a job for a worker.
    ///
    /// # Errors
    /// 404, 409 `wrong_state`, and 503 where the end of another's step does not come.
    pub(crate) async fn accept(&self, job_id: i64, worker_id: i64, fresh: Fresh) -> Result<Job, Failure> {
        let end = Instant::now() + WAIT;
        let entry = loop {
            let entry = table::find(&self.store, job_id).await?.ok_or_else(no_such_job)?;
            match entry.present(now_micros()) {
                Present::State(JobStatus::Open) => {
                    if let Some(entry) = self.take(job_id, worker_id, &fresh).await? {
                        break entry;
                    }
                    // Somebody was faster, or the deadline has just passed: the next look tells.
                }
                Present::State(state) => return Err(wrong_state(state)),
                Present::Undecided => tokio::time::sleep(LOOK).await,
            }
            if Instant::now() >= end {
                return Err(undecided(job_id));
            }
        };
        self.tell_at_once(&entry).await;
        Ok(entry.job)
    }

    async fn take(&self, job_id: i64, worker_id: i64, fresh: &Fresh) -> Result<Option<Entry>, Failure> {
        let mut transaction = self.store.begin().await?;
        let accepted = table::accept(&mut transaction, job_id, worker_id, now_micros()).await?;
        let Some(entry) = accepted else { return Ok(None) };
        fresh.keep(&mut transaction, StatusCode::OK, &text(&entry.job)?).await?;
        announce::write(&mut transaction, &entry.job, Happened::Accepted).await?;
        transaction.commit().await?;
        self.relay.wake();
        self.metrics.happened(Happened::Accepted);
        Ok(Some(entry))
    }

    async fn tell_at_once(&self, entry: &Entry) {
        let told = tokio::time::timeout(TELL, self.tell(entry)).await;
        if !matches!(told, Ok(Ok(true))) {
            self.untold.notify_one();
        }
    }

    /// Tells the payment who the worker is; whether that is done with.
    pub(crate) async fn tell(&self, entry: &Entry) -> sqlx::Result<bool> {
        let (job_id, worker_id) = (entry.job.job_id, entry.job.worker_id);
        let (Some(worker_id), Some(payment_id)) = (worker_id, entry.payment_id) else { return Ok(true) };
        match self.payments.tell_worker(job_id, payment_id, worker_id).await {
            Told::Later => return Ok(false),
            Told::Yes => {}
            // The release and the refund name the worker as well, so nothing is lost by giving up.
            Told::Refused => tracing::error!(job_id, "the payment service does not take the worker of a job"),
        }
        let mut transaction = self.store.begin().await?;
        table::told(&mut transaction, job_id, worker_id).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
