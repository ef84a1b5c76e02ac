//! What a connection's bytes look like. Not here: the bytes (`encoded`).

use protocol::timestamp::TimestampFormat;

/// What a connection's bytes look like: a dialect, and how its frames are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// The envelopes of `/ws` in plain text frames.
    Channels,
    /// The same for a client that agreed to permessage-deflate.
    ChannelsDeflate,
    /// The envelopes of `/ws` with their places, for a client that asked for recovery.
    Placed,
    /// The same with permessage-deflate.
    PlacedDeflate,
    /// Flat events whose times have milliseconds.
    FlatMilliseconds,
    /// The same with permessage-deflate.
    FlatMillisecondsDeflate,
    /// Flat events whose times have microseconds.
    FlatMicroseconds,
    /// The same with permessage-deflate.
    FlatMicrosecondsDeflate,
    /// Flat events whose times have seconds.
    FlatSeconds,
    /// The same with permessage-deflate.
    FlatSecondsDeflate,
    /// Socket.IO events of the namespace with this number.
    Namespace(NamespaceIndex),
    /// The same with an offset behind the data, for a socket that asked for recovery.
    NamespaceOffset(NamespaceIndex),
    /// Server-sent events: each tells the positions of its connection, so none is shared.
    Events,
}

/// A namespace's place among those of its hub.
pub type NamespaceIndex = u8;

/// How many wires have frames that connections of all hubs share; behind them come two for each namespace.
pub(crate) const WIRES: usize = 10;

/// How many of them are those of envelopes: the first.
pub(crate) const ENVELOPES: usize = 4;

impl Wire {
    /// The wire of a new connection whose events are envelopes.
    #[must_use]
    pub const fn envelopes(packing: Packing) -> Self {
        match packing {
            Packing::Plain => Self::Channels,
            Packing::Deflate => Self::ChannelsDeflate,
        }
    }

    /// The wire of a connection whose events are flat.
    #[must_use]
    pub const fn flat(format: TimestampFormat, packing: Packing) -> Self {
        match (format, packing) {
            (TimestampFormat::Milliseconds, Packing::Plain) => Self::FlatMilliseconds,
            (TimestampFormat::Milliseconds, Packing::Deflate) => Self::FlatMillisecondsDeflate,
            (TimestampFormat::Microseconds, Packing::Plain) => Self::FlatMicroseconds,
            (TimestampFormat::Microseconds, Packing::Deflate) => Self::FlatMicrosecondsDeflate,
            (TimestampFormat::Seconds, Packing::Plain) => Self::FlatSeconds,
            (TimestampFormat::Seconds, Packing::Deflate) => Self::FlatSecondsDeflate,
        }
    }

    /// How the times of flat events are written; none where events are envelopes.
    #[must_use]
    pub const fn timestamps(self) -> Option<TimestampFormat> {
        match self {
            Self::FlatMilliseconds | Self::FlatMillisecondsDeflate => Some(TimestampFormat::Milliseconds),
            Self::FlatMicroseconds | Self::FlatMicrosecondsDeflate => Some(TimestampFormat::Microseconds),
            Self::FlatSeconds | Self::FlatSecondsDeflate => Some(TimestampFormat::Seconds),
            _ => None,
        }
    }

    /// The wire's place among those whose frames are shared; none where they are not.
    #[must_use]
    pub(crate) const fn index(self) -> Option<usize> {
        Some(match self {
            Self::Channels => 0,
            Self::ChannelsDeflate => 1,
            Self::Placed => 2,
            Self::PlacedDeflate => 3,
            Self::FlatMilliseconds => 4,
            Self::FlatMillisecondsDeflate => 5,
            Self::FlatMicroseconds => 6,
            Self::FlatMicrosecondsDeflate => 7,
            Self::FlatSeconds => 8,
            Self::FlatSecondsDeflate => 9,
            Self::Namespace(namespace) => WIRES + 2 * namespace as usize,
            Self::NamespaceOffset(namespace) => WIRES + 2 * namespace as usize + 1,
            Self::Events => return None,
        })
    }

    /// Whether messages may be compressed.
    #[must_use]
    pub const fn is_deflate(self) -> bool {
        matches!(
            self,
            Self::ChannelsDeflate
                | Self::PlacedDeflate
                | Self::FlatMillisecondsDeflate
                | Self::FlatMicrosecondsDeflate
                | Self::FlatSecondsDeflate
        )
    }

    /// The namespace of a Socket.IO socket.
    #[must_use]
    pub(crate) const fn namespace(self) -> Option<NamespaceIndex> {
        match self {
            Self::Namespace(namespace) | Self::NamespaceOffset(namespace) => Some(namespace),
            _ => None,
        }
    }

    /// Whether the connection is a Socket.IO socket: one of several that share a session, whose pings and silence are the
    /// session's.
    #[must_use]
    pub const fn is_socket(self) -> bool {
        matches!(self, Self::Namespace(_) | Self::NamespaceOffset(_))
    }

    /// The same without compression.
    #[must_use]
    pub const fn plain(self) -> Self {
        match self {
            Self::ChannelsDeflate => Self::Channels,
            Self::PlacedDeflate => Self::Placed,
            Self::FlatMillisecondsDeflate => Self::FlatMilliseconds,
            Self::FlatMicrosecondsDeflate => Self::FlatMicroseconds,
            Self::FlatSecondsDeflate => Self::FlatSeconds,
            plain => plain,
        }
    }

    /// The wire of what a socket that asked for recovery is given out of turn: without an offset, since it has not had all
    /// that came before.
    #[must_use]
    pub(crate) const fn out_of_turn(self) -> Self {
        match self {
            Self::NamespaceOffset(namespace) => Self::Namespace(namespace),
            other => other,
        }
    }

    /// The wire of the same connection once it has asked for recovery.
    #[must_use]
    pub(crate) const fn placed(self) -> Self {
        match self {
            Self::Channels => Self::Placed,
            Self::ChannelsDeflate => Self::PlacedDeflate,
            Self::Namespace(namespace) => Self::NamespaceOffset(namespace),
            other => other,
        }
    }
}

/// Whether a client agreed to permessage-deflate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// It did not.
    Plain,
    /// It did.
    Deflate,
}
