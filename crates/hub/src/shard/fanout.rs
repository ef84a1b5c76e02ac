//! The slices in which a shard delivers: what runs next, and to whom it writes until the budget is used up.
//!
//! What a run consists of stands in `delivery`; here it meets the connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use super::batching::{Batches, collect};
use super::connection::{Connection, Counts, Sent};
use super::deliveries::{Told, told_of};
use super::delivery::{Gather, PASS_MIN, Pass, Run};
use super::lists::{Follower, Key};
use super::recovery::{placed_frame, seen, send_frames};
use super::{Now, Shard, find};
use crate::encoded::Encoded;
use crate::hub::Hub;
use crate::inbox::{Delivery, To};
use crate::link::Link;
use crate::registry::StreamEntry;

/// Visits of followers that count as one write when a slice is measured: they only compare two numbers.
const VISITS_PER_WRITE: usize = 32;

/// Bytes for which the memory of a joint write is kept; what a larger one needed is given back.
const SPARE_BYTES: usize = 256 << 10;

/// The audience from which waiting for company pays: below, a pass takes less than it costs to fall asleep.
const PATIENCE_MIN: usize = 512;

/// What is waited in any case, for each follower: one twenty-fifth of the time that serving it takes (5 µs a write).
const PATIENCE: Duration = Duration::from_nanos(200);

/// What is waited for those that are expected, for each follower, and at most. Measured with two nodes on one Redis that syncs its file, of
/// 16 publications outstanding: with 2, 3, 4 and 6 µs 8.6, 9.3, 11.2 and 12.3 go out in a write.
const PATIENCE_FOR_KNOWN: Duration = Duration::from_micros(4);
const PATIENCE_MOST: Duration = Duration::from_millis(4);

/// How long to wait for company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// In any case.
    pub least: Duration,
    /// While fewer are there than `company`.
    pub most: Duration,
    /// How many publications went round together the last time.
    pub company: usize,
}

impl<L: Link> Shard<L> {
    /// How long to wait for company before a large audience is served. What arrives meanwhile goes out in the same writes, and
    /// publications that went out together are answered together, so that publishers who wait for each other stay together. Those of
    /// them that a broker tells one after the other are waited for longer.
    #[must_use]
    pub fn patience(&self) -> Option<Patience> {
        let first = self.queue.front().filter(|first| self.run.is_none() && first.except.is_none())?;
        let To::Stream(entry) = &first.to else { return None };
        let list = entry.list_on(self.index)?;
        let followers = self.lists.get(list).followers.len();
        if followers < PATIENCE_MIN {
            return None;
        }
        let of_all = |each: Duration| each.saturating_mul(u32::try_from(followers).unwrap_or(u32::MAX));
        let least = of_all(PATIENCE);
        let most = least.max(of_all(PATIENCE_FOR_KNOWN).min(PATIENCE_MOST));
        let company = self.company.filter(|(of, _)| *of == list).map_or(1, |(_, company)| company);
        Some(Patience { least, most, company })
    }

    /// How many publications wait to be delivered.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Delivers to about `budget` connections. Returns what is left of it.
    pub(super) fn fan_out(&mut self, budget: usize, now: Now) -> usize {
        let mut left = budget;
        while left > 0 {
            left = match self.run.take() {
                Some(Run::Pass(pass)) => self.pass(pass, left, now),
                Some(Run::Gather(gather)) => self.gather(gather, left, now),
                None if self.begin() => left,
                None => break,
            };
        }
        left
    }

    /// Begins to deliver what stands first in the queue.
    fn begin(&mut self) -> bool {
        self.bury();
        let Some(first) = self.queue.front() else { return false };
        let large = match &first.to {
            To::Stream(entry) if first.except.is_none() => entry.list_on(self.index).filter(|&list| {
                self.lists.get(list).followers.len() >= PASS_MIN
                    && self.queue.iter().all(|delivery| is_for(delivery, entry))
            }),
            _ => None,
        };
        if let Some(list) = large {
            self.run = Some(Run::Pass(Pass::new(list, self.lists.get(list).head, 0)));
        } else {
            let mut gather = std::mem::take(&mut self.spare);
            let (by_id, connections) = (&self.by_id, &self.connections);
            gather.fill(&mut self.queue, &self.lists, self.index, |named| {
                find(by_id, connections, named.id).filter(|&key| {
                    let connection = &connections[key as usize];
                    connection.is_open() && named.allows(connection.wire)
                })
            });
            if let Some(last) = gather.items.last() {
                self.begun = self.begun.max(last.encoded.seq());
            }
            self.run = Some(Run::Gather(gather));
        }
        true
    }

