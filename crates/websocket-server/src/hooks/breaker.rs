//! A circuit breaker: a service that does not answer is not asked for a while, so that its clients need not wait for
//! that each time, and it gets no more to do while it comes back.
//!
//! Closed, it counts; open, nobody passes; after a pause one call passes, the probe, and its result decides. Not here:
//! what counts as a failure (`call`). The time comes from outside.

use std::time::{Duration, Instant};

use crate::config::Circuit;

#[cfg(test)]
mod tests;

/// Results that are remembered; half of them failed is as good as several in a row: a service behind a proxy of which
/// one of two instances is away.
const RECENT: u32 = 20;

/// What a call says of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answers.
    Good,
    /// It does not.
    Bad,
    /// Nothing: the call had too little time.
    Unknown,
}

/// The right to call, to be given back with the verdict.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Permit {
    /// How often the state has changed before.
    era: u64,
}

/// What a verdict changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that others see.
    None,
    /// Nobody passes for so long.
    Opened(Duration),
    /// All pass again.
    Closed,
}

/// The breaker of one service.
#[derive(Debug)]
pub(super) struct Breaker {
    circuit: Circuit,
    state: State,
    era: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        /// Failures since the last success.
        in_row: usize,
        /// The latest results, the newest in the lowest bit, one where it failed.
        recent: u32,
        /// How many there are.
        known: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One call is on its way, and the others do not pass.
    Probing {
        pause: Duration,
    },
}

const CLOSED: State = State::Closed { in_row: 0, recent: 0, known: 0 };

impl Breaker {
    pub(super) fn new(circuit: Circuit) -> Self {
        Self { circuit, state: CLOSED, era: 0 }
    }

    /// Lets a call pass, or not.
    pub(super) fn admit(&mut self, now: Instant) -> Option<Permit> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until, pause } if now >= until => self.turn(State::Probing { pause }),
            State::Open { .. } | State::Probing { .. } => return None,
        }
        Some(Permit { era: self.era })
    }

    /// Takes the verdict of a call. One that began before the last change tells nothing about the time since.
    pub(super) fn record(&mut self, permit: &Permit, verdict: Verdict, now: Instant) -> Change {
        if permit.era != self.era {
            return Change::None;
        }
        match (self.state, verdict) {
            (State::Closed { in_row, recent, known }, Verdict::Good | Verdict::Bad) => {
                let failed = u32::from(verdict == Verdict::Bad);
                let in_row = if failed == 1 { in_row + 1 } else { 0 };
                let recent = (recent << 1 | failed) & ((1 << RECENT) - 1);
                let known = (known + 1).min(RECENT);
                if in_row >= self.circuit.failures.get()
                    || known == RECENT && recent.count_ones() * 2 >= RECENT
                {
                    return self.open(self.circuit.pause, now);
                }
                self.state = State::Closed { in_row, recent, known };
                Change::None
            }
            (State::Probing { .. }, Verdict::Good) => {
                self.turn(CLOSED);
                Change::Closed
            }
            (State::Probing { pause }, Verdict::Bad) => {
                self.open((pause * 2).min(self.circuit.longest_pause), now)
            }
            // The next call is the probe.
            (State::Probing { pause }, Verdict::Unknown) => {
                self.turn(State::Open { until: now, pause });
                Change::None
            }
            (State::Closed { .. } | State::Open { .. }, _) => Change::None,
        }
    }

    fn open(&mut self, pause: Duration, now: Instant) -> Change {
        self.turn(State::Open { until: now + pause, pause });
        Change::Opened(pause)
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }
}
