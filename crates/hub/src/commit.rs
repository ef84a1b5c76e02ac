//! The way over the disk: publications that have to be stored are written in groups, each with one sync, and released to
//! the shards in the hub's order once they are safe. What comes meanwhile waits for the next group.
//!
//! One caller, which owns the journal, goes round: [`Hub::wait_for_commit`], [`Hub::begin_commit`],
//! [`Journal::commit`](crate::journal::Journal::commit), [`Hub::end_commit`]. A group that fails was never told to
//! anybody: its places are given back, and its publishers are refused. Bounds: so many publications and bytes wait as for
//! a shard ([`Limits`](crate::Limits)); more are refused with 503, which `fanfare_publications_refused_total` counts.
//!
//! Not here: what is on disk (the `journal` crate).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use protocol::channels::{self, Listing};
use protocol::timestamp::Timestamp;
use protocol::{Publication, PublicationId};

use crate::compact::{Moved, entry, stored_weight};
use crate::encoded::{Encoded, Ordered};
use crate::feeds::is_feed;
use crate::hub::Hub;
use crate::journal::{Group, JournalError, KeyEntry, ResumeChange, RetainedChange};
use crate::order::{Disk, Order, Pending};
use crate::outgoing::PublishError;
use crate::shard::Now;

/// Publications in one group, at most: what a disk takes in about the time of its sync.
const GROUP: usize = 1024;

/// Bytes of publications in one group, at most.
const GROUP_BYTES: usize = 4 << 20;

/// How long what nobody waits for, as a resume token, may stay unwritten.
const LAZY: Duration = Duration::from_millis(100);

/// How long a group waits at most for those who were answered with the last one: they mostly publish again at once, and a
/// larger group costs hardly more. Measured with 64 calls in flight: 1.3 times the publications per second.
const GATHER: Duration = Duration::from_micros(300);

/// How often keys on disk are looked through for those whose time is over, in milliseconds.
const KEYS_SWEEP_MS: i64 = 60_000;

/// What stands before a channel's name in that of the stream of those who watch who is in it. No channel has such a name.
pub(crate) const WATCH_PREFIX: &str = "@presence:";

/// What the publications of one batch share: once one of them could not be stored, those after it are refused too.
#[derive(Debug)]
pub struct Fate {
    /// No two batches of a process have the same.
    number: u64,
    why: OnceLock<PublishError>,
}

impl Default for Fate {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), why: OnceLock::new() }
    }
}

impl Fate {
    /// Why later publications are refused; the first reason stays.
    #[must_use]
    pub fn failure(&self) -> Option<PublishError> {
        self.why.get().copied()
    }

    /// The batch's number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Refuses all later ones.
    pub fn fail(&self, why: PublishError) {
        self.why.get_or_init(|| why);
    }
}

/// A group on its way to disk.
#[derive(Debug)]
pub struct Commit {
    group: Group,
    formed: Vec<(Pending, Arc<Encoded>)>,
    /// What it takes over from older groups.
    moved: Moved,
    began: Instant,
}

impl Commit {
    /// What is to be written.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }
}

/// What the caller of [`Hub::wait_for_commit`] is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// There may be something to write.
    Work,
    /// The hub has stopped, and nothing is left to write.
    Stopped,
}

