//! Client frames counted over a sliding window: exact, and without memory of its own until a client sends a lot.

use smallvec::SmallVec;

/// When the latest frames of a client came, oldest first; milliseconds of the shard's clock, wrapping. The first
/// four stand in the connection itself: most clients never send more within one window.
#[derive(Debug, Default)]
pub(crate) struct RateWindow {
    times: SmallVec<[u32; 4]>,
}

impl RateWindow {
    /// Counts a frame at `now`; `false` says that it is one more than `most` within `window` milliseconds.
    pub(crate) fn allow(&mut self, now: u32, most: u32, window: u32) -> bool {
        self.forget(now, window);
        if self.times.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return false;
        }
        self.times.push(now);
        true
    }

    /// Drops what is older than the window, and the memory with the last of it. To be called more often than the
    /// clock wraps.
    pub(crate) fn forget(&mut self, now: u32, window: u32) {
        let old = self.times.iter().take_while(|&&time| now.wrapping_sub(time) >= window).count();
        if old == self.times.len() {
            self.times = SmallVec::new();
        } else if old > 0 {
            self.times.drain(..old);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_passes_exactly_if_fewer_than_the_limit_passed_in_the_window_before(
            start in any::<u32>(), gaps in prop::collection::vec(0_u64..400, 1..300),
        ) {
            let (most, window) = (20, 1000_u64);
            let mut rate = RateWindow::default();
            let mut passed: Vec<u64> = Vec::new();
            let mut now = 0;
            for gap in gaps {
                now += gap;
                let recent = passed.iter().filter(|&&time| time + window > now).count();
                let allowed = rate.allow(start.wrapping_add(now as u32), most, window as u32);
                prop_assert_eq!(allowed, recent < 20);
                if allowed {
                    passed.push(now);
                }
            }
        }
    }
}