    /// One slice of a pass. Returns what is left of the budget.
    fn pass(&mut self, mut pass: Pass, budget: usize, now: Now) -> usize {
        let metrics = self.hub.metrics();
        let list = self.lists.get_mut(pass.list);
        while pass.has_room() && self.queue.front().is_some_and(|delivery| is_for(delivery, &list.entry)) {
            if let Some(delivery) = self.queue.pop_front() {
                list.head = list.head.wrapping_add(1);
                self.begun = self.begun.max(delivery.encoded.seq());
                pass.take(delivery.encoded, list.entry.name(), list.followers.len(), metrics);
            }
        }
        let mut unsettled: SmallVec<[(Key, Sent); 8]> = SmallVec::new();
        let mut told: Vec<(Key, Told, Sent)> = Vec::new();
        let mut left = budget;
        let mut visits = 0;
        while left > 0 {
            while let Some(done) = pass.pop_due() {
                finish(&self.hub, self.index, &done);
            }
            if !pass.is_on() {
                break;
            }
            if pass.cursor >= list.followers.len() {
                pass.cursor = 0;
            }
            let Some(follower) = list.followers.get_mut(pass.cursor) else {
                while let Some(done) = pass.pop() {
                    finish(&self.hub, self.index, &done);
                }
                break;
            };
            pass.advance();
            visits += 1;
            if visits % VISITS_PER_WRITE == 0 {
                left -= 1;
            }
            if follower.seen == list.head {
                continue;
            }
            left = left.saturating_sub(1);
            let Some(connection) = self.connections.get_mut(follower.key as usize) else { continue };
            let ahead = pass.told_to(connection, follower, &self.hub);
            let sent = if connection.is_batching {
                let batches = &mut self.batches;
                collect_rest(
                    connection,
                    follower,
                    list.head,
                    &mut pass,
                    &self.hub,
                    batches,
                    &mut self.counts,
                    now,
                )
            } else {
                send_rest(connection, follower, list.head, &mut pass, &self.hub, &mut self.counts)
            };
            if !ahead.is_empty() {
                told.push((follower.key, ahead, sent));
            }
            if matches!(sent, Sent::Full | Sent::Broken) {
                unsettled.push((follower.key, sent));
            }
        }
        for (key, ahead, sent) in told {
            self.note_sent(key, ahead, sent, now);
        }
        let (is_on, list) = (pass.is_on(), pass.list);
        if is_on {
            self.run = Some(Run::Pass(pass));
        } else {
            self.company = Some((list, pass.most_together()));
        }
        for (key, sent) in unsettled {
            self.settle(key, sent, now);
        }
        if !is_on {
            self.lists.remove_if_empty(self.index, list);
        }
        left
    }

    /// One slice of a gather. Returns what is left of the budget.
    fn gather(&mut self, mut gather: Gather, budget: usize, now: Now) -> usize {
        let mut left = budget;
        while left > 0 {
            let Some((key, range)) = gather.next_group() else { break };
            left -= 1;
            let sent = self.send_group(key, &gather.items, &gather.entries[range], now);
            self.settle(key, sent, now);
        }
        if !gather.is_done() {
            self.run = Some(Run::Gather(gather));
            return left;
        }
        for delivery in &gather.items {
            finish(&self.hub, self.index, &delivery.encoded);
        }
        let to = gather.closing();
        gather.clear();
        self.spare = gather;
        self.scratch.clear();
        self.scratch.shrink_to(SPARE_BYTES);
        if let Some(closing) = to.as_ref().and_then(To::closing) {
            left = left.saturating_sub(self.close_sessions(closing, now));
        }
        left
    }

    /// Writes those of `items` to a connection that `entries` name.
    fn send_group(&mut self, key: Key, items: &[Delivery], entries: &[(Key, u32)], now: Now) -> Sent {
        let mut told = Told::new();
        let sent = self.write_group(key, items, entries, &mut told);
        self.note_sent(key, told, sent, now);
        sent
    }

