//! The byte queue between a shard and an HTTP answer: in place of a socket, for clients of server-sent events.
//!
//! The shard writes into it as into a socket, and is told WouldBlock when it is full; actix takes out what its own
//! socket can take. Bound: [`CAPACITY`] bytes. What does not fit waits in the connection's outbox, with the outbox'
//! bounds (`fanfare_outbox_bytes`). An empty queue holds no buffer. Not here: what the bytes mean.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use actix_web::body::{BodySize, MessageBody};
use bytes::{Bytes, BytesMut};

use crate::patience::Bond;
use crate::reactor::Handle;
use crate::turn;

/// Bytes that a queue holds: as many as a shard reads or writes at once.
const CAPACITY: usize = 64 * 1024;

/// Bytes given to actix at once. With the chunk around them they fit the buffer of 8 KiB that actix keeps for each HTTP
/// connection in any case; one that has grown would stay with an idle client.
const PIECE: usize = 8 * 1024 - 64;

/// A queue, with what both sides know of each other.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// The loop of the shard that writes.
    shard: Arc<Handle>,
}

#[derive(Debug)]
struct State {
    bytes: BytesMut,
    /// The place of the connection in its shard, once it has one.
    key: Option<u32>,
    /// Whether the shard writes no more.
    is_ended: bool,
    /// Whether nobody reads any more.
    is_abandoned: bool,
    /// Whether the shard waits for the queue to become empty.
    is_awaited: bool,
    /// Whether the shard's loop has been told to look here, and has not yet.
    is_announced: bool,
    reader: Option<Waker>,
}

/// What the shard's loop finds when it was told to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// There is room again.
    Room,
    /// Nobody reads any more.
    Abandoned,
}

/// An empty queue from that shard: its end for the shard, and the body of the answer that it goes into. `bond` is that
/// of the HTTP connection, where it has one.
#[must_use]
pub(crate) fn pair(shard: Arc<Handle>, bond: Option<Rc<Bond>>) -> (Writer, Body) {
    let state = State {
        bytes: BytesMut::new(),
        key: None,
        is_ended: false,
        is_abandoned: false,
        is_awaited: false,
        is_announced: false,
        reader: None,
    };
    let queue = Arc::new(Queue { state: Mutex::new(state), shard });
    if let Some(bond) = &bond {
        bond.answer_without_end(true);
    }
    (Writer(Arc::clone(&queue)), Body { queue, bond, has_given: false })
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to know, for the loop that was told to look; and the connection's place.
    pub(crate) fn notice(&self) -> Option<(u32, Notice)> {
        let mut state = self.lock();
        state.is_announced = false;
        Some((state.key?, if state.is_abandoned { Notice::Abandoned } else { Notice::Room }))
    }

    /// Tells the shard's loop to look here; each queue is in its list once.
    fn announce(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if !std::mem::replace(&mut state.is_announced, true) {
            drop(state);
            self.shard.look_at(Arc::clone(self));
            turn::wake_at_end(&self.shard);
        }
    }
}

/// The shard's end. When it is dropped, what is in the queue is the last.
#[derive(Debug)]
pub(crate) struct Writer(Arc<Queue>);

impl Writer {
    /// The connection has this place in its shard.
    pub(crate) fn place(&self, key: u32) {
        self.0.lock().key = Some(key);
    }

    /// Whether it writes into this queue.
    #[must_use]
    pub(crate) fn is_of(&self, queue: &Arc<Queue>) -> bool {
        Arc::ptr_eq(&self.0, queue)
    }

    /// Takes as many bytes as there is room for.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where there is none; nobody reads any more.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.is_abandoned || state.is_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(CAPACITY - state.bytes.len());
        state.is_awaited |= taken < bytes.len();
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.bytes.extend_from_slice(&bytes[..taken]);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Ok(taken)
    }

    /// Whether all that was written is on its way to the client's socket. Where it says no, the shard is told when it is.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        let mut state = self.0.lock();
        let is_empty = state.bytes.is_empty();
        state.is_awaited |= !is_empty;
        is_empty
    }

    /// What is in the queue is the last.
    pub(crate) fn end(&self) {
        let mut state = self.0.lock();
        state.is_ended = true;
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

/// The answer's body. It ends with the connection in the shard, and the connection with it.
#[derive(Debug)]
pub(crate) struct Body {
    queue: Arc<Queue>,
    bond: Option<Rc<Bond>>,
    /// Whether a piece was given that may still be in actix' buffer.
    has_given: bool,
}

impl MessageBody for Body {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        // actix goes on with an answer when its peer has said that it sends no more; here that is the peer's end.
        if this.bond.as_ref().is_some_and(|bond| bond.is_peer_gone()) {
            return Poll::Ready(None);
        }
        let has_given = std::mem::take(&mut this.has_given);
        let mut state = this.queue.lock();
        if state.bytes.is_empty() {
            if state.is_ended {
                return Poll::Ready(None);
            }
            if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
                state.reader = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        if has_given {
            // actix writes to the socket what it has, before it asks again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = if state.bytes.len() > PIECE {
            // A copy: as a part of the buffer it would keep all of it from being used again.
            let piece = Bytes::copy_from_slice(&state.bytes[..PIECE]);
            bytes::Buf::advance(&mut state.bytes, PIECE);
            piece
        } else {
            std::mem::take(&mut state.bytes).freeze()
        };
        if state.bytes.is_empty() && std::mem::take(&mut state.is_awaited) {
            this.queue.announce(state);
        } else {
            drop(state);
        }
        this.has_given = true;
        Poll::Ready(Some(Ok(piece)))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(bond) = &self.bond {
            bond.answer_without_end(false);
        }
        let mut state = self.queue.lock();
        state.is_abandoned = true;
        state.bytes = BytesMut::new();
        state.reader = None;
        if !state.is_ended {
            self.queue.announce(state);
        }
    }
}

#[cfg(test)]
mod tests;
