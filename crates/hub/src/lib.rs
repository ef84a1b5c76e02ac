//! The engine of Fanfare: streams, subscriptions, shards and outboxes. No HTTP and no sockets.
//!
//! A [`Publication`](protocol::Publication) enters at [`Hub::publish`], is put into one order, and goes to the
//! shards that have an audience for it. A [`Shard`] owns its connections alone and writes to them through
//! [`Link`], so that a seeded simulation can run all of it with links and a clock of its own.

pub mod encoded;
mod hub;
pub mod idempotency;
pub mod identity;
mod inbox;
mod limits;
mod link;
mod metrics;
mod outbox;
mod rate;
pub mod registry;
pub mod rules;
mod session;
mod shard;

pub use encoded::Wire;
pub use hub::{Admission, Hub, Outgoing, PublishError, Recipients};
pub use identity::Identity;
pub use inbox::{Inbox, Wake};
pub use limits::Limits;
pub use link::Link;
pub use metrics::Metrics;
pub use shard::{Ended, Now, Opening, Shard, Verify};