impl Hub {
    /// Waits until there is something to write.
    #[must_use]
    pub fn wait_for_commit(&self) -> Wait {
        let idle = |order: &mut Order| order.pending.is_empty() && !order.is_stopped;
        let mut order = self.order();
        if !order.has_changes() {
            order = self
                .commits
                .wait_while(order, |order| idle(order) && !order.has_changes())
                .unwrap_or_else(PoisonError::into_inner);
        }
        if idle(&mut order) {
            let waited = self.commits.wait_timeout_while(order, LAZY, idle);
            order = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let is_few = |order: &mut Order| order.pending.len() < order.awaited && !order.is_stopped;
        if is_few(&mut order) {
            let waited = self.commits.wait_timeout_while(order, GATHER, is_few);
            order = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let is_done = order.is_stopped && order.pending.is_empty() && !order.has_changes();
        if is_done { Wait::Stopped } else { Wait::Work }
    }

    /// Lets [`Hub::wait_for_commit`] end once all is written.
    pub fn stop_commits(&self) {
        self.order().is_stopped = true;
        self.commits.notify_one();
    }

    /// Whether the hub has stopped: what can't be written now never will be.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.order().is_stopped
    }

    /// Forms the next group; none where there is nothing to write.
    #[must_use]
    pub fn begin_commit(&self, now: Timestamp) -> Option<Commit> {
        let mut guard = self.order();
        let order = &mut *guard;
        if order.is_writing {
            return None;
        }
        // No later publication has this number or a lower one, and no earlier group has it.
        order.seq += 1;
        let group = Group { seq: order.seq, ..Group::default() };
        let mut commit = Commit { group, formed: Vec::new(), moved: Moved::default(), began: Instant::now() };
        let mut bytes = 0;
        while commit.formed.len() < GROUP && bytes < GROUP_BYTES {
            let Some(pending) = order.pending.pop_front() else { break };
            let weight = crate::encoded::weight(&pending.outgoing.publication);
            order.pending_bytes -= weight;
            order.history.end_await(&pending.streams);
            if let Some(error) = pending.outgoing.fate.as_ref().and_then(|fate| fate.failure()) {
                self.refuse(pending, error);
                continue;
            }
            bytes += weight;
            self.form(order, &mut commit, pending);
        }
        let has_publications = !commit.formed.is_empty();
        self.add_changes(order, &mut commit.group, has_publications, now);
        commit.moved = order.compact(&mut commit.group);
        if commit.formed.is_empty() && commit.moved.is_empty() && commit.group.is_empty() {
            self.begin_farewell(order);
            return None;
        }
        order.is_writing = true;
        order.writing = commit.formed.len();
        drop(guard);
        self.fill(&mut commit);
        Some(commit)
    }

    /// Gives a publication its place in the group.
    fn form(&self, order: &mut Order, commit: &mut Commit, pending: Pending) {
        let Pending { outgoing, streams, disk, .. } = &pending;
        let is_stored =
            *disk == Disk::Needed && streams.iter().any(|&stream| order.history.is_durable(stream));
        let group = if is_stored { commit.group.seq } else { 0 };
        let encoded = self.encode(order, outgoing, streams, group);
        commit.formed.push((pending, encoded));
    }

    /// Writes down what the group has of its publications; nobody waits for the order's lock meanwhile.
    fn fill(&self, commit: &mut Commit) {
        let Commit { group, formed, moved, .. } = commit;
        group.entries.extend(moved.entries());
        for (pending, encoded) in formed.iter().filter(|(pending, _)| pending.disk == Disk::Needed) {
            let entry = Arc::new(entry(encoded));
            if let Some(retain) = &pending.outgoing.retain {
                let expires = expiry(encoded.accepted(), retain.keep);
                let places = encoded.places().iter().filter(|place| !is_feed(&place.stream.name));
                group.retained.extend(places.map(|place| RetainedChange::Set {
                    stream: place.stream.name.as_str().into(),
                    key: retain.key.clone(),
                    expires,
                    entry: Arc::clone(&entry),
                }));
            }
            if let Some(key) = &pending.outgoing.key {
                group.keys.push(KeyEntry {
                    key: key.key().clone(),
                    id: encoded.publication().id,
                    recipients: self.estimate(encoded),
                    at: encoded.accepted(),
                });
            }
            if !entry.places.is_empty() {
                group.entries.push(entry);
            }
        }
    }

    /// About how many connections a publication goes to.
    fn estimate(&self, encoded: &Encoded) -> u32 {
        let followers = |name: &str| self.registry().get(name).map_or(0, |entry| entry.followers());
        encoded.places().iter().map(|place| followers(&place.stream.name)).fold(0, u32::saturating_add)
    }

    /// What the disk has to be told beside publications.
    fn add_changes(&self, order: &mut Order, group: &mut Group, has_publications: bool, now: Timestamp) {
        group.resumes = std::mem::take(&mut order.resumes).into_values().collect();
        // What was forgotten stands before what is set: it is of the time before.
        group.retained = std::mem::take(&mut order.forgotten_state);
        order.count_dropped(group);
        if order.resets != order.history.resets() {
            order.resets = order.history.resets();
            group.resets = Some(order.resets);
        }
        let is_due = order.keys_swept.is_none_or(|at| now.as_millis() - at.as_millis() > KEYS_SWEEP_MS);
        if is_due && (has_publications || !group.is_empty()) {
            order.keys_swept = Some(now);
            let keep = i64::try_from(self.limits().idempotency.as_millis()).unwrap_or(i64::MAX);
            group.forget_keys_before = Some(Timestamp::from_millis(now.as_millis().saturating_sub(keep)));
        }
    }

    /// Releases a group that is on disk, or refuses one that is not.
    pub fn end_commit(&self, commit: Commit, written: Result<(), &JournalError>) {
        let Commit { group, formed, moved, began } = commit;
        let metrics = self.metrics();
        metrics.commit_seconds.observe(began.elapsed().as_secs_f64());
        // Told once the lock is free: who is answered publishes again, and needs it.
        let mut replies = Vec::with_capacity(formed.len());
        let mut guard = self.order();
        let order = &mut *guard;
        order.is_writing = false;
        order.writing = 0;
        match written {
            Ok(()) => {
                metrics.storage_up.set(1);
                metrics.commit_publications.observe(formed.len() as f64);
                order.awaited = formed.len() + order.pending.len();
                order.note_group(&group, &formed);
                order.note_moved(group.seq, moved);
                for (pending, encoded) in formed {
                    let recipients = self.release(order, pending.outgoing, encoded, &pending.streams, None);
                    replies.push((pending.reply, recipients));
                }
            }
            Err(error) => {
                metrics.storage_up.set(0);
                order.awaited = 0;
                metrics.commit_failures.inc();
                let refusal = match error {
                    JournalError::Full(_) => PublishError::StorageFull,
                    JournalError::Failed(_) => PublishError::StorageFailed,
                };
                for (pending, _) in &formed {
                    pending.streams.iter().for_each(|&stream| order.history.unassign(stream));
                }
                order.put_back(group, &moved);
                for (pending, _) in formed {
                    let fate = pending.outgoing.fate.as_ref().and_then(|fate| fate.failure());
                    if pending.disk == Disk::Needed {
                        self.refuse(pending, refusal);
                    } else if let Some(earlier) = fate {
                        self.refuse(pending, earlier);
                    } else {
                        let encoded = self.encode(order, &pending.outgoing, &pending.streams, 0);
                        let recipients =
                            self.release(order, pending.outgoing, encoded, &pending.streams, None);
                        replies.push((pending.reply, recipients));
                    }
                }
            }
        }
        self.begin_farewell(order);
        drop(guard);
        for (reply, recipients) in replies {
            // The publisher may have gone; what it sent goes out all the same.
            let _ = reply.send(Ok(recipients));
        }
    }

    /// Tells those who watch a channel who came and went.
    fn tell_presence(&self, now: Now) {
        for changes in self.presence().due(now) {
            let Some(watchers) = self.registry().get(&format!("{WATCH_PREFIX}{}", changes.channel)) else {
                continue;
            };
            let listing = if changes.truncated { Listing::Truncated } else { Listing::Whole };
            let data = channels::presence_changed_data(
                &changes.channel,
                changes.joined.iter().map(|(user, since)| (user, *since)),
                &changes.left,
                changes.count,
                listing,
            );
            let publication = Arc::new(Publication {
                id: PublicationId::now(),
                event_type: "presence_changed".into(),
                data,
                timestamp: now.wall,
            });
            let order = self.order();
            // Not the last number that was given: its publication may still be on its way to the disk.
            let ordered = Ordered { seq: order.released, ..Ordered::default() };
            let encoded = Encoded::new(publication, None, ordered, now.wall, self.event_form());
            self.deliver(&watchers, &Arc::new(encoded), None);
            drop(order);
        }
    }

    fn refuse(&self, pending: Pending, why: PublishError) {
        self.metrics().publications_refused.with_label_values(&[why.reason()]).inc();
        if let Some(fate) = &pending.outgoing.fate {
            fate.fail(why);
        }
        // Its key is dropped with it, so that a repeat is a first call again.
        drop(pending.outgoing);
        let _ = pending.reply.send(Err(why));
    }

    /// Notes what can be resumed; it is on disk soon.
    pub(crate) fn note_resume(&self, change: impl IntoIterator<Item = ResumeChange>) {
        if self.is_clustered {
            let mut order = self.order();
            change.into_iter().for_each(|change| self.note_in(&mut order, change));
            return;
        }
        if !self.has_journal {
            return;
        }
        let mut order = self.order();
        let was_empty = !order.has_changes();
        change.into_iter().for_each(|change| order.note_resume(change));
        let is_first = was_empty && order.has_changes();
        drop(order);
        if is_first {
            self.commits.notify_one();
        }
    }

    /// Forgets what is too old: in history, retained state, and dropped connections. To be called about twice a second,
    /// by one caller.
    pub fn keep_house(&self, now: Now) {
        self.tell_presence(now);
        self.tell_absences(now);
        let (moment, now) = (now, now.wall);
        let expired = self.resumes().expire(now);
        let mut order = self.order();
        let order_ref = &mut *order;
        order_ref.history.sweep(now);
        order_ref.expire_state(now);
        if self.is_clustered {
            self.keep_cluster(order_ref, moment);
            self.begin_farewell(order_ref);
        } else {
            order_ref.forget_some(|name| self.registry().get(name).is_some());
        }
        if self.has_journal {
            expired.into_iter().for_each(|one| order_ref.note_resume(ResumeChange::Forget(one)));
        } else {
            drop(order_ref.history.take_dropped());
            order_ref.forgotten_state.clear();
        }
        self.tell_history(order_ref);
        let has_changes = order_ref.has_changes();
        drop(order);
        if has_changes && self.has_journal {
            self.commits.notify_one();
        }
    }
}

impl Order {
    /// Counts the entries of a written group that streams are about to keep.
    fn note_group(&mut self, group: &Group, formed: &[(Pending, Arc<Encoded>)]) {
        for (pending, encoded) in formed.iter().filter(|(_, encoded)| encoded.group() == group.seq) {
            let durable = encoded.places().iter().zip(&pending.streams);
            let durable = durable.filter(|&(_, &stream)| self.history.is_durable(stream));
            let streams = durable.map(|(place, _)| Arc::clone(&place.stream)).collect();
            self.note_entry(group.seq, encoded, streams);
        }
        if let Some(live) = self.groups.get_mut(&group.seq) {
            live.streams.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            live.streams.dedup();
        }
    }

