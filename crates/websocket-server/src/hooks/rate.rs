//! How many events of a kind a user may send: at most so many in any window.
//!
//! A window is counted in tenths, so that a user takes the same few bytes whatever the rate: what was sent counts for the
//! window and up to a tenth more. Not here: what is answered to one too many (`crate::hooks`).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::{ConnectionId, UserId};

use crate::config::Rate;

/// The parts in which a window is counted.
const PARTS: u64 = 10;

/// Parts that may lie in a window, the one that has begun included.
const COUNTED: usize = 11;

/// Users that are counted at once, about 15 MB of them; where more send within their windows, the ones too many are
/// refused.
const MOST_USERS: usize = 100_000;

/// Whose events are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Sender {
    /// Those of all connections of a user.
    User(UserId),
    /// Those of a connection that has none.
    Connection(ConnectionId),
}

/// What users have sent lately.
#[derive(Debug)]
pub(super) struct Rates {
    began: Instant,
    users: HashMap<(usize, Sender), Window>,
    /// The part of the time in which was last looked for users who can be forgotten.
    tidied: Duration,
}

/// What one user has sent lately.
#[derive(Debug, Default)]
struct Window {
    /// The part that began last.
    part: u64,
    /// What was sent in it and in those before it, at its number in turn.
    counts: [u32; COUNTED],
    /// How long it takes until nothing of it counts.
    length: Duration,
}

impl Rates {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, users: HashMap::new(), tidied: Duration::ZERO }
    }

    /// Counts an event of a hook, unless it is one too many.
    pub(super) fn allow(&mut self, hook: usize, rate: Rate, sender: Sender, now: Instant) -> bool {
        let time = now.saturating_duration_since(self.began);
        let key = (hook, sender);
        if self.users.len() >= MOST_USERS && !self.users.contains_key(&key) {
            self.tidy(time);
            if self.users.len() >= MOST_USERS {
                return false;
            }
        }
        let window = self.users.entry(key).or_default();
        window.length = rate.window;
        let part = part(time, rate.window);
        let passed = part.saturating_sub(window.part).min(COUNTED as u64);
        for later in 1..=passed {
            window.counts[place(window.part + later)] = 0;
        }
        window.part = window.part.max(part);
        if passed == COUNTED as u64 {
            window.counts = [0; COUNTED];
        }
        let sent: u64 = window.counts.iter().map(|&count| u64::from(count)).sum();
        if sent >= u64::from(rate.events.get()) {
            return false;
        }
        window.counts[place(window.part)] += 1;
        true
    }

    /// Forgets those who have sent nothing that counts, at most once a second.
    fn tidy(&mut self, time: Duration) {
        if time < self.tidied + Duration::from_secs(1) {
            return;
        }
        self.tidied = time;
        self.users.retain(|_, window| part(time, window.length) < window.part + COUNTED as u64);
    }
}

/// The number of the part that a time lies in.
fn part(time: Duration, window: Duration) -> u64 {
    let number = time.as_micros() * u128::from(PARTS) / window.as_micros().max(1);
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Where a part is counted.
fn place(part: u64) -> usize {
    usize::try_from(part % COUNTED as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn rate(events: u32) -> Rate {
        Rate { events: NonZeroU32::new(events).expect("a number"), window: Duration::from_secs(10) }
    }

    fn user(number: u32) -> Sender {
        Sender::User(UserId::from_number(&number.to_string()).expect("an id"))
    }

    #[test]
    fn one_more_than_the_rate_is_refused_and_other_users_and_hooks_are_not() {
        let now = Instant::now();
        let mut rates = Rates::new(now);
        for _ in 0..300 {
            assert!(rates.allow(0, rate(300), user(7), now));
        }
        assert!(!rates.allow(0, rate(300), user(7), now + Duration::from_secs(9)));
        assert!(rates.allow(0, rate(300), user(8), now));
        assert!(rates.allow(1, rate(300), user(7), now));
        let text = Sender::User(UserId::from_text("7").expect("an id"));
        assert!(!rates.allow(0, rate(300), text, now), "the same user");
        assert!(rates.allow(0, rate(300), user(7), now + Duration::from_secs(11)));
    }

    #[test]
    fn no_window_ever_has_more_than_the_rate_and_a_patient_sender_is_never_refused() {
        let begin = Instant::now();
        let mut rates = Rates::new(begin);
        let mut passed: Vec<u64> = Vec::new();
        let (mut seed, mut time) = (3_u64, 0_u64);
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            time += if seed >> 60 == 0 { (seed >> 40) % 30_000 } else { (seed >> 40) % 200 };
            if rates.allow(0, rate(20), user(1), begin + Duration::from_millis(time)) {
                passed.push(time);
            }
        }
        assert!(passed.len() > 1_000);
        for window in passed.windows(21) {
            assert!(window[20] - window[0] >= 10_000, "{window:?}");
        }
        for event in 0..100_u64 {
            let at = begin + Duration::from_millis(time + 20_000 + event * 560);
            assert!(rates.allow(0, rate(20), user(1), at), "{event}");
        }
    }

    #[test]
    fn users_are_bounded_and_forgotten_when_nothing_of_theirs_counts() {
        let now = Instant::now();
        let mut rates = Rates::new(now);
        let many = u32::try_from(MOST_USERS).expect("a number");
        for number in 0..many {
            assert!(rates.allow(0, rate(2), user(number), now));
        }
        assert!(!rates.allow(0, rate(2), user(many), now + Duration::from_secs(5)));
        assert!(rates.allow(0, rate(2), user(1), now + Duration::from_secs(5)), "who is known goes on");
        assert!(rates.allow(0, rate(2), user(many), now + Duration::from_secs(12)));
        assert!(rates.users.len() < 10, "{}", rates.users.len());
    }
}
