//! A job as it is answered, and as it stands in the table with the step that it is in.

use events::{JobStatus, JobType, RefundReason, Usd};
use rest::idempotency::Stored;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};
use utoipa::ToSchema;

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Job {
    /// Its number; a later one is higher.
    #[schema(minimum = 1, example = 7)]
    pub job_id: i64,
    /// What is to be done.
    #[schema(min_length = 1, max_length = 200, example = "Build a landing page")]
    pub title: String,
    /// More about it; empty where nothing was said.
    #[schema(max_length = 20_000)]
    pub description: String,
    /// What it pays, in US dollars.
    #[schema(value_type = f64, minimum = 0.01, maximum = 1_000_000_000, example = 250.5)]
    pub pay_amount_usd: Usd,
    /// What kind of work it is.
    #[schema(value_type = crate::openapi::JobTypeWord)]
    pub job_type: JobType,
    /// Where it stands; `completed` and `refunded` once the money has moved.
    #[schema(value_type = crate::openapi::JobStatusWord)]
    pub status: JobStatus,
    /// Who posted it.
    pub employer_id: i64,
    /// Who accepted it; `null` until then.
    #[schema(required = true)]
    pub worker_id: Option<i64>,
    /// When it is refunded if it is not completed; `null` for never.
    #[serde(serialize_with = "rest::instant::serialize_option")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub deadline: Option<i64>,
    /// When it was posted.
    #[serde(serialize_with = "rest::instant::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: i64,
    /// When its status last changed.
    #[serde(serialize_with = "rest::instant::serialize")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: i64,
}

/// Work on a job's money that is under way, or was when its process died. A job is in one step at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The employer's money is being held; nobody sees the job yet.
    Holding,
    /// The hold is being undone; nobody will ever see the job.
    Voiding,
    /// The money is going to the worker.
    Releasing,
    /// The money is going back to the employer.
    Refunding(RefundReason),
}

impl Step {
    /// As it stands in the column `step`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Holding => "holding",
            Self::Voiding => "voiding",
            Self::Releasing => "releasing",
            Self::Refunding(_) => "refunding",
        }
    }

    /// As it stands in the column `step_reason`.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Refunding(reason) => Some(reason.as_str()),
            _ => None,
        }
    }

    fn read(step: &str, reason: Option<&str>) -> Option<Self> {
        match (step, reason) {
            ("holding", None) => Some(Self::Holding),
            ("voiding", None) => Some(Self::Voiding),
            ("releasing", None) => Some(Self::Releasing),
            ("refunding", Some(reason)) => reason.parse().ok().map(Self::Refunding),
            _ => None,
        }
    }
}

/// A job's row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) job: Job,
    /// The payment that holds its money; none while the money is not held, and then nobody sees the job.
    pub(crate) payment_id: Option<i64>,
    pub(crate) step: Option<Step>,
    /// How many steps were begun: the number in the payment service's idempotency keys.
    pub(crate) attempt: i64,
    /// The call that began the step, where it has an idempotency key: whoever ends the step keeps its answer.
    pub(crate) call: Option<Stored>,
}

/// What a caller may be told of a job at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Present {
    /// This state; after the deadline `refunded`, also before the money has moved.
    State(JobStatus),
    /// A step is under way, and nobody knows its end yet.
    Undecided,
}

impl Entry {
    /// The state that a step is judged by.
    pub(crate) fn present(&self, now: i64) -> Present {
        let status = self.job.status;
        if matches!(status, JobStatus::Completed | JobStatus::Refunded) {
            return Present::State(status);
        }
        match self.step {
            Some(Step::Refunding(RefundReason::Expired)) => Present::State(JobStatus::Refunded),
            // Whether or not the cancellation gets through: behind the deadline there is one end only.
            Some(Step::Refunding(RefundReason::Cancelled)) | None if self.is_due(now) => {
                Present::State(JobStatus::Refunded)
            }
            Some(_) => Present::Undecided,
            None => Present::State(status),
        }
    }

    /// Whether its deadline has passed.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        self.job.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl<'r> FromRow<'r, AnyRow> for Entry {
    fn from_row(row: &'r AnyRow) -> sqlx::Result<Self> {
        let step = match row.try_get::<Option<&str>, _>("step")? {
            None => None,
            Some(step) => {
                let found = Step::read(step, row.try_get("step_reason")?);
                Some(found.ok_or_else(|| strange("step", step))?)
            }
        };
        let call = match (row.try_get("call_scope")?, row.try_get("call_body")?) {
            (Some(scope), Some(body)) => Some(Stored { scope, body }),
            _ => None,
        };
        Ok(Self {
            job: Job {
                job_id: row.try_get("job_id")?,
                title: row.try_get("title")?,
                description: row.try_get("description")?,
                pay_amount_usd: Usd::from_cents(row.try_get("pay_cents")?),
                job_type: word(row, "job_type")?,
                status: word(row, "status")?,
                employer_id: row.try_get("employer_id")?,
                worker_id: row.try_get("worker_id")?,
                deadline: row.try_get("deadline")?,
                created_at: row.try_get("created_at")?,
                updated_at: row.try_get("updated_at")?,
            },
            payment_id: row.try_get("payment_id")?,
            step,
            attempt: row.try_get("attempt")?,
            call,
        })
    }
}

fn word<T: std::str::FromStr>(row: &AnyRow, column: &'static str) -> sqlx::Result<T> {
    let word: &str = row.try_get(column)?;
    word.parse().map_err(|_| strange(column, word))
}

/// A word in the table that this version does not know.
fn strange(column: &'static str, word: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: format!("{word:?} is unknown").into() }
}

#[cfg(test)]
mod tests;
