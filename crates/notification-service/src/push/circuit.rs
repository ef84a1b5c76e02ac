//! When Firebase is left alone: after some failures on end that are its own, one try at a time finds out whether it is back.
//!
//! So a Firebase that is away costs a call now and then, whatever waits; nothing that waits loses a try by it. Pure: the time
//! comes from outside. Not here: when a single push is tried again ([`super::send`]).

/// Failures on end after which it is left alone; fewer may be chance.
const FAILURES: u32 = 5;

/// How long after the first, in microseconds; twice as long after each further one, up to [`MOST`].
const FIRST: i64 = 1_000_000;

/// The longest that it is left alone, in microseconds.
const MOST: i64 = 60_000_000;

/// What is known of Firebase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Circuit {
    /// Failures on end.
    failures: u32,
    /// When the next try may be made, in microseconds since 1970.
    next: i64,
}

/// What a try says of Firebase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answers as it should.
    Well,
    /// It is away or out of order; for so long at least, in microseconds, as far as it says.
    Away(Option<i64>),
}

impl Circuit {
    /// How many tries may be begun now, of as many as `free`, while `running` are under way.
    pub(super) fn allows(&self, free: usize, running: usize, now: i64) -> usize {
        match self.failures {
            0..FAILURES => free,
            _ if now < self.next || running > 0 => 0,
            _ => free.min(1),
        }
    }

    /// Whether it is left alone.
    pub(super) fn is_open(&self) -> bool {
        self.failures >= FAILURES
    }

    /// Takes note of how a try went.
    pub(super) fn note(&mut self, sign: Sign, now: i64) {
        match sign {
            Sign::Well => *self = Self::default(),
            Sign::Away(asked) => {
                self.failures = self.failures.saturating_add(1);
                let doublings = self.failures.saturating_sub(FAILURES).min(10);
                self.next = now + (FIRST << doublings).min(MOST).max(asked.unwrap_or(0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_failures_on_end_one_try_at_a_time_finds_out_whether_it_is_back() {
        let mut circuit = Circuit::default();
        for _ in 0..FAILURES {
            assert_eq!(circuit.allows(32, 5, 0), 32);
            circuit.note(Sign::Away(None), 0);
        }
        assert!(circuit.is_open());
        assert_eq!(circuit.allows(32, 0, FIRST - 1), 0);
        assert_eq!(circuit.allows(32, 1, FIRST), 0, "one is under way");
        assert_eq!(circuit.allows(32, 0, FIRST), 1);
        circuit.note(Sign::Away(None), FIRST);
        assert_eq!(circuit.allows(32, 0, 3 * FIRST - 1), 0, "twice as long");
        circuit.note(Sign::Away(Some(7_000_000)), 0);
        assert_eq!((circuit.allows(32, 0, 6_999_999), circuit.allows(32, 0, 7_000_000)), (0, 1));
        for _ in 0..100 {
            circuit.note(Sign::Away(None), 0);
        }
        assert_eq!(circuit.allows(32, 0, MOST), 1, "never longer than a minute by itself");
        circuit.note(Sign::Well, 0);
        assert_eq!(circuit.allows(32, 3, 0), 32);
    }

    #[test]
    fn one_that_answers_now_and_then_is_not_left_alone() {
        let mut circuit = Circuit::default();
        for _ in 0..100 {
            circuit.note(Sign::Away(None), 0);
            circuit.note(Sign::Well, 0);
        }
        assert!(!circuit.is_open());
    }
}
