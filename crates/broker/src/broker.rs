//! What the engine holds: a queue of wishes that never waits, and what is known of the broker.
//!
//! Bounds of the queue: [`MOST_WAITING`] publications and [`MOST_WAITING_BYTES`] of them and of what nodes say. One more
//! publication is refused as [`PublishError::Overloaded`](hub::PublishError::Overloaded), one more word between nodes is
//! dropped. Refusals are numbers in a queue of their own, which is read whatever Redis does; there are never more of them than the engine has
//! publications unanswered (its limit of publications in the queue). Everything else comes from clients at the rates that they may have, and waits
//! for no longer than a link may be silent: then all that waits is dropped. Not here: what becomes of a wish (`link`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hub::broker::{Broker, NodeId, Shared, Ticket, Wish};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::status::{Shown, Status};

/// Publications that may wait until they are written to Redis: what a second of the fastest publishers brings.
pub const MOST_WAITING: usize = 65_536;

/// Bytes of publications and of what nodes say that may wait: sixty-four of the largest.
pub const MOST_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// A hub's broker on Redis.
#[derive(Debug)]
pub struct RedisBroker {
    node: NodeId,
    queue: UnboundedSender<Wish>,
    refused: UnboundedSender<Ticket>,
    waiting: Arc<Waiting>,
    shown: Shown,
}

/// What waits in the queue.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    publications: AtomicUsize,
    bytes: AtomicUsize,
}

/// The queue's other end.
#[derive(Debug)]
pub(crate) struct Wishes {
    pub(crate) queue: UnboundedReceiver<Wish>,
    /// Publications that did not fit: their publishers are told without waiting for those that did.
    pub(crate) refused: UnboundedReceiver<Ticket>,
    waiting: Arc<Waiting>,
}

/// What a wish counts for.
fn weight(wish: &Wish) -> (usize, usize) {
    match wish {
        Wish::Publish(_, publishing) => {
            let Shared { publication, streams, .. } = &publishing.event;
            (1, publication.data.len() + streams.iter().map(|stream| stream.len()).sum::<usize>())
        }
        Wish::Say(_, text) => (0, text.len()),
        _ => (0, 0),
    }
}

impl RedisBroker {
    pub(crate) fn new(node: NodeId, shown: Shown) -> (Arc<Self>, Wishes) {
        let (sender, queue) = unbounded_channel();
        let (refuse, refused) = unbounded_channel();
        let waiting = Arc::<Waiting>::default();
        let broker = Self { node, queue: sender, refused: refuse, waiting: Arc::clone(&waiting), shown };
        (Arc::new(broker), Wishes { queue, refused, waiting })
    }

    /// What is known of the broker at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shown.get()
    }
}

impl Broker for RedisBroker {
    fn send(&self, wish: Wish) {
        let (publications, bytes) = weight(&wish);
        if publications + bytes > 0 {
            let before = self.waiting.publications.fetch_add(publications, Ordering::Relaxed);
            let held = self.waiting.bytes.fetch_add(bytes, Ordering::Relaxed);
            // One that is alone always fits.
            if before >= MOST_WAITING || (held > 0 && held + bytes > MOST_WAITING_BYTES) {
                self.waiting.publications.fetch_sub(publications, Ordering::Relaxed);
                self.waiting.bytes.fetch_sub(bytes, Ordering::Relaxed);
                if let Wish::Publish(ticket, _) = wish {
                    let _ended = self.refused.send(ticket);
                }
                return;
            }
        }
        // The thread is gone only once the hub has ended.
        let _ended = self.queue.send(wish);
    }

    fn node(&self) -> NodeId {
        self.node
    }
}

impl Wishes {
    /// A wish was taken out.
    pub(crate) fn taken(&self, wish: &Wish) {
        let (publications, bytes) = weight(wish);
        self.waiting.publications.fetch_sub(publications, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
