//! Records that wait for a service: in their order, bounded, the oldest dropped first. Of the batch on its way only the
//! number is known here, and it is not in the bound.
//!
//! Not here: when a batch goes (`worker`). The time comes from outside.

use std::collections::VecDeque;
use std::time::Instant;

use hub::deliveries::DeliveryRecord;

/// The most records of a batch (contract: socketio).
pub(super) const MOST_OF_BATCH: usize = 500;

/// The records for one service.
#[derive(Debug)]
pub(super) struct Queue {
    /// With the time since when they wait.
    waiting: VecDeque<(Instant, DeliveryRecord)>,
    most: usize,
    /// How many are on their way, and since when the oldest of them waits.
    away: Option<(usize, Instant)>,
}

impl Queue {
    /// An empty one for so many.
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: VecDeque::new(), most, away: None }
    }

    /// Adds a record. Returns how many had to go for it.
    pub(super) fn push(&mut self, record: DeliveryRecord, now: Instant) -> u64 {
        let is_full = self.waiting.len() >= self.most;
        if is_full {
            self.waiting.pop_front();
        }
        self.waiting.push_back((now, record));
        u64::from(is_full)
    }

    /// The next batch, which is on its way from now on; empty where nothing waits.
    pub(super) fn batch(&mut self) -> Vec<DeliveryRecord> {
        let count = self.waiting.len().min(MOST_OF_BATCH);
        self.away = self.waiting.front().map(|&(since, _)| (count, since));
        let batch = self.waiting.drain(..count).map(|(_, record)| record).collect();
        if self.waiting.is_empty() {
            // What a flood took is given back.
            self.waiting.shrink_to(MOST_OF_BATCH);
        }
        batch
    }

    /// The batch has arrived.
    pub(super) fn arrived(&mut self) {
        self.away = None;
    }

    /// How many the service has not, as far as is known.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.away.map_or(0, |(count, _)| count)
    }

    /// Since when the oldest of them waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.away.map(|(_, since)| since).or_else(|| self.next_since())
    }

    /// Whether a whole batch waits.
    pub(super) fn has_batch(&self) -> bool {
        self.waiting.len() >= MOST_OF_BATCH
    }

    /// Since when the oldest of the next batch waits.
    pub(super) fn next_since(&self) -> Option<Instant> {
        self.waiting.front().map(|&(since, _)| since)
    }
}
