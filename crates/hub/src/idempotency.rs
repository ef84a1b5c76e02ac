//! Answers kept by idempotency key, so that a repeated publish call sends nothing twice.
//!
//! A repeat of a key within its time gets the first answer; one that comes while the first is in progress waits
//! for it. A call that failed leaves nothing behind, so its repeat is a first one again. Bound: so many keys;
//! the oldest is forgotten first, which `fanfare_idempotency_evictions_total` tells.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::PublicationId;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// What a publish call was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The publication's id.
    pub id: PublicationId,
    /// How many connections it was queued to.
    pub recipients: u32,
}

/// A key, in the scope of the API key that sent it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScopedKey {
    /// The API key's name; empty for a publisher without one.
    pub scope: Arc<str>,
    /// The idempotency key.
    pub key: Box<str>,
}

#[derive(Debug)]
enum Entry {
    InProgress(watch::Receiver<Option<Answer>>),
    Answered(Answer),
}

/// The keys of a hub.
#[derive(Debug)]
pub struct IdempotencyKeys {
    keys: Mutex<Keys>,
    keep: Duration,
    most: usize,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Keys {
    entries: HashMap<Arc<ScopedKey>, Entry>,
    answered: VecDeque<(Arc<ScopedKey>, Instant)>,
}

/// What a call with a key is.
#[derive(Debug)]
pub enum Begin {
    /// The first: carry it out, and tell the answer.
    First(InProgress),
    /// A repeat, with the first one's answer.
    Repeat(Answer),
}

/// The duty to tell the answer of a first call. Dropped without one, the call counts as failed.
#[derive(Debug)]
pub struct InProgress {
    keys: Arc<IdempotencyKeys>,
    key: Arc<ScopedKey>,
    /// Told to those who wait; taken once the answer is kept.
    sender: Option<watch::Sender<Option<Answer>>>,
}

impl IdempotencyKeys {
    /// Keeps answers for `keep`, at most `most` of them.
    #[must_use]
    pub fn new(keep: Duration, most: usize, metrics: Metrics) -> Self {
        Self { keys: Mutex::default(), keep, most, metrics }
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a key that was answered `ago`, before a restart; the oldest come first.
    pub fn restore(&self, key: ScopedKey, answer: Answer, ago: Duration) {
        // A machine that runs for less time than that has a clock that can't tell it: then it counts from now.
        let now = Instant::now();
        let at = now.checked_sub(ago).unwrap_or(now);
        let key = Arc::new(key);
        let mut keys = self.lock();
        keys.entries.insert(Arc::clone(&key), Entry::Answered(answer));
        keys.answered.push_back((key, at));
        self.forget_old(&mut keys, now);
    }

    /// For how long answers are kept.
    #[must_use]
    pub fn keep(&self) -> Duration {
        self.keep
    }

    /// Begins a call.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn begin(self: &Arc<Self>, key: ScopedKey) -> Begin {
        let key = Arc::new(key);
        loop {
            let mut waiting = {
                let mut keys = self.lock();
                self.forget_old(&mut keys, Instant::now());
                match keys.entries.get(&key) {
                    Some(Entry::Answered(answer)) => return Begin::Repeat(*answer),
                    Some(Entry::InProgress(waiting)) => waiting.clone(),
                    None => {
                        let (sender, receiver) = watch::channel(None);
                        keys.entries.insert(Arc::clone(&key), Entry::InProgress(receiver));
                        return Begin::First(InProgress {
                            keys: Arc::clone(self),
                            key,
                            sender: Some(sender),
                        });
                    }
                }
            };
            // An error is the first call's failure: then this one is the first.
            if let Ok(answer) = waiting.wait_for(Option::is_some).await
                && let Some(answer) = *answer
            {
                return Begin::Repeat(answer);
            }
        }
    }

    fn forget_old(&self, keys: &mut Keys, now: Instant) {
        while let Some((key, at)) = keys.answered.front() {
            let expired = now.duration_since(*at) >= self.keep;
            if !expired && keys.answered.len() <= self.most {
                break;
            }
            if !expired {
                self.metrics.idempotency_evictions.inc();
            }
            keys.entries.remove(key);
            keys.answered.pop_front();
        }
        self.metrics.idempotency_keys.set(i64::try_from(keys.answered.len()).unwrap_or(i64::MAX));
    }
}

impl InProgress {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &ScopedKey {
        &self.key
    }

    /// Tells the answer to those who wait, and keeps it for those who come.
    pub fn answer(mut self, answer: Answer) {
        let now = Instant::now();
        let mut keys = self.keys.lock();
        keys.entries.insert(Arc::clone(&self.key), Entry::Answered(answer));
        keys.answered.push_back((Arc::clone(&self.key), now));
        self.keys.forget_old(&mut keys, now);
        drop(keys);
        if let Some(sender) = self.sender.take() {
            sender.send_replace(Some(answer));
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        // Once answered the key is no longer this call's: it may have been forgotten and begun anew.
        if self.sender.is_some() {
            self.keys.lock().entries.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(most: usize) -> Arc<IdempotencyKeys> {
        let metrics = Metrics::new(&prometheus::Registry::new());
        Arc::new(IdempotencyKeys::new(Duration::from_secs(600), most, metrics))
    }

    fn key(text: &str) -> ScopedKey {
        ScopedKey { scope: "".into(), key: text.into() }
    }

    const ANSWER: Answer = Answer { id: PublicationId::from_u128(7), recipients: 3 };

    #[tokio::test]
    async fn a_repeat_gets_the_first_answer_and_another_scope_is_another_key() {
        let keys = keys(10);
        let Begin::First(first) = keys.begin(key("k")).await else { panic!("first") };
        first.answer(ANSWER);
        assert!(matches!(keys.begin(key("k")).await, Begin::Repeat(ANSWER)));
        let other = ScopedKey { scope: "shop".into(), key: "k".into() };
        assert!(matches!(keys.begin(other).await, Begin::First(_)));
    }

    #[tokio::test]
    async fn a_repeat_waits_for_the_first_and_takes_over_if_it_fails() {
        let keys = keys(10);
        let Begin::First(first) = keys.begin(key("k")).await else { panic!("first") };
        let (repeat, ()) = tokio::join!(keys.begin(key("k")), async { first.answer(ANSWER) });
        assert!(matches!(repeat, Begin::Repeat(ANSWER)));
        let Begin::First(failing) = keys.begin(key("f")).await else { panic!("first") };
        let (repeat, ()) = tokio::join!(keys.begin(key("f")), async { drop(failing) });
        assert!(matches!(repeat, Begin::First(_)));
    }

    #[tokio::test]
    async fn the_oldest_key_is_forgotten_when_there_are_too_many() {
        let keys = keys(2);
        for name in ["a", "b", "c"] {
            let Begin::First(first) = keys.begin(key(name)).await else { panic!("first") };
            first.answer(ANSWER);
        }
        assert!(matches!(keys.begin(key("c")).await, Begin::Repeat(_)));
        assert!(matches!(keys.begin(key("a")).await, Begin::First(_)));
    }
}
