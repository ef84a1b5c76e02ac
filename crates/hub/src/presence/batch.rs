//! What the watchers of one channel are to be told: the difference from what they were told last.
//!
//! How often: everybody who comes is told to everybody who watches, so the time between two batches grows with the
//! watchers ([`window_ms`]), and a batch names only so many ([`MOST_CHANGES`]).

use std::collections::HashMap;

use foldhash::fast::RandomState;
use protocol::UserId;
use protocol::timestamp::Timestamp;

use super::room::order;

/// Changes that one batch names: at about 60 bytes each a frame of 30 KB, well within what may wait for a socket. Where
/// there are more, nobody is named.
pub const MOST_CHANGES: usize = 500;

/// The shortest time between two batches of a channel: soon enough for a list that people look at.
const SHORTEST_MS: u64 = 250;

/// The longest time between two batches of a channel.
const LONGEST_MS: u64 = 5_000;

/// How a user's being there changed since the last batch.
#[derive(Debug)]
struct Change {
    /// Since when the user was there when the last batch was made, if so.
    before: Option<Timestamp>,
    /// Since when the user is there now, if so.
    after: Option<Timestamp>,
    /// How many lists had been taken when this last changed.
    listings: u32,
    /// A list was taken at a time between two changes: somebody may hold what is true neither before nor after.
    is_shown: bool,
}

impl Change {
    fn is_nothing(&self) -> bool {
        self.before == self.after && !self.is_shown
    }
}

#[derive(Debug)]
enum Collected {
    Named(HashMap<UserId, Change, RandomState>),
    TooMany,
}

impl Default for Collected {
    fn default() -> Self {
        Self::Named(HashMap::default())
    }
}

/// A batch's content.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) joined: Vec<(UserId, Timestamp)>,
    pub(super) left: Vec<UserId>,
    pub(super) truncated: bool,
}

/// What is collected for the watchers of one channel.
#[derive(Debug, Default)]
pub(super) struct Batch {
    watchers: u32,
    /// When the last batch was taken, in ms.
    taken_at: Option<u64>,
    /// How many lists were taken; it may wrap.
    listings: u32,
    collected: Collected,
    /// The bucket has put the channel down as changed.
    is_queued: bool,
}

impl Batch {
    pub(super) fn watch(&mut self) {
        self.watchers = self.watchers.saturating_add(1);
    }

    /// Returns how many watchers are left.
    pub(super) fn unwatch(&mut self) -> u32 {
        self.watchers = self.watchers.saturating_sub(1);
        self.watchers
    }

    pub(super) fn listed(&mut self) {
        self.listings = self.listings.wrapping_add(1);
    }

    pub(super) fn is_queued(&self) -> bool {
        self.is_queued
    }

    /// Returns whether there is something to tell for which the channel is not yet put down.
    pub(super) fn queue(&mut self) -> bool {
        let is_new = !self.is_queued && !self.is_empty();
        self.is_queued |= is_new;
        is_new
    }

    fn is_empty(&self) -> bool {
        matches!(&self.collected, Collected::Named(changes) if changes.is_empty())
    }

    /// A user came or went: how it was, and how it is.
    pub(super) fn note(&mut self, user: &UserId, was: Option<Timestamp>, is: Option<Timestamp>) {
        let Collected::Named(changes) = &mut self.collected else { return };
        if let Some(change) = changes.get_mut(user) {
            change.is_shown |= change.listings != self.listings;
            change.listings = self.listings;
            change.after = is;
            if change.is_nothing() {
                changes.remove(user);
            }
        } else if changes.len() < MOST_CHANGES {
            let change = Change { before: was, after: is, listings: self.listings, is_shown: false };
            changes.insert(user.clone(), change);
        } else {
            self.collected = Collected::TooMany;
        }
    }

    /// Takes the batch, if its time has come and there is something to tell. Without the latter the channel is no
    /// longer put down as changed.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<Told> {
        if self.is_empty() {
            self.is_queued = false;
            return None;
        }
        if self.taken_at.is_some_and(|taken| now_ms < taken.saturating_add(window_ms(self.watchers))) {
            return None;
        }
        self.is_queued = false;
        self.taken_at = Some(now_ms);
        let mut told = Told { joined: Vec::new(), left: Vec::new(), truncated: false };
        match std::mem::take(&mut self.collected) {
            Collected::TooMany => told.truncated = true,
            Collected::Named(changes) => {
                for (user, change) in changes {
                    match change.after {
                        Some(since) => told.joined.push((user, since)),
                        None => told.left.push(user),
                    }
                }
            }
        }
        told.joined.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        told.left.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        Some(told)
    }
}

/// The least time between two batches of a channel: half a millisecond for each watcher, but 250 ms at least and 5 s at
/// most. So from 500 watchers to 10,000 a channel costs 2,000 frames a second, whatever its audience; a batch that comes
/// after a longer rest comes at once.
pub(super) fn window_ms(watchers: u32) -> u64 {
    (u64::from(watchers) / 2).clamp(SHORTEST_MS, LONGEST_MS)
}
