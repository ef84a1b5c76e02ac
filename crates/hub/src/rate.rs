//! Client frames counted over a sliding window: exact, and only while a client sends.

use std::collections::VecDeque;

/// When the latest frames of a client came, oldest first, in milliseconds of the shard's clock.
#[derive(Debug, Default)]
pub(crate) struct RateWindow {
    times: VecDeque<u64>,
}

impl RateWindow {
    /// Counts a frame at `now`; `false` says that it is one more than `most` within `window` milliseconds.
    pub(crate) fn allow(&mut self, now: u64, most: u32, window: u64) -> bool {
        self.forget(now, window);
        if self.times.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return false;
        }
        self.times.push_back(now);
        true
    }

    /// Drops what is older than the window; `true` says that nothing is left.
    pub(crate) fn forget(&mut self, now: u64, window: u64) -> bool {
        while self.times.front().is_some_and(|&time| time + window <= now) {
            self.times.pop_front();
        }
        self.times.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_passes_exactly_if_fewer_than_the_limit_passed_in_the_window_before(
            gaps in prop::collection::vec(0_u64..400, 1..300),
        ) {
            let (most, window) = (20, 1000);
            let mut rate = RateWindow::default();
            let mut passed: Vec<u64> = Vec::new();
            let mut now = 0;
            for gap in gaps {
                now += gap;
                let recent = passed.iter().filter(|&&time| time + window > now).count();
                let allowed = rate.allow(now, most, window);
                prop_assert_eq!(allowed, recent < 20);
                if allowed {
                    passed.push(now);
                }
            }
        }
    }
}
