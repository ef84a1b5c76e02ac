//! What a client can do wrong on the wire, each with the close code and the reason that answer it.
//!
//! Every variant is the peer's fault; this codec has no failure of its own. Not here: the application's own
//! reasons to close (authorisation, slowness, shutdown).

/// A violation of RFC 6455 or RFC 7692 by the client, or a message beyond the limit.
///
/// The connection can't go on: answer with a close frame of [`close_code`](Self::close_code) and the
/// `Display` text, which is always at most 123 bytes, then drop the connection (RFC 6455 §7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A frame without the MASK bit (RFC 6455 §5.1).
    #[error("unmasked frame: a client must mask every frame (RFC 6455 5.1)")]
    Unmasked,
    /// RSV2 or RSV3 is set, which no negotiated extension gives a meaning (RFC 6455 §5.2).
    #[error("RSV2 or RSV3 is set, but no extension that uses them was negotiated")]
    ReservedBits,
    /// RSV1 is set on a connection without permessage-deflate.
    #[error("RSV1 is set (a compressed message), but permessage-deflate was not negotiated")]
    DeflateNotNegotiated,
    /// RSV1 is set on a continuation or a control frame (RFC 7692 §6).
    #[error("RSV1 belongs on the first frame of a message only, not on continuation or control frames")]
    MisplacedDeflate,
    /// An opcode that RFC 6455 §5.2 reserves: 0x3 to 0x7 and 0xB to 0xF.
    #[error("reserved opcode {0:#x}")]
    ReservedOpcode(u8),
    /// A control frame without FIN (RFC 6455 §5.5).
    #[error("a ping, pong or close frame must not be fragmented")]
    FragmentedControl,
    /// A control frame whose payload is longer than 125 bytes (RFC 6455 §5.5).
    #[error("the payload of a ping, pong or close frame is limited to 125 bytes")]
    ControlTooLong,
    /// A continuation frame while no message is open (RFC 6455 §5.4).
    #[error("continuation frame without a message to continue")]
    UnexpectedContinuation,
    /// A text or binary frame inside a fragmented message (RFC 6455 §5.4).
    #[error("a new message began before the last frame (FIN) of the fragmented one")]
    InterleavedMessage,
    /// A length in more bytes than it needs (RFC 6455 §5.2).
    #[error("the payload length is not encoded in the minimal number of bytes (RFC 6455 5.2)")]
    NonMinimalLength,
    /// A 64-bit length whose most significant bit is set (RFC 6455 §5.2).
    #[error("the most significant bit of a 64-bit payload length must be 0 (RFC 6455 5.2)")]
    LengthOverflow,
    /// A close frame with a payload of one byte (RFC 6455 §5.5.1).
    #[error("the payload of a close frame is empty or starts with a two-byte code")]
    TruncatedCloseCode,
    /// A close code that must not appear on the wire (RFC 6455 §7.4).
    #[error("close code {0} must not be sent in a close frame (RFC 6455 7.4)")]
    InvalidCloseCode(u16),
    /// The reason of a close frame is not UTF-8 (RFC 6455 §5.5.1).
    #[error("the reason of a close frame is not UTF-8")]
    InvalidCloseReason,
    /// A text message is not UTF-8 (RFC 6455 §8.1).
    #[error("a text message is not UTF-8; send other data as a binary message")]
    InvalidText,
    /// A compressed message is not a DEFLATE stream of its own (RFC 7692 §7.2.2).
    #[error("corrupt deflate data; mind that client_no_context_takeover was negotiated")]
    CorruptDeflate,
    /// A message, over all its fragments and after inflating it, is larger than the server's limit.
    #[error("message too large: the limit is {limit} bytes, fragments and inflated size counted")]
    TooLarge {
        /// [`Limits::max_message`](super::Limits::max_message), in bytes.
        limit: usize,
    },
}

impl CodecError {
    /// The status code of the close frame that answers this error (RFC 6455 §7.4.1): 1002, 1007 or 1009.
    pub fn close_code(&self) -> u16 {
        match self {
            Self::InvalidCloseReason | Self::InvalidText | Self::CorruptDeflate => 1007,
            Self::TooLarge { .. } => 1009,
            Self::Unmasked
            | Self::ReservedBits
            | Self::DeflateNotNegotiated
            | Self::MisplacedDeflate
            | Self::ReservedOpcode(_)
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::UnexpectedContinuation
            | Self::InterleavedMessage
            | Self::NonMinimalLength
            | Self::LengthOverflow
            | Self::TruncatedCloseCode
            | Self::InvalidCloseCode(_) => 1002,
        }
    }
}

#[cfg(test)]
mod tests;
