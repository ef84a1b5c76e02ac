//! The desk that all work on jobs happens at: what it needs, and the ends that a step can have.
//!
//! A step of the saga is: claim the job in one transaction, call the payment service without any transaction open, and
//! end the step in another. Between the two the row says what is under way and until when its owner has it. An owner
//! that dies, or that does not learn what became of its call, leaves the row to [`crate::recovery`]. The lease only
//! spares work: a step is ended by its number, and what the fence of the payment service said once stays true, so two
//! that work on one step come to the same end, and only the first of them changes the row.
//!
//! Not here: when a step begins (`posting`, `closing`, `scheduler`).

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use events::{JobStatus, PaymentStatus, RefundReason};
use hub_client::RelayHandle;
use rest::Failure;
use service_kit::problem::Problem;
use store::{Store, now_micros};
use tokio::sync::Notify;

use crate::announce::{self, Happened};
use crate::job::{Entry, Job, Step};
use crate::metrics::{By, Metrics, Outcome};
use crate::payment::Payments;
use crate::table::{self, Claim};

/// How long a call waits for the step of another to end: longer than a lease, behind which the background ends a step
/// that was left.
pub(crate) const WAIT: Duration = Duration::from_secs(4);

/// How often it looks.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Told to callers while the payment service is away.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What work on jobs needs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) payments: Payments,
    pub(crate) relay: RelayHandle,
    pub(crate) metrics: Metrics,
    /// Tells the background that a step was left to it.
    pub(crate) left: Arc<Notify>,
    /// Tells the background that a payment does not know its worker.
    pub(crate) untold: Arc<Notify>,
    /// How long a call has a step that it began to itself.
    pub(crate) lease: Duration,
    /// How long the background has one, which calls the payment service once and comes again.
    pub(crate) short_lease: Duration,
}

/// Where the money went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// To the worker.
    Released,
    /// Back to the employer.
    Refunded(RefundReason),
}

impl Moved {
    /// Where a payment says that the money is. The ledger decides: should it ever say otherwise than the step wanted,
    /// the job follows it. None while it is held.
    pub(crate) fn of(status: PaymentStatus, entry: &Entry, step: Step) -> Option<Self> {
        match (status, step) {
            (PaymentStatus::Held, _) => None,
            (PaymentStatus::Released, _) => Some(Self::Released),
            (PaymentStatus::Refunded, Step::Refunding(reason)) => Some(Self::Refunded(reason)),
            (PaymentStatus::Refunded, _) if entry.is_due(now_micros()) => {
                Some(Self::Refunded(RefundReason::Expired))
            }
            (PaymentStatus::Refunded, _) => Some(Self::Refunded(RefundReason::Cancelled)),
        }
    }

    /// Whether that is what the step was begun for.
    fn is_end_of(self, step: Step) -> bool {
        match self {
            Self::Released => step == Step::Releasing,
            Self::Refunded(_) => matches!(step, Step::Refunding(_)),
        }
    }

    /// The state of the job then.
    pub(crate) fn status(self) -> JobStatus {
        match self {
            Self::Released => JobStatus::Completed,
            Self::Refunded(_) => JobStatus::Refunded,
        }
    }
}

impl Desk {
    /// When a lease that is taken now runs out.
    pub(crate) fn until(&self, now: i64) -> i64 {
        after(now, self.lease)
    }

    /// Ends a step whose money has moved: the job's state, the event, and where that is what a call with an idempotency
    /// key wanted, its answer. So whoever ends it, and whether or not the caller heard of it, a repeat gets this
    /// success. `begun` is the row as it was in the step. None where somebody else has ended it.
    pub(crate) async fn settle(
        &self,
        begun: &Entry,
        claim: Claim,
        moved: Moved,
        by: By,
    ) -> Result<Option<Entry>, Failure> {
        let now = now_micros();
        let (reason, happened) = match moved {
            Moved::Released => (None, Happened::Completed),
            Moved::Refunded(reason) => (Some(reason.as_str()), Happened::Refunded(reason)),
        };
        let mut transaction = self.store.begin().await?;
        let settled = table::settle(&mut transaction, claim, moved.status(), reason, now).await?;
        let Some(entry) = settled else { return Ok(None) };
        if let Some(call) = begun.call.as_ref().filter(|_| moved.is_end_of(claim.step)) {
            call.keep(&mut transaction, StatusCode::OK, &text(&entry.job)?).await?;
        }
        announce::write(&mut transaction, &entry.job, happened).await?;
        transaction.commit().await?;
        self.relay.wake();
        self.metrics.happened(happened);
        self.metrics.step(claim.step.as_str(), Outcome::Settled, by);
        if let (Moved::Refunded(RefundReason::Expired), Some(deadline)) = (moved, entry.job.deadline) {
            self.metrics.expired(Duration::from_micros((now - deadline).max(0).unsigned_abs()));
        }
        tracing::info!(job_id = claim.job_id, event = happened.as_str(), by = ?by, "job settled");
        Ok(Some(entry))
    }

