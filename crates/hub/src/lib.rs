//! The engine of Fanfare: streams, subscriptions, shards and outboxes. No HTTP and no sockets.
//!
//! A [`Publication`](protocol::Publication) enters at [`Hub::publish`], is put into one order, and goes to the
//! shards that have an audience for it. A [`Shard`] owns its connections alone and writes to them through
//! [`Link`], so that a seeded simulation can run all of it with links and a clock of its own.

pub mod broker;
mod cluster;
mod commit;
mod compact;
pub mod deliveries;
mod dialects;
pub mod encoded;
mod endpoint;
pub mod feeds;
mod history;
pub mod hooks;
mod hub;
pub mod idempotency;
pub mod identity;
mod inbox;
pub mod journal;
mod limits;
mod link;
mod metrics;
mod namespaces;
mod operator;
mod order;
mod outbox;
mod outgoing;
pub mod presence;
mod rate;
pub mod registry;
mod release;
mod restore;
mod resume;
mod retained;
pub mod rules;
mod shard;
mod tunable;
mod wire;

pub use cluster::{Conflict, MOST_SKEW_MS, NodeAnswer, NodeCalls};
pub use commit::{Commit, Fate, Wait};
pub use dialects::{Defaults, Dialect, MAX_WINDOW};

pub use endpoint::{Endpoint, EndpointIndex, Namespace, Naming};
pub use history::HistoryLimits;
pub use hub::{Admission, Beginning, Hub};
pub use identity::Identity;
pub use inbox::{ConnectionInfo, Inbox, Wake};
pub use limits::Limits;
pub use link::{Asked, Link};
pub use metrics::Metrics;
pub use operator::{HistoryInfo, StreamInfo};
pub use outgoing::{Accepted, Outgoing, PublishError, Recipients};
pub use shard::{Ended, Now, Opening, Patience, Shard, Verify};
pub use tunable::{Bounds, Dial, EndpointBounds};
pub use wire::{NamespaceIndex, Packing, Wire};
