//! PayChain's jobs: posted, accepted, completed, cancelled, expired; each change is committed together with the event
//! that tells of it, and none of them before the money has moved.
//!
//! | module | what it is |
//! |---|---|
//! | `http` | who may call, and what a call must look like |
//! | `posting`, `accepting`, `closing` | what the calls do |
//! | `desk` | what all of them need, and the ends of a step |
//! | `recovery` | steps that nobody brought to their end |
//! | `scheduler` | what happens by itself: deadlines, recovery |
//! | `payment` | the payment service, as a job needs it |
//! | `table`, `schema`, `job` | the rows |
//! | `announce` | the events |
//!
//! # The saga
//! Money is the payment service's, jobs are ours, and either may die at any moment. So a change that moves money has
//! three parts: the row says what is about to happen, the payment service is called with a key that belongs to this
//! step alone, and the row says what came of it. The three never overlap for one job. Whoever finds a row in a step
//! that nobody works on asks the payment service what became of the key, and ends the step by that
//! (`docs/job-service.md` has it as tables).

mod accepting;
mod announce;
mod closing;
mod desk;
mod flags;
mod http;
mod job;
mod metrics;
mod openapi;
mod payment;
mod posting;
mod recovery;
mod scheduler;
mod schema;
mod service;
mod table;

pub use flags::JobFlags;
pub use job::Job;
pub use payment::{PaymentSettings, PaymentSettingsError};
pub use service::{JobService, NAME, Settings};