    /// Adds to `group` which earlier groups are no longer needed, and the ends of their streams.
    fn count_dropped(&mut self, group: &mut Group) {
        group.remove.append(&mut self.unwritten.remove);
        group.ends.append(&mut self.unwritten.ends);
        group.forget_streams.append(&mut self.unwritten.forget_streams);
        let dropped = self.history.take_dropped();
        for event in dropped.events {
            let Some(live) = self.groups.get_mut(&event.group()) else { continue };
            live.live = live.live.saturating_sub(1);
            self.live_bytes = self.live_bytes.saturating_sub(stored_weight(&event));
            if live.live == 0 {
                self.retire(event.group(), group);
            }
        }
        group.forget_streams.extend(dropped.streams.iter().map(|key| key.name.as_str().into()));
    }

    /// Has a group removed of which no entry is needed, and the ends of those of its streams written that have nothing
    /// else on disk.
    pub(crate) fn retire(&mut self, number: u64, into: &mut Group) {
        let Some(gone) = self.groups.remove(&number) else { return };
        self.disk_bytes = self.disk_bytes.saturating_sub(gone.bytes);
        into.remove.push(number);
        self.tell_ends(&gone.streams, into);
    }

    /// Takes back what a group had to say that failed.
    fn put_back(&mut self, group: Group, moved: &Moved) {
        let newer = std::mem::take(&mut self.resumes);
        group.resumes.into_iter().chain(newer.into_values()).for_each(|change| self.note_resume(change));
        let forgotten = group.retained.into_iter().filter(|one| matches!(one, RetainedChange::Forget { .. }));
        self.forgotten_state = forgotten.chain(std::mem::take(&mut self.forgotten_state)).collect();
        self.unwritten.remove.extend(group.remove.into_iter().filter(|number| !moved.takes(*number)));
        self.unwritten.ends.extend(group.ends);
        self.unwritten.forget_streams.extend(group.forget_streams);
        if group.resets.is_some() {
            // Another number than the history's: it is told again.
            self.resets = u64::MAX;
        }
        if group.forget_keys_before.is_some() {
            self.keys_swept = None;
        }
    }
}

/// When something is forgotten.
pub(crate) fn expiry(from: Timestamp, keep: Duration) -> Timestamp {
    let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(from.as_millis().saturating_add(keep))
}

#[cfg(test)]
mod tests {
    use super::Fate;

    #[test]
    fn no_batch_is_taken_for_one_that_has_ended() {
        // The second may well stand where the first one stood.
        let ended = Fate::default().number();
        assert_ne!(Fate::default().number(), ended);
    }
}
