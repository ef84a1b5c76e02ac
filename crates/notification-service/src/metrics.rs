//! What the inbox counts beside its requests and its relay; push, ledger and rules count for themselves.

use prometheus::{IntCounterVec, Opts, Registry};

/// What happened to notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Did {
    /// Stored, and on their way.
    Created,
    /// Stored, and kept from the inbox by a preference.
    Filtered,
    /// Read.
    Read,
    /// Marked as unread again.
    Unread,
    /// Deleted by their user.
    Deleted,
    /// Brought back by their user.
    Restored,
    /// Over their time.
    Expired,
    /// Removed for good: too old, or too many of one user.
    Purged,
    /// Refused, since their user created too many.
    RateLimited,
}

impl Did {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Filtered => "filtered",
            Self::Read => "read",
            Self::Unread => "unread",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
            Self::Expired => "expired",
            Self::Purged => "purged",
            Self::RateLimited => "rate_limited",
        }
    }
}

/// The inbox's counters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    notifications: IntCounterVec,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let notifications = IntCounterVec::new(
            Opts::new("fanfare_notifications_total", "Notifications, by what happened to them"),
            &["outcome"],
        )?;
        registry.register(Box::new(notifications.clone()))?;
        Ok(Self { notifications })
    }

    /// Counts what happened; to be called after the commit.
    pub(crate) fn add(&self, did: Did, count: usize) {
        if count > 0 {
            self.notifications.with_label_values(&[did.as_str()]).inc_by(count as u64);
        }
    }
}
