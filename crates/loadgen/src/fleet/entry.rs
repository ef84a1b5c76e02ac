//! How receivers enter, what they ask for, and what is told of those that end: the words of [`super::Fleet`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use mio::net::TcpStream;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

/// Loopback addresses connections come from, so that ephemeral ports do not run out.
const SOURCES: usize = 200;

/// How a receiver gets from TCP to events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// Frames come without a handshake (`floor`).
    Bare,
    /// Upgrade, then ask for one channel's events, in the words of the world that is at this path.
    Subscribe { path: String, host: String, wish: Wish },
    /// Engine.IO 4, then a connection to this namespace of Socket.IO 5 with the seat's token.
    Namespace { host: String, name: String, transport: Transport },
}

/// What Engine.IO's packets go over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub(crate) enum Transport {
    /// WebSocket at once.
    Websocket,
    /// HTTP long polling, without an upgrade.
    Polling,
}

/// What a receiver asks for when it subscribes, and how it knows that it has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wish {
    /// Events from now on.
    Plain,
    /// To miss nothing when it comes back.
    Recoverable,
    /// The queue of the seat's channel (dashboard).
    Queue,
    /// Nothing: the first frame says that it is in (tasks).
    Welcome,
    /// Nothing: it is in with the handshake, and nothing says so (receipts).
    Nothing,
}

impl Wish {
    /// The frame that asks; that of [`Wish::Recoverable`] depends on what the client remembers ([`crate::memory`]).
    pub(super) fn request(self, channel: &str) -> Option<String> {
        match self {
            Self::Plain | Self::Recoverable => {
                Some(format!("{{\"type\":\"subscribe\",\"channels\":[\"{channel}\"]}}"))
            }
            Self::Queue => Some(format!("{{\"type\":\"subscribe\",\"queueId\":\"{channel}\"}}")),
            Self::Welcome | Self::Nothing => None,
        }
    }

    /// What stands in the frame from which on events come; none where there is no such frame.
    pub(super) fn answer(self) -> Option<&'static [u8]> {
        match self {
            Self::Plain | Self::Recoverable | Self::Queue => Some(b"\"type\":\"subscribed\""),
            Self::Welcome => Some(b"\"type\":\"connection_established\""),
            Self::Nothing => None,
        }
    }
}

/// A connection that has ended without this side's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) seat: usize,
    /// In which time to come back, where the server said so.
    pub(crate) told: Option<Duration>,
}

/// What came of the wish to miss nothing, over all receivers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Recoveries {
    /// Connections that were resumed by their token.
    pub(crate) resumed: u64,
    /// Tokens that were refused; the client subscribed with its positions.
    pub(crate) tokens_refused: u64,
    /// Streams of which all that was missed came.
    pub(crate) recovered: u64,
    /// Streams of which it is not known what was missed.
    pub(crate) gaps: u64,
    /// Events that were not the next in their stream.
    pub(crate) out_of_order: u64,
    /// Bytes of the events that came, with their frames' headers.
    pub(crate) event_bytes: u64,
}

/// One receiver before it is connected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seat {
    pub(crate) channel: String,
    pub(crate) token: Option<String>,
}

/// Starts to connect from one of many loopback addresses.
pub(super) fn dial(server: SocketAddr, index: usize) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if let IpAddr::V4(address) = server.ip()
        && address.is_loopback()
    {
        let last = u8::try_from(2 + index % SOURCES).unwrap_or(2);
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into())?;
    }
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&server.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wish_asks_in_the_words_of_its_world_and_knows_the_answer() {
        for wish in [Wish::Plain, Wish::Recoverable, Wish::Queue, Wish::Welcome, Wish::Nothing] {
            let asked =
                wish.request("c").map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
            // Where nothing is answered nothing can be asked: nobody would know whether it is in force.
            assert!(asked.is_none() || wish.answer().is_some(), "{wish:?}");
            assert!(asked.is_none_or(|frame| frame["type"] == "subscribe"), "{wish:?}");
        }
        assert_eq!(Wish::Queue.request("c").unwrap(), r#"{"type":"subscribe","queueId":"c"}"#);
    }
}
