//! What HTTP requests and new WebSockets ask of the reactor that has their session, and what it answers.
//!
//! The queue is bounded by the node's connections and HTTP requests: each has one question at a time. Not here: how a
//! request is read (`http`, `handshake`), and what becomes of it (`engines`).

use bytes::Bytes;
use hub::{Admission, Identity};
use protocol::ConnectionId;
use tokio::sync::oneshot;

use super::session::Speech;
use super::sid::Sid;
use crate::socket::Transport;

/// A question to a reactor.
#[derive(Debug)]
pub(crate) enum Asked {
    /// A session for a client that polls.
    Open { caller: Caller, admission: Admission, answer: oneshot::Sender<Answer> },
    /// What there is for a client.
    Poll { sid: Sid, caller: Caller, answer: oneshot::Sender<Answer> },
    /// What a client sends.
    Post { sid: Sid, caller: Caller, body: String, answer: oneshot::Sender<Answer> },
    /// A client broke the rules of requests: its session ends.
    Fault { sid: Sid, caller: Caller, answer: oneshot::Sender<Answer> },
    /// Whether a WebSocket may take a session over.
    Reserve { sid: Sid, caller: Caller, answer: oneshot::Sender<Reserved> },
    /// A WebSocket, behind its handshake: a session of its own, or to take one over.
    Socket { session: Wanted, caller: Caller, transport: Transport, read_ahead: Vec<u8> },
    /// Whose a socket is that wants to be in a namespace.
    Verified { session: u32, socket: ConnectionId, outcome: Verified },
}

/// Where a question comes from.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// What speaks at its path.
    pub speech: Speech,
    /// The origin of the page, where it says one.
    pub origin: Option<Box<str>>,
}

/// Which session a WebSocket is for.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// A new one.
    New(Admission),
    /// One that it takes over.
    Of(Sid),
}

/// Whether a WebSocket may take a session over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// It may.
    Yes,
    /// Another one does or did.
    Taken,
    /// There is no such session, or it is another origin's.
    No(Refused),
}

/// What became of a token.
#[derive(Debug)]
pub(crate) enum Verified {
    /// It is good.
    Good(Box<Identity>),
    /// It is not.
    Bad,
    /// It cannot be told at the moment.
    Unknown,
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 200 with packets.
    Payload(Bytes),
    /// 200 with `ok`.
    Taken,
    /// An error.
    Refused(Refused),
}

/// Why a request is refused, as Engine.IO's own server says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// `transport` is none that there is.
    UnknownTransport,
    /// There is no such session.
    UnknownSession,
    /// A session begins with GET.
    BadMethod,
    /// The request does not fit the session.
    BadRequest,
    /// The page may not.
    Forbidden,
    /// `EIO` is not 4.
    UnsupportedVersion,
}

impl Refused {
    /// Engine.IO's number for it.
    #[must_use]
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::UnknownTransport => 0,
            Self::UnknownSession => 1,
            Self::BadMethod => 2,
            Self::BadRequest => 3,
            Self::Forbidden => 4,
            Self::UnsupportedVersion => 5,
        }
    }

    /// Engine.IO's words for it.
    #[must_use]
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSession => "Session ID unknown",
            Self::BadMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::UnsupportedVersion => "Unsupported protocol version",
        }
    }

    /// The name of the reason in metrics.
    #[must_use]
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::UnknownTransport => "unknown_transport",
            Self::UnknownSession => "unknown_session",
            Self::BadMethod | Self::BadRequest => "bad_handshake",
            Self::Forbidden => "forbidden_origin",
            Self::UnsupportedVersion => "bad_version",
        }
    }
}
