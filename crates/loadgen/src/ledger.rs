//! The account of deliveries: nothing lost, nothing doubled, and how long each took.
//!
//! Two sums cross each other. Per message: how many connections got it. Per connection: how many messages, and the sum of a hash of their
//! numbers, so that one lost and another doubled do not cancel out. Both cost an addition per delivery.

#[cfg(test)]
mod tests;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// A minute: the longest latency that is told apart, in µs.
const LONGEST_US: u64 = 60_000_000;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    hash: u64,
}

impl Sum {
    #[inline]
    fn add(&mut self, seq: u32) {
        self.count += 1;
        self.hash = self.hash.wrapping_add(mix(u64::from(seq)));
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014): sums of it do not collide by accident.
#[inline]
pub(crate) fn mix(seq: u64) -> u64 {
    let mut hash = seq.wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// What went wrong, in messages and connections; all zero is a clean run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Faults {
    /// Deliveries that never came.
    pub(crate) lost: u64,
    /// Deliveries that came again, or of a message nobody published.
    pub(crate) doubled: u64,
    /// Connections whose own sum is not what was published to them.
    pub(crate) wrong_connections: u64,
}

impl Faults {
    /// Adds the faults another process saw.
    pub(crate) fn merge(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.wrong_connections += other.wrong_connections;
    }
}

/// Counts what was published against what arrived.
#[derive(Debug)]
pub(crate) struct Ledger {
    expected: Vec<u32>,
    received: Vec<u32>,
    to_all: Sum,
    to_one: Vec<Sum>,
    got: Vec<Sum>,
    deliveries: u64,
    latency_us: Histogram<u64>,
    finished: Vec<u32>,
}

impl Ledger {
    /// An account of `connections` receivers.
    pub(crate) fn new(connections: usize) -> anyhow::Result<Self> {
        Ok(Self {
            expected: Vec::new(),
            received: Vec::new(),
            to_all: Sum::default(),
            to_one: vec![Sum::default(); connections],
            got: vec![Sum::default(); connections],
            deliveries: 0,
            latency_us: Histogram::new_with_bounds(1, LONGEST_US, 3)?,
            finished: Vec::new(),
        })
    }

    fn next(&mut self, receivers: usize) -> u32 {
        let seq = u32::try_from(self.expected.len()).unwrap_or(u32::MAX);
        self.expected.push(u32::try_from(receivers).unwrap_or(u32::MAX));
        if self.received.len() < self.expected.len() {
            self.received.push(0);
        }
        seq
    }

    /// The number of a new message that every connection is to get.
    pub(crate) fn publish_to_all(&mut self) -> u32 {
        let seq = self.next(self.got.len());
        self.to_all.add(seq);
        seq
    }

    /// The number of a new message that one connection is to get.
    pub(crate) fn publish_to_one(&mut self, connection: usize) -> u32 {
        let seq = self.next(1);
        self.to_one[connection].add(seq);
        seq
    }

    /// The number of a new message that these connections are to get.
    pub(crate) fn publish_to_some(&mut self, connections: std::ops::Range<usize>) -> u32 {
        let seq = self.next(connections.len());
        self.to_one[connections].iter_mut().for_each(|sum| sum.add(seq));
        seq
    }

    /// Starts the latencies anew; the counts go on.
    pub(crate) fn forget_latency(&mut self) {
        self.latency_us.reset();
    }

    /// A message arrived at a connection.
    #[inline]
    pub(crate) fn deliver(&mut self, connection: usize, seq: u32, sent_ns: u64, now_ns: u64) {
        self.deliveries += 1;
        self.got[connection].add(seq);
        self.latency_us.saturating_record(now_ns.saturating_sub(sent_ns) / 1_000);
        let at = seq as usize;
        if at >= self.received.len() {
            // A worker hears of messages only by their arrival. The bound keeps a corrupt number from taking all memory.
            if at > 100_000_000 {
                return;
            }
            self.received.resize(at + 1, 0);
        }
        self.received[at] += 1;
        if self.expected.get(at) == Some(&self.received[at]) {
            self.finished.push(seq);
        }
    }

    /// Messages that have reached all their receivers since the last call.
    pub(crate) fn take_finished(&mut self, into: &mut Vec<u32>) {
        into.append(&mut self.finished);
    }

    /// Deliveries so far.
    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Messages published so far.
    pub(crate) fn published(&self) -> u32 {
        u32::try_from(self.expected.len()).unwrap_or(u32::MAX)
    }

    /// Deliveries that all publications together should make.
    pub(crate) fn expected(&self) -> u64 {
        self.expected.iter().map(|count| u64::from(*count)).sum()
    }

    /// Latencies in µs since the start or the last [`Self::forget_latency`].
    pub(crate) fn latency_us(&self) -> &Histogram<u64> {
        &self.latency_us
    }

    /// The verdict once everything should have arrived.
    pub(crate) fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        for (seq, received) in self.received.iter().enumerate() {
            let expected = self.expected.get(seq).copied().unwrap_or(0);
            faults.lost += u64::from(expected.saturating_sub(*received));
            faults.doubled += u64::from(received.saturating_sub(expected));
        }
        let wrong = self.got.iter().zip(&self.to_one).filter(|(got, own)| {
            let due =
                Sum { count: self.to_all.count + own.count, hash: self.to_all.hash.wrapping_add(own.hash) };
            **got != due
        });
        faults.wrong_connections = wrong.count() as u64;
        faults
    }
}