    /// The same, without a note of it; `told` gets those that are told to hooks.
    fn write_group(&mut self, key: Key, items: &[Delivery], entries: &[(Key, u32)], told: &mut Told) -> Sent {
        let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else {
            return Sent::Written;
        };
        let (limits, metrics) = (&*self.hub.limits(), self.hub.metrics());
        let wire = connection.wire;
        let event = |&(_, item): &(Key, u32)| &*items[item as usize].encoded;
        if let Some(recovery) = &connection.recovery {
            let mut frames: SmallVec<[Bytes; 8]> = SmallVec::new();
            let (floor, began) = (recovery.floor, recovery.began);
            let alone = if recovery.is_entering() { began } else { 0 };
            for &(_, item) in entries {
                let encoded = &*items[item as usize].encoded;
                let seen = seen(connection, &self.lists, encoded);
                // What is in none of its streams can't be given again, so it is never too early or too late; but nothing
                // comes to a socket that was not let in yet.
                let after = if seen.is_empty() {
                    alone
                } else if encoded.is_kept_in(&seen) {
                    floor
                } else {
                    began
                };
                if encoded.seq() <= after || is_about(connection, encoded) {
                    continue;
                }
                told.extend(told_of(&self.hub, [encoded]));
                // A replay has told what came after it, or will.
                frames.push(match wire.is_socket() && encoded.seq() <= floor {
                    true => encoded.frame(wire.out_of_turn(), metrics).clone(),
                    false => placed_frame(connection, encoded, &seen, metrics),
                });
            }
            if connection.is_batching {
                return self.collect_all(key, &frames);
            }
            self.counts.deliveries += frames.len() as u64;
            connection.is_unconfirmed |= !frames.is_empty();
            return send_frames(connection, &frames, &mut self.scratch, limits, &mut self.counts);
        }
        if connection.is_batching {
            let frame =
                |&(_, item): &(Key, u32)| items[item as usize].encoded.frame(wire.plain(), metrics).clone();
            let frames: SmallVec<[Bytes; 8]> = entries.iter().map(frame).collect();
            *told = told_of(&self.hub, entries.iter().map(event));
            return self.collect_all(key, &frames);
        }
        let others: SmallVec<[(Key, u32); 8]>;
        let is_told = |&&(_, item): &&(Key, u32)| !is_about(connection, &items[item as usize].encoded);
        let entries = if wire.is_socket() && !entries.iter().all(|entry| is_told(&entry)) {
            others = entries.iter().filter(is_told).copied().collect();
            &others[..]
        } else {
            entries
        };
        if entries.is_empty() {
            return Sent::Written;
        }
        let frame = |&(_, item): &(Key, u32)| items[item as usize].encoded.frame(wire, metrics);
        *told = told_of(&self.hub, entries.iter().map(event));
        self.counts.deliveries += entries.len() as u64;
        if let [entry] = entries {
            return connection.send_one(frame(entry), limits, &mut self.counts);
        }
        self.scratch.clear();
        for entry in entries {
            self.scratch.extend_from_slice(frame(entry));
        }
        connection.send(&self.scratch, entries.iter().map(frame), limits, &mut self.counts)
    }

    /// Gives a connection what the run still has for it, before its turn.
    pub(super) fn catch_up(&mut self, key: Key, now: Now) {
        let sent = match self.run.take() {
            None => return,
            Some(Run::Gather(mut gather)) => {
                let entries = gather.take_group(key);
                let sent = self.send_group(key, &gather.items, &entries, now);
                self.run = Some(Run::Gather(gather));
                sent
            }
            Some(Run::Pass(mut pass)) => {
                let sent = self.send_pass(key, &mut pass, now);
                self.run = Some(Run::Pass(pass));
                sent
            }
        };
        self.settle(key, sent, now);
    }

    fn send_pass(&mut self, key: Key, pass: &mut Pass, now: Now) -> Sent {
        let list = self.lists.get_mut(pass.list);
        let Some(connection) = self.connections.get_mut(key as usize) else { return Sent::Written };
        let Some(follow) = connection.follows.iter().find(|follow| follow.list() == pass.list) else {
            return Sent::Written;
        };
        let follower = &mut list.followers[follow.at()];
        if follower.seen == list.head {
            return Sent::Written;
        }
        let told = pass.told_to(connection, follower, &self.hub);
        let sent = if connection.is_batching {
            let (clock, batches) = (self.clock, &mut self.batches);
            let counts = &mut self.counts;
            collect_rest(connection, follower, list.head, pass, &self.hub, batches, counts, clock)
        } else {
            send_rest(connection, follower, list.head, pass, &self.hub, &mut self.counts)
        };
        self.note_sent(key, told, sent, now);
        sent
    }

    /// Collects events for a connection.
    fn collect_all(&mut self, key: Key, frames: &[Bytes]) -> Sent {
        let Some(connection) = self.connections.get_mut(key as usize) else { return Sent::Written };
        for frame in frames {
            let event = (key, frame.clone());
            let sent = collect(connection, event, &mut self.batches, &self.hub, &mut self.counts, self.clock);
            if matches!(sent, Sent::Full | Sent::Broken) {
                return sent;
            }
        }
        Sent::Written
    }
}

