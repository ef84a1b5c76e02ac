//! What all calls need.

use hub_client::RelayHandle;
use rest::RateLimit;
use rest::idempotency::Idempotency;
use store::Store;

use crate::metrics::Metrics;
use crate::typing::Typing;

/// What the calls work with. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) relay: RelayHandle,
    pub(crate) idempotency: Idempotency,
    pub(crate) rate: RateLimit,
    pub(crate) typing: Typing,
    pub(crate) metrics: Metrics,
    /// The longest message, in bytes of UTF-8.
    pub(crate) max_message: usize,
}
