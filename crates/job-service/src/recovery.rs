//! Steps that nobody has brought to their end: their process died, or the answer of the payment service was not heard.
//!
//! | step | what is asked | the money moved | it did not and never will |
//! |---|---|---|---|
//! | holding, voiding | the fence of the hold | it is refunded, then the row is removed | the row is removed |
//! | releasing | the fence of the release | the job is completed | the job is as it was |
//! | refunding, cancelled | the fence of the refund | the job is refunded | the job is as it was |
//! | refunding, expired | the refund itself, with the same key | the job is refunded | |
//!
//! Nobody was told that a call that did not get to its end succeeded, so it may be undone; where it did succeed, its
//! idempotency key keeps the answer that the caller did not hear. That an expired job is refunded is not up to anybody,
//! so it is tried for ever. While the payment service is away every step stays where it is.

use events::{PaymentStatus, RefundReason};
use rest::Failure;

use crate::desk::{Desk, Moved};
use crate::job::{Entry, Step};
use crate::metrics::By;
use crate::payment::{Answer, Fence, Operation, Tries};
use crate::table::Claim;

/// The number of the refund of a hold that became no job: such a job has no other.
const UNDO: i64 = 1;

/// What came of a step that was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// It is at its end.
    Ended,
    /// It has to be asked for again.
    Later(Claim),
}

impl Desk {
    /// Brings a step to its end. The row is this caller's for the length of a lease.
    pub(crate) async fn resolve(&self, entry: Entry) -> Resolved {
        let Some(step) = entry.step else { return Resolved::Ended };
        let claim = Claim { job_id: entry.job.job_id, step, attempt: entry.attempt };
        let resolved = match step {
            Step::Holding | Step::Voiding => self.undo_hold(claim).await,
            Step::Releasing => self.find_out(&entry, claim, Operation::Release).await,
            Step::Refunding(RefundReason::Cancelled) => self.find_out(&entry, claim, Operation::Refund).await,
            Step::Refunding(RefundReason::Expired) => self.expire(&entry, claim).await,
        };
        resolved.unwrap_or_else(|failure| {
            tracing::warn!(job_id = claim.job_id, step = step.as_str(), %failure, "a step has to wait");
            Resolved::Later(claim)
        })
    }

    async fn undo_hold(&self, claim: Claim) -> Result<Resolved, Failure> {
        let payment = match self.payments.void(claim.job_id, claim.attempt, Operation::Hold).await {
            Fence::Unknown => return Ok(Resolved::Later(claim)),
            Fence::Never => None,
            Fence::Executed(payment) => Some(payment).filter(|payment| payment.status == PaymentStatus::Held),
        };
        if let Some(payment) = payment {
            let reason = RefundReason::Cancelled;
            let refund =
                self.payments.refund(claim.job_id, UNDO, payment.payment_id, None, reason, Tries::One);
            match refund.await {
                Answer::Done(payment) if payment.status != PaymentStatus::Held => {}
                Answer::WrongState(status) if status != PaymentStatus::Held => {}
                _ => return Ok(Resolved::Later(claim)),
            }
        }
        self.remove(claim, By::Background).await?;
        Ok(Resolved::Ended)
    }

    async fn find_out(&self, entry: &Entry, claim: Claim, operation: Operation) -> Result<Resolved, Failure> {
        match self.payments.void(claim.job_id, claim.attempt, operation).await {
            Fence::Unknown => Ok(Resolved::Later(claim)),
            Fence::Never => {
                self.clear(claim, By::Background).await?;
                Ok(Resolved::Ended)
            }
            Fence::Executed(payment) => self.follow(entry, claim, payment.status).await,
        }
    }

    async fn expire(&self, entry: &Entry, claim: Claim) -> Result<Resolved, Failure> {
        let Some(payment_id) = entry.payment_id else { return Ok(Resolved::Later(claim)) };
        let (worker_id, reason) = (entry.job.worker_id, RefundReason::Expired);
        let refund =
            self.payments.refund(claim.job_id, claim.attempt, payment_id, worker_id, reason, Tries::One);
        match refund.await {
            Answer::Done(payment) => self.follow(entry, claim, payment.status).await,
            Answer::WrongState(status) => self.follow(entry, claim, status).await,
            // Nobody fences off such a refund. If it should be, the next one has another key.
            Answer::Voided => {
                self.clear(claim, By::Background).await?;
                Ok(Resolved::Ended)
            }
            _ => Ok(Resolved::Later(claim)),
        }
    }

    /// Lets the job follow its money.
    async fn follow(&self, entry: &Entry, claim: Claim, status: PaymentStatus) -> Result<Resolved, Failure> {
        let Some(moved) = Moved::of(status, entry, claim.step) else {
            tracing::error!(job_id = claim.job_id, "a call was carried out, and the money is still held");
            return Ok(Resolved::Later(claim));
        };
        self.settle(entry, claim, moved, By::Background).await?;
        Ok(Resolved::Ended)
    }
}
