//! The queue between the hub and a shard: bounded in publications and bytes.
//!
//! Full refuses the publish call (503, `Retry-After`), which `fanfare_publications_refused_total` counts. What a
//! shard has taken out but not yet written still counts, so the bound holds for all that is on its way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::channels::GivenPosition;
use protocol::publication::CloseSessions;
use protocol::{ConnectionId, PublicationId};
use tokio::sync::oneshot;

use crate::broker::{NodeId, Ticket};
use crate::cluster::CountTo;
use crate::encoded::Encoded;
use crate::hooks::Answered;
use crate::idempotency::{Answer, InProgress};
use crate::identity::Identity;
use crate::journal::ResumeEntry;
use crate::limits::Limits;
use crate::registry::StreamEntry;
use crate::resume::Claims;
use crate::wire::{NamespaceIndex, Wire};

/// What a message of a connection has waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    /// The streams that it is about: they are followed.
    Streams,
    /// They are not to be had.
    InVain,
    /// The broker has noted what the connection is about to have.
    Noted,
}

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

    /// Whether it goes to a connection as such.
    pub(crate) fn names(&self, id: ConnectionId, wire: Wire) -> bool {
        let To::Union(union) = &self.to else { return false };
        union.connection.is_some_and(|named| named.id == id && named.allows(wire))
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

/// A connection that is named as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    pub id: ConnectionId,
    /// The namespace that it has to be in.
    pub within: Option<NamespaceIndex>,
}

impl Named {
    /// Whether a connection with this wire may be meant.
    pub(crate) fn allows(self, wire: Wire) -> bool {
        self.within.is_none() || self.within == wire.namespace()
    }
}

/// A union of streams and connections.
#[derive(Debug)]
pub(crate) struct Union {
    /// The streams that anybody follows.
    pub streams: Vec<Arc<StreamEntry>>,
    /// One connection more.
    pub connection: Option<Named>,
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
    state: Mutex<Counting>,
}

#[derive(Debug)]
struct Counting {
    /// Shards that have not reported.
    left: usize,
    sum: u32,
    /// Who is told the sum.
    told: Option<(oneshot::Sender<u32>, Reply)>,
}

/// Who repeats a publication is answered, when it is known how many got it.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Its idempotency key.
    pub key: Option<InProgress>,
    /// Its id.
    pub id: PublicationId,
    /// Whether it names one connection alone: if that is unknown, it was not sent, and may be repeated.
    pub is_for_one: bool,
    /// In a cluster, who adds up what its nodes count.
    pub count: Option<CountTo>,
}

impl Reply {
    /// Tells the number of connections that it was queued to.
    pub(crate) fn answer(self, recipients: u32) {
        if let Some(count) = self.count {
            count.tell(recipients);
        }
        if let Some(key) = self.key
            && (recipients > 0 || !self.is_for_one)
        {
            key.answer(Answer { id: self.id, recipients });
        }
    }
}

impl Tally {
    /// A tally for so many reports, and where its sum arrives.
    #[must_use]
    pub(crate) fn new(reports: usize, reply: Reply) -> (Self, oneshot::Receiver<u32>) {
        let (sender, receiver) = oneshot::channel();
        let counting = Counting { left: reports, sum: 0, told: Some((sender, reply)) };
        (Self { state: Mutex::new(counting) }, receiver)
    }

