//! When a client that lost its connection dials again: as the SDK does it, or as clients do that nobody has thought about.
//!
//! The SDK's rule is that of `web/packages/sdk/src/reconnect.ts`, of which this is a copy in Rust; its options are the defaults.

#[cfg(test)]
mod tests;

use std::time::Duration;

use clap::ValueEnum;

use crate::ledger::mix;

/// The shortest pause of the SDK.
const SHORTEST: Duration = Duration::from_millis(100);
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How clients come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Manner {
    /// After the time that the server named, else a random part of 1, 2, 4, 8, 16, 30 s.
    Sdk,
    /// After 1, 2, 4, 8, 16, 30 s, whatever the server said: all in the same moment.
    Naive,
}

/// The pause before the next attempt, after `failures` in a row (1 is the first). `told` is the time that the server named.
pub(crate) fn delay(manner: Manner, failures: u32, told: Option<Duration>, chance: f64) -> Duration {
    let limit = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    match manner {
        Manner::Naive => limit,
        Manner::Sdk => match told {
            Some(told) if failures < 2 => told,
            told => SHORTEST.max(told.unwrap_or_default()).max(limit.mul_f64(chance)),
        },
    }
}

/// The time that the reason of a Close frame names: `draining; reconnect in 2500 ms`.
pub(crate) fn told_by(reason: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(reason).ok()?;
    let (_, rest) = text.split_once("reconnect in ")?;
    let (ms, _) = rest.split_once(" ms")?;
    Some(Duration::from_millis(ms.parse().ok()?))
}

/// Chances from 0 to 1 that are the same in every run.
#[derive(Debug)]
pub(crate) struct Chances(pub(crate) u64);

impl Chances {
    /// The next one.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(1);
        // The upper 53 bits: as many as a double holds.
        (mix(self.0) >> 11) as f64 / (1u64 << 53) as f64
    }
}
