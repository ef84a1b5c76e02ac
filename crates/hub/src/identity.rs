//! Who a connection belongs to, as its verified token says.

use std::sync::Arc;

use compact_str::CompactString;
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
    /// The sign-in that the token belongs to; a publication may close the connections of one. Kept in place up to 24
    /// bytes, so that 128 bits in base64 cost no further allocation.
    pub session: Option<CompactString>,
    /// When the token ends, in seconds since 1970.
    pub expires_at: u64,
}

/// How many user types are kept; an application has a handful.
const MOST_TYPES: usize = 16;

/// User types that connections share, so that each is in memory once however many tokens name it.
#[derive(Debug, Default)]
pub(crate) struct UserTypes(Vec<Arc<str>>);

impl UserTypes {
    /// Replaces an identity's user type by the shared one.
    pub(crate) fn share(&mut self, identity: &mut Identity) {
        let Some(user_type) = &mut identity.user_type else { return };
        match self.0.iter().find(|known| *known == user_type) {
            Some(known) => *user_type = Arc::clone(known),
            None if self.0.len() < MOST_TYPES => self.0.push(Arc::clone(user_type)),
            None => {}
        }
    }
}
