//! The dialect of `/ws`: envelopes `{"type":T,"data":D,"timestamp":S}` (contracts: channels, recovery).
//!
//! Everything here is JSON text; how it is put into WebSocket frames is [`crate::websocket`]'s matter, and what is done
//! about a frame is the engine's.

mod client;
mod given;
mod recovery;
mod server;
mod service;

pub use client::{
    ClientFrame, DEFAULT_HISTORY_LIMIT, FrameError, MAX_ACK_IDS, MAX_HISTORY_LIMIT, Subscribe, Watch,
};
pub use given::{GivenPosition, MAX_OFFSET, MAX_POSITIONS, Positions};
pub use recovery::{
    Listing, Page, StreamPosition, history, presence, presence_changed_data, resumed, subscribed_recoverable,
    write_placed_event,
};
pub use server::{connected, error, pong, refreshed, subscribed, token_expiring, unsubscribed, write_event};
pub use service::{MAX_REFERENCE, ServiceFrame, ack};

/// The code of an error frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The frame was not JSON, or nested too deeply.
    InvalidJson,
    /// The frame was JSON of the wrong shape.
    InvalidFrame,
    /// The frame's `type` is none that the hub knows.
    UnknownType,
    /// A channel name breaks the rules for names.
    InvalidChannel,
    /// The channel rules do not allow it.
    Forbidden,
    /// The connection has as many channels as it may have.
    TooManyChannels,
    /// What the frame names is not there.
    NotFound,
    /// The hub cannot do it now.
    Unavailable,
    /// A fault of the hub's own.
    Internal,
}

impl ErrorCode {
    /// The code as it goes over the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::InvalidFrame => "invalid_frame",
            Self::UnknownType => "unknown_type",
            Self::InvalidChannel => "invalid_channel",
            Self::Forbidden => "forbidden",
            Self::TooManyChannels => "too_many_channels",
            Self::NotFound => "not_found",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

#[cfg(test)]
mod tests;
