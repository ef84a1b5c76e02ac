//! Who types to whom: in memory alone, told to the one to whom somebody types, ended by itself 6 s after the last that was
//! heard of it (contract: socketio, Client → server).
//!
//! The table has the state that is to be told for each pair of users, and [`Typing::run`] tells it: one call to the hub at
//! a time, for all pairs whose state is news. What changes faster than the hub takes it is told as its last beginning and
//! end, so nothing queues up and the last word is always told.
//!
//! Overload: at most [`MOST_PAIRS`] pairs, of which one user has [`MOST_OF_USER`]; the typing of one more is acknowledged
//! and not told (`fanfare_chat_typing_total{outcome="full"}`).
//!
//! Not here: whether the one to whom somebody types wants to see it ([`crate::blocking`]).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use events::AnyUserId;
use hub_client::Message;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::announce;
use crate::metrics::{Metrics, Typed};

mod run;
#[cfg(test)]
mod tests;

/// Pairs of users of which one types to the other at once; chosen: some megabytes.
pub(crate) const MOST_PAIRS: usize = 10_000;

/// Users to whom one user types at once; chosen: far more than fingers, and one user alone can't silence the others.
pub(crate) const MOST_OF_USER: u8 = 32;

/// How often a client that goes on typing is told again at most. Less than any client's patience, more than its keys.
const REPEAT: Duration = Duration::from_secs(1);

/// How long news waits for a hub that is away; later it would be none.
const STALE: Duration = Duration::from_secs(10);

/// Pairs that one call to the hub tells of: half of what it takes at once.
const BATCH: usize = 500;

/// Who types. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Typing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    wake: Notify,
    metrics: Metrics,
}

/// By the texts of the ids: who types, and to whom.
type Pair = (Box<str>, Box<str>);

/// The state of all pairs; a state machine that is told the time.
#[derive(Debug)]
struct Table {
    /// How long somebody counts as typing.
    timeout: Duration,
    pairs: HashMap<Pair, Entry>,
    /// How many of them are of a user who types.
    of_users: HashMap<Box<str>, u8>,
    /// Pairs whose state is to be told, each once, in the order in which it became news.
    news: VecDeque<Pair>,
}

/// What is known of a pair.
#[derive(Debug)]
struct Entry {
    from: AnyUserId,
    to: AnyUserId,
    is_typing: bool,
    /// When typing ends by itself.
    until: Instant,
    /// When the state was last told.
    told: Option<Instant>,
    /// Whether it is among the news.
    is_news: bool,
    /// Whether it typed, which was not told, before it did no more: both are told then.
    flashed: bool,
    /// Since when the state is what it is.
    since: Instant,
}

/// Whether there was room for a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Enough,
    Full,
}

impl Typing {
    /// Nobody types yet.
    pub(crate) fn new(timeout: Duration, metrics: Metrics) -> Self {
        let table = Mutex::new(Table::new(timeout));
        Self(Arc::new(Shared { table, wake: Notify::new(), metrics }))
    }

    /// Somebody types to somebody, still or no more.
    pub(crate) fn set(&self, from: &AnyUserId, to: &AnyUserId, is_typing: bool) {
        let room = self.table(|table| table.set(from, to, is_typing, Instant::now()));
        match room {
            Room::Enough => self.0.wake.notify_one(),
            Room::Full => self.0.metrics.typed(Typed::Full),
        }
    }

    fn table<T>(&self, work: impl FnOnce(&mut Table) -> T) -> T {
        let table = &mut *self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(table);
        self.0.metrics.typing_pairs(table.pairs.len());
        done
    }
}

impl Table {
    fn new(timeout: Duration) -> Self {
        Self { timeout, pairs: HashMap::new(), of_users: HashMap::new(), news: VecDeque::new() }
    }

