//! A limit on how often one place in the code may log.
//!
//! It is for lines that peers cause (a connect, a refusal, a bad frame). It is not for limiting the peers
//! themselves, where fairness between them matters.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The moment from which all limiters count their seconds.
static START: OnceLock<Instant> = OnceLock::new();

/// Lets so many log lines pass in each second of the process' life and counts the others.
///
/// One per line of code, usually a `static`. It is two words, has no lock and never waits; threads that race
/// for the last place in a second get it once. Counting is by whole seconds, so across the border of two
/// seconds up to twice the number may pass in a short time.
///
/// ```
/// use service_kit::telemetry::LogLimiter;
/// static CONNECTS: LogLimiter = LogLimiter::new(20);
/// if let Some(suppressed) = CONNECTS.allow() {
///     tracing::info!(suppressed, "connected");
/// }
/// ```
#[derive(Debug)]
pub struct LogLimiter {
    per_second: u32,
    /// The second (from 1) in the upper half, the lines that passed in it in the lower: one word, so that one
    /// compare-and-swap changes both. Zero is before the first line.
    window: AtomicU64,
    suppressed: AtomicU64,
}

impl LogLimiter {
    /// A limiter that lets `per_second` lines pass in each second; with 0 none.
    #[must_use]
    pub const fn new(per_second: u32) -> Self {
        Self { per_second, window: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// `Some` if the line may be written now, with the number of lines that were suppressed since the last
    /// one that passed. What is suppressed at the end of a burst is told by the next line that passes.
    pub fn allow(&self) -> Option<u64> {
        let second = START.get_or_init(Instant::now).elapsed().as_secs();
        self.allow_in(u32::try_from(second).unwrap_or(u32::MAX))
    }

    fn allow_in(&self, second: u32) -> Option<u64> {
        let second = u64::from(second) + 1;
        // The counters order nothing but themselves.
        let passed = self.window.try_update(Ordering::Relaxed, Ordering::Relaxed, |window| {
            let (current, lines) = (window >> 32, window & u64::from(u32::MAX));
            // A thread that was late reads an older second; it counts in the newer one.
            if second > current {
                (self.per_second > 0).then_some((second << 32) | 1)
            } else {
                (lines < u64::from(self.per_second)).then_some(window + 1)
            }
        });
        if passed.is_ok() {
            Some(self.suppressed.swap(0, Ordering::Relaxed))
        } else {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            None
        }
    }

    /// The lines that were suppressed and not told yet.
    #[must_use]
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
