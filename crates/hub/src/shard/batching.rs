//! Events collected over a window for connections that asked for it: what falls into one goes out as one message
//! (contract: dashboard, Batching).
//!
//! Windows of one length end together for all connections, so that those that follow the same streams have the same
//! batches, which are then encoded once. An answer to the client, and the end of its connection, end the window early, so
//! that nothing is told out of order. Bound: a window that holds [`MOST_MESSAGES`] events or [`MOST_BYTES`] ends;
//! what then waits for the socket is bounded as ever.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use protocol::flat;
use protocol::timestamp::TimestampFormat;
use protocol::websocket::text_frame;

use smallvec::SmallVec;

use super::lists::Key;
use super::{Now, Shard};
use crate::encoded::{packed, payload};
use crate::link::Link;

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
    last: Option<(Vec<Bytes>, TimestampFormat, Bytes)>,
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

impl Batches {
    /// Collects for a connection over so many milliseconds.
    pub(super) fn begin(&mut self, key: Key, window: u32) {
        match self.open.get_mut(&key) {
            Some(batch) => batch.window = window,
            None => {
                drop(self.open.insert(key, Batch { window, messages: Vec::new(), bytes: 0, due: 0 }));
            }
        }
    }

    /// Adds an event for a connection that collects.
    pub(super) fn add(&mut self, key: Key, frame: Bytes, now_ms: u64) {
        let Some(batch) = self.open.get_mut(&key) else { return };
        if batch.messages.is_empty() {
            let window = u64::from(batch.window.max(1));
            batch.due = (now_ms / window + 1) * window;
            self.due.insert((batch.due, key));
        }
        batch.bytes += frame.len();
        batch.messages.push(frame);
        let is_full = batch.messages.len() >= MOST_MESSAGES || batch.bytes >= MOST_BYTES;
        if is_full && batch.due > now_ms {
            self.due.remove(&(batch.due, key));
            batch.due = now_ms;
            self.due.insert((now_ms, key));
        }
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

    /// When the next window ends.
    pub(super) fn next(&self) -> Option<u64> {
        self.due.first().map(|(due, _)| *due)
    }

    fn encode(&mut self, messages: Vec<Bytes>, format: TimestampFormat, now: Now) -> Bytes {
        if let Some((last, of, frame)) = &self.last
            && *of == format
            && last.len() == messages.len()
            && last.iter().zip(&messages).all(|(a, b)| a.as_ptr() == b.as_ptr())
        {
            return frame.clone();
        }
        let texts = messages.iter().map(|frame| payload(frame));
        let frame = text_frame(&flat::batch(texts, now.wall, format));
        self.last = Some((messages, format, frame.clone()));
        frame
    }
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

    /// Sends what has been collected in windows that are over.
    pub(super) fn flush_batches(&mut self, now: Now) {
        while let Some(&(_, key)) = self.batches.due.first().filter(|(due, _)| *due <= now.ms) {
            self.flush_batch(key, now);
        }
        if self.batches.due.is_empty() {
            self.batches.last = None;
        }
    }

    /// Sends events to a connection that collects at once, behind what it has collected: they are the past, and its pace
    /// is the socket's.
    pub(super) fn send_as_batch(&mut self, key: Key, frames: SmallVec<[Bytes; 8]>, now: Now) {
        self.flush_batch(key, now);
        frames.into_iter().for_each(|frame| self.batches.add(key, frame, now.ms));
        self.flush_batch(key, now);
    }

    /// Sends what a connection has collected.
    pub(super) fn flush_batch(&mut self, key: Key, now: Now) {
        let messages = self.batches.take(key);
        let Some(connection) = self.connections.get_mut(key as usize).filter(|it| it.is_open()) else {
            return;
        };
        let Some(format) = connection.wire.timestamps() else { return };
        let metrics = self.hub.metrics();
        let plain = match &messages[..] {
            [] => return,
            [message] => message.clone(),
            _ => {
                metrics.batches.inc();
                metrics.batched.inc_by(messages.len() as u64);
                self.batches.encode(messages, format, now)
            }
        };
        let is_large = self.hub.limits().deflate_min.is_some_and(|min| plain.len() >= min);
        let frame = if connection.wire.is_deflate() && is_large { packed(&plain, metrics) } else { plain };
        let sent = connection.send_one(&frame, self.hub.limits(), &mut self.counts);
        self.settle(key, sent, now);
    }
}
