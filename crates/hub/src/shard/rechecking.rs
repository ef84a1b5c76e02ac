//! What new channel rules take from connections that are there: a shard looks at all of them, in slices between other work.
//!
//! Until it comes to a connection, that one goes on as before; what it asks for meanwhile is answered by the new rules. Not
//! here: what a new token takes (`subscriptions`), and what the rules say (`rules`).

use super::lists::Key;
use super::subscriptions::Cause;
use super::{Now, Shard};
use crate::link::Link;

/// Places that are looked at in one turn (chosen: with a handful of rules each, well below a millisecond).
const SLICE: usize = 1 << 10;

impl<L: Link> Shard<L> {
    /// The rules have changed: all connections are looked at, from the first.
    pub(super) fn begin_recheck(&mut self) {
        self.recheck = Some(0);
    }

    /// Looks at some more connections. Returns whether there are still more.
    pub(super) fn recheck_some(&mut self, now: Now) -> bool {
        let Some(first) = self.recheck else { return false };
        let end = first.saturating_add(SLICE);
        for place in first..end {
            let Ok(key) = Key::try_from(place) else { break };
            if self.is_open(key) {
                self.recheck(key, Cause::Rules, now);
            }
        }
        // Keys are below the capacity; a connection that came meanwhile was let in by the new rules.
        self.recheck = (end < self.connections.capacity()).then_some(end);
        self.recheck.is_some()
    }
}