impl Pass {
    /// What a follower gets of it that is told to hooks.
    fn told_to<L>(&self, connection: &Connection<L>, follower: &Follower, hub: &Hub) -> Told {
        if hub.deliveries().hooks().is_none() {
            return Told::new();
        }
        let skip = skipped(connection, follower.seen, self);
        told_of(hub, self.behind(skip).map(|encoded| &**encoded))
    }
}

/// What a follower has not had of a pass, and is not told by replay.
fn skip<L>(connection: &Connection<L>, follower: &mut Follower, head: u32, pass: &Pass) -> usize {
    skipped(connection, std::mem::replace(&mut follower.seen, head), pass)
}

fn skipped<L>(connection: &Connection<L>, seen: u32, pass: &Pass) -> usize {
    let after = match (&connection.recovery, pass.is_kept()) {
        (Some(recovery), Some(true)) => recovery.floor,
        (Some(recovery), Some(false)) => recovery.began,
        _ => 0,
    };
    pass.skip(seen, after)
}

/// Collects for a follower what it has not had of a pass, up to the publication numbered `head`.
#[expect(clippy::too_many_arguments, reason = "they are what a shard has beside its lists")]
fn collect_rest<L: Link>(
    connection: &mut Connection<L>,
    follower: &mut Follower,
    head: u32,
    pass: &mut Pass,
    hub: &Hub,
    batches: &mut Batches,
    counts: &mut Counts,
    now: Now,
) -> Sent {
    let skip = skip(connection, follower, head, pass);
    for encoded in pass.behind(skip) {
        let frame = encoded.frame(connection.wire.plain(), hub.metrics()).clone();
        let sent = collect(connection, (follower.key, frame), batches, hub, counts, now);
        if matches!(sent, Sent::Full | Sent::Broken) {
            return sent;
        }
    }
    Sent::Written
}

/// Writes to a follower what it has not had of a pass, up to the publication numbered `head`.
fn send_rest<L: Link>(
    connection: &mut Connection<L>,
    follower: &mut Follower,
    head: u32,
    pass: &mut Pass,
    hub: &Hub,
    counts: &mut Counts,
) -> Sent {
    let skip = skip(connection, follower, head, pass);
    if connection.wire.index().is_none() {
        let frames: SmallVec<[Bytes; 8]> = pass
            .behind(skip)
            .map(|encoded| {
                let seen = (0..encoded.places().len()).collect();
                placed_frame(connection, encoded, &seen, hub.metrics())
            })
            .collect();
        counts.deliveries += frames.len() as u64;
        return send_frames(connection, &frames, &mut Vec::new(), &hub.limits(), counts);
    }
    let floor = connection.recovery.as_ref().map_or(0, |recovery| recovery.floor);
    let is_early = |encoded: &Arc<Encoded>| encoded.seq() <= floor;
    if connection.wire.is_socket() && pass.behind(skip).next().is_some_and(is_early) {
        let wire = |encoded| if is_early(encoded) { connection.wire.out_of_turn() } else { connection.wire };
        let frames: SmallVec<[Bytes; 8]> =
            pass.behind(skip).map(|encoded| encoded.frame(wire(encoded), hub.metrics()).clone()).collect();
        counts.deliveries += frames.len() as u64;
        return send_frames(connection, &frames, &mut Vec::new(), &hub.limits(), counts);
    }
    let (bytes, frames) = pass.rest(skip, connection.wire, hub.metrics());
    if frames.len() == 0 {
        return Sent::Written;
    }
    counts.deliveries += frames.len() as u64;
    connection.is_unconfirmed = true;
    connection.send(bytes, frames, &hub.limits(), counts)
}

/// Whether an event tells a socket of its own user's coming or going, which is for the others alone.
pub(super) fn is_about<L>(connection: &Connection<L>, encoded: &Encoded) -> bool {
    let user = || connection.identity.as_ref().map(|identity| identity.user.as_str());
    encoded.about().is_some_and(|about| connection.wire.is_socket() && user() == Some(about))
}

fn is_for(delivery: &Delivery, entry: &Arc<StreamEntry>) -> bool {
    delivery.except.is_none() && matches!(&delivery.to, To::Stream(to) if Arc::ptr_eq(to, entry))
}

fn finish(hub: &Hub, shard: usize, encoded: &Encoded) {
    hub.inbox(shard).done(encoded);
    hub.metrics().fanout_seconds.observe(encoded.accepted_at().elapsed().as_secs_f64());
}
