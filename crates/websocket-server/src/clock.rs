//! The time, the same for all threads of the server: what one of them begins, as the grace of a user who left, another
//! one ends.

use std::time::Instant;

use hub::Now;
use protocol::timestamp::Timestamp;

/// A clock that only goes forward, beside the time of day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time.
    pub(crate) fn now(self) -> Now {
        Now { ms: u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX), wall: time_of_day() }
    }
}

/// The time of day.
pub(crate) fn time_of_day() -> Timestamp {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX))
}
