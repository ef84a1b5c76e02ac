//! Retained state: per stream the last event under each key, for those who come later.
//!
//! A publication with `retain` replaces what is under its key in each of its streams. Whoever joins a stream gets what
//! it has, in the order of publication. All of it is in memory; what is forgotten, and why it may be earlier than its
//! time, is told to the caller, so that the journal forgets it too.
//!
//! Bounds: [`MOST_KEYS`] keys a stream, where the one that changed longest ago goes; and a weight in bytes over all
//! streams, where the one that expires first goes, and one that alone weighs more is not kept.
//!
//! Not here: what `retain` looks like, times to live (the caller tells when a state ends), the disk, a lock.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

/// Keys that one stream holds; one more, and the one that changed longest ago is forgotten. A page shows no more tasks
/// of one user, and whoever joins gets all of them.
pub(crate) const MOST_KEYS: usize = 100;

/// What a state counts for beside its event, its key and its stream's name, in bytes. Measured: 390 for the only one of
/// a stream, 140 for one of many.
pub(crate) const ENTRY_WEIGHT: usize = 400;

/// A state that is no longer kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// The stream.
    pub(crate) stream: Arc<str>,
    /// The key.
    pub(crate) key: Box<str>,
}

#[derive(Debug)]
struct Kept<E> {
    key: Box<str>,
    event: Arc<E>,
    weight: usize,
    end: End,
}

/// When a state ends, in ms, and its number, which goes up with each change.
type End = (u64, u64);

/// The states of all streams.
#[derive(Debug)]
pub(crate) struct Retained<E> {
    /// Per stream in the order of the last change. None is empty.
    streams: HashMap<Arc<str>, Vec<Kept<E>>, RandomState>,
    /// The stream of each state, by its end.
    ends: BTreeMap<End, Arc<str>>,
    weight: usize,
    most_weight: usize,
    next: u64,
}

impl<E> Retained<E> {
    /// Nothing, and room for so many bytes.
    #[must_use]
    pub(crate) fn new(most_weight: usize) -> Self {
        Self { streams: HashMap::default(), ends: BTreeMap::new(), weight: 0, most_weight, next: 0 }
    }

    /// Whether nothing is kept anywhere.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    #[cfg(test)]
    fn weight(&self) -> usize {
        self.weight
    }

    /// Keeps `event`, of `weight` bytes, as the state under `key` until `expires_ms`, in place of an earlier one.
    /// Returns what had to go for it. That can be this very state: if it is heavier than all the room, and then no
    /// other goes, or if it expires first. An event in several streams counts in each.
    pub(crate) fn set(
        &mut self,
        stream: &Arc<str>,
        key: &str,
        event: Arc<E>,
        weight: usize,
        expires_ms: u64,
    ) -> Vec<Forgotten> {
        let weight = weight.saturating_add(ENTRY_WEIGHT + key.len() + stream.len());
        let earlier = self.take(stream, |states| states.iter().position(|kept| *kept.key == *key));
        let key = earlier.map_or_else(|| key.into(), |earlier| earlier.key);
        if weight > self.most_weight {
            return vec![Forgotten { stream: Arc::clone(stream), key }];
        }
        let full = |states: &[Kept<E>]| (states.len() >= MOST_KEYS).then_some(0);
        let oldest = self.take(stream, full);
        let mut forgotten: Vec<_> = oldest
            .map(|oldest| Forgotten { stream: Arc::clone(stream), key: oldest.key })
            .into_iter()
            .collect();
        let end = (expires_ms, self.next);
        self.next += 1;
        self.ends.insert(end, Arc::clone(stream));
        self.weight = self.weight.saturating_add(weight);
        self.streams.entry(Arc::clone(stream)).or_default().push(Kept { key, event, weight, end });
        while self.weight > self.most_weight
            && let Some(first) = self.forget_first(|_| true)
        {
            forgotten.push(first);
        }
        forgotten
    }

    /// The states of `stream`, in the order in which they were published.
    pub(crate) fn get(&self, stream: &str, now_ms: u64) -> impl Iterator<Item = &Arc<E>> {
        let states = self.streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        states.iter().filter(move |kept| kept.end.0 > now_ms).map(|kept| &kept.event)
    }

    /// The state under a key of a stream, whether or not its time is over.
    pub(crate) fn under(&self, stream: &str, key: &str) -> Option<&Arc<E>> {
        self.streams.get(stream)?.iter().find(|kept| *kept.key == *key).map(|kept| &kept.event)
    }

    /// Forgets all states of a stream; nobody is told.
    pub(crate) fn forget_stream(&mut self, stream: &str) {
        while self.take(stream, |states| (!states.is_empty()).then_some(0)).is_some() {}
    }

    /// The names of the streams that have a state.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &str> {
        self.streams.keys().map(|stream| &**stream)
    }

    /// Calls `visit` with each state's event.
    pub(crate) fn for_each(&self, visit: &mut impl FnMut(&Arc<E>)) {
        self.streams.values().flatten().for_each(|kept| visit(&kept.event));
    }

    /// Forgets the states whose time is over, and returns them, those that ended first in front.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Vec<Forgotten> {
        std::iter::from_fn(|| self.forget_first(|expires_ms| expires_ms <= now_ms)).collect()
    }

    /// Forgets the state that expires first, if its time is such.
    fn forget_first(&mut self, is_due: impl Fn(u64) -> bool) -> Option<Forgotten> {
        let (&end, stream) = self.ends.first_key_value().filter(|(end, _)| is_due(end.0))?;
        let stream = Arc::clone(stream);
        let kept = self.take(&stream, |states| states.iter().position(|kept| kept.end == end))?;
        Some(Forgotten { stream, key: kept.key })
    }

    /// Takes the state at a place of a stream's list out.
    fn take(&mut self, stream: &str, place: impl Fn(&[Kept<E>]) -> Option<usize>) -> Option<Kept<E>> {
        let states = self.streams.get_mut(stream)?;
        let kept = states.remove(place(states)?);
        if states.is_empty() {
            self.streams.remove(stream);
        }
        self.ends.remove(&kept.end);
        self.weight = self.weight.saturating_sub(kept.weight);
        Some(kept)
    }
}
