//! Completing and cancelling a job: its employer asks, the money moves, then the job does.
//!
//! | what the payment service says | what becomes of the job | the answer |
//! |---|---|---|
//! | the money moved | completed, or refunded | 200 |
//! | nobody took the call | as it was | 503 `payment_unavailable` |
//! | nothing that was heard | in its step until the background knows: moved on, or as it was | 503 `payment_unavailable` |

use std::time::Instant;

use events::{JobStatus, RefundReason};
use rest::Failure;
use rest::idempotency::Fresh;
use store::now_micros;

use crate::desk::{Desk, LOOK, Moved, WAIT, no_such_job, unavailable, wrong_state};
use crate::job::{Entry, Job, Present, Step};
use crate::metrics::By;
use crate::payment::{Answer, Tries};
use crate::table::{self, Claim};

/// What an employer does with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The work is done: the worker is paid.
    Complete,
    /// It is not wanted any more: the money comes back.
    Cancel,
}

impl Closing {
    fn step(self) -> Step {
        match self {
            Self::Complete => Step::Releasing,
            Self::Cancel => Step::Refunding(RefundReason::Cancelled),
        }
    }

    fn is_allowed(self, state: JobStatus) -> bool {
        match self {
            Self::Complete => state == JobStatus::Accepted,
            Self::Cancel => matches!(state, JobStatus::Open | JobStatus::Accepted),
        }
    }

    fn end(self) -> JobStatus {
        match self {
            Self::Complete => JobStatus::Completed,
            Self::Cancel => JobStatus::Refunded,
        }
    }
}

impl Desk {
    /// Completes or cancels a job for its employer.
    ///
    /// # Errors
    /// 404, 403 for another employer, 409 `wrong_state`, and 503 as the table above tells.
    pub(crate) async fn close(
        &self,
        job_id: i64,
        employer_id: i64,
        closing: Closing,
        fresh: Fresh,
    ) -> Result<Job, Failure> {
        let entry = self.claim(job_id, employer_id, closing).await?;
        let step = closing.step();
        let claim = Claim { job_id, step, attempt: entry.attempt };
        let not_moved =
            || unavailable(format!("the money of job {job_id} could not be moved; nothing has changed"));
        let status = match self.move_money(&entry, step).await? {
            Answer::Done(payment) => payment.status,
            Answer::WrongState(status) => status,
            Answer::NotTaken | Answer::Insufficient => {
                self.clear(claim, By::Call).await?;
                return Err(not_moved());
            }
            // The background has fenced the call off, and ends the step.
            Answer::Voided => return Err(not_moved()),
            Answer::Unknown | Answer::InsufficientNow => {
                self.leave(claim).await;
                return Err(unavailable(format!("nobody knows yet whether the money of job {job_id} moved")));
            }
        };
        let Some(moved) = Moved::of(status, &entry, step) else {
            self.leave(claim).await;
            return Err(unavailable(format!(
                "the money of job {job_id} is said to have moved, and is still held"
            )));
        };
        let kept = (moved.status() == closing.end()).then_some(&fresh);
        let settled = match self.settle(claim, moved, kept, By::Call).await {
            Ok(settled) => settled,
            // The money has moved, so the job has to follow.
            Err(failure) => {
                self.leave(claim).await;
                return Err(failure);
            }
        };
        let job = match settled {
            Some(entry) => entry.job,
            // The background was faster, with the same end.
            None => table::find(&self.store, job_id).await?.ok_or_else(no_such_job)?.job,
        };
        if job.status == closing.end() { Ok(job) } else { Err(wrong_state(job.status)) }
    }

    async fn move_money(&self, entry: &Entry, step: Step) -> Result<Answer, Failure> {
        let (job, attempt) = (&entry.job, entry.attempt);
        let payment_id = entry.payment_id.ok_or_else(no_such_job)?;
        Ok(match step {
            Step::Refunding(reason) => {
                let tries = Tries::WhileCallerWaits;
                self.payments.refund(job.job_id, attempt, payment_id, job.worker_id, reason, tries).await
            }
            _ => self.payments.release(job.job_id, attempt, payment_id, job.worker_id).await,
        })
    }

    /// Begins the step once no other is under way.
    async fn claim(&self, job_id: i64, employer_id: i64, closing: Closing) -> Result<Entry, Failure> {
        let end = Instant::now() + WAIT;
        loop {
            let entry = table::find(&self.store, job_id).await?.ok_or_else(no_such_job)?;
            if entry.job.employer_id != employer_id {
                return Err(Failure::forbidden("the job is another employer's"));
            }
            let now = now_micros();
            match entry.present(now) {
                Present::State(state) if closing.is_allowed(state) => {
                    let mut transaction = self.store.begin().await?;
                    let until = self.until(now);
                    let begun =
                        table::begin(&mut transaction, job_id, state, closing.step(), now, until).await?;
                    transaction.commit().await?;
                    if let Some(entry) = begun {
                        return Ok(entry);
                    }
                    // Somebody was faster, or the deadline has just passed: the next look tells.
                }
                Present::State(state) => return Err(wrong_state(state)),
                Present::Undecided => tokio::time::sleep(LOOK).await,
            }
            if Instant::now() >= end {
                return Err(unavailable(format!("a step of job {job_id} has not come to its end")));
            }
        }
    }
}
