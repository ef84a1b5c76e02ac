//! What all calls need.

use std::sync::Arc;

use hub_client::{HubClient, RelayHandle};
use rest::RateLimit;
use rest::idempotency::Idempotency;
use store::Store;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::push::Push;
use crate::rules::Rules;

/// What the calls and the background work with. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) store: Store,
    /// To be woken after a commit that wrote an event.
    pub(crate) relay: RelayHandle,
    pub(crate) idempotency: Idempotency,
    pub(crate) metrics: Metrics,
    /// What users create for themselves.
    pub(crate) rate: RateLimit,
    /// Topics' jobs have something to do.
    pub(crate) topics: Arc<Notify>,
    /// The time by which everything here goes; rows that others write (relay, keys) go by the system's.
    pub(crate) clock: Clock,
    /// The hub that events go to, and whose feeds are read.
    pub(crate) hub: HubClient,
    pub(crate) push: Push,
    pub(crate) ledger: Ledger,
    pub(crate) rules: Rules,
    pub(crate) limits: Limits,
}

/// How much is kept for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How long a notification is kept, in microseconds.
    pub(crate) retention: i64,
    /// Notifications kept for one user; beyond it the oldest go.
    pub(crate) per_user: i64,
}
