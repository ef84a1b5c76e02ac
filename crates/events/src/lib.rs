//! The domain events of PayChain, typed and versioned: what the services tell, and to whom.
//!
//! An event is a type such as `job_created` and the JSON object that goes with it. Each has a struct here with exactly
//! its members, in the order in which they are written; [`Event`] is one of them all. [`CATALOGUE`] lists them with
//! who sends them and who gets them, and [`generate`] makes the JSON Schemas, the AsyncAPI document, the TypeScript
//! types and `docs/events.md` from it.
//!
//! Not here: the envelope's timestamp, delivery and history, which are the hub's, and every rule about when an event is
//! sent, which is the services'. Nothing here reads a clock, a file or a socket.
//!
//! # Versions
//! Every event has a version, which is part of its schema's name. Adding a member keeps the version, since readers
//! ignore members that they do not know. Any other change is a new type beside the old one.

mod any_user;
mod audience;
mod catalogue;
mod chat;
mod event;
pub mod generate;
mod ids;
mod job;
mod money;
mod notification;
mod payment;
mod user;
mod words;

pub use any_user::AnyUserId;
pub use audience::{Audience, AudienceRule, JOBS_CHANNEL, PAYMENTS_CHANNEL};
pub use catalogue::{Entry, Service};
pub use chat::{MessageRead, MessageReceived, UserTyping};
pub use event::{CATALOGUE, Event, EventData, ParseError};
pub use ids::{IdError, JobId, MAX_ID, MessageId, NotificationId, PaymentId, UserId};
pub use job::{JobAccepted, JobCompleted, JobCreated, JobRefunded};
pub use money::{Usd, UsdError};
pub use notification::{
    NotificationCreated, NotificationDeleted, NotificationRead, NotificationRestored, NotificationUnread,
};
pub use payment::{PaymentConfirmed, PaymentHeld, PaymentRefunded};
pub use user::{SessionRevoked, UserLoggedIn, UserLoggedOut, UserRegistered};
pub use words::{
    JobStatus, JobType, NotificationPriority, PaymentStatus, RefundReason, UnknownWord, UserType,
};

use serde::{Deserialize, Deserializer};

/// Reads a member that may be null but not absent. Without it serde takes an absent member for null.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}
