//! Events collected over a window for connections that asked for it: what falls into one goes out as one message
//! (contract: dashboard, Batching).
//!
//! Windows of one length end together for all connections, so that those that follow the same streams have the same
//! batches, which are then encoded and packed once. An answer to the client, and the end of its connection, end the window
//! early, so that nothing is told out of order. Bound: an event that would be more than [`MOST_MESSAGES`] or
//! [`MOST_BYTES`] in a window ends it first; what then waits for the socket is bounded as ever.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use protocol::flat;
use protocol::timestamp::TimestampFormat;
use protocol::websocket::text_frame;
use smallvec::SmallVec;

use super::connection::{Connection, Counts, Sent};
use super::lists::Key;
use super::{Now, Shard};
use crate::encoded::{packed, payload};
use crate::hub::Hub;
use crate::link::Link;
use crate::metrics::Metrics;

/// Events of a window; as many as the frames that an outbox holds by default.
const MOST_MESSAGES: usize = 1024;

/// Bytes of a window: a quarter of an outbox by default.
const MOST_BYTES: usize = 256 << 10;

/// What connections collect.
#[derive(Debug, Default)]
pub(super) struct Batches {
    open: HashMap<Key, Batch>,
    /// When windows end in which something is.
    due: BTreeSet<(u64, Key)>,
    /// The last batch that was encoded.
    last: Option<Last>,
}

#[derive(Debug)]
struct Batch {
    window: u32,
    /// Plain frames of one event each.
    messages: Vec<Bytes>,
    bytes: usize,
    /// When the window ends, where something is in it.
    due: u64,
}

/// A batch that others may have too.
#[derive(Debug)]
struct Last {
    messages: Vec<Bytes>,
    format: TimestampFormat,
    plain: Bytes,
    packed: Option<Bytes>,
}

impl Batches {
    /// Collects for a connection over so many milliseconds.
    fn begin(&mut self, key: Key, window: u32) {
        match self.open.get_mut(&key) {
            Some(batch) => batch.window = window,
            None => {
                drop(self.open.insert(key, Batch { window, messages: Vec::new(), bytes: 0, due: 0 }));
            }
        }
    }

    /// Whether a window has no room for a further event of so many bytes.
    fn is_full(&self, key: Key, bytes: usize) -> bool {
        self.open.get(&key).is_some_and(|batch| {
            batch.messages.len() >= MOST_MESSAGES
                || !batch.messages.is_empty() && batch.bytes + bytes > MOST_BYTES
        })
    }

    fn add(&mut self, key: Key, frame: Bytes, now_ms: u64) {
        let Some(batch) = self.open.get_mut(&key) else { return };
        if batch.messages.is_empty() {
            let window = u64::from(batch.window.max(1));
            batch.due = (now_ms / window + 1) * window;
            self.due.insert((batch.due, key));
        }
        batch.bytes += frame.len();
        batch.messages.push(frame);
    }

    /// Takes out what a connection has collected.
    fn take(&mut self, key: Key) -> Vec<Bytes> {
        let Some(batch) = self.open.get_mut(&key).filter(|batch| !batch.messages.is_empty()) else {
            return Vec::new();
        };
        self.due.remove(&(batch.due, key));
        batch.bytes = 0;
        std::mem::take(&mut batch.messages)
    }

    /// A connection collects no longer; what it has is forgotten.
    pub(super) fn end(&mut self, key: Key) {
        self.take(key);
        self.open.remove(&key);
    }

    /// Whether something is collected for a connection.
    pub(super) fn has(&self, key: Key) -> bool {
        self.open.get(&key).is_some_and(|batch| !batch.messages.is_empty())
    }

    /// When the next window ends.
    pub(super) fn next(&self) -> Option<u64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The frame of several events.
    fn encode(
        &mut self,
        messages: Vec<Bytes>,
        format: TimestampFormat,
        is_packed: bool,
        now: Now,
        metrics: &Metrics,
    ) -> Bytes {
        let is_last = self.last.as_ref().is_some_and(|last| {
            last.format == format
                && last.messages.len() == messages.len()
                && last.messages.iter().zip(&messages).all(|(a, b)| a.as_ptr() == b.as_ptr())
        });
        if !is_last {
            self.last = None;
        }
        let last = self.last.get_or_insert_with(|| {
            if let [lone] = &messages[..] {
                return Last { plain: lone.clone(), messages, format, packed: None };
            }
            let texts = messages.iter().map(|frame| payload(frame));
            let plain = text_frame(&flat::batch(texts, now.wall, format));
            Last { messages, format, plain, packed: None }
        });
        if is_packed {
            return last.packed.get_or_insert_with(|| packed(&last.plain, metrics)).clone();
        }
        last.plain.clone()
    }