    fn set(&mut self, from: &AnyUserId, to: &AnyUserId, is_typing: bool, now: Instant) -> Room {
        let pair: Pair = (from.text().into(), to.text().into());
        let until = now + self.timeout;
        let room = self.pairs.len() < MOST_PAIRS;
        let Some(entry) = self.pairs.get_mut(&pair) else {
            if !room || self.of_users.get(&pair.0).is_some_and(|&count| count >= MOST_OF_USER) {
                return Room::Full;
            }
            *self.of_users.entry(pair.0.clone()).or_default() += 1;
            // Also where somebody types no more who never did here: another instance may have told that they do.
            let entry = Entry {
                from: from.clone(),
                to: to.clone(),
                is_typing,
                until,
                told: None,
                is_news: true,
                flashed: false,
                since: now,
            };
            self.pairs.insert(pair.clone(), entry);
            self.news.push_back(pair);
            return Room::Enough;
        };
        let is_change = entry.is_typing != is_typing;
        let is_due = entry.told.is_none_or(|told| now.duration_since(told) >= REPEAT);
        if is_typing {
            entry.until = until;
        }
        entry.is_typing = is_typing;
        if is_change {
            entry.since = now;
            entry.flashed = entry.is_news && !is_typing;
        }
        if (is_change || (is_typing && is_due)) && !entry.is_news {
            entry.is_news = true;
            self.news.push_back(pair);
        }
        Room::Enough
    }

    /// Ends the typing of those of whom nothing was heard for long enough.
    fn expire(&mut self, now: Instant) {
        for (pair, entry) in &mut self.pairs {
            if entry.is_typing && entry.until <= now {
                entry.is_typing = false;
                entry.since = now;
                if !entry.is_news {
                    entry.is_news = true;
                    self.news.push_back(pair.clone());
                }
            }
        }
    }

    /// Ends the typing of all, since nobody will be there to end it.
    fn end(&mut self, now: Instant) {
        for entry in self.pairs.values_mut() {
            entry.until = entry.until.min(now);
        }
        self.expire(now);
    }

    /// When the next typing ends by itself.
    fn next_end(&self) -> Option<Instant> {
        self.pairs.values().filter(|entry| entry.is_typing).map(|entry| entry.until).min()
    }

    /// Takes news to tell: the pair, what is told, and how.
    fn take(&mut self) -> Vec<(Pair, bool, Message)> {
        let mut taken = Vec::new();
        while taken.len() < BATCH
            && let Some(pair) = self.news.pop_front()
        {
            if let Some(entry) = self.pairs.get_mut(&pair) {
                entry.is_news = false;
                let told =
                    if std::mem::take(&mut entry.flashed) { &[true, false][..] } else { &[entry.is_typing] };
                for &is_typing in told {
                    let message = announce::typing(&entry.from, &entry.to, is_typing);
                    taken.push((pair.clone(), is_typing, message));
                }
            }
        }
        taken
    }

    /// A pair's state was told. One that does not type is forgotten, unless it has changed meanwhile.
    fn told(&mut self, pair: &Pair, now: Instant) {
        let Some(entry) = self.pairs.get_mut(pair) else { return };
        entry.told = Some(now);
        if !entry.is_typing && !entry.is_news {
            self.forget(pair);
        }
    }

    fn forget(&mut self, pair: &Pair) {
        if self.pairs.remove(pair).is_none() {
            return;
        }
        if let Some(count) = self.of_users.get_mut(&pair.0) {
            *count -= 1;
            if *count == 0 {
                self.of_users.remove(&pair.0);
            }
        }
    }

    /// A pair's state could not be told: it stays news, behind the others, for as long as it is of interest; whether it
    /// does.
    fn failed(&mut self, pair: &Pair, now: Instant) -> bool {
        let Some(entry) = self.pairs.get_mut(pair) else { return false };
        if entry.is_news {
            return true;
        }
        if !entry.is_typing && now.duration_since(entry.since) >= STALE {
            self.forget(pair);
            return false;
        }
        entry.is_news = true;
        self.news.push_back(pair.clone());
        true
    }

    /// The hub does not take a pair's state: it will not be told.
    fn refused(&mut self, pair: &Pair) {
        if self.pairs.get(pair).is_some_and(|entry| !entry.is_news) {
            self.forget(pair);
        }
    }
}
