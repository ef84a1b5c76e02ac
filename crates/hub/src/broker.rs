//! What the engine wants of a broker: one order for all nodes of a cluster, what its streams keep, and words between nodes.
//!
//! A node asks by [`Wish`]es, which [`Broker::send`] takes without waiting, and hears by [`Told`]s, which the broker's side
//! hands to [`Hub::hear`](crate::Hub::hear), **one at a time and in one order**: that of the node's subscription. Events of
//! the streams that a node follows come in the order of their numbers; the answer to [`Wish::Follow`] comes **in the same
//! line**, at the place that it speaks of: every event of the stream with a lower number stands in it, every later one comes
//! behind it. What has to do with no event ([`Told::Published`], [`Told::Claimed`]) may come at any time.
//!
//! **What the broker promises.** It gives each publication its number, greater than all before it in the same life, and in
//! each of its streams the next offset, in one step with storing what is kept of it, its key and its state; a key that it
//! knows changes nothing. Where it forgets (restarted empty, or went back), it begins a new life: all streams have new
//! epochs, and numbers go on above all that any node has seen (they begin with the time in microseconds). Nothing is told of
//! an event before it is stored.
//!
//! Not here: the broker on Redis (the `broker` crate), the order that a node keeps of all this (`cluster`).

use std::sync::Arc;
use std::time::Duration;

use protocol::publication::{CloseSessions, ConnectionTarget, Retain};
use protocol::timestamp::Timestamp;
use protocol::{ConnectionId, Position, Publication, PublicationId};

use crate::idempotency::ScopedKey;
use crate::journal::{ResumeChange, ResumeEntry};
use crate::outgoing::PublishError;
use crate::rules::HistoryRule;

/// A node: random, made anew by each process. The `process` of its resume tokens.
pub type NodeId = u32;

/// A number by which an answer finds its question; each node counts its own.
pub type Ticket = u64;

/// A publication as nodes give it to each other.
#[derive(Debug, Clone)]
pub struct Shared {
    /// What.
    pub publication: Arc<Publication>,
    /// When the node took it that was called.
    pub accepted: Timestamp,
    /// The streams that it is for, each once, sorted; `@all` for everyone. Empty where it is for a connection alone, or for
    /// nobody.
    pub streams: Vec<Box<str>>,
    /// One connection more: then all nodes hear of it.
    pub connection: Option<ConnectionTarget>,
    /// The Socket.IO namespace that this connection has to be in.
    pub namespace: Option<Box<str>>,
    /// Whom not.
    pub except: Option<ConnectionId>,
    /// The sessions whose connections are closed behind it. The nodes that follow the streams of their users hear of it.
    pub close_sessions: Option<CloseSessions>,
    /// The key under which it is the state of its streams from now on.
    pub retain: Option<Retain>,
    /// Whether it is kept for nobody: it has a number, but no place in any stream.
    pub is_transient: bool,
    /// Who counts how many got it: the node that was called, and its ticket there.
    pub origin: (NodeId, Ticket),
}

/// A publication on its way to the broker.
#[derive(Debug, Clone)]
pub struct Publishing {
    /// It.
    pub event: Shared,
    /// What each of its streams keeps, in their order; none is nothing.
    pub rules: Vec<Option<HistoryRule>>,
    /// Its idempotency key, and for how long that holds.
    pub key: Option<(ScopedKey, Duration)>,
    /// The batch that it is of, by a number that no other of this process has. Once one of a batch is refused, so are all later ones of it: so of each batch one step at
    /// most is under way at the broker, in which all may be that wait.
    pub batch: Option<u64>,
}

/// A stream that a node wants to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Following {
    /// Its name.
    pub stream: Box<str>,
    /// What it keeps, so that the broker knows how long to know of it.
    pub rule: Option<HistoryRule>,
    /// Up to where the node has it, if it has it; then only what is behind that is told.
    pub after: Option<Position>,
}

/// How a connection is asked for that a client had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimBy {
    /// By a token, of that generation, given by that node: it is handed over, once.
    Token {
        /// The generation.
        generation: u32,
        /// The node that gave it.
        node: NodeId,
    },
    /// By its id (dashboard): it is not handed over, a duplicated tab has the same id.
    Id,
    /// By its pid (Socket.IO): it is handed over, once.
    Socket,
}

/// The question for a connection that a client had before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The connection.
    pub connection: ConnectionId,
    /// Whose it has to be.
    pub user: Option<Box<str>>,
    /// How it is asked for.
    pub by: ClaimBy,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It was dropped, or its node has died: this is what it had. By a token or as a socket nobody else gets it from now on.
    Entry(ResumeEntry),
    /// It is, or was a moment ago, open on a node that lives; this is what that last told of it. Nothing was taken.
    Open(NodeId, ResumeEntry),
    /// It is not known, too long ago, or not this user's.
    Nothing,
}

/// Whom a node speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// All other nodes.
    Others,
    /// One.
    Node(NodeId),
}

