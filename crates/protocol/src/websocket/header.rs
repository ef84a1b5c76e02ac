//! One frame header of a client, parsed and judged (RFC 6455 §5.2).
//!
//! Each byte is judged as soon as it is there, so a header that can't become valid fails on its first byte
//! and a declared length over the limit fails before any payload. Not here: payloads, and what a partial
//! header is kept in (`decoder`).

use super::error::CodecError;
use super::frame::{FIN, MASK, Opcode, RSV1, RSV2_RSV3};

/// The longest header of a masked frame: two bytes, a 64-bit length, four bytes of mask.
pub(super) const MAX_HEADER: usize = 14;

/// A valid header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    pub(super) fin: bool,
    /// RSV1: the message that starts with this frame is compressed.
    pub(super) compressed: bool,
    /// Payload length in bytes, already within the limit.
    pub(super) len: usize,
    pub(super) mask: [u8; 4],
}

/// What a header is judged against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// permessage-deflate was negotiated.
    pub(super) deflate: bool,
    /// The fragmented message that is open, if one is.
    pub(super) open: Option<Open>,
    /// [`Limits::max_message`](super::Limits::max_message), in bytes.
    pub(super) max_message: usize,
}

/// A fragmented message of which the last frame has not come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pub(super) compressed: bool,
    /// Payload bytes received so far.
    pub(super) received: usize,
}

/// The most payload bytes that a message may have on the wire.
///
/// A compressed message may be larger than what it holds: a fixed Huffman code spends nine bits on a byte
/// above 143 (RFC 1951 §3.2.6), and each stored block has five bytes of its own. An eighth and a bit more
/// lets through everything that inflates to an admissible size; the inflated size is limited exactly.
pub(super) fn wire_limit(max_message: usize, compressed: bool) -> usize {
    if compressed { max_message.saturating_add(max_message / 8 + max_message / 64 + 64) } else { max_message }
}

impl Header {
    /// Parses the header at the start of `bytes`, and says how many bytes it takes; `None` when it is
    /// incomplete but valid so far.
    pub(super) fn parse(bytes: &[u8], expected: &Expected) -> Result<Option<(Self, usize)>, CodecError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let fin = first & FIN != 0;
        let compressed = first & RSV1 != 0;
        if first & RSV2_RSV3 != 0 {
            return Err(CodecError::ReservedBits);
        }
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(CodecError::ReservedOpcode(first & 0x0F))?;
        if compressed && !expected.deflate {
            return Err(CodecError::DeflateNotNegotiated);
        }
        if compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(CodecError::MisplacedDeflate);
        }
        match (opcode, expected.open) {
            (Opcode::Continuation, None) => return Err(CodecError::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(CodecError::InterleavedMessage),
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) if !fin => {
                return Err(CodecError::FragmentedControl);
            }
            _ => {}
        }

        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if second & MASK == 0 {
            return Err(CodecError::Unmasked);
        }
        let short = second & !MASK;
        if opcode.is_control() && short > 125 {
            return Err(CodecError::ControlTooLong);
        }
        let (declared, len_end) = match short {
            126 => {
                let Some(&extended) = bytes.get(2..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
                let len = u64::from(u16::from_be_bytes(extended));
                if len < 126 {
                    return Err(CodecError::NonMinimalLength);
                }
                (len, 4)
            }
            127 => {
                let Some(&extended) = bytes.get(2..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
                let len = u64::from_be_bytes(extended);
                if len >> 63 != 0 {
                    return Err(CodecError::LengthOverflow);
                }
                if len <= u64::from(u16::MAX) {
                    return Err(CodecError::NonMinimalLength);
                }
                (len, 10)
            }
            _ => (u64::from(short), 2),
        };
        let len = if opcode.is_control() {
            usize::from(short)
        } else {
            let open = expected.open.unwrap_or(Open { compressed, received: 0 });
            let room = wire_limit(expected.max_message, open.compressed).saturating_sub(open.received);
            usize::try_from(declared)
                .ok()
                .filter(|&len| len <= room)
                .ok_or(CodecError::TooLarge { limit: expected.max_message })?
        };

        let Some(&mask) = bytes.get(len_end..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
        Ok(Some((Self { opcode, fin, compressed, len, mask }, len_end + mask.len())))
    }
}

#[cfg(test)]
mod tests;
