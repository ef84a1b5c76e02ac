//! Waiting for a condition, in place of sleeping for a guess.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that ought to come at once. Long, because the machine may be busy with other
/// tests; a test that passes never waits that long.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How often a condition is asked.
const STEP: Duration = Duration::from_millis(5);

/// Waits until `condition` holds, asking every 5 ms.
///
/// # Panics
/// When it does not hold within `deadline`.
#[track_caller]
pub fn eventually(deadline: Duration, condition: impl FnMut() -> bool) {
    assert!(holds_within(deadline, condition), "the condition did not come to hold within {deadline:?}");
}

/// Waits until `condition` holds; tells whether it did within `deadline`.
#[must_use]
pub fn holds_within(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(STEP);
    }
}

/// What is left until `end`, never zero: a socket's timeout of zero would mean none.
pub(crate) fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}
