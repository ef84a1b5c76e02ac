//! What the engine wants of a durable store: groups written in one synced write, and all of it back at the start.
//!
//! The engine keeps all history in memory; the journal is its other copy, read only at the start. Not here: a store
//! (the `journal` crate has one on SQLite), and when a group is written (`commit`).

use std::sync::Arc;

use protocol::channel::split_namespace;
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, Epoch, Position, PublicationId};

use crate::idempotency::ScopedKey;

/// A publication as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the hub's one order; never the same twice in a store.
    pub seq: u64,
    /// Its id.
    pub id: PublicationId,
    /// Its type.
    pub event_type: Box<str>,
    /// The JSON text of its data.
    pub data: Box<str>,
    /// Its own time, as clients see it.
    pub timestamp: Timestamp,
    /// When the hub took it: ages are counted from here.
    pub accepted: Timestamp,
    /// The connection that does not get it.
    pub except: Option<ConnectionId>,
    /// Where it stands in the durable streams that it is for. Empty where only its key or its retained state is durable.
    pub places: Vec<DurablePlace>,
    /// Of an event in a feed the channels and users that it was for, whether or not their streams are on disk; else empty.
    pub addressed: Vec<Box<str>>,
}

/// An event's place in a durable stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurablePlace {
    /// The stream's name.
    pub stream: Arc<str>,
    /// The stream's epoch.
    pub epoch: Epoch,
    /// The event's offset in it.
    pub offset: u64,
}

/// An idempotency key, and what its call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// The key.
    pub key: ScopedKey,
    /// The id of its publication.
    pub id: PublicationId,
    /// About how many connections it went to.
    pub recipients: u32,
    /// When it was answered.
    pub at: Timestamp,
}

/// A change of retained state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetainedChange {
    /// The state under a key of a stream is now this event. The entry's places name the streams that the event was for,
    /// durable or not, so that it can be told with its offset.
    Set {
        /// The stream.
        stream: Arc<str>,
        /// The key.
        key: Box<str>,
        /// When it is forgotten.
        expires: Timestamp,
        /// The event.
        entry: Arc<Entry>,
    },
    /// The state is forgotten.
    Forget {
        /// The stream.
        stream: Arc<str>,
        /// The key.
        key: Box<str>,
    },
}

/// What a connection that asked for recovery can be resumed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeEntry {
    /// The connection.
    pub connection: ConnectionId,
    /// Which of its tokens is the valid one.
    pub generation: u32,
    /// Its user, if it has one.
    pub user: Option<Box<str>>,
    /// The channels that it is subscribed to.
    pub channels: Vec<Box<str>>,
    /// When it dropped; none while it is open.
    pub dropped: Option<Timestamp>,
    /// Where its client stood for sure in each of its streams, where it comes back by the connection's id. A stream to which
    /// it came shortly before stands there twice: where it began, and up to where what is in other streams too had
    /// arrived. One that comes back by a token tells all that itself. Of a socket these are the lives of its streams.
    pub arrived: Option<Vec<(Box<str>, Position)>>,
}

impl ResumeEntry {
    /// Whether it was a socket of a namespace, which is told by the streams of that.
    pub(crate) fn is_of_socket(&self) -> bool {
        self.arrived.iter().flatten().any(|(stream, _)| split_namespace(stream).is_some())
    }
}

/// A change of what can be resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResumeChange {
    /// A connection can be resumed to this from now on.
    Set(ResumeEntry),
    /// It was resumed, or its time is over.
    Forget(ConnectionId),
}

/// The end of a stream, written when the entries from which it could be told are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEnd {
    /// The stream's name.
    pub stream: Arc<str>,
    /// Its epoch.
    pub epoch: Epoch,
    /// The offset of its last event.
    pub offset: u64,
}

/// What is written together, in one transaction: all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Its number: greater than those of all groups before, also before a restart. What [`Group::remove`] names. A group
    /// may have keys or state without entries.
    pub seq: u64,
    /// Publications, in the hub's order.
    pub entries: Vec<Arc<Entry>>,
    /// Keys of these publications.
    pub keys: Vec<KeyEntry>,
    /// Retained state, in order.
    pub retained: Vec<RetainedChange>,
    /// Connections, in order.
    pub resumes: Vec<ResumeChange>,
    /// Earlier groups, by their number, of which no entry is needed any longer. Their keys stay for their own time.
    pub remove: Vec<u64>,
    /// The ends of the streams that the removed groups had entries of.
    pub ends: Vec<StreamEnd>,
    /// Streams whose ends are forgotten. Their state is not: that is told on its own.
    pub forget_streams: Vec<Arc<str>>,
    /// Keys answered before this are forgotten, if it is told.
    pub forget_keys_before: Option<Timestamp>,
    /// How often streams were forgotten, if it changed.
    pub resets: Option<u64>,
}

impl Group {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self { seq: self.seq, ..Self::default() }
    }
}

/// What a store holds when it is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Random bits of this store, made when it was created: epochs and resume tokens are derived from them.
    pub secret: [u8; 32],
    /// How often streams were forgotten.
    pub resets: u64,
    /// The greatest number that any group or entry ever had here, as far as it can be told.
    pub last_seq: u64,
    /// Whether something could not be read, so that it is not known what streams had: they all begin a new epoch.
    pub is_damaged: bool,
    /// The groups with entries that are kept, in order: their numbers and their entries.
    pub groups: Vec<(u64, Vec<Arc<Entry>>)>,
    /// The ends of streams, where they were written. A stream's end is this or its last entry, whichever is later.
    pub ends: Vec<StreamEnd>,
    /// The keys.
    pub keys: Vec<KeyEntry>,
    /// Retained state; only [`RetainedChange::Set`].
    pub retained: Vec<RetainedChange>,
    /// What can be resumed.
    pub resumes: Vec<ResumeEntry>,
}

/// Why a store did not take a group. Nothing of the group will ever be read back as long as this process runs; the
/// store stays usable, and each later group tries again.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is no room.
    #[error("the disk is full")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Writing or syncing failed.
    #[error("the store cannot be written")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A durable store. One thread calls it.
pub trait Journal: Send {
    /// Writes a group, and returns when it is synced to disk.
    ///
    /// # Errors
    /// Nothing of the group is stored: see [`JournalError`].
    fn commit(&mut self, group: &Group) -> Result<(), JournalError>;
}
