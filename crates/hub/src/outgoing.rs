//! What publishers hand to the hub, and what becomes of it.
//!
//! Not here: the way that it goes (`hub`, `commit`).

use std::sync::Arc;

use protocol::publication::{CloseSessions, Retain};
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, Publication, Target};
use tokio::sync::oneshot;

use crate::commit::Fate;
use crate::idempotency::{Answer, InProgress};

/// A publication, and where it goes.
#[derive(Debug)]
pub struct Outgoing {
    /// What.
    pub publication: Arc<Publication>,
    /// To whom.
    pub target: Target,
    /// When it was taken.
    pub accepted: Timestamp,
    /// Whom not.
    pub except: Option<ConnectionId>,
    /// The sessions whose connections are closed behind it, with [`protocol::Disconnect::UNAUTHORIZED`]: of the named
    /// users alone, whether or not they are among the target.
    pub close_sessions: Option<Box<CloseSessions>>,
    /// Whether it is for those who are there, and kept for nobody: it has no place in any stream.
    pub is_transient: bool,
    /// The Socket.IO namespace that a connection of the target has to be in.
    pub namespace: Option<Box<str>>,
    /// Under which key it is the state from now on.
    pub retain: Option<Box<Retain>>,
    /// The duty to answer those who repeat it; kept by the hub, so that a caller who goes away loses nothing.
    pub key: Option<InProgress>,
    /// What it shares with the other publications of its batch.
    pub fate: Option<Arc<Fate>>,
}

impl Outgoing {
    /// A publication with nothing beside its target.
    #[must_use]
    pub fn new(publication: Publication, target: Target, accepted: Timestamp) -> Self {
        Self {
            publication: Arc::new(publication),
            target,
            accepted,
            except: None,
            close_sessions: None,
            is_transient: false,
            namespace: None,
            retain: None,
            key: None,
            fate: None,
        }
    }
}

/// What became of a publication that was not refused.
#[derive(Debug)]
pub enum Accepted {
    /// It was queued to the shards.
    Now(Recipients),
    /// It waits for the disk, or behind what does. The end of the sender is the end of the hub.
    Waiting(oneshot::Receiver<Result<Recipients, PublishError>>),
}

impl Accepted {
    /// Waits until it was queued to the shards.
    ///
    /// # Errors
    /// It could not be stored; then nobody gets it.
    ///
    /// # Cancel safety
    /// The publication goes on without its caller.
    pub async fn queued(self) -> Result<Recipients, PublishError> {
        match self {
            Self::Now(recipients) => Ok(recipients),
            Self::Waiting(waiting) => waiting.await.unwrap_or(Err(PublishError::Draining)),
        }
    }
}

/// How many connections a publication was queued to.
#[derive(Debug)]
pub enum Recipients {
    /// So many.
    Counted(u32),
    /// The shards are counting, or in a cluster the nodes are.
    Counting(oneshot::Receiver<u32>),
    /// It was sent before, under the same key, through another node or before a restart: that was answered so.
    Repeated(Answer),
}

impl Recipients {
    /// The number, when it is there. A hub that ends before the shards have counted says zero.
    pub async fn count(self) -> u32 {
        match self {
            Self::Counted(count) => count,
            Self::Repeated(answer) => answer.recipients,
            Self::Counting(counting) => counting.await.unwrap_or(0),
        }
    }
}

/// Why a publication was not taken. Nobody gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// A shard's queue, or that before the disk, is full.
    #[error("the hub has more publications waiting than it may hold")]
    Overloaded,
    /// The hub is shutting down.
    #[error("the hub is shutting down")]
    Draining,
    /// The disk is full.
    #[error("the disk is full, and this publication has to be stored before it is sent")]
    StorageFull,
    /// There is no broker at the moment, or it has not answered: whether it was stored is not known.
    #[error("the nodes' broker is away, and this publication has to be stored before it is sent")]
    BrokerDown,
    /// The disk cannot be written.
    #[error("the store cannot be written, and this publication has to be stored before it is sent")]
    StorageFailed,
}

impl PublishError {
    /// The reason as a metric's label.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::StorageFull => "storage_full",
            Self::StorageFailed => "storage_failed",
            Self::BrokerDown => "broker_down",
        }
    }
}
