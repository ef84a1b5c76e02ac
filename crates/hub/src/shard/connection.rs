//! A connection as its shard keeps it: small while idle, with an outbox only while its socket is not writable.

use std::io;

use bytes::Bytes;
use protocol::ConnectionId;
use smallvec::SmallVec;

use super::lists::Follow;
use super::recovery::Recovery;
use crate::endpoint::{EndpointIndex, Naming};
use crate::hub::Admission;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::link::Link;
use crate::outbox::Outbox;
use crate::rate::RateWindow;
use crate::wire::Wire;

/// Where a connection stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It gets events.
    Open,
    /// Its Close frame is out or on its way; what the client still sends is not looked at.
    Closing {
        /// Whether the client has sent its Close frame too, so that the end need not wait for it.
        agreed: bool,
    },
    /// It only waits to be taken out.
    Dead,
}

/// One client.
#[derive(Debug)]
pub(super) struct Connection<L> {
    pub(super) link: L,
    pub(super) id: ConnectionId,
    pub(super) outbox: Option<Box<Outbox>>,
    pub(super) identity: Option<Box<Identity>>,
    pub(super) rate: RateWindow,
    pub(super) follows: SmallVec<[Follow; 3]>,
    /// Gives the place among the node's connections back.
    pub(super) _admission: Option<Admission>,
    /// When something last came from the client; milliseconds of the shard's clock, wrapping.
    pub(super) heard_at: u32,
    /// When it came, in seconds since 1970.
    pub(super) opened: u32,
    /// When the next ping is due, likewise.
    pub(super) ping_due: u32,
    /// The close code that metrics get; 1006 until somebody closes.
    pub(super) close_code: u16,
    pub(super) wire: Wire,
    /// Where it came in.
    pub(super) endpoint: EndpointIndex,
    /// Whose it may say that it is.
    pub(super) naming: Naming,
    /// Whether its events are collected over a window.
    pub(super) is_batching: bool,
    /// Whether it was given something since it was last asked what has arrived.
    pub(super) is_unconfirmed: bool,
    /// Whether it counts as open.
    pub(super) is_welcomed: bool,
    pub(super) state: State,
    /// Whether the client was told that its token ends soon.
    pub(super) warned: bool,
    /// What only a connection has that asked for recovery.
    pub(super) recovery: Option<Box<Recovery>>,
}

/// What became of bytes that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// They are with the kernel.
    Written,
    /// They wait in the outbox, at least in part.
    Queued,
    /// The outbox is full.
    Full,
    /// The connection is broken.
    Broken,
}

/// What a shard did since it last told its metrics.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) deliveries: u64,
    pub(super) writes: u64,
    pub(super) bytes: u64,
    pub(super) outbox_bytes: i64,
    pub(super) outboxes: i64,
}

impl<L: Link> Connection<L> {
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether its client comes back by its id.
    pub(super) fn is_tracked(&self) -> bool {
        self.wire.timestamps().is_some() && self.recovery.is_some()
    }

    /// Whether nothing waits, neither in the outbox nor in the link.
    pub(super) fn is_flushed(&self) -> bool {
        self.outbox.is_none() && self.link.is_flushed()
    }

    /// Sends `bytes`, which are the `frames` one after the other.
    pub(super) fn send<'f>(
        &mut self,
        bytes: &[u8],
        frames: impl Iterator<Item = &'f Bytes>,
        limits: &Limits,
        counts: &mut Counts,
    ) -> Sent {
        let mut written = 0;
        if self.outbox.is_none() {
            written = loop {
                match self.link.write(bytes) {
                    Ok(count) if count == bytes.len() => {
                        counts.writes += 1;
                        counts.bytes += count as u64;
                        return Sent::Written;
                    }
                    Ok(count) => break count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break 0,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return Sent::Broken,
                }
            };
            counts.writes += 1;
            counts.bytes += written as u64;
        }
        self.queue(frames, written, limits, counts)
    }

    /// Puts frames into the outbox, without the first `written` bytes of them.
    fn queue<'f>(
        &mut self,
        frames: impl Iterator<Item = &'f Bytes>,
        mut written: usize,
        limits: &Limits,
        counts: &mut Counts,
    ) -> Sent {
        let outbox = self.outbox.get_or_insert_with(|| {
            counts.outboxes += 1;
            Box::default()
        });
        let before = outbox.bytes();
        let mut sent = Sent::Queued;
        for frame in frames {
            if written >= frame.len() {
                written -= frame.len();
                continue;
            }
            if outbox.push(frame.clone(), written, limits).is_err() {
                sent = Sent::Full;
                break;
            }
            written = 0;
        }
        counts.outbox_bytes += outbox.bytes() as i64 - before as i64;
        sent
    }

    /// Sends one frame that is no event.
    pub(super) fn send_one(&mut self, frame: &Bytes, limits: &Limits, counts: &mut Counts) -> Sent {
        self.send(frame, std::iter::once(frame), limits, counts)
    }

    /// Sends frames of retained state, which do not count towards the outbox's bounds.
    pub(super) fn send_state(&mut self, frames: &[Bytes], limits: &Limits, counts: &mut Counts) -> Sent {
        if frames.is_empty() {
            return Sent::Written;
        }
        let is_first = self.outbox.is_none();
        let outbox = self.outbox.get_or_insert_with(|| {
            counts.outboxes += 1;
            Box::default()
        });
        let before = outbox.bytes();
        let fits = frames.iter().all(|frame| outbox.push_state(frame.clone(), limits).is_ok());
        counts.outbox_bytes += outbox.bytes() as i64 - before as i64;
        match fits {
            false => Sent::Full,
            true if is_first => self.flush(counts),
            true => Sent::Queued,
        }
    }

    /// Sends the Close frame: behind all that waits, or right behind the half-written frame.
    pub(super) fn send_close(&mut self, frame: &Bytes, behind: Behind, counts: &mut Counts) -> Sent {
        if let Some(outbox) = &mut self.outbox {
            let before = outbox.bytes();
            if behind == Behind::HalfWritten {
                outbox.truncate();
            }
            outbox.force(frame.clone(), 0);
            counts.outbox_bytes += outbox.bytes() as i64 - before as i64;
            return self.flush(counts);
        }
        // One frame always fits an empty outbox, so no bound matters here.
        self.send_one(frame, &Limits::default(), counts)
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self, counts: &mut Counts) -> Sent {
        let Some(outbox) = &mut self.outbox else { return Sent::Written };
        match outbox.flush(&mut self.link) {
            Ok(count) => {
                counts.bytes += count as u64;
                counts.outbox_bytes -= count as i64;
                if outbox.is_empty() {
                    self.outbox = None;
                    counts.outboxes -= 1;
                    Sent::Written
                } else {
                    Sent::Queued
                }
            }
            Err(_) => Sent::Broken,
        }
    }

    /// Forgets what waits.
    pub(super) fn drop_outbox(&mut self, counts: &mut Counts) {
        if let Some(outbox) = self.outbox.take() {
            counts.outboxes -= 1;
            counts.outbox_bytes -= outbox.bytes() as i64;
        }
    }
}

/// Where a Close frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Behind everything that waits.
    Everything,
    /// Behind the half-written frame; the others are dropped.
    HalfWritten,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small() {
        // A socket's link has 24 bytes.
        assert!(size_of::<Connection<[u8; 24]>>() <= 152);
    }
}
