//! The queue between the hub and a shard: bounded in publications and bytes.
//!
//! Full refuses the publish call (503, `Retry-After`), which `fanfare_publications_refused_total` counts. What a
//! shard has taken out but not yet written still counts, so the bound holds for all that is on its way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::ConnectionId;
use protocol::publication::CloseSessions;
use tokio::sync::oneshot;

use crate::encoded::Encoded;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::registry::StreamEntry;

/// Wakes the loop that owns the shard.
pub trait Wake: Send + Sync {
    /// Makes the loop look into the inbox soon. May be called from any thread.
    fn wake(&self);
}

/// A publication for a shard.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// What.
    pub encoded: Arc<Encoded>,
    /// To whom.
    pub to: To,
    /// Whom not.
    pub except: Option<ConnectionId>,
}

impl Delivery {
    /// Whose connections are closed behind it.
    pub(crate) fn closing(&self) -> Option<&Closing> {
        self.to.closing()
    }
}

/// The followers that a delivery goes to.
#[derive(Debug, Clone)]
pub(crate) enum To {
    /// One stream's.
    Stream(Arc<StreamEntry>),
    /// Several streams' and one connection, each connection once; the count of them is told.
    Union(Arc<Union>),
}

impl To {
    /// Whose connections are closed behind what is delivered.
    pub(crate) fn closing(&self) -> Option<&Closing> {
        match self {
            Self::Stream(_) => None,
            Self::Union(union) => union.closing.as_ref(),
        }
    }
}

/// A union of streams and connections.
#[derive(Debug)]
pub(crate) struct Union {
    /// The streams that anybody follows.
    pub streams: Vec<Arc<StreamEntry>>,
    /// One connection more.
    pub connection: Option<ConnectionId>,
    /// Whose connections are closed behind the publication.
    pub closing: Option<Closing>,
    /// Where shards put their counts.
    pub tally: Tally,
}

/// Sessions that end, and the streams of the users whose they are.
#[derive(Debug)]
pub(crate) struct Closing {
    /// Those of the users' streams that anybody follows.
    pub users: Vec<Arc<StreamEntry>>,
    /// The sessions.
    pub sessions: CloseSessions,
}

/// Adds up what the shards count, and tells the sum when the last has reported.
#[derive(Debug)]
pub(crate) struct Tally {
    state: Mutex<(usize, u32, Option<oneshot::Sender<u32>>)>,
}

impl Tally {
    /// A tally for so many reports, and where its sum arrives.
    #[must_use]
    pub(crate) fn new(reports: usize) -> (Self, oneshot::Receiver<u32>) {
        let (sender, receiver) = oneshot::channel();
        (Self { state: Mutex::new((reports, 0, Some(sender))) }, receiver)
    }

    /// One shard's count.
    pub(crate) fn report(&self, count: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 -= 1;
        state.1 += count;
        if state.0 == 0
            && let Some(sender) = state.2.take()
        {
            // The publisher may have gone; the event went out all the same.
            let _ = sender.send(state.1);
        }
    }
}

/// What the hub tells a shard.
#[derive(Debug)]
pub(crate) enum Message {
    /// Deliver a publication.
    Deliver(Delivery),
    /// A token that a connection sent was verified; none means that it is not valid.
    Verified(ConnectionId, Option<Box<Identity>>),
    /// Close all connections, as [`DrainPlan`] says.
    Drain(DrainPlan),
}

/// How the connections of all shards are told when to come back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DrainPlan {
    /// The first delay.
    pub first: Duration,
    /// How much later each further connection of this shard comes back.
    pub step: Duration,
}

/// A shard's queue.
pub struct Inbox {
    queue: Mutex<Vec<Message>>,
    publications: AtomicUsize,
    bytes: AtomicUsize,
    wake: Box<dyn Wake>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("publications", &self.publications).finish_non_exhaustive()
    }
}

impl Inbox {
    /// An empty inbox of a shard that `wake` wakes.
    #[must_use]
    pub fn new(wake: Box<dyn Wake>) -> Self {
        Self {
            queue: Mutex::new(Vec::new()),
            publications: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            wake,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Message>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a publication of `weight` bytes fits. One always fits an empty queue.
    pub(crate) fn has_room(&self, weight: usize, limits: &Limits) -> bool {
        let waiting = self.publications.load(Ordering::Relaxed);
        waiting == 0
            || waiting < limits.queue_publications
                && self.bytes.load(Ordering::Relaxed) + weight <= limits.queue_bytes
    }

    /// Publications that wait or are being written.
    pub fn publications(&self) -> usize {
        self.publications.load(Ordering::Relaxed)
    }

    /// Whether nothing waits to be taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue().is_empty()
    }

    /// Puts messages into the queue, in order.
    pub(crate) fn push(&self, messages: impl IntoIterator<Item = Message>) {
        let mut queue = self.queue();
        let was_empty = queue.is_empty();
        for message in messages {
            if let Message::Deliver(delivery) = &message {
                self.publications.fetch_add(1, Ordering::Relaxed);
                self.bytes.fetch_add(delivery.encoded.weight(), Ordering::Relaxed);
            }
            queue.push(message);
        }
        let is_empty = queue.is_empty();
        drop(queue);
        if was_empty && !is_empty {
            self.wake.wake();
        }
    }

    /// Takes all that waits, by exchanging it for `empty`, which must be empty.
    pub(crate) fn take(&self, empty: &mut Vec<Message>) {
        debug_assert!(empty.is_empty(), "what was taken before is not lost");
        std::mem::swap(&mut *self.queue(), empty);
    }

    /// A publication is written, or in the outboxes.
    pub(crate) fn done(&self, encoded: &Encoded) {
        self.publications.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(encoded.weight(), Ordering::Relaxed);
    }
}