    /// One shard's count.
    pub(crate) fn report(&self, count: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.left -= 1;
        state.sum += count;
        if state.left == 0
            && let Some((sender, reply)) = state.told.take()
        {
            reply.answer(state.sum);
            // The publisher may have gone; the event went out all the same.
            let _ = sender.send(state.sum);
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
    /// Another connection wants to take over from one of this shard's.
    TakeOver(Box<TakeOver>),
    /// What came of the wish to take over.
    TakenOver(Box<TakenOver>),
    /// Tell who is in a channel, and who comes and goes from now on.
    Roll(Arc<Roll>),
    /// A roll that a connection of this shard asked for is complete.
    Rolled(Arc<Roll>),
    /// Tell which connections a user has.
    Connections(Box<Question>),
    /// Close the connections of a user.
    Disconnect(Box<Expulsion>),
    /// Say what an open connection has, to one that says that it is its successor.
    Ask(Box<Ask>),
    /// The answer.
    Told(Box<Told>),
    /// A service's answer to what a client sent.
    Answered(Box<Answered>),
    /// Look at all subscriptions anew, by the rules that are now in force.
    RulesChanged,
    /// What a connection's message waits for is there, or is not to be had at the moment.
    Ready(ConnectionId, Ready),
    /// Something is missing in these streams that never comes.
    Lost(Arc<[Box<str>]>),
    /// Tell of all connections that can be resumed: what was known of them is gone.
    Recall,
}

/// Who asks a shard for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A connection on a shard.
    Shard(usize, ConnectionId),
    /// A claim of this node, whom the broker told that the connection is open here.
    Claim(Ticket),
    /// Another node.
    Node(NodeId, Ticket),
}

/// The positions that a client gave with a `resume`.
pub(crate) type Given = Vec<(Box<str>, GivenPosition)>;

/// The wish of a connection to take over from another one.
#[derive(Debug)]
pub(crate) struct TakeOver {
    pub claims: Claims,
    pub user: Option<Box<str>>,
    pub asker: Asker,
    pub given: Given,
}

/// The answer to it.
#[derive(Debug)]
pub(crate) struct TakenOver {
    pub to: ConnectionId,
    pub given: Given,
    /// What the old connection had; none where it is not to be had.
    pub entry: Option<ResumeEntry>,
}

/// The question of a connection for the one that its client had before, from shard to shard.
#[derive(Debug)]
pub(crate) struct Ask {
    pub former: ConnectionId,
    pub user: Option<Box<str>>,
    pub asker: Asker,
    /// Shards that are still to be asked.
    pub left: usize,
    /// Whether it is a socket, which ends where it is found.
    pub is_socket: bool,
    /// The stream of the namespace that the socket has to be in, where the asker is in one.
    pub namespace: Option<Box<str>>,
}

/// The answer to it.
#[derive(Debug)]
pub(crate) struct Told {
    pub to: ConnectionId,
    /// What the old connection has; none where there is none.
    pub entry: Option<ResumeEntry>,
}

/// The call of a channel's roll: each shard tells who is there.
#[derive(Debug)]
pub(crate) struct Roll {
    pub channel: Box<str>,
    /// Shards that have not yet.
    pub left: AtomicUsize,
    pub caller: Caller,
}

/// Who called a roll.
#[derive(Debug)]
pub(crate) enum Caller {
    /// A connection of a shard.
    Connection(usize, ConnectionId),
    /// An operator.
    Operator(tokio::sync::mpsc::Sender<()>),
    /// Other nodes.
    Nodes,
}

/// A question about a user's connections, to all shards.
#[derive(Debug)]
pub(crate) struct Question {
    pub user: Box<str>,
    pub answers: Answers,
}

/// Where shards put what they know of a user's connections.
pub(crate) type Answers = tokio::sync::mpsc::Sender<Vec<ConnectionInfo>>;

/// A connection, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ConnectionInfo {
    /// Its id.
    pub connection_id: String,
    /// The wire format: `channels` or `events`.
    pub dialect: String,
    /// The channels that it is subscribed to.
    pub channels: Vec<String>,
    /// Whether it asked for recovery.
    pub recoverable: bool,
    /// The user's type, as its token says.
    pub user_type: Option<String>,
    /// When its token ends, in seconds since 1970.
    pub expires_at: u64,
    /// Bytes that wait because the client does not read.
    pub waiting_bytes: usize,
}

/// The end of a user's connections.
#[derive(Debug)]
pub(crate) struct Expulsion {
    pub user: Box<str>,
    pub counts: tokio::sync::mpsc::Sender<u32>,
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

    /// Whether a publication waits here.
    pub(crate) fn has(&self, encoded: &Arc<Encoded>) -> bool {
        self.queue().iter().any(
            |message| matches!(message, Message::Deliver(delivery) if Arc::ptr_eq(&delivery.encoded, encoded)),
        )
    }

    /// Whether it waits here to be told that something of such a stream is lost.
    pub(crate) fn has_lost(&self, is_such: impl Fn(&str) -> bool) -> bool {
        self.queue().iter().any(
            |message| matches!(message, Message::Lost(streams) if streams.iter().any(|name| is_such(name))),
        )
    }

    /// Calls `visit` with each publication that waits here, in order.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Delivery)) {
        for message in self.queue().iter() {
            if let Message::Deliver(delivery) = message {
                visit(delivery);
            }
        }
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