/// What a node wants of the broker. Those for the line ([`Follow`](Self::Follow), [`Unfollow`](Self::Unfollow),
/// [`Table`](Self::Table)) are carried out in their order, and so are all others, but for publications of a batch, which wait
/// for those before them. A [`Note`](Self::Note), an [`Answered`](Self::Answered) or an [`Unsent`](Self::Unsent) whose end is
/// not known when the connection breaks is carried out (again) when there is one in the same life, before all that is wished
/// after [`Told::Up`]; all other wishes are dropped then, and [`Hub::hear`](crate::Hub::hear) makes those again that are still meant.
#[derive(Debug, Clone)]
pub enum Wish {
    /// Give it its place. Answered by [`Told::Published`].
    Publish(Ticket, Box<Publishing>),
    /// How many got a publication whose key is known, for those who repeat it.
    Answered(ScopedKey, PublicationId, u32),
    /// Nobody got this publication, which was for a connection alone: its key is free again.
    Unsent(ScopedKey, PublicationId),
    /// Tell what is known of a key. Answered by [`Told::Published`] as to a publication that repeats it; where nothing is known
    /// it is refused as [`PublishError::Overloaded`]: whoever repeats it once more publishes.
    Recall(Ticket, ScopedKey),
    /// Follow these from now on, and tell them. Answered by one [`Told::Streams`] or several, of which the last says so.
    /// `ticket` comes back with each.
    Follow(Ticket, Vec<Following>),
    /// Follow these no longer.
    Unfollow(Vec<Box<str>>),
    /// What is new of connections that can be resumed. One without `dropped` is open on this node, and is kept for two minutes
    /// once the node has died; one with it is kept for two minutes from then.
    Note(Vec<ResumeChange>),
    /// Say when all is carried out that was wished before of connections and keys. Answered by [`Told::Confirmed`].
    Confirm(Ticket),
    /// Look for a connection. Answered by [`Told::Claimed`].
    Claim(Ticket, Claim),
    /// Say this to other nodes. Those who are away do not hear it. The text is the nodes' own matter, 1 MiB at most.
    Say(To, Box<[u8]>),
    /// Keep a text under a name of this node in a named table, or none; a node's texts go when it dies (a lease).
    Put(Box<str>, Box<str>, Option<Box<[u8]>>),
    /// Tell what all living nodes keep in a named table. Answered by [`Told::Table`], in the line of events and of what
    /// nodes say.
    Table(Ticket, Box<str>),
}

/// An event from the broker.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its number in the one order.
    pub seq: u64,
    /// It.
    pub event: Arc<Shared>,
    /// Where it stands in each of [`Shared::streams`], in their order; empty for one that is transient.
    pub places: Vec<Position>,
}

/// A stream as the broker has it.
#[derive(Debug, Clone)]
pub struct StreamState {
    /// Its name.
    pub stream: Box<str>,
    /// Its epoch and the offset of its last event.
    pub end: Position,
    /// The number of the last event of which the stream has no trace any more; 0 where it has all that it ever had. Where
    /// that is not known: that of the oldest event that it has, less one, or where it has none that of the last event of all.
    pub dropped: u64,
    /// Its events that are kept, oldest first, without a hole up to `end`: all of them, or those behind the position that
    /// was asked for, where that is reached.
    pub events: Vec<Event>,
    /// Its states: the key, when it ends, and its event, in the order of their numbers.
    pub retained: Vec<(Box<str>, Timestamp, Event)>,
}

/// Why the broker did not take a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has its place. So often nodes were told of it: each answers once for each time.
    Placed {
        /// How often.
        told: u32,
    },
    /// Its key was used before: the first one's id, and how many got that.
    Repeated {
        /// The id.
        id: PublicationId,
        /// How many; none while that is being counted.
        recipients: Option<u32>,
    },
    /// It was not taken.
    Refused(PublishError),
}

/// What a node hears.
#[derive(Debug, Clone)]
pub enum Told {
    /// There is a connection from now on. Nothing of before it is on its way any more.
    Up(Life),
    /// There is none any more. What is not answered by now never will be.
    Down,
    /// An event of streams that the node follows, or for a connection; once for each stream of it that the node follows.
    Event(Event),
    /// What streams have: the answer to [`Wish::Follow`], and whether it is the last part of it. `seq` is the number of the
    /// last event of all at this place in the line.
    Streams {
        /// Of the wish.
        ticket: Ticket,
        /// The last number.
        seq: u64,
        /// The streams of this part.
        streams: Vec<StreamState>,
        /// Whether nothing more comes.
        is_last: bool,
    },
    /// What became of a publication.
    Published(Ticket, Outcome),
    /// What became of a claim.
    Claimed(Ticket, Claimed),
    /// What was wished before [`Wish::Confirm`] is carried out.
    Confirmed(Ticket),
    /// Another node says this.
    Said(NodeId, Box<[u8]>),
    /// A table: the node, the name, the text.
    Table(Ticket, Vec<(NodeId, Box<str>, Box<[u8]>)>),
    /// These nodes live, this one among them; told at [`Told::Up`] and when it changes.
    Nodes(Vec<NodeId>),
    /// Nothing more is there at the moment: told behind the last of what came at once, so that answers to it can go together.
    Rest,
}

/// The life of a broker's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Which life: another one means that numbers and epochs began anew.
    pub life: u64,
    /// The last number.
    pub seq: u64,
    /// Random bits made with the first life of all: tokens of all nodes are derived from them.
    pub secret: [u8; 32],
    /// Whether what it took survives its own restart: it syncs each write.
    pub is_durable: bool,
}

/// A broker, as a node sees it.
pub trait Broker: Send + Sync + std::fmt::Debug {
    /// Takes a wish. Never waits; called with the lock of the hub's order held, so that wishes are in the order of what the
    /// node has decided. So it must not call the hub.
    fn send(&self, wish: Wish);

    /// This node.
    fn node(&self) -> NodeId;
}
