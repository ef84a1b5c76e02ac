//! The events about jobs: each is written in the transaction of the change that it tells of, and sent by the relay.

use events::{
    Audience, Event, IdError, JobAccepted, JobCompleted, JobCreated, JobId, JobRefunded, RefundReason, UserId,
};
use hub_client::{Message, relay};
use rest::Failure;
use service_kit::problem::Problem;
use store::Transaction;

use crate::job::Job;

/// What happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happened {
    Created,
    Accepted,
    Completed,
    Refunded(RefundReason),
}

impl Happened {
    /// As the metric and the log name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Accepted => "accepted",
            Self::Completed => "completed",
            Self::Refunded(reason) => reason.as_str(),
        }
    }
}

/// Writes the event of a change into the relay's table; last in a transaction. The job is as it is after the change.
pub(crate) async fn write(
    transaction: &mut Transaction,
    job: &Job,
    happened: Happened,
) -> Result<(), Failure> {
    let event = event(job, happened).map_err(|error| {
        Failure(Problem::internal(format!(
            "job {} can't be told as {}: {error}",
            job.job_id,
            happened.as_str()
        )))
    })?;
    let message = message(&event, job.updated_at);
    relay::enqueue(transaction, &format!("job:{}", job.job_id), &message).await?;
    Ok(())
}

/// An event as the hub takes it, with the present trace.
fn message(event: &Event, at: i64) -> Message {
    let (channels, user_ids) = match event.audience() {
        Audience::Everyone => (None, None),
        Audience::Named { channel, users } => (
            channel.map(|channel| vec![channel.to_owned()]),
            Some(users.into_iter().map(|user| user.get().into()).collect()),
        ),
    };
    Message {
        channels,
        user_ids,
        timestamp: Some(rest::instant::show(at)),
        traceparent: rest::trace::current(),
        ..Message::new(event.event_type(), event.data())
    }
}

fn event(job: &Job, happened: Happened) -> Result<Event, IdError> {
    let (job_id, title) = (JobId::new(job.job_id)?, job.title.clone());
    let employer_id = UserId::new(job.employer_id)?;
    let worker_id = job.worker_id.map(UserId::new).transpose()?;
    // Zero is no id: a job that nobody has accepted can be told as neither accepted nor completed.
    let worker = || UserId::new(job.worker_id.unwrap_or_default());
    Ok(match happened {
        Happened::Created => {
            JobCreated { job_id, title, pay_amount_usd: job.pay_amount_usd, job_type: job.job_type }.into()
        }
        Happened::Accepted => JobAccepted { job_id, worker_id: worker()?, employer_id, title }.into(),
        Happened::Completed => {
            JobCompleted { job_id, payment_released: true, employer_id, worker_id: worker()?, title }.into()
        }
        Happened::Refunded(reason) => JobRefunded { job_id, reason, employer_id, worker_id, title }.into(),
    })
}
