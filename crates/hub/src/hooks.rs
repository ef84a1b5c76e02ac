//! Client-event hooks: what a client sends that a service answers (contract: socketio, Client → server).
//!
//! The engine only tells which events are mapped, hands them over, and gives the answer to the connection that asked.
//! Not here: where a service is, how it is asked, and in which order (the server's `hooks`).

use std::sync::Arc;

use protocol::publication::{Audience, ConnectionTarget};
use protocol::{ConnectionId, Stream, Target, UserId};

/// Where a client's event came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A frame on `/ws`.
    Ws,
    /// A packet in this Socket.IO namespace.
    Namespace(Arc<str>),
}

/// How a client finds the answer to what it sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It wants none.
    None,
    /// The number of a Socket.IO acknowledgement.
    Ack(u64),
    /// On `/ws`: the event, and the JSON text of the client's own `ref`, where it gave one.
    Ref {
        /// The type of the frame.
        event: Box<str>,
        /// The client's `ref`, a JSON string or number.
        reference: Option<Box<str>>,
    },
}

/// An event of a client, for a service.
#[derive(Debug, Clone)]
pub struct ClientEvent {
    /// The event's name, or the frame's type.
    pub event: Box<str>,
    /// Where it came in.
    pub origin: Origin,
    /// The JSON text of what was sent with it; `{}` where that was nothing.
    pub data: Box<str>,
    /// Whose connection it is, as the token says; none is anonymous.
    pub user: Option<UserId>,
    /// The user's type.
    pub user_type: Option<Arc<str>>,
    /// The connection.
    pub connection: ConnectionId,
    /// Its shard.
    pub shard: usize,
    /// How its client finds the answer.
    pub reply: Reply,
}

impl ClientEvent {
    /// All connections of its sender of the same kind: the user's sockets in this namespace, or on `/ws` all of the
    /// user's connections; the connection itself where it has no user.
    #[must_use]
    pub fn sender(&self) -> Target {
        let own = |user: &UserId| match &self.origin {
            Origin::Ws => Stream::user(user),
            Origin::Namespace(namespace) => Stream::user(user).in_namespace(namespace),
        };
        let connection = self.user.is_none().then_some(ConnectionTarget::Id(self.connection));
        Target::Named(Audience { streams: self.user.iter().map(own).collect(), connection })
    }
}

/// The answer to a client's event.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The connection that asked.
    pub connection: ConnectionId,
    /// How its client finds the answer.
    pub reply: Reply,
    /// The JSON text of the answer, an object.
    pub body: Box<str>,
}

/// Whoever takes clients' events to services.
pub trait Hooks: Send + Sync + std::fmt::Debug {
    /// Whether an event that comes in there is mapped.
    fn is_mapped(&self, origin: &Origin, event: &str) -> bool;

    /// Takes an event that is mapped. Called by a shard: it must not block. The answer comes through
    /// [`Hub::answer`](crate::Hub::answer), also where the event is refused.
    fn take(&self, event: ClientEvent);

    /// A connection has ended: nobody waits for its answers any more. Called by a shard, as [`Hooks::take`].
    fn ended(&self, _connection: ConnectionId) {}
}