    /// What a connection has collected, as one frame; none where that is nothing.
    fn frame<L>(&mut self, connection: &Connection<L>, key: Key, hub: &Hub, now: Now) -> Option<Bytes> {
        let messages = self.take(key);
        let format = connection.wire.timestamps()?;
        let metrics = hub.metrics();
        let is_packed = |bytes: usize| {
            connection.wire.is_deflate() && hub.limits().deflate_min.is_some_and(|min| bytes >= min)
        };
        match &messages[..] {
            [] => None,
            [message] if !is_packed(message.len()) => Some(message.clone()),
            several => {
                if several.len() > 1 {
                    metrics.batches.inc();
                    metrics.batched.inc_by(several.len() as u64);
                }
                let is_packed = is_packed(messages.iter().map(Bytes::len).sum());
                Some(self.encode(messages, format, is_packed, now, metrics))
            }
        }
    }
}

/// Adds an event for a connection that collects; what it has goes out first, where there is no room for more.
pub(super) fn collect<L: Link>(
    connection: &mut Connection<L>,
    (key, frame): (Key, Bytes),
    batches: &mut Batches,
    hub: &Hub,
    counts: &mut Counts,
    now: Now,
) -> Sent {
    counts.deliveries += 1;
    connection.is_unconfirmed = true;
    let mut sent = Sent::Written;
    if batches.is_full(key, frame.len())
        && let Some(full) = batches.frame(connection, key, hub, now)
    {
        sent = connection.send_one(&full, &hub.limits(), counts);
    }
    batches.add(key, frame, now.ms);
    sent
}

impl<L: Link> Shard<L> {
    /// Collects a connection's events over so many milliseconds from now on; 0 sends each at once.
    pub(super) fn batch(&mut self, key: Key, window: u32, now: Now) {
        self.catch_up(key, now);
        self.flush_batch(key, now);
        let Some(connection) = self.connections.get_mut(key as usize).filter(|it| it.is_open()) else {
            return;
        };
        if connection.wire.timestamps().is_none() {
            return;
        }
        connection.is_batching = window > 0;
        if window > 0 {
            self.batches.begin(key, window);
        } else {
            self.batches.end(key);
        }
    }

    /// When the next window of a batch ends, in milliseconds of the shard's clock.
    #[must_use]
    pub fn next_window(&self) -> Option<u64> {
        self.batches.next()
    }

    /// Events that are collected at the moment.
    #[must_use]
    pub fn collected(&self) -> usize {
        self.batches.open.values().map(|batch| batch.messages.len()).sum()
    }

    /// Sends what has been collected in windows that are over, of about `budget` connections. Returns what is left of it.
    pub(super) fn flush_batches(&mut self, budget: usize, now: Now) -> usize {
        let mut left = budget;
        while left > 0
            && let Some(&(_, key)) = self.batches.due.first().filter(|(due, _)| *due <= now.ms)
        {
            self.flush_batch(key, now);
            left -= 1;
        }
        if self.batches.due.is_empty() {
            self.batches.last = None;
        }
        left
    }

    /// Whether a window is over whose events are still to be sent.
    pub(super) fn has_due_batches(&self, now: Now) -> bool {
        self.batches.next().is_some_and(|due| due <= now.ms)
    }

    /// The events of a piece of the past as one frame, for a connection that collects. What it has collected goes out
    /// before: its pace is the socket's.
    pub(super) fn as_batch(
        &mut self,
        key: Key,
        frames: SmallVec<[Bytes; 8]>,
        now: Now,
    ) -> SmallVec<[Bytes; 8]> {
        self.flush_batch(key, now);
        let mut out = SmallVec::new();
        let Some(connection) = self.connections.get_mut(key as usize).filter(|it| it.is_open()) else {
            return out;
        };
        for frame in frames {
            if self.batches.is_full(key, frame.len()) {
                out.extend(self.batches.frame(connection, key, &self.hub, now));
            }
            self.batches.add(key, frame, now.ms);
        }
        out.extend(self.batches.frame(connection, key, &self.hub, now));
        out
    }

    /// Sends what a connection has collected.
    pub(super) fn flush_batch(&mut self, key: Key, now: Now) {
        let Some(connection) = self.connections.get_mut(key as usize).filter(|it| it.is_open()) else {
            self.batches.take(key);
            return;
        };
        let Some(frame) = self.batches.frame(connection, key, &self.hub, now) else { return };
        let sent = connection.send_one(&frame, &self.hub.limits(), &mut self.counts);
        self.settle(key, sent, now);
    }
}
