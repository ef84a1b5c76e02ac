//! What the job service tells of jobs (contract: channels, PayChain events).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    AudienceRule, EventData, JOBS_CHANNEL, JobId, JobType, RefundReason, Service, Usd, UserId, nullable,
};

/// An employer posted a job, and its money is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct JobCreated {
    /// The job.
    pub job_id: JobId,
    /// Its title, 1 to 200 characters.
    pub title: String,
    /// What the worker will get, in US dollars.
    pub pay_amount_usd: Usd,
    /// The kind of work.
    pub job_type: JobType,
}

/// A worker accepted a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct JobAccepted {
    /// The job.
    pub job_id: JobId,
    /// Who accepted it.
    pub worker_id: UserId,
    /// Who posted it.
    pub employer_id: UserId,
    /// Its title, 1 to 200 characters.
    pub title: String,
}

/// The employer took the work as done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct JobCompleted {
    /// The job.
    pub job_id: JobId,
    /// Whether the worker has the money.
    pub payment_released: bool,
    /// Who posted it.
    pub employer_id: UserId,
    /// Who did it.
    pub worker_id: UserId,
    /// Its title, 1 to 200 characters.
    pub title: String,
}

/// A job expired or was cancelled, and its money went back to the employer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct JobRefunded {
    /// The job.
    pub job_id: JobId,
    /// Why.
    pub reason: RefundReason,
    /// Who posted it.
    pub employer_id: UserId,
    /// Who had accepted it, null if nobody had.
    #[serde(deserialize_with = "nullable")]
    pub worker_id: Option<UserId>,
    /// Its title, 1 to 200 characters.
    pub title: String,
}

impl EventData for JobCreated {
    const TYPE: &'static str = "job_created";
    const SENDER: Service = Service::Job;
    const AUDIENCE: AudienceRule = AudienceRule::Everyone;

    fn users(&self) -> Vec<UserId> {
        Vec::new()
    }
}

impl EventData for JobAccepted {
    const TYPE: &'static str = "job_accepted";
    const SENDER: Service = Service::Job;
    const AUDIENCE: AudienceRule = AudienceRule::ChannelAndParties(JOBS_CHANNEL);

    fn users(&self) -> Vec<UserId> {
        vec![self.employer_id, self.worker_id]
    }
}

impl EventData for JobCompleted {
    const TYPE: &'static str = "job_completed";
    const SENDER: Service = Service::Job;
    const AUDIENCE: AudienceRule = AudienceRule::ChannelAndParties(JOBS_CHANNEL);

    fn users(&self) -> Vec<UserId> {
        vec![self.employer_id, self.worker_id]
    }
}

impl EventData for JobRefunded {
    const TYPE: &'static str = "job_refunded";
    const SENDER: Service = Service::Job;
    const AUDIENCE: AudienceRule = AudienceRule::ChannelAndParties(JOBS_CHANNEL);

    fn users(&self) -> Vec<UserId> {
        std::iter::once(self.employer_id).chain(self.worker_id).collect()
    }
}
