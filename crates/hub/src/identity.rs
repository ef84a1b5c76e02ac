//! Who a connection belongs to, as its verified token says.

use std::sync::Arc;

use protocol::{ChannelPattern, UserId};

/// What a verified token says. Verification is not the engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: UserId,
    /// The user's type, such as `employer`.
    pub user_type: Option<Arc<str>>,
    /// The only channels that this token may subscribe to, where it names any.
    pub channels: Option<Arc<[ChannelPattern]>>,
    /// When the token ends, in seconds since 1970.
    pub expires_at: u64,
}
