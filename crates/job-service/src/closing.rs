//! Completing and cancelling a job: its employer asks, the money moves, then the job does.
//!
//! | what the payment service says | what becomes of the job | the answer |
//! |---|---|---|
//! | the money moved | completed, or refunded | 200 |
//! | nobody took the call | as it was | 503 `payment_unavailable`: nothing has changed |
//! | nothing that was heard | in its step until the background knows: moved on, or as it was | 503 `payment_unavailable`: the outcome will show |
//!
//! The step remembers the idempotency key of its call, and whoever ends it keeps the answer. So the same key again waits
//! for the end of the step, then gets the first success, or where there was none, is a call of its own.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use events::{JobStatus, RefundReason};
use rest::Failure;
use rest::idempotency::{self, Fresh};
use store::now_micros;

use crate::desk::{Desk, Doubt, LOOK, Moved, WAIT, no_such_job, text, unavailable, undecided, wrong_state};
use crate::job::{Entry, Present, Step};
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

/// What a call may do with a job.
enum Claimed {
    /// This step is begun.
    Begun(Box<Entry>),
    /// The call was made before; this is its answer.
    Repeat(HttpResponse),
}

impl Desk {
    /// Completes or cancels a job for its employer; the answer.
    ///
    /// # Errors
    /// 404, 403 for another employer, 409 `wrong_state`, and 503 as the table above tells.
    pub(crate) async fn close(
        &self,
        job_id: i64,
        employer_id: i64,
        closing: Closing,
        fresh: Fresh,
    ) -> Result<HttpResponse, Failure> {
        let entry = match self.claim(job_id, employer_id, closing, &fresh).await? {
            Claimed::Begun(entry) => entry,
            Claimed::Repeat(answer) => return Ok(answer),
        };
        let step = closing.step();
        let claim = Claim { job_id, step, attempt: entry.attempt };
        let not_moved =
            || unavailable(Doubt::Nothing, format!("the money of job {job_id} could not be moved"));
        let unknown = |detail: String| unavailable(Doubt::Outcome, detail);
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
                return Err(unknown(format!("nobody knows yet whether the money of job {job_id} moved")));
            }
        };
        let Some(moved) = Moved::of(status, &entry, step) else {
            self.leave(claim).await;
            return Err(unknown(format!(
                "the money of job {job_id} is said to have moved, and is still held"
            )));
        };
        let settled = match self.settle(&entry, claim, moved, By::Call).await {
            Ok(settled) => settled,
            // The money has moved, so the job has to follow.
            Err(Failure(problem)) => {
                self.leave(claim).await;
                return Err(Failure(
                    problem.title("The outcome could not be written yet; it will show in the job"),
                ));
            }
        };
        let job = match settled {
            Some(entry) => entry.job,
            // The background was faster, with the same end, and has kept the answer.
            None => table::find(&self.store, job_id).await?.ok_or_else(no_such_job)?.job,
        };
        if job.status == closing.end() {
            Ok(idempotency::json(StatusCode::OK, text(&job)?))
        } else {
            Err(wrong_state(job.status))
        }
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

    /// Begins the step once no other is under way, unless that one was this call's.
    async fn claim(
        &self,
        job_id: i64,
        employer_id: i64,
        closing: Closing,
        fresh: &Fresh,
    ) -> Result<Claimed, Failure> {
        let call = fresh.stored();
        let end = Instant::now() + WAIT;
        loop {
            let entry = table::find(&self.store, job_id).await?.ok_or_else(no_such_job)?;
            if entry.job.employer_id != employer_id {
                return Err(Failure::forbidden("the job is another employer's"));
            }
            let now = now_micros();
            // The call itself, made before: its end says more than the deadline.
            let is_repeat = entry.step.is_some() && call.is_some() && entry.call == call;
            match entry.present(now) {
                Present::State(_) if is_repeat => tokio::time::sleep(LOOK).await,
                Present::State(state) if closing.is_allowed(state) => {
                    let mut transaction = self.store.begin().await?;
                    let until = self.until(now);
                    let step = closing.step();
                    let begun =
                        table::begin(&mut transaction, job_id, state, step, now, until, call.as_ref())
                            .await?;
                    transaction.commit().await?;
                    if let Some(entry) = begun {
                        return Ok(Claimed::Begun(Box::new(entry)));
                    }
                    // Somebody was faster, or the deadline has just passed: the next look tells.
                }
                Present::State(state) => {
                    // Perhaps it was this call that brought the job there.
                    let kept = fresh.repeat(&self.store).await?;
                    return kept.map(Claimed::Repeat).ok_or_else(|| wrong_state(state));
                }
                Present::Undecided => tokio::time::sleep(LOOK).await,
            }
            if Instant::now() >= end {
                return Err(undecided(job_id));
            }
        }
    }
}
