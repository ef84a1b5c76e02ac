//! Delivery hooks: what is told of events of certain types, connection by connection (contract: socketio, Client → server).
//!
//! Whoever keeps a ledger wants to know to which connections an event was sent, which of them have it, and which have shown
//! it. The engine tells [`DeliveryHooks`] so, at the end of a shard's turn:
//!
//! - **sent**: it was given to the connection's socket, live or again in a replay.
//! - **delivered**: everything was written, and then the client answered a ping or sent anything (contract: recovery, `ack`).
//!   A ping is sent behind such an event, so that this is known within a round trip and not with the next heartbeat.
//!   Server-sent events have no way back: they are only ever sent.
//! - **shown**: the client sent an `ack` with the event's id, and follows a stream that the event is in.
//!
//! Bounds: [`MOST_TRACKED`] events whose `ack` is understood, the oldest goes first; [`MOST_UNCONFIRMED`] events of a
//! connection that wait for its sign, those above are only told as sent. Not here: where records are sent, and in what
//! batches (the server's `deliveries`); how a shard follows them (`shard/deliveries`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, PublicationId, UserId};
use smallvec::SmallVec;

use crate::encoded::{Encoded, StreamKey};

/// Events whose `ack` is understood: those of ten minutes at a hundred a second.
pub(crate) const MOST_TRACKED: usize = 1 << 16;

/// Events of a connection that wait for its sign: as many as the frames that an outbox holds by default.
pub(crate) const MOST_UNCONFIRMED: usize = 1024;

/// How far an event has come on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryState {
    /// It was given to the socket.
    Sent,
    /// The client has it.
    Delivered,
    /// The client has shown it.
    Shown,
}

impl DeliveryState {
    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Shown => "shown",
        }
    }
}

/// What became of one event on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Which of the hooks it is for.
    pub hook: u8,
    /// The event.
    pub id: PublicationId,
    /// Whose connection it is; none is anonymous.
    pub user: Option<UserId>,
    /// The connection.
    pub connection: ConnectionId,
    /// How far the event has come.
    pub state: DeliveryState,
    /// When.
    pub at: Timestamp,
}

/// Whoever takes delivery records to services.
pub trait DeliveryHooks: Send + Sync + std::fmt::Debug {
    /// The hook that events of a type are told to.
    fn hook(&self, event_type: &str) -> Option<u8>;

    /// Takes records. Called by a shard at the end of a turn: it must not block.
    fn take(&self, records: Vec<DeliveryRecord>);
}

/// The hooks of a hub, and the events whose `ack` is understood.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    hooks: OnceLock<Arc<dyn DeliveryHooks>>,
    tracked: Mutex<Tracked>,
}

#[derive(Debug, Default)]
struct Tracked {
    events: HashMap<PublicationId, Known>,
    /// In the order in which they came.
    order: VecDeque<PublicationId>,
}

/// What has to be known of an event to understand its `ack`.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) hook: u8,
    /// The streams that it is in.
    pub(crate) streams: SmallVec<[Arc<StreamKey>; 2]>,
}

impl Deliveries {
    /// From now on events are told to these; once.
    pub(crate) fn set(&self, hooks: Arc<dyn DeliveryHooks>) {
        // Set twice only by a mistake of the program's start: the first stays.
        let _ = self.hooks.set(hooks);
    }

    /// The hooks, where there are any.
    pub(crate) fn hooks(&self) -> Option<&Arc<dyn DeliveryHooks>> {
        self.hooks.get()
    }

    /// The hook that events of a type are told to.
    pub(crate) fn hook(&self, event_type: &str) -> Option<u8> {
        self.hooks.get()?.hook(event_type)
    }

    /// An event was sent to somebody, whose `ack` may come.
    pub(crate) fn track(&self, encoded: &Encoded, hook: u8) {
        let id = encoded.publication().id;
        let mut tracked = self.tracked.lock().unwrap_or_else(PoisonError::into_inner);
        if tracked.events.contains_key(&id) {
            return;
        }
        if tracked.order.len() >= MOST_TRACKED
            && let Some(oldest) = tracked.order.pop_front()
        {
            tracked.events.remove(&oldest);
        }
        let streams = encoded.places().iter().map(|place| Arc::clone(&place.stream)).collect();
        tracked.events.insert(id, Known { hook, streams });
        tracked.order.push_back(id);
    }

    /// The events among these that are known.
    pub(crate) fn known(&self, ids: &[PublicationId]) -> Vec<(PublicationId, Known)> {
        if self.hooks.get().is_none() {
            return Vec::new();
        }
        let tracked = self.tracked.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().filter_map(|id| tracked.events.get(id).map(|known| (*id, known.clone()))).collect()
    }
}
