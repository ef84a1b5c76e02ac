//! The time by which notifications expire, are held and are sent: the system's, moved forward where a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A clock. Clones of one show the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(None)
    }

    /// One that runs with the system's, and can be set forward.
    #[must_use]
    pub fn movable() -> Self {
        Self(Some(Arc::default()))
    }

    /// Sets a movable clock forward. The system's stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Some(ahead) = &self.0 {
            ahead.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// Sets a movable clock, forward or back, so that it shows this time now, in microseconds since 1970.
    pub fn set(&self, micros: i64) {
        if let Some(ahead) = &self.0 {
            ahead.store(micros - store::now_micros(), Ordering::Relaxed);
        }
    }

    /// Now, in microseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        let ahead = self.0.as_ref().map_or(0, |ahead| ahead.load(Ordering::Relaxed));
        store::now_micros().saturating_add(ahead)
    }
}