    /// Ends a step whose money has not moved and never will: the job is as it was before.
    pub(crate) async fn clear(&self, claim: Claim, by: By) -> Result<(), Failure> {
        let mut transaction = self.store.begin().await?;
        table::clear(&mut transaction, claim).await?;
        transaction.commit().await?;
        self.metrics.step(claim.step.as_str(), Outcome::Cleared, by);
        Ok(())
    }

    /// Removes a job that was never seen.
    pub(crate) async fn remove(&self, claim: Claim, by: By) -> Result<(), Failure> {
        let mut transaction = self.store.begin().await?;
        table::remove(&mut transaction, claim).await?;
        transaction.commit().await?;
        self.metrics.step(claim.step.as_str(), Outcome::Cleared, by);
        Ok(())
    }

    /// Leaves a step to the background, at once.
    pub(crate) async fn leave(&self, claim: Claim) {
        self.metrics.step(claim.step.as_str(), Outcome::Unknown, By::Call);
        let left = async {
            let mut transaction = self.store.begin().await?;
            table::leave(&mut transaction, claim, now_micros()).await?;
            transaction.commit().await
        };
        if let Err(error) = left.await {
            tracing::warn!(job_id = claim.job_id, %error, "a step is left until its lease runs out");
        }
        self.left.notify_one();
    }
}

/// So long after a moment.
pub(crate) fn after(now: i64, duration: Duration) -> i64 {
    now.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

/// A job as it is answered.
pub(crate) fn text(job: &Job) -> Result<String, Failure> {
    serde_json::to_string(job).map_err(|error| Failure(Problem::internal(format!("a job as JSON: {error}"))))
}

/// What a caller is told who gets 503 `payment_unavailable`. Of an answer that is not their fault callers read the title
/// alone, so that says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The money has not moved and never will by this call.
    Nothing,
    /// Nobody knows yet.
    Outcome,
    /// What was to be posted became no job, and its money stays with the employer or goes back.
    NoJob,
    /// Another call was first, and nobody knows its end yet.
    Another,
}

impl Doubt {
    fn title(self) -> &'static str {
        match self {
            Self::Nothing => "The payment service is away; nothing has changed",
            Self::Outcome => "The payment service did not answer; the outcome will show in the job",
            Self::NoJob => {
                "The payment service did not answer; there is no such job, and no money is kept for it"
            }
            Self::Another => "An earlier call is not decided yet; this one has changed nothing",
        }
    }
}

/// 503 `payment_unavailable`.
pub(crate) fn unavailable(doubt: Doubt, detail: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    let problem = Problem::unavailable("payment_unavailable", detail, RETRY_AFTER);
    Failure(problem.title(doubt.title()))
}

/// The same for a step that does not come to its end.
pub(crate) fn undecided(job_id: i64) -> Failure {
    unavailable(Doubt::Another, format!("a step of job {job_id} has not come to its end"))
}

/// 409 `wrong_state`.
pub(crate) fn wrong_state(state: JobStatus) -> Failure {
    let detail = format!("the job is {}", state.as_str());
    let problem = Problem::new(StatusCode::CONFLICT, "wrong_state", detail);
    Failure(problem.with("state", state.as_str()))
}

/// 404 for a job that is not there, or that nobody may see yet.
pub(crate) fn no_such_job() -> Failure {
    Failure::not_found("there is no such job")
}
