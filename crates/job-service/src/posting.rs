//! Posting a job: its money is held first, and only then is there a job.
//!
//! | what the payment service says | what becomes of the row | the answer |
//! |---|---|---|
//! | held | everyone sees it | 201 |
//! | too little | removed | 409 `insufficient_funds` |
//! | nobody took the call | removed | 503 `payment_unavailable`: nothing has changed |
//! | nothing that was heard | the background undoes the hold, then removes it | 503 `payment_unavailable`: no such job |

use actix_web::http::StatusCode;
use events::PaymentStatus;
use rest::Failure;
use rest::idempotency::Fresh;
use store::now_micros;

use crate::announce::{self, Happened};
use crate::desk::{Desk, Doubt, text, unavailable};
use crate::job::{Job, Step};
use crate::metrics::{By, Outcome};
use crate::payment::{Answer, Payment};
use crate::table::{self, Claim, Draft};

impl Desk {
    /// Posts a job.
    ///
    /// # Errors
    /// As the table above tells.
    pub(crate) async fn post(&self, draft: Draft, fresh: Fresh) -> Result<Job, Failure> {
        let now = now_micros();
        let mut transaction = self.store.begin().await?;
        let job_id = table::insert(&mut transaction, &draft, now, self.until(now)).await?;
        transaction.commit().await?;
        let claim = Claim { job_id, step: Step::Holding, attempt: 0 };
        match self.payments.hold(job_id, draft.employer_id, draft.pay_amount_usd).await {
            Answer::Done(payment) if payment.job_id == job_id && payment.status == PaymentStatus::Held => {
                match self.publish(payment, &fresh).await {
                    Ok(Some(job)) => return Ok(job),
                    // The lease ran out on the way: the background is undoing the hold.
                    Ok(None) => {}
                    // Also where the commit may have succeeded: then the row is in no step any more.
                    Err(failure) => {
                        self.leave(claim).await;
                        return Err(failure);
                    }
                }
            }
            Answer::Insufficient => {
                self.remove(claim, By::Call).await?;
                return Err(insufficient());
            }
            Answer::NotTaken => {
                self.remove(claim, By::Call).await?;
                let detail = format!("the money of job {job_id} could not be held");
                return Err(unavailable(Doubt::Nothing, detail));
            }
            Answer::InsufficientNow => {
                self.leave(claim).await;
                return Err(insufficient());
            }
            Answer::Done(_) | Answer::WrongState(_) | Answer::Unknown => self.leave(claim).await,
            Answer::Voided => {}
        }
        Err(unavailable(Doubt::NoJob, format!("nobody knows yet whether the money of job {job_id} was held")))
    }

    async fn publish(&self, payment: Payment, fresh: &Fresh) -> Result<Option<Job>, Failure> {
        let mut transaction = self.store.begin().await?;
        let published =
            table::publish(&mut transaction, payment.job_id, payment.payment_id, now_micros()).await?;
        let Some(entry) = published else { return Ok(None) };
        fresh.keep(&mut transaction, StatusCode::CREATED, &text(&entry.job)?).await?;
        announce::write(&mut transaction, &entry.job, Happened::Created).await?;
        transaction.commit().await?;
        self.relay.wake();
        self.metrics.happened(Happened::Created);
        self.metrics.step(Step::Holding.as_str(), Outcome::Settled, By::Call);
        Ok(Some(entry.job))
    }
}

fn insufficient() -> Failure {
    Failure::new(StatusCode::CONFLICT, "insufficient_funds", "the wallet has less than the job pays")
}
