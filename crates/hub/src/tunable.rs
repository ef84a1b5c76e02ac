//! What can change while the hub runs: the channel rules, and some of its bounds.
//!
//! Whoever reads them gets a guard, which costs a few nanoseconds and no lock; it is not to be held for longer than a few
//! instructions. Not here: what the rules say (`rules`), and what new rules take from connections that are there
//! (`shard/rechecking`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};

use crate::endpoint::EndpointIndex;
use crate::hub::Hub;
use crate::inbox::Message;
use crate::limits::Limits;
use crate::rules::ChannelRules;

/// The rules and the bounds in force.
#[derive(Debug)]
pub(crate) struct Tunable {
    rules: ArcSwap<ChannelRules>,
    limits: ArcSwap<Limits>,
}

impl Tunable {
    pub(crate) fn new(rules: ChannelRules, limits: Limits) -> Self {
        Self { rules: ArcSwap::from_pointee(rules), limits: ArcSwap::from_pointee(limits) }
    }
}

/// A bound of an endpoint that can change while the hub runs; none is no bound.
#[derive(Debug)]
pub struct Dial(AtomicU64);

impl Dial {
    /// What stands for no bound; a bound has 32 bits.
    const NONE: u64 = u64::MAX;

    /// With this bound.
    #[must_use]
    pub const fn new(bound: Option<u32>) -> Self {
        Self(AtomicU64::new(match bound {
            Some(bound) => bound as u64,
            None => Self::NONE,
        }))
    }

    /// The bound that holds.
    #[must_use]
    pub fn get(&self) -> Option<u32> {
        u32::try_from(self.0.load(Ordering::Relaxed)).ok()
    }

    /// Sets it for all who read it from now on.
    pub fn set(&self, bound: Option<u32>) {
        self.0.store(bound.map_or(Self::NONE, u64::from), Ordering::Relaxed);
    }
}

/// The bounds that [`Hub::set_bounds`] can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// As [`Limits::channels`].
    pub channels: usize,
    /// As [`Limits::outbox_bytes`].
    pub outbox_bytes: usize,
    /// As [`Limits::outbox_frames`].
    pub outbox_frames: usize,
    /// As [`Limits::connections`].
    pub connections: usize,
    /// As [`Limits::queue_publications`].
    pub queue_publications: usize,
    /// As [`Limits::queue_bytes`].
    pub queue_bytes: usize,
    /// As [`Limits::offline_grace`].
    pub offline_grace: std::time::Duration,
}

/// Bounds of an endpoint that [`Hub::set_endpoint_bounds`] can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointBounds {
    /// Client frames in any window.
    pub rate: Option<u32>,
    /// Connections of one user.
    pub connections_per_user: Option<u32>,
}

impl Hub {
    /// The channel rules in force.
    #[must_use]
    pub fn rules(&self) -> Guard<Arc<ChannelRules>> {
        self.tunable().rules.load()
    }

    /// The bounds in force.
    #[must_use]
    pub fn limits(&self) -> Guard<Arc<Limits>> {
        self.tunable().limits.load()
    }

    /// Puts other channel rules in force. Who asks from now on is answered by them; subscriptions that they no longer
    /// allow are ended by each shard in slices, and their clients told. A stream that is known keeps what it was opened
    /// with: history rules hold for streams that begin later.
    ///
    /// Returns whether they differ from those before.
    pub fn set_rules(&self, rules: ChannelRules) -> bool {
        if **self.rules() == rules {
            return false;
        }
        self.tunable().rules.store(Arc::new(rules));
        for shard in 0..self.shards() {
            self.tell(shard, Message::RulesChanged);
        }
        self.tell_facts();
        true
    }

    /// Puts other bounds in force, for all that happens from now on: what is beyond a smaller one already stays.
    pub fn set_bounds(&self, bounds: Bounds) {
        let Bounds {
            channels,
            outbox_bytes,
            outbox_frames,
            connections,
            queue_publications,
            queue_bytes,
            offline_grace,
        } = bounds;
        self.tunable().limits.rcu(|limits| Limits {
            channels,
            outbox_bytes,
            outbox_frames,
            connections,
            queue_publications,
            queue_bytes,
            offline_grace,
            ..(**limits).clone()
        });
    }

    /// Puts other bounds in force for an endpoint. Connections of one user are counted from the moment at which there is a
    /// bound, so those that are there when it is set first are not among them.
    ///
    /// # Panics
    /// When there is no such endpoint.
    pub fn set_endpoint_bounds(&self, index: EndpointIndex, bounds: EndpointBounds) {
        self.endpoint(index).set_bounds(bounds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dial_holds_a_bound_or_none() {
        let dial = Dial::new(Some(0));
        assert_eq!(dial.get(), Some(0));
        for bound in [None, Some(7), Some(u32::MAX), None] {
            dial.set(bound);
            assert_eq!(dial.get(), bound);
        }
        assert_eq!(Dial::new(None).get(), None);
    }
}
